/* SPDX-License-Identifier: MIT */
#include "test/linux/sides.h"

enum { MARGIN = 1000 };

_Static_assert(LINUX_IOASID_INVALID == INVALID_IOASID, "no ID");

void side_begin(struct side *side, int index, ioasid_t min, ioasid_t max)
{
	const struct test_store *store;
	struct ioasid_space_config config = { .min = 0 };

	memset(side, 0, sizeof(*side));
	side->index = index;
	if (index == SIDE_LINUX) {
		side->name = "linux";
		return;
	}
	if (index == SIDE_DEFAULT) {
		side->name = "default";
		side->space = ioasid_default_space();
		CHECK(side->space);
		return;
	}
	store = &test_stores[index - SIDE_STORES];
	side->name = store->name;
	/* Room to spare: Linux asks allocators of a full space, too. */
	if (store->ids_max != UINT32_MAX) {
		config.min = min > MARGIN ? min - MARGIN : 0;
		config.max = max < UINT32_MAX - MARGIN ? max + MARGIN : max;
	}
	config.store = store->kind;
	config.store_ops = store->ops;
	test_memory_init(&side->memory);
	config.memory = test_memory_hooks(&side->memory, true);
	CHECK(!ioasid_space_create(&config, &side->space));
}

void side_end(struct side *side)
{
	const char *reason = "nothing";
	struct ioasid_stats stats;

	if (side->index == SIDE_LINUX) {
		linux_ioasid_reset();
		return;
	}
	ioasid_space_stats(side->space, &stats);
	CHECK(!stats.live && !stats.pending && !stats.allocators);
	if (!ioasid_space_validate(side->space, &reason))
		test_failed(__FILE__, __LINE__, reason);
	if (side->index == SIDE_DEFAULT)
		return;
	CHECK(!ioasid_space_destroy(side->space));
	CHECK(!side->memory.bytes && !side->memory.damaged);
	pthread_mutex_destroy(&side->memory.mutex);
}

static struct ioasid_set *set_of(struct side *side, struct owner *owner)
{
	return owner ? &owner->set[side->index] : NULL;
}

ioasid_t side_alloc(struct side *side, struct owner *owner, ioasid_t min,
		    ioasid_t max, void *data)
{
	struct ioasid_set *set = set_of(side, owner);
	ioasid_t id;

	switch (side->index) {
	case SIDE_LINUX:
		return linux_ioasid_alloc(set, min, max, data);
	case SIDE_DEFAULT:
		return ioasid_alloc(set, min, max, data);
	default:
		return ioasid_space_alloc(side->space, set, min, max, data,
					  &id) ?
			       INVALID_IOASID :
			       id;
	}
}

void side_free(struct side *side, ioasid_t id)
{
	switch (side->index) {
	case SIDE_LINUX:
		linux_ioasid_free(id);
		break;
	case SIDE_DEFAULT:
		ioasid_free(id);
		break;
	default:
		ioasid_space_free(side->space, id);
	}
}

void *side_find(struct side *side, struct owner *owner, ioasid_t id,
		bool (*getter)(void *data))
{
	struct ioasid_set *set = set_of(side, owner);
	void *data;
	int ret;

	switch (side->index) {
	case SIDE_LINUX:
		return linux_ioasid_find(set, id, getter);
	case SIDE_DEFAULT:
		return ioasid_find(set, id, getter);
	default:
		ret = ioasid_space_find(side->space, set, id, getter, &data);
		return ret ? ioasid_err_ptr(ret) : data;
	}
}

int side_set_data(struct side *side, ioasid_t id, void *data)
{
	switch (side->index) {
	case SIDE_LINUX:
		return linux_ioasid_set_data(id, data);
	case SIDE_DEFAULT:
		return ioasid_set_data(id, data);
	default:
		return ioasid_space_set_data(side->space, id, data);
	}
}

int side_register(struct side *side, struct chooser *chooser)
{
	switch (side->index) {
	case SIDE_LINUX:
		return linux_ioasid_register_allocator(&chooser->linux_ops);
	case SIDE_DEFAULT:
		return ioasid_register_allocator(&chooser->ops);
	default:
		return ioasid_space_register_allocator(side->space,
						       &chooser->ops);
	}
}

int side_unregister(struct side *side, struct chooser *chooser)
{
	switch (side->index) {
	case SIDE_LINUX:
		linux_ioasid_unregister_allocator(&chooser->linux_ops);
		return 0;
	case SIDE_DEFAULT:
		return ioasid_unregister_allocator(&chooser->ops);
	default:
		return ioasid_space_unregister_allocator(
			side->space, &chooser->ops, IOASID_UNREGISTER_IDLE);
	}
}

void chooser_init(struct chooser *chooser,
		  ioasid_t (*alloc)(ioasid_t min, ioasid_t max, void *pdata),
		  void (*free)(ioasid_t id, void *pdata), void *pdata)
{
	*chooser = (struct chooser){
		.ops = {
			.alloc = alloc,
			.free = free,
			.pdata = pdata,
		},
		.linux_ops = {
			.alloc = alloc,
			.free = free,
			.pdata = pdata,
		},
	};
}
