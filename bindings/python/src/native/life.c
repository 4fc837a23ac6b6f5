// SPDX-License-Identifier: MIT
/* IDs: handed out, looked up, referred to, ended. */

#include "module.h"

PyObject *alloc_id(struct space *self, struct ioasid_set *set,
		   struct cursor *cursor, PyObject *const *out)
{
	PyObject *result = NULL;
	ioasid_t min, max, id;
	struct call call;
	void *data;
	int ret;

	if (!to_range(out[1], out[2], &min, &max) || !space_enter(self, &call))
		return NULL;
	data = to_data(out[0]);
	if (cursor) {
		ret = ioasid_space_alloc_cyclic(self->space, set, min, max,
						data, &cursor->next, &id);
		if (ret >= 0)
			cursor->wrapped = ret;
	} else {
		ret = ioasid_space_alloc(self->space, set, min, max, data, &id);
	}
	if (ret >= 0) {
		result = PyLong_FromUnsignedLong(id);
		/* Nobody else can tell which ID it is. */
		if (!result)
			end_id(self, NULL, id, 0, &data);
	}
	space_leave(&call);
	if (!result)
		Py_XDECREF((PyObject *)data);
	if (ret < 0)
		return raise_error(self->state, ret, NULL);
	return result;
}

static PyObject *space_alloc(PyObject *object, PyObject *const *args,
			     Py_ssize_t nargs, PyObject *kwnames)
{
	static const struct signature signature = {
		"alloc", 1, 1, { "obj", "min", "max", "set" }
	};
	struct space *self = (struct space *)object;
	struct ioasid_set *set;
	PyObject *out[7];

	if (!arguments(&signature, args, nargs, kwnames, out) ||
	    !to_set(self, out[3], &set))
		return NULL;
	return alloc_id(self, set, NULL, out);
}

static PyObject *space_alloc_cyclic(PyObject *object, PyObject *const *args,
				    Py_ssize_t nargs, PyObject *kwnames)
{
	static const struct signature signature = {
		"alloc_cyclic", 2, 2, { "cursor", "obj", "min", "max", "set" }
	};
	struct space *self = (struct space *)object;
	struct ioasid_set *set;
	PyObject *out[7];

	if (!arguments(&signature, args, nargs, kwnames, out) ||
	    !to_set(self, out[4], &set))
		return NULL;
	if (!Py_IS_TYPE(out[0], self->state->cursor)) {
		PyErr_Format(PyExc_TypeError, "cursor is %R, not a Cursor",
			     out[0]);
		return NULL;
	}
	return alloc_id(self, set, (struct cursor *)out[0], out + 1);
}

/* A getter is called with a reference of the lookup's, outside of a section. */
PyObject *accepted(PyObject *found, PyObject *accept)
{
	PyObject *answer;
	int truth;

	if (!found || !accept || accept == Py_None)
		return found;
	answer = PyObject_CallFunctionObjArgs(accept, found, NULL);
	truth = answer ? PyObject_IsTrue(answer) : -1;
	Py_XDECREF(answer);
	if (truth > 0)
		return found;
	Py_DECREF(found);
	return truth ? NULL : from_data(NULL);
}

PyObject *find_id(struct space *self, struct ioasid_set *set, PyObject *key,
		  PyObject *accept)
{
	ioasid_t id;
	void *data;
	int err;

	if (!to_id(key, &id) || !space_open(self))
		return NULL;
	err = ioasid_space_find(self->space, set, id, NULL, &data);
	if (err)
		return raise_error(self->state, err, key);
	return accepted(from_data(data), accept);
}

static PyObject *space_find(PyObject *object, PyObject *const *args,
			    Py_ssize_t nargs, PyObject *kwnames)
{
	static const struct signature signature = {
		"find", 2, 1, { "id", "set", "accept" }
	};
	struct space *self = (struct space *)object;
	struct ioasid_set *set;
	PyObject *out[7];

	if (nargs == 1 && !kwnames)
		return find_id(self, NULL, args[0], NULL);
	if (!arguments(&signature, args, nargs, kwnames, out) ||
	    !to_set(self, out[1], &set))
		return NULL;
	return find_id(self, set, out[0], out[2]);
}

