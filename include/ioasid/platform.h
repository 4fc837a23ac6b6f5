/* SPDX-License-Identifier: MIT */
#ifndef IOASID_PLATFORM_H
#define IOASID_PLATFORM_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ioasid/atomic.h>
#include <ioasid/config.h>

IOASID_BEGIN_DECLS

#define IOASID_CACHE_LINE 64

/*
 * The way of one lookup: compilers judge its parts too large one by one, but
 * most of each goes away where it is inlined.
 */
#define IOASID_INLINE inline __attribute__((always_inline))

#define ioasid_likely(x) __builtin_expect(!!(x), 1)
#define ioasid_unlikely(x) __builtin_expect(!!(x), 0)

/*
 * Thread-local state is reached from inlined read paths, so it must not cost
 * a call even from a shared library.
 */
#ifdef __linux__
#define IOASID_TLS __thread __attribute__((tls_model("initial-exec")))
#else
#define IOASID_TLS __thread
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
 *
 * Called with locks of the library held: a hook must not call the library.
 * Called from any thread that calls the library, with cancellation off. A hook
 * must return: no pthread_exit(), longjmp() or exception out of it. It may call
 * fork(), and returns in the child too; where two threads do so at once, in
 * hooks of two spaces, each child has the other's space half changed and must
 * leave it alone. All zero: the system's own.
 */
struct ioasid_memory {
	void *(*alloc)(void *context, size_t size);
	void (*free)(void *context, void *memory, size_t size);
	void *(*reserve)(void *context, size_t size);
	void (*release)(void *context, void *memory, size_t size);
	size_t (*discard)(void *context, void *memory, size_t size);
	void *context;
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
