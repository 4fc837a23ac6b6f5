/* SPDX-License-Identifier: MIT */
#include <ioasid/space.h>

#include "../platform/internal.h"
#include "../rcu/internal.h"
#include "../store/internal.h"

#include <string.h>

/* IDs that a walk takes from the store at a time if it has no memory. */
#define WALK_IDS 64

/*
 * IDs whose generation turned, linked through their slots' private pointers:
 * some wait for the grace period of a cookie, those after them for the next.
 */
struct quarantine {
	ioasid_t waiting, fresh;
	uint64_t cookie, fresh_cookie;
};

struct space {
	struct ioasid_space space;
	struct ioasid_memory user_memory;
	/* bytes; stores' callbacks free on any thread */
	ioasid_atomic_u64 held;
	struct ioasid_rcu *own_rcu;
	ioasid_t min, max;
	bool created;
	/* what follows is written under the lock */
	struct ioasid_lock_ops lock_ops;
	struct ioasid_lock lock __attribute__((aligned(IOASID_CACHE_LINE)));
	struct ioasid_stats stats;
	struct quarantine quarantine;
	struct ioasid_set **sets;
	uint32_t sets_room;
	/* under the lock of all spaces */
	struct space *next, **prev;
};

/* All spaces, for fork; this lock comes before that of any of them. */
static struct ioasid_lock spaces_lock = IOASID_LOCK_INIT;
static struct space *spaces;

static struct space *to_space(const struct ioasid_space *space)
{
	return ioasid_container_of(space, struct space, space);
}

static void space_lock(struct space *space)
{
	if (space->lock_ops.lock)
		space->lock_ops.lock(space->lock_ops.context);
	else
		ioasid_lock(&space->lock);
}

static void space_unlock(struct space *space)
{
	if (space->lock_ops.lock)
		space->lock_ops.unlock(space->lock_ops.context);
	else
		ioasid_unlock(&space->lock);
}

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
	for (struct space *space = spaces; space; space = space->next)
		ioasid_lock_init(&space->lock);
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

/* Readers hold up the freeing of so much that no more may be taken. */
static bool must_wait(const struct space *space)
{
	return space->created && ioasid_rcu_retired_full(space->space.rcu);
}

static void *counted_alloc(void *context, size_t size)
{
	struct space *space = context;
	const struct ioasid_memory *user = &space->user_memory;

	if (must_wait(space))
		return NULL;
	return counted(space, user->alloc(user->context, size), size);
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
	struct space *space = context;

	ioasid_fetch_sub_release(&space->held, size);
	space->user_memory.free(space->user_memory.context, memory, size);
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

static struct ioasid_memory counted_memory(struct space *space)
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
		.memory = counted_memory(space),
		.rcu = space->space.rcu,
		.hash_seed = config->hash_seed,
		.context = config->store_context,
	};

	space->space.store.kind = config->store;
	space->space.store.ops = find_store_ops(config);
	return space->space.store.ops->create(&space->space.store,
					      &store_config);
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
	    ioasid_memory_resolve(&config->memory, &memory))
		return -EINVAL;
	space = ioasid_memory_zeroed(&memory, sizeof(*space));
	if (!space)
		return -ENOMEM;
	space->user_memory = memory;
	space->min = min;
	space->max = max;
	space->lock_ops = config->lock;
	space->quarantine.waiting = INVALID_IOASID;
	space->quarantine.fresh = INVALID_IOASID;
	ioasid_lock_init(&space->lock);
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
	ioasid_lock_destroy(&space->lock);
	ioasid_memory_zeroed_free(&memory, space, sizeof(*space));
	return ret;
}

int ioasid_space_destroy(struct ioasid_space *public_space)
{
	struct ioasid_memory memory;
	struct space *space;
	int ret;

	if (!public_space)
		return 0;
	space = to_space(public_space);
	/* What the store has retired is freed through the space. */
	ret = ioasid_rcu_barrier(public_space->rcu);
	if (ret)
		return ret;
	delist(space);
	for (uint32_t i = 0; i < space->stats.sets; i++)
		ioasid_store_release(&space->sets[i]->space, NULL);
	memory = space->user_memory;
	if (space->sets)
		memory.free(memory.context, space->sets,
			    space->sets_room * sizeof(*space->sets));
	public_space->store.ops->destroy(&public_space->store);
	ioasid_rcu_unuse(public_space->rcu);
	ioasid_rcu_destroy(space->own_rcu);
	ioasid_lock_destroy(&space->lock);
	ioasid_memory_zeroed_free(&memory, space, sizeof(*space));
	return 0;
}

