/* SPDX-License-Identifier: MIT */
/*
 * Threads hand out, bind and free the same few IDs flat out; notifiers check
 * that what they are told of each is a life: in order, nothing twice, nothing
 * left out. They are not told of one ID by two threads at a time, so what they
 * note is plain memory, for the race detector to see what the library orders.
 * --seconds S for each run.
 */
#include "test/fixture.h"

#include <ioasid/ioasid.h>

enum {
	IDS = 32,
	SETS = 2,
	WORKERS = 4,
	/* references a worker holds at most */
	HELD = 4,
};

/* What is broken on purpose, between the library and a checker. */
enum fault {
	NO_FAULT,
	ALLOC_TWICE,
	FREE_TWICE,
	BIND_TWICE,
	BIND_LOST,
	/* the end of a life told after the beginning of the next */
	FREE_LATE,
	/* a bind told after the end */
	BIND_LATE,
	/* the notifier of lower priority told first */
	SECOND_FIRST,
	/* one never told */
	NEVER_TOLD,
	/* one given back by unregister, though it runs */
	RELEASED_EARLY,
};

struct stress;

/* What a checker knows of an ID. */
struct life {
	bool known, live;
	/* threads that have bound it in this life */
	uint32_t used;
	uint32_t events;
	uint64_t generation;
	/* the last of each thread's binds and unbinds; the last one its own */
	uint32_t number[WORKERS + 1];
};

struct checker {
	struct ioasid_notifier notifier;
	struct stress *stress;
	/* only of this set; it was there from the beginning */
	struct ioasid_set *set;
	bool from_the_beginning;
	struct checker *before;
	struct life life[IDS];
	/* by event; of the set that has a checker */
	ioasid_atomic_u32 told[4], of_set;
	ioasid_atomic_u32 running;
	/* planted faults: what is held back for each ID */
	struct ioasid_notice late[IDS];
	bool is_late[IDS];
};

struct worker {
	struct stress *stress;
	unsigned int number;
	pthread_t thread;
	struct test_random random;
	/* binds and unbinds so far */
	uint32_t numbers[IDS];
	ioasid_t held[HELD];
	unsigned int holds;
	/* its own, and the innermost it is in */
	struct checker *own, *inside;
	uint32_t allocs, nested;
};

struct stress {
	struct fixture *fixture;
	struct ioasid_space *space;
	struct ioasid_set set[SETS];
	enum fault fault;
	bool no_memory;
	struct checker first, second, of_set;
	struct worker worker[WORKERS + 1];
	ioasid_atomic_u32 ready, stop, unregistered, released;
	ioasid_atomic_ptr what;
	/* of the allocator; its callbacks come one after the other */
	bool given[IDS];
};

static double seconds = TEST_LIGHT ? 0.5 : 0.3;

static _Thread_local struct worker *self;

static void report(struct stress *stress, const char *what)
{
	void *nothing = NULL;

	ioasid_cas_acq_rel(&stress->what, &nothing, (void *)(uintptr_t)what);
	ioasid_store_release(&stress->stop, 1);
}

static bool running(struct stress *stress)
{
	return !ioasid_load_relaxed(&stress->stop);
}

static void check_use(struct checker *checker, struct life *life,
		      const struct ioasid_notice *notice)
{
	struct stress *stress = checker->stress;
	uint64_t generation = ioasid_handle_generation(notice->handle);
	uint32_t number, thread, *last;
	bool next;

	if (life->known && !life->live)
		report(stress, "used after its end");
	else if (life->known && life->generation != generation)
		report(stress, "used by another handle");
	/* The thread and its count for this ID. */
	number = (uint32_t)(uintptr_t)notice->arg;
	thread = number >> 24;
	last = &life->number[thread];
	number &= 0xffffff;
	/* Lives in other sets are not told to the notifier of a set. */
	if (checker->set ? life->used & 1u << thread :
			   *last || checker->from_the_beginning)
		next = number == *last + 1;
	else
		next = number > *last;
	if (!next)
		report(stress, "bound twice or not at all");
	life->used |= 1u << thread;
	*last = number;
	life->known = true;
	life->live = true;
	life->generation = generation;
}

