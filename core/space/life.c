/* SPDX-License-Identifier: MIT */
#include "life.h"

#include "claim.h"
#include "extra.h"
#include "lookup.h"
#include "owner.h"
#include "source.h"
#include "walk.h"

/* From alloc to the end of an ID's life. */

/*
 * The end, from top to bottom: hidden by end_begin() or end_closed(), told by
 * end_tell() if somebody watches, unreferenced in end_unreferenced(), handed
 * back by end_handed_back() if an allocator gave the ID, vacant after
 * end_vacant(). Each step is taken by the call that makes it possible, or queued
 * for one that is at it.
 */

static void count_free(struct space *space, bool pending)
{
	space->stats.live--;
	space->stats.frees++;
	space->stats.pending += pending;
}

/* The slot is vacant. */
static void end_vacant(struct space *space, ioasid_t id,
		       struct ioasid_slot *slot, uint32_t set,
		       struct extra *extra)
{
	if (ioasid_unlikely(extra != NULL))
		ioasid_extra_free(space, extra);
	ioasid_vacate(space, id, slot, set);
}

/* Its allocator has the ID back. */
static void end_handed_back(struct space *space, struct extra *extra)
{
	struct ioasid_slot *slot = ioasid_locked_slot(space, extra->id);
	ioasid_state_t state = ioasid_load_relaxed(&slot->state);

	if (state & IOASID_STATE_LIVE)
		count_free(space, false);
	else
		space->stats.pending--;
	ioasid_source_leave(space, extra);
	ioasid_slot_vacate(slot);
	end_vacant(space, extra->id, slot, ioasid_state_set(state), extra);
}

void ioasid_hand_back(struct space *space)
{
	struct source *source;
	struct extra *extra;

	while ((extra = ioasid_source_hand_back(space, &source))) {
		end_handed_back(space, extra);
		ioasid_source_handed_back(space, source);
	}
}

static void end_queue(struct space *space, struct update *update,
		      struct extra *extra)
{
	ioasid_source_queue(space, extra);
	update->hands_back = true;
}

/* The last reference to a pending ID is gone. */
static void end_unreferenced(struct space *space, struct update *update,
			     ioasid_t id, struct ioasid_slot *slot,
			     uint32_t set)
{
	struct extra *extra = ioasid_extra(space, id);

	if (ioasid_unlikely(extra && extra->source)) {
		ioasid_slot_hold(slot, set);
		end_queue(space, update, extra);
		return;
	}
	space->stats.pending--;
	end_vacant(space, id, slot, set, extra);
}

/* Drops the reference that a hidden ID was kept by. */
static void end_unkept(struct space *space, struct update *update, ioasid_t id)
{
	struct ioasid_slot *slot = ioasid_locked_slot(space, id);
	ioasid_state_t before;

	if (!ioasid_slot_put(slot, &before))
		end_unreferenced(space, update, id, slot,
				 ioasid_state_set(before));
}

/* What is hidden and kept goes on once that is told. */
static void end_tell(struct space *space, struct update *update, ioasid_t id,
		     struct ioasid_rcu_head *deferred)
{
	count_free(space, true);
	ioasid_event_add_free(space, &update->own, id, deferred);
}

static void defer(struct update *update, struct ioasid_rcu_head *deferred)
{
	if (!deferred)
		return;
	deferred->next = update->deferred;
	update->deferred = deferred;
}

/*
 * The last reference to a live ID is gone. In its allocator's callback it is
 * still found, if that is called before this call returns; what is freed is
 * found no more after that.
 */
static void end_closed(struct space *space, struct update *update, ioasid_t id,
		       struct ioasid_slot *slot, uint32_t set,
		       struct extra *extra, struct ioasid_rcu_head *deferred)
{
	if (ioasid_unlikely(ioasid_watched(space))) {
		ioasid_slot_hold(slot, set);
		end_tell(space, update, id, deferred);
		return;
	}
	defer(update, deferred);
	if (ioasid_likely(!extra || !extra->source)) {
		ioasid_slot_vacate(slot);
		count_free(space, false);
		end_vacant(space, id, slot, set, extra);
		return;
	}
	if (ioasid_source_calling(space)) {
		ioasid_slot_hold(slot, set);
		count_free(space, true);
	}
	end_queue(space, update, extra);
}

static int end_begin(struct space *space, struct update *update, ioasid_t id,
		     struct ioasid_slot *slot, uint32_t set,
		     struct ioasid_rcu_head *deferred)
{
	struct extra *extra = ioasid_extra(space, id);
	bool watched = ioasid_watched(space), closes;
	int ret;

