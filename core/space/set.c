/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include <ioasid/set.h>

#ifndef IOASID_NO_SETS
#include "life.h"
#include "owner.h"
#include "../platform/util.h"

int ioasid_set_create(struct ioasid_space *public_space,
		      const struct ioasid_set_config *config,
		      struct ioasid_set **set)
{
	struct space *space = ioasid_to_space(public_space);
	struct set_record *record;
	int ret;

	ioasid_space_lock(space);
	ret = ioasid_set_make(space, NULL, config, &record);
	if (!ret)
		*set = record->set;
	ioasid_space_unlock(space);
	return ret;
}

int ioasid_set_bind(struct ioasid_space *public_space, struct ioasid_set *set,
		    const struct ioasid_set_config *config)
{
	struct space *space = ioasid_to_space(public_space);
	struct set_record *record;
	int ret;

	ioasid_space_lock(space);
	if (ioasid_set_record(space, set))
		ret = -EBUSY;
	else if (!set)
		ret = -EXDEV;
	else
		ret = ioasid_set_make(space, set, config, &record);
	ioasid_space_unlock(space);
	return ret;
}

int ioasid_set_destroy(struct ioasid_space *public_space,
		       struct ioasid_set *set)
{
	struct space *space = ioasid_to_space(public_space);
	struct ioasid_notifier *ended;
	struct set_record *record;
	struct update update;
	int ret = 0;

	ioasid_update_begin(space, &update);
	record = ioasid_set_record(space, set);
	if (!record) {
		ret = -EXDEV;
	} else if (record->count) {
		ret = -EBUSY;
	} else {
		ended = ioasid_notifiers_end(space, record->index);
		ioasid_set_unmake(space, record);
		ioasid_notifiers_release(space, ended, &update.own);
	}
	ioasid_update_end(space, &update);
	return ret;
}

static int limit(struct space *space, struct set_record *record, uint32_t quota,
		 uint32_t reserved)
{
	struct ioasid_stats *stats = &space->stats;
	uint32_t without = stats->committed - ioasid_set_committed(record);
	uint32_t with = record->count > reserved ? record->count : reserved;

	if (quota && reserved > quota)
		return -EINVAL;
	if (quota && quota < record->count)
		return -EBUSY;
	if (with > stats->capacity - without)
		return -ENOSPC;
	stats->committed = without + with;
	record->quota = quota;
	record->reserved = reserved;
	return 0;
}

int ioasid_set_limit(struct ioasid_space *public_space, struct ioasid_set *set,
		     uint32_t quota, uint32_t reserved)
{
	struct space *space = ioasid_to_space(public_space);
	struct set_record *record;
	int ret = -EXDEV;

	ioasid_space_lock(space);
	record = ioasid_set_record(space, set);
	if (record)
		ret = limit(space, record, quota, reserved);
	ioasid_space_unlock(space);
	return ret;
}

int ioasid_set_stats(struct ioasid_space *public_space,
		     const struct ioasid_set *set,
		     struct ioasid_set_info *stats)
{
	struct space *space = ioasid_to_space(public_space);
	const struct set_record *record;

	ioasid_space_lock(space);
	record = ioasid_set_record(space, set);
	if (record) {
		memcpy(stats->name, record->name, sizeof(stats->name));
		stats->token = record->token;
		stats->quota = record->quota;
		stats->reserved = record->reserved;
		stats->count = record->count;
		stats->spids = record->spids.count;
	}
	ioasid_space_unlock(space);
	return record ? 0 : -EXDEV;
}

int ioasid_set_by_token(struct ioasid_space *public_space, const void *token,
			struct ioasid_set **set)
{
	struct space *space = ioasid_to_space(public_space);
	const struct set_record *record = NULL;

	ioasid_space_lock(space);
	if (token)
		record = ioasid_set_with_token(&space->sets, token);
	if (record)
		*set = record->set;
	ioasid_space_unlock(space);
	return record ? 0 : -ENOENT;
}

int ioasid_set_of(struct ioasid_space *public_space, ioasid_t id,
		  struct ioasid_set **set)
{
	struct space *space = ioasid_to_space(public_space);
	const struct set_record *record;
	ioasid_state_t state;

	ioasid_space_lock(space);
	state = ioasid_live_state(space, id);
	if (state) {
		record = ioasid_set_record_at(space, ioasid_state_set(state));
		*set = record ? record->set : NULL;
	}
	ioasid_space_unlock(space);
	return state ? 0 : -ENOENT;
}

int ioasid_set_for_each(struct ioasid_space *public_space,
			int (*func)(struct ioasid_set *set, void *arg),
			void *arg)
{
	struct space *space = ioasid_to_space(public_space);
	struct ioasid_rcu *rcu = public_space->rcu;
	struct ioasid_rcu_frame frame;
	struct set_record *record;
	uint32_t index = 1;
	bool more;
	int ret = 0;

	do {
		/* The set stays while it is visited. */
		ioasid_rcu_read_lock(rcu);
		ioasid_rcu_frame_enter(&frame, rcu);
		ioasid_space_lock(space);
		more = index <= space->sets.used;
		record = ioasid_set_record_at(space, index++);
		ioasid_space_unlock(space);
		if (record)
			ret = func(record->set, arg);
		ioasid_rcu_frame_leave(&frame);
		ioasid_rcu_read_unlock(rcu);
	} while (more && !ret);
	return ret;
}

int ioasid_set_free_all(struct ioasid_space *public_space,
			struct ioasid_set *set, uint32_t *count)
{
	struct space *space = ioasid_to_space(public_space);
	const struct set_record *record;
	uint32_t index = 0, freed;

	ioasid_space_lock(space);
	record = ioasid_set_record(space, set);
	if (record)
		index = record->index;
	ioasid_space_unlock(space);
	if (!index)
		return -EXDEV;
	freed = ioasid_end_all(space, index);
	if (count)
		*count = freed;
	return 0;
}
#endif /* IOASID_NO_SETS */
