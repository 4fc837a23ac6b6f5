/* SPDX-License-Identifier: MIT */
/*
 * Allocators. A host stands for where IDs come from: it knows what it gave and
 * to whom it was handed back, and can be told to misbehave.
 */
#include "test/actors.h"
#include "test/gate.h"

#if TEST_POSIX
#include <sys/wait.h>
#include <unistd.h>
#endif

#include <ioasid/ioasid.h>
#include <ioasid/snapshot.h>

enum { IDS = 1024, LOG = 64 };

/* What a host answers of its own accord. */
#define LOWEST UINT64_MAX

struct host {
	struct ioasid_allocator_ops ops;
	struct fixture *fixture;
	/* what it has */
	ioasid_t min, max;
	/* what it answers once */
	uint64_t answer;
	/* called in both callbacks; in alloc with INVALID_IOASID */
	void (*inside)(struct host *host, ioasid_t id);
	void *arg;
	uint32_t asked, depth, released;
	/* handed back what it had not given */
	uint32_t strange;
	bool given[IDS];
	ioasid_t back[LOG];
	uint32_t backs;
	/* the range it was last asked for */
	ioasid_t asked_min, asked_max;
};

static void enter_host(struct host *host, ioasid_t id)
{
	CHECK(!host->depth);
	host->depth++;
	if (host->inside)
		host->inside(host, id);
}

static ioasid_t host_alloc(ioasid_t min, ioasid_t max, void *data)
{
	struct host *host = data;
	ioasid_t id = INVALID_IOASID;

	host->asked++;
	host->asked_min = min;
	host->asked_max = max;
	enter_host(host, INVALID_IOASID);
	if (host->answer != LOWEST) {
		id = (ioasid_t)host->answer;
		host->answer = LOWEST;
	} else {
		for (ioasid_t at = host->min; at <= host->max; at++)
			if (at >= min && at <= max && !host->given[at]) {
				id = at;
				break;
			}
	}
	if (id < IDS)
		host->given[id] = true;
	host->depth--;
	return id;
}

static void host_free(ioasid_t id, void *data)
{
	struct host *host = data;

	enter_host(host, id);
	if (id < IDS) {
		host->strange += !host->given[id];
		host->given[id] = false;
	}
	CHECK(host->backs < LOG);
	host->back[host->backs++] = id;
	host->depth--;
}

/* The same with other functions. */
static ioasid_t other_alloc(ioasid_t min, ioasid_t max, void *data)
{
	return host_alloc(min, max, data);
}

static void other_free(ioasid_t id, void *data)
{
	host_free(id, data);
}

static void host_release(struct ioasid_allocator_ops *ops)
{
	((struct host *)ops->pdata)->released++;
}

static void host_init(struct host *host, struct fixture *fixture, ioasid_t min,
		      ioasid_t max)
{
	memset(host, 0, sizeof(*host));
	host->fixture = fixture;
	host->min = min;
	host->max = max;
	host->answer = LOWEST;
	host->ops = (struct ioasid_allocator_ops){ host_alloc, host_free, host,
						   host_release };
}

static void other_init(struct host *host, struct fixture *fixture, ioasid_t min,
		       ioasid_t max)
{
	host_init(host, fixture, min, max);
	host->ops.alloc = other_alloc;
	host->ops.free = other_free;
}

static uint32_t held(const struct host *host)
{
	uint32_t count = 0;

	for (ioasid_t id = 0; id < IDS; id++)
		count += host->given[id];
	return count;
}

static int enlist_host(struct host *host)
{
	return ioasid_space_register_allocator(host->fixture->space,
					       &host->ops);
}

static int delist_host(struct host *host, enum ioasid_unregister mode)
{
	return ioasid_space_unregister_allocator(host->fixture->space,
						 &host->ops, mode);
}

static int try_give(struct fixture *fixture, struct ioasid_set *set,
		    ioasid_t min, ioasid_t max, void *data, ioasid_t *id)
{
	int ret;

	*id = 4321;
	ret = ioasid_space_alloc(fixture->space, set, min, max, data, id);
	if (ret)
		assert_int_equal(*id, 4321);
	return ret;
}

static ioasid_t give(struct fixture *fixture)
{
	ioasid_t id;

	assert_int_equal(
		try_give(fixture, NULL, 0, INVALID_IOASID, fixture, &id), 0);
	return id;
}

static int refused(struct fixture *fixture)
{
	ioasid_t id;

	return try_give(fixture, NULL, 0, INVALID_IOASID, fixture, &id);
}

static void take(struct fixture *fixture, ioasid_t id)
{
	assert_int_equal(ioasid_space_free(fixture->space, id), 0);
}

static int found(struct fixture *fixture, ioasid_t id)
{
	void *data;
	int ret = ioasid_space_find(fixture->space, NULL, id, NULL, &data);

	if (!ret)
		assert_ptr_equal(data, fixture);
	return ret;
}

static struct ioasid_stats stats(struct fixture *fixture)
{
	struct ioasid_stats now;

	ioasid_space_stats(fixture->space, &now);
	return now;
}

static void check_valid(struct fixture *fixture)
{
	const char *reason = NULL;

	if (!ioasid_space_validate(fixture->space, &reason))
		fail_msg("not valid: %s", reason);
}

static void register_refuses(struct fixture *fixture)
{
	struct host host;
	size_t before;

	host_init(&host, fixture, 0, 9);
	host.ops.alloc = NULL;
	assert_int_equal(enlist_host(&host), -EINVAL);
	host.ops.alloc = host_alloc;
	host.ops.free = NULL;
	assert_int_equal(enlist_host(&host), -EINVAL);
	host.ops.free = host_free;
	assert_int_equal(delist_host(&host, IOASID_UNREGISTER_IDLE), -ENOENT);
	assert_int_equal(delist_host(&host, IOASID_UNREGISTER_KEEP), -ENOENT);
	assert_int_equal(delist_host(&host, (enum ioasid_unregister)2),
			 -EINVAL);
	fixture->memory.fail_all = true;
	assert_int_equal(enlist_host(&host), -ENOMEM);
	fixture->memory.fail_all = false;
	/* For itself there is memory, but not for what it hands out from. */
	fixture->memory.fail_at = fixture->memory.calls + 2;
	before = bytes(fixture);
	assert_int_equal(enlist_host(&host), -ENOMEM);
	assert_int_equal(bytes(fixture), before);
	assert_int_equal(fixture->memory.failed, 2);
	fixture->memory.fail_at = 0;
	assert_int_equal(stats(fixture).allocators, 0);
	assert_int_equal(enlist_host(&host), 0);
	assert_int_equal(stats(fixture).allocators, 1);
	assert_int_equal(delist_host(&host, (enum ioasid_unregister)2),
			 -EINVAL);
	assert_int_equal(delist_host(&host, IOASID_UNREGISTER_IDLE), 0);
	assert_int_equal(delist_host(&host, IOASID_UNREGISTER_IDLE), -ENOENT);
	assert_int_equal(stats(fixture).allocators, 0);
	assert_int_equal(host.released, 0);
	assert_int_equal(host.asked, 0);
}

/* Linux: a second registration damaged the list; sharers had no check. */
static void eexist_leaves_the_list(struct fixture *fixture)
{
	struct host a, other, sharer;
	unsigned int i;

	host_init(&a, fixture, 0, 0);
	other_init(&other, fixture, 10, 10);
	host_init(&sharer, fixture, 20, 20);
	assert_int_equal(enlist_host(&a), 0);
	assert_int_equal(enlist_host(&other), 0);
	assert_int_equal(enlist_host(&sharer), 0);
	for (i = 0; i < 3; i++) {
		assert_int_equal(enlist_host(&a), -EEXIST);
		assert_int_equal(enlist_host(&other), -EEXIST);
		assert_int_equal(enlist_host(&sharer), -EEXIST);
	}
	assert_int_equal(stats(fixture).allocators, 3);
	assert_int_equal(give(fixture), 0);
	assert_int_equal(give(fixture), 20);
	assert_int_equal(refused(fixture), -ENOSPC);
	assert_int_equal(other.asked, 0);
	take(fixture, 0);
	take(fixture, 20);
	assert_int_equal(delist_host(&a, IOASID_UNREGISTER_IDLE), 0);
	assert_int_equal(delist_host(&sharer, IOASID_UNREGISTER_IDLE), 0);
	assert_int_equal(give(fixture), 10);
	take(fixture, 10);
	assert_int_equal(delist_host(&other, IOASID_UNREGISTER_IDLE), 0);
	assert_int_equal(stats(fixture).allocators, 0);
	/* One a registration would have left twice would still be asked. */
	assert_int_equal(give(fixture), 0);
	assert_int_equal(a.asked + other.asked + sharer.asked, 6);
}

static void own_ids_in_use(struct fixture *fixture)
{
	struct host host, second;
	ioasid_t id = give(fixture);

	host_init(&host, fixture, 0, 9);
	other_init(&second, fixture, 10, 19);
	assert_int_equal(enlist_host(&host), -EAGAIN);
	assert_int_equal(ioasid_space_get(fixture->space, NULL, id), 0);
	take(fixture, id);
	/* Pending is in use. */
	assert_int_equal(enlist_host(&host), -EAGAIN);
	assert_int_equal(stats(fixture).allocators, 0);
	assert_int_equal(ioasid_space_put(fixture->space, id), 1);
	/* So is reserved. */
	assert_int_equal(
		ioasid_space_reserve_id(fixture->space, NULL, 0, 9, &id), 0);
	assert_int_equal(enlist_host(&host), -EAGAIN);
	assert_int_equal(ioasid_space_release_id(fixture->space, id), 0);
	assert_int_equal(enlist_host(&host), 0);
	id = give(fixture);
	/* A second may come while the first has IDs in use. */
	assert_int_equal(enlist_host(&second), 0);
	take(fixture, id);
	assert_int_equal(held(&host), 0);
	assert_int_equal(delist_host(&host, IOASID_UNREGISTER_IDLE), 0);
	assert_int_equal(delist_host(&second, IOASID_UNREGISTER_IDLE), 0);
}

static void first_registered_is_active(struct fixture *fixture)
{
	struct host a, b;

	host_init(&a, fixture, 5, 6);
	other_init(&b, fixture, 50, 51);
	assert_int_equal(enlist_host(&a), 0);
	assert_int_equal(enlist_host(&b), 0);
	assert_int_equal(give(fixture), 5);
	assert_int_equal(give(fixture), 6);
	/* Another source is not asked for what this one has not. */
	assert_int_equal(refused(fixture), -ENOSPC);
	assert_int_equal(b.asked, 0);
	take(fixture, 5);
	take(fixture, 6);
	assert_int_equal(a.strange, 0);
	assert_int_equal(held(&a), 0);
	assert_int_equal(delist_host(&a, IOASID_UNREGISTER_IDLE), 0);
	assert_int_equal(give(fixture), 50);
	/* It has lost its turn. */
	assert_int_equal(enlist_host(&a), 0);
	assert_int_equal(give(fixture), 51);
	assert_int_equal(a.asked, 3);
	take(fixture, 50);
	take(fixture, 51);
	assert_int_equal(delist_host(&b, IOASID_UNREGISTER_IDLE), 0);
	assert_int_equal(give(fixture), 5);
	take(fixture, 5);
	assert_int_equal(delist_host(&a, IOASID_UNREGISTER_IDLE), 0);
	/* And the space chooses again. */
	assert_int_equal(give(fixture), 0);
}

