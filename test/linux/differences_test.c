/* SPDX-License-Identifier: MIT */
/*
 * docs/differences-from-linux.md, case by case: what Linux's code answers, in a
 * process of its own as it may be left damaged, and what each of ours does.
 * differences_doc_test compares the names.
 */
#include "test/linux/sides.h"

#include <sys/wait.h>
#include <unistd.h>

#include "test/linux/stubs.h"

static char objects[4];

static void *error(int number)
{
	return ioasid_err_ptr(-number);
}

/* The hosts behind the allocators, for one side at a time. */
static struct {
	struct side *side;
	ioasid_t gifts[4];
	unsigned int asked, taken_back;
	/* of the last call */
	ioasid_t min, max, id;
	void *pdata;
	void (*inside)(void);
} host;

static struct chooser first, second, other;

static ioasid_t ask(ioasid_t min, ioasid_t max, void *pdata)
{
	CHECK(host.asked < ARRAY_SIZE(host.gifts));
	host.min = min;
	host.max = max;
	host.pdata = pdata;
	if (host.inside)
		host.inside();
	return host.gifts[host.asked++];
}

static void take_back(ioasid_t id, void *pdata)
{
	host.taken_back++;
	host.id = id;
	host.pdata = pdata;
	if (host.inside)
		host.inside();
}

static ioasid_t ask_other(ioasid_t min, ioasid_t max, void *pdata)
{
	return ask(min, max, pdata);
}

/* The hosts are new, and will give that. */
static void gifts(struct side *side, ioasid_t a, ioasid_t b)
{
	memset(&host, 0, sizeof(host));
	host.side = side;
	host.gifts[0] = a;
	host.gifts[1] = b;
	host.gifts[2] = host.gifts[3] = INVALID_IOASID;
	/* Two that share their functions, and one that does not. */
	chooser_init(&first, ask, take_back, &first);
	chooser_init(&second, ask, take_back, &second);
	chooser_init(&other, ask_other, take_back, &other);
}

static ioasid_t alloc(struct side *side, ioasid_t min, ioasid_t max)
{
	return side_alloc(side, NULL, min, max, &objects[0]);
}

static void *find(struct side *side, ioasid_t id)
{
	return side_find(side, NULL, id, NULL);
}

static void invalid_id_is_not_handed_out_linux(struct side *side)
{
	CHECK(alloc(side, INVALID_IOASID, INVALID_IOASID) == INVALID_IOASID);
	/* Its entry is freed, but still in the tree. */
	CHECK(find(side, INVALID_IOASID) != error(ENOENT));
}

static void invalid_id_is_not_handed_out(struct side *side)
{
	CHECK(alloc(side, INVALID_IOASID, INVALID_IOASID) == INVALID_IOASID);
	CHECK(find(side, INVALID_IOASID) == error(ENOENT));
}

static void invalid_id_is_not_asked_for_linux(struct side *side)
{
	gifts(side, 5, 0);
	CHECK(!side_register(side, &first));
	CHECK(alloc(side, 0, INVALID_IOASID) == 5);
	CHECK(host.max == INVALID_IOASID);
}

static void invalid_id_is_not_asked_for(struct side *side)
{
	gifts(side, 5, 0);
	CHECK(!side_register(side, &first));
	CHECK(alloc(side, 0, INVALID_IOASID) == 5);
	CHECK(host.max < INVALID_IOASID);
	side_free(side, 5);
	CHECK(!side_unregister(side, &first));
}

static void empty_range_is_not_asked_for_linux(struct side *side)
{
	gifts(side, 7, 0);
	CHECK(!side_register(side, &first));
	CHECK(alloc(side, 9, 3) == 7);
}

static void empty_range_is_not_asked_for(struct side *side)
{
	gifts(side, 7, 0);
	CHECK(!side_register(side, &first));
	CHECK(alloc(side, 9, 3) == INVALID_IOASID);
	CHECK(!host.asked);
	CHECK(!side_unregister(side, &first));
}

static void full_space_asks_nobody_linux(struct side *side)
{
	gifts(side, 7, 8);
	CHECK(!side_register(side, &first));
	CHECK(alloc(side, 7, 7) == 7);
	CHECK(alloc(side, 7, 8) == 8);
}

