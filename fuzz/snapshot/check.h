/* SPDX-License-Identifier: MIT */
#ifndef IOASID_FUZZ_SNAPSHOT_CHECK_H
#define IOASID_FUZZ_SNAPSHOT_CHECK_H

/*
 * Restores bytes into a space, and compares what came of it with what the bytes
 * mean by format.h: what the target and the programs it prints share.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ioasid/allocator.h>
#include <ioasid/set.h>
#include <ioasid/snapshot.h>
#include <ioasid/space.h>

#include "fuzz/check.h"

#include "fuzz/snapshot/faults.h"
#include "fuzz/snapshot/format.h"

/* Hooks that count, check sizes, and fail. */
struct memory {
	size_t bytes;
	uint32_t calls, failed;
	/* the call that fails, from 1; 0: none */
	uint32_t fail_at;
};

union memory_header {
	size_t size;
	char line[IOASID_CACHE_LINE];
};

static inline void *memory_alloc(void *context, size_t size)
{
	size_t lines = 1 + (size + IOASID_CACHE_LINE - 1) / IOASID_CACHE_LINE;
	union memory_header *header;
	struct memory *memory = context;

	if (++memory->calls == memory->fail_at) {
		memory->failed++;
		return NULL;
	}
	header = aligned_alloc(IOASID_CACHE_LINE, lines * IOASID_CACHE_LINE);
	CHECK(header);
	header->size = size;
	memory->bytes += size;
	return header + 1;
}

static inline void memory_free(void *context, void *block, size_t size)
{
	union memory_header *header = (union memory_header *)block - 1;
	struct memory *memory = context;

	CHECK(header->size == size && memory->bytes >= size);
	memory->bytes -= size;
	free(header);
}

static inline struct ioasid_memory memory_hooks(struct memory *memory)
{
	struct ioasid_memory hooks = { .alloc = memory_alloc,
				       .free = memory_free,
				       .context = memory };

	return hooks;
}

/* The space that is restored into, and how. */
enum range { RANGE_ALL, RANGE_64, RANGE_1000, RANGES };
enum state {
	STATE_EMPTY,
	STATE_LIVE,
	STATE_PENDING,
	STATE_SET,
	STATE_ASIDE,
	STATE_UNPUBLISHED,
	/* an ID waits for the reader that the caller is */
	STATE_QUARANTINED,
	STATE_USED,
	STATE_READER,
	STATES
};
enum codec_kind { CODEC_ALL, CODEC_NONE, CODEC_DATA, CODEC_TOKENS, CODECS };
/* What restore_set gives. */
enum sets { SETS_NONE, SETS_STATIC, SETS_SECOND, SETS_FOREIGN, SETS_KINDS };

struct setup {
	enum ioasid_store_kind store;
	enum range range;
	enum state state;
	enum codec_kind codec;
	enum sets sets;
	/* 0: all there are */
	uint32_t capacity;
	bool cyclic, quarantine, allocator;
	/* the call of each that fails, from 1; 0: none */
	uint32_t fail_memory, fail_decode, fail_token;
};

static const enum ioasid_store_kind store_kinds[] = {
	IOASID_STORE_RADIX,
	IOASID_STORE_BITMAP,
	IOASID_STORE_HASH,
};

/* A private pointer that the codec made. */
struct item {
	uint64_t number;
	ioasid_t id;
	bool discarded;
};

enum { STATIC_SETS = 4 };

struct target {
	const struct setup *setup;
	struct memory memory;
	struct ioasid_space *space;
	ioasid_t min, max;
	struct ioasid_allocator_ops ops;
	struct ioasid_codec codec;
	struct item *item;
	uint32_t items, room, discarded, tokens, asked_sets;
	/* of a snapshot taken */
	uint32_t encoded, encoded_tokens;
	uint32_t taken_back;
	struct ioasid_set statics[STATIC_SETS];
	/* what is in the way */
	struct ioasid_set *own;
	ioasid_t own_id;
};

static inline ioasid_t give(ioasid_t min, ioasid_t max, void *data)
{
	(void)max;
	(void)data;
	return min;
}

static inline void take_back(ioasid_t id, void *data)
{
	struct target *target = data;

	(void)id;
	target->taken_back++;
}

