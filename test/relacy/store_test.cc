// SPDX-License-Identifier: MIT

// Spaces whose stores grow, shrink and move IDs while readers look IDs up: all
// of core but core/platform, through the public interface.

#include "check.h"
#include "model_platform.h"

namespace {

using namespace model;

enum { IDS = 24 };

struct object {
	rl::var<int> alive;
	ioasid_rcu_head head;
};

object *objects;

void object_free(ioasid_rcu_head *head)
{
	for (object *o = objects; o < objects + IDS; o++)
		if (head == &o->head)
			o->alive($) = 0;
}

// Thread 0 updates, 1 and 2 look IDs up, 3 frees what has been retired.
template <class Suite, ioasid_store_kind KIND> struct store : check<Suite, 4> {
	ioasid_space *space;
	object of[IDS];

	void before()
	{
		ioasid_space_config config = {};

		config.store = KIND;
		config.hash_seed = Suite::SEED;
		set.thread_start = take_places;
		set.membarrier = true;
		objects = of;
		RL_ASSERT(!ioasid_space_create(&config, &space));
		static_cast<Suite *>(this)->prepare();
	}

	void after()
	{
		const char *reason;

		RL_ASSERT(ioasid_space_validate(space, &reason));
		RL_ASSERT(!ioasid_space_destroy(space));
		RL_ASSERT(!now.live_blocks);
	}

	void add(ioasid_t id)
	{
		ioasid_t got;

		of[id].alive($) = 1;
		RL_ASSERT(!ioasid_space_alloc(space, nullptr, id, id, &of[id],
					      &got));
		RL_ASSERT(got == id);
	}

	void remove(ioasid_t id)
	{
		RL_ASSERT(!ioasid_space_free_deferred(space, id, &of[id].head,
						      object_free));
	}

	// What is found is what was published, and not yet freed.
	bool look(ioasid_t id)
	{
		ioasid_rcu *rcu = ioasid_space_rcu(space);
		void *data;
		int ret;

		ioasid_rcu_read_lock(rcu);
		ret = ioasid_space_find_rcu(space, nullptr, id, &data);
		RL_ASSERT(ret == 0 || ret == -ENOENT);
		if (!ret) {
			RL_ASSERT(data == &of[id]);
			switch_here();
			RL_ASSERT((int)of[id].alive($) == 1);
		}
		ioasid_rcu_read_unlock(rcu);
		return !ret;
	}

	void run(unsigned int index)
	{
		Suite *suite = static_cast<Suite *>(this);

		if (index == 0) {
			suite->update();
		} else if (index < 3) {
			suite->read(index);
		} else {
			ioasid_rcu_reclaim_all(ioasid_space_rcu(space));
			ioasid_rcu_reclaim_all(ioasid_space_rcu(space));
		}
	}
};

// Two levels come over a leaf, then nodes beside it.
struct radix_grow : store<radix_grow, IOASID_STORE_RADIX> {
	enum { SEED = 0 };

	void prepare()
	{
		add(0);
	}

	void update()
	{
		add(20);
		add(5);
	}

	void read(unsigned int index)
	{
		if (index == 1) {
			RL_ASSERT(look(0));
			look(5);
		} else {
			look(20);
			RL_ASSERT(look(0));
		}
	}
};

// The same back.
struct radix_shrink : store<radix_shrink, IOASID_STORE_RADIX> {
	enum { SEED = 0 };

	void prepare()
	{
		add(0);
		add(5);
		add(20);
	}

	void update()
	{
		remove(20);
		remove(5);
		ioasid_space_trim(space);
	}

	void read(unsigned int index)
	{
		if (index == 1) {
			RL_ASSERT(look(0));
			look(5);
		} else {
			look(20);
			RL_ASSERT(look(0));
		}
	}
};

// Both, over and over, under readers of what comes and goes.
struct radix_both : store<radix_both, IOASID_STORE_RADIX> {
	enum { SEED = 0 };

	void prepare()
	{
		add(0);
	}

	void update()
	{
		add(5);
		remove(5);
		add(20);
		remove(20);
		ioasid_space_trim(space);
		add(21);
	}

