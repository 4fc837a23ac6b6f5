/* SPDX-License-Identifier: MIT */
/* IDs that are taken before they can be found: reserve, then publish. */
#include "test/actors.h"
#include "test/counts.h"
#include "test/gate.h"

#include <ioasid/allocator.h>
#include <ioasid/notifier.h>
#include <ioasid/set.h>
#include <ioasid/snapshot.h>

static void *pointer(uintptr_t n)
{
	return (void *)(n << 4);
}

static void reset(struct fixture *fixture,
		  const struct ioasid_space_config *config)
{
	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	fixture->space = NULL;
	assert_int_equal(ioasid_space_create(config, &fixture->space), 0);
}

static int try_reserve(struct fixture *fixture, struct ioasid_set *set,
		       ioasid_t min, ioasid_t max, ioasid_t *id)
{
	int ret;

	*id = 4321;
	ret = ioasid_space_reserve_id(fixture->space, set, min, max, id);
	if (ret)
		assert_int_equal(*id, 4321);
	return ret;
}

static void reserve(struct fixture *fixture, struct ioasid_set *set,
		    ioasid_t id)
{
	ioasid_t given;

	assert_int_equal(try_reserve(fixture, set, id, id, &given), 0);
	assert_int_equal(given, id);
}

static int publish(struct fixture *fixture, ioasid_t id)
{
	return ioasid_space_publish_id(fixture->space, id, pointer(id));
}

static int release(struct fixture *fixture, ioasid_t id)
{
	return ioasid_space_release_id(fixture->space, id);
}

static int give(struct fixture *fixture, struct ioasid_set *set, ioasid_t id)
{
	return ioasid_space_alloc(fixture->space, set, id, id, pointer(id),
				  &id);
}

static void found(struct fixture *fixture, const struct ioasid_set *set,
		  ioasid_t id)
{
	void *data;

	assert_int_equal(
		ioasid_space_find(fixture->space, set, id, NULL, &data), 0);
	assert_ptr_equal(data, pointer(id));
}

static int count_id(ioasid_t id, void *data, void *arg)
{
	(void)id;
	(void)data;
	++*(unsigned int *)arg;
	return 0;
}

/* Whatever is asked of it, the ID is not there. */
static void not_there(struct fixture *fixture, const struct ioasid_set *set,
		      ioasid_t id)
{
	struct ioasid_space *space = fixture->space;
	ioasid_handle_t handle = 1;
	struct ioasid_set *owner;
	unsigned int count = 0;
	ioasid_t spid, next;
	void *data = &data;

	assert_int_equal(ioasid_space_find(space, set, id, NULL, &data),
			 -ENOENT);
	assert_null(data);
	assert_int_equal(ioasid_space_get(space, set, id), -ENOENT);
	assert_int_equal(ioasid_space_put(space, id), -ENOENT);
	assert_int_equal(ioasid_space_free(space, id), -ENOENT);
	assert_int_equal(ioasid_space_remove(space, set, id, &data), -ENOENT);
	assert_int_equal(ioasid_space_exchange_data(space, id, space, NULL),
			 -ENOENT);
	assert_int_equal(ioasid_space_set_data(space, id, space), -ENOENT);
	assert_int_equal(ioasid_space_handle(space, set, id, &handle), -ENOENT);
	assert_true(!handle);
	assert_int_equal(ioasid_set_of(space, id, &owner), -ENOENT);
	assert_int_equal(ioasid_spid_attach(space, id, 1), -ENOENT);
	assert_int_equal(ioasid_spid_detach(space, id), -ENOENT);
	assert_int_equal(ioasid_spid_of(space, id, &spid), -ENOENT);
	assert_int_equal(ioasid_space_notify(space, id, IOASID_EVENT_BIND,
					     NULL),
			 -ENOENT);
	assert_int_equal(ioasid_space_for_each(space, NULL, id, id, count_id,
					       &count),
			 0);
	assert_int_equal(count, 0);
	assert_int_equal(ioasid_space_next(space, NULL, id, id, &next, NULL),
			 -ENOENT);
}

