// SPDX-License-Identifier: MIT

// Model checks of the lock-free code under the C11 memory model, by Relacy.
// Each check runs clean; then once for each planted fault, which must be
// found. Small checks are searched in full, the others up to a bound of
// context switches or at random, for a stated number of schedules.

#include "relacy_atomic.h"

#include <chrono>
#include <cstdio>
#include <cstring>
#include <ostream>
#include <streambuf>

#include <ioasid/slot.h>
#include <ioasid/store.h>

#include "core/rcu/grace.h"

enum fault planted;
bool is_writer[8];

namespace {

enum { SET_A = 1, SET_B = 2 };

int of_a, of_a_again, of_b;

bool is_of(void *data, int set)
{
	return set == SET_A ? data == &of_a || data == &of_a_again :
			      data == &of_b;
}

// The slot goes from set A to B and back while both look it up.
struct slot_read : rl::test_suite<slot_read, 3> {
	ioasid_slot slot;

	void before()
	{
		slot.private_data.store(&of_a, rl::mo_relaxed, $);
		slot.state.store(ioasid_state_make(1, SET_A, 1, true),
				 rl::mo_relaxed, $);
		is_writer[0] = true;
		is_writer[1] = is_writer[2] = false;
	}

	void thread(unsigned index)
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
struct slot_publish : rl::test_suite<slot_publish, 2> {
	ioasid_slot slot;
	rl::var<int> datum;

	void before()
	{
		slot.private_data.store(nullptr, rl::mo_relaxed, $);
		slot.state.store(0, rl::mo_relaxed, $);
		is_writer[0] = true;
		is_writer[1] = false;
	}

	void thread(unsigned index)
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
struct slot_reference : rl::test_suite<slot_reference, 3> {
	ioasid_slot slot;
	rl::atomic<int> vacated;

	void before()
	{
		slot.private_data.store(&of_a, rl::mo_relaxed, $);
		slot.state.store(ioasid_state_make(1, SET_A, 1, true),
				 rl::mo_relaxed, $);
		vacated.store(0, rl::mo_relaxed, $);
		is_writer[0] = true;
		is_writer[1] = is_writer[2] = false;
	}

	void thread(unsigned index)
	{
		bool was_live;
		int ret;

		if (index == 0) {
			ret = ioasid_slot_free(&slot);
			RL_ASSERT(ret >= 0);
			if (!ret)
				vacated.fetch_add(1, rl::mo_relaxed, $);
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
			vacated.fetch_add(1, rl::mo_relaxed, $);
		}
	}

	void after()
	{
		RL_ASSERT(vacated.load(rl::mo_relaxed, $) == 1);
		RL_ASSERT(
			!ioasid_state_refs(slot.state.load(rl::mo_relaxed, $)));
	}
};

// A slot moves to the next table under a reader and a reference.
struct slot_move : rl::test_suite<slot_move, 3> {
	ioasid_slot from, to;

	void before()
	{
		from.private_data.store(&of_a, rl::mo_relaxed, $);
		from.state.store(ioasid_state_make(1, SET_A, 1, true),
				 rl::mo_relaxed, $);
		to.private_data.store(nullptr, rl::mo_relaxed, $);
		to.state.store(0, rl::mo_relaxed, $);
		is_writer[0] = true;
		is_writer[1] = is_writer[2] = false;
	}

