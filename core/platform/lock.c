/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "lock.h"

#ifdef IOASID_HAS_FUTEX
/* A waiter that no unlock can be sure to see looks by itself now and then. */
#define BLIND_WAIT_NS 1000000
#ifndef IOASID_LOCK_SPINS
#define IOASID_LOCK_SPINS 100
#endif

ioasid_atomic_u32 ioasid_lock_asymmetric;

bool ioasid_membarrier_enable(void)
{
	if (ioasid_load_acquire(&ioasid_lock_asymmetric) ==
	    IOASID_LOCK_UNFENCED)
		return true;
	if (!ioasid_membarrier_register())
		return false;
	ioasid_store_release(&ioasid_lock_asymmetric, IOASID_LOCK_ANNOUNCED);
	/* Who waits without a barrier did so before; an unlock sees it. */
	if (!ioasid_membarrier())
		return false;
	ioasid_store_release(&ioasid_lock_asymmetric, IOASID_LOCK_UNFENCED);
	return true;
}
#else
bool ioasid_membarrier_enable(void)
{
	return ioasid_membarrier_register();
}
#endif

/* Is it one that the fork() around this call has taken? */
static bool has_by_fork(const struct ioasid_lock *lock)
{
	return ioasid_forking() && lock->forks;
}

#ifdef IOASID_HAS_FUTEX
void ioasid_lock_wait(struct ioasid_lock *lock)
{
	unsigned int round = 0;
	bool blind;

	if (has_by_fork(lock))
		return;
	for (unsigned int spin = 0; spin < IOASID_LOCK_SPINS; spin++) {
		if (!ioasid_load_relaxed(&lock->held) && ioasid_lock_try(lock))
			return;
#if defined(__x86_64__) || defined(__i386__)
		__builtin_ia32_pause();
#endif
	}
	ioasid_fetch_add_acq_rel(&lock->waiters, 1u);
	ioasid_fence_seq_cst();
	/* From here on an unlock is seen, or sees this waiter. */
	blind = ioasid_load_relaxed(&ioasid_lock_asymmetric) &&
		!ioasid_membarrier();
	while (!ioasid_lock_try(lock))
		if (!ioasid_futex_wait(&lock->held, 1,
				       blind ? BLIND_WAIT_NS : 0))
			ioasid_backoff(round++);
	ioasid_fetch_sub_release(&lock->waiters, 1u);
}

void ioasid_lock_wake(struct ioasid_lock *lock)
{
	ioasid_futex_wake(&lock->held);
}
#else
void ioasid_lock_wait(struct ioasid_lock *lock)
{
	if (!has_by_fork(lock))
		ioasid_mutex_lock(&lock->mutex);
}
#endif

bool ioasid_lock_unless_forking(struct ioasid_lock *lock)
{
	if (ioasid_forking())
		return lock->forks || ioasid_lock_try(lock);
	ioasid_lock(lock);
	return true;
}

/* The innermost of the thread. */
static IOASID_TLS struct ioasid_guard *guards;

/* The calling thread's guard that has the lock, or NULL. */
static struct ioasid_guard *find_guard(const struct ioasid_lock *lock)
{
	struct ioasid_guard *guard = ioasid_tls(guards);

	while (guard && guard->lock != lock)
		guard = guard->outer;
	return guard;
}

void ioasid_guard_lock(struct ioasid_guard *guard, struct ioasid_lock *lock)
{
	int cancel = ioasid_cancel_disable();
	struct ioasid_guard *before;

	ioasid_lock(lock);
	before = find_guard(lock);
	if (before) {
		guard->lock = lock;
		before->again++;
		return;
	}
	guard->again = 0;
	guard->cancel = cancel;
	guard->lock = lock;
	guard->outer = ioasid_tls(guards);
	ioasid_tls(guards) = guard;
}

void ioasid_guard_unlock(struct ioasid_guard *guard)
{
	struct ioasid_guard *before = find_guard(guard->lock);
	int cancel = guard->cancel;

	if (before->again) {
		before->again--;
		return;
	}
	ioasid_tls(guards) = guard->outer;
	ioasid_unlock(guard->lock);
	ioasid_cancel_restore(cancel);
}

void ioasid_guard_adopt(struct ioasid_guard *guard, struct ioasid_lock *lock)
{
	guard->cancel = ioasid_cancel_disable();
	guard->again = 0;
	guard->lock = lock;
	guard->outer = ioasid_tls(guards);
	ioasid_tls(guards) = guard;
}

void ioasid_guard_drop(struct ioasid_guard *guard)
{
	ioasid_tls(guards) = guard->outer;
	ioasid_cancel_restore(guard->cancel);
}

static bool has_by_guard(const struct ioasid_lock *lock)
{
	return find_guard(lock) != NULL;
}

/*
 * Two threads may fork at once, and one of them have a lock by a guard that the
 * other waits for. While that one waits, its locks serve the other as well: what
 * they protect does not change meanwhile.
 */
static bool is_lent(const struct ioasid_lock *lock)
{
	return ioasid_tls(guards) && lock->forks;
}

void ioasid_lock_fork_prepare(struct ioasid_lock *lock)
{
	unsigned int round = 0;

	while (!has_by_fork(lock) && !has_by_guard(lock) && !is_lent(lock) &&
	       !ioasid_lock_try(lock))
		ioasid_fork_wait(round++);
	lock->forks++;
}

void ioasid_lock_fork_parent(struct ioasid_lock *lock)
{
	/* Not one that an atfork handler has made meanwhile. */
	if (lock->forks && !--lock->forks && !has_by_guard(lock))
		ioasid_unlock(lock);
}

void ioasid_lock_fork_child(struct ioasid_lock *lock)
{
	ioasid_lock_init(lock);
	if (has_by_guard(lock))
		ioasid_lock_try(lock);
}