	closes = extra && extra->source;
	if (ioasid_unlikely(watched))
		ret = ioasid_slot_hide(slot);
	else
		ret = ioasid_slot_free(slot, closes);
	if (ret < 0)
		return ret;
	/* The name goes with the life, as far as lookups go. */
	if (ioasid_unlikely(extra != NULL))
		ioasid_spid_unname(space, ioasid_set_record_at(space, set), id);
	if (ioasid_unlikely(watched)) {
		end_tell(space, update, id, deferred);
	} else if (ioasid_unlikely(closes && !ret)) {
		end_closed(space, update, id, slot, set, extra, deferred);
	} else {
		defer(update, deferred);
		count_free(space, ret > 0);
		if (!ret)
			end_vacant(space, id, slot, set, extra);
	}
	return 0;
}

void ioasid_update_begin(struct space *space, struct update *update)
{
	update->own.thread = NULL;
	update->deferred = NULL;
	update->hands_back = false;
	ioasid_space_lock(space);
}

/* Hands back what this call has queued, or waits until others have. */
static void hand_back_queued(struct space *space)
{
	/* Then it is done once the callback has returned. */
	if (ioasid_source_calling(space))
		return;
	ioasid_callbacks_lock(space);
	ioasid_space_lock(space);
	ioasid_hand_back(space);
	ioasid_space_unlock(space);
	ioasid_callbacks_unlock(space);
}

static void tell(struct space *space, struct update *update)
{
	struct ioasid_rcu_head *deferred;
	ioasid_t freed;

	while (ioasid_event_tell(space, &update->own, &freed, &deferred)) {
		defer(update, deferred);
		end_unkept(space, update, freed);
	}
}

void ioasid_update_end(struct space *space, struct update *update)
{
	struct ioasid_rcu_head *head;

	if (ioasid_unlikely(update->own.thread != NULL))
		tell(space, update);
	ioasid_space_unlock(space);
	if (ioasid_unlikely(update->hands_back))
		hand_back_queued(space);
	while (ioasid_unlikely((head = update->deferred) != NULL)) {
		update->deferred = head->next;
		ioasid_rcu_defer_admitted(space->space.rcu, head, head->func);
	}
	ioasid_rcu_reclaim(space->space.rcu);
}

/* An ID of the space's own choice. @next: from there on, see alloc_cyclic. */
static int alloc_own(struct space *space, struct ioasid_set *set, ioasid_t min,
		     ioasid_t max, void *data, ioasid_t *next, bool reserve,
		     ioasid_t *id)
{
	bool cyclic = space->reuse == IOASID_REUSE_CYCLIC;
	struct set_record *record;
	struct ioasid_slot *slot;
	ioasid_t from = min;
	int ret = ioasid_owner_check(space, set, &record);

	if (ioasid_unlikely(next != NULL))
		from = *next;
	else if (ioasid_unlikely(cyclic))
		from = space->cursor;
	if (from < min || from > max)
		from = min;
	if (!ret)
		ret = ioasid_claim(space, min, from, max, id, &slot);
	if (!ret)
		ret = ioasid_claim_use(space, set, record, *id, slot, data,
				       reserve);
	if (!ret && !next && min != max)
		space->cursor = *id + 1;
	return ret;
}

/* The same, or of the allocator registered, told to notifiers. */
static int alloc_locked(struct space *space, struct update *update,
			struct ioasid_set *set, ioasid_t min, ioasid_t max,
			void *data, ioasid_t *next, bool reserve, bool sourced,
			ioasid_t *id)
{
	bool watched = ioasid_unlikely(ioasid_watched(space));
	struct event *event = NULL;
	int ret = 0;

	/* Whoever is to be told may come while an allocator is asked. */
	if ((watched || sourced) && !reserve)
		ret = ioasid_event_begin(space, &update->own, INVALID_IOASID,
					 &event);
	if (ioasid_unlikely(ret))
		return ret;
	if (ioasid_unlikely(sourced))
		ret = ioasid_source_alloc(space, set, min, max, data, reserve,
					  id);
	else
		ret = alloc_own(space, set, min, max, data, next, reserve, id);
	if (ioasid_likely(!event))
		return ret;
	if (ret || !ioasid_watched(space))
		ioasid_event_abort(space, event);
	else
		ioasid_event_add(space, &update->own, event, IOASID_EVENT_ALLOC,
				 *id, NULL);
	return ret;
}

