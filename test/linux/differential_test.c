/* SPDX-License-Identifier: MIT */
/*
 * The same random calls to the kernel's allocator and to ours, on the default
 * space and on a space of every store: results, callbacks and what lookups
 * inside of callbacks see must be the same. Where
 * docs/differences-from-linux.md says otherwise, the kernel's answer is put
 * right or its code is not called: see deviate().
 */
#include "test/linux/sides.h"

#include <sys/wait.h>
#include <unistd.h>

enum {
	IDS = 160,
	OWNERS = 4,
	FUNCTIONS = 3,
	CHOOSERS = 8,
	LOOKUPS = 3,
	PHASE = 250,
	STEPS = TEST_SANITIZED ? 100000 : 500000,
	STEPS_TO_A_FAULT = 20000,
};

enum op {
	OP_ALLOC,
	OP_FREE,
	OP_FIND,
	OP_SET_DATA,
	OP_REGISTER,
	OP_UNREGISTER,
	OPS,
};

/* What the callback of an allocator does when asked. */
enum gift {
	GIVE_LOWEST,
	GIVE_ANY,
	GIVE_NONE,
	GIVE_OUTSIDE,
	GIVE_LIVE,
	/* not the first who is asked */
	GIVE_LATER,
	GIFTS,
};

enum { GETTER_NONE, GETTER_YES, GETTER_NO, GETTER_LOOKUP, GETTERS };

struct lookup {
	ioasid_t id;
	int owner;
	int getter;
};

struct call {
	enum op op;
	ioasid_t id, min, max;
	int owner, chooser;
	void *data;
	enum gift gift;
	uint32_t pick;
	struct lookup lookup[LOOKUPS];
	bool no_memory;
};

/* Faults planted in one of our sides, each of which must be found. */
enum plant {
	PLANT_NONE,
	PLANT_OWNER,
	PLANT_LOWEST,
	PLANT_DATA,
	PLANT_FREE,
	PLANT_PDATA,
	PLANT_LOOKUP,
	PLANT_BUSY,
	PLANTS,
};

/* How often something was seen: none of it may be missing. */
enum seen {
	SEEN_GIVEN,
	SEEN_HANDED_BACK,
	SEEN_LOOKUPS_INSIDE,
	SEEN_NO_MEMORY,
	SEEN_EAGAIN,
	DEVIATES_DEPARTED,
	DEVIATES_EMPTY_RANGE,
	DEVIATES_INVALID,
	DEVIATES_OUTSIDE,
	DEVIATES_LIVE,
	DEVIATES_SHARERS_ASKED,
	DEVIATES_REGISTERED,
	DEVIATES_UNKNOWN,
	DEVIATES_BUSY,
	SEEN,
};

/* By the names they have in docs/differences-from-linux.md. */
#define DEVIATION(name) #name

static const char *const seen_names[SEEN] = {
	"IDs given by callbacks",
	"IDs handed back",
	"lookups inside of callbacks",
	"allocs failed for want of memory",
	"-EAGAIN",
	DEVIATION(departed_allocator_is_not_called),
	DEVIATION(empty_range_is_not_asked_for),
	DEVIATION(invalid_id_is_not_handed_out),
	DEVIATION(id_out_of_range_is_refused),
	DEVIATION(live_id_is_not_handed_back),
	DEVIATION(sharers_are_asked_in_turn),
	DEVIATION(sharer_is_registered_once),
	DEVIATION(allocators_are_told_by_address),
	DEVIATION(allocator_with_ids_in_use_stays),
};

static uint64_t seen[SEEN];
static enum plant plant;
static struct test_random random_numbers;

/* Allocators with the same functions, in the order they were registered. */
struct group {
	int function;
	int members[CHOOSERS];
	int count;
	/* whose private data Linux goes on with */
	int leader;
};

/* What is known before a call, of all sides. */
static struct {
	ioasid_t base;
	struct group groups[FUNCTIONS];
	int count;
	bool live[IDS];
	uint32_t live_count;
	int giver[IDS];
} model;

static struct owner owners[OWNERS];
static char objects[64];
static int numbers[CHOOSERS];

/* What a side did. */
enum { TRACE_MAX = 64 };

struct trace {
	uint64_t word[TRACE_MAX];
	size_t count;
};

