/* SPDX-License-Identifier: MIT */
/*
 * Ends of lives that are more than a free: remove, free_all, free_deferred and
 * whom they give what back. The objects are real: what is let go too early is
 * found by ASan, and by the byte they are filled with.
 */
#include "test/actors.h"
#include "test/counts.h"
#include "test/gate.h"

#include <sched.h>

#include <ioasid/allocator.h>
#include <ioasid/notifier.h>
#include <ioasid/set.h>

struct object {
	struct ioasid_rcu_head rcu;
	ioasid_t id, check;
};

static ioasid_atomic_u32 freed;

static void free_object(struct ioasid_rcu_head *head)
{
	memset(head + 1, 0xdd, sizeof(struct object) - sizeof(*head));
	free(head);
	ioasid_fetch_add_acq_rel(&freed, 1);
}

static struct object *object_of(ioasid_t id)
{
	struct object *object = malloc(sizeof(*object));

	CHECK(object);
	object->id = id;
	object->check = ~id;
	return object;
}

static void check_object(const struct object *object, ioasid_t id)
{
	CHECK(object->id == id && object->check == ~id);
}

static struct object *give(struct fixture *fixture, struct ioasid_set *set,
			   ioasid_t id)
{
	struct object *object = object_of(id);
	ioasid_t given = INVALID_IOASID;
	int ret =
		ioasid_space_alloc(fixture->space, set, id, id, object, &given);

	CHECK(!ret && given == id);
	return object;
}

static int find(struct fixture *fixture, ioasid_t id)
{
	void *data;

	return ioasid_space_find(fixture->space, NULL, id, NULL, &data);
}

/* remove */

static void removed(struct fixture *fixture)
{
	struct ioasid_space *space = fixture->space;
	static DECLARE_IOASID_SET(set);
	static DECLARE_IOASID_SET(other);
	struct object *a = give(fixture, &set, 1), *b = give(fixture, NULL, 2);
	void *data = &data;
	struct ioasid_stats before;

	free(give(fixture, &other, 3));
	before = counts(fixture);
	/* Another's, of nobody's, never bound: all is as it was. */
	assert_int_equal(ioasid_space_remove(space, &other, 1, &data), -EACCES);
	assert_int_equal(ioasid_space_remove(space, &set, 2, &data), -EACCES);
	assert_int_equal(ioasid_space_remove(space, &set, 9, &data), -ENOENT);
	assert_int_equal(ioasid_space_remove(space, NULL, INVALID_IOASID,
					     &data),
			 -ENOENT);
	assert_ptr_equal(data, &data);
	before.free_unknown = counts(fixture).free_unknown;
	expect_counts(fixture, &before);
	assert_int_equal(ioasid_space_remove(space, &set, 1, &data), 0);
	assert_ptr_equal(data, a);
	data = &data;
	assert_int_equal(ioasid_space_remove(space, &set, 1, &data), -ENOENT);
	assert_int_equal(find(fixture, 1), -ENOENT);
	/* With references it is pending. */
	assert_int_equal(ioasid_space_get(space, NULL, 2), 0);
	assert_int_equal(ioasid_space_remove(space, NULL, 2, &data), 0);
	assert_ptr_equal(data, b);
	data = &data;
	assert_int_equal(ioasid_space_remove(space, NULL, 2, &data), -EBUSY);
	assert_ptr_equal(data, &data);
	assert_int_equal(find(fixture, 2), -ENOENT);
	assert_int_equal(counts(fixture).pending, 1);
	assert_int_equal(ioasid_space_put(space, 2), 1);
	assert_int_equal(counts(fixture).live, 1);
	free(a);
	free(b);
}

static void removed_null(struct fixture *fixture)
{
	void *data = &data;
	ioasid_t id;

	assert_int_equal(
		ioasid_space_alloc(fixture->space, NULL, 4, 4, NULL, &id), 0);
	assert_int_equal(ioasid_space_remove(fixture->space, NULL, 4, &data),
			 0);
	assert_null(data);
}

