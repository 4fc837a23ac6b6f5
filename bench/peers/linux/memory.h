/* SPDX-License-Identifier: MIT */
#ifndef LINUX_IOASID_MEMORY_H
#define LINUX_IOASID_MEMORY_H

/*
 * The kernel's slab and deferred freeing, for the two kinds of object that
 * ioasid.c and xarray.c allocate. Included by the shims and by C files that
 * know nothing of the kernel.
 */

#include <stddef.h>

/* The kernel's struct rcu_head. A free object is linked through its own. */
struct linux_shim_link {
	struct linux_shim_link *next;
	union {
		void (*func)(struct linux_shim_link *link);
		struct linux_shim_link *batch;
	};
};

/* linux_ioasid.c checks these against the kernel's structures. */
enum {
	LINUX_SHIM_SMALL_SIZE = 40,
	LINUX_SHIM_SMALL_LINK = 24,
	LINUX_SHIM_NODE_SIZE = 576,
	LINUX_SHIM_NODE_LINK = 24,
	LINUX_SHIM_LARGE_LINK = 64,
};

/*
 * Free objects that one thread or one lock owns. Those of a thread that ends
 * without linux_ioasid_thread_unregister() are lost until the next release.
 */
struct linux_shim_list {
	struct linux_shim_link *head;
	unsigned long epoch;
};

struct linux_shim_cache;

extern struct linux_shim_cache linux_shim_small;
extern struct linux_shim_cache linux_shim_nodes;

/* Lists of an earlier epoch are void. */
extern unsigned long linux_shim_epoch;

extern __thread struct linux_shim_list linux_shim_local
	__attribute__((tls_model("initial-exec")));

/* Fills an empty list. Returns its head, NULL when there is no memory. */
struct linux_shim_link *linux_shim_refill(struct linux_shim_cache *cache,
					  struct linux_shim_list *list);

/* Nodes taken, counted under the lock of ioasid.c. */
extern size_t linux_shim_nodes_taken;

/* Hands a chain back to the cache, from any thread. */
void linux_shim_give(struct linux_shim_cache *cache,
		     struct linux_shim_link *chain);

/* Unmaps all objects of both caches. Nothing may be in use any more. */
void linux_shim_release(void);

/* Bytes of the objects both caches have made so far, free ones included. */
size_t linux_shim_slab_bytes(void);

/* Returns an object whose bytes but the link are as they were when freed. */
static inline void *linux_shim_take(struct linux_shim_cache *cache,
				    struct linux_shim_list *list, size_t offset)
{
	struct linux_shim_link *link = list->head;

	if (__builtin_expect(!link || list->epoch != linux_shim_epoch, 0)) {
		link = linux_shim_refill(cache, list);
		if (!link)
			return NULL;
	}
	list->head = link->next;
	return (char *)link - offset;
}

static inline void linux_shim_drop(struct linux_shim_list *list, void *object,
				   size_t offset)
{
	struct linux_shim_link *link = (void *)((char *)object + offset);

	link->next = list->head;
	list->head = link;
}

struct linux_shim_chain {
	struct linux_shim_link *head;
	size_t count;
};

/* To be freed after a grace period; protected by the lock of ioasid.c. */
struct linux_shim_pending {
	struct linux_shim_chain objects; /* of linux_shim_small */
	struct linux_shim_chain calls;
};

enum { LINUX_SHIM_BATCH = 512 };

extern struct linux_shim_pending linux_shim_pending;

/* Starts a grace period for what is pending, without waiting for it. */
void linux_shim_hand_over(void);

static inline void linux_shim_defer(struct linux_shim_chain *chain,
				    struct linux_shim_link *link)
{
	link->next = chain->head;
	chain->head = link;
	if (__builtin_expect(++chain->count >= LINUX_SHIM_BATCH, 0))
		linux_shim_hand_over();
}

void linux_shim_synchronize(void);

/* Waits until all that was handed over is free. */
void linux_shim_barrier(void);

/* Objects of linux_shim_small on their way. Call with the lock held. */
size_t linux_shim_deferred(void);

#endif
