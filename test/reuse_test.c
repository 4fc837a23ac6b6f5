/* SPDX-License-Identifier: MIT */
/* Which ID comes next, when one comes again, and how its uses are told apart. */
#include "test/counts.h"

#include <ioasid/allocator.h>
#include <ioasid/set.h>
#include <ioasid/snapshot.h>

static void *pointer(uintptr_t n)
{
	return (void *)(n << 4);
}

static void reset(struct fixture *fixture, ioasid_t min, ioasid_t max,
		  enum ioasid_reuse reuse, bool quarantine)
{
	struct ioasid_space_config config;

	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	fixture->space = NULL;
	fixture_space_config(fixture, &config, min, max);
	config.reuse = reuse;
	config.quarantine = quarantine;
	assert_int_equal(ioasid_space_create(&config, &fixture->space), 0);
}

/* INVALID_IOASID for -ENOSPC. */
static ioasid_t next(struct fixture *fixture, ioasid_t min, ioasid_t max)
{
	ioasid_t id = INVALID_IOASID;
	int ret = ioasid_space_alloc(fixture->space, NULL, min, max, NULL, &id);

	assert_int_equal(ret, id == INVALID_IOASID ? -ENOSPC : 0);
	return id;
}

/* No turn of a generation is in the way of the next alloc. */
static void drop(struct fixture *fixture, ioasid_t id)
{
	struct ioasid_stats now;

	assert_int_equal(ioasid_space_free(fixture->space, id), 0);
	ioasid_space_stats(fixture->space, &now);
	if (now.quarantined)
		assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
}

/* What readers have left. Some domains get to know a while later. */
static ioasid_t vacated(struct fixture *fixture, ioasid_t min, ioasid_t max)
{
	ioasid_t id = INVALID_IOASID;
	int ret;

	assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
	do {
		ret = ioasid_space_alloc(fixture->space, NULL, min, max, NULL,
					 &id);
	} while (ret == -EAGAIN && fixture->flavour->process_wide);
	assert_int_equal(ret, 0);
	return id;
}

static void policies(struct fixture *fixture)
{
	struct ioasid_space_config config;
	struct ioasid_space *space = NULL;

	fixture_space_config(fixture, &config, 0, 9);
	config.reuse = (enum ioasid_reuse)2;
	assert_int_equal(ioasid_space_create(&config, &space), -EINVAL);
	config.reuse = (enum ioasid_reuse)99;
	assert_int_equal(ioasid_space_create(&config, &space), -EINVAL);
	assert_null(space);
}

static void lowest(struct fixture *fixture)
{
	ioasid_t n;

	reset(fixture, 10, 19, IOASID_REUSE_LOWEST, false);
	for (n = 10; n < 15; n++)
		assert_int_equal(next(fixture, 0, 99), n);
	drop(fixture, 11);
	drop(fixture, 13);
	assert_int_equal(next(fixture, 12, 99), 13);
	assert_int_equal(next(fixture, 0, 99), 11);
	assert_int_equal(next(fixture, 0, 99), 15);
}

static void cyclic(struct fixture *fixture)
{
	unsigned int turn;
	ioasid_t n;

	reset(fixture, 10, 19, IOASID_REUSE_CYCLIC, false);
	/* What was freed stays unused for as long as can be. */
	for (turn = 0; turn < 3; turn++) {
		for (n = 10; n <= 19; n++) {
			assert_int_equal(next(fixture, 0, INVALID_IOASID), n);
			drop(fixture, n);
		}
	}
	/* What is in use is passed over, from the last one on around. */
	assert_int_equal(next(fixture, 12, 13), 12);
	/* An ID that is asked for by itself moves nothing. */
	assert_int_equal(next(fixture, 16, 16), 16);
	assert_int_equal(next(fixture, 0, 99), 13);
	drop(fixture, 13);
	assert_int_equal(next(fixture, 17, 19), 17);
	assert_int_equal(next(fixture, 0, 99), 18);
	assert_int_equal(next(fixture, 0, 99), 19);
	assert_int_equal(next(fixture, 0, 99), 10);
	assert_int_equal(next(fixture, 0, 99), 11);
	assert_int_equal(next(fixture, 0, 99), 13);
	/* Within a range it goes around in the range. */
	drop(fixture, 10);
	assert_int_equal(next(fixture, 10, 14), 14);
	assert_int_equal(next(fixture, 10, 14), 10);
	assert_int_equal(next(fixture, 10, 14), INVALID_IOASID);
	/* The last is above, or below: the lowest of the range. */
	drop(fixture, 17);
	drop(fixture, 18);
	drop(fixture, 11);
	assert_int_equal(next(fixture, 17, 19), 17);
	assert_int_equal(next(fixture, 10, 12), 11);
	assert_int_equal(next(fixture, 10, 19), 15);
	assert_int_equal(next(fixture, 10, 19), 18);
	assert_int_equal(next(fixture, 10, 19), INVALID_IOASID);
	/* A failure moves nothing: the last was 18. */
	drop(fixture, 10);
	drop(fixture, 19);
	assert_int_equal(next(fixture, 0, 99), 19);
	assert_int_equal(next(fixture, 0, 99), 10);
}

static void cyclic_at_the_end(struct fixture *fixture)
{
	unsigned int turn;
	ioasid_t n;

	reset(fixture, INVALID_IOASID - 3, INVALID_IOASID, IOASID_REUSE_CYCLIC,
	      false);
	for (turn = 0; turn < 3; turn++)
		for (n = INVALID_IOASID - 3; n < INVALID_IOASID; n++) {
			assert_int_equal(next(fixture, 0, INVALID_IOASID), n);
			drop(fixture, n);
		}
	reset(fixture, 5, 5, IOASID_REUSE_CYCLIC, false);
	for (turn = 0; turn < 3; turn++) {
		assert_int_equal(next(fixture, 0, 9), 5);
		assert_int_equal(next(fixture, 0, 9), INVALID_IOASID);
		drop(fixture, 5);
	}
}

