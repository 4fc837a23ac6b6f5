// SPDX-License-Identifier: MIT
/* What calls of a space give out: cursors, iterators, sections, references. */

#include "module.h"

static void plain_dealloc(PyObject *object)
{
	free_object(object);
}

static PyObject *cursor_new(PyTypeObject *type, PyObject *args,
			    PyObject *kwargs)
{
	static char *names[] = { "next", NULL };
	PyObject *next = NULL;
	uint32_t at = 0;
	struct cursor *self;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:Cursor", names,
					 &next) ||
	    !to_number(next, "next", &at))
		return NULL;
	self = new_object(type);
	if (self)
		self->next = at;
	return (PyObject *)self;
}

static PyObject *cursor_next(PyObject *object, void *unused)
{
	(void)unused;
	return PyLong_FromUnsignedLong(((struct cursor *)object)->next);
}

static int cursor_move(PyObject *object, PyObject *value, void *unused)
{
	uint32_t next = 0;

	(void)unused;
	if (!value || value == Py_None) {
		PyErr_SetString(value ? PyExc_TypeError : PyExc_AttributeError,
				"a cursor always has a next");
		return -1;
	}
	if (!to_number(value, "next", &next))
		return -1;
	((struct cursor *)object)->next = next;
	return 0;
}

static PyObject *cursor_wrapped(PyObject *object, void *unused)
{
	(void)unused;
	return PyBool_FromLong(((struct cursor *)object)->wrapped);
}

