/* SPDX-License-Identifier: MIT */
#ifndef IOASID_FUZZ_SNAPSHOT_SOURCE_H
#define IOASID_FUZZ_SNAPSHOT_SOURCE_H

/*
 * A space made by calls, with a list of what it has by their answers; its
 * snapshot has to say just that.
 */

#include <ioasid/notifier.h>

#include "fuzz/snapshot/check.h"

#define SOURCE_OPS(X)                                                     \
	X(ALLOC) /* the ID at a place for a set, with a pointer */        \
	X(NEXT) /* any ID for a set */                                    \
	X(MANY) /* from a place on so many */                             \
	X(FREE)                                                           \
	X(GET) /* so many references */                                   \
	X(PUT)                                                            \
	X(ATTACH)                                                         \
	X(DETACH)                                                         \
	X(DATA)                                                           \
	X(RESERVE_ID) /* at a place for a set */                          \
	X(PUBLISH)                                                        \
	X(RELEASE)                                                        \
	X(TELL) /* one is freed, and when that is told another */         \
	X(CYCLE) /* a place is used so often */                           \
	X(SET) /* quota, aside, length of its name and whether a token */ \
	X(LIMIT)                                                          \
	X(DESTROY)                                                        \
	X(ASIDE)                                                          \
	X(UNASIDE)                                                        \
	X(SYNCHRONIZE)                                                    \
	X(TRIM)

enum source_op {
#define X(name) SOURCE_##name,
	SOURCE_OPS(X)
#undef X
		SOURCE_OP_COUNT
};

enum { PLACES = 64, SOURCE_IDS = 128, SOURCE_SETS = 8, KEPT = 64 };

struct origin {
	enum ioasid_store_kind store;
	/* where its IDs begin */
	ioasid_t base;
	bool cyclic, quarantine, allocator, notifier;
};

struct source_id {
	ioasid_t id, spid;
	/* 0: vacant */
	uint32_t refs, set;
	bool pending, unpublished;
	struct item item;
	ioasid_handle_t handle;
};

struct source_set {
	struct ioasid_set *set;
	uint32_t quota, aside, count;
	uintptr_t token;
	char name[IOASID_NAME_SIZE];
};

struct source {
	struct target target;
	struct ioasid_notifier notifier;
	/* A free is to be told; the call that does so has not returned. */
	bool tells, inside;
	/* What the notifier is to free then. */
	uint32_t second;
	struct setup setup;
	struct origin origin;
	struct ioasid_rcu *rcu;
	struct source_id id[SOURCE_IDS];
	uint32_t ids;
	/* by number, from 1 */
	struct source_set set[SOURCE_SETS + 1];
	uint32_t made, reserved;
	/* after the last ID that was chosen from several; 0: none was */
	ioasid_t cursor;
	struct kept kept[KEPT];
	size_t keeps;
};

static inline void source_told(struct ioasid_notifier *notifier,
			       const struct ioasid_notice *notice);
static inline void source_take_back(ioasid_t id, void *data);

static inline void source_begin(struct source *source,
				const struct origin *origin)
{
	struct ioasid_space_config config = {
		.min = origin->base,
		.max = origin->base + 100000,
		.store = origin->store,
		.hash_seed = 1,
		.reuse = origin->cyclic ? IOASID_REUSE_CYCLIC :
					  IOASID_REUSE_LOWEST,
		.quarantine = origin->quarantine,
	};
	struct target *target = &source->target;

	memset(source, 0, sizeof(*source));
	source->origin = *origin;
	target->setup = &source->setup;
	target->ops = (struct ioasid_allocator_ops){ .alloc = give,
						     .free = source_take_back,
						     .pdata = source };
	target->codec = (struct ioasid_codec){ .encode = encode,
					       .encode_token = encode_token,
					       .context = target };
	if (config.max < config.min)
		config.max = INVALID_IOASID;
	if (origin->store == IOASID_STORE_BITMAP)
		config.max = config.min + 2 * PLACES;
	config.memory = memory_hooks(&target->memory);
	CHECK(!ioasid_rcu_create(NULL, &source->rcu));
	config.rcu = source->rcu;
	CHECK(!ioasid_space_create(&config, &target->space));
	if (origin->allocator)
		CHECK(!ioasid_space_register_allocator(target->space,
						       &target->ops));
	source->notifier.notify = source_told;
	if (origin->notifier)
		CHECK(!ioasid_space_register_notifier(target->space, NULL,
						      &source->notifier));
}

