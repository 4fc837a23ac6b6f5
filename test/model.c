/* SPDX-License-Identifier: MIT */
#include "test/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void model_init(struct model *model, ioasid_t min, ioasid_t max,
		bool (*turns)(void *context, ioasid_t id), void *context)
{
	memset(model, 0, sizeof(*model));
	model->min = min;
	model->max = max == INVALID_IOASID ? max - 1 : max;
	model->turns = turns;
	model->context = context;
}

void model_destroy(struct model *model)
{
	free(model->entry);
	memset(model, 0, sizeof(*model));
}

bool model_space_turns(void *context, ioasid_t id)
{
	const struct ioasid_space *space = context;
	const struct ioasid_slot *slot;
	bool turns;

	ioasid_rcu_read_lock(space->rcu);
	slot = ioasid_store_find(&space->store, id);
	if (slot && ioasid_state_moved(ioasid_load_acquire(&slot->state)))
		slot = ioasid_hash_find_moved(&space->store, id);
	turns = slot && ioasid_generation_turns(ioasid_state_generation(
				ioasid_load_acquire(&slot->state)));
	ioasid_rcu_read_unlock(space->rcu);
	return turns;
}

/* The index of the first entry not below @id. */
static size_t model_index(const struct model *model, ioasid_t id)
{
	size_t low = 0, high = model->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (model->entry[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct model_entry *model_entry(const struct model *model, ioasid_t id)
{
	size_t i = model_index(model, id);

	if (i == model->count || model->entry[i].id != id)
		return NULL;
	return &model->entry[i];
}

static struct model_entry *model_live(const struct model *model, ioasid_t id)
{
	struct model_entry *entry = model_entry(model, id);

	return entry && entry->state == MODEL_LIVE ? entry : NULL;
}

static struct model_entry *model_insert(struct model *model, ioasid_t id)
{
	size_t i = model_index(model, id);

	if (model->count == model->capacity) {
		model->capacity = model->capacity ? 2 * model->capacity : 64;
		model->entry = realloc(model->entry,
				       model->capacity * sizeof(*model->entry));
		if (!model->entry)
			abort();
	}
	memmove(&model->entry[i + 1], &model->entry[i],
		(model->count - i) * sizeof(*model->entry));
	memset(&model->entry[i], 0, sizeof(*model->entry));
	model->count++;
	return &model->entry[i];
}

static void model_remove(struct model *model, struct model_entry *entry)
{
	size_t i = (size_t)(entry - model->entry);

	model->count--;
	memmove(entry, entry + 1, (model->count - i) * sizeof(*entry));
}

static void model_vacate(struct model *model, struct model_entry *entry)
{
	if (!entry->turns) {
		model_remove(model, entry);
		return;
	}
	entry->state = MODEL_QUARANTINED;
	entry->held = model->in_section;
	model->turned++;
	entry->aged = false;
}

static bool model_set_known(const struct model *model,
			    const struct ioasid_set *set)
{
	uint32_t i;

	for (i = 0; i < model->stats.sets; i++)
		if (model->set[i] == set)
			return true;
	return false;
}

/* Must it be in use again? */
static bool model_is_back(const struct model *model,
			  const struct model_entry *entry)
{
	return entry->state == MODEL_QUARANTINED && entry->aged &&
	       !model->in_section;
}

/*
 * The first ID from @min on that is vacant for sure. -ENOSPC: none; -EAGAIN:
 * none, but some may be back from quarantine.
 */
static int model_lowest(const struct model *model, ioasid_t min, ioasid_t max,
			ioasid_t *last)
{
	size_t i = model_index(model, min);
	bool quarantined = false;
	ioasid_t id = min;

	if (min > max)
		return -ENOSPC;
	for (; i < model->count && model->entry[i].id == id; i++) {
		const struct model_entry *entry = &model->entry[i];

		if (entry->state == MODEL_QUARANTINED) {
			quarantined = true;
			if (model_is_back(model, entry))
				break;
		}
		if (id == max)
			return quarantined ? -EAGAIN : -ENOSPC;
		id++;
	}
	*last = id;
	return 0;
}

static const char *model_failed(const char *wrong, int ret, int expected)
{
	static char text[128];

	snprintf(text, sizeof(text), "%s: %d instead of %d", wrong, ret,
		 expected);
	return text;
}

const char *model_alloc(struct model *model, const struct ioasid_set *set,
			ioasid_t min, ioasid_t max, void *data, int ret,
			ioasid_t id)
{
	ioasid_t low = min > model->min ? min : model->min;
	ioasid_t high = max < model->max ? max : model->max;
	ioasid_t last = 0, skipped;
	struct model_entry *entry;
	int expected = 0;

	if (min > max)
		expected = -EINVAL;
	else
		expected = model_lowest(model, low, high, &last);
	if (!expected && set && !model_set_known(model, set) &&
	    model->stats.sets == IOASID_SETS_MAX)
		expected = -ENFILE;
	/* One that left quarantine meanwhile. */
	if (expected == -EAGAIN && !ret) {
		last = high;
		expected = 0;
	}
	if (ret != expected)
		return model_failed("alloc", ret, expected);
	if (ret) {
		model->stats.alloc_failed++;
		return NULL;
	}
	if (id < low || id > last)
		return "alloc: not the lowest vacant ID";
	for (skipped = low; skipped < id; skipped++) {
		entry = model_entry(model, skipped);
		if (!entry || model_is_back(model, entry))
			return "alloc: a lower ID is vacant";
	}
	entry = model_entry(model, id);
	if (entry && entry->state != MODEL_QUARANTINED)
		return "alloc: the ID is in use";
	if (entry && entry->held)
		return "alloc: the ID turned in this read section";
	if (!entry)
		entry = model_insert(model, id);
	entry->id = id;
	entry->state = MODEL_LIVE;
	entry->set = set;
	entry->data = data;
	entry->refs = 1;
	entry->turns = model->turns && model->turns(model->context, id);
	if (set && !model_set_known(model, set))
		model->set[model->stats.sets++] = set;
	model->stats.live++;
	model->stats.allocs++;
	return NULL;
}

int model_free(struct model *model, ioasid_t id)
{
	struct model_entry *entry = model_entry(model, id);

	if (!entry || entry->state != MODEL_LIVE) {
		model->stats.free_unknown++;
		return entry && entry->state == MODEL_PENDING ? -EBUSY :
								-ENOENT;
	}
	model->stats.live--;
	model->stats.frees++;
	entry->state = MODEL_PENDING;
	if (!--entry->refs)
		model_vacate(model, entry);
	return 0;
}

int model_find(const struct model *model, const struct ioasid_set *set,
	       ioasid_t id, void **data)
{
	const struct model_entry *entry = model_live(model, id);

	*data = NULL;
	if (!entry)
		return -ENOENT;
	if (set && entry->set != set)
		return -EACCES;
	*data = entry->data;
	return 0;
}

int model_get(struct model *model, const struct ioasid_set *set, ioasid_t id)
{
	struct model_entry *entry = model_entry(model, id);

	if (!entry || entry->state == MODEL_QUARANTINED)
		return -ENOENT;
	if (entry->state == MODEL_PENDING)
		return -EBUSY;
	if (set && entry->set != set)
		return -EACCES;
	if (entry->refs == IOASID_REFS_MAX)
		return -EOVERFLOW;
	entry->refs++;
	return 0;
}

int model_put(struct model *model, ioasid_t id)
{
	struct model_entry *entry = model_entry(model, id);

	if (!entry || entry->state == MODEL_QUARANTINED)
		return -ENOENT;
	if (--entry->refs)
		return 0;
	if (entry->state == MODEL_LIVE) {
		model->stats.live--;
		model->stats.frees++;
	}
	model_vacate(model, entry);
	return 1;
}

int model_exchange_data(struct model *model, ioasid_t id, void *data,
			void **old)
{
	struct model_entry *entry = model_live(model, id);

	if (!entry)
		return -ENOENT;
	if (old)
		*old = entry->data;
	entry->data = data;
	return 0;
}

int model_set_data(struct model *model, ioasid_t id, void *data)
{
	int ret = model_exchange_data(model, id, data, NULL);

	if (!ret)
		model_synchronize(model);
	return ret;
}

int model_for_each(const struct model *model, const struct ioasid_set *set,
		   ioasid_t min, ioasid_t max,
		   int (*func)(ioasid_t id, void *data, void *arg), void *arg)
{
	size_t i;
	int ret;

	if (min > max)
		return -EINVAL;
	for (i = model_index(model, min);
	     i < model->count && model->entry[i].id <= max; i++) {
		const struct model_entry *entry = &model->entry[i];

		if (entry->state != MODEL_LIVE || (set && entry->set != set))
			continue;
		ret = func(entry->id, entry->data, arg);
		if (ret)
			return ret;
	}
	return 0;
}

void model_stats(const struct model *model, struct ioasid_stats *stats)
{
	size_t i;

	*stats = model->stats;
	for (i = 0; i < model->count; i++) {
		stats->pending += model->entry[i].state == MODEL_PENDING;
		stats->quarantined += model->entry[i].state ==
				      MODEL_QUARANTINED;
	}
}

void model_read_lock(struct model *model)
{
	model->in_section = true;
}

void model_read_unlock(struct model *model)
{
	size_t i;

	model->in_section = false;
	for (i = 0; i < model->count; i++)
		model->entry[i].held = false;
}

void model_synchronize(struct model *model)
{
	size_t i;

	model_read_unlock(model);
	for (i = 0; i < model->count; i++)
		model->entry[i].aged = model->entry[i].state ==
				       MODEL_QUARANTINED;
}

struct model_walk {
	const struct model *model;
	size_t next;
};

static int model_visit(ioasid_t id, void *data, void *arg)
{
	struct model_walk *walk = arg;
	const struct model *model = walk->model;

	while (walk->next < model->count &&
	       model->entry[walk->next].state != MODEL_LIVE)
		walk->next++;
	if (walk->next == model->count || model->entry[walk->next].id != id ||
	    model->entry[walk->next].data != data)
		return 1;
	walk->next++;
	return 0;
}

const char *model_compare(const struct model *model, struct ioasid_space *space)
{
	struct ioasid_stats is, is_to_be;
	struct model_walk walk = { model, 0 };
	const char *reason = NULL;
	uint32_t held = 0;
	size_t i;

	if (!ioasid_space_validate(space, &reason))
		return reason ? reason : "not valid, without a reason";
	ioasid_space_stats(space, &is);
	model_stats(model, &is_to_be);
#define SAME(field)                                                         \
	do {                                                                \
		if (is.field != is_to_be.field)                             \
			return model_failed("stats." #field, (int)is.field, \
					    (int)is_to_be.field);           \
	} while (0)
	SAME(live);
	SAME(pending);
	SAME(sets);
	SAME(allocs);
	SAME(frees);
	SAME(alloc_failed);
	SAME(free_unknown);
#undef SAME
	for (i = 0; i < model->count; i++) {
		const struct model_entry *entry = &model->entry[i];
		void *data = NULL;
		int expected = entry->state == MODEL_LIVE ? 0 : -ENOENT;
		int ret = ioasid_space_find(space, entry->set, entry->id, NULL,
					    &data);

		held += entry->state == MODEL_QUARANTINED && entry->held;
		if (ret != expected)
			return model_failed("find", ret, expected);
		if (!ret && data != entry->data)
			return "find: another pointer";
	}
	if (is.quarantined > is_to_be.quarantined || is.quarantined < held)
		return model_failed("stats.quarantined", (int)is.quarantined,
				    (int)is_to_be.quarantined);
	if (ioasid_space_for_each(space, NULL, 0, INVALID_IOASID, model_visit,
				  &walk))
		return "for_each: another ID or pointer";
	while (walk.next < model->count &&
	       model->entry[walk.next].state != MODEL_LIVE)
		walk.next++;
	return walk.next == model->count ? NULL : "for_each: ended early";
}
