/* SPDX-License-Identifier: MIT */
/*
 * Runs conformance cases over the public API; README.md says what their lines
 * mean:
 *   conformance_runner [--no-membarrier] FILE...
 * This is the reference: a line that the README leaves open means what it does
 * here. Each case runs on one thread, in spaces with a domain of flavour epoch
 * for each, once for each store.
 */
#include "bindings/conformance/lines.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ioasid/set.h>
#include <ioasid/snapshot.h>
#include <ioasid/space.h>

static bool no_membarrier;

/* Names that a case has bound */

enum kind { NAME_SPACE, NAME_SET, NAME_HANDLE, NAME_CURSOR, NAME_SNAPSHOT };

struct name {
	enum kind kind;
	const char *text;
	struct ioasid_space *space;
	struct ioasid_rcu *rcu;
	/* of a space: its read sections */
	uint32_t depth;
	/* of a set; @space is that it belongs to */
	struct ioasid_set *set;
	ioasid_handle_t handle;
	ioasid_t cursor;
	/* of a snapshot */
	unsigned char *bytes;
	size_t size;
};

#define NAMES 128
#define GIVEN 16

struct args;

/* One case on one store. */
struct run {
	const struct file *file;
	const struct store *store;
	/* the place of the line that runs */
	size_t at;
	struct name name[NAMES];
	size_t names;
	/* the space in use; NULL: none */
	struct name *space;
	/* why the line cannot be run; NULL: it can */
	const char *wrong;
	/* what the call wrote, as words KEY=VALUE */
	struct given {
		char *word;
		/* a line may leave it out */
		bool optional;
	} given[GIVEN];
	size_t givens;
};

static void wrong(struct run *run, const char *why)
{
	if (!run->wrong)
		run->wrong = why;
}

static struct name *lookup(struct run *run, enum kind kind, const char *text)
{
	for (size_t i = 0; i < run->names; i++)
		if (run->name[i].kind == kind &&
		    !strcmp(run->name[i].text, text))
			return &run->name[i];
	return NULL;
}

/* A new name; NULL if there is one. */
static struct name *bind(struct run *run, enum kind kind, const char *text)
{
	struct name *name = &run->name[run->names];

	if (!is_name(text) || run->names == NAMES ||
	    (kind == NAME_SET && !strcmp(text, "none"))) {
		wrong(run, "not a name");
		return NULL;
	}
	if (lookup(run, kind, text)) {
		wrong(run, "the name is taken");
		return NULL;
	}
	memset(name, 0, sizeof(*name));
	name->kind = kind;
	name->text = text;
	run->names++;
	return name;
}

/* What was named is gone. Its place stays: others are pointed to. */
static void unbind(struct name *name)
{
	name->text = "";
	name->set = NULL;
	name->space = NULL;
}

static struct name *name_of_set(struct run *run, const struct ioasid_set *set)
{
	for (size_t i = 0; i < run->names; i++)
		if (run->name[i].kind == NAME_SET && run->name[i].set == set)
			return &run->name[i];
	return NULL;
}

/* What a call has written */

__attribute__((format(printf, 4, 5))) static void
give(struct run *run, bool optional, const char *key, const char *format, ...)
{
	struct given *given = &run->given[run->givens++];
	size_t length = strlen(key);
	va_list args;
	int needed;

	va_start(args, format);
	needed = vsnprintf(NULL, 0, format, args);
	va_end(args);
	given->optional = optional;
	given->word = must(malloc(length + (size_t)needed + 2));
	memcpy(given->word, key, length);
	given->word[length] = '=';
	va_start(args, format);
	vsnprintf(given->word + length + 1, (size_t)needed + 1, format, args);
	va_end(args);
}

static void give_number(struct run *run, const char *key, uint64_t number)
{
	give(run, false, key, "%llu", (unsigned long long)number);
}

/* One that a line may leave out. */
static void offer(struct run *run, const char *key, uint64_t number)
{
	give(run, true, key, "%llu", (unsigned long long)number);
}

static void give_data(struct run *run, const char *key, const void *data)
{
	give_number(run, key, (uintptr_t)data);
}

static void give_set(struct run *run, const struct ioasid_set *set)
{
	const struct name *name = set ? name_of_set(run, set) : NULL;

	give(run, false, "set", "%s",
	     name ? name->text :
	     set  ? "(not named)" :
		    "none");
}

/* Arguments of a line */

struct args {
	const char *name, *hex, *as, *label;
	uint32_t min, max, id, data, times, count;
	uint32_t token, quota, reserved, spid, capacity, length;
	/* whether length= is there */
	bool cut;
	struct ioasid_set *set;
	/* the name= of the set= */
	struct name *set_name;
	ioasid_handle_t handle;
	ioasid_t *cursor;
	const struct name *from;
	uint32_t damage_at, damage_by;
	enum ioasid_reuse reuse;
	bool quarantine;
	bool (*getter)(void *data);
};

