/* SPDX-License-Identifier: MIT */
#ifndef GOIOASID_GLUE_H
#define GOIOASID_GLUE_H

/*
 * What Go calls. Spaces and sets are numbers to Go, so that neither its garbage
 * collector nor its checks of pointers look at them; private pointers are tokens
 * of the table of values on Go's side, 0 for none. Each call is one read section
 * or one update from its beginning to its end, on one thread. Errors are negative
 * errnos; a token is positive.
 */

#include <stdint.h>

#include "ioasid.h"

struct goioasid_config {
	uint32_t min, max, store, reuse, capacity;
	int quarantine, huge_pages;
	uint64_t hash_seed;
	const char *name;
};

/* A result with whatever else a call has to say. */
struct goioasid_result {
	int64_t ret;
	uint64_t extra;
	uint32_t id;
};

struct goioasid_lines {
	char *text;
	size_t size;
	int ret;
};

/* An empty call, for benchmarks. */
int64_t goioasid_nothing(uintptr_t space, uintptr_t set, uint32_t id);
/* Nanoseconds for @rounds lookups of IDs of @ids in turn, in C. */
uint64_t goioasid_time_find(uintptr_t space, const uint32_t *ids, size_t count,
			    size_t rounds);

const char *goioasid_library_version(void);
int goioasid_create(const struct goioasid_config *config, uintptr_t *space);
int goioasid_close(uintptr_t space);
/* What is left of a space that no call can reach any more. */
void goioasid_drop(uintptr_t space);

/* Lookups: a token, or an error. */
int64_t goioasid_find(uintptr_t space, uintptr_t set, uint32_t id);
/* For an update of the value; -EDEADLK in a codec, and where one that waits may not. */
int64_t goioasid_find_to_exchange(uintptr_t space, uint32_t id, int waits);
int64_t goioasid_find_handle(uintptr_t space, uintptr_t set, uint64_t handle);
int goioasid_find_many(uintptr_t space, uintptr_t set, const uint32_t *ids,
		       int64_t *results, size_t count);
struct goioasid_result goioasid_handle(uintptr_t space, uintptr_t set,
				       uint32_t id);
struct goioasid_result goioasid_spid_find(uintptr_t space, uintptr_t set,
					  uint32_t spid);

/* Read sections of more than one call; the thread must be the same. */
int goioasid_read_lock(uintptr_t space);
void goioasid_read_unlock(uintptr_t space);
int64_t goioasid_reader_find(uintptr_t space, uintptr_t set, uint32_t id);
int64_t goioasid_reader_find_handle(uintptr_t space, uintptr_t set,
				    uint64_t handle);

/* The lives of IDs; ret is 0, 1 or an error, extra what is named. */
struct goioasid_result goioasid_alloc(uintptr_t space, uintptr_t set,
				      uint32_t min, uint32_t max,
				      uint64_t token);
struct goioasid_result goioasid_alloc_cyclic(uintptr_t space, uintptr_t set,
					     uint32_t min, uint32_t max,
					     uint64_t token, uint32_t *next);
struct goioasid_result goioasid_reserve_id(uintptr_t space, uintptr_t set,
					   uint32_t min, uint32_t max);
int goioasid_publish_id(uintptr_t space, uint32_t id, uint64_t token);
int goioasid_release_id(uintptr_t space, uint32_t id);
/* The token of the ended life, or an error; extra: cookie of a grace period. */
struct goioasid_result goioasid_remove(uintptr_t space, uintptr_t set,
				       uint32_t id);
struct goioasid_result goioasid_free_handle(uintptr_t space, uint64_t handle);
/*
 * Frees the live IDs from *next to max, as many as there are places: their
 * number, or an error; extra: cookie. *next is the ID to go on with; done: 1.
 */
struct goioasid_result goioasid_free_some(uintptr_t space, uintptr_t set,
					  uint32_t *next, int64_t *tokens,
					  size_t places, int *done);
/* extra: the handle that a reference was taken to; id: its ID */
struct goioasid_result goioasid_get(uintptr_t space, uintptr_t set,
				    uint32_t id);
int64_t goioasid_get_handle(uintptr_t space, uintptr_t set, uint64_t handle);
struct goioasid_put {
	int ret;
	/* the token of a life that ended with it, else 0 */
	uint64_t token, cookie;
};
struct goioasid_put goioasid_put(uintptr_t space, uint32_t id);
/* Live IDs from min on: their number. */
int goioasid_next(uintptr_t space, uintptr_t set, uint32_t min, uint32_t max,
		  uint32_t *ids, int64_t *tokens, size_t places);

/* Grace periods */
/* @closed: also of a space that is closed; else -EBADF for it. */
int goioasid_synchronize(uintptr_t space, int closed);
int goioasid_barrier(uintptr_t space);
int goioasid_poll(uintptr_t space, uint64_t cookie);

/* The whole of a space */
int goioasid_set_capacity(uintptr_t space, uint32_t count);
int goioasid_reserve(uintptr_t space, uint32_t count);
int goioasid_unreserve(uintptr_t space, uint32_t count);
int goioasid_stats(uintptr_t space, struct ioasid_stats *stats);
struct goioasid_result goioasid_trim(uintptr_t space);
/* 0; an error; 1: *reason says what is wrong. */
int goioasid_validate(uintptr_t space, const char **reason);
/* The text is for free(). */
struct goioasid_lines goioasid_dump(uintptr_t space);

/* Sets; 0 where there is no memory. */
uintptr_t goioasid_set_alloc(uint64_t serial);
int goioasid_set_bind(uintptr_t space, uintptr_t set, const char *name,
		      uint64_t token, uint32_t quota, uint32_t reserved);
int goioasid_set_destroy(uintptr_t space, uintptr_t set);
/* Frees a set that no call of Go's can name any more. */
void goioasid_set_drop(uintptr_t space, uintptr_t set);
int goioasid_set_limit(uintptr_t space, uintptr_t set, uint32_t quota,
		       uint32_t reserved);
int goioasid_set_stats(uintptr_t space, uintptr_t set,
		       struct ioasid_set_info *info);
/* extra: the serial number of the set, 0 for none */
struct goioasid_result goioasid_set_by_token(uintptr_t space, uint64_t token);
struct goioasid_result goioasid_set_of(uintptr_t space, uint32_t id);
int goioasid_spid_attach(uintptr_t space, uint32_t id, uint32_t spid);
int goioasid_spid_detach(uintptr_t space, uint32_t id);
struct goioasid_result goioasid_spid_of(uintptr_t space, uint32_t id);

/* Snapshots; @codec goes to the functions of codec.go. */
int goioasid_snapshot(uintptr_t space, uintptr_t codec, void *buffer,
		      size_t size, size_t *needed);
int goioasid_restore(uintptr_t space, uintptr_t codec, const void *snapshot,
		     size_t size);
/* 1 on a thread on which a codec is being called. */
int goioasid_in_codec(void);

#endif /* GOIOASID_GLUE_H */
