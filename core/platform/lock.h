/* SPDX-License-Identifier: MIT */
#ifndef IOASID_PLATFORM_LOCK_H
#define IOASID_PLATFORM_LOCK_H

#include "system.h"

IOASID_BEGIN_INTERNAL

/*
 * Lets updates and readers rely on membarrier(2) from now on; false: not to be
 * had. Before the first call that is true, the process never uses it.
 */
bool ioasid_membarrier_enable(void);

/* A model checker brings a lock of its own. */
#ifdef IOASID_LOCK_HEADER
#include IOASID_LOCK_HEADER
#else

/*
 * A mutex. Updates are short and the lock is most of their cost, so where there
 * is a futex it has a single atomic read-modify-write: unlock is a store and a
 * look for waiters, in that order because a waiter announces itself with a
 * barrier on all threads (Dice, Huang and Yang, "Asymmetric Dekker
 * Synchronization", 2001). The look may come after another thread took the
 * lock: a lock is destroyed only when no call that used it is still running.
 */
struct ioasid_lock {
#ifdef IOASID_HAS_FUTEX
	ioasid_atomic_u32 held, waiters;
#else
	struct ioasid_mutex mutex;
#endif
	/* forks under way that have it; only its holder may look */
	unsigned int forks;
};

#ifdef IOASID_HAS_FUTEX
#define IOASID_LOCK_INIT { { 0 }, { 0 }, 0 }

/*
 * How far locks rely on that barrier: not at all, that is unlock has a fence of
 * its own; waiters use it; and unlock relies on that.
 */
enum {
	IOASID_LOCK_FENCED,
	IOASID_LOCK_ANNOUNCED,
	IOASID_LOCK_UNFENCED,
};

extern ioasid_atomic_u32 ioasid_lock_asymmetric;

void ioasid_lock_wake(struct ioasid_lock *lock);

static inline bool ioasid_lock_try(struct ioasid_lock *lock)
{
	return !ioasid_exchange_acquire(&lock->held, 1);
}

static inline void ioasid_unlock(struct ioasid_lock *lock)
{
	if (ioasid_unlikely(lock->forks))
		return;
	ioasid_store_release(&lock->held, 0);
	if (ioasid_likely(ioasid_load_relaxed(&ioasid_lock_asymmetric) ==
			  IOASID_LOCK_UNFENCED))
		ioasid_compiler_barrier();
	else
		ioasid_fence_seq_cst();
	if (ioasid_unlikely(ioasid_load_relaxed(&lock->waiters)))
		ioasid_lock_wake(lock);
}

static inline void ioasid_lock_init(struct ioasid_lock *lock)
{
	ioasid_store_relaxed(&lock->held, 0);
	ioasid_store_relaxed(&lock->waiters, 0);
	lock->forks = 0;
}

static inline void ioasid_lock_destroy(struct ioasid_lock *lock)
{
	(void)lock;
}
#else
#define IOASID_LOCK_INIT { IOASID_MUTEX_INIT, 0 }

static inline bool ioasid_lock_try(struct ioasid_lock *lock)
{
	return ioasid_mutex_try(&lock->mutex);
}

static inline void ioasid_unlock(struct ioasid_lock *lock)
{
	if (ioasid_likely(!lock->forks))
		ioasid_mutex_unlock(&lock->mutex);
}

static inline void ioasid_lock_init(struct ioasid_lock *lock)
{
	ioasid_mutex_init(&lock->mutex);
	lock->forks = 0;
}

static inline void ioasid_lock_destroy(struct ioasid_lock *lock)
{
	ioasid_mutex_destroy(&lock->mutex);
}
#endif

void ioasid_lock_wait(struct ioasid_lock *lock);

static inline void ioasid_lock(struct ioasid_lock *lock)
{
	if (ioasid_unlikely(!ioasid_lock_try(lock)))
		ioasid_lock_wait(lock);
}

#endif /* IOASID_LOCK_HEADER */

/*
 * Takes the lock, unless the calling thread is inside of fork() and another has
 * a lock that fork does not take: that one may be waiting for those fork has,
 * and in the child it is not there. False: so it is.
 */
bool ioasid_lock_unless_forking(struct ioasid_lock *lock);

/*
 * A lock held while code of the user's may run: cancellation is off, and fork()
 * in that code knows that this thread has the lock. Given back in the reverse
 * order. It may be part of what the lock protects.
 */
struct ioasid_guard {
	struct ioasid_lock *lock;
	struct ioasid_guard *outer;
	int cancel;
	/* times that handlers of such a fork have taken the lock again */
	unsigned int again;
};

void ioasid_guard_lock(struct ioasid_guard *guard, struct ioasid_lock *lock);
void ioasid_guard_unlock(struct ioasid_guard *guard);
/* The same for a lock that the thread has without a guard, which it keeps. */
void ioasid_guard_adopt(struct ioasid_guard *guard, struct ioasid_lock *lock);
void ioasid_guard_drop(struct ioasid_guard *guard);

/*
 * What a hook of fork() does with each lock: takes it, unless this thread has it
 * by a guard; gives it back; makes it anew, as threads that had it or waited for
 * it are gone. Between the first and the others the lock is the forking
 * thread's, whose ioasid_lock() and ioasid_unlock() of it do nothing: handlers
 * that the program gave to pthread_atfork() may call the library.
 */
void ioasid_lock_fork_prepare(struct ioasid_lock *lock);
void ioasid_lock_fork_parent(struct ioasid_lock *lock);
void ioasid_lock_fork_child(struct ioasid_lock *lock);

IOASID_END_INTERNAL

#endif /* IOASID_PLATFORM_LOCK_H */
