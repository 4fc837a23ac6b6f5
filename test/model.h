/* SPDX-License-Identifier: MIT */
#ifndef IOASID_TEST_MODEL_H
#define IOASID_TEST_MODEL_H

/*
 * What a space is to do, as a sorted array and nothing cleverer. Calls mirror
 * those of the library and give the results these must give, after the space
 * has given its own.
 *
 * The freedoms a space has:
 * - An ID in quarantine may come back into use no sooner than the read section
 *   ends that it was vacated in, and no later than the first alloc that is
 *   outside of a read section and after a synchronize; in between, alloc may
 *   give it or pass it over. The same holds for the place of a destroyed set,
 *   and for a SPID whose generation turned.
 * - A handle of an ID that nobody has is unknown, or stale: MODEL_GONE.
 */

#include <ioasid/notifier.h>
#include <ioasid/allocator.h>
#include <ioasid/set.h>
#include <ioasid/snapshot.h>
#include <ioasid/space.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Builds in which generations turn soon enough. */
#if IOASID_STATE_BITS == 32 || defined(IOASID_GENERATION_START)
#define MODEL_TURNS 1
#else
#define MODEL_TURNS 0
#endif

/* -ENOENT or -ESTALE. */
#define MODEL_GONE 1000

enum model_state {
	MODEL_LIVE,
	MODEL_PENDING,
	/* not published */
	MODEL_RESERVED,
	MODEL_QUARANTINED,
	MODEL_STATES,
};

struct model_entry {
	ioasid_t id;
	enum model_state state;
	const struct ioasid_set *set;
	void *data;
	uint32_t refs;
	/* INVALID_IOASID: none */
	ioasid_t spid;
	/* 0: not known */
	ioasid_handle_t handle;
	/* that chose it; NULL: the space did */
	struct ioasid_allocator_ops *ops;
	/* the end of this use is a turn of the generation */
	bool turns;
	/* quarantined: in this read section; before the last grace period */
	bool held, aged;
};

struct model_set {
	struct ioasid_set *set;
	struct ioasid_set_info stats;
};

/* What waits for a grace period beside IDs: the place of a set, a SPID. */
struct model_waiting {
	const struct ioasid_set *set;
	ioasid_t spid;
	bool held, aged;
};

struct model_allocator {
	struct ioasid_allocator_ops *ops;
	/* unregistered, and has IDs */
	bool leaving;
	uint32_t ids;
};

struct model_notifier {
	struct ioasid_notifier *notifier;
	const struct ioasid_set *set;
	int priority;
	/* events that happened before */
	uint64_t since;
	bool running, ended;
};

struct model_event {
	struct ioasid_notice notice;
	uint64_t number;
};

/* An ID to be handed back, and what a lookup in the callback answers. */
struct model_back {
	ioasid_t id;
	int found;
};

/*
 * What callbacks and notifiers were called for and did, in order: the test's
 * functions write it with model_called(), the model reads it.
 */
enum model_call_kind {
	/* by alloc, for an ID from @min to @max: gave @id */
	MODEL_ASKED,
	/* @id is handed back; a lookup in the callback answers @ret */
	MODEL_GIVEN,
	/* @notice */
	MODEL_TOLD,
	/* @action of the notifier told last, with @id, answers @ret */
	MODEL_DID,
	MODEL_RELEASED,
};

enum model_action {
	MODEL_GET,
	MODEL_FREE,
	/* of an ID without set, from @min to @max */
	MODEL_ALLOC,
	MODEL_UNREGISTER,
	MODEL_BIND,
	MODEL_ACTIONS,
};

struct model_call {
	enum model_call_kind kind;
	/* the ops or the notifier */
	const void *whose;
	ioasid_t min, max, id;
	int ret;
	enum model_action action;
	struct ioasid_notice notice;
};

#define MODEL_PAST 64
#define MODEL_ALLOCATORS 8
#define MODEL_NOTIFIERS 8