static void found_once_published(struct fixture *fixture)
{
	struct ioasid_stats now = counts(fixture);
	struct ioasid_space *space = fixture->space;
	uint64_t allocs = now.allocs;
	static DECLARE_IOASID_SET(set);
	ioasid_t id, second;
	void *data;

	assert_int_equal(try_reserve(fixture, &set, 7, 9, &id), 0);
	assert_int_equal(id, 7);
	not_there(fixture, NULL, id);
	not_there(fixture, &set, id);
	now = counts(fixture);
	assert_int_equal(now.unpublished, 1);
	assert_int_equal(now.live, 0);
	assert_int_equal(now.allocs, allocs);
	assert_int_equal(now.frees, 0);
	/* It is nobody else's meanwhile. */
	assert_int_equal(give(fixture, NULL, id), -ENOSPC);
	assert_int_equal(try_reserve(fixture, NULL, 7, 7, &second), -ENOSPC);
	assert_int_equal(ioasid_space_alloc(space, NULL, 7, 9, NULL, &second),
			 0);
	assert_int_equal(second, 8);
	assert_int_equal(publish(fixture, id), 0);
	found(fixture, NULL, id);
	found(fixture, &set, id);
	now = counts(fixture);
	assert_int_equal(now.unpublished, 0);
	assert_int_equal(now.live, 2);
	assert_int_equal(now.allocs, allocs + 2);
	/* Once. */
	assert_int_equal(publish(fixture, id), -ENOENT);
	assert_int_equal(release(fixture, id), -ENOENT);
	/* With the owner's reference, as by alloc. */
	assert_int_equal(ioasid_space_get(space, &set, id), 0);
	assert_int_equal(ioasid_space_free(space, id), 0);
	assert_int_equal(ioasid_space_put(space, id), 1);
	assert_int_equal(ioasid_space_find(space, NULL, id, NULL, &data),
			 -ENOENT);
	assert_int_equal(counts(fixture).frees, 1);
}

static void released(struct fixture *fixture)
{
	struct ioasid_stats before = counts(fixture);
	ioasid_t id;

	for (int i = 0; i < 3; i++) {
		assert_int_equal(
			try_reserve(fixture, NULL, 0, INVALID_IOASID, &id), 0);
		assert_int_equal(id, 0);
		assert_int_equal(release(fixture, id), 0);
		not_there(fixture, NULL, id);
		assert_int_equal(release(fixture, id), -ENOENT);
		assert_int_equal(publish(fixture, id), -ENOENT);
		assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
	}
	/* Asked for in vain, by not_there(). */
	before.free_unknown = counts(fixture).free_unknown;
	before.quarantined = counts(fixture).quarantined;
	expect_counts(fixture, &before);
}

static void refuses(struct fixture *fixture)
{
	static DECLARE_IOASID_SET(foreign);
	struct ioasid_space_config config;
	struct ioasid_space *space;
	ioasid_t other[] = { 3, 4, 5, 6, 11, 99, INVALID_IOASID };
	uint64_t failed;
	ioasid_t id;

	fixture_space_config(fixture, &config, 3, 10);
	assert_int_equal(ioasid_space_create(&config, &space), 0);
	assert_int_equal(ioasid_set_bind(space, &foreign, NULL), 0);
	reset(fixture, &config);
	/* Vacant, never used and used; live; pending; outside. */
	assert_int_equal(give(fixture, NULL, 4), 0);
	assert_int_equal(ioasid_space_free(fixture->space, 4), 0);
	assert_int_equal(give(fixture, NULL, 5), 0);
	assert_int_equal(give(fixture, NULL, 6), 0);
	assert_int_equal(ioasid_space_get(fixture->space, NULL, 6), 0);
	assert_int_equal(ioasid_space_free(fixture->space, 6), 0);
	for (size_t i = 0; i < ARRAY_SIZE(other); i++) {
		assert_int_equal(publish(fixture, other[i]), -ENOENT);
		assert_int_equal(release(fixture, other[i]), -ENOENT);
	}
	found(fixture, NULL, 5);
	failed = counts(fixture).alloc_failed;
	assert_int_equal(try_reserve(fixture, NULL, 9, 8, &id), -EINVAL);
	assert_int_equal(try_reserve(fixture, NULL, 11, 12, &id), -ENOSPC);
	assert_int_equal(try_reserve(fixture, NULL, 0, 2, &id), -ENOSPC);
	assert_int_equal(try_reserve(fixture, NULL, 5, 6, &id), -ENOSPC);
	assert_int_equal(try_reserve(fixture, &foreign, 3, 10, &id), -EXDEV);
	assert_int_equal(counts(fixture).alloc_failed, failed + 5);
	assert_int_equal(counts(fixture).unpublished, 0);
	assert_int_equal(ioasid_space_destroy(space), 0);
}

