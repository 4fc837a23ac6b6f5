/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "system.h"

#ifdef IOASID_PLATFORM_POSIX
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "util.h"

/*
 * The key of the exit hook is this one or the next that is free. glibc takes
 * memory for later ones in each thread, which a signal handler must not.
 */
#ifdef __GLIBC__
#define HIGH_KEY 31
#elif defined(PTHREAD_KEYS_MAX)
#define HIGH_KEY (PTHREAD_KEYS_MAX - 1)
#else
#define HIGH_KEY 127
#endif

void ioasid_mutex_init(struct ioasid_mutex *mutex)
{
	pthread_mutex_init(&mutex->mutex, NULL);
}

void ioasid_mutex_destroy(struct ioasid_mutex *mutex)
{
	pthread_mutex_destroy(&mutex->mutex);
}

void ioasid_mutex_lock(struct ioasid_mutex *mutex)
{
	pthread_mutex_lock(&mutex->mutex);
}

bool ioasid_mutex_try(struct ioasid_mutex *mutex)
{
	return !pthread_mutex_trylock(&mutex->mutex);
}

void ioasid_mutex_unlock(struct ioasid_mutex *mutex)
{
	pthread_mutex_unlock(&mutex->mutex);
}

#ifndef IOASID_PLATFORM_LINUX
bool ioasid_entropy(uint64_t *number)
{
	(void)number;
	return false;
}
#endif

int ioasid_cancel_disable(void)
{
	int before;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	return before;
}

void ioasid_cancel_restore(int before)
{
	pthread_setcancelstate(before, &before);
}

void ioasid_backoff(unsigned int round)
{
	struct timespec pause = { 0, 0 };
	int cancel;

	if (round < 20) {
		sched_yield();
		return;
	}
	pause.tv_nsec = round < 200 ? 20000 : 500000;
	cancel = ioasid_cancel_disable();
	nanosleep(&pause, NULL);
	ioasid_cancel_restore(cancel);
}

uint64_t ioasid_random(const void *salt)
{
	struct timespec now;
	uint64_t number = 0;

	if (ioasid_entropy(&number))
		return number;
	timespec_get(&now, TIME_UTC);
	return ioasid_mix((uint64_t)(uintptr_t)salt ^
			  (uint64_t)now.tv_nsec << 32 ^ (uint64_t)now.tv_sec);
}

/* The key and 1, or 0: not made. */
static ioasid_atomic_u32 exit_key;

static void exit_destructor(void *value)
{
	((const struct ioasid_exit_hook *)value)->func();
}

/*
 * C libraries call destructors in the order of their keys, and hand out the
 * lowest that is free, or the next. So one from far up has its turn after those
 * of the program: what uses the library first in the last round of a thread's
 * destructors is still followed by this one.
 */
static bool key_create(pthread_key_t *key)
{
	pthread_key_t made[HIGH_KEY + 1];
	unsigned int count = 0;

	while (count <= HIGH_KEY &&
	       !pthread_key_create(&made[count], exit_destructor))
		if (made[count++] >= HIGH_KEY)
			break;
	if (!count)
		return false;
	*key = made[--count];
	while (count)
		pthread_key_delete(made[--count]);
	return true;
}

/* 0: no memory. Several threads may come at once, or a handler in between. */
static uint32_t exit_key_make(void)
{
	uint32_t known = ioasid_load_acquire(&exit_key), made;
	pthread_key_t key;

	if (known || !key_create(&key))
		return known;
	made = (uint32_t)key + 1;
	if (ioasid_cas_acq_rel(&exit_key, &known, made))
		return made;
	pthread_key_delete(key);
	return known;
}

bool ioasid_at_thread_exit(const struct ioasid_exit_hook *hook)
{
	static IOASID_TLS bool under_way;
	uint32_t key;
	bool done;

	if (under_way)
		return false;
	under_way = true;
	ioasid_compiler_barrier();
	key = exit_key_make();
	done = key && !pthread_setspecific((pthread_key_t)(key - 1), hook);
	ioasid_compiler_barrier();
	under_way = false;
	return done;
}

uint64_t ioasid_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

_Static_assert(sizeof(struct ioasid_signals) >= sizeof(sigset_t),
	       "room for a set of signals");

void ioasid_signals_block(struct ioasid_signals *before)
{
	static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL,
				   SIGTRAP, SIGSYS, SIGABRT };
	sigset_t most, old;

	sigfillset(&most);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		sigdelset(&most, own[i]);
	/* Blocked they stay as they are. */
	pthread_sigmask(SIG_BLOCK, &most, &old);
	memcpy(before, &old, sizeof(old));
}

