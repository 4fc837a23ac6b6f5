// SPDX-License-Identifier: MIT
#ifndef IOASID_CPP_TEST_CHECK_HPP
#define IOASID_CPP_TEST_CHECK_HPP

// What the tests of the binding are made of: a failed CHECK says where and what,
// and the program goes on; main() returns check_status().

#include <atomic>
#include <cstdio>

inline std::atomic<int> check_failed{ 0 };
inline std::atomic<int> check_count{ 0 };

inline bool check_that(bool condition, const char *file, int line,
		       const char *what)
{
	check_count++;
	if (!condition) {
		std::fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
		check_failed++;
	}
	return condition;
}

// A test that checks nothing has not passed.
inline int check_status()
{
	std::printf("%d checks, %d failed\n", check_count.load(),
		    check_failed.load());
	return check_failed || !check_count;
}

#define CHECK(...)                                                   \
	check_that((__VA_ARGS__) ? true : false, __FILE__, __LINE__, \
		   #__VA_ARGS__)
#define CHECK_ERROR(expression, expected)                                  \
	check_that((expression).error() == (expected), __FILE__, __LINE__, \
		   #expression " is " #expected)

#endif