static inline uint64_t encode(void *context, ioasid_t id, void *data)
{
	struct target *target = context;
	const struct item *item = data;

	target->encoded++;
	CHECK(!item || item->id == id);
	return item ? item->number : 0;
}

static inline int decode(void *context, ioasid_t id, uint64_t number,
			 void **data)
{
	struct target *target = context;
	struct item *item = &target->item[target->items];

	CHECK(target->items < target->room);
	if (target->items + 1 == target->setup->fail_decode)
		return -EDOM;
	target->items++;
	*item = (struct item){ .number = number, .id = id };
	*data = item;
	return 0;
}

static inline void discard(void *context, ioasid_t id, void *data)
{
	struct target *target = context;
	struct item *item = data;

	CHECK(item && item->id == id && !item->discarded);
	item->discarded = true;
	target->discarded++;
}

static inline uint64_t encode_token(void *context, void *token)
{
	struct target *target = context;

	target->encoded_tokens++;
	return (uintptr_t)token;
}

static inline int decode_token(void *context, uint64_t number, void **token)
{
	struct target *target = context;

	CHECK(number);
	if (++target->tokens == target->setup->fail_token ||
	    (uintptr_t)number != number)
		return -EILSEQ;
	*token = (void *)(uintptr_t)number;
	return 0;
}

static inline struct ioasid_set *give_set(void *context,
					  const struct ioasid_set_info *info)
{
	struct target *target = context;
	uint32_t number = target->asked_sets++;

	CHECK(!info->spids && memchr(info->name, 0, sizeof(info->name)));
	if (number >= STATIC_SETS)
		return NULL;
	if (target->setup->sets == SETS_SECOND && number % 2 == 0)
		return NULL;
	return &target->statics[number];
}

static inline void set_range(const struct setup *setup, ioasid_t *min,
			     ioasid_t *max)
{
	*min = setup->range == RANGE_1000 ? 2 : 0;
	*max = setup->range == RANGE_64		   ? 63 :
	       setup->range == RANGE_1000	   ? 1000 :
	       setup->store == IOASID_STORE_BITMAP ? 2047 :
						     INVALID_IOASID - 1;
}

static inline void target_begin(struct target *target,
				const struct setup *setup,
				struct ioasid_rcu *rcu, size_t size)
{
	struct ioasid_space_config config = {
		.store = setup->store,
		.capacity = setup->capacity,
		.hash_seed = 1,
		.reuse = setup->cyclic ? IOASID_REUSE_CYCLIC :
					 IOASID_REUSE_LOWEST,
		.quarantine = setup->quarantine,
		.rcu = rcu,
	};

	memset(target, 0, sizeof(*target));
	target->setup = setup;
	set_range(setup, &target->min, &target->max);
	config.min = target->min;
	config.max = target->max;
	config.memory = memory_hooks(&target->memory);
	target->room = (uint32_t)(size / ID_BYTES) + 1;
	target->item = malloc(target->room * sizeof(*target->item));
	CHECK(target->item);
	target->ops = (struct ioasid_allocator_ops){ .alloc = give,
						     .free = take_back,
						     .pdata = target };
	target->codec = (struct ioasid_codec){
		.encode = encode,
		.decode = setup->codec != CODEC_TOKENS ? decode : NULL,
		.encode_token = encode_token,
		.decode_token = setup->codec != CODEC_DATA ? decode_token :
							     NULL,
		.restore_set = setup->sets != SETS_NONE ? give_set : NULL,
		.discard = discard,
		.context = target,
	};
	CHECK(ioasid_space_create(&config, &target->space) == 0);
	if (setup->allocator)
		CHECK(ioasid_space_register_allocator(target->space,
						      &target->ops) == 0);
}

static inline void target_end(struct target *target)
{
	CHECK(ioasid_space_destroy(target->space) == 0);
	CHECK(!target->memory.bytes);
	free(target->item);
}

