/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "../platform/memory.h"
#include "../store/generation.h"
#include "../store/ops.h"
#include "base.h"
#include "event.h"
#include "owner.h"
#include "source.h"
#include "../platform/util.h"

/* All spaces, for fork; this lock comes before that of any of them. */
static struct ioasid_lock spaces_lock = IOASID_LOCK_INIT;
static struct space *spaces;

static void spaces_fork_prepare(void)
{
	ioasid_lock_fork_prepare(&spaces_lock);
	for (struct space *space = spaces; space; space = space->next)
		ioasid_lock_fork_prepare(&space->lock);
}

static void spaces_fork_parent(void)
{
	for (struct space *space = spaces; space; space = space->next)
		ioasid_lock_fork_parent(&space->lock);
	ioasid_lock_fork_parent(&spaces_lock);
}

static void spaces_fork_child(void)
{
	for (struct space *space = spaces; space; space = space->next) {
		ioasid_lock_fork_child(&space->lock);
		ioasid_events_fork_child(space);
		ioasid_sources_fork_child(space);
	}
	ioasid_lock_fork_child(&spaces_lock);
}

/* The handlers of fork() were registered when the domain was made: no error. */
static void list_space(struct space *space)
{
	static const struct ioasid_fork_hook hook = { spaces_fork_prepare,
						      spaces_fork_parent,
						      spaces_fork_child, NULL };

	ioasid_at_fork(IOASID_FORK_SPACE, &hook);
	ioasid_lock(&spaces_lock);
	ioasid_list_insert(&spaces, space, next, prev);
	ioasid_unlock(&spaces_lock);
}

static void unlist_space(struct space *space)
{
	ioasid_lock(&spaces_lock);
	ioasid_list_remove(space, next, prev);
	ioasid_unlock(&spaces_lock);
}

static bool store_complete(const struct ioasid_store_ops *ops)
{
	return ops && ops->create && ops->destroy && ops->find && ops->claim &&
	       ops->release && ops->occupied && ops->validate;
}

static const struct ioasid_store_ops *
find_store_ops(const struct ioasid_space_config *config)
{
	if (config->store == IOASID_STORE_CUSTOM &&
	    !store_complete(config->store_ops))
		return NULL;
	return ioasid_store_ops_of(config->store, config->store_ops);
}

static int set_up_store(struct space *space,
			const struct ioasid_space_config *config)
{
	struct ioasid_store_config store_config = {
		.min = space->min,
		.max = space->max,
		.memory = ioasid_space_hooks(space),
		.rcu = space->space.rcu,
		.hash_seed = space->hash_seed,
		.context = config->store_context,
	};
	const struct ioasid_store_ops *ops;

	space->space.store.kind = config->store;
	ioasid_store_set_ops(&space->space.store, find_store_ops(config));
	ops = ioasid_store_ops(&space->space.store);
	return ops ? ops->create(&space->space.store, &store_config) : -EINVAL;
}

static uint32_t capacity_of(const struct space *space, uint32_t capacity)
{
	uint32_t ids = space->max - space->min + 1;

	return capacity && capacity < ids ? capacity : ids;
}

int ioasid_space_create(const struct ioasid_space_config *config,
			struct ioasid_space **out)
{
	static const struct ioasid_space_config defaults = {
		.store = IOASID_STORE_DEFAULT,
		.flavour = IOASID_RCU_DEFAULT,
	};
	struct ioasid_memory memory;
	struct space *space;
	ioasid_t min, max;
	int ret;

	if (!config)
		config = &defaults;
	min = config->min;
	max = config->max;
	if (max == INVALID_IOASID || (!min && !max))
		max = INVALID_IOASID - 1;
	if (min > max || !find_store_ops(config) ||
	    !config->lock.lock != !config->lock.unlock ||
	    (!config->rcu &&
	     (unsigned int)config->flavour >= IOASID_RCU_CUSTOM) ||
	    (config->reuse != IOASID_REUSE_LOWEST &&
	     config->reuse != IOASID_REUSE_CYCLIC) ||
	    ioasid_memory_resolve(&config->memory, &memory))
		return -EINVAL;
	space = ioasid_memory_zeroed(&memory, sizeof(*space));
	if (!space)
		return -ENOMEM;
	space->user_memory = memory;
	space->min = min;
	space->max = max;
	space->lock_ops = config->lock;
	space->guarded =
		config->lock.lock || config->memory.alloc ||
		config->store == IOASID_STORE_CUSTOM ||
		(config->rcu && config->rcu->flavour == IOASID_RCU_CUSTOM);
	space->reuse = config->reuse;
	space->always_quarantine = config->quarantine;
	space->hash_seed = config->hash_seed;
	space->stats.capacity = capacity_of(space, config->capacity);
	space->quarantine.waiting = INVALID_IOASID;
	space->quarantine.fresh = INVALID_IOASID;
	space->generation_latest = IOASID_GENERATION_START;
	space->generation_floor = IOASID_GENERATION_START;
	ioasid_lock_init(&space->lock);
	ioasid_sources_init(space);
	ret = -ENAMETOOLONG;
	if (!ioasid_space_name(space->name, config->name))
		goto free_space;
	space->space.rcu = config->rcu;
	if (!config->rcu) {
		struct ioasid_rcu_config rcu_config = {
			.flavour = config->flavour,
			.memory = config->memory,
		};

		ret = ioasid_rcu_create(&rcu_config, &space->own_rcu);
		if (ret)
			goto free_space;
		space->space.rcu = space->own_rcu;
	}
	ret = set_up_store(space, config);
	if (ret)
		goto free_rcu;
	list_space(space);
	space->created = true;
	ioasid_rcu_use(space->space.rcu);
	*out = &space->space;
	return 0;

free_rcu:
	ioasid_rcu_destroy(space->own_rcu);
free_space:
	ioasid_sources_done(space);
	ioasid_lock_destroy(&space->lock);
	ioasid_memory_zeroed_free(&memory, space, sizeof(*space));
	return ret;
}

