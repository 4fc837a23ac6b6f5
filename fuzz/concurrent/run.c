/* SPDX-License-Identifier: MIT */

/* Runs a program, keeps its history, and looks at what can be seen meanwhile. */

#include "fuzz/concurrent/history.h"
#include "fuzz/target.h"

#include <ioasid/ioasid.h>

#include "core/space/base.h"
#include "core/space/owner.h"
#include "core/store/generation.h"

#include <string.h>

#define CONCURRENT_CALL_NAME(name) #name,
const char *const concurrent_call_names[] = { CONCURRENT_CALLS(
	CONCURRENT_CALL_NAME) };

#define CELLS 256
#define DEFERRED 256
#define HANDLES 4
#define FOUND 64
#define REFS 16
#define CROWD IOASID_RCU_READERS
/* Sets of the program; those of OWN_SET come after. */
#define SETS 4

/* What private pointers point to. */
struct cell {
	unsigned int set;
	bool any_set, retired, freed;
};

struct deferred {
	struct ioasid_rcu_head head;
	/* sections that began before have to end before; when it was taken */
	uint32_t since, queued;
	struct cell *cell;
	bool called;
};

struct actor {
	/* may hold pointers, and since when at the latest */
	bool open, getting;
	uint32_t since, getting_since;
	unsigned int depth, found;
	struct cell *cell[FOUND];
	unsigned int refs;
	ioasid_t ref[REFS];
	ioasid_t cursor;
};

/* A notifier that comes and goes. */
struct watcher {
	struct ioasid_notifier notifier;
	bool registered;
	/* the program's again: no call of it runs, or comes */
	bool back;
	unsigned int set;
};

struct told {
	unsigned int allocs, frees;
	bool alive, telling;
};

static struct history history;

static struct {
	const struct program *program;
	struct ioasid_rcu *rcu, *crowd[CROWD];
	struct ioasid_space *space;
	struct ioasid_set *set[SETS], bound_late;
	struct actor actor[VT_THREADS];
	struct cell cell[CELLS];
	unsigned int cells;
	struct deferred deferred[DEFERRED];
	unsigned int defers;
	ioasid_handle_t handle[HANDLES];
	uint64_t cookie[HANDLES];
	uint32_t cookie_since[HANDLES];
	/* those of OWN_SET, which may be gone */
	const struct ioasid_set *own_set[STEPS_MAX * VT_THREADS];
	unsigned int own_sets, shown_number;
	/* the last that came, until it goes: for sections of others */
	struct ioasid_set *shown;
	struct ioasid_notifier notifier;
	struct watcher watcher[VT_THREADS];
	struct told told[256];
	uint32_t reserved;
} run;

static struct actor *me(void)
{
	return &run.actor[vt_self()];
}

static bool qsbr(void)
{
	return run.program->flavour == IOASID_RCU_QSBR;
}

/* --- pointers, and who may hold them --- */

static struct cell *new_cell(unsigned int set, bool any_set)
{
	struct cell *cell = &run.cell[++run.cells];

	CHECK(run.cells < CELLS);
	*cell = (struct cell){ .set = set, .any_set = any_set };
	return cell;
}

static unsigned int number_of(const void *cell)
{
	if (!cell)
		return 0;
	CHECK((const struct cell *)cell > run.cell &&
	      (const struct cell *)cell <= &run.cell[run.cells]);
	return (unsigned int)((const struct cell *)cell - run.cell);
}

static void check_found(void)
{
	struct actor *actor = me();

	for (unsigned int i = 0; i < actor->found; i++)
		CHECK(!actor->cell[i]->freed);
}

static void opens(void)
{
	me()->open = true;
	me()->since = vt_time();
	me()->found = 0;
}

static void closes(void)
{
	check_found();
	me()->open = false;
	me()->found = 0;
}

/* A lookup with @set found it. */
static void finds(void *data, unsigned int set)
{
	struct actor *actor = me();
	struct cell *cell = data;

	number_of(cell);
	CHECK(!cell->freed || !(actor->open || actor->getting));
	CHECK(!set || cell->any_set || cell->set == set);
	if (actor->open && actor->found < FOUND)
		actor->cell[actor->found++] = cell;
}

/* A grace period has passed that began at @since or later. */
static void passes(uint32_t since)
{
	for (unsigned int i = 0; i < VT_THREADS; i++) {
		const struct actor *actor = &run.actor[i];

		CHECK(!actor->open || actor->since > since);
		CHECK(!actor->getting || actor->getting_since > since);
	}
}

static void retire(struct cell *cell)
{
	/* It was found by two that were to be told from each other. */
	CHECK(!cell->retired);
	cell->retired = true;
}

static void call_deferred(struct ioasid_rcu_head *head)
{
	struct deferred *deferred =
		ioasid_container_of(head, struct deferred, head);

	vt_point("call_deferred");
	passes(deferred->since);
	CHECK(!deferred->called);
	deferred->called = true;
	if (deferred->cell)
		deferred->cell->freed = true;
}

