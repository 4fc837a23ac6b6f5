/* SPDX-License-Identifier: MIT */
#ifndef IOASID_SET_H
#define IOASID_SET_H

/*
 * Sets: owners of IDs, with a quota, a part of the space's capacity set aside
 * for them, and names of their own (SPIDs) for their IDs.
 */

#include <ioasid/space.h>

#ifndef IOASID_NO_SETS
IOASID_BEGIN_DECLS

/**
 * struct ioasid_set_config - all zero: no name, no token, no limits
 * @name:     copied; NULL: none
 * @token:    finds the set again, see ioasid_set_by_token(); NULL: none
 * @quota:    IDs the set may have in use, pending and unpublished ones included;
 *            0: no limit
 * @reserved: IDs of the space's capacity set aside for the set: so many it can
 *            have whatever other sets do
 */
struct ioasid_set_config {
	const char *name;
	void *token;
	uint32_t quota, reserved;
};

/**
 * struct ioasid_set_info - what a set is and has
 * @name:            empty if none
 * @token:           NULL if none
 * @quota, @reserved: see struct ioasid_set_config
 * @count:           IDs in use, pending and unpublished ones included
 * @spids:           SPIDs attached
 */
struct ioasid_set_info {
	char name[IOASID_NAME_SIZE];
	void *token;
	uint32_t quota, reserved, count, spids;
};

/**
 * ioasid_set_create - make a set
 * @space:  space it belongs to
 * @config: see there; NULL for all defaults
 * @set:    receives the set
 *
 * Context: takes the space's lock; may be called in a read section.
 * Return: 0; -EINVAL @reserved is more than @quota; -ENAMETOOLONG
 * IOASID_NAME_SIZE; -EEXIST another set has the token; -ENOSPC less capacity
 * is left than @reserved; -ENFILE IOASID_SETS_MAX sets; -EAGAIN the place of a
 * destroyed one waits for a grace period, or memory does as for
 * ioasid_space_alloc(); -ENOMEM. On error nothing has changed.
 * Ownership: the space's, for the caller to destroy before.
 * Complexity: constant, as a rule; where the table of sets is full, linear in
 * the sets.
 */
int ioasid_set_create(struct ioasid_space *space,
		      const struct ioasid_set_config *config,
		      struct ioasid_set **set);

/**
 * ioasid_set_bind - bind a set of DECLARE_IOASID_SET() before its first use
 * @space:  space it is to belong to
 * @set:    set
 * @config: see there; NULL for all defaults, as by first use
 *
 * Context: takes the space's lock; may be called in a read section.
 * Return: as for ioasid_set_create(); -EBUSY it is bound to @space already;
 * -EXDEV to another. On error nothing has changed.
 * Ownership: @set stays the caller's, and must live until it is destroyed or
 * @space is.
 * Complexity: as for ioasid_set_create().
 */
int ioasid_set_bind(struct ioasid_space *space, struct ioasid_set *set,
		    const struct ioasid_set_config *config);

/**
 * ioasid_set_destroy - end a set without IDs
 * @space: space it belongs to
 * @set:   set; memory of ioasid_set_create() is freed after a grace period, a
 *         static one may be bound again once lookups with it have ended
 *
 * Its notifiers are unregistered as by ioasid_space_unregister_notifier(). No
 * other call with @set may run or follow, but for lookups in read sections that
 * began before.
 *
 * Context: takes the space's lock; calls @release without it; may be called in a
 * read section.
 * Return: 0; -EBUSY it has IDs, pending and unpublished ones included, or a call
 * that gives it one is under way; -EXDEV not a set of @space. On error nothing
 * has changed.
 * Complexity: linear in what its SPIDs needed, and in the notifiers.
 */
int ioasid_set_destroy(struct ioasid_space *space, struct ioasid_set *set);

/**
 * ioasid_set_limit - change what a set may have
 * @space:    space it belongs to
 * @set:      set
 * @quota:    see struct ioasid_set_config
 * @reserved: see struct ioasid_set_config
 *
 * Context: takes the space's lock; may be called in a read section.
 * Return: 0; -EINVAL @reserved is more than @quota; -EBUSY @quota is less than
 * the set has in use; -ENOSPC less capacity is left; -EXDEV not a set of
 * @space. On error nothing has changed.
 * Complexity: constant.
 */
int ioasid_set_limit(struct ioasid_space *space, struct ioasid_set *set,
		     uint32_t quota, uint32_t reserved);

/**
 * ioasid_set_stats - what a set is and has
 * @space: space it belongs to
 * @set:   set
 * @stats: filled in, of one moment
 *
 * Context: takes the space's lock; may be called in a read section.
 * Return: 0; -EXDEV not a set of @space.
 * Complexity: constant.
 */
int ioasid_set_stats(struct ioasid_space *space, const struct ioasid_set *set,
		     struct ioasid_set_info *stats);

