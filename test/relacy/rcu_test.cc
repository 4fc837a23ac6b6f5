// SPDX-License-Identifier: MIT

// Grace periods: the RCU layer as a whole (core/rcu) with readers that register
// themselves, in each flavour and with either kind of barrier.

#include "check.h"
#include "model_platform.h"

#include <ioasid/rcu.h>

namespace {

using namespace model;

// An object is unpublished, and freed a grace period later: the write stands
// for the free, and Relacy reports any read that it does not come after.
template <class Suite, int N> struct grace : check<Suite, N> {
	ioasid_rcu *rcu;
	ioasid_atomic_ptr pointer = {};
	rl::var<int> object, other;

	static ioasid_rcu_config config()
	{
		return {};
	}

	void before()
	{
		ioasid_rcu_config c = Suite::config();

		set.thread_start = take_places;
		set.membarrier = Suite::MEMBARRIER;
		RL_ASSERT(!ioasid_rcu_create(&c, &rcu));
		object($) = 1;
		other($) = 1;
		ioasid_store_relaxed(&pointer, &object);
	}

	void after()
	{
		set.starved = 0;
		RL_ASSERT(!ioasid_rcu_destroy(rcu));
		RL_ASSERT(!now.live_blocks);
	}

	void dereference()
	{
		dereference(&pointer);
	}

	void dereference(const ioasid_atomic_ptr *from)
	{
		auto *p = (rl::var<int> *)ioasid_load_acquire(from);

		switch_here();
		RL_ASSERT((int)(*p)($) == 1);
	}

	void section()
	{
		ioasid_rcu_read_lock(rcu);
		dereference();
		ioasid_rcu_read_unlock(rcu);
	}

	void update(ioasid_atomic_ptr *from, rl::var<int> *old,
		    rl::var<int> *next)
	{
		if (plants("barrier too early"))
			membarrier(N);
		ioasid_store_release(from, next);
		if (!plants("early free"))
			RL_ASSERT(!ioasid_rcu_synchronize(rcu));
		if (plants("barrier too late"))
			membarrier(N);
		(*old)($) = 0;
	}
};

template <class Suite> struct epoch : grace<Suite, 3> {
	void run(unsigned int index)
	{
		if (index == 0) {
			this->update(&this->pointer, &this->object,
				     &this->other);
			return;
		}
		ioasid_rcu_read_lock(this->rcu);
		ioasid_rcu_read_lock(this->rcu);
		this->dereference();
		ioasid_rcu_read_unlock(this->rcu);
		this->dereference();
		ioasid_rcu_read_unlock(this->rcu);
		this->section();
	}
};

struct epoch_fence : epoch<epoch_fence> {
	enum { MEMBARRIER = false };
};

struct epoch_membarrier : epoch<epoch_membarrier> {
	enum { MEMBARRIER = true };
};

// The system refuses membarrier(2) now and then.
struct epoch_refused : epoch<epoch_refused> {
	enum { MEMBARRIER = true };

	void before()
	{
		epoch<epoch_refused>::before();
		set.membarrier_refused = true;
	}
};

// One reader finds no memory to register.
template <class Suite> struct counted : epoch<Suite> {
	void before()
	{
		epoch<Suite>::before();
		set.starved = 1u << 1;
	}
};

struct counted_fence : counted<counted_fence> {
	enum { MEMBARRIER = false };
};

struct counted_membarrier : counted<counted_membarrier> {
	enum { MEMBARRIER = true };
};

// No reader finds memory, and each goes to either side.
struct counted_sides : grace<counted_sides, 3> {
	enum { MEMBARRIER = false };

	rl::var<int> third;

	void before()
	{
		grace<counted_sides, 3>::before();
		third($) = 1;
		set.starved = 1u << 1 | 1u << 2;
	}

	void run(unsigned int index)
	{
		if (index == 0) {
			update(&pointer, &object, &other);
			update(&pointer, &other, &third);
			return;
		}
		section();
		section();
		section();
	}
};

// A thread without memory ends inside of a section, which ends with it.
struct counted_exit : grace<counted_exit, 3> {
	enum { MEMBARRIER = false };

