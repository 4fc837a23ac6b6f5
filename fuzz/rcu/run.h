/* SPDX-License-Identifier: MIT */
#ifndef IOASID_FUZZ_RCU_RUN_H
#define IOASID_FUZZ_RCU_RUN_H

/*
 * Sequences over RCU domains on several threads, one of which runs at a time,
 * and a model of grace periods: what has to be waited for, and what no more.
 * Of the target and of the programs that it prints. Include once, first.
 */

#include "fuzz/rcu/sequence.h"

#include "fuzz/rcu/faults.h"

/* Operations of one sequence, whatever it says. */
#define MADE_MAX 3500
#define FRAMES 5
#define FORKS 2
/* Turns in which one that need wait for nobody has to be done. */
#define TURNS 500

/* Sections that are open at some moment, by number; 0: none. */
struct set {
	uint32_t section[ACTORS], used[ACTORS], counted[ACTORS];
};

/*
 * What one thread is to one domain; qsbr: online from @section on. A call that
 * makes it so for callbacks only, @lent, may end that after each of them, and at
 * the latest does so itself. @used: since when pointers it finds may be in use.
 */
struct reader {
	uint32_t depth, counted, section, used;
	bool registered, allocated, lent;
};

struct object {
	struct ioasid_rcu_head head;
	struct object *next;
	struct domain *domain;
	struct set readers;
	/* among those of its domain */
	uint64_t number;
	enum { FREE, NEW, DEFERRED, RETIRED, CALLED } state;
	enum action action;
	unsigned int again;
	size_t size;
	void *memory;
};

struct domain {
	struct ioasid_rcu *rcu;
	enum kind kind;
	unsigned int options;
	size_t limit;
	bool plain;
	struct flavour flavour;
	struct memory memory;
	/* OWN_OVER: the domain it stands on; how many stand on this one */
	struct domain *inner;
	unsigned int outer;
	struct ioasid_space *space;
	bool had_space;
	/* it or its space is being destroyed: nobody's to call */
	bool ending;
	struct reader readers[ACTORS];
	/* deferred, in order; not yet called */
	struct object *first, **last;
	uint64_t deferred;
	size_t pending, retired, retired_bytes;
	/* records left by threads that a child does not have */
	unsigned int spare;
	/* threads in calls on it that may wait */
	unsigned int calls[ACTORS];
	uint64_t grace_periods;
};

enum frame_kind { GETTER, CALLBACK };

struct thread {
	/* sections without a record */
	uint32_t counted, counted_section;
	struct {
		enum frame_kind kind;
		struct domain *domain;
	} frames[FRAMES];
	unsigned int depth;
	/* being deferred, perhaps not yet on the list */
	struct object *admitting;
	/* the call may run callbacks; it is defer */
	bool may_run, defers;
	/* what it waits for: readers of a domain; and whoever runs callbacks */
	struct domain *waits_for;
	bool waits_for_runner;
	bool hooked;
	/* it has done something: others may be there from the input before */
	bool here;
	/* what had been refused before the getter */
	unsigned int refusals;
	struct op {
		struct domain *domain;
		uint32_t value, more;
	} op;
};

static struct domain domains[DOMAINS];
static struct thread threads[ACTORS];
static struct object objects[OBJECTS];
static struct {
	struct domain *domain;
	uint64_t cookie;
	struct set readers;
	/* polls each of which saw the sections of the one before ended */
	unsigned int polls;
	struct set polled;
} cookies[COOKIES];
/* Numbers of sections. */
static uint32_t now;
/* What is run, and how far it has come. */
static struct program *running;
static unsigned int next_step;
/* Operations made, those that wind down included. */
static unsigned int made;
/* Forks that this process is inside of; what handlers of fork do. */
static unsigned int forks, forks_made, handlers;
/* Threads are not kept for the next input. */
static bool fresh;
/* The thread that may use domains of NONE. */
static unsigned int only_thread;
/* Steps a child still takes. */
static uint32_t steps_left;
static bool look_again;
/* Looks of the thread that has the say, where it need wait for nobody. */
static unsigned int in_vain;
static uint64_t refused_at;
static bool child_failed, child_crashed;
static bool threads_made;
/* The process that has them. */
static pid_t maker;

static unsigned int place_of(const struct domain *domain)
{
	return domain ? (unsigned int)(domain - domains) : 0;
}

/* --- the model --- */

static struct thread *self(void)
{
	return &threads[me->index];
}

static bool is_actor(void)
{
	return me->index < ACTORS;
}

/* Whose sections count. */
static struct domain *base(struct domain *domain)
{
	return domain->inner ? domain->inner : domain;
}

static bool is_qsbr(const struct domain *domain)
{
	return domain->kind == QSBR || domain->kind == OWN_QSBR;
}

static struct reader *reader_of(struct domain *domain, unsigned int thread)
{
	return &base(domain)->readers[thread];
}

static struct set open_sections(struct domain *domain)
{
	struct set set = { { 0 }, { 0 }, { 0 } };

	for (unsigned int i = 0; i < ACTORS; i++) {
		set.section[i] = reader_of(domain, i)->section;
		set.used[i] = reader_of(domain, i)->used;
		if (base(domain)->kind == EPOCH)
			set.counted[i] = threads[i].counted_section;
	}
	return set;
}

static bool is_any(const uint32_t *set, const uint32_t *open)
{
	for (unsigned int i = 0; i < ACTORS; i++)
		if (set[i] && set[i] == open[i])
			return true;
	return false;
}

/* May a grace period be over that had to wait for it? */
static bool ended(const struct set *set, struct domain *domain)
{
	struct set open = open_sections(domain);

	return !is_any(set->used, open.used) &&
	       !is_any(set->counted, open.counted);
}

/* Must it, as nothing of it is left? */
static bool ended_surely(const struct set *set, struct domain *domain)
{
	struct set open = open_sections(domain);

	return !is_any(set->section, open.section) &&
	       !is_any(set->counted, open.counted);
}

/* Is a section open, but for being online of the calling thread's? */
static bool is_read(struct domain *domain, bool others)
{
	struct set open = open_sections(domain);

	for (unsigned int i = 0; i < ACTORS; i++)
		if ((open.section[i] && !(others && i == me->index)) ||
		    open.counted[i])
			return true;
	return false;
}

static bool is_online(struct domain *domain, unsigned int thread)
{
	return is_qsbr(domain) && domain->readers[thread].section;
}

static bool in_frame(const struct thread *thread, enum frame_kind kind,
		     const struct domain *domain)
{
	for (unsigned int i = 0; i < thread->depth; i++)
		if (thread->frames[i].kind == kind &&
		    (!domain || thread->frames[i].domain == domain))
			return true;
	return false;
}

static bool held(struct domain *domain, unsigned int index)
{
	const struct thread *thread = &threads[index];
	const struct reader *reader = &domain->readers[index];

	if (in_frame(thread, GETTER, domain))
		return true;
	if (is_qsbr(domain) &&
	    (in_frame(thread, CALLBACK, domain) ||
	     (in_frame(thread, CALLBACK, NULL) && is_online(domain, index))))
		return true;
	switch (domain->kind) {
	case EPOCH:
		return thread->counted || reader->depth;
	case NONE:
	case OWN:
		return reader->depth;
	case OWN_OVER:
		return held(domain->inner, index);
	default:
		return false;
	}
}

static int may_read(struct domain *domain, unsigned int index)
{
	if (is_qsbr(domain))
		return is_online(domain, index) ? 0 : -EPERM;
	return domain->kind == OWN_LEAST || held(domain, index) ? 0 : -EPERM;
}

/* Where no callback of @domain may run for what is around it. */
static bool in_section(struct domain *domain, unsigned int index)
{
	if (in_frame(&threads[index], GETTER, NULL) || held(domain, index) ||
	    threads[index].counted)
		return true;
	for (unsigned int i = 0; i < DOMAINS; i++)
		if (domains[i].rcu && domains[i].kind == EPOCH &&
		    domains[i].readers[index].depth)
			return true;
	return false;
}

