/* SPDX-License-Identifier: MIT */
/*
 * Bytes to steps. An operation is a byte for which, see ops[], and its
 * arguments in the order of enum argument; what refers to IDs and sets means
 * those there are, more often than not.
 */
#include "fuzz/api/harness.h"

enum argument {
	WITH_SLOT = 1 << 0,
	/* of handles */
	WITH_HANDLE = 1 << 1,
	WITH_SET = 1 << 2,
	WITH_ID = 1 << 3,
	WITH_RANGE = 1 << 4,
	WITH_DATA = 1 << 5,
	WITH_OLD = 1 << 6,
	/* references, turns of alloc and free, steps of a walk, IDs */
	WITH_REFS = 1 << 7,
	WITH_TURNS = 1 << 8,
	WITH_STOP = 1 << 9,
	WITH_COUNT = 1 << 10,
	WITH_SPID = 1 << 11,
	WITH_TOKEN = 1 << 12,
	WITH_NAME = 1 << 13,
	WITH_LIMITS = 1 << 14,
	WITH_GETTER = 1 << 15,
	WITH_MODE = 1 << 16,
	WITH_PRIORITY = 1 << 17,
	WITH_ACTION = 1 << 18,
	WITH_EVENT = 1 << 19,
	WITH_ARG = 1 << 20,
	WITH_DAMAGE = 1 << 21,
	WITH_WHICH = 1 << 22,
	/* of allocators, if there are any */
	WITH_ANSWER = 1 << 23,
	/* of a slot */
	WITH_WRONG = 1 << 24,
};

/* Not steps: more than one, or none. */
enum more_op {
	MORE_ALLOC_MANY = STEPS,
	MORE_FREE_MANY,
	MORE_DEFER_MANY,
	/* memory runs out in the next operation */
	MORE_NO_MEMORY,
};

#define ALLOC_WITH (WITH_SET | WITH_RANGE | WITH_DATA | WITH_ANSWER)

