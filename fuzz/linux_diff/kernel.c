/* SPDX-License-Identifier: MIT */
/*
 * The kernel's xarray.c, radix-tree.c, idr.c and ioasid.c, unmodified, as one
 * translation unit. External names become linux_kernel_...: those that are
 * exported by the generated names.h, which is to be found as <names.h>.
 */
#include "fuzz/linux_diff/kernel.h"

#include <names.h>
#define radix_tree_init linux_kernel_radix_tree_init
#define radix_tree_node_cachep linux_kernel_radix_tree_node_cachep
#define radix_tree_node_rcu_free linux_kernel_radix_tree_node_rcu_free
#define radix_tree_preloads linux_kernel_radix_tree_preloads
#define xas_destroy linux_kernel_xas_destroy
#define xa_delete_node linux_kernel_xa_delete_node

#include "fuzz/linux_diff/shim/kernel.h"

/* Its dump functions are for debugging; what they call is not here. */
#define __KERNEL__

#include <linux/list.h>
#include <linux/xarray.h>
#include <linux/radix-tree.h>
#include <linux/idr.h>
#include <linux/ioasid.h>

#include "lib/radix-tree.c"

#include "lib/xarray.c"

#include "lib/idr.c"

#include "drivers/iommu/ioasid.c"

_Static_assert(sizeof(struct kernel_ops) ==
			       sizeof(struct ioasid_allocator_ops) &&
		       offsetof(struct kernel_ops, pdata) ==
			       offsetof(struct ioasid_allocator_ops, pdata),
	       "layout of struct ioasid_allocator_ops");
_Static_assert(sizeof(struct kernel_idr) >= sizeof(struct idr), "room");
_Static_assert(sizeof(struct kernel_ida) >= sizeof(struct ida), "room");

/* Memory. */

static uint32_t calls, fail_from, failed;
static size_t objects;

/* Before each object: what is left of a run goes at the next. */
union object {
	struct list_head list;
	max_align_t align;
};

static LIST_HEAD(object_list);

/* In the order of their freeing. */
struct later {
	struct rcu_head *head;
	void (*func)(struct rcu_head *head);
	void *object;
};

static struct later *laters;
static size_t later_count, later_room;

void *kernel_shim_alloc(size_t size)
{
	union object *object;

	if (++calls >= fail_from && fail_from) {
		failed++;
		return NULL;
	}
	object = calloc(1, sizeof(*object) + size);
	if (!object)
		abort();
	list_add_tail(&object->list, &object_list);
	objects++;
	return object + 1;
}

void kernel_shim_free(const void *memory)
{
	union object *object = (union object *)(uintptr_t)memory;

	if (!object)
		return;
	object--;
	list_del(&object->list);
	objects--;
	free(object);
}

void *kernel_shim_node(void)
{
	struct xa_node *node = kernel_shim_alloc(sizeof(*node));

	if (node)
		INIT_LIST_HEAD(&node->private_list);
	return node;
}

void kernel_shim_later(struct rcu_head *head,
		       void (*func)(struct rcu_head *head), void *object)
{
	if (!head)
		return;
	if (later_count == later_room) {
		later_room = later_room ? 2 * later_room : 64;
		laters = realloc(laters, later_room * sizeof(*laters));
		if (!laters)
			abort();
	}
	laters[later_count++] = (struct later){ head, func, object };
}

void kernel_memory_fail(uint32_t from)
{
	calls = 0;
	failed = 0;
	fail_from = from;
}

uint32_t kernel_memory_failed(void)
{
	return failed;
}

size_t kernel_reclaim(void)
{
	for (size_t i = 0; i < later_count; i++)
		if (laters[i].func)
			laters[i].func(laters[i].head);
		else
			kernel_shim_free(laters[i].object);
	later_count = 0;
	free(laters);
	laters = NULL;
	later_room = 0;
	return objects;
}

void kernel_reset(void)
{
	INIT_LIST_HEAD(&allocators_list);
	active_allocator = &default_allocator;
	xa_init_flags(&default_allocator.xa, XA_FLAGS_ALLOC);
	kernel_memory_fail(0);
	kernel_reclaim();
	while (!list_empty(&object_list))
		kernel_shim_free((union object *)(void *)object_list.next + 1);
}

