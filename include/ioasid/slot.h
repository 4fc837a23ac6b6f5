/* SPDX-License-Identifier: MIT */
#ifndef IOASID_SLOT_H
#define IOASID_SLOT_H

/*
 * The cell of one ID: a private pointer and one word that says who owns it,
 * which use of the ID this is, how many hold it and whether it can be found.
 * Publishing and vacating need the space's lock; reading, get and put need
 * none. test/relacy explores every interleaving of these functions.
 */

#include <ioasid/platform.h>

IOASID_BEGIN_DECLS

#if IOASID_STATE_BITS == 64
#define IOASID_GENERATION_BITS 32
#define IOASID_SET_BITS 16
#define IOASID_REFS_BITS 15
typedef uint64_t ioasid_state_t;
typedef ioasid_atomic_u64 ioasid_atomic_state;
#else
#define IOASID_GENERATION_BITS 12
#define IOASID_SET_BITS 8
#define IOASID_REFS_BITS 11
typedef uint32_t ioasid_state_t;
typedef ioasid_atomic_u32 ioasid_atomic_state;
#endif

#define IOASID_REFS_SHIFT 1
#define IOASID_SET_SHIFT (IOASID_REFS_SHIFT + IOASID_REFS_BITS)
#define IOASID_GENERATION_SHIFT (IOASID_SET_SHIFT + IOASID_SET_BITS)

#define IOASID_STATE_ONE IOASID_CAST(ioasid_state_t, 1)
#define IOASID_STATE_LIVE IOASID_STATE_ONE
#define IOASID_STATE_REF (IOASID_STATE_ONE << IOASID_REFS_SHIFT)
#define IOASID_STATE_REFS \
	(((IOASID_STATE_ONE << IOASID_REFS_BITS) - 1) << IOASID_REFS_SHIFT)
#define IOASID_GENERATION_MASK (UINT32_MAX >> (32 - IOASID_GENERATION_BITS))
#define IOASID_STATE_GENERATION \
	(IOASID_STATE_ONE * IOASID_GENERATION_MASK << IOASID_GENERATION_SHIFT)

/** IOASID_REFS_MAX - most references to one ID */
#define IOASID_REFS_MAX ((1u << IOASID_REFS_BITS) - 3)
/*
 * Not live, with a number of references that no slot reaches: reserved, which
 * is not yet published; moved to the next table of its store.
 */
#define IOASID_STATE_RESERVED \
	(IOASID_STATE_ONE * (IOASID_REFS_MAX + 1) << IOASID_REFS_SHIFT)
#define IOASID_STATE_MOVED IOASID_STATE_REFS
/** IOASID_SETS_MAX - most sets of one space */
#define IOASID_SETS_MAX ((1u << IOASID_SET_BITS) - 1)
/* Half of the generations: crossing it costs an ID one grace period. */
#define IOASID_GENERATION_HALF (UINT32_C(1) << (IOASID_GENERATION_BITS - 1))

/* Set arguments of ioasid_slot_read() that are not the index of a set. */
#define IOASID_SET_ANY 0u
#define IOASID_SET_FOREIGN UINT32_MAX
/* No use of a slot has this generation. */
#define IOASID_GENERATION_ANY 0u

struct ioasid_slot {
	ioasid_atomic_ptr private_data;
	ioasid_atomic_state state;
};

IOASID_C99_INLINE ioasid_state_t ioasid_state_make(uint32_t generation,
						   uint32_t set, uint32_t refs,
						   bool live)
{
	return IOASID_STATE_ONE * generation << IOASID_GENERATION_SHIFT |
	       IOASID_STATE_ONE * set << IOASID_SET_SHIFT |
	       IOASID_STATE_ONE * refs << IOASID_REFS_SHIFT | live;
}

IOASID_C99_INLINE uint32_t ioasid_state_generation(ioasid_state_t state)
{
	uint64_t wide = state;

	return IOASID_CAST(uint32_t, wide >> IOASID_GENERATION_SHIFT);
}

IOASID_INLINE uint32_t ioasid_state_set(ioasid_state_t state)
{
	return state >> IOASID_SET_SHIFT & IOASID_SETS_MAX;
}

