/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "system.h"

#ifdef IOASID_PLATFORM_POSIX
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "util.h"

/*
 * The key of the exit hook is this one or the next that is free. glibc takes
 * memory for later ones in each thread, which a signal handler must not.
 */
#ifdef __GLIBC__
#define HIGH_KEY 31
#elif defined(PTHREAD_KEYS_MAX)
#define HIGH_KEY (PTHREAD_KEYS_MAX - 1)
#else
#define HIGH_KEY 127
#endif

#if defined(__APPLE__) || defined(__ANDROID__) || defined(__FreeBSD__) || \
	defined(__NetBSD__) || defined(__OpenBSD__) || defined(__DragonFly__)
#define HAS_ARC4RANDOM
#endif

/*
 * The clock of a wait. Where it can only be the one that people set, one who
 * sets it back has the library's thread sleep longer, until it is woken.
 */
#if defined(__APPLE__) || defined(IOASID_NO_CONDITION_CLOCK)
#define CONDITION_CLOCK CLOCK_REALTIME
#else
#define CONDITION_CLOCK CLOCK_MONOTONIC
#endif

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void ioasid_mutex_init(struct ioasid_mutex *mutex)
{
	pthread_mutex_init(&mutex->mutex, NULL);
}

void ioasid_mutex_destroy(struct ioasid_mutex *mutex)
{
	pthread_mutex_destroy(&mutex->mutex);
}

void ioasid_mutex_lock(struct ioasid_mutex *mutex)
{
	pthread_mutex_lock(&mutex->mutex);
}

bool ioasid_mutex_try(struct ioasid_mutex *mutex)
{
	return !pthread_mutex_trylock(&mutex->mutex);
}

void ioasid_mutex_unlock(struct ioasid_mutex *mutex)
{
	pthread_mutex_unlock(&mutex->mutex);
}

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif
#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

#define HUGE_PAGE ((size_t)2 << 20)

static void unmap(char *start, char *end)
{
	if (end > start)
		munmap(start, (size_t)(end - start));
}

/* Of less than one huge page none can be made. */
static size_t mapped_size(size_t size, bool huge)
{
	return huge && size >= HUGE_PAGE ?
		       (size + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1) :
		       size;
}

void *ioasid_pages_reserve(size_t size, bool huge)
{
	size_t align = huge && size >= HUGE_PAGE ? HUGE_PAGE : 0;
	char *map, *start;

	if (size > SIZE_MAX - 2 * HUGE_PAGE)
		return NULL;
	size = mapped_size(size, huge);
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

void ioasid_pages_release(void *pages, size_t size, bool huge)
{
	munmap(pages, mapped_size(size, huge));
}

#ifdef MADV_DONTNEED
/*
 * Linux drops the pages and reads zeroes from then on. Elsewhere the advice is
 * about swapping: the bytes stay, and nothing is given back. (MADV_FREE drops
 * pages at a time of its own; a new mapping in the old one's place may fail and
 * leave a hole. Readers can live with neither.) An emulator of Linux may do
 * either, so it is tried.
 */
static bool dontneed_drops(size_t page)
{
	enum { UNKNOWN, DROPS, STAYS };
	static ioasid_atomic_u32 known;
	uint32_t found = ioasid_load_relaxed(&known);
	volatile char *byte;
	void *probe;

	if (found != UNKNOWN)
		return found == DROPS;
	probe = ioasid_pages_reserve(page, false);
	if (!probe)
		return false;
	byte = probe;
	*byte = 1;
	found = !madvise(probe, page, MADV_DONTNEED) && !*byte ? DROPS : STAYS;
	ioasid_pages_release(probe, page, false);
	ioasid_store_relaxed(&known, found);
	return found == DROPS;
}

size_t ioasid_pages_discard(void *part, size_t size)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t start = ((uintptr_t)part + page - 1) & -page;
	uintptr_t end = ((uintptr_t)part + size) & -page;

	if (end <= start || !dontneed_drops(page) ||
	    madvise((void *)start, end - start, MADV_DONTNEED))
		return 0;
	return end - start;
}
#else
size_t ioasid_pages_discard(void *part, size_t size)
{
	(void)part;
	(void)size;
	return 0;
}
#endif

#ifdef IOASID_HAS_CANCEL
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
#endif

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

#ifndef IOASID_PLATFORM_LINUX
bool ioasid_entropy(uint64_t *number)
{
#ifdef HAS_ARC4RANDOM
	arc4random_buf(number, sizeof(*number));
	return true;
#else
	(void)number;
	return false;
#endif
}
#endif

/* What is left where there is no call for it, or a filter forbids that. */
static bool read_device(uint64_t *number)
{
	int cancel = ioasid_cancel_disable();
	int device = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	ssize_t got = -1;

	if (device >= 0) {
		got = read(device, number, sizeof(*number));
		close(device);
	}
	ioasid_cancel_restore(cancel);
	return got == (ssize_t)sizeof(*number);
}

uint64_t ioasid_random(const void *salt)
{
	uint64_t number = 0;

	if (ioasid_entropy(&number) || read_device(&number))
		return number;
	return ioasid_mix((uint64_t)(uintptr_t)salt ^ clock_ns(CLOCK_REALTIME)
							      << 20);
}

