/* SPDX-License-Identifier: MIT */
#ifndef IOASID_SPACE_EXTRA_H
#define IOASID_SPACE_EXTRA_H

#include "base.h"
#include "map.h"
#include "owner.h"

IOASID_BEGIN_INTERNAL

/* What few IDs have: a name, an allocator that gave them. */
struct extra {
	ioasid_t id;
	ioasid_t spid;
	/* @spid can be found; it is still told afterwards */
	bool named;
	/* the allocator that gave it, by number */
	struct source *source;
	uint64_t giver;
	/* it is being handed back; its allocator has been called */
	bool leaving, called;
	/* the next that is to be handed back */
	struct extra *next;
};

#ifdef IOASID_NO_MAPS
static inline struct extra *ioasid_extra(const struct space *space, ioasid_t id)
{
	(void)space;
	(void)id;
	return NULL;
}

static inline int ioasid_extra_make(struct space *space, ioasid_t id,
				    struct extra **extra)
{
	(void)space;
	(void)id;
	*extra = NULL;
	return -EINVAL;
}

static inline void ioasid_extra_free(struct space *space, struct extra *extra)
{
	(void)space;
	(void)extra;
}

static inline int ioasid_spid_name(struct space *space,
				   struct set_record *record, ioasid_t id,
				   ioasid_t spid)
{
	(void)space;
	(void)record;
	(void)id;
	(void)spid;
	return -EINVAL;
}

static inline void ioasid_spid_unname(struct space *space,
				      struct set_record *record,
				      struct extra *extra)
{
	(void)space;
	(void)record;
	(void)extra;
}

static inline void ioasid_extras_destroy(struct space *space)
{
	(void)space;
}
#else
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
/* If it has a name; @extra may be NULL. */
void ioasid_spid_unname(struct space *space, struct set_record *record,
			struct extra *extra);
/* All IDs are about to go: frees what they have, and retires nothing. */
void ioasid_extras_destroy(struct space *space);
#endif /* IOASID_NO_MAPS */

IOASID_END_INTERNAL

#endif /* IOASID_SPACE_EXTRA_H */