static void full_space_asks_nobody(struct side *side)
{
	gifts(side, 7, 8);
	CHECK(!side_register(side, &first));
	CHECK(alloc(side, 7, 7) == 7);
	CHECK(!ioasid_space_set_capacity(side->space, 1));
	CHECK(alloc(side, 7, 8) == INVALID_IOASID);
	CHECK(host.asked == 1);
	CHECK(!ioasid_space_set_capacity(side->space, 0));
	side_free(side, 7);
	CHECK(!side_unregister(side, &first));
}

static void id_out_of_range_is_refused_linux(struct side *side)
{
	gifts(side, 50, 0);
	CHECK(!side_register(side, &first));
	CHECK(alloc(side, 1, 9) == 50);
	CHECK(find(side, 50) == &objects[0]);
	CHECK(!host.taken_back);
}

static void id_out_of_range_is_refused(struct side *side)
{
	gifts(side, 50, 0);
	CHECK(!side_register(side, &first));
	CHECK(alloc(side, 1, 9) == INVALID_IOASID);
	CHECK(find(side, 50) == error(ENOENT));
	CHECK(host.taken_back == 1 && host.id == 50);
	CHECK(!side_unregister(side, &first));
}

static void live_id_is_not_handed_back_linux(struct side *side)
{
	gifts(side, 5, 5);
	CHECK(!side_register(side, &first));
	CHECK(alloc(side, 1, 9) == 5);
	CHECK(alloc(side, 1, 9) == INVALID_IOASID);
	/* The host may give it to another, but it is in use. */
	CHECK(host.taken_back == 1 && host.id == 5);
	CHECK(find(side, 5) == &objects[0]);
}

static void live_id_is_not_handed_back(struct side *side)
{
	gifts(side, 5, 5);
	CHECK(!side_register(side, &first));
	CHECK(alloc(side, 1, 9) == 5);
	CHECK(alloc(side, 1, 9) == INVALID_IOASID);
	CHECK(!host.taken_back);
	CHECK(find(side, 5) == &objects[0]);
	side_free(side, 5);
	CHECK(host.taken_back == 1);
	CHECK(!side_unregister(side, &first));
}

static void sharers_are_asked_in_turn_linux(struct side *side)
{
	gifts(side, INVALID_IOASID, 6);
	CHECK(!side_register(side, &first));
	CHECK(!side_register(side, &second));
	CHECK(alloc(side, 1, 9) == INVALID_IOASID);
	CHECK(host.asked == 1 && host.pdata == &first);
}

static void sharers_are_asked_in_turn(struct side *side)
{
	gifts(side, INVALID_IOASID, 6);
	CHECK(!side_register(side, &first));
	CHECK(!side_register(side, &second));
	CHECK(alloc(side, 1, 9) == 6);
	CHECK(host.asked == 2 && host.pdata == &second);
	host.pdata = NULL;
	side_free(side, 6);
	CHECK(host.pdata == &second);
	CHECK(!side_unregister(side, &first));
	CHECK(!side_unregister(side, &second));
}

static void departed_allocator_is_not_called_linux(struct side *side)
{
	gifts(side, 7, 0);
	CHECK(!side_register(side, &first));
	CHECK(!side_register(side, &second));
	side_unregister(side, &first);
	CHECK(alloc(side, 1, 9) == 7);
	CHECK(host.pdata == &first);
}

static void departed_allocator_is_not_called(struct side *side)
{
	gifts(side, 7, 8);
	CHECK(!side_register(side, &first));
	CHECK(!side_register(side, &second));
	CHECK(alloc(side, 1, 9) == 7);
	CHECK(host.pdata == &first);
	CHECK(!side_unregister(side, &first));
	CHECK(alloc(side, 1, 9) == 8);
	CHECK(host.pdata == &second);
	host.pdata = NULL;
	side_free(side, 7);
	CHECK(host.pdata == &second);
	side_free(side, 8);
	CHECK(!side_unregister(side, &second));
}

static void sharer_is_registered_once_linux(struct side *side)
{
	gifts(side, 0, 0);
	CHECK(!side_register(side, &first));
	CHECK(!side_register(side, &second));
	/* It is in the list twice now. */
	CHECK(!side_register(side, &second));
}