/* The key and 1, or 0: not made. */
static ioasid_atomic_u32 exit_key;

static void exit_destructor(void *value)
{
	((const struct ioasid_exit_hook *)value)->func();
}

/*
 * C libraries call destructors in the order of their keys, and hand out the
 * lowest that is free, or the next. So one from far up has its turn after those
 * of the program: what uses the library first in the last round of a thread's
 * destructors is still followed by this one.
 */
static bool key_create(pthread_key_t *key)
{
	pthread_key_t made[HIGH_KEY + 1];
	unsigned int count = 0;

	while (count <= HIGH_KEY &&
	       !pthread_key_create(&made[count], exit_destructor))
		if (made[count++] >= HIGH_KEY)
			break;
	if (!count)
		return false;
	*key = made[--count];
	while (count)
		pthread_key_delete(made[--count]);
	return true;
}

/* 0: no memory. Several threads may come at once, or a handler in between. */
static uint32_t exit_key_make(void)
{
	uint32_t known = ioasid_load_acquire(&exit_key), made;
	pthread_key_t key;

	if (known || !key_create(&key))
		return known;
	made = (uint32_t)key + 1;
	if (ioasid_cas_acq_rel(&exit_key, &known, made))
		return made;
	pthread_key_delete(key);
	return known;
}

bool ioasid_at_thread_exit(const struct ioasid_exit_hook *hook)
{
	static IOASID_TLS bool under_way;
	uint32_t key;
	bool done;

	if (under_way)
		return false;
	under_way = true;
	ioasid_compiler_barrier();
	key = exit_key_make();
	done = key && !pthread_setspecific((pthread_key_t)(key - 1), hook);
	ioasid_compiler_barrier();
	under_way = false;
	return done;
}

uint64_t ioasid_clock(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

_Static_assert(sizeof(struct ioasid_signals) >= sizeof(sigset_t),
	       "room for a set of signals");

void ioasid_signals_block(struct ioasid_signals *before)
{
	static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL,
				   SIGTRAP, SIGSYS, SIGABRT };
	sigset_t most, old;

	sigfillset(&most);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		sigdelset(&most, own[i]);
	/* Blocked they stay as they are. */
	pthread_sigmask(SIG_BLOCK, &most, &old);
	memcpy(before, &old, sizeof(old));
}

