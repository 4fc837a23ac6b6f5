// SPDX-License-Identifier: MIT
/*
 * Snapshots. The library calls a codec with the space's lock held, where no
 * Python may run. So a codec of ours only looks numbers and objects up in a
 * table, and notes what it misses; Python is asked for that in between, and the
 * library again, until nothing is missing.
 */

#include "module.h"

#include <stdlib.h>
#include <string.h>

/* A pair that was asked for, or is known. */
struct entry {
	ioasid_t id;
	bool token;
	/* a reference is held, NULL for None; the number where it is the key */
	PyObject *object;
	uint64_t number;
};

struct table {
	struct entry *at;
	size_t count, room;
	/* those before it are known, and in order */
	size_t known;
	bool failed;
	int (*compare)(const void *a, const void *b);
};

static int order(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int by_object(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;
	int by = order(left->token, right->token);

	if (!by)
		by = order(left->id, right->id);
	return by ? by :
		    order((uintptr_t)left->object, (uintptr_t)right->object);
}

static int by_number(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;
	int by = order(left->token, right->token);

	if (!by)
		by = order(left->id, right->id);
	return by ? by : order(left->number, right->number);
}

/* What is known of @key, or NULL, and it is noted. */
static const struct entry *look_up(struct table *table, const struct entry *key)
{
	const struct entry *found = NULL;
	struct entry *more;
	size_t room;

	if (table->known)
		found = bsearch(key, table->at, table->known, sizeof(*key),
				table->compare);
	if (found || table->failed)
		return found;
	if (table->count == table->room) {
		room = table->room ? 2 * table->room : 64;
		more = realloc(table->at, room * sizeof(*more));
		if (!more) {
			table->failed = true;
			return NULL;
		}
		table->at = more;
		table->room = room;
	}
	Py_XINCREF(key->object);
	table->at[table->count++] = *key;
	return NULL;
}

static void drop_table(struct table *table)
{
	for (size_t i = 0; i < table->count; i++)
		Py_XDECREF(table->at[i].object);
	free(table->at);
}

static bool nothing_given(PyObject *function)
{
	return !function || function == Py_None;
}

static bool to_u64(PyObject *number, uint64_t *value)
{
	unsigned long long wide = PyLong_AsUnsignedLongLong(number);

	if (wide == (unsigned long long)-1 && PyErr_Occurred())
		return false;
	*value = wide;
	return true;
}

static PyObject *ask(const struct entry *entry, PyObject *encode,
		     PyObject *encode_token, PyObject *argument)
{
	if (entry->token)
		return PyObject_CallFunctionObjArgs(encode_token, argument,
						    NULL);
	return PyObject_CallFunction(encode, "kO", (unsigned long)entry->id,
				     argument);
}

/* Asks for the numbers of the entries that are not known. */
static bool ask_numbers(struct table *table, PyObject *encode,
			PyObject *encode_token)
{
	for (size_t i = table->known; i < table->count; i++) {
		struct entry *entry = &table->at[i];
		PyObject *number =
			ask(entry, encode, encode_token, entry->object);
		bool done = number && to_u64(number, &entry->number);

		Py_XDECREF(number);
		if (!done)
			return false;
		if (!entry->number) {
			PyErr_Format(PyExc_ValueError,
				     "%R is encoded as 0, which is None",
				     entry->object);
			return false;
		}
	}
	qsort(table->at, table->count, sizeof(*table->at), table->compare);
	table->known = table->count;
	return true;
}

static uint64_t encode_id(void *context, ioasid_t id, void *data)
{
	const struct entry key = { .id = id, .object = data }, *found;

	found = data ? look_up(context, &key) : NULL;
	return found ? found->number : 0;
}

static uint64_t encode_token(void *context, void *token)
{
	const struct entry key = { .token = true, .object = token }, *found;

	found = look_up(context, &key);
	return found ? found->number : 0;
}

/* Asks for a buffer that is large enough, until it is. */
static int write_snapshot(struct space *self, const struct ioasid_codec *codec,
			  void **bytes, size_t *size)
{
	size_t room = 0;
	int err;

	*bytes = NULL;
	while ((err = ioasid_space_snapshot(self->space, codec, *bytes, room,
					    size)) == -ENOBUFS) {
		free(*bytes);
		room = *size;
		*bytes = room == SIZE_MAX ? NULL : malloc(room);
		if (!*bytes)
			return -ENOMEM;
	}
	return err;
}

static PyObject *space_snapshot(PyObject *object, PyObject *const *args,
				Py_ssize_t nargs, PyObject *kwnames)
{
	static const struct signature signature = {
		"snapshot", 2, 0, { "encode", "encode_token" }
	};
	struct space *self = (struct space *)object;
	struct table table = { .compare = by_object };
	struct ioasid_codec codec = { .context = &table };
	PyObject *out[7], *result = NULL;
	struct call call;
	void *bytes;
	size_t size;
	int err;

	if (!arguments(&signature, args, nargs, kwnames, out) ||
	    !space_enter(self, &call))
		return NULL;
	if (!nothing_given(out[0]))
		codec.encode = encode_id;
	if (!nothing_given(out[1]))
		codec.encode_token = encode_token;
	for (;;) {
		err = write_snapshot(self, &codec, &bytes, &size);
		if (!err && table.failed)
			err = -ENOMEM;
		if (err || table.known == table.count)
			break;
		free(bytes);
		bytes = NULL;
		if (!ask_numbers(&table, out[0], out[1]))
			break;
	}
	space_leave(&call);
	if (err)
		raise_error(self->state, err, NULL);
	else if (bytes)
		result = PyBytes_FromStringAndSize(bytes, (Py_ssize_t)size);
	free(bytes);
	drop_table(&table);
	return result;
}

/* A restore: first it notes what there is to decode, then it has it. */
struct decoding {
	struct table table;
	bool noting;
};

static int decode_entry(struct decoding *decoding, const struct entry *key,
			void **data)
{
	const struct entry *found = look_up(&decoding->table, key);

	*data = NULL;
	if (decoding->noting)
		return decoding->table.failed ? -ENOMEM : 0;
	if (!found)
		return -EIO;
	*data = found->object;
	return 0;
}

static int decode_id(void *context, ioasid_t id, uint64_t number, void **data)
{
	const struct entry key = { .id = id, .number = number };

	*data = NULL;
	return number ? decode_entry(context, &key, data) : 0;
}

static int decode_token(void *context, uint64_t number, void **token)
{
	const struct entry key = { .token = true, .number = number };

	return decode_entry(context, &key, token);
}

/* Into a space of the same form, which nobody sees. */
static int note_all(struct space *self, struct decoding *decoding,
		    const struct ioasid_codec *codec, const Py_buffer *bytes)
{
	struct ioasid_space_config config = self->config;
	struct ioasid_space *scratch;
	struct ioasid_stats stats;
	int err;

	ioasid_space_stats(self->space, &stats);
	config.capacity = stats.capacity;
	config.name = NULL;
	err = ioasid_space_create(&config, &scratch);
	if (err)
		return err;
	decoding->noting = true;
	err = ioasid_space_restore(scratch, codec, bytes->buf,
				   (size_t)bytes->len);
	decoding->noting = false;
	ioasid_space_destroy(scratch);
	return err;
}

/* In the order of the snapshot; then they can be looked up. */
static bool ask_objects(struct space *self, struct table *table,
			PyObject *decode, PyObject *of_token)
{
	for (size_t i = 0; i < table->count; i++) {
		struct entry *entry = &table->at[i];
		PyObject *number = PyLong_FromUnsignedLongLong(entry->number);
		PyObject *object =
			number ? ask(entry, decode, of_token, number) : NULL;

		Py_XDECREF(number);
		if (!object)
			return false;
		if (entry->token) {
			if (object != Py_None)
				entry->object = one_token(self, object);
			Py_DECREF(object);
			if (PyErr_Occurred())
				return false;
		} else if (object == Py_None) {
			Py_DECREF(object);
		} else {
			entry->object = object;
		}
	}
	qsort(table->at, table->count, sizeof(*table->at), table->compare);
	table->known = table->count;
	return true;
}

/* Tokens of sets that there are not. */
static void forget_tokens(struct space *self, const struct table *table)
{
	struct ioasid_set *set;

	for (size_t i = 0; i < table->count; i++)
		if (table->at[i].token && table->at[i].object &&
		    ioasid_set_by_token(self->space, table->at[i].object,
					&set) &&
		    PyDict_DelItem(self->tokens, table->at[i].object))
			PyErr_Clear();
}

static int restore(struct space *self, struct decoding *decoding,
		   const struct ioasid_codec *codec, const Py_buffer *bytes,
		   PyObject *decode, PyObject *of_token)
{
	struct table *table = &decoding->table;
	struct ioasid_stats stats;
	int err;

	ioasid_space_stats(self->space, &stats);
	/* What the library refuses anyway; nobody need decode it. */
	if (stats.committed || stats.sets)
		return ioasid_space_restore(self->space, NULL, bytes->buf,
					    (size_t)bytes->len);
	if (codec->decode || codec->decode_token) {
		err = note_all(self, decoding, codec, bytes);
		if (err)
			return err;
		if (!ask_objects(self, table, decode, of_token))
			return 1;
	}
	return ioasid_space_restore(self->space, codec, bytes->buf,
				    (size_t)bytes->len);
}

static PyObject *space_restore(PyObject *object, PyObject *const *args,
			       Py_ssize_t nargs, PyObject *kwnames)
{
	static const struct signature signature = {
		"restore", 3, 1, { "snapshot", "decode", "decode_token" }
	};
	struct space *self = (struct space *)object;
	struct decoding decoding = { .table = { .compare = by_number } };
	struct ioasid_codec codec = { .context = &decoding };
	struct table *table = &decoding.table;
	PyObject *out[7], *type, *value, *traceback;
	struct call call;
	Py_buffer bytes;
	int err;

	if (!arguments(&signature, args, nargs, kwnames, out) ||
	    PyObject_GetBuffer(out[0], &bytes, PyBUF_SIMPLE))
		return NULL;
	if (!space_enter(self, &call)) {
		PyBuffer_Release(&bytes);
		return NULL;
	}
	if (!nothing_given(out[1]))
		codec.decode = decode_id;
	if (!nothing_given(out[2]))
		codec.decode_token = decode_token;
	err = restore(self, &decoding, &codec, &bytes, out[1], out[2]);
	PyBuffer_Release(&bytes);
	/* The space has the references to what its IDs stand for. */
	if (!err)
		for (size_t i = 0; i < table->count; i++)
			if (!table->at[i].token)
				table->at[i].object = NULL;
	if (err < 0)
		raise_error(self->state, err, NULL);
	if (err) {
		PyErr_Fetch(&type, &value, &traceback);
		forget_tokens(self, table);
		PyErr_Restore(type, value, traceback);
	}
	drop_table(table);
	space_leave(&call);
	if (err)
		return NULL;
	Py_RETURN_NONE;
}

PyMethodDef snapshot_methods[] = {
	METHOD("snapshot", space_snapshot,
	       "snapshot($self, encode=None, encode_token=None)\n--\n\n"
	       "The space as bytes: sets, IDs, their owners, generations, SPIDs.\n\n"
	       "encode(id, obj) gives the number, 1 to 2**64 - 1, that stands for\n"
	       "an object, encode_token(token) that for a token; None is 0, and so\n"
	       "is all without them. They may be called for what is in the\n"
	       "snapshot no more, as the space is of one moment afterwards. What\n"
	       "they raise is raised; ValueError for 0. Linear in the IDs."),
	METHOD("restore", space_restore,
	       "restore($self, snapshot, decode=None, decode_token=None)\n--\n\n"
	       "Fill an empty space from a snapshot, a bytes-like object.\n\n"
	       "decode(id, number) gives the object for a number but 0, which is\n"
	       "None, decode_token(number) a token. What they raise is raised. On\n"
	       "error the space is as it was: BadSnapshot, NewerSnapshot, Busy it\n"
	       "is not empty, OutOfRange, NoSpace, NoAllocator, Exists two sets\n"
	       "have equal tokens, TryAgain. Linear in the IDs; memory for a copy\n"
	       "of the space."),
	{ NULL, NULL, 0, NULL },
};
