/* SPDX-License-Identifier: MIT */
/*
 * Notifiers: who is told what, in which order, and what handlers may do.
 */
#include "test/actors.h"
#include "test/gate.h"

#if TEST_POSIX
#include <sys/wait.h>
#include <unistd.h>
#endif

#include <ioasid/ioasid.h>

enum { IDS = 1024, LOG = 64 };

struct listener;

struct told {
	const struct listener *listener;
	struct ioasid_notice notice;
	pthread_t thread;
};

/* What was told, in the order of the calls. */
struct log {
	pthread_mutex_t mutex;
	struct told told[LOG];
	unsigned int count;
};

struct listener {
	struct ioasid_notifier notifier;
	struct fixture *fixture;
	struct log *log;
	/* called after the notice is logged */
	void (*inside)(struct listener *listener,
		       const struct ioasid_notice *notice);
	void *arg;
	/* on a thread of qsbr that is online */
	bool online;
	unsigned int released;
	pthread_t released_by;
	/* calls that run at a time, of all threads */
	ioasid_atomic_u32 running, most;
};

static ioasid_t id_of(const struct ioasid_notice *notice)
{
	return ioasid_handle_id(notice->handle);
}

static void on_notice(struct ioasid_notifier *notifier,
		      const struct ioasid_notice *notice)
{
	struct listener *listener = (struct listener *)notifier;
	struct log *log = listener->log;
	uint32_t now = ioasid_fetch_add_acq_rel(&listener->running, 1) + 1;

	if (now > ioasid_load_relaxed(&listener->most))
		ioasid_store_relaxed(&listener->most, now);
	pthread_mutex_lock(&log->mutex);
	CHECK(log->count < LOG);
	log->told[log->count].listener = listener;
	log->told[log->count].notice = *notice;
	log->told[log->count++].thread = pthread_self();
	pthread_mutex_unlock(&log->mutex);
	if (listener->inside)
		listener->inside(listener, notice);
	ioasid_fetch_sub_release(&listener->running, 1);
}

static void on_release(struct ioasid_notifier *notifier)
{
	struct listener *listener = (struct listener *)notifier;

	CHECK(!ioasid_load_acquire(&listener->running));
	listener->released++;
	listener->released_by = pthread_self();
}

static void log_init(struct log *log)
{
	memset(log, 0, sizeof(*log));
	CHECK(!pthread_mutex_init(&log->mutex, NULL));
}

static void listener_init(struct listener *listener, struct fixture *fixture,
			  struct log *log, int priority)
{
	memset(listener, 0, sizeof(*listener));
	listener->notifier.notify = on_notice;
	listener->notifier.release = on_release;
	listener->notifier.priority = priority;
	listener->fixture = fixture;
	listener->log = log;
}

static int enlist_listener(struct listener *listener, struct ioasid_set *set)
{
	return ioasid_space_register_notifier(listener->fixture->space, set,
					      &listener->notifier);
}

static int delist_listener(struct listener *listener)
{
	return ioasid_space_unregister_notifier(listener->fixture->space,
						&listener->notifier);
}

/* A log and a listener in it that is registered. */
static void listen(struct listener *listener, struct fixture *fixture,
		   struct log *log)
{
	log_init(log);
	listener_init(listener, fixture, log, 0);
	assert_int_equal(enlist_listener(listener, NULL), 0);
}

static ioasid_t give(struct fixture *fixture, struct ioasid_set *set)
{
	ioasid_t id;

	CHECK(!ioasid_space_alloc(fixture->space, set, 0, INVALID_IOASID,
				  fixture, &id));
	return id;
}

static void give_this(struct fixture *fixture, ioasid_t id)
{
	CHECK(!ioasid_space_alloc(fixture->space, NULL, id, id, fixture, &id));
}

static void take(struct fixture *fixture, ioasid_t id)
{
	CHECK(!ioasid_space_free(fixture->space, id));
}

static void notify(struct fixture *fixture, ioasid_t id,
		   enum ioasid_event event)
{
	CHECK(!ioasid_space_notify(fixture->space, id, event, NULL));
}

static struct ioasid_stats stats(struct fixture *fixture)
{
	struct ioasid_stats now;

	ioasid_space_stats(fixture->space, &now);
	return now;
}

static int found(struct fixture *fixture, ioasid_t id)
{
	void *data;

	return ioasid_space_find(fixture->space, NULL, id, NULL, &data);
}

#define ALLOC IOASID_EVENT_ALLOC
#define FREE IOASID_EVENT_FREE
#define BIND IOASID_EVENT_BIND
#define UNBIND IOASID_EVENT_UNBIND

/* The next that @log has; @listener NULL: whoever. */
static void expect_at(const struct log *log, unsigned int at,
		      const struct listener *listener, enum ioasid_event event,
		      ioasid_t id)
{
	const struct told *told = &log->told[at];

	assert_true(at < log->count);
	if (listener)
		assert_ptr_equal(told->listener, listener);
	assert_int_equal(told->notice.event, event);
	assert_int_equal(id_of(&told->notice), id);
}

struct expected {
	const struct listener *listener;
	enum ioasid_event event;
	ioasid_t id;
};

/* All that was told is this; forgets it. */
static void expect(struct log *log, const struct expected *expected,
		   unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count && i < log->count; i++)
		expect_at(log, i, expected[i].listener, expected[i].event,
			  expected[i].id);
	assert_int_equal(log->count, count);
	log->count = 0;
}

#define EXPECT(log, ...)                                      \
	expect(log, (const struct expected[]){ __VA_ARGS__ }, \
	       ARRAY_SIZE(((const struct expected[]){ __VA_ARGS__ })))

static void tells_what_happens(struct fixture *fixture)
{
	struct ioasid_space *space = fixture->space;
	struct listener listener;
	struct log log;
	struct ioasid_set *set;
	ioasid_handle_t handle;
	ioasid_t id, plain;
	unsigned int i;

	assert_int_equal(ioasid_set_create(space, NULL, &set), 0);
	plain = give(fixture, NULL);
	listen(&listener, fixture, &log);
	assert_int_equal(stats(fixture).notifiers, 1);
	id = give(fixture, set);
	assert_int_equal(ioasid_space_handle(space, NULL, id, &handle), 0);
	assert_int_equal(ioasid_spid_attach(space, id, 77), 0);
	assert_int_equal(ioasid_space_notify(space, id, BIND, &id), 0);
	assert_int_equal(ioasid_space_exchange_data(space, id, &log, NULL), 0);
	assert_int_equal(ioasid_space_notify(space, id, UNBIND, &plain), 0);
	take(fixture, id);
	assert_int_equal(ioasid_space_put(space, plain), 1);
	for (i = 0; i < 4; i++) {
		const struct ioasid_notice *notice = &log.told[i].notice;

		assert_ptr_equal(notice->space, space);
		assert_ptr_equal(notice->set, set);
		assert_true(notice->handle == handle);
		assert_int_equal(notice->spid, i ? 77 : INVALID_IOASID);
		assert_ptr_equal(notice->data,
				 i < 2 ? (void *)fixture : (void *)&log);
		assert_ptr_equal(notice->arg, i == 1 ? (void *)&id :
					      i == 2 ? (void *)&plain :
						       NULL);
	}
	assert_null(log.told[4].notice.set);
	assert_int_equal(log.told[4].notice.spid, INVALID_IOASID);
	EXPECT(&log, { &listener, ALLOC, id }, { &listener, BIND, id },
	       { &listener, UNBIND, id }, { &listener, FREE, id },
	       { &listener, FREE, plain });
	/* What fails is no event. */
	assert_int_equal(ioasid_space_free(space, id), -ENOENT);
	assert_int_equal(ioasid_space_alloc(space, NULL, 2, 1, NULL, &id),
			 -EINVAL);
	assert_int_equal(ioasid_space_alloc(space, NULL, IDS, IDS, NULL, &id),
			 -ENOSPC);
	assert_int_equal(log.count, 0);
	assert_int_equal(delist_listener(&listener), 0);
	assert_int_equal(listener.released, 1);
	assert_int_equal(stats(fixture).notifiers, 0);
	take(fixture, give(fixture, NULL));
	assert_int_equal(log.count, 0);
	assert_int_equal(ioasid_set_destroy(space, set), 0);
}