void ioasid_signals_restore(const struct ioasid_signals *before)
{
	sigset_t old;

	memcpy(&old, before, sizeof(old));
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static ioasid_atomic_u32 fork_registered;
static ioasid_atomic_ptr fork_hooks[IOASID_FORK_LAYERS];
/* Held by the thread that forks, from prepare on. */
static pthread_mutex_t fork_mutex = PTHREAD_MUTEX_INITIALIZER;
/* Forks that the thread is inside of. */
static IOASID_TLS unsigned int forking;
/* Those that were prepared on this thread: more may come meanwhile. */
static IOASID_TLS const struct ioasid_fork_hook *prepared[IOASID_FORK_LAYERS];

static void fork_prepare(void)
{
	if (!forking)
		pthread_mutex_lock(&fork_mutex);
	for (int i = IOASID_FORK_LAYERS; i--;) {
		prepared[i] = ioasid_load_acquire(&fork_hooks[i]);
		if (prepared[i])
			prepared[i]->prepare();
	}
	forking++;
}

static void fork_parent(void)
{
	for (int i = 0; i < IOASID_FORK_LAYERS; i++)
		if (prepared[i])
			prepared[i]->parent();
	if (!--forking)
		pthread_mutex_unlock(&fork_mutex);
}

static void fork_child(void)
{
	for (int i = 0; i < IOASID_FORK_LAYERS; i++)
		if (prepared[i])
			prepared[i]->child();
	pthread_mutex_init(&fork_mutex, NULL);
	if (--forking)
		pthread_mutex_lock(&fork_mutex);
}

bool ioasid_forking(void)
{
	return forking != 0;
}

void ioasid_fork_wait(unsigned int round)
{
	pthread_mutex_unlock(&fork_mutex);
	ioasid_backoff(round);
	pthread_mutex_lock(&fork_mutex);
}

bool ioasid_at_fork(enum ioasid_fork_layer layer,
		    const struct ioasid_fork_hook *hook)
{
	/*
	 * Without a lock, which a child of fork could find taken. Threads that
	 * come at once register twice: the one fork is then inside the other.
	 */
	if (!ioasid_load_acquire(&fork_registered)) {
		if (pthread_atfork(fork_prepare, fork_parent, fork_child))
			return false;
		ioasid_store_release(&fork_registered, 1);
	}
	if (!ioasid_load_relaxed(&fork_hooks[layer]))
		ioasid_store_release(&fork_hooks[layer],
				     (void *)(uintptr_t)hook);
	return true;
}

void ioasid_worker_init(struct ioasid_worker *worker,
			void (*func)(struct ioasid_worker *worker))
{
	pthread_condattr_t attributes;

	*worker = (struct ioasid_worker){ .func = func };
	ioasid_mutex_init(&worker->mutex);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&worker->thread.changed, &attributes);
	pthread_condattr_destroy(&attributes);
}

static void *worker_main(void *arg)
{
	struct ioasid_worker *worker = arg;

	worker->func(worker);
	return NULL;
}

bool ioasid_worker_wake(struct ioasid_worker *worker)
{
	struct ioasid_signals before;
	bool started;

	/* The mutex may be held by a thread that the child does not have. */
	if (ioasid_forking())
		return false;
	ioasid_mutex_lock(&worker->mutex);
	worker->woken = true;
	if (!worker->started) {
		ioasid_signals_block(&before);
		worker->started = !pthread_create(&worker->thread.thread, NULL,
						  worker_main, worker);
		ioasid_signals_restore(&before);
	}
	started = worker->started;
	pthread_cond_signal(&worker->thread.changed);
	ioasid_mutex_unlock(&worker->mutex);
	return started;
}

void ioasid_worker_sleep(struct ioasid_worker *worker, uint64_t ns)
{
	uint64_t end = ioasid_clock() + ns;
	struct timespec until = { .tv_sec = (time_t)(end / 1000000000u),
				  .tv_nsec = (long)(end % 1000000000u) };

	ioasid_mutex_lock(&worker->mutex);
	while (!worker->woken && !worker->stopped) {
		if (!ns)
			pthread_cond_wait(&worker->thread.changed,
					  &worker->mutex.mutex);
		else if (pthread_cond_timedwait(&worker->thread.changed,
						&worker->mutex.mutex, &until))
			break;
	}
	worker->woken = false;
	ioasid_mutex_unlock(&worker->mutex);
}

bool ioasid_worker_child(struct ioasid_worker *worker)
{
	bool started = worker->started &&
		       pthread_equal(worker->thread.thread, pthread_self());

	ioasid_worker_init(worker, worker->func);
	worker->started = started;
	return started;
}

bool ioasid_worker_stopped(struct ioasid_worker *worker)
{
	bool stopped;

	ioasid_mutex_lock(&worker->mutex);
	stopped = worker->stopped;
	ioasid_mutex_unlock(&worker->mutex);
	return stopped;
}

void ioasid_worker_stop(struct ioasid_worker *worker)
{
	int cancel = ioasid_cancel_disable();
	bool started;

	ioasid_mutex_lock(&worker->mutex);
	worker->stopped = true;
	started = worker->started;
	pthread_cond_signal(&worker->thread.changed);
	ioasid_mutex_unlock(&worker->mutex);
	if (started)
		pthread_join(worker->thread.thread, NULL);
	ioasid_cancel_restore(cancel);
	pthread_cond_destroy(&worker->thread.changed);
	ioasid_mutex_destroy(&worker->mutex);
}
#else
/* ISO C wants something in every file. */
typedef int ioasid_not_posix;
#endif
