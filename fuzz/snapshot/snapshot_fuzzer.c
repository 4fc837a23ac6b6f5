/* SPDX-License-Identifier: MIT */
/*
 * Arbitrary bytes as a snapshot. What is refused leaves the space as it was;
 * what is taken is a space whose own snapshot makes the same again.
 *
 * The last byte of an input is the configuration: bits 0 and 1 the store, bit 2
 * magic number, version, size and checksum are made right, bit 3 an allocator
 * is registered, bit 4 a narrow range, bit 5 a small capacity, bits 6 and 7 the
 * allocation that fails.
 */
#include "fuzz/snapshot/snapshot_fuzzer.h"

#include "fuzz/api/sequence.h"

enum snapshot_fault snapshot_fault;

static void set32(uint8_t *to, uint32_t number)
{
	for (unsigned int i = 0; i < 4; i++)
		to[i] = (uint8_t)(number >> 8 * i);
}

static uint32_t checksum(uint32_t crc, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		crc ^= bytes[i];
		for (unsigned int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return crc;
}

/* As docs/snapshot.md has it. */
static void mend(uint8_t *bytes, size_t size)
{
	static const uint8_t start[] = { 'I',  'O',  'A', 'S', 'I', 'D',
					 '\r', '\n', 1,	  0,   0,   0 };
	uint32_t crc;

	if (size < 24)
		return;
	memcpy(bytes, start, sizeof(start));
	set32(bytes + 16, (uint32_t)size);
	set32(bytes + 20, 0);
	crc = checksum(UINT32_MAX, bytes, 12);
	set32(bytes + 12, ~checksum(crc, bytes + 16, size - 16));
}

static ioasid_t give(ioasid_t min, ioasid_t max, void *data)
{
	(void)max;
	(void)data;
	return min;
}

static void take_back(ioasid_t id, void *data)
{
	(void)id;
	++*(uint32_t *)data;
}

struct tried {
	struct sequence_memory memory;
	struct ioasid_space *space;
	struct ioasid_allocator_ops ops;
	uint32_t given_back;
};

static void begin(struct tried *tried, uint32_t bits)
{
	static const enum ioasid_store_kind stores[] = {
		IOASID_STORE_RADIX,
		IOASID_STORE_BITMAP,
		IOASID_STORE_HASH,
		IOASID_STORE_RADIX,
	};
	struct ioasid_space_config config = {
		.store = stores[bits % 4],
		.max = bits & 16     ? 63 :
		       bits % 4 == 1 ? 65535 :
				       0,
		.capacity = bits & 32 ? 5 : 0,
		.hash_seed = 1,
	};

	memset(tried, 0, sizeof(*tried));
	config.memory = sequence_hooks(&tried->memory, false);
	tried->ops = (struct ioasid_allocator_ops){
		.alloc = give, .free = take_back, .pdata = &tried->given_back
	};
	CHECK(ioasid_space_create(&config, &tried->space) == 0);
	if (bits & 8)
		CHECK(ioasid_space_register_allocator(tried->space,
						      &tried->ops) == 0);
}

static void end(struct tried *tried)
{
	CHECK(ioasid_space_destroy(tried->space) == 0);
	CHECK(!tried->memory.bytes);
}

static int restore(struct ioasid_space *space, const uint8_t *bytes,
		   size_t size)
{
	int ret = ioasid_space_restore(space, &sequence_codec, bytes, size);
	struct ioasid_set *set;

	if (ret && snapshot_fault == SNAPSHOT_LEAVES)
		CHECK(ioasid_set_create(space, NULL, &set) == 0);
	if (!ret && snapshot_fault == SNAPSHOT_LOSES)
		ioasid_space_unreserve(space, 1);
	return ret;
}

static bool known(int ret)
{
	static const int errors[] = { -EBADMSG, -EPROTO, -ERANGE, -ENOSPC,
				      -ENODEV,	-EEXIST, -ENOMEM };

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (ret == errors[i])
			return true;
	return false;
}

static bool same_stats(struct ioasid_space *a, struct ioasid_space *b)
{
	struct ioasid_stats is, other;

	ioasid_space_stats(a, &is);
	ioasid_space_stats(b, &other);
	return is.live == other.live && is.pending == other.pending &&
	       is.quarantined == other.quarantined && is.sets == other.sets &&
	       is.allocators == other.allocators &&
	       is.capacity == other.capacity &&
	       is.committed == other.committed && is.reserved == other.reserved;
}

/* @bytes are of their exact size. */
static int try_once(struct tried *tried, uint32_t bits, const uint8_t *bytes,
		    size_t size)
{
	struct tried empty;
	uint8_t *before, *after;
	size_t before_size, after_size;
	int ret;

	begin(tried, bits);
	begin(&empty, bits);
	before = sequence_snapshot(tried->space, &before_size);
	sequence_fail(&tried->memory, bits >> 6);
	ret = restore(tried->space, bytes, size);
	CHECK(ret != -ENOMEM || tried->memory.failed);
	sequence_fail(&tried->memory, 0);
	CHECK(ioasid_space_validate(tried->space, NULL));
	after = sequence_snapshot(tried->space, &after_size);
	if (ret) {
		CHECK(known(ret));
		CHECK(after_size == before_size &&
		      !memcmp(before, after, after_size));
		CHECK(same_stats(tried->space, empty.space));
	} else {
		CHECK(after_size == size);
	}
	free(before);
	free(after);
	end(&empty);
	return ret;
}

static void try_again(struct tried *first, uint32_t bits, const uint8_t *bytes,
		      size_t size)
{
	struct ioasid_stats stats;
	struct tried second;
	size_t first_size, second_size;
	uint8_t *by_first, *by_second;

	CHECK(restore(first->space, bytes, size) == -EBUSY || size == 48);
	by_first = sequence_snapshot(first->space, &first_size);
	CHECK(first_size == size);
	begin(&second, bits);
	CHECK(restore(second.space, by_first, first_size) == 0);
	CHECK(ioasid_space_validate(second.space, NULL));
	CHECK(same_stats(first->space, second.space));
	by_second = sequence_snapshot(second.space, &second_size);
	CHECK(first_size == second_size &&
	      !memcmp(by_first, by_second, first_size));
	ioasid_space_stats(second.space, &stats);
	free(by_first);
	free(by_second);
	end(&second);
	CHECK(second.given_back <= stats.live + stats.pending);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t bits = size ? data[size - 1] : 0;
	struct tried tried;
	uint8_t *bytes;

	size -= size > 0;
	bytes = malloc(size ? size : 1);
	CHECK(bytes);
	if (size)
		memcpy(bytes, data, size);
	if (bits & 4)
		mend(bytes, size);
	if (!try_once(&tried, bits, bytes, size))
		try_again(&tried, bits, bytes, size);
	end(&tried);
	free(bytes);
	return 0;
}
