/* SPDX-License-Identifier: MIT */
/* Three sides are made, take the same steps, and give back all they have. */
#include "fuzz/api/harness.h"

#include "fuzz/target.h"

/* More live IDs than that are freed in one call at the end. */
#define FEW 48
#define WIDE 4096

struct harness harness;
const struct ioasid_store_ops *harness_store_ops;
const struct ioasid_rcu_ops *harness_rcu_ops;
void (*harness_ran)(void);
void (*harness_mismatch)(void);
struct ioasid_set foreign_set;

_Noreturn void mismatch(const struct side *side, const char *what)
{
	static char text[300];

	snprintf(text, sizeof(text), "%s: %s", side ? side->name : "all", what);
	harness.wrong = text;
	harness.wrong_side = side;
	if (harness_mismatch)
		harness_mismatch();
	fuzz_failed(__FILE__, __LINE__, text);
}

_Noreturn void harness_failed(const char *file, int line, const char *what)
{
	static char text[256];

	snprintf(text, sizeof(text), "%s:%d: %s", file, line, what);
	mismatch(harness.wrong_side, text);
}

const struct model *reference(void)
{
	for (size_t i = 0; i < SIDES; i++)
		if (!harness.side[i].absent)
			return &harness.side[i].model;
	return NULL;
}

bool is_made(uint32_t slot)
{
	for (size_t i = 0; i < SIDES; i++)
		if (!harness.side[i].absent &&
		    harness.side[i].actors.made[slot])
			return true;
	return false;
}

bool work_left(void)
{
	return harness.work < harness.work_max;
}

/* A step on all sides */

/* Steps that end what is a read section to qsbr. */
static bool is_quiescent(enum step_op op)
{
	return op == STEP_SYNCHRONIZE || op == STEP_BARRIER ||
	       op == STEP_SET_DATA || op == STEP_QUIESCENT ||
	       op == STEP_OFFLINE || op == STEP_ANONYMOUS ||
	       op == STEP_SNAPSHOT;
}

static void offline(void)
{
	for (size_t i = 0; i < SIDES; i++) {
		model_read_unlock(&harness.side[i].model);
		sequence_leave(&harness.side[i].deferred);
	}
}

static void online(void)
{
	for (size_t i = 0; i < SIDES; i++) {
		model_read_lock(&harness.side[i].model);
		sequence_enter(&harness.side[i].deferred);
	}
}

static bool is_armed(void)
{
	for (size_t i = 0; i < SIDES; i++)
		for (size_t n = 0; n < SEQUENCE_NOTIFIERS; n++)
			if (harness.side[i].actors.notifier[n].armed)
				return true;
	return false;
}

bool step_needs_set(enum step_op op)
{
	return op == STEP_SET_BIND || op == STEP_SET_DESTROY ||
	       op == STEP_SET_LIMIT || op == STEP_SET_FREE_ALL ||
	       op == STEP_SET_STATS || op == STEP_SPID_FIND;
}

/* May it be asked for here? What waits may not be in a section of qsbr. */
static bool is_legal(const struct step *step)
{
	if (step->set >= SET_MADE && step->set != SET_FOREIGN &&
	    !is_made(step->set - SET_MADE))
		return false;
	if (step->set == SET_NONE && step_needs_set(step->op))
		return false;
	if (is_qsbr() && harness.depth && is_quiescent(step->op))
		return false;
	switch (step->op) {
	case STEP_READ_LOCK:
		return harness.depth < DEPTH_MAX;
	case STEP_READ_UNLOCK:
		return harness.depth;
	case STEP_POLL:
		return harness.cookie_taken;
	case STEP_DESTROY:
		return harness.depth && !is_qsbr();
	case STEP_ANONYMOUS:
		/* A custom flavour counts no readers; the system has memory. */
		return !harness.depth &&
		       harness.config.flavour != IOASID_RCU_CUSTOM &&
		       !(harness.config.own &&
			 harness.config.memory == MEMORY_SYSTEM);
	case STEP_QUIESCENT:
	case STEP_OFFLINE:
	case STEP_SNAPSHOT:
		return !harness.depth;
	case STEP_FREE_ALL:
		/* A notifier may allocate what it would meet or not. */
		return !is_armed();
	case STEP_SET_CREATE:
		/* The one before would be lost. */
		return !is_made(step->slot);
	default:
		return true;
	}
}

