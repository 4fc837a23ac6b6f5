/* SPDX-License-Identifier: MIT */
#ifndef SHIM_LINUX_GFP_H
#define SHIM_LINUX_GFP_H

#include <linux/types.h>

#define __GFP_DIRECT_RECLAIM 0x1u
#define __GFP_NOWARN 0x2u
#define __GFP_ACCOUNT 0x4u
#define __GFP_BITS_SHIFT 24

#define GFP_NOWAIT 0u
#define GFP_ATOMIC 0u
#define GFP_KERNEL __GFP_DIRECT_RECLAIM

static inline bool gfpflags_allow_blocking(gfp_t flags)
{
	return flags & __GFP_DIRECT_RECLAIM;
}

#endif
