/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "source.h"

#ifndef IOASID_NO_ALLOCATORS
#include "claim.h"
#include "owner.h"
#include "walk.h"
#include "../platform/util.h"

bool ioasid_callbacks_lock(struct space *space)
{
	/* The thread may not end in a callback. */
	int cancel = ioasid_cancel_disable();

	if (!ioasid_lock_unless_forking(&space->sources.lock)) {
		ioasid_cancel_restore(cancel);
		return false;
	}
	space->sources.cancel = cancel;
	ioasid_store_relaxed(&space->sources.thread,
			     (void *)(uintptr_t)ioasid_space_thread());
	return true;
}

void ioasid_callbacks_unlock(struct space *space)
{
	int cancel = space->sources.cancel;

	ioasid_store_relaxed(&space->sources.thread, NULL);
	ioasid_unlock(&space->sources.lock);
	ioasid_cancel_restore(cancel);
}

/* The space's lock is not held around callbacks, but nothing may be waited for. */
static void call_begin(struct space *space, struct ioasid_rcu_frame *frame)
{
	ioasid_space_unlock(space);
	ioasid_rcu_frame_enter(frame, space->space.rcu);
}

static void call_end(struct space *space, const struct ioasid_rcu_frame *frame)
{
	ioasid_rcu_frame_leave(frame);
	ioasid_space_lock(space);
}

static ioasid_t call_alloc(struct space *space,
			   const struct ioasid_allocator_ops *ops, ioasid_t min,
			   ioasid_t max)
{
	struct ioasid_rcu_frame frame;
	ioasid_t id;

	call_begin(space, &frame);
	id = ops->alloc(min, max, ops->pdata);
	call_end(space, &frame);
	return id;
}

static void call_free(struct space *space,
		      const struct ioasid_allocator_ops *ops, ioasid_t id)
{
	struct ioasid_rcu_frame frame;

	call_begin(space, &frame);
	ops->free(id, ops->pdata);
	call_end(space, &frame);
}

static bool same_functions(const struct ioasid_allocator_ops *a,
			   const struct ioasid_allocator_ops *b)
{
	return a->alloc == b->alloc && a->free == b->free;
}

/* The next that shares @source, from @allocator on, or NULL. */
static struct allocator *next_sharer(struct allocator *allocator,
				     const struct source *source)
{
	while (allocator && allocator->source != source)
		allocator = allocator->next;
	return allocator;
}

/* Where the one of @ops is, or the end of the line. */
static struct allocator **find_allocator(struct space *space,
					 const struct ioasid_allocator_ops *ops)
{
	struct allocator **link = &space->sources.line;

	while (*link && (*link)->ops != ops)
		link = &(*link)->next;
	return link;
}

/* Where the source is that is kept for @ops alone, or the end of the list. */
static struct source **find_kept(struct space *space,
				 const struct ioasid_allocator_ops *ops)
{
	struct source **link = &space->sources.kept;

	while (*link && (*link)->kept != ops)
		link = &(*link)->next;
	return link;
}

/* If nothing needs it any more. */
static void source_free(struct space *space, struct source *source)
{
	if (!source->allocators && !source->ids && !source->kept)
		ioasid_space_memory_free(space, source, sizeof(*source));
}

static void allocator_free(struct space *space, struct allocator *allocator)
{
	if (!allocator->source && !allocator->dumps)
		ioasid_space_memory_free(space, allocator, sizeof(*allocator));
}

void ioasid_allocator_unpin(struct space *space, struct allocator *allocator)
{
	allocator->dumps--;
	allocator_free(space, allocator);
}

/* Who takes the ID back: who gave it, if that is still there. */
static const struct ioasid_allocator_ops *taker(const struct space *space,
						const struct extra *extra)
{
	struct allocator *first =
		next_sharer(space->sources.line, extra->source);
	struct allocator *allocator = first;

	while (allocator && allocator->number != extra->giver)
		allocator = next_sharer(allocator->next, extra->source);
	if (allocator)
		return allocator->ops;
	return first ? first->ops : extra->source->kept;
}

