/* SPDX-License-Identifier: MIT */
#include "fuzz/api/harness.h"

/* What one input may cost: slots and entries checked. */
#define WORK_MAX 5000000
#define DEPTH_MAX 3
#define SETS_MANY 300

struct harness harness;
void (*harness_end)(void);
const struct ioasid_store_ops *harness_store_ops;
const struct ioasid_rcu_ops *harness_rcu_ops;
const char *harness_print_store;

struct harness_calls harness_calls = {
	.set_limit = ioasid_set_limit,
	.reserve = ioasid_space_reserve,
	.spid_attach = ioasid_spid_attach,
	.find_handle = ioasid_space_find_handle,
	.free_all = ioasid_set_free_all,
	.register_allocator = ioasid_space_register_allocator,
	.unregister_allocator = ioasid_space_unregister_allocator,
	.notify = ioasid_space_notify,
	.restore = sequence_restore,
};

/* A set of another space. */
static struct ioasid_set foreign;

struct input {
	const uint8_t *data, *end;
	uint64_t work;
};

_Noreturn static void mismatch(const struct side *side, const char *what)
{
	harness.wrong = what;
	harness.wrong_side = side;
	fprintf(stderr, "\nfuzz: mismatch: %s: %s\n", side ? side->name : "all",
		what);
	harness_print(stderr, side ? side->name : NULL);
	fflush(NULL);
	harness_end();
	abort();
}

_Noreturn void harness_failed(const char *file, int line, const char *what)
{
	static char text[256];

	snprintf(text, sizeof(text), "%s:%d: failed: %s", file, line, what);
	mismatch(harness.wrong_side, text);
}

/* Inputs: a missing byte is 0. */

static uint32_t take(struct input *input)
{
	return input->data < input->end ? *input->data++ : 0;
}

static uint32_t take16(struct input *input)
{
	uint32_t low = take(input);

	return take(input) << 8 | low;
}

static uint32_t take32(struct input *input)
{
	uint32_t low = take16(input);

	return take16(input) << 16 | low;
}

static uint32_t take_last(struct input *input)
{
	return input->data < input->end ? *--input->end : 0;
}

static uint32_t take_last32(struct input *input)
{
	uint32_t value = 0;

	for (int i = 0; i < 4; i++)
		value = value << 8 | take_last(input);
	return value;
}

/* The model whose IDs are referred to. */
static const struct model *reference(void)
{
	for (size_t i = 0; i < SIDES; i++)
		if (!harness.side[i].absent)
			return &harness.side[i].model;
	return NULL;
}

static ioasid_t random_id(struct input *input)
{
	const struct harness_config *config = &harness.config;
	uint64_t span = (uint64_t)config->max - config->min + 1;
	uint32_t kind = take(input) % 8;

	switch (kind) {
	case 4:
		kind = take(input) % 6;
		return kind == 0 ? config->min - 1 :
		       kind == 1 ? config->min :
		       kind == 2 ? config->max :
		       kind == 3 ? config->max + 1 :
		       kind == 4 ? UINT32_MAX :
				   0;
	case 5:
		return take32(input);
	case 6:
		return config->max - take(input);
	case 7:
		return take16(input) * 0x9e3779b1u;
	default:
		return config->min + (uint32_t)(take16(input) % span);
	}
}

static ioasid_t existing_id(struct input *input)
{
	const struct model *model = reference();
	size_t at;

	if (!model->count)
		return random_id(input);
	at = model->count > 256 ? take16(input) : take(input);
	return model->entry[at % model->count].id;
}

static void range(struct input *input, ioasid_t *min, ioasid_t *max)
{
	uint32_t width;

	switch (take(input) % 8) {
	case 2:
		*min = *max = existing_id(input);
		break;
	case 3:
		*min = random_id(input);
		*max = UINT32_MAX;
		break;
	case 4:
		*min = random_id(input);
		*max = *min + take(input);
		break;
	case 5:
		width = take(input);
		*min = existing_id(input);
		*max = *min > UINT32_MAX - width ? UINT32_MAX : *min + width;
		*min = *min < width ? 0 : *min - width;
		break;
	case 6:
		*min = random_id(input);
		*max = random_id(input);
		break;
	case 7:
		*min = *max = random_id(input);
		break;
	default:
		*min = 0;
		*max = UINT32_MAX;
		break;
	}
}

static uint32_t any_set(struct input *input)
{
	uint32_t number = take(input);

	if (number == 255)
		return SET_FOREIGN;
	return number % (harness.config.sets + 1);
}

static struct ioasid_set *set_of(struct side *side, uint32_t set)
{
	return set == SET_NONE	  ? NULL :
	       set == SET_FOREIGN ? &foreign :
	       set >= SET_MADE	  ? side->actors.made[set - SET_MADE] :
				    &side->set[set - 1];
}

/* Running */

static bool is_qsbr(void)
{
	return harness.config.flavour == IOASID_RCU_QSBR;
}

/* Steps that end what is a read section to qsbr. */
static bool is_quiescent(enum step_op op)
{
	return op == STEP_SYNCHRONIZE || op == STEP_BARRIER ||
	       op == STEP_SET_DATA || op == STEP_QUIESCENT ||
	       op == STEP_OFFLINE || op == STEP_ANONYMOUS ||
	       op == STEP_SNAPSHOT;
}

static void offline(void)
{
	for (size_t i = 0; i < SIDES; i++) {
		model_read_unlock(&harness.side[i].model);
		sequence_leave(&harness.side[i].deferred);
	}
}

