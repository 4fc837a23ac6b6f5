/* SPDX-License-Identifier: MIT */
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
	blind = ioasid_load_relaxed(&ioasid_lock_asymmetric) &&
		!ioasid_membarrier();
	while (!ioasid_lock_try(lock))
		ioasid_futex_wait(&lock->held, 1, blind ? BLIND_WAIT_NS : 0);
	ioasid_fetch_sub_release(&lock->waiters, 1u);
}

void ioasid_lock_wake(struct ioasid_lock *lock)
{
	ioasid_futex_wake(&lock->held);
}
#else
bool ioasid_membarrier_enable(void)
{
	return ioasid_membarrier_register();
}
#endif
