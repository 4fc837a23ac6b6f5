/* SPDX-License-Identifier: MIT */
#ifndef IOASID_RCU_GRACE_H
#define IOASID_RCU_GRACE_H

#include <ioasid/platform.h>

IOASID_BEGIN_INTERNAL

struct domain;

/* Domain locked. Has the grace period passed, as far as can be told now? */
bool ioasid_rcu_advance(struct domain *domain, uint64_t cookie);
/* Domain locked. Of a grace period from now on. */
uint64_t ioasid_rcu_cookie(struct domain *domain);
/*
 * Without locks, outside of read sections. -EIO: membarrier(2), which readers
 * rely on, has been refused for so long. -EDEADLK: inside of fork().
 */
#define IOASID_RCU_LOST_NS 1000000000u
int ioasid_rcu_wait(struct domain *domain, uint64_t cookie);

/*
 * Without locks, in a child of fork whose reclaimer is lost: starts it. Not
 * before the first call that could, as many a child only calls exec().
 */
void ioasid_rcu_find_reclaimer(struct domain *domain);

IOASID_END_INTERNAL

#endif /* IOASID_RCU_GRACE_H */
