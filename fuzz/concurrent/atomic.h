/* SPDX-License-Identifier: MIT */
#ifndef IOASID_CONCURRENT_ATOMIC_H
#define IOASID_CONCURRENT_ATOMIC_H

/*
 * The library's atomics as points where another virtual thread may go on. There
 * is one thread to the system, so what is done after that is a plain access.
 * Types are as elsewhere. Each operation says where it stands, so that faults
 * can be planted there.
 */

#include <stdbool.h>
#include <stdint.h>

typedef struct {
	uint32_t v;
} ioasid_atomic_u32;

typedef struct {
	uint64_t v __attribute__((aligned(8)));
} ioasid_atomic_u64;

typedef struct {
	void *v;
} ioasid_atomic_ptr;

/* Where an operation stands: function, and what it works on, as written. */
struct vt_site {
	const char *func, *what;
	unsigned int line;
};

#define VT_TYPED(name, type)                                                  \
	type vt_##name##_load(const ioasid_atomic_##name *a,                  \
			      const struct vt_site *site);                    \
	void vt_##name##_store(ioasid_atomic_##name *a, type x,               \
			       const struct vt_site *site);                   \
	type vt_##name##_exchange(ioasid_atomic_##name *a, type x,            \
				  const struct vt_site *site);                \
	bool vt_##name##_cas(ioasid_atomic_##name *a, type *expected, type x, \
			     const struct vt_site *site);

VT_TYPED(u32, uint32_t)
VT_TYPED(u64, uint64_t)
VT_TYPED(ptr, void *)

#undef VT_TYPED

uint32_t vt_u32_add(ioasid_atomic_u32 *a, uint32_t x,
		    const struct vt_site *site);
uint64_t vt_u64_add(ioasid_atomic_u64 *a, uint64_t x,
		    const struct vt_site *site);
void vt_fence(const struct vt_site *site);
/* Is a fault of this name planted, in place of what follows? */
bool vt_plants(const char *name);

#define VT_OP(a, op)                            \
	_Generic(*(a),                          \
		ioasid_atomic_u32: vt_u32_##op, \
		ioasid_atomic_u64: vt_u64_##op, \
		ioasid_atomic_ptr: vt_ptr_##op)
#define VT_ADD(a)                              \
	_Generic(*(a),                         \
		ioasid_atomic_u32: vt_u32_add, \
		ioasid_atomic_u64: vt_u64_add)

/* A statement expression: one place in memory for each site. */
#define VT_SITE(what_)                                                    \
	(__extension__({                                                  \
		static const struct vt_site vt_site_ = { __func__, what_, \
							 __LINE__ };      \
		&vt_site_;                                                \
	}))

#define ioasid_load_relaxed(a) VT_OP(a, load)(a, VT_SITE(#a))
#define ioasid_load_acquire(a) VT_OP(a, load)(a, VT_SITE(#a))
#define ioasid_store_relaxed(a, x) VT_OP(a, store)(a, x, VT_SITE(#a))
#define ioasid_store_release(a, x) VT_OP(a, store)(a, x, VT_SITE(#a))
#define ioasid_exchange_acquire(a, x) VT_OP(a, exchange)(a, x, VT_SITE(#a))
#define ioasid_fetch_add_acq_rel(a, x) VT_ADD(a)(a, x, VT_SITE(#a))
/* In the atomic's own width, of which @x may have less. */
#define VT_NEGATED(a, x) ((__typeof__((a)->v))(0 - (__typeof__((a)->v))(x)))
#define ioasid_fetch_sub_release(a, x) \
	VT_ADD(a)(a, VT_NEGATED(a, x), VT_SITE(#a))
#define ioasid_cas_acq_rel(a, expected, x) \
	VT_OP(a, cas)(a, expected, x, VT_SITE(#a))
#define ioasid_fence_seq_cst() vt_fence(VT_SITE(""))
#define ioasid_compiler_barrier() \
	do {                      \
	} while (0)

#endif /* IOASID_CONCURRENT_ATOMIC_H */
