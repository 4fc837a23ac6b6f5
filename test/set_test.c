/* SPDX-License-Identifier: MIT */
/* Sets: made, bound, limited, found, walked and ended. */
#include "test/counts.h"

#include <ioasid/notifier.h>
#include <ioasid/set.h>

static const char *const longest = "0123456789abcdef0123456789abcde";
static const char *const too_long = "0123456789abcdef0123456789abcdef";

static void *pointer(uintptr_t n)
{
	return (void *)(n << 4);
}

static struct ioasid_set_info info_of(struct fixture *fixture,
				      const struct ioasid_set *set)
{
	struct ioasid_set_info info;

	memset(&info, 0xa5, sizeof(info));
	assert_int_equal(ioasid_set_stats(fixture->space, set, &info), 0);
	return info;
}

static void expect_info(struct fixture *fixture, const struct ioasid_set *set,
			const struct ioasid_set_info *before)
{
	struct ioasid_set_info now = info_of(fixture, set);

	assert_memory_equal(before, &now, sizeof(now));
}

static struct ioasid_set *make(struct fixture *fixture, const char *name,
			       void *token, uint32_t quota, uint32_t reserved)
{
	const struct ioasid_set_config config = { name, token, quota,
						  reserved };
	struct ioasid_set *set = NULL;

	assert_int_equal(ioasid_set_create(fixture->space, &config, &set), 0);
	return set;
}

static int give(struct fixture *fixture, struct ioasid_set *set, ioasid_t id)
{
	ioasid_t given = INVALID_IOASID;
	int ret = ioasid_space_alloc(fixture->space, set, id, id, pointer(id),
				     &given);

	assert_int_equal(given, ret ? INVALID_IOASID : id);
	return ret;
}

static struct ioasid_space *another(struct fixture *fixture, ioasid_t min,
				    ioasid_t max)
{
	struct ioasid_space_config config;
	struct ioasid_space *space;

	fixture_space_config(fixture, &config, min, max);
	assert_int_equal(ioasid_space_create(&config, &space), 0);
	return space;
}

/* Neither way to make a set takes that, and nothing has changed. */
static void refuse(struct fixture *fixture,
		   const struct ioasid_set_config *config, int error)
{
	struct ioasid_stats before = counts(fixture);
	struct ioasid_set *untouched = (struct ioasid_set *)pointer(1);
	struct ioasid_set *set = untouched;
	static DECLARE_IOASID_SET(bound);
	struct ioasid_set_info info;

	assert_int_equal(ioasid_set_create(fixture->space, config, &set),
			 error);
	assert_ptr_equal(set, untouched);
	assert_int_equal(ioasid_set_bind(fixture->space, &bound, config),
			 error);
	expect_counts(fixture, &before);
	assert_int_equal(ioasid_set_stats(fixture->space, &bound, &info),
			 -EXDEV);
	/* Bound nowhere: it can still be. */
	assert_int_equal(ioasid_set_bind(fixture->space, &bound, NULL), 0);
	assert_int_equal(ioasid_set_destroy(fixture->space, &bound), 0);
	expect_counts(fixture, &before);
}