	void before()
	{
		grace<counted_exit, 3>::before();
		set.starved = 1u << 1 | 1u << 2;
	}

	void run(unsigned int index)
	{
		if (index == 0) {
			update(&pointer, &object, &other);
			return;
		}
		ioasid_rcu_read_lock(rcu);
		ioasid_rcu_read_lock(rcu);
		dereference();
	}
};

// Two wait at the same time, and may share a grace period.
template <class Suite> struct shared : grace<Suite, 3> {
	ioasid_atomic_ptr pointer_too = {};
	rl::var<int> object_too;

	void before()
	{
		grace<Suite, 3>::before();
		object_too($) = 1;
		ioasid_store_relaxed(&pointer_too, &object_too);
	}

	void run(unsigned int index)
	{
		if (index == 0) {
			this->update(&this->pointer, &this->object,
				     &this->other);
		} else if (index == 1) {
			this->update(&pointer_too, &object_too, &this->other);
		} else {
			ioasid_rcu_read_lock(this->rcu);
			this->dereference();
			this->dereference(&pointer_too);
			ioasid_rcu_read_unlock(this->rcu);
			ioasid_rcu_read_lock(this->rcu);
			this->dereference(&pointer_too);
			this->dereference();
			ioasid_rcu_read_unlock(this->rcu);
		}
	}
};

struct shared_fence : shared<shared_fence> {
	enum { MEMBARRIER = false };
};

struct shared_membarrier : shared<shared_membarrier> {
	enum { MEMBARRIER = true };
};

// Readers come, say that they are quiescent, go offline, come back and leave.
struct qsbr : grace<qsbr, 3> {
	enum { MEMBARRIER = true };

	static ioasid_rcu_config config()
	{
		ioasid_rcu_config c = {};

		c.flavour = IOASID_RCU_QSBR;
		return c;
	}

