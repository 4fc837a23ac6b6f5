/* SPDX-License-Identifier: MIT */
#ifndef SHIM_LINUX_SPINLOCK_H
#define SHIM_LINUX_SPINLOCK_H

#include <sched.h>

/* One read-modify-write to lock, a plain release store to unlock. */
typedef struct {
	unsigned int locked;
} spinlock_t;

#define __SPIN_LOCK_UNLOCKED(name) { 0 }
#define DEFINE_SPINLOCK(name) spinlock_t name = __SPIN_LOCK_UNLOCKED(name)

static inline void linux_shim_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ __volatile__("yield");
#endif
}

static inline void spin_lock_init(spinlock_t *lock)
{
	lock->locked = 0;
}

static inline int spin_trylock(spinlock_t *lock)
{
	return !__atomic_exchange_n(&lock->locked, 1, __ATOMIC_ACQUIRE);
}

/* Yields at last: unlike the kernel's, our holder may be preempted. */
static __attribute__((noinline, unused)) void
linux_shim_lock_slowly(spinlock_t *lock)
{
	do {
		for (int i = 0;
		     __atomic_load_n(&lock->locked, __ATOMIC_RELAXED); i++) {
			if (i < 1000)
				linux_shim_pause();
			else
				sched_yield();
		}
	} while (!spin_trylock(lock));
}

static inline void spin_lock(spinlock_t *lock)
{
	if (__builtin_expect(!spin_trylock(lock), 0))
		linux_shim_lock_slowly(lock);
}

static inline void spin_unlock(spinlock_t *lock)
{
	__atomic_store_n(&lock->locked, 0, __ATOMIC_RELEASE);
}

/* No interrupts to keep out. */
#define spin_lock_bh spin_lock
#define spin_unlock_bh spin_unlock
#define spin_lock_irq spin_lock
#define spin_unlock_irq spin_unlock
#define spin_lock_irqsave(lock, flags) ((flags) = 0, spin_lock(lock))
#define spin_unlock_irqrestore(lock, flags) ((void)(flags), spin_unlock(lock))

#define spin_lock_nested(lock, class) spin_lock(lock)
#define spin_lock_bh_nested(lock, class) spin_lock(lock)
#define spin_lock_irq_nested(lock, class) spin_lock(lock)
#define spin_lock_irqsave_nested(lock, flags, class) \
	spin_lock_irqsave(lock, flags)

#endif
