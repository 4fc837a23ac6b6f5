/* SPDX-License-Identifier: MIT */
#ifndef SHIM_LINUX_MODULE_H
#define SHIM_LINUX_MODULE_H

#include <linux/export.h>
#include <linux/kernel.h>

#define MODULE_AUTHOR(text) struct linux_shim_nothing
#define MODULE_DESCRIPTION(text) struct linux_shim_nothing
#define MODULE_LICENSE(text) struct linux_shim_nothing

#endif
