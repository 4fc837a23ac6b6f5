/* SPDX-License-Identifier: MIT */
/* Each thing that a store's validate() can find wrong, done to it. */
#include "test/inside_stores.h"

#include "test/fixture.h"

static void create(struct fixture *fixture, const struct ioasid_store_ops *ops,
		   ioasid_t max, struct ioasid_store *store)
{
	static const struct ioasid_memory system;
	struct ioasid_store_config config = { .max = max,
					      .rcu = fixture->rcu,
					      .hash_seed = 1 };

	assert_int_equal(ioasid_memory_resolve(&system, &config.memory), 0);
	*store = (struct ioasid_store){ .ops = ops };
	assert_int_equal(ops->create(store, &config), 0);
}

static void destroy(struct fixture *fixture, struct ioasid_store *store)
{
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
	store->ops->destroy(store);
}

static struct ioasid_slot *claim(struct ioasid_store *store, ioasid_t id)
{
	struct ioasid_slot *slot = NULL;

	assert_int_equal(store->ops->claim(store, id, id, &id, &slot), 0);
	return slot;
}

static void expect_valid(struct ioasid_store *store)
{
	const char *reason = "";

	if (!store->ops->validate(store, &reason))
		fail_msg("not valid: %s", reason);
	assert_string_equal(reason, "");
}

static void expect_reason(struct ioasid_store *store, const char *expected)
{
	const char *reason = "valid";

	store->ops->validate(store, &reason);
	assert_string_equal(reason, expected);
}

static void put_other(struct ioasid_store *store, void *where,
		      const void *other, size_t size, const char *reason)
{
	char before[sizeof(uint64_t)];

	expect_valid(store);
	memcpy(before, where, size);
	assert_memory_not_equal(before, other, size);
	memcpy(where, other, size);
	expect_reason(store, reason);
	memcpy(where, before, size);
	expect_valid(store);
}

/* With @other in @place the store is not valid, and was before. */
#define DAMAGE(store, type, place, other, reason)                              \
	do {                                                                   \
		const type damage_ = (type)(other);                            \
		_Static_assert(sizeof(place) == sizeof(damage_), "its type");  \
		put_other(store, &(place), &damage_, sizeof(damage_), reason); \
	} while (0)

#define IN_USE ioasid_state_make(1, 0, 1, true)

static void bitmap_damage(struct fixture *fixture)
{
	struct ioasid_store store;
	struct bitmap *bitmap;

	create(fixture, &inside_bitmap_ops, 64 * 64 + 9, &store);
	bitmap = store.impl;
	for (ioasid_t id = 0; id < 70; id++)
		claim(&store, id);
	DAMAGE(&store, ioasid_state_t, bitmap->slots[80].state, IN_USE,
	       "bitmap: vacant ID whose slot is in use");
	DAMAGE(&store, uint64_t, bitmap->full[0][64], 0,
	       "bitmap: bit past the end is clear");
	DAMAGE(&store, uint64_t, bitmap->full[1][0], 0,
	       "bitmap: bit of a full word differs");
	DAMAGE(&store, uint64_t, bitmap->full[1][0], 3,
	       "bitmap: bit of a full word differs");
	DAMAGE(&store, uint64_t, bitmap->some[1][0], 1,
	       "bitmap: bit of a word that is not empty differs");
	DAMAGE(&store, uint64_t, bitmap->some[1][0], 7,
	       "bitmap: bit of a word that is not empty differs");
	destroy(fixture, &store);
}

static void radix_damage(struct fixture *fixture)
{
	struct ioasid_radix_leaf *leaf;
	struct ioasid_radix_node *node;
	struct ioasid_store store;
	struct radix *radix;
	struct path path;
	ioasid_t id;

	create(fixture, &inside_radix_ops, INVALID_IOASID - 1, &store);
	radix = store.impl;
	for (id = 0; id < 3 * SLOTS - 1; id++)
		claim(&store, id);
	assert_true(walk(&store, id, &path));
	leaf = path.node[0];
	node = path.node[1];
	DAMAGE(&store, ioasid_state_t, leaf->slot[SLOTS - 1].state, IN_USE,
	       "radix: vacant ID whose slot is in use");
	if (SLOTS < 64)
		DAMAGE(&store, uint64_t, leaf->u.occupied,
		       leaf->u.occupied | ~ALL_SLOTS,
		       "radix: bit past the end of a leaf");
	DAMAGE(&store, uint64_t, node->full[0], 7,
	       "radix: bit of a full child differs");
	DAMAGE(&store, uint64_t, node->full[0], 1,
	       "radix: bit of a full child differs");
	DAMAGE(&store, uint64_t, node->some[0], 15,
	       "radix: bit of an occupied child differs");
	DAMAGE(&store, uint64_t, node->some[0], 3,
	       "radix: bit of an occupied child differs");
	DAMAGE(&store, uint32_t, node->children, node->children + 1,
	       "radix: number of children differs");
	while (id-- > 2 * SLOTS)
		store.ops->release(&store, id);
	DAMAGE(&store, bool, radix->idle, false, "radix: empty leaf");
	destroy(fixture, &store);
}

enum { DENSE = 200, FAR = 0x40000000, FAR_IDS = 5 };

/* A store with a bottom node, and with a list of a few IDs. */
static struct hash *create_hash(struct fixture *fixture,
				struct ioasid_store *store)
{
	create(fixture, &inside_hash_ops, INVALID_IOASID - 1, store);
	for (ioasid_t id = 0; id < DENSE; id++)
		claim(store, id);
	for (ioasid_t id = FAR; id < FAR + FAR_IDS; id++)
		claim(store, id);
	/* No bucket is being moved. */
	store->ops->trim(store);
	return store->impl;
}

