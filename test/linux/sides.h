/* SPDX-License-Identifier: MIT */
#ifndef IOASID_TEST_LINUX_SIDES_H
#define IOASID_TEST_LINUX_SIDES_H

/* The kernel's allocator and ours, called alike. */

#include "test/fixture.h"

#include <ioasid/ioasid.h>

#include "bench/peers/linux/linux_ioasid.h"

enum {
	SIDE_LINUX,
	SIDE_DEFAULT,
	/* a space of each store */
	SIDE_STORES,
	SIDES = SIDE_STORES + TEST_STORES,
};

struct side {
	const char *name;
	int index;
	/* NULL: Linux */
	struct ioasid_space *space;
	struct test_memory memory;
};

/* An owner has a set in every space; to Linux a set is an address. */
struct owner {
	struct ioasid_set set[SIDES];
};

/* Callbacks for either: the one not asked for is not used. */
struct chooser {
	struct ioasid_allocator_ops ops;
	struct linux_ioasid_ops linux_ops;
};

/* For IDs from @min to @max. */
void side_begin(struct side *side, int index, ioasid_t min, ioasid_t max);
/* Nothing may be live. */
void side_end(struct side *side);

ioasid_t side_alloc(struct side *side, struct owner *owner, ioasid_t min,
		    ioasid_t max, void *data);
void side_free(struct side *side, ioasid_t id);
/* Error pointers as ioasid_find() has them. */
void *side_find(struct side *side, struct owner *owner, ioasid_t id,
		bool (*getter)(void *data));
int side_set_data(struct side *side, ioasid_t id, void *data);
int side_register(struct side *side, struct chooser *chooser);
/* Of Linux always 0. */
int side_unregister(struct side *side, struct chooser *chooser);

void chooser_init(struct chooser *chooser,
		  ioasid_t (*alloc)(ioasid_t min, ioasid_t max, void *pdata),
		  void (*free)(ioasid_t id, void *pdata), void *pdata);

#endif /* IOASID_TEST_LINUX_SIDES_H */
