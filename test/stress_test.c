/* SPDX-License-Identifier: MIT */
/*
 * IDs move between sets, or from use to use, flat out while others look them up
 * by ID, handle and name, hold references and walk. What a pointer leads to says whose it is and whether it may still
 * be looked at. --seconds S for each run.
 */
#include "test/fixture.h"

#include <sched.h>

#include <ioasid/set.h>

enum {
	/* moved between sets all the time */
	HOT = 64,
	/* come and go in waves, so that stores grow and shrink */
	WAVE_FIRST = 1000,
	WAVE = 3000,
	/* live from beginning to end, in between the others */
	STEADY = 40,
	STEADY_STEP = 101,
	SETS = 3,
	READERS = 2,
	WRITERS = 2,
	RANGE = 1 << 16,
	/* of the first set: used over and over, by handle and by name */
	TURN_FIRST = 300,
	TURNS = 8,
	NAMES = 4,
};

enum { ALIVE = 0x600d0b1e, POISON = 0xdeadbeef - 0x80000000 };

struct object {
	struct ioasid_rcu_head head;
	struct stress *stress;
	/* given back; all there are */
	struct object *next, *all;
	ioasid_atomic_u32 canary, set, id, use;
	/* of uses by handle and name: the ID has its next; had @name, and when */
	ioasid_atomic_u32 over, name;
	ioasid_atomic_u64 handle, from, until;
};

/* What is broken on purpose, to see it caught. */
enum fault {
	NO_FAULT,
	/* a lookup that does not look at the state again */
	NO_RECHECK,
	/* memory given back at once */
	NO_GRACE,
	/* an ID handed out again while references are held */
	NO_REFERENCE,
	/* a walk that leaves IDs out */
	NO_VISIT,
	/* a reference to whatever use */
	NO_HANDLE,
	/* a name that is not looked at twice */
	NO_SECOND_LOOK,
};

struct stress {
	struct fixture fixture;
	struct ioasid_space *space;
	struct ioasid_rcu *rcu;
	struct ioasid_set set[SETS];
	enum fault fault;
	ioasid_atomic_u32 stop, faults, uses;
	ioasid_atomic_ptr what;
	ioasid_atomic_u64 lookups, moves, held, walks, named, clock;
	ioasid_atomic_u64 handle[TURNS];
	pthread_mutex_t mutex;
	struct object *pool, *all;
};

struct worker {
	struct stress *stress;
	unsigned int number;
	struct test_random random;
};

static double seconds = TEST_LIGHT ? 0.3 : 0.2;

static void report(struct stress *stress, const char *what)
{
	ioasid_store_release(&stress->what, (void *)(uintptr_t)what);
	ioasid_fetch_add_acq_rel(&stress->faults, 1);
	/* A control has shown what it is there for. */
	ioasid_store_release(&stress->stop, 1);
}

static bool running(struct stress *stress)
{
	return !ioasid_load_relaxed(&stress->stop);
}

/*
 * Plain accesses, for the race detector to see what the library orders; but
 * where a fault is planted races are the point, and not the detector's.
 */
static uint32_t peek(const struct stress *stress,
		     const ioasid_atomic_u32 *field)
{
	return stress->fault ? ioasid_load_relaxed(field) : field->v;
}

static void poke(const struct stress *stress, ioasid_atomic_u32 *field,
		 uint32_t value)
{
	if (stress->fault)
		ioasid_store_relaxed(field, value);
	else
		field->v = value;
}

static struct object *object_new(struct stress *stress, uint32_t set,
				 ioasid_t id, uint32_t use)
{
	struct object *object;

	pthread_mutex_lock(&stress->mutex);
	object = stress->pool;
	if (object)
		stress->pool = object->next;
	if (!object) {
		object = calloc(1, sizeof(*object));
		CHECK(object);
		object->all = stress->all;
		stress->all = object;
	}
	pthread_mutex_unlock(&stress->mutex);
	object->stress = stress;
	poke(stress, &object->set, set);
	poke(stress, &object->id, id);
	poke(stress, &object->use, use);
	ioasid_store_relaxed(&object->over, 0);
	ioasid_store_relaxed(&object->handle, 0);
	ioasid_store_relaxed(&object->from, 0);
	ioasid_store_relaxed(&object->until, 0);
	poke(stress, &object->canary, ALIVE);
	return object;
}

