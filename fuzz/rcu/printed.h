/* SPDX-License-Identifier: MIT */
#ifndef IOASID_FUZZ_RCU_PRINTED_H
#define IOASID_FUZZ_RCU_PRINTED_H

/* What a program that rcu_fuzzer prints is made of. Include first, once. */

#include "fuzz/rcu/sequence.h"

/* A program needs some of it. */
#pragma GCC diagnostic ignored "-Wunused-function"

static struct ioasid_rcu *rcu[DOMAINS];
static struct ioasid_space *space[DOMAINS];
static struct flavour flavour[DOMAINS];
static struct memory memory[DOMAINS];
static uint64_t cookie[COOKIES];

/* A step of the sequence: what a thread does, and whether it waits then. */
struct step {
	enum {
		DO,
		/* in a call that waits: looks again */
		AGAIN,
		/* returns from the getter or callback that it takes steps in */
		LEAVE,
		END,
		/* the library's thread of a domain looks for what is due */
		RECLAIMER
	} what;
	unsigned int thread;
	void (*func)(void);
	bool waits;
	/* END: how; RECLAIMER: of which domain */
	unsigned int value;
};

static const struct step *next_step, *last_step;

/* An own flavour's threads are its own to forget. */
static void forget(unsigned int thread)
{
	for (unsigned int i = 0; i < DOMAINS; i++)
		flavour[i].section[thread] = flavour[i].depth[thread] = 0;
}

static struct actor *reclaimer_of(const struct ioasid_rcu *of)
{
	struct actor *found = NULL;

	for (unsigned int i = ACTORS; i < ACTORS + WORKERS; i++) {
		uintptr_t arg = (uintptr_t)actors[i].arg;
		const struct ioasid_rcu *nearest = NULL;

		for (unsigned int k = 0; k < DOMAINS; k++)
			if (actors[i].exists && rcu[k] &&
			    (uintptr_t)rcu[k] < arg && nearest < rcu[k])
				nearest = rcu[k];
		if (nearest && nearest == of)
			found = &actors[i];
	}
	return found;
}

/* False: the thread that has the say is to go on itself. */
static bool take_step(void)
{
	const struct step *step = next_step++;
	struct actor *actor = &actors[step->thread];

	if (actor == me) {
		me->leave = step->what == LEAVE;
		if (step->what == DO)
			step->func();
		return step->what == DO;
	}
	switch (step->what) {
	case DO:
		if (!actor->exists)
			actor_begin(actor);
		actor->step = step->func;
		resume(actor);
		break;
	case AGAIN:
		resume(actor);
		break;
	case LEAVE:
		actor->leave = true;
		resume(actor);
		break;
	case END:
		actor_end(actor, (enum end)step->value);
		forget(step->thread);
		return true;
	case RECLAIMER:
		actor = reclaimer_of(rcu[step->value]);
		CHECK(actor);
		resume(actor);
		return true;
	}
	CHECK(actor->waits == step->waits);
	return true;
}

static void take_steps(void)
{
	if (me->resumer) {
		serve();
		return;
	}
	while (next_step < last_step && take_step())
		;
	me->leave = false;
}

static void main_waits(void)
{
	while (next_step < last_step && take_step())
		;
	/* Else a call does not end. */
	CHECK(next_step < last_step);
}

static void play(const struct step *steps, size_t count)
{
	next_step = steps;
	last_step = steps + count;
	actors_init();
	have_say_wait = main_waits;
	while (next_step < last_step)
		take_step();
}

static int make(unsigned int place, enum kind kind, unsigned int options,
		unsigned int inner, bool refuse)
{
	struct ioasid_rcu_config config;

	flavour[place] = (struct flavour){ .inner = rcu[inner] };
	memory[place] = (struct memory){ .refuse = refuse };
	config = config_of(kind < KINDS ? kind : EPOCH, options,
			   &flavour[place], &memory[place]);
	if (kind == KINDS)
		config.flavour = 99;
	rcu[place] = NULL;
	return ioasid_rcu_create(&config, &rcu[place]);
}

static int destroy(unsigned int place)
{
	int ret = ioasid_rcu_destroy(rcu[place]);

	if (!ret) {
		rcu[place] = NULL;
		CHECK(!memory[place].blocks);
	}
	return ret;
}

