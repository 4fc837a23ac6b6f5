/* SPDX-License-Identifier: MIT */
#ifndef IOASID_RCU_INTERNAL_H
#define IOASID_RCU_INTERNAL_H

#include <ioasid/rcu.h>

/* Counts the spaces that use a domain; it cannot be destroyed meanwhile. */
void ioasid_rcu_use(struct ioasid_rcu *rcu);
void ioasid_rcu_unuse(struct ioasid_rcu *rcu);

/*
 * Waits or refuses at the pending limit as ioasid_rcu_defer() does; after 0
 * one ioasid_rcu_defer_admitted() is in order, which cannot fail.
 */
int ioasid_rcu_admit(struct ioasid_rcu *rcu);
void ioasid_rcu_defer_admitted(struct ioasid_rcu *rcu,
			       struct ioasid_rcu_head *head,
			       void (*func)(struct ioasid_rcu_head *head));

/*
 * Frees what stores retired and is due, if there is much, or in any case;
 * called without locks. Is so much left that no more memory may be taken?
 */
void ioasid_rcu_reclaim(struct ioasid_rcu *rcu);
void ioasid_rcu_reclaim_all(struct ioasid_rcu *rcu);
bool ioasid_rcu_retired_full(const struct ioasid_rcu *rcu);

/*
 * Marks the calling thread as inside a read section around a call of the
 * user's, for flavours that otherwise cannot know.
 */
struct ioasid_rcu_frame {
	const struct ioasid_rcu *rcu;
	struct ioasid_rcu_frame *outer;
};

void ioasid_rcu_frame_enter(struct ioasid_rcu_frame *frame,
			    const struct ioasid_rcu *rcu);
void ioasid_rcu_frame_leave(const struct ioasid_rcu_frame *frame);

/* qsbr: would a grace period wait for the calling thread? */
bool ioasid_rcu_online(const struct ioasid_rcu *rcu);

#endif /* IOASID_RCU_INTERNAL_H */