	void read(unsigned int index)
	{
		if (index == 1) {
			look(5);
			look(20);
		} else {
			look(21);
			RL_ASSERT(look(0));
		}
	}
};

// The table is used up with the next but one ID: a larger one takes its place,
// bucket by bucket, and IDs come, go and take references in both.
template <class Suite> struct hash : store<Suite, IOASID_STORE_HASH> {
	enum { SEED = 1 };

	void prepare()
	{
		for (ioasid_t id = 0; id < 4; id++)
			this->add(id);
	}

	void update()
	{
		this->add(4);
		this->add(5);
		this->add(6);
		this->remove(4);
	}

	// Whoever holds a reference finds the ID, unless it was freed.
	void hold(ioasid_t id)
	{
		int ret = static_cast<Suite *>(this)->get(id);

		RL_ASSERT(ret == 0 || ret == -ENOENT || ret == -EBUSY);
		RL_ASSERT(!ret || id >= 4);
		if (ret)
			return;
		RL_ASSERT(this->look(id) || id == 4);
		ret = ioasid_space_put(this->space, id);
		RL_ASSERT(ret == 0 || (ret == 1 && id == 4));
	}

	void read(unsigned int index)
	{
		if (index == 1) {
			RL_ASSERT(this->look(0));
			hold(6);
		} else {
			hold(4);
			RL_ASSERT(this->look(3));
		}
	}
};

struct hash_grow : hash<hash_grow> {
	int get(ioasid_t id)
	{
		return ioasid_space_get(space, nullptr, id);
	}
};

// A fault: looks for the next table only after the search.
struct hash_late : hash<hash_late> {
	ioasid_slot *find(ioasid_t id)
	{
		auto *table = (const ioasid_hash_table *)ioasid_load_acquire(
			&space->store.root);
		ioasid_slot *slot;

		for (; table;
		     table = (const ioasid_hash_table *)ioasid_load_acquire(
			     &table->next)) {
			slot = ioasid_hash_table_find(table, id);
			if (slot && !ioasid_state_moved(
					    ioasid_load_acquire(&slot->state)))
				return slot;
		}
		return nullptr;
	}

	int get(ioasid_t id)
	{
		ioasid_slot *slot;
		int ret;

		plants("next looked for late");
		ioasid_rcu_read_lock(ioasid_space_rcu(space));
		do {
			slot = find(id);
			ret = slot ? ioasid_slot_get(slot, IOASID_SET_ANY,
						     IOASID_GENERATION_ANY) :
				     -ENOENT;
		} while (ret == -EAGAIN);
		ioasid_rcu_read_unlock(ioasid_space_rcu(space));
		return ret;
	}
};

// Two tables take the place of the one before while an ID is looked up.
struct hash_twice : check<hash_twice, 2> {
	enum { ID = 0, OTHERS = 4 };
	ioasid_space *space;
	int of[OTHERS];

	void add(ioasid_t id)
	{
		RL_ASSERT(!ioasid_space_alloc(space, nullptr, id, id, &of[id],
					      &id));
	}

	// Most cells of the table are of vacant IDs: it is replaced.
	void replace()
	{
		for (ioasid_t id = 1; id < OTHERS; id++)
			add(id);
		for (ioasid_t id = 1; id < OTHERS; id++)
			RL_ASSERT(!ioasid_space_free(space, id));
		ioasid_space_trim(space);
	}

	void before()
	{
		ioasid_space_config config = {};

		config.store = IOASID_STORE_HASH;
		config.hash_seed = 1;
		set.thread_start = take_places;
		set.membarrier = true;
		RL_ASSERT(!ioasid_space_create(&config, &space));
		add(ID);
	}

	void after()
	{
		RL_ASSERT(!ioasid_space_destroy(space));
		RL_ASSERT(!now.live_blocks);
	}

	// A fault: of a slot that has moved, the next is looked at, and no other.
	int find(void **data)
	{
		ioasid_slot *slot;
		int ret = -EAGAIN;

		if (!plants("moved once"))
			return ioasid_space_find_rcu(space, nullptr, ID, data);
		slot = ioasid_hash_find(&space->store, ID);
		for (unsigned int i = 0; i < 2; i++) {
			if (i)
				slot = ioasid_hash_find_moved(&space->store,
							      ID);
			ret = slot ? ioasid_slot_read(slot, IOASID_SET_ANY,
						      IOASID_GENERATION_ANY,
						      data) :
				     -ENOENT;
			if (ret != -EAGAIN)
				break;
		}
		return ret;
	}

	void run(unsigned int index)
	{
		ioasid_rcu *rcu = ioasid_space_rcu(space);
		void *data;

		if (index == 0) {
			replace();
			replace();
			return;
		}
		ioasid_rcu_read_lock(rcu);
		RL_ASSERT(!find(&data) && data == &of[ID]);
		ioasid_rcu_read_unlock(rcu);
	}
};

// A vacant slot that may not be forgotten is moved as well, and used again.
struct hash_worn : store<hash_worn, IOASID_STORE_HASH> {
	enum : uint32_t { SEED = 1, WORN = IOASID_GENERATION_HALF / 8 * 7 };

	void prepare()
	{
		for (ioasid_t id = 0; id < 4; id++)
			add(id);
		ioasid_slot *slot = ioasid_store_find(&space->store, 3);
		ioasid_store_relaxed(&slot->state,
				     ioasid_state_make(WORN, 0, 1, true));
		RL_ASSERT(!ioasid_space_free(space, 3));
	}

	void update()
	{
		add(4);
		add(5);
		add(3);
	}

	// Its next use, or none.
	void look_worn()
	{
		ioasid_handle_t handle;

		if (look(3)) {
			RL_ASSERT(!ioasid_space_handle(space, nullptr, 3,
						       &handle));
			RL_ASSERT(ioasid_handle_generation(handle) == WORN + 1);
		}
	}

