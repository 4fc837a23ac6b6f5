/* SPDX-License-Identifier: MIT */
#ifndef IOASID_PLATFORM_INTERNAL_H
#define IOASID_PLATFORM_INTERNAL_H

#include <ioasid/platform.h>

#ifndef __linux__
#include <pthread.h>
#endif

#define ioasid_container_of(pointer, type, member) \
	((type *)(void *)((char *)(pointer) - offsetof(type, member)))

/*
 * A full barrier on every running thread of the process. False: not to be had,
 * in the kernel or just now.
 */
bool ioasid_membarrier_available(void);
bool ioasid_membarrier(void);

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

/* Index of the lowest set bit; @word is not 0. */
static inline unsigned int ioasid_lowest_bit(uint64_t word)
{
	return (unsigned int)__builtin_ctzll(word);
}

/*
 * Fills @resolved with the user's hooks or the system's. -EINVAL: half given.
 */
int ioasid_memory_resolve(const struct ioasid_memory *hooks,
			  struct ioasid_memory *resolved);

/* Zeroed memory of any size; large blocks are reserved, not touched. */
void *ioasid_memory_zeroed(const struct ioasid_memory *memory, size_t size);
void ioasid_memory_zeroed_free(const struct ioasid_memory *memory, void *block,
			       size_t size);

/* Waits a little, longer with each @round. */
void ioasid_backoff(unsigned int round);

/* Spreads a number over 64 bits: the finalizer of Steele's SplitMix (2014). */
uint64_t ioasid_mix(uint64_t number);

/* A number nobody can guess. */
uint64_t ioasid_random(const void *salt);

struct ioasid_exit_hook {
	void (*func)(void);
};

/* Has @hook called at the exit of the calling thread; false: no memory. */
bool ioasid_at_thread_exit(const struct ioasid_exit_hook *hook);

#endif /* IOASID_PLATFORM_INTERNAL_H */