struct model {
	ioasid_t min, max;
	struct model_entry *entry;
	size_t count, room;
	/* entries by enum model_state */
	uint32_t in_state[MODEL_STATES];
	struct model_set *set;
	size_t sets, sets_room;
	struct model_waiting *waiting;
	size_t waits, waits_room;
	/* a set of another space */
	const struct ioasid_set *foreign;
	struct ioasid_stats stats;
	/* IDs in use without set */
	uint32_t unowned;
	bool in_section;
	/* the policy */
	enum ioasid_reuse reuse;
	bool quarantine;
	/* one above the last ID that the space chose from several */
	ioasid_t cursor;
	bool moves;
	/* IDs that went to quarantine since their generation turned */
	uint64_t turned;
	/* the use of an ID that ended last, if it is known to be unknown */
	ioasid_handle_t ended;
	/* those before; none of them may come again soon */
	ioasid_handle_t past[MODEL_PAST];
	size_t pasts;
	/* but those of worn slots, from before a restore */
	bool repeats;
	struct model_allocator allocator[MODEL_ALLOCATORS];
	struct model_notifier notifier[MODEL_NOTIFIERS];
	/* told now and to be told */
	struct model_event *event;
	size_t told, events, events_room;
	uint64_t happened;
	bool telling;
	struct model_back *back;
	size_t backs, backs_room;
	struct model_call *call;
	size_t called, calls, calls_room;
	/* the first thing wrong with calls and answers */
	const char *wrong;
	/* what the last alloc was to answer */
	int expected;
	/* the generation of an ID's slot, 0 without slot */
	uint32_t (*generation)(void *context, ioasid_t id);
	void *context;
};

/*
 * An empty space of IDs from @min to @max. @generation is asked after every
 * alloc and may be NULL, if none is to be known.
 */
void model_init(struct model *model, ioasid_t min, ioasid_t max,
		uint32_t (*generation)(void *context, ioasid_t id),
		void *context);
/* Of a configuration: policy and capacity. */
void model_configure(struct model *model,
		     const struct ioasid_space_config *config);
void model_destroy(struct model *model);

/* For @generation: looks at the slot. @context is the space. */
uint32_t model_space_generation(void *context, ioasid_t id);

/* A callback or notifier was called. */
void model_called(struct model *model, const struct model_call *call);
/*
 * After each call, once the model has had it: what was wrong with the calls of
 * callbacks and notifiers, in words, or NULL.
 */
const char *model_wrong(struct model *model);
/* Is @ret what the model expects? */
bool model_is(int expected, int ret);

/*
 * Says what is wrong with the answer @ret, @id that a space gave to an alloc,
 * or takes it over and returns NULL.
 */
const char *model_alloc(struct model *model, struct ioasid_set *set,
			ioasid_t min, ioasid_t max, void *data, int ret,
			ioasid_t id);
/* As model_alloc(); @next is a copy of the caller's cursor and moves along. */
const char *model_alloc_cyclic(struct model *model, struct ioasid_set *set,
			       ioasid_t min, ioasid_t max, void *data,
			       ioasid_t *next, int ret, ioasid_t id);
const char *model_reserve_id(struct model *model, struct ioasid_set *set,
			     ioasid_t min, ioasid_t max, int ret, ioasid_t id);
int model_publish_id(struct model *model, ioasid_t id, void *data);
int model_release_id(struct model *model, ioasid_t id);
/* An alloc that had no memory. */
void model_alloc_nomem(struct model *model);
int model_free(struct model *model, ioasid_t id);
/* @data is written only for 0. */
int model_remove_id(struct model *model, const struct ioasid_set *set,
		    ioasid_t id, void **data);
/* No handler may allocate meanwhile. */
int model_free_all(struct model *model, uint32_t *count);
int model_find(const struct model *model, const struct ioasid_set *set,
	       ioasid_t id, void **data);
int model_get(struct model *model, const struct ioasid_set *set, ioasid_t id);
int model_put(struct model *model, ioasid_t id);
int model_exchange_data(struct model *model, ioasid_t id, void *data,
			void **old);
/* Outside of a read section. */
int model_set_data(struct model *model, ioasid_t id, void *data);
int model_for_each(const struct model *model, const struct ioasid_set *set,
		   ioasid_t min, ioasid_t max,
		   int (*func)(ioasid_t id, void *data, void *arg), void *arg);
