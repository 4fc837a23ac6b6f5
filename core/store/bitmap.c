/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "bitmap.h"

#ifndef IOASID_NO_BITMAP
#include "../platform/memory.h"
#include "../platform/util.h"
#include "generation.h"

/*
 * Slots in one flat array. Occupancy is two trees of 64-ary words over the same
 * level 0, where a bit says that its ID is occupied: a bit above says in one
 * tree that its word below is full, in the other that it is not empty.
 */

/* 64^5 exceeds IOASID_BITMAP_IDS_MAX */
#define LEVELS 5
/* IDs whose slots are given back together: a page of them, as a rule. */
#define CHUNK 256
#define CHUNK_WORDS (CHUNK / 64)

struct bitmap {
	struct ioasid_memory memory;
	unsigned int levels;
	uint32_t words[LEVELS];
	uint64_t *full[LEVELS], *some[LEVELS];
	struct ioasid_slot *slots;
	size_t slots_size, words_size;
	/* one bit a chunk whose slots were used since they were last zero */
	uint64_t *touched;
	/* where slots that are zero start */
	uint32_t generation;
};

static void bitmap_destroy(struct ioasid_store *store)
{
	struct bitmap *bitmap = store->impl;
	struct ioasid_memory memory = bitmap->memory;

	if (bitmap->full[0])
		ioasid_memory_zeroed_free(&memory, bitmap->full[0],
					  bitmap->words_size);
	if (bitmap->slots)
		ioasid_memory_zeroed_free(&memory, bitmap->slots,
					  bitmap->slots_size);
	ioasid_memory_zeroed_free(&memory, bitmap, sizeof(*bitmap));
}

/*
 * Flips the bit of a word of level 0, and those further up that this changes;
 * a bit says whether the word below is @edge: 0 for some, all ones for full.
 */
static void flip_above(const struct bitmap *bitmap, uint64_t *const *level,
		       uint32_t bit, uint64_t edge)
{
	uint64_t *word, before;

	for (unsigned int i = 1; i < bitmap->levels; i++) {
		IOASID_STEP();
		word = &level[i][bit / 64];
		before = *word;
		*word ^= UINT64_C(1) << bit % 64;
		if (before != edge && *word != edge)
			break;
		bit /= 64;
	}
}

/*
 * Bits past the end count as full, so that no search for vacant IDs ends there;
 * one for occupied IDs that does finds nothing before the end.
 */
static void close_tail(struct bitmap *bitmap, uint32_t count)
{
	if (count % 64)
		flip_above(bitmap, bitmap->some, count / 64, 0);
	for (unsigned int i = 0; i < bitmap->levels; i++) {
		if (count % 64)
			bitmap->full[i][count / 64] |= ~UINT64_C(0)
						       << count % 64;
		count = bitmap->words[i];
	}
}

static int bitmap_create(struct ioasid_store *store,
			 const struct ioasid_store_config *config)
{
	uint64_t count = (uint64_t)config->max - config->min + 1;
	struct ioasid_slot *slots;
	struct bitmap *bitmap;
	size_t words = 0;
	uint64_t *level;

	if (count > IOASID_BITMAP_IDS_MAX)
		return -E2BIG;
	bitmap = ioasid_memory_zeroed(&config->memory, sizeof(*bitmap));
	if (!bitmap)
		return -ENOMEM;
	bitmap->memory = config->memory;
	bitmap->generation = IOASID_GENERATION_START;
	store->impl = bitmap;
	store->first = config->min;
	store->count = (uint32_t)count;
	do {
		count = (count + 63) / 64;
		bitmap->words[bitmap->levels++] = (uint32_t)count;
		/* Of level 0 there is one. */
		words += (size_t)count * (bitmap->levels > 1 ? 2 : 1);
	} while (count > 1);
	words += store->count / CHUNK / 64 + 1;
	bitmap->words_size = words * sizeof(uint64_t);
	bitmap->slots_size = store->count * sizeof(struct ioasid_slot);
	level = ioasid_memory_zeroed(&config->memory, bitmap->words_size);
	bitmap->full[0] = level;
	slots = level ? ioasid_memory_zeroed(&config->memory,
					     bitmap->slots_size) :
			NULL;
	bitmap->slots = slots;
	if (!slots) {
		bitmap_destroy(store);
		return -ENOMEM;
	}
	ioasid_store_relaxed(
		&store->root,
		(void *)((uintptr_t)slots -
			 store->first * (uintptr_t)sizeof(*slots)));
	for (unsigned int i = 0; i < bitmap->levels; i++) {
		bitmap->full[i] = level;
		if (i)
			level += bitmap->words[i];
		bitmap->some[i] = level;
		level += bitmap->words[i];
	}
	bitmap->touched = level;
	close_tail(bitmap, store->count);
	return 0;
}

