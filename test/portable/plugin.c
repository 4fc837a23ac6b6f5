/* SPDX-License-Identifier: MIT */
/* A plugin with the library inside; see plugin_host.c. */
#include <ioasid/ioasid.h>

static DECLARE_IOASID_SET(owner);

/* 0, or the number of what went wrong. */
int plugin_run(void);

int plugin_run(void)
{
	int object;
	ioasid_t id = ioasid_alloc(&owner, 1, 99, &object);

	if (id == INVALID_IOASID)
		return 1;
	if (ioasid_find(&owner, id, NULL) != &object)
		return 2;
	ioasid_free(id);
	return ioasid_ptr_err(ioasid_find(&owner, id, NULL)) == -ENOENT ? 0 : 3;
}