static const struct {
	const char *name;
	int op;
	uint32_t with;
	/* so many bytes of 256 or less mean it */
	uint32_t weight;
} ops[] = {
	{ "alloc_any", STEP_ALLOC, WITH_DATA | WITH_ANSWER, 8 },
	{ "alloc", STEP_ALLOC, ALLOC_WITH, 8 },
	{ "alloc_many", MORE_ALLOC_MANY, 0, 4 },
	{ "alloc_cyclic", STEP_ALLOC_CYCLIC, ALLOC_WITH, 3 },
	{ "free", STEP_FREE, WITH_ID, 10 },
	{ "free_many", MORE_FREE_MANY, 0, 3 },
	{ "free_deferred", STEP_FREE_DEFERRED, WITH_ID, 4 },
	{ "remove", STEP_REMOVE, WITH_SET | WITH_ID, 3 },
	{ "free_all", STEP_FREE_ALL, 0, 1 },
	{ "free_in_walk", STEP_FREE_IN_WALK, WITH_SET | WITH_RANGE | WITH_STOP,
	  2 },
	{ "find", STEP_FIND, WITH_SET | WITH_ID | WITH_GETTER, 6 },
	{ "find_rcu", STEP_FIND_RCU, WITH_SET | WITH_ID, 3 },
	{ "get", STEP_GET, WITH_SET | WITH_ID, 6 },
	{ "get_many", STEP_GET_MANY, WITH_ID | WITH_REFS, 2 },
	{ "put", STEP_PUT, WITH_ID, 6 },
	{ "put_many", STEP_PUT_MANY, WITH_ID | WITH_REFS, 2 },
	{ "exchange_data", STEP_EXCHANGE_DATA, WITH_ID | WITH_DATA | WITH_OLD,
	  4 },
	{ "set_data", STEP_SET_DATA, WITH_ID | WITH_DATA, 3 },
	{ "cycle", STEP_CYCLE, WITH_SET | WITH_ID | WITH_TURNS, 3 },
	{ "for_each", STEP_FOR_EACH, WITH_SET | WITH_RANGE | WITH_STOP, 3 },
	{ "next", STEP_NEXT, WITH_SET | WITH_RANGE, 3 },
	{ "reserve_id", STEP_RESERVE_ID, WITH_SET | WITH_RANGE | WITH_ANSWER,
	  4 },
	{ "publish_id", STEP_PUBLISH_ID, WITH_ID | WITH_DATA, 4 },
	{ "release_id", STEP_RELEASE_ID, WITH_ID, 3 },
	{ "read_lock", STEP_READ_LOCK, 0, 5 },
	{ "read_unlock", STEP_READ_UNLOCK, 0, 5 },
	{ "synchronize", STEP_SYNCHRONIZE, 0, 3 },
	{ "barrier", STEP_BARRIER, 0, 2 },
	{ "start_poll", STEP_START_POLL, 0, 2 },
	{ "poll", STEP_POLL, 0, 2 },
	{ "defer", STEP_DEFER, 0, 3 },
	{ "defer_many", MORE_DEFER_MANY, 0, 2 },
	{ "retire", STEP_RETIRE, 0, 2 },
	{ "quiescent", STEP_QUIESCENT, 0, 2 },
	{ "offline", STEP_OFFLINE, 0, 2 },
	{ "anonymous", STEP_ANONYMOUS, 0, 1 },
	{ "domain_stats", STEP_DOMAIN_STATS, 0, 1 },
	{ "destroy", STEP_DESTROY, 0, 1 },
	{ "stats", STEP_STATS, 0, 1 },
	{ "trim", STEP_TRIM, 0, 3 },
	{ "validate", STEP_VALIDATE, 0, 2 },
	{ "dump", STEP_DUMP, 0, 1 },
	{ "set_bind", STEP_SET_BIND,
	  WITH_SET | WITH_TOKEN | WITH_NAME | WITH_LIMITS, 4 },
	{ "set_create", STEP_SET_CREATE,
	  WITH_SLOT | WITH_TOKEN | WITH_NAME | WITH_LIMITS, 4 },
	{ "set_destroy", STEP_SET_DESTROY, WITH_SET, 4 },
	{ "set_limit", STEP_SET_LIMIT, WITH_SET | WITH_LIMITS, 4 },
	{ "set_free_all", STEP_SET_FREE_ALL, WITH_SET, 2 },
	{ "set_by_token", STEP_SET_BY_TOKEN, WITH_TOKEN, 2 },
	{ "set_of", STEP_SET_OF, WITH_ID, 2 },
	{ "set_stats", STEP_SET_STATS, WITH_SET, 2 },
	{ "set_for_each", STEP_SET_FOR_EACH, WITH_STOP, 1 },
	{ "capacity", STEP_CAPACITY, WITH_COUNT, 3 },
	{ "reserve", STEP_RESERVE, WITH_COUNT, 3 },
	{ "unreserve", STEP_UNRESERVE, WITH_COUNT, 3 },
	{ "spid_attach", STEP_SPID_ATTACH, WITH_ID | WITH_SPID, 5 },
	{ "spid_detach", STEP_SPID_DETACH, WITH_ID, 3 },
	{ "spid_of", STEP_SPID_OF, WITH_ID, 2 },
	{ "spid_find", STEP_SPID_FIND, WITH_SET | WITH_SPID | WITH_GETTER, 3 },
	{ "handle", STEP_HANDLE, WITH_HANDLE | WITH_SET | WITH_ID, 5 },
	{ "find_handle", STEP_FIND_HANDLE, WITH_HANDLE | WITH_SET | WITH_GETTER,
	  4 },
	{ "find_handle_rcu", STEP_FIND_HANDLE_RCU, WITH_HANDLE | WITH_SET, 3 },
	{ "get_handle", STEP_GET_HANDLE, WITH_HANDLE | WITH_SET, 3 },
	{ "free_handle", STEP_FREE_HANDLE, WITH_HANDLE, 3 },
	{ "register_allocator", STEP_REGISTER_ALLOCATOR, WITH_SLOT, 3 },
	{ "unregister_allocator", STEP_UNREGISTER_ALLOCATOR,
	  WITH_SLOT | WITH_MODE, 3 },
	{ "register_notifier", STEP_REGISTER_NOTIFIER,
	  WITH_SLOT | WITH_SET | WITH_PRIORITY, 3 },
	{ "unregister_notifier", STEP_UNREGISTER_NOTIFIER, WITH_SLOT, 3 },
	{ "arm", STEP_ARM, WITH_SLOT | WITH_ACTION | WITH_EVENT, 3 },
	{ "notify", STEP_NOTIFY, WITH_ID | WITH_EVENT | WITH_ARG, 3 },
	{ "snapshot", STEP_SNAPSHOT, WITH_DAMAGE, 2 },
	{ "wrong_config", STEP_WRONG_CONFIG, WITH_WHICH, 1 },
	{ "wrong_calls", STEP_WRONG_CALLS, 0, 1 },
	{ "damage", STEP_DAMAGE, WITH_ID | WITH_WRONG, 2 },
	{ "no_memory", MORE_NO_MEMORY, 0, 6 },
};

