/* SPDX-License-Identifier: MIT */
#include "test/torture/torture.h"

/* Elements. */

struct element *element_new(uint32_t place)
{
	struct element *element;

	pthread_mutex_lock(&run.mutex);
	element = run.pool;
	if (element) {
		run.pool = element->next;
		poke(&element->use, ++run.uses);
	}
	pthread_mutex_unlock(&run.mutex);
	if (!element)
		return NULL;
	if (run.fault == WRONG_PLACE && peek(&element->use) % 64 == 0)
		place++;
	poke(&element->canary, ALIVE);
	poke(&element->place, place);
	ioasid_store_relaxed(&element->age, 0);
	return element;
}

void element_free(struct element *element)
{
	poke(&element->canary, POISON);
	poke(&element->place, UINT32_MAX);
	poke(&element->use, 0);
	pthread_mutex_lock(&run.mutex);
	element->next = run.pool;
	run.pool = element;
	pthread_mutex_unlock(&run.mutex);
}

/* A grace period has passed; true if that was the last. */
static bool element_older(struct element *element)
{
	uint32_t age = ioasid_load_relaxed(&element->age) + 1;

	over(element->ticket);
	if (age == 2)
		poke(&element->canary, STALE);
	ioasid_store_relaxed(&element->age, age);
	if (age < PIPE)
		return false;
	element_free(element);
	return true;
}

static void element_called(struct ioasid_rcu_head *head);

static void strand(struct element *element)
{
	pthread_mutex_lock(&run.mutex);
	element->next = run.stranded;
	run.stranded = element;
	pthread_mutex_unlock(&run.mutex);
}

static void element_defer(struct element *element)
{
	int ret;

	element->ticket = draw();
	ioasid_fetch_add_acq_rel(&run.deferred, 1);
	ret = ioasid_rcu_defer(run.rcu, &element->head, element_called);
	if (!ret)
		return;
	ioasid_fetch_sub_release(&run.deferred, 1);
	expect(ret == -EAGAIN);
	strand(element);
}

static void element_called(struct ioasid_rcu_head *head)
{
	struct element *element =
		(struct element *)((char *)head -
				   offsetof(struct element, head));

	ioasid_fetch_add_acq_rel(&run.called, 1);
	if (!element_older(element) && running())
		element_defer(element);
}

/* Writers. */

static void retire(struct writer *writer, struct element *element)
{
	ioasid_store_relaxed(&element->age, 1);
	if (writer->method == DEFER) {
		element_defer(element);
		return;
	}
	element->ticket = draw();
	if (writer->method == POLL)
		element->cookie = ioasid_rcu_start_poll(run.rcu);
	element->next = writer->retired;
	writer->retired = element;
	writer->retired_count++;
}

static void vacate(struct writer *writer, struct place *place)
{
	struct element *element = place->current;
	int ret;

	if (writer->method != DEFER) {
		expect(!ioasid_space_free(place->space, place->id));
		retire(writer, element);
	} else {
		/* It may be called before this returns. */
		ioasid_store_relaxed(&element->age, 1);
		element->ticket = draw();
		ioasid_fetch_add_acq_rel(&run.deferred, 1);
		ret = ioasid_space_free_deferred(place->space, place->id,
						 &element->head,
						 element_called);
		if (ret) {
			ioasid_fetch_sub_release(&run.deferred, 1);
			ioasid_store_relaxed(&element->age, 0);
			expect(ret == -EAGAIN);
			return;
		}
	}
	place->current = NULL;
}

/* @id by @data; false: not now. */
bool occupy(struct ioasid_space *space, ioasid_t id, void *data)
{
	ioasid_t got = INVALID_IOASID;
	int ret = ioasid_space_alloc(space, NULL, id, id, data, &got);

	expect(ret ? ret == -EAGAIN : got == id);
	return !ret;
}

static void update(struct writer *writer, struct place *place)
{
	struct element *element, *before = place->current;
	void *old = before;

	if (place->kind == IN_CHURN && before) {
		vacate(writer, place);
		return;
	}
	element = element_new(place->number);
	if (!element)
		return;
	switch (place->kind) {
	case IN_RAW:
		ioasid_store_release(&place->raw, element);
		break;
	case IN_STEADY:
		expect(!ioasid_space_exchange_data(place->space, place->id,
						   element, &old));
		expect(old == before);
		break;
	case IN_CHURN:
		if (occupy(place->space, place->id, element))
			break;
		element_free(element);
		return;
	}
	place->current = element;
	if (before)
		retire(writer, before);
}

