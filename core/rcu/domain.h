/* SPDX-License-Identifier: MIT */
#ifndef IOASID_RCU_DOMAIN_H
#define IOASID_RCU_DOMAIN_H

#include <ioasid/rcu.h>

#include "../platform/lock.h"
#include "../platform/system.h"
#include "../platform/util.h"

IOASID_BEGIN_INTERNAL

/* What a domain is made of. */

/* Where epochs start; near 2^32 in small-number builds. */
#ifndef IOASID_EPOCH_START
#define IOASID_EPOCH_START 1
#endif

/* Callbacks that wait together; @since: when the first was deferred, or 0. */
struct batch {
	struct ioasid_rcu_head *first, **tail;
	size_t count, bytes;
	uint64_t since;
};

/*
 * Callbacks in three steps: deferred since the last look; waiting for the grace
 * period of @cookie; being called, which needs the run lock and is written step
 * by step so that a child of fork can go on.
 */
struct queue {
	struct batch fresh, waiting, running;
	uint64_t cookie;
	/* added since the last look */
	size_t unlooked;
	/* written under the domain's lock; under the run lock */
	ioasid_atomic_u64 added, done;
};

struct domain {
	struct ioasid_rcu rcu;
	struct ioasid_memory memory;
	size_t pending_limit, retired_limit;
	/* records that threads which end are just giving back */
	ioasid_atomic_u32 freeing;
	/* is retired memory worth a look? */
	ioasid_atomic_u32 worth;
	/* bytes of it not yet freed */
	ioasid_atomic_u64 retired_bytes;
	/* held while callbacks run, so that they run in order */
	struct ioasid_lock run_lock;
	/* what follows is written under @lock */
	struct ioasid_lock lock;
	uint64_t completed;
	/* the grace period under way lacks its barrier on all threads */
	bool barrier_due;
	/* when that was refused first, since it was to be had; or 0 */
	uint64_t refused_since;
	/* see ioasid_rcu_counted_gone() */
	uint64_t counted_since;
	struct ioasid_rcu_reader *readers;
	/* the first not yet seen to have passed the one under way */
	struct ioasid_rcu_reader *unseen;
	/* memory of threads that did not survive a fork, to be used again */
	struct ioasid_rcu_reader *spare;
	size_t threads;
	struct queue callbacks, frees;
	uint32_t users;
	/* there is a reclaimer; it sleeps, or has not been started */
	bool reclaimer, reclaimer_idle;
	/* it did not survive a fork, and something is pending */
	bool reclaimer_lost;
	struct ioasid_worker worker;
	/* under the registry's lock */
	struct domain *next, **prev;
	struct domain *next_by_index, **prev_by_index;
};

/*
 * With none alone threads have no records, and domains no reclaimer: constants,
 * by which a compiler drops what is for the other flavours.
 */
#ifdef IOASID_ONLY_NONE
#define IOASID_RCU_RECORDS false
#define ioasid_rcu_flavour(rcu) ((void)(rcu), IOASID_RCU_NONE)
#else
#define IOASID_RCU_RECORDS true
#define ioasid_rcu_flavour(rcu) ((rcu)->flavour)
#endif
#define ioasid_rcu_reclaims(domain) (IOASID_RCU_RECORDS && (domain)->reclaimer)

static inline struct domain *ioasid_rcu_domain(const struct ioasid_rcu *rcu)
{
	/* Lookups have it const; what else is in a domain may change. */
	return ioasid_container_of((uintptr_t)rcu, struct domain, rcu);
}

/* Where functions of an own flavour are called, whose thread may fork there. */
void ioasid_domain_lock(struct domain *domain, struct ioasid_guard *guard);
void ioasid_domain_unlock(struct domain *domain, struct ioasid_guard *guard);

/* Is everything between two quiescent states one read section? */
static inline bool ioasid_rcu_is_qsbr(const struct ioasid_rcu *rcu)
{
	return ioasid_rcu_flavour(rcu) == IOASID_RCU_QSBR ||
	       (ioasid_rcu_flavour(rcu) == IOASID_RCU_CUSTOM &&
		rcu->ops->online);
}

IOASID_END_INTERNAL

#endif /* IOASID_RCU_DOMAIN_H */