#define OPS (sizeof(ops) / sizeof(ops[0]))
#define COUNT(array) ((uint32_t)(sizeof(array) / sizeof((array)[0])))

/* Names of operations, each as often as it has weight. */
static const char *op_names[256];
static uint32_t op_of[256], op_count;

static void weigh_ops(void)
{
	for (uint32_t i = 0; i < OPS; i++) {
		for (uint32_t n = 0; n < ops[i].weight; n++) {
			CHECK(op_count < COUNT(op_names));
			op_names[op_count] = ops[i].name;
			op_of[op_count++] = i;
		}
	}
}

/* Arguments */

static ioasid_t existing_id(struct input *input)
{
	const struct model *model = reference();
	uint32_t at;

	if (!model->count)
		return model->min;
	at = model->count > 256 ? input_u16(input, "at") :
				  input_u8(input, "at");
	return model->entry[at % model->count].id;
}

static ioasid_t edge(struct input *input)
{
	static const char *const names[] = { "below_min", "min",  "max",
					     "above_max", "last", "zero" };
	const struct harness_config *config = &harness.config;

	switch (input_choice(input, "edge", names, COUNT(names))) {
	case 0:
		return config->min - 1;
	case 1:
		return config->min;
	case 2:
		return config->max;
	case 3:
		return config->max + 1;
	case 4:
		return UINT32_MAX;
	default:
		return 0;
	}
}

static ioasid_t any_id(struct input *input)
{
	static const char *const names[] = {
		"existing", "existing",	 "existing",  "existing",
		"existing", "existing",	 "existing",  "existing",
		"existing", "near",	 "near",      "far",
		"edge",	    "below_max", "scattered", "any",
	};
	const struct harness_config *config = &harness.config;
	uint64_t span = (uint64_t)config->max - config->min + 1;

	switch (input_choice(input, "id", names, COUNT(names))) {
	case 9:
	case 10:
		return config->min +
		       (uint32_t)(input_u8(input, "offset") % span);
	case 11:
		return config->min +
		       (uint32_t)(input_u16(input, "offset") % span);
	case 12:
		return edge(input);
	case 13:
		return config->max - input_u8(input, "offset");
	case 14:
		return input_u16(input, "number") * 0x9e3779b1u;
	case 15:
		return input_u32(input, "number");
	default:
		return existing_id(input);
	}
}

static void range(struct input *input, ioasid_t *min, ioasid_t *max)
{
	static const char *const names[] = {
		"all", "all", "one", "from", "span", "around", "all", "between"
	};
	uint32_t width;

	*min = 0;
	*max = UINT32_MAX;
	switch (input_choice(input, "range", names, COUNT(names))) {
	case 2:
		*min = *max = any_id(input);
		break;
	case 3:
		*min = any_id(input);
		break;
	case 4:
		*min = any_id(input);
		*max = *min + input_u8(input, "width");
		break;
	case 5:
		width = input_u8(input, "width");
		*min = any_id(input);
		*max = *min > UINT32_MAX - width ? UINT32_MAX : *min + width;
		*min = *min < width ? 0 : *min - width;
		break;
	case 7:
		*min = any_id(input);
		*max = any_id(input);
		break;
	default:
		break;
	}
}