static inline void source_end(struct source *source)
{
	CHECK(!ioasid_space_destroy(source->target.space));
	CHECK(!ioasid_rcu_destroy(source->rcu));
	CHECK(!source->target.memory.bytes);
}

/* The first places lie together, the others apart. */
static inline ioasid_t source_at(const struct source *source, uint32_t place)
{
	place %= PLACES;
	if (place < 48 || source->origin.store == IOASID_STORE_BITMAP)
		return source->origin.base + place;
	return source->origin.base + place * (source->origin.base ? 3 : 997);
}

static inline struct source_id *source_find(struct source *source, ioasid_t id)
{
	for (uint32_t i = 0; i < source->ids; i++)
		if (source->id[i].id == id)
			return &source->id[i];
	return NULL;
}

/* The @number-th ID in use, from where it would be on. */
static inline struct source_id *source_any(struct source *source,
					   uint32_t number)
{
	for (uint32_t i = 0; i < source->ids; i++) {
		struct source_id *id = &source->id[(number + i) % source->ids];

		if (id->refs)
			return id;
	}
	return NULL;
}

static inline uint32_t source_set(const struct source *source, uint32_t number)
{
	number %= SOURCE_SETS + 1;
	return source->set[number].set ? number : 0;
}

static inline void source_keep(struct source *source, struct source_id *id)
{
	if (!id->handle || source->keeps == KEPT)
		return;
	source->kept[source->keeps++] =
		(struct kept){ id->handle, !id->pending && id->refs };
}

static inline void source_gone(struct source *source, struct source_id *id)
{
	source->set[id->set].count--;
	id->refs = 0;
	source_keep(source, id);
}

static inline struct source_id *source_taken(struct source *source, ioasid_t at,
					     uint32_t set)
{
	struct source_id *id = source_find(source, at);

	if (!id) {
		CHECK(source->ids < SOURCE_IDS);
		id = &source->id[source->ids++];
	}
	*id = (struct source_id){
		.id = at, .spid = INVALID_IOASID, .refs = 1, .set = set
	};
	id->item.id = at;
	source->set[set].count++;
	return id;
}

static inline void source_alloc(struct source *source, uint32_t set,
				ioasid_t min, ioasid_t max, uint32_t data)
{
	struct ioasid_space *space = source->target.space;
	struct source_id *known = source_find(source, min), *id;
	void *pointer;
	ioasid_t got;

	/* A new one would have no place in the list. */
	if (min == max ? !known && source->ids == SOURCE_IDS :
			 source->ids >= SOURCE_IDS)
		return;
	set = source_set(source, set);
	if (ioasid_space_alloc(space, source->set[set].set, min, max, NULL,
			       &got))
		return;
	if (min != max && source->origin.cyclic)
		source->cursor = got + 1;
	id = source_taken(source, got, set);
	id->item.number = data;
	CHECK(!ioasid_space_exchange_data(space, got, &id->item, &pointer));
	CHECK(!ioasid_space_handle(space, NULL, got, &id->handle));
}

static inline void source_freed(struct source *source, struct source_id *id)
{
	id->spid = INVALID_IOASID;
	id->pending = true;
	if (!--id->refs)
		source_gone(source, id);
}

static inline void source_free(struct source *source, struct source_id *id)
{
	if (!ioasid_space_free(source->target.space, id->id))
		source_freed(source, id);
}

static inline void source_many(struct source *source, uint32_t place,
			       uint32_t count, uint32_t set)
{
	for (uint32_t i = 0; i < count % PLACES; i++) {
		ioasid_t at = source_at(source, place + i);

		source_alloc(source, set, at, at, i);
	}
}

static inline void source_cycle(struct source *source, ioasid_t at,
				uint32_t times)
{
	struct ioasid_space *space = source->target.space;
	struct source_id *known = source_find(source, at), *id;

	if ((known && known->refs) || (!known && source->ids == SOURCE_IDS))
		return;
	while (times-- % 8) {
		source_alloc(source, 0, at, at, 0);
		id = source_find(source, at);
		if (!id || !id->refs)
			return;
		source_free(source, id);
		if (source->origin.quarantine)
			CHECK(!ioasid_rcu_synchronize(ioasid_space_rcu(space)));
	}
}

