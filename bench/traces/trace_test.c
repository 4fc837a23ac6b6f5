/* SPDX-License-Identifier: MIT */
#include "trace.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEADER 56
#define SWITCH(count) (unsigned char)(((count) - 1) << 2)
#define FIND(count) (unsigned char)(((count) - 1) << 2 | 1)
#define ALLOC 2
#define FREE(distance) (unsigned char)((distance) << 2 | 3)

struct counts {
	uint32_t version, processes, pids, max_live;
	uint64_t finds;
};

struct file {
	unsigned char bytes[256];
	size_t size;
};

static char **traces;
static size_t traces_count;

static void put(unsigned char *p, uint64_t value, int size)
{
	for (int i = 0; i < size; i++)
		p[i] = (unsigned char)(value >> 8 * i);
}

/* Written apart from the reader's: bit by bit, as the standard has it. */
static uint32_t checksum(const unsigned char *p, size_t size)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < size * 8; i++) {
		uint32_t bit = (crc ^ (uint32_t)(p[i / 8] >> i % 8)) & 1;

		crc = crc >> 1 ^ (bit ? 0xedb88320u : 0);
	}
	return ~crc;
}

static void seal(struct file *f)
{
	put(f->bytes + f->size - 4, checksum(f->bytes, f->size - 4), 4);
}

static struct file build(const struct counts *counts, const unsigned char *body,
			 size_t size)
{
	struct file f = { .size = HEADER + size + 4 };
	unsigned char *p = f.bytes;

	assert_true(f.size <= sizeof(f.bytes));
	memcpy(p, "ioatrace", 8);
	put(p + 8, counts->version, 4);
	put(p + 12, counts->processes, 4);
	put(p + 16, counts->pids, 4);
	put(p + 20, counts->max_live, 4);
	put(p + 24, counts->finds, 8);
	put(p + 32, 5000000000u, 8);
	put(p + 40, 7, 8);
	put(p + 48, size, 8);
	memcpy(p + HEADER, body, size);
	seal(&f);
	return f;
}

/* From a copy of exactly that size, so that a sanitizer sees an overread. */
static int parse(const unsigned char *bytes, size_t size, struct trace *trace)
{
	unsigned char *copy = malloc(size + !size);
	int error;

	assert_non_null(copy);
	if (size)
		memcpy(copy, bytes, size);
	error = trace_parse(copy, size, trace);
	free(copy);
	return error;
}

static void refused(const unsigned char *bytes, size_t size, int expected)
{
	struct trace trace, before;

	memset(&trace, 0x5a, sizeof(trace));
	before = trace;
	assert_int_equal(parse(bytes, size, &trace), expected);
	assert_memory_equal(&trace, &before, sizeof(trace));
}

static const unsigned char body[] = {
	ALLOC,	   FIND(2),   0, /* 0 twice */
	ALLOC,	   FIND(3),   0, /* 1 three times */
	SWITCH(1), SWITCH(2), /* 0, 1 twice */
	FIND(1),   0,	      SWITCH(1), /* 1 again, 0 */
	FREE(0), /* 1 */
	ALLOC,	   FIND(1),   0, /* 2 */
	0x81,	   0x01,      2, /* 0, 33 times */
	FREE(0),   FREE(2), /* 2, 0 */
};

static const struct counts counts = {
	.version = 1,
	.processes = 3,
	.pids = 2,
	.max_live = 2,
	.finds = 44,
};

static void expect(const struct trace *trace, size_t *at, uint32_t kind,
		   uint32_t process, int times)
{
	for (; times > 0; times--, ++*at) {
		assert_true(*at < trace->count);
		assert_int_equal(trace->ops[*at].kind, kind);
		assert_int_equal(trace->ops[*at].process, process);
	}
}

