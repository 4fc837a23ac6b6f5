/* SPDX-License-Identifier: MIT */
#ifndef IOASID_STORE_H
#define IOASID_STORE_H

/*
 * Stores map IDs to slots and find vacant IDs. The lookups of the built-in
 * ones are inline here; a user's own store goes through its table.
 */

#include <ioasid/rcu.h>
#include <ioasid/slot.h>

IOASID_BEGIN_DECLS

/** ioasid_t - an ID */
typedef uint32_t ioasid_t;

/** INVALID_IOASID - no ID */
#define INVALID_IOASID UINT32_MAX

/** IOASID_BITMAP_IDS_MAX - most IDs of a space with the bitmap store */
#define IOASID_BITMAP_IDS_MAX (UINT32_C(1) << 26)

/**
 * enum ioasid_store_kind - how IDs map to slots
 * @IOASID_STORE_RADIX:  a tree over any range; small for clustered IDs
 * @IOASID_STORE_BITMAP: one flat array for a bounded range
 * @IOASID_STORE_HASH:   for IDs scattered over a wide range
 * @IOASID_STORE_CUSTOM: the user's own, by struct ioasid_store_ops
 *
 * What it takes to find the lowest vacant ID or the next occupied one, and to
 * claim or release one, depends on levels and not on the IDs in use. bitmap: at
 * most five, of 64 IDs each, up and down. radix: at most four, and a way from
 * the root again for each; nodes come and go with their IDs. hash: seven, and
 * at the end of the way a list of at most 128 IDs, which may have to be copied;
 * while the table is being replaced, eight of its buckets are moved as well.
 * The next table is allocated at once, which costs its size where memory is not
 * reserved, see struct ioasid_memory.
 */
enum ioasid_store_kind {
	IOASID_STORE_RADIX,
	IOASID_STORE_BITMAP,
	IOASID_STORE_HASH,
	IOASID_STORE_CUSTOM
};

struct ioasid_store;

/**
 * struct ioasid_store_config - what a store is made from
 * @min, @max:  the range of IDs, inclusive
 * @memory:     hooks, all present but @reserve, @release and @discard
 * @rcu:        domain to retire memory to
 * @hash_seed:  see struct ioasid_space_config
 * @context:    the user's, for an own store
 */
struct ioasid_store_config {
	ioasid_t min, max;
	struct ioasid_memory memory;
	struct ioasid_rcu *rcu;
	uint64_t hash_seed;
	void *context;
};

/**
 * struct ioasid_store_ops - what a store does
 * @create:   fill in @store->root and @store->impl; 0 or a negative errno
 * @destroy:  free all; no reader is left
 * @find:     the slot of an ID, vacant or not, or NULL. Wait-free, called in
 *            read sections and without lock; @id may be out of range. A slot
 *            starts as zeros and keeps what the library wrote there: what ends
 *            with its memory is the promise that old handles are told apart
 * @claim:    make the lowest vacant ID in [@min, @max], which lies within the
 *            store's range, occupied; give it and its vacant slot back.
 *            -ENOSPC none vacant; -ENOMEM nothing changed
 * @release:  make an occupied ID vacant; its slot is vacant already. Cannot
 *            fail
 * @occupied: write up to @count occupied IDs from [@min, @max], ascending,
 *            lowest first; the number written. Leaves out none below the last
 *            it writes; walks ask for some at a time, so it should not pass
 *            over what comes before @min
 * @validate: is the structure whole? If not, say why in @reason
 * @trim:     give back memory that no occupied ID needs; the bytes. Optional
 *
 * All but @find run under the space's lock; what readers may still see goes to
 * ioasid_rcu_retire(). A slot stays where it is while its ID is occupied, and
 * readable for a grace period after @release.
 */
struct ioasid_store_ops {
	int (*create)(struct ioasid_store *store,
		      const struct ioasid_store_config *config);
	void (*destroy)(struct ioasid_store *store);
	struct ioasid_slot *(*find)(const struct ioasid_store *store,
				    ioasid_t id);
	int (*claim)(struct ioasid_store *store, ioasid_t min, ioasid_t max,
		     ioasid_t *id, struct ioasid_slot **slot);
	void (*release)(struct ioasid_store *store, ioasid_t id);
	size_t (*occupied)(const struct ioasid_store *store, ioasid_t min,
			   ioasid_t max, ioasid_t *ids, size_t count);
	bool (*validate)(const struct ioasid_store *store, const char **reason);
	size_t (*trim)(struct ioasid_store *store);
};

/* The part lookups read. */
struct ioasid_store {
	enum ioasid_store_kind kind;
	/* bitmap: the first ID and the number of IDs */
	ioasid_t first;
	uint32_t count;
	/*
	 * bitmap: where the slot of ID 0 is or would be; radix: root node and
	 * height; hash: table
	 */
	ioasid_atomic_ptr root;
	const struct ioasid_store_ops *ops;
	/* for updates */
	void *impl;
};

