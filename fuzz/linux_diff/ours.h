/* SPDX-License-Identifier: MIT */
#ifndef IOASID_FUZZ_LINUX_DIFF_OURS_H
#define IOASID_FUZZ_LINUX_DIFF_OURS_H

/*
 * Calls of the kernel's API on a space of ours, or an IDR or IDA, each with the
 * words that it has to give: its result, and what callbacks were called for and
 * saw. What the target and the programs it prints share.
 */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/idr.h>
#include <linux/ioasid.h>

#include <ioasid/allocator.h>
#include <ioasid/set.h>
#include <ioasid/space.h>

#include "fuzz/check.h"

enum {
	/* The IDs there are: so many from a base on. */
	IDS = 48,
	ALLOCATORS = 6,
	/* Allocators of the same number modulo this have the same functions. */
	FUNCTIONS = 3,
	SHARERS = ALLOCATORS / FUNCTIONS,
	/* The last never has an ID; 0 is none. */
	OWNERS = 3,
	LOOKUPS = 2,
	WORDS = 128,
	/* Room around the IDs in a bitmap. */
	MARGIN = 64,
};

#define DATA(number) ((void *)((uintptr_t)(number) << 2))

/* Faults in the calls below, which have to be noticed. */
#define DIFF_FAULTS(X)                                          \
	X(owner) /* a set is not looked at */                   \
	X(lowest) /* the lowest ID is passed over */            \
	X(last) /* the highest is not handed out */             \
	X(data) /* is not changed */                            \
	X(freed) /* an ID stays */                              \
	X(pdata) /* of another allocator */                     \
	X(inside) /* a lookup in a callback finds nothing */    \
	X(getter) /* is not asked */                            \
	X(refusal) /* of a getter is not heard */               \
	X(busy) /* an allocator with IDs goes */                \
	X(again) /* the first allocator beside IDs in use */    \
	X(registered) /* is not refused a second time */        \
	X(unknown) /* nor one that is not registered */         \
	X(back) /* what an allocator gave is not handed back */ \
	X(end) /* of a range is handed out */                   \
	X(cursor) /* stays */                                   \
	X(begin) /* of a cyclic range is where it goes on */    \
	X(removed) /* its pointer is lost */                    \
	X(replaced) /* the new pointer is given, not the old */ \
	X(next) /* passes one over */                           \
	X(walk) /* does not stop */                             \
	X(told) /* a u32 ID that was not handed out */          \
	X(destroy) /* does nothing */                           \
	X(empty) /* is said of one with an ID */                \
	X(ida_min) /* is 0 */                                   \
	X(ida_free) /* does nothing */

enum diff_fault {
	FAULT_none,
#define X(name) FAULT_##name,
	DIFF_FAULTS(X)
#undef X
};

#ifndef DIFF_FAULT
#define DIFF_FAULT none
#endif
#define FAULT_NAMED_AGAIN(name) FAULT_##name
#define FAULT_NAMED(name) FAULT_NAMED_AGAIN(name)

__attribute__((unused)) static enum diff_fault diff_fault =
	FAULT_NAMED(DIFF_FAULT);

struct words {
	uint64_t word[WORDS];
	uint32_t count;
};

static inline void put_word(struct words *words, uint64_t word)
{
	/* Of very long walks the rest is a sum. */
	if (words->count < WORDS)
		words->word[words->count++] = word;
	else
		words->word[WORDS - 1] = words->word[WORDS - 1] * 31 + word;
}

/* A callback was called that had not to be, or for another allocator. */
#define WORD_WRONG (UINT64_MAX - 1)

/* IOASIDs. */

enum op { ALLOC, FREE, FIND, SET_DATA, REGISTER, UNREGISTER, OPS };
enum getter { GETTER_NONE, GETTER_YES, GETTER_NO, GETTER_LOOKUP, GETTERS };

struct lookup {
	ioasid_t id;
	uint32_t owner;
	enum getter getter;
};

struct answer {
	uint32_t who;
	ioasid_t id;
};

