/* SPDX-License-Identifier: MIT */
#ifndef IOASID_TEST_LINUX_STUBS_H
#define IOASID_TEST_LINUX_STUBS_H

/* What either header answers when there is no allocator behind it. */

int stub_linux_set_data(void);
int stub_linux_register_allocator(void);
int stub_ours_set_data(void);
int stub_ours_register_allocator(void);

#endif