static void make_refuses(struct fixture *fixture)
{
	char huge[5000];
	const struct ioasid_set_config bad[] = {
		{ NULL, NULL, 5, 6 },
		{ NULL, NULL, 1, UINT32_MAX },
		{ NULL, NULL, UINT32_MAX - 1, UINT32_MAX },
		{ too_long, NULL, 0, 0 },
		{ huge, NULL, 0, 0 },
		{ NULL, pointer(7), 0, 0 },
		{ NULL, NULL, 0, 1025 },
		{ NULL, NULL, 0, UINT32_MAX },
		{ NULL, NULL, UINT32_MAX, UINT32_MAX },
		/* What is left beside the IDs there are. */
		{ NULL, NULL, 0, 1022 },
	};
	static const int errors[] = { -EINVAL,	     -EINVAL,	    -EINVAL,
				      -ENAMETOOLONG, -ENAMETOOLONG, -EEXIST,
				      -ENOSPC,	     -ENOSPC,	    -ENOSPC,
				      -ENOSPC };
	struct ioasid_set *has_token, *all;
	size_t i;

	memset(huge, 'x', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	has_token = make(fixture, "has the token", pointer(7), 0, 0);
	assert_int_equal(give(fixture, NULL, 1), 0);
	assert_int_equal(give(fixture, NULL, 2), 0);
	assert_int_equal(give(fixture, has_token, 3), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		refuse(fixture, &bad[i], errors[i]);
	all = make(fixture, longest, NULL, 0, 1021);
	assert_int_equal(ioasid_set_destroy(fixture->space, all), 0);
}

static void bind_refuses(struct fixture *fixture)
{
	struct ioasid_space *here = fixture->space;
	struct ioasid_space *other = another(fixture, 0, 9);
	const struct ioasid_set_config config = { "a", pointer(1), 4, 3 };
	const struct ioasid_set_config bad = { .quota = 1, .reserved = 2 };
	struct ioasid_set_info before;
	static DECLARE_IOASID_SET(a);

	assert_int_equal(ioasid_set_bind(here, NULL, &config), -EXDEV);
	assert_int_equal(ioasid_set_bind(here, &a, &config), 0);
	before = info_of(fixture, &a);
	assert_int_equal(ioasid_set_bind(here, &a, &config), -EBUSY);
	assert_int_equal(ioasid_set_bind(here, &a, NULL), -EBUSY);
	assert_int_equal(ioasid_set_bind(other, &a, NULL), -EXDEV);
	/* That comes before all that there could be to it. */
	fixture->memory.fail_all = true;
	assert_int_equal(ioasid_set_bind(other, &a, NULL), -EXDEV);
	fixture->memory.fail_all = false;
	assert_int_equal(ioasid_set_bind(other, &a, &bad), -EXDEV);
	expect_info(fixture, &a, &before);
	/* One that the library made is bound as well. */
	assert_int_equal(ioasid_set_bind(other, make(fixture, 0, 0, 0, 0),
					 NULL),
			 -EXDEV);
	fixture->space = other;
	assert_int_equal(counts(fixture).sets, 0);
	fixture->space = here;
	assert_int_equal(ioasid_space_destroy(other), 0);
}

static void names(struct fixture *fixture)
{
	static const char *const name[] = { NULL, "", "x", longest,
					    "\xff\x01 \"quoted\"" };
	struct ioasid_set_info info;
	struct ioasid_set *set;
	char copy[IOASID_NAME_SIZE];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(name); i++) {
		memset(copy, 0, sizeof(copy));
		if (name[i])
			memcpy(copy, name[i], strlen(name[i]));
		set = make(fixture, copy, NULL, 0, 0);
		/* The name is the library's by now. */
		memset(copy, 'z', sizeof(copy) - 1);
		info = info_of(fixture, set);
		memset(copy, 0, sizeof(copy));
		if (name[i])
			memcpy(copy, name[i], strlen(name[i]));
		assert_memory_equal(info.name, copy, sizeof(copy));
	}
	/* The space's own follows the same rule. */
	{
		struct ioasid_space_config config;
		struct ioasid_space *space = NULL;

		fixture_space_config(fixture, &config, 0, 9);
		config.name = too_long;
		assert_int_equal(ioasid_space_create(&config, &space),
				 -ENAMETOOLONG);
		assert_null(space);
		config.name = longest;
		assert_int_equal(ioasid_space_create(&config, &space), 0);
		assert_int_equal(ioasid_space_destroy(space), 0);
	}
}

static void info(struct fixture *fixture)
{
	struct ioasid_set *set = make(fixture, "one", pointer(3), 9, 2);
	struct ioasid_set_info now = info_of(fixture, set);
	static DECLARE_IOASID_SET(plain);

	assert_string_equal(now.name, "one");
	assert_ptr_equal(now.token, pointer(3));
	assert_int_equal(now.quota, 9);
	assert_int_equal(now.reserved, 2);
	assert_int_equal(now.count, 0);
	assert_int_equal(now.spids, 0);
	assert_int_equal(give(fixture, set, 5), 0);
	assert_int_equal(give(fixture, set, 6), 0);
	assert_int_equal(ioasid_spid_attach(fixture->space, 5, 77), 0);
	assert_int_equal(ioasid_space_get(fixture->space, set, 6), 0);
	assert_int_equal(ioasid_space_free(fixture->space, 6), 0);
	now = info_of(fixture, set);
	assert_int_equal(now.count, 2);
	assert_int_equal(now.spids, 1);
	/* By first use: nothing is known of it. */
	assert_int_equal(give(fixture, &plain, 7), 0);
	now = info_of(fixture, &plain);
	assert_string_equal(now.name, "");
	assert_null(now.token);
	assert_int_equal(now.quota, 0);
	assert_int_equal(now.reserved, 0);
	assert_int_equal(now.count, 1);
	assert_int_equal(counts(fixture).sets, 2);
}

static void quota(struct fixture *fixture)
{
	struct ioasid_space *space = fixture->space;
	struct ioasid_set *set = make(fixture, NULL, NULL, 3, 0);
	struct ioasid_stats before;
	struct ioasid_set_info with;
	ioasid_t id = 4321;

	for (ioasid_t n = 0; n < 3; n++)
		assert_int_equal(give(fixture, set, n), 0);
	before = counts(fixture);
	with = info_of(fixture, set);
	assert_int_equal(ioasid_space_alloc(space, set, 0, INVALID_IOASID, NULL,
					    &id),
			 -EDQUOT);
	assert_int_equal(id, 4321);
	/* Whatever the range. */
	assert_int_equal(give(fixture, set, 900), -EDQUOT);
	assert_int_equal(give(fixture, set, 1), -EDQUOT);
	before.alloc_failed += 3;
	expect_counts(fixture, &before);
	expect_info(fixture, set, &with);
	/* Others may. */
	assert_int_equal(give(fixture, NULL, 10), 0);
	/* Pending ones count until their last reference. */
	assert_int_equal(ioasid_space_get(space, NULL, 0), 0);
	assert_int_equal(ioasid_space_get(space, NULL, 0), 0);
	assert_int_equal(ioasid_space_free(space, 0), 0);
	assert_int_equal(info_of(fixture, set).count, 3);
	assert_int_equal(give(fixture, set, 900), -EDQUOT);
	assert_int_equal(ioasid_space_put(space, 0), 0);
	assert_int_equal(give(fixture, set, 900), -EDQUOT);
	assert_int_equal(ioasid_space_put(space, 0), 1);
	assert_int_equal(info_of(fixture, set).count, 2);
	assert_int_equal(give(fixture, set, 900), 0);
	/* Each way to end a life gives it back. */
	assert_int_equal(ioasid_space_put(space, 900), 1);
	assert_int_equal(info_of(fixture, set).count, 2);
	assert_int_equal(ioasid_space_free(space, 1), 0);
	assert_int_equal(info_of(fixture, set).count, 1);
	assert_int_equal(give(fixture, set, 20), 0);
	assert_int_equal(give(fixture, set, 21), 0);
	assert_int_equal(give(fixture, set, 22), -EDQUOT);
}

/* What ioasid_set_limit() says, and that it changed what it said. */
static void limit_to(struct fixture *fixture, struct ioasid_set *set,
		     uint32_t quota_to, uint32_t reserved, int ret)
{
	struct ioasid_set_info before = info_of(fixture, set);
	struct ioasid_stats counted = counts(fixture);

	assert_int_equal(
		ioasid_set_limit(fixture->space, set, quota_to, reserved), ret);
	if (ret) {
		expect_counts(fixture, &counted);
	} else {
		before.quota = quota_to;
		before.reserved = reserved;
	}
	expect_info(fixture, set, &before);
}

static void limit(struct fixture *fixture)
{
	struct ioasid_set *set = make(fixture, "limited", pointer(1), 0, 0);
	ioasid_t id;

	for (ioasid_t n = 0; n < 4; n++)
		assert_int_equal(give(fixture, set, n), 0);
	limit_to(fixture, set, 3, 0, -EBUSY);
	limit_to(fixture, set, 1, 0, -EBUSY);
	limit_to(fixture, set, 4, 0, 0);
	assert_int_equal(give(fixture, set, 9), -EDQUOT);
	limit_to(fixture, set, 4, 5, -EINVAL);
	limit_to(fixture, set, 1, UINT32_MAX, -EINVAL);
	limit_to(fixture, set, 4, 4, 0);
	limit_to(fixture, set, 5, 5, 0);
	limit_to(fixture, set, UINT32_MAX, 0, 0);
	limit_to(fixture, set, UINT32_MAX, UINT32_MAX, -ENOSPC);
	limit_to(fixture, set, 0, 1025, -ENOSPC);
	limit_to(fixture, set, 0, 1024, 0);
	assert_int_equal(ioasid_space_alloc(fixture->space, NULL, 0,
					    INVALID_IOASID, NULL, &id),
			 -ENOSPC);
	limit_to(fixture, set, 0, 0, 0);
	/* Pending ones are in use. */
	assert_int_equal(ioasid_space_get(fixture->space, set, 0), 0);
	assert_int_equal(ioasid_space_free(fixture->space, 0), 0);
	limit_to(fixture, set, 3, 0, -EBUSY);
	assert_int_equal(ioasid_space_put(fixture->space, 0), 1);
	limit_to(fixture, set, 3, 0, 0);
	assert_int_equal(ioasid_set_limit(fixture->space, NULL, 1, 0), -EXDEV);
}

static void notified(struct ioasid_notifier *notifier,
		     const struct ioasid_notice *notice)
{
	(void)notifier;
	(void)notice;
}

/* Every call with a set that is not the space's says so. */
static void expect_foreign(struct ioasid_space *space, struct ioasid_set *set,
			   ioasid_t of_none)
{
	struct ioasid_set_info untouched, now;
	struct ioasid_notifier notifier = { .notify = notified };
	uint32_t count = 4321;
	ioasid_t id = 4321;
	void *data = &data;
	int expected = set ? -EACCES : 0;

	memset(&untouched, 0xa5, sizeof(untouched));
	now = untouched;
	assert_int_equal(ioasid_set_destroy(space, set), -EXDEV);
	assert_int_equal(ioasid_set_limit(space, set, 0, 0), -EXDEV);
	assert_int_equal(ioasid_set_limit(space, set, 1, 2), -EXDEV);
	assert_int_equal(ioasid_set_stats(space, set, &now), -EXDEV);
	assert_memory_equal(&now, &untouched, sizeof(now));
	assert_int_equal(ioasid_set_free_all(space, set, &count), -EXDEV);
	assert_int_equal(ioasid_set_free_all(space, set, NULL), -EXDEV);
	assert_int_equal(count, 4321);
	assert_int_equal(ioasid_spid_find(space, set, 1, NULL, &id, &data),
			 -EXDEV);
	assert_int_equal(id, INVALID_IOASID);
	assert_null(data);
	/* NULL is any set to lookups. */
	assert_int_equal(ioasid_space_find(space, set, of_none, NULL, &data),
			 expected);
	assert_int_equal(ioasid_space_get(space, set, of_none), expected);
	if (!set) {
		assert_int_equal(ioasid_space_put(space, of_none), 0);
		return;
	}
	if (!ioasid_load_relaxed(&set->space))
		return;
	/* Not bound to this space by any first use. */
	id = 4321;
	assert_int_equal(ioasid_space_alloc(space, set, 0, INVALID_IOASID, NULL,
					    &id),
			 -EXDEV);
	assert_int_equal(id, 4321);
	assert_int_equal(ioasid_space_register_notifier(space, set, &notifier),
			 -EXDEV);
	assert_int_equal(ioasid_set_bind(space, set, NULL), -EXDEV);
}

static void foreign(struct fixture *fixture)
{
	struct ioasid_space *here = fixture->space;
	struct ioasid_space *other = another(fixture, 0, 9);
	static DECLARE_IOASID_SET(bound);
	static DECLARE_IOASID_SET(unbound);
	struct ioasid_stats before;
	struct ioasid_set *made;
	ioasid_t id;

	assert_int_equal(give(fixture, NULL, 0), 0);
	fixture->space = other;
	assert_int_equal(give(fixture, &bound, 1), 0);
	made = make(fixture, "made", pointer(1), 4, 2);
	fixture->space = here;
	before = counts(fixture);
	expect_foreign(here, &bound, 0);
	expect_foreign(here, made, 0);
	expect_foreign(here, &unbound, 0);
	expect_foreign(here, NULL, 0);
	before.alloc_failed += 2;
	expect_counts(fixture, &before);
	fixture->space = other;
	assert_int_equal(counts(fixture).sets, 2);
	assert_int_equal(info_of(fixture, made).reserved, 2);
	fixture->space = here;
	/* With its space goes its binding, IDs or not. */
	assert_int_equal(ioasid_space_destroy(other), 0);
	expect_foreign(here, &bound, 0);
	assert_int_equal(ioasid_space_alloc(here, &bound, 1, 1, NULL, &id), 0);
	assert_int_equal(info_of(fixture, &bound).count, 1);
}

static void destroy(struct fixture *fixture)
{
	const struct ioasid_set_config config = { "again", pointer(8), 3, 2 };
	struct ioasid_space *space = fixture->space;
	struct ioasid_space *other = another(fixture, 0, 9);
	struct ioasid_set *set = make(fixture, "mine", pointer(4), 5, 3);
	struct ioasid_set *found;
	struct ioasid_stats before;
	static DECLARE_IOASID_SET(bound);
	void *data;

	assert_int_equal(give(fixture, set, 1), 0);
	assert_int_equal(ioasid_space_get(space, set, 1), 0);
	before = counts(fixture);
	assert_int_equal(ioasid_set_destroy(space, set), -EBUSY);
	expect_counts(fixture, &before);
	assert_int_equal(ioasid_space_free(space, 1), 0);
	before = counts(fixture);
	assert_int_equal(ioasid_set_destroy(space, set), -EBUSY);
	expect_counts(fixture, &before);
	assert_int_equal(info_of(fixture, set).count, 1);
	assert_int_equal(ioasid_space_put(space, 1), 1);
	assert_int_equal(counts(fixture).committed, 3);
	assert_int_equal(ioasid_set_destroy(space, set), 0);
	assert_int_equal(counts(fixture).sets, 0);
	assert_int_equal(counts(fixture).committed, 0);
	assert_int_equal(ioasid_set_by_token(space, pointer(4), &found),
			 -ENOENT);
	/* A static one is nobody's again, what it was asked for forgotten. */
	assert_int_equal(ioasid_set_bind(space, &bound, &config), 0);
	assert_int_equal(give(fixture, &bound, 2), 0);
	assert_int_equal(ioasid_set_destroy(space, &bound), -EBUSY);
	assert_int_equal(ioasid_space_free(space, 2), 0);
	assert_int_equal(ioasid_set_destroy(space, &bound), 0);
	assert_int_equal(ioasid_set_destroy(space, &bound), -EXDEV);
	assert_int_equal(give(fixture, NULL, 3), 0);
	assert_int_equal(ioasid_space_find(space, &bound, 3, NULL, &data),
			 -EACCES);
	fixture->space = other;
	assert_int_equal(give(fixture, &bound, 4), 0);
	assert_int_equal(info_of(fixture, &bound).quota, 0);
	assert_null(info_of(fixture, &bound).token);
	assert_int_equal(ioasid_set_by_token(other, pointer(8), &found),
			 -ENOENT);
	fixture->space = space;
	assert_int_equal(ioasid_space_destroy(other), 0);
}

/* Bytes that are known to wait for readers with a set that is destroyed. */
static size_t bytes_of_destroyed(struct fixture *fixture,
				 struct ioasid_set *set)
{
	struct ioasid_domain_stats before, after;

	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
	ioasid_rcu_read_lock(fixture->rcu);
	ioasid_rcu_stats(fixture->rcu, &before);
	assert_int_equal(ioasid_set_destroy(fixture->space, set), 0);
	ioasid_rcu_stats(fixture->rcu, &after);
	ioasid_rcu_read_unlock(fixture->rcu);
	ioasid_rcu_quiescent(fixture->rcu);
	assert_int_equal(after.retired - before.retired, 1);
	return after.retired_bytes - before.retired_bytes;
}

/* The names of its IDs have a table, which waits with it. */
static void destroyed_set_is_counted(struct fixture *fixture)
{
	struct ioasid_set *named = make(fixture, NULL, NULL, 0, 0);
	struct ioasid_set *unnamed = make(fixture, NULL, NULL, 0, 0);

	assert_int_equal(give(fixture, named, 1), 0);
	assert_int_equal(ioasid_spid_attach(fixture->space, 1, 9), 0);
	assert_int_equal(ioasid_space_free(fixture->space, 1), 0);
	assert_true(bytes_of_destroyed(fixture, named) >=
		    bytes_of_destroyed(fixture, unnamed) +
			    sizeof(struct ioasid_hash_bucket));
}

/* Memory of a set stays for readers, and goes after them. */
static void destroyed_set_lasts(struct fixture *fixture)
{
	struct ioasid_set *set, *found = NULL;
	size_t least, with;
	void *data;
	ioasid_t id;

	/* What comes with the first stays. */
	set = make(fixture, NULL, NULL, 0, 0);
	assert_int_equal(ioasid_set_destroy(fixture->space, set), 0);
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
	least = fixture->memory.bytes;
	set = make(fixture, NULL, pointer(5), 0, 0);
	assert_int_equal(give(fixture, set, 1), 0);
	assert_int_equal(ioasid_spid_attach(fixture->space, 1, 9), 0);
	assert_int_equal(ioasid_space_free(fixture->space, 1), 0);
	with = fixture->memory.bytes;
	ioasid_rcu_read_lock(fixture->rcu);
	assert_int_equal(
		ioasid_set_by_token(fixture->space, pointer(5), &found), 0);
	assert_int_equal(ioasid_set_destroy(fixture->space, set), 0);
	/* ASan would see, and the bytes say. */
	assert_int_equal(ioasid_space_find_rcu(fixture->space, found, 1, &data),
			 -ENOENT);
	assert_int_equal(ioasid_spid_find(fixture->space, found, 9, NULL, &id,
					  NULL),
			 -EXDEV);
	assert_int_equal(fixture->memory.bytes, with);
	ioasid_rcu_read_unlock(fixture->rcu);
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
	ioasid_space_trim(fixture->space);
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
	assert_true(fixture->memory.bytes < with);
	/* Structures of IDs with SPIDs may have come and stayed. */
	print_message("%zu bytes more than before\n",
		      fixture->memory.bytes - least);
}

/*
 * An index is used again only when no reader can hold it: one who looks IDs up
 * by a set that is gone must not find those of the next.
 */
static void every_index_in_use(struct fixture *fixture)
{
	struct ioasid_space *space = fixture->space;
	struct ioasid_set **set = calloc(IOASID_SETS_MAX, sizeof(*set));
	struct ioasid_set *none = NULL, *found;
	struct ioasid_notifier notifier = { .notify = notified };
	struct ioasid_stats before;
	static DECLARE_IOASID_SET(bound);
	ioasid_t id = 4321;
	uint32_t n;
	void *data;

	CHECK(set);
	for (n = 0; n < IOASID_SETS_MAX; n++)
		assert_int_equal(ioasid_set_create(space, NULL, &set[n]), 0);
	before = counts(fixture);
	assert_int_equal(before.sets, IOASID_SETS_MAX);
	assert_int_equal(ioasid_set_create(space, NULL, &none), -ENFILE);
	assert_int_equal(ioasid_set_bind(space, &bound, NULL), -ENFILE);
	assert_int_equal(ioasid_space_register_notifier(space, &bound,
							&notifier),
			 -ENFILE);
	assert_int_equal(ioasid_space_alloc(space, &bound, 0, 9, NULL, &id),
			 -ENFILE);
	assert_null(none);
	assert_int_equal(id, 4321);
	before.alloc_failed++;
	expect_counts(fixture, &before);
	/* The highest index is as good as any. */
	assert_int_equal(give(fixture, set[IOASID_SETS_MAX - 1], 1), 0);
	assert_int_equal(ioasid_space_find(space, set[IOASID_SETS_MAX - 1], 1,
					   NULL, &data),
			 0);
	assert_int_equal(ioasid_space_find(space, set[0], 1, NULL, &data),
			 -EACCES);
	ioasid_rcu_read_lock(fixture->rcu);
	found = set[77];
	assert_int_equal(ioasid_set_destroy(space, found), 0);
	before = counts(fixture);
	assert_int_equal(ioasid_set_create(space, NULL, &none), -EAGAIN);
	assert_int_equal(ioasid_set_bind(space, &bound, NULL), -EAGAIN);
	assert_int_equal(ioasid_space_register_notifier(space, &bound,
							&notifier),
			 -EAGAIN);
	assert_int_equal(ioasid_space_alloc(space, &bound, 0, 9, NULL, &id),
			 -EAGAIN);
	assert_null(none);
	assert_int_equal(id, 4321);
	before.alloc_failed++;
	expect_counts(fixture, &before);
	ioasid_rcu_read_unlock(fixture->rcu);
	assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
	assert_int_equal(ioasid_space_alloc(space, &bound, 0, 0, NULL, &id), 0);
	assert_int_equal(ioasid_space_find(space, &bound, 0, NULL, &data), 0);
	assert_int_equal(ioasid_space_find(space, &bound, 1, NULL, &data),
			 -EACCES);
	assert_int_equal(ioasid_set_create(space, NULL, &none), -ENFILE);
	free(set);
}

/* Each index of sets that are gone is used again before a new one is. */
static void indexes_come_again(struct fixture *fixture)
{
	struct ioasid_set *set[5];
	uint32_t seen = 0;

	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < ARRAY_SIZE(set); i++)
			set[i] = make(fixture, NULL, NULL, 0, 0);
		for (unsigned int i = 0; i < ARRAY_SIZE(set); i++)
			seen |= 1u << ioasid_set_index(fixture->space, set[i]);
		assert_int_equal(seen, 0x3e);
		for (unsigned int i = 0; i < ARRAY_SIZE(set); i++)
			assert_int_equal(
				ioasid_set_destroy(fixture->space, set[i]), 0);
		assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
	}
}

