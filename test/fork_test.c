/* SPDX-License-Identifier: MIT */
/*
 * What the program does while the library holds a lock: fork(), in handlers of
 * pthread_atfork() and in hooks, and be cancelled in hooks. Each case runs in a
 * process of its own, in which the library has not been used yet.
 */
#ifdef __linux__
#define _GNU_SOURCE
#endif
#include "test/fixture.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ioasid/allocator.h>
#include <ioasid/ioasid.h>

#include "core/platform/lock.h"
#include "core/platform/memory.h"

#define THREADS 3
/* Long: only what hangs gets there. */
#define HANG_SECONDS 120

/* Of @child, or with -1 of the only one. */
static int status_of(pid_t child)
{
	int status;
	pid_t ended = waitpid(child, &status, 0);

	CHECK(ended > 0 && (ended == child || child == -1));
	return status;
}

/* Of func(), in a process of its own. */
static int run_alone(void (*func)(void))
{
	pid_t child = fork();

	if (!child) {
		alarm(HANG_SECONDS);
		func();
		_exit(0);
	}
	return status_of(child);
}

/* A process that is over at once. */
static void fork_both(void (*child_func)(void))
{
	pid_t child = fork();

	if (!child) {
		alarm(HANG_SECONDS);
		child_func();
		_exit(0);
	}
	CHECK(!status_of(child));
}

static void wait_for(const ioasid_atomic_u32 *word, uint32_t value)
{
	while (ioasid_load_acquire(word) < value)
		sched_yield();
}

/* Two locks, in their order, and one that fork does not take. */
static struct ioasid_lock first = IOASID_LOCK_INIT;
static struct ioasid_lock second = IOASID_LOCK_INIT;
static struct ioasid_lock other = IOASID_LOCK_INIT;

static bool is_free(struct ioasid_lock *lock)
{
	if (!ioasid_lock_try(lock))
		return false;
	ioasid_unlock(lock);
	return true;
}

static void locks_prepare(void)
{
	ioasid_lock_fork_prepare(&first);
	ioasid_lock_fork_prepare(&second);
}

static void locks_parent(void)
{
	ioasid_lock_fork_parent(&second);
	ioasid_lock_fork_parent(&first);
}

static void locks_child(void)
{
	ioasid_lock_fork_child(&second);
	ioasid_lock_fork_child(&first);
}

static void register_locks(void)
{
	static const struct ioasid_fork_hook hook = { locks_prepare,
						      locks_parent, locks_child,
						      NULL };

	CHECK(ioasid_at_fork(IOASID_FORK_RCU, &hook));
}

static void both_free(void)
{
	CHECK(!ioasid_forking());
	CHECK(is_free(&first));
	CHECK(is_free(&second));
}

/* Handlers of the program's, and which of them do what. */
static struct {
	void (*prepare)(void), (*parent)(void), (*child)(void);
	unsigned int calls;
} handlers;

static void handle(void (*func)(void))
{
	if (!func)
		return;
	handlers.calls++;
	func();
}

static void users_prepare(void)
{
	handle(handlers.prepare);
}

static void users_parent(void)
{
	handle(handlers.parent);
}

static void users_child(void)
{
	handle(handlers.child);
}

static void register_users(void)
{
	CHECK(!pthread_atfork(users_prepare, users_parent, users_child));
}

/* The three of them with @func, alone and together; forks each time. */
static void fork_with_handlers(void (*func)(void), void (*then)(void))
{
	for (unsigned int which = 1; which < 8; which++) {
		handlers.calls = 0;
		handlers.prepare = which & 1 ? func : NULL;
		handlers.parent = which & 2 ? func : NULL;
		handlers.child = which & 4 ? func : NULL;
		fork_both(then);
		/* Those of the child are its own. */
		CHECK(handlers.calls >= (which & 1) + (which >> 1 & 1));
		then();
	}
}

static void use_locks(void)
{
	struct ioasid_guard outer, inner;

	ioasid_lock(&first);
	ioasid_lock(&second);
	ioasid_unlock(&second);
	ioasid_unlock(&first);
	ioasid_guard_lock(&outer, &first);
	ioasid_guard_lock(&inner, &second);
	ioasid_guard_unlock(&inner);
	ioasid_guard_unlock(&outer);
	ioasid_lock(&other);
	CHECK(!is_free(&other));
	ioasid_unlock(&other);
	CHECK(is_free(&other));
}

