/* SPDX-License-Identifier: MIT */
#include "lock.h"

#ifdef __linux__
/* A waiter that no unlock can be sure to see looks by itself now and then. */
#define BLIND_WAIT_NS 1000000
#ifndef IOASID_LOCK_SPINS
#define IOASID_LOCK_SPINS 100
#endif

ioasid_atomic_u32 ioasid_lock_asymmetric;

void ioasid_lock_wait(struct ioasid_lock *lock)
{
	bool blind;

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
	blind = ioasid_membarrier_available() && !ioasid_membarrier();
	while (!ioasid_lock_try(lock))
		ioasid_futex_wait(&lock->held, 1, blind ? BLIND_WAIT_NS : 0);
	ioasid_fetch_sub_release(&lock->waiters, 1u);
}

void ioasid_lock_wake(struct ioasid_lock *lock)
{
	ioasid_futex_wake(&lock->held);
}
#endif