/* Something is or was in the space that is to be empty. */
static inline void target_occupy(struct target *target)
{
	struct ioasid_space *space = target->space;
	struct ioasid_rcu *rcu = ioasid_space_rcu(space);
	ioasid_t *id = &target->own_id;

	switch (target->setup->state) {
	case STATE_LIVE:
		CHECK(!ioasid_space_alloc(space, NULL, 3, 3, NULL, id));
		break;
	case STATE_PENDING:
		CHECK(!ioasid_space_alloc(space, NULL, 3, 3, NULL, id));
		CHECK(!ioasid_space_get(space, NULL, 3));
		CHECK(!ioasid_space_free(space, 3));
		break;
	case STATE_SET:
		CHECK(!ioasid_set_create(space, NULL, &target->own));
		break;
	case STATE_ASIDE:
		CHECK(!ioasid_space_reserve(space, 2));
		break;
	case STATE_UNPUBLISHED:
		CHECK(!ioasid_space_reserve_id(space, NULL, 3, 3, id));
		break;
	case STATE_QUARANTINED:
		ioasid_rcu_read_lock(rcu);
		CHECK(!ioasid_space_alloc(space, NULL, 3, 3, NULL, id));
		CHECK(!ioasid_space_free(space, 3));
		break;
	case STATE_USED:
		for (ioasid_t n = 3; n < 6; n++) {
			CHECK(!ioasid_space_alloc(space, NULL, n, n, NULL, id));
			CHECK(!ioasid_space_free(space, n));
		}
		CHECK(!ioasid_rcu_synchronize(rcu));
		break;
	case STATE_READER:
		ioasid_rcu_read_lock(rcu);
		break;
	default:
		break;
	}
}

/* What is in the way goes. */
static inline void target_clear(struct target *target)
{
	struct ioasid_space *space = target->space;

	switch (target->setup->state) {
	case STATE_LIVE:
		CHECK(!ioasid_space_free(space, 3));
		break;
	case STATE_PENDING:
		CHECK(ioasid_space_put(space, 3) == 1);
		break;
	case STATE_SET:
		CHECK(!ioasid_set_destroy(space, target->own));
		break;
	case STATE_ASIDE:
		CHECK(!ioasid_space_unreserve(space, 2));
		break;
	case STATE_UNPUBLISHED:
		CHECK(!ioasid_space_release_id(space, 3));
		break;
	default:
		break;
	}
}

static inline void target_leave(struct target *target)
{
	if (target->setup->state == STATE_QUARANTINED ||
	    target->setup->state == STATE_READER)
		ioasid_rcu_read_unlock(ioasid_space_rcu(target->space));
}

/* The snapshot of a space, to be freed. */
static inline uint8_t *take_snapshot(struct target *target, size_t *size)
{
	const struct ioasid_codec *codec =
		target->setup->codec == CODEC_NONE ? NULL : &target->codec;
	size_t needed = 0, again = 0;
	uint8_t *bytes, byte = 0x5a;

	target->encoded = target->encoded_tokens = 0;
	CHECK(call_snapshot(target->space, codec, &byte, 1, &needed) ==
	      -ENOBUFS);
	CHECK(byte == 0x5a && !target->encoded && needed >= HEADER_BYTES);
	bytes = malloc(needed);
	CHECK(bytes);
	CHECK(call_snapshot(target->space, codec, bytes, needed, &again) == 0);
	CHECK(again <= needed && header_get(bytes, H_SIZE) == again);
	CHECK(header_get(bytes, H_MAGIC) == MAGIC_NUMBER);
	CHECK(header_get(bytes, H_VERSION) == 1);
	CHECK(header_get(bytes, H_CRC) == checksum_of(bytes, again));
	CHECK(counts_right(bytes, again));
	*size = again;
	return bytes;
}

/* Answers a restore may give, as bits; 0: success. */
enum answer {
	MAY_EBADMSG = 1,
	MAY_EPROTO = 2,
	MAY_EBUSY = 4,
	MAY_EAGAIN = 8,
	MAY_ERANGE = 16,
	MAY_ENOSPC = 32,
	MAY_ENODEV = 64,
	MAY_EXDEV = 128,
	MAY_EEXIST = 256,
	MAY_EDOM = 512,
	MAY_EILSEQ = 1024,
};

