/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "map.h"

#ifndef IOASID_NO_MAPS
#include "../store/ops.h"

#ifdef IOASID_NO_HASH
#define MAP_STORE IOASID_STORE_RADIX

/* The tree of an empty one is little. */
static size_t store_bytes(const struct ioasid_store *store)
{
	(void)store;
	return 0;
}
#else
#define MAP_STORE IOASID_STORE_HASH

static size_t store_bytes(const struct ioasid_store *store)
{
	const struct ioasid_hash_table *table =
		ioasid_load_relaxed(&store->root);

	return table->size;
}
#endif

/*
 * A hash store, or else a radix store, whose private pointers are the values.
 * Readers without lock look keys up as IDs are; see ioasid_spid_find().
 */

static const struct ioasid_store_ops *map_ops(void)
{
	return ioasid_store_ops_of(MAP_STORE, NULL);
}

static int map_create(struct space *space, struct map *map)
{
	struct ioasid_store_config config = {
		.min = 0,
		.max = INVALID_IOASID - 1,
		.memory = ioasid_space_hooks(space),
		.rcu = space->space.rcu,
		.hash_seed = space->hash_seed,
	};
	int ret;

	map->store.kind = MAP_STORE;
	ret = map_ops()->create(&map->store, &config);
	map->created = !ret;
	return ret;
}

static bool is_live(const struct ioasid_slot *slot)
{
	return ioasid_load_relaxed(&slot->state) & IOASID_STATE_LIVE;
}

static int insert(struct space *space, struct map *map, uint32_t key,
		  void *value)
{
	const struct ioasid_store_ops *ops = map_ops();
	struct ioasid_slot *slot;
	int ret = 0;

	if (!map->created)
		ret = map_create(space, map);
	if (!ret)
		ret = ops->claim(&map->store, key, key, &key, &slot);
	if (ret == -ENOSPC) {
		if (is_live(ioasid_store_locked_slot(&map->store, key)))
			return -EEXIST;
		if (!ioasid_rcu_poll(space->space.rcu, map->turned))
			return -EAGAIN;
		ops->release(&map->store, key);
		ret = ops->claim(&map->store, key, key, &key, &slot);
	}
	if (ret)
		return ret;
	ioasid_slot_publish(slot, value, 0);
	map->count++;
	return 0;
}

int ioasid_map_insert(struct space *space, struct map *map, uint32_t key,
		      void *value)
{
	int ret = insert(space, map, key, value);

	if (ioasid_space_may_retry(space, ret))
		ret = insert(space, map, key, value);
	return ioasid_space_no_memory(space, ret);
}

void *ioasid_map_find(const struct map *map, uint32_t key)
{
	struct ioasid_slot *slot;

	if (!map->count)
		return NULL;
	slot = ioasid_store_locked_slot(&map->store, key);
	return slot && is_live(slot) ?
		       ioasid_load_relaxed(&slot->private_data) :
		       NULL;
}

void ioasid_map_remove(struct space *space, struct map *map, uint32_t key,
		       bool readers)
{
	struct ioasid_slot *slot = ioasid_store_locked_slot(&map->store, key);

	ioasid_slot_free(slot, false);
	map->count--;
	/* No reader may meet a state twice; see ioasid_generation_turns(). */
	if (readers && ioasid_generation_turns(ioasid_state_generation(
			       ioasid_load_relaxed(&slot->state))))
		map->turned = ioasid_rcu_start_poll(space->space.rcu);
	else
		map_ops()->release(&map->store, key);
}

size_t ioasid_map_size(const struct map *map)
{
	return map->created ? store_bytes(&map->store) : 0;
}

const char *ioasid_map_check(const struct map *map)
{
	const char *reason = NULL;

	if (map->created)
		map_ops()->validate(&map->store, &reason);
	return reason;
}

void ioasid_map_destroy(struct map *map)
{
	if (map->created)
		map_ops()->destroy(&map->store);
}
#endif /* IOASID_NO_MAPS */
