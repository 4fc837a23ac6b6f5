/* SPDX-License-Identifier: MIT */
#ifndef IOASID_RCU_H
#define IOASID_RCU_H

/*
 * RCU domains: who waits for which readers, and how.
 *
 * A grace period counts as over once every reader has been seen outside of
 * the read sections that ran at its start. Each registered thread has a
 * record only it writes; a lookup writes no shared line. Epochs as in Fraser,
 * "Practical lock-freedom" (2004); quiescent states as in Desnoyers et al.,
 * "User-level implementations of read-copy update" (2012).
 *
 * A child of fork() may use only domains, and spaces, that it makes itself: the
 * readers of its parent are in the others for ever. A signal handler may look
 * IDs up if its thread has used the domain before, one of its last eight.
 */

#include <ioasid/platform.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * enum ioasid_rcu_flavour - how a domain learns that readers have left
 * @IOASID_RCU_EPOCH:  threads register by themselves and leave at their exit;
 *                     two plain stores per read section where membarrier(2)
 *                     works, a full fence otherwise; a thread asleep outside
 *                     of a read section holds up nobody
 * @IOASID_RCU_QSBR:   the read side compiles to nothing; every thread
 *                     registers and reports quiescent states, and all that
 *                     lies between two of them is one read section;
 *                     synchronize, barrier, set_data and destroy are such
 *                     states of their caller
 * @IOASID_RCU_NONE:   one thread; what is deferred outside of a read section
 *                     runs at once, what callbacks defer with a later call
 * @IOASID_RCU_CUSTOM: the user's own, by struct ioasid_rcu_ops
 */
enum ioasid_rcu_flavour {
	IOASID_RCU_EPOCH,
	IOASID_RCU_QSBR,
	IOASID_RCU_NONE,
	IOASID_RCU_CUSTOM,
};

/**
 * struct ioasid_rcu_ops - a flavour of the user's own
 * @read_lock:         begins a read section; nests
 * @read_unlock:       ends it
 * @start_poll:        a cookie for a grace period from now on
 * @poll:              has the grace period of a cookie passed? Moves it on,
 *                     never waits
 * @synchronize:       returns after a grace period; optional: without it the
 *                     library polls
 * @read_held:         is the calling thread in a read section? Optional;
 *                     without it a wait inside of one cannot be refused
 * @thread_register:   0 or a negative errno; optional
 * @thread_unregister: optional
 * @quiescent:         optional
 * @thread_offline:    optional
 * @thread_online:     optional
 *
 * Every call gets the ops_context of the configuration. @start_poll and @poll
 * are called with locks of the library held.
 */
struct ioasid_rcu_ops {
	void (*read_lock)(void *context);
	void (*read_unlock)(void *context);
	void (*synchronize)(void *context);
	bool (*read_held)(void *context);
	uint64_t (*start_poll)(void *context);
	bool (*poll)(void *context, uint64_t cookie);
	int (*thread_register)(void *context);
	void (*thread_unregister)(void *context);
	void (*quiescent)(void *context);
	void (*thread_offline)(void *context);
	void (*thread_online)(void *context);
};

/**
 * struct ioasid_rcu_config - all zero: epoch, the system's memory
 * @flavour:       see enum ioasid_rcu_flavour
 * @ops:           the flavour for IOASID_RCU_CUSTOM; kept, not copied
 * @ops_context:   first argument of each of @ops
 * @memory:        where records come from
 * @pending_limit: deferred callbacks that may be pending at once before
 *                 ioasid_rcu_defer() waits or refuses; 0: 65,536
 * @no_membarrier: use full fences even where membarrier(2) works: for a
 *                 program that will forbid itself the call, without which
 *                 grace periods would not end
 */
struct ioasid_rcu_config {
	enum ioasid_rcu_flavour flavour;
	const struct ioasid_rcu_ops *ops;
	void *ops_context;
	struct ioasid_memory memory;
	size_t pending_limit;
	bool no_membarrier;
};