static void online(void)
{
	for (size_t i = 0; i < SIDES; i++) {
		model_read_lock(&harness.side[i].model);
		sequence_enter(&harness.side[i].deferred);
	}
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

#define EXPECT(condition, text)               \
	do {                                  \
		if (!(condition))             \
			mismatch(side, text); \
	} while (0)

/* What an alloc ought to give, if no generation has turned. */
static void lowest(const struct model *model, const struct step *step,
		   struct step_result *result)
{
	ioasid_t id = step->id < model->min ? model->min : step->id;
	ioasid_t max = step->max > model->max ? model->max : step->max;

	while (id <= max && model_entry(model, id))
		id++;
	result->ret = step->id > step->max ? -EINVAL : id > max ? -ENOSPC : 0;
	result->id = id;
	result->done = !harness.diverged &&
		       model->reuse == IOASID_REUSE_LOWEST &&
		       !model->stats.allocators;
}

static void run_alloc(struct side *side, const struct step *step,
		      struct step_result *result)
{
	struct model *model = &side->model;
	ioasid_t min = step->id, max = step->max, id = INVALID_IOASID;
	void *data = DATA(step->number);
	struct ioasid_set *set;
	const char *wrong;

	if (step->answers) {
		side->actors.answer = step->answer;
		side->actors.refusals = step->refusals;
	}
	set = set_of(side, step->set);
	if (step->op == STEP_ALLOC_CYCLIC)
		result->ret = ioasid_space_alloc_cyclic(side->space, set, min,
							max, data,
							&side->actors.cursor,
							&id);
	else if (step->op == STEP_RESERVE_ID)
		result->ret = ioasid_space_reserve_id(side->space, set, min,
						      max, &id);
	else
		result->ret = ioasid_space_alloc(side->space, set, min, max,
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
		lowest(model, step, result);
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
		result->ret = ioasid_space_publish_id(side->space, step->id,
						      DATA(step->number));
		ret = model_publish_id(&side->model, step->id,
				       DATA(step->number));
		break;
	case STEP_RELEASE_ID:
		result->ret = ioasid_space_release_id(side->space, step->id);
		ret = model_release_id(&side->model, step->id);
		break;
	case STEP_NEXT:
		result->ret = ioasid_space_next(side->space, set, step->id,
						step->max, &id, &data);
		ret = model_next_id(&side->model, set, step->id, step->max,
				    &expected_id, &expected);
		break;
	default:
		result->ret =
			ioasid_space_remove(side->space, set, step->id, &data);
		ret = model_remove_id(&side->model, set, step->id, &expected);
		break;
	}
	result->id = id;
	result->value = data == unwritten ? 0 : (uintptr_t)data;
	EXPECT(data == expected && id == expected_id, "another ID or pointer");
	expect(side, result, ret, "publish, release, next or remove");
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

static void run_get_put(struct side *side, const struct step *step,
			struct step_result *result)
{
	struct ioasid_set *set = set_of(side, step->set);
	uint32_t times = 0;
	int ret = 0;

	switch (step->op) {
	case STEP_GET:
		result->ret = ioasid_space_get(side->space, set, step->id);
		ret = model_get(&side->model, set, step->id);
		break;
	case STEP_PUT:
		result->ret = ioasid_space_put(side->space, step->id);
		ret = model_put(&side->model, step->id);
		break;
	case STEP_GET_MANY:
		result->value = sequence_get(side->space, step->id,
					     step->number, &result->ret);
		for (; times < step->number && !ret; times += !ret)
			ret = model_get(&side->model, NULL, step->id);
		break;
	default:
		result->value = sequence_put(side->space, step->id,
					     step->number, &result->ret);
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
		result->ret = ioasid_space_exchange_data(
			side->space, step->id, data, step->max ? &old : NULL);
		ret = model_exchange_data(&side->model, step->id, data,
					  step->max ? &expected : NULL);
		result->value = ret || !step->max ? 0 : (uintptr_t)expected;
		expect(side, result, ret, "exchange_data");
		result->done = true;
		EXPECT(old == expected, "exchange_data: old pointer");
		return;
	}
	result->ret = ioasid_space_set_data(side->space, step->id, data);
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
	bool frees = step->op == STEP_FREE_ALL;
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
			lowest(model, step, result);
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
	struct ioasid_set *found = &foreign, *expected = &foreign;
	struct ioasid_set_config config;
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
		result->ret = harness_calls.set_limit(
			side->space, set, step->quota, step->reserved);
		ret = model_set_limit(&side->model, set, step->quota,
				      step->reserved);
		break;
	case STEP_SET_FREE_ALL:
		result->ret = harness_calls.free_all(side->space, set, &count);
		ret = model_set_free_all(&side->model, set, &freed);
		result->value = count;
		EXPECT(count == freed, "set_free_all: number of IDs");
		break;
	case STEP_SET_BY_TOKEN:
		result->ret = ioasid_set_by_token(side->space,
						  DATA(step->token), &found);
		ret = model_set_by_token(&side->model, DATA(step->token),
					 &expected);
		EXPECT(found == expected, "set_by_token: set");
		break;
	default:
		result->ret = ioasid_set_of(side->space, step->id, &found);
		ret = model_set_of(&side->model, step->id, &expected);
		EXPECT(found == expected, "set_of: set");
		break;
	}
	expect(side, result, ret, "a call of sets");
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
		result->ret = harness_calls.reserve(side->space, step->number);
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
		EXPECT(got == expected, "spid_of: SPID");
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
		EXPECT(got == expected && data == found,
		       "spid_find: ID or pointer");
		break;
	}
	result->id = expected;
	expect(side, result, ret, "a call of SPIDs");
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
		EXPECT(*handle == expected, "handle: another");
		break;
	case STEP_GET_HANDLE:
		result->ret = ioasid_space_get_handle(side->space, set, used);
		ret = model_get_handle(&side->model, set, used);
		break;
	case STEP_FREE_HANDLE:
		result->ret = ioasid_space_free_handle(side->space, used);
		ret = model_free_handle(&side->model, used);
		break;
	default:
		result->ret = harness_calls.find_handle(
			side->space, set, used, getter_of(step->getter), &data);
		ret = model_find_handle(&side->model, set, used, &found);
		if (step->getter == GETTER_NO)
			found = NULL;
		EXPECT(data == found, "find_handle: pointer");
		break;
	}
	expect(side, result, ret, "a call of handles");
}

static size_t on_begin(void *context, const struct sequence_call *call)
{
	struct model *model = context;

	(void)call;
	model_called(model, &(struct model_call){ .whose = NULL });
	return model->calls - 1;
}

static void on_end(void *context, size_t at, const struct sequence_call *call)
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
		result->ret =
			harness_calls.register_allocator(side->space, ops);
		if (no_memory(side, result))
			return;
		ret = model_register_allocator(&side->model, ops);
		break;
	case STEP_UNREGISTER_ALLOCATOR:
		result->ret = harness_calls.unregister_allocator(side->space,
								 ops, mode);
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
		.memory = sequence_hooks(memory, config->reserve),
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
	to.foreign = &foreign;
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
	case STEP_FREE_ALL:
		run_walk(side, step, result);
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

