// SPDX-License-Identifier: MIT
/* A Space: made, closed, collected; what is asked of it as a whole. */

#include "module.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <structmember.h>

/*
 * Spaces that could not be destroyed where their Space was collected, such as
 * inside of a read section of another one. They are empty, and are destroyed
 * with the next.
 */
struct orphan {
	struct ioasid_space *space;
	struct orphan *next;
};

static struct orphan *orphans;

static void destroy_orphans(void)
{
	struct orphan **at = &orphans, *orphan;

	while ((orphan = *at)) {
		if (ioasid_space_destroy(orphan->space)) {
			at = &orphan->next;
			continue;
		}
		*at = orphan->next;
		free(orphan);
	}
}

static void orphan_space(struct ioasid_space *space)
{
	struct orphan *orphan = malloc(sizeof(*orphan));

	if (!orphan)
		return;
	orphan->space = space;
	orphan->next = orphans;
	orphans = orphan;
}

bool space_open(struct space *self)
{
	if (self->space && !self->closing)
		return true;
	raise_error(self->state, -EBADF, NULL);
	return false;
}

/* A call of a thread that is under way. */
struct entered {
	uint64_t thread;
	const struct set *set;
};

/* In a child of fork() the calls of other threads are over. */
static void follow_forks(struct space *self)
{
	size_t kept = 0;

	if (self->forks == fork_count())
		return;
	for (size_t i = 0; i < self->calls; i++)
		if (!is_over(self->entered[i].thread, self->forks))
			self->entered[kept++] = self->entered[i];
	self->forks = fork_count();
	self->calls = kept;
}

static bool grow(struct space *self)
{
	size_t room = self->room ? 2 * self->room : 8;
	struct entered *more =
		realloc(self->entered, room * sizeof(*self->entered));

	if (!more) {
		PyErr_NoMemory();
		return false;
	}
	self->entered = more;
	self->room = room;
	return true;
}

bool space_enter_for(struct space *self, const struct set *set,
		     struct call *call)
{
	if (!space_open(self))
		return false;
	follow_forks(self);
	if (self->calls == self->room && !grow(self))
		return false;
	self->entered[self->calls].thread = thread_serial();
	self->entered[self->calls].set = set;
	self->calls++;
	call->space = self;
	call->set = set;
	return true;
}

bool space_enter(struct space *self, struct call *call)
{
	return space_enter_for(self, NULL, call);
}

void space_leave(const struct call *call)
{
	struct space *self = call->space;
	size_t i = self->calls;

	while (i--) {
		if (self->entered[i].thread != thread_serial() ||
		    self->entered[i].set != call->set)
			continue;
		self->entered[i] = self->entered[--self->calls];
		return;
	}
}

size_t calls_for(const struct space *self, const struct set *set)
{
	size_t count = 0;

	for (size_t i = 0; i < self->calls; i++)
		count += self->entered[i].set == set;
	return count;
}

static bool inside_call(struct space *self)
{
	follow_forks(self);
	for (size_t i = 0; i < self->calls; i++)
		if (self->entered[i].thread == thread_serial())
			return true;
	return false;
}

static bool choose(const char *name, const char *value,
		   const char *const *values, int *chosen)
{
	for (int i = 0; values[i]; i++) {
		if (!strcmp(value, values[i])) {
			*chosen = i;
			return true;
		}
	}
	PyErr_Format(PyExc_ValueError, "%s is '%s', which is not known", name,
		     value);
	return false;
}

static const char *const stores[] = { "radix", "bitmap", "hash", NULL };
static const char *const policies[] = { "lowest", "cyclic", NULL };

static bool configure(struct space *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "min",	       "max",	   "store", "reuse",
				 "quarantine", "capacity", "name",  NULL };
	PyObject *min = NULL, *max = NULL, *capacity = NULL, *name = NULL;
	const char *store = stores[0], *reuse = policies[0];
	int quarantine = 0, store_kind, policy;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OO$sspOO:Space", names,
					 &min, &max, &store, &reuse,
					 &quarantine, &capacity, &name))
		return false;
	self->config.max = UINT32_MAX;
	if (!to_number(min, "min", &self->config.min) ||
	    !to_number(max, "max", &self->config.max) ||
	    !to_number(capacity, "capacity", &self->config.capacity) ||
	    !choose("store", store, stores, &store_kind) ||
	    !choose("reuse", reuse, policies, &policy))
		return false;
	if (name && name != Py_None && !to_name(name, &self->config.name))
		return false;
	self->config.store = (enum ioasid_store_kind)store_kind;
	self->config.reuse = (enum ioasid_reuse)policy;
	self->config.quarantine = quarantine;
	if (name) {
		PyObject *before = self->name;

		self->name = from_data(name);
		Py_DECREF(before);
	}
	return true;
}