/* Its slot is for other things as soon as it waits for readers. */
static void removed_to_quarantine(struct fixture *fixture)
{
	struct ioasid_space_config config;
	void *data;

	fixture_space_config(fixture, &config, 0, 99);
	config.quarantine = true;
	assert_int_equal(ioasid_space_create(&config, &fixture->space), 0);
	for (ioasid_t id = 0; id < 2; id++) {
		struct object *object = give(fixture, NULL, id);

		assert_int_equal(ioasid_space_remove(fixture->space, NULL, id,
						     &data),
				 0);
		assert_ptr_equal(data, object);
		free(object);
	}
}

/* Another space's set has nothing here, whatever its index is. */
static void removed_foreign(struct fixture *fixture)
{
	static DECLARE_IOASID_SET(set);
	static DECLARE_IOASID_SET(foreign);
	struct ioasid_space_config config;
	struct ioasid_space *space;
	void *data = &data;
	struct object *object;

	fixture_space_config(fixture, &config, 0, 9);
	assert_int_equal(ioasid_space_create(&config, &space), 0);
	assert_int_equal(ioasid_set_bind(space, &foreign, NULL), 0);
	object = give(fixture, &set, 1);
	assert_int_equal(ioasid_space_remove(fixture->space, &foreign, 1,
					     &data),
			 -EACCES);
	assert_ptr_equal(data, &data);
	assert_int_equal(ioasid_space_remove(fixture->space, NULL, 1, &data),
			 0);
	assert_ptr_equal(data, object);
	free(object);
	assert_int_equal(ioasid_space_destroy(space), 0);
}

struct removers {
	struct fixture *fixture;
	/* who is through with the round, and whom the pointer went to */
	ioasid_atomic_u32 round, through;
	ioasid_atomic_u32 removed;
	struct ioasid_set *set;
};

enum { REMOVERS = 3, ROUNDS = TEST_LIGHT ? 200 : 800, RACED = 5 };

static void remover(void *arg)
{
	struct removers *removers = arg;
	struct fixture *fixture = removers->fixture;
	struct object *object;
	void *data;
	int ret;

	CHECK(!ioasid_rcu_thread_register(fixture->rcu));
	ioasid_rcu_thread_offline(fixture->rcu);
	for (uint32_t round = 1; round <= ROUNDS; round++) {
		while (ioasid_load_acquire(&removers->round) != round)
			sched_yield();
		ret = ioasid_space_remove(fixture->space, removers->set, RACED,
					  &data);
		/* The next in line may have the ID by then. */
		CHECK(!ret || ret == -ENOENT || ret == -EACCES);
		if (!ret) {
			object = data;
			check_object(object, RACED);
			free(object);
			ioasid_fetch_add_acq_rel(&removers->removed, 1);
		}
		ioasid_fetch_add_acq_rel(&removers->through, 1);
	}
	ioasid_rcu_thread_unregister(fixture->rcu);
}

/*
 * Many remove at once, and the ID is handed out to another set right away: one
 * of them gets the pointer, and none that of the other set.
 */
static void removers_race(struct fixture *fixture)
{
	static DECLARE_IOASID_SET(set);
	static DECLARE_IOASID_SET(other);
	struct removers removers = { .fixture = fixture, .set = &set };
	struct actor actor[REMOVERS];
	struct object *next;
	double end = test_now() + TOO_LONG;
	unsigned int i;
	ioasid_t id;
	void *data;
	int ret;

	for (i = 0; i < REMOVERS; i++) {
		actor_begin(&actor[i]);
		actor_start(&actor[i], remover, &removers);
	}
	for (uint32_t round = 1; round <= ROUNDS; round++) {
		give(fixture, &set, RACED);
		next = object_of(RACED);
		ioasid_store_release(&removers.through, 0);
		ioasid_store_release(&removers.round, round);
		while ((ret = ioasid_space_alloc(fixture->space, &other, RACED,
						 RACED, next, &id))) {
			CHECK(ret == -ENOSPC || ret == -EAGAIN);
			CHECK(test_now() < end);
			sched_yield();
			if (ret == -EAGAIN)
				ioasid_rcu_synchronize(fixture->rcu);
		}
		while (ioasid_load_acquire(&removers.through) != REMOVERS) {
			CHECK(test_now() < end);
			sched_yield();
		}
		assert_int_equal(ioasid_load_relaxed(&removers.removed), round);
		assert_int_equal(ioasid_space_remove(fixture->space, &other,
						     RACED, &data),
				 0);
		assert_ptr_equal(data, next);
		free(next);
		ioasid_rcu_synchronize(fixture->rcu);
	}
	for (i = 0; i < REMOVERS; i++)
		actor_end(&actor[i]);
	assert_int_equal(counts(fixture).live, 0);
}