/* Memory of a space; for the next of it somebody else binds the set. */
struct rival {
	struct ioasid_memory memory;
	struct fixture *fixture;
	struct ioasid_set *set;
	struct actor actor;
	bool armed;
};

static void bind_first(void *arg)
{
	struct rival *rival = arg;

	CHECK(!ioasid_set_bind(rival->fixture->space, rival->set, NULL));
}

static void *rival_alloc(void *context, size_t size)
{
	struct rival *rival = context;

	if (rival->armed)
		actor_do(&rival->actor, bind_first, rival);
	rival->armed = false;
	return rival->memory.alloc(rival->memory.context, size);
}

static void rival_free(void *context, void *memory, size_t size)
{
	struct rival *rival = context;

	rival->memory.free(rival->memory.context, memory, size);
}

/* A set that is bound elsewhere meanwhile costs its space no index. */
static void bound_meanwhile(struct fixture *fixture)
{
	static DECLARE_IOASID_SET(set);
	struct rival rival = {
		.memory = test_memory_hooks(&fixture->memory, false),
		.fixture = fixture,
		.set = &set,
	};
	struct ioasid_space_config config;
	struct ioasid_space *space;
	struct ioasid_set *own;

	fixture_space_config(fixture, &config, 0, 9);
	config.memory = (struct ioasid_memory){ .alloc = rival_alloc,
						.free = rival_free,
						.context = &rival };
	assert_int_equal(ioasid_space_create(&config, &space), 0);
	actor_begin(&rival.actor);
	for (unsigned int i = 0; i < 3; i++) {
		rival.armed = true;
		assert_int_equal(ioasid_set_bind(space, &set, NULL), -EXDEV);
		assert_false(rival.armed);
		assert_int_equal(ioasid_set_destroy(fixture->space, &set), 0);
		assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
	}
	assert_int_equal(ioasid_set_create(space, NULL, &own), 0);
	assert_int_equal(ioasid_set_index(space, own), 1);
	actor_end(&rival.actor);
	assert_int_equal(ioasid_space_destroy(space), 0);
}