/* The whole of a space against its model, and its memory. */
static void check(struct side *side)
{
	const char *wrong;
	struct ioasid_stats stats;

	harness.model_in_step = true;
	harness.wrong_side = side;
	wrong = model_wrong(&side->model);
	if (!wrong)
		wrong = model_compare(&side->model, side->space);
	if (wrong)
		mismatch(side, wrong);
	ioasid_space_stats(side->space, &stats);
	if (stats.quarantined)
		harness.diverged = true;
	if (!harness.config.own)
		EXPECT(side->memory.bytes - stats.memory == side->overhead,
		       "stats.memory differs from the hooks'");
	EXPECT(ioasid_rcu_read_held(side->rcu) == section_held(),
	       "read_held differs");
	harness.model_in_step = false;
	harness.wrong_side = NULL;
}

static struct step_result *run_side(struct side *side, const struct step *step)
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
	harness.wrong_side = side;
	sequence_fail(&side->memory, step->fail_at);
	run_step(side, step, &entry->result);
	entry->result.done = true;
	entry->result.calls = side->actors.calls;
	entry->result.sum = side->actors.sum;
	sequence_fail(&side->memory, 0);
	if (step->op == STEP_STATS)
		ioasid_space_stats(side->space, &entry->result.stats);
	return &entry->result;
}

/* Runs what memory or the pending limit refused again, to keep in step. */
static struct step_result *run_again(struct side *side, struct step step,
				     struct step_result *result)
{
	if (step.fail_at && result->ret == -ENOMEM)
		step.fail_at = 0;
	else if (step.op == STEP_FREE_DEFERRED && result->ret == -EAGAIN)
		step.op = STEP_FREE;
	else
		return result;
	check(side);
	return run_side(side, &step);
}

static bool same(const struct step *step, const struct step_result *a,
		 const struct step_result *b)
{
	return (a->any || b->any || a->ret == b->ret) && a->id == b->id &&
	       a->value == b->value &&
	       (step->op != STEP_STATS ||
		(a->stats.live == b->stats.live &&
		 a->stats.pending == b->stats.pending &&
		 a->stats.frees == b->stats.frees &&
		 a->stats.allocs == b->stats.allocs &&
		 a->stats.sets == b->stats.sets));
}

static bool is_armed(void)
{
	for (size_t i = 0; i < SIDES; i++)
		for (size_t n = 0; n < SEQUENCE_NOTIFIERS; n++)
			if (harness.side[i].actors.notifier[n].armed)
				return true;
	return false;
}

static void run(struct input *input, const struct step *step)
{
	const struct harness_config *config = &harness.config;
	struct step_result result[SIDES];
	struct side *side, *first = NULL;
	bool quiescent = is_qsbr() && is_quiescent(step->op);
	struct step safe = *step;

	/* What a notifier does is not done again with memory. */
	if (is_armed())
		safe.fail_at = 0;
	step = &safe;

	if (quiescent)
		offline();
	for (size_t i = 0; i < SIDES; i++) {
		side = &harness.side[i];
		if (side->absent)
			continue;
		result[i] = *run_again(side, *step, run_side(side, step));
		if (side->store == IOASID_STORE_BITMAP)
			input->work += config->max - config->min + 1;
		input->work += 60 * side->model.count;
		if (step->op == STEP_SNAPSHOT)
			input->work += 600 * side->model.count +
				       (config->max - config->min) % (1u << 26);
		if (step->op == STEP_GET_MANY || step->op == STEP_PUT_MANY ||
		    step->op == STEP_CYCLE)
			input->work += 3 * step->number;
	}
	harness.wrong_side = NULL;
	if (quiescent)
		online();
	if (step->op == STEP_START_POLL)
		harness.cookie_taken = true;
	if (step->op == STEP_READ_LOCK)
		harness.depth++;
	if (step->op == STEP_READ_UNLOCK)
		harness.depth--;
	for (size_t i = 0; i < SIDES; i++)
		if (!harness.side[i].absent)
			check(&harness.side[i]);
	for (size_t i = 0; i < SIDES && !harness.diverged; i++) {
		side = &harness.side[i];
		if (side->absent)
			continue;
		if (!first)
			first = side;
		else
			EXPECT(same(step, &result[first - harness.side],
				    &result[i]),
			       "answer differs from another store's");
	}
}

static void run_op(struct input *input, enum step_op op)
{
	run(input, &(struct step){ .op = op });
}

static void unlock_all(struct input *input)
{
	while (harness.depth)
		run_op(input, STEP_READ_UNLOCK);
}

/* Decoding */

/*
 * What a byte means; existing IDs come more often than random ones, and what
 * fills before what empties.
 */
enum code {
	CODE_ALLOC,
	CODE_ALLOC_ANY,
	CODE_ALLOC_RANGE,
	CODE_ALLOC_RANDOM,
	CODE_ALLOC_FAIL,
	CODE_ALLOC_MANY,
	CODE_FREE,
	CODE_FREE_RANDOM,
	CODE_FREE_MANY,
	CODE_FREE_FAIL,
	CODE_FREE_DEFERRED,
	CODE_FREE_DEFERRED_RANDOM,
	CODE_FIND,
	CODE_FIND_RANDOM,
	CODE_FIND_RCU,
	CODE_FIND_RCU_RANDOM,
	CODE_GET,
	CODE_GET_RANDOM,
	CODE_GET_MANY,
	CODE_PUT,
	CODE_PUT_RANDOM,
	CODE_PUT_MANY,
	CODE_EXCHANGE,
	CODE_EXCHANGE_RANDOM,
	CODE_SET_DATA,
	CODE_SET_DATA_RANDOM,
	CODE_FOR_EACH,
	CODE_FOR_EACH_FAIL,
	CODE_FREE_ALL,
	CODE_CYCLE,
	CODE_CYCLE_RANDOM,
	CODE_READ_LOCK,
	CODE_READ_UNLOCK,
	CODE_SYNCHRONIZE,
	CODE_BARRIER,
	CODE_START_POLL,
	CODE_POLL,
	CODE_DEFER,
	CODE_DEFER_MANY,
	CODE_QUIESCENT,
	CODE_OFFLINE,
	CODE_ANONYMOUS,
	CODE_DESTROY,
	CODE_STATS,
	CODES,
};

/* What the byte after ESCAPE means: what came later. */
#define ESCAPE 0xe5