/* Quota and capacity; a set with such an ID is in use. */
static void charged(struct fixture *fixture)
{
	const struct ioasid_set_config two = { .quota = 2 };
	struct ioasid_space_config config;
	struct ioasid_set_info info;
	struct ioasid_space *space;
	struct ioasid_set *set;
	uint32_t freed = 99;
	ioasid_t id;

	fixture_space_config(fixture, &config, 0, 99);
	config.capacity = 3;
	reset(fixture, &config);
	space = fixture->space;
	assert_int_equal(ioasid_set_create(space, &two, &set), 0);
	reserve(fixture, set, 1);
	reserve(fixture, set, 2);
	assert_int_equal(ioasid_set_stats(space, set, &info), 0);
	assert_int_equal(info.count, 2);
	assert_int_equal(counts(fixture).committed, 2);
	assert_int_equal(try_reserve(fixture, set, 0, 99, &id), -EDQUOT);
	assert_int_equal(give(fixture, set, 3), -EDQUOT);
	assert_int_equal(ioasid_set_limit(space, set, 1, 0), -EBUSY);
	reserve(fixture, NULL, 3);
	assert_int_equal(try_reserve(fixture, NULL, 0, 99, &id), -ENOSPC);
	assert_int_equal(ioasid_space_reserve(space, 1), -ENOSPC);
	assert_int_equal(ioasid_space_set_capacity(space, 2), -EBUSY);
	assert_int_equal(ioasid_set_destroy(space, set), -EBUSY);
	/* They are not freed with the others. */
	assert_int_equal(publish(fixture, 1), 0);
	assert_int_equal(ioasid_set_free_all(space, set, &freed), 0);
	assert_int_equal(freed, 1);
	assert_int_equal(ioasid_space_free_all(space, &freed), 0);
	assert_int_equal(freed, 0);
	assert_int_equal(counts(fixture).unpublished, 2);
	assert_int_equal(counts(fixture).committed, 2);
	assert_int_equal(release(fixture, 2), 0);
	assert_int_equal(release(fixture, 3), 0);
	assert_int_equal(counts(fixture).committed, 0);
	assert_int_equal(ioasid_set_destroy(space, set), 0);
}

struct listener {
	struct ioasid_notifier notifier;
	struct ioasid_notice last;
	unsigned int told;
	struct gate *gate;
};

static void on_notice(struct ioasid_notifier *notifier,
		      const struct ioasid_notice *notice)
{
	struct listener *listener = (struct listener *)notifier;
	struct gate *gate = listener->gate;

	listener->last = *notice;
	listener->told++;
	if (!gate)
		return;
	listener->gate = NULL;
	ioasid_store_release(&gate->reached, 1);
	wait_for(&gate->open);
}

