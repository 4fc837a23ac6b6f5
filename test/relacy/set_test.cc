// SPDX-License-Identifier: MIT

// Sets that are bound, ended and bound again while they are looked up with: all
// of core but core/platform, through the public interface.

#include "check.h"
#include "model_platform.h"

#include <ioasid/set.h>

namespace {

using namespace model;

// IDs: of the set that is checked, of another, and of a third or an heir.
enum { OWN = 1, OTHERS, THIRDS, IDS };
enum { NAME = 7, SPACES = 2 };

template <class Suite, int USED, int N = 3> struct set_check : check<Suite, N> {
	ioasid_space *space[SPACES];
	ioasid_set owner = {}, other[SPACES] = {}, third[SPACES] = {};
	int of[SPACES][IDS];

	void before()
	{
		ioasid_space_config config = {};

		set.thread_start = take_places;
		set.membarrier = true;
		for (int i = 0; i < USED; i++) {
			RL_ASSERT(!ioasid_space_create(&config, &space[i]));
			add(i, &other[i], OTHERS);
		}
		static_cast<Suite *>(this)->prepare();
	}

	void after()
	{
		const char *reason;

		for (int i = 0; i < USED; i++) {
			RL_ASSERT(ioasid_space_validate(space[i], &reason));
			RL_ASSERT(!ioasid_space_destroy(space[i]));
		}
		RL_ASSERT(!now.live_blocks);
	}

	int alloc(int in, ioasid_set *to, ioasid_t id)
	{
		ioasid_t got;
		int ret;

		ret = ioasid_space_alloc(space[in], to, id, id, &of[in][id],
					 &got);
		RL_ASSERT(ret || got == id);
		return ret;
	}

	void add(int in, ioasid_set *to, ioasid_t id)
	{
		RL_ASSERT(!alloc(in, to, id));
	}

	// A named ID of @owner.
	void add_own(int in)
	{
		add(in, &owner, OWN);
		RL_ASSERT(!ioasid_spid_attach(space[in], OWN, NAME));
	}

	// @owner is bound to the space, has had a named ID, and has none.
	void empty(int in)
	{
		add_own(in);
		RL_ASSERT(!ioasid_space_free(space[in], OWN));
	}

	void end(int in)
	{
		RL_ASSERT(!ioasid_set_destroy(space[in], &owner));
	}

	void synchronize(int in)
	{
		RL_ASSERT(!ioasid_rcu_synchronize(ioasid_space_rcu(space[in])));
	}

	// @owner finds its own ID or nothing. A static set can be looked up
	// with whether or not it is bound.
	void look(int in)
	{
		ioasid_rcu *rcu = ioasid_space_rcu(space[in]);
		ioasid_t id;
		void *data;
		int ret;

		ioasid_rcu_read_lock(rcu);
		for (id = OWN; id < IDS; id++) {
			ret = ioasid_space_find_rcu(space[in], &owner, id,
						    &data);
			RL_ASSERT(ret == 0 || ret == -ENOENT || ret == -EACCES);
			RL_ASSERT(ret || (id == OWN && data == &of[in][OWN]));
		}
		ret = ioasid_spid_find(space[in], &owner, NAME, nullptr, &id,
				       &data);
		RL_ASSERT(ret == 0 || ret == -ENOENT || ret == -EXDEV);
		RL_ASSERT(ret || (id == OWN && data == &of[in][OWN]));
		ioasid_rcu_read_unlock(rcu);
	}
};

// Bound by its first use.
struct set_first : set_check<set_first, 1> {
	void prepare()
	{
	}

	void run(unsigned int index)
	{
		if (index == 0) {
			add_own(0);
			return;
		}
		look(0);
		look(0);
	}
};

// Two spaces bind it at once: one of them has it. The other has lost nothing.
struct set_raced : set_check<set_raced, 2> {
	int bound;

	void prepare()
	{
		bound = 0;
	}

	bool known(int in)
	{
		return ioasid_set_index(space[in], &owner) !=
		       IOASID_SET_FOREIGN;
	}

	// The index that @owner was to have is that of the next set.
	void lost(int in)
	{
		synchronize(in);
		add(in, &third[in], THIRDS);
		RL_ASSERT(ioasid_set_index(space[in], &third[in]) == 2);
	}

