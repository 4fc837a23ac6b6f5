/* SPDX-License-Identifier: MIT */
#ifndef IOASID_TEST_GATE_H
#define IOASID_TEST_GATE_H

#include "test/fixture.h"

/* A place where a callback can be stopped. */
struct gate {
	ioasid_atomic_u32 reached, open;
};

static inline void wait_for(ioasid_atomic_u32 *word)
{
	double end = test_now() + TOO_LONG;

	while (!ioasid_load_acquire(word)) {
		CHECK(test_now() < end);
		test_sleep(0.0005);
	}
}

#endif /* IOASID_TEST_GATE_H */
