/* SPDX-License-Identifier: MIT */
#ifndef IOASID_ABI_H
#define IOASID_ABI_H

/*
 * What the library and the code inlined into its users must agree on. Each
 * property is a function whose name says it: the library has those it was built
 * with, every other object asks for its own, and the linker tells what differs.
 * What has no name to differ in is asserted.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ioasid/config.h>

IOASID_BEGIN_DECLS

/* Cells of a bucket of the hash store. */
#define IOASID_HASH_CELLS 3

#if IOASID_STATE_BITS != 64 && IOASID_STATE_BITS != 32
#error "IOASID_STATE_BITS is 64 or 32"
#endif

#ifdef IOASID_DEBUG
#define IOASID_ABI_DEBUG debug_1
#else
#define IOASID_ABI_DEBUG debug_0
#endif
#ifdef IOASID_BARE
#define IOASID_ABI_BARE bare_1
#else
#define IOASID_ABI_BARE bare_0
#endif
#ifdef IOASID_ATOMIC_HEADER
#define IOASID_ABI_ATOMIC atomic_header_1
#else
#define IOASID_ABI_ATOMIC atomic_header_0
#endif
#ifdef IOASID_SHARED
#define IOASID_ABI_SHARED shared_1
#else
#define IOASID_ABI_SHARED shared_0
#endif
#ifdef IOASID_NO_RADIX
#define IOASID_ABI_RADIX no_radix
#else
#define IOASID_ABI_RADIX radix
#endif
#ifdef IOASID_NO_BITMAP
#define IOASID_ABI_BITMAP _no_bitmap
#else
#define IOASID_ABI_BITMAP _bitmap
#endif
#ifdef IOASID_NO_HASH
#define IOASID_ABI_HASH _no_hash
#else
#define IOASID_ABI_HASH _hash
#endif
#ifdef IOASID_NO_CUSTOM_STORE
#define IOASID_ABI_CUSTOM _no_custom_store
#else
#define IOASID_ABI_CUSTOM _custom_store
#endif
#ifdef IOASID_ONLY_NONE
#define IOASID_ABI_RCU rcu_only_none
#else
#define IOASID_ABI_RCU rcu_all
#endif

#define IOASID_ABI_JOIN(a, b) IOASID_ABI_PASTE(a, b)
#define IOASID_ABI_PASTE(a, b) a##b

#define IOASID_ABI_VERSION                            \
	IOASID_ABI_JOIN(                              \
		version_,                             \
		IOASID_ABI_JOIN(IOASID_VERSION_MAJOR, \
				IOASID_ABI_JOIN(_, IOASID_VERSION_MINOR)))
#define IOASID_ABI_FANOUT                                    \
	IOASID_ABI_JOIN(                                     \
		radix_leaf_bits_,                            \
		IOASID_ABI_JOIN(IOASID_RADIX_LEAF_BITS,      \
				IOASID_ABI_JOIN(_node_bits_, \
						IOASID_RADIX_NODE_BITS)))
#define IOASID_ABI_STORES                                                     \
	IOASID_ABI_JOIN(IOASID_ABI_JOIN(IOASID_ABI_RADIX, IOASID_ABI_BITMAP), \
			IOASID_ABI_JOIN(IOASID_ABI_HASH, IOASID_ABI_CUSTOM))

/* All of them: a new one is a line here. */
/* clang-format off */
#define IOASID_ABI_PROPERTIES(use) \
	use(IOASID_ABI_VERSION) \
	use(IOASID_ABI_JOIN(state_bits_, IOASID_STATE_BITS)) \
	use(IOASID_ABI_JOIN(hash_cells_, IOASID_HASH_CELLS)) \
	use(IOASID_ABI_JOIN(enum_size_, IOASID_ENUM_SIZE)) \
	use(IOASID_ABI_FANOUT) \
	use(IOASID_ABI_STORES) \
	use(IOASID_ABI_RCU) \
	use(IOASID_ABI_DEBUG) \
	use(IOASID_ABI_BARE) \
	use(IOASID_ABI_ATOMIC) \
	use(IOASID_ABI_SHARED)
/* clang-format on */