static void note(const struct step *step)
{
	if (harness.steps == harness.steps_room) {
		harness.steps_room =
			harness.steps_room ? 2 * harness.steps_room : 256;
		harness.step = realloc(harness.step,
				       harness.steps_room * sizeof(*step));
		CHECK(harness.step);
	}
	harness.step[harness.steps++] = *step;
}

/* What it costs, an ID's free in the end included. */
static uint64_t cost(const struct side *side, const struct step *step)
{
	switch (step->op) {
	case STEP_SNAPSHOT:
		return 150 + 20 * side->model.count +
		       (side->model.max - side->model.min) % (1u << 26) / 16;
	case STEP_GET_MANY:
	case STEP_PUT_MANY:
		return 12 + step->number / 8;
	case STEP_CYCLE:
		return 12 + 4 * step->number;
	case STEP_FOR_EACH:
	case STEP_NEXT:
	case STEP_DUMP:
		return 12 + side->model.count / 2;
	default:
		return 12 + side->model.sets / 16;
	}
}

/* Runs what memory or the pending limit refused again, to keep in step. */
static struct step_result *run_again(struct side *side, struct step step,
				     struct step_result *result)
{
	if (step.fail_at && result->ret == -ENOMEM)
		step.fail_at = 0;
	else if (step.op == STEP_FREE_DEFERRED && result->ret == -EAGAIN)
		step.op = STEP_FREE;
	else
		return result;
	check(side, &step);
	return run_side(side, &step);
}

static bool same(const struct step *step, const struct step_result *a,
		 const struct step_result *b)
{
	return (a->any || b->any || a->ret == b->ret) && a->id == b->id &&
	       a->value == b->value &&
	       (step->op != STEP_STATS ||
		(a->stats.live == b->stats.live &&
		 a->stats.pending == b->stats.pending &&
		 a->stats.frees == b->stats.frees &&
		 a->stats.allocs == b->stats.allocs &&
		 a->stats.sets == b->stats.sets));
}

/* What is printed is what the first says. */
static void compare(const struct side *first, struct side *side,
		    const struct step *step, const struct step_result *result)
{
	const struct step_result *expected = &result[first - harness.side];
	struct step_result *last = &side->log[side->count - 1].result;

	if (same(step, expected, &result[side - harness.side]))
		return;
	last->ret = expected->ret;
	last->id = expected->id;
	last->value = expected->value;
	last->stats = expected->stats;
	mismatch(side, "another answer than another store's");
}

void run(const struct step *wanted)
{
	struct step_result result[SIDES];
	struct side *side, *first = NULL;
	struct step step = *wanted;
	bool quiescent = is_qsbr() && is_quiescent(step.op);

	if (!is_legal(&step))
		return;
	/* What a notifier does is not done again with memory, nor all turns. */
	if (is_armed() || step.op == STEP_CYCLE)
		step.fail_at = 0;
	note(&step);
	if (quiescent)
		offline();
	for (size_t i = 0; i < SIDES; i++) {
		side = &harness.side[i];
		if (side->absent)
			continue;
		result[i] = *run_again(side, step, run_side(side, &step));
		harness.work += cost(side, &step);
	}
	harness.wrong_side = NULL;
	if (quiescent)
		online();
	if (step.op == STEP_START_POLL)
		harness.cookie_taken = true;
	if (step.op == STEP_READ_LOCK)
		harness.depth++;
	if (step.op == STEP_READ_UNLOCK)
		harness.depth--;
	for (size_t i = 0; i < SIDES; i++)
		if (!harness.side[i].absent)
			check_now_and_then(&harness.side[i], &step);
	for (size_t i = 0; i < SIDES && !harness.diverged; i++) {
		side = &harness.side[i];
		if (side->absent)
			continue;
		if (!first)
			first = side;
		else
			compare(first, side, &step, result);
	}
}

void run_op(enum step_op op)
{
	run(&(struct step){ .op = op });
}

void unlock_all(void)
{
	while (harness.depth)
		run_op(STEP_READ_UNLOCK);
}

/* Making the sides */

