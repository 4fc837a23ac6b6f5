/* SPDX-License-Identifier: MIT */
#ifndef TEST_SHIM_LINUX_BITMAP_H
#define TEST_SHIM_LINUX_BITMAP_H

#include <stdbool.h>

/* A byte for each bit. */
#define DECLARE_BITMAP(name, bits) bool name[bits]
#define test_bit(bit, map) ((map)[bit])
#define __set_bit(bit, map) ((void)((map)[bit] = true))
#define __clear_bit(bit, map) ((void)((map)[bit] = false))

#endif