/* Locks, callbacks too if an allocator is to be asked: -EDEADLK in one. */
static int alloc_lock(struct space *space, struct update *update, bool *sourced)
{
	*sourced = false;
	ioasid_update_begin(space, update);
	if (ioasid_source_calling(space))
		return -EDEADLK;
	while (ioasid_unlikely(space->sources.line != NULL)) {
		ioasid_space_unlock(space);
		ioasid_callbacks_lock(space);
		ioasid_space_lock(space);
		*sourced = space->sources.line != NULL;
		if (*sourced)
			break;
		ioasid_callbacks_unlock(space);
	}
	return 0;
}

static int alloc(struct space *space, struct ioasid_set *set, ioasid_t min,
		 ioasid_t max, void *data, ioasid_t *next, bool reserve,
		 ioasid_t *id)
{
	ioasid_t given = INVALID_IOASID;
	bool valid = min <= max;
	struct update update;
	bool sourced;
	int ret;

	if (min < space->min)
		min = space->min;
	if (max > space->max)
		max = space->max;
	ret = alloc_lock(space, &update, &sourced);
	if (ioasid_unlikely(!ret && min > max))
		ret = valid ? -ENOSPC : -EINVAL;
	if (!ret)
		ret = alloc_locked(space, &update, set, min, max, data, next,
				   reserve, sourced, &given);
	if (ret)
		space->stats.alloc_failed++;
	else if (ioasid_likely(!reserve))
		space->stats.allocs++;
	if (ioasid_unlikely(next && !ret)) {
		ret = given < *next;
		*next = given + 1;
	}
	if (ioasid_unlikely(sourced)) {
		/* Callbacks may have freed IDs. */
		update.hands_back = space->sources.queue != NULL;
		ioasid_space_unlock(space);
		ioasid_callbacks_unlock(space);
		ioasid_space_lock(space);
	}
	ioasid_update_end(space, &update);
	if (ret >= 0)
		*id = given;
	return ret;
}

int ioasid_space_alloc(struct ioasid_space *space, struct ioasid_set *set,
		       ioasid_t min, ioasid_t max, void *data, ioasid_t *id)
{
	return alloc(ioasid_to_space(space), set, min, max, data, NULL, false,
		     id);
}

int ioasid_space_alloc_cyclic(struct ioasid_space *space,
			      struct ioasid_set *set, ioasid_t min,
			      ioasid_t max, void *data, ioasid_t *next,
			      ioasid_t *id)
{
	return alloc(ioasid_to_space(space), set, min, max, data, next, false,
		     id);
}

int ioasid_space_reserve_id(struct ioasid_space *space, struct ioasid_set *set,
			    ioasid_t min, ioasid_t max, ioasid_t *id)
{
	return alloc(ioasid_to_space(space), set, min, max, NULL, NULL, true,
		     id);
}

static int publish(struct space *space, struct update *update, ioasid_t id,
		   void *data)
{
	struct ioasid_slot *slot = ioasid_locked_slot(space, id);
	struct event *event = NULL;
	int ret = 0;

	if (!slot || !ioasid_state_reserved(ioasid_load_relaxed(&slot->state)))
		return -ENOENT;
	if (ioasid_watched(space))
		ret = ioasid_event_begin(space, &update->own, id, &event);
	if (ret)
		return ret;
	ioasid_slot_publish_reserved(slot, data);
	space->stats.unpublished--;
	space->stats.live++;
	space->stats.allocs++;
	if (event)
		ioasid_event_add(space, &update->own, event, IOASID_EVENT_ALLOC,
				 id, NULL);
	return 0;
}

int ioasid_space_publish_id(struct ioasid_space *public_space, ioasid_t id,
			    void *data)
{
	struct space *space = ioasid_to_space(public_space);
	struct update update;
	int ret;

	ioasid_update_begin(space, &update);
	ret = publish(space, &update, id, data);
	ioasid_update_end(space, &update);
	return ret;
}

/* Nobody was told of it, so nobody is told of its end. */
static int release(struct space *space, struct update *update, ioasid_t id)
{
	struct ioasid_slot *slot = ioasid_locked_slot(space, id);
	ioasid_state_t state = slot ? ioasid_load_relaxed(&slot->state) : 0;

	if (!ioasid_state_reserved(state))
		return -ENOENT;
	space->stats.unpublished--;
	space->stats.pending++;
	ioasid_slot_vacate(slot);
	end_unreferenced(space, update, id, slot, ioasid_state_set(state));
	return 0;
}

int ioasid_space_release_id(struct ioasid_space *public_space, ioasid_t id)
{
	struct space *space = ioasid_to_space(public_space);
	struct update update;
	int ret;

	ioasid_update_begin(space, &update);
	ret = release(space, &update, id);
	ioasid_update_end(space, &update);
	return ret;
}

