/* SPDX-License-Identifier: MIT */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE
#endif
#include "test/fixture.h"

#if TEST_POSIX
#include <sys/mman.h>
#include <unistd.h>
#endif

/* Memory comes back: by itself, and what is left by ioasid_space_trim(). */

enum { IDS = 20000, MOST = TEST_LIGHT ? 100000 : 1000000 };

static size_t held(struct ioasid_space *space)
{
	struct ioasid_stats stats;

	ioasid_space_stats(space, &stats);
	return stats.memory;
}

static void fill(struct ioasid_space *space, uint32_t count)
{
	ioasid_t id;

	for (uint32_t i = 0; i < count; i++)
		CHECK(!ioasid_space_alloc(space, NULL, 0, UINT32_MAX, NULL,
					  &id));
}

static void empty(struct ioasid_space *space, uint32_t count)
{
	for (ioasid_t id = 0; id < count; id++)
		CHECK(!ioasid_space_free(space, id));
	CHECK(!ioasid_rcu_barrier(ioasid_space_rcu(space)));
}

static void check_valid(struct ioasid_space *space)
{
	const char *reason = NULL;

	if (!ioasid_space_validate(space, &reason))
		fail_msg("not valid: %s", reason);
}

#ifndef IOASID_GENERATION_START
static ioasid_state_t generation(struct ioasid_space *space, ioasid_t id)
{
	struct ioasid_slot *slot = ioasid_store_find(&space->store, id);

	assert_non_null(slot);
	return ioasid_state_generation(ioasid_load_relaxed(&slot->state));
}

#endif

/* Of a million IDs nothing near a million IDs' memory is left. */
static void back_to_empty(struct fixture *fixture)
{
	struct ioasid_space_config config;
	/* What searches an array takes its time. */
	const uint32_t count =
		fixture->store->kind == IOASID_STORE_CUSTOM ? 1000 : MOST;
	struct ioasid_space *space;
	size_t before, full, after;
	bool trims;

	fixture_space_config(fixture, &config, 0, count - 1);
	assert_int_equal(ioasid_space_create(&config, &space), 0);
	trims = space->store.ops->trim != NULL;
	before = held(space);
	fill(space, count);
	full = held(space);
	empty(space, count);
	after = held(space);
	if (fixture->store->kind == IOASID_STORE_RADIX ||
	    fixture->store->kind == IOASID_STORE_HASH) {
		assert_true(full - before > (size_t)count * 8);
		assert_true(after - before < (full - before) / 100);
	}
	ioasid_space_trim(space);
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
	if (trims)
		assert_int_equal(held(space), before);
	check_valid(space);
	fill(space, count / 100);
	check_valid(space);
	assert_int_equal(ioasid_space_destroy(space), 0);
}

/* Between IDs in use, in any state; all goes on as before. */
static void keeps_what_is_used(struct fixture *fixture)
{
	struct ioasid_space *space = fixture->space;
	struct test_random random = { 1 };
	static bool live[IDS];
	unsigned int round;
	void *data;
	ioasid_t id;

	memset(live, 0, sizeof(live));
	assert_int_equal(ioasid_space_destroy(space), 0);
	fixture_space(fixture, 0, IDS - 1);
	space = fixture->space;
	for (round = 0; round < 40; round++) {
		uint32_t from = test_below(&random, IDS);
		uint32_t to = from + test_below(&random, IDS / 2);

		for (id = from; id < to && id < IDS; id++) {
			if (live[id])
				CHECK(!ioasid_space_free(space, id));
			else
				CHECK(!ioasid_space_alloc(
					space, NULL, id, id,
					(void *)(uintptr_t)(id + 1), &id));
			live[id] = !live[id];
		}
		ioasid_space_trim(space);
		if (round % 4 == 0)
			check_valid(space);
		for (id = 0; id < IDS; id++) {
			int ret =
				ioasid_space_find(space, NULL, id, NULL, &data);

			CHECK(ret == (live[id] ? 0 : -ENOENT));
			CHECK(ret || data == (void *)(uintptr_t)(id + 1));
		}
		ioasid_rcu_quiescent(fixture->rcu);
	}
	for (id = 0; id < IDS; id++)
		if (live[id])
			CHECK(!ioasid_space_free(space, id));
}

/* Wherever one ID is that stays where many were. */
static void keeps_a_single_one(struct fixture *fixture)
{
	struct ioasid_space_config config;
	const uint32_t count = 520;
	ioasid_handle_t before, after;
	struct ioasid_space *space;
	void *data;

	fixture_space_config(fixture, &config, 0, IDS - 1);
	/* The system's, which really gives pages back. */
	config.memory = (struct ioasid_memory){ 0 };
	assert_int_equal(ioasid_space_create(&config, &space), 0);
	for (ioasid_t stays = 0; stays < count; stays += 13) {
		fill(space, count);
		assert_int_equal(ioasid_space_exchange_data(space, stays, &data,
							    NULL),
				 0);
		assert_int_equal(
			ioasid_space_handle(space, NULL, stays, &before), 0);
		for (ioasid_t id = 0; id < count; id++)
			if (id != stays)
				CHECK(!ioasid_space_free(space, id));
		assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
		ioasid_space_trim(space);
		check_valid(space);
		assert_int_equal(
			ioasid_space_handle(space, NULL, stays, &after), 0);
		assert_true(after == before);
		assert_int_equal(
			ioasid_space_find(space, NULL, stays, NULL, &data), 0);
		assert_ptr_equal(data, &data);
		CHECK(!ioasid_space_free(space, stays));
	}
	assert_int_equal(ioasid_space_destroy(space), 0);
}