static bool getter_no(void *data)
{
	(void)data;
	return false;
}

static void *pointer(uint32_t number)
{
	return (void *)(uintptr_t)number;
}

static bool read_u32(struct run *run, struct args *args, const char *value,
		     size_t offset)
{
	uint64_t number;

	(void)run;
	if (!parse_number(value, UINT32_MAX, &number))
		return false;
	*(uint32_t *)(void *)((char *)args + offset) = (uint32_t)number;
	return true;
}

static bool read_length(struct run *run, struct args *args, const char *value,
			size_t offset)
{
	args->cut = true;
	return read_u32(run, args, value, offset);
}

static bool read_word(struct run *run, struct args *args, const char *value,
		      size_t offset)
{
	(void)run;
	*(const char **)(void *)((char *)args + offset) = value;
	return *value && strcmp(value, "none") != 0;
}

static bool read_set(struct run *run, struct args *args, const char *value,
		     size_t offset)
{
	(void)offset;
	args->set_name = lookup(run, NAME_SET, value);
	args->set = args->set_name ? args->set_name->set : NULL;
	return args->set;
}

static bool read_handle(struct run *run, struct args *args, const char *value,
			size_t offset)
{
	const struct name *name = lookup(run, NAME_HANDLE, value);

	(void)offset;
	if (name)
		args->handle = name->handle;
	return name || parse_number(value, UINT64_MAX, &args->handle);
}

/* The first use of a cursor makes it. */
static bool read_cursor(struct run *run, struct args *args, const char *value,
			size_t offset)
{
	struct name *name = lookup(run, NAME_CURSOR, value);

	(void)offset;
	if (!name)
		name = bind(run, NAME_CURSOR, value);
	args->cursor = name ? &name->cursor : NULL;
	return name;
}

static bool read_from(struct run *run, struct args *args, const char *value,
		      size_t offset)
{
	(void)offset;
	args->from = lookup(run, NAME_SNAPSHOT, value);
	return args->from;
}

/* OFFSET:XOR */
static bool read_damage(struct run *run, struct args *args, const char *value,
			size_t offset)
{
	const char *colon = strchr(value, ':');
	char at[16] = "";
	uint64_t number;

	(void)run;
	(void)offset;
	if (!colon || colon - value >= (ptrdiff_t)sizeof(at))
		return false;
	memcpy(at, value, (size_t)(colon - value));
	if (!parse_number(at, UINT32_MAX, &number))
		return false;
	args->damage_at = (uint32_t)number;
	if (!parse_number(colon + 1, 255, &number) || !number)
		return false;
	args->damage_by = (uint32_t)number;
	return true;
}

static bool read_reuse(struct run *run, struct args *args, const char *value,
		       size_t offset)
{
	(void)run;
	(void)offset;
	args->reuse = strcmp(value, "cyclic") != 0 ? IOASID_REUSE_LOWEST :
						     IOASID_REUSE_CYCLIC;
	return !strcmp(value, "cyclic") || !strcmp(value, "lowest");
}

static bool read_quarantine(struct run *run, struct args *args,
			    const char *value, size_t offset)
{
	(void)run;
	(void)offset;
	args->quarantine = !strcmp(value, "yes");
	return args->quarantine || !strcmp(value, "no");
}

static bool read_accept(struct run *run, struct args *args, const char *value,
			size_t offset)
{
	(void)run;
	(void)offset;
	args->getter = getter_no;
	return !strcmp(value, "no");
}

/* A key means the same in every line. */
static const struct key {
	const char *name;
	bool (*read)(struct run *run, struct args *args, const char *value,
		     size_t offset);
	size_t offset;
} keys[] = {
	{ "accept", read_accept, 0 },
	{ "as", read_word, offsetof(struct args, as) },
	{ "capacity", read_u32, offsetof(struct args, capacity) },
	{ "count", read_u32, offsetof(struct args, count) },
	{ "cursor", read_cursor, 0 },
	{ "damage", read_damage, 0 },
	{ "data", read_u32, offsetof(struct args, data) },
	{ "from", read_from, 0 },
	{ "handle", read_handle, 0 },
	{ "id", read_u32, offsetof(struct args, id) },
	{ "length", read_length, offsetof(struct args, length) },
	{ "max", read_u32, offsetof(struct args, max) },
	{ "min", read_u32, offsetof(struct args, min) },
	{ "name", read_word, offsetof(struct args, label) },
	{ "quarantine", read_quarantine, 0 },
	{ "quota", read_u32, offsetof(struct args, quota) },
	{ "reserved", read_u32, offsetof(struct args, reserved) },
	{ "reuse", read_reuse, 0 },
	{ "set", read_set, 0 },
	{ "spid", read_u32, offsetof(struct args, spid) },
	{ "times", read_u32, offsetof(struct args, times) },
	{ "token", read_u32, offsetof(struct args, token) },
};

