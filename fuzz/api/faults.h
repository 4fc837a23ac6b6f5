/* SPDX-License-Identifier: MIT */
#ifndef IOASID_FUZZ_FAULTS_H
#define IOASID_FUZZ_FAULTS_H

#include "fuzz/api/calls.h"

/* All there are, the last NULL. */
extern const char *const fault_names[];

/* The hash store with a fault; NULL: it is no fault of a store. */
const struct ioasid_store_ops *fault_store(const char *name);

/* A flavour that waits for nobody, if that is the fault. */
const struct ioasid_rcu_ops *fault_rcu(const char *name);

/* Puts a fault in place of one of the calls, if it is one of them. */
void fault_calls(const char *name, struct harness_calls *to);

/* All that, for what a sequence creates and calls. @rcu may be NULL. */
void fault_sequence(const char *name, struct ioasid_space_config *config,
		    struct ioasid_rcu_config *rcu);

/* In a sequence that was printed. */
#if defined(SEQUENCE_FAULT) && defined(IOASID_FUZZ_SEQUENCE_H)
#define sequence_restore harness_calls.restore
#define ioasid_space_alloc harness_calls.alloc
#define ioasid_set_stats harness_calls.set_stats
#define ioasid_set_for_each harness_calls.set_for_each
#define ioasid_set_free_all harness_calls.set_free_all
#define ioasid_spid_attach harness_calls.spid_attach
#define ioasid_space_find_handle harness_calls.find_handle
#define ioasid_space_find_handle_rcu harness_calls.find_handle_rcu
#define ioasid_space_free_all harness_calls.free_all
#define ioasid_space_put harness_calls.put
#define ioasid_space_exchange_data harness_calls.exchange_data
#define ioasid_space_publish_id harness_calls.publish_id
#define ioasid_space_next harness_calls.next
#define ioasid_space_remove harness_calls.remove
#define sequence_default_find harness_calls.default_find
#define ioasid_space_register_allocator harness_calls.register_allocator
#define ioasid_space_unregister_allocator harness_calls.unregister_allocator
#define ioasid_space_notify harness_calls.notify
#define ioasid_space_validate harness_calls.validate
#define ioasid_rcu_retire harness_calls.retire
#endif

#endif /* IOASID_FUZZ_FAULTS_H */
