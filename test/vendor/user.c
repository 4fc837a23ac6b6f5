/* SPDX-License-Identifier: MIT */

/*
 * A user's file, valid C from gnu89 on and C++ from C++11 on, that calls every
 * inline function and says every macro of the headers: strict compiles it with
 * the warnings users set. IDs are constants here and there because compilers
 * then see through the lookups, and have warned about what they saw.
 */
#include <ioasid/allocator.h>
#include <ioasid/atomic.h>
#include <ioasid/config.h>
#include <ioasid/ioasid.h>
#include <ioasid/notifier.h>
#include <ioasid/platform.h>
#include <ioasid/rcu.h>
#include <ioasid/set.h>
#include <ioasid/slot.h>
#include <ioasid/snapshot.h>
#include <ioasid/space.h>
#include <ioasid/store.h>

#include <stddef.h>
#include <stdlib.h>

#ifdef __cplusplus
#define NOTHING nullptr
#else
#define NOTHING NULL
#endif

static DECLARE_IOASID_SET(tenant);
static DECLARE_IOASID_SET(another);

static int object;
static int failed;

static void expect(bool right)
{
	failed |= !right;
}

static bool accept_it(void *data)
{
	return data == &object;
}

static void done(struct ioasid_rcu_head *head)
{
	expect(head != NOTHING);
}

static void states(void)
{
	const ioasid_state_t state = ioasid_state_make(5, 3, 2, true);

	expect(ioasid_state_generation(state) == 5);
	expect(ioasid_state_set(state) == 3);
	expect(ioasid_state_refs(state) == 2);
	expect((state & IOASID_STATE_LIVE) != 0);
	expect((state & IOASID_STATE_REFS) == 2 * IOASID_STATE_REF);
	expect((state & IOASID_STATE_GENERATION) ==
	       IOASID_STATE_ONE * 5 << IOASID_GENERATION_SHIFT);
	expect(ioasid_state_moved(IOASID_STATE_MOVED));
	expect(ioasid_state_reserved(IOASID_STATE_RESERVED));
	expect(ioasid_state_unused(IOASID_STATE_RESERVED));
	expect(ioasid_generation_next(5) == 6);
	expect(ioasid_generation_next(IOASID_GENERATION_MASK) == 1);
	expect(ioasid_generation_turns(IOASID_GENERATION_HALF - 1));
	expect(2 < IOASID_REFS_MAX && 3 < IOASID_SETS_MAX);
	expect(IOASID_STATE_BITS == 8 * sizeof(ioasid_state_t));
}

static void slots(void)
{
	struct ioasid_slot slot = { { NOTHING }, { 0 } };
	struct ioasid_slot other = { { NOTHING }, { 0 } };
	ioasid_state_t before = 0;
	void *data = NOTHING;

	ioasid_slot_publish(&slot, &object, 3);
	expect(!ioasid_slot_read(&slot, IOASID_SET_ANY, 1, &data));
	expect(data == &object);
	expect(ioasid_slot_read(&slot, IOASID_SET_FOREIGN,
				IOASID_GENERATION_ANY, &data) == -EACCES);
	expect(!ioasid_slot_get(&slot, 3, IOASID_GENERATION_ANY));
	ioasid_slot_move(&slot, &other);
	expect(ioasid_slot_free(&other, true) == 1);
	expect(!ioasid_slot_put(&other, &before));
	ioasid_slot_publish(&other, &object, 3);
	expect(!ioasid_slot_put(&other, &before));
	ioasid_slot_hold(&other, 3);
	expect(ioasid_slot_hide(&other) == -EBUSY);
	ioasid_slot_vacate(&other);
	ioasid_slot_reserve(&other, 3);
	ioasid_slot_publish_reserved(&other, &object);
	expect(!ioasid_slot_read(&other, 3, 3, &data));
}

static void atomics(void)
{
	ioasid_atomic_u32 narrow = { 0 };
	ioasid_atomic_u64 wide = { 0 };
	ioasid_atomic_ptr pointer = { NOTHING };
	uint32_t expected = 2;

	ioasid_store_relaxed(&narrow, 1);
	expect(ioasid_exchange_acquire(&narrow, 2) == 1);
	expect(ioasid_cas_acq_rel(&narrow, &expected, 3));
	expect(ioasid_fetch_add_acq_rel(&wide, 1) == 0);
	expect(ioasid_fetch_sub_release(&wide, 1) == 1);
	ioasid_store_release(&pointer, &object);
	ioasid_fence_seq_cst();
	ioasid_compiler_barrier();
	expect(ioasid_load_relaxed(&narrow) == 3);
	expect(ioasid_likely(ioasid_load_acquire(&pointer) == &object));
	expect(!ioasid_unlikely(ioasid_load_acquire(&pointer) == NOTHING));
}

