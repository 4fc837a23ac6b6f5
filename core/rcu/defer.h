/* SPDX-License-Identifier: MIT */
#ifndef IOASID_RCU_DEFER_H
#define IOASID_RCU_DEFER_H

#include <ioasid/rcu.h>

IOASID_BEGIN_INTERNAL

struct domain;

/*
 * Waits or refuses at the pending limit as ioasid_rcu_defer() does; after 0
 * one ioasid_rcu_defer_admitted() is in order, which cannot fail.
 */
int ioasid_rcu_admit(struct ioasid_rcu *rcu);
void ioasid_rcu_defer_admitted(struct ioasid_rcu *rcu,
			       struct ioasid_rcu_head *head,
			       void (*func)(struct ioasid_rcu_head *head));

/*
 * Frees what stores retired and is due, if there is much, or in any case;
 * called without locks. Is so much left that no more memory may be taken?
 */
void ioasid_rcu_reclaim(struct ioasid_rcu *rcu);
void ioasid_rcu_reclaim_all(struct ioasid_rcu *rcu);
bool ioasid_rcu_retired_full(const struct ioasid_rcu *rcu);

/* The life of a domain's queues: create, fork, destroy. */
void ioasid_rcu_queues_init(struct domain *domain, bool reclaimer);
void ioasid_rcu_queues_child(struct domain *domain);
void ioasid_rcu_reclaimer_stop(struct domain *domain);
void ioasid_rcu_reclaimer_restart(struct domain *domain, bool reclaimer);

IOASID_END_INTERNAL

#endif /* IOASID_RCU_DEFER_H */
