/* SPDX-License-Identifier: MIT */
#ifndef IOASID_STORE_RADIX_H
#define IOASID_STORE_RADIX_H

#include <ioasid/store.h>

IOASID_BEGIN_INTERNAL

extern const struct ioasid_store_ops ioasid_radix_ops;

/* NULL: left out. */
#ifdef IOASID_NO_RADIX
#define IOASID_RADIX_OPS NULL
#else
#define IOASID_RADIX_OPS (&ioasid_radix_ops)
#endif

IOASID_END_INTERNAL

#endif /* IOASID_STORE_RADIX_H */
