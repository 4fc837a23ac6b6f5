/* SPDX-License-Identifier: MIT */
#ifndef IOASID_PLATFORM_H
#define IOASID_PLATFORM_H

#if !defined(__has_include)
#include <errno.h>
#elif __has_include(<errno.h>)
#include <errno.h>
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ioasid/abi.h>
#include <ioasid/atomic.h>
#include <ioasid/config.h>

IOASID_BEGIN_DECLS

/*
 * Errors that a system has no name for: Windows has none for EDQUOT and ESTALE,
 * whose numbers here are none of its own, a machine without <errno.h> for any.
 */
#ifndef EPERM
#define EPERM 1
#endif
#ifndef ENOENT
#define ENOENT 2
#endif
#ifndef EIO
#define EIO 5
#endif
#ifndef E2BIG
#define E2BIG 7
#endif
#ifndef EAGAIN
#define EAGAIN 11
#endif
#ifndef ENOMEM
#define ENOMEM 12
#endif
#ifndef EACCES
#define EACCES 13
#endif
#ifndef EBUSY
#define EBUSY 16
#endif
#ifndef EEXIST
#define EEXIST 17
#endif
#ifndef EXDEV
#define EXDEV 18
#endif
#ifndef ENODEV
#define ENODEV 19
#endif
#ifndef EINVAL
#define EINVAL 22
#endif
#ifndef ENFILE
#define ENFILE 23
#endif
#ifndef ENOSPC
#define ENOSPC 28
#endif
#ifndef ERANGE
#define ERANGE 34
#endif
#ifndef EDEADLK
#define EDEADLK 35
#endif
#ifndef ENAMETOOLONG
#define ENAMETOOLONG 36
#endif
#ifndef EPROTO
#define EPROTO 71
#endif
#ifndef EBADMSG
#define EBADMSG 74
#endif
#ifndef EOVERFLOW
#define EOVERFLOW 75
#endif
#ifndef ENOBUFS
#define ENOBUFS 105
#endif
#ifndef ESTALE
#define ESTALE 1116
#endif
#ifndef EDQUOT
#define EDQUOT 1122
#endif

#define IOASID_CACHE_LINE 64

/*
 * The way of one lookup: compilers judge its parts too large one by one, but
 * most of each goes away where it is inlined.
 */
#define IOASID_INLINE IOASID_C99_INLINE __attribute__((always_inline))

#define ioasid_likely(x) __builtin_expect(!!(x), 1)
#define ioasid_unlikely(x) __builtin_expect(!!(x), 0)

/* How a variable that is IOASID_TLS is reached. */
#ifdef IOASID_TLS_SECTION
/* The C library's: the number of this module, and where its section begins. */
extern unsigned long _tls_index;
extern char _tls_start[];

/* @copies anew after each call of others: the fibre may have moved. */
#define ioasid_tls(variable)                                                  \
	(*__extension__({                                                     \
		char **ioasid_copies;                                         \
		__asm__("movq %%gs:0x58, %0"                                  \
			: "=r"(ioasid_copies)                                 \
			: "m"(_tls_index));                                   \
		IOASID_CAST(__typeof__(&(variable)),                          \
			    IOASID_CAST(void *,                               \
					ioasid_copies[_tls_index] +           \
						(IOASID_RECAST(const char *,  \
							       &(variable)) - \
						 _tls_start)));               \
	}))
#else
#define ioasid_tls(variable) (variable)
#endif

/* How far the system aligns such variables, whatever their type asks for. */
#ifdef _WIN32
#define IOASID_TLS_ALIGN 16
#else
#define IOASID_TLS_ALIGN IOASID_CACHE_LINE
#endif

/**
 * struct ioasid_memory - where the library gets its memory
 * @alloc:   @size bytes, aligned for any type, contents undefined; NULL when
 *           there are none
 * @free:    gives back what @alloc returned; @size is what was asked for
 * @reserve: @size zeroed bytes, aligned to a cache line, touched lazily where
 *           the system can; NULL when there are none. Optional: without it
 *           @alloc serves and the memory is zeroed at once
 * @release: gives back what @reserve returned; present exactly if @reserve is
 * @discard: a part of what @reserve returned is not needed for now: its bytes
 *           may stay, or be 0 for good when it returns. Must not write them
 *           itself, as lookups may be reading. The number of bytes given back
 *           to the system. Optional
 * @context: first argument of every call
 * @huge_pages: of the system's own memory, all else being 0: arrays of 2 MiB or
 *           more begin on a boundary of 2 MiB and are offered to the system for
 *           huge pages (transparent ones of Linux). Lookups among many IDs miss
 *           the TLB less; the first ID in each 2 MiB may make them resident as
 *           a whole, and zeroes them in one go
 *
 * Called with locks of the library held: a hook must not call the library.
 * Called from any thread that calls the library, with cancellation off. A hook
 * must return: no pthread_exit(), longjmp() or exception out of it. It may call
 * fork(), and returns in the child too; where two threads do so at once, in
 * hooks of two spaces, each child has the other's space half changed and must
 * leave it alone. Without any hook: the system's own.
 */
struct ioasid_memory {
	void *(*alloc)(void *context, size_t size);
	void (*free)(void *context, void *memory, size_t size);
	void *(*reserve)(void *context, size_t size);
	void (*release)(void *context, void *memory, size_t size);
	size_t (*discard)(void *context, void *memory, size_t size);
	void *context;
	bool huge_pages;
};

/**
 * struct ioasid_lock_ops - a lock of the user's for the updates of one space
 * @lock:    takes the lock; need not be recursive
 * @unlock:  releases it
 * @context: argument of both
 *
 * Lookups never take it. All zero: a mutex of the library's own.
 */
struct ioasid_lock_ops {
	void (*lock)(void *context);
	void (*unlock)(void *context);
	void *context;
};

IOASID_END_DECLS

#endif /* IOASID_PLATFORM_H */
