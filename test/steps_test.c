/* SPDX-License-Identifier: MIT */
/*
 * Do calls cost what the headers say? Steps are counted, not time: the library
 * is compiled so that each of its basic blocks calls the function below, which
 * every turn of a loop comes through.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <ioasid/allocator.h>
#include <ioasid/notifier.h>
#include <ioasid/set.h>
#include <ioasid/snapshot.h>

static uint64_t steps;

void __sanitizer_cov_trace_pc(void);

void __sanitizer_cov_trace_pc(void)
{
	steps++;
}

/* Of everything, the smaller and the greater number. */
enum { FEW = 200, MANY = 4 * FEW };

static struct ioasid_space *space;

static void begin(enum ioasid_store_kind kind, bool quarantine)
{
	const struct ioasid_space_config config = {
		.max = 1u << 20,
		.store = kind,
		.quarantine = quarantine,
		/* Steps are the same every time. */
		.hash_seed = UINT64_C(0x9e3779b97f4a7c15),
	};

	assert_int_equal(ioasid_space_create(&config, &space), 0);
}

static void end(void)
{
	const char *reason = NULL;

	if (!ioasid_space_validate(space, &reason))
		fail_msg("not valid: %s", reason);
	assert_int_equal(ioasid_space_destroy(space), 0);
}

/* Steps of a play with so many of something. */
typedef uint64_t play_t(uint32_t count);

static bool is_linear(play_t *play)
{
	uint64_t few = play(FEW), many = play(MANY);

	print_message("%llu, %llu\n", (unsigned long long)few,
		      (unsigned long long)many);
	assert_true(few > 0);
	/* Four times as many; a square would be sixteen. */
	return many < 6 * few;
}

static bool is_constant(play_t *play)
{
	uint64_t few = play(FEW), many = play(MANY);

	print_message("%llu, %llu\n", (unsigned long long)few,
		      (unsigned long long)many);
	assert_true(few > 0);
	return many < 2 * few;
}

static void give(struct ioasid_set *set, ioasid_t id)
{
	assert_int_equal(ioasid_space_alloc(space, set, id, id, NULL, &id), 0);
}

static struct ioasid_notifier notifiers[MANY];
static struct ioasid_allocator_ops allocators[MANY];
static struct ioasid_set *sets[MANY];
/* What those are told or asked has no steps of its own. */
static uint32_t lines, told, back;

static void print(const char *line, void *arg)
{
	(void)line;
	(void)arg;
	lines++;
}

static void notify(struct ioasid_notifier *notifier,
		   const struct ioasid_notice *notice)
{
	(void)notifier;
	(void)notice;
	told++;
}

static ioasid_t host_alloc(ioasid_t min, ioasid_t max, void *data)
{
	(void)max;
	(void)data;
	return min;
}

static void host_free(ioasid_t id, void *data)
{
	(void)id;
	(void)data;
	back++;
}

static void add_notifiers(uint32_t count)
{
	memset(notifiers, 0, sizeof(notifiers));
	for (uint32_t i = 0; i < count; i++) {
		notifiers[i].notify = notify;
		/* Each at the head of the line. */
		notifiers[i].priority = (int)i;
		assert_int_equal(ioasid_space_register_notifier(space, NULL,
								&notifiers[i]),
				 0);
	}
}

static void remove_notifiers(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(
			ioasid_space_unregister_notifier(space, &notifiers[i]),
			0);
}

static void add_allocators(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		allocators[i] = (struct ioasid_allocator_ops){ host_alloc,
							       host_free, NULL,
							       NULL };
		assert_int_equal(
			ioasid_space_register_allocator(space, &allocators[i]),
			0);
	}
}

static void remove_allocators(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(ioasid_space_unregister_allocator(
					 space, &allocators[i],
					 IOASID_UNREGISTER_IDLE),
				 0);
}

static void add_sets(uint32_t count)
{
	struct ioasid_set_config config = { .quota = MANY };

	for (uint32_t i = 0; i < count; i++) {
		config.token = &sets[i];
		assert_int_equal(ioasid_set_create(space, &config, &sets[i]),
				 0);
	}
}

static void remove_sets(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(ioasid_set_destroy(space, sets[i]), 0);
}

