/* SPDX-License-Identifier: MIT */
/* SPIDs: names of IDs in their sets. */
#include "test/counts.h"

#include <ioasid/notifier.h>
#include <ioasid/set.h>

#include "core/space/base.h"

static void *pointer(uintptr_t n)
{
	return (void *)(n << 4);
}

static uint32_t spids_of(struct fixture *fixture, const struct ioasid_set *set)
{
	struct ioasid_set_info info;

	assert_int_equal(ioasid_set_stats(fixture->space, set, &info), 0);
	return info.spids;
}

static struct ioasid_set *make(struct fixture *fixture)
{
	struct ioasid_set *set = NULL;

	assert_int_equal(ioasid_set_create(fixture->space, NULL, &set), 0);
	return set;
}

static void give(struct fixture *fixture, struct ioasid_set *set, ioasid_t id)
{
	ioasid_t given;

	assert_int_equal(ioasid_space_alloc(fixture->space, set, id, id,
					    pointer(id), &given),
			 0);
}

/* @id INVALID_IOASID: it is not found. */
static void expect(struct fixture *fixture, const struct ioasid_set *set,
		   ioasid_t spid, ioasid_t id)
{
	ioasid_t found = 4321, name = 4321;
	void *data = &data;
	int ret = id == INVALID_IOASID ? -ENOENT : 0;

	assert_int_equal(ioasid_spid_find(fixture->space, set, spid, NULL,
					  &found, &data),
			 ret);
	assert_int_equal(found, id);
	assert_ptr_equal(data, ret ? NULL : pointer(id));
	found = 4321;
	assert_int_equal(ioasid_spid_find(fixture->space, set, spid, NULL,
					  &found, NULL),
			 ret);
	assert_int_equal(found, id);
	if (ret)
		return;
	assert_int_equal(ioasid_spid_of(fixture->space, id, &name), 0);
	assert_int_equal(name, spid);
}

static void expect_none(struct fixture *fixture, ioasid_t id)
{
	ioasid_t spid = 4321;

	assert_int_equal(ioasid_spid_of(fixture->space, id, &spid), -ENOENT);
	assert_int_equal(spid, 4321);
	assert_int_equal(ioasid_spid_detach(fixture->space, id), -ENOENT);
}

static void attach(struct fixture *fixture)
{
	static const ioasid_t spids[] = {
		0, 1, 63, 1000000, 0x7fffffff, 0x80000000, UINT32_MAX - 1
	};
	struct ioasid_space *space = fixture->space;
	struct ioasid_set *a = make(fixture), *b = make(fixture);
	ioasid_t n;

	for (n = 0; n < ARRAY_SIZE(spids); n++) {
		give(fixture, a, n);
		give(fixture, b, 100 + n);
		expect_none(fixture, n);
		expect(fixture, a, spids[n], INVALID_IOASID);
		assert_int_equal(ioasid_spid_attach(space, n, spids[n]), 0);
		expect(fixture, a, spids[n], n);
		/* A name is the set's, and another may have it as well. */
		expect(fixture, b, spids[n], INVALID_IOASID);
		assert_int_equal(ioasid_spid_attach(space, 100 + n, spids[n]),
				 0);
		expect(fixture, b, spids[n], 100 + n);
	}
	for (n = 0; n < ARRAY_SIZE(spids); n++) {
		expect(fixture, a, spids[n], n);
		expect(fixture, b, spids[n], 100 + n);
	}
	expect(fixture, a, INVALID_IOASID, INVALID_IOASID);
	expect(fixture, a, 2, INVALID_IOASID);
	assert_int_equal(spids_of(fixture, a), ARRAY_SIZE(spids));
	assert_int_equal(counts(fixture).live, 2 * ARRAY_SIZE(spids));
	for (n = 0; n < ARRAY_SIZE(spids); n++)
		assert_int_equal(ioasid_spid_detach(space, n), 0);
	assert_int_equal(spids_of(fixture, a), 0);
	assert_int_equal(spids_of(fixture, b), ARRAY_SIZE(spids));
	for (n = 0; n < ARRAY_SIZE(spids); n++) {
		expect_none(fixture, n);
		expect(fixture, a, spids[n], INVALID_IOASID);
		expect(fixture, b, spids[n], 100 + n);
	}
}

