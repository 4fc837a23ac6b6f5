/* SPDX-License-Identifier: MIT */
#include "grace.h"

#include "domain.h"
#include "epoch.h"
#include "thread.h"

/* Domain locked. */
static bool readers_gone(struct domain *domain, uint64_t epoch)
{
	while (domain->unseen && ioasid_grace_passed(domain->unseen, epoch))
		domain->unseen = domain->unseen->next_in_domain;
	return !domain->unseen && !domain->rcu.nesting &&
	       !ioasid_load_acquire(&domain->anonymous);
}

/* Has the grace period passed, as far as can be told now? */
bool ioasid_rcu_advance(struct domain *domain, uint64_t cookie)
{
	struct ioasid_rcu *rcu = &domain->rcu;
	uint64_t epoch;

	if (rcu->flavour == IOASID_RCU_CUSTOM)
		return rcu->ops->poll(rcu->ops_context, cookie);
	while (domain->completed < cookie) {
		epoch = ioasid_load_relaxed(&rcu->epoch);
		if (domain->completed == epoch) {
			epoch = ioasid_grace_begin(rcu);
			domain->barrier_due = rcu->read_side ==
					      IOASID_RCU_READ_PLAIN;
			/* Who registers from now on sees the new epoch. */
			domain->unseen = domain->readers;
		}
		if (domain->barrier_due && !ioasid_membarrier())
			return false;
		domain->barrier_due = false;
		if (!readers_gone(domain, epoch))
			return false;
		domain->completed = epoch;
	}
	return true;
}

uint64_t ioasid_rcu_cookie(struct domain *domain)
{
	struct ioasid_rcu *rcu = &domain->rcu;

	if (rcu->flavour == IOASID_RCU_CUSTOM)
		return rcu->ops->start_poll(rcu->ops_context);
	/* Not one under way: it may have begun too early. */
	return ioasid_load_relaxed(&rcu->epoch) + 1;
}

uint64_t ioasid_rcu_start_poll(struct ioasid_rcu *rcu)
{
	struct domain *domain = ioasid_rcu_domain(rcu);
	uint64_t cookie;

	ioasid_lock(&domain->lock);
	cookie = ioasid_rcu_cookie(domain);
	ioasid_unlock(&domain->lock);
	return cookie;
}

bool ioasid_rcu_poll(struct ioasid_rcu *rcu, uint64_t cookie)
{
	struct domain *domain = ioasid_rcu_domain(rcu);
	bool passed;

	ioasid_lock(&domain->lock);
	passed = ioasid_rcu_advance(domain, cookie);
	ioasid_unlock(&domain->lock);
	return passed;
}

void ioasid_rcu_wait(struct domain *domain, uint64_t cookie)
{
	struct ioasid_rcu *rcu = &domain->rcu;
	bool online = ioasid_rcu_online(rcu);
	unsigned int round = 0;

	if (online)
		ioasid_rcu_thread_offline(rcu);
	if (rcu->flavour == IOASID_RCU_CUSTOM && rcu->ops->synchronize)
		rcu->ops->synchronize(rcu->ops_context);
	else
		while (!ioasid_rcu_poll(rcu, cookie))
			ioasid_backoff(round++);
	if (online)
		ioasid_rcu_thread_online(rcu);
}

int ioasid_rcu_synchronize(struct ioasid_rcu *rcu)
{
	if (ioasid_rcu_read_held(rcu))
		return -EDEADLK;
	ioasid_rcu_wait(ioasid_rcu_domain(rcu), ioasid_rcu_start_poll(rcu));
	return 0;
}
