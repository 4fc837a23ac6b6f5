/* SPDX-License-Identifier: MIT */

/*
 * What any build that leaves things out still has to do, whatever is left: IDs
 * come, are found and go with each store and flavour there is, and those that
 * are not there are refused.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ioasid/ioasid.h>

#define CHECK(condition)                                                  \
	do {                                                              \
		if (!(condition)) {                                       \
			fprintf(stderr, "leave_out.c:%d: %s\n", __LINE__, \
				#condition);                              \
			exit(1);                                          \
		}                                                         \
	} while (0)

#ifdef IOASID_NO_RADIX
#define RADIX 0
#else
#define RADIX 1
#endif
#ifdef IOASID_NO_BITMAP
#define BITMAP 0
#else
#define BITMAP 1
#endif
#ifdef IOASID_NO_HASH
#define HASH 0
#else
#define HASH 1
#endif
#ifdef IOASID_ONLY_NONE
#define EPOCH 0
#else
#define EPOCH 1
#endif

enum { IDS = 1000 };

static void *hook_alloc(void *context, size_t size)
{
	(void)context;
	return malloc(size);
}

static void hook_free(void *context, void *memory, size_t size)
{
	(void)context;
	(void)size;
	free(memory);
}

static int number;
static ioasid_t ids[IDS];

static void *data_of(unsigned int i)
{
	return (char *)&number + i;
}

static bool get_object(void *data)
{
	return data != data_of(1);
}

static int count_id(ioasid_t id, void *data, void *arg)
{
	(void)id;
	(void)data;
	++*(unsigned int *)arg;
	return 0;
}

/* IDs by the hundred, so that trees get levels and tables grow. */
static void use(struct ioasid_space *space)
{
	unsigned int count = 0;
	ioasid_handle_t handle;
	void *data;

	for (unsigned int i = 0; i < IDS; i++) {
		CHECK(!ioasid_space_alloc(space, NULL, 10, 5000, data_of(i),
					  &ids[i]));
		CHECK(ids[i] == 10 + i);
	}
	for (unsigned int i = 0; i < IDS; i++) {
		CHECK(!ioasid_space_find(space, NULL, ids[i], NULL, &data));
		CHECK(data == data_of(i));
	}
	CHECK(!ioasid_space_find(space, NULL, ids[1], get_object, &data));
	CHECK(!data);
	CHECK(ioasid_space_find(space, NULL, 5000, NULL, &data) == -ENOENT);
	CHECK(ioasid_space_find(space, NULL, 4000000, NULL, &data) == -ENOENT);
	CHECK(!ioasid_space_for_each(space, NULL, 0, 5000, count_id, &count));
	CHECK(count == IDS);
	CHECK(!ioasid_space_handle(space, NULL, ids[7], &handle));
	CHECK(!ioasid_space_get(space, NULL, ids[7]));
	CHECK(!ioasid_space_free(space, ids[7]));
	CHECK(ioasid_space_free(space, ids[7]) == -EBUSY);
	CHECK(ioasid_space_put(space, ids[7]) == 1);
	CHECK(ioasid_space_find(space, NULL, ids[7], NULL, &data) == -ENOENT);
	CHECK(!ioasid_space_alloc(space, NULL, 0, 5000, NULL, &ids[7]));
	/* Those below 10 were never handed out. */
	CHECK(ids[7] == 0);
	CHECK(!ioasid_space_alloc(space, NULL, 17, 17, NULL, &ids[7]));
	CHECK(ioasid_space_find_handle(space, NULL, handle, NULL, &data) ==
	      -ESTALE);
	CHECK(ioasid_space_validate(space, NULL));
	for (unsigned int i = 0; i < IDS; i++)
		CHECK(!ioasid_space_remove(space, NULL, ids[i], &data));
	CHECK(!ioasid_space_free(space, 0));
	ioasid_space_trim(space);
	CHECK(ioasid_space_validate(space, NULL));
}

