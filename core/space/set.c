/* SPDX-License-Identifier: MIT */
#include "internal.h"

#include <string.h>

#define FIRST_ROOM 8

static struct set_record **token_head(const struct sets *sets,
				      const void *token)
{
	return &sets->token[ioasid_mix((uintptr_t)token) & (sets->room - 1)];
}

static struct set_record *find_token(const struct sets *sets, const void *token)
{
	struct set_record *record;

	if (!sets->room)
		return NULL;
	record = *token_head(sets, token);
	while (record && record->token != token)
		record = record->next_with_token;
	return record;
}

static void add_token(struct sets *sets, struct set_record *record)
{
	struct set_record **head = token_head(sets, record->token);

	record->next_with_token = *head;
	*head = record;
}

static void remove_token(struct sets *sets, struct set_record *record)
{
	struct set_record **link = token_head(sets, record->token);

	while (*link != record)
		link = &(*link)->next_with_token;
	*link = record->next_with_token;
}

static size_t places_size(uint32_t room)
{
	return room * (sizeof(struct set_place) + sizeof(struct set_record *));
}

/* Places, and behind them as many heads for tokens. */
static bool grow(struct space *space)
{
	struct sets *sets = &space->sets, grown = *sets;

	grown.room = sets->room ? 2 * sets->room : FIRST_ROOM;
	grown.place = ioasid_space_memory(space, places_size(grown.room));
	if (!grown.place)
		return false;
	grown.token = (struct set_record **)(void *)(grown.place + grown.room);
	memset(grown.place, 0, places_size(grown.room));
	if (sets->room) {
		memcpy(grown.place, sets->place,
		       sets->used * sizeof(*sets->place));
		for (uint32_t i = 0; i < sets->used; i++) {
			struct set_record *record = sets->place[i].record;

			if (record && record->token)
				add_token(&grown, record);
		}
		ioasid_space_memory_free(space, sets->place,
					 places_size(sets->room));
	}
	*sets = grown;
	return true;
}

/* An index nobody reads IDs by any more. */
static int take_place(struct space *space, uint32_t *index)
{
	struct sets *sets = &space->sets;
	uint32_t first = sets->vacant_first;

	if (first &&
	    ioasid_rcu_poll(space->space.rcu, sets->place[first - 1].cookie)) {
		sets->vacant_first = sets->place[first - 1].next;
		*index = first;
		return 0;
	}
	if (sets->used == IOASID_SETS_MAX)
		return first ? -EAGAIN : -ENFILE;
	if (sets->used == sets->room && !grow(space))
		return -ENOMEM;
	*index = ++sets->used;
	return 0;
}

static void give_place(struct space *space, uint32_t index)
{
	struct sets *sets = &space->sets;
	struct set_place *place = &sets->place[index - 1];

	place->record = NULL;
	place->next = 0;
	place->cookie = ioasid_rcu_start_poll(space->space.rcu);
	if (sets->vacant_first)
		sets->place[sets->vacant_last - 1].next = index;
	else
		sets->vacant_first = index;
	sets->vacant_last = index;
}

static int check_config(const struct space *space,
			const struct ioasid_set_config *config)
{
	const struct ioasid_stats *stats = &space->stats;

	if (config->quota && config->reserved > config->quota)
		return -EINVAL;
	if (config->token && find_token(&space->sets, config->token))
		return -EEXIST;
	if (config->reserved > stats->capacity - stats->committed)
		return -ENOSPC;
	return 0;
}

static struct set_record *record_alloc(struct space *space)
{
	struct set_record *record = ioasid_space_memory(space, sizeof(*record));

	if (record)
		memset(record, 0, sizeof(*record));
	return record;
}

static void record_free(struct ioasid_rcu_head *head)
{
	struct set_record *record =
		ioasid_container_of(head, struct set_record, rcu);
	struct ioasid_memory memory = record->memory;

	ioasid_map_destroy(&record->spids);
	memory.free(memory.context, record, sizeof(*record));
}