enum later {
	LATER_ALLOC,
	LATER_SET_BIND,
	LATER_SET_CREATE,
	LATER_SET_DESTROY,
	LATER_SET_LIMIT,
	LATER_SET_FREE_ALL,
	LATER_SET_BY_TOKEN,
	LATER_SET_OF,
	LATER_CAPACITY,
	LATER_RESERVE,
	LATER_UNRESERVE,
	LATER_SPID_ATTACH,
	LATER_SPID_DETACH,
	LATER_SPID_OF,
	LATER_SPID_FIND,
	LATER_HANDLE,
	LATER_FIND_HANDLE,
	LATER_GET_HANDLE,
	LATER_FREE_HANDLE,
	LATER_REGISTER_ALLOCATOR,
	LATER_UNREGISTER_ALLOCATOR,
	LATER_REGISTER_NOTIFIER,
	LATER_UNREGISTER_NOTIFIER,
	LATER_ARM,
	LATER_NOTIFY,
	LATER_SNAPSHOT,
	LATER_DUMP,
	LATER_ALLOC_CYCLIC,
	LATER_RESERVE_ID,
	/* or release */
	LATER_PUBLISH_ID,
	LATER_NEXT,
	LATER_REMOVE,
	LATERS,
};

static const uint8_t codes[64] = {
	[CODES] = CODE_ALLOC,
	CODE_ALLOC,
	CODE_ALLOC_ANY,
	CODE_ALLOC_RANGE,
	CODE_ALLOC_MANY,
	CODE_FREE,
	CODE_FREE,
	CODE_FREE,
	CODE_FREE_MANY,
	CODE_FREE_DEFERRED,
	CODE_FIND,
	CODE_FIND,
	CODE_FIND_RCU,
	CODE_GET,
	CODE_GET,
	CODE_PUT,
	CODE_PUT,
	CODE_EXCHANGE,
	CODE_SET_DATA,
	CODE_CYCLE,
};

static enum code code_of(uint32_t byte)
{
	byte %= 64;
	return byte < CODES ? byte : codes[byte];
}

static uint32_t some_data(struct input *input)
{
	uint32_t byte = take(input);

	return byte < 250 ? byte : UINT32_MAX - byte;
}

static const uint32_t many[] = {
	1,
	2,
	3,
	16,
	255,
	IOASID_REFS_MAX - 2,
	IOASID_REFS_MAX,
	IOASID_REFS_MAX + 1,
};

static const uint32_t cycles[] = {
	1, 2, 3, 8, 64, 300, 2047, 2049,
};

/* What allocators say: a vacant ID in range as a rule. */
static void decode_answer(struct input *input, struct step *step)
{
	const struct model *model = reference();
	ioasid_t min = step->id > model->min ? step->id : model->min;
	ioasid_t max = step->max < model->max ? step->max : model->max;
	uint32_t kind;

	if (!model->stats.allocators)
		return;
	step->answers = true;
	kind = take(input);
	step->refusals = kind / 16 % 16 > 12 ? kind / 16 % 16 - 12 : 0;
	switch (kind % 8) {
	case 0:
		step->answer = INVALID_IOASID;
		break;
	case 1:
		step->answer = random_id(input);
		break;
	case 2:
		step->answer = existing_id(input);
		break;
	default:
		step->answer = min + take(input) % 16;
		while (step->answer < max && model_entry(model, step->answer))
			step->answer++;
		break;
	}
}

static void decode_alloc(struct input *input, enum code code)
{
	struct step step = { .op = STEP_ALLOC, .max = UINT32_MAX };
	uint32_t times = 1, stride = 0;

	switch (code) {
	case CODE_ALLOC_ANY:
		step.set = any_set(input);
		break;
	case CODE_ALLOC_RANGE:
		step.set = any_set(input);
		range(input, &step.id, &step.max);
		break;
	case CODE_ALLOC_RANDOM:
		step.id = step.max = random_id(input);
		break;
	case CODE_ALLOC_FAIL:
		step.fail_at = 1 + take(input) % 12;
		if (step.fail_at == 12)
			step.fail_at = FAIL_ALL;
		step.set = any_set(input);
		range(input, &step.id, &step.max);
		break;
	case CODE_ALLOC_MANY:
		times = 1 + take(input);
		stride = take(input);
		if (stride % 128 == 126)
			step.fail_at = FAIL_ALL;
		range(input, &step.id, &step.max);
		break;
	default:
		break;
	}
	step.number = some_data(input);
	decode_answer(input, &step);
	while (times-- && input->work < WORK_MAX) {
		if (code == CODE_ALLOC_MANY)
			step.set = stride < 128 ?
					   0 :
					   1 + times % harness.config.sets;
		run(input, &step);
		/* Far apart: each in its own leaf. */
		if (code == CODE_ALLOC_MANY && stride % 128) {
			step.id += stride % 128 == 127 ? 0x01234567 :
							 stride % 128;
			step.max = step.max < step.id ? UINT32_MAX : step.max;
		}
	}
}

static void decode_free_many(struct input *input)
{
	const struct model *model = reference();
	uint32_t times = 1 + take(input), stride = 1 + take(input) % 16;
	size_t at = take16(input);
	struct step step = { .op = STEP_FREE };

	while (times-- && model->count && input->work < WORK_MAX) {
		at = (at + stride) % model->count;
		step.id = model->entry[at].id;
		run(input, &step);
	}
}

/* For qsbr nothing that waits may come in a section: it is closed first. */
static void outside(struct input *input)
{
	if (is_qsbr())
		unlock_all(input);
}

static void decode_grace(struct input *input, enum code code)
{
	uint32_t times = 1;

	switch (code) {
	case CODE_READ_LOCK:
		if (harness.depth < DEPTH_MAX)
			run_op(input, STEP_READ_LOCK);
		else
			run_op(input, STEP_READ_UNLOCK);
		break;
	case CODE_READ_UNLOCK:
		run_op(input,
		       harness.depth ? STEP_READ_UNLOCK : STEP_READ_LOCK);
		break;
	case CODE_SYNCHRONIZE:
		outside(input);
		run_op(input, STEP_SYNCHRONIZE);
		break;
	case CODE_BARRIER:
		outside(input);
		run_op(input, STEP_BARRIER);
		break;
	case CODE_START_POLL:
		run_op(input, STEP_START_POLL);
		break;
	case CODE_POLL:
		run_op(input,
		       harness.cookie_taken ? STEP_POLL : STEP_START_POLL);
		break;
	case CODE_DEFER_MANY:
		times += take(input) % 96;
		/* fall through */
	case CODE_DEFER:
		while (times--)
			run_op(input, STEP_DEFER);
		break;
	case CODE_ANONYMOUS:
		unlock_all(input);
		/* An own flavour has no readers to count. */
		run_op(input, harness.config.flavour == IOASID_RCU_CUSTOM ?
				      STEP_STATS :
				      STEP_ANONYMOUS);
		break;
	case CODE_DESTROY:
		if (is_qsbr() || !harness.depth)
			run_op(input, STEP_STATS);
		else
			run_op(input, STEP_DESTROY);
		break;
	case CODE_QUIESCENT:
	case CODE_OFFLINE:
		/* Nothing to the others, but not for their sections. */
		unlock_all(input);
		run_op(input,
		       code == CODE_OFFLINE ? STEP_OFFLINE : STEP_QUIESCENT);
		break;
	default:
		run_op(input, STEP_STATS);
		run_op(input, STEP_TRIM);
		break;
	}
}

