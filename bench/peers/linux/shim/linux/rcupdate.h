/* SPDX-License-Identifier: MIT */
#ifndef SHIM_LINUX_RCUPDATE_H
#define SHIM_LINUX_RCUPDATE_H

#include <stdlib.h>

#include <linux/types.h>

/* A read section of liburcu's qsbr flavour is no instruction. */
#define rcu_read_lock() barrier()
#define rcu_read_unlock() barrier()

#define rcu_dereference(p) READ_ONCE(p)
#define rcu_dereference_raw(p) READ_ONCE(p)
#define rcu_dereference_check(p, condition) READ_ONCE(p)
#define rcu_dereference_protected(p, condition) (p)

#define rcu_assign_pointer(p, v) \
	__atomic_store_n(&(p), (__typeof__(p))(v), __ATOMIC_RELEASE)
#define RCU_INIT_POINTER(p, v) WRITE_ONCE(p, v)

#define synchronize_rcu() linux_shim_synchronize()

/* ioasid.c and xarray.c call these under the lock of ioasid.c only. */
static inline void call_rcu(struct rcu_head *head,
			    void (*func)(struct rcu_head *))
{
	head->func = func;
	linux_shim_defer(&linux_shim_pending.calls, head);
}

#define kfree_rcu(object, member) \
	linux_shim_kfree_rcu((object), sizeof(*(object)), &(object)->member)

static inline void linux_shim_free_large(struct rcu_head *head)
{
	free((char *)head - LINUX_SHIM_LARGE_LINK);
}

static inline void linux_shim_kfree_rcu(void *object, size_t size,
					struct rcu_head *head)
{
	if (!object)
		return;
	if (size == LINUX_SHIM_SMALL_SIZE)
		linux_shim_defer(&linux_shim_pending.objects, head);
	else
		call_rcu(head, linux_shim_free_large);
}

#endif