static ioasid_t told_spid;

static void told(struct ioasid_notifier *notifier,
		 const struct ioasid_notice *notice)
{
	(void)notifier;
	told_spid = notice->spid;
}

/* What was taken away is not told, and has left nothing behind. */
static void detached(struct fixture *fixture)
{
	struct space *space = ioasid_to_space(fixture->space);
	struct ioasid_notifier notifier = { .notify = told };
	struct ioasid_set *a = make(fixture);

	assert_int_equal(ioasid_space_register_notifier(fixture->space, NULL,
							&notifier),
			 0);
	give(fixture, a, 1);
	assert_int_equal(told_spid, INVALID_IOASID);
	assert_int_equal(ioasid_spid_attach(fixture->space, 1, 9), 0);
	assert_int_equal(space->extras.count, 1);
	assert_int_equal(ioasid_space_notify(fixture->space, 1,
					     IOASID_EVENT_BIND, NULL),
			 0);
	assert_int_equal(told_spid, 9);
	assert_int_equal(ioasid_spid_detach(fixture->space, 1), 0);
	assert_int_equal(space->extras.count, 0);
	assert_int_equal(ioasid_space_notify(fixture->space, 1,
					     IOASID_EVENT_UNBIND, NULL),
			 0);
	assert_int_equal(told_spid, INVALID_IOASID);
	assert_int_equal(ioasid_space_free(fixture->space, 1), 0);
	assert_int_equal(
		ioasid_space_unregister_notifier(fixture->space, &notifier), 0);
}

static void attach_refuses(struct fixture *fixture)
{
	struct ioasid_space *space = fixture->space;
	struct ioasid_set *a = make(fixture);
	struct ioasid_stats before;

	give(fixture, a, 1);
	give(fixture, a, 2);
	give(fixture, a, 3);
	give(fixture, NULL, 4);
	assert_int_equal(ioasid_spid_attach(space, 1, 10), 0);
	assert_int_equal(ioasid_space_get(space, NULL, 3), 0);
	assert_int_equal(ioasid_space_free(space, 3), 0);
	before = counts(fixture);
	/* unknown, pending, no ID at all */
	assert_int_equal(ioasid_spid_attach(space, 9, 11), -ENOENT);
	assert_int_equal(ioasid_spid_attach(space, 3, 11), -ENOENT);
	assert_int_equal(ioasid_spid_attach(space, INVALID_IOASID, 11),
			 -ENOENT);
	assert_int_equal(ioasid_spid_attach(space, 5000, 11), -ENOENT);
	assert_int_equal(ioasid_spid_attach(space, 4, 11), -EINVAL);
	assert_int_equal(ioasid_spid_attach(space, 2, INVALID_IOASID), -EINVAL);
	assert_int_equal(ioasid_spid_attach(space, 1, INVALID_IOASID), -EINVAL);
	assert_int_equal(ioasid_spid_attach(space, 2, 10), -EEXIST);
	assert_int_equal(ioasid_spid_attach(space, 1, 10), -EBUSY);
	assert_int_equal(ioasid_spid_attach(space, 1, 11), -EBUSY);
	expect_counts(fixture, &before);
	assert_int_equal(spids_of(fixture, a), 1);
	expect(fixture, a, 10, 1);
	expect(fixture, a, 11, INVALID_IOASID);
	expect_none(fixture, 2);
	expect_none(fixture, 3);
	expect_none(fixture, 4);
	expect_none(fixture, 9);
	expect_none(fixture, INVALID_IOASID);
	assert_int_equal(ioasid_space_put(space, 3), 1);
}