static void range_asked_for(struct fixture *fixture)
{
	struct ioasid_space *wide = fixture->space;
	struct ioasid_space_config config;
	struct host host;
	ioasid_t id;

	fixture_space_config(fixture, &config, 100, 199);
	assert_int_equal(ioasid_space_create(&config, &fixture->space), 0);
	host_init(&host, fixture, 0, IDS - 1);
	assert_int_equal(enlist_host(&host), 0);
	assert_int_equal(try_give(fixture, NULL, 0, INVALID_IOASID, NULL, &id),
			 0);
	assert_int_equal(id, 100);
	assert_int_equal(host.asked_min, 100);
	assert_int_equal(host.asked_max, 199);
	assert_int_equal(try_give(fixture, NULL, 150, 160, NULL, &id), 0);
	assert_int_equal(id, 150);
	assert_int_equal(host.asked_min, 150);
	assert_int_equal(host.asked_max, 160);
	assert_int_equal(try_give(fixture, NULL, 200, 300, NULL, &id), -ENOSPC);
	assert_int_equal(try_give(fixture, NULL, 0, 99, NULL, &id), -ENOSPC);
	assert_int_equal(try_give(fixture, NULL, 151, 150, NULL, &id), -EINVAL);
	assert_int_equal(host.asked, 2);
	take(fixture, 100);
	take(fixture, 150);
	check_valid(fixture);
	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	assert_int_equal(host.backs, 2);
	fixture->space = wide;
}

/* Linux: only the first sharer's data was ever used. */
static void sharers_have_their_own_data(struct fixture *fixture)
{
	struct host a, b, c;

	host_init(&a, fixture, 1, 1);
	host_init(&b, fixture, 11, 11);
	host_init(&c, fixture, 21, 21);
	assert_int_equal(enlist_host(&a), 0);
	assert_int_equal(enlist_host(&b), 0);
	assert_int_equal(enlist_host(&c), 0);
	assert_int_equal(give(fixture), 1);
	assert_int_equal(give(fixture), 11);
	assert_int_equal(give(fixture), 21);
	assert_int_equal(refused(fixture), -ENOSPC);
	assert_int_equal(a.asked, 4);
	assert_int_equal(b.asked, 3);
	assert_int_equal(c.asked, 2);
	/* Back to who gave it. */
	take(fixture, 11);
	assert_int_equal(b.backs, 1);
	assert_int_equal(b.back[0], 11);
	take(fixture, 1);
	take(fixture, 21);
	assert_int_equal(a.backs, 1);
	assert_int_equal(a.back[0], 1);
	assert_int_equal(c.backs, 1);
	assert_int_equal(c.back[0], 21);
	assert_int_equal(give(fixture), 1);
	take(fixture, 1);
}

/* Linux: the data of a sharer that had left was used on. */
static void sharer_leaves_its_ids(struct fixture *fixture)
{
	struct host a, b, c, gone;
	ioasid_t id;

	host_init(&a, fixture, 1, 2);
	host_init(&b, fixture, 11, 11);
	host_init(&c, fixture, 21, 21);
	assert_int_equal(enlist_host(&a), 0);
	assert_int_equal(enlist_host(&b), 0);
	assert_int_equal(enlist_host(&c), 0);
	assert_int_equal(give(fixture), 1);
	assert_int_equal(give(fixture), 2);
	assert_int_equal(give(fixture), 11);
	assert_int_equal(give(fixture), 21);
	assert_int_equal(ioasid_space_get(fixture->space, NULL, 2), 0);
	take(fixture, 2);
	/* They stand in for it, whatever the mode. */
	assert_int_equal(delist_host(&a, IOASID_UNREGISTER_IDLE), 0);
	gone = a;
	memset(&a, 0xdd, sizeof(a));
	assert_int_equal(found(fixture, 1), 0);
	b.given[1] = true;
	take(fixture, 1);
	assert_int_equal(b.backs, 1);
	assert_int_equal(b.back[0], 1);
	/* On to the next, with what it took over. */
	assert_int_equal(delist_host(&b, IOASID_UNREGISTER_KEEP), 0);
	memset(&b, 0xdd, sizeof(b));
	c.given[2] = true;
	c.given[11] = true;
	assert_int_equal(ioasid_space_put(fixture->space, 2), 1);
	take(fixture, 11);
	assert_int_equal(c.backs, 2);
	assert_int_equal(c.back[0], 2);
	assert_int_equal(c.back[1], 11);
	assert_int_equal(c.strange, 0);
	assert_int_equal(delist_host(&c, IOASID_UNREGISTER_IDLE), -EBUSY);
	take(fixture, 21);
	assert_int_equal(delist_host(&c, IOASID_UNREGISTER_IDLE), 0);
	assert_int_equal(gone.released + c.released, 0);
	assert_int_equal(try_give(fixture, NULL, 0, 5, fixture, &id), 0);
}

/* Linux: who had the same function pointers could be removed instead. */
static void unregister_removes_that_one(struct fixture *fixture)
{
	struct host a, b, c;

	host_init(&a, fixture, 1, 1);
	host_init(&b, fixture, 11, 11);
	host_init(&c, fixture, 21, 21);
	assert_int_equal(enlist_host(&a), 0);
	assert_int_equal(enlist_host(&b), 0);
	assert_int_equal(enlist_host(&c), 0);
	assert_int_equal(delist_host(&b, IOASID_UNREGISTER_IDLE), 0);
	assert_int_equal(delist_host(&b, IOASID_UNREGISTER_IDLE), -ENOENT);
	assert_int_equal(give(fixture), 1);
	assert_int_equal(give(fixture), 21);
	assert_int_equal(b.asked, 0);
	take(fixture, 1);
	take(fixture, 21);
	assert_int_equal(delist_host(&a, IOASID_UNREGISTER_IDLE), 0);
	assert_int_equal(give(fixture), 21);
	take(fixture, 21);
	assert_int_equal(a.asked, 2);
	assert_int_equal(delist_host(&c, IOASID_UNREGISTER_IDLE), 0);
}

static void sharer_keeps_the_turn(struct fixture *fixture)
{
	struct host a, other, sharer;

	host_init(&a, fixture, 1, 1);
	other_init(&other, fixture, 11, 11);
	host_init(&sharer, fixture, 21, 21);
	assert_int_equal(enlist_host(&a), 0);
	assert_int_equal(enlist_host(&other), 0);
	assert_int_equal(enlist_host(&sharer), 0);
	assert_int_equal(delist_host(&a, IOASID_UNREGISTER_IDLE), 0);
	assert_int_equal(give(fixture), 21);
	assert_int_equal(other.asked, 0);
	take(fixture, 21);
	assert_int_equal(delist_host(&sharer, IOASID_UNREGISTER_IDLE), 0);
	assert_int_equal(give(fixture), 11);
	take(fixture, 11);
	/* From behind and from the middle the order stays. */
	assert_int_equal(enlist_host(&a), 0);
	assert_int_equal(enlist_host(&sharer), 0);
	assert_int_equal(delist_host(&a, IOASID_UNREGISTER_IDLE), 0);
	assert_int_equal(give(fixture), 11);
	take(fixture, 11);
	assert_int_equal(delist_host(&other, IOASID_UNREGISTER_IDLE), 0);
	assert_int_equal(give(fixture), 21);
	take(fixture, 21);
}

/* Linux: what was in use belonged to nobody. The caller chooses: either... */
static void unplug_refused(struct fixture *fixture)
{
	struct host host, other;

	host_init(&host, fixture, 0, 9);
	other_init(&other, fixture, 10, 19);
	assert_int_equal(enlist_host(&host), 0);
	assert_int_equal(enlist_host(&other), 0);
	assert_int_equal(give(fixture), 0);
	assert_int_equal(delist_host(&host, IOASID_UNREGISTER_IDLE), -EBUSY);
	assert_int_equal(give(fixture), 1);
	take(fixture, 0);
	assert_int_equal(ioasid_space_get(fixture->space, NULL, 1), 0);
	take(fixture, 1);
	assert_int_equal(delist_host(&host, IOASID_UNREGISTER_IDLE), -EBUSY);
	assert_int_equal(stats(fixture).allocators, 2);
	assert_int_equal(ioasid_space_put(fixture->space, 1), 1);
	assert_int_equal(delist_host(&host, IOASID_UNREGISTER_IDLE), 0);
	assert_int_equal(host.backs, 2);
	assert_int_equal(host.released, 0);
	assert_int_equal(host.strange, 0);
}

/* ...or they stay until they are freed. */
static void unplug_with_ids_in_use(struct fixture *fixture)
{
	struct host host, other;
	ioasid_t id;

	host_init(&host, fixture, 0, 9);
	other_init(&other, fixture, 10, 19);
	assert_int_equal(enlist_host(&host), 0);
	assert_int_equal(enlist_host(&other), 0);
	assert_int_equal(give(fixture), 0);
	assert_int_equal(give(fixture), 1);
	assert_int_equal(give(fixture), 2);
	assert_int_equal(ioasid_space_get(fixture->space, NULL, 1), 0);
	take(fixture, 1);
	assert_int_equal(delist_host(&host, IOASID_UNREGISTER_KEEP), 1);
	assert_int_equal(delist_host(&host, IOASID_UNREGISTER_KEEP), -ENOENT);
	/* Not before it is released: there would be two of it. */
	assert_int_equal(enlist_host(&host), -EEXIST);
	assert_int_equal(stats(fixture).allocators, 1);
	assert_int_equal(give(fixture), 10);
	assert_int_equal(host.asked, 3);
	assert_int_equal(found(fixture, 0), 0);
	assert_int_equal(found(fixture, 2), 0);
	assert_int_equal(ioasid_space_get(fixture->space, NULL, 0), 0);
	assert_int_equal(ioasid_space_put(fixture->space, 0), 0);
	take(fixture, 10);
	assert_int_equal(delist_host(&other, IOASID_UNREGISTER_KEEP), 0);
	assert_int_equal(other.released, 0);
	/* The space chooses; what is out there it does not. */
	assert_int_equal(try_give(fixture, NULL, 0, 2, fixture, &id), -ENOSPC);
	assert_int_equal(give(fixture), 3);
	take(fixture, 0);
	take(fixture, 3);
	assert_int_equal(host.backs, 1);
	assert_int_equal(ioasid_space_put(fixture->space, 1), 1);
	assert_int_equal(host.backs, 2);
	assert_int_equal(host.released, 0);
	assert_int_equal(ioasid_space_put(fixture->space, 2), 1);
	assert_int_equal(host.released, 1);
	assert_int_equal(host.backs, 3);
	assert_int_equal(host.back[0], 0);
	assert_int_equal(host.back[1], 1);
	assert_int_equal(host.back[2], 2);
	assert_int_equal(host.strange, 0);
	/* Nothing of it is left. */
	memset(&host, 0xdd, sizeof(host));
	assert_int_equal(give(fixture), 0);
	take(fixture, 0);
}

static void unplug_without_release(struct fixture *fixture)
{
	struct host host;

	host_init(&host, fixture, 0, 9);
	host.ops.release = NULL;
	assert_int_equal(enlist_host(&host), 0);
	assert_int_equal(give(fixture), 0);
	assert_int_equal(delist_host(&host, IOASID_UNREGISTER_KEEP), 1);
	take(fixture, 0);
	assert_int_equal(host.backs, 1);
	memset(&host, 0xdd, sizeof(host));
	assert_int_equal(give(fixture), 0);
}

