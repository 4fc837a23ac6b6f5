/* SPDX-License-Identifier: MIT */
/*
 * Random calls on a space and on the model, whose answers are compared; the
 * whole of both every so often. --seed N, --ops N (in thousands, per store).
 */
#include "test/fixture.h"
#include "test/model.h"

enum { SETS = 4, POINTS = 256, DEPTH_MAX = 3 };

/* Where the IDs are, and how often all is compared. */
static const struct universe {
	const char *name;
	ioasid_t min, max;
	/* IDs are drawn from so many points, 0: from all */
	uint32_t points;
	unsigned int flavour, compare_every, share;
} universes[] = {
	{ "tiny", 0, 15, 0, 0, 1, 10 },
	{ "small", 1000, 1099, 0, 2, 1, 3 },
	{ "dense", 0, 1023, 0, 1, 50, 25 },
	{ "alone", 0, 1999, 0, 3, 50, 25 },
	{ "edge", UINT32_MAX - 70, UINT32_MAX, 0, 4, 1, 3 },
	{ "top", UINT32_MAX - 3000, UINT32_MAX, 0, 0, 100, 17 },
	{ "scattered", 0, UINT32_MAX, POINTS, 0, 100, 17 },
};

/* What a store that cannot do all 32 bits gets instead. */
#define NARROW_MAX (((ioasid_t)1 << 14) - 1)

struct world {
	struct fixture fixture;
	struct model model;
	const struct universe *universe;
	struct ioasid_set set[SETS];
	ioasid_t points[POINTS];
	unsigned int depth;
	uint32_t retired, called, early;
	/* counts read sections */
	uint64_t section;
	/* the answers to the last call */
	const char *call;
	int ret;
	ioasid_t id;
	void *data;
};

static uint64_t first_seed = 1;
static uint64_t thousands = TEST_SANITIZED ? 100 : 3000;

static bool has_sections(const struct world *world)
{
	return world->fixture.flavour->flavour != IOASID_RCU_QSBR;
}

/* An ID in use as a rule, any other sometimes. */
static ioasid_t pick(const struct world *world, struct test_random *random)
{
	const struct model *model = &world->model;
	uint32_t kind = test_below(random, 16), span;

	if (kind < 11 && model->count)
		return model->entry[test_below(random, (uint32_t)model->count)]
			.id;
	if (kind == 15)
		return test_random(random);
	if (world->universe->points)
		return world->points[test_below(random, POINTS)];
	span = model->max - model->min + 1;
	return model->min + test_below(random, span);
}

static struct ioasid_set *pick_set(struct world *world,
				   struct test_random *random)
{
	uint32_t i = test_below(random, SETS + 1);

	return i < SETS ? &world->set[i] : NULL;
}

static void *pick_data(struct test_random *random)
{
	return (void *)((uintptr_t)test_random(random) << 4);
}

static const char *do_alloc(struct world *world, struct test_random *random)
{
	struct ioasid_set *set = pick_set(world, random);
	void *data = pick_data(random);
	ioasid_t min = pick(world, random), max = min;

	switch (test_below(random, 8)) {
	case 0:
		max = pick(world, random);
		break;
	case 1:
	case 2:
		max += test_below(random, 5);
		break;
	case 3:
		min = 0;
		max = UINT32_MAX;
		break;
	case 4:
		if (!world->universe->points) {
			min = world->model.min;
			max = world->model.max;
		}
		break;
	default:
		break;
	}
	world->call = "alloc";
	world->ret = ioasid_space_alloc(world->fixture.space, set, min, max,
					data, &world->id);
	if (world->ret)
		world->id = INVALID_IOASID;
	return model_alloc(&world->model, set, min, max, data, world->ret,
			   world->id);
}

static const char *expect(struct world *world, int ret)
{
	return world->ret == ret ? NULL : "another result";
}

static const char *do_free(struct world *world, struct test_random *random)
{
	world->call = "free";
	world->id = pick(world, random);
	world->ret = ioasid_space_free(world->fixture.space, world->id);
	return expect(world, model_free(&world->model, world->id));
}

struct retired {
	struct ioasid_rcu_head head;
	struct world *world;
	uint64_t section;
};

static void on_retired(struct ioasid_rcu_head *head)
{
	struct retired *retired = (struct retired *)head;

	retired->world->called++;
	if (retired->world->model.in_section &&
	    retired->section == retired->world->section)
		retired->world->early++;
	free(retired);
}

