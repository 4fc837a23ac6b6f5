/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include <ioasid/snapshot.h>

#ifndef IOASID_NO_SNAPSHOTS
#include "claim.h"
#include "event.h"
#include "extra.h"
#include "owner.h"
#include "source.h"
#include "walk.h"
#include "../platform/util.h"

/* The bytes are described in docs/snapshot.md. */

#define VERSION 1
#define HEADER_SIZE 48
#define SET_SIZE 64
#define ID_SIZE 32

enum header_offset {
	AT_MAGIC = 0,
	AT_VERSION = 8,
	AT_CRC = 12,
	AT_SIZE = 16,
	AT_SETS = 24,
	AT_IDS = 28,
	AT_RESERVED = 32,
	AT_GENERATION = 36,
	AT_CURSOR = 40,
	AT_HEADER_ZERO = 44,
};

enum set_offset {
	SET_QUOTA = 0,
	SET_RESERVED = 4,
	SET_TOKEN = 8,
	SET_NAME = 16,
	SET_COUNT = 48,
	SET_ZERO = 52,
};

enum id_offset {
	ID_ID = 0,
	ID_GENERATION = 4,
	ID_REFS = 8,
	ID_SET = 12,
	ID_DATA = 16,
	ID_SPID = 24,
	ID_FLAGS = 28,
};

#define FLAG_PENDING 1u
#define FLAG_ALLOCATOR 2u
#define FLAGS 3u

/* "IOASID\r\n" in the order of bytes. */
#define MAGIC UINT64_C(0x0a0d444953414f49)

static void put32(unsigned char *to, uint32_t number)
{
	for (unsigned int i = 0; i < 4; i++)
		to[i] = (unsigned char)(number >> 8 * i);
}

static void put64(unsigned char *to, uint64_t number)
{
	put32(to, (uint32_t)number);
	put32(to + 4, (uint32_t)(number >> 32));
}

static uint32_t get32(const unsigned char *from)
{
	uint32_t number = 0;

	for (unsigned int i = 0; i < 4; i++)
		number |= (uint32_t)from[i] << 8 * i;
	return number;
}

static uint64_t get64(const unsigned char *from)
{
	return get32(from) | (uint64_t)get32(from + 4) << 32;
}

static bool all_zero(const unsigned char *bytes, size_t count)
{
	unsigned char any = 0;

	while (count--)
		any |= bytes[count];
	return !any;
}

