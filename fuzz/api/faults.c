/* SPDX-License-Identifier: MIT */
/* Faults that the harness has to notice: wrappers of what is real. */
#include "fuzz/api/faults.h"

#include "fuzz/api/calls.h"
#include "fuzz/api/sequence.h"

#include <string.h>

static const struct ioasid_store_ops *const real = &ioasid_hash_ops;
static struct ioasid_store_ops faulty;
static uint32_t calls;

/* The lowest vacant ID but one. */
static int claim_second(struct ioasid_store *store, ioasid_t min, ioasid_t max,
			ioasid_t *id, struct ioasid_slot **slot)
{
	int ret = real->claim(store, min, max, id, slot);
	ioasid_t first = *id;

	if (ret || first == max)
		return ret;
	ret = real->claim(store, first + 1, max, id, slot);
	real->release(store, first);
	return ret;
}

/* Refuses the highest ID of a range. */
static int claim_short(struct ioasid_store *store, ioasid_t min, ioasid_t max,
		       ioasid_t *id, struct ioasid_slot **slot)
{
	if (min == max)
		return -ENOSPC;
	return real->claim(store, min, max - 1, id, slot);
}

/* Runs out of memory now and then though there is some. */
static int claim_nomem(struct ioasid_store *store, ioasid_t min, ioasid_t max,
		       ioasid_t *id, struct ioasid_slot **slot)
{
	if (++calls % 8 == 0)
		return -ENOMEM;
	return real->claim(store, min, max, id, slot);
}

/* Hands out an ID in quarantine: occupied, its slot vacant. */
static int claim_turned(struct ioasid_store *store, ioasid_t min, ioasid_t max,
			ioasid_t *id, struct ioasid_slot **slot)
{
	ioasid_t ids[8];
	size_t count = real->occupied(store, min, max, ids, 8);

	for (size_t i = 0; i < count; i++) {
		*slot = real->find(store, ids[i]);
		*id = ids[i];
		if (!(ioasid_load_relaxed(&(*slot)->state) &
		      ~IOASID_STATE_GENERATION))
			return 0;
	}
	return real->claim(store, min, max, id, slot);
}

/* Forgets to give an ID back. */
static void release_nothing(struct ioasid_store *store, ioasid_t id)
{
	if (++calls % 8)
		real->release(store, id);
}

/* A slot with another owner. */
static struct ioasid_slot *find_owner(const struct ioasid_store *store,
				      ioasid_t id)
{
	struct ioasid_slot *slot = real->find(store, id);
	static struct ioasid_slot wrong;
	ioasid_state_t state;

	if (!slot)
		return NULL;
	state = ioasid_load_relaxed(&slot->state);
	if (ioasid_state_set(state) != 2 || !(state & IOASID_STATE_LIVE))
		return slot;
	wrong = *slot;
	ioasid_store_relaxed(&wrong.state,
			     ioasid_state_make(ioasid_state_generation(state),
					       1, ioasid_state_refs(state),
					       true));
	return &wrong;
}

/* Leaves out an ID of a walk. */
static size_t occupied_less(const struct ioasid_store *store, ioasid_t min,
			    ioasid_t max, ioasid_t *ids, size_t count)
{
	size_t found = real->occupied(store, min, max, ids, count);

	return found > 4 && found < count ? found - 1 : found;
}

/* Throws away a slot in use. */
static size_t trim_live(struct ioasid_store *store)
{
	ioasid_t id;

	if (real->occupied(store, 0, UINT32_MAX, &id, 1))
		ioasid_store_relaxed(&real->find(store, id)->state, 0);
	return real->trim(store);
}

static int create_real(struct ioasid_store *store,
		       const struct ioasid_store_config *config)
{
	calls = 0;
	return real->create(store, config);
}

/* Keeps some memory for ever. */
static int create_leak(struct ioasid_store *store,
		       const struct ioasid_store_config *config)
{
	int ret = real->create(store, config);

	if (!ret && config->memory.alloc(config->memory.context, 8))
		calls++;
	return ret;
}

/* A grace period that ends at once. */

static void synchronize(void *context)
{
	(void)context;
}

static bool poll(void *context, uint64_t cookie)
{
	(void)context;
	(void)cookie;
	return true;
}

static const struct ioasid_rcu_ops grace = {
	.read_lock = sequence_rcu_lock,
	.read_unlock = sequence_rcu_unlock,
	.synchronize = synchronize,
	.read_held = sequence_rcu_held,
	.start_poll = sequence_rcu_start,
	.poll = poll,
};

