/* SPDX-License-Identifier: MIT */
#ifndef IOASID_SPACE_LIFE_H
#define IOASID_SPACE_LIFE_H

#include "base.h"
#include "event.h"

/* One call that updates a space: what it has to see to before it returns. */
struct update {
	/* events to tell */
	struct delivery own;
	/* callbacks that are to wait for readers from the end on */
	struct ioasid_rcu_head *deferred;
	/* an ID waits to be handed back to its allocator */
	bool hands_back;
};

/* Without lock, which is held between the two. */
void ioasid_update_begin(struct space *space, struct update *update);
void ioasid_update_end(struct space *space, struct update *update);

/* With callbacks and space locked: hands back all that waits for it. */
void ioasid_hand_back(struct space *space);

/*
 * Without lock. As ioasid_space_free() of an ID of that set and generation, or
 * any; @data receives the private pointer, @deferred is called once readers
 * have left; each may be NULL.
 */
int ioasid_end_life(struct space *space, ioasid_t id, uint32_t set,
		    uint32_t generation, void **data,
		    struct ioasid_rcu_head *deferred);

/* Without lock. Frees the IDs of a set, or of any, and counts them. */
uint32_t ioasid_end_all(struct space *space, uint32_t set);

#endif /* IOASID_SPACE_LIFE_H */
