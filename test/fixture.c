/* SPDX-License-Identifier: MIT */
#include "test/fixture.h"

#include <time.h>

/* liburcu is not instrumented: these would not see the order it keeps. */
#if defined(HAVE_LIBURCU) && !TEST_TSAN && !TEST_MSAN
#include <urcu/urcu-bp.h>

#include "adapters/urcu/ioasid_urcu.h"

#define URCU(flavour) .ops = &ioasid_urcu_##flavour##_ops
#define URCU_FORKS                                                           \
	.forks = true, .fork_prepare = bp_prepare, .fork_parent = bp_parent, \
	.fork_child = bp_child

static void bp_prepare(void)
{
	urcu_bp_call_rcu_before_fork();
	urcu_bp_before_fork();
}

static void bp_parent(void)
{
	urcu_bp_after_fork_parent();
	urcu_bp_call_rcu_after_fork_parent();
}

static void bp_child(void)
{
	urcu_bp_after_fork_child();
	urcu_bp_call_rcu_after_fork_child();
}
#else
#ifdef HAVE_LIBURCU
#define URCU(flavour) .left_out = "liburcu is not instrumented"
#else
#define URCU(flavour) .left_out = "built without liburcu"
#endif
#define URCU_FORKS .forks = true
#endif

void test_failed(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
	fflush(stderr);
	abort();
}

double test_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void test_sleep(double seconds)
{
	struct timespec time = { .tv_sec = (time_t)seconds };

	time.tv_nsec = (long)((seconds - (double)time.tv_sec) * 1e9);
	nanosleep(&time, NULL);
}

static void *actor_main(void *arg)
{
	struct actor *actor = arg;

	pthread_mutex_lock(&actor->mutex);
	while (!actor->end) {
		if (!actor->func) {
			pthread_cond_wait(&actor->changed, &actor->mutex);
			continue;
		}
		pthread_mutex_unlock(&actor->mutex);
		actor->func(actor->arg);
		pthread_mutex_lock(&actor->mutex);
		actor->func = NULL;
		pthread_cond_broadcast(&actor->changed);
	}
	pthread_mutex_unlock(&actor->mutex);
	return NULL;
}

void actor_begin(struct actor *actor)
{
	memset(actor, 0, sizeof(*actor));
	CHECK(!pthread_mutex_init(&actor->mutex, NULL));
	CHECK(!pthread_cond_init(&actor->changed, NULL));
	CHECK(!pthread_create(&actor->thread, NULL, actor_main, actor));
}

void actor_start(struct actor *actor, void (*func)(void *arg), void *arg)
{
	pthread_mutex_lock(&actor->mutex);
	CHECK(!actor->func);
	actor->func = func;
	actor->arg = arg;
	pthread_cond_broadcast(&actor->changed);
	pthread_mutex_unlock(&actor->mutex);
}

bool actor_done(struct actor *actor, double seconds)
{
	double end = test_now() + seconds;
	bool done;

	for (;;) {
		pthread_mutex_lock(&actor->mutex);
		done = !actor->func;
		pthread_mutex_unlock(&actor->mutex);
		if (done || test_now() > end)
			return done;
		test_sleep(0.0005);
	}
}

void actor_do(struct actor *actor, void (*func)(void *arg), void *arg)
{
	actor_start(actor, func, arg);
	CHECK(actor_done(actor, TOO_LONG));
}

void actor_end(struct actor *actor)
{
	CHECK(actor_done(actor, TOO_LONG));
	pthread_mutex_lock(&actor->mutex);
	actor->end = true;
	pthread_cond_broadcast(&actor->changed);
	pthread_mutex_unlock(&actor->mutex);
	CHECK(!pthread_join(actor->thread, NULL));
	pthread_mutex_destroy(&actor->mutex);
	pthread_cond_destroy(&actor->changed);
}

