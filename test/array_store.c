/* SPDX-License-Identifier: MIT */
/* A user's own store: a sorted array, copied when an ID is added. */
#include "test/fixture.h"

struct entry {
	ioasid_t id;
	bool occupied;
	struct ioasid_slot *slot;
};

struct array {
	struct ioasid_rcu_head rcu;
	struct ioasid_memory memory;
	size_t count;
	struct entry entry[];
};

static size_t array_size(size_t count)
{
	return sizeof(struct array) + count * sizeof(struct entry);
}

static struct array *array_new(const struct ioasid_memory *memory, size_t count)
{
	struct array *array = memory->alloc(memory->context, array_size(count));

	if (array) {
		array->memory = *memory;
		array->count = count;
	}
	return array;
}

static void array_free(struct ioasid_rcu_head *head)
{
	struct array *array = (struct array *)head;

	array->memory.free(array->memory.context, array,
			   array_size(array->count));
}

static size_t array_index(const struct array *array, ioasid_t id)
{
	size_t low = 0, high = array->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (array->entry[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int array_create(struct ioasid_store *store,
			const struct ioasid_store_config *config)
{
	struct array *array = array_new(&config->memory, 0);

	if (!array)
		return -ENOMEM;
	ioasid_store_relaxed(&store->root, array);
	store->impl = config->rcu;
	return 0;
}

static void array_destroy(struct ioasid_store *store)
{
	struct array *array = ioasid_load_relaxed(&store->root);
	size_t i;

	for (i = 0; i < array->count; i++)
		array->memory.free(array->memory.context, array->entry[i].slot,
				   sizeof(struct ioasid_slot));
	array_free(&array->rcu);
}

static struct ioasid_slot *array_find(const struct ioasid_store *store,
				      ioasid_t id)
{
	const struct array *array = ioasid_load_acquire(&store->root);
	size_t i = array_index(array, id);

	return i < array->count && array->entry[i].id == id ?
		       array->entry[i].slot :
		       NULL;
}

/* An array with room at @i, or NULL. */
static struct array *array_grow(const struct array *old, size_t i, ioasid_t id)
{
	struct array *array = array_new(&old->memory, old->count + 1);
	struct ioasid_slot *slot;

	if (!array)
		return NULL;
	slot = old->memory.alloc(old->memory.context, sizeof(*slot));
	if (!slot) {
		array_free(&array->rcu);
		return NULL;
	}
	memset(slot, 0, sizeof(*slot));
#ifdef IOASID_GENERATION_START
	ioasid_store_relaxed(&slot->state,
			     ioasid_state_make(IOASID_GENERATION_START, 0, 0,
					       false));
#endif
	memcpy(array->entry, old->entry, i * sizeof(*old->entry));
	memcpy(&array->entry[i + 1], &old->entry[i],
	       (old->count - i) * sizeof(*old->entry));
	array->entry[i].id = id;
	array->entry[i].slot = slot;
	return array;
}

static int array_claim(struct ioasid_store *store, ioasid_t min, ioasid_t max,
		       ioasid_t *id, struct ioasid_slot **slot)
{
	struct array *array = ioasid_load_relaxed(&store->root), *old = array;
	size_t i = array_index(array, min);

	for (; i < array->count && array->entry[i].id == min; i++, min++) {
		if (!array->entry[i].occupied)
			break;
		if (min == max)
			return -ENOSPC;
	}
	if (i == array->count || array->entry[i].id != min) {
		array = array_grow(old, i, min);
		if (!array)
			return -ENOMEM;
		ioasid_store_release(&store->root, array);
		ioasid_rcu_retire(store->impl, &old->rcu, array_free,
				  array_size(old->count));
	}
	array->entry[i].occupied = true;
	*id = min;
	*slot = array->entry[i].slot;
	return 0;
}

static void array_release(struct ioasid_store *store, ioasid_t id)
{
	struct array *array = ioasid_load_relaxed(&store->root);

	array->entry[array_index(array, id)].occupied = false;
}

static size_t array_occupied(const struct ioasid_store *store, ioasid_t min,
			     ioasid_t max, ioasid_t *ids, size_t count)
{
	const struct array *array = ioasid_load_relaxed(&store->root);
	size_t i = array_index(array, min), written = 0;

	for (; i < array->count && array->entry[i].id <= max; i++)
		if (array->entry[i].occupied && written < count)
			ids[written++] = array->entry[i].id;
	return written;
}

static bool array_validate(const struct ioasid_store *store,
			   const char **reason)
{
	const struct array *array = ioasid_load_relaxed(&store->root);
	size_t i;

	*reason = "array: not ascending";
	for (i = 1; i < array->count; i++)
		if (array->entry[i - 1].id >= array->entry[i].id)
			return false;
	*reason = "array: vacant ID whose slot is in use";
	for (i = 0; i < array->count; i++)
		if (!array->entry[i].occupied &&
		    ioasid_load_relaxed(&array->entry[i].slot->state) &
			    ~IOASID_STATE_GENERATION)
			return false;
	*reason = NULL;
	return true;
}

const struct ioasid_store_ops array_store_ops = {
	.create = array_create,
	.destroy = array_destroy,
	.find = array_find,
	.claim = array_claim,
	.release = array_release,
	.occupied = array_occupied,
	.validate = array_validate,
};
