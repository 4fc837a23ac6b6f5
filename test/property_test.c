/* SPDX-License-Identifier: MIT */
/*
 * Random calls on a space and on the model, whose answers are compared; the
 * whole of both every so often. --seed N, --ops N (in thousands, per store).
 */
#include "test/fixture.h"
#include "test/model.h"

enum {
	SETS = 6,
	SETS_ALL = 12,
	POINTS = 256,
	DEPTH_MAX = 3,
	HANDLES = 32,
	CURSORS = 2,
	ALLOCATORS = 4,
	NOTIFIERS = 3,
};

/* Where the IDs are, what chooses them, and how often all is compared. */
static const struct universe {
	const char *name;
	ioasid_t min, max;
	/* IDs are drawn from so many points, 0: from all */
	uint32_t points;
	unsigned int flavour, compare_every, share;
	enum ioasid_reuse reuse;
	bool quarantine;
	uint32_t capacity;
	/* allocators come and go */
	bool hosted;
} universes[] = {
	{ .name = "tiny", .max = 15, .compare_every = 1, .share = 8 },
	{ .name = "small",
	  .min = 1000,
	  .max = 1099,
	  .flavour = FLAVOUR_QSBR,
	  .compare_every = 1,
	  .share = 3 },
	{ .name = "dense",
	  .max = 1023,
	  .flavour = FLAVOUR_FENCE,
	  .compare_every = 50,
	  .share = 16 },
	{ .name = "alone",
	  .max = 1999,
	  .flavour = FLAVOUR_NONE,
	  .compare_every = 50,
	  .share = 16 },
	{ .name = "edge",
	  .min = UINT32_MAX - 70,
	  .max = UINT32_MAX,
	  .flavour = FLAVOUR_CUSTOM,
	  .compare_every = 1,
	  .share = 3 },
	{ .name = "top",
	  .min = UINT32_MAX - 3000,
	  .max = UINT32_MAX,
	  .compare_every = 100,
	  .share = 12 },
	{ .name = "scattered",
	  .max = UINT32_MAX,
	  .points = POINTS,
	  .compare_every = 100,
	  .share = 12 },
	{ .name = "cyclic",
	  .max = 15,
	  .compare_every = 1,
	  .share = 5,
	  .reuse = IOASID_REUSE_CYCLIC,
	  .capacity = 12 },
	{ .name = "quarantine",
	  .min = 7,
	  .max = 40,
	  .compare_every = 1,
	  .share = 5,
	  .quarantine = true },
	{ .name = "both",
	  .max = 1023,
	  .flavour = FLAVOUR_QSBR,
	  .compare_every = 50,
	  .share = 5,
	  .reuse = IOASID_REUSE_CYCLIC,
	  .quarantine = true },
	{ .name = "capacity",
	  .max = UINT32_MAX,
	  .points = POINTS,
	  .compare_every = 10,
	  .share = 5,
	  .capacity = 60 },
	{ .name = "hosted",
	  .max = 31,
	  .compare_every = 1,
	  .share = 5,
	  .hosted = true },
	{ .name = "hosted-wide",
	  .max = UINT32_MAX,
	  .points = POINTS,
	  .compare_every = 10,
	  .share = 5,
	  .quarantine = true,
	  .hosted = true },
};

/* What a store that cannot do all 32 bits gets instead. */
#define NARROW_MAX (((ioasid_t)1 << 14) - 1)

/* How the library is made to look wrong. */
enum fault {
	FAULT_NONE,
	FAULT_QUOTA,
	FAULT_CAPACITY,
	FAULT_RESERVE,
	FAULT_SET,
	FAULT_SPID,
	FAULT_STALE,
	FAULT_CYCLIC,
	FAULT_QUARANTINE,
	FAULT_ALLOCATOR,
	FAULT_HAND_BACK,
	FAULT_NOTICE,
	FAULT_PRIORITY,
	FAULT_DAMAGE,
	FAULT_RESTORE,
	FAULT_CURSOR,
	FAULT_PUBLISH,
	FAULT_RELEASE,
	FAULT_NEXT,
	FAULT_REMOVE,
	FAULT_FREE_ALL,
	FAULTS,
};

/* What an allocator's callbacks belong to. */
struct allocator {
	struct ioasid_allocator_ops ops;
	struct world *world;
};

struct notifier {
	struct ioasid_notifier notifier;
	struct world *world;
	/* done once, on such an event */
	enum model_action action;
	enum ioasid_event on;
	bool armed;
};

struct world {
	struct fixture fixture;
	struct model model;
	const struct universe *universe;
	/* static sets; those of a space made by restore come on top */
	struct ioasid_set set[SETS_ALL];
	ioasid_handle_t handle[HANDLES];
	/* of alloc_cyclic: the space's and the model's */
	ioasid_t cursor[CURSORS], expected_cursor[CURSORS];
	struct allocator allocator[ALLOCATORS];
	/* what the next callbacks answer, after so many refusals */
	ioasid_t answer;
	uint32_t refusals;
	struct notifier notifier[NOTIFIERS];
	/* the store is what is tested: no other takes its place */
	bool pinned;
	/* it has a fault: IDs own no memory, and nobody looks at them again */
	bool faulty;
	enum fault fault;
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
static uint64_t thousands = TEST_LIGHT ? 100 : 3000;

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

/* A set of another space. */
static struct ioasid_set foreign;

/* One that is bound to the space, made by it or not. */
static struct ioasid_set *pick_bound(struct world *world,
				     struct test_random *random)
{
	const struct model *model = &world->model;

