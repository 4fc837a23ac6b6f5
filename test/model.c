/* SPDX-License-Identifier: MIT */
#include "test/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void model_init(struct model *model, ioasid_t min, ioasid_t max,
		uint32_t (*generation)(void *context, ioasid_t id),
		void *context)
{
	static const struct ioasid_space_config defaults;

	memset(model, 0, sizeof(*model));
	model->min = min;
	model->max = max == INVALID_IOASID ? max - 1 : max;
	model->generation = generation;
	model->context = context;
	model_configure(model, &defaults);
}

void model_configure(struct model *model,
		     const struct ioasid_space_config *config)
{
	uint32_t ids = model->max - model->min + 1;

	model->reuse = config->reuse;
	model->quarantine = config->quarantine;
	model->stats.capacity = config->capacity && config->capacity < ids ?
					config->capacity :
					ids;
}

void model_destroy(struct model *model)
{
	free(model->entry);
	free(model->set);
	free(model->waiting);
	free(model->event);
	free(model->back);
	free(model->call);
	memset(model, 0, sizeof(*model));
}

uint32_t model_space_generation(void *context, ioasid_t id)
{
	const struct ioasid_space *space = context;
	const struct ioasid_slot *slot;
	uint32_t generation = 0;

	ioasid_rcu_read_lock(space->rcu);
	slot = ioasid_store_find(&space->store, id);
	if (slot && ioasid_state_moved(ioasid_load_acquire(&slot->state)))
		slot = ioasid_hash_find_moved(&space->store, id);
	if (slot)
		generation = ioasid_state_generation(
			ioasid_load_acquire(&slot->state));
	ioasid_rcu_read_unlock(space->rcu);
	return generation;
}

static const char *model_failed(const char *wrong, int ret, int expected)
{
	static char text[128];

	snprintf(text, sizeof(text), "%s: %d instead of %d", wrong, ret,
		 expected);
	return text;
}

bool model_is(int expected, int ret)
{
	return ret == expected ||
	       (expected == MODEL_GONE && (ret == -ENOENT || ret == -ESTALE));
}

/* Room for one more at the end. */
static void *model_grow(void *array, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return array;
	*room = *room ? 2 * *room : 64;
	array = realloc(array, *room * size);
	if (!array)
		abort();
	return array;
}

#define GROW(array, count, room) \
	((array) = model_grow(array, count, &(room), sizeof(*(array))))

/* IDs */

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

/* Live, pending or reserved. */
static struct model_entry *model_used(const struct model *model, ioasid_t id)
{
	struct model_entry *entry = model_entry(model, id);

	return entry && entry->state != MODEL_QUARANTINED ? entry : NULL;
}

static void model_enter(struct model *model, struct model_entry *entry,
			enum model_state state)
{
	model->in_state[entry->state]--;
	entry->state = state;
	model->in_state[state]++;
}

static struct model_entry *model_insert(struct model *model, ioasid_t id,
					enum model_state state)
{
	size_t i = model_index(model, id);

	GROW(model->entry, model->count, model->room);
	memmove(&model->entry[i + 1], &model->entry[i],
		(model->count - i) * sizeof(*model->entry));
	memset(&model->entry[i], 0, sizeof(*model->entry));
	model->entry[i].state = state;
	model->in_state[state]++;
	model->count++;
	return &model->entry[i];
}

static void model_remove(struct model *model, struct model_entry *entry)
{
	size_t i = (size_t)(entry - model->entry);

	model->in_state[entry->state]--;
	model->count--;
	memmove(entry, entry + 1, (model->count - i) * sizeof(*entry));
}

/* Calls of callbacks and notifiers */

void model_called(struct model *model, const struct model_call *call)
{
	GROW(model->call, model->calls, model->calls_room);
	model->call[model->calls++] = *call;
}

static void model_fails(struct model *model, const char *wrong)
{
	if (!model->wrong)
		model->wrong = wrong;
}

/* The next call, if it is of that kind. */
static const struct model_call *model_next(const struct model *model,
					   enum model_call_kind kind,
					   const void *whose)
{
	const struct model_call *call = &model->call[model->called];

	return model->called < model->calls && call->kind == kind &&
			       call->whose == whose ?
		       call :
		       NULL;
}

static const struct model_call *model_expect(struct model *model,
					     enum model_call_kind kind,
					     const void *whose,
					     const char *wrong)
{
	const struct model_call *call = model_next(model, kind, whose);

	if (call)
		model->called++;
	else
		model_fails(model, wrong);
	return call;
}

const char *model_wrong(struct model *model)
{
	const char *wrong = model->wrong;

	if (!wrong && model->called != model->calls)
		wrong = "a callback or notifier was called that should not be";
	model->wrong = NULL;
	model->called = model->calls = 0;
	return wrong;
}

/* Sets */

struct model_set *model_set(const struct model *model,
			    const struct ioasid_set *set)
{
	size_t i;

	for (i = 0; i < model->sets; i++)
		if (model->set[i].set == set)
			return &model->set[i];
	return NULL;
}

static uint32_t model_larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* In use or set aside. */
static uint64_t model_committed(const struct model *model)
{
	uint64_t committed = (uint64_t)model->unowned + model->stats.reserved;
	size_t i;

	for (i = 0; i < model->sets; i++)
		committed += model_larger(model->set[i].stats.count,
					  model->set[i].stats.reserved);
	return committed;
}

static bool model_has_room(const struct model *model, uint64_t more)
{
	return model_committed(model) + more <= model->stats.capacity;
}

static void model_wait(struct model *model, const struct ioasid_set *set,
		       ioasid_t spid)
{
	GROW(model->waiting, model->waits, model->waits_room);
	model->waiting[model->waits++] = (struct model_waiting){
		.set = set, .spid = spid, .held = model->in_section
	};
}

/* May the place of a new set be refused? */
static int model_place(const struct model *model, int ret)
{
	size_t i, waiting = 0, held = 0;

	if (model->sets >= IOASID_SETS_MAX)
		return -ENFILE;
	for (i = 0; i < model->waits; i++) {
		if (model->waiting[i].spid != INVALID_IOASID)
			continue;
		waiting++;
		held += model->waiting[i].held;
	}
	if (model->sets + held >= IOASID_SETS_MAX)
		return -EAGAIN;
	if (model->sets + waiting >= IOASID_SETS_MAX && ret == -EAGAIN)
		return ret;
	return 0;
}

static struct model_set *model_add_set(struct model *model,
				       struct ioasid_set *set)
{
	GROW(model->set, model->sets, model->sets_room);
	memset(&model->set[model->sets], 0, sizeof(*model->set));
	model->set[model->sets].set = set;
	return &model->set[model->sets++];
}

