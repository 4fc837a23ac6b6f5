/* SPDX-License-Identifier: MIT */
#include "test/fixture.h"

#if TEST_POSIX
#include <sys/wait.h>
#include <unistd.h>
#endif

#include <ioasid/ioasid.h>

/*
 * There is one default space in a process, so there is a process for each way
 * to make it. Cases run in the order of their table.
 */
static DECLARE_IOASID_SET(a);
static DECLARE_IOASID_SET(b);

static int objects[8];

static struct ioasid_stats stats(void)
{
	struct ioasid_stats now;

	ioasid_space_stats(ioasid_default_space(), &now);
	return now;
}

static void expect_error(const void *found, int error)
{
	assert_true(ioasid_is_err(found));
	assert_int_equal(ioasid_ptr_err(found), error);
}

static void error_pointers(void **state)
{
	(void)state;
	assert_false(ioasid_is_err(NULL));
	assert_false(ioasid_is_err(objects));
	assert_false(ioasid_is_err((void *)(uintptr_t)-4096));
	assert_true(ioasid_is_err((void *)(uintptr_t)-4095));
	assert_true(ioasid_is_err((void *)UINTPTR_MAX));
	assert_int_equal(ioasid_ptr_err(ioasid_err_ptr(-ENOENT)), -ENOENT);
	assert_true(ioasid_is_err(ioasid_err_ptr(-EACCES)));
	assert_true(ioasid_is_err(ioasid_err_ptr(-IOASID_ERRNO_MAX)));
}

static void versions(void **state)
{
	char version[32];

	(void)state;
	snprintf(version, sizeof(version), "%d.%d.%d", IOASID_VERSION_MAJOR,
		 IOASID_VERSION_MINOR, IOASID_VERSION_PATCH);
	assert_string_equal(IOASID_VERSION, version);
	assert_string_equal(ioasid_version(), version);
}

static void find_before_use(void **state)
{
	(void)state;
	assert_null(ioasid_load_acquire(&ioasid_default));
	expect_error(ioasid_find(NULL, 0, NULL), -ENOENT);
	expect_error(ioasid_find(&a, INVALID_IOASID, NULL), -ENOENT);
	assert_int_equal(ioasid_get(0), -ENOENT);
	assert_int_equal(ioasid_get(INVALID_IOASID), -ENOENT);
	assert_false(ioasid_put(0));
	assert_null(ioasid_load_acquire(&ioasid_default));
}

static void made_on_first_use(void **state)
{
	struct ioasid_space *space;

	(void)state;
	/* Harmless, even as the very first call. */
	ioasid_free(12);
	space = ioasid_default_space();
	assert_non_null(space);
	assert_ptr_equal(space, ioasid_default_space());
	assert_ptr_equal(space, ioasid_load_acquire(&ioasid_default));
	assert_int_equal(space->store.kind, IOASID_STORE_RADIX);
	assert_int_equal(ioasid_space_rcu(space)->flavour, IOASID_RCU_EPOCH);
	assert_int_equal(stats().free_unknown, 1);
	assert_int_equal(ioasid_default_configure(NULL), -EBUSY);
}

static void alloc_lowest_of_range(void **state)
{
	static const struct {
		ioasid_t min, max, id;
	} calls[] = {
		{ 1, 3, 1 },
		{ 1, 3, 2 },
		{ 1, 3, 3 },
		{ 1, 3, INVALID_IOASID },
		{ 0, 3, 0 },
		{ 0, UINT32_MAX, 4 },
		{ 3, 3, INVALID_IOASID },
		{ 2, 1, INVALID_IOASID },
		{ UINT32_MAX, 0, INVALID_IOASID },
		{ UINT32_MAX - 1, UINT32_MAX - 1, UINT32_MAX - 1 },
		{ UINT32_MAX - 1, UINT32_MAX, INVALID_IOASID },
		{ UINT32_MAX, UINT32_MAX, INVALID_IOASID },
		{ 1u << 20, UINT32_MAX, 1u << 20 },
		{ 1u << 20, UINT32_MAX, (1u << 20) + 1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(calls); i++)
		assert_int_equal(ioasid_alloc(NULL, calls[i].min, calls[i].max,
					      &objects[1]),
				 calls[i].id);
	for (i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i].id != INVALID_IOASID)
			assert_ptr_equal(ioasid_find(NULL, calls[i].id, NULL),
					 &objects[1]);
	ioasid_free(2);
	expect_error(ioasid_find(NULL, 2, NULL), -ENOENT);
	assert_int_equal(ioasid_alloc(NULL, 0, UINT32_MAX, NULL), 2);
	for (i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i].id != INVALID_IOASID)
			ioasid_free(calls[i].id);
	assert_int_equal(stats().live, 0);
}