/* Does the thread hold up anybody? */
static bool holds(unsigned int index)
{
	if (threads[index].depth || threads[index].counted)
		return true;
	for (unsigned int i = 0; i < DOMAINS; i++)
		if (domains[i].rcu && domains[i].readers[index].section)
			return true;
	return false;
}

static bool in_calls(const struct domain *domain, unsigned int but)
{
	for (unsigned int i = 0; i < ACTORS; i++)
		if (i != but && domain->calls[i])
			return true;
	return false;
}

static bool membarrier_lost(struct domain *domain)
{
	return base(domain)->plain && refused.membarrier;
}

/* Would a wait of the calling thread have to wait? */
static bool would_wait(struct domain *domain, bool for_runner)
{
	return is_read(domain, is_qsbr(domain)) || membarrier_lost(domain) ||
	       (for_runner && in_calls(domain, me->index));
}

/* Not where two could come to wait for each other. */
static bool may_wait(struct domain *domain, bool for_runner)
{
	/* What the flavour cannot tell, the caller has to know. */
	if (domain->kind == OWN_LEAST && domain->readers[me->index].section)
		return false;
	if (!would_wait(domain, for_runner))
		return true;
	if (!is_actor() || in_handler ||
	    (is_qsbr(domain) && in_frame(self(), CALLBACK, NULL)))
		return false;
	for (unsigned int i = 0; i < ACTORS; i++)
		if (i != me->index && actors[i].waits && holds(i) &&
		    holds(me->index))
			return false;
	return !for_runner || !in_frame(self(), CALLBACK, NULL) ||
	       !in_calls(domain, me->index);
}

/* Has what the thread waits for come about? */
static bool can_finish(unsigned int index)
{
	struct thread *thread = &threads[index];
	struct domain *domain = thread->waits_for;
	struct set open;

	if (!domain || membarrier_lost(domain) ||
	    (thread->waits_for_runner && in_calls(domain, index)))
		return false;
	open = open_sections(domain);
	for (unsigned int i = 0; i < ACTORS; i++)
		if (open.section[i] || open.counted[i])
			return false;
	return true;
}

static void begin_section(struct reader *reader)
{
	reader->section = reader->used = ++now;
	reader->lent = false;
}

static void end_section(struct reader *reader)
{
	reader->section = reader->used = 0;
	reader->lent = false;
}

/* Does a record of the thread's need memory? */
static bool needs_memory(const struct domain *domain, unsigned int index)
{
	for (unsigned int i = 0; i < DOMAINS; i++)
		if (&domains[i] != domain && domains[i].rcu &&
		    domains[i].readers[index].registered &&
		    !domains[i].readers[index].allocated &&
		    domains[i].rcu->place == domain->rcu->place)
			return true;
	return false;
}

/* What has been refused so far that a record may need. */
static unsigned int refusals(const struct domain *domain)
{
	return domain->memory.refusals + refused.specifics;
}

/* A record was asked for; @before: what had been refused then. */
static bool model_register(struct domain *domain, unsigned int before,
			   bool gone)
{
	struct reader *reader = &domain->readers[me->index];

	if (reader->registered)
		return true;
	if (self()->counted || gone || refusals(domain) != before)
		return false;
	self()->hooked = true;
	reader->registered = true;
	reader->allocated = needs_memory(domain, me->index);
	if (reader->allocated && domain->spare)
		domain->spare--;
	return true;
}

static void model_unregister(struct reader *reader)
{
	*reader = (struct reader){ 0 };
}

static void model_lock(struct domain *domain, unsigned int before)
{
	struct reader *reader;

	domain = base(domain);
	reader = &domain->readers[me->index];
	if (is_qsbr(domain))
		return;
	if (domain->kind == EPOCH && !model_register(domain, before, false)) {
		reader->counted++;
		if (!self()->counted++)
			self()->counted_section = ++now;
		return;
	}
	if (!reader->depth++)
		begin_section(reader);
}

static void model_unlock(struct domain *domain)
{
	struct reader *reader;

	domain = base(domain);
	reader = &domain->readers[me->index];
	if (is_qsbr(domain))
		return;
	if (reader->counted) {
		reader->counted--;
		if (!--self()->counted)
			self()->counted_section = 0;
	} else if (!--reader->depth) {
		end_section(reader);
	}
}

static void thread_gone(unsigned int index)
{
	for (unsigned int i = 0; i < DOMAINS; i++) {
		model_unregister(&domains[i].readers[index]);
		if (fault != FAULT_EXIT_SECTION) {
			domains[i].flavour.section[index] = 0;
			domains[i].flavour.depth[index] = 0;
		}
		domains[i].calls[index] = 0;
	}
	threads[index] = (struct thread){ 0 };
}

/* In a child of fork, of which the calling thread is all. */
static void model_child(void)
{
	for (unsigned int i = 0; i < DOMAINS; i++) {
		struct domain *domain = &domains[i];

		for (unsigned int t = 0; t < ACTORS; t++)
			if (t != me->index && domain->readers[t].allocated)
				domain->spare++;
		if (domain->kind == NONE && me->index != only_thread)
			domain->readers[me->index] =
				domain->readers[only_thread];
		for (unsigned int t = ACTORS; t < ACTORS + WORKERS; t++)
			domain->flavour.section[t] = 0;
	}
	only_thread = me->index;
	for (unsigned int t = 0; t < ACTORS; t++)
		if (t != me->index)
			thread_gone(t);
}

/* --- what can be told of a domain at any time --- */

/* The library's thread of a domain; or NULL. What it was given lies in that. */
static struct actor *worker_of(const struct domain *domain)
{
	for (unsigned int i = ACTORS; i < ACTORS + WORKERS; i++) {
		uintptr_t arg = (uintptr_t)actors[i].arg;
		const struct domain *nearest = NULL;

		if (!actors[i].exists)
			continue;
		for (unsigned int k = 0; k < DOMAINS; k++)
			if (domains[k].rcu && (uintptr_t)domains[k].rcu < arg &&
			    (!nearest || (uintptr_t)nearest->rcu <
						 (uintptr_t)domains[k].rcu))
				nearest = &domains[k];
		if (nearest == domain)
			return &actors[i];
	}
	return NULL;
}

static size_t blocks_expected(const struct domain *domain)
{
	size_t blocks = 1 + domain->spare;

	for (unsigned int i = 0; i < ACTORS; i++)
		blocks += domain->readers[i].allocated;
	return blocks;
}

static void check_stats(struct domain *domain)
{
	struct ioasid_domain_stats stats;
	const struct actor *worker = worker_of(domain);
	size_t registered = worker && worker->registers &&
			    (domain->kind == EPOCH || domain->kind == QSBR);

	for (unsigned int i = 0; i < ACTORS; i++)
		registered += domain->readers[i].registered;
	call_stats(domain->rcu, &stats);
	CHECK(stats.threads == registered);
	CHECK(stats.pending == domain->pending);
	if (!domain->had_space) {
		CHECK(stats.retired == domain->retired);
		CHECK(stats.retired_bytes >= domain->retired_bytes);
	}
	CHECK((stats.pending || stats.retired) <= (stats.oldest_ns != 0));
	CHECK(stats.grace_periods >= domain->grace_periods);
	domain->grace_periods = stats.grace_periods;
	CHECK(domain->memory.blocks == blocks_expected(domain));
}

static bool usable(const struct domain *domain)
{
	return domain->rcu &&
	       (domain->kind != NONE || me->index == only_thread);
}

/* On the thread that has just done something to it. */
static void check_domain(struct domain *domain)
{
	if (!domain->rcu || !is_actor())
		return;
	CHECK(call_pending(domain->rcu) == domain->pending);
	CHECK(domain->memory.blocks == blocks_expected(domain));
	if (!usable(domain))
		return;
	CHECK(call_held(domain->rcu, in_frame(self(), GETTER, domain),
			self()->counted && domain->kind == EPOCH) ==
	      held(domain, me->index));
	CHECK(ioasid_rcu_check_reader(domain->rcu) ==
	      may_read(domain, me->index));
}

/* --- waits --- */

