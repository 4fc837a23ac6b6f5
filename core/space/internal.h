/* SPDX-License-Identifier: MIT */
#ifndef IOASID_SPACE_INTERNAL_H
#define IOASID_SPACE_INTERNAL_H

#include <ioasid/allocator.h>
#include <ioasid/notifier.h>
#include <ioasid/set.h>
#include <ioasid/space.h>

#include "../platform/internal.h"
#include "../rcu/internal.h"
#include "../store/internal.h"

/* What a space is made of, and what the files of this layer share. */

/*
 * IDs that wait for a grace period, linked through their slots' private
 * pointers: some for that of a cookie, those after them for the next.
 */
struct quarantine {
	ioasid_t waiting, fresh;
	uint64_t cookie, fresh_cookie;
};

/* Numbers to pointers, in a hash store. Not created: empty. */
struct map {
	struct ioasid_store store;
	bool created;
	uint32_t count;
	/* for readers without lock: of the last key whose generation turned */
	uint64_t turned;
};

/* What a space knows of a set; found by its readers through the set. */
struct set_record {
	struct ioasid_set *set;
	/* that of ioasid_set_create() */
	struct ioasid_set own;
	uint32_t index, quota, reserved, count;
	/* in the snapshot being written; IDs found by validate */
	uint32_t number, found;
	void *token;
	struct set_record *next_with_token;
	/* IDs by SPID; not 0 once there is something to look at */
	struct map spids;
	ioasid_atomic_u32 has_spids;
	struct ioasid_memory memory;
	struct ioasid_rcu_head rcu;
	char name[IOASID_NAME_SIZE];
};

/* One for every index of a set; vacant ones in line to be used again. */
struct set_place {
	struct set_record *record;
	uint64_t cookie;
	uint32_t next;
};

struct sets {
	struct set_place *place;
	/* as many: the first record with a token of that hash */
	struct set_record **token;
	uint32_t room, used, vacant_first, vacant_last;
};

/* An allocator; stands for it after it was unregistered with IDs in use. */
struct source {
	struct ioasid_allocator_ops *ops;
	struct source *next;
	/* unregistered: who takes the IDs over, or NULL: it does itself */
	struct source *heir;
	bool registered;
	/* extras and sources that point here */
	uint32_t users;
};

/* What few IDs have. */
struct extra {
	ioasid_t id;
	ioasid_t spid;
	/* @spid can be found; it is still told afterwards */
	bool named;
	struct source *source;
	/* it is being handed back; it is told so; the next that is to be */
	bool leaving, called;
	const void *thread;
	struct extra *next;
};

struct event {
	struct event *next;
	enum ioasid_event event;
	ioasid_t id;
	uint64_t number;
	void *arg;
	/* the ID was freed meanwhile, by that number */
	uint64_t freed;
	bool allocated;
};

/* The events one thread has to tell, in order; the first is being told. */
struct delivery {
	struct delivery *next, **prev;
	const void *thread;
	struct event *first, **tail;
	struct ioasid_notifier *calling;
	/* what calls at the outermost level have room for */
	struct event event;
};

struct space {
	struct ioasid_space space;
	struct ioasid_memory user_memory;
	/* bytes; stores' callbacks free on any thread */
	ioasid_atomic_u64 held;
	struct ioasid_rcu *own_rcu;
	ioasid_t min, max;
	bool created, always_quarantine;
	enum ioasid_reuse reuse;
	char name[IOASID_NAME_SIZE];
	/* what follows is written under the lock */
	struct ioasid_lock_ops lock_ops;
	struct ioasid_lock lock __attribute__((aligned(IOASID_CACHE_LINE)));
	struct ioasid_stats stats;
	struct quarantine quarantine;
	/* what a store asked for last, lest too much wait for readers */
	bool refused;
	/* the next ID of the cyclic policy */
	ioasid_t cursor;
	/* of vacated IDs; before a restore: generations go on from there */
	uint32_t generation_latest, generation_floor;
	struct sets sets;
	struct map extras;
	/*
	 * in the order of their turn; unregistered with IDs in use; those that
	 * came from one
	 */
	struct source *sources, *kept;
	uint32_t sourced;
	struct extra *handback, **handback_tail;
	/* held while an allocator is called, and by which thread */
	struct ioasid_lock callback_lock;
	ioasid_atomic_ptr callback_thread;
	int callback_cancel;
	/* the allocator that an ID is being handed back to */
	struct source *calling;
	/* an ID is being asked for, charged to that record */
	bool asking;
	struct set_record *asking_record;
	struct ioasid_notifier *notifiers;
	uint64_t events;
	struct delivery *deliveries;
	struct event *lost;
	/* under the lock of all spaces */
	struct space *next, **prev;
};

