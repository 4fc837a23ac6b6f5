/* SPDX-License-Identifier: MIT */
#ifndef IOASID_SPACE_H
#define IOASID_SPACE_H

/*
 * Spaces: independent ID spaces with their limits, store, RCU domain and
 * lock. Functions return 0 or a negative errno and write results through
 * pointers, and but for lookups only for 0.
 */

#include <ioasid/rcu.h>
#include <ioasid/slot.h>
#include <ioasid/store.h>

IOASID_BEGIN_DECLS

/**
 * struct ioasid_set - an owner of IDs
 *
 * A set belongs to the first space it allocates from, until it is destroyed or
 * that space is. It must live as long. See <ioasid/set.h> for more than that.
 */
struct ioasid_set {
	/* private: */
	ioasid_atomic_ptr space;
	ioasid_atomic_ptr record;
	ioasid_atomic_u32 index;
};

/**
 * DECLARE_IOASID_SET - define a static set
 *
 * Its first use binds it to a space; see ioasid_set_bind(). Until it is bound a
 * lookup with it finds nothing of its own: one that began before that answers
 * -EACCES, or -EXDEV by name, also for the first IDs the set has.
 */
#define DECLARE_IOASID_SET(name) \
	struct ioasid_set name = { { IOASID_NULL }, { IOASID_NULL }, { 0 } }

/** IOASID_NAME_SIZE - of names of spaces and sets, the final NUL included */
#define IOASID_NAME_SIZE 32

/**
 * ioasid_handle_t - one use of one ID: its generation and the ID
 *
 * An ID that is freed and handed out again has another handle, so one kept for
 * too long is told apart. It repeats after about 2^IOASID_GENERATION_BITS uses
 * of its ID, 2^32 or 4,096 where states have 32 bits; after no fewer than 9/16 of
 * that where the store gave back the memory of vacant IDs. 0 is never a handle.
 */
typedef uint64_t ioasid_handle_t;

/**
 * ioasid_handle_id - the ID of a handle
 * @handle: handle
 *
 * Context: wait-free.
 * Return: the ID.
 * Complexity: constant.
 */
IOASID_C99_INLINE ioasid_t ioasid_handle_id(ioasid_handle_t handle)
{
	return IOASID_CAST(ioasid_t, handle);
}

/**
 * ioasid_handle_generation - the generation of a handle
 * @handle: handle
 *
 * Context: wait-free.
 * Return: which use of the ID it is.
 * Complexity: constant.
 */
IOASID_C99_INLINE uint32_t ioasid_handle_generation(ioasid_handle_t handle)
{
	return IOASID_CAST(uint32_t, handle >> 32);
}

/**
 * enum ioasid_reuse - which vacant ID alloc hands out
 * @IOASID_REUSE_LOWEST: the lowest of the range asked for
 * @IOASID_REUSE_CYCLIC: the next after the last one handed out, and the
 *                       lowest of the range when there is none above, so that
 *                       what was freed is used again late. One cursor for the
 *                       space, which allocs of one given ID do not move: who
 *                       allocates from several ranges in turn brings a cursor
 *                       for each, see ioasid_space_alloc_cyclic()
 */
enum ioasid_reuse { IOASID_REUSE_LOWEST, IOASID_REUSE_CYCLIC };

/**
 * struct ioasid_space_config - all zero: radix, epoch, every ID
 * @min, @max:   the IDs of the space, inclusive; both 0: 0..UINT32_MAX - 1.
 *               A @max of UINT32_MAX means UINT32_MAX - 1
 * @store:       see enum ioasid_store_kind
 * @store_ops:   the store for IOASID_STORE_CUSTOM; kept, not copied
 * @store_context: in the configuration @store_ops->create gets
 * @rcu:         a domain to share, the caller's and not one that a space made
 *               for itself; NULL: one of its own, of @flavour
 * @flavour:     used if @rcu is NULL; not IOASID_RCU_CUSTOM
 * @memory:      see struct ioasid_memory
 * @lock:        see struct ioasid_lock_ops
 * @hash_seed:   where the hash store puts IDs; 0: a random one, so that who
 *               chooses the IDs cannot make them collide
 * @reuse:       see enum ioasid_reuse
 * @quarantine:  no ID is handed out again before every reader has left that
 *               ran when it was vacated: alloc passes it over for a grace
 *               period. Else only readers' own arrangements, references or
 *               handles tell an ID from its next use
 * @capacity:    IDs that may be in use or set aside at a time; 0: all there
 *               are
 * @name:        for ioasid_space_dump(), copied; NULL: none
 */