#ifdef IOASID_NO_BITMAP
IOASID_INLINE struct ioasid_slot *
ioasid_bitmap_find(const struct ioasid_store *store, ioasid_t id)
{
	(void)store;
	(void)id;
	return IOASID_NULL;
}
#else
IOASID_INLINE struct ioasid_slot *
ioasid_bitmap_find(const struct ioasid_store *store, ioasid_t id)
{
	uintptr_t origin =
		IOASID_RECAST(uintptr_t, ioasid_load_relaxed(&store->root));

	if (ioasid_unlikely(id - store->first >= store->count))
		return IOASID_NULL;
	/* From where ID 0 would be: one subtraction less before the load. */
	return IOASID_RECAST(struct ioasid_slot *,
			     origin + id * sizeof(struct ioasid_slot));
}
#endif /* IOASID_NO_BITMAP */

#ifdef IOASID_NO_RADIX
IOASID_INLINE struct ioasid_slot *
ioasid_radix_find(const struct ioasid_store *store, ioasid_t id)
{
	(void)store;
	(void)id;
	return IOASID_NULL;
}
#else
#define IOASID_RADIX_FANOUT (1u << IOASID_RADIX_NODE_BITS)
#define IOASID_RADIX_SLOTS (1u << IOASID_RADIX_LEAF_BITS)
/* The root pointer carries the height of the tree in its low bits. */
#define IOASID_RADIX_HEIGHT IOASID_CAST(uintptr_t, 15)

struct ioasid_radix_leaf {
	struct ioasid_slot slot[IOASID_RADIX_SLOTS];
	union {
		/* one bit a slot, while in the tree */
		uint64_t occupied;
		/* once out of it */
		struct ioasid_rcu_head rcu;
	} u;
};

struct ioasid_radix_node {
	/* first: the address of the node is theirs */
	ioasid_atomic_ptr child[IOASID_RADIX_FANOUT];
	/* one bit a child without a vacant ID */
	uint64_t full[(IOASID_RADIX_FANOUT + 63) / 64];
	/* one bit a child with an occupied ID */
	uint64_t some[(IOASID_RADIX_FANOUT + 63) / 64];
	uint32_t children;
	struct ioasid_rcu_head rcu;
};

IOASID_INLINE void *ioasid_radix_child(void *node, uint32_t index)
{
	/* Not as an array of a length, or gcc 11 warns about IDs it knows. */
	ioasid_atomic_ptr *child = IOASID_CAST(ioasid_atomic_ptr *, node);

	return ioasid_load_acquire(child + index);
}

IOASID_INLINE struct ioasid_slot *
ioasid_radix_find(const struct ioasid_store *store, ioasid_t id)
{
	const uint32_t mask = IOASID_RADIX_FANOUT - 1;
	uintptr_t root =
		IOASID_RECAST(uintptr_t, ioasid_load_acquire(&store->root));
	unsigned int height = root & IOASID_RADIX_HEIGHT;
	unsigned int shift =
		IOASID_RADIX_LEAF_BITS + height * IOASID_RADIX_NODE_BITS;
	void *node = IOASID_RECAST(void *, root & ~IOASID_RADIX_HEIGHT);

	if (ioasid_unlikely(IOASID_CAST(uint64_t, id) >> shift || !node))
		return IOASID_NULL;
	/* The heights of a 20-bit space, by constant shifts. */
	if (ioasid_likely(height == 1)) {
		node = ioasid_radix_child(node, id >> IOASID_RADIX_LEAF_BITS);
	} else if (ioasid_likely(height == 2)) {
		shift = IOASID_RADIX_LEAF_BITS + IOASID_RADIX_NODE_BITS;
		node = ioasid_radix_child(node, id >> shift);
		if (ioasid_unlikely(!node))
			return IOASID_NULL;
		node = ioasid_radix_child(node,
					  id >> IOASID_RADIX_LEAF_BITS & mask);
	} else {
		while (height-- && node) {
			shift -= IOASID_RADIX_NODE_BITS;
			node = ioasid_radix_child(node, id >> shift & mask);
		}
	}
	if (ioasid_unlikely(!node))
		return IOASID_NULL;
	return IOASID_CAST(struct ioasid_radix_leaf *, node)->slot +
	       (id & (IOASID_RADIX_SLOTS - 1));
}

#endif /* IOASID_NO_RADIX */

#ifdef IOASID_NO_HASH
IOASID_INLINE struct ioasid_slot *
ioasid_hash_find_moved(const struct ioasid_store *store, ioasid_t id)
{
	(void)store;
	(void)id;
	return IOASID_NULL;
}

IOASID_INLINE struct ioasid_slot *
ioasid_hash_find(const struct ioasid_store *store, ioasid_t id)
{
	(void)store;
	(void)id;
	return IOASID_NULL;
}
#else
/*
 * Three IDs and their slots in one cache line. Cells fill in order and keep
 * their key until the table is replaced.
 */