/* Operations: each returns the library's answer, and gives what it wrote. */

static int run_space(struct run *run, const struct args *args)
{
	struct ioasid_rcu_config of_rcu = { .no_membarrier = true };
	struct ioasid_space_config config = {
		.min = args->min,
		.max = args->max,
		.store = run->store->kind,
		.reuse = args->reuse,
		.quarantine = args->quarantine,
		.capacity = args->capacity,
		.name = args->label,
	};
	struct name *name = bind(run, NAME_SPACE, args->name);
	int ret;

	if (!name)
		return 0;
	if (no_membarrier && ioasid_rcu_create(&of_rcu, &name->rcu))
		give_up("no domain", "");
	config.rcu = name->rcu;
	ret = ioasid_space_create(&config, &name->space);
	if (!ret) {
		run->space = name;
		return 0;
	}
	if (name->rcu)
		ioasid_rcu_destroy(name->rcu);
	unbind(name);
	return ret;
}

static int run_use(struct run *run, const struct args *args)
{
	struct name *name = lookup(run, NAME_SPACE, args->name);

	if (name)
		run->space = name;
	else
		wrong(run, "no such space");
	return 0;
}

static int destroy(struct run *run, struct name *space)
{
	int ret = ioasid_space_destroy(space->space);

	if (ret)
		return ret;
	if (space->rcu)
		ioasid_rcu_destroy(space->rcu);
	for (size_t i = 0; i < run->names; i++)
		if (run->name[i].kind == NAME_SET &&
		    run->name[i].space == space->space)
			unbind(&run->name[i]);
	unbind(space);
	return 0;
}

static int run_destroy(struct run *run, const struct args *args)
{
	int ret = destroy(run, run->space);

	(void)args;
	if (!ret)
		run->space = NULL;
	return ret;
}

static void name_set(struct run *run, const char *text, struct ioasid_set *set)
{
	struct name *name = bind(run, NAME_SET, text);

	if (!name)
		return;
	name->set = set;
	name->space = run->space->space;
}

static int run_set(struct run *run, const struct args *args)
{
	const struct ioasid_set_config config = {
		.name = args->label,
		.token = pointer(args->token),
		.quota = args->quota,
		.reserved = args->reserved,
	};
	struct ioasid_set *set;
	int ret = ioasid_set_create(run->space->space, &config, &set);

	if (!ret)
		name_set(run, args->name, set);
	return ret;
}

static int run_set_destroy(struct run *run, const struct args *args)
{
	int ret = ioasid_set_destroy(run->space->space, args->set);

	if (!ret)
		unbind(args->set_name);
	return ret;
}

static int run_set_limit(struct run *run, const struct args *args)
{
	return ioasid_set_limit(run->space->space, args->set, args->quota,
				args->reserved);
}

static int run_set_stats(struct run *run, const struct args *args)
{
	struct ioasid_set_info info = { .name = "" };
	int ret = ioasid_set_stats(run->space->space, args->set, &info);

	give(run, false, "name", "%s", *info.name ? info.name : "none");
	give_data(run, "token", info.token);
	give_number(run, "quota", info.quota);
	give_number(run, "reserved", info.reserved);
	give_number(run, "count", info.count);
	give_number(run, "spids", info.spids);
	return ret;
}

/* With as= the set gets that name, else it must have one. */
static void found_set(struct run *run, const struct args *args,
		      struct ioasid_set *set)
{
	if (!args->as)
		give_set(run, set);
	else if (!set || name_of_set(run, set))
		wrong(run, "no set, or one with a name");
	else
		name_set(run, args->as, set);
}

static int run_set_by_token(struct run *run, const struct args *args)
{
	struct ioasid_set *set;
	int ret = ioasid_set_by_token(run->space->space, pointer(args->token),
				      &set);

	if (!ret)
		found_set(run, args, set);
	return ret;
}

static int run_set_of(struct run *run, const struct args *args)
{
	struct ioasid_set *set;
	int ret = ioasid_set_of(run->space->space, args->id, &set);

	if (!ret)
		found_set(run, args, set);
	return ret;
}

static int run_set_free_all(struct run *run, const struct args *args)
{
	uint32_t count = 0;
	int ret = ioasid_set_free_all(run->space->space, args->set, &count);

	give_number(run, "count", count);
	return ret;
}

static int count_set(struct ioasid_set *set, void *arg)
{
	(void)set;
	++*(uint32_t *)arg;
	return 0;
}

static int run_sets(struct run *run, const struct args *args)
{
	uint32_t count = 0;
	int ret = ioasid_set_for_each(run->space->space, count_set, &count);

	(void)args;
	give_number(run, "count", count);
	return ret;
}

