/* SPDX-License-Identifier: MIT */
#ifndef IOASID_PLATFORM_SYSTEM_H
#define IOASID_PLATFORM_SYSTEM_H

/*
 * What the library asks of the system it runs on. One file beside for each says
 * how: linux.c what only Linux has, posix.c what all of POSIX has, windows.c,
 * and bare.c for a machine without an operating system. Only these tell one
 * system from another; the files above see what there is by IOASID_HAS_*.
 */

#include <ioasid/platform.h>

#if defined(IOASID_BARE)
#define IOASID_PLATFORM_BARE
#elif defined(_WIN32)
#define IOASID_PLATFORM_WINDOWS
#define IOASID_HAS_PAGES
#define IOASID_HAS_MEMBARRIER
#define IOASID_HAS_THREADS
#else
/* Linux is one of them. */
#define IOASID_PLATFORM_POSIX
#define IOASID_HAS_FORK
#define IOASID_HAS_PAGES
#define IOASID_HAS_SIGNALS
#define IOASID_HAS_THREADS
#if !defined(__ANDROID__) && !defined(IOASID_NO_CANCEL)
#define IOASID_HAS_CANCEL
#endif
#ifdef __linux__
#define IOASID_PLATFORM_LINUX
#define IOASID_HAS_FUTEX
#define IOASID_HAS_MEMBARRIER
#endif
#endif

#ifdef IOASID_PLATFORM_POSIX
#include <pthread.h>
#endif

#include "util.h"

IOASID_BEGIN_INTERNAL

/* --- what each system makes these of --- */

#if defined(IOASID_PLATFORM_POSIX)
struct ioasid_mutex {
	pthread_mutex_t mutex;
};
#define IOASID_MUTEX_INIT { PTHREAD_MUTEX_INITIALIZER }

struct ioasid_thread {
	pthread_t thread;
	pthread_cond_t changed;
};

/* A sigset_t, whose header wants feature macros. */
struct ioasid_signals {
	unsigned long mask[128 / sizeof(unsigned long)];
};
#elif defined(IOASID_PLATFORM_WINDOWS)
/* Without <windows.h>, whose macros would be everywhere. */
struct ioasid_mutex {
	void *srwlock;
};
#define IOASID_MUTEX_INIT { NULL }

struct ioasid_thread {
	void *handle, *changed;
};
#else
struct ioasid_mutex {
	char none;
};
#define IOASID_MUTEX_INIT { 0 }

struct ioasid_thread {
	char none;
};
#endif

#ifdef IOASID_HAS_PAGES
/*
 * Zeroed, touched lazily, if @huge in huge pages where the system has them;
 * NULL: there are none. Released with the same two.
 */
void *ioasid_pages_reserve(size_t size, bool huge);
void ioasid_pages_release(void *pages, size_t size, bool huge);
/*
 * Gives back what lies whole in a part, whose bytes stay or are 0 for good; the
 * number of bytes.
 */
size_t ioasid_pages_discard(void *part, size_t size);
#endif

#ifdef IOASID_HAS_FUTEX
/*
 * Sleeps while @word is @value, or for some time if @ns is not 0; false: it
 * cannot, as where a filter forbids the call.
 */
bool ioasid_futex_wait(ioasid_atomic_u32 *word, uint32_t value, uint64_t ns);
/* Wakes one. */
void ioasid_futex_wake(ioasid_atomic_u32 *word);
#endif

/* A lock between threads; never taken again by the one that has it. */
#ifdef IOASID_HAS_THREADS
void ioasid_mutex_init(struct ioasid_mutex *mutex);
void ioasid_mutex_destroy(struct ioasid_mutex *mutex);
void ioasid_mutex_lock(struct ioasid_mutex *mutex);
bool ioasid_mutex_try(struct ioasid_mutex *mutex);
void ioasid_mutex_unlock(struct ioasid_mutex *mutex);
#else
static inline void ioasid_mutex_init(struct ioasid_mutex *mutex)
{
	mutex->none = 0;
}

static inline void ioasid_mutex_destroy(struct ioasid_mutex *mutex)
{
	(void)mutex;
}

static inline void ioasid_mutex_lock(struct ioasid_mutex *mutex)
{
	(void)mutex;
}

static inline bool ioasid_mutex_try(struct ioasid_mutex *mutex)
{
	(void)mutex;
	return true;
}

static inline void ioasid_mutex_unlock(struct ioasid_mutex *mutex)
{
	(void)mutex;
}
#endif

/*
 * membarrier(2): a full barrier on every running thread of the process. The
 * process registers for it once; a registration that gets lost (a checkpoint
 * may not keep it) is made again. False: not to be had, or not just now.
 */
