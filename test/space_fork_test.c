/* SPDX-License-Identifier: MIT */
/*
 * fork() in code of the user's that a space calls: wherever that is, and
 * whatever another thread is at, parent and child go on with a space that is
 * whole.
 */
#include "test/gate.h"

#include <sys/wait.h>
#include <unistd.h>

#include <ioasid/allocator.h>
#include <ioasid/notifier.h>
#include <ioasid/set.h>
#include <ioasid/snapshot.h>

/* Seconds after which a child has hung. */
enum { CHILD_HANG = 60 };

/* IDs of the busy thread are from there on. */
enum { BUSY = 500, LAST = 999, ROOM = 65536 };

static struct ioasid_space *space;

/* The next code of ours that is called forks. */
static bool armed;
static pid_t child;
static pthread_t forker;

static void maybe_fork(void)
{
	if (!armed || !pthread_equal(pthread_self(), forker))
		return;
	armed = false;
	fflush(NULL);
	child = fork();
	CHECK(child >= 0);
	if (!child)
		alarm(CHILD_HANG);
}

/* Hooks of the C library's own, which is whole in a child. */

static void *hook_alloc(void *context, size_t size)
{
	(void)context;
	maybe_fork();
	return malloc(size);
}

static void hook_free(void *context, void *memory, size_t size)
{
	(void)context;
	(void)size;
	maybe_fork();
	free(memory);
}

static ioasid_t give(struct ioasid_set *set, ioasid_t id)
{
	double end = test_now() + TOO_LONG;
	ioasid_t given = INVALID_IOASID;
	int ret;

	/* Where its generation turned that waits for readers. */
	while ((ret = ioasid_space_alloc(space, set, id, id, &space, &given)) ==
	       -EAGAIN) {
		CHECK(test_now() < end);
		ioasid_rcu_synchronize(ioasid_space_rcu(space));
	}
	CHECK(!ret && given == id);
	return id;
}

static int count_one(ioasid_t id, void *data, void *arg)
{
	(void)data;
	*(unsigned int *)arg += id < BUSY;
	return 0;
}

/* All that one does with a space, whoever one is. */
static void use(void)
{
	const char *reason = NULL;
	struct ioasid_set *set;
	unsigned int count = 0;
	ioasid_t id;
	void *data;

	if (!ioasid_space_validate(space, &reason))
		test_failed(__FILE__, __LINE__, reason);
	CHECK(!ioasid_set_create(space, NULL, &set));
	for (id = 300; id < 340; id++)
		give(set, id);
	CHECK(!ioasid_spid_attach(space, 301, 7));
	CHECK(!ioasid_space_get(space, set, 302));
	CHECK(!ioasid_space_find(space, set, 303, NULL, &data));
	CHECK(!ioasid_space_for_each(space, set, 0, BUSY - 1, count_one,
				     &count));
	CHECK(count == 40);
	CHECK(!ioasid_set_free_all(space, set, &count));
	CHECK(ioasid_space_put(space, 302) == 1);
	CHECK(!ioasid_set_destroy(space, set));
	CHECK(!ioasid_rcu_synchronize(ioasid_space_rcu(space)));
	if (!ioasid_space_validate(space, &reason))
		test_failed(__FILE__, __LINE__, reason);
}

/* The call in which it forked has returned, in both. */
static void part(void)
{
	int status;

	CHECK(!armed);
	use();
	if (!child) {
		CHECK(!ioasid_space_destroy(space));
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status));
}

static void on_notice(struct ioasid_notifier *notifier,
		      const struct ioasid_notice *notice)
{
	(void)notifier;
	(void)notice;
	maybe_fork();
}

static ioasid_atomic_u32 released;

static void on_release(struct ioasid_notifier *notifier)
{
	(void)notifier;
	ioasid_store_release(&released, 1);
}

