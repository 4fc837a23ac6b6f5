/* SPDX-License-Identifier: MIT */
/* Linux 6.1's own drivers/iommu/iommu-sva-lib.c, on <linux/ioasid.h>. */
#include "test/fixture.h"
#include "test/linux/default_store.h"

#include <linux/ioasid.h>
#include <linux/sched/mm.h>

#include <drivers/iommu/iommu-sva-lib.h>

enum { PASID_MAX = 0xfffff };

static unsigned int mms;

static struct ioasid_rcu *domain(void)
{
	return ioasid_space_rcu(ioasid_default_space());
}

static uint32_t live(void)
{
	struct ioasid_stats stats;

	ioasid_space_stats(ioasid_default_space(), &stats);
	return stats.live;
}

static struct mm_struct *mm_new(void)
{
	struct mm_struct *mm = calloc(1, sizeof(*mm));

	CHECK(mm);
	mm->users = 1;
	mm->pasid = INVALID_IOASID;
	__atomic_fetch_add(&mms, 1, __ATOMIC_RELAXED);
	return mm;
}

static void mm_free(struct ioasid_rcu_head *head)
{
	free((char *)head - offsetof(struct mm_struct, rcu));
	__atomic_fetch_sub(&mms, 1, __ATOMIC_RELAXED);
}

void mmput(struct mm_struct *mm)
{
	int users = __atomic_sub_fetch(&mm->users, 1, __ATOMIC_ACQ_REL);

	CHECK(users >= 0);
	if (users)
		return;
	if (pasid_valid(mm->pasid))
		ioasid_free(mm->pasid);
	CHECK(!ioasid_rcu_defer(domain(), &mm->rcu, mm_free));
}

static void all_gone(void)
{
	assert_int_equal(ioasid_rcu_barrier(domain()), 0);
	assert_int_equal(mms, 0);
	assert_int_equal(live(), 0);
}

static void one_pasid_for_an_mm(void **state)
{
	struct mm_struct *mm = mm_new(), *other = mm_new();

	(void)state;
	assert_int_equal(iommu_sva_alloc_pasid(mm, 1, PASID_MAX), 0);
	assert_int_equal(mm->pasid, 1);
	assert_int_equal(iommu_sva_alloc_pasid(mm, 1, PASID_MAX), 0);
	assert_int_equal(mm->pasid, 1);
	assert_int_equal(live(), 1);
	assert_int_equal(iommu_sva_alloc_pasid(other, 1, PASID_MAX), 0);
	assert_int_equal(other->pasid, 2);
	mmput(mm);
	assert_int_equal(live(), 1);
	mm = mm_new();
	assert_int_equal(iommu_sva_alloc_pasid(mm, 1, PASID_MAX), 0);
	assert_int_equal(mm->pasid, 1);
	mmput(mm);
	mmput(other);
	all_gone();
}

static void ranges(void **state)
{
	static const struct {
		ioasid_t min, max;
		int ret;
	} calls[] = {
		{ 0, PASID_MAX, -EINVAL },
		{ INVALID_IOASID, INVALID_IOASID, -EINVAL },
		{ 1, INVALID_IOASID, -EINVAL },
		{ 9, 8, -EINVAL },
		{ 40, 50, 0 },
		{ 1, 50, 0 },
		{ 40, 41, 0 },
		{ 41, 50, -EOVERFLOW },
		{ 1, 39, -EOVERFLOW },
		/* The driver takes its own max for exclusive here. */
		{ 1, 40, -EOVERFLOW },
	};
	struct mm_struct *mm = mm_new(), *late = mm_new();
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(calls); i++)
		assert_int_equal(iommu_sva_alloc_pasid(mm, calls[i].min,
						       calls[i].max),
				 calls[i].ret);
	assert_int_equal(mm->pasid, 40);
	assert_int_equal(iommu_sva_alloc_pasid(late, 40, 40), -ENOMEM);
	assert_false(pasid_valid(late->pasid));
	mmput(mm);
	assert_int_equal(iommu_sva_alloc_pasid(late, 40, 40), 0);
	assert_int_equal(late->pasid, 40);
	mmput(late);
	all_gone();
}

