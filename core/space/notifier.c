/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include <ioasid/notifier.h>

#ifndef IOASID_NO_NOTIFIERS
#include "event.h"
#include "life.h"
#include "owner.h"

int ioasid_space_notify(struct ioasid_space *public_space, ioasid_t id,
			enum ioasid_event what, void *arg)
{
	struct space *space = ioasid_to_space(public_space);
	struct event *event = NULL;
	struct update update;
	int ret;

	if (what != IOASID_EVENT_BIND && what != IOASID_EVENT_UNBIND)
		return -EINVAL;
	ioasid_update_begin(space, &update);
	ret = ioasid_live_state(space, id) ? 0 : -ENOENT;
	if (!ret && ioasid_watched(space))
		ret = ioasid_event_begin(space, &update.own, id, &event);
	if (event)
		ioasid_event_add(space, &update.own, event, what, id, arg);
	ioasid_update_end(space, &update);
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
	struct ioasid_notifier **link = &space->events.notifiers;
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
		notifier->since = space->events.last;
		space->stats.notifiers++;
	}
	ioasid_space_unlock(space);
	return ret;
}

int ioasid_space_unregister_notifier(struct ioasid_space *public_space,
				     struct ioasid_notifier *notifier)
{
	struct space *space = ioasid_to_space(public_space);
	struct ioasid_notifier *ended = NULL;
	struct update update;
	int ret = -ENOENT;

	ioasid_update_begin(space, &update);
	if (notifier->space == public_space && !notifier->ended) {
		ret = notifier->calls > 0;
		ioasid_notifier_end(space, notifier, &ended);
		ioasid_notifiers_release(space, ended, &update.own);
	}
	ioasid_update_end(space, &update);
	return ret;
}
#endif /* IOASID_NO_NOTIFIERS */