/* What one thread tells one domain. Only that thread writes it. */
struct ioasid_rcu_reader {
	/* epoch: of the read section, 0 outside; qsbr: last seen, 0 offline */
	ioasid_atomic_u64 epoch;
	/* epoch: read sections inside of it */
	uint32_t nesting;
};

/* The part of a domain that the read side looks at; written at create. */
struct ioasid_rcu {
	enum ioasid_rcu_flavour flavour;
	bool membarrier;
	uint64_t id;
	const struct ioasid_rcu_ops *ops;
	void *ops_context;
	/* none: depth of read sections */
	uint32_t nesting;
	/* advanced by the start of every grace period */
	ioasid_atomic_u64 epoch __attribute__((aligned(IOASID_CACHE_LINE)));
};

struct ioasid_rcu_head {
	struct ioasid_rcu_head *next;
	void (*func)(struct ioasid_rcu_head *head);
};

struct ioasid_rcu_thread {
	uint64_t domain;
	struct ioasid_rcu_reader *reader;
};

/* The calling thread's record of the domain it used last. */
extern IOASID_TLS struct ioasid_rcu_thread ioasid_rcu_current;

void ioasid_rcu_read_lock_slow(struct ioasid_rcu *rcu);
void ioasid_rcu_read_unlock_slow(struct ioasid_rcu *rcu);

IOASID_INLINE void ioasid_rcu_reader_lock(const struct ioasid_rcu *rcu,
					  struct ioasid_rcu_reader *reader)
{
	if (ioasid_unlikely(ioasid_load_relaxed(&reader->epoch) != 0)) {
		reader->nesting++;
		return;
	}
	/* Acquire: who carries a new epoch sees what went before it. */
	ioasid_store_relaxed(&reader->epoch, ioasid_load_acquire(&rcu->epoch));
	/* Pairs with the barrier between new epoch and scan. */
	if (ioasid_likely(rcu->membarrier))
		ioasid_compiler_barrier();
	else
		ioasid_fence_seq_cst();
}

IOASID_INLINE void ioasid_rcu_reader_unlock(struct ioasid_rcu_reader *reader)
{
	if (ioasid_unlikely(reader->nesting != 0))
		reader->nesting--;
	else
		ioasid_store_release(&reader->epoch, 0);
}

/**
 * ioasid_rcu_read_lock - begin a read section
 * @rcu: domain
 *
 * Pointers found inside stay valid until the matching unlock. Sections nest,
 * and must not contain a call that waits for a grace period.
 *
 * Context: any; wait-free after a thread's first use of the domain, which
 * registers it (epoch) and takes locks, as does the use of a ninth domain by
 * turns. If there is no memory to register, the section is counted in the
 * domain: slower, equally safe.
 * Complexity: constant.
 */
IOASID_INLINE void ioasid_rcu_read_lock(struct ioasid_rcu *rcu)
{
	switch (rcu->flavour) {
	case IOASID_RCU_EPOCH:
		if (ioasid_likely(ioasid_rcu_current.domain == rcu->id))
			ioasid_rcu_reader_lock(rcu, ioasid_rcu_current.reader);
		else
			ioasid_rcu_read_lock_slow(rcu);
		break;
	case IOASID_RCU_QSBR:
		break;
	case IOASID_RCU_NONE:
		rcu->nesting++;
		break;
	case IOASID_RCU_CUSTOM:
		rcu->ops->read_lock(rcu->ops_context);
		break;
	}
}

/**
 * ioasid_rcu_read_unlock - end a read section
 * @rcu: domain
 *
 * Context: inside a read section of the same thread. Wait-free.
 * Complexity: constant.
 */
IOASID_INLINE void ioasid_rcu_read_unlock(struct ioasid_rcu *rcu)
{
	switch (rcu->flavour) {
	case IOASID_RCU_EPOCH:
		if (ioasid_likely(ioasid_rcu_current.domain == rcu->id))
			ioasid_rcu_reader_unlock(ioasid_rcu_current.reader);
		else
			ioasid_rcu_read_unlock_slow(rcu);
		break;
	case IOASID_RCU_QSBR:
		break;
	case IOASID_RCU_NONE:
		rcu->nesting--;
		break;
	case IOASID_RCU_CUSTOM:
		rcu->ops->read_unlock(rcu->ops_context);
		break;
	}
}