struct ioasid_hash_bucket {
	/* ID + 1, 0 if never used */
	ioasid_atomic_u32 key[IOASID_HASH_CELLS];
	/* one bit an occupied cell; updates only */
	uint32_t occupied;
	struct ioasid_slot slot[IOASID_HASH_CELLS];
};

struct ioasid_hash_table {
	struct ioasid_hash_bucket *bucket;
	uint64_t multiplier;
	uint32_t mask;
	uint32_t shift;
	/* the table this one is being moved to */
	ioasid_atomic_ptr next;
	struct ioasid_rcu_head rcu;
	struct ioasid_memory memory;
	size_t size;
	/* cells with a key; written by updates, so not beside @bucket */
	uint32_t used;
};

/*
 * Two rounds with a random multiplier: one alone (multiply-shift) leaves one
 * run of IDs in twelve badly clustered. The fold and multiply is the round of
 * the finalizer of MurmurHash3.
 */
IOASID_INLINE uint32_t ioasid_hash_index(const struct ioasid_hash_table *table,
					 ioasid_t id)
{
	uint64_t hash = id * table->multiplier;

	hash = (hash ^ hash >> 32) * table->multiplier;
	return IOASID_CAST(uint32_t, hash >> table->shift);
}

IOASID_INLINE struct ioasid_slot *
ioasid_hash_table_find(const struct ioasid_hash_table *table, ioasid_t id)
{
	uint32_t key = id + 1, index = ioasid_hash_index(table, id);
	struct ioasid_hash_bucket *bucket;
	uint32_t second, third, cell;

	if (ioasid_unlikely(!key))
		return IOASID_NULL;
	for (;;) {
		bucket = &table->bucket[index];
		second = ioasid_load_relaxed(&bucket->key[1]);
		third = ioasid_load_relaxed(&bucket->key[2]);
		/* No branch: which of the three it is cannot be predicted. */
		cell = IOASID_CAST(uint32_t, second == key) |
		       IOASID_CAST(uint32_t, third == key) << 1;
		if (ioasid_likely(ioasid_load_relaxed(&bucket->key[cell]) ==
				  key))
			return &bucket->slot[cell];
		if (ioasid_likely(!third))
			return IOASID_NULL;
		index = (index + 1) & table->mask;
	}
}

/* The slot of @id in the first table that has not passed it on. */
IOASID_C99_INLINE struct ioasid_slot *
ioasid_hash_find_moved(const struct ioasid_store *store, ioasid_t id)
{
	const struct ioasid_hash_table *table =
		IOASID_CAST(const struct ioasid_hash_table *,
			    ioasid_load_acquire(&store->root));
	const struct ioasid_hash_table *next;
	struct ioasid_slot *slot;

	for (; table; table = next) {
		/*
		 * Before the search: else an ID that comes after it, and is
		 * then being moved, would be met in both tables.
		 */
		next = IOASID_CAST(const struct ioasid_hash_table *,
				   ioasid_load_acquire(&table->next));
		slot = ioasid_hash_table_find(table, id);
		if (!slot)
			continue;
		if (!ioasid_state_moved(ioasid_load_acquire(&slot->state)))
			return slot;
		next = IOASID_CAST(const struct ioasid_hash_table *,
				   ioasid_load_acquire(&table->next));
	}
	return IOASID_NULL;
}

IOASID_INLINE struct ioasid_slot *
ioasid_hash_find(const struct ioasid_store *store, ioasid_t id)
{
	const struct ioasid_hash_table *table =
		IOASID_CAST(const struct ioasid_hash_table *,
			    ioasid_load_acquire(&store->root));
	struct ioasid_slot *slot = ioasid_hash_table_find(table, id);

	if (ioasid_unlikely(!slot && ioasid_load_acquire(&table->next)))
		return ioasid_hash_find_moved(store, id);
	return slot;
}
#endif /* IOASID_NO_HASH */

/* A constant where there is one store. */
#ifdef IOASID_STORE_ONLY
#define ioasid_store_kind(store) ((void)(store), IOASID_STORE_ONLY)
#else
#define ioasid_store_kind(store) ((store)->kind)
#endif

/**
 * ioasid_store_find - the slot of an ID
 * @store: store
 * @id:    any value
 *
 * Context: inside a read section or with the space's lock held. Wait-free.
 * Return: a slot, vacant or not, or NULL.
 * Complexity: bitmap one load, radix one a level, hash one cache line as a
 * rule.
 */
IOASID_INLINE struct ioasid_slot *
ioasid_store_find(const struct ioasid_store *store, ioasid_t id)
{
	enum ioasid_store_kind kind = ioasid_store_kind(store);

	/* Not a switch: compilers disagree on whether it is to have a default. */
	if (kind == IOASID_STORE_BITMAP)
		return ioasid_bitmap_find(store, id);
	if (kind == IOASID_STORE_RADIX)
		return ioasid_radix_find(store, id);
	if (kind == IOASID_STORE_HASH)
		return ioasid_hash_find(store, id);
	return store->ops->find(store, id);
}

IOASID_END_DECLS

#endif /* IOASID_STORE_H */