static const char *do_free_deferred(struct world *world,
				    struct test_random *random)
{
	struct retired *retired = malloc(sizeof(*retired));
	CHECK(retired);
	retired->world = world;
	retired->section = world->model.in_section ? world->section : 0;
	world->call = "free_deferred";
	world->id = pick(world, random);
	world->ret = ioasid_space_free_deferred(world->fixture.space, world->id,
						&retired->head, on_retired);
	if (world->ret)
		free(retired);
	else
		world->retired++;
	if (world->early)
		return "called back in the read section it was deferred in";
	return expect(world, model_free(&world->model, world->id));
}

static bool accept(void *data)
{
	return ((uintptr_t)data & 0x10) != 0;
}

static const char *do_find(struct world *world, struct test_random *random)
{
	struct ioasid_set *set = pick_set(world, random);
	bool getter = test_below(random, 4) == 0;
	void *data = world;
	int ret;

	world->call = "find";
	world->id = pick(world, random);
	world->data = world;
	world->ret = ioasid_space_find(world->fixture.space, set, world->id,
				       getter ? accept : NULL, &world->data);
	ret = model_find(&world->model, set, world->id, &data);
	if (!ret && getter && !accept(data))
		data = NULL;
	if (world->data != data)
		return "another pointer";
	if (world->ret)
		world->data = NULL;
	return expect(world, ret);
}

static const char *do_get(struct world *world, struct test_random *random)
{
	struct ioasid_set *set = pick_set(world, random);

	world->call = "get";
	world->id = pick(world, random);
	world->ret = ioasid_space_get(world->fixture.space, set, world->id);
	return expect(world, model_get(&world->model, set, world->id));
}

static const char *do_put(struct world *world, struct test_random *random)
{
	world->call = "put";
	world->id = pick(world, random);
	world->ret = ioasid_space_put(world->fixture.space, world->id);
	return expect(world, model_put(&world->model, world->id));
}

static const char *do_exchange(struct world *world, struct test_random *random)
{
	void *data = pick_data(random), *old = world;

	world->call = "exchange_data";
	world->id = pick(world, random);
	world->data = world;
	world->ret = ioasid_space_exchange_data(world->fixture.space, world->id,
						data, &world->data);
	if (world->ret !=
	    model_exchange_data(&world->model, world->id, data, &old))
		return "another result";
	if (world->data != old)
		return "another old pointer";
	if (world->ret)
		world->data = NULL;
	return NULL;
}

static void section_begin(struct world *world)
{
	world->section++;
	model_read_lock(&world->model);
}

/* The thread's section of qsbr ends, and the next begins. */
static void next_section(struct world *world)
{
	if (!has_sections(world)) {
		model_read_unlock(&world->model);
		section_begin(world);
	}
}

static const char *do_set_data(struct world *world, struct test_random *random)
{
	void *data = pick_data(random), *old;
	bool refused = world->depth && has_sections(world);
	int ret;

	world->call = "set_data";
	world->id = pick(world, random);
	world->ret =
		ioasid_space_set_data(world->fixture.space, world->id, data);
	if (refused)
		ret = model_find(&world->model, NULL, world->id, &old) ?
			      -ENOENT :
			      -EDEADLK;
	else
		ret = model_set_data(&world->model, world->id, data);
	if (!ret)
		next_section(world);
	return expect(world, ret);
}

/* IDs and pointers that a walk saw, as a sum that tells orders apart. */
struct walk {
	uint64_t sum;
	uint32_t count, stop;
};

static int on_id(ioasid_t id, void *data, void *arg)
{
	struct walk *walk = arg;

	walk->sum = (walk->sum ^ id) * UINT64_C(0x100000001b3);
	walk->sum = (walk->sum ^ (uintptr_t)data) * UINT64_C(0x100000001b3);
	return ++walk->count == walk->stop ? 5 : 0;
}

static const char *do_for_each(struct world *world, struct test_random *random)
{
	struct ioasid_set *set = pick_set(world, random);
	ioasid_t min = pick(world, random), max = pick(world, random);
	struct walk walk = { 0, 0, test_below(random, 100) };
	struct walk expected = walk;
	int ret;

	world->call = "for_each";
	world->id = min;
	world->ret = ioasid_space_for_each(world->fixture.space, set, min, max,
					   on_id, &walk);
	ret = model_for_each(&world->model, set, min, max, on_id, &expected);
	if (walk.count != expected.count)
		return "another number of IDs";
	if (walk.sum != expected.sum)
		return "other IDs or pointers";
	return expect(world, ret);
}

