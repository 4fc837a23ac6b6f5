/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "internal.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef __linux__
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

/* Below this a block is not worth a mapping of its own. */
#define RESERVE_MIN ((size_t)64 << 10)
#define HUGE_PAGE ((size_t)2 << 20)

static void *system_alloc(void *context, size_t size)
{
	(void)context;
	return malloc(size);
}

static void system_free(void *context, void *memory, size_t size)
{
	(void)context;
	(void)size;
	free(memory);
}

#ifdef __linux__
static void unmap(char *start, char *end)
{
	if (end > start)
		munmap(start, (size_t)(end - start));
}

static size_t mapped_size(size_t size)
{
	size_t page = size >= HUGE_PAGE ? HUGE_PAGE : 4096;

	return (size + page - 1) & ~(page - 1);
}

static void *system_reserve(void *context, size_t size)
{
	size_t align = size >= HUGE_PAGE ? HUGE_PAGE : 0;
	char *map, *start;

	(void)context;
	if (size > SIZE_MAX - 2 * HUGE_PAGE)
		return NULL;
	size = mapped_size(size);
	map = mmap(NULL, size + align, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return NULL;
	if (!align)
		return map;
	start = map + (-(uintptr_t)map & (HUGE_PAGE - 1));
	unmap(map, start);
	unmap(start + size, map + size + align);
#ifdef MADV_HUGEPAGE
	madvise(start, size, MADV_HUGEPAGE);
#endif
	return start;
}

static void system_release(void *context, void *memory, size_t size)
{
	(void)context;
	munmap(memory, mapped_size(size));
}

static size_t system_discard(void *context, void *memory, size_t size)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t start = ((uintptr_t)memory + page - 1) & -page;
	uintptr_t end = ((uintptr_t)memory + size) & -page;

	(void)context;
	if (end <= start || madvise((void *)start, end - start, MADV_DONTNEED))
		return 0;
	return end - start;
}
#else
#define system_reserve NULL
#define system_release NULL
#define system_discard NULL
#endif

int ioasid_memory_resolve(const struct ioasid_memory *hooks,
			  struct ioasid_memory *resolved)
{
	static const struct ioasid_memory system = {
		system_alloc,	system_free,	system_reserve,
		system_release, system_discard, NULL
	};

	if (!hooks->alloc != !hooks->free ||
	    !hooks->reserve != !hooks->release ||
	    (!hooks->alloc && hooks->reserve) ||
	    (!hooks->reserve && hooks->discard))
		return -EINVAL;
	*resolved = hooks->alloc ? *hooks : system;
	return 0;
}

void *ioasid_memory_zeroed(const struct ioasid_memory *memory, size_t size)
{
	size_t slack = IOASID_CACHE_LINE;
	char *block, *start;

	if (memory->reserve && size >= RESERVE_MIN)
		return memory->reserve(memory->context, size);
	block = memory->alloc(memory->context, size + slack);
	if (!block)
		return NULL;
	memset(block, 0, size + slack);
	start = block + slack - ((uintptr_t)block & (slack - 1));
	/* The distance to the block stands in the byte before the start. */
	start[-1] = (char)(start - block);
	return start;
}

void ioasid_memory_zeroed_free(const struct ioasid_memory *memory, void *block,
			       size_t size)
{
	char *start = block;

	if (memory->reserve && size >= RESERVE_MIN)
		memory->release(memory->context, block, size);
	else
		memory->free(memory->context, start - start[-1],
			     size + IOASID_CACHE_LINE);
}

size_t ioasid_memory_discard(const struct ioasid_memory *memory, size_t size,
			     void *part, size_t part_size)
{
	if (!memory->discard || size < RESERVE_MIN)
		return 0;
	return memory->discard(memory->context, part, part_size);
}

#ifdef __linux__
void ioasid_futex_wait(ioasid_atomic_u32 *word, uint32_t value, uint64_t ns)
{
	const struct timespec time = { (time_t)(ns / 1000000000u),
				       (long)(ns % 1000000000u) };

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, ns ? &time : NULL);
}

