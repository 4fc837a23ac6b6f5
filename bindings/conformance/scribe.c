/* SPDX-License-Identifier: MIT */
#include "bindings/conformance/scribe.h"

#include <stdarg.h>

/* Sets by number, then those that the space made. */
#define NUMBERED 12
#define SETS (NUMBERED + SEQUENCE_MADE)

/* Most IDs that the line of a walk shows. */
#define WALK_MAX 24

/* One space and its model. */
struct copy {
	/* its range is too wide for the store */
	bool absent;
	enum ioasid_store_kind store;
	struct ioasid_rcu *rcu;
	struct ioasid_space *space;
	struct model model;
	struct ioasid_set *set[SETS];
	ioasid_t cursor, model_cursor;
	ioasid_handle_t handle[SEQUENCE_HANDLES];
};

#define COPIES 6

/* What a copy answered. */
struct answer {
	int ret;
	/* the values, as they are written */
	char values[1024];
};

static struct scribe {
	struct scribe_config config;
	struct copy copy[COPIES];
	uint32_t depth;
	/* which sets there are */
	bool has_set[SETS];
	bool has_foreign;
	/* the number in the name of a handle, 0 if none is to be used */
	uint32_t handle_name[SEQUENCE_HANDLES];
	uint32_t handles, snapshots;
	char *text;
	size_t length, room, lines, lines_max;
	bool ended;
} scribe;

/* A set of another space. */
static struct ioasid_set foreign;

_Noreturn static void fault(const char *what)
{
	fprintf(stderr, "%s\ngenerate: library and model: %s\n",
		scribe.text ? scribe.text : "", what);
	exit(1);
}

/* Text */

__attribute__((format(printf, 1, 2))) static void line(const char *format, ...)
{
	va_list args;
	int length;

	if (scribe.length + 4096 > scribe.room) {
		scribe.room += 65536;
		scribe.text = realloc(scribe.text, scribe.room);
		CHECK(scribe.text);
	}
	va_start(args, format);
	length = vsnprintf(scribe.text + scribe.length, 4095, format, args);
	va_end(args);
	CHECK(length > 0 && length < 4094);
	scribe.length += (size_t)length;
	scribe.text[scribe.length++] = '\n';
	scribe.text[scribe.length] = '\0';
	scribe.lines++;
}

__attribute__((format(printf, 3, 4))) static void add(char *text, size_t size,
						      const char *format, ...)
{
	size_t length = strlen(text);
	va_list args;
	int added;

	va_start(args, format);
	added = vsnprintf(text + length, size - length, format, args);
	va_end(args);
	CHECK(added >= 0 && (size_t)added < size - length);
}

#define SAY(answer, ...) \
	add((answer)->values, sizeof((answer)->values), __VA_ARGS__)

static const char *result_name(int ret)
{
	static const struct {
		int ret;
		const char *name;
	} names[] = {
		{ 0, "ok" },	       { 1, "wrapped" },
		{ -E2BIG, "E2BIG" },   { -EACCES, "EACCES" },
		{ -EAGAIN, "EAGAIN" }, { -EBADMSG, "EBADMSG" },
		{ -EBUSY, "EBUSY" },   { -EDEADLK, "EDEADLK" },
		{ -EDQUOT, "EDQUOT" }, { -EEXIST, "EEXIST" },
		{ -EINVAL, "EINVAL" }, { -ENAMETOOLONG, "ENAMETOOLONG" },
		{ -ENFILE, "ENFILE" }, { -ENOENT, "ENOENT" },
		{ -ENOSPC, "ENOSPC" }, { -EOVERFLOW, "EOVERFLOW" },
		{ -ESTALE, "ESTALE" }, { -EXDEV, "EXDEV" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].ret == ret)
			return names[i].name;
	fault("an answer without a name");
}

/* Sets */

static size_t set_index(uint32_t set)
{
	return set >= SET_MADE ? NUMBERED + (set - SET_MADE) :
				 (set - 1) % NUMBERED;
}

static struct ioasid_set *set_of(const struct copy *copy, uint32_t set)
{
	return set == SET_NONE	  ? NULL :
	       set == SET_FOREIGN ? &foreign :
				    copy->set[set_index(set)];
}

static const char *set_name(uint32_t set)
{
	static char name[24];
	size_t index;

	if (set == SET_FOREIGN)
		return "foreign";
	index = set_index(set);
	if (index < NUMBERED)
		snprintf(name, sizeof(name), "s%zu", index + 1);
	else
		snprintf(name, sizeof(name), "m%zu", index - NUMBERED);
	return name;
}

static void add_set(char *text, size_t size, uint32_t set)
{
	if (set != SET_NONE)
		add(text, size, " set=%s", set_name(set));
}

/* The number of a set that a model has. */
static uint32_t number_of(const struct copy *copy, const struct ioasid_set *set)
{
	if (!set)
		return SET_NONE;
	for (uint32_t i = 0; i < SETS; i++)
		if (copy->set[i] == set)
			return i < NUMBERED ? i + 1 : SET_MADE + i - NUMBERED;
	fault("an unknown set");
}

