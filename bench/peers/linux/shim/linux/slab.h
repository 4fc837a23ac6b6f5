/* SPDX-License-Identifier: MIT */
#ifndef SHIM_LINUX_SLAB_H
#define SHIM_LINUX_SLAB_H

#include <stdlib.h>
#include <string.h>

#include <linux/gfp.h>
#include <linux/types.h>

/* Sizes are compile-time constants: no branch is left. */
static inline void *kzalloc(size_t size, gfp_t flags)
{
	void *object;

	(void)flags;
	if (size != LINUX_SHIM_SMALL_SIZE)
		return calloc(1, size);
	object = linux_shim_take(&linux_shim_small, &linux_shim_local,
				 LINUX_SHIM_SMALL_LINK);
	if (object)
		memset(object, 0, size);
	return object;
}

static inline void linux_shim_kfree(void *object, size_t size)
{
	if (size != LINUX_SHIM_SMALL_SIZE)
		free(object);
	else if (object)
		linux_shim_drop(&linux_shim_local, object,
				LINUX_SHIM_SMALL_LINK);
}

#define kfree(object) linux_shim_kfree((object), sizeof(*(object)))

/*
 * The only cache xarray.c uses is that of its nodes, under the lock of
 * ioasid.c. Free nodes are kept zeroed.
 */
#define kmem_cache_alloc_lru(cache, lru, flags) linux_shim_node_alloc()

static inline void *linux_shim_node_alloc(void)
{
	static struct linux_shim_list list;
	void *node =
		linux_shim_take(&linux_shim_nodes, &list, LINUX_SHIM_NODE_LINK);

	if (node) {
		struct list_head *private_list =
			(void *)((char *)node + LINUX_SHIM_NODE_LINK);

		private_list->next = private_list;
		private_list->prev = private_list;
		linux_shim_nodes_taken++;
	}
	return node;
}

#endif
