/* SPDX-License-Identifier: MIT */
#ifndef IOASID_FUZZ_CHECK_H
#define IOASID_FUZZ_CHECK_H

/*
 * For what a target shares with the programs it prints: these have no driver.
 * A target defines CHECK before.
 */
#include <stdio.h>
#include <stdlib.h>

#ifndef CHECK
#define CHECK(condition)                                                 \
	do {                                                             \
		if (!(condition)) {                                      \
			fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, \
				__LINE__, #condition);                   \
			fflush(NULL);                                    \
			_Exit(1);                                        \
		}                                                        \
	} while (0)
#endif

#endif /* IOASID_FUZZ_CHECK_H */
