/* SPDX-License-Identifier: MIT */
/*
 * The same calls over and over, each time with the next allocation failing:
 * alone, or with all that come after it. What fails says so and changes
 * nothing; the rest goes on.
 */
#include "test/fixture.h"
#include "test/model.h"

enum { IDS = TEST_SANITIZED ? 120 : 240, SETS = 12 };

struct scenario {
	struct fixture *fixture;
	struct model model;
	struct ioasid_set set[SETS];
	/* from the failure on all fail */
	bool for_good;
	unsigned int refused;
};

/* Has a call a reason to say -ENOMEM? */
static bool failed_since(struct scenario *scenario, uint64_t before)
{
	struct test_memory *memory = &scenario->fixture->memory;

	if (memory->failed && scenario->for_good)
		memory->fail_all = true;
	return memory->failed > before;
}

static void compare(struct scenario *scenario)
{
	const char *wrong =
		model_compare(&scenario->model, scenario->fixture->space);

	if (wrong)
		fail_msg("%s", wrong);
}

/* True if it failed. */
static bool give(struct scenario *scenario, ioasid_t min, ioasid_t max)
{
	struct test_memory *memory = &scenario->fixture->memory;
	struct ioasid_set *set = &scenario->set[min % SETS];
	uint64_t before = memory->failed;
	void *data = (void *)(uintptr_t)(min + 1);
	ioasid_t id = INVALID_IOASID;
	const char *wrong;
	int ret = ioasid_space_alloc(scenario->fixture->space, set, min, max,
				     data, &id);

	if (ret == -ENOMEM) {
		assert_true(failed_since(scenario, before));
		assert_int_equal(id, INVALID_IOASID);
		scenario->model.stats.alloc_failed++;
		scenario->refused++;
		compare(scenario);
		return true;
	}
	failed_since(scenario, before);
	wrong = model_alloc(&scenario->model, set, min, max, data, ret, id);
	if (wrong)
		fail_msg("%s", wrong);
	return false;
}

static void take(struct scenario *scenario, ioasid_t id)
{
	assert_int_equal(ioasid_space_free(scenario->fixture->space, id),
			 model_free(&scenario->model, id));
}

static int count(ioasid_t id, void *data, void *arg)
{
	(void)id;
	(void)data;
	++*(size_t *)arg;
	return 0;
}

static void walk(struct scenario *scenario)
{
	size_t found = 0, expected = 0;

	assert_int_equal(ioasid_space_for_each(scenario->fixture->space, NULL,
					       0, INVALID_IOASID, count,
					       &found),
			 0);
	model_for_each(&scenario->model, NULL, 0, INVALID_IOASID, count,
		       &expected);
	assert_int_equal(found, expected);
}

static void calls(struct scenario *scenario)
{
	ioasid_t i;
	size_t n;

	for (i = 0; i < IDS; i++)
		give(scenario, 0, INVALID_IOASID);
	for (i = 0; i < 16; i++)
		give(scenario, 1u << i, 1u << i);
	walk(scenario);
	for (i = 0; i < IDS; i += 2)
		take(scenario, i);
	for (i = 0; i < IDS / 2; i++)
		give(scenario, 3 * i, INVALID_IOASID);
	compare(scenario);
	/* Grow and shrink once more. */
	for (n = scenario->model.count; n--;)
		if (scenario->model.entry[n].state == MODEL_LIVE)
			take(scenario, scenario->model.entry[n].id);
	for (i = 0; i < 64; i++)
		give(scenario, 37 * i, INVALID_IOASID);
	walk(scenario);
	compare(scenario);
}

static int begin(struct fixture *fixture, bool reserve)
{
	struct ioasid_space_config config;

	fixture_space_config(fixture, &config, 0,
			     fixture->store->kind == IOASID_STORE_BITMAP ?
				     (1u << 16) :
				     INVALID_IOASID);
	config.memory = test_memory_hooks(&fixture->memory, reserve);
	/* Its own domain, whose memory may fail as well. */
	config.rcu = NULL;
	config.flavour = fixture->flavour->flavour;
	return ioasid_space_create(&config, &fixture->space);
}

