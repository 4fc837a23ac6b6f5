/* SPDX-License-Identifier: MIT */
#include "test/actors.h"

static void synchronize(void *rcu)
{
	CHECK(!ioasid_rcu_synchronize(rcu));
}

static void leave(void *rcu)
{
	CHECK(!ioasid_rcu_thread_unregister(rcu));
}

/* Main is online in qsbr and would hold up others. */
static void main_offline(struct fixture *fixture)
{
	ioasid_rcu_thread_offline(fixture->rcu);
}

static bool can_tell(const struct fixture *fixture)
{
	return !fixture->flavour->qsbr_like;
}

static void create_refuses(struct fixture *fixture)
{
	struct ioasid_rcu_ops ops = *test_flavours[FLAVOUR_CUSTOM].ops;
	struct ioasid_rcu_config config, good;
	struct ioasid_rcu_ops broken;
	struct ioasid_rcu *rcu = NULL;
	unsigned int i;

	fixture_rcu_config(fixture, &good);
	config = good;
	config.flavour = (enum ioasid_rcu_flavour)(IOASID_RCU_CUSTOM + 1);
	assert_int_equal(ioasid_rcu_create(&config, &rcu), -EINVAL);
	config.flavour = IOASID_RCU_CUSTOM;
	assert_int_equal(ioasid_rcu_create(&config, &rcu), -EINVAL);
	config.ops = &broken;
	for (i = 0; i < 6; i++) {
		broken = ops;
		broken.online = i < 4 ? NULL : ops.read_held;
		if (i == 0)
			broken.read_lock = NULL;
		else if (i == 1)
			broken.read_unlock = NULL;
		else if (i == 2)
			broken.start_poll = NULL;
		else if (i == 3)
			broken.poll = NULL;
		else if (i == 4)
			broken.thread_offline = NULL;
		else
			broken.thread_online = NULL;
		assert_int_equal(ioasid_rcu_create(&config, &rcu), -EINVAL);
	}
	config = good;
	config.memory.alloc = NULL;
	assert_int_equal(ioasid_rcu_create(&config, &rcu), -EINVAL);
	config = good;
	config.memory.free = NULL;
	assert_int_equal(ioasid_rcu_create(&config, &rcu), -EINVAL);
	config = good;
	config.memory = test_memory_hooks(&fixture->memory, true);
	config.memory.reserve = NULL;
	assert_int_equal(ioasid_rcu_create(&config, &rcu), -EINVAL);
	config.memory = test_memory_hooks(&fixture->memory, true);
	config.memory.release = NULL;
	assert_int_equal(ioasid_rcu_create(&config, &rcu), -EINVAL);
	fixture->memory.fail_all = true;
	assert_int_equal(ioasid_rcu_create(&good, &rcu), -ENOMEM);
	fixture->memory.fail_all = false;
	assert_null(rcu);
	assert_int_equal(ioasid_rcu_create(NULL, &rcu), 0);
	assert_int_equal(ioasid_rcu_destroy(rcu), 0);
	assert_int_equal(ioasid_rcu_destroy(NULL), 0);
}

static void nesting(struct fixture *fixture)
{
	struct ioasid_rcu *rcu = fixture->rcu;
	int i;

	assert_false(ioasid_rcu_read_held(rcu));
	for (i = 0; i < 3; i++) {
		ioasid_rcu_read_lock(rcu);
		assert_int_equal(ioasid_rcu_read_held(rcu), can_tell(fixture));
	}
	for (i = 0; i < 3; i++) {
		if (can_tell(fixture)) {
			assert_true(ioasid_rcu_read_held(rcu));
			assert_int_equal(ioasid_rcu_synchronize(rcu), -EDEADLK);
			assert_int_equal(ioasid_rcu_barrier(rcu), -EDEADLK);
			assert_int_equal(ioasid_rcu_destroy(rcu), -EDEADLK);
			assert_int_equal(ioasid_rcu_thread_unregister(rcu),
					 -EDEADLK);
		}
		ioasid_rcu_read_unlock(rcu);
	}
	assert_false(ioasid_rcu_read_held(rcu));
	assert_int_equal(ioasid_rcu_synchronize(rcu), 0);
	assert_int_equal(ioasid_rcu_barrier(rcu), 0);
}

/* Synchronize returns after what a reader began before. */
static void waits(struct ioasid_rcu *rcu)
{
	struct actor reader, writer;

	actor_begin(&reader);
	actor_begin(&writer);
	actor_do(&reader, enlist, rcu);
	actor_do(&reader, lock, rcu);
	actor_start(&writer, synchronize, rcu);
	assert_false(actor_done(&writer, A_WHILE));
	actor_do(&reader, unlock, rcu);
	/* The grace period may begin as late as now. */
	actor_do(&reader, offline, rcu);
	assert_true(actor_done(&writer, TOO_LONG));
	actor_end(&writer);
	actor_end(&reader);
}

static void synchronize_waits(struct fixture *fixture)
{
	struct actor reader, writer;

	main_offline(fixture);
	reader_begin(&reader, fixture->rcu);
	actor_do(&reader, lock, fixture->rcu);
	actor_begin(&writer);
	actor_start(&writer, synchronize, fixture->rcu);
	assert_false(actor_done(&writer, A_WHILE));
	if (!fixture->flavour->qsbr_like) {
		actor_do(&reader, unlock, fixture->rcu);
		assert_false(actor_done(&writer, A_WHILE));
	}
	actor_do(&reader, unlock, fixture->rcu);
	actor_do(&reader, offline, fixture->rcu);
	assert_true(actor_done(&writer, TOO_LONG));
	actor_end(&writer);
	actor_end(&reader);
}

static bool poll_passes(struct ioasid_rcu *rcu, uint64_t cookie)
{
	double end = test_now() + TOO_LONG;

	while (!ioasid_rcu_poll(rcu, cookie)) {
		if (test_now() > end)
			return false;
		ioasid_rcu_quiescent(rcu);
	}
	return true;
}

