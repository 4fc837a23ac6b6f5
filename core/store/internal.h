/* SPDX-License-Identifier: MIT */
#ifndef IOASID_STORE_INTERNAL_H
#define IOASID_STORE_INTERNAL_H

#include "bitmap.h"
#include "generation.h"
#include "hash.h"
#include "radix.h"

#endif /* IOASID_STORE_INTERNAL_H */
