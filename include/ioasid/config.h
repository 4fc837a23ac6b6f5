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
 * Copies of the library in one program: with IOASID_NAMESPACE defined as a name
 * the symbols of this one, and in C++ its types, begin with it. The same for the
 * library and all that include its headers to use it.
 */
#ifdef IOASID_NAMESPACE
#include <ioasid/namespace.h>
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

/*
 * What a build leaves out, the same for the library and all who use it. It is
 * not declared then; asking for it by an enum or an argument answers -EINVAL.
 *
 *	IOASID_NO_RADIX		the radix store
 *	IOASID_NO_BITMAP	the bitmap store
 *	IOASID_NO_HASH		the hash store
 *	IOASID_NO_CUSTOM_STORE	stores of the user's own. Where one store is
 *				left, lookups and updates do not ask which
 *	IOASID_ONLY_NONE	all flavours of RCU but none
 *	IOASID_NO_SETS		<ioasid/set.h>; SPIDs and snapshots with it
 *	IOASID_NO_SPIDS		SPIDs
 *	IOASID_NO_NOTIFIERS	<ioasid/notifier.h>
 *	IOASID_NO_ALLOCATORS	<ioasid/allocator.h>
 *	IOASID_NO_SNAPSHOTS	<ioasid/snapshot.h>
 *	IOASID_NO_DUMP		ioasid_space_dump()
 *	IOASID_DISABLED		the default space, for stubs; as a user alone may,
 *				who is then not told of mismatches
 *
 * SPIDs, and which allocator gave an ID, are kept in a hash store, or else a
 * radix store: without both they go too. What a configuration of NULL and the
 * default space stand for is the first that is there of radix and hash, and of
 * epoch and none; without both stores there is a default space only after
 * ioasid_default_configure().
 */
#ifdef IOASID_NO_SETS
#undef IOASID_NO_SPIDS
#define IOASID_NO_SPIDS
#undef IOASID_NO_SNAPSHOTS
#define IOASID_NO_SNAPSHOTS
#endif
#if defined(IOASID_NO_RADIX) && defined(IOASID_NO_HASH)
#undef IOASID_NO_SPIDS
#define IOASID_NO_SPIDS
#undef IOASID_NO_ALLOCATORS
#define IOASID_NO_ALLOCATORS
#endif

#ifndef IOASID_NO_RADIX
#define IOASID_STORE_DEFAULT IOASID_STORE_RADIX
#elif !defined(IOASID_NO_HASH)
#define IOASID_STORE_DEFAULT IOASID_STORE_HASH
#elif !defined(IOASID_NO_BITMAP)
#define IOASID_STORE_DEFAULT IOASID_STORE_BITMAP
#elif !defined(IOASID_NO_CUSTOM_STORE)
#define IOASID_STORE_DEFAULT IOASID_STORE_CUSTOM
#else
#error "IOASID_NO_RADIX, _BITMAP, _HASH and _CUSTOM_STORE leave no store"
#endif

/* The kind of every store, if there is but one that is built in. */
#ifdef IOASID_NO_CUSTOM_STORE
#if defined(IOASID_NO_BITMAP) && defined(IOASID_NO_HASH)
#define IOASID_STORE_ONLY IOASID_STORE_RADIX
#elif defined(IOASID_NO_RADIX) && defined(IOASID_NO_HASH)
#define IOASID_STORE_ONLY IOASID_STORE_BITMAP
#elif defined(IOASID_NO_RADIX) && defined(IOASID_NO_BITMAP)
#define IOASID_STORE_ONLY IOASID_STORE_HASH
#endif
#endif

#ifdef IOASID_ONLY_NONE
#define IOASID_RCU_DEFAULT IOASID_RCU_NONE
#else
#define IOASID_RCU_DEFAULT IOASID_RCU_EPOCH
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
 * What the headers say for casts and NULL, as warnings of strict C++ users are
 * about C's: of numbers and from void *; of pointers to others and to numbers.
 * Where a type may be the same already, the headers convert without a cast:
 * g++ calls such a one useless.
 */
#ifdef __cplusplus
#define IOASID_CAST(type, value) static_cast<type>(value)
#define IOASID_RECAST(type, value) reinterpret_cast<type>(value)
#define IOASID_NULL nullptr
#else
#define IOASID_CAST(type, value) ((type)(value))
#define IOASID_RECAST(type, value) ((type)(value))
#define IOASID_NULL NULL
#endif

