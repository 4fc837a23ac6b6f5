/* SPDX-License-Identifier: MIT */
#ifndef IOASID_RCU_THREAD_H
#define IOASID_RCU_THREAD_H

#include <ioasid/rcu.h>

IOASID_BEGIN_INTERNAL

/* What a thread is to its domains: its records, and what it is inside of. */

struct domain;

/*
 * Marks the calling thread as inside a read section around a call of the
 * user's, for flavours that otherwise cannot know. The thread may end inside of
 * the call: nothing points to the frame.
 */
struct ioasid_rcu_frame {
	uint64_t covered;
	unsigned int depth;
};

void ioasid_rcu_frame_enter(struct ioasid_rcu_frame *frame,
			    const struct ioasid_rcu *rcu);
void ioasid_rcu_frame_leave(const struct ioasid_rcu_frame *frame);

/* The same around deferred callbacks. */
void ioasid_rcu_callbacks_enter(struct ioasid_rcu_frame *frame,
				const struct ioasid_rcu *rcu);
void ioasid_rcu_callbacks_leave(const struct ioasid_rcu_frame *frame);

/* Is it inside of a deferred callback of the domain? Of any? */
bool ioasid_rcu_in_callback(const struct ioasid_rcu *rcu);
bool ioasid_rcu_in_callbacks(void);

/*
 * Is it in a call of the user's that a frame marks, in a section of the domain,
 * or in one of any domain of epoch: where no callback may run?
 */
bool ioasid_rcu_in_section(struct ioasid_rcu *rcu);

/* qsbr: would a grace period wait for the calling thread? */
bool ioasid_rcu_online(const struct ioasid_rcu *rcu);

/*
 * Have the read sections of threads without a record left that were there when
 * this was first asked with @since 0?
 */
bool ioasid_rcu_counted_gone(uint64_t *since);

/* The lock of all lists of records and of domains; before any domain's. */
void ioasid_rcu_registry_lock(void);
void ioasid_rcu_registry_unlock(void);

/* Registry locked: takes all records of a domain away; without locks: frees. */
void ioasid_rcu_remove_readers(struct domain *domain);
void ioasid_rcu_free_readers(struct domain *domain);

/* Around fork: locks before and after those of domains. */
void ioasid_rcu_registry_prepare(void);
void ioasid_rcu_registry_parent(void);
void ioasid_rcu_registry_child(void);
void ioasid_rcu_counted_prepare(void);
void ioasid_rcu_counted_parent(void);
void ioasid_rcu_counted_child(void);
/* In the child: leaves this thread's record, if any. */
void ioasid_rcu_drop_others(struct domain *domain);

IOASID_END_INTERNAL

#endif /* IOASID_RCU_THREAD_H */
