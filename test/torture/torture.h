/* SPDX-License-Identifier: MIT */
#ifndef IOASID_TEST_TORTURE_H
#define IOASID_TEST_TORTURE_H

/* What readers.c, writers.c and the run of torture.c share. */

/* Include first: threads and clocks. */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include <ioasid/space.h>

#include "test/torture/flavours.h"

enum {
	/* ages that are told apart; then an element is used again */
	PIPE = 10,
	/* of each writer: places outside of spaces, and in each of them */
	RAW = 2,
	STEADY = 2,
	CHURN = 6,
	/* IDs that come and go in waves, so that stores grow and shrink */
	WAVE = 256,
	WAVE_STEP = 16,
	SPACES = 3,
	/* of which tempo changes */
	TEMPO_MS = 80,
	/* elements of one writer on their way through the pipe */
	RETIRED = 64,
	/* cookies that have passed, kept for another look */
	PASSED = 16,
	/* callbacks of one faker under way */
	CALLBACKS = 32,
	/* pointers held in one section */
	HELD = 4,
};

#define ID_STEP 193
#define WAVE_ID_STEP 97
#define WAVE_FIRST 0x40000
#define ID_MAX 0xfffff

#define NO_DUEL UINT_MAX

enum { ALIVE = 0x600d0b1e, STALE = 0x57a1e000, POISON = 0x6b6b6b6b };

enum check { AGE, SPAN, CONTENT, RESULT, PASSED_POLL, CALLBACK, CHECKS };

/* What the harness itself does wrong, to see it caught. */
enum fault {
	NO_FAULT,
	/* one reader forgets the lock, or is quiescent while it holds */
	CARELESS_READER,
	/* elements of one place in another */
	WRONG_PLACE,
	/* a callback nobody will call */
	LOST_CALLBACK,
};

struct element {
	struct ioasid_rcu_head head;
	struct element *next;
	uint64_t cookie, ticket;
	ioasid_atomic_u32 age;
	ioasid_atomic_u32 canary, place, use;
};

enum kind { IN_RAW, IN_STEADY, IN_CHURN };

/* Where readers find elements. One writer changes it. */
struct place {
	enum kind kind;
	uint32_t number;
	ioasid_atomic_ptr raw;
	struct ioasid_space *space;
	ioasid_t id;
	/* the writer's; NULL: the ID is free */
	struct element *current;
};

struct thread {
	pthread_t thread;
	const char *role;
	unsigned int number;
	uint64_t random;
	bool careless;
	/* part in duels: 0 in all, or with a number, or NO_DUEL */
	unsigned int duel;
	/* for the watchdog */
	ioasid_atomic_u64 beats;
	ioasid_atomic_ptr doing;
	uint64_t seen;
	unsigned int still;
	/* of a reader */
	uint64_t ages[PIPE + 1];
	uint64_t sections, late, lookups;
	/* sections until a reader that comes and goes is through */
	unsigned int left;
};

enum method { SYNCHRONIZE, POLL, DEFER, METHODS };

struct writer {
	struct thread thread;
	enum method method;
	struct place *places;
	struct element *retired;
	unsigned int retired_count;
	uint64_t passed[PASSED];
	unsigned int passed_count;
	unsigned int wave[SPACES];
	uint64_t updates, grace_periods;
};

struct callback {
	struct ioasid_rcu_head head;
	uint64_t ticket;
	ioasid_atomic_u32 used;
};

struct faker {
	struct thread thread;
	struct callback callbacks[CALLBACKS];
	uint64_t grace_periods;
};

struct options {
	const char *flavour;
	double seconds;
	unsigned int readers, writers, fakers, comers;
	unsigned int stall;
	uint64_t seed;
};

