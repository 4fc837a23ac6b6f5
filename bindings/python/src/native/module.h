/* SPDX-License-Identifier: MIT */
#ifndef IOASID_PYTHON_MODULE_H
#define IOASID_PYTHON_MODULE_H

/*
 * What the files of the extension share.
 *
 * One rule makes it sound: every call into the library that takes a lock, reads
 * a private pointer or may call back is made with the GIL held, and no Python
 * runs while a lock of the library's is held. So whoever waits for such a lock
 * with the GIL waits for a thread that needs no GIL to let it go. The GIL is
 * given up only around waits for grace periods, in which the library calls
 * nothing back.
 *
 * A reference to the object of an ID is counted when the ID is handed out and
 * dropped, with the GIL, once no lookup finds it. A lookup reads the pointer and
 * counts a reference of its own without giving up the GIL in between, so the
 * object it finds is alive, and no grace period need pass before one is dropped.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "ioasid.h"

struct module_state {
	PyTypeObject *space, *set, *cursor, *items, *section, *reference,
		*reservation, *notifier;
	/* Of ioasid._types. */
	PyObject *error, *handle, *stats, *set_stats, *domain_stats, *notice,
		*event;
};

struct space {
	PyObject_HEAD struct module_state *state;
	/* NULL once closed */
	struct ioasid_space *space;
	struct ioasid_space_config config;
	/* close() waits, without the GIL */
	bool closing;
	/* calls under way that may give up the GIL; see space_enter() */
	struct entered *entered;
	size_t calls, room;
	unsigned int forks;
	/* address of a struct ioasid_set: its Set */
	PyObject *sets;
	/* token: the same, so that equal ones have one address */
	PyObject *tokens;
	/* a tuple of Notifiers, the highest priority first */
	PyObject *notifiers;
	/* handle: object, of IDs whose end is yet to be told */
	PyObject *ending;
	/* the only one the library knows; it tells all Notifiers */
	struct ioasid_notifier notifier;
	bool listening;
	PyObject *name;
	PyObject *weakrefs;
};

struct set {
	PyObject_HEAD struct space *space;
	/* NULL once destroyed, or its space closed */
	struct ioasid_set *set;
	PyObject *token;
};

struct cursor {
	PyObject_HEAD ioasid_t next;
	bool wrapped;
};

/* A call under way, for space_leave(). */
struct call {
	struct space *space;
	const struct set *set;
};

/* arguments.c */

/*
 * The parameters of a function: the first @positional may be given by position,
 * the others only by name; the first @required must be given.
 */
struct signature {
	const char *function;
	int positional, required;
	const char *names[7];
};

/* Sorts the arguments of a call into @out, borrowed, NULL where not given. */
bool arguments(const struct signature *signature, PyObject *const *args,
	       Py_ssize_t nargs, PyObject *kwnames, PyObject **out);
/* An ID from any int: what cannot be one is INVALID_IOASID, which nobody has. */
bool to_id(PyObject *object, ioasid_t *id);
/* A handle from any int: what cannot be one is 0, which none is. */
bool to_handle(PyObject *object, ioasid_handle_t *handle);
/* A number that the C type holds; what is missing, or None, leaves @number. */
bool to_number(PyObject *object, const char *name, uint32_t *number);
/* Missing or None: NULL. */
bool to_set(struct space *self, PyObject *object, struct ioasid_set **set);
bool to_range(PyObject *min, PyObject *max, ioasid_t *low, ioasid_t *high);
/* A name in UTF-8, which lives as long as @object; None: NULL. */
bool to_name(PyObject *object, const char **name);
/* The private pointer of an object, which gets a reference; None is NULL. */
void *to_data(PyObject *object);
/* A new reference to the object of a private pointer. */
PyObject *from_data(void *data);
/* The same, of a pointer whose reference is the caller's to give. */
PyObject *give_data(void *data);

/* module.c */

/* Raises the exception of a negative errno; @subject, what it is about, or NULL. */
PyObject *raise_error(const struct module_state *state, int err,
		      PyObject *subject);
/*
 * For tp_dealloc: calls @end, which frees the object, here or, where too many
 * ends are under way inside of each other, once those further out have returned.
 */
void end_object(PyObject *object, void (*end)(PyObject *object));
/* Frees an object of a heap type. */
void free_object(PyObject *object);
/* Makes an object with its members zero. Runs no Python: nothing is collected. */
void *new_object(PyTypeObject *type);
/* Of a thread, and of no other before or after. */
uint64_t thread_serial(void);
/* fork() calls that this process is behind. */
unsigned int fork_count(void);
/* Is a thread gone by a fork() since there was that count of them? */
bool is_over(uint64_t thread, unsigned int since);

/* space.c */

extern PyType_Spec space_spec;
/* Before the type is made. */
void gather_methods(void);
/* False, with an exception, if the space is closed. */
bool space_open(struct space *self);
/*
 * The same. Until space_leave() the space is there: close() waits, or is refused
 * on this thread; and so is @set, if one is given.
 */
bool space_enter_for(struct space *self, const struct set *set,
		     struct call *call);
bool space_enter(struct space *self, struct call *call);
void space_leave(const struct call *call);
/* Calls under way for @set. */
size_t calls_for(const struct space *self, const struct set *set);

/* life.c */

extern PyMethodDef life_methods[];
/*
 * Ends the life of an ID, or of one use of it where @handle is not 0. For 0 the
 * space's reference to the object is the caller's to drop.
 */
int end_id(struct space *self, struct ioasid_set *set, ioasid_t id,
	   ioasid_handle_t handle, void **data);
/* As ioasid_space_put(); drops the space's reference if that ended the ID. */
int put_id(struct space *self, ioasid_t id);
PyObject *free_ids(struct space *self, struct ioasid_set *set);
/* Takes over @found: None in its place if @accept, where given, says no. */
PyObject *accepted(PyObject *found, PyObject *accept);
PyObject *find_item(PyObject *object, PyObject *key);
int contains_id(PyObject *object, PyObject *key);
PyObject *alloc_id(struct space *self, struct ioasid_set *set,
		   struct cursor *cursor, PyObject *const *out);
PyObject *find_id(struct space *self, struct ioasid_set *set, PyObject *id,
		  PyObject *accept);

/* set.c */

extern PyType_Spec set_spec;
extern PyMethodDef set_methods_of_space[];
/* The Set of a struct ioasid_set; None for NULL. */
PyObject *wrap_set(struct space *self, struct ioasid_set *set);
/* The object that stands for all tokens equal to @token, now and in future. */
PyObject *one_token(struct space *self, PyObject *token);
/* The space is gone. */
void detach_sets(struct space *self);

/* objects.c */

extern PyType_Spec cursor_spec, items_spec, section_spec, reference_spec,
	reservation_spec;
extern PyMethodDef object_methods[];
PyObject *make_items(struct space *self, PyObject *set, ioasid_t min,
		     ioasid_t max, bool only_ids);

/* notifier.c */

extern PyType_Spec notifier_spec;
extern PyMethodDef notifier_methods[];
/* Those of @set will be told no more. */
void end_notifiers(struct space *self, struct set *set);

/* snapshot.c */

extern PyMethodDef snapshot_methods[];

#define METHOD(name, function, doc)                      \
	{ name, (PyCFunction)(void (*)(void))(function), \
	  METH_FASTCALL | METH_KEYWORDS, doc }

#endif /* IOASID_PYTHON_MODULE_H */
