/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "grace.h"

#include "domain.h"
#include "epoch.h"
#include "thread.h"

/* Domain locked. */
static bool readers_gone(struct domain *domain, uint64_t epoch)
{
	if (!IOASID_RCU_RECORDS)
		return !domain->rcu.nesting;
	while (domain->unseen && ioasid_grace_passed(domain->unseen, epoch))
		domain->unseen = domain->unseen->next_in_domain;
	return !domain->unseen && !domain->rcu.nesting &&
	       (ioasid_rcu_flavour(&domain->rcu) != IOASID_RCU_EPOCH ||
		ioasid_rcu_counted_gone(&domain->counted_since));
}

/* Domain locked. False: refused. */
static bool barrier(struct domain *domain)
{
	if (!domain->barrier_due)
		return true;
	domain->barrier_due = !ioasid_membarrier();
	if (!domain->barrier_due)
		domain->refused_since = 0;
	else if (!domain->refused_since)
		domain->refused_since = ioasid_clock();
	return !domain->barrier_due;
}

bool ioasid_rcu_advance(struct domain *domain, uint64_t cookie)
{
	struct ioasid_rcu *rcu = &domain->rcu;
	uint64_t epoch;

	if (ioasid_rcu_flavour(rcu) == IOASID_RCU_CUSTOM)
		return rcu->ops->poll(rcu->ops_context, cookie);
	while (domain->completed < cookie) {
		epoch = ioasid_load_relaxed(&rcu->epoch);
		if (domain->completed == epoch) {
			epoch = ioasid_grace_begin(rcu);
			domain->barrier_due = rcu->read_side ==
					      IOASID_RCU_READ_PLAIN;
			/* Who registers from now on sees the new epoch. */
			domain->unseen = domain->readers;
			domain->counted_since = 0;
		}
		if (!barrier(domain) || !readers_gone(domain, epoch))
			return false;
		domain->completed = epoch;
	}
	return true;
}

uint64_t ioasid_rcu_cookie(struct domain *domain)
{
	struct ioasid_rcu *rcu = &domain->rcu;

	if (ioasid_rcu_flavour(rcu) == IOASID_RCU_CUSTOM)
		return rcu->ops->start_poll(rcu->ops_context);
	/* Not one under way: it may have begun too early. */
	return ioasid_load_relaxed(&rcu->epoch) + 1;
}

uint64_t ioasid_rcu_start_poll(struct ioasid_rcu *rcu)
{
	struct domain *domain = ioasid_rcu_domain(rcu);
	struct ioasid_guard guard;
	uint64_t cookie;

	ioasid_domain_lock(domain, &guard);
	cookie = ioasid_rcu_cookie(domain);
	ioasid_domain_unlock(domain, &guard);
	return cookie;
}

void ioasid_rcu_find_reclaimer(struct domain *domain)
{
	bool found = ioasid_worker_wake(&domain->worker);

	ioasid_lock(&domain->lock);
	domain->reclaimer_lost = !found;
	ioasid_unlock(&domain->lock);
}

static void find_lost_reclaimer(struct domain *domain)
{
	bool lost;

	ioasid_lock(&domain->lock);
	lost = domain->reclaimer_lost;
	ioasid_unlock(&domain->lock);
	if (lost)
		ioasid_rcu_find_reclaimer(domain);
}

/* 1: has passed; 0: not yet; -EIO: membarrier is lost. */
static int look(struct domain *domain, uint64_t cookie)
{
	struct ioasid_guard guard;
	bool lost;
	int ret;

	ioasid_domain_lock(domain, &guard);
	lost = domain->reclaimer_lost;
	if (ioasid_rcu_advance(domain, cookie))
		ret = 1;
	else if (domain->refused_since &&
		 ioasid_clock() - domain->refused_since >= IOASID_RCU_LOST_NS)
		ret = -EIO;
	else
		ret = 0;
	ioasid_domain_unlock(domain, &guard);
	if (ioasid_unlikely(lost))
		ioasid_rcu_find_reclaimer(domain);
	return ret;
}

bool ioasid_rcu_poll(struct ioasid_rcu *rcu, uint64_t cookie)
{
	return look(ioasid_rcu_domain(rcu), cookie) == 1;
}

int ioasid_rcu_wait(struct domain *domain, uint64_t cookie)
{
	struct ioasid_rcu *rcu = &domain->rcu;
	bool online = ioasid_rcu_online(rcu);
	unsigned int round = 0;
	int ret = 1;

	if (online)
		ioasid_rcu_thread_offline(rcu);
	if (ioasid_rcu_flavour(rcu) == IOASID_RCU_CUSTOM &&
	    rcu->ops->synchronize) {
		/* Who waits for callbacks may do so in a loop. */
		find_lost_reclaimer(domain);
		rcu->ops->synchronize(rcu->ops_context);
	} else {
		while (!(ret = look(domain, cookie)) && !ioasid_forking())
			ioasid_backoff(round++);
	}
	if (online)
		ioasid_rcu_thread_online(rcu);
	if (!ret)
		/* Readers may wait for what fork holds. */
		ret = -EDEADLK;
	return ret < 0 ? ret : 0;
}

int ioasid_rcu_synchronize(struct ioasid_rcu *rcu)
{
	if (ioasid_rcu_read_held(rcu))
		return -EDEADLK;
	return ioasid_rcu_wait(ioasid_rcu_domain(rcu),
			       ioasid_rcu_start_poll(rcu));
}
