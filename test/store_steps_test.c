/* SPDX-License-Identifier: MIT */
/*
 * What updates and walks cost, in turns of the stores' loops: what the levels
 * of their trees allow, whatever IDs are in use.
 */
#include "test/inside_stores.h"

#include "test/fixture.h"

enum { IDS = TEST_LIGHT ? 20000 : 100000, QUERIES = 2000 };

/* A store and the dearest call so far. */
struct counted {
	struct ioasid_store store;
	const char *name;
	unsigned long claim, release, occupied;
};

/*
 * bitmap: up and down once, and up to set bits. radix: back to the root once a
 * level, and some ways down. hash: two ways along its order with a search in a
 * list at the end; on top of that, one list may burst, and eight buckets move,
 * each of whose IDs may be forgotten.
 */
enum {
	BITMAP_MOST = 4 * 5,
	RADIX_LEVELS = 1 + (32 - LEAF_BITS + NODE_BITS - 1) / NODE_BITS,
	RADIX_CHILDREN = (FANOUT + 63) / 64,
	RADIX_MOST =
		RADIX_LEVELS * RADIX_LEVELS * RADIX_CHILDREN + 6 * RADIX_LEVELS,
	HASH_WAY = 2 * ORDER_LEVELS + 3 * 8,
	HASH_MOST = 2 * HASH_WAY + 4 * ORDER_LIST + 64 +
		    MOVE_BUCKETS * CELLS * (HASH_WAY + 4 * ORDER_FANOUT),
};

static void count_from(unsigned long before, unsigned long *most)
{
	if (steps - before > *most)
		*most = steps - before;
}

static int claim(struct counted *counted, ioasid_t min, ioasid_t max,
		 ioasid_t *id)
{
	unsigned long before = steps;
	struct ioasid_slot *slot;
	int ret;

	ret = counted->store.ops->claim(&counted->store, min, max, id, &slot);
	count_from(before, &counted->claim);
	return ret;
}

static void expect_claim(struct counted *counted, ioasid_t min, ioasid_t max,
			 ioasid_t expected)
{
	ioasid_t id = INVALID_IOASID;

	assert_int_equal(claim(counted, min, max, &id), 0);
	assert_int_equal(id, expected);
}

static void release(struct counted *counted, ioasid_t id)
{
	unsigned long before = steps;

	counted->store.ops->release(&counted->store, id);
	count_from(before, &counted->release);
}

/* The lowest occupied ID from @min on, or INVALID_IOASID. */
static ioasid_t next(struct counted *counted, ioasid_t min, ioasid_t max)
{
	unsigned long before = steps;
	ioasid_t id = INVALID_IOASID;

	counted->store.ops->occupied(&counted->store, min, max, &id, 1);
	count_from(before, &counted->occupied);
	return id;
}

/* From 1 on, into a run; and beyond it. */
static void from_one(struct counted *counted, ioasid_t first, ioasid_t last)
{
	ioasid_t i;

	for (i = first + 1; i < first + IDS; i++)
		expect_claim(counted, first + 1, last, i);
	for (i = 0; i < QUERIES; i++) {
		release(counted, first + IDS / 2);
		expect_claim(counted, first + IDS / 2 + 1, last,
			     first + IDS + i);
		expect_claim(counted, first + 1, last, first + IDS / 2);
	}
	expect_claim(counted, first, last, first);
	assert_int_equal(claim(counted, first, first + IDS - 1, &i), -ENOSPC);
	/* From the top down, the last one being at the end. */
	for (i = first + IDS + QUERIES; --i > first;) {
		release(counted, i - 1);
		if (i % 64 == 0)
			assert_int_equal(next(counted, first + 1, last),
					 i - 2 > first ?
						 first + 1 :
						 first + IDS + QUERIES - 1);
	}
	assert_int_equal(next(counted, first, last), first + IDS + QUERIES - 1);
}

