/* SPDX-License-Identifier: MIT */
/*
 * Threads in numbers, threads that end, forks, signal handlers, floods: what a
 * domain goes through in a large program.
 */
#ifdef __linux__
#define _GNU_SOURCE
#endif
#include "test/actors.h"

#include <limits.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>
/* Of the kernel's headers, which not every C library comes with. */
#if __has_include(<linux/seccomp.h>)
#include <linux/filter.h>
#include <linux/seccomp.h>
#endif
#endif

/* A hang ends the test, or the child, that long after it was started. */
enum { HANG = 400, CHILD_HANG = 60 };

static void reader_end(struct actor *reader, struct ioasid_rcu *rcu)
{
	actor_do(reader, unlock, rcu);
	actor_end(reader);
}

static bool passes(struct ioasid_rcu *rcu, uint64_t cookie)
{
	double end = test_now() + TOO_LONG;

	while (!ioasid_rcu_poll(rcu, cookie)) {
		if (test_now() > end)
			return false;
		ioasid_rcu_quiescent(rcu);
	}
	return true;
}

static struct ioasid_domain_stats stats(struct ioasid_rcu *rcu)
{
	struct ioasid_domain_stats stats;

	memset(&stats, 0xa5, sizeof(stats));
	ioasid_rcu_stats(rcu, &stats);
	return stats;
}

/* Are threads in the domain's own list? */
static bool lists_threads(const struct fixture *fixture)
{
	return fixture->flavour->flavour == IOASID_RCU_EPOCH ||
	       fixture->flavour->flavour == IOASID_RCU_QSBR;
}

/* Another domain for the fixture, which ends with it. */
static struct ioasid_rcu *remake(struct fixture *fixture,
				 const struct ioasid_rcu_config *config)
{
	assert_int_equal(ioasid_rcu_destroy(fixture->rcu), 0);
	assert_int_equal(ioasid_rcu_create(config, &fixture->rcu), 0);
	assert_int_equal(ioasid_rcu_thread_register(fixture->rcu), 0);
	return fixture->rcu;
}

struct counted {
	struct ioasid_rcu_head head;
	ioasid_atomic_u32 *count;
};

static void on_counted(struct ioasid_rcu_head *head)
{
	ioasid_fetch_add_acq_rel(((struct counted *)head)->count, 1);
}

/* Many threads asleep, and as many that come and go meanwhile. */
enum {
	SLEEPERS = TEST_LIGHT ? 300 : 4200,
	BATCH = 64,
	BATCHES = SLEEPERS / BATCH + 1,
	STACK = 256 << 10,
};

struct crowd {
	struct ioasid_rcu *rcu;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	unsigned int asleep;
	bool wake;
};

static void *sleep_through(void *arg)
{
	struct crowd *crowd = arg;

	enlist(crowd->rcu);
	lock(crowd->rcu);
	unlock(crowd->rcu);
	offline(crowd->rcu);
	pthread_mutex_lock(&crowd->mutex);
	crowd->asleep++;
	pthread_cond_broadcast(&crowd->changed);
	while (!crowd->wake)
		pthread_cond_wait(&crowd->changed, &crowd->mutex);
	pthread_mutex_unlock(&crowd->mutex);
	ioasid_rcu_thread_online(crowd->rcu);
	lock(crowd->rcu);
	unlock(crowd->rcu);
	return NULL;
}

static void *visit(void *arg)
{
	struct crowd *crowd = arg;

	enlist(crowd->rcu);
	lock(crowd->rcu);
	lock(crowd->rcu);
	ioasid_rcu_read_unlock(crowd->rcu);
	unlock(crowd->rcu);
	return NULL;
}

static void crowd(struct fixture *fixture)
{
	static pthread_t sleeper[SLEEPERS], visitor[BATCH];
	struct crowd crowd = { .rcu = fixture->rcu };
	size_t before = bytes(fixture);
	unsigned int passed = 0, i, j;
	uint64_t cookie, begun;
	pthread_attr_t small;

	ioasid_rcu_thread_offline(crowd.rcu);
	CHECK(!pthread_mutex_init(&crowd.mutex, NULL));
	CHECK(!pthread_cond_init(&crowd.changed, NULL));
	CHECK(!pthread_attr_init(&small));
	CHECK(!pthread_attr_setstacksize(&small, STACK));
	for (i = 0; i < SLEEPERS; i++)
		CHECK(!pthread_create(&sleeper[i], &small, sleep_through,
				      &crowd));
	pthread_mutex_lock(&crowd.mutex);
	while (crowd.asleep < SLEEPERS)
		pthread_cond_wait(&crowd.changed, &crowd.mutex);
	pthread_mutex_unlock(&crowd.mutex);
	if (lists_threads(fixture))
		assert_int_equal(stats(crowd.rcu).threads, SLEEPERS + 1);
	begun = stats(crowd.rcu).grace_periods;
	for (i = 0; i < BATCHES; i++) {
		for (j = 0; j < BATCH; j++)
			CHECK(!pthread_create(&visitor[j], &small, visit,
					      &crowd));
		cookie = ioasid_rcu_start_poll(crowd.rcu);
		passed += passes(crowd.rcu, cookie);
		for (j = 0; j < BATCH; j++)
			CHECK(!pthread_join(visitor[j], NULL));
	}
	assert_int_equal(passed, BATCHES);
	if (lists_threads(fixture)) {
		assert_true(stats(crowd.rcu).grace_periods - begun >= BATCHES);
		assert_int_equal(stats(crowd.rcu).threads, SLEEPERS + 1);
	}
	pthread_mutex_lock(&crowd.mutex);
	crowd.wake = true;
	pthread_cond_broadcast(&crowd.changed);
	pthread_mutex_unlock(&crowd.mutex);
	for (i = 0; i < SLEEPERS; i++)
		CHECK(!pthread_join(sleeper[i], NULL));
	assert_int_equal(ioasid_rcu_synchronize(crowd.rcu), 0);
	assert_int_equal(bytes(fixture), before);
	pthread_attr_destroy(&small);
	pthread_mutex_destroy(&crowd.mutex);
	pthread_cond_destroy(&crowd.changed);
}

/* A thread that is cancelled: asleep, or in a wait of the library's. */
struct victim {
	struct ioasid_rcu *rcu;
	int (*wait)(struct ioasid_rcu *rcu);
	sem_t ready;
	ioasid_atomic_u32 returned, ended;
};

static void on_end(void *arg)
{
	struct victim *victim = arg;

	ioasid_store_release(&victim->ended, 1);
}

static void *be_cancelled(void *arg)
{
	struct victim *victim = arg;

	enlist(victim->rcu);
	lock(victim->rcu);
	unlock(victim->rcu);
	pthread_cleanup_push(on_end, victim);
	if (victim->wait) {
		sem_post(&victim->ready);
		CHECK(!victim->wait(victim->rcu));
		ioasid_store_release(&victim->returned, 1);
		pthread_testcancel();
	} else {
		offline(victim->rcu);
		CHECK(!sem_post(&victim->ready));
		/* TSan takes no notice of what an interceptor is left for. */
		for (;;) {
			if (TEST_TSAN)
				pthread_testcancel();
			else
				pause();
		}
	}
	pthread_cleanup_pop(0);
	return NULL;
}

static void cancel(struct victim *victim, pthread_t *thread)
{
	CHECK(!sem_init(&victim->ready, 0, 0));
	CHECK(!pthread_create(thread, NULL, be_cancelled, victim));
	while (sem_wait(&victim->ready))
		;
	if (victim->wait)
		test_sleep(A_WHILE);
	CHECK(!pthread_cancel(*thread));
}