struct run {
	const struct torture_flavour *flavour;
	enum fault fault;
	/* checks that are to catch something; then the run is over */
	unsigned int expect;
	/* a flavour or harness with a fault: races are the point */
	bool planted;
	bool reclaimer;
	/* one thread does everything; the depth of its sections */
	bool single;
	unsigned int depth;
	struct ioasid_rcu *rcu;
	struct ioasid_space *spaces[SPACES];
	unsigned int space_count;
	struct thread main, *readers, *comers;
	struct writer *writers;
	struct faker *fakers;
	struct place *places;
	uint32_t place_count;
	struct element *elements;
	size_t element_count;
	struct element filler;
	struct callback last;
	pthread_mutex_t mutex;
	struct element *pool, *stranded;
	uint32_t uses;
	/* by the domain */
	uint64_t begun;
	ioasid_atomic_u32 stop, watched;
	/*
	 * Long sleeps make long grace periods, and those hide errors: so a
	 * storm is followed by a calm, and that by a duel of one reader and
	 * one writer, by its place in @writers from 1 on.
	 */
	ioasid_atomic_u32 calm, duel;
	/* tickets of grace periods: drawn before they begin; over */
	ioasid_atomic_u64 drawn, over;
	ioasid_atomic_u64 deferred, called, blocks, came, trimmed;
	ioasid_atomic_u64 wrong[CHECKS];
	ioasid_atomic_ptr where[CHECKS];
};

extern struct options options;
extern struct run run;

_Noreturn void give_up(const char *what);
void wrong_at(enum check check, const char *where);

#define LINE_(line) #line
#define LINE(line) LINE_(line)
#define wrong(check) wrong_at(check, __FILE__ ":" LINE(__LINE__))
#define expect(right) ((right) ? (void)0 : wrong(RESULT))

static inline bool running(void)
{
	return !ioasid_load_relaxed(&run.stop);
}

static inline uint32_t below(struct thread *thread, uint32_t count)
{
	uint64_t x = thread->random += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)((x >> 32) * count >> 32);
}

static inline bool one_in(struct thread *thread, uint32_t count)
{
	return !below(thread, count);
}

/* NULL: the thread is through, and not watched any more. */
static inline void doing(struct thread *thread, const char *what)
{
	ioasid_store_relaxed(&thread->beats,
			     ioasid_load_relaxed(&thread->beats) + 1);
	ioasid_store_relaxed(&thread->doing, (void *)(uintptr_t)what);
}

/* Plain accesses, for the race detector to see what the library orders. */
static inline uint32_t peek(const ioasid_atomic_u32 *field)
{
	return run.planted ? ioasid_load_relaxed(field) : field->v;
}

static inline void poke(ioasid_atomic_u32 *field, uint32_t value)
{
	if (run.planted)
		ioasid_store_relaxed(field, value);
	else
		field->v = value;
}

/*
 * A section that began before a ticket was drawn ends before the ticket's
 * grace period does. Relaxed loads, so that only the library orders readers.
 */
static inline uint64_t draw(void)
{
	return ioasid_fetch_add_acq_rel(&run.drawn, 1) + 1;
}

static inline void over(uint64_t ticket)
{
	uint64_t seen = ioasid_load_relaxed(&run.over);

	while (seen < ticket && !ioasid_cas_acq_rel(&run.over, &seen, ticket))
		;
}

static inline void snooze(unsigned int microseconds)
{
	struct timespec time = {
		.tv_sec = microseconds / 1000000,
		.tv_nsec = (long)(microseconds % 1000000) * 1000,
	};

	nanosleep(&time, NULL);
}

static inline void spin(unsigned int turns)
{
	while (turns--)
		ioasid_compiler_barrier();
}

/* What a call that waits answers. */
static inline int wait_result(void)
{
	return run.single && run.depth ? -EDEADLK : 0;
}

static inline void quiescent(void)
{
	expect(!ioasid_rcu_quiescent(run.rcu));
}

/* readers.c */
void delay(struct thread *thread);
void section(struct thread *thread);
void rest(struct thread *thread);
void *reader_main(void *arg);
void *comer_main(void *arg);

/* writers.c */
struct element *element_new(uint32_t place);
void element_free(struct element *element);
bool occupy(struct ioasid_space *space, ioasid_t id, void *data);
void callback_called(struct ioasid_rcu_head *head);
void turn(struct thread *thread);
void *writer_main(void *arg);
void *faker_main(void *arg);

#endif /* IOASID_TEST_TORTURE_H */