static void reads_operations_in_order(void **state)
{
	struct file f = build(&counts, body, sizeof(body));
	struct trace trace;
	size_t at = 0;

	(void)state;
	assert_int_equal(parse(f.bytes, f.size, &trace), 0);
	expect(&trace, &at, TRACE_ALLOC, 0, 1);
	expect(&trace, &at, TRACE_FIND, 0, 2);
	expect(&trace, &at, TRACE_ALLOC, 1, 1);
	expect(&trace, &at, TRACE_FIND, 1, 3);
	expect(&trace, &at, TRACE_FIND, 0, 1);
	expect(&trace, &at, TRACE_FIND, 1, 3);
	expect(&trace, &at, TRACE_FIND, 0, 1);
	expect(&trace, &at, TRACE_FREE, 1, 1);
	expect(&trace, &at, TRACE_ALLOC, 2, 1);
	expect(&trace, &at, TRACE_FIND, 2, 1);
	expect(&trace, &at, TRACE_FIND, 0, 33);
	expect(&trace, &at, TRACE_FREE, 2, 1);
	expect(&trace, &at, TRACE_FREE, 0, 1);
	assert_int_equal(trace.count, at);
	assert_int_equal(trace.processes, 3);
	assert_int_equal(trace.pids, 2);
	assert_int_equal(trace.max_live, 2);
	assert_int_equal(trace.finds, 44);
	assert_int_equal(trace.duration_ns, 5000000000u);
	assert_int_equal(trace.lost, 7);
	trace_free(&trace);
	assert_null(trace.ops);
}

static void reads_the_least(void **state)
{
	const struct counts none = { .version = 1 };
	const struct counts one = { 1, 1, 1, 1, 0 };
	const unsigned char one_body[] = { ALLOC, FREE(0) };
	struct file f = build(&none, body, 0);
	struct trace trace;

	(void)state;
	assert_int_equal(parse(f.bytes, f.size, &trace), 0);
	assert_int_equal(trace.count, 0);
	trace_free(&trace);
	f = build(&one, one_body, sizeof(one_body));
	assert_int_equal(parse(f.bytes, f.size, &trace), 0);
	assert_int_equal(trace.count, 2);
	assert_int_equal(trace.max_live, 1);
	trace_free(&trace);
}

static void refuses_every_damage(void **state)
{
	struct file f = build(&counts, body, sizeof(body));

	(void)state;
	for (size_t size = 0; size < f.size; size++)
		refused(f.bytes, size, -EBADMSG);
	refused(f.bytes, f.size + 1, -EBADMSG);
	for (size_t bit = 0; bit < f.size * 8; bit++) {
		unsigned char mask = (unsigned char)(1u << bit % 8);

		f.bytes[bit / 8] ^= mask;
		refused(f.bytes, f.size, -EBADMSG);
		f.bytes[bit / 8] ^= mask;
	}
	for (size_t at = 0; at < f.size; at++) {
		unsigned char kept = f.bytes[at];

		for (int value = 0; value < 256; value++) {
			if (value == kept)
				continue;
			f.bytes[at] = (unsigned char)value;
			refused(f.bytes, f.size, -EBADMSG);
		}
		f.bytes[at] = kept;
	}
}

static void bad_body(const char *what, uint32_t processes, uint32_t max_live,
		     uint64_t finds, const unsigned char *bytes, size_t size)
{
	struct counts c = { 1, processes, 1, max_live, finds };
	struct file f = build(&c, bytes, size);
	struct trace trace;
	int error = parse(f.bytes, f.size, &trace);

	if (error != -EBADMSG)
		fail_msg("%s: %d", what, error);
}

#define BYTES(...)                              \
	(const unsigned char[]){ __VA_ARGS__ }, \
		sizeof((const unsigned char[]){ __VA_ARGS__ })