static const char *do_section(struct world *world, struct test_random *random)
{
	struct ioasid_rcu *rcu = world->fixture.rcu;
	int expected = world->depth && has_sections(world) ? -EDEADLK : 0;

	world->call = "section";
	world->ret = 0;
	switch (test_below(random, 4)) {
	case 0:
		if (world->depth == DEPTH_MAX)
			break;
		ioasid_rcu_read_lock(rcu);
		if (has_sections(world) && !world->depth++)
			section_begin(world);
		break;
	case 1:
	case 2:
		if (!world->depth) {
			ioasid_rcu_quiescent(rcu);
			next_section(world);
			break;
		}
		ioasid_rcu_read_unlock(rcu);
		if (!--world->depth)
			model_read_unlock(&world->model);
		break;
	default:
		world->call = "synchronize";
		world->ret = ioasid_rcu_synchronize(rcu);
		if (!expected)
			model_synchronize(&world->model);
		if (!expected)
			next_section(world);
		return expect(world, expected);
	}
	return NULL;
}

static const char *step(struct world *world, struct test_random *random)
{
	static const struct {
		const char *(*func)(struct world *world,
				    struct test_random *random);
		uint32_t weight;
	} calls[] = {
		{ do_alloc, 30 },	 { do_free, 18 },   { do_find, 20 },
		{ do_get, 8 },		 { do_put, 10 },    { do_exchange, 5 },
		{ do_for_each, 1 },	 { do_section, 4 }, { do_set_data, 1 },
		{ do_free_deferred, 3 },
	};
	uint32_t at = test_below(random, 100);
	size_t i;

	for (i = 0; at >= calls[i].weight; i++)
		at -= calls[i].weight;
	world->id = INVALID_IOASID;
	world->data = NULL;
	return calls[i].func(world, random);
}

static void begin(struct world *world, const struct test_store *store,
		  const struct universe *universe, uint64_t seed)
{
	struct test_random random = { seed };
	ioasid_t min = universe->min, max = universe->max;
	size_t i;

	memset(world, 0, sizeof(*world));
	world->universe = universe;
	world->fixture.store = store;
	world->fixture.flavour = &test_flavours[universe->flavour];
	/* A poor one now and then: many IDs in few places. */
	world->fixture.hash_seed = seed % 4 ? seed << 32 | 0xfeed : 1;
	test_memory_init(&world->fixture.memory);
	if (store->ids_max <= max - min)
		max = min + NARROW_MAX;
	for (i = 0; i < POINTS; i++)
		world->points[i] = min + test_below(&random, max - min);
	fixture_rcu(&world->fixture);
	fixture_space(&world->fixture, min, max);
	model_init(&world->model, min, max, model_space_turns,
		   world->fixture.space);
	if (!has_sections(world))
		section_begin(world);
}

/* Drains the space; what is wrong with what remains, or NULL. */
static const char *end(struct world *world)
{
	struct ioasid_space *space = world->fixture.space;
	struct ioasid_stats stats;
	size_t i;

	for (; world->depth; world->depth--)
		ioasid_rcu_read_unlock(world->fixture.rcu);
	for (i = 0; i < world->model.count; i++) {
		struct model_entry *entry = &world->model.entry[i];

		if (entry->state == MODEL_LIVE) {
			if (ioasid_space_free(space, entry->id))
				return "drain: a live ID could not be freed";
			entry->refs--;
		}
		for (; entry->state != MODEL_QUARANTINED && entry->refs;
		     entry->refs--)
			if (ioasid_space_put(space, entry->id) !=
			    (entry->refs == 1))
				return "drain: references differ";
	}
	ioasid_space_stats(space, &stats);
	if (stats.live || stats.pending || stats.allocs != stats.frees)
		return "drain: IDs remain";
	if (!ioasid_space_validate(space, NULL))
		return "drain: not valid";
	world->section++;
	CHECK(!ioasid_rcu_barrier(world->fixture.rcu));
	return world->called == world->retired ? NULL : "drain: callbacks lost";
}

static void dispose(struct world *world)
{
	for (; world->depth; world->depth--)
		ioasid_rcu_read_unlock(world->fixture.rcu);
	fixture_done(&world->fixture);
	test_memory_done(&world->fixture.memory);
	model_destroy(&world->model);
}

