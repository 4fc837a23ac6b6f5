/* SPDX-License-Identifier: MIT */
#ifndef IOASID_DISABLED
#define IOASID_DISABLED
#endif
#include <linux/ioasid.h>

#include "test/linux/stubs.h"

int stub_ours_set_data(void)
{
	return ioasid_set_data(0, NULL);
}

int stub_ours_register_allocator(void)
{
	return ioasid_register_allocator(NULL);
}