/* CRC-32C, Castagnoli et al. (1993), four bits a step. */
static uint32_t crc(uint32_t crc, const unsigned char *bytes, size_t count)
{
	static const uint32_t table[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
		0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
		0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};

	for (size_t i = 0; i < count; i++) {
		crc ^= bytes[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return crc;
}

/* Of all bytes but its own. */
static uint32_t checksum(const unsigned char *bytes, size_t size)
{
	uint32_t sum = crc(UINT32_MAX, bytes, AT_CRC);

	return ~crc(sum, bytes + AT_SIZE, size - AT_SIZE);
}

static const unsigned char *set_at(const unsigned char *bytes, uint32_t number)
{
	return bytes + HEADER_SIZE + (size_t)SET_SIZE * number;
}

static const unsigned char *id_at(const unsigned char *bytes, uint32_t number)
{
	return set_at(bytes, get32(bytes + AT_SETS)) + (size_t)ID_SIZE * number;
}

/* False: its end is under way, or it is not published yet. */
static bool write_id(struct space *space, const struct ioasid_codec *codec,
		     ioasid_t id, unsigned char *to)
{
	const struct ioasid_slot *slot = ioasid_locked_slot(space, id);
	ioasid_state_t state = ioasid_load_relaxed(&slot->state);
	const struct set_record *record =
		ioasid_set_record_at(space, ioasid_state_set(state));
	const struct extra *extra = ioasid_extra(space, id);
	bool pending = !(state & IOASID_STATE_LIVE);
	uint32_t refs = ioasid_state_refs(state);
	uint32_t flags = pending ? FLAG_PENDING : 0;
	uint64_t data = 0;

	if (!refs || ioasid_state_reserved(state) || (extra && extra->leaving))
		return false;
	/* What a pending ID pointed to may be gone. */
	if (!pending && codec->encode)
		data = codec->encode(codec->context, id,
				     ioasid_load_relaxed(&slot->private_data));
	if (extra && extra->source)
		flags |= FLAG_ALLOCATOR;
	put32(to + ID_ID, id);
	put32(to + ID_GENERATION, ioasid_state_generation(state));
	put32(to + ID_REFS, refs);
	put32(to + ID_SET, record ? record->number : 0);
	put64(to + ID_DATA, data);
	put32(to + ID_SPID,
	      extra && extra->named ? extra->spid : INVALID_IOASID);
	put32(to + ID_FLAGS, flags);
	return true;
}

static void write_set(const struct ioasid_codec *codec,
		      const struct set_record *record, unsigned char *to)
{
	memset(to, 0, SET_SIZE);
	put32(to + SET_QUOTA, record->quota);
	put32(to + SET_RESERVED, record->reserved);
	if (record->token && codec->encode_token)
		put64(to + SET_TOKEN,
		      codec->encode_token(codec->context, record->token));
	memcpy(to + SET_NAME, record->name, IOASID_NAME_SIZE);
}

static uint32_t write_sets(struct space *space,
			   const struct ioasid_codec *codec, unsigned char *to)
{
	struct set_record *record;
	uint32_t number = 0;

	for (uint32_t i = 1; i <= space->sets.used; i++) {
		record = ioasid_set_record_at(space, i);
		if (!record)
			continue;
		write_set(codec, record, to + (size_t)SET_SIZE * number);
		record->number = ++number;
	}
	return number;
}

static uint32_t write_ids(struct space *space, const struct ioasid_codec *codec,
			  unsigned char *to)
{
	uint32_t number = 0;
	struct walk walk;
	size_t count;

	ioasid_walk_begin(space, &walk, space->min, space->max);
	while ((count = ioasid_walk_next(space, &walk)))
		for (size_t i = 0; i < count; i++)
			if (write_id(space, codec, walk.ids[i],
				     to + (size_t)ID_SIZE * number))
				number++;
	return number;
}

static unsigned char *find_id(unsigned char *ids, uint32_t number, ioasid_t id)
{
	uint32_t below = 0, middle;

	while (number) {
		middle = number / 2;
		if (get32(ids + (size_t)ID_SIZE * (below + middle)) < id) {
			below += middle + 1;
			number -= middle + 1;
		} else {
			number = middle;
		}
	}
	return ids + (size_t)ID_SIZE * below;
}

struct written {
	unsigned char *ids;
	uint32_t number;
};

/* Takes out the reference by which a freed ID is kept until that is told. */
static void leave_out_told(ioasid_t id, void *arg)
{
	const struct written *written = arg;
	unsigned char *found = find_id(written->ids, written->number, id);

	put32(found + ID_REFS, get32(found + ID_REFS) - 1);
}

/* Leaves out those without a reference, and counts the others in their sets. */
static uint32_t pack_ids(unsigned char *sets, unsigned char *ids,
			 uint32_t number)
{
	unsigned char *from = ids, *to = ids, *owner;
	uint32_t packed = 0, set;

	for (; number; number--, from += ID_SIZE) {
		if (!get32(from + ID_REFS))
			continue;
		set = get32(from + ID_SET);
		if (set) {
			owner = sets + (size_t)SET_SIZE * (set - 1);
			put32(owner + SET_COUNT, get32(owner + SET_COUNT) + 1);
		}
		if (to != from)
			memcpy(to, from, ID_SIZE);
		to += ID_SIZE;
		packed++;
	}
	return packed;
}

static size_t write_space(struct space *space, const struct ioasid_codec *codec,
			  unsigned char *bytes)
{
	unsigned char *sets = bytes + HEADER_SIZE, *ids;
	uint32_t latest = space->generation_latest, number;
	struct written written;
	size_t size;

	number = write_sets(space, codec, sets);
	put32(bytes + AT_SETS, number);
	ids = sets + (size_t)SET_SIZE * number;
	number = write_ids(space, codec, ids);
	written = (struct written){ ids, number };
	ioasid_events_untold(space, leave_out_told, &written);
	number = pack_ids(sets, ids, number);
	put32(bytes + AT_IDS, number);
	size = (size_t)(ids - bytes) + (size_t)ID_SIZE * number;
	for (uint32_t i = 0; i < number; i++, ids += ID_SIZE)
		latest = ioasid_generation_further(get32(ids + ID_GENERATION),
						   latest);
	put64(bytes + AT_MAGIC, MAGIC);
	put32(bytes + AT_VERSION, VERSION);
	put64(bytes + AT_SIZE, size);
	put32(bytes + AT_RESERVED, space->stats.reserved);
	put32(bytes + AT_GENERATION, latest);
	put32(bytes + AT_CURSOR, space->cursor);
	put32(bytes + AT_HEADER_ZERO, 0);
	put32(bytes + AT_CRC, checksum(bytes, size));
	return size;
}

static const struct ioasid_codec no_codec;

int ioasid_space_snapshot(struct ioasid_space *public_space,
			  const struct ioasid_codec *codec, void *buffer,
			  size_t size, size_t *needed)
{
	struct space *space = ioasid_to_space(public_space);
	uint64_t most;
	int ret = 0;

	ioasid_space_lock_guarded(space);
	most = HEADER_SIZE + (uint64_t)SET_SIZE * space->stats.sets +
	       (uint64_t)ID_SIZE * space->stats.live +
	       (uint64_t)ID_SIZE * space->stats.pending;
	if (size < most) {
		*needed = most < SIZE_MAX ? (size_t)most : SIZE_MAX;
		ret = -ENOBUFS;
	} else {
		*needed = write_space(space, codec ? codec : &no_codec, buffer);
	}
	ioasid_space_unlock_guarded(space);
	return ret;
}

/* What every version has. */
static bool check_header(const unsigned char *bytes, size_t size)
{
	return size >= HEADER_SIZE && get64(bytes + AT_MAGIC) == MAGIC &&
	       get64(bytes + AT_SIZE) == size &&
	       get32(bytes + AT_CRC) == checksum(bytes, size) &&
	       get32(bytes + AT_VERSION);
}

static bool check_counts(const unsigned char *bytes, size_t size)
{
	uint64_t sets = get32(bytes + AT_SETS), ids = get32(bytes + AT_IDS);

	return all_zero(bytes + AT_HEADER_ZERO, 4) &&
	       HEADER_SIZE + SET_SIZE * sets + ID_SIZE * ids == size;
}

static bool check_set(const unsigned char *set)
{
	uint32_t quota = get32(set + SET_QUOTA);
	size_t name = 0;

	while (name < IOASID_NAME_SIZE && set[SET_NAME + name])
		name++;
	return name < IOASID_NAME_SIZE &&
	       all_zero(set + SET_NAME + name, IOASID_NAME_SIZE - name) &&
	       all_zero(set + SET_ZERO, SET_SIZE - SET_ZERO) &&
	       (!quota || (get32(set + SET_RESERVED) <= quota &&
			   get32(set + SET_COUNT) <= quota));
}

static bool check_id(const unsigned char *bytes, uint32_t number)
{
	const unsigned char *id = id_at(bytes, number);
	uint32_t flags = get32(id + ID_FLAGS), set = get32(id + ID_SET);

	if (number && get32(id + ID_ID) <= get32(id - ID_SIZE + ID_ID))
		return false;
	return get32(id + ID_ID) != INVALID_IOASID &&
	       get32(id + ID_GENERATION) && get32(id + ID_REFS) &&
	       set <= get32(bytes + AT_SETS) && !(flags & ~FLAGS) &&
	       ((set && !(flags & FLAG_PENDING)) ||
		get32(id + ID_SPID) == INVALID_IOASID);
}

/* Is it well-formed? SPIDs and the counts of sets are checked on the way. */
static bool check_all(const unsigned char *bytes)
{
	for (uint32_t i = 0; i < get32(bytes + AT_SETS); i++)
		if (!check_set(set_at(bytes, i)))
			return false;
	for (uint32_t i = 0; i < get32(bytes + AT_IDS); i++)
		if (!check_id(bytes, i))
			return false;
	return true;
}

struct restore {
	struct space *space;
	const struct ioasid_codec *codec;
	const unsigned char *bytes;
	/* the record of each set */
	struct set_record **record;
};

static size_t records_size(const struct restore *restore)
{
	return get32(restore->bytes + AT_SETS) * sizeof(*restore->record);
}

static int make_set(struct restore *restore, uint32_t number)
{
	const unsigned char *from = set_at(restore->bytes, number);
	const struct ioasid_codec *codec = restore->codec;
	struct ioasid_set_info info = {
		.quota = get32(from + SET_QUOTA),
		.reserved = get32(from + SET_RESERVED),
		.count = get32(from + SET_COUNT),
	};
	struct ioasid_set_config config = {
		.name = info.name,
		.quota = info.quota,
		.reserved = info.reserved,
	};
	struct ioasid_set *set = NULL;
	int ret;

	memcpy(info.name, from + SET_NAME, IOASID_NAME_SIZE);
	if (get64(from + SET_TOKEN) && codec->decode_token) {
		ret = codec->decode_token(codec->context,
					  get64(from + SET_TOKEN), &info.token);
		if (ret)
			return ret;
	}
	config.token = info.token;
	if (codec->restore_set)
		set = codec->restore_set(codec->context, &info);
	return ioasid_set_make(restore->space, set, &config,
			       &restore->record[number]);
}

static struct set_record *owner_of(const struct restore *restore,
				   const unsigned char *id)
{
	uint32_t set = get32(id + ID_SET);

	return set ? restore->record[set - 1] : NULL;
}

/* Takes back what place() did, but for the name, which goes with the set. */
static void displace(struct restore *restore, const unsigned char *from)
{
	struct set_record *record = owner_of(restore, from);
	struct space *space = restore->space;
	ioasid_t id = get32(from + ID_ID);
	struct extra *extra = ioasid_extra(space, id);

	if (extra && extra->source)
		ioasid_source_leave(space, extra);
	if (extra)
		ioasid_extra_free(space, extra);
	ioasid_uncharge(space, record);
	ioasid_unclaim(space, id);
}

static int place_extra(struct restore *restore, const unsigned char *from)
{
	struct set_record *record = owner_of(restore, from);
	ioasid_t id = get32(from + ID_ID), spid = get32(from + ID_SPID);
	struct space *space = restore->space;
	struct extra *extra;
	int ret;

	if (get32(from + ID_FLAGS) & FLAG_ALLOCATOR) {
		if (!ioasid_source_line(space))
			return -ENODEV;
		ret = ioasid_extra_make(space, id, &extra);
		if (ret)
			return ret;
		ioasid_source_adopt(space, extra, ioasid_source_line(space));
	}
	if (spid == INVALID_IOASID)
		return 0;
	ret = ioasid_spid_name(space, record, id, spid);
	return ret == -EEXIST ? -EBADMSG : ret;
}

/* Has it room in a state? */
static bool is_generation(uint32_t generation)
{
	return (generation & IOASID_GENERATION_MASK) == generation;
}

static bool is_pending(const unsigned char *from)
{
	return get32(from + ID_FLAGS) & FLAG_PENDING;
}

static int decode_data(const struct restore *restore, const unsigned char *from,
		       void **data)
{
	const struct ioasid_codec *codec = restore->codec;

	*data = NULL;
	if (!codec->decode || is_pending(from))
		return 0;
	return codec->decode(codec->context, get32(from + ID_ID),
			     get64(from + ID_DATA), data);
}

/* What was made of it is not needed. */
static void discard_data(const struct restore *restore,
			 const unsigned char *from, void *data)
{
	const struct ioasid_codec *codec = restore->codec;

	if (codec->decode && codec->discard && !is_pending(from))
		codec->discard(codec->context, get32(from + ID_ID), data);
}

static int place(struct restore *restore, const unsigned char *from, void *data)
{
	struct set_record *record = owner_of(restore, from);
	struct space *space = restore->space;
	ioasid_t id = get32(from + ID_ID);
	struct ioasid_slot *slot;
	int ret = ioasid_charge_check(space, record);

	/* The number of IDs said to be in the set was within the quota. */
	if (ret == -EDQUOT)
		ret = -EBADMSG;
	if (!ret)
		ret = ioasid_claim(space, id, id, id, &id, &slot);
	if (ret)
		return ret;
	ioasid_charge(space, record);
	ioasid_store_release(&slot->private_data, data);
	ret = place_extra(restore, from);
	if (ret)
		displace(restore, from);
	return ret;
}

/* Everything but that it can be found. */
static int place_id(struct restore *restore, uint32_t number)
{
	const unsigned char *from = id_at(restore->bytes, number);
	struct space *space = restore->space;
	ioasid_t id = get32(from + ID_ID);
	void *data;
	int ret;

	if (id < space->min || id > space->max ||
	    !is_generation(get32(from + ID_GENERATION)) ||
	    get32(from + ID_REFS) > IOASID_REFS_MAX)
		return -ERANGE;
	ret = decode_data(restore, from, &data);
	if (ret)
		return ret;
	ret = place(restore, from, data);
	if (ret)
		discard_data(restore, from, data);
	return ret;
}

static void displace_id(struct restore *restore, uint32_t number)
{
	const unsigned char *from = id_at(restore->bytes, number);
	struct ioasid_slot *slot =
		ioasid_locked_slot(restore->space, get32(from + ID_ID));
	void *data = ioasid_load_relaxed(&slot->private_data);

	displace(restore, from);
	discard_data(restore, from, data);
}

static void publish_id(struct restore *restore, const unsigned char *from)
{
	bool pending = is_pending(from);
	struct set_record *record = owner_of(restore, from);
	struct ioasid_stats *stats = &restore->space->stats;
	struct ioasid_slot *slot =
		ioasid_locked_slot(restore->space, get32(from + ID_ID));

	ioasid_store_release(&slot->state,
			     ioasid_state_make(get32(from + ID_GENERATION),
					       record ? record->index : 0,
					       get32(from + ID_REFS),
					       !pending));
	stats->allocs++;
	stats->frees += pending;
	stats->live += !pending;
	stats->pending += pending;
}

static int check_owned(const struct restore *restore)
{
	for (uint32_t i = 0; i < get32(restore->bytes + AT_SETS); i++)
		if (restore->record[i]->count !=
		    get32(set_at(restore->bytes, i) + SET_COUNT))
			return -EBADMSG;
	return 0;
}

/* Slots start there, but not as worn ones, which could not be forgotten. */
static void go_on_from(struct space *space, uint32_t generation)
{
	space->generation_latest =
		ioasid_generation_further(generation, space->generation_latest);
	if (ioasid_generation_distance(generation) >= IOASID_GENERATION_WORN)
		generation =
			(IOASID_GENERATION_START + IOASID_GENERATION_WORN - 1) &
			IOASID_GENERATION_MASK;
	space->generation_floor =
		ioasid_generation_further(generation, space->generation_floor);
}

static int restore_all(struct restore *restore)
{
	const unsigned char *bytes = restore->bytes;
	uint32_t sets = get32(bytes + AT_SETS), ids = get32(bytes + AT_IDS);
	uint32_t reserved = get32(bytes + AT_RESERVED);
	struct space *space = restore->space;
	uint32_t made = 0, placed = 0;
	int ret = 0;

	while (made < sets && !(ret = make_set(restore, made)))
		made++;
	while (!ret && placed < ids && !(ret = place_id(restore, placed)))
		placed++;
	if (!ret)
		ret = check_owned(restore);
	if (!ret && reserved > space->stats.capacity - space->stats.committed)
		ret = -ENOSPC;
	if (ret) {
		while (placed)
			displace_id(restore, --placed);
		for (uint32_t i = 0; i < made; i++)
			ioasid_set_unmake(space, restore->record[i]);
		return ret;
	}
	for (uint32_t i = 0; i < ids; i++)
		publish_id(restore, id_at(bytes, i));
	space->stats.committed += reserved;
	space->stats.reserved = reserved;
	space->cursor = get32(bytes + AT_CURSOR);
	go_on_from(space, get32(bytes + AT_GENERATION));
	return 0;
}

/* Locked. */
static int check_empty(struct space *space)
{
	if (space->stats.quarantined)
		ioasid_quarantine_reap(space);
	if (space->stats.live || space->stats.pending || space->stats.sets ||
	    space->stats.committed)
		return -EBUSY;
	return space->stats.quarantined ? -EAGAIN : 0;
}

static int restore_locked(struct restore *restore)
{
	struct space *space = restore->space;
	int ret = check_empty(space);

	if (ret)
		return ret;
	if (get32(restore->bytes + AT_SETS) > IOASID_SETS_MAX ||
	    !is_generation(get32(restore->bytes + AT_GENERATION)))
		return -ERANGE;
	if (records_size(restore)) {
		restore->record =
			ioasid_space_memory(space, records_size(restore));
		if (!restore->record)
			return -ENOMEM;
	}
	ret = restore_all(restore);
	if (restore->record)
		ioasid_space_memory_free(space, restore->record,
					 records_size(restore));
	return ret;
}

int ioasid_space_restore(struct ioasid_space *public_space,
			 const struct ioasid_codec *codec, const void *snapshot,
			 size_t size)
{
	struct restore restore = {
		.space = ioasid_to_space(public_space),
		.codec = codec ? codec : &no_codec,
		.bytes = snapshot,
	};
	int ret;

	if (!check_header(restore.bytes, size))
		return -EBADMSG;
	if (get32(restore.bytes + AT_VERSION) != VERSION)
		return -EPROTO;
	if (!check_counts(restore.bytes, size) || !check_all(restore.bytes))
		return -EBADMSG;
	ioasid_space_lock_guarded(restore.space);
	ret = restore_locked(&restore);
	ioasid_space_unlock_guarded(restore.space);
	ioasid_rcu_reclaim(public_space->rcu);
	return ret;
}
#endif /* IOASID_NO_SNAPSHOTS */
