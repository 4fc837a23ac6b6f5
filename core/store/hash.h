/* SPDX-License-Identifier: MIT */
#ifndef IOASID_STORE_HASH_H
#define IOASID_STORE_HASH_H

#include <ioasid/store.h>

IOASID_BEGIN_INTERNAL

extern const struct ioasid_store_ops ioasid_hash_ops;

/* NULL: left out. */
#ifdef IOASID_NO_HASH
#define IOASID_HASH_OPS NULL
#else
#define IOASID_HASH_OPS (&ioasid_hash_ops)
#endif

IOASID_END_INTERNAL

#endif /* IOASID_STORE_HASH_H */