/* Names end with the life of their ID, however it ends. */
static void ends_with_the_life(struct fixture *fixture)
{
	struct ioasid_space *space = fixture->space;
	struct ioasid_set *a = make(fixture);
	ioasid_handle_t handle;
	unsigned int way;

	for (way = 0; way < 6; way++) {
		give(fixture, a, 1);
		expect_none(fixture, 1);
		assert_int_equal(ioasid_spid_attach(space, 1, 7), 0);
		expect(fixture, a, 7, 1);
		switch (way) {
		case 0:
			assert_int_equal(ioasid_space_free(space, 1), 0);
			break;
		case 1:
			assert_int_equal(ioasid_space_put(space, 1), 1);
			break;
		case 2:
			assert_int_equal(ioasid_set_free_all(space, a, NULL),
					 0);
			break;
		case 3:
			assert_int_equal(
				ioasid_space_handle(space, a, 1, &handle), 0);
			assert_int_equal(
				ioasid_space_free_handle(space, handle), 0);
			break;
		default:
			/* Pending ones have none, and it may be given anew. */
			assert_int_equal(ioasid_space_get(space, a, 1), 0);
			if (way == 4)
				assert_int_equal(ioasid_space_put(space, 1), 0);
			assert_int_equal(ioasid_space_free(space, 1), 0);
			expect(fixture, a, 7, INVALID_IOASID);
			assert_int_equal(spids_of(fixture, a), 0);
			assert_int_equal(ioasid_rcu_synchronize(fixture->rcu),
					 0);
			give(fixture, a, 2);
			assert_int_equal(ioasid_spid_attach(space, 2, 7), 0);
			expect(fixture, a, 7, 2);
			if (way == 5)
				assert_int_equal(ioasid_space_put(space, 1), 1);
			expect(fixture, a, 7, 2);
			assert_int_equal(ioasid_space_free(space, 2), 0);
			break;
		}
		expect(fixture, a, 7, INVALID_IOASID);
		expect_none(fixture, 1);
		assert_int_equal(spids_of(fixture, a), 0);
		counts(fixture);
		assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
	}
	assert_int_equal(ioasid_set_destroy(space, a), 0);
}

static struct ioasid_rcu *getter_rcu;
static void *getter_data;
static unsigned int getter_calls;
static bool getter_answer;

static bool getter(void *data)
{
	CHECK(ioasid_rcu_read_held(getter_rcu));
	CHECK(ioasid_rcu_synchronize(getter_rcu) == -EDEADLK);
	getter_data = data;
	getter_calls++;
	return getter_answer;
}

static void getters(struct fixture *fixture)
{
	struct ioasid_set *a = make(fixture);
	void *data = &data;
	ioasid_t id;

	give(fixture, a, 5);
	assert_int_equal(ioasid_spid_attach(fixture->space, 5, 50), 0);
	getter_rcu = fixture->rcu;
	getter_calls = 0;
	getter_answer = true;
	assert_int_equal(
		ioasid_spid_find(fixture->space, a, 50, getter, &id, &data), 0);
	assert_int_equal(getter_calls, 1);
	assert_ptr_equal(getter_data, pointer(5));
	assert_ptr_equal(data, pointer(5));
	getter_answer = false;
	id = 4321;
	assert_int_equal(
		ioasid_spid_find(fixture->space, a, 50, getter, &id, &data), 0);
	assert_int_equal(getter_calls, 2);
	assert_null(data);
	assert_int_equal(id, 5);
	assert_int_equal(
		ioasid_spid_find(fixture->space, a, 50, getter, &id, NULL), 0);
	assert_int_equal(getter_calls, 3);
	/* Not for what is not found. */
	data = &data;
	assert_int_equal(ioasid_spid_find(fixture->space, a, 51, getter, &id,
					  &data),
			 -ENOENT);
	assert_null(data);
	assert_int_equal(ioasid_space_free(fixture->space, 5), 0);
	assert_int_equal(ioasid_spid_find(fixture->space, a, 50, getter, &id,
					  &data),
			 -ENOENT);
	assert_int_equal(id, INVALID_IOASID);
	assert_int_equal(getter_calls, 3);
	assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
}

