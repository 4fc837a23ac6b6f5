/* SPDX-License-Identifier: MIT */
#include "internal.h"

static void *link_to(ioasid_t id)
{
	return (void *)(uintptr_t)id;
}

static ioasid_t linked_from(const struct ioasid_slot *slot)
{
	return (ioasid_t)(uintptr_t)ioasid_load_relaxed(&slot->private_data);
}

/* Gives back what has waited, and lets the rest begin to wait. */
void ioasid_quarantine_reap(struct space *space)
{
	struct quarantine *quarantine = &space->quarantine;
	struct ioasid_rcu *rcu = space->space.rcu;
	ioasid_t id, next;

	if (quarantine->waiting == INVALID_IOASID) {
		if (quarantine->fresh == INVALID_IOASID)
			return;
		quarantine->waiting = quarantine->fresh;
		quarantine->fresh = INVALID_IOASID;
		quarantine->cookie = quarantine->fresh_cookie;
	}
	if (!ioasid_rcu_poll(rcu, quarantine->cookie))
		return;
	for (id = quarantine->waiting; id != INVALID_IOASID; id = next) {
		next = linked_from(ioasid_locked_slot(space, id));
		space->space.store.ops->release(&space->space.store, id);
		space->stats.quarantined--;
	}
	quarantine->waiting = INVALID_IOASID;
	ioasid_quarantine_reap(space);
}

