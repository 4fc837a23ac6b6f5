// SPDX-License-Identifier: MIT
/*
 * Notifiers: callables that are told what happens to IDs. The library knows one
 * notifier of each space, which is told each event exactly once, and tells the
 * callables. It holds no lock meanwhile and nobody waits for it, so they may do
 * what they like, other threads included.
 */

#include "module.h"

struct notifier_object {
	PyObject_HEAD struct space *space;
	PyObject *callback;
	/* a Set, or NULL */
	PyObject *set;
	long priority;
	bool registered;
};

static struct space *space_of(struct ioasid_notifier *notifier)
{
	return (struct space *)((char *)notifier -
				offsetof(struct space, notifier));
}

/*
 * The object of the ID. Of one whose end was under way it is kept in the table;
 * of a live one the pointer was read by this thread, with the GIL.
 */
static PyObject *object_of(struct space *self, const struct ioasid_notice *of)
{
	PyObject *key = PyLong_FromUnsignedLongLong(of->handle), *object;

	if (!key) {
		PyErr_Clear();
		return from_data(NULL);
	}
	object = PyDict_GetItemWithError(self->ending, key);
	if (object) {
		Py_INCREF(object);
		if (of->event == IOASID_EVENT_FREE &&
		    PyDict_DelItem(self->ending, key))
			PyErr_Clear();
	} else {
		object = from_data(of->event == IOASID_EVENT_FREE ? NULL :
								    of->data);
	}
	Py_DECREF(key);
	return object;
}

/* Takes over @object. */
static PyObject *make_notice(struct space *self, const struct ioasid_notice *of,
			     PyObject *object)
{
	struct module_state *state = self->state;
	PyObject *set = wrap_set(self, of->set), *spid, *event, *handle, *arg;
	PyObject *notice = NULL;

	if (of->spid == INVALID_IOASID)
		spid = from_data(NULL);
	else
		spid = PyLong_FromUnsignedLong(of->spid);
	event = PyObject_CallFunction(state->event, "i", (int)of->event);
	handle = PyObject_CallFunction(state->handle, "K",
				       (unsigned long long)of->handle);
	arg = from_data(of->arg);
	if (set && spid && event && handle)
		notice = PyObject_CallFunctionObjArgs(state->notice, event,
						      self, set, handle, spid,
						      object, arg, NULL);
	Py_XDECREF(set);
	Py_XDECREF(spid);
	Py_XDECREF(event);
	Py_XDECREF(handle);
	Py_DECREF(arg);
	Py_DECREF(object);
	return notice;
}

static bool concerns(const struct notifier_object *it,
		     const struct ioasid_set *set)
{
	return it->registered &&
	       (!it->set || (set && ((struct set *)it->set)->set == set));
}

/* An exception ends the call of one notifier, and nothing else. */
static void tell_all(struct space *self, PyObject *notifiers, PyObject *notice,
		     const struct ioasid_set *set)
{
	for (Py_ssize_t i = 0; i < PyTuple_Size(notifiers); i++) {
		PyObject *it = PyTuple_GetItem(notifiers, i), *callback, *done;

		if (!concerns((struct notifier_object *)it, set))
			continue;
		callback = ((struct notifier_object *)it)->callback;
		Py_INCREF(callback);
		done = PyObject_CallFunctionObjArgs(callback, notice, NULL);
		if (!done)
			PyErr_WriteUnraisable(callback);
		Py_XDECREF(done);
		Py_DECREF(callback);
	}
	(void)self;
}

static void tell(struct ioasid_notifier *notifier,
		 const struct ioasid_notice *of)
{
	struct space *self = space_of(notifier);
	PyObject *type, *value, *traceback, *object, *notifiers, *notice;

	PyErr_Fetch(&type, &value, &traceback);
	object = object_of(self, of);
	notifiers = self->notifiers;
	if (notifiers) {
		Py_INCREF(notifiers);
		notice = make_notice(self, of, object);
		if (notice)
			tell_all(self, notifiers, notice, of->set);
		else
			PyErr_WriteUnraisable((PyObject *)self);
		Py_XDECREF(notice);
		Py_DECREF(notifiers);
	} else {
		Py_DECREF(object);
	}
	Py_XDECREF((PyObject *)of->arg);
	PyErr_Restore(type, value, traceback);
}

