/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "system.h"

#ifdef IOASID_PLATFORM_BARE
#include "util.h"

#ifdef __wasi__
#include <time.h>
#include <unistd.h>
#endif

void ioasid_backoff(unsigned int round)
{
	(void)round;
	ioasid_compiler_barrier();
}

bool ioasid_entropy(uint64_t *number)
{
#ifdef __wasi__
	return !getentropy(number, sizeof(*number));
#else
	(void)number;
	return false;
#endif
}

uint64_t ioasid_random(const void *salt)
{
	static uint32_t calls;
	uint64_t number;

	if (ioasid_entropy(&number))
		return number;
	return ioasid_mix((uint64_t)(uintptr_t)salt << 32 ^ calls++);
}

/* Without a clock time stands still. */
uint64_t ioasid_clock(void)
{
#ifdef __wasi__
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
#else
	return 0;
#endif
}

/* The one thread does not end. */
bool ioasid_at_thread_exit(const struct ioasid_exit_hook *hook)
{
	(void)hook;
	return true;
}

void ioasid_worker_init(struct ioasid_worker *worker,
			void (*func)(struct ioasid_worker *worker))
{
	*worker = (struct ioasid_worker){ .func = func };
}

bool ioasid_worker_wake(struct ioasid_worker *worker)
{
	(void)worker;
	return false;
}

void ioasid_worker_sleep(struct ioasid_worker *worker, uint64_t ns)
{
	(void)worker;
	(void)ns;
}

bool ioasid_worker_stopped(struct ioasid_worker *worker)
{
	(void)worker;
	return true;
}

bool ioasid_worker_child(struct ioasid_worker *worker)
{
	(void)worker;
	return false;
}

void ioasid_worker_stop(struct ioasid_worker *worker)
{
	(void)worker;
}
#else
/* ISO C wants something in every file. */
typedef int ioasid_not_bare;
#endif
