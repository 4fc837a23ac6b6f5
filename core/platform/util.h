/* SPDX-License-Identifier: MIT */
#ifndef IOASID_PLATFORM_UTIL_H
#define IOASID_PLATFORM_UTIL_H

#include <ioasid/platform.h>

/* All that is asked of a C library that a machine without a system may lack. */
#if !defined(__has_include)
#include <string.h>
#elif __has_include(<string.h>)
#include <string.h>
#else
void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
#endif

/*
 * The headers are for C++ too, this is C: void * converts without a cast, which
 * would hide it when the other type is no pointer any more. So who compiles all
 * with -Wc++-compat hears nothing of it.
 */
#if defined(__GNUC__) && !defined(__clang__) && !defined(__cplusplus)
#pragma GCC diagnostic ignored "-Wc++-compat"
#endif

IOASID_BEGIN_INTERNAL

#define ioasid_container_of(pointer, type, member) \
	((type *)(void *)((char *)(pointer) - offsetof(type, member)))

/* A test counts what stores do: one for each turn of a loop. */
#ifndef IOASID_STEP
#define IOASID_STEP() ((void)0)
#endif

/*
 * Doubly linked lists through two members of their items, in the manner of
 * BSD's <sys/queue.h>, which is not everywhere.
 */
#define ioasid_list_insert(head, item, next, prev)       \
	do {                                             \
		(item)->next = *(head);                  \
		(item)->prev = (head);                   \
		if (*(head))                             \
			(*(head))->prev = &(item)->next; \
		*(head) = (item);                        \
	} while (0)

#define ioasid_list_remove(item, next, prev)               \
	do {                                               \
		*(item)->prev = (item)->next;              \
		if ((item)->next)                          \
			(item)->next->prev = (item)->prev; \
	} while (0)

/* Index of the lowest set bit; @word is not 0. */
static inline unsigned int ioasid_lowest_bit(uint64_t word)
{
	return (unsigned int)__builtin_ctzll(word);
}

/* Spreads a number over 64 bits: the finalizer of Steele's SplitMix (2014). */
uint64_t ioasid_mix(uint64_t number);

IOASID_END_INTERNAL

#endif /* IOASID_PLATFORM_UTIL_H */