int ioasid_set_make(struct space *space, struct ioasid_set *set,
		    const struct ioasid_set_config *config,
		    struct set_record **made)
{
	static const struct ioasid_set_config defaults;
	struct set_record *record;
	void *owner = NULL;
	int ret;

	if (!config)
		config = &defaults;
	if (set && ioasid_load_acquire(&set->space))
		return -EXDEV;
	ret = check_config(space, config);
	if (ret)
		return ret;
	record = record_alloc(space);
	if (!record)
		return -ENOMEM;
	record->set = set ? set : &record->own;
	record->memory = ioasid_space_hooks(space);
	ret = -ENAMETOOLONG;
	if (!ioasid_space_name(record->name, config->name))
		goto free_record;
	ret = take_place(space, &record->index);
	if (ret)
		goto free_record;
	/* Until all of it stands, the set belongs to nobody's space. */
	if (!ioasid_cas_acq_rel(&record->set->space, &owner,
				(void *)record->set)) {
		give_place(space, record->index);
		ret = -EXDEV;
		goto free_record;
	}
	record->token = config->token;
	record->quota = config->quota;
	record->reserved = config->reserved;
	space->stats.committed += record->reserved;
	space->stats.sets++;
	space->sets.place[record->index - 1].record = record;
	if (record->token)
		add_token(&space->sets, record);
	ioasid_store_relaxed(&record->set->index, record->index);
	ioasid_store_relaxed(&record->set->record, record);
	ioasid_store_release(&record->set->space, (void *)&space->space);
	*made = record;
	return 0;

free_record:
	ioasid_space_memory_free(space, record, sizeof(*record));
	return ret;
}

void ioasid_set_unmake(struct space *space, struct set_record *record)
{
	if (record->token)
		remove_token(&space->sets, record);
	space->stats.committed -= record->reserved;
	space->stats.sets--;
	ioasid_store_release(&record->set->space, NULL);
	give_place(space, record->index);
	ioasid_rcu_retire(space->space.rcu, &record->rcu, record_free,
			  sizeof(*record) + ioasid_map_size(&record->spids));
}

int ioasid_set_enter(struct space *space, struct ioasid_set *set,
		     struct set_record **record)
{
	*record = NULL;
	if (!set)
		return 0;
	*record = ioasid_set_record(space, set);
	return *record ? 0 : ioasid_set_make(space, set, NULL, record);
}

void ioasid_sets_destroy(struct space *space)
{
	struct sets *sets = &space->sets;

	for (uint32_t i = 0; i < sets->used; i++) {
		struct set_record *record = sets->place[i].record;

		if (!record)
			continue;
		ioasid_store_release(&record->set->space, NULL);
		record_free(&record->rcu);
	}
	if (sets->room)
		ioasid_space_memory_free(space, sets->place,
					 places_size(sets->room));
}

int ioasid_set_create(struct ioasid_space *public_space,
		      const struct ioasid_set_config *config,
		      struct ioasid_set **set)
{
	struct space *space = ioasid_to_space(public_space);
	struct set_record *record;
	int ret;

	ioasid_space_lock(space);
	ret = ioasid_set_make(space, NULL, config, &record);
	if (!ret)
		*set = record->set;
	ioasid_space_unlock(space);
	return ret;
}

int ioasid_set_bind(struct ioasid_space *public_space, struct ioasid_set *set,
		    const struct ioasid_set_config *config)
{
	struct space *space = ioasid_to_space(public_space);
	struct set_record *record;
	int ret;

	ioasid_space_lock(space);
	if (ioasid_set_record(space, set))
		ret = -EBUSY;
	else if (!set)
		ret = -EXDEV;
	else
		ret = ioasid_set_make(space, set, config, &record);
	ioasid_space_unlock(space);
	return ret;
}

