/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "lookup.h"

#include "owner.h"
#include "walk.h"

int ioasid_space_read_moved(const struct ioasid_space *space, uint32_t set,
			    ioasid_t id, uint32_t generation, void **data)
{
	struct ioasid_slot *slot;
	int ret = -EAGAIN;

	while (ret == -EAGAIN) {
		slot = ioasid_current_slot(space, id, ret);
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
			slot = ioasid_current_slot(space, id, ret);
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
			slot = ioasid_current_slot(space, id, ret);
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
	ioasid_space_unlock(space);
	return ret;
}

/* The first of @ids that is live and @set's, and its pointer. */
static bool pick(struct space *space, uint32_t set, const ioasid_t *ids,
		 size_t count, ioasid_t *id, void **data)
{
	for (size_t i = 0; i < count; i++) {
		const struct ioasid_slot *slot =
			ioasid_locked_slot(space, ids[i]);

		if (!ioasid_slot_read(slot, set, IOASID_GENERATION_ANY, data)) {
			*id = ids[i];
			return true;
		}
	}
	return false;
}

int ioasid_space_next(struct ioasid_space *public_space,
		      const struct ioasid_set *set, ioasid_t min, ioasid_t max,
		      ioasid_t *id, void **data)
{
	struct space *space = ioasid_to_space(public_space);
	uint32_t index = ioasid_set_index(public_space, set);
	void *ignored;
	struct walk walk;
	bool found = false;
	size_t count;

	if (min > max)
		return -EINVAL;
	ioasid_walk_begin(space, &walk, min, max);
	/* As a rule the first will do. */
	walk.batch = 1;
	do {
		ioasid_space_lock(space);
		count = ioasid_walk_next(space, &walk);
		if (count)
			found = pick(space, index, walk.ids, count, id,
				     data ? data : &ignored);
		ioasid_space_unlock(space);
	} while (count && !found);
	return found ? 0 : -ENOENT;
}
