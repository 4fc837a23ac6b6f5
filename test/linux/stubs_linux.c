/* SPDX-License-Identifier: MIT */
/* The kernel's own header, as it is without CONFIG_IOASID. */
#include <stdbool.h>
#include <stddef.h>

#include "test/linux/stubs.h"

/* What it takes from others; <linux/errno.h> here is libc's. */
#define IS_ENABLED(option) 0
#define ENOTSUPP 524
struct list_head {
	struct list_head *next, *prev;
};

#include <linux/ioasid.h>

int stub_linux_set_data(void)
{
	return ioasid_set_data(0, NULL);
}

int stub_linux_register_allocator(void)
{
	return ioasid_register_allocator(NULL);
}
