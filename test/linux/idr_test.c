/* SPDX-License-Identifier: MIT */
/*
 * <linux/idr.h> where the kernel's own tests do not look: errors, the cursor,
 * the domain, threads; and how it differs. IOASID_IDR_STORE says on which store.
 */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#endif
#include "test/fixture.h"

#include <linux/idr.h>

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define BITMAP (IOASID_IDR_STORE == IOASID_STORE_BITMAP)

static char objects[8];

/*
 * Linked with --wrap=malloc. Of a thread's own: the call that fails, or 0, and
 * whether the next one waits.
 */
static _Thread_local unsigned int malloc_fails;
static _Thread_local bool malloc_waits;
static bool malloc_waiting, malloc_go;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
	if (malloc_fails && !--malloc_fails)
		return NULL;
	if (malloc_waits) {
		malloc_waits = false;
		__atomic_store_n(&malloc_waiting, true, __ATOMIC_RELEASE);
		while (!__atomic_load_n(&malloc_go, __ATOMIC_ACQUIRE))
			test_sleep(0.001);
	}
	return __real_malloc(size);
}

static DEFINE_IDR(static_idr);
static DEFINE_IDA(static_ida);

static void is_made_by_first_alloc(void **state)
{
	int id = 3;

	(void)state;
	assert_null(idr_find(&static_idr, 0));
	assert_null(idr_remove(&static_idr, 0));
	assert_ptr_equal(idr_replace(&static_idr, objects, 0),
			 ERR_PTR(-ENOENT));
	assert_null(idr_get_next(&static_idr, &id));
	assert_int_equal(id, 3);
	assert_true(idr_is_empty(&static_idr));
	idr_destroy(&static_idr);
	assert_int_equal(idr_alloc(&static_idr, objects, -1, 0, GFP_KERNEL),
			 -EINVAL);
	assert_int_equal(idr_alloc(&static_idr, objects, 5, 5, GFP_KERNEL),
			 -ENOSPC);
	assert_null(ioasid_load_relaxed(&static_idr.space));
	idr_preload(GFP_KERNEL);
	assert_int_equal(idr_alloc(&static_idr, objects, 7, 0, GFP_NOWAIT), 7);
	idr_preload_end();
	assert_int_equal(static_idr.store, IOASID_IDR_STORE);
	assert_ptr_equal(idr_find(&static_idr, 7), objects);
	idr_destroy(&static_idr);
	assert_null(ioasid_load_relaxed(&static_idr.space));
	assert_null(idr_find(&static_idr, 7));
	assert_int_equal(idr_alloc(&static_idr, objects, 0, 0, GFP_KERNEL), 0);
	idr_destroy(&static_idr);
}

static void ids_are_unsigned_long(void **state)
{
	/* 1, were it cut to 32 bits where there are more. */
	unsigned long far = ULONG_MAX / UINT32_MAX, id = 0;
	DEFINE_IDR(idr);

	(void)state;
	assert_int_equal(idr_alloc(&idr, objects, 1, 2, GFP_KERNEL), 1);
	if (far != 1) {
		assert_null(idr_find(&idr, far));
		assert_null(idr_remove(&idr, far));
		assert_ptr_equal(idr_replace(&idr, objects, far),
				 ERR_PTR(-ENOENT));
		assert_null(idr_get_next_ul(&idr, &far));
	}
	assert_null(idr_find(&idr, UINT32_MAX));
	assert_ptr_equal(idr_get_next_ul(&idr, &id), objects);
	assert_int_equal(id, 1);
	idr_destroy(&idr);
}