/* Before each block; keeps what follows aligned to a cache line. */
union test_header {
	struct {
		size_t size;
		const char *kind;
		/* what holds it */
		char *block;
	} of;
	char line[TEST_MEMORY_HEADER];
};

static const char test_alloc_kind[] = "alloc";
static const char test_reserve_kind[] = "reserve";

static void *test_take(struct test_memory *memory, size_t size,
		       const char *kind)
{
	union test_header *header;
	char *block;
	bool fail;

	pthread_mutex_lock(&memory->mutex);
	fail = ++memory->calls == memory->fail_at || memory->fail_all;
	memory->failed += fail;
	if (!fail)
		memory->bytes += size;
	pthread_mutex_unlock(&memory->mutex);
	if (fail)
		return NULL;
	block = malloc(sizeof(*header) + size + IOASID_CACHE_LINE);
	CHECK(block);
	header =
		(void *)(block + (-(uintptr_t)block & (IOASID_CACHE_LINE - 1)));
	header->of.block = block;
	header->of.size = size;
	header->of.kind = kind;
	return header + 1;
}

static void test_give(struct test_memory *memory, void *block, size_t size,
		      const char *kind)
{
	union test_header *header = (union test_header *)block - 1;

	pthread_mutex_lock(&memory->mutex);
	if (header->of.size != size || header->of.kind != kind)
		memory->damaged = true;
	size = header->of.size;
	memory->bytes -= size;
	pthread_mutex_unlock(&memory->mutex);
	block = header->of.block;
	memset(header, 0xdd, sizeof(*header) + size);
	free(block);
}

static void *hook_alloc(void *context, size_t size)
{
	void *block = test_take(context, size, test_alloc_kind);

	/* MSan knows by itself that this is undefined. */
	if (block && !TEST_MSAN)
		memset(block, 0xa5, size);
	return block;
}

static void hook_free(void *context, void *block, size_t size)
{
	test_give(context, block, size, test_alloc_kind);
}

static void *hook_reserve(void *context, size_t size)
{
	void *block = test_take(context, size, test_reserve_kind);

	return block ? memset(block, 0, size) : NULL;
}

static void hook_release(void *context, void *block, size_t size)
{
	test_give(context, block, size, test_reserve_kind);
}

void test_memory_init(struct test_memory *memory)
{
	memset(memory, 0, sizeof(*memory));
	CHECK(!pthread_mutex_init(&memory->mutex, NULL));
}

struct ioasid_memory test_memory_hooks(struct test_memory *memory, bool reserve)
{
	return (struct ioasid_memory){
		.alloc = hook_alloc,
		.free = hook_free,
		.reserve = reserve ? hook_reserve : NULL,
		.release = reserve ? hook_release : NULL,
		.context = memory,
	};
}

void test_memory_done(struct test_memory *memory)
{
	assert_int_equal(memory->bytes, 0);
	assert_false(memory->damaged);
	pthread_mutex_destroy(&memory->mutex);
}

/* What the build leaves out by <ioasid/config.h>. */
#ifdef IOASID_NO_RADIX
#define NO_RADIX "IOASID_NO_RADIX"
#else
#define NO_RADIX NULL
#endif
#ifdef IOASID_NO_BITMAP
#define NO_BITMAP "IOASID_NO_BITMAP"
#else
#define NO_BITMAP NULL
#endif
#ifdef IOASID_NO_HASH
#define NO_HASH "IOASID_NO_HASH"
#else
#define NO_HASH NULL
#endif
#ifdef IOASID_NO_CUSTOM_STORE
#define NO_CUSTOM_STORE "IOASID_NO_CUSTOM_STORE"
#else
#define NO_CUSTOM_STORE NULL
#endif
#ifdef IOASID_ONLY_NONE
#define ONLY_NONE "IOASID_ONLY_NONE"
#else
#define ONLY_NONE NULL
#endif

