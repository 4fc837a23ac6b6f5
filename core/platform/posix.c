/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "system.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "util.h"

#ifndef __linux__
/* What the systems beside Linux are not asked for. */

bool ioasid_membarrier_register(void)
{
	return false;
}

bool ioasid_membarrier(void)
{
	return false;
}

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
	uint64_t number;

	if (ioasid_entropy(&number))
		return number;
	timespec_get(&now, TIME_UTC);
	return ioasid_mix((uint64_t)(uintptr_t)salt ^
			  (uint64_t)now.tv_nsec << 32 ^ (uint64_t)now.tv_sec);
}

static pthread_once_t exit_once = PTHREAD_ONCE_INIT;
static pthread_key_t exit_key;
static bool exit_key_made;

static void exit_destructor(void *value)
{
	((const struct ioasid_exit_hook *)value)->func();
}

static void exit_init(void)
{
	exit_key_made = !pthread_key_create(&exit_key, exit_destructor);
}

bool ioasid_at_thread_exit(const struct ioasid_exit_hook *hook)
{
	pthread_once(&exit_once, exit_init);
	return exit_key_made && !pthread_setspecific(exit_key, hook);
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
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	memcpy(before, &old, sizeof(old));
}

void ioasid_signals_restore(const struct ioasid_signals *before)
{
	sigset_t old;

	memcpy(&old, before, sizeof(old));
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
static bool fork_ready;
static ioasid_atomic_ptr fork_hooks[IOASID_FORK_LAYERS];
/* Those that were prepared on this thread: more may come meanwhile. */
static IOASID_TLS const struct ioasid_fork_hook *prepared[IOASID_FORK_LAYERS];

static void fork_prepare(void)
{
	for (int i = IOASID_FORK_LAYERS; i--;) {
		prepared[i] = ioasid_load_acquire(&fork_hooks[i]);
		if (prepared[i])
			prepared[i]->prepare();
	}
}

static void fork_parent(void)
{
	for (int i = 0; i < IOASID_FORK_LAYERS; i++)
		if (prepared[i])
			prepared[i]->parent();
}

static void fork_child(void)
{
	for (int i = 0; i < IOASID_FORK_LAYERS; i++)
		if (prepared[i])
			prepared[i]->child();
}

static void fork_init(void)
{
	fork_ready = !pthread_atfork(fork_prepare, fork_parent, fork_child);
}

bool ioasid_at_fork(enum ioasid_fork_layer layer,
		    const struct ioasid_fork_hook *hook)
{
	pthread_once(&fork_once, fork_init);
	if (fork_ready && !ioasid_load_relaxed(&fork_hooks[layer]))
		ioasid_store_release(&fork_hooks[layer],
				     (void *)(uintptr_t)hook);
	return fork_ready;
}

void ioasid_worker_init(struct ioasid_worker *worker,
			void (*func)(struct ioasid_worker *worker))
{
	pthread_condattr_t attributes;

	*worker = (struct ioasid_worker){ .func = func };
	pthread_mutex_init(&worker->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&worker->changed, &attributes);
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

	pthread_mutex_lock(&worker->mutex);
	worker->woken = true;
	if (!worker->started) {
		ioasid_signals_block(&before);
		worker->started = !pthread_create(&worker->thread, NULL,
						  worker_main, worker);
		ioasid_signals_restore(&before);
	}
	started = worker->started;
	pthread_cond_signal(&worker->changed);
	pthread_mutex_unlock(&worker->mutex);
	return started;
}

void ioasid_worker_sleep(struct ioasid_worker *worker, uint64_t ns)
{
	uint64_t end = ioasid_clock() + ns;
	struct timespec until = { .tv_sec = (time_t)(end / 1000000000u),
				  .tv_nsec = (long)(end % 1000000000u) };

	pthread_mutex_lock(&worker->mutex);
	while (!worker->woken && !worker->stopped) {
		if (!ns)
			pthread_cond_wait(&worker->changed, &worker->mutex);
		else if (pthread_cond_timedwait(&worker->changed,
						&worker->mutex, &until))
			break;
	}
	worker->woken = false;
	pthread_mutex_unlock(&worker->mutex);
}

bool ioasid_worker_child(struct ioasid_worker *worker)
{
	bool started = worker->started &&
		       pthread_equal(worker->thread, pthread_self());

	ioasid_worker_init(worker, worker->func);
	worker->started = started;
	return started;
}

bool ioasid_worker_stopped(struct ioasid_worker *worker)
{
	bool stopped;

	pthread_mutex_lock(&worker->mutex);
	stopped = worker->stopped;
	pthread_mutex_unlock(&worker->mutex);
	return stopped;
}

void ioasid_worker_stop(struct ioasid_worker *worker)
{
	int cancel = ioasid_cancel_disable();
	bool started;

	pthread_mutex_lock(&worker->mutex);
	worker->stopped = true;
	started = worker->started;
	pthread_cond_signal(&worker->changed);
	pthread_mutex_unlock(&worker->mutex);
	if (started)
		pthread_join(worker->thread, NULL);
	ioasid_cancel_restore(cancel);
	pthread_cond_destroy(&worker->changed);
	pthread_mutex_destroy(&worker->mutex);
}
