/* SPDX-License-Identifier: MIT */
/* One step on one side: the library is called, and the model. */
#include "fuzz/api/harness.h"

static struct ioasid_set *set_of(struct side *side, uint32_t set)
{
	return set == SET_NONE	  ? NULL :
	       set == SET_FOREIGN ? &foreign_set :
	       set >= SET_MADE	  ? side->actors.made[set - SET_MADE] :
				    &side->set[set - 1];
}

bool is_qsbr(void)
{
	return harness.config.flavour == IOASID_RCU_QSBR;
}

static void synchronized(struct side *side)
{
	model_synchronize(&side->model);
	side->cookie_passed = true;
}

/* Sections known to the flavour. */
static bool section_held(void)
{
	return harness.depth && !is_qsbr();
}

/* The result that ought to be is the one printed. */
static void expect(const struct side *side, struct step_result *result, int ret,
		   const char *what)
{
	static char text[128];

	if (ret == MODEL_GONE)
		result->any = true;
	if (model_is(ret, result->ret))
		return;
	snprintf(text, sizeof(text), "%s: %d instead of %d", what, result->ret,
		 ret);
	result->ret = ret;
	result->done = true;
	mismatch(side, text);
}

/* What an alloc ought to give; its ID, if no generation has turned. */
static void correct_alloc(const struct model *model, const struct step *step,
			  struct step_result *result)
{
	ioasid_t id = step->id < model->min ? model->min : step->id;
	ioasid_t max = step->max > model->max ? model->max : step->max;
	bool lowest = !harness.diverged && step->op != STEP_ALLOC_CYCLIC &&
		      model->reuse == IOASID_REUSE_LOWEST &&
		      !model->stats.allocators;

	while (id < max && model_entry(model, id))
		id++;
	result->wrong_id = !lowest && result->ret == model->expected;
	result->any_id = !lowest && !result->wrong_id;
	if (lowest)
		result->id = id;
	result->ret = model->expected;
	result->done = true;
}

/*
 * By a call on the default space, if there is one? ioasid_alloc() does not say
 * why there was no ID: where a second call might come out otherwise it is left
 * alone.
 */
static bool by_default(const struct side *side, const struct step *step)
{
	bool plain = !step->fail_at && !side->model.stats.allocators;

	if (!side->is_default)
		return false;
	switch (step->op) {
	case STEP_FIND:
	case STEP_SET_DATA:
		return true;
	case STEP_ALLOC:
	case STEP_FREE:
	case STEP_PUT:
		return plain;
	case STEP_GET:
		return step->set == SET_NONE;
	case STEP_REGISTER_ALLOCATOR:
		return !step->fail_at;
	case STEP_UNREGISTER_ALLOCATOR:
		return step->number == IOASID_UNREGISTER_IDLE;
	default:
		return false;
	}
}

static void run_alloc(struct side *side, const struct step *step,
		      struct step_result *result)
{
	struct model *model = &side->model;
	ioasid_t min = step->id, max = step->max, id = INVALID_IOASID;
	void *data = DATA(step->number);
	struct ioasid_set *set;
	const char *wrong;
	bool refused = false;

	if (step->answers) {
		side->actors.answer = step->answer;
		side->actors.refusals = step->refusals;
	}
	set = set_of(side, step->set);
	if (result->by_default) {
		result->ret = sequence_default_alloc(set, min, max, data, &id,
						     &refused);
		/* With each call some wait no more. */
		if (refused && model_alloc(model, set, min, max, data,
					   result->ret ? result->ret : -EAGAIN,
					   INVALID_IOASID))
			mismatch(side, "ioasid_alloc: refused");
	} else if (step->op == STEP_ALLOC_CYCLIC)
		result->ret = ioasid_space_alloc_cyclic(side->space, set, min,
							max, data,
							&side->actors.cursor,
							&id);
	else if (step->op == STEP_RESERVE_ID)
		result->ret = ioasid_space_reserve_id(side->space, set, min,
						      max, &id);
	else
		result->ret = harness_calls.alloc(side->space, set, min, max,
						  data, &id);
	result->id = id;
	if (result->ret == -ENOMEM && side->memory.failed) {
		model_alloc_nomem(model);
		return;
	}
	if (step->op == STEP_ALLOC_CYCLIC)
		wrong = model_alloc_cyclic(model, set, min, max, data,
					   &side->cursor, result->ret, id);
	else if (step->op == STEP_RESERVE_ID)
		wrong = model_reserve_id(model, set, min, max, result->ret, id);
	else
		wrong = model_alloc(model, set, min, max, data, result->ret,
				    id);
	if (wrong) {
		correct_alloc(model, step, result);
		mismatch(side, wrong);
	}
	EXPECT(side->cursor == side->actors.cursor, "alloc_cyclic: cursor");
	EXPECT(result->ret >= 0 || id == INVALID_IOASID,
	       "alloc wrote an ID and failed");
}

static void run_deferred(struct side *side, const struct step *step,
			 struct step_result *result)
{
	bool full = harness.config.pending_limit &&
		    ioasid_rcu_pending(side->rcu) >=
			    harness.config.pending_limit;
	uint64_t before = side->deferred.added;
	int expected;

