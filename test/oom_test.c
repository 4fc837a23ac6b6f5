/* SPDX-License-Identifier: MIT */
/*
 * The same calls over and over, each time with the next allocation failing:
 * alone, or with all that come after it. What fails says so and changes
 * nothing; the rest goes on.
 */
#include "test/fixture.h"
#include "test/model.h"

enum { IDS = TEST_LIGHT ? 120 : 240, SETS = 12, MADE = 4 };

struct scenario {
	struct fixture *fixture;
	struct model model;
	struct ioasid_set set[SETS], *made[MADE];
	struct ioasid_allocator_ops ops[1];
	/* the next ID an allocator gives */
	ioasid_t next;
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

/* Of calls that give 0 or -ENOMEM, or what @expected says. True: -ENOMEM. */
static bool refused(struct scenario *scenario, uint64_t before, int ret)
{
	if (ret != -ENOMEM) {
		failed_since(scenario, before);
		return false;
	}
	assert_true(failed_since(scenario, before));
	scenario->refused++;
	compare(scenario);
	return true;
}

static void expect(struct scenario *scenario, int ret, int expected)
{
	const char *wrong;

	assert_int_equal(ret, expected);
	wrong = model_wrong(&scenario->model);
	if (wrong)
		fail_msg("%s", wrong);
}

/* True if it failed. */
static bool give(struct scenario *scenario, ioasid_t min, ioasid_t max)
{
	struct test_memory *memory = &scenario->fixture->memory;
	struct ioasid_set *set = &scenario->set[min % SETS];
	struct ioasid_set *made = scenario->made[min % MADE];
	uint64_t before = memory->failed;
	void *data = (void *)(uintptr_t)(min + 1);
	ioasid_t id = INVALID_IOASID;
	const char *wrong;
	int ret;

	if (made && model_set(&scenario->model, made))
		set = made;
	ret = ioasid_space_alloc(scenario->fixture->space, set, min, max, data,
				 &id);

	if (ret == -ENOMEM) {
		assert_true(failed_since(scenario, before));
		assert_int_equal(id, INVALID_IOASID);
		model_alloc_nomem(&scenario->model);
		scenario->refused++;
		expect(scenario, 0, 0);
		compare(scenario);
		return true;
	}
	failed_since(scenario, before);
	wrong = model_alloc(&scenario->model, set, min, max, data, ret, id);
	if (wrong)
		fail_msg("%s", wrong);
	expect(scenario, 0, 0);
	return false;
}

static void take(struct scenario *scenario, ioasid_t id)
{
	int ret = ioasid_space_free(scenario->fixture->space, id);

	expect(scenario, ret, model_free(&scenario->model, id));
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

/* Sets, SPIDs, allocators, notifiers, snapshots */

static ioasid_t ask(ioasid_t min, ioasid_t max, void *data)
{
	struct scenario *scenario = data;
	struct model_call call = { .kind = MODEL_ASKED,
				   .whose = &scenario->ops[0],
				   .min = min,
				   .max = max,
				   .id = scenario->next++ };

	model_called(&scenario->model, &call);
	return call.id;
}

static void give_back(ioasid_t id, void *data)
{
	struct scenario *scenario = data;
	struct model_call call = { .kind = MODEL_GIVEN,
				   .whose = &scenario->ops[0],
				   .id = id };
	void *found;

	call.ret = ioasid_space_find(scenario->fixture->space, NULL, id, NULL,
				     &found);
	model_called(&scenario->model, &call);
}

struct teller {
	struct ioasid_notifier notifier;
	struct scenario *scenario;
	/* frees what is handed out, once */
	bool armed;
};

static void told(struct ioasid_notifier *notifier,
		 const struct ioasid_notice *notice)
{
	struct teller *teller = (struct teller *)notifier;
	struct scenario *scenario = teller->scenario;
	struct model_call call = { .kind = MODEL_TOLD,
				   .whose = notifier,
				   .notice = *notice };

	model_called(&scenario->model, &call);
	if (!teller->armed || notice->event != IOASID_EVENT_ALLOC)
		return;
	teller->armed = false;
	call.kind = MODEL_DID;
	call.action = MODEL_FREE;
	call.id = ioasid_handle_id(notice->handle);
	call.ret = ioasid_space_free(scenario->fixture->space, call.id);
	model_called(&scenario->model, &call);
}

static bool make_sets(struct scenario *scenario)
{
	struct ioasid_space *space = scenario->fixture->space;
	struct test_memory *memory = &scenario->fixture->memory;
	struct ioasid_set_config config = { .name = "made",
					    .quota = 12,
					    .reserved = 3 };
	uint64_t before;
	size_t i;
	int ret;

	for (i = 0; i < MADE; i++) {
		config.token = &scenario->made[i];
		before = memory->failed;
		ret = ioasid_set_create(space, &config, &scenario->made[i]);
		if (!refused(scenario, before, ret))
			expect(scenario, ret,
			       model_set_bind(&scenario->model,
					      scenario->made[i], &config, ret));
	}
	config.token = NULL;
	before = memory->failed;
	ret = ioasid_set_bind(space, &scenario->set[0], &config);
	if (!refused(scenario, before, ret))
		expect(scenario, ret,
		       model_set_bind(&scenario->model, &scenario->set[0],
				      &config, ret));
	return scenario->model.sets == MADE + 1;
}

static void name_ids(struct scenario *scenario)
{
	struct ioasid_space *space = scenario->fixture->space;
	struct test_memory *memory = &scenario->fixture->memory;
	size_t i;

	for (i = 0; i < scenario->model.count; i++) {
		ioasid_t id = scenario->model.entry[i].id;
		uint64_t before = memory->failed;
		int ret = ioasid_spid_attach(space, id, 1000 - id);

		if (!refused(scenario, before, ret))
			expect(scenario, ret,
			       model_spid_attach(&scenario->model, id,
						 1000 - id, ret));
	}
	compare(scenario);
}

static void tell(struct scenario *scenario)
{
	struct ioasid_space *space = scenario->fixture->space;
	struct test_memory *memory = &scenario->fixture->memory;
	struct teller teller[] = {
		{ { .notify = told, .priority = 1 }, scenario, true },
		{ { .notify = told }, scenario, true },
	};
	struct ioasid_set *sets[] = { &scenario->set[1], NULL };
	uint64_t before;
	ioasid_t i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(teller); i++) {
		before = memory->failed;
		ret = ioasid_space_register_notifier(space, sets[i],
						     &teller[i].notifier);
		if (!refused(scenario, before, ret))
			expect(scenario, ret,
			       model_register_notifier(&scenario->model,
						       sets[i],
						       &teller[i].notifier));
	}
	for (i = 0; i < 24; i++)
		give(scenario, i, INVALID_IOASID);
	for (i = 0; i < 24; i += 3)
		take(scenario, i);
	compare(scenario);
	for (i = 0; i < ARRAY_SIZE(teller); i++) {
		ret = ioasid_space_unregister_notifier(space,
						       &teller[i].notifier);
		expect(scenario, ret,
		       model_unregister_notifier(&scenario->model,
						 &teller[i].notifier));
	}
}

/* Into a space of its own, which stays empty until it is all there. */
static void move(struct scenario *scenario)
{
	struct test_memory *memory = &scenario->fixture->memory;
	struct ioasid_space_config config;
	struct ioasid_space *space;
	uint64_t before = memory->failed;
	const char *wrong;
	struct model to;
	size_t size = 0;
	uint8_t *bytes;
	int ret;

	assert_int_equal(ioasid_space_snapshot(scenario->fixture->space, NULL,
					       NULL, 0, &size),
			 -ENOBUFS);
	bytes = malloc(size);
	CHECK(bytes);
	assert_int_equal(ioasid_space_snapshot(scenario->fixture->space, NULL,
					       bytes, size, &size),
			 0);
	fixture_space_config(scenario->fixture, &config, 0, 1u << 16);
	config.memory = test_memory_hooks(memory, false);
	config.rcu = scenario->fixture->space->rcu;
	ret = ioasid_space_create(&config, &space);
	if (refused(scenario, before, ret)) {
		free(bytes);
		return;
	}
	model_init(&to, 0, 1u << 16, model_space_generation, space);
	before = memory->failed;
	ret = ioasid_space_restore(space, NULL, bytes, size);
	if (refused(scenario, before, ret)) {
		wrong = model_compare(&to, space);
		if (wrong)
			fail_msg("%s", wrong);
	} else {
		assert_int_equal(ret, 0);
		assert_true(ioasid_space_validate(space, NULL));
	}
	free(bytes);
	model_destroy(&to);
	assert_int_equal(ioasid_space_destroy(space), 0);
}

static void end_sets(struct scenario *scenario)
{
	struct ioasid_space *space = scenario->fixture->space;
	struct model *model = &scenario->model;
	struct ioasid_stats stats;
	uint32_t count, freed;
	int ret;

	while (model->sets) {
		struct ioasid_set *set = model->set[0].set;

		ret = ioasid_set_free_all(space, set, &count);
		expect(scenario, ret, model_set_free_all(model, set, &freed));
		assert_int_equal(count, freed);
		ret = ioasid_set_destroy(space, set);
		expect(scenario, ret, model_set_destroy(model, set));
	}
	compare(scenario);
	ioasid_space_stats(space, &stats);
	assert_int_equal(stats.committed, 0);
}

static void later_calls(struct scenario *scenario)
{
	struct test_memory *memory = &scenario->fixture->memory;
	struct ioasid_space *space = scenario->fixture->space;
	struct ioasid_allocator_ops *ops = &scenario->ops[0];
	uint64_t before;
	ioasid_t i;
	int ret;

	*ops = (struct ioasid_allocator_ops){ .alloc = ask,
					      .free = give_back,
					      .pdata = scenario };
	make_sets(scenario);
	before = memory->failed;
	ret = ioasid_space_register_allocator(space, ops);
	if (!refused(scenario, before, ret)) {
		expect(scenario, ret,
		       model_register_allocator(&scenario->model, ops));
		for (i = 0; i < 40; i++)
			give(scenario, i * 16, INVALID_IOASID);
		name_ids(scenario);
		for (i = 0; i < scenario->next; i += 2)
			take(scenario, i);
		ret = ioasid_space_unregister_allocator(space, ops,
							IOASID_UNREGISTER_KEEP);
		expect(scenario, ret,
		       model_unregister_allocator(&scenario->model, ops,
						  IOASID_UNREGISTER_KEEP));
		end_sets(scenario);
		make_sets(scenario);
	}
	for (i = 0; i < 60; i++)
		give(scenario, i, INVALID_IOASID);
	name_ids(scenario);
	walk(scenario);
	move(scenario);
	tell(scenario);
	end_sets(scenario);
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
		    void (*run)(struct scenario *scenario), uint64_t fail_at,
		    bool for_good, bool reserve)
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
		   model_space_generation, fixture->space);
	run(scenario);
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

