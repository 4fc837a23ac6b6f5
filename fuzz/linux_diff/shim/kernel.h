/* SPDX-License-Identifier: MIT */
#ifndef IOASID_FUZZ_LINUX_DIFF_SHIM_KERNEL_H
#define IOASID_FUZZ_LINUX_DIFF_SHIM_KERNEL_H

/*
 * What ioasid.c, idr.c, radix-tree.c and xarray.c take from the rest of the
 * kernel, for one thread: no lock locks, and what readers may still hold is
 * kept until kernel_reclaim().
 */

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Compilers. */
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define __bitwise
#define __force
#define __rcu
#define __must_check
#define __must_hold(x)
#define __acquires(x)
#define __releases(x)
#define __init __attribute__((unused))
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#define barrier() __asm__ __volatile__("" ::: "memory")
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#define smp_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define smp_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define container_of(member_ptr, type, member) \
	((type *)(void *)((char *)(member_ptr) - offsetof(type, member)))

/* Configuration: 64 slots a node, entries of one index. */
#define CONFIG_IOASID 1
#define CONFIG_BASE_SMALL 0
enum { CONFIG_XARRAY_MULTI = 0 };
#define IS_ENABLED(option) (option)

/* Types. */
typedef uint32_t u32;
typedef unsigned int gfp_t;
struct list_head {
	struct list_head *next, *prev;
};
struct hlist_node {
	struct hlist_node *next, **pprev;
};
struct hlist_head {
	struct hlist_node *first;
};
struct rcu_head {
	struct rcu_head *next;
	void (*func)(struct rcu_head *head);
};
#define LIST_POISON1 ((void *)0x8)
#define LIST_POISON2 ((void *)0x10)

/* Numbers, messages, bugs. */
#define BITS_PER_LONG ((int)sizeof(long) * CHAR_BIT)
#define BIT(n) (1UL << (n))
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define min(a, b) ((a) < (b) ? (a) : (b))
#define MAX_ERRNO 4095
#define ERR_PTR(error) ((void *)(intptr_t)(error))
#define PTR_ERR(pointer) ((long)(intptr_t)(pointer))
#define IS_ERR(pointer) ((uintptr_t)(pointer) >= (uintptr_t)-MAX_ERRNO)
#define pr_err(...) ((void)0)
#define pr_warn(...) ((void)0)
#define pr_info(...) ((void)0)
#define pr_debug(...) ((void)0)
#define pr_cont(...) ((void)0)
#define BUG() abort()
#define BUG_ON(condition)      \
	do {                   \
		if (condition) \
			BUG(); \
	} while (0)
#define BUILD_BUG_ON(condition) ((void)0)
static inline bool kernel_shim_warn(bool condition)
{
	return condition;
}
#define WARN_ON(condition) kernel_shim_warn(!!(condition))
#define WARN_ON_ONCE WARN_ON
#define WARN(condition, ...) ((void)(condition))
#define EXPORT_SYMBOL(name) struct kernel_shim_nothing
#define EXPORT_SYMBOL_GPL(name) struct kernel_shim_nothing
#define EXPORT_PER_CPU_SYMBOL_GPL(name) struct kernel_shim_nothing
#define MODULE_AUTHOR(text) struct kernel_shim_nothing
#define MODULE_DESCRIPTION(text) struct kernel_shim_nothing
#define MODULE_LICENSE(text) struct kernel_shim_nothing

/* Bits of words in an array. */
static inline unsigned long __ffs(unsigned long word)
{
	return (unsigned long)__builtin_ctzl(word);
}

static inline bool test_bit(unsigned long bit, const unsigned long *words)
{
	return words[bit / BITS_PER_LONG] >> bit % BITS_PER_LONG & 1;
}

static inline void __set_bit(unsigned long bit, unsigned long *words)
{
	words[bit / BITS_PER_LONG] |= BIT(bit % BITS_PER_LONG);
}

static inline void __clear_bit(unsigned long bit, unsigned long *words)
{
	words[bit / BITS_PER_LONG] &= ~BIT(bit % BITS_PER_LONG);
}

static inline bool __test_and_set_bit(unsigned long bit, unsigned long *words)
{
	bool old = test_bit(bit, words);

	__set_bit(bit, words);
	return old;
}

static inline bool __test_and_clear_bit(unsigned long bit, unsigned long *words)
{
	bool old = test_bit(bit, words);

	__clear_bit(bit, words);
	return old;
}

/* The first bit from @first on that is @set. */
static inline unsigned long kernel_shim_next(const unsigned long *words,
					     unsigned long bits,
					     unsigned long first, bool set)
{
	while (first < bits) {
		unsigned long word = words[first / BITS_PER_LONG];
		unsigned long rest = (set ? word : ~word) >>
				     first % BITS_PER_LONG;

		if (rest)
			return min(first + __ffs(rest), bits);
		first = (first / BITS_PER_LONG + 1) * BITS_PER_LONG;
	}
	return bits;
}

static inline unsigned long find_next_bit(const unsigned long *words,
					  unsigned long bits,
					  unsigned long first)
{
	return kernel_shim_next(words, bits, first, true);
}

