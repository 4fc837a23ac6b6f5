/* SPDX-License-Identifier: MIT */
#ifndef IOASID_NOTIFIER_H
#define IOASID_NOTIFIER_H

/*
 * Notifiers: functions that are told what happens to IDs. They run without any
 * lock of the library's and nobody waits for one on another thread, so they may
 * call anything; but where the call they are told of may not wait for a grace
 * period they may not either, which with qsbr is on every thread online. Told of
 * what an allocator's callback does they run within it, and may do what it may.
 */

#include <ioasid/space.h>

#ifndef IOASID_NO_NOTIFIERS
IOASID_BEGIN_DECLS

/**
 * enum ioasid_event - what happened to an ID
 * @IOASID_EVENT_ALLOC:  it was handed out
 * @IOASID_EVENT_FREE:   its life has ended: it is pending, and not handed out
 *                       again before the notifiers have returned and every
 *                       reference is put
 * @IOASID_EVENT_BIND:   somebody began to use it, by ioasid_space_notify()
 * @IOASID_EVENT_UNBIND: somebody ceased to
 */
enum ioasid_event {
	IOASID_EVENT_ALLOC,
	IOASID_EVENT_FREE,
	IOASID_EVENT_BIND,
	IOASID_EVENT_UNBIND
};

/**
 * struct ioasid_notice - what a notifier is told
 * @event:  see there
 * @space:  space
 * @set:    owner, or NULL
 * @handle: the ID and its generation
 * @spid:   its name in @set as of now, for a free the last; or INVALID_IOASID
 * @data:   private pointer as of now; NULL for a free by ioasid_space_remove(),
 *          whose caller has it
 * @arg:    of ioasid_space_notify()
 */
struct ioasid_notice {
	enum ioasid_event event;
	struct ioasid_space *space;
	struct ioasid_set *set;
	ioasid_handle_t handle;
	ioasid_t spid;
	void *data;
	void *arg;
};

/**
 * struct ioasid_notifier - a function that is told
 * @notify:   the function
 * @release:  see ioasid_space_unregister_notifier(); optional
 * @priority: the higher is told first, among equals the one registered first
 *
 * Events of one ID come in order, each exactly once to every notifier that was
 * registered when it happened and still is. They come before the call that
 * caused them returns, on its thread, unless
 * - it was made by a notifier of the same space: once the outer event has been
 *   told, in order, before the outer call returns; or
 * - another thread is just telling an event of the same ID: by that thread,
 *   after that event.
 * Several threads may be in @notify at a time, with events of different IDs. It
 * must return: no longjmp, no exception, no end of its thread, which cannot be
 * cancelled there. What is done to an ID looks through the events that other
 * threads have yet to tell.
 */
struct ioasid_notifier {
	void (*notify)(struct ioasid_notifier *notifier,
		       const struct ioasid_notice *notice);
	void (*release)(struct ioasid_notifier *notifier);
	int priority;
	/* private: */
	struct ioasid_notifier *next, **prev;
	const struct ioasid_space *space;
	uint32_t set, calls;
	uint64_t since;
	bool ended;
};

/**
 * ioasid_space_register_notifier - be told what happens to IDs
 * @space:    space
 * @set:      only to IDs of this set; NULL: to all
 * @notifier: must last until it is unregistered; private members zero at first;
 *            not by two threads at once
 *
 * Context: takes the space's lock; may be called in a read section, and by
 * notifiers.
 * Return: 0; -EINVAL no function; -EEXIST it is registered, here or elsewhere,
 * or its last calls are running; -EXDEV @set belongs to another space;
 * -ENFILE, -EAGAIN, -ENOMEM as for ioasid_set_bind(). On error nothing has
 * changed.
 * Ownership: @notifier is lent to @space until it is unregistered.
 * Complexity: linear in the notifiers registered.
 */
int ioasid_space_register_notifier(struct ioasid_space *space,
				   struct ioasid_set *set,
				   struct ioasid_notifier *notifier);

/**
 * ioasid_space_unregister_notifier - be told no more
 * @space:    space
 * @notifier: registered there
 *
 * No new call begins. Calls that are running, on this thread or others, are not
 * waited for: the last of them is followed by @release, on its thread, if there
 * is one. Without running calls @release is called here. It may call all that
 * @notify may.
 *
 * Context: takes the space's lock; calls @release without it; may be called in a
 * read section, and by notifiers, itself included.
 * Return: 0 @notifier is the caller's again; 1 it will be when calls that are
 * running have returned; -ENOENT not registered there.
 * Complexity: constant, and a step for each dump that is under way.
 */
int ioasid_space_unregister_notifier(struct ioasid_space *space,
				     struct ioasid_notifier *notifier);

/**
 * ioasid_space_notify - tell notifiers that an ID is used, or no more
 * @space: space
 * @id:    ID
 * @event: IOASID_EVENT_BIND or IOASID_EVENT_UNBIND
 * @arg:   told with it
 *
 * Whether binds and unbinds match is the callers' business: who binds does well
 * to hold a reference.
 *
 * Context: takes the space's lock; calls notifiers; may be called in a read
 * section if they do not wait.
 * Return: 0; -EINVAL another event; -ENOENT not live, or its end is under way;
 * -ENOMEM, nobody is told, only where the event has to wait its turn.
 * Complexity: linear in the notifiers registered, and in the events that other
 * threads have yet to tell.
 */
int ioasid_space_notify(struct ioasid_space *space, ioasid_t id,
			enum ioasid_event event, void *arg);

IOASID_END_DECLS
#endif /* IOASID_NO_NOTIFIERS */

#endif /* IOASID_NOTIFIER_H */
