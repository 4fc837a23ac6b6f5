/* SPDX-License-Identifier: MIT */
#ifndef IOASID_ALLOCATOR_H
#define IOASID_ALLOCATOR_H

/*
 * Allocators: callbacks that choose IDs in place of the space, such as a guest
 * that asks its host. The first registered is active; when it goes the next is,
 * and after the last the space chooses again. Those with the same two functions
 * hand out from one source and stand in for each other: where one has no ID the
 * next is asked, and what one gave is handed back to it, or once it is
 * unregistered to the first that is left.
 */

#include <ioasid/space.h>

#ifndef IOASID_NO_ALLOCATORS
IOASID_BEGIN_DECLS

/** ioasid_alloc_fn_t - an ID in [@min, @max], or INVALID_IOASID for none */
typedef ioasid_t (*ioasid_alloc_fn_t)(ioasid_t min, ioasid_t max, void *data);
/** ioasid_free_fn_t - takes back an ID the other gave */
typedef void (*ioasid_free_fn_t)(ioasid_t ioasid, void *data);

/**
 * struct ioasid_allocator_ops - where IDs come from
 * @alloc:   called by alloc
 * @free:    called when the last reference to an ID is dropped; and for one that
 *           alloc could not take, see below, which lookups do not know
 * @pdata:   last argument of both
 * @release: see ioasid_space_unregister_allocator(); optional
 *
 * Of one space at most one callback runs at a time, with no lock of the
 * library's that a lookup takes. Callbacks may call every lookup, get and
 * exchange_data; free and put of an ID of an allocator hand it back once the
 * callback has returned; alloc and what waits for a grace period are refused
 * with -EDEADLK, and so they are for notifiers told of what callbacks do. A wait
 * for another domain, for a thread that allocates or frees, or in two spaces for
 * each other's callbacks, is the user's to avoid. In
 * @free an ID whose last reference was dropped in the same call that ended its
 * life is still found, but where a notifier is registered; one that was pending
 * is not. Callbacks must return: no longjmp, no exception, no end of their
 * thread, which cannot be cancelled there. @release is a callback like the
 * others.
 */
struct ioasid_allocator_ops {
	ioasid_alloc_fn_t alloc;
	ioasid_free_fn_t free;
	void *pdata;
	void (*release)(struct ioasid_allocator_ops *ops);
};

/**
 * enum ioasid_unregister - what if an allocator has IDs in use
 * @IOASID_UNREGISTER_IDLE: it stays registered, -EBUSY
 * @IOASID_UNREGISTER_KEEP: it hands out no more; its IDs stay until they are
 *                          freed and are then handed back to it
 *
 * IDs of one with others of the same functions go over to these in any case.
 */
enum ioasid_unregister { IOASID_UNREGISTER_IDLE, IOASID_UNREGISTER_KEEP };

/**
 * ioasid_space_register_allocator - have IDs chosen by callbacks
 * @space: space
 * @ops:   the callbacks; must last until they are unregistered
 *
 * An ID it gives that lies out of the range asked for is handed back, and alloc
 * answers -ERANGE; one that is in use is not handed back, -EEXIST; one that
 * waits for a grace period is, -EAGAIN.
 *
 * Context: takes the space's lock; may be called in a read section.
 * Return: 0; -EINVAL a callback is missing; -EEXIST it is registered here, or
 * its last IDs are in use; -EAGAIN it would be the first, and IDs of the space's
 * own choice are in use; -ENOMEM. On error nothing has changed.
 * Ownership: @ops is lent to @space until it is unregistered.
 * Complexity: linear in the allocators registered and those with IDs left.
 */
int ioasid_space_register_allocator(struct ioasid_space *space,
				    struct ioasid_allocator_ops *ops);

/**
 * ioasid_space_unregister_allocator - choose IDs by the next allocator
 * @space: space
 * @ops:   callbacks that are registered
 * @mode:  see enum ioasid_unregister
 *
 * With 0, and with nothing else, no callback of @ops runs or will. With 1 its
 * @free will be called for each ID that it has in use, and then its @release,
 * once, by the thread that hands back the last.
 *
 * Context: waits for callbacks on other threads and makes one.
 * Return: 0 @ops is the caller's again; 1 it will be; -EBUSY with
 * IOASID_UNREGISTER_IDLE: it has IDs in use, pending included; -EINVAL unknown
 * mode; -ENOENT not registered; -EDEADLK called from an allocator's callback, or
 * by a handler of fork() while another thread calls one.
 * On error nothing has changed.
 * Complexity: linear in the allocators registered, and in the IDs that wait to be
 * handed back.
 */
int ioasid_space_unregister_allocator(struct ioasid_space *space,
				      struct ioasid_allocator_ops *ops,
				      enum ioasid_unregister mode);

IOASID_END_DECLS
#endif /* IOASID_NO_ALLOCATORS */

#endif /* IOASID_ALLOCATOR_H */