static struct {
	struct side side;
	struct trace trace;
	struct chooser choosers[CHOOSERS];
	/* what the hosts behind the allocators know */
	bool given[FUNCTIONS][IDS];
} sides[SIDES];

/* The call being made. */
static const struct call *now;
static int at;
static int asked;
static bool none_given;

static uint32_t below(uint32_t count)
{
	return test_below(&random_numbers, count);
}

static void trace(uint64_t word)
{
	struct trace *to = &sides[at].trace;

	CHECK(to->count < TRACE_MAX);
	to->word[to->count++] = word;
}

static bool planted(enum plant which)
{
	return plant == which && at == SIDE_STORES;
}

static struct group *group_of(int chooser)
{
	for (int i = 0; i < model.count; i++)
		if (model.groups[i].function == chooser % FUNCTIONS)
			return &model.groups[i];
	return NULL;
}

static bool registered(int chooser)
{
	const struct group *group = group_of(chooser);

	for (int i = 0; group && i < group->count; i++)
		if (group->members[i] == chooser)
			return true;
	return false;
}

static struct owner *owner_of(int owner)
{
	return owner < OWNERS ? &owners[owner] : NULL;
}

static void look(const struct lookup *lookup, int depth);

static bool get_yes(void *data)
{
	trace((uintptr_t)data);
	return true;
}

static bool get_no(void *data)
{
	trace((uintptr_t)data);
	return false;
}

static bool get_lookup(void *data)
{
	trace((uintptr_t)data);
	look(&now->lookup[1], 1);
	return true;
}

static bool (*const getters[GETTERS])(void *data) = {
	NULL,
	get_yes,
	get_no,
	get_lookup,
};

static void look(const struct lookup *lookup, int depth)
{
	struct owner *owner = owner_of(lookup->owner);
	int getter = depth ? lookup->getter % GETTER_LOOKUP : lookup->getter;

	if (planted(PLANT_OWNER))
		owner = NULL;
	trace((uintptr_t)side_find(&sides[at].side, owner, lookup->id,
				   getters[getter]));
}

static void look_inside(void)
{
	for (int i = 0; i < LOOKUPS; i++) {
		look(&now->lookup[i], 1);
		seen[SEEN_LOOKUPS_INSIDE]++;
	}
}

static ioasid_t clip(ioasid_t id)
{
	return id == INVALID_IOASID ? INVALID_IOASID - 1 : id;
}

static ioasid_t gift_of(int function, ioasid_t min, ioasid_t max)
{
	const bool *given = sides[at].given[function];
	uint32_t pick = now->pick % IDS, i;

	if (now->gift == GIVE_NONE || (now->gift == GIVE_LATER && !asked))
		return INVALID_IOASID;
	for (i = 0; i < IDS; i++) {
		ioasid_t id = now->gift == GIVE_LOWEST ? i : (pick + i) % IDS;
		bool inside = model.base + id >= min && model.base + id <= max;

		if (given[id] == (now->gift == GIVE_LIVE) &&
		    inside == (now->gift != GIVE_OUTSIDE))
			return model.base + id;
	}
	return INVALID_IOASID;
}

static ioasid_t ask(int function, ioasid_t min, ioasid_t max, void *pdata)
{
	const struct group *group = &model.groups[0];
	int who = (int)((int *)pdata - numbers), expected;
	ioasid_t id;

	CHECK(model.count && asked < group->count);
	expected = at == SIDE_LINUX ? group->leader : group->members[asked];
	if (who != expected || function != group->function)
		trace(UINT64_MAX);
	if (group->leader != group->members[0])
		seen[DEVIATES_DEPARTED]++;
	if (asked) {
		seen[DEVIATES_SHARERS_ASKED]++;
	} else {
		trace((uint64_t)function);
		trace(min);
		trace(clip(max));
		look_inside();
	}
	id = gift_of(function, min, clip(max));
	asked++;
	none_given = id == INVALID_IOASID;
	if (!none_given && now->gift != GIVE_LIVE)
		sides[at].given[function][id - model.base] = true;
	seen[SEEN_GIVEN] += !none_given;
	return id;
}