struct call {
	enum op op;
	ioasid_t id, min, max;
	uint32_t owner, data, allocator;
	/* By callbacks and getters. */
	struct lookup lookup[LOOKUPS];
	/* What allocators are asked and answer, in turn. */
	struct answer ask[SHARERS];
	uint32_t asks;
	/* Who gets IDs back, how many of them within an alloc. */
	uint32_t back_who, backs;
	/* What the allocator gives is in use: it does not get it back. */
	bool in_use;
	/* Memory fails from that allocation on; the call is made once more. */
	uint32_t fail;
};

struct diff_memory {
	size_t bytes;
	uint32_t calls, failed, fail_from;
};

union diff_header {
	size_t size;
	char line[IOASID_CACHE_LINE];
};

static inline void *diff_memory_alloc(void *context, size_t size)
{
	size_t lines = 1 + (size + IOASID_CACHE_LINE - 1) / IOASID_CACHE_LINE;
	struct diff_memory *memory = context;
	union diff_header *header;

	if (memory->fail_from && ++memory->calls >= memory->fail_from) {
		memory->failed++;
		return NULL;
	}
	header = aligned_alloc(IOASID_CACHE_LINE, lines * IOASID_CACHE_LINE);
	CHECK(header);
	header->size = size;
	memory->bytes += size;
	return header + 1;
}

static inline void diff_memory_free(void *context, void *block, size_t size)
{
	union diff_header *header = (union diff_header *)block - 1;
	struct diff_memory *memory = context;

	CHECK(header->size == size && memory->bytes >= size);
	memory->bytes -= size;
	free(header);
}

/* What calls go to: a space, the default space, or the kernel. */
struct side {
	const char *name;
	struct ioasid_space *space;
	struct ioasid_rcu *rcu;
	struct diff_memory memory;
	struct ioasid_set set[OWNERS + 1];
	struct ioasid_allocator_ops ops[ALLOCATORS];
	void *(*find)(struct side *side, uint32_t owner, ioasid_t id,
		      bool (*getter)(void *data));
	void (*run)(struct side *side, const struct call *call);
	bool faulty;
	struct words words;
};

/* The call that is made, and by whom. */
static struct side *at_side;
static const struct call *at_call;
static uint32_t asked, given_back, given;
/* 0 where memory fails, and nothing is compared. */
static bool compared;

static inline bool planted(enum diff_fault fault)
{
	return diff_fault == fault && at_side->faulty;
}

static inline void say(uint64_t word)
{
	if (compared)
		put_word(&at_side->words, word);
}

static inline void look(const struct lookup *lookup, bool inside);

static inline bool get_yes(void *data)
{
	say((uintptr_t)data);
	return true;
}

static inline bool get_no(void *data)
{
	say((uintptr_t)data);
	return planted(FAULT_refusal);
}

static inline bool get_lookup(void *data)
{
	say((uintptr_t)data);
	look(&at_call->lookup[1], true);
	return true;
}

static inline void look(const struct lookup *lookup, bool inside)
{
	static bool (*const getters[GETTERS])(void *data) = {
		NULL,
		get_yes,
		get_no,
		get_lookup,
	};
	enum getter getter = lookup->getter;

	if (inside && getter == GETTER_LOOKUP)
		getter = GETTER_NONE;
	if (planted(FAULT_getter))
		getter = GETTER_NONE;
	say((uintptr_t)at_side->find(at_side,
				     planted(FAULT_owner) ? 0 : lookup->owner,
				     lookup->id, getters[getter]));
}

static inline void look_inside(void)
{
	for (uint32_t i = 0; i < LOOKUPS; i++)
		look(&at_call->lookup[i], true);
}

static uint32_t allocator_numbers[ALLOCATORS] = { 0, 1, 2, 3, 4, 5 };

static inline ioasid_t ask(uint32_t function, ioasid_t min, ioasid_t max,
			   void *pdata)
{
	const struct answer *answer = &at_call->ask[asked];
	uint32_t who = *(uint32_t *)pdata;

	if (at_call->op != ALLOC || asked >= at_call->asks ||
	    who != answer->who || who % FUNCTIONS != function) {
		say(WORD_WRONG);
		return INVALID_IOASID;
	}
	if (!asked++) {
		say(function);
		say(min);
		/* invalid_id_is_not_asked_for */
		say(max == INVALID_IOASID ? max - 1 : max);
		look_inside();
	}
	given += answer->id != INVALID_IOASID;
	return answer->id;
}