static void parked(unsigned int index)
{
	struct domain *domain = threads[index].waits_for;

	/* It may have been online again for a callback meanwhile. */
	if (domain && is_qsbr(domain))
		end_section(&domain->readers[index]);
}

struct wait {
	struct domain *before;
	bool runner_before, online;
	struct set readers;
};

static void wait_begin(struct wait *wait, struct domain *domain, bool runner)
{
	struct thread *thread = self();

	wait->before = thread->waits_for;
	wait->runner_before = thread->waits_for_runner;
	wait->online = is_online(domain, me->index);
	if (wait->online)
		end_section(&domain->readers[me->index]);
	wait->readers = open_sections(domain);
	thread->waits_for = domain;
	thread->waits_for_runner = runner;
	domain->calls[me->index]++;
}

static void wait_end(struct wait *wait, struct domain *domain)
{
	struct thread *thread = self();

	thread->waits_for = wait->before;
	thread->waits_for_runner = wait->runner_before;
	domain->calls[me->index]--;
	if (!is_qsbr(domain))
		return;
	end_section(&domain->readers[me->index]);
	if (wait->online)
		begin_section(&domain->readers[me->index]);
}

/* --- callbacks --- */

static void take_steps(void);
static void close_sections(void);

static void enlist(struct domain *domain, struct object *object)
{
	object->state = DEFERRED;
	object->number = ++domain->deferred;
	object->next = NULL;
	*domain->last = object;
	domain->last = &object->next;
	domain->pending++;
}

/* A deferred object goes on the model's list when the library has it. */
static void note_admitted(struct domain *domain, size_t pending)
{
	struct object *object = self()->admitting;

	/* What callbacks of the same call have done is on the list already. */
	if (!object || object->domain != domain ||
	    ioasid_rcu_pending(domain->rcu) != pending + 1)
		return;
	self()->admitting = NULL;
	enlist(domain, object);
}

static struct object *object_new(struct domain *domain, enum action action)
{
	for (unsigned int i = 0; i < OBJECTS; i++) {
		struct object *object = &objects[i];

		if (object->state != FREE)
			continue;
		*object = (struct object){ .domain = domain,
					   .state = NEW,
					   .action = action,
					   .memory = malloc(8) };
		return object;
	}
	return NULL;
}

static void object_free(struct object *object)
{
	free(object->memory);
	object->memory = NULL;
	object->state = FREE;
}

static void deferred_called(struct ioasid_rcu_head *head);
static void retired_called(struct ioasid_rcu_head *head);

/* -EAGAIN or 0. What is around it has been looked at. */
static int defer_object(struct domain *domain, struct object *object)
{
	struct object *before;
	int ret;

	if (!is_actor()) {
		/* A worker's callback: what it defers is on the list at once. */
		object->readers = open_sections(domain);
		enlist(domain, object);
		ret = call_defer(domain->rcu, &object->head, deferred_called);
		CHECK(!ret);
		return 0;
	}
	before = self()->admitting;
	object->readers = open_sections(domain);
	self()->admitting = object;
	ret = call_defer(domain->rcu, &object->head, deferred_called);
	if (!ret)
		note_admitted(domain, domain->pending);
	/* On the list exactly if the answer is so; it may have been called. */
	CHECK(!self()->admitting == !ret);
	self()->admitting = before;
	if (ret)
		object_free(object);
	return ret;
}

static void retire_object(struct domain *domain, size_t size)
{
	struct object *object = object_new(domain, ACTION_NONE);

	if (!object)
		return;
	object->state = RETIRED;
	object->size = size;
	object->readers = open_sections(domain);
	domain->retired++;
	domain->retired_bytes += size;
	call_retire(domain->rcu, &object->head, retired_called, size);
}

static void churn(struct domain *domain)
{
	struct ioasid_space *space = domain->space;
	ioasid_t id;
	int ret;

	if (!space || domain->ending)
		return;
	ret = ioasid_space_alloc(space, NULL, 2, 4000, domain, &id);
	CHECK(!ret || ret == -EAGAIN || (ret == -ENOMEM && refused.map));
	if (!ret)
		CHECK(!ioasid_space_free(space, id));
}

static void act(struct object *object, struct domain *domain)
{
	struct object *other;
	struct wait wait;

	switch (object->action) {
	case ACTION_OTHER:
		other = object_new(domain, ACTION_NONE);
		if (!other)
			return;
		if (domain->pending < domain->limit)
			defer_object(domain, other);
		else
			object_free(other);
		return;
	case ACTION_RETIRE:
		retire_object(domain, 100);
		return;
	case ACTION_SECTION:
		if (is_actor() && !is_qsbr(domain)) {
			unsigned int before = refusals(base(domain));

			call_lock(domain->rcu);
			model_lock(domain, before);
			check_domain(domain);
			call_unlock(domain->rcu, 1);
			model_unlock(domain);
		}
		return;
	case ACTION_SYNCHRONIZE:
		if (!is_actor() || is_qsbr(domain) || in_handler ||
		    !may_wait(domain, false))
			return;
		wait_begin(&wait, domain, false);
		CHECK(call_synchronize(domain->rcu) ==
		      (held(domain, me->index) ? -EDEADLK : 0));
		wait_end(&wait, domain);
		return;
	case ACTION_BARRIER:
		CHECK(ioasid_rcu_barrier(domain->rcu) == -EDEADLK);
		return;
	case ACTION_CHURN:
		if (!in_handler)
			churn(domain);
		return;
	case ACTION_SERVE:
		if (is_actor() && !in_handler) {
			take_steps();
			close_sections();
		}
		return;
	default:
		return;
	}
}

static void run_object(struct ioasid_rcu_head *head)
{
	struct object *object = ioasid_container_of(head, struct object, head);
	struct domain *domain = object->domain;
	struct thread before = { 0 };
	struct reader *reader;

	if (is_actor())
		note_admitted(domain, domain->pending - 1);
	CHECK(object->state == DEFERRED);
	CHECK(ended(&object->readers, domain));
	CHECK(domain->first == object);
	domain->first = object->next;
	if (!domain->first)
		domain->last = &domain->first;
	object->state = CALLED;
	domain->pending--;
	CHECK(call_pending(domain->rcu) == domain->pending);
	if (is_actor()) {
		CHECK(self()->may_run);
		CHECK(!self()->defers || !in_frame(self(), CALLBACK, NULL));
		CHECK(!in_frame(self(), GETTER, NULL));
		CHECK(!in_frame(self(), CALLBACK, domain));
		reader = &domain->readers[me->index];
		CHECK(reader->lent || !in_section(domain, me->index));
		if (is_qsbr(domain) && !reader->section &&
		    (domain->kind == OWN_QSBR || reader->registered)) {
			begin_section(reader);
			reader->lent = true;
		} else if (reader->lent) {
			reader->used = ++now;
		}
		before = *self();
		CHECK(self()->depth < FRAMES);
		self()->frames[self()->depth].kind = CALLBACK;
		self()->frames[self()->depth++].domain = domain;
		self()->may_run = self()->defers = false;
		self()->waits_for = NULL;
		domain->calls[me->index]++;
		check_domain(domain);
	} else {
		CHECK(domain->options & WITH_RECLAIMER);
		CHECK(worker_of(domain) == me);
	}
	if (object->action == ACTION_AGAIN && object->again++ < 2 &&
	    domain->pending < domain->limit) {
		object->state = NEW;
		defer_object(domain, object);
	} else {
		act(object, domain);
		object_free(object);
	}
	if (!is_actor())
		return;
	reader = &domain->readers[me->index];
	if (reader->lent)
		reader->used = 0;
	self()->depth--;
	self()->may_run = before.may_run;
	self()->defers = before.defers;
	self()->waits_for = before.waits_for;
	domain->calls[me->index]--;
}

static void deferred_called(struct ioasid_rcu_head *head)
{
	if (faulty_now(FAULT_CALL_LOST, 3))
		return;
	run_object(head);
	if (faulty_now(FAULT_CALLED_TWICE, 2))
		run_object(head);
}

static void retired_called(struct ioasid_rcu_head *head)
{
	struct object *object = ioasid_container_of(head, struct object, head);
	struct domain *domain = object->domain;

	CHECK(object->state == RETIRED);
	CHECK(ended(&object->readers, domain));
	domain->retired--;
	domain->retired_bytes -= object->size;
	object_free(object);
}

