/* SPDX-License-Identifier: MIT */
#include "fuzz/api/calls.h"

#include "fuzz/api/sequence.h"

struct harness_calls harness_calls = {
	.alloc = ioasid_space_alloc,
	.set_stats = ioasid_set_stats,
	.set_for_each = ioasid_set_for_each,
	.set_free_all = ioasid_set_free_all,
	.spid_attach = ioasid_spid_attach,
	.find_handle = ioasid_space_find_handle,
	.find_handle_rcu = ioasid_space_find_handle_rcu,
	.free_all = ioasid_space_free_all,
	.put = ioasid_space_put,
	.exchange_data = ioasid_space_exchange_data,
	.publish_id = ioasid_space_publish_id,
	.next = ioasid_space_next,
	.remove = ioasid_space_remove,
	.default_find = sequence_default_find,
	.register_allocator = ioasid_space_register_allocator,
	.unregister_allocator = ioasid_space_unregister_allocator,
	.notify = ioasid_space_notify,
	.retire = ioasid_rcu_retire,
	.validate = ioasid_space_validate,
	.restore = sequence_restore,
};
