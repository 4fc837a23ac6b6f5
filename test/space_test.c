/* SPDX-License-Identifier: MIT */
#include "test/counts.h"

#include <ioasid/set.h>

static void *pointer(uintptr_t n)
{
	return (void *)(n << 4);
}

static ioasid_t give(struct fixture *fixture, struct ioasid_set *set,
		     void *data)
{
	ioasid_t id = INVALID_IOASID;

	assert_int_equal(ioasid_space_alloc(fixture->space, set, 0,
					    INVALID_IOASID, data, &id),
			 0);
	return id;
}

static struct ioasid_stats stats(struct fixture *fixture)
{
	struct ioasid_stats now;

	memset(&now, 0xa5, sizeof(now));
	ioasid_space_stats(fixture->space, &now);
	return now;
}

static void expect(struct fixture *fixture, const struct ioasid_set *set,
		   ioasid_t id, int ret, void *data)
{
	void *found = &found;

	assert_int_equal(
		ioasid_space_find(fixture->space, set, id, NULL, &found), ret);
	assert_ptr_equal(found, ret ? NULL : data);
	found = &found;
	ioasid_rcu_read_lock(ioasid_space_rcu(fixture->space));
	assert_int_equal(ioasid_space_find_rcu(fixture->space, set, id, &found),
			 ret);
	ioasid_rcu_read_unlock(ioasid_space_rcu(fixture->space));
	assert_ptr_equal(found, ret ? NULL : data);
}

/* Another space beside the fixture's, of the same store. */
static struct ioasid_space *another(struct fixture *fixture, ioasid_t min,
				    ioasid_t max)
{
	struct ioasid_space_config config;
	struct ioasid_space *space;

	fixture_space_config(fixture, &config, min, max);
	assert_int_equal(ioasid_space_create(&config, &space), 0);
	return space;
}

static int failing_create(struct ioasid_store *store,
			  const struct ioasid_store_config *config)
{
	(void)store;
	return *(const int *)config->context;
}

/* Every operation of a store is required. */
static void break_ops(struct ioasid_store_ops *ops, unsigned int which)
{
	*ops = array_store_ops;
	switch (which) {
	case 0:
		ops->create = NULL;
		break;
	case 1:
		ops->destroy = NULL;
		break;
	case 2:
		ops->find = NULL;
		break;
	case 3:
		ops->claim = NULL;
		break;
	case 4:
		ops->release = NULL;
		break;
	case 5:
		ops->occupied = NULL;
		break;
	default:
		ops->validate = NULL;
		break;
	}
}

static void create_refuses(struct fixture *fixture)
{
	struct ioasid_space_config good, bad;
	struct ioasid_space *space = NULL;
	struct ioasid_store_ops ops;
	int error = -EPROTO;
	unsigned int i;

	fixture_space_config(fixture, &good, 10, 20);
	for (i = 0; i < 10; i++) {
		bad = good;
		switch (i) {
		case 0:
			bad.min = 21;
			break;
		case 1:
			bad.store = (enum ioasid_store_kind)99;
			break;
		case 2:
			bad.store = IOASID_STORE_CUSTOM;
			bad.store_ops = NULL;
			break;
		case 3:
			bad.rcu = NULL;
			bad.flavour = IOASID_RCU_CUSTOM;
			break;
		case 4:
			bad.rcu = NULL;
			bad.flavour = (enum ioasid_rcu_flavour)99;
			break;
		case 5:
			bad.memory.alloc = NULL;
			break;
		case 6:
			bad.memory.free = NULL;
			break;
		case 7:
			bad.memory.reserve = NULL;
			break;
		case 8:
			bad.memory.release = NULL;
			break;
		default:
			bad.min = INVALID_IOASID;
			bad.max = INVALID_IOASID;
			break;
		}
		assert_int_equal(ioasid_space_create(&bad, &space), -EINVAL);
	}
	for (i = 0; i < 7; i++) {
		bad = good;
		bad.store = IOASID_STORE_CUSTOM;
		bad.store_ops = &ops;
		break_ops(&ops, i);
		assert_int_equal(ioasid_space_create(&bad, &space), -EINVAL);
	}
	ops = array_store_ops;
	ops.create = failing_create;
	bad = good;
	bad.store = IOASID_STORE_CUSTOM;
	bad.store_ops = &ops;
	bad.store_context = &error;
	assert_int_equal(ioasid_space_create(&bad, &space), -EPROTO);
	bad = good;
	bad.store = IOASID_STORE_BITMAP;
	bad.min = 0;
	bad.max = IOASID_BITMAP_IDS_MAX;
	assert_int_equal(ioasid_space_create(&bad, &space), -E2BIG);
	assert_null(space);
	assert_int_equal(ioasid_space_destroy(NULL), 0);
	/* The domain was let go each time. */
	assert_int_equal(ioasid_rcu_destroy(fixture->rcu), 0);
	fixture->rcu = NULL;
}

static void lock_half_given(struct fixture *fixture)
{
	struct ioasid_space_config config;
	struct ioasid_space *space = NULL;

	fixture_space_config(fixture, &config, 0, 9);
	config.lock.lock = (void (*)(void *))abort;
	assert_int_equal(ioasid_space_create(&config, &space), -EINVAL);
	config.lock.unlock = config.lock.lock;
	config.lock.lock = NULL;
	assert_int_equal(ioasid_space_create(&config, &space), -EINVAL);
	assert_null(space);
}

static void defaults(struct fixture *fixture)
{
	struct ioasid_space *space;
	ioasid_t id;

	(void)fixture;
	assert_int_equal(ioasid_space_create(NULL, &space), 0);
	assert_int_equal(space->store.kind, IOASID_STORE_RADIX);
	assert_int_equal(ioasid_space_rcu(space)->flavour, IOASID_RCU_EPOCH);
	assert_int_equal(ioasid_space_alloc(space, NULL, 0, 0, NULL, &id), 0);
	assert_int_equal(id, 0);
	assert_int_equal(ioasid_space_alloc(space, NULL, INVALID_IOASID - 1,
					    INVALID_IOASID, NULL, &id),
			 0);
	assert_int_equal(id, INVALID_IOASID - 1);
	assert_int_equal(ioasid_space_alloc(space, NULL, INVALID_IOASID - 1,
					    INVALID_IOASID, NULL, &id),
			 -ENOSPC);
	assert_int_equal(ioasid_space_alloc(space, NULL, INVALID_IOASID,
					    INVALID_IOASID, NULL, &id),
			 -ENOSPC);
	assert_int_equal(ioasid_space_destroy(space), 0);
}

/* A space that makes its own domain, of any flavour it may make. */
static void own_domain(struct fixture *fixture)
{
	struct ioasid_space_config config;
	struct ioasid_space *space;
	ioasid_t id;

	fixture_space_config(fixture, &config, 5, 50);
	config.rcu = NULL;
	config.flavour = fixture->flavour->flavour;
	assert_int_equal(ioasid_space_create(&config, &space), 0);
	assert_int_equal(ioasid_space_rcu(space)->flavour, config.flavour);
	assert_int_equal(ioasid_rcu_thread_register(ioasid_space_rcu(space)),
			 0);
	assert_int_equal(ioasid_rcu_destroy(ioasid_space_rcu(space)), -EBUSY);
	assert_int_equal(ioasid_space_alloc(space, NULL, 0, 9, NULL, &id), 0);
	assert_int_equal(id, 5);
	assert_int_equal(ioasid_space_set_data(space, id, &id), 0);
	assert_int_equal(ioasid_space_destroy(space), 0);
}

