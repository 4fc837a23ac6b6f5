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
#define ioasid_fence_seq_cst() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define ioasid_compiler_barrier() __atomic_signal_fence(__ATOMIC_SEQ_CST)

#endif /* IOASID_ATOMIC_HEADER */
#endif /* IOASID_ATOMIC_H */