int ioasid_set_destroy(struct ioasid_space *public_space,
		       struct ioasid_set *set)
{
	struct space *space = ioasid_to_space(public_space);
	struct ioasid_notifier *ended;
	struct set_record *record;
	int ret = 0;

	ioasid_space_lock(space);
	record = ioasid_set_record(space, set);
	if (!record) {
		ret = -EXDEV;
	} else if (record->count) {
		ret = -EBUSY;
	} else {
		ended = ioasid_notifiers_end(space, record->index);
		ioasid_set_unmake(space, record);
		ioasid_notifiers_release(space, ended);
	}
	ioasid_space_settle(space);
	return ret;
}

static int limit(struct space *space, struct set_record *record, uint32_t quota,
		 uint32_t reserved)
{
	struct ioasid_stats *stats = &space->stats;
	uint32_t without = stats->committed - ioasid_set_committed(record);
	uint32_t with = record->count > reserved ? record->count : reserved;

	if (quota && reserved > quota)
		return -EINVAL;
	if (quota && quota < record->count)
		return -EBUSY;
	if (with > stats->capacity - without)
		return -ENOSPC;
	stats->committed = without + with;
	record->quota = quota;
	record->reserved = reserved;
	return 0;
}

int ioasid_set_limit(struct ioasid_space *public_space, struct ioasid_set *set,
		     uint32_t quota, uint32_t reserved)
{
	struct space *space = ioasid_to_space(public_space);
	struct set_record *record;
	int ret = -EXDEV;

	ioasid_space_lock(space);
	record = ioasid_set_record(space, set);
	if (record)
		ret = limit(space, record, quota, reserved);
	ioasid_space_unlock(space);
	return ret;
}

int ioasid_set_stats(struct ioasid_space *public_space,
		     const struct ioasid_set *set,
		     struct ioasid_set_info *stats)
{
	struct space *space = ioasid_to_space(public_space);
	const struct set_record *record;

	ioasid_space_lock(space);
	record = ioasid_set_record(space, set);
	if (record) {
		memcpy(stats->name, record->name, sizeof(stats->name));
		stats->token = record->token;
		stats->quota = record->quota;
		stats->reserved = record->reserved;
		stats->count = record->count;
		stats->spids = record->spids.count;
	}
	ioasid_space_unlock(space);
	return record ? 0 : -EXDEV;
}

int ioasid_set_by_token(struct ioasid_space *public_space, const void *token,
			struct ioasid_set **set)
{
	struct space *space = ioasid_to_space(public_space);
	const struct set_record *record = NULL;

	ioasid_space_lock(space);
	if (token)
		record = find_token(&space->sets, token);
	if (record)
		*set = record->set;
	ioasid_space_unlock(space);
	return record ? 0 : -ENOENT;
}

int ioasid_set_of(struct ioasid_space *public_space, ioasid_t id,
		  struct ioasid_set **set)
{
	struct space *space = ioasid_to_space(public_space);
	const struct set_record *record;
	ioasid_state_t state;

	ioasid_space_lock(space);
	state = ioasid_live_state(space, id);
	if (state) {
		record = ioasid_set_record_at(space, ioasid_state_set(state));
		*set = record ? record->set : NULL;
	}
	ioasid_space_unlock(space);
	return state ? 0 : -ENOENT;
}

int ioasid_set_for_each(struct ioasid_space *public_space,
			int (*func)(struct ioasid_set *set, void *arg),
			void *arg)
{
	struct space *space = ioasid_to_space(public_space);
	struct ioasid_rcu *rcu = public_space->rcu;
	struct ioasid_rcu_frame frame;
	struct set_record *record;
	uint32_t index = 1;
	bool more;
	int ret = 0;

	do {
		/* The set stays while it is visited. */
		ioasid_rcu_read_lock(rcu);
		ioasid_rcu_frame_enter(&frame, rcu);
		ioasid_space_lock(space);
		more = index <= space->sets.used;
		record = ioasid_set_record_at(space, index++);
		ioasid_space_unlock(space);
		if (record)
			ret = func(record->set, arg);
		ioasid_rcu_frame_leave(&frame);
		ioasid_rcu_read_unlock(rcu);
	} while (more && !ret);
	return ret;
}

