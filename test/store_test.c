/* SPDX-License-Identifier: MIT */
#include "test/fixture.h"

#if TEST_POSIX
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>
#endif

/* A store by itself, without a space. */
struct bare {
	struct ioasid_store store;
	const struct ioasid_store_ops *ops;
	ioasid_t min, max;
};

static int try_create(struct fixture *fixture, struct bare *bare, ioasid_t min,
		      ioasid_t max)
{
	const struct ioasid_store_config config = {
		.min = min,
		.max = max,
		.memory = test_memory_hooks(&fixture->memory, true),
		.rcu = fixture->rcu,
		.hash_seed = 1,
	};

	memset(bare, 0, sizeof(*bare));
	bare->ops = fixture->space->store.ops;
	bare->store.kind = fixture->store->kind;
	bare->store.ops = bare->ops;
	bare->min = min;
	bare->max = max;
	return bare->ops->create(&bare->store, &config);
}

static void create(struct fixture *fixture, struct bare *bare, ioasid_t min,
		   ioasid_t max)
{
	assert_int_equal(try_create(fixture, bare, min, max), 0);
}

static void destroy(struct fixture *fixture, struct bare *bare)
{
	/* What was retired knows the store. */
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
	bare->ops->destroy(&bare->store);
}

static void expect_valid(struct bare *bare)
{
	const char *reason = NULL;

	if (!bare->ops->validate(&bare->store, &reason))
		fail_msg("not valid: %s", reason);
}

/* The slot of @id; one that moved is followed, as lookups do. */
static struct ioasid_slot *find(struct bare *bare, ioasid_t id)
{
	struct ioasid_slot *slot = ioasid_store_find(&bare->store, id);

	assert_ptr_equal(slot, bare->ops->find(&bare->store, id));
	if (slot && ioasid_state_moved(ioasid_load_relaxed(&slot->state)))
		slot = ioasid_hash_find_moved(&bare->store, id);
	return slot;
}

static bool in_use(const struct ioasid_slot *slot)
{
	return ioasid_load_relaxed(&slot->state) & ~IOASID_STATE_GENERATION;
}

static int claim(struct bare *bare, ioasid_t min, ioasid_t max, ioasid_t *id)
{
	struct ioasid_slot *slot = NULL;
	int ret = bare->ops->claim(&bare->store, min, max, id, &slot);

	if (ret)
		return ret;
	assert_in_range(*id, min, max);
	assert_non_null(slot);
	assert_ptr_equal(slot, find(bare, *id));
	assert_false(in_use(slot));
	ioasid_slot_publish(slot, (void *)((uintptr_t)*id << 8), 0);
	return 0;
}

static void release(struct bare *bare, ioasid_t id)
{
	struct ioasid_slot *slot = find(bare, id);

	assert_non_null(slot);
	assert_int_equal(ioasid_slot_free(slot, false), 0);
	bare->ops->release(&bare->store, id);
}

static void expect_found(struct bare *bare, ioasid_t id, bool occupied)
{
	struct ioasid_slot *slot = find(bare, id);
	void *data = NULL;

	if (!occupied) {
		assert_false(slot && in_use(slot));
		return;
	}
	assert_non_null(slot);
	assert_int_equal(ioasid_slot_read(slot, IOASID_SET_ANY,
					  IOASID_GENERATION_ANY, &data),
			 0);
	assert_int_equal((uintptr_t)data, (uintptr_t)id << 8);
}

static void empty(struct fixture *fixture)
{
	struct bare bare;
	ioasid_t ids[4];

	create(fixture, &bare, 100, 200);
	expect_valid(&bare);
	assert_int_equal(bare.ops->occupied(&bare.store, 100, 200, ids, 4), 0);
	expect_found(&bare, 0, false);
	expect_found(&bare, 99, false);
	expect_found(&bare, 100, false);
	expect_found(&bare, 201, false);
	expect_found(&bare, INVALID_IOASID, false);
	destroy(fixture, &bare);
}

/* Ranges by where they lie: ends of 32 bits, one ID, powers of two. */
static const struct {
	ioasid_t min, max;
} edges[] = {
	{ 0, 0 },
	{ 0, 63 },
	{ 1, 64 },
	{ 63, 65 },
	{ 4095, 4200 },
	{ INVALID_IOASID - 1, INVALID_IOASID - 1 },
	{ INVALID_IOASID - 130, INVALID_IOASID - 1 },
	{ 0x7fffff80, 0x80000080 },
};

