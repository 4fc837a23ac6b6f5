/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "system.h"

#ifdef IOASID_PLATFORM_WINDOWS
#else
/* ISO C wants something in every file. */
typedef int ioasid_not_windows;
#endif
