/* SPDX-License-Identifier: MIT */
#include "thread.h"

#include "domain.h"
#include "epoch.h"

/*
 * What threads have of their own: readers, by which domains see them, and the
 * calls of the user's that they are inside of. Handlers of signals may look
 * IDs up, so what they read changes only with signals blocked.
 */

/* Readers a thread finds without a lock, beside those in their place. */
#define FOUND 8

static struct ioasid_lock registry = IOASID_LOCK_INIT;

IOASID_TLS struct ioasid_rcu_reader ioasid_rcu_readers[IOASID_RCU_READERS];
static IOASID_TLS struct ioasid_rcu_reader *thread_readers;
/* Those in the library's memory: with none, what has no place is not there. */
static IOASID_TLS ioasid_atomic_u32 thread_allocated;
/* By number, as the memory of a domain may be another's one day. */
static IOASID_TLS struct {
	uint64_t domain;
	struct ioasid_rcu_reader *reader;
} found[FOUND];
static IOASID_TLS unsigned int found_next;
/* Deferred callbacks, and getters, that the thread is inside of. */
static IOASID_TLS struct ioasid_rcu_frame *thread_callbacks, *thread_getters;
/* Read sections of this thread that are counted in their domain. */
static IOASID_TLS uint32_t thread_anonymous;
/* Its exit hook has run: nothing would take a new reader away. */
static IOASID_TLS bool thread_left;

_Static_assert(sizeof(void *) != 8 ||
		       sizeof(struct ioasid_rcu_reader) == IOASID_CACHE_LINE,
	       "a reader is a cache line of its thread's own");

void ioasid_rcu_registry_lock(struct ioasid_signals *signals)
{
	ioasid_signals_block(signals);
	ioasid_lock(&registry);
}

void ioasid_rcu_registry_unlock(const struct ioasid_signals *signals)
{
	ioasid_unlock(&registry);
	ioasid_signals_restore(signals);
}

void ioasid_rcu_registry_child(const struct ioasid_signals *signals)
{
	ioasid_lock_init(&registry);
	ioasid_signals_restore(signals);
}

static struct domain *domain_of(const struct ioasid_rcu_reader *reader)
{
	return ioasid_rcu_domain(ioasid_load_relaxed(&reader->rcu));
}

static struct ioasid_rcu_reader *find_reader(const struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader = ioasid_rcu_place(rcu);
	struct ioasid_signals signals;
	unsigned int before;

	if (ioasid_rcu_reads(reader, rcu))
		return reader;
	do {
		/* Again if a handler has put another domain's there. */
		before = found_next;
		ioasid_compiler_barrier();
		reader = NULL;
		for (unsigned int i = 0; i < FOUND && !reader; i++)
			if (found[i].domain == rcu->id)
				reader = found[i].reader;
		ioasid_compiler_barrier();
	} while (before != found_next);
	if (reader)
		return reader;
	if (!ioasid_load_relaxed(&thread_allocated))
		return NULL;
	ioasid_rcu_registry_lock(&signals);
	for (reader = thread_readers; reader; reader = reader->next_in_thread)
		if (ioasid_rcu_reads(reader, rcu))
			break;
	if (reader) {
		found[found_next % FOUND].domain = rcu->id;
		found[found_next++ % FOUND].reader = reader;
	}
	ioasid_rcu_registry_unlock(&signals);
	return reader;
}

/* Registry and domain locked. */
static void enlist(struct domain *domain, struct ioasid_rcu_reader *reader)
{
	ioasid_list_insert(&domain->readers, reader, next_in_domain,
			   prev_in_domain);
	domain->threads++;
}

/* Registry and domain locked. */
static void delist(struct domain *domain, struct ioasid_rcu_reader *reader)
{
	if (domain->unseen == reader)
		domain->unseen = reader->next_in_domain;
	ioasid_list_remove(reader, next_in_domain, prev_in_domain);
	domain->threads--;
}

/* Registry locked, on any thread. */
static void remove_reader(struct ioasid_rcu_reader *reader)
{
	struct domain *domain = domain_of(reader);

	ioasid_lock(&domain->lock);
	delist(domain, reader);
	ioasid_unlock(&domain->lock);
	ioasid_list_remove(reader, next_in_thread, prev_in_thread);
	ioasid_store_relaxed(&reader->rcu, NULL);
	if (!reader->allocated)
		return;
	ioasid_fetch_sub_release(reader->allocated_in_thread, 1u);
	ioasid_memory_zeroed_free(&domain->memory, reader, sizeof(*reader));
}

/* Registry locked. The place of the domain if it is free, or memory. */
static struct ioasid_rcu_reader *take_reader(struct domain *domain)
{
	struct ioasid_rcu_reader *reader = ioasid_rcu_place(&domain->rcu);