int model_set_bind(struct model *model, struct ioasid_set *set,
		   const struct ioasid_set_config *config, int ret)
{
	static const struct ioasid_set_config defaults;
	struct ioasid_set *other;
	struct model_set *made;
	int expected;

	if (!config)
		config = &defaults;
	if (set && set == model->foreign)
		return -EXDEV;
	if (set && model_set(model, set))
		return -EBUSY;
	if (config->quota && config->reserved > config->quota)
		return -EINVAL;
	if (config->token && !model_set_by_token(model, config->token, &other))
		return -EEXIST;
	if (!model_has_room(model, config->reserved))
		return -ENOSPC;
	if (config->name && strlen(config->name) >= IOASID_NAME_SIZE)
		return -ENAMETOOLONG;
	expected = model_place(model, ret);
	if (expected || ret)
		return expected;
	made = model_add_set(model, set);
	if (config->name)
		strcpy(made->stats.name, config->name);
	made->stats.token = config->token;
	made->stats.quota = config->quota;
	made->stats.reserved = config->reserved;
	return 0;
}

static void model_end_notifiers(struct model *model,
				const struct ioasid_set *set);

int model_set_destroy(struct model *model, const struct ioasid_set *set)
{
	struct model_set *of = model_set(model, set);

	if (!of)
		return -EXDEV;
	if (of->stats.count)
		return -EBUSY;
	model_end_notifiers(model, set);
	*of = model->set[--model->sets];
	model_wait(model, set, INVALID_IOASID);
	return 0;
}

int model_set_limit(struct model *model, const struct ioasid_set *set,
		    uint32_t quota, uint32_t reserved)
{
	struct model_set *of = model_set(model, set);
	uint32_t count;

	if (!of)
		return -EXDEV;
	count = of->stats.count;
	if (quota && reserved > quota)
		return -EINVAL;
	if (quota && quota < count)
		return -EBUSY;
	if (model_committed(model) - model_larger(count, of->stats.reserved) +
		    model_larger(count, reserved) >
	    model->stats.capacity)
		return -ENOSPC;
	of->stats.quota = quota;
	of->stats.reserved = reserved;
	return 0;
}

int model_set_stats(const struct model *model, const struct ioasid_set *set,
		    struct ioasid_set_info *stats)
{
	const struct model_set *of = model_set(model, set);

	if (!of)
		return -EXDEV;
	*stats = of->stats;
	return 0;
}

int model_set_by_token(const struct model *model, const void *token,
		       struct ioasid_set **set)
{
	size_t i;

	for (i = 0; i < model->sets; i++) {
		if (token && model->set[i].stats.token == token) {
			*set = model->set[i].set;
			return 0;
		}
	}
	return -ENOENT;
}

int model_set_of(const struct model *model, ioasid_t id,
		 struct ioasid_set **set)
{
	const struct model_entry *entry = model_live(model, id);

	if (!entry)
		return -ENOENT;
	*set = (struct ioasid_set *)(uintptr_t)entry->set;
	return 0;
}

/* NULL: of any, or none. */
static uint32_t model_free_those(struct model *model,
				 const struct ioasid_set *set)
{
	ioasid_t id = model->min;
	uint32_t count = 0;

	for (;;) {
		size_t i = model_index(model, id);

		if (i == model->count)
			return count;
		id = model->entry[i].id;
		if (model->entry[i].state == MODEL_LIVE &&
		    (!set || model->entry[i].set == set) &&
		    !model_free(model, id))
			count++;
		id++;
	}
}

int model_set_free_all(struct model *model, const struct ioasid_set *set,
		       uint32_t *count)
{
	if (!model_set(model, set))
		return -EXDEV;
	*count = model_free_those(model, set);
	return 0;
}

int model_free_all(struct model *model, uint32_t *count)
{
	*count = model_free_those(model, NULL);
	return 0;
}

int model_set_capacity(struct model *model, uint32_t capacity)
{
	struct ioasid_space_config config = { .capacity = capacity,
					      .reuse = model->reuse,
					      .quarantine = model->quarantine };
	uint32_t before = model->stats.capacity;

	model_configure(model, &config);
	if (model_has_room(model, 0))
		return 0;
	model->stats.capacity = before;
	return -EBUSY;
}

int model_reserve(struct model *model, uint32_t count)
{
	if (!model_has_room(model, count))
		return -ENOSPC;
	model->stats.reserved += count;
	return 0;
}

int model_unreserve(struct model *model, uint32_t count)
{
	if (count > model->stats.reserved)
		return -EINVAL;
	model->stats.reserved -= count;
	return 0;
}

/* SPIDs */

int model_spid_attach(struct model *model, ioasid_t id, ioasid_t spid, int ret)
{
	struct model_entry *entry = model_live(model, id);
	size_t i;

	if (!entry)
		return -ENOENT;
	if (!entry->set || spid == INVALID_IOASID)
		return -EINVAL;
	if (entry->spid != INVALID_IOASID)
		return -EBUSY;
	for (i = 0; i < model->count; i++)
		if (model->entry[i].state == MODEL_LIVE &&
		    model->entry[i].set == entry->set &&
		    model->entry[i].spid == spid)
			return -EEXIST;
	for (i = 0; MODEL_TURNS && i < model->waits; i++)
		if (ret == -EAGAIN && model->waiting[i].set == entry->set &&
		    model->waiting[i].spid != INVALID_IOASID)
			return ret;
	if (ret)
		return 0;
	entry->spid = spid;
	model_set(model, entry->set)->stats.spids++;
	return 0;
}

/* Was attached, or not. */
static void model_unname(struct model *model, struct model_entry *entry)
{
	if (entry->spid == INVALID_IOASID)
		return;
	if (MODEL_TURNS)
		model_wait(model, entry->set, entry->spid);
	entry->spid = INVALID_IOASID;
	model_set(model, entry->set)->stats.spids--;
}

int model_spid_detach(struct model *model, ioasid_t id)
{
	struct model_entry *entry = model_live(model, id);

	if (!entry || entry->spid == INVALID_IOASID)
		return -ENOENT;
	model_unname(model, entry);
	return 0;
}

int model_spid_of(const struct model *model, ioasid_t id, ioasid_t *spid)
{
	const struct model_entry *entry = model_live(model, id);

	if (!entry || entry->spid == INVALID_IOASID)
		return -ENOENT;
	*spid = entry->spid;
	return 0;
}

int model_spid_find(const struct model *model, const struct ioasid_set *set,
		    ioasid_t spid, ioasid_t *id, void **data)
{
	size_t i;

	*id = INVALID_IOASID;
	*data = NULL;
	if (!model_set(model, set))
		return -EXDEV;
	for (i = 0; i < model->count && spid != INVALID_IOASID; i++) {
		const struct model_entry *entry = &model->entry[i];

		if (entry->state != MODEL_LIVE || entry->set != set ||
		    entry->spid != spid)
			continue;
		*id = entry->id;
		*data = entry->data;
		return 0;
	}
	return -ENOENT;
}

/* Notifiers */

static bool model_concerns(const struct model_notifier *notifier,
			   const struct ioasid_set *set)
{
	return notifier->notifier && !notifier->ended &&
	       (!notifier->set || notifier->set == set);
}

/* Is there anybody to tell, of whatever it is? */
static bool model_watched(const struct model *model)
{
	size_t i;

	for (i = 0; i < MODEL_NOTIFIERS; i++)
		if (model->notifier[i].notifier)
			return true;
	return model->telling;
}

