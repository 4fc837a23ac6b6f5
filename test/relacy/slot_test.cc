// SPDX-License-Identifier: MIT

// The slot protocol: all that is done with one slot.

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
			RL_ASSERT(ioasid_slot_free(&slot, false) == 0);
			ioasid_slot_publish(&slot, &of_b, SET_B);
			RL_ASSERT(ioasid_slot_free(&slot, false) == 0);
			ioasid_slot_publish(&slot, &of_a_again, SET_A);
			return;
		}
		ret = ioasid_slot_read(&slot, index, IOASID_GENERATION_ANY,
				       &data);
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
		} else if (!ioasid_slot_read(&slot, SET_A,
					     IOASID_GENERATION_ANY, &data)) {
			RL_ASSERT(data == &datum);
			RL_ASSERT((int)datum($) == 1);
		}
	}
};

// Whoever got a reference keeps the slot from reuse until the put.
struct slot_reference : check<slot_reference, 3> {
	ioasid_slot slot = {};
	rl::atomic<int> vacated;
	// What holders of a reference may look at.
	rl::var<int> alive;

	void before()
	{
		init(&slot, &of_a, ioasid_state_make(1, SET_A, 1, true));
		vacated.store(0, rl::mo_relaxed, $);
		alive($) = 1;
	}

	void vacate()
	{
		alive($) = 0;
		vacated.fetch_add(1, rl::mo_relaxed, $);
		resumed();
	}

	void run(unsigned int index)
	{
		ioasid_state_t before;
		int ret;

		if (index == 0) {
			ret = ioasid_slot_free(&slot, false);
			RL_ASSERT(ret >= 0);
			if (!ret)
				vacate();
			return;
		}
		ret = ioasid_slot_get(&slot, SET_A, IOASID_GENERATION_ANY);
		if (ret) {
			RL_ASSERT(ret == -ENOENT || ret == -EBUSY);
			return;
		}
		RL_ASSERT(vacated.load(rl::mo_relaxed, $) == 0);
		RL_ASSERT((int)alive($) == 1);
		ret = ioasid_slot_put(&slot, &before);
		RL_ASSERT(ret >= 0);
		if (!ret) {
			RL_ASSERT(!(before & IOASID_STATE_LIVE));
			vacate();
		}
	}

	void after()
	{
		RL_ASSERT(vacated.load(rl::mo_relaxed, $) == 1);
		RL_ASSERT(!ioasid_state_refs(ioasid_load_relaxed(&slot.state)));
	}
};

// One ID through its uses: of_a is the first, of_a_again the next. The lock is
// that of the space.
template <class Suite> struct uses : check<Suite, 3> {
	ioasid_slot slot = {};
	rl::mutex mutex;
	// Of the first use: no reference can be had; it is over.
	bool closed, over;
	// What holders of a reference may look at; gone with the use.
	rl::var<int> alive;

	void before()
	{
		init(&slot, &of_a, ioasid_state_make(1, SET_A, 1, true));
		closed = over = false;
		alive($) = 1;
	}

	void lock()
	{
		mutex.lock($);
		resumed();
	}

	void unlock()
	{
		mutex.unlock($);
		resumed();
	}

	int read_once(void **data)
	{
		ioasid_state_t state = ioasid_load_acquire(&slot.state);

		if (ioasid_state_generation(state) != 1)
			return -ESTALE;
		*data = ioasid_load_acquire(&slot.private_data);
		return state & IOASID_STATE_LIVE ? 0 : -ENOENT;
	}

	// A handle finds the first use or nothing.
	int look()
	{
		uint32_t generation =
			plants("any use") ? IOASID_GENERATION_ANY : 1;
		void *data;
		int ret;

		if (plants("looked at once"))
			ret = read_once(&data);
		else
			ret = ioasid_slot_read(&slot, SET_A, generation, &data);
		RL_ASSERT(ret == 0 || ret == -ENOENT || ret == -ESTALE);
		RL_ASSERT(ret || data == &of_a);
		return ret;
	}

	// A reference taken without looking whether there are any.
	int reckless_get()
	{
		ioasid_state_t state = ioasid_load_acquire(&slot.state);

		do {
			if (ioasid_state_generation(state) != 1)
				return -ESTALE;
			if (!(state & IOASID_STATE_LIVE))
				return -EBUSY;
		} while (!ioasid_cas_acq_rel(&slot.state, &state,
					     state + IOASID_STATE_REF));
		return 0;
	}

	// Until it is put, the use does not end; @found: and it is found.
	void hold(bool found)
	{
		ioasid_state_t before;
		int ret;

		if (plants("gets what is closed"))
			ret = reckless_get();
		else
			ret = ioasid_slot_get(&slot, SET_A,
					      plants("gets any use") ?
						      IOASID_GENERATION_ANY :
						      1);
		RL_ASSERT(ret == 0 || ret == -ENOENT || ret == -EBUSY ||
			  ret == -ESTALE);
		if (ret)
			return;
		RL_ASSERT(!closed);
		ret = look();
		RL_ASSERT(ret == 0 || (!found && ret == -ENOENT));
		RL_ASSERT((int)alive($) == 1);
		ret = ioasid_slot_put(&slot, &before);
		RL_ASSERT(ret >= 0);
		RL_ASSERT(ioasid_state_generation(before) == 1);
		if (!ret)
			static_cast<Suite *>(this)->last(before);
	}

	// Found as ever, but nobody can take or drop a reference.
	void expect_closed()
	{
		ioasid_state_t before;

		closed = true;
		RL_ASSERT(ioasid_slot_get(&slot, SET_A, 1) == -EBUSY);
		RL_ASSERT(ioasid_slot_put(&slot, &before) == -ENOENT);
		RL_ASSERT(look() == 0);
	}

	// Locked, vacant.
	void publish()
	{
		alive($) = 0;
		RL_ASSERT(!over);
		over = true;
		ioasid_slot_publish(&slot, &of_a_again, SET_A);
	}

	void after()
	{
		RL_ASSERT(over);
		RL_ASSERT(ioasid_load_relaxed(&slot.state) ==
			  ioasid_state_make(2, SET_A, 1, true));
	}
};