int ioasid_extra_make(struct space *space, ioasid_t id, struct extra **made)
{
	struct extra *extra = ioasid_extra(space, id);
	int ret = 0;

	if (!extra) {
		extra = ioasid_space_memory(space, sizeof(*extra));
		if (!extra)
			return -ENOMEM;
		memset(extra, 0, sizeof(*extra));
		extra->id = id;
		extra->spid = INVALID_IOASID;
		ret = ioasid_map_insert(space, &space->extras, id, extra);
	}
	if (ret)
		ioasid_space_memory_free(space, extra, sizeof(*extra));
	else
		*made = extra;
	return ret;
}

void ioasid_extra_free(struct space *space, struct extra *extra)
{
	ioasid_map_remove(space, &space->extras, extra->id, false);
	ioasid_space_memory_free(space, extra, sizeof(*extra));
}

int ioasid_spid_name(struct space *space, struct set_record *record,
		     ioasid_t id, ioasid_t spid)
{
	struct extra *extra;
	int ret;

	if (spid == INVALID_IOASID)
		return -EINVAL;
	extra = ioasid_extra(space, id);
	if (extra && extra->named)
		return -EBUSY;
	ret = ioasid_map_insert(space, &record->spids, spid,
				(void *)(uintptr_t)id);
	if (ret)
		return ret;
	ioasid_store_release(&record->has_spids, 1);
	ret = ioasid_extra_make(space, id, &extra);
	if (ret) {
		ioasid_map_remove(space, &record->spids, spid, true);
		return ret;
	}
	extra->spid = spid;
	extra->named = true;
	return 0;
}

void ioasid_spid_unname(struct space *space, struct set_record *record,
			ioasid_t id)
{
	struct extra *extra = ioasid_extra(space, id);

	if (!extra || !extra->named)
		return;
	ioasid_map_remove(space, &record->spids, extra->spid, true);
	extra->named = false;
}

static int attach(struct space *space, ioasid_t id, ioasid_t spid)
{
	ioasid_state_t state = ioasid_live_state(space, id);
	struct set_record *record;

	if (!state)
		return -ENOENT;
	record = ioasid_set_record_at(space, ioasid_state_set(state));
	return record ? ioasid_spid_name(space, record, id, spid) : -EINVAL;
}

int ioasid_spid_attach(struct ioasid_space *public_space, ioasid_t id,
		       ioasid_t spid)
{
	struct space *space = ioasid_to_space(public_space);
	int ret;

	ioasid_space_lock(space);
	ret = attach(space, id, spid);
	ioasid_space_unlock(space);
	ioasid_rcu_reclaim(public_space->rcu);
	return ret;
}

int ioasid_spid_detach(struct ioasid_space *public_space, ioasid_t id)
{
	struct space *space = ioasid_to_space(public_space);
	struct extra *extra;
	ioasid_state_t state;
	int ret = -ENOENT;

	ioasid_space_lock(space);
	state = ioasid_live_state(space, id);
	extra = state ? ioasid_extra(space, id) : NULL;
	if (extra && extra->named) {
		ioasid_spid_unname(
			space,
			ioasid_set_record_at(space, ioasid_state_set(state)),
			id);
		extra->spid = INVALID_IOASID;
		if (!extra->source)
			ioasid_extra_free(space, extra);
		ret = 0;
	}
	ioasid_space_unlock(space);
	ioasid_rcu_reclaim(public_space->rcu);
	return ret;
}

int ioasid_spid_of(struct ioasid_space *public_space, ioasid_t id,
		   ioasid_t *spid)
{
	struct space *space = ioasid_to_space(public_space);
	const struct extra *extra = NULL;

	ioasid_space_lock(space);
	if (ioasid_live_state(space, id))
		extra = ioasid_extra(space, id);
	if (extra && !extra->named)
		extra = NULL;
	if (extra)
		*spid = extra->spid;
	ioasid_space_unlock(space);
	return extra ? 0 : -ENOENT;
}

