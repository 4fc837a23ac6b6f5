/* SPDX-License-Identifier: MIT */
#include "test/fixture.h"

#include <ioasid/slot.h>

/*
 * One table of every transition: a state, a call, its result and the state
 * after. States are written as generation, set, references, live.
 */
enum call {
	READ,
	FREE,
	/* free that may leave the slot closed */
	CLOSE,
	HIDE,
	VACATE,
	HOLD,
	GET,
	PUT,
	PUBLISH,
	RESERVE,
	PUBLISH_RESERVED,
	MOVE,
	CALLS,
};

struct word {
	uint32_t generation, set, refs;
	bool live;
};

#define GENERATION_LAST ((uint32_t)(IOASID_GENERATION_HALF * 2ull - 1))
#define REFS_RESERVED (IOASID_REFS_MAX + 1)
#define REFS_ALL (IOASID_REFS_MAX + 2)
#define VACANT_WORD { 7, 0, 0, false }
#define LIVE_WORD(refs) { 7, 3, refs, true }
#define CLOSED_WORD { 7, 3, 0, true }
#define PENDING_WORD(refs) { 7, 3, refs, false }
#define RESERVED_WORD { 7, 3, REFS_RESERVED, false }
#define MOVED_WORD { 0, 0, REFS_ALL, false }

/* READ and GET by what: any, this use, the one before, the next. */
#define ANY IOASID_GENERATION_ANY
#define THIS 7
#define OLD 6
#define NEXT 8
#define FOREIGN IOASID_SET_FOREIGN