static struct deferred *new_deferred(struct cell *cell)
{
	struct deferred *deferred = &run.deferred[run.defers++];

	CHECK(run.defers < DEFERRED);
	*deferred = (struct deferred){ .since = vt_time(), .cell = cell };
	return deferred;
}

static void deferred_by(struct deferred *deferred, int ret)
{
	deferred->queued = vt_time();
	/* The caller's, who has no use for it. */
	if (ret)
		deferred->called = true;
}

/* What a call that is a quiescent state of its caller does around itself. */
static void rests(void)
{
	if (qsbr() && me()->open)
		closes();
}

static void rested(bool online)
{
	if (qsbr() && online)
		opens();
}

static bool get_cell(void *data)
{
	struct actor *actor = me();
	bool inner = actor->getting;

	if (!inner)
		actor->getting_since = vt_time();
	actor->getting = true;
	CHECK(!((struct cell *)data)->freed);
	vt_point("get_cell");
	CHECK(!((struct cell *)data)->freed);
	actor->getting = inner;
	return true;
}

/* --- records --- */

static struct record *begin(enum call call)
{
	struct record *record = &history.record[history.count++];

	CHECK(history.count < RECORDS_MAX);
	*record = (struct record){
		.call = call,
		.thread = vt_self(),
		.begin = vt_time(),
		.end = UINT32_MAX,
		.unbound = !run.bound_late.space.v,
	};
	return record;
}

/* What holds whenever nobody has the lock. */
static void check_now(void)
{
	const struct space *space = ioasid_to_space(run.space);
	const struct set_record *record;

	if (space->lock.held.v)
		return;
	CHECK(space->stats.committed <= space->stats.capacity);
	for (uint32_t i = 0; i < space->sets.used; i++) {
		record = space->sets.place[i].record;
		CHECK(!record || !record->quota ||
		      record->count <= record->quota);
	}
}

static int end(struct record *record, int ret)
{
	record->ret = ret;
	record->end = vt_time();
	check_now();
	return ret;
}

static ioasid_t id_of(uint8_t a)
{
	unsigned int ids = run.program->ids;

	/* Few are met more often than many. */
	if (a >= 64 && ids > 3)
		ids = 3;
	return history.min + a % ids;
}

static struct record *begin_id(enum call call, uint8_t a)
{
	struct record *record = begin(call);

	record->id = id_of(a);
	return record;
}

static struct ioasid_set *set_of(uint8_t b)
{
	return run.set[b % SETS];
}

static unsigned int set_number(const struct ioasid_set *set)
{
	for (unsigned int i = 1; i < SETS; i++)
		if (run.set[i] == set)
			return i;
	for (unsigned int i = 0; set && i < run.own_sets; i++)
		if (run.own_set[i] == set)
			return SETS + i;
	CHECK(!set);
	return 0;
}

/* Does the call run into nothing but what may be? */
static bool refusable(int ret)
{
	const struct program *program = run.program;

	if (ret == -ENOMEM)
		return vt_troubled();
	return ret == -EAGAIN &&
	       (program->retired_limit || program->pending_limit);
}

static bool alloc_refusable(int ret)
{
	if (ret == -EAGAIN && (run.program->quarantine || run.own_sets ||
			       IOASID_GENERATION_START != 0))
		return true;
	return refusable(ret);
}

/* --- calls --- */

static void range_of(struct record *record, uint8_t a)
{
	ioasid_t middle = history.min + (history.max - history.min) / 2;

	record->min = history.min;
	record->max = history.max;
	switch (a % 8) {
	case 5:
		record->max = middle;
		break;
	case 6:
		record->min = middle + (history.min != history.max);
		break;
	case 7:
		record->min = record->max =
			history.min + a / 8 % run.program->ids;
		break;
	default:
		break;
	}
}

static int alloc(enum call call, uint8_t a, struct ioasid_set *set,
		 unsigned int number, ioasid_t *id)
{
	struct record *record = begin(call);
	struct cell *cell = NULL;
	int ret;

	range_of(record, a);
	record->set = number;
	if (call != RESERVE_ID)
		cell = new_cell(number, false);
	record->cell = number_of(cell);
	*id = INVALID_IOASID;
	if (call == ALLOC)
		ret = ioasid_space_alloc(run.space, set, record->min,
					 record->max, cell, id);
	else if (call == RESERVE_ID)
		ret = ioasid_space_reserve_id(run.space, set, record->min,
					      record->max, id);
	else
		ret = ioasid_space_alloc_cyclic(run.space, set, record->min,
						record->max, cell,
						&me()->cursor, id);
	record->id = *id;
	record->number = ret == 1;
	end(record, ret > 0 ? 0 : ret);
	CHECK(ret != 1 || call == ALLOC_CYCLIC);
	CHECK(ret < 0 || (*id >= record->min && *id <= record->max));
	CHECK(ret >= 0 || ret == -ENOSPC || (ret == -EDQUOT && set) ||
	      alloc_refusable(ret));
	return record->ret;
}

