/* SPDX-License-Identifier: MIT */

/* What a printed program needs in place of a driver. */

#include "fuzz/target.h"

#include <stdlib.h>

void (*fuzz_end)(void);

_Noreturn void fuzz_failed(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
	exit(1);
}
