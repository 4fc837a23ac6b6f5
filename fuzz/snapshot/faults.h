/* SPDX-License-Identifier: MIT */
#ifndef IOASID_FUZZ_SNAPSHOT_FAULTS_H
#define IOASID_FUZZ_SNAPSHOT_FAULTS_H

/*
 * The two calls, and faults the target has to notice in place of what they do:
 * most are a snapshot that says less than the one that was given. Needs CHECK.
 */

#include <stdlib.h>

#include <ioasid/snapshot.h>

#include "fuzz/snapshot/format.h"

#define SNAPSHOT_FAULTS(X)                                             \
	X(leaves) /* what is refused leaves a set */                   \
	X(half) /* or the first of its IDs */                          \
	X(loses) /* what is taken loses a part of what is set aside */ \
	X(checksum) /* is not looked at */                             \
	X(version)                                                     \
	X(zeroes)                                                      \
	X(count) /* of a set's IDs is not looked at */                 \
	X(ascending) /* nor is their order */                          \
	X(range) /* IDs out of range are left out */                   \
	X(nomem) /* is success */                                      \
	X(owner) /* is lost, and so on */                              \
	X(generation)                                                  \
	X(reference)                                                   \
	X(pending)                                                     \
	X(hosted)                                                      \
	X(spid)                                                        \
	X(data)                                                        \
	X(quota)                                                       \
	X(aside)                                                       \
	X(token)                                                       \
	X(name)                                                        \
	X(cursor)                                                      \
	X(furthest)                                                    \
	X(twice) /* an ID's pointer is decoded twice */                \
	X(discard) /* is not called */                                 \
	X(encode) /* is called for pending IDs */                      \
	X(order) /* of IDs written */                                  \
	X(needed) /* is too little */

enum snapshot_fault {
	FAULT_none,
#define X(name) FAULT_##name,
	SNAPSHOT_FAULTS(X)
#undef X
};

#ifndef SNAPSHOT_FAULT
#define SNAPSHOT_FAULT none
#endif
#define FAULT_NAMED_AGAIN(name) FAULT_##name
#define FAULT_NAMED(name) FAULT_NAMED_AGAIN(name)

__attribute__((unused)) static enum snapshot_fault snapshot_fault =
	FAULT_NAMED(SNAPSHOT_FAULT);

static inline uint8_t *fault_id(uint8_t *bytes, uint32_t number)
{
	return bytes + id_offset(bytes, number);
}

/* Of the sets: what there is, whatever was said. */
static inline void fault_count(uint8_t *bytes)
{
	uint32_t sets = header_get32(bytes, H_SETS), set;

	for (uint32_t i = 0; i < sets; i++)
		set_put(bytes + set_offset(i), S_COUNT, 0);
	for (uint32_t i = 0; i < header_get32(bytes, H_IDS); i++) {
		set = id_get(fault_id(bytes, i), I_SET);
		if (set && set <= sets) {
			uint8_t *owner = bytes + set_offset(set - 1);

			set_put(owner, S_COUNT, set_get(owner, S_COUNT) + 1);
		}
	}
}

static inline void fault_in_id(uint8_t *id)
{
	bool pending = id_get(id, I_FLAGS) & ID_PENDING;

	switch (snapshot_fault) {
	case FAULT_owner:
		id_put(id, I_SET, 0);
		id_put(id, I_SPID, INVALID_IOASID);
		break;
	case FAULT_generation:
		id_put(id, I_GENERATION, 1);
		break;
	case FAULT_reference:
		id_put(id, I_REFS, 1);
		break;
	case FAULT_pending:
		id_put(id, I_FLAGS,
		       id_get(id, I_FLAGS) & ~(uint32_t)ID_PENDING);
		break;
	case FAULT_hosted:
		id_put(id, I_FLAGS, id_get(id, I_FLAGS) & ~(uint32_t)ID_HOSTED);
		break;
	case FAULT_spid:
		id_put(id, I_SPID, INVALID_IOASID);
		break;
	case FAULT_data:
		if (!pending)
			id_put(id, I_DATA, 0);
		break;
	default:
		break;
	}
}

static inline void fault_in_set(uint8_t *set)
{
	switch (snapshot_fault) {
	case FAULT_quota:
		set_put(set, S_QUOTA, 0);
		break;
	case FAULT_aside:
		set_put(set, S_RESERVED, 0);
		break;
	case FAULT_token:
		set_put(set, S_TOKEN, 0);
		break;
	case FAULT_name:
		memset(set + 16, 0, 32);
		break;
	default:
		break;
	}
}

static inline int fault_compare(const void *a, const void *b)
{
	uint32_t is = id_get(a, I_ID), other = id_get(b, I_ID);

	return is < other ? -1 : is > other;
}

static inline size_t fault_drop(uint8_t *bytes, size_t size, uint32_t number)
{
	uint8_t *id = fault_id(bytes, number);
	size_t rest = size - (size_t)(id + ID_BYTES - bytes);

	memmove(id, id + ID_BYTES, rest);
	header_put(bytes, H_IDS, header_get(bytes, H_IDS) - 1);
	return size - ID_BYTES;
}