static void run_own_set(const struct step *step)
{
	struct ioasid_set_config config = { .quota = 1 };
	unsigned int number = SETS + run.own_sets++;
	struct ioasid_set *set;
	struct record *record;
	ioasid_t id;
	void *data;
	int ret;

	config.token = (void *)(uintptr_t)number;
	ret = ioasid_set_create(run.space, &config, &set);
	CHECK(!ret || ret == -EAGAIN || refusable(ret));
	if (ret)
		return;
	run.own_set[number - SETS] = set;
	run.shown = set;
	run.shown_number = number;
	if (!alloc(ALLOC, step->a, set, number, &id)) {
		record = begin(FIND);
		record->id = id;
		record->set = number;
		ret = end(record, ioasid_space_find(run.space, set, id,
						    get_cell, &data));
		record->cell = number_of(data);
		if (!ret)
			finds(data, number);
		record = begin(FREE);
		record->id = id;
		end(record, ioasid_space_free(run.space, id));
	}
	if (run.shown == set)
		run.shown = NULL;
	ret = ioasid_set_destroy(run.space, set);
	/* Others may hold the ID still, or just end its life. */
	CHECK(!ret || ret == -EBUSY);
}

static void run_find(const struct step *step, bool handle)
{
	struct ioasid_set *set = set_of(step->b);
	struct record *record;
	ioasid_handle_t which = run.handle[step->a % HANDLES];
	void *data;
	int ret;

	if (handle && !which)
		return;
	record = begin_id(handle ? FIND_HANDLE : FIND, step->a);
	record->set = step->b % SETS;
	if (handle) {
		record->id = ioasid_handle_id(which);
		record->generation = ioasid_handle_generation(which);
		ret = ioasid_space_find_handle(run.space, set, which, get_cell,
					       &data);
	} else {
		ret = ioasid_space_find(run.space, set, record->id, get_cell,
					&data);
	}
	record->cell = number_of(data);
	end(record, ret);
	CHECK(!ret == !!data);
	if (!ret)
		CHECK(!record->set || ((struct cell *)data)->any_set ||
		      ((struct cell *)data)->set == record->set);
}

static void lock(void)
{
	ioasid_rcu_read_lock(run.rcu);
	if (!qsbr() && !me()->depth++)
		opens();
}

static void unlock(void)
{
	if (!qsbr() && !--me()->depth)
		closes();
	ioasid_rcu_read_unlock(run.rcu);
}

static void run_read(const struct step *step)
{
	unsigned int number = step->b % SETS;
	struct ioasid_set *set = set_of(step->b);
	struct record *record;
	void *data;

	lock();
	if (step->call == READ_OWN_SET) {
		set = run.shown;
		number = run.shown_number;
	}
	for (unsigned int i = 0; i <= step->c % 3; i++) {
		if (step->call == READ_OWN_SET && !set)
			break;
		record = begin_id(FIND, (uint8_t)(step->a + i));
		record->set = number;
		end(record,
		    ioasid_space_find_rcu(run.space, set, record->id, &data));
		record->cell = number_of(data);
		CHECK(!record->ret == !!data);
		if (!record->ret)
			finds(data, record->set);
	}
	unlock();
}

static void holds(ioasid_t id)
{
	struct actor *actor = me();

	if (actor->refs < REFS)
		actor->ref[actor->refs++] = id;
}

static void put(ioasid_t id)
{
	struct record *record = begin(PUT);

	record->id = id;
	end(record, ioasid_space_put(run.space, id));
}

static void run_remove(const struct step *step)
{
	struct record *record = begin_id(step->call, step->a);
	struct deferred *deferred;
	struct cell *cell;
	void *data = NULL;
	uint32_t since;
	int ret;

	record->set = step->b % SETS;
	ret = ioasid_space_remove(run.space, set_of(step->b), record->id,
				  &data);
	record->cell = number_of(data);
	if (end(record, ret))
		return;
	cell = data;
	CHECK(cell);
	CHECK(!record->set || cell->any_set || cell->set == record->set);
	retire(cell);
	if (step->call == REMOVE_SYNCHRONIZE && !me()->depth) {
		since = vt_time();
		rests();
		ret = ioasid_rcu_synchronize(run.rcu);
		CHECK(!ret);
		passes(since);
		rested(true);
		cell->freed = true;
		return;
	}
	deferred = new_deferred(cell);
	ret = ioasid_rcu_defer(run.rcu, &deferred->head, call_deferred);
	CHECK(!ret || (ret == -EAGAIN && run.program->pending_limit));
	deferred_by(deferred, ret);
}

