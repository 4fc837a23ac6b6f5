/* SPDX-License-Identifier: MIT */

/* What the library asks of the system, on virtual threads. */

#include "fuzz/concurrent/sched.h"

#include "core/platform/lock.h"
#include "core/platform/system.h"

#include <stdlib.h>
#include <string.h>

bool vt_membarrier;

bool ioasid_membarrier_register(void)
{
	return vt_membarrier;
}

bool ioasid_membarrier(void)
{
	vt_point("ioasid_membarrier");
	return vt_membarrier && !vt_trouble(VT_NO_BARRIER);
}

bool ioasid_futex_wait(ioasid_atomic_u32 *word, uint32_t value, uint64_t ns)
{
	vt_point("ioasid_futex_wait");
	if (word->v == value && !vt_trouble(VT_WOKEN))
		vt_wait(word, ns != 0);
	return true;
}

void ioasid_futex_wake(ioasid_atomic_u32 *word)
{
	vt_point("ioasid_futex_wake");
	vt_wake(word, false);
}

void ioasid_backoff(unsigned int round)
{
	(void)round;
	vt_point("ioasid_backoff");
	vt_yield();
}

void *ioasid_pages_reserve(size_t size, bool huge)
{
	(void)huge;
	return calloc(1, size);
}

void ioasid_pages_release(void *pages, size_t size, bool huge)
{
	(void)size;
	(void)huge;
	free(pages);
}

size_t ioasid_pages_discard(void *part, size_t size)
{
	(void)part;
	(void)size;
	return 0;
}

int ioasid_cancel_disable(void)
{
	return 0;
}

void ioasid_cancel_restore(int before)
{
	(void)before;
}

bool ioasid_entropy(uint64_t *number)
{
	*number = 1;
	return true;
}

uint64_t ioasid_random(const void *salt)
{
	(void)salt;
	return 1;
}

uint64_t ioasid_clock(void)
{
	return vt_time();
}

bool ioasid_at_thread_exit(const struct ioasid_exit_hook *hook)
{
	vt_at_exit(hook);
	return true;
}

bool ioasid_at_fork(enum ioasid_fork_layer layer,
		    const struct ioasid_fork_hook *hook)
{
	(void)layer;
	(void)hook;
	return true;
}

bool ioasid_forking(void)
{
	return false;
}

void ioasid_fork_wait(unsigned int round)
{
	ioasid_backoff(round);
}

void ioasid_signals_block(struct ioasid_signals *before)
{
	memset(before, 0, sizeof(*before));
}

void ioasid_signals_restore(const struct ioasid_signals *before)
{
	(void)before;
}

/* --- the one thread of the library's own --- */

static void run_worker(void *arg)
{
	struct ioasid_worker *worker = arg;

	worker->func(worker);
}

void ioasid_worker_init(struct ioasid_worker *worker,
			void (*func)(struct ioasid_worker *worker))
{
	worker->started = worker->woken = worker->stopped = false;
	worker->func = func;
}

bool ioasid_worker_wake(struct ioasid_worker *worker)
{
	vt_point("ioasid_worker_wake");
	worker->woken = true;
	if (!worker->started)
		vt_spawn(VT_WORKER, run_worker, worker);
	worker->started = true;
	vt_wake(worker, true);
	return true;
}

void ioasid_worker_sleep(struct ioasid_worker *worker, uint64_t ns)
{
	vt_point("ioasid_worker_sleep");
	if (!worker->woken && !worker->stopped)
		vt_wait(worker, ns != 0);
	worker->woken = false;
}

bool ioasid_worker_stopped(struct ioasid_worker *worker)
{
	vt_point("ioasid_worker_stopped");
	return worker->stopped;
}

bool ioasid_worker_child(struct ioasid_worker *worker)
{
	(void)worker;
	return true;
}

void ioasid_worker_stop(struct ioasid_worker *worker)
{
	vt_point("ioasid_worker_stop");
	worker->stopped = true;
	vt_wake(worker, true);
	if (worker->started)
		vt_await_worker();
}
