/* SPDX-License-Identifier: MIT */
#ifndef IOASID_RCU_EPOCH_H
#define IOASID_RCU_EPOCH_H

#include <ioasid/rcu.h>

/*
 * The writer's half of a grace period, and the reader's of qsbr; the other
 * half of epoch is inline in the public header. Kept apart so that the model
 * checker runs this very code.
 */

/*
 * Begins a grace period: what was unpublished before is seen by every section
 * that begins after. The caller adds a barrier on all threads if readers have
 * none of their own.
 */
static inline uint64_t ioasid_grace_begin(struct ioasid_rcu *rcu)
{
	uint64_t epoch = ioasid_load_relaxed(&rcu->epoch) + 1;

	ioasid_store_release(&rcu->epoch, epoch);
	ioasid_fence_seq_cst();
	return epoch;
}

/* Has a reader left the sections that ran when @epoch began? */
static inline bool ioasid_grace_passed(const struct ioasid_rcu_reader *reader,
				       uint64_t epoch)
{
	uint64_t seen = ioasid_load_acquire(&reader->epoch);

	return !seen || seen >= epoch;
}

/* qsbr: what the thread has seen so far, it holds no more. */
static inline void ioasid_grace_announce(const struct ioasid_rcu *rcu,
					 struct ioasid_rcu_reader *reader)
{
	uint64_t epoch = ioasid_load_acquire(&rcu->epoch);

	if (epoch == ioasid_load_relaxed(&reader->epoch))
		return;
	ioasid_store_release(&reader->epoch, epoch);
	/* Pairs with the fence of ioasid_grace_begin(). */
	ioasid_fence_seq_cst();
}

/* qsbr: no part in grace periods until the next announcement. */
static inline void ioasid_grace_offline(struct ioasid_rcu_reader *reader)
{
	ioasid_store_release(&reader->epoch, 0);
}

#endif /* IOASID_RCU_EPOCH_H */