static void readers(void)
{
	static struct ioasid_rcu_config config;
	static struct ioasid_rcu_head head;
	struct ioasid_domain_stats stats;
	struct ioasid_rcu *rcu = NOTHING;
	struct ioasid_rcu_reader *reader;

	config.flavour = IOASID_RCU_EPOCH;
	config.no_membarrier = true;
	expect(!ioasid_rcu_create(&config, &rcu));
	if (!rcu)
		return;
	ioasid_rcu_read_lock(rcu);
	expect(ioasid_rcu_reads(ioasid_rcu_place(rcu), rcu));
	ioasid_rcu_epoch_lock(rcu, false);
	ioasid_rcu_epoch_unlock(rcu);
	ioasid_rcu_reader_lock(rcu, ioasid_rcu_place(rcu), true);
	ioasid_rcu_reader_unlock(ioasid_rcu_place(rcu));
	ioasid_rcu_read_unlock(rcu);
	reader = ioasid_rcu_section_enter(rcu);
	expect(ioasid_rcu_read_held(rcu));
	ioasid_rcu_section_leave(rcu, reader);
	expect(!ioasid_rcu_defer(rcu, &head, done));
	expect(!ioasid_rcu_barrier(rcu));
	ioasid_rcu_stats(rcu, &stats);
	expect(!stats.pending);
	expect(!ioasid_rcu_destroy(rcu));
}

static void *my_alloc(void *context, size_t size)
{
	(void)context;
	return malloc(size);
}

static void my_free(void *context, void *memory, size_t size)
{
	(void)context;
	(void)size;
	free(memory);
}

static void my_notify(struct ioasid_notifier *notifier,
		      const struct ioasid_notice *notice)
{
	(void)notifier;
	expect(notice->event != IOASID_EVENT_BIND);
}

static void lookups(struct ioasid_space *space, ioasid_t id)
{
	struct ioasid_rcu *rcu = ioasid_space_rcu(space);
	ioasid_handle_t handle = 0;
	void *data = NOTHING;

	ioasid_rcu_read_lock(rcu);
	expect(!ioasid_space_find_rcu(space, &tenant, id, &data));
	expect(ioasid_store_find(&space->store, id) != NOTHING);
	expect(ioasid_set_index(space, &tenant) != IOASID_SET_FOREIGN);
	expect(!ioasid_space_may_read(space));
	ioasid_rcu_read_unlock(rcu);
	expect(!ioasid_space_find(space, &tenant, id, accept_it, &data));
	expect(ioasid_space_find(space, &another, id, NOTHING, &data) ==
	       -EACCES);
	expect(!ioasid_space_handle(space, &tenant, id, &handle));
	expect(ioasid_handle_id(handle) == id);
	expect(ioasid_handle_generation(handle) != IOASID_GENERATION_ANY);
	expect(!ioasid_space_find_handle(space, &tenant, handle, accept_it,
					 &data));
	ioasid_rcu_read_lock(rcu);
	expect(!ioasid_space_find_handle_rcu(space, &tenant, handle, &data));
	expect(!ioasid_space_find_use(space, &tenant, id,
				      ioasid_handle_generation(handle), &data));
	ioasid_rcu_read_unlock(rcu);
	expect(data == &object);
	expect(!ioasid_space_get(space, &tenant, id));
	expect(!ioasid_space_put(space, id));
}

/* IDs that a compiler knows, in stores that it does not. */
static void constants(const struct ioasid_space *space)
{
	void *data = NOTHING;

	expect(ioasid_space_find(space, NOTHING, 0, NOTHING, &data) != 0);
	expect(ioasid_space_find(space, NOTHING, 5, NOTHING, &data) != 0);
	expect(ioasid_space_find(space, NOTHING, 4096, NOTHING, &data) != 0);
	expect(ioasid_space_find(space, NOTHING, 0xfffff, NOTHING, &data) != 0);
	expect(ioasid_space_find(space, NOTHING, INVALID_IOASID, NOTHING,
				 &data) != 0);
	expect(ioasid_space_find_handle(space, NOTHING, 7, NOTHING, &data) !=
	       0);
}