struct ioasid_space_config {
	ioasid_t min, max;
	enum ioasid_store_kind store;
	const struct ioasid_store_ops *store_ops;
	void *store_context;
	struct ioasid_rcu *rcu;
	enum ioasid_rcu_flavour flavour;
	struct ioasid_memory memory;
	struct ioasid_lock_ops lock;
	uint64_t hash_seed;
	enum ioasid_reuse reuse;
	bool quarantine;
	uint32_t capacity;
	const char *name;
};

/**
 * struct ioasid_stats - counts of a space
 * @live:         IDs that can be found
 * @pending:      freed, references remain
 * @unpublished:  reserved by ioasid_space_reserve_id(), not yet published
 * @quarantined:  vacant, waiting for a grace period by the configuration or
 *                for the turn of a generation
 * @sets:         sets bound to the space
 * @allocators:   allocators registered
 * @notifiers:    notifiers registered
 * @capacity:     IDs that may be in use or set aside at a time
 * @committed:    IDs in use, pending, unpublished or set aside: for sets, or by
 *                ioasid_space_reserve()
 * @reserved:     of these, by ioasid_space_reserve()
 * @allocs:       IDs handed out so far
 * @frees:        IDs freed so far, by free or the last put
 * @alloc_failed: calls of alloc that gave no ID
 * @free_unknown: calls of free and remove that ended no ID
 * @memory:       bytes held about now, structures given back included until
 *                their grace period has passed and reserved ranges whole; not
 *                those of an RCU domain
 */
struct ioasid_stats {
	uint32_t live, pending, unpublished, quarantined, sets, allocators,
		notifiers;
	uint32_t capacity, committed, reserved;
	uint64_t allocs, frees, alloc_failed, free_unknown;
	size_t memory;
};

/* The part lookups read; written at create. */
struct ioasid_space {
	struct ioasid_store store __attribute__((aligned(IOASID_CACHE_LINE)));
	struct ioasid_rcu *rcu;
};

/**
 * ioasid_space_create - make a space
 * @config: see there; NULL for all defaults
 * @space:  receives the space
 *
 * Context: takes locks; not in a signal handler; the configured hooks are
 * called.
 * Return: 0; -EINVAL min > max, unknown store, flavour or reuse policy, hooks
 * half given; -E2BIG the range is too wide for the bitmap store; -ENAMETOOLONG
 * IOASID_NAME_SIZE; -ENOMEM; what an own store's create returns.
 * Ownership: the caller's, until ioasid_space_destroy().
 * Complexity: constant, and what the hooks and an own store cost; with a domain
 * of its own as for ioasid_rcu_create() besides; bitmap without a hook to
 * reserve memory its range.
 */
int ioasid_space_create(const struct ioasid_space_config *config,
			struct ioasid_space **space);

/**
 * ioasid_space_destroy - free a space, its IDs and its own RCU domain
 * @space: space; NULL is ignored
 *
 * Private pointers are the caller's business. Static sets bound to the space
 * are free to be used in another, those made by ioasid_set_create() are freed.
 * No notifier is told; the IDs of allocators are handed back to them, and
 * allocators and notifiers are the caller's again, without their @release. The
 * wait is for what was retired, if anything was: read sections of a domain of
 * the space's own are the caller's to end before, on every thread.
 *
 * Context: waits for a grace period; no other call on @space may run or
 * follow.
 * Return: 0; -EDEADLK inside a read section or callback of its domain, or a
 * callback of an allocator or notifier of @space; with IDs of allocators inside
 * of any section where no callback may run, see ioasid_rcu_defer(), or of fork();
 * -EIO, -EDEADLK of ioasid_rcu_barrier(). On error nothing has changed.
 * Complexity: linear in the memory held.
 */
int ioasid_space_destroy(struct ioasid_space *space);

/**
 * ioasid_space_rcu - the domain that protects a space's lookups
 * @space: space
 *
 * Context: wait-free.
 * Return: the domain.
 * Ownership: the space's, or whoever gave it.
 * Complexity: constant.
 */
