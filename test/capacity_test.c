/* SPDX-License-Identifier: MIT */
/* Capacity of a space, what is set aside of it, and quotas: nothing gets lost. */
#include "test/counts.h"

#include <ioasid/allocator.h>
#include <ioasid/notifier.h>
#include <ioasid/set.h>

static void expect(struct fixture *fixture, uint32_t capacity,
		   uint32_t committed, uint32_t reserved)
{
	struct ioasid_stats now = counts(fixture);

	assert_int_equal(now.capacity, capacity);
	assert_int_equal(now.committed, committed);
	assert_int_equal(now.reserved, reserved);
}

static void reset(struct fixture *fixture, ioasid_t min, ioasid_t max,
		  uint32_t capacity)
{
	struct ioasid_space_config config;

	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	fixture->space = NULL;
	fixture_space_config(fixture, &config, min, max);
	config.capacity = capacity;
	assert_int_equal(ioasid_space_create(&config, &fixture->space), 0);
}

static struct ioasid_set *make(struct fixture *fixture, uint32_t quota,
			       uint32_t reserved)
{
	const struct ioasid_set_config config = { NULL, NULL, quota, reserved };
	struct ioasid_set *set = NULL;

	assert_int_equal(ioasid_set_create(fixture->space, &config, &set), 0);
	return set;
}

static uint32_t count_of(struct fixture *fixture, const struct ioasid_set *set)
{
	struct ioasid_set_info info;

	assert_int_equal(ioasid_set_stats(fixture->space, set, &info), 0);
	return info.count;
}

static int give(struct fixture *fixture, struct ioasid_set *set, ioasid_t id)
{
	ioasid_t given = INVALID_IOASID;
	int ret = ioasid_space_alloc(fixture->space, set, id, id, NULL, &given);

	assert_int_equal(given, ret ? INVALID_IOASID : id);
	return ret;
}

