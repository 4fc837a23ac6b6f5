/* SPDX-License-Identifier: MIT */
#include "glue.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

_Static_assert(sizeof(void *) == sizeof(uint64_t),
	       "ioasid-go needs pointers of 64 bits");

/*
 * Outlives the library's space, with the domain: a call that comes too late
 * finds that the space is closed instead of freed memory. Go frees it when no
 * call can come any more.
 */
struct go_space {
	struct ioasid_rcu *rcu;
	/* NULL: closed */
	_Atomic(struct ioasid_space *) space;
	/* updates under way, which close waits for as for read sections */
	_Alignas(IOASID_CACHE_LINE) atomic_int users;
	/* sets that nobody can name, bound until the space is gone */
	_Atomic(struct go_set *) orphans;
};

enum { SET_THERE, SET_BUSY, SET_GONE };

struct go_set {
	struct ioasid_set set;
	uint64_t serial;
	atomic_int state, users;
	struct ioasid_rcu_head head;
	struct go_set *next;
};

/* Codecs being called on this thread, with a space's lock held. */
static _Thread_local int codecs;

/* Of codec.go. */
extern uint64_t goioasidEncode(uintptr_t codec, uint32_t id, uint64_t token);
extern uint64_t goioasidDecode(uintptr_t codec, uint32_t id, uint64_t number);
extern uintptr_t goioasidSet(uintptr_t codec);

static struct go_space *to_space(uintptr_t space)
{
	return (struct go_space *)space;
}

static struct go_set *to_set(uintptr_t set)
{
	return (struct go_set *)set;
}

static struct ioasid_set *library_set(uintptr_t set)
{
	return set ? &to_set(set)->set : NULL;
}

static uint64_t serial_of(const struct ioasid_set *set)
{
	return set ? ((const struct go_set *)set)->serial : 0;
}

static int64_t token_of(const void *data)
{
	return (int64_t)(uintptr_t)data;
}

static void *data_of(uint64_t token)
{
	return (void *)(uintptr_t)token;
}

/* In a read section: the space is not destroyed before its end. */
static struct ioasid_space *open_space(const struct go_space *go)
{
	return atomic_load_explicit(&go->space, memory_order_acquire);
}

/* A lookup that failed: for what reason, as Go tells it. */
static int64_t lookup_error(uintptr_t set, int ret)
{
	if (set && atomic_load(&to_set(set)->state) == SET_GONE)
		return -EBADF;
	return ret;
}

/* Begins a call that may take the space's lock. */
static int update_begin(struct go_space *go, uintptr_t set,
			struct ioasid_space **space)
{
	if (codecs)
		return -EDEADLK;
	atomic_fetch_add(&go->users, 1);
	*space = atomic_load(&go->space);
	if (!*space) {
		atomic_fetch_sub(&go->users, 1);
		return -EBADF;
	}
	while (set) {
		int state;

		atomic_fetch_add(&to_set(set)->users, 1);
		state = atomic_load(&to_set(set)->state);
		if (state == SET_THERE)
			break;
		atomic_fetch_sub(&to_set(set)->users, 1);
		if (state == SET_GONE) {
			atomic_fetch_sub(&go->users, 1);
			return -EBADF;
		}
		sched_yield();
	}
	return 0;
}

static void update_end(struct go_space *go, uintptr_t set)
{
	if (set)
		atomic_fetch_sub(&to_set(set)->users, 1);
	atomic_fetch_sub(&go->users, 1);
}

int64_t goioasid_nothing(uintptr_t space, uintptr_t set, uint32_t id)
{
	(void)space;
	(void)set;
	return id;
}

