/* SPDX-License-Identifier: MIT */
/*
 * The adapters in a program that runs liburcu itself. What they share with all
 * flavours is in //test:rcu_test and its neighbours.
 */
#include "test/fixture.h"

#include <unistd.h>

#include <urcu/urcu-bp.h>
#include <urcu/urcu-memb.h>
#include <urcu/urcu-qsbr.h>

/* Of several flavours, liburcu's headers declare these for the first only. */
#define WORKERS(flavour)                                                       \
	void urcu_##flavour##_call_rcu(struct rcu_head *head,                  \
				       void (*func)(struct rcu_head * head));  \
	int urcu_##flavour##_create_all_cpu_call_rcu_data(                     \
		unsigned long flags);                                          \
	void urcu_##flavour##_free_all_cpu_call_rcu_data(void);                \
	struct call_rcu_data *urcu_##flavour##_get_cpu_call_rcu_data(int cpu); \
	void urcu_##flavour##_set_thread_call_rcu_data(                        \
		struct call_rcu_data *worker)

WORKERS(memb);
WORKERS(qsbr);

/* What the program itself calls. */
struct program {
	void (*register_thread)(void);
	void (*unregister_thread)(void);
	void (*read_lock)(void);
	void (*read_unlock)(void);
	void (*synchronize)(void);
	void (*call_rcu)(struct rcu_head *head,
			 void (*func)(struct rcu_head *head));
	int (*create_workers)(unsigned long flags);
	void (*free_workers)(void);
	struct call_rcu_data *(*worker_of)(int cpu);
	void (*set_worker)(struct call_rcu_data *worker);
};

static void nothing(void)
{
}

#define PROGRAM(flavour, unregister, lock, unlock)                           \
	{                                                                    \
		.register_thread = urcu_##flavour##_register_thread,         \
		.unregister_thread = unregister,                             \
		.read_lock = lock,                                           \
		.read_unlock = unlock,                                       \
		.synchronize = urcu_##flavour##_synchronize_rcu,             \
		.call_rcu = urcu_##flavour##_call_rcu,                       \
		.create_workers =                                            \
			urcu_##flavour##_create_all_cpu_call_rcu_data,       \
		.free_workers = urcu_##flavour##_free_all_cpu_call_rcu_data, \
		.worker_of = urcu_##flavour##_get_cpu_call_rcu_data,         \
		.set_worker = urcu_##flavour##_set_thread_call_rcu_data,     \
	}

static const struct program programs[] = {
	PROGRAM(memb, urcu_memb_unregister_thread, urcu_memb_read_lock,
		urcu_memb_read_unlock),
	PROGRAM(qsbr, urcu_qsbr_unregister_thread, urcu_qsbr_thread_online,
		urcu_qsbr_thread_offline),
	PROGRAM(bp, nothing, urcu_bp_read_lock, urcu_bp_read_unlock),
};

static const struct program *program_of(const struct fixture *fixture)
{
	return &programs[fixture->flavour - &test_flavours[FLAVOUR_URCU_MEMB]];
}

static void call(void *func)
{
	(*(void (**)(void))func)();
}

static void synchronize(void *rcu)
{
	CHECK(!ioasid_rcu_synchronize(rcu));
}

static void read_ioasid(void *rcu)
{
	CHECK(!ioasid_rcu_thread_register(rcu));
	ioasid_rcu_read_lock(rcu);
}

static void leave_ioasid(void *rcu)
{
	ioasid_rcu_read_unlock(rcu);
	CHECK(!ioasid_rcu_thread_offline(rcu));
}

/* Either side waits for the readers of the other, and of every domain. */
static void readers_are_shared(struct fixture *fixture)
{
	struct program program = *program_of(fixture);
	struct ioasid_rcu_config config;
	struct actor reader, writer;
	struct ioasid_rcu *other;

	ioasid_rcu_thread_offline(fixture->rcu);
	fixture_rcu_config(fixture, &config);
	assert_int_equal(ioasid_rcu_create(&config, &other), 0);
	actor_begin(&reader);
	actor_begin(&writer);
	/* qsbr: online from here on */
	actor_do(&reader, call, &program.register_thread);
	actor_do(&reader, call, &program.read_lock);
	actor_start(&writer, synchronize, fixture->rcu);
	assert_false(actor_done(&writer, A_WHILE));
	actor_do(&reader, call, &program.read_unlock);
	assert_true(actor_done(&writer, TOO_LONG));
	actor_do(&reader, call, &program.unregister_thread);

	actor_do(&reader, read_ioasid, fixture->rcu);
	actor_start(&writer, call, &program.synchronize);
	assert_false(actor_done(&writer, A_WHILE));
	actor_do(&reader, leave_ioasid, fixture->rcu);
	assert_true(actor_done(&writer, TOO_LONG));

	actor_do(&reader, read_ioasid, fixture->rcu);
	actor_start(&writer, synchronize, other);
	assert_false(actor_done(&writer, A_WHILE));
	actor_do(&reader, leave_ioasid, fixture->rcu);
	assert_true(actor_done(&writer, TOO_LONG));
	actor_end(&reader);
	actor_end(&writer);
	assert_int_equal(ioasid_rcu_destroy(other), 0);
}