static void make_rcu(struct side *side)
{
	const struct harness_config *config = &harness.config;
	struct ioasid_rcu_config rcu = {
		.flavour = config->flavour,
		.ops = harness_rcu_ops ? harness_rcu_ops : &sequence_rcu_ops,
		.ops_context = &side->own_flavour,
		.memory = sequence_hooks(&side->rcu_memory, false),
		.pending_limit = config->pending_limit,
		.no_membarrier = config->no_membarrier,
	};

	CHECK(ioasid_rcu_create(&rcu, &side->rcu) == 0);
	CHECK(ioasid_rcu_thread_register(side->rcu) == 0);
}

static int create(struct side *side, const struct ioasid_space_config *config)
{
	return side->is_default ?
		       sequence_default_create(config, &side->space) :
		       ioasid_space_create(config, &side->space);
}

static void make_space(struct side *side, struct ioasid_space_config *space)
{
	const struct harness_config *config = &harness.config;
	bool wide = config->max - config->min >= IOASID_BITMAP_IDS_MAX &&
		    side->store == IOASID_STORE_BITMAP;

	sequence_fail(&side->memory, config->create_fail);
	side->create_ret = create(side, space);
	if (side->memory.failed) {
		EXPECT(side->create_ret == -ENOMEM, "create without memory");
		EXPECT(!side->memory.bytes, "a failed create kept memory");
		sequence_fail(&side->memory, 0);
		side->create_ret = create(side, space);
	}
	sequence_fail(&side->memory, 0);
	EXPECT(side->create_ret == (wide ? -E2BIG : 0), "create: result");
	side->absent = wide;
}

static struct ioasid_space_config space_config(struct side *side)
{
	const struct harness_config *config = &harness.config;
	struct ioasid_space_config space = {
		.min = config->min,
		.max = config->max,
		.store = side->store,
		.flavour = config->flavour,
		.hash_seed = config->hash_seed,
		.reuse = config->reuse,
		.quarantine = config->quarantine,
		.capacity = config->capacity,
		.name = "fuzz",
	};

	if (config->memory != MEMORY_SYSTEM)
		space.memory = sequence_hooks(&side->memory,
					      config->memory == MEMORY_RANGES);
	if (config->lock)
		space.lock = sequence_lock_ops(&side->lock);
	return space;
}

static void make_side(struct side *side)
{
	const struct harness_config *config = &harness.config;
	struct ioasid_space_config space = space_config(side);
	const struct ioasid_space_config policy = space;
	struct ioasid_stats stats;

	harness.wrong_side = side;
	side->is_default = side == harness.side + config->by_default;
	if (side->store == IOASID_STORE_HASH &&
	    (harness_store_ops || config->custom)) {
		space.store = IOASID_STORE_CUSTOM;
		space.store_ops = harness_store_ops ? harness_store_ops :
						      &ioasid_hash_ops;
	}
	if (harness_calls.configure)
		harness_calls.configure(&space);
	if (config->shared && side > harness.side)
		side->rcu = harness.side[0].rcu;
	else if (!config->own)
		make_rcu(side);
	space.rcu = side->rcu;
	make_space(side, &space);
	if (side->absent)
		return;
	side->rcu = ioasid_space_rcu(side->space);
	if (config->own)
		CHECK(ioasid_rcu_thread_register(side->rcu) == 0);
	memset(side->set, 0, config->sets * sizeof(*side->set));
	model_init(&side->model, config->min, config->max,
		   model_space_generation, side->space);
	model_configure(&side->model, &policy);
	side->model.foreign = &foreign_set;
	sequence_set_up(&side->actors, side->space);
	side->actors.begin = on_begin;
	side->actors.end = on_end;
	side->actors.context = &side->model;
	if (is_qsbr()) {
		model_read_lock(&side->model);
		sequence_enter(&side->deferred);
	}
	ioasid_space_stats(side->space, &stats);
	side->overhead = side->memory.bytes - stats.memory;
	check(side, &(struct step){ .op = STEP_STATS });
}

