/* SPDX-License-Identifier: MIT */
#ifndef IOASID_FUZZ_HARNESS_H
#define IOASID_FUZZ_HARNESS_H

/*
 * Bytes decoded to operations, which run on the three stores and on a model of
 * each. Operations are read from the front, the configuration from the end.
 */

_Noreturn void harness_failed(const char *file, int line, const char *what);

#define CHECK(condition)                                                \
	do {                                                            \
		if (!(condition))                                       \
			harness_failed(__FILE__, __LINE__, #condition); \
	} while (0)

#include "fuzz/api/calls.h"
#include "fuzz/api/sequence.h"
#include "test/model.h"

/* Runs one input; anything wrong is printed and ends in harness_end. */
void harness_run(const uint8_t *data, size_t size);

/* Called after a mismatch was printed; does not return. */
extern void (*harness_end)(void);

/* They take the place of the hash store and of the flavour epoch. */
extern const struct ioasid_store_ops *harness_store_ops;
extern const struct ioasid_rcu_ops *harness_rcu_ops;

/* Prints what has run so far on a store as a C program; all if NULL. */
void harness_print(FILE *file, const char *store);
/* Prints each input that ran through, instead of nothing. */
extern const char *harness_print_store;

/*
 * One operation, its arguments as they are passed: the same for all stores.
 */
enum step_op {
	STEP_ALLOC,
	STEP_FREE,
	STEP_FREE_DEFERRED,
	STEP_FIND,
	STEP_FIND_RCU,
	STEP_GET,
	STEP_GET_MANY,
	STEP_PUT,
	STEP_PUT_MANY,
	STEP_EXCHANGE_DATA,
	STEP_SET_DATA,
	STEP_FOR_EACH,
	STEP_FREE_ALL,
	STEP_CYCLE,
	STEP_READ_LOCK,
	STEP_READ_UNLOCK,
	STEP_SYNCHRONIZE,
	STEP_BARRIER,
	STEP_START_POLL,
	STEP_POLL,
	STEP_DEFER,
	STEP_QUIESCENT,
	STEP_OFFLINE,
	STEP_ANONYMOUS,
	STEP_DESTROY,
	STEP_STATS,
	STEP_TRIM,
	STEP_SET_BIND,
	STEP_SET_CREATE,
	STEP_SET_DESTROY,
	STEP_SET_LIMIT,
	STEP_SET_FREE_ALL,
	STEP_SET_BY_TOKEN,
	STEP_SET_OF,
	STEP_CAPACITY,
	STEP_RESERVE,
	STEP_UNRESERVE,
	STEP_SPID_ATTACH,
	STEP_SPID_DETACH,
	STEP_SPID_OF,
	STEP_SPID_FIND,
	STEP_HANDLE,
	STEP_FIND_HANDLE,
	STEP_GET_HANDLE,
	STEP_FREE_HANDLE,
	STEP_REGISTER_ALLOCATOR,
	STEP_UNREGISTER_ALLOCATOR,
	STEP_REGISTER_NOTIFIER,
	STEP_UNREGISTER_NOTIFIER,
	STEP_ARM,
	STEP_NOTIFY,
	STEP_SNAPSHOT,
	STEP_DUMP,
	STEP_ALLOC_CYCLIC,
	STEP_RESERVE_ID,
	STEP_PUBLISH_ID,
	STEP_RELEASE_ID,
	STEP_NEXT,
	STEP_REMOVE,
	STEPS,
};

enum step_getter {
	GETTER_NONE,
	GETTER_YES,
	GETTER_NO,
	GETTER_WAITS,
};

#define SET_NONE 0u
#define SET_FOREIGN UINT32_MAX
/* The first of those that the space made. */
#define SET_MADE 0x10000u

struct step {
	enum step_op op;
	/* SET_NONE, SET_FOREIGN, SET_MADE on, or the number of a set, from 1 */
	uint32_t set;
	ioasid_t id, max;
	uint32_t number;
	enum step_getter getter;
	/* the allocation that fails meanwhile; see sequence_fail() */
	uint32_t fail_at;
	/* which handle, made set, allocator or notifier */
	uint32_t slot;
	uint32_t name, token, quota, reserved;
	ioasid_t spid;
	/* of allocators, if there are */
	bool answers;
	ioasid_t answer;
	uint32_t refusals;
};

struct step_result {
	bool done;
	/* nothing says what @ret is to be */
	bool any;
	int ret;
	ioasid_t id;
	uint64_t value;
	struct ioasid_stats stats;
	/* of callbacks and notifiers; from the start */
	uint32_t calls;
	uint64_t sum;
};

struct log_entry {
	struct step step;
	struct step_result result;
};

struct harness_config {
	ioasid_t min, max;
	enum ioasid_rcu_flavour flavour;
	bool no_membarrier;
	/* one domain for all; the space's own */
	bool shared, own;
	bool reserve;
	uint32_t sets;
	size_t pending_limit;
	uint64_t hash_seed;
	/* the allocation that fails in a first create */
	uint32_t create_fail;
	enum ioasid_reuse reuse;
	bool quarantine;
	uint32_t capacity;
};

struct side {
	const char *name;
	enum ioasid_store_kind store;
	struct sequence_memory memory, rcu_memory;
	struct ioasid_rcu *rcu;
	struct ioasid_space *space;
	/* its create was refused as it should be */
	bool absent;
	int create_ret;
	struct ioasid_set *set;
	struct model model;
	/* as that of the actors is to be */
	ioasid_t cursor;
	struct sequence_actors actors;
	struct sequence_deferred deferred;
	/* bytes of the hooks that are not in the statistics */
	size_t overhead;
	uint64_t cookie, cookie_section;
	bool cookie_passed;
	struct log_entry *log;
	size_t count, room;
};

#define SIDES 3

struct harness {
	struct harness_config config;
	struct side side[SIDES];
	/* of all sides; sections nest */
	uint32_t depth;
	bool cookie_taken;
	/* generations have turned: the stores may choose differently */
	bool diverged;
	const char *wrong;
	const struct side *wrong_side;
	/* what is wrong was found when the model had done the last step */
	bool model_in_step;
};

extern struct harness harness;

#endif /* IOASID_FUZZ_HARNESS_H */
