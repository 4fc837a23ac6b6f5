/* SPDX-License-Identifier: MIT */
/*
 * The handle table of a service with tenants who do not trust each other. What
 * a tenant opens it names by a handle, a 64-bit number it may keep, guess, or
 * overhear from another:
 * - A tenant is a set: its handles are good for nobody else, its quota is kept
 *   by the library, and when it leaves all it has open is closed in one call.
 * - A handle is an ID and its generation: one that is kept for too long is
 *   refused, also when its ID was handed out again. IDs go round the table
 *   before they are used again, so generations last.
 * - However an object comes to be closed, the notice that its ID was freed
 *   comes exactly once: there it is retired. Another notifier is the audit.
 */
#define _POSIX_C_SOURCE 200809L

#include "example.h"

#include <ioasid/ioasid.h>

#include <inttypes.h>
#include <pthread.h>
#include <unistd.h>

enum {
	HANDLES = 4096,
	TENANTS_MAX = 16,
	CLIENTS_MAX = 16,
	/* a client's own, open and closed */
	HELD = 24,
	CLOSED = 16,
};

/* To see each check fail: what is broken on purpose. */
enum fault {
	NO_FAULT,
	NO_SET,
	NO_GENERATION,
	NO_QUOTA,
	NO_EXIT,
	NO_RETIRE,
};

static const char *const fault_names[] = {
	"none", "set", "generation", "quota", "exit", "retire", NULL,
};

struct tenant {
	char name[IOASID_NAME_SIZE];
	struct ioasid_set *set;
	uint32_t quota;
	/* the last handle it opened, for others to try */
	_Atomic ioasid_handle_t overheard;
	/* as the audit counts */
	atomic_uint open;
};

struct object {
	struct ioasid_rcu_head rcu;
	struct tenant *owner;
	uint64_t serial;
	atomic_uint uses;
};

/* What the audit knows of an ID; notices of one ID come one at a time. */
struct record {
	uint32_t generation;
	bool open;
};

struct client {
	pthread_t thread;
	struct tenant *tenant;
	uint32_t random;
	unsigned int held, closed;
	struct {
		ioasid_handle_t handle;
		uint64_t serial;
	} open[HELD];
	ioasid_handle_t old[CLOSED];
};

static struct ioasid_space *space;
static struct ioasid_rcu *rcu;
static struct tenant tenants[TENANTS_MAX];
static struct record records[HANDLES];
static unsigned int fault;
static unsigned int tenant_count = 4, client_count = 2, lives = 8;
static unsigned int calls = 2000;
static unsigned int verbose;

static atomic_uint_fast64_t serials, opened, closed, swept, freed, over_quota;
static atomic_uint_fast64_t used, foreign, stale;
static atomic_uint_fast64_t told_open, told_closed;

/* The table: what the service does for a tenant. */

static int table_open(struct tenant *tenant, ioasid_handle_t *handle,
		      uint64_t *serial)
{
	struct object *object = calloc(1, sizeof(*object));
	ioasid_t id;
	int err;

	if (!object)
		return -ENOMEM;
	object->owner = tenant;
	object->serial = atomic_fetch_add(&serials, 1) + 1;
	*serial = object->serial;
	err = ioasid_space_alloc(space, tenant->set, 0, HANDLES - 1, object,
				 &id);
	if (err) {
		free(object);
		return err;
	}
	atomic_fetch_add(&opened, 1);
	/* Nobody but the caller knows the handle yet, to close it. */
	return ioasid_space_handle(space, tenant->set, id, handle);
}

static int table_use(const struct tenant *tenant, ioasid_handle_t handle,
		     uint64_t *serial)
{
	const struct ioasid_set *set = fault == NO_SET ? NULL : tenant->set;
	struct object *object;
	void *data;
	int err;

	ioasid_rcu_read_lock(rcu);
	if (fault == NO_GENERATION)
		err = ioasid_space_find_rcu(space, set,
					    ioasid_handle_id(handle), &data);
	else
		err = ioasid_space_find_handle_rcu(space, set, handle, &data);
	if (!err) {
		object = data;
		atomic_fetch_add_explicit(&object->uses, 1,
					  memory_order_relaxed);
		*serial = object->serial;
	}
	ioasid_rcu_read_unlock(rcu);
	return err;
}

