/* SPDX-License-Identifier: MIT */
#ifndef IOASID_TEST_TOY_RCU_H
#define IOASID_TEST_TOY_RCU_H

/*
 * A flavour of the user's own, as simple as can be: a mutex around a list of
 * the threads in a read section, each with the moment its section began.
 */

/* Include first: threads. */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include <pthread.h>

#include <ioasid/rcu.h>

struct toy_section;

/* ops_context of toy_rcu_ops */
struct toy_rcu {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	/* the number of the last section or cookie */
	uint64_t clock;
	struct toy_section *sections;
};

extern const struct ioasid_rcu_ops toy_rcu_ops;

void toy_rcu_init(struct toy_rcu *toy);
void toy_rcu_destroy(struct toy_rcu *toy);

#endif /* IOASID_TEST_TOY_RCU_H */