#ifdef IOASID_HAS_MEMBARRIER
bool ioasid_membarrier_register(void);
bool ioasid_membarrier(void);
#else
static inline bool ioasid_membarrier_register(void)
{
	return false;
}

static inline bool ioasid_membarrier(void)
{
	return false;
}
#endif

/*
 * Keeps pthread_cancel() from ending the calling thread; what is to be given
 * back to end that.
 */
#ifdef IOASID_HAS_CANCEL
int ioasid_cancel_disable(void);
void ioasid_cancel_restore(int before);
#else
static inline int ioasid_cancel_disable(void)
{
	return 0;
}

static inline void ioasid_cancel_restore(int before)
{
	(void)before;
}
#endif

/* Waits a little, longer with each @round; no point of cancellation. */
void ioasid_backoff(unsigned int round);

/* Bytes of the system's that nobody can guess; false: none just now. */
bool ioasid_entropy(uint64_t *number);
/* A number nobody can guess, or, without those, one few can. */
uint64_t ioasid_random(const void *salt);

/* Nanoseconds of a clock that only goes forward. */
uint64_t ioasid_clock(void);

struct ioasid_exit_hook {
	void (*func)(void);
};

/*
 * Has @hook called at the exit of the calling thread. May call malloc(), and
 * that the library. False: no memory, or a call of this function is under way on
 * this thread.
 */
bool ioasid_at_thread_exit(const struct ioasid_exit_hook *hook);

/*
 * What each layer does around fork(): @prepare from the top layer down, the
 * others from the bottom up, all of them on one thread at a time but for
 * ioasid_fork_wait(). A fork may lie inside another, and @child run twice.
 * @unload, if there is one, runs where the process goes on without the library.
 */
struct ioasid_fork_hook {
	void (*prepare)(void);
	void (*parent)(void);
	void (*child)(void);
	void (*unload)(void);
};

enum ioasid_fork_layer {
	IOASID_FORK_RCU,
	IOASID_FORK_SPACE,
	IOASID_FORK_DEFAULT,
	IOASID_FORK_LAYERS,
};

#ifdef IOASID_HAS_FORK
/* Again for the same layer: nothing to do. False: no memory. */
bool ioasid_at_fork(enum ioasid_fork_layer layer,
		    const struct ioasid_fork_hook *hook);
/* Is the calling thread between the end of prepare and that of the others? */
bool ioasid_forking(void);
/* In prepare: waits a little, longer with each @round, and lets others fork. */
void ioasid_fork_wait(unsigned int round);
#else
static inline bool ioasid_at_fork(enum ioasid_fork_layer layer,
				  const struct ioasid_fork_hook *hook)
{
	(void)layer;
	(void)hook;
	return true;
}

static inline bool ioasid_forking(void)
{
	return false;
}

static inline void ioasid_fork_wait(unsigned int round)
{
	(void)round;
}
#endif

/*
 * Keeps handlers of signals from running on the calling thread, but for those
 * that a thread sends itself by what it does: a hook that runs meanwhile may
 * need SIGSEGV, and a program wants to hear of its faults.
 */
#ifdef IOASID_HAS_SIGNALS
void ioasid_signals_block(struct ioasid_signals *before);
void ioasid_signals_restore(const struct ioasid_signals *before);
#else
struct ioasid_signals {
	char none;
};

static inline void ioasid_signals_block(struct ioasid_signals *before)
{
	before->none = 0;
}

static inline void ioasid_signals_restore(const struct ioasid_signals *before)
{
	(void)before;
}
#endif

/* A thread of the library's own, without signals; see above which. */
struct ioasid_worker {
	struct ioasid_thread thread;
	struct ioasid_mutex mutex;
	bool started, woken, stopped;
	void (*func)(struct ioasid_worker *worker);
};

void ioasid_worker_init(struct ioasid_worker *worker,
			void (*func)(struct ioasid_worker *worker));
/*
 * Starts the thread if there is none; false: there can be none, or not just now,
 * as inside of fork().
 */
bool ioasid_worker_wake(struct ioasid_worker *worker);
/* On the thread: sleeps until woken, or for some time if that is not 0. */
void ioasid_worker_sleep(struct ioasid_worker *worker, uint64_t ns);
/* On the thread. */
bool ioasid_worker_stopped(struct ioasid_worker *worker);
/* In a child of fork: is this its thread? If not, it is as after init. */
bool ioasid_worker_child(struct ioasid_worker *worker);
/* Has the thread end, and waits for it. */
void ioasid_worker_stop(struct ioasid_worker *worker);

IOASID_END_INTERNAL

#endif /* IOASID_PLATFORM_SYSTEM_H */
