/* SPDX-License-Identifier: MIT */
#include "grace.h"
#include "internal.h"

#include "../platform/internal.h"

#define PENDING_LIMIT 65536
/* Callbacks deferred between two looks at what is due. */
#define BATCH 32
/* Retired memory worth a look at what is due. */
#define RECLAIM_COUNT 64
#define RECLAIM_BYTES ((size_t)256 << 10)
/* Domains whose records a thread finds without a lock. */
#define CACHED_DOMAINS 8

struct record {
	struct ioasid_rcu_reader reader
		__attribute__((aligned(IOASID_CACHE_LINE)));
	struct domain *domain;
	struct record *next_in_domain, **prev_in_domain;
	struct record *next_in_thread, **prev_in_thread;
};

/*
 * Callbacks in two steps: those deferred since the last look, and a batch that
 * waits for the grace period of its cookie.
 */
struct queue {
	struct ioasid_rcu_head *fresh, **fresh_tail;
	struct ioasid_rcu_head *waiting;
	uint64_t cookie;
	uint64_t added, done, waiting_count;
};

struct domain {
	struct ioasid_rcu rcu;
	struct ioasid_memory memory;
	uint64_t pending_limit;
	/* readers whose thread could not be registered */
	ioasid_atomic_u32 anonymous;
	/* what follows is written under @lock */
	struct ioasid_lock lock;
	struct record *records;
	uint64_t completed;
	/* the grace period under way lacks its barrier on all threads */
	bool barrier_due;
	struct queue callbacks, frees;
	uint32_t users;
	size_t retired_bytes;
	/* callbacks and frees not yet called, for a look without the lock */
	ioasid_atomic_u64 pending, retired;
	/* held while callbacks run, so that they run in order */
	struct ioasid_lock run_lock;
};

/* Orders changes to a thread's list of records; outside any domain's lock. */
static struct ioasid_lock registry = IOASID_LOCK_INIT;

static ioasid_atomic_u64 last_id;

IOASID_TLS struct ioasid_rcu_thread ioasid_rcu_current;
static IOASID_TLS struct ioasid_rcu_thread cached[CACHED_DOMAINS];
static IOASID_TLS struct record *thread_records;
/* Deferred callbacks, and getters, that the thread is inside of. */
static IOASID_TLS struct ioasid_rcu_frame *thread_callbacks, *thread_getters;
static IOASID_TLS unsigned int thread_replaced;
/* Read sections of this thread that are counted in their domain. */
static IOASID_TLS uint32_t thread_anonymous;
/* Its exit hook has run: nothing would take a new record away. */
static IOASID_TLS bool thread_left;

static struct domain *to_domain(const struct ioasid_rcu *rcu)
{
	return ioasid_container_of(rcu, struct domain, rcu);
}

/* In this order: a signal handler may look IDs up in between. */
static void assign(struct ioasid_rcu_thread *to, uint64_t domain,
		   struct ioasid_rcu_reader *reader)
{
	to->domain = 0;
	ioasid_compiler_barrier();
	to->reader = reader;
	ioasid_compiler_barrier();
	to->domain = domain;
}

static void remember(const struct ioasid_rcu *rcu,
		     struct ioasid_rcu_reader *reader)
{
	assign(&cached[thread_replaced++ % CACHED_DOMAINS], rcu->id, reader);
	assign(&ioasid_rcu_current, rcu->id, reader);
}

static struct ioasid_rcu_reader *find_reader(const struct ioasid_rcu *rcu)
{
	struct record *record;

	if (ioasid_rcu_current.domain == rcu->id)
		return ioasid_rcu_current.reader;
	for (unsigned int i = 0; i < CACHED_DOMAINS; i++) {
		if (cached[i].domain == rcu->id) {
			assign(&ioasid_rcu_current, rcu->id, cached[i].reader);
			return cached[i].reader;
		}
	}
	ioasid_lock(&registry);
	for (record = thread_records; record; record = record->next_in_thread)
		if (&record->domain->rcu == rcu)
			break;
	ioasid_unlock(&registry);
	if (!record)
		return NULL;
	remember(rcu, &record->reader);
	return &record->reader;
}

