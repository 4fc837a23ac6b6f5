/* SPDX-License-Identifier: MIT */
#include "internal.h"

#include <string.h>

/* All spaces, for fork; this lock comes before that of any of them. */
static struct ioasid_lock spaces_lock = IOASID_LOCK_INIT;
static struct space *spaces;

static void fork_prepare(void)
{
	ioasid_lock(&spaces_lock);
	for (struct space *space = spaces; space; space = space->next)
		ioasid_lock(&space->lock);
}

static void fork_parent(void)
{
	for (struct space *space = spaces; space; space = space->next)
		ioasid_unlock(&space->lock);
	ioasid_unlock(&spaces_lock);
}

static void fork_child(void)
{
	for (struct space *space = spaces; space; space = space->next) {
		ioasid_lock_init(&space->lock);
		ioasid_notifiers_fork_child(space);
		ioasid_sources_fork_child(space);
	}
	ioasid_lock_init(&spaces_lock);
}

/* False: no memory. */
static bool enlist(struct space *space)
{
	static const struct ioasid_fork_hook hook = { fork_prepare, fork_parent,
						      fork_child };

	if (!ioasid_at_fork(IOASID_FORK_SPACE, &hook))
		return false;
	ioasid_lock(&spaces_lock);
	ioasid_list_insert(&spaces, space, next, prev);
	ioasid_unlock(&spaces_lock);
	return true;
}

static void delist(struct space *space)
{
	ioasid_lock(&spaces_lock);
	ioasid_list_remove(space, next, prev);
	ioasid_unlock(&spaces_lock);
}

static void *counted(struct space *space, void *memory, size_t size)
{
	if (memory)
		ioasid_fetch_add_acq_rel(&space->held, size);
	return memory;
}

/* So much waits for readers that no more may be taken. */
static bool must_wait(struct space *space)
{
	space->refused = space->created &&
			 ioasid_rcu_retired_full(space->space.rcu);
	return space->refused;
}

void *ioasid_space_memory(struct space *space, size_t size)
{
	const struct ioasid_memory *user = &space->user_memory;

	return counted(space, user->alloc(user->context, size), size);
}

void ioasid_space_memory_free(struct space *space, void *memory, size_t size)
{
	ioasid_fetch_sub_release(&space->held, size);
	space->user_memory.free(space->user_memory.context, memory, size);
}

static void *counted_alloc(void *context, size_t size)
{
	struct space *space = context;

	return must_wait(space) ? NULL : ioasid_space_memory(space, size);
}

static void *counted_reserve(void *context, size_t size)
{
	struct space *space = context;
	const struct ioasid_memory *user = &space->user_memory;

	if (must_wait(space))
		return NULL;
	return counted(space, user->reserve(user->context, size), size);
}

static void counted_free(void *context, void *memory, size_t size)
{
	ioasid_space_memory_free(context, memory, size);
}

static void counted_release(void *context, void *memory, size_t size)
{
	struct space *space = context;

	ioasid_fetch_sub_release(&space->held, size);
	space->user_memory.release(space->user_memory.context, memory, size);
}

static size_t counted_discard(void *context, void *memory, size_t size)
{
	struct space *space = context;

	return space->user_memory.discard(space->user_memory.context, memory,
					  size);
}

struct ioasid_memory ioasid_space_hooks(struct space *space)
{
	struct ioasid_memory memory = {
		.alloc = counted_alloc,
		.free = counted_free,
		.context = space,
	};

	if (space->user_memory.reserve) {
		memory.reserve = counted_reserve;
		memory.release = counted_release;
	}
	if (space->user_memory.discard)
		memory.discard = counted_discard;
	return memory;
}

static const struct ioasid_store_ops *
find_store_ops(const struct ioasid_space_config *config)
{
	const struct ioasid_store_ops *ops = config->store_ops;

	switch (config->store) {
	case IOASID_STORE_RADIX:
		return &ioasid_radix_ops;
	case IOASID_STORE_BITMAP:
		return &ioasid_bitmap_ops;
	case IOASID_STORE_HASH:
		return &ioasid_hash_ops;
	case IOASID_STORE_CUSTOM:
		break;
	}
	if (config->store != IOASID_STORE_CUSTOM || !ops || !ops->create ||
	    !ops->destroy || !ops->find || !ops->claim || !ops->release ||
	    !ops->occupied || !ops->validate)
		return NULL;
	return ops;
}

static int set_up_store(struct space *space,
			const struct ioasid_space_config *config)
{
	struct ioasid_store_config store_config = {
		.min = space->min,
		.max = space->max,
		.memory = ioasid_space_hooks(space),
		.rcu = space->space.rcu,
		.hash_seed = config->hash_seed,
		.context = config->store_context,
	};

	space->space.store.kind = config->store;
	space->space.store.ops = find_store_ops(config);
	return space->space.store.ops->create(&space->space.store,
					      &store_config);
}

bool ioasid_space_name(char *to, const char *from)
{
	size_t length = 0;

	memset(to, 0, IOASID_NAME_SIZE);
	for (; from && from[length]; length++) {
		if (length == IOASID_NAME_SIZE - 1)
			return false;
		to[length] = from[length];
	}
	return true;
}

const void *ioasid_space_thread(void)
{
	static IOASID_TLS char thread;

	return &thread;
}

static uint32_t capacity_of(const struct space *space, uint32_t capacity)
{
	uint32_t ids = space->max - space->min + 1;

	return capacity && capacity < ids ? capacity : ids;
}

int ioasid_space_create(const struct ioasid_space_config *config,
			struct ioasid_space **out)
{
	static const struct ioasid_space_config defaults;
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
	space->reuse = config->reuse;
	space->always_quarantine = config->quarantine;
	space->stats.capacity = capacity_of(space, config->capacity);
	space->quarantine.waiting = INVALID_IOASID;
	space->quarantine.fresh = INVALID_IOASID;
	space->generation_latest = IOASID_GENERATION_START;
	space->generation_floor = IOASID_GENERATION_START;
	space->handback_tail = &space->handback;
	ioasid_lock_init(&space->lock);
	ioasid_lock_init(&space->callback_lock);
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
	ret = -ENOMEM;
	if (!enlist(space))
		goto destroy_store;
	space->created = true;
	ioasid_rcu_use(space->space.rcu);
	*out = &space->space;
	return 0;

destroy_store:
	space->space.store.ops->destroy(&space->space.store);
free_rcu:
	ioasid_rcu_destroy(space->own_rcu);
free_space:
	ioasid_lock_destroy(&space->callback_lock);
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
	/* What the store has retired is freed through the space. */
	ret = ioasid_rcu_barrier(public_space->rcu);
	if (ret)
		return ret;
	delist(space);
	ioasid_space_lock(space);
	retires = space->extras.count > 0;
	ioasid_sources_destroy(space);
	ioasid_notifiers_destroy(space);
	ioasid_sets_destroy(space);
	ioasid_space_unlock(space);
	if (retires)
		ioasid_rcu_barrier(public_space->rcu);
	memory = space->user_memory;
	public_space->store.ops->destroy(&public_space->store);
	ioasid_rcu_unuse(public_space->rcu);
	ioasid_rcu_destroy(space->own_rcu);
	ioasid_lock_destroy(&space->callback_lock);
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
