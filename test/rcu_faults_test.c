/* SPDX-License-Identifier: MIT */
/*
 * What once went wrong at the edges of a domain: many domains, no memory, hooks
 * that take their time, threads that end anywhere, forks, callbacks.
 */
#ifdef __linux__
#define _GNU_SOURCE
#endif
#include "test/actors.h"

#include <ioasid/allocator.h>

#include <limits.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/rcu/defer.h"

/* A hang ends the test, or the child, that long after it was started. */
enum { HANG = 400, CHILD_HANG = 60 };

/* More than places, than a table begins with, than it grows to once. */
enum { DOMAINS = 5 * IOASID_RCU_READERS + 20 };

static struct ioasid_rcu *domain[DOMAINS];

static void create_domains(const struct ioasid_rcu_config *config)
{
	for (int i = 0; i < DOMAINS; i++)
		CHECK(!ioasid_rcu_create(config, &domain[i]));
}

static void destroy_domains(void)
{
	for (int i = 0; i < DOMAINS; i++)
		CHECK(!ioasid_rcu_destroy(domain[i]));
}

static void enlist_all(void *arg)
{
	(void)arg;
	for (int i = 0; i < DOMAINS; i++)
		enlist(domain[i]);
}

/* Sections of all domains at once, each told from the others. */
static void read_all(void *arg)
{
	(void)arg;
	for (int i = 0; i < DOMAINS; i++) {
		CHECK(!ioasid_rcu_read_held(domain[i]));
		ioasid_rcu_read_lock(domain[i]);
		CHECK(ioasid_rcu_read_held(domain[i]));
	}
	for (int i = 0; i < DOMAINS; i++) {
		CHECK(ioasid_rcu_read_held(domain[i]));
		ioasid_rcu_read_unlock(domain[i]);
		CHECK(!ioasid_rcu_read_held(domain[i]));
	}
}

static void synchronize(void *rcu)
{
	CHECK(!ioasid_rcu_synchronize(rcu));
}

static size_t threads_of(struct ioasid_rcu *rcu)
{
	struct ioasid_domain_stats stats;

	ioasid_rcu_stats(rcu, &stats);
	return stats.threads;
}

static bool passed(struct ioasid_rcu *rcu)
{
	return ioasid_rcu_poll(rcu, ioasid_rcu_start_poll(rcu));
}

/* What one domain leaves behind in a thread is not another's. */
static void indices_are_used_again(struct fixture *fixture)
{
	struct ioasid_rcu_config config;
	struct actor reader;

	fixture_rcu_config(fixture, &config);
	create_domains(&config);
	actor_begin(&reader);
	actor_do(&reader, enlist_all, NULL);
	actor_do(&reader, read_all, NULL);
	for (int round = 0; round < 3; round++) {
		for (int i = round; i < DOMAINS; i += 3)
			assert_int_equal(ioasid_rcu_destroy(domain[i]), 0);
		for (int i = round; i < DOMAINS; i += 3) {
			assert_int_equal(ioasid_rcu_create(&config, &domain[i]),
					 0);
			assert_int_equal(threads_of(domain[i]), 0);
		}
		actor_do(&reader, read_all, NULL);
		for (int i = 0; i < DOMAINS; i++) {
			assert_int_equal(threads_of(domain[i]), 1);
			actor_do(&reader, lock, domain[i]);
			assert_false(passed(domain[i]));
			assert_true(passed(domain[(i + 1) % DOMAINS]));
			actor_do(&reader, unlock, domain[i]);
			assert_true(passed(domain[i]));
		}
	}
	actor_end(&reader);
	for (int i = 0; i < DOMAINS; i++)
		assert_int_equal(threads_of(domain[i]), 0);
	destroy_domains();
	assert_false(fixture->memory.damaged);
}

/* Memory hooks that can be held up, that fail, and that look IDs up. */
static struct {
	bool fail;
	ioasid_atomic_u32 hold, held;
	sem_t go;
	/* of which to read in the hooks, at most so deep in each other */
	struct ioasid_rcu *read;
	bool all;
	/* forks once, and the child ends with destroy_left() */
	bool fork;
	pid_t child;
	struct ioasid_rcu *left;
} hook;
static IOASID_TLS int depth, deepest;

/* The child's only thread has ended, and so does the child. */
static void destroy_left(void)
{
	CHECK(threads_of(hook.left) == 0);
	CHECK(!ioasid_rcu_synchronize(hook.left));
	CHECK(!ioasid_rcu_destroy(hook.left));
	_exit(0);
}

static void fork_in_hook(void)
{
	hook.fork = false;
	fflush(NULL);
	hook.child = fork();
	CHECK(hook.child >= 0);
	if (hook.child)
		return;
	alarm(CHILD_HANG);
	CHECK(!atexit(destroy_left));
}

static void in_hook(void)
{
	if (hook.fork)
		fork_in_hook();
	if (ioasid_load_acquire(&hook.hold)) {
		ioasid_store_release(&hook.held, 1);
		while (sem_wait(&hook.go))
			;
	}
	if (!hook.read)
		return;
	if (++depth > deepest)
		deepest = depth;
	CHECK(depth < 5);
	if (hook.all)
		read_all(NULL);
	ioasid_rcu_read_lock(hook.read);
	ioasid_rcu_read_lock(hook.read);
	CHECK(ioasid_rcu_read_held(hook.read));
	CHECK(!passed(hook.read));
	ioasid_rcu_read_unlock(hook.read);
	CHECK(!passed(hook.read));
	ioasid_rcu_read_unlock(hook.read);
	depth--;
}

static void *hook_alloc(void *context, size_t size)
{
	(void)context;
	in_hook();
	return hook.fail ? NULL : malloc(size);
}

static void hook_free(void *context, void *memory, size_t size)
{
	(void)context;
	(void)size;
	in_hook();
	free(memory);
}

static const struct ioasid_rcu_config hooked = {
	.memory = { .alloc = hook_alloc, .free = hook_free },
};

static void hold_hooks(void)
{
	CHECK(!sem_init(&hook.go, 0, 0));
	ioasid_store_release(&hook.held, 0);
	ioasid_store_release(&hook.hold, 1);
}