/* Around a call that may run callbacks, for which it goes online. */
struct run {
	bool may_run, defers, online;
};

static void run_begin(struct run *run, struct domain *domain, bool defers)
{
	*run = (struct run){ self()->may_run, self()->defers,
			     is_online(domain, me->index) };
	self()->may_run = true;
	self()->defers = defers;
}

static void run_end(const struct run *run, struct domain *domain)
{
	self()->may_run = run->may_run;
	self()->defers = run->defers;
	if (is_qsbr(domain) && !run->online)
		end_section(&domain->readers[me->index]);
}

/* --- operations, each on the thread that does it --- */

/* Sections of a thread that are a getter's, not its own to end. */
static unsigned int of_getters(struct domain *domain)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < self()->depth; i++)
		count += self()->frames[i].kind == GETTER &&
			 base(self()->frames[i].domain) == base(domain);
	return count;
}

static unsigned int own_sections(struct domain *domain)
{
	const struct reader *reader = reader_of(domain, me->index);

	return reader->depth + reader->counted - of_getters(domain);
}

static void do_lock(void)
{
	struct domain *domain = self()->op.domain;
	unsigned int before = refusals(base(domain));

	if (own_sections(domain) > 5)
		return;
	call_lock(domain->rcu);
	model_lock(domain, before);
}

static void unlock(struct domain *domain)
{
	const struct reader *reader = reader_of(domain, me->index);
	unsigned int depth = reader->depth + reader->counted;

	made++;
	call_unlock(domain->rcu, depth);
	model_unlock(domain);
	check_domain(domain);
}

/* The nearest domain with a section that the thread may end; or NULL. */
static struct domain *with_section(struct domain *domain)
{
	unsigned int place = place_of(domain);

	for (unsigned int i = 0; i < DOMAINS; i++) {
		domain = &domains[(place + i) % DOMAINS];
		if (domain->rcu && !domain->inner && !is_qsbr(domain) &&
		    usable(domain) && own_sections(domain))
			return domain;
	}
	return NULL;
}

static void do_unlock(void)
{
	struct domain *domain = self()->op.domain;

	if (!domain->inner || !own_sections(domain))
		domain = with_section(domain);
	if (domain)
		unlock(domain);
}

static void do_register(void)
{
	struct domain *domain = self()->op.domain;
	unsigned int before = refusals(domain);
	struct reader *reader = &domain->readers[me->index];
	int ret = call_register(domain->rcu);
	int expected = 0;

	if (domain->kind == EPOCH || domain->kind == QSBR)
		expected = model_register(domain, before, false) ? 0 : -ENOMEM;
	if (is_qsbr(domain) && !expected && !reader->section) {
		begin_section(reader);
		/* Who calls it puts the thread offline again. */
		reader->lent = in_frame(self(), CALLBACK, domain);
	}
	CHECK(ret == expected);
}

static void do_unregister(void)
{
	struct domain *domain = self()->op.domain;
	struct reader *reader = &domain->readers[me->index];
	int expected = 0;

	if (held(domain, me->index)) {
		expected = -EDEADLK;
	} else if (domain->kind == EPOCH || domain->kind == QSBR) {
		expected = reader->registered ? 0 : -ENOENT;
		model_unregister(reader);
	} else if (domain->kind == OWN_QSBR) {
		end_section(reader);
	}
	CHECK(call_unregister(domain->rcu) == expected);
}

/* What is reported is so only outside of everything. */
static bool may_report(struct domain *domain)
{
	return !self()->depth && !held(domain, me->index);
}

static int report_expected(const struct domain *domain)
{
	return domain->kind == QSBR && !domain->readers[me->index].registered ?
		       -ENOENT :
		       0;
}

static void do_quiescent(void)
{
	struct domain *domain = self()->op.domain;
	struct reader *reader = &domain->readers[me->index];

	if (!may_report(domain))
		return;
	CHECK(call_quiescent(domain->rcu) == report_expected(domain));
	if (is_online(domain, me->index))
		begin_section(reader);
}

static void do_offline(void)
{
	struct domain *domain = self()->op.domain;

	if (!may_report(domain))
		return;
	CHECK(call_offline(domain->rcu) == report_expected(domain));
	if (is_qsbr(domain))
		end_section(&domain->readers[me->index]);
}

static void do_online(void)
{
	struct domain *domain = self()->op.domain;
	int expected = report_expected(domain);

	if (is_online(domain, me->index) || !may_report(domain))
		return;
	CHECK(ioasid_rcu_thread_online(domain->rcu) == expected);
	if (is_qsbr(domain) && !expected)
		begin_section(&domain->readers[me->index]);
}

static void do_cookie(void)
{
	struct op *op = &self()->op;
	uint32_t place = op->value % COOKIES;

	cookies[place].domain = op->domain;
	cookies[place].readers = open_sections(op->domain);
	cookies[place].polls = 0;
	cookies[place].cookie = ioasid_rcu_start_poll(op->domain->rcu);
}

/*
 * Has the next poll to say yes? One ends the grace period that was under way, at
 * the latest when what it saw is over, and begins another; then that ends so.
 */
static bool poll_due(uint32_t place)
{
	struct domain *domain = cookies[place].domain;
	struct set open = open_sections(domain);

	if (in_handler || membarrier_lost(domain))
		return false;
	for (unsigned int i = 0; i < ACTORS; i++)
		if (open.counted[i]) {
			cookies[place].polls = 0;
			return false;
		}
	if (!is_read(domain, false))
		return true;
	if (cookies[place].polls &&
	    !ended_surely(&cookies[place].polled, domain))
		return false;
	cookies[place].polled = open;
	return cookies[place].polls++ >= 2;
}

static void poll_cookie(uint32_t place)
{
	struct domain *domain = cookies[place].domain;
	bool due, passed;

	if (!domain || domain->ending || !usable(domain))
		return;
	due = poll_due(place);
	passed = call_poll(domain->rcu, cookies[place].cookie);
	if (!ended(&cookies[place].readers, domain))
		CHECK(!passed);
	else if (due)
		CHECK(passed);
}

static void do_poll(void)
{
	poll_cookie(self()->op.value % COOKIES);
}

static bool eio_due(struct domain *domain, uint64_t since)
{
	return domain->plain && refused.membarrier &&
	       clock_now - since >= 1000000000u;
}

static void do_synchronize(void)
{
	struct domain *domain = self()->op.domain;
	bool refuse = held(domain, me->index);
	struct wait wait;
	uint64_t since;
	bool lost;
	int ret;

	if (!refuse && !may_wait(domain, false))
		return;
	if (refuse) {
		CHECK(call_synchronize(domain->rcu) == -EDEADLK);
		return;
	}
	/* Refused from before on it cannot pass. */
	lost = domain->plain && refused.membarrier;
	since = refused_at;
	wait_begin(&wait, domain, false);
	ret = call_synchronize(domain->rcu);
	if (lost && refused.membarrier && refused_at == since)
		CHECK(ret == -EIO);
	if (ret == -EIO) {
		CHECK(eio_due(domain, refused_at));
	} else {
		CHECK(!ret);
		CHECK(ended(&wait.readers, domain));
	}
	wait_end(&wait, domain);
}

/* Expected of barrier at once, or 1: it waits. */
static int barrier_refusal(struct domain *domain)
{
	if (held(domain, me->index) || in_frame(self(), CALLBACK, domain))
		return -EDEADLK;
	if (in_section(domain, me->index) && domain->pending)
		return -EDEADLK;
	return 1;
}

static void do_barrier(void)
{
	struct domain *domain = self()->op.domain;
	int refusal = barrier_refusal(domain);
	bool inside = in_section(domain, me->index);
	uint64_t target = domain->deferred;
	struct wait wait;
	struct run run;
	int ret;

	if (refusal > 0 && !may_wait(domain, true))
		return;
	if (refusal <= 0) {
		CHECK(call_barrier(domain->rcu) == refusal);
		return;
	}
	wait_begin(&wait, domain, true);
	run_begin(&run, domain, false);
	ret = call_barrier(domain->rcu);
	run_end(&run, domain);
	wait_end(&wait, domain);
	if (ret == -EIO) {
		CHECK(eio_due(domain, refused_at));
	} else if (ret == -EDEADLK) {
		CHECK(inside && in_calls(domain, me->index));
	} else {
		CHECK(!ret);
		CHECK(!domain->first || domain->first->number > target);
	}
}