static void sharer_is_registered_once(struct side *side)
{
	gifts(side, 0, 0);
	CHECK(!side_register(side, &first));
	CHECK(!side_register(side, &second));
	CHECK(side_register(side, &second) == -EEXIST);
	CHECK(!side_unregister(side, &second));
	CHECK(side_unregister(side, &second) == -ENOENT);
	CHECK(!side_unregister(side, &first));
}

static void refused_allocator_is_left_alone_linux(struct side *side)
{
	void *list[2];

	gifts(side, 0, 0);
	CHECK(!side_register(side, &first));
	memcpy(list, first.linux_ops.list, sizeof(list));
	CHECK(side_register(side, &first) == -EEXIST);
	/* It points to memory that is freed. */
	CHECK(memcmp(list, first.linux_ops.list, sizeof(list)));
}

static void refused_allocator_is_left_alone(struct side *side)
{
	struct ioasid_allocator_ops ops;

	gifts(side, 4, 0);
	CHECK(!side_register(side, &first));
	memcpy(&ops, &first.ops, sizeof(ops));
	CHECK(side_register(side, &first) == -EEXIST);
	CHECK(!memcmp(&ops, &first.ops, sizeof(ops)));
	CHECK(!side_register(side, &second));
	CHECK(!side_unregister(side, &first));
	CHECK(alloc(side, 1, 9) == 4);
	CHECK(host.pdata == &second);
	side_free(side, 4);
	CHECK(!side_unregister(side, &second));
}

static void departed_allocator_may_come_back_linux(struct side *side)
{
	gifts(side, 0, 0);
	CHECK(!side_register(side, &first));
	CHECK(!side_register(side, &second));
	side_unregister(side, &first);
	CHECK(side_register(side, &first) == -EEXIST);
}

static void departed_allocator_may_come_back(struct side *side)
{
	gifts(side, INVALID_IOASID, 5);
	CHECK(!side_register(side, &first));
	CHECK(!side_register(side, &second));
	CHECK(!side_unregister(side, &first));
	CHECK(!side_register(side, &first));
	CHECK(alloc(side, 1, 9) == 5);
	CHECK(host.pdata == &first);
	side_free(side, 5);
	CHECK(!side_unregister(side, &second));
	CHECK(!side_unregister(side, &first));
}

static void allocators_are_told_by_address_linux(struct side *side)
{
	gifts(side, 5, 0);
	CHECK(!side_register(side, &first));
	side_unregister(side, &second);
	CHECK(alloc(side, 1, 9) == 1);
	CHECK(!host.asked);
}

static void allocators_are_told_by_address(struct side *side)
{
	gifts(side, 5, 0);
	CHECK(!side_register(side, &first));
	CHECK(side_unregister(side, &second) == -ENOENT);
	CHECK(side_unregister(side, &other) == -ENOENT);
	CHECK(alloc(side, 1, 9) == 5);
	CHECK(host.pdata == &first);
	side_free(side, 5);
	CHECK(!side_unregister(side, &first));
}

static void allocator_with_ids_in_use_stays_linux(struct side *side)
{
	gifts(side, 3, 0);
	CHECK(!side_register(side, &first));
	CHECK(alloc(side, 1, 9) == 3);
	side_unregister(side, &first);
	CHECK(find(side, 3) == error(ENOENT));
	side_free(side, 3);
	CHECK(!host.taken_back);
}

static void allocator_with_ids_in_use_stays(struct side *side)
{
	gifts(side, 3, 0);
	CHECK(!side_register(side, &first));
	CHECK(alloc(side, 1, 9) == 3);
	CHECK(side_unregister(side, &first) == -EBUSY);
	CHECK(find(side, 3) == &objects[0]);
	side_free(side, 3);
	CHECK(host.taken_back == 1 && host.pdata == &first);
	CHECK(!side_unregister(side, &first));
}

static void without_callback(struct chooser *chooser, bool alloc_too)
{
	chooser->ops.free = NULL;
	chooser->linux_ops.free = NULL;
	if (alloc_too) {
		chooser->ops.alloc = NULL;
		chooser->linux_ops.alloc = NULL;
	}
}