static void unknown_free(void **state)
{
	static const ioasid_t ids[] = { 0, 77, UINT32_MAX - 1, UINT32_MAX };
	uint64_t before = stats().free_unknown;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		ioasid_free(ids[i]);
		assert_int_equal(stats().free_unknown, before + i + 1);
	}
	assert_true(ioasid_space_validate(ioasid_default_space(), NULL));
}

static bool answer;
static void *seen;
static unsigned int calls_in_section;

static bool getter(void *data)
{
	struct ioasid_rcu *rcu = ioasid_space_rcu(ioasid_default_space());

	seen = data;
	if (ioasid_rcu_read_held(rcu) &&
	    ioasid_rcu_synchronize(rcu) == -EDEADLK)
		calls_in_section++;
	/* Any call that does not wait may be made. */
	ioasid_free(ioasid_alloc(&b, 500, 600, NULL));
	return answer;
}

static void find_and_getter(void **state)
{
	ioasid_t id = ioasid_alloc(&a, 10, 20, &objects[2]);
	ioasid_t empty = ioasid_alloc(&a, 10, 20, NULL);

	(void)state;
	assert_int_equal(id, 10);
	assert_ptr_equal(ioasid_find(&a, id, NULL), &objects[2]);
	assert_ptr_equal(ioasid_find(NULL, id, NULL), &objects[2]);
	assert_null(ioasid_find(&a, empty, NULL));
	answer = true;
	assert_ptr_equal(ioasid_find(&a, id, getter), &objects[2]);
	assert_ptr_equal(seen, &objects[2]);
	assert_int_equal(calls_in_section, 1);
	answer = false;
	assert_null(ioasid_find(NULL, id, getter));
	assert_int_equal(calls_in_section, 2);
	expect_error(ioasid_find(&b, id, getter), -EACCES);
	expect_error(ioasid_find(&a, 21, getter), -ENOENT);
	expect_error(ioasid_find(NULL, INVALID_IOASID, getter), -ENOENT);
	assert_int_equal(calls_in_section, 2);
	ioasid_free(id);
	ioasid_free(empty);
}

static void do_lock(void *rcu)
{
	ioasid_rcu_read_lock(rcu);
}

static void do_unlock(void *rcu)
{
	ioasid_rcu_read_unlock(rcu);
}

struct setting {
	ioasid_t id;
	int ret;
};

static void do_set(void *arg)
{
	struct setting *setting = arg;

	setting->ret = ioasid_set_data(setting->id, &objects[4]);
}

static void set_data(void **state)
{
	struct ioasid_rcu *rcu = ioasid_space_rcu(ioasid_default_space());
	ioasid_t id = ioasid_alloc(&a, 0, 9, &objects[3]);
	struct setting live = { id, 1 }, unknown = { id + 1, 1 };
	struct actor reader, writer;

	(void)state;
	if (!TEST_THREADS) {
		ioasid_free(id);
		skip();
	}
	ioasid_rcu_read_lock(rcu);
	assert_int_equal(ioasid_set_data(id, &objects[4]), -EDEADLK);
	ioasid_rcu_read_unlock(rcu);
	assert_ptr_equal(ioasid_find(&a, id, NULL), &objects[3]);
	actor_begin(&reader);
	actor_begin(&writer);
	actor_do(&reader, do_lock, rcu);
	/* Only success waits. */
	actor_do(&writer, do_set, &unknown);
	assert_int_equal(unknown.ret, -ENOENT);
	actor_start(&writer, do_set, &live);
	assert_false(actor_done(&writer, A_WHILE));
	actor_do(&reader, do_unlock, rcu);
	assert_true(actor_done(&writer, TOO_LONG));
	assert_int_equal(live.ret, 0);
	assert_ptr_equal(ioasid_find(&a, id, NULL), &objects[4]);
	actor_end(&writer);
	actor_end(&reader);
	ioasid_free(id);
	assert_int_equal(ioasid_set_data(id, NULL), -ENOENT);
	assert_int_equal(ioasid_set_data(INVALID_IOASID, NULL), -ENOENT);
}