/* 0: none; 255: of another space; from 128 on those that the space made. */
static uint32_t any_set(struct input *input)
{
	uint32_t byte = input_u8(input, "set");

	if (byte == 255)
		return SET_FOREIGN;
	if (byte >= 128 && is_made(byte % SEQUENCE_MADE))
		return SET_MADE + byte % SEQUENCE_MADE;
	return byte % (harness.config.sets + 1);
}

/* Small, but for the last few, at the end of what there is. */
static uint32_t some_data(struct input *input)
{
	uint32_t byte = input_u8(input, "data");

	return byte < 250 ? byte : UINT32_MAX - byte;
}

/* Few, so that they meet, or many. */
static uint32_t some_token(struct input *input)
{
	uint32_t byte = input_u8(input, "token");

	return byte < 128 ? byte % 8 : byte;
}

static uint32_t some_count(struct input *input, const char *field)
{
	uint32_t byte = input_u8(input, field);

	return byte < 200 ? byte % 32 :
	       byte < 250 ? byte * 17 :
			    UINT32_MAX - (byte - 250);
}

static ioasid_t some_spid(struct input *input)
{
	uint32_t byte = input_u8(input, "spid");

	return byte < 240 ? byte % 24 :
	       byte < 250 ? byte * 0x01010101u :
			    UINT32_MAX - (255 - byte);
}

/* Few, as a rule: what a step does 2,000 times is a long step. */
static uint32_t some_refs(struct input *input)
{
	static const char *const names[] = { "1", "2",	   "3",	  "16",
					     "1", "2",	   "3",	  "16",
					     "1", "2",	   "3",	  "16",
					     "1", "max-2", "max", "max+1" };
	static const uint32_t refs[] = { 1,
					 2,
					 3,
					 16,
					 IOASID_REFS_MAX - 2,
					 IOASID_REFS_MAX,
					 IOASID_REFS_MAX + 1 };
	uint32_t which = input_choice(input, "times", names, COUNT(names));

	return which < 13 ? refs[which % 4] : refs[which - 9];
}

static uint32_t some_turns(struct input *input)
{
	static const char *const names[] = { "1",  "2",	  "3",	  "8",
					     "1",  "2",	  "3",	  "8",
					     "1",  "2",	  "3",	  "8",
					     "64", "300", "2047", "2049" };
	static const uint32_t turns[] = { 1, 2, 3, 8, 64, 300, 2047, 2049 };
	uint32_t which = input_choice(input, "times", names, COUNT(names));

	return which < 12 ? turns[which % 4] : turns[which - 8];
}

static uint32_t some_event(struct input *input)
{
	static const char *const names[] = { "alloc", "free", "bind",
					     "unbind" };
	static const enum ioasid_event events[] = { IOASID_EVENT_ALLOC,
						    IOASID_EVENT_FREE,
						    IOASID_EVENT_BIND,
						    IOASID_EVENT_UNBIND };

	return events[input_choice(input, "event", names, COUNT(names))];
}

/* What allocators say: a vacant ID in range as a rule. */
static void some_answer(struct input *input, struct step *step)
{
	static const char *const names[] = { "vacant", "vacant", "vacant",
					     "vacant", "vacant", "vacant",
					     "none",   "id" };
	const struct model *model = reference();
	ioasid_t min = step->id > model->min ? step->id : model->min;
	ioasid_t max = step->max < model->max ? step->max : model->max;
	uint32_t refusals;

	if (!model->stats.allocators)
		return;
	step->answers = true;
	switch (input_choice(input, "answer", names, COUNT(names))) {
	case 6:
		step->answer = INVALID_IOASID;
		break;
	case 7:
		step->answer = any_id(input);
		break;
	default:
		step->answer = min + input_u8(input, "offset") % 16;
		while (step->answer < max && model_entry(model, step->answer))
			step->answer++;
		break;
	}
	refusals = input_u8(input, "refusals") % 16;
	step->refusals = refusals > 12 ? refusals - 12 : 0;
}

