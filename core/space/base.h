/* SPDX-License-Identifier: MIT */
#ifndef IOASID_SPACE_BASE_H
#define IOASID_SPACE_BASE_H

#include <ioasid/space.h>

#include "../platform/lock.h"
#include "../platform/util.h"
#include "../rcu/rcu.h"

IOASID_BEGIN_INTERNAL

/*
 * What a space is made of, its lock and its memory. Above this, functions are
 * called with the space locked unless it is said otherwise.
 */

/* Numbers to pointers, in a store; see map.h. */
struct map {
	struct ioasid_store store;
	bool created;
	uint32_t count;
	/* for readers without lock: of the last key whose generation turned */
	uint64_t turned;
};

/*
 * IDs that wait for a grace period, linked through their slots' private
 * pointers: some for that of a cookie, those after them for the next.
 */
struct quarantine {
	ioasid_t waiting, fresh;
	uint64_t cookie, fresh_cookie;
	/* that of @cookie has passed */
	bool passed;
};

/* See owner.h. */
struct sets {
	struct set_place *place;
	/* as many: the first record with a token of that hash */
	struct set_record **token;
	uint32_t room, used, vacant_first, vacant_last;
};

/* See source.h. */
struct sources {
	/* in the order of their turn; the number of the last registered */
	struct allocator *line;
	uint64_t last;
	/* those whose last allocator was unregistered with IDs in use */
	struct source *kept;
	/* IDs that came from an allocator */
	uint32_t ids;
	struct extra *queue, **queue_tail;
	/* held while an allocator is called, and by which thread */
	struct ioasid_lock lock;
	ioasid_atomic_ptr thread;
	int cancel;
	/* an ID is being asked for, charged to that record */
	bool asking;
	struct set_record *asking_record;
};

/* See event.h. */
struct events {
	struct ioasid_notifier *notifiers;
	struct notifier_cursor *cursors;
	/* the number of the last event */
	uint64_t last;
	struct delivery *deliveries;
	/* those of threads that a fork left behind: to be freed at the end */
	struct event *lost;
};

struct space {
	struct ioasid_space space;
	struct ioasid_memory user_memory;
	/* bytes; stores' callbacks free on any thread */
	ioasid_atomic_u64 held;
	struct ioasid_rcu *own_rcu;
	ioasid_t min, max;
	uint64_t hash_seed;
	bool created, always_quarantine;
	/* code of the user's runs under the lock */
	bool guarded;
	enum ioasid_reuse reuse;
	char name[IOASID_NAME_SIZE];
	/* what follows is written under the lock */
	struct ioasid_lock_ops lock_ops;
	struct ioasid_lock lock __attribute__((aligned(IOASID_CACHE_LINE)));
	struct ioasid_stats stats;
	struct quarantine quarantine;
	/* the store's last request, as too much memory waits for readers */
	bool refused;
	/* the next ID of the cyclic policy */
	ioasid_t cursor;
	/* of vacated IDs; before a restore: generations go on from there */
	uint32_t generation_latest, generation_floor;
	struct sets sets;
	struct map extras;
	struct sources sources;
	struct events events;
	/* where the lock needs one */
	struct ioasid_guard guard;
	/* under the lock of all spaces */
	struct space *next, **prev;
};

static inline struct space *ioasid_to_space(const struct ioasid_space *space)
{
	/* Lookups have it const; what else is in a space may change. */
	return ioasid_container_of((uintptr_t)space, struct space, space);
}

/* For callers that run code of the user's under the lock, in any space. */
void ioasid_space_lock_guarded(struct space *space);
void ioasid_space_unlock_guarded(struct space *space);

static inline void ioasid_space_lock(struct space *space)
{
	if (ioasid_unlikely(space->guarded))
		ioasid_space_lock_guarded(space);
	else
		ioasid_lock(&space->lock);
}

static inline void ioasid_space_unlock(struct space *space)
{
	if (ioasid_unlikely(space->guarded))
		ioasid_space_unlock_guarded(space);
	else
		ioasid_unlock(&space->lock);
}

/*
 * The calling thread may not be cancelled until it is let go again, whether or
 * not the lock is dropped meanwhile.
 */
int ioasid_space_keep_thread(struct space *space);
void ioasid_space_let_thread(struct space *space, int before);

/* Counted memory; and hooks for stores, which may have to wait. */
void *ioasid_space_memory(struct space *space, size_t size);
void ioasid_space_memory_free(struct space *space, void *memory, size_t size);
struct ioasid_memory ioasid_space_hooks(struct space *space);
/* So much waits for readers that no more memory may be taken? */
bool ioasid_space_must_wait(struct space *space);
/* False: too long. */
bool ioasid_space_name(char *to, const char *from);
/* Who calls? No lock needed. */
const void *ioasid_space_thread(void);

/* Frees what is due, of other spaces too, whose hooks may fork. */
void ioasid_space_reclaim(struct space *space);

/* A store has failed; true: it may not once what was retired is given back. */
static inline bool ioasid_space_may_retry(struct space *space, int ret)
{
	if (ioasid_likely(ret != -ENOMEM || !space->refused))
		return false;
	ioasid_space_reclaim(space);
	return true;
}

static inline int ioasid_space_no_memory(const struct space *space, int ret)
{
	return ret == -ENOMEM && space->refused ? -EAGAIN : ret;
}

/* The slot of @id where updates belong, or NULL. */
static inline struct ioasid_slot *
ioasid_store_locked_slot(const struct ioasid_store *store, ioasid_t id)
{
	struct ioasid_slot *slot = ioasid_store_find(store, id);

	if (ioasid_unlikely(slot && ioasid_state_moved(
					    ioasid_load_relaxed(&slot->state))))
		return ioasid_hash_find_moved(store, id);
	return slot;
}

static inline struct ioasid_slot *ioasid_locked_slot(struct space *space,
						     ioasid_t id)
{
	return ioasid_store_locked_slot(&space->space.store, id);
}

/* The state of @id, 0 if it has none. */
static inline ioasid_state_t ioasid_locked_state(struct space *space,
						 ioasid_t id)
{
	const struct ioasid_slot *slot = ioasid_locked_slot(space, id);

	return slot ? ioasid_load_relaxed(&slot->state) : 0;
}

/* The state of a live ID whose end is not under way, 0 if it is not. */
static inline ioasid_state_t ioasid_live_state(struct space *space, ioasid_t id)
{
	ioasid_state_t state = ioasid_locked_state(space, id);

	return state & IOASID_STATE_LIVE && state & IOASID_STATE_REFS ? state :
									0;
}

static inline ioasid_handle_t ioasid_handle_of(ioasid_state_t state,
					       ioasid_t id)
{
	return (ioasid_handle_t)ioasid_state_generation(state) << 32 | id;
}

IOASID_END_INTERNAL

#endif /* IOASID_SPACE_BASE_H */