static void locks_in_earlier_handlers(void)
{
	register_users();
	register_locks();
	fork_with_handlers(use_locks, both_free);
}

static void locks_in_later_handlers(void)
{
	register_locks();
	register_users();
	fork_with_handlers(use_locks, both_free);
}

/* A fork in a handler, which forks no more. */
static void fork_again(void)
{
	static bool inside;

	if (inside)
		return;
	inside = true;
	use_locks();
	fork_both(use_locks);
	use_locks();
	inside = false;
}

static void forks_in_handlers(void)
{
	register_users();
	register_locks();
	fork_with_handlers(fork_again, both_free);
}

static ioasid_atomic_u32 stage;

/* Has one of the locks until stage 2, and is there until stage 3. */
static void *holder(void *lock)
{
	ioasid_lock(lock);
	ioasid_store_release(&stage, 1);
	wait_for(&stage, 2);
	ioasid_unlock(lock);
	wait_for(&stage, 3);
	return NULL;
}

static void no_work(struct ioasid_worker *nobody)
{
	(void)nobody;
}

static void refused_while_held(void)
{
	struct ioasid_worker worker;

	CHECK(ioasid_forking());
	CHECK(!ioasid_lock_unless_forking(&other));
	/* Those fork has are the thread's. */
	CHECK(ioasid_lock_unless_forking(&first));
	ioasid_unlock(&first);
	CHECK(!is_free(&first));
	/* Nor is there a thread to be had. */
	ioasid_worker_init(&worker, no_work);
	CHECK(!ioasid_worker_wake(&worker));
	ioasid_worker_stop(&worker);
}

static void had_while_free(void)
{
	CHECK(ioasid_lock_unless_forking(&other));
	CHECK(!is_free(&other));
	ioasid_unlock(&other);
	CHECK(is_free(&other));
}

static void nobody_waits_in_fork(void)
{
	pthread_t thread;

	register_users();
	register_locks();
	CHECK(!pthread_create(&thread, NULL, holder, &other));
	wait_for(&stage, 1);
	fork_with_handlers(refused_while_held, both_free);
	ioasid_store_release(&stage, 3);
	CHECK(!pthread_join(thread, NULL));
	fork_with_handlers(had_while_free, both_free);
	CHECK(ioasid_lock_unless_forking(&other));
	CHECK(!is_free(&other));
	ioasid_unlock(&other);
}

static void fork_waits_for_locks(void)
{
	pthread_t thread;

	register_locks();
	CHECK(!pthread_create(&thread, NULL, holder, &second));
	wait_for(&stage, 1);
	/* The holder goes on meanwhile; the fork comes after it. */
	ioasid_store_release(&stage, 2);
	fork_both(both_free);
	ioasid_store_release(&stage, 3);
	CHECK(!pthread_join(thread, NULL));
	both_free();
}

static struct ioasid_guard *held_guard;

/* Handlers of the fork have the lock as well, by the same guard or others. */
static void use_guarded(void)
{
	use_locks();
	ioasid_guard_lock(held_guard, held_guard->lock);
	ioasid_guard_unlock(held_guard);
	use_locks();
}

static void guard_still_held(void)
{
	CHECK(!ioasid_forking());
	CHECK(is_free(held_guard->lock == &first ? &second : &first));
	CHECK(!is_free(held_guard->lock));
	ioasid_guard_unlock(held_guard);
	both_free();
}

static void forks_under_guard(void)
{
	struct ioasid_guard guard;

	register_users();
	register_locks();
	handlers.child = handlers.parent = handlers.prepare = use_guarded;
	for (unsigned int i = 0; i < 2; i++) {
		held_guard = &guard;
		ioasid_guard_lock(&guard, i ? &first : &second);
		fork_both(guard_still_held);
		guard_still_held();
	}
}

static void *fork_meanwhile(void *arg)
{
	(void)arg;
	fork_both(both_free);
	return NULL;
}

/*
 * One thread forks and waits for a lock that the other has by a guard; the
 * other forks too.
 */