static void check(struct checker *checker, const struct ioasid_notice *notice)
{
	struct stress *stress = checker->stress;
	ioasid_t id = ioasid_handle_id(notice->handle);
	uint64_t generation = ioasid_handle_generation(notice->handle);
	struct life *life = &checker->life[id];
	void *data;

	if (checker->set && notice->set != checker->set)
		report(stress, "told of another set's");
	switch (notice->event) {
	case IOASID_EVENT_ALLOC:
		if (life->known && life->live)
			report(stress, "handed out twice");
		if (life->known && life->generation == generation)
			report(stress, "handed out with an old handle");
		life->live = true;
		life->used = 0;
		break;
	case IOASID_EVENT_FREE:
		if (life->known && !life->live)
			report(stress, "freed twice");
		if (life->known && life->generation != generation)
			report(stress, "freed by another handle");
		if (ioasid_space_find(stress->space, NULL, id, NULL, &data) !=
			    -ENOENT ||
		    ioasid_space_get(stress->space, NULL, id) != -EBUSY)
			report(stress, "freed but not pending");
		life->live = false;
		break;
	case IOASID_EVENT_BIND:
	case IOASID_EVENT_UNBIND:
		check_use(checker, life, notice);
		break;
	}
	life->known = true;
	life->generation = generation;
	life->events++;
	ioasid_fetch_add_acq_rel(&checker->told[notice->event], 1);
	if (notice->set == &stress->set[0])
		ioasid_fetch_add_acq_rel(&checker->of_set, 1);
	if (checker->before && checker->before->life[id].events != life->events)
		report(stress, "the higher priority was not told before");
}

static bool is_use(const struct ioasid_notice *notice)
{
	return notice->event == IOASID_EVENT_BIND ||
	       notice->event == IOASID_EVENT_UNBIND;
}

/* What @checker is told instead of @notice. */
static void check_broken(struct checker *checker,
			 const struct ioasid_notice *notice)
{
	ioasid_t id = ioasid_handle_id(notice->handle);
	bool late = checker->is_late[id];

	switch (checker->stress->fault) {
	case ALLOC_TWICE:
		if (notice->event == IOASID_EVENT_ALLOC)
			check(checker, notice);
		break;
	case FREE_TWICE:
		if (notice->event == IOASID_EVENT_FREE)
			check(checker, notice);
		break;
	case BIND_TWICE:
		if (is_use(notice))
			check(checker, notice);
		break;
	case BIND_LOST:
		if (is_use(notice))
			return;
		break;
	case FREE_LATE:
	case BIND_LATE:
		if (checker->stress->fault == BIND_LATE ?
			    is_use(notice) :
			    notice->event == IOASID_EVENT_FREE) {
			if (!late)
				checker->late[id] = *notice;
			checker->is_late[id] = true;
			return;
		}
		check(checker, notice);
		checker->is_late[id] = false;
		if (late)
			check(checker, &checker->late[id]);
		return;
	default:
		break;
	}
	check(checker, notice);
}

static void act(struct worker *worker);

static void on_notice(struct ioasid_notifier *notifier,
		      const struct ioasid_notice *notice)
{
	struct checker *checker = (struct checker *)notifier;
	struct stress *stress = checker->stress;
	struct worker *worker = self;
	struct checker *outer = worker->inside;

	ioasid_fetch_add_acq_rel(&checker->running, 1);
	worker->inside = checker;
	if (outer && !stress->no_memory)
		report(stress, "told inside of a notifier");
	if (checker == &stress->second)
		check_broken(checker, notice);
	else if (checker != &stress->of_set || stress->fault != NEVER_TOLD)
		check(checker, notice);
	/* Now and then, lest it goes on forever. */
	if (running(stress) && !test_below(&worker->random, 8)) {
		worker->nested++;
		act(worker);
	}
	worker->inside = outer;
	ioasid_fetch_sub_release(&checker->running, 1);
}

static void check_released(struct checker *checker)
{
	if (ioasid_load_acquire(&checker->running))
		report(checker->stress, "released while it ran");
}

static void on_release(struct ioasid_notifier *notifier)
{
	struct checker *checker = (struct checker *)notifier;
	struct stress *stress = checker->stress;

	check_released(checker);
	ioasid_fetch_add_acq_rel(&stress->released, 1);
	memset(checker, 0xdd, sizeof(*checker));
	free(checker);
}

static void checker_init(struct checker *checker, struct stress *stress,
			 struct ioasid_set *set, int priority)
{
	checker->notifier.notify = on_notice;
	checker->notifier.priority = priority;
	checker->stress = stress;
	checker->set = set;
}