/* What a step is written as */

static const char *op_name(enum step_op op)
{
	static const char *const names[STEPS] = {
		[STEP_ALLOC] = "alloc",
		[STEP_ALLOC_CYCLIC] = "alloc_cyclic",
		[STEP_RESERVE_ID] = "reserve_id",
		[STEP_PUBLISH_ID] = "publish_id",
		[STEP_RELEASE_ID] = "release_id",
		[STEP_FREE] = "free",
		[STEP_FREE_HANDLE] = "free_handle",
		[STEP_REMOVE] = "remove",
		[STEP_FREE_ALL] = "free_all",
		[STEP_FIND] = "find",
		[STEP_GET] = "get",
		[STEP_GET_MANY] = "get",
		[STEP_PUT] = "put",
		[STEP_PUT_MANY] = "put",
		[STEP_HANDLE] = "handle",
		[STEP_FIND_HANDLE] = "find_handle",
		[STEP_GET_HANDLE] = "get_handle",
		[STEP_EXCHANGE_DATA] = "exchange",
		[STEP_SET_DATA] = "set_data",
		[STEP_NEXT] = "next",
		[STEP_FOR_EACH] = "for_each",
		[STEP_CAPACITY] = "capacity",
		[STEP_RESERVE] = "reserve",
		[STEP_UNRESERVE] = "unreserve",
		[STEP_STATS] = "stats",
		[STEP_SET_DESTROY] = "set_destroy",
		[STEP_SET_LIMIT] = "set_limit",
		[STEP_SET_FREE_ALL] = "set_free_all",
		[STEP_SET_BY_TOKEN] = "set_by_token",
		[STEP_SET_OF] = "set_of",
		[STEP_SPID_ATTACH] = "spid_attach",
		[STEP_SPID_DETACH] = "spid_detach",
		[STEP_SPID_OF] = "spid_of",
		[STEP_SPID_FIND] = "spid_find",
		[STEP_SYNCHRONIZE] = "synchronize",
		[STEP_BARRIER] = "barrier",
		[STEP_TRIM] = "trim",
		[STEP_DESTROY] = "destroy",
		[STEP_READ_LOCK] = "lock",
		[STEP_READ_UNLOCK] = "unlock",
	};

	return names[op];
}

static ioasid_handle_t handle_of(const struct copy *copy,
				 const struct step *step)
{
	return copy->handle[step->slot] + ((ioasid_handle_t)step->number << 32);
}

static void add_handle(char *text, size_t size, const struct step *step)
{
	if (scribe.handle_name[step->slot] && !step->number)
		add(text, size, " handle=h%u", scribe.handle_name[step->slot]);
	else
		add(text, size, " handle=%llu",
		    (unsigned long long)handle_of(&scribe.copy[0], step));
}

/* The words before the arrow. */
static void call_text(const struct step *step, char *text, size_t size)
{
	text[0] = '\0';
	add(text, size, "%s", op_name(step->op));
	switch (step->op) {
	case STEP_ALLOC_CYCLIC:
		add(text, size, " cursor=c");
		/* fall through */
	case STEP_ALLOC:
	case STEP_RESERVE_ID:
	case STEP_NEXT:
	case STEP_FOR_EACH:
		add_set(text, size, step->set);
		add(text, size, " min=%u max=%u", step->id, step->max);
		if (step->op == STEP_ALLOC || step->op == STEP_ALLOC_CYCLIC)
			add(text, size, " data=%u", step->number);
		return;
	case STEP_PUBLISH_ID:
	case STEP_EXCHANGE_DATA:
	case STEP_SET_DATA:
		add(text, size, " id=%u data=%u", step->id, step->number);
		return;
	case STEP_RELEASE_ID:
	case STEP_FREE:
	case STEP_PUT:
	case STEP_SPID_DETACH:
	case STEP_SPID_OF:
	case STEP_SET_OF:
		add(text, size, " id=%u", step->id);
		return;
	case STEP_FIND:
	case STEP_GET:
	case STEP_REMOVE:
		add_set(text, size, step->set);
		add(text, size, " id=%u", step->id);
		break;
	case STEP_GET_MANY:
	case STEP_PUT_MANY:
		add(text, size, " id=%u times=%u", step->id, step->number);
		return;
	case STEP_HANDLE:
		add_set(text, size, step->set);
		add(text, size, " id=%u as=h%u", step->id, scribe.handles + 1);
		return;
	case STEP_FIND_HANDLE:
	case STEP_GET_HANDLE:
		add_set(text, size, step->set);
		/* fall through */
	case STEP_FREE_HANDLE:
		add_handle(text, size, step);
		break;
	case STEP_CAPACITY:
	case STEP_RESERVE:
	case STEP_UNRESERVE:
		add(text, size, " count=%u", step->number);
		return;
	case STEP_SET_DESTROY:
	case STEP_SET_FREE_ALL:
		add_set(text, size, step->set);
		return;
	case STEP_SET_LIMIT:
		add_set(text, size, step->set);
		add(text, size, " quota=%u reserved=%u", step->quota,
		    step->reserved);
		return;
	case STEP_SET_BY_TOKEN:
		add(text, size, " token=%u", step->token);
		return;
	case STEP_SPID_ATTACH:
		add(text, size, " id=%u spid=%u", step->id, step->spid);
		return;
	case STEP_SPID_FIND:
		add_set(text, size, step->set);
		add(text, size, " spid=%u", step->spid);
		break;
	default:
		return;
	}
	if (step->getter == GETTER_NO &&
	    (step->op == STEP_FIND || step->op == STEP_FIND_HANDLE ||
	     step->op == STEP_SPID_FIND))
		add(text, size, " accept=no");
}

