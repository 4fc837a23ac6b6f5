/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "defer.h"

#include "domain.h"
#include "grace.h"
#include "thread.h"

/* Callbacks deferred between two looks at what is due. */
#define BATCH 32
/* Retired memory worth a look at what is due. */
#define RECLAIM_COUNT 64
#define RECLAIM_BYTES ((size_t)256 << 10)
/* How long the reclaimer sleeps before it looks for readers again. */
#define LOOK_MIN_NS 50000
#define LOOK_MAX_NS 10000000

static void batch_init(struct batch *batch)
{
	batch->first = NULL;
	batch->tail = &batch->first;
	batch->count = 0;
	batch->bytes = 0;
	batch->since = 0;
}

/* @to is empty, and @from afterwards. */
static void batch_move(struct batch *to, struct batch *from)
{
	*to = *from;
	batch_init(from);
}

static void queue_reset(struct queue *queue)
{
	batch_init(&queue->fresh);
	batch_init(&queue->waiting);
	batch_init(&queue->running);
}

/* Wait-free. In this order, so as not to come out below 0. */
static uint64_t not_called(const struct queue *queue)
{
	uint64_t done = ioasid_load_acquire(&queue->done);

	return ioasid_load_relaxed(&queue->added) - done;
}

/* Domain locked. */
static void enqueue(struct queue *queue, struct ioasid_rcu_head *head,
		    void (*func)(struct ioasid_rcu_head *head), size_t bytes)
{
	struct batch *fresh = &queue->fresh;

	head->next = NULL;
	head->func = func;
	if (!fresh->first)
		fresh->since = ioasid_clock();
	*fresh->tail = head;
	fresh->tail = &head->next;
	fresh->count++;
	fresh->bytes += bytes;
	queue->unlooked++;
	ioasid_store_relaxed(&queue->added,
			     ioasid_load_relaxed(&queue->added) + 1);
}

/* Domain locked. Is what was retired since enough for a grace period? */
static bool gathered(const struct domain *domain)
{
	const struct batch *fresh = &domain->frees.fresh;

	return fresh->count >= RECLAIM_COUNT || fresh->bytes >= RECLAIM_BYTES ||
	       (fresh->first && ioasid_rcu_reclaims(domain));
}

/* Domain locked. */
static void set_worth(struct domain *domain)
{
	ioasid_store_relaxed(&domain->worth,
			     domain->frees.waiting.first || gathered(domain));
}

/* How a thread looks for what is due. */
struct look {
	/* the grace period of what waits is known to have passed */
	bool passed;
	/* little retired memory need not gather */
	bool all;
};

/* Both locks held. Makes what is due the batch to run. */
static void take_due(struct domain *domain, struct queue *queue,
		     const struct look *look)
{
	bool passed = look->passed;

	queue->unlooked = 0;
	if (queue->running.first)
		return;
	if (!queue->waiting.first && queue->fresh.first &&
	    (queue == &domain->callbacks || look->all || gathered(domain))) {
		batch_move(&queue->waiting, &queue->fresh);
		queue->cookie = ioasid_rcu_cookie(domain);
		passed = false;
	}
	if (queue->waiting.first &&
	    (passed || ioasid_rcu_advance(domain, queue->cookie)))
		batch_move(&queue->running, &queue->waiting);
	set_worth(domain);
}

/* Run lock held. */
static void run_batch(struct domain *domain, struct queue *queue)
{
	struct ioasid_rcu *rcu = &domain->rcu;
	struct ioasid_rcu_frame frame;
	struct ioasid_rcu_head *head;
	/* For callbacks that look IDs up. */
	bool offline = ioasid_rcu_is_qsbr(rcu) && !ioasid_rcu_online(rcu);
	/* The thread may not end before the batch does. */
	int cancel = ioasid_cancel_disable();

	if (offline)
		ioasid_rcu_thread_online(rcu);
	ioasid_rcu_callbacks_enter(&frame, rcu);
	while ((head = queue->running.first)) {
		queue->running.first = head->next;
		ioasid_store_release(&queue->done,
				     ioasid_load_relaxed(&queue->done) + 1);
		head->func(head);
	}
	ioasid_rcu_callbacks_leave(&frame);
	if (offline)
		ioasid_rcu_thread_offline(rcu);
	ioasid_cancel_restore(cancel);
}

/* Both locks held. */
static void batch_done(struct domain *domain, struct batch *batch)
{
	ioasid_fetch_sub_release(&domain->retired_bytes, batch->bytes);
	batch_init(batch);
}