static bool telling(struct space *space)
{
	bool ret;

	ioasid_space_lock(space);
	ret = ioasid_event_telling(space);
	ioasid_space_unlock(space);
	return ret;
}

static bool has_sourced(struct space *space)
{
	bool ret;

	ioasid_space_lock(space);
	ret = ioasid_source_gave(space);
	ioasid_space_unlock(space);
	return ret;
}

int ioasid_space_destroy(struct ioasid_space *public_space)
{
	struct ioasid_memory memory;
	struct space *space;
	bool retires;
	int ret;

	if (!public_space)
		return 0;
	space = ioasid_to_space(public_space);
	if (ioasid_source_calling(space) || telling(space))
		return -EDEADLK;
	/* What allocators do when they get their IDs back is waited for. */
	if (has_sourced(space) &&
	    (ioasid_rcu_in_section(public_space->rcu) || ioasid_forking()))
		return -EDEADLK;
	/* What the store has retired is freed through the space. */
	ret = ioasid_rcu_barrier(public_space->rcu);
	if (ret)
		return ret;
	unlist_space(space);
	/* No other call may run: it is free. */
	ioasid_callbacks_lock(space);
	ioasid_space_lock(space);
	retires = ioasid_source_gave(space);
	ioasid_sources_destroy(space);
	ioasid_events_destroy(space);
	ioasid_sets_unbind(space);
	ioasid_space_unlock(space);
	ioasid_callbacks_unlock(space);
	/* Without the barrier what callbacks retired stays, and needs this. */
	if (retires && ioasid_rcu_barrier(public_space->rcu))
		return 0;
	ioasid_extras_destroy(space);
	ioasid_sets_destroy(space);
	memory = space->user_memory;
	ioasid_store_ops(&public_space->store)->destroy(&public_space->store);
	ioasid_rcu_unuse(public_space->rcu);
	ioasid_rcu_destroy(space->own_rcu);
	ioasid_sources_done(space);
	ioasid_lock_destroy(&space->lock);
	ioasid_memory_zeroed_free(&memory, space, sizeof(*space));
	return 0;
}

int ioasid_space_set_capacity(struct ioasid_space *public_space,
			      uint32_t capacity)
{
	struct space *space = ioasid_to_space(public_space);
	int ret = -EBUSY;

	ioasid_space_lock(space);
	capacity = capacity_of(space, capacity);
	if (capacity >= space->stats.committed) {
		space->stats.capacity = capacity;
		ret = 0;
	}
	ioasid_space_unlock(space);
	return ret;
}

int ioasid_space_reserve(struct ioasid_space *public_space, uint32_t count)
{
	struct space *space = ioasid_to_space(public_space);
	struct ioasid_stats *stats = &space->stats;
	int ret = -ENOSPC;

	ioasid_space_lock(space);
	if (count <= stats->capacity - stats->committed) {
		stats->committed += count;
		stats->reserved += count;
		ret = 0;
	}
	ioasid_space_unlock(space);
	return ret;
}

int ioasid_space_unreserve(struct ioasid_space *public_space, uint32_t count)
{
	struct space *space = ioasid_to_space(public_space);
	struct ioasid_stats *stats = &space->stats;
	int ret = -EINVAL;

	ioasid_space_lock(space);
	if (count <= stats->reserved) {
		stats->committed -= count;
		stats->reserved -= count;
		ret = 0;
	}
	ioasid_space_unlock(space);
	return ret;
}

size_t ioasid_space_trim(struct ioasid_space *public_space)
{
	const struct ioasid_store_ops *ops =
		ioasid_store_ops(&public_space->store);
	struct space *space = ioasid_to_space(public_space);
	size_t given = 0;

	ioasid_space_lock(space);
	if (ops->trim)
		given = ops->trim(&public_space->store);
	ioasid_space_unlock(space);
	ioasid_rcu_reclaim_all(public_space->rcu);
	return given;
}

void ioasid_space_stats(struct ioasid_space *public_space,
			struct ioasid_stats *stats)
{
	struct space *space = ioasid_to_space(public_space);

	ioasid_space_lock(space);
	*stats = space->stats;
	ioasid_space_unlock(space);
	stats->memory =
		(size_t)ioasid_load_relaxed(&space->held) + sizeof(*space);
}