static inline void take_back(uint32_t function, ioasid_t id, void *pdata)
{
	uint32_t who = *(uint32_t *)pdata;

	given_back++;
	if (at_call->op == ALLOC) {
		if (compared && (given_back > at_call->backs || !asked ||
				 who != at_call->ask[asked - 1].who ||
				 id != at_call->ask[asked - 1].id))
			say(WORD_WRONG);
		return;
	}
	if (who != at_call->back_who || who % FUNCTIONS != function)
		say(WORD_WRONG);
	if (planted(FAULT_back))
		return;
	say(id);
	say(planted(FAULT_inside) ?
		    (uintptr_t)ERR_PTR(-ENOENT) :
		    (uintptr_t)at_side->find(at_side, 0, id, NULL));
	look_inside();
}

#define ALLOCATOR_FUNCTIONS(number)                                     \
	static inline ioasid_t ask_##number(ioasid_t min, ioasid_t max, \
					    void *pdata)                \
	{                                                               \
		return ask(number, min, max, pdata);                    \
	}                                                               \
	static inline void take_back_##number(ioasid_t id, void *pdata) \
	{                                                               \
		take_back(number, id, pdata);                           \
	}                                                               \
	struct side

ALLOCATOR_FUNCTIONS(0);
ALLOCATOR_FUNCTIONS(1);
ALLOCATOR_FUNCTIONS(2);

static ioasid_t (*const ask_functions[FUNCTIONS])(ioasid_t, ioasid_t,
						  void *) = { ask_0, ask_1,
							      ask_2 };
static void (*const back_functions[FUNCTIONS])(ioasid_t, void *) = {
	take_back_0, take_back_1, take_back_2
};

static inline struct ioasid_set *owner_of(struct side *side, uint32_t owner)
{
	return owner ? &side->set[owner] : NULL;
}

static inline void *space_find(struct side *side, uint32_t owner, ioasid_t id,
			       bool (*getter)(void *data))
{
	struct ioasid_set *set = owner_of(side, owner);
	void *data;
	int ret;

	if (!side->rcu)
		return ioasid_find(set, id, getter);
	ret = ioasid_space_find(side->space, set, id, getter, &data);
	return ret ? ERR_PTR(ret) : data;
}

static inline ioasid_t space_alloc(struct side *side, const struct call *call)
{
	ioasid_t min = call->min, max = call->max, id;
	struct ioasid_set *set = owner_of(side, call->owner);

	min += planted(FAULT_lowest) && min < max;
	max -= planted(FAULT_last) && min < max;
	if (!side->rcu)
		return ioasid_alloc(set, min, max, DATA(call->data));
	return ioasid_space_alloc(side->space, set, min, max, DATA(call->data),
				  &id) ?
		       INVALID_IOASID :
		       id;
}

/* With memory failing on the way nothing has changed. */
static inline void space_run_alloc(struct side *side, const struct call *call)
{
	ioasid_t id;

	if (side->rcu && call->fail) {
		side->memory.calls = side->memory.failed = 0;
		side->memory.fail_from = call->fail;
		compared = false;
		id = space_alloc(side, call);
		side->memory.fail_from = 0;
		/* It may have done without. */
		if (id != INVALID_IOASID)
			CHECK(!ioasid_space_free(side->space, id));
		else
			CHECK(call->in_use || given == given_back);
		compared = true;
		asked = given = given_back = 0;
	}
	say(space_alloc(side, call));
	if (given_back != call->backs || asked != call->asks)
		say(WORD_WRONG);
}

static inline void space_run_free(struct side *side, const struct call *call)
{
	struct ioasid_stats stats;

	if (planted(FAULT_freed) && call->id % 4 == 3)
		return;
	side->memory.fail_from = call->fail;
	if (side->rcu)
		(void)ioasid_space_free(side->space, call->id);
	else
		ioasid_free(call->id);
	side->memory.fail_from = 0;
	/* turned_id_waits_for_readers: there are none. */
	ioasid_space_stats(side->space, &stats);
	if (stats.quarantined)
		CHECK(!ioasid_rcu_synchronize(ioasid_space_rcu(side->space)));
}

