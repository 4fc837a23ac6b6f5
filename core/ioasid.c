/* SPDX-License-Identifier: MIT */
#include "features.h"

#include <ioasid/ioasid.h>

#include "platform/lock.h"

const char *ioasid_version(void)
{
	return IOASID_VERSION;
}

#ifndef IOASID_DISABLED

ioasid_atomic_ptr ioasid_default;

static struct ioasid_lock default_lock = IOASID_LOCK_INIT;
static struct ioasid_space_config default_config;
/* That one, or NULL for what ioasid_space_create() makes of it. */
static const struct ioasid_space_config *chosen;
static struct ioasid_guard default_guard;

static void default_fork_prepare(void)
{
	ioasid_lock_fork_prepare(&default_lock);
}

static void default_fork_parent(void)
{
	ioasid_lock_fork_parent(&default_lock);
}

static void default_fork_child(void)
{
	ioasid_lock_fork_child(&default_lock);
}

static void default_unload(void)
{
	struct ioasid_space *space = ioasid_load_relaxed(&ioasid_default);

	/* Whom else it would call may be gone already. */
	if (space && !(chosen && (chosen->memory.alloc || chosen->lock.lock ||
				  chosen->rcu || chosen->store_ops)))
		ioasid_space_destroy(space);
}

/*
 * False: a handler of fork() calls while another thread makes the space. Without
 * memory for the hook, create fails as well.
 */
static bool lock_default(void)
{
	static const struct ioasid_fork_hook hook = { default_fork_prepare,
						      default_fork_parent,
						      default_fork_child,
						      default_unload };

	ioasid_at_fork(IOASID_FORK_DEFAULT, &hook);
	if (!ioasid_lock_unless_forking(&default_lock))
		return false;
	ioasid_guard_adopt(&default_guard, &default_lock);
	return true;
}

static void unlock_default(void)
{
	ioasid_guard_drop(&default_guard);
	ioasid_unlock(&default_lock);
}

int ioasid_default_configure(const struct ioasid_space_config *config)
{
	struct ioasid_space_config trial_config;
	struct ioasid_space *trial;
	int ret = -EBUSY;

	if (config)
		trial_config = *config;
	/* A domain of its own: nothing else is waited for. */
	if (config && config->rcu) {
		trial_config.rcu = NULL;
		trial_config.flavour = IOASID_RCU_NONE;
	}
	if (!lock_default())
		return -EDEADLK;
	if (!ioasid_load_relaxed(&ioasid_default)) {
		ret = ioasid_space_create(config ? &trial_config : NULL,
					  &trial);
		if (!ret) {
			ioasid_space_destroy(trial);
			if (config)
				default_config = *config;
			chosen = config ? &default_config : NULL;
		}
	}
	unlock_default();
	return ret;
}

struct ioasid_space *ioasid_default_space(void)
{
	struct ioasid_space *space = ioasid_load_acquire(&ioasid_default);

	if (ioasid_likely(space != NULL))
		return space;
	if (!lock_default())
		return NULL;
	space = ioasid_load_relaxed(&ioasid_default);
	if (!space && !ioasid_space_create(chosen, &space))
		ioasid_store_release(&ioasid_default, space);
	unlock_default();
	return space;
}

ioasid_t ioasid_alloc(struct ioasid_set *set, ioasid_t min, ioasid_t max,
		      void *data)
{
	struct ioasid_space *space = ioasid_default_space();
	ioasid_t id;

	if (!space || ioasid_space_alloc(space, set, min, max, data, &id))
		return INVALID_IOASID;
	return id;
}

void ioasid_free(ioasid_t ioasid)
{
	struct ioasid_space *space = ioasid_default_space();

	if (space)
		ioasid_space_free(space, ioasid);
}

int ioasid_get(ioasid_t ioasid)
{
	struct ioasid_space *space = ioasid_load_acquire(&ioasid_default);

	return space ? ioasid_space_get(space, NULL, ioasid) : -ENOENT;
}

bool ioasid_put(ioasid_t ioasid)
{
	struct ioasid_space *space = ioasid_load_acquire(&ioasid_default);

	return space && ioasid_space_put(space, ioasid) == 1;
}

#ifndef IOASID_NO_ALLOCATORS
int ioasid_register_allocator(struct ioasid_allocator_ops *ops)
{
	struct ioasid_space *space = ioasid_default_space();

	return space ? ioasid_space_register_allocator(space, ops) : -ENOMEM;
}

int ioasid_unregister_allocator(struct ioasid_allocator_ops *ops)
{
	struct ioasid_space *space = ioasid_load_acquire(&ioasid_default);

	return space ? ioasid_space_unregister_allocator(
			       space, ops, IOASID_UNREGISTER_IDLE) :
		       -ENOENT;
}
#endif

int ioasid_set_data(ioasid_t ioasid, void *data)
{
	struct ioasid_space *space = ioasid_default_space();

	return space ? ioasid_space_set_data(space, ioasid, data) : -ENOMEM;
}

#endif /* IOASID_DISABLED */
