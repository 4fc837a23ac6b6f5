// SPDX-License-Identifier: MIT
/* Sets of a space, and names that they give to their IDs. */

#include "module.h"

#include <stdlib.h>
#include <string.h>

static PyObject *key_of(const struct ioasid_set *set)
{
	return PyLong_FromVoidPtr((void *)(uintptr_t)set);
}

static struct set *new_set(struct space *self)
{
	struct set *it = new_object(self->state->set);

	if (it) {
		Py_INCREF((PyObject *)self);
		it->space = self;
	}
	return it;
}

/* Lets the space find @it by the address of @set. */
static int enlist(struct space *self, struct set *it, struct ioasid_set *set)
{
	PyObject *key = key_of(set);
	int ret = key ? PyDict_SetItem(self->sets, key, (PyObject *)it) : -1;

	Py_XDECREF(key);
	if (!ret)
		it->set = set;
	return ret;
}

PyObject *wrap_set(struct space *self, struct ioasid_set *set)
{
	struct ioasid_set_info info;
	PyObject *key, *known;
	struct set *it;
	int err;

	if (!set)
		return from_data(NULL);
	key = key_of(set);
	if (!key)
		return NULL;
	known = PyDict_GetItemWithError(self->sets, key);
	Py_DECREF(key);
	if (known)
		return from_data(known);
	if (PyErr_Occurred())
		return NULL;
	/* One that a restore made. */
	err = ioasid_set_stats(self->space, set, &info);
	if (err)
		return raise_error(self->state, err, NULL);
	it = new_set(self);
	if (!it)
		return NULL;
	it->token = from_data(info.token);
	if (enlist(self, it, set)) {
		Py_DECREF((PyObject *)it);
		return NULL;
	}
	return (PyObject *)it;
}

void detach_sets(struct space *self)
{
	PyObject *key, *value;
	Py_ssize_t at = 0;

	while (PyDict_Next(self->sets, &at, &key, &value))
		((struct set *)value)->set = NULL;
}

/* Runs what compares tokens. */
PyObject *one_token(struct space *self, PyObject *token)
{
	return PyObject_CallMethod(self->tokens, "setdefault", "OO", token,
				   token);
}

/* The same, if there is one; borrowed. */
static PyObject *known_token(struct space *self, PyObject *token)
{
	PyObject *known = PyDict_GetItemWithError(self->tokens, token);

	if (!known && !PyErr_Occurred())
		raise_error(self->state, -ENOENT, token);
	return known;
}

/* With its token, once the caller has seen that no other set has it. */
static PyObject *make_set(struct space *self, struct ioasid_set_config *config,
			  PyObject *token)
{
	struct set *it = new_set(self);
	struct ioasid_set *set;
	int err;

	if (!it)
		return NULL;
	it->token = from_data(token);
	config->token = token;
	err = ioasid_set_create(self->space, config, &set);
	if (err) {
		Py_DECREF((PyObject *)it);
		return raise_error(self->state, err, token);
	}
	if (enlist(self, it, set)) {
		ioasid_set_destroy(self->space, set);
		Py_DECREF((PyObject *)it);
		return NULL;
	}
	return (PyObject *)it;
}

static PyObject *space_create_set(PyObject *object, PyObject *const *args,
				  Py_ssize_t nargs, PyObject *kwnames)
{
	static const struct signature signature = {
		"create_set", 1, 0, { "name", "token", "quota", "reserved" }
	};
	struct space *self = (struct space *)object;
	struct ioasid_set_config config = { .name = NULL };
	PyObject *out[7], *token, *known = NULL, *result;
	struct call call;

	if (!arguments(&signature, args, nargs, kwnames, out) ||
	    !to_name(out[0], &config.name) ||
	    !to_number(out[2], "quota", &config.quota) ||
	    !to_number(out[3], "reserved", &config.reserved))
		return NULL;
	token = out[1] == Py_None ? NULL : out[1];
	if (!space_enter(self, &call))
		return NULL;
	if (token) {
		known = one_token(self, token);
		if (!known) {
			space_leave(&call);
			return NULL;
		}
	}
	result = make_set(self, &config, known);
	/* One that was not known before stays only for a set. */
	if (!result && known == token && token) {
		struct ioasid_set *set;
		PyObject *type, *value, *traceback;

		PyErr_Fetch(&type, &value, &traceback);
		if (ioasid_set_by_token(self->space, token, &set) &&
		    PyDict_DelItem(self->tokens, token))
			PyErr_Clear();
		PyErr_Restore(type, value, traceback);
	}
	Py_XDECREF(known);
	space_leave(&call);
	return result;
}