static void take_back(int function, ioasid_t id, void *pdata)
{
	const struct group *group = &model.groups[0];
	int who = (int)((int *)pdata - numbers), expected;
	uint32_t i = id - model.base;

	CHECK(model.count && i < IDS);
	CHECK(sides[at].given[function][i]);
	if (now->op == OP_ALLOC && now->gift == GIVE_LIVE) {
		/* Somebody's, and the host would give it to another. */
		CHECK(at == SIDE_LINUX);
		seen[DEVIATES_LIVE]++;
		return;
	}
	if (at == SIDE_LINUX)
		expected = group->leader;
	else if (now->op == OP_ALLOC)
		expected = group->members[asked - 1];
	else
		expected = model.giver[i];
	if (who != expected || function != group->function)
		trace(UINT64_MAX);
	sides[at].given[function][i] = false;
	seen[SEEN_HANDED_BACK]++;
	if (now->op == OP_ALLOC && now->gift == GIVE_LATER)
		return;
	trace(id);
	if (now->op == OP_ALLOC)
		return;
	trace(planted(PLANT_LOOKUP) ?
		      (uint64_t)-ENOENT :
		      (uintptr_t)side_find(&sides[at].side, NULL, id, NULL));
	look_inside();
}

#define CALLBACKS(function)                                        \
	static ioasid_t ask_##function(ioasid_t min, ioasid_t max, \
				       void *pdata)                \
	{                                                          \
		return ask(function, min, max, pdata);             \
	}                                                          \
	static void take_back_##function(ioasid_t id, void *pdata) \
	{                                                          \
		take_back(function, id, pdata);                    \
	}                                                          \
	static void take_back_##function(ioasid_t id, void *pdata)

CALLBACKS(0);
CALLBACKS(1);
CALLBACKS(2);

static void make_choosers(struct chooser *choosers)
{
	static ioasid_t (*const asks[])(ioasid_t, ioasid_t, void *) = {
		ask_0,
		ask_1,
		ask_2,
	};
	static void (*const takes[])(ioasid_t, void *) = {
		take_back_0,
		take_back_1,
		take_back_2,
	};

	for (int i = 0; i < CHOOSERS; i++)
		chooser_init(&choosers[i], asks[i % FUNCTIONS],
			     takes[i % FUNCTIONS], &numbers[i]);
}

/* Nothing undoes the invalid ID: its entry is in the tree, but freed. */
static bool invalid_is_next(const struct call *call)
{
	ioasid_t id;

	if (model.count || call->max != INVALID_IOASID)
		return false;
	for (id = call->min; id != INVALID_IOASID; id++)
		if (!model.live[id - model.base])
			return false;
	return true;
}

/*
 * Linux does what it should not: its answer is put right, before or after the
 * call. Returns whether the call is not made.
 */
static bool deviate(const struct call *call, uint64_t *answer)
{
	const struct group *group = group_of(call->chooser);

	if (call->op == OP_ALLOC && call->min > call->max && model.count) {
		seen[DEVIATES_EMPTY_RANGE]++;
		*answer = INVALID_IOASID;
		return true;
	}
	if (call->op == OP_ALLOC && invalid_is_next(call)) {
		seen[DEVIATES_INVALID]++;
		*answer = INVALID_IOASID;
		return true;
	}
	if (call->op == OP_REGISTER && registered(call->chooser)) {
		seen[DEVIATES_REGISTERED]++;
		*answer = (uint64_t)-EEXIST;
		return true;
	}
	if (call->op == OP_UNREGISTER && !registered(call->chooser)) {
		seen[DEVIATES_UNKNOWN]++;
		*answer = (uint64_t)-ENOENT;
		return true;
	}
	if (call->op == OP_UNREGISTER && group == &model.groups[0] &&
	    group->count == 1 && model.live_count) {
		seen[DEVIATES_BUSY]++;
		*answer = (uint64_t)-EBUSY;
		return true;
	}
	return false;
}

static ioasid_t deviate_after(struct side *side, const struct call *call,
			      ioasid_t id)
{
	if (id == INVALID_IOASID || (id >= call->min && id <= call->max))
		return id;
	seen[DEVIATES_OUTSIDE]++;
	side_free(side, id);
	return INVALID_IOASID;
}