/* Registry locked. */
static void record_free(struct record *record)
{
	struct domain *domain = record->domain;

	ioasid_lock(&domain->lock);
	*record->prev_in_domain = record->next_in_domain;
	if (record->next_in_domain)
		record->next_in_domain->prev_in_domain = record->prev_in_domain;
	ioasid_unlock(&domain->lock);
	*record->prev_in_thread = record->next_in_thread;
	if (record->next_in_thread)
		record->next_in_thread->prev_in_thread = record->prev_in_thread;
	ioasid_memory_zeroed_free(&domain->memory, record, sizeof(*record));
}

static void forget_cached(void)
{
	assign(&ioasid_rcu_current, 0, NULL);
	for (unsigned int i = 0; i < CACHED_DOMAINS; i++)
		assign(&cached[i], 0, NULL);
}

static void thread_exit(void)
{
	thread_left = true;
	ioasid_lock(&registry);
	while (thread_records)
		record_free(thread_records);
	ioasid_unlock(&registry);
	forget_cached();
}

static struct ioasid_rcu_reader *add_reader(struct domain *domain)
{
	static const struct ioasid_exit_hook exit_hook = { thread_exit };
	struct record *record;

	/* A section that was counted must find itself so at its end. */
	if (thread_anonymous || thread_left ||
	    !ioasid_at_thread_exit(&exit_hook))
		return NULL;
	ioasid_lock(&registry);
	record = ioasid_memory_zeroed(&domain->memory, sizeof(*record));
	if (record) {
		record->domain = domain;
		record->next_in_thread = thread_records;
		record->prev_in_thread = &thread_records;
		if (thread_records)
			thread_records->prev_in_thread =
				&record->next_in_thread;
		thread_records = record;
		ioasid_lock(&domain->lock);
		record->next_in_domain = domain->records;
		record->prev_in_domain = &domain->records;
		if (domain->records)
			domain->records->prev_in_domain =
				&record->next_in_domain;
		domain->records = record;
		ioasid_unlock(&domain->lock);
	}
	ioasid_unlock(&registry);
	if (!record)
		return NULL;
	remember(&domain->rcu, &record->reader);
	return &record->reader;
}

void ioasid_rcu_read_lock_slow(struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader = find_reader(rcu);

	if (!reader)
		reader = add_reader(to_domain(rcu));
	if (reader) {
		ioasid_rcu_reader_lock(rcu, reader);
		return;
	}
	thread_anonymous++;
	ioasid_fetch_add_acq_rel(&to_domain(rcu)->anonymous, 1u);
	ioasid_fence_seq_cst();
}

void ioasid_rcu_read_unlock_slow(struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader = find_reader(rcu);

	if (reader) {
		ioasid_rcu_reader_unlock(reader);
		return;
	}
	ioasid_fetch_sub_release(&to_domain(rcu)->anonymous, 1u);
	thread_anonymous--;
}

/* Domain locked. */
static bool readers_gone(struct domain *domain, uint64_t epoch)
{
	struct record *record;

	for (record = domain->records; record; record = record->next_in_domain)
		if (!ioasid_grace_passed(&record->reader, epoch))
			return false;
	return !ioasid_load_acquire(&domain->anonymous);
}

/* Domain locked. Has the grace period passed, as far as can be told now? */
static bool advance(struct domain *domain, uint64_t cookie)
{
	uint64_t epoch;

	if (domain->rcu.flavour == IOASID_RCU_CUSTOM)
		return domain->rcu.ops->poll(domain->rcu.ops_context, cookie);
	while (domain->completed < cookie) {
		epoch = ioasid_load_relaxed(&domain->rcu.epoch);
		if (domain->completed == epoch) {
			epoch = ioasid_grace_begin(&domain->rcu);
			domain->barrier_due = domain->rcu.membarrier;
		}
		if (domain->barrier_due && !ioasid_membarrier())
			return false;
		domain->barrier_due = false;
		if (domain->rcu.nesting || !readers_gone(domain, epoch))
			return false;
		domain->completed = epoch;
	}
	return true;
}