static void two_fork_at_once(void)
{
	struct ioasid_guard guard;
	pthread_t thread;

	register_locks();
	for (unsigned int i = 0; i < 20; i++) {
		held_guard = &guard;
		ioasid_guard_lock(&guard, &second);
		CHECK(!pthread_create(&thread, NULL, fork_meanwhile, NULL));
		while (is_free(&first))
			sched_yield();
		fork_both(guard_still_held);
		CHECK(!is_free(&first));
		ioasid_guard_unlock(&guard);
		CHECK(!pthread_join(thread, NULL));
		both_free();
	}
}

static void no_check(void)
{
}

static ioasid_atomic_u32 inside_hook;

static void not_inside_hook(void)
{
	CHECK(!ioasid_load_relaxed(&inside_hook));
	both_free();
}

static void *fork_outside_hook(void *arg)
{
	(void)arg;
	fork_both(not_inside_hook);
	return NULL;
}

static void *brief_holder(void *lock)
{
	ioasid_lock(lock);
	ioasid_store_release(&stage, 1);
	wait_for(&stage, 2);
	for (unsigned int i = 0; i < 20; i++)
		sched_yield();
	ioasid_unlock(lock);
	wait_for(&stage, 3);
	return NULL;
}

/*
 * The one with the guard has to wait as well, for a third thread: the other
 * must not go on meanwhile, as the hook has not returned.
 */
static void fork_waits_for_hook(void)
{
	struct ioasid_guard guard;
	pthread_t thread[2];

	register_locks();
	for (unsigned int i = 0; i < 10; i++) {
		ioasid_store_release(&stage, 0);
		ioasid_guard_lock(&guard, &first);
		ioasid_store_relaxed(&inside_hook, 1);
		CHECK(!pthread_create(&thread[0], NULL, brief_holder, &second));
		wait_for(&stage, 1);
		CHECK(!pthread_create(&thread[1], NULL, fork_outside_hook,
				      NULL));
		ioasid_store_release(&stage, 2);
		fork_both(no_check);
		ioasid_store_relaxed(&inside_hook, 0);
		ioasid_guard_unlock(&guard);
		ioasid_store_release(&stage, 3);
		CHECK(!pthread_join(thread[0], NULL));
		CHECK(!pthread_join(thread[1], NULL));
		both_free();
	}
}

/* Between any two of its steps what the locks protect may be half changed. */
static void change_slowly(void)
{
	ioasid_store_release(&inside_hook, 1);
	ioasid_store_release(&stage, 1);
	for (unsigned int i = 0; i < 20; i++)
		sched_yield();
	ioasid_store_release(&inside_hook, 0);
}

static void not_changing(void)
{
	CHECK(!ioasid_load_relaxed(&inside_hook));
	CHECK(is_free(&first));
	CHECK(!is_free(&other));
}

static void *fork_once(void *arg)
{
	(void)arg;
	fork_both(no_check);
	wait_for(&stage, 3);
	return NULL;
}

/* A hook's fork waits for handlers of another fork, for all its guards. */
static void fork_waits_for_handlers(void)
{
	struct ioasid_guard guard;
	pthread_t thread;

	register_users();
	register_locks();
	for (unsigned int i = 0; i < 10; i++) {
		ioasid_store_relaxed(&stage, 0);
		handlers.prepare = change_slowly;
		CHECK(!pthread_create(&thread, NULL, fork_once, NULL));
		wait_for(&stage, 1);
		handlers.prepare = NULL;
		ioasid_guard_lock(&guard, &other);
		fork_both(not_changing);
		ioasid_guard_unlock(&guard);
		ioasid_store_release(&stage, 3);
		CHECK(!pthread_join(thread, NULL));
		both_free();
	}
}

/* Another is inside of a hook that forks, and has the other lock. */
static void *guard_and_fork(void *arg)
{
	struct ioasid_guard guard;

	(void)arg;
	ioasid_guard_lock(&guard, &first);
	ioasid_store_release(&stage, 1);
	wait_for(&stage, 2);
	if (!fork())
		_exit(0);
	ioasid_guard_unlock(&guard);
	/* Sanitizers want to see it end, and not in the middle of a fork. */
	wait_for(&stage, 3);
	return NULL;
}

