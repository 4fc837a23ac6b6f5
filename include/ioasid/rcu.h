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
 * A child of fork() may use every domain and space its parent had; what other
 * threads read or held there is over. A callback that another thread was inside
 * of is not called again. A reclaimer starts again with the child's first call
 * that polls, waits, defers or asks for statistics; not with fork itself, as many
 * a child only calls exec(). Within fork(), that is in handlers the program gave
 * to pthread_atfork(), all calls may be made, but a wait that would not end at
 * once answers -EDEADLK. An ID whose last reference another thread was just
 * dropping may stay occupied, which ioasid_space_validate() reports; one whose
 * end another thread was telling notifiers or an allocator stays as it was then,
 * and they are told no more. A space with a lock of its user's is the user's to
 * hold across fork, and an own flavour its author's.
 *
 * A signal handler may look IDs up: with epoch if its thread is registered,
 * which its first use does; with qsbr if it is registered and online; with none
 * always; with an own flavour if that allows it. No lookup of a registered
 * thread takes a lock or asks for memory, with however many domains. The simple
 * way is one domain for all spaces. In a copy of the library that dlopen() loaded
 * there is more to it: docs/rcu.md.
 *
 * A thread may end anywhere outside of deferred callbacks, also cancelled in a
 * getter. It is unregistered after the destructors of its thread-specific data,
 * by one of the library's own. In a later round of them epoch protects lookups
 * as before, without a record; with qsbr there is none to be had:
 * thread_register answers -ENOMEM, check_reader -EPERM, and no pointer found may
 * be used.
 *
 * Where membarrier(2) worked at create and is refused later, for good, no
 * grace period can end: a second after the first refusal waits answer -EIO, and
 * polls stay false. Domains made from then on have full fences.
 *
 * -DIOASID_DEBUG, for a program and the library alike, has every lookup, get,
 * put and walk over IDs answer -EPERM where ioasid_rcu_check_reader() would.
 */

#include <ioasid/platform.h>

IOASID_BEGIN_DECLS

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
	IOASID_RCU_CUSTOM
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
 * @thread_unregister: 0, or -ENOENT if not registered; optional
 * @online:            may the calling thread hold pointers outside of a
 *                     section? For flavours in the manner of qsbr: then the
 *                     library treats it as IOASID_RCU_QSBR, and the two below
 *                     are required
 * @thread_offline:    see ioasid_rcu_thread_offline(); optional
 * @thread_online:     see ioasid_rcu_thread_online(); optional. Also called,
 *                     around callbacks, on threads that are not registered
 * @quiescent:         see ioasid_rcu_quiescent(); optional
 *
 * Every call gets the ops_context of the configuration. @start_poll and @poll
 * are called on any thread with the domain's lock held, not to be cancelled
 * there: they may fork, and may use another domain only if it is older, and no
 * read section of one.
 */
struct ioasid_rcu_ops {
	void (*read_lock)(void *context);
	void (*read_unlock)(void *context);
	void (*synchronize)(void *context);
	bool (*read_held)(void *context);
	uint64_t (*start_poll)(void *context);
	bool (*poll)(void *context, uint64_t cookie);
	int (*thread_register)(void *context);
	int (*thread_unregister)(void *context);
	bool (*online)(void *context);
	void (*thread_offline)(void *context);
	void (*thread_online)(void *context);
	void (*quiescent)(void *context);
};

/**
 * struct ioasid_rcu_config - all zero: epoch, the system's memory
 * @flavour:       see enum ioasid_rcu_flavour
 * @ops:           the flavour for IOASID_RCU_CUSTOM; kept, not copied
 * @ops_context:   first argument of each of @ops
 * @memory:        where records come from. A thread that needs some beside its
 *                 IOASID_RCU_READERS places finds them by a table, which is in
 *                 the system's memory
 * @pending_limit: deferred callbacks that may be pending before
 *                 ioasid_rcu_defer() waits or refuses; 0: 65,536. Threads that
 *                 defer at the same time may exceed it by one each
 * @retired_limit: bytes of stores that may wait for readers at once before
 *                 their spaces take no more memory, and ioasid_space_alloc()
 *                 answers -EAGAIN; 0: 64 MiB
 * @reclaimer:     have a thread of the library call what is due, so that no
 *                 defer does and nothing waits for the next one; barrier and
 *                 destroy still do. It starts with the first callback, and
 *                 sleeps while there is none. If it cannot be started, all is
 *                 as without it. Not with IOASID_RCU_NONE
 * @no_membarrier: use full fences even where membarrier(2) works: for a
 *                 program that will forbid itself the call, without which
 *                 grace periods would not end. The library's locks use the call
 *                 from the first domain on, of any flavour but NONE, that does
 *                 not say so (as those that spaces make for themselves do not);
 *                 a process without one never makes it
 */
