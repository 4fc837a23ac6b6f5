/* SPDX-License-Identifier: MIT */
#include "test/torture/torture.h"

struct held {
	const struct element *element;
	uint32_t place, use;
};

static bool is_element(const void *pointer)
{
	uintptr_t offset = (uintptr_t)pointer - (uintptr_t)run.elements;

	return offset < run.element_count * sizeof(*run.elements) &&
	       offset % sizeof(*run.elements) == 0;
}

static bool examine(const struct held *held)
{
	const struct element *element = held->element;

	if (peek(&element->canary) == ALIVE &&
	    peek(&element->place) == held->place &&
	    peek(&element->use) == held->use)
		return true;
	wrong(peek(&element->canary) == ALIVE &&
			      peek(&element->use) == held->use ?
		      RESULT :
		      CONTENT);
	return false;
}

static bool getter(void *data)
{
	const struct element *element = data;

	if (element != &run.filler && !is_element(element))
		wrong(RESULT);
	else if (peek(&element->canary) != ALIVE)
		wrong(CONTENT);
	return true;
}

/* ioasid_space_find_rcu(), by a reader that is interrupted in the middle. */
static int slow_find(struct thread *thread, struct ioasid_space *space,
		     ioasid_t id, void **data)
{
	struct ioasid_slot *slot = ioasid_store_find(&space->store, id);
	int ret;

	if (!slot)
		return -ENOENT;
	delay(thread);
	ret = ioasid_slot_read(slot, IOASID_SET_ANY, IOASID_GENERATION_ANY,
			       data);
	if (ret == -EAGAIN)
		ret = ioasid_space_read_moved(space, IOASID_SET_ANY, id,
					      IOASID_GENERATION_ANY, data);
	return ret;
}

static int find(struct thread *thread, struct ioasid_space *space, ioasid_t id,
		void **data)
{
	switch (below(thread, 8)) {
	case 0:
		return ioasid_space_find(space, NULL, id, getter, data);
	case 1:
	case 2:
		return slow_find(thread, space, id, data);
	default:
		return ioasid_space_find_rcu(space, NULL, id, data);
	}
}

static void look_at_wave(struct thread *thread)
{
	uint32_t number = below(thread, WAVE * options.writers);
	struct ioasid_space *space = run.spaces[below(thread, run.space_count)];
	void *data;
	int ret =
		find(thread, space, WAVE_FIRST + number * WAVE_ID_STEP, &data);

	expect(ret ? ret == -ENOENT : data == &run.filler);
}

static bool look(struct thread *thread, struct held *held)
{
	struct place *place = &run.places[below(thread, run.place_count)];
	void *data;
	int ret = 0;

	thread->lookups++;
	if (one_in(thread, 4)) {
		look_at_wave(thread);
		return false;
	}
	if (place->kind == IN_RAW)
		data = ioasid_load_acquire(&place->raw);
	else
		ret = find(thread, place->space, place->id, &data);
	if (ret) {
		expect(place->kind == IN_CHURN && ret == -ENOENT);
		return false;
	}
	if (!is_element(data)) {
		wrong(RESULT);
		return false;
	}
	held->element = data;
	held->place = place->number;
	held->use = peek(&held->element->use);
	return examine(held);
}

void delay(struct thread *thread)
{
	uint32_t kind = below(thread, 1024);

	if (run.single) {
		for (kind %= 4; kind; kind--)
			turn(thread);
		return;
	}
	if (kind < 32 && ioasid_load_relaxed(&run.calm))
		spin(kind);
	else if (kind < 2)
		snooze(1000 + below(thread, 4000));
	else if (kind < 32)
		snooze(1 + below(thread, 100));
	else if (kind < 64)
		sched_yield();
	else if (kind < 384)
		spin(below(thread, 1000));
}

static void lock(const struct thread *thread)
{
	if (run.single)
		run.depth++;
	if (!thread->careless)
		ioasid_rcu_read_lock(run.rcu);
}

static void unlock(const struct thread *thread)
{
	if (run.single)
		run.depth--;
	if (!thread->careless)
		ioasid_rcu_read_unlock(run.rcu);
}