static void two_fork_under_guards(void)
{
	struct ioasid_guard guard;
	pthread_t thread;
	pid_t child;

	register_locks();
	ioasid_guard_lock(&guard, &second);
	CHECK(!pthread_create(&thread, NULL, guard_and_fork, NULL));
	wait_for(&stage, 1);
	ioasid_store_release(&stage, 2);
	child = fork();
	if (!child)
		_exit(0);
	CHECK(!status_of(child));
	ioasid_guard_unlock(&guard);
	ioasid_store_release(&stage, 3);
	CHECK(!pthread_join(thread, NULL));
	CHECK(!status_of(-1));
	both_free();
}

/* Is cancelled in what the library calls, and so may not end there. */
static void cancel_here(void)
{
	pthread_cancel(pthread_self());
	pthread_testcancel();
}

static void *cancelled_under_guard(void *arg)
{
	struct ioasid_guard outer, inner;

	(void)arg;
	ioasid_guard_lock(&outer, &first);
	ioasid_guard_lock(&inner, &second);
	cancel_here();
	ioasid_guard_unlock(&inner);
	pthread_testcancel();
	ioasid_guard_unlock(&outer);
	ioasid_store_release(&stage, 1);
	pthread_testcancel();
	ioasid_store_release(&stage, 2);
	return NULL;
}

static void ends_after_guards(void)
{
	pthread_t thread;
	void *result;

	CHECK(!pthread_create(&thread, NULL, cancelled_under_guard, NULL));
	CHECK(!pthread_join(thread, &result));
	CHECK(result == PTHREAD_CANCELED);
	CHECK(ioasid_load_acquire(&stage) == 1);
	both_free();
}

static void *hook_alloc(void *context, size_t size)
{
	cancel_here();
	++*(unsigned int *)context;
	return malloc(size);
}

static void hook_free(void *context, void *memory, size_t size)
{
	(void)size;
	cancel_here();
	++*(unsigned int *)context;
	free(memory);
}

static void *hook_reserve(void *context, size_t size)
{
	cancel_here();
	++*(unsigned int *)context;
	return aligned_alloc(IOASID_CACHE_LINE, size);
}

static size_t hook_discard(void *context, void *memory, size_t size)
{
	(void)memory;
	cancel_here();
	++*(unsigned int *)context;
	return size;
}

static void *cancelled_in_hooks(void *arg)
{
	const struct ioasid_memory memory = {
		.alloc = hook_alloc,
		.free = hook_free,
		.reserve = hook_reserve,
		.release = hook_free,
		.discard = hook_discard,
		.context = arg,
	};
	const size_t large = (size_t)1 << 20;
	void *block = ioasid_memory_alloc(&memory, 10);

	ioasid_memory_free(&memory, block, 10);
	block = ioasid_memory_zeroed(&memory, 10);
	ioasid_memory_zeroed_free(&memory, block, 10);
	block = ioasid_memory_zeroed(&memory, large);
	CHECK(ioasid_memory_discard(&memory, large, block, 4096) == 4096);
	ioasid_memory_zeroed_free(&memory, block, large);
	pthread_testcancel();
	*(unsigned int *)arg = 0;
	return NULL;
}

static void ends_after_hooks(void)
{
	unsigned int calls = 0;
	pthread_t thread;
	void *result;

	CHECK(!pthread_create(&thread, NULL, cancelled_in_hooks, &calls));
	CHECK(!pthread_join(thread, &result));
	CHECK(result == PTHREAD_CANCELED);
	CHECK(calls == 7);
}

static struct ioasid_space *space;

static void *cancelled_in_space(void *arg)
{
	ioasid_t id;

	(void)arg;
	for (ioasid_t i = 0; i < 10000; i++)
		CHECK(!ioasid_space_alloc(space, NULL, i, i, NULL, &id));
	pthread_testcancel();
	return NULL;
}