static void every_allocation(struct fixture *fixture,
			     void (*run)(struct scenario *scenario),
			     bool for_good, bool reserve)
{
	struct scenario *scenario = malloc(sizeof(*scenario));
	unsigned int refused = 0;
	uint64_t n = 1;

	CHECK(scenario);
	while (attempt(fixture, scenario, run, n, for_good, reserve)) {
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
	every_allocation(fixture, calls, false, true);
}

static void from_each_on(struct fixture *fixture)
{
	every_allocation(fixture, calls, true, true);
}

static void without_reserve(struct fixture *fixture)
{
	every_allocation(fixture, calls, false, false);
}

static void later_each_alone(struct fixture *fixture)
{
	every_allocation(fixture, later_calls, false, true);
}

static void later_from_each_on(struct fixture *fixture)
{
	every_allocation(fixture, later_calls, true, true);
}

/* A library that loses a block now and then, or its size. */
static void lossy_free(void *context, void *block, size_t size)
{
	struct test_memory *memory = context;
	struct ioasid_memory hooks = test_memory_hooks(memory, false);
	bool lost = memory->bytes <= 4096;

	hooks.free(context, block, size);
	if (lost)
		memory->bytes += size;
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
		CASE(later_each_alone, PER_STORE | NO_SPACE | NO_RCU),
		CASE(later_from_each_on, PER_STORE | NO_SPACE | NO_RCU),
		CASE(losses_are_caught, PER_STORE | NO_SPACE | NO_RCU),
	};

	return test_run("oom", cases, ARRAY_SIZE(cases));
}