/* Callers of Linux 5.11 to 5.18: the one who allocates puts as the others do. */
static void get_and_put(void **state)
{
	ioasid_t id = ioasid_alloc(&a, 10, 20, &objects[5]);
	uint64_t frees = stats().frees, unknown = stats().free_unknown;

	(void)state;
	assert_int_equal(id, 10);
	assert_int_equal(ioasid_get(id), 0);
	assert_int_equal(ioasid_get(id), 0);
	assert_false(ioasid_put(id));
	assert_false(ioasid_put(id));
	assert_ptr_equal(ioasid_find(&a, id, NULL), &objects[5]);
	/* The owner's last: nobody calls free. */
	assert_true(ioasid_put(id));
	expect_error(ioasid_find(&a, id, NULL), -ENOENT);
	assert_false(ioasid_put(id));
	assert_int_equal(ioasid_get(id), -ENOENT);
	/* In any order: whoever is last frees it. */
	assert_int_equal(ioasid_alloc(&a, 10, 20, &objects[5]), id);
	assert_int_equal(ioasid_get(id), 0);
	assert_false(ioasid_put(id));
	assert_ptr_equal(ioasid_find(NULL, id, NULL), &objects[5]);
	assert_int_equal(ioasid_alloc(&a, 10, 20, NULL), id + 1);
	assert_true(ioasid_put(id));
	assert_true(ioasid_put(id + 1));
	assert_int_equal(stats().frees, frees + 3);
	assert_int_equal(stats().free_unknown, unknown);
	assert_int_equal(stats().live, 0);
	assert_int_equal(ioasid_get(INVALID_IOASID), -ENOENT);
	assert_false(ioasid_put(INVALID_IOASID));
}

/* Those of before: free ends the life, whoever else holds the ID. */
static void free_with_references(void **state)
{
	ioasid_t id = ioasid_alloc(&a, 10, 20, &objects[6]);
	uint64_t unknown = stats().free_unknown;

	(void)state;
	assert_int_equal(id, 10);
	assert_int_equal(ioasid_get(id), 0);
	ioasid_free(id);
	expect_error(ioasid_find(NULL, id, NULL), -ENOENT);
	assert_int_equal(ioasid_get(id), -EBUSY);
	assert_int_equal(ioasid_set_data(id, NULL), -ENOENT);
	assert_int_equal(stats().pending, 1);
	/* Not handed out before the other is through. */
	assert_int_equal(ioasid_alloc(NULL, 10, 10, NULL), INVALID_IOASID);
	ioasid_free(id);
	assert_int_equal(stats().free_unknown, unknown + 1);
	assert_true(ioasid_put(id));
	assert_int_equal(ioasid_alloc(NULL, 10, 10, NULL), id);
	ioasid_free(id);
	assert_false(ioasid_put(id));
	assert_int_equal(stats().pending, 0);
	assert_int_equal(stats().live, 0);
}

static void too_many_references(void **state)
{
	ioasid_t id = ioasid_alloc(NULL, 10, 20, NULL);
	uint32_t n;

	(void)state;
	for (n = 1; n < IOASID_REFS_MAX; n++)
		assert_int_equal(ioasid_get(id), 0);
	assert_int_equal(ioasid_get(id), -EOVERFLOW);
	for (n = 1; n < IOASID_REFS_MAX; n++)
		assert_false(ioasid_put(id));
	assert_true(ioasid_put(id));
	assert_int_equal(stats().live, 0);
}

/* Sets of the default space may be made and limited beforehand. */
static void sets(void **state)
{
	const struct ioasid_set_config config = { "few", &objects[7], 2, 1 };
	static DECLARE_IOASID_SET(few);
	struct ioasid_set *found;

	(void)state;
	assert_int_equal(ioasid_set_bind(ioasid_default_space(), &few, &config),
			 0);
	assert_int_equal(ioasid_alloc(&few, 30, 40, NULL), 30);
	assert_int_equal(ioasid_alloc(&few, 30, 40, NULL), 31);
	assert_int_equal(ioasid_alloc(&few, 30, 40, NULL), INVALID_IOASID);
	assert_int_equal(ioasid_set_by_token(ioasid_default_space(),
					     &objects[7], &found),
			 0);
	assert_ptr_equal(found, &few);
	expect_error(ioasid_find(&a, 30, NULL), -EACCES);
	assert_int_equal(
		ioasid_set_free_all(ioasid_default_space(), &few, NULL), 0);
	assert_int_equal(ioasid_set_destroy(ioasid_default_space(), &few), 0);
	assert_true(ioasid_space_validate(ioasid_default_space(), NULL));
}

