/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "base.h"

#include "../platform/memory.h"
#include "../platform/util.h"

void ioasid_space_lock_guarded(struct space *space)
{
	int cancel;

	if (!space->lock_ops.lock) {
		ioasid_guard_lock(&space->guard, &space->lock);
		return;
	}
	/* The thread may not end with the lock. */
	cancel = ioasid_cancel_disable();
	space->lock_ops.lock(space->lock_ops.context);
	space->guard.cancel = cancel;
}

void ioasid_space_unlock_guarded(struct space *space)
{
	int cancel = space->guard.cancel;

	if (!space->lock_ops.lock) {
		ioasid_guard_unlock(&space->guard);
		return;
	}
	space->lock_ops.unlock(space->lock_ops.context);
	ioasid_cancel_restore(cancel);
}

int ioasid_space_keep_thread(struct space *space)
{
	int now = ioasid_cancel_disable(), before = now;

	/* What the next unlock restores. */
	if (space->guarded) {
		before = space->guard.cancel;
		space->guard.cancel = now;
	}
	return before;
}

void ioasid_space_let_thread(struct space *space, int before)
{
	if (space->guarded)
		space->guard.cancel = before;
	else
		ioasid_cancel_restore(before);
}

static void *count_block(struct space *space, void *memory, size_t size)
{
	if (memory)
		ioasid_fetch_add_acq_rel(&space->held, size);
	return memory;
}

bool ioasid_space_must_wait(struct space *space)
{
	space->refused = space->created &&
			 ioasid_rcu_retired_full(space->space.rcu);
	return space->refused;
}

void *ioasid_space_memory(struct space *space, size_t size)
{
	const struct ioasid_memory *user = &space->user_memory;

	return count_block(space, ioasid_memory_alloc(user, size), size);
}

void ioasid_space_memory_free(struct space *space, void *memory, size_t size)
{
	ioasid_fetch_sub_release(&space->held, size);
	ioasid_memory_free(&space->user_memory, memory, size);
}

static void *counted_alloc(void *context, size_t size)
{
	struct space *space = context;

	return ioasid_space_must_wait(space) ? NULL :
					       ioasid_space_memory(space, size);
}

static void *counted_reserve(void *context, size_t size)
{
	struct space *space = context;
	const struct ioasid_memory *user = &space->user_memory;

	if (ioasid_space_must_wait(space))
		return NULL;
	return count_block(space, user->reserve(user->context, size), size);
}

static void counted_free(void *context, void *memory, size_t size)
{
	ioasid_space_memory_free(context, memory, size);
}

static void counted_release(void *context, void *memory, size_t size)
{
	struct space *space = context;

	ioasid_fetch_sub_release(&space->held, size);
	space->user_memory.release(space->user_memory.context, memory, size);
}

static size_t counted_discard(void *context, void *memory, size_t size)
{
	struct space *space = context;

	return space->user_memory.discard(space->user_memory.context, memory,
					  size);
}

struct ioasid_memory ioasid_space_hooks(struct space *space)
{
	struct ioasid_memory memory = {
		.alloc = counted_alloc,
		.free = counted_free,
		.context = space,
	};

	if (space->user_memory.reserve) {
		memory.reserve = counted_reserve;
		memory.release = counted_release;
	}
	if (space->user_memory.discard)
		memory.discard = counted_discard;
	return memory;
}

void ioasid_space_reclaim(struct space *space)
{
	struct ioasid_guard guard;

	if (!space->guarded)
		ioasid_guard_adopt(&guard, &space->lock);
	ioasid_rcu_reclaim_all(space->space.rcu);
	if (!space->guarded)
		ioasid_guard_drop(&guard);
}

bool ioasid_space_name(char *to, const char *from)
{
	size_t length = 0;

	memset(to, 0, IOASID_NAME_SIZE);
	for (; from && from[length]; length++) {
		if (length == IOASID_NAME_SIZE - 1)
			return false;
		to[length] = from[length];
	}
	return true;
}

const void *ioasid_space_thread(void)
{
	static IOASID_TLS char self;

	return &ioasid_tls(self);
}
