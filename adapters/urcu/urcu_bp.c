/* SPDX-License-Identifier: MIT */
#define URCU_API_MAP
#include <urcu/urcu-bp.h>

/* What liburcu did by itself is nothing to undo. */
#define is_registered() registered
#include "urcu_ops.h"

const struct ioasid_rcu_ops ioasid_urcu_bp_ops = {
	.read_lock = read_lock,
	.read_unlock = read_unlock,
	.synchronize = synchronize,
	.read_held = read_ongoing,
	.start_poll = start_poll,
	.poll = poll_cookie,
	.thread_register = thread_register,
	.thread_unregister = thread_unregister,
};
