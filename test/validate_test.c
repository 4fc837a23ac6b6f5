/* SPDX-License-Identifier: MIT */
/*
 * Every reason that ioasid_space_validate() can give, and each way to come by
 * it: one thing in a good space is damaged, that is the reason, and the space is
 * good again without it. Those of the stores are in store_damage_test.c.
 */
#include "test/fixture.h"

#include <ioasid/allocator.h>
#include <ioasid/set.h>

#include "core/space/extra.h"
#include "core/space/owner.h"
#include "core/space/source.h"

#define MAX 199

/* IDs of the scene, by what they are. */
enum {
	OF_ALLOCATOR = 10,
	NAMED = 20,
	UNNAMED = 21,
	OF_ANOTHER_SET = 22,
	ANONYMOUS = 30,
	PENDING = 31,
	RESERVED = 32,
	VACATED = 33,
};

#define SPID 7

/* What something was before it was damaged. */
struct kept {
	void *place;
	size_t size;
	unsigned char before[16];
};

struct scene {
	struct space *space;
	struct set_record *set, *another;
	uint32_t destroyed;
	/* the store's own functions, and a copy that lies */
	struct ioasid_store_ops lying;
	struct kept kept[4];
	unsigned int count;
};

/* The functions of a store have no other argument. */
static const struct ioasid_store_ops *honest_ops;

static void keep(struct scene *scene, void *place, size_t size)
{
	struct kept *kept = &scene->kept[scene->count++];

	assert_true(scene->count <= ARRAY_SIZE(scene->kept));
	assert_true(size <= sizeof(kept->before));
	kept->place = place;
	kept->size = size;
	memcpy(kept->before, place, size);
}

#define KEEP(scene, place) keep(scene, &(place), sizeof(place))

static void undo(struct scene *scene)
{
	while (scene->count) {
		struct kept *kept = &scene->kept[--scene->count];

		memcpy(kept->place, kept->before, kept->size);
	}
}

static void add(struct scene *scene, uint32_t *number)
{
	keep(scene, number, sizeof(*number));
	++*number;
}

static void add64(struct scene *scene, uint64_t *number)
{
	keep(scene, number, sizeof(*number));
	++*number;
}

static void set_state(struct scene *scene, ioasid_t id, uint32_t set,
		      uint32_t refs, bool live)
{
	struct ioasid_slot *slot = ioasid_locked_slot(scene->space, id);
	ioasid_state_t state = ioasid_load_relaxed(&slot->state);

	KEEP(scene, slot->state);
	state = ioasid_state_make(ioasid_state_generation(state), set, refs,
				  live);
	ioasid_store_relaxed(&slot->state, state);
}

/* The store does not answer as it did. */
static struct ioasid_store_ops *lie(struct scene *scene)
{
	struct ioasid_store *store = &scene->space->space.store;

	KEEP(scene, store->kind);
	KEEP(scene, store->ops);
	honest_ops = store->ops;
	scene->lying = *store->ops;
	store->kind = IOASID_STORE_CUSTOM;
	store->ops = &scene->lying;
	return &scene->lying;
}

static bool say_no(const struct ioasid_store *store, const char **reason)
{
	(void)store;
	(void)reason;
	return false;
}

static void store_without_reason(struct scene *scene)
{
	lie(scene)->validate = say_no;
}

static size_t swap_first(const struct ioasid_store *store, ioasid_t min,
			 ioasid_t max, ioasid_t *ids, size_t count)
{
	size_t found = honest_ops->occupied(store, min, max, ids, count);
	ioasid_t first = ids[0];

	if (found > 1) {
		ids[0] = ids[1];
		ids[1] = first;
	}
	return found;
}

static void not_ascending(struct scene *scene)
{
	lie(scene)->occupied = swap_first;
}

static size_t repeat_last(const struct ioasid_store *store, ioasid_t min,
			  ioasid_t max, ioasid_t *ids, size_t count)
{
	size_t found = honest_ops->occupied(store, min, max, ids, count);

	if (found > 1)
		ids[found - 1] = ids[found - 2];
	return found;
}

static void twice(struct scene *scene)
{
	lie(scene)->occupied = repeat_last;
}

static size_t add_foreign(const struct ioasid_store *store, ioasid_t min,
			  ioasid_t max, ioasid_t *ids, size_t count)
{
	size_t found = honest_ops->occupied(store, min, max, ids, count);

	if (found < count)
		ids[found++] = MAX + 1;
	return found;
}