// The last put of a live slot, whoever makes it, leaves it closed.
struct slot_put : uses<slot_put> {
	void last(ioasid_state_t before)
	{
		RL_ASSERT(before & IOASID_STATE_LIVE);
		lock();
		expect_closed();
		RL_ASSERT(ioasid_slot_free(&slot, true) == -EBUSY);
		RL_ASSERT(ioasid_slot_hide(&slot) == -EBUSY);
		ioasid_slot_vacate(&slot);
		publish();
		unlock();
	}

	void run(unsigned int index)
	{
		ioasid_state_t before;
		int ret;

		if (index != 0) {
			hold(true);
			return;
		}
		ret = ioasid_slot_put(&slot, &before);
		RL_ASSERT(ret >= 0);
		if (!ret)
			last(before);
	}
};

// Free leaves a slot closed, or pending until the last put.
struct slot_close : uses<slot_close> {
	void last(ioasid_state_t before)
	{
		RL_ASSERT(!(before & IOASID_STATE_LIVE));
		lock();
		publish();
		unlock();
	}

	void run(unsigned int index)
	{
		int ret;

		if (index == 1) {
			hold(false);
			return;
		}
		if (index == 2) {
			look();
			look();
			return;
		}
		lock();
		ret = ioasid_slot_free(&slot, true);
		RL_ASSERT(ret >= 0);
		if (!ret) {
			expect_closed();
			ioasid_slot_vacate(&slot);
			publish();
		}
		unlock();
	}
};

// A hidden slot is kept until its owner puts it, or whoever is last.
struct slot_hide : uses<slot_hide> {
	void last(ioasid_state_t before)
	{
		RL_ASSERT(!(before & IOASID_STATE_LIVE));
		lock();
		publish();
		unlock();
	}

	void run(unsigned int index)
	{
		ioasid_state_t before;
		int ret;

		if (index != 0) {
			hold(false);
			return;
		}
		lock();
		RL_ASSERT(ioasid_slot_hide(&slot) == 0);
		RL_ASSERT(look() == -ENOENT);
		RL_ASSERT((int)alive($) == 1);
		ret = ioasid_slot_put(&slot, &before);
		RL_ASSERT(ret >= 0);
		if (!ret)
			publish();
		unlock();
	}
};

// What was closed, or just lost its last reference, is held for a while.
struct slot_hold : uses<slot_hold> {
	// Locked.
	void keep()
	{
		ioasid_state_t before;

		ioasid_slot_hold(&slot, SET_A);
		RL_ASSERT(look() == -ENOENT);
		RL_ASSERT(ioasid_slot_get(&slot, SET_A, 1) == -EBUSY);
		RL_ASSERT(ioasid_slot_free(&slot, true) == -EBUSY);
		RL_ASSERT(ioasid_slot_put(&slot, &before) == 0);
		RL_ASSERT(before == ioasid_state_make(1, SET_A, 1, false));
		publish();
	}

	void last(ioasid_state_t before)
	{
		RL_ASSERT(!(before & IOASID_STATE_LIVE));
		lock();
		keep();
		unlock();
	}

