/* SPDX-License-Identifier: MIT */
/*
 * The same calls to the kernel's ioasid.c and to ours, on the default space and
 * one of each store, or to the kernel's idr.c and ours: every result, ID and
 * pointer, and all that callbacks see. Where docs/differences-from-linux.md says
 * otherwise, and nowhere else, something else is expected of ours; the case of
 * that page is named there.
 */
#include <setjmp.h>

#include "fuzz/input.h"
#include "fuzz/target.h"

#undef CHECK
#define CHECK(condition)                                              \
	do {                                                          \
		if (!(condition))                                     \
			check_failed(__FILE__, __LINE__, #condition); \
	} while (0)

_Noreturn static void check_failed(const char *file, int line,
				   const char *what);

#include "fuzz/linux_diff/kernel.h"
#include "fuzz/linux_diff/ours.h"

enum part { PART_IOASID, PART_IDR, PARTS };

/* What an allocator gives, when asked. */
enum gift {
	GIFT_LOWEST,
	GIFT_ANY,
	GIFT_NONE,
	GIFT_OUTSIDE,
	GIFT_IN_USE,
	/* only of the second who is asked */
	GIFT_LATER,
	GIFTS
};

/* A call as the input has it: what it is about is found when it is made. */
struct step {
	enum op op;
	enum gift gift;
	/* What these mean depends on what there is. */
	uint32_t id, min, size, owner, data, allocator, pick;
	struct lookup lookup[LOOKUPS];
	uint32_t fail, kernel_fail;
};

/* What an ID of an IDR is counted from. */
enum origin { FROM_BASE, FROM_INT_MAX, FROM_UINT_MAX, FROM_BITMAP, ORIGINS };

struct idr_step {
	enum idr_op op;
	enum origin origin;
	uint32_t at, size, data;
	bool open;
	uint32_t kernel_fail;
};

enum { STEPS = 160, SIDES = 4 };

static struct plan {
	enum part part;
	ioasid_t base;
	uint32_t stores;
	struct step step[STEPS];
	struct idr_step idr_step[STEPS];
	uint32_t steps;
} plan;

static jmp_buf *retry;

/* What a sanitizer found is printed as it is, and not run again. */
static bool mismatch;

_Noreturn static void check_failed(const char *file, int line, const char *what)
{
	if (retry)
		longjmp(*retry, 1);
	mismatch = true;
	fuzz_failed(file, line, what);
}

/* What was called of ours so far, and what it had to answer: for print(). */
struct record {
	struct call call;
	struct idr_call idr_call;
	struct words expected;
	/* the sides it was for, as bits */
	uint32_t sides;
};

enum { RECORDS = 4 * STEPS + 2 * IDS };

static struct record records[RECORDS];
static uint32_t record_count, failed_side;
/* All calls gave what they had to; what is left is looked at. */
static bool ended;

static struct record *record(uint32_t which)
{
	struct record *to = &records[record_count];

	CHECK(record_count < RECORDS);
	memset(&to->call, 0, sizeof(to->call));
	to->expected.count = 0;
	to->sides = which;
	return to;
}

/* Decoding. */

static void decode_lookups(struct input *input, struct step *step)
{
	static const char *const getters[GETTERS] = { "none", "yes", "no",
						      "lookup" };

	for (uint32_t i = 0; i < LOOKUPS; i++) {
		struct lookup *lookup = &step->lookup[i];

		lookup->id = input_u8(input, "look_id");
		lookup->owner = input_u8(input, "look_owner") % (OWNERS + 1);
		lookup->getter = (enum getter)input_choice(input, "getter",
							   getters, GETTERS);
	}
}

static void decode_step(struct input *input)
{
	static const char *const ops[] = {
		"alloc", "free",     "find",	   "set_data",
		"alloc", "register", "unregister", "free",
	};
	static const enum op codes[] = {
		ALLOC, FREE, FIND, SET_DATA, ALLOC, REGISTER, UNREGISTER, FREE,
	};
	static const char *const gifts[GIFTS] = {
		"lowest", "any", "none", "outside", "in_use", "later"
	};
	struct step *step = &plan.step[plan.steps];
	uint32_t more;

	memset(step, 0, sizeof(*step));
	step->op = codes[input_choice(input, "op", ops, 8)];
	switch (step->op) {
	case ALLOC:
		step->min = input_u8(input, "min");
		step->size = input_u8(input, "size");
		more = input_u8(input, "more");
		step->owner = more % OWNERS;
		if (more & 16)
			step->data = input_u8(input, "data");
		if (more & 32) {
			step->gift = (enum gift)input_choice(input, "gift",
							     gifts, GIFTS);
			step->pick = input_u8(input, "pick");
			decode_lookups(input, step);
		}
		if (more & 64)
			step->fail = 1 + input_u8(input, "fail") % 8;
		if (more & 128)
			step->kernel_fail =
				1 + input_u8(input, "kernel_fail") % 8;
		break;
	case FREE:
		step->id = input_u8(input, "id");
		more = input_u8(input, "more");
		if (more & 1)
			decode_lookups(input, step);
		step->fail = more >> 1 & 1;
		break;
	case FIND:
		decode_lookups(input, step);
		break;
	case SET_DATA:
		step->id = input_u8(input, "id");
		step->data = input_u8(input, "data");
		break;
	default:
		more = input_u8(input, "allocator");
		step->allocator = more % ALLOCATORS;
		step->fail = more >> 5 & 3;
		step->kernel_fail = more >> 7;
		break;
	}
}

static void decode_idr_step(struct input *input)
{
	static const char *const ops[IDR_OPS] = {
		"alloc",     "cyclic",	    "u32",     "remove",    "replace",
		"find",	     "next",	    "next_ul", "for_each",  "entries",
		"cursor",    "empty",	    "destroy", "ida_range", "ida_free",
		"ida_empty", "ida_destroy",
	};
	struct idr_step *step = &plan.idr_step[plan.steps];
	uint32_t more;

	memset(step, 0, sizeof(*step));
	step->op = (enum idr_op)input_choice(input, "op", ops, IDR_OPS);
	if (step->op == IDR_EMPTY || step->op == IDR_DESTROY ||
	    step->op == IDR_ENTRIES || step->op == IDA_EMPTY ||
	    step->op == IDA_DESTROY)
		return;
	more = input_u8(input, "more");
	step->origin = (enum origin)(more % ORIGINS);
	step->open = more >> 2 & 1;
	step->data = more >> 3 & 7;
	if (more & 64)
		step->kernel_fail = 1 + input_u8(input, "kernel_fail") % 8;
	step->at = more & 128 ? input_u16(input, "at") : input_u8(input, "at");
	if (step->op <= IDR_U32 || step->op == IDA_RANGE)
		step->size = input_u8(input, "size");
}

static void decode_plan(struct input *input)
{
	static const char *const parts[PARTS] = { "ioasid", "idr" };
	static const char *const bases[] = {
		"0", "1", "4000", "million", "half", "last", "64", "int_max",
	};
	static const ioasid_t base[] = {
		0,
		1,
		4000,
		(1u << 20) - IDS / 2,
		0x80000000 - IDS / 2,
		INVALID_IOASID - IDS,
		64,
		INT_MAX - 3,
	};
	/* A bitmap of all IDs takes long to map, above all with ASan. */
	static const char *const stores[] = {
		"radix_hash", "all",	    "bitmap",	  "radix_hash",
		"radix_hash", "radix_hash", "radix_hash", "radix_hash",
		"radix_hash", "radix_hash", "radix_hash", "radix_hash",
	};
	uint32_t which;

	plan.part = (enum part)input_last_choice(input, "part", parts, PARTS);
	which = input_last_choice(input, "base", bases, 8);
	plan.base = base[which];
	plan.stores = input_last_choice(input, "stores", stores, 12);
	if (plan.stores > 2)
		plan.stores = 0;
	/* The base of an IDR is an int. */
	if (plan.part == PART_IDR && plan.base > INT_MAX - 3)
		plan.base = INT_MAX - 3;
	input_line(input);
	for (plan.steps = 0; input_left(input) && plan.steps < STEPS;
	     plan.steps++) {
		if (plan.part == PART_IOASID)
			decode_step(input);
		else
			decode_idr_step(input);
		input_line(input);
	}
}

/* IOASIDs: what is known before a call, of all sides. */

/* Allocators with the same functions, in the order they were registered. */
struct group {
	uint32_t function, member[SHARERS], members;
	/* whose private data the kernel goes on with */
	uint32_t leader;
};

static struct {
	struct group group[FUNCTIONS];
	uint32_t groups;
	bool live[IDS];
	uint32_t lives;
	uint32_t giver[IDS];
} model;

/* The default space, which is the last, is one of the process. */
static struct side sides[SIDES], kernel;
static uint32_t side_count = SIDES;
static struct kernel_ops kernel_ops[ALLOCATORS];

static void *kernel_find(struct side *side, uint32_t owner, ioasid_t id,
			 bool (*getter)(void *data))
{
	return kernel_ioasid_find(owner ? &side->set[owner] : NULL, id, getter);
}

/* Once more where memory failed. */
static ioasid_t kernel_alloc(struct side *side, const struct call *call)
{
	void *set = call->owner ? &side->set[call->owner] : NULL;
	ioasid_t id;

	if (call->fail) {
		compared = false;
		kernel_memory_fail(call->fail);
		id = kernel_ioasid_alloc(set, call->min, call->max,
					 DATA(call->data));
		kernel_memory_fail(0);
		if (id != INVALID_IOASID)
			kernel_ioasid_free(id);
		compared = true;
		asked = given = given_back = 0;
	}
	return kernel_ioasid_alloc(set, call->min, call->max, DATA(call->data));
}

static void kernel_run(struct side *side, const struct call *call)
{
	struct kernel_ops *ops = &kernel_ops[call->allocator];
	int ret;

	switch (call->op) {
	case ALLOC:
		say(kernel_alloc(side, call));
		if (given_back != call->backs || asked != call->asks)
			say(WORD_WRONG);
		break;
	case FREE:
		kernel_ioasid_free(call->id);
		break;
	case FIND:
		look(&call->lookup[0], false);
		break;
	case SET_DATA:
		say((uint64_t)kernel_ioasid_set_data(call->id,
						     DATA(call->data)));
		break;
	case REGISTER:
		kernel_memory_fail(call->fail);
		ret = kernel_ioasid_register(ops);
		kernel_memory_fail(0);
		if (ret == -ENOMEM && call->fail)
			ret = kernel_ioasid_register(ops);
		say((uint64_t)ret);
		break;
	default:
		kernel_ioasid_unregister(ops);
		say(0);
		break;
	}
	kernel_reclaim();
}

static struct group *group_of(uint32_t allocator)
{
	for (uint32_t i = 0; i < model.groups; i++)
		if (model.group[i].function == allocator % FUNCTIONS)
			return &model.group[i];
	return NULL;
}

static bool registered(uint32_t allocator)
{
	const struct group *group = group_of(allocator);

	for (uint32_t i = 0; group && i < group->members; i++)
		if (group->member[i] == allocator)
			return true;
	return false;
}

static void compare(struct record *to)
{
	record_count++;
	for (uint32_t i = 0; i < side_count; i++) {
		failed_side = i;
		CHECK(same_words(side_call(&sides[i], &to->call),
				 to->expected.count, to->expected.word));
	}
}

/* An ID of the world, one in use if there is one, or any: by its number. */
static ioasid_t some_id(uint32_t number)
{
	uint32_t i = number % IDS;

	if (number >= 240)
		return number == 255 ? INVALID_IOASID : plan.base + IDS;
	if (number < 192 && model.lives)
		while (!model.live[i])
			i = (i + 1) % IDS;
	return plan.base + i;
}

static void set_lookups(const struct step *step, struct call *call)
{
	for (uint32_t i = 0; i < LOOKUPS; i++) {
		call->lookup[i] = step->lookup[i];
		call->lookup[i].id = some_id(step->lookup[i].id);
	}
}

/* Nothing undoes the invalid ID: its entry is in the tree, but freed. */
static bool invalid_is_next(const struct call *call)
{
	ioasid_t id;

	if (model.groups || call->max != INVALID_IOASID)
		return false;
	for (id = call->min; id != INVALID_IOASID; id++)
		if (!model.live[id - plan.base])
			return false;
	return true;
}

/* What is given: the gift may turn to another where there is nothing such. */
static ioasid_t gift_of(const struct step *step, const struct call *call,
			enum gift *gift)
{
	uint32_t start = step->gift == GIFT_LOWEST ? 0 : step->pick % IDS;

	if (*gift == GIFT_LATER && model.group[0].members < 2)
		*gift = GIFT_NONE;
	for (uint32_t i = 0; i < IDS && *gift != GIFT_NONE; i++) {
		uint32_t n = (start + i) % IDS;
		ioasid_t id = plan.base + n;
		bool inside = id >= call->min && id <= call->max;

		if (model.live[n] == (*gift == GIFT_IN_USE) &&
		    inside == (*gift != GIFT_OUTSIDE))
			return id;
	}
	*gift = GIFT_NONE;
	return INVALID_IOASID;
}

static void learn_alloc(ioasid_t id, uint32_t giver)
{
	uint32_t i = id - plan.base;

	if (id == INVALID_IOASID)
		return;
	CHECK(i < IDS && !model.live[i]);
	model.live[i] = true;
	model.lives++;
	model.giver[i] = giver;
}

/* On ours alone, or on the kernel's alone. */
static void free_ours(ioasid_t id, uint32_t giver)
{
	struct record *to = record(~0u);

	to->call = (struct call){ .op = FREE, .id = id, .back_who = giver };
	for (uint32_t i = 0; i < LOOKUPS; i++)
		to->call.lookup[i].id = INVALID_IOASID;
	put_word(&to->expected, id);
	put_word(&to->expected, (uintptr_t)DATA(0));
	for (uint32_t i = 0; i < LOOKUPS; i++)
		put_word(&to->expected, (uintptr_t)ERR_PTR(-ENOENT));
	compare(to);
}

static void free_kernel(ioasid_t id)
{
	struct call call = { .op = FREE, .id = id };

	if (model.groups)
		call.back_who = model.group[0].leader;
	side_call(&kernel, &call);
}

/* The last word is the ID. */
static void make_alloc(const struct step *step, struct record *to)
{
	const struct group *group = &model.group[0];
	struct call *call = &to->call, linux_call;
	enum gift gift = model.groups ? step->gift : GIFT_LOWEST;
	ioasid_t given_id, id;

	call->owner = step->owner;
	call->data = step->data;
	call->min = plan.base + step->min % IDS;
	call->max = call->min + step->size;
	/* An empty range, sometimes; all there is, often. */
	if (step->size >= 250) {
		call->min += !call->min;
		call->max = call->min - 1;
	} else if (step->size >= 128 || call->max > plan.base + IDS - 1 ||
		   call->max < call->min)
		call->max = plan.base + IDS - 1;
	/* The range that the kernel may give INVALID_IOASID of. */
	if (call->max == INVALID_IOASID - 1 && step->size % 2)
		call->max = INVALID_IOASID;
	if (call->min > call->max && model.groups) {
		/* empty_range_is_not_asked_for */
		put_word(&to->expected, INVALID_IOASID);
		compare(to);
		return;
	}
	if (invalid_is_next(call)) {
		/* invalid_id_is_not_handed_out */
		put_word(&to->expected, INVALID_IOASID);
		compare(to);
		return;
	}
	set_lookups(step, call);
	linux_call = *call;
	given_id = INVALID_IOASID;
	if (model.groups) {
		given_id = gift_of(step, call, &gift);
		call->asks = gift == GIFT_NONE ? group->members : 1;
		for (uint32_t i = 0; i < call->asks; i++)
			call->ask[i] =
				(struct answer){ group->member[i], given_id };
		if (gift == GIFT_LATER) {
			call->asks = 2;
			call->ask[0].id = INVALID_IOASID;
			call->ask[1] =
				(struct answer){ group->member[1], given_id };
		}
		/* departed_allocator_is_not_called: the kernel's is */
		linux_call.asks = 1;
		linux_call.ask[0] =
			(struct answer){ group->leader, gift == GIFT_LATER ?
								INVALID_IOASID :
								given_id };
		/* live_id_is_not_handed_back: the kernel's is */
		linux_call.backs = gift == GIFT_IN_USE;
		call->in_use = gift == GIFT_IN_USE;
		/* id_out_of_range_is_refused */
		call->backs = gift == GIFT_OUTSIDE;
	}
	/* What is given in vain must not be in use by then. */
	linux_call.fail = gift == GIFT_IN_USE ? 0 : step->kernel_fail;
	call->fail = step->fail;
	to->expected = *side_call(&kernel, &linux_call);
	CHECK(to->expected.count);
	id = (ioasid_t)to->expected.word[to->expected.count - 1];
	CHECK(!model.groups ||
	      id == (gift == GIFT_LATER || gift == GIFT_IN_USE ?
			     INVALID_IOASID :
			     given_id));
	if (gift == GIFT_OUTSIDE) {
		free_kernel(id);
		to->expected.word[to->expected.count - 1] = INVALID_IOASID;
		id = INVALID_IOASID;
	}
	/* sharers_are_asked_in_turn: the ID goes at once. */
	if (gift == GIFT_LATER) {
		call->data = 0;
		to->expected.word[to->expected.count - 1] = given_id;
	}
	compare(to);
	if (gift == GIFT_LATER)
		free_ours(given_id, group->member[1]);
	learn_alloc(id, model.groups ? group->member[0] : 0);
}

static void make_free(const struct step *step, struct record *to)
{
	struct call *call = &to->call, linux_call;
	uint32_t i;

	call->id = some_id(step->id);
	call->fail = step->fail;
	i = call->id - plan.base;
	set_lookups(step, call);
	linux_call = *call;
	if (model.groups) {
		/* departed_allocator_is_not_called */
		linux_call.back_who = model.group[0].leader;
		call->back_who = i < IDS ? model.giver[i] : 0;
	}
	to->expected = *side_call(&kernel, &linux_call);
	compare(to);
	if (i < IDS && model.live[i]) {
		model.live[i] = false;
		model.lives--;
	}
}

static void learn_register(uint32_t allocator)
{
	struct group *group = group_of(allocator);

	if (!group) {
		group = &model.group[model.groups++];
		*group = (struct group){ .function = allocator % FUNCTIONS,
					 .leader = allocator };
	}
	group->member[group->members++] = allocator;
}

static void learn_unregister(uint32_t allocator)
{
	struct group *group = group_of(allocator);
	uint32_t i = 0;

	while (group->member[i] != allocator)
		i++;
	group->members--;
	memmove(&group->member[i], &group->member[i + 1],
		(group->members - i) * sizeof(group->member[0]));
	if (!group->members) {
		i = (uint32_t)(group - model.group);
		model.groups--;
		memmove(group, group + 1, (model.groups - i) * sizeof(*group));
		return;
	}
	for (i = 0; i < IDS; i++)
		if (model.live[i] && model.giver[i] == allocator)
			model.giver[i] = group->member[0];
}

static void unregister_ours(uint32_t allocator)
{
	struct record *to = record(~0u);

	to->call = (struct call){ .op = UNREGISTER, .allocator = allocator };
	put_word(&to->expected, 0);
	compare(to);
}

static void make_register(const struct step *step, struct record *to)
{
	const struct group *group = group_of(step->allocator);
	struct call linux_call;

	to->call.allocator = step->allocator;
	linux_call = to->call;
	if (registered(step->allocator)) {
		/* sharer_is_registered_once, refused_allocator_is_left_alone */
		put_word(&to->expected, (uint64_t)-EEXIST);
		to->call.fail = 0;
		compare(to);
		return;
	}
	to->call.fail = step->fail;
	linux_call.fail = step->kernel_fail;
	to->expected = *side_call(&kernel, &linux_call);
	if (group && group->leader == step->allocator) {
		/* departed_allocator_may_come_back: and goes once more */
		CHECK(to->expected.word[0] == (uint64_t)-EEXIST);
		to->expected.word[0] = 0;
		compare(to);
		unregister_ours(step->allocator);
		return;
	}
	compare(to);
	if (!to->expected.word[0])
		learn_register(step->allocator);
}

static void make_unregister(const struct step *step, struct record *to)
{
	const struct group *group = group_of(step->allocator);

	to->call.allocator = step->allocator;
	if (!registered(step->allocator)) {
		/* allocators_are_told_by_address */
		put_word(&to->expected, (uint64_t)-ENOENT);
	} else if (group == &model.group[0] && group->members == 1 &&
		   model.lives) {
		/* allocator_with_ids_in_use_stays */
		put_word(&to->expected, (uint64_t)-EBUSY);
	} else {
		to->expected = *side_call(&kernel, &to->call);
		compare(to);
		learn_unregister(step->allocator);
		return;
	}
	compare(to);
}

static void make_step(const struct step *step)
{
	struct record *to = record(~0u);

	to->call.op = step->op;
	switch (step->op) {
	case ALLOC:
		make_alloc(step, to);
		break;
	case FREE:
		make_free(step, to);
		break;
	case REGISTER:
		make_register(step, to);
		break;
	case UNREGISTER:
		make_unregister(step, to);
		break;
	default:
		set_lookups(step, &to->call);
		to->call.id = some_id(step->id);
		to->call.data = step->data;
		to->expected = *side_call(&kernel, &to->call);
		compare(to);
		break;
	}
}

static void begin_ioasids(void)
{
	static const enum ioasid_store_kind stores[SIDES] = {
		IOASID_STORE_RADIX,
		IOASID_STORE_BITMAP,
		IOASID_STORE_HASH,
		IOASID_STORE_CUSTOM,
	};

	memset(&model, 0, sizeof(model));
	memset(&kernel, 0, sizeof(kernel));
	kernel.run = kernel_run;
	kernel.find = kernel_find;
	for (uint32_t i = 0; i < ALLOCATORS; i++)
		kernel_ops[i] = (struct kernel_ops){
			.alloc = ask_functions[i % FUNCTIONS],
			.free = back_functions[i % FUNCTIONS],
			.pdata = &allocator_numbers[i],
		};
	for (uint32_t i = 0; i < side_count; i++)
		side_begin(&sides[i], stores[i], plan.base);
	/* One of ours has the fault that is planted. */
	sides[2].faulty = true;
}

/* Whatever is left goes, which is compared as well. */
static void end_ioasids(void)
{
	struct step step = { .op = FREE };

	for (uint32_t i = 0; i < IDS; i++) {
		if (!model.live[i])
			continue;
		step.id = 192 + i;
		make_step(&step);
		CHECK(!model.live[i]);
	}
	step.op = UNREGISTER;
	while (model.groups) {
		step.allocator = model.group[0].member[0];
		make_step(&step);
	}
	ended = true;
	for (uint32_t i = 0; i < side_count; i++) {
		failed_side = i;
		side_end(&sides[i]);
	}
	CHECK(!kernel_reclaim());
}

static void run_ioasids(void)
{
	begin_ioasids();
	for (uint32_t i = 0; i < plan.steps; i++)
		make_step(&plan.step[i]);
	end_ioasids();
}

/* IDRs and IDAs. */

static struct ours_idr idrs[3];
static const enum ioasid_store_kind *idr_stores;
static uint32_t idr_count;
static struct kernel_idr kernel_idr;
static struct kernel_ida kernel_ida;
/* Memory failed in an alloc of the kernel's IDA. */
static bool ida_failed;

/* The highest ID of a bitmap, and of the other stores. */
static uint32_t highest(bool ida)
{
	ioasid_t base = ida ? 0 : plan.base;

	return plan.stores == 2 ? base + IOASID_BITMAP_IDS_MAX - 1 :
				  UINT32_MAX - 1;
}

static uint32_t idr_place(const struct idr_step *step, bool ida)
{
	ioasid_t base = ida ? 0 : plan.base;

	switch (plan.stores == 1 ? FROM_BASE : step->origin) {
	case FROM_BASE:
		return base + step->at;
	case FROM_INT_MAX:
		return (uint32_t)INT_MAX - 8 + step->at % 16;
	case FROM_UINT_MAX:
		return UINT32_MAX - step->at % 16;
	default:
		return base + IOASID_BITMAP_IDS_MAX - 8 + step->at % 16;
	}
}

static void set_idr_call(const struct idr_step *step, struct idr_call *call)
{
	bool ida = step->op >= IDA_RANGE;

	*call = (struct idr_call){ .op = step->op, .data = step->data };
	call->a = idr_place(step, ida);
	call->b = call->a + step->size;
	if (step->op == IDR_FOR_EACH)
		call->a = 1 + step->at % 64;
	if (step->op == IDR_ALLOC || step->op == IDR_CYCLIC) {
		/* The end is none of it; an open one is 0. */
		if (step->open)
			call->b = 0;
		else if (step->size == 255)
			call->b = call->a;
	} else if (call->b < call->a || step->open) {
		call->b = UINT32_MAX;
	} else if (step->size == 255) {
		call->b = call->a - 1;
	}
}

/* uint_max_is_no_id, bitmap_idr_is_bounded: up to the highest there is. */
static int kernel_idr_try(const struct idr_call *call, uint32_t *id)
{
	uint32_t end = highest(call->op == IDA_RANGE);
	bool far = call->a > end;

	if (call->op == IDR_U32 || call->op == IDA_RANGE)
		end = call->b < end ? call->b : end;
	else if ((int)call->b > 0 && call->b <= end)
		end = call->b;
	else
		end = end < INT_MAX ? end + 1 : 0;
	switch (call->op) {
	case IDR_ALLOC:
		if (far && (int)call->a >= 0)
			return -ENOSPC;
		return kernel_idr_alloc(&kernel_idr, DATA(call->data),
					(int)call->a, (int)end);
	case IDR_CYCLIC:
		/* negative_start_is_refused */
		if ((int)call->a < 0)
			return -EINVAL;
		if (far)
			return -ENOSPC;
		return kernel_idr_alloc_cyclic(&kernel_idr, DATA(call->data),
					       (int)call->a, (int)end);
	case IDR_U32:
		*id = call->a;
		if (far)
			return -ENOSPC;
		return kernel_idr_alloc_u32(&kernel_idr, DATA(call->data), id,
					    end);
	default:
		if (far)
			return -ENOSPC;
		return kernel_ida_alloc_range(&kernel_ida, call->a, end);
	}
}

static void kernel_idr_allocate(const struct idr_step *step,
				const struct idr_call *call,
				struct words *words)
{
	uint32_t id = 0;
	int ret = -ENOMEM;

	if (step->kernel_fail) {
		kernel_memory_fail(step->kernel_fail);
		ret = kernel_idr_try(call, &id);
		ida_failed |= call->op == IDA_RANGE && kernel_memory_failed();
		kernel_memory_fail(0);
		CHECK(ret != -ENOMEM ||
		      id == (call->op == IDR_U32 ? call->a : 0));
	}
	if (ret == -ENOMEM)
		ret = kernel_idr_try(call, &id);
	put_word(words, (uint64_t)ret);
	if (call->op == IDR_CYCLIC)
		put_word(words, kernel_idr_cursor(&kernel_idr));
	if (call->op == IDR_U32)
		put_word(words, id);
}

static void kernel_idr_walk(const struct idr_call *call, struct words *words)
{
	struct idr_walk walk = { words, call->a };
	unsigned long far = call->a;
	int id = (int)call->a;
	void *entry;

	switch (call->op) {
	case IDR_NEXT:
		put_word(words,
			 (uintptr_t)kernel_idr_get_next(&kernel_idr, &id));
		put_word(words, (uint64_t)id);
		break;
	case IDR_NEXT_UL:
		put_word(words,
			 (uintptr_t)kernel_idr_get_next_ul(&kernel_idr, &far));
		put_word(words, far);
		break;
	case IDR_FOR_EACH:
		put_word(words, (uint64_t)kernel_idr_for_each(
					&kernel_idr, idr_visit, &walk));
		break;
	default:
		/* The kernel's own macro. */
		for (id = 0;
		     (entry = kernel_idr_get_next(&kernel_idr, &id)) != NULL;
		     id = (int)((unsigned int)id + 1U)) {
			put_word(words, (uint64_t)id);
			put_word(words, (uintptr_t)entry);
		}
		break;
	}
}

static void kernel_idr_run(const struct idr_step *step,
			   const struct idr_call *call, struct words *words)
{
	void *data = DATA(call->data);

	words->count = 0;
	switch (call->op) {
	case IDR_ALLOC:
	case IDR_CYCLIC:
	case IDR_U32:
	case IDA_RANGE:
		kernel_idr_allocate(step, call, words);
		break;
	case IDR_REMOVE:
		put_word(words,
			 (uintptr_t)kernel_idr_remove(&kernel_idr, call->a));
		break;
	case IDR_REPLACE:
		put_word(words, (uintptr_t)kernel_idr_replace(&kernel_idr, data,
							      call->a));
		break;
	case IDR_FIND:
		put_word(words,
			 (uintptr_t)kernel_idr_find(&kernel_idr, call->a));
		break;
	case IDR_CURSOR:
		kernel_idr_set_cursor(&kernel_idr, call->a);
		put_word(words, kernel_idr_cursor(&kernel_idr));
		break;
	case IDR_EMPTY:
		put_word(words, kernel_idr_is_empty(&kernel_idr));
		break;
	case IDR_DESTROY:
		kernel_idr_destroy(&kernel_idr);
		break;
	case IDA_FREE:
		kernel_ida_free(&kernel_ida, call->a);
		break;
	case IDA_EMPTY:
		put_word(words, kernel_ida_is_empty(&kernel_ida));
		break;
	case IDA_DESTROY:
		kernel_ida_destroy(&kernel_ida);
		break;
	default:
		kernel_idr_walk(call, words);
		break;
	}
	kernel_reclaim();
}

static void make_idr_step(const struct idr_step *step)
{
	struct record *to = record(0);
	struct words words;

	set_idr_call(step, &to->idr_call);
	kernel_idr_run(step, &to->idr_call, &to->expected);
	record_count++;
	for (uint32_t i = 0; i < idr_count; i++) {
		failed_side = i;
		idr_run(&idrs[i], &to->idr_call, &words);
		CHECK(same_words(&words, to->expected.count,
				 to->expected.word));
	}
}

static void run_idrs(void)
{
	static const enum ioasid_store_kind stores[] = {
		IOASID_STORE_RADIX,
		IOASID_STORE_HASH,
		IOASID_STORE_BITMAP,
	};
	static const uint32_t counts[] = { 2, 3, 1 };
	static const enum idr_op last[] = { IDR_DESTROY, IDA_DESTROY, IDR_EMPTY,
					    IDA_EMPTY };
	struct idr_step step;

	idr_count = counts[plan.stores];
	idr_stores = stores + (plan.stores == 2 ? 2 : 0);
	for (uint32_t i = 0; i < idr_count; i++)
		ours_idr_begin(&idrs[i], idr_stores[i], (int)plan.base);
	idrs[idr_count - 1].faulty = true;
	kernel_idr_init(&kernel_idr, (int)plan.base);
	kernel_ida_init(&kernel_ida);
	ida_failed = false;
	for (uint32_t i = 0; i < plan.steps; i++)
		make_idr_step(&plan.idr_step[i]);
	memset(&step, 0, sizeof(step));
	for (uint32_t i = 0; i < 4; i++) {
		step.op = last[i];
		make_idr_step(&step);
	}
	ended = true;
	for (uint32_t i = 0; i < idr_count; i++) {
		failed_side = i;
		ours_idr_end(&idrs[i]);
	}
	/* Its ida_alloc_range() may lose a bitmap where memory fails. */
	CHECK(!kernel_reclaim() || ida_failed);
}

static void run_plan(void)
{
	record_count = 0;
	failed_side = 0;
	ended = false;
	kernel_reset();
	if (plan.part == PART_IOASID)
		run_ioasids();
	else
		run_idrs();
	kernel_reset();
}

static void run_whole(void)
{
	struct ioasid_space *kept = ioasid_default_space();

	run_plan();
	/* What stays in the process is the same before each input. */
	ioasid_space_trim(kept);
	CHECK(!ioasid_rcu_barrier(ioasid_space_rcu(kept)));
	if (plan.part == PART_IDR)
		CHECK(!ioasid_rcu_barrier(ioasid_idr_rcu()));
}

static void run(const uint8_t *data, size_t size)
{
	struct input input;

	input_begin(&input, data, size);
	decode_plan(&input);
	run_whole();
}

/* Inputs of a fixed generator's, which register the thread, make maps and such. */
static void warm_up(void)
{
	enum diff_fault planted = diff_fault;
	uint8_t data[1024];
	uint32_t state = 1;

	diff_fault = FAULT_none;
	for (uint32_t i = 0; i < 64; i++) {
		for (size_t k = 0; k < sizeof(data); k++) {
			state = state * 1664525u + 1013904223u;
			data[k] = (uint8_t)(state >> 24);
		}
		run(data, sizeof(data));
	}
	diff_fault = planted;
}

/* Does it still fail? What it leaves behind goes with the process. */
static bool fails(void)
{
	jmp_buf here;
	bool failed = true;

	retry = &here;
	if (!setjmp(here)) {
		run_plan();
		failed = false;
	}
	retry = NULL;
	return failed;
}

static void shrink(void)
{
	for (uint32_t i = plan.steps; i--;) {
		struct step step = plan.step[i];
		struct idr_step idr_step = plan.idr_step[i];
		size_t rest = plan.steps - i - 1;

		memmove(&plan.step[i], &plan.step[i + 1], rest * sizeof(step));
		memmove(&plan.idr_step[i], &plan.idr_step[i + 1],
			rest * sizeof(idr_step));
		plan.steps--;
		if (fails())
			continue;
		memmove(&plan.step[i + 1], &plan.step[i], rest * sizeof(step));
		memmove(&plan.idr_step[i + 1], &plan.idr_step[i],
			rest * sizeof(idr_step));
		plan.step[i] = step;
		plan.idr_step[i] = idr_step;
		plan.steps++;
	}
	(void)fails();
}

static void print_words(FILE *file, const struct words *words)
{
	fprintf(file, ", %u,\n\t       (const uint64_t[]){", words->count);
	for (uint32_t i = 0; i < words->count; i++) {
		int64_t word = (int64_t)words->word[i];

		if (word < 0 && word > -4096)
			fprintf(file, " (uint64_t)%lld,", (long long)word);
		else
			fprintf(file, " %lluu,",
				(unsigned long long)words->word[i]);
	}
	fprintf(file, "%s });\n", words->count ? "" : " 0");
}

static void print_call(FILE *file, const struct record *of)
{
	static const char *const ops[OPS] = { "ALLOC",	  "FREE",
					      "FIND",	  "SET_DATA",
					      "REGISTER", "UNREGISTER" };
	const struct call *call = &of->call;

	fprintf(file, "\texpect(&side,\n\t       &(struct call){ .op = %s,",
		ops[call->op]);
	if (call->id)
		fprintf(file, " .id = %uu,", call->id);
	if (call->op == ALLOC)
		fprintf(file, " .min = %uu, .max = %uu, .owner = %u,",
			call->min, call->max, call->owner);
	if (call->data)
		fprintf(file, " .data = %u,", call->data);
	if (call->op == REGISTER || call->op == UNREGISTER)
		fprintf(file, " .allocator = %u,", call->allocator);
	fprintf(file, "\n\t\t\t.lookup = {");
	for (uint32_t i = 0; i < LOOKUPS; i++)
		fprintf(file, " { %uu, %u, (enum getter)%d },",
			call->lookup[i].id, call->lookup[i].owner,
			(int)call->lookup[i].getter);
	fprintf(file, " },\n\t\t\t.ask = {");
	for (uint32_t i = 0; i < SHARERS; i++)
		fprintf(file, " { %u, %uu },", call->ask[i].who,
			call->ask[i].id);
	fprintf(file,
		" }, .asks = %u,\n\t\t\t.back_who = %u, .backs = %u, .in_use = %d, .fail = %u }",
		call->asks, call->back_who, call->backs, call->in_use,
		call->fail);
	print_words(file, &of->expected);
}

static void print_idr_call(FILE *file, const struct record *of)
{
	static const char *const ops[IDR_OPS] = {
		"IDR_ALLOC",	"IDR_CYCLIC",  "IDR_U32",    "IDR_REMOVE",
		"IDR_REPLACE",	"IDR_FIND",    "IDR_NEXT",   "IDR_NEXT_UL",
		"IDR_FOR_EACH", "IDR_ENTRIES", "IDR_CURSOR", "IDR_EMPTY",
		"IDR_DESTROY",	"IDA_RANGE",   "IDA_FREE",   "IDA_EMPTY",
		"IDA_DESTROY",
	};
	const struct idr_call *call = &of->idr_call;

	fprintf(file,
		"\texpect_idr(&ours,\n\t       &(struct idr_call){ %s, %uu, %uu, %u }",
		ops[call->op], call->a, call->b, call->data);
	print_words(file, &of->expected);
}

static void print(FILE *file)
{
	static const char *const stores[] = {
		[IOASID_STORE_RADIX] = "RADIX",
		[IOASID_STORE_BITMAP] = "BITMAP",
		[IOASID_STORE_HASH] = "HASH",
		[IOASID_STORE_CUSTOM] = "CUSTOM",
	};
	static const enum ioasid_store_kind sides_stores[SIDES] = {
		IOASID_STORE_RADIX,
		IOASID_STORE_BITMAP,
		IOASID_STORE_HASH,
		IOASID_STORE_CUSTOM,
	};
	bool idr = plan.part == PART_IDR;

	/* What is in the default space now would be there again. */
	if (mismatch && (idr || failed_side < SIDES - 1)) {
		side_count = SIDES - 1;
		if (fails())
			shrink();
	}
	fuzz_print_head(file, " -Icompat/linux/include", "",
			" compat/linux/idr.c");
	fprintf(file,
		"/* Calls, and what Linux answers to them. */\n"
		"#include \"fuzz/linux_diff/ours.h\"\n\n"
		"static struct %s;\n\n"
		"int main(void)\n{\n",
		idr ? "ours_idr ours" : "side side");
	if (idr)
		fprintf(file, "\tours_idr_begin(&ours, IOASID_STORE_%s, %u);\n",
			stores[idr_stores[failed_side]], plan.base);
	else
		fprintf(file, "\tside_begin(&side, IOASID_STORE_%s, %uu);\n",
			stores[sides_stores[failed_side]], plan.base);
	fprintf(file, "\t%s.faulty = diff_fault != FAULT_none;\n",
		idr ? "ours" : "side");
	for (uint32_t i = 0; i < record_count; i++)
		if (idr)
			print_idr_call(file, &records[i]);
		else
			print_call(file, &records[i]);
	fprintf(file, "\t%s_%s(&%s);\n\treturn 0;\n}\n",
		idr ? "ours_idr" : "side", ended ? "end" : "leave",
		idr ? "ours" : "side");
}

static const char *const fault_names[] = {
#define X(name) #name,
	DIFF_FAULTS(X)
#undef X
		NULL
};

static void plant(const char *name)
{
	for (uint32_t i = 0; fault_names[i]; i++)
		if (!strcmp(fault_names[i], name))
			diff_fault = (enum diff_fault)(i + 1);
}

const struct fuzz_target fuzz_target = {
	.name = "linux_diff",
	.warm_up = warm_up,
	.run = run,
	.print = print,
	.faults = fault_names,
	.plant = plant,
};