/*
 * The lowest offset from @offset on whose bit is 1 once the words of a tree are
 * XORed with @invert, or the number of IDs: up while nothing follows in a word,
 * then down.
 */
static IOASID_INLINE uint32_t next_bit(const struct ioasid_store *store,
				       uint64_t *const *level, uint64_t invert,
				       uint32_t offset)
{
	const struct bitmap *bitmap = store->impl;
	uint64_t found;
	uint32_t word;

	for (unsigned int i = 0; i < bitmap->levels; i++) {
		IOASID_STEP();
		word = offset / 64;
		if (word >= bitmap->words[i])
			break;
		found = (level[i][word] ^ invert) & ~UINT64_C(0) << offset % 64;
		if (found) {
			offset = word * 64 + ioasid_lowest_bit(found);
			while (i--) {
				IOASID_STEP();
				offset = offset * 64 +
					 ioasid_lowest_bit(level[i][offset] ^
							   invert);
			}
			return offset;
		}
		offset = word + 1;
	}
	return store->count;
}

static int bitmap_claim(struct ioasid_store *store, ioasid_t min, ioasid_t max,
			ioasid_t *id, struct ioasid_slot **slot)
{
	struct bitmap *bitmap = store->impl;
	uint32_t offset =
		next_bit(store, bitmap->full, ~UINT64_C(0), min - store->first);
	uint64_t *word, before;

	if (offset > max - store->first)
		return -ENOSPC;
	*id = store->first + offset;
	*slot = ioasid_bitmap_find(store, *id);
	if (ioasid_unlikely(!ioasid_load_relaxed(&(*slot)->state))) {
		ioasid_slot_init(*slot, bitmap->generation);
		bitmap->touched[offset / CHUNK / 64] |= UINT64_C(1)
							<< offset / CHUNK % 64;
	}
	word = &bitmap->some[0][offset / 64];
	before = *word;
	*word = before | UINT64_C(1) << offset % 64;
	if (ioasid_unlikely(!before))
		flip_above(bitmap, bitmap->some, offset / 64, 0);
	if (ioasid_unlikely(!~*word))
		flip_above(bitmap, bitmap->full, offset / 64, ~UINT64_C(0));
	return 0;
}

static void bitmap_release(struct ioasid_store *store, ioasid_t id)
{
	struct bitmap *bitmap = store->impl;
	uint32_t offset = id - store->first;
	uint64_t *word = &bitmap->some[0][offset / 64];
	uint64_t before = *word;

	*word = before & ~(UINT64_C(1) << offset % 64);
	if (ioasid_unlikely(!~before))
		flip_above(bitmap, bitmap->full, offset / 64, ~UINT64_C(0));
	if (ioasid_unlikely(!*word))
		flip_above(bitmap, bitmap->some, offset / 64, 0);
}

static bool bit_of(const uint64_t *words, uint32_t offset)
{
	return words[offset / 64] >> offset % 64 & 1;
}

static size_t bitmap_occupied(const struct ioasid_store *store, ioasid_t min,
			      ioasid_t max, ioasid_t *ids, size_t count)
{
	const struct bitmap *bitmap = store->impl;
	uint32_t offset = min - store->first, last = max - store->first;
	uint64_t bits;
	size_t found = 0;

	while (found < count) {
		/* At once for all of a word. */
		offset = next_bit(store, bitmap->some, 0, offset);
		if (offset > last)
			break;
		bits = bitmap->some[0][offset / 64] >> offset % 64;
		for (; bits && found < count; bits &= bits - 1) {
			if (offset + ioasid_lowest_bit(bits) > last)
				return found;
			ids[found++] =
				store->first + offset + ioasid_lowest_bit(bits);
		}
		offset = (offset / 64 + 1) * 64;
	}
	return found;
}