	void run(unsigned int index)
	{
		int ret;

		if (index != 0) {
			hold(false);
			return;
		}
		lock();
		ret = ioasid_slot_free(&slot, true);
		RL_ASSERT(ret >= 0);
		if (!ret) {
			expect_closed();
			keep();
		}
		unlock();
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
		ioasid_state_t before;
		void *data;
		int ret;

		if (index == 0) {
			ioasid_slot_move(&from, &to);
		} else if (index == 1) {
			ret = ioasid_slot_read(&from, SET_A,
					       IOASID_GENERATION_ANY, &data);
			if (ret == -EAGAIN) {
				RL_ASSERT(ioasid_state_moved(
					ioasid_load_acquire(&from.state)));
				ret = ioasid_slot_read(&to, SET_A,
						       IOASID_GENERATION_ANY,
						       &data);
			}
			RL_ASSERT(ret == 0 && data == &of_a);
		} else {
			ret = ioasid_slot_get(&from, SET_A,
					      IOASID_GENERATION_ANY);
			if (ret == -EAGAIN)
				ret = ioasid_slot_get(&to, SET_A,
						      IOASID_GENERATION_ANY);
			RL_ASSERT(ret == 0);
			ret = ioasid_slot_put(&from, &before);
			if (ret == -EAGAIN)
				ret = ioasid_slot_put(&to, &before);
			RL_ASSERT(ret == 1 && (before & IOASID_STATE_LIVE));
		}
	}

	void after()
	{
		RL_ASSERT(ioasid_load_relaxed(&to.state) ==
			  ioasid_state_make(1, SET_A, 1, true));
	}
};

// Reserved for set B between a life in set A and one in set B: nobody finds or
// holds it until it is published, and then with what it was published with.
template <class Suite> struct reserved : check<Suite, 3> {
	// @to: the next table, where the reserved slot is moved.
	ioasid_slot slot = {}, to = {};
	ioasid_slot *at;
	// Made before it is published.
	rl::var<int> datum;

	void before()
	{
		init(&slot, &of_a, ioasid_state_make(1, SET_A, 1, true));
		init(&to, nullptr, 0);
		at = &slot;
	}

	int read(int set, void **data)
	{
		int ret = ioasid_slot_read(&slot, set, IOASID_GENERATION_ANY,
					   data);

		return ret == -EAGAIN ?
			       ioasid_slot_read(&to, set, IOASID_GENERATION_ANY,
						data) :
			       ret;
	}

	int get()
	{
		int ret = ioasid_slot_get(&slot, SET_B, 2);

		return ret == -EAGAIN ? ioasid_slot_get(&to, SET_B, 2) : ret;
	}

	int put(ioasid_state_t *before)
	{
		int ret = ioasid_slot_put(&slot, before);

		return ret == -EAGAIN ? ioasid_slot_put(&to, before) : ret;
	}

	// Nothing can be done with it.
	void expect_reserved()
	{
		ioasid_state_t before;
		void *data;

		RL_ASSERT(ioasid_slot_read(at, SET_B, IOASID_GENERATION_ANY,
					   &data) == -ENOENT);
		RL_ASSERT(ioasid_slot_get(at, SET_B, 2) == -ENOENT);
		RL_ASSERT(ioasid_slot_put(at, &before) == -ENOENT);
		RL_ASSERT(ioasid_slot_free(at, true) == -ENOENT);
		RL_ASSERT(ioasid_slot_hide(at) == -ENOENT);
	}

	void look(int set)
	{
		void *data;
		int ret = read(set, &data);

		RL_ASSERT(ret == 0 || ret == -ENOENT || ret == -EACCES);
		if (ret)
			return;
		RL_ASSERT(data == (set == SET_A ? (void *)&of_a : &datum));
		if (set == SET_B)
			RL_ASSERT((int)datum($) == 1);
	}

	// A reference to the life in set B, or none.
	void hold()
	{
		ioasid_state_t before;
		void *data;
		int ret = get();

		RL_ASSERT(ret == 0 || ret == -ENOENT || ret == -ESTALE);
		if (ret)
			return;
		RL_ASSERT(!read(SET_B, &data) && data == &datum);
		RL_ASSERT(put(&before) == 1 && (before & IOASID_STATE_LIVE));
	}

	void publish()
	{
		datum($) = 1;
		ioasid_slot_publish_reserved(at, &datum);
	}

	void run(unsigned int index)
	{
		if (index == 0) {
			RL_ASSERT(ioasid_slot_free(at, false) == 0);
			ioasid_slot_reserve(at, SET_B);
			static_cast<Suite *>(this)->ready();
			publish();
		} else if (index == 1) {
			look(SET_A);
			look(SET_B);
		} else {
			hold();
		}
	}

	void after()
	{
		RL_ASSERT(ioasid_load_relaxed(&at->state) ==
			  ioasid_state_make(2, SET_B, 1, true));
	}
};