static void decode_id(struct input *input, enum step_op op, bool random,
		      bool fail)
{
	struct step step = { .op = op };

	if (fail)
		step.fail_at = FAIL_ALL;
	step.id = random ? random_id(input) : existing_id(input);
	switch (op) {
	case STEP_FIND:
		step.getter = take(input) % 4;
		/* fall through */
	case STEP_FIND_RCU:
	case STEP_GET:
		step.set = any_set(input);
		break;
	case STEP_EXCHANGE_DATA:
		step.max = take(input) % 2;
		step.number = some_data(input);
		break;
	case STEP_SET_DATA:
		outside(input);
		step.number = some_data(input);
		break;
	case STEP_GET_MANY:
	case STEP_PUT_MANY:
		step.number = many[take(input) % 8];
		break;
	case STEP_CYCLE:
		step.set = any_set(input) % (harness.config.sets + 1);
		step.number = cycles[take(input) % 8];
		step.max = step.id;
		break;
	default:
		break;
	}
	run(input, &step);
}

static void decode_walk(struct input *input, enum code code)
{
	struct step step = { .op = code == CODE_FREE_ALL ? STEP_FREE_ALL :
							   STEP_FOR_EACH };

	if (code == CODE_FOR_EACH_FAIL)
		step.fail_at = FAIL_ALL;
	step.set = any_set(input);
	step.number = take(input);
	range(input, &step.id, &step.max);
	run(input, &step);
}

static enum step_op later_op(enum later later)
{
	static const enum step_op ops[LATERS] = {
		[LATER_ALLOC] = STEP_ALLOC,
		[LATER_SET_BIND] = STEP_SET_BIND,
		[LATER_SET_CREATE] = STEP_SET_CREATE,
		[LATER_SET_DESTROY] = STEP_SET_DESTROY,
		[LATER_SET_LIMIT] = STEP_SET_LIMIT,
		[LATER_SET_FREE_ALL] = STEP_SET_FREE_ALL,
		[LATER_SET_BY_TOKEN] = STEP_SET_BY_TOKEN,
		[LATER_SET_OF] = STEP_SET_OF,
		[LATER_CAPACITY] = STEP_CAPACITY,
		[LATER_RESERVE] = STEP_RESERVE,
		[LATER_UNRESERVE] = STEP_UNRESERVE,
		[LATER_SPID_ATTACH] = STEP_SPID_ATTACH,
		[LATER_SPID_DETACH] = STEP_SPID_DETACH,
		[LATER_SPID_OF] = STEP_SPID_OF,
		[LATER_SPID_FIND] = STEP_SPID_FIND,
		[LATER_HANDLE] = STEP_HANDLE,
		[LATER_FIND_HANDLE] = STEP_FIND_HANDLE,
		[LATER_GET_HANDLE] = STEP_GET_HANDLE,
		[LATER_FREE_HANDLE] = STEP_FREE_HANDLE,
		[LATER_REGISTER_ALLOCATOR] = STEP_REGISTER_ALLOCATOR,
		[LATER_UNREGISTER_ALLOCATOR] = STEP_UNREGISTER_ALLOCATOR,
		[LATER_REGISTER_NOTIFIER] = STEP_REGISTER_NOTIFIER,
		[LATER_UNREGISTER_NOTIFIER] = STEP_UNREGISTER_NOTIFIER,
		[LATER_ARM] = STEP_ARM,
		[LATER_NOTIFY] = STEP_NOTIFY,
		[LATER_SNAPSHOT] = STEP_SNAPSHOT,
		[LATER_DUMP] = STEP_DUMP,
		[LATER_ALLOC_CYCLIC] = STEP_ALLOC_CYCLIC,
		[LATER_RESERVE_ID] = STEP_RESERVE_ID,
		[LATER_PUBLISH_ID] = STEP_PUBLISH_ID,
		[LATER_NEXT] = STEP_NEXT,
		[LATER_REMOVE] = STEP_REMOVE,
	};

	return ops[later];
}

/* The number of a set: one that the space made comes next to the others. */
static uint32_t later_set(struct input *input)
{
	uint32_t byte = take(input), made = byte % 8;

	if (byte == 255)
		return SET_FOREIGN;
	if (byte < 128 || made >= SEQUENCE_MADE)
		return 1 + byte % harness.config.sets;
	for (size_t i = 0; i < SIDES; i++)
		if (!harness.side[i].absent &&
		    harness.side[i].actors.made[made])
			return SET_MADE + made;
	return 1 + made % harness.config.sets;
}

static uint32_t some_count(struct input *input)
{
	uint32_t byte = take(input);

	return byte < 200 ? byte % 32 :
	       byte < 250 ? byte * 17 :
			    UINT32_MAX - (byte - 250);
}

static ioasid_t some_spid(struct input *input)
{
	uint32_t byte = take(input);

	return byte < 240 ? byte % 24 :
	       byte < 250 ? byte * 0x01010101u :
			    UINT32_MAX - (255 - byte);
}

static void decode_config_of_set(struct input *input, struct step *step)
{
	uint32_t byte = take(input);

	/* A name may be too long. */
	step->name = byte % 4 ? 0 : 1 + byte / 4 % (IOASID_NAME_SIZE + 2);
	step->token = take(input) % 8;
	step->quota = some_count(input);
	step->reserved = take(input) % 16;
	if (byte % 4 > 1)
		step->quota = step->reserved = 0;
}