static void stores(const struct ioasid_store *store, ioasid_t id)
{
	static struct ioasid_radix_node node;
	const struct ioasid_hash_table *table;

	if (store->kind == IOASID_STORE_BITMAP) {
		expect(ioasid_bitmap_find(store, id) != NOTHING);
	} else if (store->kind == IOASID_STORE_RADIX) {
		ioasid_store_relaxed(&node.child[1], &object);
		expect(ioasid_radix_child(&node, 1) == &object);
		expect(ioasid_radix_find(store, id) != NOTHING);
	} else {
#ifdef __cplusplus
		table = static_cast<const ioasid_hash_table *>(
			ioasid_load_acquire(&store->root));
#else
		table = (const struct ioasid_hash_table *)ioasid_load_acquire(
			&store->root);
#endif
		expect(ioasid_hash_find(store, id) ==
		       ioasid_hash_find_moved(store, id));
		expect(ioasid_hash_table_find(table, id) != NOTHING);
		expect(ioasid_hash_index(table, id) <= table->mask);
	}
}

static void spaces(enum ioasid_store_kind kind)
{
	static struct ioasid_space_config config;
	static struct ioasid_set_config limits;
	static struct ioasid_notifier notifier;
	struct ioasid_space *space = NOTHING;
	struct ioasid_set *guest = NOTHING;
	struct ioasid_stats stats;
	const char *reason = NOTHING;
	ioasid_t id = INVALID_IOASID;

	config.min = 1;
	config.max = 0xfffff;
	config.store = kind;
	config.memory.alloc = my_alloc;
	config.memory.free = my_free;
	expect(config.max < IOASID_BITMAP_IDS_MAX);
	expect(!ioasid_space_create(&config, &space));
	if (!space)
		return;
	limits.name = "guest";
	limits.quota = 2;
	notifier.notify = my_notify;
	expect(!ioasid_set_create(space, &limits, &guest));
	expect(!ioasid_space_register_notifier(space, NOTHING, &notifier));
	constants(space);
	expect(!ioasid_space_alloc(space, &tenant, 7, 9, &object, &id));
	lookups(space, id);
	ioasid_rcu_read_lock(ioasid_space_rcu(space));
	stores(&space->store, id);
	ioasid_rcu_read_unlock(ioasid_space_rcu(space));
	expect(!ioasid_spid_attach(space, id, 3));
	expect(!ioasid_space_reserve_id(space, guest, 1, 100, &id));
	expect(!ioasid_space_publish_id(space, id, &object));
	ioasid_space_stats(space, &stats);
	expect(stats.live == 2 && ioasid_space_validate(space, &reason));
	expect(!ioasid_space_free(space, id));
	expect(!ioasid_set_destroy(space, guest));
	expect(!ioasid_space_unregister_notifier(space, &notifier));
	expect(!ioasid_space_destroy(space));
}

static void default_space(void)
{
	const ioasid_t id = ioasid_alloc(&tenant, 1, 0xfffff, &object);

	expect(ioasid_find(&tenant, id, NOTHING) == &object);
	expect(ioasid_ptr_err(ioasid_find(&another, id, NOTHING)) == -EACCES);
	expect(!ioasid_get(id) && !ioasid_put(id));
	ioasid_free(id);
	expect(ioasid_is_err(ioasid_find(NOTHING, 0, NOTHING)));
	expect(ioasid_is_err(ioasid_find(NOTHING, 5, accept_it)));
	expect(ioasid_ptr_err(ioasid_err_ptr(-ENOENT)) == -ENOENT);
	expect(!ioasid_is_err(&object) && IOASID_ERRNO_MAX > ENOENT);
}

int main(void)
{
	states();
	slots();
	atomics();
	readers();
	spaces(IOASID_STORE_RADIX);
	spaces(IOASID_STORE_BITMAP);
	spaces(IOASID_STORE_HASH);
	default_space();
	expect(IOASID_VERSION[0] == '0' + IOASID_VERSION_MAJOR);
	expect(IOASID_VERSION_MINOR >= 0 && IOASID_VERSION_PATCH >= 0);
	expect(INVALID_IOASID == UINT32_MAX && IOASID_CACHE_LINE == 64);
	return failed;
}