static PyObject *space_set_by_token(PyObject *object, PyObject *token)
{
	struct space *self = (struct space *)object;
	PyObject *known, *result = NULL;
	struct ioasid_set *set;
	struct call call;
	int err;

	if (!space_enter(self, &call))
		return NULL;
	known = known_token(self, token);
	if (known) {
		err = ioasid_set_by_token(self->space, known, &set);
		result = err ? raise_error(self->state, err, token) :
			       wrap_set(self, set);
	}
	space_leave(&call);
	return result;
}

static PyObject *space_set_of(PyObject *object, PyObject *key)
{
	struct space *self = (struct space *)object;
	struct ioasid_set *set;
	ioasid_t id;
	int err;

	if (!to_id(key, &id) || !space_open(self))
		return NULL;
	err = ioasid_set_of(self->space, id, &set);
	if (err)
		return raise_error(self->state, err, key);
	return wrap_set(self, set);
}

struct found_sets {
	struct ioasid_set **at;
	size_t count;
	size_t room;
};

static int add_set(struct ioasid_set *set, void *arg)
{
	struct found_sets *found = arg;

	if (found->count < found->room)
		found->at[found->count++] = set;
	return 0;
}

static PyObject *list_sets(PyObject *object, PyObject *unused)
{
	struct space *self = (struct space *)object;
	struct found_sets found = { NULL, 0, 0 };
	struct ioasid_stats stats;
	PyObject *result, *it;
	struct call call;
	int failed = 0;

	(void)unused;
	if (!space_enter(self, &call))
		return NULL;
	result = PyList_New(0);
	ioasid_space_stats(self->space, &stats);
	found.room = stats.sets;
	found.at = calloc(found.room + 1, sizeof(struct ioasid_set *));
	if (!result || !found.at) {
		Py_XDECREF(result);
		free(found.at);
		space_leave(&call);
		return PyErr_NoMemory();
	}
	ioasid_set_for_each(self->space, add_set, &found);
	for (size_t i = 0; i < found.count && !failed; i++) {
		it = wrap_set(self, found.at[i]);
		failed = !it || PyList_Append(result, it);
		Py_XDECREF((PyObject *)it);
	}
	free(found.at);
	space_leave(&call);
	if (failed) {
		Py_DECREF(result);
		return NULL;
	}
	return result;
}

static PyObject *space_spid_attach(PyObject *object, PyObject *const *args,
				   Py_ssize_t nargs, PyObject *kwnames)
{
	static const struct signature signature = {
		"spid_attach", 2, 2, { "id", "spid" }
	};
	struct space *self = (struct space *)object;
	PyObject *out[7];
	ioasid_t id, spid;
	int err;

	if (!arguments(&signature, args, nargs, kwnames, out) ||
	    !to_id(out[0], &id) || !to_id(out[1], &spid) || !space_open(self))
		return NULL;
	err = ioasid_spid_attach(self->space, id, spid);
	if (err)
		return raise_error(self->state, err,
				   err == -EEXIST || err == -EINVAL ? out[1] :
								      out[0]);
	Py_RETURN_NONE;
}

static PyObject *space_spid_detach(PyObject *object, PyObject *key)
{
	struct space *self = (struct space *)object;
	ioasid_t id;
	int err;

	if (!to_id(key, &id) || !space_open(self))
		return NULL;
	err = ioasid_spid_detach(self->space, id);
	if (err)
		return raise_error(self->state, err, key);
	Py_RETURN_NONE;
}

static PyObject *space_spid_of(PyObject *object, PyObject *key)
{
	struct space *self = (struct space *)object;
	ioasid_t id, spid;
	int err;

	if (!to_id(key, &id) || !space_open(self))
		return NULL;
	err = ioasid_spid_of(self->space, id, &spid);
	if (err)
		return raise_error(self->state, err, key);
	return PyLong_FromUnsignedLong(spid);
}

