/* SPDX-License-Identifier: MIT */
#ifndef IOASID_FUZZ_SEQUENCE_H
#define IOASID_FUZZ_SEQUENCE_H

/* What the harness and the sequences it prints have in common. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ioasid/ioasid.h>

/* A store of the library's that is given as one of the user's own. */
extern const struct ioasid_store_ops ioasid_hash_ops;

#include "fuzz/check.h"

/* Not one of the last addresses, which lookups of the default space answer errors by. */
static inline void *sequence_data(uint64_t number)
{
	uintptr_t value = (uintptr_t)number;

	return (void *)(value < (uintptr_t)-4095 ? value : value - 4095);
}

#define DATA(number) sequence_data(number)

/* Hooks that count, check sizes, and fail. */
#define FAIL_ALL UINT32_MAX

struct sequence_memory {
	size_t bytes;
	uint32_t calls, failed;
	/* the call that fails, from 1; 0: none */
	uint32_t fail_at;
};

static inline void sequence_fail(struct sequence_memory *memory, uint32_t at)
{
	memory->calls = 0;
	memory->failed = 0;
	memory->fail_at = at;
}

union sequence_header {
	struct {
		size_t size;
		bool reserved;
	} of;
	char line[IOASID_CACHE_LINE];
};

static inline void *sequence_take(struct sequence_memory *memory, size_t size,
				  bool reserve)
{
	size_t lines = 1 + (size + IOASID_CACHE_LINE - 1) / IOASID_CACHE_LINE;
	union sequence_header *header;

	if (memory->fail_at == FAIL_ALL || ++memory->calls == memory->fail_at) {
		memory->failed++;
		return NULL;
	}
	header = aligned_alloc(IOASID_CACHE_LINE, lines * IOASID_CACHE_LINE);
	CHECK(header);
	header->of.size = size;
	header->of.reserved = reserve;
	memory->bytes += size;
	if (reserve)
		memset(header + 1, 0, size);
	return header + 1;
}

static inline void sequence_give(struct sequence_memory *memory, void *block,
				 size_t size, bool reserved)
{
	union sequence_header *header = (union sequence_header *)block - 1;

	CHECK(header->of.size == size);
	CHECK(header->of.reserved == reserved);
	CHECK(memory->bytes >= size);
	memory->bytes -= size;
	free(header);
}

static inline void *sequence_alloc(void *context, size_t size)
{
	return sequence_take(context, size, false);
}

static inline void sequence_free(void *context, void *block, size_t size)
{
	sequence_give(context, block, size, false);
}

static inline void *sequence_reserve(void *context, size_t size)
{
	return sequence_take(context, size, true);
}

static inline void sequence_release(void *context, void *block, size_t size)
{
	sequence_give(context, block, size, true);
}

/* One thread: nobody reads meanwhile. */
static inline size_t sequence_discard(void *context, void *part, size_t size)
{
	(void)context;
	memset(part, 0, size);
	return size;
}

static inline struct ioasid_memory
sequence_hooks(struct sequence_memory *memory, bool reserve)
{
	struct ioasid_memory hooks = {
		.alloc = sequence_alloc,
		.free = sequence_free,
		.reserve = reserve ? sequence_reserve : NULL,
		.release = reserve ? sequence_release : NULL,
		.discard = reserve ? sequence_discard : NULL,
		.context = memory,
	};

	return hooks;
}

/* A lock that is held once. */
struct sequence_lock {
	bool held;
};

static inline void sequence_lock(void *context)
{
	struct sequence_lock *lock = context;

	CHECK(!lock->held);
	lock->held = true;
}

static inline void sequence_unlock(void *context)
{
	struct sequence_lock *lock = context;

	CHECK(lock->held);
	lock->held = false;
}

static inline struct ioasid_lock_ops
sequence_lock_ops(struct sequence_lock *lock)
{
	struct ioasid_lock_ops ops = { .lock = sequence_lock,
				       .unlock = sequence_unlock,
				       .context = lock };

	return ops;
}

/*
 * A flavour of the user's own, for one thread: a grace period has passed when
 * the section has ended that was open at its start.
 */
struct sequence_rcu {
	uint32_t nesting;
	uint64_t ended;
};

static inline void sequence_rcu_lock(void *context)
{
	struct sequence_rcu *rcu = context;

	rcu->nesting++;
}

static inline void sequence_rcu_unlock(void *context)
{
	struct sequence_rcu *rcu = context;

	if (!--rcu->nesting)
		rcu->ended++;
}

static inline bool sequence_rcu_held(void *context)
{
	const struct sequence_rcu *rcu = context;

	return rcu->nesting != 0;
}