/* Running one step on one copy */

static void is(struct answer *answer, int expected, int ret)
{
	if (!model_is(expected, ret))
		fault("another result");
	answer->ret = expected;
}

#define SAME(condition)                           \
	do {                                      \
		if (!(condition))                 \
			fault("not " #condition); \
	} while (0)

static void run_alloc(struct copy *copy, const struct step *step,
		      struct answer *answer)
{
	struct ioasid_set *set = set_of(copy, step->set);
	void *data = DATA(step->number);
	struct model *model = &copy->model;
	ioasid_t id = INVALID_IOASID;
	const char *wrong;
	int ret;

	if (step->op == STEP_ALLOC) {
		ret = ioasid_space_alloc(copy->space, set, step->id, step->max,
					 data, &id);
		wrong = model_alloc(model, set, step->id, step->max, data, ret,
				    id);
	} else if (step->op == STEP_ALLOC_CYCLIC) {
		ret = ioasid_space_alloc_cyclic(copy->space, set, step->id,
						step->max, data, &copy->cursor,
						&id);
		wrong = model_alloc_cyclic(model, set, step->id, step->max,
					   data, &copy->model_cursor, ret, id);
		SAME(copy->cursor == copy->model_cursor);
	} else {
		ret = ioasid_space_reserve_id(copy->space, set, step->id,
					      step->max, &id);
		wrong = model_reserve_id(model, set, step->id, step->max, ret,
					 id);
	}
	if (wrong)
		fault(wrong);
	answer->ret = ret;
	SAY(answer, " id=%u", id);
	if (step->op == STEP_ALLOC_CYCLIC)
		SAY(answer, " next=%u", copy->model_cursor);
}

static void run_life(struct copy *copy, const struct step *step,
		     struct answer *answer)
{
	struct ioasid_set *set = set_of(copy, step->set);
	struct model *model = &copy->model;
	void *data = NULL, *expected = NULL;
	uint32_t count = 0, freed = 0;

	switch (step->op) {
	case STEP_PUBLISH_ID:
		is(answer,
		   model_publish_id(model, step->id, DATA(step->number)),
		   ioasid_space_publish_id(copy->space, step->id,
					   DATA(step->number)));
		break;
	case STEP_RELEASE_ID:
		is(answer, model_release_id(model, step->id),
		   ioasid_space_release_id(copy->space, step->id));
		break;
	case STEP_FREE:
		is(answer, model_free(model, step->id),
		   ioasid_space_free(copy->space, step->id));
		break;
	case STEP_FREE_HANDLE:
		is(answer, model_free_handle(model, handle_of(copy, step)),
		   ioasid_space_free_handle(copy->space,
					    handle_of(copy, step)));
		break;
	case STEP_REMOVE:
		is(answer, model_remove_id(model, set, step->id, &expected),
		   ioasid_space_remove(copy->space, set, step->id, &data));
		SAME(data == expected);
		SAY(answer, " data=%u", (unsigned int)(uintptr_t)expected);
		break;
	case STEP_FREE_ALL:
		is(answer, model_free_all(model, &freed),
		   ioasid_space_free_all(copy->space, &count));
		SAME(count == freed);
		SAY(answer, " count=%u", freed);
		break;
	default:
		is(answer, model_set_free_all(model, set, &freed),
		   ioasid_set_free_all(copy->space, set, &count));
		SAME(count == freed);
		SAY(answer, " count=%u", freed);
		break;
	}
}

static void run_lookup(struct copy *copy, const struct step *step,
		       struct answer *answer)
{
	bool (*getter)(void *data) = step->getter == GETTER_NO ? getter_no :
								 NULL;
	struct ioasid_set *set = set_of(copy, step->set);
	ioasid_t id = INVALID_IOASID, expected_id = INVALID_IOASID;
	struct model *model = &copy->model;
	void *data, *expected = NULL;
	ioasid_handle_t handle;

	switch (step->op) {
	case STEP_FIND:
		is(answer, model_find(model, set, step->id, &expected),
		   ioasid_space_find(copy->space, set, step->id, getter,
				     &data));
		break;
	case STEP_FIND_HANDLE:
		handle = handle_of(copy, step);
		is(answer, model_find_handle(model, set, handle, &expected),
		   ioasid_space_find_handle(copy->space, set, handle, getter,
					    &data));
		break;
	case STEP_SPID_FIND:
		is(answer,
		   model_spid_find(model, set, step->spid, &expected_id,
				   &expected),
		   ioasid_spid_find(copy->space, set, step->spid, getter, &id,
				    &data));
		SAME(id == expected_id);
		SAY(answer, " id=%u", expected_id);
		break;
	default:
		data = NULL;
		is(answer,
		   model_next_id(model, set, step->id, step->max, &expected_id,
				 &expected),
		   ioasid_space_next(copy->space, set, step->id, step->max, &id,
				     &data));
		SAME(id == expected_id);
		SAY(answer, " id=%u", expected_id);
		break;
	}
	if (getter)
		expected = NULL;
	SAME(answer->ret || data == expected);
	SAY(answer, " data=%u", (unsigned int)(uintptr_t)expected);
}

static void run_reference(struct copy *copy, const struct step *step,
			  struct answer *answer)
{
	struct ioasid_set *set = set_of(copy, step->set);
	struct model *model = &copy->model;
	uint32_t times = step->op == STEP_GET_MANY ||
					 step->op == STEP_PUT_MANY ?
				 step->number :
				 1;
	bool put = step->op == STEP_PUT || step->op == STEP_PUT_MANY;
	int ret = 0, expected = 0;

	if (step->op == STEP_GET_HANDLE) {
		is(answer, model_get_handle(model, set, handle_of(copy, step)),
		   ioasid_space_get_handle(copy->space, set,
					   handle_of(copy, step)));
		return;
	}
	while (times-- && expected >= 0) {
		expected = put ? model_put(model, step->id) :
				 model_get(model, set, step->id);
		ret = put ? ioasid_space_put(copy->space, step->id) :
			    ioasid_space_get(copy->space, set, step->id);
		is(answer, expected, ret);
	}
	/* 1 says that it was the last, and is not written. */
	if (answer->ret > 0)
		answer->ret = 0;
}

static void run_handle(struct copy *copy, const struct step *step,
		       struct answer *answer)
{
	struct ioasid_set *set = set_of(copy, step->set);
	ioasid_handle_t handle = 0, expected = 0;

	is(answer, model_handle(&copy->model, set, step->id, &expected),
	   ioasid_space_handle(copy->space, set, step->id, &handle));
	SAME(answer->ret || handle == expected);
	if (!answer->ret)
		copy->handle[step->slot] = expected;
	SAY(answer, " generation=%u", ioasid_handle_generation(expected));
}

static void run_data(struct copy *copy, const struct step *step,
		     struct answer *answer)
{
	void *data = DATA(step->number), *old = NULL, *expected = NULL;
	struct model *model = &copy->model;
	int ret;

	if (step->op == STEP_EXCHANGE_DATA) {
		is(answer,
		   model_exchange_data(model, step->id, data, &expected),
		   ioasid_space_exchange_data(copy->space, step->id, data,
					      &old));
		SAME(old == expected);
		SAY(answer, " old=%u", (unsigned int)(uintptr_t)expected);
		return;
	}
	ret = scribe.depth ? model_find(model, NULL, step->id, &old) :
			     model_exchange_data(model, step->id, data, NULL);
	if (scribe.depth && !ret)
		ret = -EDEADLK;
	is(answer, ret, ioasid_space_set_data(copy->space, step->id, data));
	if (!ret)
		model_synchronize(model);
}

struct walk {
	char *text;
	size_t count;
};

static int walk_visit(ioasid_t id, void *data, void *arg)
{
	struct walk *walk = arg;

	if (walk->count++ < WALK_MAX)
		add(walk->text, 1000, "%s%u:%u", *walk->text ? "," : "", id,
		    (unsigned int)(uintptr_t)data);
	return 0;
}

static void walk_text(const struct model *model, const struct ioasid_set *set,
		      ioasid_t min, ioasid_t max, struct answer *answer)
{
	char text[1000] = "";
	struct walk walk = { text, 0 };

	answer->ret = model_for_each(model, set, min, max, walk_visit, &walk);
	SAY(answer, " ids=%s", walk.count ? text : "none");
}

static void run_walk(struct copy *copy, const struct step *step,
		     struct answer *answer)
{
	struct ioasid_set *set = set_of(copy, step->set);
	char text[1000] = "";
	struct walk walk = { text, 0 };
	struct answer found = { 0 };

	walk_text(&copy->model, set, step->id, step->max, answer);
	found.ret = ioasid_space_for_each(copy->space, set, step->id, step->max,
					  walk_visit, &walk);
	SAY(&found, " ids=%s", walk.count ? text : "none");
	SAME(found.ret == answer->ret && !strcmp(found.values, answer->values));
}

static void run_capacity(struct copy *copy, const struct step *step,
			 struct answer *answer)
{
	struct model *model = &copy->model;

	if (step->op == STEP_CAPACITY)
		is(answer, model_set_capacity(model, step->number),
		   ioasid_space_set_capacity(copy->space, step->number));
	else if (step->op == STEP_RESERVE)
		is(answer, model_reserve(model, step->number),
		   ioasid_space_reserve(copy->space, step->number));
	else
		is(answer, model_unreserve(model, step->number),
		   ioasid_space_unreserve(copy->space, step->number));
}

static void run_stats(struct copy *copy, struct answer *answer)
{
	struct ioasid_stats stats, expected;

	ioasid_space_stats(copy->space, &stats);
	model_stats(&copy->model, &expected);
#define COUNT_OF(name)                                  \
	do {                                            \
		SAME(stats.name == expected.name);      \
		SAY(answer, " " #name "=%llu",          \
		    (unsigned long long)expected.name); \
	} while (0)
	COUNT_OF(live);
	COUNT_OF(pending);
	COUNT_OF(unpublished);
	COUNT_OF(sets);
	COUNT_OF(capacity);
	COUNT_OF(committed);
	COUNT_OF(reserved);
	COUNT_OF(allocs);
	COUNT_OF(frees);
	COUNT_OF(alloc_failed);
	COUNT_OF(free_unknown);
#undef COUNT_OF
}

static void run_set(struct copy *copy, const struct step *step,
		    struct answer *answer)
{
	struct ioasid_set *set = set_of(copy, step->set);
	struct ioasid_set *found = NULL, *expected = NULL;
	struct model *model = &copy->model;

	switch (step->op) {
	case STEP_SET_DESTROY:
		is(answer, model_set_destroy(model, set),
		   ioasid_set_destroy(copy->space, set));
		break;
	case STEP_SET_LIMIT:
		is(answer,
		   model_set_limit(model, set, step->quota, step->reserved),
		   ioasid_set_limit(copy->space, set, step->quota,
				    step->reserved));
		break;
	case STEP_SET_BY_TOKEN:
		is(answer,
		   model_set_by_token(model, DATA(step->token), &expected),
		   ioasid_set_by_token(copy->space, DATA(step->token), &found));
		break;
	default:
		is(answer, model_set_of(model, step->id, &expected),
		   ioasid_set_of(copy->space, step->id, &found));
		break;
	}
	SAME(found == expected);
	if (!answer->ret &&
	    (step->op == STEP_SET_BY_TOKEN || step->op == STEP_SET_OF))
		SAY(answer, " set=%s",
		    expected ? set_name(number_of(copy, expected)) : "none");
}

static void run_spid(struct copy *copy, const struct step *step,
		     struct answer *answer)
{
	ioasid_t spid = INVALID_IOASID, expected = INVALID_IOASID;
	struct model *model = &copy->model;
	int ret;

	switch (step->op) {
	case STEP_SPID_ATTACH:
		ret = ioasid_spid_attach(copy->space, step->id, step->spid);
		is(answer, model_spid_attach(model, step->id, step->spid, ret),
		   ret);
		break;
	case STEP_SPID_DETACH:
		is(answer, model_spid_detach(model, step->id),
		   ioasid_spid_detach(copy->space, step->id));
		break;
	default:
		is(answer, model_spid_of(model, step->id, &expected),
		   ioasid_spid_of(copy->space, step->id, &spid));
		SAME(spid == expected);
		SAY(answer, " spid=%u", expected);
		break;
	}
}

static void run_section(struct copy *copy, const struct step *step,
			struct answer *answer)
{
	int refused = scribe.depth ? -EDEADLK : 0;

	switch (step->op) {
	case STEP_READ_LOCK:
		ioasid_rcu_read_lock(copy->rcu);
		if (!scribe.depth)
			model_read_lock(&copy->model);
		break;
	case STEP_READ_UNLOCK:
		ioasid_rcu_read_unlock(copy->rcu);
		if (scribe.depth == 1)
			model_read_unlock(&copy->model);
		break;
	case STEP_SYNCHRONIZE:
		is(answer, refused, ioasid_rcu_synchronize(copy->rcu));
		if (!refused)
			model_synchronize(&copy->model);
		break;
	case STEP_BARRIER:
		is(answer, refused, ioasid_rcu_barrier(copy->rcu));
		break;
	case STEP_DESTROY:
		is(answer, -EDEADLK, ioasid_space_destroy(copy->space));
		break;
	default:
		ioasid_space_trim(copy->space);
		model_trim(&copy->model);
		break;
	}
}

static void run_copy(struct copy *copy, const struct step *step,
		     struct answer *answer)
{
	switch (step->op) {
	case STEP_ALLOC:
	case STEP_ALLOC_CYCLIC:
	case STEP_RESERVE_ID:
		run_alloc(copy, step, answer);
		break;
	case STEP_PUBLISH_ID:
	case STEP_RELEASE_ID:
	case STEP_FREE:
	case STEP_FREE_HANDLE:
	case STEP_REMOVE:
	case STEP_FREE_ALL:
	case STEP_SET_FREE_ALL:
		run_life(copy, step, answer);
		break;
	case STEP_FIND:
	case STEP_FIND_HANDLE:
	case STEP_SPID_FIND:
	case STEP_NEXT:
		run_lookup(copy, step, answer);
		break;
	case STEP_GET:
	case STEP_GET_MANY:
	case STEP_PUT:
	case STEP_PUT_MANY:
	case STEP_GET_HANDLE:
		run_reference(copy, step, answer);
		break;
	case STEP_HANDLE:
		run_handle(copy, step, answer);
		break;
	case STEP_EXCHANGE_DATA:
	case STEP_SET_DATA:
		run_data(copy, step, answer);
		break;
	case STEP_FOR_EACH:
		run_walk(copy, step, answer);
		break;
	case STEP_CAPACITY:
	case STEP_RESERVE:
	case STEP_UNRESERVE:
		run_capacity(copy, step, answer);
		break;
	case STEP_STATS:
		run_stats(copy, answer);
		break;
	case STEP_SET_DESTROY:
	case STEP_SET_LIMIT:
	case STEP_SET_BY_TOKEN:
	case STEP_SET_OF:
		run_set(copy, step, answer);
		break;
	case STEP_SPID_ATTACH:
	case STEP_SPID_DETACH:
	case STEP_SPID_OF:
		run_spid(copy, step, answer);
		break;
	default:
		run_section(copy, step, answer);
		break;
	}
}

/* All copies */

static struct copy *first_copy(void)
{
	for (size_t i = 0; i < COPIES; i++)
		if (!scribe.copy[i].absent)
			return &scribe.copy[i];
	fault("no store");
}

const struct model *scribe_model(void)
{
	return &first_copy()->model;
}

uint32_t scribe_depth(void)
{
	return scribe.depth;
}

uint32_t scribe_set(const struct ioasid_set *set)
{
	return number_of(first_copy(), set);
}

/* False: the copies gave different answers. @answer is that of all. */
static bool run_all(const struct step *step, struct answer *answer)
{
	bool same = true, first = true;

	for (size_t i = 0; i < COPIES; i++) {
		struct copy *copy = &scribe.copy[i];
		struct answer own = { 0 };

		if (copy->absent)
			continue;
		run_copy(copy, step, &own);
		if (first)
			*answer = own;
		same &= own.ret == answer->ret &&
			(own.ret < 0 || !strcmp(own.values, answer->values));
		first = false;
	}
	return same;
}

static void write_line(const char *call, const struct answer *answer)
{
	line("%s -> %s%s", call, result_name(answer->ret),
	     answer->ret < 0 ? "" : answer->values);
}

/* May alloc hand out an ID of the quarantine, or pass it over, as it likes? */
static bool is_free_to_choose(const struct model *model)
{
	for (size_t i = 0; i < model->count; i++)
		if (model->entry[i].state == MODEL_QUARANTINED &&
		    !model->entry[i].held &&
		    (!model->entry[i].aged || model->in_section))
			return true;
	return false;
}

static bool is_alloc(enum step_op op)
{
	return op == STEP_ALLOC || op == STEP_ALLOC_CYCLIC ||
	       op == STEP_RESERVE_ID;
}

/* Is the answer for a handle open? */
static bool is_gone(const struct step *step)
{
	void *data;

	if (step->op != STEP_FIND_HANDLE && step->op != STEP_GET_HANDLE &&
	    step->op != STEP_FREE_HANDLE)
		return false;
	return model_find_handle(scribe_model(), NULL,
				 handle_of(first_copy(), step),
				 &data) == MODEL_GONE;
}

static bool is_long_walk(const struct step *step)
{
	char text[1000] = "";
	struct walk walk = { text, 0 };

	if (step->op != STEP_FOR_EACH)
		return false;
	model_for_each(scribe_model(), set_of(first_copy(), step->set),
		       step->id, step->max, walk_visit, &walk);
	return walk.count > WALK_MAX;
}

static const char *long_name(uint32_t length)
{
	static char name[64];

	memset(name, 'n', sizeof(name));
	name[length] = '\0';
	return name;
}

/* Makes a set; false if that is refused. */
static bool make_set(const struct step *step)
{
	const struct ioasid_set_config config = {
		.name = step->name ? long_name(step->name) : NULL,
		.token = DATA(step->token),
		.quota = step->quota,
		.reserved = step->reserved,
	};
	size_t index = set_index(step->set);
	char call[256] = "";
	int first = 0;

	for (size_t i = 0; i < COPIES; i++) {
		struct copy *copy = &scribe.copy[i];
		struct ioasid_set *set = NULL;
		int ret;

		if (copy->absent)
			continue;
		ret = ioasid_set_create(copy->space, &config, &set);
		if (!model_is(model_set_bind(&copy->model, set, &config, ret),
			      ret))
			fault("set: another result");
		if (copy == first_copy())
			first = ret;
		else if (ret != first)
			fault("set: the stores differ");
		copy->set[index] = ret ? NULL : set;
	}
	add(call, sizeof(call), "set %s", set_name(step->set));
	if (step->token)
		add(call, sizeof(call), " token=%u", step->token);
	if (step->quota)
		add(call, sizeof(call), " quota=%u", step->quota);
	if (step->reserved)
		add(call, sizeof(call), " reserved=%u", step->reserved);
	if (step->name)
		add(call, sizeof(call), " name=%s", config.name);
	line("%s -> %s", call, result_name(first));
	scribe.has_set[index] = !first;
	return !first;
}

/* False: there is no such set, and none can be made. */
static bool need_set(uint32_t set)
{
	const struct step step = { .set = set };

	if (set == SET_NONE)
		return true;
	if (set == SET_FOREIGN) {
		if (!scribe.has_foreign) {
			line("space other max=9 -> ok");
			line("set foreign -> ok");
			line("use space");
		}
		scribe.has_foreign = true;
		return true;
	}
	return scribe.has_set[set_index(set)] || make_set(&step);
}

/* CRC-32 of zlib. */
static uint32_t crc_of(const uint8_t *bytes, size_t size)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < size; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xedb88320) : 0);
	}
	return ~crc;
}