	if (step->op == STEP_DEFER)
		result->ret = sequence_defer(side->rcu, &side->deferred);
	else
		result->ret = sequence_free_deferred(side->space, step->id,
						     &side->deferred);
	if (full && (section_held() || is_qsbr())) {
		expect(side, result, -EAGAIN, "defer at the limit");
		return;
	}
	expected = step->op == STEP_DEFER ? 0 :
					    model_free(&side->model, step->id);
	expect(side, result, expected, "defer or free_deferred");
	EXPECT(!full || side->deferred.called >= before,
	       "defer at the limit left callbacks");
	if (!expected && harness.config.flavour == IOASID_RCU_NONE &&
	    !harness.depth)
		EXPECT(side->deferred.called == side->deferred.added,
		       "none: callback not at once");
}

/* Of reserved IDs, and those that answer with a pointer. */
static void run_id(struct side *side, const struct step *step,
		   struct step_result *result)
{
	struct ioasid_set *set = set_of(side, step->set);
	void *unwritten = &harness, *data = unwritten, *expected = unwritten;
	ioasid_t id = INVALID_IOASID, expected_id = INVALID_IOASID;
	int ret;

	switch (step->op) {
	case STEP_PUBLISH_ID:
		result->ret = harness_calls.publish_id(side->space, step->id,
						       DATA(step->number));
		ret = model_publish_id(&side->model, step->id,
				       DATA(step->number));
		break;
	case STEP_RELEASE_ID:
		result->ret = ioasid_space_release_id(side->space, step->id);
		ret = model_release_id(&side->model, step->id);
		break;
	case STEP_NEXT:
		result->ret = harness_calls.next(side->space, set, step->id,
						 step->max, &id, &data);
		ret = model_next_id(&side->model, set, step->id, step->max,
				    &expected_id, &expected);
		break;
	default:
		result->ret =
			harness_calls.remove(side->space, set, step->id, &data);
		ret = model_remove_id(&side->model, set, step->id, &expected);
		break;
	}
	result->id = expected_id;
	result->value = expected == unwritten ? 0 : (uintptr_t)expected;
	expect(side, result, ret, "publish, release, next or remove");
	result->done = true;
	EXPECT(data == expected && id == expected_id, "another ID or pointer");
}

static bool (*getter_of(enum step_getter getter))(void *data)
{
	return getter == GETTER_YES   ? getter_yes :
	       getter == GETTER_NO    ? getter_no :
	       getter == GETTER_WAITS ? getter_waits :
					NULL;
}

static void run_find(struct side *side, const struct step *step,
		     struct step_result *result)
{
	struct ioasid_set *set = set_of(side, step->set);
	void *unwritten = &harness, *data = unwritten, *expected = unwritten;
	int ret;

	if (step->op == STEP_FIND) {
		getter_space = side->space;
		getter_id = step->id;
	}
	if (result->by_default) {
		result->ret = harness_calls.default_find(
			set, step->id, getter_of(step->getter), &data);
	} else if (step->op == STEP_FIND) {
		result->ret = ioasid_space_find(side->space, set, step->id,
						getter_of(step->getter), &data);
	} else {
		ioasid_rcu_read_lock(side->rcu);
		result->ret = ioasid_space_find_rcu(side->space, set, step->id,
						    &data);
		ioasid_rcu_read_unlock(side->rcu);
	}
	ret = model_find(&side->model, set, step->id, &expected);
	if (!ret && step->op == STEP_FIND && step->getter == GETTER_NO)
		expected = NULL;
	result->value = ret ? 0 : (uintptr_t)expected;
	expect(side, result, ret, "find");
	result->done = true;
	EXPECT(data == expected, "find: pointer");
}

/* Brings the references of the model near @limit, in one step for many. */
static uint32_t many_refs(struct side *side, const struct step *step,
			  uint32_t limit)
{
	struct model_entry *entry = model_entry(&side->model, step->id);
	bool up = step->op == STEP_GET_MANY;
	uint32_t room;

	if (!entry || (entry->state != MODEL_LIVE &&
		       (up || entry->state != MODEL_PENDING)))
		return 0;
	room = up ? limit - entry->refs : entry->refs - limit;
	if (room > step->number)
		room = step->number;
	entry->refs += up ? room : -room;
	return room;
}

static void run_get_put(struct side *side, const struct step *step,
			struct step_result *result)
{
	struct ioasid_set *set = set_of(side, step->set);
	uint32_t times = 0;
	int ret = 0;