static void polling(struct fixture *fixture)
{
	struct ioasid_rcu *rcu = fixture->rcu;
	uint64_t first, second;
	struct actor reader;

	/* In the caller's own section it cannot pass. */
	ioasid_rcu_read_lock(rcu);
	first = ioasid_rcu_start_poll(rcu);
	assert_false(ioasid_rcu_poll(rcu, first));
	assert_false(ioasid_rcu_poll(rcu, first));
	ioasid_rcu_read_unlock(rcu);
	ioasid_rcu_quiescent(rcu);
	assert_true(fixture->flavour->process_wide ?
			    poll_passes(rcu, first) :
			    ioasid_rcu_poll(rcu, first));
	second = ioasid_rcu_start_poll(rcu);
	if (fixture->flavour->threads)
		assert_true(second > first);
	assert_int_equal(ioasid_rcu_synchronize(rcu), 0);
	assert_true(ioasid_rcu_poll(rcu, first));
	assert_true(fixture->flavour->process_wide ?
			    poll_passes(rcu, second) :
			    ioasid_rcu_poll(rcu, second));
	if (!fixture->flavour->threads)
		return;
	main_offline(fixture);
	reader_begin(&reader, fixture->rcu);
	first = ioasid_rcu_start_poll(rcu);
	assert_false(ioasid_rcu_poll(rcu, first));
	test_sleep(A_WHILE);
	assert_false(ioasid_rcu_poll(rcu, first));
	actor_do(&reader, unlock, rcu);
	/* The grace period may begin as late as now. */
	actor_do(&reader, offline, rcu);
	assert_true(poll_passes(rcu, first));
	actor_end(&reader);
}

/* A grace period under way may have begun before a section that it must see. */
static void late_cookie(struct fixture *fixture)
{
	struct ioasid_rcu *rcu = fixture->rcu;
	struct actor first, second;
	uint64_t early, late;
	double end;

	main_offline(fixture);
	reader_begin(&first, fixture->rcu);
	early = ioasid_rcu_start_poll(rcu);
	assert_false(ioasid_rcu_poll(rcu, early));
	test_sleep(A_WHILE);
	reader_begin(&second, fixture->rcu);
	late = ioasid_rcu_start_poll(rcu);
	actor_do(&first, unlock, rcu);
	actor_end(&first);
	for (end = test_now() + A_WHILE; test_now() < end;)
		assert_false(ioasid_rcu_poll(rcu, late));
	actor_do(&second, unlock, rcu);
	actor_end(&second);
	assert_true(poll_passes(rcu, early));
	assert_true(poll_passes(rcu, late));
}

/* Cookies only grow and tell the past from the future. */
static void cookies(struct fixture *fixture)
{
	enum { COUNT = 64 };
	struct ioasid_rcu *rcu = fixture->rcu;
	uint64_t cookie[COUNT];
	struct actor reader;
	int i, j;

	/* Its reader is another thread. */
	if (fixture->flavour->qsbr_like && !TEST_THREADS)
		skip();
	main_offline(fixture);
	for (i = 0; i < COUNT; i++) {
		if (fixture->flavour->threads)
			reader_begin(&reader, fixture->rcu);
		else
			ioasid_rcu_read_lock(rcu);
		cookie[i] = ioasid_rcu_start_poll(rcu);
		if (i)
			assert_true(cookie[i] > cookie[i - 1]);
		assert_false(ioasid_rcu_poll(rcu, cookie[i]));
		for (j = 0; j < i; j++)
			assert_true(ioasid_rcu_poll(rcu, cookie[j]));
		assert_false(ioasid_rcu_poll(rcu, cookie[i]));
		if (fixture->flavour->threads) {
			actor_do(&reader, unlock, rcu);
			actor_end(&reader);
		} else {
			ioasid_rcu_read_unlock(rcu);
		}
		assert_true(poll_passes(rcu, cookie[i]));
	}
#ifdef IOASID_EPOCH_START
	/* Such a build starts a few short of it. */
	if (!fixture->flavour->ops)
		assert_true(cookie[0] <= UINT32_MAX &&
			    cookie[COUNT - 1] > UINT32_MAX);
#endif
}

/* A deferred callback that knows its turn. */
struct deferred {
	struct ioasid_rcu_head head;
	struct fixture *fixture;
	unsigned int number, *called;
	int barrier, destroy, synchronize;
	bool again, wrong_order;
};

static void on_deferred(struct ioasid_rcu_head *head)
{
	struct deferred *deferred = (struct deferred *)head;
	struct ioasid_rcu *rcu = deferred->fixture->rcu;

	deferred->wrong_order = *deferred->called != deferred->number;
	++*deferred->called;
	deferred->barrier = ioasid_rcu_barrier(rcu);
	deferred->destroy = ioasid_rcu_destroy(rcu);
	deferred->synchronize = ioasid_rcu_synchronize(rcu);
	if (deferred->again) {
		deferred->again = false;
		deferred->number += 100;
		CHECK(!ioasid_rcu_defer(rcu, head, on_deferred));
	}
}

static void deferred_in_order(struct fixture *fixture)
{
	struct ioasid_rcu *rcu = fixture->rcu;
	struct deferred deferred[100];
	unsigned int called = 0, i;

	ioasid_rcu_read_lock(rcu);
	for (i = 0; i < 100; i++) {
		deferred[i] = (struct deferred){
			.fixture = fixture,
			.number = i,
			.called = &called,
			.again = i == 0,
		};
		assert_int_equal(ioasid_rcu_pending(rcu), i);
		assert_int_equal(ioasid_rcu_defer(rcu, &deferred[i].head,
						  on_deferred),
				 0);
	}
	/* The section they were deferred in has not ended. */
	assert_int_equal(called, 0);
	assert_int_equal(ioasid_rcu_pending(rcu), 100);
	ioasid_rcu_read_unlock(rcu);
	assert_int_equal(ioasid_rcu_barrier(rcu), 0);
	assert_true(called >= 100);
	assert_int_equal(ioasid_rcu_barrier(rcu), 0);
	assert_int_equal(called, 101);
	assert_int_equal(ioasid_rcu_pending(rcu), 0);
	for (i = 0; i < 100; i++) {
		assert_false(deferred[i].wrong_order);
		assert_int_equal(deferred[i].barrier, -EDEADLK);
		assert_int_equal(deferred[i].destroy, -EDEADLK);
		/* Whose thread it is may hold pointers that nothing tells. */
		assert_int_equal(deferred[i].synchronize,
				 fixture->flavour->qsbr_like ? -EDEADLK : 0);
	}
}