/* The definition, over whatever comes. */
static void cyclic_by_definition(struct fixture *fixture)
{
	enum { MIN = 3, MAX = 66, STEPS = TEST_LIGHT ? 3000 : 15000 };
	struct test_random random = { 23 };
	bool in_use[MAX + 1] = { false };
	ioasid_t last = INVALID_IOASID;
	unsigned int step, full = 0;

	reset(fixture, MIN, MAX, IOASID_REUSE_CYCLIC, false);
	for (step = 0; step < STEPS; step++) {
		ioasid_t a = test_below(&random, MAX + 20);
		ioasid_t b = test_below(&random, MAX + 20);
		ioasid_t min = a < b ? a : b, max = a < b ? b : a;
		ioasid_t low = min < MIN ? MIN : min;
		ioasid_t high = max > MAX ? MAX : max;
		ioasid_t expected = INVALID_IOASID, id;

		a = test_below(&random, MAX + 1);
		if (in_use[a] && test_below(&random, 3)) {
			drop(fixture, a);
			in_use[a] = false;
		}
		/* From behind the last one, then from below. */
		for (id = low; id <= high; id++)
			if (!in_use[id] && last != INVALID_IOASID && id > last)
				break;
		if (id <= high) {
			expected = id;
		} else {
			for (id = low; id <= high; id++)
				if (!in_use[id])
					break;
			if (id <= high)
				expected = id;
		}
		assert_int_equal(next(fixture, min, max), expected);
		full += expected == INVALID_IOASID;
		if (expected == INVALID_IOASID)
			continue;
		in_use[expected] = true;
		if (low != high)
			last = expected;
	}
	assert_true(full > STEPS / 100);
}

/* What is vacant and may not be had yet. */
static void expect_waiting(struct fixture *fixture, ioasid_t id)
{
	struct ioasid_space *space = fixture->space;
	ioasid_t given = 4321;
	ioasid_handle_t handle;
	void *data = &data;

	assert_int_equal(ioasid_space_alloc(space, NULL, id, id, NULL, &given),
			 -EAGAIN);
	assert_int_equal(given, 4321);
	assert_int_equal(ioasid_space_find(space, NULL, id, NULL, &data),
			 -ENOENT);
	assert_null(data);
	assert_int_equal(ioasid_space_get(space, NULL, id), -ENOENT);
	assert_int_equal(ioasid_space_put(space, id), -ENOENT);
	assert_int_equal(ioasid_space_free(space, id), -ENOENT);
	assert_int_equal(ioasid_space_handle(space, NULL, id, &handle),
			 -ENOENT);
	assert_int_equal(ioasid_space_exchange_data(space, id, NULL, NULL),
			 -ENOENT);
	assert_int_equal(ioasid_space_set_data(space, id, NULL), -ENOENT);
}

static void quarantine(struct fixture *fixture)
{
	struct ioasid_space *space;
	ioasid_t n, id = 4321;

	reset(fixture, 0, 1023, IOASID_REUSE_LOWEST, true);
	space = fixture->space;
	for (n = 0; n < 4; n++)
		assert_int_equal(ioasid_space_alloc(space, NULL, 0, 9,
						    pointer(n), &id),
				 0);
	ioasid_rcu_read_lock(fixture->rcu);
	assert_int_equal(ioasid_space_free(space, 1), 0);
	assert_int_equal(ioasid_space_put(space, 2), 1);
	assert_int_equal(counts(fixture).quarantined, 2);
	assert_int_equal(counts(fixture).committed, 2);
	expect_waiting(fixture, 1);
	expect_waiting(fixture, 2);
	id = 4321;
	/* Nothing but such as wait, or nothing at all. */
	assert_int_equal(ioasid_space_alloc(space, NULL, 0, 3, NULL, &id),
			 -EAGAIN);
	assert_int_equal(ioasid_space_alloc(space, NULL, 2, 3, NULL, &id),
			 -EAGAIN);
	assert_int_equal(ioasid_space_alloc(space, NULL, 0, 0, NULL, &id),
			 -ENOSPC);
	assert_int_equal(ioasid_space_alloc(space, NULL, 3, 3, NULL, &id),
			 -ENOSPC);
	assert_int_equal(ioasid_space_alloc(space, NULL, 2000, 3000, NULL, &id),
			 -ENOSPC);
	assert_int_equal(id, 4321);
	/* Others are passed by. */
	assert_int_equal(next(fixture, 0, 1023), 4);
	/* One with references waits from the last of them on. */
	assert_int_equal(ioasid_space_get(space, NULL, 3), 0);
	assert_int_equal(ioasid_space_free(space, 3), 0);
	assert_int_equal(counts(fixture).quarantined, 2);
	assert_int_equal(ioasid_space_alloc(space, NULL, 3, 3, NULL, &id),
			 -ENOSPC);
	assert_int_equal(ioasid_space_put(space, 3), 1);
	assert_int_equal(counts(fixture).quarantined, 3);
	expect_waiting(fixture, 3);
	/* All of a range in use, at the end of the space's. */
	for (n = 1022; n < 1024; n++)
		assert_int_equal(next(fixture, n, n), n);
	assert_int_equal(ioasid_space_alloc(space, NULL, 1022, 1023, NULL, &id),
			 -ENOSPC);
	/* The only one there, and vacated after those of another grace period. */
	assert_int_equal(ioasid_space_alloc(space, NULL, 3, 4, NULL, &id),
			 -EAGAIN);
	ioasid_rcu_read_unlock(fixture->rcu);
	for (n = 1; n <= 3; n++)
		assert_int_equal(vacated(fixture, 1, n), n);
	assert_int_equal(counts(fixture).quarantined, 0);
	/* And some when the space goes. */
	ioasid_rcu_read_lock(fixture->rcu);
	assert_int_equal(ioasid_space_free(space, 2), 0);
	ioasid_rcu_read_unlock(fixture->rcu);
}

static void do_enter(void *arg)
{
	struct fixture *fixture = arg;

	CHECK(!ioasid_rcu_thread_register(fixture->rcu));
	ioasid_rcu_read_lock(fixture->rcu);
}

static void do_leave(void *arg)
{
	struct fixture *fixture = arg;

	ioasid_rcu_read_unlock(fixture->rcu);
	CHECK(!ioasid_rcu_thread_unregister(fixture->rcu));
}