static int run_alloc(struct run *run, const struct args *args)
{
	ioasid_t id = INVALID_IOASID;
	int ret = ioasid_space_alloc(run->space->space, args->set, args->min,
				     args->max, pointer(args->data), &id);

	give_number(run, "id", id);
	return ret;
}

static int run_alloc_cyclic(struct run *run, const struct args *args)
{
	ioasid_t id = INVALID_IOASID;
	int ret = ioasid_space_alloc_cyclic(run->space->space, args->set,
					    args->min, args->max,
					    pointer(args->data), args->cursor,
					    &id);

	give_number(run, "id", id);
	give_number(run, "next", *args->cursor);
	return ret;
}

static int run_reserve_id(struct run *run, const struct args *args)
{
	ioasid_t id = INVALID_IOASID;
	int ret = ioasid_space_reserve_id(run->space->space, args->set,
					  args->min, args->max, &id);

	give_number(run, "id", id);
	return ret;
}

static int run_publish_id(struct run *run, const struct args *args)
{
	return ioasid_space_publish_id(run->space->space, args->id,
				       pointer(args->data));
}

static int run_release_id(struct run *run, const struct args *args)
{
	return ioasid_space_release_id(run->space->space, args->id);
}

static int run_free(struct run *run, const struct args *args)
{
	return ioasid_space_free(run->space->space, args->id);
}

static int run_free_handle(struct run *run, const struct args *args)
{
	return ioasid_space_free_handle(run->space->space, args->handle);
}

static int run_remove(struct run *run, const struct args *args)
{
	void *data = NULL;
	int ret = ioasid_space_remove(run->space->space, args->set, args->id,
				      &data);

	give_data(run, "data", data);
	return ret;
}

static int run_free_all(struct run *run, const struct args *args)
{
	uint32_t count = 0;
	int ret = ioasid_space_free_all(run->space->space, &count);

	(void)args;
	give_number(run, "count", count);
	return ret;
}

static int run_find(struct run *run, const struct args *args)
{
	void *data;
	int ret = ioasid_space_find(run->space->space, args->set, args->id,
				    args->getter, &data);

	give_data(run, "data", data);
	return ret;
}

static int run_get(struct run *run, const struct args *args)
{
	int ret = 0;

	for (uint32_t i = 0; i < args->times && !ret; i++)
		ret = ioasid_space_get(run->space->space, args->set, args->id);
	return ret;
}

static int run_put(struct run *run, const struct args *args)
{
	int ret = 0;

	for (uint32_t i = 0; i < args->times && ret >= 0; i++)
		ret = ioasid_space_put(run->space->space, args->id);
	/* 1 says that it was the last. */
	return ret < 0 ? ret : 0;
}

static int run_handle(struct run *run, const struct args *args)
{
	ioasid_handle_t handle;
	int ret = ioasid_space_handle(run->space->space, args->set, args->id,
				      &handle);
	struct name *name;

	if (ret)
		return ret;
	give_number(run, "generation", ioasid_handle_generation(handle));
	name = bind(run, NAME_HANDLE, args->as);
	if (name)
		name->handle = handle;
	return 0;
}

static int run_find_handle(struct run *run, const struct args *args)
{
	void *data;
	int ret = ioasid_space_find_handle(run->space->space, args->set,
					   args->handle, args->getter, &data);

	give_data(run, "data", data);
	return ret;
}

static int run_get_handle(struct run *run, const struct args *args)
{
	return ioasid_space_get_handle(run->space->space, args->set,
				       args->handle);
}

static int run_exchange(struct run *run, const struct args *args)
{
	void *old = NULL;
	int ret = ioasid_space_exchange_data(run->space->space, args->id,
					     pointer(args->data), &old);

	give_data(run, "old", old);
	return ret;
}

static int run_set_data(struct run *run, const struct args *args)
{
	return ioasid_space_set_data(run->space->space, args->id,
				     pointer(args->data));
}

static int run_next(struct run *run, const struct args *args)
{
	ioasid_t id = INVALID_IOASID;
	void *data = NULL;
	int ret = ioasid_space_next(run->space->space, args->set, args->min,
				    args->max, &id, &data);

	give_number(run, "id", id);
	give_data(run, "data", data);
	return ret;
}

/* What a walk has seen, as words. */
struct walk {
	char *text;
	size_t length, room;
};

static int visit(ioasid_t id, void *data, void *arg)
{
	struct walk *walk = arg;

	/* Two numbers, a colon, a comma and the zero. */
	if (walk->length + 48 > walk->room)
		walk->text = must(realloc(walk->text, walk->room += 4096));
	walk->length += (size_t)snprintf(walk->text + walk->length, 48,
					 "%s%lu:%llu", walk->length ? "," : "",
					 (unsigned long)id,
					 (unsigned long long)(uintptr_t)data);
	return 0;
}