const struct ioasid_rcu_ops *fault_rcu(const char *name)
{
	return strcmp(name, "grace") ? NULL : &grace;
}

/* The calls beside the store. */

/*
 * One ID more than a limit allows. What the space says of its limits stays right
 * until then, so that only the allocation itself tells.
 */
static int
alloc_beyond(struct ioasid_space *space, struct ioasid_set *set, ioasid_t min,
	     ioasid_t max, void *data, ioasid_t *id, int refusal,
	     int (*widen)(struct ioasid_space *space, struct ioasid_set *set))
{
	int ret = ioasid_space_alloc(space, set, min, max, data, id);

	if (ret != refusal || widen(space, set))
		return ret;
	return ioasid_space_alloc(space, set, min, max, data, id);
}

static int widen_quota(struct ioasid_space *space, struct ioasid_set *set)
{
	struct ioasid_set_info info;
	int ret = ioasid_set_stats(space, set, &info);

	return ret ? ret :
		     ioasid_set_limit(space, set, info.quota + 1,
				      info.reserved);
}

static int alloc_beyond_quota(struct ioasid_space *space,
			      struct ioasid_set *set, ioasid_t min,
			      ioasid_t max, void *data, ioasid_t *id)
{
	return alloc_beyond(space, set, min, max, data, id, -EDQUOT,
			    widen_quota);
}

static int widen_capacity(struct ioasid_space *space, struct ioasid_set *set)
{
	struct ioasid_stats stats;

	(void)set;
	ioasid_space_stats(space, &stats);
	if (stats.committed != stats.capacity)
		return -EBUSY;
	return ioasid_space_set_capacity(space, stats.capacity + 1);
}

static int alloc_beyond_capacity(struct ioasid_space *space,
				 struct ioasid_set *set, ioasid_t min,
				 ioasid_t max, void *data, ioasid_t *id)
{
	return alloc_beyond(space, set, min, max, data, id, -ENOSPC,
			    widen_capacity);
}

/* From what is set aside. */
static int widen_reserve(struct ioasid_space *space, struct ioasid_set *set)
{
	(void)set;
	return ioasid_space_unreserve(space, 1);
}

static int alloc_reserved(struct ioasid_space *space, struct ioasid_set *set,
			  ioasid_t min, ioasid_t max, void *data, ioasid_t *id)
{
	return alloc_beyond(space, set, min, max, data, id, -ENOSPC,
			    widen_reserve);
}

/* A name that is there already goes over. */
static int attach_over(struct ioasid_space *space, ioasid_t id, ioasid_t spid)
{
	struct ioasid_set *set;
	ioasid_t owner;
	int ret = ioasid_spid_attach(space, id, spid);

	if (ret != -EEXIST || ioasid_set_of(space, id, &set) ||
	    ioasid_spid_find(space, set, spid, NULL, &owner, NULL))
		return ret;
	ioasid_spid_detach(space, owner);
	return ioasid_spid_attach(space, id, spid);
}

/* Any use of an ID is as good as another. */
static int find_stale(const struct ioasid_space *space,
		      const struct ioasid_set *set, ioasid_handle_t handle,
		      bool (*getter)(void *data), void **data)
{
	return ioasid_space_find(space, set, ioasid_handle_id(handle), getter,
				 data);
}

/* The same without a getter. */
static int find_stale_rcu(const struct ioasid_space *space,
			  const struct ioasid_set *set, ioasid_handle_t handle,
			  void **data)
{
	return ioasid_space_find_rcu(space, set, ioasid_handle_id(handle),
				     data);
}

/* All but the lowest. */
static int free_all_but_one(struct ioasid_space *space, uint32_t *count)
{
	ioasid_t id;
	void *data;

	if (ioasid_space_next(space, NULL, 0, UINT32_MAX, &id, &data))
		return ioasid_space_free_all(space, count);
	for (*count = 0;
	     !ioasid_space_next(space, NULL, id + 1, UINT32_MAX, &id, &data);)
		*count += !ioasid_space_free(space, id);
	return 0;
}

/* Never the last. */
static int put_never(struct ioasid_space *space, ioasid_t id)
{
	int ret = ioasid_space_put(space, id);

	return ret == 1 ? 0 : ret;
}

