/* SPDX-License-Identifier: MIT */
/*
 * The stand-in for cmocka is seen to fail: `cmocka_self_test N` runs a group
 * whose last test has the fault number N, and must end with status 1 and name
 * it. Those from 1 to 18 are there; with another N, or none, all is well.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static int fault;
static int order;

static int setup(void **state)
{
	*state = &order;
	order++;
	return fault == 1;
}

static int teardown(void **state)
{
	assert_ptr_equal(*state, &order);
	return fault == 2;
}

static void passes(void **state)
{
	static const char a[] = "abc", b[] = "abd";

	assert_ptr_equal(*state, &order);
	assert_int_equal(order, 1);
	assert_int_equal(-1, -1L);
	assert_int_not_equal(1, 2);
	assert_true(order);
	assert_false(!order);
	assert_null(NULL);
	assert_non_null(a);
	assert_ptr_not_equal(a, b);
	assert_in_range(1, 1, 2);
	assert_in_range(2, 1, 2);
	assert_string_equal("abc", a);
	assert_memory_equal(a, b, 2);
	assert_memory_not_equal(a, b, 3);
}

static void skips(void **state)
{
	(void)state;
	skip();
	fail();
}

static void planted(void **state)
{
	static const char a[] = "abc", b[] = "abd";

	(void)state;
	switch (fault) {
	case 3:
		assert_true(order == 2);
		break;
	case 4:
		assert_false(order == 1);
		break;
	case 5:
		assert_int_equal(order, 2);
		break;
	case 6:
		/* A number is compared in all of its width. */
		assert_int_equal(UINT64_C(1) << 32 | 1, order);
		break;
	case 7:
		assert_int_not_equal(order, 1);
		break;
	case 8:
		assert_ptr_equal(a, b);
		break;
	case 9:
		assert_ptr_not_equal(a, a);
		break;
	case 10:
		assert_null(a);
		break;
	case 11:
		assert_non_null(NULL);
		break;
	case 12:
		assert_in_range(order, 2, 3);
		break;
	case 13:
		assert_in_range(order + 3, 2, 3);
		break;
	case 14:
		assert_string_equal(a, b);
		break;
	case 15:
		assert_memory_equal(a, b, 3);
		break;
	case 16:
		assert_memory_not_equal(a, b, 2);
		break;
	case 17:
		fail_msg("number %d", fault);
		break;
	case 18:
		fail();
		break;
	default:
		print_message("no fault\n");
	}
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(passes),
		cmocka_unit_test(skips),
		cmocka_unit_test(planted),
	};

	if (argc > 1)
		fault = atoi(argv[1]);
	return cmocka_run_group_tests_name("self", tests, setup, teardown);
}