static int run_for_each(struct run *run, const struct args *args)
{
	struct walk walk = { NULL, 0, 0 };
	int ret = ioasid_space_for_each(run->space->space, args->set, args->min,
					args->max, visit, &walk);

	give(run, false, "ids", "%s", walk.length ? walk.text : "none");
	free(walk.text);
	return ret;
}

static int run_capacity(struct run *run, const struct args *args)
{
	return ioasid_space_set_capacity(run->space->space, args->count);
}

static int run_reserve(struct run *run, const struct args *args)
{
	return ioasid_space_reserve(run->space->space, args->count);
}

static int run_unreserve(struct run *run, const struct args *args)
{
	return ioasid_space_unreserve(run->space->space, args->count);
}

static int run_stats(struct run *run, const struct args *args)
{
	struct ioasid_stats stats;

	(void)args;
	ioasid_space_stats(run->space->space, &stats);
	offer(run, "live", stats.live);
	offer(run, "pending", stats.pending);
	offer(run, "unpublished", stats.unpublished);
	offer(run, "quarantined", stats.quarantined);
	offer(run, "sets", stats.sets);
	offer(run, "capacity", stats.capacity);
	offer(run, "committed", stats.committed);
	offer(run, "reserved", stats.reserved);
	offer(run, "allocs", stats.allocs);
	offer(run, "frees", stats.frees);
	offer(run, "alloc_failed", stats.alloc_failed);
	offer(run, "free_unknown", stats.free_unknown);
	return 0;
}

static int run_spid_attach(struct run *run, const struct args *args)
{
	return ioasid_spid_attach(run->space->space, args->id, args->spid);
}

static int run_spid_detach(struct run *run, const struct args *args)
{
	return ioasid_spid_detach(run->space->space, args->id);
}

static int run_spid_of(struct run *run, const struct args *args)
{
	ioasid_t spid = INVALID_IOASID;
	int ret = ioasid_spid_of(run->space->space, args->id, &spid);

	give_number(run, "spid", spid);
	return ret;
}

static int run_spid_find(struct run *run, const struct args *args)
{
	ioasid_t id;
	void *data;
	int ret = ioasid_spid_find(run->space->space, args->set, args->spid,
				   args->getter, &id, &data);

	give_number(run, "id", id);
	give_data(run, "data", data);
	return ret;
}

/* Codecs: private pointers and tokens are numbers already. */

static uint64_t encode(void *context, ioasid_t id, void *data)
{
	(void)context;
	(void)id;
	return (uintptr_t)data;
}

static int decode(void *context, ioasid_t id, uint64_t number, void **data)
{
	(void)context;
	(void)id;
	*data = (void *)(uintptr_t)number;
	return 0;
}

static uint64_t encode_token(void *context, void *token)
{
	(void)context;
	return (uintptr_t)token;
}

static int decode_token(void *context, uint64_t number, void **token)
{
	(void)context;
	*token = (void *)(uintptr_t)number;
	return 0;
}

static const struct ioasid_codec codec = {
	.encode = encode,
	.decode = decode,
	.encode_token = encode_token,
	.decode_token = decode_token,
};

/* As of zlib: reflected, polynomial 0x04c11db7. */
static uint32_t crc32_of(const unsigned char *bytes, size_t size)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < size; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xedb88320) : 0);
	}
	return ~crc;
}

static int run_snapshot(struct run *run, const struct args *args)
{
	struct name *name = bind(run, NAME_SNAPSHOT, args->as);
	int ret;

	if (!name)
		return 0;
	ret = ioasid_space_snapshot(run->space->space, &codec, NULL, 0,
				    &name->size);
	if (ret != -ENOBUFS)
		return ret;
	name->bytes = must(malloc(name->size));
	ret = ioasid_space_snapshot(run->space->space, &codec, name->bytes,
				    name->size, &name->size);
	give_number(run, "size", name->size);
	give_number(run, "crc", ret ? 0 : crc32_of(name->bytes, name->size));
	return ret;
}

static int digit_of(char digit)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = digit ? strchr(digits, digit) : NULL;

	return at ? (int)(at - digits) : -1;
}

static int run_bytes(struct run *run, const struct args *args)
{
	struct name *name = bind(run, NAME_SNAPSHOT, args->name);
	size_t length = strlen(args->hex);

	if (!name)
		return 0;
	if (length % 2)
		wrong(run, "half a byte");
	name->size = length / 2;
	name->bytes = must(malloc(name->size + 1));
	for (size_t i = 0; i < name->size; i++) {
		int high = digit_of(args->hex[2 * i]);
		int low = digit_of(args->hex[2 * i + 1]);

		if (high < 0 || low < 0)
			wrong(run, "not in digits 0-9, a-f");
		name->bytes[i] = (unsigned char)(high * 16 + low);
	}
	return 0;
}

