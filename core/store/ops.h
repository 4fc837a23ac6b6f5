/* SPDX-License-Identifier: MIT */
#ifndef IOASID_STORE_OPS_H
#define IOASID_STORE_OPS_H

#include "bitmap.h"
#include "hash.h"
#include "radix.h"

IOASID_BEGIN_INTERNAL

/* NULL: left out. */
#ifdef IOASID_NO_CUSTOM_STORE
#define IOASID_CUSTOM_OPS(own) ((void)(own), NULL)
#else
#define IOASID_CUSTOM_OPS(own) (own)
#endif

/* The table of a kind of store; @own: the user's; NULL: there is none. */
static inline const struct ioasid_store_ops *
ioasid_store_ops_of(enum ioasid_store_kind kind,
		    const struct ioasid_store_ops *own)
{
	switch (kind) {
	case IOASID_STORE_RADIX:
		return IOASID_RADIX_OPS;
	case IOASID_STORE_BITMAP:
		return IOASID_BITMAP_OPS;
	case IOASID_STORE_HASH:
		return IOASID_HASH_OPS;
	case IOASID_STORE_CUSTOM:
		return IOASID_CUSTOM_OPS(own);
	default:
		return NULL;
	}
}

/*
 * That of a store. Where there is but one no store has a pointer to it, so that
 * a linker can leave out what no call of it needs.
 */
#ifdef IOASID_STORE_ONLY
static inline const struct ioasid_store_ops *
ioasid_store_ops(const struct ioasid_store *store)
{
	(void)store;
	return ioasid_store_ops_of(IOASID_STORE_ONLY, NULL);
}

static inline void ioasid_store_set_ops(struct ioasid_store *store,
					const struct ioasid_store_ops *ops)
{
	(void)store;
	(void)ops;
}
#else
static inline const struct ioasid_store_ops *
ioasid_store_ops(const struct ioasid_store *store)
{
	return store->ops;
}

static inline void ioasid_store_set_ops(struct ioasid_store *store,
					const struct ioasid_store_ops *ops)
{
	store->ops = ops;
}
#endif

IOASID_END_INTERNAL

#endif /* IOASID_STORE_OPS_H */