/* Every other one, then the ones between. */
static void alternating(struct counted *counted, ioasid_t first, ioasid_t last)
{
	ioasid_t i;

	for (i = 0; i < IDS; i++)
		expect_claim(counted, first, last, first + i);
	for (i = 0; i < IDS; i += 2)
		release(counted, first + i);
	for (i = 0; i < IDS; i += 2) {
		if (i + 2 < IDS)
			assert_int_equal(next(counted, first + i + 2, last),
					 first + i + 3);
		expect_claim(counted, first + 1, last,
			     i + 2 < IDS ? first + i + 2 : first + IDS);
	}
}

/* Random ones of a run, so many at a time. */
static void batches(struct counted *counted, ioasid_t first, ioasid_t last)
{
	static const unsigned int sizes[] = { 1, 200, 2000 };
	struct test_random random = { 3 };
	ioasid_t freed[2000], id, i, j;
	unsigned int size, got;

	for (i = 0; i < IDS; i++)
		expect_claim(counted, first, last, first + i);
	for (i = 0; i < 12; i++) {
		size = sizes[i % ARRAY_SIZE(sizes)];
		for (got = 0, j = 0; j < size; j++) {
			id = next(counted, first + test_below(&random, IDS),
				  last);
			if (id == INVALID_IOASID)
				continue;
			release(counted, id);
			freed[got++] = id;
		}
		for (j = 0; j < got; j++)
			assert_int_equal(
				claim(counted, first + 1, last, &freed[j]), 0);
	}
}

/* Anywhere, and then few of them are left. */
static void scattered(struct counted *counted, ioasid_t first, ioasid_t last)
{
	static ioasid_t ids[IDS];
	struct test_random random = { 9 };
	ioasid_t min, id, i;

	for (i = 0; i < IDS; i++) {
		min = first + test_below(&random, last - first);
		assert_int_equal(claim(counted, min, last, &ids[i]), 0);
		assert_int_equal(next(counted, min, last), min);
	}
	for (i = 0; i < IDS; i++) {
		if (i % 1000 == 0)
			continue;
		release(counted, ids[i]);
		min = first + test_below(&random, last - first);
		id = next(counted, min, last);
		assert_true(id >= min);
	}
	/* Their cells have gone by now, and what knew them in order. */
	for (i = 1; i < IDS; i += 2) {
		if (i % 1000)
			assert_int_equal(claim(counted, ids[i], last, &min), 0);
	}
}

/* Blocks without a vacancy, far from each other. */
static void blocks(struct counted *counted, ioasid_t first, ioasid_t last)
{
	const ioasid_t distance = (last - first) / 8;
	ioasid_t i, j, id, start;

	for (i = 0; i < 8; i++) {
		start = first + i * distance;
		for (j = 0; j < 5000; j++)
			expect_claim(counted, start, last, start + j);
	}
	for (i = 0; i < 8; i++) {
		start = first + i * distance;
		assert_int_equal(claim(counted, start, start + 4999, &id),
				 -ENOSPC);
		for (j = 0; j < 4999; j++)
			release(counted, start + j);
		assert_int_equal(next(counted, start, last), start + 4999);
		assert_int_equal(next(counted, start + 5000, last),
				 i < 7 ? start + distance : INVALID_IOASID);
	}
}

/* Ranges where IDs end. */
static void at_the_end(struct counted *counted, ioasid_t first, ioasid_t last)
{
	ioasid_t i, id;

	(void)first;
	for (i = last - 9999; i <= last; i++)
		expect_claim(counted, last - 9999, last, i);
	assert_int_equal(claim(counted, last - 9999, last, &id), -ENOSPC);
	for (i = last - 9999; i < last; i++)
		release(counted, i);
	assert_int_equal(next(counted, first, last), last);
	release(counted, last);
	assert_int_equal(next(counted, first, last), INVALID_IOASID);
}

typedef void pattern_func(struct counted *counted, ioasid_t first,
			  ioasid_t last);

static pattern_func *const patterns[] = {
	from_one, alternating, batches, scattered, blocks, at_the_end,
};

static void count(struct fixture *fixture, const struct ioasid_store_ops *ops,
		  pattern_func *pattern, ioasid_t first, ioasid_t last,
		  struct counted *counted)
{
	static const struct ioasid_memory system;
	struct ioasid_store_config config = {
		.min = first, .max = last, .rcu = fixture->rcu, .hash_seed = 1
	};
	const char *reason = NULL;