/**
 * ioasid_set_by_token - the set with a token
 * @space: space
 * @token: not NULL
 * @set:   receives the set
 *
 * Context: takes the space's lock; may be called in a read section.
 * Return: 0; -ENOENT no set has it.
 * Ownership: the set is whoever's made it; inside a read section it does not go
 * away.
 * Complexity: constant, as a rule.
 */
int ioasid_set_by_token(struct ioasid_space *space, const void *token,
			struct ioasid_set **set);

/**
 * ioasid_set_of - the set that owns an ID
 * @space: space
 * @id:    ID
 * @set:   receives the set; NULL if none owns it
 *
 * Context: takes the space's lock; may be called in a read section.
 * Return: 0; -ENOENT not live, or its end is under way.
 * Ownership: as for ioasid_set_by_token().
 * Complexity: as a lookup.
 */
int ioasid_set_of(struct ioasid_space *space, ioasid_t id,
		  struct ioasid_set **set);

/**
 * ioasid_set_for_each - call a function for every set of a space
 * @space: space
 * @func:  called with each set, in a read section, without the space's lock;
 *         may call anything that does not wait, ioasid_set_destroy() of this
 *         set included, and must return; not 0 ends the walk
 * @arg:   last argument of @func
 *
 * In no particular order. A set that belongs to the space throughout is
 * visited exactly once. See ioasid_space_for_each() for a walk over the IDs of
 * a set.
 *
 * Context: takes the space's lock in between; calls @func without it; may be
 * called in a read section.
 * Return: 0; what @func returned if not 0.
 * Complexity: linear in the most sets the space had.
 */
int ioasid_set_for_each(struct ioasid_space *space,
			int (*func)(struct ioasid_set *set, void *arg),
			void *arg);

/**
 * ioasid_set_free_all - free all IDs of a set
 * @space: space it belongs to
 * @set:   set
 * @count: receives the number of IDs freed; may be NULL
 *
 * Each as by ioasid_space_free(): IDs with references become pending, reserved
 * ones stay. Beside allocs of @set it frees what it meets.
 *
 * Context: as ioasid_space_free().
 * Return: 0; -EXDEV not a set of @space.
 * Complexity: as ioasid_space_for_each() over all IDs of @space, and as a free
 * of each that is freed.
 */
int ioasid_set_free_all(struct ioasid_space *space, struct ioasid_set *set,
			uint32_t *count);

#ifndef IOASID_NO_SPIDS
/**
 * ioasid_spid_attach - give an ID a name in its set
 * @space: space
 * @id:    ID owned by a set
 * @spid:  any value but INVALID_IOASID, unique in the set
 *
 * It lasts until it is detached or the ID is freed.
 *
 * Context: takes the space's lock; may be called in a read section.
 * Return: 0; -ENOENT @id is not live, or its end is under way; -EINVAL no set
 * owns it, or @spid is INVALID_IOASID; -EEXIST another ID of the set has the
 * name; -EBUSY @id has one; -EAGAIN memory waits as for ioasid_space_alloc(), or
 * @spid was detached and its generation turned; -ENOMEM. On error nothing has
 * changed.
 * Complexity: as two allocs from a hash store.
 */
int ioasid_spid_attach(struct ioasid_space *space, ioasid_t id, ioasid_t spid);

/**
 * ioasid_spid_detach - take the name of an ID away
 * @space: space
 * @id:    ID
 *
 * Context: takes the space's lock; may be called in a read section.
 * Return: 0; -ENOENT @id is not live, its end is under way, or it has none.
 * Complexity: as two frees from a hash store.
 */
int ioasid_spid_detach(struct ioasid_space *space, ioasid_t id);

/**
 * ioasid_spid_of - the name of an ID
 * @space: space
 * @id:    ID
 * @spid:  receives it
 *
 * Context: takes the space's lock; may be called in a read section.
 * Return: 0; -ENOENT @id is not live, its end is under way, or it has none.
 * Complexity: as a lookup.
 */
int ioasid_spid_of(struct ioasid_space *space, ioasid_t id, ioasid_t *spid);

/**
 * ioasid_spid_find - look an ID up by its name in a set
 * @space:  space
 * @set:    set
 * @spid:   name, any value
 * @getter: as for ioasid_space_find(), called with the ID's private pointer
 * @id:     receives the ID; INVALID_IOASID on error
 * @data:   receives the private pointer; NULL if @getter said no, or on error;
 *          may be NULL
 *
 * Context: any; wait-free but for @getter and a thread's first use.
 * Return: 0; -ENOENT no ID of the set has the name, or it was just freed;
 * -EXDEV not a set of @space.
 * Ownership: as for ioasid_space_find().
 * Complexity: two lookups, one in a hash store and one in that of @space.
 */
int ioasid_spid_find(const struct ioasid_space *space,
		     const struct ioasid_set *set, ioasid_t spid,
		     bool (*getter)(void *data), ioasid_t *id, void **data);
#endif /* IOASID_NO_SPIDS */

IOASID_END_DECLS
#endif /* IOASID_NO_SETS */

#endif /* IOASID_SET_H */
