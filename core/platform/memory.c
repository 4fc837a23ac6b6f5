/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "memory.h"

#include "system.h"
#include "util.h"

#if !defined(IOASID_BARE) || defined(IOASID_BARE_MALLOC)
#include <stdlib.h>
#define HAS_MALLOC
#endif

/* Below this a block is not worth a mapping of its own. */
#define RESERVE_MIN ((size_t)64 << 10)

#ifdef HAS_MALLOC
static void *system_alloc(void *context, size_t size)
{
	(void)context;
	return malloc(size);
}

static void system_free(void *context, void *memory, size_t size)
{
	(void)context;
	(void)size;
	free(memory);
}
#else
/* All memory is the user's. */
static void *system_alloc(void *context, size_t size)
{
	(void)context;
	(void)size;
	return NULL;
}

static void system_free(void *context, void *memory, size_t size)
{
	(void)context;
	(void)memory;
	(void)size;
}
#endif

/* The context of who wants huge pages. */
static const char wants_huge_pages;

#ifdef IOASID_HAS_PAGES
static void *system_reserve(void *context, size_t size)
{
	return ioasid_pages_reserve(size, context != NULL);
}

static void system_release(void *context, void *memory, size_t size)
{
	ioasid_pages_release(memory, size, context != NULL);
}

static size_t system_discard(void *context, void *memory, size_t size)
{
	(void)context;
	return ioasid_pages_discard(memory, size);
}
#else
#define system_reserve NULL
#define system_release NULL
#define system_discard NULL
#endif

int ioasid_memory_resolve(const struct ioasid_memory *hooks,
			  struct ioasid_memory *resolved)
{
	static const struct ioasid_memory system = {
		system_alloc,	system_free, system_reserve, system_release,
		system_discard, NULL,	     false
	};

	if (!hooks->alloc != !hooks->free ||
	    !hooks->reserve != !hooks->release ||
	    (!hooks->alloc && hooks->reserve) ||
	    (!hooks->reserve && hooks->discard))
		return -EINVAL;
	*resolved = hooks->alloc ? *hooks : system;
	if (!hooks->alloc && hooks->huge_pages)
		resolved->context = (void *)(uintptr_t)&wants_huge_pages;
	return 0;
}

void *ioasid_memory_alloc(const struct ioasid_memory *memory, size_t size)
{
	int cancel = ioasid_cancel_disable();
	void *block = memory->alloc(memory->context, size);

	ioasid_cancel_restore(cancel);
	return block;
}

void ioasid_memory_free(const struct ioasid_memory *memory, void *block,
			size_t size)
{
	int cancel = ioasid_cancel_disable();

	memory->free(memory->context, block, size);
	ioasid_cancel_restore(cancel);
}

static bool is_reserved(const struct ioasid_memory *memory, size_t size)
{
	return memory->reserve && size >= RESERVE_MIN;
}

static void *reserve(const struct ioasid_memory *memory, size_t size)
{
	int cancel = ioasid_cancel_disable();
	void *block = memory->reserve(memory->context, size);

	ioasid_cancel_restore(cancel);
	return block;
}

void *ioasid_memory_zeroed(const struct ioasid_memory *memory, size_t size)
{
	size_t slack = IOASID_CACHE_LINE;
	char *block, *start;

	if (is_reserved(memory, size))
		return reserve(memory, size);
	block = ioasid_memory_alloc(memory, size + slack);
	if (!block)
		return NULL;
	memset(block, 0, size + slack);
	start = block + slack - ((uintptr_t)block & (slack - 1));
	/* The distance to the block stands in the byte before the start. */
	start[-1] = (char)(start - block);
	return start;
}

static void release_block(const struct ioasid_memory *memory, void *block,
			  size_t size)
{
	int cancel = ioasid_cancel_disable();

	memory->release(memory->context, block, size);
	ioasid_cancel_restore(cancel);
}

void ioasid_memory_zeroed_free(const struct ioasid_memory *memory, void *block,
			       size_t size)
{
	char *start = block;

	if (is_reserved(memory, size))
		release_block(memory, block, size);
	else
		ioasid_memory_free(memory, start - start[-1],
				   size + IOASID_CACHE_LINE);
}

size_t ioasid_memory_discard(const struct ioasid_memory *memory, size_t size,
			     void *part, size_t part_size)
{
	size_t given_back;
	int cancel;

	if (!memory->discard || size < RESERVE_MIN)
		return 0;
	cancel = ioasid_cancel_disable();
	given_back = memory->discard(memory->context, part, part_size);
	ioasid_cancel_restore(cancel);
	return given_back;
}