/* IOASIDs. */

uint32_t kernel_ioasid_alloc(void *set, uint32_t min_id, uint32_t max_id,
			     void *data)
{
	return ioasid_alloc(set, min_id, max_id, data);
}

void kernel_ioasid_free(uint32_t id)
{
	ioasid_free(id);
}

void *kernel_ioasid_find(void *set, uint32_t id, bool (*getter)(void *data))
{
	return ioasid_find(set, id, getter);
}

int kernel_ioasid_set_data(uint32_t id, void *data)
{
	return ioasid_set_data(id, data);
}

int kernel_ioasid_register(struct kernel_ops *ops)
{
	return ioasid_register_allocator((struct ioasid_allocator_ops *)ops);
}

void kernel_ioasid_unregister(struct kernel_ops *ops)
{
	ioasid_unregister_allocator((struct ioasid_allocator_ops *)ops);
}

/* IDRs and IDAs. */

static struct idr *idr_of(struct kernel_idr *room)
{
	return (struct idr *)(void *)room;
}

static struct ida *ida_of(struct kernel_ida *room)
{
	return (struct ida *)(void *)room;
}

void kernel_idr_init(struct kernel_idr *idr, int base)
{
	idr_init_base(idr_of(idr), base);
}

int kernel_idr_alloc(struct kernel_idr *idr, void *ptr, int start, int end)
{
	return idr_alloc(idr_of(idr), ptr, start, end, GFP_KERNEL);
}

int kernel_idr_alloc_cyclic(struct kernel_idr *idr, void *ptr, int start,
			    int end)
{
	return idr_alloc_cyclic(idr_of(idr), ptr, start, end, GFP_KERNEL);
}

int kernel_idr_alloc_u32(struct kernel_idr *idr, void *ptr, uint32_t *id,
			 unsigned long max_id)
{
	return idr_alloc_u32(idr_of(idr), ptr, id, max_id, GFP_KERNEL);
}

void *kernel_idr_remove(struct kernel_idr *idr, unsigned long id)
{
	return idr_remove(idr_of(idr), id);
}

void *kernel_idr_find(struct kernel_idr *idr, unsigned long id)
{
	return idr_find(idr_of(idr), id);
}

void *kernel_idr_replace(struct kernel_idr *idr, void *ptr, unsigned long id)
{
	return idr_replace(idr_of(idr), ptr, id);
}

int kernel_idr_for_each(struct kernel_idr *idr,
			int (*fn)(int id, void *p, void *data), void *data)
{
	return idr_for_each(idr_of(idr), fn, data);
}

void *kernel_idr_get_next(struct kernel_idr *idr, int *id)
{
	return idr_get_next(idr_of(idr), id);
}

void *kernel_idr_get_next_ul(struct kernel_idr *idr, unsigned long *id)
{
	return idr_get_next_ul(idr_of(idr), id);
}

unsigned int kernel_idr_cursor(struct kernel_idr *idr)
{
	return idr_get_cursor(idr_of(idr));
}

void kernel_idr_set_cursor(struct kernel_idr *idr, unsigned int cursor)
{
	idr_set_cursor(idr_of(idr), cursor);
}

bool kernel_idr_is_empty(struct kernel_idr *idr)
{
	return idr_is_empty(idr_of(idr));
}

void kernel_idr_destroy(struct kernel_idr *idr)
{
	idr_destroy(idr_of(idr));
}

void kernel_ida_init(struct kernel_ida *ida)
{
	ida_init(ida_of(ida));
}

int kernel_ida_alloc_range(struct kernel_ida *ida, unsigned int min_id,
			   unsigned int max_id)
{
	return ida_alloc_range(ida_of(ida), min_id, max_id, GFP_KERNEL);
}

void kernel_ida_free(struct kernel_ida *ida, unsigned int id)
{
	ida_free(ida_of(ida), id);
}

bool kernel_ida_is_empty(struct kernel_ida *ida)
{
	return ida_is_empty(ida_of(ida));
}

void kernel_ida_destroy(struct kernel_ida *ida)
{
	ida_destroy(ida_of(ida));
}
