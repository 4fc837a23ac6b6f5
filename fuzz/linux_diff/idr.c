/* SPDX-License-Identifier: MIT */
/*
 * The functions of <linux/idr.h> as they are, but that the hash store places an
 * ID where it did in the run before: an input takes the same way each time.
 */
#include <ioasid/space.h>

static int create_seeded(const struct ioasid_space_config *config,
			 struct ioasid_space **space)
{
	struct ioasid_space_config seeded = *config;

	seeded.hash_seed = 1;
	return ioasid_space_create(&seeded, space);
}

#define ioasid_space_create create_seeded
#include "compat/linux/idr.c"
