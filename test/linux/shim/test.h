/* SPDX-License-Identifier: MIT */
#ifndef TEST_SHIM_TEST_H
#define TEST_SHIM_TEST_H

/* What the kernel's tests of its trees share. */

#include <pthread.h>
#include <string.h>
#include <time.h>

#include <linux/kernel.h>
#include <linux/slab.h>

#include "test/linux/planted.h"

#define assert(condition) KERNEL_CHECK(condition)

struct item {
	unsigned long index;
};

static inline struct item *item_create(unsigned long index, unsigned int order)
{
	struct item *item = malloc(sizeof(*item));

	(void)order;
	if (!item)
		abort();
	item->index = index;
	return item;
}

#define xa_mk_value(value) ((void *)((unsigned long)(value) << 1 | 1))

/* Nodes of the kernel's tree. */
#define RADIX_TREE_MAP_SIZE 64
#define radix_tree_init() ((void)0)
#define radix_tree_cpu_dead(cpu) ((void)0)
#define nr_allocated 0

#define rcu_register_thread() ((void)0)
#define rcu_unregister_thread() ((void)0)
#define rcu_read_lock() ioasid_rcu_read_lock(ioasid_idr_rcu())
#define rcu_read_unlock() ioasid_rcu_read_unlock(ioasid_idr_rcu())
#define rcu_barrier() ((void)ioasid_rcu_barrier(ioasid_idr_rcu()))

#define time(ignored) kernel_time()

#endif
