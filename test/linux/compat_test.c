/* SPDX-License-Identifier: MIT */
/*
 * <linux/ioasid.h> in a program of the user's, alone or beside stand-ins for
 * the kernel's headers: see BUILD for the ways it is compiled.
 */
#include "test/fixture.h"

#ifdef TEST_ERR_MACROS
static unsigned int macros_used;

static bool is_err(const void *pointer)
{
	macros_used++;
	return (uintptr_t)pointer >= UINTPTR_MAX - 4094;
}

#define IS_ERR(pointer) is_err(pointer)
#define PTR_ERR(pointer) ((long)(intptr_t)(pointer))
#define ERR_PTR(error) ((void *)(intptr_t)(error))
#endif
#ifdef TEST_ERR_BEFORE
#include <linux/err.h>
#endif
#include <linux/ioasid.h>
#ifdef TEST_ERR_AFTER
#include <linux/err.h>
#endif

static DECLARE_IOASID_SET(set);
DECLARE_IOASID_SET(compat_test_set);

static int objects[4];

static bool yes(void *data)
{
	(void)data;
	return true;
}

static bool no(void *data)
{
	(void)data;
	return false;
}

static ioasid_t next;
static unsigned int freed;

static ioasid_t choose(ioasid_t min, ioasid_t max, void *pdata)
{
	CHECK(pdata == &next);
	return next >= min && next <= max ? next++ : INVALID_IOASID;
}

static void take_back(ioasid_t ioasid, void *pdata)
{
	CHECK(pdata == &next);
	CHECK(ioasid < next);
	freed++;
}

static struct ioasid_allocator_ops ops = {
	.alloc = choose,
	.free = take_back,
	.pdata = &next,
};

static void error_pointers(void **state)
{
	int *pointer = objects;

	(void)state;
	assert_true(IS_ERR(ERR_PTR(-ENOENT)));
	assert_int_equal(PTR_ERR(ERR_PTR(-EACCES)), -EACCES);
	assert_false(IS_ERR(NULL));
	assert_false(IS_ERR(objects));
	assert_true(IS_ERR_OR_NULL(NULL));
	assert_true(IS_ERR_OR_NULL(ERR_PTR(-4095)));
	assert_true(IS_ERR_OR_NULL(ERR_PTR(-1)));
	assert_false(IS_ERR_OR_NULL((void *)(uintptr_t)-4096));
	assert_false(IS_ERR_OR_NULL(objects));
	assert_false(IS_ERR(pointer++));
	assert_ptr_equal(pointer, objects + 1);
#ifdef TEST_ERR_MACROS
	assert_true(macros_used > 0);
#endif
#if defined(TEST_ERR_BEFORE) || defined(TEST_ERR_AFTER)
	assert_true(test_err_used > 0);
#endif
}

#ifdef IOASID_DISABLED
static void disabled(void **state)
{
	(void)state;
	assert_int_equal(ioasid_alloc(&set, 0, 99, objects), INVALID_IOASID);
	assert_false(pasid_valid(0));
	assert_false(pasid_valid(INVALID_IOASID));
	assert_null(ioasid_find(&set, 0, yes));
	assert_null(ioasid_find(NULL, 0, no));
	assert_int_equal(ioasid_set_data(0, objects), -ENODEV);
	assert_int_equal(ioasid_register_allocator(&ops), -ENODEV);
	ioasid_unregister_allocator(&ops);
	ioasid_get(0);
	assert_false(ioasid_put(0));
	ioasid_free(0);
	assert_int_equal(next + freed, 0);
}
#else
static void life(void **state)
{
	ioasid_t id = ioasid_alloc(&set, 16, 31, &objects[0]);

	(void)state;
	assert_int_equal(id, 16);
	assert_true(pasid_valid(id));
	assert_true(pasid_valid(0));
	assert_false(pasid_valid(INVALID_IOASID));
	assert_ptr_equal(ioasid_find(&set, id, NULL), &objects[0]);
	assert_ptr_equal(ioasid_find(NULL, id, yes), &objects[0]);
	assert_null(ioasid_find(NULL, id, no));
	assert_int_equal(PTR_ERR(ioasid_find(&compat_test_set, id, yes)),
			 -EACCES);
	assert_int_equal(PTR_ERR(ioasid_find(&set, id + 1, yes)), -ENOENT);
	assert_int_equal(ioasid_set_data(id, &objects[1]), 0);
	assert_ptr_equal(ioasid_find(&set, id, NULL), &objects[1]);
	assert_int_equal(ioasid_set_data(id + 1, &objects[1]), -ENOENT);
	ioasid_free(id);
	assert_true(IS_ERR(ioasid_find(&set, id, NULL)));
	ioasid_free(id);
	assert_false(pasid_valid(ioasid_alloc(&set, 31, 16, NULL)));
}

/* As its callers of 5.11 use it. */
static void get_and_put(void **state)
{
	ioasid_t id = ioasid_alloc(&set, 1, 9, &objects[2]);

	(void)state;
	assert_int_equal(id, 1);
	ioasid_get(id);
	assert_false(ioasid_put(id));
	assert_ptr_equal(ioasid_find(&set, id, NULL), &objects[2]);
	assert_true(ioasid_put(id));
	assert_int_equal(PTR_ERR(ioasid_find(&set, id, NULL)), -ENOENT);
}

static void allocators(void **state)
{
	ioasid_t id;

	(void)state;
	id = ioasid_alloc(NULL, 0, 0, NULL);
	assert_int_equal(ioasid_register_allocator(&ops), -EAGAIN);
	ioasid_free(id);
	assert_int_equal(ioasid_register_allocator(&ops), 0);
	assert_int_equal(ioasid_register_allocator(&ops), -EEXIST);
	next = 1000;
	id = ioasid_alloc(&set, 1, 0xfffff, &objects[3]);
	assert_int_equal(id, 1000);
	assert_ptr_equal(ioasid_find(&set, id, NULL), &objects[3]);
	assert_int_equal(ioasid_alloc(&set, 1, 999, NULL), INVALID_IOASID);
	ioasid_free(id);
	assert_int_equal(freed, 1);
	ioasid_unregister_allocator(&ops);
	assert_int_equal(ioasid_alloc(NULL, 0, 99, NULL), 0);
	ioasid_free(0);
}
#endif

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_pointers),
#ifdef IOASID_DISABLED
		cmocka_unit_test(disabled),
#else
		cmocka_unit_test(life),
		cmocka_unit_test(get_and_put),
		cmocka_unit_test(allocators),
#endif
	};

	return cmocka_run_group_tests_name("compat", tests, NULL, NULL);
}