static void both_callbacks_are_required_linux(struct side *side)
{
	gifts(side, 0, 0);
	without_callback(&first, true);
	CHECK(!side_register(side, &first));
}

static void both_callbacks_are_required(struct side *side)
{
	gifts(side, 0, 0);
	without_callback(&first, false);
	CHECK(side_register(side, &first) == -EINVAL);
	without_callback(&first, true);
	CHECK(side_register(side, &first) == -EINVAL);
}

static void call_from_inside(void)
{
	host.inside = NULL;
	CHECK(alloc(host.side, 1, 9) == INVALID_IOASID);
	CHECK(host.asked == 1);
	CHECK(side_set_data(host.side, 3, &objects[1]) == -EDEADLK);
	CHECK(find(host.side, 3) == &objects[0]);
	CHECK(side_unregister(host.side, &second) == -EDEADLK);
	CHECK(!side_register(host.side, &other));
	side_free(host.side, 3);
	CHECK(!host.taken_back);
}

static void callbacks_may_call_back(struct side *side)
{
	gifts(side, 3, 4);
	CHECK(!side_register(side, &first));
	CHECK(!side_register(side, &second));
	CHECK(alloc(side, 1, 9) == 3);
	host.inside = call_from_inside;
	CHECK(alloc(side, 1, 9) == 4);
	CHECK(host.taken_back == 1 && host.id == 3);
	CHECK(find(side, 3) == error(ENOENT));
	side_free(side, 4);
	CHECK(!side_unregister(side, &other));
	CHECK(!side_unregister(side, &second));
	CHECK(!side_unregister(side, &first));
}

static struct side *getting;

static bool set_in_getter(void *data)
{
	CHECK(data == &objects[0]);
	CHECK(side_set_data(getting, 0, &objects[1]) == -EDEADLK);
	return true;
}

static void set_data_in_a_getter_is_refused(struct side *side)
{
	getting = side;
	CHECK(alloc(side, 0, 9) == 0);
	CHECK(side_find(side, NULL, 0, set_in_getter) == &objects[0]);
	CHECK(find(side, 0) == &objects[0]);
	side_free(side, 0);
}

static void *seen_inside;

static void look_inside(void)
{
	seen_inside = find(host.side, 3);
}

static void notifiers_go_before_free_callbacks_linux(struct side *side)
{
	gifts(side, 3, 0);
	CHECK(!side_register(side, &first));
	CHECK(alloc(side, 1, 9) == 3);
	host.inside = look_inside;
	side_free(side, 3);
	CHECK(seen_inside == &objects[0]);
}

static void ignore(struct ioasid_notifier *notifier,
		   const struct ioasid_notice *notice)
{
	(void)notifier;
	(void)notice;
}

static void notifiers_go_before_free_callbacks(struct side *side)
{
	struct ioasid_notifier notifier = { .notify = ignore };
	bool notified;

	for (int i = 0; i < 2; i++) {
		notified = i != 0;
		gifts(side, 3, 0);
		CHECK(!side_register(side, &first));
		if (notified)
			CHECK(!ioasid_space_register_notifier(side->space, NULL,
							      &notifier));
		CHECK(alloc(side, 1, 9) == 3);
		host.inside = look_inside;
		side_free(side, 3);
		CHECK(host.taken_back == 1);
		CHECK(seen_inside == (notified ? error(ENOENT) : &objects[0]));
		CHECK(!side_unregister(side, &first));
	}
	CHECK(!ioasid_space_unregister_notifier(side->space, &notifier));
}

enum { SETS = IOASID_SETS_MAX + 1 };

static void sets_of_a_space_are_limited_linux(struct side *side)
{
	char *sets = calloc(SETS, 1);

	CHECK(sets);
	for (size_t i = 0; i < SETS; i++) {
		CHECK(linux_ioasid_alloc(&sets[i], 0, SETS, NULL) == i);
		CHECK(linux_ioasid_find(&sets[i], (uint32_t)i, NULL) == NULL);
	}
	free(sets);
	(void)side;
}