static void take_numbers(struct input *input, uint32_t with, struct step *step)
{
	static const char *const no_yes[] = { "no", "yes" };

	if (with & WITH_DATA)
		step->number = some_data(input);
	if (with & WITH_OLD)
		step->max = input_choice(input, "old", no_yes, COUNT(no_yes));
	if (with & WITH_REFS)
		step->number = some_refs(input);
	if (with & WITH_TURNS) {
		step->number = some_turns(input);
		step->max = step->id;
	}
	if (with & WITH_STOP)
		step->number = input_u8(input, "stop");
	if (with & WITH_COUNT)
		step->number = some_count(input, "count");
	if (with & WITH_SPID)
		step->spid = some_spid(input);
	if (with & WITH_TOKEN)
		step->token = some_token(input);
	/* A length and one; too long ones as well. */
	if (with & WITH_NAME)
		step->name = input_u8(input, "name") % (IOASID_NAME_SIZE + 3);
	if (with & WITH_LIMITS) {
		step->quota = some_count(input, "quota");
		step->reserved = some_count(input, "reserved");
	}
	if (with & WITH_DAMAGE)
		step->number = input_u16(input, "damage");
	if (with & WITH_WHICH)
		step->number =
			input_u8(input, "which") % SEQUENCE_WRONG_CONFIGS;
}

static void take_choices(struct input *input, uint32_t with, struct step *step)
{
	static const char *const getters[] = { "none", "yes", "no", "waits" };
	static const char *const wrongs[DAMAGES] = { "vacant", "references",
						     "owner", "used" };
	static const char *const modes[] = { "idle", "keep", "wrong" };
	static const char *const actions[] = { "get", "free", "alloc",
					       "unregister", "bind" };

	if (with & WITH_WRONG)
		step->number =
			input_choice(input, "wrong", wrongs, COUNT(wrongs));
	if (with & WITH_GETTER)
		step->getter = (enum step_getter)input_choice(
			input, "getter", getters, COUNT(getters));
	/* What waits is tried in the call whose getter it knows. */
	if (step->getter == GETTER_WAITS && step->op != STEP_FIND)
		step->getter = GETTER_YES;
	if (with & WITH_MODE)
		step->number = input_choice(input, "mode", modes, COUNT(modes));
	if (with & WITH_PRIORITY)
		step->number = input_u8(input, "priority") % 3;
	if (with & WITH_ACTION) {
		step->number =
			input_choice(input, "action", actions, COUNT(actions));
		step->max = some_event(input);
	} else if (with & WITH_EVENT) {
		step->number = some_event(input);
	}
	if (with & WITH_ARG)
		step->max = input_u8(input, "arg");
}

static struct step take_step(struct input *input, uint32_t op)
{
	struct step step = { .op = (enum step_op)ops[op].op,
			     .max = ops[op].op == STEP_ALLOC ? UINT32_MAX : 0 };
	uint32_t with = ops[op].with;

	if (with & (WITH_SLOT | WITH_HANDLE))
		step.slot = input_u8(input, "slot");
	if (with & WITH_HANDLE)
		step.slot %= SEQUENCE_HANDLES;
	else if (step.op == STEP_SET_CREATE)
		step.slot %= SEQUENCE_MADE;
	else if (step.op == STEP_REGISTER_ALLOCATOR ||
		 step.op == STEP_UNREGISTER_ALLOCATOR)
		step.slot %= SEQUENCE_ALLOCATORS;
	else
		step.slot %= SEQUENCE_NOTIFIERS;
	if (with & WITH_SET)
		step.set = any_set(input);
	if (step.set == SET_NONE && step_needs_set(step.op))
		step.set = 1;
	if (with & WITH_ID)
		step.id = any_id(input);
	if (with & WITH_RANGE)
		range(input, &step.id, &step.max);
	take_numbers(input, with, &step);
	take_choices(input, with, &step);
	if (with & WITH_ANSWER)
		some_answer(input, &step);
	return step;
}

/* More than one step */

