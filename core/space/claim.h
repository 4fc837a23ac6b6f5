/* SPDX-License-Identifier: MIT */
#ifndef IOASID_SPACE_CLAIM_H
#define IOASID_SPACE_CLAIM_H

#include "../store/generation.h"
#include "../store/ops.h"
#include "base.h"
#include "owner.h"

IOASID_BEGIN_INTERNAL

/* From vacant to handed out, and back. */

/* What is rare, behind the functions below. */
int ioasid_claim_again(struct space *space, ioasid_t min, ioasid_t from,
		       ioasid_t max, ioasid_t *id, struct ioasid_slot **slot,
		       int ret);
int ioasid_claim_reaping(struct space *space, ioasid_t min, ioasid_t from,
			 ioasid_t max, ioasid_t *id, struct ioasid_slot **slot);
void ioasid_raise_generation(const struct space *space,
			     struct ioasid_slot *slot);
void ioasid_quarantine_add(struct space *space, ioasid_t id,
			   struct ioasid_slot *slot);
/* Gives back all that has waited for its grace period. */
void ioasid_quarantine_reap(struct space *space);

/*
 * Makes the lowest vacant ID in [@from, @max] occupied, or else in
 * [@min, @from). -ENOSPC; -EAGAIN: none but such as wait; -ENOMEM.
 */
static inline int ioasid_claim(struct space *space, ioasid_t min, ioasid_t from,
			       ioasid_t max, ioasid_t *id,
			       struct ioasid_slot **slot)
{
	struct ioasid_store *store = &space->space.store;
	int ret;

	if (ioasid_unlikely(space->stats.quarantined))
		return ioasid_claim_reaping(space, min, from, max, id, slot);
	ret = ioasid_store_ops(store)->claim(store, from, max, id, slot);
	return ioasid_likely(!ret) ?
		       0 :
		       ioasid_claim_again(space, min, from, max, id, slot, ret);
}

/* Undoes that. */
static inline void ioasid_unclaim(struct space *space, ioasid_t id)
{
	struct ioasid_store *store = &space->space.store;

	ioasid_store_ops(store)->release(store, id);
}

/*
 * Begins the next use of a claimed ID, for the owner that
 * ioasid_owner_check() passed; @reserve: unpublished. On error it is unclaimed.
 */
static inline int ioasid_claim_use(struct space *space, struct ioasid_set *set,
				   struct set_record *record, ioasid_t id,
				   struct ioasid_slot *slot, void *data,
				   bool reserve)
{
	uint32_t index;
	int ret = 0;

	if (ioasid_unlikely(set && !record))
		ret = ioasid_set_make(space, set, NULL, &record);
	if (ioasid_unlikely(ret)) {
		ioasid_unclaim(space, id);
		return ret;
	}
	index = record ? record->index : 0;
	ioasid_charge(space, record);
	if (ioasid_unlikely(space->generation_floor))
		ioasid_raise_generation(space, slot);
	if (ioasid_unlikely(reserve)) {
		ioasid_slot_reserve(slot, index);
		space->stats.unpublished++;
	} else {
		ioasid_slot_publish(slot, data, index);
		space->stats.live++;
	}
	return 0;
}

/* The ID is nobody's any more; its slot is vacant, or nobody can hold it. */
static inline void ioasid_vacate(struct space *space, ioasid_t id,
				 struct ioasid_slot *slot, uint32_t set)
{
	uint32_t generation =
		ioasid_state_generation(ioasid_load_relaxed(&slot->state));

	space->generation_latest =
		ioasid_generation_further(generation, space->generation_latest);
	ioasid_uncharge(space, ioasid_set_record_at(space, set));
	if (ioasid_likely(!space->always_quarantine &&
			  !ioasid_generation_turns(generation)))
		ioasid_unclaim(space, id);
	else
		ioasid_quarantine_add(space, id, slot);
}

IOASID_END_INTERNAL

#endif /* IOASID_SPACE_CLAIM_H */
