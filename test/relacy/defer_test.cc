// SPDX-License-Identifier: MIT

// Deferred callbacks: each is called once, in order, after a grace period, by
// whichever thread gets to it.

#include "check.h"
#include "model_platform.h"

namespace {

using namespace model;

enum { HEADS = 2 };

// What a thread unpublishes and has freed: the callback's write stands for the
// free, and Relacy reports any read that it does not come after.
struct object {
	ioasid_atomic_ptr pointer;
	rl::var<int> memory, replacement;
	ioasid_rcu_head head[HEADS];
	unsigned int called;
};

object *objects;
unsigned int not_called;
// Where the thread that deferred sleeps, if it does.
rl::mutex *sleeper;
rl::condition_variable *sleeper_woken;

void called(ioasid_rcu_head *head)
{
	if (sleeper) {
		sleeper->lock($);
		resumed();
	}
	for (unsigned int i = 0; i < 2; i++) {
		object *o = &objects[i];

		for (unsigned int j = 0; j < HEADS; j++) {
			if (head != &o->head[j])
				continue;
			RL_ASSERT(o->called == j);
			o->called++;
			not_called--;
			if (!j)
				o->memory($) = 0;
		}
	}
	if (sleeper) {
		sleeper_woken->notify_all($);
		sleeper->unlock($);
		resumed();
	}
}

template <class Suite, int N> struct deferred : check<Suite, N> {
	enum { MEMBARRIER = 1 };
	ioasid_rcu *rcu;
	object of[2];

	static ioasid_rcu_config config()
	{
		return {};
	}

	void before()
	{
		ioasid_rcu_config c = Suite::config();

		set.thread_start = take_places;
		set.membarrier = Suite::MEMBARRIER;
		objects = of;
		not_called = 0;
		sleeper = nullptr;
		RL_ASSERT(!ioasid_rcu_create(&c, &rcu));
		for (auto &o : of) {
			o.pointer = {};
			o.called = 0;
			o.memory($) = 1;
			o.replacement($) = 1;
			ioasid_store_relaxed(&o.pointer, &o.memory);
		}
	}

	void after()
	{
		if (rcu)
			RL_ASSERT(!ioasid_rcu_destroy(rcu));
		RL_ASSERT(!now.live_blocks && !not_called);
		for (auto &o : of)
			RL_ASSERT(o.called == HEADS);
	}

	void dereference(const object *o)
	{
		auto *p = (rl::var<int> *)ioasid_load_acquire(&o->pointer);

		switch_here();
		RL_ASSERT((int)(*p)($) == 1);
	}

	void read()
	{
		for (unsigned int i = 0; i < 2; i++) {
			ioasid_rcu_read_lock(rcu);
			dereference(&of[i]);
			dereference(&of[!i]);
			ioasid_rcu_read_unlock(rcu);
		}
	}

	void unpublish(object *o)
	{
		ioasid_store_release(&o->pointer, &o->replacement);
	}

	void defer(object *o, unsigned int i)
	{
		not_called++;
		RL_ASSERT(!ioasid_rcu_defer(rcu, &o->head[i], called));
	}
};

// Two threads defer and wait for what they deferred.
struct defer_barrier : deferred<defer_barrier, 3> {
	void run(unsigned int index)
	{
		object *o = &of[index];

		if (index == 2) {
			read();
			return;
		}
		unpublish(o);
		defer(o, 0);
		defer(o, 1);
		RL_ASSERT(!ioasid_rcu_barrier(rcu));
		RL_ASSERT(o->called == HEADS);
		RL_ASSERT((int)o->memory($) == 0);
	}
};

// Another counts them meanwhile, with nothing to order what it sees.
template <class Suite> struct pending_check : deferred<Suite, 2> {
	void run(unsigned int index)
	{
		ioasid_rcu *rcu = this->rcu;

		if (index == 1) {
			for (unsigned int i = 0; i < 40; i++) {
				RL_ASSERT(ioasid_rcu_pending(rcu) <= 2 * HEADS);
				switch_here();
			}
			return;
		}
		for (auto &o : this->of) {
			this->unpublish(&o);
			this->defer(&o, 0);
			this->defer(&o, 1);
			RL_ASSERT(!ioasid_rcu_barrier(rcu));
		}
	}
};

struct pending : pending_check<pending> {};

// The same without the barrier that a grace period puts into it.
struct pending_fence : pending_check<pending_fence> {
	enum { MEMBARRIER = 0 };
};

// Two threads retire memory as stores do, and free what is due.
struct retire : deferred<retire, 3> {
	void run(unsigned int index)
	{
		object *o = &of[index];

		if (index == 2) {
			read();
			return;
		}
		unpublish(o);
		not_called += HEADS;
		ioasid_rcu_retire(rcu, &o->head[0], called, 1);
		ioasid_rcu_reclaim_all(rcu);
		ioasid_rcu_retire(rcu, &o->head[1], called, 1);
		ioasid_rcu_reclaim_all(rcu);
	}
};

// No more than one may be pending for each thread that defers.
struct limit : deferred<limit, 3> {
	static ioasid_rcu_config config()
	{
		ioasid_rcu_config c = {};

		c.pending_limit = 1;
		return c;
	}