static void model_finish(struct model *model, ioasid_t id, int found);
static void model_settle(struct model *model);

/* What the notifier that was told last did. */
static void model_follow(struct model *model, const struct model_call *did)
{
	struct model_call call = *did;
	const char *wrong;
	int expected = 0;

	switch (call.action) {
	case MODEL_GET:
		expected = model_get(model, NULL, call.id);
		break;
	case MODEL_FREE:
		expected = model_free(model, call.id);
		break;
	case MODEL_ALLOC:
		wrong = model_alloc(model, NULL, call.min, call.max, NULL,
				    call.ret, call.id);
		if (wrong)
			model_fails(model, wrong);
		return;
	case MODEL_UNREGISTER:
		expected = model_unregister_notifier(
			model, (struct ioasid_notifier *)(uintptr_t)call.whose);
		break;
	default:
		expected =
			model_notify(model, call.id, IOASID_EVENT_BIND, NULL);
		break;
	}
	if (!model_is(expected, call.ret))
		model_fails(model,
			    model_failed("in a notifier", call.ret, expected));
}

static bool model_same_notice(const struct ioasid_notice *is,
			      const struct ioasid_notice *is_to_be)
{
	return is->event == is_to_be->event && is->space == is_to_be->space &&
	       is->set == is_to_be->set &&
	       (ioasid_t)is->handle == (ioasid_t)is_to_be->handle &&
	       (!(is_to_be->handle >> 32) || is->handle == is_to_be->handle) &&
	       is->spid == is_to_be->spid && is->data == is_to_be->data &&
	       is->arg == is_to_be->arg;
}

static void model_tell_one(struct model *model, struct model_notifier *notifier,
			   const struct model_event *event)
{
	const struct ioasid_notifier *whose = notifier->notifier;
	const struct model_call *call =
		model_expect(model, MODEL_TOLD, whose, "a notifier not told");

	if (!call)
		return;
	if (!model_same_notice(&call->notice, &event->notice))
		model_fails(model, "a notifier told something else");
	notifier->running = true;
	while ((call = model_next(model, MODEL_DID, whose))) {
		model->called++;
		model_follow(model, call);
	}
	notifier->running = false;
	if (!notifier->ended)
		return;
	if (whose->release)
		model_expect(model, MODEL_RELEASED, whose,
			     "a notifier not released");
	memset(notifier, 0, sizeof(*notifier));
}

/* The next to tell after @last, by priority and then age; NULL: first. */
static struct model_notifier *model_next_notifier(struct model *model,
						  int priority, uint64_t since,
						  bool first)
{
	struct model_notifier *next = NULL;
	size_t i;

	for (i = 0; i < MODEL_NOTIFIERS; i++) {
		struct model_notifier *at = &model->notifier[i];

		if (!at->notifier || at->ended)
			continue;
		if (!first &&
		    (at->priority > priority ||
		     (at->priority == priority && at->since <= since)))
			continue;
		if (!next || at->priority > next->priority ||
		    (at->priority == next->priority && at->since < next->since))
			next = at;
	}
	return next;
}

static void model_tell(struct model *model)
{
	if (model->telling)
		return;
	model->telling = true;
	while (model->told < model->events) {
		struct model_event event = model->event[model->told++];
		ioasid_t id = (ioasid_t)event.notice.handle;
		struct model_notifier *at;
		int priority = 0;
		uint64_t since = 0;
		bool first = true;

		while ((at = model_next_notifier(model, priority, since,
						 first))) {
			const struct model_entry *entry = model_used(model, id);

			first = false;
			priority = at->priority;
			since = at->since;
			if (at->since > event.number ||
			    !model_concerns(at, event.notice.set))
				continue;
			event.notice.data = entry ? entry->data : NULL;
			model_tell_one(model, at, &event);
		}
		if (event.notice.event == IOASID_EVENT_FREE)
			model_finish(model, id, -ENOENT);
	}
	model->told = model->events = 0;
	model->telling = false;
}

static void model_happens(struct model *model, enum ioasid_event event,
			  const struct model_entry *entry, ioasid_t spid,
			  void *arg)
{
	struct model_event *to;

	GROW(model->event, model->events, model->events_room);
	to = &model->event[model->events++];
	to->number = ++model->happened;
	to->notice = (struct ioasid_notice){
		.event = event,
		.space = model->context,
		.set = (struct ioasid_set *)(uintptr_t)entry->set,
		.handle = entry->handle ? entry->handle : entry->id,
		.spid = spid,
		.arg = arg,
	};
	model_tell(model);
}

int model_register_notifier(struct model *model, struct ioasid_set *set,
			    struct ioasid_notifier *notifier)
{
	struct model_notifier *vacant = NULL;
	size_t i;
	int ret;

	if (!notifier->notify)
		return -EINVAL;
	for (i = MODEL_NOTIFIERS; i--;) {
		if (model->notifier[i].notifier == notifier)
			return -EEXIST;
		if (!model->notifier[i].notifier)
			vacant = &model->notifier[i];
	}
	if (set && set == model->foreign)
		return -EXDEV;
	if (set && !model_set(model, set)) {
		ret = model_place(model, 0);
		if (ret)
			return ret;
		model_add_set(model, set);
	}
	if (!vacant)
		abort();
	vacant->notifier = notifier;
	vacant->set = set;
	vacant->priority = notifier->priority;
	vacant->since = ++model->happened;
	return 0;
}

int model_unregister_notifier(struct model *model,
			      struct ioasid_notifier *notifier)
{
	size_t i;

	for (i = 0; i < MODEL_NOTIFIERS; i++) {
		struct model_notifier *at = &model->notifier[i];

		if (at->notifier != notifier || at->ended)
			continue;
		if (at->running) {
			at->ended = true;
			return 1;
		}
		memset(at, 0, sizeof(*at));
		if (notifier->release)
			model_expect(model, MODEL_RELEASED, notifier,
				     "a notifier not released");
		return 0;
	}
	return -ENOENT;
}

/* Those of a set that goes; they are released in no order. */
static void model_end_notifiers(struct model *model,
				const struct ioasid_set *set)
{
	const struct ioasid_notifier *ended[MODEL_NOTIFIERS];
	size_t count = 0, i;

	for (i = 0; i < MODEL_NOTIFIERS; i++) {
		struct model_notifier *at = &model->notifier[i];

		if (!at->notifier || at->set != set)
			continue;
		if (at->notifier->release)
			ended[count++] = at->notifier;
		memset(at, 0, sizeof(*at));
	}
	while (count) {
		for (i = 0; i < count; i++)
			if (model_next(model, MODEL_RELEASED, ended[i]))
				break;
		if (i == count) {
			model_fails(model, "a notifier not released");
			return;
		}
		model->called++;
		ended[i] = ended[--count];
	}
}