/* A reader on another thread holds up what was vacated while it was inside. */
static void old_reader(struct fixture *fixture)
{
	struct ioasid_space *space;
	struct actor reader, second;
	unsigned int tries;
	ioasid_t id;

	reset(fixture, 0, 1, IOASID_REUSE_LOWEST, true);
	space = fixture->space;
	assert_int_equal(next(fixture, 0, 9), 0);
	assert_int_equal(next(fixture, 0, 9), 1);
	actor_begin(&reader);
	actor_begin(&second);
	actor_do(&reader, do_enter, fixture);
	assert_int_equal(ioasid_space_free(space, 0), 0);
	ioasid_rcu_quiescent(fixture->rcu);
	for (tries = 0; tries < 100; tries++) {
		assert_int_equal(ioasid_space_alloc(space, NULL, 0, 9, NULL,
						    &id),
				 -EAGAIN);
		ioasid_rcu_quiescent(fixture->rcu);
	}
	/* A second one, vacated while the first waits, and its reader. */
	actor_do(&second, do_enter, fixture);
	assert_int_equal(ioasid_space_free(space, 1), 0);
	ioasid_rcu_quiescent(fixture->rcu);
	assert_int_equal(ioasid_space_alloc(space, NULL, 0, 9, NULL, &id),
			 -EAGAIN);
	actor_do(&reader, do_leave, fixture);
	actor_end(&reader);
	/* The second reader saw 1 in use. */
	for (tries = 0; tries < 100; tries++) {
		assert_int_equal(ioasid_space_alloc(space, NULL, 1, 1, NULL,
						    &id),
				 -EAGAIN);
		ioasid_rcu_quiescent(fixture->rcu);
	}
	actor_do(&second, do_leave, fixture);
	actor_end(&second);
	assert_int_equal(vacated(fixture, 0, 0), 0);
	assert_int_equal(vacated(fixture, 0, 9), 1);
}

/* Each alloc gives some back that have waited; who needs one gets as far. */
static void given_back_by_and_by(struct fixture *fixture)
{
	struct ioasid_space *space;
	ioasid_t n;

	reset(fixture, 0, 99, IOASID_REUSE_LOWEST, true);
	space = fixture->space;
	for (n = 0; n < 40; n++)
		assert_int_equal(next(fixture, 0, 99), n);
	ioasid_rcu_read_lock(fixture->rcu);
	for (n = 0; n < 40; n++)
		assert_int_equal(ioasid_space_free(space, n), 0);
	assert_int_equal(counts(fixture).quarantined, 40);
	ioasid_rcu_read_unlock(fixture->rcu);
	assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
	assert_int_equal(next(fixture, 70, 70), 70);
	assert_in_range(counts(fixture).quarantined, 1, 39);
	for (n = 0; n < 40; n += 39)
		assert_int_equal(next(fixture, n, n), n);
}

static void quarantine_of_many(struct fixture *fixture)
{
	struct test_random random = { 29 };
	struct ioasid_stats now;
	ioasid_t id, n, given = 0;
	unsigned int round;

	for (round = 0; round < 2; round++) {
		reset(fixture, 0, 1023,
		      round ? IOASID_REUSE_CYCLIC : IOASID_REUSE_LOWEST, true);
		for (n = 0; n < 1024; n++)
			assert_int_equal(next(fixture, 0, 1023), n);
		ioasid_rcu_read_lock(fixture->rcu);
		for (n = 0; n < 700; n++)
			if (!ioasid_space_free(fixture->space,
					       test_below(&random, 1024)))
				given++;
		assert_int_equal(counts(fixture).quarantined, given);
		assert_int_equal(ioasid_space_alloc(fixture->space, NULL, 0,
						    1023, NULL, &id),
				 -EAGAIN);
		ioasid_rcu_read_unlock(fixture->rcu);
		assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
		for (; given; given--)
			assert_int_not_equal(next(fixture, 0, 1023),
					     INVALID_IOASID);
		assert_int_equal(next(fixture, 0, 1023), INVALID_IOASID);
		now = counts(fixture);
		assert_int_equal(now.quarantined, 0);
		assert_int_equal(now.live, 1024);
		/* Without readers there is always one again. */
		for (n = 0; n < 200; n++) {
			assert_int_equal(ioasid_space_free(fixture->space, n),
					 0);
			assert_int_equal(ioasid_rcu_synchronize(fixture->rcu),
					 0);
			assert_int_equal(next(fixture, 0, 1023), n);
		}
	}
}

static ioasid_handle_t handle_of(struct fixture *fixture, ioasid_t id)
{
	ioasid_handle_t handle = 4321;

	assert_int_equal(ioasid_space_handle(fixture->space, NULL, id, &handle),
			 0);
	assert_int_equal(ioasid_handle_id(handle), id);
	assert_int_not_equal(ioasid_handle_generation(handle), 0);
	return handle;
}

/* Both kinds of lookups, with a set or none. */
static void expect_handle(struct fixture *fixture, const struct ioasid_set *set,
			  ioasid_handle_t handle, int ret, void *expected)
{
	void *data = &data;

	assert_int_equal(ioasid_space_find_handle(fixture->space, set, handle,
						  NULL, &data),
			 ret);
	assert_ptr_equal(data, ret ? NULL : expected);
	data = &data;
	ioasid_rcu_read_lock(fixture->rcu);
	assert_int_equal(ioasid_space_find_handle_rcu(fixture->space, set,
						      handle, &data),
			 ret);
	ioasid_rcu_read_unlock(fixture->rcu);
	assert_ptr_equal(data, ret ? NULL : expected);
}

/* What cannot be used in any way, and counts as a free of nothing. */
static void expect_dead(struct fixture *fixture, ioasid_handle_t handle,
			int find, int get, int free)
{
	uint64_t unknown = counts(fixture).free_unknown;

	expect_handle(fixture, NULL, handle, find, NULL);
	assert_int_equal(ioasid_space_get_handle(fixture->space, NULL, handle),
			 get);
	assert_int_equal(ioasid_space_free_handle(fixture->space, handle),
			 free);
	/* 0 is no handle at all. */
	assert_in_range(counts(fixture).free_unknown - unknown,
			ioasid_handle_generation(handle) != 0, 1);
}

static bool getter_answer;
static void *getter_data;

static bool getter(void *data)
{
	getter_data = data;
	return getter_answer;
}