static void join_cancelled(struct victim *victim, pthread_t thread)
{
	void *result;

	CHECK(!pthread_join(thread, &result));
	assert_ptr_equal(result, PTHREAD_CANCELED);
	sem_destroy(&victim->ready);
}

/* On a system that has no cancellation the library does nothing about it. */
static void skip_without_cancel(void)
{
#ifdef IOASID_NO_CANCEL
	skip();
#endif
}

static void cancelled_asleep(struct fixture *fixture)
{
	struct victim victim = { .rcu = fixture->rcu };
	size_t before = bytes(fixture), threads = stats(fixture->rcu).threads;
	pthread_t thread;

	skip_without_cancel();
	cancel(&victim, &thread);
	join_cancelled(&victim, thread);
	assert_int_equal(stats(fixture->rcu).threads, threads);
	assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
	assert_int_equal(bytes(fixture), before);
}

/* It ends only after the wait, with no lock left behind. */
static void cancelled_waiting(struct fixture *fixture)
{
	int (*const waits[])(struct ioasid_rcu *rcu) = {
		ioasid_rcu_synchronize,
		ioasid_rcu_barrier,
	};
	ioasid_atomic_u32 count = { 0 };
	struct counted counted[2];
	struct actor reader;
	pthread_t thread;
	size_t i;

	skip_without_cancel();
	for (i = 0; i < ARRAY_SIZE(waits); i++) {
		struct victim victim = { .rcu = fixture->rcu,
					 .wait = waits[i] };

		ioasid_rcu_thread_offline(fixture->rcu);
		reader_begin(&reader, fixture->rcu);
		counted[i].count = &count;
		assert_int_equal(ioasid_rcu_defer(fixture->rcu,
						  &counted[i].head, on_counted),
				 0);
		cancel(&victim, &thread);
		test_sleep(A_WHILE);
		assert_false(ioasid_load_acquire(&victim.ended));
		assert_false(ioasid_load_acquire(&victim.returned));
		reader_end(&reader, fixture->rcu);
		join_cancelled(&victim, thread);
		assert_true(ioasid_load_acquire(&victim.returned));
		assert_true(ioasid_load_acquire(&victim.ended));
		assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
		assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
		assert_int_equal(ioasid_load_acquire(&count), i + 1);
	}
}

/* 16 threads that wait for the same reader wait for the same grace period. */
static void synchronize(void *rcu)
{
	CHECK(!ioasid_rcu_synchronize(rcu));
}

static void waiters_share(struct fixture *fixture)
{
	enum { WAITERS = 16 };
	struct ioasid_rcu *rcu = fixture->rcu;
	struct actor reader, waiter[WAITERS];
	uint64_t before, shared, one_by_one;
	int i;

	ioasid_rcu_thread_offline(rcu);
	reader_begin(&reader, rcu);
	for (i = 0; i < WAITERS; i++)
		actor_begin(&waiter[i]);
	before = stats(rcu).grace_periods;
	for (i = 0; i < WAITERS; i++)
		actor_start(&waiter[i], synchronize, rcu);
	test_sleep(A_WHILE);
	for (i = 0; i < WAITERS; i++)
		assert_false(actor_done(&waiter[i], 0));
	reader_end(&reader, rcu);
	for (i = 0; i < WAITERS; i++)
		assert_true(actor_done(&waiter[i], TOO_LONG));
	shared = stats(rcu).grace_periods - before;
	/* The count tells one from the other. */
	before = stats(rcu).grace_periods;
	for (i = 0; i < WAITERS; i++)
		actor_do(&waiter[i], synchronize, rcu);
	one_by_one = stats(rcu).grace_periods - before;
	for (i = 0; i < WAITERS; i++)
		actor_end(&waiter[i]);
	print_message("%llu shared, %llu one by one\n",
		      (unsigned long long)shared,
		      (unsigned long long)one_by_one);
	assert_in_range(shared, 1, 3);
	assert_true(one_by_one >= WAITERS);
}

/* Callbacks by the thousand while a reader sleeps in its section. */
struct flood {
	struct ioasid_rcu *rcu;
	ioasid_atomic_u32 accepted, called, most;
};

enum { FLOOD_LIMIT = 256, FLOOD = 8 * FLOOD_LIMIT, FLOODERS = 2 };

struct drop {
	struct ioasid_rcu_head head;
	struct flood *flood;
};

static void on_drop(struct ioasid_rcu_head *head)
{
	struct drop *drop = (struct drop *)head;

	ioasid_fetch_add_acq_rel(&drop->flood->called, 1);
	free(drop);
}

static int flood_one(struct flood *flood)
{
	struct drop *drop = malloc(sizeof(*drop));
	uint32_t accepted, called, most;
	int ret;

	CHECK(drop);
	drop->flood = flood;
	ret = ioasid_rcu_defer(flood->rcu, &drop->head, on_drop);
	if (ret) {
		free(drop);
		return ret;
	}
	/* In this order: never more than there are. */
	accepted = ioasid_fetch_add_acq_rel(&flood->accepted, 1) + 1;
	called = ioasid_load_acquire(&flood->called);
	most = ioasid_load_acquire(&flood->most);
	while ((int32_t)(accepted - called) > (int32_t)most &&
	       !ioasid_cas_acq_rel(&flood->most, &most, accepted - called))
		;
	return 0;
}

static void flood_all(void *arg)
{
	int i;

	for (i = 0; i < FLOOD; i++)
		CHECK(!flood_one(arg));
}

static void flood_of_callbacks(struct fixture *fixture)
{
	struct flood flood = { 0 };
	struct ioasid_rcu_config config;
	struct actor reader, flooder[FLOODERS];
	uint32_t stalled;
	int i;

	fixture_rcu_config(fixture, &config);
	config.pending_limit = FLOOD_LIMIT;
	flood.rcu = remake(fixture, &config);
	reader_begin(&reader, flood.rcu);
	/* Within a section: refused. */
	ioasid_rcu_read_lock(flood.rcu);
	for (i = 0; i < FLOOD; i++)
		assert_int_equal(flood_one(&flood),
				 i < FLOOD_LIMIT ? 0 : -EAGAIN);
	assert_int_equal(ioasid_rcu_pending(flood.rcu), FLOOD_LIMIT);
	unlock(flood.rcu);
	offline(flood.rcu);
	/* Outside of one: waits. */
	for (i = 0; i < FLOODERS; i++) {
		actor_begin(&flooder[i]);
		actor_start(&flooder[i], flood_all, &flood);
	}
	test_sleep(A_WHILE);
	for (i = 0; i < FLOODERS; i++)
		assert_false(actor_done(&flooder[i], 0));
	assert_int_equal(ioasid_load_acquire(&flood.called), 0);
	stalled = ioasid_load_acquire(&flood.accepted);
	assert_in_range(stalled, FLOOD_LIMIT, FLOOD_LIMIT + FLOODERS);
	reader_end(&reader, flood.rcu);
	for (i = 0; i < FLOODERS; i++)
		actor_end(&flooder[i]);
	assert_int_equal(ioasid_rcu_barrier(flood.rcu), 0);
	assert_int_equal(ioasid_load_acquire(&flood.accepted),
			 FLOOD_LIMIT + FLOODERS * FLOOD);
	assert_int_equal(ioasid_load_acquire(&flood.called),
			 FLOOD_LIMIT + FLOODERS * FLOOD);
	/* Each may have taken its place before the other counted. */
	assert_in_range(ioasid_load_acquire(&flood.most), FLOOD_LIMIT,
			FLOOD_LIMIT + FLOODERS);
}

