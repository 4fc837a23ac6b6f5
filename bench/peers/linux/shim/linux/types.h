/* SPDX-License-Identifier: MIT */
#ifndef SHIM_LINUX_TYPES_H
#define SHIM_LINUX_TYPES_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* libc reaches its own header of this name through this one. */
#include_next <linux/types.h>

#include "bench/peers/linux/memory.h"

#include <linux/compiler.h>

typedef uint32_t u32;
typedef unsigned int gfp_t;

struct list_head {
	struct list_head *next, *prev;
};

struct hlist_node {
	struct hlist_node *next, **pprev;
};

struct hlist_head {
	struct hlist_node *first;
};

/* Two words, as in the kernel. */
#define rcu_head linux_shim_link

#endif
