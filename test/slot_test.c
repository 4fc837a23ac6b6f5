/* SPDX-License-Identifier: MIT */
#include "test/fixture.h"

#include <ioasid/slot.h>

/*
 * One table of every transition: a state, a call, its result and the state
 * after. States are written as generation, set, references, live.
 */
enum call { READ, FREE, GET, PUT, PUBLISH, MOVE };

struct word {
	uint32_t generation, set, refs;
	bool live;
};

#define GENERATION_LAST ((uint32_t)(IOASID_GENERATION_HALF * 2ull - 1))
#define REFS_ALL (IOASID_REFS_MAX + 1)
#define MOVED_WORD { 0, 0, REFS_ALL, false }

static const struct {
	struct word before;
	enum call call;
	/* what is asked for, or published */
	uint32_t set;
	int ret;
	struct word after;
} transitions[] = {
	/* vacant */
	{ { 7, 0, 0, false }, READ, 0, -ENOENT, { 7, 0, 0, false } },
	{ { 7, 0, 0, false }, READ, 3, -ENOENT, { 7, 0, 0, false } },
	{ { 7, 0, 0, false }, FREE, 0, -ENOENT, { 7, 0, 0, false } },
	{ { 7, 0, 0, false }, GET, 0, -ENOENT, { 7, 0, 0, false } },
	{ { 7, 0, 0, false }, GET, 3, -ENOENT, { 7, 0, 0, false } },
	{ { 7, 0, 0, false }, PUT, 0, -ENOENT, { 7, 0, 0, false } },
	{ { 0, 0, 0, false }, PUBLISH, 0, 0, { 1, 0, 1, true } },
	{ { 7, 0, 0, false }, PUBLISH, 3, 0, { 8, 3, 1, true } },
	{ { 7, 0, 0, false },
	  PUBLISH,
	  IOASID_SETS_MAX,
	  0,
	  { 8, IOASID_SETS_MAX, 1, true } },
	{ { GENERATION_LAST, 0, 0, false }, PUBLISH, 3, 0, { 1, 3, 1, true } },
	{ { 7, 0, 0, false }, MOVE, 0, 0, { 7, 0, 0, false } },
	/* live */
	{ { 7, 3, 1, true }, READ, 0, 0, { 7, 3, 1, true } },
	{ { 7, 3, 1, true }, READ, 3, 0, { 7, 3, 1, true } },
	{ { 7, 3, 1, true }, READ, 4, -EACCES, { 7, 3, 1, true } },
	{ { 7, 0, 1, true }, READ, 4, -EACCES, { 7, 0, 1, true } },
	{ { 7, 3, 1, true },
	  READ,
	  IOASID_SET_FOREIGN,
	  -EACCES,
	  { 7, 3, 1, true } },
	{ { 7, 3, 1, true }, FREE, 0, 0, { 7, 0, 0, false } },
	{ { 7, 3, 2, true }, FREE, 0, 1, { 7, 3, 1, false } },
	{ { 7, 3, IOASID_REFS_MAX, true },
	  FREE,
	  0,
	  (int)IOASID_REFS_MAX - 1,
	  { 7, 3, IOASID_REFS_MAX - 1, false } },
	{ { 7, 3, 1, true }, GET, 0, 0, { 7, 3, 2, true } },
	{ { 7, 3, 1, true }, GET, 3, 0, { 7, 3, 2, true } },
	{ { 7, 3, 1, true }, GET, 4, -EACCES, { 7, 3, 1, true } },
	{ { 7, 3, 1, true },
	  GET,
	  IOASID_SET_FOREIGN,
	  -EACCES,
	  { 7, 3, 1, true } },
	{ { 7, 3, IOASID_REFS_MAX - 1, true },
	  GET,
	  0,
	  0,
	  { 7, 3, IOASID_REFS_MAX, true } },
	{ { 7, 3, IOASID_REFS_MAX, true },
	  GET,
	  0,
	  -EOVERFLOW,
	  { 7, 3, IOASID_REFS_MAX, true } },
	{ { 7, 3, 2, true }, PUT, 0, 1, { 7, 3, 1, true } },
	{ { 7, 3, 1, true }, PUT, 0, 0, { 7, 0, 0, false } },
	{ { 7, 3, IOASID_REFS_MAX, true },
	  MOVE,
	  0,
	  0,
	  { 7, 3, IOASID_REFS_MAX, true } },
	/* pending */
	{ { 7, 3, 1, false }, READ, 0, -ENOENT, { 7, 3, 1, false } },
	{ { 7, 3, 1, false }, READ, 4, -ENOENT, { 7, 3, 1, false } },
	{ { 7, 3, IOASID_REFS_MAX - 1, false },
	  READ,
	  3,
	  -ENOENT,
	  { 7, 3, IOASID_REFS_MAX - 1, false } },
	{ { 7, 3, 1, false }, FREE, 0, -EBUSY, { 7, 3, 1, false } },
	{ { 7, 3, 1, false }, GET, 0, -EBUSY, { 7, 3, 1, false } },
	{ { 7, 3, 1, false }, GET, 4, -EBUSY, { 7, 3, 1, false } },
	{ { 7, 3, 2, false }, PUT, 0, 1, { 7, 3, 1, false } },
	{ { 7, 3, 1, false }, PUT, 0, 0, { 7, 0, 0, false } },
	{ { GENERATION_LAST, 3, 1, false },
	  PUT,
	  0,
	  0,
	  { GENERATION_LAST, 0, 0, false } },
	{ { 7, 3, 2, false }, MOVE, 0, 0, { 7, 3, 2, false } },
	/* moved */
	{ MOVED_WORD, READ, 0, -EAGAIN, MOVED_WORD },
	{ MOVED_WORD, READ, 3, -EAGAIN, MOVED_WORD },
	{ MOVED_WORD, GET, 0, -EAGAIN, MOVED_WORD },
	{ MOVED_WORD, PUT, 0, -EAGAIN, MOVED_WORD },
};

