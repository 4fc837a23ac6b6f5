/* SPDX-License-Identifier: MIT */
#ifndef IOASID_FUZZ_TARGET_H
#define IOASID_FUZZ_TARGET_H

/*
 * A fuzz target, whatever drives it: libfuzzer.c is the entry for libFuzzer,
 * AFL++ and honggfuzz, replay.c a program of its own. A target defines
 * fuzz_target and is linked with one of the two.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct fuzz_target {
	const char *name;
	/*
	 * Runs one input, with the same outcome each time; leaves nothing
	 * behind. Any byte string is an input.
	 */
	void (*run)(const uint8_t *data, size_t size);
	/*
	 * Writes what the input that runs, or ran last, has done so far as a C
	 * program that compiles as a test and fails where it failed.
	 */
	void (*print)(FILE *file);
	/* Faults that it has to notice, the last name NULL, and their planting. */
	const char *const *faults;
	void (*plant)(const char *name);
	/* Options of replay.c for this target alone, NULL: none; false: unknown. */
	bool (*option)(const char *option);
};

extern const struct fuzz_target fuzz_target;

/*
 * Something is wrong: says so, prints the reproducer to standard error, and ends
 * the process as its driver wants to.
 */
_Noreturn void fuzz_failed(const char *file, int line, const char *what);

/* Given by the driver; called after a failure was printed, does not return. */
extern void (*fuzz_end)(void);

#ifndef CHECK
#define CHECK(condition)                                             \
	do {                                                         \
		if (!(condition))                                    \
			fuzz_failed(__FILE__, __LINE__, #condition); \
	} while (0)
#endif

#endif /* IOASID_FUZZ_TARGET_H */
