/* SPDX-License-Identifier: MIT */
/*
 * What Rust cannot take from the header: inlined lookups that answer in a
 * register, numbers that differ from system to system, and the layout of
 * structures, which a test compares with the declarations.
 */
#include <stddef.h>

#include "ioasid.h"

void *ioasid_rs_find(const struct ioasid_space *space,
		     const struct ioasid_set *set, ioasid_t id);
void *ioasid_rs_find_any(const struct ioasid_space *space, ioasid_t id);
void *ioasid_rs_find_handle(const struct ioasid_space *space,
			    const struct ioasid_set *set,
			    ioasid_handle_t handle);

/* The private pointer, or an error pointer. In a section of the caller's. */
void *ioasid_rs_find(const struct ioasid_space *space,
		     const struct ioasid_set *set, ioasid_t id)
{
	void *data;
	int ret = ioasid_space_find_rcu(space, set, id, &data);

	return ret ? ioasid_err_ptr(ret) : data;
}

/* The private pointer, or NULL for any error. In a section of the caller's. */
void *ioasid_rs_find_any(const struct ioasid_space *space, ioasid_t id)
{
	void *data;

	(void)ioasid_space_find_rcu(space, NULL, id, &data);
	return data;
}

void *ioasid_rs_find_handle(const struct ioasid_space *space,
			    const struct ioasid_set *set,
			    ioasid_handle_t handle)
{
	void *data;
	int ret = ioasid_space_find_handle_rcu(space, set, handle, &data);

	return ret ? ioasid_err_ptr(ret) : data;
}

/* In the order of the variants of ioasid::Error. */
extern const int ioasid_rs_errno[23];
const int ioasid_rs_errno[23] = {
	EPERM,	   ENOENT,	 EIO,	  E2BIG,   EAGAIN, ENOMEM,
	EACCES,	   EBUSY,	 EEXIST,  EXDEV,   ENODEV, EINVAL,
	ENFILE,	   ENOSPC,	 ERANGE,  EDEADLK, EPROTO, EBADMSG,
	EOVERFLOW, ENAMETOOLONG, ENOBUFS, ESTALE,  EDQUOT,
};

#define SIZE(type) sizeof(type), _Alignof(type)
#define AT(type, member) offsetof(type, member)