/* A notifier of the worker's own comes and goes. */
static void toggle(struct worker *worker)
{
	struct stress *stress = worker->stress;
	struct checker *checker = worker->own;
	int ret;

	if (checker) {
		worker->own = NULL;
		ioasid_fetch_add_acq_rel(&stress->unregistered, 1);
		ret = ioasid_space_unregister_notifier(stress->space,
						       &checker->notifier);
		CHECK(ret == 0 || ret == 1);
		/* If it is in this call it cannot be gone. */
		if (stress->fault == RELEASED_EARLY &&
		    worker->inside == checker)
			check_released(checker);
		return;
	}
	checker = calloc(1, sizeof(*checker));
	CHECK(checker);
	checker_init(checker, stress,
		     test_below(&worker->random, 2) ? &stress->set[1] : NULL,
		     (int)test_below(&worker->random, 30) - 15);
	checker->notifier.release = on_release;
	worker->own = checker;
	CHECK(!ioasid_space_register_notifier(stress->space, checker->set,
					      &checker->notifier));
}

static void allocate(struct worker *worker, ioasid_t id)
{
	struct stress *stress = worker->stress;
	uint32_t set = test_below(&worker->random, SETS + 1);
	ioasid_t max = test_below(&worker->random, 2) ? id : IDS - 1;
	int ret = ioasid_space_alloc(stress->space,
				     set < SETS ? &stress->set[set] : NULL, id,
				     max, stress, &id);

	/* In use; at the turn of its generation; by the time. */
	CHECK(!ret || ret == -ENOSPC || ret == -EAGAIN ||
	      (stress->no_memory && ret == -ENOMEM));
	worker->allocs += !ret;
}

static void bind(struct worker *worker, ioasid_t id)
{
	struct stress *stress = worker->stress;
	uint32_t number = ++worker->numbers[id];
	int ret = ioasid_space_notify(
		stress->space, id,
		test_below(&worker->random, 2) ? IOASID_EVENT_BIND :
						 IOASID_EVENT_UNBIND,
		(void *)(uintptr_t)(worker->number << 24 | number));

	CHECK(!ret || ret == -ENOENT || (stress->no_memory && ret == -ENOMEM));
	/* Nobody was told, so the number is still the last. */
	if (ret)
		worker->numbers[id]--;
}

static void put(struct worker *worker)
{
	ioasid_t id = worker->held[--worker->holds];
	int ret = ioasid_space_put(worker->stress->space, id);

	CHECK(ret == 0 || ret == 1);
}

static void act(struct worker *worker)
{
	struct stress *stress = worker->stress;
	ioasid_t id = test_below(&worker->random, IDS);
	int ret;

	switch (test_below(&worker->random, 16)) {
	case 0:
		toggle(worker);
		break;
	case 1:
	case 2:
		if (worker->holds < HELD &&
		    !ioasid_space_get(stress->space, NULL, id))
			worker->held[worker->holds++] = id;
		break;
	case 3:
	case 4:
		if (worker->holds)
			put(worker);
		break;
	case 5:
	case 6:
	case 7:
		ret = ioasid_space_free(stress->space, id);
		CHECK(!ret || ret == -ENOENT || ret == -EBUSY);
		break;
	case 8:
	case 9:
	case 10:
	case 11:
		bind(worker, id);
		break;
	default:
		allocate(worker, id);
		break;
	}
}

static void worker_end(struct worker *worker)
{
	while (worker->holds)
		put(worker);
	if (worker->own)
		toggle(worker);
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	struct stress *stress = worker->stress;

	self = worker;
	CHECK(!ioasid_rcu_thread_register(stress->fixture->rcu));
	ioasid_fetch_add_acq_rel(&stress->ready, 1);
	while (running(stress)) {
		act(worker);
		ioasid_rcu_quiescent(stress->fixture->rcu);
	}
	worker_end(worker);
	CHECK(!ioasid_rcu_thread_unregister(stress->fixture->rcu));
	return NULL;
}

static ioasid_t source_alloc(ioasid_t min, ioasid_t max, void *data)
{
	struct stress *stress = data;

	for (ioasid_t id = min; id <= max && id < IDS; id++)
		if (!stress->given[id]) {
			stress->given[id] = true;
			return id;
		}
	return INVALID_IOASID;
}

static void source_free(ioasid_t id, void *data)
{
	struct stress *stress = data;

	if (!stress->given[id])
		report(stress, "handed back twice");
	stress->given[id] = false;
}