static void fill_and_drain(struct fixture *fixture)
{
	struct bare bare;
	ioasid_t id, n;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(edges); i++) {
		const ioasid_t min = edges[i].min, max = edges[i].max;
		ioasid_t ids[512];

		create(fixture, &bare, min, max);
		for (n = min; n <= max; n++) {
			assert_int_equal(claim(&bare, min, max, &id), 0);
			assert_int_equal(id, n);
			expect_valid(&bare);
		}
		id = 1234;
		assert_int_equal(claim(&bare, min, max, &id), -ENOSPC);
		assert_int_equal(claim(&bare, min, min, &id), -ENOSPC);
		assert_int_equal(claim(&bare, max, max, &id), -ENOSPC);
		for (n = min; n <= max; n++)
			expect_found(&bare, n, true);
		expect_found(&bare, min - 1, false);
		expect_found(&bare, max + 1, false);
		expect_found(&bare, INVALID_IOASID, false);
		assert_int_equal(bare.ops->occupied(&bare.store, min, max, ids,
						    ARRAY_SIZE(ids)),
				 max - min + 1);
		for (n = min; n <= max; n++)
			assert_int_equal(ids[n - min], n);
		for (n = max + 1; n-- > min;) {
			release(&bare, n);
			expect_valid(&bare);
			expect_found(&bare, n, false);
		}
		assert_int_equal(bare.ops->occupied(&bare.store, min, max, ids,
						    ARRAY_SIZE(ids)),
				 0);
		destroy(fixture, &bare);
	}
}

/* Random claims and releases beside an array of what is occupied. */
static void against_array(struct fixture *fixture)
{
	enum { IDS = 700, BASE = 1000, STEPS = TEST_LIGHT ? 4000 : 20000 };
	struct test_random random = { 5 };
	bool occupied[IDS] = { false };
	ioasid_t ids[IDS], id, a, b, n;
	unsigned int step, fill;
	struct bare bare;
	size_t count, i;

	create(fixture, &bare, BASE, BASE + IDS - 1);
	for (step = 0; step < STEPS; step++) {
		/* Waves, so that stores grow and shrink. */
		fill = step / 2000 % 2 ? 20 : 80;
		a = test_below(&random, IDS);
		b = a + test_below(&random, IDS - a);
		if (test_below(&random, 100) < fill) {
			int ret = claim(&bare, BASE + a, BASE + b, &id);

			while (a <= b && occupied[a])
				a++;
			assert_int_equal(ret, a > b ? -ENOSPC : 0);
			if (!ret) {
				assert_int_equal(id, BASE + a);
				occupied[a] = true;
			}
		} else if (occupied[a]) {
			release(&bare, BASE + a);
			occupied[a] = false;
		}
		a = test_below(&random, IDS);
		expect_found(&bare, BASE + a, occupied[a]);
		if (step % 64)
			continue;
		expect_valid(&bare);
		count = bare.ops->occupied(&bare.store, BASE + a, BASE + b, ids,
					   1 + step % IDS);
		for (n = a, i = 0; n <= b && i < 1 + step % IDS; n++)
			if (occupied[n])
				assert_int_equal(ids[i++], BASE + n);
		assert_int_equal(count, i);
		for (n = 0; n < IDS; n++)
			expect_found(&bare, BASE + n, occupied[n]);
	}
	destroy(fixture, &bare);
}

/* A slot that comes back is above the generations of its ID before. */
static void generations_go_on(struct fixture *fixture)
{
	uint32_t before, after;
	struct bare bare;
	unsigned int i;
	ioasid_t id, other;

	create(fixture, &bare, 0, 4095);
	assert_int_equal(claim(&bare, 77, 77, &id), 0);
	before = ioasid_state_generation(
		ioasid_load_relaxed(&find(&bare, id)->state));
	release(&bare, id);
	/* Enough coming and going to have slots given back. */
	for (i = 0; i < 4096; i += 16) {
		assert_int_equal(claim(&bare, i, i, &other), 0);
		release(&bare, other);
	}
	assert_int_equal(claim(&bare, 77, 77, &id), 0);
	after = ioasid_state_generation(
		ioasid_load_relaxed(&find(&bare, id)->state));
	assert_int_not_equal(before, after);
	release(&bare, id);
	destroy(fixture, &bare);
}

