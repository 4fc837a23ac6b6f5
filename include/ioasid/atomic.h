/* SPDX-License-Identifier: MIT */
#ifndef IOASID_ATOMIC_H
#define IOASID_ATOMIC_H

/*
 * Atomic operations with the memory order in the name. The only place that
 * touches the compiler's atomics; a model checker swaps it by defining
 * IOASID_ATOMIC_HEADER.
 */
#include <ioasid/config.h>

#ifdef IOASID_ATOMIC_HEADER
#include IOASID_ATOMIC_HEADER
#else

#include <stdbool.h>
#include <stdint.h>

typedef struct {
	uint32_t v;
} ioasid_atomic_u32;

typedef struct {
	/* i386 would align it to 4, and lines would cut it in two. */
	uint64_t v __attribute__((aligned(8)));
} ioasid_atomic_u64;

typedef struct {
	void *v;
} ioasid_atomic_ptr;

#define ioasid_compiler_barrier() __atomic_signal_fence(__ATOMIC_SEQ_CST)

#ifdef IOASID_BARE
/*
 * One thread, and handlers of interrupts that only look, and end before it goes
 * on: what the compiler leaves in order is in order, and the processor needs no
 * atomic operations. Of what is wider than a register a handler may see one half
 * old; only a read section of its own depends on such a number, and it is over
 * before anybody asks.
 */
#define ioasid_load_relaxed(a) (*(const volatile __typeof__((a)->v) *)&(a)->v)
#define ioasid_load_acquire(a)                                             \
	(__extension__({                                                   \
		__typeof__((a)->v) ioasid_loaded = ioasid_load_relaxed(a); \
		ioasid_compiler_barrier();                                 \
		ioasid_loaded;                                             \
	}))
#define ioasid_store_relaxed(a, x)                                \
	(__extension__({                                          \
		volatile __typeof__((a)->v) *ioasid_to = &(a)->v; \
		*ioasid_to = (x);                                 \
		(void)0;                                          \
	}))
#define ioasid_store_release(a, x) \
	(ioasid_compiler_barrier(), ioasid_store_relaxed(a, x))
#define ioasid_replace(a, x)                                            \
	(__extension__({                                                \
		__typeof__((a)->v) ioasid_old = ioasid_load_acquire(a); \
		ioasid_store_release(a, x);                             \
		ioasid_compiler_barrier();                              \
		ioasid_old;                                             \
	}))
#define ioasid_exchange_acquire(a, x) ioasid_replace(a, x)
#define ioasid_fetch_add_acq_rel(a, x) ioasid_replace(a, ioasid_old + (x))
#define ioasid_fetch_sub_release(a, x) ioasid_replace(a, ioasid_old - (x))
#define ioasid_cas_acq_rel(a, expected, x)                              \
	(__extension__({                                                \
		__typeof__((a)->v) ioasid_old = ioasid_load_acquire(a); \
		bool ioasid_same = ioasid_old == *(expected);           \
		if (ioasid_same)                                        \
			ioasid_store_release(a, x);                     \
		else                                                    \
			*(expected) = ioasid_old;                       \
		ioasid_compiler_barrier();                              \
		ioasid_same;                                            \
	}))
#define ioasid_fence_seq_cst() ioasid_compiler_barrier()
#else
#define ioasid_load_relaxed(a) __atomic_load_n(&(a)->v, __ATOMIC_RELAXED)
#define ioasid_load_acquire(a) __atomic_load_n(&(a)->v, __ATOMIC_ACQUIRE)
#define ioasid_store_relaxed(a, x) \
	__atomic_store_n(&(a)->v, (x), __ATOMIC_RELAXED)
#define ioasid_store_release(a, x) \
	__atomic_store_n(&(a)->v, (x), __ATOMIC_RELEASE)
#define ioasid_exchange_acquire(a, x) \
	__atomic_exchange_n(&(a)->v, (x), __ATOMIC_ACQUIRE)
#define ioasid_fetch_add_acq_rel(a, x) \
	__atomic_fetch_add(&(a)->v, (x), __ATOMIC_ACQ_REL)
#define ioasid_fetch_sub_release(a, x) \
	__atomic_fetch_sub(&(a)->v, (x), __ATOMIC_RELEASE)
/* On failure *expected receives the value found, with acquire. */
#define ioasid_cas_acq_rel(a, expected, x)                       \
	__atomic_compare_exchange_n(&(a)->v, (expected), (x), 0, \
				    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
/*
 * The same call of ThreadSanitizer's, without gcc's warning that it does not
 * follow fences: what it is to see is in the orders of loads and stores here.
 */
#define ioasid_fence_seq_cst() __sync_synchronize()
#else
#define ioasid_fence_seq_cst() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif
#endif /* IOASID_BARE */

#endif /* IOASID_ATOMIC_HEADER */
#endif /* IOASID_ATOMIC_H */
