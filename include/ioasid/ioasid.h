/* SPDX-License-Identifier: MIT */
#ifndef IOASID_IOASID_H
#define IOASID_IOASID_H

/*
 * The one default space, made on first use: radix store, epoch, IDs from 0 to
 * UINT32_MAX - 1. Spaces of one's own are in <ioasid/space.h>.
 *
 * With IOASID_DISABLED defined these calls are inline stubs.
 */

#include <ioasid/allocator.h>
#include <ioasid/notifier.h>
#include <ioasid/set.h>
#include <ioasid/snapshot.h>
#include <ioasid/space.h>

IOASID_BEGIN_DECLS

/**
 * ioasid_version - of the library, where IOASID_VERSION is of its headers
 *
 * Context: any.
 * Return: the version, as "1.2.3".
 * Ownership: the string is the library's.
 * Complexity: constant.
 */
const char *ioasid_version(void);

/** IOASID_ERRNO_MAX - so many of the highest addresses are negative errnos */
#define IOASID_ERRNO_MAX 4095

/**
 * ioasid_err_ptr - a negative errno as a pointer
 * @error: the errno
 *
 * Context: any.
 * Return: the error pointer.
 * Complexity: constant.
 */
IOASID_INLINE void *ioasid_err_ptr(int error)
{
	intptr_t address = error;

	return IOASID_RECAST(void *, address);
}

/**
 * ioasid_is_err - is it an error pointer?
 * @pointer: what ioasid_find() returned
 *
 * Context: any.
 * Return: true if it is.
 * Complexity: constant.
 */
IOASID_INLINE bool ioasid_is_err(const void *pointer)
{
	return IOASID_RECAST(uintptr_t, pointer) >
	       UINTPTR_MAX - IOASID_ERRNO_MAX;
}

/**
 * ioasid_ptr_err - the negative errno in an error pointer
 * @pointer: for which ioasid_is_err() is true
 *
 * Context: any.
 * Return: the errno.
 * Complexity: constant.
 */
IOASID_INLINE int ioasid_ptr_err(const void *pointer)
{
	return IOASID_CAST(int, IOASID_RECAST(uintptr_t, pointer));
}

#ifndef IOASID_DISABLED

/* NULL until its first use. */
extern ioasid_atomic_ptr ioasid_default;

/**
 * ioasid_default_configure - choose how the default space is made
 * @config: as for ioasid_space_create(); copied, what it points to is kept
 *
 * Context: takes a lock; before the first use of the default space.
 * Return: 0; -EBUSY it exists; -EDEADLK called by a handler of fork() while
 * another thread makes it; -EINVAL, -E2BIG, -ENAMETOOLONG, -ENOMEM as for
 * ioasid_space_create(), with the configuration left as it was.
 * Ownership: @config stays the caller's, what it points to must last.
 * Complexity: of a create and a destroy of such a space.
 */
int ioasid_default_configure(const struct ioasid_space_config *config);

/**
 * ioasid_default_space - the default space, made if need be
 *
 * Context: takes a lock on first use; may be called in a read section.
 * Return: the space, the library's; NULL if it could not be made, or a handler
 * of fork() calls while another thread makes it.
 * Complexity: constant; the first use as for ioasid_space_create().
 */
struct ioasid_space *ioasid_default_space(void);

/**
 * ioasid_alloc - hand out the lowest vacant ID of a range
 * @set:  owner, NULL for none
 * @min:  lowest ID wanted
 * @max:  highest ID wanted, inclusive
 * @data: private pointer, may be NULL; not an error pointer
 *
 * Context: as ioasid_space_alloc().
 * Return: the ID; INVALID_IOASID for whatever ioasid_space_alloc() refuses.
 * Ownership: @data stays the caller's.
 * Complexity: as for ioasid_space_alloc().
 */
ioasid_t ioasid_alloc(struct ioasid_set *set, ioasid_t min, ioasid_t max,
		      void *data);

/**
 * ioasid_free - end the life of an ID
 * @ioasid: ID; one that is not live is counted in the statistics
 *
 * Context: as ioasid_space_free().
 * Complexity: as for ioasid_space_free().
 */
void ioasid_free(ioasid_t ioasid);

/**
 * ioasid_get - take a reference to an ID
 * @ioasid: ID
 *
 * Context: lock-free; may be called in a read section.
 * Return: 0; -ENOENT, -EBUSY, -EOVERFLOW as for ioasid_space_get().
 * Complexity: as a lookup.
 */
int ioasid_get(ioasid_t ioasid);

