/* SPDX-License-Identifier: MIT */
#include "internal.h"

void ioasid_walk_begin(struct space *space, struct walk *walk, ioasid_t min,
		       ioasid_t max)
{
	const struct ioasid_stats *stats = &space->stats;

	walk->min = min < space->min ? space->min : min;
	walk->max = max > space->max ? space->max : max;
	walk->end = walk->min > walk->max;
	walk->ids = NULL;
	/* One more, so that the last call comes back short. */
	walk->room =
		(size_t)stats->live + stats->pending + stats->quarantined + 1;
	if (space->space.store.ops->occupied_in_bulk && walk->room > WALK_IDS)
		walk->ids = ioasid_space_memory(space,
						walk->room * sizeof(ioasid_t));
	if (!walk->ids) {
		walk->ids = walk->few;
		walk->room = WALK_IDS;
	}
}

size_t ioasid_walk_next(struct space *space, struct walk *walk)
{
	const struct ioasid_store *store = &space->space.store;
	size_t count;

	if (walk->end)
		return 0;
	count = store->ops->occupied(store, walk->min, walk->max, walk->ids,
				     walk->room);
	walk->end = count < walk->room || walk->ids[count - 1] >= walk->max;
	if (count)
		walk->min = walk->ids[count - 1] + 1;
	return count;
}

void ioasid_walk_end(struct space *space, struct walk *walk)
{
	if (walk->ids != walk->few)
		ioasid_space_memory_free(space, walk->ids,
					 walk->room * sizeof(ioasid_t));
}

/* One batch, without lock. */
static int visit(const struct ioasid_space *space, const struct ioasid_set *set,
		 const ioasid_t *ids, size_t count,
		 int (*func)(ioasid_t id, void *data, void *arg), void *arg)
{
	struct ioasid_rcu_frame frame;
	void *data;
	int ret;

	ioasid_rcu_read_lock(space->rcu);
	ret = ioasid_space_may_read(space);
	ioasid_rcu_frame_enter(&frame, space->rcu);
	for (size_t i = 0; i < count && !ret; i++)
		if (!ioasid_space_find_rcu(space, set, ids[i], &data))
			ret = func(ids[i], data, arg);
	ioasid_rcu_frame_leave(&frame);
	ioasid_rcu_read_unlock(space->rcu);
	return ret;
}

int ioasid_space_for_each(struct ioasid_space *public_space,
			  const struct ioasid_set *set, ioasid_t min,
			  ioasid_t max,
			  int (*func)(ioasid_t id, void *data, void *arg),
			  void *arg)
{
	struct space *space = ioasid_to_space(public_space);
	struct walk walk;
	size_t count;
	int ret = 0;

	if (min > max)
		return -EINVAL;
	ioasid_space_lock(space);
	ioasid_walk_begin(space, &walk, min, max);
	while (!ret && (count = ioasid_walk_next(space, &walk))) {
		ioasid_space_unlock(space);
		ret = visit(public_space, set, walk.ids, count, func, arg);
		ioasid_space_lock(space);
	}
	ioasid_walk_end(space, &walk);
	ioasid_space_unlock(space);
	return ret;
}

int ioasid_set_free_all(struct ioasid_space *public_space,
			struct ioasid_set *set, uint32_t *count)
{
	struct space *space = ioasid_to_space(public_space);
	struct set_record *record;
	uint32_t freed = 0, index;
	struct walk walk;
	size_t found;

	ioasid_space_lock(space);
	record = ioasid_set_record(space, set);
	if (!record) {
		ioasid_space_unlock(space);
		return -EXDEV;
	}
	index = record->index;
	ioasid_walk_begin(space, &walk, space->min, space->max);
	while ((found = ioasid_walk_next(space, &walk))) {
		ioasid_space_unlock(space);
		for (size_t i = 0; i < found; i++)
			freed += !ioasid_id_free(space, walk.ids[i], index,
						 IOASID_GENERATION_ANY);
		ioasid_space_lock(space);
	}
	ioasid_walk_end(space, &walk);
	ioasid_space_unlock(space);
	if (count)
		*count = freed;
	return 0;
}

size_t ioasid_space_trim(struct ioasid_space *public_space)
{
	const struct ioasid_store_ops *ops = public_space->store.ops;
	struct space *space = ioasid_to_space(public_space);
	size_t given = 0;

	ioasid_space_lock(space);
	if (ops->trim)
		given = ops->trim(&public_space->store);
	ioasid_space_unlock(space);
	ioasid_rcu_reclaim_all(public_space->rcu);
	return given;
}