static void alloc_many(struct input *input, uint32_t fail_at)
{
	static const char *const owners[] = { "none", "each_another" };
	struct step step = { .op = STEP_ALLOC, .fail_at = fail_at };
	uint32_t times = 1 + input_u8(input, "times");
	/* Far apart: each in its own leaf. */
	uint32_t stride = input_u8(input, "stride");
	bool owned = input_choice(input, "owner", owners, COUNT(owners));

	range(input, &step.id, &step.max);
	step.number = some_data(input);
	some_answer(input, &step);
	while (times-- && work_left()) {
		if (owned)
			step.set = 1 + times % harness.config.sets;
		run(&step);
		if (!stride)
			continue;
		step.id += stride == 255 ? 0x01234567 : stride;
		if (step.max < step.id)
			step.max = UINT32_MAX;
	}
}

static void free_many(struct input *input)
{
	const struct model *model = reference();
	uint32_t times = 1 + input_u8(input, "times");
	uint32_t stride = 1 + input_u8(input, "stride") % 16;
	size_t at = input_u16(input, "first");
	struct step step = { .op = STEP_FREE };

	while (times-- && model->count && work_left()) {
		at = (at + stride) % model->count;
		step.id = model->entry[at].id;
		run(&step);
	}
}

static bool is_outside(enum step_op op)
{
	return op == STEP_QUIESCENT || op == STEP_OFFLINE ||
	       op == STEP_ANONYMOUS || op == STEP_SNAPSHOT ||
	       (is_qsbr() && (op == STEP_SYNCHRONIZE || op == STEP_BARRIER ||
			      op == STEP_SET_DATA));
}

void decode_step(struct input *input)
{
	uint32_t op, fail_at = 0, times;
	struct step step;

	if (!op_count)
		weigh_ops();
	op = op_of[input_choice(input, "op", op_names, op_count)];
	if (ops[op].op == MORE_NO_MEMORY) {
		fail_at = 1 + input_u8(input, "at") % 12;
		if (fail_at == 12)
			fail_at = FAIL_ALL;
		input_line(input);
		op = op_of[input_choice(input, "op", op_names, op_count)];
	}
	switch (ops[op].op) {
	case MORE_NO_MEMORY:
		break;
	case MORE_ALLOC_MANY:
		alloc_many(input, fail_at);
		break;
	case MORE_FREE_MANY:
		free_many(input);
		break;
	case MORE_DEFER_MANY:
		for (times = 1 + input_u8(input, "times") % 96; times; times--)
			run_op(STEP_DEFER);
		break;
	default:
		step = take_step(input, op);
		step.fail_at = fail_at;
		if (is_outside(step.op))
			unlock_all();
		run(&step);
		break;
	}
	input_line(input);
}

/* The configuration */

static void take_range(struct input *input, struct harness_config *config)
{
	static const struct {
		const char *name;
		ioasid_t min, max;
	} ranges[] = {
		{ "0..63", 0, 63 },
		{ "0..64", 0, 64 },
		{ "0..15", 0, 15 },
		{ "0..999", 0, 999 },
		{ "all", 0, 0xfffffffe },
		{ "5..7", 5, 7 },
		{ "1", 1, 1 },
		{ "0..4095", 0, 4095 },
		{ "60..4200", 60, 4200 },
		{ "100..355", 100, 355 },
		{ "last_511", 0xfffffe00, 0xfffffffe },
		{ "last", 0xfffffffe, 0xfffffffe },
		{ "middle", 0x7fffff00, 0x80000100 },
		{ "0..20000", 0, 20000 },
		/* one more than IOASID_BITMAP_IDS_MAX */
		{ "wide", 1000, 1000 + (1u << 26) },
		{ "0..1", 0, 1 },
		{ "any", 0, 0 },
	};
	static const char *names[COUNT(ranges)];
	uint32_t which;

	for (which = 0; which < COUNT(ranges); which++)
		names[which] = ranges[which].name;
	which = input_last_choice(input, "ids", names, COUNT(names));
	config->min = ranges[which].min;
	config->max = ranges[which].max;
	if (which + 1 < COUNT(ranges))
		return;
	config->min = input_last_u32(input, "min");
	if (config->min == INVALID_IOASID)
		config->min--;
	config->max = config->min + input_last_u8(input, "width") * 16;
	if (config->max < config->min)
		config->max = UINT32_MAX;
	/* Both 0 would be the whole range. */
	if (!config->max)
		config->max = 1;
}

