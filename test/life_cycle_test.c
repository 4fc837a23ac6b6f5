/* SPDX-License-Identifier: MIT */
#include "test/fixture.h"

#include <ioasid/allocator.h>
#include <ioasid/notifier.h>
#include <ioasid/set.h>

/* The table of docs/life-cycle.md, which docs_test compares with this one. */

#define THE_ID 5

enum call { FIND, GET, PUT, FREE, SET_DATA, EXCHANGE_DATA, HANDLE, CALLS };

static const char *const calls[CALLS] = {
	"find", "get", "put", "free", "set_data", "exchange_data", "handle",
};

/* One ID on its way through a state, and what a call there answers. */
struct life {
	struct ioasid_allocator_ops allocator;
	struct ioasid_notifier notifier;
	struct ioasid_space *space;
	/* in the allocator's next alloc */
	void (*inside)(struct life *life);
	/* makes the call; NULL: who comes into the state does */
	struct actor *other;
	enum call call;
	bool probed;
	char answer[64];
};

struct row {
	const char *state;
	void (*enter)(struct life *life);
	/* "-": a call nobody may make */
	const char *answers[CALLS];
};

static const char *state(struct life *life)
{
	struct ioasid_stats stats;

	ioasid_space_stats(life->space, &stats);
	CHECK(stats.live + stats.pending + stats.unpublished +
		      stats.quarantined <=
	      1);
	if (stats.unpublished)
		return "RESERVED";
	if (stats.pending)
		return "PENDING";
	if (stats.quarantined)
		return "QUARANTINE";
	if (!stats.live)
		return "VACANT";
	if (ioasid_space_get(life->space, NULL, THE_ID))
		return "CLOSED";
	CHECK(!ioasid_space_put(life->space, THE_ID));
	return "LIVE";
}

static const char *number(int ret)
{
	switch (ret) {
	case 0:
		return "0";
	case 1:
		return "1";
	case -ENOENT:
		return "-ENOENT";
	case -EBUSY:
		return "-EBUSY";
	case -EDEADLK:
		return "-EDEADLK";
	default:
		return "?";
	}
}

static int make_call(struct life *life)
{
	ioasid_handle_t handle;
	void *data;

	switch (life->call) {
	case FIND:
		return ioasid_space_find(life->space, NULL, THE_ID, NULL,
					 &data);
	case GET:
		return ioasid_space_get(life->space, NULL, THE_ID);
	case PUT:
		return ioasid_space_put(life->space, THE_ID);
	case FREE:
		return ioasid_space_free(life->space, THE_ID);
	case SET_DATA:
		return ioasid_space_set_data(life->space, THE_ID, life);
	case EXCHANGE_DATA:
		return ioasid_space_exchange_data(life->space, THE_ID, life,
						  NULL);
	case HANDLE:
		return ioasid_space_handle(life->space, NULL, THE_ID, &handle);
	case CALLS:
		break;
	}
	return -EINVAL;
}

static void probe(void *arg)
{
	struct life *life = arg;
	const char *before = state(life), *after;
	struct ioasid_set *set;
	int ret;

	/* Nobody owns an ID whose end is under way. */
	CHECK(!ioasid_set_of(life->space, THE_ID, &set) ==
	      !strcmp(before, "LIVE"));
	ret = make_call(life);
	CHECK(!life->probed);
	life->probed = true;
	after = state(life);
	snprintf(life->answer, sizeof(life->answer), "%s%s%s", number(ret),
		 strcmp(before, after) ? ", then " : "",
		 strcmp(before, after) ? after : "");
}

static void expect(struct life *life, const char *expected)
{
	if (strcmp(state(life), expected))
		fail_msg("%s, not %s", state(life), expected);
}

static void alloc(struct life *life)
{
	ioasid_t id;

	assert_int_equal(
		ioasid_space_alloc(life->space, NULL, 0, THE_ID, life, &id), 0);
	assert_int_equal(id, THE_ID);
	expect(life, "LIVE");
}

static void get(struct life *life)
{
	assert_int_equal(ioasid_space_get(life->space, NULL, THE_ID), 0);
}

static void end(struct life *life)
{
	assert_int_equal(ioasid_space_free(life->space, THE_ID), 0);
}

static void vacant(struct life *life)
{
	alloc(life);
	end(life);
	expect(life, "VACANT");
	probe(life);
}

static void reserved(struct life *life)
{
	ioasid_t id;

	assert_int_equal(
		ioasid_space_reserve_id(life->space, NULL, 0, THE_ID, &id), 0);
	assert_int_equal(id, THE_ID);
	expect(life, "RESERVED");
	probe(life);
	assert_int_equal(ioasid_space_release_id(life->space, THE_ID), 0);
	expect(life, "VACANT");
}