/* Locked. Gives @set its index on first use. */
static int bind_set(struct space *space, struct ioasid_set *set,
		    uint32_t *index)
{
	struct ioasid_memory memory = counted_memory(space);
	uint32_t count = space->stats.sets, room;
	struct ioasid_set **sets;
	void *owner = NULL;

	*index = IOASID_SET_ANY;
	if (!set)
		return 0;
	*index = ioasid_set_index(&space->space, set);
	if (*index != IOASID_SET_FOREIGN)
		return 0;
	if (ioasid_load_acquire(&set->space))
		return -EXDEV;
	if (count == IOASID_SETS_MAX)
		return -ENFILE;
	if (count == space->sets_room) {
		room = count ? 2 * count : 8;
		sets = memory.alloc(memory.context, room * sizeof(*sets));
		if (!sets)
			return -ENOMEM;
		if (count) {
			memcpy(sets, space->sets, count * sizeof(*sets));
			memory.free(memory.context, space->sets,
				    count * sizeof(*sets));
		}
		space->sets = sets;
		space->sets_room = room;
	}
	/* Until the index stands, the set belongs to nobody's space. */
	*index = count + 1;
	if (!ioasid_cas_acq_rel(&set->space, &owner, (void *)set))
		return -EXDEV;
	ioasid_store_relaxed(&set->index, *index);
	ioasid_store_release(&set->space, (void *)&space->space);
	space->sets[count] = set;
	space->stats.sets++;
	return 0;
}

/* Locked. The slot of @id where updates belong, or NULL. */
static struct ioasid_slot *locked_slot(struct space *space, ioasid_t id)
{
	const struct ioasid_store *store = &space->space.store;
	struct ioasid_slot *slot = ioasid_store_find(store, id);

	if (ioasid_unlikely(slot && ioasid_state_moved(
					    ioasid_load_relaxed(&slot->state))))
		return ioasid_hash_find_moved(store, id);
	return slot;
}

static void *link_to(ioasid_t id)
{
	return (void *)(uintptr_t)id;
}

static ioasid_t linked_from(const struct ioasid_slot *slot)
{
	return (ioasid_t)(uintptr_t)ioasid_load_relaxed(&slot->private_data);
}

/* Locked. Gives back what has waited, and lets the rest begin to wait. */
static void quarantine_reap(struct space *space)
{
	struct quarantine *quarantine = &space->quarantine;
	struct ioasid_rcu *rcu = space->space.rcu;
	ioasid_t id, next;

	if (quarantine->waiting == INVALID_IOASID) {
		if (quarantine->fresh == INVALID_IOASID)
			return;
		quarantine->waiting = quarantine->fresh;
		quarantine->fresh = INVALID_IOASID;
		quarantine->cookie = quarantine->fresh_cookie;
	}
	if (!ioasid_rcu_poll(rcu, quarantine->cookie))
		return;
	for (id = quarantine->waiting; id != INVALID_IOASID; id = next) {
		next = linked_from(locked_slot(space, id));
		space->space.store.ops->release(&space->space.store, id);
		space->stats.quarantined--;
	}
	quarantine->waiting = INVALID_IOASID;
	quarantine_reap(space);
}

static bool quarantined_within(struct space *space, ioasid_t min, ioasid_t max)
{
	ioasid_t heads[] = { space->quarantine.waiting,
			     space->quarantine.fresh };

	for (unsigned int i = 0; i < 2; i++)
		for (ioasid_t id = heads[i]; id != INVALID_IOASID;
		     id = linked_from(locked_slot(space, id)))
			if (id >= min && id <= max)
				return true;
	return false;
}

/* Locked. The slot is vacant; its ID becomes so, at once or after its turn. */
static void vacate(struct space *space, ioasid_t id, struct ioasid_slot *slot)
{
	uint32_t generation =
		ioasid_state_generation(ioasid_load_relaxed(&slot->state));

	if (ioasid_likely(!ioasid_generation_turns(generation))) {
		space->space.store.ops->release(&space->space.store, id);
		return;
	}
	ioasid_store_release(&slot->private_data,
			     link_to(space->quarantine.fresh));
	space->quarantine.fresh = id;
	space->quarantine.fresh_cookie =
		ioasid_rcu_start_poll(space->space.rcu);
	space->stats.quarantined++;
}

