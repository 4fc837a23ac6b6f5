/* SPDX-License-Identifier: MIT */
/* libFuzzer's entry, and the sequence of a sanitizer's finding. */
#include "fuzz/api/harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void __asan_on_error(void);
void __ubsan_on_report(void);

static void print_once(void)
{
	static bool printed;

	if (printed)
		return;
	printed = true;
	harness_print(stderr,
		      harness.wrong_side ? harness.wrong_side->name : NULL);
}

void __asan_on_error(void)
{
	print_once();
}

void __ubsan_on_report(void)
{
	print_once();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	harness_end = abort;
	harness_run(data, size);
	return 0;
}
