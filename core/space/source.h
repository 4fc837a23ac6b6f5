/* SPDX-License-Identifier: MIT */
#ifndef IOASID_SPACE_SOURCE_H
#define IOASID_SPACE_SOURCE_H

#include <ioasid/allocator.h>

#include "base.h"
#include "extra.h"

IOASID_BEGIN_INTERNAL

/*
 * Allocators: where IDs come from and go back to. One callback runs at a time,
 * under a lock of its own, which is taken before the space's.
 */

/*
 * What allocators with the same functions hand out from; IDs point here, so
 * that one that leaves takes no walk over them.
 */
struct source {
	uint32_t allocators, ids;
	/* the last of them, unregistered with IDs in use */
	struct ioasid_allocator_ops *kept;
	struct source *next;
};

struct allocator {
	struct ioasid_allocator_ops *ops;
	/* NULL: unregistered */
	struct source *source;
	struct allocator *next;
	uint64_t number;
	/* dumps that are at it */
	uint32_t dumps;
};

#ifdef IOASID_NO_ALLOCATORS
static inline struct allocator *ioasid_source_line(const struct space *space)
{
	(void)space;
	return NULL;
}

static inline bool ioasid_source_queued(const struct space *space)
{
	(void)space;
	return false;
}

static inline bool ioasid_source_gave(const struct space *space)
{
	(void)space;
	return false;
}

static inline bool ioasid_source_calling(const struct space *space)
{
	(void)space;
	return false;
}

static inline bool ioasid_callbacks_lock(struct space *space)
{
	(void)space;
	return true;
}

static inline void ioasid_callbacks_unlock(struct space *space)
{
	(void)space;
}

static inline int ioasid_source_alloc(struct space *space,
				      struct ioasid_set *set, ioasid_t min,
				      ioasid_t max, void *data, bool reserve,
				      ioasid_t *id)
{
	(void)space;
	(void)set;
	(void)min;
	(void)max;
	(void)data;
	(void)reserve;
	*id = INVALID_IOASID;
	return -ENOSPC;
}

static inline void ioasid_source_queue(struct space *space, struct extra *extra)
{
	(void)space;
	(void)extra;
}

static inline struct extra *ioasid_source_hand_back(struct space *space)
{
	(void)space;
	return NULL;
}

static inline void ioasid_source_handed_back(struct space *space,
					     struct source *source)
{
	(void)space;
	(void)source;
}

static inline void ioasid_source_adopt(struct space *space, struct extra *extra,
				       const struct allocator *allocator)
{
	(void)space;
	(void)extra;
	(void)allocator;
}

static inline void ioasid_source_leave(struct space *space, struct extra *extra)
{
	(void)space;
	(void)extra;
}

static inline void ioasid_allocator_pin(struct allocator *allocator)
{
	(void)allocator;
}

static inline void ioasid_allocator_unpin(struct space *space,
					  struct allocator *allocator)
{
	(void)space;
	(void)allocator;
}

static inline void ioasid_sources_init(struct space *space)
{
	(void)space;
}

static inline void ioasid_sources_done(struct space *space)
{
	(void)space;
}

static inline void ioasid_sources_destroy(struct space *space)
{
	(void)space;
}

static inline void ioasid_sources_fork_child(struct space *space)
{
	(void)space;
}
#else
/* The first in the line: an alloc asks there, if there is one. */
static inline struct allocator *ioasid_source_line(const struct space *space)
{
	return space->sources.line;
}

/* Is an ID to be handed back? Did one come from an allocator? */
static inline bool ioasid_source_queued(const struct space *space)
{
	return space->sources.queue;
}

static inline bool ioasid_source_gave(const struct space *space)
{
	return space->sources.ids;
}

static inline bool ioasid_source_calling(const struct space *space)
{
	const void *self = ioasid_load_relaxed(&space->sources.thread);

	return ioasid_unlikely(self != NULL) && self == ioasid_space_thread();
}

/*
 * Without the space's lock, which comes after this one. False: a handler of
 * fork() calls, while another thread has the lock, which may wait for fork.
 */
bool ioasid_callbacks_lock(struct space *space);
void ioasid_callbacks_unlock(struct space *space);

/*
 * With callbacks locked: the active allocator gives an ID to @set, which is
 * claimed and in use from then on; as ioasid_space_alloc().
 */
int ioasid_source_alloc(struct space *space, struct ioasid_set *set,
			ioasid_t min, ioasid_t max, void *data, bool reserve,
			ioasid_t *id);
/* The ID is closed, or pending with one reference: for when it is unlocked. */
void ioasid_source_queue(struct space *space, struct extra *extra);
/*
 * With callbacks locked: hands back the next in the queue, NULL if it is empty.
 * The ID is then to be vacated, and after that an allocator released whose last
 * it was.
 */
struct extra *ioasid_source_hand_back(struct space *space);
void ioasid_source_handed_back(struct space *space, struct source *source);

/* @allocator gave the ID; and back. */
void ioasid_source_adopt(struct space *space, struct extra *extra,
			 const struct allocator *allocator);
void ioasid_source_leave(struct space *space, struct extra *extra);

/* A dump is at @allocator, so that it is there to go on from. */
static inline void ioasid_allocator_pin(struct allocator *allocator)
{
	allocator->dumps++;
}

void ioasid_allocator_unpin(struct space *space, struct allocator *allocator);

/* As the public functions; to unregister, callbacks are locked. */
int ioasid_source_register(struct space *space,
			   struct ioasid_allocator_ops *ops);
int ioasid_source_unregister(struct space *space,
			     struct ioasid_allocator_ops *ops,
			     enum ioasid_unregister mode);
void ioasid_sources_init(struct space *space);

/* Undoes that. */
static inline void ioasid_sources_done(struct space *space)
{
	ioasid_lock_destroy(&space->sources.lock);
}

/* With callbacks locked. All IDs are about to go: hands back those of allocators. */
void ioasid_sources_destroy(struct space *space);
void ioasid_sources_fork_child(struct space *space);
#endif /* IOASID_NO_ALLOCATORS */

IOASID_END_INTERNAL

#endif /* IOASID_SPACE_SOURCE_H */