/* The pointer after, not before. */
static int exchange_new(struct ioasid_space *space, ioasid_t id, void *data,
			void **old)
{
	int ret = ioasid_space_exchange_data(space, id, data, old);

	if (!ret && old)
		*old = data;
	return ret;
}

static int publish_nothing(struct ioasid_space *space, ioasid_t id, void *data)
{
	(void)data;
	return ioasid_space_publish_id(space, id, NULL);
}

/* Whoever owns it. */
static int next_any(struct ioasid_space *space, const struct ioasid_set *set,
		    ioasid_t min, ioasid_t max, ioasid_t *id, void **data)
{
	(void)set;
	return ioasid_space_next(space, NULL, min, max, id, data);
}

static int remove_any(struct ioasid_space *space, const struct ioasid_set *set,
		      ioasid_t id, void **data)
{
	(void)set;
	return ioasid_space_remove(space, NULL, id, data);
}

static int default_find_any(struct ioasid_set *set, ioasid_t id,
			    bool (*getter)(void *data), void **data)
{
	(void)set;
	return sequence_default_find(NULL, id, getter, data);
}

/* At once. */
static void retire_now(struct ioasid_rcu *rcu, struct ioasid_rcu_head *head,
		       void (*func)(struct ioasid_rcu_head *head), size_t size)
{
	(void)rcu;
	(void)size;
	func(head);
}

static bool validate_nothing(struct ioasid_space *space, const char **reason)
{
	(void)space;
	(void)reason;
	return true;
}

static int stats_twice(struct ioasid_space *space, const struct ioasid_set *set,
		       struct ioasid_set_info *stats)
{
	int ret = ioasid_set_stats(space, set, stats);

	if (!ret)
		stats->count *= 2;
	return ret;
}

struct first_only {
	int (*func)(struct ioasid_set *set, void *arg);
	void *arg;
	bool done;
};

static int visit_first(struct ioasid_set *set, void *arg)
{
	struct first_only *first = arg;

	if (first->done)
		return 0;
	first->done = true;
	return first->func(set, first->arg);
}

static int walk_first(struct ioasid_space *space,
		      int (*func)(struct ioasid_set *set, void *arg), void *arg)
{
	struct first_only first = { func, arg, false };

	return ioasid_set_for_each(space, visit_first, &first);
}

/* Says it did. */
static int free_none(struct ioasid_space *space, struct ioasid_set *set,
		     uint32_t *count)
{
	struct ioasid_set_info info;
	int ret = ioasid_set_stats(space, set, &info);

	if (ret || !info.count)
		return ret ? ret : ioasid_set_free_all(space, set, count);
	*count = info.count;
	return 0;
}

static void swallow(ioasid_t id, void *data)
{
	(void)id;
	(void)data;
}

/* What was given is not handed back. */
static int register_thief(struct ioasid_space *space,
			  struct ioasid_allocator_ops *ops)
{
	ops->free = swallow;
	return ioasid_space_register_allocator(space, ops);
}

static int unregister_busy(struct ioasid_space *space,
			   struct ioasid_allocator_ops *ops,
			   enum ioasid_unregister mode)
{
	return ioasid_space_unregister_allocator(
		space, ops,
		mode == IOASID_UNREGISTER_IDLE ? IOASID_UNREGISTER_KEEP : mode);
}

static int notify_nobody(struct ioasid_space *space, ioasid_t id,
			 enum ioasid_event event, void *arg)
{
	void *data;

	if (event == IOASID_EVENT_UNBIND)
		return ioasid_space_find(space, NULL, id, NULL, &data);
	return ioasid_space_notify(space, id, event, arg);
}

/* What is refused leaves something behind. */
static int restore_half(struct ioasid_space *space, const uint8_t *bytes,
			size_t size, size_t at, uint8_t change)
{
	int ret = sequence_restore(space, bytes, size, at, change);

	if (ret)
		ioasid_space_reserve(space, 1);
	return ret;
}

/* The second half is not looked at. */
static int restore_cut(struct ioasid_space *space, const uint8_t *bytes,
		       size_t size, size_t at, uint8_t change)
{
	return sequence_restore(space, bytes, size,
				at >= size / 2 ? SIZE_MAX : at, change);
}

static void configure_lowest(struct ioasid_space_config *config)
{
	config->reuse = IOASID_REUSE_LOWEST;
}

static void configure_at_once(struct ioasid_space_config *config)
{
	config->quarantine = false;
}

