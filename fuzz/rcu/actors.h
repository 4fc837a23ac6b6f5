/* SPDX-License-Identifier: MIT */
#ifndef IOASID_FUZZ_ACTORS_H
#define IOASID_FUZZ_ACTORS_H

/*
 * Real threads of which one runs at a time, so that a sequence of calls on
 * several of them does the same each time. A thread hands its turn on where the
 * library would wait: the system's functions for that stand here, in front of
 * the C library's, and so does the clock, and what of the system may fail. The
 * threads that the library starts take turns as well.
 *
 * Include once, first of all.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fuzz/check.h"

/* Threads of the sequence, and of the library. */
#define ACTORS 6
#define WORKERS 16
/*
 * A turn takes no time: who has it still, so many times after a second or two,
 * waits for ever.
 */
#define HANG_LOOKS 15

enum end { STAYS, RETURNS, EXITS, CANCELLED };

struct actor {
	unsigned int index;
	pthread_t thread;
	sem_t turn;
	/* who gets the turn back; NULL: it has the say */
	struct actor *resumer;
	/* what it is to do next */
	void (*step)(void);
	/* there is a thread; it waits in a call; it is to leave what it serves */
	bool exists, waits, leave;
	/* it is to end so */
	enum end end;
	/* a thread of the library's */
	void *(*start)(void *arg);
	void *arg;
	bool ended, registers;
};

static struct actor actors[ACTORS + WORKERS];
static __thread struct actor *me;

/* What of the system fails. */
static struct {
	bool membarrier, futex, thread, specific, map, random;
	/* counts */
	unsigned int specifics;
} refused;

static uint64_t clock_now;

/* Called where the one that has the say would wait. */
static void (*have_say_wait)(void);

/* A sanitizer calls some of these where its own thread is not made yet. */
#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
/* It has to see what is written, and comes later. */
#define UNCHECKED
#endif
#endif
#ifdef UNCHECKED
#elif defined(__clang__)
/* ASan of clang 14, which AFL++ has, knows only the second. */
#define UNCHECKED                                         \
	__attribute__((disable_sanitizer_instrumentation, \
		       no_sanitize("address", "thread")))
#else
#define UNCHECKED __attribute__((no_sanitize("address", "thread")))
#endif

/* --- the C library's own, or a sanitizer's in front of it --- */

UNCHECKED static void (*next_of(const char *name))(void)
{
	void *found = dlsym(RTLD_NEXT, name);
	void (*func)(void);

	memcpy(&func, &found, sizeof(func));
	return func;
}