static void settle(struct thread *thread, const struct held *held,
		   unsigned int count, uint64_t drawn)
{
	uint32_t age;
	unsigned int i;

	for (i = 0; i < count; i++) {
		examine(&held[i]);
		age = ioasid_load_relaxed(&held[i].element->age);
		if (age > PIPE)
			age = PIPE;
		thread->ages[age]++;
		if (age > 1)
			wrong(AGE);
	}
	if (ioasid_load_relaxed(&run.over) > drawn)
		wrong(SPAN);
}

void section(struct thread *thread)
{
	bool late = torture_qsbr(run.flavour) && one_in(thread, 2);
	bool polls = one_in(thread, 32);
	unsigned int looks = 1 + below(thread, HELD), count = 0;
	uint64_t drawn, ticket = 0, cookie = 0;
	struct held held[HELD];

	lock(thread);
	drawn = ioasid_load_relaxed(&run.drawn);
	if (polls) {
		ticket = draw();
		cookie = ioasid_rcu_start_poll(run.rcu);
	}
	while (looks--) {
		bool nested = one_in(thread, 4);

		if (nested)
			lock(thread);
		count += look(thread, &held[count]);
		delay(thread);
		if (nested)
			unlock(thread);
		if (thread->careless)
			quiescent();
	}
	/* It began in this section, so it cannot be over. */
	if (polls && ioasid_rcu_poll(run.rcu, cookie))
		over(ticket);
	if (!late)
		settle(thread, held, count, drawn);
	unlock(thread);
	if (late)
		settle(thread, held, count, drawn);
	thread->late += late;
	thread->sections++;
}

/* Is there a duel of others? */
static bool aside(const struct thread *thread)
{
	uint32_t duel = ioasid_load_relaxed(&run.duel);

	return duel && thread->duel && thread->duel != duel;
}

/* Between two sections. */
void rest(struct thread *thread)
{
	if (aside(thread)) {
		expect(!ioasid_rcu_thread_offline(run.rcu));
		while (aside(thread)) {
			doing(thread, "offline");
			snooze(1000);
		}
		expect(!ioasid_rcu_thread_online(run.rcu));
	}
	if (one_in(thread, 64)) {
		doing(thread, "offline");
		expect(!ioasid_rcu_thread_offline(run.rcu));
		delay(thread);
		if (!run.single && one_in(thread, 16))
			snooze(below(thread, 5000));
		expect(!ioasid_rcu_thread_online(run.rcu));
	} else if (!one_in(thread, 8)) {
		quiescent();
	}
}

void *reader_main(void *arg)
{
	struct thread *thread = arg;

	expect(!ioasid_rcu_thread_register(run.rcu));
	while (running()) {
		doing(thread, "section");
		section(thread);
		rest(thread);
	}
	expect(!ioasid_rcu_thread_unregister(run.rcu));
	doing(thread, NULL);
	return NULL;
}

/* Readers that come and go. */

static void *passer_main(void *arg)
{
	struct thread *thread = arg;
	bool own = run.flavour->flavour == IOASID_RCU_CUSTOM;

	/* An own flavour may insist on either; epoch's threads do by itself. */
	if (own || torture_qsbr(run.flavour) || one_in(thread, 2))
		expect(!ioasid_rcu_thread_register(run.rcu));
	while (thread->left--) {
		doing(thread, "section of a thread that comes and goes");
		section(thread);
		rest(thread);
	}
	if (own || one_in(thread, 2))
		expect(!ioasid_rcu_thread_unregister(run.rcu));
	return NULL;
}

void *comer_main(void *arg)
{
	struct thread *thread = arg;
	pthread_t passer;

	while (running()) {
		thread->left = 1 + below(thread, 32);
		if (pthread_create(&passer, NULL, passer_main, thread) ||
		    pthread_join(passer, NULL))
			give_up("no thread");
		ioasid_fetch_add_acq_rel(&run.came, 1);
	}
	doing(thread, NULL);
	return NULL;
}
