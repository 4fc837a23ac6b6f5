/* SPDX-License-Identifier: MIT */
#ifndef IOASID_SPACE_SOURCE_H
#define IOASID_SPACE_SOURCE_H

#include <ioasid/allocator.h>

#include "base.h"
#include "extra.h"

/*
 * Allocators: where IDs come from and go back to. One callback runs at a time,
 * under a lock of its own, which is taken before the space's.
 */

/* An allocator; stands for it after it was unregistered with IDs in use. */
struct source {
	struct ioasid_allocator_ops *ops;
	struct source *next;
	/* unregistered: who takes the IDs over, or NULL: it does itself */
	struct source *heir;
	bool registered;
	/* extras and sources that point here; dumps that are at it */
	uint32_t users, dumps;
};

static inline bool ioasid_source_calling(const struct space *space)
{
	const void *thread = ioasid_load_relaxed(&space->sources.thread);

	return ioasid_unlikely(thread != NULL) &&
	       thread == ioasid_space_thread();
}

/* Without the space's lock, which comes after this one. */
void ioasid_callbacks_lock(struct space *space);
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
 * The ID is then to be vacated, and after that the allocator to be told of.
 */
struct extra *ioasid_source_hand_back(struct space *space,
				      struct source **source);
void ioasid_source_handed_back(struct space *space, struct source *source);

/* For a restored ID, and back. */
void ioasid_source_adopt(struct space *space, struct extra *extra);
void ioasid_source_leave(struct space *space, struct extra *extra);

/* A dump is at @source, so that it is there to go on from. */
static inline void ioasid_source_pin(struct source *source)
{
	source->dumps++;
}

void ioasid_source_unpin(struct space *space, struct source *source);

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

#endif /* IOASID_SPACE_SOURCE_H */