static void wait_for_hook(void)
{
	double end = test_now() + TOO_LONG;

	while (!ioasid_load_acquire(&hook.held)) {
		CHECK(test_now() < end);
		test_sleep(0.001);
	}
	ioasid_store_release(&hook.hold, 0);
}

static void leave(void *rcu)
{
	CHECK(!ioasid_rcu_thread_unregister(rcu));
}

/* All that others may do while a hook of a domain takes its time. */
static void others_go_on(struct ioasid_rcu *slow, struct actor *registered)
{
	struct actor newcomer;

	actor_start(registered, read_all, NULL);
	CHECK(actor_done(registered, TOO_LONG));
	actor_begin(&newcomer);
	actor_start(&newcomer, enlist, domain[0]);
	CHECK(actor_done(&newcomer, TOO_LONG));
	actor_start(&newcomer, synchronize, slow);
	CHECK(actor_done(&newcomer, TOO_LONG));
	actor_end(&newcomer);
}

/* No lock is held around memory hooks, and lookups take none. */
static void slow_hooks_hold_up_nobody(struct fixture *fixture)
{
	struct actor registered, slow;
	struct ioasid_rcu *rcu;

	(void)fixture;
	create_domains(NULL);
	assert_int_equal(ioasid_rcu_create(&hooked, &rcu), 0);
	actor_begin(&registered);
	actor_do(&registered, enlist_all, NULL);
	actor_begin(&slow);
	/* So that it takes memory. */
	actor_do(&slow, enlist_all, NULL);
	hold_hooks();
	actor_start(&slow, enlist, rcu);
	wait_for_hook();
	others_go_on(rcu, &registered);
	CHECK(!sem_post(&hook.go));
	assert_true(actor_done(&slow, TOO_LONG));
	hold_hooks();
	actor_start(&slow, leave, rcu);
	wait_for_hook();
	others_go_on(rcu, &registered);
	CHECK(!sem_post(&hook.go));
	assert_true(actor_done(&slow, TOO_LONG));
	/* The same at its exit. */
	actor_do(&slow, enlist, rcu);
	hold_hooks();
	CHECK(!sem_post(&hook.go));
	actor_end(&slow);
	wait_for_hook();
	actor_end(&registered);
	assert_int_equal(threads_of(rcu), 0);
	assert_int_equal(ioasid_rcu_destroy(rcu), 0);
	destroy_domains();
}

static void lock_and_unlock(void *rcu)
{
	lock(rcu);
	unlock(rcu);
}

static void hooks_may_read(struct fixture *fixture)
{
	struct ioasid_rcu *rcu;
	struct actor reader;

	(void)fixture;
	create_domains(NULL);
	assert_int_equal(ioasid_rcu_create(&hooked, &rcu), 0);
	actor_begin(&reader);
	actor_do(&reader, enlist_all, NULL);
	hook.read = rcu;
	hook.all = true;
	actor_do(&reader, lock_and_unlock, rcu);
	assert_int_equal(threads_of(rcu), 1);
	actor_do(&reader, leave, rcu);
	actor_do(&reader, lock_and_unlock, rcu);
	actor_end(&reader);
	hook.read = NULL;
	hook.all = false;
	assert_int_equal(threads_of(rcu), 0);
	assert_int_equal(ioasid_rcu_synchronize(rcu), 0);
	assert_int_equal(ioasid_rcu_destroy(rcu), 0);
	destroy_domains();
}

/* A handler finds the same in every moment of a registration. */
static void on_signal(int number)
{
	int before = errno;

	(void)number;
	read_all(NULL);
	errno = before;
}

static void register_in_signals(void *arg)
{
	enum { ROUNDS = TEST_LIGHT ? 300 : 3000 };
	struct ioasid_rcu **rcu = arg;

	for (int i = 0; i < ROUNDS; i++) {
		enlist(rcu[i % 8]);
		lock_and_unlock(rcu[i % 8]);
		leave(rcu[i % 8]);
	}
}

static void handlers_at_any_time(struct fixture *fixture)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct ioasid_rcu *rcu[8];
	struct actor busy, other;

	(void)fixture;
	/* libatomic's locks: one is waited for above its holder. */
	if (!__atomic_is_lock_free(sizeof(uint64_t), NULL))
		skip();
	create_domains(NULL);
	for (int i = 0; i < 8; i++)
		assert_int_equal(ioasid_rcu_create(NULL, &rcu[i]), 0);
	sigemptyset(&action.sa_mask);
	CHECK(!sigaction(SIGUSR1, &action, NULL));
	actor_begin(&busy);
	actor_begin(&other);
	actor_do(&busy, enlist_all, NULL);
	actor_start(&busy, register_in_signals, rcu);
	actor_start(&other, register_in_signals, rcu);
	while (!actor_done(&busy, 0)) {
		CHECK(!pthread_kill(busy.thread, SIGUSR1));
		test_sleep(0.0001);
	}
	actor_end(&busy);
	actor_end(&other);
	for (int i = 0; i < 8; i++)
		assert_int_equal(ioasid_rcu_destroy(rcu[i]), 0);
	destroy_domains();
}

/* --- sections without a record --- */

static struct ioasid_rcu *scarce;

static void scarce_begin(void)
{
	create_domains(NULL);
	CHECK(!ioasid_rcu_create(&hooked, &scarce));
	hook.fail = true;
}

static void scarce_end(void)
{
	hook.fail = false;
	CHECK(!ioasid_rcu_synchronize(scarce));
	CHECK(!ioasid_rcu_destroy(scarce));
	destroy_domains();
}

static void lock_scarce(void *arg)
{
	(void)arg;
	for (int i = 0; i < IOASID_RCU_READERS; i++)
		enlist(domain[i]);
	CHECK(ioasid_rcu_thread_register(scarce) == -ENOMEM);
	lock(scarce);
	CHECK(ioasid_rcu_read_held(scarce));
	CHECK(ioasid_rcu_thread_register(scarce) == -ENOMEM);
}

