/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "hash.h"

#ifndef IOASID_NO_HASH
#include "../platform/memory.h"
#include "../platform/system.h"
#include "../platform/util.h"
#include "generation.h"
#include "order.h"

/*
 * Open addressing over buckets of one cache line. A cell keeps its key for the
 * life of the table, so a reader never meets another ID's slot. When cells run
 * out the table is replaced: every update moves some buckets over, slot by slot
 * through MOVED, and readers that meet MOVED or nothing go on in the next
 * table.
 */

#ifndef IOASID_HASH_MIN_BUCKETS
#define IOASID_HASH_MIN_BUCKETS 16
#endif
/* An update moves this many buckets of a table being replaced. */
#ifndef IOASID_HASH_MOVE_BUCKETS
#define IOASID_HASH_MOVE_BUCKETS 8
#endif
#define MOVE_BUCKETS IOASID_HASH_MOVE_BUCKETS

/* How many IDs ahead of the one given a line is fetched. */
#define AHEAD 8

#define CELLS IOASID_HASH_CELLS

_Static_assert(sizeof(void *) < 8 || IOASID_STATE_BITS < 64 ||
		       sizeof(struct ioasid_hash_bucket) == IOASID_CACHE_LINE,
	       "a lookup touches one line");
_Static_assert(IOASID_HASH_MIN_BUCKETS >= 2 && !(IOASID_HASH_MIN_BUCKETS &
						 (IOASID_HASH_MIN_BUCKETS - 1)),
	       "an index has some number of bits, at least one");

struct hash {
	struct ioasid_memory memory;
	struct ioasid_rcu *rcu;
	uint64_t multiplier;
	uint32_t generation;
	/* occupied IDs, and vacant ones whose slots may not be forgotten */
	uint32_t count, worn;
	/* the next bucket of the current table to move */
	uint32_t moved;
	/* of the IDs that have a cell */
	struct ioasid_order order;
};

static struct ioasid_hash_table *table_of(const struct ioasid_store *store)
{
	return ioasid_load_relaxed(&store->root);
}

static struct ioasid_hash_table *next_of(const struct ioasid_hash_table *table)
{
	return ioasid_load_relaxed(&table->next);
}

/* Where new keys go. */
static struct ioasid_hash_table *newest(const struct ioasid_store *store)
{
	struct ioasid_hash_table *table = table_of(store);

	return next_of(table) ? next_of(table) : table;
}

static uint32_t cells_of(const struct ioasid_hash_table *table)
{
	return (table->mask + 1) * CELLS;
}

static void table_free(struct ioasid_hash_table *table)
{
	struct ioasid_memory memory = table->memory;

	ioasid_memory_zeroed_free(&memory, table->bucket, table->size);
	ioasid_memory_zeroed_free(&memory, table, sizeof(*table));
}

static void table_rcu_free(struct ioasid_rcu_head *head)
{
	table_free(ioasid_container_of(head, struct ioasid_hash_table, rcu));
}

static struct ioasid_hash_table *table_alloc(struct hash *hash,
					     uint32_t buckets)
{
	struct ioasid_hash_table *table = NULL;

	if ((uint64_t)buckets * sizeof(*table->bucket) <= SIZE_MAX)
		table = ioasid_memory_zeroed(&hash->memory, sizeof(*table));
	if (!table)
		return NULL;
	table->memory = hash->memory;
	table->multiplier = hash->multiplier;
	table->mask = buckets - 1;
	table->shift = 64 - ioasid_lowest_bit(buckets);
	table->size = buckets * sizeof(struct ioasid_hash_bucket);
	table->bucket = ioasid_memory_zeroed(&hash->memory, table->size);
	if (!table->bucket) {
		ioasid_memory_zeroed_free(&hash->memory, table, sizeof(*table));
		return NULL;
	}
	return table;
}