/* free_all */

struct listener {
	struct ioasid_notifier notifier;
	struct fixture *fixture;
	unsigned int allocs, frees;
	/* stops in the first BIND */
	struct gate *gate;
	/* to free_deferred inside of the next FREE */
	struct object *then;
};

static void on_notice(struct ioasid_notifier *notifier,
		      const struct ioasid_notice *notice)
{
	struct listener *listener = (struct listener *)notifier;
	ioasid_t id = ioasid_handle_id(notice->handle);
	struct object *then = listener->then;
	struct gate *gate = listener->gate;

	check_object(notice->data, id);
	listener->allocs += notice->event == IOASID_EVENT_ALLOC;
	listener->frees += notice->event == IOASID_EVENT_FREE;
	if (notice->event == IOASID_EVENT_BIND && gate) {
		listener->gate = NULL;
		ioasid_store_release(&gate->reached, 1);
		wait_for(&gate->open);
		check_object(notice->data, id);
	}
	if (notice->event == IOASID_EVENT_FREE && then) {
		listener->then = NULL;
		CHECK(!ioasid_space_free_deferred(listener->fixture->space,
						  then->id, &then->rcu,
						  free_object));
	}
}

static void listen(struct listener *listener, struct fixture *fixture)
{
	*listener = (struct listener){ .notifier = { .notify = on_notice },
				       .fixture = fixture };
	assert_int_equal(ioasid_space_register_notifier(fixture->space, NULL,
							&listener->notifier),
			 0);
}

static void delist(struct listener *listener)
{
	assert_int_equal(ioasid_space_unregister_notifier(
				 listener->fixture->space, &listener->notifier),
			 0);
}

static void free_all(struct fixture *fixture)
{
	enum { MANY = 300 };
	struct ioasid_space *space = fixture->space;
	static DECLARE_IOASID_SET(set);
	struct object *object[MANY];
	uint32_t count = 99;
	ioasid_t reserved;
	unsigned int i;

	assert_int_equal(ioasid_space_free_all(space, &count), 0);
	assert_int_equal(count, 0);
	for (unsigned int round = 0; round < 3; round++) {
		for (i = 0; i < MANY; i++)
			object[i] = give(fixture, i % 2 ? &set : NULL, 3 * i);
		assert_int_equal(ioasid_spid_attach(space, 3, 77), 0);
		assert_int_equal(ioasid_space_reserve_id(space, NULL, 1, 1,
							 &reserved),
				 0);
		assert_int_equal(ioasid_space_get(space, NULL, 30), 0);
		assert_int_equal(ioasid_space_get(space, NULL, 33), 0);
		assert_int_equal(ioasid_space_free(space, 33), 0);
		assert_int_equal(
			ioasid_space_free_all(space, round ? &count : NULL), 0);
		assert_int_equal(count, round ? MANY - 1 : 0);
		assert_int_equal(counts(fixture).live, 0);
		assert_int_equal(counts(fixture).pending, 2);
		assert_int_equal(counts(fixture).unpublished, 1);
		assert_int_equal(ioasid_space_free_all(space, &count), 0);
		assert_int_equal(count, 0);
		assert_int_equal(ioasid_space_put(space, 30), 1);
		assert_int_equal(ioasid_space_put(space, 33), 1);
		assert_int_equal(ioasid_space_release_id(space, 1), 0);
		assert_int_equal(counts(fixture).committed, 0);
		for (i = 0; i < MANY; i++) {
			assert_int_equal(find(fixture, 3 * i), -ENOENT);
			free(object[i]);
		}
		/* Where generations turned that waits for readers. */
		assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
	}
}

