/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "thread.h"

#include "domain.h"
#include "epoch.h"

#include "../platform/memory.h"

/*
 * What threads have of their own: records, by which domains see them, and the
 * calls of the user's that they are inside of. Handlers of signals, and a
 * malloc that looks IDs up, find all of it whole between any two steps.
 */

/* Domains whose calls of the user's may be inside of each other. */
#define DEPTH 16
/* Least size of a table of records. */
#define TABLE_MIN 16u

/* Records of one thread, by the index of their domain. */
struct table {
	uint32_t size;
	struct {
		/* its number, as its index may be another's one day; or 0 */
		uint64_t domain;
		struct ioasid_rcu_reader *reader;
	} entry[];
};

IOASID_TLS struct ioasid_rcu_reader ioasid_rcu_readers[IOASID_RCU_READERS];
#ifdef IOASID_TLS_SECTION
/* No other module may import it: what it would find is not its thread's. */
#define QUOTE(name) QUOTE_AGAIN(name)
#define QUOTE_AGAIN(name) #name
__asm__(".section .drectve\n"
	".ascii \" -exclude-symbols:" QUOTE(ioasid_rcu_readers) "\"\n"
								".text\n");
#endif

struct own {
	/* those that are not in their place; the memory is the system's */
	struct table *table;
	/* under the registry's lock: all of them */
	struct ioasid_rcu_reader *readers;
	/* read sections without a record: twice their depth, and their side */
	uint32_t counted;
	/* has the exit hook; registers or unregisters; is as good as gone */
	bool hooked, busy, left;
	/* gives a record of it back */
	struct domain *freeing;
	/* numbers of domains, and whether it is a callback */
	unsigned int depth;
	uint64_t inside[DEPTH];
};

static IOASID_TLS struct own current;

static struct own *self(void)
{
	return &ioasid_tls(current);
}

static struct ioasid_lock registry = IOASID_LOCK_INIT;

/*
 * Read sections of any domain whose thread has no record for it: there was no
 * memory, the record is being made, or the thread is about to end. They go to
 * one of two sides, so that the other empties however many come.
 */
static struct {
	ioasid_atomic_u32 side, on[2];
	/* after domains' */
	struct ioasid_lock lock;
	/* counts looks, and the last that found each side empty */
	uint64_t looks, empty[2];
} counted = { .lock = IOASID_LOCK_INIT };

_Static_assert(sizeof(void *) != 8 ||
		       sizeof(struct ioasid_rcu_reader) == IOASID_CACHE_LINE,
	       "a reader is a cache line of its thread's own");

void ioasid_rcu_registry_lock(void)
{
	ioasid_lock(&registry);
}

void ioasid_rcu_registry_unlock(void)
{
	ioasid_unlock(&registry);
}

static struct domain *domain_of(const struct ioasid_rcu_reader *reader)
{
	return ioasid_rcu_domain(ioasid_load_relaxed(&reader->rcu));
}

static struct ioasid_rcu_reader *find_reader(const struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader = ioasid_rcu_place(rcu);
	const struct table *table = self()->table;

	if (ioasid_rcu_reads(reader, rcu))
		return reader;
	if (table && rcu->index < table->size &&
	    table->entry[rcu->index].domain == rcu->id)
		return table->entry[rcu->index].reader;
	return NULL;
}

static void counted_enter(void)
{
	uint32_t side;

	if (self()->counted) {
		self()->counted += 2;
		return;
	}
	side = ioasid_load_relaxed(&counted.side);
	ioasid_fetch_add_acq_rel(&counted.on[side], 1u);
	/* Pairs with the fence of ioasid_grace_begin(). */
	ioasid_fence_seq_cst();
	self()->counted = 2 | side;
}

static void counted_leave(void)
{
	uint32_t side = self()->counted & 1;

	if (self()->counted > 3) {
		self()->counted -= 2;
		return;
	}
	self()->counted = 0;
	ioasid_compiler_barrier();
	ioasid_fetch_sub_release(&counted.on[side], 1u);
}

bool ioasid_rcu_counted_gone(uint64_t *since)
{
	uint32_t side;
	bool gone;

	if (ioasid_likely(!ioasid_load_acquire(&counted.on[0]) &&
			  !ioasid_load_acquire(&counted.on[1])))
		return true;
	ioasid_lock(&counted.lock);
	/* What one look finds empty is so for all that began before it. */
	ioasid_fence_seq_cst();
	if (!*since)
		*since = ++counted.looks;
	for (unsigned int i = 0; i < 2; i++)
		if (!ioasid_load_acquire(&counted.on[i]))
			counted.empty[i] = counted.looks;
	gone = counted.empty[0] >= *since && counted.empty[1] >= *since;
	side = ioasid_load_relaxed(&counted.side);
	if (!gone && counted.empty[!side] == counted.looks)
		ioasid_store_relaxed(&counted.side, !side);
	ioasid_unlock(&counted.lock);
	return gone;
}

