/* SPDX-License-Identifier: MIT */
#ifndef IOASID_FEATURES_H
#define IOASID_FEATURES_H

/*
 * Included first by every file of the library: C libraries hide what is not ISO
 * C from a strict -std, or what is newer than the edition of POSIX that a
 * program asks for, and listen only before their first header.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#ifndef _DARWIN_C_SOURCE
#define _DARWIN_C_SOURCE
#endif
#ifndef _NETBSD_SOURCE
#define _NETBSD_SOURCE
#endif
/* Windows has another such name; what is used came with Windows 7. */
#if defined(_WIN32) && !defined(_WIN32_WINNT)
#define _WIN32_WINNT 0x0601
#endif

#endif /* IOASID_FEATURES_H */