static inline struct space *ioasid_to_space(const struct ioasid_space *space)
{
	return ioasid_container_of(space, struct space, space);
}

static inline void ioasid_space_lock(struct space *space)
{
	if (space->lock_ops.lock)
		space->lock_ops.lock(space->lock_ops.context);
	else
		ioasid_lock(&space->lock);
}

static inline void ioasid_space_unlock(struct space *space)
{
	if (space->lock_ops.lock)
		space->lock_ops.unlock(space->lock_ops.context);
	else
		ioasid_unlock(&space->lock);
}

/* Functions are called with the space locked unless it is said otherwise. */

/* space.c: counted; the hooks for stores, which may have to wait */
void *ioasid_space_memory(struct space *space, size_t size);
void ioasid_space_memory_free(struct space *space, void *memory, size_t size);
struct ioasid_memory ioasid_space_hooks(struct space *space);
/* False: too long. */
bool ioasid_space_name(char *to, const char *from);
/* Who calls? No lock needed. */
const void *ioasid_space_thread(void);

/* A store has failed; true: it may not once what was retired is given back. */
static inline bool ioasid_space_may_retry(struct space *space, int ret)
{
	if (ioasid_likely(ret != -ENOMEM || !space->refused))
		return false;
	ioasid_rcu_reclaim_all(space->space.rcu);
	return true;
}

static inline int ioasid_space_no_memory(const struct space *space, int ret)
{
	return ret == -ENOMEM && space->refused ? -EAGAIN : ret;
}

static inline int ioasid_id_claim(struct space *space, ioasid_t min,
				  ioasid_t max, ioasid_t *id,
				  struct ioasid_slot **slot)
{
	struct ioasid_store *store = &space->space.store;
	int ret = store->ops->claim(store, min, max, id, slot);