PyObject *find_item(PyObject *object, PyObject *key)
{
	return find_id((struct space *)object, NULL, key, NULL);
}

int contains_id(PyObject *object, PyObject *key)
{
	struct space *self = (struct space *)object;
	ioasid_t id;
	void *data;

	if (!to_id(key, &id) || !space_open(self))
		return -1;
	return !ioasid_space_find(self->space, NULL, id, NULL, &data);
}

static PyObject *space_get(PyObject *object, PyObject *const *args,
			   Py_ssize_t nargs, PyObject *kwnames)
{
	static const struct signature signature = {
		"get", 3, 1, { "id", "default", "set" }
	};
	struct space *self = (struct space *)object;
	struct ioasid_set *set;
	PyObject *out[7];
	ioasid_t id;
	void *data;

	if (!arguments(&signature, args, nargs, kwnames, out) ||
	    !to_set(self, out[2], &set) || !to_id(out[0], &id) ||
	    !space_open(self))
		return NULL;
	if (ioasid_space_find(self->space, set, id, NULL, &data))
		data = out[1] ? out[1] : NULL;
	return from_data(data);
}

static PyObject *space_find_handle(PyObject *object, PyObject *const *args,
				   Py_ssize_t nargs, PyObject *kwnames)
{
	static const struct signature signature = {
		"find_handle", 2, 1, { "handle", "set", "accept" }
	};
	struct space *self = (struct space *)object;
	struct ioasid_set *set;
	ioasid_handle_t handle;
	PyObject *out[7];
	void *data;
	int err;

	if (!arguments(&signature, args, nargs, kwnames, out) ||
	    !to_set(self, out[1], &set) || !to_handle(out[0], &handle) ||
	    !space_open(self))
		return NULL;
	err = ioasid_space_find_handle(self->space, set, handle, NULL, &data);
	if (err)
		return raise_error(self->state, err, out[0]);
	return accepted(from_data(data), out[2]);
}

/* What a list of IDs holds does not change while this reads it. */
static int find_into(struct space *self, struct ioasid_set *set, PyObject *keys,
		     PyObject *missing, PyObject *found)
{
	struct ioasid_rcu *rcu = ioasid_space_rcu(self->space);
	struct ioasid_rcu_reader *reader = ioasid_rcu_section_enter(rcu);
	Py_ssize_t count = PyTuple_Size(keys), i;
	PyObject *key = NULL;
	ioasid_t id;
	void *data;
	int err = 0;

	for (i = 0; i < count; i++) {
		key = PyTuple_GetItem(keys, i);
		if (!to_id(key, &id)) {
			err = 1;
			break;
		}
		err = ioasid_space_find_rcu(self->space, set, id, &data);
		if (err && !missing)
			break;
		PyList_SetItem(found, i, from_data(err ? missing : data));
		err = 0;
	}
	ioasid_rcu_section_leave(rcu, reader);
	if (err < 0)
		raise_error(self->state, err, key);
	return err;
}

static PyObject *space_find_many(PyObject *object, PyObject *const *args,
				 Py_ssize_t nargs, PyObject *kwnames)
{
	static const struct signature signature = {
		"find_many", 2, 1, { "ids", "set", "default" }
	};
	struct space *self = (struct space *)object;
	PyObject *out[7], *keys, *found = NULL;
	struct ioasid_set *set;

	if (!arguments(&signature, args, nargs, kwnames, out))
		return NULL;
	keys = PySequence_Tuple(out[0]);
	if (keys)
		found = PyList_New(PyTuple_Size(keys));
	/* After what may run Python. */
	if (!found || !to_set(self, out[1], &set) || !space_open(self) ||
	    find_into(self, set, keys, out[2], found)) {
		Py_XDECREF(found);
		found = NULL;
	}
	Py_XDECREF(keys);
	return found;
}