/* The checks see a square where there is one: each passes all before it. */
static uint64_t registers_at_the_end(uint32_t count)
{
	begin(IOASID_STORE_RADIX, false);
	steps = 0;
	add_allocators(count);
	remove_allocators(count);
	end();
	return steps;
}

static void control(void **state)
{
	(void)state;
	assert_false(is_linear(registers_at_the_end));
	assert_false(is_constant(registers_at_the_end));
}

static uint64_t dump(uint32_t expected)
{
	uint64_t before = steps;

	lines = 0;
	ioasid_space_dump(space, print, NULL);
	assert_true(lines >= expected);
	return steps - before;
}

static uint64_t dump_of_notifiers(uint32_t count)
{
	uint64_t cost;

	begin(IOASID_STORE_RADIX, false);
	add_notifiers(count);
	cost = dump(count);
	remove_notifiers(count);
	end();
	return cost;
}

static uint64_t dump_of_allocators(uint32_t count)
{
	uint64_t cost;

	begin(IOASID_STORE_RADIX, false);
	add_allocators(count);
	cost = dump(count);
	remove_allocators(count);
	end();
	return cost;
}

static uint64_t dump_of_sets(uint32_t count)
{
	uint64_t cost;

	begin(IOASID_STORE_RADIX, false);
	add_sets(count);
	cost = dump(count);
	remove_sets(count);
	end();
	return cost;
}

static uint64_t dump_of_names(uint32_t count)
{
	uint64_t cost;

	begin(IOASID_STORE_RADIX, false);
	add_sets(1);
	for (ioasid_t id = 0; id < count; id++) {
		give(sets[0], id);
		assert_int_equal(ioasid_spid_attach(space, id, id << 10), 0);
	}
	cost = dump(count);
	end();
	return cost;
}

static void dumps(void **state)
{
	(void)state;
	assert_true(is_linear(dump_of_notifiers));
	assert_true(is_linear(dump_of_allocators));
	assert_true(is_linear(dump_of_sets));
	assert_true(is_linear(dump_of_names));
}

static uint64_t unregister_last_first(uint32_t count)
{
	uint64_t before;

	begin(IOASID_STORE_RADIX, false);
	add_notifiers(count);
	before = steps;
	remove_notifiers(count);
	before = steps - before;
	end();
	return before;
}

/* All of them are told. */
static uint64_t tell_all(uint32_t count)
{
	uint64_t before;

	begin(IOASID_STORE_RADIX, false);
	add_notifiers(count);
	before = steps;
	told = 0;
	give(NULL, 1);
	assert_int_equal(ioasid_space_notify(space, 1, IOASID_EVENT_BIND, NULL),
			 0);
	assert_int_equal(ioasid_space_free(space, 1), 0);
	assert_int_equal(told, 3 * count);
	before = steps - before;
	remove_notifiers(count);
	end();
	return before;
}

static uint32_t more;

/* Each event causes one of the next ID, and they wait in line. */
static void cause_more(struct ioasid_notifier *notifier,
		       const struct ioasid_notice *notice)
{
	(void)notifier;
	if (notice->event != IOASID_EVENT_BIND || !more)
		return;
	for (; more; more--)
		assert_int_equal(ioasid_space_notify(space, more,
						     IOASID_EVENT_UNBIND, NULL),
				 0);
}

static uint64_t line_of_events(uint32_t count)
{
	struct ioasid_notifier notifier = { .notify = cause_more };
	uint64_t before;

	begin(IOASID_STORE_RADIX, false);
	for (ioasid_t id = 0; id <= count; id++)
		give(NULL, id);
	assert_int_equal(ioasid_space_register_notifier(space, NULL, &notifier),
			 0);
	more = count;
	before = steps;
	assert_int_equal(ioasid_space_notify(space, 0, IOASID_EVENT_BIND, NULL),
			 0);
	before = steps - before;
	assert_int_equal(more, 0);
	assert_int_equal(ioasid_space_unregister_notifier(space, &notifier), 0);
	end();
	return before;
}

static void tells(void **state)
{
	(void)state;
	assert_true(is_linear(unregister_last_first));
	assert_true(is_linear(tell_all));
	assert_true(is_linear(line_of_events));
}