/* May the slots of a chunk become zero? */
static bool chunk_spare(const struct bitmap *bitmap, uint32_t chunk)
{
	const struct ioasid_slot *slots = &bitmap->slots[(size_t)chunk * CHUNK];

	for (unsigned int i = 0; i < CHUNK_WORDS; i++)
		if (bitmap->full[0][chunk * CHUNK_WORDS + i])
			return false;
	for (unsigned int i = 0; i < CHUNK; i++)
		if (ioasid_slot_worn(&slots[i]))
			return false;
	return true;
}

static bool is_touched(const struct bitmap *bitmap, uint32_t chunk)
{
	return bit_of(bitmap->touched, chunk);
}

/* Gives back the slots of some chunks, which go on above their generations. */
static size_t discard(struct bitmap *bitmap, uint32_t first, uint32_t end)
{
	struct ioasid_slot *slots = &bitmap->slots[(size_t)first * CHUNK];
	size_t count = (size_t)(end - first) * CHUNK, bytes, left;

	for (size_t i = 0; i < count; i++)
		ioasid_slot_forget(&slots[i], &bitmap->generation);
	bytes = ioasid_memory_discard(&bitmap->memory, bitmap->slots_size,
				      slots, count * sizeof(*slots));
	/*
	 * Where pages are larger than chunks, parts of some at either end are
	 * left, which go once their neighbours do.
	 */
	left = (count - bytes / sizeof(*slots) + CHUNK - 1) / CHUNK;
	for (size_t chunk = first + left; chunk + left < end; chunk++)
		bitmap->touched[chunk / 64] &= ~(UINT64_C(1) << chunk % 64);
	return bytes;
}

static size_t bitmap_trim(struct ioasid_store *store)
{
	struct bitmap *bitmap = store->impl;
	/* What is left after the last whole chunk stays. */
	uint32_t chunks = store->count / CHUNK, end;
	size_t bytes = 0;

	for (uint32_t first = 0; first < chunks; first = end + 1) {
		for (end = first; end < chunks && is_touched(bitmap, end) &&
				  chunk_spare(bitmap, end);)
			end++;
		if (end > first)
			bytes += discard(bitmap, first, end);
	}
	return bytes;
}

static bool bitmap_validate(const struct ioasid_store *store,
			    const char **reason)
{
	const struct bitmap *bitmap = store->impl;
	const struct ioasid_slot *slots = bitmap->slots;
	uint32_t bits = store->count;

	for (uint32_t i = 0; i < store->count; i++) {
		if (!bit_of(bitmap->full[0], i) &&
		    ioasid_load_relaxed(&slots[i].state) &
			    ~IOASID_STATE_GENERATION) {
			*reason = "bitmap: vacant ID whose slot is in use";
			return false;
		}
	}
	for (unsigned int i = 0; i < bitmap->levels; i++) {
		if (bits % 64 && ~(bitmap->full[i][bits / 64] |
				   ((UINT64_C(1) << bits % 64) - 1))) {
			*reason = "bitmap: bit past the end is clear";
			return false;
		}
		bits = bitmap->words[i];
		for (uint32_t j = 0; i + 1 < bitmap->levels && j < bits; j++) {
			if (bit_of(bitmap->full[i + 1], j) !=
			    !~bitmap->full[i][j]) {
				*reason = "bitmap: bit of a full word differs";
				return false;
			}
			if (bit_of(bitmap->some[i + 1], j) !=
			    (bitmap->some[i][j] != 0)) {
				*reason = "bitmap: bit of a word that is not "
					  "empty differs";
				return false;
			}
		}
	}
	return true;
}

const struct ioasid_store_ops ioasid_bitmap_ops = {
	.create = bitmap_create,
	.destroy = bitmap_destroy,
	.find = ioasid_bitmap_find,
	.claim = bitmap_claim,
	.release = bitmap_release,
	.occupied = bitmap_occupied,
	.validate = bitmap_validate,
	.trim = bitmap_trim,
};
#endif /* IOASID_NO_BITMAP */
