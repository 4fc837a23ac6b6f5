/* SPDX-License-Identifier: MIT */
#ifndef IOASID_STORE_GENERATION_H
#define IOASID_STORE_GENERATION_H

#include <ioasid/slot.h>

/* Generations start here; near their turn in small-number builds. */
#ifndef IOASID_GENERATION_START
#define IOASID_GENERATION_START 0
#endif

/* How far a generation is on the circle from where slots start. */
static inline uint32_t ioasid_generation_distance(uint32_t generation)
{
	return (generation - IOASID_GENERATION_START) & IOASID_GENERATION_MASK;
}

static inline uint32_t ioasid_generation_further(uint32_t a, uint32_t b)
{
	return ioasid_generation_distance(a) > ioasid_generation_distance(b) ?
		       a :
		       b;
}

/*
 * A store may forget the slot of a vacant ID, and then has to start all new
 * slots as far as the furthest it forgot, lest the ID's handles come again. So
 * it may not forget slots that have come further than most of half the circle,
 * which are worn: where slots start is then always ahead of what was forgotten
 * by less than half, never passes a turn, for which readers are waited for, and
 * does not come near it either. Worn slots are as new once they have come
 * round, so of every circle the greater part is walked use by use.
 */
#define IOASID_GENERATION_WORN (IOASID_GENERATION_HALF / 8 * 7)

static inline bool ioasid_slot_worn(const struct ioasid_slot *slot)
{
	uint32_t generation =
		ioasid_state_generation(ioasid_load_relaxed(&slot->state));

	/* 0: never used. */
	return generation &&
	       ioasid_generation_distance(generation) >= IOASID_GENERATION_WORN;
}

/* @start: the generation at which slots made from now on start. */
static inline void ioasid_slot_forget(const struct ioasid_slot *slot,
				      uint32_t *start)
{
	uint32_t generation =
		ioasid_state_generation(ioasid_load_relaxed(&slot->state));

	if (generation)
		*start = ioasid_generation_further(generation, *start);
}

static inline void ioasid_slot_init(struct ioasid_slot *slot,
				    uint32_t generation)
{
	ioasid_store_relaxed(&slot->private_data, NULL);
	ioasid_store_relaxed(&slot->state,
			     ioasid_state_make(generation, 0, 0, false));
}

#endif /* IOASID_STORE_GENERATION_H */
