/* SPDX-License-Identifier: MIT */
#include "cmocka.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char *running = "no test";
static int skipped;

static void print(FILE *to, const char *format, va_list args)
{
	vfprintf(to, format, args);
	fflush(to);
}

void print_message(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print(stdout, format, args);
	va_end(args);
}

void print_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print(stderr, format, args);
	va_end(args);
}

void cmocka_failed(const char *file, int line, const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "%s:%d: in %s: ", file, line, running);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n[  FAILED  ] %s\n", running);
	fflush(stderr);
	/* Not exit(): other threads may be inside the library. */
	_Exit(1);
}

void cmocka_skipped(const char *file, int line)
{
	print_message("%s:%d: skip()\n", file, line);
	skipped = 1;
}

void cmocka_numbers(const char *file, int line, const char *what, int equal,
		    uintmax_t a, uintmax_t b)
{
	if ((a == b) != equal)
		cmocka_failed(file, line,
			      "not %s: %" PRIu64 " (%#" PRIx64 "), %" PRIu64
			      " (%#" PRIx64 ")",
			      what, (uint64_t)a, (uint64_t)a, (uint64_t)b,
			      (uint64_t)b);
}

void cmocka_range(const char *file, int line, uintmax_t value, uintmax_t min,
		  uintmax_t max)
{
	if (value < min || value > max)
		cmocka_failed(file, line,
			      "%" PRIu64 " not in %" PRIu64 " to %" PRIu64,
			      (uint64_t)value, (uint64_t)min, (uint64_t)max);
}

void cmocka_strings(const char *file, int line, const char *a, const char *b)
{
	if (strcmp(a, b))
		cmocka_failed(file, line, "\"%s\" is not \"%s\"", a, b);
}

void cmocka_bytes(const char *file, int line, int equal, const void *a,
		  const void *b, size_t size)
{
	const unsigned char *x = a, *y = b;
	size_t i = 0;

	while (i < size && x[i] == y[i])
		i++;
	if (i == size && !equal)
		cmocka_failed(file, line, "all %" PRIu64 " bytes are equal",
			      (uint64_t)size);
	if (i < size && equal)
		cmocka_failed(file, line,
			      "byte %" PRIu64 " of %" PRIu64 ": %#x, %#x",
			      (uint64_t)i, (uint64_t)size, x[i], y[i]);
}

static void check(int (*func)(void **state), void **state, const char *what)
{
	if (func && func(state))
		cmocka_failed(__FILE__, __LINE__, "%s failed", what);
}

/*
 * Is it, without what follows a slash, in TEST_LEAVE_OUT, a list with commas
 * around each name?
 */
static int is_left_out(const char *name)
{
	const char *list = getenv("TEST_LEAVE_OUT");
	size_t length = strcspn(name, "/");

	for (; list && *list; list++)
		if (*list == ',' && !strncmp(list + 1, name, length) &&
		    list[1 + length] == ',')
			return 1;
	return 0;
}

int _cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests,
			    size_t count, int (*setup)(void **state),
			    int (*teardown)(void **state))
{
	unsigned int passed = 0, left_out = 0;
	void *of_group = NULL;

	running = name;
	print_message("[==========] %s: %u test(s).\n", name,
		      (unsigned int)count);
	check(setup, &of_group, "setup");
	for (const struct CMUnitTest *test = tests; test < tests + count;
	     test++) {
		void *state = test->initial_state ? test->initial_state :
						    of_group;

		running = test->name;
		if (is_left_out(running)) {
			print_message("[  SKIPPED ] %s\n", running);
			left_out++;
			continue;
		}
		skipped = 0;
		print_message("[ RUN      ] %s\n", running);
		check(test->setup_func, &state, "setup");
		test->test_func(&state);
		check(test->teardown_func, &state, "teardown");
		print_message(skipped ? "[  SKIPPED ] %s\n" :
					"[       OK ] %s\n",
			      running);
		if (skipped)
			left_out++;
		else
			passed++;
	}
	running = name;
	check(teardown, &of_group, "teardown");
	if (left_out)
		print_message("[  SKIPPED ] %u test(s).\n", left_out);
	print_message("[  PASSED  ] %u test(s).\n", passed);
	return 0;
}
