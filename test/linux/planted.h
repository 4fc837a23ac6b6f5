/* SPDX-License-Identifier: MIT */
#ifndef TEST_LINUX_PLANTED_H
#define TEST_LINUX_PLANTED_H

/* Our header, with the fault that the run has planted. */

#include <linux/idr.h>

#include "test/linux/kernel_checks.h"

static inline int planted_alloc(struct idr *idr, void *ptr, int start, int end,
				gfp_t gfp)
{
	return idr_alloc(idr, ptr, start,
			 end + (planted == PLANTED_END_IS_HANDED_OUT), gfp);
}

static inline int planted_alloc_cyclic(struct idr *idr, void *ptr, int start,
				       int end, gfp_t gfp)
{
	unsigned int cursor = idr_get_cursor(idr);
	int id = idr_alloc_cyclic(idr, ptr, start, end, gfp);

	if (planted == PLANTED_CURSOR_STAYS)
		idr_set_cursor(idr, cursor);
	return id;
}

static inline void *planted_remove(struct idr *idr, unsigned long id)
{
	void *ptr = idr_remove(idr, id);

	return planted == PLANTED_REMOVE_GIVES_NOTHING ? NULL : ptr;
}

static inline void *planted_replace(struct idr *idr, void *ptr,
				    unsigned long id)
{
	void *old = idr_replace(idr, ptr, id);

	return planted == PLANTED_REPLACE_GIVES_THE_NEW ? ptr : old;
}

static inline void *planted_get_next(struct idr *idr, int *nextid)
{
	*nextid += planted == PLANTED_NEXT_PASSES_OVER_ONE;
	return idr_get_next(idr, nextid);
}

static inline void planted_destroy(struct idr *idr)
{
	if (planted != PLANTED_DESTROY_DOES_NOTHING)
		idr_destroy(idr);
}

static inline int planted_ida_alloc_min(struct ida *ida, unsigned int min,
					gfp_t gfp)
{
	return ida_alloc_min(ida, planted == PLANTED_IDA_BEGINS_AT_0 ? 0 : min,
			     gfp);
}

static inline void planted_ida_free(struct ida *ida, unsigned int id)
{
	if (planted != PLANTED_IDA_FREE_DOES_NOTHING)
		ida_free(ida, id);
}

#define idr_alloc planted_alloc
#define idr_alloc_cyclic planted_alloc_cyclic
#define idr_remove planted_remove
#define idr_replace planted_replace
#define idr_get_next planted_get_next
#define idr_destroy planted_destroy
#define ida_alloc_min planted_ida_alloc_min
#define ida_free planted_ida_free

/* How much of an IDA one piece of the kernel's memory for it holds. */
#define IDA_BITMAP_BITS 1024
#define BITS_PER_LONG (8 * (int)sizeof(long))
#define BITS_PER_XA_VALUE (BITS_PER_LONG - 1)

#endif
