/* SPDX-License-Identifier: MIT */
#ifndef TEST_ERR_LINUX_ERR_H
#define TEST_ERR_LINUX_ERR_H

/* Functions, as in the kernel: macros of these names would not compile. */

#include <stdbool.h>
#include <stdint.h>

static unsigned int test_err_used;

static inline bool IS_ERR(const void *pointer)
{
	test_err_used++;
	return (uintptr_t)pointer >= UINTPTR_MAX - 4094;
}

static inline bool IS_ERR_OR_NULL(const void *pointer)
{
	return !pointer || IS_ERR(pointer);
}

static inline long PTR_ERR(const void *pointer)
{
	return (long)(intptr_t)pointer;
}

static inline void *ERR_PTR(long error)
{
	return (void *)(intptr_t)error;
}

#endif
