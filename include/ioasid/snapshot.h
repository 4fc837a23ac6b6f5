/* SPDX-License-Identifier: MIT */
#ifndef IOASID_SNAPSHOT_H
#define IOASID_SNAPSHOT_H

/*
 * Snapshots: a space as bytes, for live migration and warm restart. The bytes
 * are described in docs/snapshot.md; they do not depend on the machine or on
 * the store.
 */

#include <ioasid/set.h>

#ifndef IOASID_NO_SNAPSHOTS
IOASID_BEGIN_DECLS

/**
 * struct ioasid_codec - pointers as numbers and back
 * @encode:       the number for a private pointer
 * @decode:       the private pointer for a number; not 0: refused, and so is
 *                the restore
 * @encode_token: the number for the token of a set
 * @decode_token: the token; as @decode
 * @restore_set:  a static set that is bound nowhere, to take the place of the
 *                one described; NULL: the library makes one. Optional
 * @discard:      takes back what @decode made: the restore has failed. Optional
 * @context:      first argument of each
 *
 * Without the first two private pointers are saved as 0 and restored as NULL,
 * without the next two tokens are; those of pending IDs, which may be gone, are
 * in any case. Called with the space's lock: may call lookups and nothing else
 * of the library; must return; the thread cannot be cancelled there.
 */
struct ioasid_codec {
	uint64_t (*encode)(void *context, ioasid_t id, void *data);
	int (*decode)(void *context, ioasid_t id, uint64_t number, void **data);
	uint64_t (*encode_token)(void *context, void *token);
	int (*decode_token)(void *context, uint64_t number, void **token);
	struct ioasid_set *(*restore_set)(void *context,
					  const struct ioasid_set_info *stats);
	void (*discard)(void *context, ioasid_t id, void *data);
	void *context;
};

/**
 * ioasid_space_snapshot - write a space as bytes
 * @space:  space
 * @codec:  see there; NULL: none
 * @buffer: receives the bytes; may be NULL if @size is 0
 * @size:   of @buffer
 * @needed: receives the number of bytes of the snapshot
 *
 * Its sets with their names, tokens and limits, what is set aside, and its IDs
 * with owner, SPID, generation, references and private pointer, live and
 * pending, of one moment but for references that are just taken or dropped. An
 * ID whose notifiers or allocator are just being told of its end counts as gone.
 * Not: IDs reserved and not published; range, capacity, store and policies,
 * which are the restoring side's; allocators and notifiers, which it registers;
 * how often vacant IDs were used, which is rounded up. Lookups, get and put go
 * on meanwhile.
 *
 * Context: takes the space's lock, for long, and calls @codec; may be called in
 * a read section.
 * Return: 0; -ENOBUFS @size is less than *@needed, which grows with the space:
 * ask again. SIZE_MAX there says more than fits into memory here.
 * Complexity: as a walk over all IDs; linear in the sets, and in the events yet
 * to be told a search each.
 */
int ioasid_space_snapshot(struct ioasid_space *space,
			  const struct ioasid_codec *codec, void *buffer,
			  size_t size, size_t *needed);

/**
 * ioasid_space_restore - fill a space from a snapshot
 * @space:    without IDs, sets, and parts of its capacity set aside
 * @codec:    see there; NULL: none
 * @snapshot: the bytes, which do not change during the call
 * @size:     their number
 *
 * IDs that came from an allocator are handed back to the one that is active
 * here. No ID can be found before all are in place; then they appear, not all at
 * once. Handles from before the snapshot are good, or stale, as they were; those
 * of IDs that @space itself had before are not told apart. No notifier is told.
 *
 * Context: takes the space's lock, for long, and calls @codec; may be called in
 * a read section.
 * Return: 0; -EBADMSG not a snapshot, or damaged; -EPROTO of a later version;
 * -EBUSY @space is not empty; -ERANGE an ID, generation, number of references
 * or of sets that @space cannot have; -ENOSPC its capacity is too small;
 * -ENODEV IDs of an allocator, and none is registered; -EXDEV a set of
 * @restore_set is in use; -EEXIST two sets have one token; what @decode or
 * @decode_token returned; -EAGAIN as for ioasid_space_alloc(); -ENOMEM. On
 * error @space is as it was.
 * Complexity: as the allocs of its sets, IDs and SPIDs.
 */
int ioasid_space_restore(struct ioasid_space *space,
			 const struct ioasid_codec *codec, const void *snapshot,
			 size_t size);

IOASID_END_DECLS
#endif /* IOASID_NO_SNAPSHOTS */

#endif /* IOASID_SNAPSHOT_H */