static int table_close(const struct tenant *tenant, ioasid_handle_t handle)
{
	/* Only get looks whose it is; free takes who has the handle to be. */
	int err = ioasid_space_get_handle(space, tenant->set, handle);

	if (err)
		return err;
	err = ioasid_space_free_handle(space, handle);
	if (!err)
		atomic_fetch_add(&closed, 1);
	check(ioasid_space_put(space, ioasid_handle_id(handle)) >= 0,
	      "a reference was lost");
	return err;
}

static int table_enter(struct tenant *tenant)
{
	const struct ioasid_set_config config = {
		.name = tenant->name,
		.token = tenant,
		.quota = fault == NO_QUOTA ? 0 : tenant->quota,
	};

	return ioasid_set_create(space, &config, &tenant->set);
}

static int table_exit(struct tenant *tenant)
{
	uint32_t count = 0;
	int err = 0;

	if (fault != NO_EXIT)
		err = ioasid_set_free_all(space, tenant->set, &count);
	atomic_fetch_add(&swept, count);
	return err ? err : ioasid_set_destroy(space, tenant->set);
}

/* Notifiers. */

static void object_free(struct ioasid_rcu_head *head)
{
	free(head);
	atomic_fetch_add(&freed, 1);
}

static void retire(struct ioasid_notifier *notifier,
		   const struct ioasid_notice *notice)
{
	struct object *object = notice->data;

	(void)notifier;
	/* The table frees outside of read sections, so this may wait. */
	if (notice->event == IOASID_EVENT_FREE && fault != NO_RETIRE)
		check(!ioasid_rcu_defer(rcu, &object->rcu, object_free),
		      "an object was not retired");
}

static void audit(struct ioasid_notifier *notifier,
		  const struct ioasid_notice *notice)
{
	struct record *record = &records[ioasid_handle_id(notice->handle)];
	uint32_t generation = ioasid_handle_generation(notice->handle);
	const struct object *object = notice->data;
	bool open = notice->event == IOASID_EVENT_ALLOC;

	(void)notifier;
	if (verbose)
		printf("%s %" PRIu32 ".%" PRIu32 " of %s\n",
		       open ? "open" : "close",
		       ioasid_handle_id(notice->handle), generation,
		       object->owner->name);
	if (open) {
		check(!record->open && record->generation != generation,
		      "an ID was handed out twice");
		/* Before its ID counts as free its notice has been told. */
		check(atomic_fetch_add(&object->owner->open, 1) <
			      object->owner->quota,
		      "a tenant has more open than its quota");
		atomic_fetch_add(&told_open, 1);
	} else {
		check(record->open && record->generation == generation,
		      "an ID was freed that is not in use");
		atomic_fetch_sub(&object->owner->open, 1);
		atomic_fetch_add(&told_closed, 1);
	}
	record->open = open;
	record->generation = generation;
}

/* Those with the higher priority are told first. */
static struct ioasid_notifier audit_notifier = { .notify = audit,
						 .priority = 1 };
static struct ioasid_notifier retire_notifier = { .notify = retire };

/* The load: clients of all tenants at once. */

static uint32_t below(struct client *client, uint32_t limit)
{
	client->random = client->random * 1664525 + 1013904223;
	return (client->random >> 16) % limit;
}

static void client_open(struct client *client)
{
	ioasid_handle_t handle;
	uint64_t serial;
	int err;

	if (client->held == HELD)
		return;
	err = table_open(client->tenant, &handle, &serial);
	if (err == -EDQUOT) {
		atomic_fetch_add(&over_quota, 1);
		return;
	}
	if (!check(!err, "an open failed"))
		return;
	atomic_store(&client->tenant->overheard, handle);
	client->open[client->held].handle = handle;
	client->open[client->held++].serial = serial;
}