/* With memory failing on the way: then nothing has changed. */
static bool alloc_fails(struct side *side, const struct call *call,
			ioasid_t *id)
{
	struct test_memory *memory = &side->memory;
	uint64_t failed = memory->failed;
	size_t count = sides[at].trace.count;
	bool before[FUNCTIONS][IDS];

	memcpy(before, sides[at].given, sizeof(before));
	memory->fail_at = memory->calls + 1 + call->pick % 4;
	*id = side_alloc(side, owner_of(call->owner), call->min, call->max,
			 call->data);
	memory->fail_at = 0;
	if (*id != INVALID_IOASID || memory->failed == failed)
		return false;
	seen[SEEN_NO_MEMORY]++;
	CHECK(!memcmp(before, sides[at].given, sizeof(before)));
	sides[at].trace.count = count;
	asked = 0;
	none_given = false;
	return true;
}

static void run_alloc(struct side *side, const struct call *call)
{
	ioasid_t id, min = call->min;
	int most = 1;

	if (planted(PLANT_LOWEST) && min < call->max)
		min++;
	if (!side->memory.calls || !call->no_memory ||
	    alloc_fails(side, call, &id))
		id = side_alloc(side, owner_of(call->owner), min, call->max,
				call->data);
	if (at == SIDE_LINUX)
		id = deviate_after(side, call, id);
	else if (asked && none_given)
		most = model.groups[0].count;
	else if (asked && call->gift == GIVE_LATER)
		most = 2;
	if (asked && asked != most)
		trace(UINT64_MAX);
	/* It is Linux's turn to have none. */
	if (most == 2 && id != INVALID_IOASID && call->gift == GIVE_LATER) {
		side_free(side, id);
		id = INVALID_IOASID;
	}
	trace(id);
}

static void run_free(struct side *side, const struct call *call)
{
	struct ioasid_stats stats;

	if (planted(PLANT_FREE) && call->pick % 64 == 0)
		return;
	side->memory.fail_all = call->no_memory;
	side_free(side, call->id);
	side->memory.fail_all = false;
	if (at == SIDE_LINUX)
		return;
	/* A generation turned: the next alloc must not pass the ID over. */
	ioasid_space_stats(side->space, &stats);
	if (stats.quarantined)
		CHECK(!ioasid_rcu_synchronize(ioasid_space_rcu(side->space)));
}

static void run(int index, const struct call *call)
{
	struct side *side = &sides[index].side;
	struct chooser *chooser = &sides[index].choosers[call->chooser];
	uint64_t answer = 0;
	int ret;

	now = call;
	at = index;
	asked = 0;
	none_given = false;
	sides[index].trace.count = 0;
	if (index == SIDE_LINUX && deviate(call, &answer)) {
		trace(answer);
		return;
	}
	switch (call->op) {
	case OP_ALLOC:
		run_alloc(side, call);
		break;
	case OP_FREE:
		run_free(side, call);
		break;
	case OP_FIND:
		look(&call->lookup[0], 0);
		break;
	case OP_SET_DATA:
		trace((uint64_t)side_set_data(
			side, call->id,
			planted(PLANT_DATA) ? NULL : call->data));
		break;
	case OP_REGISTER:
		if (planted(PLANT_PDATA))
			chooser->ops.pdata = numbers;
		ret = side_register(side, chooser);
		seen[SEEN_EAGAIN] += ret == -EAGAIN;
		trace((uint64_t)ret);
		break;
	default:
		ret = side_unregister(side, chooser);
		trace((uint64_t)(planted(PLANT_BUSY) && ret == -EBUSY ? 0 :
									ret));
	}
}

/* The model follows what Linux answered. */
static void learn_alloc(ioasid_t id)
{
	uint32_t i = id - model.base;

	if (id == INVALID_IOASID)
		return;
	CHECK(i < IDS && !model.live[i]);
	model.live[i] = true;
	model.live_count++;
	model.giver[i] = model.count ? model.groups[0].members[0] : -1;
}

static void learn_free(ioasid_t id)
{
	uint32_t i = id - model.base;

	if (i >= IDS || !model.live[i])
		return;
	model.live[i] = false;
	model.live_count--;
}