void ioasid_futex_wake(ioasid_atomic_u32 *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1);
}

/* Commands of membarrier(2); its header is younger than the call. */
#define MEMBARRIER_QUERY 0
#define MEMBARRIER_EXPEDITED (1 << 3)
#define MEMBARRIER_REGISTER_EXPEDITED (1 << 4)

static ioasid_atomic_u32 membarrier_state;

static long membarrier(int command)
{
#ifdef SYS_membarrier
	return syscall(SYS_membarrier, command, 0, 0);
#else
	(void)command;
	return -1;
#endif
}

bool ioasid_membarrier_available(void)
{
	uint32_t state = ioasid_load_acquire(&membarrier_state);
	long commands;

	if (!state) {
		commands = membarrier(MEMBARRIER_QUERY);
		state = commands > 0 && (commands & MEMBARRIER_EXPEDITED) &&
					!membarrier(
						MEMBARRIER_REGISTER_EXPEDITED) ?
				1 :
				2;
		ioasid_store_release(&membarrier_state, state);
		ioasid_store_release(&ioasid_lock_asymmetric, state == 1);
	}
	return state == 1;
}

bool ioasid_membarrier(void)
{
	return !membarrier(MEMBARRIER_EXPEDITED);
}

/* Whether a child is registered is nowhere written. */
static void membarrier_child(void)
{
	if (ioasid_load_relaxed(&membarrier_state) == 1)
		membarrier(MEMBARRIER_REGISTER_EXPEDITED);
}
#else
static void membarrier_child(void)
{
}

bool ioasid_membarrier_available(void)
{
	return false;
}

bool ioasid_membarrier(void)
{
	return false;
}
#endif

int ioasid_cancel_disable(void)
{
	int before;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	return before;
}

void ioasid_cancel_restore(int before)
{
	pthread_setcancelstate(before, &before);
}

void ioasid_backoff(unsigned int round)
{
	struct timespec pause = { 0, 0 };
	int cancel;

	if (round < 20) {
		sched_yield();
		return;
	}
	pause.tv_nsec = round < 200 ? 20000 : 500000;
	cancel = ioasid_cancel_disable();
	nanosleep(&pause, NULL);
	ioasid_cancel_restore(cancel);
}

uint64_t ioasid_mix(uint64_t number)
{
	number = (number ^ number >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	number = (number ^ number >> 27) * UINT64_C(0x94d049bb133111eb);
	return number ^ number >> 31;
}

uint64_t ioasid_random(const void *salt)
{
	struct timespec now;
	uint64_t number = 0;

#ifdef __linux__
	/* As a bare system call it is no point of cancellation. */
	if (syscall(SYS_getrandom, &number, sizeof(number), GRND_NONBLOCK) ==
	    (long)sizeof(number))
		return number;
#endif
	timespec_get(&now, TIME_UTC);
	return ioasid_mix((uint64_t)(uintptr_t)salt ^
			  (uint64_t)now.tv_nsec << 32 ^ (uint64_t)now.tv_sec);
}

static pthread_once_t exit_once = PTHREAD_ONCE_INIT;
static pthread_key_t exit_key;
static bool exit_key_made;

static void exit_destructor(void *value)
{
	((const struct ioasid_exit_hook *)value)->func();
}

static void exit_init(void)
{
	exit_key_made = !pthread_key_create(&exit_key, exit_destructor);
}

bool ioasid_at_thread_exit(const struct ioasid_exit_hook *hook)
{
	pthread_once(&exit_once, exit_init);
	return exit_key_made && !pthread_setspecific(exit_key, hook);
}

uint64_t ioasid_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

_Static_assert(sizeof(struct ioasid_signals) >= sizeof(sigset_t),
	       "room for a set of signals");

void ioasid_signals_block(struct ioasid_signals *before)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	memcpy(before, &old, sizeof(old));
}