static int run_restore(struct run *run, const struct args *args)
{
	size_t size = args->cut ? args->length : args->from->size;
	unsigned char *copy;
	int ret;

	if (size > args->from->size ||
	    (args->damage_by && args->damage_at >= size)) {
		wrong(run, "the snapshot is not that long");
		return 0;
	}
	/* Of its exact size, so that checkers see a read past its end. */
	copy = must(malloc(size ? size : 1));
	memcpy(copy, args->from->bytes, size);
	if (args->damage_by)
		copy[args->damage_at] ^= (unsigned char)args->damage_by;
	ret = ioasid_space_restore(run->space->space, &codec, copy, size);
	free(copy);
	return ret;
}

static int run_lock(struct run *run, const struct args *args)
{
	(void)args;
	ioasid_rcu_read_lock(ioasid_space_rcu(run->space->space));
	run->space->depth++;
	return 0;
}

static int run_unlock(struct run *run, const struct args *args)
{
	(void)args;
	if (!run->space->depth) {
		wrong(run, "not in a read section");
		return 0;
	}
	run->space->depth--;
	ioasid_rcu_read_unlock(ioasid_space_rcu(run->space->space));
	return 0;
}

static int run_synchronize(struct run *run, const struct args *args)
{
	(void)args;
	return ioasid_rcu_synchronize(ioasid_space_rcu(run->space->space));
}

static int run_barrier(struct run *run, const struct args *args)
{
	(void)args;
	return ioasid_rcu_barrier(ioasid_space_rcu(run->space->space));
}

static int run_trim(struct run *run, const struct args *args)
{
	(void)args;
	ioasid_space_trim(run->space->space);
	return 0;
}

static int run_validate(struct run *run, const struct args *args)
{
	const char *reason;

	(void)args;
	if (!ioasid_space_validate(run->space->space, &reason))
		wrong(run, reason);
	return 0;
}

enum {
	/* no result is written for it */
	SILENT = 1,
	/* it needs no space in use */
	SPACELESS = 2,
};

/*
 * Every operation: the words it takes, in any order but for NAME and HEX, which
 * are not said with a key. Keys in brackets may be left out.
 */
static const struct op {
	const char *name, *takes;
	int (*run)(struct run *run, const struct args *args);
	unsigned int flags;
} ops[] = {
	{ "alloc", "[set] min max data", run_alloc, 0 },
	{ "alloc_cyclic", "cursor [set] min max data", run_alloc_cyclic, 0 },
	{ "barrier", "", run_barrier, 0 },
	{ "bytes", "NAME HEX", run_bytes, SILENT | SPACELESS },
	{ "capacity", "count", run_capacity, 0 },
	{ "destroy", "", run_destroy, 0 },
	{ "exchange", "id data", run_exchange, 0 },
	{ "find", "[set] id [accept]", run_find, 0 },
	{ "find_handle", "[set] handle [accept]", run_find_handle, 0 },
	{ "for_each", "[set] min max", run_for_each, 0 },
	{ "free", "id", run_free, 0 },
	{ "free_all", "", run_free_all, 0 },
	{ "free_handle", "handle", run_free_handle, 0 },
	{ "get", "[set] id [times]", run_get, 0 },
	{ "get_handle", "[set] handle", run_get_handle, 0 },
	{ "handle", "[set] id as", run_handle, 0 },
	{ "lock", "", run_lock, SILENT },
	{ "next", "[set] min max", run_next, 0 },
	{ "publish_id", "id data", run_publish_id, 0 },
	{ "put", "id [times]", run_put, 0 },
	{ "release_id", "id", run_release_id, 0 },
	{ "remove", "[set] id", run_remove, 0 },
	{ "reserve", "count", run_reserve, 0 },
	{ "reserve_id", "[set] min max", run_reserve_id, 0 },
	{ "restore", "from [damage] [length]", run_restore, 0 },
	{ "set", "NAME [token] [quota] [reserved] [name]", run_set, 0 },
	{ "set_by_token", "token [as]", run_set_by_token, 0 },
	{ "set_data", "id data", run_set_data, 0 },
	{ "set_destroy", "set", run_set_destroy, 0 },
	{ "set_free_all", "set", run_set_free_all, 0 },
	{ "set_limit", "set quota reserved", run_set_limit, 0 },
	{ "set_of", "id [as]", run_set_of, 0 },
	{ "set_stats", "set", run_set_stats, 0 },
	{ "sets", "", run_sets, 0 },
	{ "snapshot", "as", run_snapshot, 0 },
	{ "space", "NAME [min] [max] [reuse] [quarantine] [capacity] [name]",
	  run_space, SPACELESS },
	{ "spid_attach", "id spid", run_spid_attach, 0 },
	{ "spid_detach", "id", run_spid_detach, 0 },
	{ "spid_find", "set spid [accept]", run_spid_find, 0 },
	{ "spid_of", "id", run_spid_of, 0 },
	{ "stats", "", run_stats, 0 },
	{ "synchronize", "", run_synchronize, 0 },
	{ "trim", "", run_trim, 0 },
	{ "unlock", "", run_unlock, SILENT },
	{ "unreserve", "count", run_unreserve, 0 },
	{ "use", "NAME", run_use, SILENT | SPACELESS },
	{ "validate", "", run_validate, 0 },
};

