/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "extra.h"

#ifndef IOASID_NO_MAPS
#include "walk.h"
#include "../platform/util.h"

int ioasid_extra_make(struct space *space, ioasid_t id, struct extra **made)
{
	struct extra *extra = ioasid_extra(space, id);
	int ret = 0;

	if (!extra) {
		extra = ioasid_space_memory(space, sizeof(*extra));
		if (!extra)
			return -ENOMEM;
		memset(extra, 0, sizeof(*extra));
		extra->id = id;
		extra->spid = INVALID_IOASID;
		ret = ioasid_map_insert(space, &space->extras, id, extra);
	}
	if (ret)
		ioasid_space_memory_free(space, extra, sizeof(*extra));
	else
		*made = extra;
	return ret;
}

void ioasid_extra_free(struct space *space, struct extra *extra)
{
	ioasid_map_remove(space, &space->extras, extra->id, false);
	ioasid_space_memory_free(space, extra, sizeof(*extra));
}

int ioasid_spid_name(struct space *space, struct set_record *record,
		     ioasid_t id, ioasid_t spid)
{
	struct extra *extra;
	bool fresh;
	int ret;

	if (spid == INVALID_IOASID)
		return -EINVAL;
	extra = ioasid_extra(space, id);
	if (extra && extra->named)
		return -EBUSY;
	if (ioasid_map_find(&record->spids, spid))
		return -EEXIST;
	fresh = !extra;
	ret = ioasid_extra_make(space, id, &extra);
	if (ret)
		return ret;
	/* Last, as lookups find it from here on. */
	ret = ioasid_map_insert(space, &record->spids, spid,
				(void *)(uintptr_t)id);
	if (ret) {
		if (fresh)
			ioasid_extra_free(space, extra);
		return ret;
	}
	ioasid_store_release(&record->has_spids, 1);
	extra->spid = spid;
	extra->named = true;
	return 0;
}

void ioasid_spid_unname(struct space *space, struct set_record *record,
			struct extra *extra)
{
	if (!extra || !extra->named)
		return;
	ioasid_map_remove(space, &record->spids, extra->spid, true);
	extra->named = false;
}

void ioasid_extras_destroy(struct space *space)
{
	struct extra *extra;
	struct walk walk;
	size_t count;

	ioasid_walk_begin(space, &walk, space->min, space->max);
	while (space->extras.count && (count = ioasid_walk_next(space, &walk)))
		for (size_t i = 0; i < count; i++) {
			extra = ioasid_extra(space, walk.ids[i]);
			if (extra)
				ioasid_space_memory_free(space, extra,
							 sizeof(*extra));
		}
	ioasid_map_destroy(&space->extras);
}
#endif /* IOASID_NO_MAPS */