static void space_of_cancelled_thread(void)
{
	unsigned int calls = 0;
	struct ioasid_space_config config = {
		.memory = { .alloc = hook_alloc,
			    .free = hook_free,
			    .context = &calls },
	};
	pthread_t thread;
	void *result;

	for (int store = IOASID_STORE_RADIX; store <= IOASID_STORE_HASH;
	     store++) {
		int before;

		config.store = (enum ioasid_store_kind)store;
		config.max = 1 << 16;
		/* This thread is cancelled too. */
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
		CHECK(!ioasid_space_create(&config, &space));
		CHECK(!pthread_create(&thread, NULL, cancelled_in_space, NULL));
		CHECK(!pthread_join(thread, &result));
		CHECK(result == PTHREAD_CANCELED ||
		      store == IOASID_STORE_BITMAP);
		CHECK(calls > 0);
		CHECK(ioasid_space_validate(space, NULL));
		CHECK(!ioasid_space_destroy(space));
	}
}

/* What a handler may call: updates, lookups, spaces of its own. */
static void use_library(void)
{
	struct ioasid_space_config config = { .max = 99 };
	struct ioasid_space *own;
	ioasid_t id;
	int dummy;

	id = ioasid_alloc(NULL, 1, 1000000, &dummy);
	CHECK(id != INVALID_IOASID);
	CHECK(ioasid_find(NULL, id, NULL) == &dummy);
	CHECK(!ioasid_get(id));
	CHECK(!ioasid_put(id));
	ioasid_free(id);
	CHECK(!ioasid_space_create(&config, &own));
	CHECK(!ioasid_space_alloc(own, NULL, 0, 9, NULL, &id));
	CHECK(!ioasid_space_free(own, id));
}

static void all_in_order(void)
{
	const char *reason = NULL;

	use_library();
	CHECK(!ioasid_forking());
	CHECK(ioasid_space_validate(ioasid_default_space(), &reason));
	CHECK(!ioasid_rcu_synchronize(
		ioasid_space_rcu(ioasid_default_space())));
	CHECK(!ioasid_rcu_barrier(ioasid_space_rcu(ioasid_default_space())));
}

static void library_in_earlier_handlers(void)
{
	register_users();
	use_library();
	fork_with_handlers(use_library, all_in_order);
}

static void library_in_later_handlers(void)
{
	use_library();
	register_users();
	fork_with_handlers(use_library, all_in_order);
}

/* The first use of all is in a handler. */
static void library_first_in_handlers(void)
{
	register_users();
	fork_with_handlers(use_library, all_in_order);
}

/* The default space is there only after the fork, its lock before. */
static void library_first_in_child(void)
{
	register_users();
	CHECK(!ioasid_default_configure(NULL));
	fork_both(all_in_order);
	handlers.child = use_library;
	fork_both(all_in_order);
	handlers.child = NULL;
	handlers.parent = use_library;
	fork_both(all_in_order);
	all_in_order();
}

/* The next that takes memory forks, and both go on from there. */
static bool armed;
static pid_t forked = -1;

static void *fork_in_alloc(void *context, size_t size)
{
	(void)context;
	if (armed) {
		armed = false;
		forked = fork();
		CHECK(forked >= 0);
		if (!forked)
			alarm(HANG_SECONDS);
	}
	return malloc(size);
}

static void plain_free(void *context, void *memory, size_t size)
{
	(void)context;
	(void)size;
	free(memory);
}

static void *late_alloc(void *context, size_t size)
{
	(void)context;
	test_sleep(A_WHILE);
	return malloc(size);
}

static void *configure_first(void *arg)
{
	const struct ioasid_space_config config = {
		.max = 99,
		.memory = { .alloc = late_alloc, .free = plain_free },
	};

	(void)arg;
	wait_for(&stage, 1);
	CHECK(!ioasid_default_configure(&config));
	return NULL;
}

static void let_other_begin(void)
{
	ioasid_store_release(&stage, 1);
	test_sleep(A_WHILE / 2);
}

static void begin_before_other(void)
{
	CHECK(!ioasid_default_configure(NULL));
	let_other_begin();
}

/*
 * The default space is first used by another thread when this one is about to
 * fork: the child is not to find it in the middle of that.
 */