static const struct {
	struct word before;
	enum call call;
	/* what is asked for, published or held */
	uint32_t set, generation;
	int ret;
	struct word after;
} transitions[] = {
	/* vacant */
	{ VACANT_WORD, READ, 0, ANY, -ENOENT, VACANT_WORD },
	{ VACANT_WORD, READ, 3, ANY, -ENOENT, VACANT_WORD },
	{ VACANT_WORD, READ, 0, THIS, -ENOENT, VACANT_WORD },
	{ VACANT_WORD, READ, 0, OLD, -ESTALE, VACANT_WORD },
	{ VACANT_WORD, READ, 0, NEXT, -ESTALE, VACANT_WORD },
	{ VACANT_WORD, FREE, 0, 0, -ENOENT, VACANT_WORD },
	{ VACANT_WORD, CLOSE, 0, 0, -ENOENT, VACANT_WORD },
	{ VACANT_WORD, HIDE, 0, 0, -ENOENT, VACANT_WORD },
	{ VACANT_WORD, VACATE, 0, 0, 0, VACANT_WORD },
	{ VACANT_WORD, HOLD, 3, 0, 0, PENDING_WORD(1) },
	{ VACANT_WORD, GET, 0, ANY, -ENOENT, VACANT_WORD },
	{ VACANT_WORD, GET, 3, ANY, -ENOENT, VACANT_WORD },
	{ VACANT_WORD, GET, 0, THIS, -ENOENT, VACANT_WORD },
	{ VACANT_WORD, GET, 0, OLD, -ESTALE, VACANT_WORD },
	{ VACANT_WORD, PUT, 0, 0, -ENOENT, VACANT_WORD },
	{ { 0, 0, 0, false }, READ, 0, 1, -ESTALE, { 0, 0, 0, false } },
	{ { 0, 0, 0, false }, PUBLISH, 0, 0, 0, { 1, 0, 1, true } },
	{ VACANT_WORD, PUBLISH, 3, 0, 0, { 8, 3, 1, true } },
	{ VACANT_WORD,
	  PUBLISH,
	  IOASID_SETS_MAX,
	  0,
	  0,
	  { 8, IOASID_SETS_MAX, 1, true } },
	{ { GENERATION_LAST, 0, 0, false }, PUBLISH, 3, 0, 0, { 1, 3, 1, true } },
	{ VACANT_WORD, RESERVE, 3, 0, 0, { 8, 3, REFS_RESERVED, false } },
	{ { 0, 0, 0, false }, RESERVE, 0, 0, 0, { 1, 0, REFS_RESERVED, false } },
	{ { GENERATION_LAST, 0, 0, false },
	  RESERVE,
	  IOASID_SETS_MAX,
	  0,
	  0,
	  { 1, IOASID_SETS_MAX, REFS_RESERVED, false } },
	{ VACANT_WORD, MOVE, 0, 0, 0, VACANT_WORD },
	/* live */
	{ LIVE_WORD(1), READ, 0, ANY, 0, LIVE_WORD(1) },
	{ LIVE_WORD(1), READ, 3, ANY, 0, LIVE_WORD(1) },
	{ LIVE_WORD(1), READ, 4, ANY, -EACCES, LIVE_WORD(1) },
	{ { 7, 0, 1, true }, READ, 4, ANY, -EACCES, { 7, 0, 1, true } },
	{ LIVE_WORD(1), READ, FOREIGN, ANY, -EACCES, LIVE_WORD(1) },
	{ LIVE_WORD(1), READ, 3, THIS, 0, LIVE_WORD(1) },
	{ LIVE_WORD(1), READ, 4, THIS, -EACCES, LIVE_WORD(1) },
	{ LIVE_WORD(1), READ, 3, OLD, -ESTALE, LIVE_WORD(1) },
	{ LIVE_WORD(1), READ, 4, OLD, -ESTALE, LIVE_WORD(1) },
	{ LIVE_WORD(1), READ, 3, NEXT, -ESTALE, LIVE_WORD(1) },
	{ { GENERATION_LAST, 3, 1, true },
	  READ,
	  0,
	  GENERATION_LAST,
	  0,
	  { GENERATION_LAST, 3, 1, true } },
	{ { GENERATION_LAST, 3, 1, true },
	  READ,
	  0,
	  1,
	  -ESTALE,
	  { GENERATION_LAST, 3, 1, true } },
	{ LIVE_WORD(1), FREE, 0, 0, 0, VACANT_WORD },
	{ LIVE_WORD(2), FREE, 0, 0, 1, PENDING_WORD(1) },
	{ LIVE_WORD(IOASID_REFS_MAX), FREE, 0, 0, (int)IOASID_REFS_MAX - 1,
	  PENDING_WORD(IOASID_REFS_MAX - 1) },
	{ LIVE_WORD(1), CLOSE, 0, 0, 0, CLOSED_WORD },
	{ LIVE_WORD(2), CLOSE, 0, 0, 1, PENDING_WORD(1) },
	{ LIVE_WORD(1), HIDE, 0, 0, 0, PENDING_WORD(1) },
	{ LIVE_WORD(IOASID_REFS_MAX), HIDE, 0, 0, 0,
	  PENDING_WORD(IOASID_REFS_MAX) },
	{ LIVE_WORD(1), GET, 0, ANY, 0, LIVE_WORD(2) },
	{ LIVE_WORD(1), GET, 3, ANY, 0, LIVE_WORD(2) },
	{ LIVE_WORD(1), GET, 4, ANY, -EACCES, LIVE_WORD(1) },
	{ LIVE_WORD(1), GET, FOREIGN, ANY, -EACCES, LIVE_WORD(1) },
	{ LIVE_WORD(1), GET, 3, THIS, 0, LIVE_WORD(2) },
	{ LIVE_WORD(1), GET, 4, THIS, -EACCES, LIVE_WORD(1) },
	{ LIVE_WORD(1), GET, 3, OLD, -ESTALE, LIVE_WORD(1) },
	{ LIVE_WORD(1), GET, 4, NEXT, -ESTALE, LIVE_WORD(1) },
	{ LIVE_WORD(IOASID_REFS_MAX - 1), GET, 0, ANY, 0,
	  LIVE_WORD(IOASID_REFS_MAX) },
	{ LIVE_WORD(IOASID_REFS_MAX), GET, 0, ANY, -EOVERFLOW,
	  LIVE_WORD(IOASID_REFS_MAX) },
	{ LIVE_WORD(2), PUT, 0, 0, 1, LIVE_WORD(1) },
	{ LIVE_WORD(1), PUT, 0, 0, 0, CLOSED_WORD },
	{ LIVE_WORD(IOASID_REFS_MAX), MOVE, 0, 0, 0,
	  LIVE_WORD(IOASID_REFS_MAX) },
	/* closed */
	{ CLOSED_WORD, READ, 0, ANY, 0, CLOSED_WORD },
	{ CLOSED_WORD, READ, 3, THIS, 0, CLOSED_WORD },
	{ CLOSED_WORD, READ, 4, ANY, -EACCES, CLOSED_WORD },
	{ CLOSED_WORD, READ, 3, OLD, -ESTALE, CLOSED_WORD },
	{ CLOSED_WORD, FREE, 0, 0, -EBUSY, CLOSED_WORD },
	{ CLOSED_WORD, CLOSE, 0, 0, -EBUSY, CLOSED_WORD },
	{ CLOSED_WORD, HIDE, 0, 0, -EBUSY, CLOSED_WORD },
	{ CLOSED_WORD, VACATE, 0, 0, 0, VACANT_WORD },
	{ CLOSED_WORD, HOLD, 3, 0, 0, PENDING_WORD(1) },
	{ CLOSED_WORD, GET, 0, ANY, -EBUSY, CLOSED_WORD },
	{ CLOSED_WORD, GET, 3, THIS, -EBUSY, CLOSED_WORD },
	{ CLOSED_WORD, GET, 4, ANY, -EACCES, CLOSED_WORD },
	{ CLOSED_WORD, GET, 3, OLD, -ESTALE, CLOSED_WORD },
	{ CLOSED_WORD, PUT, 0, 0, -ENOENT, CLOSED_WORD },
	{ CLOSED_WORD, MOVE, 0, 0, 0, CLOSED_WORD },
	/* pending */
	{ PENDING_WORD(1), READ, 0, ANY, -ENOENT, PENDING_WORD(1) },
	{ PENDING_WORD(1), READ, 4, ANY, -ENOENT, PENDING_WORD(1) },
	{ PENDING_WORD(1), READ, 3, THIS, -ENOENT, PENDING_WORD(1) },
	{ PENDING_WORD(1), READ, 3, OLD, -ESTALE, PENDING_WORD(1) },
	{ PENDING_WORD(IOASID_REFS_MAX - 1), READ, 3, ANY, -ENOENT,
	  PENDING_WORD(IOASID_REFS_MAX - 1) },
	{ PENDING_WORD(1), FREE, 0, 0, -EBUSY, PENDING_WORD(1) },
	{ PENDING_WORD(1), CLOSE, 0, 0, -EBUSY, PENDING_WORD(1) },
	{ PENDING_WORD(1), HIDE, 0, 0, -EBUSY, PENDING_WORD(1) },
	/* What was held. */
	{ PENDING_WORD(1), VACATE, 0, 0, 0, VACANT_WORD },
	{ PENDING_WORD(1), GET, 0, ANY, -EBUSY, PENDING_WORD(1) },
	{ PENDING_WORD(1), GET, 4, ANY, -EBUSY, PENDING_WORD(1) },
	{ PENDING_WORD(1), GET, 3, THIS, -EBUSY, PENDING_WORD(1) },
	{ PENDING_WORD(1), GET, 3, OLD, -ESTALE, PENDING_WORD(1) },
	{ PENDING_WORD(2), PUT, 0, 0, 1, PENDING_WORD(1) },
	{ PENDING_WORD(1), PUT, 0, 0, 0, VACANT_WORD },
	{ { GENERATION_LAST, 3, 1, false },
	  PUT,
	  0,
	  0,
	  0,
	  { GENERATION_LAST, 0, 0, false } },
	{ PENDING_WORD(2), MOVE, 0, 0, 0, PENDING_WORD(2) },
	/* reserved */
	{ RESERVED_WORD, READ, 0, ANY, -ENOENT, RESERVED_WORD },
	{ RESERVED_WORD, READ, 4, ANY, -ENOENT, RESERVED_WORD },
	{ RESERVED_WORD, READ, 3, THIS, -ENOENT, RESERVED_WORD },
	{ RESERVED_WORD, READ, 3, OLD, -ESTALE, RESERVED_WORD },
	{ RESERVED_WORD, FREE, 0, 0, -ENOENT, RESERVED_WORD },
	{ RESERVED_WORD, CLOSE, 0, 0, -ENOENT, RESERVED_WORD },
	{ RESERVED_WORD, HIDE, 0, 0, -ENOENT, RESERVED_WORD },
	{ RESERVED_WORD, VACATE, 0, 0, 0, VACANT_WORD },
	{ RESERVED_WORD, GET, 0, ANY, -ENOENT, RESERVED_WORD },
	{ RESERVED_WORD, GET, 4, ANY, -ENOENT, RESERVED_WORD },
	{ RESERVED_WORD, GET, 3, THIS, -ENOENT, RESERVED_WORD },
	{ RESERVED_WORD, GET, 3, OLD, -ESTALE, RESERVED_WORD },
	{ RESERVED_WORD, PUT, 0, 0, -ENOENT, RESERVED_WORD },
	{ RESERVED_WORD, PUBLISH_RESERVED, 0, 0, 0, LIVE_WORD(1) },
	{ { GENERATION_LAST, IOASID_SETS_MAX, REFS_RESERVED, false },
	  PUBLISH_RESERVED,
	  0,
	  0,
	  0,
	  { GENERATION_LAST, IOASID_SETS_MAX, 1, true } },
	{ RESERVED_WORD, MOVE, 0, 0, 0, RESERVED_WORD },
	/* moved */
	{ MOVED_WORD, READ, 0, ANY, -EAGAIN, MOVED_WORD },
	{ MOVED_WORD, READ, 3, ANY, -EAGAIN, MOVED_WORD },
	{ MOVED_WORD, READ, 3, THIS, -EAGAIN, MOVED_WORD },
	{ MOVED_WORD, GET, 0, ANY, -EAGAIN, MOVED_WORD },
	{ MOVED_WORD, GET, 0, THIS, -EAGAIN, MOVED_WORD },
	{ MOVED_WORD, PUT, 0, 0, -EAGAIN, MOVED_WORD },
};

