// SPDX-License-Identifier: MIT

// The slot protocol: read, publish, free, get, put and move of one slot.

#include "check.h"

#include <ioasid/slot.h>

namespace {

using namespace model;

enum { SET_A = 1, SET_B = 2 };

int of_a, of_a_again, of_b;

bool is_of(void *data, int set)
{
	return set == SET_A ? data == &of_a || data == &of_a_again :
			      data == &of_b;
}

void init(ioasid_slot *slot, void *data, ioasid_state_t state)
{
	ioasid_store_relaxed(&slot->private_data, data);
	ioasid_store_relaxed(&slot->state, state);
}

// The slot goes from set A to B and back while both look it up.
struct slot_read : check<slot_read, 3> {
	ioasid_slot slot = {};

	void before()
	{
		init(&slot, &of_a, ioasid_state_make(1, SET_A, 1, true));
	}

	void run(unsigned int index)
	{
		void *data;
		int ret;

		if (index == 0) {
			RL_ASSERT(ioasid_slot_free(&slot) == 0);
			ioasid_slot_publish(&slot, &of_b, SET_B);
			RL_ASSERT(ioasid_slot_free(&slot) == 0);
			ioasid_slot_publish(&slot, &of_a_again, SET_A);
			return;
		}
		ret = ioasid_slot_read(&slot, index, &data);
		RL_ASSERT(ret == 0 || ret == -ENOENT || ret == -EACCES);
		if (!ret)
			RL_ASSERT(is_of(data, (int)index));
	}
};

// What a reader is handed was initialised by its publisher.
struct slot_publish : check<slot_publish, 2> {
	ioasid_slot slot = {};
	rl::var<int> datum;

	void run(unsigned int index)
	{
		void *data;

		if (index == 0) {
			datum($) = 1;
			ioasid_slot_publish(&slot, &datum, SET_A);
		} else if (!ioasid_slot_read(&slot, SET_A, &data)) {
			RL_ASSERT(data == &datum);
			RL_ASSERT((int)datum($) == 1);
		}
	}
};

// Whoever got a reference keeps the slot from reuse until the put.
struct slot_reference : check<slot_reference, 3> {
	ioasid_slot slot = {};
	rl::atomic<int> vacated;

	void before()
	{
		init(&slot, &of_a, ioasid_state_make(1, SET_A, 1, true));
		vacated.store(0, rl::mo_relaxed, $);
	}

	void vacate()
	{
		vacated.fetch_add(1, rl::mo_relaxed, $);
		resumed();
	}

	void run(unsigned int index)
	{
		bool was_live;
		int ret;

		if (index == 0) {
			ret = ioasid_slot_free(&slot);
			RL_ASSERT(ret >= 0);
			if (!ret)
				vacate();
			return;
		}
		ret = ioasid_slot_get(&slot, SET_A);
		if (ret) {
			RL_ASSERT(ret == -ENOENT || ret == -EBUSY);
			return;
		}
		RL_ASSERT(vacated.load(rl::mo_relaxed, $) == 0);
		ret = ioasid_slot_put(&slot, &was_live);
		RL_ASSERT(ret >= 0);
		if (!ret) {
			RL_ASSERT(!was_live);
			vacate();
		}
	}

	void after()
	{
		RL_ASSERT(vacated.load(rl::mo_relaxed, $) == 1);
		RL_ASSERT(!ioasid_state_refs(ioasid_load_relaxed(&slot.state)));
	}
};

// A slot moves to the next table under a reader and a reference.
struct slot_move : check<slot_move, 3> {
	ioasid_slot from = {}, to = {};

	void before()
	{
		init(&from, &of_a, ioasid_state_make(1, SET_A, 1, true));
		init(&to, nullptr, 0);
	}

	void run(unsigned int index)
	{
		bool was_live;
		void *data;
		int ret;

		if (index == 0) {
			ioasid_slot_move(&from, &to);
		} else if (index == 1) {
			ret = ioasid_slot_read(&from, SET_A, &data);
			if (ret == -EAGAIN) {
				RL_ASSERT(ioasid_state_moved(
					ioasid_load_acquire(&from.state)));
				ret = ioasid_slot_read(&to, SET_A, &data);
			}
			RL_ASSERT(ret == 0 && data == &of_a);
		} else {
			ret = ioasid_slot_get(&from, SET_A);
			if (ret == -EAGAIN)
				ret = ioasid_slot_get(&to, SET_A);
			RL_ASSERT(ret == 0);
			ret = ioasid_slot_put(&from, &was_live);
			if (ret == -EAGAIN)
				ret = ioasid_slot_put(&to, &was_live);
			RL_ASSERT(ret == 1 && was_live);
		}
	}

	void after()
	{
		RL_ASSERT(ioasid_load_relaxed(&to.state) ==
			  ioasid_state_make(1, SET_A, 1, true));
	}
};

void checks()
{
	CLEAN(slot_publish, full());
	CAUGHT(slot_publish, full(),
	       { "relaxed state store", STORE, "ioasid_slot_publish", "state",
		 RELAXED, 0 });
	CAUGHT(slot_publish, full(),
	       { "relaxed state load", LOAD, "ioasid_slot_read", "state",
		 RELAXED, 0 });
	CAUGHT(slot_publish, full(),
	       { "state before pointer", STORE, "ioasid_slot_publish",
		 "private_data", LATE, 0 });
	CLEAN(slot_read, bounded(6));
	CAUGHT(slot_read, bounded(6),
	       { "relaxed pointer store", STORE, "ioasid_slot_publish",
		 "private_data", RELAXED, 0 });
	CAUGHT(slot_read, bounded(6),
	       { "relaxed pointer load", LOAD, "ioasid_slot_read",
		 "private_data", RELAXED, 0 });
	CLEAN(slot_reference, bounded(6));
	CAUGHT(slot_reference, bounded(6),
	       { "get compares nothing", CAS, "ioasid_slot_get", "", BLIND,
		 0 });
	CAUGHT(slot_reference, bounded(6),
	       { "put compares nothing", CAS, "ioasid_slot_put", "", BLIND,
		 0 });
	CLEAN(slot_move, bounded(6));
	CAUGHT(slot_move, bounded(6),
	       { "move compares nothing", CAS, "ioasid_slot_move", "", BLIND,
		 0 });
	CAUGHT(slot_move, bounded(6),
	       { "relaxed move", CAS, "ioasid_slot_move", "", RELAXED, 0 });
	CAUGHT(slot_move, bounded(6),
	       { "MOVED before the copy", STORE, "ioasid_slot_move",
		 "to->state", LATE, 0 });
}

} // namespace

int main(int argc, char **argv)
{
	return model::main(argc, argv, checks);
}