IOASID_C99_INLINE struct ioasid_rcu *
ioasid_space_rcu(const struct ioasid_space *space)
{
	return space->rcu;
}

/**
 * ioasid_space_alloc - hand out a vacant ID of a range
 * @space: space
 * @set:   owner, NULL for none; bound to @space by its first use
 * @min:   lowest ID wanted
 * @max:   highest ID wanted, inclusive
 * @data:  private pointer, may be NULL
 * @id:    receives the ID
 *
 * What lies outside of the space's own range is cut off. The ID is chosen by
 * an allocator, if one is registered, else by the space's policy.
 *
 * Context: takes the space's lock; may be called in a read section. With an
 * allocator registered, waits for its calls on other threads and makes one.
 * Calls notifiers.
 * Return: 0; -EINVAL min > max; -ENOSPC no vacant ID, no capacity left, or the
 * allocator had none; -EDQUOT the quota of @set is used up; -EAGAIN no ID but
 * such as wait for a grace period, or the places of destroyed sets do, or so
 * much memory that no more may be taken (retired_limit of struct
 * ioasid_rcu_config); -ENOMEM; -EXDEV @set belongs to another space; -ENFILE no
 * room for one more set; -ERANGE, -EEXIST an allocator gave an ID out of the
 * range, or one in use; -EDEADLK called from an allocator's callback, or by a
 * handler of fork() while another thread calls one. On error nothing has changed.
 * Ownership: @data stays the caller's.
 * Complexity: one step a level of the store, and 8 of the IDs that have waited
 * for a grace period; where none is vacant, all the IDs that wait or waited.
 * With allocators linear in these and what their callbacks cost; with notifiers
 * as for ioasid_space_notify() besides.
 */
int ioasid_space_alloc(struct ioasid_space *space, struct ioasid_set *set,
		       ioasid_t min, ioasid_t max, void *data, ioasid_t *id);

/**
 * ioasid_space_alloc_cyclic - hand out the next vacant ID from a cursor on
 * @space: space
 * @set:   as for ioasid_space_alloc()
 * @min:   lowest ID wanted
 * @max:   highest ID wanted, inclusive
 * @data:  as for ioasid_space_alloc()
 * @next:  the caller's cursor: where to begin, the ID after the last one
 *         afterwards; @min is taken for what lies outside of the range, and what
 *         lies above it counts as gone around. Read and
 *         written under the space's lock: the calls that share it name one space
 * @id:    receives the ID
 *
 * The lowest vacant ID from *@next on, else the lowest of the range: whatever
 * the policy of the space, which has a cursor of its own. An allocator that is
 * registered chooses as it likes.
 *
 * Context: as ioasid_space_alloc().
 * Return: 0; 1 the search went around: the ID is below the *@next asked for; as
 * for ioasid_space_alloc(); -EDEADLK called from an allocator's callback. On error
 * nothing has changed.
 * Ownership: @data and @next stay the caller's.
 * Complexity: as for ioasid_space_alloc().
 */
int ioasid_space_alloc_cyclic(struct ioasid_space *space,
			      struct ioasid_set *set, ioasid_t min,
			      ioasid_t max, void *data, ioasid_t *next,
			      ioasid_t *id);

/**
 * ioasid_space_reserve_id - take an ID that nobody finds yet
 * @space: space
 * @set:   as for ioasid_space_alloc()
 * @min:   lowest ID wanted
 * @max:   highest ID wanted, inclusive
 * @id:    receives the ID
 *
 * For what has to know its ID before it is ready to be found. The ID counts
 * against quota and capacity; lookups, get, put and free answer -ENOENT for it,
 * and no notifier is told, until ioasid_space_publish_id(). A snapshot leaves it
 * out.
 *
 * Context: takes the space's lock; may be called in a read section. With an
 * allocator registered, waits for its calls on other threads and makes one.
 * Return: as for ioasid_space_alloc(); -EDEADLK called from an allocator's
 * callback.
 * Ownership: the ID is the caller's, to publish or to release.
 * Complexity: as for ioasid_space_alloc().
 */
int ioasid_space_reserve_id(struct ioasid_space *space, struct ioasid_set *set,
			    ioasid_t min, ioasid_t max, ioasid_t *id);