void ioasid_signals_restore(const struct ioasid_signals *before)
{
	sigset_t old;

	memcpy(&old, before, sizeof(old));
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static ioasid_atomic_u32 fork_registered;
static ioasid_atomic_ptr fork_hooks[IOASID_FORK_LAYERS];
/* Held by the thread that forks, from prepare on. */
static pthread_mutex_t fork_mutex = PTHREAD_MUTEX_INITIALIZER;
/* Forks that the thread is inside of. */
static IOASID_TLS unsigned int forking;
/* Those that were prepared on this thread: more may come meanwhile. */
static IOASID_TLS const struct ioasid_fork_hook *prepared[IOASID_FORK_LAYERS];

static void fork_undo(void)
{
	for (int i = 0; i < IOASID_FORK_LAYERS; i++)
		if (prepared[i])
			prepared[i]->parent();
}

/* Are all that are there prepared? More may come while a lock is waited for. */
static bool fork_try_prepare(void)
{
	for (int i = IOASID_FORK_LAYERS; i--;) {
		prepared[i] = ioasid_load_acquire(&fork_hooks[i]);
		if (prepared[i])
			prepared[i]->prepare();
	}
	for (int i = 0; i < IOASID_FORK_LAYERS; i++)
		if (!prepared[i] && ioasid_load_relaxed(&fork_hooks[i]))
			return false;
	return true;
}

static void fork_prepare(void)
{
	if (!forking)
		pthread_mutex_lock(&fork_mutex);
	while (!fork_try_prepare())
		fork_undo();
	forking++;
}

/* Registered in a handler, with musl these are called without the one before. */
static void fork_parent(void)
{
	if (!forking)
		return;
	fork_undo();
	if (!--forking)
		pthread_mutex_unlock(&fork_mutex);
}

static void fork_child(void)
{
	if (!forking)
		return;
	for (int i = 0; i < IOASID_FORK_LAYERS; i++)
		if (prepared[i])
			prepared[i]->child();
	pthread_mutex_init(&fork_mutex, NULL);
	if (--forking)
		pthread_mutex_lock(&fork_mutex);
}

bool ioasid_forking(void)
{
	return forking != 0;
}

void ioasid_fork_wait(unsigned int round)
{
	pthread_mutex_unlock(&fork_mutex);
	ioasid_backoff(round);
	pthread_mutex_lock(&fork_mutex);
}

/*
 * Code that can be unloaded: no thread may come back to it at its end. But when
 * the process exits other threads still need that. Handlers of atexit() run
 * before any destructor then, and between an object's destructors when that
 * object alone goes: after those of no priority.
 */
#if defined(__PIC__) && !defined(__PIE__)
static bool exits, unloads;

static void note_exit(void)
{
	exits = !unloads;
}

static bool hear_of_exit(void)
{
	return !atexit(note_exit);
}

__attribute__((destructor)) static void note_unload(void)
{
	unloads = true;
}

/* Last of all, as others' destructors may use the library. */
__attribute__((destructor(101))) static void unload(void)
{
	const struct ioasid_fork_hook *hook;
	uint32_t key = ioasid_load_relaxed(&exit_key);

	if (exits || !ioasid_load_relaxed(&fork_registered))
		return;
	for (int i = IOASID_FORK_LAYERS; i--;) {
		hook = ioasid_load_acquire(&fork_hooks[i]);
		if (hook && hook->unload)
			hook->unload();
	}
	if (key)
		pthread_key_delete((pthread_key_t)(key - 1));
}
#else
static bool hear_of_exit(void)
{
	return true;
}
#endif

bool ioasid_at_fork(enum ioasid_fork_layer layer,
		    const struct ioasid_fork_hook *hook)
{
	/*
	 * Without a lock, which a child of fork could find taken. Threads that
	 * come at once register twice: the one fork is then inside the other.
	 */
	if (!ioasid_load_acquire(&fork_registered)) {
		if (pthread_atfork(fork_prepare, fork_parent, fork_child) ||
		    !hear_of_exit())
			return false;
		ioasid_store_release(&fork_registered, 1);
	}
	if (ioasid_load_relaxed(&fork_hooks[layer]))
		return true;
	/*
	 * Not while another thread forks without the layer's locks: the child
	 * would find them as this thread leaves them. Where it is this one that
	 * forks, the locks are the fork's before others see the layer: one that
	 * had a lock of it would wait for those the fork has already, and the
	 * fork for that one.
	 */
	if (forking) {
		prepared[layer] = hook;
		hook->prepare();
	} else {
		pthread_mutex_lock(&fork_mutex);
	}
	ioasid_store_release(&fork_hooks[layer], (void *)(uintptr_t)hook);
	if (!forking)
		pthread_mutex_unlock(&fork_mutex);
	return true;
}

void ioasid_worker_init(struct ioasid_worker *worker,
			void (*func)(struct ioasid_worker *worker))
{
	pthread_condattr_t attributes;

	*worker = (struct ioasid_worker){ .func = func };
	ioasid_mutex_init(&worker->mutex);
	pthread_condattr_init(&attributes);
#if !defined(__APPLE__) && !defined(IOASID_NO_CONDITION_CLOCK)
	pthread_condattr_setclock(&attributes, CONDITION_CLOCK);
#endif
	pthread_cond_init(&worker->thread.changed, &attributes);
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

	/* The mutex may be held by a thread that the child does not have. */
	if (ioasid_forking())
		return false;
	ioasid_mutex_lock(&worker->mutex);
	worker->woken = true;
	if (!worker->started) {
		ioasid_signals_block(&before);
		worker->started = !pthread_create(&worker->thread.thread, NULL,
						  worker_main, worker);
		ioasid_signals_restore(&before);
	}
	started = worker->started;
	pthread_cond_signal(&worker->thread.changed);
	ioasid_mutex_unlock(&worker->mutex);
	return started;
}

void ioasid_worker_sleep(struct ioasid_worker *worker, uint64_t ns)
{
	uint64_t end = clock_ns(CONDITION_CLOCK) + ns;
	struct timespec until = { .tv_sec = (time_t)(end / 1000000000u),
				  .tv_nsec = (long)(end % 1000000000u) };

	ioasid_mutex_lock(&worker->mutex);
	while (!worker->woken && !worker->stopped) {
		if (!ns)
			pthread_cond_wait(&worker->thread.changed,
					  &worker->mutex.mutex);
		else if (pthread_cond_timedwait(&worker->thread.changed,
						&worker->mutex.mutex, &until))
			break;
	}
	worker->woken = false;
	ioasid_mutex_unlock(&worker->mutex);
}

bool ioasid_worker_child(struct ioasid_worker *worker)
{
	bool started = worker->started &&
		       pthread_equal(worker->thread.thread, pthread_self());

	ioasid_worker_init(worker, worker->func);
	worker->started = started;
	return started;
}

bool ioasid_worker_stopped(struct ioasid_worker *worker)
{
	bool stopped;

	ioasid_mutex_lock(&worker->mutex);
	stopped = worker->stopped;
	ioasid_mutex_unlock(&worker->mutex);
	return stopped;
}

void ioasid_worker_stop(struct ioasid_worker *worker)
{
	int cancel = ioasid_cancel_disable();
	bool started;

	ioasid_mutex_lock(&worker->mutex);
	worker->stopped = true;
	started = worker->started;
	pthread_cond_signal(&worker->thread.changed);
	ioasid_mutex_unlock(&worker->mutex);
	if (started)
		pthread_join(worker->thread.thread, NULL);
	ioasid_cancel_restore(cancel);
	pthread_cond_destroy(&worker->thread.changed);
	ioasid_mutex_destroy(&worker->mutex);
}
#else
/* ISO C wants something in every file. */
typedef int ioasid_not_posix;
#endif