/* What a range gives: lowest, inclusive, cut to the space's own 100..199. */
static void alloc_ranges(struct fixture *fixture)
{
	static const struct {
		ioasid_t min, max;
		int ret;
		ioasid_t id;
	} calls[] = {
		{ 0, INVALID_IOASID, 0, 100 },
		{ 0, INVALID_IOASID, 0, 101 },
		{ 0, 99, -ENOSPC, 0 },
		{ 0, 100, -ENOSPC, 0 },
		{ 0, 102, 0, 102 },
		{ 150, 150, 0, 150 },
		{ 150, 150, -ENOSPC, 0 },
		{ 149, 151, 0, 149 },
		{ 149, 151, 0, 151 },
		{ 149, 151, -ENOSPC, 0 },
		{ 199, 200, 0, 199 },
		{ 199, INVALID_IOASID, -ENOSPC, 0 },
		{ 200, 200, -ENOSPC, 0 },
		{ INVALID_IOASID, INVALID_IOASID, -ENOSPC, 0 },
		{ 151, 150, -EINVAL, 0 },
		{ INVALID_IOASID, 0, -EINVAL, 0 },
		{ 1, 0, -EINVAL, 0 },
		{ 100, 199, 0, 103 },
	};
	struct ioasid_space *wide = fixture->space;
	uint64_t failed = 0, allocs = 0;
	size_t i;

	fixture->space = another(fixture, 100, 199);
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		ioasid_t id = 4321;

		assert_int_equal(ioasid_space_alloc(fixture->space, NULL,
						    calls[i].min, calls[i].max,
						    pointer(i), &id),
				 calls[i].ret);
		assert_int_equal(id, calls[i].ret ? 4321 : calls[i].id);
		failed += calls[i].ret != 0;
		allocs += calls[i].ret == 0;
		if (!calls[i].ret)
			expect(fixture, NULL, id, 0, pointer(i));
		assert_int_equal(stats(fixture).alloc_failed, failed);
		assert_int_equal(stats(fixture).allocs, allocs);
		assert_int_equal(stats(fixture).live, allocs);
	}
	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	fixture->space = wide;
}

static void the_last_id(struct fixture *fixture)
{
	struct ioasid_space *space =
		another(fixture, INVALID_IOASID - 3, INVALID_IOASID);
	ioasid_t id, n;
	void *data;

	for (n = INVALID_IOASID - 3; n < INVALID_IOASID; n++) {
		assert_int_equal(ioasid_space_alloc(space, NULL, 0,
						    INVALID_IOASID, NULL, &id),
				 0);
		assert_int_equal(id, n);
	}
	assert_int_equal(ioasid_space_alloc(space, NULL, 0, INVALID_IOASID,
					    NULL, &id),
			 -ENOSPC);
	assert_int_equal(ioasid_space_find(space, NULL, INVALID_IOASID, NULL,
					   &data),
			 -ENOENT);
	assert_int_equal(ioasid_space_free(space, INVALID_IOASID), -ENOENT);
	assert_int_equal(ioasid_space_free(space, INVALID_IOASID - 1), 0);
	assert_true(ioasid_space_validate(space, NULL));
	assert_int_equal(ioasid_space_destroy(space), 0);
}

static void sets(struct fixture *fixture)
{
	static DECLARE_IOASID_SET(a);
	static DECLARE_IOASID_SET(b);
	static DECLARE_IOASID_SET(unused);
	struct ioasid_space *other;
	ioasid_t of_a, of_b, of_none, id;
	void *data;

	assert_int_equal(stats(fixture).sets, 0);
	of_a = give(fixture, &a, pointer(1));
	of_b = give(fixture, &b, pointer(2));
	of_none = give(fixture, NULL, pointer(3));
	assert_int_equal(stats(fixture).sets, 2);
	expect(fixture, &a, of_a, 0, pointer(1));
	expect(fixture, &b, of_b, 0, pointer(2));
	expect(fixture, NULL, of_b, 0, pointer(2));
	expect(fixture, NULL, of_none, 0, pointer(3));
	expect(fixture, &a, of_b, -EACCES, NULL);
	expect(fixture, &b, of_a, -EACCES, NULL);
	expect(fixture, &a, of_none, -EACCES, NULL);
	expect(fixture, &unused, of_a, -EACCES, NULL);
	expect(fixture, &unused, of_none, -EACCES, NULL);
	expect(fixture, &a, 500, -ENOENT, NULL);
	assert_int_equal(ioasid_space_get(fixture->space, &b, of_a), -EACCES);
	assert_int_equal(ioasid_space_get(fixture->space, &unused, of_a),
			 -EACCES);
	assert_int_equal(ioasid_space_get(fixture->space, &a, of_a), 0);
	assert_int_equal(ioasid_space_put(fixture->space, of_a), 0);
	/* A set is of one space. */
	other = another(fixture, 0, 100);
	assert_int_equal(ioasid_space_alloc(other, &a, 0, 10, NULL, &id),
			 -EXDEV);
	assert_int_equal(ioasid_space_alloc(other, NULL, 0, 10, NULL, &id), 0);
	assert_int_equal(ioasid_space_find(other, &a, id, NULL, &data),
			 -EACCES);
	assert_int_equal(ioasid_space_get(other, &a, id), -EACCES);
	/* An alloc that fails binds none. */
	assert_int_equal(ioasid_space_alloc(other, &unused, id, id, NULL, &id),
			 -ENOSPC);
	assert_int_equal(ioasid_space_alloc(other, &unused, 9, 8, NULL, &id),
			 -EINVAL);
	assert_int_equal(ioasid_space_alloc(fixture->space, &unused, 600, 600,
					    NULL, &id),
			 0);
	assert_int_equal(stats(fixture).sets, 3);
	assert_int_equal(ioasid_space_destroy(other), 0);
	/* Bound until the space is gone, even without IDs. */
	assert_int_equal(ioasid_space_free(fixture->space, of_a), 0);
	other = another(fixture, 0, 100);
	assert_int_equal(ioasid_space_alloc(other, &a, 0, 10, NULL, &id),
			 -EXDEV);
	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	fixture->space = other;
	assert_int_equal(ioasid_space_alloc(other, &a, 0, 10, pointer(9), &id),
			 0);
	expect(fixture, &a, id, 0, pointer(9));
	expect(fixture, &b, id, -EACCES, NULL);
}

static void too_many_sets(struct fixture *fixture)
{
	struct ioasid_set *many = calloc(IOASID_SETS_MAX + 1, sizeof(*many));
	struct ioasid_stats now;
	ioasid_t id = 0;
	uint32_t i;

	CHECK(many);
	for (i = 0; i < IOASID_SETS_MAX; i++) {
		assert_int_equal(ioasid_space_alloc(fixture->space, &many[i], 7,
						    7, &many[i], &id),
				 0);
		/* What it was given, nobody else's set sees. */
		expect(fixture, &many[i], 7, 0, &many[i]);
		expect(fixture, &many[i + 1], 7, -EACCES, NULL);
		assert_int_equal(ioasid_space_free(fixture->space, 7), 0);
		assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
	}
	id = 4321;
	assert_int_equal(ioasid_space_alloc(fixture->space, &many[i], 7, 7,
					    NULL, &id),
			 -ENFILE);
	assert_int_equal(id, 4321);
	now = stats(fixture);
	assert_int_equal(now.sets, IOASID_SETS_MAX);
	assert_int_equal(now.alloc_failed, 1);
	assert_int_equal(now.live, 0);
	assert_int_equal(ioasid_space_alloc(fixture->space, &many[0], 7, 7,
					    NULL, &id),
			 0);
	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	fixture->space = NULL;
	free(many);
}

