/* SPDX-License-Identifier: MIT */
/*
 * Every public function on every store, with nothing but the library and
 * threads: for machines where the test framework is not.
 */
#include <ioasid/ioasid.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if !defined(IOASID_NO_THREADS) && defined(__has_include)
#if __has_include(<pthread.h>)
#include <pthread.h>
#define THREADS 1
#endif
#endif
#ifndef THREADS
#define THREADS 0
#endif

enum { IDS = 600 };

static int failed;

#define EXPECT(condition)                                                 \
	do {                                                              \
		if (!(condition)) {                                       \
			printf("%s:%d: failed: %s\n", __FILE__, __LINE__, \
			       #condition);                               \
			failed = 1;                                       \
		}                                                         \
	} while (0)

static struct ioasid_set set_a, set_b;
static int object, another;

static bool accept(void *data)
{
	return data == &object;
}

static int count(ioasid_t id, void *data, void *arg)
{
	(void)id;
	(void)data;
	++*(unsigned int *)arg;
	return 0;
}

static unsigned int called;

static void on_call(struct ioasid_rcu_head *head)
{
	(void)head;
	called++;
}

static void slots(void)
{
	struct ioasid_slot slot = { { NULL }, { 0 } };
	struct ioasid_slot to = { { NULL }, { 0 } };
	ioasid_state_t before = 0;
	void *data = NULL;

	EXPECT(ioasid_slot_read(&slot, IOASID_SET_ANY, IOASID_GENERATION_ANY,
				&data) == -ENOENT);
	ioasid_slot_publish(&slot, &object, 3);
	EXPECT(ioasid_slot_read(&slot, 3, IOASID_GENERATION_ANY, &data) == 0 &&
	       data == &object);
	EXPECT(ioasid_slot_read(&slot, 4, IOASID_GENERATION_ANY, &data) ==
	       -EACCES);
	EXPECT(ioasid_slot_read(&slot, 3, 1, &data) == 0);
	EXPECT(ioasid_slot_read(&slot, 3, 2, &data) == -ESTALE);
	EXPECT(ioasid_slot_get(&slot, 3, IOASID_GENERATION_ANY) == 0);
	ioasid_slot_move(&slot, &to);
	EXPECT(ioasid_slot_read(&slot, 3, IOASID_GENERATION_ANY, &data) ==
	       -EAGAIN);
	EXPECT(ioasid_slot_free(&to, false) == 1);
	EXPECT(ioasid_slot_get(&to, 3, IOASID_GENERATION_ANY) == -EBUSY);
	EXPECT(ioasid_slot_put(&to, &before) == 0);
	EXPECT(before == ioasid_state_make(1, 3, 1, false));
	EXPECT(ioasid_slot_put(&to, &before) == -ENOENT);
	EXPECT(ioasid_generation_next(
		       ioasid_state_generation(~(ioasid_state_t)0)) == 1);
	EXPECT(ioasid_generation_turns(IOASID_GENERATION_HALF - 1));
}

static void domain(enum ioasid_rcu_flavour flavour)
{
	struct ioasid_rcu_config config = { .flavour = flavour };
	struct ioasid_rcu_head heads[40];
	struct ioasid_rcu *rcu = NULL;
	uint64_t cookie;
	unsigned int i;

	called = 0;
	EXPECT(ioasid_rcu_create(&config, &rcu) == 0);
	if (!rcu)
		return;
	EXPECT(ioasid_rcu_thread_register(rcu) == 0);
	ioasid_rcu_read_lock(rcu);
	if (flavour != IOASID_RCU_QSBR) {
		EXPECT(ioasid_rcu_read_held(rcu));
		EXPECT(ioasid_rcu_synchronize(rcu) == -EDEADLK);
		EXPECT(ioasid_rcu_barrier(rcu) == -EDEADLK);
		EXPECT(ioasid_rcu_destroy(rcu) == -EDEADLK);
	}
	cookie = ioasid_rcu_start_poll(rcu);
	EXPECT(!ioasid_rcu_poll(rcu, cookie));
	for (i = 0; i < 40; i++)
		EXPECT(ioasid_rcu_defer(rcu, &heads[i], on_call) == 0);
	EXPECT(called == 0);
	EXPECT(ioasid_rcu_pending(rcu) == 40);
	ioasid_rcu_read_unlock(rcu);
	ioasid_rcu_quiescent(rcu);
	EXPECT(ioasid_rcu_poll(rcu, cookie));
	EXPECT(ioasid_rcu_synchronize(rcu) == 0);
	EXPECT(ioasid_rcu_barrier(rcu) == 0);
	EXPECT(called == 40);
	ioasid_rcu_thread_offline(rcu);
	ioasid_rcu_thread_online(rcu);
	if (flavour != IOASID_RCU_NONE) {
		EXPECT(ioasid_rcu_thread_unregister(rcu) == 0);
		EXPECT(ioasid_rcu_thread_unregister(rcu) == -ENOENT);
	}
	EXPECT(ioasid_rcu_destroy(rcu) == 0);
}

static void free_head(struct ioasid_rcu_head *head)
{
	free(head);
}

static void calls(struct ioasid_space *space)
{
	struct ioasid_rcu_head *head = malloc(sizeof(*head));
	const char *reason = NULL;
	struct ioasid_stats stats;
	unsigned int visited = 0;
	ioasid_t id = 0, n;
	void *data = NULL;

	EXPECT(ioasid_space_alloc(space, NULL, 2, 1, NULL, &id) == -EINVAL);
	for (n = 0; n < IDS; n++) {
		EXPECT(ioasid_space_alloc(space, n % 2 ? &set_a : &set_b, 5,
					  INVALID_IOASID, &object, &id) == 0);
		EXPECT(id == 5 + n);
	}
	EXPECT(ioasid_space_alloc(space, NULL, 6, 7, NULL, &id) == -ENOSPC);
	EXPECT(ioasid_space_find(space, &set_a, 6, accept, &data) == 0 &&
	       data == &object);
	EXPECT(ioasid_space_find(space, &set_b, 6, NULL, &data) == -EACCES);
	EXPECT(ioasid_space_find(space, NULL, 4, NULL, &data) == -ENOENT);
	EXPECT(ioasid_space_find(space, NULL, INVALID_IOASID, NULL, &data) ==
	       -ENOENT);
	ioasid_rcu_read_lock(ioasid_space_rcu(space));
	EXPECT(ioasid_space_find_rcu(space, &set_b, 5, &data) == 0);
	ioasid_rcu_read_unlock(ioasid_space_rcu(space));
	EXPECT(ioasid_space_get(space, &set_a, 6) == 0);
	EXPECT(ioasid_space_free(space, 6) == 0);
	EXPECT(ioasid_space_free(space, 6) == -EBUSY);
	EXPECT(ioasid_space_put(space, 6) == 1);
	EXPECT(ioasid_space_put(space, 6) == -ENOENT);
	EXPECT(ioasid_space_alloc(space, &set_b, 6, 6, &object, &id) == 0);
	EXPECT(ioasid_space_exchange_data(space, 5, &another, &data) == 0 &&
	       data == &object);
	EXPECT(ioasid_space_set_data(space, 5, &object) == 0);
	EXPECT(ioasid_space_set_data(space, 9999, &object) == -ENOENT);
	EXPECT(head &&
	       ioasid_space_free_deferred(space, 5, head, free_head) == 0);
	EXPECT(ioasid_rcu_barrier(ioasid_space_rcu(space)) == 0);
	EXPECT(ioasid_space_for_each(space, NULL, 0, INVALID_IOASID, count,
				     &visited) == 0);
	EXPECT(visited == IDS - 1);
	ioasid_space_stats(space, &stats);
	EXPECT(stats.live == IDS - 1 && stats.sets == 2 && stats.memory > 0);
	EXPECT(ioasid_space_validate(space, &reason));
	if (reason)
		printf("%s\n", reason);
	for (n = 7; n < 5 + IDS; n++)
		EXPECT(ioasid_space_free(space, n) == 0);
	EXPECT(ioasid_space_validate(space, NULL));
}

#if THREADS
struct work {
	struct ioasid_space *space;
	ioasid_atomic_u32 stop, wrong, found;
};

/* Pointers tell the set they belong to. */
static int of_set[2];

static void *reader(void *arg)
{
	struct ioasid_rcu *rcu;
	struct work *work = arg;
	unsigned int n = 0, which;
	void *data = NULL;

	rcu = ioasid_space_rcu(work->space);
	ioasid_rcu_thread_register(rcu);
	/* On one processor the writer may be through before this begins. */
	while (!ioasid_load_relaxed(&work->stop) || n < 1000) {
		which = n++ % 2;
		ioasid_rcu_read_lock(rcu);
		if (!ioasid_space_find_rcu(work->space, which ? &set_b : &set_a,
					   n % 8, &data)) {
			ioasid_fetch_add_acq_rel(&work->found, 1);
			if (data != &of_set[which])
				ioasid_store_relaxed(&work->wrong, 1);
		}
		ioasid_rcu_read_unlock(rcu);
		ioasid_rcu_quiescent(rcu);
	}
	ioasid_rcu_thread_unregister(rcu);
	return NULL;
}

/* Whose generation turned, has to wait until the other readers have moved. */
static void give(struct ioasid_space *space, ioasid_t n, unsigned int which)
{
	struct ioasid_rcu *rcu = ioasid_space_rcu(space);
	ioasid_t id = INVALID_IOASID;
	int ret;

	do {
		ioasid_rcu_quiescent(rcu);
		ret = ioasid_space_alloc(space, which ? &set_b : &set_a, n, n,
					 &of_set[which], &id);
	} while (ret == -EAGAIN);
	EXPECT(ret == 0 && id == n);
}

static void threads(struct ioasid_space *space)
{
	struct work work = { space, { 0 }, { 0 }, { 0 } };
	pthread_t thread[2];
	unsigned int n, i;

	for (n = 0; n < 8; n++)
		give(space, n, 0);
	for (i = 0; i < 2; i++)
		EXPECT(!pthread_create(&thread[i], NULL, reader, &work));
	for (n = 0; n < 20000; n++) {
		EXPECT(ioasid_space_free(space, n % 8) == 0);
		give(space, n % 8, n % 3 != 0);
	}
	ioasid_store_relaxed(&work.stop, 1);
	ioasid_rcu_thread_offline(ioasid_space_rcu(space));
	for (i = 0; i < 2; i++)
		EXPECT(!pthread_join(thread[i], NULL));
	ioasid_rcu_thread_online(ioasid_space_rcu(space));
	EXPECT(!ioasid_load_relaxed(&work.wrong));
	EXPECT(ioasid_load_relaxed(&work.found) > 0);
	EXPECT(ioasid_space_validate(space, NULL));
}
#endif

static void spaces(enum ioasid_store_kind store,
		   enum ioasid_rcu_flavour flavour)
{
	struct ioasid_space_config config = {
		.max = 65535,
		.store = store,
		.flavour = flavour,
	};
	struct ioasid_space *space = NULL;

	EXPECT(ioasid_space_create(&config, &space) == 0);
	if (!space)
		return;
	EXPECT(ioasid_rcu_thread_register(ioasid_space_rcu(space)) == 0);
	calls(space);
	EXPECT(ioasid_space_free(space, 6) == 0);
#if THREADS
	if (flavour != IOASID_RCU_NONE)
		threads(space);
#endif
	EXPECT(ioasid_space_destroy(space) == 0);
}

static ioasid_t next_id = 0x12345;

static ioasid_t choose(ioasid_t min, ioasid_t max, void *data)
{
	(void)data;
	return next_id < min || next_id > max ? INVALID_IOASID : next_id;
}

static void take_back(ioasid_t id, void *data)
{
	EXPECT(id == 0x12345);
	++*(int *)data;
}

static void told(struct ioasid_notifier *notifier,
		 const struct ioasid_notice *notice)
{
	EXPECT(ioasid_handle_id(notice->handle) == 0x12345);
	notifier->priority++;
}

static uint64_t to_number(void *context, ioasid_t id, void *data)
{
	(void)context;
	(void)id;
	return data == &object ? UINT64_C(0x1122334455667788) : 0;
}

static int to_pointer(void *context, ioasid_t id, uint64_t number, void **data)
{
	(void)context;
	(void)id;
	*data = number == UINT64_C(0x1122334455667788) ? &object : NULL;
	return 0;
}

/* Bytes that are the same on every machine. */
static void check_bytes(const unsigned char *bytes, size_t size)
{
	static const unsigned char data[] = { 0x88, 0x77, 0x66, 0x55,
					      0x44, 0x33, 0x22, 0x11 };
	const unsigned char *id = bytes + 48 + 64;

	EXPECT(size == 48 + 64 + 32 && !memcmp(bytes, "IOASID\r\n", 8));
	EXPECT(bytes[16] == size && !bytes[17] && !bytes[23]);
	EXPECT(!memcmp(id, "\x45\x23\x01\x00", 4));
	EXPECT(!memcmp(id + 16, data, sizeof(data)));
	EXPECT(!memcmp(id + 24, "\x07\x00\x00\x00", 4));
}

static void later(void)
{
	static unsigned char bytes[512];
	const struct ioasid_set_config limits = { "set", &another, 2, 1 };
	const struct ioasid_codec codec = { .encode = to_number,
					    .decode = to_pointer };
	struct ioasid_notifier notifier = { .notify = told };
	struct ioasid_space *space, *copy;
	struct ioasid_allocator_ops ops;
	int taken_back = 0;
	struct ioasid_set *set;
	ioasid_handle_t handle;
	size_t size = 0;
	ioasid_t id = 0;
	void *data;

	memset(&ops, 0, sizeof(ops));
	ops.alloc = choose;
	ops.free = take_back;
	ops.pdata = &taken_back;
	EXPECT(!ioasid_space_create(NULL, &space));
	EXPECT(!ioasid_space_create(NULL, &copy));
	EXPECT(!ioasid_set_create(space, &limits, &set));
	EXPECT(!ioasid_space_register_notifier(space, NULL, &notifier));
	EXPECT(!ioasid_space_register_allocator(space, &ops));
	EXPECT(!ioasid_space_register_allocator(copy, &ops));
	EXPECT(!ioasid_space_alloc(space, set, 0, 0xfffff, &object, &id));
	EXPECT(!ioasid_spid_attach(space, id, 7));
	EXPECT(!ioasid_spid_find(space, set, 7, NULL, &id, &data));
	EXPECT(id == 0x12345 && data == &object);
	EXPECT(!ioasid_space_handle(space, set, id, &handle));
	EXPECT(!ioasid_space_snapshot(space, &codec, bytes, sizeof(bytes),
				      &size));
	check_bytes(bytes, size);
	EXPECT(!ioasid_space_restore(copy, &codec, bytes, size));
	EXPECT(!ioasid_space_find_handle(copy, NULL, handle, NULL, &data));
	EXPECT(data == &object);
	EXPECT(!ioasid_space_free_handle(space, handle) && taken_back == 1);
	EXPECT(ioasid_space_find_handle(space, NULL, handle, NULL, &data) ==
	       -ENOENT);
	EXPECT(notifier.priority == 2);
	EXPECT(ioasid_space_validate(space, NULL));
	EXPECT(ioasid_space_validate(copy, NULL));
	EXPECT(!ioasid_space_destroy(space));
	EXPECT(!ioasid_space_destroy(copy) && taken_back == 2);
}

static void default_space(void)
{
	struct ioasid_space_config config;
	ioasid_t id;

	memset(&config, 0, sizeof(config));
	EXPECT(ioasid_ptr_err(ioasid_find(NULL, 1, NULL)) == -ENOENT);
	EXPECT(ioasid_default_configure(&config) == 0);
	id = ioasid_alloc(&set_a, 1, 9, &object);
	EXPECT(id == 1);
	EXPECT(ioasid_default_configure(&config) == -EBUSY);
	EXPECT(ioasid_default_space() != NULL);
	EXPECT(ioasid_find(&set_a, id, accept) == &object);
	EXPECT(ioasid_is_err(ioasid_find(&set_b, id, NULL)));
	EXPECT(ioasid_set_data(id, &another) == 0);
	EXPECT(ioasid_find(NULL, id, accept) == NULL);
	EXPECT(ioasid_alloc(NULL, 2, 1, NULL) == INVALID_IOASID);
	EXPECT(ioasid_alloc(NULL, UINT32_MAX, UINT32_MAX, NULL) ==
	       INVALID_IOASID);
	ioasid_free(id);
	ioasid_free(id);
	EXPECT(ioasid_ptr_err(ioasid_find(NULL, id, NULL)) == -ENOENT);
}

int main(void)
{
	static const enum ioasid_store_kind stores[] = {
		IOASID_STORE_RADIX,
		IOASID_STORE_BITMAP,
		IOASID_STORE_HASH,
	};
	static const enum ioasid_rcu_flavour flavours[] = {
		IOASID_RCU_EPOCH,
		IOASID_RCU_QSBR,
		IOASID_RCU_NONE,
	};
	unsigned int i, j;

	slots();
	for (i = 0; i < 3; i++)
		domain(flavours[i]);
	for (i = 0; i < 3; i++)
		for (j = 0; j < 3; j++)
			spaces(stores[i], flavours[j]);
	later();
	default_space();
	printf("%s: %d-bit state, %d-bit pointers, threads %s\n",
	       failed ? "FAILED" : "ok", IOASID_STATE_BITS,
	       (int)sizeof(void *) * 8, THREADS ? "used" : "not used");
	return failed;
}