static void handles(struct fixture *fixture)
{
	static DECLARE_IOASID_SET(a);
	static DECLARE_IOASID_SET(b);
	struct ioasid_space *space = fixture->space;
	ioasid_handle_t handle, first, old = 0;
	ioasid_t id;
	unsigned int use;
	void *data;
	int ret;

	/* Beside others, lest all is forgotten of it. */
	assert_int_equal(next(fixture, 0, 9), 0);
	for (use = 0; use < 5; use++) {
		do {
			ret = ioasid_space_alloc(space, &a, 1, 1, pointer(use),
						 &id);
		} while (ret == -EAGAIN && fixture->flavour->process_wide);
		assert_int_equal(ret, 0);
		first = handle_of(fixture, 1);
		handle = 4321;
		assert_int_equal(ioasid_space_handle(space, &a, 1, &handle), 0);
		assert_true(handle == first);
		assert_int_equal(ioasid_space_handle(space, &b, 1, &handle),
				 -EACCES);
		assert_true(handle == 0);
		handle = 4321;
		assert_int_equal(ioasid_space_handle(space, NULL, 900, &handle),
				 -ENOENT);
		assert_true(handle == 0);
		assert_true(first != old);
		expect_handle(fixture, NULL, first, 0, pointer(use));
		expect_handle(fixture, &a, first, 0, pointer(use));
		expect_handle(fixture, &b, first, -EACCES, NULL);
		if (use)
			expect_dead(fixture, old, -ESTALE, -ESTALE, -ESTALE);
		assert_int_equal(ioasid_space_get_handle(space, &b, first),
				 -EACCES);
		assert_int_equal(ioasid_space_get_handle(space, &a, first), 0);
		getter_answer = true;
		assert_int_equal(ioasid_space_find_handle(space, NULL, first,
							  getter, &data),
				 0);
		assert_ptr_equal(data, pointer(use));
		assert_ptr_equal(getter_data, pointer(use));
		getter_answer = false;
		assert_int_equal(ioasid_space_find_handle(space, NULL, first,
							  getter, &data),
				 0);
		assert_null(data);
		assert_int_equal(ioasid_space_free_handle(space, first), 0);
		/* pending */
		expect_dead(fixture, first, -ENOENT, -EBUSY, -EBUSY);
		assert_int_equal(ioasid_space_handle(space, NULL, 1, &handle),
				 -ENOENT);
		assert_int_equal(ioasid_space_put(space, 1), 1);
		/* vacant */
		expect_dead(fixture, first, -ENOENT, -ENOENT, -ENOENT);
		old = first;
		assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
	}
	/* None of any use, but the ID's. */
	expect_dead(fixture, 0, -ENOENT, -ENOENT, -ENOENT);
	expect_dead(fixture, 1, -ENOENT, -ENOENT, -ENOENT);
	expect_dead(fixture, INVALID_IOASID, -ENOENT, -ENOENT, -ENOENT);
	expect_dead(fixture, UINT64_MAX, -ENOENT, -ENOENT, -ENOENT);
	expect_handle(fixture, NULL, handle_of(fixture, 0), 0, NULL);
}

static void get_handle_overflow(struct fixture *fixture)
{
	ioasid_handle_t handle;
	uint32_t n;

	assert_int_equal(next(fixture, 0, 9), 0);
	handle = handle_of(fixture, 0);
	for (n = 1; n < IOASID_REFS_MAX; n++)
		assert_int_equal(ioasid_space_get_handle(fixture->space, NULL,
							 handle),
				 0);
	assert_int_equal(ioasid_space_get_handle(fixture->space, NULL, handle),
			 -EOVERFLOW);
	for (n = 1; n < IOASID_REFS_MAX; n++)
		assert_int_equal(ioasid_space_put(fixture->space, 0), 0);
	assert_int_equal(ioasid_space_free_handle(fixture->space, handle), 0);
}

/* Any value may be asked for; none but those handed out are good. */
static void any_handle(struct fixture *fixture)
{
	struct test_random random = { 31 };
	ioasid_handle_t handle;
	unsigned int n;
	void *data;
	int ret;

	for (n = 0; n < 100; n++)
		assert_int_equal(next(fixture, 0, 1023), n);
	for (n = 0; n < 20000; n++) {
		handle = (ioasid_handle_t)test_random(&random) << 32;
		handle |= n % 2 ? test_below(&random, 200) :
				  test_random(&random);
		if (ioasid_handle_id(handle) < 100 &&
		    handle == handle_of(fixture, ioasid_handle_id(handle)))
			continue;
		ret = ioasid_space_find_handle(fixture->space, NULL, handle,
					       NULL, &data);
		assert_true(ret == -ENOENT || ret == -ESTALE);
		/* One that is in use is nobody else's. */
		if (ioasid_handle_id(handle) < 100 && handle >> 32)
			assert_int_equal(ret, -ESTALE);
		assert_int_equal(ioasid_space_get_handle(fixture->space, NULL,
							 handle),
				 ret);
		assert_int_equal(
			ioasid_space_free_handle(fixture->space, handle), ret);
	}
	assert_int_equal(counts(fixture).live, 100);
}

static int compare(const void *a, const void *b)
{
	ioasid_handle_t x = *(const ioasid_handle_t *)a;
	ioasid_handle_t y = *(const ioasid_handle_t *)b;

	return x < y ? -1 : x > y;
}

/* No handle comes twice, whatever the store forgets of vacant IDs. */
static void never_the_same(struct fixture *fixture)
{
	/* Fewer than the generations of the smaller state. */
	enum { USES = 2000, IDS = 60 };
	ioasid_handle_t *handle = malloc(USES * sizeof(*handle));
	struct test_random random = { 37 };
	ioasid_t in_use[IDS], id;
	unsigned int n, at;

	CHECK(handle);
	reset(fixture, 0, 0xffff, IOASID_REUSE_LOWEST, false);
	for (n = 0; n < IDS; n++)
		in_use[n] = INVALID_IOASID;
	for (n = 0; n < USES; n++) {
		at = test_below(&random, n % 500 < 250 ? IDS : 3);
		while (in_use[at] != INVALID_IOASID) {
			drop(fixture, in_use[at]);
			in_use[at] = INVALID_IOASID;
			at = test_below(&random, IDS);
		}
		/* Alone in their leaves, or side by side. */
		id = n % 3 ? at : at * 1000;
		in_use[at] = next(fixture, id, 0xffff);
		handle[n] = handle_of(fixture, in_use[at]);
		ioasid_rcu_quiescent(fixture->rcu);
	}
	qsort(handle, USES, sizeof(*handle), compare);
	for (n = 1; n < USES; n++)
		assert_true(handle[n - 1] != handle[n]);
	free(handle);
}