/* Locked. */
static int alloc_locked(struct space *space, struct ioasid_set *set,
			ioasid_t min, ioasid_t max, void *data, ioasid_t *id)
{
	struct ioasid_store *store = &space->space.store;
	struct ioasid_slot *slot;
	uint32_t index;
	ioasid_t lowest;
	int ret;

	if (set && ioasid_load_acquire(&set->space) &&
	    ioasid_set_index(&space->space, set) == IOASID_SET_FOREIGN)
		return -EXDEV;
	if (ioasid_unlikely(space->stats.quarantined))
		quarantine_reap(space);
	ret = store->ops->claim(store, min, max, &lowest, &slot);
	if (ret == -ENOSPC && space->stats.quarantined &&
	    quarantined_within(space, min, max))
		return -EAGAIN;
	if (ret)
		return ret;
	ret = bind_set(space, set, &index);
	if (ret) {
		store->ops->release(store, lowest);
		return ret;
	}
	ioasid_slot_publish(slot, data, index);
	space->stats.live++;
	*id = lowest;
	return 0;
}

int ioasid_space_alloc(struct ioasid_space *public_space,
		       struct ioasid_set *set, ioasid_t min, ioasid_t max,
		       void *data, ioasid_t *id)
{
	struct space *space = to_space(public_space);
	int ret = min > max ? -EINVAL : 0;

	if (min < space->min)
		min = space->min;
	if (max > space->max)
		max = space->max;
	space_lock(space);
	if (!ret)
		ret = min > max ? -ENOSPC :
				  alloc_locked(space, set, min, max, data, id);
	if (ioasid_unlikely(ret == -ENOMEM && must_wait(space))) {
		ioasid_rcu_reclaim_all(public_space->rcu);
		ret = alloc_locked(space, set, min, max, data, id);
		if (ret == -ENOMEM && must_wait(space))
			ret = -EAGAIN;
	}
	if (ret)
		space->stats.alloc_failed++;
	else
		space->stats.allocs++;
	space_unlock(space);
	ioasid_rcu_reclaim(public_space->rcu);
	return ret;
}

/* The lock is dropped. */
static int free_and_unlock(struct space *space, ioasid_t id,
			   struct ioasid_slot *slot)
{
	int ret = slot ? ioasid_slot_free(slot) : -ENOENT;

	if (ret >= 0) {
		space->stats.frees++;
		space->stats.live--;
		if (ret)
			space->stats.pending++;
		else
			vacate(space, id, slot);
	} else {
		space->stats.free_unknown++;
	}
	space_unlock(space);
	return ret < 0 ? ret : 0;
}

int ioasid_space_free(struct ioasid_space *public_space, ioasid_t id)
{
	struct space *space = to_space(public_space);
	int ret;

	space_lock(space);
	ret = free_and_unlock(space, id, locked_slot(space, id));
	ioasid_rcu_reclaim(public_space->rcu);
	return ret;
}

int ioasid_space_free_deferred(struct ioasid_space *public_space, ioasid_t id,
			       struct ioasid_rcu_head *head,
			       void (*func)(struct ioasid_rcu_head *head))
{
	int ret = ioasid_rcu_admit(public_space->rcu);

	if (!ret)
		ret = ioasid_space_free(public_space, id);
	if (!ret)
		ioasid_rcu_defer_admitted(public_space->rcu, head, func);
	return ret;
}

/* The slot of @id as of now, for those that found it MOVED. */
static struct ioasid_slot *find_slot(const struct ioasid_space *space,
				     ioasid_t id, int before)
{
	return before == -EAGAIN ? ioasid_hash_find_moved(&space->store, id) :
				   ioasid_store_find(&space->store, id);
}

int ioasid_space_read_moved(const struct ioasid_space *space, uint32_t set,
			    ioasid_t id, void **data)
{
	struct ioasid_slot *slot;
	int ret = -EAGAIN;

	while (ret == -EAGAIN) {
		slot = find_slot(space, id, ret);
		ret = slot ? ioasid_slot_read(slot, set, data) : -ENOENT;
	}
	return ret;
}

int ioasid_space_get(struct ioasid_space *space, const struct ioasid_set *set,
		     ioasid_t id)
{
	uint32_t index = ioasid_set_index(space, set);
	struct ioasid_slot *slot;
	int ret;

	ioasid_rcu_read_lock(space->rcu);
	ret = ioasid_space_may_read(space);
	if (!ret) {
		do {
			slot = find_slot(space, id, ret);
			ret = slot ? ioasid_slot_get(slot, index) : -ENOENT;
		} while (ret == -EAGAIN);
	}
	ioasid_rcu_read_unlock(space->rcu);
	return ret;
}

