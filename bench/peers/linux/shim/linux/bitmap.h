/* SPDX-License-Identifier: MIT */
#ifndef SHIM_LINUX_BITMAP_H
#define SHIM_LINUX_BITMAP_H

#include <linux/kernel.h>

/*
 * One word each: a node's marks are 64 bits. Plain operations, the node is
 * locked by whoever changes it.
 */

static inline unsigned long __ffs(unsigned long word)
{
	return (unsigned long)__builtin_ctzl(word);
}

static inline bool test_bit(unsigned int bit, const unsigned long *word)
{
	return READ_ONCE(*word) >> bit & 1;
}

static inline void __set_bit(unsigned int bit, unsigned long *word)
{
	*word |= BIT(bit);
}

static inline bool __test_and_set_bit(unsigned int bit, unsigned long *word)
{
	const unsigned long old = *word;

	*word = old | BIT(bit);
	return old >> bit & 1;
}

static inline bool __test_and_clear_bit(unsigned int bit, unsigned long *word)
{
	const unsigned long old = *word;

	*word = old & ~BIT(bit);
	return old >> bit & 1;
}

static inline bool bitmap_empty(const unsigned long *word, unsigned long bits)
{
	(void)bits;
	return !*word;
}

static inline void bitmap_fill(unsigned long *word, unsigned long bits)
{
	(void)bits;
	*word = ~0UL;
}

static inline void bitmap_clear(unsigned long *word, unsigned int first,
				unsigned int count)
{
	*word &= ~((BIT(count) - 1) << first);
}

static inline unsigned long find_next_bit(const unsigned long *word,
					  unsigned long bits,
					  unsigned long first)
{
	const unsigned long rest = first < bits ? *word & ~0UL << first : 0;

	return rest && __ffs(rest) < bits ? __ffs(rest) : bits;
}

#endif