static void refuses(struct fixture *fixture)
{
	struct ioasid_space *space = fixture->space, *other;
	struct ioasid_space_config config;
	struct listener listener;
	struct ioasid_set *foreign;
	struct log log;
	ioasid_t id;

	fixture_space_config(fixture, &config, 0, 9);
	assert_int_equal(ioasid_space_create(&config, &other), 0);
	assert_int_equal(ioasid_set_create(other, NULL, &foreign), 0);
	log_init(&log);
	listener_init(&listener, fixture, &log, 0);
	listener.notifier.notify = NULL;
	assert_int_equal(enlist_listener(&listener, NULL), -EINVAL);
	listener.notifier.notify = on_notice;
	assert_int_equal(delist_listener(&listener), -ENOENT);
	assert_int_equal(enlist_listener(&listener, foreign), -EXDEV);
	assert_int_equal(stats(fixture).notifiers, 0);
	assert_int_equal(enlist_listener(&listener, NULL), 0);
	assert_int_equal(enlist_listener(&listener, NULL), -EEXIST);
	assert_int_equal(ioasid_space_register_notifier(other, NULL,
							&listener.notifier),
			 -EEXIST);
	assert_int_equal(ioasid_space_unregister_notifier(other,
							  &listener.notifier),
			 -ENOENT);
	id = give(fixture, NULL);
	assert_int_equal(ioasid_space_notify(space, id, ALLOC, NULL), -EINVAL);
	assert_int_equal(ioasid_space_notify(space, id, FREE, NULL), -EINVAL);
	assert_int_equal(ioasid_space_notify(space, id, (enum ioasid_event)4,
					     NULL),
			 -EINVAL);
	assert_int_equal(ioasid_space_notify(space, id + 1, BIND, NULL),
			 -ENOENT);
	assert_int_equal(ioasid_space_notify(space, INVALID_IOASID, BIND, NULL),
			 -ENOENT);
	assert_int_equal(ioasid_space_get(space, NULL, id), 0);
	take(fixture, id);
	assert_int_equal(ioasid_space_notify(space, id, BIND, NULL), -ENOENT);
	assert_int_equal(ioasid_space_put(space, id), 1);
	EXPECT(&log, { &listener, ALLOC, id }, { &listener, FREE, id });
	assert_int_equal(delist_listener(&listener), 0);
	assert_int_equal(delist_listener(&listener), -ENOENT);
	assert_int_equal(listener.released, 1);
	/* The caller's again: to be had anywhere, with nobody to release it. */
	listener.notifier.release = NULL;
	assert_int_equal(ioasid_space_register_notifier(other, NULL,
							&listener.notifier),
			 0);
	assert_int_equal(
		ioasid_space_unregister_notifier(other, &listener.notifier), 0);
	assert_int_equal(ioasid_space_destroy(other), 0);
}

static void higher_priority_first(struct fixture *fixture)
{
	static const int priority[] = { 0, 5, -3, 5, INT32_MIN, INT32_MAX, 0 };
	static const unsigned int order[] = { 5, 1, 3, 0, 6, 2, 4 };
	struct listener listener[ARRAY_SIZE(priority)];
	struct log log;
	ioasid_t id;
	unsigned int i;

	log_init(&log);
	for (i = 0; i < ARRAY_SIZE(priority); i++) {
		listener_init(&listener[i], fixture, &log, priority[i]);
		assert_int_equal(enlist_listener(&listener[i], NULL), 0);
	}
	id = give(fixture, NULL);
	assert_int_equal(log.count, ARRAY_SIZE(priority));
	for (i = 0; i < ARRAY_SIZE(priority); i++)
		expect_at(&log, i, &listener[order[i]], ALLOC, id);
	log.count = 0;
	assert_int_equal(delist_listener(&listener[1]), 0);
	assert_int_equal(enlist_listener(&listener[1], NULL), 0);
	take(fixture, id);
	expect_at(&log, 1, &listener[3], FREE, id);
	expect_at(&log, 2, &listener[1], FREE, id);
	for (i = 0; i < ARRAY_SIZE(priority); i++)
		assert_int_equal(delist_listener(&listener[i]), 0);
}

static void notifiers_of_a_set(struct fixture *fixture)
{
	DECLARE_IOASID_SET(unbound);
	struct ioasid_space *space = fixture->space;
	struct listener all, of_set, of_unbound;
	struct ioasid_set *set;
	struct log log;
	ioasid_t a, b, c;

	listen(&all, fixture, &log);
	assert_int_equal(ioasid_set_create(space, NULL, &set), 0);
	listener_init(&of_set, fixture, &log, 1);
	listener_init(&of_unbound, fixture, &log, -1);
	assert_int_equal(enlist_listener(&of_set, set), 0);
	/* That binds it, as its first use. */
	assert_int_equal(enlist_listener(&of_unbound, &unbound), 0);
	assert_int_equal(stats(fixture).sets, 2);
	a = give(fixture, set);
	b = give(fixture, &unbound);
	c = give(fixture, NULL);
	notify(fixture, a, BIND);
	notify(fixture, b, BIND);
	notify(fixture, c, BIND);
	EXPECT(&log, { &of_set, ALLOC, a }, { &all, ALLOC, a },
	       { &all, ALLOC, b }, { &of_unbound, ALLOC, b },
	       { &all, ALLOC, c }, { &of_set, BIND, a }, { &all, BIND, a },
	       { &all, BIND, b }, { &of_unbound, BIND, b }, { &all, BIND, c });
	take(fixture, a);
	EXPECT(&log, { &of_set, FREE, a }, { &all, FREE, a });
	/* They end with their set. */
	assert_int_equal(ioasid_set_destroy(space, &unbound), -EBUSY);
	assert_int_equal(stats(fixture).notifiers, 3);
	assert_int_equal(ioasid_set_destroy(space, set), 0);
	assert_int_equal(of_set.released, 1);
	assert_int_equal(delist_listener(&of_set), -ENOENT);
	assert_int_equal(stats(fixture).notifiers, 2);
	/* A set in its place is another set. */
	ioasid_rcu_quiescent(fixture->rcu);
	assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
	assert_int_equal(ioasid_set_create(space, NULL, &set), 0);
	a = give(fixture, set);
	EXPECT(&log, { &all, ALLOC, a });
	assert_int_equal(of_unbound.released, 0);
	assert_int_equal(delist_listener(&of_unbound), 0);
	assert_int_equal(delist_listener(&all), 0);
	take(fixture, b);
	assert_int_equal(ioasid_set_destroy(space, &unbound), 0);
	assert_int_equal(of_unbound.released, 1);
}

/* On error nothing has changed: the set is not bound. */
static void no_memory_to_register(struct fixture *fixture)
{
	DECLARE_IOASID_SET(set);
	struct listener listener;
	struct log log;

	log_init(&log);
	listener_init(&listener, fixture, &log, 0);
	fixture->memory.fail_all = true;
	assert_int_equal(enlist_listener(&listener, &set), -ENOMEM);
	assert_int_equal(stats(fixture).notifiers, 0);
	assert_int_equal(stats(fixture).sets, 0);
	/* Without a set none is needed; nor to tell. */
	assert_int_equal(enlist_listener(&listener, NULL), 0);
	fixture->memory.fail_all = false;
	give_this(fixture, 5);
	fixture->memory.fail_all = true;
	notify(fixture, 5, BIND);
	take(fixture, 5);
	assert_int_equal(delist_listener(&listener), 0);
	fixture->memory.fail_all = false;
	EXPECT(&log, { NULL, ALLOC, 5 }, { NULL, BIND, 5 }, { NULL, FREE, 5 });
}

static void look_at_freed(struct listener *listener,
			  const struct ioasid_notice *notice)
{
	struct ioasid_space *space = listener->fixture->space;
	ioasid_t id = id_of(notice), other;

	if (notice->event != FREE)
		return;
	assert_int_equal(found(listener->fixture, id), -ENOENT);
	assert_int_equal(ioasid_space_get(space, NULL, id), -EBUSY);
	assert_int_equal(ioasid_space_free(space, id), -EBUSY);
	assert_int_equal(ioasid_space_notify(space, id, UNBIND, NULL), -ENOENT);
	assert_int_equal(ioasid_space_alloc(space, NULL, id, id, NULL, &other),
			 -ENOSPC);
	assert_int_equal(stats(listener->fixture).pending, 1);
	assert_true(ioasid_space_validate(space, NULL));
	++*(unsigned int *)listener->arg;
}

/* Linux: the ID of a free could be handed out before its users knew. */
static void freed_id_is_pending(struct fixture *fixture)
{
	struct listener listener, second;
	struct log log;
	unsigned int seen = 0, how;

	listen(&listener, fixture, &log);
	listener_init(&second, fixture, &log, -1);
	assert_int_equal(enlist_listener(&second, NULL), 0);
	listener.inside = look_at_freed;
	listener.arg = &seen;
	second.inside = look_at_freed;
	second.arg = &seen;
	for (how = 0; how < 2; how++) {
		ioasid_t id = 10 + how;

		give_this(fixture, id);
		if (how)
			assert_int_equal(ioasid_space_put(fixture->space, id),
					 1);
		else
			take(fixture, id);
		assert_int_equal(seen, 2 + 2 * how);
		assert_int_equal(stats(fixture).pending, 0);
		assert_int_equal(stats(fixture).committed, 0);
		log.count = 0;
	}
	assert_int_equal(delist_listener(&listener), 0);
	assert_int_equal(delist_listener(&second), 0);
}

static void hold(struct listener *listener, const struct ioasid_notice *notice)
{
	struct ioasid_space *space = listener->fixture->space;

	if (notice->event == ALLOC)
		assert_int_equal(ioasid_space_get(space, NULL, id_of(notice)),
				 0);
}