struct ioasid_rcu_config {
	enum ioasid_rcu_flavour flavour;
	const struct ioasid_rcu_ops *ops;
	void *ops_context;
	struct ioasid_memory memory;
	size_t pending_limit;
	size_t retired_limit;
	bool reclaimer;
	bool no_membarrier;
};

/*
 * What one thread tells one domain: a cache line of the thread's own. Only that
 * thread writes the first two.
 */
struct ioasid_rcu_reader {
	/* epoch: of the read section, 0 outside; qsbr: last seen, 0 offline */
	ioasid_atomic_u64 epoch __attribute__((aligned(IOASID_TLS_ALIGN)));
	/* epoch: read sections inside of it */
	uint32_t nesting;
	/* the library's memory; if not, of the thread's own variables */
	bool allocated;
	/* the domain; NULL once it is gone */
	ioasid_atomic_ptr rcu;
	/* tells one thread from another */
	const void *thread;
	struct ioasid_rcu_reader *next_in_domain, **prev_in_domain;
	struct ioasid_rcu_reader *next_in_thread, **prev_in_thread;
};

/* What the read side of a domain does: decided at create. */
enum ioasid_rcu_read_side {
	/* epoch, where membarrier(2) makes up for the fence; with the fence */
	IOASID_RCU_READ_PLAIN,
	IOASID_RCU_READ_FENCED,
	/* qsbr */
	IOASID_RCU_READ_NOTHING,
	/* none */
	IOASID_RCU_READ_COUNTED,
	/* the user's own */
	IOASID_RCU_READ_CUSTOM
};

/* A constant where there is one. */
#ifdef IOASID_ONLY_NONE
#define ioasid_rcu_read_side(rcu) IOASID_RCU_READ_COUNTED
#else
#define ioasid_rcu_read_side(rcu) ((rcu)->read_side)
#endif

/* The part of a domain that the read side looks at; written at create. */
struct ioasid_rcu {
	enum ioasid_rcu_read_side read_side;
	enum ioasid_rcu_flavour flavour;
	uint64_t id;
	/* offset into ioasid_rcu_readers */
	size_t place;
	const struct ioasid_rcu_ops *ops;
	void *ops_context;
	/* none: depth of read sections */
	uint32_t nesting;
	/* into the table of records that a thread has beside its places */
	uint32_t index;
	/* advanced by the start of every grace period */
	ioasid_atomic_u64 epoch __attribute__((aligned(IOASID_CACHE_LINE)));
};

/**
 * struct ioasid_rcu_head - storage for one deferred callback
 *
 * Lies in what is to be freed, as a rule.
 */
struct ioasid_rcu_head {
	/* private: */
	struct ioasid_rcu_head *next;
	void (*func)(struct ioasid_rcu_head *head);
};

/* Domains of which a thread needs no memory to be a reader, as a rule. */
#define IOASID_RCU_READERS 4

/* The calling thread's own; each domain has its place. */
extern IOASID_TLS struct ioasid_rcu_reader
	ioasid_rcu_readers[IOASID_RCU_READERS];

void ioasid_rcu_read_lock_slow(struct ioasid_rcu *rcu);
void ioasid_rcu_read_unlock_slow(struct ioasid_rcu *rcu);
struct ioasid_rcu_reader *ioasid_rcu_section_enter_slow(struct ioasid_rcu *rcu);