const struct test_store test_stores[TEST_STORES] = {
	{ "radix", IOASID_STORE_RADIX, NULL, UINT32_MAX, NO_RADIX },
	{ "bitmap", IOASID_STORE_BITMAP, NULL, IOASID_BITMAP_IDS_MAX,
	  NO_BITMAP },
	{ "hash", IOASID_STORE_HASH, NULL, UINT32_MAX, NO_HASH },
	{ "array", IOASID_STORE_CUSTOM, &array_store_ops, UINT32_MAX,
	  NO_CUSTOM_STORE },
};

static void custom_lock(void *context)
{
	struct test_custom *custom = context;

	ioasid_fetch_add_acq_rel(&custom->calls, 1);
	ioasid_rcu_read_lock(custom->inner);
}

static void custom_unlock(void *context)
{
	struct test_custom *custom = context;

	ioasid_rcu_read_unlock(custom->inner);
}

static void custom_synchronize(void *context)
{
	struct test_custom *custom = context;

	CHECK(!ioasid_rcu_synchronize(custom->inner));
}

static bool custom_held(void *context)
{
	struct test_custom *custom = context;

	return ioasid_rcu_read_held(custom->inner);
}

static uint64_t custom_start_poll(void *context)
{
	struct test_custom *custom = context;

	return ioasid_rcu_start_poll(custom->inner);
}

static bool custom_poll(void *context, uint64_t cookie)
{
	struct test_custom *custom = context;

	return ioasid_rcu_poll(custom->inner, cookie);
}

static int custom_register(void *context)
{
	struct test_custom *custom = context;

	if (custom->register_error)
		return custom->register_error;
	return ioasid_rcu_thread_register(custom->inner);
}

static int custom_unregister(void *context)
{
	struct test_custom *custom = context;

	return ioasid_rcu_thread_unregister(custom->inner);
}

static void custom_count(void *context)
{
	struct test_custom *custom = context;

	ioasid_fetch_add_acq_rel(&custom->calls, 1);
}

static const struct ioasid_rcu_ops custom_full = {
	.read_lock = custom_lock,
	.read_unlock = custom_unlock,
	.synchronize = custom_synchronize,
	.read_held = custom_held,
	.start_poll = custom_start_poll,
	.poll = custom_poll,
	.thread_register = custom_register,
	.thread_unregister = custom_unregister,
	.quiescent = custom_count,
	.thread_offline = custom_count,
	.thread_online = custom_count,
};

/* What is required, and read_held: the library waits by polling. */
static struct ioasid_rcu_ops toy_ops;

const struct test_flavour test_flavours[TEST_FLAVOURS] = {
	[FLAVOUR_EPOCH] = {
		.name = "epoch",
		.flavour = IOASID_RCU_EPOCH,
		.threads = TEST_THREADS,
		.forks = true,
		.signals = true,
		.left_out = ONLY_NONE,
	},
	[FLAVOUR_FENCE] = {
		.name = "fence",
		.flavour = IOASID_RCU_EPOCH,
		.no_membarrier = true,
		.threads = TEST_THREADS,
		.forks = true,
		.signals = true,
		.left_out = ONLY_NONE,
	},
	[FLAVOUR_QSBR] = {
		.name = "qsbr",
		.flavour = IOASID_RCU_QSBR,
		.threads = TEST_THREADS,
		.qsbr_like = true,
		.forks = true,
		.signals = true,
		.left_out = ONLY_NONE,
	},
	[FLAVOUR_NONE] = {
		.name = "none",
		.flavour = IOASID_RCU_NONE,
		.forks = true,
		.signals = true,
	},
	[FLAVOUR_CUSTOM] = {
		.name = "custom",
		.flavour = IOASID_RCU_CUSTOM,
		.ops = &custom_full,
		.threads = TEST_THREADS,
		.forks = true,
		.signals = true,
		.left_out = ONLY_NONE,
	},
	[FLAVOUR_TOY] = {
		.name = "toy",
		.flavour = IOASID_RCU_CUSTOM,
		.ops = &toy_ops,
		.threads = TEST_THREADS,
		.left_out = ONLY_NONE,
	},
	[FLAVOUR_URCU_MEMB] = {
		.name = "urcu-memb",
		.flavour = IOASID_RCU_CUSTOM,
		URCU(memb),
		.threads = TEST_THREADS,
		.process_wide = true,
		.signals = true,
	},
	[FLAVOUR_URCU_QSBR] = {
		.name = "urcu-qsbr",
		.flavour = IOASID_RCU_CUSTOM,
		URCU(qsbr),
		.threads = TEST_THREADS,
		.qsbr_like = true,
		.process_wide = true,
		.signals = true,
	},
	[FLAVOUR_URCU_BP] = {
		.name = "urcu-bp",
		.flavour = IOASID_RCU_CUSTOM,
		URCU(bp),
		URCU_FORKS,
		.threads = TEST_THREADS,
		.process_wide = true,
		.signals = true,
	},
};