struct counted {
	struct ioasid_rcu_head head;
	ioasid_atomic_u32 *count;
};

static void on_counted(struct ioasid_rcu_head *head)
{
	ioasid_fetch_add_acq_rel(((struct counted *)head)->count, 1);
}

/* What is deferred outside of a section is called without anybody waiting. */
static void deferred_runs_by_itself(struct fixture *fixture)
{
	static struct counted counted[4096];
	ioasid_atomic_u32 count = { 0 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(counted); i++) {
		counted[i].count = &count;
		assert_int_equal(ioasid_rcu_defer(fixture->rcu,
						  &counted[i].head, on_counted),
				 0);
		if (fixture->flavour->flavour == IOASID_RCU_NONE)
			assert_int_equal(ioasid_load_relaxed(&count), i + 1);
		ioasid_rcu_quiescent(fixture->rcu);
		/* A thread of the flavour's own may have little time. */
		if (fixture->flavour->process_wide && i % 512 == 0)
			poll_passes(fixture->rcu,
				    ioasid_rcu_start_poll(fixture->rcu));
	}
	assert_true(ioasid_load_relaxed(&count) > ARRAY_SIZE(counted) / 2);
	assert_int_equal(ioasid_rcu_pending(fixture->rcu),
			 ARRAY_SIZE(counted) - ioasid_load_relaxed(&count));
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
	assert_int_equal(ioasid_load_relaxed(&count), ARRAY_SIZE(counted));
}

static void deferred_waits_for_readers(struct fixture *fixture)
{
	struct counted counted[100];
	ioasid_atomic_u32 count = { 0 };
	struct actor reader;
	size_t i;

	main_offline(fixture);
	reader_begin(&reader, fixture->rcu);
	for (i = 0; i < ARRAY_SIZE(counted); i++) {
		counted[i].count = &count;
		assert_int_equal(ioasid_rcu_defer(fixture->rcu,
						  &counted[i].head, on_counted),
				 0);
	}
	assert_int_equal(ioasid_load_relaxed(&count), 0);
	actor_do(&reader, unlock, fixture->rcu);
	actor_end(&reader);
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
	assert_int_equal(ioasid_load_relaxed(&count), ARRAY_SIZE(counted));
}

/* The last one of the limit's, on a thread of its own. */
struct last {
	struct ioasid_rcu *rcu;
	struct counted *counted;
};

static void defer_last(void *arg)
{
	struct last *last = arg;

	CHECK(!ioasid_rcu_defer(last->rcu, &last->counted->head, on_counted));
}

/* Defers until refused. */
struct refused {
	struct counted counted, other[8];
	struct ioasid_rcu *rcu;
	unsigned int accepted;
	int ret;
};

static void on_refused(struct ioasid_rcu_head *head)
{
	struct refused *refused = (struct refused *)head;

	on_counted(head);
	while (!refused->ret && refused->accepted < 8) {
		struct counted *other = &refused->other[refused->accepted];

		other->count = refused->counted.count;
		refused->ret = ioasid_rcu_defer(refused->rcu, &other->head,
						on_counted);
		refused->accepted += !refused->ret;
	}
}

static void pending_limit(struct fixture *fixture)
{
	enum { LIMIT = 4 };
	struct ioasid_rcu_config config;
	struct counted counted[LIMIT + 1];
	ioasid_atomic_u32 count = { 0 };
	struct refused refused;
	struct ioasid_rcu *rcu;
	struct actor reader, writer;
	struct last last;
	size_t i;

	fixture_rcu_config(fixture, &config);
	config.pending_limit = LIMIT;
	assert_int_equal(ioasid_rcu_destroy(fixture->rcu), 0);
	assert_int_equal(ioasid_rcu_create(&config, &rcu), 0);
	fixture->rcu = rcu;
	reader_begin(&reader, fixture->rcu);
	for (i = 0; i <= LIMIT; i++)
		counted[i].count = &count;
	for (i = 0; i < LIMIT; i++)
		assert_int_equal(
			ioasid_rcu_defer(rcu, &counted[i].head, on_counted), 0);
	assert_int_equal(ioasid_rcu_pending(rcu), LIMIT);
	/* In a section, the head remains the caller's. */
	assert_int_equal(ioasid_rcu_thread_register(rcu), 0);
	ioasid_rcu_read_lock(rcu);
	assert_int_equal(ioasid_rcu_defer(rcu, &counted[LIMIT].head,
					  on_counted),
			 -EAGAIN);
	ioasid_rcu_read_unlock(rcu);
	main_offline(fixture);
	assert_int_equal(ioasid_rcu_pending(rcu), LIMIT);
	/* Outside of one it waits. */
	actor_begin(&writer);
	last = (struct last){ rcu, &counted[LIMIT] };
	actor_start(&writer, defer_last, &last);
	assert_false(actor_done(&writer, A_WHILE));
	assert_int_equal(ioasid_load_acquire(&count), 0);
	actor_do(&reader, unlock, rcu);
	actor_do(&reader, offline, rcu);
	assert_true(actor_done(&writer, TOO_LONG));
	assert_true(ioasid_load_acquire(&count) >= LIMIT);
	actor_end(&writer);
	actor_end(&reader);
	assert_int_equal(ioasid_rcu_barrier(rcu), 0);
	assert_int_equal(ioasid_load_acquire(&count), LIMIT + 1);
	/* And in a callback. */
	refused = (struct refused){ .counted.count = &count, .rcu = rcu };
	assert_int_equal(
		ioasid_rcu_defer(rcu, &refused.counted.head, on_refused), 0);
	for (i = 1; i < LIMIT; i++)
		assert_int_equal(
			ioasid_rcu_defer(rcu, &counted[i].head, on_counted), 0);
	assert_int_equal(ioasid_rcu_barrier(rcu), 0);
	assert_int_equal(refused.ret, -EAGAIN);
	/* Each callback called makes room for one. */
	assert_in_range(refused.accepted, 1, LIMIT);
	/* What callbacks deferred is for the next. */
	assert_int_equal(ioasid_rcu_barrier(rcu), 0);
	assert_int_equal(ioasid_load_acquire(&count),
			 2 * LIMIT + 1 + refused.accepted);
}