/**
 * ioasid_space_publish_id - let a reserved ID be found
 * @space: space
 * @id:    from ioasid_space_reserve_id()
 * @data:  private pointer, may be NULL
 *
 * From here on all is as if ioasid_space_alloc() had just handed it out.
 *
 * Context: takes the space's lock; calls notifiers; may be called in a read
 * section.
 * Return: 0; -ENOENT not reserved; -ENOMEM what is to be told has to wait its
 * turn: the ID is still reserved.
 * Ownership: @data stays the caller's.
 * Complexity: as a lookup; with notifiers as for ioasid_space_notify().
 */
int ioasid_space_publish_id(struct ioasid_space *space, ioasid_t id,
			    void *data);

/**
 * ioasid_space_release_id - give a reserved ID back, unpublished
 * @space: space
 * @id:    from ioasid_space_reserve_id()
 *
 * Context: takes the space's lock; may be called in a read section. For an ID
 * of an allocator, waits for its calls on other threads and makes one.
 * Return: 0; -ENOENT not reserved.
 * Complexity: as for ioasid_space_free(), without notifiers.
 */
int ioasid_space_release_id(struct ioasid_space *space, ioasid_t id);

/**
 * ioasid_space_free - end the life of an ID
 * @space: space
 * @id:    ID
 *
 * It is not found any more, and vacant once its last reference is put.
 * Readers may hold the private pointer for one more grace period.
 *
 * Context: takes the space's lock; may be called in a read section. For an ID
 * of an allocator, waits for its calls on other threads and makes one. Calls
 * notifiers.
 * Return: 0; -ENOENT not live; -EBUSY freed before, references remain or
 * another thread is at it.
 * Complexity: as a lookup; an ID of an allocator what its callback costs; with
 * notifiers as for ioasid_space_notify() besides.
 */
int ioasid_space_free(struct ioasid_space *space, ioasid_t id);

/**
 * ioasid_space_free_handle - end one use of an ID
 * @space:  space
 * @handle: from ioasid_space_handle()
 *
 * As ioasid_space_free(), but a handle kept for too long frees nobody else's
 * ID.
 *
 * Context: as ioasid_space_free().
 * Return: 0; -ENOENT, -EBUSY as for free; -ESTALE as for
 * ioasid_space_find_handle().
 * Complexity: as for ioasid_space_free().
 */
int ioasid_space_free_handle(struct ioasid_space *space,
			     ioasid_handle_t handle);

/**
 * ioasid_space_remove - end the life of an ID and get its private pointer
 * @space: space
 * @set:   only if it is owned by this set; NULL: whoever owns it
 * @id:    ID
 * @data:  receives the private pointer
 *
 * As ioasid_space_free(), in one step: of those that remove at once one gets
 * the pointer. Readers may hold it for one more grace period.
 *
 * Context: as ioasid_space_free().
 * Return: 0; -ENOENT, -EBUSY as for free; -EACCES another set's. On error
 * nothing has changed.
 * Ownership: the pointer is the caller's.
 * Complexity: as for ioasid_space_free().
 */
int ioasid_space_remove(struct ioasid_space *space,
			const struct ioasid_set *set, ioasid_t id, void **data);

/**
 * ioasid_space_free_all - free all IDs of a space
 * @space: space
 * @count: receives the number of IDs freed; may be NULL
 *
 * Each as by ioasid_space_free(): IDs with references become pending, reserved
 * ones stay. The lock is dropped between IDs: beside allocs it frees what it
 * meets. The space can be used on.
 *
 * Context: as ioasid_space_free().
 * Return: 0.
 * Complexity: as ioasid_space_for_each() over all IDs, and as a free of each.
 */
int ioasid_space_free_all(struct ioasid_space *space, uint32_t *count);