/*
 * What one ID is used often for must not bring the handles of another back,
 * though the store forgets both meanwhile.
 */
static void a_busy_neighbour(struct fixture *fixture)
{
	enum { FAR = 0xf000, USES = 1800 };
	ioasid_handle_t old[5];
	unsigned int n;

	reset(fixture, 0, 0xffff, IOASID_REUSE_LOWEST, false);
	for (n = 0; n < ARRAY_SIZE(old); n++) {
		assert_int_equal(next(fixture, FAR, FAR), FAR);
		old[n] = handle_of(fixture, FAR);
		drop(fixture, FAR);
	}
	ioasid_space_trim(fixture->space);
	for (n = 0; n < USES; n++) {
		assert_int_equal(next(fixture, 1, 1), 1);
		drop(fixture, 1);
	}
	ioasid_space_trim(fixture->space);
	for (n = 0; n < 2 * ARRAY_SIZE(old); n++) {
		assert_int_equal(next(fixture, FAR, FAR), FAR);
		for (size_t i = 0; i < ARRAY_SIZE(old); i++)
			expect_handle(fixture, NULL, old[i], -ESTALE, NULL);
		drop(fixture, FAR);
	}
}

/* The slot of @id is as after that many uses. */
static void age(struct fixture *fixture, ioasid_t id, uint32_t generation)
{
	struct ioasid_slot *slot =
		ioasid_store_find(&fixture->space->store, id);
	ioasid_state_t state = ioasid_load_relaxed(&slot->state);

	ioasid_store_relaxed(&slot->state,
			     (state & ~IOASID_STATE_GENERATION) |
				     ioasid_state_make(generation, 0, 0,
						       false));
}

/*
 * At each half turn of its generation an ID waits for its readers; after the
 * last comes 1, as 0 is no generation.
 */
static void turns(struct fixture *fixture)
{
	const uint32_t last =
		IOASID_GENERATION_HALF - 1 + IOASID_GENERATION_HALF;
	const uint32_t at[] = { IOASID_GENERATION_HALF - 1, last };
	const uint32_t then[] = { IOASID_GENERATION_HALF, 1 };
	struct ioasid_space *space = fixture->space;
	ioasid_handle_t old;
	unsigned int i;
	ioasid_t id;

	assert_int_equal(next(fixture, 0, 9), 0);
	assert_int_equal(next(fixture, 0, 9), 1);
	for (i = 0; i < 2; i++) {
		age(fixture, 1, at[i] - 1);
		drop(fixture, 1);
		assert_int_equal(counts(fixture).quarantined, 0);
		assert_int_equal(next(fixture, 1, 1), 1);
		old = handle_of(fixture, 1);
		assert_int_equal(ioasid_handle_generation(old), at[i]);
		ioasid_rcu_read_lock(fixture->rcu);
		assert_int_equal(ioasid_space_free(space, 1), 0);
		assert_int_equal(counts(fixture).quarantined, 1);
		assert_int_equal(ioasid_space_alloc(space, NULL, 1, 1, NULL,
						    &id),
				 -EAGAIN);
		expect_dead(fixture, old, -ENOENT, -ENOENT, -ENOENT);
		ioasid_rcu_read_unlock(fixture->rcu);
		assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
		assert_int_equal(next(fixture, 1, 1), 1);
		assert_int_equal(
			ioasid_handle_generation(handle_of(fixture, 1)),
			then[i]);
		expect_dead(fixture, old, -ESTALE, -ESTALE, -ESTALE);
	}
}

/* All the way around, where that is not too far. */
static void whole_turn(struct fixture *fixture)
{
	struct ioasid_space *space = fixture->space;
	ioasid_handle_t first, now = 0;
	uint32_t uses, waited = 0;
	ioasid_t id;
	int ret;

	if (IOASID_GENERATION_BITS > 12) {
		print_message("skipped: 2^%d uses\n", IOASID_GENERATION_BITS);
		skip();
	}
	assert_int_equal(next(fixture, 0, 9), 0);
	assert_int_equal(next(fixture, 0, 9), 1);
	first = handle_of(fixture, 1);
	for (uses = 0; now != first; uses++) {
		ioasid_rcu_read_lock(fixture->rcu);
		if (uses)
			expect_handle(fixture, NULL, first, -ESTALE, NULL);
		assert_int_equal(ioasid_space_free(space, 1), 0);
		ret = ioasid_space_alloc(space, NULL, 1, 1, NULL, &id);
		ioasid_rcu_read_unlock(fixture->rcu);
		if (ret) {
			assert_int_equal(ret, -EAGAIN);
			waited++;
			assert_int_equal(vacated(fixture, 1, 1), 1);
		}
		now = handle_of(fixture, 1);
	}
	/* All but 0. */
	assert_int_equal(uses, (IOASID_GENERATION_HALF - 1) * 2 + 1);
	assert_int_equal(waited, 2);
}

/*
 * However the memory of vacant IDs comes and goes, of every circle of its
 * generations an ID walks at least nine sixteenths use by use.
 */
enum { APART_IDS = 64, CIRCLE = 4096, APART = CIRCLE / 16 * 9 - 1 };

/* Leaves, chunks and a good many cells apart, some of them together. */
static ioasid_t apart(uint32_t i)
{
	return i / 4 * 0xfff + i % 4 * 0x11;
}

/* On the system's memory, which really gives pages back. */
static struct ioasid_space *system_space(struct fixture *fixture)
{
	struct ioasid_space_config config;
	struct ioasid_space *space;

	fixture_space_config(fixture, &config, 0, 0xffff);
	config.memory = (struct ioasid_memory){ 0 };
	assert_int_equal(ioasid_space_create(&config, &space), 0);
	return space;
}

