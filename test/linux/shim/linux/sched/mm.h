/* SPDX-License-Identifier: MIT */
#ifndef TEST_SHIM_LINUX_SCHED_MM_H
#define TEST_SHIM_LINUX_SCHED_MM_H

#include <linux/mm_types.h>

static inline bool mmget_not_zero(struct mm_struct *mm)
{
	int users = __atomic_load_n(&mm->users, __ATOMIC_RELAXED);

	do {
		if (users == 0)
			return false;
	} while (!__atomic_compare_exchange_n(&mm->users, &users, users + 1,
					      false, __ATOMIC_ACQUIRE,
					      __ATOMIC_RELAXED));
	return true;
}

static inline void mm_pasid_set(struct mm_struct *mm, ioasid_t pasid)
{
	mm->pasid = pasid;
}

/* The last user takes the PASID along, and readers may still be looking. */
void mmput(struct mm_struct *mm);

#endif
