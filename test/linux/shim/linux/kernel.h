/* SPDX-License-Identifier: MIT */
#ifndef TEST_SHIM_LINUX_KERNEL_H
#define TEST_SHIM_LINUX_KERNEL_H

#include <stdint.h>
#include <stdio.h>

#include "test/linux/kernel_checks.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define BUG_ON(condition) KERNEL_CHECK(!(condition))
#define printk printf
#define __weak

typedef uint32_t u32;

#endif