int model_notify(struct model *model, ioasid_t id, enum ioasid_event event,
		 void *arg)
{
	const struct model_entry *entry = model_live(model, id);

	if (event != IOASID_EVENT_BIND && event != IOASID_EVENT_UNBIND)
		return -EINVAL;
	if (!entry)
		return -ENOENT;
	if (model_watched(model))
		model_happens(model, event, entry, entry->spid, arg);
	model_settle(model);
	return 0;
}

/* Allocators */

static bool model_same_source(const struct ioasid_allocator_ops *a,
			      const struct ioasid_allocator_ops *b)
{
	return a->alloc == b->alloc && a->free == b->free;
}

static struct model_allocator *model_allocator(struct model *model,
					       const void *ops)
{
	size_t i;

	for (i = 0; ops && i < MODEL_ALLOCATORS; i++)
		if (model->allocator[i].ops == ops)
			return &model->allocator[i];
	return NULL;
}

/* The first that is registered, or of those with the functions of @like. */
static struct model_allocator *
model_first_allocator(struct model *model,
		      const struct ioasid_allocator_ops *like)
{
	size_t i;

	for (i = 0; i < MODEL_ALLOCATORS; i++) {
		struct model_allocator *at = &model->allocator[i];

		if (at->ops && !at->leaving &&
		    (!like || model_same_source(at->ops, like)))
			return at;
	}
	return NULL;
}

static void model_drop_allocator(struct model *model,
				 struct model_allocator *allocator)
{
	size_t i = (size_t)(allocator - model->allocator);

	memmove(allocator, allocator + 1,
		(MODEL_ALLOCATORS - 1 - i) * sizeof(*allocator));
	memset(&model->allocator[MODEL_ALLOCATORS - 1], 0, sizeof(*allocator));
}

/* @found: what a lookup in the callback is to answer; 1: anything. */
static void model_hand_back(struct model *model,
			    struct ioasid_allocator_ops *ops, ioasid_t id,
			    int found)
{
	const struct model_call *call =
		model_expect(model, MODEL_GIVEN, ops, "an ID not handed back");

	if (!call)
		return;
	if (call->id != id)
		model_fails(model, "another ID handed back");
	if (found != 1 && call->ret != found)
		model_fails(model, model_failed("lookup in a callback",
						call->ret, found));
}

int model_register_allocator(struct model *model,
			     struct ioasid_allocator_ops *ops)
{
	size_t i;

	if (!ops->alloc || !ops->free)
		return -EINVAL;
	if (model_allocator(model, ops))
		return -EEXIST;
	for (i = 0; !model->stats.allocators && i < model->count; i++)
		if (model->entry[i].state != MODEL_QUARANTINED &&
		    !model->entry[i].ops)
			return -EAGAIN;
	for (i = 0; i < MODEL_ALLOCATORS && model->allocator[i].ops;)
		i++;
	if (i == MODEL_ALLOCATORS)
		abort();
	model->allocator[i] = (struct model_allocator){ .ops = ops };
	model->stats.allocators++;
	return 0;
}

int model_unregister_allocator(struct model *model,
			       struct ioasid_allocator_ops *ops,
			       enum ioasid_unregister mode)
{
	struct model_allocator *of = model_allocator(model, ops), *heir;
	bool leaving;
	size_t i;

	if (mode != IOASID_UNREGISTER_IDLE && mode != IOASID_UNREGISTER_KEEP)
		return -EINVAL;
	if (!of || of->leaving)
		return -ENOENT;
	/* Who else is there? */
	of->leaving = true;
	heir = model_first_allocator(model, ops);
	leaving = of->ids && !heir;
	of->leaving = leaving;
	if (leaving && mode == IOASID_UNREGISTER_IDLE) {
		of->leaving = false;
		return -EBUSY;
	}
	model->stats.allocators--;
	if (leaving)
		return 1;
	if (!heir) {
		model_drop_allocator(model, of);
		return 0;
	}
	for (i = 0; i < model->count; i++)
		if (model->entry[i].ops == ops)
			model->entry[i].ops = heir->ops;
	heir->ids += of->ids;
	/* The first of its sharers takes its place in line. */
	if (heir > of) {
		*of = *heir;
		model_drop_allocator(model, heir);
	} else {
		model_drop_allocator(model, of);
	}
	return 0;
}

void model_space_destroyed(struct model *model)
{
	size_t i;

	/* In no order. */
	while (model->called < model->calls) {
		const struct model_call *call = &model->call[model->called++];
		struct model_entry *entry = model_used(model, call->id);

		if (call->kind != MODEL_GIVEN || !entry || !entry->ops ||
		    entry->ops != call->whose) {
			model_fails(model, "destroy: another call");
			return;
		}
		entry->ops = NULL;
	}
	for (i = 0; i < model->count; i++)
		if (model->entry[i].state != MODEL_QUARANTINED &&
		    model->entry[i].ops)
			model_fails(model, "destroy: an ID not handed back");
}

/* Alloc and free */

/* Must it be in use again? */
static bool model_is_back(const struct model *model,
			  const struct model_entry *entry)
{
	return entry->state == MODEL_QUARANTINED && entry->aged &&
	       !model->in_section;
}

static void model_vacate(struct model *model, struct model_entry *entry)
{
	model->ended = entry->handle;
	model->past[model->pasts++ % MODEL_PAST] = entry->handle;
	if (!entry->turns && !model->quarantine) {
		model_remove(model, entry);
		return;
	}
	model_enter(model, entry, MODEL_QUARANTINED);
	entry->held = model->in_section;
	model->turned += entry->turns;
	entry->aged = false;
	entry->ops = NULL;
	entry->set = NULL;
}

/* Nobody holds it any more. */
static void model_leave(struct model *model, struct model_entry *entry)
{
	struct model_set *set = model_set(model, entry->set);

	if (set)
		set->stats.count--;
	else
		model->unowned--;
	model_vacate(model, entry);
}

/* A reference less; @found as for model_hand_back(). */
static void model_finish(struct model *model, ioasid_t id, int found)
{
	struct model_entry *entry = model_entry(model, id);

	if (--entry->refs)
		return;
	if (!entry->ops) {
		model_leave(model, entry);
		return;
	}
	GROW(model->back, model->backs, model->backs_room);
	model->back[model->backs++] =
		(struct model_back){ .id = id, .found = found };
}

/* At the end of a call allocators are given what is theirs. */
static void model_settle(struct model *model)
{
	size_t i;

	for (i = 0; i < model->backs; i++) {
		struct model_entry *entry =
			model_entry(model, model->back[i].id);
		struct ioasid_allocator_ops *ops = entry->ops;
		struct model_allocator *of = model_allocator(model, ops);

		model_hand_back(model, ops, entry->id, model->back[i].found);
		model_leave(model, entry);
		if (--of->ids || !of->leaving)
			continue;
		if (ops->release)
			model_expect(model, MODEL_RELEASED, ops,
				     "an allocator not released");
		model_drop_allocator(model, of);
	}
	model->backs = 0;
}