static void handler_holds_a_reference(struct fixture *fixture)
{
	struct ioasid_space *space = fixture->space;
	struct listener listener;
	struct log log;
	ioasid_t id, other;

	listen(&listener, fixture, &log);
	listener.inside = hold;
	id = give(fixture, NULL);
	take(fixture, id);
	EXPECT(&log, { &listener, ALLOC, id }, { &listener, FREE, id });
	assert_int_equal(stats(fixture).pending, 1);
	assert_int_equal(ioasid_space_alloc(space, NULL, id, id, NULL, &other),
			 -ENOSPC);
	/* Told once; the last put is no event. */
	assert_int_equal(ioasid_space_put(space, id), 1);
	assert_int_equal(log.count, 0);
	assert_int_equal(stats(fixture).pending, 0);
	/* But where it ends the life it is. */
	id = give(fixture, NULL);
	assert_int_equal(ioasid_space_put(space, id), 0);
	assert_int_equal(ioasid_space_put(space, id), 1);
	EXPECT(&log, { &listener, ALLOC, id }, { &listener, FREE, id });
	assert_int_equal(delist_listener(&listener), 0);
}

static void drop(struct listener *listener, const struct ioasid_notice *notice)
{
	if (notice->event == FREE)
		assert_int_equal(ioasid_space_put(listener->fixture->space,
						  id_of(notice)),
				 0);
}

/* The handler puts what it held: the ID is vacant once all are told. */
static void handler_drops_a_reference(struct fixture *fixture)
{
	struct listener listener, second;
	struct log log;

	listen(&listener, fixture, &log);
	listener_init(&second, fixture, &log, -1);
	assert_int_equal(enlist_listener(&second, NULL), 0);
	give_this(fixture, 3);
	assert_int_equal(ioasid_space_get(fixture->space, NULL, 3), 0);
	listener.inside = drop;
	take(fixture, 3);
	EXPECT(&log, { &listener, ALLOC, 3 }, { &second, ALLOC, 3 },
	       { &listener, FREE, 3 }, { &second, FREE, 3 });
	assert_int_equal(stats(fixture).pending, 0);
	assert_int_equal(delist_listener(&listener), 0);
	assert_int_equal(delist_listener(&second), 0);
}

static void cause_more(struct listener *listener,
		       const struct ioasid_notice *notice)
{
	struct fixture *fixture = listener->fixture;

	if (notice->event != ALLOC || id_of(notice) != 1)
		return;
	give_this(fixture, 2);
	notify(fixture, 2, BIND);
	/* Told later, but here it is so already. */
	assert_int_equal(found(fixture, 2), 0);
	take(fixture, 1);
	assert_int_equal(found(fixture, 1), -ENOENT);
	notify(fixture, 2, UNBIND);
	give_this(fixture, 3);
	assert_int_equal(ioasid_space_put(fixture->space, 3), 1);
}

/* Before the outer call returns; every one to all before the next to any. */
static void events_of_handlers(struct fixture *fixture)
{
	struct listener first, second;
	struct log log;

	listen(&first, fixture, &log);
	first.inside = cause_more;
	listener_init(&second, fixture, &log, -1);
	assert_int_equal(enlist_listener(&second, NULL), 0);
	/* Freed by the handler: alloc has succeeded all the same. */
	give_this(fixture, 1);
	EXPECT(&log, { &first, ALLOC, 1 }, { &second, ALLOC, 1 },
	       { &first, ALLOC, 2 }, { &second, ALLOC, 2 }, { &first, BIND, 2 },
	       { &second, BIND, 2 }, { &first, FREE, 1 }, { &second, FREE, 1 },
	       { &first, UNBIND, 2 }, { &second, UNBIND, 2 },
	       { &first, ALLOC, 3 }, { &second, ALLOC, 3 }, { &first, FREE, 3 },
	       { &second, FREE, 3 });
	/* Never one inside of another. */
	assert_int_equal(ioasid_load_relaxed(&first.most), 1);
	assert_int_equal(ioasid_load_relaxed(&second.most), 1);
	assert_int_equal(found(fixture, 1), -ENOENT);
	assert_int_equal(stats(fixture).pending, 0);
	assert_int_equal(stats(fixture).live, 1);
	assert_int_equal(delist_listener(&first), 0);
	assert_int_equal(delist_listener(&second), 0);
}

static void chain(struct listener *listener, const struct ioasid_notice *notice)
{
	if (notice->event == ALLOC && id_of(notice) < 20) {
		give_this(listener->fixture, id_of(notice) + 1);
		take(listener->fixture, id_of(notice));
	}
}

/* Linux: a chain could not be called from the chain. */
static void events_of_events(struct fixture *fixture)
{
	struct listener listener;
	struct log log;

	listen(&listener, fixture, &log);
	listener.inside = chain;
	give_this(fixture, 1);
	assert_int_equal(log.count, 39);
	for (ioasid_t id = 1; id < 20; id++) {
		expect_at(&log, 2 * id - 1, &listener, ALLOC, id + 1);
		expect_at(&log, 2 * id, &listener, FREE, id);
	}
	assert_int_equal(ioasid_load_relaxed(&listener.most), 1);
	assert_int_equal(stats(fixture).live, 1);
	assert_int_equal(delist_listener(&listener), 0);
}

struct change {
	struct listener *self, *earlier, *later, *fresh;
};

static void change_listeners(struct listener *listener,
			     const struct ioasid_notice *notice)
{
	struct change *change = listener->arg;

	if (notice->event != BIND)
		return;
	assert_int_equal(delist_listener(change->self), 1);
	assert_int_equal(delist_listener(change->self), -ENOENT);
	/* Its last call is this one. */
	assert_int_equal(enlist_listener(change->self, NULL), -EEXIST);
	assert_int_equal(change->self->released, 0);
	assert_int_equal(delist_listener(change->earlier), 0);
	assert_int_equal(change->earlier->released, 1);
	assert_int_equal(delist_listener(change->later), 0);
	assert_int_equal(change->later->released, 1);
	notify(listener->fixture, id_of(notice), UNBIND);
	/* It was not there for this event, nor for that one. */
	assert_int_equal(enlist_listener(change->fresh, NULL), 0);
	take(listener->fixture, id_of(notice));
}

static void handlers_change_the_list(struct fixture *fixture)
{
	struct listener earlier, self, later, last, fresh;
	struct change change = { &self, &earlier, &later, &fresh };
	struct log log;

	listen(&earlier, fixture, &log);
	assert_int_equal(delist_listener(&earlier), 0);
	earlier.released = 0;
	earlier.notifier.priority = 10;
	assert_int_equal(enlist_listener(&earlier, NULL), 0);
	listener_init(&self, fixture, &log, 5);
	listener_init(&later, fixture, &log, 3);
	listener_init(&last, fixture, &log, 1);
	/* Before and after those that are told. */
	listener_init(&fresh, fixture, &log, 2);
	assert_int_equal(enlist_listener(&self, NULL), 0);
	assert_int_equal(enlist_listener(&later, NULL), 0);
	assert_int_equal(enlist_listener(&last, NULL), 0);
	give_this(fixture, 1);
	self.inside = change_listeners;
	self.arg = &change;
	notify(fixture, 1, BIND);
	EXPECT(&log, { &earlier, ALLOC, 1 }, { &self, ALLOC, 1 },
	       { &later, ALLOC, 1 }, { &last, ALLOC, 1 }, { &earlier, BIND, 1 },
	       { &self, BIND, 1 }, { &last, BIND, 1 }, { &last, UNBIND, 1 },
	       { &fresh, FREE, 1 }, { &last, FREE, 1 });
	assert_int_equal(self.released, 1);
	assert_int_equal(earlier.released, 1);
	assert_int_equal(later.released, 1);
	assert_int_equal(stats(fixture).notifiers, 2);
	assert_int_equal(enlist_listener(&self, NULL), 0);
	assert_int_equal(delist_listener(&self), 0);
	assert_int_equal(delist_listener(&last), 0);
	assert_int_equal(delist_listener(&fresh), 0);
}

static void release_returns(struct ioasid_notifier *notifier)
{
	struct listener *listener = (struct listener *)notifier;

	if (!listener->released++) {
		assert_int_equal(enlist_listener(listener, NULL), 0);
		notify(listener->fixture, 1, UNBIND);
		assert_int_equal(ioasid_rcu_synchronize(listener->fixture->rcu),
				 0);
	}
}

static void leave_on_bind(struct listener *listener,
			  const struct ioasid_notice *notice)
{
	if (notice->event == BIND)
		assert_int_equal(delist_listener(listener), 1);
}

static void free_in_release(struct ioasid_notifier *notifier)
{
	struct listener *listener = (struct listener *)notifier;

	listener->released++;
	take(listener->fixture, 1);
	assert_int_equal(stats(listener->fixture).pending, 1);
}

/* It waits for what is told of the ID, though nobody is left to hear it. */
static void freed_in_release(struct fixture *fixture)
{
	struct listener listener;
	struct log log;

	listen(&listener, fixture, &log);
	listener.notifier.release = free_in_release;
	listener.inside = leave_on_bind;
	give_this(fixture, 1);
	notify(fixture, 1, BIND);
	assert_int_equal(listener.released, 1);
	EXPECT(&log, { &listener, ALLOC, 1 }, { &listener, BIND, 1 });
	assert_int_equal(stats(fixture).pending, 0);
}