/* There is no vacant ID in the range; is there one that will be? */
static bool quarantined_within(struct space *space, ioasid_t min, ioasid_t max)
{
	ioasid_t heads[] = { space->quarantine.waiting,
			     space->quarantine.fresh };
	const struct ioasid_slot *slot;

	if (min == max) {
		slot = ioasid_locked_slot(space, min);
		return slot && !(ioasid_load_relaxed(&slot->state) &
				 (IOASID_STATE_LIVE | IOASID_STATE_REFS));
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

void ioasid_id_vacate(struct space *space, ioasid_t id,
		      struct ioasid_slot *slot, uint32_t set)
{
	uint32_t generation =
		ioasid_state_generation(ioasid_load_relaxed(&slot->state));

	space->generation_latest =
		ioasid_generation_further(generation, space->generation_latest);
	ioasid_uncharge(space, ioasid_set_record_at(space, set));
	if (ioasid_likely(!space->always_quarantine &&
			  !ioasid_generation_turns(generation))) {
		space->space.store.ops->release(&space->space.store, id);
		return;
	}
	ioasid_store_release(&slot->private_data,
			     link_to(space->quarantine.fresh));
	space->quarantine.fresh = id;
	space->quarantine.fresh_cookie =
		ioasid_rcu_start_poll(space->space.rcu);
	space->stats.quarantined++;
}

static inline int claim(struct space *space, ioasid_t min, ioasid_t max,
			ioasid_t *id, struct ioasid_slot **slot)
{
	ioasid_t from = min;
	int ret;

	if (ioasid_unlikely(space->stats.quarantined))
		ioasid_quarantine_reap(space);
	if (space->reuse == IOASID_REUSE_CYCLIC && space->cursor > min &&
	    space->cursor <= max)
		from = space->cursor;
	ret = ioasid_id_claim(space, from, max, id, slot);
	if (ret == -ENOSPC && from > min)
		ret = ioasid_id_claim(space, min, from - 1, id, slot);
	if (ret == -ENOSPC && space->stats.quarantined &&
	    quarantined_within(space, min, max))
		return -EAGAIN;
	return ret;
}

/* Lest handles from before a restore come to life again. */
static void raise_generation(const struct space *space,
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

static inline int publish(struct space *space, struct ioasid_set *set,
			  struct set_record *record, ioasid_t id,
			  struct ioasid_slot *slot, void *data)
{
	int ret = 0;

	if (ioasid_unlikely(set && !record))
		ret = ioasid_set_make(space, set, NULL, &record);
	if (ioasid_unlikely(ret)) {
		space->space.store.ops->release(&space->space.store, id);
		return ret;
	}
	ioasid_charge(space, record);
	if (ioasid_unlikely(space->generation_floor))
		raise_generation(space, slot);
	ioasid_slot_publish(slot, data, record ? record->index : 0);
	space->stats.live++;
	return 0;
}

static int alloc_locked(struct space *space, struct ioasid_set *set,
			ioasid_t min, ioasid_t max, void *data, ioasid_t *id)
{
	struct set_record *record;
	struct ioasid_slot *slot;
	ioasid_t claimed;
	int ret = ioasid_id_check_owner(space, set, &record);

	if (!ret)
		ret = claim(space, min, max, &claimed, &slot);
	if (!ret)
		ret = publish(space, set, record, claimed, slot, data);
	if (ret)
		return ret;
	space->cursor = claimed + 1;
	*id = claimed;
	return 0;
}

/* With an allocator. */
int ioasid_id_take(struct space *space, struct ioasid_set *set, ioasid_t id,
		   void *data, struct extra **extra)
{
	struct set_record *record;
	struct ioasid_slot *slot;
	int ret = ioasid_id_check_owner(space, set, &record);

	if (ret)
		return ret;
	ret = claim(space, id, id, &id, &slot);
	if (ret)
		return ret == -ENOSPC ? -EEXIST : ret;
	ret = ioasid_extra_make(space, id, extra);
	if (ret) {
		space->space.store.ops->release(&space->space.store, id);
		return ret;
	}
	ret = publish(space, set, record, id, slot, data);
	if (ret)
		ioasid_extra_free(space, *extra);
	return ret;
}

void ioasid_space_settle(struct space *space)
{
	bool drain = space->handback && ioasid_source_queued(space);

	ioasid_space_unlock(space);
	if (ioasid_unlikely(drain))
		ioasid_source_drain(space);
	ioasid_rcu_reclaim(space->space.rcu);
}

int ioasid_space_alloc(struct ioasid_space *public_space,
		       struct ioasid_set *set, ioasid_t min, ioasid_t max,
		       void *data, ioasid_t *id)
{
	struct space *space = ioasid_to_space(public_space);
	int ret = min > max ? -EINVAL : 0;
	struct event *event = NULL;
	struct delivery own;

	if (min < space->min)
		min = space->min;
	if (max > space->max)
		max = space->max;
	if (!ret && min > max)
		ret = -ENOSPC;
	ioasid_space_lock(space);
	if (ioasid_unlikely(!ret &&
			    (space->sources || ioasid_source_calling(space)))) {
		ioasid_space_unlock(space);
		return ioasid_source_alloc(space, set, min, max, data, id);
	}
	if (!ret && ioasid_unlikely(ioasid_watched(space)))
		ret = ioasid_event_begin(space, &own, INVALID_IOASID, &event);
	if (!ret)
		ret = alloc_locked(space, set, min, max, data, id);
	if (ret)
		space->stats.alloc_failed++;
	else
		space->stats.allocs++;
	if (ioasid_unlikely(event != NULL)) {
		if (ret)
			ioasid_event_abort(space, event);
		else
			ioasid_event_add(space, &own, event, IOASID_EVENT_ALLOC,
					 *id, NULL);
		ioasid_event_tell(space, &own);
	}
	ioasid_space_settle(space);
	return ret;
}

/* The name goes with the life, as far as lookups go. */
static void unname(struct space *space, ioasid_t id, uint32_t set)
{
	ioasid_spid_unname(space, ioasid_set_record_at(space, set), id);
}

/* The slot is vacant. */
static void leave(struct space *space, ioasid_t id, struct ioasid_slot *slot,
		  uint32_t set, struct extra *extra)
{
	if (ioasid_unlikely(extra != NULL))
		ioasid_extra_free(space, extra);
	ioasid_id_vacate(space, id, slot, set);
}

static void count_free(struct space *space, bool pending)
{
	space->stats.live--;
	space->stats.frees++;
	space->stats.pending += pending;
}

static int free_locked(struct space *space, ioasid_t id,
		       struct ioasid_slot *slot, struct delivery *own)
{
	uint32_t set = ioasid_state_set(ioasid_load_relaxed(&slot->state));
	struct extra *extra = ioasid_extra(space, id);
	bool watched = ioasid_watched(space);
	bool sourced = extra && extra->source;
	int ret;

	if (ioasid_unlikely(watched))
		ret = ioasid_slot_hide(slot);
	else
		ret = ioasid_slot_free(slot, sourced);
	if (ret < 0)
		return ret;
	if (ioasid_unlikely(extra != NULL))
		unname(space, id, set);
	if (ioasid_unlikely(watched)) {
		count_free(space, true);
		ioasid_event_add_free(space, own, id);
	} else if (ret) {
		count_free(space, true);
	} else if (ioasid_unlikely(sourced)) {
		ioasid_source_hand_back(space, extra);
	} else {
		count_free(space, false);
		leave(space, id, slot, set, extra);
	}
	return 0;
}

int ioasid_id_free(struct space *space, ioasid_t id, uint32_t set,
		   uint32_t generation)
{
	struct ioasid_slot *slot;
	ioasid_state_t state;
	struct delivery own;
	int ret = -ENOENT;

	own.thread = NULL;
	ioasid_space_lock(space);
	slot = ioasid_locked_slot(space, id);
	if (slot) {
		state = ioasid_load_relaxed(&slot->state);
		if (generation != IOASID_GENERATION_ANY &&
		    ioasid_state_generation(state) != generation)
			ret = -ESTALE;
		else if (set != IOASID_SET_ANY &&
			 ioasid_state_set(state) != set)
			ret = -EACCES;
		else
			ret = free_locked(space, id, slot, &own);
	}
	/* Of one set: IDs are tried that nobody asked to be freed. */
	if (ret && set == IOASID_SET_ANY)
		space->stats.free_unknown++;
	if (ioasid_unlikely(own.thread != NULL))
		ioasid_event_tell(space, &own);
	ioasid_space_settle(space);
	return ret;
}

int ioasid_space_free(struct ioasid_space *space, ioasid_t id)
{
	return ioasid_id_free(ioasid_to_space(space), id, IOASID_SET_ANY,
			      IOASID_GENERATION_ANY);
}

int ioasid_space_free_handle(struct ioasid_space *space, ioasid_handle_t handle)
{
	uint32_t generation = ioasid_handle_generation(handle);

	if (generation == IOASID_GENERATION_ANY)
		return -ENOENT;
	return ioasid_id_free(ioasid_to_space(space), ioasid_handle_id(handle),
			      IOASID_SET_ANY, generation);
}

int ioasid_space_free_deferred(struct ioasid_space *public_space, ioasid_t id,
			       struct ioasid_rcu_head *head,
			       void (*func)(struct ioasid_rcu_head *head))
{
	int ret = ioasid_rcu_admit(public_space->rcu);

	if (!ret)
		ret = ioasid_space_free(public_space, id);
	if (!ret)
		ioasid_rcu_defer_admitted(public_space->rcu, head, func);
	return ret;
}

/* The slot of @id as of now, for those that found it MOVED. */
static struct ioasid_slot *find_slot(const struct ioasid_space *space,
				     ioasid_t id, int before)
{
	return before == -EAGAIN ? ioasid_hash_find_moved(&space->store, id) :
				   ioasid_store_find(&space->store, id);
}

int ioasid_space_read_moved(const struct ioasid_space *space, uint32_t set,
			    ioasid_t id, uint32_t generation, void **data)
{
	struct ioasid_slot *slot;
	int ret = -EAGAIN;

	while (ret == -EAGAIN) {
		slot = find_slot(space, id, ret);
		ret = slot ? ioasid_slot_read(slot, set, generation, data) :
			     -ENOENT;
	}
	return ret;
}

int ioasid_space_handle(struct ioasid_space *space,
			const struct ioasid_set *set, ioasid_t id,
			ioasid_handle_t *handle)
{
	struct ioasid_slot *slot;
	ioasid_state_t state = 0;
	uint32_t index;
	int ret;

	*handle = 0;
	ioasid_rcu_read_lock(space->rcu);
	index = ioasid_set_index(space, set);
	ret = ioasid_space_may_read(space);
	if (!ret) {
		do {
			slot = find_slot(space, id, ret);
			state = slot ? ioasid_load_acquire(&slot->state) : 0;
			ret = ioasid_state_moved(state) ? -EAGAIN : 0;
		} while (ret);
		if (!(state & IOASID_STATE_LIVE))
			ret = -ENOENT;
		else if (index != IOASID_SET_ANY &&
			 ioasid_state_set(state) != index)
			ret = -EACCES;
		else
			*handle = ioasid_handle_of(state, id);
	}
	ioasid_rcu_read_unlock(space->rcu);
	return ret;
}

static int get(struct ioasid_space *space, const struct ioasid_set *set,
	       ioasid_t id, uint32_t generation)
{
	struct ioasid_slot *slot;
	uint32_t index;
	int ret;

	ioasid_rcu_read_lock(space->rcu);
	index = ioasid_set_index(space, set);
	ret = ioasid_space_may_read(space);
	if (!ret) {
		do {
			slot = find_slot(space, id, ret);
			ret = slot ? ioasid_slot_get(slot, index, generation) :
				     -ENOENT;
		} while (ret == -EAGAIN);
	}
	ioasid_rcu_read_unlock(space->rcu);
	return ret;
}

int ioasid_space_get(struct ioasid_space *space, const struct ioasid_set *set,
		     ioasid_t id)
{
	return get(space, set, id, IOASID_GENERATION_ANY);
}

int ioasid_space_get_handle(struct ioasid_space *space,
			    const struct ioasid_set *set,
			    ioasid_handle_t handle)
{
	uint32_t generation = ioasid_handle_generation(handle);

	if (generation == IOASID_GENERATION_ANY)
		return -ENOENT;
	return get(space, set, ioasid_handle_id(handle), generation);
}

/* The last reference to a pending ID is gone. */
static void last_put(struct space *space, ioasid_t id, struct ioasid_slot *slot,
		     uint32_t set)
{
	struct extra *extra = ioasid_extra(space, id);

	if (ioasid_unlikely(extra && extra->source)) {
		ioasid_slot_hold(slot, set);
		ioasid_source_hand_back(space, extra);
		return;
	}
	space->stats.pending--;
	leave(space, id, slot, set, extra);
}

void ioasid_id_finish(struct space *space, ioasid_t id)
{
	struct ioasid_slot *slot = ioasid_locked_slot(space, id);
	ioasid_state_t before;

	if (!ioasid_slot_put(slot, &before))
		last_put(space, id, slot, ioasid_state_set(before));
}

/* The last reference to a live ID is gone, which closed it. */
static void free_closed(struct space *space, ioasid_t id,
			struct ioasid_slot *slot, uint32_t set,
			struct delivery *own)
{
	struct extra *extra = ioasid_extra(space, id);

	if (ioasid_unlikely(extra != NULL))
		unname(space, id, set);
	if (ioasid_unlikely(ioasid_watched(space))) {
		ioasid_slot_hold(slot, set);
		count_free(space, true);
		ioasid_event_add_free(space, own, id);
	} else if (ioasid_unlikely(extra && extra->source)) {
		ioasid_source_hand_back(space, extra);
	} else {
		ioasid_slot_vacate(slot);
		count_free(space, false);
		leave(space, id, slot, set, extra);
	}
}

/* The last reference is gone. */
static void put_last(struct space *space, ioasid_t id, ioasid_state_t before)
{
	uint32_t set = ioasid_state_set(before);
	struct ioasid_slot *slot;
	struct delivery own;

	own.thread = NULL;
	ioasid_space_lock(space);
	slot = ioasid_locked_slot(space, id);
	if (before & IOASID_STATE_LIVE)
		free_closed(space, id, slot, set, &own);
	else
		last_put(space, id, slot, set);
	if (ioasid_unlikely(own.thread != NULL))
		ioasid_event_tell(space, &own);
	ioasid_space_settle(space);
}

int ioasid_space_put(struct ioasid_space *space, ioasid_t id)
{
	struct ioasid_slot *slot;
	ioasid_state_t before = 0;
	int ret;

	ioasid_rcu_read_lock(space->rcu);
	ret = ioasid_space_may_read(space);
	if (!ret) {
		do {
			slot = find_slot(space, id, ret);
			ret = slot ? ioasid_slot_put(slot, &before) : -ENOENT;
		} while (ret == -EAGAIN);
	}
	ioasid_rcu_read_unlock(space->rcu);
	if (ret < 0)
		return ret;
	if (!ret)
		put_last(ioasid_to_space(space), id, before);
	return !ret;
}

int ioasid_space_exchange_data(struct ioasid_space *public_space, ioasid_t id,
			       void *data, void **old)
{
	struct space *space = ioasid_to_space(public_space);
	struct ioasid_slot *slot;
	ioasid_state_t state = 0;

	ioasid_space_lock(space);
	slot = ioasid_locked_slot(space, id);
	if (slot)
		state = ioasid_load_relaxed(&slot->state);
	if (state & IOASID_STATE_LIVE) {
		if (old)
			*old = ioasid_load_relaxed(&slot->private_data);
		ioasid_store_release(&slot->private_data, data);
	}
	ioasid_space_unlock(space);
	return state & IOASID_STATE_LIVE ? 0 : -ENOENT;
}

int ioasid_space_set_data(struct ioasid_space *space, ioasid_t id, void *data)
{
	void *found;
	int ret;

	if (ioasid_rcu_read_held(space->rcu)) {
		ret = ioasid_space_find(space, NULL, id, NULL, &found);
		return ret ? ret : -EDEADLK;
	}
	ret = ioasid_space_exchange_data(space, id, data, NULL);
	return ret ? ret : ioasid_rcu_synchronize(space->rcu);
}

bool ioasid_space_call_getter(const struct ioasid_space *space,
			      bool (*getter)(void *data), void *data)
{
	struct ioasid_rcu_frame frame;
	bool valid;

	ioasid_rcu_frame_enter(&frame, space->rcu);
	valid = getter(data);
	ioasid_rcu_frame_leave(&frame);
	return valid;
}
