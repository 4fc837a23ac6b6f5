/* SPDX-License-Identifier: MIT */
/* The kernel's tools/testing/radix-tree/idr-test.c, on <linux/idr.h>. */
#include "test.h"

#define main idr_test_main
#include <tools/testing/radix-tree/idr-test.c>
#undef main

void kernel_idr_run(void)
{
	idr_test_main();
}
