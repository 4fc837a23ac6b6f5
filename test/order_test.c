/* SPDX-License-Identifier: MIT */
/* The memory behind the order of a hash store's IDs. */
#include "test/fixture.h"

#include "core/store/order.h"

/* Least room, and more IDs than a list takes. */
enum { ROOM = 14, MANY = 129 };

/* IDs whose ways part near the root, and at the level above the bottom. */
#define FAR(part) ((ioasid_t)(part) << 26)
#define NEAR(part) ((ioasid_t)(part) << 10)

struct scene {
	struct ioasid_memory memory;
	struct ioasid_order order;
};

static void begin(struct fixture *fixture, struct scene *scene, uint32_t room)
{
	memset(scene, 0, sizeof(*scene));
	scene->memory = test_memory_hooks(&fixture->memory, false);
	assert_true(ioasid_order_create(&scene->order, &scene->memory, room));
}

static void check(struct scene *scene, uint32_t expected)
{
	uint32_t known, occupied;
	const char *reason =
		ioasid_order_check(&scene->order, &known, &occupied);

	if (reason)
		fail_msg("not valid: %s", reason);
	assert_int_equal(known, expected);
	assert_int_equal(occupied, expected);
}

static void end(struct fixture *fixture, struct scene *scene)
{
	ioasid_order_destroy(&scene->order);
	assert_int_equal(fixture->memory.bytes, 0);
}

static bool try_occupy(struct scene *scene, ioasid_t id)
{
	struct ioasid_order_way way;
	bool known = true, done;

	assert_int_equal(ioasid_order_vacant(&scene->order, id, &way), id);
	done = ioasid_order_occupy(&scene->order, &way, id, &known);
	assert_false(known);
	return done;
}

static void occupy(struct scene *scene, ioasid_t first, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		assert_true(try_occupy(scene, first + i));
}

static void forget(struct scene *scene, ioasid_t first, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		ioasid_order_vacate(&scene->order, first + i);
		ioasid_order_forget(&scene->order, first + i);
	}
}

/* That many are left: they take twice what a list of them would, at most. */
static void expect_few(struct fixture *fixture, struct scene *scene,
		       uint32_t count)
{
	struct scene fresh;

	check(scene, count);
	begin(fixture, &fresh, ROOM);
	occupy(&fresh, 0, count);
	assert_true(scene->order.bytes <= 2 * fresh.order.bytes);
	ioasid_order_destroy(&fresh.order);
}

/* Whether a list gets shorter, goes, or was a word's bits. */
static void few_are_a_list(struct fixture *fixture)
{
	struct scene scene;
	size_t before;

	begin(fixture, &scene, ROOM);
	before = scene.order.bytes;
	for (unsigned int part = 0; part < 4; part++)
		occupy(&scene, FAR(part), 40);
	for (unsigned int part = 0; part < 4; part++)
		forget(&scene, FAR(part) + 5, 35);
	expect_few(fixture, &scene, 20);
	for (unsigned int part = 0; part < 4; part++)
		forget(&scene, FAR(part), 5);
	assert_int_equal(scene.order.bytes, before);

	occupy(&scene, 0, MANY - 4);
	occupy(&scene, FAR(1), 4);
	forget(&scene, 30, MANY - 4 - 30);
	forget(&scene, FAR(1), 4);
	expect_few(fixture, &scene, 30);
	forget(&scene, 0, 30);
	assert_int_equal(scene.order.bytes, before);

	occupy(&scene, 0, 200);
	forget(&scene, 8, 184);
	expect_few(fixture, &scene, 16);
	forget(&scene, 0, 8);
	forget(&scene, 192, 8);
	assert_int_equal(scene.order.bytes, before);

	/* Nor does a list that was long stay so. */
	occupy(&scene, 0, MANY - 1);
	forget(&scene, 0, MANY - 1);
	assert_int_equal(scene.order.bytes, before);
	end(fixture, &scene);
}

/* As many as it was made for, however often it was empty. */
static void room_without_memory(struct fixture *fixture)
{
	struct scene scene;

	begin(fixture, &scene, ROOM);
	for (unsigned int round = 0; round < 3; round++) {
		fixture->memory.fail_all = true;
		occupy(&scene, 1000, ROOM);
		assert_false(try_occupy(&scene, 2000));
		fixture->memory.fail_all = false;
		check(&scene, ROOM);
		occupy(&scene, 2000, MANY);
		forget(&scene, 2000, MANY);
		forget(&scene, 1000, ROOM);
		check(&scene, 0);
	}
	end(fixture, &scene);
}