	if (ioasid_space_may_retry(space, ret))
		ret = store->ops->claim(store, min, max, id, slot);
	return ioasid_space_no_memory(space, ret);
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

/* The state of a live ID whose end is not under way, 0 if it is not. */
static inline ioasid_state_t ioasid_live_state(struct space *space, ioasid_t id)
{
	const struct ioasid_slot *slot = ioasid_locked_slot(space, id);
	ioasid_state_t state = slot ? ioasid_load_relaxed(&slot->state) : 0;

	return state & IOASID_STATE_LIVE && state & IOASID_STATE_REFS ? state :
									0;
}

static inline ioasid_handle_t ioasid_handle_of(ioasid_state_t state,
					       ioasid_t id)
{
	return (ioasid_handle_t)ioasid_state_generation(state) << 32 | id;
}

/* id.c: unlocks, and does what is to be done without lock */
void ioasid_space_settle(struct space *space);
/* The ID is nobody's any more; its slot is vacant, or nobody can hold it. */
void ioasid_id_vacate(struct space *space, ioasid_t id,
		      struct ioasid_slot *slot, uint32_t set);
/* Drops the reference that a hidden ID was kept by. */
void ioasid_id_finish(struct space *space, ioasid_t id);
/*
 * Hands out that ID, with extras. -ENOSPC, -EDQUOT: not to @set; -EEXIST: in
 * use; -EAGAIN: waits for a grace period.
 */
int ioasid_id_take(struct space *space, struct ioasid_set *set, ioasid_t id,
		   void *data, struct extra **extra);
/* Without lock. As ioasid_space_free() with what it is to be, or any. */
int ioasid_id_free(struct space *space, ioasid_t id, uint32_t set,
		   uint32_t generation);
void ioasid_quarantine_reap(struct space *space);

/* map.c */
int ioasid_map_insert(struct space *space, struct map *map, uint32_t key,
		      void *value);
/* NULL: not there */
void *ioasid_map_find(const struct map *map, uint32_t key);
/* @readers: there are such without lock */
void ioasid_map_remove(struct space *space, struct map *map, uint32_t key,
		       bool readers);
void ioasid_map_destroy(struct map *map);
/* Bytes of its table, about. */
size_t ioasid_map_size(const struct map *map);

/* set.c; of a set of another space, or no set: NULL */
static inline struct set_record *ioasid_set_record(struct space *space,
						   const struct ioasid_set *set)
{
	if (!set || ioasid_set_index(&space->space, set) == IOASID_SET_FOREIGN)
		return NULL;
	return ioasid_load_relaxed(&set->record);
}

static inline struct set_record *ioasid_set_record_at(const struct space *space,
						      uint32_t index)
{
	return index && index <= space->sets.used ?
		       space->sets.place[index - 1].record :
		       NULL;
}

/* Gives @set a record on first use; NULL as @set: none. */
int ioasid_set_enter(struct space *space, struct ioasid_set *set,
		     struct set_record **record);
/* Makes and binds; @set NULL: one of its own. -EXDEV: @set is bound. */
int ioasid_set_make(struct space *space, struct ioasid_set *set,
		    const struct ioasid_set_config *config,
		    struct set_record **record);
/* Undoes that; readers may hold the record for a grace period. */
void ioasid_set_unmake(struct space *space, struct set_record *record);
void ioasid_sets_destroy(struct space *space);
const char *ioasid_sets_check(struct space *space);

/* May one more ID be in use? */
static inline int ioasid_charge_check(const struct space *space,
				      const struct set_record *record)
{
	if (record && record->quota && record->count == record->quota)
		return -EDQUOT;
	if (record && record->count < record->reserved)
		return 0;
	return space->stats.committed < space->stats.capacity ? 0 : -ENOSPC;
}

static inline void ioasid_charge(struct space *space, struct set_record *record)
{
	if (!record || record->count++ >= record->reserved)
		space->stats.committed++;
}

static inline void ioasid_uncharge(struct space *space,
				   struct set_record *record)
{
	if (!record || --record->count >= record->reserved)
		space->stats.committed--;
}

/* May @set have one more ID? @record receives its record, if it has one. */
static inline int ioasid_id_check_owner(struct space *space,
					const struct ioasid_set *set,
					struct set_record **record)
{
	*record = ioasid_set_record(space, set);
	if (set && !*record && ioasid_load_acquire(&set->space))
		return -EXDEV;
	return ioasid_charge_check(space, *record);
}

/* What of the capacity is in use by a set or set aside for it. */
static inline uint32_t ioasid_set_committed(const struct set_record *record)
{
	return record->count > record->reserved ? record->count :
						  record->reserved;
}

/* NULL: it has none. */
static inline struct extra *ioasid_extra(const struct space *space, ioasid_t id)
{
	return ioasid_unlikely(space->extras.count) ?
		       ioasid_map_find(&space->extras, id) :
		       NULL;
}

/* Makes one if need be. */
int ioasid_extra_make(struct space *space, ioasid_t id, struct extra **extra);
void ioasid_extra_free(struct space *space, struct extra *extra);
int ioasid_spid_name(struct space *space, struct set_record *record,
		     ioasid_t id, ioasid_t spid);
void ioasid_spid_unname(struct space *space, struct set_record *record,
			ioasid_t id);

/* allocator.c: alloc with an allocator; no lock held */
int ioasid_source_alloc(struct space *space, struct ioasid_set *set,
			ioasid_t min, ioasid_t max, void *data, ioasid_t *id);
/* The ID is closed, or pending with one reference: for when it is unlocked. */
void ioasid_source_hand_back(struct space *space, struct extra *extra);
/* Without lock. Hands back what is to be. */
void ioasid_source_drain(struct space *space);
/* Has the calling thread to see to that? */
bool ioasid_source_queued(const struct space *space);
void ioasid_source_adopt(struct space *space, struct extra *extra);
void ioasid_source_leave(struct space *space, struct extra *extra);
static inline bool ioasid_source_calling(const struct space *space)
{
	const void *thread = ioasid_load_relaxed(&space->callback_thread);

	return ioasid_unlikely(thread != NULL) &&
	       thread == ioasid_space_thread();
}
void ioasid_sources_destroy(struct space *space);
void ioasid_sources_fork_child(struct space *space);

/* notifier.c: is there anybody to tell, or somebody who is just doing it? */
static inline bool ioasid_watched(const struct space *space)
{
	return space->notifiers || space->deliveries;
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
/* The hidden ID was freed; finishes it once that is told. Cannot fail. */
void ioasid_event_add_free(struct space *space, struct delivery *own,
			   ioasid_t id);
/* Tells what @own has to, without the lock meanwhile. */
void ioasid_event_tell(struct space *space, struct delivery *own);
bool ioasid_event_telling(const struct space *space);
/* Those of a set that goes are called no more. Returns those to release. */
struct ioasid_notifier *ioasid_notifiers_end(struct space *space, uint32_t set);
/* Drops the lock meanwhile. */
void ioasid_notifiers_release(struct space *space,
			      struct ioasid_notifier *ended);
void ioasid_notifiers_destroy(struct space *space);
void ioasid_notifiers_fork_child(struct space *space);

/* walk.c: the IDs of a range, by the batch */
#define WALK_IDS 64

struct walk {
	ioasid_t min, max;
	bool end;
	/* as many as the store likes, or @few */
	ioasid_t few[WALK_IDS], *ids;
	size_t room;
};

void ioasid_walk_begin(struct space *space, struct walk *walk, ioasid_t min,
		       ioasid_t max);
/* The number of IDs in @walk->ids; 0: no more. */
size_t ioasid_walk_next(struct space *space, struct walk *walk);
void ioasid_walk_end(struct space *space, struct walk *walk);

#endif /* IOASID_SPACE_INTERNAL_H */
