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

/* Generations are a circle: is @a less than half of it ahead of @b? */
static inline bool ioasid_generation_after(uint32_t a, uint32_t b)
{
	uint32_t ahead = (a - b) & IOASID_GENERATION_MASK;

	return ahead && ahead < IOASID_GENERATION_HALF;
}

/* Within an eighth of a half turn. */
static inline bool ioasid_generation_near_turn(uint32_t generation)
{
	return (generation & (IOASID_GENERATION_HALF - 1)) >=
	       IOASID_GENERATION_HALF / 8 * 7;
}

/*
 * Where the generations of slots made from now on start. A store that gives
 * slots back keeps the furthest it forgot in @floor, so that a new slot for the
 * same ID goes on from there; it never goes back. Near the turn it passes it,
 * lest every new slot be about to turn: the memory was given back by a grace
 * period.
 */
static inline void ioasid_generation_forget(uint32_t *floor,
					    const struct ioasid_slot *slot)
{
	uint32_t generation =
		ioasid_state_generation(ioasid_load_relaxed(&slot->state));

	if (ioasid_generation_near_turn(generation))
		generation = ((generation | (IOASID_GENERATION_HALF - 1)) + 1) &
			     IOASID_GENERATION_MASK;
	if (ioasid_generation_after(generation, *floor))
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
