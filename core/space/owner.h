/* SPDX-License-Identifier: MIT */
#ifndef IOASID_SPACE_OWNER_H
#define IOASID_SPACE_OWNER_H

#include <ioasid/set.h>

#include "base.h"
#include "map.h"

IOASID_BEGIN_INTERNAL

/* Records of sets, and what IDs are charged to. */

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

#ifdef IOASID_NO_SETS
struct ioasid_set_config;

static inline struct set_record *ioasid_set_record(struct space *space,
						   const struct ioasid_set *set)
{
	(void)space;
	(void)set;
	return NULL;
}

static inline struct set_record *ioasid_set_record_at(const struct space *space,
						      uint32_t index)
{
	(void)space;
	(void)index;
	return NULL;
}

static inline struct set_record *ioasid_set_with_token(const struct sets *sets,
						       const void *token)
{
	(void)sets;
	(void)token;
	return NULL;
}

static inline int ioasid_set_enter(struct space *space, struct ioasid_set *set,
				   struct set_record **record)
{
	(void)space;
	*record = NULL;
	return set ? -EINVAL : 0;
}

static inline int ioasid_set_make(struct space *space, struct ioasid_set *set,
				  const struct ioasid_set_config *config,
				  struct set_record **record)
{
	(void)space;
	(void)set;
	(void)config;
	*record = NULL;
	return -EINVAL;
}

static inline void ioasid_sets_unbind(struct space *space)
{
	(void)space;
}

static inline void ioasid_sets_destroy(struct space *space)
{
	(void)space;
}
#else
/* Of a set of another space, or no set: NULL. */
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

/* NULL: no set has it. */
struct set_record *ioasid_set_with_token(const struct sets *sets,
					 const void *token);
/* Gives @set a record on first use; NULL as @set: none. */
int ioasid_set_enter(struct space *space, struct ioasid_set *set,
		     struct set_record **record);
/* Makes and binds; @set NULL: one of its own. -EXDEV: @set is bound. */
int ioasid_set_make(struct space *space, struct ioasid_set *set,
		    const struct ioasid_set_config *config,
		    struct set_record **record);
/* Undoes that; readers may hold the record for a grace period. */
void ioasid_set_unmake(struct space *space, struct set_record *record);
/* At the end of a space: they are nobody's; their records go. */
void ioasid_sets_unbind(struct space *space);
void ioasid_sets_destroy(struct space *space);
#endif /* IOASID_NO_SETS */

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
static inline int ioasid_owner_check(struct space *space,
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

IOASID_END_INTERNAL

#endif /* IOASID_SPACE_OWNER_H */