/**
 * ioasid_rcu_create - make a domain
 * @config: see there; NULL for all defaults
 * @rcu:    receives the domain
 *
 * Context: not in a signal handler. Asks for membarrier(2) once a process.
 * Return: 0; -EINVAL unknown flavour, an own flavour without its required
 * operations, memory hooks half given; -ENOMEM.
 * Ownership: the caller's, until ioasid_rcu_destroy().
 * Complexity: constant.
 */
int ioasid_rcu_create(const struct ioasid_rcu_config *config,
		      struct ioasid_rcu **rcu);

/**
 * ioasid_rcu_destroy - run what is deferred and free a domain
 * @rcu: domain that no space uses; NULL is ignored
 *
 * Threads still registered, in qsbr offline, are unregistered. Callbacks that
 * defer again are waited for as well.
 *
 * Context: waits for a grace period; no other call on @rcu may run or follow.
 * Return: 0; -EDEADLK inside a read section or callback of @rcu; -EBUSY a
 * space uses it. On error nothing has changed.
 * Complexity: the threads registered and callbacks pending.
 */
int ioasid_rcu_destroy(struct ioasid_rcu *rcu);

/**
 * ioasid_rcu_thread_register - make the calling thread known to a domain
 * @rcu: domain
 *
 * Required with qsbr before the first lookup, get, put or walk; the thread is
 * online from here on. Others register on first use; then this only moves the
 * cost. A thread that exits is unregistered.
 *
 * Context: takes the domain's lock; not in a signal handler.
 * Return: 0, also if registered before; -ENOMEM, also inside a read section
 * that began without memory; what an own flavour returns.
 * Ownership: the record is the domain's.
 * Complexity: constant.
 */
int ioasid_rcu_thread_register(struct ioasid_rcu *rcu);

/**
 * ioasid_rcu_thread_unregister - forget the calling thread
 * @rcu: domain
 *
 * Context: takes the domain's lock.
 * Return: 0; -ENOENT not registered; -EDEADLK inside a read section.
 * Complexity: constant.
 */
int ioasid_rcu_thread_unregister(struct ioasid_rcu *rcu);

/**
 * ioasid_rcu_quiescent - say that no pointer found before is in use (qsbr)
 * @rcu: domain
 *
 * Nothing to do in epoch and none.
 *
 * Context: not inside a read section or a getter; wait-free. A thread that is
 * not registered, or offline, is left as it is.
 * Complexity: constant.
 */
void ioasid_rcu_quiescent(struct ioasid_rcu *rcu);

/**
 * ioasid_rcu_thread_offline - stop taking part, before a long sleep (qsbr)
 * @rcu: domain
 *
 * Context: not inside a read section; no lookup until thread_online.
 * Complexity: constant.
 */
void ioasid_rcu_thread_offline(struct ioasid_rcu *rcu);

/**
 * ioasid_rcu_thread_online - take part again
 * @rcu: domain
 *
 * Context: after ioasid_rcu_thread_offline().
 * Complexity: constant.
 */
void ioasid_rcu_thread_online(struct ioasid_rcu *rcu);

/**
 * ioasid_rcu_read_held - is the calling thread in a read section?
 * @rcu: domain
 *
 * True in any flavour inside a getter or iterator the library is calling, and
 * with qsbr inside a deferred callback, whose caller may hold pointers.
 * Elsewhere qsbr, and an own flavour that cannot tell, answer false. A thread
 * counted in one domain for lack of memory is taken to be in a section of every
 * domain that counts any.
 *
 * Context: takes a lock if the thread uses more than eight domains.
 * Return: true or false.
 * Complexity: constant, but for getters and callbacks nested.
 */
