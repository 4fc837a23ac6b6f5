/* SPDX-License-Identifier: MIT */
#include "test/toy_rcu.h"

#include <stdio.h>
#include <stdlib.h>

struct toy_section {
	pthread_t thread;
	uint64_t begun;
	unsigned int nesting;
	struct toy_section *next;
};

static void fail(const char *what)
{
	fprintf(stderr, "toy_rcu: %s\n", what);
	abort();
}

/* Mutex held. Where the calling thread's section is linked, or would be. */
static struct toy_section **own_section(struct toy_rcu *toy)
{
	struct toy_section **at = &toy->sections;

	while (*at && !pthread_equal((*at)->thread, pthread_self()))
		at = &(*at)->next;
	return at;
}

static void toy_lock(void *context)
{
	struct toy_rcu *toy = context;
	struct toy_section **at;

	pthread_mutex_lock(&toy->mutex);
	at = own_section(toy);
	if (!*at) {
		*at = calloc(1, sizeof(**at));
		if (!*at)
			fail("no memory");
		(*at)->thread = pthread_self();
		(*at)->begun = ++toy->clock;
	}
	(*at)->nesting++;
	pthread_mutex_unlock(&toy->mutex);
}

static void toy_unlock(void *context)
{
	struct toy_rcu *toy = context;
	struct toy_section **at, *section;

	pthread_mutex_lock(&toy->mutex);
	at = own_section(toy);
	section = *at;
	if (!section)
		fail("unlock without lock");
	if (!--section->nesting) {
		*at = section->next;
		free(section);
		pthread_cond_broadcast(&toy->changed);
	}
	pthread_mutex_unlock(&toy->mutex);
}

static bool toy_held(void *context)
{
	struct toy_rcu *toy = context;
	bool held;

	pthread_mutex_lock(&toy->mutex);
	held = *own_section(toy) != NULL;
	pthread_mutex_unlock(&toy->mutex);
	return held;
}

/* Mutex held. */
static bool passed(const struct toy_rcu *toy, uint64_t cookie)
{
	const struct toy_section *section;

	for (section = toy->sections; section; section = section->next)
		if (section->begun < cookie)
			return false;
	return true;
}

static uint64_t toy_start_poll(void *context)
{
	struct toy_rcu *toy = context;
	uint64_t cookie;

	pthread_mutex_lock(&toy->mutex);
	cookie = ++toy->clock;
	pthread_mutex_unlock(&toy->mutex);
	return cookie;
}

static bool toy_poll(void *context, uint64_t cookie)
{
	struct toy_rcu *toy = context;
	bool ret;

	pthread_mutex_lock(&toy->mutex);
	ret = passed(toy, cookie);
	pthread_mutex_unlock(&toy->mutex);
	return ret;
}

static void toy_synchronize(void *context)
{
	struct toy_rcu *toy = context;
	uint64_t cookie;

	pthread_mutex_lock(&toy->mutex);
	cookie = ++toy->clock;
	while (!passed(toy, cookie))
		pthread_cond_wait(&toy->changed, &toy->mutex);
	pthread_mutex_unlock(&toy->mutex);
}

const struct ioasid_rcu_ops toy_rcu_ops = {
	.read_lock = toy_lock,
	.read_unlock = toy_unlock,
	.synchronize = toy_synchronize,
	.read_held = toy_held,
	.start_poll = toy_start_poll,
	.poll = toy_poll,
};

void toy_rcu_init(struct toy_rcu *toy)
{
	*toy = (struct toy_rcu){ 0 };
	if (pthread_mutex_init(&toy->mutex, NULL) ||
	    pthread_cond_init(&toy->changed, NULL))
		fail("no mutex");
}

void toy_rcu_destroy(struct toy_rcu *toy)
{
	if (toy->sections)
		fail("destroyed inside a section");
	pthread_mutex_destroy(&toy->mutex);
	pthread_cond_destroy(&toy->changed);
}