/* The checksum holds in these: only what they say is wrong. */
static void refuses_impossible_bodies(void **state)
{
	(void)state;
	bad_body("find before any alloc", 1, 1, 1,
		 BYTES(FIND(1), 0, ALLOC, FREE(0)));
	bad_body("find of no process", 1, 1, 1,
		 BYTES(ALLOC, FIND(1), 1, FREE(0)));
	bad_body("find after free", 1, 1, 1, BYTES(ALLOC, FREE(0), FIND(1), 0));
	bad_body("switch before any find", 1, 1, 1,
		 BYTES(ALLOC, SWITCH(1), FREE(0)));
	bad_body("switch with one process", 1, 1, 2,
		 BYTES(ALLOC, FIND(1), 0, SWITCH(1), FREE(0)));
	bad_body("switch to a freed process", 2, 2, 3,
		 BYTES(ALLOC, FIND(1), 0, ALLOC, FIND(1), 0, FREE(1), SWITCH(1),
		       FREE(0)));
	bad_body("free of no process", 1, 1, 0, BYTES(ALLOC, FREE(1), FREE(0)));
	bad_body("double free", 1, 1, 0, BYTES(ALLOC, FREE(0), FREE(0)));
	bad_body("alloc with an argument", 1, 1, 0, BYTES(ALLOC | 4, FREE(0)));
	bad_body("more allocs than processes", 1, 1, 0,
		 BYTES(ALLOC, FREE(0), ALLOC, FREE(0), ALLOC, FREE(0)));
	bad_body("fewer allocs than processes", 2, 1, 2,
		 BYTES(ALLOC, FIND(2), 0, FREE(0)));
	bad_body("process left", 1, 1, 1, BYTES(ALLOC, FIND(1), 0));
	bad_body("overlong number", 1, 1, 0, BYTES(ALLOC, 0x83, 0x00));
	bad_body("number above 32 bits", 1, 1, 1,
		 BYTES(ALLOC, 0x81, 0x80, 0x80, 0x80, 0x10, 0, FREE(0)));
	bad_body("number of six bytes", 1, 1, 1,
		 BYTES(ALLOC, 0x81, 0x80, 0x80, 0x80, 0x80, 0x01, 0, FREE(0)));
	bad_body("unfinished number", 1, 1, 0, BYTES(ALLOC, FREE(0), 0x83));
	bad_body("find without process", 1, 1, 1,
		 BYTES(ALLOC, FREE(0), FIND(1)));
	bad_body("finds beyond the count", 1, 1, 1,
		 BYTES(ALLOC, 0xfd, 0xff, 0xff, 0xff, 0x0f, 0, FREE(0)));
}

static void refuses_counts_that_disagree(void **state)
{
	struct counts c;
	struct file f;

	(void)state;
#define REFUSED_WITH(field, value, error)                                  \
	(c = counts, c.field = (value), f = build(&c, body, sizeof(body)), \
	 refused(f.bytes, f.size, error))
	REFUSED_WITH(processes, 2, -EBADMSG);
	REFUSED_WITH(processes, 4, -EBADMSG);
	REFUSED_WITH(processes, UINT32_MAX, -EBADMSG);
	REFUSED_WITH(pids, 4, -EBADMSG);
	REFUSED_WITH(max_live, 1, -EBADMSG);
	REFUSED_WITH(max_live, 3, -EBADMSG);
	REFUSED_WITH(finds, 43, -EBADMSG);
	REFUSED_WITH(finds, 45, -EBADMSG);
	REFUSED_WITH(finds, TRACE_MAX_OPS - 6, -EBADMSG);
	REFUSED_WITH(finds, TRACE_MAX_OPS - 5, -EFBIG);
	REFUSED_WITH(finds, UINT64_MAX, -EFBIG);
	REFUSED_WITH(version, 0, -ENOTSUP);
	REFUSED_WITH(version, 2, -ENOTSUP);
#undef REFUSED_WITH

	f = build(&counts, body, sizeof(body));
	f.bytes[0] ^= 1;
	seal(&f);
	refused(f.bytes, f.size, -EBADMSG);
	f = build(&counts, body, sizeof(body));
	f.bytes[48]--;
	seal(&f);
	refused(f.bytes, f.size, -EBADMSG);
}