/* With the first notifier; until the space is destroyed. */
static int listen(struct space *self)
{
	PyObject *ending;
	int err;

	if (self->listening)
		return 0;
	ending = PyDict_New();
	if (!ending)
		return -ENOMEM;
	/* A collection may have run Python, and that this. */
	if (self->listening) {
		Py_DECREF(ending);
		return 0;
	}
	self->ending = ending;
	self->notifier.notify = tell;
	err = ioasid_space_register_notifier(self->space, NULL,
					     &self->notifier);
	if (err)
		Py_CLEAR(self->ending);
	self->listening = !err;
	return err;
}

/*
 * All that are registered but @without, with @it in its place by priority. Nothing
 * is collected, so no Python changes them meanwhile.
 */
static PyObject *arranged(PyObject *notifiers, struct notifier_object *it,
			  PyObject *without)
{
	Py_ssize_t count = notifiers ? PyTuple_Size(notifiers) : 0, i;
	int collects = PyGC_Disable();
	PyObject *list = PyList_New(0), *tuple;
	int failed = !list;

	for (i = 0; i < count && !failed; i++) {
		PyObject *other = PyTuple_GetItem(notifiers, i);

		if (it && ((struct notifier_object *)other)->priority <
				  it->priority) {
			failed = PyList_Append(list, (PyObject *)it);
			it = NULL;
		}
		if (!failed && other != without)
			failed = PyList_Append(list, other);
	}
	if (!failed && it)
		failed = PyList_Append(list, (PyObject *)it);
	tuple = failed ? NULL : PyList_AsTuple(list);
	Py_XDECREF(list);
	if (collects)
		PyGC_Enable();
	return tuple;
}

static int replace_notifiers(struct space *self, PyObject *tuple)
{
	PyObject *before = self->notifiers;

	if (!tuple)
		return -1;
	if (PyTuple_Size(tuple)) {
		self->notifiers = tuple;
	} else {
		self->notifiers = NULL;
		Py_DECREF(tuple);
	}
	Py_XDECREF(before);
	return 0;
}

static PyObject *space_register_notifier(PyObject *object,
					 PyObject *const *args,
					 Py_ssize_t nargs, PyObject *kwnames)
{
	static const struct signature signature = {
		"register_notifier", 1, 1, { "callback", "set", "priority" }
	};
	struct space *self = (struct space *)object;
	struct notifier_object *it;
	struct ioasid_set *set;
	PyObject *out[7];
	long priority = 0;
	struct call call;
	int err;

	if (!arguments(&signature, args, nargs, kwnames, out) ||
	    !to_set(self, out[1], &set))
		return NULL;
	if (!PyCallable_Check(out[0]))
		return PyErr_Format(PyExc_TypeError, "%R is not callable",
				    out[0]);
	if (out[2])
		priority = PyLong_AsLong(out[2]);
	if (priority == -1 && PyErr_Occurred())
		return NULL;
	if (set && ((struct set *)out[1])->space != self)
		return raise_error(self->state, -EXDEV, out[1]);
	if (!space_enter(self, &call))
		return NULL;
	it = new_object(self->state->notifier);
	err = it ? listen(self) : -ENOMEM;
	if (err) {
		Py_XDECREF((PyObject *)it);
		space_leave(&call);
		PyErr_Clear();
		return raise_error(self->state, err, NULL);
	}
	it->space = self;
	Py_INCREF((PyObject *)self);
	it->callback = from_data(out[0]);
	it->set = set ? from_data(out[1]) : NULL;
	it->priority = priority;
	it->registered = true;
	if (replace_notifiers(self, arranged(self->notifiers, it, NULL)))
		Py_CLEAR(it);
	space_leave(&call);
	return (PyObject *)it;
}

static PyObject *space_notify(PyObject *object, PyObject *const *args,
			      Py_ssize_t nargs, PyObject *kwnames)
{
	static const struct signature signature = {
		"notify", 3, 2, { "id", "event", "arg" }
	};
	struct space *self = (struct space *)object;
	uint32_t event = 0;
	PyObject *out[7];
	struct call call;
	void *arg = NULL;
	ioasid_t id;
	int err;

	if (!arguments(&signature, args, nargs, kwnames, out) ||
	    !to_id(out[0], &id) || !to_number(out[1], "event", &event) ||
	    !space_enter(self, &call))
		return NULL;
	/* Told once, and dropped there, by whichever thread it is. */
	if (self->listening && out[2])
		arg = to_data(out[2]);
	err = ioasid_space_notify(self->space, id, (enum ioasid_event)event,
				  arg);
	space_leave(&call);
	if (err) {
		Py_XDECREF((PyObject *)arg);
		return raise_error(self->state, err, out[0]);
	}
	Py_RETURN_NONE;
}