static PyObject *space_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	struct space *self = new_object(type);
	int err;

	if (!self)
		return NULL;
	self->state = PyType_GetModuleState(type);
	self->forks = fork_count();
	/* Arguments may run Python, to which the collector shows the space. */
	self->name = from_data(NULL);
	self->sets = PyDict_New();
	self->tokens = PyDict_New();
	if (!self->sets || !self->tokens || !configure(self, args, kwargs))
		goto failed;
	destroy_orphans();
	err = ioasid_space_create(&self->config, &self->space);
	if (err) {
		raise_error(self->state, err, NULL);
		goto failed;
	}
	return (PyObject *)self;
failed:
	Py_DECREF((PyObject *)self);
	return NULL;
}

struct visiting {
	visitproc visit;
	void *arg;
};

static int visit_object(ioasid_t id, void *data, void *arg)
{
	const struct visiting *visiting = arg;

	(void)id;
	return data ? visiting->visit(data, visiting->arg) : 0;
}

/*
 * What is not visited counts as referred to from elsewhere and stays: that is
 * so while close() waits, when the space may not be called.
 */
static int space_traverse(PyObject *object, visitproc visit, void *arg)
{
	struct space *self = (struct space *)object;
	struct visiting visiting = { visit, arg };

	Py_VISIT(Py_TYPE(object));
	Py_VISIT(self->sets);
	Py_VISIT(self->tokens);
	Py_VISIT(self->notifiers);
	Py_VISIT(self->ending);
	Py_VISIT(self->name);
	if (!self->space || self->closing)
		return 0;
	return ioasid_space_for_each(self->space, NULL, 0, UINT32_MAX,
				     visit_object, &visiting);
}

/* For a space that nobody can call any more. */
static void drop_objects(struct space *self)
{
	ioasid_t id, from = 0;
	void *data;

	while (!ioasid_space_next(self->space, NULL, from, UINT32_MAX, &id,
				  NULL)) {
		if (!ioasid_space_exchange_data(self->space, id, NULL, &data))
			Py_XDECREF((PyObject *)data);
		from = id + 1;
	}
}

static void clear_tables(struct space *self)
{
	Py_CLEAR(self->sets);
	Py_CLEAR(self->tokens);
	Py_CLEAR(self->notifiers);
	Py_CLEAR(self->ending);
}

/* What is left of a cycle may still put references, or destroy sets. */
static int space_clear(PyObject *object)
{
	struct space *self = (struct space *)object;

	if (self->space && !self->closing)
		drop_objects(self);
	if (self->sets)
		PyDict_Clear(self->sets);
	if (self->tokens)
		PyDict_Clear(self->tokens);
	if (self->ending)
		PyDict_Clear(self->ending);
	Py_CLEAR(self->notifiers);
	return 0;
}

/*
 * Destroys with the GIL: every read section of the space has an object that
 * refers to it, so there is no reader to wait for.
 */
static void space_end(PyObject *object)
{
	struct space *self = (struct space *)object;
	PyObject *type, *value, *traceback;

	PyErr_Fetch(&type, &value, &traceback);
	if (self->weakrefs)
		PyObject_ClearWeakRefs(object);
	if (self->space && !self->closing) {
		drop_objects(self);
		destroy_orphans();
		if (ioasid_space_destroy(self->space))
			orphan_space(self->space);
	}
	clear_tables(self);
	Py_CLEAR(self->name);
	free(self->entered);
	PyErr_Restore(type, value, traceback);
	free_object(object);
}

static void space_dealloc(PyObject *object)
{
	end_object(object, space_end);
}

struct objects {
	void **at;
	size_t count, room;
};