static void load_reports_errno(void **state)
{
	struct trace trace;

	(void)state;
	assert_int_equal(trace_load("no/such.trace", &trace), -ENOENT);
	assert_int_equal(trace_load(".", &trace), -EISDIR);
	assert_int_equal(trace_load("/dev/null", &trace), -EBADMSG);
}

/* Recounted from the operations, with a rule of its own for what is live. */
static void check_counts(const struct trace *trace)
{
	unsigned char *uses = calloc(trace->processes, 1);
	uint64_t finds = 0;
	uint32_t allocs = 0, frees = 0, max_live = 0;

	assert_non_null(uses);
	for (size_t i = 0; i < trace->count; i++) {
		uint32_t process = trace->ops[i].process;

		assert_true(process < trace->processes);
		switch (trace->ops[i].kind) {
		case TRACE_ALLOC:
			assert_int_equal(process, allocs);
			assert_int_equal(uses[process]++, 0);
			allocs++;
			break;
		case TRACE_FREE:
			assert_int_equal(uses[process]++, 1);
			frees++;
			break;
		default:
			assert_int_equal(trace->ops[i].kind, TRACE_FIND);
			assert_int_equal(uses[process], 1);
			finds++;
		}
		if (allocs - frees > max_live)
			max_live = allocs - frees;
	}
	free(uses);
	assert_int_equal(allocs, trace->processes);
	assert_int_equal(frees, trace->processes);
	assert_int_equal(finds, trace->finds);
	assert_int_equal(max_live, trace->max_live);
	assert_int_equal(finds + allocs + frees, trace->count);
}

static unsigned char *slurp(const char *path, size_t *size)
{
	const size_t limit = 2u << 20;
	unsigned char *bytes = malloc(limit);
	FILE *file = fopen(path, "rb");

	assert_non_null(bytes);
	assert_non_null(file);
	*size = fread(bytes, 1, limit, file);
	assert_int_equal(fclose(file), 0);
	assert_in_range(*size, 1, limit - 1);
	return bytes;
}

static void committed_traces_are_sound(void **state)
{
	(void)state;
	for (size_t i = 0; i < traces_count; i++) {
		struct trace trace;

		assert_int_equal(trace_load(traces[i], &trace), 0);
		check_counts(&trace);
		assert_int_equal(trace.lost, 0);
		assert_true(trace.pids >= 300);
		assert_true(trace.pids <= trace.processes);
		trace_free(&trace);
	}
}

static void damaged_traces_are_refused(void **state)
{
	struct trace trace;

	(void)state;
	for (size_t i = 0; i < traces_count; i++) {
		size_t size;
		unsigned char *bytes = slurp(traces[i], &size);

		for (size_t cut = 0; cut < size; cut++)
			assert_int_equal(trace_parse(bytes, cut, &trace),
					 -EBADMSG);
		for (size_t at = 0; at < size; at += size / 128 + 1) {
			bytes[at] ^= (unsigned char)(1u << at % 8);
			assert_int_equal(trace_parse(bytes, size, &trace),
					 -EBADMSG);
			bytes[at] ^= (unsigned char)(1u << at % 8);
		}
		assert_int_equal(trace_parse(bytes, size, &trace), 0);
		trace_free(&trace);
		free(bytes);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_operations_in_order),
		cmocka_unit_test(reads_the_least),
		cmocka_unit_test(refuses_every_damage),
		cmocka_unit_test(refuses_impossible_bodies),
		cmocka_unit_test(refuses_counts_that_disagree),
		cmocka_unit_test(load_reports_errno),
		cmocka_unit_test(committed_traces_are_sound),
		cmocka_unit_test(damaged_traces_are_refused),
	};

	if (argc < 2) {
		fprintf(stderr, "usage: %s TRACE...\n", argv[0]);
		return 2;
	}
	traces = argv + 1;
	traces_count = (size_t)(argc - 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