/* One round of what makes a store give memory back; what it was refused. */
static int churn(struct ioasid_space *space, uint32_t round)
{
	enum { COUNT = 256 };
	ioasid_t id = round * 7919 & 0xffff, first = id, i;
	int ret = 0;

	for (i = 0; i < COUNT && !ret; i++) {
		/* Far apart for radix, more than a few for hash. */
		id = (first + i * 257) & 0xffff;
		ret = ioasid_space_alloc(space, NULL, id, id, NULL, &id);
	}
	if (ret)
		i--;
	while (i--)
		CHECK(!ioasid_space_free(space, (first + i * 257) & 0xffff));
	return ret;
}

static void flood_of_memory(struct fixture *fixture)
{
	/* What one round may retire above the limit. */
	enum { LIMIT = 256 << 10, SLACK = 128 << 10, ROUNDS = 400 };
	struct ioasid_rcu_config config;
	struct ioasid_domain_stats now;
	struct ioasid_rcu *rcu;
	uint32_t refused = 0, round;
	size_t before, most = 0;
	struct actor reader;
	double end;

	fixture_rcu_config(fixture, &config);
	config.retired_limit = LIMIT;
	rcu = remake(fixture, &config);
	fixture_space(fixture, 0, 0xffff);
	before = bytes(fixture);
	reader_begin(&reader, rcu);
	for (round = 0; round < ROUNDS; round++) {
		int ret = churn(fixture->space, round);

		assert_true(!ret || ret == -EAGAIN);
		refused += ret != 0;
		ioasid_rcu_quiescent(rcu);
		now = stats(rcu);
		assert_true(now.retired_bytes <= LIMIT + SLACK);
		if (bytes(fixture) - before > most)
			most = bytes(fixture) - before;
	}
	print_message("%u of %u rounds refused, %zu bytes at most\n", refused,
		      ROUNDS, most);
	assert_true(now.retired > 0);
	assert_true(now.retired_bytes >= LIMIT);
	assert_true(most <= LIMIT + SLACK + (1 << 20));
	assert_true(refused > 0);
	assert_true(refused < ROUNDS);
	/* No thread that waits, or asks for anything but IDs. */
	reader_end(&reader, rcu);
	end = test_now() + TOO_LONG;
	while (churn(fixture->space, round)) {
		assert_true(test_now() < end);
		ioasid_rcu_quiescent(rcu);
	}
	for (round = 0; round < ROUNDS; round++) {
		end = test_now() + TOO_LONG;
		while (churn(fixture->space, round)) {
			assert_true(test_now() < end);
			ioasid_rcu_quiescent(rcu);
		}
		ioasid_rcu_quiescent(rcu);
	}
	assert_int_equal(ioasid_rcu_barrier(rcu), 0);
	now = stats(rcu);
	assert_int_equal(now.retired, 0);
	assert_int_equal(now.retired_bytes, 0);
	assert_int_equal(now.oldest_ns, 0);
}

static void flood_of_memory_in_hash(struct fixture *fixture)
{
	fixture->store = &test_stores[2];
	flood_of_memory(fixture);
}

static struct late {
	struct ioasid_rcu *rcu;
	struct actor reader;
	bool reading;
} late;

/* What it was refused for is over before it says so. */
static int claim_late(struct ioasid_store *store, ioasid_t min, ioasid_t max,
		      ioasid_t *id, struct ioasid_slot **slot)
{
	int ret = array_store_ops.claim(store, min, max, id, slot);

	if (ret != -ENOMEM || !late.reading)
		return ret;
	late.reading = false;
	reader_end(&late.reader, late.rcu);
	ioasid_rcu_thread_offline(late.rcu);
	CHECK(!ioasid_rcu_barrier(late.rcu));
	ioasid_rcu_thread_online(late.rcu);
	return ret;
}

static void memory_comes_back_meanwhile(struct fixture *fixture)
{
	struct ioasid_store_ops ops = array_store_ops;
	struct ioasid_space_config config;
	struct ioasid_rcu_config rcu_config;
	ioasid_t id, n;
	int ret = 0;

	fixture_rcu_config(fixture, &rcu_config);
	rcu_config.retired_limit = 4096;
	late.rcu = remake(fixture, &rcu_config);
	late.reading = true;
	ops.claim = claim_late;
	fixture_space_config(fixture, &config, 0, 1023);
	config.store = IOASID_STORE_CUSTOM;
	config.store_ops = &ops;
	assert_int_equal(ioasid_space_create(&config, &fixture->space), 0);
	reader_begin(&late.reader, late.rcu);
	/* Tried again, since it may have got back what it needs. */
	for (n = 0; n < 1024; n++) {
		ret = ioasid_space_alloc(fixture->space, NULL, n, n, NULL, &id);
		assert_int_equal(ret, 0);
		if (!late.reading)
			break;
	}
	assert_false(late.reading);
	/* Memory that is missing for another reason is no matter of waiting. */
	assert_in_range(n, 1, 100);
	fixture->memory.fail_all = true;
	assert_int_equal(ioasid_space_alloc(fixture->space, NULL, n + 1, n + 1,
					    NULL, &id),
			 -ENOMEM);
	fixture->memory.fail_all = false;
	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	fixture->space = NULL;
}

static struct ioasid_space *create_hash(struct ioasid_rcu *rcu)
{
	const struct ioasid_space_config config = { .max = 0xfffff,
						    .store = IOASID_STORE_HASH,
						    .hash_seed = 1,
						    .rcu = rcu };
	struct ioasid_space *space;

	assert_int_equal(ioasid_space_create(&config, &space), 0);
	return space;
}

static size_t alloc_one(struct ioasid_space *space, ioasid_t id)
{
	struct ioasid_stats before, after;

	ioasid_space_stats(space, &before);
	assert_int_equal(ioasid_space_alloc(space, NULL, id, id, NULL, &id), 0);
	ioasid_space_stats(space, &after);
	return after.memory - before.memory;
}

static void retired(struct ioasid_rcu_head *head)
{
	(void)head;
}

/* Pages of the system's are waited for as memory of hooks is. */
static void pages_come_back_meanwhile(struct fixture *fixture)
{
	enum { LIMIT = 16 << 20, PAGES = 64 << 10 };
	const struct ioasid_rcu_config rcu_config = { .retired_limit = LIMIT };
	struct ioasid_rcu_head head;
	struct ioasid_space *space;
	struct ioasid_rcu *rcu;
	struct actor reader;
	ioasid_t last = 0, id;

	(void)fixture;
	assert_int_equal(ioasid_rcu_create(&rcu_config, &rcu), 0);
	/* The first ID for which there is a table of pages of its own. */
	space = create_hash(rcu);
	while (alloc_one(space, last) < PAGES)
		last++;
	assert_int_equal(ioasid_space_destroy(space), 0);
	space = create_hash(rcu);
	for (id = 0; id < last; id++)
		alloc_one(space, id);
	reader_begin(&reader, rcu);
	ioasid_rcu_retire(rcu, &head, retired, LIMIT);
	assert_int_equal(ioasid_space_alloc(space, NULL, last, last, NULL, &id),
			 -EAGAIN);
	reader_end(&reader, rcu);
	assert_int_equal(ioasid_space_alloc(space, NULL, last, last, NULL, &id),
			 0);
	assert_int_equal(ioasid_space_destroy(space), 0);
	assert_int_equal(ioasid_rcu_destroy(rcu), 0);
}