/* Run lock held. Calls what is due; false if nothing is. */
static bool run_due(struct domain *domain, struct queue *queue,
		    const struct look *look)
{
	struct ioasid_guard guard;
	bool due;

	ioasid_domain_lock(domain, &guard);
	take_due(domain, queue, look);
	due = queue->running.first != NULL;
	ioasid_domain_unlock(domain, &guard);
	if (!due)
		return false;
	run_batch(domain, queue);
	ioasid_lock(&domain->lock);
	batch_done(domain, &queue->running);
	ioasid_unlock(&domain->lock);
	return true;
}

/*
 * May the calling thread run what is due? Frees ask for nothing, but callbacks
 * are promised that it is inside of no section and no other call of the user's.
 */
static bool may_run(struct domain *domain, const struct queue *queue)
{
	struct ioasid_rcu *rcu = &domain->rcu;

	if (queue == &domain->frees)
		return !ioasid_rcu_in_callback(rcu);
	return !ioasid_rcu_in_callbacks() && !ioasid_rcu_in_section(rcu);
}

/* False if nothing was due. */
static bool try_run(struct domain *domain, struct queue *queue,
		    const struct look *look)
{
	bool ran;

	if (!may_run(domain, queue) || !ioasid_lock_try(&domain->run_lock))
		return false;
	ran = run_due(domain, queue, look);
	/* A batch that goes makes room for the next to start waiting. */
	if (ran)
		run_due(domain, queue, look);
	ioasid_unlock(&domain->run_lock);
	return ran;
}

/* Run lock held, outside of any read section. */
static int run_all(struct domain *domain, struct queue *queue)
{
	struct look look = { .all = true };
	uint64_t target = ioasid_load_relaxed(&queue->added), cookie;
	int ret = 0;

	while (!ret && ioasid_load_relaxed(&queue->done) < target) {
		look.passed = !run_due(domain, queue, &look);
		if (!look.passed)
			continue;
		ioasid_lock(&domain->lock);
		cookie = queue->cookie;
		ioasid_unlock(&domain->lock);
		ret = ioasid_rcu_wait(domain, cookie);
	}
	return ret;
}

/*
 * @in_section: callbacks may not run, nor may the thread wait for who runs some:
 * they may wait for it. That holds inside of fork() as well, which does not take
 * the run lock as callbacks may fork.
 */
static int run_both(struct domain *domain, bool in_section)
{
	int ret = 0;

	if (!in_section && !ioasid_forking())
		ioasid_lock(&domain->run_lock);
	else if (!ioasid_lock_try(&domain->run_lock))
		return -EDEADLK;
	/* In this order: callbacks may retire. */
	if (!in_section)
		ret = run_all(domain, &domain->callbacks);
	if (!ret)
		ret = run_all(domain, &domain->frees);
	ioasid_unlock(&domain->run_lock);
	return ret;
}

int ioasid_rcu_barrier(struct ioasid_rcu *rcu)
{
	struct domain *domain = ioasid_rcu_domain(rcu);
	bool online, in_section;
	int ret;

	if (ioasid_rcu_read_held(rcu) || ioasid_rcu_in_callback(rcu))
		return -EDEADLK;
	/* Of another domain: a wait has an end, but no callback may run. */
	in_section = ioasid_rcu_in_section(rcu);
	if (in_section && ioasid_rcu_pending(rcu))
		return -EDEADLK;
	online = ioasid_rcu_online(rcu);
	/* Callbacks of whoever holds the lock may wait for this thread. */
	if (online)
		ioasid_rcu_thread_offline(rcu);
	ret = run_both(domain, in_section);
	if (online)
		ioasid_rcu_thread_online(rcu);
	return ret;
}

/*
 * Domain locked. Is the reclaimer to be woken? Who is told so does it after
 * the unlock.
 */
static bool reclaimer_due(struct domain *domain)
{
	bool due = ioasid_rcu_reclaims(domain) && domain->reclaimer_idle;

	if (due)
		domain->reclaimer_idle = domain->reclaimer_lost = false;
	return due;
}

static bool reclaimer_wake(struct domain *domain)
{
	bool awake = ioasid_worker_wake(&domain->worker);

	if (!awake) {
		ioasid_lock(&domain->lock);
		domain->reclaimer_idle = true;
		/* Inside of fork() it cannot: then with a call after that. */
		domain->reclaimer_lost = ioasid_forking();
		ioasid_unlock(&domain->lock);
	}
	return awake;
}

