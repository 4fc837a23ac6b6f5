/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "event.h"

#ifndef IOASID_NO_NOTIFIERS
#include "extra.h"
#include "owner.h"

/*
 * The calling thread's, or NULL; of several, which there are only where memory
 * was missing, the innermost.
 */
static struct delivery *own_delivery(const struct space *space)
{
	const void *self = ioasid_space_thread();
	struct delivery *delivery = space->events.deliveries;

	while (delivery && delivery->thread != self)
		delivery = delivery->next;
	return delivery;
}

bool ioasid_event_telling(const struct space *space)
{
	return own_delivery(space) != NULL;
}

/* The last event of @id in a delivery, or NULL. */
static struct event *last_of(const struct delivery *delivery, ioasid_t id)
{
	struct event *last = NULL;

	for (struct event *event = delivery->first; event; event = event->next)
		if (event->id == id)
			last = event;
	return last;
}

/* Where else than in the calling thread's own there is an event of @id. */
static struct delivery *elsewhere(const struct space *space, ioasid_t id)
{
	const struct delivery *own = own_delivery(space);
	struct delivery *delivery = space->events.deliveries;

	while (delivery && (delivery == own || !last_of(delivery, id)))
		delivery = delivery->next;
	return delivery;
}

static struct event *event_alloc(struct space *space)
{
	struct event *event = ioasid_space_memory(space, sizeof(*event));

	if (event)
		event->allocated = true;
	return event;
}

static void event_free(struct space *space, struct event *event)
{
	if (event->allocated)
		ioasid_space_memory_free(space, event, sizeof(*event));
}

static void append(struct delivery *delivery, struct event *event)
{
	event->next = NULL;
	*delivery->tail = event;
	delivery->tail = &event->next;
}

static void delivery_begin(struct space *space, struct delivery *delivery)
{
	delivery->thread = ioasid_space_thread();
	delivery->first = NULL;
	delivery->tail = &delivery->first;
	delivery->calling = NULL;
	/* The thread may not end with something to tell. */
	delivery->cancel = ioasid_space_keep_thread(space);
	ioasid_list_insert(&space->events.deliveries, delivery, next, prev);
}

static void fill(struct space *space, struct event *event,
		 enum ioasid_event what, ioasid_t id, void *arg)
{
	event->event = what;
	event->id = id;
	event->arg = arg;
	event->number = ++space->events.last;
	event->freed = 0;
	event->deferred = NULL;
}

int ioasid_event_begin(struct space *space, struct delivery *own, ioasid_t id,
		       struct event **event)
{
	own->event.allocated = false;
	*event = &own->event;
	if (ioasid_event_telling(space) || elsewhere(space, id))
		*event = event_alloc(space);
	return *event ? 0 : -ENOMEM;
}

void ioasid_event_abort(struct space *space, struct event *event)
{
	event_free(space, event);
}

void ioasid_event_add(struct space *space, struct delivery *own,
		      struct event *event, enum ioasid_event what, ioasid_t id,
		      void *arg)
{
	struct delivery *delivery = elsewhere(space, id);

	if (!delivery)
		delivery = own_delivery(space);
	if (!delivery) {
		delivery_begin(space, own);
		delivery = own;
	}
	fill(space, event, what, id, arg);
	append(delivery, event);
}

/* It follows @event, of the same ID. */
static void follow_by_free(struct space *space, struct event *event,
			   struct ioasid_rcu_head *deferred)
{
	event->freed = ++space->events.last;
	event->deferred = deferred;
}

void ioasid_event_add_free(struct space *space, struct delivery *own,
			   ioasid_t id, struct ioasid_rcu_head *deferred)
{
	struct delivery *delivery = elsewhere(space, id);
	struct event *event = NULL;

	if (delivery) {
		follow_by_free(space, last_of(delivery, id), deferred);
		return;
	}
	delivery = own_delivery(space);
	if (delivery) {
		event = event_alloc(space);
		if (!event && (event = last_of(delivery, id))) {
			follow_by_free(space, event, deferred);
			return;
		}
	}
	/* Without memory to wait its turn it is told at once. */
	if (!event) {
		delivery_begin(space, own);
		delivery = own;
		event = &own->event;
		event->allocated = false;
	}
	fill(space, event, IOASID_EVENT_FREE, id, NULL);
	event->deferred = deferred;
	append(delivery, event);
}