enum state { VACANT, LIVE, CLOSED, PENDING, RESERVED, MOVED, STATES };

/* Under the space's lock nobody does that, or meets that. */
static const bool forbidden[STATES][CALLS] = {
	[VACANT] = { [PUBLISH_RESERVED] = true },
	[LIVE] = {
		[VACATE] = true,
		[HOLD] = true,
		[PUBLISH] = true,
		[RESERVE] = true,
		[PUBLISH_RESERVED] = true,
	},
	[CLOSED] = {
		[PUBLISH] = true,
		[RESERVE] = true,
		[PUBLISH_RESERVED] = true,
	},
	[PENDING] = {
		[HOLD] = true,
		[PUBLISH] = true,
		[RESERVE] = true,
		[PUBLISH_RESERVED] = true,
	},
	[RESERVED] = { [HOLD] = true, [PUBLISH] = true, [RESERVE] = true },
	[MOVED] = {
		[FREE] = true,
		[CLOSE] = true,
		[HIDE] = true,
		[VACATE] = true,
		[HOLD] = true,
		[PUBLISH] = true,
		[RESERVE] = true,
		[PUBLISH_RESERVED] = true,
		[MOVE] = true,
	},
};

static enum state state_of(const struct word *word)
{
	if (word->live)
		return word->refs ? LIVE : CLOSED;
	if (word->refs == REFS_ALL)
		return MOVED;
	if (word->refs == REFS_RESERVED)
		return RESERVED;
	return word->refs ? PENDING : VACANT;
}