static size_t table_size(uint32_t size)
{
	return offsetof(struct table, entry) +
	       size * sizeof(((struct table *)NULL)->entry[0]);
}

/* Registry locked. */
static void unlist(struct domain *domain, struct ioasid_rcu_reader *reader)
{
	ioasid_list_remove(reader, next_in_thread, prev_in_thread);
	ioasid_lock(&domain->lock);
	if (domain->unseen == reader)
		domain->unseen = reader->next_in_domain;
	ioasid_list_remove(reader, next_in_domain, prev_in_domain);
	domain->threads--;
	ioasid_unlock(&domain->lock);
}

/* So that a handler takes it for gone before it is. */
static void hide(const struct domain *domain, struct ioasid_rcu_reader *reader)
{
	if (reader->allocated)
		self()->table->entry[domain->rcu.index].domain = 0;
	else
		ioasid_store_relaxed(&reader->rcu, NULL);
	ioasid_compiler_barrier();
}

static struct ioasid_memory system_memory(void)
{
	static const struct ioasid_memory none;
	struct ioasid_memory system;

	ioasid_memory_resolve(&none, &system);
	return system;
}

/* Takes the calling thread's table of records away, and may put another. */
static void set_table(struct table *table)
{
	const struct ioasid_memory system = system_memory();
	struct table *before = self()->table;

	self()->table = table;
	ioasid_compiler_barrier();
	if (before)
		ioasid_memory_zeroed_free(&system, before,
					  table_size(before->size));
}

/* False: no memory. */
static bool make_room(uint32_t index)
{
	const struct ioasid_memory system = system_memory();
	struct table *before = self()->table, *table;
	uint32_t size = TABLE_MIN;

	if (before && index < before->size)
		return true;
	while (size <= index)
		size *= 2;
	table = ioasid_memory_zeroed(&system, table_size(size));
	if (!table)
		return false;
	table->size = size;
	for (uint32_t i = 0; before && i < before->size; i++)
		table->entry[i] = before->entry[i];
	set_table(table);
	return true;
}

static void thread_exit(void)
{
	struct ioasid_rcu_reader *reader;
	struct domain *domain;
	int cancel = ioasid_cancel_disable();

	self()->left = true;
	self()->depth = 0;
	ioasid_compiler_barrier();
	ioasid_lock(&registry);
	while ((reader = self()->readers)) {
		domain = domain_of(reader);
		hide(domain, reader);
		unlist(domain, reader);
		if (!reader->allocated)
			continue;
		/* The domain may go, but not before its memory is back. */
		ioasid_fetch_add_acq_rel(&domain->freeing, 1u);
		self()->freeing = domain;
		ioasid_unlock(&registry);
		ioasid_memory_zeroed_free(&domain->memory, reader,
					  sizeof(*reader));
		self()->freeing = NULL;
		ioasid_fetch_sub_release(&domain->freeing, 1u);
		ioasid_lock(&registry);
	}
	ioasid_unlock(&registry);
	if (self()->counted) {
		self()->counted = 2 | (self()->counted & 1);
		counted_leave();
	}
	set_table(NULL);
	ioasid_cancel_restore(cancel);
}

/* Memory for a record: its place, what a fork left, or new; or NULL. */
static struct ioasid_rcu_reader *take_reader(struct domain *domain)
{
	struct ioasid_rcu_reader *reader = ioasid_rcu_place(&domain->rcu);

	if (!ioasid_load_relaxed(&reader->rcu))
		return reader;
	if (!make_room(domain->rcu.index))
		return NULL;
	ioasid_lock(&domain->lock);
	reader = domain->spare;
	if (reader)
		domain->spare = reader->next_in_domain;
	ioasid_unlock(&domain->lock);
	if (!reader)
		reader = ioasid_memory_zeroed(&domain->memory, sizeof(*reader));
	if (reader)
		reader->allocated = true;
	return reader;
}

