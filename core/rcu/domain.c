/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "domain.h"

void ioasid_domain_lock(struct domain *domain, struct ioasid_guard *guard)
{
	if (ioasid_rcu_flavour(&domain->rcu) == IOASID_RCU_CUSTOM)
		ioasid_guard_lock(guard, &domain->lock);
	else
		ioasid_lock(&domain->lock);
}

void ioasid_domain_unlock(struct domain *domain, struct ioasid_guard *guard)
{
	if (ioasid_rcu_flavour(&domain->rcu) == IOASID_RCU_CUSTOM)
		ioasid_guard_unlock(guard);
	else
		ioasid_unlock(&domain->lock);
}
