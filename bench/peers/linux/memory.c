// SPDX-License-Identifier: MIT
/*
 * As the kernel's slab: objects of one size from huge pages, a lock once per
 * batch only.
 */
#include "bench/peers/linux/memory.h"

#include <stdint.h>
#include <sys/mman.h>

#include "bench/peers/linux/shim/linux/spinlock.h"

enum {
	HUGE_PAGE = 2 << 20,
	REGION_SIZE = 32 << 20,
	CACHE_LINE = 64,
};

/* At the start of its own memory. */
struct region {
	struct region *next;
};

struct linux_shim_cache {
	spinlock_t lock;
	const size_t size;
	const size_t link;
	const unsigned int refill;
	struct linux_shim_link *batches;
	struct region *regions;
	char *fresh;
	char *end;
	size_t made;
};

struct linux_shim_cache linux_shim_small = {
	.size = LINUX_SHIM_SMALL_SIZE,
	.link = LINUX_SHIM_SMALL_LINK,
	.refill = 64,
};

struct linux_shim_cache linux_shim_nodes = {
	.size = LINUX_SHIM_NODE_SIZE,
	.link = LINUX_SHIM_NODE_LINK,
	.refill = 7,
};

unsigned long linux_shim_epoch;
__thread struct linux_shim_list linux_shim_local;
size_t linux_shim_nodes_taken;

static int add_region(struct linux_shim_cache *cache)
{
	const size_t size = REGION_SIZE + HUGE_PAGE;
	char *const mapped = mmap(NULL, size, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct region *region;
	size_t before;

	if (mapped == MAP_FAILED)
		return -1;
	before = -(uintptr_t)mapped % HUGE_PAGE;
	if (before)
		munmap(mapped, before);
	if (before < HUGE_PAGE)
		munmap(mapped + before + REGION_SIZE, HUGE_PAGE - before);
	/* Advice: without huge pages all still works. */
	madvise(mapped + before, REGION_SIZE, MADV_HUGEPAGE);
	region = (struct region *)(void *)(mapped + before);
	region->next = cache->regions;
	cache->regions = region;
	cache->fresh = mapped + before + CACHE_LINE;
	cache->end = mapped + before + REGION_SIZE;
	return 0;
}

/* Returns a chain of new objects in the order of their addresses. */
static struct linux_shim_link *make_chain(struct linux_shim_cache *cache)
{
	struct linux_shim_link *head = NULL;
	struct linux_shim_link **tail = &head;

	for (unsigned int i = 0; i < cache->refill; i++) {
		if ((size_t)(cache->end - cache->fresh) < cache->size &&
		    add_region(cache) != 0)
			break;
		*tail = (void *)(cache->fresh + cache->link);
		tail = &(*tail)->next;
		cache->fresh += cache->size;
		cache->made += cache->size;
	}
	*tail = NULL;
	return head;
}

struct linux_shim_link *linux_shim_refill(struct linux_shim_cache *cache,
					  struct linux_shim_list *list)
{
	struct linux_shim_link *chain;

	spin_lock(&cache->lock);
	chain = cache->batches;
	if (chain)
		cache->batches = chain->batch;
	else
		chain = make_chain(cache);
	spin_unlock(&cache->lock);
	list->head = chain;
	list->epoch = linux_shim_epoch;
	return chain;
}

void linux_shim_give(struct linux_shim_cache *cache,
		     struct linux_shim_link *chain)
{
	if (!chain)
		return;
	spin_lock(&cache->lock);
	chain->batch = cache->batches;
	cache->batches = chain;
	spin_unlock(&cache->lock);
}

static void release(struct linux_shim_cache *cache)
{
	while (cache->regions) {
		struct region *region = cache->regions;

		cache->regions = region->next;
		munmap(region, REGION_SIZE);
	}
	cache->batches = NULL;
	cache->fresh = NULL;
	cache->end = NULL;
	cache->made = 0;
}

void linux_shim_release(void)
{
	release(&linux_shim_small);
	release(&linux_shim_nodes);
	linux_shim_epoch++;
}

size_t linux_shim_slab_bytes(void)
{
	return linux_shim_small.made + linux_shim_nodes.made;
}