static inline uint64_t sequence_rcu_start(void *context)
{
	const struct sequence_rcu *rcu = context;

	return rcu->ended + (rcu->nesting != 0);
}

static inline bool sequence_rcu_poll(void *context, uint64_t cookie)
{
	const struct sequence_rcu *rcu = context;

	return rcu->ended >= cookie;
}

static const struct ioasid_rcu_ops sequence_rcu_ops = {
	.read_lock = sequence_rcu_lock,
	.read_unlock = sequence_rcu_unlock,
	.read_held = sequence_rcu_held,
	.start_poll = sequence_rcu_start,
	.poll = sequence_rcu_poll,
};

static inline bool getter_yes(void *data)
{
	(void)data;
	return true;
}

static inline bool getter_no(void *data)
{
	(void)data;
	return false;
}

/* In a getter every wait is refused, in any flavour. */
__attribute__((unused)) static struct ioasid_space *getter_space;
__attribute__((unused)) static ioasid_t getter_id;

static inline bool getter_waits(void *data)
{
	struct ioasid_rcu *rcu = ioasid_space_rcu(getter_space);

	CHECK(ioasid_rcu_read_held(rcu));
	CHECK(ioasid_rcu_synchronize(rcu) == -EDEADLK);
	CHECK(ioasid_rcu_barrier(rcu) == -EDEADLK);
	CHECK(ioasid_space_destroy(getter_space) == -EDEADLK);
	CHECK(ioasid_space_set_data(getter_space, getter_id, data) == -EDEADLK);
	return true;
}

/* What a walk saw, in its order. */
struct sequence_walk {
	uint32_t count, stop;
	uint64_t sum;
	/* frees what it visits */
	struct ioasid_space *space;
};

static inline int sequence_visit(ioasid_t id, void *data, void *arg)
{
	struct sequence_walk *walk = arg;

	walk->sum = (walk->sum ^ id) * UINT64_C(0x9e3779b97f4a7c15);
	walk->sum = (walk->sum ^ walk->sum >> 29 ^ (uintptr_t)data) *
		    UINT64_C(0xbf58476d1ce4e5b9);
	if (walk->space)
		CHECK(ioasid_space_free(walk->space, id) == 0);
	return ++walk->count == walk->stop ? 7 : 0;
}

static inline int sequence_visit_set(struct ioasid_set *set, void *arg)
{
	struct sequence_walk *walk = arg;

	CHECK(set);
	return ++walk->count == walk->stop ? 7 : 0;
}

/* Deferred callbacks: in order, and after the section they were deferred in. */
struct sequence_deferred {
	uint64_t added, called;
	/* blocks that wait to be freed */
	uint64_t retired;
	/* the read section open now, 0 if none */
	uint64_t section, sections;
};

struct sequence_head {
	struct ioasid_rcu_head rcu;
	struct sequence_deferred *deferred;
	uint64_t number, section;
};

static inline void sequence_enter(struct sequence_deferred *deferred)
{
	deferred->section = ++deferred->sections;
}

static inline void sequence_leave(struct sequence_deferred *deferred)
{
	deferred->section = 0;
}

static inline void sequence_call(struct ioasid_rcu_head *rcu)
{
	struct sequence_head *head = (struct sequence_head *)rcu;

	CHECK(head->number == head->deferred->called);
	CHECK(!head->section || head->section != head->deferred->section);
	head->deferred->called++;
	free(head);
}

static inline struct sequence_head *
sequence_head(struct sequence_deferred *deferred)
{
	struct sequence_head *head = malloc(sizeof(*head));

	CHECK(head);
	head->deferred = deferred;
	head->number = deferred->added++;
	head->section = deferred->section;
	return head;
}

/* Memory as a store's, of such a size. */
#define SEQUENCE_BLOCK 256

static inline void sequence_free_block(struct ioasid_rcu_head *rcu)
{
	struct sequence_head *head = (struct sequence_head *)rcu;

	CHECK(head->deferred->retired);
	CHECK(!head->section || head->section != head->deferred->section);
	head->deferred->retired--;
	free(head);
}

static inline void sequence_retire(
	struct ioasid_rcu *rcu, struct sequence_deferred *deferred,
	void (*retire)(struct ioasid_rcu *rcu, struct ioasid_rcu_head *head,
		       void (*func)(struct ioasid_rcu_head *head), size_t size))
{
	struct sequence_head *head = malloc(SEQUENCE_BLOCK);

	CHECK(head);
	head->deferred = deferred;
	head->section = deferred->section;
	deferred->retired++;
	retire(rcu, &head->rcu, sequence_free_block, SEQUENCE_BLOCK);
}

static inline int sequence_defer(struct ioasid_rcu *rcu,
				 struct sequence_deferred *deferred)
{
	struct sequence_head *head = sequence_head(deferred);
	int ret = ioasid_rcu_defer(rcu, &head->rcu, sequence_call);