static void *fixture_context(struct fixture *fixture)
{
	if (fixture->flavour->process_wide)
		return NULL;
	if (fixture->flavour->ops == &toy_ops)
		return &fixture->toy;
	return &fixture->custom;
}

void fixture_rcu_config(struct fixture *fixture,
			struct ioasid_rcu_config *config)
{
	*config = (struct ioasid_rcu_config){
		.flavour = fixture->flavour->flavour,
		.ops = fixture->flavour->ops,
		.ops_context = fixture_context(fixture),
		.memory = test_memory_hooks(&fixture->memory, false),
		.no_membarrier = fixture->flavour->no_membarrier,
	};
}

void fixture_space_config(struct fixture *fixture,
			  struct ioasid_space_config *config, ioasid_t min,
			  ioasid_t max)
{
	*config = (struct ioasid_space_config){
		.min = min,
		.max = max,
		.store = fixture->store->kind,
		.store_ops = fixture->store->ops,
		.rcu = fixture->rcu,
		.memory = test_memory_hooks(&fixture->memory, true),
		.hash_seed = fixture->hash_seed ? fixture->hash_seed :
						  UINT64_C(0x9e3779b97f4a7c15),
	};
}

void fixture_rcu(struct fixture *fixture)
{
	struct ioasid_rcu_config config;

	toy_ops = (struct ioasid_rcu_ops){
		.read_lock = toy_rcu_ops.read_lock,
		.read_unlock = toy_rcu_ops.read_unlock,
		.read_held = toy_rcu_ops.read_held,
		.start_poll = toy_rcu_ops.start_poll,
		.poll = toy_rcu_ops.poll,
	};
	toy_rcu_init(&fixture->toy);
	if (fixture->flavour->ops &&
	    fixture_context(fixture) == &fixture->custom)
		assert_int_equal(
			ioasid_rcu_create(NULL, &fixture->custom.inner), 0);
	fixture_rcu_config(fixture, &config);
	assert_int_equal(ioasid_rcu_create(&config, &fixture->rcu), 0);
	assert_int_equal(ioasid_rcu_thread_register(fixture->rcu), 0);
}

void fixture_space(struct fixture *fixture, ioasid_t min, ioasid_t max)
{
	struct ioasid_space_config config;

	fixture_space_config(fixture, &config, min, max);
	assert_int_equal(ioasid_space_create(&config, &fixture->space), 0);
}

void fixture_rcu_done(struct fixture *fixture)
{
	if (!fixture->rcu)
		return;
	/* Else it would still be a reader in the next. */
	if (fixture->flavour->process_wide)
		ioasid_rcu_thread_unregister(fixture->rcu);
	assert_int_equal(ioasid_rcu_destroy(fixture->rcu), 0);
	fixture->rcu = NULL;
	assert_int_equal(ioasid_rcu_destroy(fixture->custom.inner), 0);
	fixture->custom.inner = NULL;
	toy_rcu_destroy(&fixture->toy);
}

void fixture_done(struct fixture *fixture)
{
	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	fixture->space = NULL;
	fixture_rcu_done(fixture);
}