static void told_once_published(struct fixture *fixture)
{
	struct listener listener = { .notifier = { .notify = on_notice } };
	struct ioasid_space *space = fixture->space;
	static DECLARE_IOASID_SET(set);
	ioasid_handle_t handle;

	assert_int_equal(ioasid_space_register_notifier(space, NULL,
							&listener.notifier),
			 0);
	reserve(fixture, &set, 5);
	reserve(fixture, &set, 6);
	assert_int_equal(release(fixture, 6), 0);
	assert_int_equal(listener.told, 0);
	assert_int_equal(publish(fixture, 5), 0);
	assert_int_equal(listener.told, 1);
	assert_int_equal(listener.last.event, IOASID_EVENT_ALLOC);
	assert_ptr_equal(listener.last.data, pointer(5));
	assert_ptr_equal(listener.last.set, &set);
	assert_int_equal(ioasid_space_handle(space, NULL, 5, &handle), 0);
	assert_true(listener.last.handle == handle);
	assert_int_equal(ioasid_space_free(space, 5), 0);
	assert_int_equal(listener.told, 2);
	assert_int_equal(listener.last.event, IOASID_EVENT_FREE);
	assert_int_equal(counts(fixture).unpublished, 0);
	assert_int_equal(
		ioasid_space_unregister_notifier(space, &listener.notifier), 0);
}

struct told_inside {
	struct listener listener;
	struct fixture *fixture;
	int ret;
};

static void publish_inside(struct ioasid_notifier *notifier,
			   const struct ioasid_notice *notice)
{
	struct told_inside *inside = (struct told_inside *)notifier;

	inside->listener.told++;
	if (ioasid_handle_id(notice->handle) != 1 ||
	    notice->event != IOASID_EVENT_ALLOC)
		return;
	inside->fixture->memory.fail_all = true;
	CHECK(publish(inside->fixture, 2) == -ENOMEM);
	inside->fixture->memory.fail_all = false;
	CHECK(publish(inside->fixture, 2) == 0);
	CHECK(inside->listener.told == 1);
}

/* In a notifier it has to wait its turn, for which there may be no memory. */
static void no_memory_to_tell(struct fixture *fixture)
{
	struct told_inside inside = {
		.listener = { .notifier = { .notify = publish_inside } },
		.fixture = fixture,
	};
	struct ioasid_notifier *notifier = &inside.listener.notifier;

	assert_int_equal(ioasid_space_register_notifier(fixture->space, NULL,
							notifier),
			 0);
	reserve(fixture, NULL, 2);
	assert_int_equal(give(fixture, NULL, 1), 0);
	assert_int_equal(inside.listener.told, 2);
	found(fixture, NULL, 2);
	assert_int_equal(counts(fixture).live, 2);
	assert_int_equal(
		ioasid_space_unregister_notifier(fixture->space, notifier), 0);
}

static void quarantined(struct fixture *fixture)
{
	struct ioasid_space_config config;
	double end = test_now() + TOO_LONG;
	ioasid_t id;
	int ret;

	fixture_space_config(fixture, &config, 4, 4);
	config.quarantine = true;
	reset(fixture, &config);
	ioasid_rcu_read_lock(fixture->rcu);
	reserve(fixture, NULL, 4);
	assert_int_equal(counts(fixture).quarantined, 0);
	assert_int_equal(release(fixture, 4), 0);
	assert_int_equal(counts(fixture).quarantined, 1);
	assert_int_equal(counts(fixture).committed, 0);
	assert_int_equal(try_reserve(fixture, NULL, 4, 4, &id), -EAGAIN);
	assert_int_equal(publish(fixture, 4), -ENOENT);
	assert_int_equal(release(fixture, 4), -ENOENT);
	ioasid_rcu_read_unlock(fixture->rcu);
	do {
		assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
		ret = try_reserve(fixture, NULL, 4, 4, &id);
	} while (ret == -EAGAIN && test_now() < end);
	assert_int_equal(ret, 0);
	assert_int_equal(counts(fixture).quarantined, 0);
	assert_int_equal(publish(fixture, 4), 0);
	assert_int_equal(counts(fixture).live, 1);
}

/* A host that gives what is asked for and counts what it gets back. */
struct host {
	struct ioasid_allocator_ops ops;
	struct fixture *fixture;
	unsigned int asked, back;
	ioasid_t last;
	/* what calls answered in the last hand-back */
	int found, freed;
	/* to release in the next alloc */
	ioasid_t inside;
};

static ioasid_t host_alloc(ioasid_t min, ioasid_t max, void *data)
{
	struct host *host = data;
	ioasid_t id, inside = host->inside;

	host->asked++;
	CHECK(ioasid_space_reserve_id(host->fixture->space, NULL, min, max,
				      &id) == -EDEADLK);
	host->inside = INVALID_IOASID;
	if (inside != INVALID_IOASID) {
		CHECK(release(host->fixture, inside) == 0);
		CHECK(host->back == 0);
		return INVALID_IOASID;
	}
	return min;
}