void fault_calls(const char *name, struct harness_calls *to)
{
	if (!strcmp(name, "quota"))
		to->alloc = alloc_beyond_quota;
	else if (!strcmp(name, "reserve"))
		to->alloc = alloc_reserved;
	else if (!strcmp(name, "spid"))
		to->spid_attach = attach_over;
	else if (!strcmp(name, "stale"))
		to->find_handle = find_stale;
	else if (!strcmp(name, "stale_rcu"))
		to->find_handle_rcu = find_stale_rcu;
	else if (!strcmp(name, "free_all"))
		to->free_all = free_all_but_one;
	else if (!strcmp(name, "set_free_all"))
		to->set_free_all = free_none;
	else if (!strcmp(name, "put"))
		to->put = put_never;
	else if (!strcmp(name, "exchange"))
		to->exchange_data = exchange_new;
	else if (!strcmp(name, "publish"))
		to->publish_id = publish_nothing;
	else if (!strcmp(name, "next"))
		to->next = next_any;
	else if (!strcmp(name, "remove"))
		to->remove = remove_any;
	else if (!strcmp(name, "default_find"))
		to->default_find = default_find_any;
	else if (!strcmp(name, "retire"))
		to->retire = retire_now;
	else if (!strcmp(name, "set_stats"))
		to->set_stats = stats_twice;
	else if (!strcmp(name, "set_walk"))
		to->set_for_each = walk_first;
	else if (!strcmp(name, "blind"))
		to->validate = validate_nothing;
	else if (!strcmp(name, "handback"))
		to->register_allocator = register_thief;
	else if (!strcmp(name, "unregister"))
		to->unregister_allocator = unregister_busy;
	else if (!strcmp(name, "notify"))
		to->notify = notify_nobody;
	else if (!strcmp(name, "restore"))
		to->restore = restore_half;
	else if (!strcmp(name, "damage"))
		to->restore = restore_cut;
	else if (!strcmp(name, "cyclic"))
		to->configure = configure_lowest;
	else if (!strcmp(name, "quarantine"))
		to->configure = configure_at_once;
	else if (!strcmp(name, "capacity"))
		to->alloc = alloc_beyond_capacity;
}

const struct ioasid_store_ops *fault_store(const char *name)
{
	faulty = *real;
	faulty.create = create_real;
	if (!strcmp(name, "second"))
		faulty.claim = claim_second;
	else if (!strcmp(name, "short"))
		faulty.claim = claim_short;
	else if (!strcmp(name, "nomem"))
		faulty.claim = claim_nomem;
	else if (!strcmp(name, "turned"))
		faulty.claim = claim_turned;
	else if (!strcmp(name, "release"))
		faulty.release = release_nothing;
	else if (!strcmp(name, "owner"))
		faulty.find = find_owner;
	else if (!strcmp(name, "occupied"))
		faulty.occupied = occupied_less;
	else if (!strcmp(name, "trim"))
		faulty.trim = trim_live;
	else if (!strcmp(name, "leak"))
		faulty.create = create_leak;
	else
		return NULL;
	return &faulty;
}

void fault_sequence(const char *name, struct ioasid_space_config *config,
		    struct ioasid_rcu_config *rcu)
{
	fault_calls(name, &harness_calls);
	if (harness_calls.configure)
		harness_calls.configure(config);
	if (fault_store(name)) {
		config->store = IOASID_STORE_CUSTOM;
		config->store_ops = fault_store(name);
	}
	if (rcu && fault_rcu(name)) {
		static struct sequence_rcu context;

		rcu->flavour = IOASID_RCU_CUSTOM;
		rcu->ops = fault_rcu(name);
		rcu->ops_context = &context;
	}
}

const char *const fault_names[] = {
	"blind",
	"capacity",
	"cyclic",
	"damage",
	"default_find",
	"exchange",
	"free_all",
	"grace",
	"handback",
	"leak",
	"next",
	"nomem",
	"notify",
	"occupied",
	"owner",
	"publish",
	"put",
	"quarantine",
	"quota",
	"release",
	"remove",
	"reserve",
	"restore",
	"retire",
	"second",
	"set_free_all",
	"set_stats",
	"set_walk",
	"short",
	"spid",
	"stale",
	"stale_rcu",
	"trim",
	"unregister",
	/* where generations turn soon */
	"turned",
	NULL,
};