/* Many, far apart, coming and going: the table grows and shrinks meanwhile. */
static void many(struct fixture *fixture)
{
	enum { IDS = 1024, ROUNDS = TEST_LIGHT ? 3000 : 12000 };
	struct ioasid_set *set[2] = { make(fixture), make(fixture) };
	uint32_t *spid = malloc(IDS * sizeof(*spid));
	struct test_random random = { 3 };
	uint32_t n, round, attached = 0;

	CHECK(spid);
	for (n = 0; n < IDS; n++) {
		give(fixture, set[n % 2], n);
		spid[n] = INVALID_IOASID;
	}
	for (round = 0; round < ROUNDS; round++) {
		/* First mostly attached, in the end detached. */
		bool more = test_below(&random, ROUNDS) >
			    round / 2 + ROUNDS / 4;
		int ret;

		n = test_below(&random, IDS);
		if (more && spid[n] == INVALID_IOASID) {
			/* Unlike in both sets, and any 32 bits. */
			uint32_t name = (n + IDS * test_below(&random, 64)) *
					UINT32_C(2654435761);

			do {
				ret = ioasid_spid_attach(fixture->space, n,
							 name);
				if (ret == -EAGAIN)
					assert_int_equal(ioasid_rcu_barrier(
								 fixture->rcu),
							 0);
			} while (ret == -EAGAIN);
			assert_int_equal(ret, 0);
			spid[n] = name;
			attached++;
		} else if (!more && spid[n] != INVALID_IOASID) {
			assert_int_equal(ioasid_spid_detach(fixture->space, n),
					 0);
			expect(fixture, set[n % 2], spid[n], INVALID_IOASID);
			spid[n] = INVALID_IOASID;
			attached--;
		}
		n = test_below(&random, IDS);
		if (spid[n] != INVALID_IOASID) {
			expect(fixture, set[n % 2], spid[n], n);
			expect(fixture, set[!(n % 2)], spid[n], INVALID_IOASID);
		}
		if (round % 1000)
			continue;
		assert_int_equal(spids_of(fixture, set[0]) +
					 spids_of(fixture, set[1]),
				 attached);
		counts(fixture);
		ioasid_rcu_quiescent(fixture->rcu);
	}
	for (n = 0; n < IDS; n++)
		assert_int_equal(ioasid_space_free(fixture->space, n), 0);
	assert_int_equal(spids_of(fixture, set[0]), 0);
	assert_int_equal(ioasid_set_destroy(fixture->space, set[0]), 0);
	free(spid);
}

/*
 * A name that was used as often as its generation has numbers waits for its
 * readers. Only the small build begins near the turn, the one with 32 bits gets
 * there soon.
 */
static void turns(struct fixture *fixture)
{
	enum { USES = IOASID_GENERATION_BITS == 12 ? 9000 : 10 };
	struct ioasid_space *space = fixture->space;
	struct ioasid_set *a = make(fixture);
	unsigned int n, waited = 0;
	ioasid_t id;
	int ret;

	give(fixture, a, 1);
	give(fixture, a, 2);
	/* Lest the table forgets how often. */
	assert_int_equal(ioasid_spid_attach(space, 2, 20), 0);
	ioasid_rcu_read_lock(fixture->rcu);
	for (n = 0; n < USES; n++) {
		ret = ioasid_spid_attach(space, 1, 10);
		if (ret) {
			assert_int_equal(ret, -EAGAIN);
			waited++;
			/* As if it had not been tried. */
			expect(fixture, a, 10, INVALID_IOASID);
			expect_none(fixture, 1);
			assert_int_equal(spids_of(fixture, a), 1);
			assert_int_equal(ioasid_spid_attach(space, 1, 10),
					 -EAGAIN);
			/* Others need not wait. */
			assert_int_equal(ioasid_spid_attach(space, 1, 11), 0);
			expect(fixture, a, 11, 1);
			assert_int_equal(ioasid_spid_detach(space, 1), 0);
			ioasid_rcu_read_unlock(fixture->rcu);
			assert_int_equal(ioasid_rcu_synchronize(fixture->rcu),
					 0);
			ioasid_rcu_read_lock(fixture->rcu);
			assert_int_equal(ioasid_spid_attach(space, 1, 10), 0);
		}
		assert_int_equal(
			ioasid_spid_find(space, a, 10, NULL, &id, NULL), 0);
		assert_int_equal(id, 1);
		assert_int_equal(ioasid_spid_detach(space, 1), 0);
	}
	ioasid_rcu_read_unlock(fixture->rcu);
	print_message("%u of %u waited\n", waited, n);
#if IOASID_GENERATION_BITS == 12
	assert_int_equal(waited, USES / IOASID_GENERATION_HALF);
#else
	assert_in_range(waited, 0, 1);
#ifdef IOASID_GENERATION_START
	/* Just below a half turn. */
	if (IOASID_GENERATION_START == 0x7ffffffd)
		assert_int_equal(waited, 1);
#endif
#endif
	counts(fixture);
	/* A set can go with a name that waits. */
	assert_int_equal(ioasid_set_free_all(space, a, NULL), 0);
	assert_int_equal(ioasid_set_destroy(space, a), 0);
}