static void free_all_told(struct fixture *fixture)
{
	struct object *object[10];
	struct listener listener;
	uint32_t count;
	unsigned int i;

	listen(&listener, fixture);
	for (i = 0; i < ARRAY_SIZE(object); i++)
		object[i] = give(fixture, NULL, i);
	assert_int_equal(ioasid_space_free_all(fixture->space, &count), 0);
	assert_int_equal(count, ARRAY_SIZE(object));
	assert_int_equal(listener.allocs, count);
	assert_int_equal(listener.frees, count);
	assert_int_equal(counts(fixture).pending, 0);
	delist(&listener);
	for (i = 0; i < ARRAY_SIZE(object); i++)
		free(object[i]);
}

/* Where IDs come from: gives the lowest wanted, at times calls something. */
struct host {
	struct ioasid_allocator_ops ops;
	struct fixture *fixture;
	void (*inside)(struct host *host);
	struct object *object;
	uint32_t back;
	int found;
	struct gate gate;
};

static ioasid_t host_alloc(ioasid_t min, ioasid_t max, void *data)
{
	struct host *host = data;
	void (*inside)(struct host *host) = host->inside;

	(void)max;
	host->inside = NULL;
	if (!inside)
		return min;
	inside(host);
	return INVALID_IOASID;
}

static void host_free(ioasid_t id, void *data)
{
	struct host *host = data;

	host->back++;
	host->found = find(host->fixture, id);
}

static void host_init(struct host *host, struct fixture *fixture)
{
	memset(host, 0, sizeof(*host));
	host->ops = (struct ioasid_allocator_ops){ .alloc = host_alloc,
						   .free = host_free,
						   .pdata = host };
	host->fixture = fixture;
	assert_int_equal(
		ioasid_space_register_allocator(fixture->space, &host->ops), 0);
}

static void free_all_handed_back(struct fixture *fixture)
{
	struct ioasid_space *space = fixture->space;
	struct object *object[10];
	struct host host;
	uint32_t count;
	unsigned int i;

	host_init(&host, fixture);
	for (i = 0; i < ARRAY_SIZE(object); i++)
		object[i] = give(fixture, NULL, 5 * i);
	assert_int_equal(ioasid_space_get(space, NULL, 20), 0);
	assert_int_equal(ioasid_space_free_all(space, &count), 0);
	assert_int_equal(count, ARRAY_SIZE(object));
	assert_int_equal(host.back, ARRAY_SIZE(object) - 1);
	assert_int_equal(ioasid_space_put(space, 20), 1);
	assert_int_equal(host.back, ARRAY_SIZE(object));
	assert_int_equal(counts(fixture).committed, 0);
	assert_int_equal(ioasid_space_unregister_allocator(
				 space, &host.ops, IOASID_UNREGISTER_IDLE),
			 0);
	for (i = 0; i < ARRAY_SIZE(object); i++)
		free(object[i]);
}

/* free_deferred */

/* By the allocator, in a callback for another ID. */
static void call_inside(struct host *host, void (*inside)(struct host *host))
{
	ioasid_t id;

	host->inside = inside;
	assert_int_equal(ioasid_space_alloc(host->fixture->space, NULL, 1, 1,
					    NULL, &id),
			 -ENOSPC);
	assert_null(host->inside);
}

/* Stops where a reader shall look. */
static void at_gate(struct host *host)
{
	CHECK(find(host->fixture, 5) == -ENOENT);
	CHECK(ioasid_space_get(host->fixture->space, NULL, 5) == -EBUSY);
	ioasid_store_release(&host->gate.reached, 1);
	wait_for(&host->gate.open);
	CHECK(!host->back);
}

static void free_deferred_inside(struct host *host)
{
	struct object *object = host->object;

	CHECK(!ioasid_space_free_deferred(host->fixture->space, object->id,
					  &object->rcu, free_object));
	at_gate(host);
}

