/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "walk.h"

#include "../store/ops.h"

void ioasid_walk_begin(const struct space *space, struct walk *walk,
		       ioasid_t min, ioasid_t max)
{
	walk->min = min < space->min ? space->min : min;
	walk->max = max > space->max ? space->max : max;
	walk->end = walk->min > walk->max;
	walk->batch = WALK_IDS;
}

size_t ioasid_walk_next(const struct space *space, struct walk *walk)
{
	const struct ioasid_store *store = &space->space.store;
	size_t count;

	if (walk->end)
		return 0;
	count = ioasid_store_ops(store)->occupied(store, walk->min, walk->max,
						  walk->ids, walk->batch);
	walk->end = count < walk->batch || walk->ids[count - 1] >= walk->max;
	if (count)
		walk->min = walk->ids[count - 1] + 1;
	walk->batch = WALK_IDS;
	return count;
}