/* Without memory nothing is attached, and the next try is as good as ever. */
static void calls(struct fixture *fixture, uint64_t fail_at, bool for_good,
		  unsigned int *refused)
{
	struct test_memory *memory = &fixture->memory;
	struct ioasid_set *a = make(fixture);
	struct ioasid_stats before;
	uint64_t failed;
	ioasid_t n;
	int ret;

	for (n = 0; n < 300; n++)
		give(fixture, a, n);
	memory->fail_at = memory->calls + fail_at;
	for (n = 0; n < 300; n++) {
		before = counts(fixture);
		failed = memory->failed;
		ret = ioasid_spid_attach(fixture->space, n, 7 * n);
		if (for_good && memory->failed)
			memory->fail_all = true;
		if (!ret) {
			expect(fixture, a, 7 * n, n);
			continue;
		}
		assert_int_equal(ret, -ENOMEM);
		assert_true(memory->failed > failed);
		++*refused;
		expect_counts(fixture, &before);
		expect_none(fixture, n);
		expect(fixture, a, 7 * n, INVALID_IOASID);
		memory->fail_all = false;
		memory->fail_at = 0;
		assert_int_equal(spids_of(fixture, a), n);
		ret = ioasid_spid_attach(fixture->space, n, 7 * n);
		/* In the small build a name may have turned by then. */
		if (ret == -EAGAIN) {
			assert_int_equal(ioasid_rcu_synchronize(fixture->rcu),
					 0);
			ret = ioasid_spid_attach(fixture->space, n, 7 * n);
		}
		assert_int_equal(ret, 0);
	}
	for (n = 0; n < 300; n++) {
		expect(fixture, a, 7 * n, n);
		if (n % 2)
			assert_int_equal(ioasid_spid_detach(fixture->space, n),
					 0);
	}
}

static void out_of_memory(struct fixture *fixture)
{
	struct test_memory *memory = &fixture->memory;
	unsigned int refused = 0;
	uint64_t n = 0;

	do {
		fixture_space(fixture, 0, 1023);
		memory->failed = 0;
		memory->fail_all = false;
		calls(fixture, n / 2 + 1, n % 2, &refused);
		memory->fail_at = 0;
		memory->fail_all = false;
		assert_int_equal(ioasid_space_destroy(fixture->space), 0);
		fixture->space = NULL;
		n += n < 40 ? 1 : 31;
	} while (memory->failed);
	print_message("%llu allocations, %u refused\n",
		      (unsigned long long)n / 2, refused);
	assert_true(n > 20 && refused > 20);
}

/*
 * IDs and names come and go under readers. What a name leads to is what it led
 * to at some moment: the private pointer says for which name it was given.
 */
enum {
	NAMES = 24,
	CHANGES = TEST_LIGHT ? 2000 : 8000,
	FINDERS = 2,
};

