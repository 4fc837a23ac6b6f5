/* SPDX-License-Identifier: MIT */
#include "fuzz/linux_diff/shim/kernel.h"