static inline int space_register(struct side *side,
				 struct ioasid_allocator_ops *ops)
{
	int ret;

	if (planted(FAULT_pdata))
		ops->pdata = &allocator_numbers[0];
	ret = side->rcu ? ioasid_space_register_allocator(side->space, ops) :
			  ioasid_register_allocator(ops);
	if ((planted(FAULT_again) && ret == -EAGAIN) ||
	    (planted(FAULT_registered) && ret == -EEXIST))
		ret = 0;
	return ret;
}

static inline void space_run_register(struct side *side,
				      const struct call *call)
{
	struct ioasid_allocator_ops *ops = &side->ops[call->allocator];
	int ret;

	side->memory.calls = side->memory.failed = 0;
	side->memory.fail_from = side->rcu ? call->fail : 0;
	ret = space_register(side, ops);
	side->memory.fail_from = 0;
	if (ret == -ENOMEM && side->memory.failed)
		ret = space_register(side, ops);
	say((uint64_t)ret);
}

static inline void space_run_unregister(struct side *side,
					const struct call *call)
{
	struct ioasid_allocator_ops *ops = &side->ops[call->allocator];
	int ret = side->rcu ?
			  ioasid_space_unregister_allocator(
				  side->space, ops, IOASID_UNREGISTER_IDLE) :
			  ioasid_unregister_allocator(ops);

	if ((planted(FAULT_busy) && ret == -EBUSY) ||
	    (planted(FAULT_unknown) && ret == -ENOENT))
		ret = 0;
	say((uint64_t)ret);
}

static inline void space_run(struct side *side, const struct call *call)
{
	void *data = DATA(call->data);

	switch (call->op) {
	case ALLOC:
		space_run_alloc(side, call);
		break;
	case FREE:
		space_run_free(side, call);
		break;
	case FIND:
		look(&call->lookup[0], false);
		break;
	case SET_DATA:
		if (planted(FAULT_data))
			data = NULL;
		say((uint64_t)(side->rcu ?
				       ioasid_space_set_data(side->space,
							     call->id, data) :
				       ioasid_set_data(call->id, data)));
		break;
	case REGISTER:
		space_run_register(side, call);
		break;
	default:
		space_run_unregister(side, call);
		break;
	}
}

static inline const struct words *side_call(struct side *side,
					    const struct call *call)
{
	at_side = side;
	at_call = call;
	asked = given_back = given = 0;
	compared = true;
	side->words.count = 0;
	side->run(side, call);
	return &side->words;
}

/* @store: IOASID_STORE_CUSTOM: the default space. */
static inline void side_begin(struct side *side, enum ioasid_store_kind store,
			      ioasid_t base)
{
	struct ioasid_space_config config = {
		.min = 0,
		.max = INVALID_IOASID,
		.store = store,
		.hash_seed = 1,
	};

	memset(side, 0, sizeof(*side));
	side->run = space_run;
	side->find = space_find;
	for (uint32_t i = 0; i < ALLOCATORS; i++)
		side->ops[i] = (struct ioasid_allocator_ops){
			.alloc = ask_functions[i % FUNCTIONS],
			.free = back_functions[i % FUNCTIONS],
			.pdata = &allocator_numbers[i],
		};
	if (store == IOASID_STORE_CUSTOM) {
		side->space = ioasid_default_space();
		CHECK(side->space);
		return;
	}
	if (store == IOASID_STORE_BITMAP) {
		config.min = base > MARGIN ? base - MARGIN : 0;
		config.max = base < INVALID_IOASID - IDS - MARGIN ?
				     base + IDS + MARGIN :
				     INVALID_IOASID;
	}
	config.memory = (struct ioasid_memory){ .alloc = diff_memory_alloc,
						.free = diff_memory_free,
						.context = &side->memory };
	CHECK(!ioasid_rcu_create(NULL, &side->rcu));
	config.rcu = side->rcu;
	CHECK(!ioasid_space_create(&config, &side->space));
}

