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
/* With callbacks locked. All IDs are about to go: hands back those of allocators. */
void ioasid_sources_destroy(struct space *space);
void ioasid_sources_fork_child(struct space *space);

IOASID_END_INTERNAL

#endif /* IOASID_SPACE_SOURCE_H */