struct deferred {
	struct ioasid_rcu_head head;
	unsigned int domain, again, number;
	enum action action;
};

/* By domain: callbacks deferred and called. */
static unsigned int count_deferred[DOMAINS], count_called[DOMAINS];

static void churn(unsigned int place)
{
	ioasid_t id;

	if (space[place] &&
	    !ioasid_space_alloc(space[place], NULL, 2, 4000, NULL, &id))
		CHECK(!ioasid_space_free(space[place], id));
}

static int defer(unsigned int place, enum action action);
static void retire(unsigned int place, size_t size);

static void called(struct ioasid_rcu_head *head)
{
	struct deferred *deferred =
		ioasid_container_of(head, struct deferred, head);
	unsigned int place = deferred->domain;
	struct ioasid_rcu *of = rcu[place];

	/* In order, and so once. */
	CHECK(deferred->number == count_called[place]++);
	switch (deferred->action) {
	case ACTION_AGAIN:
		if (deferred->again++ < 2) {
			deferred->number = count_deferred[place]++;
			CHECK(!ioasid_rcu_defer(of, head, called));
			return;
		}
		break;
	case ACTION_OTHER:
		defer(place, ACTION_NONE);
		break;
	case ACTION_RETIRE:
		retire(place, 100);
		break;
	case ACTION_SECTION:
		ioasid_rcu_read_lock(of);
		ioasid_rcu_read_unlock(of);
		break;
	case ACTION_SYNCHRONIZE:
		/* Not where it would have to wait. */
		if (me->index < ACTORS && !of->ops &&
		    of->flavour != IOASID_RCU_QSBR &&
		    ioasid_rcu_poll(of, ioasid_rcu_start_poll(of)))
			ioasid_rcu_synchronize(of);
		break;
	case ACTION_BARRIER:
		CHECK(ioasid_rcu_barrier(of) == -EDEADLK);
		break;
	case ACTION_CHURN:
		churn(place);
		break;
	case ACTION_SERVE:
		if (me->index < ACTORS)
			take_steps();
		break;
	default:
		break;
	}
	free(deferred);
}

static int defer(unsigned int place, enum action action)
{
	struct deferred *deferred = malloc(sizeof(*deferred));
	int ret;

	*deferred = (struct deferred){ .domain = place,
				       .action = action,
				       .number = count_deferred[place]++ };
	ret = ioasid_rcu_defer(rcu[place], &deferred->head, called);
	if (ret) {
		count_deferred[place]--;
		free(deferred);
	}
	return ret;
}

static void retired(struct ioasid_rcu_head *head)
{
	free(head);
}

static void retire(unsigned int place, size_t size)
{
	struct ioasid_rcu_head *head = malloc(sizeof(*head));

	ioasid_rcu_retire(rcu[place], head, retired, size);
}

static bool getter(void *data)
{
	(void)data;
	take_steps();
	return true;
}

static void get(unsigned int place)
{
	void *data;

	CHECK(!ioasid_space_find(space[place], NULL, 1, getter, &data));
}

static void make_space(unsigned int place, enum ioasid_store_kind store)
{
	struct ioasid_space_config config = {
		.rcu = rcu[place], .max = 5000, .store = store, .hash_seed = 1
	};
	ioasid_t id;

	if (!ioasid_space_create(&config, &space[place]))
		CHECK(!ioasid_space_alloc(space[place], NULL, 1, 1, NULL, &id));
}

static void destroy_space(unsigned int place)
{
	CHECK(!ioasid_space_free(space[place], 1));
	CHECK(!ioasid_space_destroy(space[place]));
	space[place] = NULL;
}

/* In the parent: waits for the child, whose end it takes for its own. */
static void fork_and_follow(void)
{
	pid_t child = fork();
	int status;

	if (!child) {
		actors_alone();
		for (unsigned int i = 0; i < ACTORS + WORKERS; i++)
			if (i != me->index)
				forget(i);
		return;
	}
	CHECK(waitpid(child, &status, 0) == child);
	_exit(status != 0);
}

static void fork_and_stay(void)
{
	pid_t child = fork();

	if (!child)
		_exit(0);
	CHECK(waitpid(child, NULL, 0) == child);
}

#endif /* IOASID_FUZZ_RCU_PRINTED_H */