/* False: there is nothing to do. */
static bool decode_later_step(struct input *input, enum later later,
			      struct step *step)
{
	switch (later) {
	case LATER_ALLOC:
	case LATER_ALLOC_CYCLIC:
	case LATER_RESERVE_ID:
		step->set = later_set(input);
		range(input, &step->id, &step->max);
		step->number = some_data(input);
		decode_answer(input, step);
		return true;
	case LATER_SET_CREATE:
		step->slot = take(input) % SEQUENCE_MADE;
		decode_config_of_set(input, step);
		/* It would be lost. */
		for (size_t i = 0; i < SIDES; i++)
			if (harness.side[i].actors.made[step->slot])
				return false;
		return true;
	case LATER_SET_BIND:
		step->set = later_set(input);
		decode_config_of_set(input, step);
		return true;
	case LATER_SET_DESTROY:
	case LATER_SET_FREE_ALL:
		step->set = later_set(input);
		return true;
	case LATER_SET_LIMIT:
		step->set = later_set(input);
		step->quota = some_count(input);
		step->reserved = some_count(input) % 64;
		return true;
	case LATER_SET_BY_TOKEN:
		step->token = take(input) % 9;
		return true;
	case LATER_CAPACITY:
	case LATER_RESERVE:
	case LATER_UNRESERVE:
		step->number = some_count(input);
		return true;
	case LATER_SPID_ATTACH:
		step->spid = some_spid(input);
		step->id = existing_id(input);
		return true;
	case LATER_SPID_FIND:
		step->spid = some_spid(input);
		step->set = later_set(input);
		step->getter = take(input) % 3;
		return true;
	case LATER_HANDLE:
		step->slot = take(input) % SEQUENCE_HANDLES;
		step->set = take(input) % 2 ? later_set(input) : SET_NONE;
		step->id = existing_id(input);
		return true;
	case LATER_FIND_HANDLE:
	case LATER_GET_HANDLE:
	case LATER_FREE_HANDLE:
		step->slot = take(input) % SEQUENCE_HANDLES;
		step->set = take(input) % 2 ? later_set(input) : SET_NONE;
		step->getter = take(input) % 3;
		return true;
	case LATER_REGISTER_ALLOCATOR:
		step->slot = take(input) % SEQUENCE_ALLOCATORS;
		return true;
	case LATER_UNREGISTER_ALLOCATOR:
		step->slot = take(input) % SEQUENCE_ALLOCATORS;
		step->number = take(input) % 3;
		return true;
	case LATER_REGISTER_NOTIFIER:
		step->slot = take(input) % SEQUENCE_NOTIFIERS;
		step->number = take(input) % 3;
		step->set = take(input) % 2 ? later_set(input) : SET_NONE;
		return true;
	case LATER_UNREGISTER_NOTIFIER:
		step->slot = take(input) % SEQUENCE_NOTIFIERS;
		return true;
	case LATER_ARM:
		step->slot = take(input) % SEQUENCE_NOTIFIERS;
		step->number = take(input) % ACTIONS;
		step->max = take(input) % 4;
		return true;
	case LATER_NOTIFY:
		step->number = take(input) % 4;
		step->max = take(input);
		step->id = existing_id(input);
		return true;
	case LATER_SNAPSHOT:
		step->number = take16(input);
		unlock_all(input);
		return true;
	case LATER_DUMP:
		return true;
	case LATER_PUBLISH_ID:
		if (take(input) % 2)
			step->op = STEP_RELEASE_ID;
		step->number = some_data(input);
		step->id = existing_id(input);
		return true;
	case LATER_NEXT:
		step->set = take(input) % 2 ? later_set(input) : SET_NONE;
		range(input, &step->id, &step->max);
		return true;
	case LATER_REMOVE:
		step->set = take(input) % 2 ? later_set(input) : SET_NONE;
		step->id = existing_id(input);
		return true;
	default:
		step->id = existing_id(input);
		return true;
	}
}

static void decode_later(struct input *input)
{
	uint32_t byte = take(input);
	enum later later = byte % 32 % LATERS;
	struct step step = { .op = later_op(later) };

	/* What a refused set call leaves differs: not where it may wait. */
	if (byte >= 128)
		step.fail_at = 1 + take(input) % 8;
	if (step.fail_at == 8)
		step.fail_at = FAIL_ALL;
	if (decode_later_step(input, later, &step))
		run(input, &step);
}

static void decode(struct input *input)
{
	uint32_t byte = take(input);
	enum code code = code_of(byte);

	if (byte == ESCAPE) {
		decode_later(input);
		return;
	}
	switch (code) {
	case CODE_ALLOC:
	case CODE_ALLOC_ANY:
	case CODE_ALLOC_RANGE:
	case CODE_ALLOC_RANDOM:
	case CODE_ALLOC_FAIL:
	case CODE_ALLOC_MANY:
		decode_alloc(input, code);
		break;
	case CODE_FREE_MANY:
		decode_free_many(input);
		break;
	case CODE_FREE:
	case CODE_FREE_RANDOM:
	case CODE_FREE_FAIL:
		decode_id(input, STEP_FREE, code == CODE_FREE_RANDOM,
			  code == CODE_FREE_FAIL);
		break;
	case CODE_FREE_DEFERRED:
	case CODE_FREE_DEFERRED_RANDOM:
		decode_id(input, STEP_FREE_DEFERRED,
			  code == CODE_FREE_DEFERRED_RANDOM, false);
		break;
	case CODE_FIND:
	case CODE_FIND_RANDOM:
		decode_id(input, STEP_FIND, code == CODE_FIND_RANDOM, false);
		break;
	case CODE_FIND_RCU:
	case CODE_FIND_RCU_RANDOM:
		decode_id(input, STEP_FIND_RCU, code == CODE_FIND_RCU_RANDOM,
			  false);
		break;
	case CODE_GET:
	case CODE_GET_RANDOM:
		decode_id(input, STEP_GET, code == CODE_GET_RANDOM, false);
		break;
	case CODE_GET_MANY:
		decode_id(input, STEP_GET_MANY, false, false);
		break;
	case CODE_PUT:
	case CODE_PUT_RANDOM:
		decode_id(input, STEP_PUT, code == CODE_PUT_RANDOM, false);
		break;
	case CODE_PUT_MANY:
		decode_id(input, STEP_PUT_MANY, false, false);
		break;
	case CODE_EXCHANGE:
	case CODE_EXCHANGE_RANDOM:
		decode_id(input, STEP_EXCHANGE_DATA,
			  code == CODE_EXCHANGE_RANDOM, false);
		break;
	case CODE_SET_DATA:
	case CODE_SET_DATA_RANDOM:
		decode_id(input, STEP_SET_DATA, code == CODE_SET_DATA_RANDOM,
			  false);
		break;
	case CODE_CYCLE:
	case CODE_CYCLE_RANDOM:
		decode_id(input, STEP_CYCLE, code == CODE_CYCLE_RANDOM, false);
		break;
	case CODE_FOR_EACH:
	case CODE_FOR_EACH_FAIL:
	case CODE_FREE_ALL:
		decode_walk(input, code);
		break;
	default:
		decode_grace(input, code);
		break;
	}
}

/* The configuration */