/* @fence: where grace periods cannot make one */
IOASID_INLINE void ioasid_rcu_reader_lock(const struct ioasid_rcu *rcu,
					  struct ioasid_rcu_reader *reader,
					  bool fence)
{
	if (ioasid_unlikely(ioasid_load_relaxed(&reader->epoch) != 0)) {
		reader->nesting++;
		return;
	}
	/* Acquire: who carries a new epoch sees what went before it. */
	ioasid_store_relaxed(&reader->epoch, ioasid_load_acquire(&rcu->epoch));
	/* Pairs with the barrier between new epoch and scan. */
	if (fence)
		ioasid_fence_seq_cst();
	else
		ioasid_compiler_barrier();
}

IOASID_INLINE void ioasid_rcu_reader_unlock(struct ioasid_rcu_reader *reader)
{
	if (ioasid_unlikely(reader->nesting != 0))
		reader->nesting--;
	else
		ioasid_store_release(&reader->epoch, 0);
}

/* The calling thread's place of a domain; which may be another domain's. */
IOASID_INLINE struct ioasid_rcu_reader *
ioasid_rcu_place(const struct ioasid_rcu *rcu)
{
	return IOASID_CAST(
		struct ioasid_rcu_reader *,
		IOASID_CAST(void *,
			    IOASID_RECAST(char *,
					  ioasid_tls(ioasid_rcu_readers)) +
				    rcu->place));
}

IOASID_INLINE bool ioasid_rcu_reads(const struct ioasid_rcu_reader *reader,
				    const struct ioasid_rcu *rcu)
{
	return ioasid_likely(ioasid_load_relaxed(&reader->rcu) == rcu);
}

IOASID_INLINE void ioasid_rcu_epoch_lock(struct ioasid_rcu *rcu, bool fence)
{
	struct ioasid_rcu_reader *reader = ioasid_rcu_place(rcu);

	if (ioasid_rcu_reads(reader, rcu))
		ioasid_rcu_reader_lock(rcu, reader, fence);
	else
		ioasid_rcu_read_lock_slow(rcu);
}

IOASID_INLINE void ioasid_rcu_epoch_unlock(struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader = ioasid_rcu_place(rcu);

	if (ioasid_rcu_reads(reader, rcu))
		ioasid_rcu_reader_unlock(reader);
	else
		ioasid_rcu_read_unlock_slow(rcu);
}

/**
 * ioasid_rcu_read_lock - begin a read section
 * @rcu: domain
 *
 * Pointers found inside stay valid until the matching unlock. Sections nest,
 * and must not contain a call that waits for a grace period.
 *
 * Context: any; wait-free after a thread's first use of the domain, which
 * registers it (epoch), takes locks and may ask for memory. If there is no
 * memory to register, which the first domains of a thread do not need, or a hook
 * asked for it is just running, the section is counted: slower, equally safe, and
 * one of every domain of epoch, all of which it holds up.
 * Complexity: constant, but where the table of the thread's records grows.
 */
IOASID_INLINE void ioasid_rcu_read_lock(struct ioasid_rcu *rcu)
{
	enum ioasid_rcu_read_side side = ioasid_rcu_read_side(rcu);

	if (ioasid_likely(side == IOASID_RCU_READ_PLAIN))
		ioasid_rcu_epoch_lock(rcu, false);
	else if (ioasid_likely(side == IOASID_RCU_READ_NOTHING))
		return;
	else if (side == IOASID_RCU_READ_FENCED)
		ioasid_rcu_epoch_lock(rcu, true);
	else if (side == IOASID_RCU_READ_COUNTED)
		rcu->nesting++;
	else
		rcu->ops->read_lock(rcu->ops_context);
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
	enum ioasid_rcu_read_side side = ioasid_rcu_read_side(rcu);

	if (ioasid_likely(side <= IOASID_RCU_READ_FENCED))
		ioasid_rcu_epoch_unlock(rcu);
	else if (ioasid_likely(side == IOASID_RCU_READ_NOTHING))
		return;
	else if (side == IOASID_RCU_READ_COUNTED)
		rcu->nesting--;
	else
		rcu->ops->read_unlock(rcu->ops_context);
}

/*
 * A section within one function: as read_lock and read_unlock, but that the
 * end need not look for the reader again. NULL: do.
 */