/* After a grace period nobody looks at it any more. */
static void object_retire(struct ioasid_rcu_head *head)
{
	struct object *object = (struct object *)head;
	struct stress *stress = object->stress;

	poke(stress, &object->canary, (uint32_t)POISON);
	poke(stress, &object->set, UINT32_MAX);
	poke(stress, &object->use, 0);
	pthread_mutex_lock(&stress->mutex);
	object->next = stress->pool;
	stress->pool = object;
	pthread_mutex_unlock(&stress->mutex);
}

static void enter(struct worker *worker)
{
	CHECK(!ioasid_rcu_thread_register(worker->stress->rcu));
}

static void leave(struct worker *worker)
{
	CHECK(!ioasid_rcu_thread_unregister(worker->stress->rcu));
}

static void deferred(struct stress *stress, int ret)
{
	/* At the limit an online thread of qsbr has to make room itself. */
	CHECK(ret == -EAGAIN);
	ioasid_rcu_quiescent(stress->rcu);
	CHECK(!ioasid_rcu_barrier(stress->rcu));
}

static void retire(struct stress *stress, struct object *object)
{
	int ret;

	while ((ret = ioasid_rcu_defer(stress->rcu, &object->head,
				       object_retire)))
		deferred(stress, ret);
}

/* Frees @id, its object with it. */
static void drop(struct stress *stress, ioasid_t id)
{
	void *data;
	int ret;

	ioasid_rcu_read_lock(stress->rcu);
	ret = ioasid_space_find_rcu(stress->space, NULL, id, &data);
	ioasid_rcu_read_unlock(stress->rcu);
	if (ret == -ENOENT)
		return;
	CHECK(!ret);
	if (stress->fault == NO_REFERENCE)
		while (ioasid_space_put(stress->space, id) == 0)
			;
	if (stress->fault == NO_REFERENCE || stress->fault == NO_GRACE) {
		ret = ioasid_space_free(stress->space, id);
		if (stress->fault == NO_GRACE)
			object_retire(&((struct object *)data)->head);
		return;
	}
	for (;;) {
		ret = ioasid_space_free_deferred(stress->space, id,
						 &((struct object *)data)->head,
						 object_retire);
		if (!ret)
			break;
		deferred(stress, ret);
	}
}

static void give(struct stress *stress, uint32_t set, ioasid_t id)
{
	uint32_t use = ioasid_fetch_add_acq_rel(&stress->uses, 1) + 1;
	struct object *object = object_new(stress, set, id, use);
	ioasid_t given;
	int ret = ioasid_space_alloc(stress->space, &stress->set[set], id, id,
				     object, &given);

	/* Still referenced, or waiting for its turn. */
	if (ret == -ENOSPC || ret == -EAGAIN)
		object_retire(&object->head);
	else
		CHECK(!ret && given == id);
}

static void replace(struct stress *stress, ioasid_t id)
{
	struct object *old = NULL, *object;
	void *data;
	int ret;

	ioasid_rcu_read_lock(stress->rcu);
	ret = ioasid_space_find_rcu(stress->space, NULL, id, &data);
	if (!ret) {
		old = data;
		object = object_new(stress, peek(stress, &old->set), id,
				    peek(stress, &old->use));
		CHECK(!ioasid_space_exchange_data(stress->space, id, object,
						  &data));
		CHECK(data == old);
	}
	ioasid_rcu_read_unlock(stress->rcu);
	if (!ret)
		retire(stress, old);
}

static ioasid_t steady_id(unsigned int i)
{
	return 500 + i * STEADY_STEP;
}

static bool is_steady(ioasid_t id)
{
	return (id - 500) % STEADY_STEP == 0 && id <= steady_id(STEADY - 1);
}