/* Forgetting needs none, and what comes after it needs some. */
static void forgotten_without_memory(struct fixture *fixture)
{
	struct scene scene;

	begin(fixture, &scene, ROOM);
	occupy(&scene, 0, MANY);
	occupy(&scene, FAR(1), 1);
	fixture->memory.fail_all = true;
	forget(&scene, 0, MANY);
	check(&scene, 1);
	forget(&scene, FAR(1), 1);
	check(&scene, 0);
	assert_int_equal(scene.order.bytes, 0);
	assert_int_equal(fixture->memory.bytes, 0);
	assert_false(try_occupy(&scene, 5));
	fixture->memory.fail_all = false;
	occupy(&scene, 5, ROOM);
	check(&scene, ROOM);
	/* With memory for the last there is room again. */
	occupy(&scene, FAR(1), MANY);
	fixture->memory.fail_all = true;
	forget(&scene, FAR(1), MANY);
	forget(&scene, 6, ROOM - 1);
	fixture->memory.fail_all = false;
	forget(&scene, 5, 1);
	fixture->memory.fail_all = true;
	occupy(&scene, 5, ROOM);
	fixture->memory.fail_all = false;
	check(&scene, ROOM);
	end(fixture, &scene);
}

/* A list that stays together goes down as it is: a node a level is made. */
static void burst_of_neighbours(struct fixture *fixture)
{
	struct scene scene;
	uint64_t before;

	begin(fixture, &scene, ROOM);
	occupy(&scene, 0, MANY - 1);
	before = fixture->memory.calls;
	occupy(&scene, MANY - 1, 1);
	assert_int_equal(fixture->memory.calls - before, IOASID_ORDER_LEVELS);
	check(&scene, MANY);
	end(fixture, &scene);
}

/* The room asked for is that of the one list of few IDs. */
static void room_of_parts(struct fixture *fixture)
{
	struct scene scene[2];
	unsigned int i;

	for (i = 0; i < 2; i++) {
		begin(fixture, &scene[i], i ? MANY - 1 : ROOM);
		occupy(&scene[i], 0, MANY / 2);
		occupy(&scene[i], FAR(1), MANY / 2 + 1);
		occupy(&scene[i], FAR(2), 1);
		check(&scene[i], MANY + 1);
	}
	assert_int_equal(scene[0].order.bytes, scene[1].order.bytes);
	ioasid_order_destroy(&scene[0].order);
	end(fixture, &scene[1]);
}

/* Where bits take less than a list they are there, for all that may come. */
static void bits_at_the_bottom(struct fixture *fixture)
{
	struct scene scene;
	size_t before;

	begin(fixture, &scene, ROOM);
	occupy(&scene, NEAR(0), 100);
	occupy(&scene, NEAR(1), 100);
	/* The first list was cut from a longer one. */
	occupy(&scene, NEAR(0) + 100, 1);
	before = scene.order.bytes;
	occupy(&scene, NEAR(0) + 101, 923);
	occupy(&scene, NEAR(1) + 100, 924);
	assert_int_equal(scene.order.bytes, before);
	check(&scene, 2048);
	end(fixture, &scene);
}

/* An ID put in before others shifts what is noted of them, over a word's end. */
static void put_in_before_others(struct fixture *fixture)
{
	ioasid_t ids[3] = { 0 };
	struct scene scene;

	begin(fixture, &scene, ROOM);
	occupy(&scene, 1000, 64);
	occupy(&scene, 1, 1);
	check(&scene, 65);
	assert_int_equal(ioasid_order_occupied(&scene.order, 1062, UINT32_MAX,
					       ids, ARRAY_SIZE(ids)),
			 2);
	assert_int_equal(ids[0], 1062);
	assert_int_equal(ids[1], 1063);
	forget(&scene, 1, 1);
	check(&scene, 64);
	end(fixture, &scene);
}

int main(void)
{
	static const struct test_case cases[] = {
		CASE(few_are_a_list, NO_SPACE | NO_RCU),
		CASE(room_without_memory, NO_SPACE | NO_RCU),
		CASE(forgotten_without_memory, NO_SPACE | NO_RCU),
		CASE(burst_of_neighbours, NO_SPACE | NO_RCU),
		CASE(room_of_parts, NO_SPACE | NO_RCU),
		CASE(bits_at_the_bottom, NO_SPACE | NO_RCU),
		CASE(put_in_before_others, NO_SPACE | NO_RCU),
	};

	return test_run("order", cases, ARRAY_SIZE(cases));
}
