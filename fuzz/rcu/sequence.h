/* SPDX-License-Identifier: MIT */
#ifndef IOASID_FUZZ_RCU_SEQUENCE_H
#define IOASID_FUZZ_RCU_SEQUENCE_H

/* What a sequence is made of. Include once, first. */

#include "fuzz/rcu/actors.h"

#include <ioasid/space.h>

#include "core/platform/lock.h"

#define DOMAINS 24
#define OBJECTS 512
#define COOKIES 8

/* --- flavours of the user's own --- */

enum kind {
	EPOCH,
	QSBR,
	NONE,
	/* all operations, the least, in the manner of qsbr, on an older domain */
	OWN,
	OWN_LEAST,
	OWN_QSBR,
	OWN_OVER,
	KINDS,
};

struct flavour {
	uint64_t clock;
	/* since when; 0: none */
	uint64_t section[ACTORS + WORKERS];
	unsigned int depth[ACTORS + WORKERS];
	struct ioasid_rcu *inner;
};

static void own_lock(void *context)
{
	struct flavour *flavour = context;

	if (!flavour->depth[me->index]++)
		flavour->section[me->index] = ++flavour->clock;
}

static void own_unlock(void *context)
{
	struct flavour *flavour = context;

	if (!--flavour->depth[me->index])
		flavour->section[me->index] = 0;
}

static uint64_t own_start_poll(void *context)
{
	return ++((struct flavour *)context)->clock;
}

static bool own_poll(void *context, uint64_t cookie)
{
	const struct flavour *flavour = context;

	for (unsigned int i = 0; i < ACTORS + WORKERS; i++)
		if (flavour->section[i] && flavour->section[i] < cookie)
			return false;
	return true;
}

static void own_synchronize(void *context)
{
	uint64_t cookie = own_start_poll(context);

	/* The caller does so again and again, for what others have to do. */
	if (awaited) {
		resume(awaited);
		sched_yield();
	}
	while (!own_poll(context, cookie))
		sched_yield();
}

static bool own_held(void *context)
{
	return ((struct flavour *)context)->section[me->index] != 0;
}

static int own_register(void *context)
{
	(void)context;
	return 0;
}

static void own_nothing(void *context)
{
	(void)context;
}

static void own_online(void *context)
{
	struct flavour *flavour = context;

	flavour->section[me->index] = ++flavour->clock;
}

static void own_offline(void *context)
{
	((struct flavour *)context)->section[me->index] = 0;
}

static void own_quiescent(void *context)
{
	if (own_held(context))
		own_online(context);
}

static int own_register_online(void *context)
{
	if (!own_held(context))
		own_online(context);
	return 0;
}

static int own_unregister_offline(void *context)
{
	own_offline(context);
	return 0;
}

static struct ioasid_rcu *inner_of(void *context)
{
	return ((struct flavour *)context)->inner;
}

static void over_lock(void *context)
{
	ioasid_rcu_read_lock(inner_of(context));
}

static void over_unlock(void *context)
{
	ioasid_rcu_read_unlock(inner_of(context));
}

static uint64_t over_start_poll(void *context)
{
	return ioasid_rcu_start_poll(inner_of(context));
}

static bool over_poll(void *context, uint64_t cookie)
{
	return ioasid_rcu_poll(inner_of(context), cookie);
}

static bool over_held(void *context)
{
	return ioasid_rcu_read_held(inner_of(context));
}

static const struct ioasid_rcu_ops own_ops = {
	.read_lock = own_lock,
	.read_unlock = own_unlock,
	.start_poll = own_start_poll,
	.poll = own_poll,
	.synchronize = own_synchronize,
	.read_held = own_held,
	.thread_register = own_register,
	.thread_unregister = own_register,
	.quiescent = own_nothing,
	.thread_offline = own_nothing,
	.thread_online = own_nothing,
};

static const struct ioasid_rcu_ops own_least_ops = {
	.read_lock = own_lock,
	.read_unlock = own_unlock,
	.start_poll = own_start_poll,
	.poll = own_poll,
};

static const struct ioasid_rcu_ops own_qsbr_ops = {
	.read_lock = own_nothing,
	.read_unlock = own_nothing,
	.start_poll = own_start_poll,
	.poll = own_poll,
	.thread_register = own_register_online,
	.thread_unregister = own_unregister_offline,
	.online = own_held,
	.quiescent = own_quiescent,
	.thread_offline = own_offline,
	.thread_online = own_online,
};

static const struct ioasid_rcu_ops own_over_ops = {
	.read_lock = over_lock,
	.read_unlock = over_unlock,
	.start_poll = over_start_poll,
	.poll = over_poll,
	.read_held = over_held,
};

