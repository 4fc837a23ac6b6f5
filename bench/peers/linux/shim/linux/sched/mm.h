/* SPDX-License-Identifier: MIT */
#ifndef SHIM_LINUX_SCHED_MM_H
#define SHIM_LINUX_SCHED_MM_H

#define might_alloc(flags) ((void)(flags))

#endif