/* What validate() is for. */
static void damage_is_seen(struct fixture *fixture)
{
	const char *reason = NULL;
	struct ioasid_slot *slot;
	ioasid_state_t state;
	struct bare bare;
	ioasid_t id;

	create(fixture, &bare, 0, 255);
	assert_int_equal(claim(&bare, 0, 255, &id), 0);
	assert_int_equal(claim(&bare, 0, 255, &id), 0);
	release(&bare, id);
	expect_valid(&bare);
	slot = find(&bare, id);
	assert_non_null(slot);
	state = ioasid_load_relaxed(&slot->state);
	ioasid_slot_publish(slot, NULL, 0);
	assert_false(bare.ops->validate(&bare.store, &reason));
	assert_non_null(reason);
	print_message("%s\n", reason);
	ioasid_store_relaxed(&slot->state, state);
	expect_valid(&bare);
	destroy(fixture, &bare);
}

static void create_fails(struct fixture *fixture)
{
	struct bare bare;
	ioasid_t max = IOASID_BITMAP_IDS_MAX;

	fixture->memory.fail_all = true;
	assert_int_equal(try_create(fixture, &bare, 0, 255), -ENOMEM);
	fixture->memory.fail_all = false;
	if (fixture->store->kind == IOASID_STORE_BITMAP) {
		assert_int_equal(try_create(fixture, &bare, 0, max), -E2BIG);
		assert_int_equal(try_create(fixture, &bare, 0,
					    INVALID_IOASID - 1),
				 -E2BIG);
		assert_int_equal(try_create(fixture, &bare, 1, max + 1),
				 -E2BIG);
	} else {
		create(fixture, &bare, 0, INVALID_IOASID - 1);
		destroy(fixture, &bare);
	}
}

/* Memory is asked for only where it is needed; what has none loses nothing. */
static void without_memory(struct fixture *fixture)
{
	enum { MANY = TEST_LIGHT ? 1000 : 5000 };
	const bool small = fixture->store->kind == IOASID_STORE_BITMAP;
	const ioasid_t max = small ? 1 << 16 : INVALID_IOASID - 1;
	struct test_random random = { 11 };
	static ioasid_t ids[MANY];
	ioasid_t id, i, j, given;
	struct bare bare;
	int ret;

	/* Whatever fits into a hash store as it is made. */
	create(fixture, &bare, 0, max);
	if (fixture->store->kind == IOASID_STORE_HASH) {
		fixture->memory.fail_all = true;
		for (given = 0; !(ret = claim(&bare, 0, max, &id)); given++)
			assert_int_equal(id, given);
		assert_int_equal(ret, -ENOMEM);
		assert_in_range(given, 1, 128);
		expect_valid(&bare);
		for (id = 0; id < given; id++)
			release(&bare, id);
		expect_valid(&bare);
		for (i = 0; i < given; i++)
			assert_int_equal(claim(&bare, 0, max, &id), 0);
		assert_int_equal(claim(&bare, 0, max, &id), -ENOMEM);
		expect_valid(&bare);
		for (id = 0; id < given; id++)
			release(&bare, id);
		fixture->memory.fail_all = false;
	}
	/* Each call for memory fails once, clustered and scattered. */
	for (i = 0; i < MANY; i++) {
		const ioasid_t min = i % 2 ? test_below(&random, max) : i;

		for (j = 1; j; j++) {
			fixture->memory.fail_at = fixture->memory.calls + j;
			ret = claim(&bare, min, max, &ids[i]);
			fixture->memory.fail_at = 0;
			if (!ret)
				break;
			assert_int_equal(ret, -ENOMEM);
			if (i % 64 < 2)
				expect_valid(&bare);
		}
		if (i % 64 < 2)
			expect_valid(&bare);
	}
	/* What goes needs none, nor does what comes back to its cell. */
	if (bare.ops->trim)
		bare.ops->trim(&bare.store);
	fixture->memory.fail_all = true;
	for (i = 0; i < MANY; i++)
		if (i % 8)
			release(&bare, ids[i]);
	expect_valid(&bare);
	for (i = 0; i < MANY; i++) {
		if (i % 8 == 0)
			continue;
		ret = claim(&bare, ids[i], ids[i], &id);
		if (fixture->store->kind == IOASID_STORE_HASH || small)
			assert_int_equal(ret, 0);
		if (!ret)
			release(&bare, id);
	}
	expect_valid(&bare);
	fixture->memory.fail_all = false;
	for (i = 0; i < MANY; i += 8)
		release(&bare, ids[i]);
	expect_valid(&bare);
	assert_int_equal(bare.ops->occupied(&bare.store, 0, max, &id, 1), 0);
	destroy(fixture, &bare);
}