/* The one that gives; the others with the same functions have none. */
static const struct ioasid_allocator_ops *giving;

static ioasid_t one_alloc(ioasid_t min, ioasid_t max, void *data)
{
	(void)max;
	return data == giving ? min : INVALID_IOASID;
}

/*
 * Allocators that share leave one after the other, each with IDs in use and each
 * to the next: those of the first are the last's after so many. The cost of
 * freeing some of the IDs.
 */
static uint64_t free_of_heirs(uint32_t count, ioasid_t first, ioasid_t after)
{
	uint64_t before;
	uint32_t freed;

	begin(IOASID_STORE_RADIX, false);
	for (uint32_t i = 0; i < count; i++) {
		allocators[i] =
			(struct ioasid_allocator_ops){ one_alloc, host_free,
						       &allocators[i], NULL };
		assert_int_equal(
			ioasid_space_register_allocator(space, &allocators[i]),
			0);
		giving = &allocators[i];
		give(NULL, i);
	}
	giving = &allocators[0];
	for (ioasid_t id = MANY; id < 2 * MANY; id++)
		give(NULL, id);
	for (uint32_t i = 0; i + 1 < count; i++)
		assert_int_equal(ioasid_space_unregister_allocator(
					 space, &allocators[i],
					 IOASID_UNREGISTER_IDLE),
				 0);
	back = 0;
	before = steps;
	for (ioasid_t id = first; id < after; id++)
		assert_int_equal(ioasid_space_free(space, id), 0);
	before = steps - before;
	assert_int_equal(back, after - first);
	assert_int_equal(ioasid_space_free_all(space, &freed), 0);
	assert_int_equal(back, MANY + count);
	assert_int_equal(
		ioasid_space_unregister_allocator(space, &allocators[count - 1],
						  IOASID_UNREGISTER_IDLE),
		0);
	end();
	return before;
}

/* IDs of the first, as many whoever else there was. */
static uint64_t free_of_first(uint32_t count)
{
	return free_of_heirs(count, MANY, 2 * MANY);
}

static uint64_t free_one_of_each(uint32_t count)
{
	return free_of_heirs(count, 0, count);
}

static void allocators_that_left(void **state)
{
	(void)state;
	assert_true(is_constant(free_of_first));
	assert_true(is_linear(free_one_of_each));
}

static uint64_t make_and_destroy_sets(uint32_t count)
{
	uint64_t before = steps;

	begin(IOASID_STORE_RADIX, false);
	add_sets(count);
	remove_sets(count);
	end();
	return steps - before;
}

static uint64_t find_by_token(uint32_t count)
{
	struct ioasid_set *found;
	uint64_t before;

	begin(IOASID_STORE_RADIX, false);
	add_sets(count);
	before = steps;
	for (uint32_t i = 0; i < FEW; i++)
		assert_int_equal(ioasid_set_by_token(space, &sets[i], &found),
				 0);
	before = steps - before;
	remove_sets(count);
	end();
	return before;
}

static int visit(struct ioasid_set *set, void *arg)
{
	(void)set;
	++*(uint32_t *)arg;
	return 0;
}

static uint64_t visit_sets(uint32_t count)
{
	uint32_t visited = 0;
	uint64_t before;

	begin(IOASID_STORE_RADIX, false);
	add_sets(count);
	before = steps;
	assert_int_equal(ioasid_set_for_each(space, visit, &visited), 0);
	assert_int_equal(visited, count);
	before = steps - before;
	remove_sets(count);
	end();
	return before;
}

/* Limits, books and the owner of an ID, with many sets about. */
static uint64_t use_set(uint32_t count)
{
	struct ioasid_set_info info;
	struct ioasid_set *set;
	uint64_t before;

	begin(IOASID_STORE_RADIX, false);
	add_sets(count);
	before = steps;
	give(sets[count - 1], 1);
	assert_int_equal(ioasid_set_limit(space, sets[count - 1], 9, 5), 0);
	assert_int_equal(ioasid_set_stats(space, sets[count - 1], &info), 0);
	assert_int_equal(ioasid_set_of(space, 1, &set), 0);
	assert_int_equal(ioasid_space_free(space, 1), 0);
	before = steps - before;
	remove_sets(count);
	end();
	return before;
}