static void expect_word(ioasid_state_t state, const struct word *word)
{
	assert_int_equal(ioasid_state_generation(state), word->generation);
	assert_int_equal(ioasid_state_set(state), word->set);
	assert_int_equal(ioasid_state_refs(state), word->refs);
	assert_int_equal(state & IOASID_STATE_LIVE, word->live);
	assert_int_equal(ioasid_state_reserved(state),
			 state_of(word) == RESERVED);
	assert_int_equal(ioasid_state_moved(state), state_of(word) == MOVED);
	assert_int_equal(ioasid_state_unused(state),
			 state_of(word) == VACANT ||
				 state_of(word) == RESERVED);
	assert_true(state == ioasid_state_make(word->generation, word->set,
					       word->refs, word->live));
}

struct operands {
	uint32_t set, generation;
	void *data;
	struct ioasid_slot to;
	ioasid_state_t before;
};

static int call_slot(struct ioasid_slot *slot, enum call call,
		     struct operands *with)
{
	switch (call) {
	case READ:
		return ioasid_slot_read(slot, with->set, with->generation,
					&with->data);
	case FREE:
		return ioasid_slot_free(slot, false);
	case CLOSE:
		return ioasid_slot_free(slot, true);
	case HIDE:
		return ioasid_slot_hide(slot);
	case VACATE:
		ioasid_slot_vacate(slot);
		return 0;
	case HOLD:
		ioasid_slot_hold(slot, with->set);
		return 0;
	case GET:
		return ioasid_slot_get(slot, with->set, with->generation);
	case PUT:
		return ioasid_slot_put(slot, &with->before);
	case PUBLISH:
		ioasid_slot_publish(slot, with->data, with->set);
		return 0;
	case RESERVE:
		ioasid_slot_reserve(slot, with->set);
		return 0;
	case PUBLISH_RESERVED:
		ioasid_slot_publish_reserved(slot, with->data);
		return 0;
	case MOVE:
		ioasid_slot_move(slot, &with->to);
		return 0;
	case CALLS:
		break;
	}
	return 1;
}