static void reclaim_loop(struct ioasid_worker *worker)
{
	const struct look look = { .all = true };
	struct domain *domain =
		ioasid_container_of(worker, struct domain, worker);
	uint64_t pause = 0;
	bool callbacks, frees;

	/* For callbacks that look IDs up. */
	if (!ioasid_rcu_thread_register(&domain->rcu))
		ioasid_rcu_thread_offline(&domain->rcu);
	while (!ioasid_worker_stopped(worker)) {
		callbacks = try_run(domain, &domain->callbacks, &look);
		frees = try_run(domain, &domain->frees, &look);
		ioasid_lock(&domain->lock);
		domain->reclaimer_idle = !not_called(&domain->callbacks) &&
					 !not_called(&domain->frees);
		if (domain->reclaimer_idle)
			pause = 0;
		else if (callbacks || frees || pause < LOOK_MIN_NS)
			pause = LOOK_MIN_NS;
		else if (pause < LOOK_MAX_NS)
			pause *= 2;
		ioasid_unlock(&domain->lock);
		ioasid_worker_sleep(worker, pause);
	}
	ioasid_rcu_thread_unregister(&domain->rcu);
}

void ioasid_rcu_queues_init(struct domain *domain, bool reclaimer)
{
	queue_reset(&domain->callbacks);
	queue_reset(&domain->frees);
	domain->reclaimer = reclaimer;
	domain->reclaimer_idle = true;
	if (IOASID_RCU_RECORDS)
		ioasid_worker_init(&domain->worker, reclaim_loop);
}

/* Another thread may have been in the middle of a batch. */
static void queue_child(struct domain *domain, struct queue *queue)
{
	const struct batch *batches[] = { &queue->fresh, &queue->waiting,
					  &queue->running };
	uint64_t left = 0;

	if (!queue->running.first)
		batch_done(domain, &queue->running);
	for (unsigned int i = 0; i < 3; i++)
		for (const struct ioasid_rcu_head *head = batches[i]->first;
		     head; head = head->next)
			left++;
	ioasid_store_relaxed(&queue->done,
			     ioasid_load_relaxed(&queue->added) - left);
}

void ioasid_rcu_queues_child(struct domain *domain)
{
	if (!ioasid_rcu_in_callback(&domain->rcu)) {
		queue_child(domain, &domain->callbacks);
		queue_child(domain, &domain->frees);
		ioasid_lock_init(&domain->run_lock);
	}
	if (ioasid_worker_child(&domain->worker))
		return;
	domain->reclaimer_idle = true;
	domain->reclaimer_lost =
		domain->reclaimer &&
		(not_called(&domain->callbacks) || not_called(&domain->frees));
	set_worth(domain);
}

void ioasid_rcu_reclaimer_restart(struct domain *domain, bool reclaimer)
{
	ioasid_worker_init(&domain->worker, reclaim_loop);
	ioasid_lock(&domain->lock);
	domain->reclaimer = reclaimer;
	domain->reclaimer_idle = true;
	ioasid_unlock(&domain->lock);
}

void ioasid_rcu_reclaimer_stop(struct domain *domain)
{
	ioasid_lock(&domain->lock);
	domain->reclaimer = false;
	domain->reclaimer_lost = false;
	ioasid_unlock(&domain->lock);
	ioasid_worker_stop(&domain->worker);
}

int ioasid_rcu_admit(struct ioasid_rcu *rcu)
{
	struct domain *domain = ioasid_rcu_domain(rcu);
	unsigned int round = 0;

	if (ioasid_rcu_pending(rcu) < domain->pending_limit)
		return 0;
	/* A thread online in qsbr may be reading, unseen. */
	if (ioasid_rcu_online(rcu) || !may_run(domain, &domain->callbacks) ||
	    ioasid_forking())
		return -EAGAIN;
	if (!ioasid_rcu_reclaims(domain) || !reclaimer_wake(domain))
		return ioasid_rcu_barrier(rcu) ? -EAGAIN : 0;
	while (!ioasid_rcu_synchronize(rcu)) {
		if (ioasid_rcu_pending(rcu) < domain->pending_limit)
			return 0;
		/* Or the reclaimer may find the locks taken each time. */
		ioasid_backoff(round++);
	}
	return -EAGAIN;
}

