/* SPDX-License-Identifier: MIT */
#ifndef IOASID_TEST_ACTORS_H
#define IOASID_TEST_ACTORS_H

#include "test/fixture.h"

/* What actors do to a domain, their argument. */

static inline void enlist(void *rcu)
{
	CHECK(!ioasid_rcu_thread_register(rcu));
}

static inline void lock(void *rcu)
{
	ioasid_rcu_read_lock(rcu);
}

static inline void unlock(void *rcu)
{
	ioasid_rcu_read_unlock(rcu);
	/* With qsbr that is what ends a section. */
	ioasid_rcu_quiescent(rcu);
}

static inline void offline(void *rcu)
{
	ioasid_rcu_thread_offline(rcu);
}

/* Its thread is registered, and in a read section until released. */
static inline void reader_begin(struct actor *reader, struct ioasid_rcu *rcu)
{
	actor_begin(reader);
	actor_do(reader, enlist, rcu);
	actor_do(reader, lock, rcu);
}

/* Held through the fixture's hooks. */
static inline size_t bytes(struct fixture *fixture)
{
	size_t now;

	pthread_mutex_lock(&fixture->memory.mutex);
	now = fixture->memory.bytes;
	pthread_mutex_unlock(&fixture->memory.mutex);
	return now;
}

#endif /* IOASID_TEST_ACTORS_H */