/* The other process: made as configured. */
static struct test_memory memory;

static void configure(void **state)
{
	struct ioasid_space_config config = {
		.min = 100,
		.max = 107,
		.store = IOASID_STORE_BITMAP,
		.memory = test_memory_hooks(&memory, false),
	};
	struct ioasid_space_config bad;

	(void)state;
	/* All defaults, to be changed again. */
	assert_int_equal(ioasid_default_configure(NULL), 0);
	assert_int_equal(ioasid_default_configure(&config), 0);
	bad = config;
	bad.min = 108;
	assert_int_equal(ioasid_default_configure(&bad), -EINVAL);
	bad = config;
	bad.memory.free = NULL;
	assert_int_equal(ioasid_default_configure(&bad), -EINVAL);
	bad = config;
	bad.min = 0;
	bad.max = UINT32_MAX;
	assert_int_equal(ioasid_default_configure(&bad), -E2BIG);
	bad = config;
	bad.name = "of more than thirty-one characters";
	assert_int_equal(ioasid_default_configure(&bad), -ENAMETOOLONG);
	bad = config;
	bad.reuse = (enum ioasid_reuse)7;
	assert_int_equal(ioasid_default_configure(&bad), -EINVAL);
	memory.fail_all = true;
	bad = config;
	bad.min = 106;
	assert_int_equal(ioasid_default_configure(&bad), -ENOMEM);
	assert_int_equal(memory.bytes, 0);
}

static void no_memory_at_first(void **state)
{
	(void)state;
	assert_true(memory.fail_all);
	assert_int_equal(ioasid_alloc(NULL, 0, UINT32_MAX, NULL),
			 INVALID_IOASID);
	assert_null(ioasid_default_space());
	assert_int_equal(ioasid_set_data(100, NULL), -ENOMEM);
	assert_int_equal(ioasid_get(100), -ENOENT);
	assert_false(ioasid_put(100));
	expect_error(ioasid_find(NULL, 100, NULL), -ENOENT);
	ioasid_free(100);
	memory.fail_all = false;
}

static void as_configured(void **state)
{
	struct ioasid_space_config late = { 0 };
	ioasid_t n;

	(void)state;
	for (n = 100; n <= 107; n++)
		assert_int_equal(ioasid_alloc(NULL, 0, UINT32_MAX, NULL), n);
	assert_int_equal(ioasid_alloc(NULL, 0, UINT32_MAX, NULL),
			 INVALID_IOASID);
	assert_int_equal(ioasid_default_space()->store.kind,
			 IOASID_STORE_BITMAP);
	assert_true(memory.bytes > 0);
	assert_int_equal(ioasid_default_configure(&late), -EBUSY);
	assert_int_equal(ioasid_default_configure(NULL), -EBUSY);
	late.min = 2;
	late.max = 1;
	assert_int_not_equal(ioasid_default_configure(&late), 0);
}

/* Many threads come first at once: one space. */
enum { FIRST = 8 };
static pthread_barrier_t together;

static void *first_use(void *arg)
{
	ioasid_t *id = arg;

	pthread_barrier_wait(&together);
	*id = ioasid_alloc(NULL, 0, FIRST - 1, arg);
	return NULL;
}

static void all_at_once(void **state)
{
	pthread_t thread[FIRST];
	ioasid_t id[FIRST];
	unsigned int seen_ids = 0, i;

	(void)state;
	if (!TEST_THREADS)
		skip();
	CHECK(!pthread_barrier_init(&together, NULL, FIRST));
	for (i = 0; i < FIRST; i++)
		CHECK(!pthread_create(&thread[i], NULL, first_use, &id[i]));
	for (i = 0; i < FIRST; i++)
		CHECK(!pthread_join(thread[i], NULL));
	for (i = 0; i < FIRST; i++) {
		assert_in_range(id[i], 0, FIRST - 1);
		seen_ids |= 1u << id[i];
		assert_ptr_equal(ioasid_find(NULL, id[i], NULL), &id[i]);
	}
	assert_int_equal(seen_ids, (1u << FIRST) - 1);
	pthread_barrier_destroy(&together);
}