void ioasid_rcu_defer_admitted(struct ioasid_rcu *rcu,
			       struct ioasid_rcu_head *head,
			       void (*func)(struct ioasid_rcu_head *head))
{
	struct domain *domain = ioasid_rcu_domain(rcu);
	struct queue *queue = &domain->callbacks;
	const struct look quick = { .all = false };
	bool wake, look;

	ioasid_lock(&domain->lock);
	enqueue(queue, head, func, 0);
	wake = reclaimer_due(domain);
	look = !ioasid_rcu_reclaims(domain) &&
	       (queue->unlooked >= BATCH ||
		ioasid_rcu_flavour(rcu) == IOASID_RCU_NONE);
	ioasid_unlock(&domain->lock);
	if (wake && !reclaimer_wake(domain))
		look = true;
	if (look) {
		try_run(domain, queue, &quick);
		try_run(domain, &domain->frees, &quick);
	}
}

int ioasid_rcu_defer(struct ioasid_rcu *rcu, struct ioasid_rcu_head *head,
		     void (*func)(struct ioasid_rcu_head *head))
{
	int ret = ioasid_rcu_admit(rcu);

	if (!ret)
		ioasid_rcu_defer_admitted(rcu, head, func);
	return ret;
}

size_t ioasid_rcu_pending(const struct ioasid_rcu *rcu)
{
	return (size_t)not_called(&ioasid_rcu_domain(rcu)->callbacks);
}

void ioasid_rcu_retire(struct ioasid_rcu *rcu, struct ioasid_rcu_head *head,
		       void (*func)(struct ioasid_rcu_head *head), size_t size)
{
	struct domain *domain = ioasid_rcu_domain(rcu);
	struct queue *queue = &domain->frees;

	ioasid_lock(&domain->lock);
	enqueue(queue, head, func, size);
	ioasid_fetch_add_acq_rel(&domain->retired_bytes, size);
	set_worth(domain);
	ioasid_unlock(&domain->lock);
}

static void reclaim(struct domain *domain, bool all)
{
	const struct look look = { .all = all };
	bool wake, run;

	ioasid_lock(&domain->lock);
	wake = reclaimer_due(domain);
	run = all || !ioasid_rcu_reclaims(domain);
	ioasid_unlock(&domain->lock);
	if (wake && !reclaimer_wake(domain))
		run = true;
	if (run)
		try_run(domain, &domain->frees, &look);
}

void ioasid_rcu_reclaim(struct ioasid_rcu *rcu)
{
	struct domain *domain = ioasid_rcu_domain(rcu);

	if (ioasid_unlikely(ioasid_load_relaxed(&domain->worth)))
		reclaim(domain, false);
}

void ioasid_rcu_reclaim_all(struct ioasid_rcu *rcu)
{
	reclaim(ioasid_rcu_domain(rcu), true);
}

bool ioasid_rcu_retired_full(const struct ioasid_rcu *rcu)
{
	const struct domain *domain = ioasid_rcu_domain(rcu);

	return ioasid_load_relaxed(&domain->retired_bytes) >=
	       domain->retired_limit;
}

static void older(uint64_t *oldest, const struct queue *queue)
{
	const struct batch *batch = &queue->fresh;

	if (queue->waiting.since)
		batch = &queue->waiting;
	if (queue->running.since)
		batch = &queue->running;
	if (batch->since && (!*oldest || batch->since < *oldest))
		*oldest = batch->since;
}

void ioasid_rcu_stats(struct ioasid_rcu *rcu, struct ioasid_domain_stats *stats)
{
	struct domain *domain = ioasid_rcu_domain(rcu);
	uint64_t oldest = 0;
	bool lost;

	ioasid_lock(&domain->lock);
	lost = domain->reclaimer_lost;
	older(&oldest, &domain->callbacks);
	older(&oldest, &domain->frees);
	*stats = (struct ioasid_domain_stats){
		.threads = domain->threads,
		.pending = (size_t)not_called(&domain->callbacks),
		.retired = (size_t)not_called(&domain->frees),
		.retired_bytes =
			(size_t)ioasid_load_relaxed(&domain->retired_bytes),
		.oldest_ns = oldest ? ioasid_clock() - oldest : 0,
		.grace_periods =
			ioasid_load_relaxed(&rcu->epoch) - IOASID_EPOCH_START,
	};
	ioasid_unlock(&domain->lock);
	if (lost)
		ioasid_rcu_find_reclaimer(domain);
}