/* Who stood in goes as well. */
static void unplug_of_an_heir(struct fixture *fixture)
{
	struct host a, b;

	host_init(&a, fixture, 1, 1);
	host_init(&b, fixture, 11, 11);
	assert_int_equal(enlist_host(&a), 0);
	assert_int_equal(enlist_host(&b), 0);
	assert_int_equal(give(fixture), 1);
	assert_int_equal(delist_host(&a, IOASID_UNREGISTER_KEEP), 0);
	assert_int_equal(delist_host(&b, IOASID_UNREGISTER_IDLE), -EBUSY);
	assert_int_equal(delist_host(&b, IOASID_UNREGISTER_KEEP), 1);
	b.given[1] = true;
	/* Who comes later has no part in it. */
	assert_int_equal(enlist_host(&a), 0);
	assert_int_equal(delist_host(&a, IOASID_UNREGISTER_IDLE), 0);
	assert_int_equal(b.released, 0);
	take(fixture, 1);
	assert_int_equal(b.backs, 1);
	assert_int_equal(b.released, 1);
	assert_int_equal(a.backs + a.released, 0);
}

static void plug_after_unplug(struct fixture *fixture)
{
	struct host host, next;
	ioasid_t id;

	host_init(&host, fixture, 0, 9);
	other_init(&next, fixture, 20, 29);
	assert_int_equal(enlist_host(&host), 0);
	assert_int_equal(give(fixture), 0);
	assert_int_equal(delist_host(&host, IOASID_UNREGISTER_KEEP), 1);
	id = give(fixture);
	/* That one is the space's own choice. */
	assert_int_equal(enlist_host(&next), -EAGAIN);
	take(fixture, id);
	assert_int_equal(enlist_host(&next), 0);
	assert_int_equal(give(fixture), 20);
	take(fixture, 0);
	assert_int_equal(host.released, 1);
	take(fixture, 20);
	assert_int_equal(next.backs, 1);
	assert_int_equal(next.released, 0);
}

static void callback_fails(struct fixture *fixture)
{
	struct ioasid_stats before, now;
	struct host host;

	host_init(&host, fixture, 0, 9);
	assert_int_equal(enlist_host(&host), 0);
	before = stats(fixture);
	host.answer = INVALID_IOASID;
	assert_int_equal(refused(fixture), -ENOSPC);
	now = stats(fixture);
	assert_int_equal(host.backs, 0);
	assert_int_equal(now.live, 0);
	assert_int_equal(now.committed, before.committed);
	assert_int_equal(now.memory, before.memory);
	assert_int_equal(now.alloc_failed, before.alloc_failed + 1);
	assert_int_equal(now.allocs, before.allocs);
	check_valid(fixture);
	assert_int_equal(give(fixture), 0);
	take(fixture, 0);
}

static void id_out_of_range(struct fixture *fixture)
{
	static const ioasid_t answers[] = { 0,	     9,	  21,
					    IDS - 1, IDS, INVALID_IOASID - 1 };
	struct host host;
	ioasid_t id;
	uint32_t i;

	host_init(&host, fixture, 0, IDS - 1);
	assert_int_equal(enlist_host(&host), 0);
	for (i = 0; i < ARRAY_SIZE(answers); i++) {
		host.answer = answers[i];
		assert_int_equal(try_give(fixture, NULL, 10, 20, NULL, &id),
				 -ERANGE);
		/* Handed back, or it would be lost. */
		assert_int_equal(host.backs, i + 1);
		assert_int_equal(host.back[i], answers[i]);
		assert_int_equal(held(&host), 0);
		check_valid(fixture);
	}
	assert_int_equal(stats(fixture).committed, 0);
	/* But what is in use is not. */
	assert_int_equal(try_give(fixture, NULL, 5, 5, fixture, &id), 0);
	host.answer = 5;
	assert_int_equal(try_give(fixture, NULL, 10, 20, NULL, &id), -ERANGE);
	assert_int_equal(host.backs, i);
	assert_int_equal(found(fixture, 5), 0);
	take(fixture, 5);
	assert_int_equal(host.backs, i + 1);
	assert_int_equal(host.strange, 0);
}

static void id_already_in_use(struct fixture *fixture)
{
	struct host host;
	ioasid_t id;

	host_init(&host, fixture, 0, 9);
	assert_int_equal(enlist_host(&host), 0);
	assert_int_equal(give(fixture), 0);
	host.answer = 0;
	assert_int_equal(try_give(fixture, NULL, 0, 9, NULL, &id), -EEXIST);
	assert_int_equal(host.backs, 0);
	assert_int_equal(found(fixture, 0), 0);
	assert_int_equal(ioasid_space_get(fixture->space, NULL, 0), 0);
	take(fixture, 0);
	/* Pending is in use. */
	host.answer = 0;
	assert_int_equal(try_give(fixture, NULL, 0, 9, NULL, &id), -EEXIST);
	assert_int_equal(host.backs, 0);
	assert_int_equal(stats(fixture).pending, 1);
	assert_int_equal(stats(fixture).committed, 1);
	check_valid(fixture);
	assert_int_equal(ioasid_space_put(fixture->space, 0), 1);
	assert_int_equal(host.backs, 1);
	assert_int_equal(held(&host), 0);
}

/* One that the space has of its own, from a snapshot. */
static void id_of_a_snapshot(struct fixture *fixture)
{
	static unsigned char image[512];
	struct ioasid_space *from = fixture->space;
	struct host host;
	size_t size;
	ioasid_t id;

	for (id = 0; id < 2; id++)
		assert_int_equal(give(fixture), id);
	assert_int_equal(ioasid_space_get(from, NULL, 1), 0);
	take(fixture, 1);
	assert_int_equal(ioasid_space_snapshot(from, NULL, image, sizeof(image),
					       &size),
			 0);
	fixture_space(fixture, 0, IDS - 1);
	host_init(&host, fixture, 0, 9);
	assert_int_equal(enlist_host(&host), 0);
	assert_int_equal(
		ioasid_space_restore(fixture->space, NULL, image, size), 0);
	/* Live, and pending. */
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(refused(fixture), -EEXIST);
	assert_int_equal(host.backs, 0);
	assert_int_equal(give(fixture), 2);
	take(fixture, 0);
	assert_int_equal(ioasid_space_put(fixture->space, 1), 1);
	assert_int_equal(host.backs, 0);
	check_valid(fixture);
	take(fixture, 2);
	assert_int_equal(host.backs, 1);
	assert_int_equal(ioasid_space_destroy(from), 0);
}

/* A source that gives what another gave. */
static void id_of_another(struct fixture *fixture)
{
	struct host a, b;

	host_init(&a, fixture, 1, 1);
	other_init(&b, fixture, 1, 2);
	assert_int_equal(enlist_host(&a), 0);
	assert_int_equal(enlist_host(&b), 0);
	assert_int_equal(give(fixture), 1);
	assert_int_equal(delist_host(&a, IOASID_UNREGISTER_KEEP), 1);
	assert_int_equal(refused(fixture), -EEXIST);
	assert_int_equal(give(fixture), 2);
	assert_int_equal(b.backs, 0);
	take(fixture, 1);
	assert_int_equal(a.backs, 1);
	assert_int_equal(a.released, 1);
	take(fixture, 2);
	assert_int_equal(b.backs, 1);
}

static void id_in_quarantine(struct fixture *fixture)
{
	struct ioasid_space_config config;
	struct host host;

	fixture_space_config(fixture, &config, 0, IDS - 1);
	config.quarantine = true;
	assert_int_equal(ioasid_space_create(&config, &fixture->space), 0);
	host_init(&host, fixture, 7, 7);
	assert_int_equal(enlist_host(&host), 0);
	ioasid_rcu_read_lock(fixture->rcu);
	assert_int_equal(give(fixture), 7);
	take(fixture, 7);
	assert_int_equal(host.backs, 1);
	assert_int_equal(stats(fixture).quarantined, 1);
	/* Asked again it gives it, and has it back at once. */
	assert_int_equal(refused(fixture), -EAGAIN);
	assert_int_equal(host.asked, 2);
	assert_int_equal(host.backs, 2);
	assert_int_equal(held(&host), 0);
	check_valid(fixture);
	ioasid_rcu_read_unlock(fixture->rcu);
	ioasid_rcu_quiescent(fixture->rcu);
	assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
	assert_int_equal(give(fixture), 7);
	take(fixture, 7);
	assert_int_equal(host.strange, 0);
}

/* Each allocation of an alloc fails in turn: alone, or with all after it. */
static void memory_fails(struct fixture *fixture)
{
	DECLARE_IOASID_SET(set);
	unsigned int for_good, refusals = 0, after = 0;

	for (for_good = 0; for_good < 2; for_good++) {
		uint64_t n = 1;
		int ret;

		do {
			struct test_memory *memory = &fixture->memory;
			struct host host;
			ioasid_t id;

			fixture_space(fixture, 0, IDS - 1);
			host_init(&host, fixture, 0, IDS - 1);
			assert_int_equal(enlist_host(&host), 0);
			memory->fail_at = memory->calls + n;
			host.inside = NULL;
			ret = try_give(fixture, &set, 700, IDS - 1, fixture,
				       &id);
			if (for_good && ret)
				memory->fail_all = true;
			if (for_good && ret)
				assert_int_equal(try_give(fixture, &set, 700,
							  IDS - 1, NULL, &id),
						 -ENOMEM);
			memory->fail_all = false;
			memory->fail_at = 0;
			if (ret) {
				assert_int_equal(ret, -ENOMEM);
				assert_int_equal(held(&host), 0);
				after += host.asked;
				assert_int_equal(host.backs, host.asked);
				assert_int_equal(stats(fixture).committed, 0);
				assert_int_equal(stats(fixture).live, 0);
				refusals++;
			} else {
				assert_int_equal(host.backs, 0);
				assert_int_equal(host.asked, 1);
				take(fixture, id);
				assert_int_equal(host.backs, 1);
			}
			assert_int_equal(host.strange, 0);
			check_valid(fixture);
			assert_int_equal(try_give(fixture, &set, 0, IDS - 1,
						  fixture, &id),
					 0);
			assert_int_equal(id, 0);
			assert_int_equal(ioasid_space_destroy(fixture->space),
					 0);
			fixture->space = NULL;
			assert_int_equal(held(&host), 0);
			n++;
		} while (ret);
	}
	/* The callback had succeeded: that is what this is about. */
	assert_true(refusals >= 6);
	assert_true(after >= 6);
}

