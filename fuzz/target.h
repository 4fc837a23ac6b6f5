/* SPDX-License-Identifier: MIT */
#ifndef IOASID_FUZZ_TARGET_H
#define IOASID_FUZZ_TARGET_H

/*
 * A fuzz target, whatever drives it: libfuzzer.c is the entry for libFuzzer,
 * AFL++ and honggfuzz, replay.c a program of its own. A target defines
 * fuzz_target and is linked with one of the two, failure.c and command.c.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct fuzz_target {
	const char *name;
	/*
	 * What a process does only once, for fuzzers that take what differs
	 * between two runs of an input for chance. NULL: nothing.
	 */
	void (*warm_up)(void);
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

/* --- failure.c --- */

/*
 * Something is wrong: says so, prints the program to standard error, and ends
 * the process as its driver wants to. What a sanitizer reports is printed as
 * well.
 */
_Noreturn void fuzz_failed(const char *file, int line, const char *what);

/* From now on so are signals that end the process, for what they did before. */
void fuzz_watch(void);

/*
 * What is done with the first failure: @what is "FILE:LINE: CHECK", the summary of
 * a sanitizer, or the name of a signal. Where the program is printed to; NULL:
 * nowhere.
 */
extern FILE *(*fuzz_noticed)(const char *what);

/* Ends the process after a check has failed; does not return. */
extern void (*fuzz_end)(void);

/* --- command.c --- */

/*
 * The first lines of a printed program: its licence, and the command that
 * compiles it as it stands. @options and @sources follow what is the same for
 * all; @without is for find, of files of core/. Each begins with a space, or is
 * empty.
 */
void fuzz_print_head(FILE *file, const char *options, const char *without,
		     const char *sources);

#ifndef CHECK
#define CHECK(condition)                                             \
	do {                                                         \
		if (!(condition))                                    \
			fuzz_failed(__FILE__, __LINE__, #condition); \
	} while (0)
#endif

#endif /* IOASID_FUZZ_TARGET_H */
