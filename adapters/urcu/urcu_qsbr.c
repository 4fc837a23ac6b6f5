/* SPDX-License-Identifier: MIT */
#define URCU_API_MAP
#include <urcu/urcu-qsbr.h>
/* For one field of a structure. */
#include <urcu/static/urcu-qsbr.h>

#define is_registered() (URCU_TLS(urcu_qsbr_reader).registered)
#include "urcu_ops.h"

static void thread_offline(void *context)
{
	(void)context;
	if (is_registered())
		rcu_thread_offline();
}

static void thread_online(void *context)
{
	(void)context;
	if (is_registered())
		rcu_thread_online();
}

static void quiescent(void *context)
{
	(void)context;
	/* Offline, it would go online. */
	if (rcu_read_ongoing())
		rcu_quiescent_state();
}

const struct ioasid_rcu_ops ioasid_urcu_qsbr_ops = {
	COMMON_OPS,
	.online = read_ongoing,
	.thread_offline = thread_offline,
	.thread_online = thread_online,
	.quiescent = quiescent,
};