static void wait_in_release(struct ioasid_notifier *notifier)
{
	struct listener *listener = (struct listener *)notifier;
	struct fixture *fixture = listener->fixture;
	int ret = listener->online ? -EDEADLK : 0;
	struct listener *other = listener->arg;

	listener->released++;
	assert_int_equal(ioasid_space_destroy(fixture->space), -EDEADLK);
	assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), ret);
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), ret);
	if (other && !other->released) {
		/* Not the caller's yet. */
		assert_int_equal(delist_listener(other), -ENOENT);
		assert_int_equal(enlist_listener(other, NULL), -EEXIST);
	}
	/* Told once all are released. */
	notify(fixture, 1, BIND);
	assert_int_equal(listener->log->count, 0);
}

static void destroyed_and_waited_in_release(struct fixture *fixture)
{
	struct listener of_set[2], all;
	struct ioasid_set *set;
	struct log log;
	bool offline;
	unsigned int i;

	give_this(fixture, 1);
	for (offline = false;; offline = true) {
		if (offline)
			ioasid_rcu_thread_offline(fixture->rcu);
		listen(&all, fixture, &log);
		CHECK(!ioasid_set_create(fixture->space, NULL, &set));
		for (i = 0; i < 2; i++) {
			listener_init(&of_set[i], fixture, &log, 0);
			of_set[i].notifier.release = wait_in_release;
			of_set[i].arg = &of_set[!i];
			of_set[i].online = fixture->flavour->qsbr_like &&
					   !offline;
			CHECK(!enlist_listener(&of_set[i], set));
		}
		CHECK(!ioasid_set_destroy(fixture->space, set));
		assert_int_equal(of_set[0].released + of_set[1].released, 2);
		EXPECT(&log, { &all, BIND, 1 }, { &all, BIND, 1 });
		log.count = 0;
		of_set[0].arg = NULL;
		CHECK(!enlist_listener(&of_set[0], NULL));
		CHECK(!delist_listener(&of_set[0]));
		assert_int_equal(of_set[0].released, 2);
		EXPECT(&log, { &all, BIND, 1 });
		CHECK(!delist_listener(&all));
		if (offline || !fixture->flavour->qsbr_like)
			break;
	}
	ioasid_rcu_thread_online(fixture->rcu);
	take(fixture, 1);
}

/* It is the caller's again in its release, and no lock is held. */
static void calls_in_release(struct fixture *fixture)
{
	struct listener listener, second;
	struct log log;

	listen(&listener, fixture, &log);
	listener.notifier.release = release_returns;
	listener.inside = leave_on_bind;
	listener_init(&second, fixture, &log, -1);
	assert_int_equal(enlist_listener(&second, NULL), 0);
	give_this(fixture, 1);
	notify(fixture, 1, BIND);
	EXPECT(&log, { &listener, ALLOC, 1 }, { &second, ALLOC, 1 },
	       { &listener, BIND, 1 }, { &second, BIND, 1 },
	       { &listener, UNBIND, 1 }, { &second, UNBIND, 1 });
	assert_int_equal(listener.released, 1);
	assert_int_equal(delist_listener(&listener), 0);
	assert_int_equal(listener.released, 2);
	assert_int_equal(delist_listener(&second), 0);
}

static void release_next(struct ioasid_notifier *notifier)
{
	struct listener *listener = (struct listener *)notifier;

	listener->released++;
	/* It was the next to be told. */
	assert_int_equal(delist_listener(listener->arg), 1);
}

static void next_unregistered_by_release(struct fixture *fixture)
{
	struct listener listener, next, last;
	struct log log;

	give_this(fixture, 1);
	listen(&listener, fixture, &log);
	listener.inside = leave_on_bind;
	listener.notifier.release = release_next;
	listener.arg = &next;
	listener_init(&next, fixture, &log, -1);
	listener_init(&last, fixture, &log, -2);
	assert_int_equal(enlist_listener(&next, NULL), 0);
	assert_int_equal(enlist_listener(&last, NULL), 0);
	notify(fixture, 1, BIND);
	EXPECT(&log, { &listener, BIND, 1 }, { &last, BIND, 1 });
	assert_int_equal(listener.released, 1);
	assert_int_equal(next.released, 1);
	assert_int_equal(delist_listener(&last), 0);
}

static void free_memory(struct ioasid_notifier *notifier)
{
	free(notifier);
}

/* Where one is unregistered while it runs, release is the last to see it. */
static void memory_of_a_notifier(struct fixture *fixture)
{
	struct listener *listener = malloc(sizeof(*listener));
	struct log log;

	CHECK(listener);
	listen(listener, fixture, &log);
	listener->notifier.release = free_memory;
	listener->inside = leave_on_bind;
	give_this(fixture, 1);
	/* on_notice() looks at it once more after that. */
	notify(fixture, 1, BIND);
	notify(fixture, 1, UNBIND);
	EXPECT(&log, { NULL, ALLOC, 1 }, { NULL, BIND, 1 });
	assert_int_equal(stats(fixture).notifiers, 0);
}

static void destroy_sets(struct listener *listener,
			 const struct ioasid_notice *notice)
{
	struct ioasid_set **sets = listener->arg;
	struct ioasid_space *space = listener->fixture->space;

	if (notice->event != FREE)
		return;
	/* Its ID is pending until this returns. */
	assert_int_equal(ioasid_set_destroy(space, sets[0]), -EBUSY);
	assert_int_equal(ioasid_set_destroy(space, sets[1]), 0);
}

static void handler_destroys_a_set(struct fixture *fixture)
{
	struct ioasid_space *space = fixture->space;
	struct listener listener, of_one, of_other;
	struct ioasid_set *sets[2];
	struct log log;
	ioasid_t id;

	assert_int_equal(ioasid_set_create(space, NULL, &sets[0]), 0);
	assert_int_equal(ioasid_set_create(space, NULL, &sets[1]), 0);
	log_init(&log);
	listener_init(&listener, fixture, &log, 9);
	listener_init(&of_one, fixture, &log, 8);
	listener_init(&of_other, fixture, &log, 7);
	listener.inside = destroy_sets;
	listener.arg = sets;
	assert_int_equal(enlist_listener(&listener, NULL), 0);
	assert_int_equal(enlist_listener(&of_one, sets[0]), 0);
	assert_int_equal(enlist_listener(&of_other, sets[1]), 0);
	id = give(fixture, sets[0]);
	take(fixture, id);
	EXPECT(&log, { &listener, ALLOC, id }, { &of_one, ALLOC, id },
	       { &listener, FREE, id }, { &of_one, FREE, id });
	assert_int_equal(of_other.released, 1);
	assert_int_equal(of_one.released, 0);
	assert_int_equal(ioasid_set_destroy(space, sets[0]), 0);
	assert_int_equal(of_one.released, 1);
	assert_int_equal(delist_listener(&listener), 0);
}

/* A notifier may wait, and call what waits. */
static void wait_inside(struct listener *listener,
			const struct ioasid_notice *notice)
{
	struct fixture *fixture = listener->fixture;
	/* On a thread online the caller may hold pointers, unseen. */
	int ret = listener->online ? -EDEADLK : 0;

	assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), ret);
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), ret);
	assert_int_equal(ioasid_space_set_data(fixture->space, id_of(notice),
					       listener),
			 notice->event == FREE ? -ENOENT : ret);
	assert_int_equal(ioasid_space_destroy(fixture->space), -EDEADLK);
}

static void waits_in_handlers(struct fixture *fixture)
{
	struct listener listener;
	struct log log;
	ioasid_t id;

	listen(&listener, fixture, &log);
	listener.inside = wait_inside;
	listener.online = fixture->flavour->qsbr_like;
	do {
		if (fixture->flavour->qsbr_like && !listener.online)
			ioasid_rcu_thread_offline(fixture->rcu);
		id = give(fixture, NULL);
		notify(fixture, id, BIND);
		take(fixture, id);
		EXPECT(&log, { &listener, ALLOC, id }, { &listener, BIND, id },
		       { &listener, FREE, id });
		if (!listener.online)
			assert_ptr_equal(log.told[1].notice.data, &listener);
		log.count = 0;
		listener.online = !listener.online;
	} while (!listener.online);
	if (fixture->flavour->qsbr_like)
		ioasid_rcu_thread_online(fixture->rcu);
	listener.online = false;
	assert_int_equal(delist_listener(&listener), 0);
	listener.inside = NULL;
	assert_int_equal(enlist_listener(&listener, NULL), 0);
	/* One that does not wait may be told in a read section. */
	ioasid_rcu_read_lock(fixture->rcu);
	id = give(fixture, NULL);
	notify(fixture, id, BIND);
	take(fixture, id);
	assert_int_equal(delist_listener(&listener), 0);
	ioasid_rcu_read_unlock(fixture->rcu);
	assert_int_equal(log.count, 3);
}