/* Each of the next few allocations is the one to fail, by turns. */
static void starve(struct stress *stress, struct test_random *random)
{
	struct test_memory *memory = &stress->fixture->memory;

	pthread_mutex_lock(&memory->mutex);
	if (memory->fail_at <= memory->calls)
		memory->fail_at = memory->calls + 1 + test_below(random, 4);
	pthread_mutex_unlock(&memory->mutex);
	test_sleep(0.0001);
}

static void check_totals(struct stress *stress)
{
	const struct checker *first = &stress->first;
	struct ioasid_stats stats;
	uint64_t numbers = 0;
	unsigned int i;

	for (i = 0; i <= WORKERS; i++)
		for (ioasid_t id = 0; id < IDS; id++)
			numbers += stress->worker[i].numbers[id];
	ioasid_space_stats(stress->space, &stats);
	if (ioasid_load_relaxed(&first->told[IOASID_EVENT_ALLOC]) !=
		    stats.allocs ||
	    ioasid_load_relaxed(&first->told[IOASID_EVENT_FREE]) !=
		    stats.frees ||
	    ioasid_load_relaxed(&first->told[IOASID_EVENT_BIND]) +
			    ioasid_load_relaxed(
				    &first->told[IOASID_EVENT_UNBIND]) !=
		    numbers ||
	    ioasid_load_relaxed(&first->of_set) !=
		    ioasid_load_relaxed(&stress->of_set.of_set))
		report(stress, "not told of all");
	for (i = 0; i < 4; i++)
		if (ioasid_load_relaxed(&first->told[i]) !=
		    ioasid_load_relaxed(&stress->second.told[i]))
			report(stress, "the second was not told of all");
	if (ioasid_load_relaxed(&stress->released) !=
	    ioasid_load_relaxed(&stress->unregistered))
		report(stress, "not released");
	if (stats.pending || stats.live || stats.committed)
		report(stress, "IDs are left");
}

static void enlist(struct stress *stress, struct checker *checker,
		   struct ioasid_set *set, int priority)
{
	checker_init(checker, stress, set, priority);
	checker->from_the_beginning = true;
	assert_int_equal(ioasid_space_register_notifier(stress->space, set,
							&checker->notifier),
			 0);
}

/* What was caught within @limit seconds, or NULL. */
static const char *run(struct fixture *fixture, struct stress *stress,
		       bool sourced, double limit)
{
	struct ioasid_allocator_ops ops = { source_alloc, source_free, stress,
					    NULL };
	struct test_random random = { 99 };
	struct worker *last = &stress->worker[WORKERS];
	double end;
	unsigned int i;

	stress->fixture = fixture;
	stress->space = fixture->space;
	enlist(stress, &stress->first, NULL, 20);
	enlist(stress, &stress->second, NULL,
	       stress->fault == SECOND_FIRST ? 30 : -20);
	/* Else it would see what is planted for the other checks. */
	if (!stress->fault || stress->fault == SECOND_FIRST)
		stress->second.before = &stress->first;
	enlist(stress, &stress->of_set, &stress->set[0], 0);
	if (sourced)
		assert_int_equal(ioasid_space_register_allocator(stress->space,
								 &ops),
				 0);
	ioasid_rcu_thread_offline(fixture->rcu);
	for (i = 0; i <= WORKERS; i++) {
		stress->worker[i].stress = stress;
		stress->worker[i].number = i;
		stress->worker[i].random.state = i + 1;
	}
	for (i = 0; i < WORKERS; i++)
		CHECK(!pthread_create(&stress->worker[i].thread, NULL, work,
				      &stress->worker[i]));
	while (ioasid_load_acquire(&stress->ready) < WORKERS)
		test_sleep(0.001);
	end = test_now() + limit;
	while (running(stress) && test_now() < end) {
		if (stress->no_memory)
			starve(stress, &random);
		else
			test_sleep(0.005);
	}
	ioasid_store_release(&stress->stop, 1);
	for (i = 0; i < WORKERS; i++) {
		CHECK(!pthread_join(stress->worker[i].thread, NULL));
		last->allocs += stress->worker[i].allocs;
		last->nested += stress->worker[i].nested;
	}
	ioasid_rcu_thread_online(fixture->rcu);
	self = last;
	fixture->memory.fail_at = 0;
	for (ioasid_t id = 0; id < IDS; id++)
		ioasid_space_free(stress->space, id);
	if (sourced)
		assert_int_equal(ioasid_space_unregister_allocator(
					 stress->space, &ops,
					 IOASID_UNREGISTER_IDLE),
				 0);
	return ioasid_load_acquire(&stress->what);
}

