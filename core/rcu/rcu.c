/* SPDX-License-Identifier: MIT */
#include "domain.h"

#define PENDING_LIMIT 65536
#define RETIRED_LIMIT ((size_t)64 << 20)

static bool ops_complete(const struct ioasid_rcu_ops *ops)
{
	return ops && ops->read_lock && ops->read_unlock && ops->start_poll &&
	       ops->poll &&
	       (!ops->online || (ops->thread_offline && ops->thread_online));
}

static bool config_valid(const struct ioasid_rcu_config *config)
{
	switch (config->flavour) {
	case IOASID_RCU_EPOCH:
	case IOASID_RCU_QSBR:
		return true;
	case IOASID_RCU_NONE:
		/* One thread. */
		return !config->reclaimer;
	case IOASID_RCU_CUSTOM:
		return ops_complete(config->ops);
	}
	return false;
}

static enum ioasid_rcu_read_side
read_side(const struct ioasid_rcu_config *config)
{
	/* For locks too; with one thread there is nothing to gain. */
	bool barrier = config->flavour != IOASID_RCU_NONE &&
		       !config->no_membarrier && ioasid_membarrier_enable();

	switch (config->flavour) {
	case IOASID_RCU_EPOCH:
		return barrier ? IOASID_RCU_READ_PLAIN : IOASID_RCU_READ_FENCED;
	case IOASID_RCU_QSBR:
		return IOASID_RCU_READ_NOTHING;
	case IOASID_RCU_NONE:
		return IOASID_RCU_READ_COUNTED;
	case IOASID_RCU_CUSTOM:
		break;
	}
	return IOASID_RCU_READ_CUSTOM;
}

int ioasid_rcu_create(const struct ioasid_rcu_config *config,
		      struct ioasid_rcu **rcu)
{
	static const struct ioasid_rcu_config defaults;
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
	if (!ioasid_rcu_enlist(domain)) {
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

	if (!rcu)
		return 0;
	domain = ioasid_rcu_domain(rcu);
	ioasid_lock(&domain->lock);
	users = domain->users;
	ioasid_unlock(&domain->lock);
	if (users)
		return -EBUSY;
	if (ioasid_rcu_wait_refused(rcu))
		return -EDEADLK;
	ioasid_rcu_reclaimer_stop(domain);
	do
		ioasid_rcu_barrier(rcu);
	while (ioasid_rcu_pending(rcu));
	ioasid_rcu_delist(domain);
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

int ioasid_rcu_thread_register(struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader;

	if (rcu->flavour == IOASID_RCU_NONE)
		return 0;
	if (rcu->flavour == IOASID_RCU_CUSTOM)
		return rcu->ops->thread_register ?
			       rcu->ops->thread_register(rcu->ops_context) :
			       0;
	reader = ioasid_rcu_find_reader(rcu);
	if (!reader)
		reader = ioasid_rcu_add_reader(ioasid_rcu_domain(rcu));
	if (!reader)
		return -ENOMEM;
	/* Online already it may hold pointers. */
	if (rcu->flavour == IOASID_RCU_QSBR &&
	    !ioasid_load_relaxed(&reader->epoch))
		ioasid_grace_announce(rcu, reader);
	return 0;
}

int ioasid_rcu_thread_unregister(struct ioasid_rcu *rcu)
{
	if (ioasid_rcu_read_held(rcu))
		return -EDEADLK;
	if (rcu->flavour == IOASID_RCU_NONE)
		return 0;
	if (rcu->flavour == IOASID_RCU_CUSTOM)
		return rcu->ops->thread_unregister ?
			       rcu->ops->thread_unregister(rcu->ops_context) :
			       0;
	return ioasid_rcu_forget_reader(rcu) ? 0 : -ENOENT;
}

int ioasid_rcu_quiescent(struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader;

	if (rcu->flavour == IOASID_RCU_CUSTOM && rcu->ops->quiescent)
		rcu->ops->quiescent(rcu->ops_context);
	if (rcu->flavour != IOASID_RCU_QSBR)
		return 0;
	reader = ioasid_rcu_find_reader(rcu);
	if (!reader)
		return -ENOENT;
	if (ioasid_load_relaxed(&reader->epoch))
		ioasid_grace_announce(rcu, reader);
	return 0;
}

int ioasid_rcu_thread_offline(struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader;

	if (rcu->flavour == IOASID_RCU_CUSTOM && rcu->ops->thread_offline)
		rcu->ops->thread_offline(rcu->ops_context);
	if (rcu->flavour != IOASID_RCU_QSBR)
		return 0;
	reader = ioasid_rcu_find_reader(rcu);
	if (!reader)
		return -ENOENT;
	ioasid_grace_offline(reader);
	return 0;
}

int ioasid_rcu_thread_online(struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader;

	if (rcu->flavour == IOASID_RCU_CUSTOM && rcu->ops->thread_online)
		rcu->ops->thread_online(rcu->ops_context);
	if (rcu->flavour != IOASID_RCU_QSBR)
		return 0;
	reader = ioasid_rcu_find_reader(rcu);
	if (!reader)
		return -ENOENT;
	ioasid_grace_announce(rcu, reader);
	return 0;
}
