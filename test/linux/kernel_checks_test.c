/* SPDX-License-Identifier: MIT */
/*
 * The kernel's own tests of the IDR and the IDA, on our header. Every check has
 * to hold but those named here, which have to fail, and as often as said: one
 * that is gone, has moved or holds after all is found.
 */
#include "test/fixture.h"

#include <linux/idr.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/linux/kernel_checks.h"

struct excluded {
	/* the line of docs/differences-from-linux.md that says why */
	const char *difference;
	const char *func;
	/* which check of the function, from 1 */
	unsigned int check;
	unsigned long failures;
	/* of the bitmap store only */
	bool bitmap;
};

#define EXCLUDED(difference, func, check, failures) \
	{ #difference, #func, check, failures, false }
#define EXCLUDED_BITMAP(difference, func, check, failures) \
	{ #difference, #func, check, failures, true }

static struct excluded excluded[] = {
	EXCLUDED(uint_max_is_no_id, idr_u32_test1, 1, 3),
	EXCLUDED(uint_max_is_no_id, idr_u32_test1, 9, 3),
	EXCLUDED(ida_memory_is_the_librarys, ida_check_nomem, 1, 1),
	EXCLUDED(ida_memory_is_the_librarys, ida_check_nomem, 2, 1),
	EXCLUDED(ida_memory_is_the_librarys, ida_check_nomem, 3, 1),
	EXCLUDED(ida_memory_is_the_librarys, ida_check_conv_user, 2, 977),
	EXCLUDED_BITMAP(bitmap_idr_is_bounded, ida_check_max, 1, 131071),
	EXCLUDED_BITMAP(bitmap_idr_is_bounded, idr_checks, 6, 4),
	EXCLUDED_BITMAP(bitmap_idr_is_bounded, idr_checks, 10, 6),
	EXCLUDED_BITMAP(bitmap_idr_is_bounded, item_idr_free, 1, 6),
	EXCLUDED_BITMAP(bitmap_idr_is_bounded, idr_u32_test1, 1, 12),
	EXCLUDED_BITMAP(bitmap_idr_is_bounded, idr_u32_test1, 7, 3),
	EXCLUDED_BITMAP(bitmap_idr_is_bounded, idr_u32_test1, 8, 3),
	EXCLUDED_BITMAP(bitmap_idr_is_bounded, idr_u32_test1, 9, 12),
};

#define BITMAP (IOASID_IDR_STORE == IOASID_STORE_BITMAP)

/* Of test_ida.c by itself, as Linux 6.1 has it. */
enum { IDA_CHECKS = 147357 };

enum planted planted;

extern struct kernel_check *const __start_kernel_checks[];
extern struct kernel_check *const __stop_kernel_checks[];

/* What a child exits with. */
enum {
	HELD,
	FOUND = 7,
};

time_t kernel_time(void)
{
	return (time_t)(test_now() * (planted ? 500 : 20));
}

static unsigned int place(const struct kernel_check *check)
{
	struct kernel_check *const *each;
	unsigned int count = 0;

	for (each = __start_kernel_checks; each < __stop_kernel_checks; each++)
		count += (*each)->file == check->file &&
			 !strcmp((*each)->func, check->func) &&
			 (*each)->line <= check->line;
	return count;
}

static bool is_excluded(const struct excluded *entry,
			const struct kernel_check *check)
{
	return (BITMAP || !entry->bitmap) &&
	       !strcmp(entry->func, check->func) &&
	       entry->check == place(check);
}

static unsigned long expected(const struct kernel_check *check)
{
	unsigned long failures = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(excluded); i++)
		if (is_excluded(&excluded[i], check))
			failures += excluded[i].failures;
	return failures;
}

void kernel_check_failed(struct kernel_check *check)
{
	__atomic_fetch_add(&check->failed, 1, __ATOMIC_RELAXED);
	if (planted && !expected(check))
		_exit(FOUND);
}

/*
 * What a run has got wrong. Of IDA_BUG_ON only a failure is met, and then it is
 * the constant 0.
 */
static unsigned int wrong(bool say)
{
	struct kernel_check *const *each;
	unsigned int count = 0;
	size_t i;

	for (each = __start_kernel_checks; each < __stop_kernel_checks;
	     each++) {
		const struct kernel_check *check = *each;
		bool met = check->run || !strcmp(check->text, "0");

		if (met && check->failed == expected(check))
			continue;
		count++;
		if (!say)
			continue;
		printf("%s() check %u, line %d: %s: met %lu, failed %lu, "
		       "%lu expected\n",
		       check->func, place(check), check->line, check->text,
		       check->run, check->failed, expected(check));
	}
	for (i = 0; i < ARRAY_SIZE(excluded); i++) {
		for (each = __start_kernel_checks; each < __stop_kernel_checks;
		     each++)
			if (is_excluded(&excluded[i], *each))
				break;
		if (each < __stop_kernel_checks ||
		    (excluded[i].bitmap && !BITMAP))
			continue;
		count++;
		if (say)
			printf("%s() check %u is gone\n", excluded[i].func,
			       excluded[i].check);
	}
	return count;
}

static void run(void)
{
	CHECK(kernel_ida_run() == IDA_CHECKS);
	kernel_idr_run();
}

/* How a run with that fault ends. */
static int run_in_child(enum planted fault)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child) {
		planted = fault;
		alarm(120);
		run();
		_exit(wrong(true) ? FOUND : HELD);
	}
	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	return status;
}