static void ranges(void **state)
{
	DEFINE_IDA(ida);
	DEFINE_IDR(idr);

	(void)state;
	assert_int_equal(ida_alloc_range(&ida, 5, 6, GFP_KERNEL), 5);
	assert_int_equal(ida_alloc_range(&ida, 5, 6, GFP_KERNEL), 6);
	assert_int_equal(ida_alloc_range(&ida, 5, 6, GFP_KERNEL), -ENOSPC);
	assert_int_equal(ida_alloc_range(&ida, 6, 5, GFP_KERNEL), -ENOSPC);
	assert_int_equal(ida_alloc_max(&ida, 0, GFP_KERNEL), 0);
	assert_int_equal(ida_alloc_max(&ida, 0, GFP_KERNEL), -ENOSPC);
	assert_int_equal(ida_alloc_max(&ida, UINT_MAX, GFP_KERNEL), 1);
	assert_int_equal(ida_alloc_min(&ida, 5, GFP_KERNEL), 7);
	assert_int_equal(ida_alloc_min(&ida, UINT_MAX, GFP_KERNEL), -ENOSPC);
	assert_int_equal(ida_alloc_range(&ida, INT_MAX + 1u, UINT_MAX,
					 GFP_KERNEL),
			 -ENOSPC);
	assert_int_equal(ida_simple_get(&ida, 2, 0, GFP_KERNEL), 2);
	assert_int_equal(ida_simple_get(&ida, 2, 3, GFP_KERNEL), -ENOSPC);
	ida_simple_remove(&ida, 2);
	ida_free(&ida, UINT_MAX);
	assert_int_equal(ida_alloc(&ida, GFP_KERNEL), 2);
	ida_destroy(&ida);
	assert_true(ida_is_empty(&ida));
	ida_init(&static_ida);
	assert_true(ida_is_empty(&static_ida));

	idr_init_base(&idr, 10);
	assert_int_equal(idr_alloc(&idr, objects, 3, 9, GFP_KERNEL), -ENOSPC);
	assert_int_equal(idr_alloc(&idr, objects, 3, 11, GFP_KERNEL), 10);
	assert_int_equal(idr_alloc(&idr, objects, 3, 11, GFP_KERNEL), -ENOSPC);
	assert_int_equal(idr_alloc(&idr, objects, 3, -1, GFP_KERNEL), 11);
	assert_int_equal(idr_alloc_cyclic(&idr, objects, 0, 10, GFP_KERNEL),
			 -ENOSPC);
	idr_destroy(&idr);
}

static void u32_is_told_on_success_only(void **state)
{
	uint32_t id = 4;
	DEFINE_IDR(idr);

	(void)state;
	assert_int_equal(idr_alloc_u32(&idr, objects, &id, 5, GFP_KERNEL), 0);
	assert_int_equal(id, 4);
	assert_int_equal(idr_alloc_u32(&idr, objects, &id, 5, GFP_KERNEL), 0);
	assert_int_equal(id, 5);
	id = 4;
	assert_int_equal(idr_alloc_u32(&idr, objects, &id, 5, GFP_KERNEL),
			 -ENOSPC);
	assert_int_equal(id, 4);
	assert_int_equal(idr_alloc_u32(&idr, objects, &id, 3, GFP_KERNEL),
			 -ENOSPC);
	assert_int_equal(id, 4);
	assert_int_equal(
		idr_alloc_u32(&idr, objects, &id, ULONG_MAX, GFP_KERNEL), 0);
	assert_int_equal(id, 6);
	idr_destroy(&idr);
}

static struct idr u32_idr;
static uint32_t *told;
static size_t page;
static void *found_before;

/* A write to *told: what is found now was found before it. */
static void on_write(int signal)
{
	(void)signal;
	CHECK(!mprotect(told, page, PROT_READ | PROT_WRITE));
	found_before = idr_find(&u32_idr, 6);
}