/* A snapshot of the right size is made one that says something else. */
static inline size_t fault_bytes(uint8_t *bytes, size_t size)
{
	uint32_t ids = header_get32(bytes, H_IDS);

	for (uint32_t i = 0; i < ids; i++)
		fault_in_id(fault_id(bytes, i));
	for (uint32_t i = 0; i < header_get32(bytes, H_SETS); i++)
		fault_in_set(bytes + set_offset(i));
	switch (snapshot_fault) {
	case FAULT_zeroes:
		header_put(bytes, H_ZERO, 0);
		break;
	case FAULT_cursor:
		header_put(bytes, H_CURSOR, 0);
		break;
	case FAULT_furthest:
		header_put(bytes, H_GENERATION, FIRST_GENERATION);
		break;
	case FAULT_ascending:
		qsort(fault_id(bytes, 0), ids, ID_BYTES, fault_compare);
		break;
	case FAULT_range:
		for (uint32_t i = ids; i--;)
			if (id_get(fault_id(bytes, i), I_ID) > 1000)
				size = fault_drop(bytes, size, i);
		break;
	default:
		break;
	}
	if (snapshot_fault == FAULT_count || snapshot_fault == FAULT_owner ||
	    snapshot_fault == FAULT_range)
		fault_count(bytes);
	header_put(bytes, H_SIZE, size);
	mend_checksum(bytes, size);
	return size;
}

/* Is it a snapshot but for what the fault does not look at? */
static inline bool fault_fits(const uint8_t *bytes, size_t size)
{
	if (size < HEADER_BYTES || !counts_right(bytes, size))
		return false;
	if (snapshot_fault == FAULT_checksum)
		return header_get(bytes, H_VERSION) == 1;
	return header_get(bytes, H_CRC) == checksum_of(bytes, size) &&
	       (header_get(bytes, H_VERSION) == 1 ||
		snapshot_fault == FAULT_version);
}

static const struct ioasid_codec *fault_codec;

static inline int fault_decode(void *context, ioasid_t id, uint64_t number,
			       void **data)
{
	void *first;

	if (fault_codec->decode(context, id, number, &first))
		return -EIO;
	return fault_codec->decode(context, id, number, data);
}

static inline int fault_restore(struct ioasid_space *space,
				const struct ioasid_codec *codec,
				const uint8_t *bytes, size_t size)
{
	struct ioasid_codec faulty = { .encode = NULL };
	struct ioasid_stats stats;
	struct ioasid_set *set;
	uint8_t *copy;
	int ret;

	if (codec)
		faulty = *codec;
	fault_codec = codec;
	if (snapshot_fault == FAULT_twice && codec && faulty.decode)
		faulty.decode = fault_decode;
	if (snapshot_fault == FAULT_discard)
		faulty.discard = NULL;
	if (!fault_fits(bytes, size))
		ret = ioasid_space_restore(space, &faulty, bytes, size);
	else {
		size_t less;

		copy = malloc(size);
		CHECK(copy);
		memcpy(copy, bytes, size);
		if (snapshot_fault == FAULT_version)
			header_put(copy, H_VERSION, 1);
		less = fault_bytes(copy, size);
		ret = ioasid_space_restore(space, &faulty, copy, less);
		if (ret && snapshot_fault == FAULT_half &&
		    header_get(copy, H_IDS) > 1) {
			while (header_get(copy, H_IDS) > 1)
				less = fault_drop(copy, less,
						  header_get32(copy, H_IDS) -
							  1);
			fault_count(copy);
			header_put(copy, H_SIZE, less);
			mend_checksum(copy, less);
			(void)ioasid_space_restore(space, NULL, copy, less);
		}
		free(copy);
	}
	if (ret && snapshot_fault == FAULT_leaves)
		(void)ioasid_set_create(space, NULL, &set);
	if (!ret && snapshot_fault == FAULT_loses) {
		ioasid_space_stats(space, &stats);
		if (stats.reserved)
			(void)ioasid_space_unreserve(space, 1);
	}
	return ret == -ENOMEM && snapshot_fault == FAULT_nomem ? 0 : ret;
}

static inline int call_restore(struct ioasid_space *space,
			       const struct ioasid_codec *codec,
			       const uint8_t *bytes, size_t size)
{
	if (snapshot_fault != FAULT_none)
		return fault_restore(space, codec, bytes, size);
	return ioasid_space_restore(space, codec, bytes, size);
}

static inline void fault_written(const struct ioasid_codec *codec,
				 uint8_t *bytes, size_t size)
{
	uint32_t ids = header_get32(bytes, H_IDS);
	uint8_t *first = fault_id(bytes, 0), other[ID_BYTES];

	if (snapshot_fault == FAULT_order && ids > 1) {
		memcpy(other, first, ID_BYTES);
		memmove(first, first + ID_BYTES, ID_BYTES);
		memcpy(first + ID_BYTES, other, ID_BYTES);
	}
	for (uint32_t i = 0; snapshot_fault == FAULT_encode && codec && i < ids;
	     i++)
		if (id_get(fault_id(bytes, i), I_FLAGS) & ID_PENDING)
			codec->encode(codec->context,
				      id_get(fault_id(bytes, i), I_ID), NULL);
	mend_checksum(bytes, size);
}

static inline int call_snapshot(struct ioasid_space *space,
				const struct ioasid_codec *codec,
				uint8_t *bytes, size_t size, size_t *needed)
{
	int ret = ioasid_space_snapshot(space, codec, bytes, size, needed);

	if (snapshot_fault == FAULT_needed && ret && *needed > HEADER_BYTES)
		*needed -= 1;
	if (!ret && snapshot_fault != FAULT_none)
		fault_written(codec, bytes, *needed);
	return ret;
}

#endif /* IOASID_FUZZ_SNAPSHOT_FAULTS_H */