/* Does it keep a list of threads? */
static bool registers(const struct fixture *fixture)
{
	const struct test_flavour *flavour = fixture->flavour;

	return flavour->ops ? flavour->ops->thread_unregister != NULL :
			      flavour->flavour != IOASID_RCU_NONE;
}

/* Threads registered, if the domain itself keeps the list. */
static size_t threads(const struct fixture *fixture)
{
	struct ioasid_domain_stats stats;

	ioasid_rcu_stats(fixture->rcu, &stats);
	return stats.threads;
}

/* Of so many, for flavours that do not. */
static size_t listed(const struct fixture *fixture, size_t count)
{
	return registers(fixture) && !fixture->flavour->ops ? count : 0;
}

/* What a thread that is not registered hears. */
static void not_registered(const struct fixture *fixture)
{
	struct ioasid_rcu *rcu = fixture->rcu;
	int missing = fixture->flavour->flavour == IOASID_RCU_QSBR ? -ENOENT :
								     0;

	CHECK(ioasid_rcu_quiescent(rcu) == missing);
	CHECK(ioasid_rcu_thread_offline(rcu) == missing);
	CHECK(ioasid_rcu_thread_online(rcu) == missing);
	CHECK(ioasid_rcu_check_reader(rcu) == -EPERM);
}

static void registration(struct fixture *fixture)
{
	struct ioasid_rcu *rcu = fixture->rcu;

	assert_int_equal(threads(fixture), listed(fixture, 1));
	assert_int_equal(ioasid_rcu_thread_register(rcu), 0);
	assert_int_equal(threads(fixture), listed(fixture, 1));
	assert_int_equal(ioasid_rcu_thread_unregister(rcu), 0);
	assert_int_equal(ioasid_rcu_thread_unregister(rcu),
			 registers(fixture) ? -ENOENT : 0);
	assert_int_equal(threads(fixture), 0);
	/* No thread left that would have to say so. */
	assert_int_equal(ioasid_rcu_synchronize(rcu), 0);
	not_registered(fixture);
	assert_int_equal(ioasid_rcu_synchronize(rcu), 0);
	if (fixture->flavour->flavour == IOASID_RCU_EPOCH) {
		ioasid_rcu_read_lock(rcu);
		assert_true(ioasid_rcu_read_held(rcu));
		ioasid_rcu_read_unlock(rcu);
	} else {
		assert_int_equal(ioasid_rcu_thread_register(rcu), 0);
	}
	assert_int_equal(threads(fixture), listed(fixture, 1));
	/* Registered, and with qsbr online, again. */
	assert_int_equal(ioasid_rcu_quiescent(rcu), 0);
	assert_int_equal(ioasid_rcu_thread_offline(rcu), 0);
	assert_int_equal(ioasid_rcu_check_reader(rcu), -EPERM);
	assert_int_equal(ioasid_rcu_thread_register(rcu), 0);
	if (fixture->flavour->qsbr_like)
		assert_int_equal(ioasid_rcu_check_reader(rcu), 0);
	assert_int_equal(ioasid_rcu_thread_offline(rcu), 0);
	assert_int_equal(ioasid_rcu_thread_online(rcu), 0);
	if (fixture->flavour->qsbr_like)
		assert_int_equal(ioasid_rcu_check_reader(rcu), 0);
}

/* The same for a thread that never has been, and what it may ask. */
static void forget_to_register(void *arg)
{
	struct fixture *fixture = arg;
	struct ioasid_rcu *rcu = fixture->rcu;

	CHECK(ioasid_rcu_thread_unregister(rcu) ==
	      (registers(fixture) ? -ENOENT : 0));
	not_registered(fixture);
	CHECK(ioasid_rcu_check_reader(rcu) == -EPERM);
	CHECK(!ioasid_rcu_read_held(rcu));
	CHECK(!ioasid_rcu_synchronize(rcu));
	CHECK(!ioasid_rcu_barrier(rcu));
}

static void forgotten_registration(struct fixture *fixture)
{
	struct actor actor;

	if (!TEST_THREADS)
		skip();
	main_offline(fixture);
	actor_begin(&actor);
	actor_do(&actor, forget_to_register, fixture);
	actor_end(&actor);
}

#ifdef IOASID_DEBUG
#define DENIED (-EPERM)
#else
#define DENIED 0
#endif

/* What a thread hears that looks an ID up. */
struct looks {
	struct fixture *fixture;
	ioasid_t id;
	/* as it is, and in a call's own section */
	int bare, inside;
};

static int count_one(ioasid_t id, void *data, void *arg)
{
	(void)id;
	(void)data;
	++*(unsigned int *)arg;
	return 0;
}

