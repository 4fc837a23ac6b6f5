/* SPDX-License-Identifier: MIT */
#ifndef IOASID_TEST_MODEL_H
#define IOASID_TEST_MODEL_H

/*
 * What a space is to do, as a sorted array and nothing cleverer. Calls mirror
 * those of <ioasid/space.h> and give the results these must give.
 *
 * The one freedom a space has is an ID whose generation turned. It may come
 * back into use no sooner than the read section ends that it was vacated in,
 * and no later than the first alloc that is outside of a read section and
 * after a synchronize; in between, alloc may give it or pass it over.
 */

#include <ioasid/space.h>

#ifdef __cplusplus
extern "C" {
#endif

enum model_state {
	MODEL_LIVE,
	MODEL_PENDING,
	MODEL_QUARANTINED,
};

struct model_entry {
	ioasid_t id;
	enum model_state state;
	const struct ioasid_set *set;
	void *data;
	uint32_t refs;
	/* the end of this use is a turn of the generation */
	bool turns;
	/* quarantined: in this read section; before the last grace period */
	bool held, aged;
};

struct model {
	ioasid_t min, max;
	struct model_entry *entry;
	size_t count, capacity;
	const struct ioasid_set *set[IOASID_SETS_MAX];
	struct ioasid_stats stats;
	bool in_section;
	/* IDs that went to quarantine so far */
	uint64_t turned;
	/* is the present use of an ID the last before a turn? */
	bool (*turns)(void *context, ioasid_t id);
	void *context;
};

/*
 * An empty space of IDs from @min to @max. @turns is asked after every alloc
 * and may be NULL, if none is to be forgiven.
 */
void model_init(struct model *model, ioasid_t min, ioasid_t max,
		bool (*turns)(void *context, ioasid_t id), void *context);
void model_destroy(struct model *model);

/* For @turns: looks at the slot. @context is the space. */
bool model_space_turns(void *context, ioasid_t id);

/*
 * Says what is wrong with the answer @ret, @id that a space gave to an alloc,
 * or takes it over and returns NULL.
 */
const char *model_alloc(struct model *model, const struct ioasid_set *set,
			ioasid_t min, ioasid_t max, void *data, int ret,
			ioasid_t id);
int model_free(struct model *model, ioasid_t id);
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
/* @quarantined is the most there may be, @memory 0. */
void model_stats(const struct model *model, struct ioasid_stats *stats);

/* The caller is in a read section from here on; out of it; synchronized. */
void model_read_lock(struct model *model);
void model_read_unlock(struct model *model);
void model_synchronize(struct model *model);

/* The entry of @id or NULL. Entries ascend from model->entry. */
struct model_entry *model_entry(const struct model *model, ioasid_t id);

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