IOASID_INLINE struct ioasid_rcu_reader *
ioasid_rcu_section_enter(struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader;

	if (ioasid_likely(ioasid_rcu_read_side(rcu) == IOASID_RCU_READ_PLAIN)) {
		reader = ioasid_rcu_place(rcu);
		if (!ioasid_rcu_reads(reader, rcu))
			return ioasid_rcu_section_enter_slow(rcu);
		if (ioasid_likely(!ioasid_load_relaxed(&reader->epoch))) {
			ioasid_rcu_reader_lock(rcu, reader, false);
			return reader;
		}
	}
	ioasid_rcu_read_lock(rcu);
	return IOASID_NULL;
}

IOASID_INLINE void ioasid_rcu_section_leave(struct ioasid_rcu *rcu,
					    struct ioasid_rcu_reader *reader)
{
	if (ioasid_likely(reader != IOASID_NULL))
		ioasid_store_release(&reader->epoch, 0);
	else
		ioasid_rcu_read_unlock(rcu);
}

/**
 * ioasid_rcu_create - make a domain
 * @config: see there; NULL for all defaults
 * @rcu:    receives the domain
 *
 * Context: takes a lock; not in a signal handler. Asks for membarrier(2)
 * until it is had.
 * Return: 0; -EINVAL unknown flavour, an own flavour without its required
 * operations, memory hooks half given, a reclaimer with none; -ENOMEM.
 * Ownership: the caller's, until ioasid_rcu_destroy().
 * Complexity: the domains there are.
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
 * Return: 0; -EBUSY a space uses it; -EDEADLK and -EIO as
 * ioasid_rcu_barrier(). On error the domain is there as before.
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
 * Context: takes locks; may ask for memory; not in a signal handler.
 * Return: 0, also if registered before; -ENOMEM, also inside a read section
 * that began without memory, and when the thread is about to end; what an own
 * flavour returns.
 * Ownership: the record is the domain's.
 * Complexity: constant, but where the table of the thread's records grows.
 */
int ioasid_rcu_thread_register(struct ioasid_rcu *rcu);

/**
 * ioasid_rcu_thread_unregister - forget the calling thread
 * @rcu: domain
 *
 * Context: takes locks; may give memory back; not in a signal handler.
 * Return: 0; -ENOENT not registered, but 0 with none; -EDEADLK inside a read
 * section; what an own flavour returns.
 * Complexity: constant.
 */
int ioasid_rcu_thread_unregister(struct ioasid_rcu *rcu);

/**
 * ioasid_rcu_check_reader - may the calling thread use what it finds?
 * @rcu: domain
 *
 * For assertions of one's own; see IOASID_DEBUG at the top.
 *
 * Context: any.
 * Return: 0, also with an own flavour that cannot tell; -EPERM outside of a read
 * section; with qsbr not registered, also because the thread is about to end, or
 * offline.
 * Complexity: as for ioasid_rcu_read_held().
 */
int ioasid_rcu_check_reader(struct ioasid_rcu *rcu);

/**
 * ioasid_rcu_quiescent - say that no pointer found before is in use (qsbr)
 * @rcu: domain
 *
 * Nothing to do in epoch and none. A thread that is offline stays so.
 *
 * Context: not inside a read section, a getter or a callback; wait-free.
 * Return: 0; -ENOENT with qsbr, not registered.
 * Complexity: constant.
 */
int ioasid_rcu_quiescent(struct ioasid_rcu *rcu);

/**
 * ioasid_rcu_thread_offline - stop taking part, before a long sleep (qsbr)
 * @rcu: domain
 *
 * Nothing to do in epoch and none, where a thread outside of a read section
 * holds up nobody.
 *
 * Context: not inside a read section, a getter or a callback; wait-free; no
 * lookup until thread_online.
 * Return: 0; -ENOENT with qsbr, not registered.
 * Complexity: constant.
 */
int ioasid_rcu_thread_offline(struct ioasid_rcu *rcu);

/**
 * ioasid_rcu_thread_online - take part again
 * @rcu: domain
 *
 * Context: wait-free; after ioasid_rcu_thread_offline().
 * Return: 0; -ENOENT with qsbr, not registered.
 * Complexity: constant.
 */