static void run_exchange(const struct step *step)
{
	struct record *record = begin_id(step->call, step->a);
	struct cell *cell = new_cell(0, true);
	struct deferred *deferred;
	void *old = NULL;
	uint32_t since;
	int ret;

	record->cell = number_of(cell);
	if (step->call == SET_DATA) {
		since = record->begin;
		if (!me()->depth)
			rests();
		ret = ioasid_space_set_data(run.space, record->id, cell);
		if (!ret)
			passes(since);
		rested(true);
		end(record, ret);
		CHECK(!ret || ret == -ENOENT ||
		      (ret == -EDEADLK && me()->depth));
		return;
	}
	ret = ioasid_space_exchange_data(run.space, record->id, cell, &old);
	record->old = number_of(old);
	if (end(record, ret))
		return;
	CHECK(old);
	retire(old);
	deferred = new_deferred(old);
	ret = ioasid_rcu_defer(run.rcu, &deferred->head, call_deferred);
	deferred_by(deferred, ret);
}

/* --- walks --- */

struct walk_state {
	ioasid_t last;
	bool any;
	const struct step *step;
	uint32_t begin;
};

static int visit(ioasid_t id, void *data, void *arg)
{
	struct walk_state *walk = arg;
	struct record *record = begin(FOR_EACH);
	struct actor *actor = me();
	bool inner = actor->getting;

	record->begin = walk->begin;
	record->id = id;
	record->set = walk->step->b % SETS;
	record->cell = number_of(data);
	record->min = 1;
	end(record, 0);
	CHECK(!walk->any || id > walk->last);
	CHECK(id >= history.min && id <= history.max);
	walk->any = true;
	walk->last = id;
	if (!inner)
		actor->getting_since = vt_time();
	actor->getting = true;
	CHECK(!((struct cell *)data)->freed);
	vt_point("visit");
	CHECK(!((struct cell *)data)->freed);
	actor->getting = inner;
	return 0;
}

static void run_walk(const struct step *step)
{
	struct record *record;
	struct walk_state walk = { .step = step };
	struct ioasid_set *set = set_of(step->b);
	ioasid_t from = id_of(step->a), id = INVALID_IOASID;
	void *data = NULL;
	int ret;

	if (step->call == NEXT) {
		record = begin(NEXT);
		record->set = step->b % SETS;
		record->min = from;
		record->max = history.max;
		ret = ioasid_space_next(run.space, set, from, history.max, &id,
					&data);
		record->id = id;
		record->cell = ret ? 0 : number_of(data);
		end(record, ret);
		CHECK(!ret || ret == -ENOENT);
		return;
	}
	walk.begin = vt_time();
	ret = ioasid_space_for_each(run.space, set, from, history.max, visit,
				    &walk);
	CHECK(!ret);
	/* The walk as a whole: what it must have met. */
	record = begin(FOR_EACH);
	record->begin = walk.begin;
	record->set = step->b % SETS;
	record->min = from;
	record->max = history.max;
	record->id = INVALID_IOASID;
	end(record, 0);
}

/* --- notifiers --- */

static void notify(struct ioasid_notifier *notifier,
		   const struct ioasid_notice *notice)
{
	ioasid_t id = ioasid_handle_id(notice->handle);
	struct told *told;

	(void)notifier;
	CHECK(id >= history.min && id <= history.max);
	told = &run.told[id - history.min];
	CHECK(!told->telling);
	told->telling = true;
	vt_point("notify");
	switch (notice->event) {
	case IOASID_EVENT_ALLOC:
		CHECK(!told->alive);
		told->alive = true;
		told->allocs++;
		break;
	case IOASID_EVENT_FREE:
		CHECK(told->alive);
		told->alive = false;
		told->frees++;
		break;
	case IOASID_EVENT_BIND:
	case IOASID_EVENT_UNBIND:
	default:
		CHECK(told->alive);
		break;
	}
	CHECK(told->telling);
	told->telling = false;
}

static void watch(struct ioasid_notifier *notifier,
		  const struct ioasid_notice *notice)
{
	struct watcher *watcher =
		ioasid_container_of(notifier, struct watcher, notifier);

	CHECK(!watcher->back);
	CHECK(!watcher->set || set_number(notice->set) == watcher->set);
	vt_point("watch");
	CHECK(!watcher->back);
}

static void watch_ends(struct ioasid_notifier *notifier)
{
	struct watcher *watcher =
		ioasid_container_of(notifier, struct watcher, notifier);

	CHECK(!watcher->back);
	vt_point("watch_ends");
	watcher->back = true;
}

