/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "../store/ops.h"
#include "extra.h"
#include "owner.h"
#include "walk.h"

/* Is the whole structure as it should be? */

struct tally {
	uint32_t live, pending, reserved, vacant, sourced, anonymous, extras;
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
	tally->anonymous += !record;
	tally->extras += extra != NULL;
	tally->sourced += extra && extra->source;
	if (record)
		record->found++;
	if (ioasid_state_reserved(state)) {
		tally->reserved++;
		return NULL;
	}
	/* Live without references: its allocator is being called. */
	if ((!refs && !(extra && extra->source)) || refs > IOASID_REFS_MAX)
		return "space: number of references out of range";
	tally->live += (state & IOASID_STATE_LIVE) != 0;
	tally->pending += !(state & IOASID_STATE_LIVE);
	if (extra && extra->named &&
	    (!record ||
	     (uintptr_t)ioasid_map_find(&record->spids, extra->spid) != id))
		return "space: ID not found by its SPID";
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
	return reason;
}

/* Every index without a set is in line to be used again. */
static bool check_places(const struct sets *sets, uint32_t vacant)
{
	uint32_t index = sets->vacant_first, last = index;

	while (vacant && index && index <= sets->used &&
	       !sets->place[index - 1].record) {
		last = index;
		index = sets->place[index - 1].next;
		vacant--;
	}
	return !vacant && !index && (!last || last == sets->vacant_last);
}

static const char *check_sets(struct space *space)
{
	const struct sets *sets = &space->sets;
	const char *reason = NULL;
	uint32_t count = 0;

	for (uint32_t i = 1; i <= sets->used && !reason; i++) {
		const struct set_record *record =
			ioasid_set_record_at(space, i);

		if (!record)
			continue;
		count++;
		if (ioasid_set_record(space, record->set) != record ||
		    ioasid_set_index(&space->space, record->set) != i ||
		    record->index != i)
			return "space: set with a wrong index";
		if (record->found + (record == space->sources.asking_record) !=
		    record->count)
			return "space: number of IDs of a set differs";
		if (record->quota && record->count > record->quota)
			return "space: set beyond its quota";
		if (record->token &&
		    ioasid_set_with_token(sets, record->token) != record)
			return "space: set not found by its token";
		reason = ioasid_map_check(&record->spids);
	}
	if (!reason && count != space->stats.sets)
		reason = "space: number of sets differs";
	if (!reason && !check_places(sets, sets->used - count))
		reason = "space: vacant indexes of sets differ";
	return reason;
}

static const char *check_space(struct space *space)
{
	const struct ioasid_store *store = &space->space.store;
	const char *reason = "store: not valid";
	struct tally tally = { 0 };
	uint64_t committed;

	if (!ioasid_store_ops(store)->validate(store, &reason))
		return reason;
	reason = ioasid_map_check(&space->extras);
	if (reason)
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
	if (tally.reserved != space->stats.unpublished)
		return "space: number of reserved IDs differs";
	if (tally.vacant != space->stats.quarantined)
		return "space: occupied ID that is vacant";
	if (tally.sourced != space->sources.ids)
		return "space: number of IDs of allocators differs";
	if (space->stats.allocs - space->stats.frees != space->stats.live)
		return "space: allocs and frees do not balance";
	reason = check_sets(space);
	if (reason)
		return reason;
	committed = (uint64_t)tally.anonymous + space->stats.reserved;
	/* An ID that an allocator is being asked for has no slot yet. */
	if (space->sources.asking && !space->sources.asking_record)
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
