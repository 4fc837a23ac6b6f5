// SPDX-License-Identifier: MIT

// The library's lock: one thread at a time, and none sleeps for ever.

#include "check.h"

#include <ioasid/platform.h>

extern "C" {
#include "core/platform/lock.h"
}

namespace {

using namespace model;

// The thread that has locks rely on membarrier(2), or -1.
int enabling = -1;

void enable()
{
	enabling = (int)rl::thread_index();
	ioasid_membarrier_enable();
	enabling = -1;
}

} // namespace

extern "C" {

bool ioasid_membarrier_register(void)
{
	if (plants("not announced"))
		ioasid_store_release(&ioasid_lock_asymmetric,
				     IOASID_LOCK_UNFENCED);
	return set.membarrier;
}

bool ioasid_membarrier(void)
{
	if (set.membarrier_refused && rl::rand(2))
		return plants("refused, waits for ever");
	if (!plants("no membarrier") && !(plants("relied on too early") &&
					  enabling == (int)rl::thread_index()))
		membarrier((unsigned int)rl::ctx().get_thread_count());
	return true;
}

// Threads of the model have no life of their own to cancel, and do not fork.
int ioasid_cancel_disable(void)
{
	return 0;
}

void ioasid_cancel_restore(int)
{
}

bool ioasid_forking(void)
{
	return false;
}

void ioasid_fork_wait(unsigned int)
{
}

// For where there is no futex.
void ioasid_backoff(unsigned int)
{
	fail("a lock backs off");
}

// The kernel has a full barrier before it looks at the word, and no wake comes
// between the look and the sleep; so has a wake.
bool ioasid_futex_wait(ioasid_atomic_u32 *word, uint32_t value, uint64_t ns)
{
	static const model_site site = { __FILE__, __func__, "", __LINE__ };
	rl::context &c = rl::ctx();
	cell *at = cell_of(&word->cell);

	c.atomic_thread_fence_seq_cst();
	if (at->history[c.threadx_->atomic_load_relaxed(at->data)] == value) {
		log("sleep", at, value, &site);
		c.threadx_->atomic_wait(at->data, ns != 0, true,
					info_of(&site));
	}
	resumed();
	return true;
}

void ioasid_futex_wake(ioasid_atomic_u32 *word)
{
	static const model_site site = { __FILE__, __func__, "", __LINE__ };
	rl::context &c = rl::ctx();
	cell *at = cell_of(&word->cell);

	c.atomic_thread_fence_seq_cst();
	log("wake", at, 0, &site);
	c.threadx_->atomic_wake(at->data, 1, info_of(&site));
	resumed();
}

} // extern "C"

namespace {

template <class Suite, int N> struct locked : check<Suite, N> {
	struct ioasid_lock lock = {};
	rl::var<int> count;

	void before()
	{
		set.membarrier = Suite::MEMBARRIER;
		set.membarrier_refused = Suite::REFUSED;
		if (Suite::MEMBARRIER && !Suite::FIRST_USE)
			enable();
		count($) = 0;
	}

	void after()
	{
		RL_ASSERT((int)count($) == N * Suite::TIMES);
	}

	void run(unsigned int index)
	{
		// Whoever makes a domain does; locks are in use by then.
		if (Suite::FIRST_USE && index == 0)
			enable();
		for (int i = 0; i < Suite::TIMES; i++) {
			ioasid_lock(&lock);
			count($) = (int)count($) + 1;
			switch_here();
			ioasid_unlock(&lock);
		}
	}
};

struct lock_fence : locked<lock_fence, 2> {
	enum { MEMBARRIER = 0, REFUSED = 0, FIRST_USE = 0, TIMES = 2 };
};

struct lock_membarrier : locked<lock_membarrier, 2> {
	enum { MEMBARRIER = 1, REFUSED = 0, FIRST_USE = 0, TIMES = 2 };
};

struct lock_fence_3 : locked<lock_fence_3, 3> {
	enum { MEMBARRIER = 0, REFUSED = 0, FIRST_USE = 0, TIMES = 2 };
};

struct lock_membarrier_3 : locked<lock_membarrier_3, 3> {
	enum { MEMBARRIER = 1, REFUSED = 0, FIRST_USE = 0, TIMES = 2 };
};

// Locks come to rely on membarrier(2) while they are in use.
struct lock_first_use : locked<lock_first_use, 3> {
	enum { MEMBARRIER = 1, REFUSED = 0, FIRST_USE = 1, TIMES = 2 };
};

struct lock_refused : locked<lock_refused, 3> {
	enum { MEMBARRIER = 1, REFUSED = 1, FIRST_USE = 0, TIMES = 2 };
};

// The thread that has locks rely on it takes none: nobody else wakes who sleeps.
struct lock_announced : locked<lock_announced, 3> {
	enum { MEMBARRIER = 1, REFUSED = 0, FIRST_USE = 1, TIMES = 1 };

	void run(unsigned int index)
	{
		if (index == 0)
			enable();
		else
			locked<lock_announced, 3>::run(index);
	}

	void after()
	{
		RL_ASSERT((int)count($) == 2);
	}
};

#define SCHEDULES random(300000)

void checks()
{
	CLEAN(lock_fence, bounded(4));
	CLEAN(lock_membarrier, bounded(4));
	CLEAN(lock_fence_3, SCHEDULES);
	CAUGHT(lock_fence_3, SCHEDULES,
	       { "no fence in unlock", FENCE, "ioasid_unlock", "", SKIPPED,
		 0 });
	CAUGHT(lock_fence_3, SCHEDULES,
	       { "looks before it stores", STORE, "ioasid_unlock", "held", LATE,
		 2 });
	CAUGHT(lock_fence_3, SCHEDULES,
	       { "relaxed unlock", STORE, "ioasid_unlock", "held", RELAXED,
		 0 });
	CAUGHT(lock_fence_3, SCHEDULES,
	       { "relaxed lock", EXCHANGE, "ioasid_lock_try", "", RELAXED, 0 });
	CLEAN(lock_membarrier_3, SCHEDULES);
	CAUGHT(lock_membarrier_3, SCHEDULES, SELF_MADE("no membarrier"));
	CAUGHT(lock_membarrier_3, SCHEDULES,
	       { "looks before it stores", STORE, "ioasid_unlock", "held", LATE,
		 1 });
	CAUGHT(lock_membarrier_3, SCHEDULES,
	       { "waiter not announced", ADD, "ioasid_lock_wait", "waiters",
		 SKIPPED, 0 });
	CAUGHT(lock_membarrier_3, SCHEDULES,
	       { "relaxed unlock", STORE, "ioasid_unlock", "held", RELAXED,
		 0 });
	CAUGHT(lock_membarrier_3, SCHEDULES,
	       { "relaxed lock", EXCHANGE, "ioasid_lock_try", "", RELAXED, 0 });
	CLEAN(lock_first_use, SCHEDULES);
	CAUGHT(lock_first_use, SCHEDULES, SELF_MADE("no membarrier"));
	CAUGHT(lock_first_use, SCHEDULES, SELF_MADE("relied on too early"));
	CLEAN(lock_announced, SCHEDULES);
	CAUGHT(lock_announced, SCHEDULES, SELF_MADE("not announced"));
	CLEAN(lock_refused, SCHEDULES);
	CAUGHT(lock_refused, SCHEDULES, SELF_MADE("refused, waits for ever"));
}

} // namespace

int main(int argc, char **argv)
{
	return model::main(argc, argv, checks);
}