static void remove_side(struct side *side)
{
	const struct harness_config *config = &harness.config;

	harness.wrong_side = side;
	if (side->absent)
		return;
	if (!config->own)
		CHECK(ioasid_rcu_destroy(side->rcu) == -EBUSY);
	if (is_qsbr())
		sequence_leave(&side->deferred);
	if (side->is_default)
		CHECK(sequence_default_destroy() == 0);
	else
		CHECK(ioasid_space_destroy(side->space) == 0);
	model_space_destroyed(&side->model);
	EXPECT(!model_wrong(&side->model), "destroy: hand-back");
	EXPECT(side->deferred.called == side->deferred.added,
	       "destroy left callbacks");
	for (uint32_t i = 0; i < config->sets; i++)
		CHECK(!ioasid_load_relaxed(&side->set[i].space));
	EXPECT(!side->memory.bytes, "memory is not back");
	EXPECT(!side->lock.held, "the lock is held");
}

static void remove_rcu(struct side *side)
{
	harness.wrong_side = side;
	if (side->rcu && !harness.config.own &&
	    (!harness.config.shared || side == harness.side))
		CHECK(ioasid_rcu_destroy(side->rcu) == 0);
	EXPECT(!side->rcu_memory.bytes, "memory of the domain is not back");
}

/* Of an absent one nothing is left to be freed: it never was. */
static void done(struct side *side)
{
	harness.wrong_side = NULL;
	if (side->absent)
		return;
	CHECK(!side->deferred.retired);
	model_destroy(&side->model);
}

/* Taking back */

struct id_list {
	ioasid_t *id;
	size_t count;
};

static struct id_list list_ids(const struct side *side)
{
	const struct model *model = &side->model;
	struct id_list list = { NULL, 0 };

	if (side->absent || !model->count)
		return list;
	list.id = malloc(model->count * sizeof(*list.id));
	CHECK(list.id);
	for (; list.count < model->count; list.count++)
		list.id[list.count] = model->entry[list.count].id;
	return list;
}

/*
 * Uses every ID that waited for its turn at the start of the first round: not
 * later than in the second it can be had. It may turn again.
 */
static void end_quarantine(struct side *side, struct id_list *list, bool last)
{
	struct step alloc = { .op = STEP_ALLOC }, release = { .op = STEP_FREE };
	size_t left = 0;

	for (size_t i = 0; i < list->count; i++) {
		alloc.id = alloc.max = release.id = list->id[i];
		alloc.answers = true;
		alloc.answer = list->id[i];
		if (run_side(side, &alloc)->ret) {
			EXPECT(!last, "an ID stays in quarantine");
			list->id[left++] = alloc.id;
		} else {
			run_side(side, &release);
		}
		check(side, &alloc);
	}
	list->count = left;
}

static void end_quarantines(void)
{
	struct id_list lists[SIDES];

	for (size_t i = 0; i < SIDES; i++)
		lists[i] = list_ids(&harness.side[i]);
	for (unsigned int round = 0; round < 2; round++) {
		run_op(STEP_SYNCHRONIZE);
		for (size_t i = 0; i < SIDES; i++)
			if (!harness.side[i].absent)
				end_quarantine(&harness.side[i], &lists[i],
					       round == 1);
	}
	for (size_t i = 0; i < SIDES; i++)
		free(lists[i].id);
}

static uint32_t number_of(const struct side *side, const struct ioasid_set *set)
{
	for (uint32_t i = 0; i < SEQUENCE_MADE; i++)
		if (side->actors.made[i] == set)
			return SET_MADE + i;
	return (uint32_t)(set - side->set) + 1;
}

/* Without IDs no set may be refused its end, and all capacity is back. */
static void end_sets(struct side *side)
{
	struct step step = { .op = STEP_UNRESERVE };
	struct ioasid_stats stats;

	step.number = side->model.stats.reserved;
	run_side(side, &step);
	step.op = STEP_SET_DESTROY;
	while (side->model.sets) {
		step.set = number_of(side, side->model.set[0].set);
		EXPECT(!run_side(side, &step)->ret, "a set cannot end");
		EXPECT(!model_wrong(&side->model), "a set's end: calls");
	}
	check(side, &step);
	ioasid_space_stats(side->space, &stats);
	EXPECT(!stats.committed, "capacity is not back");
}