/* Each writer has IDs of its own, so it knows whose they are. */
static void *write_ids(void *arg)
{
	struct worker *worker = arg;
	struct stress *stress = worker->stress;
	ioasid_t wave = 0, id;
	uint64_t moves = 0;

	enter(worker);
	while (running(stress)) {
		id = test_below(&worker->random, HOT / WRITERS) * WRITERS +
		     worker->number;
		if (stress->fault || test_below(&worker->random, 8)) {
			drop(stress, id);
			give(stress, test_below(&worker->random, SETS), id);
		} else {
			replace(stress, id);
		}
		moves++;
		/* Up and down again, a step at each move. */
		id = WAVE_FIRST + wave % WAVE * WRITERS + worker->number;
		if (stress->fault == NO_FAULT && !is_steady(id)) {
			if (wave / WAVE % 2)
				drop(stress, id);
			else
				give(stress, wave % SETS, id);
		}
		wave++;
		ioasid_rcu_quiescent(stress->rcu);
	}
	leave(worker);
	ioasid_fetch_add_acq_rel(&stress->moves, moves);
	return NULL;
}

/* The order of ioasid_slot_read() without its second look at the state. */
static int reckless_find(const struct ioasid_space *space,
			 const struct ioasid_set *set, ioasid_t id, void **data)
{
	const struct ioasid_slot *slot = ioasid_store_find(&space->store, id);
	ioasid_state_t state;

	if (!slot)
		return -ENOENT;
	state = ioasid_load_acquire(&slot->state);
	if (!(state & IOASID_STATE_LIVE))
		return -ENOENT;
	if (ioasid_state_set(state) != ioasid_set_index(space, set))
		return -EACCES;
	sched_yield();
	*data = ioasid_load_acquire(&slot->private_data);
	return 0;
}

static void expect_object(struct stress *stress, const struct object *object,
			  uint32_t set, ioasid_t id)
{
	/* A vacant slot may hold an ID instead. */
	if ((uintptr_t)object < RANGE || (uintptr_t)object == INVALID_IOASID)
		report(stress, "a pointer of no set");
	else if (peek(stress, &object->canary) != ALIVE)
		report(stress, "memory given back was found");
	else if (peek(stress, &object->set) != set)
		report(stress, "a pointer of another set");
	else if (peek(stress, &object->id) != id)
		report(stress, "a pointer of another ID");
}

static void *read_ids(void *arg)
{
	struct worker *worker = arg;
	struct stress *stress = worker->stress;
	uint64_t lookups = 0;
	unsigned int i;

	enter(worker);
	while (running(stress)) {
		uint32_t set = test_below(&worker->random, SETS);
		struct object *seen[8];
		ioasid_t ids[8];

		ioasid_rcu_read_lock(stress->rcu);
		for (i = 0; i < 8; i++, lookups++) {
			void *data = NULL;
			int ret;

			ids[i] = test_below(&worker->random, HOT);
			if (i == 7 && !stress->fault)
				ids[i] =
					WAVE_FIRST + test_below(&worker->random,
								WAVE * WRITERS);
			ret = (stress->fault == NO_RECHECK ?
				       reckless_find :
				       ioasid_space_find_rcu)(stress->space,
							      &stress->set[set],
							      ids[i], &data);
			seen[i] = ret ? NULL : data;
			if (!ret)
				expect_object(stress, data, set, ids[i]);
			else if (ret != -ENOENT && ret != -EACCES)
				report(stress, "an unknown result");
		}
		if (stress->fault == NO_GRACE)
			sched_yield();
		/* All of them stay until the section ends. */
		for (i = 0; i < 8 && running(stress); i++)
			if (seen[i])
				expect_object(stress, seen[i], set, ids[i]);
		ioasid_rcu_read_unlock(stress->rcu);
		ioasid_rcu_quiescent(stress->rcu);
	}
	leave(worker);
	ioasid_fetch_add_acq_rel(&stress->lookups, lookups);
	return NULL;
}

/* The use an ID is in, or 0 if it is not found. */
static uint32_t use_of(struct stress *stress, ioasid_t id)
{
	uint32_t use = 0;
	void *data;

	ioasid_rcu_read_lock(stress->rcu);
	if (!ioasid_space_find_rcu(stress->space, NULL, id, &data))
		use = peek(stress, &((struct object *)data)->use);
	ioasid_rcu_read_unlock(stress->rcu);
	return use;
}

