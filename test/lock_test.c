/* SPDX-License-Identifier: MIT */

/*
 * The library's own mutex: exclusion, and no wake-up lost, with more threads
 * than processors and both kinds of unlock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>

#include "core/platform/lock.h"
#include "core/platform/memory.h"
#include "core/platform/util.h"

#define THREADS 6
#define ROUNDS 100000

struct shared {
	struct ioasid_lock lock;
	bool exclude;
	unsigned long count;
};

static void *count_up(void *arg)
{
	struct shared *shared = arg;
	unsigned long seen;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		if (shared->exclude)
			ioasid_lock(&shared->lock);
		seen = *(volatile unsigned long *)&shared->count;
		if (i % 1000 == 0)
			sched_yield();
		*(volatile unsigned long *)&shared->count = seen + 1;
		if (shared->exclude)
			ioasid_unlock(&shared->lock);
	}
	return NULL;
}

static unsigned long run(bool exclude)
{
	struct shared shared = { .lock = IOASID_LOCK_INIT, .exclude = exclude };
	pthread_t thread[THREADS];

	for (unsigned int i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&thread[i], NULL, count_up, &shared), 0);
	for (unsigned int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
#ifdef IOASID_HAS_FUTEX
	/* Or every unlock from here on asks the system to wake nobody. */
	assert_int_equal(ioasid_load_relaxed(&shared.lock.waiters), 0);
#endif
	return shared.count;
}

static void excludes_with_fences(void **state)
{
	(void)state;
#ifdef IOASID_HAS_FUTEX
	assert_false(ioasid_load_relaxed(&ioasid_lock_asymmetric));
#endif
	assert_int_equal(run(true), THREADS * ROUNDS);
}

static void excludes_with_membarrier(void **state)
{
	(void)state;
	if (!ioasid_membarrier_enable())
		print_message("no membarrier(2): fences once more\n");
	assert_int_equal(run(true), THREADS * ROUNDS);
}

static void try_fails_while_held(void **state)
{
	struct ioasid_lock lock = IOASID_LOCK_INIT;

	(void)state;
	assert_true(ioasid_lock_try(&lock));
	assert_false(ioasid_lock_try(&lock));
	ioasid_unlock(&lock);
	assert_true(ioasid_lock_try(&lock));
	ioasid_unlock(&lock);
}

#ifndef __SANITIZE_THREAD__
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__
#endif
#endif
#endif

#ifndef __SANITIZE_THREAD__
/* The count does tell: without the lock some increments are lost. */
static void control_without_lock(void **state)
{
	unsigned int tries = 50;

	(void)state;
	while (tries-- && run(false) == THREADS * ROUNDS)
		;
	assert_true(tries != (unsigned int)-1);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(excludes_with_fences),
		cmocka_unit_test(excludes_with_membarrier),
		cmocka_unit_test(try_fails_while_held),
#ifndef __SANITIZE_THREAD__
		cmocka_unit_test(control_without_lock),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
