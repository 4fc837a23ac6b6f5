/* SPDX-License-Identifier: MIT */
#ifndef IOASID_SPACE_EVENT_H
#define IOASID_SPACE_EVENT_H

#include <ioasid/notifier.h>

#include "base.h"

IOASID_BEGIN_INTERNAL

/*
 * Events and whom they are told. Every thread tells the events it causes
 * itself, so nobody waits for anybody. Events of one ID stay in order because
 * one that happens while another thread is at it, or has yet to come to it,
 * goes to that thread. A free needs no memory for that: the event before it
 * says that it is followed by one.
 */

#ifdef IOASID_NO_NOTIFIERS
struct event;
struct ioasid_notifier;

struct delivery {
	char nothing;
};

static inline bool ioasid_watched(const struct space *space)
{
	(void)space;
	return false;
}

static inline void ioasid_delivery_init(struct delivery *own)
{
	(void)own;
}

static inline bool ioasid_delivery_due(const struct delivery *own)
{
	(void)own;
	return false;
}

static inline int ioasid_event_begin(struct space *space, struct delivery *own,
				     ioasid_t id, struct event **event)
{
	(void)space;
	(void)own;
	(void)id;
	*event = NULL;
	return 0;
}

static inline void ioasid_event_abort(struct space *space, struct event *event)
{
	(void)space;
	(void)event;
}

static inline void ioasid_event_add_alloc(struct space *space,
					  struct delivery *own,
					  struct event *event, ioasid_t id)
{
	(void)space;
	(void)own;
	(void)event;
	(void)id;
}

static inline void ioasid_event_add_free(struct space *space,
					 struct delivery *own, ioasid_t id,
					 struct ioasid_rcu_head *deferred)
{
	(void)space;
	(void)own;
	(void)id;
	(void)deferred;
}

static inline bool ioasid_event_tell(struct space *space, struct delivery *own,
				     ioasid_t *freed,
				     struct ioasid_rcu_head **deferred)
{
	(void)space;
	(void)own;
	*freed = INVALID_IOASID;
	*deferred = NULL;
	return false;
}

static inline bool ioasid_event_telling(const struct space *space)
{
	(void)space;
	return false;
}

static inline void ioasid_events_untold(const struct space *space,
					void (*func)(ioasid_t id, void *arg),
					void *arg)
{
	(void)space;
	(void)func;
	(void)arg;
}

static inline struct ioasid_notifier *ioasid_notifiers_end(struct space *space,
							   uint32_t set)
{
	(void)space;
	(void)set;
	return NULL;
}

static inline void ioasid_notifiers_release(struct space *space,
					    struct ioasid_notifier *ended,
					    struct delivery *own)
{
	(void)space;
	(void)ended;
	(void)own;
}

static inline void ioasid_events_destroy(struct space *space)
{
	(void)space;
}

static inline void ioasid_events_fork_child(struct space *space)
{
	(void)space;
}
#else
struct event {
	struct event *next;
	enum ioasid_event event;
	ioasid_t id;
	uint64_t number;
	void *arg;
	/* the number of the ID's free, if that follows this event; or 0 */
	uint64_t freed;
	/* of a free: what waits for readers once it is told */
	struct ioasid_rcu_head *deferred;
	bool allocated;
};

/* The events one thread has to tell, in order; the first is being told. */
struct delivery {
	struct delivery *next, **prev;
	const void *thread;
	int cancel;
	struct event *first, **tail;
	struct ioasid_notifier *calling;
	/* what calls at the outermost level have room for */
	struct event event;
};

/* Is there anybody to tell, or somebody who is just doing it? */
static inline bool ioasid_watched(const struct space *space)
{
	return space->events.notifiers || space->events.deliveries;
}

/* Before a call, and after: has it something to tell? */
static inline void ioasid_delivery_init(struct delivery *own)
{
	own->thread = NULL;
}

static inline bool ioasid_delivery_due(const struct delivery *own)
{
	return own->thread;
}

/*
 * Readies an event of @id, or of a new ID, for the calling thread, in @own or in
 * memory. -ENOMEM: it has to wait its turn and there is no memory for that.
 */
int ioasid_event_begin(struct space *space, struct delivery *own, ioasid_t id,
		       struct event **event);
void ioasid_event_abort(struct space *space, struct event *event);
/* It has happened. */
void ioasid_event_add(struct space *space, struct delivery *own,
		      struct event *event, enum ioasid_event what, ioasid_t id,
		      void *arg);
/* An ID was handed out. */
static inline void ioasid_event_add_alloc(struct space *space,
					  struct delivery *own,
					  struct event *event, ioasid_t id)
{
	ioasid_event_add(space, own, event, IOASID_EVENT_ALLOC, id, NULL);
}

/* The hidden ID was freed, and is to be finished once that is told. No error. */
void ioasid_event_add_free(struct space *space, struct delivery *own,
			   ioasid_t id, struct ioasid_rcu_head *deferred);
/*
 * Tells what @own has to, without the lock meanwhile. False: all of it; true:
 * @freed was freed and that is told, so finish it, and go on.
 */
bool ioasid_event_tell(struct space *space, struct delivery *own,
		       ioasid_t *freed, struct ioasid_rcu_head **deferred);
bool ioasid_event_telling(const struct space *space);
/* Calls @func for every ID whose free is not told yet. */
void ioasid_events_untold(const struct space *space,
			  void (*func)(ioasid_t id, void *arg), void *arg);

/* A place in the line of notifiers that lasts while they come and go. */
struct notifier_cursor {
	struct ioasid_notifier *at;
	const void *thread;
	struct notifier_cursor *next, **prev;
};

void ioasid_notifier_cursor_begin(struct space *space,
				  struct notifier_cursor *cursor);
/* The one the cursor is at, or NULL; it goes on to the next. */
struct ioasid_notifier *
ioasid_notifier_cursor_next(struct notifier_cursor *cursor);
void ioasid_notifier_cursor_end(struct notifier_cursor *cursor);
/* To be called no more; adds it to @ended if it is to be released. */
void ioasid_notifier_end(struct space *space, struct ioasid_notifier *notifier,
			 struct ioasid_notifier **ended);
/* Those of a set that goes are called no more. Returns those to release. */
struct ioasid_notifier *ioasid_notifiers_end(struct space *space, uint32_t set);
/* Releases them; what happens meanwhile is for @own to tell. */
void ioasid_notifiers_release(struct space *space,
			      struct ioasid_notifier *ended,
			      struct delivery *own);
void ioasid_events_destroy(struct space *space);
void ioasid_events_fork_child(struct space *space);
#endif /* IOASID_NO_NOTIFIERS */

IOASID_END_INTERNAL

#endif /* IOASID_SPACE_EVENT_H */