static void use_sets(struct ioasid_space *space)
{
	ioasid_t id;
#ifdef IOASID_NO_SETS
	DECLARE_IOASID_SET(set);

	CHECK(ioasid_space_alloc(space, &set, 0, 100, NULL, &id) == -EINVAL);
	CHECK(ioasid_space_validate(space, NULL));
#else
	struct ioasid_set *set;
	const struct ioasid_set_config config = { .name = "s", .quota = 1 };
	void *data;

	CHECK(!ioasid_set_create(space, &config, &set));
	CHECK(!ioasid_space_alloc(space, set, 0, 100, &number, &id));
	CHECK(ioasid_space_alloc(space, set, 0, 100, &number, &id) == -EDQUOT);
	CHECK(!ioasid_space_find(space, set, id, NULL, &data));
	CHECK(data == &number);
#ifndef IOASID_NO_SPIDS
	for (ioasid_t spid = 0; spid < 300000; spid += 1000) {
		CHECK(!ioasid_spid_attach(space, id, spid));
		data = NULL;
		CHECK(!ioasid_spid_find(space, set, spid, NULL, &id, &data));
		CHECK(data == &number);
		CHECK(!ioasid_spid_detach(space, id));
		CHECK(ioasid_spid_find(space, set, spid, NULL, &id, &data) ==
		      -ENOENT);
		id = 0;
	}
	CHECK(!ioasid_spid_attach(space, id, 5));
#endif
	CHECK(ioasid_space_validate(space, NULL));
	CHECK(!ioasid_space_free(space, id));
	CHECK(!ioasid_set_destroy(space, set));
#endif
}

#ifndef IOASID_NO_NOTIFIERS
static unsigned int told;

static void notify(struct ioasid_notifier *notifier,
		   const struct ioasid_notice *notice)
{
	(void)notifier;
	told += notice->event == IOASID_EVENT_ALLOC ||
		notice->event == IOASID_EVENT_FREE;
}

static void use_notifiers(struct ioasid_space *space)
{
	struct ioasid_notifier notifier = { .notify = notify };
	ioasid_t id;

	told = 0;
	CHECK(!ioasid_space_register_notifier(space, NULL, &notifier));
	CHECK(!ioasid_space_alloc(space, NULL, 0, 9, NULL, &id));
	CHECK(!ioasid_space_free(space, id));
	CHECK(told == 2);
	CHECK(!ioasid_space_unregister_notifier(space, &notifier));
}
#endif

#ifndef IOASID_NO_ALLOCATORS
static ioasid_t give(ioasid_t min, ioasid_t max, void *data)
{
	(void)min;
	(void)max;
	(void)data;
	return 77;
}

static void take_back(ioasid_t id, void *data)
{
	CHECK(id == 77);
	++*(unsigned int *)data;
}

static void use_allocators(struct ioasid_space *space)
{
	unsigned int taken = 0;
	struct ioasid_allocator_ops ops = { give, take_back, &taken, NULL };
	ioasid_t id;

	CHECK(!ioasid_space_register_allocator(space, &ops));
	CHECK(!ioasid_space_alloc(space, NULL, 0, 99, NULL, &id));
	CHECK(id == 77);
	CHECK(ioasid_space_validate(space, NULL));
	CHECK(!ioasid_space_free(space, id));
	CHECK(taken == 1);
	CHECK(!ioasid_space_unregister_allocator(space, &ops,
						 IOASID_UNREGISTER_IDLE));
}
#endif

#ifndef IOASID_NO_SNAPSHOTS
static void use_snapshots(struct ioasid_space *space)
{
	static const struct ioasid_codec codec;
	static char bytes[4096];
	size_t size;
	void *data;
	ioasid_t id;

	CHECK(!ioasid_space_alloc(space, NULL, 42, 42, &number, &id));
	CHECK(!ioasid_space_snapshot(space, &codec, bytes, sizeof(bytes),
				     &size));
	CHECK(!ioasid_space_free(space, id));
	CHECK(!ioasid_space_restore(space, &codec, bytes, size));
	CHECK(!ioasid_space_find(space, NULL, 42, NULL, &data));
	CHECK(!ioasid_space_free(space, id));
}
#endif

#ifndef IOASID_NO_DUMP
static void count_line(const char *line, void *arg)
{
	*(bool *)arg |= strstr(line, " 42 ") != NULL;
}

static void use_dump(struct ioasid_space *space)
{
	bool found = false;
	ioasid_t id;

	CHECK(!ioasid_space_alloc(space, NULL, 42, 42, &number, &id));
	ioasid_space_dump(space, count_line, &found);
	CHECK(found);
	CHECK(!ioasid_space_free(space, id));
}
#endif

/* A store that answers nothing: who may have one is asked for memory first. */
static int no_create(struct ioasid_store *store,
		     const struct ioasid_store_config *config)
{
	(void)store;
	(void)config;
	return -EBADF;
}

