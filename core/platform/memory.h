/* SPDX-License-Identifier: MIT */
#ifndef IOASID_PLATFORM_MEMORY_H
#define IOASID_PLATFORM_MEMORY_H

#include <ioasid/platform.h>

IOASID_BEGIN_INTERNAL

/*
 * Fills @resolved with the user's hooks or the system's. -EINVAL: half given.
 */
int ioasid_memory_resolve(const struct ioasid_memory *hooks,
			  struct ioasid_memory *resolved);

/*
 * All calls of the user's hooks are made by what follows: with cancellation off,
 * lest a thread end in one.
 */
void *ioasid_memory_alloc(const struct ioasid_memory *memory, size_t size);
void ioasid_memory_free(const struct ioasid_memory *memory, void *block,
			size_t size);

/* Zeroed memory of any size; large blocks are reserved, not touched. */
void *ioasid_memory_zeroed(const struct ioasid_memory *memory, size_t size);
void ioasid_memory_zeroed_free(const struct ioasid_memory *memory, void *block,
			       size_t size);
/* Gives back a part of a block of @size; its bytes stay or become 0. */
size_t ioasid_memory_discard(const struct ioasid_memory *memory, size_t size,
			     void *part, size_t part_size);

IOASID_END_INTERNAL

#endif /* IOASID_PLATFORM_MEMORY_H */