/* Neither is asked for: nobody is asked. */
static void quota_and_capacity(struct fixture *fixture)
{
	struct ioasid_set_config config = { .quota = 2 };
	struct ioasid_set *set, *rich;
	struct host host;
	ioasid_t id;
	uint32_t asked;

	host_init(&host, fixture, 0, 99);
	assert_int_equal(enlist_host(&host), 0);
	assert_int_equal(ioasid_set_create(fixture->space, &config, &set), 0);
	config = (struct ioasid_set_config){ .reserved = 3 };
	assert_int_equal(ioasid_set_create(fixture->space, &config, &rich), 0);
	assert_int_equal(ioasid_space_set_capacity(fixture->space, 5), 0);
	assert_int_equal(try_give(fixture, set, 0, 9, fixture, &id), 0);
	/* What fails gives its share back. */
	host.answer = INVALID_IOASID;
	assert_int_equal(try_give(fixture, set, 0, 9, NULL, &id), -ENOSPC);
	host.answer = 50;
	assert_int_equal(try_give(fixture, set, 0, 9, NULL, &id), -ERANGE);
	host.answer = 0;
	assert_int_equal(try_give(fixture, set, 0, 9, NULL, &id), -EEXIST);
	assert_int_equal(stats(fixture).committed, 4);
	assert_int_equal(try_give(fixture, set, 0, 9, fixture, &id), 0);
	asked = host.asked;
	assert_int_equal(try_give(fixture, set, 0, 9, NULL, &id), -EDQUOT);
	assert_int_equal(try_give(fixture, NULL, 0, 9, NULL, &id), -ENOSPC);
	assert_int_equal(host.asked, asked);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(try_give(fixture, rich, 0, 9, fixture, &id),
				 0);
	asked = host.asked;
	assert_int_equal(try_give(fixture, rich, 0, 9, NULL, &id), -ENOSPC);
	assert_int_equal(host.asked, asked);
	assert_int_equal(ioasid_set_free_all(fixture->space, set, &id), 0);
	assert_int_equal(id, 2);
	assert_int_equal(held(&host), 3);
	assert_int_equal(stats(fixture).committed, 3);
	assert_int_equal(ioasid_set_free_all(fixture->space, rich, NULL), 0);
	assert_int_equal(held(&host), 0);
	assert_int_equal(ioasid_set_destroy(fixture->space, set), 0);
	assert_int_equal(ioasid_set_destroy(fixture->space, rich), 0);
	assert_int_equal(stats(fixture).committed, 0);
}

struct shares {
	struct ioasid_set *set;
	bool entered;
};

/* What is being asked for is charged: nobody else gets it. */
static void change_shares(struct host *host, ioasid_t id)
{
	struct shares *shares = host->arg;
	struct ioasid_space *space = host->fixture->space;

	if (id != INVALID_IOASID)
		return;
	shares->entered = true;
	assert_int_equal(ioasid_set_destroy(space, shares->set), -EBUSY);
	assert_int_equal(ioasid_space_set_capacity(space, 3), 0);
	assert_int_equal(ioasid_space_reserve(space, 3), -ENOSPC);
	assert_int_equal(ioasid_space_reserve(space, 2), 0);
	assert_int_equal(ioasid_set_limit(space, shares->set, 1, 0), 0);
	check_valid(host->fixture);
}

static void shares_change_meanwhile(struct fixture *fixture)
{
	struct shares shares = { NULL, false };
	struct host host;
	ioasid_t id;

	host_init(&host, fixture, 0, 99);
	host.inside = change_shares;
	host.arg = &shares;
	assert_int_equal(ioasid_set_create(fixture->space, NULL, &shares.set),
			 0);
	assert_int_equal(enlist_host(&host), 0);
	assert_int_equal(try_give(fixture, shares.set, 0, 9, NULL, &id), 0);
	assert_true(shares.entered);
	assert_int_equal(stats(fixture).committed, 3);
	host.inside = NULL;
	take(fixture, id);
	assert_int_equal(ioasid_space_unreserve(fixture->space, 2), 0);
	assert_int_equal(ioasid_set_destroy(fixture->space, shares.set), 0);
}

/* The set gets a smaller quota and another ID while its alloc is asking. */
static void bind_set(struct host *host, ioasid_t id)
{
	struct ioasid_set_config config = { .quota = 7, .token = host };

	if (id == INVALID_IOASID)
		assert_int_equal(ioasid_set_bind(host->fixture->space,
						 host->arg, &config),
				 0);
}

static void set_bound_meanwhile(struct fixture *fixture)
{
	DECLARE_IOASID_SET(set);
	struct ioasid_set_info info;
	struct host host;
	ioasid_t id;

	host_init(&host, fixture, 0, 99);
	host.inside = bind_set;
	host.arg = &set;
	assert_int_equal(enlist_host(&host), 0);
	assert_int_equal(try_give(fixture, &set, 0, 9, NULL, &id), 0);
	host.inside = NULL;
	assert_int_equal(ioasid_set_stats(fixture->space, &set, &info), 0);
	assert_int_equal(info.count, 1);
	assert_int_equal(info.quota, 7);
	take(fixture, id);
	assert_int_equal(ioasid_set_destroy(fixture->space, &set), 0);
}

struct inside {
	ioasid_t id;
	struct ioasid_set *set;
	unsigned int calls;
};

static int count_id(ioasid_t id, void *data, void *arg)
{
	(void)id;
	(void)data;
	++*(unsigned int *)arg;
	return 0;
}

/* Real clients look the ID up inside of their callbacks. */
static void look_up(struct host *host, ioasid_t id)
{
	struct fixture *fixture = host->fixture;
	struct ioasid_space *space = fixture->space;
	struct inside *inside = host->arg;
	ioasid_handle_t handle;
	struct ioasid_set *set;
	unsigned int count = 0;
	ioasid_t spid, by_spid;
	void *data;

	(void)id;
	inside->calls++;
	assert_int_equal(found(fixture, inside->id), 0);
	assert_int_equal(ioasid_space_find(space, inside->set, inside->id, NULL,
					   &data),
			 0);
	assert_int_equal(ioasid_space_find(space, NULL, 999, NULL, &data),
			 -ENOENT);
	assert_int_equal(ioasid_space_handle(space, NULL, inside->id, &handle),
			 0);
	assert_int_equal(
		ioasid_space_find_handle(space, NULL, handle, NULL, &data), 0);
	assert_int_equal(ioasid_space_get_handle(space, NULL, handle), 0);
	assert_int_equal(ioasid_space_put(space, inside->id), 0);
	assert_int_equal(ioasid_space_get(space, inside->set, inside->id), 0);
	assert_int_equal(ioasid_space_put(space, inside->id), 0);
	assert_int_equal(ioasid_space_exchange_data(space, inside->id, inside,
						    &data),
			 0);
	assert_ptr_equal(data, fixture);
	assert_int_equal(ioasid_space_exchange_data(space, inside->id, fixture,
						    &data),
			 0);
	assert_ptr_equal(data, inside);
	assert_int_equal(ioasid_set_of(space, inside->id, &set), 0);
	assert_ptr_equal(set, inside->set);
	assert_int_equal(ioasid_spid_of(space, inside->id, &spid), 0);
	assert_int_equal(ioasid_spid_find(space, inside->set, spid, NULL,
					  &by_spid, &data),
			 0);
	assert_int_equal(by_spid, inside->id);
	assert_int_equal(ioasid_space_for_each(space, NULL, 0, IDS, count_id,
					       &count),
			 0);
	assert_int_equal(count, stats(fixture).live);
	check_valid(fixture);
}

static void lookups_in_callbacks(struct fixture *fixture)
{
	struct inside inside = { 0, NULL, 0 };
	struct host host;
	ioasid_t id;

	assert_int_equal(ioasid_set_create(fixture->space, NULL, &inside.set),
			 0);
	host_init(&host, fixture, 0, 99);
	assert_int_equal(enlist_host(&host), 0);
	assert_int_equal(
		try_give(fixture, inside.set, 0, 9, fixture, &inside.id), 0);
	assert_int_equal(ioasid_spid_attach(fixture->space, inside.id, 77), 0);
	host.inside = look_up;
	host.arg = &inside;
	id = give(fixture);
	take(fixture, id);
	assert_int_equal(ioasid_space_put(fixture->space, give(fixture)), 1);
	/* Where it has to be handed back, too. */
	host.answer = 500;
	assert_int_equal(try_give(fixture, NULL, 0, 9, NULL, &id), -ERANGE);
	assert_int_equal(inside.calls, 6);
	host.inside = NULL;
	take(fixture, inside.id);
}

static ioasid_t count_up(ioasid_t min, ioasid_t max, void *data)
{
	ioasid_t *next = data;

	(void)min;
	(void)max;
	return (*next)++;
}

static void forget(ioasid_t id, void *data)
{
	(void)id;
	(void)data;
	fail_msg("an ID was handed back");
}

static void count_back(ioasid_t id, void *data)
{
	ioasid_t *next = data;

	(void)id;
	--*next;
}

/* What is retired is given back before an ID is refused, and asked for once. */
static void no_limit_without_readers(struct fixture *fixture)
{
	ioasid_t next = 0, id = 0;
	struct ioasid_allocator_ops ops = { .alloc = count_up,
					    .free = forget,
					    .pdata = &next };
	struct ioasid_space_config config;
	struct ioasid_rcu_config rcu_config;
	struct ioasid_space *space;
	struct ioasid_rcu *rcu;

	fixture_rcu_config(fixture, &rcu_config);
	rcu_config.retired_limit = 1;
	assert_int_equal(ioasid_rcu_create(&rcu_config, &rcu), 0);
	fixture_space_config(fixture, &config, 0, 0xffff);
	config.rcu = rcu;
	assert_int_equal(ioasid_space_create(&config, &space), 0);
	assert_int_equal(ioasid_space_register_allocator(space, &ops), 0);
	while (id < 2000)
		assert_int_equal(ioasid_space_alloc(space, NULL, 0, 0xffff,
						    NULL, &id),
				 0);
	assert_int_equal(next, id + 1);
	ops.free = count_back;
	assert_int_equal(ioasid_space_destroy(space), 0);
	assert_int_equal(next, 0);
	assert_int_equal(ioasid_rcu_destroy(rcu), 0);
}

/* Nor of one that hands out no more. */
static void refuse_alloc(struct host *host, ioasid_t id)
{
	ioasid_t given;

	(void)id;
	assert_int_equal(try_give(host->fixture, NULL, 0, 99, NULL, &given),
			 -EDEADLK);
	++*(unsigned int *)host->arg;
}

static void alloc_refused_by_kept(struct fixture *fixture)
{
	struct ioasid_space_config config;
	unsigned int calls = 0;
	struct host host;

	fixture_space_config(fixture, &config, 0, 99);
	assert_int_equal(ioasid_space_create(&config, &fixture->space), 0);
	host_init(&host, fixture, 0, 99);
	host.arg = &calls;
	assert_int_equal(enlist_host(&host), 0);
	assert_int_equal(give(fixture), 0);
	assert_int_equal(give(fixture), 1);
	assert_int_equal(delist_host(&host, IOASID_UNREGISTER_KEEP), 1);
	host.inside = refuse_alloc;
	take(fixture, 1);
	assert_int_equal(calls, 1);
	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	fixture->space = NULL;
	assert_int_equal(calls, 2);
}

struct teller {
	struct ioasid_notifier notifier;
	ioasid_t id;
	unsigned int told, calls;
};

static void count_binds(struct ioasid_notifier *notifier,
			const struct ioasid_notice *notice)
{
	((struct teller *)notifier)->told += notice->event == IOASID_EVENT_BIND;
}

/* Frees one while it is asked; tells while it is handed back. */
static void tell_inside(struct host *host, ioasid_t id)
{
	struct teller *teller = host->arg;
	unsigned int told = teller->told;

	if (id == INVALID_IOASID) {
		take(host->fixture, teller->id);
		return;
	}
	assert_int_equal(ioasid_space_notify(host->fixture->space, 0,
					     IOASID_EVENT_BIND, NULL),
			 0);
	assert_int_equal(teller->told, told + 1);
	teller->calls++;
}

