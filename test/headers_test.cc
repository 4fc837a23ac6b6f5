// SPDX-License-Identifier: MIT
// Every header in one C++11 program; every inline function called from C++
// and linked with the C library. layers_test checks that none is left out.
#include <cstdio>

#include <ioasid/allocator.h>
#include <ioasid/atomic.h>
#include <ioasid/ioasid.h>
#include <ioasid/notifier.h>
#include <ioasid/platform.h>
#include <ioasid/rcu.h>
#include <ioasid/set.h>
#include <ioasid/slot.h>
#include <ioasid/snapshot.h>
#include <ioasid/space.h>
#include <ioasid/store.h>

static int failed;

#define EXPECT(condition)                                                     \
	do {                                                                  \
		if (!(condition)) {                                           \
			std::fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, \
				     __LINE__, #condition);                   \
			failed = 1;                                           \
		}                                                             \
	} while (0)

static DECLARE_IOASID_SET(set);

static int object;

static bool accept(void *data)
{
	return data == &object;
}

static void states()
{
	const ioasid_state_t state = ioasid_state_make(5, 3, 2, true);

	EXPECT(ioasid_state_generation(state) == 5);
	EXPECT(ioasid_state_set(state) == 3);
	EXPECT(ioasid_state_refs(state) == 2);
	EXPECT(!ioasid_state_moved(state));
	EXPECT(ioasid_state_moved(IOASID_STATE_MOVED));
	EXPECT(ioasid_state_reserved(IOASID_STATE_RESERVED));
	EXPECT(ioasid_state_unused(IOASID_STATE_RESERVED));
	EXPECT(!ioasid_state_unused(state));
	EXPECT(ioasid_generation_next(5) == 6);
	EXPECT(ioasid_generation_turns(IOASID_GENERATION_HALF - 1));
}

static void slots()
{
	ioasid_slot slot = { { nullptr }, { 0 } };
	ioasid_slot other = { { nullptr }, { 0 } };
	ioasid_state_t before = 0;
	void *data = nullptr;

	ioasid_slot_publish(&slot, &object, 3);
	EXPECT(ioasid_slot_read(&slot, 3, 1, &data) == 0 && data == &object);
	EXPECT(ioasid_slot_read(&slot, 3, 2, &data) == -ESTALE);
	EXPECT(ioasid_slot_get(&slot, 3, IOASID_GENERATION_ANY) == 0);
	ioasid_slot_move(&slot, &other);
	EXPECT(ioasid_slot_read(&slot, 3, 1, &data) == -EAGAIN);
	EXPECT(ioasid_slot_free(&other, true) == 1);
	EXPECT(ioasid_slot_put(&other, &before) == 0);
	EXPECT(before == ioasid_state_make(1, 3, 1, false));
	ioasid_slot_publish(&other, &object, 3);
	EXPECT(ioasid_slot_put(&other, &before) == 0);
	EXPECT(ioasid_slot_get(&other, 3, 2) == -EBUSY);
	ioasid_slot_hold(&other, 3);
	EXPECT(ioasid_slot_hide(&other) == -EBUSY);
	ioasid_slot_vacate(&other);
	EXPECT(ioasid_slot_hide(&other) == -ENOENT);
	ioasid_slot_reserve(&other, 3);
	EXPECT(ioasid_slot_read(&other, 3, 3, &data) == -ENOENT);
	ioasid_slot_publish_reserved(&other, &object);
	EXPECT(ioasid_slot_read(&other, 3, 3, &data) == 0);
}

