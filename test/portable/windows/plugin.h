/* SPDX-License-Identifier: MIT */
#ifndef IOASID_TEST_PORTABLE_PLUGIN_H
#define IOASID_TEST_PORTABLE_PLUGIN_H

#include <stddef.h>

/* What the DLL exports; 0: as it should be. */
__declspec(dllexport) int plugin_begin(void);
__declspec(dllexport) int plugin_look_up(void);
__declspec(dllexport) size_t plugin_threads(void);
__declspec(dllexport) int plugin_end(void);

#endif /* IOASID_TEST_PORTABLE_PLUGIN_H */