static void enlist_some(void *arg)
{
	(void)arg;
	for (int i = 0; i < IOASID_RCU_READERS; i++)
		CHECK(!ioasid_rcu_thread_register(domain[i]));
}

/* The first domains of a thread need no memory, whatever has gone before. */
static void places_are_given_back(struct fixture *fixture)
{
	struct actor reader;

	(void)fixture;
	for (int i = 0; i < IOASID_RCU_READERS; i++) {
		assert_int_equal(ioasid_rcu_create(&hooked, &domain[i]), 0);
		for (int gone = 1; gone < IOASID_RCU_READERS; gone++) {
			assert_int_equal(ioasid_rcu_create(NULL, &scarce), 0);
			assert_int_equal(ioasid_rcu_destroy(scarce), 0);
		}
	}
	hook.fail = true;
	actor_begin(&reader);
	actor_do(&reader, enlist_some, NULL);
	actor_end(&reader);
	hook.fail = false;
	for (int i = 0; i < IOASID_RCU_READERS; i++)
		assert_int_equal(ioasid_rcu_destroy(domain[i]), 0);
}

static void *exit_in_sections(void *arg)
{
	/* One that is registered, and one that is not. */
	lock(domain[0]);
	lock_scarce(NULL);
	lock(scarce);
	if (arg)
		pthread_exit(NULL);
	for (;;)
		pthread_testcancel();
	return NULL;
}

static void exit_ends_counted_sections(struct fixture *fixture)
{
	struct actor reader;
	pthread_t thread;

	(void)fixture;
	scarce_begin();
	actor_begin(&reader);
	for (long leaves = 0; leaves < 2; leaves++) {
		CHECK(!pthread_create(&thread, NULL, exit_in_sections,
				      (void *)(intptr_t)leaves));
		if (!leaves)
			CHECK(!pthread_cancel(thread));
		CHECK(!pthread_join(thread, NULL));
		assert_int_equal(ioasid_rcu_synchronize(scarce), 0);
		assert_int_equal(ioasid_rcu_synchronize(domain[0]), 0);
		/* Nor is another's ended with it. */
		actor_do(&reader, lock_scarce, NULL);
		assert_false(passed(scarce));
		CHECK(!pthread_create(&thread, NULL, exit_in_sections,
				      (void *)1L));
		CHECK(!pthread_join(thread, NULL));
		assert_false(passed(scarce));
		actor_do(&reader, unlock, scarce);
		assert_true(passed(scarce));
	}
	actor_end(&reader);
	scarce_end();
}

/* There is one at any time, but none is there all the time. */
static void counted_sections_in_turn(struct fixture *fixture)
{
	struct actor reader[2], writer;

	(void)fixture;
	scarce_begin();
	actor_begin(&reader[0]);
	actor_begin(&reader[1]);
	actor_begin(&writer);
	actor_do(&reader[0], lock_scarce, NULL);
	for (int i = 0; i < 4; i++) {
		actor_start(&writer, synchronize, scarce);
		assert_false(actor_done(&writer, A_WHILE));
		actor_do(&reader[(i + 1) % 2], lock_scarce, NULL);
		assert_false(actor_done(&writer, A_WHILE));
		actor_do(&reader[i % 2], unlock, scarce);
		assert_true(actor_done(&writer, TOO_LONG));
	}
	actor_do(&reader[0], unlock, scarce);
	assert_true(passed(scarce));
	for (int i = 0; i < 2; i++)
		actor_end(&reader[i]);
	actor_end(&writer);
	scarce_end();
}

static int status_of(void (*func)(void))
{
	pid_t child;
	int status;

	fflush(NULL);
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		alarm(CHILD_HANG);
		func();
		_exit(0);
	}
	while (waitpid(child, &status, 0) != child)
		CHECK(errno == EINTR);
	return status;
}

static ioasid_atomic_u32 let_go;

static void destroy_beside_hook(void *rcu)
{
	wait_for_hook();
	CHECK(!ioasid_rcu_destroy(rcu));
	CHECK(ioasid_load_acquire(&let_go));
}

static void let_go_later(void *arg)
{
	(void)arg;
	while (!ioasid_load_acquire(&hook.held))
		test_sleep(0.001);
	test_sleep(A_WHILE);
	ioasid_store_release(&let_go, 1);
	CHECK(!sem_post(&hook.go));
}

/* A domain goes after the memory that a thread's end gives back to it. */
static void destroyed_while_thread_ends(struct fixture *fixture)
{
	struct actor ending, destroyer, other;
	struct ioasid_rcu *rcu;

	(void)fixture;
	create_domains(NULL);
	assert_int_equal(ioasid_rcu_create(&hooked, &rcu), 0);
	actor_begin(&ending);
	actor_begin(&destroyer);
	actor_begin(&other);
	/* So that it takes memory. */
	actor_do(&ending, enlist_all, NULL);
	actor_do(&ending, enlist, rcu);
	hold_hooks();
	actor_start(&destroyer, destroy_beside_hook, rcu);
	actor_start(&other, let_go_later, NULL);
	actor_end(&ending);
	assert_true(actor_done(&destroyer, TOO_LONG));
	assert_true(actor_done(&other, TOO_LONG));
	actor_end(&destroyer);
	actor_end(&other);
	destroy_domains();
}

static void use_left_record(void)
{
	enlist_all(NULL);
	CHECK(!threads_of(hook.left));
	hook.fail = true;
	enlist(hook.left);
	hook.fail = false;
	CHECK(threads_of(hook.left) == 1);
	lock_and_unlock(hook.left);
	CHECK(!ioasid_rcu_destroy(hook.left));
}

/* The memory of threads that a child does not have serves those it has. */
static void records_are_left_to_child(struct fixture *fixture)
{
	struct actor other;

	(void)fixture;
	/* It has none of this after threads. */
	if (TEST_TSAN)
		skip();
	create_domains(NULL);
	assert_int_equal(ioasid_rcu_create(&hooked, &hook.left), 0);
	actor_begin(&other);
	actor_do(&other, enlist_all, NULL);
	actor_do(&other, enlist, hook.left);
	assert_int_equal(status_of(use_left_record), 0);
	actor_end(&other);
	assert_int_equal(ioasid_rcu_destroy(hook.left), 0);
	destroy_domains();
}

