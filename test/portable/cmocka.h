/* SPDX-License-Identifier: MIT */
#ifndef IOASID_TEST_PORTABLE_CMOCKA_H
#define IOASID_TEST_PORTABLE_CMOCKA_H

/*
 * A stand-in for cmocka, for targets that the distribution has none for: cross
 * compilers, musl, mingw, wasm. It has the part of cmocka's interface that this
 * directory's suites use, and is found in place of cmocka's own header by
 * -Itest/portable; link cmocka.c.
 *
 * cmocka leaves a test that failed by longjmp(), which wasm has not. Here a
 * failed assertion says file, line, values and test, and ends the program with
 * status 1: in a child of fork() that child, on a thread all of the program.
 * skip() returns from the function it is written in, which is the test.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef _WIN32
/* printf() itself is Microsoft's there unless __USE_MINGW_ANSI_STDIO says. */
#define CMOCKA_PRINTF(n) __attribute__((__format__(gnu_printf, n, (n) + 1)))
#else
#define CMOCKA_PRINTF(n) __attribute__((__format__(__printf__, n, (n) + 1)))
#endif

struct CMUnitTest {
	const char *name;
	void (*test_func)(void **state);
	int (*setup_func)(void **state);
	int (*teardown_func)(void **state);
	void *initial_state;
};

#define cmocka_unit_test(func) { #func, func, NULL, NULL, NULL }

/* The number of failures: 0, as the first one ends the program. */
int _cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests,
			    size_t count, int (*setup)(void **state),
			    int (*teardown)(void **state));

#define cmocka_run_group_tests_name(name, tests, setup, teardown)          \
	_cmocka_run_group_tests(name, tests,                               \
				sizeof(tests) / sizeof((tests)[0]), setup, \
				teardown)
#define cmocka_run_group_tests(tests, setup, teardown) \
	cmocka_run_group_tests_name(#tests, tests, setup, teardown)

void print_message(const char *format, ...) CMOCKA_PRINTF(1);
void print_error(const char *format, ...) CMOCKA_PRINTF(1);

_Noreturn void cmocka_failed(const char *file, int line, const char *format,
			     ...) CMOCKA_PRINTF(3);
void cmocka_skipped(const char *file, int line);
void cmocka_numbers(const char *file, int line, const char *what, int equal,
		    uintmax_t a, uintmax_t b);
void cmocka_range(const char *file, int line, uintmax_t value, uintmax_t min,
		  uintmax_t max);
void cmocka_strings(const char *file, int line, const char *a, const char *b);
void cmocka_bytes(const char *file, int line, int equal, const void *a,
		  const void *b, size_t size);

#define fail() cmocka_failed(__FILE__, __LINE__, "fail()")
#define fail_msg(...) cmocka_failed(__FILE__, __LINE__, __VA_ARGS__)
#define skip()                                      \
	do {                                        \
		cmocka_skipped(__FILE__, __LINE__); \
		return;                             \
	} while (0)

#define CMOCKA_NUMBER(x) ((uintmax_t)(x))
#define CMOCKA_POINTER(x) ((uintmax_t)(uintptr_t)(x))

#define assert_true(x) \
	((x) ? (void)0 : cmocka_failed(__FILE__, __LINE__, "not true: %s", #x))
#define assert_false(x) \
	((x) ? cmocka_failed(__FILE__, __LINE__, "not false: %s", #x) : (void)0)
#define assert_int_equal(a, b)                                                \
	cmocka_numbers(__FILE__, __LINE__, #a " == " #b, 1, CMOCKA_NUMBER(a), \
		       CMOCKA_NUMBER(b))
#define assert_int_not_equal(a, b)                                            \
	cmocka_numbers(__FILE__, __LINE__, #a " != " #b, 0, CMOCKA_NUMBER(a), \
		       CMOCKA_NUMBER(b))
#define assert_ptr_equal(a, b)                                                 \
	cmocka_numbers(__FILE__, __LINE__, #a " == " #b, 1, CMOCKA_POINTER(a), \
		       CMOCKA_POINTER(b))
#define assert_ptr_not_equal(a, b)                                             \
	cmocka_numbers(__FILE__, __LINE__, #a " != " #b, 0, CMOCKA_POINTER(a), \
		       CMOCKA_POINTER(b))
#define assert_null(x) assert_ptr_equal(x, NULL)
#define assert_non_null(x) assert_ptr_not_equal(x, NULL)
#define assert_in_range(value, min, max)                       \
	cmocka_range(__FILE__, __LINE__, CMOCKA_NUMBER(value), \
		     CMOCKA_NUMBER(min), CMOCKA_NUMBER(max))
#define assert_string_equal(a, b) cmocka_strings(__FILE__, __LINE__, a, b)
#define assert_memory_equal(a, b, size) \
	cmocka_bytes(__FILE__, __LINE__, 1, a, b, size)
#define assert_memory_not_equal(a, b, size) \
	cmocka_bytes(__FILE__, __LINE__, 0, a, b, size)

#endif /* IOASID_TEST_PORTABLE_CMOCKA_H */