struct restored {
	size_t size;
	uint32_t crc;
	struct answer walk;
	struct ioasid_stats stats;
};

/* Restores a snapshot of @copy into a space of its kind, against the model. */
static void restore_copy(struct copy *copy, size_t damage,
			 struct restored *restored)
{
	struct ioasid_space_config config = {
		.min = scribe.config.min,
		.max = scribe.config.max,
		.store = copy->store,
		.rcu = copy->rcu,
		.hash_seed = 1,
		.capacity = copy->model.stats.capacity,
	};
	struct ioasid_space *space;
	struct model to;
	const char *wrong;
	uint8_t *bytes = sequence_snapshot(copy->space, &restored->size);
	size_t at = damage % restored->size;

	restored->crc = crc_of(bytes, restored->size);
	CHECK(ioasid_space_create(&config, &space) == 0);
	model_init(&to, scribe.config.min, scribe.config.max,
		   model_space_generation, space);
	model_configure(&to, &config);
	SAME(sequence_restore(space, bytes, restored->size, at, 1) == -EBADMSG);
	SAME(sequence_restore(space, bytes, at, SIZE_MAX, 0) == -EBADMSG);
	SAME(sequence_restore(space, bytes, restored->size, SIZE_MAX, 0) == 0);
	wrong = model_restore(&copy->model, &to, space);
	if (!wrong)
		wrong = model_compare(&to, space);
	if (wrong)
		fault(wrong);
	walk_text(&to, NULL, 0, UINT32_MAX, &restored->walk);
	model_stats(&to, &restored->stats);
	CHECK(ioasid_space_destroy(space) == 0);
	model_destroy(&to);
	free(bytes);
}

