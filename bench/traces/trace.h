/* SPDX-License-Identifier: MIT */
#ifndef BENCH_TRACES_TRACE_H
#define BENCH_TRACES_TRACE_H

/* Reader of recorded traces; README.md describes the file. */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum trace_op_kind { TRACE_FIND, TRACE_ALLOC, TRACE_FREE };

/* Four bytes: a replay streams millions of them past the code it times. */
struct trace_op {
	uint32_t kind : 2;
	uint32_t process : 30;
};

/* Longest trace the reader accepts. */
#define TRACE_MAX_OPS ((uint64_t)1 << 28)

/*
 * What the reader has checked: the counts agree with ops[]; processes are
 * numbered 0, 1, ... in order of their alloc; each is allocated once, then
 * found any number of times, then freed once.
 */
struct trace {
	struct trace_op *ops;
	size_t count;
	uint64_t finds;
	uint32_t processes; /* allocs, and as many frees */
	uint32_t pids;
	uint32_t max_live;
	uint64_t duration_ns;
	uint64_t lost;
};

/**
 * trace_parse - read a trace from memory
 *
 * Return: 0; -EBADMSG damaged, truncated, or not a trace; -ENOTSUP another
 * version; -EFBIG more than TRACE_MAX_OPS operations; -ENOMEM. On failure
 * *trace is left as it was.
 * Ownership: *trace is released by trace_free(); data is not kept.
 */
int trace_parse(const void *data, size_t size, struct trace *trace);

/**
 * trace_load - read a trace from a file
 *
 * Return: as trace_parse(), -EFBIG also for a file above 256 MiB, or the
 * negative errno of opening and reading.
 */
int trace_load(const char *path, struct trace *trace);

/* Releases what trace_parse() or trace_load() filled in. */
void trace_free(struct trace *trace);

#ifdef __cplusplus
}
#endif

#endif
