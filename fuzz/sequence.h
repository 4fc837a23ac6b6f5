/* SPDX-License-Identifier: MIT */
#ifndef IOASID_FUZZ_SEQUENCE_H
#define IOASID_FUZZ_SEQUENCE_H

/* What the harness and the sequences it prints have in common. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ioasid/space.h>

#ifndef CHECK
#define CHECK(condition)                                                 \
	do {                                                             \
		if (!(condition)) {                                      \
			fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, \
				__LINE__, #condition);                   \
			fflush(NULL);                                    \
			_Exit(1);                                        \
		}                                                        \
	} while (0)
#endif

#define DATA(number) ((void *)(uintptr_t)(number))

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

/* Deferred callbacks: in order, and after the section they were deferred in. */
struct sequence_deferred {
	uint64_t added, called;
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