/* As many tokens as make many of them share a place. */
static void tokens(struct fixture *fixture)
{
	/* Some are no sets: the state may have no bits for more. */
	enum { SETS = IOASID_SETS_MAX < 3000 ? IOASID_SETS_MAX : 3000 };
	struct ioasid_set **set = calloc(SETS, sizeof(*set));
	struct test_random random = { 7 };
	struct ioasid_set *found;
	uint32_t n, round;

	CHECK(set);
	found = (struct ioasid_set *)pointer(1);
	assert_int_equal(ioasid_set_by_token(fixture->space, pointer(1),
					     &found),
			 -ENOENT);
	for (n = 0; n < SETS; n++)
		/* Without token: many may be so. */
		set[n] = make(fixture, NULL, n % 8 ? pointer(n) : NULL, 0, 0);
	for (round = 0; round < 4; round++) {
		for (n = 1; n < SETS; n++) {
			int ret = ioasid_set_by_token(fixture->space,
						      pointer(n), &found);

			assert_int_equal(ret, n % 8 && set[n] ? 0 : -ENOENT);
			if (!ret)
				assert_ptr_equal(found, set[n]);
		}
		found = (struct ioasid_set *)pointer(1);
		assert_int_equal(ioasid_set_by_token(fixture->space, NULL,
						     &found),
				 -ENOENT);
		assert_int_equal(ioasid_set_by_token(fixture->space,
						     pointer(SETS), &found),
				 -ENOENT);
		assert_ptr_equal(found, pointer(1));
		/* Some go, and some of those that went come again. */
		for (n = 0; n < SETS; n++) {
			if (set[n] && !test_below(&random, 3)) {
				assert_int_equal(
					ioasid_set_destroy(fixture->space,
							   set[n]),
					0);
				set[n] = NULL;
			}
		}
		assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
		for (n = 1; n < SETS; n++)
			if (!set[n] && test_below(&random, 2))
				set[n] = make(fixture, NULL,
					      n % 8 ? pointer(n) : NULL, 0, 0);
		assert_true(ioasid_space_validate(fixture->space, NULL));
	}
	free(set);
}