static void look(void *arg)
{
	const struct looks *looks = arg;
	struct ioasid_space *space = looks->fixture->space;
	unsigned int seen = 0;
	void *data = NULL;

	CHECK(ioasid_space_find_rcu(space, NULL, looks->id, &data) ==
	      looks->bare);
	CHECK(data == (looks->bare ? NULL : looks->fixture));
	CHECK(ioasid_space_find(space, NULL, looks->id, NULL, &data) ==
	      looks->inside);
	CHECK(data == (looks->inside ? NULL : looks->fixture));
	CHECK(ioasid_space_get(space, NULL, looks->id) == looks->inside);
	CHECK(ioasid_space_put(space, looks->id) == looks->inside);
	CHECK(ioasid_space_for_each(space, NULL, 0, INVALID_IOASID, count_one,
				    &seen) == looks->inside);
	CHECK(seen == (looks->inside ? 0 : 1));
}

/* With IOASID_DEBUG, lookups are denied where they are not protected. */
static void unprotected_lookups(struct fixture *fixture)
{
	bool qsbr_like = fixture->flavour->qsbr_like;
	struct looks looks = { .fixture = fixture };
	struct ioasid_rcu *rcu = fixture->rcu;
	struct actor stranger;

	assert_int_equal(ioasid_space_alloc(fixture->space, NULL, 5, 900,
					    fixture, &looks.id),
			 0);
	looks.bare = qsbr_like ? 0 : DENIED;
	look(&looks);
	ioasid_rcu_read_lock(rcu);
	looks.bare = 0;
	look(&looks);
	ioasid_rcu_read_unlock(rcu);
	/* Who forgot to register, or went offline. */
	looks.bare = DENIED;
	looks.inside = qsbr_like ? DENIED : 0;
	if (TEST_THREADS) {
		actor_begin(&stranger);
		actor_do(&stranger, look, &looks);
		actor_end(&stranger);
	}
	main_offline(fixture);
	look(&looks);
	assert_int_equal(ioasid_rcu_thread_online(rcu), 0);
	/* No reference taken or lost. */
	assert_int_equal(ioasid_space_free(fixture->space, looks.id), 0);
	assert_int_equal(ioasid_space_put(fixture->space, looks.id), -ENOENT);
}

static void check_reader(struct fixture *fixture)
{
	struct ioasid_rcu *rcu = fixture->rcu;
	/* All that a thread does online lies in a section. */
	int outside = fixture->flavour->qsbr_like ? 0 : -EPERM;

	assert_int_equal(ioasid_rcu_check_reader(rcu), outside);
	ioasid_rcu_read_lock(rcu);
	assert_int_equal(ioasid_rcu_check_reader(rcu), 0);
	ioasid_rcu_read_lock(rcu);
	ioasid_rcu_read_unlock(rcu);
	assert_int_equal(ioasid_rcu_check_reader(rcu), 0);
	ioasid_rcu_read_unlock(rcu);
	assert_int_equal(ioasid_rcu_check_reader(rcu), outside);
	main_offline(fixture);
	assert_int_equal(ioasid_rcu_check_reader(rcu), -EPERM);
	assert_int_equal(ioasid_rcu_thread_online(rcu), 0);
	assert_int_equal(ioasid_rcu_check_reader(rcu), outside);
}

/* With a lock, a read section and no word of farewell. */
static void visit(void *rcu)
{
	enlist(rcu);
	lock(rcu);
	unlock(rcu);
}

static void thread_exit_unregisters(struct fixture *fixture)
{
	size_t before = bytes(fixture);
	struct actor actor;

	actor_begin(&actor);
	actor_do(&actor, visit, fixture->rcu);
	assert_int_equal(threads(fixture), listed(fixture, 2));
	actor_end(&actor);
	assert_int_equal(threads(fixture), listed(fixture, 1));
	assert_int_equal(bytes(fixture), before);
	assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
	actor_begin(&actor);
	actor_do(&actor, visit, fixture->rcu);
	actor_do(&actor, leave, fixture->rcu);
	assert_int_equal(threads(fixture), listed(fixture, 1));
	actor_end(&actor);
	assert_int_equal(bytes(fixture), before);
	assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
}

static void *come_and_go(void *arg)
{
	struct fixture *fixture = arg;
	int i;

	enlist(fixture->rcu);
	for (i = 0; i < 20; i++) {
		lock(fixture->rcu);
		lock(fixture->rcu);
		unlock(fixture->rcu);
		unlock(fixture->rcu);
	}
	return NULL;
}

static void many_threads(struct fixture *fixture)
{
	enum { COUNT = 16, ROUNDS = TEST_LIGHT ? 8 : 32 };
	size_t before = bytes(fixture);
	pthread_t thread[COUNT];
	int round, i;

	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < COUNT; i++)
			CHECK(!pthread_create(&thread[i], NULL, come_and_go,
					      fixture));
		assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
		for (i = 0; i < COUNT; i++)
			CHECK(!pthread_join(thread[i], NULL));
	}
	assert_int_equal(threads(fixture), listed(fixture, 1));
	assert_int_equal(bytes(fixture), before);
}

static void online(void *rcu)
{
	ioasid_rcu_thread_online(rcu);
}

/* Once used, then idle outside of a section; with qsbr offline. */
static void sleeper_stalls_nobody(struct fixture *fixture)
{
	struct actor sleeper;

	actor_begin(&sleeper);
	actor_do(&sleeper, visit, fixture->rcu);
	actor_do(&sleeper, offline, fixture->rcu);
	assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
	assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
	actor_do(&sleeper, online, fixture->rcu);
	actor_end(&sleeper);
}

static void qsbr_states(struct fixture *fixture)
{
	struct actor thread, writer;

	main_offline(fixture);
	actor_begin(&thread);
	actor_begin(&writer);
	actor_do(&thread, enlist, fixture->rcu);
	/* Online from registration on, without any section. */
	actor_start(&writer, synchronize, fixture->rcu);
	assert_false(actor_done(&writer, A_WHILE));
	actor_do(&thread, (void (*)(void *))offline, fixture->rcu);
	assert_true(actor_done(&writer, TOO_LONG));
	actor_do(&thread, online, fixture->rcu);
	actor_start(&writer, synchronize, fixture->rcu);
	assert_false(actor_done(&writer, A_WHILE));
	/* The call itself is a quiescent state of its caller. */
	actor_do(&thread, synchronize, fixture->rcu);
	assert_true(actor_done(&writer, TOO_LONG));
	/* Offline, quiescent leaves the thread as it is. */
	actor_do(&thread, offline, fixture->rcu);
	actor_do(&thread, unlock, fixture->rcu);
	actor_do(&writer, synchronize, fixture->rcu);
	actor_end(&thread);
	actor_end(&writer);
}