static void find_takes_a_reference(void **state)
{
	struct mm_struct *mm = mm_new();

	(void)state;
	assert_int_equal(iommu_sva_alloc_pasid(mm, 1, PASID_MAX), 0);
	assert_ptr_equal(iommu_sva_find(mm->pasid), mm);
	assert_int_equal(mm->users, 2);
	mmput(mm);
	assert_ptr_equal(iommu_sva_find(mm->pasid), mm);
	mmput(mm);
	assert_int_equal(mm->users, 1);
	/* Nobody's any more, but still to be found. */
	mm->users = 0;
	assert_null(iommu_sva_find(mm->pasid));
	assert_int_equal(mm->users, 0);
	mm->users = 1;
	mmput(mm);
	all_gone();
}

static void not_found(void **state)
{
	static DECLARE_IOASID_SET(other);
	struct mm_struct *mm = mm_new();
	ioasid_t foreign = ioasid_alloc(&other, 1, PASID_MAX, mm);
	ioasid_t pasid;

	(void)state;
	assert_int_equal(iommu_sva_alloc_pasid(mm, 1, PASID_MAX), 0);
	pasid = mm->pasid;
	assert_int_equal(PTR_ERR(iommu_sva_find(pasid + 1)), -ENOENT);
	assert_int_equal(PTR_ERR(iommu_sva_find(INVALID_IOASID)), -ENOENT);
	assert_int_equal(PTR_ERR(iommu_sva_find(foreign)), -EACCES);
	assert_int_equal(mm->users, 1);
	ioasid_rcu_read_lock(domain());
	mmput(mm);
	assert_int_equal(PTR_ERR(iommu_sva_find(pasid)), -ENOENT);
	ioasid_rcu_read_unlock(domain());
	ioasid_free(foreign);
	all_gone();
}

/* Processes come and go while a device's faults are handled. */
enum {
	OWNERS = 3,
	HANDLERS = 2,
	PROCESSES = TEST_SANITIZED ? 3000 : 30000,
	PASIDS = 8,
};

static unsigned int owners, hits;

static void own(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < PROCESSES || !__atomic_load_n(&hits, __ATOMIC_RELAXED);
	     i++) {
		struct mm_struct *mm = mm_new(), *found;

		if (!iommu_sva_alloc_pasid(mm, 1, PASIDS)) {
			CHECK(mm->pasid >= 1 && mm->pasid <= PASIDS);
			found = iommu_sva_find(mm->pasid);
			CHECK(found == mm);
			mmput(found);
		}
		mmput(mm);
	}
	__atomic_fetch_sub(&owners, 1, __ATOMIC_RELEASE);
}

static void handle(void *arg)
{
	ioasid_t pasid = 0;

	(void)arg;
	while (__atomic_load_n(&owners, __ATOMIC_ACQUIRE)) {
		struct mm_struct *mm = iommu_sva_find(1 + pasid++ % PASIDS);

		if (IS_ERR_OR_NULL(mm)) {
			CHECK(!mm || PTR_ERR(mm) == -ENOENT);
			continue;
		}
		CHECK(__atomic_load_n(&mm->users, __ATOMIC_RELAXED) > 0);
		__atomic_fetch_add(&hits, 1, __ATOMIC_RELAXED);
		mmput(mm);
	}
}

static void threads(void **state)
{
	struct actor actors[OWNERS + HANDLERS];
	size_t i;

	(void)state;
	owners = OWNERS;
	for (i = 0; i < OWNERS + HANDLERS; i++) {
		actor_begin(&actors[i]);
		actor_start(&actors[i], i < HANDLERS ? handle : own, NULL);
	}
	for (i = 0; i < OWNERS + HANDLERS; i++)
		actor_end(&actors[i]);
	print_message("%u found\n", hits);
	all_gone();
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_pasid_for_an_mm),
		cmocka_unit_test(ranges),
		cmocka_unit_test(find_takes_a_reference),
		cmocka_unit_test(not_found),
		cmocka_unit_test(threads),
	};

	choose_default_store(argc, argv);
	return cmocka_run_group_tests_name("sva", tests, NULL, NULL);
}
