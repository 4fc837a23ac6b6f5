/* SPDX-License-Identifier: MIT */
#include "test/portable/windows/processes.h"