/* In a getter or iterator nothing may wait, whatever the flavour. */
struct inside {
	struct fixture *fixture;
	unsigned int calls;
	bool answer;
	ioasid_t id;
	void *data;
};

static struct inside inside;

static void expect_inside(struct fixture *fixture, ioasid_t live)
{
	struct ioasid_rcu *rcu = fixture->rcu;

	CHECK(ioasid_rcu_read_held(rcu));
	CHECK(ioasid_rcu_synchronize(rcu) == -EDEADLK);
	CHECK(ioasid_rcu_barrier(rcu) == -EDEADLK);
	CHECK(ioasid_space_set_data(fixture->space, live, NULL) == -EDEADLK);
	CHECK(ioasid_space_destroy(fixture->space) == -EDEADLK);
}

static bool getter(void *data)
{
	ioasid_t id;

	inside.calls++;
	inside.data = data;
	expect_inside(inside.fixture, inside.id);
	/* All that does not wait is allowed. */
	CHECK(!ioasid_space_alloc(inside.fixture->space, NULL, 900, 999, NULL,
				  &id));
	CHECK(!ioasid_space_free(inside.fixture->space, id));
	return inside.answer;
}

static void getters(struct fixture *fixture)
{
	static DECLARE_IOASID_SET(a);
	static DECLARE_IOASID_SET(b);
	ioasid_t id = give(fixture, &a, pointer(1));
	void *data = &data;

	inside = (struct inside){ fixture, 0, true, id, NULL };
	assert_int_equal(
		ioasid_space_find(fixture->space, &a, id, getter, &data), 0);
	assert_ptr_equal(data, pointer(1));
	assert_ptr_equal(inside.data, pointer(1));
	assert_int_equal(inside.calls, 1);
	assert_false(ioasid_rcu_read_held(fixture->rcu));
	inside.answer = false;
	assert_int_equal(
		ioasid_space_find(fixture->space, NULL, id, getter, &data), 0);
	assert_null(data);
	assert_int_equal(inside.calls, 2);
	/* Not for what was not found. */
	data = &data;
	assert_int_equal(ioasid_space_find(fixture->space, &b, id, getter,
					   &data),
			 -EACCES);
	assert_int_equal(ioasid_space_find(fixture->space, NULL, id + 1, getter,
					   &data),
			 -ENOENT);
	assert_null(data);
	assert_int_equal(inside.calls, 2);
	assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
}

static bool opening_getter(void *data)
{
	(void)data;
	ioasid_rcu_read_lock(inside.fixture->rcu);
	return true;
}

/* A getter may keep the object by a section that outlasts the lookup. */
static void getter_opens_section(struct fixture *fixture)
{
	ioasid_t id = give(fixture, NULL, pointer(1));
	struct ioasid_space *space = fixture->space;
	ioasid_handle_t handle;
	uint64_t cookie;
	void *data;

	assert_int_equal(ioasid_space_handle(space, NULL, id, &handle), 0);
	inside = (struct inside){ fixture, 0, true, id, NULL };
	for (unsigned int way = 0; way < 4; way++) {
		if (way & 2)
			ioasid_rcu_read_lock(fixture->rcu);
		if (way & 1)
			assert_int_equal(
				ioasid_space_find_handle(space, NULL, handle,
							 opening_getter, &data),
				0);
		else
			assert_int_equal(ioasid_space_find(space, NULL, id,
							   opening_getter,
							   &data),
					 0);
		if (way & 2)
			ioasid_rcu_read_unlock(fixture->rcu);
		cookie = ioasid_rcu_start_poll(fixture->rcu);
		assert_false(ioasid_rcu_poll(fixture->rcu, cookie));
		assert_false(ioasid_rcu_poll(fixture->rcu, cookie));
		ioasid_rcu_read_unlock(fixture->rcu);
		assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
		assert_true(ioasid_rcu_poll(fixture->rcu, cookie));
	}
}

static void find_any_value(struct fixture *fixture)
{
	static const ioasid_t ids[] = { 0,
					1,
					63,
					64,
					1023,
					1024,
					0xffff,
					0x10000,
					0x7fffffff,
					0x80000000,
					UINT32_MAX - 1,
					UINT32_MAX };
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		expect(fixture, NULL, ids[i], -ENOENT, NULL);
		assert_int_equal(ioasid_space_free(fixture->space, ids[i]),
				 -ENOENT);
		assert_int_equal(ioasid_space_get(fixture->space, NULL, ids[i]),
				 -ENOENT);
		assert_int_equal(ioasid_space_put(fixture->space, ids[i]),
				 -ENOENT);
		assert_int_equal(ioasid_space_set_data(fixture->space, ids[i],
						       NULL),
				 -ENOENT);
		assert_int_equal(ioasid_space_exchange_data(fixture->space,
							    ids[i], NULL, NULL),
				 -ENOENT);
		assert_int_equal(stats(fixture).free_unknown, i + 1);
	}
	/* Beside live ones. */
	give(fixture, NULL, pointer(1));
	give(fixture, NULL, pointer(2));
	for (j = 2; j < ARRAY_SIZE(ids); j++)
		expect(fixture, NULL, ids[j], -ENOENT, NULL);
}

static void life_cycle(struct fixture *fixture)
{
	struct ioasid_space *space = fixture->space;
	struct ioasid_stats now;
	ioasid_t id = give(fixture, NULL, pointer(1)), next;
	void *old = &old;

	/* live */
	assert_int_equal(ioasid_space_get(space, NULL, id), 0);
	assert_int_equal(ioasid_space_get(space, NULL, id), 0);
	expect(fixture, NULL, id, 0, pointer(1));
	assert_int_equal(ioasid_space_put(space, id), 0);
	/* pending */
	assert_int_equal(ioasid_space_free(space, id), 0);
	now = stats(fixture);
	assert_int_equal(now.live, 0);
	assert_int_equal(now.pending, 1);
	assert_int_equal(now.frees, 1);
	expect(fixture, NULL, id, -ENOENT, NULL);
	assert_int_equal(ioasid_space_free(space, id), -EBUSY);
	assert_int_equal(stats(fixture).free_unknown, 1);
	assert_int_equal(ioasid_space_get(space, NULL, id), -EBUSY);
	assert_int_equal(ioasid_space_exchange_data(space, id, NULL, &old),
			 -ENOENT);
	assert_ptr_equal(old, &old);
	assert_int_equal(ioasid_space_set_data(space, id, NULL), -ENOENT);
	next = give(fixture, NULL, NULL);
	assert_int_equal(next, id + 1);
	assert_true(ioasid_space_validate(space, NULL));
	/* vacant */
	assert_int_equal(ioasid_space_put(space, id), 1);
	now = stats(fixture);
	assert_int_equal(now.pending, 0);
	assert_int_equal(now.frees, 1);
	assert_int_equal(ioasid_space_put(space, id), -ENOENT);
	assert_int_equal(ioasid_space_free(space, id), -ENOENT);
	assert_int_equal(ioasid_space_get(space, NULL, id), -ENOENT);
	assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
	assert_int_equal(give(fixture, NULL, NULL), id);
	/* The owner's reference may go by put as well. */
	assert_int_equal(ioasid_space_get(space, NULL, id), 0);
	assert_int_equal(ioasid_space_put(space, id), 0);
	expect(fixture, NULL, id, 0, NULL);
	assert_int_equal(stats(fixture).live, 2);
	assert_int_equal(ioasid_space_put(space, id), 1);
	now = stats(fixture);
	assert_int_equal(now.live, 1);
	assert_int_equal(now.allocs, 3);
	assert_int_equal(now.frees, 2);
	expect(fixture, NULL, id, -ENOENT, NULL);
}