static void first_beside_fork(void (*handler)(void))
{
	struct ioasid_rcu *rcu;
	pthread_t thread;

	register_users();
	/* Now the library has handlers, but none of the default space. */
	CHECK(!ioasid_rcu_create(NULL, &rcu));
	CHECK(!pthread_create(&thread, NULL, configure_first, NULL));
	handlers.prepare = handler;
	fork_both(all_in_order);
	CHECK(!pthread_join(thread, NULL));
	handlers.prepare = NULL;
	all_in_order();
	fork_both(all_in_order);
	CHECK(!ioasid_rcu_destroy(rcu));
}

static void library_first_beside_fork(void)
{
	first_beside_fork(let_other_begin);
}

/* It is used in this one's handler before that. */
static void library_first_in_fork_and_beside(void)
{
	first_beside_fork(begin_before_other);
}

static void nothing(void)
{
}

static void layer_prepare(void);
static const struct ioasid_fork_hook layer_hook = { layer_prepare, nothing,
						    nothing, NULL };
static pthread_t other_user;

static void *use_layer_beside(void *arg)
{
	(void)arg;
	CHECK(ioasid_at_fork(IOASID_FORK_DEFAULT, &layer_hook));
	ioasid_store_release(&stage, 1);
	return NULL;
}

/* Who sees the layer may take its locks, which this has yet to take. */
static void layer_prepare(void)
{
	static bool begun;

	if (begun)
		return;
	begun = true;
	CHECK(!pthread_create(&other_user, NULL, use_layer_beside, NULL));
	test_sleep(A_WHILE);
	CHECK(!ioasid_load_acquire(&stage));
}

static void use_layer(void)
{
	CHECK(ioasid_at_fork(IOASID_FORK_DEFAULT, &layer_hook));
}

static void use_layer_in_fork(void)
{
	if (ioasid_forking())
		use_layer();
}

static void layer_is_the_forks_first(void)
{
	static const struct ioasid_fork_hook hook = { nothing, nothing, nothing,
						      NULL };

	register_users();
	CHECK(ioasid_at_fork(IOASID_FORK_RCU, &hook));
	handlers.prepare = use_layer_in_fork;
	fork_both(use_layer);
	CHECK(!pthread_join(other_user, NULL));
	CHECK(ioasid_load_acquire(&stage));
}

/* The lock of who makes the default space is held around its hooks. */
static void default_space_in_hooks(void)
{
	const struct ioasid_space_config config = {
		.memory = { .alloc = fork_in_alloc, .free = plain_free },
	};

	CHECK(!ioasid_default_configure(&config));
	armed = true;
	CHECK(ioasid_default_space());
	CHECK(!armed);
	all_in_order();
	if (forked)
		CHECK(!status_of(forked));
}

static ioasid_atomic_u32 stop;

static void *alloc_and_free(void *arg)
{
	ioasid_t id;

	(void)arg;
	while (!ioasid_load_relaxed(&stop)) {
		id = ioasid_alloc(NULL, 1, 500, NULL);
		if (id != INVALID_IOASID)
			ioasid_free(id);
	}
	return NULL;
}

/* The others have one ID each at most, which is lost in the child. */
static void child_of_many(void)
{
	ioasid_t id;

	for (unsigned int i = 0; i < 100; i++) {
		id = ioasid_alloc(NULL, 1, 500, NULL);
		CHECK(id != INVALID_IOASID && id <= THREADS + 1);
		ioasid_free(id);
	}
	all_in_order();
}

static void forks_while_threads_alloc(void)
{
	pthread_t thread[THREADS];

	use_library();
	for (unsigned int i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&thread[i], NULL, alloc_and_free, NULL));
	for (unsigned int i = 0; i < 100; i++)
		fork_both(child_of_many);
	ioasid_store_relaxed(&stop, 1);
	for (unsigned int i = 0; i < THREADS; i++)
		CHECK(!pthread_join(thread[i], NULL));
	all_in_order();
}

/* The same, and the forks come from all threads. */
static void *alloc_and_fork(void *arg)
{
	(void)arg;
	for (unsigned int i = 0; i < 20; i++) {
		for (unsigned int j = 0; j < 50; j++)
			ioasid_free(ioasid_alloc(NULL, 1, 500, NULL));
		fork_both(child_of_many);
	}
	return NULL;
}

static void forks_from_all_threads(void)
{
	pthread_t thread[THREADS];

	use_library();
	for (unsigned int i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&thread[i], NULL, alloc_and_fork, NULL));
	for (unsigned int i = 0; i < THREADS; i++)
		CHECK(!pthread_join(thread[i], NULL));
	all_in_order();
}

