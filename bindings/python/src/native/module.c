// SPDX-License-Identifier: MIT
/* The module: its types, what it takes from ioasid._types, errors. */

#include "module.h"

#include <pthread.h>
#include <stdlib.h>

static unsigned int forks;
static uint64_t forked;

static void in_child(void)
{
	forks++;
	forked = thread_serial();
}

unsigned int fork_count(void)
{
	return forks;
}

/* Numbers of threads as the system has them are used again. */
uint64_t thread_serial(void)
{
	static uint64_t last;
	static IOASID_TLS uint64_t serial;

	if (!serial)
		serial = ++last;
	return serial;
}

bool is_over(uint64_t thread, unsigned int since)
{
	return since != forks && thread != forked;
}

PyObject *raise_error(const struct module_state *state, int err,
		      PyObject *subject)
{
	PyObject *exception = PyObject_CallFunction(
		state->error, "iO", -err, subject ? subject : Py_None);

	if (exception)
		PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
	Py_XDECREF(exception);
	return NULL;
}

void *new_object(PyTypeObject *type)
{
	allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
	int collects = PyGC_Disable();
	void *object = alloc(type, 0);

	if (collects)
		PyGC_Enable();
	return object;
}

struct ended {
	PyObject *object;
	void (*end)(PyObject *object);
};

/* Of one thread: what waits for those further out to return. */
struct ends {
	struct ended *at;
	size_t count, room;
	unsigned int depth;
};

static bool end_later(struct ends *ends, PyObject *object,
		      void (*end)(PyObject *object))
{
	struct ended *more;
	size_t room;

	if (ends->count == ends->room) {
		room = ends->room ? 2 * ends->room : 64;
		more = realloc(ends->at, room * sizeof(*more));
		if (!more)
			return false;
		ends->at = more;
		ends->room = room;
	}
	ends->at[ends->count].object = object;
	ends->at[ends->count++].end = end;
	return true;
}

void end_object(PyObject *object, void (*end)(PyObject *object))
{
	static IOASID_TLS struct ends ends;
	struct ended last;

	PyObject_GC_UnTrack(object);
	if (ends.depth >= 50 && end_later(&ends, object, end))
		return;
	ends.depth++;
	end(object);
	while (ends.depth == 1 && ends.count) {
		last = ends.at[--ends.count];
		last.end(last.object);
	}
	if (!--ends.depth) {
		free(ends.at);
		ends.at = NULL;
		ends.room = 0;
	}
}

void free_object(PyObject *object)
{
	PyTypeObject *type = Py_TYPE(object);
	freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

	release(object);
	Py_DECREF((PyObject *)type);
}

static const struct {
	size_t offset;
	const char *name;
} taken[] = {
	{ offsetof(struct module_state, error), "make_error" },
	{ offsetof(struct module_state, handle), "Handle" },
	{ offsetof(struct module_state, stats), "Stats" },
	{ offsetof(struct module_state, set_stats), "SetStats" },
	{ offsetof(struct module_state, domain_stats), "DomainStats" },
	{ offsetof(struct module_state, notice), "Notice" },
	{ offsetof(struct module_state, event), "Event" },
};

static const struct {
	size_t offset;
	PyType_Spec *spec;
} types[] = {
	{ offsetof(struct module_state, space), &space_spec },
	{ offsetof(struct module_state, set), &set_spec },
	{ offsetof(struct module_state, cursor), &cursor_spec },
	{ offsetof(struct module_state, items), &items_spec },
	{ offsetof(struct module_state, section), &section_spec },
	{ offsetof(struct module_state, reference), &reference_spec },
	{ offsetof(struct module_state, reservation), &reservation_spec },
	{ offsetof(struct module_state, notifier), &notifier_spec },
};

#define TAKEN (sizeof(taken) / sizeof(taken[0]))
#define TYPES (sizeof(types) / sizeof(types[0]))

static PyObject **member(struct module_state *state, size_t offset)
{
	return (PyObject **)((char *)state + offset);
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
	struct module_state *state = PyModule_GetState(module);

	if (!state)
		return 0;
	for (size_t i = 0; i < TAKEN; i++)
		Py_VISIT(*member(state, taken[i].offset));
	for (size_t i = 0; i < TYPES; i++)
		Py_VISIT(*member(state, types[i].offset));
	return 0;
}

static int module_clear(PyObject *module)
{
	struct module_state *state = PyModule_GetState(module);

	if (!state)
		return 0;
	for (size_t i = 0; i < TAKEN; i++)
		Py_CLEAR(*member(state, taken[i].offset));
	for (size_t i = 0; i < TYPES; i++)
		Py_CLEAR(*member(state, types[i].offset));
	return 0;
}

static void module_free(void *module)
{
	module_clear(module);
}

static int take_types(PyObject *module, struct module_state *state)
{
	PyObject *from = PyImport_ImportModule("ioasid._types");

	if (!from)
		return -1;
	for (size_t i = 0; i < TAKEN; i++) {
		PyObject *it = PyObject_GetAttrString(from, taken[i].name);

		*member(state, taken[i].offset) = it;
		if (!it) {
			Py_DECREF(from);
			return -1;
		}
	}
	Py_DECREF(from);
	for (size_t i = 0; i < TYPES; i++) {
		PyObject *it =
			PyType_FromModuleAndSpec(module, types[i].spec, NULL);

		*member(state, types[i].offset) = it;
		if (!it || PyModule_AddType(module, (PyTypeObject *)it))
			return -1;
	}
	return 0;
}

static int module_exec(PyObject *module)
{
	static bool follows_forks;
	struct module_state *state = PyModule_GetState(module);

	if (!follows_forks && pthread_atfork(NULL, NULL, in_child)) {
		PyErr_NoMemory();
		return -1;
	}
	if (!follows_forks)
		gather_methods();
	follows_forks = true;
	if (take_types(module, state))
		return -1;
	if (PyModule_AddStringConstant(module, "__version__", IOASID_VERSION) ||
	    PyModule_AddIntConstant(module, "REFS_MAX", IOASID_REFS_MAX) ||
	    PyModule_AddIntConstant(module, "SETS_MAX", IOASID_SETS_MAX) ||
	    PyModule_AddIntConstant(module, "NAME_SIZE", IOASID_NAME_SIZE))
		return -1;
	return 0;
}

static PyModuleDef_Slot module_slots[] = {
	{ Py_mod_exec, (void *)module_exec },
	{ 0, NULL },
};

static struct PyModuleDef module_def = {
	PyModuleDef_HEAD_INIT,
	.m_name = "ioasid._ioasid",
	.m_doc = "The C library as Python types; use them from ioasid.",
	.m_size = sizeof(struct module_state),
	.m_slots = module_slots,
	.m_traverse = module_traverse,
	.m_clear = module_clear,
	.m_free = module_free,
};

PyMODINIT_FUNC PyInit__ioasid(void);

PyMODINIT_FUNC PyInit__ioasid(void)
{
	return PyModuleDef_Init(&module_def);
}