/* Results by their names */

static const struct result {
	const char *name;
	int ret;
} results[] = {
	{ "ok", 0 },
	{ "wrapped", 1 },
	{ "E2BIG", -E2BIG },
	{ "EACCES", -EACCES },
	{ "EAGAIN", -EAGAIN },
	{ "EBADMSG", -EBADMSG },
	{ "EBUSY", -EBUSY },
	{ "EDEADLK", -EDEADLK },
	{ "EDQUOT", -EDQUOT },
	{ "EEXIST", -EEXIST },
	{ "EINVAL", -EINVAL },
	{ "EIO", -EIO },
	{ "ENAMETOOLONG", -ENAMETOOLONG },
	{ "ENFILE", -ENFILE },
	{ "ENOBUFS", -ENOBUFS },
	{ "ENODEV", -ENODEV },
	{ "ENOENT", -ENOENT },
	{ "ENOMEM", -ENOMEM },
	{ "ENOSPC", -ENOSPC },
	{ "EOVERFLOW", -EOVERFLOW },
	{ "EPERM", -EPERM },
	{ "EPROTO", -EPROTO },
	{ "ERANGE", -ERANGE },
	{ "ESTALE", -ESTALE },
	{ "EXDEV", -EXDEV },
};

static const char *result_of(int ret)
{
	for (size_t i = 0; i < COUNT(results); i++)
		if (results[i].ret == ret)
			return results[i].name;
	return "an error without a name";
}

/* A case, line by line */

static void begin_report(const struct run *run)
{
	fprintf(stderr, "%s:%zu: %s: ", run->file->path, run->at + 1,
		run->store->name);
}

/* The place of the line's word that says @key, 0 for none. */
static size_t place_of(const struct line *line, const char *key)
{
	for (size_t i = 1; i < line->arrow; i++)
		if (value_of(line->word[i], key))
			return i;
	return 0;
}

static void read_key(struct run *run, const struct line *line, const char *key,
		     struct args *args, bool *used)
{
	size_t at = place_of(line, key);

	if (!at)
		return;
	used[at] = true;
	for (size_t i = 0; i < COUNT(keys); i++)
		if (!strcmp(keys[i].name, key) &&
		    !keys[i].read(run, args, value_of(line->word[at], key),
				  keys[i].offset))
			wrong(run, "a value that cannot be");
}

/* Reads the words before the arrow as the operation takes them. */
static void read_args(struct run *run, const struct op *op, struct args *args)
{
	const struct line *line = &run->file->line[run->at];
	bool used[WORDS] = { true };
	const char *takes = op->takes;
	size_t plain = 1;

	memset(args, 0, sizeof(*args));
	args->times = 1;
	for (; *takes; takes += strspn(takes, " ]")) {
		bool optional = *takes == '[';
		char key[16] = "";
		size_t length;

		takes += optional;
		length = strcspn(takes, " ]");
		memcpy(key, takes, length);
		takes += length;
		if (!strcmp(key, "NAME") || !strcmp(key, "HEX")) {
			if (plain >= line->arrow) {
				wrong(run, "a word is missing");
				return;
			}
			used[plain] = true;
			*(*key == 'N' ? &args->name : &args->hex) =
				line->word[plain++];
			continue;
		}
		if (!optional && !place_of(line, key))
			wrong(run, "a key is missing");
		read_key(run, line, key, args, used);
	}
	for (size_t i = 1; i < line->arrow; i++)
		if (!used[i])
			wrong(run, "a key that the operation does not take");
}

static bool is_written(const struct line *line, const char *word)
{
	for (size_t i = line->arrow + 2; i < line->count; i++)
		if (!strcmp(line->word[i], word))
			return true;
	return false;
}

/* Are the values after the result those given, all of them and once each? */
static bool values_agree(const struct run *run, const struct line *line)
{
	size_t written = 0;

	for (size_t i = 0; i < run->givens; i++) {
		bool there = is_written(line, run->given[i].word);

		if (!there && !run->given[i].optional)
			return false;
		written += there;
	}
	return written == line->count - line->arrow - 2;
}