static void set_of(struct fixture *fixture)
{
	struct ioasid_space *space = fixture->space;
	struct ioasid_set *a = make(fixture, NULL, NULL, 0, 0), *found = NULL;
	static DECLARE_IOASID_SET(b);

	assert_int_equal(give(fixture, a, 1), 0);
	assert_int_equal(give(fixture, &b, 2), 0);
	assert_int_equal(give(fixture, NULL, 3), 0);
	assert_int_equal(ioasid_set_of(space, 1, &found), 0);
	assert_ptr_equal(found, a);
	assert_int_equal(ioasid_set_of(space, 2, &found), 0);
	assert_ptr_equal(found, &b);
	assert_int_equal(ioasid_set_of(space, 3, &found), 0);
	assert_null(found);
	found = a;
	assert_int_equal(ioasid_set_of(space, 4, &found), -ENOENT);
	assert_int_equal(ioasid_set_of(space, INVALID_IOASID, &found), -ENOENT);
	assert_int_equal(ioasid_space_get(space, &b, 2), 0);
	assert_int_equal(ioasid_space_free(space, 2), 0);
	assert_int_equal(ioasid_set_of(space, 2, &found), -ENOENT);
	assert_int_equal(ioasid_space_put(space, 2), 1);
	assert_int_equal(ioasid_set_of(space, 2, &found), -ENOENT);
	assert_ptr_equal(found, a);
	/* The set that had the ID before does not own it now. */
	assert_int_equal(ioasid_space_free(space, 1), 0);
	assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
	assert_int_equal(give(fixture, &b, 1), 0);
	assert_int_equal(ioasid_set_of(space, 1, &found), 0);
	assert_ptr_equal(found, &b);
}

struct visits {
	struct fixture *fixture;
	struct ioasid_set *set[40];
	unsigned int seen[40], count, others, stop;
	bool destroy, create;
};

static int on_set(struct ioasid_set *set, void *arg)
{
	struct visits *visits = arg;
	struct ioasid_space *space = visits->fixture->space;
	struct ioasid_rcu *rcu = visits->fixture->rcu;
	struct ioasid_set *more;
	unsigned int i;

	CHECK(ioasid_rcu_read_held(rcu));
	CHECK(ioasid_rcu_synchronize(rcu) == -EDEADLK);
	for (i = 0; i < ARRAY_SIZE(visits->set); i++)
		if (visits->set[i] == set)
			break;
	if (i < ARRAY_SIZE(visits->set))
		visits->seen[i]++;
	else
		visits->others++;
	visits->count++;
	if (visits->create && visits->count < 100)
		CHECK(!ioasid_set_create(space, NULL, &more));
	if (visits->destroy) {
		CHECK(!ioasid_set_destroy(space, set));
		CHECK(ioasid_set_destroy(space, set) == -EXDEV);
	}
	return visits->count == visits->stop ? -77 : 0;
}

static void visit_all(struct visits *visits, int ret)
{
	memset(visits->seen, 0, sizeof(visits->seen));
	visits->count = visits->others = 0;
	assert_int_equal(ioasid_set_for_each(visits->fixture->space, on_set,
					     visits),
			 ret);
}

static void for_each(struct fixture *fixture)
{
	struct visits visits = { .fixture = fixture };
	static DECLARE_IOASID_SET(bound);
	unsigned int i;

	visit_all(&visits, 0);
	assert_int_equal(visits.count, 0);
	for (i = 1; i < ARRAY_SIZE(visits.set); i++)
		visits.set[i] = make(fixture, NULL, NULL, 0, 0);
	visits.set[0] = &bound;
	assert_int_equal(give(fixture, &bound, 5), 0);
	visit_all(&visits, 0);
	for (i = 0; i < ARRAY_SIZE(visits.set); i++)
		assert_int_equal(visits.seen[i], 1);
	assert_int_equal(visits.others, 0);
	visits.stop = 7;
	visit_all(&visits, -77);
	assert_int_equal(visits.count, 7);
	visits.stop = 0;
	/* In a section of the caller's, without memory. */
	fixture->memory.fail_all = true;
	ioasid_rcu_read_lock(fixture->rcu);
	visit_all(&visits, 0);
	ioasid_rcu_read_unlock(fixture->rcu);
	fixture->memory.fail_all = false;
	assert_int_equal(visits.count, ARRAY_SIZE(visits.set));
	assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
	/* Gaps are passed over. */
	for (i = 1; i < ARRAY_SIZE(visits.set); i += 2)
		assert_int_equal(
			ioasid_set_destroy(fixture->space, visits.set[i]), 0);
	visit_all(&visits, 0);
	for (i = 0; i < ARRAY_SIZE(visits.set); i++)
		assert_int_equal(visits.seen[i], !(i % 2));
	/* Those that come meanwhile do no harm. */
	visits.create = true;
	visit_all(&visits, 0);
	visits.create = false;
	for (i = 0; i < ARRAY_SIZE(visits.set); i++)
		assert_int_equal(visits.seen[i], !(i % 2));
	/* Each ends the one it is called with. */
	assert_int_equal(ioasid_space_free(fixture->space, 5), 0);
	visits.destroy = true;
	visit_all(&visits, 0);
	assert_int_equal(counts(fixture).sets, 0);
	visit_all(&visits, 0);
	assert_int_equal(visits.count, 0);
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
}

