/* SPDX-License-Identifier: MIT */
#ifndef IOASID_PLATFORM_LOCK_H
#define IOASID_PLATFORM_LOCK_H

#include <ioasid/platform.h>

/*
 * A full barrier on every running thread of the process. False: not to be had,
 * in the kernel or just now.
 */
bool ioasid_membarrier_available(void);
bool ioasid_membarrier(void);

#ifdef __linux__
/* Sleeps while @word is @value, or for some time if @ns is not 0. */
void ioasid_futex_wait(ioasid_atomic_u32 *word, uint32_t value, uint64_t ns);
/* Wakes one. */
void ioasid_futex_wake(ioasid_atomic_u32 *word);
#endif

/* A model checker brings a lock of its own. */
#ifdef IOASID_LOCK_HEADER
#include IOASID_LOCK_HEADER
#else

#ifndef __linux__
#include <pthread.h>
#endif

/*
 * A mutex. Updates are short and the lock is most of their cost, so Linux gets
 * one with a single atomic read-modify-write: unlock is a store and a look for
 * waiters, in that order because a waiter announces itself with a barrier on
 * all threads (Dice, Huang and Yang, "Asymmetric Dekker Synchronization",
 * 2001). The look may come after another thread took the lock: a lock is
 * destroyed only when no call that used it is still running.
 */
struct ioasid_lock {
#ifdef __linux__
	ioasid_atomic_u32 held, waiters;
#else
	pthread_mutex_t mutex;
#endif
};

#ifdef __linux__
#define IOASID_LOCK_INIT { { 0 }, { 0 } }

/* Not 0 once waiters are known to be able to use that barrier. */
extern ioasid_atomic_u32 ioasid_lock_asymmetric;

void ioasid_lock_wait(struct ioasid_lock *lock);
void ioasid_lock_wake(struct ioasid_lock *lock);

static inline bool ioasid_lock_try(struct ioasid_lock *lock)
{
	return !ioasid_exchange_acquire(&lock->held, 1);
}

static inline void ioasid_lock(struct ioasid_lock *lock)
{
	if (ioasid_unlikely(!ioasid_lock_try(lock)))
		ioasid_lock_wait(lock);
}

static inline void ioasid_unlock(struct ioasid_lock *lock)
{
	ioasid_store_release(&lock->held, 0);
	if (ioasid_likely(ioasid_load_relaxed(&ioasid_lock_asymmetric)))
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
}

static inline void ioasid_lock_destroy(struct ioasid_lock *lock)
{
	(void)lock;
}
#else
#define IOASID_LOCK_INIT { PTHREAD_MUTEX_INITIALIZER }

static inline bool ioasid_lock_try(struct ioasid_lock *lock)
{
	return !pthread_mutex_trylock(&lock->mutex);
}

static inline void ioasid_lock(struct ioasid_lock *lock)
{
	pthread_mutex_lock(&lock->mutex);
}

static inline void ioasid_unlock(struct ioasid_lock *lock)
{
	pthread_mutex_unlock(&lock->mutex);
}

static inline void ioasid_lock_init(struct ioasid_lock *lock)
{
	pthread_mutex_init(&lock->mutex, NULL);
}

static inline void ioasid_lock_destroy(struct ioasid_lock *lock)
{
	pthread_mutex_destroy(&lock->mutex);
}
#endif

#endif /* IOASID_LOCK_HEADER */
#endif /* IOASID_PLATFORM_LOCK_H */