static void planted_fault_is_found(void **state)
{
	int status = run_in_child(*(enum planted *)*state);

	/* A crash is a find, a run that does not end is none. */
	assert_true(WIFEXITED(status) ? WEXITSTATUS(status) != HELD :
					WTERMSIG(status) != SIGALRM);
}

/* So it is not the child that is at fault. */
static void no_fault_is_not_found(void **state)
{
	int status = run_in_child(PLANTED_FAULTS);

	(void)state;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == HELD);
}

static void every_check_holds(void **state)
{
	(void)state;
	run();
	assert_int_equal(wrong(true), 0);
}

/* After that run: what is excluded and is not so is found. */
static void exclusions_are_exact(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(excluded); i++) {
		const struct excluded entry = excluded[i];

		if (entry.bitmap && !BITMAP)
			continue;
		excluded[i].failures++;
		assert_true(wrong(false) > 0);
		excluded[i] = entry;
		excluded[i].check = 99;
		assert_true(wrong(false) > 0);
		excluded[i].failures = 0;
		assert_true(wrong(false) > 0);
		excluded[i] = entry;
	}
	assert_int_equal(wrong(true), 0);
}

int main(void)
{
	static const char *const names[PLANTED_FAULTS] = {
		[PLANTED_CURSOR_STAYS] = "planted: the cursor stays",
		[PLANTED_END_IS_HANDED_OUT] = "planted: end is handed out",
		[PLANTED_REMOVE_GIVES_NOTHING] =
			"planted: remove gives nothing",
		[PLANTED_REPLACE_GIVES_THE_NEW] =
			"planted: replace gives the new",
		[PLANTED_NEXT_PASSES_OVER_ONE] =
			"planted: next passes over one",
		[PLANTED_DESTROY_DOES_NOTHING] =
			"planted: destroy does nothing",
		[PLANTED_IDA_BEGINS_AT_0] = "planted: IDA begins at 0",
		[PLANTED_IDA_FREE_DOES_NOTHING] = "planted: IDA keeps IDs",
	};
	static enum planted faults[PLANTED_FAULTS];
	struct CMUnitTest tests[PLANTED_FAULTS + 2];
	size_t count = 0;
	int i;

	for (i = PLANTED_NOTHING + 1; i < PLANTED_FAULTS; i++) {
		faults[i] = (enum planted)i;
		tests[count++] = (struct CMUnitTest){
			.name = names[i],
			.test_func = planted_fault_is_found,
			.initial_state = &faults[i],
		};
	}
	tests[count++] =
		(struct CMUnitTest)cmocka_unit_test(no_fault_is_not_found);
	/* Last: the children begin where nothing was used. */
	tests[count++] = (struct CMUnitTest)cmocka_unit_test(every_check_holds);
	tests[count++] =
		(struct CMUnitTest)cmocka_unit_test(exclusions_are_exact);
	CHECK(count == ARRAY_SIZE(tests));
	return cmocka_run_group_tests_name("kernel checks", tests, NULL, NULL);
}
