/* SPDX-License-Identifier: MIT */
#include "test/actors.h"

/* What a review found: each case fails with the fault put back. */

static uint64_t retired(struct ioasid_rcu *rcu)
{
	struct ioasid_domain_stats stats;

	ioasid_rcu_stats(rcu, &stats);
	return stats.retired;
}

/* Registered again, an online thread still holds what it found. */
static void registers_again(struct fixture *fixture)
{
	struct ioasid_rcu *rcu = fixture->rcu;
	uint64_t cookie;

	assert_int_equal(ioasid_rcu_thread_register(rcu), 0);
	cookie = ioasid_rcu_start_poll(rcu);
	assert_false(ioasid_rcu_poll(rcu, cookie));
	assert_int_equal(ioasid_rcu_thread_register(rcu), 0);
	assert_false(ioasid_rcu_poll(rcu, cookie));
	ioasid_rcu_quiescent(rcu);
	assert_true(ioasid_rcu_poll(rcu, cookie));
}

struct canceller {
	struct ioasid_rcu_head head;
	ioasid_atomic_u32 begun, called;
};

static void on_cancelled(struct ioasid_rcu_head *head)
{
	struct canceller *canceller = (struct canceller *)head;

	ioasid_store_release(&canceller->begun, 1);
	test_sleep(A_WHILE);
	pthread_testcancel();
	ioasid_store_release(&canceller->called, 1);
}

static struct canceller canceller;

static void *be_cancelled(void *arg)
{
	struct ioasid_rcu *rcu = arg;

	CHECK(!ioasid_rcu_defer(rcu, &canceller.head, on_cancelled));
	CHECK(!ioasid_rcu_barrier(rcu));
	/* No call that TSan intercepts: it would not notice being left. */
	for (;;)
		pthread_testcancel();
	return NULL;
}

/* A thread does not end in the middle of a batch. */
static void cancelled_in_callback(struct fixture *fixture)
{
	pthread_t thread;
	void *result;

	canceller = (struct canceller){ .begun = { 0 } };
	CHECK(!pthread_create(&thread, NULL, be_cancelled, fixture->rcu));
	while (!ioasid_load_acquire(&canceller.begun))
		test_sleep(0.001);
	CHECK(!pthread_cancel(thread));
	CHECK(!pthread_join(thread, &result));
	assert_ptr_equal(result, PTHREAD_CANCELED);
	assert_int_equal(ioasid_load_acquire(&canceller.called), 1);
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
}

struct caller {
	struct ioasid_rcu_head head;
	pthread_t self;
	bool same;
};

static void on_caller(struct ioasid_rcu_head *head)
{
	struct caller *caller = (struct caller *)head;

	caller->same = pthread_equal(caller->self, pthread_self());
}

/* With a reclaimer no defer calls anything, at the limit neither. */
static void limit_leaves_it_to_reclaimer(struct fixture *fixture)
{
	enum { COUNT = 2000 };
	static struct caller callers[COUNT];
	struct ioasid_rcu_config config = { .pending_limit = 20,
					    .reclaimer = true };
	struct ioasid_rcu *rcu;
	double end;
	size_t i;

	(void)fixture;
	assert_int_equal(ioasid_rcu_create(&config, &rcu), 0);
	for (i = 0; i < COUNT; i++) {
		callers[i] = (struct caller){ .self = pthread_self() };
		assert_int_equal(
			ioasid_rcu_defer(rcu, &callers[i].head, on_caller), 0);
	}
	end = test_now() + TOO_LONG;
	while (ioasid_rcu_pending(rcu) && test_now() < end)
		test_sleep(0.001);
	assert_int_equal(ioasid_rcu_destroy(rcu), 0);
	for (i = 0; i < COUNT; i++)
		assert_false(callers[i].same);
}

static void churn(struct ioasid_space *space, uint32_t count)
{
	ioasid_t id;

	for (uint32_t i = 0; i < count; i++) {
		id = i * 7919 & 0xffff;
		CHECK(!ioasid_space_alloc(space, NULL, id, id, NULL, &id));
		CHECK(!ioasid_space_free(space, id));
	}
}

/* A batch that began to wait while another ran is not forgotten. */
static void waiting_is_not_forgotten(struct fixture *fixture)
{
	struct ioasid_space_config config = { .max = 0xffff };
	struct actor first, second;
	struct ioasid_space *space;
	struct ioasid_rcu *rcu;
	ioasid_t id;

	(void)fixture;
	assert_int_equal(ioasid_space_create(&config, &space), 0);
	rcu = ioasid_space_rcu(space);
	actor_begin(&first);
	actor_begin(&second);
	actor_do(&first, lock, rcu);
	churn(space, 2000);
	actor_do(&second, lock, rcu);
	actor_do(&first, unlock, rcu);
	/* Runs the first batch, and lets the second wait. */
	churn(space, 1);
	assert_true(retired(rcu) > 1000);
	actor_do(&second, unlock, rcu);
	/* One leaf: nothing more is retired. */
	for (uint32_t i = 0; i < 100; i++) {
		assert_int_equal(
			ioasid_space_alloc(space, NULL, 5, 5, NULL, &id), 0);
		assert_int_equal(ioasid_space_free(space, 5), 0);
	}
	assert_true(retired(rcu) < 64);
	actor_end(&first);
	actor_end(&second);
	assert_int_equal(ioasid_space_destroy(space), 0);
}

/* What trim retires in a section the reclaimer frees after it. */
static void trim_wakes_reclaimer(struct fixture *fixture)
{
	struct ioasid_rcu_config config = { .reclaimer = true };
	struct ioasid_space_config space_config = { .max = 0xffff };
	struct ioasid_space *space;
	double end;

	(void)fixture;
	assert_int_equal(ioasid_rcu_create(&config, &space_config.rcu), 0);
	assert_int_equal(ioasid_space_create(&space_config, &space), 0);
	churn(space, 1);
	ioasid_rcu_read_lock(space_config.rcu);
	assert_true(ioasid_space_trim(space) > 0);
	assert_true(retired(space_config.rcu) > 0);
	ioasid_rcu_read_unlock(space_config.rcu);
	end = test_now() + TOO_LONG;
	while (retired(space_config.rcu) && test_now() < end)
		test_sleep(0.001);
	assert_int_equal(retired(space_config.rcu), 0);
	assert_int_equal(ioasid_space_destroy(space), 0);
	assert_int_equal(ioasid_rcu_destroy(space_config.rcu), 0);
}

static void qsbr_registers_again(struct fixture *fixture)
{
	fixture->flavour = &test_flavours[2];
	assert_int_equal(fixture->flavour->flavour, IOASID_RCU_QSBR);
	fixture_rcu(fixture);
	registers_again(fixture);
}

int main(void)
{
	static const struct test_case cases[] = {
		CASE(qsbr_registers_again, NO_SPACE | NO_RCU),
		CASE(cancelled_in_callback, NO_SPACE),
		CASE(limit_leaves_it_to_reclaimer, NO_SPACE),
		CASE(waiting_is_not_forgotten, NO_SPACE),
		CASE(trim_wakes_reclaimer, NO_SPACE),
	};

	return test_run("rcu_review", cases, ARRAY_SIZE(cases));
}
