/* SPDX-License-Identifier: MIT */
/* Snapshots: docs/snapshot.md written down a second time, and against it. */
#include "test/gate.h"

#include <ioasid/ioasid.h>

enum {
	HEADER = 48,
	SET = 64,
	ID = 32,
	LAST = 1023,
	ROOM = 8192,
};

static void *pointer(uintptr_t n)
{
	return (void *)(n << 4);
}

static void put(unsigned char *to, uint64_t number, unsigned int bytes)
{
	for (unsigned int i = 0; i < bytes; i++)
		to[i] = (unsigned char)(number >> 8 * i);
}

static uint32_t get(const unsigned char *from)
{
	return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 |
	       (uint32_t)from[3] << 24;
}

/* A bit at a time. */
static uint32_t crc32c(uint32_t crc, const unsigned char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		crc ^= bytes[i];
		for (unsigned int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return crc;
}

/* Makes bytes that were changed look undamaged. */
static void seal(unsigned char *bytes, size_t size)
{
	uint32_t crc = crc32c(UINT32_MAX, bytes, 12);

	put(bytes + 12, ~crc32c(crc, bytes + 16, size - 16), 4);
}

static uint64_t encode(void *context, ioasid_t id, void *data)
{
	(void)context;
	(void)id;
	return UINT64_C(0xab00000000000000) | (uintptr_t)data;
}

static int decode(void *context, ioasid_t id, uint64_t number, void **data)
{
	(void)context;
	(void)id;
	if (number >> 56 != 0xab)
		return -EILSEQ;
	*data = (void *)(uintptr_t)(number & UINT32_MAX);
	return 0;
}

static uint64_t encode_token(void *context, void *token)
{
	(void)context;
	return UINT64_C(0xcd00000000000000) | (uintptr_t)token;
}

static int decode_token(void *context, uint64_t number, void **token)
{
	(void)context;
	if (number >> 56 != 0xcd)
		return -EILSEQ;
	*token = (void *)(uintptr_t)(number & UINT32_MAX);
	return 0;
}

static const struct ioasid_codec codec = {
	.encode = encode,
	.decode = decode,
	.encode_token = encode_token,
	.decode_token = decode_token,
};

/* A space that differs from the fixture's in its IDs only. */
static struct ioasid_space *another(struct fixture *fixture, ioasid_t min,
				    ioasid_t max)
{
	struct ioasid_space_config config;
	struct ioasid_space *space;

	fixture_space_config(fixture, &config, min, max);
	assert_int_equal(ioasid_space_create(&config, &space), 0);
	return space;
}

static size_t snapshot(struct ioasid_space *space, unsigned char *bytes)
{
	size_t size, small;

	memset(bytes, 0x5a, ROOM);
	assert_int_equal(
		ioasid_space_snapshot(space, &codec, bytes, ROOM, &size), 0);
	assert_int_equal(get(bytes + 16), size);
	assert_int_equal(ioasid_space_snapshot(space, &codec, NULL, 0, &small),
			 -ENOBUFS);
	assert_true(small >= size);
	assert_true(bytes[small] == 0x5a);
	assert_int_equal(ioasid_space_snapshot(space, &codec, bytes + small,
					       small - 1, &small),
			 -ENOBUFS);
	assert_true(bytes[small] == 0x5a);
	return size;
}

static void expect_valid(struct ioasid_space *space)
{
	const char *reason = NULL;

	if (!ioasid_space_validate(space, &reason))
		fail_msg("not valid: %s", reason);
}

/* Everything but how it came about: IDs with all they have, and sets. */
static void expect_same(struct ioasid_space *a, struct ioasid_space *b)
{
	static unsigned char of_a[ROOM], of_b[ROOM];
	size_t size = snapshot(a, of_a);

	expect_valid(a);
	expect_valid(b);
	assert_int_equal(snapshot(b, of_b), size);
	assert_memory_equal(of_a, of_b, size);
}

static ioasid_t give(struct ioasid_space *space, struct ioasid_set *set,
		     ioasid_t id, void *data)
{
	double end = test_now() + TOO_LONG;
	ioasid_t got;
	int ret;

	/* Where its generation turned that waits for readers. */
	while ((ret = ioasid_space_alloc(space, set, id, id, data, &got)) ==
	       -EAGAIN) {
		assert_true(test_now() < end);
		ioasid_rcu_synchronize(ioasid_space_rcu(space));
	}
	assert_int_equal(ret, 0);
	assert_int_equal(got, id);
	return got;
}

/* Sets, SPIDs, references, pending IDs, uses before, a reservation. */
static void populate(struct ioasid_space *space, struct ioasid_set **first)
{
	const struct ioasid_set_config config = { "first", pointer(7), 5, 2 };
	struct ioasid_set *second;
	unsigned int i;

	assert_int_equal(ioasid_set_create(space, &config, first), 0);
	assert_int_equal(ioasid_set_create(space, NULL, &second), 0);
	for (i = 0; i < 3; i++) {
		give(space, NULL, 11, NULL);
		assert_int_equal(ioasid_space_free(space, 11), 0);
		ioasid_space_trim(space);
	}
	give(space, *first, 11, pointer(1));
	give(space, *first, 100, pointer(2));
	give(space, second, 101, NULL);
	give(space, NULL, 1000, pointer(3));
	assert_int_equal(ioasid_spid_attach(space, 11, 5), 0);
	assert_int_equal(ioasid_spid_attach(space, 100, 0), 0);
	assert_int_equal(ioasid_spid_attach(space, 101, 5), 0);
	for (i = 0; i < 4; i++)
		assert_int_equal(ioasid_space_get(space, NULL, 100), 0);
	assert_int_equal(ioasid_space_get(space, second, 101), 0);
	assert_int_equal(ioasid_space_free(space, 101), 0);
	assert_int_equal(ioasid_space_reserve(space, 9), 0);
}

static void empty(struct fixture *fixture)
{
	static const unsigned char start[12] = { 'I',  'O',  'A', 'S', 'I', 'D',
						 '\r', '\n', 1,	  0,   0,   0 };
	struct ioasid_space *space = another(fixture, 0, LAST);
	static unsigned char bytes[ROOM];

	assert_true(~crc32c(UINT32_MAX, (const unsigned char *)"123456789",
			    9) == 0xe3069283);
	assert_int_equal(snapshot(space, bytes), HEADER);
	assert_memory_equal(bytes, start, sizeof(start));
	assert_int_equal(ioasid_space_restore(space, NULL, bytes, HEADER), 0);
	assert_int_equal(ioasid_space_restore(space, &codec, bytes, HEADER), 0);
	expect_same(space, fixture->space);
	assert_int_equal(ioasid_space_destroy(space), 0);
}

/* Written out from docs/snapshot.md. */
static void documented(struct fixture *fixture)
{
	static unsigned char bytes[ROOM], expected[ROOM];
	unsigned char *at = expected;
	ioasid_handle_t handle[3];
	struct ioasid_set *first;
	uint32_t highest = 0;
	size_t size;

	populate(fixture->space, &first);
	assert_int_equal(ioasid_space_handle(fixture->space, NULL, 11, handle),
			 0);
	assert_int_equal(
		ioasid_space_handle(fixture->space, NULL, 100, handle + 1), 0);
	assert_int_equal(
		ioasid_space_handle(fixture->space, NULL, 1000, handle + 2), 0);
	size = snapshot(fixture->space, bytes);
	assert_int_equal(size, HEADER + 2 * SET + 4 * ID);
	for (unsigned int i = 0; i < 3; i++)
		if (ioasid_handle_generation(handle[i]) > highest)
			highest = ioasid_handle_generation(handle[i]);
	memcpy(at, "IOASID\r\n", 8);
	put(at + 8, 1, 4);
	put(at + 16, size, 8);
	put(at + 24, 2, 4);
	put(at + 28, 4, 4);
	put(at + 32, 9, 4);
	/* At least; how much more is the store's affair. */
	assert_true(get(bytes + 36) >= highest);
	put(at + 36, get(bytes + 36), 4);
	at += HEADER;
	put(at, 5, 4);
	put(at + 4, 2, 4);
	put(at + 8, encode_token(NULL, pointer(7)), 8);
	memcpy(at + 16, "first", 5);
	put(at + 48, 2, 4);
	at += SET;
	put(at + 48, 1, 4);
	at += SET;
	put(at, 11, 4);
	put(at + 4, ioasid_handle_generation(handle[0]), 4);
	put(at + 8, 1, 4);
	put(at + 12, 1, 4);
	put(at + 16, encode(NULL, 11, pointer(1)), 8);
	put(at + 24, 5, 4);
	at += ID;
	put(at, 100, 4);
	put(at + 4, ioasid_handle_generation(handle[1]), 4);
	put(at + 8, 5, 4);
	put(at + 12, 1, 4);
	put(at + 16, encode(NULL, 100, pointer(2)), 8);
	at += ID;
	put(at, 101, 4);
	put(at + 4, get(bytes + (at - expected) + 4), 4);
	put(at + 8, 1, 4);
	put(at + 12, 2, 4);
	put(at + 24, UINT32_MAX, 4);
	put(at + 28, 1, 4);
	at += ID;
	put(at, 1000, 4);
	put(at + 4, ioasid_handle_generation(handle[2]), 4);
	put(at + 8, 1, 4);
	put(at + 16, encode(NULL, 1000, pointer(3)), 8);
	put(at + 24, UINT32_MAX, 4);
	seal(expected, size);
	assert_memory_equal(bytes, expected, size);
}

/* From each store into each. */
static void round_trip(struct fixture *fixture)
{
	const struct test_store *store = fixture->store;
	static unsigned char bytes[ROOM];
	struct ioasid_set *first, *found;
	ioasid_handle_t handle, again;
	struct ioasid_space *space;
	size_t size, i;
	ioasid_t id;
	void *data;

	populate(fixture->space, &first);
	assert_int_equal(
		ioasid_space_handle(fixture->space, first, 100, &handle), 0);
	size = snapshot(fixture->space, bytes);
	for (i = 0; i < TEST_STORES; i++) {
		fixture->store = &test_stores[i];
		if (fixture->store->left_out)
			continue;
		space = another(fixture, 10, LAST);
		assert_int_equal(
			ioasid_space_restore(space, &codec, bytes, size), 0);
		expect_same(space, fixture->space);
		assert_int_equal(ioasid_set_by_token(space, pointer(7), &found),
				 0);
		assert_ptr_not_equal(found, first);
		assert_int_equal(
			ioasid_space_find(space, found, 11, NULL, &data), 0);
		assert_ptr_equal(data, pointer(1));
		assert_int_equal(ioasid_space_find(space, NULL, 101, NULL,
						   &data),
				 -ENOENT);
		assert_int_equal(
			ioasid_spid_find(space, found, 0, NULL, &id, &data), 0);
		assert_int_equal(id, 100);
		assert_ptr_equal(data, pointer(2));
		assert_int_equal(ioasid_space_find_handle(space, found, handle,
							  NULL, &data),
				 0);
		/* Quota and reservation hold; references are the old ones. */
		for (id = 0; id < 3; id++)
			give(space, found, 20 + id, NULL);
		assert_int_equal(ioasid_space_alloc(space, found, 10, LAST,
						    NULL, &id),
				 -EDQUOT);
		assert_int_equal(ioasid_space_put(space, 101), 1);
		assert_int_equal(ioasid_space_free(space, 100), 0);
		for (id = 0; id < 3; id++)
			assert_int_equal(ioasid_space_put(space, 100), 0);
		assert_int_equal(ioasid_space_put(space, 100), 1);
		assert_int_equal(ioasid_space_put(space, 100), -ENOENT);
		/* A handle of before stays stale in the next use. */
		ioasid_rcu_synchronize(fixture->rcu);
		give(space, NULL, 100, NULL);
		assert_int_equal(ioasid_space_handle(space, NULL, 100, &again),
				 0);
		assert_true(again != handle);
		assert_int_equal(ioasid_space_find_handle(space, NULL, handle,
							  NULL, &data),
				 -ESTALE);
		assert_int_equal(ioasid_space_unreserve(space, 9), 0);
		expect_valid(space);
		assert_int_equal(ioasid_space_destroy(space), 0);
	}
	fixture->store = store;
}

/* A vacant ID's handle of before the snapshot stays stale after it. */
static void vacant_stay_stale(struct fixture *fixture)
{
	static unsigned char bytes[ROOM], then[ROOM];
	ioasid_handle_t handle[8], again;
	struct ioasid_space *space;
	size_t size, i, k;
	void *data;

	for (i = 0; i < ARRAY_SIZE(handle); i++)
		for (k = 0; k <= i; k++) {
			ioasid_rcu_synchronize(fixture->rcu);
			give(fixture->space, NULL, (ioasid_t)i, NULL);
			assert_int_equal(ioasid_space_handle(fixture->space,
							     NULL, (ioasid_t)i,
							     &handle[i]),
					 0);
			assert_int_equal(ioasid_space_free(fixture->space,
							   (ioasid_t)i),
					 0);
		}
	/* Far enough ahead of the others to be mistaken for behind them. */
	for (i = 0; IOASID_STATE_BITS == 32 && i < 3000; i++) {
		give(fixture->space, NULL, LAST, NULL);
		assert_int_equal(ioasid_space_free(fixture->space, LAST), 0);
	}
	size = snapshot(fixture->space, bytes);
	assert_int_equal(size, HEADER);
	space = another(fixture, 0, LAST);
	assert_int_equal(ioasid_space_restore(space, &codec, bytes, size), 0);
	/* It has that to pass on as well. */
	assert_int_equal(snapshot(space, then), size);
	assert_memory_equal(then, bytes, size);
	for (i = 0; i < ARRAY_SIZE(handle); i++) {
		give(space, NULL, (ioasid_t)i, NULL);
		assert_int_equal(ioasid_space_handle(space, NULL, (ioasid_t)i,
						     &again),
				 0);
		assert_true(again != handle[i]);
		assert_int_equal(ioasid_space_find_handle(
					 space, NULL, handle[i], NULL, &data),
				 -ESTALE);
		/* From there on it is used as ever. */
		assert_int_equal(ioasid_space_free(space, (ioasid_t)i), 0);
		ioasid_rcu_synchronize(fixture->rcu);
		give(space, NULL, (ioasid_t)i, NULL);
		assert_int_equal(ioasid_space_find_handle(space, NULL, again,
							  NULL, &data),
				 -ESTALE);
	}
	assert_int_equal(ioasid_space_destroy(space), 0);
}

static void refuse(struct ioasid_space *space, const unsigned char *bytes,
		   size_t size, int error)
{
	struct ioasid_stats before, after;

	ioasid_space_stats(space, &before);
	assert_int_equal(ioasid_space_restore(space, &codec, bytes, size),
			 error);
	ioasid_space_stats(space, &after);
	assert_int_equal(after.live + after.pending + after.sets, 0);
	assert_int_equal(after.committed, 0);
	assert_int_equal(after.allocs, before.allocs);
	expect_valid(space);
}

static void any_damage(struct fixture *fixture)
{
	static unsigned char bytes[ROOM], pristine[ROOM];
	struct ioasid_space *space = another(fixture, 0, LAST);
	struct ioasid_set *first;
	size_t size, i;

	populate(fixture->space, &first);
	size = snapshot(fixture->space, bytes);
	memcpy(pristine, bytes, size);
	for (i = 0; i < size; i++) {
		for (unsigned int bit = 0; bit < 8; bit++) {
			bytes[i] ^= (unsigned char)(1u << bit);
			refuse(space, bytes, size, -EBADMSG);
			bytes[i] = pristine[i];
		}
		refuse(space, bytes, i, -EBADMSG);
	}
	refuse(space, bytes, size + 1, -EBADMSG);
	/* What is refused is the damage. */
	assert_int_equal(ioasid_space_restore(space, &codec, bytes, size), 0);
	expect_same(space, fixture->space);
	assert_int_equal(ioasid_space_destroy(space), 0);
}

/* Undamaged, and yet no snapshot; or not of this version, or for this space. */
static void forged(struct fixture *fixture)
{
	enum { IDS = HEADER + 2 * SET };
	static const struct {
		unsigned int at;
		uint64_t number;
		unsigned int size;
		int error;
	} forgeries[] = {
		{ 8, 2, 4, -EPROTO },
		{ 8, 0, 4, -EBADMSG },
		{ 16, 0, 8, -EBADMSG },
		{ 16, UINT64_MAX, 8, -EBADMSG },
		{ 24, 1, 4, -EBADMSG },
		{ 24, UINT32_MAX, 4, -EBADMSG },
		{ 28, 3, 4, -EBADMSG },
		{ 28, UINT32_MAX, 4, -EBADMSG },
		/* more than there is to reserve */
		{ 32, LAST, 4, -ENOSPC },
		{ 32, UINT32_MAX, 4, -ENOSPC },
		{ 44, 1, 4, -EBADMSG },
		/* the first set: quota, reservation, token, name, count, rest */
		{ HEADER, 1, 4, -EBADMSG },
		{ HEADER + 4, 6, 4, -EBADMSG },
		{ HEADER + SET + 4, UINT32_MAX, 4, -ENOSPC },
		{ HEADER + 8, 1, 8, -EILSEQ },
		{ HEADER + SET + 8, UINT64_C(0xcd00000000000070), 8, -EEXIST },
		{ HEADER + 30, 'x', 1, -EBADMSG },
		{ HEADER + 16 + 31, 'x', 1, -EBADMSG },
		{ HEADER + 48, 1, 4, -EBADMSG },
		{ HEADER + 48, 3, 4, -EBADMSG },
		{ HEADER + SET + 48, 0, 4, -EBADMSG },
		{ HEADER + SET + 48, UINT32_MAX, 4, -EBADMSG },
		{ HEADER + 52, 1, 1, -EBADMSG },
		{ HEADER + SET - 1, 1, 1, -EBADMSG },
		/* IDs: order, range, generation, references, set, data, SPID */
		{ IDS, 100, 4, -EBADMSG },
		{ IDS, 101, 4, -EBADMSG },
		{ IDS + 3 * ID, LAST + 1, 4, -ERANGE },
		{ IDS + 3 * ID, UINT32_MAX, 4, -EBADMSG },
		{ IDS + 4, 0, 4, -EBADMSG },
		{ IDS + 8, 0, 4, -EBADMSG },
		{ IDS + 8, IOASID_REFS_MAX + 1, 4, -ERANGE },
		{ IDS + 8, UINT32_MAX, 4, -ERANGE },
		{ IDS + 12, 3, 4, -EBADMSG },
		{ IDS + 12, UINT32_MAX, 4, -EBADMSG },
		/* another set's, whose number of IDs is then wrong */
		{ IDS + ID + 12, 2, 4, -EBADMSG },
		{ IDS + 12, 0, 4, -EBADMSG },
		{ IDS + 16, 1, 8, -EILSEQ },
		{ IDS + 3 * ID + 16, 1, 8, -EILSEQ },
		/* a name there is; on a pending ID; on one without a set */
		{ IDS + ID + 24, 5, 4, -EBADMSG },
		{ IDS + 2 * ID + 24, 1, 4, -EBADMSG },
		{ IDS + 3 * ID + 24, 1, 4, -EBADMSG },
		{ IDS + 28, 4, 4, -EBADMSG },
		{ IDS + 28, 1, 4, -EBADMSG },
		{ IDS + 28, 2, 4, -ENODEV },
	};
	static unsigned char bytes[ROOM], pristine[ROOM];
	struct ioasid_space *space = another(fixture, 0, LAST);
	struct ioasid_domain_stats domain;
	struct ioasid_set *first;
	size_t size, i;

	populate(fixture->space, &first);
	size = snapshot(fixture->space, pristine);
	for (i = 0; i < ARRAY_SIZE(forgeries); i++) {
		memcpy(bytes, pristine, size);
		put(bytes + forgeries[i].at, forgeries[i].number,
		    forgeries[i].size);
		seal(bytes, size);
		if (memcmp(bytes, pristine, size) == 0)
			fail_msg("forgery %zu changes nothing", i);
		refuse(space, bytes, size, forgeries[i].error);
	}
	/* A set that has more IDs than it says, and that is its quota. */
	memcpy(bytes, pristine, size);
	put(bytes + HEADER, 1, 4);
	put(bytes + HEADER + 4, 0, 4);
	put(bytes + HEADER + 48, 1, 4);
	seal(bytes, size);
	refuse(space, bytes, size, -EBADMSG);
	/* However often that is tried, what was made for it goes. */
	for (i = 0; i < 500; i++)
		refuse(space, bytes, size, -EBADMSG);
	ioasid_rcu_stats(fixture->rcu, &domain);
	assert_true(domain.retired < 500);
	seal(pristine, size);
	assert_int_equal(ioasid_space_restore(space, &codec, pristine, size),
			 0);
	assert_int_equal(ioasid_space_destroy(space), 0);
}

static void does_not_fit(struct fixture *fixture)
{
	static unsigned char bytes[ROOM];
	struct ioasid_space_config config;
	struct ioasid_space *space;
	struct ioasid_set *first;
	size_t size;
	ioasid_t id;

	populate(fixture->space, &first);
	size = snapshot(fixture->space, bytes);
	space = another(fixture, 12, LAST);
	refuse(space, bytes, size, -ERANGE);
	assert_int_equal(ioasid_space_destroy(space), 0);
	space = another(fixture, 0, 999);
	refuse(space, bytes, size, -ERANGE);
	assert_int_equal(ioasid_space_destroy(space), 0);
	/* 4 IDs and 9 */
	fixture_space_config(fixture, &config, 0, LAST);
	config.capacity = 12;
	assert_int_equal(ioasid_space_create(&config, &space), 0);
	refuse(space, bytes, size, -ENOSPC);
	assert_int_equal(ioasid_space_set_capacity(space, 3), 0);
	refuse(space, bytes, size, -ENOSPC);
	assert_int_equal(ioasid_space_set_capacity(space, 13), 0);
	assert_int_equal(ioasid_space_restore(space, &codec, bytes, size), 0);
	assert_int_equal(ioasid_space_alloc(space, NULL, 0, LAST, NULL, &id),
			 -ENOSPC);
	expect_same(space, fixture->space);
	assert_int_equal(ioasid_space_destroy(space), 0);
#if IOASID_STATE_BITS == 32
	space = another(fixture, 0, LAST);
	put(bytes + 36, 4096, 4);
	seal(bytes, size);
	refuse(space, bytes, size, -ERANGE);
	put(bytes + 36, 4095, 4);
	put(bytes + HEADER + 2 * SET + 4, 4096, 4);
	seal(bytes, size);
	refuse(space, bytes, size, -ERANGE);
	assert_int_equal(ioasid_space_destroy(space), 0);
#endif
}

static void not_empty(struct fixture *fixture)
{
	struct ioasid_space *space = another(fixture, 0, LAST);
	static unsigned char bytes[ROOM];
	struct ioasid_set *set;
	size_t size;

	populate(fixture->space, &set);
	size = snapshot(fixture->space, bytes);
	give(space, NULL, 5, NULL);
	assert_int_equal(ioasid_space_restore(space, &codec, bytes, size),
			 -EBUSY);
	assert_int_equal(ioasid_space_get(space, NULL, 5), 0);
	assert_int_equal(ioasid_space_free(space, 5), 0);
	assert_int_equal(ioasid_space_restore(space, &codec, bytes, size),
			 -EBUSY);
	assert_int_equal(ioasid_space_put(space, 5), 1);
	assert_int_equal(ioasid_space_reserve(space, 1), 0);
	assert_int_equal(ioasid_space_restore(space, &codec, bytes, size),
			 -EBUSY);
	assert_int_equal(ioasid_space_unreserve(space, 1), 0);
	assert_int_equal(ioasid_set_create(space, NULL, &set), 0);
	assert_int_equal(ioasid_space_restore(space, &codec, bytes, size),
			 -EBUSY);
	assert_int_equal(ioasid_set_destroy(space, set), 0);
	assert_int_equal(ioasid_space_restore(space, &codec, bytes, size), 0);
	assert_int_equal(ioasid_space_restore(space, &codec, bytes, size),
			 -EBUSY);
	expect_same(space, fixture->space);
	assert_int_equal(ioasid_space_destroy(space), 0);
}

/* IDs that wait for readers; once they need not, they are in nobody's way. */
static void quarantined(struct fixture *fixture)
{
	static unsigned char bytes[ROOM];
	struct ioasid_space_config config;
	struct ioasid_space *space;
	struct ioasid_set *set;
	size_t size;

	populate(fixture->space, &set);
	size = snapshot(fixture->space, bytes);
	fixture_space_config(fixture, &config, 0, LAST);
	config.quarantine = true;
	assert_int_equal(ioasid_space_create(&config, &space), 0);
	give(space, NULL, 5, NULL);
	ioasid_rcu_read_lock(fixture->rcu);
	assert_int_equal(ioasid_space_free(space, 5), 0);
	assert_int_equal(ioasid_space_restore(space, &codec, bytes, size),
			 -EAGAIN);
	ioasid_rcu_read_unlock(fixture->rcu);
	assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
	assert_int_equal(ioasid_space_restore(space, &codec, bytes, size), 0);
	expect_same(space, fixture->space);
	assert_int_equal(ioasid_space_destroy(space), 0);
}

/* The cyclic policy goes on from where it was. */
static void cyclic(struct fixture *fixture)
{
	static unsigned char bytes[ROOM];
	struct ioasid_space_config config;
	struct ioasid_space *space[2];
	ioasid_t id = INVALID_IOASID;
	size_t size;

	fixture_space_config(fixture, &config, 0, LAST);
	config.reuse = IOASID_REUSE_CYCLIC;
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(ioasid_space_create(&config, &space[i]), 0);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(ioasid_space_alloc(space[0], NULL, 0, LAST,
						    NULL, &id),
				 0);
	assert_int_equal(ioasid_space_free_all(space[0], NULL), 0);
	size = snapshot(space[0], bytes);
	assert_int_equal(ioasid_space_restore(space[1], &codec, bytes, size),
			 0);
	assert_int_equal(ioasid_space_alloc(space[1], NULL, 0, LAST, NULL, &id),
			 0);
	assert_int_equal(id, 3);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(ioasid_space_destroy(space[i]), 0);
}

/* Without a codec there is all but the pointers. */
static void no_codec(struct fixture *fixture)
{
	struct ioasid_space *space = another(fixture, 0, LAST);
	static unsigned char bytes[ROOM];
	struct ioasid_set *set;
	size_t size;
	void *data;

	populate(fixture->space, &set);
	assert_int_equal(ioasid_space_snapshot(fixture->space, NULL, bytes,
					       ROOM, &size),
			 0);
	assert_int_equal(ioasid_space_restore(space, NULL, bytes, size), 0);
	expect_valid(space);
	assert_int_equal(ioasid_space_find(space, NULL, 11, NULL, &data), 0);
	assert_null(data);
	assert_int_equal(ioasid_set_by_token(space, pointer(7), &set), -ENOENT);
	assert_int_equal(ioasid_space_destroy(space), 0);
}

static int decode_once(void *context, ioasid_t id, uint64_t number, void **data)
{
	++*(unsigned int *)context;
	return decode(NULL, id, number, data);
}

static int decode_quota(void *context, ioasid_t id, uint64_t number,
			void **data)
{
	(void)context;
	(void)id;
	(void)number;
	(void)data;
	return -EDQUOT;
}

/* Whatever memory it needs first: callbacks may make objects. */
static void decodes_once(struct fixture *fixture)
{
	struct ioasid_codec counting = codec;
	struct ioasid_rcu_config rcu_config;
	struct ioasid_space_config config;
	static unsigned char bytes[ROOM];
	struct ioasid_domain_stats stats;
	unsigned int decoded = 0;
	struct ioasid_space *to;
	struct ioasid_rcu *rcu;
	struct ioasid_set *set;
	ioasid_t id, n;
	size_t size;

	populate(fixture->space, &set);
	size = snapshot(fixture->space, bytes);
	fixture_rcu_config(fixture, &rcu_config);
	rcu_config.retired_limit = 1;
	assert_int_equal(ioasid_rcu_create(&rcu_config, &rcu), 0);
	fixture_space_config(fixture, &config, 0, LAST);
	config.rcu = rcu;
	assert_int_equal(ioasid_space_create(&config, &to), 0);
	/* Each step may retire something. */
	for (n = 0; n < LAST; n += LAST / 200) {
		assert_int_equal(ioasid_space_alloc(to, NULL, n, n, NULL, &id),
				 0);
		assert_int_equal(ioasid_space_free(to, n), 0);
	}
	ioasid_rcu_stats(rcu, &stats);
	print_message("%zu bytes retired\n", stats.retired_bytes);
	counting.context = &decoded;
	counting.decode = decode_quota;
	assert_int_equal(ioasid_space_restore(to, &counting, bytes, size),
			 -EDQUOT);
	counting.decode = decode_once;
	assert_int_equal(ioasid_space_restore(to, &counting, bytes, size), 0);
	/* All but the pending one. */
	assert_int_equal(decoded, get(bytes + 28) - 1);
	expect_valid(to);
	assert_int_equal(ioasid_space_destroy(to), 0);
	assert_int_equal(ioasid_rcu_destroy(rcu), 0);
}

/* Objects that a codec made, each of which the space or discard has to have. */
struct made {
	unsigned int decoded, discarded;
	/* refuses after so many */
	unsigned int most;
	bool strange;
};

static int make_object(void *context, ioasid_t id, uint64_t number, void **data)
{
	struct made *made = context;
	ioasid_t *object;

	(void)number;
	if (made->decoded == made->most)
		return -EOWNERDEAD;
	object = malloc(sizeof(*object));
	CHECK(object);
	*object = id;
	*data = object;
	made->decoded++;
	return 0;
}

static void discard_object(void *context, ioasid_t id, void *data)
{
	struct made *made = context;
	ioasid_t *object = data;

	made->discarded++;
	made->strange |= !object || *object != id;
	free(object);
}

static int free_found(ioasid_t id, void *data, void *arg)
{
	unsigned int *found = arg;

	CHECK(*(ioasid_t *)data == id);
	free(data);
	++*found;
	return 0;
}

/* Restores, and expects what was decoded to be found, or given back. */
static void restore_objects(struct ioasid_space *space,
			    const unsigned char *bytes, size_t size,
			    unsigned int most, int ret, unsigned int decoded)
{
	struct made made = { .most = most };
	const struct ioasid_codec making = { .decode = make_object,
					     .discard = discard_object,
					     .context = &made };
	unsigned int found = 0;

	assert_int_equal(ioasid_space_restore(space, &making, bytes, size),
			 ret);
	assert_int_equal(made.decoded, decoded);
	assert_false(made.strange);
	assert_int_equal(made.discarded, ret ? decoded : 0);
	expect_valid(space);
	if (ret == -EBUSY)
		return;
	assert_int_equal(ioasid_space_for_each(space, NULL, 0, INVALID_IOASID,
					       free_found, &found),
			 0);
	assert_int_equal(found, ret ? 0 : decoded);
}

/* Whatever it is that a restore fails by, at whichever ID. */
static void gives_back(struct fixture *fixture)
{
	static unsigned char bytes[ROOM], bad[ROOM];
	struct ioasid_set *set;
	struct ioasid_space *space;
	size_t size, at;
	unsigned int n;

	populate(fixture->space, &set);
	size = snapshot(fixture->space, bytes);
	space = another(fixture, 0, LAST);
	/* Three are live. */
	for (n = 0; n < 3; n++)
		restore_objects(space, bytes, size, n, -EOWNERDEAD, n);
	/* No capacity for the last; for what is set aside. */
	for (n = 1; n < 13; n++) {
		assert_int_equal(ioasid_space_set_capacity(space, n), 0);
		restore_objects(space, bytes, size, 9, -ENOSPC,
				n < 2  ? 0 :
				n == 2 ? 2 :
					 3);
	}
	assert_int_equal(ioasid_space_set_capacity(space, 0), 0);
	/* The last ID is not there; has a SPID twice; is an allocator's. */
	at = HEADER + 2 * SET + ID;
	memcpy(bad, bytes, size);
	put(bad + at + 24, 5, 4);
	seal(bad, size);
	restore_objects(space, bad, size, 9, -EBADMSG, 2);
	memcpy(bad, bytes, size);
	put(bad + at + 2 * ID + 28, 2, 4);
	seal(bad, size);
	restore_objects(space, bad, size, 9, -ENODEV, 3);
	/* A set with another number of IDs than it says. */
	memcpy(bad, bytes, size);
	put(bad + HEADER + SET + 48, 2, 4);
	seal(bad, size);
	restore_objects(space, bad, size, 9, -EBADMSG, 3);
	assert_int_equal(ioasid_space_destroy(space), 0);
	/* Out of range it is not decoded. */
	space = another(fixture, 0, 999);
	restore_objects(space, bytes, size, 9, -ERANGE, 2);
	assert_int_equal(ioasid_space_destroy(space), 0);
	space = another(fixture, 0, LAST);
	restore_objects(space, bytes, size, 9, 0, 3);
	/* Not empty: nothing is decoded. */
	restore_objects(fixture->space, bytes, size, 9, -EBUSY, 0);
	assert_int_equal(ioasid_space_destroy(space), 0);
}

static void discard_nothing(void *context, ioasid_t id, void *data)
{
	(void)id;
	(void)data;
	++*(unsigned int *)context;
}

/* What was not decoded is nobody's to take back. */
static void gives_back_only_decoded(struct fixture *fixture)
{
	static unsigned char bytes[ROOM];
	unsigned int discarded = 0;
	const struct ioasid_codec partial = { .discard = discard_nothing,
					      .context = &discarded };
	struct ioasid_space *space;
	struct ioasid_set *set;
	size_t size;

	populate(fixture->space, &set);
	size = snapshot(fixture->space, bytes);
	space = another(fixture, 0, LAST);
	assert_int_equal(ioasid_space_set_capacity(space, 2), 0);
	assert_int_equal(ioasid_space_restore(space, &partial, bytes, size),
			 -ENOSPC);
	assert_int_equal(ioasid_space_set_capacity(space, 12), 0);
	assert_int_equal(ioasid_space_restore(space, &partial, bytes, size),
			 -ENOSPC);
	assert_int_equal(discarded, 0);
	assert_int_equal(ioasid_space_destroy(space), 0);
}

static void gives_back_without_memory(struct fixture *fixture)
{
	static unsigned char bytes[ROOM];
	struct test_memory *memory = &fixture->memory;
	unsigned int refused = 0, discarded = 0;
	struct ioasid_space *space;
	struct ioasid_set *set;
	size_t size;
	int ret;

	populate(fixture->space, &set);
	size = snapshot(fixture->space, bytes);
	for (uint64_t n = 1;; n++) {
		struct made made = { .most = 9 };
		const struct ioasid_codec making = { .decode = make_object,
						     .discard = discard_object,
						     .context = &made };
		unsigned int found = 0;

		space = another(fixture, 0, LAST);
		memory->fail_at = memory->calls + n;
		ret = ioasid_space_restore(space, &making, bytes, size);
		memory->fail_at = 0;
		assert_int_equal(ioasid_space_for_each(space, NULL, 0,
						       INVALID_IOASID,
						       free_found, &found),
				 0);
		expect_valid(space);
		assert_false(made.strange);
		assert_int_equal(made.decoded, made.discarded + found);
		assert_int_equal(ioasid_space_destroy(space), 0);
		if (!ret)
			break;
		assert_int_equal(ret, -ENOMEM);
		assert_int_equal(found, 0);
		refused++;
		discarded += made.discarded;
	}
	assert_true(refused > 3);
	assert_true(discarded > 0);
}

struct encoded {
	ioasid_t id[4];
	unsigned int count;
};

static uint64_t encode_object(void *context, ioasid_t id, void *data)
{
	struct encoded *encoded = context;

	/* ASan sees one that is gone. */
	CHECK(*(ioasid_t *)data == id);
	CHECK(encoded->count < ARRAY_SIZE(encoded->id));
	encoded->id[encoded->count++] = id;
	return id;
}

struct freed_object {
	struct ioasid_rcu_head rcu;
	ioasid_t *object;
};

static void free_it(struct ioasid_rcu_head *head)
{
	struct freed_object *freed = (struct freed_object *)head;

	*freed->object = INVALID_IOASID;
	free(freed->object);
	freed->object = NULL;
}

/* What a pending ID pointed to may be gone: nobody is asked for it. */
static void pending_not_encoded(struct fixture *fixture)
{
	static unsigned char bytes[ROOM];
	struct encoded encoded = { .count = 0 };
	const struct ioasid_codec encoding = { .encode = encode_object,
					       .context = &encoded };
	struct freed_object freed;
	ioasid_t *object[3];
	size_t size;

	for (ioasid_t id = 0; id < 3; id++) {
		object[id] = malloc(sizeof(*object[id]));
		CHECK(object[id]);
		*object[id] = id;
		give(fixture->space, NULL, id, object[id]);
	}
	freed.object = object[1];
	assert_int_equal(ioasid_space_get(fixture->space, NULL, 1), 0);
	assert_int_equal(ioasid_space_free_deferred(fixture->space, 1,
						    &freed.rcu, free_it),
			 0);
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
	assert_null(freed.object);
	assert_int_equal(ioasid_space_snapshot(fixture->space, &encoding, bytes,
					       ROOM, &size),
			 0);
	assert_int_equal(size, HEADER + 3 * ID);
	assert_int_equal(encoded.count, 2);
	assert_int_equal(encoded.id[0], 0);
	assert_int_equal(encoded.id[1], 2);
	assert_int_equal(get(bytes + HEADER + ID), 1);
	assert_int_equal(get(bytes + HEADER + ID + 16), 0);
	assert_int_equal(get(bytes + HEADER + ID + 20), 0);
	free(object[0]);
	free(object[2]);
}

struct places {
	struct ioasid_set *set[2];
	unsigned int asked;
};

static struct ioasid_set *place(void *context,
				const struct ioasid_set_info *info)
{
	struct places *places = context;
	unsigned int number = places->asked++;

	assert_int_equal(info->count, number ? 1 : 2);
	assert_int_equal(info->quota, number ? 0 : 5);
	assert_string_equal(info->name, number ? "" : "first");
	assert_ptr_equal(info->token, number ? NULL : pointer(7));
	return places->set[number];
}

static void static_sets(struct fixture *fixture)
{
	static DECLARE_IOASID_SET(static_set);
	static DECLARE_IOASID_SET(used);
	struct ioasid_space *space = another(fixture, 0, LAST);
	struct places places = { { &static_set, NULL }, 0 };
	struct ioasid_codec with_places = codec;
	static unsigned char bytes[ROOM];
	struct ioasid_set *set;
	size_t size;
	void *data;

	with_places.restore_set = place;
	with_places.context = &places;
	populate(fixture->space, &set);
	size = snapshot(fixture->space, bytes);
	/* One that is in use somewhere spoils it, and frees the first again. */
	assert_int_equal(ioasid_set_bind(fixture->space, &used, NULL), 0);
	places.set[1] = &used;
	assert_int_equal(ioasid_space_restore(space, &with_places, bytes, size),
			 -EXDEV);
	assert_int_equal(ioasid_set_destroy(fixture->space, &used), 0);
	places = (struct places){ { &static_set, &static_set }, 0 };
	assert_int_equal(ioasid_space_restore(space, &with_places, bytes, size),
			 -EXDEV);
	expect_valid(space);
	places = (struct places){ { &static_set, NULL }, 0 };
	assert_int_equal(ioasid_space_restore(space, &with_places, bytes, size),
			 0);
	assert_int_equal(places.asked, 2);
	expect_same(space, fixture->space);
	assert_int_equal(ioasid_space_find(space, &static_set, 11, NULL, &data),
			 0);
	assert_int_equal(ioasid_set_by_token(space, pointer(7), &set), 0);
	assert_ptr_equal(set, &static_set);
	assert_int_equal(ioasid_space_destroy(space), 0);
}

static void no_memory(struct fixture *fixture)
{
	static unsigned char bytes[ROOM];
	struct ioasid_space *space;
	unsigned int refused = 0;
	struct ioasid_set *set;
	size_t size, held;
	int ret;

	populate(fixture->space, &set);
	size = snapshot(fixture->space, bytes);
	for (uint64_t n = 1;; n++) {
		space = another(fixture, 0, LAST);
		held = fixture->memory.bytes;
		fixture->memory.calls = 0;
		fixture->memory.fail_at = n;
		ret = ioasid_space_restore(space, &codec, bytes, size);
		fixture->memory.fail_at = 0;
		if (!ret)
			break;
		refused++;
		assert_int_equal(ret, -ENOMEM);
		expect_valid(space);
		assert_true(fixture->memory.bytes >= held);
		assert_int_equal(
			ioasid_space_restore(space, &codec, bytes, size), 0);
		expect_same(space, fixture->space);
		assert_int_equal(ioasid_space_destroy(space), 0);
	}
	assert_true(refused > 3);
	expect_same(space, fixture->space);
	assert_int_equal(ioasid_space_destroy(space), 0);
}

/* Where the IDs of an allocator went. */
struct host {
	struct ioasid_space *space;
	ioasid_t next, freed;
	size_t size;
	unsigned char bytes[ROOM];
};

static ioasid_t host_alloc(ioasid_t min, ioasid_t max, void *data)
{
	struct host *host = data;

	return host->next >= min && host->next <= max ? host->next++ :
							INVALID_IOASID;
}

static void host_free(ioasid_t id, void *data)
{
	struct host *host = data;

	host->freed = id;
	/* It is as good as gone. */
	if (host->space)
		host->size = snapshot(host->space, host->bytes);
}

static void allocators(struct fixture *fixture)
{
	static struct host here, there;
	struct ioasid_allocator_ops ops = { host_alloc, host_free, &here,
					    NULL };
	struct ioasid_allocator_ops other = { host_alloc, host_free, &there,
					      NULL };
	struct ioasid_space *space = another(fixture, 0, LAST);
	static unsigned char bytes[ROOM];
	size_t size;
	ioasid_t id;

	here.space = NULL;
	here.next = 500;
	assert_int_equal(ioasid_space_register_allocator(fixture->space, &ops),
			 0);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(ioasid_space_alloc(fixture->space, NULL, 0,
						    LAST, NULL, &id),
				 0);
	size = snapshot(fixture->space, bytes);
	assert_int_equal(get(bytes + HEADER + 28), 2);
	refuse(space, bytes, size, -ENODEV);
	assert_int_equal(ioasid_space_register_allocator(space, &other), 0);
	/* One is taken back: it has none in use. */
	restore_objects(space, bytes, size, 1, -EOWNERDEAD, 1);
	assert_int_equal(ioasid_space_unregister_allocator(
				 space, &other, IOASID_UNREGISTER_IDLE),
			 0);
	assert_int_equal(ioasid_space_register_allocator(space, &other), 0);
	assert_int_equal(ioasid_space_restore(space, &codec, bytes, size), 0);
	expect_same(space, fixture->space);
	assert_int_equal(ioasid_space_free(space, 501), 0);
	assert_int_equal(there.freed, 501);
	assert_int_equal(ioasid_space_unregister_allocator(
				 space, &other, IOASID_UNREGISTER_IDLE),
			 -EBUSY);
	assert_int_equal(ioasid_space_destroy(space), 0);
	/* From inside of the callback, with a reference before or not. */
	here.space = fixture->space;
	assert_int_equal(ioasid_space_free(fixture->space, 500), 0);
	assert_int_equal(here.size, HEADER + 2 * ID);
	assert_int_equal(ioasid_space_get(fixture->space, NULL, 501), 0);
	assert_int_equal(ioasid_space_free(fixture->space, 501), 0);
	assert_int_equal(snapshot(fixture->space, bytes), HEADER + 2 * ID);
	assert_int_equal(ioasid_space_put(fixture->space, 501), 1);
	assert_int_equal(here.freed, 501);
	assert_int_equal(here.size, HEADER + ID);
	assert_int_equal(ioasid_space_free(fixture->space, 502), 0);
	assert_int_equal(ioasid_space_unregister_allocator(
				 fixture->space, &ops, IOASID_UNREGISTER_IDLE),
			 0);
}

struct witness {
	struct ioasid_notifier notifier;
	struct ioasid_space *space;
	unsigned char bytes[ROOM];
	size_t size[2];
};

static void on_event(struct ioasid_notifier *notifier,
		     const struct ioasid_notice *notice)
{
	struct witness *witness = (struct witness *)(void *)notifier;

	assert_true(notice->event == IOASID_EVENT_FREE ||
		    notice->event == IOASID_EVENT_ALLOC);
	witness->size[notice->event == IOASID_EVENT_FREE] =
		snapshot(witness->space, witness->bytes);
}

/* A reference of the library's own is not saved. */
static void being_told(struct fixture *fixture)
{
	static struct witness witness;
	unsigned char *id = witness.bytes + HEADER;

	memset(&witness, 0, sizeof(witness));
	witness.notifier.notify = on_event;
	witness.space = fixture->space;
	assert_int_equal(ioasid_space_register_notifier(fixture->space, NULL,
							&witness.notifier),
			 0);
	give(fixture->space, NULL, 3, NULL);
	assert_int_equal(witness.size[0], HEADER + ID);
	assert_int_equal(get(id + 8), 1);
	assert_int_equal(get(id + 28), 0);
	assert_int_equal(ioasid_space_get(fixture->space, NULL, 3), 0);
	assert_int_equal(ioasid_space_free(fixture->space, 3), 0);
	assert_int_equal(witness.size[1], HEADER + ID);
	assert_int_equal(get(id + 8), 1);
	assert_int_equal(get(id + 28), 1);
	assert_int_equal(ioasid_space_put(fixture->space, 3), 1);
	give(fixture->space, NULL, 4, NULL);
	assert_int_equal(ioasid_space_put(fixture->space, 4), 1);
	assert_int_equal(witness.size[1], HEADER);
	assert_int_equal(ioasid_space_unregister_notifier(fixture->space,
							  &witness.notifier),
			 0);
}

struct stopped {
	struct ioasid_notifier notifier;
	struct ioasid_space *space;
	struct gate gate;
};

static void stop(struct ioasid_notifier *notifier,
		 const struct ioasid_notice *notice)
{
	struct stopped *stopped = (struct stopped *)(void *)notifier;

	CHECK(notice->event != IOASID_EVENT_FREE || !notice->arg);
	if (notice->event != IOASID_EVENT_BIND)
		return;
	ioasid_store_release(&stopped->gate.reached, 1);
	wait_for(&stopped->gate.open);
}

static void bind(void *arg)
{
	struct stopped *stopped = arg;

	CHECK(!ioasid_space_notify(stopped->space, 3, IOASID_EVENT_BIND, arg));
}

/* Nor one of an ID that is freed while a thread tells of it. */
static void freed_meanwhile(struct fixture *fixture)
{
	static unsigned char bytes[ROOM];
	struct stopped stopped = { .notifier.notify = stop,
				   .space = fixture->space };
	const unsigned char *id = bytes + HEADER;
	struct actor actor;

	assert_int_equal(ioasid_space_register_notifier(fixture->space, NULL,
							&stopped.notifier),
			 0);
	give(fixture->space, NULL, 2, NULL);
	give(fixture->space, NULL, 3, NULL);
	give(fixture->space, NULL, 4, NULL);
	actor_begin(&actor);
	actor_start(&actor, bind, &stopped);
	wait_for(&stopped.gate.reached);
	/* Told of, and in use. */
	assert_int_equal(snapshot(fixture->space, bytes), HEADER + 3 * ID);
	assert_int_equal(get(id + ID + 8), 1);
	assert_int_equal(ioasid_space_get(fixture->space, NULL, 3), 0);
	assert_int_equal(ioasid_space_free(fixture->space, 3), 0);
	assert_int_equal(snapshot(fixture->space, bytes), HEADER + 3 * ID);
	assert_int_equal(get(id + ID), 3);
	assert_int_equal(get(id + ID + 8), 1);
	assert_int_equal(get(id + ID + 28), 1);
	assert_int_equal(ioasid_space_put(fixture->space, 3), 0);
	assert_int_equal(snapshot(fixture->space, bytes), HEADER + 2 * ID);
	assert_int_equal(get(id), 2);
	assert_int_equal(get(id + ID), 4);
	ioasid_store_release(&stopped.gate.open, 1);
	actor_end(&actor);
	assert_int_equal(ioasid_space_unregister_notifier(fixture->space,
							  &stopped.notifier),
			 0);
}

struct busy {
	pthread_t thread;
	struct fixture *fixture;
	ioasid_atomic_u32 stop;
	ioasid_atomic_u32 rounds;
};

static void *keep_busy(void *arg)
{
	struct busy *busy = arg;
	struct ioasid_space *space = busy->fixture->space;
	void *data;

	CHECK(!ioasid_rcu_thread_register(busy->fixture->rcu));
	while (!ioasid_load_relaxed(&busy->stop)) {
		CHECK(!ioasid_space_find(space, NULL, 11, NULL, &data));
		CHECK(data == pointer(1));
		CHECK(!ioasid_space_get(space, NULL, 11));
		CHECK(!ioasid_space_put(space, 11));
		ioasid_rcu_quiescent(busy->fixture->rcu);
		ioasid_fetch_add_acq_rel(&busy->rounds, 1);
	}
	CHECK(!ioasid_rcu_thread_unregister(busy->fixture->rcu));
	return NULL;
}

static void beside_lookups(struct fixture *fixture)
{
	static unsigned char bytes[ROOM];
	struct busy busy = { .fixture = fixture };
	struct ioasid_space *space;
	struct ioasid_set *set;
	uint32_t refs;
	size_t size;

	populate(fixture->space, &set);
	CHECK(!pthread_create(&busy.thread, NULL, keep_busy, &busy));
	for (unsigned int i = 0; i < 200 || !ioasid_load_relaxed(&busy.rounds);
	     i++) {
		CHECK(!ioasid_space_snapshot(fixture->space, &codec, bytes,
					     ROOM, &size));
		refs = get(bytes + HEADER + 2 * SET + 8);
		CHECK(refs == 1 || refs == 2);
		space = another(fixture, 0, LAST);
		CHECK(!ioasid_space_restore(space, &codec, bytes, size));
		CHECK(!ioasid_space_destroy(space));
		ioasid_rcu_quiescent(fixture->rcu);
	}
	ioasid_store_relaxed(&busy.stop, 1);
	ioasid_rcu_thread_offline(fixture->rcu);
	CHECK(!pthread_join(busy.thread, NULL));
	ioasid_rcu_thread_online(fixture->rcu);
	expect_valid(fixture->space);
}

int main(void)
{
	static const struct test_case cases[] = {
		CASE(empty, PER_STORE),
		CASE(documented, PER_STORE),
		CASE(round_trip, PER_STORE),
		CASE(vacant_stay_stale, PER_STORE),
		CASE(any_damage, PER_STORE),
		CASE(forged, PER_STORE),
		CASE(does_not_fit, PER_STORE),
		CASE(not_empty, PER_STORE),
		CASE(quarantined, PER_STORE),
		CASE(cyclic, PER_STORE | NO_SPACE),
		CASE(no_codec, PER_STORE),
		CASE(decodes_once, PER_STORE),
		CASE(gives_back, PER_STORE),
		CASE(gives_back_only_decoded, PER_STORE),
		CASE(gives_back_without_memory, PER_STORE),
		CASE(pending_not_encoded, PER_STORE),
		CASE(static_sets, PER_STORE),
		CASE(no_memory, PER_STORE),
		CASE(allocators, PER_STORE),
		CASE(being_told, PER_STORE),
		CASE(freed_meanwhile, PER_STORE | THREADS),
		CASE(beside_lookups, PER_STORE | PER_FLAVOUR | THREADS),
	};

	return test_run("snapshot", cases, ARRAY_SIZE(cases));
}