/* The life of an ID ends; a reference is held for those who are told. */
static void model_end(struct model *model, struct model_entry *entry)
{
	ioasid_t spid = entry->spid;

	model->stats.live--;
	model->stats.frees++;
	model_enter(model, entry, MODEL_PENDING);
	model_unname(model, entry);
	if (model_watched(model))
		model_happens(model, IOASID_EVENT_FREE, entry, spid, NULL);
	else
		model_finish(model, entry->id, 0);
	model_settle(model);
}

/*
 * The first ID from @min on that is vacant for sure. -ENOSPC: none; -EAGAIN:
 * none, but some may be back from quarantine; 1: some are back for sure, though
 * others that are vacant may come first, as few are given back by each call.
 */
static int model_lowest(const struct model *model, ioasid_t min, ioasid_t max,
			ioasid_t *last)
{
	size_t i = model_index(model, min);
	bool quarantined = false, back = false;
	ioasid_t id = min;

	if (min > max)
		return -ENOSPC;
	for (; i < model->count && model->entry[i].id == id; i++) {
		const struct model_entry *entry = &model->entry[i];

		if (entry->state == MODEL_QUARANTINED) {
			quarantined = true;
			back |= model_is_back(model, entry);
		}
		if (id == max)
			return back ? 1 : quarantined ? -EAGAIN : -ENOSPC;
		id++;
	}
	*last = id;
	return 0;
}

/* Is it a vacant ID of that range, or one that may be? */
static bool model_may_give(const struct model *model, ioasid_t min,
			   ioasid_t max, ioasid_t id)
{
	const struct model_entry *entry = model_entry(model, id);

	return id >= min && id <= max &&
	       (!entry || (entry->state == MODEL_QUARANTINED && !entry->held));
}

/* One run of the policy: lowest of a range. As model_lowest(); @ok: as given. */
static int model_choose_from(const struct model *model, ioasid_t min,
			     ioasid_t max, int ret, ioasid_t id, bool *ok)
{
	ioasid_t last = max;
	int expected = model_lowest(model, min, max, &last);

	/* One that left quarantine meanwhile. */
	if (expected == -EAGAIN && !ret && model_may_give(model, min, max, id))
		expected = 0;
	*ok = expected >= 0 && !ret && model_may_give(model, min, last, id);
	return expected;
}

/* From the caller's cursor @next on, or NULL. */
static int model_choose(struct model *model, ioasid_t min, ioasid_t max,
			const ioasid_t *next, int ret, ioasid_t id)
{
	bool cyclic = next || model->reuse == IOASID_REUSE_CYCLIC;
	ioasid_t start = next ? *next : model->cursor;
	int above, below;
	bool ok;

	/* An ID that is asked for by itself moves nothing. */
	model->moves = !next && min != max;
	if (!cyclic || start <= min || start > max)
		start = min;
	above = model_choose_from(model, start, max, ret, id, &ok);
	if (above && !ok && start != min) {
		below = model_choose_from(model, min, start - 1, ret, id, &ok);
		if (below >= 0 || above == -ENOSPC)
			above = below;
	}
	if (above > 0)
		above = 0;
	if (!above && !ret && !ok)
		model_fails(model, "alloc: not the vacant ID of the policy");
	return above;
}

/* What the active allocator and those like it answered. */
static int model_ask(struct model *model, ioasid_t min, ioasid_t max, int ret,
		     ioasid_t id, struct ioasid_allocator_ops **ops)
{
	const struct model_allocator *active =
		model_first_allocator(model, NULL);
	const struct model_call *call = NULL;
	const struct model_entry *entry;
	ioasid_t given = INVALID_IOASID;
	size_t i;

	for (i = 0; i < MODEL_ALLOCATORS && given == INVALID_IOASID; i++) {
		*ops = model->allocator[i].ops;
		if (!*ops || model->allocator[i].leaving ||
		    !model_same_source(*ops, active->ops))
			continue;
		call = model_expect(model, MODEL_ASKED, *ops,
				    "an allocator not asked");
		if (!call)
			return ret;
		if (call->min != min || call->max != max)
			model_fails(model, "an allocator asked for a range");
		given = call->id;
	}
	if (given == INVALID_IOASID)
		return -ENOSPC;
	*ops = (struct ioasid_allocator_ops *)(uintptr_t)call->whose;
	entry = model_entry(model, given);
	if (given < min || given > max) {
		if (!model_used(model, given))
			model_hand_back(model, *ops, given, 1);
		return -ERANGE;
	}
	if (entry && entry->state != MODEL_QUARANTINED)
		return -EEXIST;
	if (entry &&
	    (entry->held || (!model_is_back(model, entry) && ret == -EAGAIN))) {
		model_hand_back(model, *ops, given, 1);
		return -EAGAIN;
	}
	if (!ret && id != given)
		model_fails(model, "alloc: not the allocator's ID");
	return 0;
}

/* Quota and capacity. */
static int model_admit(const struct model *model, const struct ioasid_set *set)
{
	const struct model_set *of = model_set(model, set);

	if (of && of->stats.quota && of->stats.count >= of->stats.quota)
		return -EDQUOT;
	if (of && of->stats.count < of->stats.reserved)
		return 0;
	return model_has_room(model, 1) ? 0 : -ENOSPC;
}

/* The ID is live from here on, with the owner's reference. */
static void model_publish(struct model *model, ioasid_t id, void *data)
{
	struct model_entry *entry = model_entry(model, id);

	model_enter(model, entry, MODEL_LIVE);
	entry->data = data;
	entry->refs = 1;
	model->stats.live++;
	model->stats.allocs++;
	if (model_watched(model))
		model_happens(model, IOASID_EVENT_ALLOC, entry, INVALID_IOASID,
			      NULL);
	model_settle(model);
}

/* It is reserved. */
static void model_give(struct model *model, struct ioasid_set *set, ioasid_t id,
		       struct ioasid_allocator_ops *ops)
{
	struct model_entry *entry = model_entry(model, id);
	struct model_set *of = model_set(model, set);
	uint32_t generation =
		model->generation ? model->generation(model->context, id) : 0;
	size_t i;

	if (!entry)
		entry = model_insert(model, id, MODEL_RESERVED);
	model_enter(model, entry, MODEL_RESERVED);
	*entry = (struct model_entry){
		.id = id,
		.state = MODEL_RESERVED,
		.set = set,
		.spid = INVALID_IOASID,
		.ops = ops,
		.turns = generation && ioasid_generation_turns(generation),
	};
	if (generation)
		entry->handle = (ioasid_handle_t)generation << 32 | id;
	for (i = 0; generation && !model->repeats && i < MODEL_PAST; i++)
		if (model->past[i] == entry->handle)
			model_fails(model, "alloc: a handle comes again");
	if (set && !of)
		of = model_add_set(model, set);
	if (of)
		of->stats.count++;
	else
		model->unowned++;
	if (ops)
		model_allocator(model, ops)->ids++;
	else if (model->moves)
		model->cursor = id + 1;
	model_settle(model);
}