/* A domain given by the user, with a callback of the user's. */
static struct ioasid_rcu *shared;
static struct ioasid_space_config on_shared = { .min = 40, .max = 49 };

struct allocating {
	struct ioasid_rcu_head head;
	ioasid_t id;
	int configured;
};

static struct allocating allocating = { .id = INVALID_IOASID, .configured = 1 };

static void on_allocating(struct ioasid_rcu_head *head)
{
	((struct allocating *)head)->id = ioasid_alloc(NULL, 0, 99, head);
}

static void do_configure(void *arg)
{
	((struct allocating *)arg)->configured =
		ioasid_default_configure(&on_shared);
}

static void configure_in_section(void **state)
{
	(void)state;
	assert_int_equal(ioasid_rcu_create(NULL, &shared), 0);
	on_shared.rcu = shared;
	ioasid_rcu_read_lock(shared);
	assert_int_equal(ioasid_default_configure(&on_shared), 0);
	ioasid_rcu_read_unlock(shared);
	/* Not in use until there is a space. */
	assert_int_equal(ioasid_rcu_destroy(shared), 0);
}

/* Configuring waits for nobody and calls nothing back. */
static void configure_with_callbacks(void **state)
{
	struct actor actor;

	(void)state;
	if (!TEST_THREADS)
		skip();
	assert_int_equal(ioasid_rcu_create(NULL, &shared), 0);
	on_shared.rcu = shared;
	assert_int_equal(
		ioasid_rcu_defer(shared, &allocating.head, on_allocating), 0);
	actor_begin(&actor);
	actor_do(&actor, do_configure, &allocating);
	actor_end(&actor);
	assert_int_equal(allocating.configured, 0);
	assert_int_equal(allocating.id, INVALID_IOASID);
	assert_null(ioasid_load_acquire(&ioasid_default));
	assert_int_equal(ioasid_rcu_pending(shared), 1);
	assert_int_equal(ioasid_rcu_barrier(shared), 0);
	assert_int_equal(allocating.id, 40);
	assert_ptr_equal(ioasid_space_rcu(ioasid_default_space()), shared);
	assert_ptr_equal(ioasid_find(NULL, 40, NULL), &allocating);
	assert_int_equal(ioasid_rcu_destroy(shared), -EBUSY);
}

static int run_default(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_pointers),
		cmocka_unit_test(versions),
		cmocka_unit_test(find_before_use),
		cmocka_unit_test(made_on_first_use),
		cmocka_unit_test(alloc_lowest_of_range),
		cmocka_unit_test(unknown_free),
		cmocka_unit_test(find_and_getter),
		cmocka_unit_test(set_data),
		cmocka_unit_test(get_and_put),
		cmocka_unit_test(free_with_references),
		cmocka_unit_test(too_many_references),
		cmocka_unit_test(sets),
	};

	return cmocka_run_group_tests_name("default", tests, NULL, NULL);
}

static int run_configured(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(configure),
		cmocka_unit_test(no_memory_at_first),
		cmocka_unit_test(as_configured),
	};

	test_memory_init(&memory);
	return cmocka_run_group_tests_name("configured", tests, NULL, NULL);
}

static int run_threads(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_at_once),
	};

	return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}

static int run_shared(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(configure_in_section),
		cmocka_unit_test(configure_with_callbacks),
	};

	return cmocka_run_group_tests_name("shared", tests, NULL, NULL);
}

static const struct {
	const char *name;
	int (*run)(void);
} parts[] = {
	{ "default", run_default },
	{ "configured", run_configured },
	{ "threads", run_threads },
	{ "shared", run_shared },
};

#if TEST_POSIX
static int in_process(int (*run)(void))
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child)
		exit(run() ? 1 : 0);
	if (child < 0 || waitpid(child, &status, 0) != child)
		return 1;
	return !WIFEXITED(status) || WEXITSTATUS(status);
}

static int run_all(void)
{
	int failed = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		failed |= in_process(parts[i].run);
	return failed;
}
#else
static int run_all(void)
{
	print_error("each part is to be run by itself\n");
	return 1;
}
#endif

/* All parts, each in a process of its own, or the one that is named. */
int main(int argc, char **argv)
{
	if (argc < 2)
		return run_all();
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (!strcmp(argv[1], parts[i].name))
			return parts[i].run();
	return 1;
}