static void client_use(struct client *client)
{
	uint32_t i = client->held ? below(client, client->held) : 0;
	uint64_t serial = 0;

	if (!client->held)
		return;
	check(!table_use(client->tenant, client->open[i].handle, &serial) &&
		      serial == client->open[i].serial,
	      "a handle leads to another object, or none");
	atomic_fetch_add(&used, 1);
}

static void client_close(struct client *client)
{
	uint32_t i = client->held ? below(client, client->held) : 0;

	if (!client->held)
		return;
	check(!table_close(client->tenant, client->open[i].handle),
	      "a close failed");
	client->old[client->closed++ % CLOSED] = client->open[i].handle;
	client->open[i] = client->open[--client->held];
}

/* Use and close must be refused, and for a reason. */
static bool refused(const struct tenant *tenant, ioasid_handle_t handle)
{
	uint64_t serial;
	int use = table_use(tenant, handle, &serial);
	int close = table_close(tenant, handle);

	return (use == -ENOENT || use == -ESTALE || use == -EACCES) &&
	       (close == -ENOENT || close == -ESTALE || close == -EACCES ||
		close == -EBUSY);
}

static void client_try_old(struct client *client)
{
	if (client->closed < CLOSED)
		return;
	check(refused(client->tenant, client->old[below(client, CLOSED)]),
	      "a stale handle was not refused");
	atomic_fetch_add(&stale, 1);
}

static void client_try_foreign(struct client *client)
{
	struct tenant *other = &tenants[below(client, tenant_count)];

	if (other == client->tenant)
		return;
	check(refused(client->tenant, atomic_load(&other->overheard)),
	      "a handle of another tenant was not refused");
	atomic_fetch_add(&foreign, 1);
}

static void *client_run(void *arg)
{
	static void (*const what[])(struct client *client) = {
		client_open,  client_open,    client_use,	  client_use,
		client_close, client_try_old, client_try_foreign,
	};
	struct client *client = arg;
	unsigned int i;

	for (i = 0; i < calls; i++)
		what[below(client, sizeof(what) / sizeof(*what))](client);
	return NULL;
}

/* Enters, has its clients call, and leaves with what they left open. */
static void *tenant_run(void *arg)
{
	struct tenant *tenant = arg;
	struct client *clients = calloc(client_count, sizeof(*clients));
	struct ioasid_set *set;
	unsigned int life, i;

	for (life = 0; clients && life < lives; life++) {
		if (!check(!table_enter(tenant), "a tenant could not enter"))
			break;
		check(!ioasid_set_by_token(space, tenant, &set) &&
			      set == tenant->set,
		      "a tenant is not known by its token");
		memset(clients, 0, client_count * sizeof(*clients));
		for (i = 0; i < client_count; i++) {
			clients[i].tenant = tenant;
			clients[i].random =
				(uint32_t)(tenant - tenants) * 1000003 +
				life * client_count + i;
			if (pthread_create(&clients[i].thread, NULL, client_run,
					   &clients[i]))
				exit(2);
		}
		for (i = 0; i < client_count; i++)
			pthread_join(clients[i].thread, NULL);
		check(!table_exit(tenant), "a tenant left something behind");
	}
	check(clients != NULL, "no memory");
	free(clients);
	return NULL;
}

/* What the answers are, one by one. */