static void host_free(ioasid_t id, void *data)
{
	struct host *host = data;
	void *ignored;

	host->back++;
	host->last = id;
	host->found = ioasid_space_find(host->fixture->space, NULL, id, NULL,
					&ignored);
	host->freed = ioasid_space_free(host->fixture->space, id);
}

static void host_init(struct host *host, struct fixture *fixture)
{
	*host = (struct host){
		.ops = { .alloc = host_alloc, .free = host_free, .pdata = host },
		.fixture = fixture,
		.inside = INVALID_IOASID,
	};
	assert_int_equal(
		ioasid_space_register_allocator(fixture->space, &host->ops), 0);
}

static void of_allocators(struct fixture *fixture)
{
	struct ioasid_space *space = fixture->space;
	struct host host;
	ioasid_t id;

	/* An ID of the space's own is in its way. */
	reserve(fixture, NULL, 3);
	host.ops = (struct ioasid_allocator_ops){ .alloc = host_alloc,
						  .free = host_free };
	assert_int_equal(ioasid_space_register_allocator(space, &host.ops),
			 -EAGAIN);
	assert_int_equal(release(fixture, 3), 0);
	assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
	host_init(&host, fixture);
	reserve(fixture, NULL, 8);
	assert_int_equal(host.asked, 1);
	not_there(fixture, NULL, 8);
	assert_int_equal(ioasid_space_unregister_allocator(
				 space, &host.ops, IOASID_UNREGISTER_IDLE),
			 -EBUSY);
	/* Who gives it again gave one in use. */
	assert_int_equal(give(fixture, NULL, 8), -EEXIST);
	assert_int_equal(host.back, 0);
	assert_int_equal(release(fixture, 8), 0);
	assert_int_equal(host.back, 1);
	assert_int_equal(host.last, 8);
	assert_int_equal(host.found, -ENOENT);
	assert_int_equal(host.freed, -EBUSY);
	counts(fixture);
	reserve(fixture, NULL, 9);
	assert_int_equal(publish(fixture, 9), 0);
	found(fixture, NULL, 9);
	assert_int_equal(ioasid_space_free(space, 9), 0);
	assert_int_equal(host.back, 2);
	assert_int_equal(host.found, 0);
	assert_int_equal(host.freed, -EBUSY);
	/* Inside a callback it has to wait until that is over. */
	reserve(fixture, NULL, 10);
	host.back = 0;
	host.inside = 10;
	assert_int_equal(try_reserve(fixture, NULL, 11, 11, &id), -ENOSPC);
	assert_int_equal(host.back, 1);
	assert_int_equal(host.last, 10);
	counts(fixture);
	/* It goes back with the space. */
	reserve(fixture, NULL, 12);
	assert_int_equal(ioasid_space_destroy(space), 0);
	fixture->space = NULL;
	assert_int_equal(host.back, 2);
	assert_int_equal(host.last, 12);
}

static void kept_allocator(struct fixture *fixture)
{
	struct host host;

	host_init(&host, fixture);
	reserve(fixture, NULL, 8);
	reserve(fixture, NULL, 9);
	assert_int_equal(
		ioasid_space_unregister_allocator(fixture->space, &host.ops,
						  IOASID_UNREGISTER_KEEP),
		1);
	assert_int_equal(publish(fixture, 8), 0);
	assert_int_equal(release(fixture, 9), 0);
	assert_int_equal(host.back, 1);
	assert_int_equal(ioasid_space_free(fixture->space, 8), 0);
	assert_int_equal(host.back, 2);
	counts(fixture);
}