static void retire_some(struct ioasid_space *space)
{
	ioasid_t id;

	CHECK(!ioasid_space_alloc(space, NULL, 1000, 1000, NULL, &id));
	CHECK(!ioasid_space_free(space, id));
	CHECK(ioasid_space_trim(space) > 0);
}

/* Nothing waits. */
static void stats_rest(struct fixture *fixture)
{
	struct ioasid_domain_stats now = stats(fixture->rcu);

	assert_int_equal(now.threads, lists_threads(fixture) ? 1 : 0);
	assert_int_equal(now.pending, 0);
	assert_int_equal(now.retired, 0);
	assert_int_equal(now.retired_bytes, 0);
	assert_int_equal(now.oldest_ns, 0);
}

static void stall(struct fixture *fixture, struct actor *reader)
{
	if (!fixture->flavour->threads) {
		ioasid_rcu_read_lock(fixture->rcu);
		return;
	}
	reader_begin(reader, fixture->rcu);
	if (lists_threads(fixture))
		assert_int_equal(stats(fixture->rcu).threads, 2);
}

static void go_on(struct fixture *fixture, struct actor *reader)
{
	if (fixture->flavour->threads)
		reader_end(reader, fixture->rcu);
	else
		ioasid_rcu_read_unlock(fixture->rcu);
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
	stats_rest(fixture);
}

/* What stats say while a reader stays, and after. */
static void stats_tell(struct fixture *fixture)
{
	const uint64_t a_while = (uint64_t)(A_WHILE * 1e9);
	struct ioasid_rcu *rcu = fixture->rcu;
	struct ioasid_domain_stats first, later;
	ioasid_atomic_u32 count = { 0 };
	struct counted counted[3];
	struct actor reader;
	size_t i;

	stats_rest(fixture);
	/* Memory of a store alone. */
	stall(fixture, &reader);
	retire_some(fixture->space);
	first = stats(rcu);
	assert_true(first.retired > 0);
	assert_true(first.retired_bytes > 0);
	assert_int_equal(first.pending, 0);
	test_sleep(A_WHILE);
	later = stats(rcu);
	assert_int_equal(later.retired, first.retired);
	assert_int_equal(later.retired_bytes, first.retired_bytes);
	assert_true(later.oldest_ns - first.oldest_ns >= a_while);
	go_on(fixture, &reader);
	/* The oldest of all, not the last. */
	stall(fixture, &reader);
	for (i = 0; i < ARRAY_SIZE(counted); i++) {
		counted[i].count = &count;
		assert_int_equal(
			ioasid_rcu_defer(rcu, &counted[i].head, on_counted), 0);
		first = stats(rcu);
		assert_int_equal(first.pending, i + 1);
		assert_int_equal(first.pending, ioasid_rcu_pending(rcu));
		assert_int_equal(first.retired, 0);
		assert_true(first.oldest_ns >= i * a_while);
		test_sleep(A_WHILE);
	}
	retire_some(fixture->space);
	later = stats(rcu);
	assert_true(later.retired > 0);
	assert_true(later.oldest_ns - first.oldest_ns >= a_while);
	assert_true(later.oldest_ns < (uint64_t)(TOO_LONG * 1e9));
	go_on(fixture, &reader);
	assert_int_equal(ioasid_load_acquire(&count), ARRAY_SIZE(counted));
	first = stats(rcu);
	assert_int_equal(ioasid_rcu_synchronize(rcu), 0);
	later = stats(rcu);
	if (fixture->flavour->ops)
		assert_int_equal(later.grace_periods, 0);
	else
		assert_true(later.grace_periods > first.grace_periods);
}

/* A domain that calls callbacks back by itself. */
struct reclaimed {
	struct ioasid_rcu_head head;
	struct fixture *fixture;
	/* of the callbacks, and how many have been called */
	uint32_t number;
	ioasid_atomic_u32 *called;
	pthread_t thread;
	long task;
	bool in_order, found, may_read;
};

enum { STEADY = 7 };

static void on_reclaimed(struct ioasid_rcu_head *head)
{
	struct reclaimed *reclaimed = (struct reclaimed *)head;
	struct fixture *fixture = reclaimed->fixture;
	void *data;

	reclaimed->thread = pthread_self();
#ifdef __linux__
	reclaimed->task = syscall(SYS_gettid);
#endif
	reclaimed->in_order = ioasid_load_relaxed(reclaimed->called) ==
			      reclaimed->number;
	reclaimed->found =
		!ioasid_space_find(fixture->space, NULL, STEADY, NULL, &data) &&
		data == fixture;
	reclaimed->may_read = !ioasid_rcu_check_reader(fixture->rcu);
	ioasid_fetch_add_acq_rel(reclaimed->called, 1);
}

/* Waits without a call of the library. */
static bool becomes(ioasid_atomic_u32 *word, uint32_t value)
{
	double end = test_now() + TOO_LONG;

	while (ioasid_load_acquire(word) != value) {
		if (test_now() > end)
			return false;
		test_sleep(0.001);
	}
	return true;
}

/* CPU time, and how often it went to sleep or was made to wait. */
static double cpu_time(pthread_t thread)
{
	struct timespec time;
	clockid_t clock;

	CHECK(!pthread_getcpuclockid(thread, &clock));
	CHECK(!clock_gettime(clock, &time));
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

#ifdef __linux__
static unsigned long switches(long task)
{
	unsigned long count, sum = 0;
	char path[64], line[128];
	unsigned int found = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%ld/status", task);
	file = fopen(path, "r");
	CHECK(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "voluntary_ctxt_switches: %lu", &count) == 1 ||
		    sscanf(line, "nonvoluntary_ctxt_switches: %lu", &count) ==
			    1) {
			sum += count;
			found++;
		}
	}
	fclose(file);
	CHECK(found == 2);
	return sum;
}

static bool task_gone(long task)
{
	char path[64];
	int tries;

	snprintf(path, sizeof(path), "/proc/self/task/%ld", task);
	/* Joined, it may be on its last few instructions in the kernel. */
	for (tries = 0; tries < 1000; tries++) {
		if (access(path, F_OK))
			return true;
		test_sleep(0.001);
	}
	return false;
}
#endif

static void reclaim_config(struct fixture *fixture,
			   struct ioasid_rcu_config *config)
{
	fixture_rcu_config(fixture, config);
	config->reclaimer = true;
}

static void reclaim_space(struct fixture *fixture)
{
	ioasid_t id;

	fixture_space(fixture, 0, 1023);
	CHECK(!ioasid_space_alloc(fixture->space, NULL, STEADY, STEADY, fixture,
				  &id));
}