/* What another thread sees of a grace period from within a callback. */
struct watched {
	struct ioasid_rcu_head head;
	struct ioasid_rcu *rcu;
	struct actor other;
	uint64_t cookie;
	bool held, passed;
	int unregister;
};

static void watch(void *arg)
{
	struct watched *watched = arg;
	double end = test_now() + A_WHILE;

	while (!watched->passed && test_now() < end)
		watched->passed =
			ioasid_rcu_poll(watched->rcu, watched->cookie);
}

static void on_watched(struct ioasid_rcu_head *head)
{
	struct watched *watched = (struct watched *)head;

	watched->held = ioasid_rcu_read_held(watched->rcu);
	watched->unregister = ioasid_rcu_thread_unregister(watched->rcu);
	watched->cookie = ioasid_rcu_start_poll(watched->rcu);
	actor_do(&watched->other, watch, watched);
}

/* What a callback finds stays, even if its thread was offline. */
static void qsbr_protects_callbacks(struct fixture *fixture)
{
	struct ioasid_rcu *rcu = fixture->rcu;
	struct watched watched;
	int asleep;

	for (asleep = 0; asleep < 2; asleep++) {
		watched = (struct watched){ .rcu = rcu };
		actor_begin(&watched.other);
		if (asleep)
			main_offline(fixture);
		assert_int_equal(
			ioasid_rcu_defer(rcu, &watched.head, on_watched), 0);
		assert_int_equal(ioasid_rcu_barrier(rcu), 0);
		assert_int_not_equal(watched.cookie, 0);
		assert_false(watched.passed);
		assert_true(watched.held);
		assert_int_equal(watched.unregister, -EDEADLK);
		/* And is as it was. */
		assert_false(ioasid_rcu_read_held(rcu));
		if (!asleep)
			assert_false(ioasid_rcu_poll(
				rcu, ioasid_rcu_start_poll(rcu)));
		ioasid_rcu_quiescent(rcu);
		assert_true(poll_passes(rcu, watched.cookie));
		actor_end(&watched.other);
	}
	assert_true(poll_passes(rcu, ioasid_rcu_start_poll(rcu)));
}

struct newcomer {
	struct ioasid_rcu_head head;
	struct ioasid_rcu *rcu;
	int registered, may_read;
};

static void on_newcomer(struct ioasid_rcu_head *head)
{
	struct newcomer *newcomer = (struct newcomer *)head;

	newcomer->registered = ioasid_rcu_thread_register(newcomer->rcu);
	newcomer->may_read = ioasid_rcu_check_reader(newcomer->rcu);
}

/* Whose thread was not online it leaves so: nobody would report for it. */
static void qsbr_registers_in_callback(struct fixture *fixture)
{
	struct ioasid_rcu *rcu = fixture->rcu;
	struct newcomer newcomer = { .rcu = rcu, .registered = 1 };

	assert_int_equal(ioasid_rcu_thread_unregister(rcu), 0);
	assert_int_equal(ioasid_rcu_defer(rcu, &newcomer.head, on_newcomer), 0);
	assert_int_equal(ioasid_rcu_barrier(rcu), 0);
	assert_int_equal(newcomer.registered, 0);
	assert_int_equal(newcomer.may_read, 0);
	assert_int_equal(ioasid_rcu_check_reader(rcu), -EPERM);
	assert_true(poll_passes(rcu, ioasid_rcu_start_poll(rcu)));
	assert_int_equal(ioasid_rcu_thread_online(rcu), 0);
	assert_int_equal(ioasid_rcu_check_reader(rcu), 0);
	assert_false(ioasid_rcu_poll(rcu, ioasid_rcu_start_poll(rcu)));
}

static void custom_is_called(struct fixture *fixture)
{
	struct ioasid_rcu *rcu;
	uint32_t calls;

	fixture->flavour = &test_flavours[FLAVOUR_CUSTOM];
	fixture_rcu(fixture);
	rcu = fixture->rcu;
	calls = ioasid_load_relaxed(&fixture->custom.calls);
	ioasid_rcu_read_lock(rcu);
	assert_true(ioasid_rcu_read_held(fixture->custom.inner));
	ioasid_rcu_read_unlock(rcu);
	assert_false(ioasid_rcu_read_held(fixture->custom.inner));
	ioasid_rcu_quiescent(rcu);
	ioasid_rcu_thread_offline(rcu);
	ioasid_rcu_thread_online(rcu);
	assert_int_equal(ioasid_load_relaxed(&fixture->custom.calls),
			 calls + 4);
	fixture->custom.register_error = -EPERM;
	assert_int_equal(ioasid_rcu_thread_register(rcu), -EPERM);
	fixture->custom.register_error = 0;
	assert_int_equal(ioasid_rcu_thread_unregister(rcu), 0);
	assert_int_equal(ioasid_rcu_thread_unregister(fixture->custom.inner),
			 -ENOENT);
	assert_int_equal(ioasid_rcu_thread_unregister(rcu), -ENOENT);
}