/* Of whom an allocator asks all waits for one thread, which is in a callback. */
static struct {
	struct ioasid_allocator_ops ops;
	pthread_t thread;
	ioasid_atomic_u32 reached, open;
	unsigned int next, backs;
	/* for a handler to free */
	ioasid_t given[8];
	unsigned int freed;
} slow;

static ioasid_t slow_alloc(ioasid_t min, ioasid_t max, void *data)
{
	(void)max;
	(void)data;
	if (!pthread_equal(pthread_self(), slow.thread)) {
		ioasid_store_release(&slow.reached, 1);
		wait_for(&slow.open, 1);
	}
	return min + slow.next++;
}

static void slow_free(ioasid_t id, void *data)
{
	(void)id;
	(void)data;
	slow.backs++;
}

static void *alloc_slowly(void *arg)
{
	CHECK(!ioasid_space_alloc(space, NULL, 0, 99, NULL, arg));
	return NULL;
}

/* What may have to wait for fork is not waited for, but done by whoever is. */
static void use_allocator(void)
{
	unsigned int backs = slow.backs;
	ioasid_t id;

	CHECK(ioasid_space_alloc(space, NULL, 0, 99, NULL, &id) == -EDEADLK);
	CHECK(ioasid_space_unregister_allocator(
		      space, &slow.ops, IOASID_UNREGISTER_KEEP) == -EDEADLK);
	CHECK(!ioasid_space_free(space, slow.given[slow.freed++]));
	CHECK(slow.backs == backs);
}

/* In the child nobody is in the callback. */
static void allocator_in_order(void)
{
	ioasid_t id;

	CHECK(!ioasid_space_alloc(space, NULL, 0, 99, NULL, &id));
	CHECK(slow.backs == slow.freed);
	CHECK(!ioasid_space_free(space, id));
	CHECK(slow.backs == slow.freed + 1);
	CHECK(ioasid_space_validate(space, NULL));
}

/* The allocator's other thread is in a callback from there on. */
static pthread_t slow_begin(ioasid_t *id)
{
	struct ioasid_space_config config = { .max = 99 };
	pthread_t thread;

	register_users();
	CHECK(!ioasid_space_create(&config, &space));
	slow.ops = (struct ioasid_allocator_ops){ .alloc = slow_alloc,
						  .free = slow_free };
	slow.thread = pthread_self();
	CHECK(!ioasid_space_register_allocator(space, &slow.ops));
	for (unsigned int i = 0; i < ARRAY_SIZE(slow.given); i++)
		CHECK(!ioasid_space_alloc(space, NULL, 0, 99, NULL,
					  &slow.given[i]));
	CHECK(!pthread_create(&thread, NULL, alloc_slowly, id));
	wait_for(&slow.reached, 1);
	return thread;
}

static void allocators_in_handlers(void)
{
	pthread_t thread;
	ioasid_t id;
	int cancel;

	thread = slow_begin(&id);
	handlers.prepare = use_allocator;
	fork_both(allocator_in_order);
	handlers.prepare = NULL;
	handlers.parent = use_allocator;
	fork_both(allocator_in_order);
	handlers.parent = NULL;
	handlers.child = use_allocator;
	fork_both(allocator_in_order);
	handlers.child = NULL;
	CHECK(slow.freed == 2);
	ioasid_store_release(&slow.open, 1);
	CHECK(!pthread_join(thread, NULL));
	CHECK(slow.backs == 2);
	allocator_in_order();
	CHECK(!pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &cancel));
	CHECK(cancel == PTHREAD_CANCEL_ENABLE);
	CHECK(!ioasid_space_destroy(space));
}

static struct {
	struct ioasid_rcu_head rcu;
	bool gone;
} object;

static void on_gone(struct ioasid_rcu_head *head)
{
	(void)head;
	object.gone = true;
}

/* Who hands the ID back comes after readers are waited for. */
static void defer_at_allocator(void)
{
	object.gone = false;
	CHECK(!ioasid_space_free_deferred(space, slow.given[slow.freed++],
					  &object.rcu, on_gone));
}