	switch (step->op) {
	case STEP_GET:
		result->ret =
			result->by_default ?
				ioasid_get(step->id) :
				ioasid_space_get(side->space, set, step->id);
		ret = model_get(&side->model, set, step->id);
		break;
	case STEP_PUT:
		result->ret = result->by_default ?
				      ioasid_put(step->id) :
				      harness_calls.put(side->space, step->id);
		ret = model_put(&side->model, step->id);
		/* It only says whether it was the last. */
		if (result->by_default && result->ret == (ret == 1))
			result->ret = ret;
		break;
	case STEP_GET_MANY:
		result->value = sequence_get(side->space, step->id,
					     step->number, &result->ret);
		times = many_refs(side, step, IOASID_REFS_MAX);
		for (; times < step->number && !ret; times += !ret)
			ret = model_get(&side->model, NULL, step->id);
		break;
	default:
		result->value = sequence_put(side->space, step->id,
					     step->number, &result->ret);
		times = many_refs(side, step, 1);
		for (; times < step->number && !ret; times += !ret)
			ret = model_put(&side->model, step->id);
		break;
	}
	expect(side, result, ret, "get or put");
	EXPECT(result->value == times, "get or put: number of references");
}

static void run_data(struct side *side, const struct step *step,
		     struct step_result *result)
{
	void *unwritten = &harness, *old = unwritten, *expected = unwritten;
	void *data = DATA(step->number);
	int ret;

	if (step->op == STEP_EXCHANGE_DATA) {
		/* Every other time without @old. */
		result->ret = harness_calls.exchange_data(
			side->space, step->id, data, step->max ? &old : NULL);
		ret = model_exchange_data(&side->model, step->id, data,
					  step->max ? &expected : NULL);
		result->value = ret || !step->max ? 0 : (uintptr_t)expected;
		expect(side, result, ret, "exchange_data");
		result->done = true;
		EXPECT(old == expected, "exchange_data: old pointer");
		return;
	}
	result->ret =
		result->by_default ?
			ioasid_set_data(step->id, data) :
			ioasid_space_set_data(side->space, step->id, data);
	if (section_held()) {
		ret = model_find(&side->model, NULL, step->id, &old);
		expect(side, result, ret ? ret : -EDEADLK,
		       "set_data in a section");
		return;
	}
	ret = model_exchange_data(&side->model, step->id, data, NULL);
	expect(side, result, ret, "set_data");
	if (!ret)
		synchronized(side);
}

struct id_list {
	struct sequence_walk walk;
	ioasid_t *id;
	size_t room;
};

static int list_visit(ioasid_t id, void *data, void *arg)
{
	struct id_list *list = arg;

	if (list->walk.count == list->room) {
		list->room = list->room ? 2 * list->room : 64;
		list->id = realloc(list->id, list->room * sizeof(*list->id));
		CHECK(list->id);
	}
	list->id[list->walk.count] = id;
	return sequence_visit(id, data, &list->walk);
}

static void run_walk(struct side *side, const struct step *step,
		     struct step_result *result)
{
	bool frees = step->op == STEP_FREE_IN_WALK;
	struct sequence_walk walk = { 0, step->number, 0,
				      frees ? side->space : NULL };
	struct id_list list = { { 0, step->number, 0, NULL }, NULL, 0 };
	struct ioasid_set *set = set_of(side, step->set);
	int ret;

	ret = model_for_each(&side->model, set, step->id, step->max, list_visit,
			     &list);
	result->ret = ioasid_space_for_each(side->space, set, step->id,
					    step->max, sequence_visit, &walk);
	result->id = list.walk.count;
	result->value = list.walk.sum;
	expect(side, result, ret, "for_each");
	result->done = true;
	EXPECT(walk.count == list.walk.count && walk.sum == list.walk.sum,
	       "for_each: IDs or pointers");
	for (uint32_t i = 0; frees && i < list.walk.count; i++)
		EXPECT(!model_free(&side->model, list.id[i]),
		       "for_each: free in the walk");
	free(list.id);
}

static void run_free_all(struct side *side, struct step_result *result)
{
	uint32_t count = 0, expected;
	int ret;

	result->ret = harness_calls.free_all(side->space, &count);
	ret = model_free_all(&side->model, &expected);
	result->value = expected;
	expect(side, result, ret, "free_all");
	result->done = true;
	EXPECT(count == expected, "free_all: number of IDs");
}

static void run_cycle(struct side *side, const struct step *step,
		      struct step_result *result)
{
	struct ioasid_set *set = set_of(side, step->set);
	struct model *model = &side->model;
	const char *wrong;
	ioasid_t id;
	int ret;

	/* As sequence_cycle(), with the model at each turn. */
	for (uint32_t i = 0; i < step->number; i++) {
		id = INVALID_IOASID;
		ret = ioasid_space_alloc(side->space, set, step->id, step->id,
					 NULL, &id);
		wrong = model_alloc(model, set, step->id, step->id, NULL, ret,
				    id);
		if (wrong) {
			correct_alloc(model, step, result);
			result->value = result->ret ? 0 : step->number;
			mismatch(side, wrong);
		}
		if (ret)
			continue;
		EXPECT(ioasid_space_free(side->space, id) ==
			       model_free(model, id),
		       "cycle: free");
		result->value++;
	}
}

static void run_grace(struct side *side, const struct step *step,
		      struct step_result *result)
{
	struct ioasid_rcu *rcu = side->rcu;
	struct sequence_deferred *deferred = &side->deferred;