static PyObject *space_handle(PyObject *object, PyObject *const *args,
			      Py_ssize_t nargs, PyObject *kwnames)
{
	static const struct signature signature = {
		"handle", 2, 1, { "id", "set" }
	};
	struct space *self = (struct space *)object;
	struct ioasid_set *set;
	ioasid_handle_t handle;
	PyObject *out[7];
	ioasid_t id;
	int err;

	if (!arguments(&signature, args, nargs, kwnames, out) ||
	    !to_set(self, out[1], &set) || !to_id(out[0], &id) ||
	    !space_open(self))
		return NULL;
	err = ioasid_space_handle(self->space, set, id, &handle);
	if (err)
		return raise_error(self->state, err, out[0]);
	return PyObject_CallFunction(self->state->handle, "K",
				     (unsigned long long)handle);
}

/*
 * Notifiers may be told of the end of an ID by another thread, after the call
 * that ended it: until then the object has a reference of its own. Nothing here
 * runs Python before the library has hidden the ID.
 */
static int ending_begin(struct space *self, ioasid_t id, void *data,
			PyObject **key)
{
	ioasid_handle_t handle;
	int err;

	*key = NULL;
	if (!self->listening || !data)
		return 0;
	err = ioasid_space_handle(self->space, NULL, id, &handle);
	if (err)
		return err;
	*key = PyLong_FromUnsignedLongLong(handle);
	if (*key && !PyDict_SetItem(self->ending, *key, data))
		return 0;
	PyErr_Clear();
	Py_XDECREF(*key);
	*key = NULL;
	return -ENOMEM;
}

static void ending_settle(struct space *self, PyObject *key, bool ended)
{
	if (key && !ended && PyDict_DelItem(self->ending, key))
		PyErr_Clear();
	Py_XDECREF(key);
}

static int end_hidden(struct space *self, struct ioasid_set *set, ioasid_t id,
		      ioasid_handle_t handle, void **data)
{
	if (handle)
		return ioasid_space_free_handle(self->space, handle);
	if (set)
		return ioasid_space_remove(self->space, set, id, data);
	return ioasid_space_free(self->space, id);
}

int end_id(struct space *self, struct ioasid_set *set, ioasid_t id,
	   ioasid_handle_t handle, void **data)
{
	void *found = NULL;
	PyObject *key;
	int err;

	*data = NULL;
	if (handle)
		err = ioasid_space_find_handle(self->space, set, handle, NULL,
					       &found);
	else
		err = ioasid_space_find(self->space, set, id, NULL, &found);
	/* What cannot be found has no object to drop; the library says why. */
	if (err)
		return end_hidden(self, set, id, handle, data);
	err = ending_begin(self, id, found, &key);
	if (err)
		return err;
	err = handle ? ioasid_space_free_handle(self->space, handle) :
		       ioasid_space_free(self->space, id);
	ending_settle(self, key, !err);
	if (!err)
		*data = found;
	return err;
}

int put_id(struct space *self, ioasid_t id)
{
	void *data;
	bool found = !ioasid_space_find(self->space, NULL, id, NULL, &data);
	PyObject *key = NULL;
	int ret = 0;

	if (found)
		ret = ending_begin(self, id, data, &key);
	if (ret)
		return ret;
	ret = ioasid_space_put(self->space, id);
	ending_settle(self, key, ret == 1);
	if (found && ret == 1)
		Py_XDECREF((PyObject *)data);
	return ret;
}

static PyObject *space_free(PyObject *object, PyObject *key)
{
	struct space *self = (struct space *)object;
	struct call call;
	ioasid_t id;
	void *data;
	int err;

	if (!to_id(key, &id) || !space_enter(self, &call))
		return NULL;
	err = end_id(self, NULL, id, 0, &data);
	space_leave(&call);
	Py_XDECREF((PyObject *)data);
	if (err)
		return raise_error(self->state, err, key);
	Py_RETURN_NONE;
}