/* Before its call returns, whatever the outer call has yet to tell. */
static void events_of_callbacks(struct fixture *fixture)
{
	struct teller teller = { .notifier = { .notify = count_binds } };
	struct host host;
	ioasid_t id;

	host_init(&host, fixture, 0, 99);
	assert_int_equal(enlist_host(&host), 0);
	assert_int_equal(give(fixture), 0);
	teller.id = give(fixture);
	assert_int_equal(ioasid_space_register_notifier(fixture->space, NULL,
							&teller.notifier),
			 0);
	host.arg = &teller;
	host.inside = tell_inside;
	id = give(fixture);
	assert_int_equal(teller.calls, 1);
	host.inside = NULL;
	take(fixture, id);
	take(fixture, 0);
	assert_int_equal(ioasid_space_unregister_notifier(fixture->space,
							  &teller.notifier),
			 0);
}

/* Alloc has no end from a callback, nor have waits. */
static void refuse_waits(struct host *host, ioasid_t id)
{
	struct fixture *fixture = host->fixture;
	struct inside *inside = host->arg;
	ioasid_t given = 4321;

	(void)id;
	inside->calls++;
	assert_int_equal(ioasid_space_alloc(fixture->space, NULL, 0, 9, NULL,
					    &given),
			 -EDEADLK);
	assert_int_equal(given, 4321);
	assert_int_equal(ioasid_space_set_data(fixture->space, inside->id,
					       NULL),
			 -EDEADLK);
	assert_int_equal(found(fixture, inside->id), 0);
	assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), -EDEADLK);
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), -EDEADLK);
	assert_int_equal(delist_host(host, IOASID_UNREGISTER_IDLE), -EDEADLK);
	assert_int_equal(delist_host(host, IOASID_UNREGISTER_KEEP), -EDEADLK);
	assert_int_equal(ioasid_space_destroy(fixture->space), -EDEADLK);
}

static void waits_refused_in_callbacks(struct fixture *fixture)
{
	struct inside inside = { 0, NULL, 0 };
	struct host host;
	ioasid_t id;

	host_init(&host, fixture, 0, 99);
	assert_int_equal(enlist_host(&host), 0);
	inside.id = give(fixture);
	host.inside = refuse_waits;
	host.arg = &inside;
	id = give(fixture);
	take(fixture, id);
	assert_int_equal(inside.calls, 2);
	host.inside = NULL;
	/* And only there. */
	assert_int_equal(ioasid_space_set_data(fixture->space, inside.id, NULL),
			 0);
	take(fixture, inside.id);
	assert_int_equal(delist_host(&host, IOASID_UNREGISTER_IDLE), 0);
}

/* Frees all IDs but the one it is called for. */
static void free_others(struct host *host, ioasid_t id)
{
	struct fixture *fixture = host->fixture;
	uint32_t before = host->backs;

	(void)id;
	host->inside = NULL;
	take(fixture, 1);
	assert_int_equal(ioasid_space_put(fixture->space, 2), 1);
	assert_int_equal(ioasid_space_put(fixture->space, 3), 1);
	/* Handed back once this has returned. */
	assert_int_equal(host->backs, before);
	assert_int_equal(ioasid_space_free(fixture->space, 1), -EBUSY);
	assert_int_equal(ioasid_space_get(fixture->space, NULL, 1), -EBUSY);
	assert_int_equal(ioasid_space_get(fixture->space, NULL, 3), -EBUSY);
	check_valid(fixture);
}

static void frees_in_callbacks(struct fixture *fixture)
{
	struct host host;
	unsigned int in_alloc;

	host_init(&host, fixture, 0, 99);
	assert_int_equal(enlist_host(&host), 0);
	for (in_alloc = 0; in_alloc < 2; in_alloc++) {
		uint32_t first = !in_alloc;

		for (ioasid_t id = 0; id < 4; id++)
			assert_int_equal(give(fixture), id);
		assert_int_equal(ioasid_space_get(fixture->space, NULL, 3), 0);
		take(fixture, 3);
		host.backs = 0;
		host.inside = free_others;
		if (in_alloc)
			assert_int_equal(give(fixture), 4);
		else
			take(fixture, 0);
		assert_int_equal(host.backs, 3 + first);
		for (uint32_t i = 0; i < 3; i++)
			assert_int_equal(host.back[i + first], i + 1);
		take(fixture, in_alloc ? 0 : give(fixture));
		if (in_alloc)
			take(fixture, 4);
		assert_int_equal(held(&host), 0);
		assert_int_equal(stats(fixture).committed, 0);
		host.backs = 0;
	}
	assert_int_equal(host.strange, 0);
}

struct last {
	bool called, live;
};

static void look_at_last(struct host *host, ioasid_t id)
{
	struct fixture *fixture = host->fixture;
	struct last *last = host->arg;
	ioasid_handle_t handle;
	ioasid_t spid;

	if (id == INVALID_IOASID)
		return;
	last->called = true;
	assert_int_equal(found(fixture, id), last->live ? 0 : -ENOENT);
	assert_int_equal(ioasid_space_handle(fixture->space, NULL, id, &handle),
			 last->live ? 0 : -ENOENT);
	/* Its life has ended all the same. */
	assert_int_equal(ioasid_space_get(fixture->space, NULL, id), -EBUSY);
	assert_int_equal(ioasid_space_free(fixture->space, id), -EBUSY);
	assert_int_equal(ioasid_spid_of(fixture->space, id, &spid), -ENOENT);
	assert_int_equal(ioasid_spid_attach(fixture->space, id, 99), -ENOENT);
	assert_int_equal(ioasid_space_notify(fixture->space, id,
					     IOASID_EVENT_BIND, NULL),
			 -ENOENT);
	check_valid(fixture);
}

static void on_notice(struct ioasid_notifier *notifier,
		      const struct ioasid_notice *notice)
{
	(void)notifier;
	(void)notice;
}

/* Linux calls ops->free before the entry goes, and clients rely on it. */
static void last_reference_in_free_callback(struct fixture *fixture)
{
	struct ioasid_notifier notifier = { .notify = on_notice };
	struct ioasid_space *space = fixture->space;
	struct last last = { false, true };
	struct host host;
	struct ioasid_set *set;
	unsigned int how;
	ioasid_t id, by_spid;

	assert_int_equal(ioasid_set_create(space, NULL, &set), 0);
	host_init(&host, fixture, 0, 99);
	host.inside = look_at_last;
	host.arg = &last;
	assert_int_equal(enlist_host(&host), 0);
	for (how = 0; how < 6; how++) {
		last.called = false;
		last.live = how < 3;
		if (how == 4)
			assert_int_equal(ioasid_space_register_notifier(
						 space, NULL, &notifier),
					 0);
		assert_int_equal(try_give(fixture, set, 10 * how, 10 * how + 9,
					  fixture, &id),
				 0);
		assert_int_equal(ioasid_spid_attach(space, id, 7), 0);
		switch (how) {
		case 1:
			/* More than one, but at an end in this call. */
			assert_int_equal(ioasid_space_get(space, NULL, id), 0);
			assert_int_equal(ioasid_space_put(space, id), 0);
			/* fallthrough */
		case 0:
		case 4:
			take(fixture, id);
			break;
		case 2:
		case 5:
			assert_int_equal(ioasid_space_put(space, id), 1);
			break;
		default:
			assert_int_equal(ioasid_space_get(space, NULL, id), 0);
			take(fixture, id);
			assert_false(last.called);
			assert_int_equal(ioasid_space_put(space, id), 1);
			break;
		}
		assert_true(last.called);
		assert_int_equal(found(fixture, id), -ENOENT);
		assert_int_equal(ioasid_space_put(space, id), -ENOENT);
		assert_int_equal(ioasid_spid_find(space, set, 7, NULL, &by_spid,
						  NULL),
				 -ENOENT);
		assert_int_equal(ioasid_spid_find(space, set, 99, NULL,
						  &by_spid, NULL),
				 -ENOENT);
	}
	assert_int_equal(ioasid_space_unregister_notifier(space, &notifier), 0);
	assert_int_equal(host.backs, 6);
	assert_int_equal(ioasid_set_destroy(space, set), 0);
}

struct deferred {
	struct ioasid_rcu_head head;
	unsigned int called;
};

static void on_deferred(struct ioasid_rcu_head *head)
{
	((struct deferred *)head)->called++;
}

static void free_by_other_names(struct fixture *fixture)
{
	struct deferred deferred = { .called = 0 };
	struct host host;
	ioasid_handle_t handle;
	ioasid_t id;

	host_init(&host, fixture, 0, 99);
	assert_int_equal(enlist_host(&host), 0);
	id = give(fixture);
	assert_int_equal(ioasid_space_free_deferred(fixture->space, id,
						    &deferred.head,
						    on_deferred),
			 0);
	assert_int_equal(host.backs, 1);
	id = give(fixture);
	assert_int_equal(ioasid_space_handle(fixture->space, NULL, id, &handle),
			 0);
	assert_int_equal(ioasid_space_free_handle(fixture->space, handle), 0);
	assert_int_equal(host.backs, 2);
	assert_int_equal(ioasid_space_free_handle(fixture->space, handle),
			 -ENOENT);
	assert_int_equal(host.strange, 0);
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
	assert_int_equal(deferred.called, 1);
}

static void expect_nothing_deferred(struct host *host, ioasid_t id)
{
	if (id == INVALID_IOASID)
		return;
	assert_int_equal(found(host->fixture, id), 0);
	assert_int_equal(ioasid_rcu_pending(host->fixture->rcu), 0);
}

/* What may free the object waits until the ID is found no more. */
static void deferred_once_handed_back(struct fixture *fixture)
{
	struct deferred deferred = { .called = 0 };
	struct host host;

	host_init(&host, fixture, 0, 99);
	assert_int_equal(enlist_host(&host), 0);
	assert_int_equal(give(fixture), 0);
	host.inside = expect_nothing_deferred;
	ioasid_rcu_read_lock(fixture->rcu);
	assert_int_equal(ioasid_space_free_deferred(fixture->space, 0,
						    &deferred.head,
						    on_deferred),
			 0);
	assert_int_equal(host.backs, 1);
	assert_int_equal(ioasid_rcu_pending(fixture->rcu), 1);
	ioasid_rcu_read_unlock(fixture->rcu);
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
	assert_int_equal(deferred.called, 1);
}

static ioasid_t told_spid;

static void keep_spid(struct ioasid_notifier *notifier,
		      const struct ioasid_notice *notice)
{
	(void)notifier;
	told_spid = notice->spid;
}

/* An ID that was named and is not any more still came from somewhere. */
static void name_taken_away(struct fixture *fixture)
{
	struct ioasid_notifier notifier = { .notify = keep_spid };
	DECLARE_IOASID_SET(set);
	struct host host;
	ioasid_t id;

	host_init(&host, fixture, 0, 99);
	assert_int_equal(enlist_host(&host), 0);
	assert_int_equal(try_give(fixture, &set, 0, 99, fixture, &id), 0);
	assert_int_equal(ioasid_spid_attach(fixture->space, id, 7), 0);
	assert_int_equal(ioasid_spid_detach(fixture->space, id), 0);
	check_valid(fixture);
	assert_int_equal(ioasid_space_register_notifier(fixture->space, NULL,
							&notifier),
			 0);
	told_spid = 0;
	assert_int_equal(ioasid_space_notify(fixture->space, id,
					     IOASID_EVENT_BIND, NULL),
			 0);
	assert_int_equal(told_spid, INVALID_IOASID);
	assert_int_equal(
		ioasid_space_unregister_notifier(fixture->space, &notifier), 0);
	take(fixture, id);
	assert_int_equal(host.backs, 1);
	assert_int_equal(delist_host(&host, IOASID_UNREGISTER_IDLE), 0);
	assert_int_equal(ioasid_set_destroy(fixture->space, &set), 0);
}

