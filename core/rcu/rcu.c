/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "rcu.h"

#include "domain.h"

#include "../platform/memory.h"

#define PENDING_LIMIT 65536
#define RETIRED_LIMIT ((size_t)64 << 20)

/* Under the registry's lock: all domains, newest first. */
static struct domain *domains;
/* Domains that have each place. */
static unsigned int place_users[IOASID_RCU_READERS];
/* The same domains by their index. */
static struct domain *by_index;

static bool rcu_ops_complete(const struct ioasid_rcu_ops *ops)
{
	return ops && ops->read_lock && ops->read_unlock && ops->start_poll &&
	       ops->poll &&
	       (!ops->online || (ops->thread_offline && ops->thread_online));
}

static bool config_valid(const struct ioasid_rcu_config *config)
{
	if (!IOASID_RCU_RECORDS && config->flavour != IOASID_RCU_NONE)
		return false;
	switch (config->flavour) {
	case IOASID_RCU_EPOCH:
	case IOASID_RCU_QSBR:
		return true;
	case IOASID_RCU_NONE:
		/* One thread. */
		return !config->reclaimer;
	case IOASID_RCU_CUSTOM:
		return rcu_ops_complete(config->ops);
	default:
		return false;
	}
}

static enum ioasid_rcu_read_side
read_side(const struct ioasid_rcu_config *config)
{
	/* For locks too; with one thread there is nothing to gain. */
	bool barrier = IOASID_RCU_RECORDS &&
		       config->flavour != IOASID_RCU_NONE &&
		       !config->no_membarrier && ioasid_membarrier_enable();

	switch (config->flavour) {
	case IOASID_RCU_EPOCH:
		/* It may have worked, and not do so any more. */
		return barrier && ioasid_membarrier() ? IOASID_RCU_READ_PLAIN :
							IOASID_RCU_READ_FENCED;
	case IOASID_RCU_QSBR:
		return IOASID_RCU_READ_NOTHING;
	case IOASID_RCU_NONE:
		return IOASID_RCU_READ_COUNTED;
	case IOASID_RCU_CUSTOM:
	default:
		return IOASID_RCU_READ_CUSTOM;
	}
}

static void domains_fork_prepare(void)
{
	ioasid_rcu_registry_prepare();
	/* An own flavour may stand on an older domain. */
	for (struct domain *domain = domains; domain; domain = domain->next)
		ioasid_lock_fork_prepare(&domain->lock);
	ioasid_rcu_counted_prepare();
}

static void domains_fork_parent(void)
{
	ioasid_rcu_counted_parent();
	for (struct domain *domain = domains; domain; domain = domain->next)
		ioasid_lock_fork_parent(&domain->lock);
	ioasid_rcu_registry_parent();
}

static void domains_fork_child(void)
{
	ioasid_rcu_counted_child();
	for (struct domain *domain = domains; domain; domain = domain->next) {
		ioasid_rcu_drop_others(domain);
		ioasid_rcu_queues_child(domain);
		ioasid_lock_fork_child(&domain->lock);
	}
	ioasid_rcu_registry_child();
}

/* Those whose domains were not destroyed before. */
static void reclaimers_unload(void)
{
	for (struct domain *domain = domains; domain; domain = domain->next)
		if (ioasid_rcu_reclaims(domain))
			ioasid_rcu_reclaimer_stop(domain);
}

static size_t least_used_place(void)
{
	size_t least = 0;

	for (size_t i = 1; i < IOASID_RCU_READERS; i++)
		if (place_users[i] < place_users[least])
			least = i;
	return least;
}

/* Registry locked. The lowest index that no domain has. */
static void take_index(struct domain *domain)
{
	struct domain **at = &by_index;
	uint32_t index = 0;

	for (; *at && (*at)->rcu.index == index; index++)
		at = &(*at)->next_by_index;
	domain->rcu.index = index;
	ioasid_list_insert(at, domain, next_by_index, prev_by_index);
}

static bool list_domain(struct domain *domain)
{
	static const struct ioasid_fork_hook hook = { domains_fork_prepare,
						      domains_fork_parent,
						      domains_fork_child,
						      reclaimers_unload };
	size_t place;

	if (!ioasid_at_fork(IOASID_FORK_RCU, &hook))
		return false;
	ioasid_rcu_registry_lock();
	place = least_used_place();
	place_users[place]++;
	domain->rcu.place = place * sizeof(struct ioasid_rcu_reader);
	take_index(domain);
	ioasid_list_insert(&domains, domain, next, prev);
	ioasid_rcu_registry_unlock();
	return true;
}