/* False once nothing failed any more. */
static bool attempt(struct fixture *fixture, struct scenario *scenario,
		    uint64_t fail_at, bool for_good, bool reserve)
{
	struct test_memory *memory = &fixture->memory;
	bool failed;
	int ret;

	memset(scenario, 0, sizeof(*scenario));
	scenario->fixture = fixture;
	scenario->for_good = for_good;
	memory->calls = 0;
	memory->failed = 0;
	memory->fail_all = false;
	memory->fail_at = fail_at;
	ret = begin(fixture, reserve);
	if (ret) {
		assert_int_equal(ret, -ENOMEM);
		assert_int_equal(memory->failed, 1);
		assert_null(fixture->space);
		assert_int_equal(memory->bytes, 0);
		return true;
	}
	model_init(&scenario->model, 0,
		   fixture->store->kind == IOASID_STORE_BITMAP ? (1u << 16) :
								 INVALID_IOASID,
		   model_space_turns, fixture->space);
	calls(scenario);
	failed = memory->failed != 0;
	/* With memory all is as if nothing had been. */
	memory->fail_all = false;
	memory->fail_at = 0;
	assert_false(give(scenario, 0, INVALID_IOASID));
	compare(scenario);
	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	fixture->space = NULL;
	model_destroy(&scenario->model);
	assert_int_equal(memory->bytes, 0);
	return failed;
}

static void every_allocation(struct fixture *fixture, bool for_good,
			     bool reserve)
{
	struct scenario *scenario = malloc(sizeof(*scenario));
	unsigned int refused = 0;
	uint64_t n = 1;

	CHECK(scenario);
	while (attempt(fixture, scenario, n, for_good, reserve)) {
		n++;
		refused += scenario->refused;
	}
	print_message("%llu allocations\n", (unsigned long long)n - 1);
	/* Or nothing has been tried. */
	assert_true(n > 5 && refused > 0);
	free(scenario);
}

static void each_alone(struct fixture *fixture)
{
	every_allocation(fixture, false, true);
}

static void from_each_on(struct fixture *fixture)
{
	every_allocation(fixture, true, true);
}

static void without_reserve(struct fixture *fixture)
{
	every_allocation(fixture, false, false);
}

/* A library that loses a block now and then, or its size. */
static void lossy_free(void *context, void *block, size_t size)
{
	struct test_memory *memory = context;
	struct ioasid_memory hooks = test_memory_hooks(memory, false);

	if (memory->bytes > 4096)
		hooks.free(context, block, size);
	else
		free((char *)block - TEST_MEMORY_HEADER);
}

static void wrong_free(void *context, void *block, size_t size)
{
	struct ioasid_memory hooks = test_memory_hooks(context, false);

	hooks.free(context, block, size + (size < 4096));
}

static void create_and_destroy(struct fixture *fixture,
			       void (*hook)(void *context, void *block,
					    size_t size))
{
	struct ioasid_space_config config;

	fixture_space_config(fixture, &config, 0, 9999);
	config.rcu = NULL;
	config.memory = test_memory_hooks(&fixture->memory, false);
	config.memory.free = hook;
	assert_int_equal(ioasid_space_create(&config, &fixture->space), 0);
	assert_false(ioasid_space_destroy(fixture->space));
	fixture->space = NULL;
}

static void losses_are_caught(struct fixture *fixture)
{
	create_and_destroy(fixture, lossy_free);
	assert_true(fixture->memory.bytes > 0);
	fixture->memory.bytes = 0;
	assert_false(fixture->memory.damaged);
	create_and_destroy(fixture, wrong_free);
	assert_true(fixture->memory.damaged);
	fixture->memory.damaged = false;
	fixture->memory.bytes = 0;
}

int main(void)
{
	static const struct test_case cases[] = {
		CASE(each_alone, PER_STORE | NO_SPACE | NO_RCU),
		CASE(from_each_on, PER_STORE | NO_SPACE | NO_RCU),
		CASE(without_reserve, PER_STORE | NO_SPACE | NO_RCU),
		CASE(losses_are_caught, PER_STORE | NO_SPACE | NO_RCU),
	};

	return test_run("oom", cases, ARRAY_SIZE(cases));
}
