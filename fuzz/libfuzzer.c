/* SPDX-License-Identifier: MIT */
/*
 * The entry that libFuzzer, AFL++ and honggfuzz call. A finding of a sanitizer
 * prints the reproducer as well.
 */
#include "fuzz/target.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void __asan_on_error(void);
void __ubsan_on_report(void);

void (*fuzz_end)(void) = abort;

static void print_once(void)
{
	static bool printed;

	if (printed)
		return;
	printed = true;
	fuzz_target.print(stderr);
}

void __asan_on_error(void)
{
	print_once();
}

void __ubsan_on_report(void)
{
	print_once();
}

_Noreturn void fuzz_failed(const char *file, int line, const char *what)
{
	fprintf(stderr, "\n%s: %s:%d: failed: %s\n", fuzz_target.name, file,
		line, what);
	print_once();
	fflush(NULL);
	fuzz_end();
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_target.run(data, size);
	return 0;
}
