// SPDX-License-Identifier: MIT
/* That the peer answers as the kernel does, so that it can be an oracle. */
#include "bench/peers/linux/linux_ioasid.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                   \
	((condition) ? (void)0 :                                           \
		       (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, \
				#condition),                               \
			exit(1)))

#define BAD LINUX_IOASID_INVALID

static void *error(int number)
{
	return (void *)(intptr_t)-number;
}

static uint32_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state % limit;
}

static bool yes(void *priv)
{
	(void)priv;
	return true;
}

static bool no(void *priv)
{
	(void)priv;
	return false;
}

static void test_results(void)
{
	void *const a = linux_ioasid_set_new();
	void *const b = linux_ioasid_set_new();
	int data[2];

	CHECK(linux_ioasid_alloc(a, 10, 12, &data[0]) == 10);
	CHECK(linux_ioasid_alloc(b, 10, 12, &data[1]) == 11);
	CHECK(linux_ioasid_alloc(a, 10, 12, NULL) == 12);
	CHECK(linux_ioasid_alloc(a, 10, 12, NULL) == BAD);
	CHECK(linux_ioasid_alloc(a, 7, 3, NULL) == BAD);

	CHECK(linux_ioasid_find(a, 10, NULL) == &data[0]);
	CHECK(linux_ioasid_find(NULL, 10, NULL) == &data[0]);
	CHECK(linux_ioasid_find(b, 10, NULL) == error(EACCES));
	CHECK(linux_ioasid_find(a, 9, NULL) == error(ENOENT));
	CHECK(linux_ioasid_find(a, UINT32_MAX, NULL) == error(ENOENT));
	CHECK(linux_ioasid_find(a, 12, NULL) == NULL);
	CHECK(linux_ioasid_find(a, 10, yes) == &data[0]);
	CHECK(linux_ioasid_find(a, 10, no) == NULL);

	CHECK(linux_ioasid_set_data(10, &data[1]) == 0);
	CHECK(linux_ioasid_find(a, 10, NULL) == &data[1]);
	CHECK(linux_ioasid_set_data(9, &data[1]) == -ENOENT);

	linux_ioasid_free(9);
	linux_ioasid_free(10);
	CHECK(linux_ioasid_find(a, 10, NULL) == error(ENOENT));
	CHECK(linux_ioasid_alloc(b, 0, 100, NULL) == 0);
	CHECK(linux_ioasid_alloc(b, 10, 100, NULL) == 10);

	/* The kernel hands the invalid ID out. */
	CHECK(linux_ioasid_alloc(a, BAD, BAD, &data[0]) == BAD);
	CHECK(linux_ioasid_find(a, BAD, NULL) == &data[0]);

	linux_ioasid_reset();
	CHECK(linux_ioasid_find(a, 11, NULL) == error(ENOENT));
	free(a);
	free(b);
}

static uint32_t custom_next;
static uint32_t custom_freed;

static uint32_t custom_alloc(uint32_t min, uint32_t max, void *pdata)
{
	(void)min;
	(void)max;
	CHECK(pdata == &custom_next);
	return custom_next++;
}

static void custom_free(uint32_t id, void *pdata)
{
	CHECK(pdata == &custom_next);
	custom_freed = id;
}

static void test_custom_allocator(void)
{
	struct linux_ioasid_ops ops = {
		.alloc = custom_alloc,
		.free = custom_free,
		.pdata = &custom_next,
	};
	int data;

	CHECK(linux_ioasid_alloc(NULL, 0, 9, NULL) == 0);
	CHECK(linux_ioasid_register_allocator(&ops) == -EAGAIN);
	linux_ioasid_free(0);
	CHECK(linux_ioasid_register_allocator(&ops) == 0);
	custom_next = 1234;
	CHECK(linux_ioasid_alloc(NULL, 0, 9, &data) == 1234);
	CHECK(linux_ioasid_find(NULL, 1234, NULL) == &data);
	linux_ioasid_free(1234);
	CHECK(custom_freed == 1234);
	CHECK(linux_ioasid_register_allocator(&ops) == -EEXIST);
	linux_ioasid_unregister_allocator(&ops);
	CHECK(linux_ioasid_alloc(NULL, 0, 9, NULL) == 0);
	linux_ioasid_reset();
}

/* Exact: 40 bytes an ID and 576 a node, of which 64 IDs have one. */
static void test_bytes(void)
{
	linux_ioasid_barrier();
	CHECK(linux_ioasid_bytes() == 0);
	for (uint32_t i = 0; i < 4096; i++)
		CHECK(linux_ioasid_alloc(NULL, 0, 4095, NULL) == i);
	CHECK(linux_ioasid_bytes() == 4096 * 40 + 65 * 576);
	CHECK(linux_ioasid_slab_bytes() >= linux_ioasid_bytes());
	for (uint32_t i = 64; i < 4096; i++)
		linux_ioasid_free(i);
	linux_ioasid_barrier();
	/* The root goes as well, only its first child is left. */
	CHECK(linux_ioasid_bytes() == 64 * 40 + 576);
	linux_ioasid_reset();
	CHECK(linux_ioasid_bytes() == 0);
	CHECK(linux_ioasid_slab_bytes() == 0);
}

/* Faults planted in the model, each of which the comparison must find. */
enum plant { PLANT_NONE, PLANT_OWNER, PLANT_LOWEST, PLANT_DATA, PLANTS };

