/* SPDX-License-Identifier: MIT */
/* What main.rs does in Rust, in C: the sum of values found by ID. */
#include <stddef.h>
#include <stdint.h>

#include "ioasid.h"

uint64_t bench_in_section(struct ioasid_space *space, const ioasid_t *ids,
			  size_t count, size_t offset);
uint64_t bench_sections(struct ioasid_space *space, const ioasid_t *ids,
			size_t count, size_t offset);

/* @offset: of the value in what a private pointer points to */
static uint64_t value(const void *data, size_t offset)
{
	return *(const uint64_t *)(const void *)((const char *)data + offset);
}

uint64_t bench_in_section(struct ioasid_space *space, const ioasid_t *ids,
			  size_t count, size_t offset)
{
	uint64_t sum = 0;
	void *data;

	ioasid_rcu_read_lock(ioasid_space_rcu(space));
	for (size_t i = 0; i < count; i++)
		if (!ioasid_space_find_rcu(space, NULL, ids[i], &data))
			sum += value(data, offset);
	ioasid_rcu_read_unlock(ioasid_space_rcu(space));
	return sum;
}

uint64_t bench_sections(struct ioasid_space *space, const ioasid_t *ids,
			size_t count, size_t offset)
{
	uint64_t sum = 0;
	void *data;

	for (size_t i = 0; i < count; i++) {
		ioasid_rcu_read_lock(ioasid_space_rcu(space));
		if (!ioasid_space_find_rcu(space, NULL, ids[i], &data))
			sum += value(data, offset);
		ioasid_rcu_read_unlock(ioasid_space_rcu(space));
	}
	return sum;
}