	result->ret = step->op == STEP_BARRIER ? ioasid_rcu_barrier(rcu) :
						 ioasid_rcu_synchronize(rcu);
	if (section_held()) {
		expect(side, result, -EDEADLK, "wait in a section");
		return;
	}
	expect(side, result, 0, "wait");
	EXPECT(step->op != STEP_BARRIER || deferred->called == deferred->added,
	       "barrier left callbacks");
	if (step->op == STEP_SYNCHRONIZE)
		synchronized(side);
}

static void run_poll(struct side *side, const struct step *step,
		     struct step_result *result)
{
	if (step->op == STEP_START_POLL) {
		side->cookie = ioasid_rcu_start_poll(side->rcu);
		side->cookie_passed = false;
		side->cookie_section = side->deferred.section;
		result->any = true;
		return;
	}
	result->ret = ioasid_rcu_poll(side->rcu, side->cookie);
	if (side->cookie_passed)
		expect(side, result, 1, "poll after synchronize");
	else if (side->cookie_section &&
		 side->cookie_section == side->deferred.section)
		expect(side, result, 0, "poll in the same section");
	else if (!harness.depth && !is_qsbr())
		expect(side, result, 1, "poll without readers");
	else
		result->any = true;
	/* What has passed stays so. */
	if (result->ret)
		side->cookie_passed = true;
}

static void run_domain_stats(struct side *side, struct step_result *result)
{
	struct ioasid_domain_stats stats;
	uint64_t pending = 0, retired = 0;

	for (size_t i = 0; i < SIDES; i++) {
		const struct side *at = &harness.side[i];

		if (at->absent || at->rcu != side->rcu)
			continue;
		pending += at->deferred.added - at->deferred.called;
		retired += at->deferred.retired;
	}
	ioasid_rcu_stats(side->rcu, &stats);
	EXPECT(stats.pending == pending &&
		       ioasid_rcu_pending(side->rcu) == pending,
	       "rcu_stats: pending");
	/* Stores have some of their own. */
	EXPECT(stats.retired >= retired &&
		       stats.retired_bytes >= retired * SEQUENCE_BLOCK,
	       "rcu_stats: retired");
	result->ret = ioasid_rcu_check_reader(side->rcu);
	expect(side, result, harness.depth || is_qsbr() ? 0 : -EPERM,
	       "check_reader");
}

static void run_reader(struct side *side, const struct step *step,
		       struct step_result *result)
{
	struct ioasid_rcu *rcu = side->rcu;

	switch (step->op) {
	case STEP_READ_LOCK:
		ioasid_rcu_read_lock(rcu);
		if (harness.depth || is_qsbr())
			break;
		model_read_lock(&side->model);
		sequence_enter(&side->deferred);
		break;
	case STEP_READ_UNLOCK:
		ioasid_rcu_read_unlock(rcu);
		if (harness.depth > 1 || is_qsbr())
			break;
		model_read_unlock(&side->model);
		sequence_leave(&side->deferred);
		break;
	case STEP_RETIRE:
		sequence_retire(rcu, &side->deferred, harness_calls.retire);
		break;
	case STEP_DOMAIN_STATS:
		run_domain_stats(side, result);
		break;
	case STEP_QUIESCENT:
		ioasid_rcu_quiescent(rcu);
		break;
	case STEP_OFFLINE:
		ioasid_rcu_thread_offline(rcu);
		result->ret = ioasid_rcu_poll(rcu, ioasid_rcu_start_poll(rcu));
		EXPECT(result->ret, "poll: not passed while offline");
		ioasid_rcu_thread_online(rcu);
		break;
	case STEP_ANONYMOUS:
		sequence_anonymous(
			side->space,
			harness.config.own    ? &side->memory :
			harness.config.shared ? &harness.side[0].rcu_memory :
						&side->rcu_memory);
		if (harness.config.flavour == IOASID_RCU_EPOCH)
			synchronized(side);
		break;
	default:
		result->ret = ioasid_space_destroy(side->space);
		expect(side, result, -EDEADLK, "destroy in a section");
		break;
	}
}

/* Sets and capacity. With no memory nothing happens. */
static bool no_memory(const struct side *side, const struct step_result *result)
{
	return result->ret == -ENOMEM && side->memory.failed;
}

static void run_set(struct side *side, const struct step *step,
		    struct step_result *result)
{
	struct ioasid_set *set = set_of(side, step->set);
	struct ioasid_set *found = &foreign_set, *expected = &foreign_set;
	struct ioasid_set_config config;
	struct ioasid_set_info info, info_to_be;
	struct sequence_walk walk = { 0, 0, 0, NULL };
	const char *wrong = NULL;
	uint32_t count = 0, freed = 0;
	char text[64];
	int ret;