static void destroy_hands_back(struct fixture *fixture)
{
	struct host kept, a, b;
	ioasid_t id;

	fixture_space(fixture, 0, IDS - 1);
	host_init(&kept, fixture, 0, 9);
	other_init(&a, fixture, 20, 29);
	other_init(&b, fixture, 40, 49);
	assert_int_equal(enlist_host(&kept), 0);
	id = give(fixture);
	assert_int_equal(ioasid_space_get(fixture->space, NULL, id), 0);
	give(fixture);
	assert_int_equal(delist_host(&kept, IOASID_UNREGISTER_KEEP), 1);
	take(fixture, id);
	assert_int_equal(enlist_host(&a), 0);
	assert_int_equal(enlist_host(&b), 0);
	assert_int_equal(try_give(fixture, NULL, 0, 1000, NULL, &id), 0);
	a.answer = INVALID_IOASID;
	assert_int_equal(try_give(fixture, NULL, 0, 1000, NULL, &id), 0);
	assert_int_equal(id, 40);
	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	fixture->space = NULL;
	assert_int_equal(kept.backs, 2);
	assert_int_equal(a.backs, 1);
	assert_int_equal(b.backs, 1);
	assert_int_equal(held(&kept) + held(&a) + held(&b), 0);
	assert_int_equal(kept.strange + a.strange + b.strange, 0);
	/* They are the caller's again, without more ado. */
	assert_int_equal(kept.released + a.released + b.released, 0);
}

struct late {
	struct ioasid_rcu_head head;
	unsigned int called;
};

static void on_late(struct ioasid_rcu_head *head)
{
	((struct late *)head)->called++;
}

static void defer_late(struct host *host, ioasid_t id)
{
	struct late *late = host->arg;

	(void)id;
	CHECK(!ioasid_rcu_defer(host->fixture->rcu, &late->head, on_late));
}

/*
 * Where no callback may run, what allocators defer could not be waited for:
 * nothing is handed back there. Without their IDs there is nothing to wait for.
 */
static void destroy_in_others_section(struct fixture *fixture)
{
	struct late late = { .called = 0 };
	struct ioasid_rcu *other;
	struct host host;
	ioasid_t id;
	void *data;

	fixture_space(fixture, 0, IDS - 1);
	host_init(&host, fixture, 0, 9);
	assert_int_equal(enlist_host(&host), 0);
	id = give(fixture);
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
	assert_int_equal(ioasid_rcu_create(NULL, &other), 0);
	host.inside = defer_late;
	host.arg = &late;
	ioasid_rcu_read_lock(other);
	assert_int_equal(ioasid_space_destroy(fixture->space), -EDEADLK);
	ioasid_rcu_read_unlock(other);
	assert_int_equal(host.backs, 0);
	assert_int_equal(
		ioasid_space_find(fixture->space, NULL, id, NULL, &data), 0);
	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	assert_int_equal(host.backs, 1);
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
	assert_int_equal(late.called, 1);
	fixture_space(fixture, 0, IDS - 1);
	host_init(&host, fixture, 0, 9);
	assert_int_equal(enlist_host(&host), 0);
	ioasid_rcu_read_lock(other);
	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	ioasid_rcu_read_unlock(other);
	fixture->space = NULL;
	assert_int_equal(ioasid_rcu_destroy(other), 0);
}

static void call_in_destroy(struct host *host, ioasid_t id)
{
	struct inside *inside = host->arg;
	ioasid_t given;

	inside->calls++;
	assert_int_equal(ioasid_space_alloc(host->fixture->space, NULL, 0, 9,
					    NULL, &given),
			 -EDEADLK);
	assert_int_equal(ioasid_space_destroy(host->fixture->space), -EDEADLK);
	assert_int_equal(delist_host(host, IOASID_UNREGISTER_KEEP), -EDEADLK);
	if (id == 1)
		take(host->fixture, 3);
	/* After that one is gone. */
	if (id == 4)
		take(host->fixture, 5);
}

/* What is refused in callbacks is in those of a destroy. */
static void calls_in_destroy(struct fixture *fixture)
{
	struct inside inside = { 0, NULL, 0 };
	struct host host;

	fixture_space(fixture, 0, IDS - 1);
	host_init(&host, fixture, 0, 99);
	assert_int_equal(enlist_host(&host), 0);
	for (ioasid_t id = 0; id < 6; id++)
		assert_int_equal(give(fixture), id);
	host.inside = call_in_destroy;
	host.arg = &inside;
	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	fixture->space = NULL;
	assert_int_equal(inside.calls, 6);
	assert_int_equal(held(&host), 0);
	assert_int_equal(host.strange, 0);
}

static void name_first(struct host *host, ioasid_t id)
{
	if (id == 2)
		assert_int_equal(ioasid_spid_attach(host->fixture->space, 0, 5),
				 0);
}

/* What a callback gives an ID that is done with goes with the space as well. */
static void named_in_destroy(struct fixture *fixture)
{
	DECLARE_IOASID_SET(set);
	size_t before = bytes(fixture);
	struct host host;
	ioasid_t id;

	fixture_space(fixture, 0, IDS - 1);
	host_init(&host, fixture, 0, 99);
	assert_int_equal(enlist_host(&host), 0);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(try_give(fixture, &set, 0, 99, NULL, &id), 0);
	host.inside = name_first;
	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	fixture->space = NULL;
	assert_int_equal(host.backs, 3);
	assert_int_equal(held(&host), 0);
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
	assert_int_equal(bytes(fixture), before);
}

static void enlist_second(struct host *host, ioasid_t id)
{
	if (id == INVALID_IOASID) {
		host->inside = NULL;
		assert_int_equal(enlist_host(host->arg), 0);
		host->answer = INVALID_IOASID;
	}
}

/* A sharer that comes while the first is asked is asked next. */
static void register_in_callback(struct fixture *fixture)
{
	struct host host, second;

	host_init(&host, fixture, 0, 9);
	host_init(&second, fixture, 20, 29);
	host.inside = enlist_second;
	host.arg = &second;
	assert_int_equal(enlist_host(&host), 0);
	assert_int_equal(give(fixture), 20);
	take(fixture, 20);
	assert_int_equal(second.backs, 1);
}

/* A callback like the others. */
static void release_unplugs(struct ioasid_allocator_ops *ops)
{
	struct host *host = ops->pdata;
	struct fixture *fixture = host->fixture;
	ioasid_t id;

	host->released++;
	assert_int_equal(try_give(fixture, NULL, 0, 99, fixture, &id),
			 -EDEADLK);
	assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), -EDEADLK);
	assert_int_equal(delist_host(host->arg, IOASID_UNREGISTER_IDLE),
			 -EDEADLK);
	assert_int_equal(ioasid_space_destroy(fixture->space), -EDEADLK);
	assert_int_equal(found(fixture, 20), 0);
	take(fixture, 20);
	assert_int_equal(enlist_host(host), 0);
}

static void calls_in_release(struct fixture *fixture)
{
	struct host host, next;

	host_init(&host, fixture, 0, 9);
	other_init(&next, fixture, 20, 29);
	host.ops.release = release_unplugs;
	host.arg = &next;
	assert_int_equal(enlist_host(&host), 0);
	assert_int_equal(enlist_host(&next), 0);
	assert_int_equal(give(fixture), 0);
	assert_int_equal(give(fixture), 1);
	assert_int_equal(delist_host(&host, IOASID_UNREGISTER_KEEP), 1);
	assert_int_equal(give(fixture), 20);
	take(fixture, 1);
	take(fixture, 0);
	assert_int_equal(host.released, 1);
	/* What it freed was handed back after it. */
	assert_int_equal(next.backs, 1);
	assert_int_equal(delist_host(&next, IOASID_UNREGISTER_IDLE), 0);
	assert_int_equal(give(fixture), 0);
	take(fixture, 0);
	assert_int_equal(delist_host(&host, IOASID_UNREGISTER_IDLE), 0);
}

static void stop_at_gate(struct host *host, ioasid_t id)
{
	struct gate *gate = host->arg;

	(void)id;
	ioasid_store_release(&gate->reached, 1);
	wait_for(&gate->open);
}

struct job {
	struct fixture *fixture;
	struct host *host;
	ioasid_t id;
	int ret;
};

static void do_alloc(void *arg)
{
	struct job *job = arg;

	job->ret = ioasid_space_alloc(job->fixture->space, NULL, 0, 99,
				      job->fixture, &job->id);
	ioasid_rcu_thread_offline(job->fixture->rcu);
}

static void do_free(void *arg)
{
	struct job *job = arg;

	job->ret = ioasid_space_free(job->fixture->space, job->id);
	ioasid_rcu_thread_offline(job->fixture->rcu);
}

static void do_unregister(void *arg)
{
	struct job *job = arg;

	job->ret = delist_host(job->host, IOASID_UNREGISTER_KEEP);
	ioasid_rcu_thread_offline(job->fixture->rcu);
}

/* One thread's callback takes its time: who only looks does not notice. */
static void blocked_callback(struct fixture *fixture)
{
	struct ioasid_space *space = fixture->space;
	struct gate gate = { { 0 }, { 0 } };
	struct actor asking, leaving;
	struct job job = { fixture, NULL, 0, -1 }, leave;
	struct host host, second;
	ioasid_t id, other;
	void *data;

	host_init(&host, fixture, 0, 99);
	other_init(&second, fixture, 200, 299);
	assert_int_equal(enlist_host(&host), 0);
	id = give(fixture);
	other = give(fixture);
	host.inside = stop_at_gate;
	host.arg = &gate;
	actor_begin(&asking);
	actor_begin(&leaving);
	actor_start(&asking, do_alloc, &job);
	wait_for(&gate.reached);
	assert_int_equal(found(fixture, id), 0);
	assert_int_equal(ioasid_space_get(space, NULL, id), 0);
	assert_int_equal(ioasid_space_put(space, id), 0);
	assert_int_equal(ioasid_space_exchange_data(space, id, NULL, &data), 0);
	assert_int_equal(ioasid_space_set_data(space, id, fixture), 0);
	assert_int_equal(stats(fixture).live, 2);
	check_valid(fixture);
	assert_int_equal(enlist_host(&second), 0);
	/* Not the last reference: nothing to hand back. */
	assert_int_equal(ioasid_space_get(space, NULL, other), 0);
	take(fixture, other);
	/* No callback runs once unregister has returned. */
	leave = (struct job){ fixture, &host, 0, -1 };
	actor_start(&leaving, do_unregister, &leave);
	assert_false(actor_done(&leaving, A_WHILE));
	assert_false(actor_done(&asking, 0));
	host.inside = NULL;
	ioasid_store_release(&gate.open, 1);
	actor_end(&asking);
	actor_end(&leaving);
	assert_int_equal(job.ret, 0);
	assert_int_equal(leave.ret, 1);
	assert_int_equal(found(fixture, job.id), 0);
	take(fixture, id);
	take(fixture, job.id);
	assert_int_equal(ioasid_space_put(space, other), 1);
	assert_int_equal(host.released, 1);
	assert_int_equal(host.backs, 3);
	assert_int_equal(delist_host(&second, IOASID_UNREGISTER_IDLE), 0);
}