	void run(unsigned int index)
	{
		object *o = &of[index];

		if (index == 2) {
			read();
			return;
		}
		unpublish(o);
		for (unsigned int i = 0; i < HEADS; i++) {
			RL_ASSERT(!ioasid_rcu_defer(rcu, &o->head[i], called));
			not_called++;
			RL_ASSERT((int)not_called <= 2);
		}
	}
};

// A reclaimer calls; the thread that deferred sleeps until it has.
struct reclaimer : deferred<reclaimer, 3> {
	alignas(worker_state) char storage[sizeof(worker_state)];
	rl::mutex mutex;
	rl::condition_variable changed;

	static ioasid_rcu_config config()
	{
		ioasid_rcu_config c = {};

		c.reclaimer = true;
		return c;
	}

	void before()
	{
		now.worker = new (storage) worker_state();
		deferred<reclaimer, 3>::before();
		sleeper = &mutex;
		sleeper_woken = &changed;
	}

	~reclaimer()
	{
		destroy(now.worker);
	}

	void await(const unsigned int &count, unsigned int wanted)
	{
		mutex.lock($);
		resumed();
		while (count != wanted) {
			changed.wait(mutex, $);
			resumed();
		}
		mutex.unlock($);
		resumed();
	}

	void run(unsigned int index)
	{
		if (index == 0) {
			for (auto &o : of) {
				unpublish(&o);
				defer(&o, 0);
				defer(&o, 1);
				await(o.called, HEADS);
			}
			RL_ASSERT(!ioasid_rcu_destroy(rcu));
			rcu = nullptr;
		} else if (index == 1) {
			read();
		} else {
			worker_run();
		}
	}
};

#define SCHEDULES random(200000)

void checks()
{
	CLEAN(defer_barrier, SCHEDULES);
	CAUGHT(defer_barrier, SCHEDULES,
	       { "readers not looked at", LOAD, "ioasid_grace_passed", "",
		 SKIPPED, 0 });
	CAUGHT(defer_barrier, SCHEDULES,
	       { "cookie one too early", LOAD, "ioasid_rcu_cookie", "", LESS,
		 0 });
	CAUGHT(defer_barrier, SCHEDULES, SELF_MADE("no membarrier"));
	CAUGHT(defer_barrier, SCHEDULES,
	       { "defers without lock", LOCK, "ioasid_rcu_defer_admitted", "",
		 SKIPPED, 0 });
	CAUGHT(defer_barrier, SCHEDULES,
	       { "takes without lock", LOCK, "ioasid_domain_lock", "", SKIPPED,
		 0 });
	CAUGHT(defer_barrier, SCHEDULES,
	       { "runs without run lock", LOCK, "run_both", "", SKIPPED, 0 });
	CLEAN(pending, SCHEDULES);
	CAUGHT(pending, SCHEDULES,
	       { "added not counted", LOAD, "not_called", "added", SKIPPED,
		 0 });
	CLEAN(pending_fence, SCHEDULES);
	CAUGHT(pending_fence, SCHEDULES,
	       { "relaxed done", LOAD, "not_called", "done", RELAXED, 0 });
	CLEAN(retire, SCHEDULES);
	CAUGHT(retire, SCHEDULES,
	       { "readers not looked at", LOAD, "ioasid_grace_passed", "",
		 SKIPPED, 0 });
	CAUGHT(retire, SCHEDULES,
	       { "cookie one too early", LOAD, "ioasid_rcu_cookie", "", LESS,
		 0 });
	CAUGHT(retire, SCHEDULES,
	       { "retires without lock", LOCK, "ioasid_rcu_retire", "", SKIPPED,
		 0 });
	CLEAN(limit, SCHEDULES);
	CAUGHT(limit, SCHEDULES,
	       { "pending not counted", LOAD, "not_called", "added", SKIPPED,
		 0 });
	CLEAN(reclaimer, SCHEDULES);
	CAUGHT(reclaimer, SCHEDULES,
	       { "readers not looked at", LOAD, "ioasid_grace_passed", "",
		 SKIPPED, 0 });
	CAUGHT(reclaimer, SCHEDULES,
	       { "idle without lock", LOCK, "reclaim_loop", "", SKIPPED, 0 });
}

} // namespace

int main(int argc, char **argv)
{
	return model::main(argc, argv, checks);
}
