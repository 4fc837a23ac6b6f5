/* SPDX-License-Identifier: MIT */
#include "source.h"

#include "claim.h"
#include "owner.h"
#include "walk.h"

#include <string.h>

void ioasid_callbacks_lock(struct space *space)
{
	/* The thread may not end in a callback. */
	int cancel = ioasid_cancel_disable();

	ioasid_lock(&space->sources.lock);
	space->sources.cancel = cancel;
	ioasid_store_relaxed(&space->sources.thread,
			     (void *)(uintptr_t)ioasid_space_thread());
}

void ioasid_callbacks_unlock(struct space *space)
{
	int cancel = space->sources.cancel;

	ioasid_store_relaxed(&space->sources.thread, NULL);
	ioasid_unlock(&space->sources.lock);
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

static void source_free(struct space *space, struct source *source)
{
	if (!source->users && !source->dumps)
		ioasid_space_memory_free(space, source, sizeof(*source));
}

static void source_drop(struct space *space, struct source *source)
{
	struct source *heir;

	while (source && !--source->users) {
		heir = source->heir;
		source_free(space, source);
		source = heir;
	}
}

void ioasid_source_unpin(struct space *space, struct source *source)
{
	source->dumps--;
	source_free(space, source);
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
	space->sources.ids++;
}

void ioasid_source_adopt(struct space *space, struct extra *extra)
{
	adopt(space, extra, space->sources.line);
}

void ioasid_source_leave(struct space *space, struct extra *extra)
{
	struct source *source = extra->source;

	extra->source = NULL;
	space->sources.ids--;
	source_drop(space, source);
}

static void queue_init(struct sources *sources)
{
	sources->queue = NULL;
	sources->queue_tail = &sources->queue;
}

void ioasid_source_queue(struct space *space, struct extra *extra)
{
	extra->leaving = true;
	extra->next = NULL;
	*space->sources.queue_tail = extra;
	space->sources.queue_tail = &extra->next;
}

static struct extra *dequeue(struct sources *sources)
{
	struct extra *extra = sources->queue;

	if (extra)
		sources->queue = extra->next;
	if (!sources->queue)
		queue_init(sources);
	return extra;
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

struct extra *ioasid_source_hand_back(struct space *space,
				      struct source **source)
{
	struct extra *extra = dequeue(&space->sources);

	if (!extra)
		return NULL;
	*source = heir_of(extra->source);
	extra->called = true;
	/* It is not the only one that points there. */
	(*source)->users++;
	space->sources.calling = *source;
	call_free(space, (*source)->ops, extra->id);
	space->sources.calling = NULL;
	return extra;
}

void ioasid_source_handed_back(struct space *space, struct source *source)
{
	struct ioasid_allocator_ops *ops = source->ops;
	bool last = !source->registered && source->users == 1;

	if (last)
		*find_source(&space->sources.kept, ops) = source->next;
	source_drop(space, source);
	if (last && ops->release)
		call_release(space, ops);
}

/* Callbacks locked. An ID and who gave it. */
static int ask(struct space *space, ioasid_t min, ioasid_t max, ioasid_t *id,
	       struct source **source)
{
	const struct ioasid_allocator_ops *ops = space->sources.line->ops;

	*id = INVALID_IOASID;
	for (*source = space->sources.line; *source;
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

/* Claims the ID that was given, with what is to be known of it. */
static int take(struct space *space, struct ioasid_set *set, ioasid_t id,
		void *data, bool reserve, struct extra **extra)
{
	struct set_record *record;
	struct ioasid_slot *slot;
	int ret = ioasid_owner_check(space, set, &record);

	if (!ret)
		ret = ioasid_claim(space, id, id, id, &id, &slot);
	if (ret)
		return ret == -ENOSPC ? -EEXIST : ret;
	ret = ioasid_extra_make(space, id, extra);
	if (ret) {
		ioasid_unclaim(space, id);
		return ret;
	}
	ret = ioasid_claim_use(space, set, record, id, slot, data, reserve);
	if (ret)
		ioasid_extra_free(space, *extra);
	return ret;
}

int ioasid_source_alloc(struct space *space, struct ioasid_set *set,
			ioasid_t min, ioasid_t max, void *data, bool reserve,
			ioasid_t *id)
{
	struct set_record *record;
	struct source *source;
	ioasid_t asked;
	struct extra *extra;
	int ret = ioasid_owner_check(space, set, &record);

	if (ret)
		return ret;
	/* What @set may have must not be given away meanwhile. */
	space->sources.asking = true;
	space->sources.asking_record = record;
	ioasid_charge(space, record);
	ret = ask(space, min, max, &asked, &source);
	ioasid_uncharge(space, record);
	space->sources.asking = false;
	space->sources.asking_record = NULL;
	if (!ret)
		ret = take(space, set, asked, data, reserve, &extra);
	if (!ret) {
		adopt(space, extra, source);
		*id = asked;
	} else if (source && !in_use(space, asked)) {
		call_free(space, source->ops, asked);
	}
	return ret;
}

int ioasid_source_register(struct space *space,
			   struct ioasid_allocator_ops *ops)
{
	struct source **link = find_source(&space->sources.line, ops);
	struct ioasid_stats *stats = &space->stats;
	struct source *source;

	if (*link || *find_source(&space->sources.kept, ops))
		return -EEXIST;
	if (!space->sources.line &&
	    stats->live + stats->pending + stats->unpublished >
		    space->sources.ids)
		return -EAGAIN;
	source = ioasid_space_memory(space, sizeof(*source));
	if (!source)
		return -ENOMEM;
	memset(source, 0, sizeof(*source));
	source->ops = ops;
	source->registered = true;
	source->users = 1;
	*link = source;
	stats->allocators++;
	return 0;
}

/* The first of those with the same functions but for @source, or NULL. */
static struct source *first_sharer(const struct space *space,
				   const struct source *source)
{
	struct source *sharer = space->sources.line;

	while (sharer &&
	       (sharer == source || !same_functions(sharer->ops, source->ops)))
		sharer = sharer->next;
	return sharer;
}

/* @heir takes the place of @source in the line, if that is before its own. */
static void inherit_place(struct space *space, struct source *source,
			  struct source *heir)
{
	struct source **link = find_source(&space->sources.line, source->ops);
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
		*find_source(&space->sources.line, ops) = source;
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

int ioasid_source_unregister(struct space *space,
			     struct ioasid_allocator_ops *ops,
			     enum ioasid_unregister mode)
{
	struct source **link = find_source(&space->sources.line, ops);
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
		source->next = space->sources.kept;
		space->sources.kept = source;
	}
	source_drop(space, source);
	return !idle;
}

void ioasid_sources_init(struct space *space)
{
	queue_init(&space->sources);
	ioasid_lock_init(&space->sources.lock);
}

void ioasid_sources_destroy(struct space *space)
{
	struct source *source;
	struct extra *extra;
	struct walk walk;
	size_t count;

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
					queue_init(&space->sources);
				}
				if (source)
					ioasid_source_leave(space, extra);
				ioasid_extra_free(space, extra);
			}
	}
	while ((source = space->sources.line)) {
		space->sources.line = source->next;
		source_drop(space, source);
	}
	ioasid_map_destroy(&space->extras);
}

/* What another thread was asking for is not there; its callback is not. */
void ioasid_sources_fork_child(struct space *space)
{
	if (ioasid_source_calling(space))
		return;
	ioasid_lock_init(&space->sources.lock);
	ioasid_store_relaxed(&space->sources.thread, NULL);
	/* The ID still points there. */
	if (space->sources.calling)
		space->sources.calling->users--;
	space->sources.calling = NULL;
	if (space->sources.asking)
		ioasid_uncharge(space, space->sources.asking_record);
	space->sources.asking = false;
	space->sources.asking_record = NULL;
}
