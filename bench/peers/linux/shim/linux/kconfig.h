/* SPDX-License-Identifier: MIT */
#ifndef SHIM_LINUX_KCONFIG_H
#define SHIM_LINUX_KCONFIG_H

#define CONFIG_IOASID 1
/* 64 slots a node. */
#define CONFIG_BASE_SMALL 0
/* For #ifdef unset, as a value false: entries of one index only. */
enum { CONFIG_XARRAY_MULTI = 0 };

#define IS_ENABLED(option) (option)

#endif