#define REAL(type, name, parameters)                                          \
	type __interceptor_##name parameters __attribute__((weak));           \
	typedef type name##_type parameters;                                  \
	UNCHECKED static name##_type *real_##name(void)                       \
	{                                                                     \
		static name##_type *known;                                    \
		name##_type *found =                                          \
			__atomic_load_n(&known, __ATOMIC_RELAXED);            \
                                                                              \
		if (found)                                                    \
			return found;                                         \
		found = __interceptor_##name ? __interceptor_##name :         \
					       (name##_type *)next_of(#name); \
		__atomic_store_n(&known, found, __ATOMIC_RELAXED);            \
		return found;                                                 \
	}

REAL(int, pthread_create,
     (pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))
REAL(int, pthread_join, (pthread_t, void **))
REAL(int, pthread_cond_wait, (pthread_cond_t *, pthread_mutex_t *))
REAL(int, pthread_cond_timedwait,
     (pthread_cond_t *, pthread_mutex_t *, const struct timespec *))
REAL(int, pthread_setspecific, (pthread_key_t, const void *))
REAL(int, clock_gettime, (clockid_t, struct timespec *))
REAL(int, nanosleep, (const struct timespec *, struct timespec *))
REAL(int, sched_yield, (void))
REAL(void *, mmap, (void *, size_t, int, int, int, off_t))
REAL(long, syscall, (long, ...))

/*
 * LeakSanitizer looks at the process with its own locks held, and calls some of
 * these: to find them takes memory, and so those locks.
 */
__attribute__((constructor)) UNCHECKED static void find_real(void)
{
	(void)real_clock_gettime();
	(void)real_nanosleep();
	(void)real_sched_yield();
	(void)real_mmap();
	(void)real_syscall();
}

/* A thread of the library's that one waits for in a loop; or NULL. */
static __thread struct actor *awaited;

/* --- turns --- */

/* @say: it has the say, so that what it waits for takes no time. */
static void wait_turn(bool say)
{
	struct timespec until;
	unsigned int looks = 0;
	int cancel, ret;
	bool hangs;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	do {
		/* A stop of the whole machine is over with one look. */
		until = (struct timespec){ .tv_sec = time(NULL) + 2 };
		ret = say ? sem_timedwait(&me->turn, &until) :
			    sem_wait(&me->turn);
	} while (ret && (errno == EINTR ||
			 (errno == ETIMEDOUT && ++looks < HANG_LOOKS)));
	hangs = ret != 0;
	CHECK(!hangs);
	pthread_setcancelstate(cancel, &cancel);
}

static void resume(struct actor *actor)
{
	bool say = !me->resumer;

	actor->resumer = me;
	sem_post(&actor->turn);
	wait_turn(say);
}

static void give_back(void)
{
	sem_post(&me->resumer->turn);
	wait_turn(false);
}

/* In a call that waits: others go on. */
static void let_others(void)
{
	me->waits = true;
	if (me->resumer)
		give_back();
	else
		have_say_wait();
	me->waits = false;
}

static void end_if_told(void)
{
	if (me->end == CANCELLED)
		pthread_testcancel();
	if (me->end != STAYS)
		pthread_exit(NULL);
}

/* Does what it is told, until it is to leave. Not for who has the say. */
static void serve(void)
{
	while (!me->leave) {
		give_back();
		end_if_told();
		if (!me->leave)
			me->step();
	}
	me->leave = false;
}

static void *actor_main(void *arg)
{
	me = arg;
	wait_turn(false);
	for (;;) {
		if (me->end == RETURNS)
			return NULL;
		end_if_told();
		me->step();
		give_back();
	}
}

static void actor_begin(struct actor *actor)
{
	/* Until it is resumed for the first time. */
	actor->resumer = me;
	actor->waits = actor->leave = false;
	actor->end = STAYS;
	CHECK(!real_pthread_create()(&actor->thread, NULL, actor_main, actor));
	actor->exists = true;
}

static void actor_end(struct actor *actor, enum end how)
{
	actor->end = how;
	if (how == CANCELLED)
		CHECK(!pthread_cancel(actor->thread));
	sem_post(&actor->turn);
	CHECK(!real_pthread_join()(actor->thread, NULL));
	actor->exists = false;
}

/* On the thread that has the say from now on. */
static void actors_init(void)
{
	for (unsigned int i = 0; i < ACTORS + WORKERS; i++) {
		actors[i].index = i;
		sem_init(&actors[i].turn, 0, 0);
	}
	me = &actors[0];
	me->exists = true;
}

/* In a child of fork: no other is there. */
static void actors_alone(void)
{
	for (unsigned int i = 0; i < ACTORS + WORKERS; i++) {
		if (&actors[i] == me)
			continue;
		actors[i] = (struct actor){ .index = i };
		sem_init(&actors[i].turn, 0, 0);
	}
	me->resumer = NULL;
}

/* --- in front of the C library's --- */

static void *worker_begin(void *arg)
{
	me = arg;
	wait_turn(false);
	me->registers = !refused.specific;
	me->start(me->arg);
	me->ended = true;
	/* The other does nothing but wait for the end of this thread. */
	sem_post(&me->resumer->turn);
	return NULL;
}

UNCHECKED int pthread_create(pthread_t *thread,
			     const pthread_attr_t *attributes,
			     void *(*start)(void *arg), void *arg)
{
	struct actor *actor = &actors[ACTORS];

	if (!me)
		return real_pthread_create()(thread, attributes, start, arg);
	while (actor < &actors[ACTORS + WORKERS] && actor->exists)
		actor++;
	if (refused.thread || actor == &actors[ACTORS + WORKERS])
		return EAGAIN;
	actor->start = start;
	actor->arg = arg;
	actor->ended = actor->waits = actor->registers = false;
	actor->exists = true;
	actor->resumer = me;
	CHECK(!real_pthread_create()(&actor->thread, attributes, worker_begin,
				     actor));
	*thread = actor->thread;
	return 0;
}

UNCHECKED int pthread_join(pthread_t thread, void **result)
{
	struct actor *actor = &actors[ACTORS];
	unsigned int turns = 0;
	int ret;

	while (me && actor < &actors[ACTORS + WORKERS] &&
	       !(actor->exists && pthread_equal(actor->thread, thread)))
		actor++;
	if (!me || actor == &actors[ACTORS + WORKERS])
		return real_pthread_join()(thread, result);
	while (!actor->ended) {
		CHECK(turns++ < 1000);
		resume(actor);
	}
	ret = real_pthread_join()(thread, result);
	actor->exists = false;
	return ret;
}

UNCHECKED int pthread_cond_wait(pthread_cond_t *condition,
				pthread_mutex_t *mutex)
{
	if (!me)
		return real_pthread_cond_wait()(condition, mutex);
	pthread_mutex_unlock(mutex);
	let_others();
	pthread_mutex_lock(mutex);
	return 0;
}

UNCHECKED int pthread_cond_timedwait(pthread_cond_t *condition,
				     pthread_mutex_t *mutex,
				     const struct timespec *until)
{
	if (!me)
		return real_pthread_cond_timedwait()(condition, mutex, until);
	pthread_mutex_unlock(mutex);
	let_others();
	pthread_mutex_lock(mutex);
	return ETIMEDOUT;
}

UNCHECKED int pthread_setspecific(pthread_key_t key, const void *value)
{
	/* A sanitizer of its own asks at the end of a thread. */
	if (me && me->end == STAYS && !me->ended && refused.specific) {
		refused.specifics++;
		return ENOMEM;
	}
	return real_pthread_setspecific()(key, value);
}

UNCHECKED int clock_gettime(clockid_t clock, struct timespec *now)
{
	/* A fuzzer looks at the other clock, also in a handler of signals. */
	if (!me || clock != CLOCK_MONOTONIC)
		return real_clock_gettime()(clock, now);
	now->tv_sec = (time_t)(1000 + clock_now / 1000000000u);
	now->tv_nsec = (long)(clock_now++ % 1000000000u);
	return 0;
}

UNCHECKED int sched_yield(void)
{
	if (!me)
		return real_sched_yield()();
	clock_now += 1000;
	let_others();
	return 0;
}

UNCHECKED int nanosleep(const struct timespec *time, struct timespec *left)
{
	if (!me)
		return real_nanosleep()(time, left);
	clock_now += (uint64_t)time->tv_nsec;
	let_others();
	return 0;
}

UNCHECKED void *mmap(void *at, size_t size, int protection, int flags, int file,
		     off_t offset)
{
	if (me && refused.map) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return real_mmap()(at, size, protection, flags, file, offset);
}

static long play_membarrier(long command)
{
	/* QUERY, and of private commands EXPEDITED and its registration. */
	enum { QUERY = 0, EXPEDITED = 1 << 3, REGISTER = 1 << 4 };

	if (refused.membarrier) {
		errno = EPERM;
		return -1;
	}
	return command == QUERY ? EXPEDITED | REGISTER : 0;
}

enum { WAIT_PRIVATE = 128 };

static long play_futex(const uint32_t *word, long operation, long value)
{
	if (refused.futex) {
		errno = EPERM;
		return -1;
	}
	if (operation != WAIT_PRIVATE)
		return 0;
	if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != (uint32_t)value) {
		errno = EAGAIN;
		return -1;
	}
	let_others();
	return 0;
}