int ioasid_rcu_thread_online(struct ioasid_rcu *rcu);

/**
 * ioasid_rcu_read_held - is the calling thread in a read section?
 * @rcu: domain
 *
 * True in any flavour inside a getter, iterator or allocator the library is
 * calling, and with qsbr inside a deferred callback, whose caller may hold
 * pointers: one of @rcu, or of any domain if the thread is online in @rcu.
 * Elsewhere qsbr, and an own flavour that cannot tell, answer false. A section
 * that is counted for lack of memory is one of every domain of epoch. Within
 * calls of more than 16 domains inside of each other the answer is true for all.
 *
 * Context: any.
 * Return: true or false.
 * Complexity: constant, but for the domains whose getters and callbacks nest.
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
 * Return: 0; -EDEADLK inside a read section of @rcu, at once, and within fork();
 * -EIO membarrier(2) has been refused for a second.
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
 *        nothing that waits for a grace period of a domain of qsbr
 *
 * Callbacks run in order, in batches, on threads that call defer, barrier,
 * free_deferred or destroy, or on the domain's reclaimer, not to be cancelled
 * there, with no lock held but the one that keeps them in order: two
 * domains whose callbacks wait for each other wait for ever. They run only where
 * nothing of the library is around them: not in a read section of @rcu or of
 * any domain of epoch, nor in a getter, walk or allocator that the library is
 * calling; and no defer runs them in a callback. A call made there leaves
 * them to the next outside. So what @func may do does not depend on who defers,
 * but for locks of the program's: who takes one in @func and holds it around
 * calls that may run callbacks needs a reclaimer. With qsbr @func may look IDs up
 * if all those threads are registered, as a reclaimer is; a thread that was not
 * online is offline again afterwards, also if @func registered it. @func must
 * return: no longjmp, no exception, no end of its thread.
 *
 * Context: takes locks, runs callbacks that are due; may be called in a read
 * section. At the pending limit it waits for callbacks to be called.
 * Return: 0; -EAGAIN at the limit where no callback may run, within fork(), on
 * an online thread of qsbr, and where waits answer -EIO; @head still the
 * caller's.
 * Ownership: @head and what it lies in are the domain's for 0, until @func.
 * Complexity: constant, and every 32nd the threads registered and what the
 * callbacks cost that are due.
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
 * For stores: unlike ioasid_rcu_defer() it runs nothing and never fails, so it
 * is fit for under a space's lock. ioasid_space_alloc(), _free() and _put() run
 * what is due once there is much of it. Its bound is that spaces take no more
 * memory while retired_limit bytes are waiting.
 *
 * Context: takes the domain's lock; may be called in a read section, and with
 * a space's lock held.
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
 * Return: 0; -EDEADLK inside a read section or a callback of @rcu, within
 * fork(), and, while callbacks are pending, where none may run, see
 * ioasid_rcu_defer(); -EIO as ioasid_rcu_synchronize().
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

/**
 * struct ioasid_domain_stats - how a domain is doing
 * @threads:       registered
 * @pending:       deferred callbacks not yet called
 * @retired:       blocks of stores not yet freed
 * @retired_bytes: their size
 * @oldest_ns:     nanoseconds since the oldest of them all, and of those being
 *                 called, was deferred; 0 if there is none. If it grows, a
 *                 reader holds up the domain, or nobody calls what is due
 * @grace_periods: begun so far; 0 with an own flavour
 */
struct ioasid_domain_stats {
	size_t threads;
	size_t pending;
	size_t retired;
	size_t retired_bytes;
	uint64_t oldest_ns;
	uint64_t grace_periods;
};

/**
 * ioasid_rcu_stats - how a domain is doing
 * @rcu:   domain
 * @stats: filled in, of one moment
 *
 * Context: takes the domain's lock; may be called in a read section.
 * Complexity: constant.
 */
void ioasid_rcu_stats(struct ioasid_rcu *rcu,
		      struct ioasid_domain_stats *stats);

IOASID_END_DECLS

#endif /* IOASID_RCU_H */