static void out_of_range(struct scene *scene)
{
	lie(scene)->occupied = add_foreign;
}

static struct ioasid_slot *find_none(const struct ioasid_store *store,
				     ioasid_t id)
{
	return id == ANONYMOUS ? NULL : honest_ops->find(store, id);
}

static void no_slot(struct scene *scene)
{
	lie(scene)->find = find_none;
}

static void set_unknown(struct scene *scene)
{
	set_state(scene, ANONYMOUS, scene->space->sets.used + 1, 1, true);
}

static void set_destroyed(struct scene *scene)
{
	set_state(scene, ANONYMOUS, scene->destroyed, 1, true);
}

static void vacant_named(struct scene *scene)
{
	set_state(scene, NAMED, scene->set->index, 0, false);
}

static void too_many_references(struct scene *scene)
{
	set_state(scene, ANONYMOUS, 0, IOASID_REFS_MAX + 1, true);
}

static void live_without_reference(struct scene *scene)
{
	set_state(scene, ANONYMOUS, 0, 0, true);
}

/* Only the ID of an allocator may. */
static void named_without_reference(struct scene *scene)
{
	set_state(scene, NAMED, scene->set->index, 0, true);
}

static void other_name(struct scene *scene)
{
	struct extra *extra = ioasid_extra(scene->space, NAMED);

	add(scene, &extra->spid);
}

static void name_of_another(struct scene *scene)
{
	struct ioasid_slot *slot =
		ioasid_store_find(&scene->set->spids.store, SPID);

	KEEP(scene, slot->private_data);
	ioasid_store_relaxed(&slot->private_data, (void *)(uintptr_t)UNNAMED);
}

static void name_without_set(struct scene *scene)
{
	set_state(scene, NAMED, 0, 1, true);
}

static void more_extras(struct scene *scene)
{
	add(scene, &scene->space->extras.count);
}

static void more_live(struct scene *scene)
{
	add(scene, &scene->space->stats.live);
}

static void live_turned_pending(struct scene *scene)
{
	KEEP(scene, scene->space->stats.live);
	scene->space->stats.live--;
	set_state(scene, ANONYMOUS, 0, 1, false);
}

static void more_pending(struct scene *scene)
{
	add(scene, &scene->space->stats.pending);
}

static void more_reserved(struct scene *scene)
{
	add(scene, &scene->space->stats.unpublished);
}

static void more_quarantined(struct scene *scene)
{
	add(scene, &scene->space->stats.quarantined);
}

static void more_of_allocators(struct scene *scene)
{
	add(scene, &scene->space->sources.ids);
}

static void allocator_forgotten(struct scene *scene)
{
	struct extra *extra = ioasid_extra(scene->space, OF_ALLOCATOR);

	KEEP(scene, extra->source);
	extra->source = NULL;
}

static void more_allocs(struct scene *scene)
{
	add64(scene, &scene->space->stats.allocs);
}

static void more_frees(struct scene *scene)
{
	add64(scene, &scene->space->stats.frees);
}

static void record_of_another(struct scene *scene)
{
	KEEP(scene, scene->set->set->record);
	ioasid_store_relaxed(&scene->set->set->record, scene->another);
}

static void index_in_set(struct scene *scene)
{
	KEEP(scene, scene->set->set->index);
	ioasid_store_relaxed(&scene->set->set->index, scene->another->index);
}

static void index_in_record(struct scene *scene)
{
	add(scene, &scene->set->index);
}

static void set_unbound(struct scene *scene)
{
	KEEP(scene, scene->set->set->space);
	ioasid_store_relaxed(&scene->set->set->space, NULL);
}

static void more_in_set(struct scene *scene)
{
	add(scene, &scene->set->count);
}

static void of_another_set(struct scene *scene)
{
	set_state(scene, UNNAMED, scene->another->index, 1, true);
}

/* An ID is asked for that the set is not charged for. */
static void asked_without_charge(struct scene *scene)
{
	KEEP(scene, scene->space->sources.asking_record);
	scene->space->sources.asking_record = scene->set;
}

static void small_quota(struct scene *scene)
{
	KEEP(scene, scene->set->quota);
	scene->set->quota = scene->set->count - 1;
}

static void lost_token(struct scene *scene)
{
	struct set_record **head = scene->space->sets.token;

	while (*head != scene->set)
		head++;
	keep(scene, head, sizeof(*head));
	*head = NULL;
}

static void more_sets(struct scene *scene)
{
	add(scene, &scene->space->stats.sets);
}