static void list_reader(struct domain *domain, struct ioasid_rcu_reader *reader)
{
	ioasid_store_relaxed(&reader->epoch, 0);
	reader->nesting = 0;
	reader->thread = self();
	ioasid_lock(&registry);
	ioasid_list_insert(&self()->readers, reader, next_in_thread,
			   prev_in_thread);
	ioasid_lock(&domain->lock);
	ioasid_list_insert(&domain->readers, reader, next_in_domain,
			   prev_in_domain);
	domain->threads++;
	ioasid_unlock(&domain->lock);
	ioasid_unlock(&registry);
	/* Not before: what a handler finds, grace periods see. */
	ioasid_compiler_barrier();
	ioasid_store_relaxed(&reader->rcu, &domain->rcu);
	if (reader->allocated) {
		self()->table->entry[domain->rcu.index].reader = reader;
		ioasid_compiler_barrier();
		self()->table->entry[domain->rcu.index].domain = domain->rcu.id;
	}
}

/*
 * A new record, or NULL: no memory, or none to be had now. Lookups in hooks for
 * memory, in the system's own malloc and in handlers are counted meanwhile, so
 * that none of them comes here again.
 */
static struct ioasid_rcu_reader *add_reader(struct domain *domain)
{
	static const struct ioasid_exit_hook exit_hook = { thread_exit };
	struct ioasid_rcu_reader *reader;
	int cancel;

	/* A section that was counted must find itself so at its end. */
	if (self()->counted || self()->busy || self()->left)
		return NULL;
	cancel = ioasid_cancel_disable();
	self()->busy = true;
	ioasid_compiler_barrier();
	/* A handler may just have made it. */
	reader = find_reader(&domain->rcu);
	if (!self()->hooked)
		self()->hooked = ioasid_at_thread_exit(&exit_hook);
	if (!reader && self()->hooked) {
		reader = take_reader(domain);
		if (reader)
			list_reader(domain, reader);
	}
	ioasid_compiler_barrier();
	self()->busy = false;
	ioasid_cancel_restore(cancel);
	return reader;
}

static bool forget_reader(const struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader = find_reader(rcu);
	struct domain *domain = ioasid_rcu_domain(rcu);
	int cancel;

	if (!reader)
		return false;
	cancel = ioasid_cancel_disable();
	self()->busy = true;
	hide(domain, reader);
	ioasid_lock(&registry);
	unlist(domain, reader);
	ioasid_unlock(&registry);
	if (reader->allocated)
		ioasid_memory_zeroed_free(&domain->memory, reader,
					  sizeof(*reader));
	ioasid_compiler_barrier();
	self()->busy = false;
	ioasid_cancel_restore(cancel);
	return true;
}

struct ioasid_rcu_reader *ioasid_rcu_section_enter_slow(struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader = find_reader(rcu);
	bool nested;

	if (ioasid_unlikely(!reader))
		reader = add_reader(ioasid_rcu_domain(rcu));
	if (ioasid_unlikely(!reader)) {
		counted_enter();
		return NULL;
	}
	nested = ioasid_load_relaxed(&reader->epoch) != 0;
	ioasid_rcu_reader_lock(rcu, reader,
			       rcu->read_side != IOASID_RCU_READ_PLAIN);
	return nested ? NULL : reader;
}

void ioasid_rcu_read_lock_slow(struct ioasid_rcu *rcu)
{
	ioasid_rcu_section_enter_slow(rcu);
}

void ioasid_rcu_read_unlock_slow(struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader = find_reader(rcu);

	if (reader)
		ioasid_rcu_reader_unlock(reader);
	/* Not what the end of the thread has ended. */
	else if (self()->counted)
		counted_leave();
}

/* Twice the number of a domain, and one more in a callback. */
static bool inside(uint64_t what)
{
	for (unsigned int i = 0; i < self()->depth; i++)
		if (i == DEPTH || self()->inside[i] == what)
			return true;
	return false;
}

/* A handler does so between any two steps, and undoes it. */
static void enter(struct ioasid_rcu_frame *frame, uint64_t what)
{
	unsigned int depth = self()->depth;

	frame->depth = depth;
	frame->covered = 0;
	if (inside(what))
		return;
	if (depth < DEPTH) {
		frame->covered = self()->inside[depth];
		self()->inside[depth] = what;
	}
	ioasid_compiler_barrier();
	self()->depth = depth + 1;
}

static void leave(const struct ioasid_rcu_frame *frame)
{
	if (frame->depth == self()->depth)
		return;
	self()->depth = frame->depth;
	ioasid_compiler_barrier();
	if (frame->depth < DEPTH)
		self()->inside[frame->depth] = frame->covered;
}

void ioasid_rcu_frame_enter(struct ioasid_rcu_frame *frame,
			    const struct ioasid_rcu *rcu)
{
	enter(frame, rcu->id << 1);
}