void ioasid_source_adopt(struct space *space, struct extra *extra,
			 const struct allocator *allocator)
{
	extra->source = allocator->source;
	extra->giver = allocator->number;
	extra->source->ids++;
	space->sources.ids++;
}

void ioasid_source_leave(struct space *space, struct extra *extra)
{
	struct source *source = extra->source;

	extra->source = NULL;
	space->sources.ids--;
	source->ids--;
	source_free(space, source);
}

static void extras_reset(struct sources *sources)
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
		extras_reset(sources);
	return extra;
}

static void call_release(struct space *space, struct ioasid_allocator_ops *ops)
{
	struct ioasid_rcu_frame frame;

	call_begin(space, &frame);
	ops->release(ops);
	call_end(space, &frame);
}

struct extra *ioasid_source_hand_back(struct space *space)
{
	struct extra *extra = dequeue(&space->sources);

	if (!extra)
		return NULL;
	extra->called = true;
	call_free(space, taker(space, extra), extra->id);
	return extra;
}

void ioasid_source_handed_back(struct space *space, struct source *source)
{
	struct ioasid_allocator_ops *ops = source->kept;

	if (!ops || source->ids)
		return;
	*find_kept(space, ops) = source->next;
	source->kept = NULL;
	source_free(space, source);
	if (ops->release)
		call_release(space, ops);
}

/* Callbacks locked. An ID and who gave it. */
static int ask(struct space *space, ioasid_t min, ioasid_t max, ioasid_t *id,
	       struct allocator **giver)
{
	struct allocator *allocator = space->sources.line;
	const struct source *source = allocator->source;

	*id = INVALID_IOASID;
	while (allocator) {
		*id = call_alloc(space, allocator->ops, min, max);
		if (*id != INVALID_IOASID)
			break;
		allocator = next_sharer(allocator->next, source);
	}
	*giver = allocator;
	if (!allocator)
		return -ENOSPC;
	return *id < min || *id > max ? -ERANGE : 0;
}

/*
 * Is the ID in use here, or about to be handed back? Then the allocator gave it
 * twice, and taking it back would hand out a live ID.
 */
static bool in_use(struct space *space, ioasid_t id)
{
	return ioasid_extra(space, id) ||
	       ioasid_locked_state(space, id) &
		       (IOASID_STATE_LIVE | IOASID_STATE_REFS);
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
	struct allocator *giver;
	ioasid_t asked;
	struct extra *extra;
	int ret = ioasid_owner_check(space, set, &record);

	if (ret)
		return ret;
	/* What @set may have must not be given away meanwhile. */
	space->sources.asking = true;
	space->sources.asking_record = record;
	ioasid_charge(space, record);
	ret = ask(space, min, max, &asked, &giver);
	ioasid_uncharge(space, record);
	space->sources.asking = false;
	space->sources.asking_record = NULL;
	if (!ret)
		ret = take(space, set, asked, data, reserve, &extra);
	if (!ret) {
		ioasid_source_adopt(space, extra, giver);
		*id = asked;
	} else if (giver && !in_use(space, asked)) {
		call_free(space, giver->ops, asked);
	}
	return ret;
}

/* That of the allocators with the same functions, or a new one, or NULL. */
static struct source *find_source(struct space *space,
				  const struct ioasid_allocator_ops *ops)
{
	struct allocator *allocator = space->sources.line;
	struct source *source;

	while (allocator && !same_functions(allocator->ops, ops))
		allocator = allocator->next;
	if (allocator)
		return allocator->source;
	source = ioasid_space_memory(space, sizeof(*source));
	if (source)
		memset(source, 0, sizeof(*source));
	return source;
}

int ioasid_source_register(struct space *space,
			   struct ioasid_allocator_ops *ops)
{
	struct allocator **link = find_allocator(space, ops), *allocator;
	struct ioasid_stats *stats = &space->stats;
	struct source *source;

