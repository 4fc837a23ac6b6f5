/* SPDX-License-Identifier: MIT */
#ifndef IOASID_RCU_RCU_H
#define IOASID_RCU_RCU_H

/* What stores and spaces may use of this layer. */

#include "defer.h"
#include "thread.h"

IOASID_BEGIN_INTERNAL

/* Counts the spaces that use a domain; it cannot be destroyed meanwhile. */
void ioasid_rcu_use(struct ioasid_rcu *rcu);
void ioasid_rcu_unuse(struct ioasid_rcu *rcu);

IOASID_END_INTERNAL

#endif /* IOASID_RCU_RCU_H */