/* Does the library have to refuse at the limit? */
static bool refuses(struct domain *domain)
{
	return in_handler || is_online(domain, me->index) ||
	       in_frame(self(), CALLBACK, NULL) ||
	       in_section(domain, me->index);
}

/* False: refused, or not to be done here. */
static bool defer_one(struct domain *domain, enum action action)
{
	bool full = domain->pending >= domain->limit;
	bool refuse = full && refuses(domain);
	bool reclaims = domain->options & WITH_RECLAIMER;
	struct actor *worker = worker_of(domain);
	struct object *object;
	struct wait wait;
	struct run run;
	int ret;

	if (full && !refuse && !may_wait(domain, true))
		return false;
	/* Who waits for it gives it a turn in a flavour's own function alone. */
	if (full && !refuse && reclaims &&
	    (in_handler || (worker ? domain->kind != OWN : !refused.thread)))
		return false;
	object = object_new(domain, action);
	if (!object)
		return false;
	run_begin(&run, domain, true);
	if (full && !refuse) {
		wait_begin(&wait, domain, true);
		awaited = worker;
	}
	ret = defer_object(domain, object);
	if (full && !refuse) {
		awaited = NULL;
		wait_end(&wait, domain);
	}
	run_end(&run, domain);
	if (refuse)
		CHECK(ret == -EAGAIN);
	else
		CHECK(!ret ||
		      (full && ret == -EAGAIN && eio_due(domain, refused_at)));
	return !ret;
}

static void do_defer(void)
{
	struct domain *domain = self()->op.domain;
	enum action action = self()->op.value % ACTIONS;
	bool at_once = domain->kind == NONE && !self()->depth &&
		       !in_section(domain, me->index) &&
		       action != ACTION_AGAIN && action != ACTION_OTHER;
	uint64_t own = domain->deferred + 1;
	bool done = defer_one(domain, action);

	/* What its callback deferred may be left. */
	if (at_once && done && !in_handler)
		CHECK(!domain->first || domain->first->number > own);
}

static void do_flood(void)
{
	struct domain *domain = self()->op.domain;
	unsigned int count = 30 + self()->op.value % 40;
	bool clear = !self()->depth && !in_section(domain, me->index) &&
		     !is_read(domain, false) && !in_calls(domain, ACTORS) &&
		     !membarrier_lost(domain) && domain->limit > 100 &&
		     !(domain->options & WITH_RECLAIMER);
	uint64_t first = domain->deferred + 1;
	unsigned int done = 0, before = made;

	while (done < count && defer_one(domain, ACTION_NONE))
		done++;
	/* Every 32nd looks for what is due; if no callback took more steps. */
	if (clear && done > 32 && made == before)
		CHECK(!domain->first || domain->first->number > first);
}

static void do_retire(void)
{
	struct domain *domain = self()->op.domain;
	size_t size = (size_t)self()->op.value << 6;

	retire_object(domain, size);
}

static void do_stats(void)
{
	check_stats(self()->op.domain);
}

/* No other thread is or may come where it needs the domain. */
static bool is_clear(struct domain *domain)
{
	return !in_calls(domain, ACTORS) && !is_read(domain, true) &&
	       !membarrier_lost(domain) && !domain->outer;
}

/* The first without one, from @domain on; or NULL. */
static struct domain *vacant(struct domain *domain)
{
	while (domain < &domains[DOMAINS] && domain->rcu)
		domain++;
	return domain < &domains[DOMAINS] ? domain : NULL;
}

static void make_domain(struct domain *domain, uint32_t kind, uint32_t options,
			bool refuse)
{
	struct ioasid_rcu_config config;
	struct domain *inner = NULL;
	struct ioasid_rcu *rcu = NULL;
	int ret;

	if (kind == OWN_OVER) {
		for (inner = domains; inner < &domains[DOMAINS]; inner++)
			if (inner->rcu && inner->kind == EPOCH &&
			    !inner->ending)
				break;
		if (inner == &domains[DOMAINS]) {
			inner = NULL;
			kind = OWN;
		}
	}
	/* One domain of NONE is one thread's; and it is the first one's. */
	*domain = (struct domain){ .kind = kind < KINDS ? kind : EPOCH,
				   .options = options,
				   .limit = limit_of(options),
				   .inner = inner };
	domain->last = &domain->first;
	domain->flavour.inner = inner ? inner->rcu : NULL;
	domain->memory.refuse = refuse;
	domain->memory.leaks = fault == FAULT_RECORD_LEAK;
	config = config_of(domain->kind, options, &domain->flavour,
			   &domain->memory);
	if (kind == KINDS)
		config.flavour = 99;
	ret = ioasid_rcu_create(&config, &rcu);
	if (kind == KINDS || (kind == NONE && config.reclaimer)) {
		CHECK(ret == -EINVAL);
	} else if (refuse) {
		CHECK(ret == -ENOMEM);
	} else {
		CHECK(!ret);
		domain->plain = kind == EPOCH && !config.no_membarrier &&
				!refused.membarrier;
		CHECK(kind != EPOCH ||
		      (rcu->read_side == IOASID_RCU_READ_PLAIN) ==
			      domain->plain);
		if (inner)
			inner->outer++;
	}
	domain->rcu = rcu;
	domain->memory.refuse = 0;
	CHECK(domain->memory.blocks == (rcu != NULL));
}

static void do_create(void)
{
	struct domain *domain = self()->op.domain;
	uint32_t value = self()->op.value, options = self()->op.more;
	unsigned int count = options & WITH_MORE ? 18 : 1;

	for (; count && domain; count--, domain = vacant(domain))
		make_domain(domain, value % (KINDS + 1), options & 31,
			    options & WITH_REFUSAL);
}

static void forget_domain(struct domain *domain)
{
	for (unsigned int i = 0; i < COOKIES; i++)
		if (cookies[i].domain == domain)
			cookies[i].domain = NULL;
	if (domain->inner)
		domain->inner->outer--;
	CHECK(!domain->pending && !domain->first && !domain->retired);
	CHECK(!domain->memory.blocks);
	*domain = (struct domain){ 0 };
}

static void do_destroy(void)
{
	struct domain *domain = self()->op.domain;
	int expected = domain->space ? -EBUSY : barrier_refusal(domain);
	struct wait wait;
	struct run run;
	int ret;

	/* Sections of its own are refused, those of others the caller's. */
	if (domain->outer || (expected > 0 && !is_clear(domain)) ||
	    (expected > 0 && !may_wait(domain, true)) || in_handler)
		return;
	if (expected <= 0) {
		CHECK(call_destroy(domain->rcu) == expected);
		return;
	}
	domain->ending = true;
	wait_begin(&wait, domain, true);
	run_begin(&run, domain, false);
	ret = call_destroy(domain->rcu);
	run_end(&run, domain);
	wait_end(&wait, domain);
	CHECK(!ret);
	forget_domain(domain);
}