static void run_snapshot(const struct step *step)
{
	const struct step walk = { .op = STEP_FOR_EACH, .max = UINT32_MAX };
	struct restored first = { 0 };
	size_t at;

	if (scribe.depth || !model_tells_apart(scribe_model()) ||
	    is_long_walk(&walk) || scribe.lines + 12 > scribe.lines_max)
		return;
	for (size_t i = 0; i < COPIES; i++) {
		struct copy *copy = &scribe.copy[i];
		struct restored own = { 0 };

		if (copy->absent)
			continue;
		restore_copy(copy, step->number, &own);
		if (copy == first_copy())
			first = own;
		/* Where vacant IDs were used stores may round up differently. */
		else if (own.crc != first.crc)
			return;
	}
	at = step->number % first.size;
	scribe.snapshots++;
	line("snapshot as=x%u -> ok size=%zu crc=%u", scribe.snapshots,
	     first.size, first.crc);
	line("space restored min=%u max=%u capacity=%u -> ok",
	     scribe.config.min, scribe.config.max,
	     scribe_model()->stats.capacity);
	line("restore from=x%u damage=%zu:1 -> EBADMSG", scribe.snapshots, at);
	line("restore from=x%u length=%zu -> EBADMSG", scribe.snapshots, at);
	line("restore from=x%u -> ok", scribe.snapshots);
	line("for_each min=0 max=%u -> ok%s", UINT32_MAX, first.walk.values);
	line("stats -> ok live=%u pending=%u sets=%u committed=%u reserved=%u",
	     first.stats.live, first.stats.pending, first.stats.sets,
	     first.stats.committed, first.stats.reserved);
	line("validate -> ok");
	line("destroy -> ok");
	line("use space");
}

