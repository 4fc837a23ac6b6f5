/* SPDX-License-Identifier: MIT */
/* The kernel's lib/test_ida.c, the module, on <linux/idr.h>. */
#include <linux/module.h>

#include "test/linux/planted.h"

#define __KERNEL__
#include <lib/test_ida.c>

unsigned int kernel_ida_run(void)
{
	ida_checks();
	ida_exit();
	return tests_run;
}