static int hash_create(struct ioasid_store *store,
		       const struct ioasid_store_config *config)
{
	struct hash *hash =
		ioasid_memory_zeroed(&config->memory, sizeof(*hash));
	struct ioasid_hash_table *table;

	if (!hash)
		return -ENOMEM;
	hash->memory = config->memory;
	hash->rcu = config->rcu;
	hash->generation = IOASID_GENERATION_START;
	hash->multiplier = ioasid_mix(config->hash_seed ? config->hash_seed :
							  ioasid_random(hash)) |
			   1;
	table = table_alloc(hash, IOASID_HASH_MIN_BUCKETS);
	if (table && !ioasid_order_create(&hash->order, &hash->memory,
					  cells_of(table))) {
		table_free(table);
		table = NULL;
	}
	if (!table) {
		ioasid_memory_zeroed_free(&config->memory, hash, sizeof(*hash));
		return -ENOMEM;
	}
	store->impl = hash;
	ioasid_store_relaxed(&store->root, table);
	return 0;
}

static void hash_destroy(struct ioasid_store *store)
{
	struct ioasid_hash_table *table = table_of(store), *next;
	struct hash *hash = store->impl;
	struct ioasid_memory memory = hash->memory;

	for (; table; table = next) {
		next = next_of(table);
		table_free(table);
	}
	ioasid_order_destroy(&hash->order);
	ioasid_memory_zeroed_free(&memory, hash, sizeof(*hash));
}

/* A key's place: the bucket and the cell in it. */
struct place {
	struct ioasid_hash_bucket *bucket;
	unsigned int cell;
};

static struct ioasid_slot *slot_at(const struct place *place)
{
	return &place->bucket->slot[place->cell];
}

static bool find_key(const struct ioasid_hash_table *table, ioasid_t id,
		     struct place *place)
{
	struct ioasid_slot *slot = ioasid_hash_table_find(table, id);
	size_t offset;

	if (!slot)
		return false;
	offset = (size_t)((char *)slot - (char *)table->bucket);
	place->bucket = &table->bucket[offset / sizeof(*place->bucket)];
	place->cell = (unsigned int)(slot - place->bucket->slot);
	return true;
}

/* The place of @id where updates belong: not one that was moved away. */
static bool find_place(const struct ioasid_store *store, ioasid_t id,
		       struct place *place)
{
	struct ioasid_hash_table *table;

	for (table = table_of(store); table; table = next_of(table))
		if (find_key(table, id, place) &&
		    !ioasid_state_moved(
			    ioasid_load_relaxed(&slot_at(place)->state)))
			return true;
	return false;
}

/* A new cell for @id, its key not yet to be seen; the table has room. */
static struct place new_place(struct ioasid_hash_table *table, ioasid_t id)
{
	uint32_t index = ioasid_hash_index(table, id);
	struct place place;

	for (;; index = (index + 1) & table->mask) {
		IOASID_STEP();
		place.bucket = &table->bucket[index];
		for (place.cell = 0; place.cell < CELLS; place.cell++)
			if (!ioasid_load_relaxed(
				    &place.bucket->key[place.cell]))
				return place;
	}
}

static void set_key(struct ioasid_hash_table *table, const struct place *place,
		    ioasid_t id)
{
	table->used++;
	/* Who finds it before its slot is ready finds a vacant one. */
	ioasid_store_relaxed(&place->bucket->key[place->cell], id + 1);
}

static void move_bucket(struct hash *hash, struct ioasid_hash_bucket *bucket,
			struct ioasid_hash_table *to)
{
	unsigned int occupied;
	struct place place;
	ioasid_t id;

	for (unsigned int i = 0; i < CELLS; i++) {
		IOASID_STEP();
		id = ioasid_load_relaxed(&bucket->key[i]) - 1;
		if (id == INVALID_IOASID)
			break;
		occupied = bucket->occupied >> i & 1;
		if (!occupied && !ioasid_slot_worn(&bucket->slot[i])) {
			ioasid_slot_forget(&bucket->slot[i], &hash->generation);
			ioasid_store_release(&bucket->slot[i].state,
					     IOASID_STATE_MOVED);
			ioasid_order_forget(&hash->order, id);
			continue;
		}
		place = new_place(to, id);
		/* Readers come here only through MOVED: slot first. */
		place.bucket->occupied |= occupied << place.cell;
		set_key(to, &place, id);
		ioasid_slot_move(&bucket->slot[i],
				 &place.bucket->slot[place.cell]);
	}
}