/* A pending ID's slot stays, and its references count. */
static void keeps_pending(struct fixture *fixture)
{
	struct ioasid_space *space = fixture->space;
	ioasid_t id;

	assert_int_equal(ioasid_space_alloc(space, NULL, 77, 77, NULL, &id), 0);
	assert_int_equal(ioasid_space_get(space, NULL, id), 0);
	assert_int_equal(ioasid_space_free(space, id), 0);
	ioasid_space_trim(space);
	assert_int_equal(ioasid_space_get(space, NULL, id), -EBUSY);
	assert_int_equal(ioasid_space_put(space, id), 1);
	ioasid_space_trim(space);
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
	assert_int_equal(ioasid_space_alloc(space, NULL, 77, 77, NULL, &id), 0);
	assert_int_equal(ioasid_space_free(space, id), 0);
}

#ifndef IOASID_GENERATION_START
/* Gives back no more than it is allowed to. */
struct stingy {
	struct ioasid_memory memory;
	size_t most;
};

static void *stingy_alloc(void *context, size_t size)
{
	struct stingy *stingy = context;

	return stingy->memory.alloc(stingy->memory.context, size);
}

static void stingy_free(void *context, void *memory, size_t size)
{
	struct stingy *stingy = context;

	stingy->memory.free(stingy->memory.context, memory, size);
}

static void *stingy_reserve(void *context, size_t size)
{
	struct stingy *stingy = context;

	return stingy->memory.reserve(stingy->memory.context, size);
}

static void stingy_release(void *context, void *memory, size_t size)
{
	struct stingy *stingy = context;

	stingy->memory.release(stingy->memory.context, memory, size);
}

static size_t stingy_discard(void *context, void *memory, size_t size)
{
	struct stingy *stingy = context;

	(void)memory;
	return size < stingy->most ? size : stingy->most;
}

/* What was given back in part only is asked for again. */
static void given_back_in_part(struct fixture *fixture)
{
	struct stingy stingy = { test_memory_hooks(&fixture->memory, true),
				 4096 };
	struct ioasid_space_config config;
	struct ioasid_space *space;
	size_t given;

	fixture_space_config(fixture, &config, 0, IDS - 1);
	config.memory = (struct ioasid_memory){
		.alloc = stingy_alloc,
		.free = stingy_free,
		.reserve = stingy_reserve,
		.release = stingy_release,
		.discard = stingy_discard,
		.context = &stingy,
	};
	assert_int_equal(ioasid_space_create(&config, &space), 0);
	fill(space, IDS);
	empty(space, IDS);
	for (unsigned int i = 0; i < 2; i++) {
		given = ioasid_space_trim(space);
		if (fixture->store->kind == IOASID_STORE_BITMAP)
			assert_int_equal(given, 4096);
	}
	stingy.most = SIZE_MAX;
	given = ioasid_space_trim(space);
	if (fixture->store->kind == IOASID_STORE_BITMAP)
		assert_true(given > IDS / 2 * sizeof(struct ioasid_slot));
	/* That was all. */
	assert_int_equal(ioasid_space_trim(space), 0);
	check_valid(space);
	assert_int_equal(ioasid_space_destroy(space), 0);
}

/*
 * A generation never comes again after trim: who was held up between two looks
 * at the slot would take the new one for the old.
 */
static void generations_go_on(struct fixture *fixture)
{
	struct ioasid_space_config config;
	struct ioasid_space *space;
	ioasid_state_t before;
	unsigned int round;
	ioasid_t id;

	fixture_space_config(fixture, &config, 0, IDS - 1);
	/* The system's, which really gives pages back. */
	config.memory = (struct ioasid_memory){ 0 };
	assert_int_equal(ioasid_space_create(&config, &space), 0);
	for (round = 0; round < 5; round++) {
		assert_int_equal(ioasid_space_alloc(space, NULL, 300, 300, NULL,
						    &id),
				 0);
		before = generation(space, 300);
		assert_int_equal(ioasid_space_free(space, 300), 0);
		ioasid_space_trim(space);
		assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
		assert_int_equal(ioasid_space_alloc(space, NULL, 300, 300, NULL,
						    &id),
				 0);
		if (IOASID_STATE_BITS == 64)
			assert_true(generation(space, 300) > before);
		else
			assert_true(generation(space, 300) != before);
		assert_int_equal(ioasid_space_free(space, 300), 0);
	}
	assert_int_equal(ioasid_space_destroy(space), 0);
}