static void tear_down(struct stress *stress)
{
	unsigned int i;

	assert_int_equal(ioasid_space_unregister_notifier(
				 stress->space, &stress->first.notifier),
			 0);
	assert_int_equal(ioasid_space_unregister_notifier(
				 stress->space, &stress->second.notifier),
			 0);
	assert_int_equal(ioasid_space_unregister_notifier(
				 stress->space, &stress->of_set.notifier),
			 0);
	for (i = 0; i < SETS; i++)
		if (ioasid_load_acquire(&stress->set[i].space))
			assert_int_equal(ioasid_set_destroy(stress->space,
							    &stress->set[i]),
					 0);
	assert_int_equal(ioasid_rcu_barrier(stress->fixture->rcu), 0);
	free(stress);
}

static struct stress *stress_new(enum fault fault)
{
	struct stress *stress = calloc(1, sizeof(*stress));

	CHECK(stress);
	stress->fault = fault;
	return stress;
}

static void lives_are_whole(struct fixture *fixture, bool sourced,
			    bool no_memory)
{
	struct stress *stress = stress_new(NO_FAULT);
	const struct worker *all = &stress->worker[WORKERS];
	const char *what;

	stress->no_memory = no_memory;
	what = run(fixture, stress, sourced, seconds);
	if (!what) {
		check_totals(stress);
		what = ioasid_load_acquire(&stress->what);
	}
	if (what)
		fail_msg("%s", what);
	print_message("%u lives, %u events, %u calls by notifiers, "
		      "%u notifiers released\n",
		      all->allocs,
		      ioasid_load_relaxed(&stress->first.told[0]) +
			      ioasid_load_relaxed(&stress->first.told[1]) +
			      ioasid_load_relaxed(&stress->first.told[2]) +
			      ioasid_load_relaxed(&stress->first.told[3]),
		      all->nested, ioasid_load_relaxed(&stress->released));
	/* Or nothing has been shown. */
	assert_true(all->allocs > 0 && all->nested > 0);
	assert_true(ioasid_load_relaxed(&stress->released) > 0);
	assert_true(ioasid_load_relaxed(&stress->of_set.of_set) > 0);
	for (unsigned int i = 0; i < 4; i++)
		assert_true(ioasid_load_relaxed(&stress->first.told[i]) > 0);
	tear_down(stress);
}

static void own_choice(struct fixture *fixture)
{
	lives_are_whole(fixture, false, false);
}

static void by_allocators(struct fixture *fixture)
{
	lives_are_whole(fixture, true, false);
}

static void without_memory(struct fixture *fixture)
{
	lives_are_whole(fixture, false, true);
}

static void by_allocators_without_memory(struct fixture *fixture)
{
	lives_are_whole(fixture, true, true);
}

static void faults_are_caught(struct fixture *fixture)
{
	static const struct {
		enum fault fault;
		const char *what;
	} faults[] = {
		{ ALLOC_TWICE, "handed out twice" },
		{ FREE_TWICE, "freed twice" },
		{ BIND_TWICE, "bound twice or not at all" },
		{ FREE_LATE, "handed out twice" },
		{ BIND_LATE, "used after its end" },
		{ SECOND_FIRST, "the higher priority was not told before" },
		/* Nothing comes after what is lost; seen by its number. */
		{ BIND_LOST, NULL },
		{ NEVER_TOLD, NULL },
		{ RELEASED_EARLY, "released while it ran" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		struct stress *stress = stress_new(faults[i].fault);
		const char *what = run(fixture, stress, false,
				       faults[i].what ? TOO_LONG : 0.05);

		if (!faults[i].what) {
			assert_null(what);
			check_totals(stress);
			what = ioasid_load_acquire(&stress->what);
		}
		assert_non_null(what);
		print_message("%s\n", what);
		if (faults[i].what)
			assert_string_equal(what, faults[i].what);
		tear_down(stress);
	}
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		CASE(own_choice, PER_STORE),
		CASE(by_allocators, PER_STORE),
		CASE(without_memory, PER_STORE),
		CASE(by_allocators_without_memory, PER_STORE),
		CASE(faults_are_caught, PER_STORE),
	};

	if (argc == 3 && !strcmp(argv[1], "--seconds")) {
		seconds = strtod(argv[2], NULL);
	} else if (argc != 1) {
		fprintf(stderr, "usage: %s [--seconds S]\n", argv[0]);
		return 2;
	}
	return test_run("notifier stress", cases, ARRAY_SIZE(cases));
}
