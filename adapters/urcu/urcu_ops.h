/* SPDX-License-Identifier: MIT */
#ifndef IOASID_URCU_OPS_H
#define IOASID_URCU_OPS_H

/*
 * What the flavours have in common, in liburcu's generic names: the source of
 * each flavour defines URCU_API_MAP and includes liburcu's header before, and
 * is_registered(): is the thread known to liburcu, by whomever?
 */

#include <pthread.h>

#include "ioasid_urcu.h"

/*
 * Grace periods are numbered as they begin, and may overlap: a reader that ran
 * before one began has left once that one, or one with a higher number, has
 * ended. No lock, so that fork and the locks polling is called with are nothing
 * to it.
 */
static ioasid_atomic_u64 begun;
/* The highest number that has ended. */
static ioasid_atomic_u64 ended;

/* 1 while @work is liburcu's; the grace period it then ends */
static ioasid_atomic_u32 queued;
static uint64_t queued_number;
static struct rcu_head work;

/* Of this thread: registered by thread_register() below. */
static IOASID_TLS bool registered;

static pthread_once_t exit_once = PTHREAD_ONCE_INIT;
static pthread_key_t exit_key;
static int exit_error;

static void read_lock(void *context)
{
	(void)context;
	rcu_read_lock();
}

static void read_unlock(void *context)
{
	(void)context;
	rcu_read_unlock();
}

static bool read_ongoing(void *context)
{
	(void)context;
	return rcu_read_ongoing() != 0;
}

/* Before a grace period of liburcu's is asked for; its number. */
static uint64_t begin(void)
{
	uint64_t number = ioasid_fetch_add_acq_rel(&begun, 1) + 1;

	/* Pairs with the fence of start_poll(). */
	ioasid_fence_seq_cst();
	return number;
}

static void end(uint64_t number)
{
	uint64_t last = ioasid_load_relaxed(&ended);

	while (last < number && !ioasid_cas_acq_rel(&ended, &last, number))
		;
}

static void synchronize(void *context)
{
	uint64_t number = begin();
	int state;

	(void)context;
	/* It may sleep in a point of cancellation, with locks held. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	synchronize_rcu();
	pthread_setcancelstate(state, NULL);
	end(number);
}

static uint64_t start_poll(void *context)
{
	(void)context;
	/* One that has not begun yet sees all that went before. */
	ioasid_fence_seq_cst();
	return ioasid_load_acquire(&begun) + 1;
}

static void on_work(struct rcu_head *head)
{
	(void)head;
	end(queued_number);
	ioasid_store_release(&queued, 0);
}

/* Not poll(): liburcu's inline headers have the system's. */
static bool poll_cookie(void *context, uint64_t cookie)
{
	struct call_rcu_data *own;

	(void)context;
	if (ioasid_load_acquire(&ended) >= cookie)
		return true;
	if (ioasid_exchange_acquire(&queued, 1))
		return false;
	queued_number = begin();
	/*
	 * call_rcu() wants a reader, lest the worker of its CPU goes away. The
	 * default worker does not: any thread may use it.
	 */
	own = get_thread_call_rcu_data();
	set_thread_call_rcu_data(get_default_call_rcu_data());
	call_rcu(&work, on_work);
	set_thread_call_rcu_data(own);
	return false;
}

static void at_exit(void *value)
{
	(void)value;
	registered = false;
	rcu_unregister_thread();
}

static void make_exit_key(void)
{
	exit_error = pthread_key_create(&exit_key, at_exit);
}

static int thread_register(void *context)
{
	int ret;

	(void)context;
	if (is_registered()) {
		/* With qsbr a registered thread is online. */
		if (!rcu_read_ongoing())
			rcu_thread_online();
		return 0;
	}
	pthread_once(&exit_once, make_exit_key);
	ret = exit_error;
	if (!ret)
		ret = pthread_setspecific(exit_key, &registered);
	if (ret)
		return -ret;
	/* Not under locks that polling is called with: see fork. */
	get_default_call_rcu_data();
	rcu_register_thread();
	registered = true;
	return 0;
}

static int thread_unregister(void *context)
{
	(void)context;
	if (!registered)
		return -ENOENT;
	pthread_setspecific(exit_key, NULL);
	at_exit(NULL);
	return 0;
}

/* Of the table of each flavour. */
#define COMMON_OPS                                               \
	.read_lock = read_lock, .read_unlock = read_unlock,      \
	.synchronize = synchronize, .start_poll = start_poll,    \
	.poll = poll_cookie, .thread_register = thread_register, \
	.thread_unregister = thread_unregister

#endif /* IOASID_URCU_OPS_H */