/**
 * ioasid_space_free_deferred - free an ID, and call back when readers left
 * @space: space
 * @id:    ID
 * @head:  storage, the domain's until @func is called with it
 * @func:  see ioasid_rcu_defer()
 *
 * @func may free what the private pointer points to: the grace period begins
 * when the ID is found no more and every notifier that is told of its end has
 * returned. References held by ioasid_space_get() keep the ID from reuse, not
 * @func from being called.
 *
 * Context: as ioasid_space_free(); runs callbacks that are due. Waits at the
 * pending limit as ioasid_rcu_defer() does.
 * Return: 0; -ENOENT, -EBUSY as for free; -EAGAIN as for ioasid_rcu_defer().
 * On error nothing has changed and @head is the caller's.
 * Complexity: as for ioasid_space_free(), and what the callbacks cost that are
 * due.
 */
int ioasid_space_free_deferred(struct ioasid_space *space, ioasid_t id,
			       struct ioasid_rcu_head *head,
			       void (*func)(struct ioasid_rcu_head *head));

/**
 * ioasid_space_get - take a reference to an ID
 * @space: space
 * @set:   only if it is owned by this set; NULL: whoever owns it
 * @id:    ID
 *
 * Keeps the ID from being handed out again after its free.
 *
 * Context: lock-free; may be called in a read section.
 * Return: 0; -ENOENT unknown; -EACCES another set's; -EBUSY freed, references
 * remain or its end is under way; -EOVERFLOW IOASID_REFS_MAX references.
 * Complexity: as a lookup.
 */
int ioasid_space_get(struct ioasid_space *space, const struct ioasid_set *set,
		     ioasid_t id);

/**
 * ioasid_space_get_handle - take a reference to one use of an ID
 * @space:  space
 * @set:    only if it is owned by this set; NULL: whoever owns it
 * @handle: from ioasid_space_handle()
 *
 * The reference is dropped with ioasid_space_put().
 *
 * Context: lock-free; may be called in a read section.
 * Return: as for ioasid_space_get(); -ESTALE as for ioasid_space_find_handle().
 * Complexity: as a lookup.
 */
int ioasid_space_get_handle(struct ioasid_space *space,
			    const struct ioasid_set *set,
			    ioasid_handle_t handle);

/**
 * ioasid_space_put - drop a reference to an ID
 * @space: space
 * @id:    ID the caller holds a reference to; the one from alloc counts
 *
 * Context: lock-free; the last reference frees the ID if nobody did, and is
 * as ioasid_space_free(); may be called in a read section.
 * Return: 0 references remain; 1 it was the last, the ID is vacant (called by a
 * notifier or an allocator: once that has returned); -ENOENT no reference to
 * drop.
 * Complexity: as a lookup; the last one as for ioasid_space_free().
 */
int ioasid_space_put(struct ioasid_space *space, ioasid_t id);

/**
 * ioasid_space_exchange_data - replace the private pointer, without waiting
 * @space: space
 * @id:    ID
 * @data:  new pointer
 * @old:   receives the one before; may be NULL
 *
 * Readers may still hold *@old: retire it with ioasid_rcu_defer().
 *
 * Context: takes the space's lock; may be called in a read section.
 * Return: 0; -ENOENT not live.
 * Ownership: @data and *@old stay the caller's.
 * Complexity: as a lookup.
 */
int ioasid_space_exchange_data(struct ioasid_space *space, ioasid_t id,
			       void *data, void **old);

/**
 * ioasid_space_set_data - replace the private pointer and wait for readers
 * @space: space
 * @id:    ID
 * @data:  new pointer
 *
 * After 0 no reader holds the pointer before, which may be freed.
 *
 * Context: takes the space's lock; waits for a grace period if @id is live.
 * Return: 0; -ENOENT not live, without waiting; -EDEADLK inside a read section:
 * nothing has changed; -EIO, -EDEADLK of ioasid_rcu_synchronize(): @data is in
 * place, but readers may hold the pointer before for as long as they like.
 * Ownership: @data and the pointer before stay the caller's.
 * Complexity: as a lookup, and a grace period.
 */
int ioasid_space_set_data(struct ioasid_space *space, ioasid_t id, void *data);

/**
 * ioasid_space_for_each - call a function for every live ID of a range
 * @space: space
 * @set:   only IDs of this set; NULL: all
 * @min:   lowest ID
 * @max:   highest ID, inclusive
 * @func:  called with each ID and private pointer, in a read section, without
 *         the space's lock; may call anything that does not wait, and must
 *         return; not 0 ends the walk
 * @arg:   last argument of @func
 *
 * Ascending. An ID live throughout is visited exactly once; one that comes or
 * goes meanwhile, at most once.
 *
 * Context: takes the space's lock in between; calls @func without it; may be
 * called in a read section.
 * Return: 0; -EINVAL min > max; what @func returned if not 0.
 * Complexity: linear in the occupied IDs of the range, of whatever set: for each
 * at most a way through the levels of the store, see enum ioasid_store_kind, and
 * a lookup.
 */