	assert_int_equal(ioasid_memory_resolve(&system, &config.memory), 0);
	counted->store = (struct ioasid_store){ .ops = ops };
	assert_int_equal(ops->create(&counted->store, &config), 0);
	pattern(counted, first, last);
	if (!ops->validate(&counted->store, &reason))
		fail_msg("not valid: %s", reason);
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
	ops->destroy(&counted->store);
}

static void count_all(struct fixture *fixture,
		      const struct ioasid_store_ops *ops, ioasid_t first,
		      ioasid_t last, struct counted *counted)
{
	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++)
		count(fixture, ops, patterns[i], first, last, counted);
	print_message("%s: claim %lu, release %lu, occupied %lu\n",
		      counted->name, counted->claim, counted->release,
		      counted->occupied);
}

static void bitmap_steps(struct fixture *fixture)
{
	struct counted counted = { .name = "bitmap" };

	count_all(fixture, &inside_bitmap_ops, 64, 64 + (1 << 23), &counted);
	assert_in_range(counted.claim, 1, BITMAP_MOST);
	assert_in_range(counted.release, 1, BITMAP_MOST);
	assert_in_range(counted.occupied, 1, BITMAP_MOST);
}

static void radix_steps(struct fixture *fixture)
{
	struct counted counted = { .name = "radix" };

	count_all(fixture, &inside_radix_ops, 0, INVALID_IOASID - 1, &counted);
	assert_in_range(counted.claim, 1, RADIX_MOST);
	assert_in_range(counted.release, 1, RADIX_MOST);
	assert_in_range(counted.occupied, 1, RADIX_MOST);
}

static void hash_steps(struct fixture *fixture)
{
	struct counted counted = { .name = "hash" };

	count_all(fixture, &inside_hash_ops, 0, INVALID_IOASID - 1, &counted);
	assert_in_range(counted.claim, 1, HASH_MOST);
	assert_in_range(counted.release, 1, HASH_MOST);
	assert_in_range(counted.occupied, 1, HASH_WAY);
}

/* Faults, which the count has to show: IDs are looked at one by one. */
static int claim_one_by_one(struct ioasid_store *store, ioasid_t min,
			    ioasid_t max, ioasid_t *id,
			    struct ioasid_slot **slot)
{
	const struct hash *hash = store->impl;
	bool occupied = true;

	for (; min < max && occupied; min += occupied) {
		IOASID_STEP();
		occupied = false;
		ioasid_order_known(&hash->order, min, &occupied);
	}
	return hash_claim(store, min, max, id, slot);
}

static size_t occupied_one_by_one(const struct ioasid_store *store,
				  ioasid_t min, ioasid_t max, ioasid_t *ids,
				  size_t some)
{
	const struct bitmap *bitmap = store->impl;

	for (; min < max && !bit_of(bitmap->some[0], min - store->first); min++)
		IOASID_STEP();
	return bitmap_occupied(store, min, max, ids, some);
}

static void faults_are_seen(struct fixture *fixture)
{
	struct ioasid_store_ops faulty = inside_hash_ops;
	struct counted counted = { .name = "hash with a fault" };

	faulty.claim = claim_one_by_one;
	count(fixture, &faulty, at_the_end, 0, INVALID_IOASID - 1, &counted);
	assert_true(counted.claim > HASH_MOST);
	counted = (struct counted){ .name = "bitmap with a fault" };
	faulty = inside_bitmap_ops;
	faulty.occupied = occupied_one_by_one;
	count(fixture, &faulty, blocks, 64, 64 + (1 << 23), &counted);
	assert_true(counted.occupied > BITMAP_MOST);
}

int main(void)
{
	static const struct test_case cases[] = {
		CASE(bitmap_steps, NO_SPACE),
		CASE(radix_steps, NO_SPACE),
		CASE(hash_steps, NO_SPACE),
		CASE(faults_are_seen, NO_SPACE),
	};

	return test_run("store_steps", cases, ARRAY_SIZE(cases));
}
