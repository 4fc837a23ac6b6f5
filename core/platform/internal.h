/* SPDX-License-Identifier: MIT */
#ifndef IOASID_PLATFORM_INTERNAL_H
#define IOASID_PLATFORM_INTERNAL_H

#include "lock.h"
#include "memory.h"
#include "system.h"
#include "util.h"

#endif /* IOASID_PLATFORM_INTERNAL_H */