struct test_instance {
	char name[96];
	const struct test_case *of;
	struct fixture fixture;
};

static void test_instance_run(void **state)
{
	struct test_instance *instance = *state;
	struct fixture *fixture = &instance->fixture;

	test_memory_init(&fixture->memory);
	if (!(instance->of->per & NO_RCU))
		fixture_rcu(fixture);
	if (!(instance->of->per & NO_SPACE))
		fixture_space(fixture, 0, 1023);
	instance->of->func(fixture);
	if (fixture->space) {
		const char *reason = NULL;

		if (!ioasid_space_validate(fixture->space, &reason))
			fail_msg("not valid: %s", reason);
	}
	fixture_done(fixture);
	test_memory_done(&fixture->memory);
}

static size_t first_store(void)
{
	size_t i = 0;

	while (i < TEST_STORES - 1 && test_stores[i].left_out)
		i++;
	return i;
}

/* One that is there always is. */
static size_t first_flavour(void)
{
	size_t i = 0;

	while (test_flavours[i].left_out)
		i++;
	return i;
}

static bool test_applies(const struct test_case *of, size_t flavour)
{
	const struct test_flavour *with = &test_flavours[flavour];

	return !with->left_out && (!(of->per & THREADS) || with->threads) &&
	       (!(of->per & BUILT_IN) || !with->ops) &&
	       (!(of->per & QSBR_LIKE) || with->qsbr_like) &&
	       (!(of->per & FORKS) || with->forks) &&
	       (!(of->per & PROCESS_WIDE) || with->process_wide) &&
	       (!(of->per & SIGNALS) || with->signals);
}

int test_run(const char *name, const struct test_case *cases, size_t count)
{
	size_t most = count * TEST_STORES * TEST_FLAVOURS, used = 0, i, s, f;
	unsigned int per = 0;
	struct test_instance *instances = calloc(most, sizeof(*instances));
	struct CMUnitTest *tests = calloc(most, sizeof(*tests));
	int ret;

	CHECK(instances && tests);
	for (i = 0; i < count; i++) {
		bool stores = cases[i].per & PER_STORE;
		bool flavours = cases[i].per & PER_FLAVOUR;
		size_t before = used;

		per |= cases[i].per;
		for (s = 0; s < TEST_STORES; s++) {
			for (f = 0; f < TEST_FLAVOURS; f++) {
				struct test_instance *to = &instances[used];

				if ((!stores && s != first_store()) ||
				    (!flavours && f != first_flavour()) ||
				    test_stores[s].left_out ||
				    !test_applies(&cases[i], f))
					continue;

				to->of = &cases[i];
				to->fixture.store = &test_stores[s];
				to->fixture.flavour = &test_flavours[f];
				snprintf(to->name, sizeof(to->name),
					 "%s%s%s%s%s", cases[i].name,
					 stores ? "/" : "",
					 stores ? test_stores[s].name : "",
					 flavours ? "/" : "",
					 flavours ? test_flavours[f].name : "");
				tests[used] = (struct CMUnitTest){
					.name = to->name,
					.test_func = test_instance_run,
					.initial_state = to,
				};
				used++;
			}
		}
		if (used == before)
			printf("%s: left out here\n", cases[i].name);
	}
	if (!TEST_POSIX)
		printf("left out here: processes, signals, pages\n");
	for (s = 0; s < TEST_STORES; s++)
		if (test_stores[s].left_out)
			printf("%s: left out: %s\n", test_stores[s].name,
			       test_stores[s].left_out);
	for (f = 0; per & PER_FLAVOUR && f < TEST_FLAVOURS; f++)
		if (test_flavours[f].left_out)
			printf("%s: left out: %s\n", test_flavours[f].name,
			       test_flavours[f].left_out);
	fflush(stdout);
	ret = _cmocka_run_group_tests(name, tests, used, NULL, NULL);
	free(tests);
	free(instances);
	return ret;
}
