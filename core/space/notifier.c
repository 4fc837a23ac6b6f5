/* SPDX-License-Identifier: MIT */
#include "internal.h"

/*
 * Every thread tells the events it causes itself, so nobody waits for anybody.
 * Events of one ID stay in order because one that happens while another thread
 * is at it, or has yet to come to it, goes to that thread. A free needs no
 * memory for that: the event before it says that it is followed by one.
 */

/* The innermost; there are several only where memory was missing. */
static struct delivery *own_delivery(const struct space *space)
{
	const void *thread = ioasid_space_thread();
	struct delivery *delivery = space->deliveries;

	while (delivery && delivery->thread != thread)
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
	struct delivery *delivery = space->deliveries;

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
	ioasid_list_insert(&space->deliveries, delivery, next, prev);
}

static void fill(struct space *space, struct event *event,
		 enum ioasid_event what, ioasid_t id, void *arg)
{
	event->event = what;
	event->id = id;
	event->arg = arg;
	event->number = ++space->events;
	event->freed = 0;
}

int ioasid_event_begin(struct space *space, struct delivery *own, ioasid_t id,
		       struct event **event)
{
	own->thread = NULL;
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

void ioasid_event_add_free(struct space *space, struct delivery *own,
			   ioasid_t id)
{
	struct delivery *delivery = elsewhere(space, id);
	struct event *event = NULL;

	if (delivery) {
		last_of(delivery, id)->freed = ++space->events;
		return;
	}
	delivery = own_delivery(space);
	if (delivery) {
		event = event_alloc(space);
		if (!event && (event = last_of(delivery, id))) {
			event->freed = ++space->events;
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

/* The first to be told from @notifier on, kept from going away. */
static struct ioasid_notifier *pin(struct ioasid_notifier *notifier,
				   const struct event *event, uint32_t set)
{
	while (notifier &&
	       (notifier->ended || notifier->since >= event->number ||
		(notifier->set && notifier->set != set)))
		notifier = notifier->next;
	if (notifier)
		notifier->calls++;
	return notifier;
}

/* @notifier is nobody's but the caller's from here on. */
static void unlink_notifier(struct ioasid_notifier *notifier)
{
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
	unlink_notifier(notifier);
	if (notifier->release)
		call(space, notifier, NULL);
}

static void tell(struct space *space, struct delivery *delivery,
		 const struct event *event)
{
	struct ioasid_notice notice = notice_of(space, event);
	uint32_t set = notice.set ? ioasid_load_relaxed(&notice.set->index) : 0;
	struct ioasid_notifier *notifier = pin(space->notifiers, event, set);
	struct ioasid_notifier *next;

	while (notifier) {
		delivery->calling = notifier;
		/* It may have been unregistered while another was called. */
		if (!notifier->ended)
			call(space, notifier, &notice);
		next = pin(notifier->next, event, set);
		delivery->calling = next;
		unpin(space, notifier);
		notifier = next;
	}
}

void ioasid_event_tell(struct space *space, struct delivery *own)
{
	struct event *event;
	int cancel;

	if (!own->thread)
		return;
	/* The thread may not end with events to tell. */
	cancel = ioasid_cancel_disable();
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
		if (!own->first)
			own->tail = &own->first;
		if (event->event == IOASID_EVENT_FREE)
			ioasid_id_finish(space, event->id);
		event_free(space, event);
	}
	ioasid_list_remove(own, next, prev);
	ioasid_cancel_restore(cancel);
}

int ioasid_space_notify(struct ioasid_space *public_space, ioasid_t id,
			enum ioasid_event what, void *arg)
{
	struct space *space = ioasid_to_space(public_space);
	struct event *event = NULL;
	struct delivery own;
	int ret;

	if (what != IOASID_EVENT_BIND && what != IOASID_EVENT_UNBIND)
		return -EINVAL;
	own.thread = NULL;
	ioasid_space_lock(space);
	ret = ioasid_live_state(space, id) ? 0 : -ENOENT;
	if (!ret && ioasid_watched(space))
		ret = ioasid_event_begin(space, &own, id, &event);
	if (event) {
		ioasid_event_add(space, &own, event, what, id, arg);
		ioasid_event_tell(space, &own);
	}
	ioasid_space_settle(space);
	return ret;
}

static int check_notifier(const struct ioasid_notifier *notifier)
{
	if (!notifier->notify)
		return -EINVAL;
	return notifier->space ? -EEXIST : 0;
}

int ioasid_space_register_notifier(struct ioasid_space *public_space,
				   struct ioasid_set *set,
				   struct ioasid_notifier *notifier)
{
	struct space *space = ioasid_to_space(public_space);
	struct ioasid_notifier **link = &space->notifiers;
	struct set_record *record = NULL;
	int ret;

	ioasid_space_lock(space);
	ret = check_notifier(notifier);
	if (!ret)
		ret = ioasid_set_enter(space, set, &record);
	if (!ret) {
		while (*link && (*link)->priority >= notifier->priority)
			link = &(*link)->next;
		ioasid_list_insert(link, notifier, next, prev);
		notifier->space = public_space;
		notifier->set = record ? record->index : 0;
		notifier->calls = 0;
		notifier->ended = false;
		notifier->since = space->events;
		space->stats.notifiers++;
	}
	ioasid_space_unlock(space);
	return ret;
}

/* To be called no more; and to @ended, if it is to be released. */
static void end(struct space *space, struct ioasid_notifier *notifier,
		struct ioasid_notifier **ended)
{
	space->stats.notifiers--;
	notifier->ended = true;
	if (notifier->calls)
		return;
	unlink_notifier(notifier);
	if (!notifier->release)
		return;
	/* Until it is released it is not to be registered again. */
	notifier->space = &space->space;
	notifier->ended = true;
	notifier->next = *ended;
	*ended = notifier;
}

void ioasid_notifiers_release(struct space *space,
			      struct ioasid_notifier *ended)
{
	struct ioasid_notifier *next;
	struct delivery own;
	int cancel;

	if (!ended)
		return;
	/* The thread may not end with some to release. */
	cancel = ioasid_cancel_disable();
	own.thread = NULL;
	if (!ioasid_event_telling(space))
		delivery_begin(space, &own);
	for (; ended; ended = next) {
		next = ended->next;
		ended->next = NULL;
		ended->space = NULL;
		ended->ended = false;
		call(space, ended, NULL);
	}
	ioasid_event_tell(space, &own);
	ioasid_cancel_restore(cancel);
}

int ioasid_space_unregister_notifier(struct ioasid_space *public_space,
				     struct ioasid_notifier *notifier)
{
	struct space *space = ioasid_to_space(public_space);
	struct ioasid_notifier *ended = NULL;
	int ret = -ENOENT;

	ioasid_space_lock(space);
	if (notifier->space == public_space && !notifier->ended) {
		ret = notifier->calls > 0;
		end(space, notifier, &ended);
		ioasid_notifiers_release(space, ended);
	}
	ioasid_space_settle(space);
	return ret;
}

struct ioasid_notifier *ioasid_notifiers_end(struct space *space, uint32_t set)
{
	struct ioasid_notifier *notifier, *next, *ended = NULL;

	for (notifier = space->notifiers; notifier; notifier = next) {
		next = notifier->next;
		if (notifier->set == set && !notifier->ended)
			end(space, notifier, &ended);
	}
	return ended;
}

void ioasid_notifiers_destroy(struct space *space)
{
	struct event *event;

	while (space->notifiers)
		unlink_notifier(space->notifiers);
	while ((event = space->lost)) {
		space->lost = event->next;
		event_free(space, event);
	}
}

/* Nobody is left to tell what other threads had to. */
void ioasid_notifiers_fork_child(struct space *space)
{
	const void *thread = ioasid_space_thread();
	struct delivery *delivery = space->deliveries, *next;
	struct event *event;

	for (; delivery; delivery = next) {
		next = delivery->next;
		if (delivery->thread == thread)
			continue;
		if (delivery->calling && !--delivery->calling->calls &&
		    delivery->calling->ended)
			unlink_notifier(delivery->calling);
		ioasid_list_remove(delivery, next, prev);
		while ((event = delivery->first)) {
			delivery->first = event->next;
			if (!event->allocated)
				continue;
			event->next = space->lost;
			space->lost = event;
		}
	}
}
