/* SPDX-License-Identifier: MIT */
#ifndef IOASID_TEST_PORTABLE_PTHREAD_H
#define IOASID_TEST_PORTABLE_PTHREAD_H

/*
 * For suites on a target without threads: what their one thread needs of
 * <pthread.h>. What would start another or wait for one ends the program, so a
 * case that needs threads cannot pass here.
 */
#include <stdio.h>
#include <stdlib.h>

static inline _Noreturn void no_threads(const char *what)
{
	fflush(stdout);
	fprintf(stderr, "%s() on a target without threads\n", what);
	abort();
}

/* By other names, as <sys/types.h> may have the types. */
typedef int no_thread;
typedef struct {
	int held;
} no_mutex;
typedef int no_cond;

#define pthread_t no_thread
#define pthread_mutex_t no_mutex
#define pthread_cond_t no_cond
#define pthread_barrier_t no_cond

#define PTHREAD_MUTEX_INITIALIZER { 0 }
#define PTHREAD_COND_INITIALIZER 0
#define PTHREAD_CANCELED ((void *)-1)

#define pthread_self() 1
#define pthread_equal(a, b) ((a) == (b))
#define pthread_testcancel() ((void)0)
#define pthread_mutex_init(mutex, attributes) ((mutex)->held = 0)
#define pthread_mutex_destroy(mutex) ((void)(mutex))
#define pthread_cond_init(condition, attributes) (*(condition) = 0)
#define pthread_cond_destroy(condition) ((void)(condition))
#define pthread_cond_broadcast(condition) ((void)(condition))

static inline int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	if (mutex->held++)
		no_threads("pthread_mutex_lock");
	return 0;
}

static inline int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	if (mutex->held-- != 1)
		no_threads("pthread_mutex_unlock");
	return 0;
}

static inline int pthread_cond_wait(pthread_cond_t *condition,
				    pthread_mutex_t *mutex)
{
	(void)condition;
	(void)mutex;
	no_threads("pthread_cond_wait");
}

static inline int pthread_create(pthread_t *thread, const void *attributes,
				 void *(*func)(void *arg), void *arg)
{
	(void)thread;
	(void)attributes;
	(void)func;
	(void)arg;
	no_threads("pthread_create");
}

static inline int pthread_join(pthread_t thread, void **result)
{
	(void)thread;
	(void)result;
	no_threads("pthread_join");
}

static inline int pthread_cancel(pthread_t thread)
{
	(void)thread;
	no_threads("pthread_cancel");
}

static inline int pthread_barrier_wait(pthread_barrier_t *barrier)
{
	(void)barrier;
	no_threads("pthread_barrier_wait");
}

#define pthread_barrier_init(barrier, attributes, count) (*(barrier) = (count))
#define pthread_barrier_destroy(barrier) ((void)(barrier))

#endif /* IOASID_TEST_PORTABLE_PTHREAD_H */