static void do_space(void)
{
	struct domain *domain = self()->op.domain;
	struct ioasid_space_config config = { .rcu = domain->rcu, .max = 5000 };
	struct wait wait;
	struct run run;
	struct ioasid_domain_stats stats;
	ioasid_t id;
	int ret;

	if (in_handler)
		return;
	if (!domain->space) {
		/* What waits may be too much for memory to be taken. */
		ioasid_rcu_stats(domain->rcu, &stats);
		if ((domain->options & WITH_RETIRED_LIMIT) && stats.retired)
			return;
		config.store = self()->op.value % 3 == 2 ? IOASID_STORE_HASH :
			       self()->op.value % 3	 ? IOASID_STORE_BITMAP :
							   IOASID_STORE_RADIX;
		config.hash_seed = 1;
		ret = ioasid_space_create(&config, &domain->space);
		CHECK(!ret || (ret == -ENOMEM && refused.map));
		if (ret) {
			domain->space = NULL;
			return;
		}
		CHECK(!ioasid_space_alloc(domain->space, NULL, 1, 1, domain,
					  &id));
		domain->had_space = true;
		return;
	}
	if (self()->depth || holds(me->index) || !is_clear(domain))
		return;
	domain->ending = true;
	CHECK(!ioasid_space_free(domain->space, 1));
	/* Waits as barrier does, if anything was retired. */
	wait_begin(&wait, domain, true);
	run_begin(&run, domain, false);
	CHECK(!ioasid_space_destroy(domain->space));
	run_end(&run, domain);
	wait_end(&wait, domain);
	domain->ending = false;
	domain->space = NULL;
}

static bool getter(void *data)
{
	struct domain *domain = data;

	unsigned int before[DOMAINS];

	/* The library has opened a section around it, as a reader would. */
	model_lock(domain, self()->refusals);
	for (unsigned int i = 0; i < DOMAINS; i++)
		before[i] = domains[i].readers[me->index].depth +
			    domains[i].readers[me->index].counted;
	self()->frames[self()->depth].kind = GETTER;
	self()->frames[self()->depth++].domain = domain;
	check_domain(domain);
	take_steps();
	/* Sections nest: what began in the getter ends in it. */
	for (unsigned int i = 0; i < DOMAINS; i++)
		while (domains[i].rcu && !domains[i].inner &&
		       usable(&domains[i]) &&
		       domains[i].readers[me->index].depth +
				       domains[i].readers[me->index].counted >
			       before[i])
			unlock(&domains[i]);
	self()->depth--;
	return true;
}

static void do_getter(void)
{
	struct domain *domain = self()->op.domain;
	struct run run;
	void *data;

	if (!domain->space || self()->depth >= FRAMES - 2 || in_handler ||
	    (is_qsbr(domain) && !is_online(domain, me->index)))
		return;
	run_begin(&run, domain, false);
	self()->may_run = false;
	self()->refusals = refusals(base(domain));
	CHECK(!ioasid_space_find(domain->space, NULL, 1, getter, &data));
	CHECK(data == domain);
	run_end(&run, domain);
	model_unlock(domain);
	check_domain(domain);
}

static void do_memory(void)
{
	struct domain *domain = self()->op.domain;

	domain->memory.refuse = 1 + self()->op.value % 3;
}

static void do_system(void)
{
	switch ((enum system_fault)(self()->op.value % SYSTEM_FAULTS)) {
	case SYSTEM_MEMBARRIER:
		if (!refused.membarrier)
			refused_at = clock_now++;
		refused.membarrier = true;
		return;
	case SYSTEM_FUTEX:
		refused.futex = true;
		return;
	case SYSTEM_THREAD:
		refused.thread = true;
		return;
	case SYSTEM_SPECIFIC:
		/* Threads that are kept have what they asked for. */
		refused.specific = fresh;
		return;
	case SYSTEM_MAP:
		refused.map = true;
		return;
	case SYSTEM_RANDOM:
		refused.random = true;
		return;
	default:
		refused.membarrier = refused.futex = refused.thread = false;
		refused.specific = refused.map = refused.random = false;
		return;
	}
}

static void do_clock(void)
{
	clock_now += (uint64_t)self()->op.value * 100000000u;
}

static void do_churn(void)
{
	struct domain *domain = self()->op.domain;

	if (in_handler)
		return;
	for (unsigned int i = 0; i < 1 + self()->op.value % 64; i++)
		churn(domain);
}

/* What the library asks of the system besides. */
static void do_pages(void)
{
	uint32_t value = self()->op.value;
	size_t size = (size_t)(1 + value % 8) << (value & 64 ? 20 : 12);
	bool huge = value & 128;
	unsigned char *pages = ioasid_pages_reserve(size, huge);

	CHECK(!pages == refused.map);
	CHECK(!ioasid_pages_reserve(SIZE_MAX - 4096, huge));
	ioasid_random(pages);
	if (!pages)
		return;
	CHECK(!huge || size < 2u << 20 || !((uintptr_t)pages & 0x1fffff));
	CHECK(!pages[0] && !pages[size / 2] && !pages[size - 1]);
	memset(pages, 1, size);
	size_t back = ioasid_pages_discard(pages + 1, size - 1);

	CHECK(back < size && (back == 0 || size > 4096));
	CHECK(pages[0] == 1 && pages[size - 1] == !back);
	ioasid_pages_release(pages, size, huge);
}

/* --- fork --- */

static struct domain *nth_domain(uint32_t n);

/* In a handler of fork: whatever would have to wait is refused. */
static void handle(bool child)
{
	struct domain *domain = nth_domain(handlers >> 4);
	uint64_t target;
	struct wait wait;
	struct run run;
	int ret;

	if (!domain || !usable(domain))
		return;
	in_handler = true;
	if (handlers & 1)
		poll_cookie(handlers >> 5);
	if ((handlers & 2) && !is_qsbr(domain)) {
		unsigned int before = refusals(base(domain));

		call_lock(domain->rcu);
		model_lock(domain, before);
		check_domain(domain);
		unlock(domain);
	}
	/* A flavour that stands on another, and one of its own, wait by theirs. */
	if ((handlers & 4) && domain->kind <= NONE &&
	    !in_frame(self(), CALLBACK, NULL)) {
		bool refuse = held(domain, me->index);

		wait_begin(&wait, domain, false);
		ret = call_synchronize(domain->rcu);
		if (refuse)
			CHECK(ret == -EDEADLK);
		else
			CHECK(ret == -EDEADLK ||
			      (ret == -EIO && eio_due(domain, refused_at)) ||
			      (!ret &&
			       (child || ended(&wait.readers, domain))));
		wait_end(&wait, domain);
		if (!refuse && barrier_refusal(domain) > 0) {
			target = domain->deferred;
			wait_begin(&wait, domain, true);
			run_begin(&run, domain, false);
			ret = call_barrier(domain->rcu);
			run_end(&run, domain);
			wait_end(&wait, domain);
			CHECK(ret == -EDEADLK ||
			      (ret == -EIO && eio_due(domain, refused_at)) ||
			      (!ret && (child || !domain->first ||
					domain->first->number > target)));
		}
	}
	if ((handlers & 8) && domain->pending < domain->limit)
		defer_one(domain, ACTION_NONE);
	if (domain->pending >= domain->limit && domain->kind != NONE &&
	    !self()->depth)
		CHECK(!defer_one(domain, ACTION_NONE));
	in_handler = false;
}

static bool handling(void)
{
	return me && is_actor() && handlers;
}

static void fork_prepares(void)
{
	if (handling())
		handle(false);
}

static void fork_in_parent(void)
{
	if (handling())
		handle(false);
}

static void fork_in_child(void)
{
	if (!me || !is_actor())
		return;
	model_child();
	actors_alone();
	if (handlers)
		handle(true);
}

/* What a child covers counts, and a child may have threads. */
int __llvm_profile_write_file(void) __attribute__((weak));
const char *__tsan_default_options(void);

const char *__tsan_default_options(void)
{
	return "die_after_fork=0:atexit_sleep_ms=0";
}

static void drive(void);
static void finish(void);

static void do_fork(void)
{
	uint32_t steps = self()->op.value;
	pid_t child;
	int status;

	if (forks >= FORKS || forks_made >= 3)
		return;
	forks_made++;
	handlers = self()->op.more;
	/* Not to be written by the child once more. */
	fflush(NULL);
	child = fork();
	CHECK(child >= 0);
	if (child) {
		handlers = 0;
		while (waitpid(child, &status, 0) < 0)
			CHECK(errno == EINTR);
		if (!WIFEXITED(status) || WEXITSTATUS(status)) {
			child_failed = true;
			child_crashed = !WIFEXITED(status);
			fprintf(stderr, "child: status %#x\n",
				(unsigned int)status);
			CHECK(!child_failed);
		}
		return;
	}
	handlers = 0;
	forks++;
	steps_left = steps % 24;
	if (fault == FAULT_FORK_SECTION)
		for (unsigned int i = 0; i < DOMAINS; i++)
			if (domains[i].rcu && domains[i].kind == EPOCH &&
			    domains[i].readers[me->index].depth)
				ioasid_rcu_read_unlock(domains[i].rcu);
	if (fault == FAULT_FORK_PENDING)
		for (unsigned int i = 0; i < DOMAINS; i++)
			if (domains[i].rcu && domains[i].pending &&
			    !self()->depth && !holds(me->index)) {
				fault = FAULT_CALL_LOST;
				faulty.count = 2;
			}
	drive();
	finish();
	fflush(NULL);
	if (__llvm_profile_write_file)
		__llvm_profile_write_file();
	_exit(0);
}