/**
 * ioasid_put - drop a reference to an ID
 * @ioasid: ID the caller holds a reference to; the one from alloc counts
 *
 * Context: as ioasid_space_put().
 * Return: true if it was the last, and the ID is vacant.
 * Complexity: as for ioasid_space_put().
 */
bool ioasid_put(ioasid_t ioasid);

#ifndef IOASID_NO_ALLOCATORS
/**
 * ioasid_register_allocator - have IDs chosen by callbacks
 * @ops: the callbacks; must last until they are unregistered
 *
 * Context: as ioasid_space_register_allocator().
 * Return: 0; as for ioasid_space_register_allocator(); -ENOMEM the default
 * space could not be made.
 * Complexity: linear in the allocators registered.
 */
int ioasid_register_allocator(struct ioasid_allocator_ops *ops);

/**
 * ioasid_unregister_allocator - have IDs chosen by the next allocator
 * @ops: callbacks that are registered
 *
 * Context: as ioasid_space_unregister_allocator().
 * Return: 0; -EBUSY, -ENOENT, -EDEADLK as for
 * ioasid_space_unregister_allocator() with IOASID_UNREGISTER_IDLE: with -EBUSY
 * they are still registered.
 * Complexity: linear in the allocators registered.
 */
int ioasid_unregister_allocator(struct ioasid_allocator_ops *ops);
#endif

/**
 * ioasid_set_data - replace the private pointer and wait for readers
 * @ioasid: ID
 * @data:   new pointer; after 0 the one before may be freed
 *
 * Context: waits for a grace period if @ioasid is live.
 * Return: 0; -ENOENT not live, without waiting; -EDEADLK inside a read
 * section; -EIO as for ioasid_space_set_data(); -ENOMEM the default space could
 * not be made.
 * Ownership: @data and the pointer before stay the caller's.
 * Complexity: as a lookup, and a grace period.
 */
int ioasid_set_data(ioasid_t ioasid, void *data);

/**
 * ioasid_find - look an ID up
 * @set:    only if it is owned by this set; NULL: whoever owns it
 * @ioasid: ID, any value
 * @getter: called with the private pointer inside the read section; false:
 *          the object is not valid. NULL: none
 *
 * Context: any; wait-free but for @getter and a thread's first use.
 * Return: the private pointer; NULL @getter said no, or there is no data; an
 * error pointer: -ENOENT unknown, -EACCES another set's.
 * Complexity: as for ioasid_space_find_rcu().
 */
IOASID_INLINE void *ioasid_find(struct ioasid_set *set, ioasid_t ioasid,
				bool (*getter)(void *data))
{
	const struct ioasid_space *space =
		IOASID_CAST(const struct ioasid_space *,
			    ioasid_load_acquire(&ioasid_default));
	void *data = IOASID_NULL;
	int ret;

	if (ioasid_unlikely(!space))
		return ioasid_err_ptr(-ENOENT);
	ret = ioasid_space_find(space, set, ioasid, getter, &data);
	return ioasid_unlikely(ret) ? ioasid_err_ptr(ret) : data;
}

#else /* IOASID_DISABLED */

static inline ioasid_t ioasid_alloc(struct ioasid_set *set, ioasid_t min,
				    ioasid_t max, void *data)
{
	(void)set;
	(void)min;
	(void)max;
	(void)data;
	return INVALID_IOASID;
}

static inline void ioasid_free(ioasid_t ioasid)
{
	(void)ioasid;
}

static inline void *ioasid_find(struct ioasid_set *set, ioasid_t ioasid,
				bool (*getter)(void *data))
{
	(void)set;
	(void)ioasid;
	(void)getter;
	return IOASID_NULL;
}

static inline int ioasid_get(ioasid_t ioasid)
{
	(void)ioasid;
	return -ENODEV;
}

static inline bool ioasid_put(ioasid_t ioasid)
{
	(void)ioasid;
	return false;
}

#ifndef IOASID_NO_ALLOCATORS
static inline int ioasid_register_allocator(struct ioasid_allocator_ops *ops)
{
	(void)ops;
	return -ENODEV;
}

static inline int ioasid_unregister_allocator(struct ioasid_allocator_ops *ops)
{
	(void)ops;
	return -ENODEV;
}
#endif

static inline int ioasid_set_data(ioasid_t ioasid, void *data)
{
	(void)ioasid;
	(void)data;
	return -ENODEV;
}

#endif /* IOASID_DISABLED */

IOASID_END_DECLS

#endif /* IOASID_IOASID_H */