	if (ret) {
		deferred->added--;
		free(head);
	}
	return ret;
}

static inline int sequence_free_deferred(struct ioasid_space *space,
					 ioasid_t id,
					 struct sequence_deferred *deferred)
{
	struct sequence_head *head = sequence_head(deferred);
	int ret = ioasid_space_free_deferred(space, id, &head->rcu,
					     sequence_call);

	if (ret) {
		deferred->added--;
		free(head);
	}
	return ret;
}

static inline uint32_t sequence_cycle(struct ioasid_space *space,
				      struct ioasid_set *set, ioasid_t id,
				      uint32_t times)
{
	uint32_t done = 0;
	ioasid_t got;

	while (times--) {
		if (ioasid_space_alloc(space, set, id, id, NULL, &got))
			continue;
		CHECK(got == id);
		CHECK(ioasid_space_free(space, id) == 0);
		done++;
	}
	return done;
}

static inline uint32_t sequence_get(struct ioasid_space *space, ioasid_t id,
				    uint32_t times, int *ret)
{
	uint32_t done = 0;

	for (*ret = 0; times-- && !*ret; done += !*ret)
		*ret = ioasid_space_get(space, NULL, id);
	return done;
}

static inline uint32_t sequence_put(struct ioasid_space *space, ioasid_t id,
				    uint32_t times, int *ret)
{
	uint32_t done = 0;

	for (*ret = 0; times-- && !*ret; done += !*ret)
		*ret = ioasid_space_put(space, id);
	return done;
}

/* The calls on the default space, with results as of those on a space. */

/* @refused: ioasid_alloc() gave none, and what it would say was asked again. */
static inline int sequence_default_alloc(struct ioasid_set *set, ioasid_t min,
					 ioasid_t max, void *data, ioasid_t *id,
					 bool *refused)
{
	ioasid_t got = ioasid_alloc(set, min, max, data);

	*refused = got == INVALID_IOASID;
	if (*refused)
		return ioasid_space_alloc(ioasid_default_space(), set, min, max,
					  data, id);
	*id = got;
	return 0;
}

static inline int sequence_default_find(struct ioasid_set *set, ioasid_t id,
					bool (*getter)(void *data), void **data)
{
	void *found = ioasid_find(set, id, getter);

	*data = NULL;
	if (ioasid_is_err(found))
		return ioasid_ptr_err(found);
	*data = found;
	return 0;
}

/* The default space, made as @config says, as if there never was one. */
static inline int
sequence_default_create(const struct ioasid_space_config *config,
			struct ioasid_space **space)
{
	int ret;

	ioasid_store_relaxed(&ioasid_default, NULL);
	ret = ioasid_default_configure(config);
	if (ret)
		return ret;
	*space = ioasid_default_space();
	return *space ? 0 : -ENOMEM;
}

static inline int sequence_default_destroy(void)
{
	int ret = ioasid_space_destroy(ioasid_default_space());

	ioasid_store_relaxed(&ioasid_default, NULL);
	return ret;
}

/* Configurations that are refused: 0, or what create answered instead. */
#define SEQUENCE_WRONG_CONFIGS 16

/* A store of one's own that lacks one of the calls it must have. */
static inline int sequence_wrong_store(struct ioasid_space_config *config)
{
	struct ioasid_store_ops lacks[7];
	struct ioasid_space *space;
	int ret = -EINVAL;

	for (size_t i = 0; i < 7; i++)
		lacks[i] = ioasid_hash_ops;
	lacks[0].create = NULL;
	lacks[1].destroy = NULL;
	lacks[2].find = NULL;
	lacks[3].claim = NULL;
	lacks[4].release = NULL;
	lacks[5].occupied = NULL;
	lacks[6].validate = NULL;
	for (size_t i = 0; i < 7 && ret == -EINVAL; i++) {
		config->store_ops = &lacks[i];
		ret = ioasid_space_create(config, &space);
	}
	config->store_ops = NULL;
	return ret;
}

