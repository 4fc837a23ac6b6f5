/* SPDX-License-Identifier: MIT */
#ifndef IOASID_TEST_COUNTS_H
#define IOASID_TEST_COUNTS_H

#include "test/fixture.h"

/* All that is counted, but bytes; of a space that is valid. */
static inline struct ioasid_stats counts(struct fixture *fixture)
{
	const char *reason = NULL;
	struct ioasid_stats now;

	memset(&now, 0, sizeof(now));
	ioasid_space_stats(fixture->space, &now);
	now.memory = 0;
	if (!ioasid_space_validate(fixture->space, &reason))
		fail_msg("not valid: %s", reason);
	return now;
}

/* Not the padding, which a copy need not keep. */
static inline void expect_equal_stats(const struct ioasid_stats *a,
				      const struct ioasid_stats *b)
{
	assert_memory_equal(a, b,
			    offsetof(struct ioasid_stats, reserved) +
				    sizeof(a->reserved));
	assert_memory_equal(&a->allocs, &b->allocs,
			    offsetof(struct ioasid_stats, memory) -
				    offsetof(struct ioasid_stats, allocs));
	assert_int_equal(a->memory, b->memory);
}

static inline void expect_counts(struct fixture *fixture,
				 const struct ioasid_stats *before)
{
	struct ioasid_stats now = counts(fixture);

	expect_equal_stats(before, &now);
}

#endif /* IOASID_TEST_COUNTS_H */