static void on_deferred(struct ioasid_rcu_head *head)
{
	head->func = NULL;
}

static void free_by_other_names(struct fixture *fixture)
{
	struct ioasid_space *space = fixture->space;
	struct listener listener;
	struct ioasid_rcu_head head;
	struct ioasid_set *set;
	ioasid_handle_t handle;
	struct log log;
	ioasid_t id, kept;
	uint32_t count;

	listen(&listener, fixture, &log);
	assert_int_equal(ioasid_set_create(space, NULL, &set), 0);
	id = give(fixture, set);
	kept = give(fixture, set);
	assert_int_equal(ioasid_space_get(space, NULL, kept), 0);
	log.count = 0;
	assert_int_equal(ioasid_set_free_all(space, set, &count), 0);
	assert_int_equal(count, 2);
	EXPECT(&log, { &listener, FREE, id }, { &listener, FREE, kept });
	assert_int_equal(ioasid_space_put(space, kept), 1);
	id = give(fixture, NULL);
	assert_int_equal(ioasid_space_handle(space, NULL, id, &handle), 0);
	assert_int_equal(ioasid_space_free_handle(space, handle), 0);
	EXPECT(&log, { &listener, ALLOC, id }, { &listener, FREE, id });
	id = give(fixture, NULL);
	assert_int_equal(
		ioasid_space_free_deferred(space, id, &head, on_deferred), 0);
	EXPECT(&log, { &listener, ALLOC, id }, { &listener, FREE, id });
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
	assert_null(head.func);
	assert_int_equal(delist_listener(&listener), 0);
}

static void destroy_tells_nobody(struct fixture *fixture)
{
	struct listener listener, of_set;
	struct ioasid_set *set;
	struct log log;

	fixture_space(fixture, 0, 9);
	listen(&listener, fixture, &log);
	listener_init(&of_set, fixture, &log, 0);
	assert_int_equal(ioasid_set_create(fixture->space, NULL, &set), 0);
	assert_int_equal(enlist_listener(&of_set, set), 0);
	give(fixture, set);
	log.count = 0;
	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	assert_int_equal(log.count, 0);
	assert_int_equal(listener.released + of_set.released, 0);
	/* They are the caller's again. */
	fixture_space(fixture, 0, 9);
	assert_int_equal(delist_listener(&listener), -ENOENT);
	assert_int_equal(enlist_listener(&listener, NULL), 0);
	assert_int_equal(enlist_listener(&of_set, NULL), 0);
	give(fixture, NULL);
	assert_int_equal(log.count, 2);
	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	fixture->space = NULL;
}

static void starve(struct listener *listener,
		   const struct ioasid_notice *notice)
{
	struct fixture *fixture = listener->fixture;
	struct ioasid_space *space = fixture->space;
	struct ioasid_stats before = stats(fixture), now;
	ioasid_t id = 4321;

	if (notice->event != BIND)
		return;
	listener->inside = NULL;
	fixture->memory.fail_all = true;
	assert_int_equal(ioasid_space_alloc(space, NULL, 9, 9, NULL, &id),
			 -ENOMEM);
	assert_int_equal(id, 4321);
	assert_int_equal(ioasid_space_notify(space, 2, BIND, NULL), -ENOMEM);
	now = stats(fixture);
	assert_int_equal(now.live, before.live);
	assert_int_equal(now.committed, before.committed);
	assert_int_equal(now.alloc_failed, before.alloc_failed + 1);
	/* A free does not fail: of another ID, of this one, of one by put. */
	assert_int_equal(ioasid_space_free(space, 2), 0);
	assert_int_equal(ioasid_space_free(space, id_of(notice)), 0);
	assert_int_equal(ioasid_space_put(space, 3), 1);
	fixture->memory.fail_all = false;
	assert_true(ioasid_space_validate(space, NULL));
}

/* Nobody is told twice, nobody is forgotten, and nothing is lost. */
static void no_memory_in_handlers(struct fixture *fixture)
{
	struct listener listener, second;
	unsigned int freed[4] = { 0, 0, 0, 0 }, i;
	struct log log;

	listen(&listener, fixture, &log);
	listener_init(&second, fixture, &log, -1);
	assert_int_equal(enlist_listener(&second, NULL), 0);
	give_this(fixture, 1);
	give_this(fixture, 2);
	give_this(fixture, 3);
	log.count = 0;
	listener.inside = starve;
	notify(fixture, 1, BIND);
	/* Both of each free, and the one about 1 after its bind. */
	assert_int_equal(log.count, 2 + 2 * 3);
	for (i = 0; i < log.count; i++)
		if (log.told[i].notice.event == FREE)
			freed[id_of(&log.told[i].notice)]++;
	for (i = 1; i < 4; i++)
		assert_int_equal(freed[i], 2);
	expect_at(&log, 5, &second, BIND, 1);
	expect_at(&log, 6, &listener, FREE, 1);
	expect_at(&log, 7, &second, FREE, 1);
	assert_int_equal(stats(fixture).live + stats(fixture).pending, 0);
	assert_int_equal(delist_listener(&listener), 0);
	assert_int_equal(delist_listener(&second), 0);
}

static void starve_and_go_on(struct listener *listener,
			     const struct ioasid_notice *notice)
{
	struct fixture *fixture = listener->fixture;

	switch (id_of(notice)) {
	case 1:
		notify(fixture, 2, BIND);
		fixture->memory.fail_all = true;
		take(fixture, 3);
		break;
	case 3:
		/* Told at once; what it causes is not before what waits. */
		fixture->memory.fail_all = false;
		notify(fixture, 2, UNBIND);
		take(fixture, 2);
		break;
	default:
		break;
	}
}

static void no_memory_keeps_the_order(struct fixture *fixture)
{
	struct listener listener;
	struct log log;

	listen(&listener, fixture, &log);
	give_this(fixture, 1);
	give_this(fixture, 2);
	give_this(fixture, 3);
	log.count = 0;
	listener.inside = starve_and_go_on;
	notify(fixture, 1, BIND);
	EXPECT(&log, { NULL, BIND, 1 }, { NULL, FREE, 3 }, { NULL, BIND, 2 },
	       { NULL, UNBIND, 2 }, { NULL, FREE, 2 });
	assert_int_equal(stats(fixture).live, 1);
	assert_int_equal(stats(fixture).pending, 0);
	assert_int_equal(delist_listener(&listener), 0);
}

/* Every allocation of a busy handler fails in turn. */
static void work(struct listener *listener, const struct ioasid_notice *notice)
{
	struct fixture *fixture = listener->fixture;
	ioasid_t id = id_of(notice), other;

	if (notice->event != ALLOC || id >= 60)
		return;
	if (!ioasid_space_alloc(fixture->space, NULL, 20 * id + 20,
				20 * id + 40, fixture, &other) &&
	    !ioasid_space_notify(fixture->space, other, BIND, NULL) &&
	    !ioasid_space_notify(fixture->space, id, BIND, NULL))
		++*(unsigned int *)listener->arg;
	take(fixture, id);
}

static void each_allocation_fails(struct fixture *fixture)
{
	struct test_memory *memory = &fixture->memory;
	unsigned int done, refusals = 0;
	uint64_t n = 0, failed;

	do {
		struct listener listener;
		struct log log;
		uint32_t allocs = 0, frees = 0, i;
		struct ioasid_stats now;
		ioasid_t id;
		int ret;

		done = 0;
		fixture_space(fixture, 0, 1999);
		listen(&listener, fixture, &log);
		listener.inside = work;
		listener.arg = &done;
		failed = memory->failed;
		memory->fail_at = memory->calls + ++n;
		ret = ioasid_space_alloc(fixture->space, NULL, 1, 1, fixture,
					 &id);
		memory->fail_at = 0;
		assert_true(!ret || ret == -ENOMEM);
		refusals += ret || done < 2;
		for (i = 0; i < log.count; i++) {
			allocs += log.told[i].notice.event == ALLOC;
			frees += log.told[i].notice.event == FREE;
		}
		now = stats(fixture);
		assert_int_equal(now.allocs, allocs);
		assert_int_equal(now.frees, frees);
		assert_int_equal(now.pending, 0);
		assert_true(ioasid_space_validate(fixture->space, NULL));
		assert_int_equal(ioasid_space_destroy(fixture->space), 0);
		fixture->space = NULL;
	} while (memory->failed > failed);
	assert_int_equal(done, 2);
	assert_true(refusals > 2);
}

/* Once for each ID, with the event it is about. */
struct gates {
	struct gate gate[8];
	enum ioasid_event event;
};

static void stop_at_gate(struct listener *listener,
			 const struct ioasid_notice *notice)
{
	struct gates *gates = listener->arg;
	ioasid_t id = id_of(notice);

	if (notice->event != gates->event || id >= ARRAY_SIZE(gates->gate) ||
	    ioasid_load_relaxed(&gates->gate[id].reached))
		return;
	ioasid_store_release(&gates->gate[id].reached, 1);
	wait_for(&gates->gate[id].open);
}

struct job {
	struct fixture *fixture;
	ioasid_t id;
	pthread_mutex_t *mutex;
};