PyMethodDef notifier_methods[] = {
	METHOD("register_notifier", space_register_notifier,
	       "register_notifier($self, callback, *, set=None, "
	       "priority=0)\n--\n\n"
	       "Have callback(notice) called with what happens to IDs.\n\n"
	       "With a set, to its IDs. The higher priority is told first. Events\n"
	       "of one ID come in order, before the call that caused them returns\n"
	       "and on its thread, unless a notifier made it or another thread is\n"
	       "telling of the same ID: then after that. It may call anything but\n"
	       "close(). An exception goes to sys.unraisablehook. Returns a\n"
	       "Notifier. Raises WrongSpace."),
	METHOD("notify", space_notify,
	       "notify($self, id, event, arg=None)\n--\n\n"
	       "Tell notifiers that an ID is used, or no more.\n\n"
	       "event is Event.BIND or Event.UNBIND; arg is told with it. Raises\n"
	       "InvalidArgument for another, NotFound."),
	{ NULL, NULL, 0, NULL },
};

static PyObject *notifier_unregister(PyObject *object, PyObject *unused)
{
	struct notifier_object *self = (struct notifier_object *)object;
	struct space *space = self->space;

	(void)unused;
	if (!self->registered)
		Py_RETURN_NONE;
	self->registered = false;
	if (replace_notifiers(space, arranged(space->notifiers, NULL, object)))
		return NULL;
	Py_RETURN_NONE;
}

void end_notifiers(struct space *self, struct set *set)
{
	PyObject *notifiers = self->notifiers, *done;

	if (!notifiers)
		return;
	Py_INCREF(notifiers);
	for (Py_ssize_t i = 0; i < PyTuple_Size(notifiers); i++) {
		PyObject *it = PyTuple_GetItem(notifiers, i);

		if (((struct notifier_object *)it)->set != (PyObject *)set)
			continue;
		done = notifier_unregister(it, NULL);
		if (!done)
			PyErr_Clear();
		Py_XDECREF(done);
	}
	Py_DECREF(notifiers);
}

static PyObject *notifier_start(PyObject *object, PyObject *unused)
{
	(void)unused;
	return from_data(object);
}

static PyObject *notifier_exit(PyObject *object, PyObject *args)
{
	(void)args;
	return notifier_unregister(object, NULL);
}

static PyObject *notifier_registered(PyObject *object, void *unused)
{
	(void)unused;
	return PyBool_FromLong(((struct notifier_object *)object)->registered);
}

static int notifier_traverse(PyObject *object, visitproc visit, void *arg)
{
	struct notifier_object *self = (struct notifier_object *)object;

	Py_VISIT(Py_TYPE(object));
	Py_VISIT(self->space);
	Py_VISIT(self->callback);
	Py_VISIT(self->set);
	return 0;
}

/* A notifier without a callback is not registered. */
static int notifier_clear(PyObject *object)
{
	struct notifier_object *self = (struct notifier_object *)object;

	self->registered = false;
	Py_CLEAR(self->callback);
	return 0;
}

static void notifier_dealloc(PyObject *object)
{
	struct notifier_object *self = (struct notifier_object *)object;

	PyObject_GC_UnTrack(object);
	Py_CLEAR(self->callback);
	Py_CLEAR(self->set);
	Py_CLEAR(self->space);
	free_object(object);
}

static PyMethodDef own_methods[] = {
	{ "unregister", notifier_unregister, METH_NOARGS,
	  "unregister($self, /)\n--\n\n"
	  "No new call begins; those that run are not waited for." },
	{ "__enter__", notifier_start, METH_NOARGS,
	  "__enter__($self, /)\n--\n\nThe notifier itself." },
	{ "__exit__", notifier_exit, METH_VARARGS,
	  "__exit__($self, /, *args)\n--\n\nAs unregister()." },
	{ NULL, NULL, 0, NULL },
};

static PyGetSetDef own_properties[] = {
	{ "registered", notifier_registered, NULL,
	  "Whether it is told of what happens.", NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot notifier_slots[] = {
	{ Py_tp_doc,
	  "A callable that is told, from Space.register_notifier().\n\n"
	  "The space keeps it until it is unregistered, or its set destroyed." },
	{ Py_tp_dealloc, (void *)notifier_dealloc },
	{ Py_tp_traverse, (void *)notifier_traverse },
	{ Py_tp_clear, (void *)notifier_clear },
	{ Py_tp_methods, own_methods },
	{ Py_tp_getset, own_properties },
	{ 0, NULL },
};

PyType_Spec notifier_spec = {
	.name = "ioasid.Notifier",
	.basicsize = sizeof(struct notifier_object),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
		 Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = notifier_slots,
};