/* A bucket with one key. */
static struct ioasid_hash_bucket *one_key(const struct ioasid_store *store)
{
	struct ioasid_hash_table *table = table_of(store);

	for (uint32_t i = 0; i <= table->mask; i++)
		if (ioasid_load_relaxed(&table->bucket[i].key[0]) &&
		    !ioasid_load_relaxed(&table->bucket[i].key[1]))
			return &table->bucket[i];
	fail_msg("no bucket with one key");
	return NULL;
}

static void hash_damage(struct fixture *fixture)
{
	struct ioasid_hash_bucket *bucket;
	struct ioasid_hash_table *table;
	struct ioasid_order_way way;
	struct ioasid_store store;
	struct place place;
	struct hash *hash;
	bool known;

	hash = create_hash(fixture, &store);
	table = table_of(&store);
	bucket = one_key(&store);
	DAMAGE(&store, uint32_t, bucket->key[0], 0,
	       "hash: occupied cell without key");
	DAMAGE(&store, uint32_t, bucket->key[2], 1, "hash: gap in a bucket");
	DAMAGE(&store, uint32_t, bucket->key[0],
	       ioasid_load_relaxed(&bucket->key[0]) == 1 ? 2 : 1,
	       "hash: ID not found where it is");
	DAMAGE(&store, ioasid_state_t, bucket->slot[0].state,
	       IOASID_STATE_MOVED, "hash: moved cell in the wrong place");
	DAMAGE(&store, uint32_t, bucket->occupied, 0,
	       "hash: order differs from the cells");
	DAMAGE(&store, uint32_t, table->used, table->used + 1,
	       "hash: number of keys differs");
	DAMAGE(&store, uint32_t, hash->count, hash->count + 1,
	       "hash: number of occupied IDs differs");
	DAMAGE(&store, uint32_t, hash->worn, 1,
	       "hash: number of worn slots differs");

	assert_int_equal(ioasid_order_vacant(&hash->order, DENSE, &way), DENSE);
	assert_true(ioasid_order_occupy(&hash->order, &way, DENSE, &known));
	assert_false(known);
	expect_reason(&store, "hash: order has IDs that no cell has");
	ioasid_order_vacate(&hash->order, DENSE);
	expect_reason(&store, "hash: order has IDs that no cell has");
	ioasid_order_forget(&hash->order, DENSE);

	store.ops->release(&store, 7);
	assert_true(find_place(&store, 7, &place));
	DAMAGE(&store, ioasid_state_t, slot_at(&place)->state, IN_USE,
	       "hash: vacant ID whose slot is in use");
	DAMAGE(&store, uint32_t, place.bucket->occupied,
	       place.bucket->occupied | 1u << place.cell,
	       "hash: order differs from the cells");
	destroy(fixture, &store);
}

static void order_damage(struct fixture *fixture)
{
	struct ioasid_order_node *bottom, *node;
	struct ioasid_order_list *list;
	struct ioasid_order_way way;
	struct ioasid_store store;
	struct hash *hash;

	hash = create_hash(fixture, &store);
	order_walk(&hash->order, 0, &way);
	assert_int_equal(way.level, 0);
	bottom = way.node[0];
	node = way.node[1];
	DAMAGE(&store, uint64_t, bottom->known[0], 0,
	       "order: occupied ID is not known");
	DAMAGE(&store, uint64_t, bottom->known[4], 1,
	       "order: number of parts differs");
	DAMAGE(&store, uint32_t, bottom->count, 0,
	       "order: number of parts differs");
	DAMAGE(&store, uint32_t, node->count, 2,
	       "order: number of parts differs");
	DAMAGE(&store, uint16_t, bottom->some, 7,
	       "order: bit of an occupied part differs");
	DAMAGE(&store, uint16_t, bottom->some, 31,
	       "order: bit of an occupied part differs");
	DAMAGE(&store, uint16_t, bottom->full, 3,
	       "order: bit of a full part differs");
	DAMAGE(&store, uint16_t, node->full, 1,
	       "order: bit of a full part differs");
	DAMAGE(&store, size_t, hash->order.bytes, 0,
	       "order: memory in use differs");

	order_walk(&hash->order, FAR, &way);
	list = way.list;
	assert_non_null(list);
	assert_true(way.level < ORDER_LEVELS);
	DAMAGE(&store, uint32_t, list->count, 0, "order: length of a list");
	DAMAGE(&store, uint32_t, list->count, list->room + 1,
	       "order: length of a list");
	DAMAGE(&store, uint32_t, list->room, ORDER_LIST + 1,
	       "order: length of a list");
	DAMAGE(&store, uint64_t, list->occupied[0], 63,
	       "order: bit past the end of a list");
	DAMAGE(&store, uint64_t, list->occupied[1], 1,
	       "order: bit past the end of a list");
	DAMAGE(&store, ioasid_t, list->id[0], FAR + 1,
	       "order: list not ascending in its range");
	DAMAGE(&store, ioasid_t, list->id[0], 3,
	       "order: list not ascending in its range");
	DAMAGE(&store, ioasid_t, list->id[FAR_IDS - 1], INVALID_IOASID - 1,
	       "order: list not ascending in its range");
	destroy(fixture, &store);
}

int main(void)
{
	static const struct test_case cases[] = {
		CASE(bitmap_damage, NO_SPACE),
		CASE(radix_damage, NO_SPACE),
		CASE(hash_damage, NO_SPACE),
		CASE(order_damage, NO_SPACE),
	};

	return test_run("store_damage", cases, ARRAY_SIZE(cases));
}