static void every_transition(struct fixture *fixture)
{
	bool seen[STATES][CALLS] = { { false } };
	int object, other;
	size_t i, j;

	(void)fixture;
	for (i = 0; i < ARRAY_SIZE(transitions); i++) {
		const struct word *before = &transitions[i].before;
		enum call call = transitions[i].call;
		ioasid_state_t state =
			ioasid_state_make(before->generation, before->set,
					  before->refs, before->live);
		struct operands with = {
			.set = transitions[i].set,
			.generation = transitions[i].generation,
			.data = &other,
			.before = ~state,
		};
		struct ioasid_slot slot;
		int ret;

		print_message("transition %zu\n", i);
		seen[state_of(before)][call] = true;
		ioasid_store_relaxed(&slot.private_data, (void *)&object);
		ioasid_store_relaxed(&slot.state, state);
		ret = call_slot(&slot, call, &with);
		assert_int_equal(ret, transitions[i].ret);
		assert_true(with.before ==
			    (call == PUT && ret >= 0 ? state : ~state));
		if (call == MOVE) {
			assert_true(ioasid_state_moved(
				ioasid_load_relaxed(&slot.state)));
			expect_word(ioasid_load_relaxed(&with.to.state),
				    &transitions[i].after);
			assert_ptr_equal(
				ioasid_load_relaxed(&with.to.private_data),
				&object);
			continue;
		}
		expect_word(ioasid_load_relaxed(&slot.state),
			    &transitions[i].after);
		/* Written only for 0, read only by publish. */
		assert_ptr_equal(with.data,
				 call == READ && !ret ? &object : &other);
		assert_ptr_equal(ioasid_load_relaxed(&slot.private_data),
				 call == PUBLISH || call == PUBLISH_RESERVED ?
					 &other :
					 &object);
	}
	for (i = 0; i < STATES; i++)
		for (j = 0; j < CALLS; j++)
			if (seen[i][j] == forbidden[i][j])
				fail_msg("state %zu, call %zu", i, j);
}

