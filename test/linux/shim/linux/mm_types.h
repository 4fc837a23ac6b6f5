/* SPDX-License-Identifier: MIT */
#ifndef TEST_SHIM_LINUX_MM_TYPES_H
#define TEST_SHIM_LINUX_MM_TYPES_H

#include <linux/ioasid.h>

/* A process' memory, as far as PASIDs go. */
struct mm_struct {
	/* 0: dying */
	int users;
	ioasid_t pasid;
	struct ioasid_rcu_head rcu;
};

#endif