static void do_alloc(void *arg)
{
	struct job *job = arg;

	give_this(job->fixture, job->id);
	ioasid_rcu_thread_offline(job->fixture->rcu);
}

static void do_free(void *arg)
{
	struct job *job = arg;

	take(job->fixture, job->id);
	ioasid_rcu_thread_offline(job->fixture->rcu);
}

static void do_bind(void *arg)
{
	struct job *job = arg;

	notify(job->fixture, job->id, BIND);
	ioasid_rcu_thread_offline(job->fixture->rcu);
}

/* While a thread is telling about an ID it is told what happens to it. */
static void another_thread_is_telling(struct fixture *fixture)
{
	struct gates gates = { .event = ALLOC };
	struct job job = { fixture, 1, NULL };
	struct listener listener, second;
	struct actor actor;
	struct log log;
	ioasid_t id;
	unsigned int i;

	listen(&listener, fixture, &log);
	listener.inside = stop_at_gate;
	listener.arg = &gates;
	listener_init(&second, fixture, &log, -1);
	assert_int_equal(enlist_listener(&second, NULL), 0);
	ioasid_store_release(&gates.gate[2].reached, 1);
	actor_begin(&actor);
	actor_start(&actor, do_alloc, &job);
	wait_for(&gates.gate[1].reached);
	/* None of these waits. */
	notify(fixture, 1, BIND);
	notify(fixture, 1, UNBIND);
	give_this(fixture, 2);
	take(fixture, 1);
	notify(fixture, 2, BIND);
	EXPECT(&log, { &listener, ALLOC, 1 }, { &listener, ALLOC, 2 },
	       { &second, ALLOC, 2 }, { &listener, BIND, 2 },
	       { &second, BIND, 2 });
	/* Its life has ended, and it is not to be had. */
	assert_int_equal(found(fixture, 1), -ENOENT);
	assert_int_equal(ioasid_space_free(fixture->space, 1), -EBUSY);
	assert_int_equal(ioasid_space_alloc(fixture->space, NULL, 1, 1, NULL,
					    &id),
			 -ENOSPC);
	assert_int_equal(stats(fixture).pending, 1);
	ioasid_store_release(&gates.gate[1].open, 1);
	assert_true(actor_done(&actor, TOO_LONG));
	for (i = 0; i < log.count; i++)
		assert_true(pthread_equal(log.told[i].thread, actor.thread));
	EXPECT(&log, { &second, ALLOC, 1 }, { &listener, BIND, 1 },
	       { &second, BIND, 1 }, { &listener, UNBIND, 1 },
	       { &second, UNBIND, 1 }, { &listener, FREE, 1 },
	       { &second, FREE, 1 });
	actor_end(&actor);
	assert_int_equal(stats(fixture).pending, 0);
	assert_int_equal(delist_listener(&listener), 0);
	assert_int_equal(delist_listener(&second), 0);
}

/* What a handler caused and its thread has yet to tell counts as well. */
static void stop_and_bind(struct listener *listener,
			  const struct ioasid_notice *notice)
{
	if (id_of(notice) == 1 && notice->event == BIND)
		notify(listener->fixture, 2, BIND);
	stop_at_gate(listener, notice);
}

static void another_thread_has_yet_to_tell(struct fixture *fixture)
{
	struct gates gates = { .event = BIND };
	struct job job = { fixture, 1, NULL };
	struct listener listener;
	struct actor actor;
	struct log log;

	listen(&listener, fixture, &log);
	give_this(fixture, 1);
	give_this(fixture, 2);
	listener.inside = stop_and_bind;
	listener.arg = &gates;
	ioasid_store_release(&gates.gate[2].reached, 1);
	actor_begin(&actor);
	actor_start(&actor, do_bind, &job);
	wait_for(&gates.gate[1].reached);
	/* Without memory: free finds room where the event before it is. */
	fixture->memory.fail_all = true;
	assert_int_equal(ioasid_space_notify(fixture->space, 2, UNBIND, NULL),
			 -ENOMEM);
	take(fixture, 2);
	fixture->memory.fail_all = false;
	assert_int_equal(found(fixture, 2), -ENOENT);
	ioasid_store_release(&gates.gate[1].open, 1);
	actor_end(&actor);
	EXPECT(&log, { NULL, ALLOC, 1 }, { NULL, ALLOC, 2 }, { NULL, BIND, 1 },
	       { NULL, BIND, 2 }, { NULL, FREE, 2 });
	assert_int_equal(stats(fixture).pending, 0);
	assert_int_equal(delist_listener(&listener), 0);
}

/* By then it is another use of it: not before the handlers have returned. */
static void freed_id_waits_for_handlers(struct fixture *fixture)
{
	struct gates gates = { .event = FREE };
	struct job job = { fixture, 1, NULL };
	struct listener listener;
	ioasid_handle_t before, after;
	struct actor actor;
	struct log log;
	ioasid_t id;

	give_this(fixture, 1);
	assert_int_equal(ioasid_space_handle(fixture->space, NULL, 1, &before),
			 0);
	listen(&listener, fixture, &log);
	listener.inside = stop_at_gate;
	listener.arg = &gates;
	actor_begin(&actor);
	actor_start(&actor, do_free, &job);
	wait_for(&gates.gate[1].reached);
	assert_int_equal(ioasid_space_alloc(fixture->space, NULL, 1, 1, NULL,
					    &id),
			 -ENOSPC);
	/* Who is registered after it happened is not told. */
	ioasid_store_release(&gates.gate[1].open, 1);
	actor_end(&actor);
	give_this(fixture, 1);
	assert_int_equal(ioasid_space_handle(fixture->space, NULL, 1, &after),
			 0);
	assert_true(before != after);
	assert_true(log.told[0].notice.handle == before);
	assert_true(log.told[1].notice.handle == after);
	EXPECT(&log, { &listener, FREE, 1 }, { &listener, ALLOC, 1 });
	assert_int_equal(delist_listener(&listener), 0);
}

/* Registered later, before or after in the order: what was is not told. */
static void late_notifiers(struct fixture *fixture)
{
	struct gates gates = { .event = ALLOC };
	struct job job = { fixture, 1, NULL };
	struct listener listener, early, late;
	struct actor actor;
	struct log log;

	listen(&listener, fixture, &log);
	listener.inside = stop_at_gate;
	listener.arg = &gates;
	listener_init(&early, fixture, &log, 1);
	listener_init(&late, fixture, &log, -1);
	actor_begin(&actor);
	actor_start(&actor, do_alloc, &job);
	wait_for(&gates.gate[1].reached);
	notify(fixture, 1, BIND);
	assert_int_equal(enlist_listener(&early, NULL), 0);
	assert_int_equal(enlist_listener(&late, NULL), 0);
	take(fixture, 1);
	ioasid_store_release(&gates.gate[1].open, 1);
	actor_end(&actor);
	EXPECT(&log, { &listener, ALLOC, 1 }, { &listener, BIND, 1 },
	       { &early, FREE, 1 }, { &listener, FREE, 1 }, { &late, FREE, 1 });
	assert_int_equal(delist_listener(&listener), 0);
	assert_int_equal(delist_listener(&early), 0);
	assert_int_equal(delist_listener(&late), 0);
}

/* Unregister waits for nobody; release is after the last call. */
static void unregister_while_running(struct fixture *fixture)
{
	struct gates gates = { .event = ALLOC };
	struct job job[2] = { { fixture, 1, NULL }, { fixture, 2, NULL } };
	struct listener listener, second;
	struct actor actor[2];
	struct log log;
	unsigned int i;

	listen(&listener, fixture, &log);
	listener.inside = stop_at_gate;
	listener.arg = &gates;
	listener_init(&second, fixture, &log, -1);
	assert_int_equal(enlist_listener(&second, NULL), 0);
	for (i = 0; i < 2; i++) {
		actor_begin(&actor[i]);
		actor_start(&actor[i], do_alloc, &job[i]);
		wait_for(&gates.gate[i + 1].reached);
	}
	/* Two at a time, with different IDs. */
	assert_int_equal(ioasid_load_acquire(&listener.running), 2);
	assert_int_equal(delist_listener(&listener), 1);
	assert_int_equal(delist_listener(&listener), -ENOENT);
	assert_int_equal(enlist_listener(&listener, NULL), -EEXIST);
	assert_int_equal(stats(fixture).notifiers, 1);
	give_this(fixture, 3);
	ioasid_store_release(&gates.gate[1].open, 1);
	assert_true(actor_done(&actor[0], TOO_LONG));
	assert_int_equal(listener.released, 0);
	assert_int_equal(enlist_listener(&listener, NULL), -EEXIST);
	ioasid_store_release(&gates.gate[2].open, 1);
	assert_true(actor_done(&actor[1], TOO_LONG));
	assert_int_equal(listener.released, 1);
	assert_true(pthread_equal(listener.released_by, actor[1].thread));
	for (i = 0; i < 2; i++)
		actor_end(&actor[i]);
	EXPECT(&log, { &listener, ALLOC, 1 }, { &listener, ALLOC, 2 },
	       { &second, ALLOC, 3 }, { &second, ALLOC, 1 },
	       { &second, ALLOC, 2 });
	assert_int_equal(enlist_listener(&listener, NULL), 0);
	assert_int_equal(delist_listener(&listener), 0);
	assert_int_equal(listener.released, 2);
	assert_int_equal(delist_listener(&second), 0);
}