static const struct {
	ioasid_t min, max;
} universes[] = {
	{ 0, 999 },
	{ 0, 63 },
	{ 0, 64 },
	{ 0, 0xfffffffe },
	{ 5, 7 },
	{ 1, 1 },
	{ 0, 4095 },
	{ 60, 4200 },
	{ 100, 355 },
	{ 0xfffffe00, 0xfffffffe },
	{ 0xfffffffe, 0xfffffffe },
	{ 0x7fffff00, 0x80000100 },
	{ 0, 20000 },
	/* one more than IOASID_BITMAP_IDS_MAX */
	{ 1000, 1000 + (1u << 26) },
	{ 0, 1 },
};

static void decode_config(struct input *input, struct harness_config *config)
{
	static const uint32_t sets[] = { 2, 1, 6, SETS_MANY };
	static const uint64_t seeds[] = { 1, UINT64_C(0x9e3779b97f4a7c15),
					  UINT64_C(0xbf58476d1ce4e5b9),
					  UINT64_C(1) << 40 };
	static const size_t limits[] = { 0, 1, 3, 40 };
	uint32_t first = take_last(input), universe = first % 16;
	uint32_t bits = take_last(input);
	/* There is more, for what came later: see seeds.py. */
	bool more = first / 16 == 14 && bits / 128;

	config->flavour = bits % 4 == 1 ? IOASID_RCU_EPOCH :
			  bits % 4 == 2 ? IOASID_RCU_QSBR :
			  bits % 4 == 3 ? IOASID_RCU_NONE :
					  IOASID_RCU_EPOCH;
	config->no_membarrier = bits % 4 == 1;
	config->shared = bits / 4 % 4 == 1;
	config->own = bits / 4 % 4 == 2 && !config->no_membarrier;
	config->pending_limit = limits[bits / 16 % 4];
	if (config->shared || config->own)
		config->pending_limit = 0;
	config->reserve = bits / 64 % 2;
	bits = take_last(input);
	config->sets = sets[bits % 4];
	config->hash_seed = seeds[bits / 4 % 4];
	config->create_fail = bits / 16;
	if (harness_rcu_ops && config->flavour == IOASID_RCU_EPOCH) {
		config->flavour = IOASID_RCU_CUSTOM;
		config->no_membarrier = config->own = false;
	}
	if (more) {
		bits = take_last(input);
		config->reuse = bits % 2 ? IOASID_REUSE_CYCLIC :
					   IOASID_REUSE_LOWEST;
		config->quarantine = bits / 2 % 2;
		config->capacity = bits / 4;
	}
	if (universe < sizeof(universes) / sizeof(universes[0])) {
		config->min = universes[universe].min;
		config->max = universes[universe].max;
		return;
	}
	config->min = take_last32(input);
	if (config->min == INVALID_IOASID)
		config->min--;
	config->max = config->min + take_last(input) * 16;
	if (config->max < config->min)
		config->max = UINT32_MAX;
	/* Not the whole range in short. */
	if (!config->max)
		config->max = 1;
}

static void make_rcu(struct side *side)
{
	const struct harness_config *config = &harness.config;
	struct ioasid_rcu_config rcu = {
		.flavour = config->flavour,
		.ops = harness_rcu_ops,
		.memory = sequence_hooks(&side->rcu_memory, false),
		.pending_limit = config->pending_limit,
		.no_membarrier = config->no_membarrier,
	};

	CHECK(ioasid_rcu_create(&rcu, &side->rcu) == 0);
	CHECK(ioasid_rcu_thread_register(side->rcu) == 0);
}

static void make_side(struct side *side)
{
	const struct harness_config *config = &harness.config;
	bool wide = config->max - config->min >= IOASID_BITMAP_IDS_MAX &&
		    side->store == IOASID_STORE_BITMAP;
	struct ioasid_space_config space = {
		.min = config->min,
		.max = config->max,
		.store = side->store,
		.flavour = config->flavour,
		.memory = sequence_hooks(&side->memory, config->reserve),
		.hash_seed = config->hash_seed,
		.reuse = config->reuse,
		.quarantine = config->quarantine,
		.capacity = config->capacity,
	};
	const struct ioasid_space_config policy = space;
	struct ioasid_stats stats;

	harness.wrong_side = side;
	if (harness_store_ops && side->store == IOASID_STORE_HASH) {
		space.store = IOASID_STORE_CUSTOM;
		space.store_ops = harness_store_ops;
	}
	if (harness_calls.configure)
		harness_calls.configure(&space);
	if (config->shared && side > harness.side)
		side->rcu = harness.side[0].rcu;
	else if (!config->own)
		make_rcu(side);
	space.rcu = side->rcu;
	sequence_fail(&side->memory, config->create_fail);
	side->create_ret = ioasid_space_create(&space, &side->space);
	if (side->memory.failed) {
		EXPECT(side->create_ret == -ENOMEM, "create without memory");
		EXPECT(!side->memory.bytes, "a failed create kept memory");
		sequence_fail(&side->memory, 0);
		side->create_ret = ioasid_space_create(&space, &side->space);
	}
	sequence_fail(&side->memory, 0);
	EXPECT(side->create_ret == (wide ? -E2BIG : 0), "create: result");
	if (wide) {
		side->absent = true;
		return;
	}
	side->rcu = ioasid_space_rcu(side->space);
	if (config->own)
		CHECK(ioasid_rcu_thread_register(side->rcu) == 0);
	side->set = calloc(config->sets, sizeof(*side->set));
	CHECK(side->set);
	model_init(&side->model, config->min, config->max,
		   model_space_generation, side->space);
	model_configure(&side->model, &policy);
	side->model.foreign = &foreign;
	sequence_set_up(&side->actors, side->space);
	side->cursor = 0;
	side->actors.begin = on_begin;
	side->actors.end = on_end;
	side->actors.context = &side->model;
	if (is_qsbr()) {
		model_read_lock(&side->model);
		sequence_enter(&side->deferred);
	}
	ioasid_space_stats(side->space, &stats);
	side->overhead = side->memory.bytes - stats.memory;
	check(side);
}

static void remove_side(struct side *side)
{
	const struct harness_config *config = &harness.config;

	harness.wrong_side = side;
	if (!side->absent) {
		if (!config->own)
			CHECK(ioasid_rcu_destroy(side->rcu) == -EBUSY);
		if (is_qsbr())
			sequence_leave(&side->deferred);
		CHECK(ioasid_space_destroy(side->space) == 0);
		model_space_destroyed(&side->model);
		EXPECT(!model_wrong(&side->model), "destroy: hand-back");
		EXPECT(side->deferred.called == side->deferred.added,
		       "destroy left callbacks");
		for (uint32_t i = 0; i < config->sets; i++)
			CHECK(!ioasid_load_relaxed(&side->set[i].space));
		model_destroy(&side->model);
		free(side->set);
	}
	EXPECT(!side->memory.bytes, "memory is not back");
}

