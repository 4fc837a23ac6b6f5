/* SPDX-License-Identifier: MIT */
#ifndef IOASID_FUZZ_HARNESS_H
#define IOASID_FUZZ_HARNESS_H

/*
 * Calls of the library, made on the three stores and on a model of each:
 *   decode.c   bytes to steps
 *   run.c      a step on one store and its model
 *   check.c    a store against its model
 *   harness.c  stores made, steps run on all, all taken back
 *   minimal.c  a failure with fewer steps
 *   print.c    what ran, as C
 */

#include "fuzz/input.h"

_Noreturn void harness_failed(const char *file, int line, const char *what);

#define CHECK(condition)                                                \
	do {                                                            \
		if (!(condition))                                       \
			harness_failed(__FILE__, __LINE__, #condition); \
	} while (0)

#include "fuzz/api/calls.h"
#include "fuzz/api/sequence.h"
#include "test/model.h"

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
	/* free of what a walk visits */
	STEP_FREE_IN_WALK,
	STEP_FREE_ALL,
	STEP_CYCLE,
	STEP_READ_LOCK,
	STEP_READ_UNLOCK,
	STEP_SYNCHRONIZE,
	STEP_BARRIER,
	STEP_START_POLL,
	STEP_POLL,
	STEP_DEFER,
	STEP_RETIRE,
	STEP_QUIESCENT,
	STEP_OFFLINE,
	STEP_ANONYMOUS,
	STEP_DOMAIN_STATS,
	STEP_DESTROY,
	STEP_STATS,
	STEP_TRIM,
	STEP_VALIDATE,
	STEP_SET_BIND,
	STEP_SET_CREATE,
	STEP_SET_DESTROY,
	STEP_SET_LIMIT,
	STEP_SET_FREE_ALL,
	STEP_SET_BY_TOKEN,
	STEP_SET_OF,
	STEP_SET_STATS,
	STEP_SET_FOR_EACH,
	STEP_CAPACITY,
	STEP_RESERVE,
	STEP_UNRESERVE,
	STEP_SPID_ATTACH,
	STEP_SPID_DETACH,
	STEP_SPID_OF,
	STEP_SPID_FIND,
	STEP_HANDLE,
	STEP_FIND_HANDLE,
	STEP_FIND_HANDLE_RCU,
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
	/* a create that has to be refused */
	STEP_WRONG_CONFIG,
	STEP_WRONG_CALLS,
	/* that validate has to notice */
	STEP_DAMAGE,
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

/* A call, its arguments as they are passed: the same for all stores. */
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
	/* @id ought to be another; nothing says which it is to be */
	bool wrong_id, any_id;
	/* by a call on the default space */
	bool by_default;
	/* nothing says what @ret is to be */
	bool any;
	int ret;
	ioasid_t id;
	uint64_t value;
	struct ioasid_stats stats;
	/* of callbacks and notifiers, from the start, once it is done */
	bool told, calls_wrong;
	uint32_t calls;
	uint64_t sum;
};

struct log_entry {
	struct step step;
	struct step_result result;
};

enum harness_memory {
	/* hooks that count, without and with those for ranges */
	MEMORY_HOOKS,
	MEMORY_RANGES,
	/* no hooks: the system's */
	MEMORY_SYSTEM,
};

struct harness_config {
	ioasid_t min, max;
	enum ioasid_rcu_flavour flavour;
	bool no_membarrier;
	/* one domain for all; the space's own */
	bool shared, own;
	enum harness_memory memory;
	/* a lock of the user's */
	bool lock;
	uint32_t sets;
	size_t pending_limit;
	uint64_t hash_seed;
	/* the allocation that fails in a first create */
	uint32_t create_fail;
	enum ioasid_reuse reuse;
	bool quarantine;
	uint32_t capacity;
	/* the hash store given as one of the user's own */
	bool custom;
	/* the side whose space is the default space; SIDES: none */
	uint32_t by_default;
};

struct side {
	const char *name;
	enum ioasid_store_kind store;
	struct sequence_memory memory, rcu_memory;
	struct sequence_lock lock;
	struct sequence_rcu own_flavour;
	struct ioasid_rcu *rcu;
	struct ioasid_space *space;
	/* it takes no part, or its create was refused as it should be */
	bool absent;
	bool is_default;
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
	/* spent, and what may be */
	uint64_t work, work_max;
	/* checks since the last of everything */
	uint32_t checks;
	const char *wrong;
	const struct side *wrong_side;
	/* what is wrong was found when the model had done the last step */
	bool model_in_step;
	/* steps that ran on all sides, before all is taken back */
	struct step *step;
	size_t steps, steps_room;
};

extern struct harness harness;

/* What an input may cost, in units of about 50 ns: the input says which. */
#define WORK_SHORT 5000
#define WORK_LONG 40000
#define DEPTH_MAX 3
#define SETS_MANY 300

/* Everything is checked after each step. */
extern bool harness_thorough;
/* They take the place of the hash store and of the flavours epoch and custom. */
extern const struct ioasid_store_ops *harness_store_ops;
extern const struct ioasid_rcu_ops *harness_rcu_ops;

/* Runs one input; a mismatch is printed, and the process ends. */
void harness_run(const uint8_t *data, size_t size);
/*
 * Runs steps with @config, but those that make no sense where they are, on the
 * side of that number or on all (SIDES).
 */
void harness_rerun(const struct harness_config *config, const struct step *step,
		   size_t steps, size_t only);
/* Called when all of an input ran, before all is taken back; or NULL. */
extern void (*harness_ran)(void);
/* Called at a mismatch, before it is printed; or NULL. */
extern void (*harness_mismatch)(void);

_Noreturn void mismatch(const struct side *side, const char *what);

#define EXPECT(condition, text)               \
	do {                                  \
		if (!(condition))             \
			mismatch(side, text); \
	} while (0)

/* decode.c */
void decode_config(struct input *input, struct harness_config *config);
void decode_step(struct input *input);

/* run.c: on one side; logged */
struct step_result *run_side(struct side *side, const struct step *step);
bool is_qsbr(void);
/* A set of another space. */
extern struct ioasid_set foreign_set;
/* In the log of callbacks for the model. */
size_t on_begin(void *context, const struct sequence_call *call);
void on_end(void *context, size_t at, const struct sequence_call *call);

/* check.c: what @step may have changed, NULL: everything */
void check(struct side *side, const struct step *step);
/* Everything once in so many steps. */
void check_now_and_then(struct side *side, const struct step *step);

/* harness.c: a step on all sides, and others that it needs before it */
void run(const struct step *step);
void run_op(enum step_op op);
void unlock_all(void);
bool work_left(void);
/* Calls that do not take NULL for a set. */
bool step_needs_set(enum step_op op);
/* The model whose IDs are referred to. */
const struct model *reference(void);
bool is_made(uint32_t slot);

/* minimal.c: prints the shortest that fails the same; false: nothing does. */
bool print_minimal(FILE *file);

/* print.c: what ran on a store, NULL: on each */
void print_log(FILE *file, const char *store);

#endif /* IOASID_FUZZ_HARNESS_H */