uint64_t goioasid_time_find(uintptr_t space, const uint32_t *ids, size_t count,
			    size_t rounds)
{
	const struct ioasid_space *found = open_space(to_space(space));
	struct timespec begin, end;
	size_t at = 0;
	void *data;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (size_t i = 0; i < rounds; i++) {
		if (ioasid_space_find(found, NULL, ids[at], NULL, &data))
			return 0;
		if (++at == count)
			at = 0;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	return (uint64_t)(end.tv_sec - begin.tv_sec) * 1000000000 +
	       (uint64_t)end.tv_nsec - (uint64_t)begin.tv_nsec;
}

const char *goioasid_library_version(void)
{
	return ioasid_version();
}

int goioasid_create(const struct goioasid_config *config, uintptr_t *space)
{
	struct ioasid_space_config library = {
		.min = config->min,
		.max = config->max,
		.store = (enum ioasid_store_kind)config->store,
		.memory = { .huge_pages = config->huge_pages != 0 },
		.hash_seed = config->hash_seed,
		.reuse = (enum ioasid_reuse)config->reuse,
		.quarantine = config->quarantine != 0,
		.capacity = config->capacity,
		.name = config->name,
	};
	struct ioasid_space *made;
	struct go_space *go =
		aligned_alloc(_Alignof(struct go_space), sizeof(*go));
	int ret;

	if (!go)
		return -ENOMEM;
	memset(go, 0, sizeof(*go));
	ret = ioasid_rcu_create(NULL, &go->rcu);
	if (ret)
		goto free_go;
	library.rcu = go->rcu;
	ret = ioasid_space_create(&library, &made);
	if (ret)
		goto destroy_rcu;
	atomic_init(&go->space, made);
	*space = (uintptr_t)go;
	return 0;

destroy_rcu:
	ioasid_rcu_destroy(go->rcu);
free_go:
	free(go);
	return ret;
}

int goioasid_close(uintptr_t space)
{
	struct go_space *go = to_space(space);
	struct timespec pause = { .tv_nsec = 50000 };
	struct ioasid_space *library;
	int ret;

	if (codecs || ioasid_rcu_read_held(go->rcu))
		return -EDEADLK;
	library = atomic_exchange(&go->space, NULL);
	if (!library)
		return -EBADF;
	ret = ioasid_rcu_synchronize(go->rcu);
	if (!ret) {
		while (atomic_load(&go->users))
			nanosleep(&pause, NULL);
		ret = ioasid_space_destroy(library);
	}
	if (ret)
		atomic_store(&go->space, library);
	return ret;
}

void goioasid_drop(uintptr_t space)
{
	struct go_space *go = to_space(space);
	struct ioasid_space *library = open_space(go);

	/* What cannot be freed for want of grace periods stays. */
	if (library && ioasid_space_destroy(library))
		return;
	for (struct go_set *set = atomic_load(&go->orphans), *next; set;
	     set = next) {
		next = set->next;
		free(set);
	}
	if (!ioasid_rcu_destroy(go->rcu))
		free(go);
}

int64_t goioasid_find(uintptr_t space, uintptr_t set, uint32_t id)
{
	struct go_space *go = to_space(space);
	struct ioasid_rcu_reader *reader = ioasid_rcu_section_enter(go->rcu);
	const struct ioasid_space *library = open_space(go);
	void *data = NULL;
	int ret = -EBADF;

	if (ioasid_likely(library != NULL))
		ret = ioasid_space_find_rcu(library, library_set(set), id,
					    &data);
	ioasid_rcu_section_leave(go->rcu, reader);
	return ioasid_likely(!ret) ? token_of(data) : lookup_error(set, ret);
}

int64_t goioasid_find_to_exchange(uintptr_t space, uint32_t id, int waits)
{
	struct go_space *go = to_space(space);
	int64_t token;

	if (codecs)
		return -EDEADLK;
	token = goioasid_find(space, 0, id);
	if (token >= 0 && waits && ioasid_rcu_read_held(go->rcu))
		return -EDEADLK;
	return token;
}

int64_t goioasid_find_handle(uintptr_t space, uintptr_t set, uint64_t handle)
{
	struct go_space *go = to_space(space);
	struct ioasid_rcu_reader *reader = ioasid_rcu_section_enter(go->rcu);
	const struct ioasid_space *library = open_space(go);
	void *data = NULL;
	int ret = -EBADF;

	if (ioasid_likely(library != NULL))
		ret = ioasid_space_find_handle_rcu(library, library_set(set),
						   handle, &data);
	ioasid_rcu_section_leave(go->rcu, reader);
	return ioasid_likely(!ret) ? token_of(data) : lookup_error(set, ret);
}

int goioasid_find_many(uintptr_t space, uintptr_t set, const uint32_t *ids,
		       int64_t *results, size_t count)
{
	struct go_space *go = to_space(space);
	struct ioasid_rcu_reader *reader = ioasid_rcu_section_enter(go->rcu);
	const struct ioasid_space *library = open_space(go);
	void *data;
	int ret;

	for (size_t i = 0; library && i < count; i++) {
		ret = ioasid_space_find_rcu(library, library_set(set), ids[i],
					    &data);
		results[i] = ioasid_likely(!ret) ? token_of(data) :
						   lookup_error(set, ret);
	}
	ioasid_rcu_section_leave(go->rcu, reader);
	return library ? 0 : -EBADF;
}

struct goioasid_result goioasid_handle(uintptr_t space, uintptr_t set,
				       uint32_t id)
{
	struct goioasid_result result = { .ret = -EBADF, .id = id };
	struct go_space *go = to_space(space);
	struct ioasid_space *library;
	ioasid_handle_t handle = 0;

	ioasid_rcu_read_lock(go->rcu);
	library = open_space(go);
	if (library) {
		result.ret = ioasid_space_handle(library, library_set(set), id,
						 &handle);
		if (result.ret)
			result.ret = lookup_error(set, (int)result.ret);
	}
	ioasid_rcu_read_unlock(go->rcu);
	result.extra = handle;
	return result;
}

struct goioasid_result goioasid_spid_find(uintptr_t space, uintptr_t set,
					  uint32_t spid)
{
	struct goioasid_result result = { .ret = -EBADF };
	struct go_space *go = to_space(space);
	const struct ioasid_space *library;
	void *data;

	ioasid_rcu_read_lock(go->rcu);
	library = open_space(go);
	if (library) {
		result.ret = ioasid_spid_find(library, library_set(set), spid,
					      NULL, &result.id, &data);
		result.ret = result.ret ? lookup_error(set, (int)result.ret) :
					  token_of(data);
	}
	ioasid_rcu_read_unlock(go->rcu);
	return result;
}

int goioasid_read_lock(uintptr_t space)
{
	struct go_space *go = to_space(space);

	ioasid_rcu_read_lock(go->rcu);
	if (open_space(go))
		return 0;
	ioasid_rcu_read_unlock(go->rcu);
	return -EBADF;
}

void goioasid_read_unlock(uintptr_t space)
{
	ioasid_rcu_read_unlock(to_space(space)->rcu);
}

/* A closing space has still to wait for the section that the caller is in. */
int64_t goioasid_reader_find(uintptr_t space, uintptr_t set, uint32_t id)
{
	if (ioasid_rcu_check_reader(to_space(space)->rcu))
		return -EPERM;
	return goioasid_find(space, set, id);
}

int64_t goioasid_reader_find_handle(uintptr_t space, uintptr_t set,
				    uint64_t handle)
{
	if (ioasid_rcu_check_reader(to_space(space)->rcu))
		return -EPERM;
	return goioasid_find_handle(space, set, handle);
}

struct goioasid_result goioasid_alloc(uintptr_t space, uintptr_t set,
				      uint32_t min, uint32_t max,
				      uint64_t token)
{
	struct goioasid_result result = { 0 };
	struct ioasid_space *library;

	result.ret = update_begin(to_space(space), set, &library);
	if (result.ret)
		return result;
	result.ret = ioasid_space_alloc(library, library_set(set), min, max,
					data_of(token), &result.id);
	update_end(to_space(space), set);
	return result;
}

struct goioasid_result goioasid_alloc_cyclic(uintptr_t space, uintptr_t set,
					     uint32_t min, uint32_t max,
					     uint64_t token, uint32_t *next)
{
	struct goioasid_result result = { 0 };
	struct ioasid_space *library;

	result.ret = update_begin(to_space(space), set, &library);
	if (result.ret)
		return result;
	result.ret = ioasid_space_alloc_cyclic(library, library_set(set), min,
					       max, data_of(token), next,
					       &result.id);
	update_end(to_space(space), set);
	return result;
}

struct goioasid_result goioasid_reserve_id(uintptr_t space, uintptr_t set,
					   uint32_t min, uint32_t max)
{
	struct goioasid_result result = { 0 };
	struct ioasid_space *library;

	result.ret = update_begin(to_space(space), set, &library);
	if (result.ret)
		return result;
	result.ret = ioasid_space_reserve_id(library, library_set(set), min,
					     max, &result.id);
	update_end(to_space(space), set);
	return result;
}

int goioasid_publish_id(uintptr_t space, uint32_t id, uint64_t token)
{
	struct ioasid_space *library;
	int ret = update_begin(to_space(space), 0, &library);

	if (ret)
		return ret;
	ret = ioasid_space_publish_id(library, id, data_of(token));
	update_end(to_space(space), 0);
	return ret;
}

int goioasid_release_id(uintptr_t space, uint32_t id)
{
	struct ioasid_space *library;
	int ret = update_begin(to_space(space), 0, &library);

	if (ret)
		return ret;
	ret = ioasid_space_release_id(library, id);
	update_end(to_space(space), 0);
	return ret;
}

struct goioasid_result goioasid_remove(uintptr_t space, uintptr_t set,
				       uint32_t id)
{
	struct goioasid_result result = { .id = id };
	struct go_space *go = to_space(space);
	struct ioasid_space *library;
	void *data;

	result.ret = update_begin(go, set, &library);
	if (result.ret)
		return result;
	result.ret = ioasid_space_remove(library, library_set(set), id, &data);
	if (!result.ret) {
		result.ret = token_of(data);
		result.extra = ioasid_rcu_start_poll(go->rcu);
	}
	update_end(go, set);
	return result;
}

struct goioasid_result goioasid_free_handle(uintptr_t space, uint64_t handle)
{
	struct goioasid_result result = { .id = ioasid_handle_id(handle) };
	struct go_space *go = to_space(space);
	struct ioasid_space *library;
	void *data = NULL;

	result.ret = update_begin(go, 0, &library);
	if (result.ret)
		return result;
	/* A use of an ID has one token as long as it lasts. */
	ioasid_space_find_handle(library, NULL, handle, NULL, &data);
	result.ret = ioasid_space_free_handle(library, handle);
	if (!result.ret) {
		result.ret = token_of(data);
		result.extra = ioasid_rcu_start_poll(go->rcu);
	}
	update_end(go, 0);
	return result;
}

struct goioasid_result goioasid_free_some(uintptr_t space, uintptr_t set,
					  uint32_t *next, int64_t *tokens,
					  size_t places, int *done)
{
	struct goioasid_result result = { 0 };
	struct go_space *go = to_space(space);
	struct ioasid_space *library;
	int64_t count = 0;
	void *data;
	ioasid_t id;

	result.ret = update_begin(go, set, &library);
	if (result.ret)
		return result;
	*done = 0;
	if (set && ioasid_load_acquire(&to_set(set)->set.space) != library) {
		update_end(go, set);
		result.ret = -EXDEV;
		return result;
	}
	while ((size_t)count < places && !*done) {
		result.ret = ioasid_space_next(library, library_set(set), *next,
					       INVALID_IOASID - 1, &id, NULL);
		if (result.ret) {
			*done = 1;
			break;
		}
		if (!ioasid_space_remove(library, library_set(set), id, &data))
			tokens[count++] = token_of(data);
		*done = id == INVALID_IOASID - 1;
		*next = id + 1;
	}
	result.ret = count;
	result.extra = ioasid_rcu_start_poll(go->rcu);
	update_end(go, set);
	return result;
}

struct goioasid_result goioasid_get(uintptr_t space, uintptr_t set, uint32_t id)
{
	struct goioasid_result result = { .id = id };
	struct ioasid_space *library;
	ioasid_handle_t handle;
	int ret;

	result.ret = update_begin(to_space(space), set, &library);
	if (result.ret)
		return result;
	/* By handle, so that it is known which use the reference is to. */
	for (;;) {
		ret = ioasid_space_handle(library, library_set(set), id,
					  &handle);
		if (!ret) {
			ret = ioasid_space_get_handle(library, library_set(set),
						      handle);
			if (ret == -ESTALE)
				continue;
			result.extra = handle;
			break;
		}
		/* Why not, pending or unknown, is get's to say. */
		ret = ioasid_space_get(library, library_set(set), id);
		if (ret)
			break;
		ioasid_space_put(library, id);
	}
	update_end(to_space(space), set);
	result.ret = ret;
	return result;
}

int64_t goioasid_get_handle(uintptr_t space, uintptr_t set, uint64_t handle)
{
	struct ioasid_space *library;
	int ret = update_begin(to_space(space), set, &library);

	if (ret)
		return ret;
	ret = ioasid_space_get_handle(library, library_set(set), handle);
	update_end(to_space(space), set);
	return ret;
}

struct goioasid_put goioasid_put(uintptr_t space, uint32_t id)
{
	struct goioasid_put result = { 0 };
	struct go_space *go = to_space(space);
	struct ioasid_space *library;
	void *data = NULL;

	result.ret = update_begin(go, 0, &library);
	if (result.ret)
		return result;
	/* The reference keeps the ID with its use, and so with its token. */
	ioasid_space_find(library, NULL, id, NULL, &data);
	result.ret = ioasid_space_put(library, id);
	if (result.ret == 1 && data) {
		result.token = (uint64_t)token_of(data);
		result.cookie = ioasid_rcu_start_poll(go->rcu);
	}
	update_end(go, 0);
	return result;
}

int goioasid_next(uintptr_t space, uintptr_t set, uint32_t min, uint32_t max,
		  uint32_t *ids, int64_t *tokens, size_t places)
{
	struct go_space *go = to_space(space);
	struct ioasid_space *library;
	int ret = update_begin(go, set, &library);
	int count = 0;
	void *data;

	if (ret)
		return ret;
	while ((size_t)count < places) {
		ret = ioasid_space_next(library, library_set(set), min, max,
					&ids[count], &data);
		if (ret)
			break;
		tokens[count] = token_of(data);
		if (ids[count++] == max)
			break;
		min = ids[count - 1] + 1;
	}
	update_end(go, set);
	return count || ret == -ENOENT ? count : ret;
}

int goioasid_synchronize(uintptr_t space, int closed)
{
	struct go_space *go = to_space(space);

	if (codecs)
		return -EDEADLK;
	if (!closed && !open_space(go))
		return -EBADF;
	return ioasid_rcu_synchronize(go->rcu);
}

int goioasid_barrier(uintptr_t space)
{
	struct go_space *go = to_space(space);
	int ret = goioasid_synchronize(space, 0);

	return ret ? ret : ioasid_rcu_barrier(go->rcu);
}

int goioasid_poll(uintptr_t space, uint64_t cookie)
{
	return ioasid_rcu_poll(to_space(space)->rcu, cookie);
}

int goioasid_set_capacity(uintptr_t space, uint32_t count)
{
	struct ioasid_space *library;
	int ret = update_begin(to_space(space), 0, &library);

	if (ret)
		return ret;
	ret = ioasid_space_set_capacity(library, count);
	update_end(to_space(space), 0);
	return ret;
}

int goioasid_reserve(uintptr_t space, uint32_t count)
{
	struct ioasid_space *library;
	int ret = update_begin(to_space(space), 0, &library);

	if (ret)
		return ret;
	ret = ioasid_space_reserve(library, count);
	update_end(to_space(space), 0);
	return ret;
}

int goioasid_unreserve(uintptr_t space, uint32_t count)
{
	struct ioasid_space *library;
	int ret = update_begin(to_space(space), 0, &library);

	if (ret)
		return ret;
	ret = ioasid_space_unreserve(library, count);
	update_end(to_space(space), 0);
	return ret;
}

int goioasid_stats(uintptr_t space, struct ioasid_stats *stats)
{
	struct ioasid_space *library;
	int ret = update_begin(to_space(space), 0, &library);

	if (ret)
		return ret;
	ioasid_space_stats(library, stats);
	update_end(to_space(space), 0);
	return 0;
}

struct goioasid_result goioasid_trim(uintptr_t space)
{
	struct goioasid_result result = { 0 };
	struct ioasid_space *library;

	result.ret = update_begin(to_space(space), 0, &library);
	if (result.ret)
		return result;
	result.extra = ioasid_space_trim(library);
	update_end(to_space(space), 0);
	return result;
}

int goioasid_validate(uintptr_t space, const char **reason)
{
	struct ioasid_space *library;
	int ret = update_begin(to_space(space), 0, &library);

	if (ret)
		return ret;
	*reason = NULL;
	ret = !ioasid_space_validate(library, reason);
	update_end(to_space(space), 0);
	return ret;
}

struct text {
	struct goioasid_lines lines;
	size_t room;
};

static void print(const char *line, void *arg)
{
	struct text *text = arg;
	size_t length = strlen(line);
	size_t needed = text->lines.size + length + 1;

	if (text->lines.ret)
		return;
	if (needed > text->room) {
		size_t room = needed > 2 * text->room ? needed + 4096 :
							2 * text->room;
		char *larger = realloc(text->lines.text, room);

		if (!larger) {
			text->lines.ret = -ENOMEM;
			return;
		}
		text->lines.text = larger;
		text->room = room;
	}
	memcpy(text->lines.text + text->lines.size, line, length);
	text->lines.text[needed - 1] = '\n';
	text->lines.size = needed;
}

struct goioasid_lines goioasid_dump(uintptr_t space)
{
	struct text text = { { NULL, 0, 0 }, 0 };
	struct ioasid_space *library;

	text.lines.ret = update_begin(to_space(space), 0, &library);
	if (text.lines.ret)
		return text.lines;
	ioasid_space_dump(library, print, &text);
	update_end(to_space(space), 0);
	return text.lines;
}

uintptr_t goioasid_set_alloc(uint64_t serial)
{
	struct go_set *set = calloc(1, sizeof(*set));

	if (set)
		set->serial = serial;
	return (uintptr_t)set;
}

int goioasid_set_bind(uintptr_t space, uintptr_t set, const char *name,
		      uint64_t token, uint32_t quota, uint32_t reserved)
{
	struct ioasid_set_config config = {
		.name = name,
		.token = data_of(token),
		.quota = quota,
		.reserved = reserved,
	};
	struct ioasid_space *library;
	int ret = update_begin(to_space(space), 0, &library);

	if (ret)
		return ret;
	ret = ioasid_set_bind(library, library_set(set), &config);
	update_end(to_space(space), 0);
	return ret;
}

int goioasid_set_destroy(uintptr_t space, uintptr_t set)
{
	struct go_set *go = to_set(set);
	struct ioasid_space *library;
	int state = SET_THERE;
	int ret = update_begin(to_space(space), 0, &library);

	if (ret)
		return ret;
	while (!atomic_compare_exchange_strong(&go->state, &state, SET_BUSY)) {
		if (state == SET_GONE) {
			ret = -EBADF;
			goto end;
		}
		state = SET_THERE;
		sched_yield();
	}
	while (atomic_load(&go->users))
		sched_yield();
	ret = ioasid_set_destroy(library, &go->set);
	atomic_store(&go->state, ret ? SET_THERE : SET_GONE);
end:
	update_end(to_space(space), 0);
	return ret;
}

static void free_set(struct ioasid_rcu_head *head)
{
	free((char *)head - offsetof(struct go_set, head));
}

void goioasid_set_drop(uintptr_t space, uintptr_t set)
{
	struct go_space *go = to_space(space);
	struct go_set *gone = to_set(set);

	if (!ioasid_load_acquire(&gone->set.space)) {
		/* Who asked for an owner may be reading its serial number. */
		ioasid_rcu_retire(go->rcu, &gone->head, free_set,
				  sizeof(*gone));
		return;
	}
	gone->next = atomic_load(&go->orphans);
	while (!atomic_compare_exchange_weak(&go->orphans, &gone->next, gone))
		;
}

int goioasid_set_limit(uintptr_t space, uintptr_t set, uint32_t quota,
		       uint32_t reserved)
{
	struct ioasid_space *library;
	int ret = update_begin(to_space(space), set, &library);

	if (ret)
		return ret;
	ret = ioasid_set_limit(library, library_set(set), quota, reserved);
	update_end(to_space(space), set);
	return ret;
}

int goioasid_set_stats(uintptr_t space, uintptr_t set,
		       struct ioasid_set_info *info)
{
	struct ioasid_space *library;
	int ret = update_begin(to_space(space), set, &library);

	if (ret)
		return ret;
	ret = ioasid_set_stats(library, library_set(set), info);
	update_end(to_space(space), set);
	return ret;
}

struct goioasid_result goioasid_set_by_token(uintptr_t space, uint64_t token)
{
	struct goioasid_result result = { 0 };
	struct go_space *go = to_space(space);
	struct ioasid_space *library;
	struct ioasid_set *set;

	result.ret = update_begin(go, 0, &library);
	if (result.ret)
		return result;
	ioasid_rcu_read_lock(go->rcu);
	result.ret = ioasid_set_by_token(library, data_of(token), &set);
	if (!result.ret)
		result.extra = serial_of(set);
	ioasid_rcu_read_unlock(go->rcu);
	update_end(go, 0);
	return result;
}

struct goioasid_result goioasid_set_of(uintptr_t space, uint32_t id)
{
	struct goioasid_result result = { .id = id };
	struct go_space *go = to_space(space);
	struct ioasid_space *library;
	struct ioasid_set *set;

	result.ret = update_begin(go, 0, &library);
	if (result.ret)
		return result;
	ioasid_rcu_read_lock(go->rcu);
	result.ret = ioasid_set_of(library, id, &set);
	if (!result.ret)
		result.extra = serial_of(set);
	ioasid_rcu_read_unlock(go->rcu);
	update_end(go, 0);
	return result;
}

int goioasid_spid_attach(uintptr_t space, uint32_t id, uint32_t spid)
{
	struct ioasid_space *library;
	int ret = update_begin(to_space(space), 0, &library);

	if (ret)
		return ret;
	ret = ioasid_spid_attach(library, id, spid);
	update_end(to_space(space), 0);
	return ret;
}

int goioasid_spid_detach(uintptr_t space, uint32_t id)
{
	struct ioasid_space *library;
	int ret = update_begin(to_space(space), 0, &library);

	if (ret)
		return ret;
	ret = ioasid_spid_detach(library, id);
	update_end(to_space(space), 0);
	return ret;
}

struct goioasid_result goioasid_spid_of(uintptr_t space, uint32_t id)
{
	struct goioasid_result result = { 0 };
	struct ioasid_space *library;

	result.ret = update_begin(to_space(space), 0, &library);
	if (result.ret)
		return result;
	result.ret = ioasid_spid_of(library, id, &result.id);
	update_end(to_space(space), 0);
	return result;
}

static uint64_t encode(void *context, ioasid_t id, void *data)
{
	return goioasidEncode((uintptr_t)context, id, (uint64_t)token_of(data));
}

static int decode(void *context, ioasid_t id, uint64_t number, void **data)
{
	uint64_t token = goioasidDecode((uintptr_t)context, id, number);

	*data = data_of(token);
	return token ? 0 : -ECANCELED;
}

static uint64_t encode_token(void *context, void *token)
{
	(void)context;
	return (uint64_t)token_of(token);
}

static int decode_token(void *context, uint64_t number, void **token)
{
	(void)context;
	*token = data_of(number);
	return 0;
}

static struct ioasid_set *restore_set(void *context,
				      const struct ioasid_set_info *info)
{
	(void)info;
	return library_set(goioasidSet((uintptr_t)context));
}

int goioasid_snapshot(uintptr_t space, uintptr_t codec, void *buffer,
		      size_t size, size_t *needed)
{
	struct ioasid_codec functions = {
		.encode = encode,
		.decode = decode,
		.encode_token = encode_token,
		.decode_token = decode_token,
		.context = (void *)codec,
	};
	struct ioasid_space *library;
	int ret = update_begin(to_space(space), 0, &library);

	if (ret)
		return ret;
	codecs++;
	ret = ioasid_space_snapshot(library, &functions, buffer, size, needed);
	codecs--;
	update_end(to_space(space), 0);
	return ret;
}

int goioasid_restore(uintptr_t space, uintptr_t codec, const void *snapshot,
		     size_t size)
{
	struct ioasid_codec functions = {
		.encode = encode,
		.decode = decode,
		.encode_token = encode_token,
		.decode_token = decode_token,
		.restore_set = restore_set,
		.context = (void *)codec,
	};
	struct ioasid_space *library;
	int ret = update_begin(to_space(space), 0, &library);

	if (ret)
		return ret;
	codecs++;
	ret = ioasid_space_restore(library, &functions, snapshot, size);
	codecs--;
	update_end(to_space(space), 0);
	return ret;
}

int goioasid_in_codec(void)
{
	return codecs != 0;
}