static struct ioasid_notice notice_of(struct space *space,
				      const struct event *event)
{
	const struct ioasid_slot *slot = ioasid_locked_slot(space, event->id);
	const struct extra *extra = ioasid_extra(space, event->id);
	ioasid_state_t state = ioasid_load_relaxed(&slot->state);
	const struct set_record *record =
		ioasid_set_record_at(space, ioasid_state_set(state));
	struct ioasid_notice notice = {
		.event = event->event,
		.space = &space->space,
		.set = record ? record->set : NULL,
		.handle = ioasid_handle_of(state, event->id),
		.spid = extra ? extra->spid : INVALID_IOASID,
		.data = ioasid_load_relaxed(&slot->private_data),
		.arg = event->arg,
	};

	return notice;
}

/* The first that is concerned from @notifier on, pinned, or NULL. */
static struct ioasid_notifier *pin_next(struct ioasid_notifier *notifier,
					const struct event *event, uint32_t set)
{
	while (notifier && (notifier->since >= event->number ||
			    (notifier->set && notifier->set != set)))
		notifier = notifier->next;
	if (notifier)
		notifier->calls++;
	return notifier;
}

/* @notifier is nobody's but the caller's from here on. */
static void unlink_notifier(struct space *space,
			    struct ioasid_notifier *notifier)
{
	struct notifier_cursor *cursor = space->events.cursors;

	for (; cursor; cursor = cursor->next)
		if (cursor->at == notifier)
			cursor->at = notifier->next;
	ioasid_list_remove(notifier, next, prev);
	notifier->next = NULL;
	notifier->prev = NULL;
	notifier->space = NULL;
	notifier->ended = false;
}

/*
 * What runs on the thread of a call may not wait where that call may not: with
 * qsbr its caller may hold pointers, unseen.
 */
static void call(struct space *space, struct ioasid_notifier *notifier,
		 const struct ioasid_notice *notice)
{
	struct ioasid_rcu *rcu = space->space.rcu;
	bool online = ioasid_rcu_online(rcu);
	struct ioasid_rcu_frame frame;

	ioasid_space_unlock(space);
	if (online)
		ioasid_rcu_frame_enter(&frame, rcu);
	if (notice)
		notifier->notify(notifier, notice);
	else
		notifier->release(notifier);
	if (online)
		ioasid_rcu_frame_leave(&frame);
	ioasid_space_lock(space);
}

static void unpin(struct space *space, struct ioasid_notifier *notifier)
{
	if (--notifier->calls || !notifier->ended)
		return;
	unlink_notifier(space, notifier);
	if (notifier->release)
		call(space, notifier, NULL);
}

static void tell(struct space *space, struct delivery *delivery,
		 const struct event *event)
{
	struct ioasid_notice notice = notice_of(space, event);
	uint32_t set = notice.set ? ioasid_load_relaxed(&notice.set->index) : 0;
	struct ioasid_notifier *notifier =
		pin_next(space->events.notifiers, event, set);
	struct ioasid_notifier *next;

	while (notifier) {
		delivery->calling = notifier;
		/* It may be unregistered, with a call that is to end. */
		if (!notifier->ended)
			call(space, notifier, &notice);
		next = pin_next(notifier->next, event, set);
		delivery->calling = next;
		unpin(space, notifier);
		notifier = next;
	}
}

bool ioasid_event_tell(struct space *space, struct delivery *own,
		       ioasid_t *freed, struct ioasid_rcu_head **deferred)
{
	struct event *event;
	bool free;

	if (!own->thread)
		return false;
	while ((event = own->first)) {
		tell(space, own, event);
		if (event->freed) {
			event->event = IOASID_EVENT_FREE;
			event->number = event->freed;
			event->freed = 0;
			event->arg = NULL;
			continue;
		}
		own->first = event->next;
		free = event->event == IOASID_EVENT_FREE;
		*freed = event->id;
		*deferred = event->deferred;
		event_free(space, event);
		if (free)
			return true;
	}
	ioasid_list_remove(own, next, prev);
	own->thread = NULL;
	ioasid_space_let_thread(space, own->cancel);
	return false;
}

