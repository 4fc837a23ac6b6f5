/* SPDX-License-Identifier: MIT */
#ifndef IOASID_FUZZ_RCU_FAULTS_H
#define IOASID_FUZZ_RCU_FAULTS_H

/*
 * The calls that the target makes, and faults that take their place. After
 * sequence.h.
 */

#define FAULTS(f)                                                                                \
	f(WAITS_FOR_NOBODY, "waits-for-nobody") f(POLL_EARLY, "poll-early") f(                   \
		POLL_NEVER,                                                                      \
		"poll-never") f(CALLED_TWICE,                                                    \
				"called-twice") f(CALL_LOST,                                     \
						  "call-lost") f(CALL_EARLY,                     \
								 "call-early")                   \
		f(CALL_IN_SECTION, "call-in-section") f(CALL_ORDER, "call-order") f(             \
			BARRIER_LEAVES,                                                          \
			"barrier-leaves") f(UNLOCK_OUTER,                                        \
					    "unlock-outer") f(LOCK_FORGOTTEN,                    \
							      "lock-forgotten")                  \
			f(FORK_SECTION, "fork-section") f(FORK_PENDING, "fork-pending") f(       \
				EXIT_SECTION,                                                    \
				"exit-section") f(EXIT_RECORD,                                   \
						  "exit-record") f(PENDING_OFF,                  \
								   "pending-off")                \
				f(RECORD_LEAK, "record-leak") f(                                 \
					HELD_IN_GETTER,                                          \
					"held-in-getter") f(HELD_COUNTED,                        \
							    "held-counted") f(WAIT_IN_SECTION,   \
									      "wait-in-section") \
					f(DESTROY_BUSY, "destroy-busy") f(                       \
						LIMIT_IGNORED,                                   \
						"limit-ignored") f(QUIESCENT_LOST,               \
								   "quiescent-lost")             \
						f(OFFLINE_ONLINE, "offline-online") f(           \
							REGISTER_TWICE,                          \
							"register-twice") f(UNREGISTER_LOST,     \
									    "unregister-lost")   \
							f(RECLAIMER_SLEEPS,                      \
							  "reclaimer-sleeps") f(RETIRED_LOST,    \
										"retired-lost")  \
								f(LOST_UNSAID,                   \
								  "lost-unsaid")                 \
									f(FORKING_WAITS,         \
									  "forking-waits")

enum fault {
	FAULT_NONE,
#define F(name, text) FAULT_##name,
	FAULTS(F)
#undef F
};

static const char *const fault_names[] = {
#define F(name, text) text,
	FAULTS(F)
#undef F
		NULL,
};

/* A printed program is compiled with one so. */
#ifndef RCU_FAULT
#define RCU_FAULT FAULT_NONE
#endif
static enum fault fault = RCU_FAULT;
/* What faults remember. */
static struct {
	unsigned int count, ends;
	struct ioasid_rcu_head *held_back;
	void (*held_func)(struct ioasid_rcu_head *head);
	struct ioasid_rcu *held_rcu;
} faulty;

/* In a handler of fork. */
static bool in_handler;

/* Each @nth time. */
static bool faulty_now(enum fault which, unsigned int nth)
{
	return fault == which && ++faulty.count % nth == 0;
}

/* A real section, of the thread's own: neither a getter nor a frame. */
static bool really_held(struct ioasid_rcu *rcu)
{
	return ioasid_rcu_read_held(rcu);
}

static void call_lock(struct ioasid_rcu *rcu)
{
	if (fault == FAULT_LOCK_FORGOTTEN && rcu->flavour == IOASID_RCU_EPOCH &&
	    !really_held(rcu)) {
		ioasid_rcu_read_lock(rcu);
		ioasid_rcu_read_unlock(rcu);
		return;
	}
	ioasid_rcu_read_lock(rcu);
}

/* @depth: sections that the thread is in, this one included. */
static void call_unlock(struct ioasid_rcu *rcu, unsigned int depth)
{
	if (fault == FAULT_UNLOCK_OUTER) {
		if (depth == 2)
			ioasid_rcu_read_unlock(rcu);
		if (!really_held(rcu))
			return;
	}
	if (fault == FAULT_LOCK_FORGOTTEN && !really_held(rcu))
		return;
	ioasid_rcu_read_unlock(rcu);
}

static int call_register(struct ioasid_rcu *rcu)
{
	int ret = ioasid_rcu_thread_register(rcu);

	if (fault == FAULT_REGISTER_TWICE && !ret &&
	    rcu->flavour == IOASID_RCU_QSBR)
		ioasid_rcu_thread_offline(rcu);
	return ret;
}