/* The limits of the header hold together, in either width. */
static void limits(struct fixture *fixture)
{
	(void)fixture;
	assert_int_equal(1 + IOASID_REFS_BITS + IOASID_SET_BITS +
				 IOASID_GENERATION_BITS,
			 IOASID_STATE_BITS);
	assert_int_equal(sizeof(ioasid_state_t) * 8, IOASID_STATE_BITS);
	/* Whatever the machine's ABI aligns it to: no line cuts it in two. */
	assert_int_equal(offsetof(struct ioasid_slot, state) %
				 sizeof(ioasid_state_t),
			 0);
	assert_int_equal(sizeof(struct ioasid_slot) % sizeof(ioasid_state_t),
			 0);
	assert_int_equal(_Alignof(struct ioasid_slot) % sizeof(ioasid_state_t),
			 0);
	assert_true(ioasid_state_moved(IOASID_STATE_MOVED));
	assert_false(
		ioasid_state_moved(IOASID_STATE_MOVED | IOASID_STATE_LIVE));
	assert_false(ioasid_state_moved(
		ioasid_state_make(0, 0, IOASID_REFS_MAX, false)));
	assert_int_equal(ioasid_state_refs(IOASID_STATE_MOVED), REFS_ALL);
	assert_true(ioasid_state_reserved(IOASID_STATE_RESERVED));
	assert_false(ioasid_state_reserved(IOASID_STATE_RESERVED |
					   IOASID_STATE_LIVE));
	assert_false(ioasid_state_reserved(
		ioasid_state_make(0, 0, IOASID_REFS_MAX, false)));
	assert_false(ioasid_state_moved(IOASID_STATE_RESERVED));
}

static void generations(struct fixture *fixture)
{
	const uint32_t half = IOASID_GENERATION_HALF;

	(void)fixture;
	assert_int_equal(ioasid_generation_next(0), 1);
	assert_int_equal(ioasid_generation_next(half - 1), half);
	/* 0 is for slots never used. */
	assert_int_equal(ioasid_generation_next(GENERATION_LAST), 1);
	assert_false(ioasid_generation_turns(0));
	assert_false(ioasid_generation_turns(half - 2));
	assert_true(ioasid_generation_turns(half - 1));
	assert_false(ioasid_generation_turns(half));
	assert_false(ioasid_generation_turns(GENERATION_LAST - 1));
	assert_true(ioasid_generation_turns(GENERATION_LAST));
}

/* A reader that comes between two uses; the state tells them apart. */
static void between_loads(struct fixture *fixture)
{
	struct ioasid_slot slot = { { NULL }, { 0 } };
	ioasid_state_t first, second;
	int a, b;

	(void)fixture;
	ioasid_slot_publish(&slot, &a, 1);
	first = ioasid_load_relaxed(&slot.state);
	assert_int_equal(ioasid_slot_free(&slot, false), 0);
	ioasid_slot_publish(&slot, &b, 1);
	second = ioasid_load_relaxed(&slot.state);
	assert_true((first ^ second) & ~IOASID_STATE_REFS);
	/* References are not a change of hands. */
	assert_int_equal(ioasid_slot_get(&slot, 1, IOASID_GENERATION_ANY), 0);
	first = ioasid_load_relaxed(&slot.state);
	assert_false((first ^ second) & ~IOASID_STATE_REFS);
}

int main(void)
{
	static const struct test_case cases[] = {
		CASE(every_transition, NO_SPACE | NO_RCU),
		CASE(limits, NO_SPACE | NO_RCU),
		CASE(generations, NO_SPACE | NO_RCU),
		CASE(between_loads, NO_SPACE | NO_RCU),
	};

	return test_run("slot", cases, ARRAY_SIZE(cases));
}