static void overflow(struct fixture *fixture)
{
	ioasid_t id = give(fixture, NULL, pointer(1));
	uint32_t i;

	for (i = 1; i < IOASID_REFS_MAX; i++)
		assert_int_equal(ioasid_space_get(fixture->space, NULL, id), 0);
	assert_int_equal(ioasid_space_get(fixture->space, NULL, id),
			 -EOVERFLOW);
	expect(fixture, NULL, id, 0, pointer(1));
	assert_int_equal(ioasid_space_free(fixture->space, id), 0);
	for (i = 2; i < IOASID_REFS_MAX; i++)
		assert_int_equal(ioasid_space_put(fixture->space, id), 0);
	assert_int_equal(ioasid_space_put(fixture->space, id), 1);
	assert_int_equal(ioasid_space_put(fixture->space, id), -ENOENT);
}

/* References survive what the store does to slots meanwhile. */
static void references_move_along(struct fixture *fixture)
{
	enum { HELD = 50, MORE = 900 };
	struct ioasid_space *space = fixture->space;
	ioasid_t id, i;

	for (i = 0; i < HELD; i++) {
		assert_int_equal(give(fixture, NULL, pointer(i)), i);
		assert_int_equal(ioasid_space_get(space, NULL, i), 0);
		if (i % 2)
			assert_int_equal(ioasid_space_free(space, i), 0);
	}
	for (i = HELD; i < MORE; i++)
		assert_int_equal(give(fixture, NULL, pointer(i)), i);
	assert_true(ioasid_space_validate(space, NULL));
	for (i = HELD; i < MORE; i++) {
		expect(fixture, NULL, i, 0, pointer(i));
		assert_int_equal(ioasid_space_free(space, i), 0);
		assert_int_equal(ioasid_space_get(space, NULL, i % HELD),
				 i % 2 ? -EBUSY : 0);
		if (!(i % 2))
			assert_int_equal(ioasid_space_put(space, i % HELD), 0);
	}
	for (i = 0; i < HELD; i++) {
		expect(fixture, NULL, i, i % 2 ? -ENOENT : 0, pointer(i));
		assert_int_equal(ioasid_space_put(space, i), i % 2);
	}
	assert_int_equal(stats(fixture).live, HELD / 2);
	for (i = 0; i < HELD; i += 2)
		assert_int_equal(ioasid_space_put(space, i), 1);
	assert_int_equal(stats(fixture).live, 0);
	assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
	assert_int_equal(ioasid_space_alloc(space, NULL, 0, 9, NULL, &id), 0);
	assert_int_equal(id, 0);
}

static void exchange_data(struct fixture *fixture)
{
	ioasid_t id = give(fixture, NULL, pointer(1));
	void *old = NULL;

	assert_int_equal(ioasid_space_exchange_data(fixture->space, id,
						    pointer(2), &old),
			 0);
	assert_ptr_equal(old, pointer(1));
	expect(fixture, NULL, id, 0, pointer(2));
	assert_int_equal(
		ioasid_space_exchange_data(fixture->space, id, NULL, NULL), 0);
	expect(fixture, NULL, id, 0, NULL);
	ioasid_rcu_read_lock(fixture->rcu);
	assert_int_equal(ioasid_space_exchange_data(fixture->space, id,
						    pointer(3), &old),
			 0);
	ioasid_rcu_read_unlock(fixture->rcu);
	assert_null(old);
	expect(fixture, NULL, id, 0, pointer(3));
}

struct setting {
	struct fixture *fixture;
	ioasid_t id;
	int ret;
};

static void do_set_data(void *arg)
{
	struct setting *setting = arg;

	setting->ret = ioasid_space_set_data(setting->fixture->space,
					     setting->id, pointer(2));
}

static void do_lock(void *rcu)
{
	CHECK(!ioasid_rcu_thread_register(rcu));
	ioasid_rcu_read_lock(rcu);
}

static void do_unlock(void *rcu)
{
	ioasid_rcu_read_unlock(rcu);
	ioasid_rcu_quiescent(rcu);
}

static void set_data_waits(struct fixture *fixture)
{
	ioasid_t id = give(fixture, NULL, pointer(1));
	struct setting live = { fixture, id, 1 };
	struct setting unknown = { fixture, 500, 1 };
	struct setting pending = { fixture, 501, 1 };
	struct actor reader, writer;
	ioasid_t other;

	assert_int_equal(ioasid_space_alloc(fixture->space, NULL, 501, 501,
					    NULL, &other),
			 0);
	assert_int_equal(ioasid_space_get(fixture->space, NULL, 501), 0);
	assert_int_equal(ioasid_space_free(fixture->space, 501), 0);
	ioasid_rcu_thread_offline(fixture->rcu);
	actor_begin(&reader);
	actor_begin(&writer);
	actor_do(&reader, do_lock, fixture->rcu);
	/* Not found, nothing to wait for. */
	actor_do(&writer, do_set_data, &unknown);
	assert_int_equal(unknown.ret, -ENOENT);
	actor_do(&writer, do_set_data, &pending);
	assert_int_equal(pending.ret, -ENOENT);
	actor_start(&writer, do_set_data, &live);
	assert_false(actor_done(&writer, A_WHILE));
	actor_do(&reader, do_unlock, fixture->rcu);
	assert_true(actor_done(&writer, TOO_LONG));
	assert_int_equal(live.ret, 0);
	actor_end(&writer);
	actor_end(&reader);
	ioasid_rcu_thread_online(fixture->rcu);
	expect(fixture, NULL, id, 0, pointer(2));
}

static void set_data_refused(struct fixture *fixture)
{
	ioasid_t id = give(fixture, NULL, pointer(1));

	assert_int_equal(ioasid_space_set_data(fixture->space, id, pointer(2)),
			 0);
	expect(fixture, NULL, id, 0, pointer(2));
	if (fixture->flavour->qsbr_like)
		return;
	ioasid_rcu_read_lock(fixture->rcu);
	assert_int_equal(ioasid_space_set_data(fixture->space, id, NULL),
			 -EDEADLK);
	assert_int_equal(ioasid_space_destroy(fixture->space), -EDEADLK);
	ioasid_rcu_read_unlock(fixture->rcu);
	expect(fixture, NULL, id, 0, pointer(2));
	assert_true(ioasid_space_validate(fixture->space, NULL));
}

static void leave_alone(struct ioasid_rcu_head *head)
{
	(void)head;
}

