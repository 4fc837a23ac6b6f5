/* SPDX-License-Identifier: MIT */
#ifndef IOASID_FUZZ_SNAPSHOT_FORMAT_H
#define IOASID_FUZZ_SNAPSHOT_FORMAT_H

/*
 * docs/snapshot.md read and written by nobody's code but this. A struct field
 * is the place of one in the bytes of a header, a set or an ID.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <ioasid/slot.h>

enum { HEADER_BYTES = 48, SET_BYTES = 64, ID_BYTES = 32 };

struct field {
	uint8_t at, bytes;
};

enum {
	H_MAGIC,
	H_VERSION,
	H_CRC,
	H_SIZE,
	H_SETS,
	H_IDS,
	H_RESERVED,
	H_GENERATION,
	H_CURSOR,
	H_ZERO,
	HEADER_FIELDS
};
enum { S_QUOTA, S_RESERVED, S_TOKEN, S_NAME, S_COUNT, S_ZERO, SET_FIELDS };
enum { I_ID, I_GENERATION, I_REFS, I_SET, I_DATA, I_SPID, I_FLAGS, ID_FIELDS };

enum { ID_PENDING = 1, ID_HOSTED = 2 };

static const struct field header_fields[HEADER_FIELDS] = {
	{ 0, 8 },  { 8, 4 },  { 12, 4 }, { 16, 8 }, { 24, 4 },
	{ 28, 4 }, { 32, 4 }, { 36, 4 }, { 40, 4 }, { 44, 4 },
};

static const struct field set_fields[SET_FIELDS] = {
	{ 0, 4 }, { 4, 4 }, { 8, 8 }, { 16, 8 }, { 48, 4 }, { 52, 8 },
};

static const struct field id_fields[ID_FIELDS] = {
	{ 0, 4 },  { 4, 4 },  { 8, 4 },	 { 12, 4 },
	{ 16, 8 }, { 24, 4 }, { 28, 4 },
};

static inline uint64_t read_field(const uint8_t *record, struct field field)
{
	uint64_t number = 0;

	for (unsigned int i = 0; i < field.bytes; i++)
		number |= (uint64_t)record[field.at + i] << 8 * i;
	return number;
}

static inline void write_field(uint8_t *record, struct field field,
			       uint64_t number)
{
	for (unsigned int i = 0; i < field.bytes; i++)
		record[field.at + i] = (uint8_t)(number >> 8 * i);
}

static inline uint64_t header_get(const uint8_t *bytes, unsigned int field)
{
	return read_field(bytes, header_fields[field]);
}

static inline uint32_t header_get32(const uint8_t *bytes, unsigned int field)
{
	return (uint32_t)header_get(bytes, field);
}

static inline void header_put(uint8_t *bytes, unsigned int field,
			      uint64_t number)
{
	write_field(bytes, header_fields[field], number);
}

static inline uint64_t set_get(const uint8_t *set, unsigned int field)
{
	return read_field(set, set_fields[field]);
}

static inline void set_put(uint8_t *set, unsigned int field, uint64_t number)
{
	write_field(set, set_fields[field], number);
}

static inline uint64_t id_get64(const uint8_t *id, unsigned int field)
{
	return read_field(id, id_fields[field]);
}

static inline uint32_t id_get(const uint8_t *id, unsigned int field)
{
	return (uint32_t)id_get64(id, field);
}

static inline void id_put(uint8_t *id, unsigned int field, uint64_t number)
{
	write_field(id, id_fields[field], number);
}

/* Where these are is known once the size is right. */
static inline size_t set_offset(uint64_t number)
{
	return (size_t)(HEADER_BYTES + SET_BYTES * number);
}

static inline size_t id_offset(const uint8_t *bytes, uint64_t number)
{
	return set_offset(header_get(bytes, H_SETS)) +
	       (size_t)(ID_BYTES * number);
}

/* A byte at a time: the table has the rests of all bytes. */
static inline uint32_t crc32c(uint32_t crc, const uint8_t *bytes, size_t size)
{
	static uint32_t table[256];

	for (uint32_t i = 0; !table[255] && i < 256; i++) {
		uint32_t rest = i;

		for (unsigned int bit = 0; bit < 8; bit++)
			rest = rest >> 1 ^ (rest & 1 ? 0x82f63b78 : 0);
		table[i] = rest;
	}
	for (size_t i = 0; i < size; i++)
		crc = crc >> 8 ^ table[(crc ^ bytes[i]) & 255];
	return crc;
}

static inline uint32_t checksum_of(const uint8_t *bytes, size_t size)
{
	uint32_t crc = crc32c(UINT32_MAX, bytes, 12);

	return ~crc32c(crc, bytes + 16, size - 16);
}

/* "IOASID\r\n" */
#define MAGIC_NUMBER UINT64_C(0x0a0d444953414f49)

static inline void mend_checksum(uint8_t *bytes, size_t size)
{
	if (size >= HEADER_BYTES)
		header_put(bytes, H_CRC, checksum_of(bytes, size));
}

/* Magic number, version, size and checksum are made right. */
static inline void mend_all(uint8_t *bytes, size_t size)
{
	if (size < HEADER_BYTES)
		return;
	header_put(bytes, H_MAGIC, MAGIC_NUMBER);
	header_put(bytes, H_VERSION, 1);
	header_put(bytes, H_SIZE, size);
	mend_checksum(bytes, size);
}

static inline bool zeroes(const uint8_t *bytes, size_t count)
{
	while (count)
		if (bytes[--count])
			return false;
	return true;
}

/* Are there as many sets and IDs as the size says? */
static inline bool counts_right(const uint8_t *bytes, size_t size)
{
	return HEADER_BYTES + SET_BYTES * header_get(bytes, H_SETS) +
		       ID_BYTES * header_get(bytes, H_IDS) ==
	       size;
}

static inline bool set_right(const uint8_t *set)
{
	const uint8_t *end = memchr(set + 16, 0, 32);
	uint64_t quota = set_get(set, S_QUOTA);

	return end && zeroes(end, (size_t)(set + 48 - end)) &&
	       zeroes(set + 52, 12) &&
	       (!quota || (set_get(set, S_RESERVED) <= quota &&
			   set_get(set, S_COUNT) <= quota));
}

static inline bool id_right(const uint8_t *bytes, const uint8_t *id)
{
	uint32_t set = id_get(id, I_SET), flags = id_get(id, I_FLAGS);

	if (id_get(id, I_ID) == INVALID_IOASID || !id_get(id, I_GENERATION) ||
	    !id_get(id, I_REFS) || set > header_get(bytes, H_SETS) ||
	    flags & ~(uint32_t)(ID_PENDING | ID_HOSTED))
		return false;
	return id_get(id, I_SPID) == INVALID_IOASID ||
	       (set && !(flags & ID_PENDING));
}

/* Generations are ordered by how far they are from where slots start. */
#ifdef IOASID_GENERATION_START
#define FIRST_GENERATION IOASID_GENERATION_START
#else
#define FIRST_GENERATION 0u
#endif

static inline uint32_t further(uint32_t a, uint32_t b)
{
	return ((a - FIRST_GENERATION) & IOASID_GENERATION_MASK) >
			       ((b - FIRST_GENERATION) &
				IOASID_GENERATION_MASK) ?
		       a :
		       b;
}

#endif /* IOASID_FUZZ_SNAPSHOT_FORMAT_H */