static void lost_indexes(struct scene *scene)
{
	KEEP(scene, scene->space->sets.vacant_first);
	scene->space->sets.vacant_first = 0;
}

/* The line of them is that one. */
static void line_up(struct scene *scene, uint32_t index)
{
	struct sets *sets = &scene->space->sets;

	KEEP(scene, sets->vacant_first);
	KEEP(scene, sets->vacant_last);
	sets->vacant_first = sets->vacant_last = index;
}

static void index_unused(struct scene *scene)
{
	line_up(scene, scene->space->sets.used + 1);
}

static void index_in_use(struct scene *scene)
{
	line_up(scene, scene->set->index);
}

static void indexes_in_a_ring(struct scene *scene)
{
	struct set_place *place =
		&scene->space->sets.place[scene->destroyed - 1];

	KEEP(scene, place->next);
	place->next = scene->destroyed;
}

static void last_index_elsewhere(struct scene *scene)
{
	KEEP(scene, scene->space->sets.vacant_last);
	scene->space->sets.vacant_last = scene->set->index;
}

static void more_committed(struct scene *scene)
{
	add(scene, &scene->space->stats.committed);
}

static void more_set_aside(struct scene *scene)
{
	add(scene, &scene->space->stats.reserved);
}

static void more_set_aside_for_set(struct scene *scene)
{
	KEEP(scene, scene->set->reserved);
	scene->set->reserved = scene->set->count + 1;
}

/* As before, but nobody was charged. */
static void asked_for_nobody(struct scene *scene)
{
	KEEP(scene, scene->space->sources.asking);
	scene->space->sources.asking = true;
}

static void small_capacity(struct scene *scene)
{
	KEEP(scene, scene->space->stats.capacity);
	scene->space->stats.capacity = scene->space->stats.committed - 1;
}

/* The tables behind IDs with extras and behind names are stores as well. */
static void miscounted(struct scene *scene, const struct map *map)
{
	struct ioasid_hash_table *table = ioasid_load_relaxed(&map->store.root);

	add(scene, &table->used);
}

static void table_of_extras(struct scene *scene)
{
	miscounted(scene, &scene->space->extras);
}

static void table_of_names(struct scene *scene)
{
	miscounted(scene, &scene->set->spids);
}

static ioasid_t host_alloc(ioasid_t min, ioasid_t max, void *data)
{
	(void)max;
	(void)data;
	return min;
}

static void host_free(ioasid_t id, void *data)
{
	(void)id;
	(void)data;
}

static struct ioasid_allocator_ops host = { host_alloc, host_free, NULL, NULL };

static void give(struct ioasid_space *space, struct ioasid_set *set,
		 ioasid_t id)
{
	ioasid_t given;

	assert_int_equal(ioasid_space_alloc(space, set, id, id, NULL, &given),
			 0);
}

static struct set_record *make(struct scene *scene, void *token)
{
	const struct ioasid_set_config config = { .token = token,
						  .quota = 9,
						  .reserved = 1 };
	struct ioasid_set *set;

	assert_int_equal(ioasid_set_create(&scene->space->space, &config, &set),
			 0);
	return ioasid_load_relaxed(&set->record);
}

/* One of everything there can be. */
static void set_up(struct fixture *fixture, struct scene *scene)
{
	struct ioasid_space_config config;
	struct set_record *destroyed;
	struct ioasid_space *space;
	ioasid_t id;

	fixture_space_config(fixture, &config, 0, MAX);
	config.quarantine = true;
	assert_int_equal(ioasid_space_create(&config, &space), 0);
	fixture->space = space;
	memset(scene, 0, sizeof(*scene));
	scene->space = ioasid_to_space(space);
	assert_int_equal(ioasid_space_register_allocator(space, &host), 0);
	give(space, NULL, OF_ALLOCATOR);
	assert_int_equal(ioasid_space_unregister_allocator(
				 space, &host, IOASID_UNREGISTER_KEEP),
			 1);
	scene->set = make(scene, &host);
	destroyed = make(scene, NULL);
	scene->another = make(scene, NULL);
	scene->destroyed = destroyed->index;
	assert_int_equal(ioasid_set_destroy(space, destroyed->set), 0);
	give(space, scene->set->set, NAMED);
	give(space, scene->set->set, UNNAMED);
	give(space, scene->another->set, OF_ANOTHER_SET);
	assert_int_equal(ioasid_spid_attach(space, NAMED, SPID), 0);
	give(space, NULL, ANONYMOUS);
	give(space, NULL, PENDING);
	assert_int_equal(ioasid_space_get(space, NULL, PENDING), 0);
	assert_int_equal(ioasid_space_reserve_id(space, NULL, RESERVED,
						 RESERVED, &id),
			 0);
	give(space, NULL, VACATED);
	assert_int_equal(ioasid_space_free(space, PENDING), 0);
	assert_int_equal(ioasid_space_free(space, VACATED), 0);
	assert_int_equal(ioasid_space_reserve(space, 5), 0);
	/* It is still there. */
	assert_int_equal(scene->space->stats.quarantined, 1);
}

