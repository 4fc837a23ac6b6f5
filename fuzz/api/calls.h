/* SPDX-License-Identifier: MIT */
#ifndef IOASID_FUZZ_CALLS_H
#define IOASID_FUZZ_CALLS_H

#include <ioasid/allocator.h>
#include <ioasid/notifier.h>
#include <ioasid/set.h>

/* What the harness calls for these; a fault takes the place of some. */
struct harness_calls {
	int (*set_limit)(struct ioasid_space *space, struct ioasid_set *set,
			 uint32_t quota, uint32_t reserved);
	int (*reserve)(struct ioasid_space *space, uint32_t count);
	int (*spid_attach)(struct ioasid_space *space, ioasid_t id,
			   ioasid_t spid);
	int (*find_handle)(const struct ioasid_space *space,
			   const struct ioasid_set *set, ioasid_handle_t handle,
			   bool (*getter)(void *data), void **data);
	int (*free_all)(struct ioasid_space *space, struct ioasid_set *set,
			uint32_t *count);
	int (*register_allocator)(struct ioasid_space *space,
				  struct ioasid_allocator_ops *ops);
	int (*unregister_allocator)(struct ioasid_space *space,
				    struct ioasid_allocator_ops *ops,
				    enum ioasid_unregister mode);
	int (*notify)(struct ioasid_space *space, ioasid_t id,
		      enum ioasid_event event, void *arg);
	int (*restore)(struct ioasid_space *space, const uint8_t *bytes,
		       size_t size, size_t at, uint8_t change);
	/* the configuration of a space */
	void (*configure)(struct ioasid_space_config *config);
};

extern struct harness_calls harness_calls;

#endif /* IOASID_FUZZ_CALLS_H */
