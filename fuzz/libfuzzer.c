/* SPDX-License-Identifier: MIT */
/* The entry that libFuzzer, AFL++ and honggfuzz call. */
#include "fuzz/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool begun;

	if (!begun) {
		/* After the fuzzer, which leaves alone who was there before. */
		fuzz_watch();
		if (fuzz_target.warm_up)
			fuzz_target.warm_up();
	}
	begun = true;
	fuzz_target.run(data, size);
	return 0;
}