/* Where so much waits that no memory may be taken, alloc gives that back. */
static void alloc_gives_back(struct fixture *fixture)
{
	enum { LIMIT = 4096 };
	struct ioasid_rcu_config rcu_config = { .flavour = IOASID_RCU_DEFAULT,
						.retired_limit = LIMIT };
	struct ioasid_space_config config = { .store = IOASID_STORE_RADIX };
	struct ioasid_space *space;
	struct ioasid_rcu_head head;
	ioasid_t id;

	(void)fixture;
	assert_int_equal(ioasid_rcu_create(&rcu_config, &config.rcu), 0);
	assert_int_equal(ioasid_space_create(&config, &space), 0);
	ioasid_rcu_read_lock(config.rcu);
	ioasid_rcu_retire(config.rcu, &head, leave_alone, LIMIT);
	assert_int_equal(ioasid_space_alloc(space, NULL, 1, 1, NULL, &id),
			 -EAGAIN);
	ioasid_rcu_read_unlock(config.rcu);
	assert_int_equal(ioasid_space_alloc(space, NULL, 1, 1, NULL, &id), 0);
	assert_int_equal(ioasid_space_destroy(space), 0);
	assert_int_equal(ioasid_rcu_destroy(config.rcu), 0);
}

struct retired {
	struct ioasid_rcu_head head;
	struct fixture *fixture;
	unsigned int called;
	int destroy, set_data;
};

static void on_retired(struct ioasid_rcu_head *head)
{
	struct retired *retired = (struct retired *)head;
	ioasid_t id;

	retired->called++;
	retired->destroy = ioasid_space_destroy(retired->fixture->space);
	/* No lock is held: the space may be called. */
	CHECK(!ioasid_space_alloc(retired->fixture->space, NULL, 0,
				  INVALID_IOASID, NULL, &id));
	retired->set_data =
		ioasid_space_set_data(retired->fixture->space, id, retired);
	CHECK(!ioasid_space_free(retired->fixture->space, id));
}

static void free_deferred(struct fixture *fixture)
{
	struct ioasid_space *space = fixture->space;
	struct retired retired = { .fixture = fixture };
	struct retired other = { .fixture = fixture };
	ioasid_t id = give(fixture, NULL, pointer(1));

	assert_int_equal(ioasid_space_free_deferred(space, id + 1, &other.head,
						    on_retired),
			 -ENOENT);
	assert_int_equal(ioasid_space_get(space, NULL, id), 0);
	ioasid_rcu_read_lock(fixture->rcu);
	assert_int_equal(ioasid_space_free_deferred(space, id, &retired.head,
						    on_retired),
			 0);
	expect(fixture, NULL, id, -ENOENT, NULL);
	assert_int_equal(ioasid_space_free_deferred(space, id, &other.head,
						    on_retired),
			 -EBUSY);
	assert_int_equal(retired.called, 0);
	ioasid_rcu_read_unlock(fixture->rcu);
	/* The reference keeps the ID, not the call back. */
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
	assert_int_equal(retired.called, 1);
	assert_int_equal(retired.destroy, -EDEADLK);
	assert_int_equal(retired.set_data,
			 fixture->flavour->qsbr_like ? -EDEADLK : 0);
	assert_int_equal(stats(fixture).pending, 1);
	assert_int_equal(ioasid_space_put(space, id), 1);
	assert_int_equal(other.called, 0);
	assert_int_equal(stats(fixture).frees, 2);
	assert_int_equal(stats(fixture).free_unknown, 2);
}

static void free_deferred_at_limit(struct fixture *fixture)
{
	struct ioasid_rcu_config rcu_config = { .pending_limit = 1 };
	struct ioasid_space_config config;
	struct retired first = { .fixture = fixture };
	struct retired second = { .fixture = fixture };
	struct ioasid_stats before, after;
	struct ioasid_rcu *rcu;
	ioasid_t a, b;

	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	assert_int_equal(ioasid_rcu_create(&rcu_config, &rcu), 0);
	fixture_space_config(fixture, &config, 0, 99);
	config.rcu = rcu;
	assert_int_equal(ioasid_space_create(&config, &fixture->space), 0);
	a = give(fixture, NULL, pointer(1));
	b = give(fixture, NULL, pointer(2));
	ioasid_rcu_read_lock(rcu);
	assert_int_equal(ioasid_space_free_deferred(fixture->space, a,
						    &first.head, on_retired),
			 0);
	before = stats(fixture);
	assert_int_equal(ioasid_space_free_deferred(fixture->space, b,
						    &second.head, on_retired),
			 -EAGAIN);
	after = stats(fixture);
	expect_equal_stats(&before, &after);
	expect(fixture, NULL, b, 0, pointer(2));
	assert_int_equal(ioasid_rcu_pending(rcu), 1);
	ioasid_rcu_read_unlock(rcu);
	/* Outside it waits, and the first is called. */
	assert_int_equal(ioasid_space_free_deferred(fixture->space, b,
						    &second.head, on_retired),
			 0);
	assert_int_equal(first.called, 1);
	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	assert_int_equal(second.called, 1);
	fixture->space = NULL;
	assert_int_equal(ioasid_rcu_destroy(rcu), 0);
}

struct freeing {
	struct ioasid_rcu_head head;
	struct ioasid_space *space;
	unsigned int freed;
};

static void on_freeing(struct ioasid_rcu_head *head)
{
	struct freeing *freeing = (struct freeing *)head;
	ioasid_t id;

	for (id = 1; id < 1024; id++)
		freeing->freed += !ioasid_space_free(freeing->space, id);
}

/* What a callback has the store retire goes before the space does. */
static void destroy_runs_callbacks(struct fixture *fixture)
{
	struct freeing freeing = { .space = NULL };
	size_t least;
	ioasid_t n;

	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	least = fixture->memory.bytes;
	fixture_space(fixture, 0, 1023);
	freeing.space = fixture->space;
	for (n = 0; n < 1024; n++)
		assert_int_equal(give(fixture, NULL, NULL), n);
	ioasid_rcu_read_lock(fixture->rcu);
	assert_int_equal(ioasid_space_free_deferred(fixture->space, 0,
						    &freeing.head, on_freeing),
			 0);
	ioasid_rcu_read_unlock(fixture->rcu);
	assert_int_equal(freeing.freed, 0);
	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	fixture->space = NULL;
	assert_int_equal(freeing.freed, 1023);
	/* The domain is all that is left. */
	assert_int_equal(fixture->memory.bytes, least);
}

static void expect_next(struct fixture *fixture, const struct ioasid_set *set,
			ioasid_t min, ioasid_t max, int ret, ioasid_t id)
{
	ioasid_t found = 4321;
	void *data = &data;

	assert_int_equal(ioasid_space_next(fixture->space, set, min, max,
					   &found, &data),
			 ret);
	assert_int_equal(found, ret ? 4321 : id);
	assert_ptr_equal(data, ret ? (void *)&data : pointer(id));
	found = 4321;
	assert_int_equal(ioasid_space_next(fixture->space, set, min, max,
					   &found, NULL),
			 ret);
	assert_int_equal(found, ret ? 4321 : id);
}

static void give_at(struct fixture *fixture, struct ioasid_set *set,
		    ioasid_t id)
{
	assert_int_equal(ioasid_space_alloc(fixture->space, set, id, id,
					    pointer(id), &id),
			 0);
}

