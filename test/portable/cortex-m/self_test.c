/* SPDX-License-Identifier: MIT */
/*
 * The library without an operating system: every store with every flavour, in
 * memory from a static arena, while the interrupt of a timer looks IDs up and
 * checks what it finds against what the main program says of them.
 */
#include <ioasid/ioasid.h>

#include "start.h"

#define CHECK(condition) check(condition, #condition, __LINE__)

enum { IDS = 48, ARENA = ARENA_SIZE, ROUNDS = 4000 };

static void check(int condition, const char *text, uint32_t line)
{
	if (condition)
		return;
	timer_stop();
	print("self_test.c:");
	print_number(line);
	print(": failed: ");
	print(text);
	print("\n");
	end(1);
}

/* First fit in one array: blocks in order, each with its size before it. */
union block {
	struct {
		uint32_t size, used;
	} of;
	uint64_t align;
};

static union block arena[ARENA / sizeof(union block)];
static size_t used, most_used;

static union block *after(union block *block)
{
	return block + 1 + block->of.size;
}

static union block *arena_end(void)
{
	return arena + sizeof(arena) / sizeof(arena[0]);
}

static void arena_init(void)
{
	arena[0].of.size = sizeof(arena) / sizeof(arena[0]) - 1;
}

static void *arena_alloc(void *context, size_t size)
{
	uint32_t units = (uint32_t)((size + sizeof(union block) - 1) /
				    sizeof(union block));

	(void)context;
	for (union block *at = arena; at < arena_end(); at = after(at)) {
		if (at->of.used)
			continue;
		while (after(at) < arena_end() && !after(at)->of.used)
			at->of.size += 1 + after(at)->of.size;
		if (at->of.size < units + 1)
			continue;
		at[1 + units].of.size = at->of.size - units - 1;
		at[1 + units].of.used = 0;
		at->of.size = units;
		at->of.used = 1;
		used += size;
		if (used > most_used)
			most_used = used;
		return at + 1;
	}
	return NULL;
}

static void arena_free(void *context, void *memory, size_t size)
{
	union block *block = (union block *)memory - 1;

	(void)context;
	CHECK(block->of.used == 1);
	CHECK(block->of.size == (size + sizeof(*block) - 1) / sizeof(*block));
	block->of.used = 0;
	used -= size;
}

static const struct ioasid_memory memory = { .alloc = arena_alloc,
					     .free = arena_free };

static DECLARE_IOASID_SET(owner);
static DECLARE_IOASID_SET(stranger);

/* What the main program says of an ID, whose data is its cell here. */
enum { VACANT, CHANGING, LIVE };
static volatile uint8_t says[IDS];

static struct ioasid_space *volatile watched;
static volatile uint32_t looked, found, found_changing;

static void look(struct ioasid_space *space, ioasid_t id, int said)
{
	void *data = NULL;
	int err;

	ioasid_rcu_read_lock(ioasid_space_rcu(space));
	err = ioasid_space_find_rcu(space, &owner, id, &data);
	CHECK(!err || err == -ENOENT);
	CHECK(err || data == (void *)(uintptr_t)&says[id]);
	CHECK(said == CHANGING || err == (said == LIVE ? 0 : -ENOENT));
	looked++;
	if (!err && said == LIVE)
		found++;
	if (!err && said == CHANGING)
		found_changing++;
	err = ioasid_space_find_rcu(space, &stranger, id, &data);
	CHECK(err == -EACCES || err == -ENOENT);
	CHECK(said == CHANGING || err == (said == LIVE ? -EACCES : -ENOENT));
	ioasid_rcu_read_unlock(ioasid_space_rcu(space));
}

static uint32_t random_below(uint32_t count)
{
	static uint32_t state = 1;

	state = state * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)(state >> 8) * count >> 24);
}

/* The interrupt, at ever other places of the main program. */
void timer(void)
{
	static uint32_t next;
	uint32_t id = next++ % IDS;

	if (watched)
		look(watched, id, says[id]);
	timer_start(300 + next * 37 % 509);
}

static void take(struct ioasid_space *space, ioasid_t id)
{
	ioasid_t given;

#ifdef PLANTED
	/* Too early, which the interrupt is to see. */
	says[id] = LIVE;
#else
	says[id] = CHANGING;
#endif
	CHECK(!ioasid_space_alloc(space, &owner, id, id,
				  (void *)(uintptr_t)&says[id], &given));
	CHECK(given == id);
	says[id] = LIVE;
}