/*
 * Inline as in C99: the external symbol is the library's. In gnu89, and with
 * -fgnu89-inline, that is called extern inline.
 */
#if defined(__GNUC_GNU_INLINE__) && !defined(__cplusplus)
#define IOASID_C99_INLINE extern __inline
#elif defined(__cplusplus) && defined(_WIN32)
/* The linker takes C++'s inline and the library's symbol for two of one name. */
#define IOASID_C99_INLINE static inline
#else
#define IOASID_C99_INLINE inline
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
#ifdef __cplusplus
#define IOASID_VISIBILITY_BEGIN _Pragma("GCC visibility push(protected)")
#else
/* gcc's -Wc++-compat takes the word in the pragma for a name. */
#define IOASID_VISIBILITY_BEGIN                                    \
	_Pragma("GCC diagnostic push")                             \
		_Pragma("GCC diagnostic ignored \"-Wc++-compat\"") \
			_Pragma("GCC visibility push(protected)")  \
				_Pragma("GCC diagnostic pop")
#endif
#define IOASID_VISIBILITY_END _Pragma("GCC visibility pop")
#else
#define IOASID_VISIBILITY_BEGIN
#define IOASID_VISIBILITY_END
#endif

#if defined(__ELF__) && !defined(__cplusplus)
#define IOASID_BEGIN_INTERNAL _Pragma("GCC visibility push(hidden)")
#define IOASID_END_INTERNAL _Pragma("GCC visibility pop")
#else
#define IOASID_BEGIN_INTERNAL
#define IOASID_END_INTERNAL
#endif

/*
 * The width of the word of a slot: 64, or 32 where the processor, as far as the
 * compiler is told, has no atomics of 64 bits.
 */
#ifndef IOASID_STATE_BITS
#if defined(__GCC_ATOMIC_LLONG_LOCK_FREE) && __GCC_ATOMIC_LLONG_LOCK_FREE == 2
#define IOASID_STATE_BITS 64
#else
#define IOASID_STATE_BITS 32
#endif
#endif

/* Fan-out in bits; small values let small tests reach deep trees. */
#ifndef IOASID_RADIX_LEAF_BITS
#define IOASID_RADIX_LEAF_BITS 6
#endif
#ifndef IOASID_RADIX_NODE_BITS
#define IOASID_RADIX_NODE_BITS 7
#endif

/*
 * Bytes of an enum. Where ARM's compilers say they make them small they may be
 * 1; for -fshort-enums elsewhere define it so, on both sides.
 */
#ifndef IOASID_ENUM_SIZE
#if defined(__ARM_SIZEOF_MINIMAL_ENUM)
#define IOASID_ENUM_SIZE __ARM_SIZEOF_MINIMAL_ENUM
#else
#define IOASID_ENUM_SIZE 4
#endif
#endif

/*
 * Windows keeps a copy of a module's section .tls for each thread as long as the
 * thread lives. clang's __thread is there; gcc's is not: it costs a call, and a
 * pthread library throws it away before Windows says that the thread ends. So
 * with gcc the library puts its variables there itself; either compiler's code
 * finds those of the other.
 */
#if !defined(IOASID_TLS) && defined(_WIN32) && defined(__x86_64__) && \
	!defined(__clang__)
#define IOASID_TLS __attribute__((section(".tls$")))
#define IOASID_TLS_SECTION
#endif

/*
 * A thread's own variables, which inlined lookups reach. The compiler and the
 * linker choose how: an executable has them at a fixed place, a shared library
 * asks where they are, which lets it be loaded at any time. One that is there
 * when the program starts may define this as
 * __thread __attribute__((tls_model("initial-exec"))): docs/rcu.md says what
 * each way costs and promises.
 */
#ifndef IOASID_TLS
#ifdef IOASID_BARE
#define IOASID_TLS
#else
#define IOASID_TLS __thread
#endif
#endif

/* Across modules neither finds anything. */
#if defined(_WIN32) && defined(IOASID_SHARED)
#error "ioasid on Windows is linked statically, into each module that uses it"
#endif

/* Around the declarations of each header, after what it includes. */
#define IOASID_BEGIN_DECLS IOASID_EXTERN_C_BEGIN IOASID_VISIBILITY_BEGIN
#define IOASID_END_DECLS IOASID_VISIBILITY_END IOASID_EXTERN_C_END

#endif /* IOASID_CONFIG_H */
