/* SPDX-License-Identifier: MIT */
#define URCU_API_MAP
#include <urcu/urcu-memb.h>
/* For one field of a structure. */
#include <urcu/static/urcu-memb.h>

#define is_registered() (URCU_TLS(urcu_memb_reader).registered)
#include "urcu_ops.h"

const struct ioasid_rcu_ops ioasid_urcu_memb_ops = {
	COMMON_OPS,
	.read_held = read_ongoing,
};
