// SPDX-License-Identifier: MIT
/*
 * The kernel's xarray.c and ioasid.c, unmodified, as one translation unit on
 * the headers in shim/. External names become linux_kernel_...: those the
 * kernel exports by the generated names.h.
 */
#include <stdlib.h>
#include <string.h>

#include "bench/peers/linux/names.h"
#define xas_destroy linux_kernel_xas_destroy

#include "bench/peers/linux/linux_ioasid.h"

#include <linux/kconfig.h>

#include <linux/xarray.h>

#include <linux/list.h>

#include <linux/ioasid.h>

/* A lookup is one function; left alone, compilers make it three. */
extern __typeof__(xas_load) xas_load __attribute__((always_inline));
static __typeof__(xas_load) xas_start __attribute__((always_inline));
extern __typeof__(xa_load) xa_load __attribute__((always_inline));
extern __typeof__(ioasid_find) ioasid_find __attribute__((always_inline));

static void radix_tree_node_rcu_free(struct rcu_head *head);

#include "lib/xarray.c"

#include "drivers/iommu/ioasid.c"

_Static_assert(XA_CHUNK_SIZE == 64, "nodes of 64 slots");
_Static_assert(sizeof(struct ioasid_data) == LINUX_SHIM_SMALL_SIZE,
	       "size of struct ioasid_data");
_Static_assert(offsetof(struct ioasid_data, rcu) == LINUX_SHIM_SMALL_LINK,
	       "layout of struct ioasid_data");
_Static_assert(sizeof(struct xa_node) == LINUX_SHIM_NODE_SIZE,
	       "size of struct xa_node");
_Static_assert(offsetof(struct xa_node, rcu_head) == LINUX_SHIM_NODE_LINK,
	       "layout of struct xa_node");
_Static_assert(offsetof(struct ioasid_allocator_data, rcu) ==
		       LINUX_SHIM_LARGE_LINK,
	       "layout of struct ioasid_allocator_data");
_Static_assert(sizeof(struct linux_ioasid_ops) ==
			       sizeof(struct ioasid_allocator_ops) &&
		       offsetof(struct linux_ioasid_ops, pdata) ==
			       offsetof(struct ioasid_allocator_ops, pdata),
	       "layout of struct ioasid_allocator_ops");

static size_t nodes_freed; /* atomic */

static void radix_tree_node_rcu_free(struct rcu_head *head)
{
	struct xa_node *node = container_of(head, struct xa_node, rcu_head);

	memset(node->slots, 0, sizeof(node->slots));
	memset(node->marks, 0, sizeof(node->marks));
	head->next = NULL;
	linux_shim_give(&linux_shim_nodes, head);
	__atomic_fetch_add(&nodes_freed, 1, __ATOMIC_RELAXED);
}

void *linux_ioasid_set_new(void)
{
	return calloc(1, sizeof(struct ioasid_set));
}

uint32_t linux_ioasid_alloc(void *set, uint32_t min, uint32_t max, void *priv)
{
	return ioasid_alloc(set, min, max, priv);
}

void linux_ioasid_free(uint32_t id)
{
	ioasid_free(id);
}

void *linux_ioasid_find(void *set, uint32_t id, bool (*getter)(void *priv))
{
	return ioasid_find(set, id, getter);
}

int linux_ioasid_set_data(uint32_t id, void *priv)
{
	return ioasid_set_data(id, priv);
}

int linux_ioasid_register_allocator(struct linux_ioasid_ops *ops)
{
	return ioasid_register_allocator((struct ioasid_allocator_ops *)ops);
}

void linux_ioasid_unregister_allocator(struct linux_ioasid_ops *ops)
{
	ioasid_unregister_allocator((struct ioasid_allocator_ops *)ops);
}

void linux_ioasid_barrier(void)
{
	spin_lock(&ioasid_allocator_lock);
	linux_shim_hand_over();
	spin_unlock(&ioasid_allocator_lock);
	linux_shim_barrier();
}

static size_t count_ids(struct ioasid_allocator_data *allocator)
{
	unsigned long index;
	void *entry;
	size_t count = 0;

	xa_for_each(&allocator->xa, index, entry)
		count++;
	return count;
}

size_t linux_ioasid_bytes(void)
{
	struct ioasid_allocator_data *allocator;
	size_t objects;
	size_t nodes;
	size_t allocators = 0;

	spin_lock(&ioasid_allocator_lock);
	objects = count_ids(&default_allocator) + linux_shim_deferred();
	list_for_each_entry(allocator, &allocators_list, list) {
		objects += count_ids(allocator);
		allocators++;
	}
	nodes = linux_shim_nodes_taken -
		__atomic_load_n(&nodes_freed, __ATOMIC_RELAXED);
	spin_unlock(&ioasid_allocator_lock);
	return objects * LINUX_SHIM_SMALL_SIZE +
	       nodes * sizeof(struct xa_node) +
	       allocators * sizeof(struct ioasid_allocator_data);
}

size_t linux_ioasid_slab_bytes(void)
{
	return linux_shim_slab_bytes();
}

void linux_ioasid_reset(void)
{
	struct ioasid_allocator_data *allocator;

	/* The IDs' own objects go with the memory of their cache. */
	spin_lock(&ioasid_allocator_lock);
	xa_destroy(&default_allocator.xa);
	list_for_each_entry(allocator, &allocators_list, list)
		xa_destroy(&allocator->xa);
	spin_unlock(&ioasid_allocator_lock);
	linux_ioasid_barrier();
	linux_shim_release();
}