	void read(unsigned int index)
	{
		if (index == 1)
			RL_ASSERT(look(0));
		look_worn();
	}

	// Not by a lookup, which would register: this is none of the threads.
	void after()
	{
		ioasid_state_t state = ioasid_load_relaxed(
			&ioasid_store_find(&space->store, 3)->state);

		RL_ASSERT(state & IOASID_STATE_LIVE);
		RL_ASSERT(ioasid_state_generation(state) == WORN + 1);
		store::after();
	}
};

// One ID is left in a large table, which goes for a small one.
struct hash_shrink : store<hash_shrink, IOASID_STORE_HASH> {
	enum { SEED = 1 };

	void prepare()
	{
		for (ioasid_t id = 0; id < 7; id++)
			add(id);
		for (ioasid_t id = 1; id < 7; id++)
			RL_ASSERT(!ioasid_space_free(space, id));
		RL_ASSERT(!ioasid_rcu_barrier(ioasid_space_rcu(space)));
	}

	void update()
	{
		RL_ASSERT(ioasid_space_trim(space));
		add(1);
	}

	void read(unsigned int index)
	{
		RL_ASSERT(look(0));
		if (index == 1) {
			look(1);
		} else {
			RL_ASSERT(!ioasid_space_get(space, nullptr, 0));
			RL_ASSERT(!ioasid_space_put(space, 0));
		}
	}
};

#define TWICE random(150000)
#define RADIX random(250000)
#define HASH random(150000)

void checks()
{
	CLEAN(radix_grow, RADIX);
	CAUGHT(radix_grow, RADIX,
	       { "relaxed root", STORE, "set_root", "root", RELAXED, 0 });
	CAUGHT(radix_grow, RADIX,
	       { "relaxed link", STORE, "extend", "child", RELAXED, 0 });
	CAUGHT(radix_grow, RADIX,
	       { "root before its child", STORE, "extend", "child[0]", LATE,
		 0 });
	CAUGHT(radix_grow, RADIX,
	       { "relaxed load of root", LOAD, "ioasid_radix_find", "root",
		 RELAXED, 0 });
	CAUGHT(radix_grow, RADIX,
	       { "relaxed load of child", LOAD, "ioasid_radix_child", "child",
		 RELAXED, 0 });
	CLEAN(radix_shrink, RADIX);
	CAUGHT(radix_shrink, RADIX,
	       { "no grace period", LOAD, "ioasid_grace_passed", "epoch",
		 SKIPPED, 0 });
	CAUGHT(radix_shrink, RADIX,
	       { "unlinked after retired", STORE, "prune", "child", LATE, 16 });
	CAUGHT(radix_shrink, RADIX,
	       { "root set after retired", STORE, "set_root", "root", LATE,
		 16 });
	CAUGHT(radix_shrink, RADIX, SELF_MADE("no membarrier"));
	CLEAN(radix_both, RADIX);
	CAUGHT(radix_both, RADIX,
	       { "no grace period", LOAD, "ioasid_grace_passed", "epoch",
		 SKIPPED, 0 });
	CLEAN(hash_grow, HASH);
	CAUGHT(hash_grow, HASH,
	       { "relaxed next", STORE, "replace", "next", RELAXED, 0 });
	CAUGHT(hash_grow, HASH,
	       { "relaxed root", STORE, "move_some", "root", RELAXED, 0 });
	CAUGHT(hash_grow, HASH,
	       { "MOVED before the key", STORE, "set_key", "key", LATE, 5 });
	CAUGHT(hash_grow, HASH,
	       { "move compares nothing", CAS, "ioasid_slot_move", "", BLIND,
		 0 });
	CAUGHT(hash_grow, HASH,
	       { "next set after the move", STORE, "replace", "next", LATE,
		 24 });
	CAUGHT(hash_grow, HASH,
	       { "next not looked at", LOAD, "ioasid_hash_find_moved", "next",
		 SKIPPED, 0 });
	CAUGHT(hash_grow, HASH,
	       { "relaxed load of root", LOAD, "ioasid_hash_find", "root",
		 RELAXED, 0 });
	CAUGHT(hash_late, random(1000000), SELF_MADE("next looked for late"));
	CLEAN(hash_twice, TWICE);
	CAUGHT(hash_twice, TWICE, SELF_MADE("moved once"));
	CLEAN(hash_worn, HASH);
	CAUGHT(hash_worn, HASH,
	       { "moved without its state", STORE, "ioasid_slot_move", "state",
		 SKIPPED, 0 });
	CLEAN(hash_shrink, HASH);
	CAUGHT(hash_shrink, HASH,
	       { "no grace period", LOAD, "ioasid_grace_passed", "epoch",
		 SKIPPED, 0 });
	CAUGHT(hash_shrink, HASH,
	       { "root set after retired", STORE, "move_some", "root", LATE,
		 8 });
	CAUGHT(hash_shrink, HASH, SELF_MADE("no membarrier"));
}

} // namespace

int main(int argc, char **argv)
{
	return model::main(argc, argv, checks);
}
