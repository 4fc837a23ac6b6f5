/* SPDX-License-Identifier: MIT */
#ifndef EXAMPLES_EXAMPLE_H
#define EXAMPLES_EXAMPLE_H

/* What the examples share, and what is not about IDs: options and checks. */

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct setting {
	const char *option, *meaning;
	unsigned int *value, min, max;
};

_Noreturn static inline void usage(const struct setting *settings,
				   const char *const *faults)
{
	for (; settings->option; settings++)
		fprintf(stderr, "%s N  %s, %u to %u, else %u\n",
			settings->option, settings->meaning, settings->min,
			settings->max, *settings->value);
	fputs("-f FAULT  what to break on purpose:", stderr);
	for (; *faults; faults++)
		fprintf(stderr, " %s", *faults);
	fputc('\n', stderr);
	exit(2);
}

/* Both lists end with NULL; @fault receives an index. */
static inline void parse(int argc, char **argv, const struct setting *settings,
			 const char *const *faults, unsigned int *fault)
{
	const struct setting *setting;
	unsigned long value;
	unsigned int i;
	char *end;
	int at;

	for (at = 1; at < argc; at += 2) {
		const char *option = argv[at], *text = argv[at + 1];

		if (!text)
			usage(settings, faults);
		if (!strcmp(option, "-f")) {
			for (i = 0; faults[i] && strcmp(text, faults[i]);)
				i++;
			if (!faults[i])
				usage(settings, faults);
			*fault = i;
			continue;
		}
		for (setting = settings; setting->option; setting++)
			if (!strcmp(option, setting->option))
				break;
		value = strtoul(text, &end, 10);
		if (!setting->option || end == text || *end ||
		    value < setting->min || value > setting->max)
			usage(settings, faults);
		*setting->value = (unsigned int)value;
	}
}

static atomic_uint checks_failed;

/* From any thread. */
static inline bool check(bool ok, const char *what)
{
	/* The first say enough. */
	if (!ok && atomic_fetch_add(&checks_failed, 1) < 20)
		printf("FAILED: %s\n", what);
	return ok;
}

static inline const char *error_name(int error)
{
	switch (error) {
	case 0:
		return "ok";
	case -EACCES:
		return "-EACCES";
	case -EBUSY:
		return "-EBUSY";
	case -EDQUOT:
		return "-EDQUOT";
	case -EEXIST:
		return "-EEXIST";
	case -ENOENT:
		return "-ENOENT";
	case -ENOSPC:
		return "-ENOSPC";
	case -ERANGE:
		return "-ERANGE";
	case -ESTALE:
		return "-ESTALE";
	}
	return error == 1 ? "1" : "another error";
}

/* Prints an answer, and checks it. */
static inline void expect(const char *what, int answer, int expected)
{
	printf("  %-48s %s\n", what, error_name(answer));
	check(answer == expected, what);
}

/* The exit code. */
static inline int verdict(void)
{
	/* A leak checker may end the program before its output is written. */
	fflush(stdout);
	return checks_failed ? 1 : 0;
}

#endif /* EXAMPLES_EXAMPLE_H */