static void next_one(struct fixture *fixture)
{
	static DECLARE_IOASID_SET(a);
	static DECLARE_IOASID_SET(b);
	static DECLARE_IOASID_SET(unused);
	static DECLARE_IOASID_SET(foreign);
	struct ioasid_space *space = another(fixture, 0, 9);
	const ioasid_t last = INVALID_IOASID - 1;
	ioasid_t id;

	assert_int_equal(ioasid_set_bind(space, &foreign, NULL), 0);
	expect_next(fixture, NULL, 0, INVALID_IOASID, -ENOENT, 0);
	give_at(fixture, &a, 3);
	give_at(fixture, &b, 4);
	give_at(fixture, NULL, 5);
	give_at(fixture, &a, 700);
	expect_next(fixture, NULL, 0, INVALID_IOASID, 0, 3);
	expect_next(fixture, NULL, 3, 3, 0, 3);
	expect_next(fixture, NULL, 4, INVALID_IOASID, 0, 4);
	expect_next(fixture, NULL, 6, 699, -ENOENT, 0);
	expect_next(fixture, NULL, 6, 700, 0, 700);
	expect_next(fixture, NULL, 701, last, -ENOENT, 0);
	expect_next(fixture, NULL, INVALID_IOASID, INVALID_IOASID, -ENOENT, 0);
	expect_next(fixture, NULL, 4, 3, -EINVAL, 0);
	expect_next(fixture, NULL, INVALID_IOASID, 0, -EINVAL, 0);
	/* Of a set; of sets that have none here. */
	expect_next(fixture, &a, 0, last, 0, 3);
	expect_next(fixture, &a, 4, last, 0, 700);
	expect_next(fixture, &b, 0, last, 0, 4);
	expect_next(fixture, &b, 5, last, -ENOENT, 0);
	expect_next(fixture, &unused, 0, last, -ENOENT, 0);
	expect_next(fixture, &foreign, 0, last, -ENOENT, 0);
	/* Reserved and pending ones are passed over. */
	assert_int_equal(
		ioasid_space_reserve_id(fixture->space, NULL, 2, 2, &id), 0);
	assert_int_equal(ioasid_space_get(fixture->space, NULL, 3), 0);
	assert_int_equal(ioasid_space_free(fixture->space, 3), 0);
	expect_next(fixture, NULL, 0, last, 0, 4);
	expect_next(fixture, &a, 0, last, 0, 700);
	expect_next(fixture, NULL, 2, 3, -ENOENT, 0);
	assert_int_equal(ioasid_space_put(fixture->space, 3), 1);
	assert_int_equal(ioasid_space_publish_id(fixture->space, 2, pointer(2)),
			 0);
	expect_next(fixture, NULL, 0, last, 0, 2);
	assert_int_equal(ioasid_space_destroy(space), 0);
}

/* Many that do not count in between; all that do, one after another. */
static void next_of_many(struct fixture *fixture)
{
	enum { MANY = 1000 };
	static DECLARE_IOASID_SET(a);
	ioasid_t id, at, seen = 0;
	void *data;

	for (id = 0; id < MANY; id++)
		give_at(fixture, id % 333 ? NULL : &a, id);
	for (at = 0; !ioasid_space_next(fixture->space, NULL, at,
					INVALID_IOASID, &id, &data);
	     at = id + 1) {
		assert_int_equal(id, seen++);
		assert_ptr_equal(data, pointer(id));
	}
	assert_int_equal(seen, MANY);
	for (seen = 0, at = 0; !ioasid_space_next(fixture->space, &a, at,
						  INVALID_IOASID, &id, &data);
	     at = id + 1)
		assert_int_equal(id, 333 * seen++);
	assert_int_equal(seen, 4);
	for (id = 0; id < MANY - 1; id++)
		assert_int_equal(ioasid_space_free(fixture->space, id), 0);
	expect_next(fixture, NULL, 0, INVALID_IOASID, 0, MANY - 1);
}

static void next_at_the_edge(struct fixture *fixture)
{
	const ioasid_t last = INVALID_IOASID - 1;
	struct ioasid_space *wide = fixture->space;

	fixture->space = another(fixture, last - 9, INVALID_IOASID);
	expect_next(fixture, NULL, 0, INVALID_IOASID, -ENOENT, 0);
	give_at(fixture, NULL, last);
	expect_next(fixture, NULL, 0, INVALID_IOASID, 0, last);
	expect_next(fixture, NULL, last, last, 0, last);
	expect_next(fixture, NULL, 0, last - 1, -ENOENT, 0);
	expect_next(fixture, NULL, INVALID_IOASID, INVALID_IOASID, -ENOENT, 0);
	give_at(fixture, NULL, last - 9);
	expect_next(fixture, NULL, 0, INVALID_IOASID, 0, last - 9);
	expect_next(fixture, NULL, 0, last - 10, -ENOENT, 0);
	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	fixture->space = wide;
}

/* What a walk saw. */
struct walk {
	struct fixture *fixture;
	ioasid_t ids[1024];
	size_t count, stop;
	bool churn, inside;
};

static int on_id(ioasid_t id, void *data, void *arg)
{
	struct walk *walk = arg;
	ioasid_t extra;

	CHECK(data == pointer(id));
	CHECK(walk->count < ARRAY_SIZE(walk->ids));
	walk->ids[walk->count++] = id;
	if (walk->inside)
		expect_inside(walk->fixture, id);
	if (walk->churn) {
		/* No lock is held: this one goes, one comes behind. */
		CHECK(!ioasid_space_free(walk->fixture->space, id));
		CHECK(!ioasid_space_alloc(walk->fixture->space, NULL,
					  walk->count == 1 ? 0 : 1, id,
					  pointer(0), &extra));
		CHECK(extra == 0 ||
		      !ioasid_space_free(walk->fixture->space, extra));
	}
	return walk->count == walk->stop ? 77 : 0;
}

static void for_each(struct fixture *fixture)
{
	static DECLARE_IOASID_SET(a);
	static DECLARE_IOASID_SET(unused);
	struct ioasid_space *space = fixture->space;
	struct walk *walk = calloc(1, sizeof(*walk));
	ioasid_t id, n;
	size_t i;

	CHECK(walk);
	walk->fixture = fixture;
	assert_int_equal(ioasid_space_for_each(space, NULL, 0, INVALID_IOASID,
					       on_id, walk),
			 0);
	assert_int_equal(walk->count, 0);
	for (n = 3; n < 1000; n += 3)
		assert_int_equal(ioasid_space_alloc(space, n % 2 ? &a : NULL, n,
						    n, pointer(n), &id),
				 0);
	assert_int_equal(ioasid_space_for_each(space, NULL, 2, 1, on_id, walk),
			 -EINVAL);
	assert_int_equal(ioasid_space_for_each(space, NULL, 0, INVALID_IOASID,
					       on_id, walk),
			 0);
	assert_int_equal(walk->count, 333);
	for (i = 0; i < walk->count; i++)
		assert_int_equal(walk->ids[i], 3 * i + 3);
	walk->count = 0;
	assert_int_equal(ioasid_space_for_each(space, &a, 9, 27, on_id, walk),
			 0);
	assert_int_equal(walk->count, 4);
	for (i = 0; i < walk->count; i++)
		assert_int_equal(walk->ids[i], 6 * i + 9);
	walk->count = 0;
	assert_int_equal(
		ioasid_space_for_each(space, &unused, 0, 999, on_id, walk), 0);
	assert_int_equal(ioasid_space_for_each(space, NULL, 1000,
					       INVALID_IOASID, on_id, walk),
			 0);
	assert_int_equal(ioasid_space_for_each(space, NULL, 4, 5, on_id, walk),
			 0);
	assert_int_equal(walk->count, 0);
	/* Without memory, from inside a section, until told to stop. */
	fixture->memory.fail_all = true;
	walk->stop = 300;
	ioasid_rcu_read_lock(fixture->rcu);
	walk->inside = true;
	assert_int_equal(ioasid_space_for_each(space, NULL, 0, INVALID_IOASID,
					       on_id, walk),
			 77);
	ioasid_rcu_read_unlock(fixture->rcu);
	fixture->memory.fail_all = false;
	assert_int_equal(walk->count, 300);
	for (i = 0; i < walk->count; i++)
		assert_int_equal(walk->ids[i], 3 * i + 3);
	assert_false(ioasid_rcu_read_held(fixture->rcu));
	/* Pending ones are not live. */
	walk->count = walk->stop = 0;
	assert_int_equal(ioasid_space_get(space, NULL, 6), 0);
	assert_int_equal(ioasid_space_free(space, 6), 0);
	assert_int_equal(ioasid_space_for_each(space, NULL, 3, 9, on_id, walk),
			 0);
	assert_int_equal(walk->count, 2);
	assert_int_equal(ioasid_space_put(space, 6), 1);
	/* Freed under the walk. */
	walk->count = 0;
	walk->churn = true;
	assert_int_equal(ioasid_space_for_each(space, NULL, 1, INVALID_IOASID,
					       on_id, walk),
			 0);
	assert_int_equal(walk->count, 332);
	assert_int_equal(stats(fixture).live, 1);
	free(walk);
}