static void wave(struct writer *writer)
{
	unsigned int which = below(&writer->thread, run.space_count), i;
	struct ioasid_space *space = run.spaces[which];
	unsigned int *at = &writer->wave[which];
	ioasid_t first =
		WAVE_FIRST + writer->thread.number * WAVE * WAVE_ID_STEP;

	for (i = 0; i < WAVE_STEP; i++) {
		ioasid_t id = first + *at % WAVE * WAVE_ID_STEP;

		if (*at >= WAVE)
			expect(!ioasid_space_free(space, id));
		else if (!occupy(space, id, &run.filler))
			break;
		*at = (*at + 1) % (2 * WAVE);
	}
}

static void updates(struct writer *writer)
{
	unsigned int count = 1 + below(&writer->thread, 4);

	for (; count && writer->retired_count < RETIRED; count--) {
		writer->updates++;
		if (one_in(&writer->thread, 4))
			wave(writer);
		else
			update(writer,
			       &writer->places[below(&writer->thread,
						     run.place_count /
							     options.writers)]);
	}
}

/* set_data in place of exchange_data and synchronize. */
static int replace(struct writer *writer, struct place *place)
{
	struct element *before = place->current;
	struct element *element = element_new(place->number);
	int ret;

	if (!element)
		return ioasid_rcu_synchronize(run.rcu);
	ioasid_store_relaxed(&before->age, 1);
	before->ticket = draw();
	ret = ioasid_space_set_data(place->space, place->id, element);
	if (ret) {
		ioasid_store_relaxed(&before->age, 0);
		element_free(element);
		return ret;
	}
	place->current = element;
	before->next = writer->retired;
	writer->retired = before;
	writer->retired_count++;
	return 0;
}

static void synchronize_turn(struct writer *writer)
{
	struct element *element, **at;
	struct place *place;
	uint64_t ticket;
	int ret;

	updates(writer);
	place = &writer->places[below(&writer->thread,
				      run.place_count / options.writers)];
	ticket = draw();
	if (place->kind == IN_STEADY) {
		doing(&writer->thread, "set_data");
		ret = replace(writer, place);
	} else {
		doing(&writer->thread, "synchronize");
		ret = ioasid_rcu_synchronize(run.rcu);
	}
	expect(ret == wait_result());
	if (ret)
		return;
	over(ticket);
	writer->grace_periods++;
	for (at = &writer->retired; (element = *at);) {
		struct element *next = element->next;

		if (element_older(element)) {
			*at = next;
			writer->retired_count--;
		} else {
			at = &element->next;
		}
	}
}

static void poll_turn(struct writer *writer)
{
	struct element *element, **at;
	uint64_t cookie;

	updates(writer);
	doing(&writer->thread, "poll");
	for (at = &writer->retired; (element = *at);) {
		struct element *next = element->next;

		if (!ioasid_rcu_poll(run.rcu, element->cookie)) {
			at = &element->next;
			continue;
		}
		writer->passed[writer->passed_count++ % PASSED] =
			element->cookie;
		writer->grace_periods++;
		if (element_older(element)) {
			*at = next;
			writer->retired_count--;
			continue;
		}
		element->ticket = draw();
		element->cookie = ioasid_rcu_start_poll(run.rcu);
		at = &element->next;
	}
	if (writer->passed_count >= PASSED) {
		cookie = writer->passed[below(&writer->thread, PASSED)];
		if (!ioasid_rcu_poll(run.rcu, cookie))
			wrong(PASSED_POLL);
	}
}

static void defer_turn(struct writer *writer)
{
	struct element *element;

	doing(&writer->thread, "defer");
	if (ioasid_load_relaxed(&run.deferred) -
		    ioasid_load_relaxed(&run.called) <
	    (uint64_t)RETIRED * options.writers)
		updates(writer);
	pthread_mutex_lock(&run.mutex);
	element = run.stranded;
	if (element)
		run.stranded = element->next;
	pthread_mutex_unlock(&run.mutex);
	if (element) {
		/* At the limit an online thread of qsbr makes room itself. */
		quiescent();
		doing(&writer->thread, "barrier");
		expect(ioasid_rcu_barrier(run.rcu) == wait_result());
		element_defer(element);
	}
}

