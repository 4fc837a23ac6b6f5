/* SPDX-License-Identifier: MIT */
#ifndef LINUX_IOASID_H
#define LINUX_IOASID_H

/*
 * The I/O address space ID allocator of Linux 6.1, the kernel's own code
 * built for user space, as a peer and an oracle. One ID space per process.
 *
 * A thread that looks IDs up while others free registers and calls
 * linux_ioasid_thread_quiescent() between lookups now and then, or goes
 * offline. One that frees does so best registered: while it is the only thread
 * online, grace periods cost it next to nothing. Errors of a lookup come as
 * pointers: (void *)(intptr_t)-ENOENT.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LINUX_IOASID_INVALID UINT32_MAX

/* Returns a set of its own address, for free(); NULL without memory. */
void *linux_ioasid_set_new(void);

/* Returns the lowest vacant ID in [min, max], else LINUX_IOASID_INVALID. */
uint32_t linux_ioasid_alloc(void *set, uint32_t min, uint32_t max, void *priv);

/* Takes an unknown ID without a word. */
void linux_ioasid_free(uint32_t id);

/*
 * Returns the private pointer, NULL where getter says no, or -ENOENT; -EACCES
 * when set is not NULL and the ID is of another.
 */
void *linux_ioasid_find(void *set, uint32_t id, bool (*getter)(void *priv));

/* Returns 0 after a grace period, or -ENOENT. */
int linux_ioasid_set_data(uint32_t id, void *priv);

/* The kernel's own structure, layout included. */
struct linux_ioasid_ops {
	uint32_t (*alloc)(uint32_t min, uint32_t max, void *pdata);
	void (*free)(uint32_t id, void *pdata);
	void *list[2]; /* the kernel's */
	void *pdata;
};

/* Returns 0, -EAGAIN while the default allocator has IDs, or -EEXIST. */
int linux_ioasid_register_allocator(struct linux_ioasid_ops *ops);
void linux_ioasid_unregister_allocator(struct linux_ioasid_ops *ops);

/* liburcu qsbr */
void linux_ioasid_thread_register(void);
void linux_ioasid_thread_unregister(void);
void linux_ioasid_thread_quiescent(void);
void linux_ioasid_thread_offline(void);
void linux_ioasid_thread_online(void);

/* Waits until everything freed so far is free. May wait for every reader. */
void linux_ioasid_barrier(void);

/*
 * Bytes of the objects in use: live IDs, tree nodes, and what waits for its
 * grace period.
 */
size_t linux_ioasid_bytes(void);

/* Bytes of all objects made, those ready for reuse included. */
size_t linux_ioasid_slab_bytes(void);

/*
 * Vacates all IDs of all allocators and gives the memory back; registered
 * allocators stay and are not told. No other thread may be using the
 * allocator; readers are offline or unregistered.
 */
void linux_ioasid_reset(void);

#ifdef __cplusplus
}
#endif

#endif