static void in_notifiers(void)
{
	struct ioasid_notifier notifier = { .notify = on_notice,
					    .release = on_release };
	ioasid_t id;
	int ret;

	ioasid_store_relaxed(&released, 0);
	CHECK(!ioasid_space_register_notifier(space, NULL, &notifier));
	armed = true;
	id = give(NULL, 3);
	part();
	armed = true;
	CHECK(!ioasid_space_notify(space, id, IOASID_EVENT_BIND, NULL));
	part();
	armed = true;
	CHECK(!ioasid_space_free(space, id));
	part();
	CHECK(!ioasid_space_reserve_id(space, NULL, 3, 3, &id));
	armed = true;
	CHECK(!ioasid_space_publish_id(space, id, NULL));
	part();
	armed = true;
	CHECK(ioasid_space_put(space, id) == 1);
	part();
	/* The busy thread may be in it. */
	ret = ioasid_space_unregister_notifier(space, &notifier);
	CHECK(ret == 0 || ret == 1);
	wait_for(&released);
}

static ioasid_t give_lowest(ioasid_t min, ioasid_t max, void *data)
{
	(void)data;
	(void)max;
	maybe_fork();
	return min;
}

static void take_back(ioasid_t id, void *data)
{
	(void)id;
	(void)data;
	maybe_fork();
}

static void in_allocators(void)
{
	struct ioasid_allocator_ops ops = { .alloc = give_lowest,
					    .free = take_back };
	ioasid_t id;

	CHECK(!ioasid_space_register_allocator(space, &ops));
	armed = true;
	give(NULL, 3);
	part();
	armed = true;
	CHECK(!ioasid_space_free(space, 3));
	part();
	armed = true;
	CHECK(!ioasid_space_reserve_id(space, NULL, 4, 4, &id));
	part();
	armed = true;
	CHECK(!ioasid_space_release_id(space, 4));
	part();
	CHECK(!ioasid_space_unregister_allocator(space, &ops,
						 IOASID_UNREGISTER_IDLE));
}

static bool getter(void *data)
{
	(void)data;
	maybe_fork();
	return true;
}

static int visit(ioasid_t id, void *data, void *arg)
{
	(void)id;
	(void)data;
	(void)arg;
	maybe_fork();
	return 0;
}

static int visit_set(struct ioasid_set *set, void *arg)
{
	(void)set;
	(void)arg;
	maybe_fork();
	return 0;
}

static void print(const char *line, void *arg)
{
	unsigned int *lines = arg;

	(void)line;
	/* In the space, its sets, its IDs. */
	if (*lines)
		--*lines;
	else
		maybe_fork();
}

static void in_lookups(void)
{
	ioasid_handle_t handle;
	struct ioasid_set *set;
	unsigned int lines, skip;
	ioasid_t id;
	void *data;

	CHECK(!ioasid_set_create(space, NULL, &set));
	give(set, 3);
	CHECK(!ioasid_spid_attach(space, 3, 9));
	CHECK(!ioasid_space_handle(space, set, 3, &handle));
	armed = true;
	CHECK(!ioasid_space_find(space, set, 3, getter, &data));
	part();
	armed = true;
	CHECK(!ioasid_space_find_handle(space, set, handle, getter, &data));
	part();
	armed = true;
	CHECK(!ioasid_spid_find(space, set, 9, getter, &id, &data));
	part();
	armed = true;
	CHECK(!ioasid_space_for_each(space, NULL, 0, LAST, visit, NULL));
	part();
	armed = true;
	CHECK(!ioasid_set_for_each(space, visit_set, NULL));
	part();
	for (skip = 0; skip < 5; skip++) {
		lines = skip;
		armed = true;
		ioasid_space_dump(space, print, &lines);
		part();
	}
	CHECK(!ioasid_space_free(space, 3));
	CHECK(!ioasid_set_destroy(space, set));
}

static uint64_t encode(void *context, ioasid_t id, void *data)
{
	(void)context;
	(void)data;
	maybe_fork();
	return id;
}

static uint64_t encode_token(void *context, void *token)
{
	(void)context;
	maybe_fork();
	return (uintptr_t)token;
}

static int decode(void *context, ioasid_t id, uint64_t number, void **data)
{
	(void)context;
	(void)id;
	(void)number;
	maybe_fork();
	*data = &space;
	return 0;
}

static int decode_token(void *context, uint64_t number, void **token)
{
	(void)context;
	maybe_fork();
	*token = (void *)(uintptr_t)number;
	return 0;
}

static struct ioasid_set *restore_set(void *context,
				      const struct ioasid_set_info *info)
{
	(void)context;
	(void)info;
	maybe_fork();
	return NULL;
}

static void discard(void *context, ioasid_t id, void *data)
{
	(void)context;
	(void)id;
	(void)data;
	maybe_fork();
}