static int call_unregister(struct ioasid_rcu *rcu)
{
	if (fault == FAULT_UNREGISTER_LOST && !ioasid_rcu_read_held(rcu))
		return 0;
	return ioasid_rcu_thread_unregister(rcu);
}

static int call_quiescent(struct ioasid_rcu *rcu)
{
	/* Online, where there is something to report. */
	if (fault == FAULT_QUIESCENT_LOST && !ioasid_rcu_check_reader(rcu))
		return 0;
	return ioasid_rcu_quiescent(rcu);
}

static int call_offline(struct ioasid_rcu *rcu)
{
	int ret = ioasid_rcu_thread_offline(rcu);

	if (fault == FAULT_OFFLINE_ONLINE)
		ioasid_rcu_thread_online(rcu);
	return ret;
}

static bool call_poll(struct ioasid_rcu *rcu, uint64_t cookie)
{
	bool passed = ioasid_rcu_poll(rcu, cookie);

	if (fault == FAULT_POLL_EARLY)
		return true;
	return passed && fault != FAULT_POLL_NEVER;
}

static int call_synchronize(struct ioasid_rcu *rcu)
{
	int ret;

	if (fault == FAULT_WAITS_FOR_NOBODY && !ioasid_rcu_read_held(rcu))
		return 0;
	ret = ioasid_rcu_synchronize(rcu);
	if (fault == FAULT_WAIT_IN_SECTION && ret == -EDEADLK)
		return 0;
	if (fault == FAULT_LOST_UNSAID && ret == -EIO)
		return 0;
	if (fault == FAULT_FORKING_WAITS && in_handler && ret == -EDEADLK &&
	    !ioasid_rcu_read_held(rcu))
		return 0;
	return ret;
}

static int call_barrier(struct ioasid_rcu *rcu)
{
	if (fault == FAULT_BARRIER_LEAVES && ioasid_rcu_pending(rcu) == 1 &&
	    !ioasid_rcu_read_held(rcu))
		return ioasid_rcu_synchronize(rcu);
	return ioasid_rcu_barrier(rcu);
}

static int call_defer(struct ioasid_rcu *rcu, struct ioasid_rcu_head *head,
		      void (*func)(struct ioasid_rcu_head *head))
{
	struct ioasid_rcu_head *before = faulty.held_back;
	int ret;

	if (fault == FAULT_CALL_ORDER && !before && me->index == 0) {
		faulty.held_back = head;
		faulty.held_func = func;
		faulty.held_rcu = rcu;
		return 0;
	}
	ret = ioasid_rcu_defer(rcu, head, func);
	if (fault == FAULT_LIMIT_IGNORED && ret == -EAGAIN)
		return 0;
	if (fault == FAULT_CALL_ORDER && before) {
		faulty.held_back = NULL;
		ioasid_rcu_defer(faulty.held_rcu, before, faulty.held_func);
	}
	if (!ret && (fault == FAULT_CALL_EARLY ||
		     (fault == FAULT_CALL_IN_SECTION && really_held(rcu))))
		func(head);
	return ret;
}

static void call_retire(struct ioasid_rcu *rcu, struct ioasid_rcu_head *head,
			void (*func)(struct ioasid_rcu_head *head), size_t size)
{
	if (!faulty_now(FAULT_RETIRED_LOST, 2))
		ioasid_rcu_retire(rcu, head, func, size);
}

static size_t call_pending(struct ioasid_rcu *rcu)
{
	size_t pending = ioasid_rcu_pending(rcu);

	return pending + (fault == FAULT_PENDING_OFF && pending > 3);
}

/* @getter: in a getter; @counted: in a section without a record. */
static bool call_held(struct ioasid_rcu *rcu, bool getter, bool counted)
{
	if ((fault == FAULT_HELD_IN_GETTER && getter) ||
	    (fault == FAULT_HELD_COUNTED && counted))
		return false;
	return ioasid_rcu_read_held(rcu);
}

static void call_stats(struct ioasid_rcu *rcu,
		       struct ioasid_domain_stats *stats)
{
	ioasid_rcu_stats(rcu, stats);
	if (fault == FAULT_EXIT_RECORD)
		stats->threads += faulty.ends;
}

static int call_destroy(struct ioasid_rcu *rcu)
{
	int ret = ioasid_rcu_destroy(rcu);

	return fault == FAULT_DESTROY_BUSY && ret == -EBUSY ? 0 : ret;
}

#endif /* IOASID_FUZZ_RCU_FAULTS_H */