/* While a reference is held an ID does not come back for another use. */
static void *hold_ids(void *arg)
{
	struct worker *worker = arg;
	struct stress *stress = worker->stress;
	uint64_t held = 0;
	unsigned int i;

	enter(worker);
	while (running(stress)) {
		uint32_t set = test_below(&worker->random, SETS), use, now;
		ioasid_t id = test_below(&worker->random, HOT);
		bool gone = false;
		int ret =
			ioasid_space_get(stress->space, &stress->set[set], id);

		if (!ret) {
			held++;
			use = use_of(stress, id);
			for (i = 0; i < 6; i++) {
				if (i % 2 && (stress->fault || held % 16 == 0))
					sched_yield();
				now = use_of(stress, id);
				gone |= !now;
				if (now && (gone || now != use))
					report(stress,
					       "an ID was reused while held");
			}
			ret = ioasid_space_put(stress->space, id);
			if (ret < 0 && stress->fault != NO_REFERENCE)
				report(stress, "a reference was lost");
		} else if (ret != -ENOENT && ret != -EACCES && ret != -EBUSY) {
			report(stress, "an unknown result of get");
		}
		ioasid_rcu_quiescent(stress->rcu);
	}
	leave(worker);
	ioasid_fetch_add_acq_rel(&stress->held, held);
	return NULL;
}

struct walk {
	struct stress *stress;
	ioasid_t next;
	unsigned int steady;
};

static int on_id(ioasid_t id, void *data, void *arg)
{
	struct object *object = data;
	struct walk *walk = arg;

	if (id < walk->next)
		report(walk->stress, "a walk that does not ascend");
	walk->next = id + 1;
	if (peek(walk->stress, &object->canary) != ALIVE)
		report(walk->stress, "memory given back was visited");
	if (walk->steady < STEADY && id == steady_id(walk->steady))
		walk->steady++;
	return 0;
}

static void *walk_ids(void *arg)
{
	struct worker *worker = arg;
	struct stress *stress = worker->stress;

	enter(worker);
	while (running(stress)) {
		struct walk walk = { stress, 0, 0 };

		CHECK(!ioasid_space_for_each(stress->space, NULL, 0,
					     INVALID_IOASID, on_id, &walk));
		if (walk.steady != STEADY)
			report(stress, "a walk that left out an ID");
		ioasid_fetch_add_acq_rel(&stress->walks, 1);
		ioasid_rcu_quiescent(stress->rcu);
		test_sleep(0.001);
		ioasid_rcu_quiescent(stress->rcu);
	}
	leave(worker);
	return NULL;
}

static uint64_t now(struct stress *stress)
{
	return ioasid_fetch_add_acq_rel(&stress->clock, 1) + 1;
}

static void give_name(struct stress *stress, struct object *object, ioasid_t id,
		      ioasid_t name)
{
	int ret;

	if (ioasid_load_relaxed(&object->from))
		return;
	ioasid_store_relaxed(&object->name, name);
	ioasid_store_relaxed(&object->from, now(stress));
	ret = ioasid_spid_attach(stress->space, id, name);
	CHECK(!ret || ret == -EEXIST || ret == -EAGAIN);
	if (ret)
		ioasid_store_relaxed(&object->from, 0);
}

static void take_name(struct stress *stress, struct object *object, ioasid_t id)
{
	if (!ioasid_load_relaxed(&object->from) ||
	    ioasid_load_relaxed(&object->until))
		return;
	CHECK(!ioasid_spid_detach(stress->space, id));
	ioasid_store_relaxed(&object->until, now(stress));
}

static void end_use(struct stress *stress, struct object *object, ioasid_t id,
		    uint32_t how)
{
	int ret;

	if (how == 0) {
		/* The last holder ends it, and may be another. */
		ret = ioasid_space_put(stress->space, id);
		CHECK(ret == 0 || ret == 1);
		return;
	}
	CHECK(!(how == 1 ? ioasid_space_free(stress->space, id) :
			   ioasid_space_free_handle(
				   stress->space,
				   ioasid_load_relaxed(&object->handle))));
	if (!ioasid_load_relaxed(&object->until))
		ioasid_store_relaxed(&object->until, now(stress));
}