void ioasid_notifier_end(struct space *space, struct ioasid_notifier *notifier,
			 struct ioasid_notifier **ended)
{
	space->stats.notifiers--;
	notifier->ended = true;
	if (notifier->calls)
		return;
	unlink_notifier(space, notifier);
	if (!notifier->release)
		return;
	/* Until it is released it is not to be registered again. */
	notifier->space = &space->space;
	notifier->ended = true;
	notifier->next = *ended;
	*ended = notifier;
}

void ioasid_notifiers_release(struct space *space,
			      struct ioasid_notifier *ended,
			      struct delivery *own)
{
	struct ioasid_notifier *next;

	if (!ended)
		return;
	if (!ioasid_event_telling(space))
		delivery_begin(space, own);
	for (; ended; ended = next) {
		next = ended->next;
		ended->next = NULL;
		ended->space = NULL;
		ended->ended = false;
		call(space, ended, NULL);
	}
}

struct ioasid_notifier *ioasid_notifiers_end(struct space *space, uint32_t set)
{
	struct ioasid_notifier *notifier, *next, *ended = NULL;

	for (notifier = space->events.notifiers; notifier; notifier = next) {
		next = notifier->next;
		/* No call is to end: its ID would be in the set. */
		if (notifier->set == set)
			ioasid_notifier_end(space, notifier, &ended);
	}
	return ended;
}

void ioasid_events_untold(const struct space *space,
			  void (*func)(ioasid_t id, void *arg), void *arg)
{
	for (const struct delivery *delivery = space->events.deliveries;
	     delivery; delivery = delivery->next)
		for (const struct event *event = delivery->first; event;
		     event = event->next)
			if (event->event == IOASID_EVENT_FREE || event->freed)
				func(event->id, arg);
}

void ioasid_notifier_cursor_begin(struct space *space,
				  struct notifier_cursor *cursor)
{
	cursor->at = space->events.notifiers;
	cursor->thread = ioasid_space_thread();
	ioasid_list_insert(&space->events.cursors, cursor, next, prev);
}

struct ioasid_notifier *
ioasid_notifier_cursor_next(struct notifier_cursor *cursor)
{
	struct ioasid_notifier *notifier = cursor->at;

	if (notifier)
		cursor->at = notifier->next;
	return notifier;
}

void ioasid_notifier_cursor_end(struct notifier_cursor *cursor)
{
	ioasid_list_remove(cursor, next, prev);
}

void ioasid_events_destroy(struct space *space)
{
	struct event *event;

	while (space->events.notifiers)
		unlink_notifier(space, space->events.notifiers);
	while ((event = space->events.lost)) {
		space->events.lost = event->next;
		event_free(space, event);
	}
}

/* Nobody is left to tell what other threads had to. */
void ioasid_events_fork_child(struct space *space)
{
	const void *self = ioasid_space_thread();
	struct delivery *delivery = space->events.deliveries, *next;
	struct notifier_cursor *cursor = space->events.cursors;
	struct event *event;

	for (; cursor; cursor = cursor->next)
		if (cursor->thread != self)
			ioasid_list_remove(cursor, next, prev);
	for (; delivery; delivery = next) {
		next = delivery->next;
		if (delivery->thread == self)
			continue;
		if (delivery->calling && !--delivery->calling->calls &&
		    delivery->calling->ended)
			unlink_notifier(space, delivery->calling);
		ioasid_list_remove(delivery, next, prev);
		while ((event = delivery->first)) {
			delivery->first = event->next;
			if (!event->allocated)
				continue;
			event->next = space->events.lost;
			space->events.lost = event;
		}
	}
}
#endif /* IOASID_NO_NOTIFIERS */