void ioasid_signals_restore(const struct ioasid_signals *before)
{
	sigset_t old;

	memcpy(&old, before, sizeof(old));
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
static bool fork_ready;
static ioasid_atomic_ptr fork_hooks[IOASID_FORK_LAYERS];
/* Those that were prepared on this thread: more may come meanwhile. */
static IOASID_TLS const struct ioasid_fork_hook *prepared[IOASID_FORK_LAYERS];

static void fork_prepare(void)
{
	for (int i = IOASID_FORK_LAYERS; i--;) {
		prepared[i] = ioasid_load_acquire(&fork_hooks[i]);
		if (prepared[i])
			prepared[i]->prepare();
	}
}

static void fork_parent(void)
{
	for (int i = 0; i < IOASID_FORK_LAYERS; i++)
		if (prepared[i])
			prepared[i]->parent();
}

static void fork_child(void)
{
	membarrier_child();
	for (int i = 0; i < IOASID_FORK_LAYERS; i++)
		if (prepared[i])
			prepared[i]->child();
}

static void fork_init(void)
{
	fork_ready = !pthread_atfork(fork_prepare, fork_parent, fork_child);
}

bool ioasid_at_fork(enum ioasid_fork_layer layer,
		    const struct ioasid_fork_hook *hook)
{
	pthread_once(&fork_once, fork_init);
	if (fork_ready && !ioasid_load_relaxed(&fork_hooks[layer]))
		ioasid_store_release(&fork_hooks[layer],
				     (void *)(uintptr_t)hook);
	return fork_ready;
}

void ioasid_worker_init(struct ioasid_worker *worker,
			void (*func)(struct ioasid_worker *worker))
{
	pthread_condattr_t attributes;

	*worker = (struct ioasid_worker){ .func = func };
	pthread_mutex_init(&worker->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&worker->changed, &attributes);
	pthread_condattr_destroy(&attributes);
}

static void *worker_main(void *arg)
{
	struct ioasid_worker *worker = arg;

	worker->func(worker);
	return NULL;
}

bool ioasid_worker_wake(struct ioasid_worker *worker)
{
	struct ioasid_signals before;
	bool started;

	pthread_mutex_lock(&worker->mutex);
	worker->woken = true;
	if (!worker->started) {
		ioasid_signals_block(&before);
		worker->started = !pthread_create(&worker->thread, NULL,
						  worker_main, worker);
		ioasid_signals_restore(&before);
	}
	started = worker->started;
	pthread_cond_signal(&worker->changed);
	pthread_mutex_unlock(&worker->mutex);
	return started;
}

void ioasid_worker_sleep(struct ioasid_worker *worker, uint64_t ns)
{
	uint64_t end = ioasid_clock() + ns;
	struct timespec until = { .tv_sec = (time_t)(end / 1000000000u),
				  .tv_nsec = (long)(end % 1000000000u) };

	pthread_mutex_lock(&worker->mutex);
	while (!worker->woken && !worker->stopped) {
		if (!ns)
			pthread_cond_wait(&worker->changed, &worker->mutex);
		else if (pthread_cond_timedwait(&worker->changed,
						&worker->mutex, &until))
			break;
	}
	worker->woken = false;
	pthread_mutex_unlock(&worker->mutex);
}

bool ioasid_worker_child(struct ioasid_worker *worker)
{
	bool started = worker->started &&
		       pthread_equal(worker->thread, pthread_self());

	ioasid_worker_init(worker, worker->func);
	worker->started = started;
	return started;
}

bool ioasid_worker_stopped(struct ioasid_worker *worker)
{
	bool stopped;

	pthread_mutex_lock(&worker->mutex);
	stopped = worker->stopped;
	pthread_mutex_unlock(&worker->mutex);
	return stopped;
}

void ioasid_worker_stop(struct ioasid_worker *worker)
{
	int cancel = ioasid_cancel_disable();
	bool started;

	pthread_mutex_lock(&worker->mutex);
	worker->stopped = true;
	started = worker->started;
	pthread_cond_signal(&worker->changed);
	pthread_mutex_unlock(&worker->mutex);
	if (started)
		pthread_join(worker->thread, NULL);
	ioasid_cancel_restore(cancel);
	pthread_cond_destroy(&worker->changed);
	pthread_mutex_destroy(&worker->mutex);
}