/* Domain locked. */
static uint64_t cookie_now(struct domain *domain)
{
	if (domain->rcu.flavour == IOASID_RCU_CUSTOM)
		return domain->rcu.ops->start_poll(domain->rcu.ops_context);
	return ioasid_load_relaxed(&domain->rcu.epoch) + 1;
}

uint64_t ioasid_rcu_start_poll(struct ioasid_rcu *rcu)
{
	struct domain *domain = to_domain(rcu);
	uint64_t cookie;

	ioasid_lock(&domain->lock);
	cookie = cookie_now(domain);
	ioasid_unlock(&domain->lock);
	return cookie;
}

bool ioasid_rcu_poll(struct ioasid_rcu *rcu, uint64_t cookie)
{
	struct domain *domain = to_domain(rcu);
	bool passed;

	ioasid_lock(&domain->lock);
	passed = advance(domain, cookie);
	ioasid_unlock(&domain->lock);
	return passed;
}

/* qsbr: would a grace period wait for the calling thread? */
static bool is_online(const struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader;

	if (rcu->flavour != IOASID_RCU_QSBR)
		return false;
	reader = find_reader(rcu);
	return reader && ioasid_load_relaxed(&reader->epoch);
}

/* The caller is outside of any read section. */
static void wait_for(struct domain *domain, uint64_t cookie)
{
	struct ioasid_rcu *rcu = &domain->rcu;
	unsigned int round = 0;
	bool online;

	if (rcu->flavour == IOASID_RCU_CUSTOM && rcu->ops->synchronize &&
	    !ioasid_rcu_poll(rcu, cookie))
		rcu->ops->synchronize(rcu->ops_context);
	online = is_online(rcu);
	if (online)
		ioasid_rcu_thread_offline(rcu);
	while (!ioasid_rcu_poll(rcu, cookie))
		ioasid_backoff(round++);
	if (online)
		ioasid_rcu_thread_online(rcu);
}

static void push(struct ioasid_rcu_frame **stack,
		 struct ioasid_rcu_frame *frame, const struct ioasid_rcu *rcu)
{
	frame->rcu = rcu;
	frame->outer = *stack;
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

bool ioasid_rcu_read_held(struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader;

	if (inside(thread_getters, rcu))
		return true;
	switch (rcu->flavour) {
	case IOASID_RCU_EPOCH:
		reader = find_reader(rcu);
		if (reader)
			return ioasid_load_relaxed(&reader->epoch) != 0;
		return thread_anonymous &&
		       ioasid_load_relaxed(&to_domain(rcu)->anonymous);
	case IOASID_RCU_QSBR:
		/* Who deferred may hold pointers around the callback. */
		return inside(thread_callbacks, rcu);
	case IOASID_RCU_NONE:
		return rcu->nesting != 0;
	case IOASID_RCU_CUSTOM:
		break;
	}
	return rcu->ops->read_held && rcu->ops->read_held(rcu->ops_context);
}

static bool wait_refused(struct ioasid_rcu *rcu)
{
	return ioasid_rcu_read_held(rcu) || inside(thread_callbacks, rcu);
}

int ioasid_rcu_synchronize(struct ioasid_rcu *rcu)
{
	if (ioasid_rcu_read_held(rcu))
		return -EDEADLK;
	wait_for(to_domain(rcu), ioasid_rcu_start_poll(rcu));
	return 0;
}

static void queue_init(struct queue *queue)
{
	*queue = (struct queue){ .fresh_tail = &queue->fresh };
}

/* Domain locked. */
static void enqueue(struct queue *queue, struct ioasid_rcu_head *head,
		    void (*func)(struct ioasid_rcu_head *head))
{
	head->next = NULL;
	head->func = func;
	*queue->fresh_tail = head;
	queue->fresh_tail = &head->next;
	queue->added++;
}

/* Domain locked. The batch whose grace period has passed, or NULL. */
static struct ioasid_rcu_head *take_due(struct domain *domain,
					struct queue *queue)
{
	struct ioasid_rcu_head *due;

