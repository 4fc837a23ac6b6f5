/* SPDX-License-Identifier: MIT */
#ifndef RELACY_ATOMIC_H
#define RELACY_ATOMIC_H

/*
 * The library's atomics as calls of the model checker: the very headers and
 * C files that users compile run on it. Sizes are as elsewhere. Each operation
 * says where it stands, so that faults can be planted there.
 */

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* @cell is the number of the model's own object, 0 before its first use. */
typedef struct {
	uint32_t cell;
} ioasid_atomic_u32;

typedef struct {
	uint32_t cell, unused;
} __attribute__((aligned(8))) ioasid_atomic_u64;

typedef struct {
	uint32_t cell, unused;
} __attribute__((aligned(8))) ioasid_atomic_ptr;

enum model_order {
	MODEL_RELAXED,
	MODEL_ACQUIRE,
	MODEL_RELEASE,
	MODEL_ACQ_REL,
};

/* Where an operation stands: function, and what it works on, as written. */
struct model_site {
	const char *file, *func, *what;
	unsigned int line;
};

#define MODEL_TYPED(name, type)                                          \
	type name##_load(const ioasid_atomic_##name *a,                  \
			 enum model_order order,                         \
			 const struct model_site *site);                 \
	void name##_store(ioasid_atomic_##name *a, type x,               \
			  enum model_order order,                        \
			  const struct model_site *site);                \
	type name##_exchange(ioasid_atomic_##name *a, type x,            \
			     enum model_order order,                     \
			     const struct model_site *site);             \
	bool name##_cas(ioasid_atomic_##name *a, type *expected, type x, \
			const struct model_site *site);

MODEL_TYPED(u32, uint32_t)
MODEL_TYPED(u64, uint64_t)
MODEL_TYPED(ptr, void *)

#undef MODEL_TYPED

uint32_t u32_add(ioasid_atomic_u32 *a, uint32_t x, enum model_order order,
		 const struct model_site *site);
uint64_t u64_add(ioasid_atomic_u64 *a, uint64_t x, enum model_order order,
		 const struct model_site *site);
void model_fence(const struct model_site *site);
/* Is a fault of this name planted, in place of what follows? */
bool model_plants(const char *name);

#ifdef __cplusplus
}

#define MODEL_TYPED(name, type)                                                \
	inline type any_load(const ioasid_atomic_##name *a, model_order order, \
			     const model_site *site)                           \
	{                                                                      \
		return name##_load(a, order, site);                            \
	}                                                                      \
	inline void any_store(ioasid_atomic_##name *a, type x,                 \
			      model_order order, const model_site *site)       \
	{                                                                      \
		name##_store(a, x, order, site);                               \
	}                                                                      \
	inline type any_exchange(ioasid_atomic_##name *a, type x,              \
				 model_order order, const model_site *site)    \
	{                                                                      \
		return name##_exchange(a, x, order, site);                     \
	}                                                                      \
	inline bool any_cas(ioasid_atomic_##name *a, type *expected, type x,   \
			    const model_site *site)                            \
	{                                                                      \
		return name##_cas(a, expected, x, site);                       \
	}

MODEL_TYPED(u32, uint32_t)
MODEL_TYPED(u64, uint64_t)
MODEL_TYPED(ptr, void *)

#undef MODEL_TYPED
#define MODEL_OP(a, op) any_##op
#else
#define MODEL_OP(a, op)                      \
	_Generic(*(a),                       \
		ioasid_atomic_u32: u32_##op, \
		ioasid_atomic_u64: u64_##op, \
		ioasid_atomic_ptr: ptr_##op)
#define MODEL_ADD(a) \
	_Generic(*(a), ioasid_atomic_u32: u32_add, ioasid_atomic_u64: u64_add)
#endif

/* A statement expression: one place in memory for each site. */
#define MODEL_SITE(what_)                                \
	(__extension__({                                 \
		static const struct model_site site_ = { \
			__FILE__,                        \
			__func__,                        \
			what_,                           \
			__LINE__,                        \
		};                                       \
		&site_;                                  \
	}))

#define ioasid_load_relaxed(a) \
	MODEL_OP(a, load)(a, MODEL_RELAXED, MODEL_SITE(#a))
#define ioasid_load_acquire(a) \
	MODEL_OP(a, load)(a, MODEL_ACQUIRE, MODEL_SITE(#a))
#define ioasid_store_relaxed(a, x) \
	MODEL_OP(a, store)(a, x, MODEL_RELAXED, MODEL_SITE(#a))
#define ioasid_store_release(a, x) \
	MODEL_OP(a, store)(a, x, MODEL_RELEASE, MODEL_SITE(#a))
#define ioasid_exchange_acquire(a, x) \
	MODEL_OP(a, exchange)(a, x, MODEL_ACQUIRE, MODEL_SITE(#a))
#define ioasid_fetch_add_acq_rel(a, x) \
	MODEL_ADD(a)(a, x, MODEL_ACQ_REL, MODEL_SITE(#a))
#define ioasid_fetch_sub_release(a, x) \
	MODEL_ADD(a)(a, -(x), MODEL_RELEASE, MODEL_SITE(#a))
#define ioasid_cas_acq_rel(a, expected, x) \
	MODEL_OP(a, cas)(a, expected, x, MODEL_SITE(#a))
#define ioasid_fence_seq_cst() model_fence(MODEL_SITE(""))
#define ioasid_compiler_barrier() \
	do {                      \
	} while (0)

#endif /* RELACY_ATOMIC_H */