static void memory_is_counted(struct fixture *fixture)
{
	size_t empty = stats(fixture).memory, least = fixture->memory.bytes;
	ioasid_t id, n;

	assert_true(empty > 0);
	assert_true(empty <= least);
	for (n = 0; n < 1024; n++)
		give(fixture, NULL, NULL);
	/* To the byte what the hooks gave since. */
	assert_int_equal(stats(fixture).memory - empty,
			 fixture->memory.bytes - least);
	if (fixture->store->kind != IOASID_STORE_BITMAP)
		assert_true(stats(fixture).memory > empty);
	for (n = 0; n < 1024; n++)
		assert_int_equal(ioasid_space_free(fixture->space, n), 0);
	for (n = 0; n < 64; n++) {
		assert_int_equal(ioasid_space_alloc(fixture->space, NULL, 5, 5,
						    NULL, &id),
				 0);
		assert_int_equal(ioasid_space_free(fixture->space, 5), 0);
		assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
	}
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
	assert_int_equal(stats(fixture).memory - empty,
			 fixture->memory.bytes - least);
	/* And given back, but for a little. */
	if (fixture->store->kind != IOASID_STORE_CUSTOM)
		assert_true(stats(fixture).memory < empty + 8192);
}

static void validate_sees_damage(struct fixture *fixture)
{
	const char *reason = NULL;
	struct ioasid_slot *slot;
	ioasid_state_t state;
	ioasid_t id = give(fixture, NULL, NULL);

	give(fixture, NULL, NULL);
	assert_true(ioasid_space_validate(fixture->space, &reason));
	assert_null(reason);
	slot = ioasid_store_find(&fixture->space->store, id);
	state = ioasid_load_relaxed(&slot->state);
	/* Vacant behind the space's back. */
	assert_int_equal(ioasid_slot_free(slot, false), 0);
	assert_false(ioasid_space_validate(fixture->space, NULL));
	assert_false(ioasid_space_validate(fixture->space, &reason));
	assert_non_null(reason);
	print_message("%s\n", reason);
	/* Live, of a set there is none of. */
	ioasid_store_relaxed(&slot->state, state);
	assert_true(ioasid_space_validate(fixture->space, &reason));
	ioasid_store_relaxed(&slot->state, ioasid_state_make(1, 9, 1, true));
	reason = NULL;
	assert_false(ioasid_space_validate(fixture->space, &reason));
	assert_non_null(reason);
	print_message("%s\n", reason);
	ioasid_store_relaxed(&slot->state, state);
}

struct counted_lock {
	unsigned int taken;
	bool held;
};

static void take(void *context)
{
	struct counted_lock *lock = context;

	CHECK(!lock->held);
	lock->held = true;
	lock->taken++;
}

static void drop(void *context)
{
	struct counted_lock *lock = context;

	CHECK(lock->held);
	lock->held = false;
}

static void own_lock(struct fixture *fixture)
{
	struct counted_lock lock = { 0, false };
	struct ioasid_space_config config;
	struct ioasid_stats now;
	struct ioasid_space *space;
	unsigned int taken;
	void *data;
	ioasid_t id;

	fixture_space_config(fixture, &config, 0, 99);
	config.lock = (struct ioasid_lock_ops){ take, drop, &lock };
	/* Of all there is to it the lock alone is the user's. */
	config.memory = (struct ioasid_memory){ 0 };
	assert_int_equal(ioasid_space_create(&config, &space), 0);
	taken = lock.taken;
	assert_int_equal(ioasid_space_alloc(space, NULL, 0, 9, NULL, &id), 0);
	assert_true(lock.taken > taken);
	taken = lock.taken;
	assert_int_equal(ioasid_space_find(space, NULL, id, NULL, &data), 0);
	assert_int_equal(ioasid_space_find(space, NULL, 8, NULL, &data),
			 -ENOENT);
	assert_int_equal(ioasid_space_get(space, NULL, id), 0);
	assert_int_equal(ioasid_space_put(space, id), 0);
	assert_int_equal(lock.taken, taken);
	assert_int_equal(ioasid_space_put(space, id), 1);
	assert_true(lock.taken > taken);
	ioasid_space_stats(space, &now);
	assert_true(ioasid_space_validate(space, NULL));
	assert_int_equal(ioasid_space_set_data(space, id, NULL), -ENOENT);
	assert_int_equal(ioasid_space_alloc(space, NULL, 9, 8, NULL, &id),
			 -EINVAL);
	assert_false(lock.held);
	assert_int_equal(ioasid_space_destroy(space), 0);
	assert_false(lock.held);
}

/* The slot of @id is set to the last use before a turn. */
static void age(struct fixture *fixture, ioasid_t id)
{
	struct ioasid_slot *slot =
		ioasid_store_find(&fixture->space->store, id);
	ioasid_state_t state = ioasid_load_relaxed(&slot->state);

	ioasid_store_relaxed(
		&slot->state,
		(state & ~IOASID_STATE_GENERATION) |
			ioasid_state_make(IOASID_GENERATION_HALF - 1, 0, 0,
					  false));
}