	switch (step->op) {
	case STEP_SET_BIND:
	case STEP_SET_CREATE:
		if (step->op == STEP_SET_CREATE) {
			set = NULL;
			result->ret = sequence_create(side->space, &set,
						      step->name, step->token,
						      step->quota,
						      step->reserved);
		} else {
			result->ret = sequence_bind(side->space, set,
						    step->name, step->token,
						    step->quota,
						    step->reserved);
		}
		if (no_memory(side, result))
			return;
		config = sequence_config(text, step->name, step->token,
					 step->quota, step->reserved);
		expect(side, result,
		       model_set_bind(&side->model, set, &config, result->ret),
		       "set_bind or set_create");
		if (!result->ret && step->op == STEP_SET_CREATE)
			side->actors.made[step->slot] = set;
		return;
	case STEP_SET_DESTROY:
		result->ret = ioasid_set_destroy(side->space, set);
		ret = model_set_destroy(&side->model, set);
		if (!ret && step->set >= SET_MADE)
			side->actors.made[step->set - SET_MADE] = NULL;
		break;
	case STEP_SET_LIMIT:
		result->ret = ioasid_set_limit(side->space, set, step->quota,
					       step->reserved);
		ret = model_set_limit(&side->model, set, step->quota,
				      step->reserved);
		break;
	case STEP_SET_FREE_ALL:
		result->ret =
			harness_calls.set_free_all(side->space, set, &count);
		ret = model_set_free_all(&side->model, set, &freed);
		result->value = freed;
		wrong = count != freed ? "set_free_all: number of IDs" : NULL;
		break;
	case STEP_SET_BY_TOKEN:
		result->ret = ioasid_set_by_token(side->space,
						  DATA(step->token), &found);
		ret = model_set_by_token(&side->model, DATA(step->token),
					 &expected);
		wrong = found != expected ? "set_by_token: set" : NULL;
		break;
	case STEP_SET_STATS:
		result->ret = harness_calls.set_stats(side->space, set, &info);
		ret = model_set_stats(&side->model, set, &info_to_be);
		if (!result->ret && !ret &&
		    (info.count != info_to_be.count ||
		     info.quota != info_to_be.quota ||
		     info.reserved != info_to_be.reserved))
			wrong = "set_stats: counts";
		result->value = ret ? 0 : info_to_be.count;
		break;
	case STEP_SET_FOR_EACH:
		walk.stop = step->number;
		result->ret = harness_calls.set_for_each(
			side->space, sequence_visit_set, &walk);
		ret = walk.stop && walk.stop <= side->model.sets ? 7 : 0;
		result->value = ret ? walk.stop : side->model.sets;
		if (walk.count != result->value)
			wrong = "set_for_each: number of sets";
		break;
	default:
		result->ret = ioasid_set_of(side->space, step->id, &found);
		ret = model_set_of(&side->model, step->id, &expected);
		wrong = found != expected ? "set_of: set" : NULL;
		break;
	}
	expect(side, result, ret, "a call of sets");
	result->done = true;
	if (wrong)
		mismatch(side, wrong);
}

static void run_capacity(struct side *side, const struct step *step,
			 struct step_result *result)
{
	int ret;

	switch (step->op) {
	case STEP_CAPACITY:
		result->ret =
			ioasid_space_set_capacity(side->space, step->number);
		ret = model_set_capacity(&side->model, step->number);
		break;
	case STEP_RESERVE:
		result->ret = ioasid_space_reserve(side->space, step->number);
		ret = model_reserve(&side->model, step->number);
		break;
	default:
		result->ret = ioasid_space_unreserve(side->space, step->number);
		ret = model_unreserve(&side->model, step->number);
		break;
	}
	expect(side, result, ret, "capacity");
}

static void run_spid(struct side *side, const struct step *step,
		     struct step_result *result)
{
	struct ioasid_set *set = set_of(side, step->set);
	ioasid_t got = INVALID_IOASID, expected = INVALID_IOASID;
	void *data = &harness, *found = &harness;
	int ret;

	switch (step->op) {
	case STEP_SPID_ATTACH:
		result->ret = harness_calls.spid_attach(side->space, step->id,
							step->spid);
		if (no_memory(side, result))
			return;
		ret = model_spid_attach(&side->model, step->id, step->spid,
					result->ret);
		break;
	case STEP_SPID_DETACH:
		result->ret = ioasid_spid_detach(side->space, step->id);
		ret = model_spid_detach(&side->model, step->id);
		break;
	case STEP_SPID_OF:
		result->ret = ioasid_spid_of(side->space, step->id, &got);
		ret = model_spid_of(&side->model, step->id, &expected);
		break;
	default:
		getter_space = side->space;
		getter_id = INVALID_IOASID;
		result->ret = ioasid_spid_find(side->space, set, step->spid,
					       getter_of(step->getter), &got,
					       &data);
		ret = model_spid_find(&side->model, set, step->spid, &expected,
				      &found);
		if (step->getter == GETTER_NO)
			found = NULL;
		break;
	}
	result->id = expected;
	result->value = (uintptr_t)found;
	expect(side, result, ret, "a call of SPIDs");
	result->done = true;
	EXPECT(got == expected && data == found, "SPIDs: ID or pointer");
}

static void run_handle(struct side *side, const struct step *step,
		       struct step_result *result)
{
	struct ioasid_set *set = set_of(side, step->set);
	ioasid_handle_t *handle = &side->actors.handle[step->slot];
	ioasid_handle_t used = *handle, expected = 1;
	void *data = &harness, *found = &harness;
	int ret;