/* Whether it is told of all depends on when; what else holds is looked at. */
static void run_watch(const struct step *step)
{
	struct watcher *watcher = &run.watcher[vt_self()];
	int ret;

	if (!run.program->notifier)
		return;
	if (watcher->registered) {
		watcher->registered = false;
		ret = ioasid_space_unregister_notifier(run.space,
						       &watcher->notifier);
		CHECK(ret == 0 || ret == 1);
		CHECK(ret == 1 || watcher->back);
		return;
	}
	/* It is not its own as long as calls of it run. */
	if (watcher->notifier.notify && !watcher->back)
		return;
	*watcher = (struct watcher){
		.notifier = { .notify = watch, .release = watch_ends },
		.set = step->b % 3,
	};
	ret = ioasid_space_register_notifier(run.space, set_of(step->b % 3),
					     &watcher->notifier);
	CHECK(!ret || alloc_refusable(ret));
	watcher->registered = !ret;
	watcher->back = ret;
}

/* --- steps --- */

static void run_rcu(const struct step *step)
{
	unsigned int at = step->a % HANDLES;
	struct deferred *deferred;
	uint32_t since;
	int ret;

	switch (step->call) {
	case SYNCHRONIZE:
		since = vt_time();
		rests();
		ret = ioasid_rcu_synchronize(run.rcu);
		CHECK(ret == (me()->depth ? -EDEADLK : 0));
		if (!ret)
			passes(since);
		rested(true);
		break;
	case START_POLL:
		since = vt_time();
		run.cookie[at] = ioasid_rcu_start_poll(run.rcu);
		run.cookie_since[at] = since;
		break;
	case POLL:
		/* Another may put one there meanwhile. */
		since = run.cookie_since[at];
		if (run.cookie[at] && ioasid_rcu_poll(run.rcu, run.cookie[at]))
			passes(since);
		break;
	case DEFER:
		deferred = new_deferred(NULL);
		ret = ioasid_rcu_defer(run.rcu, &deferred->head, call_deferred);
		CHECK(!ret || refusable(ret));
		deferred_by(deferred, ret);
		break;
	case BARRIER:
		since = vt_time();
		rests();
		ret = ioasid_rcu_barrier(run.rcu);
		CHECK(ret == (me()->depth ? -EDEADLK : 0));
		for (unsigned int i = 0; !ret && i < run.defers; i++)
			CHECK(run.deferred[i].called ||
			      !run.deferred[i].queued ||
			      run.deferred[i].queued > since);
		rested(true);
		break;
	case UNREGISTER_THREAD:
		if (!qsbr()) {
			ret = ioasid_rcu_thread_unregister(run.rcu);
			CHECK(me()->depth ? ret == -EDEADLK :
					    !ret || ret == -ENOENT);
			break;
		}
		closes();
		CHECK(!ioasid_rcu_thread_unregister(run.rcu));
		ret = ioasid_rcu_thread_register(run.rcu);
		CHECK(!ret || refusable(ret));
		/* It cannot go on without. */
		if (ret) {
			vt_arm(NULL, 0, VT_NO_TROUBLE, 0);
			CHECK(!ioasid_rcu_thread_register(run.rcu));
		}
		opens();
		break;
	case QUIESCENT:
		if (qsbr())
			closes();
		ret = ioasid_rcu_quiescent(run.rcu);
		CHECK(!ret);
		rested(true);
		break;
	case OFFLINE:
	default:
		if (qsbr())
			closes();
		CHECK(!ioasid_rcu_thread_offline(run.rcu));
		vt_point("offline");
		CHECK(!ioasid_rcu_thread_online(run.rcu));
		rested(true);
		break;
	}
}

static void run_sets(const struct step *step)
{
	struct ioasid_set *set = set_of(step->b);
	struct ioasid_set_info info;
	struct record *record;
	uint32_t count;
	int ret;

	if (!set)
		return;
	record = begin(step->call);
	record->set = step->b % SETS;
	switch (step->call) {
	case SET_LIMIT:
		record->number = step->a % 8;
		ret = ioasid_set_limit(run.space, set, record->number, 0);
		CHECK(!ret || ret == -EBUSY || ret == -EXDEV);
		break;
	case SET_STATS:
		ret = ioasid_set_stats(run.space, set, &info);
		CHECK(!ret || ret == -EXDEV);
		CHECK(ret || !info.quota || info.count <= info.quota);
		break;
	case SET_FREE_ALL:
	default:
		ret = ioasid_set_free_all(run.space, set, &count);
		CHECK(!ret || ret == -EXDEV);
		break;
	}
	CHECK(ret != -EXDEV || record->set == 3);
	end(record, ret);
}

