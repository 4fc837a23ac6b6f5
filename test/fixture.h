/* SPDX-License-Identifier: MIT */
#ifndef IOASID_TEST_FIXTURE_H
#define IOASID_TEST_FIXTURE_H

/* What all suites share: the stores and flavours there are, counted memory. */

/* Include first: threads and clocks. */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ioasid/space.h>

#include "test/toy_rcu.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* For threads that are not cmocka's, and for what cannot go on. */
#define CHECK(condition)                                             \
	do {                                                         \
		if (!(condition))                                    \
			test_failed(__FILE__, __LINE__, #condition); \
	} while (0)

_Noreturn void test_failed(const char *file, int line, const char *what);

#ifdef __has_feature
#define TEST_HAS(feature) __has_feature(feature)
#else
#define TEST_HAS(feature) 0
#endif
#define TEST_MSAN TEST_HAS(memory_sanitizer)
#define TEST_TSAN TEST_HAS(thread_sanitizer)
#define TEST_SANITIZED (TEST_MSAN || TEST_TSAN || TEST_HAS(address_sanitizer))
/* What is slower, such builds and emulated ones, is asked to do less. */
#ifndef TEST_LIGHT
#define TEST_LIGHT TEST_SANITIZED
#endif

/*
 * What a target has not, its build says: threads; processes, signals and
 * protected pages. Cases that need them are left out, which the suite prints.
 */
#ifndef TEST_THREADS
#define TEST_THREADS 1
#endif
#ifndef TEST_POSIX
#define TEST_POSIX 1
#endif
/* Threads that a child of fork() starts: more than qemu-user 7 can do. */
#ifndef TEST_CHILD_THREADS
#define TEST_CHILD_THREADS 1
#endif
#define TEST_FORKS (TEST_POSIX && !TEST_TSAN)

/* Memory hooks that count, check sizes, poison what is freed, and fail. */
struct test_memory {
	pthread_mutex_t mutex;
	size_t bytes;
	uint64_t calls;
	/* the call that fails, from 1; 0: none */
	uint64_t fail_at;
	bool fail_all;
	uint64_t failed;
	/* a size or hook that is not the block's */
	bool damaged;
};

/* Bytes before each block. */
#define TEST_MEMORY_HEADER IOASID_CACHE_LINE

void test_memory_init(struct test_memory *memory);
struct ioasid_memory test_memory_hooks(struct test_memory *memory,
				       bool reserve);
/* All that was allocated is back. */
void test_memory_done(struct test_memory *memory);

struct test_store {
	const char *name;
	enum ioasid_store_kind kind;
	const struct ioasid_store_ops *ops;
	/* the most IDs it is tried with */
	uint32_t ids_max;
	/* why this build has it not, or NULL */
	const char *left_out;
};

#define TEST_STORES 4
extern const struct test_store test_stores[TEST_STORES];
extern const struct ioasid_store_ops array_store_ops;

struct test_flavour {
	const char *name;
	enum ioasid_rcu_flavour flavour;
	bool no_membarrier;
	const struct ioasid_rcu_ops *ops;
	/* many threads may use it */
	bool threads;
	/* a thread online is in a section until it says otherwise */
	bool qsbr_like;
	/* readers are the process's, and grace periods end a while later */
	bool process_wide;
	/* a child of fork may use it, whatever other threads were at */
	bool forks;
	/* what the program does about that itself, or NULL */
	void (*fork_prepare)(void);
	void (*fork_parent)(void);
	void (*fork_child)(void);
	/* handlers of signals may look IDs up */
	bool signals;
	/* why this build has it not, or NULL */
	const char *left_out;
};

enum {
	FLAVOUR_EPOCH,
	FLAVOUR_FENCE,
	FLAVOUR_QSBR,
	FLAVOUR_NONE,
	FLAVOUR_CUSTOM,
	FLAVOUR_TOY,
	FLAVOUR_URCU_MEMB,
	FLAVOUR_URCU_QSBR,
	FLAVOUR_URCU_BP,
	TEST_FLAVOURS,
};

extern const struct test_flavour test_flavours[TEST_FLAVOURS];

/* ops_context of the custom flavour: counts, on a domain of its own. */
struct test_custom {
	struct ioasid_rcu *inner;
	ioasid_atomic_u32 calls;
	int register_error;
};

struct fixture {
	const struct test_store *store;
	const struct test_flavour *flavour;
	struct test_memory memory;
	struct test_custom custom;
	struct toy_rcu toy;
	/* 0: always the same */
	uint64_t hash_seed;
	struct ioasid_rcu *rcu;
	struct ioasid_space *space;
};

/* Fills in what @fixture needs, to be changed before the create calls. */
void fixture_rcu_config(struct fixture *fixture,
			struct ioasid_rcu_config *config);
void fixture_space_config(struct fixture *fixture,
			  struct ioasid_space_config *config, ioasid_t min,
			  ioasid_t max);
/* A domain with the calling thread registered; a space; both away again. */
void fixture_rcu(struct fixture *fixture);
void fixture_rcu_done(struct fixture *fixture);
void fixture_space(struct fixture *fixture, ioasid_t min, ioasid_t max);
void fixture_done(struct fixture *fixture);

/* A case is run for each of the stores, or flavours, or both, or once. */
enum {
	PER_STORE = 1,
	PER_FLAVOUR = 2,
	NO_SPACE = 4,
	NO_RCU = 8,
	/* only flavours of which this holds */
	THREADS = 16,
	BUILT_IN = 32,
	QSBR_LIKE = 64,
	FORKS = 128,
	SIGNALS = 256,
	PROCESS_WIDE = 512,
};

struct test_case {
	const char *name;
	void (*func)(struct fixture *fixture);
	unsigned int per;
};

#define CASE(func, per) { #func, func, per }

/*
 * @per without PER_STORE: radix; without PER_FLAVOUR: epoch; or the first that is
 * there. Says which stores and flavours are left out.
 */
int test_run(const char *name, const struct test_case *cases, size_t count);

/* Quick, repeatable numbers. */
struct test_random {
	uint64_t state;
};

static inline uint32_t test_random(struct test_random *random)
{
	uint64_t x = random->state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)(x >> 32);
}

static inline uint32_t test_below(struct test_random *random, uint32_t count)
{
	return (uint32_t)((uint64_t)test_random(random) * count >> 32);
}

/* A thread that does what it is told, one function at a time. */
struct actor {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	void (*func)(void *arg);
	void *arg;
	bool end;
};

void actor_begin(struct actor *actor);
void actor_start(struct actor *actor, void (*func)(void *arg), void *arg);
/* Is it through with what was started, within that time? */
bool actor_done(struct actor *actor, double seconds);
/* Start, and wait for as long as it takes. */
void actor_do(struct actor *actor, void (*func)(void *arg), void *arg);
/* The thread exits. */
void actor_end(struct actor *actor);

/* Long enough to see a wait; too long for one that should have ended. */
#define A_WHILE 0.05
#define TOO_LONG 60.0

/* Seconds of a clock that only goes forward. */
double test_now(void);
void test_sleep(double seconds);

#endif /* IOASID_TEST_FIXTURE_H */