static inline void source_make(struct source *source, uint32_t quota,
			       uint32_t aside, uint32_t more)
{
	struct source_set made = { .quota = quota, .aside = aside };
	struct ioasid_set_config config = { .name = made.name,
					    .quota = quota,
					    .reserved = aside };
	uint32_t number = 1;

	while (number <= SOURCE_SETS && source->set[number].set)
		number++;
	if (number > SOURCE_SETS)
		return;
	/* By its first letters it is known again. */
	memset(made.name, 'n', more % (IOASID_NAME_SIZE - 2));
	made.name[0] = (char)('a' + source->made % 26);
	made.name[1] = made.name[1] ? (char)('a' + source->made / 26) : '\0';
	if (more >= 128)
		made.token = 1 + source->made * UINT32_C(0x01010101);
	config.token = (void *)made.token;
	if (source->made == 26 ||
	    ioasid_set_create(source->target.space, &config, &made.set))
		return;
	source->made++;
	source->set[number] = made;
}

static inline void source_limit(struct source *source, uint32_t number,
				uint32_t quota, uint32_t aside)
{
	struct source_set *set = &source->set[source_set(source, number)];

	if (!set->set ||
	    ioasid_set_limit(source->target.space, set->set, quota, aside))
		return;
	set->quota = quota;
	set->aside = aside;
}

static inline void source_do_id(struct source *source, enum source_op op,
				uint32_t a, uint32_t b)
{
	struct ioasid_space *space = source->target.space;
	struct source_id *id = source_any(source, a);

	if (!id)
		return;
	switch (op) {
	case SOURCE_FREE:
		source_free(source, id);
		break;
	case SOURCE_GET:
		for (b = b % 16; b--;)
			if (!ioasid_space_get(space, NULL, id->id))
				id->refs++;
		break;
	case SOURCE_PUT:
		if (ioasid_space_put(space, id->id) >= 0 && !--id->refs)
			source_gone(source, id);
		break;
	case SOURCE_ATTACH:
		if (!ioasid_spid_attach(space, id->id, b))
			id->spid = b;
		break;
	case SOURCE_DETACH:
		if (!ioasid_spid_detach(space, id->id))
			id->spid = INVALID_IOASID;
		break;
	case SOURCE_DATA:
		id->item.number = b;
		break;
	case SOURCE_TELL:
		source->tells = source->origin.notifier ||
				(source->origin.allocator && id->refs == 1);
		source->second = b;
		source->inside = source->tells;
		if (!source->tells)
			source_free(source, id);
		else
			(void)ioasid_space_free(space, id->id);
		source->tells = source->inside = false;
		break;
	case SOURCE_PUBLISH:
		if (ioasid_space_publish_id(space, id->id, &id->item))
			break;
		id->unpublished = false;
		CHECK(!ioasid_space_handle(space, NULL, id->id, &id->handle));
		break;
	default:
		if (!ioasid_space_release_id(space, id->id))
			source_gone(source, id);
		break;
	}
}

static inline void source_do(struct source *source, enum source_op op,
			     uint32_t a, uint32_t b, uint32_t c)
{
	struct ioasid_space *space = source->target.space;
	ioasid_t at = source_at(source, a), got;
	struct source_set *set;

	switch (op) {
	case SOURCE_ALLOC:
		source_alloc(source, b, at, at, c);
		break;
	case SOURCE_NEXT:
		source_alloc(source, b, source->origin.base,
			     source->origin.base + PLACES, c);
		break;
	case SOURCE_MANY:
		source_many(source, a, b, c);
		break;
	case SOURCE_RESERVE_ID:
		if (source->ids == SOURCE_IDS)
			break;
		b = source_set(source, b);
		if (!ioasid_space_reserve_id(space, source->set[b].set, at, at,
					     &got))
			source_taken(source, got, b)->unpublished = true;
		break;
	case SOURCE_CYCLE:
		source_cycle(source, at, b);
		break;
	case SOURCE_SET:
		source_make(source, a, b, c);
		break;
	case SOURCE_LIMIT:
		source_limit(source, a, b, c);
		break;
	case SOURCE_DESTROY:
		set = &source->set[source_set(source, a)];
		if (set->set && !ioasid_set_destroy(space, set->set))
			*set = (struct source_set){ .set = NULL };
		break;
	case SOURCE_ASIDE:
		if (!ioasid_space_reserve(space, a))
			source->reserved += a;
		break;
	case SOURCE_UNASIDE:
		if (!ioasid_space_unreserve(space, a))
			source->reserved -= a;
		break;
	case SOURCE_SYNCHRONIZE:
		CHECK(!ioasid_rcu_synchronize(ioasid_space_rcu(space)));
		break;
	case SOURCE_TRIM:
		(void)ioasid_space_trim(space);
		break;
	default:
		source_do_id(source, op, a, b);
		break;
	}
}