static void live(struct life *life)
{
	alloc(life);
	probe(life);
}

static void live_held(struct life *life)
{
	alloc(life);
	get(life);
	probe(life);
}

static void pending(struct life *life)
{
	alloc(life);
	get(life);
	end(life);
	expect(life, "PENDING");
	probe(life);
}

static void pending_held(struct life *life)
{
	alloc(life);
	get(life);
	get(life);
	end(life);
	expect(life, "PENDING");
	probe(life);
}

static void on_notice(struct ioasid_notifier *notifier,
		      const struct ioasid_notice *notice)
{
	struct life *life =
		(struct life *)(void *)((char *)notifier -
					offsetof(struct life, notifier));

	if (notice->event != IOASID_EVENT_FREE)
		return;
	CHECK(!strcmp(state(life), "PENDING"));
	probe(life);
}

static void pending_told(struct life *life)
{
	life->notifier.notify = on_notice;
	assert_int_equal(ioasid_space_register_notifier(life->space, NULL,
							&life->notifier),
			 0);
	alloc(life);
	end(life);
	expect(life, "VACANT");
}

static ioasid_t give(ioasid_t min, ioasid_t max, void *data)
{
	struct life *life = data;

	if (life->inside)
		life->inside(life);
	return min <= THE_ID && THE_ID <= max ? THE_ID : INVALID_IOASID;
}

static void take_back(ioasid_t id, void *data)
{
	struct life *life = data;

	CHECK(id == THE_ID);
	/* By destroy. */
	if (life->probed)
		return;
	if (life->other)
		actor_do(life->other, probe, life);
	else
		probe(life);
}

static void alloc_by_allocator(struct life *life)
{
	life->allocator = (struct ioasid_allocator_ops){
		.alloc = give,
		.free = take_back,
		.pdata = life,
	};
	assert_int_equal(ioasid_space_register_allocator(life->space,
							 &life->allocator),
			 0);
	alloc(life);
}

static void closed_inside(struct life *life)
{
	alloc_by_allocator(life);
	end(life);
	expect(life, "VACANT");
}

static void with_other(struct life *life, void (*enter)(struct life *life))
{
	struct actor other;

	actor_begin(&other);
	life->other = &other;
	enter(life);
	life->other = NULL;
	actor_end(&other);
}

static void closed(struct life *life)
{
	with_other(life, closed_inside);
}

static void pending_handed_back_inside(struct life *life)
{
	alloc_by_allocator(life);
	get(life);
	end(life);
	expect(life, "PENDING");
	assert_int_equal(ioasid_space_put(life->space, THE_ID), 1);
	expect(life, "VACANT");
}

static void pending_handed_back(struct life *life)
{
	with_other(life, pending_handed_back_inside);
}

static void end_and_probe(struct life *life)
{
	CHECK(!ioasid_space_free(life->space, THE_ID));
	CHECK(!strcmp(state(life), "PENDING"));
	probe(life);
}

static void ended_in_callback(struct life *life)
{
	ioasid_t id;

	alloc_by_allocator(life);
	life->inside = end_and_probe;
	assert_int_equal(ioasid_space_alloc(life->space, NULL, THE_ID + 1,
					    THE_ID + 1, NULL, &id),
			 -ENOSPC);
	life->inside = NULL;
	expect(life, "VACANT");
}

static void quarantine(struct life *life)
{
	alloc(life);
	end(life);
	expect(life, "QUARANTINE");
	probe(life);
}