/* Only what an own flavour must have; it cannot tell what it is not asked. */
static void custom_least(struct fixture *fixture)
{
	struct ioasid_rcu_config config = { .flavour = IOASID_RCU_CUSTOM };
	struct ioasid_rcu_ops least = {
		.read_lock = toy_rcu_ops.read_lock,
		.read_unlock = toy_rcu_ops.read_unlock,
		.start_poll = toy_rcu_ops.start_poll,
		.poll = toy_rcu_ops.poll,
	};
	struct ioasid_rcu *rcu;
	struct toy_rcu toy;

	(void)fixture;
	toy_rcu_init(&toy);
	config.ops = &least;
	config.ops_context = &toy;
	assert_int_equal(ioasid_rcu_create(&config, &rcu), 0);
	assert_int_equal(ioasid_rcu_thread_register(rcu), 0);
	assert_int_equal(ioasid_rcu_check_reader(rcu), 0);
	ioasid_rcu_read_lock(rcu);
	assert_int_equal(ioasid_rcu_check_reader(rcu), 0);
	assert_false(ioasid_rcu_read_held(rcu));
	ioasid_rcu_read_unlock(rcu);
	assert_int_equal(ioasid_rcu_quiescent(rcu), 0);
	assert_int_equal(ioasid_rcu_thread_offline(rcu), 0);
	assert_int_equal(ioasid_rcu_thread_online(rcu), 0);
	assert_int_equal(ioasid_rcu_thread_unregister(rcu), 0);
	waits(rcu);
	assert_int_equal(ioasid_rcu_destroy(rcu), 0);
	toy_rcu_destroy(&toy);
}

static void enlist_without_memory(void *rcu)
{
	CHECK(ioasid_rcu_thread_register(rcu) == -ENOMEM);
}

static void held(void *rcu)
{
	CHECK(ioasid_rcu_read_held(rcu));
	CHECK(ioasid_rcu_synchronize(rcu) == -EDEADLK);
}

static void try_enlist(void *rcu)
{
	int ret = ioasid_rcu_thread_register(rcu);

	/* Too late for the section that is counted. */
	CHECK(ret == -ENOMEM);
}

static void no_memory_to_register(struct fixture *fixture)
{
	/* At least one for each place of a thread's own. */
	enum { OTHERS = 2 * IOASID_RCU_READERS };
	struct ioasid_rcu *rcu = fixture->rcu, *others[OTHERS], *other;
	struct actor reader, writer;
	int round, i;

	actor_begin(&reader);
	actor_begin(&writer);
	fixture->memory.fail_all = true;
	/* As long as there is one to spare, no memory is needed. */
	actor_do(&reader, enlist, rcu);
	actor_do(&reader, leave, rcu);
	for (i = 0; i < OTHERS; i++) {
		assert_int_equal(ioasid_rcu_create(NULL, &others[i]), 0);
		actor_do(&reader, enlist, others[i]);
	}
	other = others[0];
	actor_do(&reader, enlist_without_memory, rcu);
	if (fixture->flavour->flavour == IOASID_RCU_QSBR)
		goto done;
	for (round = 0; round < 3; round++) {
		fixture->memory.fail_all = true;
		actor_do(&reader, lock, rcu);
		actor_do(&reader, lock, rcu);
		actor_do(&reader, held, rcu);
		/* It would wait for itself. */
		actor_do(&reader, held, other);
		/* As safe as one that is registered. */
		actor_start(&writer, synchronize, rcu);
		assert_false(actor_done(&writer, A_WHILE));
		/* Memory comes back at an awkward time. */
		if (round)
			fixture->memory.fail_all = false;
		if (round == 2)
			actor_do(&reader, try_enlist, rcu);
		actor_do(&reader, unlock, rcu);
		assert_false(actor_done(&writer, A_WHILE));
		actor_do(&reader, lock, rcu);
		actor_do(&reader, unlock, rcu);
		assert_false(actor_done(&writer, A_WHILE));
		actor_do(&reader, unlock, rcu);
		assert_true(actor_done(&writer, TOO_LONG));
		actor_do(&reader, synchronize, other);
	}
done:
	fixture->memory.fail_all = false;
	actor_end(&reader);
	actor_end(&writer);
	for (i = 0; i < OTHERS; i++)
		assert_int_equal(ioasid_rcu_destroy(others[i]), 0);
}

static void domains_are_independent(struct fixture *fixture)
{
	enum { DOMAINS = 20 };
	struct ioasid_rcu *rcu[DOMAINS];
	struct ioasid_rcu_config config;
	int i, j;

	fixture_rcu_config(fixture, &config);
	for (i = 0; i < DOMAINS; i++) {
		assert_int_equal(ioasid_rcu_create(&config, &rcu[i]), 0);
		assert_int_equal(ioasid_rcu_thread_register(rcu[i]), 0);
	}
	/* Overlapping, not nested. */
	for (i = 0; i < DOMAINS; i++) {
		ioasid_rcu_read_lock(rcu[i]);
		for (j = i + 1; j < DOMAINS; j++) {
			assert_false(ioasid_rcu_read_held(rcu[j]));
			assert_int_equal(ioasid_rcu_synchronize(rcu[j]), 0);
		}
	}
	for (i = 0; i < DOMAINS; i++) {
		if (can_tell(fixture))
			for (j = i; j < DOMAINS; j++)
				assert_true(ioasid_rcu_read_held(rcu[j]));
		ioasid_rcu_read_unlock(rcu[i]);
		assert_false(ioasid_rcu_read_held(rcu[i]));
		assert_int_equal(ioasid_rcu_synchronize(rcu[i]), 0);
	}
	for (i = 0; i < DOMAINS; i++)
		assert_int_equal(ioasid_rcu_destroy(rcu[i]), 0);
}