static void sets_of_a_space_are_limited(struct side *side)
{
	static struct owner owner;
	struct ioasid_set *sets = calloc(SETS, sizeof(*sets));
	struct ioasid_stats stats;
	uint32_t before, i;

	CHECK(sets);
	ioasid_space_stats(side->space, &stats);
	before = stats.sets;
	for (i = 0; i < SETS; i++)
		if (ioasid_set_bind(side->space, &sets[i], NULL))
			break;
	CHECK(i == IOASID_SETS_MAX - before);
	CHECK(side_alloc(side, &owner, 0, 9, NULL) == INVALID_IOASID);
	CHECK(side_alloc(side, NULL, 0, 9, NULL) == 0);
	side_free(side, 0);
	while (i--)
		CHECK(!ioasid_set_destroy(side->space, &sets[i]));
	CHECK(!ioasid_rcu_synchronize(ioasid_space_rcu(side->space)));
	free(sets);
}

static void set_belongs_to_one_space_linux(struct side *side)
{
	static struct owner owner;

	/* There is one, and whatever has an address is a set of it. */
	CHECK(side_alloc(side, &owner, 0, 9, NULL) == 0);
	CHECK(linux_ioasid_alloc(side, 0, 9, NULL) == 1);
	CHECK(linux_ioasid_find(side, 0, NULL) == error(EACCES));
}

static void set_belongs_to_one_space(struct side *side)
{
	static DECLARE_IOASID_SET(set);
	struct ioasid_space *space;
	ioasid_t id, elsewhere;
	void *data;

	CHECK(!ioasid_space_create(NULL, &space));
	CHECK(!ioasid_space_alloc(side->space, &set, 0, 9, NULL, &id));
	CHECK(ioasid_space_alloc(space, &set, 0, 9, NULL, &elsewhere) ==
	      -EXDEV);
	CHECK(!ioasid_space_alloc(space, NULL, 0, 9, NULL, &elsewhere));
	CHECK(ioasid_space_find(space, &set, elsewhere, NULL, &data) ==
	      -EACCES);
	CHECK(!ioasid_space_destroy(space));
	side_free(side, id);
	CHECK(!ioasid_set_destroy(side->space, &set));
}

static void set_with_ids_cannot_end_linux(struct side *side)
{
	void *set = linux_ioasid_set_new();

	CHECK(linux_ioasid_alloc(set, 0, 9, &objects[0]) == 0);
	/* Another set, in the place of the first. */
	memset(set, 0, 1);
	CHECK(linux_ioasid_find(set, 0, NULL) == &objects[0]);
	free(set);
	(void)side;
}

static void set_with_ids_cannot_end(struct side *side)
{
	static DECLARE_IOASID_SET(set);
	ioasid_t id;

	CHECK(!ioasid_space_alloc(side->space, &set, 0, 9, NULL, &id));
	CHECK(ioasid_set_destroy(side->space, &set) == -EBUSY);
	side_free(side, id);
	CHECK(!ioasid_set_destroy(side->space, &set));
}

static void turned_id_waits_for_readers_linux(struct side *side)
{
	for (int i = 0; i < 5; i++) {
		CHECK(alloc(side, 0, 9) == 0);
		side_free(side, 0);
	}
}

static void turned_id_waits_for_readers(struct side *side)
{
	struct ioasid_rcu *rcu = ioasid_space_rcu(side->space);
	struct ioasid_slot *slot;
	ioasid_state_t state;

	CHECK(alloc(side, 0, 9) == 0);
	slot = ioasid_store_find(&side->space->store, 0);
	state = ioasid_load_relaxed(&slot->state);
	state &= ~IOASID_STATE_GENERATION;
	state |= ioasid_state_make(IOASID_GENERATION_HALF - 1, 0, 0, false);
	ioasid_store_relaxed(&slot->state, state);
	ioasid_rcu_read_lock(rcu);
	side_free(side, 0);
	CHECK(alloc(side, 0, 0) == INVALID_IOASID);
	CHECK(alloc(side, 0, 9) == 1);
	ioasid_rcu_read_unlock(rcu);
	CHECK(!ioasid_rcu_synchronize(rcu));
	CHECK(alloc(side, 0, 9) == 0);
	side_free(side, 0);
	side_free(side, 1);
}