static void reclaimer(struct fixture *fixture)
{
	enum { COUNT = 100 };
	struct reclaimed reclaimed[COUNT + 1];
	ioasid_atomic_u32 called = { 0 };
	struct ioasid_rcu_config config;
	struct ioasid_rcu *rcu;
	struct actor reader;
	double spent;
	uint32_t i;

	reclaim_config(fixture, &config);
	rcu = remake(fixture, &config);
	reclaim_space(fixture);
	for (i = 0; i <= COUNT; i++)
		reclaimed[i] = (struct reclaimed){ .fixture = fixture,
						   .number = i,
						   .called = &called };
	for (i = 0; i < COUNT; i++)
		assert_int_equal(ioasid_rcu_defer(rcu, &reclaimed[i].head,
						  on_reclaimed),
				 0);
	offline(rcu);
	assert_true(becomes(&called, COUNT));
	for (i = 0; i < COUNT; i++) {
		assert_false(
			pthread_equal(reclaimed[i].thread, pthread_self()));
		assert_true(pthread_equal(reclaimed[i].thread,
					  reclaimed[0].thread));
		assert_true(reclaimed[i].in_order);
		assert_true(reclaimed[i].found);
		if (fixture->flavour->qsbr_like)
			assert_true(reclaimed[i].may_read);
	}
#ifdef __linux__
	{
		unsigned long before;

		/* Nothing to do, it does nothing. */
		test_sleep(A_WHILE);
		before = switches(reclaimed[0].task);
		test_sleep(4 * A_WHILE);
		assert_int_equal(switches(reclaimed[0].task), before);
	}
#endif
	/* While a reader stays it looks now and then. */
	reader_begin(&reader, rcu);
	assert_int_equal(
		ioasid_rcu_defer(rcu, &reclaimed[COUNT].head, on_reclaimed), 0);
	spent = cpu_time(reclaimed[0].thread);
	test_sleep(8 * A_WHILE);
	spent = cpu_time(reclaimed[0].thread) - spent;
	print_message("%.1f %% of a CPU while it waits\n",
		      spent / (8 * A_WHILE) * 100);
	assert_true(spent < A_WHILE);
	assert_int_equal(ioasid_load_acquire(&called), COUNT);
	reader_end(&reader, rcu);
	assert_true(becomes(&called, COUNT + 1));
	assert_true(
		pthread_equal(reclaimed[COUNT].thread, reclaimed[0].thread));
	assert_true(reclaimed[COUNT].in_order);
	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	fixture->space = NULL;
	fixture_rcu_config(fixture, &config);
	remake(fixture, &config);
#ifdef __linux__
	assert_true(task_gone(reclaimed[0].task));
#endif
}

/* Memory of stores is freed by it as well, with nobody calling. */
static void reclaimer_frees(struct fixture *fixture)
{
	struct ioasid_rcu_config config;
	size_t before;
	double end;
	ioasid_t id;

	reclaim_config(fixture, &config);
	remake(fixture, &config);
	fixture_space(fixture, 0, 0xffff);
	offline(fixture->rcu);
	before = bytes(fixture);
	for (id = 0; id < 0x10000; id += 512)
		assert_int_equal(ioasid_space_alloc(fixture->space, NULL, id,
						    id, NULL, &id),
				 0);
	assert_true(bytes(fixture) > before);
	for (id = 0; id < 0x10000; id += 512)
		assert_int_equal(ioasid_space_free(fixture->space, id), 0);
	end = test_now() + TOO_LONG;
	while (stats(fixture->rcu).retired) {
		assert_true(test_now() < end);
		test_sleep(0.001);
	}
	assert_int_equal(stats(fixture->rcu).oldest_ns, 0);
}

/* TSan does not follow a process of many threads into its child. */
#if !TEST_TSAN
static pid_t fork_child(const struct test_flavour *flavour,
			void (*func)(void *arg), void *arg)
{
	pid_t child;

	fflush(NULL);
	if (flavour->fork_prepare)
		flavour->fork_prepare();
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		if (flavour->fork_child)
			flavour->fork_child();
		alarm(CHILD_HANG);
		func(arg);
		_exit(0);
	}
	if (flavour->fork_parent)
		flavour->fork_parent();
	return child;
}

static int status_of(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) != child)
		CHECK(errno == EINTR);
	if (WIFSIGNALED(status))
		fprintf(stderr, "child: signal %d\n", WTERMSIG(status));
	return status;
}

static void reclaimer_in_child(void *arg)
{
	struct fixture *fixture = arg;
	ioasid_atomic_u32 called = { 0 };
	struct reclaimed reclaimed[3];
	uint32_t i;

	for (i = 0; i < ARRAY_SIZE(reclaimed); i++) {
		reclaimed[i] = (struct reclaimed){ .fixture = fixture,
						   .number = i,
						   .called = &called };
		CHECK(!ioasid_rcu_thread_online(fixture->rcu));
		CHECK(!ioasid_rcu_defer(fixture->rcu, &reclaimed[i].head,
					on_reclaimed));
		offline(fixture->rcu);
		CHECK(becomes(&called, i + 1));
		CHECK(!pthread_equal(reclaimed[i].thread, pthread_self()));
		CHECK(reclaimed[i].in_order && reclaimed[i].found);
	}
	CHECK(!ioasid_space_destroy(fixture->space));
	CHECK(!ioasid_rcu_destroy(fixture->rcu));
}

static void reclaimer_after_fork(struct fixture *fixture)
{
	enum { FORKS_BUSY = 20 };
	ioasid_atomic_u32 called = { 0 };
	struct reclaimed reclaimed[FORKS_BUSY];
	struct ioasid_rcu_config config;
	uint32_t i;

	/* In the child the mutex of the hooks might be held for ever. */
	reclaim_config(fixture, &config);
	config.memory = (struct ioasid_memory){ 0 };
	remake(fixture, &config);
	reclaim_space(fixture);
	offline(fixture->rcu);
	/* Before it was ever started; then as it is at work. */
	assert_int_equal(status_of(fork_child(fixture->flavour,
					      reclaimer_in_child, fixture)),
			 0);
	for (i = 0; i < FORKS_BUSY; i++) {
		reclaimed[i] = (struct reclaimed){ .fixture = fixture,
						   .number = i,
						   .called = &called };
		assert_int_equal(ioasid_rcu_defer(fixture->rcu,
						  &reclaimed[i].head,
						  on_reclaimed),
				 0);
		if (i % 2)
			assert_true(becomes(&called, i + 1));
		/* What is pending is the child's to call, and not the first. */
		if (i % 2)
			assert_int_equal(status_of(fork_child(
						 fixture->flavour,
						 reclaimer_in_child, fixture)),
					 0);
	}
	assert_true(becomes(&called, FORKS_BUSY));
}

/* A process with threads in every sort of call, forked at any moment. */
enum { FAMILY_STORES = 3, HOME = 4000, RENTED = 2000 };

struct family {
	struct fixture *fixture;
	struct ioasid_rcu *rcu;
	struct ioasid_space *space[FAMILY_STORES];
	ioasid_atomic_u32 stop, busy;
	bool in_section;
	int depth;
};

struct parcel {
	struct ioasid_rcu_head head;
	ioasid_atomic_u32 called;
};

static void on_parcel(struct ioasid_rcu_head *head)
{
	struct parcel *parcel = (struct parcel *)head;

	CHECK(!ioasid_fetch_add_acq_rel(&parcel->called, 1));
	free(parcel);
}

static void send(struct ioasid_rcu *rcu)
{
	struct parcel *parcel = calloc(1, sizeof(*parcel));

	CHECK(parcel);
	while (ioasid_rcu_defer(rcu, &parcel->head, on_parcel)) {
		ioasid_rcu_quiescent(rcu);
		CHECK(!ioasid_rcu_barrier(rcu));
	}
}

static void *family_reads(void *arg)
{
	struct family *family = arg;
	void *data;
	size_t i;

	enlist(family->rcu);
	while (!ioasid_load_relaxed(&family->stop)) {
		lock(family->rcu);
		for (i = 0; i < FAMILY_STORES; i++) {
			CHECK(!ioasid_space_find_rcu(family->space[i], NULL,
						     HOME, &data));
			CHECK(data == family);
		}
		test_sleep(0.0001);
		unlock(family->rcu);
		ioasid_fetch_add_acq_rel(&family->busy, 1);
	}
	return NULL;
}

static void *family_defers(void *arg)
{
	struct family *family = arg;

	enlist(family->rcu);
	while (!ioasid_load_relaxed(&family->stop)) {
		send(family->rcu);
		unlock((lock(family->rcu), family->rcu));
		ioasid_fetch_add_acq_rel(&family->busy, 1);
	}
	return NULL;
}

