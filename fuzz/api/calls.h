/* SPDX-License-Identifier: MIT */
#ifndef IOASID_FUZZ_CALLS_H
#define IOASID_FUZZ_CALLS_H

#include <ioasid/ioasid.h>

/* What the harness calls for these; a fault takes the place of some. */
struct harness_calls {
	int (*alloc)(struct ioasid_space *space, struct ioasid_set *set,
		     ioasid_t min, ioasid_t max, void *data, ioasid_t *id);
	int (*set_stats)(struct ioasid_space *space,
			 const struct ioasid_set *set,
			 struct ioasid_set_info *stats);
	int (*set_for_each)(struct ioasid_space *space,
			    int (*func)(struct ioasid_set *set, void *arg),
			    void *arg);
	int (*set_free_all)(struct ioasid_space *space, struct ioasid_set *set,
			    uint32_t *count);
	int (*spid_attach)(struct ioasid_space *space, ioasid_t id,
			   ioasid_t spid);
	int (*find_handle)(const struct ioasid_space *space,
			   const struct ioasid_set *set, ioasid_handle_t handle,
			   bool (*getter)(void *data), void **data);
	int (*find_handle_rcu)(const struct ioasid_space *space,
			       const struct ioasid_set *set,
			       ioasid_handle_t handle, void **data);
	int (*free_all)(struct ioasid_space *space, uint32_t *count);
	int (*put)(struct ioasid_space *space, ioasid_t id);
	int (*exchange_data)(struct ioasid_space *space, ioasid_t id,
			     void *data, void **old);
	int (*publish_id)(struct ioasid_space *space, ioasid_t id, void *data);
	int (*next)(struct ioasid_space *space, const struct ioasid_set *set,
		    ioasid_t min, ioasid_t max, ioasid_t *id, void **data);
	int (*remove)(struct ioasid_space *space, const struct ioasid_set *set,
		      ioasid_t id, void **data);
	/* ioasid_find(), its result taken apart */
	int (*default_find)(struct ioasid_set *set, ioasid_t id,
			    bool (*getter)(void *data), void **data);
	int (*register_allocator)(struct ioasid_space *space,
				  struct ioasid_allocator_ops *ops);
	int (*unregister_allocator)(struct ioasid_space *space,
				    struct ioasid_allocator_ops *ops,
				    enum ioasid_unregister mode);
	int (*notify)(struct ioasid_space *space, ioasid_t id,
		      enum ioasid_event event, void *arg);
	void (*retire)(struct ioasid_rcu *rcu, struct ioasid_rcu_head *head,
		       void (*func)(struct ioasid_rcu_head *head), size_t size);
	bool (*validate)(struct ioasid_space *space, const char **reason);
	int (*restore)(struct ioasid_space *space, const uint8_t *bytes,
		       size_t size, size_t at, uint8_t change);
	/* the configuration of a space */
	void (*configure)(struct ioasid_space_config *config);
};

/* The library's, as long as no fault is planted. */
extern struct harness_calls harness_calls;

#endif /* IOASID_FUZZ_CALLS_H */