/* In the child, too, it is once that the thread gives its record back. */
static void exit_forks_in_hook(struct fixture *fixture)
{
	struct actor leaving;
	int status;

	(void)fixture;
	/* It has none of this after threads. */
	if (TEST_TSAN)
		skip();
	create_domains(NULL);
	assert_int_equal(ioasid_rcu_create(&hooked, &hook.left), 0);
	actor_begin(&leaving);
	/* So that it takes memory. */
	actor_do(&leaving, enlist_all, NULL);
	actor_do(&leaving, enlist, hook.left);
	hook.fork = true;
	actor_end(&leaving);
	assert_false(hook.fork);
	while (waitpid(hook.child, &status, 0) != hook.child)
		CHECK(errno == EINTR);
	assert_int_equal(status, 0);
	assert_int_equal(threads_of(hook.left), 0);
	assert_int_equal(ioasid_rcu_destroy(hook.left), 0);
	destroy_domains();
}

static void alone_in_child(void)
{
	CHECK(!ioasid_rcu_read_held(scarce));
	CHECK(!ioasid_rcu_synchronize(scarce));
	CHECK(!ioasid_rcu_destroy(scarce));
}

static void in_section_in_child(void)
{
	CHECK(ioasid_rcu_read_held(scarce));
	CHECK(ioasid_rcu_synchronize(scarce) == -EDEADLK);
	CHECK(!passed(scarce));
	ioasid_rcu_read_unlock(scarce);
	alone_in_child();
}

static void fork_among_counted_sections(struct fixture *fixture)
{
	struct actor reader[3];

	(void)fixture;
	/* It has none of this after threads. */
	if (TEST_TSAN)
		skip();
	scarce_begin();
	for (int i = 0; i < 3; i++) {
		actor_begin(&reader[i]);
		actor_do(&reader[i], lock_scarce, NULL);
		/* They go to either side. */
		assert_false(passed(scarce));
	}
	assert_int_equal(status_of(alone_in_child), 0);
	lock_scarce(NULL);
	assert_int_equal(status_of(in_section_in_child), 0);
	unlock(scarce);
	assert_false(passed(scarce));
	for (int i = 0; i < 3; i++) {
		actor_do(&reader[i], unlock, scarce);
		actor_end(&reader[i]);
	}
	assert_true(passed(scarce));
	for (int i = 0; i < IOASID_RCU_READERS; i++)
		assert_int_equal(ioasid_rcu_thread_unregister(domain[i]), 0);
	scarce_end();
}

/* --- fork in functions of the user's --- */

/* In handlers from before the library's: it holds its locks there. */
static struct {
	struct ioasid_rcu *rcu;
	int waited[2], all[2];
	bool polled[2];
	unsigned int calls;
	/* deferred in the one with that number, of two */
	struct ioasid_rcu *defers;
	struct ioasid_rcu_head *head;
	void (*func)(struct ioasid_rcu_head *head);
	unsigned int when;
} handler;

static void defer_in_handler(void)
{
	if (handler.calls++ == handler.when)
		CHECK(!ioasid_rcu_defer(handler.defers, handler.head,
					handler.func));
}

static void in_handler(void)
{
	unsigned int call = handler.calls;

	if (handler.defers)
		defer_in_handler();
	if (!handler.rcu)
		return;
	handler.waited[call] = ioasid_rcu_synchronize(handler.rcu);
	handler.all[call] = ioasid_rcu_barrier(handler.rcu);
	handler.polled[call] = passed(handler.rcu);
	lock_and_unlock(handler.rcu);
	handler.calls++;
}

static void handlers_were_told(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		CHECK(handler.waited[i] == -EDEADLK);
		CHECK(handler.all[i] == -EDEADLK);
		CHECK(!handler.polled[i]);
	}
	CHECK(handler.calls == 2);
	handler.rcu = NULL;
}

static void nothing(struct ioasid_rcu_head *head)
{
	(void)head;
}

static void alone_after_handlers(void)
{
	struct ioasid_rcu *rcu = handler.rcu;

	handlers_were_told();
	CHECK(!ioasid_rcu_synchronize(rcu));
	CHECK(!ioasid_rcu_destroy(rcu));
}

static void waits_in_handlers(struct fixture *fixture)
{
	struct ioasid_rcu_head head;
	struct ioasid_rcu *rcu;
	struct actor reader;

	(void)fixture;
	assert_int_equal(ioasid_rcu_create(NULL, &rcu), 0);
	reader_begin(&reader, rcu);
	assert_int_equal(ioasid_rcu_defer(rcu, &head, nothing), 0);
	handler.calls = 0;
	handler.rcu = rcu;
	assert_int_equal(status_of(alone_after_handlers), 0);
	handlers_were_told();
	actor_do(&reader, unlock, rcu);
	actor_end(&reader);
	assert_int_equal(ioasid_rcu_destroy(rcu), 0);
}

static pid_t forked;

static bool fork_in_poll(void *context, uint64_t cookie)
{
	if (forked < 0)
		forked = fork();
	return toy_rcu_ops.poll(context, cookie);
}

static void own_flavour_forks(struct fixture *fixture)
{
	struct ioasid_rcu_config config = { .flavour = IOASID_RCU_CUSTOM };
	struct ioasid_rcu_ops ops = toy_rcu_ops;
	struct ioasid_rcu *rcu;
	struct toy_rcu toy;
	int status;

	(void)fixture;
	toy_rcu_init(&toy);
	ops.poll = fork_in_poll;
	config.ops = &ops;
	config.ops_context = &toy;
	assert_int_equal(ioasid_rcu_create(&config, &rcu), 0);
	forked = -1;
	passed(rcu);
	CHECK(forked >= 0);
	passed(rcu);
	if (!forked)
		_exit(ioasid_rcu_pending(rcu) != 0);
	while (waitpid(forked, &status, 0) != forked)
		CHECK(errno == EINTR);
	assert_int_equal(status, 0);
	assert_int_equal(ioasid_rcu_destroy(rcu), 0);
	toy_rcu_destroy(&toy);
}

