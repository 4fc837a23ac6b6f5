/* SPDX-License-Identifier: MIT */
#ifndef IOASID_SPACE_MAP_H
#define IOASID_SPACE_MAP_H

#include "base.h"

IOASID_BEGIN_INTERNAL

/* Nothing needs one: no SPIDs, no allocators. */
#if defined(IOASID_NO_SPIDS) && defined(IOASID_NO_ALLOCATORS)
#define IOASID_NO_MAPS

static inline void *ioasid_map_find(const struct map *map, uint32_t key)
{
	(void)map;
	(void)key;
	return NULL;
}

static inline void ioasid_map_destroy(struct map *map)
{
	(void)map;
}

static inline const char *ioasid_map_check(const struct map *map)
{
	(void)map;
	return NULL;
}

static inline size_t ioasid_map_size(const struct map *map)
{
	(void)map;
	return 0;
}
#else
/*
 * -EEXIST: the key is there; -EAGAIN: it was, and waits for its readers, or
 * memory does; -ENOMEM.
 */
int ioasid_map_insert(struct space *space, struct map *map, uint32_t key,
		      void *value);
/* NULL: not there */
void *ioasid_map_find(const struct map *map, uint32_t key);
/* @readers: threads may look the key up without lock */
void ioasid_map_remove(struct space *space, struct map *map, uint32_t key,
		       bool readers);
void ioasid_map_destroy(struct map *map);
/* What is wrong with it, or NULL. */
const char *ioasid_map_check(const struct map *map);
/* Bytes of its table, about. */
size_t ioasid_map_size(const struct map *map);
#endif

IOASID_END_INTERNAL

#endif /* IOASID_SPACE_MAP_H */