	return model->sets ?
		       model->set[test_below(random, (uint32_t)model->sets)]
			       .set :
		       &world->set[test_below(random, SETS)];
}

static struct ioasid_set *pick_set(struct world *world,
				   struct test_random *random)
{
	uint32_t i = test_below(random, 64);

	return i == 63 ? &foreign :
	       i < 16  ? NULL :
	       i < 40  ? &world->set[i % 4] :
			 pick_bound(world, random);
}

static void *pick_data(struct test_random *random)
{
	return (void *)((uintptr_t)test_random(random) << 4);
}

/* For the allocators, if any: vacant and in range as a rule. */
static void choose_answer(struct world *world, struct test_random *random,
			  ioasid_t min, ioasid_t max)
{
	uint32_t kind = test_below(random, 16);
	ioasid_t id = pick(world, random);

	world->refusals = kind < 12 ? 0 : test_below(random, 4);
	if (id < min || id > max)
		id = min;
	while (kind < 10 && id < max && model_entry(&world->model, id))
		id++;
	world->answer = kind == 10 ? INVALID_IOASID :
			kind == 11 ? max + 1 :
			kind == 12 ? min - 1 :
				     id;
}

static void pick_range(const struct world *world, struct test_random *random,
		       ioasid_t *min, ioasid_t *max)
{
	*min = pick(world, random);
	*max = *min;
	switch (test_below(random, 8)) {
	case 0:
		*max = pick(world, random);
		break;
	case 1:
	case 2:
		*max += test_below(random, 5);
		break;
	case 3:
		*min = 0;
		*max = UINT32_MAX;
		break;
	case 4:
		if (!world->universe->points) {
			*min = world->model.min;
			*max = world->model.max;
		}
		break;
	default:
		break;
	}
}

static const char *do_alloc(struct world *world, struct test_random *random)
{
	struct ioasid_set *set = pick_set(world, random);
	void *data = pick_data(random);
	ioasid_t min, max;

	pick_range(world, random, &min, &max);
	choose_answer(world, random, min, max);
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
	static char text[64];

	if (!model_is(ret, world->ret)) {
		snprintf(text, sizeof(text), "%d instead of %d", world->ret,
			 ret);
		return text;
	}
	/* Where stores have a choice they may differ. */
	world->ret = ret;
	return NULL;
}

static const char *do_cyclic(struct world *world, struct test_random *random)
{
	uint32_t i = test_below(random, CURSORS);
	struct ioasid_set *set = pick_set(world, random);
	ioasid_t *next = &world->cursor[i];
	void *data = pick_data(random);
	ioasid_t min, max;
	const char *wrong;

	pick_range(world, random, &min, &max);
	choose_answer(world, random, min, max);
	if (!test_below(random, 16))
		*next = world->expected_cursor[i] = pick(world, random);
	if (world->fault == FAULT_CURSOR && *next)
		*next -= 1;
	world->call = "alloc_cyclic";
	world->ret = ioasid_space_alloc_cyclic(world->fixture.space, set, min,
					       max, data, next, &world->id);
	if (world->ret < 0)
		world->id = INVALID_IOASID;
	wrong = model_alloc_cyclic(&world->model, set, min, max, data,
				   &world->expected_cursor[i], world->ret,
				   world->id);
	if (!wrong && *next != world->expected_cursor[i])
		wrong = "another cursor";
	return wrong;
}

static const char *expect(struct world *world, int ret);

static const char *do_reserve(struct world *world, struct test_random *random)
{
	struct ioasid_space *space = world->fixture.space;
	struct model *model = &world->model;
	struct ioasid_set *set;
	ioasid_t min, max;
	void *data;

	switch (test_below(random, 4)) {
	case 0:
		world->call = "publish_id";
		world->id = pick(world, random);
		data = pick_data(random);
		if (world->fault != FAULT_PUBLISH)
			world->ret =
				ioasid_space_publish_id(space, world->id, data);
		return expect(world, model_publish_id(model, world->id, data));
	case 1:
		world->call = "release_id";
		world->id = pick(world, random);
		if (world->fault == FAULT_RELEASE)
			world->ret = ioasid_space_free(space, world->id);
		else
			world->ret = ioasid_space_release_id(space, world->id);
		return expect(world, model_release_id(model, world->id));
	default:
		set = pick_set(world, random);
		pick_range(world, random, &min, &max);
		choose_answer(world, random, min, max);
		world->call = "reserve_id";
		world->ret = ioasid_space_reserve_id(space, set, min, max,
						     &world->id);
		if (world->ret)
			world->id = INVALID_IOASID;
		return model_reserve_id(model, set, min, max, world->ret,
					world->id);
	}
}

static const char *do_next(struct world *world, struct test_random *random)
{
	struct ioasid_set *set = pick_set(world, random);
	ioasid_t min, max, expected = 4321;
	void *data = world;
	int ret;

	pick_range(world, random, &min, &max);
	world->call = "next";
	world->id = 4321;
	world->data = world;
	world->ret = ioasid_space_next(
		world->fixture.space, set,
		world->fault == FAULT_NEXT && min < max ? min + 1 : min, max,
		&world->id, &world->data);
	ret = model_next_id(&world->model, set, min, max, &expected, &data);
	if (world->id != expected || world->data != data)
		return "another ID or pointer";
	if (world->ret)
		world->data = NULL;
	return expect(world, ret);
}

static const char *do_remove(struct world *world, struct test_random *random)
{
	struct ioasid_set *set = pick_set(world, random);
	void *data = world;
	int ret;

	world->call = "remove";
	world->id = pick(world, random);
	world->data = world;
	world->ret = ioasid_space_remove(
		world->fixture.space, world->fault == FAULT_REMOVE ? NULL : set,
		world->id, &world->data);
	ret = model_remove_id(&world->model, set, world->id, &data);
	if (world->data != data)
		return "another pointer";
	if (world->ret)
		world->data = NULL;
	return expect(world, ret);
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

/* Sets and capacity */

static const struct ioasid_set_config *
pick_config(struct test_random *random, struct ioasid_set_config *config)
{
	static char name[IOASID_NAME_SIZE + 1];
	uint32_t kind = test_below(random, 8);

	if (!kind)
		return NULL;
	memset(name, 0, sizeof(name));
	memset(name, 'a',
	       kind == 1 ? IOASID_NAME_SIZE :
			   test_below(random, IOASID_NAME_SIZE));
	*config = (struct ioasid_set_config){
		.name = kind % 2 ? name : NULL,
		.token = (void *)(uintptr_t)(test_below(random, 6) * 8),
		.quota = kind < 5 ? 0 : test_below(random, 12),
		.reserved = kind < 4 ? 0 : test_below(random, 6),
	};
	return config;
}

static const char *do_set_make(struct world *world, struct test_random *random)
{
	struct ioasid_set *set = &world->set[test_below(random, SETS)];
	struct ioasid_space *space = world->fixture.space;
	struct ioasid_set_config storage;
	const struct ioasid_set_config *config = pick_config(random, &storage);
	bool make = test_below(random, 2) != 0 && world->model.sets < SETS_ALL;

	if (make) {
		world->call = "set_create";
		set = NULL;
		world->ret = ioasid_set_create(space, config, &set);
	} else {
		world->call = "set_bind";
		set = test_below(random, 16) ? set : &foreign;
		world->ret = ioasid_set_bind(space, set, config);
	}
	return expect(world,
		      model_set_bind(&world->model, set, config, world->ret));
}

static const char *do_set_destroy(struct world *world,
				  struct test_random *random)
{
	struct ioasid_set *set = pick_bound(world, random);
	uint32_t kind = test_below(random, 16);

	world->call = "set_destroy";
	if (!kind)
		set = &foreign;
	else if (kind == 1)
		set = &world->set[test_below(random, SETS)];
	if (world->fault != FAULT_SET)
		world->ret = ioasid_set_destroy(world->fixture.space, set);
	return expect(world, model_set_destroy(&world->model, set));
}

static const char *do_set_limit(struct world *world, struct test_random *random)
{
	struct ioasid_set *set =
		test_below(random, 16) ? pick_bound(world, random) : &foreign;
	uint32_t quota = test_below(random, 3) ? test_below(random, 40) : 0;
	uint32_t reserved = test_below(random, 3) ? 0 : test_below(random, 20);

	world->call = "set_limit";
	world->ret = ioasid_set_limit(
		world->fixture.space, set,
		quota && world->fault == FAULT_QUOTA ? quota + 1 : quota,
		reserved);
	return expect(world,
		      model_set_limit(&world->model, set, quota, reserved));
}

static const char *do_set_free_all(struct world *world,
				   struct test_random *random)
{
	struct ioasid_set *set =
		test_below(random, 16) ? pick_bound(world, random) : &foreign;
	uint32_t count = 0, expected = 0;
	int ret;

	world->call = "set_free_all";
	world->ret = ioasid_set_free_all(world->fixture.space, set, &count);
	ret = model_set_free_all(&world->model, set, &expected);
	if (count != expected)
		return "another number of IDs freed";
	return expect(world, ret);
}

static const char *do_free_all(struct world *world, struct test_random *random)
{
	uint32_t count = 0, expected = 0;

	(void)random;
	world->call = "free_all";
	/* One that comes meanwhile may be met, or not. */
	for (size_t i = 0; i < NOTIFIERS; i++)
		if (world->notifier[i].action == MODEL_ALLOC)
			world->notifier[i].armed = false;
	if (world->fault != FAULT_FREE_ALL)
		world->ret =
			ioasid_space_free_all(world->fixture.space, &count);
	world->ret -= model_free_all(&world->model, &expected);
	if (count != expected)
		return "another number of IDs freed";
	return expect(world, 0);
}

static const char *do_set_look(struct world *world, struct test_random *random)
{
	void *token = (void *)(uintptr_t)(test_below(random, 7) * 8);
	struct ioasid_set *set = &foreign, *expected = &foreign;
	int ret;

	if (test_below(random, 2)) {
		world->call = "set_by_token";
		world->ret =
			ioasid_set_by_token(world->fixture.space, token, &set);
		ret = model_set_by_token(&world->model, token, &expected);
	} else {
		world->call = "set_of";
		world->id = pick(world, random);
		world->ret =
			ioasid_set_of(world->fixture.space, world->id, &set);
		ret = model_set_of(&world->model, world->id, &expected);
	}
	if (set != expected)
		return "another set";
	return expect(world, ret);
}

static const char *do_capacity(struct world *world, struct test_random *random)
{
	struct ioasid_space *space = world->fixture.space;
	uint32_t count = test_below(random, 8) ? test_below(random, 8) :
						 test_random(random);
	struct model *model = &world->model;

	switch (test_below(random, 4)) {
	case 0:
		if (world->universe->capacity && count)
			count += world->universe->capacity;
		else
			count = test_below(random, 4) ? 0 : count;
		world->call = "set_capacity";
		world->ret = ioasid_space_set_capacity(space, count);
		return expect(world, model_set_capacity(model, count));
	case 1:
		world->call = "reserve";
		world->ret = ioasid_space_reserve(
			space, world->fault == FAULT_RESERVE ? 0 : count);
		return expect(world, model_reserve(model, count));
	default:
		if (count > 7)
			count = model->stats.reserved;
		world->call = "unreserve";
		world->ret = ioasid_space_unreserve(space, count);
		return expect(world, model_unreserve(model, count));
	}
}

/* SPIDs */

static const char *do_spid_find(struct world *world, struct test_random *random,
				ioasid_t spid)
{
	struct ioasid_set *set =
		test_below(random, 16) ? pick_bound(world, random) : &foreign;
	bool getter = test_below(random, 4) == 0;
	ioasid_t id = 0, expected = 0;
	void *data = world;
	int ret;

	world->call = "spid_find";
	world->data = world;
	world->ret = ioasid_spid_find(world->fixture.space, set, spid,
				      getter ? accept : NULL, &id,
				      &world->data);
	ret = model_spid_find(&world->model, set, spid, &expected, &data);
	if (!ret && getter && !accept(data))
		data = NULL;
	if (id != expected || world->data != data)
		return "another ID or pointer";
	world->id = id;
	return expect(world, ret);
}

static const char *do_spid(struct world *world, struct test_random *random)
{
	struct ioasid_space *space = world->fixture.space;
	ioasid_t spid = test_below(random, 24), expected = INVALID_IOASID;
	ioasid_t got = INVALID_IOASID;
	int ret;

	if (spid == 23)
		spid = INVALID_IOASID;
	world->id = pick(world, random);
	if (world->faulty)
		return NULL;
	switch (test_below(random, 8)) {
	case 0:
	case 1:
		return do_spid_find(world, random, spid);
	case 2:
		world->call = "spid_detach";
		world->ret = ioasid_spid_detach(space, world->id);
		return expect(world,
			      model_spid_detach(&world->model, world->id));
	case 3:
		world->call = "spid_of";
		world->ret = ioasid_spid_of(space, world->id, &got);
		ret = model_spid_of(&world->model, world->id, &expected);
		if (got != expected)
			return "another SPID";
		return expect(world, ret);
	default:
		world->call = "spid_attach";
		world->ret = ioasid_spid_attach(
			space, world->id,
			world->fault == FAULT_SPID ? spid / 2 : spid);
		return expect(world, model_spid_attach(&world->model, world->id,
						       spid, world->ret));
	}
}

/* Handles */

static const char *do_handle(struct world *world, struct test_random *random)
{
	ioasid_handle_t *handle = &world->handle[test_below(random, HANDLES)];
	struct ioasid_set *set = pick_set(world, random);
	struct ioasid_space *space = world->fixture.space;
	ioasid_handle_t used = *handle, expected = 1;
	void *data = world;
	int ret;

	if (!test_below(random, 8) && !world->pinned)
		used += (ioasid_handle_t)test_below(random, 5) << 32;
	world->id = (ioasid_t)used;
	switch (test_below(random, 8)) {
	case 0:
	case 1:
	case 2:
		world->call = "handle";
		world->id = pick(world, random);
		world->ret = ioasid_space_handle(space, set, world->id, handle);
		ret = model_handle(&world->model, set, world->id, &expected);
		if (*handle != expected)
			return "another handle";
		return expect(world, ret);
	case 3:
		world->call = "get_handle";
		world->ret = ioasid_space_get_handle(space, set, used);
		return expect(world,
			      model_get_handle(&world->model, set, used));
	case 4:
		world->call = "free_handle";
		world->ret = ioasid_space_free_handle(space, used);
		return expect(world, model_free_handle(&world->model, used));
	default:
		world->call = "find_handle";
		world->data = world;
		world->ret =
			world->fault == FAULT_STALE ?
				ioasid_space_find(space, set, (ioasid_t)used,
						  NULL, &world->data) :
				ioasid_space_find_handle(space, set, used, NULL,
							 &world->data);
		ret = model_find_handle(&world->model, set, used, &data);
		if (world->data != data)
			return "another pointer";
		return expect(world, ret);
	}
}

/* Allocators */

static ioasid_t ask(ioasid_t min, ioasid_t max, void *data)
{
	struct allocator *allocator = data;
	struct world *world = allocator->world;
	struct model_call call = { .kind = MODEL_ASKED,
				   .whose = &allocator->ops,
				   .min = min,
				   .max = max,
				   .id = world->answer };
	ioasid_t id;

	CHECK(ioasid_space_alloc(world->fixture.space, NULL, min, max, NULL,
				 &id) == -EDEADLK);
	world->model.stats.alloc_failed++;
	if (world->refusals) {
		world->refusals--;
		call.id = INVALID_IOASID;
	}
	model_called(&world->model, &call);
	return world->fault == FAULT_ALLOCATOR && call.id == max ? min :
								   call.id;
}

static void give_back(ioasid_t id, void *data)
{
	struct allocator *allocator = data;
	struct world *world = allocator->world;
	struct model_call call = { .kind = MODEL_GIVEN,
				   .whose = &allocator->ops,
				   .id = id };
	void *found;

	call.ret =
		ioasid_space_find(world->fixture.space, NULL, id, NULL, &found);
	if (world->fault != FAULT_HAND_BACK || id % 4)
		model_called(&world->model, &call);
}

/* The same in other functions: another source. */
static ioasid_t ask_other(ioasid_t min, ioasid_t max, void *data)
{
	return ask(min, max, data);
}

static void allocator_released(struct ioasid_allocator_ops *ops)
{
	struct allocator *allocator = (struct allocator *)ops;
	struct model_call call = { .kind = MODEL_RELEASED, .whose = ops };

	model_called(&allocator->world->model, &call);
}

static void set_up_allocators(struct world *world)
{
	size_t i;

	for (i = 0; i < ALLOCATORS; i++)
		world->allocator[i] = (struct allocator){
			.ops = { .alloc = i < 2 ? ask : ask_other,
				 .free = give_back,
				 .pdata = &world->allocator[i],
				 .release = i % 2 ? allocator_released : NULL },
			.world = world,
		};
}

static const char *do_allocator(struct world *world, struct test_random *random)
{
	struct ioasid_allocator_ops *ops =
		&world->allocator[test_below(random, ALLOCATORS)].ops;
	struct ioasid_space *space = world->fixture.space;
	enum ioasid_unregister mode = test_below(random, 2) ?
					      IOASID_UNREGISTER_KEEP :
					      IOASID_UNREGISTER_IDLE;

	/* Elsewhere the space's own choice is what is tested. */
	if (world->faulty ||
	    (!world->universe->hosted && test_below(random, 8)))
		return NULL;
	if (test_below(random, world->universe->hosted ? 3 : 2)) {
		world->call = "register_allocator";
		world->ret = ioasid_space_register_allocator(space, ops);
		return expect(world,
			      model_register_allocator(&world->model, ops));
	}
	world->call = "unregister_allocator";
	world->ret = ioasid_space_unregister_allocator(space, ops, mode);
	return expect(world,
		      model_unregister_allocator(&world->model, ops, mode));
}

/* Notifiers */

static void act(struct notifier *notifier, const struct ioasid_notice *notice)
{
	struct world *world = notifier->world;
	struct ioasid_space *space = world->fixture.space;
	struct model_call call = {
		.kind = MODEL_DID,
		.whose = notifier,
		.action = notifier->action,
		.id = ioasid_handle_id(notice->handle),
		.min = world->model.min,
		.max = world->model.max,
	};
	size_t at = 0;

	/* Its place in order: before the calls it causes. */
	model_called(&world->model, &call);
	at = world->model.calls - 1;
	switch (call.action) {
	case MODEL_GET:
		call.ret = ioasid_space_get(space, NULL, call.id);
		break;
	case MODEL_FREE:
		call.ret = ioasid_space_free(space, call.id);
		break;
	case MODEL_ALLOC:
		call.id = INVALID_IOASID;
		call.ret = ioasid_space_alloc(space, NULL, call.min, call.max,
					      NULL, &call.id);
		break;
	case MODEL_UNREGISTER:
		call.ret = ioasid_space_unregister_notifier(
			space, &notifier->notifier);
		break;
	default:
		call.ret = ioasid_space_notify(space, call.id,
					       IOASID_EVENT_BIND, NULL);
		break;
	}
	world->model.call[at] = call;
}

static void told(struct ioasid_notifier *of, const struct ioasid_notice *notice)
{
	struct notifier *notifier = (struct notifier *)of;
	struct model_call call = { .kind = MODEL_TOLD,
				   .whose = of,
				   .notice = *notice };

	if (notifier->world->fault == FAULT_NOTICE && call.notice.spid == 1)
		return;
	model_called(&notifier->world->model, &call);
	if (!notifier->armed || notifier->on != notice->event)
		return;
	notifier->armed = false;
	act(notifier, notice);
}

static void notifier_released(struct ioasid_notifier *of)
{
	struct notifier *notifier = (struct notifier *)of;
	struct model_call call = { .kind = MODEL_RELEASED, .whose = of };

	model_called(&notifier->world->model, &call);
}

static const char *do_notifier(struct world *world, struct test_random *random)
{
	struct notifier *of = &world->notifier[test_below(random, NOTIFIERS)];
	struct ioasid_notifier *notifier = &of->notifier;
	struct ioasid_space *space = world->fixture.space;
	struct ioasid_set *set =
		test_below(random, 2) ? NULL : pick_set(world, random);
	enum ioasid_event event = test_below(random, 4);

	if (world->faulty)
		return NULL;
	switch (test_below(random, 8)) {
	case 0:
		world->call = "register_notifier";
		if (!notifier->space)
			*of = (struct notifier){
				.notifier = { .notify = told,
					      .release = notifier_released,
					      .priority = (int)test_below(
						      random, 3) },
				.world = world,
			};
		if (world->fault == FAULT_PRIORITY)
			notifier->priority = -notifier->priority;
		world->ret =
			ioasid_space_register_notifier(space, set, notifier);
		if (world->fault == FAULT_PRIORITY)
			notifier->priority = -notifier->priority;
		return expect(world, model_register_notifier(&world->model, set,
							     notifier));
	case 1:
		world->call = "unregister_notifier";
		world->ret = ioasid_space_unregister_notifier(space, notifier);
		return expect(world, model_unregister_notifier(&world->model,
							       notifier));
	case 2:
	case 3:
	case 4:
		of->armed = true;
		of->action = test_below(random, MODEL_ACTIONS);
		of->on = event;
		return NULL;
	default:
		world->call = "notify";
		world->id = pick(world, random);
		world->ret =
			ioasid_space_notify(space, world->id, event, world);
		return expect(world, model_notify(&world->model, world->id,
						  event, world));
	}
}

/* A space and its model, in the range of the world's. */
static struct ioasid_space *world_space(struct world *world,
					const struct test_store *store)
{
	struct ioasid_space_config config;
	struct ioasid_space *space;

	fixture_space_config(&world->fixture, &config, world->model.min,
			     world->model.max);
	config.store = store->kind;
	config.store_ops = store->ops;
	if (world->fault != FAULT_CYCLIC)
		config.reuse = world->universe->reuse;
	config.quarantine = world->universe->quarantine &&
			    world->fault != FAULT_QUARANTINE;
	config.capacity = world->universe->capacity;
	if (config.capacity && world->fault == FAULT_CAPACITY)
		config.capacity++;
	config.name = world->universe->name;
	CHECK(!ioasid_space_create(&config, &space));
	return space;
}

static void world_model(const struct world *world, struct model *model)
{
	const struct ioasid_space_config config = {
		.reuse = world->universe->reuse,
		.quarantine = world->universe->quarantine,
		.capacity = world->universe->capacity,
	};

	model_configure(model, &config);
	model->foreign = &foreign;
	model->in_section = world->model.in_section;
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

/* The space moves to another, by its snapshot. */

static uint64_t encode(void *context, ioasid_t id, void *data)
{
	(void)context;
	(void)id;
	return (uintptr_t)data;
}

static int decode(void *context, ioasid_t id, uint64_t number, void **data)
{
	(void)context;
	(void)id;
	*data = (void *)(uintptr_t)number;
	return 0;
}

static uint64_t encode_token(void *context, void *token)
{
	return encode(context, 0, token);
}

static int decode_token(void *context, uint64_t number, void **token)
{
	return decode(context, 0, number, token);
}

struct restored {
	struct world *world;
	uint32_t given;
};

/* A static one for some, while there are. */
static struct ioasid_set *restore_set(void *context,
				      const struct ioasid_set_info *stats)
{
	struct restored *restored = context;
	uint32_t i = SETS + restored->given;

	if (stats->quota || i == SETS_ALL ||
	    ioasid_load_relaxed(&restored->world->set[i].space))
		return NULL;
	restored->given++;
	return &restored->world->set[i];
}

struct snapshot {
	uint8_t *bytes;
	size_t size;
};

static const char *take_snapshot(struct ioasid_space *space,
				 struct snapshot *snapshot)
{
	struct ioasid_codec codec = { .encode = encode,
				      .encode_token = encode_token };
	size_t needed = 0;

	if (ioasid_space_snapshot(space, &codec, NULL, 0, &needed) !=
		    -ENOBUFS ||
	    !needed)
		return "snapshot: does not say its size";
	snapshot->bytes = malloc(needed);
	CHECK(snapshot->bytes);
	if (ioasid_space_snapshot(space, &codec, snapshot->bytes, needed,
				  &snapshot->size))
		return "snapshot: refused";
	return snapshot->size == needed ? NULL : "snapshot: another size";
}

static const char *same_snapshot(struct ioasid_space *space,
				 const struct snapshot *snapshot)
{
	struct snapshot again = { NULL, 0 };
	const char *wrong = take_snapshot(space, &again);

	if (!wrong && (again.size != snapshot->size ||
		       memcmp(again.bytes, snapshot->bytes, again.size)))
		wrong = "restore: another snapshot";
	free(again.bytes);
	return wrong;
}

static int restore(struct world *world, struct ioasid_space *space,
		   const uint8_t *bytes, size_t size)
{
	struct restored restored = { world, 0 };
	struct ioasid_codec codec = { .decode = decode,
				      .decode_token = decode_token,
				      .restore_set = restore_set,
				      .context = &restored };
	/* Of its exact size, so that a read past its end is seen. */
	uint8_t *copy = malloc(size ? size : 1);
	int ret;

	CHECK(copy);
	memcpy(copy, bytes, size);
	ret = ioasid_space_restore(space, &codec, copy, size);
	free(copy);
	return ret;
}

/* One byte is another, or some are missing. */
static const char *restore_damaged(struct world *world,
				   struct test_random *random,
				   const struct model *empty,
				   struct ioasid_space *space,
				   struct snapshot *snapshot)
{
	size_t at = test_below(random, (uint32_t)snapshot->size);
	uint8_t flip = (uint8_t)(1 + test_below(random, 255));
	int ret;

	if (test_below(random, 3)) {
		snapshot->bytes[at] ^= flip;
		ret = restore(world, space, snapshot->bytes, snapshot->size);
		snapshot->bytes[at] ^= flip;
	} else {
		ret = restore(world, space, snapshot->bytes,
			      world->fault == FAULT_DAMAGE ? snapshot->size :
							     at);
	}
	if (ret != -EBADMSG)
		return "restore: damage not seen";
	return model_compare(empty, space);
}

/* @to: of @space, which is empty. */
static const char *restore_into(struct world *world, struct test_random *random,
				struct model *to, struct ioasid_space *space,
				struct snapshot *snapshot)
{
	struct ioasid_allocator_ops *ops = &world->allocator[1].ops;
	uint32_t capacity = world->model.stats.capacity;
	const char *wrong = NULL;
	bool hosted = false;
	size_t i;

	for (i = 0; i < world->model.count; i++)
		hosted |= world->model.entry[i].ops != NULL &&
			  world->model.entry[i].state != MODEL_RESERVED;
	if (ioasid_space_set_capacity(space, capacity) ||
	    model_set_capacity(to, capacity))
		return "restore: capacity";
	if (hosted &&
	    restore(world, space, snapshot->bytes, snapshot->size) != -ENODEV)
		return "restore: without allocator";
	if (hosted && (ioasid_space_register_allocator(space, ops) ||
		       model_register_allocator(to, ops)))
		return "restore: allocator";
	for (i = 0; i < 4 && !wrong; i++)
		wrong = restore_damaged(world, random, to, space, snapshot);
	if (wrong)
		return wrong;
	if (restore(world, space, snapshot->bytes, snapshot->size))
		return "restore: refused";
	if (world->fault == FAULT_RESTORE && world->model.count)
		ioasid_space_exchange_data(space, world->model.entry[0].id,
					   world, NULL);
	wrong = model_restore(&world->model, to, space);
	if (!wrong)
		wrong = model_compare(to, space);
	/* Else its sets were numbered once before. */
	if (!wrong && !hosted)
		wrong = same_snapshot(space, snapshot);
	if (!wrong && to->count &&
	    restore(world, space, snapshot->bytes, snapshot->size) != -EBUSY)
		wrong = "restore: not empty";
	return wrong;
}

static const char *do_migrate(struct world *world, struct test_random *random)
{
	const struct test_store *store = world->fixture.store, *other;
	struct snapshot snapshot = { NULL, 0 };
	struct ioasid_space *space;
	const char *wrong;
	struct model to;

	world->call = "migrate";
	other = &test_stores[test_below(random, TEST_STORES)];
	if ((world->depth && has_sections(world)) ||
	    !model_tells_apart(&world->model))
		return NULL;
	if (!world->pinned &&
	    other->ids_max > world->model.max - world->model.min)
		store = other;
	space = world_space(world, store);
	model_init(&to, world->model.min, world->model.max,
		   model_space_generation, space);
	world_model(world, &to);
	wrong = take_snapshot(world->fixture.space, &snapshot);
	if (!wrong)
		wrong = restore_into(world, random, &to, space, &snapshot);
	free(snapshot.bytes);
	/* What destroy waits for ends a section of qsbr. */
	next_section(world);
	memset(world->handle, 0, sizeof(world->handle));
	CHECK(!ioasid_space_destroy(world->fixture.space));
	memset(world->notifier, 0, sizeof(world->notifier));
	model_space_destroyed(&world->model);
	if (!wrong)
		wrong = model_wrong(&world->model);
	model_destroy(&world->model);
	world->model = to;
	world->fixture.space = space;
	world->fixture.store = store;
	return wrong;
}

static const char *step(struct world *world, struct test_random *random)
{
	static const struct {
		const char *(*func)(struct world *world,
				    struct test_random *random);
		uint32_t weight;
	} calls[] = {
		{ do_alloc, 30 },    { do_free, 18 },
		{ do_find, 20 },     { do_get, 8 },
		{ do_put, 10 },	     { do_exchange, 5 },
		{ do_for_each, 1 },  { do_section, 4 },
		{ do_set_data, 1 },  { do_free_deferred, 3 },
		{ do_set_make, 2 },  { do_set_destroy, 2 },
		{ do_set_limit, 1 }, { do_set_look, 2 },
		{ do_capacity, 3 },  { do_spid, 6 },
		{ do_handle, 8 },    { do_allocator, 3 },
		{ do_notifier, 3 },  { do_cyclic, 5 },
		{ do_reserve, 10 },  { do_next, 2 },
		{ do_remove, 4 },
	};
	uint32_t at = test_below(random, 1512);
	const char *wrong, *calls_wrong;
	bool rare;
	size_t i;

	world->id = INVALID_IOASID;
	world->data = NULL;
	world->ret = 0;
	/* Rare, for what they cost and undo. */
	rare = at >= 1510;
	at /= 10;
	for (i = 0; !rare && at >= calls[i].weight; i++)
		at -= calls[i].weight;
	if (!rare)
		wrong = calls[i].func(world, random);
	else if (test_below(random, 2))
		wrong = do_migrate(world, random);
	else if (test_below(random, 2))
		wrong = do_free_all(world, random);
	else
		wrong = do_set_free_all(world, random);
	calls_wrong = model_wrong(&world->model);
	return wrong ? wrong : calls_wrong;
}

static void begin(struct world *world, const struct test_store *store,
		  const struct universe *universe, uint64_t seed,
		  enum fault fault)
{
	struct test_random random = { seed };
	ioasid_t min = universe->min, max = universe->max;
	size_t i;

	memset(world, 0, sizeof(*world));
	world->fault = fault;
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
	set_up_allocators(world);
	fixture_rcu(&world->fixture);
	world->model.min = min;
	world->model.max = max;
	world->fixture.space = world_space(world, store);
	model_init(&world->model, min, max, model_space_generation,
		   world->fixture.space);
	world_model(world, &world->model);
	if (universe->hosted)
		CHECK(ioasid_space_register_allocator(
			      world->fixture.space, &world->allocator[0].ops) ==
		      model_register_allocator(&world->model,
					       &world->allocator[0].ops));
	if (!has_sections(world))
		section_begin(world);
}

/* Drains the space; what is wrong with what remains, or NULL. */
static void leave_sections(struct world *world)
{
	for (; world->depth; world->depth--)
		ioasid_rcu_read_unlock(world->fixture.rcu);
}

static const char *end(struct world *world)
{
	struct ioasid_space *space = world->fixture.space;
	struct ioasid_stats stats;
	size_t i;

	leave_sections(world);
	for (i = 0; i < NOTIFIERS; i++)
		world->notifier[i].armed = false;
	for (i = 0; i < world->model.count; i++) {
		struct model_entry *entry = &world->model.entry[i];

		if (entry->state == MODEL_RESERVED &&
		    ioasid_space_release_id(space, entry->id))
			return "drain: a reserved ID could not be released";
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
	if (stats.live || stats.pending || stats.unpublished ||
	    stats.allocs != stats.frees)
		return "drain: IDs remain";
	if (ioasid_space_unreserve(space, stats.reserved))
		return "drain: what was reserved is not";
	for (i = 0; i < world->model.sets; i++)
		if (ioasid_set_destroy(space, world->model.set[i].set))
			return "drain: a set is not empty";
	ioasid_space_stats(space, &stats);
	if (stats.committed || stats.sets)
		return "drain: capacity is not back";
	if (!ioasid_space_validate(space, NULL))
		return "drain: not valid";
	world->section++;
	CHECK(!ioasid_rcu_barrier(world->fixture.rcu));
	return world->called == world->retired ? NULL : "drain: callbacks lost";
}

static void dispose(struct world *world)
{
	leave_sections(world);
	fixture_done(&world->fixture);
	test_memory_done(&world->fixture.memory);
	model_destroy(&world->model);
}

static const char *run(const struct test_store *store,
		       const struct universe *universe, uint64_t seed,
		       uint64_t ops, enum fault fault)
{
	struct test_random random = { seed };
	struct world *world = malloc(sizeof(*world));
	const char *wrong = NULL, *call;
	uint64_t i;

	CHECK(world);
	begin(world, store, universe, seed, fault);
	world->faulty = store->kind == IOASID_STORE_CUSTOM &&
			store->ops != &array_store_ops;
	world->pinned = world->faulty;
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
				ops / 2, FAULT_NONE));
		assert_null(run(fixture->store, &universes[i],
				first_seed + i + 1000, ops / 2, FAULT_NONE));
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
	for (s = 0; s < count; s++) {
		begin(&worlds[s], &stores[s], universe, seed, FAULT_NONE);
		worlds[s].pinned = true;
	}
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
	/* No callback runs within a section of any domain of epoch. */
	for (s = 0; s < count; s++)
		leave_sections(&worlds[s]);
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
	static const struct universe all[] = {
		{ .name = "all", .min = 500, .max = 3000, .points = POINTS },
		{ .name = "cyclic",
		  .max = 300,
		  .reuse = IOASID_REUSE_CYCLIC,
		  .capacity = 200 },
		{ .name = "hosted", .max = 300, .hosted = true },
	};
	uint64_t ops = thousands * 200, seed = first_seed;
	const char *wrong;

	(void)fixture;
	while (ops) {
		const struct universe *universe = &all[seed % ARRAY_SIZE(all)];
		uint64_t some = ops < 20000 ? ops : 20000;
		uint64_t done = lockstep(test_stores, TEST_STORES, universe,
					 seed++, some, true, &wrong);

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
						  &faulty[i], UINT32_MAX,
						  NULL };

		for (u = 0; u < 3; u++)
			assert_non_null(run(&store, &universes[u], first_seed,
					    20000, FAULT_NONE));
	}
}

/* What is beside the stores: somewhere it shows. */
static void lies_are_caught(struct fixture *fixture)
{
	enum fault fault;
	size_t u, caught;

	(void)fixture;
	for (fault = FAULT_NONE; fault < FAULTS; fault++) {
		caught = 0;
		for (u = 0; u < ARRAY_SIZE(universes); u++)
			caught += run(&test_stores[0], &universes[u],
				      first_seed, 5000, fault) != NULL;
		print_message("fault %d: caught in %zu\n", (int)fault, caught);
		if (fault == FAULT_NONE)
			assert_int_equal(caught, 0);
		else
			assert_true(caught > 0);
	}
}

/* And what the stores disagree on, without the model's help. */
static void disagreement_is_caught(struct fixture *fixture)
{
	struct ioasid_store_ops faulty = array_store_ops;
	const struct test_store stores[] = {
		test_stores[0],
		{ "fault", IOASID_STORE_CUSTOM, &faulty, UINT32_MAX, NULL },
	};
	const char *wrong = NULL;

	(void)fixture;
	faulty.claim = second_lowest;
	lockstep(stores, 2, &universes[0], first_seed, 1000, false, &wrong);
	assert_non_null(wrong);
	assert_string_equal(wrong, "stores differ");
}

#if MODEL_TURNS
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
	begin(world, fixture->store, &universes[4], first_seed, FAULT_NONE);
	ops.poll = always;
	flavour.ops = &ops;
	fixture_done(&world->fixture);
	world->fixture.flavour = &flavour;
	fixture_rcu(&world->fixture);
	fixture_space(&world->fixture, 0, 15);
	model_init(&world->model, 0, 15, model_space_generation,
		   world->fixture.space);
	world->model.foreign = &foreign;
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
		CASE(lies_are_caught, NO_SPACE | NO_RCU),
		CASE(disagreement_is_caught, NO_SPACE | NO_RCU),
#if MODEL_TURNS
		CASE(early_return_is_caught, NO_SPACE | NO_RCU),
#endif
	};
	struct ioasid_space *other;
	ioasid_t id;
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
	CHECK(!ioasid_space_create(NULL, &other));
	CHECK(!ioasid_space_alloc(other, &foreign, 0, 0, NULL, &id));
	i = test_run("property", cases, ARRAY_SIZE(cases));
	CHECK(!ioasid_space_destroy(other));
	return i;
}