IOASID_C99_INLINE uint32_t ioasid_state_refs(ioasid_state_t state)
{
	return state >> IOASID_REFS_SHIFT & ((1u << IOASID_REFS_BITS) - 1);
}

/* Only the hash store moves slots. */
IOASID_INLINE bool ioasid_state_moved(ioasid_state_t state)
{
#ifdef IOASID_NO_HASH
	(void)state;
	return false;
#endif
	return (state & (IOASID_STATE_REFS | IOASID_STATE_LIVE)) ==
	       IOASID_STATE_MOVED;
}

IOASID_C99_INLINE bool ioasid_state_reserved(ioasid_state_t state)
{
	return (state & (IOASID_STATE_REFS | IOASID_STATE_LIVE)) ==
	       IOASID_STATE_RESERVED;
}

/* Is there nothing that get, put or free could act on, for now or at all? */
IOASID_C99_INLINE bool ioasid_state_unused(ioasid_state_t state)
{
	return !(state & (IOASID_STATE_LIVE | IOASID_STATE_REFS)) ||
	       ioasid_state_reserved(state);
}

IOASID_C99_INLINE uint32_t ioasid_generation_next(uint32_t generation)
{
	uint32_t next = (generation + 1) & IOASID_GENERATION_MASK;

	return next ? next : 1;
}

/*
 * True if the next use of a slot would begin a half turn of its generation:
 * such a slot stays out of use for one grace period, so that no reader can
 * meet a state twice.
 */
IOASID_C99_INLINE bool ioasid_generation_turns(uint32_t generation)
{
	return ((generation ^ ioasid_generation_next(generation)) &
		IOASID_GENERATION_HALF) != 0;
}

/**
 * ioasid_slot_read - the private pointer of a live slot
 * @slot:       slot, kept from being freed by a read section or the space's
 *              lock
 * @set:        index of the set asked for, IOASID_SET_ANY or
 *              IOASID_SET_FOREIGN
 * @generation: of the use asked for, or IOASID_GENERATION_ANY
 * @data:       receives the pointer
 *
 * A slot that changed hands between the two loads of its state was vacant in
 * between: "not found" was true then, so there is nothing to try again. The
 * acquire load of the pointer pairs with its release store in publish: who
 * reads the next owner's pointer sees the state already vacated.
 *
 * Context: wait-free; no atomic read-modify-write, no store to shared memory.
 * Return: 0; -ENOENT not live; -ESTALE used again since @generation; -EACCES
 * owned by another set; -EAGAIN the slot has moved to the next table of its
 * store. @data is written only for 0.
 * Complexity: constant.
 */
IOASID_INLINE int ioasid_slot_read(const struct ioasid_slot *slot, uint32_t set,
				   uint32_t generation, void **data)
{
	ioasid_state_t state, again;
	void *private_data;

	state = ioasid_load_acquire(&slot->state);
	if (generation != IOASID_GENERATION_ANY &&
	    ioasid_unlikely(ioasid_state_generation(state) != generation))
		return ioasid_state_moved(state) ? -EAGAIN : -ESTALE;
	if (ioasid_unlikely(!(state & IOASID_STATE_LIVE)))
		return ioasid_state_moved(state) ? -EAGAIN : -ENOENT;
	if (set != IOASID_SET_ANY && ioasid_state_set(state) != set)
		return -EACCES;
	private_data = ioasid_load_acquire(&slot->private_data);
	again = ioasid_load_relaxed(&slot->state);
	if (ioasid_unlikely((state ^ again) & ~IOASID_STATE_REFS))
		return ioasid_state_moved(again) ? -EAGAIN : -ENOENT;
	*data = private_data;
	return 0;
}

/**
 * ioasid_slot_publish - begin the next use of a vacant slot
 * @slot: vacant slot
 * @data: private pointer
 * @set:  index of its owner, 0 for none
 *
 * Context: space locked. Wait-free.
 * Complexity: constant.
 */
IOASID_C99_INLINE void ioasid_slot_publish(struct ioasid_slot *slot, void *data,
					   uint32_t set)
{
	ioasid_state_t state = ioasid_load_relaxed(&slot->state);
	uint32_t generation =
		ioasid_generation_next(ioasid_state_generation(state));

	ioasid_store_release(&slot->private_data, data);
	ioasid_store_release(&slot->state,
			     ioasid_state_make(generation, set, 1, true));
}