void ioasid_rcu_frame_leave(const struct ioasid_rcu_frame *frame)
{
	leave(frame);
}

void ioasid_rcu_callbacks_enter(struct ioasid_rcu_frame *frame,
				const struct ioasid_rcu *rcu)
{
	enter(frame, rcu->id << 1 | 1);
}

void ioasid_rcu_callbacks_leave(const struct ioasid_rcu_frame *frame)
{
	leave(frame);
}

bool ioasid_rcu_in_callback(const struct ioasid_rcu *rcu)
{
	return inside(rcu->id << 1 | 1);
}

/* @callbacks: in a deferred callback; otherwise in another call. */
static bool inside_any(bool callbacks)
{
	for (unsigned int i = 0; i < self()->depth; i++)
		if (i == DEPTH || (self()->inside[i] & 1) == callbacks)
			return true;
	return false;
}

bool ioasid_rcu_in_callbacks(void)
{
	return inside_any(true);
}

bool ioasid_rcu_online(const struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader;

	if (!ioasid_rcu_is_qsbr(rcu))
		return false;
	if (ioasid_rcu_flavour(rcu) == IOASID_RCU_CUSTOM)
		return rcu->ops->online(rcu->ops_context);
	reader = find_reader(rcu);
	return reader && ioasid_load_relaxed(&reader->epoch);
}

bool ioasid_rcu_read_held(struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader;

	if (inside(rcu->id << 1))
		return true;
	/* Who deferred may hold pointers around the callback. */
	if (ioasid_rcu_is_qsbr(rcu) &&
	    (ioasid_rcu_in_callback(rcu) ||
	     (ioasid_rcu_in_callbacks() && ioasid_rcu_online(rcu))))
		return true;
	switch (ioasid_rcu_flavour(rcu)) {
	case IOASID_RCU_EPOCH:
		/* A section that is counted holds up every domain. */
		if (self()->counted)
			return true;
		reader = find_reader(rcu);
		return reader && ioasid_load_relaxed(&reader->epoch);
	case IOASID_RCU_NONE:
		return rcu->nesting != 0;
	case IOASID_RCU_CUSTOM:
		return rcu->ops->read_held &&
		       rcu->ops->read_held(rcu->ops_context);
	case IOASID_RCU_QSBR:
	default:
		return false;
	}
}

/* A domain with a section of this thread's does not go. */
static bool in_epoch_section(const struct ioasid_rcu_reader *reader)
{
	return ioasid_load_relaxed(&reader->rcu) &&
	       ioasid_load_relaxed(&reader->epoch) &&
	       domain_of(reader)->rcu.flavour == IOASID_RCU_EPOCH;
}

bool ioasid_rcu_in_section(struct ioasid_rcu *rcu)
{
	const struct ioasid_rcu_reader *reader;
	bool found = inside_any(false) || ioasid_rcu_read_held(rcu);

	if (!IOASID_RCU_RECORDS)
		return found;
	found = found || self()->counted;
	for (size_t i = 0; i < IOASID_RCU_READERS && !found; i++)
		found = in_epoch_section(&ioasid_tls(ioasid_rcu_readers)[i]);
	if (found || !self()->table)
		return found;
	ioasid_lock(&registry);
	for (reader = self()->readers; reader && !found;
	     reader = reader->next_in_thread)
		found = in_epoch_section(reader);
	ioasid_unlock(&registry);
	return found;
}

int ioasid_rcu_check_reader(struct ioasid_rcu *rcu)
{
	bool may = true;

	if (ioasid_rcu_is_qsbr(rcu))
		may = ioasid_rcu_online(rcu);
	else if (ioasid_rcu_flavour(rcu) != IOASID_RCU_CUSTOM ||
		 rcu->ops->read_held)
		may = ioasid_rcu_read_held(rcu);
	return may ? 0 : -EPERM;
}

int ioasid_rcu_thread_register(struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader;

	if (ioasid_rcu_flavour(rcu) == IOASID_RCU_NONE)
		return 0;
	if (ioasid_rcu_flavour(rcu) == IOASID_RCU_CUSTOM)
		return rcu->ops->thread_register ?
			       rcu->ops->thread_register(rcu->ops_context) :
			       0;
	reader = find_reader(rcu);
	if (!reader)
		reader = add_reader(ioasid_rcu_domain(rcu));
	if (!reader)
		return -ENOMEM;
	/* Online already it may hold pointers. */
	if (ioasid_rcu_flavour(rcu) == IOASID_RCU_QSBR &&
	    !ioasid_load_relaxed(&reader->epoch))
		ioasid_grace_announce(rcu, reader);
	return 0;
}

