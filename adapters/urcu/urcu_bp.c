/* SPDX-License-Identifier: MIT */
#define URCU_API_MAP
#include <urcu/urcu-bp.h>

/* What liburcu did by itself is nothing to undo. */
#define is_registered() registered
#include "urcu_ops.h"

const struct ioasid_rcu_ops ioasid_urcu_bp_ops = {
	COMMON_OPS,
	.read_held = read_ongoing,
};