/* --- the end of a thread --- */

static pthread_key_t key;
static struct {
	struct fixture *fixture;
	/* the round of destructors in which to look, from 1 */
	long round;
	bool before;
	int found, check, registered, waited;
	bool held;
} late;

static void scribble(void)
{
	volatile char stack[4096];

	for (size_t i = 0; i < sizeof(stack); i++)
		stack[i] = 0x41;
}

static void late_destructor(void *value)
{
	long round = (long)(intptr_t)value;
	struct ioasid_rcu *rcu = late.fixture->rcu;
	void *data;

	if (round < late.round) {
		pthread_setspecific(key, (void *)(intptr_t)(round + 1));
		return;
	}
	scribble();
	late.held = ioasid_rcu_read_held(rcu);
	late.registered = ioasid_rcu_thread_register(rcu);
	late.check = ioasid_rcu_check_reader(rcu);
	late.found =
		ioasid_space_find(late.fixture->space, NULL, 1, NULL, &data);
	late.waited = ioasid_rcu_synchronize(rcu);
}

static void *live_and_die(void *arg)
{
	(void)arg;
	if (late.before)
		enlist(late.fixture->rcu);
	CHECK(!pthread_setspecific(key, (void *)1L));
	return NULL;
}

static void look_late(struct fixture *fixture, long round, bool before)
{
	pthread_t thread;

	late.fixture = fixture;
	late.round = round;
	late.before = before;
	CHECK(!pthread_create(&thread, NULL, live_and_die, NULL));
	CHECK(!pthread_join(thread, NULL));
	/* The next gets the same stack, and the same thread-local memory. */
	CHECK(!pthread_create(&thread, NULL, live_and_die, NULL));
	CHECK(!pthread_join(thread, NULL));
}

static void used_in_destructors(struct fixture *fixture)
{
	/* TSan forgets a thread before its last round. */
	const long last = PTHREAD_DESTRUCTOR_ITERATIONS - 2 * TEST_TSAN;
	struct ioasid_rcu *rcu = fixture->rcu;
	ioasid_t id;

	assert_int_equal(ioasid_space_alloc(fixture->space, NULL, 1, 1, fixture,
					    &id),
			 0);
	ioasid_rcu_thread_offline(rcu);
	assert_int_equal(pthread_key_create(&key, late_destructor), 0);
	for (long round = 1; round <= last; round++) {
		for (int before = 0; before < 2; before++) {
			look_late(fixture, round, before);
			/* Registered, or told that it is not. */
			assert_true(!late.registered ||
				    late.registered == -ENOMEM);
			if (fixture->flavour->qsbr_like)
				assert_int_equal(late.check,
						 late.registered ? -EPERM : 0);
			assert_int_equal(late.waited, 0);
			assert_int_equal(threads_of(rcu), 1);
			assert_int_equal(ioasid_rcu_synchronize(rcu), 0);
		}
	}
	pthread_key_delete(key);
	ioasid_rcu_thread_online(rcu);
	assert_int_equal(ioasid_space_free(fixture->space, 1), 0);
}

static ioasid_atomic_u32 inside;

static bool stay(void *data)
{
	(void)data;
	ioasid_store_release(&inside, 1);
	for (;;)
		pthread_testcancel();
	return true;
}

static void *be_cancelled_in_getter(void *arg)
{
	void *data;

	live_and_die(arg);
	ioasid_space_find(late.fixture->space, NULL, 1, stay, &data);
	return NULL;
}

/* What it was inside of is over, and was nothing on its stack. */
static void cancelled_in_getter(struct fixture *fixture)
{
	pthread_t thread;
	ioasid_t id;

	assert_int_equal(ioasid_space_alloc(fixture->space, NULL, 1, 1, fixture,
					    &id),
			 0);
	ioasid_rcu_thread_offline(fixture->rcu);
	assert_int_equal(pthread_key_create(&key, late_destructor), 0);
	late.fixture = fixture;
	late.before = true;
	for (late.round = 1; late.round <= 2; late.round++) {
		ioasid_store_release(&inside, 0);
		CHECK(!pthread_create(&thread, NULL, be_cancelled_in_getter,
				      NULL));
		while (!ioasid_load_acquire(&inside))
			test_sleep(0.001);
		CHECK(!pthread_cancel(thread));
		CHECK(!pthread_join(thread, NULL));
		/* In the first round its sections may not be over yet. */
		assert_int_equal(late.waited, late.held ? -EDEADLK : 0);
		assert_true(late.round == 1 || !late.held);
		assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
	}
	pthread_key_delete(key);
	ioasid_rcu_thread_online(fixture->rcu);
	assert_int_equal(ioasid_space_free(fixture->space, 1), 0);
}

/* --- deferred callbacks --- */

enum { MANY = 100 };

struct call {
	struct ioasid_rcu_head head;
	struct ioasid_rcu *rcu, *other;
	struct ioasid_space *space;
};

static struct call calls[MANY + 1];
static unsigned int called;

/* What a callback may do, it may do wherever it was deferred. */
static void on_call(struct ioasid_rcu_head *head)
{
	struct call *call = (struct call *)head;
	ioasid_t id;

	CHECK(!ioasid_rcu_read_held(call->rcu));
	CHECK(!ioasid_rcu_read_held(call->other));
	CHECK(!ioasid_rcu_synchronize(call->rcu));
	CHECK(!ioasid_rcu_synchronize(call->other));
	CHECK(!ioasid_space_alloc(call->space, NULL, 50, 90, NULL, &id));
	CHECK(!ioasid_space_free(call->space, id));
	called++;
}

static void defer_many(void)
{
	for (int i = 0; i < MANY; i++)
		CHECK(!ioasid_rcu_defer(calls[i].rcu, &calls[i].head, on_call));
	CHECK(!called);
	/* At the limit it says so. */
	CHECK(ioasid_rcu_defer(calls[MANY].rcu, &calls[MANY].head, on_call) ==
	      -EAGAIN);
	CHECK(ioasid_rcu_barrier(calls[0].rcu) == -EDEADLK);
	CHECK(!called);
}