static void u32_is_told_before_it_is_found(void **state)
{
	struct sigaction action = { .sa_handler = on_write }, old, old_bus;

	(void)state;
	page = (size_t)sysconf(_SC_PAGESIZE);
	told = mmap(NULL, page, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(told != MAP_FAILED);
	idr_init(&u32_idr);
	*told = 6;
	found_before = objects;
	CHECK(!sigaction(SIGSEGV, &action, &old) &&
	      !sigaction(SIGBUS, &action, &old_bus));
	CHECK(!mprotect(told, page, PROT_READ));
	assert_int_equal(idr_alloc_u32(&u32_idr, objects, told, 9, GFP_KERNEL),
			 0);
	CHECK(!sigaction(SIGSEGV, &old, NULL) &&
	      !sigaction(SIGBUS, &old_bus, NULL));
	assert_null(found_before);
	assert_ptr_equal(idr_find(&u32_idr, 6), objects);
	idr_destroy(&u32_idr);
	munmap(told, page);
}

static int cyclic(struct idr *idr, int start, int end)
{
	return idr_alloc_cyclic(idr, objects, start, end, GFP_KERNEL);
}

static void cursor(void **state)
{
	DEFINE_IDR(idr);

	(void)state;
	assert_int_equal(cyclic(&idr, 2, 5), 2);
	assert_int_equal(idr_get_cursor(&idr), 3);
	idr_remove(&idr, 2);
	assert_int_equal(cyclic(&idr, 2, 5), 3);
	idr_remove(&idr, 3);
	/* Of its own alloc only. */
	assert_int_equal(idr_alloc(&idr, objects, 4, 5, GFP_KERNEL), 4);
	assert_int_equal(idr_get_cursor(&idr), 4);
	idr_remove(&idr, 4);
	assert_int_equal(cyclic(&idr, 2, 5), 4);
	assert_int_equal(idr_get_cursor(&idr), 5);
	idr_remove(&idr, 4);
	/* Behind the range it begins again, not at the end. */
	assert_int_equal(cyclic(&idr, 2, 5), 2);
	idr_remove(&idr, 2);
	assert_int_equal(cyclic(&idr, 2, 5), 3);
	assert_int_equal(cyclic(&idr, 2, 5), 4);
	assert_int_equal(cyclic(&idr, 2, 5), 2);
	assert_int_equal(idr_get_cursor(&idr), 3);
	assert_int_equal(cyclic(&idr, 2, 5), -ENOSPC);
	assert_int_equal(idr_get_cursor(&idr), 3);
	assert_int_equal(cyclic(&idr, -2, 5), -EINVAL);
	idr_set_cursor(&idr, 100);
	assert_int_equal(cyclic(&idr, 0, 200), 100);
	assert_int_equal(cyclic(&idr, 150, 200), 150);
	assert_int_equal(cyclic(&idr, 0, 0), 151);
	idr_set_cursor(&idr, UINT_MAX);
	assert_int_equal(cyclic(&idr, 0, 0), 0);
	idr_destroy(&idr);
}

static int visited[8];
static int visits;

static int visit(int id, void *p, void *data)
{
	struct idr *idr = data;

	assert_ptr_equal(p, &objects[id]);
	visited[visits++] = id;
	/* No lock is held, no read section. */
	assert_ptr_equal(idr_remove(idr, (unsigned long)id), p);
	assert_int_equal(ioasid_rcu_synchronize(ioasid_idr_rcu()), 0);
	return id == 5 ? 55 : 0;
}

static void walks_pass_over_null(void **state)
{
	unsigned long tmp, ul;
	DEFINE_IDR(idr);
	char *entry;
	int id;

	(void)state;
	for (id = 0; id < 8; id++)
		assert_int_equal(idr_alloc(&idr, id % 2 ? &objects[id] : NULL,
					   id, id + 1, GFP_KERNEL),
				 id);
	visits = 0;
	idr_for_each_entry(&idr, entry, id)
	{
		assert_ptr_equal(entry, &objects[id]);
		visits += id;
	}
	assert_null(entry);
	assert_int_equal(visits, 1 + 3 + 5 + 7);
	id = 5;
	visits = 0;
	idr_for_each_entry_continue(&idr, entry, id) visits += id;
	assert_int_equal(visits, 5 + 7);
	visits = 0;
	idr_for_each_entry_ul(&idr, entry, tmp, ul) visits += (int)ul;
	assert_int_equal(visits, 1 + 3 + 5 + 7);
	ul = 4;
	visits = 0;
	idr_for_each_entry_continue_ul(&idr, entry, tmp, ul) visits += (int)ul;
	assert_int_equal(visits, 5 + 7);
	visits = 0;
	assert_int_equal(idr_for_each(&idr, visit, &idr), 55);
	assert_int_equal(visits, 3);
	assert_int_equal(visited[0], 1);
	assert_int_equal(visited[1], 3);
	assert_int_equal(visited[2], 5);
	assert_null(idr_find(&idr, 5));
	assert_ptr_equal(idr_find(&idr, 7), &objects[7]);
	idr_destroy(&idr);
}

static int count_one(int id, void *p, void *data)
{
	int *count = data;

	assert_true(id >= 0 && p);
	++*count;
	return 0;
}

static void walks_end_at_int_max(void **state)
{
	unsigned long tmp, ul, sum = 0;
	uint32_t beyond = 0x80000000;
	int id, count = 0;
	DEFINE_IDR(idr);
	char *entry;

	(void)state;
	if (BITMAP) {
		idr_init_base(&idr, INT_MAX - 1);
	}
	assert_int_equal(idr_alloc(&idr, objects, INT_MAX - 1, 0, GFP_KERNEL),
			 INT_MAX - 1);
	assert_int_equal(idr_alloc(&idr, objects, INT_MAX, 0, GFP_KERNEL),
			 INT_MAX);
	assert_int_equal(
		idr_alloc_u32(&idr, objects, &beyond, beyond, GFP_KERNEL), 0);
	idr_for_each_entry(&idr, entry, id) count++;
	assert_int_equal(count, 2);
	assert_int_equal(idr_for_each(&idr, count_one, &count), 0);
	assert_int_equal(count, 4);
	idr_for_each_entry_ul(&idr, entry, tmp, ul) sum += ul - (INT_MAX - 1);
	assert_int_equal(sum, 0 + 1 + 2);
	assert_int_equal(tmp, beyond);
	idr_remove(&idr, INT_MAX);
	id = INT_MAX;
	assert_null(idr_get_next(&idr, &id));
	assert_int_equal(id, INT_MAX);
	idr_destroy(&idr);
}

/* An ID that waits for readers is one for which there is no room now. */
static void worn_id_waits(void **state)
{
	struct ioasid_rcu *rcu = ioasid_idr_rcu();
	bool waits = false;
	DEFINE_IDR(idr);
	int i, id;

	(void)state;
	ioasid_rcu_read_lock(rcu);
	for (i = 0; i < 8 && !waits; i++) {
		id = idr_alloc(&idr, objects, 5, 6, GFP_KERNEL);
		waits = id != 5;
		if (waits)
			assert_int_equal(id, -ENOMEM);
		else
			assert_ptr_equal(idr_remove(&idr, 5), objects);
	}
	ioasid_rcu_read_unlock(rcu);
#ifdef IOASID_GENERATION_START
	assert_true(waits);
#else
	assert_false(waits);
#endif
	assert_int_equal(ioasid_rcu_synchronize(rcu), 0);
	assert_int_equal(idr_alloc(&idr, objects, 5, 6, GFP_KERNEL), 5);
	idr_destroy(&idr);
}

static void no_memory(void **state)
{
	DEFINE_IDR(idr);
	unsigned int n;
	int id;

	(void)state;
	for (n = 1;; n++) {
		malloc_fails = n;
		id = idr_alloc(&idr, objects, 0, 0, GFP_KERNEL);
		if (malloc_fails)
			break;
		assert_int_equal(id, -ENOMEM);
		assert_true(idr_is_empty(&idr));
		assert_int_equal(idr_get_cursor(&idr), 0);
		idr_destroy(&idr);
	}
	malloc_fails = 0;
	assert_true(n > 2);
	assert_int_equal(id, 0);
	/* Its IDs go in any case. */
	malloc_fails = 1;
	idr_destroy(&idr);
	assert_int_equal(malloc_fails, 0);
	assert_true(idr_is_empty(&idr));
	assert_non_null(ioasid_load_relaxed(&idr.space));
	idr_destroy(&idr);
	assert_null(ioasid_load_relaxed(&idr.space));
}

/* A line of docs/differences-from-linux.md each. */

static void uint_max_is_no_id(void **state)
{
	uint32_t id = UINT_MAX - 1;
	DEFINE_IDR(idr);

	(void)state;
	if (BITMAP)
		idr.base = id;
	assert_int_equal(idr_alloc_u32(&idr, objects, &id, id, GFP_KERNEL), 0);
	id = UINT_MAX;
	assert_int_equal(idr_alloc_u32(&idr, objects, &id, id, GFP_KERNEL),
			 -ENOSPC);
	assert_int_equal(id, UINT_MAX);
	idr_destroy(&idr);
}

static void bitmap_idr_is_bounded(void **state)
{
	uint32_t last = IOASID_BITMAP_IDS_MAX + 9, next = last + 1;
	DEFINE_IDR(idr);

	(void)state;
	idr_init_base(&idr, 10);
	assert_int_equal(idr_alloc_u32(&idr, objects, &last, last, GFP_KERNEL),
			 0);
	assert_int_equal(idr_alloc_u32(&idr, objects, &next, next, GFP_KERNEL),
			 BITMAP ? -ENOSPC : 0);
	idr_destroy(&idr);
}

static void ida_memory_is_the_librarys(void **state)
{
	struct ioasid_stats stats;
	DEFINE_IDA(ida);
	int i;

	(void)state;
	/* No flag makes it fail, and an ID costs what it does in an IDR. */
	for (i = 0; i < 2048; i++)
		assert_int_equal(ida_alloc(&ida, GFP_NOWAIT), i);
	ioasid_space_stats(ioasid_load_relaxed(&ida.idr.space), &stats);
	assert_true(stats.memory >= 2048 * sizeof(struct ioasid_slot));
	ida_destroy(&ida);
}

static void empty_idr_is_destroyed_too(void **state)
{
	DEFINE_IDR(idr);

	(void)state;
	assert_int_equal(idr_alloc(&idr, objects, 0, 0, GFP_KERNEL), 0);
	assert_ptr_equal(idr_remove(&idr, 0), objects);
	assert_true(idr_is_empty(&idr));
	assert_non_null(ioasid_load_relaxed(&idr.space));
	idr_destroy(&idr);
	assert_null(ioasid_load_relaxed(&idr.space));
}

static void negative_start_is_refused(void **state)
{
	DEFINE_IDR(idr);

	(void)state;
	idr_set_cursor(&idr, 7);
	assert_int_equal(idr_alloc(&idr, objects, -2, 0, GFP_KERNEL), -EINVAL);
	assert_int_equal(cyclic(&idr, -2, 0), -EINVAL);
	assert_int_equal(idr_get_cursor(&idr), 7);
	assert_int_equal(cyclic(&idr, 0, 0), 7);
	idr_destroy(&idr);
}

static void unknown_ida_free_is_ignored(void **state)
{
	DEFINE_IDA(ida);

	(void)state;
	ida_free(&ida, 0);
	assert_int_equal(ida_alloc(&ida, GFP_KERNEL), 0);
	ida_free(&ida, 1);
	ida_free(&ida, 0);
	ida_free(&ida, 0);
	assert_true(ida_is_empty(&ida));
	ida_destroy(&ida);
}

static void wait_in_vain(void *done)
{
	DEFINE_IDR(idr);

	CHECK(!idr_alloc(&idr, objects, 0, 0, GFP_KERNEL));
	idr_destroy(&idr);
	__atomic_store_n((bool *)done, true, __ATOMIC_RELEASE);
}

static void idr_destroy_waits_for_readers(void **state)
{
	struct ioasid_rcu *rcu = ioasid_idr_rcu();
	struct actor actor;
	bool done = false;

	(void)state;
	actor_begin(&actor);
	ioasid_rcu_read_lock(rcu);
	actor_start(&actor, wait_in_vain, &done);
	assert_false(actor_done(&actor, A_WHILE));
	ioasid_rcu_read_unlock(rcu);
	actor_end(&actor);
	assert_true(done);
}

static void alloc_far(void *arg)
{
	malloc_waits = true;
	CHECK(idr_alloc(arg, objects, 1 << 20, 0, GFP_KERNEL) == 1 << 20);
	malloc_waits = false;
}

static void wait_for_readers(void *arg)
{
	(void)arg;
	CHECK(!ioasid_rcu_synchronize(ioasid_idr_rcu()));
}

/* So destroy, which waits for readers, waits for every call inside a space. */
static void alloc_is_a_reader(void **state)
{
	struct actor alloc, waiter;
	bool inside, waited = true;
	DEFINE_IDR(idr);

	(void)state;
	assert_int_equal(idr_alloc(&idr, objects, 0, 0, GFP_KERNEL), 0);
	__atomic_store_n(&malloc_waiting, false, __ATOMIC_RELAXED);
	__atomic_store_n(&malloc_go, false, __ATOMIC_RELAXED);
	actor_begin(&alloc);
	actor_begin(&waiter);
	actor_start(&alloc, alloc_far, &idr);
	while (!__atomic_load_n(&malloc_waiting, __ATOMIC_ACQUIRE) &&
	       !actor_done(&alloc, 0.001))
		;
	inside = __atomic_load_n(&malloc_waiting, __ATOMIC_ACQUIRE);
	if (inside) {
		actor_start(&waiter, wait_for_readers, NULL);
		waited = !actor_done(&waiter, A_WHILE);
	}
	__atomic_store_n(&malloc_go, true, __ATOMIC_RELEASE);
	actor_end(&alloc);
	actor_end(&waiter);
	/* The other stores have room for that ID. */
	assert_true(inside || IOASID_IDR_STORE != IOASID_STORE_RADIX);
	assert_true(waited);
	idr_destroy(&idr);
}

#define DIFFERENCE(name) cmocka_unit_test(name)

/* Which cannot be waited for there: the memory is given back later. */
static void destroy_in_a_read_section(void **state)
{
	struct ioasid_rcu *rcu = ioasid_idr_rcu();
	DEFINE_IDR(idr);
	DEFINE_IDR(other);

	(void)state;
	assert_int_equal(idr_alloc(&idr, objects, 0, 0, GFP_KERNEL), 0);
	ioasid_rcu_read_lock(rcu);
	idr_destroy(&idr);
	assert_true(idr_is_empty(&idr));
	assert_int_equal(idr_alloc(&idr, objects, 3, 0, GFP_KERNEL), 3);
	idr_destroy(&idr);
	ioasid_rcu_read_unlock(rcu);
	assert_int_equal(ioasid_rcu_destroy(rcu), -EBUSY);
	/* All of these are, a leak checker would say. */
	assert_int_equal(idr_alloc(&other, objects, 0, 0, GFP_KERNEL), 0);
	idr_destroy(&other);
}

struct owner {
	struct ioasid_rcu_head head;
	struct idr idr;
};

static unsigned int owners_gone;

static void owner_free(struct ioasid_rcu_head *head)
{
	struct owner *owner = (struct owner *)(void *)head;

	idr_destroy(&owner->idr);
	free(owner);
	owners_gone++;
}

static void destroy_in_a_callback(void **state)
{
	struct owner *owner = malloc(sizeof(*owner));
	DEFINE_IDR(other);

	(void)state;
	CHECK(owner);
	idr_init(&owner->idr);
	assert_int_equal(idr_alloc(&owner->idr, owner, 0, 0, GFP_KERNEL), 0);
	owners_gone = 0;
	assert_int_equal(ioasid_rcu_defer(ioasid_idr_rcu(), &owner->head,
					  owner_free),
			 0);
	assert_int_equal(ioasid_rcu_barrier(ioasid_idr_rcu()), 0);
	assert_int_equal(owners_gone, 1);
	assert_int_equal(idr_alloc(&other, objects, 0, 0, GFP_KERNEL), 0);
	idr_destroy(&other);
}

static void one_domain(void **state)
{
	struct ioasid_rcu *rcu = ioasid_idr_rcu();
	DEFINE_IDR(idr);

	(void)state;
	assert_non_null(rcu);
	assert_ptr_equal(ioasid_idr_rcu(), rcu);
	assert_int_equal(ioasid_idr_set_rcu(rcu), -EBUSY);
	assert_int_equal(idr_alloc(&idr, objects, 0, 0, GFP_KERNEL), 0);
	assert_ptr_equal(ioasid_space_rcu(ioasid_load_relaxed(&idr.space)),
			 rcu);
	idr_destroy(&idr);
}

/* Threads that all begin with an IDR that nobody has used. */
enum {
	WORKERS = 4,
	ROUNDS = TEST_SANITIZED ? 200 : 1000,
};

static struct {
	struct idr idr;
	pthread_barrier_t barrier;
	int ids[WORKERS];
} begun;

static void begin_together(void *arg)
{
	int *id = arg, i;

	for (i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(&begun.barrier);
		*id = idr_alloc(&begun.idr, id, 0, WORKERS, GFP_KERNEL);
		pthread_barrier_wait(&begun.barrier);
		CHECK(*id >= 0 &&
		      idr_find(&begun.idr, (unsigned int)*id) == id);
		pthread_barrier_wait(&begun.barrier);
		if (id == begun.ids)
			idr_destroy(&begun.idr);
	}
}

static void first_alloc_of_many_threads(void **state)
{
	struct actor actors[WORKERS];
	int i;

	(void)state;
	idr_init(&begun.idr);
	CHECK(!pthread_barrier_init(&begun.barrier, NULL, WORKERS));
	for (i = 0; i < WORKERS; i++) {
		actor_begin(&actors[i]);
		actor_start(&actors[i], begin_together, &begun.ids[i]);
	}
	for (i = 0; i < WORKERS; i++)
		actor_end(&actors[i]);
	pthread_barrier_destroy(&begun.barrier);
	assert_true(idr_is_empty(&begun.idr));
}

/* Objects that are really freed, found by readers meanwhile. */
struct object {
	struct ioasid_rcu_head head;
	uint32_t id;
	bool dead;
};

enum { OBJECTS = 16 };

static struct idr shared;
static unsigned int running, removed, allocated, found;

static void object_free(struct ioasid_rcu_head *head)
{
	struct object *object = (struct object *)(void *)head;

	object->dead = true;
	free(object);
}

static void alloc_and_remove(void *arg)
{
	struct test_random random = { (uintptr_t)arg };
	int i;

	for (i = 0;
	     i < ROUNDS * 20 || !__atomic_load_n(&found, __ATOMIC_RELAXED);
	     i++) {
		struct object *object;

		if (test_below(&random, 2)) {
			object = calloc(1, sizeof(*object));
			CHECK(object);
			/* Found with its ID in it. */
			object->id = test_below(&random, OBJECTS);
			if (!idr_alloc_u32(&shared, object, &object->id,
					   OBJECTS - 1, GFP_KERNEL))
				__atomic_fetch_add(&allocated, 1,
						   __ATOMIC_RELAXED);
			else
				free(object);
			continue;
		}
		/* Of two that remove it, one has it. */
		object = idr_remove(&shared, test_below(&random, OBJECTS));
		if (!object)
			continue;
		__atomic_fetch_add(&removed, 1, __ATOMIC_RELAXED);
		CHECK(!ioasid_rcu_defer(ioasid_idr_rcu(), &object->head,
					object_free));
	}
	__atomic_fetch_sub(&running, 1, __ATOMIC_RELEASE);
}

static void look(void *arg)
{
	struct ioasid_rcu *rcu = ioasid_idr_rcu();
	struct object *object;
	uint32_t i = 0;
	int next;

	(void)arg;
	while (__atomic_load_n(&running, __ATOMIC_ACQUIRE)) {
		ioasid_rcu_read_lock(rcu);
		i = (i + 1) % OBJECTS;
		object = idr_find(&shared, i);
		if (object) {
			CHECK(object->id == i && !object->dead);
			__atomic_fetch_add(&found, 1, __ATOMIC_RELAXED);
		}
		next = (int)i;
		object = idr_get_next(&shared, &next);
		CHECK(!object || object->id == (uint32_t)next);
		ioasid_rcu_read_unlock(rcu);
	}
}

static int remove_one(int id, void *p, void *data)
{
	struct object *object = p;

	(void)data;
	CHECK(idr_remove(&shared, (unsigned long)id) == p);
	removed++;
	free(object);
	return 0;
}

static void threads_and_objects(void **state)
{
	struct actor actors[WORKERS];
	int i;

	(void)state;
	idr_init(&shared);
	running = WORKERS - 1;
	removed = allocated = found = 0;
	for (i = 0; i < WORKERS; i++) {
		actor_begin(&actors[i]);
		actor_start(&actors[i], i ? alloc_and_remove : look,
			    (void *)(uintptr_t)(i + 1));
	}
	for (i = 0; i < WORKERS; i++)
		actor_end(&actors[i]);
	assert_int_equal(ioasid_rcu_barrier(ioasid_idr_rcu()), 0);
	assert_int_equal(idr_for_each(&shared, remove_one, NULL), 0);
	assert_int_equal(removed, allocated);
	assert_true(idr_is_empty(&shared));
	idr_destroy(&shared);
	print_message("%u found\n", found);
}

/* Destroy while others allocate and look: each ID is in one space or another. */
static void alloc_find_remove(void *arg)
{
	int i;

	for (i = 0; i < ROUNDS; i++) {
		int id = idr_alloc_cyclic(&begun.idr, arg, 0, 64, GFP_KERNEL);
		void *ptr;

		CHECK(id >= 0 && id < 64);
		ptr = idr_find(&begun.idr, (unsigned int)id);
		CHECK(!ptr ||
		      ((char *)ptr >= objects && (char *)ptr < objects + 8));
		idr_remove(&begun.idr, (unsigned int)id);
		if (i % 16 == 0)
			idr_destroy(&begun.idr);
	}
}

static void destroy_beside_others(void **state)
{
	struct actor actors[WORKERS];
	int i;

	(void)state;
	idr_init(&begun.idr);
	for (i = 0; i < WORKERS; i++) {
		actor_begin(&actors[i]);
		actor_start(&actors[i], alloc_find_remove, &objects[i]);
	}
	for (i = 0; i < WORKERS; i++)
		actor_end(&actors[i]);
	idr_destroy(&begun.idr);
	assert_true(idr_is_empty(&begun.idr));
}

static void child_of_fork_goes_on(void **state)
{
	DEFINE_IDR(fresh);
	DEFINE_IDR(idr);
	pid_t child;
	int status;

	(void)state;
	assert_int_equal(idr_alloc(&idr, objects, 0, 0, GFP_KERNEL), 0);
	child = fork();
	if (!child) {
		CHECK(idr_find(&idr, 0) == objects);
		CHECK(idr_alloc(&idr, objects, 0, 0, GFP_KERNEL) == 1);
		CHECK(idr_alloc(&fresh, objects, 0, 0, GFP_KERNEL) == 0);
		idr_destroy(&idr);
		idr_destroy(&fresh);
		_exit(0);
	}
	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_null(idr_find(&idr, 1));
	idr_destroy(&idr);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_made_by_first_alloc),
		cmocka_unit_test(ids_are_unsigned_long),
		cmocka_unit_test(ranges),
		cmocka_unit_test(u32_is_told_on_success_only),
		cmocka_unit_test(u32_is_told_before_it_is_found),
		cmocka_unit_test(cursor),
		cmocka_unit_test(walks_pass_over_null),
		cmocka_unit_test(walks_end_at_int_max),
		cmocka_unit_test(worn_id_waits),
		cmocka_unit_test(no_memory),
		DIFFERENCE(uint_max_is_no_id),
		DIFFERENCE(bitmap_idr_is_bounded),
		DIFFERENCE(ida_memory_is_the_librarys),
		DIFFERENCE(empty_idr_is_destroyed_too),
		DIFFERENCE(negative_start_is_refused),
		DIFFERENCE(unknown_ida_free_is_ignored),
		DIFFERENCE(idr_destroy_waits_for_readers),
		cmocka_unit_test(alloc_is_a_reader),
		cmocka_unit_test(destroy_in_a_read_section),
		cmocka_unit_test(destroy_in_a_callback),
		cmocka_unit_test(one_domain),
		cmocka_unit_test(first_alloc_of_many_threads),
		cmocka_unit_test(threads_and_objects),
		cmocka_unit_test(destroy_beside_others),
		cmocka_unit_test(child_of_fork_goes_on),
	};
	const struct ioasid_rcu_config config = { .reclaimer = true };
	struct ioasid_rcu *rcu = NULL;
	int ret;

	/* A domain of the program's, which it can end: no space has it any more. */
	if (argc > 1)
		CHECK(!ioasid_rcu_create(&config, &rcu) &&
		      !ioasid_idr_set_rcu(rcu) && ioasid_idr_rcu() == rcu);
	ret = cmocka_run_group_tests_name(argv[argc - 1], tests, NULL, NULL);
	CHECK(!rcu || !ioasid_rcu_destroy(rcu));
	return ret;
}