	if (!queue->waiting && queue->fresh) {
		queue->waiting = queue->fresh;
		queue->waiting_count = queue->added - queue->done;
		queue->fresh = NULL;
		queue->fresh_tail = &queue->fresh;
		queue->cookie = cookie_now(domain);
	}
	if (!queue->waiting || !advance(domain, queue->cookie))
		return NULL;
	due = queue->waiting;
	queue->waiting = NULL;
	return due;
}

/* Run lock held. Calls what is due; false if nothing is. */
static bool run_due(struct domain *domain, struct queue *queue)
{
	struct ioasid_rcu_frame frame;
	struct ioasid_rcu_head *head, *next;
	uint64_t count;
	bool offline;

	ioasid_lock(&domain->lock);
	head = take_due(domain, queue);
	count = queue->waiting_count;
	if (head && queue == &domain->frees) {
		domain->retired_bytes = 0;
		ioasid_store_relaxed(&domain->retired, 0);
	}
	ioasid_unlock(&domain->lock);
	if (!head)
		return false;
	/* Callbacks may look IDs up. */
	offline = domain->rcu.flavour == IOASID_RCU_QSBR &&
		  !is_online(&domain->rcu);
	if (offline)
		ioasid_rcu_thread_online(&domain->rcu);
	push(&thread_callbacks, &frame, &domain->rcu);
	for (; head; head = next) {
		next = head->next;
		if (queue == &domain->callbacks)
			ioasid_fetch_sub_release(&domain->pending, 1u);
		head->func(head);
	}
	thread_callbacks = frame.outer;
	if (offline)
		ioasid_rcu_thread_offline(&domain->rcu);
	ioasid_lock(&domain->lock);
	queue->done += count;
	ioasid_unlock(&domain->lock);
	return true;
}

static void try_run(struct domain *domain, struct queue *queue)
{
	if (inside(thread_callbacks, &domain->rcu) ||
	    !ioasid_lock_try(&domain->run_lock))
		return;
	/* A batch that goes makes room for the next to start waiting. */
	if (run_due(domain, queue))
		run_due(domain, queue);
	ioasid_unlock(&domain->run_lock);
}

/* Run lock held, outside of any read section. */
static void run_all(struct domain *domain, struct queue *queue)
{
	uint64_t target, cookie;

	ioasid_lock(&domain->lock);
	target = queue->added;
	ioasid_unlock(&domain->lock);
	while (queue->done < target) {
		if (run_due(domain, queue))
			continue;
		ioasid_lock(&domain->lock);
		cookie = queue->cookie;
		ioasid_unlock(&domain->lock);
		wait_for(domain, cookie);
	}
}

int ioasid_rcu_barrier(struct ioasid_rcu *rcu)
{
	struct domain *domain = to_domain(rcu);
	bool online;

	if (wait_refused(rcu))
		return -EDEADLK;
	online = is_online(rcu);
	/* Callbacks of whoever holds the lock may wait for this thread. */
	if (online)
		ioasid_rcu_thread_offline(rcu);
	ioasid_lock(&domain->run_lock);
	/* In this order: callbacks may retire. */
	run_all(domain, &domain->callbacks);
	run_all(domain, &domain->frees);
	ioasid_unlock(&domain->run_lock);
	if (online)
		ioasid_rcu_thread_online(rcu);
	return 0;
}

int ioasid_rcu_admit(struct ioasid_rcu *rcu)
{
	if (ioasid_rcu_pending(rcu) < to_domain(rcu)->pending_limit)
		return 0;
	/* A thread online in qsbr may be reading, unseen. */
	if (is_online(rcu) || ioasid_rcu_barrier(rcu))
		return -EAGAIN;
	return 0;
}

void ioasid_rcu_defer_admitted(struct ioasid_rcu *rcu,
			       struct ioasid_rcu_head *head,
			       void (*func)(struct ioasid_rcu_head *head))
{
	struct domain *domain = to_domain(rcu);
	bool look;

	ioasid_lock(&domain->lock);
	enqueue(&domain->callbacks, head, func);
	ioasid_fetch_add_acq_rel(&domain->pending, 1u);
	look = domain->callbacks.added % BATCH == 0 ||
	       rcu->flavour == IOASID_RCU_NONE;
	ioasid_unlock(&domain->lock);
	if (look) {
		try_run(domain, &domain->callbacks);
		try_run(domain, &domain->frees);
	}
}

int ioasid_rcu_defer(struct ioasid_rcu *rcu, struct ioasid_rcu_head *head,
		     void (*func)(struct ioasid_rcu_head *head))
{
	int ret = ioasid_rcu_admit(rcu);

	if (!ret)
		ioasid_rcu_defer_admitted(rcu, head, func);
	return ret;
}

size_t ioasid_rcu_pending(const struct ioasid_rcu *rcu)
{
	return (size_t)ioasid_load_relaxed(&to_domain(rcu)->pending);
}

void ioasid_rcu_retire(struct ioasid_rcu *rcu, struct ioasid_rcu_head *head,
		       void (*func)(struct ioasid_rcu_head *head), size_t size)
{
	struct domain *domain = to_domain(rcu);
	uint64_t retired;

	ioasid_lock(&domain->lock);
	enqueue(&domain->frees, head, func);
	domain->retired_bytes += size;
	retired = ioasid_load_relaxed(&domain->retired) + 1;
	if (domain->retired_bytes >= RECLAIM_BYTES && retired < RECLAIM_COUNT)
		retired = RECLAIM_COUNT;
	ioasid_store_relaxed(&domain->retired, retired);
	ioasid_unlock(&domain->lock);
}

void ioasid_rcu_reclaim(struct ioasid_rcu *rcu)
{
	struct domain *domain = to_domain(rcu);

	if (ioasid_unlikely(ioasid_load_relaxed(&domain->retired) >=
			    RECLAIM_COUNT))
		try_run(domain, &domain->frees);
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
		reader = add_reader(to_domain(rcu));
	if (!reader)
		return -ENOMEM;
	if (rcu->flavour == IOASID_RCU_QSBR)
		ioasid_grace_announce(rcu, reader);
	return 0;
}

int ioasid_rcu_thread_unregister(struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader;

	if (ioasid_rcu_read_held(rcu))
		return -EDEADLK;
	if (rcu->flavour == IOASID_RCU_NONE)
		return 0;
	if (rcu->flavour == IOASID_RCU_CUSTOM) {
		if (rcu->ops->thread_unregister)
			rcu->ops->thread_unregister(rcu->ops_context);
		return 0;
	}
	reader = find_reader(rcu);
	if (!reader)
		return -ENOENT;
	ioasid_lock(&registry);
	record_free(ioasid_container_of(reader, struct record, reader));
	ioasid_unlock(&registry);
	forget_cached();
	return 0;
}

void ioasid_rcu_quiescent(struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader;

	if (rcu->flavour == IOASID_RCU_CUSTOM && rcu->ops->quiescent)
		rcu->ops->quiescent(rcu->ops_context);
	if (rcu->flavour != IOASID_RCU_QSBR)
		return;
	reader = find_reader(rcu);
	if (reader && ioasid_load_relaxed(&reader->epoch))
		ioasid_grace_announce(rcu, reader);
}

void ioasid_rcu_thread_offline(struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader;

	if (rcu->flavour == IOASID_RCU_CUSTOM && rcu->ops->thread_offline)
		rcu->ops->thread_offline(rcu->ops_context);
	if (rcu->flavour != IOASID_RCU_QSBR)
		return;
	reader = find_reader(rcu);
	if (reader)
		ioasid_grace_offline(reader);
}

void ioasid_rcu_thread_online(struct ioasid_rcu *rcu)
{
	struct ioasid_rcu_reader *reader;

	if (rcu->flavour == IOASID_RCU_CUSTOM && rcu->ops->thread_online)
		rcu->ops->thread_online(rcu->ops_context);
	if (rcu->flavour != IOASID_RCU_QSBR)
		return;
	reader = find_reader(rcu);
	if (reader)
		ioasid_grace_announce(rcu, reader);
}

static bool ops_complete(const struct ioasid_rcu_ops *ops)
{
	return ops && ops->read_lock && ops->read_unlock && ops->start_poll &&
	       ops->poll;
}

int ioasid_rcu_create(const struct ioasid_rcu_config *config,
		      struct ioasid_rcu **rcu)
{
	static const struct ioasid_rcu_config defaults;
	struct ioasid_memory memory;
	struct domain *domain;