static long play_random(uint64_t *number)
{
	if (refused.random) {
		errno = ENOSYS;
		return -1;
	}
	*number = UINT64_C(0x9e3779b97f4a7c15) * ++clock_now;
	return (long)sizeof(*number);
}

static bool is_futex(long number, long operation)
{
#if defined(SYS_futex_time64)
	/* Of 32 bits, where sanitizers wake their own waiters by syscall() too. */
	return (number == SYS_futex || number == SYS_futex_time64) &&
	       operation == WAIT_PRIVATE;
#else
	(void)operation;
	return number == SYS_futex;
#endif
}

UNCHECKED long syscall(long number, ...)
{
	long arg[6];
	va_list list;

	va_start(list, number);
	for (unsigned int i = 0; i < 6; i++)
		arg[i] = va_arg(list, long);
	va_end(list);
	if (me && number == SYS_membarrier)
		return play_membarrier((int)arg[0]);
	if (me && is_futex(number, arg[1]))
		return play_futex((const uint32_t *)arg[0], (int)arg[1],
				  arg[2]);
	if (me && number == SYS_getrandom)
		return play_random((uint64_t *)arg[0]);
	return real_syscall()(number, arg[0], arg[1], arg[2], arg[3], arg[4],
			      arg[5]);
}

#endif /* IOASID_FUZZ_ACTORS_H */