static bool defer_in_getter(void *data)
{
	(void)data;
	defer_many();
	return true;
}

static int defer_in_walk(ioasid_t id, void *data, void *arg)
{
	(void)id;
	(void)data;
	(void)arg;
	defer_many();
	return 1;
}

static ioasid_t defer_in_alloc(ioasid_t min, ioasid_t max, void *data)
{
	(void)max;
	(void)data;
	if (min < 50)
		defer_many();
	return min;
}

static void no_free(ioasid_t id, void *data)
{
	(void)id;
	(void)data;
}

static void in_sections(struct ioasid_space *space)
{
	(void)space;
	ioasid_rcu_read_lock(calls[0].rcu);
	defer_many();
	ioasid_rcu_read_unlock(calls[0].rcu);
}

static void in_others_sections(struct ioasid_space *space)
{
	(void)space;
	ioasid_rcu_read_lock(calls[0].other);
	defer_many();
	ioasid_rcu_read_unlock(calls[0].other);
}

static void in_getter(struct ioasid_space *space)
{
	void *data;

	CHECK(!ioasid_space_find(space, NULL, 1, defer_in_getter, &data));
}

static void in_walk(struct ioasid_space *space)
{
	CHECK(ioasid_space_for_each(space, NULL, 0, 99, defer_in_walk, NULL) ==
	      1);
}

static void in_allocator(struct ioasid_space *space)
{
	static struct ioasid_allocator_ops ops = { .alloc = defer_in_alloc,
						   .free = no_free };
	ioasid_t id;

	CHECK(!ioasid_space_register_allocator(space, &ops));
	CHECK(!ioasid_space_alloc(space, NULL, 2, 9, NULL, &id));
	CHECK(!ioasid_space_free(space, id));
	CHECK(!ioasid_rcu_barrier(calls[0].rcu));
	CHECK(!ioasid_space_unregister_allocator(space, &ops,
						 IOASID_UNREGISTER_IDLE));
}

static void on_other(struct ioasid_rcu_head *head)
{
	(void)head;
	for (int i = 0; i < MANY; i++)
		CHECK(!ioasid_rcu_defer(calls[i].rcu, &calls[i].head, on_call));
	CHECK(!called);
	CHECK(ioasid_rcu_defer(calls[MANY].rcu, &calls[MANY].head, on_call) ==
	      -EAGAIN);
	CHECK(!called);
}

static void in_others_callback(struct ioasid_space *space)
{
	static struct ioasid_rcu_head head;

	(void)space;
	CHECK(!ioasid_rcu_defer(calls[0].other, &head, on_other));
	CHECK(!ioasid_rcu_barrier(calls[0].other));
}

static void callbacks_run_in_the_open(struct fixture *fixture)
{
	static void (*const places[])(struct ioasid_space *space) = {
		in_sections, in_others_sections, in_getter,
		in_walk,     in_allocator,	 in_others_callback,
	};
	static struct ioasid_rcu_head head;
	struct ioasid_space_config space_config = { .max = 99 };
	struct ioasid_rcu_config config = { .pending_limit = MANY };
	struct ioasid_space *space, *look_up;
	struct ioasid_rcu *rcu, *other;
	ioasid_t id;

	(void)fixture;
	assert_int_equal(ioasid_rcu_create(&config, &rcu), 0);
	assert_int_equal(ioasid_rcu_create(NULL, &other), 0);
	/* Domains of their own, and one of which a thread needs memory. */
	assert_int_equal(ioasid_space_create(&space_config, &space), 0);
	assert_int_equal(ioasid_space_create(&space_config, &look_up), 0);
	assert_int_equal(ioasid_space_alloc(look_up, NULL, 1, 1, &called, &id),
			 0);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		for (int j = 0; j <= MANY; j++)
			calls[j] = (struct call){ .rcu = rcu,
						  .other = other,
						  .space = space };
		called = 0;
		places[i](i == 4 ? space : look_up);
		if (i != 4) {
			assert_int_equal(called, 0);
			/* The next outside: it is at the limit, too. */
			assert_int_equal(ioasid_rcu_defer(rcu, &head, nothing),
					 0);
		}
		assert_int_equal(called, MANY);
		assert_int_equal(ioasid_rcu_barrier(rcu), 0);
	}
	/* With nothing pending a barrier has nothing to run. */
	ioasid_rcu_read_lock(other);
	assert_int_equal(ioasid_rcu_barrier(rcu), 0);
	ioasid_rcu_read_unlock(other);
	assert_int_equal(ioasid_space_free(look_up, 1), 0);
	assert_int_equal(ioasid_space_destroy(look_up), 0);
	assert_int_equal(ioasid_space_destroy(space), 0);
	assert_int_equal(ioasid_rcu_destroy(other), 0);
	assert_int_equal(ioasid_rcu_destroy(rcu), 0);
}

/* --- the reclaimer of a child --- */

static struct {
	struct ioasid_rcu_head head;
	ioasid_atomic_u32 called;
} reclaimed;

static void on_reclaimed(struct ioasid_rcu_head *head)
{
	(void)head;
	ioasid_store_release(&reclaimed.called, 1);
}

static void called_in_child(void)
{
	double end = test_now() + TOO_LONG;

	while (!ioasid_load_acquire(&reclaimed.called)) {
		CHECK(test_now() < end);
		test_sleep(0.001);
	}
}

static void polls_in_child(void)
{
	ioasid_rcu_poll(scarce, 0);
	called_in_child();
}

static void waits_in_child(void)
{
	CHECK(!ioasid_rcu_synchronize(scarce));
	called_in_child();
}

static void asks_in_child(void)
{
	CHECK(threads_of(scarce) <= 1);
	called_in_child();
}

static void only_reads_in_child(void)
{
	lock_and_unlock(scarce);
	test_sleep(A_WHILE);
	/* No thread behind the back of a child that does not ask. */
	CHECK(!ioasid_load_acquire(&reclaimed.called));
	CHECK(ioasid_rcu_pending(scarce) == 1);
}

