/* SPDX-License-Identifier: MIT */
#ifndef IOASID_RCU_THREAD_H
#define IOASID_RCU_THREAD_H

#include <ioasid/rcu.h>

#include "../platform/internal.h"

/* What a thread is to its domains: its records, and what it is inside of. */

struct domain;

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

/* The same around deferred callbacks. */
void ioasid_rcu_callbacks_enter(struct ioasid_rcu_frame *frame,
				const struct ioasid_rcu *rcu);
void ioasid_rcu_callbacks_leave(const struct ioasid_rcu_frame *frame);
bool ioasid_rcu_in_callback(const struct ioasid_rcu *rcu);

/* Is it inside of that or of a read section, where a wait has no end? */
bool ioasid_rcu_wait_refused(struct ioasid_rcu *rcu);

/* qsbr: would a grace period wait for the calling thread? */
bool ioasid_rcu_online(const struct ioasid_rcu *rcu);

/* The lock of all lists of records and of domains; before any domain's. */
void ioasid_rcu_registry_lock(struct ioasid_signals *signals);
void ioasid_rcu_registry_unlock(const struct ioasid_signals *signals);
void ioasid_rcu_registry_child(const struct ioasid_signals *signals);

/* Registry and, but to remove all, domain locked. */
void ioasid_rcu_drop_others(struct domain *domain);
void ioasid_rcu_remove_readers(struct domain *domain);
void ioasid_rcu_free_spare(struct domain *domain);

#endif /* IOASID_RCU_THREAD_H */