	if (!ioasid_load_relaxed(&reader->rcu))
		return reader;
	reader = domain->spare;
	if (reader)
		domain->spare = reader->next_in_domain;
	else
		reader = ioasid_memory_zeroed(&domain->memory, sizeof(*reader));
	if (reader) {
		reader->allocated = true;
		ioasid_fetch_add_acq_rel(&thread_allocated, 1u);
	}
	return reader;
}

static void thread_exit(void)
{
	struct ioasid_signals signals;

	ioasid_rcu_registry_lock(&signals);
	thread_left = true;
	while (thread_readers)
		remove_reader(thread_readers);
	for (unsigned int i = 0; i < FOUND; i++)
		found[i].domain = 0;
	ioasid_rcu_registry_unlock(&signals);
}

static struct ioasid_rcu_reader *add_reader(struct domain *domain)
{
	static const struct ioasid_exit_hook exit_hook = { thread_exit };
	struct ioasid_rcu_reader *reader;
	struct ioasid_signals signals;

	/* A section that was counted must find itself so at its end. */
	if (thread_anonymous || thread_left ||
	    !ioasid_at_thread_exit(&exit_hook))
		return NULL;
	ioasid_rcu_registry_lock(&signals);
	reader = take_reader(domain);
	if (reader) {
		ioasid_store_relaxed(&reader->epoch, 0);
		reader->nesting = 0;
		reader->allocated_in_thread = &thread_allocated;
		ioasid_list_insert(&thread_readers, reader, next_in_thread,
				   prev_in_thread);
		ioasid_store_relaxed(&reader->rcu, &domain->rcu);
		ioasid_lock(&domain->lock);
		enlist(domain, reader);
		ioasid_unlock(&domain->lock);
	}
	ioasid_rcu_registry_unlock(&signals);
	return reader;
}

static bool forget_reader(const struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader = find_reader(rcu);
	struct ioasid_signals signals;

	if (!reader)
		return false;
	ioasid_rcu_registry_lock(&signals);
	for (unsigned int i = 0; i < FOUND; i++)
		if (found[i].domain == rcu->id)
			found[i].domain = 0;
	remove_reader(reader);
	ioasid_rcu_registry_unlock(&signals);
	return true;
}

void ioasid_rcu_read_lock_slow(struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader = find_reader(rcu);

	if (!reader)
		reader = add_reader(ioasid_rcu_domain(rcu));
	if (!reader) {
		thread_anonymous++;
		ioasid_fetch_add_acq_rel(&ioasid_rcu_domain(rcu)->anonymous,
					 1u);
		ioasid_fence_seq_cst();
	} else {
		ioasid_rcu_reader_lock(rcu, reader,
				       rcu->read_side != IOASID_RCU_READ_PLAIN);
	}
}

void ioasid_rcu_read_unlock_slow(struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader = find_reader(rcu);

	if (reader) {
		ioasid_rcu_reader_unlock(reader);
		return;
	}
	/* Not one whose thread has left it and is ending. */
	if (!thread_anonymous)
		return;
	ioasid_fetch_sub_release(&ioasid_rcu_domain(rcu)->anonymous, 1u);
	thread_anonymous--;
}

static void push(struct ioasid_rcu_frame **stack,
		 struct ioasid_rcu_frame *frame, const struct ioasid_rcu *rcu)
{
	frame->rcu = rcu;
	frame->outer = *stack;
	ioasid_compiler_barrier();
	*stack = frame;
}

static bool inside(const struct ioasid_rcu_frame *stack,
		   const struct ioasid_rcu *rcu)
{
	for (; stack; stack = stack->outer)
		if (stack->rcu == rcu)
			return true;
	return false;
}

void ioasid_rcu_frame_enter(struct ioasid_rcu_frame *frame,
			    const struct ioasid_rcu *rcu)
{
	push(&thread_getters, frame, rcu);
}

void ioasid_rcu_frame_leave(const struct ioasid_rcu_frame *frame)
{
	thread_getters = frame->outer;
}

void ioasid_rcu_callbacks_enter(struct ioasid_rcu_frame *frame,
				const struct ioasid_rcu *rcu)
{
	push(&thread_callbacks, frame, rcu);
}

void ioasid_rcu_callbacks_leave(const struct ioasid_rcu_frame *frame)
{
	thread_callbacks = frame->outer;
}

bool ioasid_rcu_in_callback(const struct ioasid_rcu *rcu)
{
	return inside(thread_callbacks, rcu);
}

bool ioasid_rcu_online(const struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader;

	if (!ioasid_rcu_is_qsbr(rcu))
		return false;
	if (rcu->flavour == IOASID_RCU_CUSTOM)
		return rcu->ops->online(rcu->ops_context);
	reader = find_reader(rcu);
	return reader && ioasid_load_relaxed(&reader->epoch);
}