static inline int sequence_wrong_space(uint32_t number)
{
	char name[IOASID_NAME_SIZE + 1];
	struct sequence_memory memory = { 0 };
	struct sequence_lock lock = { 0 };
	struct ioasid_space_config config = {
		.max = 9, .memory = sequence_hooks(&memory, true), .name = name
	};
	struct ioasid_space *space = NULL;
	int expected = -EINVAL, ret;

	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 2] = '\0';
	switch (number) {
	case 0:
		config.min = 10;
		break;
	case 1:
		config.store = (enum ioasid_store_kind)99;
		break;
	case 2:
		config.flavour = (enum ioasid_rcu_flavour)99;
		break;
	case 3:
		config.flavour = IOASID_RCU_CUSTOM;
		break;
	case 4:
		config.reuse = (enum ioasid_reuse)99;
		break;
	case 5:
		config.memory.free = NULL;
		break;
	case 6:
		config.memory.release = NULL;
		break;
	case 7:
		config.store = IOASID_STORE_CUSTOM;
		CHECK(sequence_wrong_store(&config) == -EINVAL);
		break;
	case 8:
		config.lock = sequence_lock_ops(&lock);
		config.lock.unlock = NULL;
		break;
	case 9:
		name[IOASID_NAME_SIZE - 1] = 'n';
		name[IOASID_NAME_SIZE] = '\0';
		expected = -ENAMETOOLONG;
		break;
	case 10:
		config.store = IOASID_STORE_BITMAP;
		config.max = UINT32_MAX;
		expected = -E2BIG;
		break;
	default:
		expected = 0;
		break;
	}
	ret = ioasid_space_create(&config, &space);
	if (!ret)
		CHECK(ioasid_space_destroy(space) == 0);
	CHECK(!memory.bytes && !lock.held);
	return ret == expected ? 0 : ret ? ret : 1;
}

/* A flavour of one's own that lacks one of the calls it must have. */
static inline int sequence_wrong_flavour(struct ioasid_rcu_config *config)
{
	struct ioasid_rcu_ops lacks[6];
	struct ioasid_rcu *rcu;
	int ret = -EINVAL;

	for (size_t i = 0; i < 6; i++)
		lacks[i] = sequence_rcu_ops;
	lacks[0].read_lock = NULL;
	lacks[1].read_unlock = NULL;
	lacks[2].start_poll = NULL;
	lacks[3].poll = NULL;
	for (size_t i = 4; i < 6; i++) {
		lacks[i].online = sequence_rcu_held;
		lacks[i].thread_offline = sequence_rcu_unlock;
		lacks[i].thread_online = sequence_rcu_lock;
	}
	lacks[4].thread_offline = NULL;
	lacks[5].thread_online = NULL;
	for (size_t i = 0; i < 6 && ret == -EINVAL; i++) {
		config->ops = &lacks[i];
		ret = ioasid_rcu_create(config, &rcu);
	}
	config->ops = NULL;
	return ret;
}

static inline int sequence_wrong_rcu(uint32_t number)
{
	struct sequence_memory memory = { 0 };
	struct ioasid_rcu_config config = { .memory = sequence_hooks(&memory,
								     false) };
	struct ioasid_rcu *rcu = NULL;
	int ret;

	switch (number) {
	case 12:
		config.flavour = (enum ioasid_rcu_flavour)99;
		break;
	case 13:
		config.flavour = IOASID_RCU_CUSTOM;
		break;
	case 14:
		config.flavour = IOASID_RCU_CUSTOM;
		CHECK(sequence_wrong_flavour(&config) == -EINVAL);
		break;
	default:
		config.flavour = IOASID_RCU_NONE;
		config.reclaimer = true;
		break;
	}
	ret = ioasid_rcu_create(&config, &rcu);
	if (!ret)
		CHECK(ioasid_rcu_destroy(rcu) == 0);
	CHECK(!memory.bytes);
	return ret == -EINVAL ? 0 : ret ? ret : 1;
}

static inline ioasid_t sequence_never_asked(ioasid_t min, ioasid_t max,
					    void *data)
{
	(void)min;
	(void)max;
	(void)data;
	return INVALID_IOASID;
}

/* Calls on the default space, where there is none and no memory for it. */
static inline void sequence_no_default(struct ioasid_allocator_ops *ops)
{
	struct sequence_memory memory = { 0 };
	struct ioasid_space_config config = {
		.max = 9, .memory = sequence_hooks(&memory, true)
	};

	CHECK(ioasid_default_configure(&config) == 0);
	CHECK(!memory.bytes);
	sequence_fail(&memory, FAIL_ALL);
	CHECK(ioasid_alloc(NULL, 0, 9, NULL) == INVALID_IOASID);
	ioasid_free(1);
	CHECK(ioasid_get(1) == -ENOENT);
	CHECK(!ioasid_put(1));
	CHECK(ioasid_ptr_err(ioasid_find(NULL, 1, NULL)) == -ENOENT);
	CHECK(ioasid_set_data(1, NULL) == -ENOMEM);
	CHECK(ioasid_register_allocator(ops) == -ENOMEM);
	CHECK(ioasid_unregister_allocator(ops) == -ENOENT);
	CHECK(!memory.bytes);
	/* The next one has memory of its own. */
	CHECK(ioasid_default_configure(NULL) == 0);
}