/* Threads registered, callbacks pending: destroy takes care of both. */
static void destroy_cleans_up(struct fixture *fixture)
{
	ioasid_atomic_u32 count = { 0 };
	struct counted counted[40];
	struct actor actor;
	size_t i;

	if (TEST_THREADS)
		actor_begin(&actor);
	if (fixture->flavour->threads) {
		actor_do(&actor, visit, fixture->rcu);
		actor_do(&actor, offline, fixture->rcu);
	}
	ioasid_rcu_read_lock(fixture->rcu);
	for (i = 0; i < ARRAY_SIZE(counted); i++) {
		counted[i].count = &count;
		assert_int_equal(ioasid_rcu_defer(fixture->rcu,
						  &counted[i].head, on_counted),
				 0);
	}
	ioasid_rcu_read_unlock(fixture->rcu);
	assert_int_equal(ioasid_load_relaxed(&count), 0);
	assert_int_equal(ioasid_rcu_destroy(fixture->rcu), 0);
	assert_int_equal(ioasid_load_relaxed(&count), ARRAY_SIZE(counted));
	fixture->rcu = NULL;
	assert_int_equal(bytes(fixture), 0);
	toy_rcu_destroy(&fixture->toy);
	assert_int_equal(ioasid_rcu_destroy(fixture->custom.inner), 0);
	fixture->custom.inner = NULL;
	fixture_rcu(fixture);
	if (fixture->flavour->threads)
		actor_do(&actor, visit, fixture->rcu);
	if (TEST_THREADS)
		actor_end(&actor);
}

static void destroy_in_use(struct fixture *fixture)
{
	assert_int_equal(ioasid_rcu_destroy(fixture->rcu), -EBUSY);
	assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
}

struct far_callback {
	struct ioasid_rcu_head head;
	unsigned int called;
};

static void on_far_callback(struct ioasid_rcu_head *head)
{
	((struct far_callback *)head)->called++;
}

static struct ioasid_rcu *far_domain(struct fixture *fixture,
				     enum ioasid_rcu_flavour flavour)
{
	const struct ioasid_rcu_config config = {
		.flavour = flavour,
		.memory = test_memory_hooks(&fixture->memory, false),
	};
	struct ioasid_rcu *rcu;

	assert_int_equal(ioasid_rcu_create(&config, &rcu), 0);
	return rcu;
}

/*
 * No callback runs in a section of another domain, where its record is not in
 * its place, nor where there is no memory for one.
 */
static void sections_of_many_domains(struct fixture *fixture)
{
	struct ioasid_rcu *rcu = far_domain(fixture, IOASID_RCU_QSBR);
	struct ioasid_rcu *other[IOASID_RCU_READERS + 1];
	struct far_callback callback = { .called = 0 };
	const unsigned int last = IOASID_RCU_READERS;
	unsigned int i;

	for (i = 0; i <= last; i++) {
		other[i] = far_domain(fixture, IOASID_RCU_EPOCH);
		if (i == last)
			break;
		ioasid_rcu_read_lock(other[i]);
		ioasid_rcu_read_unlock(other[i]);
	}
	for (i = 0; i < 2; i++) {
		fixture->memory.fail_all = !i;
		ioasid_rcu_read_lock(other[last]);
		fixture->memory.fail_all = false;
		assert_int_equal(ioasid_rcu_defer(rcu, &callback.head,
						  on_far_callback),
				 0);
		assert_int_equal(ioasid_rcu_barrier(rcu), -EDEADLK);
		assert_int_equal(callback.called, i);
		ioasid_rcu_read_unlock(other[last]);
		assert_int_equal(ioasid_rcu_barrier(rcu), 0);
		assert_int_equal(callback.called, i + 1);
	}
	for (i = 0; i <= last; i++)
		assert_int_equal(ioasid_rcu_destroy(other[i]), 0);
	assert_int_equal(ioasid_rcu_destroy(rcu), 0);
}

int main(void)
{
	static const struct test_case cases[] = {
		CASE(create_refuses, NO_SPACE | NO_RCU),
		CASE(nesting, PER_FLAVOUR | NO_SPACE),
		CASE(synchronize_waits, PER_FLAVOUR | THREADS | NO_SPACE),
		CASE(polling, PER_FLAVOUR | NO_SPACE),
		CASE(cookies, PER_FLAVOUR | NO_SPACE),
		CASE(late_cookie, PER_FLAVOUR | THREADS | NO_SPACE),
		CASE(deferred_in_order, PER_FLAVOUR | NO_SPACE),
		CASE(deferred_runs_by_itself, PER_FLAVOUR | NO_SPACE),
		CASE(deferred_waits_for_readers,
		     PER_FLAVOUR | THREADS | NO_SPACE),
		CASE(pending_limit, PER_FLAVOUR | THREADS | NO_SPACE),
		CASE(registration, PER_FLAVOUR | NO_SPACE),
		CASE(forgotten_registration, PER_FLAVOUR | NO_SPACE),
		CASE(check_reader, PER_FLAVOUR | NO_SPACE),
		CASE(unprotected_lookups, PER_STORE | PER_FLAVOUR),
		CASE(thread_exit_unregisters, PER_FLAVOUR | THREADS | NO_SPACE),
		CASE(many_threads, PER_FLAVOUR | THREADS | NO_SPACE),
		CASE(sleeper_stalls_nobody, PER_FLAVOUR | THREADS | NO_SPACE),
		CASE(qsbr_states, PER_FLAVOUR | THREADS | QSBR_LIKE | NO_SPACE),
		CASE(qsbr_protects_callbacks,
		     PER_FLAVOUR | THREADS | QSBR_LIKE | NO_SPACE),
		CASE(qsbr_registers_in_callback,
		     PER_FLAVOUR | THREADS | QSBR_LIKE | NO_SPACE),
		CASE(custom_is_called, NO_SPACE | NO_RCU),
		CASE(custom_least, THREADS | NO_SPACE | NO_RCU),
		CASE(no_memory_to_register,
		     PER_FLAVOUR | THREADS | BUILT_IN | NO_SPACE),
		CASE(domains_are_independent,
		     PER_FLAVOUR | BUILT_IN | NO_SPACE),
		CASE(destroy_cleans_up, PER_FLAVOUR | NO_SPACE),
		CASE(destroy_in_use, PER_FLAVOUR),
		CASE(sections_of_many_domains, NO_SPACE | NO_RCU),
	};

	return test_run("rcu", cases, ARRAY_SIZE(cases));
}