static void remove_rcu(struct side *side)
{
	harness.wrong_side = side;
	if (!harness.config.own &&
	    (!harness.config.shared || side == harness.side))
		CHECK(ioasid_rcu_destroy(side->rcu) == 0);
	EXPECT(!side->rcu_memory.bytes, "memory of the domain is not back");
	free(side->log);
	side->log = NULL;
}

/*
 * Uses every ID that waited for its turn at the start of the first round: not
 * later than in the second it can be had. It may turn again.
 */
static void end_quarantine(struct side *side, struct id_list *list, bool last)
{
	struct step alloc = { .op = STEP_ALLOC }, release = { .op = STEP_FREE };
	uint32_t left = 0;

	for (uint32_t i = 0; i < list->walk.count; i++) {
		alloc.id = alloc.max = release.id = list->id[i];
		alloc.answers = true;
		alloc.answer = list->id[i];
		if (run_side(side, &alloc)->ret) {
			EXPECT(!last, "an ID stays in quarantine");
			list->id[left++] = alloc.id;
		} else {
			run_side(side, &release);
		}
		check(side);
	}
	list->walk.count = left;
}

static void end_quarantines(struct input *input)
{
	struct id_list lists[SIDES] = { 0 };
	const struct model *model;

	for (size_t i = 0; i < SIDES; i++) {
		model = &harness.side[i].model;
		for (size_t at = 0; at < model->count; at++)
			list_visit(model->entry[at].id, NULL, &lists[i]);
	}
	for (unsigned int round = 0; round < 2; round++) {
		run_op(input, STEP_SYNCHRONIZE);
		for (size_t i = 0; i < SIDES; i++)
			if (!harness.side[i].absent)
				end_quarantine(&harness.side[i], &lists[i],
					       round == 1);
	}
	for (size_t i = 0; i < SIDES; i++)
		free(lists[i].id);
}

static uint32_t number_of(const struct side *side, const struct ioasid_set *set)
{
	for (uint32_t i = 0; i < SEQUENCE_MADE; i++)
		if (side->actors.made[i] == set)
			return SET_MADE + i;
	return (uint32_t)(set - side->set) + 1;
}

/* Without IDs no set may be refused its end, and all capacity is back. */
static void end_sets(struct side *side)
{
	struct step step = { .op = STEP_UNRESERVE };
	struct ioasid_stats stats;

	step.number = side->model.stats.reserved;
	run_side(side, &step);
	step.op = STEP_SET_DESTROY;
	while (side->model.sets) {
		step.set = number_of(side, side->model.set[0].set);
		EXPECT(!run_side(side, &step)->ret, "a set cannot end");
		EXPECT(!model_wrong(&side->model), "a set's end: calls");
	}
	check(side);
	ioasid_space_stats(side->space, &stats);
	EXPECT(!stats.committed, "capacity is not back");
}

/* Frees every ID of every side, by the model that knows it. */
static void drain(struct input *input)
{
	const struct model *model;
	struct step step = { .op = STEP_FREE };
	struct side *side;
	size_t at;

	unlock_all(input);
	for (uint32_t i = 0; i < SEQUENCE_NOTIFIERS && is_armed(); i++)
		run(input, &(struct step){ .op = STEP_ARM,
					   .slot = i,
					   .number = ACTIONS });
	for (size_t i = 0; i < SIDES; i++) {
		side = &harness.side[i];
		model = &side->model;
		for (at = 0; !side->absent && at < model->count;) {
			if (model->entry[at].state == MODEL_QUARANTINED) {
				at++;
				continue;
			}
			step.id = model->entry[at].id;
			step.op = model->entry[at].state == MODEL_LIVE ?
					  STEP_FREE :
				  model->entry[at].state == MODEL_RESERVED ?
					  STEP_RELEASE_ID :
					  STEP_PUT_MANY;
			step.number = model->entry[at].refs;
			run_side(side, &step);
			check(side);
		}
	}
	run_op(input, STEP_STATS);
	for (size_t i = 0; i < SIDES; i++)
		if (!harness.side[i].absent)
			end_sets(&harness.side[i]);
	end_quarantines(input);
	run_op(input, STEP_BARRIER);
	run_op(input, STEP_STATS);
	for (size_t i = 0; i < SIDES; i++) {
		side = &harness.side[i];
		if (side->absent)
			continue;

		EXPECT(!side->model.stats.live && !side->model.stats.pending,
		       "IDs left");
		EXPECT(side->deferred.called == side->deferred.added,
		       "callbacks left");
	}
}

void harness_run(const uint8_t *data, size_t size)
{
	static const struct {
		const char *name;
		enum ioasid_store_kind store;
	} sides[SIDES] = {
		{ "radix", IOASID_STORE_RADIX },
		{ "bitmap", IOASID_STORE_BITMAP },
		{ "hash", IOASID_STORE_HASH },
	};
	static struct ioasid_space *other;
	struct input input = { data, data + size, 0 };
	ioasid_t id;

	if (!other) {
		CHECK(ioasid_space_create(NULL, &other) == 0);
		CHECK(ioasid_space_alloc(other, &foreign, 0, 0, NULL, &id) ==
		      0);
	}
	memset(&harness.config, 0, sizeof(harness.config));
	harness.depth = 0;
	harness.diverged = false;
	harness.cookie_taken = false;
	decode_config(&input, &harness.config);
	for (size_t i = 0; i < SIDES; i++) {
		struct side *side = &harness.side[i];

		memset(side, 0, offsetof(struct side, model));
		memset(&side->deferred, 0,
		       sizeof(*side) - offsetof(struct side, deferred));
		side->name = sides[i].name;
		side->store = sides[i].store;
	}
	for (size_t i = 0; i < SIDES; i++)
		make_side(&harness.side[i]);
	while (input.data < input.end && input.work < WORK_MAX)
		decode(&input);
	drain(&input);
	if (harness_print_store)
		harness_print(stdout, harness_print_store);
	for (size_t i = 0; i < SIDES; i++)
		remove_side(&harness.side[i]);
	for (size_t i = 0; i < SIDES; i++)
		remove_rcu(&harness.side[i]);
}