/* Runs what can be written as it is. */
static void run_written(const struct step *step)
{
	char call[512];
	struct answer answer = { 0 };
	bool same;

	call_text(step, call, sizeof(call));
	same = run_all(step, &answer);
	if (step->op == STEP_READ_LOCK || step->op == STEP_READ_UNLOCK) {
		scribe.depth += step->op == STEP_READ_LOCK ? 1 : UINT32_MAX;
		line("%s", call);
		return;
	}
	if (step->op == STEP_HANDLE && !answer.ret) {
		/* Where generations differ nothing is said of this handle. */
		scribe.handle_name[step->slot] = same ? ++scribe.handles : 0;
		for (size_t i = 0; i < COPIES && !same; i++)
			scribe.copy[i].handle[step->slot] = 0;
		if (!same)
			return;
	}
	if (!same) {
		scribe.ended = true;
		return;
	}
	write_line(call, &answer);
	if (step->op == STEP_SET_DESTROY && !answer.ret) {
		scribe.has_set[set_index(step->set)] = false;
		for (size_t i = 0; i < COPIES; i++)
			scribe.copy[i].set[set_index(step->set)] = NULL;
	}
}

bool scribe_step(const struct step *step)
{
	struct step other = *step;

	if (scribe.ended || scribe.lines + 4 > scribe.lines_max)
		return false;
	switch (step->op) {
	case STEP_SET_BIND:
	case STEP_SET_CREATE:
		if (step->op == STEP_SET_CREATE)
			other.set = SET_MADE + step->slot;
		if (other.set != SET_FOREIGN &&
		    !scribe.has_set[set_index(other.set)])
			make_set(&other);
		return true;
	case STEP_SNAPSHOT:
		run_snapshot(step);
		return true;
	case STEP_FREE_DEFERRED:
		other.op = STEP_FREE;
		break;
	case STEP_FIND_RCU:
		other.op = STEP_FIND;
		break;
	case STEP_FIND_HANDLE_RCU:
		other.op = STEP_FIND_HANDLE;
		break;
	case STEP_FREE_ALL:
	case STEP_FREE_IN_WALK:
		other.op = step->set != SET_NONE ? STEP_SET_FREE_ALL :
						   STEP_FREE_ALL;
		break;
	case STEP_CYCLE:
		other.op = STEP_ALLOC;
		other.number = 0;
		if (!scribe_step(&other))
			return false;
		other.op = STEP_FREE;
		break;
	default:
		break;
	}
	if (!op_name(other.op) || !need_set(other.set) || is_gone(&other) ||
	    is_long_walk(&other) ||
	    (other.op == STEP_DESTROY && !scribe.depth) ||
	    (other.op == STEP_READ_UNLOCK && !scribe.depth))
		return true;
	if (is_alloc(other.op) && is_free_to_choose(scribe_model())) {
		const struct step wait = { .op = STEP_SYNCHRONIZE };

		if (scribe.depth)
			return true;
		run_written(&wait);
	}
	run_written(&other);
	return !scribe.ended;
}