/* Moves some buckets; drops the old table after the last. */
static void move_some(struct ioasid_store *store, uint32_t buckets)
{
	struct ioasid_hash_table *table = table_of(store);
	struct ioasid_hash_table *next = next_of(table);
	struct hash *hash = store->impl;

	if (!next)
		return;
	for (; buckets && hash->moved <= table->mask; buckets--)
		move_bucket(hash, &table->bucket[hash->moved++], next);
	if (hash->moved <= table->mask)
		return;
	ioasid_store_release(&store->root, next);
	ioasid_rcu_retire(hash->rcu, &table->rcu, table_rcu_free, table->size);
}

/* The size of a table that is at most half full with this many IDs more. */
static uint32_t next_buckets(const struct hash *hash, uint32_t more)
{
	uint64_t count = (uint64_t)hash->count + hash->worn + more;
	uint32_t buckets = IOASID_HASH_MIN_BUCKETS;

	while (buckets < UINT32_C(1) << 31 &&
	       (uint64_t)buckets * CELLS < count * 2)
		buckets *= 2;
	return buckets;
}

/* Starts to replace the table. */
static bool replace(struct ioasid_store *store, uint32_t buckets)
{
	struct hash *hash = store->impl;
	struct ioasid_hash_table *next = table_alloc(hash, buckets);

	if (!next)
		return false;
	hash->moved = 0;
	ioasid_store_release(&table_of(store)->next, next);
	return true;
}

/* Starts to replace the table if it is used up or far too large. */
static int resize(struct ioasid_store *store)
{
	struct ioasid_hash_table *table = table_of(store);
	struct hash *hash = store->impl;
	uint32_t cells = cells_of(table);
	bool crowded = table->used >= cells - cells / 4;
	bool sparse = table->mask + 1 > IOASID_HASH_MIN_BUCKETS &&
		      hash->count + hash->worn < cells / 16;

	if (next_of(table) || (!crowded && !sparse))
		return 0;
	/* What may be added while this one is being moved. */
	if (replace(store, next_buckets(hash, table->mask / MOVE_BUCKETS + 2)))
		return 0;
	/* Goes on while it can: a miss ends at a free cell. */
	return crowded && table->used + 1 >= cells - cells / 8 ? -ENOMEM : 0;
}

static size_t hash_trim(struct ioasid_store *store)
{
	struct ioasid_hash_table *table = table_of(store);
	struct hash *hash = store->impl;
	size_t before = table->size + hash->order.bytes;
	uint32_t buckets;

	if (next_of(table))
		before += next_of(table)->size;
	move_some(store, UINT32_MAX);
	table = table_of(store);
	buckets = next_buckets(hash, 2);
	/* Even for one of the same size if most cells are of vacant IDs. */
	if ((buckets <= table->mask ||
	     table->used / 2 > hash->count + hash->worn) &&
	    replace(store, buckets))
		move_some(store, UINT32_MAX);
	return before - table_of(store)->size - hash->order.bytes;
}

static int hash_claim(struct ioasid_store *store, ioasid_t min, ioasid_t max,
		      ioasid_t *id, struct ioasid_slot **slot)
{
	struct hash *hash = store->impl;
	struct ioasid_order_way way;
	uint64_t lowest = ioasid_order_vacant(&hash->order, min, &way);
	struct ioasid_hash_table *table;
	struct place place;
	bool known, moving;
	int ret;

	if (lowest > max)
		return -ENOSPC;
	*id = (ioasid_t)lowest;
	if (!ioasid_order_occupy(&hash->order, &way, *id, &known))
		return -ENOMEM;
	if (known) {
		find_place(store, *id, &place);
		hash->worn -= ioasid_slot_worn(slot_at(&place));
	} else {
		ret = resize(store);
		if (ret) {
			ioasid_order_vacate(&hash->order, *id);
			ioasid_order_forget(&hash->order, *id);
			return ret;
		}
		table = newest(store);
		place = new_place(table, *id);
		ioasid_slot_init(slot_at(&place), hash->generation);
		set_key(table, &place, *id);
		/* IDs often come one after another: a line on its way. */
		__builtin_prefetch(
			&table->bucket[ioasid_hash_index(table, *id + AHEAD)],
			1);
	}
	place.bucket->occupied |= 1u << place.cell;
	hash->count++;
	moving = next_of(table_of(store)) != NULL;
	move_some(store, MOVE_BUCKETS);
	/* It may have been moved, and the table where it was freed. */
	if (known && moving)
		find_place(store, *id, &place);
	*slot = slot_at(&place);
	return 0;
}