	if (*link || *find_kept(space, ops))
		return -EEXIST;
	if (!space->sources.line &&
	    stats->live + stats->pending + stats->unpublished >
		    space->sources.ids)
		return -EAGAIN;
	allocator = ioasid_space_memory(space, sizeof(*allocator));
	if (!allocator)
		return -ENOMEM;
	source = find_source(space, ops);
	if (!source) {
		ioasid_space_memory_free(space, allocator, sizeof(*allocator));
		return -ENOMEM;
	}
	source->allocators++;
	*allocator = (struct allocator){
		.ops = ops,
		.source = source,
		.number = ++space->sources.last,
	};
	*link = allocator;
	stats->allocators++;
	return 0;
}

/*
 * Takes the one at @link out of the line. The next that shares its source, which
 * may have to stand in for it, comes up to its place.
 */
static void leave_line(struct allocator **link)
{
	struct allocator *leaving = *link, *heir, **heirs;

	*link = leaving->next;
	for (heirs = link; *heirs; heirs = &(*heirs)->next)
		if ((*heirs)->source == leaving->source)
			break;
	heir = *heirs;
	if (!heir)
		return;
	*heirs = heir->next;
	heir->next = *link;
	*link = heir;
}

int ioasid_source_unregister(struct space *space,
			     struct ioasid_allocator_ops *ops,
			     enum ioasid_unregister mode)
{
	struct allocator **link = find_allocator(space, ops);
	struct allocator *allocator = *link;
	struct source *source;
	bool keep;

	if (!allocator)
		return -ENOENT;
	source = allocator->source;
	keep = source->allocators == 1 && source->ids;
	if (keep && mode == IOASID_UNREGISTER_IDLE)
		return -EBUSY;
	leave_line(link);
	space->stats.allocators--;
	source->allocators--;
	if (keep) {
		source->kept = ops;
		source->next = space->sources.kept;
		space->sources.kept = source;
	}
	source_free(space, source);
	allocator->source = NULL;
	allocator_free(space, allocator);
	return keep;
}

void ioasid_sources_init(struct space *space)
{
	extras_reset(&space->sources);
	ioasid_lock_init(&space->sources.lock);
}

void ioasid_sources_destroy(struct space *space)
{
	struct allocator *allocator;
	struct source *source;
	struct extra *extra;
	struct walk walk;
	size_t count;

	/* Again, if a callback has named an ID that was passed. */
	while (space->sources.ids) {
		ioasid_walk_begin(space, &walk, space->min, space->max);
		while ((count = ioasid_walk_next(space, &walk)))
			for (size_t i = 0; i < count; i++) {
				extra = ioasid_extra(space, walk.ids[i]);
				if (!extra || !extra->source)
					continue;
				/* In a child of fork, before it already. */
				if (!extra->called) {
					call_free(space, taker(space, extra),
						  extra->id);
					/* This walk meets what that freed. */
					extras_reset(&space->sources);
				}
				ioasid_source_leave(space, extra);
			}
	}
	while ((allocator = space->sources.line)) {
		space->sources.line = allocator->next;
		allocator->source->allocators--;
		source_free(space, allocator->source);
		allocator->source = NULL;
		allocator_free(space, allocator);
	}
	while ((source = space->sources.kept)) {
		space->sources.kept = source->next;
		source->kept = NULL;
		source_free(space, source);
	}
}

/* The callback of another thread is over here, and what it asked for not given. */
void ioasid_sources_fork_child(struct space *space)
{
	if (ioasid_source_calling(space))
		return;
	ioasid_lock_init(&space->sources.lock);
	ioasid_store_relaxed(&space->sources.thread, NULL);
	if (space->sources.asking)
		ioasid_uncharge(space, space->sources.asking_record);
	space->sources.asking = false;
	space->sources.asking_record = NULL;
}
#endif /* IOASID_NO_ALLOCATORS */