/* Nothing is left. */
static inline void side_end(struct side *side)
{
	struct ioasid_stats stats;

	ioasid_space_stats(side->space, &stats);
	CHECK(!stats.live && !stats.pending && !stats.allocators);
	CHECK(ioasid_space_validate(side->space, NULL));
	for (uint32_t i = 1; i <= OWNERS; i++)
		if (ioasid_load_relaxed(&side->set[i].space))
			CHECK(!ioasid_set_destroy(side->space, &side->set[i]));
	if (!side->rcu)
		return;
	CHECK(!ioasid_space_destroy(side->space));
	CHECK(!ioasid_rcu_destroy(side->rcu));
	CHECK(!side->memory.bytes);
}

/* Whatever is left goes. */
static inline void side_leave(struct side *side)
{
	static const struct call call = { .op = FREE };

	at_side = side;
	at_call = &call;
	compared = false;
	CHECK(!ioasid_space_free_all(side->space, NULL));
	for (uint32_t i = 0; i < ALLOCATORS; i++)
		(void)ioasid_space_unregister_allocator(
			side->space, &side->ops[i], IOASID_UNREGISTER_IDLE);
	side_end(side);
}

static inline bool same_words(const struct words *words, uint32_t count,
			      const uint64_t *word)
{
	return words->count == count &&
	       !memcmp(words->word, word, count * sizeof(*word));
}

/* For programs that are printed. */
static inline void expect(struct side *side, const struct call *call,
			  uint32_t count, const uint64_t *word)
{
	CHECK(same_words(side_call(side, call), count, word));
}

/* IDRs and IDAs. */

enum idr_op {
	IDR_ALLOC,
	IDR_CYCLIC,
	IDR_U32,
	IDR_REMOVE,
	IDR_REPLACE,
	IDR_FIND,
	IDR_NEXT,
	IDR_NEXT_UL,
	IDR_FOR_EACH,
	IDR_ENTRIES,
	IDR_CURSOR,
	IDR_EMPTY,
	IDR_DESTROY,
	IDA_RANGE,
	IDA_FREE,
	IDA_EMPTY,
	IDA_DESTROY,
	IDR_OPS
};

struct idr_call {
	enum idr_op op;
	/* start and end, or min and max; an ID; where a walk stops */
	uint32_t a, b;
	uint32_t data;
};

struct idr_walk {
	struct words *words;
	uint32_t stop;
};

static inline int idr_visit(int id, void *p, void *data)
{
	struct idr_walk *walk = data;

	put_word(walk->words, (uint64_t)id);
	put_word(walk->words, (uintptr_t)p);
	return --walk->stop ? 0 : 55;
}

static inline void idr_run_alloc(struct idr *idr, const struct idr_call *call,
				 bool faulty, struct words *words)
{
	enum diff_fault fault = faulty ? diff_fault : FAULT_none;
	int end = (int)call->b, start = (int)call->a;
	unsigned int cursor = idr_get_cursor(idr);
	void *data = DATA(call->data);
	uint32_t id = call->a;

	end += fault == FAULT_end && end > 0 && end < INT_MAX;
	if (call->op == IDR_ALLOC) {
		put_word(words, (uint64_t)idr_alloc(idr, data, start, end,
						    GFP_KERNEL));
	} else if (call->op == IDR_CYCLIC) {
		if (fault == FAULT_begin)
			idr_set_cursor(idr, call->a);
		put_word(words, (uint64_t)idr_alloc_cyclic(idr, data, start,
							   end, GFP_KERNEL));
		if (fault == FAULT_cursor)
			idr_set_cursor(idr, cursor);
		put_word(words, idr_get_cursor(idr));
	} else {
		put_word(words, (uint64_t)idr_alloc_u32(idr, data, &id, call->b,
							GFP_KERNEL));
		if (fault == FAULT_told && words->word[0])
			id++;
		put_word(words, id);
	}
}