static void *family_rents(void *arg)
{
	struct family *family = arg;
	struct test_random random = { (uintptr_t)&random };
	size_t i;

	enlist(family->rcu);
	while (!ioasid_load_relaxed(&family->stop)) {
		for (i = 0; i < FAMILY_STORES; i++) {
			ioasid_t id = test_below(&random, RENTED);

			if (!ioasid_space_alloc(family->space[i], NULL, id,
						RENTED, NULL, &id))
				CHECK(!ioasid_space_free(family->space[i], id));
			ioasid_rcu_quiescent(family->rcu);
		}
		ioasid_fetch_add_acq_rel(&family->busy, 1);
	}
	return NULL;
}

static void *family_visits(void *arg)
{
	struct family *family = arg;

	enlist(family->rcu);
	lock(family->rcu);
	unlock(family->rcu);
	return NULL;
}

static void family_child(void *arg)
{
	struct family *family = arg;
	struct ioasid_rcu *rcu = family->rcu;
	const char *reason = "";
	pthread_t thread;
	void *data;
	ioasid_t id;
	size_t i;
	int ret;

	if (family->in_section) {
		CHECK(!ioasid_space_find_rcu(family->space[0], NULL, HOME,
					     &data));
		unlock(rcu);
		family->in_section = false;
	}
	if (lists_threads(family->fixture))
		CHECK(stats(rcu).threads == 1);
	for (i = 0; i < FAMILY_STORES; i++) {
		struct ioasid_space *space = family->space[i];
		struct parcel *parcel = calloc(1, sizeof(*parcel));

		CHECK(parcel);
		if (!ioasid_space_validate(space, &reason))
			test_failed(__FILE__, __LINE__, reason);
		CHECK(!ioasid_space_find(space, NULL, HOME, NULL, &data));
		CHECK(data == family);
		CHECK(!ioasid_space_get(space, NULL, HOME));
		CHECK(!ioasid_space_put(space, HOME));
		/* The parent may have been at one of the limits. */
		while ((ret = ioasid_space_alloc(space, NULL, RENTED + 1,
						 HOME - 1, parcel, &id))) {
			CHECK(ret == -EAGAIN);
			ioasid_rcu_quiescent(rcu);
			CHECK(!ioasid_rcu_barrier(rcu));
		}
		CHECK(!ioasid_space_find(space, NULL, id, NULL, &data));
		CHECK(data == parcel);
		ioasid_rcu_quiescent(rcu);
		CHECK(!ioasid_space_set_data(space, id, NULL));
		while (ioasid_space_free_deferred(space, id, &parcel->head,
						  on_parcel)) {
			ioasid_rcu_quiescent(rcu);
			CHECK(!ioasid_rcu_barrier(rcu));
		}
	}
	CHECK(!ioasid_rcu_synchronize(rcu));
	send(rcu);
	CHECK(!ioasid_rcu_barrier(rcu));
	CHECK(!ioasid_rcu_pending(rcu));
	CHECK(!stats(rcu).oldest_ns);
	if (family->fixture->flavour->threads) {
		CHECK(!pthread_create(&thread, NULL, family_visits, family));
		CHECK(!pthread_join(thread, NULL));
		CHECK(!ioasid_rcu_thread_unregister(rcu));
		CHECK(!ioasid_rcu_synchronize(rcu));
		CHECK(!ioasid_rcu_thread_register(rcu));
	}
	CHECK(passes(rcu, ioasid_rcu_start_poll(rcu)));
	if (!family->depth++)
		CHECK(!status_of(fork_child(family->fixture->flavour,
					    family_child, family)));
	for (i = 0; i < FAMILY_STORES; i++)
		CHECK(!ioasid_space_destroy(family->space[i]));
	CHECK(!ioasid_rcu_destroy(rcu));
}

static void forks(struct fixture *fixture)
{
	static void *(*const jobs[])(void *) = { family_reads, family_defers,
						 family_rents, family_rents };
	enum { COUNT = TEST_LIGHT ? 30 : 200 };
	struct family family = { .fixture = fixture };
	struct ioasid_space_config config;
	struct ioasid_rcu_config rcu_config;
	pthread_t thread[ARRAY_SIZE(jobs)];
	struct test_random random = { 1 };
	size_t threads = fixture->flavour->threads ? ARRAY_SIZE(jobs) : 0, i;
	unsigned int count = COUNT, broken = 0;
	pid_t child;
	ioasid_t id;

	/* In the child the mutex of the hooks might be held for ever. */
	fixture_rcu_config(fixture, &rcu_config);
	rcu_config.memory = (struct ioasid_memory){ 0 };
	rcu_config.pending_limit = 1000;
	assert_int_equal(ioasid_rcu_create(&rcu_config, &family.rcu), 0);
	enlist(family.rcu);
	for (i = 0; i < FAMILY_STORES; i++) {
		config = (struct ioasid_space_config){
			.max = 0xffff,
			.store = test_stores[i].kind,
			.rcu = family.rcu,
		};
		assert_int_equal(ioasid_space_create(&config, &family.space[i]),
				 0);
		assert_int_equal(ioasid_space_alloc(family.space[i], NULL, HOME,
						    HOME, &family, &id),
				 0);
	}
	for (i = 0; i < threads; i++)
		CHECK(!pthread_create(&thread[i], NULL, jobs[i], &family));
	/* liburcu takes its time over each. */
	if (fixture->flavour->fork_prepare)
		count = COUNT / 5;
	for (i = 0; i < count && !broken; i++) {
		if (threads)
			test_sleep(test_below(&random, 300) * 1e-6);
		else
			send(family.rcu);
		/* liburcu's locks are not to be waited for in one. */
		if (i % 2 && !fixture->flavour->fork_prepare) {
			lock(family.rcu);
			family.in_section = true;
		}
		child = fork_child(fixture->flavour, family_child, &family);
		if (family.in_section)
			unlock(family.rcu);
		family.in_section = false;
		/* Not to hold up the others meanwhile. */
		offline(family.rcu);
		broken += status_of(child) != 0;
		ioasid_rcu_thread_online(family.rcu);
	}
	ioasid_store_release(&family.stop, 1);
	offline(family.rcu);
	for (i = 0; i < threads; i++)
		CHECK(!pthread_join(thread[i], NULL));
	assert_int_equal(broken, 0);
	assert_true(!threads ||
		    ioasid_load_relaxed(&family.busy) > threads * count / 4);
	for (i = 0; i < FAMILY_STORES; i++) {
		assert_true(ioasid_space_validate(family.space[i], NULL));
		assert_int_equal(ioasid_space_destroy(family.space[i]), 0);
	}
	assert_int_equal(ioasid_rcu_destroy(family.rcu), 0);
}
#endif

/* Lookups from handlers, in a thread that is at all sorts of calls. */
enum { STATIONS = 20, PASSENGER = 5, TRAIN = 9 };

/* Odd once no reader is left that may look at it. */
struct train {
	struct ioasid_rcu_head head;
	struct journey *journey;
	struct train *next, *all;
	ioasid_atomic_u32 version;
};

struct station {
	struct ioasid_rcu *rcu;
	struct ioasid_space *space;
};

struct journey {
	struct fixture *fixture;
	struct station station[STATIONS];
	pthread_t traveller;
	/* broken on purpose: readers are not waited for */
	bool early;
	ioasid_atomic_u32 stop, handled, skipped, wrong;
	uint32_t turn;
	pthread_mutex_t mutex;
	struct train *pool, *all;
};