	used += (ioasid_handle_t)step->number << 32;
	switch (step->op) {
	case STEP_HANDLE:
		result->ret =
			ioasid_space_handle(side->space, set, step->id, handle);
		ret = model_handle(&side->model, set, step->id, &expected);
		break;
	case STEP_GET_HANDLE:
		result->ret = ioasid_space_get_handle(side->space, set, used);
		ret = model_get_handle(&side->model, set, used);
		break;
	case STEP_FREE_HANDLE:
		result->ret = ioasid_space_free_handle(side->space, used);
		ret = model_free_handle(&side->model, used);
		break;
	case STEP_FIND_HANDLE_RCU:
		ioasid_rcu_read_lock(side->rcu);
		result->ret = harness_calls.find_handle_rcu(side->space, set,
							    used, &data);
		ioasid_rcu_read_unlock(side->rcu);
		ret = model_find_handle(&side->model, set, used, &found);
		break;
	default:
		result->ret = harness_calls.find_handle(
			side->space, set, used, getter_of(step->getter), &data);
		ret = model_find_handle(&side->model, set, used, &found);
		if (step->getter == GETTER_NO)
			found = NULL;
		break;
	}
	result->value = step->op == STEP_HANDLE ? 0 : (uintptr_t)found;
	expect(side, result, ret, "a call of handles");
	result->done = true;
	EXPECT(data == found, "handles: pointer");
	if (step->op == STEP_HANDLE && *handle != expected) {
		result->value = expected;
		mismatch(side, "handle: another");
	}
}

size_t on_begin(void *context, const struct sequence_call *call)
{
	struct model *model = context;

	(void)call;
	model_called(model, &(struct model_call){ .whose = NULL });
	return model->calls - 1;
}

void on_end(void *context, size_t at, const struct sequence_call *call)
{
	static const enum model_call_kind kinds[] = {
		[CALL_ASKED] = MODEL_ASKED,	  [CALL_GIVEN] = MODEL_GIVEN,
		[CALL_TOLD] = MODEL_TOLD,	  [CALL_DID] = MODEL_DID,
		[CALL_RELEASED] = MODEL_RELEASED,
	};
	static const enum model_action actions[] = {
		[ACTION_GET] = MODEL_GET,
		[ACTION_FREE] = MODEL_FREE,
		[ACTION_ALLOC] = MODEL_ALLOC,
		[ACTION_BIND] = MODEL_BIND,
		[ACTION_UNREGISTER] = MODEL_UNREGISTER,
	};
	struct model *model = context;

	model->call[at] = (struct model_call){
		.kind = kinds[call->kind],
		.whose = call->whose,
		.min = call->min,
		.max = call->max,
		.id = call->id,
		.ret = call->ret,
		.action = actions[call->action],
		.notice = call->notice,
	};
}

static void run_actor(struct side *side, const struct step *step,
		      struct step_result *result)
{
	struct sequence_actors *actors = &side->actors;
	struct ioasid_set *set = set_of(side, step->set);
	struct ioasid_allocator_ops *ops =
		&actors->allocator[step->slot % SEQUENCE_ALLOCATORS].ops;
	struct ioasid_notifier *notifier =
		&actors->notifier[step->slot % SEQUENCE_NOTIFIERS].notifier;
	enum ioasid_unregister mode = (enum ioasid_unregister)step->number;
	enum ioasid_event event = (enum ioasid_event)step->number;
	int ret;

	switch (step->op) {
	case STEP_REGISTER_ALLOCATOR:
		result->ret = result->by_default ?
				      ioasid_register_allocator(ops) :
				      harness_calls.register_allocator(
					      side->space, ops);
		if (no_memory(side, result))
			return;
		ret = model_register_allocator(&side->model, ops);
		break;
	case STEP_UNREGISTER_ALLOCATOR:
		result->ret = result->by_default ?
				      ioasid_unregister_allocator(ops) :
				      harness_calls.unregister_allocator(
					      side->space, ops, mode);
		ret = model_unregister_allocator(&side->model, ops, mode);
		break;
	case STEP_REGISTER_NOTIFIER:
		result->ret = sequence_register(actors, set, step->slot,
						(int)step->number);
		if (no_memory(side, result))
			return;
		ret = model_register_notifier(&side->model, set, notifier);
		break;
	case STEP_UNREGISTER_NOTIFIER:
		result->ret =
			ioasid_space_unregister_notifier(side->space, notifier);
		ret = model_unregister_notifier(&side->model, notifier);
		break;
	case STEP_ARM:
		sequence_arm(actors, step->slot, step->number, step->max);
		return;
	default:
		result->ret = harness_calls.notify(side->space, step->id, event,
						   DATA(step->max));
		ret = model_notify(&side->model, step->id, event,
				   DATA(step->max));
		break;
	}
	expect(side, result, ret, "a call of allocators or notifiers");
}

/* Snapshots */

