/* SPDX-License-Identifier: MIT */
/*
 * An allocator as the drivers of the kernel's guests have it: IDs are asked of
 * the host, and given back by a callback that first looks up whether the ID
 * still has private data. Only NULL will do: an error pointer is data too.
 */
#include "test/fixture.h"
#include "test/linux/default_store.h"

#include <linux/ioasid.h>

enum { HOST_IDS = 64 };

/* No lock: callbacks of a space run one at a time. */
struct host {
	bool taken[HOST_IDS];
	unsigned int count, refused;
};

struct unit {
	struct ioasid_allocator_ops ops;
	struct host *host;
	unsigned int given, taken_back;
};

static ioasid_t unit_alloc(ioasid_t min, ioasid_t max, void *pdata)
{
	struct unit *unit = pdata;
	struct host *host = unit->host;
	ioasid_t id;

	for (id = min; id <= max && id < HOST_IDS; id++) {
		if (host->taken[id])
			continue;
		/* Not one of somebody's. */
		CHECK(PTR_ERR(ioasid_find(NULL, id, NULL)) == -ENOENT);
		host->taken[id] = true;
		host->count++;
		unit->given++;
		return id;
	}
	return INVALID_IOASID;
}

/* The calling thread asks for an ID: one it cannot have was never known here. */
static _Thread_local bool asking;

static void unit_free(ioasid_t id, void *pdata)
{
	struct unit *unit = pdata;
	struct host *host = unit->host;
	void *found;

	CHECK(id < HOST_IDS && host->taken[id]);
	found = ioasid_find(NULL, id, NULL);
	if (found && !(asking && PTR_ERR(found) == -ENOENT)) {
		host->refused++;
		return;
	}
	host->taken[id] = false;
	host->count--;
	unit->taken_back++;
}

static void unit_init(struct unit *unit, struct host *host)
{
	*unit = (struct unit){
		.ops = {
			.alloc = unit_alloc,
			.free = unit_free,
			.pdata = unit,
		},
		.host = host,
	};
	assert_int_equal(ioasid_register_allocator(&unit->ops), 0);
}

static DECLARE_IOASID_SET(guest);

static int object;

static void unbound_first(void **state)
{
	struct host host = { .refused = 0 };
	struct unit unit;
	ioasid_t id;

	(void)state;
	unit_init(&unit, &host);
	id = ioasid_alloc(&guest, 10, 20, NULL);
	assert_int_equal(id, 10);
	assert_int_equal(ioasid_set_data(id, &object), 0);
	assert_ptr_equal(ioasid_find(&guest, id, NULL), &object);
	assert_int_equal(ioasid_set_data(id, NULL), 0);
	ioasid_free(id);
	assert_int_equal(host.count, 0);
	assert_int_equal(host.refused, 0);
	/* Put by the last who holds it, as in 5.11. */
	id = ioasid_alloc(&guest, 10, 20, NULL);
	ioasid_get(id);
	assert_false(ioasid_put(id));
	assert_true(ioasid_put(id));
	assert_int_equal(host.count, 0);
	assert_int_equal(unit.taken_back, 2);
	assert_int_equal(ioasid_unregister_allocator(&unit.ops), 0);
}

static void still_bound(void **state)
{
	struct host host = { .refused = 0 };
	struct unit unit;
	ioasid_t id;

	(void)state;
	unit_init(&unit, &host);
	id = ioasid_alloc(&guest, 10, 20, &object);
	ioasid_free(id);
	assert_int_equal(host.refused, 1);
	assert_true(host.taken[id]);
	assert_int_equal(PTR_ERR(ioasid_find(NULL, id, NULL)), -ENOENT);
	/* Lost to the guest: the host has it in use. */
	assert_int_equal(ioasid_alloc(&guest, 10, 10, NULL), INVALID_IOASID);
	assert_int_equal(ioasid_unregister_allocator(&unit.ops), 0);
}

/* One host behind two units, of which the first is unplugged. */
static void unplugged(void **state)
{
	struct host host = { .refused = 0 };
	struct unit first, second;
	ioasid_t a, b;

	(void)state;
	unit_init(&first, &host);
	unit_init(&second, &host);
	a = ioasid_alloc(&guest, 1, 9, NULL);
	assert_int_equal(first.given, 1);
	assert_int_equal(ioasid_unregister_allocator(&first.ops), 0);
	memset(&first, 0xa5, sizeof(first));
	b = ioasid_alloc(&guest, 1, 9, NULL);
	assert_int_equal(second.given, 1);
	assert_int_equal(ioasid_unregister_allocator(&second.ops), -EBUSY);
	assert_null(ioasid_find(&guest, a, NULL));
	assert_null(ioasid_find(&guest, b, NULL));
	ioasid_free(a);
	ioasid_free(b);
	assert_int_equal(second.taken_back, 2);
	assert_int_equal(host.count + host.refused, 0);
	assert_int_equal(ioasid_unregister_allocator(&second.ops), 0);
}

enum {
	GUESTS = 3,
	ROUNDS = TEST_SANITIZED ? 300 : 2000,
};

static unsigned int running;

/*
 * The host may give one whose generation turns, for which readers must be waited
 * for: it has it back at once, and the guest asks again.
 */
static ioasid_t alloc_for_guest(void)
{
	struct ioasid_space *space = ioasid_default_space();
	ioasid_t id = INVALID_IOASID;
	int ret;

	for (;;) {
		asking = true;
		ret = ioasid_space_alloc(space, &guest, 1, HOST_IDS - 1, NULL,
					 &id);
		asking = false;
		if (ret != -EAGAIN)
			break;
		CHECK(!ioasid_rcu_synchronize(ioasid_space_rcu(space)));
	}
	CHECK(!ret && pasid_valid(id));
	return id;
}

static void be_guest(void *arg)
{
	int i, *data = arg;

	for (i = 0; i < ROUNDS; i++) {
		ioasid_t id = alloc_for_guest();

		CHECK(!ioasid_set_data(id, data));
		CHECK(ioasid_find(&guest, id, NULL) == data);
		CHECK(!ioasid_set_data(id, NULL));
		ioasid_free(id);
	}
	__atomic_fetch_sub(&running, 1, __ATOMIC_RELEASE);
}

static void look(void *arg)
{
	int *data = arg;
	ioasid_t id = 0;

	while (__atomic_load_n(&running, __ATOMIC_ACQUIRE)) {
		int *found = ioasid_find(&guest, id++ % HOST_IDS, NULL);

		CHECK(!found || (found >= data && found < data + GUESTS) ||
		      PTR_ERR(found) == -ENOENT);
	}
}

static void threads(void **state)
{
	struct host host = { .refused = 0 };
	struct actor actors[GUESTS + 1];
	int data[GUESTS];
	struct unit unit;
	size_t i;

	(void)state;
	unit_init(&unit, &host);
	running = GUESTS;
	actor_begin(&actors[GUESTS]);
	actor_start(&actors[GUESTS], look, data);
	for (i = 0; i < GUESTS; i++) {
		actor_begin(&actors[i]);
		actor_start(&actors[i], be_guest, &data[i]);
	}
	for (i = 0; i <= GUESTS; i++)
		actor_end(&actors[i]);
	assert_int_equal(host.count + host.refused, 0);
	assert_true(unit.given >= GUESTS * ROUNDS);
	assert_int_equal(unit.taken_back, unit.given);
	assert_int_equal(ioasid_unregister_allocator(&unit.ops), 0);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(unbound_first),
		cmocka_unit_test(still_bound),
		cmocka_unit_test(unplugged),
		cmocka_unit_test(threads),
	};

	choose_default_store(argc, argv);
	return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