int ioasid_space_for_each(struct ioasid_space *space,
			  const struct ioasid_set *set, ioasid_t min,
			  ioasid_t max,
			  int (*func)(ioasid_t id, void *data, void *arg),
			  void *arg);

/**
 * ioasid_space_next - the lowest live ID of a range
 * @space: space
 * @set:   only IDs of this set; NULL: all
 * @min:   lowest ID
 * @max:   highest ID, inclusive
 * @id:    receives the ID
 * @data:  receives the private pointer, which a read section of the caller's
 *         protects, or its own arrangements; may be NULL
 *
 * For loops of one's own: ask again from the ID after.
 *
 * Context: takes the space's lock; may be called in a read section.
 * Return: 0; -ENOENT none; -EINVAL min > max.
 * Complexity: bitmap, radix and hash a step a level, and the IDs passed over
 * that are not live or not of @set, 64 at a time under the lock.
 */
int ioasid_space_next(struct ioasid_space *space, const struct ioasid_set *set,
		      ioasid_t min, ioasid_t max, ioasid_t *id, void **data);

/**
 * ioasid_space_trim - give back memory that no ID in use needs
 * @space: space
 *
 * Radix and hash give memory back by themselves as IDs are freed, all but a
 * rest that trim takes as well; the array of bitmap stays at its largest extent
 * unless trimmed. What readers may still see is freed after a grace period: by
 * the reclaimer if there is one, else with the next trim or
 * ioasid_rcu_barrier(), or when more has gathered. For after a burst: what is
 * trimmed costs memory again.
 *
 * Context: takes the space's lock, for long; may be called in a read section.
 * Return: bytes given back, or retired to the domain.
 * Complexity: bitmap the range, 256 IDs a step; hash the table; radix constant.
 */
size_t ioasid_space_trim(struct ioasid_space *space);

/**
 * ioasid_space_set_capacity - change how many IDs may be in use or set aside
 * @space:    space
 * @capacity: as in struct ioasid_space_config
 *
 * Context: takes the space's lock; may be called in a read section.
 * Return: 0; -EBUSY more are already. On error nothing has changed.
 * Complexity: constant.
 */
int ioasid_space_set_capacity(struct ioasid_space *space, uint32_t capacity);

/**
 * ioasid_space_reserve - set a part of the capacity aside
 * @space: space
 * @count: IDs, on top of what was set aside before
 *
 * For IDs that something else hands out. See struct ioasid_set_config for what
 * is set aside for a set.
 *
 * Context: takes the space's lock; may be called in a read section.
 * Return: 0; -ENOSPC less is left. On error nothing has changed.
 * Complexity: constant.
 */
int ioasid_space_reserve(struct ioasid_space *space, uint32_t count);

/**
 * ioasid_space_unreserve - take back what was set aside
 * @space: space
 * @count: IDs
 *
 * Context: takes the space's lock; may be called in a read section.
 * Return: 0; -EINVAL less was set aside. On error nothing has changed.
 * Complexity: constant.
 */
int ioasid_space_unreserve(struct ioasid_space *space, uint32_t count);

/**
 * ioasid_space_stats - counts of a space
 * @space: space
 * @stats: filled in, of one moment
 *
 * Context: takes the space's lock; may be called in a read section.
 * Complexity: constant.
 */
void ioasid_space_stats(struct ioasid_space *space, struct ioasid_stats *stats);

/**
 * ioasid_space_validate - check the whole structure
 * @space:  space
 * @reason: receives what is wrong, in words, or NULL; may be NULL
 *
 * Context: takes the space's lock, for long. Callers of get and put must be
 * at rest. May be called in a read section.
 * Return: true if all is well.
 * Complexity: as a walk over all IDs, and linear in the memory held.
 */
bool ioasid_space_validate(struct ioasid_space *space, const char **reason);