static inline unsigned long find_next_zero_bit(const unsigned long *words,
					       unsigned long bits,
					       unsigned long first)
{
	return kernel_shim_next(words, bits, first, false);
}

static inline bool bitmap_empty(const unsigned long *words, unsigned long bits)
{
	return kernel_shim_next(words, bits, 0, true) == bits;
}

static inline bool bitmap_full(const unsigned long *words, unsigned long bits)
{
	return kernel_shim_next(words, bits, 0, false) == bits;
}

/* Of whole words. */
static inline void bitmap_fill(unsigned long *words, unsigned long bits)
{
	memset(words, 0xff, bits / CHAR_BIT);
}

static inline void bitmap_clear(unsigned long *words, unsigned int first,
				unsigned int count)
{
	while (count--)
		__clear_bit(first++, words);
}

/* Locks, CPUs, interrupts: one thread. */
typedef struct {
	int unused;
} spinlock_t;
typedef spinlock_t local_lock_t;
#define __SPIN_LOCK_UNLOCKED(name) { 0 }
#define DEFINE_SPINLOCK(name) spinlock_t name = __SPIN_LOCK_UNLOCKED(name)
#define INIT_LOCAL_LOCK(name) { 0 }
#define spin_lock_init(lock) ((void)(lock))
#define spin_lock(lock) ((void)(lock))
#define spin_unlock(lock) ((void)(lock))
#define spin_lock_bh spin_lock
#define spin_unlock_bh spin_unlock
#define spin_lock_irq spin_lock
#define spin_unlock_irq spin_unlock
#define spin_lock_irqsave(lock, flags) ((void)(lock), (flags) = 0)
#define spin_unlock_irqrestore(lock, flags) ((void)(lock), (void)(flags))
#define spin_lock_nested(lock, class) spin_lock(lock)
#define spin_lock_bh_nested(lock, class) spin_lock(lock)
#define spin_lock_irq_nested(lock, class) spin_lock(lock)
#define spin_lock_irqsave_nested(lock, flags, class) \
	spin_lock_irqsave(lock, flags)
#define local_lock(lock) ((void)(lock))
#define local_unlock(lock) ((void)(lock))
#define lockdep_is_held(lock) true
#define DECLARE_PER_CPU(type, name) extern type name
#define DEFINE_PER_CPU(type, name) type name
#define this_cpu_ptr(pointer) (pointer)
#define per_cpu(name, cpu) (name)
#define in_interrupt() true
#define cpuhp_setup_state_nocalls(...) 0

/* Memory. */
#define __GFP_DIRECT_RECLAIM 0x400u
#define __GFP_NOWARN 0x2000u
#define __GFP_ACCOUNT 0x400000u
#define __GFP_BITS_SHIFT 24
#define __GFP_BITS_MASK ((1u << __GFP_BITS_SHIFT) - 1)
#define GFP_ZONEMASK 0xfu
#define GFP_NOWAIT 0u
#define GFP_ATOMIC 0u
#define GFP_KERNEL __GFP_DIRECT_RECLAIM
#define SLAB_PANIC 0u
#define SLAB_RECLAIM_ACCOUNT 0u
#define gfpflags_allow_blocking(flags) ((flags) & __GFP_DIRECT_RECLAIM)
#define might_alloc(flags) ((void)(flags))
#define kmemleak_update_trace(object) ((void)(object))

void *kernel_shim_alloc(size_t size);
void kernel_shim_free(const void *object);
/* A node: zero, its list empty, as the kernel's constructor makes it. */
void *kernel_shim_node(void);
void kernel_shim_later(struct rcu_head *head,
		       void (*func)(struct rcu_head *head), void *object);

#define kzalloc(size, flags) ((void)(flags), kernel_shim_alloc(size))
#define kfree(object) kernel_shim_free(object)
#define kmem_cache_create(...) NULL
#define kmem_cache_alloc(cache, flags) ((void)(flags), kernel_shim_node())
#define kmem_cache_alloc_lru(cache, lru, flags) \
	((void)(flags), kernel_shim_node())
#define kmem_cache_free(cache, object) kernel_shim_free(object)

/* RCU. */
#define rcu_read_lock() barrier()
#define rcu_read_unlock() barrier()
#define rcu_dereference(p) READ_ONCE(p)
#define rcu_dereference_raw(p) READ_ONCE(p)
#define rcu_dereference_check(p, condition) READ_ONCE(p)
#define rcu_dereference_protected(p, condition) (p)
#define rcu_assign_pointer(p, v) ((p) = (__typeof__(p))(v))
#define RCU_INIT_POINTER(p, v) WRITE_ONCE(p, v)
#define synchronize_rcu() ((void)0)
#define call_rcu(head, func) kernel_shim_later((head), (func), NULL)
#define kfree_rcu(object, member) \
	kernel_shim_later((object) ? &(object)->member : NULL, NULL, (object))

#endif /* IOASID_FUZZ_LINUX_DIFF_SHIM_KERNEL_H */