static void unlist_domain(struct domain *domain)
{
	ioasid_rcu_registry_lock();
	if (IOASID_RCU_RECORDS)
		ioasid_rcu_remove_readers(domain);
	place_users[domain->rcu.place / sizeof(struct ioasid_rcu_reader)]--;
	ioasid_list_remove(domain, next_by_index, prev_by_index);
	ioasid_list_remove(domain, next, prev);
	ioasid_rcu_registry_unlock();
	if (IOASID_RCU_RECORDS)
		ioasid_rcu_free_readers(domain);
}

int ioasid_rcu_create(const struct ioasid_rcu_config *config,
		      struct ioasid_rcu **rcu)
{
	static const struct ioasid_rcu_config defaults = {
		.flavour = IOASID_RCU_DEFAULT,
	};
	static ioasid_atomic_u64 last_id;
	struct ioasid_memory memory;
	struct domain *domain;

	if (!config)
		config = &defaults;
	if (!config_valid(config) ||
	    ioasid_memory_resolve(&config->memory, &memory))
		return -EINVAL;
	domain = ioasid_memory_zeroed(&memory, sizeof(*domain));
	if (!domain)
		return -ENOMEM;
	domain->memory = memory;
	domain->pending_limit = config->pending_limit ? config->pending_limit :
							PENDING_LIMIT;
	domain->retired_limit = config->retired_limit ? config->retired_limit :
							RETIRED_LIMIT;
	ioasid_lock_init(&domain->lock);
	ioasid_lock_init(&domain->run_lock);
	ioasid_rcu_queues_init(domain, config->reclaimer);
	domain->completed = IOASID_EPOCH_START;
	ioasid_store_relaxed(&domain->rcu.epoch, IOASID_EPOCH_START);
	domain->rcu.flavour = config->flavour;
	domain->rcu.ops = config->ops;
	domain->rcu.ops_context = config->ops_context;
	domain->rcu.read_side = read_side(config);
	domain->rcu.id = ioasid_fetch_add_acq_rel(&last_id, 1) + 1;
	if (!list_domain(domain)) {
		ioasid_memory_zeroed_free(&memory, domain, sizeof(*domain));
		return -ENOMEM;
	}
	*rcu = &domain->rcu;
	return 0;
}

int ioasid_rcu_destroy(struct ioasid_rcu *rcu)
{
	struct ioasid_memory memory;
	struct domain *domain;
	uint32_t users;
	bool reclaimer;
	int ret;

	if (!rcu)
		return 0;
	domain = ioasid_rcu_domain(rcu);
	ioasid_lock(&domain->lock);
	users = domain->users;
	ioasid_unlock(&domain->lock);
	if (users)
		return -EBUSY;
	reclaimer = domain->reclaimer;
	/* Before the reclaimer goes, as it may answer an error. */
	ret = ioasid_rcu_barrier(rcu);
	if (ret)
		return ret;
	if (IOASID_RCU_RECORDS)
		ioasid_rcu_reclaimer_stop(domain);
	while (ioasid_rcu_pending(rcu)) {
		ret = ioasid_rcu_barrier(rcu);
		if (ret) {
			if (IOASID_RCU_RECORDS)
				ioasid_rcu_reclaimer_restart(domain, reclaimer);
			return ret;
		}
	}
	unlist_domain(domain);
	ioasid_lock_destroy(&domain->lock);
	ioasid_lock_destroy(&domain->run_lock);
	memory = domain->memory;
	ioasid_memory_zeroed_free(&memory, domain, sizeof(*domain));
	return 0;
}

void ioasid_rcu_use(struct ioasid_rcu *rcu)
{
	struct domain *domain = ioasid_rcu_domain(rcu);

	ioasid_lock(&domain->lock);
	domain->users++;
	ioasid_unlock(&domain->lock);
}

void ioasid_rcu_unuse(struct ioasid_rcu *rcu)
{
	struct domain *domain = ioasid_rcu_domain(rcu);

	ioasid_lock(&domain->lock);
	domain->users--;
	ioasid_unlock(&domain->lock);
}
