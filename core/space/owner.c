/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "owner.h"
#include "../platform/util.h"

#ifndef IOASID_NO_SETS

#define FIRST_ROOM 8

static struct set_record **token_head(const struct sets *sets,
				      const void *token)
{
	return &sets->token[ioasid_mix((uintptr_t)token) & (sets->room - 1)];
}

struct set_record *ioasid_set_with_token(const struct sets *sets,
					 const void *token)
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
	if (config->token && ioasid_set_with_token(&space->sets, config->token))
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
	/* Records of destroyed sets wait for readers as well. */
	if (ioasid_space_must_wait(space)) {
		ioasid_space_reclaim(space);
		if (ioasid_space_must_wait(space))
			return -EAGAIN;
	}
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

void ioasid_sets_unbind(struct space *space)
{
	for (uint32_t i = 1; i <= space->sets.used; i++) {
		struct set_record *record = ioasid_set_record_at(space, i);

		if (record)
			ioasid_store_release(&record->set->space, NULL);
	}
}

void ioasid_sets_destroy(struct space *space)
{
	struct sets *sets = &space->sets;

	for (uint32_t i = 1; i <= sets->used; i++) {
		struct set_record *record = ioasid_set_record_at(space, i);

		if (record)
			record_free(&record->rcu);
	}
	if (sets->room)
		ioasid_space_memory_free(space, sets->place,
					 places_size(sets->room));
}
#endif /* IOASID_NO_SETS */