static void free_all(struct fixture *fixture)
{
	enum { IDS = 400 };
	struct ioasid_space *space = fixture->space;
	struct ioasid_set *a = make(fixture, "a", NULL, 0, 0);
	struct ioasid_set *b = make(fixture, "b", NULL, IDS, IDS / 2);
	struct ioasid_stats before;
	uint32_t count = 4321, pending = 0;
	ioasid_t n;
	void *data;

	assert_int_equal(ioasid_set_free_all(space, b, &count), 0);
	assert_int_equal(count, 0);
	for (n = 0; n < IDS; n++)
		assert_int_equal(give(fixture,
				      n % 4 == 0 ? a :
				      n % 4 == 1 ? NULL :
						   b,
				      n),
				 0);
	for (n = 0; n < IDS; n += 3)
		assert_int_equal(ioasid_space_get(space, NULL, n), 0);
	/* Freed before, so neither counted nor touched. */
	assert_int_equal(ioasid_space_free(space, 3), 0);
	assert_int_equal(ioasid_space_free(space, 6), 0);
	assert_int_equal(ioasid_space_free(space, 2), 0);
	for (n = 0; n < IDS; n++)
		pending += n % 4 >= 2 && n % 3 == 0;
	before = counts(fixture);
	/* It must do without memory as well. */
	fixture->memory.fail_all = fixture->store->kind != IOASID_STORE_CUSTOM;
	assert_int_equal(ioasid_set_free_all(space, b, &count), 0);
	fixture->memory.fail_all = false;
	assert_int_equal(count, IDS / 2 - 3);
	before.live -= count;
	before.frees += count;
	before.pending = pending;
	before.committed = counts(fixture).committed;
	before.quarantined = counts(fixture).quarantined;
	expect_counts(fixture, &before);
	assert_int_equal(before.committed, IDS / 2 + IDS / 2);
	assert_int_equal(info_of(fixture, b).count, pending);
	for (n = 0; n < IDS; n++)
		assert_int_equal(ioasid_space_find(space, NULL, n, NULL, &data),
				 n % 4 >= 2 ? -ENOENT : 0);
	/* Now all are freed. */
	assert_int_equal(ioasid_set_free_all(space, b, &count), 0);
	assert_int_equal(count, 0);
	assert_int_equal(ioasid_set_destroy(space, b), -EBUSY);
	for (n = 0; n < IDS; n += 3)
		assert_int_equal(ioasid_space_put(space, n), n % 4 >= 2);
	assert_int_equal(info_of(fixture, b).count, 0);
	assert_int_equal(ioasid_set_destroy(space, b), 0);
	assert_int_equal(ioasid_set_free_all(space, a, NULL), 0);
	assert_int_equal(info_of(fixture, a).count, 0);
	assert_int_equal(counts(fixture).live, IDS / 4);
	/* Nobody called free for what was not live. */
	assert_int_equal(counts(fixture).free_unknown, 0);
}

/* A notifier that frees or allocates for the set does not confuse it. */
struct meddler {
	struct ioasid_notifier notifier;
	struct ioasid_set *set;
	unsigned int told;
};

static void meddle(struct ioasid_notifier *notifier,
		   const struct ioasid_notice *notice)
{
	struct meddler *meddler = (struct meddler *)notifier;
	ioasid_t id;

	if (notice->event != IOASID_EVENT_FREE)
		return;
	meddler->told++;
	CHECK(notice->set == meddler->set);
	CHECK(ioasid_set_destroy(notice->space, meddler->set) == -EBUSY);
	/* The one that is just told of is still the set's. */
	if (meddler->told == 1)
		CHECK(!ioasid_space_alloc(notice->space, meddler->set, 0,
					  INVALID_IOASID, NULL, &id));
}

static void free_all_watched(struct fixture *fixture)
{
	struct ioasid_set *set = make(fixture, NULL, NULL, 0, 0);
	struct meddler meddler = { { .notify = meddle }, set, 0 };
	uint32_t count, n;

	for (n = 0; n < 5; n++)
		assert_int_equal(give(fixture, set, n), 0);
	assert_int_equal(ioasid_space_register_notifier(fixture->space, set,
							&meddler.notifier),
			 0);
	assert_int_equal(ioasid_set_free_all(fixture->space, set, &count), 0);
	/* What came meanwhile may have been met or not. */
	assert_in_range(count, 5, 6);
	assert_int_equal(meddler.told, count);
	assert_int_equal(info_of(fixture, set).count, 6 - count);
	assert_int_equal(ioasid_set_free_all(fixture->space, set, NULL), 0);
	assert_int_equal(info_of(fixture, set).count, 0);
	assert_int_equal(ioasid_set_destroy(fixture->space, set), 0);
	assert_int_equal(counts(fixture).notifiers, 0);
	assert_int_equal(ioasid_space_unregister_notifier(fixture->space,
							  &meddler.notifier),
			 -ENOENT);
}

/* With memory failing, first use binds nothing; the n-th call, and for good. */
struct scenario {
	struct fixture *fixture;
	struct ioasid_set bound[6];
	struct ioasid_set *set[40];
	unsigned int refused;
	bool for_good;
};

static void must_be_out_of_memory(struct scenario *scenario,
				  const struct ioasid_stats *before,
				  uint64_t failed)
{
	struct test_memory *memory = &scenario->fixture->memory;
	bool fail_all = memory->fail_all;

	assert_true(memory->failed > failed);
	scenario->refused++;
	memory->fail_all = false;
	expect_counts(scenario->fixture, before);
	memory->fail_all = fail_all;
}