#ifndef IOASID_NO_DUMP
/**
 * ioasid_space_dump - describe a space in words, for people
 * @space: space
 * @print: called with each line, without its end, outside of the space's lock;
 *         may call anything that does not wait, and must return; the thread
 *         cannot be cancelled there
 * @arg:   last argument of @print
 *
 * The space, its sets, allocators and notifiers, then its IDs, ascending, with
 * owner, generation, references and private pointer; what changes meanwhile may
 * or may not show. The form of the lines may change between releases.
 *
 * Context: takes the space's lock in between; calls @print without it; may be
 * called in a read section.
 * Complexity: as ioasid_space_for_each(), sets and IDs.
 */
void ioasid_space_dump(struct ioasid_space *space,
		       void (*print)(const char *line, void *arg), void *arg);
#endif

/* Slow path of a lookup whose slot moved to the next table of the hash. */
int ioasid_space_read_moved(const struct ioasid_space *space, uint32_t set,
			    ioasid_t id, uint32_t generation, void **data);

/* What ioasid_slot_read() has to look for. */
IOASID_INLINE uint32_t ioasid_set_index(const struct ioasid_space *space,
					const struct ioasid_set *set)
{
	if (!set)
		return IOASID_SET_ANY;
	if (ioasid_unlikely(ioasid_load_acquire(&set->space) != space))
		return IOASID_SET_FOREIGN;
	return ioasid_load_relaxed(&set->index);
}

/* With IOASID_DEBUG -EPERM for a thread that may not use what it finds. */
IOASID_INLINE int ioasid_space_may_read(const struct ioasid_space *space)
{
#ifdef IOASID_DEBUG
	return ioasid_rcu_check_reader(space->rcu);
#else
	(void)space;
	return 0;
#endif
}

/* A lookup of one use of an ID, or of any; see ioasid_space_find_rcu(). */
IOASID_INLINE int ioasid_space_find_use(const struct ioasid_space *space,
					const struct ioasid_set *set,
					ioasid_t id, uint32_t generation,
					void **data)
{
	int ret = ioasid_space_may_read(space);
	/* Not @data itself: that would have to live in memory. */
	void *moved = IOASID_NULL;
	struct ioasid_slot *slot;
	uint32_t index;

	if (ioasid_unlikely(ret)) {
		*data = IOASID_NULL;
		return ret;
	}
	index = ioasid_set_index(space, set);
	slot = ioasid_store_find(&space->store, id);
	/* Compilers cannot follow that it is only used for 0, and warn. */
	*data = IOASID_NULL;
	if (ioasid_unlikely(!slot))
		return -ENOENT;
	ret = ioasid_slot_read(slot, index, generation, data);
	if (ioasid_unlikely(ret == -EAGAIN)) {
		ret = ioasid_space_read_moved(space, index, id, generation,
					      &moved);
		*data = moved;
	}
	return ret;
}

/**
 * ioasid_space_find_rcu - look an ID up inside a read section of the caller's
 * @space: space
 * @set:   only if it is owned by this set; NULL: whoever owns it
 * @id:    ID, any value
 * @data:  receives the private pointer, valid until the end of the section;
 *         NULL on error
 *
 * Context: inside a read section of the space's domain. Wait-free; no atomic
 * read-modify-write, no store to a shared line.
 * Return: 0; -ENOENT unknown; -EACCES another set's.
 * Complexity: bitmap one load, radix one a level, hash one cache line as a
 * rule.
 */
IOASID_INLINE int ioasid_space_find_rcu(const struct ioasid_space *space,
					const struct ioasid_set *set,
					ioasid_t id, void **data)
{
	return ioasid_space_find_use(space, set, id, IOASID_GENERATION_ANY,
				     data);
}

/**
 * ioasid_space_find_handle_rcu - look a handle up inside a read section
 * @space:  space
 * @set:    only if it is owned by this set; NULL: whoever owns it
 * @handle: handle, any value
 * @data:   receives the private pointer, valid until the end of the section;
 *          NULL on error
 *
 * Context: as ioasid_space_find_rcu().
 * Return: 0; -ENOENT unknown, or freed; -ESTALE the ID was handed out again, or
 * may have been: the memory of its slot went and came back; -EACCES another set's.
 * Complexity: as for ioasid_space_find_rcu().
 */