	void thread(unsigned index)
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
		RL_ASSERT(to.state.load(rl::mo_relaxed, $) ==
			  ioasid_state_make(1, SET_A, 1, true));
	}
};

// An ID comes into a hash table and moves on into the next one while two
// readers look for it and take references: none is lost.
template <class Suite> struct hash : rl::test_suite<Suite, 3> {
	enum { ID = 5, BUCKETS = 2 };

	ioasid_store store;
	ioasid_hash_table from, to;
	ioasid_hash_bucket from_bucket[BUCKETS], to_bucket[BUCKETS];
	rl::atomic<int> references;

	static void init(ioasid_hash_table *table, ioasid_hash_bucket *bucket)
	{
		table->bucket = bucket;
		table->multiplier = 1;
		table->mask = BUCKETS - 1;
		table->shift = 63;
		table->next.store(nullptr, rl::mo_relaxed, $);
		for (unsigned i = 0; i < BUCKETS; i++) {
			for (auto &key : bucket[i].key)
				key.store(0, rl::mo_relaxed, $);
			for (auto &slot : bucket[i].slot) {
				slot.private_data.store(nullptr, rl::mo_relaxed,
							$);
				slot.state.store(0, rl::mo_relaxed, $);
			}
		}
	}

	void before()
	{
		store.kind = IOASID_STORE_HASH;
		init(&from, from_bucket);
		init(&to, to_bucket);
		store.root.store(&from, rl::mo_relaxed, $);
		references.store(0, rl::mo_relaxed, $);
		is_writer[0] = true;
		is_writer[1] = is_writer[2] = false;
	}

	// As hash.c does it.
	void insert_and_move()
	{
		ioasid_hash_bucket *bucket = &from_bucket[0];
		ioasid_hash_bucket *next = &to_bucket[0];

		ioasid_store_release(&bucket->key[0], ID + 1);
		ioasid_slot_publish(&bucket->slot[0], &of_a, SET_A);
		ioasid_store_release(&from.next, &to);
		ioasid_store_release(&next->key[0], ID + 1);
		ioasid_slot_move(&bucket->slot[0], &next->slot[0]);
		ioasid_store_release(&store.root, &to);
	}

	void thread(unsigned index)
	{
		ioasid_slot *slot;
		void *data;
		int ret = 0;

		if (index == 0) {
			insert_and_move();
			return;
		}
		do {
			slot = ret == -EAGAIN ? Suite::find_moved(&store, ID) :
						Suite::find(&store, ID);
			ret = slot ? ioasid_slot_get(slot, SET_A) : -ENOENT;
		} while (ret == -EAGAIN);
		RL_ASSERT(ret == 0 || ret == -ENOENT);
		if (ret)
			return;
		references.fetch_add(1, rl::mo_relaxed, $);
		slot = Suite::find_moved(&store, ID);
		RL_ASSERT(slot);
		ret = ioasid_slot_read(slot, SET_A, &data);
		RL_ASSERT(ret == -EAGAIN || (ret == 0 && data == &of_a));
	}

	void after()
	{
		RL_ASSERT(to_bucket[0].slot[0].state.load(rl::mo_relaxed, $) ==
			  ioasid_state_make(1, SET_A,
					    1 + references.load(rl::mo_relaxed,
								$),
					    true));
	}
};

struct hash_move : hash<hash_move> {
	static ioasid_slot *find(const ioasid_store *store, ioasid_t id)
	{
		return ioasid_hash_find(store, id);
	}

	static ioasid_slot *find_moved(const ioasid_store *store, ioasid_t id)
	{
		return ioasid_hash_find_moved(store, id);
	}
};

// The fault: looks for the next table after the search.
struct hash_move_late : hash<hash_move_late> {
	static ioasid_slot *find(const ioasid_store *store, ioasid_t id)
	{
		const ioasid_hash_table *table =
			(ioasid_hash_table *)ioasid_load_acquire(&store->root);
		ioasid_slot *slot;

		do {
			slot = ioasid_hash_table_find(table, id);
			if (slot && !ioasid_state_moved(
					    ioasid_load_acquire(&slot->state)))
				return slot;
			table = (ioasid_hash_table *)ioasid_load_acquire(
				&table->next);
		} while (table);
		return nullptr;
	}

	static ioasid_slot *find_moved(const ioasid_store *store, ioasid_t id)
	{
		return find(store, id);
	}
};

// An object is unpublished, and freed a grace period later: the write stands
// for the free, and Relacy reports any read that it does not come after.
template <class Suite> struct grace : rl::test_suite<Suite, 3> {
	ioasid_rcu rcu;
	ioasid_rcu_reader reader[2];
	rl::atomic<rl::var<int> *> pointer;
	rl::var<int> object, other;

	void before()
	{
		rcu.membarrier = false;
		rcu.epoch.store(1, rl::mo_relaxed, $);
		for (auto &r : reader) {
			r.epoch.store(0, rl::mo_relaxed, $);
			r.nesting = 0;
		}
		object($) = 1;
		other($) = 1;
		pointer.store(&object, rl::mo_relaxed, $);
		is_writer[0] = true;
		is_writer[1] = is_writer[2] = false;
	}

	void dereference()
	{
		RL_ASSERT((int)(*pointer.load(rl::mo_acquire, $))($) == 1);
	}

	void update()
	{
		pointer.store(&other, rl::mo_release, $);
		uint64_t epoch = ioasid_grace_begin(&rcu);

		for (auto &r : reader) {
			rl::linear_backoff backoff;

			while (planted != EARLY_FREE &&
			       !ioasid_grace_passed(&r, epoch))
				backoff.yield($);
		}
		object($) = 0;
	}

	void thread(unsigned index)
	{
		if (index == 0)
			update();
		else
			static_cast<Suite *>(this)->read(&reader[index - 1]);
	}
};

struct epoch_grace : grace<epoch_grace> {
	void read(ioasid_rcu_reader *r)
	{
		ioasid_rcu_reader_lock(&rcu, r);
		ioasid_rcu_reader_lock(&rcu, r);
		dereference();
		ioasid_rcu_reader_unlock(r);
		dereference();
		ioasid_rcu_reader_unlock(r);
		ioasid_rcu_reader_lock(&rcu, r);
		dereference();
		ioasid_rcu_reader_unlock(r);
	}
};

struct qsbr_grace : grace<qsbr_grace> {
	void read(ioasid_rcu_reader *r)
	{
		ioasid_grace_announce(&rcu, r);
		dereference();
		ioasid_grace_announce(&rcu, r);
		dereference();
		ioasid_grace_offline(r);
	}
};

int failures;

// Relacy's new and delete are not for the streams it writes to.
struct fixed_buffer : std::streambuf {
	char text[1 << 16];

