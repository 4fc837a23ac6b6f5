/* SPDX-License-Identifier: MIT */
#ifndef RELACY_ATOMIC_H
#define RELACY_ATOMIC_H

/*
 * The library's atomics on Relacy's: the model checker runs the very headers
 * that users compile. A planted fault weakens one operation at run time.
 */

#include <cstdint>

#include <relacy/relacy.hpp>

enum fault {
	NO_FAULT,
	RELAXED_POINTER_STORE,
	RELAXED_POINTER_LOAD,
	RELAXED_STATE_STORE,
	CAS_WITHOUT_COMPARE,
	RELAXED_CAS,
	NO_READER_FENCE,
	NO_WRITER_FENCE,
	RELAXED_UNLOCK,
	EARLY_FREE,
	/* not an operation: a search of its own in the check */
	LATE_NEXT,
};

extern enum fault planted;
/* Set by the threads of a check that act as writers. */
extern bool is_writer[8];

typedef rl::atomic<uint32_t> ioasid_atomic_u32;
typedef rl::atomic<uint64_t> ioasid_atomic_u64;
typedef rl::atomic<void *> ioasid_atomic_ptr;

inline rl::memory_order weakened(enum fault fault, rl::memory_order order)
{
	return planted == fault ? rl::mo_relaxed : order;
}

inline void *relacy_load(const ioasid_atomic_ptr *a, rl::debug_info_param info)
{
	return a->load(weakened(RELAXED_POINTER_LOAD, rl::mo_acquire), info);
}

template <class T>
T relacy_load(const rl::atomic<T> *a, rl::debug_info_param info)
{
	return a->load(rl::mo_acquire, info);
}

inline void relacy_store(ioasid_atomic_ptr *a, void *x,
			 rl::debug_info_param info)
{
	a->store(x, weakened(RELAXED_POINTER_STORE, rl::mo_release), info);
}

template <class T, class V>
void relacy_store(rl::atomic<T> *a, V x, rl::debug_info_param info)
{
	enum fault fault = is_writer[rl::thread_index()] ? RELAXED_STATE_STORE :
							   RELAXED_UNLOCK;

	a->store((T)x, weakened(fault, rl::mo_release), info);
}

template <class T>
bool relacy_cas(rl::atomic<T> *a, T *expected, T x, rl::debug_info_param info)
{
	if (planted == CAS_WITHOUT_COMPARE) {
		a->store(x, rl::mo_seq_cst, info);
		return true;
	}
	return a->compare_exchange_strong(
		*expected, x, weakened(RELAXED_CAS, rl::mo_acq_rel), info,
		weakened(RELAXED_CAS, rl::mo_acquire), info);
}

inline void relacy_fence(rl::debug_info_param info)
{
	enum fault fault = is_writer[rl::thread_index()] ? NO_WRITER_FENCE :
							   NO_READER_FENCE;

	if (planted != fault)
		rl::atomic_thread_fence(rl::mo_seq_cst, info);
}

#define ioasid_load_relaxed(a) (a)->load(rl::mo_relaxed, $)
#define ioasid_load_acquire(a) relacy_load((a), $)
#define ioasid_store_relaxed(a, x) (a)->store((x), rl::mo_relaxed, $)
#define ioasid_store_release(a, x) relacy_store((a), (x), $)
#define ioasid_cas_acq_rel(a, expected, x) relacy_cas((a), (expected), (x), $)
#define ioasid_fence_seq_cst() relacy_fence($)
#define ioasid_compiler_barrier() \
	do {                      \
	} while (0)

#endif /* RELACY_ATOMIC_H */