static void child_finds_reclaimer(struct fixture *fixture)
{
	static void (*const children[])(void) = { polls_in_child,
						  waits_in_child, asks_in_child,
						  only_reads_in_child };
	struct ioasid_rcu_config config = { .reclaimer = true };
	struct actor reader;

	(void)fixture;
	/* It has none of this after threads. */
	if (TEST_TSAN || !TEST_CHILD_THREADS)
		skip();
	assert_int_equal(ioasid_rcu_create(&config, &scarce), 0);
	reader_begin(&reader, scarce);
	assert_int_equal(
		ioasid_rcu_defer(scarce, &reclaimed.head, on_reclaimed), 0);
	for (size_t i = 0; i < ARRAY_SIZE(children); i++)
		assert_int_equal(status_of(children[i]), 0);
	assert_int_equal(ioasid_load_acquire(&reclaimed.called), 0);
	actor_do(&reader, unlock, scarce);
	actor_end(&reader);
	called_in_child();
	assert_int_equal(ioasid_rcu_destroy(scarce), 0);
}

/* A flavour without readers, whose grace periods pass when they may. */
static ioasid_atomic_u32 idle_passes;

static void idle_nothing(void *context)
{
	(void)context;
}

static uint64_t idle_start_poll(void *context)
{
	(void)context;
	return 0;
}

static bool idle_poll(void *context, uint64_t cookie)
{
	(void)context;
	(void)cookie;
	return ioasid_load_acquire(&idle_passes);
}

static void idle_waits_in_child(void)
{
	ioasid_store_release(&idle_passes, 1);
	waits_in_child();
}

/* Also where the flavour's own function does the waiting. */
static void own_wait_finds_reclaimer(struct fixture *fixture)
{
	static const struct ioasid_rcu_ops ops = {
		.read_lock = idle_nothing,
		.read_unlock = idle_nothing,
		.start_poll = idle_start_poll,
		.poll = idle_poll,
		.synchronize = idle_nothing,
	};
	struct ioasid_rcu_config config = { .flavour = IOASID_RCU_CUSTOM,
					    .ops = &ops,
					    .reclaimer = true };

	(void)fixture;
	/* It has none of this after threads. */
	if (TEST_TSAN || !TEST_CHILD_THREADS)
		skip();
	ioasid_store_relaxed(&reclaimed.called, 0);
	ioasid_store_relaxed(&idle_passes, 0);
	assert_int_equal(ioasid_rcu_create(&config, &scarce), 0);
	assert_int_equal(
		ioasid_rcu_defer(scarce, &reclaimed.head, on_reclaimed), 0);
	assert_int_equal(status_of(idle_waits_in_child), 0);
	ioasid_store_release(&idle_passes, 1);
	called_in_child();
	assert_int_equal(ioasid_rcu_destroy(scarce), 0);
}

/* Inside of fork no thread can be started: that is done by a call after it. */
static void reclaimer_after_handlers(struct fixture *fixture)
{
	static void (*const children[])(
		void) = { polls_in_child, waits_in_child, asks_in_child };
	struct ioasid_rcu_config config = { .reclaimer = true };
	struct actor reader;

	(void)fixture;
	/* It has none of this after threads. */
	if (TEST_TSAN || !TEST_CHILD_THREADS)
		skip();
	for (size_t i = 0; i < 2 * ARRAY_SIZE(children); i++) {
		assert_int_equal(ioasid_rcu_create(&config, &scarce), 0);
		reader_begin(&reader, scarce);
		ioasid_store_relaxed(&reclaimed.called, 0);
		handler.head = &reclaimed.head;
		handler.func = on_reclaimed;
		handler.when = i % 2;
		handler.calls = 0;
		handler.defers = scarce;
		assert_int_equal(status_of(children[i / 2]), 0);
		handler.defers = NULL;
		assert_int_equal(handler.calls, 2);
		assert_int_equal(ioasid_rcu_pending(scarce), 1);
		actor_do(&reader, unlock, scarce);
		actor_end(&reader);
		/* The same calls help the parent. */
		children[i / 2]();
		assert_int_equal(ioasid_rcu_destroy(scarce), 0);
	}
}

/* What stores retire is freed by it as well. */
static void reclaimer_frees(struct fixture *fixture)
{
	struct ioasid_rcu_config config = { .reclaimer = true };
	struct ioasid_domain_stats stats;
	struct actor reader;

	(void)fixture;
	assert_int_equal(ioasid_rcu_create(&config, &scarce), 0);
	reader_begin(&reader, scarce);
	ioasid_store_relaxed(&reclaimed.called, 0);
	ioasid_rcu_retire(scarce, &reclaimed.head, on_reclaimed, 1);
	ioasid_rcu_reclaim(scarce);
	test_sleep(A_WHILE);
	ioasid_rcu_stats(scarce, &stats);
	assert_int_equal(stats.retired, 1);
	assert_int_equal(ioasid_load_acquire(&reclaimed.called), 0);
	if (TEST_FORKS && TEST_CHILD_THREADS)
		assert_int_equal(status_of(asks_in_child), 0);
	actor_do(&reader, unlock, scarce);
	called_in_child();
	actor_end(&reader);
	assert_int_equal(ioasid_rcu_destroy(scarce), 0);
}

/* --- callbacks and the run lock --- */

static struct {
	struct ioasid_rcu_head head, next;
	struct ioasid_rcu *other;
	ioasid_atomic_u32 runs, child;
	pthread_t thread;
	sem_t go;
} run;

static void end_in_child(struct ioasid_rcu_head *head)
{
	(void)head;
	_exit(!pthread_equal(run.thread, pthread_self()));
}

static void fork_in_callback(struct ioasid_rcu_head *head)
{
	pid_t child;

	(void)head;
	run.thread = pthread_self();
	fflush(NULL);
	child = fork();
	CHECK(child >= 0);
	if (child) {
		ioasid_store_release(&run.child, (uint32_t)child);
		return;
	}
	alarm(CHILD_HANG);
	CHECK(!ioasid_rcu_defer(scarce, &run.next, end_in_child));
}

