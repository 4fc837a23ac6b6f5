/* SPDX-License-Identifier: MIT */
#ifndef IOASID_CONFIG_H
#define IOASID_CONFIG_H

/*
 * What a build of the library is: its version, and what a program chooses when
 * it compiles. A header of the program's own, named by IOASID_CONFIG_HEADER, may
 * make the choices in place of -D on every command line.
 */

#ifdef IOASID_CONFIG_HEADER
#include IOASID_CONFIG_HEADER
#endif

/*
 * IOASID_BARE: one thread and no operating system, only handlers of interrupts,
 * which may look IDs up. By itself where there is nothing else. Memory is what
 * struct ioasid_memory brings, or with IOASID_BARE_MALLOC also malloc()'s.
 */
#if !defined(IOASID_BARE) && !defined(__unix__) && !defined(__linux__) && \
	!defined(__APPLE__) && !defined(_WIN32) &&                        \
	!(defined(__wasi__) && defined(_REENTRANT))
#define IOASID_BARE
#endif
#if defined(IOASID_BARE) && defined(__wasi__)
#define IOASID_BARE_MALLOC
#endif

/* By semantic versioning 2.0. */
#define IOASID_VERSION_MAJOR 0
#define IOASID_VERSION_MINOR 2
#define IOASID_VERSION_PATCH 0
/** IOASID_VERSION - of the headers */
#define IOASID_VERSION "0.2.0"

#ifdef __cplusplus
#define IOASID_EXTERN_C_BEGIN extern "C" {
#define IOASID_EXTERN_C_END }
#else
#define IOASID_EXTERN_C_BEGIN
#define IOASID_EXTERN_C_END
#endif

/*
 * Who sees the library's symbols. Those of the public headers can be found by
 * dlsym(), but no other copy of the library in the process can take their place
 * for the code that was compiled with this one; the others stay inside. With
 * IOASID_SHARED defined, for users of a shared library and for the library
 * itself, the public ones may come from elsewhere.
 */
#if defined(__ELF__) && defined(IOASID_SHARED)
#define IOASID_VISIBILITY_BEGIN _Pragma("GCC visibility push(default)")
#define IOASID_VISIBILITY_END _Pragma("GCC visibility pop")
#elif defined(__ELF__)
#define IOASID_VISIBILITY_BEGIN _Pragma("GCC visibility push(protected)")
#define IOASID_VISIBILITY_END _Pragma("GCC visibility pop")
#else
#define IOASID_VISIBILITY_BEGIN
#define IOASID_VISIBILITY_END
#endif

#if defined(__ELF__)
#define IOASID_BEGIN_INTERNAL _Pragma("GCC visibility push(hidden)")
#define IOASID_END_INTERNAL _Pragma("GCC visibility pop")
#else
#define IOASID_BEGIN_INTERNAL
#define IOASID_END_INTERNAL
#endif

/* Around the declarations of each header, after what it includes. */
#define IOASID_BEGIN_DECLS IOASID_EXTERN_C_BEGIN IOASID_VISIBILITY_BEGIN
#define IOASID_END_DECLS IOASID_VISIBILITY_END IOASID_EXTERN_C_END

#endif /* IOASID_CONFIG_H */