/* @id and @data are written only for 0. */
int model_next_id(const struct model *model, const struct ioasid_set *set,
		  ioasid_t min, ioasid_t max, ioasid_t *id, void **data);
/* @quarantined is the most there may be, @memory 0. */
void model_stats(const struct model *model, struct ioasid_stats *stats);
/* Slots may have gone, with their generations. */
void model_trim(struct model *model);

int model_handle(const struct model *model, const struct ioasid_set *set,
		 ioasid_t id, ioasid_handle_t *handle);
int model_find_handle(const struct model *model, const struct ioasid_set *set,
		      ioasid_handle_t handle, void **data);
int model_get_handle(struct model *model, const struct ioasid_set *set,
		     ioasid_handle_t handle);
int model_free_handle(struct model *model, ioasid_handle_t handle);

int model_set_capacity(struct model *model, uint32_t capacity);
int model_reserve(struct model *model, uint32_t count);
int model_unreserve(struct model *model, uint32_t count);

/*
 * Of a set made by the space or one of the caller's; NULL for one that could
 * not be made. @ret is the space's answer.
 */
int model_set_bind(struct model *model, struct ioasid_set *set,
		   const struct ioasid_set_config *config, int ret);
int model_set_destroy(struct model *model, const struct ioasid_set *set);
int model_set_limit(struct model *model, const struct ioasid_set *set,
		    uint32_t quota, uint32_t reserved);
int model_set_stats(const struct model *model, const struct ioasid_set *set,
		    struct ioasid_set_info *stats);
int model_set_by_token(const struct model *model, const void *token,
		       struct ioasid_set **set);
int model_set_of(const struct model *model, ioasid_t id,
		 struct ioasid_set **set);
int model_set_free_all(struct model *model, const struct ioasid_set *set,
		       uint32_t *count);
/* NULL: not a set of the space. */
struct model_set *model_set(const struct model *model,
			    const struct ioasid_set *set);

/* @ret is the space's answer. */
int model_spid_attach(struct model *model, ioasid_t id, ioasid_t spid, int ret);
int model_spid_detach(struct model *model, ioasid_t id);
int model_spid_of(const struct model *model, ioasid_t id, ioasid_t *spid);
int model_spid_find(const struct model *model, const struct ioasid_set *set,
		    ioasid_t spid, ioasid_t *id, void **data);

int model_register_allocator(struct model *model,
			     struct ioasid_allocator_ops *ops);
int model_unregister_allocator(struct model *model,
			       struct ioasid_allocator_ops *ops,
			       enum ioasid_unregister mode);
int model_register_notifier(struct model *model, struct ioasid_set *set,
			    struct ioasid_notifier *notifier);
int model_unregister_notifier(struct model *model,
			      struct ioasid_notifier *notifier);
int model_notify(struct model *model, ioasid_t id, enum ioasid_event event,
		 void *arg);
/* The space is destroyed: what its allocators are to be told. */
void model_space_destroyed(struct model *model);

/* Are there no two sets that only pending IDs would tell apart? */
bool model_tells_apart(const struct model *model);
/*
 * @to, empty, becomes what @space is that was restored from a snapshot of what
 * @from is, which tells its sets apart: what is wrong with @space, or NULL.
 * Codecs keep pointers as they are.
 */
const char *model_restore(const struct model *from, struct model *to,
			  struct ioasid_space *space);

/* The caller is in a read section from here on; out of it; synchronized. */
void model_read_lock(struct model *model);
void model_read_unlock(struct model *model);
void model_synchronize(struct model *model);

/* The entry of @id or NULL. Entries ascend from model->entry. */
struct model_entry *model_entry(const struct model *model, ioasid_t id);

/* Are these the counts of the model's space? What is not, in words, or NULL. */
const char *model_compare_counts(const struct model *model,
				 const struct ioasid_stats *stats);
/* Does the space say of @id, any value, what the model does? */
const char *model_compare_id(const struct model *model,
			     struct ioasid_space *space, ioasid_t id);
/*
 * Is all of a space as the model has it, and valid? What is not, in words, or
 * NULL.
 */
const char *model_compare(const struct model *model,
			  struct ioasid_space *space);

#ifdef __cplusplus
}
#endif

#endif /* IOASID_TEST_MODEL_H */