static struct ioasid_space *create(void)
{
	struct ioasid_space_config config = { .max = LAST };
	struct ioasid_space *made;

	config.memory.alloc = hook_alloc;
	config.memory.free = hook_free;
	CHECK(!ioasid_space_create(&config, &made));
	return made;
}

static void in_codecs(void)
{
	static unsigned char bytes[ROOM];
	const struct ioasid_set_config named = { .token = &space };
	struct ioasid_codec codec = { 0 };
	struct ioasid_space *from = space;
	struct ioasid_set *set;
	unsigned int i;
	size_t size;

	CHECK(!ioasid_set_create(space, &named, &set));
	give(set, 3);
	give(NULL, 4);
	for (i = 0; i < 2; i++) {
		codec.encode = i ? NULL : encode;
		codec.encode_token = i ? encode_token : NULL;
		armed = true;
		CHECK(!ioasid_space_snapshot(space, &codec, bytes, ROOM,
					     &size));
		part();
	}
	codec.encode = NULL;
	for (i = 0; i < 3; i++) {
		space = create();
		codec.decode = i == 0 ? decode : NULL;
		codec.decode_token = i == 1 ? decode_token : NULL;
		codec.restore_set = i == 2 ? restore_set : NULL;
		armed = true;
		CHECK(!ioasid_space_restore(space, &codec, bytes, size));
		part();
		CHECK(!ioasid_space_destroy(space));
	}
	space = from;
	CHECK(!ioasid_space_free(space, 3));
	CHECK(!ioasid_space_free(space, 4));
	CHECK(!ioasid_set_destroy(space, set));
}

/* Refuses the second, so that the first is discarded. */
static int decode_first(void *context, ioasid_t id, uint64_t number,
			void **data)
{
	unsigned int *most = context;

	(void)id;
	(void)number;
	*data = &space;
	return !(*most)-- ? -EPROTO : 0;
}

static void in_discard(void)
{
	static unsigned char bytes[ROOM];
	unsigned int most = 1;
	const struct ioasid_codec codec = { .decode = decode_first,
					    .discard = discard,
					    .context = &most };
	struct ioasid_space *from = space;
	size_t size;

	give(NULL, 3);
	give(NULL, 4);
	CHECK(!ioasid_space_snapshot(space, NULL, bytes, ROOM, &size));
	space = create();
	armed = true;
	CHECK(ioasid_space_restore(space, &codec, bytes, size) == -EPROTO);
	part();
	CHECK(!ioasid_space_destroy(space));
	space = from;
	CHECK(!ioasid_space_free(space, 3));
	CHECK(!ioasid_space_free(space, 4));
}

/* Wherever memory is taken, or given back, in the middle of an update. */
static void in_memory_hooks(void)
{
	unsigned int forks = 0;
	struct ioasid_set *set;
	ioasid_t id = 0;

	armed = true;
	CHECK(!ioasid_set_create(space, NULL, &set));
	part();
	for (id = 0; id < 60; id++) {
		armed = forks < 4;
		give(set, 5 * id);
		if (forks < 4 && !armed) {
			forks++;
			part();
		}
	}
	armed = true;
	CHECK(!ioasid_spid_attach(space, 0, 9));
	part();
	armed = true;
	CHECK(!ioasid_space_free(space, 0));
	part();
	for (id = 5; id < 300; id += 5)
		CHECK(!ioasid_space_free(space, id));
	CHECK(!ioasid_set_destroy(space, set));
	armed = true;
	ioasid_space_trim(space);
	CHECK(!ioasid_rcu_barrier(ioasid_space_rcu(space)));
	if (!armed)
		part();
	armed = false;
}

struct deferred {
	struct ioasid_rcu_head rcu;
	bool called;
};

static void on_deferred(struct ioasid_rcu_head *head)
{
	((struct deferred *)head)->called = true;
	maybe_fork();
}

static void in_deferred(void)
{
	struct deferred deferred = { .called = false };

	give(NULL, 3);
	armed = true;
	CHECK(!ioasid_space_free_deferred(space, 3, &deferred.rcu,
					  on_deferred));
	CHECK(!ioasid_rcu_barrier(ioasid_space_rcu(space)));
	CHECK(deferred.called);
	part();
}