/* Up to that the ID is reserved. */
static const char *model_take(struct model *model, struct ioasid_set *set,
			      ioasid_t min, ioasid_t max, const ioasid_t *next,
			      int ret, ioasid_t id)
{
	ioasid_t low = min > model->min ? min : model->min;
	ioasid_t high = max < model->max ? max : model->max;
	struct ioasid_allocator_ops *ops = NULL;
	int expected = 0;

	model->ended = 0;
	if (min > max)
		expected = -EINVAL;
	else if (low > high)
		expected = -ENOSPC;
	else if (set && set == model->foreign)
		expected = -EXDEV;
	else
		expected = model_admit(model, set);
	if (!expected && model->stats.allocators)
		expected = model_ask(model, low, high, ret, id, &ops);
	else if (!expected)
		expected = model_choose(model, low, high, next, ret, id);
	if (!expected && set && !model_set(model, set)) {
		expected = model_place(model, ret);
		if (expected && ops)
			model_hand_back(model, ops, id, 1);
	}
	model->expected = expected;
	if (ret != expected)
		return model_failed("alloc", ret, expected);
	if (ret) {
		model->stats.alloc_failed++;
		model_settle(model);
		return NULL;
	}
	if (model->wrong)
		return model->wrong;
	model_give(model, set, id, ops);
	return NULL;
}

const char *model_alloc(struct model *model, struct ioasid_set *set,
			ioasid_t min, ioasid_t max, void *data, int ret,
			ioasid_t id)
{
	const char *wrong = model_take(model, set, min, max, NULL, ret, id);

	if (!wrong && !ret)
		model_publish(model, id, data);
	return wrong;
}

const char *model_alloc_cyclic(struct model *model, struct ioasid_set *set,
			       ioasid_t min, ioasid_t max, void *data,
			       ioasid_t *next, int ret, ioasid_t id)
{
	const char *wrong =
		model_take(model, set, min, max, next, ret < 0 ? ret : 0, id);

	if (wrong || ret < 0)
		return wrong;
	if (ret != (id < *next))
		return model_failed("alloc_cyclic: wrap", ret, id < *next);
	*next = id + 1;
	model_publish(model, id, data);
	return NULL;
}

const char *model_reserve_id(struct model *model, struct ioasid_set *set,
			     ioasid_t min, ioasid_t max, int ret, ioasid_t id)
{
	return model_take(model, set, min, max, NULL, ret, id);
}

int model_publish_id(struct model *model, ioasid_t id, void *data)
{
	const struct model_entry *entry = model_entry(model, id);

	if (!entry || entry->state != MODEL_RESERVED)
		return -ENOENT;
	model_publish(model, id, data);
	return 0;
}

int model_release_id(struct model *model, ioasid_t id)
{
	struct model_entry *entry = model_entry(model, id);

	if (!entry || entry->state != MODEL_RESERVED)
		return -ENOENT;
	model_enter(model, entry, MODEL_PENDING);
	entry->refs = 1;
	model_finish(model, id, -ENOENT);
	model_settle(model);
	return 0;
}

void model_alloc_nomem(struct model *model)
{
	model->ended = 0;
	model->stats.alloc_failed++;
	while (model->called < model->calls) {
		const struct model_call *call = &model->call[model->called++];

		if (call->kind != MODEL_ASKED)
			model_fails(model,
				    "alloc without memory: another call");
		else if (call->id != INVALID_IOASID)
			model_hand_back(
				model,
				(struct ioasid_allocator_ops *)(uintptr_t)
					call->whose,
				call->id, 1);
	}
}

int model_free(struct model *model, ioasid_t id)
{
	struct model_entry *entry = model_entry(model, id);

	if (!entry || entry->state != MODEL_LIVE) {
		model->stats.free_unknown++;
		return entry && entry->state == MODEL_PENDING ? -EBUSY :
								-ENOENT;
	}
	model_end(model, entry);
	return 0;
}