struct slot_reserve : reserved<slot_reserve> {
	void ready()
	{
		expect_reserved();
	}
};

// The same; it moves to the next table while it is reserved.
struct slot_reserve_move : reserved<slot_reserve_move> {
	void ready()
	{
		ioasid_slot_move(&slot, &to);
		at = &to;
		expect_reserved();
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
	CAUGHT(slot_reference, bounded(6),
	       { "relaxed free", CAS, "ioasid_slot_free", "", RELAXED, 0 });
	CAUGHT(slot_reference, bounded(6),
	       { "relaxed put", CAS, "ioasid_slot_put", "", RELAXED, 0 });
	CLEAN(slot_put, bounded(4));
	CAUGHT(slot_put, bounded(4),
	       { "get compares nothing", CAS, "ioasid_slot_get", "", BLIND,
		 0 });
	CAUGHT(slot_put, bounded(4),
	       { "put compares nothing", CAS, "ioasid_slot_put", "", BLIND,
		 0 });
	CAUGHT(slot_put, bounded(4),
	       { "relaxed put", CAS, "ioasid_slot_put", "", RELAXED, 0 });
	CAUGHT(slot_put, bounded(4), SELF_MADE("gets what is closed"));
	CAUGHT(slot_put, bounded(4), SELF_MADE("gets any use"));
	CLEAN(slot_close, bounded(4));
	CAUGHT(slot_close, bounded(4),
	       { "free compares nothing", CAS, "ioasid_slot_free", "", BLIND,
		 0 });
	CAUGHT(slot_close, bounded(4),
	       { "relaxed pointer store", STORE, "ioasid_slot_publish",
		 "private_data", RELAXED, 0 });
	CAUGHT(slot_close, bounded(4),
	       { "relaxed pointer load", LOAD, "ioasid_slot_read",
		 "private_data", RELAXED, 0 });
	CAUGHT(slot_close, bounded(4), SELF_MADE("gets what is closed"));
	CAUGHT(slot_close, bounded(4), SELF_MADE("looked at once"));
	CAUGHT(slot_close, bounded(4), SELF_MADE("any use"));
	CLEAN(slot_hide, bounded(4));
	CAUGHT(slot_hide, bounded(4),
	       { "hide compares nothing", CAS, "ioasid_slot_hide", "", BLIND,
		 0 });
	CAUGHT(slot_hide, bounded(4),
	       { "relaxed put", CAS, "ioasid_slot_put", "", RELAXED, 0 });
	CLEAN(slot_hold, bounded(4));
	CAUGHT(slot_hold, bounded(4),
	       { "free compares nothing", CAS, "ioasid_slot_free", "", BLIND,
		 0 });
	CAUGHT(slot_hold, bounded(4),
	       { "put compares nothing", CAS, "ioasid_slot_put", "", BLIND,
		 0 });
	CAUGHT(slot_hold, bounded(4), SELF_MADE("gets what is closed"));
	CLEAN(slot_move, bounded(6));
	CAUGHT(slot_move, bounded(6),
	       { "move compares nothing", CAS, "ioasid_slot_move", "", BLIND,
		 0 });
	CAUGHT(slot_move, bounded(6),
	       { "relaxed move", CAS, "ioasid_slot_move", "", RELAXED, 0 });
	CAUGHT(slot_move, bounded(6),
	       { "MOVED before the copy", STORE, "ioasid_slot_move",
		 "to->state", LATE, 0 });
	CLEAN(slot_reserve, bounded(4));
	CAUGHT(slot_reserve, bounded(4),
	       { "state before pointer", STORE, "ioasid_slot_publish_reserved",
		 "private_data", LATE, 0 });
	CAUGHT(slot_reserve, bounded(4),
	       { "relaxed state store", STORE, "ioasid_slot_publish_reserved",
		 "state", RELAXED, 0 });
	// Only at random does a load find what is two stores old.
	CLEAN(slot_reserve, random(200000));
	CAUGHT(slot_reserve, random(200000),
	       { "relaxed pointer store", STORE, "ioasid_slot_publish_reserved",
		 "private_data", RELAXED, 0 });
	CAUGHT(slot_reserve, random(200000),
	       { "relaxed pointer load", LOAD, "ioasid_slot_read",
		 "private_data", RELAXED, 0 });
	CLEAN(slot_reserve_move, bounded(4));
	CAUGHT(slot_reserve_move, bounded(4),
	       { "state before pointer", STORE, "ioasid_slot_publish_reserved",
		 "private_data", LATE, 0 });
	CAUGHT(slot_reserve_move, bounded(4),
	       { "relaxed state store", STORE, "ioasid_slot_publish_reserved",
		 "state", RELAXED, 0 });
}

} // namespace

int main(int argc, char **argv)
{
	return model::main(argc, argv, checks);
}
