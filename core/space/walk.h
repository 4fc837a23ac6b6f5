/* SPDX-License-Identifier: MIT */
#ifndef IOASID_SPACE_WALK_H
#define IOASID_SPACE_WALK_H

#include "base.h"

IOASID_BEGIN_INTERNAL

/*
 * The occupied IDs of a range, by the batch. The lock may be dropped between
 * two batches.
 */
#define WALK_IDS 64

struct walk {
	ioasid_t min, max;
	bool end;
	/* IDs in the next batch: all there is room for after the first */
	size_t batch;
	ioasid_t ids[WALK_IDS];
};

void ioasid_walk_begin(const struct space *space, struct walk *walk,
		       ioasid_t min, ioasid_t max);
/* The number of IDs in @walk->ids; 0: no more. */
size_t ioasid_walk_next(const struct space *space, struct walk *walk);

IOASID_END_INTERNAL

#endif /* IOASID_SPACE_WALK_H */