/* The last reference is gone. */
static void put_last(struct space *space, ioasid_t id, bool was_live)
{
	space_lock(space);
	if (was_live) {
		space->stats.live--;
		space->stats.frees++;
	} else {
		space->stats.pending--;
	}
	vacate(space, id, locked_slot(space, id));
	space_unlock(space);
	ioasid_rcu_reclaim(space->space.rcu);
}

int ioasid_space_put(struct ioasid_space *space, ioasid_t id)
{
	struct ioasid_slot *slot;
	bool was_live = false;
	int ret;

	ioasid_rcu_read_lock(space->rcu);
	ret = ioasid_space_may_read(space);
	if (!ret) {
		do {
			slot = find_slot(space, id, ret);
			ret = slot ? ioasid_slot_put(slot, &was_live) : -ENOENT;
		} while (ret == -EAGAIN);
	}
	ioasid_rcu_read_unlock(space->rcu);
	if (ret < 0)
		return ret;
	if (!ret)
		put_last(to_space(space), id, was_live);
	return !ret;
}

int ioasid_space_exchange_data(struct ioasid_space *public_space, ioasid_t id,
			       void *data, void **old)
{
	struct space *space = to_space(public_space);
	struct ioasid_slot *slot;
	ioasid_state_t state = 0;

	space_lock(space);
	slot = locked_slot(space, id);
	if (slot)
		state = ioasid_load_relaxed(&slot->state);
	if (state & IOASID_STATE_LIVE) {
		if (old)
			*old = ioasid_load_relaxed(&slot->private_data);
		ioasid_store_release(&slot->private_data, data);
	}
	space_unlock(space);
	return state & IOASID_STATE_LIVE ? 0 : -ENOENT;
}

int ioasid_space_set_data(struct ioasid_space *space, ioasid_t id, void *data)
{
	void *found;
	int ret;

	if (ioasid_rcu_read_held(space->rcu)) {
		ret = ioasid_space_find_rcu(space, NULL, id, &found);
		return ret ? ret : -EDEADLK;
	}
	ret = ioasid_space_exchange_data(space, id, data, NULL);
	return ret ? ret : ioasid_rcu_synchronize(space->rcu);
}

bool ioasid_space_call_getter(const struct ioasid_space *space,
			      bool (*getter)(void *data), void *data)
{
	struct ioasid_rcu_frame frame;
	bool valid;

	ioasid_rcu_frame_enter(&frame, space->rcu);
	valid = getter(data);
	ioasid_rcu_frame_leave(&frame);
	return valid;
}

/* One batch of a walk. */
static int visit(const struct ioasid_space *space, const struct ioasid_set *set,
		 const ioasid_t *ids, size_t count,
		 int (*func)(ioasid_t id, void *data, void *arg), void *arg)
{
	struct ioasid_rcu_frame frame;
	void *data;
	int ret;

	ioasid_rcu_read_lock(space->rcu);
	ret = ioasid_space_may_read(space);
	ioasid_rcu_frame_enter(&frame, space->rcu);
	for (size_t i = 0; i < count && !ret; i++)
		if (!ioasid_space_find_rcu(space, set, ids[i], &data))
			ret = func(ids[i], data, arg);
	ioasid_rcu_frame_leave(&frame);
	ioasid_rcu_read_unlock(space->rcu);
	return ret;
}

/* Room for IDs on a walk: as many as the store likes, or @few. */
struct walk_buffer {
	ioasid_t few[WALK_IDS], *ids;
	size_t room;
};

static void walk_begin(struct space *space, struct walk_buffer *buffer,
		       size_t count)
{
	struct ioasid_memory memory = counted_memory(space);

	buffer->ids = NULL;
	/* One more, so that the last call comes back short. */
	buffer->room = count + 1;
	if (space->space.store.ops->occupied_in_bulk && buffer->room > WALK_IDS)
		buffer->ids = memory.alloc(memory.context,
					   buffer->room * sizeof(ioasid_t));
	if (!buffer->ids) {
		buffer->ids = buffer->few;
		buffer->room = WALK_IDS;
	}
}

static void walk_end(struct space *space, struct walk_buffer *buffer)
{
	struct ioasid_memory memory = counted_memory(space);

	if (buffer->ids != buffer->few)
		memory.free(memory.context, buffer->ids,
			    buffer->room * sizeof(ioasid_t));
}

/* Locked. */
static size_t occupied_count(const struct space *space)
{
	return (size_t)space->stats.live + space->stats.pending +
	       space->stats.quarantined;
}