static void expect_valid(struct scene *scene)
{
	const char *reason = "none";

	if (!ioasid_space_validate(&scene->space->space, &reason))
		fail_msg("not valid: %s", reason);
	assert_null(reason);
	assert_true(ioasid_space_validate(&scene->space->space, NULL));
}

/* All of them; reasons_test.py looks for reasons that are not here. */
static const struct {
	const char *reason;
	void (*damage)(struct scene *scene);
} damages[] = {
	{ "store: not valid", store_without_reason },
	{ "store: IDs not ascending in range", not_ascending },
	{ "store: IDs not ascending in range", twice },
	{ "store: IDs not ascending in range", out_of_range },
	{ "space: occupied ID without slot", no_slot },
	{ "space: ID of a set that is not bound", set_unknown },
	{ "space: ID of a set that is not bound", set_destroyed },
	{ "space: vacant ID with extras", vacant_named },
	{ "space: number of references out of range", too_many_references },
	{ "space: number of references out of range", live_without_reference },
	{ "space: number of references out of range", named_without_reference },
	{ "space: ID not found by its SPID", other_name },
	{ "space: ID not found by its SPID", name_of_another },
	{ "space: ID not found by its SPID", name_without_set },
	{ "space: number of extras differs", more_extras },
	{ "space: number of live IDs differs", more_live },
	{ "space: number of pending IDs differs", more_pending },
	{ "space: number of pending IDs differs", live_turned_pending },
	{ "space: number of reserved IDs differs", more_reserved },
	{ "space: occupied ID that is vacant", more_quarantined },
	{ "space: number of IDs of allocators differs", more_of_allocators },
	{ "space: number of IDs of allocators differs", allocator_forgotten },
	{ "space: allocs and frees do not balance", more_allocs },
	{ "space: allocs and frees do not balance", more_frees },
	{ "space: set with a wrong index", record_of_another },
	{ "space: set with a wrong index", index_in_set },
	{ "space: set with a wrong index", index_in_record },
	{ "space: set with a wrong index", set_unbound },
	{ "space: number of IDs of a set differs", more_in_set },
	{ "space: number of IDs of a set differs", of_another_set },
	{ "space: number of IDs of a set differs", asked_without_charge },
	{ "space: set beyond its quota", small_quota },
	{ "space: set not found by its token", lost_token },
	{ "space: number of sets differs", more_sets },
	{ "space: vacant indexes of sets differ", lost_indexes },
	{ "space: vacant indexes of sets differ", index_unused },
	{ "space: vacant indexes of sets differ", index_in_use },
	{ "space: vacant indexes of sets differ", indexes_in_a_ring },
	{ "space: vacant indexes of sets differ", last_index_elsewhere },
	{ "space: capacity in use differs", more_committed },
	{ "space: capacity in use differs", more_set_aside },
	{ "space: capacity in use differs", more_set_aside_for_set },
	{ "space: capacity in use differs", asked_for_nobody },
	{ "space: capacity in use differs", small_capacity },
	{ "hash: number of keys differs", table_of_extras },
	{ "hash: number of keys differs", table_of_names },
};

static void each_reason(struct fixture *fixture)
{
	struct scene scene;
	const char *reason;

	set_up(fixture, &scene);
	expect_valid(&scene);
	for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
		reason = NULL;
		damages[i].damage(&scene);
		assert_true(scene.count > 0);
		if (ioasid_space_validate(&scene.space->space, &reason))
			fail_msg("damage %zu: nothing is said", i);
		assert_non_null(reason);
		assert_string_equal(reason, damages[i].reason);
		undo(&scene);
		expect_valid(&scene);
	}
	assert_int_equal(ioasid_space_put(fixture->space, PENDING), 1);
}

int main(void)
{
	static const struct test_case cases[] = {
		CASE(each_reason, PER_STORE | NO_SPACE),
	};

	return test_run("validate", cases, ARRAY_SIZE(cases));
}