/**
 * ioasid_slot_reserve - begin the next use of a vacant slot, unpublished
 * @slot: vacant slot
 * @set:  index of its owner, 0 for none
 *
 * Context: space locked. Wait-free.
 * Complexity: constant.
 */
IOASID_C99_INLINE void ioasid_slot_reserve(struct ioasid_slot *slot,
					   uint32_t set)
{
	ioasid_state_t state = ioasid_load_relaxed(&slot->state);
	uint32_t generation =
		ioasid_generation_next(ioasid_state_generation(state));

	ioasid_store_release(&slot->state,
			     ioasid_state_make(generation, set,
					       IOASID_REFS_MAX + 1, false));
}

/**
 * ioasid_slot_publish_reserved - let a reserved slot be found
 * @slot: reserved slot
 * @data: private pointer
 *
 * Context: space locked. Wait-free.
 * Complexity: constant.
 */
IOASID_C99_INLINE void ioasid_slot_publish_reserved(struct ioasid_slot *slot,
						    void *data)
{
	ioasid_state_t state = ioasid_load_relaxed(&slot->state);

	ioasid_store_release(&slot->private_data, data);
	ioasid_store_release(&slot->state,
			     ioasid_state_make(ioasid_state_generation(state),
					       ioasid_state_set(state), 1,
					       true));
}

/**
 * ioasid_slot_free - end the life of a slot: drop the owner's reference
 * @slot:  slot
 * @close: leave a slot without references live, for the caller to vacate:
 *         it is found until then, but nobody can take a reference
 *
 * Context: space locked. Lock-free against get and put.
 * Return: the number of references that remain, 0 if the slot is now vacant,
 * or closed; -ENOENT vacant or reserved before; -EBUSY freed before, references
 * remain or it is closed.
 * Complexity: constant.
 */
IOASID_C99_INLINE int ioasid_slot_free(struct ioasid_slot *slot, bool close)
{
	ioasid_state_t state = ioasid_load_relaxed(&slot->state);
	ioasid_state_t next;

	do {
		if (ioasid_unlikely(!(state & IOASID_STATE_LIVE) ||
				    !(state & IOASID_STATE_REFS)))
			return ioasid_state_unused(state) ? -ENOENT : -EBUSY;
		next = state - IOASID_STATE_REF;
		if (next & IOASID_STATE_REFS)
			next &= ~IOASID_STATE_LIVE;
		else if (!close)
			next &= IOASID_STATE_GENERATION;
	} while (!ioasid_cas_acq_rel(&slot->state, &state, next));
	return IOASID_CAST(int, ioasid_state_refs(next));
}

/**
 * ioasid_slot_hide - end the life of a slot, but keep the owner's reference
 * @slot: slot
 *
 * Context: space locked. Lock-free against get and put.
 * Return: 0, the reference is the caller's to put; -ENOENT, -EBUSY as for
 * free.
 * Complexity: constant.
 */
IOASID_C99_INLINE int ioasid_slot_hide(struct ioasid_slot *slot)
{
	ioasid_state_t state = ioasid_load_relaxed(&slot->state);

	do {
		if (ioasid_unlikely(!(state & IOASID_STATE_LIVE) ||
				    !(state & IOASID_STATE_REFS)))
			return ioasid_state_unused(state) ? -ENOENT : -EBUSY;
	} while (!ioasid_cas_acq_rel(&slot->state, &state,
				     state & ~IOASID_STATE_LIVE));
	return 0;
}

/**
 * ioasid_slot_vacate - make a slot vacant that is closed, or only held
 * @slot: slot; its generation stays
 *
 * Context: space locked. Wait-free.
 * Complexity: constant.
 */
IOASID_C99_INLINE void ioasid_slot_vacate(struct ioasid_slot *slot)
{
	ioasid_store_release(&slot->state, ioasid_load_relaxed(&slot->state) &
						   IOASID_STATE_GENERATION);
}