/* @last is the object of the use before, which has ended, or NULL. */
static struct object *next_use(struct stress *stress, struct object *last,
			       ioasid_t id)
{
	struct object *object = object_new(stress, 0, id, 0);
	ioasid_handle_t handle;
	ioasid_t given;
	int ret = ioasid_space_alloc(stress->space, &stress->set[0], id, id,
				     object, &given);

	if (ret) {
		CHECK(ret == -ENOSPC || ret == -EAGAIN);
		object_retire(&object->head);
		return NULL;
	}
	if (last) {
		ioasid_store_release(&last->over, 1);
		if (!ioasid_load_relaxed(&last->until))
			ioasid_store_relaxed(&last->until, now(stress));
		retire(stress, last);
	}
	CHECK(!ioasid_space_handle(stress->space, &stress->set[0], id,
				   &handle));
	ioasid_store_release(&object->handle, handle);
	ioasid_store_release(&stress->handle[id - TURN_FIRST], handle);
	return object;
}

/* Writers have IDs and names of their own here, too. */
static void *turn_ids(void *arg)
{
	struct worker *worker = arg;
	struct stress *stress = worker->stress;
	struct object *current[TURNS] = { NULL }, *next;
	bool ended[TURNS] = { false };
	uint64_t moves = 0;

	enter(worker);
	while (running(stress)) {
		uint32_t i =
			test_below(&worker->random, TURNS / WRITERS) * WRITERS +
			worker->number;
		uint32_t name =
			test_below(&worker->random, NAMES / WRITERS) * WRITERS +
			worker->number;
		uint32_t what = test_below(&worker->random, 6);
		ioasid_t id = TURN_FIRST + i;

		if (current[i] && !ended[i]) {
			if (what < 2) {
				give_name(stress, current[i], id, name);
			} else if (what == 2) {
				take_name(stress, current[i], id);
			} else {
				end_use(stress, current[i], id, what - 3);
				ended[i] = true;
			}
		}
		if (!current[i] || ended[i]) {
			next = next_use(stress, current[i], id);
			if (next) {
				current[i] = next;
				ended[i] = false;
			}
		}
		moves++;
		ioasid_rcu_quiescent(stress->rcu);
	}
	leave(worker);
	ioasid_fetch_add_acq_rel(&stress->moves, moves);
	return NULL;
}

/* Is a handle found, and as what? */
static void look_at_use(struct stress *stress, ioasid_handle_t handle,
			bool held)
{
	const struct object *object;
	ioasid_handle_t known;
	void *data;
	int ret;

	ioasid_rcu_read_lock(stress->rcu);
	ret = ioasid_space_find_handle_rcu(stress->space, &stress->set[0],
					   handle, &data);
	if (!ret) {
		object = data;
		known = ioasid_load_acquire(&object->handle);
		expect_object(stress, object, 0, ioasid_handle_id(handle));
		if (known && known != handle)
			report(stress, "another use by its handle");
		if (held && ioasid_load_acquire(&object->over))
			report(stress, "an ID was reused while held");
	} else if (ret != -ENOENT && (held || ret != -ESTALE)) {
		report(stress, "a reference to another use");
	}
	ioasid_rcu_read_unlock(stress->rcu);
}

static void *hold_uses(void *arg)
{
	struct worker *worker = arg;
	struct stress *stress = worker->stress;
	uint64_t held = 0;
	unsigned int i;
	int ret;

	enter(worker);
	while (running(stress)) {
		uint32_t which = test_below(&worker->random, TURNS);
		ioasid_handle_t handle =
			ioasid_load_acquire(&stress->handle[which]);

		if (stress->fault == NO_HANDLE) {
			sched_yield();
			ret = ioasid_space_get(stress->space, &stress->set[0],
					       TURN_FIRST + which);
		} else {
			ret = ioasid_space_get_handle(stress->space,
						      &stress->set[0], handle);
		}
		if (ret && ret != -ENOENT && ret != -EBUSY && ret != -ESTALE)
			report(stress, "an unknown result of get");
		if (handle)
			look_at_use(stress, handle, !ret);
		for (i = 0; !ret && i < 4; i++) {
			if (held % 16 == 0)
				sched_yield();
			if (handle)
				look_at_use(stress, handle, true);
		}
		if (!ret) {
			if (!held++)
				ioasid_fetch_add_acq_rel(&stress->held, 1);
			ret = ioasid_space_put(stress->space,
					       TURN_FIRST + which);
			if (ret < 0)
				report(stress, "a reference was lost");
		}
		ioasid_rcu_quiescent(stress->rcu);
	}
	leave(worker);
	ioasid_fetch_add_acq_rel(&stress->held, held);
	return NULL;
}

