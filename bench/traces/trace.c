/* SPDX-License-Identifier: MIT */
#include "trace.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC "ioatrace"
#define VERSION 1
#define HEADER_SIZE 56
#define CRC_SIZE 4
#define MAX_FILE_SIZE ((size_t)1 << 28)
#define PROCESS_MASK (((uint32_t)1 << 30) - 1)
#define NO_PROCESS UINT32_MAX

enum record_kind { RECORD_SWITCH, RECORD_FIND, RECORD_ALLOC, RECORD_FREE };

struct cursor {
	const unsigned char *at;
	const unsigned char *end;
};

struct decoder {
	struct cursor in;
	unsigned char *live; /* by process */
	uint32_t processes;
	uint32_t processes_max;
	uint32_t current;
	uint32_t other;
};

struct record {
	enum trace_op_kind kind;
	uint32_t process;
	uint32_t count;
};

static uint32_t get_u32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[3] << 24;
}

static uint64_t get_u64(const unsigned char *p)
{
	return (uint64_t)get_u32(p) | (uint64_t)get_u32(p + 4) << 32;
}

/* CRC-32 of IEEE 802.3, reflected polynomial, a half byte at a time. */
static uint32_t crc32(const unsigned char *p, size_t size)
{
	uint32_t table[16];
	uint32_t crc = UINT32_MAX;

	for (uint32_t i = 0; i < 16; i++) {
		uint32_t c = i;

		for (int bit = 0; bit < 4; bit++)
			c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
		table[i] = c;
	}
	for (size_t i = 0; i < size; i++) {
		crc ^= p[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

static bool get_varint(struct cursor *in, uint32_t *value)
{
	uint64_t v = 0;

	for (unsigned int shift = 0; shift < 35; shift += 7) {
		unsigned char byte;

		if (in->at == in->end)
			return false;
		byte = *in->at++;
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		if ((byte == 0 && shift > 0) || v > UINT32_MAX)
			return false;
		*value = (uint32_t)v;
		return true;
	}
	return false;
}

static bool live_at(const struct decoder *d, uint32_t distance,
		    uint32_t *process)
{
	if (distance >= d->processes)
		return false;
	*process = d->processes - 1 - distance;
	return d->live[*process];
}

static bool next_record(struct decoder *d, struct record *r)
{
	uint32_t word, distance;

	if (!get_varint(&d->in, &word))
		return false;
	r->count = 1;
	switch (word & 3) {
	case RECORD_ALLOC:
		if (word >> 2 != 0 || d->processes == d->processes_max)
			return false;
		r->kind = TRACE_ALLOC;
		r->process = d->processes++;
		d->live[r->process] = 1;
		return true;
	case RECORD_FREE:
		r->kind = TRACE_FREE;
		if (!live_at(d, word >> 2, &r->process))
			return false;
		d->live[r->process] = 0;
		return true;
	case RECORD_SWITCH:
		if (d->other == NO_PROCESS || !d->live[d->other])
			return false;
		r->process = d->other;
		break;
	default: /* RECORD_FIND */
		if (!get_varint(&d->in, &distance) ||
		    !live_at(d, distance, &r->process))
			return false;
		break;
	}
	r->kind = TRACE_FIND;
	r->count = (word >> 2) + 1;
	if (r->process != d->current) {
		d->other = d->current;
		d->current = r->process;
	}
	return true;
}

/*
 * Goes through the body once, storing operations if ops is given. Returns
 * false unless the body is well-formed and has exactly the counts of trace.
 */
static bool decode(struct cursor in, const struct trace *trace,
		   unsigned char *live, struct trace_op *ops)
{
	struct decoder d = {
		.in = in,
		.live = live,
		.processes_max = trace->processes,
		.current = NO_PROCESS,
		.other = NO_PROCESS,
	};
	uint64_t finds = 0;
	size_t count = 0;
	uint32_t now = 0, max_live = 0;

	memset(live, 0, trace->processes);
	while (d.in.at != d.in.end) {
		struct record r;

		if (!next_record(&d, &r))
			return false;
		if (r.kind == TRACE_ALLOC && ++now > max_live)
			max_live = now;
		if (r.kind == TRACE_FREE)
			now--;
		if (r.kind == TRACE_FIND) {
			finds += r.count;
			if (finds > trace->finds)
				return false;
		}
		if (ops) {
			for (uint32_t i = 0; i < r.count; i++) {
				ops[count + i].kind = (uint32_t)r.kind & 3;
				ops[count + i].process = r.process &
							 PROCESS_MASK;
			}
		}
		count += r.count;
	}
	return now == 0 && d.processes == trace->processes &&
	       finds == trace->finds && max_live == trace->max_live;
}

int trace_parse(const void *data, size_t size, struct trace *trace)
{
	const unsigned char *p = data;
	struct trace t = { 0 };
	struct cursor body;
	unsigned char *live;

	if (size < HEADER_SIZE + CRC_SIZE ||
	    memcmp(p, MAGIC, sizeof(MAGIC) - 1) != 0 ||
	    get_u64(p + 48) != size - HEADER_SIZE - CRC_SIZE ||
	    get_u32(p + size - CRC_SIZE) != crc32(p, size - CRC_SIZE))
		return -EBADMSG;
	if (get_u32(p + 8) != VERSION)
		return -ENOTSUP;

	t.processes = get_u32(p + 12);
	t.pids = get_u32(p + 16);
	t.max_live = get_u32(p + 20);
	t.finds = get_u64(p + 24);
	t.duration_ns = get_u64(p + 32);
	t.lost = get_u64(p + 40);
	body.at = p + HEADER_SIZE;
	body.end = p + size - CRC_SIZE;

	/* An alloc and a free take a byte each, so this bounds the memory. */
	if (t.processes > (size_t)(body.end - body.at) / 2 ||
	    t.pids > t.processes)
		return -EBADMSG;
	if (t.finds > TRACE_MAX_OPS ||
	    t.finds + 2 * (uint64_t)t.processes > TRACE_MAX_OPS)
		return -EFBIG;
	t.count = (size_t)(t.finds + 2 * (uint64_t)t.processes);

	live = malloc(t.processes ? t.processes : 1);
	if (!live)
		return -ENOMEM;
	/* Nothing of the size the header claims is allocated unchecked. */
	if (!decode(body, &t, live, NULL)) {
		free(live);
		return -EBADMSG;
	}
	t.ops = malloc((t.count ? t.count : 1) * sizeof(*t.ops));
	if (!t.ops) {
		free(live);
		return -ENOMEM;
	}
	decode(body, &t, live, t.ops);
	free(live);
	*trace = t;
	return 0;
}

static int read_file(FILE *file, unsigned char **data, size_t *size)
{
	unsigned char *buffer = NULL;
	size_t used = 0, capacity = 0;

	for (;;) {
		size_t got;

		if (used == capacity) {
			size_t more = capacity ? capacity * 2 : 65536;
			unsigned char *grown;

			if (more > MAX_FILE_SIZE) {
				free(buffer);
				return -EFBIG;
			}
			grown = realloc(buffer, more);
			if (!grown) {
				free(buffer);
				return -ENOMEM;
			}
			buffer = grown;
			capacity = more;
		}
		errno = 0;
		got = fread(buffer + used, 1, capacity - used, file);
		used += got;
		if (got == 0)
			break;
	}
	if (ferror(file)) {
		int error = errno ? errno : EIO;

		free(buffer);
		return -error;
	}
	*data = buffer;
	*size = used;
	return 0;
}

int trace_load(const char *path, struct trace *trace)
{
	unsigned char *data;
	size_t size;
	FILE *file;
	int error;

	file = fopen(path, "rb");
	if (!file)
		return errno ? -errno : -EIO;
	error = read_file(file, &data, &size);
	fclose(file);
	if (error)
		return error;
	error = trace_parse(data, size, trace);
	free(data);
	return error;
}

void trace_free(struct trace *trace)
{
	free(trace->ops);
	trace->ops = NULL;
	trace->count = 0;
}
