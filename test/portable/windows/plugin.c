/* SPDX-License-Identifier: MIT */
/* A DLL that has the library inside; windows_test loads it. */
#include <ioasid/space.h>

#include "plugin.h"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

static struct ioasid_rcu *rcu;
static struct ioasid_space *space;
static ioasid_t id;

static void nothing(struct ioasid_rcu_head *head)
{
	(void)head;
}

int plugin_begin(void)
{
	static struct ioasid_rcu_head head;
	const struct ioasid_rcu_config config = { .reclaimer = true };
	struct ioasid_space_config of_space = { .max = 1000 };

	if (ioasid_rcu_create(&config, &rcu))
		return 1;
	of_space.rcu = rcu;
	if (ioasid_space_create(&of_space, &space) ||
	    ioasid_space_alloc(space, NULL, 7, 1000, &id, &id))
		return 2;
	/* Starts the thread. */
	return ioasid_rcu_defer(rcu, &head, nothing) ? 3 : 0;
}

int plugin_look_up(void)
{
	void *data = NULL;
	int ret;

	ioasid_rcu_read_lock(rcu);
	ret = ioasid_space_find(space, NULL, id, NULL, &data);
	ioasid_rcu_read_unlock(rcu);
	return ret || data != &id;
}

size_t plugin_threads(void)
{
	struct ioasid_domain_stats stats;

	ioasid_rcu_stats(rcu, &stats);
	return stats.threads;
}

int plugin_end(void)
{
	return ioasid_space_destroy(space) || ioasid_rcu_destroy(rcu);
}

/* What DLLs with no interest in threads do; the library's hook is not lost. */
BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, LPVOID reserved)
{
	(void)reserved;
	if (reason == DLL_PROCESS_ATTACH)
		DisableThreadLibraryCalls(module);
	return TRUE;
}
