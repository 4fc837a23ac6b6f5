/* SPDX-License-Identifier: MIT */
#include <linux/idr.h>

#include <stdlib.h>

ioasid_atomic_ptr ioasid_idr_domain;

/* Spaces that no IDR has any more, or never had, until they can be destroyed. */
struct orphan {
	struct ioasid_space *space;
	struct orphan *next;
};

static ioasid_atomic_ptr orphans;

struct ioasid_rcu *ioasid_idr_rcu(void)
{
	void *found = ioasid_load_acquire(&ioasid_idr_domain);
	struct ioasid_rcu *rcu;

	if (ioasid_likely(found != NULL))
		return found;
	if (ioasid_rcu_create(NULL, &rcu))
		return NULL;
	if (ioasid_cas_acq_rel(&ioasid_idr_domain, &found, rcu))
		return rcu;
	ioasid_rcu_destroy(rcu);
	return found;
}

int ioasid_idr_set_rcu(struct ioasid_rcu *rcu)
{
	void *none = NULL;

	return ioasid_cas_acq_rel(&ioasid_idr_domain, &none, rcu) ? 0 : -EBUSY;
}

static void orphan_push(struct orphan *orphan)
{
	void *first = ioasid_load_relaxed(&orphans);

	do {
		orphan->next = first;
	} while (!ioasid_cas_acq_rel(&orphans, &first, orphan));
}

/*
 * A grace period ends the last calls that found these spaces in their IDRs.
 * Where none can be waited for they stay for the next caller.
 */
static void orphans_destroy(struct ioasid_rcu *rcu)
{
	struct orphan *orphan = ioasid_exchange_acquire(&orphans, NULL);
	struct orphan *next;
	int ret = ioasid_rcu_synchronize(rcu);

	for (; orphan; orphan = next) {
		next = orphan->next;
		if (ret || ioasid_space_destroy(orphan->space))
			orphan_push(orphan);
		else
			free(orphan);
	}
}

static int idr_make(struct idr *idr)
{
	struct ioasid_space_config config = {
		.min = idr->base,
		.max = INVALID_IOASID,
		.store = idr->store,
		.rcu = ioasid_idr_rcu(),
	};
	struct orphan *made = malloc(sizeof(*made));
	void *none = NULL;
	int ret = -ENOMEM;

	if (config.store == IOASID_STORE_BITMAP &&
	    config.max - config.min >= IOASID_BITMAP_IDS_MAX)
		config.max = config.min + IOASID_BITMAP_IDS_MAX - 1;
	if (made && config.rcu)
		ret = ioasid_space_create(&config, &made->space);
	if (!ret && !ioasid_cas_acq_rel(&idr->space, &none, made->space)) {
		/* Another thread was first. */
		orphan_push(made);
		orphans_destroy(config.rcu);
	} else {
		free(made);
	}
	return ret;
}

/*
 * The space of an IDR, if it has one, in a read section in which destroy cannot
 * end it.
 */
static struct ioasid_space *idr_enter(const struct idr *idr)
{
	struct ioasid_rcu *rcu = ioasid_load_acquire(&ioasid_idr_domain);
	struct ioasid_space *space;

	if (!rcu)
		return NULL;
	ioasid_rcu_read_lock(rcu);
	space = ioasid_load_acquire(&idr->space);
	if (!space)
		ioasid_rcu_read_unlock(rcu);
	return space;
}

static void idr_leave(const struct ioasid_space *space)
{
	ioasid_rcu_read_unlock(ioasid_space_rcu(space));
}

/* The same for alloc, which makes the space. */
static int idr_enter_alloc(struct idr *idr, ioasid_t min, ioasid_t max,
			   struct ioasid_space **space)
{
	int ret = 0;

	if (min > max)
		return -ENOSPC;
	while (!ret && !(*space = idr_enter(idr)))
		ret = idr_make(idr);
	return ret;
}

/* The kernel's error for one of alloc's. */
static int idr_error(int error)
{
	return error == -EAGAIN ? -ENOMEM : error;
}