static void destroy(struct ioasid_store *store)
{
	(void)store;
}

static struct ioasid_slot *find(const struct ioasid_store *store, ioasid_t id)
{
	(void)store;
	(void)id;
	return NULL;
}

static int claim(struct ioasid_store *store, ioasid_t min, ioasid_t max,
		 ioasid_t *id, struct ioasid_slot **slot)
{
	(void)store;
	(void)min;
	(void)max;
	(void)id;
	(void)slot;
	return -ENOSPC;
}

static void release(struct ioasid_store *store, ioasid_t id)
{
	(void)store;
	(void)id;
}

static size_t occupied(const struct ioasid_store *store, ioasid_t min,
		       ioasid_t max, ioasid_t *found, size_t count)
{
	(void)store;
	(void)min;
	(void)max;
	(void)found;
	(void)count;
	return 0;
}

static bool validate(const struct ioasid_store *store, const char **reason)
{
	(void)store;
	(void)reason;
	return true;
}

static void use_custom_store(void)
{
	static const struct ioasid_store_ops ops = {
		no_create, destroy,  find,     claim,
		release,   occupied, validate, NULL,
	};
	struct ioasid_space_config config = {
		.store = IOASID_STORE_CUSTOM,
		.store_ops = &ops,
		.flavour = IOASID_RCU_NONE,
		.memory = { .alloc = hook_alloc, .free = hook_free },
	};
	struct ioasid_space *space;

#ifdef IOASID_NO_CUSTOM_STORE
	CHECK(ioasid_space_create(&config, &space) == -EINVAL);
#else
	CHECK(ioasid_space_create(&config, &space) == -EBADF);
#endif
}

static void use_space(enum ioasid_store_kind store,
		      enum ioasid_rcu_flavour flavour, bool have)
{
	struct ioasid_space_config config = {
		.max = 5000,
		.store = store,
		.flavour = flavour,
		.memory = { .alloc = hook_alloc, .free = hook_free },
	};
	struct ioasid_space *space;

	if (!have) {
		CHECK(ioasid_space_create(&config, &space) == -EINVAL);
		return;
	}
	CHECK(!ioasid_space_create(&config, &space));
	CHECK(!ioasid_rcu_thread_register(ioasid_space_rcu(space)));
	use(space);
	use_sets(space);
#ifndef IOASID_NO_NOTIFIERS
	use_notifiers(space);
#endif
#ifndef IOASID_NO_ALLOCATORS
	use_allocators(space);
#endif
#ifndef IOASID_NO_SNAPSHOTS
	use_snapshots(space);
#endif
#ifndef IOASID_NO_DUMP
	use_dump(space);
#endif
	CHECK(!ioasid_space_destroy(space));
}

int main(void)
{
	static const struct {
		enum ioasid_store_kind kind;
		bool have;
	} stores[] = {
		{ IOASID_STORE_RADIX, RADIX },
		{ IOASID_STORE_BITMAP, BITMAP },
		{ IOASID_STORE_HASH, HASH },
	};
	static const struct {
		enum ioasid_rcu_flavour flavour;
		bool have;
	} flavours[] = {
		{ IOASID_RCU_EPOCH, EPOCH },
		{ IOASID_RCU_QSBR, EPOCH },
		{ IOASID_RCU_NONE, true },
	};

	for (size_t s = 0; s < 3; s++)
		for (size_t f = 0; f < 3; f++)
			use_space(stores[s].kind, flavours[f].flavour,
				  stores[s].have && flavours[f].have);
	use_custom_store();
#if !defined(IOASID_DISABLED) && !defined(IOASID_BARE)
	{
		ioasid_t id;

#if defined(IOASID_NO_RADIX) && defined(IOASID_NO_HASH)
		const struct ioasid_space_config config = {
			.max = 99,
			.store = IOASID_STORE_BITMAP,
			.flavour = IOASID_RCU_NONE,
		};

		CHECK(ioasid_alloc(NULL, 1, 9, &number) == INVALID_IOASID);
		CHECK(ioasid_default_configure(&config) ==
		      (BITMAP ? 0 : -EINVAL));
#endif
		id = ioasid_alloc(NULL, 1, 9, &number);
		CHECK(id == (RADIX || HASH || BITMAP ? 1 : INVALID_IOASID));
		if (id == 1)
			CHECK(ioasid_find(NULL, id, NULL) == &number);
		ioasid_free(id);
	}
#endif
	return 0;
}