/* Threads the program has registered stay its own. */
static void registered_by_the_program(void *arg)
{
	struct fixture *fixture = arg;
	const struct program *program = program_of(fixture);
	bool bp = fixture->flavour == &test_flavours[FLAVOUR_URCU_BP];
	struct ioasid_rcu *rcu = fixture->rcu;

	program->register_thread();
	CHECK(!ioasid_rcu_thread_register(rcu));
	/* With bp it cannot tell, and need not. */
	CHECK(ioasid_rcu_thread_unregister(rcu) == (bp ? 0 : -ENOENT));
	CHECK(ioasid_rcu_thread_unregister(rcu) == -ENOENT);
	program->read_lock();
	CHECK(!ioasid_rcu_check_reader(rcu));
	program->read_unlock();
	CHECK(ioasid_rcu_check_reader(rcu) == -EPERM);
	/* Offline, and online again by the other side. */
	CHECK(!ioasid_rcu_thread_register(rcu));
	CHECK(ioasid_rcu_check_reader(rcu) ==
	      (fixture->flavour->qsbr_like ? 0 : -EPERM));
	program->unregister_thread();
	CHECK(ioasid_rcu_check_reader(rcu) == -EPERM);
	/* And the other way round, for its exit to undo. */
	CHECK(!ioasid_rcu_thread_register(rcu));
}

static void registration(struct fixture *fixture)
{
	struct actor actor;

	ioasid_rcu_thread_offline(fixture->rcu);
	actor_begin(&actor);
	actor_do(&actor, registered_by_the_program, fixture);
	actor_end(&actor);
	program_of(fixture)->synchronize();
	assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
}

static ioasid_atomic_u32 release, stuck;
static bool be_offline;

static void be_stuck(struct rcu_head *head)
{
	(void)head;
	if (be_offline)
		urcu_qsbr_thread_offline();
	ioasid_fetch_add_acq_rel(&stuck, 1);
	while (!ioasid_load_acquire(&release))
		test_sleep(0.001);
	if (be_offline)
		urcu_qsbr_thread_online();
}

static void poll_passes(void *rcu)
{
	uint64_t cookie = ioasid_rcu_start_poll(rcu);
	double end = test_now() + 10;

	while (!ioasid_rcu_poll(rcu, cookie)) {
		CHECK(test_now() < end);
		test_sleep(0.001);
	}
}

/* Asked for while an earlier one is under way: a wait for readers brings both. */
static void wait_ends_polls(struct fixture *fixture)
{
	uint64_t earlier, later;

	for (int i = 0; i < 100; i++) {
		earlier = ioasid_rcu_start_poll(fixture->rcu);
		ioasid_rcu_poll(fixture->rcu, earlier);
		later = ioasid_rcu_start_poll(fixture->rcu);
		assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
		assert_true(ioasid_rcu_poll(fixture->rcu, earlier));
		assert_true(ioasid_rcu_poll(fixture->rcu, later));
	}
}

/*
 * Grace periods for a thread that is not registered: they do not depend on
 * workers of CPUs, which only a reader may count on.
 */
static void workers_of_cpus(struct fixture *fixture)
{
	const struct program *program = program_of(fixture);
	long cpus = sysconf(_SC_NPROCESSORS_CONF), cpu;
	struct rcu_head *head = calloc((size_t)cpus, sizeof(*head));
	struct actor stranger;

	CHECK(head);
	be_offline = fixture->flavour->qsbr_like;
	ioasid_store_release(&release, 0);
	ioasid_store_release(&stuck, 0);
	ioasid_rcu_thread_offline(fixture->rcu);
	assert_int_equal(program->create_workers(0), 0);
	for (cpu = 0; cpu < cpus; cpu++) {
		program->set_worker(program->worker_of((int)cpu));
		program->call_rcu(&head[cpu], be_stuck);
	}
	program->set_worker(NULL);
	while (ioasid_load_acquire(&stuck) < cpus)
		test_sleep(0.001);
	actor_begin(&stranger);
	actor_do(&stranger, poll_passes, fixture->rcu);
	actor_end(&stranger);
	ioasid_store_release(&release, 1);
	program->free_workers();
	free(head);
}

int main(void)
{
	static const struct test_case cases[] = {
		CASE(readers_are_shared, PER_FLAVOUR | PROCESS_WIDE | NO_SPACE),
		CASE(registration, PER_FLAVOUR | PROCESS_WIDE | NO_SPACE),
		CASE(wait_ends_polls, PER_FLAVOUR | PROCESS_WIDE | NO_SPACE),
		CASE(workers_of_cpus, PER_FLAVOUR | PROCESS_WIDE | NO_SPACE),
	};

	return test_run("urcu", cases, ARRAY_SIZE(cases));
}