#if TEST_POSIX
/*
 * A lookup stopped where it asks a table for the next: that is on a page that
 * is closed. Meanwhile the ID comes, and is about to be moved.
 */
static struct {
	struct ioasid_hash_table *from, to;
	struct ioasid_hash_bucket bucket[2];
	size_t page;
	bool stopped;
} moving;

enum { MOVING_ID = 5 };

static void set_next_page(int protection)
{
	CHECK(!mprotect(&moving.from->next, moving.page, protection));
}

static void come_and_move(int number, siginfo_t *info, void *context)
{
	unsigned int i;

	(void)context;
	if (info->si_addr != &moving.from->next) {
		/* As without a handler. */
		signal(number, SIG_DFL);
		return;
	}
	moving.stopped = true;
	set_next_page(PROT_READ | PROT_WRITE);
	ioasid_store_relaxed(&moving.from->next, (void *)&moving.to);
	/* Its slot here, and the copy before that is MOVED. */
	for (i = 0; i < 2; i++) {
		ioasid_slot_publish(&moving.bucket[i].slot[0], &moving, 0);
		ioasid_store_relaxed(&moving.bucket[i].key[0], MOVING_ID + 1);
	}
}

static void moved_while_looked_up(struct fixture *fixture)
{
	struct sigaction action = { .sa_sigaction = come_and_move,
				    .sa_flags = SA_SIGINFO };
	struct ioasid_store store = { .kind = IOASID_STORE_HASH };
	struct ioasid_slot *found;
	struct sigaction segv, bus;
	char *pages;

	(void)fixture;
	memset(&moving, 0, sizeof(moving));
	moving.page = (size_t)sysconf(_SC_PAGESIZE);
	pages = aligned_alloc(moving.page, 2 * moving.page);
	CHECK(pages);
	moving.from = (void *)(pages + moving.page -
			       offsetof(struct ioasid_hash_table, next));
	/* One bucket each. */
	moving.to = (struct ioasid_hash_table){ .bucket = &moving.bucket[1],
						.multiplier = 1,
						.shift = 63 };
	*moving.from = moving.to;
	moving.from->bucket = &moving.bucket[0];
	ioasid_store_relaxed(&store.root, (void *)moving.from);
	CHECK(!sigaction(SIGSEGV, &action, &segv));
	CHECK(!sigaction(SIGBUS, &action, &bus));
	set_next_page(PROT_NONE);
	found = ioasid_hash_find_moved(&store, MOVING_ID);
	CHECK(!sigaction(SIGSEGV, &segv, NULL));
	CHECK(!sigaction(SIGBUS, &bus, NULL));
	assert_true(moving.stopped);
	/* Its reference, another's and the owner's: none gets lost. */
	assert_non_null(found);
	assert_int_equal(ioasid_slot_get(found, IOASID_SET_ANY,
					 IOASID_GENERATION_ANY),
			 0);
	found = ioasid_hash_find(&store, MOVING_ID);
	assert_int_equal(ioasid_slot_get(found, IOASID_SET_ANY,
					 IOASID_GENERATION_ANY),
			 0);
	ioasid_slot_move(&moving.bucket[0].slot[0], &moving.bucket[1].slot[0]);
	found = ioasid_hash_find_moved(&store, MOVING_ID);
	assert_ptr_equal(found, &moving.bucket[1].slot[0]);
	assert_int_equal(ioasid_state_refs(ioasid_load_relaxed(&found->state)),
			 3);
	free(pages);
}
#endif

int main(void)
{
	static const struct test_case cases[] = {
		CASE(create_fails, PER_STORE),
		CASE(without_memory, PER_STORE),
		CASE(empty, PER_STORE),
		CASE(fill_and_drain, PER_STORE),
		CASE(against_array, PER_STORE),
		CASE(generations_go_on, PER_STORE),
		CASE(damage_is_seen, PER_STORE),
#if TEST_POSIX
		CASE(moved_while_looked_up, NO_SPACE | NO_RCU),
#endif
	};

	return test_run("store", cases, ARRAY_SIZE(cases));
}
