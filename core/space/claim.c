/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "claim.h"

/*
 * What one call gives back of the IDs that have waited, so that none pays for
 * all; more than a call can add.
 */
#define REAP 8

static void *link_to(ioasid_t id)
{
	return (void *)(uintptr_t)id;
}

static ioasid_t linked_from(const struct ioasid_slot *slot)
{
	return (ioasid_t)(uintptr_t)ioasid_load_relaxed(&slot->private_data);
}

/* Are there IDs whose grace period has passed? */
static bool quarantine_passed(struct space *space)
{
	struct quarantine *quarantine = &space->quarantine;

	if (quarantine->waiting == INVALID_IOASID) {
		if (quarantine->fresh == INVALID_IOASID)
			return false;
		quarantine->waiting = quarantine->fresh;
		quarantine->fresh = INVALID_IOASID;
		quarantine->cookie = quarantine->fresh_cookie;
		quarantine->passed = false;
	}
	if (!quarantine->passed)
		quarantine->passed =
			ioasid_rcu_poll(space->space.rcu, quarantine->cookie);
	return quarantine->passed;
}

/* Gives back some of the IDs that have waited; false: there were none. */
static bool reap_some(struct space *space, unsigned int count)
{
	struct quarantine *quarantine = &space->quarantine;
	ioasid_t id;

	if (!quarantine_passed(space))
		return false;
	for (; count && quarantine->waiting != INVALID_IOASID; count--) {
		id = quarantine->waiting;
		quarantine->waiting =
			linked_from(ioasid_locked_slot(space, id));
		ioasid_unclaim(space, id);
		space->stats.quarantined--;
	}
	return true;
}

void ioasid_quarantine_reap(struct space *space)
{
	while (reap_some(space, REAP))
		;
}

/* There is no vacant ID in the range; is there one that will be? */
static bool quarantined_within(struct space *space, ioasid_t min, ioasid_t max)
{
	ioasid_t heads[] = { space->quarantine.waiting,
			     space->quarantine.fresh };
	ioasid_state_t state;

	if (min == max) {
		state = ioasid_locked_state(space, min);
		return !(state & (IOASID_STATE_LIVE | IOASID_STATE_REFS));
	}
	if (min == space->min && max == space->max)
		return true;
	for (unsigned int i = 0; i < 2; i++)
		for (ioasid_t id = heads[i]; id != INVALID_IOASID;
		     id = linked_from(ioasid_locked_slot(space, id)))
			if (id >= min && id <= max)
				return true;
	return false;
}

static int claim_lowest(struct space *space, ioasid_t min, ioasid_t max,
			ioasid_t *id, struct ioasid_slot **slot, int ret)
{
	struct ioasid_store *store = &space->space.store;

	if (ioasid_space_may_retry(space, ret))
		ret = ioasid_store_ops(store)->claim(store, min, max, id, slot);
	return ioasid_space_no_memory(space, ret);
}

int ioasid_claim_again(struct space *space, ioasid_t min, ioasid_t from,
		       ioasid_t max, ioasid_t *id, struct ioasid_slot **slot,
		       int ret)
{
	struct ioasid_store *store = &space->space.store;

	if (ret)
		ret = claim_lowest(space, from, max, id, slot, ret);
	if (ret != -ENOSPC || from == min)
		return ret;
	ret = ioasid_store_ops(store)->claim(store, min, from - 1, id, slot);
	return claim_lowest(space, min, from - 1, id, slot, ret);
}

static int claim_from(struct space *space, ioasid_t min, ioasid_t from,
		      ioasid_t max, ioasid_t *id, struct ioasid_slot **slot)
{
	struct ioasid_store *store = &space->space.store;
	int ret = ioasid_store_ops(store)->claim(store, from, max, id, slot);

	return ioasid_claim_again(space, min, from, max, id, slot, ret);
}

int ioasid_claim_reaping(struct space *space, ioasid_t min, ioasid_t from,
			 ioasid_t max, ioasid_t *id, struct ioasid_slot **slot)
{
	int ret;

	reap_some(space, REAP);
	do
		ret = claim_from(space, min, from, max, id, slot);
	while (ret == -ENOSPC && reap_some(space, REAP));
	return ret == -ENOSPC && quarantined_within(space, min, max) ? -EAGAIN :
								       ret;
}

/* Lest handles from before a restore come to life again. */
void ioasid_raise_generation(const struct space *space,
			     struct ioasid_slot *slot)
{
	uint32_t floor = space->generation_floor;
	uint32_t generation =
		ioasid_state_generation(ioasid_load_relaxed(&slot->state));

	if (ioasid_generation_distance(generation) <
	    ioasid_generation_distance(floor))
		ioasid_store_relaxed(&slot->state,
				     ioasid_state_make(floor, 0, 0, false));
}

void ioasid_quarantine_add(struct space *space, ioasid_t id,
			   struct ioasid_slot *slot)
{
	ioasid_store_release(&slot->private_data,
			     link_to(space->quarantine.fresh));
	space->quarantine.fresh = id;
	space->quarantine.fresh_cookie =
		ioasid_rcu_start_poll(space->space.rcu);
	space->stats.quarantined++;
}
