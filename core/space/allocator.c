/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include <ioasid/allocator.h>

#ifndef IOASID_NO_ALLOCATORS
#include "life.h"
#include "source.h"

int ioasid_space_register_allocator(struct ioasid_space *public_space,
				    struct ioasid_allocator_ops *ops)
{
	struct space *space = ioasid_to_space(public_space);
	int ret;

	if (!ops->alloc || !ops->free)
		return -EINVAL;
	ioasid_space_lock(space);
	ret = ioasid_source_register(space, ops);
	ioasid_space_unlock(space);
	return ret;
}

int ioasid_space_unregister_allocator(struct ioasid_space *public_space,
				      struct ioasid_allocator_ops *ops,
				      enum ioasid_unregister mode)
{
	struct space *space = ioasid_to_space(public_space);
	int ret;

	if (mode != IOASID_UNREGISTER_IDLE && mode != IOASID_UNREGISTER_KEEP)
		return -EINVAL;
	if (ioasid_source_calling(space) || !ioasid_callbacks_lock(space))
		return -EDEADLK;
	ioasid_space_lock(space);
	ret = ioasid_source_unregister(space, ops, mode);
	ioasid_hand_back(space);
	ioasid_space_unlock(space);
	ioasid_callbacks_unlock(space);
	ioasid_rcu_reclaim(public_space->rcu);
	return ret;
}
#endif /* IOASID_NO_ALLOCATORS */
