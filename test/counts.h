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

static inline void expect_counts(struct fixture *fixture,
				 const struct ioasid_stats *before)
{
	struct ioasid_stats now = counts(fixture);

	/* Not the padding, which a copy need not keep. */
	assert_memory_equal(before, &now,
			    offsetof(struct ioasid_stats, reserved) +
				    sizeof(now.reserved));
	assert_memory_equal(&before->allocs, &now.allocs,
			    offsetof(struct ioasid_stats, memory) -
				    offsetof(struct ioasid_stats, allocs));
}

#endif /* IOASID_TEST_COUNTS_H */
