/* SPDX-License-Identifier: MIT */
#ifndef IOASID_FUZZ_FAULTS_H
#define IOASID_FUZZ_FAULTS_H

#include <ioasid/space.h>

/* The hash store with a fault; NULL: no such fault. */
const struct ioasid_store_ops *fault_store(const char *name);

struct harness_calls;

/* Puts a fault in place of one of the calls; false: no such fault. */
bool fault_calls(const char *name, struct harness_calls *to);

/* A flavour that waits for nobody. */
extern const struct ioasid_rcu_ops fault_rcu;

#endif /* IOASID_FUZZ_FAULTS_H */