/* By the model that knows what is to be freed, and how. */
static void free_ids(struct side *side)
{
	const struct model *model = &side->model;
	struct step step = { .op = STEP_FREE_ALL };
	size_t at = 0;

	if (model->stats.live > FEW) {
		run_side(side, &step);
		check(side, &step);
	}
	while (at < model->count) {
		if (model->entry[at].state == MODEL_QUARANTINED) {
			at++;
			continue;
		}
		step.id = model->entry[at].id;
		step.op = model->entry[at].state == MODEL_LIVE ?
				  STEP_FREE :
			  model->entry[at].state == MODEL_RESERVED ?
				  STEP_RELEASE_ID :
				  STEP_PUT_MANY;
		step.number = model->entry[at].refs;
		run_side(side, &step);
		check(side, &step);
	}
}

static void take_back(void)
{
	const struct step last = { .op = STEP_STATS };
	struct side *side;

	unlock_all();
	for (uint32_t i = 0; i < SEQUENCE_NOTIFIERS && is_armed(); i++)
		run(&(struct step){
			.op = STEP_ARM, .slot = i, .number = ACTIONS });
	run_op(STEP_VALIDATE);
	for (size_t i = 0; i < SIDES; i++)
		if (!harness.side[i].absent)
			free_ids(&harness.side[i]);
	run_op(STEP_STATS);
	for (size_t i = 0; i < SIDES; i++)
		if (!harness.side[i].absent)
			end_sets(&harness.side[i]);
	end_quarantines();
	run_op(STEP_BARRIER);
	run_op(STEP_STATS);
	for (size_t i = 0; i < SIDES; i++) {
		side = &harness.side[i];
		if (side->absent)
			continue;
		EXPECT(!side->model.stats.live && !side->model.stats.pending,
		       "IDs left");
		EXPECT(side->deferred.called == side->deferred.added,
		       "callbacks left");
		/* Of a wide bitmap it would take longer than all else. */
		check(side,
		      side->model.max - side->model.min < WIDE ? NULL : &last);
	}
}

/* @only: the one side that takes part, SIDES: all. */
static void begin(size_t only)
{
	static const struct {
		const char *name;
		enum ioasid_store_kind store;
	} kinds[SIDES] = {
		{ "radix", IOASID_STORE_RADIX },
		{ "bitmap", IOASID_STORE_BITMAP },
		{ "hash", IOASID_STORE_HASH },
	};
	static struct ioasid_set set[SIDES][SETS_MANY];
	static struct ioasid_space *other;
	struct log_entry *log;
	size_t room;
	ioasid_t id;

	if (!other) {
		CHECK(ioasid_space_create(NULL, &other) == 0);
		CHECK(ioasid_space_alloc(other, &foreign_set, 0, 0, NULL,
					 &id) == 0);
		CHECK(!strcmp(ioasid_version(), IOASID_VERSION));
		CHECK(ioasid_is_err(ioasid_err_ptr(-EBUSY)));
	}
	harness.depth = 0;
	harness.diverged = false;
	harness.cookie_taken = false;
	harness.work = 0;
	harness.checks = 0;
	harness.steps = 0;
	harness.wrong = NULL;
	harness.wrong_side = NULL;
	for (size_t i = 0; i < SIDES; i++) {
		struct side *side = &harness.side[i];

		log = side->log;
		room = side->room;
		memset(side, 0, sizeof(*side));
		side->log = log;
		side->room = room;
		side->name = kinds[i].name;
		side->store = kinds[i].store;
		side->set = set[i];
		side->absent = only != SIDES && only != i;
		if (!side->absent)
			make_side(side);
	}
	harness.wrong_side = NULL;
}

static void end(void)
{
	take_back();
	for (size_t i = 0; i < SIDES; i++)
		remove_side(&harness.side[i]);
	for (size_t i = 0; i < SIDES; i++)
		remove_rcu(&harness.side[i]);
	for (size_t i = 0; i < SIDES; i++)
		done(&harness.side[i]);
}

void harness_run(const uint8_t *data, size_t size)
{
	struct input input;

	memset(&harness.config, 0, sizeof(harness.config));
	input_begin(&input, data, size);
	decode_config(&input, &harness.config);
	begin(SIDES);
	while (input_left(&input) && work_left())
		decode_step(&input);
	if (harness_ran)
		harness_ran();
	end();
}

void harness_rerun(const struct harness_config *config, const struct step *step,
		   size_t steps, size_t only)
{
	harness.config = *config;
	begin(only);
	for (size_t i = 0; i < steps; i++)
		run(&step[i]);
	end();
}
