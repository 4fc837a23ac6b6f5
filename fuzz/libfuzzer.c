/* SPDX-License-Identifier: MIT */
/* The entry that libFuzzer, AFL++ and honggfuzz call. */
#include "fuzz/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool watched;

	/* After the fuzzer, which leaves alone whoever was there before it. */
	if (!watched)
		fuzz_watch();
	watched = true;
	fuzz_target.run(data, size);
	return 0;
}
