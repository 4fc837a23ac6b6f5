/* SPDX-License-Identifier: MIT */
#include "test/fixture.h"

#include <ioasid/allocator.h>
#include <ioasid/notifier.h>
#include <ioasid/set.h>
#include <ioasid/snapshot.h>

/* From where calls may be made: docs/locking.md, which docs_test compares. */

enum where { SECTION, GETTER, ALLOCATOR, NOTIFIER, PLACES };

/* The answer is no error; it is not to be called there. */
#define YES 0
#define NO 1

/* Functions below. */
#define TRIED 66

struct place {
	struct ioasid_allocator_ops allocator;
	struct ioasid_allocator_ops spare_allocator;
	struct ioasid_notifier notifier;
	struct ioasid_notifier spare_notifier;
	struct fixture *fixture;
	enum where where;
	bool armed;
	struct ioasid_space *space;
	struct ioasid_set *set;
	/* without IDs */
	struct ioasid_space *empty;
	struct ioasid_rcu_head deferred[2];
	unsigned int tried;
};

static bool wanted(struct place *place, const int *cells)
{
	place->tried++;
	return cells[place->where] != NO;
}

static void answered(const struct place *place, const char *function,
		     const int *cells, int ret)
{
	static const char *const names[PLACES] = { "section", "getter",
						   "allocator", "notifier" };
	int cell = cells[place->where];
	bool expected = cell == YES ? ret >= 0 : ret == cell;

	if (!expected)
		fprintf(stderr, "%s, %s: %d, not %d\n", names[place->where],
			function, ret, cell);
	CHECK(expected);
}