	void run(unsigned int index)
	{
		int ret;

		if (index == 2) {
			look(0);
			look(1);
			RL_ASSERT(!known(0) || !known(1));
			return;
		}
		if (index == 0)
			ret = alloc(0, &owner, OWN);
		else
			ret = ioasid_set_bind(space[1], &owner, nullptr);
		RL_ASSERT(ret == 0 || ret == -EXDEV);
		if (ret)
			lost((int)index);
		else
			bound++;
	}

	void after()
	{
		RL_ASSERT(bound == 1);
		set_check<set_raced, 2>::after();
	}
};

// It ends, and another is bound. Lookups with the old one never find an ID of
// the next to have its index.
struct set_ended : set_check<set_ended, 1> {
	void prepare()
	{
		empty(0);
	}

	void run(unsigned int index)
	{
		if (index == 0) {
			end(0);
			add(0, &third[0], THIRDS);
			return;
		}
		// One grace period more, that may end at any time.
		if (index == 1)
			synchronize(0);
		look(0);
	}
};

// The same with one reader, whose grace period may fall between any two steps of
// the end.
struct set_reused : set_check<set_reused, 1, 2> {
	void prepare()
	{
		empty(0);
	}

	void run(unsigned int index)
	{
		if (index == 0) {
			end(0);
			add(0, &third[0], THIRDS);
			return;
		}
		synchronize(0);
		look(0);
	}
};

// It ends, and is bound to another space, where its index is that of a set with
// IDs in the first.
struct set_moved : set_check<set_moved, 2> {
	void prepare()
	{
		empty(0);
		add(0, &third[0], THIRDS);
		add(1, &third[1], THIRDS);
	}

	void run(unsigned int index)
	{
		if (index != 0) {
			look(0);
			look(1);
			return;
		}
		end(0);
		if (!plants("bound again at once"))
			synchronize(0);
		add_own(1);
		RL_ASSERT(ioasid_set_index(space[1], &owner) ==
			  ioasid_set_index(space[0], &third[0]));
	}
};

#define SETS random(150000)
// Of core/space/owner.c, see planted_owner.sed.
#define STATEMENT(name) SELF_MADE(name)

void checks()
{
	CLEAN(set_first, SETS);
	CAUGHT(set_first, SETS,
	       { "set before its index", STORE, "ioasid_set_make", "set->index",
		 LATE, 1 });
	CAUGHT(set_first, SETS,
	       { "set before its record", STORE, "ioasid_set_make",
		 "set->record", LATE, 0 });
	CAUGHT(set_first, SETS,
	       { "relaxed set", STORE, "ioasid_set_make", "set->space", RELAXED,
		 0 });
	CAUGHT(set_first, SETS,
	       { "relaxed load of set", LOAD, "ioasid_set_index", "set->space",
		 RELAXED, 0 });
	CLEAN(set_raced, SETS);
	CAUGHT(set_raced, SETS,
	       { "bind compares nothing", CAS, "ioasid_set_make", "set->space",
		 BLIND, 0 });
	CAUGHT(set_raced, SETS, STATEMENT("index lost"));
	CAUGHT(set_raced, SETS,
	       { "set before its index", STORE, "ioasid_set_make", "set->index",
		 LATE, 1 });
	CLEAN(set_ended, SETS);
	CAUGHT(set_ended, SETS, STATEMENT("index reused at once"));
	CAUGHT(set_ended, SETS, STATEMENT("record freed at once"));
	CAUGHT(set_ended, SETS,
	       { "cookie one too early", LOAD, "ioasid_rcu_cookie", "", LESS,
		 0 });
	CAUGHT(set_ended, SETS,
	       { "readers not looked at", LOAD, "ioasid_grace_passed", "",
		 SKIPPED, 0 });
	CAUGHT(set_ended, SETS, SELF_MADE("no membarrier"));
	CLEAN(set_reused, bounded(2));
	CAUGHT(set_reused, bounded(2),
	       { "cookie before the end", STORE, "ioasid_set_unmake",
		 "set->space", LATE, 2 });
	CLEAN(set_moved, SETS);
	CAUGHT(set_moved, SETS, SELF_MADE("bound again at once"));
	CAUGHT(set_moved, SETS,
	       { "set before its index", STORE, "ioasid_set_make", "set->index",
		 LATE, 1 });
	CAUGHT(set_moved, SETS,
	       { "readers not looked at", LOAD, "ioasid_grace_passed", "",
		 SKIPPED, 0 });
	CAUGHT(set_moved, SETS, SELF_MADE("no membarrier"));
}

} // namespace

int main(int argc, char **argv)
{
	return model::main(argc, argv, checks);
}