/* The same by the end of its set. */
static void set_ends_while_running(struct fixture *fixture)
{
	struct gates gates = { .event = UNBIND };
	struct listener listener, idle;
	struct job job = { fixture, 1, NULL };
	struct ioasid_set *set;
	struct actor actor;
	struct log log;
	ioasid_t id = 1;

	gates.event = FREE;
	assert_int_equal(ioasid_set_create(fixture->space, NULL, &set), 0);
	assert_int_equal(
		ioasid_space_alloc(fixture->space, set, 1, 1, NULL, &id), 0);
	log_init(&log);
	listener_init(&listener, fixture, &log, 0);
	listener.inside = stop_at_gate;
	listener.arg = &gates;
	listener_init(&idle, fixture, &log, 1);
	assert_int_equal(enlist_listener(&listener, set), 0);
	assert_int_equal(enlist_listener(&idle, set), 0);
	actor_begin(&actor);
	actor_start(&actor, do_free, &job);
	wait_for(&gates.gate[1].reached);
	assert_int_equal(ioasid_set_destroy(fixture->space, set), -EBUSY);
	assert_int_equal(listener.released + idle.released, 0);
	ioasid_store_release(&gates.gate[1].open, 1);
	actor_end(&actor);
	assert_int_equal(ioasid_set_destroy(fixture->space, set), 0);
	assert_int_equal(listener.released, 1);
	assert_int_equal(idle.released, 1);
	assert_int_equal(stats(fixture).notifiers, 0);
}

static void lock_inside(struct listener *listener,
			const struct ioasid_notice *notice)
{
	pthread_mutex_t *mutex = listener->arg;

	(void)notice;
	pthread_mutex_lock(mutex);
	pthread_mutex_unlock(mutex);
}

/*
 * Linux: a handler that takes a lock which somebody holds around a call
 * deadlocked. Here the mutex is held while a handler waits for it.
 */
static void mutex_of_the_callers(struct fixture *fixture)
{
	struct ioasid_space *space = fixture->space;
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	struct job job = { fixture, 1, &mutex };
	struct listener listener, other;
	struct ioasid_set *set;
	struct actor actor;
	struct log log;

	listen(&listener, fixture, &log);
	listener.inside = lock_inside;
	listener.arg = &mutex;
	listener_init(&other, fixture, &log, -1);
	assert_int_equal(ioasid_set_create(space, NULL, &set), 0);
	give_this(fixture, 1);
	log.count = 0;
	actor_begin(&actor);
	pthread_mutex_lock(&mutex);
	actor_start(&actor, do_bind, &job);
	wait_for(&listener.running);
	/* All that is about 1 is for the actor to tell. */
	notify(fixture, 1, UNBIND);
	assert_int_equal(ioasid_space_get(space, NULL, 1), 0);
	take(fixture, 1);
	assert_int_equal(ioasid_space_put(space, 1), 0);
	assert_int_equal(enlist_listener(&other, set), 0);
	assert_int_equal(ioasid_set_destroy(space, set), 0);
	assert_int_equal(delist_listener(&listener), 1);
	give_this(fixture, 2);
	take(fixture, 2);
	assert_true(ioasid_space_validate(space, NULL));
	assert_int_equal(log.count, 1);
	pthread_mutex_unlock(&mutex);
	actor_end(&actor);
	/* It is registered no more: nobody hears of the rest. */
	assert_int_equal(log.count, 1);
	assert_int_equal(listener.released, 1);
	assert_int_equal(stats(fixture).live + stats(fixture).pending, 0);
}

struct source {
	struct ioasid_allocator_ops ops;
	struct listener *listener;
	unsigned int live_in_free, frees;
	bool enlist;
};

static ioasid_t source_alloc(ioasid_t min, ioasid_t max, void *data)
{
	struct source *source = data;

	(void)max;
	if (source->enlist)
		assert_int_equal(enlist_listener(source->listener, NULL), 0);
	source->enlist = false;
	return min;
}

static void source_free(ioasid_t id, void *data)
{
	struct source *source = data;

	source->frees++;
	source->live_in_free += !found(source->listener->fixture, id);
}

static void on_free_of_source(struct listener *listener,
			      const struct ioasid_notice *notice)
{
	struct source *source = listener->arg;

	/* Told before it is handed back. */
	if (notice->event == FREE) {
		assert_int_equal(source->frees, 0);
		give_this(listener->fixture, id_of(notice) + 1);
	}
}

static void ids_of_allocators(struct fixture *fixture)
{
	struct listener listener;
	struct source source = { .listener = &listener };
	struct log log;

	log_init(&log);
	listener_init(&listener, fixture, &log, 0);
	source.ops = (struct ioasid_allocator_ops){ source_alloc, source_free,
						    &source, NULL };
	assert_int_equal(ioasid_space_register_allocator(fixture->space,
							 &source.ops),
			 0);
	/* Registered when the ID was handed out: told of it. */
	source.enlist = true;
	give_this(fixture, 1);
	EXPECT(&log, { &listener, ALLOC, 1 });
	listener.inside = on_free_of_source;
	listener.arg = &source;
	take(fixture, 1);
	EXPECT(&log, { &listener, FREE, 1 }, { &listener, ALLOC, 2 });
	assert_int_equal(source.frees, 1);
	assert_int_equal(source.live_in_free, 0);
	assert_int_equal(delist_listener(&listener), 0);
	take(fixture, 2);
	assert_int_equal(source.frees, 2);
	assert_int_equal(source.live_in_free, 1);
}

/* An ID that is just handed back has had its last event. */
struct slow_source {
	struct ioasid_allocator_ops ops;
	struct gate gate;
};

static ioasid_t slow_alloc(ioasid_t min, ioasid_t max, void *data)
{
	(void)max;
	(void)data;
	return min;
}

static void slow_free(ioasid_t id, void *data)
{
	struct slow_source *source = data;

	(void)id;
	if (ioasid_load_relaxed(&source->gate.reached))
		return;
	ioasid_store_release(&source->gate.reached, 1);
	wait_for(&source->gate.open);
}

static void no_event_after_the_last(struct fixture *fixture)
{
	struct slow_source source = { .gate = { { 0 }, { 0 } } };
	struct job job = { fixture, 1, NULL };
	struct listener listener;
	struct actor actor;
	struct log log;

	source.ops = (struct ioasid_allocator_ops){ slow_alloc, slow_free,
						    &source, NULL };
	assert_int_equal(ioasid_space_register_allocator(fixture->space,
							 &source.ops),
			 0);
	give_this(fixture, 1);
	actor_begin(&actor);
	actor_start(&actor, do_free, &job);
	wait_for(&source.gate.reached);
	listen(&listener, fixture, &log);
	assert_int_equal(found(fixture, 1), 0);
	assert_int_equal(ioasid_space_notify(fixture->space, 1, BIND, NULL),
			 -ENOENT);
	ioasid_store_release(&source.gate.open, 1);
	actor_end(&actor);
	assert_int_equal(log.count, 0);
	give_this(fixture, 1);
	take(fixture, 1);
	EXPECT(&log, { &listener, ALLOC, 1 }, { &listener, FREE, 1 });
	assert_int_equal(delist_listener(&listener), 0);
}

struct cancelled {
	struct job job;
	bool returned;
};

static void *be_cancelled(void *arg)
{
	struct cancelled *cancelled = arg;

	do_bind(&cancelled->job);
	cancelled->returned = true;
	for (;;)
		pthread_testcancel();
	return NULL;
}

static void cancel_itself(struct ioasid_notifier *notifier)
{
	((struct listener *)notifier)->released++;
	CHECK(!pthread_cancel(pthread_self()));
	pthread_testcancel();
}

static void *end_set(void *arg)
{
	struct listener *of_set = arg;
	bool *ended = of_set->arg;
	struct ioasid_space *space = of_set->fixture->space;
	struct ioasid_set *set;

	CHECK(!ioasid_set_create(space, NULL, &set));
	CHECK(!enlist_listener(&of_set[0], set));
	CHECK(!enlist_listener(&of_set[1], set));
	CHECK(!ioasid_set_destroy(space, set));
	*ended = true;
	for (;;)
		pthread_testcancel();
	return NULL;
}

static void cancelled_in_release(struct fixture *fixture)
{
	struct listener of_set[2];
	bool ended = false;
	pthread_t thread;
	struct log log;
	void *result;

	log_init(&log);
	for (unsigned int i = 0; i < 2; i++) {
		listener_init(&of_set[i], fixture, &log, 0);
		of_set[i].notifier.release = cancel_itself;
		of_set[i].arg = &ended;
	}
	CHECK(!pthread_create(&thread, NULL, end_set, of_set));
	CHECK(!pthread_join(thread, &result));
	assert_true(result == PTHREAD_CANCELED);
	assert_true(ended);
	assert_int_equal(of_set[0].released, 1);
	assert_int_equal(of_set[1].released, 1);
	assert_int_equal(stats(fixture).sets, 0);
}