bool ioasid_rcu_read_held(struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader;

	if (inside(thread_getters, rcu))
		return true;
	/* Who deferred may hold pointers around the callback. */
	if (ioasid_rcu_is_qsbr(rcu) && ioasid_rcu_in_callback(rcu))
		return true;
	switch (rcu->flavour) {
	case IOASID_RCU_EPOCH:
		reader = find_reader(rcu);
		if (reader)
			return ioasid_load_relaxed(&reader->epoch) != 0;
		return thread_anonymous &&
		       ioasid_load_relaxed(&ioasid_rcu_domain(rcu)->anonymous);
	case IOASID_RCU_NONE:
		return rcu->nesting != 0;
	case IOASID_RCU_QSBR:
	case IOASID_RCU_CUSTOM:
		break;
	}
	return rcu->flavour == IOASID_RCU_CUSTOM && rcu->ops->read_held &&
	       rcu->ops->read_held(rcu->ops_context);
}

bool ioasid_rcu_wait_refused(struct ioasid_rcu *rcu)
{
	return ioasid_rcu_read_held(rcu) || inside(thread_callbacks, rcu);
}

int ioasid_rcu_check_reader(struct ioasid_rcu *rcu)
{
	bool may = true;

	if (ioasid_rcu_is_qsbr(rcu))
		may = ioasid_rcu_online(rcu);
	else if (rcu->flavour != IOASID_RCU_CUSTOM || rcu->ops->read_held)
		may = ioasid_rcu_read_held(rcu);
	return may ? 0 : -EPERM;
}

int ioasid_rcu_thread_register(struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader;

	if (rcu->flavour == IOASID_RCU_NONE)
		return 0;
	if (rcu->flavour == IOASID_RCU_CUSTOM)
		return rcu->ops->thread_register ?
			       rcu->ops->thread_register(rcu->ops_context) :
			       0;
	reader = find_reader(rcu);
	if (!reader)
		reader = add_reader(ioasid_rcu_domain(rcu));
	if (!reader)
		return -ENOMEM;
	/* Online already it may hold pointers. */
	if (rcu->flavour == IOASID_RCU_QSBR &&
	    !ioasid_load_relaxed(&reader->epoch))
		ioasid_grace_announce(rcu, reader);
	return 0;
}

int ioasid_rcu_thread_unregister(struct ioasid_rcu *rcu)
{
	if (ioasid_rcu_read_held(rcu))
		return -EDEADLK;
	if (rcu->flavour == IOASID_RCU_NONE)
		return 0;
	if (rcu->flavour == IOASID_RCU_CUSTOM)
		return rcu->ops->thread_unregister ?
			       rcu->ops->thread_unregister(rcu->ops_context) :
			       0;
	return forget_reader(rcu) ? 0 : -ENOENT;
}

int ioasid_rcu_quiescent(struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader;

	if (rcu->flavour == IOASID_RCU_CUSTOM && rcu->ops->quiescent)
		rcu->ops->quiescent(rcu->ops_context);
	if (rcu->flavour != IOASID_RCU_QSBR)
		return 0;
	reader = find_reader(rcu);
	if (!reader)
		return -ENOENT;
	if (ioasid_load_relaxed(&reader->epoch))
		ioasid_grace_announce(rcu, reader);
	return 0;
}

int ioasid_rcu_thread_offline(struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader;

	if (rcu->flavour == IOASID_RCU_CUSTOM && rcu->ops->thread_offline)
		rcu->ops->thread_offline(rcu->ops_context);
	if (rcu->flavour != IOASID_RCU_QSBR)
		return 0;
	reader = find_reader(rcu);
	if (!reader)
		return -ENOENT;
	ioasid_grace_offline(reader);
	return 0;
}

int ioasid_rcu_thread_online(struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader;

	if (rcu->flavour == IOASID_RCU_CUSTOM && rcu->ops->thread_online)
		rcu->ops->thread_online(rcu->ops_context);
	if (rcu->flavour != IOASID_RCU_QSBR)
		return 0;
	reader = find_reader(rcu);
	if (!reader)
		return -ENOENT;
	ioasid_grace_announce(rcu, reader);
	return 0;
}

void ioasid_rcu_drop_others(struct domain *domain)
{
	struct ioasid_rcu_reader *reader = domain->readers, *next;

	domain->readers = domain->unseen = NULL;
	domain->threads = 0;
	for (; reader; reader = next) {
		next = reader->next_in_domain;
		if (reader->allocated_in_thread == &thread_allocated) {
			enlist(domain, reader);
		} else if (reader->allocated) {
			reader->next_in_domain = domain->spare;
			domain->spare = reader;
		}
	}
	domain->unseen = domain->readers;
	/* If some are this thread's they cannot be told apart. */
	if (!thread_anonymous)
		ioasid_store_relaxed(&domain->anonymous, 0);
}

void ioasid_rcu_remove_readers(struct domain *domain)
{
	while (domain->readers)
		remove_reader(domain->readers);
}

void ioasid_rcu_free_spare(struct domain *domain)
{
	struct ioasid_rcu_reader *reader;

	while ((reader = domain->spare)) {
		domain->spare = reader->next_in_domain;
		ioasid_memory_zeroed_free(&domain->memory, reader,
					  sizeof(*reader));
	}
}