extern const size_t ioasid_rs_layout[];
const size_t ioasid_rs_layout[] = {
	SIZE(struct ioasid_memory),
	AT(struct ioasid_memory, alloc),
	AT(struct ioasid_memory, free),
	AT(struct ioasid_memory, reserve),
	AT(struct ioasid_memory, release),
	AT(struct ioasid_memory, discard),
	AT(struct ioasid_memory, context),
	AT(struct ioasid_memory, huge_pages),
	SIZE(struct ioasid_lock_ops),
	AT(struct ioasid_lock_ops, lock),
	AT(struct ioasid_lock_ops, unlock),
	AT(struct ioasid_lock_ops, context),
	SIZE(struct ioasid_space_config),
	AT(struct ioasid_space_config, min),
	AT(struct ioasid_space_config, max),
	AT(struct ioasid_space_config, store),
	AT(struct ioasid_space_config, store_ops),
	AT(struct ioasid_space_config, store_context),
	AT(struct ioasid_space_config, rcu),
	AT(struct ioasid_space_config, flavour),
	AT(struct ioasid_space_config, memory),
	AT(struct ioasid_space_config, lock),
	AT(struct ioasid_space_config, hash_seed),
	AT(struct ioasid_space_config, reuse),
	AT(struct ioasid_space_config, quarantine),
	AT(struct ioasid_space_config, capacity),
	AT(struct ioasid_space_config, name),
	SIZE(struct ioasid_stats),
	AT(struct ioasid_stats, live),
	AT(struct ioasid_stats, pending),
	AT(struct ioasid_stats, unpublished),
	AT(struct ioasid_stats, quarantined),
	AT(struct ioasid_stats, sets),
	AT(struct ioasid_stats, allocators),
	AT(struct ioasid_stats, notifiers),
	AT(struct ioasid_stats, capacity),
	AT(struct ioasid_stats, committed),
	AT(struct ioasid_stats, reserved),
	AT(struct ioasid_stats, allocs),
	AT(struct ioasid_stats, frees),
	AT(struct ioasid_stats, alloc_failed),
	AT(struct ioasid_stats, free_unknown),
	AT(struct ioasid_stats, memory),
	SIZE(struct ioasid_set_config),
	AT(struct ioasid_set_config, name),
	AT(struct ioasid_set_config, token),
	AT(struct ioasid_set_config, quota),
	AT(struct ioasid_set_config, reserved),
	SIZE(struct ioasid_set_info),
	AT(struct ioasid_set_info, name),
	AT(struct ioasid_set_info, token),
	AT(struct ioasid_set_info, quota),
	AT(struct ioasid_set_info, reserved),
	AT(struct ioasid_set_info, count),
	AT(struct ioasid_set_info, spids),
	SIZE(struct ioasid_rcu_config),
	AT(struct ioasid_rcu_config, flavour),
	AT(struct ioasid_rcu_config, ops),
	AT(struct ioasid_rcu_config, ops_context),
	AT(struct ioasid_rcu_config, memory),
	AT(struct ioasid_rcu_config, pending_limit),
	AT(struct ioasid_rcu_config, retired_limit),
	AT(struct ioasid_rcu_config, reclaimer),
	AT(struct ioasid_rcu_config, no_membarrier),
	SIZE(struct ioasid_rcu_head),
	AT(struct ioasid_rcu_head, next),
	AT(struct ioasid_rcu_head, func),
	SIZE(struct ioasid_domain_stats),
	AT(struct ioasid_domain_stats, threads),
	AT(struct ioasid_domain_stats, pending),
	AT(struct ioasid_domain_stats, retired),
	AT(struct ioasid_domain_stats, retired_bytes),
	AT(struct ioasid_domain_stats, oldest_ns),
	AT(struct ioasid_domain_stats, grace_periods),
	SIZE(struct ioasid_notice),
	AT(struct ioasid_notice, event),
	AT(struct ioasid_notice, space),
	AT(struct ioasid_notice, set),
	AT(struct ioasid_notice, handle),
	AT(struct ioasid_notice, spid),
	AT(struct ioasid_notice, data),
	AT(struct ioasid_notice, arg),
	SIZE(struct ioasid_notifier),
	AT(struct ioasid_notifier, notify),
	AT(struct ioasid_notifier, release),
	AT(struct ioasid_notifier, priority),
	AT(struct ioasid_notifier, next),
	AT(struct ioasid_notifier, prev),
	AT(struct ioasid_notifier, space),
	AT(struct ioasid_notifier, set),
	AT(struct ioasid_notifier, calls),
	AT(struct ioasid_notifier, since),
	AT(struct ioasid_notifier, ended),
	SIZE(struct ioasid_allocator_ops),
	AT(struct ioasid_allocator_ops, alloc),
	AT(struct ioasid_allocator_ops, free),
	AT(struct ioasid_allocator_ops, pdata),
	AT(struct ioasid_allocator_ops, release),
	SIZE(struct ioasid_codec),
	AT(struct ioasid_codec, encode),
	AT(struct ioasid_codec, decode),
	AT(struct ioasid_codec, encode_token),
	AT(struct ioasid_codec, decode_token),
	AT(struct ioasid_codec, restore_set),
	AT(struct ioasid_codec, discard),
	AT(struct ioasid_codec, context),
};
extern const size_t ioasid_rs_layout_count;
const size_t ioasid_rs_layout_count =
	sizeof(ioasid_rs_layout) / sizeof(ioasid_rs_layout[0]);