IOASID_INLINE int ioasid_space_find_handle_rcu(const struct ioasid_space *space,
					       const struct ioasid_set *set,
					       ioasid_handle_t handle,
					       void **data)
{
	uint32_t generation = IOASID_CAST(uint32_t, handle >> 32);

	if (ioasid_unlikely(generation == IOASID_GENERATION_ANY)) {
		*data = IOASID_NULL;
		return -ENOENT;
	}
	return ioasid_space_find_use(space, set, IOASID_CAST(ioasid_t, handle),
				     generation, data);
}

/* Calls a getter where no grace period may be waited for, in any flavour. */
bool ioasid_space_call_getter(const struct ioasid_space *space,
			      bool (*getter)(void *data), void *data);

/**
 * ioasid_space_find - look an ID up
 * @space:  space
 * @set:    only if it is owned by this set; NULL: whoever owns it
 * @id:     ID, any value
 * @getter: called with the private pointer inside the read section, to take a
 *          reference to what it points to; false: the object is not valid.
 *          May call anything that does not wait, and must return: no
 *          longjmp, no exception. A read section that it leaves open lasts
 *          until the caller ends it. NULL: none
 * @data:   receives the private pointer; NULL if @getter said no, or on error
 *
 * Without getter the pointer is protected after the call only by a read
 * section of the caller's, or its own arrangements.
 *
 * Context: any; wait-free but for @getter and a thread's first use.
 * Return: 0; -ENOENT unknown; -EACCES another set's.
 * Ownership: the pointer stays with whoever gave it to alloc.
 * Complexity: as for ioasid_space_find_rcu().
 */
IOASID_INLINE int ioasid_space_find(const struct ioasid_space *space,
				    const struct ioasid_set *set, ioasid_t id,
				    bool (*getter)(void *data), void **data)
{
	struct ioasid_rcu_reader *reader = ioasid_rcu_section_enter(space->rcu);
	int ret = ioasid_space_find_rcu(space, set, id, data);

	if (getter && !ret) {
		if (!ioasid_space_call_getter(space, getter, *data))
			*data = IOASID_NULL;
		/* It may have left a section of its own open. */
		reader = IOASID_NULL;
	}
	ioasid_rcu_section_leave(space->rcu, reader);
	return ret;
}

/**
 * ioasid_space_handle - the handle of the present use of an ID
 * @space:  space
 * @set:    only if it is owned by this set; NULL: whoever owns it
 * @id:     ID, any value
 * @handle: receives the handle; 0 on error
 *
 * Context: any; wait-free but for a thread's first use.
 * Return: 0; -ENOENT unknown; -EACCES another set's.
 * Complexity: as a lookup.
 */
int ioasid_space_handle(struct ioasid_space *space,
			const struct ioasid_set *set, ioasid_t id,
			ioasid_handle_t *handle);

/**
 * ioasid_space_find_handle - look a handle up
 * @space:  space
 * @set:    only if it is owned by this set; NULL: whoever owns it
 * @handle: handle, any value
 * @getter: as for ioasid_space_find()
 * @data:   receives the private pointer; NULL if @getter said no, or on error
 *
 * Context: any; wait-free but for @getter and a thread's first use.
 * Return: 0; -ENOENT unknown, or freed; -ESTALE the ID was handed out again, or
 * may have been: the memory of its slot went and came back; -EACCES another set's.
 * Ownership: the pointer stays with whoever gave it to alloc.
 * Complexity: as for ioasid_space_find_rcu().
 */
IOASID_INLINE int ioasid_space_find_handle(const struct ioasid_space *space,
					   const struct ioasid_set *set,
					   ioasid_handle_t handle,
					   bool (*getter)(void *data),
					   void **data)
{
	struct ioasid_rcu_reader *reader = ioasid_rcu_section_enter(space->rcu);
	int ret = ioasid_space_find_handle_rcu(space, set, handle, data);

	if (getter && !ret) {
		if (!ioasid_space_call_getter(space, getter, *data))
			*data = IOASID_NULL;
		/* It may have left a section of its own open. */
		reader = IOASID_NULL;
	}
	ioasid_rcu_section_leave(space->rcu, reader);
	return ret;
}

IOASID_END_DECLS

#endif /* IOASID_SPACE_H */