static void take_domain(struct input *input, struct harness_config *config)
{
	static const char *const names[] = {
		"epoch",       "fenced",       "qsbr",		"none",
		"custom",      "epoch_shared", "fenced_shared", "qsbr_shared",
		"none_shared", "epoch_own",    "qsbr_own",	"none_own",
	};
	static const enum ioasid_rcu_flavour flavours[] = {
		IOASID_RCU_EPOCH, IOASID_RCU_EPOCH,  IOASID_RCU_QSBR,
		IOASID_RCU_NONE,  IOASID_RCU_CUSTOM, IOASID_RCU_EPOCH,
		IOASID_RCU_EPOCH, IOASID_RCU_QSBR,   IOASID_RCU_NONE,
		IOASID_RCU_EPOCH, IOASID_RCU_QSBR,   IOASID_RCU_NONE,
	};
	static const char *const limits[] = { "none", "1", "3", "40" };
	static const size_t limit[] = { 0, 1, 3, 40 };
	uint32_t which =
		input_last_choice(input, "domain", names, COUNT(names));

	config->flavour = flavours[which];
	config->no_membarrier = which == 1 || which == 6;
	config->shared = which >= 5 && which < 9;
	config->own = which >= 9;
	config->pending_limit = limit[input_last_choice(input, "pending_limit",
							limits, COUNT(limits))];
	if (config->shared || config->own)
		config->pending_limit = 0;
	if (harness_rcu_ops && config->flavour == IOASID_RCU_EPOCH) {
		config->flavour = IOASID_RCU_CUSTOM;
		config->no_membarrier = config->own = false;
	}
}

void decode_config(struct input *input, struct harness_config *config)
{
	static const char *const policies[] = { "lowest", "cyclic",
						"lowest_quarantine",
						"cyclic_quarantine" };
	static const char *const memories[] = { "hooks",       "ranges",
						"system",      "hooks_lock",
						"ranges_lock", "system_lock" };
	static const char *const sets[] = { "2", "1", "6", "300" };
	static const uint32_t set_counts[] = { 2, 1, 6, SETS_MANY };
	static const char *const seeds[] = { "1", "2", "3", "4" };
	static const uint64_t seed[] = { 1, UINT64_C(0x9e3779b97f4a7c15),
					 UINT64_C(0xbf58476d1ce4e5b9),
					 UINT64_C(1) << 40 };
	static const char *const fronts[] = {
		"space",  "space",	   "space",	     "space",
		"custom", "default_radix", "default_bitmap", "default_hash"
	};
	static const char *const lengths[] = {
		"short", "short", "short", "short", "short", "short",
		"short", "short", "short", "short", "short", "short",
		"short", "short", "short", "long",
	};
	uint32_t which;

	take_range(input, config);
	take_domain(input, config);
	which = input_last_choice(input, "policy", policies, COUNT(policies));
	config->reuse = which % 2 ? IOASID_REUSE_CYCLIC : IOASID_REUSE_LOWEST;
	config->quarantine = which / 2;
	which = input_last_choice(input, "memory", memories, COUNT(memories));
	config->memory = (enum harness_memory)(which % 3);
	config->lock = which / 3;
	config->sets =
		set_counts[input_last_choice(input, "sets", sets, COUNT(sets))];
	config->hash_seed =
		seed[input_last_choice(input, "seed", seeds, COUNT(seeds))];
	which = input_last_choice(input, "front", fronts, COUNT(fronts));
	config->custom = which == 4;
	config->by_default = which < 5 ? SIDES : which - 5;
	/* As a rule all there are, and memory enough. */
	which = input_last_u8(input, "capacity");
	config->capacity = which < 192 ? 0 : which % 64;
	which = input_last_u8(input, "create_fail");
	config->create_fail = which < 192 ? 0 : which % 16;
	which = input_last_choice(input, "length", lengths, COUNT(lengths));
	harness.work_max = which == 15 ? WORK_LONG : WORK_SHORT;
	input_line(input);
}
