/* SPDX-License-Identifier: MIT */
#ifndef IOASID_SPACE_LIFE_H
#define IOASID_SPACE_LIFE_H

#include "base.h"
#include "event.h"

IOASID_BEGIN_INTERNAL

/* One call that updates a space: what it has to see to before it returns. */
struct update {
	/* events to tell */
	struct delivery own;
	/* callbacks that are to wait for readers from the end on */
	struct ioasid_rcu_head *deferred;
	/* an ID waits to be handed back to its allocator */
	bool hands_back;
};

/* Unlocks, and does what is left to do. */
void ioasid_update_settle(struct space *space, struct update *update);

/* Without lock, which is held between the two. */
static inline void ioasid_update_begin(struct space *space,
				       struct update *update)
{
	ioasid_delivery_init(&update->own);
	update->deferred = NULL;
	update->hands_back = false;
	ioasid_space_lock(space);
}

static inline void ioasid_update_end(struct space *space, struct update *update)
{
	if (ioasid_unlikely(ioasid_delivery_due(&update->own) ||
			    update->deferred || update->hands_back))
		ioasid_update_settle(space, update);
	else
		ioasid_space_unlock(space);
	ioasid_rcu_reclaim(space->space.rcu);
}

/* With callbacks and space locked: hands back all that waits for it. */
void ioasid_hand_back(struct space *space);

/* Without lock. Frees the IDs of a set, or of any, and counts them. */
uint32_t ioasid_end_all(struct space *space, uint32_t set);

IOASID_END_INTERNAL

#endif /* IOASID_SPACE_LIFE_H */