int ioasid_idr_alloc(struct idr *idr, void *ptr, ioasid_t min, ioasid_t max,
		     ioasid_t *id)
{
	struct ioasid_space *space;
	int ret = idr_enter_alloc(idr, min, max, &space);

	if (ret)
		return ret;
	ret = ioasid_space_alloc(space, NULL, min, max, ptr, id);
	idr_leave(space);
	return idr_error(ret);
}

int ioasid_idr_alloc_cyclic(struct idr *idr, void *ptr, ioasid_t min,
			    ioasid_t max, ioasid_t *id)
{
	struct ioasid_space *space;
	int ret = idr_enter_alloc(idr, min, max, &space);
	ioasid_t next;

	if (ret)
		return ret;
	/* A copy: beside destroy two spaces can be at it. */
	next = idr_get_cursor(idr);
	ret = ioasid_space_alloc_cyclic(space, NULL, min, max, ptr, &next, id);
	if (ret >= 0)
		idr_set_cursor(idr, next);
	idr_leave(space);
	return ret > 0 ? 0 : idr_error(ret);
}

int ioasid_idr_alloc_u32(struct idr *idr, void *ptr, ioasid_t *nextid,
			 ioasid_t max)
{
	ioasid_t min = *nextid, id;
	struct ioasid_space *space;
	int ret = idr_enter_alloc(idr, min, max, &space);

	if (ret)
		return ret;
	ret = ioasid_space_reserve_id(space, NULL, min, max, &id);
	if (!ret) {
		*nextid = id;
		/* Without notifiers nothing can fail. */
		ioasid_space_publish_id(space, id, ptr);
	}
	idr_leave(space);
	return idr_error(ret);
}

void *idr_replace(struct idr *idr, void *ptr, unsigned long id)
{
	struct ioasid_space *space = idr_enter(idr);
	int ret = -ENOENT;
	void *old;

	if (!space)
		return ERR_PTR(ret);
	if (id < INVALID_IOASID)
		ret = ioasid_space_exchange_data(space, (ioasid_t)id, ptr,
						 &old);
	idr_leave(space);
	return ret ? ERR_PTR(ret) : old;
}

void *idr_remove(struct idr *idr, unsigned long id)
{
	struct ioasid_space *space = idr_enter(idr);
	void *ptr = NULL;

	if (!space)
		return NULL;
	if (id < INVALID_IOASID &&
	    ioasid_space_remove(space, NULL, (ioasid_t)id, &ptr))
		ptr = NULL;
	idr_leave(space);
	return ptr;
}

void *ioasid_idr_next(struct idr *idr, ioasid_t min, ioasid_t max, ioasid_t *id)
{
	struct ioasid_space *space = idr_enter(idr);
	void *ptr = NULL;

	if (!space)
		return NULL;
	while (!ioasid_space_next(space, NULL, min, max, id, &ptr) && !ptr &&
	       *id < max)
		min = *id + 1;
	idr_leave(space);
	return ptr;
}

int idr_for_each(struct idr *idr, int (*fn)(int id, void *p, void *data),
		 void *data)
{
	void *ptr;
	int ret;
	int id;

	idr_for_each_entry(idr, ptr, id)
	{
		ret = fn(id, ptr, data);
		if (ret)
			return ret;
	}
	return 0;
}

bool idr_is_empty(const struct idr *idr)
{
	struct ioasid_space *space = idr_enter(idr);
	struct ioasid_stats stats;

	if (!space)
		return true;
	ioasid_space_stats(space, &stats);
	idr_leave(space);
	return !stats.live;
}

void idr_destroy(struct idr *idr)
{
	struct orphan *orphan = malloc(sizeof(*orphan));
	struct ioasid_space *space;

	if (!orphan) {
		/* At least its IDs. */
		space = idr_enter(idr);
		if (space) {
			ioasid_space_free_all(space, NULL);
			idr_leave(space);
		}
		return;
	}
	orphan->space = ioasid_exchange_acquire(&idr->space, NULL);
	if (!orphan->space) {
		free(orphan);
		return;
	}
	orphan_push(orphan);
	orphans_destroy(ioasid_idr_rcu());
}