struct finder {
	struct fixture *fixture;
	struct ioasid_set *set;
	ioasid_atomic_u32 *end;
	pthread_t thread;
	ioasid_atomic_u32 found;
};

static void *find(void *arg)
{
	struct finder *finder = arg;
	struct ioasid_space *space = finder->fixture->space;
	struct test_random random = { 11 };
	ioasid_t id, spid;
	void *data;
	int ret;

	CHECK(!ioasid_rcu_thread_register(ioasid_space_rcu(space)));
	while (!ioasid_load_acquire(finder->end)) {
		spid = test_below(&random, NAMES);
		ret = ioasid_spid_find(space, finder->set, spid, NULL, &id,
				       &data);
		if (!ret) {
			CHECK(data == pointer(spid + 1));
			CHECK(id < 256);
			ioasid_store_relaxed(&finder->found, 1);
		} else {
			CHECK(ret == -ENOENT && !data && id == INVALID_IOASID);
		}
		ioasid_rcu_quiescent(ioasid_space_rcu(space));
	}
	CHECK(!ioasid_rcu_thread_unregister(ioasid_space_rcu(space)));
	return NULL;
}

static void readers(struct fixture *fixture)
{
	struct finder finder[FINDERS];
	struct ioasid_set *set = make(fixture);
	struct test_random random = { 5 };
	ioasid_atomic_u32 end;
	ioasid_t id[NAMES], spid;
	unsigned int i, j = 0;
	int ret;

	memset(&end, 0, sizeof(end));
	for (spid = 0; spid < NAMES; spid++)
		id[spid] = INVALID_IOASID;
	for (i = 0; i < FINDERS; i++) {
		finder[i] = (struct finder){ .fixture = fixture,
					     .set = set,
					     .end = &end };
		CHECK(!pthread_create(&finder[i].thread, NULL, find,
				      &finder[i]));
	}
	/* And for as long as a finder has not found anything. */
	for (i = 0; i < CHANGES || j < FINDERS; i++) {
		while (j < FINDERS && ioasid_load_relaxed(&finder[j].found))
			j++;
		ioasid_rcu_quiescent(fixture->rcu);
		spid = test_below(&random, NAMES);
		if (id[spid] == INVALID_IOASID) {
			do {
				ret = ioasid_space_alloc(fixture->space, set, 0,
							 255, pointer(spid + 1),
							 &id[spid]);
				ioasid_rcu_quiescent(fixture->rcu);
			} while (ret == -EAGAIN);
			CHECK(!ret);
			do {
				ret = ioasid_spid_attach(fixture->space,
							 id[spid], spid);
				ioasid_rcu_quiescent(fixture->rcu);
			} while (ret == -EAGAIN);
			CHECK(!ret);
			continue;
		}
		if (i % 3 == 0)
			CHECK(!ioasid_spid_detach(fixture->space, id[spid]));
		if (i % 2)
			CHECK(!ioasid_space_free(fixture->space, id[spid]));
		else
			CHECK(ioasid_space_put(fixture->space, id[spid]) == 1);
		id[spid] = INVALID_IOASID;
	}
	ioasid_store_release(&end, 1);
	for (i = 0; i < FINDERS; i++) {
		ioasid_rcu_thread_offline(fixture->rcu);
		CHECK(!pthread_join(finder[i].thread, NULL));
		ioasid_rcu_thread_online(fixture->rcu);
	}
	counts(fixture);
}

int main(void)
{
	static const struct test_case cases[] = {
		CASE(attach, PER_STORE),
		CASE(detached, PER_STORE),
		CASE(attach_refuses, PER_STORE),
		CASE(ends_with_the_life, PER_STORE | PER_FLAVOUR),
		CASE(getters, PER_STORE | PER_FLAVOUR),
		CASE(many, PER_STORE),
		CASE(turns, PER_FLAVOUR),
		CASE(out_of_memory, PER_STORE | NO_SPACE),
		CASE(readers, PER_STORE | PER_FLAVOUR | THREADS),
	};

	return test_run("spid", cases, ARRAY_SIZE(cases));
}