static void calls(struct scenario *scenario)
{
	struct fixture *fixture = scenario->fixture;
	struct test_memory *memory = &fixture->memory;
	struct ioasid_set_config config = { "n", NULL, 3, 1 };
	struct ioasid_stats before;
	struct ioasid_set *found;
	uint64_t failed;
	ioasid_t id;
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(scenario->set); i++) {
		before = counts(fixture);
		failed = memory->failed;
		config.token = pointer(i + 1);
		ret = ioasid_set_create(fixture->space, &config,
					&scenario->set[i]);
		if (scenario->for_good && memory->failed)
			memory->fail_all = true;
		if (ret) {
			assert_int_equal(ret, -ENOMEM);
			assert_null(scenario->set[i]);
			must_be_out_of_memory(scenario, &before, failed);
		}
		assert_int_equal(ioasid_set_by_token(fixture->space,
						     config.token, &found),
				 ret ? -ENOENT : 0);
	}
	for (i = 0; i < ARRAY_SIZE(scenario->bound); i++) {
		before = counts(fixture);
		failed = memory->failed;
		ret = i % 2 ? ioasid_set_bind(fixture->space,
					      &scenario->bound[i], NULL) :
			      ioasid_space_alloc(fixture->space,
						 &scenario->bound[i], i, i,
						 NULL, &id);
		if (scenario->for_good && memory->failed)
			memory->fail_all = true;
		if (ret) {
			assert_int_equal(ret, -ENOMEM);
			before.alloc_failed += !(i % 2);
			must_be_out_of_memory(scenario, &before, failed);
			assert_null(
				ioasid_load_relaxed(&scenario->bound[i].space));
		}
	}
	/* These need none. */
	for (i = 0; i < ARRAY_SIZE(scenario->set); i++) {
		if (!scenario->set[i])
			continue;
		assert_int_equal(ioasid_set_limit(fixture->space,
						  scenario->set[i], 9, 2),
				 0);
		if (i % 2)
			assert_int_equal(ioasid_set_destroy(fixture->space,
							    scenario->set[i]),
					 0);
	}
}

static void out_of_memory(struct fixture *fixture)
{
	struct test_memory *memory = &fixture->memory;
	struct scenario scenario;
	unsigned int refused = 0;
	uint64_t n = 0;

	do {
		fixture_space(fixture, 0, 1023);
		memset(&scenario, 0, sizeof(scenario));
		scenario.fixture = fixture;
		scenario.for_good = n % 2;
		memory->calls = memory->failed = 0;
		memory->fail_at = n / 2 + 1;
		calls(&scenario);
		memory->fail_at = 0;
		memory->fail_all = false;
		refused += scenario.refused;
		counts(fixture);
		assert_int_equal(ioasid_space_destroy(fixture->space), 0);
		fixture->space = NULL;
		n++;
	} while (memory->failed || n % 2);
	print_message("%llu rounds, %u refused\n", (unsigned long long)n,
		      refused);
	assert_true(n > 20 && refused > 20);
}

/* Without readers, sets and their SPIDs come and go for ever. */
static void no_limit_without_readers(struct fixture *fixture)
{
	struct ioasid_rcu_config rcu_config;
	struct ioasid_space_config config;
	struct ioasid_set *set;
	struct ioasid_rcu *rcu;
	unsigned int n;

	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	fixture_rcu_config(fixture, &rcu_config);
	rcu_config.retired_limit = 4096;
	assert_int_equal(ioasid_rcu_create(&rcu_config, &rcu), 0);
	fixture_space_config(fixture, &config, 0, 1023);
	config.rcu = rcu;
	assert_int_equal(ioasid_space_create(&config, &fixture->space), 0);
	for (n = 0; n < 3000; n++) {
		set = make(fixture, "passing", pointer(1), 0, 1);
		assert_int_equal(give(fixture, set, n % 1024), 0);
		assert_int_equal(
			ioasid_spid_attach(fixture->space, n % 1024, n), 0);
		assert_int_equal(ioasid_space_free(fixture->space, n % 1024),
				 0);
		assert_int_equal(ioasid_set_destroy(fixture->space, set), 0);
	}
	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	fixture->space = NULL;
	assert_int_equal(ioasid_rcu_destroy(rcu), 0);
}

/* Little memory waits for more to come with it, but not for much more. */
static void few_wait(struct fixture *fixture)
{
	struct ioasid_domain_stats domain;
	struct ioasid_set *set;

	for (unsigned int i = 0; i < 400; i++) {
		assert_int_equal(ioasid_set_create(fixture->space, NULL, &set),
				 0);
		assert_int_equal(ioasid_set_destroy(fixture->space, set), 0);
		ioasid_rcu_stats(fixture->rcu, &domain);
		assert_in_range(domain.retired, 0, 200);
	}
	assert_int_equal(ioasid_rcu_barrier(fixture->rcu), 0);
	ioasid_rcu_stats(fixture->rcu, &domain);
	assert_int_equal(domain.retired, 0);
	assert_int_equal(domain.retired_bytes, 0);
}

/*
 * A reader keeps records of destroyed sets from being given back: no more are
 * made than the domain allows to wait.
 */
static void limit_beside_a_reader(struct fixture *fixture)
{
	enum { LIMIT = 8192 };
	static DECLARE_IOASID_SET(set);
	struct ioasid_rcu_config rcu_config;
	struct ioasid_space_config config;
	struct ioasid_set *made = NULL;
	unsigned int n, total = 0;
	struct ioasid_rcu *rcu;
	size_t before;
	int ret;

	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	fixture_rcu_config(fixture, &rcu_config);
	rcu_config.retired_limit = LIMIT;
	assert_int_equal(ioasid_rcu_create(&rcu_config, &rcu), 0);
	fixture_space_config(fixture, &config, 0, 1023);
	config.rcu = rcu;
	assert_int_equal(ioasid_space_create(&config, &fixture->space), 0);
	for (int round = 0; round < 3; round++) {
		before = fixture->memory.bytes;
		ioasid_rcu_read_lock(rcu);
		for (n = 0; n < 3000; n++) {
			/* A static set's record waits as well. */
			ret = n % 2 ? ioasid_set_bind(fixture->space, &set,
						      NULL) :
				      ioasid_set_create(fixture->space, NULL,
							&made);
			if (ret)
				break;
			assert_int_equal(ioasid_set_destroy(fixture->space,
							    n % 2 ? &set :
								    made),
					 0);
		}
		assert_int_equal(ret, -EAGAIN);
		assert_true(n > 2);
		assert_true(fixture->memory.bytes <= before + 4 * LIMIT);
		assert_int_equal(give(fixture, &set, 1), -EAGAIN);
		ioasid_rcu_read_unlock(rcu);
		assert_int_equal(ioasid_rcu_barrier(rcu), 0);
		assert_int_equal(give(fixture, &set, 1), 0);
		assert_int_equal(ioasid_space_free(fixture->space, 1), 0);
		assert_int_equal(ioasid_set_destroy(fixture->space, &set), 0);
		assert_int_equal(ioasid_rcu_barrier(rcu), 0);
		total += n;
	}
	print_message("%u sets\n", total);
	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	fixture->space = NULL;
	assert_int_equal(ioasid_rcu_destroy(rcu), 0);
}