static void expect_word(ioasid_state_t state, const struct word *word)
{
	assert_int_equal(ioasid_state_generation(state), word->generation);
	assert_int_equal(ioasid_state_set(state), word->set);
	assert_int_equal(ioasid_state_refs(state), word->refs);
	assert_int_equal(state & IOASID_STATE_LIVE, word->live);
	assert_true(state == ioasid_state_make(word->generation, word->set,
					       word->refs, word->live));
}

static int call_slot(struct ioasid_slot *slot, enum call call, uint32_t set,
		     void **data, struct ioasid_slot *to, bool *was_live)
{
	switch (call) {
	case READ:
		return ioasid_slot_read(slot, set, data);
	case FREE:
		return ioasid_slot_free(slot);
	case GET:
		return ioasid_slot_get(slot, set);
	case PUT:
		return ioasid_slot_put(slot, was_live);
	case PUBLISH:
		ioasid_slot_publish(slot, *data, set);
		return 0;
	case MOVE:
		ioasid_slot_move(slot, to);
		return 0;
	}
	return 1;
}

static void every_transition(struct fixture *fixture)
{
	int object, other;
	size_t i;

	(void)fixture;
	for (i = 0; i < ARRAY_SIZE(transitions); i++) {
		const struct word *before = &transitions[i].before;
		struct ioasid_slot slot, to = { { NULL }, { 0 } };
		bool was_live = !before->live;
		void *data = &other;
		int ret;

		print_message("transition %zu\n", i);
		ioasid_store_relaxed(&slot.private_data, (void *)&object);
		ioasid_store_relaxed(
			&slot.state,
			ioasid_state_make(before->generation, before->set,
					  before->refs, before->live));
		ret = call_slot(&slot, transitions[i].call, transitions[i].set,
				&data, &to, &was_live);
		assert_int_equal(ret, transitions[i].ret);
		if (transitions[i].call == PUT && ret >= 0)
			assert_int_equal(was_live, before->live);
		if (transitions[i].call == MOVE) {
			assert_true(ioasid_state_moved(
				ioasid_load_relaxed(&slot.state)));
			expect_word(ioasid_load_relaxed(&to.state),
				    &transitions[i].after);
			assert_ptr_equal(ioasid_load_relaxed(&to.private_data),
					 &object);
			continue;
		}
		expect_word(ioasid_load_relaxed(&slot.state),
			    &transitions[i].after);
		/* Written only for 0, read only by publish. */
		assert_ptr_equal(data, transitions[i].call == READ && !ret ?
					       &object :
					       &other);
		assert_ptr_equal(ioasid_load_relaxed(&slot.private_data),
				 transitions[i].call == PUBLISH ? &other :
								  &object);
	}
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
	assert_int_equal(ioasid_slot_free(&slot), 0);
	ioasid_slot_publish(&slot, &b, 1);
	second = ioasid_load_relaxed(&slot.state);
	assert_true((first ^ second) & ~IOASID_STATE_REFS);
	/* References are not a change of hands. */
	assert_int_equal(ioasid_slot_get(&slot, 1), 0);
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