bool ioasid_rcu_read_held(struct ioasid_rcu *rcu);

/**
 * ioasid_rcu_synchronize - wait for a grace period
 * @rcu: domain
 *
 * Waiters share grace periods. With qsbr the call is a quiescent state of
 * the caller.
 *
 * Context: waits.
 * Return: 0; -EDEADLK inside a read section of @rcu, at once.
 * Complexity: the threads registered, for each look.
 */
int ioasid_rcu_synchronize(struct ioasid_rcu *rcu);

/**
 * ioasid_rcu_start_poll - a cookie for a grace period from now on
 * @rcu: domain
 *
 * Context: takes the domain's lock; may be called in a read section.
 * Return: the cookie; cookies do not wrap.
 * Complexity: constant.
 */
uint64_t ioasid_rcu_start_poll(struct ioasid_rcu *rcu);

/**
 * ioasid_rcu_poll - has the grace period of a cookie passed?
 * @rcu:    domain
 * @cookie: from ioasid_rcu_start_poll() of the same domain
 *
 * Starts a grace period and moves it on as far as it goes without waiting.
 *
 * Context: takes the domain's lock; may be called in a read section.
 * Return: true if it has.
 * Complexity: the threads registered.
 */
bool ioasid_rcu_poll(struct ioasid_rcu *rcu, uint64_t cookie);

/**
 * ioasid_rcu_defer - call a function after a grace period
 * @rcu:  domain
 * @head: storage, the domain's until @func is called with it
 * @func: the function; may call anything but destroy and barrier of @rcu, and
 *        with qsbr nothing that waits for a grace period of @rcu
 *
 * Callbacks run in order, in batches, on threads that call defer, barrier or
 * free_deferred, with no lock held but the one that keeps them in order: two
 * domains whose callbacks wait for each other wait for ever. With qsbr @func
 * may look IDs up if all those threads are registered.
 *
 * Context: takes the domain's lock, runs callbacks that are due; may be
 * called in a read section. At the pending limit it waits for a grace period.
 * Return: 0; -EAGAIN at the limit inside a read section or a callback, or on
 * an online thread of qsbr, @head still the caller's.
 * Ownership: @head and what it lies in are the domain's for 0, until @func.
 * Complexity: constant, and what the callbacks cost that are due.
 */
int ioasid_rcu_defer(struct ioasid_rcu *rcu, struct ioasid_rcu_head *head,
		     void (*func)(struct ioasid_rcu_head *head));

/**
 * ioasid_rcu_retire - free memory of a store after a grace period
 * @rcu:  domain
 * @head: storage, the domain's until @func is called with it
 * @func: frees the memory; takes no lock and calls nothing of the library
 * @size: bytes that it frees
 *
 * For stores: unlike ioasid_rcu_defer() it runs nothing, has no limit and
 * never fails, so it is fit for under a space's lock. ioasid_space_alloc(),
 * _free() and _put() run what is due once there is much of it.
 *
 * Context: takes the domain's lock; any.
 * Ownership: the memory is the domain's until @func.
 * Complexity: constant.
 */
void ioasid_rcu_retire(struct ioasid_rcu *rcu, struct ioasid_rcu_head *head,
		       void (*func)(struct ioasid_rcu_head *head), size_t size);

/**
 * ioasid_rcu_barrier - wait until all deferred before has been called
 * @rcu: domain
 *
 * Context: waits, runs callbacks.
 * Return: 0; -EDEADLK inside a read section or a callback of @rcu.
 * Complexity: the threads registered and callbacks pending.
 */
int ioasid_rcu_barrier(struct ioasid_rcu *rcu);

/**
 * ioasid_rcu_pending - the number of deferred callbacks not yet called
 * @rcu: domain
 *
 * Context: wait-free.
 * Return: the number, of some moment during the call.
 * Complexity: constant.
 */
size_t ioasid_rcu_pending(const struct ioasid_rcu *rcu);

#ifdef __cplusplus
}
#endif

#endif /* IOASID_RCU_H */