static void spaces(ioasid_store_kind kind)
{
	ioasid_space_config config = ioasid_space_config();
	ioasid_space *space = nullptr;
	ioasid_handle_t handle = 0;
	void *data = nullptr;
	ioasid_t id;

	config.max = 999;
	config.store = kind;
	EXPECT(ioasid_space_create(&config, &space) == 0);
	if (!space)
		return;
	EXPECT(ioasid_space_alloc(space, &set, 7, 9, &object, &id) == 0);
	ioasid_rcu *rcu = ioasid_space_rcu(space);
	ioasid_rcu_read_lock(rcu);
	EXPECT(ioasid_space_find_rcu(space, &set, id, &data) == 0);
	EXPECT(ioasid_store_find(&space->store, id) != nullptr);
	EXPECT(ioasid_set_index(space, &set) == 1);
	EXPECT(ioasid_space_may_read(space) == 0);
	ioasid_rcu_read_unlock(rcu);
	EXPECT(ioasid_space_find(space, &set, id, accept, &data) == 0);
	EXPECT(data == &object);
	EXPECT(ioasid_space_handle(space, &set, id, &handle) == 0);
	EXPECT(ioasid_handle_id(handle) == id);
	const uint32_t generation = ioasid_handle_generation(handle);
	EXPECT(generation != IOASID_GENERATION_ANY);
	EXPECT(ioasid_space_find_handle(space, &set, handle, accept, &data) ==
	       0);
	EXPECT(data == &object);
	ioasid_rcu_read_lock(rcu);
	EXPECT(ioasid_space_find_handle_rcu(space, &set, handle, &data) == 0);
	EXPECT(ioasid_space_find_use(space, &set, id, generation, &data) == 0);
	ioasid_rcu_read_unlock(rcu);
	const ioasid_store *store = &space->store;
	if (kind == IOASID_STORE_BITMAP) {
		EXPECT(ioasid_bitmap_find(store, id));
	} else if (kind == IOASID_STORE_RADIX) {
		ioasid_radix_node node = ioasid_radix_node();
		ioasid_store_relaxed(&node.child[1], &object);
		EXPECT(ioasid_radix_child(&node, 1) == &object);
		EXPECT(ioasid_radix_find(store, id));
	} else {
		const ioasid_hash_table *table =
			static_cast<const ioasid_hash_table *>(
				ioasid_load_acquire(&store->root));
		EXPECT(ioasid_hash_find(store, id));
		EXPECT(ioasid_hash_find_moved(store, id) ==
		       ioasid_hash_find(store, id));
		EXPECT(ioasid_hash_table_find(table, id));
		EXPECT(ioasid_hash_index(table, id) <= table->mask);
	}
	EXPECT(ioasid_space_destroy(space) == 0);
}

static void readers()
{
	ioasid_rcu_reader reader = ioasid_rcu_reader();
	ioasid_rcu *rcu = nullptr;

	EXPECT(ioasid_rcu_create(nullptr, &rcu) == 0);
	if (!rcu)
		return;
	ioasid_rcu_reader_lock(rcu, &reader, false);
	EXPECT(ioasid_load_relaxed(&reader.epoch) != 0);
	EXPECT(!ioasid_rcu_reads(ioasid_rcu_place(rcu), rcu));
	ioasid_rcu_reader_unlock(&reader);
	EXPECT(ioasid_load_relaxed(&reader.epoch) == 0);
	ioasid_rcu_epoch_lock(rcu, false);
	EXPECT(ioasid_rcu_read_held(rcu));
	ioasid_rcu_epoch_unlock(rcu);
	EXPECT(ioasid_rcu_reads(ioasid_rcu_place(rcu), rcu));
	ioasid_rcu_reader *own = ioasid_rcu_section_enter(rcu);
	EXPECT(ioasid_rcu_read_held(rcu));
	ioasid_rcu_section_leave(rcu, own);
	EXPECT(!ioasid_rcu_read_held(rcu));
	EXPECT(ioasid_rcu_destroy(rcu) == 0);
}

static void seed()
{
	const ioasid_t id = ioasid_alloc(&set, 0, 9, &object);

	EXPECT(ioasid_find(&set, id, accept) == &object);
	EXPECT(ioasid_is_err(ioasid_find(&set, id + 1, nullptr)));
	EXPECT(ioasid_ptr_err(ioasid_err_ptr(-ENOENT)) == -ENOENT);
	EXPECT(ioasid_set_data(id, nullptr) == 0);
	ioasid_free(id);
}

int main()
{
	states();
	slots();
	spaces(IOASID_STORE_BITMAP);
	spaces(IOASID_STORE_RADIX);
	spaces(IOASID_STORE_HASH);
	readers();
	seed();
	return failed;
}