static void configured(struct fixture *fixture)
{
	static const struct {
		ioasid_t min, max;
		uint32_t capacity, is;
	} of[] = {
		{ 0, 1023, 0, 1024 },
		{ 0, 1023, 1, 1 },
		{ 0, 1023, 1024, 1024 },
		{ 0, 1023, 1025, 1024 },
		{ 0, 1023, UINT32_MAX, 1024 },
		{ 7, 7, 0, 1 },
		{ INVALID_IOASID - 2, INVALID_IOASID, 0, 2 },
		{ INVALID_IOASID - 2, INVALID_IOASID, 3, 2 },
		{ 0, 0, 0, UINT32_MAX },
		{ 0, 0, UINT32_MAX, UINT32_MAX },
		{ 0, UINT32_MAX, 5, 5 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(of); i++) {
		if (fixture->store->kind == IOASID_STORE_BITMAP &&
		    of[i].is > 1025)
			continue;
		if (fixture->store->kind == IOASID_STORE_BITMAP && !of[i].min &&
		    of[i].max != 1023)
			continue;
		reset(fixture, of[i].min, of[i].max, of[i].capacity);
		expect(fixture, of[i].is, 0, 0);
	}
}

static void exhausted(struct fixture *fixture)
{
	struct ioasid_space *space;
	struct ioasid_stats before;
	struct ioasid_set *set;
	ioasid_t id = 4321, n;

	reset(fixture, 0, 1023, 5);
	space = fixture->space;
	for (n = 0; n < 4; n++)
		assert_int_equal(give(fixture, NULL, 3 * n), 0);
	set = make(fixture, 0, 0);
	assert_int_equal(give(fixture, set, 100), 0);
	before = counts(fixture);
	assert_int_equal(before.committed, 5);
	assert_int_equal(ioasid_space_alloc(space, NULL, 0, INVALID_IOASID,
					    NULL, &id),
			 -ENOSPC);
	assert_int_equal(ioasid_space_alloc(space, set, 0, INVALID_IOASID, NULL,
					    &id),
			 -ENOSPC);
	assert_int_equal(id, 4321);
	before.alloc_failed += 2;
	expect_counts(fixture, &before);
	/* Pending ones take part until they are vacant. */
	assert_int_equal(ioasid_space_get(space, NULL, 3), 0);
	assert_int_equal(ioasid_space_free(space, 3), 0);
	expect(fixture, 5, 5, 0);
	assert_int_equal(give(fixture, NULL, 200), -ENOSPC);
	assert_int_equal(ioasid_space_put(space, 3), 1);
	expect(fixture, 5, 4, 0);
	assert_int_equal(give(fixture, NULL, 200), 0);
	assert_int_equal(ioasid_space_put(space, 200), 1);
	expect(fixture, 5, 4, 0);
	assert_int_equal(ioasid_set_free_all(space, set, NULL), 0);
	expect(fixture, 5, 3, 0);
	assert_int_equal(ioasid_space_free(space, 3), -ENOENT);
	assert_int_equal(ioasid_space_put(space, 3), -ENOENT);
	expect(fixture, 5, 3, 0);
}

static void reserve(struct fixture *fixture)
{
	struct ioasid_space *space;

	reset(fixture, 0, 1023, 10);
	space = fixture->space;
	assert_int_equal(ioasid_space_unreserve(space, 1), -EINVAL);
	assert_int_equal(ioasid_space_unreserve(space, UINT32_MAX), -EINVAL);
	assert_int_equal(ioasid_space_unreserve(space, 0), 0);
	assert_int_equal(ioasid_space_reserve(space, 0), 0);
	assert_int_equal(ioasid_space_reserve(space, 11), -ENOSPC);
	assert_int_equal(ioasid_space_reserve(space, UINT32_MAX), -ENOSPC);
	expect(fixture, 10, 0, 0);
	assert_int_equal(ioasid_space_reserve(space, 4), 0);
	assert_int_equal(ioasid_space_reserve(space, 3), 0);
	expect(fixture, 10, 7, 7);
	assert_int_equal(ioasid_space_reserve(space, 4), -ENOSPC);
	assert_int_equal(ioasid_space_reserve(space, UINT32_MAX - 6), -ENOSPC);
	for (ioasid_t n = 0; n < 3; n++)
		assert_int_equal(give(fixture, NULL, n), 0);
	assert_int_equal(give(fixture, NULL, 3), -ENOSPC);
	assert_int_equal(ioasid_space_reserve(space, 1), -ENOSPC);
	assert_int_equal(ioasid_space_unreserve(space, 8), -EINVAL);
	expect(fixture, 10, 10, 7);
	assert_int_equal(ioasid_space_unreserve(space, 2), 0);
	expect(fixture, 10, 8, 5);
	assert_int_equal(give(fixture, NULL, 3), 0);
	assert_int_equal(ioasid_space_unreserve(space, 5), 0);
	expect(fixture, 10, 4, 0);
}

static void set_capacity(struct fixture *fixture)
{
	struct ioasid_space *space = fixture->space;
	struct ioasid_set *set = make(fixture, 0, 6);

	assert_int_equal(give(fixture, NULL, 1), 0);
	assert_int_equal(give(fixture, set, 2), 0);
	assert_int_equal(ioasid_space_reserve(space, 3), 0);
	expect(fixture, 1024, 10, 3);
	assert_int_equal(ioasid_space_set_capacity(space, 9), -EBUSY);
	assert_int_equal(ioasid_space_set_capacity(space, 1), -EBUSY);
	expect(fixture, 1024, 10, 3);
	assert_int_equal(ioasid_space_set_capacity(space, 10), 0);
	expect(fixture, 10, 10, 3);
	assert_int_equal(give(fixture, NULL, 3), -ENOSPC);
	assert_int_equal(give(fixture, set, 3), 0);
	assert_int_equal(ioasid_space_set_capacity(space, 11), 0);
	assert_int_equal(give(fixture, NULL, 4), 0);
	assert_int_equal(ioasid_space_set_capacity(space, UINT32_MAX), 0);
	expect(fixture, 1024, 11, 3);
	assert_int_equal(ioasid_space_set_capacity(space, 0), 0);
	expect(fixture, 1024, 11, 3);
	assert_int_equal(ioasid_space_set_capacity(space, 20), 0);
	assert_int_equal(ioasid_space_set_capacity(space, 0), 0);
	expect(fixture, 1024, 11, 3);
}

/* What is set aside for a set, others cannot have, and it always can. */
static void set_aside(struct fixture *fixture)
{
	struct ioasid_space *space;
	struct ioasid_set *a, *b;

	reset(fixture, 0, 1023, 10);
	space = fixture->space;
	a = make(fixture, 0, 4);
	expect(fixture, 10, 4, 0);
	b = make(fixture, 3, 2);
	expect(fixture, 10, 6, 0);
	for (ioasid_t n = 0; n < 4; n++)
		assert_int_equal(give(fixture, NULL, n), 0);
	assert_int_equal(give(fixture, NULL, 9), -ENOSPC);
	expect(fixture, 10, 10, 0);
	for (ioasid_t n = 10; n < 14; n++)
		assert_int_equal(give(fixture, a, n), 0);
	expect(fixture, 10, 10, 0);
	/* Beyond its part it is as any. */
	assert_int_equal(give(fixture, a, 14), -ENOSPC);
	assert_int_equal(give(fixture, b, 20), 0);
	assert_int_equal(give(fixture, b, 21), 0);
	assert_int_equal(give(fixture, b, 22), -ENOSPC);
	assert_int_equal(ioasid_space_free(space, 0), 0);
	expect(fixture, 10, 9, 0);
	assert_int_equal(give(fixture, b, 22), 0);
	assert_int_equal(give(fixture, b, 23), -EDQUOT);
	expect(fixture, 10, 10, 0);
	/* Within the part frees give nobody anything. */
	assert_int_equal(ioasid_space_free(space, 10), 0);
	expect(fixture, 10, 10, 0);
	assert_int_equal(give(fixture, NULL, 0), -ENOSPC);
	/* Above it they do. */
	assert_int_equal(ioasid_space_free(space, 20), 0);
	expect(fixture, 10, 9, 0);
	/* The part can be changed as far as there is room. */
	assert_int_equal(ioasid_set_limit(space, a, 0, 6), -ENOSPC);
	assert_int_equal(ioasid_set_limit(space, a, 0, 5), 0);
	expect(fixture, 10, 10, 0);
	assert_int_equal(ioasid_set_limit(space, b, 0, 3), -ENOSPC);
	assert_int_equal(ioasid_set_limit(space, a, 0, 0), 0);
	expect(fixture, 10, 8, 0);
	assert_int_equal(ioasid_set_limit(space, b, 0, 0), 0);
	expect(fixture, 10, 8, 0);
	assert_int_equal(ioasid_set_limit(space, b, 0, 4), 0);
	expect(fixture, 10, 10, 0);
	/* With the set goes what was set aside for it. */
	assert_int_equal(ioasid_set_free_all(space, b, NULL), 0);
	expect(fixture, 10, 10, 0);
	assert_int_equal(ioasid_set_destroy(space, b), 0);
	expect(fixture, 10, 6, 0);
}

/* The same, by the definition of it, over what comes. */
enum { SETS = 5, IDS = 64, CAPACITY = 40, STEPS = TEST_LIGHT ? 3000 : 20000 };

struct books {
	struct fixture *fixture;
	struct ioasid_set *set[SETS];
	uint32_t quota[SETS], reserved[SETS], count[SETS];
	uint32_t anonymous, aside, capacity;
	/* by ID: 0 vacant, 1 of none, 2.. of a set */
	unsigned int owner[IDS];
	bool pending[IDS];
};

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static uint32_t committed(const struct books *books)
{
	uint32_t sum = books->anonymous + books->aside;
	unsigned int i;

	for (i = 0; i < SETS; i++)
		sum += larger(books->count[i], books->reserved[i]);
	return sum;
}

static void step_alloc(struct books *books, ioasid_t id, unsigned int of)
{
	bool set_has = of < SETS && books->count[of] < books->reserved[of];
	int expected = 0;
	int ret;

	if (of < SETS && books->quota[of] &&
	    books->count[of] >= books->quota[of])
		expected = -EDQUOT;
	else if ((!set_has && committed(books) >= books->capacity) ||
		 books->owner[id])
		expected = -ENOSPC;
	ret = give(books->fixture, of < SETS ? books->set[of] : NULL, id);
	if (ret == -EAGAIN && !expected) {
		/* Its generation turned, nobody reads. */
		assert_int_equal(ioasid_rcu_barrier(books->fixture->rcu), 0);
		ret = give(books->fixture, of < SETS ? books->set[of] : NULL,
			   id);
	}
	assert_int_equal(ret, expected);
	if (ret)
		return;
	books->owner[id] = of < SETS ? of + 2 : 1;
	if (of < SETS)
		books->count[of]++;
	else
		books->anonymous++;
}

static void vacate(struct books *books, ioasid_t id)
{
	if (books->owner[id] >= 2)
		books->count[books->owner[id] - 2]--;
	else
		books->anonymous--;
	books->owner[id] = 0;
	books->pending[id] = false;
}

static void step_free(struct books *books, ioasid_t id, bool hold)
{
	struct ioasid_space *space = books->fixture->space;

	if (!books->owner[id]) {
		assert_int_equal(ioasid_space_free(space, id), -ENOENT);
	} else if (books->pending[id]) {
		assert_int_equal(ioasid_space_free(space, id), -EBUSY);
		assert_int_equal(ioasid_space_put(space, id), 1);
		vacate(books, id);
	} else if (hold) {
		assert_int_equal(ioasid_space_get(space, NULL, id), 0);
		assert_int_equal(ioasid_space_free(space, id), 0);
		books->pending[id] = true;
	} else {
		assert_int_equal(ioasid_space_free(space, id), 0);
		vacate(books, id);
	}
}

static void step_limit(struct books *books, unsigned int of, uint32_t quota,
		       uint32_t reserved)
{
	uint32_t others = committed(books) -
			  larger(books->count[of], books->reserved[of]);
	int expected = 0;

	if (quota && reserved > quota)
		expected = -EINVAL;
	else if (quota && quota < books->count[of])
		expected = -EBUSY;
	else if (others + (uint64_t)larger(books->count[of], reserved) >
		 books->capacity)
		expected = -ENOSPC;
	assert_int_equal(ioasid_set_limit(books->fixture->space, books->set[of],
					  quota, reserved),
			 expected);
	if (expected)
		return;
	books->quota[of] = quota;
	books->reserved[of] = reserved;
}

static void step_whole(struct books *books, struct test_random *random)
{
	struct ioasid_space *space = books->fixture->space;
	uint32_t n = test_below(random, CAPACITY);
	bool fits;

	switch (test_below(random, 3)) {
	case 0:
		fits = committed(books) + n <= books->capacity;
		assert_int_equal(ioasid_space_reserve(space, n),
				 fits ? 0 : -ENOSPC);
		books->aside += fits ? n : 0;
		break;
	case 1:
		fits = n <= books->aside;
		assert_int_equal(ioasid_space_unreserve(space, n),
				 fits ? 0 : -EINVAL);
		books->aside -= fits ? n : 0;
		break;
	default:
		n += CAPACITY / 2;
		fits = n >= committed(books);
		assert_int_equal(ioasid_space_set_capacity(space, n),
				 fits ? 0 : -EBUSY);
		books->capacity = fits ? n : books->capacity;
		break;
	}
}

static void step_set(struct books *books, unsigned int of)
{
	struct ioasid_space *space = books->fixture->space;
	int ret = books->count[of] ? -EBUSY : 0;

	assert_int_equal(ioasid_set_destroy(space, books->set[of]), ret);
	if (ret)
		return;
	books->set[of] = make(books->fixture, 0, 0);
	books->quota[of] = books->reserved[of] = 0;
}

static void books_balance(struct fixture *fixture)
{
	struct books books = { .fixture = fixture, .capacity = CAPACITY };
	struct test_random random = { 17 };
	uint32_t refused = 0;
	unsigned int i, n;

	reset(fixture, 0, IDS - 1, CAPACITY);
	for (i = 0; i < SETS; i++)
		books.set[i] = make(fixture, 0, 0);
	for (n = 0; n < STEPS; n++) {
		ioasid_t id = test_below(&random, IDS);
		unsigned int of = test_below(&random, SETS);
		uint32_t quota, reserved;

		switch (test_below(&random, 12)) {
		case 0:
			quota = test_below(&random, 3) ?
					test_below(&random, 20) :
					0;
			reserved = test_below(&random, 40) ?
					   test_below(&random, 16) :
					   UINT32_MAX;
			step_limit(&books, of, quota, reserved);
			break;
		case 1:
			step_whole(&books, &random);
			break;
		case 2:
			step_set(&books, of);
			break;
		case 3:
		case 4:
		case 5:
		case 6:
			step_free(&books, id, test_below(&random, 2));
			break;
		default:
			step_alloc(&books, id, test_below(&random, SETS + 1));
			break;
		}
		expect(fixture, books.capacity, committed(&books), books.aside);
		for (i = 0; i < SETS; i++)
			assert_int_equal(count_of(fixture, books.set[i]),
					 books.count[i]);
		refused += books.capacity == committed(&books);
		ioasid_rcu_quiescent(fixture->rcu);
	}
	/* Or limits were never met. */
	assert_true(refused > STEPS / 100);
	for (ioasid_t id = 0; id < IDS; id++)
		if (books.pending[id])
			assert_int_equal(ioasid_space_put(fixture->space, id),
					 1);
		else if (books.owner[id])
			assert_int_equal(ioasid_space_free(fixture->space, id),
					 0);
	for (i = 0; i < SETS; i++)
		assert_int_equal(
			ioasid_set_destroy(fixture->space, books.set[i]), 0);
	assert_int_equal(ioasid_space_unreserve(fixture->space, books.aside),
			 0);
	expect(fixture, books.capacity, 0, 0);
}

/* An allocator that does as it is told, and may change limits meanwhile. */
struct host {
	struct ioasid_allocator_ops ops;
	struct fixture *fixture;
	struct ioasid_set *set;
	ioasid_t next;
	bool tighten;
	unsigned int handed, back;
};

static ioasid_t host_alloc(ioasid_t min, ioasid_t max, void *data)
{
	struct host *host = data;

	(void)min;
	(void)max;
	if (host->tighten) {
		/* What is being asked for is charged already. */
		CHECK(count_of(host->fixture, host->set) == 2);
		CHECK(ioasid_set_limit(host->fixture->space, host->set, 1, 0) ==
		      -EBUSY);
		CHECK(ioasid_set_destroy(host->fixture->space, host->set) ==
		      -EBUSY);
		CHECK(ioasid_space_validate(host->fixture->space, NULL));
	}
	host->handed += host->next != INVALID_IOASID;
	return host->next;
}

static void host_free(ioasid_t id, void *data)
{
	struct host *host = data;

	(void)id;
	host->back++;
}

static void refuse(struct host *host, ioasid_t id, ioasid_t max, int error)
{
	struct fixture *fixture = host->fixture;
	struct ioasid_stats before = counts(fixture);
	ioasid_t given = 4321;

	host->next = id;
	assert_int_equal(ioasid_space_alloc(fixture->space, host->set, 0, max,
					    NULL, &given),
			 error);
	assert_int_equal(given, 4321);
	before.alloc_failed++;
	expect_counts(fixture, &before);
}

static void allocators(struct fixture *fixture)
{
	struct host host = { .fixture = fixture };
	struct ioasid_space *space;
	ioasid_t id;
	uint64_t n, failures = 0;
	int ret;

	reset(fixture, 0, 1023, 10);
	space = fixture->space;
	host.ops = (struct ioasid_allocator_ops){ host_alloc, host_free, &host,
						  NULL };
	host.set = make(fixture, 3, 2);
	assert_int_equal(ioasid_space_register_allocator(space, &host.ops), 0);
	host.next = 5;
	assert_int_equal(ioasid_space_alloc(space, host.set, 0, 9, NULL, &id),
			 0);
	assert_int_equal(id, 5);
	expect(fixture, 10, 2, 0);
	host.tighten = true;
	refuse(&host, INVALID_IOASID, 9, -ENOSPC);
	refuse(&host, 10, 9, -ERANGE);
	refuse(&host, 5, 9, -EEXIST);
	assert_int_equal(host.handed, 3);
	assert_int_equal(host.back, 1);
	assert_int_equal(count_of(fixture, host.set), 1);
	/* Any allocation of the library's that fails. */
	for (n = 1; n < 40; n++) {
		fixture->memory.fail_at = fixture->memory.calls + n;
		host.next = (ioasid_t)(100 + n);
		ret = ioasid_space_alloc(space, host.set, 0, 1023, NULL, &id);
		fixture->memory.fail_at = 0;
		failures += ret == -ENOMEM;
		assert_true(!ret || ret == -ENOMEM);
		assert_int_equal(host.handed - host.back,
				 count_of(fixture, host.set) + 1);
		if (!ret)
			assert_int_equal(ioasid_space_free(space, id), 0);
		assert_int_equal(count_of(fixture, host.set), 1);
		expect(fixture, 10, 2, 0);
	}
	assert_true(failures > 0 ||
		    fixture->store->kind == IOASID_STORE_BITMAP);
	host.tighten = false;
	for (n = 0; n < 2; n++) {
		host.next = (ioasid_t)(200 + n);
		assert_int_equal(ioasid_space_alloc(space, host.set, 0, 1023,
						    NULL, &id),
				 0);
	}
	expect(fixture, 10, 3, 0);
	/* Not even asked. */
	host.handed = 0;
	refuse(&host, 300, 1023, -EDQUOT);
	host.set = NULL;
	assert_int_equal(ioasid_space_reserve(space, 7), 0);
	refuse(&host, 300, 1023, -ENOSPC);
	assert_int_equal(host.handed, 0);
	assert_int_equal(ioasid_space_free(space, 5), 0);
	assert_int_equal(ioasid_space_free(space, 200), 0);
	assert_int_equal(ioasid_space_put(space, 201), 1);
	expect(fixture, 10, 9, 7);
	assert_int_equal(ioasid_space_unregister_allocator(
				 space, &host.ops, IOASID_UNREGISTER_IDLE),
			 0);
}

static void told(struct ioasid_notifier *notifier,
		 const struct ioasid_notice *notice)
{
	(void)notifier;
	(void)notice;
}

/* Whatever fails on the way, for each n-th allocation. */
static void out_of_memory(struct fixture *fixture)
{
	struct test_memory *memory = &fixture->memory;
	struct ioasid_notifier notifier = { .notify = told };
	unsigned int refused = 0, watched;
	uint64_t n;

	for (watched = 0; watched < 2; watched++) {
		for (n = 1; n < 40; n++) {
			struct ioasid_set *set;
			uint32_t have = 0;
			ioasid_t id;
			int ret;

			reset(fixture, 0, 1023, 1000);
			if (watched)
				assert_int_equal(ioasid_space_register_notifier(
							 fixture->space, NULL,
							 &notifier),
						 0);
			set = make(fixture, 900, 20);
			memory->fail_at = memory->calls + n;
			for (id = 0; id < 1023; id += 5) {
				ret = give(fixture, set, id);
				if (n % 2 && !memory->fail_all)
					memory->fail_all = memory->calls >=
							   memory->fail_at;
				have += !ret;
				refused += ret == -ENOMEM;
				assert_true(!ret || ret == -ENOMEM);
				assert_int_equal(count_of(fixture, set), have);
				expect(fixture, 1000, larger(20, have), 0);
			}
			memory->fail_at = 0;
			memory->fail_all = false;
			assert_int_equal(ioasid_set_free_all(fixture->space,
							     set, &have),
					 0);
			assert_int_equal(count_of(fixture, set), 0);
			expect(fixture, 1000, 20, 0);
			if (watched)
				assert_int_equal(
					ioasid_space_unregister_notifier(
						fixture->space, &notifier),
					0);
		}
	}
	print_message("%u refused\n", refused);
	/* What bitmap needs it reserves at first. */
	assert_true(refused > 0 || fixture->store->kind == IOASID_STORE_BITMAP);
}

/* Unlike IDs in use, vacant ones that wait take no capacity. */
static void quarantined(struct fixture *fixture)
{
	struct ioasid_space_config config;
	ioasid_t n;

	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	fixture->space = NULL;
	fixture_space_config(fixture, &config, 0, 99);
	config.capacity = 3;
	config.quarantine = true;
	assert_int_equal(ioasid_space_create(&config, &fixture->space), 0);
	ioasid_rcu_read_lock(fixture->rcu);
	for (n = 0; n < 30; n++) {
		assert_int_equal(give(fixture, NULL, n), 0);
		if (n < 2)
			continue;
		expect(fixture, 3, 3, 0);
		assert_int_equal(give(fixture, NULL, 99), -ENOSPC);
		assert_int_equal(ioasid_space_free(fixture->space, n - 2), 0);
		assert_int_equal(counts(fixture).quarantined, n - 1);
	}
	ioasid_rcu_read_unlock(fixture->rcu);
	expect(fixture, 3, 2, 0);
}

struct worker {
	struct fixture *fixture;
	struct ioasid_set *set;
	pthread_t thread;
	uint64_t seed;
};

/* The set's own part can be had whatever the others do. */
static void *work(void *arg)
{
	struct worker *worker = arg;
	struct ioasid_space *space = worker->fixture->space;
	struct test_random random = { worker->seed };
	ioasid_t id[8];
	unsigned int round, i, have;
	int ret;

	CHECK(!ioasid_rcu_thread_register(ioasid_space_rcu(space)));
	for (round = 0; round < STEPS / 10; round++) {
		for (have = 0; have < 8; have++) {
			do {
				ret = ioasid_space_alloc(space, worker->set, 0,
							 INVALID_IOASID, NULL,
							 &id[have]);
				ioasid_rcu_quiescent(ioasid_space_rcu(space));
			} while (ret == -EAGAIN);
			CHECK(!ret || (have >= 3 && ret == -ENOSPC));
			if (ret)
				break;
		}
		if (test_below(&random, 2) && !ioasid_space_reserve(space, 2)) {
			ioasid_rcu_quiescent(ioasid_space_rcu(space));
			CHECK(!ioasid_space_unreserve(space, 2));
		}
		for (i = 0; i < have; i++)
			if (test_below(&random, 2))
				CHECK(!ioasid_space_free(space, id[i]));
			else
				CHECK(ioasid_space_put(space, id[i]) == 1);
	}
	CHECK(!ioasid_rcu_thread_unregister(ioasid_space_rcu(space)));
	return NULL;
}

static void threads(struct fixture *fixture)
{
	enum { WORKERS = 4 };
	struct worker worker[WORKERS];
	unsigned int i;

	reset(fixture, 0, 99, 20);
	for (i = 0; i < WORKERS; i++)
		worker[i] = (struct worker){ .fixture = fixture,
					     .set = make(fixture, 0, 3),
					     .seed = i };
	ioasid_rcu_thread_offline(fixture->rcu);
	for (i = 0; i < WORKERS; i++)
		CHECK(!pthread_create(&worker[i].thread, NULL, work,
				      &worker[i]));
	for (i = 0; i < WORKERS; i++)
		CHECK(!pthread_join(worker[i].thread, NULL));
	ioasid_rcu_thread_online(fixture->rcu);
	expect(fixture, 20, 12, 0);
	for (i = 0; i < WORKERS; i++)
		assert_int_equal(count_of(fixture, worker[i].set), 0);
}

/* The count in the space is compared with what there is. */
static void validate_sees_damage(struct fixture *fixture)
{
	const char *reason = NULL;
	struct ioasid_slot *slot;
	struct ioasid_set *set = make(fixture, 0, 5);
	ioasid_state_t state;

	assert_int_equal(give(fixture, set, 1), 0);
	slot = ioasid_store_find(&fixture->space->store, 1);
	state = ioasid_load_relaxed(&slot->state);
	/* Charged to the set's part, but not the set's. */
	ioasid_store_relaxed(&slot->state,
			     ioasid_state_make(ioasid_state_generation(state),
					       0, 1, true));
	assert_false(ioasid_space_validate(fixture->space, &reason));
	assert_non_null(reason);
	print_message("%s\n", reason);
	ioasid_store_relaxed(&slot->state, state);
	expect(fixture, 1024, 5, 0);
}

int main(void)
{
	static const struct test_case cases[] = {
		CASE(configured, PER_STORE),
		CASE(exhausted, PER_STORE),
		CASE(reserve, PER_STORE),
		CASE(set_capacity, PER_STORE),
		CASE(set_aside, PER_STORE),
		CASE(books_balance, PER_STORE),
		CASE(allocators, PER_STORE),
		CASE(out_of_memory, PER_STORE),
		CASE(quarantined, PER_STORE | PER_FLAVOUR),
		CASE(threads, PER_STORE | PER_FLAVOUR | THREADS),
		CASE(validate_sees_damage, PER_STORE),
	};

	return test_run("capacity", cases, ARRAY_SIZE(cases));
}