static inline uint32_t answer_bit(int ret)
{
	static const int errors[] = { EBADMSG, EPROTO, EBUSY,  EAGAIN,
				      ERANGE,  ENOSPC, ENODEV, EXDEV,
				      EEXIST,  EDOM,   EILSEQ };

	for (uint32_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (ret == -errors[i])
			return 1u << i;
	return 0;
}

/* Is it well-formed, but for what is only seen of all IDs of a set? */
static inline uint32_t form_answer(const uint8_t *bytes, size_t size)
{
	const uint8_t *id;

	if (size < HEADER_BYTES || header_get(bytes, H_MAGIC) != MAGIC_NUMBER ||
	    header_get(bytes, H_SIZE) != size ||
	    header_get(bytes, H_CRC) != checksum_of(bytes, size) ||
	    !header_get(bytes, H_VERSION))
		return MAY_EBADMSG;
	if (header_get(bytes, H_VERSION) != 1)
		return MAY_EPROTO;
	if (header_get(bytes, H_ZERO) || !counts_right(bytes, size))
		return MAY_EBADMSG;
	for (uint32_t i = 0; i < header_get32(bytes, H_SETS); i++)
		if (!set_right(bytes + set_offset(i)))
			return MAY_EBADMSG;
	for (uint32_t i = 0; i < header_get32(bytes, H_IDS); i++) {
		id = bytes + id_offset(bytes, i);
		if (!id_right(bytes, id) ||
		    (i && id_get(id, I_ID) <= id_get(id - ID_BYTES, I_ID)))
			return MAY_EBADMSG;
	}
	return 0;
}

static inline int compare_u64(const void *a, const void *b)
{
	uint64_t is, other;

	memcpy(&is, a, sizeof(is));
	memcpy(&other, b, sizeof(other));
	return is < other ? -1 : is > other;
}

static inline bool any_twice(uint64_t *numbers, size_t count)
{
	qsort(numbers, count, sizeof(*numbers), compare_u64);
	for (size_t i = 1; i < count; i++)
		if (numbers[i - 1] == numbers[i])
			return true;
	return false;
}

static inline bool decodes(const struct setup *setup)
{
	return setup->codec == CODEC_ALL || setup->codec == CODEC_DATA;
}

static inline bool decodes_tokens(const struct setup *setup)
{
	return setup->codec == CODEC_ALL || setup->codec == CODEC_TOKENS;
}

static inline bool is_pending(const uint8_t *id)
{
	return id_get(id, I_FLAGS) & ID_PENDING;
}

static inline bool is_hosted(const uint8_t *id)
{
	return id_get(id, I_FLAGS) & ID_HOSTED;
}

/* What the IDs of well-formed bytes say against them. */
static inline uint32_t ids_answer(const struct setup *setup,
				  const uint8_t *bytes, uint32_t *counts,
				  uint64_t *numbers)
{
	uint32_t answer = 0, decoded = 0;
	ioasid_t min, max;
	size_t named = 0;

	set_range(setup, &min, &max);
	for (uint32_t i = 0; i < header_get32(bytes, H_IDS); i++) {
		const uint8_t *id = bytes + id_offset(bytes, i);
		uint32_t set = id_get(id, I_SET), spid = id_get(id, I_SPID);

		counts[set]++;
		if (spid != INVALID_IOASID)
			numbers[named++] = (uint64_t)set << 32 | spid;
		if (id_get(id, I_ID) < min || id_get(id, I_ID) > max ||
		    id_get(id, I_GENERATION) > IOASID_GENERATION_MASK ||
		    id_get(id, I_REFS) > IOASID_REFS_MAX)
			answer |= MAY_ERANGE;
		if (is_hosted(id) && !setup->allocator)
			answer |= MAY_ENODEV;
		decoded += !is_pending(id);
	}
	if (any_twice(numbers, named))
		answer |= MAY_EBADMSG;
	if (decodes(setup) && setup->fail_decode &&
	    decoded >= setup->fail_decode)
		answer |= MAY_EDOM;
	return answer;
}

static inline uint32_t sets_answer(const struct setup *setup,
				   const uint8_t *bytes, const uint32_t *counts,
				   uint64_t *numbers)
{
	uint32_t sets = header_get32(bytes, H_SETS), answer = 0;
	uint64_t committed = counts[0] + header_get(bytes, H_RESERVED);
	ioasid_t min, max;
	size_t tokens = 0;

	for (uint32_t i = 0; i < sets; i++) {
		const uint8_t *set = bytes + set_offset(i);
		uint64_t aside = set_get(set, S_RESERVED);
		uint64_t token = set_get(set, S_TOKEN);

		committed += counts[i + 1] > aside ? counts[i + 1] : aside;
		if (set_get(set, S_COUNT) != counts[i + 1])
			answer |= MAY_EBADMSG;
		if (!decodes_tokens(setup) || !token)
			continue;
		numbers[tokens++] = token;
		/* No pointer here, so the codec refuses it. */
		if ((uintptr_t)token != token)
			answer |= MAY_EILSEQ;
	}
	if (setup->fail_token && tokens >= setup->fail_token)
		answer |= MAY_EILSEQ;
	if (any_twice(numbers, tokens))
		answer |= MAY_EEXIST;
	if (setup->sets == SETS_FOREIGN && setup->codec != CODEC_NONE &&
	    sets >= 2)
		answer |= MAY_EXDEV;
	set_range(setup, &min, &max);
	if (committed >
	    (setup->capacity ? setup->capacity : (uint64_t)max - min + 1))
		answer |= MAY_ENOSPC;
	return answer;
}

/* Every reason there is to refuse @bytes; which of them is said, is free. */
static inline uint32_t right_answer(const struct setup *setup,
				    const uint8_t *bytes, size_t size)
{
	uint32_t answer = form_answer(bytes, size), *counts;
	uint64_t *numbers;

	if (answer)
		return answer;
	if (header_get(bytes, H_SETS) > IOASID_SETS_MAX ||
	    header_get(bytes, H_GENERATION) > IOASID_GENERATION_MASK)
		answer |= MAY_ERANGE;
	if (setup->state >= STATE_LIVE && setup->state <= STATE_UNPUBLISHED)
		answer |= MAY_EBUSY;
	if (setup->state == STATE_QUARANTINED && setup->quarantine)
		answer |= MAY_EAGAIN;
	counts = calloc(header_get32(bytes, H_SETS) + (size_t)1,
			sizeof(*counts));
	numbers = malloc(size / 4);
	CHECK(counts && numbers);
	answer |= ids_answer(setup, bytes, counts, numbers);
	answer |= sets_answer(setup, bytes, counts, numbers);
	free(counts);
	free(numbers);
	return answer;
}

/* The snapshot that a space restored from @bytes has to have. */
static inline void expected_bytes(const struct setup *setup, uint8_t *bytes,
				  size_t size, uint32_t latest)
{
	uint32_t ids = header_get32(bytes, H_IDS);

	latest = further(header_get32(bytes, H_GENERATION), latest);
	for (uint32_t i = 0; i < ids; i++) {
		uint8_t *id = bytes + id_offset(bytes, i);

		latest = further(id_get(id, I_GENERATION), latest);
		if (is_pending(id) || !decodes(setup))
			id_put(id, I_DATA, 0);
	}
	for (uint32_t i = 0; i < header_get32(bytes, H_SETS); i++) {
		uint8_t *set = bytes + set_offset(i);
		uint64_t token = set_get(set, S_TOKEN);

		set_put(set, S_TOKEN, decodes_tokens(setup) ? token : 0);
	}
	header_put(bytes, H_GENERATION, latest);
	mend_checksum(bytes, size);
}

static inline bool same_stats(const struct ioasid_stats *a,
			      const struct ioasid_stats *b)
{
	return a->live == b->live && a->pending == b->pending &&
	       a->unpublished == b->unpublished && a->sets == b->sets &&
	       a->allocators == b->allocators && a->capacity == b->capacity &&
	       a->committed == b->committed && a->reserved == b->reserved &&
	       a->allocs == b->allocs && a->frees == b->frees;
}

/* What each set is asked, and each ID: but of very large snapshots. */
enum { ASKED = 64 };

static inline void check_set_info(struct target *target, const uint8_t *bytes,
				  uint32_t number, struct ioasid_set *set)
{
	const uint8_t *from = bytes + set_offset(number);
	struct ioasid_set_info info;
	struct ioasid_set *found;
	ioasid_t id;

	CHECK(!ioasid_set_stats(target->space, set, &info));
	CHECK(info.quota == set_get(from, S_QUOTA));
	CHECK(info.reserved == set_get(from, S_RESERVED));
	CHECK(info.count == set_get(from, S_COUNT));
	CHECK(!memcmp(info.name, from + 16, sizeof(info.name)));
	if (decodes_tokens(target->setup) && set_get(from, S_TOKEN)) {
		CHECK((uintptr_t)info.token == set_get(from, S_TOKEN));
		CHECK(!ioasid_set_by_token(target->space, info.token, &found));
		CHECK(found == set);
	} else {
		CHECK(!info.token);
	}
	if (info.quota == info.count && info.quota && !target->setup->allocator)
		CHECK(ioasid_space_alloc(target->space, set, target->min,
					 target->max, NULL, &id) == -EDQUOT);
	if (target->setup->codec == CODEC_NONE || number >= STATIC_SETS)
		return;
	if (target->setup->sets == SETS_STATIC ||
	    (target->setup->sets == SETS_SECOND && number % 2))
		CHECK(set == &target->statics[number]);
}

static inline void check_id(struct target *target, const uint8_t *bytes,
			    const uint8_t *from)
{
	uint32_t number = id_get(from, I_SET), spid = id_get(from, I_SPID);
	uint32_t generation = id_get(from, I_GENERATION);
	struct ioasid_space *space = target->space;
	ioasid_t id = id_get(from, I_ID), found = 0;
	struct ioasid_set *set = NULL;
	ioasid_handle_t handle;
	struct item *item;
	void *data = NULL;

	if (is_pending(from)) {
		CHECK(ioasid_space_find(space, NULL, id, NULL, &data) ==
		      -ENOENT);
		CHECK(ioasid_set_of(space, id, &set) == -ENOENT);
		CHECK(ioasid_spid_of(space, id, &found) == -ENOENT);
		return;
	}
	CHECK(!ioasid_set_of(space, id, &set));
	CHECK(!set == !number);
	CHECK(!ioasid_space_find(space, set, id, NULL, &data));
	item = data;
	CHECK(!item == !decodes(target->setup));
	CHECK(!item || (item->id == id && !item->discarded &&
			item->number == id_get64(from, I_DATA)));
	CHECK(!ioasid_space_handle(space, set, id, &handle));
	CHECK(handle == ((uint64_t)generation << 32 | id));
	CHECK(!ioasid_space_find_handle(space, set, handle, NULL, &data));
	if (generation > 1)
		CHECK(ioasid_space_find_handle(space, NULL,
					       handle - (UINT64_C(1) << 32),
					       NULL, &data) == -ESTALE);
	CHECK(ioasid_spid_of(space, id, &found) ==
	      (spid == INVALID_IOASID ? -ENOENT : 0));
	if (number)
		check_set_info(target, bytes, number - 1, set);
	if (spid == INVALID_IOASID)
		return;
	CHECK(found == spid);
	CHECK(!ioasid_spid_find(space, set, spid, NULL, &found, &data));
	CHECK(found == id && data == item);
}

/* The lowest vacant ID from @from on, or INVALID_IOASID. */
static inline ioasid_t vacant_from(const struct target *target,
				   const uint8_t *bytes, ioasid_t from)
{
	uint32_t ids = header_get32(bytes, H_IDS);

	for (uint32_t i = 0; i < ids; i++) {
		ioasid_t id = id_get(bytes + id_offset(bytes, i), I_ID);

		if (id == from)
			from++;
		else if (id > from)
			break;
	}
	return from > target->max ? INVALID_IOASID : from;
}

/* Where the policy goes on, if there is room without a set. */
static inline void check_cursor(struct target *target, const uint8_t *bytes)
{
	ioasid_t cursor = header_get32(bytes, H_CURSOR), expected, id;
	struct ioasid_stats stats;

	ioasid_space_stats(target->space, &stats);
	if (target->setup->allocator)
		return;
	if (stats.committed == stats.capacity) {
		CHECK(ioasid_space_alloc(target->space, NULL, target->min,
					 target->max, NULL, &id) == -ENOSPC);
		return;
	}
	if (!target->setup->cyclic || cursor < target->min)
		cursor = target->min;
	expected = cursor > target->max ? INVALID_IOASID :
					  vacant_from(target, bytes, cursor);
	if (expected == INVALID_IOASID)
		expected = vacant_from(target, bytes, target->min);
	CHECK(!ioasid_space_alloc(target->space, NULL, target->min, target->max,
				  NULL, &id));
	CHECK(id == expected);
	CHECK(!ioasid_space_free(target->space, id));
}

/* Each ID goes with its last reference, back to the allocator if it was its. */
static inline void check_drain(struct target *target, const uint8_t *bytes)
{
	uint32_t ids = header_get32(bytes, H_IDS), left = 0, hosted = 0;
	struct ioasid_space *space = target->space;
	struct ioasid_stats stats;
	uint64_t aside = header_get(bytes, H_RESERVED);

	for (uint32_t i = 0; i < ids; i++) {
		const uint8_t *from = bytes + id_offset(bytes, i);
		uint32_t refs = id_get(from, I_REFS);
		ioasid_t id = id_get(from, I_ID);

		if (refs > 100) {
			left++;
			continue;
		}
		hosted += is_hosted(from);
		if (!is_pending(from)) {
			CHECK(!ioasid_space_free(space, id));
			refs--;
		}
		while (refs--)
			CHECK(ioasid_space_put(space, id) == !refs);
		CHECK(ioasid_space_put(space, id) == -ENOENT);
		CHECK(target->taken_back == hosted);
	}
	for (uint32_t i = 0; i < header_get32(bytes, H_SETS); i++)
		aside += set_get(bytes + set_offset(i), S_RESERVED);
	ioasid_space_stats(space, &stats);
	CHECK(stats.live + stats.pending == left);
	CHECK(left || stats.committed == aside);
	CHECK(header_get(bytes, H_RESERVED) == stats.reserved);
	CHECK(!ioasid_space_unreserve(space, stats.reserved));
}

/* A handle of the space that the snapshot is of. */
struct kept {
	ioasid_handle_t handle;
	bool good;
};

static inline void check_kept(struct target *target, const struct kept *kept,
			      size_t count)
{
	void *data;
	int ret;

	for (size_t i = 0; i < count; i++) {
		ret = ioasid_space_find_handle(target->space, NULL,
					       kept[i].handle, NULL, &data);
		CHECK(kept[i].good ? !ret : ret == -ESTALE || ret == -ENOENT);
	}
}

/* In a space of another store it makes the same again. */
static inline void check_again(const struct setup *first,
			       struct ioasid_rcu *rcu, const uint8_t *bytes,
			       size_t size)
{
	struct setup setup = {
		.store = first->store == IOASID_STORE_RADIX ?
				 IOASID_STORE_HASH :
				 IOASID_STORE_RADIX,
		.range = first->range,
		.allocator = first->allocator,
	};
	struct target again;
	size_t size_again;
	uint8_t *other;

	target_begin(&again, &setup, rcu, size);
	CHECK(!call_restore(again.space, &again.codec, bytes, size));
	CHECK(ioasid_space_validate(again.space, NULL));
	other = take_snapshot(&again, &size_again);
	CHECK(size_again == size && !memcmp(other, bytes, size));
	free(other);
	target_end(&again);
}

static inline void check_taken(struct target *target, const uint8_t *bytes,
			       const uint8_t *after, size_t size,
			       const struct ioasid_stats *before)
{
	uint32_t ids = header_get32(bytes, H_IDS), pending = 0, tokens = 0;
	uint32_t sets = header_get32(bytes, H_SETS);
	struct ioasid_stats stats;

	for (uint32_t i = 0; i < ids; i++) {
		const uint8_t *id = bytes + id_offset(bytes, i);

		pending += is_pending(id);
		if (i < ASKED)
			check_id(target, bytes, id);
	}
	for (uint32_t i = 0; i < sets; i++)
		tokens += set_get(bytes + set_offset(i), S_TOKEN) != 0;
	ioasid_space_stats(target->space, &stats);
	CHECK(stats.live == ids - pending && stats.pending == pending);
	CHECK(stats.sets == sets);
	CHECK(stats.reserved == header_get(bytes, H_RESERVED));
	CHECK(stats.allocs == before->allocs + ids);
	CHECK(stats.frees == before->frees + pending);
	CHECK(target->items == (decodes(target->setup) ? ids - pending : 0));
	CHECK(target->tokens == (decodes_tokens(target->setup) ? tokens : 0));
	CHECK(target->encoded ==
	      (target->setup->codec == CODEC_NONE ? 0 : ids - pending));
	CHECK(target->encoded_tokens == target->tokens);
	CHECK(!target->discarded);
	CHECK(header_get(after, H_SIZE) == size);
}

/* A set that was to have been one of the space's is nobody's. */
static inline void check_static(struct target *target)
{
	for (uint32_t i = 0; i < target->asked_sets && i < STATIC_SETS; i++) {
		struct ioasid_set *set = &target->statics[i];

		if (target->setup->sets == SETS_FOREIGN && i == 1)
			continue;
		CHECK(!ioasid_load_relaxed(&set->space));
	}
}

static inline void check_after(struct target *target, int ret,
			       const uint8_t *bytes, const uint8_t *before,
			       size_t before_size,
			       const struct ioasid_stats *stats_before)
{
	struct ioasid_stats stats;
	uint8_t *after, *expected;
	size_t after_size, size;

	ioasid_space_stats(target->space, &stats);
	CHECK(ioasid_space_validate(target->space, NULL));
	CHECK(!target->taken_back);
	after = take_snapshot(target, &after_size);
	if (ret) {
		CHECK(after_size == before_size &&
		      !memcmp(before, after, after_size));
		CHECK(same_stats(&stats, stats_before));
		CHECK(target->discarded == target->items);
		check_static(target);
		free(after);
		return;
	}
	size = (size_t)header_get(bytes, H_SIZE);
	CHECK(after_size == size);
	expected = malloc(size);
	CHECK(expected);
	memcpy(expected, bytes, size);
	expected_bytes(target->setup, expected, size,
		       header_get32(before, H_GENERATION));
	CHECK(!memcmp(expected, after, size));
	check_taken(target, bytes, after, size, stats_before);
	check_again(target->setup, ioasid_space_rcu(target->space), after,
		    size);
	free(expected);
	free(after);
}

/* What another space has; its end gives it back. */
static inline struct ioasid_space *bind_foreign(struct target *target,
						struct ioasid_rcu *rcu)
{
	struct ioasid_space_config config = { .max = 3, .rcu = rcu };
	struct ioasid_space *space = NULL;

	if (target->setup->sets != SETS_FOREIGN)
		return NULL;
	CHECK(!ioasid_space_create(&config, &space));
	CHECK(!ioasid_set_bind(space, &target->statics[1], NULL));
	return space;
}

/*
 * Restores @bytes, which are of their exact size, into a space by @setup: it
 * answers as it has to and is what it has to be. Returns the answer.
 */
static inline int snapshot_check(const struct setup *setup,
				 const uint8_t *bytes, size_t size,
				 const struct kept *kept, size_t count)
{
	uint32_t right = right_answer(setup, bytes, size);
	struct ioasid_space *foreign;
	struct ioasid_stats stats;
	struct ioasid_rcu *rcu;
	struct target target;
	size_t before_size;
	uint8_t *before;
	bool no_memory;
	int ret;

	CHECK(!ioasid_rcu_create(NULL, &rcu));
	target_begin(&target, setup, rcu, size);
	foreign = bind_foreign(&target, rcu);
	target_occupy(&target);
	target.taken_back = 0;
	before = take_snapshot(&target, &before_size);
	ioasid_space_stats(target.space, &stats);
	target.memory.calls = 0;
	target.memory.fail_at = setup->fail_memory;
	ret = call_restore(target.space,
			   setup->codec == CODEC_NONE ? NULL : &target.codec,
			   bytes, size);
	target_leave(&target);
	no_memory = target.memory.failed;
	target.memory.fail_at = 0;
	if (ret == -ENOMEM)
		CHECK(no_memory);
	else if (ret || !no_memory)
		CHECK(ret ? right & answer_bit(ret) : !right);
	else
		CHECK(!right);
	check_after(&target, ret, bytes, before, before_size, &stats);
	if (!ret) {
		CHECK(call_restore(target.space, &target.codec, bytes, size) ==
			      -EBUSY ||
		      size == HEADER_BYTES);
		check_kept(&target, kept, count);
		check_cursor(&target, bytes);
		check_drain(&target, bytes);
	} else {
		target_clear(&target);
	}
	free(before);
	target_end(&target);
	CHECK(!foreign || !ioasid_space_destroy(foreign));
	CHECK(!ioasid_rcu_destroy(rcu));
	return ret;
}

#endif /* IOASID_FUZZ_SNAPSHOT_CHECK_H */