static PyObject *space_free_handle(PyObject *object, PyObject *key)
{
	struct space *self = (struct space *)object;
	ioasid_handle_t handle;
	struct call call;
	void *data;
	int err;

	if (!to_handle(key, &handle))
		return NULL;
	if (!handle)
		return raise_error(self->state, -ENOENT, key);
	if (!space_enter(self, &call))
		return NULL;
	err = end_id(self, NULL, ioasid_handle_id(handle), handle, &data);
	space_leave(&call);
	Py_XDECREF((PyObject *)data);
	if (err)
		return raise_error(self->state, err, key);
	Py_RETURN_NONE;
}

static PyObject *space_remove(PyObject *object, PyObject *const *args,
			      Py_ssize_t nargs, PyObject *kwnames)
{
	static const struct signature signature = {
		"remove", 2, 1, { "id", "set" }
	};
	struct space *self = (struct space *)object;
	struct ioasid_set *set;
	PyObject *out[7];
	struct call call;
	ioasid_t id;
	void *data;
	int err;

	if (!arguments(&signature, args, nargs, kwnames, out) ||
	    !to_set(self, out[1], &set) || !to_id(out[0], &id) ||
	    !space_enter(self, &call))
		return NULL;
	err = end_id(self, set, id, 0, &data);
	space_leave(&call);
	if (err)
		return raise_error(self->state, err, out[0]);
	return give_data(data);
}

PyObject *free_ids(struct space *self, struct ioasid_set *set)
{
	unsigned long count = 0;
	ioasid_t id, from = 0;
	struct call call;
	void *data;
	int err;

	if (!space_enter(self, &call))
		return NULL;
	while (!(err = ioasid_space_next(self->space, set, from, UINT32_MAX,
					 &id, NULL))) {
		err = end_id(self, set, id, 0, &data);
		count += !err;
		Py_XDECREF((PyObject *)data);
		if (err == -ENOMEM)
			break;
		from = id + 1;
	}
	space_leave(&call);
	if (err != -ENOENT)
		return raise_error(self->state, err, NULL);
	return PyLong_FromUnsignedLong(count);
}

static PyObject *space_free_all(PyObject *object, PyObject *unused)
{
	(void)unused;
	return free_ids((struct space *)object, NULL);
}

static PyObject *space_exchange(PyObject *object, PyObject *const *args,
				Py_ssize_t nargs, PyObject *kwnames)
{
	static const struct signature signature = {
		"exchange", 2, 2, { "id", "obj" }
	};
	struct space *self = (struct space *)object;
	void *data, *old;
	PyObject *out[7];
	ioasid_t id;
	int err;

	if (!arguments(&signature, args, nargs, kwnames, out) ||
	    !to_id(out[0], &id) || !space_open(self))
		return NULL;
	data = to_data(out[1]);
	err = ioasid_space_exchange_data(self->space, id, data, &old);
	if (err) {
		Py_XDECREF((PyObject *)data);
		return raise_error(self->state, err, out[0]);
	}
	return give_data(old);
}

/* As ioasid_space_set_data(), which does not give the pointer before. */
static int replace_and_wait(struct space *self, ioasid_t id, void *data,
			    void **old)
{
	struct ioasid_rcu *rcu = ioasid_space_rcu(self->space);
	PyThreadState *state;
	int err;

	*old = data;
	if (ioasid_rcu_read_held(rcu)) {
		void *found;

		err = ioasid_space_find(self->space, NULL, id, NULL, &found);
		return err ? err : -EDEADLK;
	}
	err = ioasid_space_exchange_data(self->space, id, data, old);
	if (err)
		return err;
	state = PyEval_SaveThread();
	err = ioasid_rcu_synchronize(rcu);
	PyEval_RestoreThread(state);
	return err;
}

static PyObject *space_set_data(PyObject *object, PyObject *const *args,
				Py_ssize_t nargs, PyObject *kwnames)
{
	static const struct signature signature = {
		"set_data", 2, 2, { "id", "obj" }
	};
	struct space *self = (struct space *)object;
	PyObject *out[7];
	struct call call;
	void *data, *old;
	ioasid_t id;
	int err;

	if (!arguments(&signature, args, nargs, kwnames, out) ||
	    !to_id(out[0], &id) || !space_enter(self, &call))
		return NULL;
	data = to_data(out[1]);
	err = replace_and_wait(self, id, data, &old);
	space_leave(&call);
	/* The pointer before, or the new one that did not take its place. */
	Py_XDECREF((PyObject *)old);
	if (err)
		return raise_error(self->state, err, out[0]);
	Py_RETURN_NONE;
}