static void free_then_defer_inside(struct host *host)
{
	struct object *object = host->object;

	CHECK(!ioasid_space_free(host->fixture->space, object->id));
	CHECK(!ioasid_rcu_defer(host->fixture->rcu, &object->rcu, free_object));
	at_gate(host);
}

static void remove_inside(struct host *host)
{
	void *data;

	CHECK(!ioasid_space_remove(host->fixture->space, NULL, 5, &data));
	CHECK(data == host->object);
	CHECK(!ioasid_rcu_defer(host->fixture->rcu, &host->object->rcu,
				free_object));
	at_gate(host);
}

static void put_inside(struct host *host)
{
	CHECK(ioasid_space_put(host->fixture->space, host->object->id) == 1);
	CHECK(!ioasid_rcu_defer(host->fixture->rcu, &host->object->rcu,
				free_object));
	at_gate(host);
}

static void run_and_look(void *arg)
{
	struct host *host = arg;
	struct fixture *fixture = host->fixture;
	struct object *object;
	void *data;

	CHECK(!ioasid_rcu_thread_register(fixture->rcu));
	wait_for(&host->gate.reached);
	CHECK(!ioasid_rcu_barrier(fixture->rcu));
	ioasid_rcu_read_lock(fixture->rcu);
	if (!ioasid_space_find_rcu(fixture->space, NULL, 5, &data)) {
		object = data;
		check_object(object, 5);
		CHECK(!ioasid_load_acquire(&freed));
	}
	ioasid_rcu_read_unlock(fixture->rcu);
	ioasid_rcu_thread_unregister(fixture->rcu);
	ioasid_store_release(&host->gate.open, 1);
}

/*
 * Ended inside a callback the ID goes back to its allocator only after that;
 * it is not found meanwhile, as nothing keeps the object from being let go.
 */
static void deferred_in_callbacks(struct fixture *fixture)
{
	void (*const inside[])(struct host *host) = {
		free_deferred_inside,
		free_then_defer_inside,
		remove_inside,
		put_inside,
	};
	struct host host;
	struct actor other;

	for (size_t i = 0; i < ARRAY_SIZE(inside); i++) {
		ioasid_store_relaxed(&freed, 0);
		host_init(&host, fixture);
		host.object = give(fixture, NULL, 5);
		actor_begin(&other);
		actor_start(&other, run_and_look, &host);
		ioasid_rcu_thread_offline(fixture->rcu);
		call_inside(&host, inside[i]);
		ioasid_rcu_thread_online(fixture->rcu);
		actor_end(&other);
		assert_int_equal(host.back, 1);
		assert_int_equal(host.found, -ENOENT);
		assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
		assert_int_equal(ioasid_load_relaxed(&freed), 1);
		counts(fixture);
		assert_int_equal(ioasid_space_unregister_allocator(
					 fixture->space, &host.ops,
					 IOASID_UNREGISTER_IDLE),
				 0);
	}
}

/* Outside of callbacks it is found in its own, and the object is there. */
static void deferred_and_handed_back(struct fixture *fixture)
{
	struct object *object;
	struct host host;

	ioasid_store_relaxed(&freed, 0);
	host_init(&host, fixture);
	object = give(fixture, NULL, 5);
	assert_int_equal(ioasid_space_free_deferred(fixture->space, 5,
						    &object->rcu, free_object),
			 0);
	assert_int_equal(host.back, 1);
	assert_int_equal(host.found, 0);
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
	assert_int_equal(ioasid_load_relaxed(&freed), 1);
}

static void bind(void *arg)
{
	struct fixture *fixture = arg;

	/* In no section: who is told needs none for the pointer. */
	CHECK(!ioasid_rcu_thread_register(fixture->rcu));
	ioasid_rcu_thread_offline(fixture->rcu);
	CHECK(!ioasid_space_notify(fixture->space, 7, IOASID_EVENT_BIND, NULL));
	ioasid_rcu_thread_unregister(fixture->rcu);
}

/*
 * Another thread is telling about the ID and will tell its end: with the
 * pointer, which is there until then, and no longer than that.
 */