static PyObject *space_spid_find(PyObject *object, PyObject *const *args,
				 Py_ssize_t nargs, PyObject *kwnames)
{
	static const struct signature signature = {
		"spid_find", 2, 2, { "set", "spid", "accept" }
	};
	struct space *self = (struct space *)object;
	struct ioasid_set *set;
	ioasid_t id, spid;
	PyObject *out[7];
	PyObject *found;
	void *data;
	int err;

	if (!arguments(&signature, args, nargs, kwnames, out) ||
	    !to_set(self, out[0], &set) || !to_id(out[1], &spid) ||
	    !space_open(self))
		return NULL;
	if (!set)
		return PyErr_Format(PyExc_TypeError, "set is None, not a Set");
	err = ioasid_spid_find(self->space, set, spid, NULL, &id, &data);
	if (err)
		return raise_error(self->state, err, out[1]);
	found = accepted(from_data(data), out[2]);
	return found ? Py_BuildValue("(kN)", (unsigned long)id, found) : NULL;
}

PyMethodDef set_methods_of_space[] = {
	METHOD("create_set", space_create_set,
	       "create_set($self, name=None, *, token=None, quota=0, "
	       "reserved=0)\n--\n\n"
	       "Make a Set, an owner of IDs.\n\n"
	       "token, hashable, finds it again by an equal one. quota bounds its\n"
	       "IDs, 0 does not; reserved of the capacity are set aside for it.\n"
	       "Raises Exists another set has the token, InvalidArgument reserved\n"
	       "is more than quota, NameTooLong, NoSpace, TooManySets, TryAgain."),
	{ "set_by_token", space_set_by_token, METH_O,
	  "set_by_token($self, token, /)\n--\n\n"
	  "The Set with a token equal to this. Raises NotFound." },
	{ "set_of", space_set_of, METH_O,
	  "set_of($self, id, /)\n--\n\n"
	  "The Set that owns an ID; None if none does. Raises NotFound." },
	{ "sets", list_sets, METH_NOARGS,
	  "sets($self, /)\n--\n\nThe sets of the space, as a list." },
	METHOD("spid_attach", space_spid_attach,
	       "spid_attach($self, id, spid)\n--\n\n"
	       "Give an ID of a set a name in it, any number below 2**32 - 1.\n\n"
	       "It lasts until it is detached or the ID freed. Raises NotFound;\n"
	       "InvalidArgument no set owns the ID, or no such number; Exists\n"
	       "another ID of the set has it; Busy the ID has one; TryAgain."),
	{ "spid_detach", space_spid_detach, METH_O,
	  "spid_detach($self, id, /)\n--\n\n"
	  "Take the name of an ID away. Raises NotFound if it has none." },
	{ "spid_of", space_spid_of, METH_O,
	  "spid_of($self, id, /)\n--\n\n"
	  "The name of an ID in its set. Raises NotFound if it has none." },
	METHOD("spid_find", space_spid_find,
	       "spid_find($self, set, spid, *, accept=None)\n--\n\n"
	       "The ID with a name in a set and its object, as a tuple.\n\n"
	       "accept is as for find().\n"
	       "Raises NotFound; WrongSpace for a set of another space."),
	{ NULL, NULL, 0, NULL },
};

static int set_traverse(PyObject *object, visitproc visit, void *arg)
{
	struct set *self = (struct set *)object;

	Py_VISIT(Py_TYPE(object));
	Py_VISIT(self->space);
	Py_VISIT(self->token);
	return 0;
}

/* The space clears the way from it to here; methods need the space. */
static int set_clear(PyObject *object)
{
	struct set *self = (struct set *)object;
	PyObject *token = self->token;

	self->token = from_data(NULL);
	Py_XDECREF(token);
	return 0;
}

static void set_end(PyObject *object)
{
	struct set *self = (struct set *)object;

	Py_CLEAR(self->token);
	Py_CLEAR(self->space);
	free_object(object);
}

static void set_dealloc(PyObject *object)
{
	end_object(object, set_end);
}

/* Until space_leave() the set is there; with the exception for it if not. */
static bool set_enter(struct set *self, struct call *call)
{
	if (!space_enter_for(self->space, self, call))
		return false;
	if (self->set)
		return true;
	space_leave(call);
	raise_error(self->space->state, -EBADF, (PyObject *)self);
	return false;
}

static int destroy_set(struct set *self)
{
	struct space *space = self->space;
	int err = ioasid_set_destroy(space->space, self->set);
	PyObject *key;

	if (err)
		return err;
	key = key_of(self->set);
	self->set = NULL;
	if (!key || PyDict_DelItem(space->sets, key))
		PyErr_Clear();
	Py_XDECREF(key);
	if (self->token != Py_None &&
	    PyDict_DelItem(space->tokens, self->token))
		PyErr_Clear();
	end_notifiers(space, self);
	return 0;
}

