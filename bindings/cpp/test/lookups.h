/* SPDX-License-Identifier: MIT */
#ifndef LOOKUPS_H
#define LOOKUPS_H

#include <stdint.h>

/*
 * A way that the hash store takes only while its table is replaced. g++ would
 * make it part of a lookup in C++, where it is inline, and not in C, where that
 * has another meaning: said here for both, before the headers. C takes that for
 * the place of its definition, of which a program has one already.
 */
#ifndef LOOKUPS_LINKED
struct ioasid_slot;
struct ioasid_store;
#ifdef __cplusplus
extern "C"
#endif
	struct ioasid_slot *
	ioasid_hash_find_moved(const struct ioasid_store *store, uint32_t id)
		__attribute__((cold));
#endif

#include <ioasid/space.h>

struct session {
	int user;
};

/* What a C program keeps where C++ has a space<T> and a set<T>. */
struct space_of_c {
	struct ioasid_space *native;
};

struct set_of_c {
	struct ioasid_space *space;
	struct ioasid_set *native;
};

#ifndef __cplusplus
int lookup_id(const struct space_of_c *space, ioasid_t id);
int lookup_set(const struct space_of_c *space, const struct set_of_c *set,
	       ioasid_t id);
int lookup_handle(const struct space_of_c *space, const struct set_of_c *set,
		  ioasid_handle_t handle);
int lookup_owned(const struct space_of_c *space, const struct set_of_c *set,
		 ioasid_t id);
#endif

#endif
