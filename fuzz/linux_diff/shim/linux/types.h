/* SPDX-License-Identifier: MIT */
/* libc reaches its own header of this name through this one. */
#include_next <linux/types.h>

#include "fuzz/linux_diff/shim/kernel.h"