static PyObject *space_ref_get(PyObject *object, PyObject *const *args,
			       Py_ssize_t nargs, PyObject *kwnames)
{
	static const struct signature signature = {
		"ref_get", 2, 1, { "id", "set" }
	};
	struct space *self = (struct space *)object;
	struct ioasid_set *set;
	PyObject *out[7];
	ioasid_t id;
	int err;

	if (!arguments(&signature, args, nargs, kwnames, out) ||
	    !to_set(self, out[1], &set) || !to_id(out[0], &id) ||
	    !space_open(self))
		return NULL;
	err = ioasid_space_get(self->space, set, id);
	if (err)
		return raise_error(self->state, err, out[0]);
	Py_RETURN_NONE;
}

static PyObject *space_ref_get_handle(PyObject *object, PyObject *const *args,
				      Py_ssize_t nargs, PyObject *kwnames)
{
	static const struct signature signature = {
		"ref_get_handle", 2, 1, { "handle", "set" }
	};
	struct space *self = (struct space *)object;
	struct ioasid_set *set;
	ioasid_handle_t handle;
	PyObject *out[7];
	int err;

	if (!arguments(&signature, args, nargs, kwnames, out) ||
	    !to_set(self, out[1], &set) || !to_handle(out[0], &handle) ||
	    !space_open(self))
		return NULL;
	err = ioasid_space_get_handle(self->space, set, handle);
	if (err)
		return raise_error(self->state, err, out[0]);
	Py_RETURN_NONE;
}

static PyObject *space_ref_put(PyObject *object, PyObject *key)
{
	struct space *self = (struct space *)object;
	struct call call;
	ioasid_t id;
	int ret;

	if (!to_id(key, &id) || !space_enter(self, &call))
		return NULL;
	ret = put_id(self, id);
	space_leave(&call);
	if (ret < 0)
		return raise_error(self->state, ret, key);
	return PyBool_FromLong(ret);
}

static PyObject *space_publish_id(PyObject *object, PyObject *const *args,
				  Py_ssize_t nargs, PyObject *kwnames)
{
	static const struct signature signature = {
		"publish_id", 2, 2, { "id", "obj" }
	};
	struct space *self = (struct space *)object;
	PyObject *out[7];
	struct call call;
	ioasid_t id;
	void *data;
	int err;

	if (!arguments(&signature, args, nargs, kwnames, out) ||
	    !to_id(out[0], &id) || !space_enter(self, &call))
		return NULL;
	data = to_data(out[1]);
	err = ioasid_space_publish_id(self->space, id, data);
	space_leave(&call);
	if (err) {
		Py_XDECREF((PyObject *)data);
		return raise_error(self->state, err, out[0]);
	}
	Py_RETURN_NONE;
}

static PyObject *space_release_id(PyObject *object, PyObject *key)
{
	struct space *self = (struct space *)object;
	ioasid_t id;
	int err;

	if (!to_id(key, &id) || !space_open(self))
		return NULL;
	err = ioasid_space_release_id(self->space, id);
	if (err)
		return raise_error(self->state, err, key);
	Py_RETURN_NONE;
}

static PyObject *space_next(PyObject *object, PyObject *const *args,
			    Py_ssize_t nargs, PyObject *kwnames)
{
	static const struct signature signature = {
		"next", 0, 0, { "min", "max", "set" }
	};
	struct space *self = (struct space *)object;
	struct ioasid_set *set;
	ioasid_t min, max, id;
	PyObject *out[7];
	void *data;
	int err;

	if (!arguments(&signature, args, nargs, kwnames, out) ||
	    !to_range(out[0], out[1], &min, &max) ||
	    !to_set(self, out[2], &set) || !space_open(self))
		return NULL;
	err = ioasid_space_next(self->space, set, min, max, &id, &data);
	if (err)
		return raise_error(self->state, err, NULL);
	return Py_BuildValue("(kN)", (unsigned long)id, from_data(data));
}