/* Of the kind of another side, if the range is not too wide for it. */
static struct ioasid_space_config other_config(const struct side *side,
					       uint32_t number,
					       struct sequence_memory *memory)
{
	const struct harness_config *config = &harness.config;
	const struct side *other = &harness.side[number % SIDES];
	struct ioasid_space_config space = {
		.min = config->min,
		.max = config->max,
		.store = other->absent ? side->store : other->store,
		.rcu = side->rcu,
		.memory =
			sequence_hooks(memory, config->memory == MEMORY_RANGES),
		.hash_seed = config->hash_seed,
	};

	return space;
}

/* Has an ID been given by an allocator? */
static bool is_hosted(const struct model *model)
{
	for (size_t i = 0; i < model->count; i++)
		/* Reserved ones are not in snapshots. */
		if (model->entry[i].ops &&
		    model->entry[i].state != MODEL_RESERVED)
			return true;
	return false;
}

static const char *restore_into(struct side *side, const struct step *step,
				struct model *to, struct ioasid_space *space,
				struct sequence_memory *memory,
				const uint8_t *bytes, size_t size)
{
	struct ioasid_allocator_ops *ops = &side->actors.allocator[1].ops;
	size_t at = (step->number * UINT64_C(0x9e3779b97f4a7c15) >> 16) % size;
	uint8_t change = (uint8_t)(1 + step->number % 255);
	bool hosted = is_hosted(&side->model);
	struct ioasid_stats stats;
	const char *wrong;

	ioasid_space_stats(side->space, &stats);
	if (ioasid_space_set_capacity(space, stats.capacity) ||
	    model_set_capacity(to, stats.capacity))
		return "restore: capacity";
	if (harness_calls.restore(space, bytes, size, at, change) != -EBADMSG ||
	    harness_calls.restore(space, bytes, at, SIZE_MAX, 0) != -EBADMSG)
		return "restore: damage not seen";
	wrong = model_compare(to, space);
	if (wrong)
		return wrong;
	if (hosted && (harness_calls.restore(space, bytes, size, SIZE_MAX, 0) !=
			       -ENODEV ||
		       ioasid_space_register_allocator(space, ops) ||
		       model_register_allocator(to, ops)))
		return "restore: without allocator";
	if (step->fail_at) {
		sequence_fail(memory, step->fail_at);
		if (harness_calls.restore(space, bytes, size, SIZE_MAX, 0)) {
			wrong = memory->failed ? model_compare(to, space) :
						 "restore: refused";
			sequence_fail(memory, 0);
			if (!wrong && harness_calls.restore(space, bytes, size,
							    SIZE_MAX, 0))
				wrong = "restore: refused";
		}
		sequence_fail(memory, 0);
	} else if (harness_calls.restore(space, bytes, size, SIZE_MAX, 0)) {
		wrong = "restore: refused";
	}
	if (!wrong)
		wrong = model_restore(&side->model, to, space);
	if (!wrong)
		wrong = model_compare(to, space);
	return wrong;
}

static void run_snapshot(struct side *side, const struct step *step)
{
	struct sequence_memory memory = { 0 };
	struct ioasid_space_config config =
		other_config(side, step->number, &memory);
	struct ioasid_space *space = NULL, *mine = side->space;
	uint32_t calls = side->actors.calls;
	uint64_t sum = side->actors.sum;
	const char *wrong = NULL;
	struct model to;
	uint8_t *bytes, *again;
	size_t size, again_size;

	bytes = sequence_snapshot(side->space, &size);
	if (!model_tells_apart(&side->model)) {
		free(bytes);
		return;
	}
	CHECK(ioasid_space_create(&config, &space) == 0);
	model_init(&to, config.min, config.max, model_space_generation, space);
	to.foreign = &foreign_set;
	to.in_section = side->model.in_section;
	wrong = restore_into(side, step, &to, space, &memory, bytes, size);
	if (wrong)
		mismatch(side, wrong);
	again = sequence_snapshot(space, &again_size);
	/* The order of sets is another if some were made and undone before. */
	EXPECT(size == again_size &&
		       (to.sets > 1 || !memcmp(bytes, again, size)),
	       "restore: another snapshot");
	free(again);
	free(bytes);
	side->actors.context = &to;
	side->actors.space = space;
	CHECK(ioasid_space_destroy(space) == 0);
	side->actors.space = mine;
	side->actors.context = &side->model;
	side->actors.calls = calls;
	side->actors.sum = sum;
	model_space_destroyed(&to);
	wrong = model_wrong(&to);
	if (wrong)
		mismatch(side, wrong);
	model_destroy(&to);
	EXPECT(!memory.bytes, "restore: memory is not back");
}

static void run_wrong_config(struct side *side, const struct step *step,
			     struct step_result *result)
{
	result->ret = sequence_wrong_config(step->number);
	expect(side, result, 0, "a wrong configuration");
	if (side->is_default) {
		CHECK(ioasid_default_configure(NULL) == -EBUSY);
		CHECK(ioasid_default_space() == side->space);
	}
}

static void run_dump(struct side *side)
{
	uint32_t lines = 0;

	ioasid_space_dump(side->space, sequence_count_line, &lines);
	EXPECT(lines > side->model.stats.live + side->model.sets,
	       "dump: too few lines");
}

