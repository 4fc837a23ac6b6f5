/* SPDX-License-Identifier: MIT */
#ifndef IOASID_TEST_TORTURE_FLAVOURS_H
#define IOASID_TEST_TORTURE_FLAVOURS_H

#include <ioasid/rcu.h>

struct torture_flavour {
	const char *name;
	enum ioasid_rcu_flavour flavour;
	bool no_membarrier;
	const struct ioasid_rcu_ops *ops;
	/* makes ready, and takes away, what ops_context points to; optional */
	void (*begin)(void);
	void (*end)(void);
	void *context;
};

/* Ends with one without a name. */
extern const struct torture_flavour torture_flavours[];

/* Flavours that break their promise, each in a way of its own. */
extern const struct torture_flavour faulty_early, faulty_one_thread,
	faulty_one_flip, faulty_wrap, faulty_stuck;

/* As qsbr: a thread online is a reader between any two quiescent states. */
static inline bool torture_qsbr(const struct torture_flavour *flavour)
{
	return flavour->flavour == IOASID_RCU_QSBR ||
	       (flavour->ops && flavour->ops->online);
}

#endif /* IOASID_TEST_TORTURE_FLAVOURS_H */
