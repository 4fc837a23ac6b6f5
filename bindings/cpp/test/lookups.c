/* SPDX-License-Identifier: MIT */
/*
 * Lookups as a C program writes them; lookups.cc has the same in C++. What the
 * compilers make of both is compared, instruction for instruction.
 */
#include "lookups.h"

int lookup_id(const struct space_of_c *space, ioasid_t id)
{
	struct ioasid_rcu *rcu = ioasid_space_rcu(space->native);
	void *data;
	int ret;

	ioasid_rcu_read_lock(rcu);
	ret = ioasid_space_find_rcu(space->native, NULL, id, &data);
	if (!ret)
		ret = ((const struct session *)data)->user;
	ioasid_rcu_read_unlock(rcu);
	return ret;
}

int lookup_set(const struct space_of_c *space, const struct set_of_c *set,
	       ioasid_t id)
{
	struct ioasid_rcu *rcu = ioasid_space_rcu(space->native);
	void *data;
	int ret;

	ioasid_rcu_read_lock(rcu);
	ret = ioasid_space_find_rcu(space->native, set->native, id, &data);
	if (!ret)
		ret = ((const struct session *)data)->user;
	ioasid_rcu_read_unlock(rcu);
	return ret;
}

int lookup_handle(const struct space_of_c *space, const struct set_of_c *set,
		  ioasid_handle_t handle)
{
	struct ioasid_rcu *rcu = ioasid_space_rcu(space->native);
	void *data;
	int ret;

	ioasid_rcu_read_lock(rcu);
	ret = ioasid_space_find_handle_rcu(space->native, set->native, handle,
					   &data);
	if (!ret)
		ret = ((const struct session *)data)->user;
	ioasid_rcu_read_unlock(rcu);
	return ret;
}

int lookup_owned(const struct space_of_c *space, const struct set_of_c *set,
		 ioasid_t id)
{
	return lookup_set(space, set, id);
}