static const struct row rows[] = {
	{ "VACANT",
	  vacant,
	  { "-ENOENT", "-ENOENT", "-ENOENT", "-ENOENT", "-ENOENT", "-ENOENT",
	    "-ENOENT" } },
	{ "RESERVED",
	  reserved,
	  { "-ENOENT", "-ENOENT", "-ENOENT", "-ENOENT", "-ENOENT", "-ENOENT",
	    "-ENOENT" } },
	{ "LIVE, one reference",
	  live,
	  { "0", "0", "1, then VACANT", "0, then VACANT", "0", "0", "0" } },
	{ "LIVE, more references",
	  live_held,
	  { "0", "0", "0", "0, then PENDING", "0", "0", "0" } },
	{ "CLOSED",
	  closed,
	  { "0", "-EBUSY", "-ENOENT", "-EBUSY", "0", "0", "0" } },
	{ "CLOSED, in the callback",
	  closed_inside,
	  { "0", "-EBUSY", "-ENOENT", "-EBUSY", "-EDEADLK", "0", "0" } },
	{ "PENDING, one reference",
	  pending,
	  { "-ENOENT", "-EBUSY", "1, then VACANT", "-EBUSY", "-ENOENT",
	    "-ENOENT", "-ENOENT" } },
	{ "PENDING, more references",
	  pending_held,
	  { "-ENOENT", "-EBUSY", "0", "-EBUSY", "-ENOENT", "-ENOENT",
	    "-ENOENT" } },
	{ "PENDING, FREE is being told",
	  pending_told,
	  { "-ENOENT", "-EBUSY", "-", "-EBUSY", "-ENOENT", "-ENOENT",
	    "-ENOENT" } },
	{ "PENDING, being handed back",
	  pending_handed_back,
	  { "-ENOENT", "-EBUSY", "-", "-EBUSY", "-ENOENT", "-ENOENT",
	    "-ENOENT" } },
	{ "PENDING, ended in a callback",
	  ended_in_callback,
	  { "-ENOENT", "-EBUSY", "-", "-EBUSY", "-ENOENT", "-ENOENT",
	    "-ENOENT" } },
	{ "QUARANTINE",
	  quarantine,
	  { "-ENOENT", "-ENOENT", "-ENOENT", "-ENOENT", "-ENOENT", "-ENOENT",
	    "-ENOENT" } },
};

static void life_begin(struct fixture *fixture, struct life *life,
		       bool always_quarantine)
{
	struct ioasid_space_config config;

	memset(life, 0, sizeof(*life));
	fixture_space_config(fixture, &config, THE_ID, THE_ID + 1);
	config.quarantine = always_quarantine;
	assert_int_equal(ioasid_space_create(&config, &life->space), 0);
}

static void life_end(struct life *life)
{
	const char *reason = "?";

	if (!ioasid_space_validate(life->space, &reason))
		fail_msg("%s", reason);
	assert_int_equal(ioasid_space_destroy(life->space), 0);
}

static void table(struct fixture *fixture)
{
	struct life life;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!TEST_THREADS && (rows[i].enter == closed ||
				      rows[i].enter == pending_handed_back)) {
			print_message("%s: left out here\n", rows[i].state);
			continue;
		}
		for (unsigned int call = 0; call < CALLS; call++) {
			const char *expected = rows[i].answers[call];

			if (!strcmp(expected, "-"))
				continue;
			life_begin(fixture, &life, rows[i].enter == quarantine);
			life.call = (enum call)call;
			rows[i].enter(&life);
			assert_true(life.probed);
			if (strcmp(life.answer, expected))
				fail_msg("%s, %s: %s, not %s", rows[i].state,
					 calls[call], life.answer, expected);
			life_end(&life);
		}
	}
}

/* However the life ends, and not before readers have left. */
static void quarantine_ends(struct fixture *fixture)
{
	struct life life;
	ioasid_t id;

	for (int i = 0; i < 3; i++) {
		life_begin(fixture, &life, true);
		alloc(&life);
		ioasid_rcu_read_lock(fixture->rcu);
		if (i == 2) {
			get(&life);
			end(&life);
			expect(&life, "PENDING");
		}
		if (i)
			assert_int_equal(ioasid_space_put(life.space, THE_ID),
					 1);
		else
			end(&life);
		expect(&life, "QUARANTINE");
		assert_int_equal(ioasid_space_alloc(life.space, NULL, 0, THE_ID,
						    NULL, &id),
				 -EAGAIN);
		ioasid_rcu_read_unlock(fixture->rcu);
		assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
		alloc(&life);
		life_end(&life);
	}
}

static void former_use(struct fixture *fixture)
{
	ioasid_handle_t handle;
	struct life life;
	void *data;

	life_begin(fixture, &life, false);
	alloc(&life);
	assert_int_equal(ioasid_space_handle(life.space, NULL, THE_ID, &handle),
			 0);
	end(&life);
	alloc(&life);
	assert_int_equal(ioasid_space_find_handle(life.space, NULL, handle,
						  NULL, &data),
			 -ESTALE);
	assert_int_equal(ioasid_space_get_handle(life.space, NULL, handle),
			 -ESTALE);
	assert_int_equal(ioasid_space_free_handle(life.space, handle), -ESTALE);
	expect(&life, "LIVE");
	life_end(&life);
}

int main(void)
{
	static const struct test_case cases[] = {
		CASE(table, PER_STORE | NO_SPACE),
		CASE(quarantine_ends, PER_STORE | NO_SPACE),
		CASE(former_use, PER_STORE | NO_SPACE),
	};

	return test_run("life_cycle", cases, ARRAY_SIZE(cases));
}