/* --- the end of a thread --- */

static pthread_key_t end_key;

/*
 * Called in rounds; after the first of them the library's own has taken back
 * what the thread had, if it ever used the library.
 */
static void thread_ends(void *value)
{
	uintptr_t round = (uintptr_t)value;
	struct domain *domain = self()->op.domain;
	uint32_t uses = self()->op.more;
	unsigned int before;
	bool gone = round > 1 && self()->hooked;

	if (gone) {
		struct op op = self()->op;

		thread_gone(me->index);
		self()->op = op;
	}
	if (round < 2 && (uses & 2))
		real_pthread_setspecific()(end_key, (void *)(round + 1));
	if (!(uses & round) || !domain || !domain->rcu ||
	    (domain->kind != EPOCH && domain->kind != QSBR))
		return;
	before = refusals(domain);
	if (gone) {
		CHECK(ioasid_rcu_thread_register(domain->rcu) == -ENOMEM);
		CHECK(ioasid_rcu_check_reader(domain->rcu) == -EPERM);
		if (domain->kind == EPOCH) {
			ioasid_rcu_read_lock(domain->rcu);
			CHECK(ioasid_rcu_read_held(domain->rcu));
			ioasid_rcu_read_unlock(domain->rcu);
			CHECK(!ioasid_rcu_read_held(domain->rcu));
		}
		return;
	}
	if (domain->kind == QSBR) {
		do_register();
		return;
	}
	call_lock(domain->rcu);
	model_lock(domain, before);
	check_domain(domain);
	call_unlock(domain->rcu, 1);
	model_unlock(domain);
}

static void do_prepare_end(void)
{
	real_pthread_setspecific()(end_key,
				   self()->op.more & 3 ? (void *)1 : NULL);
}

static void (*const op_funcs[OPS])(void) = {
	[OP_LOCK] = do_lock,	       [OP_UNLOCK] = do_unlock,
	[OP_REGISTER] = do_register,   [OP_UNREGISTER] = do_unregister,
	[OP_QUIESCENT] = do_quiescent, [OP_OFFLINE] = do_offline,
	[OP_ONLINE] = do_online,       [OP_COOKIE] = do_cookie,
	[OP_POLL] = do_poll,	       [OP_SYNCHRONIZE] = do_synchronize,
	[OP_BARRIER] = do_barrier,     [OP_DEFER] = do_defer,
	[OP_FLOOD] = do_flood,	       [OP_RETIRE] = do_retire,
	[OP_STATS] = do_stats,	       [OP_CREATE] = do_create,
	[OP_DESTROY] = do_destroy,     [OP_SPACE] = do_space,
	[OP_GETTER] = do_getter,       [OP_FORK] = do_fork,
	[OP_MEMORY] = do_memory,       [OP_SYSTEM] = do_system,
	[OP_CLOCK] = do_clock,	       [OP_CHURN] = do_churn,
	[OP_PAGES] = do_pages,
};

/* --- who does what next --- */

static struct domain *nth_domain(uint32_t n)
{
	uint32_t count = 0;

	for (unsigned int i = 0; i < DOMAINS; i++)
		count += domains[i].rcu && !domains[i].ending;
	if (!count)
		return NULL;
	n %= count;
	for (unsigned int i = 0; i < DOMAINS; i++)
		if (domains[i].rcu && !domains[i].ending && !n--)
			return &domains[i];
	return NULL;
}

/* Each call of the model's on the thread that its domain was looked at on. */
static void run_op(void)
{
	struct domain *domain = self()->op.domain;
	void (*func)(void) = op_funcs[self()->op.value >> 16];

	self()->op.value &= 0xffff;
	func();
	if (domain && !domain->ending)
		check_domain(domain);
}

static bool is_say(const struct actor *actor)
{
	return actor == me;
}

/*
 * What a thread does once: it asks to hear of its end, and finds room for its
 * records. Threads that are kept have done it, so that an input does the same
 * whichever ran before.
 */
static void prehook(void)
{
	static const struct ioasid_rcu_config config;
	struct ioasid_rcu *rcu[DOMAINS];

	for (unsigned int i = 0; i < DOMAINS; i++) {
		CHECK(!ioasid_rcu_create(&config, &rcu[i]));
		CHECK(!ioasid_rcu_thread_register(rcu[i]));
	}
	for (unsigned int i = 0; i < DOMAINS; i++)
		CHECK(!ioasid_rcu_destroy(rcu[i]));
}

static void begin_kept(struct actor *actor)
{
	actor_begin(actor);
	actor->step = prehook;
	resume(actor);
	threads[actor->index].hooked = true;
}

static void tell(struct actor *actor, void (*step)(void))
{
	threads[actor->index].here = true;
	if (is_say(actor)) {
		step();
		return;
	}
	if (!actor->exists && fresh)
		actor_begin(actor);
	else if (!actor->exists)
		begin_kept(actor);
	actor->step = step;
	resume(actor);
	if (actor->waits)
		parked(actor->index);
}

/* The first that can, from @index on; or NULL. */
static struct actor *find_actor(uint32_t index,
				bool (*fits)(const struct actor *actor))
{
	for (unsigned int i = 0; i < ACTORS; i++) {
		struct actor *actor = &actors[(index + i) % ACTORS];

		if (fits(actor))
			return actor;
	}
	return NULL;
}

/* In a child others than its one thread may come again. */
static bool is_ready(const struct actor *actor)
{
	return !actor->waits;
}

static bool is_waiting(const struct actor *actor)
{
	return actor->exists && actor->waits;
}

static bool serves(const struct actor *actor)
{
	return actor->exists && !actor->waits && threads[actor->index].depth;
}

static bool may_end(const struct actor *actor)
{
	/* Whose end the library could not ask to hear of stays in its section. */
	return threads[actor->index].here && !actor->waits && !is_say(actor) &&
	       !(threads[actor->index].counted &&
		 !threads[actor->index].hooked) &&
	       !in_frame(&threads[actor->index], CALLBACK, NULL) &&
	       actor->index != only_thread;
}

static void step_waiting(struct actor *actor)
{
	unsigned int turns = 0;
	bool due;

	if (is_say(actor)) {
		look_again = true;
		return;
	}
	do {
		due = can_finish(actor->index);
		made++;
		resume(actor);
		if (actor->waits)
			parked(actor->index);
		CHECK(!due || turns++ < TURNS || !actor->waits);
	} while (due && actor->waits);
}

static void end_thread(struct actor *actor, uint32_t how)
{
	CHECK(actor->exists);
	actor_end(actor, how % 3 == 0 ? RETURNS :
			 how % 3 == 1 ? EXITS :
					CANCELLED);
	thread_gone(actor->index);
	faulty.ends++;
}

/* Where nothing holds it up it calls all that is pending. */
static void step_reclaimer(struct domain *domain, struct actor *worker)
{
	bool clear = !is_read(domain, false) && !in_calls(domain, ACTORS) &&
		     !membarrier_lost(domain) && !refused.futex &&
		     !refused.thread && !me->waits;
	uint64_t target = domain->deferred;

	/* In a child it is found by who asks. */
	if (clear && usable(domain))
		check_stats(domain);
	for (unsigned int i = 0; i < (clear ? 4 : 1); i++)
		if (fault != FAULT_RECLAIMER_SLEEPS) {
			made++;
			resume(worker);
		}
	if (clear)
		CHECK(!domain->first || domain->first->number > target);
}