/* Calls on a space that is there, and one that is not. */
static inline int sequence_wrong_calls(struct ioasid_space *space)
{
	struct ioasid_allocator_ops ops = { 0 };
	struct ioasid_notifier notifier = { 0 };
	ioasid_t id;
	int ret = ioasid_space_register_allocator(space, &ops);

	ops.alloc = sequence_never_asked;
	if (ret == -EINVAL)
		ret = ioasid_space_register_allocator(space, &ops);
	if (!ioasid_load_relaxed(&ioasid_default))
		sequence_no_default(&ops);
	if (ret == -EINVAL)
		ret = ioasid_space_register_notifier(space, NULL, &notifier);
	if (ret == -EINVAL)
		ret = ioasid_space_alloc(space, NULL, 2, 1, NULL, &id);
	return ret == -EINVAL ? 0 : ret ? ret : 1;
}

static inline int sequence_wrong_config(uint32_t number)
{
	return number < 12 ? sequence_wrong_space(number) :
			     sequence_wrong_rcu(number);
}

/* What is wrong with the slot of an ID, meanwhile. */
enum sequence_damage {
	DAMAGE_VACANT,
	DAMAGE_REFERENCES,
	DAMAGE_OWNER,
	DAMAGE_USED,
	DAMAGES,
};

/* Is that noticed? True if there is nothing to damage in that way. */
static inline bool sequence_damage(struct ioasid_space *space, ioasid_t id,
				   enum sequence_damage damage,
				   bool (*validate)(struct ioasid_space *space,
						    const char **reason))
{
	struct ioasid_slot *slot = ioasid_store_find(&space->store, id);
	uint32_t generation, set, refs;
	const char *reason = NULL;
	ioasid_state_t state;
	bool used, noticed;

	if (!slot)
		return true;
	state = ioasid_load_relaxed(&slot->state);
	generation = ioasid_state_generation(state);
	set = ioasid_state_set(state);
	refs = ioasid_state_refs(state);
	used = refs || (state & IOASID_STATE_LIVE);
	if (ioasid_state_moved(state) || used == (damage == DAMAGE_USED))
		return true;
	if (damage == DAMAGE_VACANT)
		state = ioasid_state_make(generation, 0, 0, false);
	else if (damage == DAMAGE_REFERENCES)
		state = ioasid_state_make(generation, set, IOASID_REFS_MAX + 2,
					  true);
	else if (damage == DAMAGE_OWNER)
		state = ioasid_state_make(generation, set ? 0 : 201, refs,
					  state & IOASID_STATE_LIVE);
	else
		state = ioasid_state_make(generation, 0, 1, true);
	state = ioasid_exchange_acquire(&slot->state, state);
	noticed = !validate(space, &reason) && reason;
	ioasid_store_relaxed(&slot->state, state);
	return noticed;
}

/* Sets, allocators and notifiers of a sequence, and what these were told. */

#define SEQUENCE_MADE 4
#define SEQUENCE_HANDLES 16
#define SEQUENCE_ALLOCATORS 4
#define SEQUENCE_NOTIFIERS 3

enum sequence_kind {
	CALL_ASKED,
	CALL_GIVEN,
	CALL_TOLD,
	CALL_DID,
	CALL_RELEASED,
};

enum sequence_action {
	ACTION_GET,
	ACTION_FREE,
	ACTION_ALLOC,
	ACTION_UNREGISTER,
	ACTION_BIND,
	ACTIONS,
};

struct sequence_call {
	enum sequence_kind kind;
	/* allocator or notifier */
	const void *whose;
	uint32_t number;
	ioasid_t min, max, id;
	int ret;
	enum sequence_action action;
	struct ioasid_notice notice;
};

struct sequence_actors;

struct sequence_allocator {
	struct ioasid_allocator_ops ops;
	struct sequence_actors *actors;
};

struct sequence_notifier {
	struct ioasid_notifier notifier;
	struct sequence_actors *actors;
	/* done once, on such an event */
	enum sequence_action action;
	enum ioasid_event on;
	bool armed;
};

struct sequence_actors {
	struct ioasid_space *space;
	struct ioasid_set *made[SEQUENCE_MADE];
	ioasid_handle_t handle[SEQUENCE_HANDLES];
	/* of alloc_cyclic */
	ioasid_t cursor;
	struct sequence_allocator allocator[SEQUENCE_ALLOCATORS];
	/* what the next callbacks answer, after so many refusals */
	ioasid_t answer;
	uint32_t refusals;
	struct sequence_notifier notifier[SEQUENCE_NOTIFIERS];
	/* what was told so far */
	uint32_t calls;
	uint64_t sum;
	/* Told of each call; of what notifiers do, before and after. */
	size_t (*begin)(void *context, const struct sequence_call *call);
	void (*end)(void *context, size_t at, const struct sequence_call *call);
	void *context;
};