static int collect(ioasid_t id, void *data, void *arg)
{
	struct objects *objects = arg;
	void **more;

	(void)id;
	if (!data)
		return 0;
	if (objects->count == objects->room) {
		objects->room = objects->room ? 2 * objects->room : 64;
		more = realloc(objects->at, objects->room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		objects->at = more;
	}
	objects->at[objects->count++] = data;
	return 0;
}

/* Their number only falls, as the space is closing. 1: a signal's exception. */
static int await_calls(struct space *self)
{
	struct timespec nap = { 0, 20000 };
	PyThreadState *state;

	while (self->calls) {
		state = PyEval_SaveThread();
		nanosleep(&nap, NULL);
		PyEval_RestoreThread(state);
		if (nap.tv_nsec < 1000000)
			nap.tv_nsec *= 2;
		if (PyErr_CheckSignals())
			return 1;
	}
	return 0;
}

/* Nobody is in a call, and none begins. */
static int destroy_space(struct space *self, struct objects *objects)
{
	PyThreadState *state;
	int err = ioasid_space_for_each(self->space, NULL, 0, UINT32_MAX,
					collect, objects);

	if (err)
		return err;
	state = PyEval_SaveThread();
	/* The library waits by itself only where it has memory to give back. */
	err = ioasid_rcu_synchronize(ioasid_space_rcu(self->space));
	if (!err)
		err = ioasid_space_destroy(self->space);
	PyEval_RestoreThread(state);
	return err;
}

/*
 * Waits without the GIL, for calls and read sections of other threads. Until then
 * nobody can change what the space holds, as every new call finds it closing.
 */
static int close_space(struct space *self)
{
	struct objects objects = { NULL, 0, 0 };
	int err;

	if (inside_call(self) ||
	    ioasid_rcu_read_held(ioasid_space_rcu(self->space)))
		return -EDEADLK;
	self->closing = true;
	err = await_calls(self);
	if (!err)
		err = destroy_space(self, &objects);
	self->closing = false;
	if (err) {
		free(objects.at);
		return err;
	}
	self->space = NULL;
	detach_sets(self);
	while (objects.count)
		Py_DECREF((PyObject *)objects.at[--objects.count]);
	free(objects.at);
	clear_tables(self);
	destroy_orphans();
	return 0;
}

static PyObject *space_close(PyObject *object, PyObject *unused)
{
	struct space *self = (struct space *)object;
	int err = 0;

	(void)unused;
	if (self->closing)
		err = -EBUSY;
	else if (self->space)
		err = close_space(self);
	if (err < 0)
		return raise_error(self->state, err, object);
	if (err)
		return NULL;
	Py_RETURN_NONE;
}

static PyObject *space_start(PyObject *object, PyObject *unused)
{
	(void)unused;
	if (!space_open((struct space *)object))
		return NULL;
	Py_INCREF(object);
	return object;
}

static PyObject *space_exit(PyObject *object, PyObject *args)
{
	(void)args;
	return space_close(object, NULL);
}

static PyObject *space_repr(PyObject *object)
{
	struct space *self = (struct space *)object;
	struct ioasid_stats stats;

	if (!self->space || self->closing)
		return PyUnicode_FromFormat("<ioasid.Space %R, closed>",
					    self->name);
	ioasid_space_stats(self->space, &stats);
	return PyUnicode_FromFormat("<ioasid.Space %R, %s, %lu live>",
				    self->name, stores[self->config.store],
				    (unsigned long)stats.live);
}

static Py_ssize_t space_length(PyObject *object)
{
	struct space *self = (struct space *)object;
	struct ioasid_stats stats;

	if (!space_open(self))
		return -1;
	ioasid_space_stats(self->space, &stats);
	return stats.live;
}

static PyObject *space_iter(PyObject *object)
{
	struct space *self = (struct space *)object;

	if (!space_open(self))
		return NULL;
	return make_items(self, NULL, 0, UINT32_MAX, true);
}

static PyObject *space_stats(PyObject *object, PyObject *unused)
{
	struct space *self = (struct space *)object;
	struct ioasid_stats stats;
	uint32_t notifiers;

	(void)unused;
	if (!space_open(self))
		return NULL;
	ioasid_space_stats(self->space, &stats);
	notifiers = self->notifiers ? (uint32_t)PyTuple_Size(self->notifiers) :
				      0;
	return PyObject_CallFunction(self->state->stats, "IIIIIIIIIKKKKn",
				     stats.live, stats.pending,
				     stats.unpublished, stats.quarantined,
				     stats.sets, notifiers, stats.capacity,
				     stats.committed, stats.reserved,
				     (unsigned long long)stats.allocs,
				     (unsigned long long)stats.frees,
				     (unsigned long long)stats.alloc_failed,
				     (unsigned long long)stats.free_unknown,
				     (Py_ssize_t)stats.memory);
}

static PyObject *space_domain_stats(PyObject *object, PyObject *unused)
{
	struct space *self = (struct space *)object;
	struct ioasid_domain_stats stats;

	(void)unused;
	if (!space_open(self))
		return NULL;
	ioasid_rcu_stats(ioasid_space_rcu(self->space), &stats);
	return PyObject_CallFunction(self->state->domain_stats, "nnnnKK",
				     (Py_ssize_t)stats.threads,
				     (Py_ssize_t)stats.pending,
				     (Py_ssize_t)stats.retired,
				     (Py_ssize_t)stats.retired_bytes,
				     (unsigned long long)stats.oldest_ns,
				     (unsigned long long)stats.grace_periods);
}

static PyObject *space_validate(PyObject *object, PyObject *unused)
{
	struct space *self = (struct space *)object;
	const char *reason = NULL;

	(void)unused;
	if (!space_open(self))
		return NULL;
	if (ioasid_space_validate(self->space, &reason))
		Py_RETURN_NONE;
	return PyUnicode_FromString(reason ? reason : "unknown");
}

struct text {
	char *at;
	size_t size, room;
	bool failed;
};

static void add_line(const char *line, void *arg)
{
	struct text *text = arg;
	size_t size = strlen(line) + 1;
	char *more;

	if (text->failed)
		return;
	if (text->size + size > text->room) {
		text->room = 2 * (text->room + size);
		more = realloc(text->at, text->room);
		if (!more) {
			text->failed = true;
			return;
		}
		text->at = more;
	}
	memcpy(text->at + text->size, line, size);
	text->size += size;
	text->at[text->size - 1] = '\n';
}

static PyObject *space_dump(PyObject *object, PyObject *unused)
{
	struct space *self = (struct space *)object;
	struct text text = { NULL, 0, 0, false };
	PyObject *result;

	(void)unused;
	if (!space_open(self))
		return NULL;
	ioasid_space_dump(self->space, add_line, &text);
	if (text.failed)
		result = PyErr_NoMemory();
	else
		result = PyUnicode_DecodeUTF8(text.at, (Py_ssize_t)text.size,
					      "replace");
	free(text.at);
	return result;
}

static PyObject *space_trim(PyObject *object, PyObject *unused)
{
	struct space *self = (struct space *)object;

	(void)unused;
	if (!space_open(self))
		return NULL;
	return PyLong_FromSize_t(ioasid_space_trim(self->space));
}

/* What runs without the GIL frees memory of stores and calls nothing of ours. */
static PyObject *wait_for_readers(PyObject *object,
				  int (*wait)(struct ioasid_rcu *rcu))
{
	struct space *self = (struct space *)object;
	PyThreadState *state;
	struct call call;
	int err;

	if (!space_enter(self, &call))
		return NULL;
	state = PyEval_SaveThread();
	err = wait(ioasid_space_rcu(self->space));
	PyEval_RestoreThread(state);
	space_leave(&call);
	if (err)
		return raise_error(self->state, err, object);
	Py_RETURN_NONE;
}

static PyObject *space_synchronize(PyObject *object, PyObject *unused)
{
	(void)unused;
	return wait_for_readers(object, ioasid_rcu_synchronize);
}

static PyObject *space_barrier(PyObject *object, PyObject *unused)
{
	(void)unused;
	return wait_for_readers(object, ioasid_rcu_barrier);
}

static PyObject *set_aside(PyObject *object, PyObject *argument,
			   int (*change)(struct ioasid_space *space,
					 uint32_t count))
{
	struct space *self = (struct space *)object;
	uint32_t count = 0;
	int err;

	if (argument == Py_None)
		return PyErr_Format(PyExc_TypeError,
				    "count is None, not an int");
	if (!to_number(argument, "count", &count) || !space_open(self))
		return NULL;
	err = change(self->space, count);
	if (err)
		return raise_error(self->state, err, argument);
	Py_RETURN_NONE;
}

static PyObject *space_reserve(PyObject *object, PyObject *argument)
{
	return set_aside(object, argument, ioasid_space_reserve);
}

static PyObject *space_unreserve(PyObject *object, PyObject *argument)
{
	return set_aside(object, argument, ioasid_space_unreserve);
}

static PyObject *get_capacity(PyObject *object, void *unused)
{
	struct space *self = (struct space *)object;
	struct ioasid_stats stats;

	(void)unused;
	if (!space_open(self))
		return NULL;
	ioasid_space_stats(self->space, &stats);
	return PyLong_FromUnsignedLong(stats.capacity);
}

static int set_capacity(PyObject *object, PyObject *value, void *unused)
{
	PyObject *result;

	(void)unused;
	if (!value) {
		PyErr_SetString(PyExc_AttributeError,
				"a space always has a capacity");
		return -1;
	}
	result = set_aside(object, value, ioasid_space_set_capacity);
	Py_XDECREF(result);
	return result ? 0 : -1;
}

static PyObject *get_closed(PyObject *object, void *unused)
{
	const struct space *self = (struct space *)object;

	(void)unused;
	return PyBool_FromLong(!self->space || self->closing);
}

static PyObject *get_name(PyObject *object, void *unused)
{
	const struct space *self = (struct space *)object;

	(void)unused;
	Py_INCREF(self->name);
	return self->name;
}

static PyObject *get_store(PyObject *object, void *unused)
{
	const struct space *self = (struct space *)object;

	(void)unused;
	return PyUnicode_FromString(stores[self->config.store]);
}

static bool whole(const struct space *self)
{
	return !self->config.min && !self->config.max;
}

static PyObject *get_min(PyObject *object, void *unused)
{
	const struct space *self = (struct space *)object;

	(void)unused;
	return PyLong_FromUnsignedLong(self->config.min);
}

static PyObject *get_max(PyObject *object, void *unused)
{
	const struct space *self = (struct space *)object;
	ioasid_t max = self->config.max;

	(void)unused;
	if (whole(self) || max == UINT32_MAX)
		max = UINT32_MAX - 1;
	return PyLong_FromUnsignedLong(max);
}

static PyMethodDef own_methods[] = {
	{ "close", space_close, METH_NOARGS,
	  "close($self, /)\n--\n\n"
	  "End all IDs and drop their objects; closing twice is fine.\n\n"
	  "Waits, without the GIL, for calls and read sections of other threads,\n"
	  "which find the space closed from then on. Raises WouldDeadlock in a\n"
	  "read section of this thread, and in what a call of the space runs:\n"
	  "notifiers, codecs, finalizers; Busy while another thread closes it.\n"
	  "No notifier is told. Linear in the IDs." },
	{ "__enter__", space_start, METH_NOARGS,
	  "__enter__($self, /)\n--\n\nThe space itself." },
	{ "__exit__", space_exit, METH_VARARGS,
	  "__exit__($self, /, *args)\n--\n\nAs close()." },
	{ "stats", space_stats, METH_NOARGS,
	  "stats($self, /)\n--\n\nCounts of the space, as Stats. Constant "
	  "time." },
	{ "domain_stats", space_domain_stats, METH_NOARGS,
	  "domain_stats($self, /)\n--\n\n"
	  "How the space's readers are doing, as DomainStats. Constant time." },
	{ "validate", space_validate, METH_NOARGS,
	  "validate($self, /)\n--\n\n"
	  "Check the whole structure: None, or what is wrong, in words.\n\n"
	  "Linear in the IDs, with the GIL held." },
	{ "dump", space_dump, METH_NOARGS,
	  "dump($self, /)\n--\n\n"
	  "The space, its sets and IDs in words, for people; a line each.\n\n"
	  "The form of the lines may change. Linear in the IDs." },
	{ "trim", space_trim, METH_NOARGS,
	  "trim($self, /)\n--\n\n"
	  "Give back memory that no ID needs; the number of bytes.\n\n"
	  "Readers may see it for a grace period more: see barrier()." },
	{ "synchronize", space_synchronize, METH_NOARGS,
	  "synchronize($self, /)\n--\n\n"
	  "Wait, without the GIL, until the read sections there are have "
	  "ended.\n\n"
	  "Raises WouldDeadlock in a read section of this thread. Signals are\n"
	  "handled afterwards." },
	{ "barrier", space_barrier, METH_NOARGS,
	  "barrier($self, /)\n--\n\n"
	  "Wait, without the GIL, until memory is given back that readers may "
	  "see.\n\n"
	  "Where there is none it does not wait. Raises as synchronize()." },
	{ "reserve", space_reserve, METH_O,
	  "reserve($self, count, /)\n--\n\n"
	  "Set count IDs of the capacity aside, on top of those before.\n\n"
	  "Raises NoSpace if less is left. Constant time." },
	{ "unreserve", space_unreserve, METH_O,
	  "unreserve($self, count, /)\n--\n\n"
	  "Take back count IDs that reserve() set aside.\n\n"
	  "Raises InvalidArgument if less was. Constant time." },
	{ "__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
	  "__class_getitem__($type, item, /)\n--\n\n"
	  "Space[T], whose objects are T, for annotations." },
	{ NULL, NULL, 0, NULL },
};

/* Those of all files, which a type has in one array. */
static PyMethodDef space_methods[96];

void gather_methods(void)
{
	static PyMethodDef *const parts[] = {
		own_methods,	life_methods,	  set_methods_of_space,
		object_methods, notifier_methods, snapshot_methods,
	};
	size_t count = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		for (PyMethodDef *it = parts[i]; it->ml_name; it++)
			space_methods[count++] = *it;
}

static PyGetSetDef space_properties[] = {
	{ "capacity", get_capacity, set_capacity,
	  "IDs that may be in use or set aside; setting it raises Busy if more "
	  "are.",
	  NULL },
	{ "closed", get_closed, NULL,
	  "Whether the space is closed, or closing.", NULL },
	{ "name", get_name, NULL, "The name given, or None.", NULL },
	{ "store", get_store, NULL, "radix, bitmap or hash.", NULL },
	{ "min", get_min, NULL, "The lowest ID of the space.", NULL },
	{ "max", get_max, NULL, "The highest ID of the space.", NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static PyMemberDef space_members[] = {
	{ "__weaklistoffset__", T_PYSSIZET, offsetof(struct space, weakrefs),
	  READONLY, NULL },
	{ NULL, 0, 0, 0, NULL },
};

static PyType_Slot space_slots[] = {
	{ Py_tp_doc,
	  "Space(min=0, max=None, *, store='radix', reuse='lowest', "
	  "quarantine=False, capacity=0, name=None)\n--\n\n"
	  "An ID space: numbers handed out for objects, which lookups find.\n\n"
	  "An object is kept alive exactly as long as it can be found. store is\n"
	  "'radix', 'bitmap' or 'hash'; reuse 'lowest' or 'cyclic'. With\n"
	  "quarantine an ID is not handed out again before the read sections\n"
	  "have ended that ran when it was vacated. capacity bounds the IDs in\n"
	  "use, 0 does not. min and max both 0 are every ID. Behaves as a\n"
	  "mapping for lookups: space[id], id in space, len(), iter() over IDs.\n"
	  "Every method may be called from any thread, and raises Closed once\n"
	  "the space is closed." },
	{ Py_tp_new, (void *)space_new },
	{ Py_tp_dealloc, (void *)space_dealloc },
	{ Py_tp_traverse, (void *)space_traverse },
	{ Py_tp_clear, (void *)space_clear },
	{ Py_tp_repr, (void *)space_repr },
	{ Py_tp_iter, (void *)space_iter },
	{ Py_mp_length, (void *)space_length },
	{ Py_mp_subscript, (void *)find_item },
	{ Py_sq_contains, (void *)contains_id },
	{ Py_tp_methods, space_methods },
	{ Py_tp_getset, space_properties },
	{ Py_tp_members, space_members },
	{ 0, NULL },
};

PyType_Spec space_spec = {
	.name = "ioasid.Space",
	.basicsize = sizeof(struct space),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
		 Py_TPFLAGS_IMMUTABLETYPE,
	.slots = space_slots,
};