/* The same, handing one back. */
static void blocked_hand_back(struct fixture *fixture)
{
	struct gate gate = { { 0 }, { 0 } };
	struct actor freeing, asking;
	struct job job = { fixture, NULL, 0, -1 }, ask = job;
	struct host host;

	host_init(&host, fixture, 0, 99);
	assert_int_equal(enlist_host(&host), 0);
	job.id = give(fixture);
	host.inside = stop_at_gate;
	host.arg = &gate;
	actor_begin(&freeing);
	actor_begin(&asking);
	actor_start(&freeing, do_free, &job);
	wait_for(&gate.reached);
	assert_int_equal(found(fixture, job.id), 0);
	assert_int_equal(ioasid_space_free(fixture->space, job.id), -EBUSY);
	assert_int_equal(ioasid_space_get(fixture->space, NULL, job.id),
			 -EBUSY);
	assert_int_equal(ioasid_space_put(fixture->space, job.id), -ENOENT);
	check_valid(fixture);
	actor_start(&asking, do_alloc, &ask);
	assert_false(actor_done(&asking, A_WHILE));
	host.inside = NULL;
	ioasid_store_release(&gate.open, 1);
	actor_end(&freeing);
	actor_end(&asking);
	assert_int_equal(job.ret, 0);
	assert_int_equal(ask.ret, 0);
	assert_int_equal(ask.id, job.id);
	assert_int_equal(host.backs, 1);
	take(fixture, ask.id);
}

/* The user's lock of a space: at one of its unlocks something happens. */
struct eventful_lock {
	pthread_mutex_t mutex;
	/* that many unlocks of the thread to go; 0: no more */
	unsigned int armed;
	pthread_t thread;
	struct actor *actor;
	struct job *job;
	/* never registered */
	struct host nobody;
};

static void eventful_take(void *context)
{
	struct eventful_lock *lock = context;

	pthread_mutex_lock(&lock->mutex);
}

static void eventful_release(void *context)
{
	struct eventful_lock *lock = context;
	bool now = pthread_equal(lock->thread, pthread_self()) && lock->armed &&
		   !--lock->armed;

	pthread_mutex_unlock(&lock->mutex);
	if (!now)
		return;
	actor_start(lock->actor, do_unregister, lock->job);
	/* It waits for callbacks if they are this thread's. */
	if (delist_host(&lock->nobody, IOASID_UNREGISTER_IDLE) == -ENOENT)
		CHECK(actor_done(lock->actor, TOO_LONG));
}

/* The last allocator goes at each place where an alloc lets it. */
static void unregistered_meanwhile(struct fixture *fixture)
{
	struct eventful_lock lock = { .mutex = PTHREAD_MUTEX_INITIALIZER };
	struct ioasid_space_config config;
	unsigned int at = 0, own = 0;
	struct actor actor;
	struct job job;
	struct host host;
	ioasid_t id;
	bool reached;

	fixture_space_config(fixture, &config, 0, 99);
	config.lock = (struct ioasid_lock_ops){ eventful_take, eventful_release,
						&lock };
	lock.thread = pthread_self();
	lock.actor = &actor;
	lock.job = &job;
	host_init(&lock.nobody, fixture, 0, 0);
	assert_int_equal(ioasid_space_create(&config, &fixture->space), 0);
	actor_begin(&actor);
	do {
		host_init(&host, fixture, 50, 99);
		assert_int_equal(enlist_host(&host), 0);
		job = (struct job){ fixture, &host, 0, -1 };
		lock.armed = ++at;
		id = give(fixture);
		reached = !lock.armed;
		lock.armed = 0;
		assert_true(id == 0 || id == 50);
		assert_int_equal(host.asked, id == 50);
		own += id == 0;
		if (reached) {
			assert_true(actor_done(&actor, TOO_LONG));
			assert_int_equal(job.ret, id == 50);
		}
		/* Whoever comes next finds callbacks as they should be. */
		if (!reached)
			assert_int_equal(
				delist_host(&host, IOASID_UNREGISTER_KEEP), 1);
		assert_int_equal(delist_host(&host, IOASID_UNREGISTER_IDLE),
				 -ENOENT);
		actor_do(&actor, do_free,
			 &(struct job){ fixture, NULL, id, -1 });
		assert_int_equal(host.backs, id == 50);
		check_valid(fixture);
	} while (reached);
	/* Before it waited for callbacks, and while it did. */
	assert_true(own >= 2);
	actor_end(&actor);
	/* Its lock goes with this call. */
	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	fixture->space = NULL;
}

/* The user's lock of a space: somebody else comes first, once. */
struct outrun_lock {
	pthread_mutex_t mutex;
	pthread_t thread;
	bool armed;
	struct actor *actor;
	struct job *job;
};

static void outrun_take(void *context)
{
	struct outrun_lock *lock = context;

	if (lock->armed && pthread_equal(lock->thread, pthread_self())) {
		lock->armed = false;
		actor_do(lock->actor, do_alloc, lock->job);
	}
	pthread_mutex_lock(&lock->mutex);
}

static void outrun_release(void *context)
{
	struct outrun_lock *lock = context;

	pthread_mutex_unlock(&lock->mutex);
}

/*
 * Between its last put and the callback for that an ID has no state, but it is
 * its allocator's to take back, once.
 */
static void id_about_to_be_handed_back(struct fixture *fixture)
{
	struct outrun_lock lock = { .mutex = PTHREAD_MUTEX_INITIALIZER,
				    .thread = pthread_self() };
	struct job job = { fixture, NULL, 0, 0 };
	struct ioasid_space_config config;
	struct actor actor;
	struct host host;
	ioasid_t id;

	fixture_space_config(fixture, &config, 0, 99);
	config.lock =
		(struct ioasid_lock_ops){ outrun_take, outrun_release, &lock };
	assert_int_equal(ioasid_space_create(&config, &fixture->space), 0);
	host_init(&host, fixture, 7, 7);
	assert_int_equal(enlist_host(&host), 0);
	id = give(fixture);
	assert_int_equal(ioasid_space_get(fixture->space, NULL, id), 0);
	take(fixture, id);
	actor_begin(&actor);
	lock.actor = &actor;
	lock.job = &job;
	host.answer = id;
	lock.armed = true;
	assert_int_equal(ioasid_space_put(fixture->space, id), 1);
	assert_false(lock.armed);
	assert_int_equal(job.ret, -EEXIST);
	assert_int_equal(host.asked, 2);
	assert_int_equal(host.backs, 1);
	assert_int_equal(host.strange, 0);
	check_valid(fixture);
	actor_end(&actor);
	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	fixture->space = NULL;
}

enum { WORKERS = 4, ROUNDS = TEST_LIGHT ? 300 : 1500 };

struct crowd {
	struct fixture *fixture;
	struct ioasid_allocator_ops ops[2];
	/* plain: callbacks come one after the other */
	unsigned int inside, allocs, frees;
	bool given[IDS];
};

static ioasid_t crowd_alloc(ioasid_t min, ioasid_t max, void *data)
{
	struct crowd *crowd = data;
	ioasid_t id = min;

	CHECK(!crowd->inside++);
	while (id <= max && crowd->given[id])
		id++;
	if (id > max) {
		id = INVALID_IOASID;
	} else {
		crowd->given[id] = true;
		crowd->allocs++;
	}
	crowd->inside--;
	return id;
}

static void crowd_free(ioasid_t id, void *data)
{
	struct crowd *crowd = data;

	CHECK(!crowd->inside++);
	CHECK(crowd->given[id]);
	crowd->given[id] = false;
	crowd->frees++;
	crowd->inside--;
}

static void *crowd_member(void *arg)
{
	struct crowd *crowd = arg;
	struct ioasid_space *space = crowd->fixture->space;
	struct test_random random = { (uint64_t)(uintptr_t)&random };
	ioasid_t ids[8];
	unsigned int count = 0;

	CHECK(!ioasid_rcu_thread_register(crowd->fixture->rcu));
	for (unsigned int i = 0; i < ROUNDS || count; i++) {
		if (i < ROUNDS && count < ARRAY_SIZE(ids) &&
		    test_below(&random, 2)) {
			/* Small builds let an ID rest now and then. */
			int ret = ioasid_space_alloc(space, NULL, 0, 63, NULL,
						     &ids[count]);

			CHECK(!ret || ret == -EAGAIN);
			count += !ret;
		} else if (count) {
			ioasid_t id = ids[--count];

			if (test_below(&random, 2)) {
				CHECK(!ioasid_space_get(space, NULL, id));
				CHECK(!ioasid_space_free(space, id));
			}
			CHECK(ioasid_space_put(space, id) == 1);
		}
		ioasid_rcu_quiescent(crowd->fixture->rcu);
	}
	CHECK(!ioasid_rcu_thread_unregister(crowd->fixture->rcu));
	return NULL;
}

/* Plug and unplug on top: where the IDs go is one table. */
static void *crowd_plugger(void *arg)
{
	struct crowd *crowd = arg;
	struct ioasid_space *space = crowd->fixture->space;

	for (unsigned int i = 0; i < ROUNDS / 10; i++) {
		struct ioasid_allocator_ops *ops = &crowd->ops[i % 2];

		CHECK(ioasid_space_unregister_allocator(
			      space, ops, IOASID_UNREGISTER_IDLE) == 0);
		CHECK(!ioasid_space_register_allocator(space, ops));
	}
	return NULL;
}

static void threads_take_turns(struct fixture *fixture)
{
	struct crowd *crowd = calloc(1, sizeof(*crowd));
	pthread_t threads[WORKERS + 1];
	unsigned int i;

	CHECK(crowd);
	crowd->fixture = fixture;
	for (i = 0; i < 2; i++) {
		crowd->ops[i] = (struct ioasid_allocator_ops){ crowd_alloc,
							       crowd_free,
							       crowd, NULL };
		assert_int_equal(ioasid_space_register_allocator(
					 fixture->space, &crowd->ops[i]),
				 0);
	}
	ioasid_rcu_thread_offline(fixture->rcu);
	for (i = 0; i < WORKERS; i++)
		CHECK(!pthread_create(&threads[i], NULL, crowd_member, crowd));
	CHECK(!pthread_create(&threads[i], NULL, crowd_plugger, crowd));
	for (i = 0; i <= WORKERS; i++)
		CHECK(!pthread_join(threads[i], NULL));
	ioasid_rcu_thread_online(fixture->rcu);
	assert_true(crowd->allocs > ROUNDS / 4);
	assert_int_equal(crowd->frees, crowd->allocs);
	assert_int_equal(stats(fixture).committed, 0);
	assert_int_equal(stats(fixture).allocs, stats(fixture).frees);
	check_valid(fixture);
	for (i = 0; i < 2; i++)
		assert_int_equal(ioasid_space_unregister_allocator(
					 fixture->space, &crowd->ops[i],
					 IOASID_UNREGISTER_IDLE),
				 0);
	free(crowd);
}

struct cancelled {
	struct job job;
	struct gate gate;
	bool freeing, returned;
};

