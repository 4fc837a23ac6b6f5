/* SPDX-License-Identifier: MIT */
#ifndef SHIM_LINUX_POISON_H
#define SHIM_LINUX_POISON_H

/* What a deleted list entry points to: never mapped. */
#define LIST_POISON1 ((void *)0x8)
#define LIST_POISON2 ((void *)0x10)

#endif