/* Of that set and generation, or any. */
static int end_use(struct space *space, struct update *update, ioasid_t id,
		   uint32_t set, uint32_t generation, void **data,
		   struct ioasid_rcu_head *deferred)
{
	struct ioasid_slot *slot = ioasid_locked_slot(space, id);
	ioasid_state_t state;
	void *found;
	int ret;

	if (ioasid_unlikely(!slot))
		return -ENOENT;
	state = ioasid_load_relaxed(&slot->state);
	if (generation != IOASID_GENERATION_ANY &&
	    ioasid_state_generation(state) != generation)
		return -ESTALE;
	if (set != IOASID_SET_ANY && state & IOASID_STATE_LIVE &&
	    ioasid_state_set(state) != set)
		return -EACCES;
	found = ioasid_load_relaxed(&slot->private_data);
	ret = end_begin(space, update, id, slot, ioasid_state_set(state),
			deferred);
	if (!ret && data)
		*data = found;
	return ret;
}

int ioasid_end_life(struct space *space, ioasid_t id, uint32_t set,
		    uint32_t generation, void **data,
		    struct ioasid_rcu_head *deferred)
{
	struct update update;
	int ret;

	ioasid_update_begin(space, &update);
	ret = end_use(space, &update, id, set, generation, data, deferred);
	if (ret)
		space->stats.free_unknown++;
	ioasid_update_end(space, &update);
	return ret;
}

uint32_t ioasid_end_all(struct space *space, uint32_t set)
{
	struct update update;
	struct walk walk;
	uint32_t freed = 0;
	size_t count;

	ioasid_walk_begin(space, &walk, space->min, space->max);
	do {
		ioasid_space_lock(space);
		count = ioasid_walk_next(space, &walk);
		ioasid_space_unlock(space);
		for (size_t i = 0; i < count; i++) {
			ioasid_update_begin(space, &update);
			freed += !end_use(space, &update, walk.ids[i], set,
					  IOASID_GENERATION_ANY, NULL, NULL);
			ioasid_update_end(space, &update);
		}
	} while (count);
	return freed;
}

int ioasid_space_free(struct ioasid_space *space, ioasid_t id)
{
	return ioasid_end_life(ioasid_to_space(space), id, IOASID_SET_ANY,
			       IOASID_GENERATION_ANY, NULL, NULL);
}

int ioasid_space_free_handle(struct ioasid_space *space, ioasid_handle_t handle)
{
	uint32_t generation = ioasid_handle_generation(handle);

	if (generation == IOASID_GENERATION_ANY)
		return -ENOENT;
	return ioasid_end_life(ioasid_to_space(space), ioasid_handle_id(handle),
			       IOASID_SET_ANY, generation, NULL, NULL);
}

int ioasid_space_free_deferred(struct ioasid_space *space, ioasid_t id,
			       struct ioasid_rcu_head *head,
			       void (*func)(struct ioasid_rcu_head *head))
{
	int ret = ioasid_rcu_admit(space->rcu);

	if (ret)
		return ret;
	head->func = func;
	return ioasid_end_life(ioasid_to_space(space), id, IOASID_SET_ANY,
			       IOASID_GENERATION_ANY, NULL, head);
}

int ioasid_space_remove(struct ioasid_space *space,
			const struct ioasid_set *set, ioasid_t id, void **data)
{
	return ioasid_end_life(ioasid_to_space(space), id,
			       ioasid_set_index(space, set),
			       IOASID_GENERATION_ANY, data, NULL);
}

int ioasid_space_free_all(struct ioasid_space *space, uint32_t *count)
{
	uint32_t freed = ioasid_end_all(ioasid_to_space(space), IOASID_SET_ANY);

	if (count)
		*count = freed;
	return 0;
}

/* The last reference is gone. */
static void put_last(struct space *space, ioasid_t id, ioasid_state_t before)
{
	uint32_t set = ioasid_state_set(before);
	struct ioasid_slot *slot;
	struct update update;
	struct extra *extra;

	ioasid_update_begin(space, &update);
	slot = ioasid_locked_slot(space, id);
	if (before & IOASID_STATE_LIVE) {
		extra = ioasid_extra(space, id);
		if (ioasid_unlikely(extra != NULL))
			ioasid_spid_unname(
				space, ioasid_set_record_at(space, set), id);
		end_closed(space, &update, id, slot, set, extra, NULL);
	} else {
		end_unreferenced(space, &update, id, slot, set);
	}
	ioasid_update_end(space, &update);
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
			slot = ioasid_current_slot(space, id, ret);
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
