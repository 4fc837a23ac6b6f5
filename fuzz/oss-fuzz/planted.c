/* SPDX-License-Identifier: MIT */
/*
 * What build_test and afl_smoke link into a fuzz target to see that it is noticed,
 * with -Wl,--wrap=LLVMFuzzerTestOneInput; with ALONE a target of its own.
 */
#include "fuzz/target.h"

#include <stdlib.h>

#if defined(ALONE)
/*
 * A target without the library: instrumented, but with a handful of edges, where
 * a target that has the library has thousands. The comparisons are these edges;
 * the result is always 0.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return size > 2 && data[0] == data[1] && data[1] == data[2] ? 0 : 0;
}
#else
int __real_LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __wrap_LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int __wrap_LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
#if defined(CRASHES_ON_SEED)
	/* Longer than what four runs from nothing come to. */
	if (size > 8)
		abort();
#endif
	return __real_LLVMFuzzerTestOneInput(data, size);
}

#if defined(PLANTS_FAULT)
/* The fault that the environment names; "?" lists them. */
__attribute__((constructor)) static void plant(void)
{
	const char *name = getenv("PLANTED_FAULT");

	if (!name)
		return;
	if (*name != '?') {
		fuzz_target.plant(name);
		return;
	}
	for (size_t i = 0; fuzz_target.faults[i]; i++)
		puts(fuzz_target.faults[i]);
	exit(0);
}
#endif
#if defined(ENDS_AT_START)
__attribute__((constructor)) static void end(void)
{
	_Exit(0);
}
#endif
#if defined(NEEDS_LIBRARY)
int planted_library(void);

__attribute__((constructor)) static void call(void)
{
	planted_library();
}
#endif
#endif