static void run_spids(const struct step *step)
{
	struct record *record = begin_id(step->call, step->a);
	ioasid_t spid = INVALID_IOASID, id = INVALID_IOASID;
	void *data = NULL;
	int ret;

	record->number = step->c % 3 + 1u;
	switch (step->call) {
	case SPID_ATTACH:
		ret = ioasid_spid_attach(run.space, record->id, record->number);
		CHECK(!ret || ret == -ENOENT || ret == -EINVAL ||
		      ret == -EEXIST || ret == -EBUSY || alloc_refusable(ret));
		break;
	case SPID_DETACH:
		ret = ioasid_spid_detach(run.space, record->id);
		CHECK(!ret || ret == -ENOENT);
		break;
	case SPID_OF:
		ret = ioasid_spid_of(run.space, record->id, &spid);
		CHECK(!ret || ret == -ENOENT);
		if (!ret)
			record->number = spid;
		break;
	case SPID_FIND:
	default:
		record->set = step->b % SETS;
		ret = ioasid_spid_find(run.space, set_of(step->b),
				       record->number, get_cell, &id, &data);
		record->id = id;
		record->cell = number_of(data);
		CHECK(!ret || ret == -ENOENT ||
		      (ret == -EXDEV && record->set != 1 && record->set != 2));
		break;
	}
	end(record, ret);
}

static void run_limits(const struct step *step)
{
	struct ioasid_stats stats;
	struct record *record = begin(step->call);
	uint32_t count;
	int ret = 0;

	record->number = step->a % (run.program->ids + 1u);
	switch (step->call) {
	case SET_CAPACITY:
		ret = ioasid_space_set_capacity(run.space, record->number);
		CHECK(!ret || ret == -EBUSY);
		break;
	case RESERVE:
		ret = ioasid_space_reserve(run.space, record->number);
		CHECK(!ret || ret == -ENOSPC);
		if (!ret)
			run.reserved += record->number;
		break;
	case UNRESERVE:
		ret = ioasid_space_unreserve(run.space, record->number);
		CHECK(!ret || ret == -EINVAL);
		if (!ret)
			run.reserved -= record->number;
		break;
	case FREE_ALL:
		ret = ioasid_space_free_all(run.space, &count);
		CHECK(!ret);
		break;
	case TRIM:
		ioasid_space_trim(run.space);
		break;
	case STATS:
	default:
		ioasid_space_stats(run.space, &stats);
		CHECK(stats.committed <= stats.capacity);
		CHECK(stats.live + stats.pending + stats.unpublished <=
		      stats.committed);
		break;
	}
	end(record, ret);
}

static void run_life(const struct step *step)
{
	ioasid_handle_t handle = run.handle[step->a % HANDLES];
	struct ioasid_set *set = set_of(step->b), *owner = NULL;
	struct deferred *deferred;
	struct record *record;
	struct cell *cell;
	int ret;

	if ((step->call == FREE_HANDLE || step->call == GET_HANDLE) && !handle)
		return;
	record = begin_id(step->call, step->a);
	record->set = step->b % SETS;
	switch (step->call) {
	case PUBLISH_ID:
		cell = new_cell(0, true);
		record->cell = number_of(cell);
		ret = ioasid_space_publish_id(run.space, record->id, cell);
		CHECK(!ret || ret == -ENOENT || refusable(ret));
		break;
	case RELEASE_ID:
		ret = ioasid_space_release_id(run.space, record->id);
		break;
	case FREE:
		ret = ioasid_space_free(run.space, record->id);
		break;
	case FREE_HANDLE:
		record->id = ioasid_handle_id(handle);
		record->generation = ioasid_handle_generation(handle);
		ret = ioasid_space_free_handle(run.space, handle);
		break;
	case FREE_DEFERRED:
		deferred = new_deferred(NULL);
		ret = ioasid_space_free_deferred(
			run.space, record->id, &deferred->head, call_deferred);
		CHECK(ret != -EAGAIN || refusable(ret));
		deferred_by(deferred, ret);
		/* Who tells notifiers of it defers it then. */
		if (run.program->notifier)
			deferred->queued = 0;
		break;
	case GET:
		ret = ioasid_space_get(run.space, set, record->id);
		if (!ret)
			holds(record->id);
		break;
	case GET_HANDLE:
		record->id = ioasid_handle_id(handle);
		record->generation = ioasid_handle_generation(handle);
		ret = ioasid_space_get_handle(run.space, set, handle);
		if (!ret)
			holds(record->id);
		break;
	case PUT_ID:
		record->call = PUT;
		ret = ioasid_space_put(run.space, record->id);
		break;
	case HANDLE:
		ret = ioasid_space_handle(run.space, set, record->id, &handle);
		record->generation = ioasid_handle_generation(handle);
		CHECK(ret || ioasid_handle_id(handle) == record->id);
		if (!ret)
			run.handle[step->c % HANDLES] = handle;
		break;
	case SET_OF:
		ret = ioasid_set_of(run.space, record->id, &owner);
		record->set = ret ? 0 : set_number(owner);
		break;
	case NOTIFY:
	default:
		ret = ioasid_space_notify(run.space, record->id,
					  IOASID_EVENT_BIND, NULL);
		CHECK(!ret || ret == -ENOENT || refusable(ret));
		break;
	}
	end(record, ret);
}