static void report_difference(const struct run *run, const struct line *line,
			      int ret)
{
	begin_report(run);
	fprintf(stderr, "expected");
	for (size_t i = line->arrow + 1; i < line->count; i++)
		fprintf(stderr, " %s", line->word[i]);
	fprintf(stderr, ", got %s", result_of(ret));
	for (size_t i = 0; i < run->givens && ret >= 0; i++)
		fprintf(stderr, " %s", run->given[i].word);
	fprintf(stderr, "\n");
}

static const struct op *find_op(const char *name)
{
	for (size_t i = 0; i < COUNT(ops); i++)
		if (!strcmp(ops[i].name, name))
			return &ops[i];
	return NULL;
}

/* Why a line cannot be run, or NULL. */
static const char *check_line(const struct line *line, const struct op *op)
{
	if (!op)
		return "no such operation";
	if ((op->flags & SILENT))
		return line->arrow == line->count ? NULL :
						    "it has no result to write";
	if (line->arrow + 1 >= line->count)
		return "the result is missing";
	return NULL;
}

/* Runs the line at run->at; false if the case has failed. */
static bool run_line(struct run *run)
{
	const struct line *line = &run->file->line[run->at];
	const struct op *op = find_op(line->word[0]);
	bool agrees = true;
	struct args args;
	int ret = 0;

	run->givens = 0;
	run->wrong = check_line(line, op);
	if (!run->wrong)
		read_args(run, op, &args);
	if (!run->wrong && !(op->flags & SPACELESS) && !run->space)
		wrong(run, "no space in use");
	if (!run->wrong)
		ret = op->run(run, &args);
	if (run->wrong) {
		begin_report(run);
		fprintf(stderr, "%s\n", run->wrong);
		agrees = false;
	} else if (!(op->flags & SILENT)) {
		/* After an error nothing is written. */
		agrees = !strcmp(line->word[line->arrow + 1], result_of(ret)) &&
			 (ret < 0 ? line->count == line->arrow + 2 :
				    values_agree(run, line));
		if (!agrees)
			report_difference(run, line, ret);
	}
	for (size_t i = 0; i < run->givens; i++)
		free(run->given[i].word);
	return agrees;
}

/* Ends what a case has left; false if it had no right to. */
static bool clean_up(struct run *run)
{
	bool clean = true;

	for (size_t i = 0; i < run->names; i++) {
		struct name *name = &run->name[i];

		if (name->kind != NAME_SPACE || !name->space)
			continue;
		for (; name->depth; name->depth--) {
			clean = false;
			ioasid_rcu_read_unlock(ioasid_space_rcu(name->space));
		}
	}
	for (size_t i = 0; i < run->names; i++) {
		free(run->name[i].bytes);
		if (run->name[i].kind == NAME_SPACE && run->name[i].space &&
		    destroy(run, &run->name[i]))
			give_up("a space cannot be destroyed: ",
				run->file->path);
	}
	return clean;
}

/* Runs the case that begins at line @at of @file. */
static bool run_case(const struct file *file, size_t at,
		     const struct store *store)
{
	static struct run run;
	bool passed = true;

	memset(&run, 0, sizeof(run));
	run.file = file;
	run.store = store;
	for (run.at = at + 1; passed; run.at++) {
		if (is_op(&file->line[run.at], "case") ||
		    is_op(&file->line[run.at], "end"))
			break;
		if (file->line[run.at].count)
			passed = run_line(&run);
	}
	if (!clean_up(&run) && passed) {
		run.at = at;
		begin_report(&run);
		fprintf(stderr, "the case ends in a read section\n");
		passed = false;
	}
	return passed;
}

static void run_file(const struct file *file, size_t *passed, size_t *failed)
{
	if (file->wrong) {
		fprintf(stderr, "%s:%zu: %s\n", file->path, file->wrong_line,
			file->wrong);
		++*failed;
		return;
	}
	for (size_t i = 0; i < file->lines; i++) {
		if (!is_op(&file->line[i], "case"))
			continue;
		for (size_t j = 0; j < STORES; j++)
			if (runs_on(&file->line[i], &stores[j]))
				++*(run_case(file, i, &stores[j]) ? passed :
								    failed);
	}
}

int main(int argc, char **argv)
{
	size_t runs = 0, passed = 0, failed = 0;
	struct file *files;
	int first = 1, count;

	if (argc > 1 && !strcmp(argv[1], "--no-membarrier")) {
		no_membarrier = true;
		first++;
	}
	count = argc - first;
	if (count < 1)
		give_up("[--no-membarrier] FILE...", "");
	files = must(calloc((size_t)count, sizeof(*files)));
	for (int i = 0; i < count; i++) {
		load(&files[i], argv[first + i]);
		runs += files[i].runs;
	}
	for (int i = 0; i < count; i++) {
		run_file(&files[i], &passed, &failed);
		unload(&files[i]);
	}
	free(files);
	printf("%zu passed, %zu failed\n", passed, failed);
	return failed || passed != runs;
}