/* The place of a set of that name, from 1. */
static inline uint32_t source_written(const struct source *source,
				      const uint8_t *bytes, uint32_t number)
{
	for (uint32_t i = 0; i < header_get32(bytes, H_SETS); i++)
		if (!memcmp(bytes + set_offset(i) + 16,
			    source->set[number].name, IOASID_NAME_SIZE))
			return i + 1;
	return 0;
}

static inline void source_check_id(const struct source *source,
				   const struct source_id *id,
				   const uint8_t *bytes, const uint8_t *from)
{
	uint32_t flags = (id->pending ? ID_PENDING : 0) |
			 (source->origin.allocator ? ID_HOSTED : 0);

	CHECK(id_get(from, I_ID) == id->id);
	CHECK(id_get(from, I_GENERATION) == (uint32_t)(id->handle >> 32));
	CHECK(id_get(from, I_REFS) == id->refs);
	CHECK(id_get(from, I_SET) ==
	      (id->set ? source_written(source, bytes, id->set) : 0));
	CHECK(id_get64(from, I_DATA) == (id->pending ? 0 : id->item.number));
	CHECK(id_get(from, I_SPID) == id->spid);
	CHECK(id_get(from, I_FLAGS) == flags);
}

/* The snapshot, to be freed: all that the list has, and nothing else. */
static inline uint8_t *source_write(struct source *source, size_t *size)
{
	uint8_t *bytes = take_snapshot(&source->target, size), *from;
	uint32_t ids = header_get32(bytes, H_IDS), count = 0, sets = 0;
	struct source_id *id;

	for (uint32_t i = 0; i < ids; i++) {
		from = bytes + id_offset(bytes, i);
		CHECK(!i || id_get(from, I_ID) > id_get(from - ID_BYTES, I_ID));
		id = source_find(source, id_get(from, I_ID));
		CHECK(id && id->refs && !id->unpublished);
		source_check_id(source, id, bytes, from);
	}
	for (uint32_t i = 0; i < source->ids; i++) {
		id = &source->id[i];
		count += id->refs && !id->unpublished;
	}
	CHECK(ids == count);
	for (uint32_t i = 1; i <= SOURCE_SETS; i++) {
		const struct source_set *set = &source->set[i];
		uint32_t unpublished = 0;

		if (!set->set)
			continue;
		sets++;
		CHECK(source_written(source, bytes, i));
		from = bytes + set_offset(source_written(source, bytes, i) - 1);
		for (uint32_t k = 0; k < source->ids; k++)
			unpublished += source->id[k].unpublished &&
				       source->id[k].refs &&
				       source->id[k].set == i;
		CHECK(set_get(from, S_QUOTA) == set->quota);
		CHECK(set_get(from, S_RESERVED) == set->aside);
		CHECK(set_get(from, S_TOKEN) == set->token);
		CHECK(set_get(from, S_COUNT) == set->count - unpublished);
		CHECK(set_right(from));
	}
	CHECK(header_get(bytes, H_SETS) == sets);
	CHECK(header_get(bytes, H_RESERVED) == source->reserved);
	CHECK(header_get(bytes, H_ZERO) == 0);
	CHECK(!source->cursor || source->origin.allocator ||
	      header_get(bytes, H_CURSOR) == source->cursor);
	return bytes;
}

static inline uint8_t *source_snapshot(struct source *source, size_t *size)
{
	uint8_t *bytes = source_write(source, size);

	for (uint32_t i = 0; i < source->ids; i++)
		if (source->id[i].refs && !source->id[i].unpublished)
			source_keep(source, &source->id[i]);
	return bytes;
}

/* What is just being told of its end is gone, or pending. */
static inline void source_told(struct ioasid_notifier *notifier,
			       const struct ioasid_notice *notice)
{
	struct source *source =
		(struct source *)(void *)((char *)notifier -
					  offsetof(struct source, notifier));
	struct source_id *other;
	size_t size;

	if (!source->tells || notice->event != IOASID_EVENT_FREE)
		return;
	source->tells = false;
	source_freed(source,
		     source_find(source, ioasid_handle_id(notice->handle)));
	other = source_any(source, source->second);
	if (other)
		source_free(source, other);
	free(source_write(source, &size));
}

/* What is just being handed back is gone. */
static inline void source_take_back(ioasid_t id, void *data)
{
	struct source *source = data;
	size_t size;

	if (!source->inside)
		return;
	/* Unless a notifier was told before. */
	if (source->tells)
		source_freed(source, source_find(source, id));
	source->tells = false;
	free(source_write(source, &size));
}

#endif /* IOASID_FUZZ_SNAPSHOT_SOURCE_H */