static void learn_register(int chooser)
{
	struct group *group = group_of(chooser);

	if (!group) {
		group = &model.groups[model.count++];
		group->function = chooser % FUNCTIONS;
		group->count = 0;
		group->leader = chooser;
	}
	group->members[group->count++] = chooser;
}

static void learn_unregister(int chooser)
{
	struct group *group = group_of(chooser);
	int i = 0;

	while (group->members[i] != chooser)
		i++;
	group->count--;
	memmove(&group->members[i], &group->members[i + 1],
		(size_t)(group->count - i) * sizeof(group->members[0]));
	if (!group->count) {
		i = (int)(group - model.groups);
		model.count--;
		memmove(group, group + 1,
			(size_t)(model.count - i) * sizeof(*group));
		return;
	}
	for (i = 0; i < IDS; i++)
		if (model.live[i] && model.giver[i] == chooser)
			model.giver[i] = group->members[0];
}

static void learn(const struct call *call)
{
	const struct trace *linux_trace = &sides[SIDE_LINUX].trace;
	uint64_t answer = linux_trace->count ?
				  linux_trace->word[linux_trace->count - 1] :
				  0;

	switch (call->op) {
	case OP_ALLOC:
		learn_alloc((ioasid_t)answer);
		break;
	case OP_FREE:
		learn_free(call->id);
		break;
	case OP_REGISTER:
		if (!answer)
			learn_register(call->chooser);
		break;
	case OP_UNREGISTER:
		if (!answer)
			learn_unregister(call->chooser);
		break;
	default:
		break;
	}
}

static bool same(const struct trace *a, const struct trace *b)
{
	return a->count == b->count &&
	       !memcmp(a->word, b->word, a->count * sizeof(a->word[0]));
}

static void tell(const struct call *call, int index, uint64_t step)
{
	static const char *const names[OPS] = {
		"alloc", "free", "find", "set_data", "register", "unregister",
	};

	fprintf(stderr,
		"step %llu: %s id %u min %u max %u owner %d allocator %d gift %u: %s differs\n",
		(unsigned long long)step, names[call->op], call->id, call->min,
		call->max, call->owner, call->chooser, (unsigned int)call->gift,
		sides[index].side.name);
	for (int side = SIDE_LINUX;; side = index) {
		fprintf(stderr, "%8s:", sides[side].side.name);
		for (size_t i = 0; i < sides[side].trace.count; i++)
			fprintf(stderr, " %llx",
				(unsigned long long)sides[side].trace.word[i]);
		fprintf(stderr, "\n");
		if (side == index)
			break;
	}
}

/* Do all sides answer the same? */
static bool step(const struct call *call, uint64_t number)
{
	for (int i = 0; i < SIDES; i++)
		run(i, call);
	for (int i = 1; i < SIDES; i++) {
		if (same(&sides[SIDE_LINUX].trace, &sides[i].trace))
			continue;
		if (plant == PLANT_NONE)
			tell(call, i, number);
		return false;
	}
	learn(call);
	return true;
}

static ioasid_t random_id(bool live)
{
	uint32_t i = below(IDS), n;

	for (n = 0; live && n < IDS && !model.live[i]; n++)
		i = (i + 1) % IDS;
	return model.base + i;
}

static void random_range(struct call *call)
{
	uint32_t min = below(IDS), max = min + below(IDS - min);

	if (below(2))
		max = IDS - 1;
	call->min = model.base + min;
	call->max = model.base + max;
	if (call->max == INVALID_IOASID - 1 && below(2)) {
		call->max = INVALID_IOASID;
		if (below(2))
			call->min = call->max - 1 - below(4);
	}
	if (below(50) == 0) {
		call->min = model.base + max;
		call->max = model.base + min;
	}
}

/* Linux would not have the first of a group back while others are in it. */
static int random_chooser(enum op op)
{
	int chooser = (int)below(CHOOSERS);
	const struct group *group = group_of(chooser);

	while (op == OP_REGISTER && group && group->leader == chooser &&
	       !registered(chooser)) {
		chooser = (int)below(CHOOSERS);
		group = group_of(chooser);
	}
	return chooser;
}

/* In plain times allocators leave, and the default has its turn. */
static enum op random_op(uint32_t phase, bool plain)
{
	uint32_t n = below(1000);

