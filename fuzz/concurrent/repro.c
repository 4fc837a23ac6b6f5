/* SPDX-License-Identifier: MIT */

/*
 * What a printed program needs in place of a driver. CONCURRENT_FAULT is a fault of
 * sched.c to plant.
 */

#include "fuzz/concurrent/sched.h"
#include "fuzz/target.h"

#include <stdlib.h>

_Noreturn void fuzz_failed(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
	exit(1);
}

#ifdef CONCURRENT_FAULT
__attribute__((constructor)) static void plant(void)
{
	vt_plant(CONCURRENT_FAULT);
}
#endif
