/* SPDX-License-Identifier: MIT */
#ifndef IOASID_CONCURRENT_PRELUDE_H
#define IOASID_CONCURRENT_PRELUDE_H

/*
 * Included before every file of the library by -include: its thread-local
 * variables go to a section of their own, of which each virtual thread has a
 * copy, as in the library's own way to do so on Windows.
 */
#include "core/features.h"

#define IOASID_TLS __attribute__((section("ioasid_vt_tls")))
#include <ioasid/platform.h>

extern char __start_ioasid_vt_tls[] __attribute__((visibility("hidden")));
extern char __stop_ioasid_vt_tls[] __attribute__((visibility("hidden")));

/* The copy of the virtual thread that runs. */
extern char *vt_tls;

#undef ioasid_tls
#define ioasid_tls(variable)                                             \
	(*(__typeof__(&(variable)))(void *)(vt_tls +                     \
					    ((const char *)&(variable) - \
					     __start_ioasid_vt_tls)))

#endif /* IOASID_CONCURRENT_PRELUDE_H */