static void show(struct tenant *red, struct tenant *blue)
{
	ioasid_handle_t one = 0, two = 0, other = 0;
	uint64_t serial;
	unsigned int i;

	red->quota = blue->quota = 2;
	expect("red enters, with a quota of 2", table_enter(red), 0);
	expect("blue enters", table_enter(blue), 0);
	expect("red opens one", table_open(red, &one, &serial), 0);
	expect("red opens two", table_open(red, &two, &serial), 0);
	expect("red opens three", table_open(red, &other, &serial), -EDQUOT);
	expect("red uses one", table_use(red, one, &serial), 0);
	expect("blue uses one", table_use(blue, one, &serial), -EACCES);
	expect("blue closes one", table_close(blue, one), -EACCES);
	expect("red closes one", table_close(red, one), 0);
	expect("red uses one", table_use(red, one, &serial), -ENOENT);
	for (i = 0; i < 2 * HANDLES; i++) {
		if (table_open(red, &other, &serial) ||
		    ioasid_handle_id(other) == ioasid_handle_id(one))
			break;
		table_close(red, other);
	}
	expect("red opens until the ID comes again, uses one",
	       table_use(red, one, &serial), -ESTALE);
	expect("red closes one", table_close(red, one), -ESTALE);
	expect("red leaves", table_exit(red), 0);
	expect("blue uses two", table_use(blue, two, &serial), -ENOENT);
	expect("blue leaves", table_exit(blue), 0);
}

static void load(void)
{
	static pthread_t thread[TENANTS_MAX];
	unsigned int i;

	for (i = 0; i < tenant_count; i++) {
		/* Less than its clients try to have. */
		tenants[i].quota = client_count * HELD / 2;
		if (pthread_create(&thread[i], NULL, tenant_run, &tenants[i]))
			exit(2);
	}
	for (i = 0; i < tenant_count; i++)
		pthread_join(thread[i], NULL);
}

static void report(void)
{
	const char *reason = "nothing";
	struct ioasid_stats stats;

	ioasid_space_stats(space, &stats);
	printf("%" PRIuFAST64 " opened = %" PRIuFAST64 " closed + %" PRIuFAST64
	       " left open at exit\n",
	       opened, closed, swept);
	printf("%" PRIuFAST64 " uses; refused: %" PRIuFAST64
	       " opens over quota, %" PRIuFAST64 " stale handles, %" PRIuFAST64
	       " of other tenants\n",
	       used, over_quota, stale, foreign);
	check(opened == closed + swept && opened == stats.allocs &&
		      opened == stats.frees,
	      "not all that was opened was closed once");
	check(told_open == opened && told_closed == opened,
	      "notices are not one for each open and close");
	check(freed == opened, "objects leaked");
	check(!stats.live && !stats.pending && !stats.committed && !stats.sets,
	      "IDs or sets leaked");
	check(ioasid_space_validate(space, &reason), reason);
}

int main(int argc, char **argv)
{
	static const struct setting settings[] = {
		{ "-t", "tenants", &tenant_count, 2, TENANTS_MAX },
		{ "-c", "clients of each", &client_count, 1, CLIENTS_MAX },
		{ "-l", "lives of each", &lives, 1, 1000000 },
		{ "-n", "calls of a client in each life", &calls, 1, 1000000 },
		{ "-v", "print every notice", &verbose, 0, 1 },
		{ 0 },
	};
	const struct ioasid_space_config config = {
		.max = HANDLES - 1,
		.store = IOASID_STORE_BITMAP,
		.reuse = IOASID_REUSE_CYCLIC,
		.name = "handles",
	};
	unsigned int i;

	parse(argc, argv, settings, fault_names, &fault);
	for (i = 0; i < tenant_count; i++)
		snprintf(tenants[i].name, sizeof(tenants[i].name), "tenant %u",
			 i);
	if (ioasid_space_create(&config, &space))
		return 2;
	rcu = ioasid_space_rcu(space);
	if (ioasid_space_register_notifier(space, NULL, &audit_notifier) ||
	    ioasid_space_register_notifier(space, NULL, &retire_notifier))
		return 2;
	show(&tenants[0], &tenants[1]);
	load();
	check(!ioasid_rcu_barrier(rcu), "the barrier failed");
	report();
	check(!ioasid_space_unregister_notifier(space, &audit_notifier) &&
		      !ioasid_space_unregister_notifier(space,
							&retire_notifier) &&
		      !ioasid_space_destroy(space),
	      "the table could not be destroyed");
	return verdict();
}
