/* SPDX-License-Identifier: MIT */
#ifndef TEST_SHIM_LINUX_MODULE_H
#define TEST_SHIM_LINUX_MODULE_H

#include <linux/kernel.h>

/* idr-test.c, which includes a module, has these of its own. */
#ifndef module_init
#define module_init(func) struct shim_nothing
#define module_exit(func) struct shim_nothing
#define MODULE_AUTHOR(name) struct shim_nothing
#define MODULE_LICENSE(name) struct shim_nothing
#define dump_stack() KERNEL_CHECK(0)
#endif

#endif
