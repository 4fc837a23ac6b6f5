/* SPDX-License-Identifier: MIT */
#ifndef TEST_SHIM_LINUX_SLAB_H
#define TEST_SHIM_LINUX_SLAB_H

#include <stdlib.h>

#endif