static void left_out_of_snapshots(struct fixture *fixture)
{
	static DECLARE_IOASID_SET(set);
	unsigned char bytes[4096];
	struct ioasid_space_config config;
	struct ioasid_space *space;
	struct ioasid_stats now;
	size_t size;
	ioasid_t id;

	fixture_space_config(fixture, &config, 0, 99);
	reset(fixture, &config);
	reserve(fixture, &set, 3);
	assert_int_equal(give(fixture, &set, 4), 0);
	reserve(fixture, NULL, 5);
	assert_int_equal(ioasid_space_snapshot(fixture->space, NULL, bytes,
					       sizeof(bytes), &size),
			 0);
	assert_int_equal(ioasid_space_create(&config, &space), 0);
	assert_int_equal(ioasid_space_restore(space, NULL, bytes, size), 0);
	ioasid_space_stats(space, &now);
	assert_int_equal(now.live, 1);
	assert_int_equal(now.committed, 1);
	assert_int_equal(now.unpublished, 0);
	assert_int_equal(now.sets, 1);
	for (id = 3; id < 6; id += 2)
		assert_int_equal(ioasid_space_publish_id(space, id, NULL),
				 -ENOENT);
	assert_int_equal(ioasid_space_destroy(space), 0);
	/* A space that has one is not empty. */
	assert_int_equal(ioasid_space_create(&config, &space), 0);
	assert_int_equal(ioasid_space_reserve_id(space, NULL, 9, 9, &id), 0);
	assert_int_equal(ioasid_space_restore(space, NULL, bytes, size),
			 -EBUSY);
	assert_int_equal(ioasid_space_release_id(space, 9), 0);
	assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
	assert_int_equal(ioasid_space_restore(space, NULL, bytes, size), 0);
	assert_int_equal(ioasid_space_destroy(space), 0);
}

/* Where slots of a hash move to the next table, such an ID moves along. */
static void moves_along(struct fixture *fixture)
{
	enum { RESERVED = 40, OTHERS = 900 };
	struct ioasid_space *space = fixture->space;
	ioasid_handle_t handle;
	uint32_t n;

	for (n = 0; n < RESERVED; n++)
		reserve(fixture, NULL, 10 * n);
	for (n = 0; n < OTHERS; n++)
		if (n % 10 || n >= 10 * RESERVED)
			assert_int_equal(give(fixture, NULL, n), 0);
	assert_int_equal(counts(fixture).unpublished, RESERVED);
	for (n = 0; n < RESERVED / 2; n++)
		assert_int_equal(publish(fixture, 10 * n), 0);
	for (n = 0; n < OTHERS; n++)
		if (n % 10 || n >= 10 * RESERVED)
			assert_int_equal(ioasid_space_free(space, n), 0);
	ioasid_space_trim(space);
	assert_int_equal(counts(fixture).live, RESERVED / 2);
	for (n = 0; n < RESERVED; n++) {
		if (n >= RESERVED / 2) {
			not_there(fixture, NULL, 10 * n);
			assert_int_equal(publish(fixture, 10 * n), 0);
		}
		found(fixture, NULL, 10 * n);
		assert_int_equal(
			ioasid_space_handle(space, NULL, 10 * n, &handle), 0);
	}
	assert_int_equal(counts(fixture).unpublished, 0);
	assert_int_equal(counts(fixture).live, RESERVED);
}

/* Each is a use of its own, published or not, and turns wait for readers. */
static void uses_count(struct fixture *fixture)
{
	enum { USES = 40 };
	struct ioasid_space *space = fixture->space;
	ioasid_handle_t handle[USES];
	double end = test_now() + TOO_LONG;
	unsigned int n, i;
	void *data;
	ioasid_t id;
	int ret;

	for (n = 0; n < USES; n++) {
		do {
			ret = try_reserve(fixture, NULL, 6, 6, &id);
			if (ret == -EAGAIN)
				ioasid_rcu_synchronize(fixture->rcu);
		} while (ret == -EAGAIN && test_now() < end);
		assert_int_equal(ret, 0);
		for (i = 0; i < n; i++) {
			ret = ioasid_space_find_handle(space, NULL, handle[i],
						       NULL, &data);
			assert_true(ret == -ESTALE || ret == -ENOENT);
			assert_int_equal(ioasid_space_get_handle(space, NULL,
								 handle[i]),
					 ret);
			assert_int_equal(ioasid_space_free_handle(space,
								  handle[i]),
					 ret);
		}
		assert_int_equal(publish(fixture, 6), 0);
		assert_int_equal(
			ioasid_space_handle(space, NULL, 6, &handle[n]), 0);
		for (i = 0; i < n; i++) {
			assert_true(handle[i] != handle[n]);
			assert_int_equal(ioasid_space_find_handle(space, NULL,
								  handle[i],
								  NULL, &data),
					 -ESTALE);
		}
		assert_int_equal(ioasid_space_free(space, 6), 0);
		if (n % 3)
			continue;
		/* Unpublished uses in between. */
		if (!try_reserve(fixture, NULL, 6, 6, &id))
			assert_int_equal(release(fixture, 6), 0);
	}
}