static void hash_release(struct ioasid_store *store, ioasid_t id)
{
	struct hash *hash = store->impl;
	struct place place;

	if (!find_place(store, id, &place))
		return;
	place.bucket->occupied &= ~(1u << place.cell);
	ioasid_order_vacate(&hash->order, id);
	hash->count--;
	hash->worn += ioasid_slot_worn(slot_at(&place));
	resize(store);
	move_some(store, MOVE_BUCKETS);
}

static size_t hash_occupied(const struct ioasid_store *store, ioasid_t min,
			    ioasid_t max, ioasid_t *ids, size_t count)
{
	const struct hash *hash = store->impl;

	return ioasid_order_occupied(&hash->order, min, max, ids, count);
}

/* What the cells add up to. */
struct hash_tally {
	uint32_t cells, count, worn;
};

static const char *check_table(const struct ioasid_store *store,
			       const struct ioasid_hash_table *table,
			       struct hash_tally *tally)
{
	const struct ioasid_hash_bucket *bucket;
	const struct hash *hash = store->impl;
	bool moved, occupied, first = table == table_of(store);
	ioasid_state_t state;
	uint32_t used = 0;
	uint32_t key;

	for (uint32_t i = 0; i <= table->mask; i++) {
		bucket = &table->bucket[i];
		for (unsigned int j = 0; j < CELLS; j++) {
			key = ioasid_load_relaxed(&bucket->key[j]);
			state = ioasid_load_relaxed(&bucket->slot[j].state);
			moved = ioasid_state_moved(state);
			if (!key) {
				if (bucket->occupied >> j)
					return "hash: occupied cell without key";
				if (j + 1 < CELLS &&
				    ioasid_load_relaxed(&bucket->key[j + 1]))
					return "hash: gap in a bucket";
				continue;
			}
			used++;
			if (ioasid_hash_table_find(table, key - 1) !=
			    &bucket->slot[j])
				return "hash: ID not found where it is";
			if (moved !=
			    (first && next_of(table) && i < hash->moved))
				return "hash: moved cell in the wrong place";
			if (moved)
				continue;
			tally->cells++;
			occupied = false;
			if (!ioasid_order_known(&hash->order, key - 1,
						&occupied) ||
			    occupied != (bucket->occupied >> j & 1))
				return "hash: order differs from the cells";
			if (occupied) {
				tally->count++;
				continue;
			}
			if (state & ~IOASID_STATE_GENERATION)
				return "hash: vacant ID whose slot is in use";
			tally->worn += ioasid_slot_worn(&bucket->slot[j]);
		}
	}
	return used == table->used ? NULL : "hash: number of keys differs";
}

static bool hash_validate(const struct ioasid_store *store, const char **reason)
{
	const struct ioasid_hash_table *table;
	const struct hash *hash = store->impl;
	struct hash_tally tally = { 0, 0, 0 };
	uint32_t known, occupied;
	const char *found;

	found = ioasid_order_check(&hash->order, &known, &occupied);
	for (table = table_of(store); table && !found; table = next_of(table))
		found = check_table(store, table, &tally);
	if (!found && (tally.cells != known || tally.count != occupied))
		found = "hash: order has IDs that no cell has";
	if (!found && tally.count != hash->count)
		found = "hash: number of occupied IDs differs";
	if (!found && tally.worn != hash->worn)
		found = "hash: number of worn slots differs";
	if (found)
		*reason = found;
	return !found;
}

const struct ioasid_store_ops ioasid_hash_ops = {
	.create = hash_create,
	.destroy = hash_destroy,
	.find = ioasid_hash_find,
	.claim = hash_claim,
	.release = hash_release,
	.occupied = hash_occupied,
	.validate = hash_validate,
	.trim = hash_trim,
};
#endif /* IOASID_NO_HASH */