void ioasid_space_stats(struct ioasid_space *public_space,
			struct ioasid_stats *stats)
{
	struct space *space = ioasid_to_space(public_space);

	ioasid_space_lock(space);
	*stats = space->stats;
	ioasid_space_unlock(space);
	stats->memory =
		(size_t)ioasid_load_relaxed(&space->held) + sizeof(*space);
}

struct tally {
	uint32_t live, pending, vacant, sourced, anonymous, extras;
};

static const char *check_slot(struct space *space, ioasid_t id,
			      struct tally *tally)
{
	struct ioasid_slot *slot = ioasid_locked_slot(space, id);
	const struct extra *extra = ioasid_extra(space, id);
	ioasid_state_t state;
	struct set_record *record;
	uint32_t refs, set;

	if (!slot)
		return "space: occupied ID without slot";
	state = ioasid_load_relaxed(&slot->state);
	refs = ioasid_state_refs(state);
	set = ioasid_state_set(state);
	record = ioasid_set_record_at(space, set);
	if (set && !record)
		return "space: ID of a set that is not bound";
	if (!(state & IOASID_STATE_LIVE) && !refs) {
		tally->vacant++;
		return extra ? "space: vacant ID with extras" : NULL;
	}
	/* Live without references: its allocator is being called. */
	if ((!refs && !(extra && extra->source)) || refs > IOASID_REFS_MAX)
		return "space: number of references out of range";
	tally->live += (state & IOASID_STATE_LIVE) != 0;
	tally->pending += !(state & IOASID_STATE_LIVE);
	tally->sourced += extra && extra->source;
	if (extra && extra->named &&
	    (!record ||
	     (uintptr_t)ioasid_map_find(&record->spids, extra->spid) != id))
		return "space: ID not found by its SPID";
	tally->anonymous += !record;
	tally->extras += extra != NULL;
	if (record)
		record->found++;
	return NULL;
}

static const char *check_ids(struct space *space, struct tally *tally)
{
	const char *reason = NULL;
	struct walk walk;
	ioasid_t min = space->min;
	size_t count;

	ioasid_walk_begin(space, &walk, space->min, space->max);
	while (!reason && (count = ioasid_walk_next(space, &walk)))
		for (size_t i = 0; i < count && !reason; i++) {
			if (walk.ids[i] < min || walk.ids[i] > space->max)
				reason = "store: IDs not ascending in range";
			else
				reason = check_slot(space, walk.ids[i], tally);
			min = walk.ids[i] + 1;
		}
	ioasid_walk_end(space, &walk);
	return reason;
}

static const char *check_space(struct space *space)
{
	const struct ioasid_store *store = &space->space.store;
	const char *reason = "store: not valid";
	struct tally tally = { 0, 0, 0, 0, 0, 0 };
	uint64_t committed;

	if (!store->ops->validate(store, &reason))
		return reason;
	if (space->extras.created &&
	    !ioasid_hash_ops.validate(&space->extras.store, &reason))
		return reason;
	for (uint32_t i = 1; i <= space->sets.used; i++)
		if (ioasid_set_record_at(space, i))
			ioasid_set_record_at(space, i)->found = 0;
	reason = check_ids(space, &tally);
	if (reason)
		return reason;
	if (tally.extras != space->extras.count)
		return "space: number of extras differs";
	if (tally.live != space->stats.live)
		return "space: number of live IDs differs";
	if (tally.pending != space->stats.pending)
		return "space: number of pending IDs differs";
	if (tally.vacant != space->stats.quarantined)
		return "space: occupied ID that is vacant";
	if (tally.sourced != space->sourced)
		return "space: number of IDs of allocators differs";
	if (space->stats.allocs - space->stats.frees != space->stats.live)
		return "space: allocs and frees do not balance";
	reason = ioasid_sets_check(space);
	if (reason)
		return reason;
	committed = (uint64_t)tally.anonymous + space->stats.reserved;
	/* An ID that an allocator is being asked for has no slot yet. */
	if (space->asking && !space->asking_record)
		committed++;
	for (uint32_t i = 1; i <= space->sets.used; i++) {
		const struct set_record *record =
			ioasid_set_record_at(space, i);

		if (record)
			committed += ioasid_set_committed(record);
	}
	if (committed != space->stats.committed ||
	    committed > space->stats.capacity)
		return "space: capacity in use differs";
	return NULL;
}

bool ioasid_space_validate(struct ioasid_space *public_space,
			   const char **reason)
{
	struct space *space = ioasid_to_space(public_space);
	const char *found;

	ioasid_space_lock(space);
	found = check_space(space);
	ioasid_space_unlock(space);
	if (reason)
		*reason = found;
	return !found;
}
