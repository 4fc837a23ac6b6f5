/* SPDX-License-Identifier: MIT */
#ifndef SHIM_LINUX_KERNEL_H
#define SHIM_LINUX_KERNEL_H

#include <errno.h>
#include <stdio.h>

#include <linux/bug.h>
#include <linux/container_of.h>
#include <linux/types.h>

#define BITS_PER_LONG ((int)sizeof(long) * CHAR_BIT)
#define BIT(n) (1UL << (n))
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))

#define max(a, b) ((a) > (b) ? (a) : (b))

#define MAX_ERRNO 4095
#define ERR_PTR(error) ((void *)(intptr_t)(error))

/* The arguments are checked, nothing is printed. */
#define pr_err(...)                          \
	do {                                 \
		if (0)                       \
			printf(__VA_ARGS__); \
	} while (0)
#define pr_warn pr_err
#define pr_info pr_err

#endif