static void run_step(const struct step *step)
{
	struct actor *actor = me();
	ioasid_t id;

	vt_arm(step->at, SWITCHES, step->trouble, step->nth);
	vt_point("step");
	switch (step->call) {
	case ALLOC:
	case ALLOC_CYCLIC:
	case RESERVE_ID:
		alloc(step->call, step->a, set_of(step->b), step->b % SETS,
		      &id);
		break;
	case REMOVE_DEFER:
	case REMOVE_SYNCHRONIZE:
		run_remove(step);
		break;
	case PUT:
		if (actor->refs)
			put(actor->ref[--actor->refs]);
		break;
	case PUT_ID:
		/* Not what is held until notifiers were told. */
		if (run.program->notifier)
			break;
		run_life(step);
		break;
	case FIND:
		run_find(step, false);
		break;
	case FIND_HANDLE:
		run_find(step, true);
		break;
	case READ:
	case READ_OWN_SET:
		run_read(step);
		break;
	case READ_LOCK:
		lock();
		break;
	case READ_UNLOCK:
		if (actor->depth || qsbr())
			unlock();
		break;
	case EXCHANGE_DATA:
	case SET_DATA:
		run_exchange(step);
		break;
	case SET_LIMIT:
	case SET_STATS:
	case SET_FREE_ALL:
		run_sets(step);
		break;
	case SPID_ATTACH:
	case SPID_DETACH:
	case SPID_OF:
	case SPID_FIND:
		run_spids(step);
		break;
	case NEXT:
	case FOR_EACH:
		run_walk(step);
		break;
	case SET_CAPACITY:
	case RESERVE:
	case UNRESERVE:
	case FREE_ALL:
	case TRIM:
	case STATS:
		run_limits(step);
		break;
	case SYNCHRONIZE:
	case START_POLL:
	case POLL:
	case DEFER:
	case BARRIER:
	case UNREGISTER_THREAD:
	case QUIESCENT:
	case OFFLINE:
		run_rcu(step);
		break;
	case OWN_SET:
		run_own_set(step);
		break;
	case WATCH:
		run_watch(step);
		break;
	case NOTHING:
	case CALLS:
		break;
	case PUBLISH_ID:
	case RELEASE_ID:
	case FREE:
	case FREE_HANDLE:
	case FREE_DEFERRED:
	case GET:
	case GET_HANDLE:
	case HANDLE:
	case SET_OF:
	case NOTIFY:
	default:
		run_life(step);
		break;
	}
}

static void thread_begin(void)
{
	for (unsigned int i = 0; run.program->crowded && i < CROWD; i++)
		CHECK(!ioasid_rcu_thread_register(run.crowd[i]));
	if (!qsbr())
		return;
	CHECK(!ioasid_rcu_thread_register(run.rcu));
	opens();
}

static void run_steps(enum who who)
{
	for (unsigned int i = 0; i < run.program->count; i++)
		if (run.program->step[i].thread == who)
			run_step(&run.program->step[i]);
	vt_arm(NULL, 0, VT_NO_TROUBLE, 0);
}

static void run_thread(void *arg)
{
	const enum who *who = arg;

	thread_begin();
	run_steps(*who);
	/* It may end in a section. */
	if (me()->open)
		closes();
	me()->depth = 0;
}

static void *hook_alloc(void *context, size_t size)
{
	(void)context;
	return vt_alloc(size);
}

static void hook_free(void *context, void *block, size_t size)
{
	(void)context;
	vt_free(block, size);
}

static void make(const struct program *program)
{
	const struct ioasid_memory memory = { .alloc = hook_alloc,
					      .free = hook_free };
	const struct ioasid_rcu_config rcu = {
		.flavour = program->flavour == IOASID_RCU_QSBR ?
				   IOASID_RCU_QSBR :
				   IOASID_RCU_EPOCH,
		.memory = memory,
		.pending_limit = program->pending_limit,
		.retired_limit = program->retired_limit ? 300 : 0,
		.reclaimer = program->reclaimer,
	};
	const struct ioasid_rcu_config crowd = { .memory = memory };
	struct ioasid_space_config space = {
		.min = history.min,
		.max = history.max,
		.store = (enum ioasid_store_kind)program->store,
		.memory = memory,
		.hash_seed = 1,
		.reuse = program->reuse ? IOASID_REUSE_CYCLIC :
					  IOASID_REUSE_LOWEST,
		.quarantine = program->quarantine,
		.capacity = program->capacity,
	};

	for (unsigned int i = 0; program->crowded && i < CROWD; i++)
		CHECK(!ioasid_rcu_create(&crowd, &run.crowd[i]));
	CHECK(!ioasid_rcu_create(&rcu, &run.rcu));
	space.rcu = run.rcu;
	CHECK(!ioasid_space_create(&space, &run.space));
	for (unsigned int i = 0; i < 2; i++) {
		const struct ioasid_set_config set = {
			.quota = program->quota[i],
		};

		CHECK(!ioasid_set_create(run.space, &set, &run.set[1 + i]));
	}
	run.set[3] = &run.bound_late;
	run.notifier.notify = notify;
	if (program->notifier)
		CHECK(!ioasid_space_register_notifier(run.space, NULL,
						      &run.notifier));
}