static void no_memory(struct fixture *fixture)
{
	struct test_memory *memory = &fixture->memory;
	struct ioasid_stats before, now;
	struct ioasid_space_config config;
	uint64_t failed, refused = 0, n = 0;
	struct ioasid_set set;
	struct host host;
	ioasid_t id;
	int ret;

	fixture_space_config(fixture, &config, 0, 0xffff);
	do {
		memset(&set, 0, sizeof(set));
		reset(fixture, &config);
		if (n % 2)
			host_init(&host, fixture);
		before = counts(fixture);
		failed = memory->failed;
		memory->fail_at = memory->calls + 1 + n / 2;
		ret = try_reserve(fixture, &set, 5, 5, &id);
		memory->fail_at = 0;
		now = counts(fixture);
		if (ret) {
			assert_int_equal(ret, -ENOMEM);
			before.alloc_failed++;
			before.sets = now.sets;
			/* The host has made calls in vain, too. */
			if (n % 2) {
				before.alloc_failed += host.asked;
				before.free_unknown += host.back;
			}
			expect_equal_stats(&before, &now);
			refused++;
			if (n % 2)
				assert_int_equal(host.back, host.asked);
		} else {
			assert_int_equal(now.unpublished, 1);
			/* None is needed from here on. */
			memory->fail_all = true;
			assert_int_equal(publish(fixture, 5), 0);
			assert_int_equal(ioasid_space_free(fixture->space, 5),
					 0);
			memory->fail_all = false;
			counts(fixture);
		}
		n++;
	} while (memory->failed > failed || n % 2);
	assert_true(refused > 1);
	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	fixture->space = NULL;
}

struct text {
	char line[64][256];
	unsigned int count;
};

static void add_line(const char *line, void *arg)
{
	struct text *text = arg;

	if (text->count < ARRAY_SIZE(text->line))
		snprintf(text->line[text->count++], sizeof(text->line[0]), "%s",
			 line);
}

static void dumped(struct fixture *fixture)
{
	static struct text text;
	static DECLARE_IOASID_SET(set);
	unsigned int seen = 0;

	assert_int_equal(give(fixture, NULL, 77), 0);
	assert_int_equal(ioasid_space_free(fixture->space, 77), 0);
	reserve(fixture, &set, 77);
	text.count = 0;
	ioasid_space_dump(fixture->space, add_line, &text);
	for (unsigned int i = 0; i < text.count; i++) {
		if (strncmp(text.line[i], "  77 ", 5))
			continue;
		seen++;
		assert_non_null(strstr(text.line[i], "  77 reserved "));
		assert_non_null(strstr(text.line[i], " set 1"));
		/* It has none yet: what is there is of the use before. */
		assert_null(strstr(text.line[i], " data "));
		assert_null(strstr(text.line[i], " refs "));
	}
	assert_int_equal(seen, 1);
	assert_int_equal(release(fixture, 77), 0);
}

/*
 * The kernel's kind of trouble: an object knows its ID, and whoever finds it
 * meets it whole. The reader dereferences what it finds.
 */
struct object {
	struct ioasid_rcu_head rcu;
	ioasid_t id, check;
};

struct race {
	struct fixture *fixture;
	ioasid_atomic_u32 end, found;
};

enum { RACE_IDS = 8 };