	fixed_buffer()
	{
		clear();
	}

	void clear()
	{
		setp(text, text + sizeof(text));
	}

	size_t size() const
	{
		return (size_t)(pptr() - pbase());
	}
};

template <class Suite>
void run(const char *name, rl::scheduler_type_e scheduler, unsigned schedules,
	 enum fault fault, const char *fault_name)
{
	auto start = std::chrono::steady_clock::now();
	static fixed_buffer buffer;
	std::ostream output(&buffer);
	rl::test_params params;
	bool clean, expected;

	params.search_type = scheduler;
	params.iteration_count = schedules;
	params.context_bound = 3;
	params.output_stream = &output;
	params.progress_stream = &output;
	buffer.clear();
	planted = fault;
	clean = rl::simulate<Suite>(params);
	planted = NO_FAULT;
	expected = clean == (fault == NO_FAULT);
	std::printf("%-4s %-15s %-22s %-6s %9lu schedules %6.1f s%s%s\n",
		    expected ? "ok" : "FAIL", name, fault_name,
		    scheduler == rl::sched_full	 ? "full" :
		    scheduler == rl::sched_bound ? "bound3" :
						   "random",
		    (unsigned long)params.stop_iteration,
		    std::chrono::duration<double>(
			    std::chrono::steady_clock::now() - start)
			    .count(),
		    clean ? "" : "  found: ",
		    clean ? "" : rl::test_result_str(params.test_result));
	std::fflush(stdout);
	if (!expected) {
		failures++;
		std::printf("%.*s\n", (int)buffer.size(), buffer.text);
	}
}

#define CLEAN(suite, scheduler, schedules) \
	run<suite>(#suite, scheduler, schedules, NO_FAULT, "-")
#define CAUGHT(suite, scheduler, schedules, fault) \
	run<suite>(#suite, scheduler, schedules, fault, #fault)

} // namespace

int main()
{
	// No check may need more than this to be searched to its bound.
	const unsigned all = 50000000;

	CLEAN(slot_publish, rl::sched_full, all);
	CAUGHT(slot_publish, rl::sched_full, all, RELAXED_STATE_STORE);
	CLEAN(slot_read, rl::sched_bound, all);
	CAUGHT(slot_read, rl::sched_bound, all, RELAXED_POINTER_STORE);
	CAUGHT(slot_read, rl::sched_bound, all, RELAXED_POINTER_LOAD);
	CLEAN(slot_reference, rl::sched_bound, all);
	CAUGHT(slot_reference, rl::sched_bound, all, CAS_WITHOUT_COMPARE);
	CLEAN(slot_move, rl::sched_bound, all);
	CAUGHT(slot_move, rl::sched_bound, all, CAS_WITHOUT_COMPARE);
	CAUGHT(slot_move, rl::sched_bound, all, RELAXED_CAS);
	CLEAN(hash_move, rl::sched_random, 1000000);
	CAUGHT(hash_move_late, rl::sched_random, 1000000, LATE_NEXT);
	CAUGHT(hash_move, rl::sched_random, 1000000, CAS_WITHOUT_COMPARE);
	CLEAN(epoch_grace, rl::sched_random, 1000000);
	CAUGHT(epoch_grace, rl::sched_random, 1000000, NO_READER_FENCE);
	CAUGHT(epoch_grace, rl::sched_random, 1000000, NO_WRITER_FENCE);
	CAUGHT(epoch_grace, rl::sched_random, 1000000, RELAXED_UNLOCK);
	CAUGHT(epoch_grace, rl::sched_random, 1000000, EARLY_FREE);
	CLEAN(qsbr_grace, rl::sched_random, 1000000);
	CAUGHT(qsbr_grace, rl::sched_random, 1000000, NO_READER_FENCE);
	CAUGHT(qsbr_grace, rl::sched_random, 1000000, NO_WRITER_FENCE);
	CAUGHT(qsbr_grace, rl::sched_random, 1000000, RELAXED_UNLOCK);
	CAUGHT(qsbr_grace, rl::sched_random, 1000000, EARLY_FREE);
	if (failures)
		std::printf("%d failed\n", failures);
	return failures != 0;
}