/* To another space, by way of a snapshot. */
static void move(struct fixture *fixture)
{
	struct ioasid_space *to = system_space(fixture);
	unsigned char bytes[256];
	size_t needed;

	assert_int_equal(ioasid_space_snapshot(fixture->space, NULL, bytes,
					       sizeof(bytes), &needed),
			 0);
	assert_int_equal(ioasid_space_restore(to, NULL, bytes, needed), 0);
	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	fixture->space = to;
}

static void handles_stay_apart(struct fixture *fixture)
{
	static uint32_t used[APART_IDS], at[APART_IDS][CIRCLE];
	struct test_random random = { 47 };
	uint32_t generation, hot, n, i, rounds = 0, far = 0;
	bool held[APART_IDS] = { false };
	ioasid_t id;

	if (IOASID_GENERATION_BITS > 12) {
		print_message("skipped: 2^%d uses\n", IOASID_GENERATION_BITS);
		skip();
	}
	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	fixture->space = NULL;
	fixture->space = system_space(fixture);
	memset(used, 0, sizeof(used));
	memset(at, 0, sizeof(at));
	while (rounds++ < 3999) {
		/* One gets far ahead, others are left behind. */
		hot = test_below(&random, 8) ? rounds / 300 * 7 % APART_IDS :
					       test_below(&random, APART_IDS);
		for (n = test_below(&random, 400); n; n--) {
			i = test_below(&random, 50) ?
				    hot :
				    test_below(&random, APART_IDS);
			id = apart(i);
			if (held[i]) {
				drop(fixture, id);
				held[i] = false;
			}
			assert_int_equal(vacated(fixture, id, id), id);
			generation = ioasid_handle_generation(
				handle_of(fixture, id));
			used[i]++;
			if (at[i][generation])
				assert_in_range(used[i] - at[i][generation],
						APART, UINT32_MAX);
			at[i][generation] = used[i];
			far += generation > CIRCLE / 2;
			if (test_below(&random, 100))
				drop(fixture, id);
			else
				held[i] = true;
		}
		for (i = 0; rounds % 20 == 0 && i < APART_IDS; i++) {
			if (held[i])
				drop(fixture, apart(i));
			held[i] = false;
		}
		if (!test_below(&random, 4) || rounds % 20 == 0)
			ioasid_space_trim(fixture->space);
		if (!(rounds % 100))
			counts(fixture);
		if (rounds % 1000)
			continue;
		/* Of worn slots that nobody holds a snapshot knows nothing. */
		move(fixture);
		for (i = 0; i < APART_IDS; i++)
			memset(&at[i][CIRCLE / 16 * 7], 0,
			       CIRCLE / 16 * 9 * sizeof(**at));
	}
	assert_true(far > 1000);
}

/*
 * With quarantine an ID means one thing for as long as a section lasts: a
 * reader who looks twice finds the same, or nothing any more.
 */
enum { READ_IDS = 16, CHANGES = TEST_LIGHT ? 1000 : 4000, LOOKERS = 2 };

struct looker {
	struct fixture *fixture;
	ioasid_atomic_u32 *end;
	ioasid_atomic_u32 found;
	pthread_t thread;
};

static void *look(void *arg)
{
	struct looker *looker = arg;
	struct ioasid_space *space = looker->fixture->space;
	struct ioasid_rcu *rcu = ioasid_space_rcu(space);
	struct test_random random = { 41 };
	void *first, *again;
	unsigned int i;
	ioasid_t id;

	CHECK(!ioasid_rcu_thread_register(rcu));
	while (!ioasid_load_acquire(looker->end)) {
		id = test_below(&random, READ_IDS);
		ioasid_rcu_read_lock(rcu);
		if (!ioasid_space_find_rcu(space, NULL, id, &first)) {
			ioasid_store_relaxed(&looker->found, 1);
			for (i = 0; i < 50; i++) {
				if (ioasid_space_find_rcu(space, NULL, id,
							  &again))
					continue;
				CHECK(again == first);
			}
		}
		ioasid_rcu_read_unlock(rcu);
		ioasid_rcu_quiescent(rcu);
	}
	CHECK(!ioasid_rcu_thread_unregister(rcu));
	return NULL;
}

static void one_meaning(struct fixture *fixture)
{
	struct looker looker[LOOKERS];
	struct test_random random = { 43 };
	bool in_use[READ_IDS] = { false };
	unsigned int i, j = 0, again = 0;
	ioasid_atomic_u32 end;
	ioasid_t id, at;
	int ret;

	reset(fixture, 0, READ_IDS - 1, IOASID_REUSE_LOWEST, true);
	memset(&end, 0, sizeof(end));
	for (i = 0; i < LOOKERS; i++) {
		looker[i] = (struct looker){ .fixture = fixture, .end = &end };
		CHECK(!pthread_create(&looker[i].thread, NULL, look,
				      &looker[i]));
	}
	/* And for as long as one has not found anything. */
	for (i = 0; i < CHANGES || j < LOOKERS; i++) {
		while (j < LOOKERS && ioasid_load_relaxed(&looker[j].found))
			j++;
		ioasid_rcu_quiescent(fixture->rcu);
		at = test_below(&random, READ_IDS);
		if (in_use[at]) {
			CHECK(!ioasid_space_free(fixture->space, at));
			in_use[at] = false;
			continue;
		}
		ret = ioasid_space_alloc(fixture->space, NULL, at, at,
					 pointer(i + 1), &id);
		CHECK(!ret || ret == -EAGAIN);
		again += ret == -EAGAIN;
		in_use[at] = !ret;
	}
	ioasid_store_release(&end, 1);
	ioasid_rcu_thread_offline(fixture->rcu);
	for (i = 0; i < LOOKERS; i++)
		CHECK(!pthread_join(looker[i].thread, NULL));
	ioasid_rcu_thread_online(fixture->rcu);
	print_message("%u told to try again\n", again);
	counts(fixture);
}

/* The caller's cursor: asks from *@at on, expects @ret and, but on error, @id. */
static void from_cursor(struct fixture *fixture, ioasid_t min, ioasid_t max,
			ioasid_t *at, int ret, ioasid_t id)
{
	ioasid_t given = 4321, before = *at;
	void *data;

	assert_int_equal(ioasid_space_alloc_cyclic(fixture->space, NULL, min,
						   max, pointer(id), at,
						   &given),
			 ret);
	if (ret < 0) {
		assert_int_equal(given, 4321);
		assert_int_equal(*at, before);
		return;
	}
	assert_int_equal(given, id);
	assert_int_equal(*at, id + 1);
	assert_int_equal(
		ioasid_space_find(fixture->space, NULL, id, NULL, &data), 0);
	assert_ptr_equal(data, pointer(id));
}