static void deferred_while_told(struct fixture *fixture)
{
	struct gate gate;
	struct listener listener;
	struct object *object;
	struct actor other;

	memset(&gate, 0, sizeof(gate));
	ioasid_store_relaxed(&freed, 0);
	listen(&listener, fixture);
	listener.gate = &gate;
	object = give(fixture, NULL, 7);
	actor_begin(&other);
	actor_start(&other, bind, fixture);
	wait_for(&gate.reached);
	assert_int_equal(ioasid_space_free_deferred(fixture->space, 7,
						    &object->rcu, free_object),
			 0);
	assert_int_equal(find(fixture, 7), -ENOENT);
	ioasid_rcu_thread_offline(fixture->rcu);
	for (int i = 0; i < 3; i++)
		assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
	assert_int_equal(ioasid_load_relaxed(&freed), 0);
	assert_int_equal(listener.frees, 0);
	ioasid_store_release(&gate.open, 1);
	actor_end(&other);
	ioasid_rcu_thread_online(fixture->rcu);
	assert_int_equal(listener.frees, 1);
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
	assert_int_equal(ioasid_load_relaxed(&freed), 1);
	delist(&listener);
}

struct witness {
	struct ioasid_notifier notifier;
	/* stops in BIND */
	struct gate gate;
	unsigned int frees;
	void *data;
};

static void on_removal(struct ioasid_notifier *notifier,
		       const struct ioasid_notice *notice)
{
	struct witness *witness = (struct witness *)notifier;

	if (notice->event == IOASID_EVENT_BIND) {
		ioasid_store_release(&witness->gate.reached, 1);
		wait_for(&witness->gate.open);
	}
	if (notice->event == IOASID_EVENT_FREE) {
		witness->frees++;
		witness->data = notice->data;
	}
}

/* Whom remove gives the pointer to does not wait for those yet to be told. */
static void removed_while_told(struct fixture *fixture)
{
	struct ioasid_space *space = fixture->space;
	struct witness witness = { .notifier = { .notify = on_removal } };
	struct object *object;
	struct actor other;
	void *data;

	assert_int_equal(ioasid_space_register_notifier(space, NULL,
							&witness.notifier),
			 0);
	/* By another thread, later; at once; with the last reference. */
	for (unsigned int i = 0; i < 3; i++) {
		object = give(fixture, NULL, 7);
		witness.frees = 0;
		witness.data = &witness;
		if (i == 0) {
			actor_begin(&other);
			actor_start(&other, bind, fixture);
			wait_for(&witness.gate.reached);
		}
		if (i == 2)
			assert_int_equal(ioasid_space_get(space, NULL, 7), 0);
		assert_int_equal(ioasid_space_remove(space, NULL, 7, &data), 0);
		assert_ptr_equal(data, object);
		assert_int_equal(find(fixture, 7), -ENOENT);
		ioasid_rcu_thread_offline(fixture->rcu);
		assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
		free(object);
		if (i == 0) {
			assert_int_equal(witness.frees, 0);
			ioasid_store_release(&witness.gate.open, 1);
			actor_end(&other);
		}
		ioasid_rcu_thread_online(fixture->rcu);
		if (i == 2)
			assert_int_equal(ioasid_space_put(space, 7), 1);
		assert_int_equal(witness.frees, 1);
		assert_null(witness.data);
	}
	assert_int_equal(
		ioasid_space_unregister_notifier(space, &witness.notifier), 0);
}

/* In a handler it waits its turn, with memory for that or without. */
static void deferred_in_handlers(struct fixture *fixture)
{
	struct listener listener;
	struct object *first;

	for (int i = 0; i < 2; i++) {
		ioasid_store_relaxed(&freed, 0);
		listen(&listener, fixture);
		first = give(fixture, NULL, 7);
		listener.then = give(fixture, NULL, 8);
		fixture->memory.fail_all = i;
		assert_int_equal(ioasid_space_free_deferred(fixture->space, 7,
							    &first->rcu,
							    free_object),
				 0);
		fixture->memory.fail_all = false;
		assert_int_equal(listener.frees, 2);
		assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
		assert_int_equal(ioasid_load_relaxed(&freed), 2);
		delist(&listener);
		assert_int_equal(counts(fixture).pending, 0);
	}
}

