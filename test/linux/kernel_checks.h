/* SPDX-License-Identifier: MIT */
#ifndef TEST_LINUX_KERNEL_CHECKS_H
#define TEST_LINUX_KERNEL_CHECKS_H

/*
 * The checks of the kernel's own tests of the IDR and the IDA, each counted
 * where it stands. One that fails does not end the run.
 */

#include <stdbool.h>
#include <time.h>

/* Tells functions of one name in two files apart. */
static char kernel_file __attribute__((unused));

struct kernel_check {
	const char *func, *text;
	const void *file;
	int line;
	unsigned long run, failed;
};

/* Is it one that has to fail? Ends a run with a planted fault if not. */
void kernel_check_failed(struct kernel_check *check);

#define KERNEL_CHECK(condition)                                             \
	do {                                                                \
		static struct kernel_check check_ = {                       \
			__func__, #condition, &kernel_file, __LINE__, 0, 0, \
		};                                                          \
		/* Known before it is met, to count those of a function. */ \
		static struct kernel_check *const listed_                   \
			__attribute__((used, section("kernel_checks"))) =   \
				&check_;                                    \
		(void)listed_;                                              \
		__atomic_fetch_add(&check_.run, 1, __ATOMIC_RELAXED);       \
		if (!(condition))                                           \
			kernel_check_failed(&check_);                       \
	} while (0)

/* idr-test.c, which has the whole of test_ida.c within. */
void kernel_idr_run(void);
/* test_ida.c by itself: the number of checks met. */
unsigned int kernel_ida_run(void);

/* Their threads work for so many seconds; these are short. */
time_t kernel_time(void);

/* What a run can have wrong on purpose. */
enum planted {
	PLANTED_NOTHING,
	PLANTED_CURSOR_STAYS,
	PLANTED_END_IS_HANDED_OUT,
	PLANTED_REMOVE_GIVES_NOTHING,
	PLANTED_REPLACE_GIVES_THE_NEW,
	PLANTED_NEXT_PASSES_OVER_ONE,
	PLANTED_DESTROY_DOES_NOTHING,
	PLANTED_IDA_BEGINS_AT_0,
	PLANTED_IDA_FREE_DOES_NOTHING,
	PLANTED_FAULTS,
};

extern enum planted planted;

#endif /* TEST_LINUX_KERNEL_CHECKS_H */