static const enum ioasid_reuse either[] = { IOASID_REUSE_LOWEST,
					    IOASID_REUSE_CYCLIC };

static void own_cursor(struct fixture *fixture)
{
	for (size_t i = 0; i < ARRAY_SIZE(either); i++) {
		ioasid_t at = 0;

		reset(fixture, 10, 19, either[i], false);
		/* Below, inside and above the range: the lowest is taken. */
		from_cursor(fixture, 12, 15, &at, 0, 12);
		from_cursor(fixture, 12, 15, &at, 0, 13);
		drop(fixture, 12);
		from_cursor(fixture, 12, 15, &at, 0, 14);
		from_cursor(fixture, 12, 15, &at, 0, 15);
		assert_int_equal(at, 16);
		/* Around: the cursor was above what it found. */
		from_cursor(fixture, 12, 15, &at, 1, 12);
		from_cursor(fixture, 12, 15, &at, -ENOSPC, 0);
		drop(fixture, 14);
		from_cursor(fixture, 12, 15, &at, 0, 14);
		drop(fixture, 13);
		from_cursor(fixture, 12, 15, &at, 1, 13);
		/* What lies outside of the range: from its lowest on. */
		at = 99;
		from_cursor(fixture, 16, 17, &at, 1, 16);
		at = INVALID_IOASID;
		from_cursor(fixture, 16, 17, &at, 1, 17);
		at = 3;
		from_cursor(fixture, 0, INVALID_IOASID, &at, 0, 10);
		/* The space's own range cuts both off. */
		at = 5;
		drop(fixture, 10);
		from_cursor(fixture, 0, 10, &at, 0, 10);
		from_cursor(fixture, 0, 11, &at, 0, 11);
		from_cursor(fixture, 20, 30, &at, -ENOSPC, 0);
		from_cursor(fixture, 0, 9, &at, -ENOSPC, 0);
		from_cursor(fixture, 15, 14, &at, -EINVAL, 0);
	}
}

/* Each has its own: what one frees is not what the other is given next. */
static void two_cursors(struct fixture *fixture)
{
	for (size_t i = 0; i < ARRAY_SIZE(either); i++) {
		ioasid_t low = 0, high = 0;

		reset(fixture, 0, 199, either[i], false);
		for (ioasid_t n = 0; n < 200; n++) {
			from_cursor(fixture, 0, 99, &low, n == 100, n % 100);
			drop(fixture, n % 100);
			from_cursor(fixture, 100, 199, &high, n == 100,
				    100 + n % 100);
			drop(fixture, 100 + n % 100);
		}
	}
}

/* Nor do the caller's cursors move the space's, nor IDs asked for that. */
static void cursors_apart(struct fixture *fixture)
{
	ioasid_t at = 50;

	reset(fixture, 0, 99, IOASID_REUSE_CYCLIC, false);
	assert_int_equal(next(fixture, 0, 99), 0);
	from_cursor(fixture, 0, 99, &at, 0, 50);
	assert_int_equal(next(fixture, 0, 99), 1);
	assert_int_equal(next(fixture, 70, 70), 70);
	assert_int_equal(next(fixture, 0, 99), 2);
	/* Cut to one ID is not asked for by itself, nor is a failure a move. */
	assert_int_equal(next(fixture, 70, 70), INVALID_IOASID);
	assert_int_equal(next(fixture, 0, 99), 3);
	from_cursor(fixture, 0, 99, &at, 0, 51);
}

static void cursor_at_the_end(struct fixture *fixture)
{
	const ioasid_t last = 999, top = INVALID_IOASID - 1;
	ioasid_t at;

	reset(fixture, 0, last, IOASID_REUSE_LOWEST, false);
	at = last;
	from_cursor(fixture, 0, INVALID_IOASID, &at, 0, last);
	from_cursor(fixture, 0, INVALID_IOASID, &at, 1, 0);
	from_cursor(fixture, 0, INVALID_IOASID, &at, 0, 1);
	reset(fixture, INVALID_IOASID - 9, INVALID_IOASID, IOASID_REUSE_LOWEST,
	      false);
	at = top;
	from_cursor(fixture, 0, INVALID_IOASID, &at, 0, top);
	assert_int_equal(at, INVALID_IOASID);
	from_cursor(fixture, 0, INVALID_IOASID, &at, 1, INVALID_IOASID - 9);
	at = top;
	from_cursor(fixture, top, top, &at, -ENOSPC, 0);
}

/* Against the definition, at random, on many IDs. */
static void cursor_by_definition(struct fixture *fixture)
{
	enum { IDS = 300, STEPS = 6000 };
	struct test_random random = { 12 };
	static bool used[IDS];
	ioasid_t at = 0, min, max, id, expected;
	uint32_t wraps = 0, full = 0;

	memset(used, 0, sizeof(used));
	reset(fixture, 0, IDS - 1, IOASID_REUSE_LOWEST, false);
	for (int n = 0; n < STEPS; n++) {
		id = test_below(&random, IDS);
		if (used[id] && n / 500 % 2) {
			drop(fixture, id);
			used[id] = false;
		}
		min = test_below(&random, IDS);
		max = min + test_below(&random, IDS - min);
		if (!test_below(&random, 4))
			at = test_below(&random, IDS + 10);
		expected = at < min || at > max ? min : at;
		while (expected <= max && used[expected])
			expected++;
		if (expected > max)
			for (expected = min; expected <= max; expected++)
				if (!used[expected])
					break;
		if (expected > max) {
			from_cursor(fixture, min, max, &at, -ENOSPC, 0);
			full++;
			continue;
		}
		wraps += expected < at;
		from_cursor(fixture, min, max, &at, expected < at, expected);
		used[expected] = true;
	}
	assert_true(wraps > 20 && full > 20);
}

static ioasid_t give_seven(ioasid_t min, ioasid_t max, void *data)
{
	(void)data;
	return min <= 7 && 7 <= max ? 7 : INVALID_IOASID;
}

