// SPDX-License-Identifier: MIT
/* Grace periods by liburcu's qsbr flavour, one for a batch of frees. */
#define _LGPL_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <urcu/urcu-qsbr.h>

#include "bench/peers/linux/linux_ioasid.h"
#include "bench/peers/linux/memory.h"

struct batch {
	struct batch *next;
	struct linux_shim_pending content;
};

struct linux_shim_pending linux_shim_pending;

static size_t handed_over; /* objects; under the lock of ioasid.c */
static size_t freed; /* of these; atomic */

static pthread_once_t reclaimer = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
static pthread_cond_t done = PTHREAD_COND_INITIALIZER;
static struct batch *queue; /* whose grace period has not begun */
static bool busy;

/* Threads online; the mutex keeps more from coming online. */
static pthread_mutex_t online_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int online_count;
static __thread bool online;

static void run_batch(struct batch *batch)
{
	struct linux_shim_link *call = batch->content.calls.head;

	while (call) {
		struct linux_shim_link *const next = call->next;

		call->func(call);
		call = next;
	}
	linux_shim_give(&linux_shim_small, batch->content.objects.head);
	__atomic_fetch_add(&freed, batch->content.objects.count,
			   __ATOMIC_RELAXED);
	free(batch);
}

static void *reclaim(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&lock);
	for (;;) {
		struct batch *batch = queue;

		queue = NULL;
		busy = batch != NULL;
		if (!batch) {
			pthread_cond_broadcast(&done);
			pthread_cond_wait(&work, &lock);
			continue;
		}
		pthread_mutex_unlock(&lock);
		urcu_qsbr_synchronize_rcu();
		while (batch) {
			struct batch *const next = batch->next;

			run_batch(batch);
			batch = next;
		}
		pthread_mutex_lock(&lock);
	}
	return NULL;
}

static void start_reclaimer(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, reclaim, NULL) != 0)
		abort();
	pthread_detach(thread);
}

static void enqueue(struct batch *batch)
{
	bool wake;

	pthread_once(&reclaimer, start_reclaimer);
	pthread_mutex_lock(&lock);
	batch->next = queue;
	queue = batch;
	wake = !busy;
	pthread_mutex_unlock(&lock);
	if (wake)
		pthread_cond_signal(&work);
}

/* With no reader but the caller there is nothing to wait for. */
static bool reclaim_alone(struct batch *batch)
{
	bool alone;

	if (!online || pthread_mutex_trylock(&online_lock) != 0)
		return false;
	alone = online_count == 1;
	if (alone) {
		urcu_qsbr_synchronize_rcu();
		run_batch(batch);
	}
	pthread_mutex_unlock(&online_lock);
	return alone;
}

void linux_shim_hand_over(void)
{
	struct batch *batch;

	if (!linux_shim_pending.objects.head && !linux_shim_pending.calls.head)
		return;
	/* On failure all stays pending, and the next free tries again. */
	batch = malloc(sizeof(*batch));
	if (!batch)
		return;
	batch->content = linux_shim_pending;
	linux_shim_pending = (struct linux_shim_pending){ 0 };
	handed_over += batch->content.objects.count;
	if (!reclaim_alone(batch))
		enqueue(batch);
}

void linux_shim_synchronize(void)
{
	urcu_qsbr_synchronize_rcu();
}

void linux_shim_barrier(void)
{
	const bool was_online = urcu_qsbr_read_ongoing();

	if (was_online)
		urcu_qsbr_thread_offline();
	pthread_mutex_lock(&lock);
	while (queue || busy)
		pthread_cond_wait(&done, &lock);
	pthread_mutex_unlock(&lock);
	if (was_online)
		urcu_qsbr_thread_online();
}

size_t linux_shim_deferred(void)
{
	return linux_shim_pending.objects.count + handed_over -
	       __atomic_load_n(&freed, __ATOMIC_RELAXED);
}

static void set_online(bool value)
{
	if (online == value)
		return;
	online = value;
	if (value)
		online_count++;
	else
		online_count--;
}

void linux_ioasid_thread_register(void)
{
	pthread_mutex_lock(&online_lock);
	urcu_qsbr_register_thread();
	set_online(true);
	pthread_mutex_unlock(&online_lock);
}

void linux_ioasid_thread_unregister(void)
{
	if (linux_shim_local.epoch == linux_shim_epoch)
		linux_shim_give(&linux_shim_small, linux_shim_local.head);
	linux_shim_local.head = NULL;
	linux_ioasid_thread_offline();
	urcu_qsbr_unregister_thread();
}

void linux_ioasid_thread_quiescent(void)
{
	urcu_qsbr_quiescent_state();
}

void linux_ioasid_thread_offline(void)
{
	urcu_qsbr_thread_offline();
	pthread_mutex_lock(&online_lock);
	set_online(false);
	pthread_mutex_unlock(&online_lock);
}

void linux_ioasid_thread_online(void)
{
	pthread_mutex_lock(&online_lock);
	urcu_qsbr_thread_online();
	set_online(true);
	pthread_mutex_unlock(&online_lock);
}