static PyObject *set_destroy(PyObject *object, PyObject *unused)
{
	struct set *self = (struct set *)object;
	struct call call;
	int err = -EBUSY;

	(void)unused;
	if (!set_enter(self, &call))
		return NULL;
	/* This one alone. */
	if (calls_for(self->space, self) == 1)
		err = destroy_set(self);
	space_leave(&call);
	if (err)
		return raise_error(self->space->state, err, object);
	Py_RETURN_NONE;
}

static PyObject *set_free_all(PyObject *object, PyObject *unused)
{
	struct set *self = (struct set *)object;
	struct call call;
	PyObject *result;

	(void)unused;
	if (!set_enter(self, &call))
		return NULL;
	result = free_ids(self->space, self->set);
	space_leave(&call);
	return result;
}

static PyObject *set_start(PyObject *object, PyObject *unused)
{
	struct call call;

	(void)unused;
	if (!set_enter((struct set *)object, &call))
		return NULL;
	space_leave(&call);
	Py_INCREF(object);
	return object;
}

static PyObject *set_exit(PyObject *object, PyObject *args)
{
	struct set *self = (struct set *)object;
	PyObject *freed;

	(void)args;
	if (!self->set)
		Py_RETURN_NONE;
	freed = set_free_all(object, NULL);
	if (!freed)
		return NULL;
	Py_DECREF(freed);
	return set_destroy(object, NULL);
}

static bool set_info(struct set *self, struct ioasid_set_info *info)
{
	struct call call;
	int err;

	if (!set_enter(self, &call))
		return false;
	err = ioasid_set_stats(self->space->space, self->set, info);
	space_leave(&call);
	if (err)
		raise_error(self->space->state, err, (PyObject *)self);
	return !err;
}

static PyObject *set_stats(PyObject *object, PyObject *unused)
{
	struct set *self = (struct set *)object;
	struct ioasid_set_info info;
	PyObject *name;

	(void)unused;
	if (!set_info(self, &info))
		return NULL;
	/* That of a snapshot may be of a program that knows no UTF-8. */
	name = PyUnicode_DecodeUTF8(info.name, (Py_ssize_t)strlen(info.name),
				    "replace");
	if (!name)
		return NULL;
	return PyObject_CallFunction(self->space->state->set_stats, "NOIIII",
				     name, self->token, info.quota,
				     info.reserved, info.count, info.spids);
}

static PyObject *set_limit(PyObject *object, PyObject *const *args,
			   Py_ssize_t nargs, PyObject *kwnames)
{
	static const struct signature signature = {
		"limit", 0, 0, { "quota", "reserved" }
	};
	struct set *self = (struct set *)object;
	uint32_t quota = 0, reserved = 0;
	PyObject *out[7];
	struct call call;
	int err;

	if (!arguments(&signature, args, nargs, kwnames, out) ||
	    !to_number(out[0], "quota", &quota) ||
	    !to_number(out[1], "reserved", &reserved) ||
	    !set_enter(self, &call))
		return NULL;
	err = ioasid_set_limit(self->space->space, self->set, quota, reserved);
	space_leave(&call);
	if (err)
		return raise_error(self->space->state, err, object);
	Py_RETURN_NONE;
}

static PyObject *set_alloc(PyObject *object, PyObject *const *args,
			   Py_ssize_t nargs, PyObject *kwnames)
{
	static const struct signature signature = {
		"alloc", 1, 1, { "obj", "min", "max" }
	};
	struct set *self = (struct set *)object;
	PyObject *out[7], *result;
	struct call call;

	if (!arguments(&signature, args, nargs, kwnames, out) ||
	    !set_enter(self, &call))
		return NULL;
	result = alloc_id(self->space, self->set, NULL, out);
	space_leave(&call);
	return result;
}

static PyObject *set_find(PyObject *object, PyObject *key)
{
	struct set *self = (struct set *)object;
	PyObject *result;
	struct call call;

	if (!set_enter(self, &call))
		return NULL;
	result = find_id(self->space, self->set, key, NULL);
	space_leave(&call);
	return result;
}