static void take_any(ioasid_t id, void *data)
{
	(void)id;
	(void)data;
}

/* An allocator is asked for the whole range; who is told may be asked too. */
static void cursor_of_allocators(struct fixture *fixture)
{
	struct ioasid_allocator_ops ops = { .alloc = give_seven,
					    .free = take_any };
	ioasid_t at = 3;

	reset(fixture, 0, 9, IOASID_REUSE_CYCLIC, false);
	assert_int_equal(ioasid_space_register_allocator(fixture->space, &ops),
			 0);
	from_cursor(fixture, 0, 9, &at, 0, 7);
	drop(fixture, 7);
	from_cursor(fixture, 0, 9, &at, 1, 7);
	from_cursor(fixture, 0, 9, &at, -EEXIST, 0);
	drop(fixture, 7);
	from_cursor(fixture, 0, 6, &at, -ENOSPC, 0);
}

/* Quota, foreign sets, and what waits for readers, as for any alloc. */
static void cursor_refused(struct fixture *fixture)
{
	const struct ioasid_set_config one = { .quota = 1 };
	struct ioasid_space *space;
	static DECLARE_IOASID_SET(foreign);
	struct ioasid_space_config config;
	struct ioasid_stats before, now;
	struct ioasid_set *set;
	ioasid_t at = 0, id = 4321;

	fixture_space_config(fixture, &config, 0, 9);
	assert_int_equal(ioasid_space_create(&config, &space), 0);
	assert_int_equal(ioasid_set_bind(space, &foreign, NULL), 0);
	reset(fixture, 0, 9, IOASID_REUSE_LOWEST, true);
	assert_int_equal(ioasid_set_create(fixture->space, &one, &set), 0);
	assert_int_equal(ioasid_space_alloc_cyclic(fixture->space, set, 0, 9,
						   NULL, &at, &id),
			 0);
	assert_int_equal(id, 0);
	before = counts(fixture);
	assert_int_equal(ioasid_space_alloc_cyclic(fixture->space, set, 0, 9,
						   NULL, &at, &id),
			 -EDQUOT);
	assert_int_equal(ioasid_space_alloc_cyclic(fixture->space, &foreign, 0,
						   9, NULL, &at, &id),
			 -EXDEV);
	assert_int_equal(at, 1);
	assert_int_equal(id, 0);
	now = counts(fixture);
	before.alloc_failed += 2;
	expect_equal_stats(&before, &now);
	ioasid_rcu_read_lock(fixture->rcu);
	assert_int_equal(ioasid_space_free(fixture->space, 0), 0);
	from_cursor(fixture, 0, 0, &at, -EAGAIN, 0);
	ioasid_rcu_read_unlock(fixture->rcu);
	assert_int_equal(ioasid_space_destroy(space), 0);
}

/* The calls that share a cursor may come from any thread. */
struct turns_taken {
	struct fixture *fixture;
	ioasid_t *at;
	ioasid_atomic_u32 *times;
};

enum { SHARED = 4000 };

static void take_turns(void *arg)
{
	struct turns_taken *taken = arg;
	struct ioasid_rcu *rcu = taken->fixture->rcu;
	ioasid_t id;
	int ret;

	CHECK(!ioasid_rcu_thread_register(rcu));
	for (int n = 0; n < SHARED / 4; n++) {
		ret = ioasid_space_alloc_cyclic(taken->fixture->space, NULL, 0,
						SHARED - 1, NULL, taken->at,
						&id);
		CHECK(!ret);
		ioasid_fetch_add_acq_rel(&taken->times[id], 1);
		CHECK(!ioasid_space_free(taken->fixture->space, id));
		ioasid_rcu_quiescent(rcu);
	}
	ioasid_rcu_thread_unregister(rcu);
}

/* Though each is freed at once, every ID has its turn. */
static void shared_cursor(struct fixture *fixture)
{
	static ioasid_atomic_u32 times[SHARED];
	struct actor actor[4];
	ioasid_t at = 0;
	struct turns_taken taken = { fixture, &at, times };
	unsigned int i;

	for (i = 0; i < SHARED; i++)
		ioasid_store_relaxed(&times[i], 0);
	reset(fixture, 0, SHARED - 1, IOASID_REUSE_LOWEST, false);
	for (i = 0; i < ARRAY_SIZE(actor); i++) {
		actor_begin(&actor[i]);
		actor_start(&actor[i], take_turns, &taken);
	}
	for (i = 0; i < ARRAY_SIZE(actor); i++)
		actor_end(&actor[i]);
	assert_int_equal(at, SHARED);
	for (i = 0; i < SHARED; i++)
		assert_int_equal(ioasid_load_relaxed(&times[i]), 1);
}

int main(void)
{
	static const struct test_case cases[] = {
		CASE(policies, NO_SPACE),
		CASE(lowest, PER_STORE),
		CASE(cyclic, PER_STORE),
		CASE(cyclic_at_the_end, PER_STORE),
		CASE(cyclic_by_definition, PER_STORE),
		CASE(own_cursor, PER_STORE),
		CASE(two_cursors, PER_STORE),
		CASE(cursors_apart, PER_STORE),
		CASE(cursor_at_the_end, PER_STORE),
		CASE(cursor_by_definition, PER_STORE),
		CASE(cursor_of_allocators, PER_STORE),
		CASE(cursor_refused, PER_STORE),
		CASE(shared_cursor, PER_STORE | THREADS),
		CASE(quarantine, PER_STORE | PER_FLAVOUR),
		CASE(old_reader, PER_STORE | PER_FLAVOUR | THREADS),
		CASE(given_back_by_and_by, PER_STORE),
		CASE(quarantine_of_many, PER_STORE),
		CASE(handles, PER_STORE | PER_FLAVOUR),
		CASE(get_handle_overflow, PER_STORE),
		CASE(any_handle, PER_STORE),
		CASE(never_the_same, PER_STORE),
		CASE(a_busy_neighbour, PER_STORE),
		CASE(turns, PER_STORE | PER_FLAVOUR),
		CASE(whole_turn, PER_STORE),
		CASE(handles_stay_apart, PER_STORE),
		CASE(one_meaning, PER_STORE | PER_FLAVOUR | THREADS),
	};

	return test_run("reuse", cases, ARRAY_SIZE(cases));
}
