/* SPDX-License-Identifier: MIT */
#ifndef IOASID_COMPAT_LINUX_IDR_H
#define IOASID_COMPAT_LINUX_IDR_H

/*
 * The kernel's <linux/idr.h>: each IDR and IDA is a space, made by its first
 * alloc. They share one RCU domain, which stands for the kernel's RCU. See
 * docs/linux.md; needs compat/linux/idr.c.
 *
 * Calls lock for themselves, those of an IDR too.
 */

#include <limits.h>

#include <linux/ioasid_err.h>

/* The kernel's, or a stand-in of the program's. Nothing looks at the flags. */
#ifdef __has_include
#if __has_include(<linux/gfp.h>)
#include <linux/gfp.h>
#define IOASID_LINUX_GFP
#endif
#endif
#ifndef IOASID_LINUX_GFP
#define IOASID_LINUX_GFP
typedef unsigned int gfp_t;
#define GFP_KERNEL 0u
#define GFP_ATOMIC 0u
#define GFP_NOWAIT 0u
#define GFP_NOIO 0u
#define GFP_NOFS 0u
#endif

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The store of IDRs and IDAs that are defined or initialized where this is
 * looked at: any but IOASID_STORE_CUSTOM. With IOASID_STORE_BITMAP an IDR has
 * IOASID_BITMAP_IDS_MAX IDs from its base on.
 */
#ifndef IOASID_IDR_STORE
#define IOASID_IDR_STORE IOASID_STORE_RADIX
#endif

/**
 * struct idr - IDs and a pointer for each; all zero is one without IDs
 */
struct idr {
	/* private: NULL before the first alloc and after destroy */
	ioasid_atomic_ptr space;
	/* of idr_alloc_cyclic() */
	ioasid_atomic_u32 cursor;
	ioasid_t base;
	enum ioasid_store_kind store;
};

/**
 * struct ida - IDs from 0 to INT_MAX without pointers
 */
struct ida {
	/* private: */
	struct idr idr;
};

/** IDR_INIT_BASE, IDR_INIT - initializer of an IDR for IDs from @base, or 0 */
#define IDR_INIT_BASE(name, base) \
	{ { 0 }, { 0 }, (ioasid_t)(base), IOASID_IDR_STORE }
#define IDR_INIT(name) IDR_INIT_BASE(name, 0)
/** DEFINE_IDR - define an IDR */
#define DEFINE_IDR(name) struct idr name = IDR_INIT(name)
/** IDA_INIT - initializer of an IDA */
#define IDA_INIT(name) { IDR_INIT(name) }
/** DEFINE_IDA - define an IDA */
#define DEFINE_IDA(name) struct ida name = IDA_INIT(name)

/* NULL until its first use. */
extern ioasid_atomic_ptr ioasid_idr_domain;

/**
 * ioasid_idr_rcu - the domain that protects what is found in IDRs
 *
 * Made on first use, with flavour epoch and all defaults, unless one was given
 * before. It stays until the program ends.
 *
 * Context: takes locks on first use.
 * Return: the domain; NULL if it could not be made.
 * Complexity: constant.
 */
struct ioasid_rcu *ioasid_idr_rcu(void);

/**
 * ioasid_idr_set_rcu - have a domain of the program's for all IDRs and IDAs
 * @rcu: domain
 *
 * Context: before the first use of one; wait-free.
 * Return: 0; -EBUSY there is one.
 * Ownership: @rcu stays the caller's; it must last, as IDRs do.
 * Complexity: constant.
 */
int ioasid_idr_set_rcu(struct ioasid_rcu *rcu);

/* As the kernel's with similar names, but that ranges are inclusive. */
int ioasid_idr_alloc(struct idr *idr, void *ptr, ioasid_t min, ioasid_t max,
		     ioasid_t *id);
int ioasid_idr_alloc_cyclic(struct idr *idr, void *ptr, ioasid_t min,
			    ioasid_t max, ioasid_t *id);
int ioasid_idr_alloc_u32(struct idr *idr, void *ptr, ioasid_t *nextid,
			 ioasid_t max);
/* The next pointer in a range that is not NULL, and its ID; NULL: no more. */
void *ioasid_idr_next(struct idr *idr, ioasid_t min, ioasid_t max,
		      ioasid_t *id);

/**
 * idr_init_base - make an IDR without IDs
 * @idr:  IDR, in memory of any contents
 * @base: lowest ID
 *
 * Context: any.
 * Complexity: constant.
 */
static inline void idr_init_base(struct idr *idr, int base)
{
	struct idr init = IDR_INIT_BASE(init, base);

	*idr = init;
}

/**
 * idr_init - make an IDR without IDs, from 0 on
 * @idr: IDR, in memory of any contents
 *
 * Context: any.
 * Complexity: constant.
 */
