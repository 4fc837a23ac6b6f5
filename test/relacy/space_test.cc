// SPDX-License-Identifier: MIT

// Uses of an ID told apart by handles and by names: all of core but
// core/platform, through the public interface.

#include "check.h"
#include "model_platform.h"

#include <ioasid/set.h>

namespace {

using namespace model;

enum { ID = 1, OTHER = 2, NAME = 7 };

// Objects of the first and the next use of ID, and of OTHER.
enum { FIRST, NEXT, OF_OTHER, OBJECTS };

template <class Suite> struct space_check : check<Suite, 3> {
	ioasid_space *space;
	ioasid_set owner = {};
	int of[OBJECTS];

	void before()
	{
		ioasid_space_config config = {};

		set.thread_start = take_places;
		set.membarrier = true;
		RL_ASSERT(!ioasid_space_create(&config, &space));
		add(ID, FIRST);
		static_cast<Suite *>(this)->prepare();
	}

	void after()
	{
		const char *reason;

		RL_ASSERT(ioasid_space_validate(space, &reason));
		RL_ASSERT(!ioasid_space_destroy(space));
		RL_ASSERT(!now.live_blocks);
	}

	int alloc(ioasid_t id, unsigned int use)
	{
		ioasid_t got;
		int ret;

		ret = ioasid_space_alloc(space, &owner, id, id, &of[use], &got);
		RL_ASSERT(ret || got == id);
		return ret;
	}

	void add(ioasid_t id, unsigned int use)
	{
		RL_ASSERT(!alloc(id, use));
	}

	void remove(ioasid_t id)
	{
		RL_ASSERT(!ioasid_space_free(space, id));
	}

	void name(ioasid_t id)
	{
		RL_ASSERT(!ioasid_spid_attach(space, id, NAME));
	}

	// The ID of NAME, and its object; INVALID_IOASID if there is none.
	ioasid_t look(void **data)
	{
		ioasid_t id;
		int ret = ioasid_spid_find(space, &owner, NAME, nullptr, &id,
					   data);

		RL_ASSERT(ret == 0 || ret == -ENOENT);
		RL_ASSERT(!ret == (id != INVALID_IOASID));
		// A fault: what the name was, and what the ID is now.
		if (plants("looked at once") && !ret &&
		    ioasid_space_find_rcu(space, &owner, id, data))
			return INVALID_IOASID;
		return id;
	}

	// What is found under NAME had it.
	void named()
	{
		ioasid_rcu *rcu = ioasid_space_rcu(space);
		void *data;
		ioasid_t id;

		ioasid_rcu_read_lock(rcu);
		id = look(&data);
		if (id == ID)
			RL_ASSERT(data == &of[FIRST]);
		else if (id == OTHER)
			RL_ASSERT(data == &of[OF_OTHER]);
		ioasid_rcu_read_unlock(rcu);
	}
};

// The name leaves ID with its first use, and goes to OTHER.
struct name_left : space_check<name_left> {
	void prepare()
	{
		add(OTHER, OF_OTHER);
		name(ID);
	}

	void run(unsigned int index)
	{
		if (index != 0) {
			named();
			return;
		}
		remove(ID);
		add(ID, NEXT);
		name(OTHER);
	}
};

// The same; the name is new to a table there is.
struct name_new : space_check<name_new> {
	void prepare()
	{
		add(OTHER, OF_OTHER);
		RL_ASSERT(!ioasid_spid_attach(space, OTHER, NAME + 1));
		RL_ASSERT(!ioasid_spid_detach(space, OTHER));
	}

	void run(unsigned int index)
	{
		if (index != 0) {
			named();
			return;
		}
		name(ID);
		remove(ID);
		add(ID, NEXT);
		name(OTHER);
	}
};

// The name is the first of its set: there is no table before it. Who finds that
// too early ends the program; a mutant shows it, spid-no-acquire.
struct name_first : space_check<name_first> {
	void prepare()
	{
	}

	void run(unsigned int index)
	{
		if (index == 0)
			name(ID);
		else
			named();
	}
};

// The last put ends a use, whoever makes it; holders keep the ID to it.
struct handle : space_check<handle> {
	ioasid_handle_t first;
	// What holders of a reference may look at; gone with the first use.
	rl::var<int> alive;

	void prepare()
	{
		alive($) = 1;
		// Not ioasid_space_handle(): this is none of the threads.
		first = (ioasid_handle_t)ioasid_state_generation(
				ioasid_load_relaxed(
					&ioasid_store_find(&space->store, ID)
						 ->state))
				<< 32 |
			ID;
	}

	int find(void **data)
	{
		ioasid_rcu *rcu = ioasid_space_rcu(space);
		int ret;

		ioasid_rcu_read_lock(rcu);
		if (plants("any use"))
			ret = ioasid_space_find_rcu(space, &owner, ID, data);
		else
			ret = ioasid_space_find_handle_rcu(space, &owner, first,
							   data);
		ioasid_rcu_read_unlock(rcu);
		RL_ASSERT(ret == 0 || ret == -ENOENT || ret == -ESTALE);
		RL_ASSERT(ret || *data == &of[FIRST]);
		return ret;
	}

	void put()
	{
		int ret = ioasid_space_put(space, ID);

		RL_ASSERT(ret == 0 || ret == 1);
		if (ret)
			alive($) = 0;
	}

	void run(unsigned int index)
	{
		void *data;
		int ret;

		if (index == 0) {
			put();
			ret = alloc(ID, NEXT);
			RL_ASSERT(ret == 0 || ret == -ENOSPC);
		} else if (index == 1) {
			ret = plants("gets any use") ?
				      ioasid_space_get(space, &owner, ID) :
				      ioasid_space_get_handle(space, &owner,
							      first);
			RL_ASSERT(ret == 0 || ret == -ENOENT || ret == -EBUSY ||
				  ret == -ESTALE);
			if (ret)
				return;
			RL_ASSERT(!find(&data));
			RL_ASSERT((int)alive($) == 1);
			put();
		} else {
			find(&data);
			find(&data);
		}
	}
};

#define NAMES random(200000)

void checks()
{
	CLEAN(name_left, NAMES);
	CAUGHT(name_left, NAMES, SELF_MADE("looked at once"));
	CAUGHT(name_left, NAMES,
	       { "relaxed state store", STORE, "ioasid_slot_publish", "state",
		 RELAXED, 0 });
	CLEAN(name_first, NAMES);
	CLEAN(name_new, NAMES);
	CAUGHT(name_new, NAMES, SELF_MADE("looked at once"));
	CLEAN(handle, NAMES);
	CAUGHT(handle, NAMES, SELF_MADE("any use"));
	CAUGHT(handle, NAMES, SELF_MADE("gets any use"));
	CAUGHT(handle, NAMES,
	       { "get compares nothing", CAS, "ioasid_slot_get", "", BLIND,
		 0 });
	CAUGHT(handle, NAMES,
	       { "put compares nothing", CAS, "ioasid_slot_put", "", BLIND,
		 0 });
	CAUGHT(handle, NAMES,
	       { "relaxed put", CAS, "ioasid_slot_put", "", RELAXED, 0 });
}

} // namespace

int main(int argc, char **argv)
{
	return model::main(argc, argv, checks);
}
