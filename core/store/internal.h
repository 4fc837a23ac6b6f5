/* SPDX-License-Identifier: MIT */
#ifndef IOASID_STORE_INTERNAL_H
#define IOASID_STORE_INTERNAL_H

#include <ioasid/store.h>

#include "../platform/internal.h"
#include "../rcu/internal.h"

/* Generations start here; near their turn in small-number builds. */
#ifndef IOASID_GENERATION_START
#define IOASID_GENERATION_START 0
#endif

extern const struct ioasid_store_ops ioasid_bitmap_ops;
extern const struct ioasid_store_ops ioasid_radix_ops;
extern const struct ioasid_store_ops ioasid_hash_ops;

/* Above, generations are near enough to their turn to start over. */
#define IOASID_GENERATION_KEEP (IOASID_GENERATION_HALF / 8 * 7)

/*
 * Where the generations of slots made from now on start. A store that gives
 * slots back keeps the highest it forgot in @floor, so that a new slot for the
 * same ID goes on above. Near the half it starts over, lest every new slot be
 * about to turn.
 */
static inline void ioasid_generation_forget(uint32_t *floor,
					    const struct ioasid_slot *slot)
{
	uint32_t generation =
		ioasid_state_generation(ioasid_load_relaxed(&slot->state));

	if (generation >= IOASID_GENERATION_KEEP)
		*floor = 0;
	else if (generation > *floor)
		*floor = generation;
}

static inline void ioasid_slot_init(struct ioasid_slot *slot,
				    uint32_t generation)
{
	ioasid_store_relaxed(&slot->private_data, NULL);
	ioasid_store_relaxed(&slot->state,
			     ioasid_state_make(generation, 0, 0, false));
}

#endif /* IOASID_STORE_INTERNAL_H */