/* A thread is not cancelled in a notifier: it has more to tell. */
static void cancelled_in_handlers(struct fixture *fixture)
{
	struct cancelled cancelled = { .job = { fixture, 1, NULL } };
	struct gates gates = { .event = BIND };
	struct listener listener;
	struct log log;
	pthread_t thread;
	void *result;

	listen(&listener, fixture, &log);
	listener.inside = stop_at_gate;
	listener.arg = &gates;
	give_this(fixture, 1);
	CHECK(!pthread_create(&thread, NULL, be_cancelled, &cancelled));
	wait_for(&gates.gate[1].reached);
	CHECK(!pthread_cancel(thread));
	take(fixture, 1);
	ioasid_store_release(&gates.gate[1].open, 1);
	CHECK(!pthread_join(thread, &result));
	assert_true(result == PTHREAD_CANCELED);
	assert_true(cancelled.returned);
	EXPECT(&log, { NULL, ALLOC, 1 }, { NULL, BIND, 1 }, { NULL, FREE, 1 });
	assert_int_equal(stats(fixture).pending, 0);
	assert_int_equal(delist_listener(&listener), 0);
}

/* TSan does not follow a process of many threads into its child. */
#if TEST_FORKS
enum { CHILD_HANG = 60 };

struct family {
	pid_t child;
	bool is_child;
};

static int status_of(pid_t child)
{
	int status;

	CHECK(waitpid(child, &status, 0) == child);
	return status;
}

static void fork_inside(struct listener *listener,
			const struct ioasid_notice *notice)
{
	struct family *family = listener->arg;

	if (notice->event != BIND)
		return;
	notify(listener->fixture, 2, UNBIND);
	fflush(NULL);
	family->child = fork();
	CHECK(family->child >= 0);
	family->is_child = !family->child;
	if (family->is_child)
		alarm(CHILD_HANG);
	take(listener->fixture, 1);
}

/* Parent and child both tell the rest. */
static void fork_in_handlers(struct fixture *fixture)
{
	struct family family = { 0, false };
	struct listener listener;
	struct log log;

	listen(&listener, fixture, &log);
	give_this(fixture, 1);
	give_this(fixture, 2);
	log.count = 0;
	listener.inside = fork_inside;
	listener.arg = &family;
	notify(fixture, 1, BIND);
	CHECK(log.count == 3);
	CHECK(log.told[0].notice.event == BIND);
	CHECK(log.told[1].notice.event == UNBIND);
	CHECK(log.told[2].notice.event == FREE);
	CHECK(!stats(fixture).pending);
	CHECK(ioasid_space_validate(fixture->space, NULL));
	CHECK(!delist_listener(&listener));
	if (family.is_child) {
		CHECK(!ioasid_space_destroy(fixture->space));
		_exit(0);
	}
	assert_int_equal(status_of(family.child), 0);
}

/* In the child there is nobody to tell what other threads had to. */
static void fork_around_handlers(struct fixture *fixture)
{
	struct gates gates = { .event = BIND };
	struct job job = { fixture, 1, NULL };
	struct listener listener;
	struct actor actor;
	struct log log;
	pid_t child;

	listen(&listener, fixture, &log);
	give_this(fixture, 1);
	give_this(fixture, 2);
	listener.inside = stop_and_bind;
	listener.arg = &gates;
	ioasid_store_release(&gates.gate[2].reached, 1);
	actor_begin(&actor);
	actor_start(&actor, do_bind, &job);
	wait_for(&gates.gate[1].reached);
	log.count = 0;
	fflush(NULL);
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		alarm(CHILD_HANG);
		listener.inside = NULL;
		ioasid_store_relaxed(&listener.running, 0);
		/* Lost with its thread, so this one tells what follows. */
		take(fixture, 1);
		CHECK(log.count == 1 && log.told[0].notice.event == FREE);
		take(fixture, 2);
		CHECK(log.count == 2);
		CHECK(!stats(fixture).pending && !stats(fixture).live);
		give_this(fixture, 1);
		CHECK(log.count == 3);
		CHECK(ioasid_space_validate(fixture->space, NULL));
		/* Nobody is inside of it here. */
		CHECK(!delist_listener(&listener));
		CHECK(listener.released == 1);
		/* The memory of what that thread had to tell is back. */
		CHECK(!ioasid_space_destroy(fixture->space));
		CHECK(!ioasid_rcu_destroy(fixture->rcu));
		CHECK(!fixture->memory.bytes);
		_exit(0);
	}
	assert_int_equal(status_of(child), 0);
	ioasid_store_release(&gates.gate[1].open, 1);
	actor_end(&actor);
	EXPECT(&log, { &listener, BIND, 2 });
	assert_int_equal(delist_listener(&listener), 0);
}

/* One that is unregistered while a thread is in it, which is not there. */
static void fork_around_the_last_call(struct fixture *fixture)
{
	struct gates gates = { .event = FREE };
	struct job job = { fixture, 1, NULL };
	struct listener listener;
	struct actor actor;
	struct log log;
	pid_t child;

	listen(&listener, fixture, &log);
	give_this(fixture, 1);
	listener.inside = stop_at_gate;
	listener.arg = &gates;
	actor_begin(&actor);
	actor_start(&actor, do_free, &job);
	wait_for(&gates.gate[1].reached);
	assert_int_equal(delist_listener(&listener), 1);
	fflush(NULL);
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		alarm(CHILD_HANG);
		listener.inside = NULL;
		ioasid_store_relaxed(&listener.running, 0);
		log.count = 0;
		CHECK(!enlist_listener(&listener, NULL));
		give_this(fixture, 2);
		CHECK(log.count == 1);
		/* As it was: nobody ends it. */
		CHECK(found(fixture, 1) == -ENOENT);
		CHECK(ioasid_space_free(fixture->space, 1) == -EBUSY);
		CHECK(stats(fixture).pending == 1);
		CHECK(!ioasid_space_destroy(fixture->space));
		CHECK(!ioasid_rcu_destroy(fixture->rcu));
		CHECK(!fixture->memory.bytes);
		_exit(0);
	}
	assert_int_equal(status_of(child), 0);
	ioasid_store_release(&gates.gate[1].open, 1);
	actor_end(&actor);
	assert_int_equal(listener.released, 1);
	assert_int_equal(stats(fixture).pending, 0);
}
#endif

int main(void)
{
	static const struct test_case cases[] = {
		CASE(tells_what_happens, PER_STORE),
		CASE(refuses, PER_STORE),
		CASE(higher_priority_first, PER_STORE),
		CASE(notifiers_of_a_set, PER_STORE),
		CASE(no_memory_to_register, PER_STORE),
		CASE(freed_id_is_pending, PER_STORE),
		CASE(handler_holds_a_reference, PER_STORE),
		CASE(handler_drops_a_reference, PER_STORE),
		CASE(events_of_handlers, PER_STORE | PER_FLAVOUR),
		CASE(events_of_events, PER_STORE),
		CASE(handlers_change_the_list, PER_STORE),
		CASE(freed_in_release, PER_STORE),
		CASE(calls_in_release, PER_STORE),
		CASE(destroyed_and_waited_in_release, PER_STORE | PER_FLAVOUR),
		CASE(next_unregistered_by_release, PER_STORE),
		CASE(memory_of_a_notifier, PER_STORE),
		CASE(handler_destroys_a_set, PER_STORE),
		CASE(waits_in_handlers, PER_STORE | PER_FLAVOUR),
		CASE(free_by_other_names, PER_STORE),
		CASE(destroy_tells_nobody, PER_STORE | NO_SPACE),
		CASE(no_memory_in_handlers, PER_STORE),
		CASE(no_memory_keeps_the_order, PER_STORE),
		CASE(each_allocation_fails, PER_STORE | NO_SPACE),
		CASE(another_thread_is_telling,
		     PER_STORE | PER_FLAVOUR | THREADS),
		CASE(another_thread_has_yet_to_tell, PER_STORE | THREADS),
		CASE(freed_id_waits_for_handlers, PER_STORE | THREADS),
		CASE(late_notifiers, PER_STORE | THREADS),
		CASE(unregister_while_running, PER_STORE | THREADS),
		CASE(set_ends_while_running, PER_STORE | THREADS),
		CASE(mutex_of_the_callers, PER_STORE | THREADS),
		CASE(ids_of_allocators, PER_STORE),
		CASE(no_event_after_the_last, PER_STORE | THREADS),
		CASE(cancelled_in_handlers, PER_STORE | THREADS),
		CASE(cancelled_in_release, PER_STORE | THREADS),
#if TEST_FORKS
		CASE(fork_in_handlers, PER_STORE),
		CASE(fork_around_handlers, PER_STORE),
		CASE(fork_around_the_last_call, PER_STORE),
#endif
	};

	return test_run("notifier", cases, ARRAY_SIZE(cases));
}