static void turns_wait(struct fixture *fixture)
{
	struct ioasid_space *space = fixture->space;
	ioasid_t id, n;
	uint32_t generation;

	for (n = 0; n < 4; n++)
		assert_int_equal(give(fixture, NULL, NULL), n);
	age(fixture, 1);
	age(fixture, 2);
	ioasid_rcu_read_lock(fixture->rcu);
	assert_int_equal(ioasid_space_free(space, 1), 0);
	assert_int_equal(ioasid_space_get(space, NULL, 2), 0);
	assert_int_equal(ioasid_space_free(space, 2), 0);
	assert_int_equal(stats(fixture).quarantined, 1);
	assert_int_equal(ioasid_space_put(space, 2), 1);
	assert_int_equal(stats(fixture).quarantined, 2);
	assert_int_equal(stats(fixture).pending, 0);
	assert_true(ioasid_space_validate(space, NULL));
	/* Vacant to all but alloc. */
	expect(fixture, NULL, 1, -ENOENT, NULL);
	assert_int_equal(ioasid_space_free(space, 1), -ENOENT);
	assert_int_equal(ioasid_space_get(space, NULL, 1), -ENOENT);
	assert_int_equal(ioasid_space_put(space, 1), -ENOENT);
	assert_int_equal(ioasid_space_exchange_data(space, 1, NULL, NULL),
			 -ENOENT);
	for (n = 0; n < 3; n++) {
		assert_int_equal(ioasid_space_alloc(space, NULL, 1, 2, NULL,
						    &id),
				 -EAGAIN);
		assert_int_equal(ioasid_space_alloc(space, NULL, 0, 3, NULL,
						    &id),
				 -EAGAIN);
	}
	assert_int_equal(ioasid_space_alloc(space, NULL, 0, 0, NULL, &id),
			 -ENOSPC);
	assert_int_equal(ioasid_space_alloc(space, NULL, 0, 9, NULL, &id), 0);
	assert_int_equal(id, 4);
	ioasid_rcu_read_unlock(fixture->rcu);
	assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
	for (n = 1; n <= 2; n++) {
		assert_int_equal(
			ioasid_space_alloc(space, NULL, 0, 9, NULL, &id), 0);
		assert_int_equal(id, n);
		/* Past the turn, or from the start in a new slot. */
		generation = ioasid_state_generation(ioasid_load_relaxed(
			&ioasid_store_find(&space->store, id)->state));
		assert_int_not_equal(generation, IOASID_GENERATION_HALF - 1);
		assert_int_not_equal(generation, 0);
	}
	assert_int_equal(stats(fixture).quarantined, 0);
	/* One that is in quarantine when the space goes. */
	age(fixture, 2);
	ioasid_rcu_read_lock(fixture->rcu);
	assert_int_equal(ioasid_space_free(space, 2), 0);
	ioasid_rcu_read_unlock(fixture->rcu);
	assert_int_equal(ioasid_space_destroy(space), 0);
	fixture->space = NULL;
}

/* Two spaces in one domain: what waits for one waits for both. */
static void shared_domain(struct fixture *fixture)
{
	struct ioasid_space *other = another(fixture, 0, 99);
	ioasid_t id;

	assert_ptr_equal(ioasid_space_rcu(other),
			 ioasid_space_rcu(fixture->space));
	assert_int_equal(ioasid_space_alloc(other, NULL, 0, 9, pointer(1), &id),
			 0);
	expect(fixture, NULL, id, -ENOENT, NULL);
	assert_int_equal(ioasid_rcu_destroy(fixture->rcu), -EBUSY);
	assert_int_equal(ioasid_space_destroy(other), 0);
	assert_int_equal(ioasid_rcu_destroy(fixture->rcu), -EBUSY);
}

/* A table replaced while many new IDs come: none of them may run full. */
static void shrink_and_refill(struct fixture *fixture)
{
	enum { MOST = 3000, STEP = TEST_LIGHT ? 900 : 150 };
	struct ioasid_space *wide = fixture->space;
	ioasid_t left, id, n;

	for (left = 0; left < MOST; left += STEP) {
		fixture->space = another(fixture, 0, 0xffffff);
		for (n = 0; n < MOST; n++)
			give(fixture, NULL, pointer(n));
		for (n = MOST; n-- > left;)
			assert_int_equal(ioasid_space_free(fixture->space, n),
					 0);
		for (n = 0; n < MOST; n++) {
			assert_int_equal(ioasid_space_alloc(fixture->space,
							    NULL, 10000 + 7 * n,
							    INVALID_IOASID,
							    pointer(n), &id),
					 0);
			assert_int_equal(id, 10000 + 7 * n);
		}
		for (n = 0; n < MOST; n++)
			expect(fixture, NULL, 10000 + 7 * n, 0, pointer(n));
		expect(fixture, NULL, 9999, -ENOENT, NULL);
		assert_true(ioasid_space_validate(fixture->space, NULL));
		assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	}
	fixture->space = wide;
}

/*
 * IDs far apart come and go, each alone in its leaf: leaves given back do not
 * heap up, and new ones are not about to turn.
 */
static void far_apart(struct fixture *fixture)
{
	enum { STEPS = 6000, BOUND = 1 << 20 };
	uint64_t turned = 0, before;
	size_t least, most = 0;
	ioasid_t id, n;

	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	fixture_space(fixture, 0, 0xffff);
	least = fixture->memory.bytes;
	for (n = 0; n < STEPS; n++) {
		id = n * 7919 & 0xffff;
		assert_int_equal(ioasid_space_alloc(fixture->space, NULL, id,
						    id, NULL, &id),
				 0);
		before = stats(fixture).quarantined;
		assert_int_equal(ioasid_space_free(fixture->space, id), 0);
		turned += stats(fixture).quarantined > before;
		ioasid_rcu_quiescent(fixture->rcu);
		/* Else they take longer than all of this. */
		if (fixture->flavour->process_wide && n % 16 == 0)
			assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
		if (fixture->memory.bytes > most)
			most = fixture->memory.bytes;
	}
	print_message("%zu bytes at most, %llu turned\n", most - least,
		      (unsigned long long)turned);
	assert_true(most - least < (size_t)BOUND
					   << fixture->flavour->process_wide);
	assert_true(turned < STEPS / 64);
}

int main(void)
{
	static const struct test_case cases[] = {
		CASE(create_refuses, NO_SPACE),
		CASE(lock_half_given, NO_SPACE),
		CASE(alloc_gives_back, NO_SPACE | NO_RCU),
		CASE(defaults, NO_SPACE | NO_RCU),
		CASE(own_domain, PER_STORE | PER_FLAVOUR | BUILT_IN),
		CASE(alloc_ranges, PER_STORE),
		CASE(the_last_id, PER_STORE),
		CASE(sets, PER_STORE | PER_FLAVOUR),
		CASE(too_many_sets, 0),
		CASE(getters, PER_STORE | PER_FLAVOUR),
		CASE(getter_opens_section, PER_FLAVOUR),
		CASE(find_any_value, PER_STORE),
		CASE(life_cycle, PER_STORE | PER_FLAVOUR),
		CASE(overflow, PER_STORE),
		CASE(references_move_along, PER_STORE),
		CASE(exchange_data, PER_STORE),
		CASE(set_data_waits, PER_FLAVOUR | THREADS),
		CASE(set_data_refused, PER_STORE | PER_FLAVOUR),
		CASE(free_deferred, PER_STORE | PER_FLAVOUR),
		CASE(free_deferred_at_limit, PER_STORE),
		CASE(destroy_runs_callbacks, PER_STORE | PER_FLAVOUR),
		CASE(next_one, PER_STORE),
		CASE(next_of_many, PER_STORE),
		CASE(next_at_the_edge, PER_STORE),
		CASE(for_each, PER_STORE | PER_FLAVOUR),
		CASE(memory_is_counted, PER_STORE),
		CASE(validate_sees_damage, PER_STORE),
		CASE(own_lock, PER_STORE),
		CASE(turns_wait, PER_STORE | PER_FLAVOUR),
		CASE(shared_domain, PER_STORE),
		CASE(shrink_and_refill, PER_STORE),
		CASE(far_apart, PER_STORE | PER_FLAVOUR),
	};

	return test_run("space", cases, ARRAY_SIZE(cases));
}
