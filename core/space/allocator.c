/* SPDX-License-Identifier: MIT */
#include "internal.h"

#include <string.h>

/* Without the space's lock, which comes after this one. */
static void callbacks_lock(struct space *space)
{
	/* The thread may not end in a callback. */
	int cancel = ioasid_cancel_disable();

	ioasid_lock(&space->callback_lock);
	space->callback_cancel = cancel;
	ioasid_store_relaxed(&space->callback_thread,
			     (void *)(uintptr_t)ioasid_space_thread());
}

static void callbacks_unlock(struct space *space)
{
	int cancel = space->callback_cancel;

	ioasid_store_relaxed(&space->callback_thread, NULL);
	ioasid_unlock(&space->callback_lock);
	ioasid_cancel_restore(cancel);
}

/* The space's lock is not held around callbacks, but nothing may be waited for. */
static ioasid_t call_alloc(struct space *space,
			   const struct ioasid_allocator_ops *ops, ioasid_t min,
			   ioasid_t max)
{
	struct ioasid_rcu_frame frame;
	ioasid_t id;

	ioasid_space_unlock(space);
	ioasid_rcu_frame_enter(&frame, space->space.rcu);
	id = ops->alloc(min, max, ops->pdata);
	ioasid_rcu_frame_leave(&frame);
	ioasid_space_lock(space);
	return id;
}

static void call_free(struct space *space,
		      const struct ioasid_allocator_ops *ops, ioasid_t id)
{
	struct ioasid_rcu_frame frame;

	ioasid_space_unlock(space);
	ioasid_rcu_frame_enter(&frame, space->space.rcu);
	ops->free(id, ops->pdata);
	ioasid_rcu_frame_leave(&frame);
	ioasid_space_lock(space);
}

static bool same_functions(const struct ioasid_allocator_ops *a,
			   const struct ioasid_allocator_ops *b)
{
	return a->alloc == b->alloc && a->free == b->free;
}

/* The next of the same functions in line after @source, or NULL. */
static struct source *next_sharer(const struct source *source,
				  const struct ioasid_allocator_ops *ops)
{
	struct source *next = source->next;

	while (next && !same_functions(next->ops, ops))
		next = next->next;
	return next;
}

/* Where the one of @ops is, or the end of the line. */
static struct source **find_source(struct source **link,
				   const struct ioasid_allocator_ops *ops)
{
	while (*link && (*link)->ops != ops)
		link = &(*link)->next;
	return link;
}

static void source_drop(struct space *space, struct source *source)
{
	struct source *heir;

	while (source && !--source->users) {
		heir = source->heir;
		ioasid_space_memory_free(space, source, sizeof(*source));
		source = heir;
	}
}

/* Who takes back what @source gave. */
static struct source *heir_of(struct source *source)
{
	while (source->heir)
		source = source->heir;
	return source;
}

static void adopt(struct space *space, struct extra *extra,
		  struct source *source)
{
	extra->source = source;
	source->users++;
	space->sourced++;
}

void ioasid_source_adopt(struct space *space, struct extra *extra)
{
	adopt(space, extra, space->sources);
}

void ioasid_source_leave(struct space *space, struct extra *extra)
{
	struct source *source = extra->source;

	extra->source = NULL;
	space->sourced--;
	source_drop(space, source);
}

static void handback_init(struct space *space)
{
	space->handback = NULL;
	space->handback_tail = &space->handback;
}

void ioasid_source_hand_back(struct space *space, struct extra *extra)
{
	extra->leaving = true;
	extra->thread = ioasid_space_thread();
	extra->next = NULL;
	*space->handback_tail = extra;
	space->handback_tail = &extra->next;
}

/* Callbacks locked. @released receives an allocator whose last ID it was. */
static void hand_back(struct space *space, struct extra *extra,
		      struct ioasid_allocator_ops **released)
{
	struct source *source = heir_of(extra->source);
	struct ioasid_allocator_ops *ops = source->ops;
	struct ioasid_slot *slot;
	ioasid_state_t state;
	ioasid_t id = extra->id;

	/* It is not the only one that points there. */
	source->users++;
	space->calling = source;
	extra->called = true;
	call_free(space, ops, id);
	space->calling = NULL;
	slot = ioasid_locked_slot(space, id);
	state = ioasid_load_relaxed(&slot->state);
	if (state & IOASID_STATE_LIVE) {
		space->stats.live--;
		space->stats.frees++;
	} else {
		space->stats.pending--;
	}
	ioasid_source_leave(space, extra);
	ioasid_extra_free(space, extra);
	ioasid_slot_vacate(slot);
	ioasid_id_vacate(space, id, slot, ioasid_state_set(state));
	*released = NULL;
	if (!source->registered && source->users == 1) {
		*find_source(&space->kept, ops) = source->next;
		*released = ops;
	}
	source_drop(space, source);
}

static void call_release(struct space *space, struct ioasid_allocator_ops *ops)
{
	struct ioasid_rcu_frame frame;

	ioasid_space_unlock(space);
	ioasid_rcu_frame_enter(&frame, space->space.rcu);
	ops->release(ops);
	ioasid_rcu_frame_leave(&frame);
	ioasid_space_lock(space);
}

