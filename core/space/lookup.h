/* SPDX-License-Identifier: MIT */
#ifndef IOASID_SPACE_LOOKUP_H
#define IOASID_SPACE_LOOKUP_H

#include <ioasid/space.h>

/* The slot of @id as of now, for those that found it MOVED before: -EAGAIN. */
static inline struct ioasid_slot *
ioasid_current_slot(const struct ioasid_space *space, ioasid_t id, int before)
{
	return before == -EAGAIN ? ioasid_hash_find_moved(&space->store, id) :
				   ioasid_store_find(&space->store, id);
}

#endif /* IOASID_SPACE_LOOKUP_H */