int ioasid_space_for_each(struct ioasid_space *public_space,
			  const struct ioasid_set *set, ioasid_t min,
			  ioasid_t max,
			  int (*func)(ioasid_t id, void *data, void *arg),
			  void *arg)
{
	const struct ioasid_store *store = &public_space->store;
	struct space *space = to_space(public_space);
	struct walk_buffer buffer;
	size_t count;
	int ret = 0;

	if (min > max)
		return -EINVAL;
	if (min < space->min)
		min = space->min;
	if (max > space->max)
		max = space->max;
	space_lock(space);
	walk_begin(space, &buffer, occupied_count(space));
	count = buffer.room;
	while (min <= max && count == buffer.room && !ret) {
		count = store->ops->occupied(store, min, max, buffer.ids,
					     buffer.room);
		space_unlock(space);
		ret = visit(public_space, set, buffer.ids, count, func, arg);
		if (count)
			min = buffer.ids[count - 1] + 1;
		space_lock(space);
	}
	walk_end(space, &buffer);
	space_unlock(space);
	return ret;
}

size_t ioasid_space_trim(struct ioasid_space *public_space)
{
	const struct ioasid_store_ops *ops = public_space->store.ops;
	struct space *space = to_space(public_space);
	size_t given = 0;

	space_lock(space);
	if (ops->trim)
		given = ops->trim(&public_space->store);
	space_unlock(space);
	ioasid_rcu_reclaim_all(public_space->rcu);
	return given;
}

void ioasid_space_stats(struct ioasid_space *public_space,
			struct ioasid_stats *stats)
{
	struct space *space = to_space(public_space);

	space_lock(space);
	*stats = space->stats;
	space_unlock(space);
	stats->memory =
		(size_t)ioasid_load_relaxed(&space->held) + sizeof(*space);
}

struct tally {
	uint32_t live, pending, vacant;
};

/* Locked. */
static const char *check_slot(struct space *space, ioasid_t id,
			      struct tally *tally)
{
	struct ioasid_slot *slot = locked_slot(space, id);
	ioasid_state_t state;
	uint32_t refs;

	if (!slot)
		return "space: occupied ID without slot";
	state = ioasid_load_relaxed(&slot->state);
	refs = ioasid_state_refs(state);
	if (ioasid_state_set(state) > space->stats.sets)
		return "space: ID of a set that is not bound";
	if (!(state & IOASID_STATE_LIVE) && !refs) {
		tally->vacant++;
		return NULL;
	}
	if (!refs || refs > IOASID_REFS_MAX)
		return "space: number of references out of range";
	tally->live += (state & IOASID_STATE_LIVE) != 0;
	tally->pending += !(state & IOASID_STATE_LIVE);
	return NULL;
}

static const char *check_ids(struct space *space, struct tally *tally)
{
	const struct ioasid_store *store = &space->space.store;
	struct walk_buffer buffer;
	ioasid_t min = space->min;
	const char *reason = NULL;
	size_t count;

	walk_begin(space, &buffer, occupied_count(space));
	count = buffer.room;
	while (count == buffer.room && min <= space->max && !reason) {
		count = store->ops->occupied(store, min, space->max, buffer.ids,
					     buffer.room);
		for (size_t i = 0; i < count && !reason; i++) {
			if (buffer.ids[i] < min || buffer.ids[i] > space->max)
				reason = "store: IDs not ascending in range";
			else
				reason =
					check_slot(space, buffer.ids[i], tally);
			min = buffer.ids[i] + 1;
		}
	}
	walk_end(space, &buffer);
	return reason;
}

static const char *check_space(struct space *space)
{
	const struct ioasid_store *store = &space->space.store;
	const char *reason = "store: not valid";
	struct tally tally = { 0, 0, 0 };

	if (!store->ops->validate(store, &reason))
		return reason;
	reason = check_ids(space, &tally);
	if (reason)
		return reason;
	if (tally.live != space->stats.live)
		return "space: number of live IDs differs";
	if (tally.pending != space->stats.pending)
		return "space: number of pending IDs differs";
	if (tally.vacant != space->stats.quarantined)
		return "space: occupied ID that is vacant";
	if (space->stats.allocs - space->stats.frees != space->stats.live)
		return "space: allocs and frees do not balance";
	for (uint32_t i = 0; i < space->stats.sets; i++)
		if (ioasid_set_index(&space->space, space->sets[i]) != i + 1)
			return "space: set with a wrong index";
	return NULL;
}

bool ioasid_space_validate(struct ioasid_space *public_space,
			   const char **reason)
{
	struct space *space = to_space(public_space);
	const char *found;

	space_lock(space);
	found = check_space(space);
	space_unlock(space);
	if (reason)
		*reason = found;
	return !found;
}
