// SPDX-License-Identifier: MIT
/* Arguments of calls, and objects as what C has for them. */

#include "module.h"

#include <string.h>

static int total(const struct signature *signature)
{
	int count = 0;

	while (count < 7 && signature->names[count])
		count++;
	return count;
}

static int index_of(const struct signature *signature, PyObject *name)
{
	for (int i = 0; i < total(signature); i++)
		if (!PyUnicode_CompareWithASCIIString(name,
						      signature->names[i]))
			return i;
	return -1;
}

bool arguments(const struct signature *signature, PyObject *const *args,
	       Py_ssize_t nargs, PyObject *kwnames, PyObject **out)
{
	Py_ssize_t named = kwnames ? PyTuple_Size(kwnames) : 0;

	if (nargs > signature->positional) {
		PyErr_Format(PyExc_TypeError,
			     "%s() takes %d positional arguments, not %zd",
			     signature->function, signature->positional, nargs);
		return false;
	}
	for (int i = 0; i < total(signature); i++)
		out[i] = i < nargs ? args[i] : NULL;
	for (Py_ssize_t i = 0; i < named; i++) {
		PyObject *name = PyTuple_GetItem(kwnames, i);
		int at = index_of(signature, name);

		if (at < 0 || out[at]) {
			PyErr_Format(PyExc_TypeError, "%s() got %s argument %R",
				     signature->function,
				     at < 0 ? "an unknown" : "a second", name);
			return false;
		}
		out[at] = args[nargs + i];
	}
	for (int i = 0; i < signature->required; i++) {
		if (!out[i]) {
			PyErr_Format(PyExc_TypeError,
				     "%s() misses its argument '%s'",
				     signature->function, signature->names[i]);
			return false;
		}
	}
	return true;
}

bool to_id(PyObject *object, ioasid_t *id)
{
	unsigned long value = PyLong_AsUnsignedLong(object);

	if (value == (unsigned long)-1 && PyErr_Occurred()) {
		if (!PyErr_ExceptionMatches(PyExc_OverflowError))
			return false;
		PyErr_Clear();
	}
	*id = value < INVALID_IOASID ? (ioasid_t)value : INVALID_IOASID;
	return true;
}

bool to_handle(PyObject *object, ioasid_handle_t *handle)
{
	unsigned long long value = PyLong_AsUnsignedLongLong(object);

	if (value == (unsigned long long)-1 && PyErr_Occurred()) {
		if (!PyErr_ExceptionMatches(PyExc_OverflowError))
			return false;
		PyErr_Clear();
		value = 0;
	}
	*handle = value;
	return true;
}

bool to_number(PyObject *object, const char *name, uint32_t *number)
{
	unsigned long value;

	if (!object || object == Py_None)
		return true;
	value = PyLong_AsUnsignedLong(object);
	if (value == (unsigned long)-1 && PyErr_Occurred()) {
		if (!PyErr_ExceptionMatches(PyExc_OverflowError))
			return false;
		PyErr_Clear();
		value = ULONG_MAX;
	}
	if (value > UINT32_MAX ||
	    (value == ULONG_MAX && ULONG_MAX > UINT32_MAX)) {
		/* Not the number, which may be too long to be written. */
		PyErr_Format(PyExc_OverflowError,
			     "%s is not one of 0 to 4294967295", name);
		return false;
	}
	*number = (uint32_t)value;
	return true;
}

bool to_range(PyObject *min, PyObject *max, ioasid_t *low, ioasid_t *high)
{
	*low = 0;
	*high = UINT32_MAX;
	return to_number(min, "min", low) && to_number(max, "max", high);
}

bool to_set(struct space *self, PyObject *object, struct ioasid_set **set)
{
	struct set *it = (struct set *)object;

	*set = NULL;
	if (!object || object == Py_None)
		return true;
	if (!Py_IS_TYPE(object, self->state->set)) {
		PyErr_Format(PyExc_TypeError, "set is %R, not a Set or None",
			     object);
		return false;
	}
	if (!it->set || it->space->closing) {
		raise_error(self->state, -EBADF, object);
		return false;
	}
	*set = it->set;
	return true;
}

bool to_name(PyObject *object, const char **name)
{
	Py_ssize_t size;

	*name = NULL;
	if (!object || object == Py_None)
		return true;
	if (!PyUnicode_Check(object)) {
		PyErr_Format(PyExc_TypeError, "name is %R, not a str or None",
			     object);
		return false;
	}
	*name = PyUnicode_AsUTF8AndSize(object, &size);
	if (*name && strlen(*name) != (size_t)size) {
		PyErr_SetString(PyExc_ValueError, "name has a null character");
		*name = NULL;
	}
	return *name;
}

void *to_data(PyObject *object)
{
	if (object == Py_None)
		return NULL;
	Py_INCREF(object);
	return object;
}

PyObject *from_data(void *data)
{
	PyObject *object = data ? data : Py_None;

	Py_INCREF(object);
	return object;
}

PyObject *give_data(void *data)
{
	return data ? data : from_data(NULL);
}