enum { MODEL_IDS = 200, MODEL_STEPS = 200000 };

static struct {
	void *set;
	void *priv;
} model[MODEL_IDS];

static uint32_t model_alloc(void *set, uint32_t min, uint32_t max, void *priv,
			    enum plant plant)
{
	uint32_t found = BAD;

	for (uint32_t i = min; i <= max; i++)
		if (!model[i].set && (found == BAD || plant == PLANT_LOWEST))
			found = i;
	if (found != BAD) {
		model[found].set = set;
		model[found].priv = priv;
	}
	return found;
}

static void *model_find(void *set, uint32_t i, enum plant plant)
{
	if (!model[i].set)
		return error(ENOENT);
	if (set && set != model[i].set && plant != PLANT_OWNER)
		return error(EACCES);
	return model[i].priv;
}

/* Returns whether peer and model agree on one random call. */
static bool step(void *const sets[2], uint32_t base, enum plant plant)
{
	const uint32_t i = random_below(MODEL_IDS);
	const uint32_t j = i + random_below(MODEL_IDS - i);
	void *const set = sets[random_below(2)];
	void *const priv = &model[random_below(MODEL_IDS)];
	const uint32_t op = random_below(100);
	uint32_t expected;

	if (op < 30) {
		expected = model_alloc(set, i, j, priv, plant);
		if (expected != BAD)
			expected += base;
		return linux_ioasid_alloc(set, base + i, base + j, priv) ==
		       expected;
	}
	if (op < 45) {
		model[i].set = NULL;
		linux_ioasid_free(base + i);
		return true;
	}
	if (op < 46) {
		const int result = model[i].set ? 0 : -ENOENT;

		if (plant != PLANT_DATA)
			model[i].priv = priv;
		return linux_ioasid_set_data(base + i, priv) == result;
	}
	return linux_ioasid_find(set, base + i, NULL) ==
		       model_find(set, i, plant) &&
	       linux_ioasid_find(NULL, base + j, NULL) ==
		       model_find(NULL, j, plant);
}

static bool agrees(uint32_t base, enum plant plant)
{
	void *const sets[2] = { linux_ioasid_set_new(),
				linux_ioasid_set_new() };
	bool same = true;

	memset(model, 0, sizeof(model));
	for (int i = 0; same && i < MODEL_STEPS; i++)
		same = step(sets, base, plant);
	linux_ioasid_reset();
	free(sets[0]);
	free(sets[1]);
	return same;
}

static void test_model(void)
{
	CHECK(agrees(0, PLANT_NONE));
	CHECK(agrees(4000, PLANT_NONE));
	CHECK(agrees(UINT32_MAX - MODEL_IDS, PLANT_NONE));
	for (int plant = PLANT_NONE + 1; plant < PLANTS; plant++)
		CHECK(!agrees(0, (enum plant)plant));
}

enum { SHARED_IDS = 256, LOOKUPS = 20000000 };

static void *shared_sets[2];
static int shared_data[2];
static atomic_bool stop;
static atomic_ulong pairs;

static void *churn(void *set_index)
{
	const size_t i = *(const size_t *)set_index;

	linux_ioasid_thread_register();
	while (!stop) {
		const uint32_t id = linux_ioasid_alloc(
			shared_sets[i], 0, SHARED_IDS - 1, &shared_data[i]);

		CHECK(id < SHARED_IDS);
		linux_ioasid_free(id);
		linux_ioasid_thread_quiescent();
		pairs++;
	}
	linux_ioasid_thread_unregister();
	return NULL;
}

/* A lookup that names a set never yields what is not that set's. */
static void test_threads(void)
{
	static size_t index[2] = { 0, 1 };
	size_t hits = 0;
	pthread_t writers[2];

	linux_ioasid_thread_register();
	for (size_t i = 0; i < 2; i++) {
		shared_sets[i] = linux_ioasid_set_new();
		CHECK(!pthread_create(&writers[i], NULL, churn, &index[i]));
	}
	for (size_t i = 0; i < LOOKUPS || pairs < 10000 || !hits; i++) {
		void *const found = linux_ioasid_find(
			shared_sets[i % 2], (uint32_t)i / 2 % 4, NULL);

		CHECK(found == &shared_data[i % 2] || found == error(EACCES) ||
		      found == error(ENOENT));
		hits += found == &shared_data[i % 2];
		if (i % 64 == 0)
			linux_ioasid_thread_quiescent();
	}
	linux_ioasid_thread_offline();
	stop = true;
	for (size_t i = 0; i < 2; i++)
		CHECK(!pthread_join(writers[i], NULL));
	linux_ioasid_thread_online();
	linux_ioasid_barrier();
	CHECK(linux_ioasid_bytes() == 0);
	linux_ioasid_reset();
	linux_ioasid_thread_unregister();
	free(shared_sets[0]);
	free(shared_sets[1]);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "threads") == 0) {
		test_threads();
		return 0;
	}
	/* Unregistered, the batches go to the reclaimer; registered, not. */
	for (int i = 0; i < 2; i++) {
		if (i)
			linux_ioasid_thread_register();
		test_results();
		test_custom_allocator();
		test_bytes();
		test_model();
	}
	linux_ioasid_thread_unregister();
	return 0;
}