/* All of it at once: objects come and go, and are looked at. */

enum { STRESS_IDS = 12 };

struct stress {
	struct fixture *fixture;
	ioasid_atomic_u32 end, found;
	uint32_t made, steps;
	unsigned int seed;
};

static void stress_reader(void *arg)
{
	struct stress *stress = arg;
	struct fixture *fixture = stress->fixture;
	ioasid_t id = 0;
	void *data;

	CHECK(!ioasid_rcu_thread_register(fixture->rcu));
	while (!ioasid_load_acquire(&stress->end)) {
		ioasid_rcu_read_lock(fixture->rcu);
		id = (id + 1) % STRESS_IDS;
		if (!ioasid_space_find_rcu(fixture->space, NULL, id, &data)) {
			check_object(data, id);
			ioasid_fetch_add_acq_rel(&stress->found, 1);
		}
		ioasid_rcu_read_unlock(fixture->rcu);
		ioasid_rcu_quiescent(fixture->rcu);
	}
	ioasid_rcu_thread_unregister(fixture->rcu);
}

static void stress_host_inside(struct stress *stress, ioasid_t id)
{
	struct object *object;
	void *data;

	if (ioasid_space_remove(stress->fixture->space, NULL, id, &data))
		return;
	object = data;
	check_object(object, id);
	CHECK(!ioasid_rcu_defer(stress->fixture->rcu, &object->rcu,
				free_object));
}

static ioasid_t stress_alloc(ioasid_t min, ioasid_t max, void *data)
{
	struct stress *stress = data;

	(void)max;
	/* One in use is refused, and not handed back. */
	stress_host_inside(stress, (min + 5) % STRESS_IDS);
	return min;
}

static void stress_free(ioasid_t id, void *data)
{
	struct stress *stress = data;

	/* It is found until this returns, or nobody finds it. */
	stress_host_inside(stress, (id + 7) % STRESS_IDS);
}

static void stress_worker(void *arg)
{
	struct stress *stress = arg;
	struct fixture *fixture = stress->fixture;
	struct ioasid_space *space = fixture->space;
	struct test_random random = { stress->seed };
	struct object *object;
	ioasid_t id, given;
	void *data;
	int ret;

	CHECK(!ioasid_rcu_thread_register(fixture->rcu));
	for (uint32_t n = 0; n < stress->steps; n++) {
		ioasid_rcu_quiescent(fixture->rcu);
		id = test_below(&random, STRESS_IDS);
		if (test_below(&random, 2)) {
			object = object_of(id);
			ret = ioasid_space_alloc(space, NULL, id, id, object,
						 &given);
			if (ret)
				free(object);
			else
				stress->made++;
			continue;
		}
		switch (test_below(&random, 3)) {
		case 0:
			CHECK(ioasid_space_notify(space, id, IOASID_EVENT_BIND,
						  NULL) != -EINVAL);
			break;
		case 1:
			if (!ioasid_space_remove(space, NULL, id, &data)) {
				object = data;
				check_object(object, id);
				CHECK(!ioasid_rcu_defer(fixture->rcu,
							&object->rcu,
							free_object));
			}
			break;
		default:
			/* As long as it is ours: nobody else frees it then. */
			ioasid_rcu_read_lock(fixture->rcu);
			if (!ioasid_space_get(space, NULL, id))
				ioasid_space_put(space, id);
			ioasid_rcu_read_unlock(fixture->rcu);
			break;
		}
	}
	ioasid_rcu_thread_unregister(fixture->rcu);
}

static void stress_notice(struct ioasid_notifier *notifier,
			  const struct ioasid_notice *notice)
{
	(void)notifier;
	if (notice->event == IOASID_EVENT_FREE)
		return;
	(void)notice;
}