static void gone_is_not_found(void)
{
	void *data;

	CHECK(slow.freed);
	CHECK(!ioasid_rcu_barrier(ioasid_space_rcu(space)));
	CHECK(object.gone);
	CHECK(ioasid_space_find(space, NULL, slow.given[slow.freed - 1], NULL,
				&data) == -ENOENT);
}

static void gone_in_child(void)
{
	gone_is_not_found();
	allocator_in_order();
}

static void deferred_in_handlers(void)
{
	pthread_t thread;
	ioasid_t id;

	thread = slow_begin(&id);
	handlers.prepare = defer_at_allocator;
	fork_both(gone_in_child);
	gone_is_not_found();
	handlers.prepare = NULL;
	handlers.parent = defer_at_allocator;
	fork_both(no_check);
	gone_is_not_found();
	handlers.parent = NULL;
	handlers.child = defer_at_allocator;
	fork_both(gone_in_child);
	handlers.child = NULL;
	CHECK(slow.freed == 2);
	ioasid_store_release(&slow.open, 1);
	CHECK(!pthread_join(thread, NULL));
	CHECK(slow.backs == 2);
	allocator_in_order();
	CHECK(!ioasid_space_destroy(space));
}

/*
 * musl runs the handlers of one fork at a time, under a lock: one that comes in a
 * handler loses its place among them, and one in a hook of a space waits for
 * ever if another thread's waits for the lock around that hook.
 */
#if defined(__linux__) && !defined(__GLIBC__)
#define FORKS_AT_ONCE false
#else
#define FORKS_AT_ONCE true
#endif

#define ALONE_IF(func, condition)                     \
	static void test_##func(void **state)         \
	{                                             \
		(void)state;                          \
		if (!(condition))                     \
			skip();                       \
		assert_int_equal(run_alone(func), 0); \
	}
#define ALONE(func) ALONE_IF(func, true)

ALONE(locks_in_earlier_handlers)
ALONE(locks_in_later_handlers)
ALONE_IF(forks_in_handlers, FORKS_AT_ONCE)
ALONE(nobody_waits_in_fork)
ALONE(fork_waits_for_locks)
ALONE(forks_under_guard)
ALONE_IF(two_fork_at_once, FORKS_AT_ONCE)
ALONE_IF(fork_waits_for_hook, FORKS_AT_ONCE)
ALONE(fork_waits_for_handlers)
ALONE_IF(two_fork_under_guards, FORKS_AT_ONCE)
ALONE(ends_after_guards)
ALONE(ends_after_hooks)
ALONE(space_of_cancelled_thread)
ALONE(library_in_earlier_handlers)
ALONE(library_in_later_handlers)
ALONE(library_first_in_handlers)
ALONE(library_first_in_child)
ALONE(library_first_beside_fork)
ALONE(library_first_in_fork_and_beside)
ALONE(layer_is_the_forks_first)
ALONE(default_space_in_hooks)
ALONE(allocators_in_handlers)
ALONE(deferred_in_handlers)
ALONE(forks_while_threads_alloc)
ALONE(forks_from_all_threads)

#define TEST(func) { #func, test_##func, NULL, NULL, NULL }

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(locks_in_earlier_handlers),
		TEST(locks_in_later_handlers),
		TEST(forks_in_handlers),
		TEST(nobody_waits_in_fork),
		TEST(fork_waits_for_locks),
		TEST(forks_under_guard),
		TEST(two_fork_at_once),
		TEST(fork_waits_for_hook),
		TEST(fork_waits_for_handlers),
		TEST(two_fork_under_guards),
		TEST(ends_after_guards),
		TEST(ends_after_hooks),
		TEST(space_of_cancelled_thread),
		TEST(library_in_earlier_handlers),
		TEST(library_in_later_handlers),
		TEST(library_first_in_handlers),
		TEST(library_first_in_child),
		TEST(library_first_beside_fork),
		TEST(library_first_in_fork_and_beside),
		TEST(layer_is_the_forks_first),
		TEST(default_space_in_hooks),
		TEST(allocators_in_handlers),
		TEST(deferred_in_handlers),
		TEST(forks_while_threads_alloc),
		TEST(forks_from_all_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