/* In a read section. -ENOENT but for that generation of the name. */
static int read_spid(const struct set_record *record, ioasid_t spid,
		     uint32_t *generation, ioasid_t *id)
{
	const struct ioasid_store *store = &record->spids.store;
	struct ioasid_slot *slot;
	ioasid_state_t state;
	void *number = NULL;
	int ret;

	if (!ioasid_load_acquire(&record->has_spids))
		return -ENOENT;
	slot = ioasid_hash_find(store, spid);
	do {
		if (!slot)
			return -ENOENT;
		state = ioasid_load_acquire(&slot->state);
		ret = -EAGAIN;
		if (!ioasid_state_moved(state)) {
			if (!*generation)
				*generation = ioasid_state_generation(state);
			/* Not published yet: that is no name. */
			ret = *generation ?
				      ioasid_slot_read(slot, IOASID_SET_ANY,
						       *generation, &number) :
				      -ENOENT;
		}
		if (ret == -EAGAIN)
			slot = ioasid_hash_find_moved(store, spid);
	} while (ret == -EAGAIN);
	*id = (ioasid_t)(uintptr_t)number;
	return ret ? -ENOENT : 0;
}

/*
 * In a read section. The name is looked at twice: one that lasted was that of
 * the use of the ID which was found in between.
 */
static int find_spid(const struct ioasid_space *space,
		     const struct ioasid_set *set, ioasid_t spid, ioasid_t *id,
		     void **data)
{
	const struct set_record *record;
	uint32_t generation = IOASID_GENERATION_ANY;
	ioasid_t again;

	if (!set || ioasid_set_index(space, set) == IOASID_SET_FOREIGN)
		return -EXDEV;
	record = ioasid_load_relaxed(&set->record);
	if (read_spid(record, spid, &generation, id) ||
	    ioasid_space_find_rcu(space, set, *id, data) ||
	    read_spid(record, spid, &generation, &again))
		return -ENOENT;
	return 0;
}

int ioasid_spid_find(const struct ioasid_space *space,
		     const struct ioasid_set *set, ioasid_t spid,
		     bool (*getter)(void *data), ioasid_t *id, void **data)
{
	void *found = NULL;
	int ret;

	ioasid_rcu_read_lock(space->rcu);
	ret = ioasid_space_may_read(space);
	if (!ret)
		ret = find_spid(space, set, spid, id, &found);
	if (ret) {
		*id = INVALID_IOASID;
		found = NULL;
	} else if (getter && !ioasid_space_call_getter(space, getter, found)) {
		found = NULL;
	}
	ioasid_rcu_read_unlock(space->rcu);
	if (data)
		*data = found;
	return ret;
}

const char *ioasid_sets_check(struct space *space)
{
	const struct sets *sets = &space->sets;
	const char *reason = NULL;
	uint32_t count = 0;

	for (uint32_t i = 1; i <= sets->used && !reason; i++) {
		const struct set_record *record =
			ioasid_set_record_at(space, i);

		if (!record)
			continue;
		count++;
		if (ioasid_set_record(space, record->set) != record ||
		    ioasid_set_index(&space->space, record->set) != i ||
		    record->index != i)
			return "space: set with a wrong index";
		if (record->found + (record == space->asking_record) !=
		    record->count)
			return "space: number of IDs of a set differs";
		if (record->quota && record->count > record->quota)
			return "space: set beyond its quota";
		if (record->token && find_token(sets, record->token) != record)
			return "space: set not found by its token";
		if (record->spids.created)
			ioasid_hash_ops.validate(&record->spids.store, &reason);
	}
	if (!reason && count != space->stats.sets)
		reason = "space: number of sets differs";
	return reason;
}