#define TRY(function, section, getter, allocator, notifier, call)             \
	do {                                                                  \
		const int cells[] = { section, getter, allocator, notifier }; \
		if (wanted(place, cells))                                     \
			answered(place, #function, cells, (int)(call));       \
	} while (0)

static int no_visit(ioasid_t id, void *data, void *arg)
{
	(void)id;
	(void)data;
	(void)arg;
	return 0;
}

static int no_set(struct ioasid_set *set, void *arg)
{
	(void)set;
	(void)arg;
	return 0;
}

static void no_line(const char *line, void *arg)
{
	(void)line;
	(void)arg;
}

static void no_notice(struct ioasid_notifier *notifier,
		      const struct ioasid_notice *notice)
{
	(void)notifier;
	(void)notice;
}

static ioasid_t no_id(ioasid_t min, ioasid_t max, void *data)
{
	(void)min;
	(void)max;
	(void)data;
	return INVALID_IOASID;
}

static void no_free(ioasid_t id, void *data)
{
	(void)id;
	(void)data;
}

static void no_callback(struct ioasid_rcu_head *head)
{
	(void)head;
}

static bool no_getter(void *data)
{
	(void)data;
	return true;
}

static void try_lookups(struct place *place)
{
	struct ioasid_space *space = place->space;
	struct ioasid_rcu *rcu = ioasid_space_rcu(space);
	ioasid_handle_t handle = 0;
	ioasid_t id;
	void *data;

	TRY(ioasid_space_rcu, YES, YES, YES, YES,
	    ioasid_space_rcu(space) == place->fixture->rcu);
	TRY(ioasid_rcu_read_lock, YES, YES, YES, YES,
	    (ioasid_rcu_read_lock(rcu), 0));
	TRY(ioasid_space_find_rcu, YES, YES, YES, YES,
	    ioasid_space_find_rcu(space, NULL, 5, &data));
	TRY(ioasid_space_find, YES, YES, YES, YES,
	    ioasid_space_find(space, NULL, 5, no_getter, &data));
	TRY(ioasid_space_handle, YES, YES, YES, YES,
	    ioasid_space_handle(space, NULL, 5, &handle));
	TRY(ioasid_space_find_handle_rcu, YES, YES, YES, YES,
	    ioasid_space_find_handle_rcu(space, NULL, handle, &data));
	TRY(ioasid_space_find_handle, YES, YES, YES, YES,
	    ioasid_space_find_handle(space, NULL, handle, no_getter, &data));
	TRY(ioasid_spid_find, YES, YES, YES, YES,
	    ioasid_spid_find(space, place->set, 50, no_getter, &id, &data));
	TRY(ioasid_rcu_check_reader, YES, YES, YES, YES,
	    ioasid_rcu_check_reader(rcu));
	TRY(ioasid_rcu_read_held, YES, YES, YES, YES,
	    ioasid_rcu_read_held(rcu));
	TRY(ioasid_rcu_pending, YES, YES, YES, YES, ioasid_rcu_pending(rcu));
	TRY(ioasid_rcu_read_unlock, YES, YES, YES, YES,
	    (ioasid_rcu_read_unlock(rcu), 0));
	TRY(ioasid_space_get, YES, YES, YES, YES,
	    ioasid_space_get(space, NULL, 5));
	TRY(ioasid_space_put, YES, YES, YES, YES, ioasid_space_put(space, 5));
	TRY(ioasid_space_get_handle, YES, YES, YES, YES,
	    ioasid_space_get_handle(space, NULL, handle));
	CHECK(ioasid_space_put(space, 5) == 0);
}

static void try_space(struct place *place)
{
	struct ioasid_space *space = place->space;
	ioasid_t id;
	struct ioasid_stats stats;
	const char *reason;

	TRY(ioasid_space_exchange_data, YES, YES, YES, YES,
	    ioasid_space_exchange_data(space, 5, NULL, NULL));
	TRY(ioasid_space_set_data, -EDEADLK, -EDEADLK, -EDEADLK, YES,
	    ioasid_space_set_data(space, 5, NULL));
	TRY(ioasid_space_reserve, YES, YES, YES, YES,
	    ioasid_space_reserve(space, 1));
	TRY(ioasid_space_unreserve, YES, YES, YES, YES,
	    ioasid_space_unreserve(space, 1));
	TRY(ioasid_space_set_capacity, YES, YES, YES, YES,
	    ioasid_space_set_capacity(space, 90));
	TRY(ioasid_space_stats, YES, YES, YES, YES,
	    (ioasid_space_stats(space, &stats), 0));
	TRY(ioasid_space_validate, YES, YES, YES, YES,
	    ioasid_space_validate(space, &reason) - 1);
	TRY(ioasid_space_trim, YES, YES, YES, YES,
	    (ioasid_space_trim(space), 0));
	TRY(ioasid_space_for_each, YES, YES, YES, YES,
	    ioasid_space_for_each(space, NULL, 0, INVALID_IOASID, no_visit,
				  NULL));
	TRY(ioasid_space_next, YES, YES, YES, YES,
	    ioasid_space_next(space, NULL, 0, INVALID_IOASID, &id, NULL));
	TRY(ioasid_space_dump, YES, YES, YES, YES,
	    (ioasid_space_dump(space, no_line, NULL), 0));
	TRY(ioasid_space_destroy, -EDEADLK, -EDEADLK, -EDEADLK, -EDEADLK,
	    ioasid_space_destroy(space));
}

static void try_sets(struct place *place)
{
	static DECLARE_IOASID_SET(bound);
	struct ioasid_space *space = place->space;
	struct ioasid_set_info stats;
	struct ioasid_set *set = NULL;
	ioasid_t spid;

	TRY(ioasid_set_create, YES, YES, YES, YES,
	    ioasid_set_create(space, NULL, &set));
	TRY(ioasid_set_limit, YES, YES, YES, YES,
	    ioasid_set_limit(space, set, 4, 1));
	TRY(ioasid_set_stats, YES, YES, YES, YES,
	    ioasid_set_stats(space, set, &stats));
	TRY(ioasid_set_free_all, YES, YES, YES, YES,
	    ioasid_set_free_all(space, set, NULL));
	TRY(ioasid_set_destroy, YES, YES, YES, YES,
	    ioasid_set_destroy(space, set));
	TRY(ioasid_set_bind, YES, YES, YES, YES,
	    ioasid_set_bind(space, &bound, NULL));
	CHECK(!ioasid_set_destroy(space, &bound));
	TRY(ioasid_set_by_token, YES, YES, YES, YES,
	    ioasid_set_by_token(space, place, &set));
	TRY(ioasid_set_of, YES, YES, YES, YES, ioasid_set_of(space, 5, &set));
	TRY(ioasid_set_for_each, YES, YES, YES, YES,
	    ioasid_set_for_each(space, no_set, NULL));
	TRY(ioasid_spid_attach, YES, YES, YES, YES,
	    ioasid_spid_attach(space, 6, 60));
	TRY(ioasid_spid_of, YES, YES, YES, YES,
	    ioasid_spid_of(space, 6, &spid));
	TRY(ioasid_spid_detach, YES, YES, YES, YES,
	    ioasid_spid_detach(space, 6));
}

static void try_lives(struct place *place)
{
	struct ioasid_space *space = place->space;
	ioasid_handle_t handle = 0;
	ioasid_t id, cursor = 0;
	void *data;

	TRY(ioasid_space_alloc, YES, YES, -EDEADLK, YES,
	    ioasid_space_alloc(space, NULL, 30, 40, NULL, &id));
	TRY(ioasid_space_alloc_cyclic, YES, YES, -EDEADLK, YES,
	    ioasid_space_alloc_cyclic(space, NULL, 30, 40, NULL, &cursor, &id));
	TRY(ioasid_space_reserve_id, YES, YES, -EDEADLK, YES,
	    ioasid_space_reserve_id(space, NULL, 30, 40, &id));
	TRY(ioasid_space_publish_id, YES, YES, YES, YES,
	    ioasid_space_publish_id(space, 10, NULL));
	TRY(ioasid_space_release_id, YES, YES, YES, YES,
	    ioasid_space_release_id(space, 11));
	TRY(ioasid_space_remove, YES, YES, YES, YES,
	    ioasid_space_remove(space, NULL, 12, &data));
	TRY(ioasid_space_free_all, YES, YES, YES, YES,
	    ioasid_space_free_all(place->empty, NULL));
	TRY(ioasid_space_free, YES, YES, YES, YES, ioasid_space_free(space, 7));
	CHECK(!ioasid_space_handle(space, NULL, 8, &handle));
	TRY(ioasid_space_free_handle, YES, YES, YES, YES,
	    ioasid_space_free_handle(space, handle));
	TRY(ioasid_space_free_deferred, YES, YES, YES, YES,
	    ioasid_space_free_deferred(space, 9, &place->deferred[0],
				       no_callback));
}

static void try_callers(struct place *place)
{
	struct ioasid_space *space = place->space;
	unsigned char bytes[4096];
	size_t size;

	TRY(ioasid_space_register_notifier, YES, YES, YES, YES,
	    ioasid_space_register_notifier(space, NULL,
					   &place->spare_notifier));
	TRY(ioasid_space_notify, YES, YES, YES, YES,
	    ioasid_space_notify(space, 5, IOASID_EVENT_UNBIND, NULL));
	TRY(ioasid_space_unregister_notifier, YES, YES, YES, YES,
	    ioasid_space_unregister_notifier(space, &place->spare_notifier));
	TRY(ioasid_space_register_allocator, YES, YES, YES, YES,
	    ioasid_space_register_allocator(place->empty,
					    &place->spare_allocator));
	TRY(ioasid_space_unregister_allocator, NO, NO, -EDEADLK, YES,
	    ioasid_space_unregister_allocator(
		    place->where == ALLOCATOR ? space : place->empty,
		    &place->spare_allocator, IOASID_UNREGISTER_IDLE));
	if (place->where != NOTIFIER)
		CHECK(!ioasid_space_unregister_allocator(
			place->empty, &place->spare_allocator,
			IOASID_UNREGISTER_IDLE));
	TRY(ioasid_space_snapshot, YES, YES, YES, YES,
	    ioasid_space_snapshot(space, NULL, bytes, sizeof(bytes), &size));
	CHECK(!ioasid_space_snapshot(place->empty, NULL, bytes, sizeof(bytes),
				     &size));
	TRY(ioasid_space_restore, YES, YES, YES, YES,
	    ioasid_space_restore(place->empty, NULL, bytes, size));
}

static int create_domain(void)
{
	struct ioasid_rcu *rcu;
	int ret = ioasid_rcu_create(NULL, &rcu);

	return ret ? ret : ioasid_rcu_destroy(rcu);
}

static int create_space(struct place *place)
{
	struct ioasid_space_config config;
	struct ioasid_space *space;
	int ret;

	fixture_space_config(place->fixture, &config, 0, 9);
	config.rcu = NULL;
	ret = ioasid_space_create(&config, &space);
	return ret ? ret : ioasid_space_destroy(space);
}

static void try_domain(struct place *place)
{
	struct ioasid_rcu *rcu = place->fixture->rcu;
	struct ioasid_domain_stats stats;
	uint64_t cookie = 0;

	TRY(ioasid_rcu_start_poll, YES, YES, YES, YES,
	    (cookie = ioasid_rcu_start_poll(rcu), 0));
	TRY(ioasid_rcu_poll, YES, YES, YES, YES, ioasid_rcu_poll(rcu, cookie));
	TRY(ioasid_rcu_defer, YES, YES, YES, YES,
	    ioasid_rcu_defer(rcu, &place->deferred[1], no_callback));
	TRY(ioasid_rcu_stats, YES, YES, YES, YES,
	    (ioasid_rcu_stats(rcu, &stats), 0));
	TRY(ioasid_rcu_synchronize, -EDEADLK, -EDEADLK, -EDEADLK, YES,
	    ioasid_rcu_synchronize(rcu));
	TRY(ioasid_rcu_barrier, -EDEADLK, -EDEADLK, -EDEADLK, YES,
	    ioasid_rcu_barrier(rcu));
	TRY(ioasid_rcu_thread_register, NO, NO, YES, YES,
	    ioasid_rcu_thread_register(rcu));
	TRY(ioasid_rcu_thread_unregister, -EDEADLK, -EDEADLK, -EDEADLK, YES,
	    ioasid_rcu_thread_unregister(rcu));
	TRY(ioasid_rcu_create, NO, NO, YES, YES, create_domain());
	TRY(ioasid_space_create, NO, NO, YES, YES, create_space(place));
}

/* Once, when it is armed. */
static void try_all(struct place *place)
{
	if (!place->armed)
		return;
	place->armed = false;
	try_lookups(place);
	try_space(place);
	try_sets(place);
	try_lives(place);
	try_callers(place);
	try_domain(place);
}

static bool getter(void *data)
{
	try_all(data);
	return true;
}

static ioasid_t give(ioasid_t min, ioasid_t max, void *data)
{
	struct place *place = data;

	try_all(place);
	return min == max ? min : 20;
}

static void take_back(ioasid_t id, void *data)
{
	(void)id;
	try_all(data);
}

static void on_notice(struct ioasid_notifier *notifier,
		      const struct ioasid_notice *notice)
{
	(void)notice;
	try_all((struct place *)(void *)((char *)notifier -
					 offsetof(struct place, notifier)));
}

/* IDs 5 to 9 of a set, the first with an SPID; 10 and 11 reserved; 12. */
static void place_begin(struct fixture *fixture, struct place *place,
			enum where where)
{
	struct ioasid_set_config set_config = { .token = place };
	struct ioasid_space_config config;
	ioasid_t id;

	memset(place, 0, sizeof(*place));
	place->fixture = fixture;
	place->where = where;
	place->notifier.notify = on_notice;
	place->spare_notifier.notify = no_notice;
	place->spare_allocator.alloc = no_id;
	place->spare_allocator.free = no_free;
	place->allocator.alloc = give;
	place->allocator.free = take_back;
	place->allocator.pdata = place;
	fixture_space_config(fixture, &config, 0, 99);
	assert_int_equal(ioasid_space_create(&config, &place->space), 0);
	assert_int_equal(ioasid_space_create(&config, &place->empty), 0);
	assert_int_equal(
		ioasid_set_create(place->space, &set_config, &place->set), 0);
	if (where == ALLOCATOR)
		assert_int_equal(ioasid_space_register_allocator(
					 place->space, &place->allocator),
				 0);
	for (ioasid_t i = 5; i < 10; i++)
		assert_int_equal(ioasid_space_alloc(place->space, place->set, i,
						    i, place, &id),
				 0);
	for (unsigned int i = 10; i <= 11; i++)
		assert_int_equal(ioasid_space_reserve_id(place->space, NULL, i,
							 i, &id),
				 0);
	assert_int_equal(
		ioasid_space_alloc(place->space, NULL, 12, 12, NULL, &id), 0);
	assert_int_equal(ioasid_spid_attach(place->space, 5, 50), 0);
	place->armed = true;
}

static void place_end(struct place *place)
{
	const char *reason;

	assert_false(place->armed);
	assert_int_equal(place->tried, TRIED);
	assert_int_equal(ioasid_rcu_barrier(place->fixture->rcu), 0);
	assert_true(ioasid_space_validate(place->space, &reason));
	assert_int_equal(ioasid_space_destroy(place->space), 0);
	assert_int_equal(ioasid_space_destroy(place->empty), 0);
}

static void in_section(struct fixture *fixture)
{
	struct place place;

	place_begin(fixture, &place, SECTION);
	ioasid_rcu_read_lock(fixture->rcu);
	try_all(&place);
	ioasid_rcu_read_unlock(fixture->rcu);
	place_end(&place);
}

static void from_getter(struct fixture *fixture)
{
	struct place place;
	void *data;

	place_begin(fixture, &place, GETTER);
	assert_int_equal(ioasid_space_find(place.space, NULL, 5, getter, &data),
			 0);
	place_end(&place);
}

static void from_allocator(struct fixture *fixture)
{
	struct place place;
	ioasid_t id;

	place_begin(fixture, &place, ALLOCATOR);
	assert_int_equal(
		ioasid_space_alloc(place.space, NULL, 0, 99, NULL, &id), 0);
	place_end(&place);
}

static void from_allocator_free(struct fixture *fixture)
{
	struct place place;
	ioasid_t id;

	place_begin(fixture, &place, ALLOCATOR);
	place.armed = false;
	assert_int_equal(
		ioasid_space_alloc(place.space, NULL, 0, 99, NULL, &id), 0);
	place.armed = true;
	assert_int_equal(ioasid_space_free(place.space, id), 0);
	place_end(&place);
}

static void from_notifier(struct fixture *fixture)
{
	struct place place;

	place_begin(fixture, &place, NOTIFIER);
	assert_int_equal(ioasid_space_register_notifier(place.space, NULL,
							&place.notifier),
			 0);
	assert_int_equal(ioasid_space_notify(place.space, 5, IOASID_EVENT_BIND,
					     NULL),
			 0);
	place_end(&place);
}

int main(void)
{
	static const struct test_case cases[] = {
		CASE(in_section, PER_STORE | NO_SPACE),
		CASE(from_getter, PER_STORE | NO_SPACE),
		CASE(from_allocator, PER_STORE | NO_SPACE),
		CASE(from_allocator_free, PER_STORE | NO_SPACE),
		CASE(from_notifier, PER_STORE | NO_SPACE),
	};

	return test_run("places", cases, ARRAY_SIZE(cases));
}