/* Another thread, which is not there in the child, and is in the midst of it. */
static ioasid_atomic_u32 stop;

static void *keep_busy(void *arg)
{
	struct test_random random = { 1 };
	ioasid_t id;
	void *data;

	(void)arg;
	while (!ioasid_load_acquire(&stop)) {
		id = BUSY + test_below(&random, LAST - BUSY);
		give(NULL, id);
		CHECK(!ioasid_space_find(space, NULL, id, NULL, &data));
		CHECK(!ioasid_space_free(space, id));
	}
	return NULL;
}

static void everywhere(bool busy)
{
	static void (*const places[])(void) = {
		in_notifiers, in_allocators, in_lookups,      in_codecs,
		in_discard,   in_deferred,   in_memory_hooks,
	};
	pthread_t thread;

	forker = pthread_self();
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		/* Its IDs would be in the way of allocators and restores. */
		bool alone = !busy || places[i] == in_codecs ||
			     places[i] == in_discard ||
			     places[i] == in_allocators;

		space = create();
		ioasid_store_release(&stop, 0);
		if (!alone)
			CHECK(!pthread_create(&thread, NULL, keep_busy, NULL));
		places[i]();
		ioasid_store_release(&stop, 1);
		if (!alone)
			CHECK(!pthread_join(thread, NULL));
		CHECK(!ioasid_space_destroy(space));
	}
}

static void forks(struct fixture *fixture)
{
	(void)fixture;
	everywhere(false);
}

static void forks_beside_a_thread(struct fixture *fixture)
{
	(void)fixture;
	everywhere(true);
}

/*
 * What another space of the domain has retired is freed, by that one's hook,
 * in an update of one that has none.
 */
static void in_hooks_of_another(bool new_set)
{
	const struct ioasid_rcu_config config = { .retired_limit = 1 };
	enum { LEAVES = 20, APART = 6400 };
	struct ioasid_space_config with_hooks = {
		.memory = { .alloc = hook_alloc, .free = hook_free },
	};
	struct ioasid_space_config without = { .max = LAST };
	struct ioasid_domain_stats stats;
	struct ioasid_space *another;
	struct ioasid_set *set = NULL;
	ioasid_t i, id;

	CHECK(!ioasid_rcu_create(&config, &without.rcu));
	with_hooks.rcu = without.rcu;
	with_hooks.store = without.store = IOASID_STORE_RADIX;
	CHECK(!ioasid_space_create(&with_hooks, &another));
	CHECK(!ioasid_space_create(&without, &space));
	for (i = 0; i < LEAVES * APART; i += APART)
		CHECK(!ioasid_space_alloc(another, NULL, i, i, NULL, &id));
	for (i = 0; i < LEAVES * APART; i += APART)
		CHECK(!ioasid_space_free(another, i));
	ioasid_rcu_stats(without.rcu, &stats);
	CHECK(stats.retired > 0);
	armed = true;
	if (new_set)
		CHECK(!ioasid_set_create(space, NULL, &set));
	else
		give(NULL, 5);
	part();
	if (new_set)
		CHECK(!ioasid_set_destroy(space, set));
	else
		CHECK(!ioasid_space_free(space, 5));
	CHECK(!ioasid_space_destroy(space));
	CHECK(!ioasid_space_destroy(another));
	CHECK(!ioasid_rcu_destroy(without.rcu));
}

/* The one that forks would hang as well. */
static void forks_beside_a_space(struct fixture *fixture)
{
	int status;

	(void)fixture;
	forker = pthread_self();
	for (int new_set = 0; new_set < 2; new_set++) {
		pid_t alone;

		fflush(NULL);
		alone = fork();
		CHECK(alone >= 0);
		if (!alone) {
			alarm(CHILD_HANG);
			in_hooks_of_another(new_set);
			_exit(0);
		}
		CHECK(waitpid(alone, &status, 0) == alone);
		assert_int_equal(status, 0);
	}
}

int main(void)
{
	static const struct test_case cases[] = {
		CASE(forks, NO_SPACE | NO_RCU),
		CASE(forks_beside_a_thread, NO_SPACE | NO_RCU),
		CASE(forks_beside_a_space, NO_SPACE | NO_RCU),
	};

	return test_run("space_fork", cases, ARRAY_SIZE(cases));
}