int ioasid_rcu_thread_unregister(struct ioasid_rcu *rcu)
{
	if (ioasid_rcu_read_held(rcu))
		return -EDEADLK;
	if (ioasid_rcu_flavour(rcu) == IOASID_RCU_NONE)
		return 0;
	if (ioasid_rcu_flavour(rcu) == IOASID_RCU_CUSTOM)
		return rcu->ops->thread_unregister ?
			       rcu->ops->thread_unregister(rcu->ops_context) :
			       0;
	return forget_reader(rcu) ? 0 : -ENOENT;
}

/*
 * What a flavour in the manner of qsbr is told. @op: of an own flavour, or NULL;
 * @reader: NULL where there is nothing more to do. -ENOENT: not registered.
 */
static int report_state(const struct ioasid_rcu *rcu, void (*op)(void *context),
			struct ioasid_rcu_reader **reader)
{
	*reader = NULL;
	if (op)
		op(rcu->ops_context);
	if (ioasid_rcu_flavour(rcu) != IOASID_RCU_QSBR)
		return 0;
	*reader = find_reader(rcu);
	return *reader ? 0 : -ENOENT;
}

static const struct ioasid_rcu_ops *own_ops(const struct ioasid_rcu *rcu)
{
	static const struct ioasid_rcu_ops none;

	return ioasid_rcu_flavour(rcu) == IOASID_RCU_CUSTOM ? rcu->ops : &none;
}

int ioasid_rcu_quiescent(struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader;
	int ret = report_state(rcu, own_ops(rcu)->quiescent, &reader);

	if (reader && ioasid_load_relaxed(&reader->epoch))
		ioasid_grace_announce(rcu, reader);
	return ret;
}

int ioasid_rcu_thread_offline(struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader;
	int ret = report_state(rcu, own_ops(rcu)->thread_offline, &reader);

	if (reader)
		ioasid_grace_offline(reader);
	return ret;
}

int ioasid_rcu_thread_online(struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader;
	int ret = report_state(rcu, own_ops(rcu)->thread_online, &reader);

	if (reader)
		ioasid_grace_announce(rcu, reader);
	return ret;
}

void ioasid_rcu_remove_readers(struct domain *domain)
{
	struct ioasid_rcu_reader *reader;

	while ((reader = domain->readers)) {
		unlist(domain, reader);
		if (reader->allocated) {
			reader->next_in_domain = domain->spare;
			domain->spare = reader;
		} else {
			ioasid_store_relaxed(&reader->rcu, NULL);
		}
	}
}

void ioasid_rcu_free_readers(struct domain *domain)
{
	struct ioasid_rcu_reader *reader;
	unsigned int round = 0;

	while (ioasid_load_acquire(&domain->freeing))
		ioasid_backoff(round++);
	while ((reader = domain->spare)) {
		domain->spare = reader->next_in_domain;
		ioasid_memory_zeroed_free(&domain->memory, reader,
					  sizeof(*reader));
	}
}

void ioasid_rcu_registry_prepare(void)
{
	ioasid_lock_fork_prepare(&registry);
}

void ioasid_rcu_registry_parent(void)
{
	ioasid_lock_fork_parent(&registry);
}

void ioasid_rcu_registry_child(void)
{
	ioasid_lock_fork_child(&registry);
}

void ioasid_rcu_counted_prepare(void)
{
	ioasid_lock_fork_prepare(&counted.lock);
}

void ioasid_rcu_counted_parent(void)
{
	ioasid_lock_fork_parent(&counted.lock);
}

void ioasid_rcu_counted_child(void)
{
	ioasid_store_relaxed(&counted.on[0], 0);
	ioasid_store_relaxed(&counted.on[1], 0);
	if (self()->counted)
		ioasid_store_relaxed(&counted.on[self()->counted & 1], 1);
	ioasid_lock_fork_child(&counted.lock);
}

void ioasid_rcu_drop_others(struct domain *domain)
{
	struct ioasid_rcu_reader *reader = domain->readers, *next;

	domain->readers = NULL;
	domain->threads = 0;
	ioasid_store_relaxed(&domain->freeing, self()->freeing == domain);
	for (; reader; reader = next) {
		next = reader->next_in_domain;
		if (reader->thread == self()) {
			ioasid_list_insert(&domain->readers, reader,
					   next_in_domain, prev_in_domain);
			domain->threads++;
		} else if (reader->allocated) {
			reader->next_in_domain = domain->spare;
			domain->spare = reader;
		}
	}
	domain->unseen = domain->readers;
}
