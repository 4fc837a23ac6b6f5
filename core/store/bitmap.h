/* SPDX-License-Identifier: MIT */
#ifndef IOASID_STORE_BITMAP_H
#define IOASID_STORE_BITMAP_H

#include <ioasid/store.h>

IOASID_BEGIN_INTERNAL

extern const struct ioasid_store_ops ioasid_bitmap_ops;

/* NULL: left out. */
#ifdef IOASID_NO_BITMAP
#define IOASID_BITMAP_OPS NULL
#else
#define IOASID_BITMAP_OPS (&ioasid_bitmap_ops)
#endif

IOASID_END_INTERNAL

#endif /* IOASID_STORE_BITMAP_H */
