/* SPDX-License-Identifier: MIT */
#define URCU_API_MAP
#include <urcu/urcu-memb.h>
/* For one field of a structure. */
#include <urcu/static/urcu-memb.h>

#define is_registered() (URCU_TLS(urcu_memb_reader).registered)
#include "urcu_ops.h"

const struct ioasid_rcu_ops ioasid_urcu_memb_ops = {
	.read_lock = read_lock,
	.read_unlock = read_unlock,
	.synchronize = synchronize,
	.read_held = read_ongoing,
	.start_poll = start_poll,
	.poll = poll_cookie,
	.thread_register = thread_register,
	.thread_unregister = thread_unregister,
};