static struct domain *domain_of(const struct step *step)
{
	struct domain *domain = &domains[step->domain % DOMAINS];

	if (!running->by_place)
		return nth_domain(step->domain);
	return domain->rcu && !domain->ending ? domain : NULL;
}

static void note(struct step *step, const struct domain *domain,
		 const struct actor *actor)
{
	step->made = true;
	step->place = (uint8_t)place_of(domain);
	step->actor = (uint8_t)actor->index;
}

static void step_one(void)
{
	struct step *step = &running->steps[next_step++];
	enum op_kind kind = step->op;
	uint32_t index = step->thread % ACTORS;
	struct domain *domain = domain_of(step);
	uint32_t value = step->value, more = step->more;
	struct actor *actor;
	struct thread *thread;

	step->made = false;
	made++;
	if (steps_left)
		steps_left--;
	in_vain = 0;
	if (domain && domain->kind == NONE && kind != OP_SYSTEM)
		index = only_thread;
	switch (kind) {
	case OP_STEP:
		actor = find_actor(index, is_waiting);
		if (!actor)
			return;
		note(step, NULL, actor);
		step_waiting(actor);
		return;
	case OP_LEAVE:
		actor = find_actor(index, serves);
		if (!actor)
			return;
		note(step, NULL, actor);
		actor->leave = true;
		if (is_say(actor))
			return;
		resume(actor);
		if (actor->waits)
			parked(actor->index);
		return;
	case OP_EXIT:
		actor = find_actor(index, may_end);
		if (!actor)
			return;
		note(step, domain, actor);
		thread = &threads[actor->index];
		value = thread->depth ? 1 + value % 2 : value % 3;
		thread->op = (struct op){ domain, value, more };
		actor->step = do_prepare_end;
		resume(actor);
		end_thread(actor, value);
		return;
	case OP_RECLAIMER:
		actor = domain ? worker_of(domain) : NULL;
		if (!actor || actor == me)
			return;
		note(step, domain, me);
		step_reclaimer(domain, actor);
		return;
	default:
		break;
	}
	if (!domain && kind != OP_CREATE && kind != OP_SYSTEM &&
	    kind != OP_CLOCK && kind != OP_PAGES && kind != OP_FORK)
		return;
	actor = domain && domain->kind == NONE ? &actors[index] :
						 find_actor(index, is_ready);
	if (!actor || actor->waits)
		return;
	if (kind == OP_CREATE)
		domain = vacant(running->by_place ? &domains[step->domain] :
						    domains);
	note(step, domain, actor);
	threads[actor->index].op =
		(struct op){ domain, (uint32_t)kind << 16 | value, more };
	tell(actor, run_op);
}

/* Of the calling thread: all that is its own to end. */
static void close_sections(void)
{
	struct domain *domain;

	while ((domain = with_section(domains)))
		unlock(domain);
	for (unsigned int i = 0; i < DOMAINS; i++)
		if (domains[i].rcu && is_online(&domains[i], me->index) &&
		    !held(&domains[i], me->index)) {
			made++;
			CHECK(!call_offline(domains[i].rcu));
			end_section(&domains[i].readers[me->index]);
		}
}

/* Has the others end what they are in, as far as it goes. */
static bool wind_down(void)
{
	bool clean = true;

	for (unsigned int i = 0; i < ACTORS; i++) {
		struct actor *actor = &actors[i];

		if (!actor->exists || is_say(actor))
			continue;
		if (actor->waits) {
			clean = false;
			step_waiting(actor);
		} else if (threads[i].depth) {
			clean = false;
			tell(actor, close_sections);
			if (actor->waits)
				continue;
			made++;
			actor->leave = true;
			resume(actor);
			if (actor->waits)
				parked(i);
		} else if (holds(i)) {
			clean = false;
			tell(actor, close_sections);
		}
	}
	return clean;
}

static bool goes_on(void)
{
	return next_step < running->count && (!forks || steps_left) &&
	       made < MADE_MAX;
}

static void drive(void)
{
	while (!me->leave && goes_on())
		step_one();
	me->leave = false;
}

static void take_steps(void)
{
	if (me->resumer)
		serve();
	else
		drive();
}

/* The thread that has the say waits. */
static void say_waits(void)
{
	parked(me->index);
	if (can_finish(me->index)) {
		CHECK(in_vain++ < TURNS);
		made++;
		return;
	}
	in_vain = 0;
	look_again = false;
	while (!look_again && goes_on())
		step_one();
	if (!look_again) {
		refused.membarrier = false;
		wind_down();
		CHECK(clock_now < UINT64_C(1000000000) << 20);
	}
	look_again = false;
}

/* What another stands on goes after that. */
static void end_domains(void)
{
	struct domain *domain;
	bool ended_one;

	do {
		ended_one = false;
		for (unsigned int i = DOMAINS; i--;) {
			domain = &domains[i];
			/* Ending: by a thread that a child does not have. */
			if (!domain->rcu || domain->ending || domain->outer)
				continue;
			check_stats(domain);
			self()->op = (struct op){ domain, 0, 0 };
			if (domain->space)
				do_space();
			CHECK(!domain->space);
			do_destroy();
			CHECK(!domain->rcu);
			ended_one = true;
		}
	} while (ended_one);
}

static void finish(void)
{
	unsigned int rounds = 0;

	refused.membarrier = refused.futex = refused.thread = false;
	refused.specific = refused.map = refused.random = false;
	steps_left = 0;
	close_sections();
	/* A child of a thread in a getter or callback stays in it. */
	while (!wind_down() && !(self()->depth && rounds > 9))
		CHECK(rounds++ < 200);
	close_sections();
	if (self()->depth)
		return;
	end_domains();
}

/* --- the target --- */

static void begin_missing(void)
{
	for (unsigned int i = 1; i < ACTORS; i++)
		if (!actors[i].exists)
			begin_kept(&actors[i]);
}

/* What they have is theirs to give back, or a sanitizer may call it lost. */
static void end_kept(void)
{
	/* Not from within an input, nor in a child. */
	if (me || getpid() != maker)
		return;
	me = &actors[0];
	for (unsigned int i = 1; i < ACTORS; i++)
		if (actors[i].exists)
			actor_end(&actors[i], RETURNS);
	me = NULL;
}

static void set_up(void)
{
	if (threads_made)
		return;
	threads_made = true;
	actors_init();
	have_say_wait = say_waits;
	/* Before the library's own, so that these run within its. */
	CHECK(!pthread_atfork(fork_prepares, fork_in_parent, fork_in_child));
	CHECK(!pthread_key_create(&end_key, thread_ends));
	prehook();
	begin_missing();
	/* After the library's own, so that it runs before. */
	maker = getpid();
	CHECK(!atexit(end_kept));
}

static void run_program(struct program *program)
{
	running = program;
	me = &actors[0];
	set_up();
	memset(domains, 0, sizeof(domains));
	memset(threads, 0, sizeof(threads));
	memset(cookies, 0, sizeof(cookies));
	now = next_step = made = forks = forks_made = handlers = 0;
	clock_now = 0;
	only_thread = 0;
	child_failed = child_crashed = false;
	in_vain = 0;
	memset(&faulty, 0, sizeof(faulty));
	/* What one input has the library find out, the next one must not know. */
	ioasid_store_relaxed(&ioasid_lock_asymmetric, 0);
	fresh = running->fresh;
	for (unsigned int i = 1; i < ACTORS; i++) {
		if (fresh && actors[i].exists)
			actor_end(&actors[i], RETURNS);
		threads[i].hooked = actors[i].exists;
	}
	threads[0].hooked = true;
	make_domain(domains,
		    running->kind == NONE &&
				    (running->options & WITH_RECLAIMER) ?
			    EPOCH :
			    running->kind,
		    running->options & 31, false);
	drive();
	finish();
	for (unsigned int i = 1; i < ACTORS && fresh; i++)
		if (actors[i].exists)
			actor_end(&actors[i], RETURNS);
	begin_missing();
	me = NULL;
}

#endif /* IOASID_FUZZ_RCU_RUN_H */
