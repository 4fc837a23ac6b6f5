/* SPDX-License-Identifier: MIT */
/* A side against its model. */
#include "fuzz/api/harness.h"

/* Everything is looked at once in so many checks. */
#define CHECKS 64

bool harness_thorough;

/* What may have changed much, in few calls. */
static bool is_large(enum step_op op)
{
	return op == STEP_FREE_IN_WALK || op == STEP_FREE_ALL ||
	       op == STEP_SET_FREE_ALL || op == STEP_TRIM ||
	       op == STEP_VALIDATE;
}

static const char *check_everything(struct side *side)
{
	uint32_t ids = side->model.max - side->model.min;

	harness.work += 20 + 4 * side->model.count;
	if (side->store == IOASID_STORE_BITMAP)
		harness.work += ids / 32;
	return model_compare(&side->model, side->space);
}

static const char *check_touched(struct side *side, const struct step *step,
				 const struct ioasid_stats *stats)
{
	const char *wrong = model_compare_counts(&side->model, stats);
	ioasid_t id = side->count ? side->log[side->count - 1].result.id :
				    step->id;

	if (!wrong)
		wrong = model_compare_id(&side->model, side->space, step->id);
	if (!wrong && id != step->id)
		wrong = model_compare_id(&side->model, side->space, id);
	return wrong;
}

void check(struct side *side, const struct step *step)
{
	struct ioasid_stats stats;
	const char *wrong;

	harness.model_in_step = true;
	harness.wrong_side = side;
	ioasid_space_stats(side->space, &stats);
	wrong = model_wrong(&side->model);
	if (wrong && side->count)
		side->log[side->count - 1].result.calls_wrong = true;
	if (!wrong)
		wrong = step && !harness_thorough ?
				check_touched(side, step, &stats) :
				check_everything(side);
	if (wrong)
		mismatch(side, wrong);
	if (stats.quarantined)
		harness.diverged = true;
	if (!harness.config.own && harness.config.memory != MEMORY_SYSTEM)
		EXPECT(side->memory.bytes - stats.memory == side->overhead,
		       "stats.memory differs from the hooks'");
	EXPECT(ioasid_rcu_read_held(side->rcu) == (harness.depth && !is_qsbr()),
	       "read_held differs");
	harness.model_in_step = false;
	harness.wrong_side = NULL;
}

void check_now_and_then(struct side *side, const struct step *step)
{
	bool now = is_large(step->op) || ++harness.checks % CHECKS == 0;

	check(side, now ? NULL : step);
}