static inline void idr_init(struct idr *idr)
{
	idr_init_base(idr, 0);
}

/**
 * idr_get_cursor - where the next idr_alloc_cyclic() looks first
 * @idr: IDR
 *
 * Context: wait-free.
 * Return: the cursor.
 * Complexity: constant.
 */
static inline unsigned int idr_get_cursor(const struct idr *idr)
{
	return ioasid_load_relaxed(&idr->cursor);
}

/**
 * idr_set_cursor - choose where the next idr_alloc_cyclic() looks first
 * @idr: IDR
 * @val: cursor
 *
 * Context: wait-free.
 * Complexity: constant.
 */
static inline void idr_set_cursor(struct idr *idr, unsigned int val)
{
	ioasid_store_relaxed(&idr->cursor, val);
}

/**
 * idr_alloc - hand out the lowest vacant ID of a range
 * @idr:   IDR
 * @ptr:   pointer for it, may be NULL
 * @start: lowest ID
 * @end:   one more than the highest; 0 or less: INT_MAX is the highest
 * @gfp:   not looked at
 *
 * Context: as ioasid_space_alloc(); an IDR's first also as
 * ioasid_space_create().
 * Return: the ID; -EINVAL @start is negative; -ENOSPC no vacant ID; -ENOMEM,
 * also where ioasid_space_alloc() says -EAGAIN.
 * Ownership: @ptr stays the caller's.
 * Complexity: as for ioasid_space_alloc().
 */
static inline int idr_alloc(struct idr *idr, void *ptr, int start, int end,
			    gfp_t gfp)
{
	ioasid_t id = 0;
	int ret;

	(void)gfp;
	if (start < 0)
		return -EINVAL;
	ret = ioasid_idr_alloc(idr, ptr, (ioasid_t)start,
			       (ioasid_t)(end > 0 ? end - 1 : INT_MAX), &id);
	return ret ? ret : (int)id;
}

/**
 * idr_alloc_u32 - hand out an ID of a range that may go beyond INT_MAX
 * @idr:    IDR
 * @ptr:    pointer for it, may be NULL
 * @nextid: lowest ID; receives the ID before it can be found, so that it may
 *          lie in what @ptr points to
 * @max:    highest ID, inclusive; UINT_MAX is none
 * @gfp:    not looked at
 *
 * Context: as idr_alloc().
 * Return: 0; -ENOSPC, -ENOMEM as for idr_alloc(), with *@nextid as it was.
 * Ownership: @ptr stays the caller's.
 * Complexity: as for ioasid_space_alloc().
 */
static inline int idr_alloc_u32(struct idr *idr, void *ptr, uint32_t *nextid,
				unsigned long max, gfp_t gfp)
{
	(void)gfp;
	return ioasid_idr_alloc_u32(idr, ptr, nextid,
				    max < UINT32_MAX ? (ioasid_t)max :
						       UINT32_MAX);
}

/**
 * idr_alloc_cyclic - hand out the first vacant ID from the cursor on
 * @idr:   IDR
 * @ptr:   pointer for it, may be NULL
 * @start: lowest ID, where it begins again after the highest
 * @end:   as for idr_alloc()
 * @gfp:   not looked at
 *
 * The cursor then is behind that ID. Threads that do so at once, without a lock
 * of theirs, can set it back.
 *
 * Context: as idr_alloc().
 * Return: as for idr_alloc().
 * Ownership: @ptr stays the caller's.
 * Complexity: as for ioasid_space_alloc().
 */
static inline int idr_alloc_cyclic(struct idr *idr, void *ptr, int start,
				   int end, gfp_t gfp)
{
	ioasid_t id = 0;
	int ret;

	(void)gfp;
	if (start < 0)
		return -EINVAL;
	ret = ioasid_idr_alloc_cyclic(idr, ptr, (ioasid_t)start,
				      (ioasid_t)(end > 0 ? end - 1 : INT_MAX),
				      &id);
	return ret ? ret : (int)id;
}

/**
 * idr_find - the pointer of an ID
 * @idr: IDR
 * @id:  ID, any value
 *
 * The pointer is protected after the call by a read section of the caller's
 * in ioasid_idr_rcu(), or its own arrangements.
 *
 * Context: any; wait-free but for a thread's first use.
 * Return: the pointer; NULL unknown, or there is none.
 * Complexity: as for ioasid_space_find_rcu().
 */