int model_remove_id(struct model *model, const struct ioasid_set *set,
		    ioasid_t id, void **data)
{
	struct model_entry *entry = model_entry(model, id);

	if (!model_live(model, id))
		return model_free(model, id);
	if (set && entry->set != set) {
		model->stats.free_unknown++;
		return -EACCES;
	}
	*data = entry->data;
	/* It is not told: whoever removed it may let it go. */
	if (model_watched(model))
		entry->data = NULL;
	return model_free(model, id);
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
	struct model_entry *entry = model_used(model, id);

	if (!entry || entry->state == MODEL_RESERVED)
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
	struct model_entry *entry = model_used(model, id);
	bool last;

	if (!entry || entry->state == MODEL_RESERVED)
		return -ENOENT;
	last = entry->refs == 1;
	if (last && entry->state == MODEL_LIVE)
		model_end(model, entry);
	else
		model_finish(model, id, -ENOENT);
	model_settle(model);
	return last;
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

/* The first live entry from number @i on, which is brought there, or NULL. */
static const struct model_entry *model_next_live(const struct model *model,
						 const struct ioasid_set *set,
						 ioasid_t max, size_t *i)
{
	for (; *i < model->count && model->entry[*i].id <= max; ++*i) {
		const struct model_entry *entry = &model->entry[*i];

		if (entry->state == MODEL_LIVE && (!set || entry->set == set))
			return entry;
	}
	return NULL;
}

int model_for_each(const struct model *model, const struct ioasid_set *set,
		   ioasid_t min, ioasid_t max,
		   int (*func)(ioasid_t id, void *data, void *arg), void *arg)
{
	size_t i = model_index(model, min);
	const struct model_entry *entry;
	int ret;

	if (min > max)
		return -EINVAL;
	for (; (entry = model_next_live(model, set, max, &i)); i++) {
		ret = func(entry->id, entry->data, arg);
		if (ret)
			return ret;
	}
	return 0;
}

int model_next_id(const struct model *model, const struct ioasid_set *set,
		  ioasid_t min, ioasid_t max, ioasid_t *id, void **data)
{
	size_t i = model_index(model, min);
	const struct model_entry *entry;

	if (min > max)
		return -EINVAL;
	entry = model_next_live(model, set, max, &i);
	if (!entry)
		return -ENOENT;
	*id = entry->id;
	*data = entry->data;
	return 0;
}

/* Handles */

int model_handle(const struct model *model, const struct ioasid_set *set,
		 ioasid_t id, ioasid_handle_t *handle)
{
	const struct model_entry *entry = model_live(model, id);

	*handle = 0;
	if (!entry)
		return -ENOENT;
	if (set && entry->set != set)
		return -EACCES;
	*handle = entry->handle;
	return 0;
}

/* 0: of the present use of an ID that is in use. */
static int model_check_handle(const struct model *model, ioasid_handle_t handle)
{
	const struct model_entry *entry = model_entry(model, (ioasid_t)handle);
	bool same = entry && entry->handle == handle;

	if (!ioasid_handle_generation(handle) || handle == model->ended)
		return -ENOENT;
	if (!entry)
		return MODEL_GONE;
	if (entry->state == MODEL_QUARANTINED && !entry->held)
		return MODEL_GONE;
	if (entry->state == MODEL_QUARANTINED)
		return same ? -ENOENT : -ESTALE;
	return same ? 0 : -ESTALE;
}

int model_find_handle(const struct model *model, const struct ioasid_set *set,
		      ioasid_handle_t handle, void **data)
{
	int ret = model_check_handle(model, handle);

	*data = NULL;
	return ret ? ret : model_find(model, set, (ioasid_t)handle, data);
}

int model_get_handle(struct model *model, const struct ioasid_set *set,
		     ioasid_handle_t handle)
{
	int ret = model_check_handle(model, handle);

	return ret ? ret : model_get(model, set, (ioasid_t)handle);
}

int model_free_handle(struct model *model, ioasid_handle_t handle)
{
	int ret = model_check_handle(model, handle);

	if (!ret)
		return model_free(model, (ioasid_t)handle);
	/* What is never a handle means no ID. */
	if (ioasid_handle_generation(handle))
		model->stats.free_unknown++;
	return ret;
}

void model_trim(struct model *model)
{
	model->ended = 0;
}

/* The whole */

void model_stats(const struct model *model, struct ioasid_stats *stats)
{
	size_t i;

	*stats = model->stats;
	stats->sets = (uint32_t)model->sets;
	stats->committed = (uint32_t)model_committed(model);
	for (i = 0; i < MODEL_NOTIFIERS; i++)
		stats->notifiers += model->notifier[i].notifier != NULL;
	stats->pending = model->in_state[MODEL_PENDING];
	stats->unpublished = model->in_state[MODEL_RESERVED];
	stats->quarantined = model->in_state[MODEL_QUARANTINED];
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
	for (i = 0; i < model->waits; i++)
		model->waiting[i].held = false;
}

void model_synchronize(struct model *model)
{
	size_t i;

	model_read_unlock(model);
	for (i = 0; i < model->count; i++)
		model->entry[i].aged = model->entry[i].state ==
				       MODEL_QUARANTINED;
	model->waits = 0;
}

static const struct model_entry *model_any_live(const struct model *model,
						const struct model_set *of)
{
	size_t i;

	for (i = 0; i < model->count; i++)
		if (model->entry[i].state == MODEL_LIVE &&
		    model->entry[i].set == of->set)
			return &model->entry[i];
	return NULL;
}

/* IDs of a set, NULL: of none, that a snapshot leaves out. */
static uint32_t model_left_out(const struct model *model,
			       const struct ioasid_set *set)
{
	uint32_t count = 0;
	size_t i;

	for (i = 0; i < model->count; i++)
		count += model->entry[i].state == MODEL_RESERVED &&
			 model->entry[i].set == set;
	return count;
}

/* As it is in a snapshot. */
static struct model_set model_saved_set(const struct model *model,
					const struct model_set *of)
{
	struct model_set saved = *of;

	saved.stats.count -= model_left_out(model, of->set);
	return saved;
}

static bool model_same_set(const struct model_set *a, const struct model_set *b)
{
	return !strcmp(a->stats.name, b->stats.name) &&
	       a->stats.token == b->stats.token &&
	       a->stats.quota == b->stats.quota &&
	       a->stats.reserved == b->stats.reserved &&
	       a->stats.count == b->stats.count &&
	       a->stats.spids == b->stats.spids;
}

bool model_tells_apart(const struct model *model)
{
	size_t i, j;

	for (i = 0; i < model->sets; i++) {
		struct model_set of = model_saved_set(model, &model->set[i]);

		if (!of.stats.count || model_any_live(model, &of))
			continue;
		for (j = 0; j < model->sets; j++) {
			struct model_set other =
				model_saved_set(model, &model->set[j]);

			if (j != i && model_same_set(&of, &other) &&
			    !model_any_live(model, &other))
				return false;
		}
	}
	return true;
}

/* Which of the restored sets is @of? @taken says which are somebody's. */
static struct model_set *model_twin(const struct model *from,
				    const struct model_set *of,
				    struct model *to, const bool *taken,
				    struct ioasid_space *space)
{
	const struct model_entry *entry = model_any_live(from, of);
	struct ioasid_set *owner;
	size_t i;

	if (entry)
		return ioasid_set_of(space, entry->id, &owner) ?
			       NULL :
			       model_set(to, owner);
	for (i = 0; i < to->sets; i++)
		if (!taken[i] && model_same_set(&to->set[i], of))
			return &to->set[i];
	return NULL;
}

struct model_found {
	struct model *model;
	struct ioasid_space *space;
};

static int model_found_set(struct ioasid_set *set, void *arg)
{
	struct model_found *found = arg;
	struct model_set *of = model_add_set(found->model, set);

	return ioasid_set_stats(found->space, set, &of->stats);
}

/* As they are in the model restored from: what is drawn by number is the same. */
static void model_order_sets(struct model *to, struct model_set **twin)
{
	struct model_set *ordered = calloc(to->sets_room + 1, sizeof(*ordered));
	size_t i;

	if (!ordered)
		abort();
	for (i = 0; i < to->sets; i++)
		ordered[i] = *twin[i];
	free(to->set);
	to->set = ordered;
	for (i = 0; i < to->sets; i++)
		twin[i] = &ordered[i];
}

static const char *model_restore_sets(const struct model *from,
				      struct model *to,
				      struct ioasid_space *space,
				      struct model_set **twin, bool *taken)
{
	struct model_found found = { to, space };
	size_t i, s, pass;

	if (ioasid_set_for_each(space, model_found_set, &found))
		return "restore: a set without statistics";
	if (to->sets != from->sets)
		return "restore: number of sets";
	/* By their IDs, then those without. */
	for (i = 0; i < 2 * from->sets; i++) {
		struct model_set of =
			model_saved_set(from, &from->set[i % from->sets]);

		pass = i / from->sets;
		if (pass == (model_any_live(from, &of) != NULL))
			continue;
		twin[i % from->sets] = model_twin(from, &of, to, taken, space);
		if (!twin[i % from->sets])
			return "restore: a set is missing";
		s = (size_t)(twin[i % from->sets] - to->set);
		if (taken[s] || !model_same_set(&to->set[s], &of))
			return "restore: another set";
		taken[s] = true;
	}
	model_order_sets(to, twin);
	return NULL;
}

const char *model_restore(const struct model *from, struct model *to,
			  struct ioasid_space *space)
{
	struct model_set **twin =
		calloc(from->sets + 1, sizeof(struct model_set *));
	bool *taken = calloc(from->sets + 1, sizeof(bool));
	struct ioasid_stats stats;
	const char *wrong;
	size_t i;

	if (!twin || !taken)
		abort();
	wrong = model_restore_sets(from, to, space, twin, taken);
	memcpy(to->past, from->past, sizeof(to->past));
	to->pasts = from->pasts;
	/* Of worn slots that are vacant a snapshot knows nothing. */
	to->repeats |= from->repeats || IOASID_STATE_BITS == 32;
	to->unowned = from->unowned - model_left_out(from, NULL);
	to->stats.reserved = from->stats.reserved;
	to->cursor = from->cursor;
	for (i = 0; i < from->count && !wrong; i++) {
		const struct model_entry *entry = &from->entry[i];
		struct model_allocator *active;
		struct model_set *of = model_set(from, entry->set);
		struct model_entry *as;

		if (entry->state == MODEL_QUARANTINED ||
		    entry->state == MODEL_RESERVED)
			continue;
		as = model_insert(to, entry->id, entry->state);
		*as = *entry;
		as->set = of ? twin[of - from->set]->set : NULL;
		active = model_first_allocator(to, NULL);
		as->ops = as->ops && active ? active->ops : NULL;
		if (as->ops)
			active->ids++;
		if (entry->state == MODEL_LIVE)
			to->stats.live++;
	}
	/* How often it gave and took IDs is its own affair. */
	ioasid_space_stats(space, &stats);
	to->stats.allocs = stats.allocs;
	to->stats.frees = stats.frees;
	if (stats.allocs - stats.frees != to->stats.live && !wrong)
		wrong = "restore: allocs and frees";
	free(twin);
	free(taken);
	return wrong;
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

static const char *model_compare_entry(const struct model_entry *entry,
				       struct ioasid_space *space)
{
	const int expected = entry->state == MODEL_LIVE ? 0 : -ENOENT;
	ioasid_handle_t handle = 0;
	ioasid_t spid = INVALID_IOASID, id;
	struct ioasid_set *set = NULL;
	void *data = NULL;
	int ret = ioasid_space_find(space, entry->set, entry->id, NULL, &data);

	if (ret != expected)
		return model_failed("find", ret, expected);
	if (!ret && data != entry->data)
		return "find: another pointer";
	ret = ioasid_space_handle(space, NULL, entry->id, &handle);
	if (ret != expected)
		return model_failed("handle", ret, expected);
	if (!ret && entry->handle && handle != entry->handle)
		return "handle: another";
	ret = ioasid_set_of(space, entry->id, &set);
	if (ret != expected)
		return model_failed("set_of", ret, expected);
	if (!ret && set != entry->set)
		return "set_of: another set";
	ret = ioasid_spid_of(space, entry->id, &spid);
	if (ret != (spid == INVALID_IOASID ? -ENOENT : 0))
		return model_failed("spid_of", ret, 0);
	if (spid != entry->spid)
		return "spid_of: another";
	if (spid == INVALID_IOASID)
		return NULL;
	ret = ioasid_spid_find(space, entry->set, spid, NULL, &id, &data);
	if (ret || id != entry->id || data != entry->data)
		return model_failed("spid_find", ret, 0);
	return NULL;
}

const char *model_compare_id(const struct model *model,
			     struct ioasid_space *space, ioasid_t id)
{
	const struct model_entry *entry = model_entry(model, id);
	void *data = NULL;
	int ret;

	if (entry)
		return model_compare_entry(entry, space);
	ret = ioasid_space_find(space, NULL, id, NULL, &data);
	return ret == -ENOENT && !data ? NULL :
					 model_failed("find", ret, -ENOENT);
}

static const char *model_compare_entries(const struct model *model,
					 struct ioasid_space *space)
{
	const char *wrong = NULL;
	size_t i;

	for (i = 0; i < model->count && !wrong; i++)
		wrong = model_compare_entry(&model->entry[i], space);
	return wrong;
}

/* Each once; their number is compared already. */
static int model_visit_set(struct ioasid_set *set, void *arg)
{
	struct model_walk *walk = arg;

	walk->next++;
	return model_set(walk->model, set) ? 0 : 1;
}

static const char *model_compare_sets(const struct model *model,
				      struct ioasid_space *space)
{
	struct model_walk walk = { model, 0 };
	size_t i;

	for (i = 0; i < model->sets; i++) {
		const struct model_set *of = &model->set[i];
		struct ioasid_set_info stats;
		struct ioasid_set *found;

		memset(&stats, 0, sizeof(stats));
		if (ioasid_set_stats(space, of->set, &stats))
			return "set_stats: not a set of the space";
		if (strcmp(stats.name, of->stats.name) ||
		    stats.token != of->stats.token ||
		    stats.quota != of->stats.quota ||
		    stats.reserved != of->stats.reserved)
			return "set_stats: another set";
		if (stats.count != of->stats.count)
			return model_failed("set_stats: count",
					    (int)stats.count,
					    (int)of->stats.count);
		if (stats.spids != of->stats.spids)
			return model_failed("set_stats: spids",
					    (int)stats.spids,
					    (int)of->stats.spids);
		if (stats.token &&
		    (ioasid_set_by_token(space, stats.token, &found) ||
		     found != of->set))
			return "set_by_token: another set";
	}
	if (ioasid_set_for_each(space, model_visit_set, &walk) ||
	    walk.next != model->sets)
		return "set_for_each: other sets";
	return NULL;
}

const char *model_compare_counts(const struct model *model,
				 const struct ioasid_stats *stats)
{
	struct ioasid_stats is_to_be;

	model_stats(model, &is_to_be);
#define SAME(field)                                               \
	do {                                                      \
		if (stats->field != is_to_be.field)               \
			return model_failed("stats." #field,      \
					    (int)stats->field,    \
					    (int)is_to_be.field); \
	} while (0)
	SAME(live);
	SAME(pending);
	SAME(unpublished);
	SAME(sets);
	SAME(allocators);
	SAME(notifiers);
	SAME(capacity);
	SAME(committed);
	SAME(reserved);
	SAME(allocs);
	SAME(frees);
	SAME(alloc_failed);
	SAME(free_unknown);
#undef SAME
	if (stats->quarantined > is_to_be.quarantined)
		return model_failed("stats.quarantined",
				    (int)stats->quarantined,
				    (int)is_to_be.quarantined);
	return NULL;
}

static const char *model_compare_stats(const struct model *model,
				       struct ioasid_space *space)
{
	struct ioasid_stats stats;
	const char *wrong;
	uint32_t held = 0;
	size_t i;

	ioasid_space_stats(space, &stats);
	wrong = model_compare_counts(model, &stats);
	for (i = 0; i < model->count; i++)
		held += model->entry[i].state == MODEL_QUARANTINED &&
			model->entry[i].held;
	if (!wrong && stats.quarantined < held)
		wrong = model_failed("stats.quarantined",
				     (int)stats.quarantined, (int)held);
	return wrong;
}

const char *model_compare(const struct model *model, struct ioasid_space *space)
{
	struct model_walk walk = { model, 0 };
	const char *reason = NULL;

	if (!ioasid_space_validate(space, &reason))
		return reason ? reason : "not valid, without a reason";
	reason = model_compare_stats(model, space);
	if (!reason)
		reason = model_compare_sets(model, space);
	if (!reason)
		reason = model_compare_entries(model, space);
	if (reason)
		return reason;
	if (ioasid_space_for_each(space, NULL, 0, INVALID_IOASID, model_visit,
				  &walk))
		return "for_each: another ID or pointer";
	while (walk.next < model->count &&
	       model->entry[walk.next].state != MODEL_LIVE)
		walk.next++;
	return walk.next == model->count ? NULL : "for_each: ended early";
}