static PyObject *space_items(PyObject *object, PyObject *const *args,
			     Py_ssize_t nargs, PyObject *kwnames)
{
	static const struct signature signature = {
		"items", 0, 0, { "min", "max", "set" }
	};
	struct space *self = (struct space *)object;
	struct ioasid_set *set;
	ioasid_t min, max;
	PyObject *out[7];

	if (!arguments(&signature, args, nargs, kwnames, out) ||
	    !to_range(out[0], out[1], &min, &max) ||
	    !to_set(self, out[2], &set) || !space_open(self))
		return NULL;
	if (min > max)
		return raise_error(self->state, -EINVAL, NULL);
	return make_items(self, set ? out[2] : NULL, min, max, false);
}

#ifdef IOASID_BENCH
#include <time.h>

/* What the C library alone takes for lookups of one ID, in nanoseconds. */
static PyObject *space_bench(PyObject *object, PyObject *const *args,
			     Py_ssize_t nargs, PyObject *kwnames)
{
	static const struct signature signature = {
		"_bench", 2, 2, { "ids", "rounds" }
	};
	struct space *self = (struct space *)object;
	struct timespec begin, end;
	uint32_t rounds = 0;
	PyObject *out[7];
	void *data;
	ioasid_t ids[256];
	uintptr_t sum = 0;
	Py_ssize_t count;

	if (!arguments(&signature, args, nargs, kwnames, out) ||
	    !to_number(out[1], "rounds", &rounds) || !space_open(self))
		return NULL;
	count = PyList_Size(out[0]);
	if (count < 1 || count > 256)
		return PyErr_Format(PyExc_ValueError, "1 to 256 IDs");
	for (Py_ssize_t i = 0; i < count; i++)
		if (!to_id(PyList_GetItem(out[0], i), &ids[i]))
			return NULL;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (uint32_t i = 0; i < rounds; i++) {
		for (Py_ssize_t j = 0; j < count; j++) {
			ioasid_space_find(self->space, NULL, ids[j], NULL,
					  &data);
			sum += (uintptr_t)data;
		}
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	if (!sum)
		return PyErr_Format(PyExc_ValueError, "nothing found");
	return PyFloat_FromDouble(((double)(end.tv_sec - begin.tv_sec) * 1e9 +
				   (double)(end.tv_nsec - begin.tv_nsec)) /
				  ((double)rounds * (double)count));
}
#endif

PyMethodDef life_methods[] = {
	METHOD("alloc", space_alloc,
	       "alloc($self, obj, *, min=None, max=None, set=None)\n--\n\n"
	       "Hand out a vacant ID of a range for an object; returns the ID.\n\n"
	       "The range is inclusive; what lies outside of the space's is cut\n"
	       "off. Calls notifiers; does not wait. Raises InvalidArgument for\n"
	       "min > max, NoSpace, QuotaExceeded, TryAgain, WrongSpace,\n"
	       "OutOfMemory. A step a level of the store."),
	METHOD("alloc_cyclic", space_alloc_cyclic,
	       "alloc_cyclic($self, cursor, obj, *, min=None, max=None, "
	       "set=None)\n--\n\n"
	       "As alloc(), the lowest vacant ID from the Cursor on, else of the\n"
	       "range; cursor.wrapped says if the search went around."),
	METHOD("find", space_find,
	       "find($self, id, set=None, *, accept=None)\n--\n\n"
	       "The object of an ID; with a set, only if the set owns it.\n\n"
	       "accept, if given, is called with it: None is returned where it\n"
	       "says no. Never waits. Raises NotFound, AccessDenied. Constant\n"
	       "time, as a rule."),
	METHOD("find_handle", space_find_handle,
	       "find_handle($self, handle, set=None, *, accept=None)\n--\n\n"
	       "As find(), of one use of the ID; raises Stale as well."),
	METHOD("get", space_get,
	       "get($self, id, default=None, set=None)\n--\n\n"
	       "As find(), or default where that would raise."),
	METHOD("find_many", space_find_many,
	       "find_many($self, ids, set=None, *, default=...)\n--\n\n"
	       "The objects of many IDs, as a list, in one read section.\n\n"
	       "Without default the first that is not found raises as find()\n"
	       "does; with it, that stands in its place."),
	METHOD("handle", space_handle,
	       "handle($self, id, set=None)\n--\n\n"
	       "The Handle of the present use of an ID.\n\n"
	       "Raises NotFound, AccessDenied."),
	METHOD("next", space_next,
	       "next($self, *, min=None, max=None, set=None)\n--\n\n"
	       "The lowest live ID of a range and its object, as a tuple.\n\n"
	       "Raises NotFound if there is none, InvalidArgument for min > max."),
	METHOD("items", space_items,
	       "items($self, *, min=None, max=None, set=None)\n--\n\n"
	       "Iterate over (ID, object), ascending, while others change them.\n\n"
	       "An ID live throughout is met exactly once, one that comes or goes\n"
	       "at most once. No read section is held between two steps. Raises\n"
	       "InvalidArgument for min > max."),
	{ "free", space_free, METH_O,
	  "free($self, id, /)\n--\n\n"
	  "End the life of an ID and drop its object.\n\n"
	  "The ID is vacant once its last reference is put. Calls notifiers;\n"
	  "does not wait. Raises NotFound; Busy if freed before with references\n"
	  "left. As a lookup." },
	{ "free_handle", space_free_handle, METH_O,
	  "free_handle($self, handle, /)\n--\n\n"
	  "As free(), of one use of the ID; raises Stale as well." },
	METHOD("remove", space_remove,
	       "remove($self, id, set=None)\n--\n\n"
	       "As free(), and return the object; with a set, only if the set\n"
	       "owns the ID, else AccessDenied."),
	{ "free_all", space_free_all, METH_NOARGS,
	  "free_all($self, /)\n--\n\n"
	  "Free all IDs; how many. Reserved ones stay." },
	METHOD("exchange", space_exchange,
	       "exchange($self, id, obj)\n--\n\n"
	       "Replace the object of an ID without waiting; returns the one\n"
	       "before. Raises NotFound."),
	METHOD("set_data", space_set_data,
	       "set_data($self, id, obj)\n--\n\n"
	       "Replace the object of an ID and wait for readers.\n\n"
	       "Waits, without the GIL, until no read section is left in which\n"
	       "the one before was found. Raises NotFound, without waiting;\n"
	       "WouldDeadlock in a read section, and nothing has changed."),
	METHOD("ref_get", space_ref_get,
	       "ref_get($self, id, set=None)\n--\n\n"
	       "Take a reference to an ID: free() does not make it vacant.\n\n"
	       "Low level, see reference(). Raises NotFound, AccessDenied, Busy\n"
	       "if it is freed, TooManyReferences."),
	METHOD("ref_get_handle", space_ref_get_handle,
	       "ref_get_handle($self, handle, set=None)\n--\n\n"
	       "As ref_get(), of one use of the ID; raises Stale as well."),
	{ "ref_put", space_ref_put, METH_O,
	  "ref_put($self, id, /)\n--\n\n"
	  "Drop a reference to an ID; True if it was the last.\n\n"
	  "Low level: the one of alloc() counts, so one too many is as free().\n"
	  "Raises NotFound if there is no reference to drop." },
	METHOD("publish_id", space_publish_id,
	       "publish_id($self, id, obj)\n--\n\n"
	       "Let a reserved ID be found; see Reservation.publish().\n\n"
	       "Calls notifiers. Raises NotFound if it is not reserved."),
	{ "release_id", space_release_id, METH_O,
	  "release_id($self, id, /)\n--\n\n"
	  "Give a reserved ID back; see Reservation.release().\n\n"
	  "Raises NotFound if it is not reserved." },
#ifdef IOASID_BENCH
	METHOD("_bench", space_bench, "Nanoseconds of a lookup in C."),
#endif
	{ NULL, NULL, 0, NULL },
};