static inline void *idr_find(const struct idr *idr, unsigned long id)
{
	struct ioasid_rcu *rcu =
		(struct ioasid_rcu *)ioasid_load_acquire(&ioasid_idr_domain);
	struct ioasid_rcu_reader *reader;
	const struct ioasid_space *space;
	void *ptr = NULL;

	if (ioasid_unlikely(!rcu || id >= INVALID_IOASID))
		return NULL;
	reader = ioasid_rcu_section_enter(rcu);
	space = (const struct ioasid_space *)ioasid_load_acquire(&idr->space);
	if (ioasid_likely(space != NULL))
		ioasid_space_find_rcu(space, NULL, (ioasid_t)id, &ptr);
	ioasid_rcu_section_leave(rcu, reader);
	return ptr;
}

/**
 * idr_replace - exchange the pointer of an ID
 * @idr: IDR
 * @ptr: new pointer, may be NULL
 * @id:  ID, any value
 *
 * Context: takes the space's lock; may be called in a read section.
 * Return: the pointer before, which readers may still hold; ERR_PTR(-ENOENT)
 * unknown.
 * Ownership: both stay the caller's.
 * Complexity: as a lookup.
 */
void *idr_replace(struct idr *idr, void *ptr, unsigned long id);

/**
 * idr_remove - end the life of an ID
 * @idr: IDR
 * @id:  ID, any value
 *
 * Context: as ioasid_space_remove().
 * Return: its pointer, which readers may still hold; NULL unknown, or there
 * was none. Of several at once, one has the pointer.
 * Complexity: as a lookup.
 */
void *idr_remove(struct idr *idr, unsigned long id);

/**
 * idr_for_each - call a function for every ID with a pointer
 * @idr:  IDR
 * @fn:   called with each ID up to INT_MAX, ascending, its pointer, which is
 *        not NULL, and @data; may call anything; not 0 ends the walk
 * @data: last argument of @fn
 *
 * An ID there throughout is visited exactly once; one that comes or goes
 * meanwhile, at most once.
 *
 * Context: takes the space's lock in between; calls @fn without it and without
 * a read section.
 * Return: 0; what @fn returned if not 0.
 * Complexity: as ioasid_space_next() for each ID.
 */
int idr_for_each(struct idr *idr, int (*fn)(int id, void *p, void *data),
		 void *data);

/**
 * idr_get_next_ul - the next ID with a pointer, and the pointer
 * @idr:    IDR
 * @nextid: the lowest; receives the ID
 *
 * Context: takes the space's lock; may be called in a read section.
 * Return: the pointer, which is protected as for idr_find(); NULL no more, and
 * *@nextid is as it was.
 * Complexity: as ioasid_space_next(), and the IDs whose pointer is NULL.
 */
static inline void *idr_get_next_ul(struct idr *idr, unsigned long *nextid)
{
	ioasid_t id = 0;
	void *ptr;

	if (*nextid >= INVALID_IOASID)
		return NULL;
	ptr = ioasid_idr_next(idr, (ioasid_t)*nextid, INVALID_IOASID - 1, &id);
	if (ptr)
		*nextid = id;
	return ptr;
}

/**
 * idr_get_next - the next ID up to INT_MAX with a pointer, and the pointer
 * @idr:    IDR
 * @nextid: the lowest; receives the ID
 *
 * Context: as idr_get_next_ul().
 * Return: as idr_get_next_ul(); NULL also if *@nextid is negative.
 * Complexity: as idr_get_next_ul().
 */
static inline void *idr_get_next(struct idr *idr, int *nextid)
{
	ioasid_t id = 0;
	/* A negative one is above INT_MAX, where there is none. */
	void *ptr = ioasid_idr_next(idr, (ioasid_t)*nextid, INT_MAX, &id);

	if (ptr)
		*nextid = (int)id;
	return ptr;
}

/* After INT_MAX there is no ID, which a negative one stands for. */
#define IOASID_IDR_STEP(id) ((id) = (id) == INT_MAX ? -1 : (id) + 1)

/**
 * idr_for_each_entry - a loop over the IDs with a pointer, up to INT_MAX
 * @idr:   IDR
 * @entry: pointer variable
 * @id:    int variable
 *
 * After its end @entry is NULL. The body may remove @id.
 */
#define idr_for_each_entry(idr, entry, id)                             \
	for ((id) = 0; ((entry) = idr_get_next((idr), &(id))) != NULL; \
	     IOASID_IDR_STEP(id))

/**
 * idr_for_each_entry_ul - a loop over all IDs with a pointer
 * @idr:   IDR
 * @entry: pointer variable
 * @tmp:   unsigned long variable
 * @id:    unsigned long variable
 */
#define idr_for_each_entry_ul(idr, entry, tmp, id)              \
	for ((tmp) = 0, (id) = 0;                               \
	     ((entry) = idr_get_next_ul((idr), &(id))) != NULL; \
	     (tmp) = (id), (id) = (tmp) + 1)

/**
 * idr_for_each_entry_continue - go on with such a loop, at @id
 * @idr:   IDR
 * @entry: pointer variable
 * @id:    int variable
 */