/* Callbacks and space locked. Drops both. */
static void drain_and_unlock(struct space *space)
{
	struct ioasid_allocator_ops *released = NULL;
	struct extra *extra;

	while ((extra = space->handback)) {
		space->handback = extra->next;
		if (!space->handback)
			handback_init(space);
		hand_back(space, extra, &released);
		if (released && released->release)
			call_release(space, released);
	}
	ioasid_space_unlock(space);
	callbacks_unlock(space);
}

bool ioasid_source_queued(const struct space *space)
{
	const void *thread = ioasid_space_thread();
	const struct extra *extra = space->handback;

	while (extra && extra->thread != thread)
		extra = extra->next;
	return extra != NULL;
}

void ioasid_source_drain(struct space *space)
{
	/* Then it is done once the callback has returned. */
	if (ioasid_source_calling(space))
		return;
	callbacks_lock(space);
	ioasid_space_lock(space);
	drain_and_unlock(space);
}

/* Callbacks locked. An ID and who gave it. */
static int ask(struct space *space, ioasid_t min, ioasid_t max, ioasid_t *id,
	       struct source **source)
{
	const struct ioasid_allocator_ops *ops = space->sources->ops;

	*id = INVALID_IOASID;
	for (*source = space->sources; *source;
	     *source = next_sharer(*source, ops)) {
		*id = call_alloc(space, (*source)->ops, min, max);
		if (*id != INVALID_IOASID)
			break;
	}
	if (!*source)
		return -ENOSPC;
	return *id < min || *id > max ? -ERANGE : 0;
}

/*
 * An allocator that gives such an ID would not know it is, if it took it back.
 * The last put of one may be about to hand it back.
 */
static bool in_use(struct space *space, ioasid_t id)
{
	const struct ioasid_slot *slot = ioasid_locked_slot(space, id);

	return ioasid_extra(space, id) ||
	       (slot && (ioasid_load_relaxed(&slot->state) &
			 (IOASID_STATE_LIVE | IOASID_STATE_REFS)));
}

/* Callbacks locked. */
static int alloc_by_source(struct space *space, struct ioasid_set *set,
			   ioasid_t min, ioasid_t max, void *data, ioasid_t *id)
{
	struct set_record *record;
	struct source *source;
	ioasid_t asked;
	struct extra *extra;
	int ret = ioasid_id_check_owner(space, set, &record);

	if (ret)
		return ret;
	/* What @set may have must not be given away meanwhile. */
	space->asking = true;
	space->asking_record = record;
	ioasid_charge(space, record);
	ret = ask(space, min, max, &asked, &source);
	ioasid_uncharge(space, record);
	space->asking = false;
	space->asking_record = NULL;
	if (!ret)
		ret = ioasid_id_take(space, set, asked, data, &extra);
	if (!ret) {
		adopt(space, extra, source);
		*id = asked;
	} else if (source && !in_use(space, asked)) {
		call_free(space, source->ops, asked);
	}
	return ret;
}

int ioasid_source_alloc(struct space *space, struct ioasid_set *set,
			ioasid_t min, ioasid_t max, void *data, ioasid_t *id)
{
	struct event *event = NULL;
	struct delivery own;
	int ret = 0;

	if (ioasid_source_calling(space)) {
		ioasid_space_lock(space);
		space->stats.alloc_failed++;
		ioasid_space_unlock(space);
		return -EDEADLK;
	}
	callbacks_lock(space);
	ioasid_space_lock(space);
	if (!space->sources) {
		ioasid_space_unlock(space);
		callbacks_unlock(space);
		return ioasid_space_alloc(&space->space, set, min, max, data,
					  id);
	}
	/* Whoever is there to be told may come while the ID is asked for. */
	ret = ioasid_event_begin(space, &own, INVALID_IOASID, &event);
	if (!ret)
		ret = alloc_by_source(space, set, min, max, data, id);
	if (ret)
		space->stats.alloc_failed++;
	else
		space->stats.allocs++;
	if (event && (ret || !ioasid_watched(space)))
		ioasid_event_abort(space, event);
	else if (event)
		ioasid_event_add(space, &own, event, IOASID_EVENT_ALLOC, *id,
				 NULL);
	ioasid_space_unlock(space);
	callbacks_unlock(space);
	ioasid_space_lock(space);
	if (event)
		ioasid_event_tell(space, &own);
	ioasid_space_settle(space);
	return ret;
}

int ioasid_space_register_allocator(struct ioasid_space *public_space,
				    struct ioasid_allocator_ops *ops)
{
	struct space *space = ioasid_to_space(public_space);
	struct ioasid_stats *stats = &space->stats;
	struct source *source, **link;
	int ret = 0;

