/* SPDX-License-Identifier: MIT */
/*
 * In the place of libhfuzz.a, which is in no Debian package: main, and what a
 * build with -fsanitize-coverage=trace-pc-guard,indirect-calls,trace-cmp calls.
 * Runs the files it is given and writes how many edges there are, and how many
 * were reached.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t edges, reached;

void __sanitizer_cov_trace_pc_guard_init(uint32_t *start, uint32_t *stop);
void __sanitizer_cov_trace_pc_guard(uint32_t *guard);

void __sanitizer_cov_trace_pc_guard_init(uint32_t *start, uint32_t *stop)
{
	if (start == stop || *start)
		return;
	for (uint32_t *guard = start; guard < stop; guard++)
		*guard = ++edges;
}

void __sanitizer_cov_trace_pc_guard(uint32_t *guard)
{
	reached += *guard != 0;
	*guard = 0;
}

/* What traces comparisons and calls: taken, and not used. */
#define IGNORED(name, type)        \
	void name(type a, type b); \
	void name(type a, type b)  \
	{                          \
		(void)a;           \
		(void)b;           \
	}

IGNORED(__sanitizer_cov_trace_cmp1, uint8_t)
IGNORED(__sanitizer_cov_trace_cmp2, uint16_t)
IGNORED(__sanitizer_cov_trace_cmp4, uint32_t)
IGNORED(__sanitizer_cov_trace_cmp8, uint64_t)
IGNORED(__sanitizer_cov_trace_const_cmp1, uint8_t)
IGNORED(__sanitizer_cov_trace_const_cmp2, uint16_t)
IGNORED(__sanitizer_cov_trace_const_cmp4, uint32_t)
IGNORED(__sanitizer_cov_trace_const_cmp8, uint64_t)

void __sanitizer_cov_trace_switch(uint64_t value, uint64_t *cases);
void __sanitizer_cov_trace_pc_indir(uintptr_t callee);

void __sanitizer_cov_trace_switch(uint64_t value, uint64_t *cases)
{
	(void)value;
	(void)cases;
}

void __sanitizer_cov_trace_pc_indir(uintptr_t callee)
{
	(void)callee;
}

int main(int argc, char **argv)
{
	static uint8_t data[1 << 20];

	for (int i = 1; i < argc; i++) {
		FILE *file = fopen(argv[i], "rb");
		uint8_t *copy;
		size_t size;

		if (!file) {
			perror(argv[i]);
			return 2;
		}
		size = fread(data, 1, sizeof(data), file);
		fclose(file);
		if (size == sizeof(data)) {
			fprintf(stderr, "%s: too large\n", argv[i]);
			return 2;
		}
		copy = malloc(size ? size : 1);
		if (!copy)
			return 2;
		for (size_t at = 0; at < size; at++)
			copy[at] = data[at];
		LLVMFuzzerTestOneInput(copy, size);
		free(copy);
	}
	printf("stand-in: %d files, %u edges, %u reached\n", argc - 1,
	       (unsigned int)edges, (unsigned int)reached);
	return 0;
}