/* What is found by a name had it at some moment of the lookup. */
static void *find_names(void *arg)
{
	struct worker *worker = arg;
	struct stress *stress = worker->stress;
	uint64_t named = 0;

	enter(worker);
	while (running(stress)) {
		ioasid_t name = test_below(&worker->random, NAMES), id;
		uint64_t begin = now(stress), until;
		const struct object *object;
		void *data;
		int ret;

		ioasid_rcu_read_lock(stress->rcu);
		ret = ioasid_spid_find(stress->space, &stress->set[0], name,
				       NULL, &id, &data);
		if (!ret && stress->fault == NO_SECOND_LOOK) {
			sched_yield();
			ret = ioasid_space_find_rcu(stress->space,
						    &stress->set[0], id, &data);
		}
		if (!ret) {
			object = data;
			/* The first is told at once; see run(). */
			if (!named++)
				ioasid_fetch_add_acq_rel(&stress->named, 1);
			expect_object(stress, object, 0, id);
			until = ioasid_load_relaxed(&object->until);
			if (!ioasid_load_relaxed(&object->from) ||
			    ioasid_load_relaxed(&object->name) != name ||
			    (until && until < begin))
				report(stress, "another use by its name");
		} else if (ret != -ENOENT) {
			report(stress, "an unknown result of a name");
		}
		ioasid_rcu_read_unlock(stress->rcu);
		ioasid_rcu_quiescent(stress->rcu);
	}
	leave(worker);
	ioasid_fetch_add_acq_rel(&stress->named, named);
	return NULL;
}

static size_t short_occupied(const struct ioasid_store *store, ioasid_t min,
			     ioasid_t max, ioasid_t *ids, size_t count)
{
	size_t found = array_store_ops.occupied(store, min, max, ids, count);

	return found && found < count ? found - 1 : found;
}

static void set_up(struct stress *stress, const struct fixture *fixture,
		   enum fault fault)
{
	static struct ioasid_store_ops short_ops;
	struct ioasid_space_config config;
	unsigned int i;

	memset(stress, 0, sizeof(*stress));
	stress->fixture = *fixture;
	stress->fault = fault;
	CHECK(!pthread_mutex_init(&stress->mutex, NULL));
	test_memory_init(&stress->fixture.memory);
	fixture_rcu(&stress->fixture);
	fixture_space_config(&stress->fixture, &config, 0, RANGE - 1);
	if (fault == NO_VISIT) {
		short_ops = array_store_ops;
		short_ops.occupied = short_occupied;
		config.store = IOASID_STORE_CUSTOM;
		config.store_ops = &short_ops;
	}
	assert_int_equal(ioasid_space_create(&config, &stress->fixture.space),
			 0);
	stress->rcu = stress->fixture.rcu;
	stress->space = stress->fixture.space;
	for (i = 0; i < STEADY; i++)
		give(stress, i % SETS, steady_id(i));
	/* This thread sleeps from here on. */
	ioasid_rcu_thread_offline(stress->rcu);
}

static void tear_down(struct stress *stress)
{
	struct object *object;
	const char *reason = NULL;

	ioasid_rcu_thread_online(stress->rcu);
	if (!stress->fault && !ioasid_space_validate(stress->space, &reason))
		fail_msg("not valid: %s", reason);
	fixture_done(&stress->fixture);
	while ((object = stress->all)) {
		stress->all = object->all;
		free(object);
	}
	pthread_mutex_destroy(&stress->mutex);
	test_memory_done(&stress->fixture.memory);
}

enum { JOBS = 6 };

static void *(*const moving[JOBS])(void *) = { read_ids,  read_ids, write_ids,
					       write_ids, hold_ids, walk_ids };
static void *(*const turning[JOBS])(void *) = { turn_ids,   turn_ids,
						hold_uses,  hold_uses,
						find_names, find_names };

static unsigned long long count_of(const ioasid_atomic_u64 *count)
{
	return ioasid_load_relaxed(count);
}

/* Has what is rare, and is to be seen to do no harm, happened? */
static bool has_shown(const struct stress *stress,
		      void *(*const jobs[])(void *))
{
	if (jobs == moving)
		return count_of(&stress->walks);
	return count_of(&stress->held) && count_of(&stress->named);
}