static void give(struct ioasid_space *space, ioasid_t id)
{
	says[id] = CHANGING;
	CHECK(!ioasid_space_free(space, id));
	says[id] = VACANT;
}

static uint32_t called;

static void on_call(struct ioasid_rcu_head *head)
{
	(void)head;
	called++;
}

static void use(struct ioasid_space *space)
{
	struct ioasid_rcu *rcu = ioasid_space_rcu(space);
	static struct ioasid_rcu_head head;
	uint32_t before = called;
	ioasid_t id;

	watched = space;
	for (uint32_t round = 0; round < ROUNDS; round++) {
		id = random_below(IDS);
		if (says[id] == LIVE)
			give(space, id);
		else
			take(space, id);
		if (round % 512 == 0)
			CHECK(ioasid_space_validate(space, NULL));
		ioasid_rcu_quiescent(rcu);
	}
	watched = NULL;
	for (id = 0; id < IDS; id++)
		if (says[id] == LIVE)
			give(space, id);
	take(space, 5);
	CHECK(!ioasid_space_get(space, &owner, 5));
	says[5] = CHANGING;
	CHECK(!ioasid_space_free_deferred(space, 5, &head, on_call));
	CHECK(ioasid_space_put(space, 5) == 1);
	CHECK(!ioasid_rcu_barrier(rcu));
	CHECK(called == before + 1);
	says[5] = VACANT;
	CHECK(ioasid_space_validate(space, NULL));
}

static void with(enum ioasid_store_kind store, enum ioasid_rcu_flavour flavour)
{
	struct ioasid_rcu_config domain = { .flavour = flavour,
					    .memory = memory };
	struct ioasid_space_config config = {
		.max = IDS - 1,
		.store = store,
		.memory = memory,
		.hash_seed = 1,
	};
	struct ioasid_space *space;

	CHECK(!ioasid_rcu_create(&domain, &config.rcu));
	CHECK(!ioasid_rcu_thread_register(config.rcu));
	CHECK(!ioasid_space_create(&config, &space));
	use(space);
	CHECK(!ioasid_space_destroy(space));
	CHECK(!ioasid_rcu_destroy(config.rcu));
	CHECK(!used);
}

static void default_space(void)
{
	const struct ioasid_space_config config = {
		.max = IDS - 1,
		.store = IOASID_STORE_BITMAP,
		.flavour = IOASID_RCU_NONE,
		.memory = memory,
	};
	int object;
	ioasid_t id;

	CHECK(!ioasid_default_configure(&config));
	id = ioasid_alloc(&owner, 1, IDS, &object);
	CHECK(id == 1);
	CHECK(ioasid_find(&owner, id, NULL) == &object);
	CHECK(ioasid_ptr_err(ioasid_find(&stranger, id, NULL)) == -EACCES);
	ioasid_free(id);
	CHECK(ioasid_ptr_err(ioasid_find(&owner, id, NULL)) == -ENOENT);
}

void run(void)
{
	static const enum ioasid_store_kind stores[] = { IOASID_STORE_BITMAP,
							 IOASID_STORE_RADIX,
							 IOASID_STORE_HASH };
	static const enum ioasid_rcu_flavour flavours[] = { IOASID_RCU_NONE,
							    IOASID_RCU_EPOCH,
							    IOASID_RCU_QSBR };
	uint32_t before;

	arena_init();
	timer_start(500);
	for (uint32_t i = 0; i < 3; i++) {
		for (uint32_t j = 0; j < 3; j++) {
			before = looked;
			with(stores[i], flavours[j]);
			/* The interrupt came, over and over. */
			CHECK(looked - before > 1000);
		}
	}
	timer_stop();
	CHECK(found > 1000);
	CHECK(found_changing > 0);
	default_space();
	print("[  PASSED  ] 10 test(s).\n");
	print_number(looked);
	print(" lookups in the interrupt, ");
	print_number(found);
	print(" of live IDs, ");
	print_number(found_changing);
	print(" of such as were changing and found; ");
	print_number((uint32_t)most_used);
	print(" bytes of memory at most\n");
}
