/* SPDX-License-Identifier: MIT */
#ifndef IOASID_PLATFORM_INTERNAL_H
#define IOASID_PLATFORM_INTERNAL_H

#include <ioasid/platform.h>

#include <pthread.h>

#include "lock.h"

#define ioasid_container_of(pointer, type, member) \
	((type *)(void *)((char *)(pointer) - offsetof(type, member)))

/*
 * Doubly linked lists through two members of their items, in the manner of
 * BSD's <sys/queue.h>, which is not everywhere.
 */
#define ioasid_list_insert(head, item, next, prev)       \
	do {                                             \
		(item)->next = *(head);                  \
		(item)->prev = (head);                   \
		if (*(head))                             \
			(*(head))->prev = &(item)->next; \
		*(head) = (item);                        \
	} while (0)

#define ioasid_list_remove(item, next, prev)               \
	do {                                               \
		*(item)->prev = (item)->next;              \
		if ((item)->next)                          \
			(item)->next->prev = (item)->prev; \
	} while (0)

/* Index of the lowest set bit; @word is not 0. */
static inline unsigned int ioasid_lowest_bit(uint64_t word)
{
	return (unsigned int)__builtin_ctzll(word);
}

/*
 * Fills @resolved with the user's hooks or the system's. -EINVAL: half given.
 */
int ioasid_memory_resolve(const struct ioasid_memory *hooks,
			  struct ioasid_memory *resolved);

/* Zeroed memory of any size; large blocks are reserved, not touched. */
void *ioasid_memory_zeroed(const struct ioasid_memory *memory, size_t size);
void ioasid_memory_zeroed_free(const struct ioasid_memory *memory, void *block,
			       size_t size);
/* Gives back a part of a block of @size; its bytes stay or become 0. */
size_t ioasid_memory_discard(const struct ioasid_memory *memory, size_t size,
			     void *part, size_t part_size);

/*
 * Keeps pthread_cancel() from ending the calling thread; what is to be given
 * back to end that.
 */
int ioasid_cancel_disable(void);
void ioasid_cancel_restore(int before);

/* Waits a little, longer with each @round; no point of cancellation. */
void ioasid_backoff(unsigned int round);

/* Spreads a number over 64 bits: the finalizer of Steele's SplitMix (2014). */
uint64_t ioasid_mix(uint64_t number);

/* A number nobody can guess. */
uint64_t ioasid_random(const void *salt);

/* Nanoseconds of a clock that only goes forward. */
uint64_t ioasid_clock(void);

struct ioasid_exit_hook {
	void (*func)(void);
};

/* Has @hook called at the exit of the calling thread; false: no memory. */
bool ioasid_at_thread_exit(const struct ioasid_exit_hook *hook);

/*
 * What each layer does around fork(): @prepare from the top layer down, the
 * others from the bottom up. In the child locks are made anew, as threads that
 * waited for them are gone.
 */
struct ioasid_fork_hook {
	void (*prepare)(void);
	void (*parent)(void);
	void (*child)(void);
};

enum ioasid_fork_layer {
	IOASID_FORK_RCU,
	IOASID_FORK_SPACE,
	IOASID_FORK_DEFAULT,
	IOASID_FORK_LAYERS,
};

/* Again for the same layer: nothing to do. False: no memory. */
bool ioasid_at_fork(enum ioasid_fork_layer layer,
		    const struct ioasid_fork_hook *hook);

/* A sigset_t, whose header wants feature macros. */
struct ioasid_signals {
	unsigned long mask[128 / sizeof(unsigned long)];
};

/* Keeps handlers of signals from running on the calling thread. */
void ioasid_signals_block(struct ioasid_signals *before);
void ioasid_signals_restore(const struct ioasid_signals *before);

/* A thread of the library's own, without signals. */
struct ioasid_worker {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool started, woken, stopped;
	void (*func)(struct ioasid_worker *worker);
};

void ioasid_worker_init(struct ioasid_worker *worker,
			void (*func)(struct ioasid_worker *worker));
/* Starts the thread if there is none; false: there can be none. */
bool ioasid_worker_wake(struct ioasid_worker *worker);
/* On the thread: sleeps until woken, or for some time if that is not 0. */
void ioasid_worker_sleep(struct ioasid_worker *worker, uint64_t ns);
/* On the thread. */
bool ioasid_worker_stopped(struct ioasid_worker *worker);
/* In a child of fork: is this its thread? If not, it is as after init. */
bool ioasid_worker_child(struct ioasid_worker *worker);
/* Has the thread end, and waits for it. */
void ioasid_worker_stop(struct ioasid_worker *worker);

#endif /* IOASID_PLATFORM_INTERNAL_H */