static inline void sequence_add(struct sequence_actors *actors, uint64_t number)
{
	actors->sum = (actors->sum ^ actors->sum >> 29 ^ number) *
		      UINT64_C(0xbf58476d1ce4e5b9);
}

static inline size_t sequence_begin(struct sequence_actors *actors,
				    const struct sequence_call *call)
{
	actors->calls++;
	return actors->begin ? actors->begin(actors->context, call) : 0;
}

static inline void sequence_end(struct sequence_actors *actors, size_t at,
				const struct sequence_call *call)
{
	sequence_add(actors, (uint64_t)call->kind << 32 | call->number);
	sequence_add(actors, (uint64_t)call->min << 32 | call->max);
	sequence_add(actors, (uint64_t)call->id << 32 | (uint32_t)call->ret);
	sequence_add(actors,
		     (uint64_t)call->notice.event << 32 | call->notice.spid);
	sequence_add(actors, (uintptr_t)call->notice.data);
	sequence_add(actors, (uintptr_t)call->notice.arg);
	if (actors->end)
		actors->end(actors->context, at, call);
}

static inline void sequence_called(struct sequence_actors *actors,
				   const struct sequence_call *call)
{
	sequence_end(actors, sequence_begin(actors, call), call);
}

static inline uint32_t sequence_number(const struct sequence_allocator *of)
{
	return (uint32_t)(of - of->actors->allocator);
}

static inline ioasid_t sequence_ask(ioasid_t min, ioasid_t max, void *data)
{
	struct sequence_allocator *allocator = data;
	struct sequence_actors *actors = allocator->actors;
	struct sequence_call call = { .kind = CALL_ASKED,
				      .whose = &allocator->ops,
				      .number = sequence_number(allocator),
				      .min = min,
				      .max = max,
				      .id = actors->answer };
	void *found;

	CHECK(ioasid_space_set_data(actors->space, min, NULL) != 0);
	call.ret = ioasid_space_find(actors->space, NULL, min, NULL, &found);
	if (actors->refusals) {
		actors->refusals--;
		call.id = INVALID_IOASID;
	}
	sequence_called(actors, &call);
	return call.id;
}

static inline void sequence_take_back(ioasid_t id, void *data)
{
	struct sequence_allocator *allocator = data;
	struct sequence_actors *actors = allocator->actors;
	struct sequence_call call = { .kind = CALL_GIVEN,
				      .whose = &allocator->ops,
				      .number = sequence_number(allocator),
				      .id = id };
	void *found;

	call.ret = ioasid_space_find(actors->space, NULL, id, NULL, &found);
	sequence_called(actors, &call);
}

/* The same in another function: another source. */
static inline ioasid_t sequence_ask_other(ioasid_t min, ioasid_t max,
					  void *data)
{
	return sequence_ask(min, max, data);
}

static inline void sequence_allocator_released(struct ioasid_allocator_ops *ops)
{
	struct sequence_allocator *of = (struct sequence_allocator *)ops;
	struct sequence_call call = { .kind = CALL_RELEASED,
				      .whose = ops,
				      .number = sequence_number(of) };

	sequence_called(of->actors, &call);
}

static inline void sequence_act(struct sequence_notifier *of, ioasid_t id)
{
	struct sequence_actors *actors = of->actors;
	struct ioasid_space *space = actors->space;
	struct sequence_call call = {
		.kind = CALL_DID,
		.whose = &of->notifier,
		.number = (uint32_t)(of - actors->notifier),
		.action = of->action,
		.id = id,
		.max = UINT32_MAX,
	};
	size_t at = sequence_begin(actors, &call);

	switch (of->action) {
	case ACTION_GET:
		call.ret = ioasid_space_get(space, NULL, id);
		break;
	case ACTION_FREE:
		call.ret = ioasid_space_free(space, id);
		break;
	case ACTION_ALLOC:
		call.id = INVALID_IOASID;
		call.ret = ioasid_space_alloc(space, NULL, call.min, call.max,
					      NULL, &call.id);
		break;
	case ACTION_UNREGISTER:
		call.ret =
			ioasid_space_unregister_notifier(space, &of->notifier);
		break;
	default:
		call.ret =
			ioasid_space_notify(space, id, IOASID_EVENT_BIND, NULL);
		break;
	}
	sequence_end(actors, at, &call);
}