static void unknown_free_is_counted_linux(struct side *side)
{
	side_free(side, 77);
	CHECK(find(side, 77) == error(ENOENT));
}

static void unknown_free_is_counted(struct side *side)
{
	struct ioasid_stats before, after;

	ioasid_space_stats(side->space, &before);
	side_free(side, 77);
	ioasid_space_stats(side->space, &after);
	CHECK(after.free_unknown == before.free_unknown + 1);
}

static void stubs_answer_enodev_linux(struct side *side)
{
	(void)side;
	/* The kernel's ENOTSUPP, which no libc knows. */
	CHECK(stub_linux_set_data() == -524);
	CHECK(stub_linux_register_allocator() == -524);
}

static void stubs_answer_enodev(struct side *side)
{
	(void)side;
	CHECK(stub_ours_set_data() == -ENODEV);
	CHECK(stub_ours_register_allocator() == -ENODEV);
}

struct difference {
	const char *name;
	void (*ours)(struct side *side);
	void (*linux_code)(struct side *side);
	/* why Linux's code is not called */
	const char *hangs;
};

/* Each has a line of its name in docs/differences-from-linux.md. */
#define DIFFERENCE(name) { #name, name, name##_linux, NULL }
#define DIFFERENCE_HANGS(name, why) { #name, name, NULL, why }

static struct difference differences[] = {
	DIFFERENCE(invalid_id_is_not_handed_out),
	DIFFERENCE(invalid_id_is_not_asked_for),
	DIFFERENCE(empty_range_is_not_asked_for),
	DIFFERENCE(full_space_asks_nobody),
	DIFFERENCE(id_out_of_range_is_refused),
	DIFFERENCE(live_id_is_not_handed_back),
	DIFFERENCE(sharers_are_asked_in_turn),
	DIFFERENCE(departed_allocator_is_not_called),
	DIFFERENCE(sharer_is_registered_once),
	DIFFERENCE(refused_allocator_is_left_alone),
	DIFFERENCE(departed_allocator_may_come_back),
	DIFFERENCE(allocators_are_told_by_address),
	DIFFERENCE(allocator_with_ids_in_use_stays),
	DIFFERENCE(both_callbacks_are_required),
	DIFFERENCE_HANGS(callbacks_may_call_back, "takes its spinlock twice"),
	DIFFERENCE_HANGS(set_data_in_a_getter_is_refused,
			 "waits for its own read section"),
	DIFFERENCE(notifiers_go_before_free_callbacks),
	DIFFERENCE(sets_of_a_space_are_limited),
	DIFFERENCE(set_belongs_to_one_space),
	DIFFERENCE(set_with_ids_cannot_end),
	DIFFERENCE(turned_id_waits_for_readers),
	DIFFERENCE(unknown_free_is_counted),
	DIFFERENCE(stubs_answer_enodev),
};

static bool linux_does(void (*func)(struct side *side))
{
	struct side side;
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child) {
		side_begin(&side, SIDE_LINUX, 0, 1023);
		func(&side);
		_exit(0);
	}
	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void difference_is_so(void **state)
{
	const struct difference *difference = *state;
	struct side side;

	if (difference->linux_code)
		assert_true(linux_does(difference->linux_code));
	else
		print_message("Linux %s: not called\n", difference->hangs);
	for (int i = SIDE_DEFAULT; i < SIDES; i++) {
		side_begin(&side, i, 0, 1023);
		difference->ours(&side);
		side_end(&side);
	}
}

/* Not what Linux does. */
static void planted(struct side *side)
{
	invalid_id_is_not_handed_out(side);
}

static void planted_fault_is_found(void **state)
{
	(void)state;
	assert_false(linux_does(planted));
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(differences) + 1];

	tests[0] = (struct CMUnitTest)cmocka_unit_test(planted_fault_is_found);
	for (size_t i = 0; i < ARRAY_SIZE(differences); i++)
		tests[i + 1] = (struct CMUnitTest){
			.name = differences[i].name,
			.test_func = difference_is_so,
			.initial_state = &differences[i],
		};
	return cmocka_run_group_tests_name("differences", tests, NULL, NULL);
}