/* Begin and end */

static void make_copy(struct copy *copy, size_t number)
{
	static const enum ioasid_store_kind stores[] = {
		IOASID_STORE_RADIX,
		IOASID_STORE_BITMAP,
		IOASID_STORE_HASH,
	};
	const struct scribe_config *config = &scribe.config;
	const struct ioasid_rcu_config of_rcu = {
		.no_membarrier = number >= COPIES / 2,
	};
	struct ioasid_space_config of_space = {
		.min = config->min,
		.max = config->max,
		.store = stores[number % 3],
		.hash_seed = 1 + number,
		.reuse = config->reuse,
		.quarantine = config->quarantine,
		.capacity = config->capacity,
	};

	memset(copy, 0, sizeof(*copy));
	copy->store = of_space.store;
	copy->absent = copy->store == IOASID_STORE_BITMAP &&
		       config->max - config->min >= IOASID_BITMAP_IDS_MAX;
	if (copy->absent)
		return;
	CHECK(ioasid_rcu_create(&of_rcu, &copy->rcu) == 0);
	of_space.rcu = copy->rcu;
	CHECK(ioasid_space_create(&of_space, &copy->space) == 0);
	model_init(&copy->model, config->min, config->max,
		   model_space_generation, copy->space);
	model_configure(&copy->model, &of_space);
	copy->model.foreign = &foreign;
}

