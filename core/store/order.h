/* SPDX-License-Identifier: MIT */
#ifndef IOASID_STORE_ORDER_H
#define IOASID_STORE_ORDER_H

#include <ioasid/store.h>

IOASID_BEGIN_INTERNAL

/*
 * The IDs of a hash store in order: those that have a cell, and which of them
 * are occupied. All but the check cost the levels of a tree over 32 bits.
 */
struct ioasid_order {
	const struct ioasid_memory *memory;
	void *root;
	/* the room of a list with all IDs, at least */
	uint32_t least;
	/* what is allocated */
	size_t bytes;
};

#define IOASID_ORDER_LEVELS 7

/* The way down to an ID: its nodes, the last at @level, and its list if any. */
struct ioasid_order_way {
	unsigned int level;
	struct ioasid_order_node *node[IOASID_ORDER_LEVELS];
	struct ioasid_order_list *list;
};

/* Makes room for as many IDs as a first table has; false: no memory. */
bool ioasid_order_create(struct ioasid_order *order,
			 const struct ioasid_memory *memory, uint32_t room);
void ioasid_order_destroy(struct ioasid_order *order);

/*
 * The lowest ID from @id on that is not occupied, and the way to it; perhaps
 * beyond 32 bits, then without a way.
 */
uint64_t ioasid_order_vacant(const struct ioasid_order *order, ioasid_t id,
			     struct ioasid_order_way *way);
/*
 * Makes the ID occupied that was found last, and says whether it was @known.
 * One that was needs no memory; false: another does and there is none.
 */
bool ioasid_order_occupy(struct ioasid_order *order,
			 struct ioasid_order_way *way, ioasid_t id,
			 bool *known);
/* It stays known. */
void ioasid_order_vacate(struct ioasid_order *order, ioasid_t id);
/* A known ID that is vacant is not known any more. Needs no memory. */
void ioasid_order_forget(struct ioasid_order *order, ioasid_t id);

/* As the stores' own. */
size_t ioasid_order_occupied(const struct ioasid_order *order, ioasid_t min,
			     ioasid_t max, ioasid_t *ids, size_t count);

/* Is @id known, and @occupied? */
bool ioasid_order_known(const struct ioasid_order *order, ioasid_t id,
			bool *occupied);
/* What is wrong with it, or NULL; counts the known and the occupied IDs. */
const char *ioasid_order_check(const struct ioasid_order *order,
			       uint32_t *known, uint32_t *occupied);

IOASID_END_INTERNAL

#endif /* IOASID_STORE_ORDER_H */