/* What was caught within @limit seconds, or NULL. */
static const char *run(struct stress *stress, void *(*const jobs[])(void *),
		       double limit)
{
	struct worker worker[JOBS];
	pthread_t thread[JOBS];
	double end = test_now() + limit;
	size_t i;

	for (i = 0; i < JOBS; i++) {
		worker[i].stress = stress;
		worker[i].number = i % WRITERS;
		worker[i].random.state = i + 1;
		CHECK(!pthread_create(&thread[i], NULL, jobs[i], &worker[i]));
	}
	/* A machine may be slow, or names and IDs all wait for grace periods. */
	while (running(stress) &&
	       (test_now() < end ||
		(test_now() < end + TOO_LONG && !has_shown(stress, jobs))))
		test_sleep(0.005);
	ioasid_store_release(&stress->stop, 1);
	for (i = 0; i < JOBS; i++)
		CHECK(!pthread_join(thread[i], NULL));
	return ioasid_load_acquire(&stress->what);
}

static struct stress *run_clean(struct fixture *fixture,
				void *(*const jobs[])(void *))
{
	struct stress *stress = malloc(sizeof(*stress));
	const char *what;

	CHECK(stress);
	set_up(stress, fixture, NO_FAULT);
	what = run(stress, jobs, seconds);
	if (what)
		fail_msg("%s, %u times", what,
			 ioasid_load_relaxed(&stress->faults));
	return stress;
}

static void ids_move(struct fixture *fixture)
{
	struct stress *stress = run_clean(fixture, moving);

	print_message("%llu lookups, %llu moves, %llu held, %llu walks\n",
		      count_of(&stress->lookups), count_of(&stress->moves),
		      count_of(&stress->held), count_of(&stress->walks));
	/* Or nothing has been shown. */
	assert_true(count_of(&stress->lookups) > 0);
	assert_true(count_of(&stress->moves) > 0);
	assert_true(count_of(&stress->walks) > 0);
	tear_down(stress);
	free(stress);
}

static void uses_turn(struct fixture *fixture)
{
	struct stress *stress = run_clean(fixture, turning);

	print_message("%llu moves, %llu held, %llu named\n",
		      count_of(&stress->moves), count_of(&stress->held),
		      count_of(&stress->named));
	assert_true(count_of(&stress->moves) > 0);
	assert_true(count_of(&stress->held) > 0);
	assert_true(count_of(&stress->named) > 0);
	tear_down(stress);
	free(stress);
}

static void faults_are_caught(struct fixture *fixture)
{
	static const struct {
		enum fault fault;
		void *(*const *jobs)(void *);
		const char *what;
	} faults[] = {
		{ NO_RECHECK, moving, "a pointer of " },
		/* Given back, or in use again by now. */
		{ NO_GRACE, moving, "" },
		{ NO_REFERENCE, moving, "an ID was reused while held" },
		{ NO_VISIT, moving, "a walk that left out an ID" },
		{ NO_HANDLE, turning, "a reference to another use" },
		{ NO_SECOND_LOOK, turning, "another use by its name" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(faults); i++) {
		struct stress *stress = malloc(sizeof(*stress));
		const char *what;

		CHECK(stress);
		set_up(stress, fixture, faults[i].fault);
		what = run(stress, faults[i].jobs, TOO_LONG);
		assert_non_null(what);
		print_message("%s\n", what);
		assert_memory_equal(what, faults[i].what,
				    strlen(faults[i].what));
		tear_down(stress);
		free(stress);
	}
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		CASE(ids_move,
		     PER_STORE | PER_FLAVOUR | THREADS | NO_SPACE | NO_RCU),
		CASE(uses_turn,
		     PER_STORE | PER_FLAVOUR | THREADS | NO_SPACE | NO_RCU),
		CASE(faults_are_caught, NO_SPACE | NO_RCU),
	};

	if (argc == 3 && !strcmp(argv[1], "--seconds")) {
		seconds = strtod(argv[2], NULL);
	} else if (argc != 1) {
		fprintf(stderr, "usage: %s [--seconds S]\n", argv[0]);
		return 2;
	}
	return test_run("stress", cases, ARRAY_SIZE(cases));
}