static void writer_turn(struct writer *writer)
{
	switch (writer->method) {
	case SYNCHRONIZE:
		synchronize_turn(writer);
		break;
	case POLL:
		poll_turn(writer);
		break;
	default:
		defer_turn(writer);
		break;
	}
}

void *writer_main(void *arg)
{
	struct writer *writer = arg;

	expect(!ioasid_rcu_thread_register(run.rcu));
	while (running()) {
		writer_turn(writer);
		delay(&writer->thread);
		rest(&writer->thread);
	}
	expect(!ioasid_rcu_thread_unregister(run.rcu));
	doing(&writer->thread, NULL);
	return NULL;
}

/* Who only asks for grace periods, for others to share. */

void callback_called(struct ioasid_rcu_head *head)
{
	struct callback *callback = (struct callback *)head;

	over(callback->ticket);
	ioasid_fetch_add_acq_rel(&run.called, 1);
	ioasid_store_release(&callback->used, 0);
}

static void fake_defer(struct faker *faker)
{
	struct callback *callback =
		&faker->callbacks[below(&faker->thread, CALLBACKS)];
	int ret = 0;

	if (ioasid_load_acquire(&callback->used))
		return;
	ioasid_store_relaxed(&callback->used, 1);
	callback->ticket = draw();
	ioasid_fetch_add_acq_rel(&run.deferred, 1);
	if (run.fault != LOST_CALLBACK || !one_in(&faker->thread, 64))
		ret = ioasid_rcu_defer(run.rcu, &callback->head,
				       callback_called);
	if (!ret)
		return;
	expect(ret == -EAGAIN);
	ioasid_fetch_sub_release(&run.deferred, 1);
	ioasid_store_relaxed(&callback->used, 0);
}

static void fake_barrier(struct faker *faker)
{
	int ret = ioasid_rcu_barrier(run.rcu);
	unsigned int i;

	expect(ret == wait_result());
	for (i = 0; !ret && i < CALLBACKS; i++)
		if (ioasid_load_acquire(&faker->callbacks[i].used))
			wrong(CALLBACK);
}

/* One that may be given up before its end. */
static void fake_poll(struct faker *faker)
{
	uint64_t ticket = draw(), cookie = ioasid_rcu_start_poll(run.rcu);
	unsigned int patience = below(&faker->thread, 200);

	while (patience-- && running()) {
		if (ioasid_rcu_poll(run.rcu, cookie)) {
			over(ticket);
			faker->grace_periods++;
			return;
		}
		if (!run.single) {
			quiescent();
			snooze(below(&faker->thread, 50));
		}
	}
}

static void fake_synchronize(struct faker *faker)
{
	uint64_t ticket = draw();
	int ret = ioasid_rcu_synchronize(run.rcu);

	expect(ret == wait_result());
	if (ret)
		return;
	over(ticket);
	faker->grace_periods++;
}

static void faker_turn(struct faker *faker)
{
	struct ioasid_space *space;

	switch (below(&faker->thread, 9)) {
	case 0:
		doing(&faker->thread, "barrier");
		fake_barrier(faker);
		break;
	case 1:
	case 2:
		doing(&faker->thread, "synchronize");
		fake_synchronize(faker);
		break;
	case 3:
	case 4:
		doing(&faker->thread, "poll");
		fake_poll(faker);
		break;
	case 5:
		doing(&faker->thread, "trim");
		space = run.spaces[below(&faker->thread, run.space_count)];
		ioasid_fetch_add_acq_rel(&run.trimmed,
					 ioasid_space_trim(space));
		break;
	default:
		doing(&faker->thread, "defer");
		fake_defer(faker);
		break;
	}
}

void *faker_main(void *arg)
{
	struct faker *faker = arg;

	expect(!ioasid_rcu_thread_register(run.rcu));
	while (running()) {
		faker_turn(faker);
		delay(&faker->thread);
		rest(&faker->thread);
	}
	expect(!ioasid_rcu_thread_unregister(run.rcu));
	doing(&faker->thread, NULL);
	return NULL;
}

/* What a single thread does while it is, or is not, in a section. */
void turn(struct thread *thread)
{
	if (one_in(thread, 3) && options.fakers)
		faker_turn(&run.fakers[below(thread, options.fakers)]);
	else
		writer_turn(&run.writers[below(thread, options.writers)]);
}