static void sets_of_a_space(void **state)
{
	(void)state;
	assert_true(is_linear(make_and_destroy_sets));
	assert_true(is_constant(find_by_token));
	assert_true(is_linear(visit_sets));
	assert_true(is_constant(use_set));
}

/* Names that differ in their upper bits only. */
static uint64_t name_and_find(uint32_t count)
{
	uint64_t before;
	ioasid_t id, found;

	begin(IOASID_STORE_RADIX, false);
	add_sets(1);
	for (id = 0; id < count; id++)
		give(sets[0], id);
	before = steps;
	for (id = 0; id < count; id++)
		assert_int_equal(ioasid_spid_attach(space, id, id << 20), 0);
	for (id = 0; id < count; id++)
		assert_int_equal(ioasid_spid_find(space, sets[0], id << 20,
						  NULL, &found, NULL),
				 0);
	for (id = 0; id < count; id++)
		assert_int_equal(ioasid_spid_detach(space, id), 0);
	before = steps - before;
	end();
	return before;
}

static void spids(void **state)
{
	(void)state;
	assert_true(is_linear(name_and_find));
}

/* IDs that wait for a reader, and then have waited: each gives some back. */
static uint64_t alloc_beside_quarantined(uint32_t count)
{
	struct ioasid_rcu *rcu;
	uint64_t before, cost;
	ioasid_t id;

	begin(IOASID_STORE_RADIX, true);
	rcu = ioasid_space_rcu(space);
	for (id = 0; id < count; id++)
		give(NULL, id);
	ioasid_rcu_read_lock(rcu);
	for (id = 0; id < count; id++)
		assert_int_equal(ioasid_space_free(space, id), 0);
	before = steps;
	for (id = 0; id < 20; id++)
		give(NULL, 5000 + id);
	cost = steps - before;
	ioasid_rcu_read_unlock(rcu);
	assert_int_equal(ioasid_rcu_synchronize(rcu), 0);
	before = steps;
	for (id = 0; id < 20; id++)
		give(NULL, 6000 + id);
	cost += steps - before;
	end();
	return cost;
}

static void quarantine(void **state)
{
	(void)state;
	assert_true(is_constant(alloc_beside_quarantined));
}

static uint64_t free_all(uint32_t count)
{
	uint32_t freed;
	uint64_t before;

	begin(IOASID_STORE_RADIX, false);
	add_sets(2);
	for (ioasid_t id = 0; id < count; id++)
		give(sets[id % 2], 64 * id);
	before = steps;
	assert_int_equal(ioasid_set_free_all(space, sets[0], &freed), 0);
	assert_int_equal(freed, count / 2);
	assert_int_equal(ioasid_space_free_all(space, &freed), 0);
	assert_int_equal(freed, count / 2);
	before = steps - before;
	end();
	return before;
}

/* With everything there is, to be checked, written and made again. */
static uint64_t save_and_restore(uint32_t count)
{
	static unsigned char bytes[48 + (64 + 32) * MANY];
	struct ioasid_space *saved;
	uint64_t before;
	size_t size;

	begin(IOASID_STORE_RADIX, false);
	add_sets(count);
	for (ioasid_t id = 0; id < count; id++) {
		give(sets[id], id);
		assert_int_equal(ioasid_spid_attach(space, id, id << 10), 0);
	}
	saved = space;
	begin(IOASID_STORE_RADIX, false);
	before = steps;
	assert_true(ioasid_space_validate(saved, NULL));
	assert_int_equal(ioasid_space_snapshot(saved, NULL, bytes,
					       sizeof(bytes), &size),
			 0);
	assert_int_equal(ioasid_space_restore(space, NULL, bytes, size), 0);
	before = steps - before;
	end();
	space = saved;
	end();
	return before;
}

static void all_at_once(void **state)
{
	(void)state;
	assert_true(is_linear(free_all));
	assert_true(is_linear(save_and_restore));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(control),
		cmocka_unit_test(dumps),
		cmocka_unit_test(tells),
		cmocka_unit_test(allocators_that_left),
		cmocka_unit_test(sets_of_a_space),
		cmocka_unit_test(spids),
		cmocka_unit_test(quarantine),
		cmocka_unit_test(all_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