	if (n < 10)
		return OP_SET_DATA;
	if (n < 30)
		return plain && model.count ? OP_UNREGISTER : OP_REGISTER;
	if (n < 50)
		return OP_UNREGISTER;
	if (n < 400)
		return OP_FIND;
	/* More come, more go, or both alike. */
	return below(8) < (phase == 0 ? 7 :
			   phase == 1 ? 1 :
					4) ?
		       OP_ALLOC :
		       OP_FREE;
}

static void random_call(struct call *call, uint32_t phase, bool plain)
{
	uint32_t n = below(20);

	*call = (struct call){
		.op = random_op(phase, plain),
		.id = random_id(below(8) != 0),
		/* The last never has any, the next is none. */
		.owner = (int)below(OWNERS - 1),
		.data = below(8) ? &objects[below(sizeof(objects))] : NULL,
		.gift = n < 7  ? GIVE_LOWEST :
			n < 14 ? GIVE_ANY :
				 (enum gift)(n % 4 + GIVE_NONE),
		.pick = test_random(&random_numbers),
		.no_memory = below(8) == 0,
	};
	call->chooser = random_chooser(call->op);
	if (call->owner == 0)
		call->owner = OWNERS;
	random_range(call);
	for (int i = 0; i < LOOKUPS; i++)
		call->lookup[i] = (struct lookup){
			.id = random_id(below(4) != 0),
			.owner = (int)below(OWNERS + 1),
			.getter = (int)below(GETTERS),
		};
	if (below(100) == 0)
		call->id = call->lookup[0].id = INVALID_IOASID;
}

/* Whatever the last steps left is taken away, which is compared as well. */
static bool clear(void)
{
	struct call call = { .op = OP_FREE };
	bool agree = true;

	for (uint32_t i = 0; agree && i < IDS; i++) {
		call.id = model.base + i;
		agree = step(&call, UINT64_MAX);
	}
	call.op = OP_UNREGISTER;
	while (agree && model.count) {
		call.chooser = model.groups[0].members[0];
		agree = step(&call, UINT64_MAX);
	}
	return agree;
}

static bool agrees(ioasid_t base, uint64_t seed, uint64_t steps)
{
	struct call call;
	uint32_t phase = 0;
	bool agree = true;

	random_numbers.state = seed;
	memset(&model, 0, sizeof(model));
	memset(sides, 0, sizeof(sides));
	model.base = base;
	for (int i = 0; i < SIDES; i++) {
		side_begin(&sides[i].side, i, base, base + IDS - 1);
		make_choosers(sides[i].choosers);
	}
	for (uint64_t i = 0; agree && i < steps; i++) {
		if (i % PHASE == 0)
			phase = below(3);
		random_call(&call, phase, i / (8 * PHASE) % 2 == 1);
		agree = step(&call, i);
		for (int s = 1; agree && i % 997 == 0 && s < SIDES; s++)
			agree = ioasid_space_validate(sides[s].side.space,
						      NULL);
	}
	if (agree)
		agree = clear();
	for (int i = 0; agree && i < SIDES; i++)
		side_end(&sides[i].side);
	return agree;
}

/* What is left behind by a fault goes with its process. */
static bool finds(enum plant which)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child) {
		plant = which;
		_exit(agrees(4000, 7, STEPS_TO_A_FAULT) ? 0 : 42);
	}
	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status) == 42;
}

static void planted_faults_are_found(void **state)
{
	(void)state;
	for (int which = PLANT_NONE; which < PLANTS; which++)
		assert_int_equal(finds((enum plant)which), which != PLANT_NONE);
}

static void all_sides_agree(void **state)
{
	static const ioasid_t bases[] = {
		0, 4000, (1u << 20) - IDS / 2, 0x7fffffb0, INVALID_IOASID - IDS,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bases); i++)
		assert_true(agrees(bases[i], i + 1, STEPS));
	for (int i = 0; i < SEEN; i++) {
		print_message("%12llu %s\n", (unsigned long long)seen[i],
			      seen_names[i]);
		assert_true(seen[i] > 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		/* First: processes of one thread have children. */
		cmocka_unit_test(planted_faults_are_found),
		cmocka_unit_test(all_sides_agree),
	};

	return cmocka_run_group_tests_name("differential", tests, NULL, NULL);
}