static void *be_cancelled(void *arg)
{
	struct cancelled *cancelled = arg;

	if (cancelled->freeing)
		do_free(&cancelled->job);
	else
		do_alloc(&cancelled->job);
	cancelled->returned = true;
	for (;;)
		pthread_testcancel();
	return NULL;
}

/* A thread is not cancelled in a callback, whatever it calls there. */
static void cancelled_in_callbacks(struct fixture *fixture)
{
	struct host host;
	ioasid_t id = INVALID_IOASID;

	host_init(&host, fixture, 0, 99);
	assert_int_equal(enlist_host(&host), 0);
	for (unsigned int freeing = 0; freeing < 2; freeing++) {
		struct cancelled cancelled = {
			.job = { fixture, NULL, id, -1 },
			.freeing = freeing,
		};
		pthread_t thread;
		void *result;

		host.inside = stop_at_gate;
		host.arg = &cancelled.gate;
		CHECK(!pthread_create(&thread, NULL, be_cancelled, &cancelled));
		wait_for(&cancelled.gate.reached);
		CHECK(!pthread_cancel(thread));
		ioasid_store_release(&cancelled.gate.open, 1);
		CHECK(!pthread_join(thread, &result));
		assert_true(result == PTHREAD_CANCELED);
		assert_true(cancelled.returned);
		assert_int_equal(cancelled.job.ret, 0);
		id = cancelled.job.id;
	}
	host.inside = NULL;
	assert_int_equal(host.backs, 1);
	take(fixture, give(fixture));
	assert_int_equal(held(&host), 0);
}

/* TSan does not follow a process of many threads into its child. */
#if TEST_FORKS
enum { CHILD_HANG = 60 };

static int status_of(pid_t child)
{
	int status;

	CHECK(waitpid(child, &status, 0) == child);
	return status;
}

static void use_in_child(struct fixture *fixture, struct host *host)
{
	struct ioasid_stats now;
	uint32_t backs = host->backs;
	ioasid_t id;

	CHECK(ioasid_space_validate(fixture->space, NULL));
	ioasid_space_stats(fixture->space, &now);
	CHECK(now.committed == now.live + now.pending);
	CHECK(!ioasid_space_alloc(fixture->space, NULL, 0, 99, NULL, &id));
	CHECK(!ioasid_space_free(fixture->space, id));
	CHECK(host->backs == backs + 1);
	CHECK(ioasid_space_validate(fixture->space, NULL));
}

struct family {
	ioasid_t forked_for;
	pid_t child;
	bool is_child;
};

static void fork_inside(struct host *host, ioasid_t id)
{
	struct family *family = host->arg;

	if (id != family->forked_for)
		return;
	host->inside = NULL;
	fflush(NULL);
	family->child = fork();
	CHECK(family->child >= 0);
	family->is_child = !family->child;
	if (family->is_child)
		alarm(CHILD_HANG);
}

/* Parent and child both come out of the callback. */
static void fork_in_callbacks(struct fixture *fixture)
{
	struct family family = { INVALID_IOASID, 0, false };
	struct host host;
	ioasid_t id, before;

	host_init(&host, fixture, 0, 99);
	host.arg = &family;
	assert_int_equal(enlist_host(&host), 0);
	before = give(fixture);
	for (unsigned int in_free = 0; in_free < 2; in_free++) {
		int ret;

		family.forked_for = in_free ? before : INVALID_IOASID;
		host.inside = fork_inside;
		if (in_free)
			ret = ioasid_space_free(fixture->space, before);
		else
			ret = ioasid_space_alloc(fixture->space, NULL, 0, 99,
						 fixture, &id);
		CHECK(!ret);
		if (family.is_child) {
			if (!in_free)
				CHECK(!ioasid_space_free(fixture->space, id));
			use_in_child(fixture, &host);
			CHECK(!ioasid_space_destroy(fixture->space));
			CHECK(!held(&host) && !host.strange);
			_exit(0);
		}
		assert_int_equal(status_of(family.child), 0);
	}
	take(fixture, id);
	assert_int_equal(held(&host), 0);
}

/* In the child nobody is inside of the callback that a thread is in. */
static void fork_around_callbacks(struct fixture *fixture)
{
	struct gate gate = { { 0 }, { 0 } };
	struct job job = { fixture, NULL, 0, -1 };
	struct actor asking;
	struct host host;
	pid_t child;

	host_init(&host, fixture, 0, 99);
	assert_int_equal(enlist_host(&host), 0);
	give(fixture);
	host.inside = stop_at_gate;
	host.arg = &gate;
	actor_begin(&asking);
	actor_start(&asking, do_alloc, &job);
	wait_for(&gate.reached);
	fflush(NULL);
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		alarm(CHILD_HANG);
		host.inside = NULL;
		host.depth = 0;
		use_in_child(fixture, &host);
		CHECK(delist_host(&host, IOASID_UNREGISTER_IDLE) == -EBUSY);
		CHECK(!ioasid_space_destroy(fixture->space));
		_exit(0);
	}
	assert_int_equal(status_of(child), 0);
	host.inside = NULL;
	ioasid_store_release(&gate.open, 1);
	actor_end(&asking);
	assert_int_equal(job.ret, 0);
	take(fixture, 0);
	take(fixture, job.id);
	assert_int_equal(held(&host), 0);
}

/* What it is just handing back stays with the thread that is not there. */
static void fork_around_hand_back(struct fixture *fixture)
{
	struct gate gate = { { 0 }, { 0 } };
	struct job job = { fixture, NULL, 0, -1 };
	struct actor freeing;
	struct host host;
	pid_t child;

	host_init(&host, fixture, 0, 99);
	assert_int_equal(enlist_host(&host), 0);
	job.id = give(fixture);
	host.inside = stop_at_gate;
	host.arg = &gate;
	actor_begin(&freeing);
	actor_start(&freeing, do_free, &job);
	wait_for(&gate.reached);
	fflush(NULL);
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		alarm(CHILD_HANG);
		host.inside = NULL;
		host.depth = 0;
		use_in_child(fixture, &host);
		CHECK(ioasid_space_free(fixture->space, job.id) == -EBUSY);
		CHECK(ioasid_space_get(fixture->space, NULL, job.id) == -EBUSY);
		CHECK(!ioasid_space_destroy(fixture->space));
		/* Nor is it called for it again. */
		CHECK(host.given[job.id]);
		CHECK(!ioasid_rcu_destroy(fixture->rcu));
		CHECK(!fixture->memory.bytes);
		_exit(0);
	}
	assert_int_equal(status_of(child), 0);
	host.inside = NULL;
	ioasid_store_release(&gate.open, 1);
	actor_end(&freeing);
	assert_int_equal(job.ret, 0);
	assert_int_equal(held(&host), 0);
}
#endif

/* The short names, for the one default space. */
static void default_space(struct fixture *fixture)
{
	struct host host;
	ioasid_t id;

	(void)fixture;
	host_init(&host, fixture, 3, 9);
	assert_int_equal(ioasid_register_allocator(&host.ops), 0);
	assert_int_equal(ioasid_register_allocator(&host.ops), -EEXIST);
	id = ioasid_alloc(NULL, 0, INVALID_IOASID, fixture);
	assert_int_equal(id, 3);
	assert_ptr_equal(ioasid_find(NULL, id, NULL), fixture);
	assert_int_equal(ioasid_unregister_allocator(&host.ops), -EBUSY);
	assert_int_equal(ioasid_get(id), 0);
	ioasid_free(id);
	assert_int_equal(host.backs, 0);
	assert_int_equal(ioasid_unregister_allocator(&host.ops), -EBUSY);
	assert_true(ioasid_put(id));
	assert_int_equal(host.backs, 1);
	host.answer = INVALID_IOASID;
	assert_int_equal(ioasid_alloc(NULL, 0, 9, NULL), INVALID_IOASID);
	assert_int_equal(ioasid_unregister_allocator(&host.ops), 0);
	assert_int_equal(ioasid_unregister_allocator(&host.ops), -ENOENT);
	assert_int_equal(ioasid_space_destroy(ioasid_default_space()), 0);
}

int main(void)
{
	static const struct test_case cases[] = {
		CASE(register_refuses, PER_STORE),
		CASE(eexist_leaves_the_list, PER_STORE),
		CASE(own_ids_in_use, PER_STORE),
		CASE(first_registered_is_active, PER_STORE),
		CASE(range_asked_for, PER_STORE),
		CASE(sharers_have_their_own_data, PER_STORE),
		CASE(sharer_leaves_its_ids, PER_STORE),
		CASE(unregister_removes_that_one, PER_STORE),
		CASE(sharer_keeps_the_turn, PER_STORE),
		CASE(unplug_refused, PER_STORE),
		CASE(unplug_with_ids_in_use, PER_STORE),
		CASE(unplug_without_release, PER_STORE),
		CASE(unplug_of_an_heir, PER_STORE),
		CASE(plug_after_unplug, PER_STORE),
		CASE(callback_fails, PER_STORE),
		CASE(id_out_of_range, PER_STORE),
		CASE(id_already_in_use, PER_STORE),
		CASE(id_of_a_snapshot, PER_STORE),
		CASE(id_of_another, PER_STORE),
		CASE(id_in_quarantine, PER_STORE | NO_SPACE),
		CASE(memory_fails, PER_STORE | NO_SPACE),
		CASE(quota_and_capacity, PER_STORE),
		CASE(shares_change_meanwhile, PER_STORE),
		CASE(set_bound_meanwhile, PER_STORE),
		CASE(lookups_in_callbacks, PER_STORE | PER_FLAVOUR),
		CASE(waits_refused_in_callbacks, PER_STORE | PER_FLAVOUR),
		CASE(frees_in_callbacks, PER_STORE),
		CASE(last_reference_in_free_callback, PER_STORE),
		CASE(free_by_other_names, PER_STORE),
		CASE(deferred_once_handed_back, PER_STORE),
		CASE(name_taken_away, PER_STORE),
		CASE(destroy_hands_back, PER_STORE | NO_SPACE),
		CASE(destroy_in_others_section, PER_STORE | NO_SPACE),
		CASE(calls_in_destroy, PER_STORE | NO_SPACE),
		CASE(named_in_destroy, PER_STORE | NO_SPACE),
		CASE(no_limit_without_readers, PER_STORE | NO_SPACE),
		CASE(alloc_refused_by_kept, PER_STORE | NO_SPACE),
		CASE(events_of_callbacks, PER_STORE),
		CASE(register_in_callback, PER_STORE),
		CASE(calls_in_release, PER_STORE),
		CASE(blocked_callback, PER_STORE | PER_FLAVOUR | THREADS),
		CASE(blocked_hand_back, PER_STORE | THREADS),
		CASE(unregistered_meanwhile, PER_STORE | NO_SPACE | THREADS),
		CASE(id_about_to_be_handed_back,
		     PER_STORE | NO_SPACE | THREADS),
		CASE(threads_take_turns, PER_STORE | PER_FLAVOUR | THREADS),
		CASE(cancelled_in_callbacks, PER_STORE | THREADS),
#if TEST_FORKS
		CASE(fork_in_callbacks, PER_STORE),
		CASE(fork_around_callbacks, PER_STORE),
		CASE(fork_around_hand_back, PER_STORE),
#endif
		CASE(default_space, NO_SPACE),
	};

	return test_run("allocator", cases, ARRAY_SIZE(cases));
}