static const struct ioasid_rcu_ops *const kind_ops[KINDS] = {
	[OWN] = &own_ops,
	[OWN_LEAST] = &own_least_ops,
	[OWN_QSBR] = &own_qsbr_ops,
	[OWN_OVER] = &own_over_ops,
};

/* --- memory of a domain: counted, and refused on demand --- */

struct memory {
	size_t blocks;
	/* the number of the next that is refused; 0: none */
	unsigned int refuse;
	unsigned int refusals;
	/* a fault: small blocks are not given back */
	bool leaks;
};

static void *memory_alloc(void *context, size_t size)
{
	struct memory *memory = context;
	void *block;

	if (memory->refuse && !--memory->refuse) {
		memory->refusals++;
		return NULL;
	}
	block = malloc(size);
	memory->blocks += block != NULL;
	return block;
}

static void memory_free(void *context, void *block, size_t size)
{
	struct memory *memory = context;

	memory->blocks -= !memory->leaks || size > 256;
	free(block);
}

/* What a domain is made with. */
enum {
	WITH_RECLAIMER = 1,
	WITH_FENCES = 2,
	/* pending_limit 3 or 40; retired_limit of 1 byte */
	WITH_LIMIT = 4,
	WITH_LIMIT_40 = 8,
	WITH_RETIRED_LIMIT = 16,
	/* a step: makes 17 more; memory is refused */
	WITH_MORE = 32,
	WITH_REFUSAL = 64,
};

static size_t limit_of(unsigned int options)
{
	if (options & WITH_LIMIT)
		return 3;
	return options & WITH_LIMIT_40 ? 40 : 65536;
}

static struct ioasid_rcu_config config_of(enum kind kind, unsigned int options,
					  struct flavour *flavour,
					  struct memory *memory)
{
	return (struct ioasid_rcu_config){
		.flavour = kind == EPOCH ? IOASID_RCU_EPOCH :
			   kind == QSBR	 ? IOASID_RCU_QSBR :
			   kind == NONE	 ? IOASID_RCU_NONE :
					   IOASID_RCU_CUSTOM,
		.ops = kind_ops[kind],
		.ops_context = flavour,
		.memory = { .alloc = memory_alloc,
			    .free = memory_free,
			    .context = memory },
		.pending_limit = options & (WITH_LIMIT | WITH_LIMIT_40) ?
					 limit_of(options) :
					 0,
		.retired_limit = options & WITH_RETIRED_LIMIT ? 1 : 0,
		.reclaimer = options & WITH_RECLAIMER,
		.no_membarrier = options & WITH_FENCES,
	};
}

/* What a deferred callback does besides. */
enum action {
	ACTION_NONE,
	/* itself again; another */
	ACTION_AGAIN,
	ACTION_OTHER,
	ACTION_RETIRE,
	ACTION_SECTION,
	ACTION_SYNCHRONIZE,
	ACTION_BARRIER,
	ACTION_CHURN,
	/* a thread takes more steps in it */
	ACTION_SERVE,
	ACTIONS,
};

enum op_kind {
	OP_LOCK,
	OP_UNLOCK,
	OP_REGISTER,
	OP_UNREGISTER,
	OP_QUIESCENT,
	OP_OFFLINE,
	OP_ONLINE,
	OP_COOKIE,
	OP_POLL,
	OP_SYNCHRONIZE,
	OP_BARRIER,
	OP_DEFER,
	OP_FLOOD,
	OP_RETIRE,
	OP_STATS,
	OP_CREATE,
	OP_DESTROY,
	OP_SPACE,
	OP_GETTER,
	OP_LEAVE,
	OP_EXIT,
	OP_STEP,
	OP_RECLAIMER,
	OP_FORK,
	OP_MEMORY,
	OP_SYSTEM,
	OP_CLOCK,
	OP_CHURN,
	OP_PAGES,
	OPS,
};

/* What of the system fails from then on; SYSTEM_WORKS: nothing. */
enum system_fault {
	SYSTEM_WORKS,
	SYSTEM_MEMBARRIER,
	SYSTEM_FUTEX,
	SYSTEM_THREAD,
	SYSTEM_SPECIFIC,
	SYSTEM_MAP,
	SYSTEM_RANDOM,
	SYSTEM_FAULTS,
};

/* One thing that a thread does, or the next turn of one that is in a call. */
struct step {
	enum op_kind op;
	uint8_t thread, domain, value, more;
	/* written as it is made: whether, and by whom to which domain */
	bool made;
	uint8_t actor, place;
};

struct program {
	/* the first domain */
	enum kind kind;
	unsigned int options;
	/* threads begin with the program and end with it */
	bool fresh;
	/* domains are told by place, or else counted among those there are */
	bool by_place;
	struct step *steps;
	unsigned int count;
};

#endif /* IOASID_FUZZ_RCU_SEQUENCE_H */