/* Ends what is left of each ID, on record as well. */
static void drain(void)
{
	struct record *record;
	void *data;
	ioasid_t id;

	for (id = history.min; id <= history.max; id++) {
		record = begin(FIND);
		record->id = id;
		end(record,
		    ioasid_space_find(run.space, NULL, id, NULL, &data));
		record->cell = number_of(data);
		record = begin(RELEASE_ID);
		record->id = id;
		end(record, ioasid_space_release_id(run.space, id));
		record = begin(FREE);
		record->id = id;
		end(record, ioasid_space_free(run.space, id));
		do {
			record = begin(PUT);
			record->id = id;
			end(record, ioasid_space_put(run.space, id));
		} while (!record->ret);
	}
}

/* No ID is lost, nor room for one. */
static void check_vacant(void)
{
	uint32_t ids = history.max - history.min + 1;
	struct ioasid_stats stats;
	ioasid_t id;
	int ret;

	ioasid_space_stats(run.space, &stats);
	CHECK(!stats.live && !stats.pending && !stats.unpublished);
	CHECK(stats.allocs == stats.frees);
	CHECK(stats.committed == run.reserved &&
	      stats.reserved == run.reserved);
	CHECK(!ioasid_space_unreserve(run.space, run.reserved));
	CHECK(!ioasid_space_set_capacity(run.space, 0));
	for (uint32_t i = 0; i < ids && ids <= 16; i++) {
		ret = -EAGAIN;
		/* What others wait for may come by the wait for it. */
		for (unsigned int j = 0; ret == -EAGAIN && j < 3; j++) {
			rests();
			CHECK(!ioasid_rcu_barrier(run.rcu));
			CHECK(!ioasid_rcu_synchronize(run.rcu));
			rested(true);
			ret = ioasid_space_alloc(run.space, NULL,
						 history.min + i,
						 history.min + i, NULL, &id);
		}
		CHECK(!ret);
	}
	if (ids <= 16)
		CHECK(!ioasid_space_free_all(run.space, NULL));
}

static void check_told(void)
{
	for (ioasid_t id = history.min; id <= history.max; id++) {
		const struct told *told = &run.told[id - history.min];

		CHECK(!told->alive && !told->telling);
		CHECK(told->allocs == told->frees);
	}
}

static void check_end(void)
{
	const char *reason = NULL;

	if (!ioasid_space_validate(run.space, &reason))
		fuzz_failed(__FILE__, __LINE__, reason);
	drain();
	if (!ioasid_space_validate(run.space, &reason))
		fuzz_failed(__FILE__, __LINE__, reason);
	history_check_ids(&history);
	history_check_allocs(&history);
	check_vacant();
	if (run.program->notifier)
		check_told();
	if (!ioasid_space_validate(run.space, &reason))
		fuzz_failed(__FILE__, __LINE__, reason);
	if (qsbr())
		closes();
	CHECK(!ioasid_space_destroy(run.space));
	CHECK(!ioasid_rcu_destroy(run.rcu));
	for (unsigned int i = 0; run.program->crowded && i < CROWD; i++)
		CHECK(!ioasid_rcu_destroy(run.crowd[i]));
	for (unsigned int i = 0; i < run.defers; i++)
		CHECK(run.deferred[i].called);
	for (unsigned int i = 0; i < VT_THREADS; i++)
		CHECK(!run.watcher[i].notifier.notify ||
		      run.watcher[i].registered || run.watcher[i].back);
}

unsigned int concurrent_run(const struct program *program)
{
	static const enum who who[] = { A, B, C, D };
	bool used[STAY] = { false };

	memset(&run, 0, sizeof(run));
	run.program = program;
	history.program = program;
	history.count = 0;
	history.given_up = 0;
	history.min = program->first;
	history.max = program->first + program->ids - 1u;
	vt_membarrier = program->membarrier;
	vt_begin();
	make(program);
	thread_begin();
	run_steps(BEFORE);
	while (me()->depth)
		unlock();
	if (qsbr()) {
		closes();
		CHECK(!ioasid_rcu_thread_offline(run.rcu));
	}
	for (unsigned int i = 0; i < program->count; i++)
		used[program->step[i].thread] = true;
	for (unsigned int i = 0; i < 4; i++)
		if (used[who[i]])
			vt_spawn(who[i], run_thread,
				 (void *)(uintptr_t)&who[i]);
	vt_join();
	if (qsbr()) {
		CHECK(!ioasid_rcu_thread_online(run.rcu));
		opens();
	}
	check_end();
	vt_end();
	CHECK(!vt_held());
	return history.given_up;
}
