/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include <ioasid/set.h>

#ifndef IOASID_NO_SPIDS
#include "extra.h"
#include "owner.h"

/* In a read section. -ENOENT but for that generation of the name. */
static int read_spid(const struct set_record *record, ioasid_t spid,
		     uint32_t *generation, ioasid_t *id)
{
	const struct ioasid_store *store = &record->spids.store;
	struct ioasid_slot *slot;
	ioasid_state_t state;
	void *number = NULL;
	int ret;

	if (!ioasid_load_acquire(&record->has_spids))
		return -ENOENT;
	slot = ioasid_store_find(store, spid);
	do {
		if (!slot)
			return -ENOENT;
		state = ioasid_load_acquire(&slot->state);
		ret = -EAGAIN;
		if (!ioasid_state_moved(state)) {
			if (!*generation)
				*generation = ioasid_state_generation(state);
			/* Not published yet: that is no name. */
			ret = *generation ?
				      ioasid_slot_read(slot, IOASID_SET_ANY,
						       *generation, &number) :
				      -ENOENT;
		}
		if (ret == -EAGAIN)
			slot = ioasid_hash_find_moved(store, spid);
	} while (ret == -EAGAIN);
	*id = (ioasid_t)(uintptr_t)number;
	return ret ? -ENOENT : 0;
}

/*
 * In a read section. The name is looked at twice: one that lasted was that of
 * the use of the ID which was found in between.
 */
static int find_spid(const struct ioasid_space *space,
		     const struct ioasid_set *set, ioasid_t spid, ioasid_t *id,
		     void **data)
{
	const struct set_record *record;
	uint32_t generation = IOASID_GENERATION_ANY;
	ioasid_t again;

	if (!set || ioasid_set_index(space, set) == IOASID_SET_FOREIGN)
		return -EXDEV;
	record = ioasid_load_relaxed(&set->record);
	if (read_spid(record, spid, &generation, id) ||
	    ioasid_space_find_rcu(space, set, *id, data) ||
	    read_spid(record, spid, &generation, &again))
		return -ENOENT;
	return 0;
}

int ioasid_spid_find(const struct ioasid_space *space,
		     const struct ioasid_set *set, ioasid_t spid,
		     bool (*getter)(void *data), ioasid_t *id, void **data)
{
	void *found = NULL;
	int ret;

	ioasid_rcu_read_lock(space->rcu);
	ret = ioasid_space_may_read(space);
	if (!ret)
		ret = find_spid(space, set, spid, id, &found);
	if (ret) {
		*id = INVALID_IOASID;
		found = NULL;
	} else if (getter && !ioasid_space_call_getter(space, getter, found)) {
		found = NULL;
	}
	ioasid_rcu_read_unlock(space->rcu);
	if (data)
		*data = found;
	return ret;
}

static int attach(struct space *space, ioasid_t id, ioasid_t spid)
{
	ioasid_state_t state = ioasid_live_state(space, id);
	struct set_record *record;

	if (!state)
		return -ENOENT;
	record = ioasid_set_record_at(space, ioasid_state_set(state));
	return record ? ioasid_spid_name(space, record, id, spid) : -EINVAL;
}

int ioasid_spid_attach(struct ioasid_space *public_space, ioasid_t id,
		       ioasid_t spid)
{
	struct space *space = ioasid_to_space(public_space);
	int ret;

	ioasid_space_lock(space);
	ret = attach(space, id, spid);
	ioasid_space_unlock(space);
	ioasid_rcu_reclaim(public_space->rcu);
	return ret;
}

int ioasid_spid_detach(struct ioasid_space *public_space, ioasid_t id)
{
	struct space *space = ioasid_to_space(public_space);
	struct extra *extra;
	ioasid_state_t state;
	int ret = -ENOENT;

	ioasid_space_lock(space);
	state = ioasid_live_state(space, id);
	extra = state ? ioasid_extra(space, id) : NULL;
	if (extra && extra->named) {
		ioasid_spid_unname(
			space,
			ioasid_set_record_at(space, ioasid_state_set(state)),
			extra);
		extra->spid = INVALID_IOASID;
		if (!extra->source)
			ioasid_extra_free(space, extra);
		ret = 0;
	}
	ioasid_space_unlock(space);
	ioasid_rcu_reclaim(public_space->rcu);
	return ret;
}

int ioasid_spid_of(struct ioasid_space *public_space, ioasid_t id,
		   ioasid_t *spid)
{
	struct space *space = ioasid_to_space(public_space);
	const struct extra *extra = NULL;

	ioasid_space_lock(space);
	if (ioasid_live_state(space, id))
		extra = ioasid_extra(space, id);
	if (extra && !extra->named)
		extra = NULL;
	if (extra)
		*spid = extra->spid;
	ioasid_space_unlock(space);
	return extra ? 0 : -ENOENT;
}
#endif /* IOASID_NO_SPIDS */