static inline void sequence_told(struct ioasid_notifier *notifier,
				 const struct ioasid_notice *notice)
{
	struct sequence_notifier *of = (struct sequence_notifier *)notifier;
	struct sequence_call call = {
		.kind = CALL_TOLD,
		.whose = notifier,
		.number = (uint32_t)(of - of->actors->notifier),
		.id = ioasid_handle_id(notice->handle),
		.notice = *notice,
	};

	sequence_called(of->actors, &call);
	if (!of->armed || of->on != notice->event)
		return;
	of->armed = false;
	sequence_act(of, call.id);
}

static inline void sequence_notifier_released(struct ioasid_notifier *notifier)
{
	struct sequence_notifier *of = (struct sequence_notifier *)notifier;
	struct sequence_call call = {
		.kind = CALL_RELEASED,
		.whose = notifier,
		.number = (uint32_t)(of - of->actors->notifier)
	};

	sequence_called(of->actors, &call);
}

static inline void sequence_set_up(struct sequence_actors *actors,
				   struct ioasid_space *space)
{
	memset(actors, 0, sizeof(*actors));
	actors->space = space;
	for (uint32_t i = 0; i < SEQUENCE_ALLOCATORS; i++) {
		struct sequence_allocator *of = &actors->allocator[i];

		of->actors = actors;
		of->ops.alloc = i < 2 ? sequence_ask : sequence_ask_other;
		of->ops.free = sequence_take_back;
		of->ops.pdata = of;
		if (i % 2)
			of->ops.release = sequence_allocator_released;
	}
}

static inline int sequence_register(struct sequence_actors *actors,
				    struct ioasid_set *set, uint32_t number,
				    int priority)
{
	struct sequence_notifier *of = &actors->notifier[number];

	if (!of->notifier.space) {
		memset(of, 0, sizeof(*of));
		of->actors = actors;
		of->notifier.notify = sequence_told;
		of->notifier.release = sequence_notifier_released;
		of->notifier.priority = priority;
	}
	return ioasid_space_register_notifier(actors->space, set,
					      &of->notifier);
}

static inline void sequence_arm(struct sequence_actors *actors, uint32_t number,
				uint32_t action, uint32_t event)
{
	struct sequence_notifier *of = &actors->notifier[number];

	of->armed = action < ACTIONS;
	of->action = (enum sequence_action)action;
	of->on = (enum ioasid_event)event;
}

/* @name is its length + 1, 0: none. */
static inline struct ioasid_set_config
sequence_config(char text[64], uint32_t name, uint32_t token, uint32_t quota,
		uint32_t reserved)
{
	struct ioasid_set_config config = { .token = DATA(token),
					    .quota = quota,
					    .reserved = reserved };

	memset(text, 'n', 64);
	if (name)
		text[name - 1] = '\0';
	config.name = name ? text : NULL;
	return config;
}

static inline int sequence_bind(struct ioasid_space *space,
				struct ioasid_set *set, uint32_t name,
				uint32_t token, uint32_t quota,
				uint32_t reserved)
{
	char text[64];
	struct ioasid_set_config config =
		sequence_config(text, name, token, quota, reserved);

	return ioasid_set_bind(space, set, &config);
}

static inline int sequence_create(struct ioasid_space *space,
				  struct ioasid_set **set, uint32_t name,
				  uint32_t token, uint32_t quota,
				  uint32_t reserved)
{
	char text[64];
	struct ioasid_set_config config =
		sequence_config(text, name, token, quota, reserved);

	return ioasid_set_create(space, &config, set);
}

/* Snapshots: pointers as they are. */

static inline uint64_t sequence_encode(void *context, ioasid_t id, void *data)
{
	(void)context;
	(void)id;
	return (uintptr_t)data;
}

static inline int sequence_decode(void *context, ioasid_t id, uint64_t number,
				  void **data)
{
	(void)context;
	(void)id;
	*data = DATA(number);
	return 0;
}

static inline uint64_t sequence_encode_token(void *context, void *token)
{
	return sequence_encode(context, 0, token);
}

static inline int sequence_decode_token(void *context, uint64_t number,
					void **token)
{
	return sequence_decode(context, 0, number, token);
}

static const struct ioasid_codec sequence_codec = {
	.encode = sequence_encode,
	.decode = sequence_decode,
	.encode_token = sequence_encode_token,
	.decode_token = sequence_decode_token,
};

/* The bytes, to be freed. */
static inline uint8_t *sequence_snapshot(struct ioasid_space *space,
					 size_t *size)
{
	uint8_t *bytes;
	size_t needed = 0;

	CHECK(ioasid_space_snapshot(space, &sequence_codec, NULL, 0, size) ==
	      -ENOBUFS);
	bytes = malloc(*size);
	CHECK(bytes);
	CHECK(ioasid_space_snapshot(space, &sequence_codec, bytes, *size,
				    &needed) == 0);
	CHECK(needed == *size);
	return bytes;
}

