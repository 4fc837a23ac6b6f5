/* SPDX-License-Identifier: MIT */
#ifndef IOASID_CONCURRENT_PROGRAM_H
#define IOASID_CONCURRENT_PROGRAM_H

/*
 * What an input stands for: a program of a few virtual threads, each with a few
 * steps, and where one gives way to another. Printed programs consist of it.
 */

#include "fuzz/concurrent/sched.h"

/*
 * The calls a step makes, with what its numbers mean. @id: a number modulo the
 * IDs of the world; @set: 0 none, 1 and 2 made before, 3 a static one, bound by
 * its first use.
 */
#define CONCURRENT_CALLS(CALL)                                              \
	CALL(NOTHING)                                                       \
	/* a: which range; b: set */                                        \
	CALL(ALLOC)                                                         \
	CALL(ALLOC_CYCLIC)                                                  \
	CALL(RESERVE_ID)                                                    \
	/* a: ID */                                                         \
	CALL(PUBLISH_ID)                                                    \
	CALL(RELEASE_ID)                                                    \
	CALL(FREE)                                                          \
	/* a: handle kept by HANDLE */                                      \
	CALL(FREE_HANDLE)                                                   \
	/* a: ID; b: set; the pointer is freed after readers left, */       \
	/* by a callback or by this thread */                               \
	CALL(REMOVE_DEFER)                                                  \
	CALL(REMOVE_SYNCHRONIZE)                                            \
	CALL(FREE_DEFERRED)                                                 \
	/* a: ID or handle; b: set */                                       \
	CALL(GET)                                                           \
	CALL(GET_HANDLE)                                                    \
	/* the reference taken last, if there is one */                     \
	CALL(PUT)                                                           \
	/* a: ID; of whoever has one */                                     \
	CALL(PUT_ID)                                                        \
	/* a: ID or handle; b: set */                                       \
	CALL(FIND)                                                          \
	CALL(FIND_HANDLE)                                                   \
	/* a: ID; b: set; c: so many IDs from there, in a section */        \
	CALL(READ)                                                          \
	/* a section around what follows */                                 \
	CALL(READ_LOCK)                                                     \
	CALL(READ_UNLOCK)                                                   \
	/* a: ID; b: set; c: where the handle is kept */                    \
	CALL(HANDLE)                                                        \
	CALL(EXCHANGE_DATA)                                                 \
	CALL(SET_DATA)                                                      \
	CALL(SET_OF)                                                        \
	/* b: set; a: quota, 0 none */                                      \
	CALL(SET_LIMIT)                                                     \
	CALL(SET_STATS)                                                     \
	CALL(SET_FREE_ALL)                                                  \
	CALL(FREE_ALL)                                                      \
	/* a: number of IDs */                                              \
	CALL(SET_CAPACITY)                                                  \
	CALL(RESERVE)                                                       \
	CALL(UNRESERVE)                                                     \
	/* a: ID; b: set; c: SPID */                                        \
	CALL(SPID_ATTACH)                                                   \
	CALL(SPID_DETACH)                                                   \
	CALL(SPID_OF)                                                       \
	CALL(SPID_FIND)                                                     \
	/* a: ID; b: set */                                                 \
	CALL(NEXT)                                                          \
	CALL(FOR_EACH)                                                      \
	CALL(TRIM)                                                          \
	CALL(STATS)                                                         \
	CALL(SYNCHRONIZE)                                                   \
	CALL(START_POLL)                                                    \
	CALL(POLL)                                                          \
	CALL(DEFER)                                                         \
	CALL(BARRIER)                                                       \
	CALL(NOTIFY)                                                        \
	CALL(UNREGISTER_THREAD)                                             \
	CALL(QUIESCENT)                                                     \
	CALL(OFFLINE)                                                       \
	/* a set of this thread's own comes, gets an ID, and goes */        \
	CALL(OWN_SET)                                                       \
	/* as READ, with that set of another thread's */                    \
	CALL(READ_OWN_SET)                                                  \
	/* b: set; a notifier of this thread's comes, or goes; not alone */ \
	CALL(WATCH)

#define CONCURRENT_CALL_ENUM(name) name,
enum call { CONCURRENT_CALLS(CONCURRENT_CALL_ENUM) CALLS };

/* Threads as in sched.h; STAY: no switch. */
enum who { BEFORE, A, B, C, D, STAY };

#define SWITCHES 3

struct step {
	enum who thread;
	enum call call;
	uint8_t a, b, c;
	struct vt_switch at[SWITCHES];
	enum vt_trouble trouble;
	uint8_t nth;
};

#define STEPS_MAX 40

struct program {
	uint8_t store, flavour, reuse;
	bool quarantine, membarrier, reclaimer, notifier;
	/* IDs from @first on */
	uint8_t ids, first;
	/* 0: all; of the sets 1 and 2, 0: none */
	uint8_t capacity, quota[2];
	uint8_t pending_limit;
	bool retired_limit;
	/* other domains have the places that threads have for readers */
	bool crowded;
	unsigned int count;
	struct step step[STEPS_MAX];
};

extern const char *const concurrent_call_names[];

/*
 * Runs it, and looks at all there is to look at. How many IDs had so much of a
 * history that the search for an order was given up.
 */
unsigned int concurrent_run(const struct program *program);

#endif /* IOASID_CONCURRENT_PROGRAM_H */