static void run_stress(struct fixture *fixture, bool watched, bool hosted)
{
	enum { WORKERS = 2 };
	struct stress stress[WORKERS], reads = { .fixture = fixture };
	struct ioasid_notifier notifier = { .notify = stress_notice };
	struct ioasid_allocator_ops ops = { .alloc = stress_alloc,
					    .free = stress_free,
					    .pdata = &reads };
	struct actor reader, worker[WORKERS];
	double end = test_now() + TOO_LONG;
	uint32_t made = 0, rest = 0;
	unsigned int i;
	void *data;

	ioasid_store_relaxed(&freed, 0);
	if (watched)
		CHECK(!ioasid_space_register_notifier(fixture->space, NULL,
						      &notifier));
	if (hosted)
		CHECK(!ioasid_space_register_allocator(fixture->space, &ops));
	actor_begin(&reader);
	actor_start(&reader, stress_reader, &reads);
	memset(stress, 0, sizeof(stress));
	for (i = 0; i < WORKERS; i++) {
		stress[i].fixture = fixture;
		stress[i].seed = i + 1;
		stress[i].steps = TEST_LIGHT ? 3000 : 10000;
		actor_begin(&worker[i]);
	}
	ioasid_rcu_thread_offline(fixture->rcu);
	do {
		CHECK(test_now() < end);
		for (i = 0; i < WORKERS; i++)
			actor_start(&worker[i], stress_worker, &stress[i]);
		for (i = 0; i < WORKERS; i++)
			while (!actor_done(&worker[i], 1))
				CHECK(test_now() < end);
	} while (ioasid_load_relaxed(&reads.found) < 1000);
	for (i = 0; i < WORKERS; i++)
		actor_end(&worker[i]);
	ioasid_store_release(&reads.end, 1);
	actor_end(&reader);
	ioasid_rcu_thread_online(fixture->rcu);
	for (ioasid_t id = 0; id < STRESS_IDS; id++) {
		if (ioasid_space_remove(fixture->space, NULL, id, &data))
			continue;
		check_object(data, id);
		free(data);
		rest++;
	}
	for (i = 0; i < WORKERS; i++)
		made += stress[i].made;
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
	/* Hidden in what remove did inside of hand-backs. */
	assert_int_equal(ioasid_load_relaxed(&freed) + rest, made);
	assert_int_equal(counts(fixture).committed, 0);
	if (watched)
		CHECK(!ioasid_space_unregister_notifier(fixture->space,
							&notifier));
	if (hosted)
		CHECK(!ioasid_space_unregister_allocator(
			fixture->space, &ops, IOASID_UNREGISTER_IDLE));
}

static void stress_plain(struct fixture *fixture)
{
	run_stress(fixture, false, false);
}

static void stress_watched(struct fixture *fixture)
{
	run_stress(fixture, true, false);
}

static void stress_hosted(struct fixture *fixture)
{
	run_stress(fixture, false, true);
}

static void stress_both(struct fixture *fixture)
{
	run_stress(fixture, true, true);
}

int main(void)
{
	static const struct test_case cases[] = {
		CASE(removed, PER_STORE),
		CASE(removed_null, PER_STORE),
		CASE(removed_to_quarantine, PER_STORE | NO_SPACE),
		CASE(removed_foreign, PER_STORE),
		CASE(removers_race, PER_STORE | THREADS),
		CASE(free_all, PER_STORE | PER_FLAVOUR),
		CASE(free_all_told, PER_STORE),
		CASE(free_all_handed_back, PER_STORE),
		CASE(deferred_in_callbacks, PER_STORE | THREADS),
		CASE(deferred_and_handed_back, PER_STORE),
		CASE(deferred_while_told, PER_STORE | PER_FLAVOUR | THREADS),
		CASE(removed_while_told, PER_STORE | PER_FLAVOUR | THREADS),
		CASE(deferred_in_handlers, PER_STORE | PER_FLAVOUR),
		CASE(stress_plain, PER_STORE | PER_FLAVOUR | THREADS),
		CASE(stress_watched, PER_STORE | PER_FLAVOUR | THREADS),
		CASE(stress_hosted, PER_STORE | PER_FLAVOUR | THREADS),
		CASE(stress_both, PER_STORE | PER_FLAVOUR | THREADS),
	};

	return test_run("ends", cases, ARRAY_SIZE(cases));
}