#if TEST_POSIX
static size_t resident(void *start, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = size / page;
	unsigned char *map = malloc(pages);
	size_t count = 0;

	CHECK(map);
	start = (void *)(((uintptr_t)start + page - 1) & -(uintptr_t)page);
	assert_int_equal(mincore(start, (pages - 1) * page, map), 0);
	for (size_t i = 0; i < pages - 1; i++)
		count += map[i] & 1;
	free(map);
	return count * page;
}

/* The system has the pages of the bitmap's array again. */
static void bitmap_pages(struct fixture *fixture)
{
	struct ioasid_space_config config = {
		.min = 5,
		.max = 5 + 262143,
		.store = IOASID_STORE_BITMAP,
	};
	const size_t size = 262144 * sizeof(struct ioasid_slot);
	struct ioasid_space *space;
	void *array;
	ioasid_t id;
	size_t given;

	(void)fixture;
	assert_int_equal(ioasid_space_create(&config, &space), 0);
	array = ioasid_store_find(&space->store, 5);
	for (uint32_t i = 0; i < 262144; i++)
		CHECK(!ioasid_space_alloc(space, NULL, 0, UINT32_MAX, NULL,
					  &id));
	assert_true(resident(array, size) >= size - 8192);
	for (id = 5; id < 5 + 262144; id++)
		if (id != 100000)
			CHECK(!ioasid_space_free(space, id));
	given = ioasid_space_trim(space);
	assert_in_range(given, size - 128 * 1024, size);
	/* The one that is left keeps a page. */
	assert_in_range(resident(array, size), 1, 128 * 1024);
	assert_int_equal(ioasid_space_find(space, NULL, 100000, NULL, &array),
			 0);
	/* Nothing more to give. */
	assert_true(ioasid_space_trim(space) < 128 * 1024);
	check_valid(space);
	assert_int_equal(ioasid_space_destroy(space), 0);
}

enum { LARGE_PAGE = 64 << 10 };

static void *reserve_large(void *context, size_t size)
{
	void *block = NULL;

	(void)context;
	CHECK(!posix_memalign(&block, LARGE_PAGE, size));
	return memset(block, 0, size);
}

static void release_large(void *context, void *memory, size_t size)
{
	(void)context;
	(void)size;
	free(memory);
}

static size_t discard_large(void *context, void *memory, size_t size)
{
	uintptr_t start = (uintptr_t)memory, end = start + size;

	(void)context;
	start = (start + LARGE_PAGE - 1) & -(uintptr_t)LARGE_PAGE;
	end &= -(uintptr_t)LARGE_PAGE;
	/* The bytes may stay: readers may be looking at them. */
	return end > start ? end - start : 0;
}

/* A page that is given back in parts is given back, and is counted once. */
static void bitmap_large_pages(struct fixture *fixture)
{
	struct ioasid_space_config config = {
		.max = 262143,
		.store = IOASID_STORE_BITMAP,
	};
	const size_t size = 262144 * sizeof(struct ioasid_slot);
	struct ioasid_space *space;
	size_t given;
	ioasid_t id;

	config.memory = test_memory_hooks(&fixture->memory, false);
	config.memory.reserve = reserve_large;
	config.memory.release = release_large;
	config.memory.discard = discard_large;
	assert_int_equal(ioasid_space_create(&config, &space), 0);
	fill(space, 262144);
	for (id = 0; id < 262144; id++)
		if (id != 100000)
			CHECK(!ioasid_space_free(space, id));
	given = ioasid_space_trim(space);
	assert_in_range(given, size - 2 * LARGE_PAGE, size - LARGE_PAGE);
	assert_in_range(ioasid_space_trim(space), 0, 4 * LARGE_PAGE);
	assert_int_equal(ioasid_space_free(space, 100000), 0);
	assert_in_range(ioasid_space_trim(space), LARGE_PAGE, 6 * LARGE_PAGE);
	for (int i = 0; i < 3; i++)
		ioasid_space_trim(space);
	assert_int_equal(ioasid_space_trim(space), 0);
	check_valid(space);
	assert_int_equal(ioasid_space_destroy(space), 0);
}
#endif
#endif

int main(void)
{
	static const struct test_case cases[] = {
		CASE(back_to_empty, PER_STORE | NO_SPACE),
		CASE(keeps_what_is_used, PER_STORE),
		CASE(keeps_a_single_one, PER_STORE | NO_SPACE),
		CASE(keeps_pending, PER_STORE),
/* Near their turn generations start over, and bitmap keeps such slots. */
#ifndef IOASID_GENERATION_START
		CASE(given_back_in_part, PER_STORE | NO_SPACE),
		CASE(generations_go_on, PER_STORE | NO_SPACE),
#if TEST_POSIX
		CASE(bitmap_pages, NO_SPACE),
		CASE(bitmap_large_pages, NO_SPACE),
#endif
#endif
	};

	return test_run("trim", cases, ARRAY_SIZE(cases));
}
