/* SPDX-License-Identifier: MIT */
#ifndef IOASID_FUZZ_LINUX_DIFF_KERNEL_H
#define IOASID_FUZZ_LINUX_DIFF_KERNEL_H

/* The kernel's ioasid.c and idr.c, for one thread, with memory that may fail. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The kernel's structure. */
struct kernel_ops {
	uint32_t (*alloc)(uint32_t min, uint32_t max, void *pdata);
	void (*free)(uint32_t id, void *pdata);
	void *list[2];
	void *pdata;
};

uint32_t kernel_ioasid_alloc(void *set, uint32_t min, uint32_t max, void *data);
void kernel_ioasid_free(uint32_t id);
void *kernel_ioasid_find(void *set, uint32_t id, bool (*getter)(void *data));
int kernel_ioasid_set_data(uint32_t id, void *data);
int kernel_ioasid_register(struct kernel_ops *ops);
void kernel_ioasid_unregister(struct kernel_ops *ops);

/* Room for the kernel's structures. */
struct kernel_idr {
	void *room[5];
};

struct kernel_ida {
	void *room[5];
};

void kernel_idr_init(struct kernel_idr *idr, int base);
int kernel_idr_alloc(struct kernel_idr *idr, void *ptr, int start, int end);
int kernel_idr_alloc_cyclic(struct kernel_idr *idr, void *ptr, int start,
			    int end);
int kernel_idr_alloc_u32(struct kernel_idr *idr, void *ptr, uint32_t *id,
			 unsigned long max);
void *kernel_idr_remove(struct kernel_idr *idr, unsigned long id);
void *kernel_idr_find(struct kernel_idr *idr, unsigned long id);
void *kernel_idr_replace(struct kernel_idr *idr, void *ptr, unsigned long id);
int kernel_idr_for_each(struct kernel_idr *idr,
			int (*fn)(int id, void *p, void *data), void *data);
void *kernel_idr_get_next(struct kernel_idr *idr, int *id);
void *kernel_idr_get_next_ul(struct kernel_idr *idr, unsigned long *id);
unsigned int kernel_idr_cursor(struct kernel_idr *idr);
void kernel_idr_set_cursor(struct kernel_idr *idr, unsigned int cursor);
bool kernel_idr_is_empty(struct kernel_idr *idr);
void kernel_idr_destroy(struct kernel_idr *idr);

void kernel_ida_init(struct kernel_ida *ida);
int kernel_ida_alloc_range(struct kernel_ida *ida, unsigned int min,
			   unsigned int max);
void kernel_ida_free(struct kernel_ida *ida, unsigned int id);
bool kernel_ida_is_empty(struct kernel_ida *ida);
void kernel_ida_destroy(struct kernel_ida *ida);

/* From the @from-th allocation on, from 1, all fail; 0: none. */
void kernel_memory_fail(uint32_t from);
/* How many did since. */
uint32_t kernel_memory_failed(void);
/* Frees what is freed; returns the number of objects there are. */
size_t kernel_reclaim(void);
/* No IDs, no allocators, whatever there was. */
void kernel_reset(void);

#endif /* IOASID_FUZZ_LINUX_DIFF_KERNEL_H */
