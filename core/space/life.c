/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "life.h"

#include "claim.h"
#include "extra.h"
#include "lookup.h"
#include "owner.h"
#include "source.h"
#include "walk.h"

/* From alloc to the end of an ID's life. */

/*
 * The end has these steps, the last of which stands first below: hidden by
 * end_begin() or end_closed(), told by end_tell() if somebody watches,
 * unreferenced in end_unreferenced(), handed back by end_handed_back() if an
 * allocator gave the ID, vacant after end_vacant(). Each is taken by the call
 * that makes it possible, or queued for one that is at it.
 */

static void count_free(struct space *space, bool pending)
{
	space->stats.live--;
	space->stats.frees++;
	space->stats.pending += pending;
}

/* The slot is vacant. */
static IOASID_INLINE void end_vacant(struct space *space, ioasid_t id,
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

	while ((extra = ioasid_source_hand_back(space))) {
		source = extra->source;
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

/* The ID is hidden, and kept by a reference until FREE has been told. */
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
	if (ioasid_source_calling(space) || ioasid_forking()) {
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
		ioasid_spid_unname(space, ioasid_set_record_at(space, set),
				   extra);
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

/* Hands back what this call has queued, or waits until others have. */
static void hand_back_queued(struct space *space)
{
	/* In a callback of this space: done once that has returned. */
	if (ioasid_source_calling(space))
		return;
	/* Inside of fork(): done by the thread that has the lock. */
	if (!ioasid_callbacks_lock(space))
		return;
	ioasid_space_lock(space);
	ioasid_hand_back(space);
	ioasid_space_unlock(space);
	ioasid_callbacks_unlock(space);
}

static void tell_update(struct space *space, struct update *update)
{
	struct ioasid_rcu_head *deferred;
	ioasid_t freed;

	while (ioasid_event_tell(space, &update->own, &freed, &deferred)) {
		defer(update, deferred);
		end_unkept(space, update, freed);
	}
}

void ioasid_update_settle(struct space *space, struct update *update)
{
	struct ioasid_rcu_head *head;

	tell_update(space, update);
	ioasid_space_unlock(space);
	if (update->hands_back)
		hand_back_queued(space);
	while ((head = update->deferred)) {
		update->deferred = head->next;
		ioasid_rcu_defer_admitted(space->space.rcu, head, head->func);
	}
}

/* What lies outside of the space's own range is cut off. */
static IOASID_INLINE void cut_off(const struct space *space, ioasid_t *min,
				  ioasid_t *max)
{
	if (*min < space->min)
		*min = space->min;
	if (*max > space->max)
		*max = space->max;
}

/* An ID of the space's own choice, from @next on or the space's cursor. */
static IOASID_INLINE int alloc_own(struct space *space, struct ioasid_set *set,
				   ioasid_t min, ioasid_t max, void *data,
				   ioasid_t *id, const ioasid_t *next,
				   bool reserve)
{
	struct set_record *record;
	struct ioasid_slot *slot;
	ioasid_t from = min;
	int ret;

	if (ioasid_unlikely(min > max))
		return -ENOSPC;
	if (ioasid_unlikely(next != NULL))
		from = *next;
	else if (ioasid_unlikely(space->reuse == IOASID_REUSE_CYCLIC))
		from = space->cursor;
	if (from < min || from > max)
		from = min;
	ret = ioasid_owner_check(space, set, &record);
	if (!ret)
		ret = ioasid_claim(space, min, from, max, id, &slot);
	if (!ret)
		ret = ioasid_claim_use(space, set, record, *id, slot, data,
				       reserve);
	if (!ret && !next && min != max)
		space->cursor = *id + 1;
	return ret;
}

static IOASID_INLINE void count_alloc(struct space *space, int ret)
{
	if (ret)
		space->stats.alloc_failed++;
	else
		space->stats.allocs++;
}

/* Locks; callbacks too if an allocator is to be asked, which @sourced says. */
static int alloc_lock(struct space *space, struct update *update, bool *sourced)
{
	*sourced = false;
	ioasid_update_begin(space, update);
	if (ioasid_source_calling(space))
		return -EDEADLK;
	while (ioasid_source_line(space) && !*sourced) {
		bool locked;

		ioasid_space_unlock(space);
		locked = ioasid_callbacks_lock(space);
		ioasid_space_lock(space);
		if (!locked)
			return -EDEADLK;
		*sourced = ioasid_source_line(space) != NULL;
		if (!*sourced)
			ioasid_callbacks_unlock(space);
	}
	return 0;
}

static void alloc_unlock(struct space *space, struct update *update,
			 bool sourced)
{
	if (sourced) {
		/* Callbacks may have freed IDs. */
		update->hands_back = ioasid_source_queued(space);
		ioasid_space_unlock(space);
		ioasid_callbacks_unlock(space);
		ioasid_space_lock(space);
	}
	ioasid_update_end(space, update);
}

static int alloc_told(struct space *space, struct update *update,
		      struct ioasid_set *set, ioasid_t min, ioasid_t max,
		      void *data, ioasid_t *id, const ioasid_t *next,
		      bool reserve, bool sourced)
{
	struct event *event = NULL;
	int ret = 0;

	/* Whoever is to be told may come while an allocator is asked. */
	if (!reserve && (sourced || ioasid_watched(space)))
		ret = ioasid_event_begin(space, &update->own, INVALID_IOASID,
					 &event);
	if (!ret && sourced)
		ret = ioasid_source_alloc(space, set, min, max, data, reserve,
					  id);
	else if (!ret)
		ret = alloc_own(space, set, min, max, data, id, next, reserve);
	if (event && (ret || !ioasid_watched(space)))
		ioasid_event_abort(space, event);
	else if (event)
		ioasid_event_add_alloc(space, &update->own, event, *id);
	return ret;
}

/*
 * An alloc with all there can be to it: allocators, notifiers, a cursor of the
 * caller's, an ID that is only reserved.
 */
static int alloc_specially(struct space *space, struct ioasid_set *set,
			   ioasid_t min, ioasid_t max, void *data, ioasid_t *id,
			   ioasid_t *next, bool reserve)
{
	ioasid_t given = INVALID_IOASID;
	bool valid = min <= max;
	struct update update;
	bool sourced;
	int ret;

	cut_off(space, &min, &max);
	ret = alloc_lock(space, &update, &sourced);
	if (!ret && min > max)
		ret = valid ? -ENOSPC : -EINVAL;
	if (!ret)
		ret = alloc_told(space, &update, set, min, max, data, &given,
				 next, reserve, sourced);
	if (ret || !reserve)
		count_alloc(space, ret);
	if (!ret && next) {
		ret = given < *next;
		*next = given + 1;
	}
	alloc_unlock(space, &update, sourced);
	if (ret >= 0)
		*id = given;
	return ret;
}

int ioasid_space_alloc(struct ioasid_space *public_space,
		       struct ioasid_set *set, ioasid_t min, ioasid_t max,
		       void *data, ioasid_t *id)
{
	struct space *space = ioasid_to_space(public_space);
	ioasid_t given;
	int ret;

	ioasid_space_lock(space);
	if (ioasid_unlikely(min > max || ioasid_source_line(space) ||
			    ioasid_source_calling(space) ||
			    ioasid_watched(space))) {
		ioasid_space_unlock(space);
		return alloc_specially(space, set, min, max, data, id, NULL,
				       false);
	}
	cut_off(space, &min, &max);
	ret = alloc_own(space, set, min, max, data, &given, NULL, false);
	count_alloc(space, ret);
	ioasid_space_unlock(space);
	ioasid_rcu_reclaim(public_space->rcu);
	if (!ret)
		*id = given;
	return ret;
}

int ioasid_space_alloc_cyclic(struct ioasid_space *space,
			      struct ioasid_set *set, ioasid_t min,
			      ioasid_t max, void *data, ioasid_t *next,
			      ioasid_t *id)
{
	return alloc_specially(ioasid_to_space(space), set, min, max, data, id,
			       next, false);
}

int ioasid_space_reserve_id(struct ioasid_space *space, struct ioasid_set *set,
			    ioasid_t min, ioasid_t max, ioasid_t *id)
{
	return alloc_specially(ioasid_to_space(space), set, min, max, NULL, id,
			       NULL, true);
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
		ioasid_event_add_alloc(space, &update->own, event, id);
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
	ioasid_state_t state = ioasid_locked_state(space, id);

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

/* As end_life(), with the lock. */
static IOASID_INLINE int end_use(struct space *space, struct update *update,
				 ioasid_t id, uint32_t set, uint32_t generation,
				 void **data, struct ioasid_rcu_head *deferred)
{
	struct ioasid_slot *slot = ioasid_locked_slot(space, id);
	bool watched = ioasid_watched(space);
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
	if (ret || !data)
		return ret;
	*data = found;
	/* It is the caller's to free, whoever has yet to be told. */
	if (watched)
		ioasid_store_release(&slot->private_data, NULL);
	return 0;
}

/*
 * As ioasid_space_free() of an ID of that set and generation, or any; @data
 * receives the private pointer, @deferred is called once readers have left; each
 * may be NULL.
 */
static int end_life(struct space *space, ioasid_t id,
		    const struct ioasid_set *set, uint32_t generation,
		    void **data, struct ioasid_rcu_head *deferred)
{
	struct update update;
	int ret;

	ioasid_update_begin(space, &update);
	/* With the lock: its first use may bind the set until then. */
	ret = end_use(space, &update, id, ioasid_set_index(&space->space, set),
		      generation, data, deferred);
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
	return end_life(ioasid_to_space(space), id, NULL, IOASID_GENERATION_ANY,
			NULL, NULL);
}

int ioasid_space_free_handle(struct ioasid_space *space, ioasid_handle_t handle)
{
	uint32_t generation = ioasid_handle_generation(handle);

	if (generation == IOASID_GENERATION_ANY)
		return -ENOENT;
	return end_life(ioasid_to_space(space), ioasid_handle_id(handle), NULL,
			generation, NULL, NULL);
}

int ioasid_space_free_deferred(struct ioasid_space *space, ioasid_t id,
			       struct ioasid_rcu_head *head,
			       void (*func)(struct ioasid_rcu_head *head))
{
	int ret = ioasid_rcu_admit(space->rcu);

	if (ret)
		return ret;
	head->func = func;
	return end_life(ioasid_to_space(space), id, NULL, IOASID_GENERATION_ANY,
			NULL, head);
}

int ioasid_space_remove(struct ioasid_space *space,
			const struct ioasid_set *set, ioasid_t id, void **data)
{
	return end_life(ioasid_to_space(space), id, set, IOASID_GENERATION_ANY,
			data, NULL);
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
		ioasid_spid_unname(space, ioasid_set_record_at(space, set),
				   extra);
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