static struct journey *signalled;

static void on_signal(int number)
{
	struct journey *journey = signalled;
	struct station *at = &journey->station[journey->turn++ % STATIONS];
	bool qsbr_like = journey->fixture->flavour->qsbr_like;
	int before = errno, i;
	struct train *train;
	uint32_t version;
	void *data;

	(void)number;
	/* In a wait of the library's, it is offline. */
	if (qsbr_like && ioasid_rcu_check_reader(at->rcu)) {
		ioasid_fetch_add_acq_rel(&journey->skipped, 1);
		goto done;
	}
	ioasid_rcu_read_lock(at->rcu);
	CHECK(!ioasid_space_find_rcu(at->space, NULL, PASSENGER, &data));
	CHECK(data == at);
	ioasid_rcu_read_lock(at->rcu);
	ioasid_rcu_read_unlock(at->rcu);
	CHECK(qsbr_like || ioasid_rcu_read_held(at->rcu));
	CHECK(!ioasid_space_find_rcu(at->space, NULL, TRAIN, &data));
	train = data;
	version = ioasid_load_acquire(&train->version);
	for (i = 0; i < 100; i++) {
		if (version % 2 ||
		    ioasid_load_acquire(&train->version) != version)
			ioasid_fetch_add_acq_rel(&journey->wrong, 1);
		if (i % 50 == 49 && journey->early)
			sched_yield();
	}
	ioasid_rcu_read_unlock(at->rcu);
	CHECK(!ioasid_space_find(at->space, NULL, PASSENGER, NULL, &data));
	CHECK(data == at);
done:
	ioasid_fetch_add_acq_rel(&journey->handled, 1);
	errno = before;
}

static struct train *train_new(struct journey *journey)
{
	struct train *train;

	pthread_mutex_lock(&journey->mutex);
	train = journey->pool;
	if (train) {
		journey->pool = train->next;
		ioasid_fetch_add_acq_rel(&train->version, 1);
	} else {
		train = calloc(1, sizeof(*train));
		CHECK(train);
		train->journey = journey;
		train->all = journey->all;
		journey->all = train;
	}
	pthread_mutex_unlock(&journey->mutex);
	return train;
}

static void on_train(struct ioasid_rcu_head *head)
{
	struct train *train = (struct train *)head;
	struct journey *journey = train->journey;

	ioasid_fetch_add_acq_rel(&train->version, 1);
	pthread_mutex_lock(&journey->mutex);
	train->next = journey->pool;
	journey->pool = train;
	pthread_mutex_unlock(&journey->mutex);
}

static void depart(struct journey *journey, struct station *at)
{
	void *old;

	CHECK(!ioasid_space_exchange_data(at->space, TRAIN, train_new(journey),
					  &old));
	if (journey->early)
		on_train(&((struct train *)old)->head);
	else
		while (ioasid_rcu_defer(at->rcu, &((struct train *)old)->head,
					on_train))
			ioasid_rcu_quiescent(at->rcu);
}

static void *run_trains(void *arg)
{
	struct journey *journey = arg;
	unsigned int turn = 0;

	while (!ioasid_load_relaxed(&journey->stop))
		depart(journey, &journey->station[turn++ % STATIONS]);
	return NULL;
}

static void *send_signals(void *arg)
{
	struct journey *journey = arg;
	uint32_t handled;

	while (!ioasid_load_relaxed(&journey->stop)) {
		handled = ioasid_load_acquire(&journey->handled);
		CHECK(!pthread_kill(journey->traveller, SIGUSR1));
		while (ioasid_load_acquire(&journey->handled) == handled &&
		       !ioasid_load_relaxed(&journey->stop))
			sched_yield();
		test_sleep(0.00002);
	}
	return NULL;
}

/* One call or two of the traveller's. */
static void travel(struct journey *journey, struct station *at, uint32_t what)
{
	struct ioasid_rcu *rcu = at->rcu;
	ioasid_t id = 100 + what % 800, got;
	void *data;

	switch (what % 5) {
	case 0:
		CHECK(!ioasid_space_alloc(at->space, NULL, id, 1023, at, &got));
		CHECK(!ioasid_space_free(at->space, got));
		break;
	case 1:
		lock(rcu);
		lock(rcu);
		CHECK(!ioasid_space_find_rcu(at->space, NULL, PASSENGER,
					     &data));
		CHECK(data == at);
		ioasid_rcu_read_unlock(rcu);
		CHECK(!ioasid_rcu_check_reader(rcu));
		ioasid_rcu_read_unlock(rcu);
		break;
	case 2:
		CHECK(!ioasid_space_get(at->space, NULL, PASSENGER));
		CHECK(!ioasid_space_put(at->space, PASSENGER));
		break;
	case 3:
		depart(journey, at);
		break;
	default:
		if (what % 64 == 4)
			CHECK(!ioasid_rcu_synchronize(rcu));
		if (what % 256 == 9)
			CHECK(!ioasid_rcu_barrier(rcu));
		break;
	}
	ioasid_rcu_quiescent(rcu);
}

/* Until enough is handled, or something is wrong; how often that was. */
static uint32_t journey(struct fixture *fixture, bool early)
{
	enum { HANDLED = TEST_LIGHT ? 500 : 2000 };
	struct sigaction action = { .sa_handler = on_signal,
				    .sa_flags = SA_RESTART },
			 before;
	struct journey journey = { .fixture = fixture,
				   .traveller = pthread_self(),
				   .early = early };
	pthread_t trains, signals;
	double end = test_now() + TOO_LONG;
	struct ioasid_rcu *own = fixture->rcu;
	struct test_random random = { 1 };
	struct train *train;
	ioasid_t id;
	int i;

	CHECK(!pthread_mutex_init(&journey.mutex, NULL));
	for (i = 0; i < STATIONS; i++) {
		struct station *at = &journey.station[i];
		struct ioasid_rcu_config rcu_config;
		struct ioasid_space_config config;

		fixture_rcu_config(fixture, &rcu_config);
		CHECK(!ioasid_rcu_create(&rcu_config, &at->rcu));
		enlist(at->rcu);
		fixture->rcu = at->rcu;
		fixture->store = &test_stores[i % 3];
		fixture_space_config(fixture, &config, 0, 1023);
		CHECK(!ioasid_space_create(&config, &at->space));
		CHECK(!ioasid_space_alloc(at->space, NULL, PASSENGER, PASSENGER,
					  at, &id));
		CHECK(!ioasid_space_alloc(at->space, NULL, TRAIN, TRAIN,
					  train_new(&journey), &id));
	}
	fixture->rcu = own;
	if (!fixture->flavour->process_wide)
		offline(own);
	signalled = &journey;
	sigemptyset(&action.sa_mask);
	CHECK(!sigaction(SIGUSR1, &action, &before));
	if (fixture->flavour->threads)
		CHECK(!pthread_create(&trains, NULL, run_trains, &journey));
	CHECK(!pthread_create(&signals, NULL, send_signals, &journey));
	while (!ioasid_load_acquire(&journey.wrong) &&
	       (early || ioasid_load_acquire(&journey.handled) < HANDLED)) {
		uint32_t what = test_random(&random);

		travel(&journey, &journey.station[what % STATIONS], what >> 8);
		if (test_now() > end)
			break;
	}
	ioasid_store_release(&journey.stop, 1);
	CHECK(!pthread_join(signals, NULL));
	for (i = 0; i < STATIONS; i++)
		offline(journey.station[i].rcu);
	if (fixture->flavour->threads)
		CHECK(!pthread_join(trains, NULL));
	CHECK(!sigaction(SIGUSR1, &before, NULL));
	print_message("%u handled, %u of them offline\n",
		      ioasid_load_relaxed(&journey.handled),
		      ioasid_load_relaxed(&journey.skipped));
	assert_true(ioasid_load_relaxed(&journey.handled) >= HANDLED || early);
	assert_true(ioasid_load_relaxed(&journey.skipped) <
		    ioasid_load_relaxed(&journey.handled));
	for (i = 0; i < STATIONS; i++) {
		struct station *at = &journey.station[i];

		/* As many ends of sections as beginnings. */
		assert_false(ioasid_rcu_read_held(at->rcu));
		assert_int_equal(ioasid_rcu_check_reader(at->rcu), -EPERM);
		assert_int_equal(ioasid_rcu_synchronize(at->rcu), 0);
		assert_true(ioasid_space_validate(at->space, NULL));
		assert_int_equal(ioasid_space_destroy(at->space), 0);
		assert_int_equal(ioasid_rcu_destroy(at->rcu), 0);
	}
	while ((train = journey.all)) {
		journey.all = train->all;
		free(train);
	}
	pthread_mutex_destroy(&journey.mutex);
	return ioasid_load_relaxed(&journey.wrong);
}

