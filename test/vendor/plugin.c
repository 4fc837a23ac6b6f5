/* SPDX-License-Identifier: MIT */
/* A plugin with a copy of the library of its own; as C and as C++. */
#include <ioasid/ioasid.h>

#include <pthread.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif
int plugin_check(void);
int plugin_start_reclaimer(void);
#ifdef __cplusplus
}
#endif

#define IDS 200u

static int object[IDS];

static void *find_all(void *arg)
{
	struct ioasid_space *space = (struct ioasid_space *)arg;
	static char wrong;
	void *data;

	for (ioasid_t id = 1; id <= IDS; id++) {
		data = NULL;
		if (ioasid_space_find(space, NULL, id, NULL, &data) ||
		    data != &object[id - 1])
			return &wrong;
	}
	return NULL;
}

/* The number of things that went wrong: lookups here and on another thread. */
static int check_space(struct ioasid_space *space)
{
	void *there = NULL;
	pthread_t thread;
	ioasid_t id;
	int wrong = 0;

	for (unsigned int i = 0; i < IDS; i++)
		wrong += ioasid_space_alloc(space, NULL, 1, IDS, &object[i],
					    &id) != 0 ||
			 id != i + 1;
	wrong += find_all(space) != NULL;
	if (pthread_create(&thread, NULL, find_all, space))
		return wrong + 1;
	pthread_join(thread, &there);
	wrong += there != NULL;
	for (id = 1; id <= IDS; id++)
		wrong += ioasid_space_free(space, id) != 0;
	return wrong;
}

static int check_store(enum ioasid_store_kind store)
{
	struct ioasid_space_config config;
	struct ioasid_space *space;
	int wrong;

	memset(&config, 0, sizeof(config));
	config.max = 100000;
	config.store = store;
	if (ioasid_space_create(&config, &space))
		return 1;
	wrong = check_space(space);
	return wrong + (ioasid_space_destroy(space) != 0);
}

int plugin_check(void)
{
	int wrong = check_store(IOASID_STORE_RADIX) +
		    check_store(IOASID_STORE_BITMAP) +
		    check_store(IOASID_STORE_HASH);
	const ioasid_t id = ioasid_alloc(NULL, 1, 9, &object[0]);

	wrong += ioasid_find(NULL, id, NULL) != &object[0];
	ioasid_free(id);
	return wrong;
}

static void nothing(struct ioasid_rcu_head *head)
{
	(void)head;
}

/* Left running. */
int plugin_start_reclaimer(void)
{
	static struct ioasid_rcu_head head;
	struct ioasid_rcu_config config = { IOASID_RCU_EPOCH };
	struct ioasid_rcu *rcu;

	config.reclaimer = true;
	return ioasid_rcu_create(&config, &rcu) ||
	       ioasid_rcu_defer(rcu, &head, nothing);
}
