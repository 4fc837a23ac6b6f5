/* SPDX-License-Identifier: MIT */
#ifndef IOASID_SPACE_CLAIM_H
#define IOASID_SPACE_CLAIM_H

#include "base.h"
#include "owner.h"

/* From vacant to handed out, and back. */

/*
 * Makes the lowest vacant ID in [@from, @max] occupied, or else in
 * [@min, @from). -ENOSPC; -EAGAIN: none but such as wait; -ENOMEM.
 */
int ioasid_claim(struct space *space, ioasid_t min, ioasid_t from, ioasid_t max,
		 ioasid_t *id, struct ioasid_slot **slot);
/* Undoes that. */
void ioasid_unclaim(struct space *space, ioasid_t id);
/*
 * Begins the next use of a claimed ID, for the owner that
 * ioasid_owner_check() passed; @reserve: unpublished. On error it is unclaimed.
 */
int ioasid_claim_use(struct space *space, struct ioasid_set *set,
		     struct set_record *record, ioasid_t id,
		     struct ioasid_slot *slot, void *data, bool reserve);
/* The ID is nobody's any more; its slot is vacant, or nobody can hold it. */
void ioasid_vacate(struct space *space, ioasid_t id, struct ioasid_slot *slot,
		   uint32_t set);
/* Gives back all that has waited for its grace period. */
void ioasid_quarantine_reap(struct space *space);

#endif /* IOASID_SPACE_CLAIM_H */