static const char *run(const struct test_store *store,
		       const struct universe *universe, uint64_t seed,
		       uint64_t ops)
{
	struct test_random random = { seed };
	struct world *world = malloc(sizeof(*world));
	const char *wrong = NULL, *call;
	uint64_t i;

	CHECK(world);
	begin(world, store, universe, seed);
	for (i = 0; i < ops && !wrong; i++) {
		wrong = step(world, &random);
		if (!wrong && i % universe->compare_every == 0)
			wrong = model_compare(&world->model,
					      world->fixture.space);
	}
	call = world->call;
	if (!wrong) {
		call = "end";
		wrong = end(world);
	}
	if (wrong)
		print_message("%s/%s: --seed %llu: call %llu, %s of %#x: %s\n",
			      store->name, universe->name,
			      (unsigned long long)seed, (unsigned long long)i,
			      call, world->id, wrong);
	dispose(world);
	free(world);
	return wrong;
}

static void random_calls(struct fixture *fixture)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(universes); i++) {
		uint64_t ops = thousands * 10 * universes[i].share;

		assert_null(run(fixture->store, &universes[i], first_seed + i,
				ops / 2));
		assert_null(run(fixture->store, &universes[i],
				first_seed + i + 1000, ops / 2));
	}
}

static bool same(const struct world *a, const struct world *b)
{
	return a->ret == b->ret && a->id == b->id && a->data == b->data;
}

/*
 * The same calls on all stores at once. Which ID comes back from quarantine
 * first is a store's own affair, so a run ends with the first turn.
 */
static uint64_t lockstep(const struct test_store *stores, size_t count,
			 const struct universe *universe, uint64_t seed,
			 uint64_t ops, bool by_model, const char **wrong)
{
	struct world *worlds = calloc(count, sizeof(*worlds));
	struct test_random random = { seed };
	bool turned = false;
	uint64_t i;
	size_t s;

	CHECK(worlds);
	*wrong = NULL;
	for (s = 0; s < count; s++)
		begin(&worlds[s], &stores[s], universe, seed);
	for (i = 0; i < ops && !*wrong && !turned; i++) {
		struct test_random now = random;

		for (s = 0; s < count && !*wrong; s++) {
			random = now;
			*wrong = step(&worlds[s], &random);
			if (!by_model)
				*wrong = NULL;
			if (!*wrong && !turned && !same(&worlds[0], &worlds[s]))
				*wrong = "stores differ";
			turned |= worlds[s].model.turned != 0;
		}
	}
	if (*wrong)
		print_message("lockstep/%s: --seed %llu: call %llu, %s: %s\n",
			      universe->name, (unsigned long long)seed,
			      (unsigned long long)i, worlds[0].call, *wrong);
	for (s = 0; s < count; s++) {
		if (!*wrong)
			*wrong = end(&worlds[s]);
		dispose(&worlds[s]);
	}
	free(worlds);
	return i;
}

static void stores_agree(struct fixture *fixture)
{
	static const struct universe all = { "all", 500, 3000, POINTS, 0, 1, 1 };
	uint64_t ops = thousands * 200, seed = first_seed;
	const char *wrong;

	(void)fixture;
	while (ops) {
		uint64_t done = lockstep(test_stores, TEST_STORES, &all, seed++,
					 ops, true, &wrong);

		assert_null(wrong);
		assert_true(done > 0);
		ops -= done;
	}
}

/* Stores with a fault, for what follows. */
static int second_lowest(struct ioasid_store *store, ioasid_t min, ioasid_t max,
			 ioasid_t *id, struct ioasid_slot **slot)
{
	struct ioasid_slot *first;
	ioasid_t lowest;
	int ret = array_store_ops.claim(store, min, max, &lowest, &first);

	if (ret)
		return ret;
	ret = array_store_ops.claim(store, min, max, id, slot);
	if (!ret) {
		array_store_ops.release(store, lowest);
		return 0;
	}
	*id = lowest;
	*slot = first;
	return 0;
}

static void forgetful_release(struct ioasid_store *store, ioasid_t id)
{
	if (id % 8 != 3)
		array_store_ops.release(store, id);
}

static int eager_nospace(struct ioasid_store *store, ioasid_t min, ioasid_t max,
			 ioasid_t *id, struct ioasid_slot **slot)
{
	/* Off by one: the last ID of a range is never given. */
	if (min == max)
		return -ENOSPC;
	return array_store_ops.claim(store, min, max - 1, id, slot);
}