static PyObject *set_items(PyObject *object, PyObject *unused)
{
	struct set *self = (struct set *)object;
	PyObject *result;
	struct call call;

	(void)unused;
	if (!set_enter(self, &call))
		return NULL;
	result = make_items(self->space, object, 0, UINT32_MAX, false);
	space_leave(&call);
	return result;
}

static Py_ssize_t set_length(PyObject *object)
{
	struct ioasid_set_info info;

	if (!set_info((struct set *)object, &info))
		return -1;
	return info.count;
}

/* A set without IDs is a set. */
static int set_bool(PyObject *object)
{
	(void)object;
	return 1;
}

static int set_contains(PyObject *object, PyObject *key)
{
	struct set *self = (struct set *)object;
	struct call call;
	ioasid_t id;
	void *data;
	int err;

	if (!to_id(key, &id) || !set_enter(self, &call))
		return -1;
	err = ioasid_space_find(self->space->space, self->set, id, NULL, &data);
	space_leave(&call);
	return !err;
}

static PyObject *get_space(PyObject *object, void *unused)
{
	(void)unused;
	return from_data(((struct set *)object)->space);
}

static PyObject *get_token(PyObject *object, void *unused)
{
	(void)unused;
	return from_data(((struct set *)object)->token);
}

static PyObject *get_destroyed(PyObject *object, void *unused)
{
	(void)unused;
	return PyBool_FromLong(!((struct set *)object)->set);
}

static PyMethodDef set_methods[] = {
	METHOD("alloc", set_alloc,
	       "alloc($self, obj, *, min=None, max=None)\n--\n\n"
	       "Space.alloc() for this set."),
	{ "find", set_find, METH_O,
	  "find($self, id, /)\n--\n\nSpace.find() for this set." },
	{ "items", set_items, METH_NOARGS,
	  "items($self, /)\n--\n\nSpace.items() of this set." },
	{ "free_all", set_free_all, METH_NOARGS,
	  "free_all($self, /)\n--\n\n"
	  "Free all IDs of the set; how many. Linear in those of the space." },
	{ "stats", set_stats, METH_NOARGS,
	  "stats($self, /)\n--\n\n"
	  "What the set is and has, as SetStats. Constant time." },
	METHOD("limit", set_limit,
	       "limit($self, *, quota=0, reserved=0)\n--\n\n"
	       "Change what the set may have.\n\n"
	       "Raises InvalidArgument reserved is more than quota; Busy quota is\n"
	       "less than it has; NoSpace less capacity is left."),
	{ "destroy", set_destroy, METH_NOARGS,
	  "destroy($self, /)\n--\n\n"
	  "End a set without IDs, and its notifiers.\n\n"
	  "Raises Busy while it has IDs, pending and reserved ones included, and\n"
	  "while one of its methods runs." },
	{ "__enter__", set_start, METH_NOARGS,
	  "__enter__($self, /)\n--\n\nThe set itself." },
	{ "__exit__", set_exit, METH_VARARGS,
	  "__exit__($self, /, *args)\n--\n\nAs free_all() and destroy()." },
	{ "__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
	  "__class_getitem__($type, item, /)\n--\n\n"
	  "Set[T], whose objects are T, for annotations." },
	{ NULL, NULL, 0, NULL },
};

static PyGetSetDef set_properties[] = {
	{ "space", get_space, NULL, "The space of the set.", NULL },
	{ "token", get_token, NULL, "The token given, or None.", NULL },
	{ "destroyed", get_destroyed, NULL,
	  "Whether the set, or its space, is no more.", NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot set_slots[] = {
	{ Py_tp_doc,
	  "An owner of IDs, a tenant; from Space.create_set().\n\n"
	  "Lookups that name it see its IDs alone. len() counts what it has,\n"
	  "pending and reserved IDs included. Leaving a with statement frees its\n"
	  "IDs and destroys it. Methods raise Closed once it is destroyed." },
	{ Py_tp_dealloc, (void *)set_dealloc },
	{ Py_tp_traverse, (void *)set_traverse },
	{ Py_tp_clear, (void *)set_clear },
	{ Py_mp_length, (void *)set_length },
	{ Py_nb_bool, (void *)set_bool },
	{ Py_sq_contains, (void *)set_contains },
	{ Py_tp_methods, set_methods },
	{ Py_tp_getset, set_properties },
	{ 0, NULL },
};

PyType_Spec set_spec = {
	.name = "ioasid.Set",
	.basicsize = sizeof(struct set),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
		 Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = set_slots,
};