	if (!ops->alloc || !ops->free)
		return -EINVAL;
	ioasid_space_lock(space);
	link = find_source(&space->sources, ops);
	if (*link || *find_source(&space->kept, ops))
		ret = -EEXIST;
	else if (!space->sources &&
		 stats->live + stats->pending > space->sourced)
		ret = -EAGAIN;
	if (!ret) {
		source = ioasid_space_memory(space, sizeof(*source));
		ret = source ? 0 : -ENOMEM;
	}
	if (!ret) {
		memset(source, 0, sizeof(*source));
		source->ops = ops;
		source->registered = true;
		source->users = 1;
		*link = source;
		stats->allocators++;
	}
	ioasid_space_unlock(space);
	return ret;
}

/* The first of those with the same functions but for @source, or NULL. */
static struct source *first_sharer(const struct space *space,
				   const struct source *source)
{
	struct source *sharer = space->sources;

	while (sharer &&
	       (sharer == source || !same_functions(sharer->ops, source->ops)))
		sharer = sharer->next;
	return sharer;
}

/* @heir takes the place of @source in the line, if that is before its own. */
static void inherit_place(struct space *space, struct source *source,
			  struct source *heir)
{
	struct source **link = find_source(&space->sources, source->ops);
	struct source **own = find_source(link, heir->ops);

	if (!*own) {
		*link = source->next;
		return;
	}
	*own = heir->next;
	heir->next = source->next;
	*link = heir;
}

/*
 * @heir takes over the IDs of @source, which no longer is. Without IDs of its
 * own it does so under the other's record: those left behind are no more than
 * there are IDs.
 */
static void inherit(struct space *space, struct source *source,
		    struct source *heir)
{
	struct ioasid_allocator_ops *ops;

	inherit_place(space, source, heir);
	if (source->users > 1 && heir->users == 1) {
		ops = heir->ops;
		*find_source(&space->sources, ops) = source;
		source->next = heir->next;
		source->ops = ops;
		source_drop(space, heir);
		return;
	}
	source->registered = false;
	source->heir = heir;
	heir->users++;
	source_drop(space, source);
}

/* Callbacks locked. */
static int unregister(struct space *space, struct ioasid_allocator_ops *ops,
		      enum ioasid_unregister mode)
{
	struct source **link = find_source(&space->sources, ops);
	struct source *source = *link, *heir;
	bool idle;

	if (!source)
		return -ENOENT;
	heir = first_sharer(space, source);
	idle = source->users == 1;
	if (!heir && !idle && mode == IOASID_UNREGISTER_IDLE)
		return -EBUSY;
	space->stats.allocators--;
	if (heir) {
		inherit(space, source, heir);
		return 0;
	}
	*link = source->next;
	source->registered = false;
	if (!idle) {
		source->next = space->kept;
		space->kept = source;
	}
	source_drop(space, source);
	return !idle;
}

int ioasid_space_unregister_allocator(struct ioasid_space *public_space,
				      struct ioasid_allocator_ops *ops,
				      enum ioasid_unregister mode)
{
	struct space *space = ioasid_to_space(public_space);
	int ret;

	if (mode != IOASID_UNREGISTER_IDLE && mode != IOASID_UNREGISTER_KEEP)
		return -EINVAL;
	if (ioasid_source_calling(space))
		return -EDEADLK;
	callbacks_lock(space);
	ioasid_space_lock(space);
	ret = unregister(space, ops, mode);
	drain_and_unlock(space);
	return ret;
}

/* All IDs are about to go. */
void ioasid_sources_destroy(struct space *space)
{
	struct source *source;
	struct extra *extra;
	struct walk walk;
	size_t count;

	ioasid_space_unlock(space);
	callbacks_lock(space);
	ioasid_space_lock(space);
	/* Again, if a callback has named an ID that was passed. */
	while (space->extras.count) {
		ioasid_walk_begin(space, &walk, space->min, space->max);
		while ((count = ioasid_walk_next(space, &walk)))
			for (size_t i = 0; i < count; i++) {
				extra = ioasid_extra(space, walk.ids[i]);
				if (!extra)
					continue;
				source = extra->source;
				/* In a child of fork, before it already. */
				if (source && !extra->called) {
					call_free(space, heir_of(source)->ops,
						  extra->id);
					/* This walk meets what that freed. */
					handback_init(space);
				}
				if (source)
					ioasid_source_leave(space, extra);
				ioasid_extra_free(space, extra);
			}
		ioasid_walk_end(space, &walk);
	}
	callbacks_unlock(space);
	while ((source = space->sources)) {
		space->sources = source->next;
		source_drop(space, source);
	}
	ioasid_map_destroy(&space->extras);
}

/* What another thread was asking for is not there; its callback is not. */
void ioasid_sources_fork_child(struct space *space)
{
	if (ioasid_source_calling(space))
		return;
	ioasid_lock_init(&space->callback_lock);
	ioasid_store_relaxed(&space->callback_thread, NULL);
	/* The ID still points there. */
	if (space->calling)
		space->calling->users--;
	space->calling = NULL;
	if (space->asking)
		ioasid_uncharge(space, space->asking_record);
	space->asking = false;
	space->asking_record = NULL;
}