static size_t short_occupied(const struct ioasid_store *store, ioasid_t min,
			     ioasid_t max, ioasid_t *ids, size_t count)
{
	size_t found = array_store_ops.occupied(store, min, max, ids, count);

	return found > 5 && found < count ? found - 1 : found;
}

static struct ioasid_slot *short_find(const struct ioasid_store *store,
				      ioasid_t id)
{
	/* The low bits of one ID are lost. */
	return array_store_ops.find(store, id % 64 == 7 ? id - 1 : id);
}

static void faults_are_caught(struct fixture *fixture)
{
	struct ioasid_store_ops faulty[5];
	size_t i, u;

	(void)fixture;
	for (i = 0; i < ARRAY_SIZE(faulty); i++)
		faulty[i] = array_store_ops;
	faulty[0].claim = second_lowest;
	faulty[1].release = forgetful_release;
	faulty[2].claim = eager_nospace;
	faulty[3].occupied = short_occupied;
	faulty[4].find = short_find;
	for (i = 0; i < ARRAY_SIZE(faulty); i++) {
		const struct test_store store = { "fault", IOASID_STORE_CUSTOM,
						  &faulty[i], UINT32_MAX };

		for (u = 0; u < 3; u++)
			assert_non_null(
				run(&store, &universes[u], first_seed, 20000));
	}
}

/* And what the stores disagree on, without the model's help. */
static void disagreement_is_caught(struct fixture *fixture)
{
	struct ioasid_store_ops faulty = array_store_ops;
	const struct test_store stores[] = {
		test_stores[0],
		{ "fault", IOASID_STORE_CUSTOM, &faulty, UINT32_MAX },
	};
	const char *wrong = NULL;

	(void)fixture;
	faulty.claim = second_lowest;
	lockstep(stores, 2, &universes[0], first_seed, 1000, false, &wrong);
	assert_non_null(wrong);
	assert_string_equal(wrong, "stores differ");
}

/* Builds in which generations turn soon enough. */
#if IOASID_STATE_BITS == 32 || defined(IOASID_GENERATION_START)
#define TURNS 1

static bool always(void *context, uint64_t cookie)
{
	(void)context;
	(void)cookie;
	return true;
}

/* A flavour whose grace periods are none: IDs come back too soon. */
static void early_return_is_caught(struct fixture *fixture)
{
	struct test_flavour flavour = test_flavours[4];
	struct ioasid_rcu_ops ops = *flavour.ops;
	struct world *world = malloc(sizeof(*world));
	struct test_random random = { first_seed };
	const char *wrong = NULL;
	uint64_t i;

	CHECK(world);
	begin(world, fixture->store, &universes[4], first_seed);
	ops.poll = always;
	flavour.ops = &ops;
	fixture_done(&world->fixture);
	world->fixture.flavour = &flavour;
	fixture_rcu(&world->fixture);
	fixture_space(&world->fixture, 0, 15);
	model_init(&world->model, 0, 15, model_space_turns,
		   world->fixture.space);
	for (i = 0; i < 1000000 && !wrong; i++) {
		wrong = step(world, &random);
		/* Its callbacks come too soon as well. */
		if (world->early) {
			world->early = 0;
			wrong = NULL;
		}
	}
	assert_non_null(wrong);
	print_message("%s\n", wrong);
	dispose(world);
	free(world);
}
#endif

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		CASE(random_calls, PER_STORE | NO_SPACE | NO_RCU),
		CASE(stores_agree, NO_SPACE | NO_RCU),
		CASE(faults_are_caught, NO_SPACE | NO_RCU),
		CASE(disagreement_is_caught, NO_SPACE | NO_RCU),
#ifdef TURNS
		CASE(early_return_is_caught, NO_SPACE | NO_RCU),
#endif
	};
	int i;

	for (i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--seed"))
			first_seed = strtoull(argv[i + 1], NULL, 10);
		else if (!strcmp(argv[i], "--ops"))
			thousands = strtoull(argv[i + 1], NULL, 10);
		else
			break;
	}
	if (i != argc) {
		fprintf(stderr, "usage: %s [--seed N] [--ops THOUSANDS]\n",
			argv[0]);
		return 2;
	}
	return test_run("property", cases, ARRAY_SIZE(cases));
}