	void run(unsigned int index)
	{
		if (index == 0) {
			update(&pointer, &object, &other);
			return;
		}
		RL_ASSERT(!ioasid_rcu_thread_register(rcu));
		section();
		RL_ASSERT(!ioasid_rcu_quiescent(rcu));
		section();
		RL_ASSERT(!ioasid_rcu_thread_offline(rcu));
		RL_ASSERT(!ioasid_rcu_thread_online(rcu));
		section();
	}
};

#define SCHEDULES random(300000)

void checks()
{
	CLEAN(epoch_fence, SCHEDULES);
	CAUGHT(epoch_fence, SCHEDULES,
	       { "no fence in lock", FENCE, "ioasid_rcu_reader_lock", "",
		 SKIPPED, 0 });
	CAUGHT(epoch_fence, SCHEDULES,
	       { "no fence before scan", FENCE, "ioasid_grace_begin", "",
		 SKIPPED, 0 });
	CAUGHT(epoch_fence, SCHEDULES,
	       { "relaxed unlock", STORE, "ioasid_rcu_reader_unlock", "",
		 RELAXED, 0 });
	CAUGHT(epoch_fence, SCHEDULES,
	       { "relaxed scan", LOAD, "ioasid_grace_passed", "", RELAXED, 0 });
	CAUGHT(epoch_fence, SCHEDULES,
	       { "readers not looked at", LOAD, "ioasid_grace_passed", "",
		 SKIPPED, 0 });
	CAUGHT(epoch_fence, SCHEDULES, SELF_MADE("early free"));
	CAUGHT(epoch_fence, SCHEDULES,
	       { "registers without lock", LOCK, "list_reader", "domain->lock",
		 SKIPPED, 0 });
	CAUGHT(epoch_fence, SCHEDULES,
	       { "leaves without lock", LOCK, "unlist", "domain->lock", SKIPPED,
		 0 });
	CLEAN(epoch_membarrier, SCHEDULES);
	CAUGHT(epoch_membarrier, SCHEDULES, SELF_MADE("no membarrier"));
	CAUGHT(epoch_membarrier, SCHEDULES, SELF_MADE("barrier too early"));
	CAUGHT(epoch_membarrier, SCHEDULES, SELF_MADE("barrier too late"));
	CAUGHT(epoch_membarrier, SCHEDULES,
	       { "relaxed unlock", STORE, "ioasid_rcu_reader_unlock", "",
		 RELAXED, 0 });
	CAUGHT(epoch_membarrier, SCHEDULES,
	       { "relaxed scan", LOAD, "ioasid_grace_passed", "", RELAXED, 0 });
	CAUGHT(epoch_membarrier, SCHEDULES,
	       { "relaxed load of epoch", LOAD, "ioasid_rcu_reader_lock",
		 "rcu->epoch", RELAXED, 0 });
	CAUGHT(epoch_membarrier, SCHEDULES,
	       { "relaxed new epoch", STORE, "ioasid_grace_begin", "", RELAXED,
		 0 });
	CAUGHT(epoch_membarrier, SCHEDULES, SELF_MADE("early free"));
	CLEAN(epoch_refused, SCHEDULES);
	CAUGHT(epoch_refused, SCHEDULES, SELF_MADE("refused, not asked again"));
	CLEAN(counted_fence, SCHEDULES);
	CAUGHT(counted_fence, SCHEDULES,
	       { "no fence in lock", FENCE, "counted_enter", "", SKIPPED, 0 });
	CAUGHT(counted_fence, SCHEDULES,
	       { "relaxed unlock", ADD, "counted_leave", "", RELAXED, 0 });
	CAUGHT(counted_fence, SCHEDULES,
	       { "counts not looked at", LOAD, "ioasid_rcu_counted_gone",
		 "counted.on", SKIPPED, 0 });
	CLEAN(counted_membarrier, SCHEDULES);
	CAUGHT(counted_membarrier, SCHEDULES, SELF_MADE("no membarrier"));
	CLEAN(counted_sides, SCHEDULES);
	CAUGHT(counted_sides, SCHEDULES,
	       { "first side not looked at", LOAD, "ioasid_rcu_counted_gone",
		 "counted.on[0]", SKIPPED, 0 });
	CAUGHT(counted_sides, SCHEDULES,
	       { "second side not looked at", LOAD, "ioasid_rcu_counted_gone",
		 "counted.on[1]", SKIPPED, 0 });
	CAUGHT(counted_sides, SCHEDULES,
	       { "taken for empty", LOAD, "ioasid_rcu_counted_gone",
		 "counted.on[i]", SKIPPED, 0 });
	CLEAN(counted_exit, SCHEDULES);
	CAUGHT(counted_exit, SCHEDULES,
	       { "exit leaves it counted", ADD, "counted_leave", "", SKIPPED,
		 0 });
	CLEAN(shared_fence, SCHEDULES);
	CAUGHT(shared_fence, SCHEDULES,
	       { "cookie one too early", LOAD, "ioasid_rcu_cookie", "", LESS,
		 0 });
	CLEAN(shared_membarrier, SCHEDULES);
	CAUGHT(shared_membarrier, SCHEDULES,
	       { "cookie one too early", LOAD, "ioasid_rcu_cookie", "", LESS,
		 0 });
	CAUGHT(shared_membarrier, SCHEDULES, SELF_MADE("no membarrier"));
	CLEAN(qsbr, SCHEDULES);
	CAUGHT(qsbr, SCHEDULES,
	       { "no fence in announce", FENCE, "ioasid_grace_announce", "",
		 SKIPPED, 0 });
	CAUGHT(qsbr, SCHEDULES,
	       { "no fence before scan", FENCE, "ioasid_grace_begin", "",
		 SKIPPED, 0 });
	CAUGHT(qsbr, SCHEDULES,
	       { "relaxed announce", STORE, "ioasid_grace_announce", "",
		 RELAXED, 0 });
	CAUGHT(qsbr, SCHEDULES,
	       { "relaxed offline", STORE, "ioasid_grace_offline", "", RELAXED,
		 0 });
	CAUGHT(qsbr, SCHEDULES, SELF_MADE("early free"));
}

} // namespace

int main(int argc, char **argv)
{
	return model::main(argc, argv, checks);
}