static inline void idr_run_walk(struct idr *idr, const struct idr_call *call,
				bool faulty, struct words *words)
{
	enum diff_fault fault = faulty ? diff_fault : FAULT_none;
	struct idr_walk walk = { words, call->a };
	unsigned long far = call->a;
	int id = (int)call->a;
	void *entry;

	switch (call->op) {
	case IDR_NEXT:
		id += fault == FAULT_next && id < INT_MAX;
		put_word(words, (uintptr_t)idr_get_next(idr, &id));
		put_word(words, (uint64_t)id);
		break;
	case IDR_NEXT_UL:
		put_word(words, (uintptr_t)idr_get_next_ul(idr, &far));
		put_word(words, far);
		break;
	case IDR_FOR_EACH:
		if (fault == FAULT_walk)
			walk.stop = 0;
		put_word(words, (uint64_t)idr_for_each(idr, idr_visit, &walk));
		break;
	default:
		idr_for_each_entry(idr, entry, id)
		{
			put_word(words, (uint64_t)id);
			put_word(words, (uintptr_t)entry);
		}
		break;
	}
}

static inline void ida_run(struct ida *ida, const struct idr_call *call,
			   bool faulty, struct words *words)
{
	enum diff_fault fault = faulty ? diff_fault : FAULT_none;

	switch (call->op) {
	case IDA_RANGE:
		put_word(words,
			 (uint64_t)ida_alloc_range(
				 ida, fault == FAULT_ida_min ? 0 : call->a,
				 call->b, GFP_KERNEL));
		break;
	case IDA_FREE:
		if (fault != FAULT_ida_free)
			ida_free(ida, call->a);
		break;
	case IDA_EMPTY:
		put_word(words, ida_is_empty(ida));
		break;
	default:
		ida_destroy(ida);
		break;
	}
}

struct ours_idr {
	struct idr idr;
	struct ida ida;
	bool faulty;
};

static inline void ours_idr_begin(struct ours_idr *ours,
				  enum ioasid_store_kind store, int base)
{
	idr_init_base(&ours->idr, base);
	ida_init(&ours->ida);
	ours->idr.store = ours->ida.idr.store = store;
	ours->faulty = false;
}

static inline void idr_run(struct ours_idr *ours, const struct idr_call *call,
			   struct words *words)
{
	enum diff_fault fault = ours->faulty ? diff_fault : FAULT_none;
	struct idr *idr = &ours->idr;
	void *data = DATA(call->data), *old;

	words->count = 0;
	switch (call->op) {
	case IDR_ALLOC:
	case IDR_CYCLIC:
	case IDR_U32:
		idr_run_alloc(idr, call, ours->faulty, words);
		break;
	case IDR_REMOVE:
		old = idr_remove(idr, call->a);
		put_word(words, fault == FAULT_removed ? 0 : (uintptr_t)old);
		break;
	case IDR_REPLACE:
		old = idr_replace(idr, data, call->a);
		if (fault == FAULT_replaced && !IS_ERR(old))
			old = data;
		put_word(words, (uintptr_t)old);
		break;
	case IDR_FIND:
		put_word(words, (uintptr_t)idr_find(idr, call->a));
		break;
	case IDR_NEXT:
	case IDR_NEXT_UL:
	case IDR_FOR_EACH:
	case IDR_ENTRIES:
		idr_run_walk(idr, call, ours->faulty, words);
		break;
	case IDR_CURSOR:
		idr_set_cursor(idr, call->a);
		put_word(words, idr_get_cursor(idr));
		break;
	case IDR_EMPTY:
		put_word(words, fault == FAULT_empty || idr_is_empty(idr));
		break;
	case IDR_DESTROY:
		if (fault != FAULT_destroy)
			idr_destroy(idr);
		break;
	default:
		ida_run(&ours->ida, call, ours->faulty, words);
		break;
	}
}

static inline void ours_idr_end(struct ours_idr *ours)
{
	CHECK(idr_is_empty(&ours->idr) && ida_is_empty(&ours->ida));
	idr_destroy(&ours->idr);
	ida_destroy(&ours->ida);
}

static inline void ours_idr_leave(struct ours_idr *ours)
{
	idr_destroy(&ours->idr);
	ida_destroy(&ours->ida);
	ours_idr_end(ours);
}

/* For programs that are printed. */
static inline void expect_idr(struct ours_idr *ours,
			      const struct idr_call *call, uint32_t count,
			      const uint64_t *word)
{
	struct words words;

	idr_run(ours, call, &words);
	CHECK(same_words(&words, count, word));
}

#endif /* IOASID_FUZZ_LINUX_DIFF_OURS_H */