static void look_up(void *arg)
{
	struct race *race = arg;
	struct fixture *fixture = race->fixture;
	struct object *object;
	ioasid_t id = 0;
	void *data;

	CHECK(!ioasid_rcu_thread_register(fixture->rcu));
	while (!ioasid_load_acquire(&race->end)) {
		ioasid_rcu_read_lock(fixture->rcu);
		id = (id + 1) % RACE_IDS;
		if (!ioasid_space_find_rcu(fixture->space, NULL, id, &data)) {
			object = data;
			CHECK(object->id == id && object->check == ~id);
			ioasid_fetch_add_acq_rel(&race->found, 1);
		}
		ioasid_rcu_read_unlock(fixture->rcu);
		ioasid_rcu_quiescent(fixture->rcu);
	}
	ioasid_rcu_thread_unregister(fixture->rcu);
}

static void free_object(struct ioasid_rcu_head *head)
{
	memset(head + 1, 0xdd, sizeof(struct object) - sizeof(*head));
	free(head);
}

static void ready_when_found(struct fixture *fixture)
{
	enum { ROUNDS = 20000, FOUND = 2000, LIVE = RACE_IDS / 2 };
	double end = test_now() + TOO_LONG;
	struct race race = { .fixture = fixture };
	struct object *object, *live[LIVE] = { NULL };
	struct actor reader;
	unsigned int n, at, refused = 0;
	ioasid_t id;
	int ret;

	actor_begin(&reader);
	actor_start(&reader, look_up, &race);
	for (n = 0; n < ROUNDS || ioasid_load_relaxed(&race.found) < FOUND;
	     n++) {
		CHECK(test_now() < end);
		ioasid_rcu_quiescent(fixture->rcu);
		at = n % LIVE;
		if (live[at])
			CHECK(!ioasid_space_free_deferred(
				fixture->space, live[at]->id, &live[at]->rcu,
				free_object));
		live[at] = NULL;
		ret = ioasid_space_reserve_id(fixture->space, NULL, 0,
					      RACE_IDS - 1, &id);
		CHECK(!ret || ret == -EAGAIN);
		if (ret) {
			refused++;
			ioasid_rcu_barrier(fixture->rcu);
			continue;
		}
		if (n % 5 == 4) {
			CHECK(!release(fixture, id));
			continue;
		}
		object = malloc(sizeof(*object));
		CHECK(object);
		object->id = id;
		object->check = ~id;
		CHECK(!ioasid_space_publish_id(fixture->space, id, object));
		live[at] = object;
	}
	ioasid_store_release(&race.end, 1);
	ioasid_rcu_thread_offline(fixture->rcu);
	actor_end(&reader);
	ioasid_rcu_thread_online(fixture->rcu);
	for (at = 0; at < LIVE; at++)
		if (live[at])
			CHECK(!ioasid_space_free_deferred(
				fixture->space, live[at]->id, &live[at]->rcu,
				free_object));
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
	assert_int_equal(counts(fixture).unpublished, 0);
	assert_int_equal(counts(fixture).live, 0);
	print_message("%u rounds, %u found, %u waited\n", n,
		      ioasid_load_relaxed(&race.found), refused);
}

int main(void)
{
	static const struct test_case cases[] = {
		CASE(found_once_published, PER_STORE | PER_FLAVOUR),
		CASE(released, PER_STORE),
		CASE(refuses, PER_STORE),
		CASE(charged, PER_STORE),
		CASE(told_once_published, PER_STORE),
		CASE(no_memory_to_tell, PER_STORE),
		CASE(quarantined, PER_STORE | PER_FLAVOUR),
		CASE(of_allocators, PER_STORE),
		CASE(kept_allocator, PER_STORE),
		CASE(left_out_of_snapshots, PER_STORE),
		CASE(moves_along, PER_STORE),
		CASE(uses_count, PER_STORE),
		CASE(no_memory, PER_STORE),
		CASE(dumped, PER_STORE),
		CASE(ready_when_found, PER_STORE | PER_FLAVOUR | THREADS),
	};

	return test_run("reserve", cases, ARRAY_SIZE(cases));
}