#define idr_for_each_entry_continue(idr, entry, id)            \
	for (; ((entry) = idr_get_next((idr), &(id))) != NULL; \
	     IOASID_IDR_STEP(id))

/**
 * idr_for_each_entry_continue_ul - go on with such a loop, at @id
 * @idr:   IDR
 * @entry: pointer variable
 * @tmp:   unsigned long variable
 * @id:    unsigned long variable
 */
#define idr_for_each_entry_continue_ul(idr, entry, tmp, id)                   \
	for ((tmp) = (id); ((entry) = idr_get_next_ul((idr), &(id))) != NULL; \
	     (tmp) = (id), (id) = (tmp) + 1)

/**
 * idr_is_empty - has it no IDs?
 * @idr: IDR
 *
 * Context: takes the space's lock; may be called in a read section.
 * Return: true if it has none.
 * Complexity: constant.
 */
bool idr_is_empty(const struct idr *idr);

/**
 * idr_destroy - end the life of all IDs and give the memory back
 * @idr: IDR; without IDs, and can be used again
 *
 * Pointers are the caller's business. Required, also for one without IDs, before
 * the memory of @idr itself goes.
 *
 * Context: waits for a grace period if there was an alloc since the last
 * destroy. In a read section, or a callback of the domain, the memory waits for
 * the next idr_destroy() elsewhere.
 * Complexity: linear in the memory held.
 */
void idr_destroy(struct idr *idr);

/**
 * idr_preload, idr_preload_end - nothing: alloc asks for memory itself
 */
static inline void idr_preload(gfp_t gfp)
{
	(void)gfp;
}

static inline void idr_preload_end(void)
{
}

/**
 * ida_init - make an IDA without IDs
 * @ida: IDA, in memory of any contents
 *
 * Context: any.
 * Complexity: constant.
 */
static inline void ida_init(struct ida *ida)
{
	idr_init(&ida->idr);
}

/**
 * ida_alloc_range - hand out the lowest vacant ID of a range
 * @ida: IDA
 * @min: lowest ID
 * @max: highest ID, inclusive; above INT_MAX is INT_MAX
 * @gfp: not looked at
 *
 * Context: as idr_alloc().
 * Return: the ID; -ENOSPC, -ENOMEM as for idr_alloc().
 * Complexity: as for ioasid_space_alloc().
 */
static inline int ida_alloc_range(struct ida *ida, unsigned int min,
				  unsigned int max, gfp_t gfp)
{
	ioasid_t id = 0;
	int ret;

	(void)gfp;
	ret = ioasid_idr_alloc(&ida->idr, NULL, min,
			       max < INT_MAX ? max : INT_MAX, &id);
	return ret ? ret : (int)id;
}

/**
 * ida_alloc, ida_alloc_min, ida_alloc_max - from 0, @min, or up to @max
 */
static inline int ida_alloc(struct ida *ida, gfp_t gfp)
{
	return ida_alloc_range(ida, 0, INT_MAX, gfp);
}

static inline int ida_alloc_min(struct ida *ida, unsigned int min, gfp_t gfp)
{
	return ida_alloc_range(ida, min, INT_MAX, gfp);
}

static inline int ida_alloc_max(struct ida *ida, unsigned int max, gfp_t gfp)
{
	return ida_alloc_range(ida, 0, max, gfp);
}

/**
 * ida_free - end the life of an ID
 * @ida: IDA
 * @id:  ID; one that is not in use is ignored
 *
 * Context: as idr_remove().
 * Complexity: as a lookup.
 */
static inline void ida_free(struct ida *ida, unsigned int id)
{
	idr_remove(&ida->idr, id);
}

/**
 * ida_simple_get, ida_simple_remove - the same, with a @end that is exclusive,
 * or 0
 */
static inline int ida_simple_get(struct ida *ida, unsigned int start,
				 unsigned int end, gfp_t gfp)
{
	return ida_alloc_range(ida, start, end - 1, gfp);
}

static inline void ida_simple_remove(struct ida *ida, unsigned int id)
{
	ida_free(ida, id);
}

/**
 * ida_is_empty - has it no IDs?
 * @ida: IDA
 *
 * Context: as idr_is_empty().
 * Return: true if it has none.
 * Complexity: constant.
 */
static inline bool ida_is_empty(const struct ida *ida)
{
	return idr_is_empty(&ida->idr);
}

/**
 * ida_destroy - end the life of all IDs and give the memory back
 * @ida: IDA; without IDs, and can be used again
 *
 * Context: as idr_destroy().
 * Complexity: linear in the memory held.
 */
static inline void ida_destroy(struct ida *ida)
{
	idr_destroy(&ida->idr);
}

#ifdef __cplusplus
}
#endif

#endif /* IOASID_COMPAT_LINUX_IDR_H */