static void signal_handlers(struct fixture *fixture)
{
	assert_int_equal(journey(fixture, false), 0);
}

static void early_ends_are_seen(struct fixture *fixture)
{
	assert_int_not_equal(journey(fixture, true), 0);
}

#if defined(SECCOMP_MODE_FILTER) && defined(SYS_membarrier) && !TEST_TSAN
static void forbid_membarrier(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { ARRAY_SIZE(code), code };

	CHECK(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	CHECK(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
	CHECK(syscall(SYS_membarrier, 0, 0, 0) == -1 && errno == EPERM);
}

static void alloc_and_free(void *arg)
{
	struct ioasid_space *space = arg;
	ioasid_t id;
	int i;

	for (i = 0; i < 20000; i++) {
		CHECK(!ioasid_space_alloc(space, NULL, 0, INVALID_IOASID, NULL,
					  &id));
		CHECK(!ioasid_space_free(space, id));
	}
}

enum { NO_MEMBARRIER = 77 };

static void never(struct ioasid_rcu *rcu, uint64_t cookie)
{
	double begun = test_now();
	int i;

	for (i = 0; i < 1000; i++)
		CHECK(!ioasid_rcu_poll(rcu, cookie));
	CHECK(test_now() - begun < 10);
}

/* A domain that counts on the call, and one that does not. */
static void without_membarrier(void *arg)
{
	struct ioasid_rcu_config limited = { .pending_limit = 1 };
	struct ioasid_space_config config = { .max = 0xffff };
	ioasid_atomic_u32 count = { 0 };
	struct counted counted[40], limit[2];
	struct actor reader, other;
	struct ioasid_space *space;
	struct ioasid_rcu *rcu, *full;
	uint64_t cookie;
	size_t i;

	(void)arg;
	CHECK(!ioasid_rcu_create(NULL, &rcu));
	if (rcu->read_side != IOASID_RCU_READ_PLAIN)
		_exit(NO_MEMBARRIER);
	config.rcu = rcu;
	CHECK(!ioasid_space_create(&config, &space));
	CHECK(!ioasid_rcu_create(&limited, &full));
	limit[0].count = limit[1].count = &count;
	forbid_membarrier();
	reader_begin(&reader, rcu);
	cookie = ioasid_rcu_start_poll(rcu);
	never(rcu, cookie);
	/* Nor that it has left: it may be a late one that nobody sees. */
	actor_do(&reader, unlock, rcu);
	never(rcu, cookie);
	for (i = 0; i < ARRAY_SIZE(counted); i++) {
		counted[i].count = &count;
		CHECK(!ioasid_rcu_defer(rcu, &counted[i].head, on_counted));
	}
	CHECK(!ioasid_load_acquire(&count));
	CHECK(stats(rcu).pending == ARRAY_SIZE(counted));
	/* Waits say so, and nothing has changed. */
	CHECK(ioasid_rcu_synchronize(rcu) == -EIO);
	CHECK(ioasid_rcu_barrier(rcu) == -EIO);
	CHECK(!ioasid_rcu_defer(full, &limit[0].head, on_counted));
	CHECK(ioasid_rcu_defer(full, &limit[1].head, on_counted) == -EAGAIN);
	CHECK(ioasid_rcu_destroy(full) == -EIO);
	CHECK(stats(full).pending == 1);
	CHECK(stats(rcu).pending == ARRAY_SIZE(counted));
	CHECK(!ioasid_load_acquire(&count));
	/* Locks, whose waiters use the call too, still let others in. */
	actor_begin(&other);
	actor_start(&other, alloc_and_free, space);
	alloc_and_free(space);
	actor_end(&other);
	actor_end(&reader);
	/* Domains made from now on do without. */
	CHECK(!ioasid_rcu_create(NULL, &rcu));
	CHECK(rcu->read_side == IOASID_RCU_READ_FENCED);
	reader_begin(&reader, rcu);
	actor_begin(&other);
	actor_start(&other, synchronize, rcu);
	CHECK(!actor_done(&other, A_WHILE));
	reader_end(&reader, rcu);
	actor_end(&other);
	CHECK(!ioasid_rcu_destroy(rcu));
}

static void membarrier_forbidden(struct fixture *fixture)
{
	int status = status_of(
		fork_child(fixture->flavour, without_membarrier, fixture));

	if (WIFEXITED(status) && WEXITSTATUS(status) == NO_MEMBARRIER) {
		print_message("left out: this kernel has no membarrier\n");
		skip();
	}
	assert_int_equal(status, 0);
}
#endif

int main(void)
{
	static const struct test_case cases[] = {
		CASE(crowd, PER_FLAVOUR | THREADS | NO_SPACE),
		CASE(cancelled_asleep, PER_FLAVOUR | THREADS | NO_SPACE),
		CASE(cancelled_waiting, PER_FLAVOUR | THREADS | NO_SPACE),
		CASE(waiters_share,
		     PER_FLAVOUR | THREADS | BUILT_IN | NO_SPACE),
		CASE(flood_of_callbacks, PER_FLAVOUR | THREADS | NO_SPACE),
		CASE(flood_of_memory, PER_FLAVOUR | THREADS | NO_SPACE),
		CASE(flood_of_memory_in_hash, PER_FLAVOUR | THREADS | NO_SPACE),
		CASE(memory_comes_back_meanwhile,
		     PER_FLAVOUR | THREADS | NO_SPACE),
		CASE(pages_come_back_meanwhile, NO_SPACE),
		CASE(stats_tell, PER_FLAVOUR),
		CASE(reclaimer, PER_FLAVOUR | THREADS | NO_SPACE),
		CASE(reclaimer_frees, PER_FLAVOUR | THREADS | NO_SPACE),
#if !TEST_TSAN
		CASE(reclaimer_after_fork,
		     PER_FLAVOUR | THREADS | FORKS | NO_SPACE),
		CASE(forks, PER_FLAVOUR | FORKS | NO_SPACE),
#endif
		CASE(signal_handlers, PER_FLAVOUR | SIGNALS | NO_SPACE),
		CASE(early_ends_are_seen, NO_SPACE),
#if defined(SECCOMP_MODE_FILTER) && defined(SYS_membarrier) && !TEST_TSAN
		CASE(membarrier_forbidden, NO_SPACE),
#endif
	};

	alarm(HANG);
	return test_run("rcu_threads", cases, ARRAY_SIZE(cases));
}
