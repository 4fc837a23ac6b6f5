/* SPDX-License-Identifier: MIT */
#include "test/toy_rcu.h"

#include <sched.h>

#ifdef HAVE_LIBURCU
#include "adapters/urcu/ioasid_urcu.h"
#endif

#include "test/torture/flavours.h"

static struct toy_rcu toy;

static void toy_begin(void)
{
	toy_rcu_init(&toy);
}

static void toy_end(void)
{
	toy_rcu_destroy(&toy);
}

#define TOY .begin = toy_begin, .end = toy_end, .context = &toy

const struct torture_flavour torture_flavours[] = {
	{ .name = "epoch", .flavour = IOASID_RCU_EPOCH },
	{ .name = "fence", .flavour = IOASID_RCU_EPOCH, .no_membarrier = true },
	{ .name = "qsbr", .flavour = IOASID_RCU_QSBR },
	{ .name = "none", .flavour = IOASID_RCU_NONE },
	{ .name = "toy",
	  .flavour = IOASID_RCU_CUSTOM,
	  .ops = &toy_rcu_ops,
	  TOY },
#ifdef HAVE_LIBURCU
	{ .name = "urcu-memb",
	  .flavour = IOASID_RCU_CUSTOM,
	  .ops = &ioasid_urcu_memb_ops },
	{ .name = "urcu-qsbr",
	  .flavour = IOASID_RCU_CUSTOM,
	  .ops = &ioasid_urcu_qsbr_ops },
	{ .name = "urcu-bp",
	  .flavour = IOASID_RCU_CUSTOM,
	  .ops = &ioasid_urcu_bp_ops },
#endif
	{ .name = NULL },
};

static void ignore(void *context)
{
	(void)context;
}

static uint64_t no_cookie(void *context)
{
	(void)context;
	return 0;
}

static bool always(void *context, uint64_t cookie)
{
	(void)context;
	(void)cookie;
	return true;
}

static const struct ioasid_rcu_ops early_ops = {
	.read_lock = ignore,
	.read_unlock = ignore,
	.synchronize = ignore,
	.start_poll = no_cookie,
	.poll = always,
};

const struct torture_flavour faulty_early = {
	.name = "early",
	.flavour = IOASID_RCU_CUSTOM,
	.ops = &early_ops,
};

/* The thread whose sections count: the first to begin one. */
static ioasid_atomic_u32 chosen;
static IOASID_TLS bool is_chosen;

static void one_begin(void)
{
	ioasid_store_relaxed(&chosen, 0);
	toy_begin();
}

static void one_lock(void *context)
{
	if (!is_chosen)
		is_chosen = !ioasid_exchange_acquire(&chosen, 1);
	if (is_chosen)
		toy_rcu_ops.read_lock(context);
}

static void one_unlock(void *context)
{
	if (is_chosen)
		toy_rcu_ops.read_unlock(context);
}

static uint64_t toy_cookie(void *context)
{
	return toy_rcu_ops.start_poll(context);
}

static bool toy_passed(void *context, uint64_t cookie)
{
	return toy_rcu_ops.poll(context, cookie);
}

static const struct ioasid_rcu_ops one_thread_ops = {
	.read_lock = one_lock,
	.read_unlock = one_unlock,
	.start_poll = toy_cookie,
	.poll = toy_passed,
};

const struct torture_flavour faulty_one_thread = {
	.name = "one thread",
	.flavour = IOASID_RCU_CUSTOM,
	.ops = &one_thread_ops,
	.begin = one_begin,
	.end = toy_end,
	.context = &toy,
};

/*
 * Readers count themselves by phase, and a grace period waits for those of the
 * phase before: but a reader may have been slow between looking up the phase
 * and counting, and is then taken for one that came later.
 */
static struct {
	pthread_mutex_t mutex;
	ioasid_atomic_u64 epoch;
	ioasid_atomic_u32 readers[2];
	uint64_t completed;
} flip = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static IOASID_TLS unsigned int flip_nesting, flip_phase;

static void flip_lock(void *context)
{
	(void)context;
	if (flip_nesting++)
		return;
	flip_phase = ioasid_load_acquire(&flip.epoch) & 1;
	sched_yield();
	ioasid_fetch_add_acq_rel(&flip.readers[flip_phase], 1);
	ioasid_fence_seq_cst();
}

static void flip_unlock(void *context)
{
	(void)context;
	if (!--flip_nesting)
		ioasid_fetch_sub_release(&flip.readers[flip_phase], 1);
}

static uint64_t flip_start_poll(void *context)
{
	(void)context;
	return ioasid_load_acquire(&flip.epoch) + 1;
}

static bool flip_poll(void *context, uint64_t cookie)
{
	uint64_t epoch;
	bool passed;

	(void)context;
	pthread_mutex_lock(&flip.mutex);
	epoch = ioasid_load_relaxed(&flip.epoch);
	while (flip.completed < cookie) {
		if (flip.completed == epoch)
			ioasid_store_release(&flip.epoch, ++epoch);
		ioasid_fence_seq_cst();
		if (ioasid_load_acquire(&flip.readers[(epoch - 1) & 1]))
			break;
		flip.completed = epoch;
	}
	passed = flip.completed >= cookie;
	pthread_mutex_unlock(&flip.mutex);
	return passed;
}

static const struct ioasid_rcu_ops one_flip_ops = {
	.read_lock = flip_lock,
	.read_unlock = flip_unlock,
	.start_poll = flip_start_poll,
	.poll = flip_poll,
};

const struct torture_flavour faulty_one_flip = {
	.name = "one flip",
	.flavour = IOASID_RCU_CUSTOM,
	.ops = &one_flip_ops,
};

/* Cookies of 8 bits: one that passed long ago is taken for a new one. */
static uint64_t wrap_start_poll(void *context)
{
	return (uint8_t)toy_rcu_ops.start_poll(context);
}

static bool wrap_poll(void *context, uint64_t cookie)
{
	uint64_t now = toy_rcu_ops.start_poll(context);

	return toy_rcu_ops.poll(context, now - (uint8_t)(now - cookie));
}

static void toy_lock(void *context)
{
	toy_rcu_ops.read_lock(context);
}

static void toy_unlock(void *context)
{
	toy_rcu_ops.read_unlock(context);
}

static const struct ioasid_rcu_ops wrap_ops = {
	.read_lock = toy_lock,
	.read_unlock = toy_unlock,
	.start_poll = wrap_start_poll,
	.poll = wrap_poll,
};

const struct torture_flavour faulty_wrap = {
	.name = "wrapping cookies",
	.flavour = IOASID_RCU_CUSTOM,
	.ops = &wrap_ops,
	TOY,
};

static bool never(void *context, uint64_t cookie)
{
	(void)context;
	(void)cookie;
	return false;
}

static const struct ioasid_rcu_ops stuck_ops = {
	.read_lock = ignore,
	.read_unlock = ignore,
	.start_poll = no_cookie,
	.poll = never,
};

const struct torture_flavour faulty_stuck = {
	.name = "stuck",
	.flavour = IOASID_RCU_CUSTOM,
	.ops = &stuck_ops,
};