	if (!config)
		config = &defaults;
	if ((unsigned int)config->flavour > IOASID_RCU_CUSTOM ||
	    (config->flavour == IOASID_RCU_CUSTOM &&
	     !ops_complete(config->ops)) ||
	    ioasid_memory_resolve(&config->memory, &memory))
		return -EINVAL;
	domain = ioasid_memory_zeroed(&memory, sizeof(*domain));
	if (!domain)
		return -ENOMEM;
	domain->memory = memory;
	domain->pending_limit = config->pending_limit ? config->pending_limit :
							PENDING_LIMIT;
	ioasid_lock_init(&domain->lock);
	ioasid_lock_init(&domain->run_lock);
	queue_init(&domain->callbacks);
	queue_init(&domain->frees);
	domain->completed = 1;
	ioasid_store_relaxed(&domain->rcu.epoch, 1);
	domain->rcu.flavour = config->flavour;
	domain->rcu.ops = config->ops;
	domain->rcu.ops_context = config->ops_context;
	domain->rcu.membarrier = ioasid_membarrier_available() &&
				 config->flavour == IOASID_RCU_EPOCH &&
				 !config->no_membarrier;
	domain->rcu.id = ioasid_fetch_add_acq_rel(&last_id, 1) + 1;
	*rcu = &domain->rcu;
	return 0;
}

int ioasid_rcu_destroy(struct ioasid_rcu *rcu)
{
	struct ioasid_memory memory;
	struct domain *domain;
	uint32_t users;
	int ret;

	if (!rcu)
		return 0;
	domain = to_domain(rcu);
	ioasid_lock(&domain->lock);
	users = domain->users;
	ioasid_unlock(&domain->lock);
	if (users)
		return -EBUSY;
	do {
		ret = ioasid_rcu_barrier(rcu);
		if (ret)
			return ret;
	} while (ioasid_rcu_pending(rcu));
	ioasid_lock(&registry);
	while (domain->records)
		record_free(domain->records);
	ioasid_unlock(&registry);
	ioasid_lock_destroy(&domain->lock);
	ioasid_lock_destroy(&domain->run_lock);
	memory = domain->memory;
	ioasid_memory_zeroed_free(&memory, domain, sizeof(*domain));
	return 0;
}

void ioasid_rcu_use(struct ioasid_rcu *rcu)
{
	struct domain *domain = to_domain(rcu);

	ioasid_lock(&domain->lock);
	domain->users++;
	ioasid_unlock(&domain->lock);
}

void ioasid_rcu_unuse(struct ioasid_rcu *rcu)
{
	struct domain *domain = to_domain(rcu);

	ioasid_lock(&domain->lock);
	domain->users--;
	ioasid_unlock(&domain->lock);
}