/**
 * ioasid_slot_hold - make a slot pending that is closed or just lost its last
 * reference
 * @slot: slot; its ID is still occupied
 * @set:  index of its owner
 *
 * Context: space locked. Wait-free.
 * Complexity: constant.
 */
IOASID_C99_INLINE void ioasid_slot_hold(struct ioasid_slot *slot, uint32_t set)
{
	uint32_t generation =
		ioasid_state_generation(ioasid_load_relaxed(&slot->state));

	ioasid_store_release(&slot->state,
			     ioasid_state_make(generation, set, 1, false));
}

/**
 * ioasid_slot_get - take a reference to a live slot
 * @slot:       slot, kept from being freed by a read section or the space's
 *              lock
 * @set:        as for ioasid_slot_read()
 * @generation: as for ioasid_slot_read()
 *
 * Context: lock-free.
 * Return: 0; -ENOENT vacant or reserved; -ESTALE as for read; -EBUSY freed,
 * references remain, or closed; -EACCES owned by another set; -EOVERFLOW no room
 * for one more; -EAGAIN as for read.
 * Complexity: constant.
 */
IOASID_C99_INLINE int ioasid_slot_get(struct ioasid_slot *slot, uint32_t set,
				      uint32_t generation)
{
	ioasid_state_t state = ioasid_load_acquire(&slot->state);

	do {
		if (ioasid_state_moved(state))
			return -EAGAIN;
		if (generation != IOASID_GENERATION_ANY &&
		    ioasid_state_generation(state) != generation)
			return -ESTALE;
		if (!(state & IOASID_STATE_LIVE))
			return ioasid_state_unused(state) ? -ENOENT : -EBUSY;
		if (set != IOASID_SET_ANY && ioasid_state_set(state) != set)
			return -EACCES;
		if (!ioasid_state_refs(state))
			return -EBUSY;
		if (ioasid_state_refs(state) == IOASID_REFS_MAX)
			return -EOVERFLOW;
	} while (!ioasid_cas_acq_rel(&slot->state, &state,
				     state + IOASID_STATE_REF));
	return 0;
}

/**
 * ioasid_slot_put - drop a reference
 * @slot:   slot the caller holds a reference to
 * @before: receives the state until now
 *
 * The last reference to a live slot leaves it closed, for the caller to
 * vacate; see ioasid_slot_free().
 *
 * Context: lock-free.
 * Return: the number of references that remain, 0 if the slot is now vacant,
 * or closed; -ENOENT no reference to drop; -EAGAIN as for read.
 * Complexity: constant.
 */
IOASID_C99_INLINE int ioasid_slot_put(struct ioasid_slot *slot,
				      ioasid_state_t *before)
{
	ioasid_state_t state = ioasid_load_acquire(&slot->state);
	ioasid_state_t next;

	do {
		if (ioasid_state_moved(state))
			return -EAGAIN;
		if (!(state & IOASID_STATE_REFS) ||
		    ioasid_state_reserved(state))
			return -ENOENT;
		next = state - IOASID_STATE_REF;
		if (!(next & (IOASID_STATE_REFS | IOASID_STATE_LIVE)))
			next &= IOASID_STATE_GENERATION;
	} while (!ioasid_cas_acq_rel(&slot->state, &state, next));
	*before = state;
	return IOASID_CAST(int, ioasid_state_refs(next));
}

/**
 * ioasid_slot_move - carry a slot over into the next table of its store
 * @from: slot
 * @to:   its place in the next table, not reachable by readers but through
 *        @from
 *
 * Copy, then exchange the state for MOVED; references taken or dropped in
 * between make it copy again.
 *
 * Context: space locked. Lock-free against get and put.
 * Complexity: constant.
 */
IOASID_C99_INLINE void ioasid_slot_move(struct ioasid_slot *from,
					struct ioasid_slot *to)
{
	ioasid_state_t state = ioasid_load_acquire(&from->state);

	ioasid_store_relaxed(&to->private_data,
			     ioasid_load_relaxed(&from->private_data));
	do {
		ioasid_store_relaxed(&to->state, state);
	} while (!ioasid_cas_acq_rel(&from->state, &state, IOASID_STATE_MOVED));
}

IOASID_END_DECLS

#endif /* IOASID_SLOT_H */