static void run_step(struct side *side, const struct step *step,
		     struct step_result *result)
{
	switch (step->op) {
	case STEP_SET_BIND:
	case STEP_SET_CREATE:
	case STEP_SET_DESTROY:
	case STEP_SET_LIMIT:
	case STEP_SET_FREE_ALL:
	case STEP_SET_BY_TOKEN:
	case STEP_SET_OF:
	case STEP_SET_STATS:
	case STEP_SET_FOR_EACH:
		run_set(side, step, result);
		break;
	case STEP_CAPACITY:
	case STEP_RESERVE:
	case STEP_UNRESERVE:
		run_capacity(side, step, result);
		break;
	case STEP_SPID_ATTACH:
	case STEP_SPID_DETACH:
	case STEP_SPID_OF:
	case STEP_SPID_FIND:
		run_spid(side, step, result);
		break;
	case STEP_HANDLE:
	case STEP_FIND_HANDLE:
	case STEP_FIND_HANDLE_RCU:
	case STEP_GET_HANDLE:
	case STEP_FREE_HANDLE:
		run_handle(side, step, result);
		break;
	case STEP_REGISTER_ALLOCATOR:
	case STEP_UNREGISTER_ALLOCATOR:
	case STEP_REGISTER_NOTIFIER:
	case STEP_UNREGISTER_NOTIFIER:
	case STEP_ARM:
	case STEP_NOTIFY:
		run_actor(side, step, result);
		break;
	case STEP_SNAPSHOT:
		run_snapshot(side, step);
		break;
	case STEP_DUMP:
		run_dump(side);
		break;
	case STEP_WRONG_CONFIG:
		run_wrong_config(side, step, result);
		break;
	case STEP_WRONG_CALLS:
		result->ret = sequence_wrong_calls(side->space);
		/* One of them is an alloc. */
		side->model.stats.alloc_failed++;
		expect(side, result, 0, "wrong calls");
		break;
	case STEP_DAMAGE:
		EXPECT(sequence_damage(side->space, step->id,
				       (enum sequence_damage)step->number,
				       harness_calls.validate),
		       "validate does not notice damage");
		break;
	case STEP_ALLOC:
	case STEP_ALLOC_CYCLIC:
	case STEP_RESERVE_ID:
		run_alloc(side, step, result);
		break;
	case STEP_PUBLISH_ID:
	case STEP_RELEASE_ID:
	case STEP_NEXT:
	case STEP_REMOVE:
		run_id(side, step, result);
		break;
	case STEP_FREE:
		if (result->by_default) {
			/* It does not answer: what it left is checked. */
			ioasid_free(step->id);
			result->ret = model_free(&side->model, step->id);
			break;
		}
		result->ret = ioasid_space_free(side->space, step->id);
		expect(side, result, model_free(&side->model, step->id),
		       "free");
		break;
	case STEP_DEFER:
	case STEP_FREE_DEFERRED:
		run_deferred(side, step, result);
		break;
	case STEP_FIND:
	case STEP_FIND_RCU:
		run_find(side, step, result);
		break;
	case STEP_GET:
	case STEP_GET_MANY:
	case STEP_PUT:
	case STEP_PUT_MANY:
		run_get_put(side, step, result);
		break;
	case STEP_EXCHANGE_DATA:
	case STEP_SET_DATA:
		run_data(side, step, result);
		break;
	case STEP_FOR_EACH:
	case STEP_FREE_IN_WALK:
		run_walk(side, step, result);
		break;
	case STEP_FREE_ALL:
		run_free_all(side, result);
		break;
	case STEP_CYCLE:
		run_cycle(side, step, result);
		break;
	case STEP_SYNCHRONIZE:
	case STEP_BARRIER:
		run_grace(side, step, result);
		break;
	case STEP_START_POLL:
	case STEP_POLL:
		run_poll(side, step, result);
		break;
	case STEP_STATS:
	case STEP_VALIDATE:
		break;
	case STEP_TRIM:
		ioasid_space_trim(side->space);
		model_trim(&side->model);
		break;
	default:
		run_reader(side, step, result);
		break;
	}
}

struct step_result *run_side(struct side *side, const struct step *step)
{
	struct log_entry *entry;

	if (side->count == side->room) {
		side->room = side->room ? 2 * side->room : 256;
		side->log = realloc(side->log, side->room * sizeof(*side->log));
		CHECK(side->log);
	}
	entry = &side->log[side->count++];
	memset(entry, 0, sizeof(*entry));
	entry->step = *step;
	entry->result.by_default = by_default(side, step);
	harness.wrong_side = side;
	sequence_fail(&side->memory, step->fail_at);
	run_step(side, step, &entry->result);
	entry->result.done = true;
	entry->result.told = true;
	entry->result.calls = side->actors.calls;
	entry->result.sum = side->actors.sum;
	sequence_fail(&side->memory, 0);
	if (step->op == STEP_STATS)
		ioasid_space_stats(side->space, &entry->result.stats);
	return &entry->result;
}