/* Damage that what is public lets one do. */
static void validate_sees_damage(struct fixture *fixture)
{
	struct ioasid_set *a = make(fixture, "a", pointer(1), 2, 0);
	struct ioasid_set *b = make(fixture, "b", pointer(2), 0, 0);
	const char *reason;
	struct ioasid_slot *slot;
	ioasid_state_t state;
	unsigned int i;
	void *before;

	assert_int_equal(give(fixture, a, 0), 0);
	assert_int_equal(give(fixture, a, 1), 0);
	assert_int_equal(give(fixture, b, 2), 0);
	slot = ioasid_store_find(&fixture->space->store, 0);
	state = ioasid_load_relaxed(&slot->state);
	for (i = 0; i < 5; i++) {
		counts(fixture);
		before = ioasid_load_relaxed(&a->record);
		switch (i) {
		case 0:
			/* An ID that went over to another set, or to none. */
			ioasid_store_relaxed(
				&slot->state,
				ioasid_state_make(
					ioasid_state_generation(state),
					ioasid_load_relaxed(&b->index), 1,
					true));
			break;
		case 1:
			ioasid_store_relaxed(
				&slot->state,
				ioasid_state_make(ioasid_state_generation(state),
						  0, 1, true));
			break;
		case 2:
			ioasid_store_relaxed(&a->index, 2);
			break;
		case 3:
			ioasid_store_relaxed(&a->space, NULL);
			break;
		default:
			ioasid_store_relaxed(&a->record,
					     ioasid_load_relaxed(&b->record));
			break;
		}
		reason = NULL;
		if (ioasid_space_validate(fixture->space, &reason))
			fail_msg("damage %u was not seen", i);
		assert_non_null(reason);
		print_message("%s\n", reason);
		ioasid_store_relaxed(&slot->state, state);
		ioasid_store_relaxed(&a->index, 1);
		ioasid_store_release(&a->space, fixture->space);
		ioasid_store_relaxed(&a->record, before);
	}
}

/* Threads with sets of their own, and one that looks at all of them. */
enum { THREADS_MANY = 4, ROUNDS = TEST_LIGHT ? 60 : 300 };

struct worker {
	struct fixture *fixture;
	pthread_t thread;
	uintptr_t number;
	ioasid_atomic_u32 *left;
};

static void *work(void *arg)
{
	struct worker *worker = arg;
	struct ioasid_space *space = worker->fixture->space;
	struct ioasid_set_config config = { "worker",
					    pointer(worker->number + 1), 20,
					    10 };
	struct ioasid_set *set = NULL, *found;
	uint32_t count;
	ioasid_t id[20];
	unsigned int round, i;
	int ret;

	CHECK(!ioasid_rcu_thread_register(ioasid_space_rcu(space)));
	for (round = 0; round < ROUNDS; round++) {
		do {
			ret = ioasid_set_create(space, &config, &set);
			ioasid_rcu_quiescent(ioasid_space_rcu(space));
		} while (ret == -EAGAIN);
		CHECK(!ret);
		CHECK(ioasid_set_create(space, &config, &found) == -EEXIST);
		for (i = 0; i < 20; i++) {
			do {
				ret = ioasid_space_alloc(space, set, 0,
							 INVALID_IOASID, set,
							 &id[i]);
				ioasid_rcu_quiescent(ioasid_space_rcu(space));
			} while (ret == -EAGAIN);
			CHECK(!ret);
		}
		CHECK(ioasid_space_alloc(space, set, 0, INVALID_IOASID, NULL,
					 &id[0]) == -EDQUOT);
		CHECK(!ioasid_set_by_token(space, config.token, &found));
		CHECK(found == set);
		CHECK(!ioasid_space_get(space, set, id[7]));
		CHECK(ioasid_set_destroy(space, set) == -EBUSY);
		CHECK(!ioasid_set_free_all(space, set, &count));
		CHECK(count == 20);
		CHECK(ioasid_set_destroy(space, set) == -EBUSY);
		CHECK(ioasid_space_put(space, id[7]) == 1);
		CHECK(!ioasid_set_destroy(space, set));
		ioasid_rcu_quiescent(ioasid_space_rcu(space));
	}
	CHECK(!ioasid_rcu_thread_unregister(ioasid_space_rcu(space)));
	ioasid_fetch_sub_release(worker->left, 1);
	return NULL;
}

static int on_any(struct ioasid_set *set, void *arg)
{
	struct fixture *fixture = arg;
	struct ioasid_set_info now;
	void *data;

	/* It may have ended meanwhile, but it is there. */
	if (!ioasid_set_stats(fixture->space, set, &now)) {
		CHECK(!strcmp(now.name, "worker"));
		CHECK(now.count <= now.quota);
	}
	(void)ioasid_space_find(fixture->space, set, 3, NULL, &data);
	return 0;
}

static void threads(struct fixture *fixture)
{
	struct worker worker[THREADS_MANY];
	ioasid_atomic_u32 left;
	unsigned int i;

	memset(&left, 0, sizeof(left));
	ioasid_store_relaxed(&left, THREADS_MANY);
	for (i = 0; i < THREADS_MANY; i++) {
		worker[i].fixture = fixture;
		worker[i].number = i;
		worker[i].left = &left;
		CHECK(!pthread_create(&worker[i].thread, NULL, work,
				      &worker[i]));
	}
	while (ioasid_load_acquire(&left)) {
		assert_int_equal(ioasid_set_for_each(fixture->space, on_any,
						     fixture),
				 0);
		ioasid_rcu_quiescent(fixture->rcu);
	}
	for (i = 0; i < THREADS_MANY; i++)
		CHECK(!pthread_join(worker[i].thread, NULL));
	assert_int_equal(counts(fixture).sets, 0);
	assert_int_equal(counts(fixture).committed, 0);
	assert_int_equal(counts(fixture).live, 0);
}

int main(void)
{
	static const struct test_case cases[] = {
		CASE(make_refuses, PER_STORE),
		CASE(bind_refuses, PER_STORE),
		CASE(names, 0),
		CASE(info, PER_STORE),
		CASE(quota, PER_STORE),
		CASE(limit, PER_STORE),
		CASE(foreign, PER_STORE | PER_FLAVOUR),
		CASE(destroy, PER_STORE | PER_FLAVOUR),
		CASE(destroyed_set_is_counted, PER_STORE),
		CASE(destroyed_set_lasts, PER_STORE | PER_FLAVOUR),
		CASE(every_index_in_use, PER_FLAVOUR),
		CASE(indexes_come_again, PER_STORE),
		CASE(bound_meanwhile, PER_STORE | THREADS),
		CASE(tokens, PER_FLAVOUR),
		CASE(set_of, PER_STORE | PER_FLAVOUR),
		CASE(for_each, PER_FLAVOUR),
		CASE(free_all, PER_STORE | PER_FLAVOUR),
		CASE(free_all_watched, PER_STORE),
		CASE(out_of_memory, PER_STORE | NO_SPACE),
		CASE(no_limit_without_readers, PER_STORE),
		CASE(few_wait, 0),
		CASE(limit_beside_a_reader, PER_STORE),
		CASE(validate_sees_damage, PER_STORE),
		CASE(threads, PER_STORE | PER_FLAVOUR | THREADS),
	};

	return test_run("set", cases, ARRAY_SIZE(cases));
}