static PyGetSetDef cursor_properties[] = {
	{ "next", cursor_next, cursor_move, "Where the next search begins.",
	  NULL },
	{ "wrapped", cursor_wrapped, NULL,
	  "Whether the last alloc_cyclic() went around.", NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot cursor_slots[] = {
	{ Py_tp_doc, "Cursor(next=0)\n--\n\n"
		     "Where Space.alloc_cyclic() goes on; one for one space." },
	{ Py_tp_new, (void *)cursor_new },
	{ Py_tp_dealloc, (void *)plain_dealloc },
	{ Py_tp_getset, cursor_properties },
	{ 0, NULL },
};

PyType_Spec cursor_spec = {
	.name = "ioasid.Cursor",
	.basicsize = sizeof(struct cursor),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
	.slots = cursor_slots,
};

/* Holds no read section and no pointer between two steps. */
struct items {
	PyObject_HEAD struct space *space;
	PyObject *set;
	ioasid_t next, max;
	bool only_ids, done;
};

PyObject *make_items(struct space *self, PyObject *set, ioasid_t min,
		     ioasid_t max, bool only_ids)
{
	struct items *it = new_object(self->state->items);

	if (!it)
		return NULL;
	Py_INCREF((PyObject *)self);
	it->space = self;
	Py_XINCREF(set);
	it->set = set;
	it->next = min;
	it->max = max;
	it->only_ids = only_ids;
	return (PyObject *)it;
}

static PyObject *items_next(PyObject *object)
{
	struct items *self = (struct items *)object;
	struct ioasid_set *set;
	ioasid_t id;
	void *data;
	int err;

	if (self->done || !space_open(self->space) ||
	    !to_set(self->space, self->set, &set))
		return NULL;
	err = ioasid_space_next(self->space->space, set, self->next, self->max,
				&id, &data);
	if (err) {
		self->done = true;
		if (err != -ENOENT)
			raise_error(self->space->state, err, NULL);
		return NULL;
	}
	self->done = id == self->max;
	self->next = id + 1;
	if (self->only_ids)
		return PyLong_FromUnsignedLong(id);
	return Py_BuildValue("(kN)", (unsigned long)id, from_data(data));
}

static int items_traverse(PyObject *object, visitproc visit, void *arg)
{
	struct items *self = (struct items *)object;

	Py_VISIT(Py_TYPE(object));
	Py_VISIT(self->space);
	Py_VISIT(self->set);
	return 0;
}

/*
 * No tp_clear: it refers to a space alone, never the other way without another
 * object in between that can be cleared.
 */
static void items_dealloc(PyObject *object)
{
	struct items *self = (struct items *)object;

	PyObject_GC_UnTrack(object);
	Py_CLEAR(self->space);
	Py_CLEAR(self->set);
	free_object(object);
}

static PyMethodDef items_methods[] = {
	{ "__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
	  "__class_getitem__($type, item, /)\n--\n\n"
	  "Items[T], for annotations." },
	{ NULL, NULL, 0, NULL },
};

static PyType_Slot items_slots[] = {
	{ Py_tp_doc, "An iterator over IDs, with or without their objects." },
	{ Py_tp_dealloc, (void *)items_dealloc },
	{ Py_tp_traverse, (void *)items_traverse },
	{ Py_tp_iter, (void *)PyObject_SelfIter },
	{ Py_tp_iternext, (void *)items_next },
	{ Py_tp_methods, items_methods },
	{ 0, NULL },
};

PyType_Spec items_spec = {
	.name = "ioasid.Items",
	.basicsize = sizeof(struct items),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
		 Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = items_slots,
};

struct section {
	PyObject_HEAD struct space *space;
	/* times entered and not left, by one thread */
	unsigned int depth;
	uint64_t thread;
	/* when it was entered */
	unsigned int forks;
};

/* In a child of fork() the sections of other threads are over. */
static void follow_forks(struct section *self)
{
	if (self->depth && is_over(self->thread, self->forks))
		self->depth = 0;
}

static PyObject *space_read(PyObject *object, PyObject *unused)
{
	struct space *self = (struct space *)object;
	struct section *it;

	(void)unused;
	if (!space_open(self))
		return NULL;
	it = new_object(self->state->section);
	if (!it)
		return NULL;
	Py_INCREF((PyObject *)self);
	it->space = self;
	return (PyObject *)it;
}

static PyObject *section_start(PyObject *object, PyObject *unused)
{
	struct section *self = (struct section *)object;

	(void)unused;
	if (!space_open(self->space))
		return NULL;
	follow_forks(self);
	if (self->depth && self->thread != thread_serial())
		return raise_error(self->space->state, -EPERM, object);
	ioasid_rcu_read_lock(ioasid_space_rcu(self->space->space));
	self->thread = thread_serial();
	self->forks = fork_count();
	self->depth++;
	return from_data(self->space);
}

/*
 * A space that is closing waits for this thread, and has its domain until it has
 * left.
 */
static PyObject *section_exit(PyObject *object, PyObject *args)
{
	struct section *self = (struct section *)object;

	(void)args;
	if (!self->depth || self->thread != thread_serial())
		return raise_error(self->space->state, -EPERM, object);
	self->depth--;
	ioasid_rcu_read_unlock(ioasid_space_rcu(self->space->space));
	Py_RETURN_NONE;
}

static int section_traverse(PyObject *object, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(object));
	Py_VISIT(((struct section *)object)->space);
	return 0;
}

/*
 * One that was entered and not left is left here, if this is its thread. If not,
 * its space is never to be destroyed, as a wait for that reader might not end.
 */
static void section_dealloc(PyObject *object)
{
	struct section *self = (struct section *)object;
	PyObject *type, *value, *traceback;

	PyObject_GC_UnTrack(object);
	follow_forks(self);
	/* A space that could be closed had no reader left. */
	if (!self->space->space)
		self->depth = 0;
	if (self->depth && self->thread != thread_serial()) {
		PyErr_Fetch(&type, &value, &traceback);
		raise_error(self->space->state, -EPERM, NULL);
		PyErr_WriteUnraisable((PyObject *)self->space);
		PyErr_Restore(type, value, traceback);
		self->space = NULL;
	} else {
		while (self->depth) {
			self->depth--;
			ioasid_rcu_read_unlock(
				ioasid_space_rcu(self->space->space));
		}
	}
	Py_CLEAR(self->space);
	free_object(object);
}

static PyMethodDef section_methods[] = {
	{ "__enter__", section_start, METH_NOARGS,
	  "__enter__($self, /)\n--\n\nEnter the section; the space." },
	{ "__exit__", section_exit, METH_VARARGS,
	  "__exit__($self, /, *args)\n--\n\n"
	  "Leave the section. Raises WrongThread on another thread than entered "
	  "it." },
	{ "__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
	  "__class_getitem__($type, item, /)\n--\n\n"
	  "ReadSection[T], for annotations." },
	{ NULL, NULL, 0, NULL },
};

static PyType_Slot section_slots[] = {
	{ Py_tp_doc,
	  "A read section, from Space.read(), for one with statement.\n\n"
	  "It belongs to the thread that enters it, which must leave it: a\n"
	  "generator or coroutine that is suspended inside keeps all waits from\n"
	  "ending, and raises WrongThread if it goes on elsewhere." },
	{ Py_tp_dealloc, (void *)section_dealloc },
	{ Py_tp_traverse, (void *)section_traverse },
	{ Py_tp_methods, section_methods },
	{ 0, NULL },
};

PyType_Spec section_spec = {
	.name = "ioasid.ReadSection",
	.basicsize = sizeof(struct section),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
		 Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = section_slots,
};

struct reference {
	PyObject_HEAD struct space *space;
	PyObject *obj;
	ioasid_t id;
	bool held;
};

static PyObject *make_reference(struct space *self, struct ioasid_set *set,
				ioasid_t id, ioasid_handle_t handle,
				PyObject *key)
{
	struct reference *it = new_object(self->state->reference);
	void *data;
	int err;

	if (!it)
		return NULL;
	Py_INCREF((PyObject *)self);
	it->space = self;
	if (!space_open(self)) {
		Py_DECREF((PyObject *)it);
		return NULL;
	}
	err = handle ? ioasid_space_get_handle(self->space, set, handle) :
		       ioasid_space_get(self->space, set, id);
	if (err) {
		Py_DECREF((PyObject *)it);
		return raise_error(self->state, err, key);
	}
	it->id = id;
	it->held = true;
	/* It cannot end in between, as this thread has the GIL. */
	if (ioasid_space_find(self->space, NULL, id, NULL, &data))
		data = NULL;
	it->obj = from_data(data);
	return (PyObject *)it;
}

static PyObject *space_reference(PyObject *object, PyObject *const *args,
				 Py_ssize_t nargs, PyObject *kwnames)
{
	static const struct signature signature = {
		"reference", 2, 1, { "id", "set" }
	};
	struct space *self = (struct space *)object;
	struct ioasid_set *set;
	PyObject *out[7];
	ioasid_t id;

	if (!arguments(&signature, args, nargs, kwnames, out) ||
	    !to_set(self, out[1], &set) || !to_id(out[0], &id))
		return NULL;
	return make_reference(self, set, id, 0, out[0]);
}

static PyObject *space_reference_handle(PyObject *object, PyObject *const *args,
					Py_ssize_t nargs, PyObject *kwnames)
{
	static const struct signature signature = {
		"reference_handle", 2, 1, { "handle", "set" }
	};
	struct space *self = (struct space *)object;
	struct ioasid_set *set;
	ioasid_handle_t handle;
	PyObject *out[7];

	if (!arguments(&signature, args, nargs, kwnames, out) ||
	    !to_set(self, out[1], &set) || !to_handle(out[0], &handle))
		return NULL;
	if (!handle)
		return raise_error(self->state, -ENOENT, out[0]);
	return make_reference(self, set, ioasid_handle_id(handle), handle,
			      out[0]);
}

/* Once; nothing where the space is gone. */
static int put_reference(struct reference *self)
{
	struct call call;
	int ret;

	if (!self->held || !self->space->space || self->space->closing)
		return 0;
	if (!space_enter(self->space, &call))
		return -EBADF;
	self->held = false;
	ret = put_id(self->space, self->id);
	space_leave(&call);
	return ret < 0 ? ret : 0;
}

static PyObject *reference_put(PyObject *object, PyObject *unused)
{
	struct reference *self = (struct reference *)object;
	int err = put_reference(self);

	(void)unused;
	if (err)
		return raise_error(self->space->state, err, object);
	Py_RETURN_NONE;
}

static PyObject *reference_start(PyObject *object, PyObject *unused)
{
	struct reference *self = (struct reference *)object;

	(void)unused;
	if (!self->held)
		return raise_error(self->space->state, -EBADF, object);
	return from_data(self->obj);
}

static PyObject *reference_exit(PyObject *object, PyObject *args)
{
	(void)args;
	return reference_put(object, NULL);
}

static PyObject *reference_obj(PyObject *object, void *unused)
{
	(void)unused;
	return from_data(((struct reference *)object)->obj);
}

static PyObject *reference_id(PyObject *object, void *unused)
{
	(void)unused;
	return PyLong_FromUnsignedLong(((struct reference *)object)->id);
}

static int reference_traverse(PyObject *object, visitproc visit, void *arg)
{
	struct reference *self = (struct reference *)object;

	Py_VISIT(Py_TYPE(object));
	Py_VISIT(self->space);
	Py_VISIT(self->obj);
	return 0;
}

static int reference_clear(PyObject *object)
{
	Py_CLEAR(((struct reference *)object)->obj);
	return 0;
}

static void reference_end(PyObject *object)
{
	struct reference *self = (struct reference *)object;
	PyObject *type, *value, *traceback;

	PyErr_Fetch(&type, &value, &traceback);
	put_reference(self);
	PyErr_Restore(type, value, traceback);
	Py_CLEAR(self->obj);
	Py_CLEAR(self->space);
	free_object(object);
}

static void reference_dealloc(PyObject *object)
{
	end_object(object, reference_end);
}

static PyMethodDef reference_methods[] = {
	{ "put", reference_put, METH_NOARGS,
	  "put($self, /)\n--\n\n"
	  "Drop the reference, once; the last makes a freed ID vacant." },
	{ "__enter__", reference_start, METH_NOARGS,
	  "__enter__($self, /)\n--\n\nThe object of the ID." },
	{ "__exit__", reference_exit, METH_VARARGS,
	  "__exit__($self, /, *args)\n--\n\nAs put()." },
	{ "__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
	  "__class_getitem__($type, item, /)\n--\n\n"
	  "Reference[T], for annotations." },
	{ NULL, NULL, 0, NULL },
};

static PyGetSetDef reference_properties[] = {
	{ "obj", reference_obj, NULL, "The object when it was taken.", NULL },
	{ "id", reference_id, NULL, "The ID.", NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot reference_slots[] = {
	{ Py_tp_doc,
	  "A reference to an ID, from Space.reference(): it is not handed out\n"
	  "again before the reference is put, also if it is freed.\n\n"
	  "For a with statement, which gets the object. Put as well when it is\n"
	  "collected." },
	{ Py_tp_dealloc, (void *)reference_dealloc },
	{ Py_tp_traverse, (void *)reference_traverse },
	{ Py_tp_clear, (void *)reference_clear },
	{ Py_tp_methods, reference_methods },
	{ Py_tp_getset, reference_properties },
	{ 0, NULL },
};

PyType_Spec reference_spec = {
	.name = "ioasid.Reference",
	.basicsize = sizeof(struct reference),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
		 Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = reference_slots,
};

struct reservation {
	PyObject_HEAD struct space *space;
	ioasid_t id;
	bool reserved;
};

static PyObject *space_reserve_id(PyObject *object, PyObject *const *args,
				  Py_ssize_t nargs, PyObject *kwnames)
{
	static const struct signature signature = {
		"reserve_id", 0, 0, { "min", "max", "set" }
	};
	struct space *self = (struct space *)object;
	struct reservation *it;
	struct ioasid_set *set;
	ioasid_t min, max;
	PyObject *out[7];
	int err;

	if (!arguments(&signature, args, nargs, kwnames, out) ||
	    !to_range(out[0], out[1], &min, &max))
		return NULL;
	it = new_object(self->state->reservation);
	if (!it)
		return NULL;
	Py_INCREF((PyObject *)self);
	it->space = self;
	if (!to_set(self, out[2], &set) || !space_open(self)) {
		Py_DECREF((PyObject *)it);
		return NULL;
	}
	err = ioasid_space_reserve_id(self->space, set, min, max, &it->id);
	if (err) {
		Py_DECREF((PyObject *)it);
		return raise_error(self->state, err, NULL);
	}
	it->reserved = true;
	return (PyObject *)it;
}

static PyObject *reservation_publish(PyObject *object, PyObject *obj)
{
	struct reservation *self = (struct reservation *)object;
	struct space *space = self->space;
	struct call call;
	void *data;
	int err;

	if (!space_enter(space, &call))
		return NULL;
	if (!self->reserved) {
		space_leave(&call);
		return raise_error(space->state, -ENOENT, object);
	}
	self->reserved = false;
	data = to_data(obj);
	err = ioasid_space_publish_id(space->space, self->id, data);
	space_leave(&call);
	if (err) {
		self->reserved = err != -ENOENT;
		Py_XDECREF((PyObject *)data);
		return raise_error(space->state, err, object);
	}
	Py_RETURN_NONE;
}

/* Once; an ID that was published or released by number is left alone. */
static void release_reservation(struct reservation *self)
{
	if (!self->reserved || !self->space->space || self->space->closing)
		return;
	self->reserved = false;
	ioasid_space_release_id(self->space->space, self->id);
}

static PyObject *reservation_release(PyObject *object, PyObject *unused)
{
	(void)unused;
	release_reservation((struct reservation *)object);
	Py_RETURN_NONE;
}

static PyObject *reservation_start(PyObject *object, PyObject *unused)
{
	(void)unused;
	return from_data(object);
}

static PyObject *reservation_exit(PyObject *object, PyObject *args)
{
	(void)args;
	return reservation_release(object, NULL);
}

static PyObject *reservation_id(PyObject *object, void *unused)
{
	(void)unused;
	return PyLong_FromUnsignedLong(((struct reservation *)object)->id);
}

static PyObject *reservation_detach(PyObject *object, PyObject *unused)
{
	struct reservation *self = (struct reservation *)object;

	(void)unused;
	self->reserved = false;
	return PyLong_FromUnsignedLong(self->id);
}

static int reservation_traverse(PyObject *object, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(object));
	Py_VISIT(((struct reservation *)object)->space);
	return 0;
}

static void reservation_dealloc(PyObject *object)
{
	struct reservation *self = (struct reservation *)object;

	PyObject_GC_UnTrack(object);
	release_reservation(self);
	Py_CLEAR(self->space);
	free_object(object);
}

static PyMethodDef reservation_methods[] = {
	{ "publish", reservation_publish, METH_O,
	  "publish($self, obj, /)\n--\n\n"
	  "Let the ID be found, with its object. Calls notifiers.\n\n"
	  "Raises NotFound if that, or release(), was done before." },
	{ "release", reservation_release, METH_NOARGS,
	  "release($self, /)\n--\n\n"
	  "Give the ID back, if it is not published." },
	{ "detach", reservation_detach, METH_NOARGS,
	  "detach($self, /)\n--\n\n"
	  "Leave the ID reserved, for Space.publish_id() or release_id(); the "
	  "ID." },
	{ "__enter__", reservation_start, METH_NOARGS,
	  "__enter__($self, /)\n--\n\nThe reservation itself." },
	{ "__exit__", reservation_exit, METH_VARARGS,
	  "__exit__($self, /, *args)\n--\n\nAs release()." },
	{ "__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
	  "__class_getitem__($type, item, /)\n--\n\n"
	  "Reservation[T], for annotations." },
	{ NULL, NULL, 0, NULL },
};

static PyGetSetDef reservation_properties[] = {
	{ "id", reservation_id, NULL, "The ID.", NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot reservation_slots[] = {
	{ Py_tp_doc,
	  "An ID that nobody finds yet, from Space.reserve_id().\n\n"
	  "For a with statement: what is not published in it is given back. So\n"
	  "it is when the reservation is collected." },
	{ Py_tp_dealloc, (void *)reservation_dealloc },
	{ Py_tp_traverse, (void *)reservation_traverse },
	{ Py_tp_methods, reservation_methods },
	{ Py_tp_getset, reservation_properties },
	{ 0, NULL },
};

PyType_Spec reservation_spec = {
	.name = "ioasid.Reservation",
	.basicsize = sizeof(struct reservation),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
		 Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = reservation_slots,
};

PyMethodDef object_methods[] = {
	{ "read", space_read, METH_NOARGS,
	  "read($self, /)\n--\n\n"
	  "A read section, for a with statement: waits of other threads do not\n"
	  "end before it does. What is found needs none, as it has a reference\n"
	  "of its own. Nests. See ReadSection for threads and generators." },
	METHOD("reference", space_reference,
	       "reference($self, id, set=None)\n--\n\n"
	       "Take a Reference to an ID, for a with statement.\n\n"
	       "Raises NotFound, AccessDenied, Busy if it is freed,\n"
	       "TooManyReferences. As a lookup."),
	METHOD("reference_handle", space_reference_handle,
	       "reference_handle($self, handle, set=None)\n--\n\n"
	       "As reference(), to one use of the ID; raises Stale as well."),
	METHOD("reserve_id", space_reserve_id,
	       "reserve_id($self, *, min=None, max=None, set=None)\n--\n\n"
	       "Take an ID that nobody finds yet, as a Reservation.\n\n"
	       "For what has to know its ID before it is ready. Raises as\n"
	       "alloc()."),
	{ NULL, NULL, 0, NULL },
};