/*
 * A copy of @size bytes of a snapshot, with the byte at @at changed, is
 * restored. @at == SIZE_MAX: none is.
 */
static inline int sequence_restore(struct ioasid_space *space,
				   const uint8_t *bytes, size_t size, size_t at,
				   uint8_t change)
{
	uint8_t *copy = malloc(size ? size : 1);
	int ret;

	CHECK(copy);
	memcpy(copy, bytes, size);
	if (at != SIZE_MAX)
		copy[at] ^= change;
	ret = ioasid_space_restore(space, &sequence_codec, copy, size);
	free(copy);
	return ret;
}

static inline void sequence_count_line(const char *line, void *arg)
{
	CHECK(!strchr(line, '\n'));
	++*(uint32_t *)arg;
}

/* The space and its snapshot restored in another say the same. */
static inline void sequence_migrate(
	struct ioasid_space *space, const struct ioasid_space_config *config,
	struct sequence_actors *actors,
	int (*restore)(struct ioasid_space *space, const uint8_t *bytes,
		       size_t size, size_t at, uint8_t change))
{
	struct ioasid_space *other = NULL;
	struct ioasid_stats stats;
	size_t size, again_size;
	uint8_t *bytes = sequence_snapshot(space, &size), *again;
	uint32_t calls = actors->calls;
	uint64_t sum = actors->sum;
	int ret;

	ioasid_space_stats(space, &stats);
	CHECK(ioasid_space_create(config, &other) == 0);
	CHECK(ioasid_space_set_capacity(other, stats.capacity) == 0);
	CHECK(restore(other, bytes, size, size / 2, 1) == -EBADMSG);
	CHECK(restore(other, bytes, size, size - 1, 1) == -EBADMSG);
	CHECK(restore(other, bytes, size, 9, 1) != 0);
	CHECK(restore(other, bytes, size - 1, SIZE_MAX, 0) == -EBADMSG);
	ioasid_space_stats(other, &stats);
	CHECK(!stats.committed && !stats.sets);
	ret = restore(other, bytes, size, SIZE_MAX, 0);
	if (ret == -ENODEV) {
		CHECK(ioasid_space_register_allocator(
			      other, &actors->allocator[0].ops) == 0);
		ret = restore(other, bytes, size, SIZE_MAX, 0);
	}
	CHECK(ret == 0);
	CHECK(ioasid_space_validate(other, NULL));
	again = sequence_snapshot(other, &again_size);
	CHECK(again_size == size);
	free(again);
	free(bytes);
	CHECK(ioasid_space_destroy(other) == 0);
	/* What was handed back is no affair of the first space. */
	actors->calls = calls;
	actors->sum = sum;
}

/*
 * Readers that could not be registered are counted; all works as before. That
 * takes memory only where another domain has the place.
 */
static inline void sequence_anonymous(struct ioasid_space *space,
				      struct sequence_memory *memory)
{
	struct ioasid_rcu *rcu = ioasid_space_rcu(space), *crowd[64];
	bool epoch = rcu->flavour == IOASID_RCU_EPOCH;
	bool none = rcu->flavour == IOASID_RCU_NONE;
	size_t count = 0;

	CHECK(ioasid_rcu_thread_unregister(rcu) == 0);
	CHECK(ioasid_rcu_thread_unregister(rcu) == (none ? 0 : -ENOENT));
	while (!ioasid_load_relaxed(&ioasid_rcu_place(rcu)->rcu)) {
		CHECK(count < sizeof(crowd) / sizeof(crowd[0]));
		CHECK(ioasid_rcu_create(NULL, &crowd[count]) == 0);
		CHECK(ioasid_rcu_thread_register(crowd[count++]) == 0);
	}
	sequence_fail(memory, FAIL_ALL);
	CHECK(ioasid_rcu_thread_register(rcu) == (none ? 0 : -ENOMEM));
	if (epoch) {
		ioasid_rcu_read_lock(rcu);
		CHECK(ioasid_rcu_read_held(rcu));
		CHECK(ioasid_rcu_synchronize(rcu) == -EDEADLK);
		CHECK(!ioasid_rcu_poll(rcu, ioasid_rcu_start_poll(rcu)));
		CHECK(ioasid_space_get(space, NULL, INVALID_IOASID) == -ENOENT);
		ioasid_rcu_read_unlock(rcu);
		CHECK(!ioasid_rcu_read_held(rcu));
		CHECK(ioasid_rcu_synchronize(rcu) == 0);
	}
	sequence_fail(memory, 0);
	CHECK(ioasid_rcu_thread_register(rcu) == 0);
	while (count)
		CHECK(ioasid_rcu_destroy(crowd[--count]) == 0);
}

#endif /* IOASID_FUZZ_SEQUENCE_H */