/* The child has no thread but it, which goes on. */
static void reclaimer_forks(struct fixture *fixture)
{
	struct ioasid_rcu_config config = { .reclaimer = true };
	double end = test_now() + TOO_LONG;
	pid_t child;
	int status;

	(void)fixture;
	/* It has none of this after threads. */
	if (TEST_TSAN)
		skip();
	assert_int_equal(ioasid_rcu_create(&config, &scarce), 0);
	assert_int_equal(ioasid_rcu_defer(scarce, &run.head, fork_in_callback),
			 0);
	while (!(child = (pid_t)ioasid_load_acquire(&run.child))) {
		CHECK(test_now() < end);
		test_sleep(0.001);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(ioasid_rcu_destroy(scarce), 0);
}

static void hold_run(struct ioasid_rcu_head *head)
{
	(void)head;
	ioasid_store_release(&run.runs, 1);
	while (sem_wait(&run.go))
		;
}

static void run_barrier(void *rcu)
{
	CHECK(!ioasid_rcu_barrier(rcu));
}

/* Who runs them may wait for a section, which does not wait for it. */
static void section_beside_frees(struct fixture *fixture)
{
	struct ioasid_rcu *rcu, *other;
	double end = test_now() + TOO_LONG;
	struct actor runner;

	(void)fixture;
	assert_int_equal(ioasid_rcu_create(NULL, &rcu), 0);
	assert_int_equal(ioasid_rcu_create(NULL, &other), 0);
	CHECK(!sem_init(&run.go, 0, 0));
	ioasid_rcu_retire(rcu, &run.head, hold_run, 1);
	actor_begin(&runner);
	actor_start(&runner, run_barrier, rcu);
	while (!ioasid_load_acquire(&run.runs)) {
		CHECK(test_now() < end);
		test_sleep(0.001);
	}
	ioasid_rcu_read_lock(other);
	assert_int_equal(ioasid_rcu_barrier(rcu), -EDEADLK);
	CHECK(!sem_post(&run.go));
	assert_true(actor_done(&runner, TOO_LONG));
	assert_int_equal(ioasid_rcu_barrier(rcu), 0);
	ioasid_rcu_read_unlock(other);
	actor_end(&runner);
	assert_int_equal(ioasid_rcu_destroy(other), 0);
	assert_int_equal(ioasid_rcu_destroy(rcu), 0);
}

/* Its thread is left in a section, with one more to call. */
static void leave_section(struct ioasid_rcu_head *head)
{
	(void)head;
	ioasid_rcu_read_lock(run.other);
	CHECK(!ioasid_rcu_defer(scarce, &run.next, nothing));
}

static void destroy_twice(void *arg)
{
	(void)arg;
	CHECK(ioasid_rcu_destroy(scarce) == -EDEADLK);
	CHECK(ioasid_rcu_pending(scarce) == 1);
	ioasid_rcu_read_unlock(run.other);
	/* A domain as before. */
	CHECK(!ioasid_rcu_defer(scarce, &reclaimed.head, on_reclaimed));
	called_in_child();
	CHECK(!ioasid_rcu_pending(scarce));
	CHECK(!ioasid_rcu_destroy(scarce));
}

static void refused_destroy_undone(struct fixture *fixture)
{
	struct ioasid_rcu_config config = { .reclaimer = true };
	struct actor reader, destroyer;

	(void)fixture;
	assert_int_equal(ioasid_rcu_create(&config, &scarce), 0);
	assert_int_equal(ioasid_rcu_create(NULL, &run.other), 0);
	ioasid_store_relaxed(&reclaimed.called, 0);
	reader_begin(&reader, scarce);
	assert_int_equal(ioasid_rcu_defer(scarce, &run.head, leave_section), 0);
	/* While it waits, nobody else runs callbacks. */
	actor_begin(&destroyer);
	actor_start(&destroyer, destroy_twice, NULL);
	assert_false(actor_done(&destroyer, A_WHILE));
	actor_do(&reader, unlock, scarce);
	actor_end(&reader);
	assert_true(actor_done(&destroyer, TOO_LONG));
	actor_end(&destroyer);
	assert_int_equal(ioasid_rcu_destroy(run.other), 0);
}

int main(void)
{
	static const struct test_case cases[] = {
		CASE(indices_are_used_again, NO_SPACE),
		CASE(slow_hooks_hold_up_nobody, NO_SPACE),
		CASE(hooks_may_read, NO_SPACE),
		CASE(handlers_at_any_time, NO_SPACE),
		CASE(places_are_given_back, NO_SPACE | NO_RCU),
		CASE(exit_ends_counted_sections, NO_SPACE),
		CASE(counted_sections_in_turn, NO_SPACE),
		CASE(used_in_destructors, PER_FLAVOUR | THREADS | BUILT_IN),
		CASE(cancelled_in_getter, PER_FLAVOUR | THREADS | BUILT_IN),
		CASE(callbacks_run_in_the_open, NO_SPACE),
		CASE(exit_forks_in_hook, NO_SPACE),
		CASE(fork_among_counted_sections, NO_SPACE),
		CASE(waits_in_handlers, NO_SPACE),
		CASE(own_flavour_forks, NO_SPACE),
		CASE(child_finds_reclaimer, NO_SPACE),
		CASE(own_wait_finds_reclaimer, NO_SPACE),
		CASE(reclaimer_after_handlers, NO_SPACE),
		CASE(destroyed_while_thread_ends, NO_SPACE),
		CASE(records_are_left_to_child, NO_SPACE),
		CASE(reclaimer_frees, NO_SPACE),
		CASE(reclaimer_forks, NO_SPACE),
		CASE(section_beside_frees, NO_SPACE),
		CASE(refused_destroy_undone, NO_SPACE),
	};

	alarm(HANG);
	CHECK(!pthread_atfork(in_handler, in_handler, in_handler));
	return test_run("rcu_faults", cases, ARRAY_SIZE(cases));
}