#ifdef IOASID_NAMESPACE
#define IOASID_ABI_NAME(kind, property)                                    \
	IOASID_ABI_JOIN(IOASID_ABI_JOIN(IOASID_NAMESPACE, _ioasid_##kind), \
			property)
#else
#define IOASID_ABI_NAME(kind, property) IOASID_ABI_JOIN(ioasid_##kind, property)
#endif

/*
 * A pointer to each in every object, which stays although nothing reads it. One
 * is enough for all objects that are linked: so it is weak, and a linker that
 * knows of it drops the others by the name of their section.
 */
#if defined(__ELF__) && defined(__PIC__)
#define IOASID_ABI_ONCE(name)                      \
	__attribute__((weak, visibility("hidden"), \
		       section(".gnu.linkonce.d.rel.ro." #name)))
#elif defined(__ELF__)
#define IOASID_ABI_ONCE(name)                      \
	__attribute__((weak, visibility("hidden"), \
		       section(".gnu.linkonce.r." #name)))
#elif defined(_WIN32) && defined(__clang__)
/* Of the definition, see below: a declaration would be one. */
#define IOASID_ABI_ONCE(name)
#elif defined(_WIN32)
#define IOASID_ABI_ONCE(name) __attribute__((selectany))
#else
#define IOASID_ABI_ONCE(name) __attribute__((weak))
#endif

#if defined(_WIN32) && defined(__clang__)
#define IOASID_ABI_KEPT __attribute__((used, selectany))
#else
#define IOASID_ABI_KEPT __attribute__((used))
#endif
/* gcc has it, but not for all of its targets. */
#if defined(__has_attribute) && \
	(defined(__linux__) || (defined(__ELF__) && defined(__clang__)))
#if __has_attribute(retain)
#undef IOASID_ABI_KEPT
#define IOASID_ABI_KEPT __attribute__((used, retain))
#endif
#endif

#define IOASID_ABI_DECLARE(property) \
	void IOASID_ABI_NAME(built_with_, property)(void);
#define IOASID_ABI_POINTER(function, name)                     \
	extern void (*const name)(void) IOASID_ABI_ONCE(name); \
	IOASID_ABI_KEPT void (*const name)(void) = function;
#define IOASID_ABI_POINTER_(function, name) IOASID_ABI_POINTER(function, name)
#define IOASID_ABI_NEED(property)                                   \
	IOASID_ABI_POINTER_(IOASID_ABI_NAME(built_with_, property), \
			    IOASID_ABI_NAME(needs_, property))

IOASID_ABI_PROPERTIES(IOASID_ABI_DECLARE)

/* With the default space compiled out a program may go without the library. */
#ifndef IOASID_DISABLED
IOASID_ABI_PROPERTIES(IOASID_ABI_NEED)
#endif

#ifdef __cplusplus
#define IOASID_ASSERT(condition, message) static_assert(condition, message)
#define IOASID_ALIGNOF(type) alignof(type)
#else
/*
 * With -std=c99 glibc has a macro in the keyword's place, of which every second
 * use is a redundant declaration to gcc; with a word in between it is none.
 */
#define IOASID_ABI_NOTHING
#define IOASID_ASSERT(condition, message) \
	__extension__ _Static_assert IOASID_ABI_NOTHING(condition, message)
#define IOASID_ALIGNOF(type) __extension__ _Alignof(type)
#endif

enum ioasid_abi_enum { IOASID_ABI_ENUM };

struct ioasid_abi_probe {
	char first;
	uint64_t wide;
	char second;
	void *pointer;
};

IOASID_ASSERT(sizeof(enum ioasid_abi_enum) == IOASID_ENUM_SIZE,
	      "-fshort-enums needs IOASID_ENUM_SIZE=1");
IOASID_ASSERT(sizeof(bool) == 1, "bool is a byte");
/* gcc before 8 gives what i386 has outside of structs. */
#if !defined(__i386__) || defined(__clang__) || __GNUC__ >= 8
IOASID_ASSERT(offsetof(struct ioasid_abi_probe, wide) ==
			      IOASID_ALIGNOF(uint64_t) &&
		      offsetof(struct ioasid_abi_probe, pointer) %
				      IOASID_ALIGNOF(void *) ==
			      0,
	      "no -fpack-struct, nor #pragma pack around <ioasid/...>");
#if defined(__i386__) && defined(__ELF__)
IOASID_ASSERT(IOASID_ALIGNOF(uint64_t) == 4, "no -malign-double");
#endif
#endif

IOASID_END_DECLS

#endif /* IOASID_ABI_H */