void scribe_begin(const struct scribe_config *config, size_t lines)
{
	static struct ioasid_space *other;
	char call[256] = "";
	ioasid_t id;

	if (!other) {
		CHECK(ioasid_space_create(NULL, &other) == 0);
		CHECK(ioasid_space_alloc(other, &foreign, 0, 0, NULL, &id) ==
		      0);
	}
	memset(&scribe, 0, sizeof(scribe));
	scribe.config = *config;
	scribe.lines_max = lines;
	for (size_t i = 0; i < COPIES; i++)
		make_copy(&scribe.copy[i], i);
	add(call, sizeof(call), "space space");
	if (config->min)
		add(call, sizeof(call), " min=%u", config->min);
	add(call, sizeof(call), " max=%u", config->max);
	if (config->reuse == IOASID_REUSE_CYCLIC)
		add(call, sizeof(call), " reuse=cyclic");
	if (config->quarantine)
		add(call, sizeof(call), " quarantine=yes");
	if (config->capacity)
		add(call, sizeof(call), " capacity=%u", config->capacity);
	line("%s -> ok", call);
}

static void remove_copy(struct copy *copy)
{
	const char *wrong;

	if (copy->absent)
		return;
	wrong = model_compare(&copy->model, copy->space);
	if (wrong)
		fault(wrong);
	CHECK(ioasid_space_destroy(copy->space) == 0);
	CHECK(ioasid_rcu_destroy(copy->rcu) == 0);
	model_destroy(&copy->model);
}

char *scribe_end(size_t *lines, bool *narrow)
{
	const struct step unlock = { .op = STEP_READ_UNLOCK };

	while (scribe.depth)
		run_written(&unlock);
	line("validate -> ok");
	*narrow = false;
	for (size_t i = 0; i < COPIES; i++) {
		*narrow |= scribe.copy[i].absent;
		remove_copy(&scribe.copy[i]);
	}
	*lines = scribe.lines;
	return scribe.text;
}
