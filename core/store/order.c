/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "order.h"

#ifndef IOASID_NO_HASH
#include "../platform/memory.h"
#include "../platform/util.h"

/*
 * A burst trie (Heinz, Zobel and Williams, 2002): few IDs are a sorted list;
 * a list that overflows bursts into a node over 16 lists, each of one part of
 * its range. At the bottom, where a range is as small as its bits, a node has
 * words of bits for lists, as Roaring bitmaps do (Chambi, Lemire, Kaser and
 * Godin, 2016). So scattered IDs cost little more than their numbers, and runs
 * of IDs a bit each.
 *
 * Each node says which parts have an occupied ID and which are nothing but
 * occupied ones. A search fails at most along the way to where it begins; from
 * the first part beside that way which may have what is wanted, it cannot fail.
 *
 * An ID has its place as long as it is known: in a list an entry, and at the
 * bottom a share of the node. That is why one that comes back needs no memory,
 * nor one that goes.
 */

#define ORDER_BITS 4
#define ORDER_FANOUT (1u << ORDER_BITS)
/* Words of 2^6 IDs; the root has the last two bits. */
#define ORDER_LEVELS IOASID_ORDER_LEVELS
#define ORDER_FULL ((1u << ORDER_FANOUT) - 1)
/* The most entries of a list; at the bottom, where a node's words take less. */
#define ORDER_LIST 128
#define ORDER_LIST_BOTTOM 64
/* The most of a list that takes the place of a node again. */
#define ORDER_MERGED 32
#define ORDER_MERGED_BOTTOM 16

_Static_assert(6 + ORDER_BITS * ORDER_LEVELS >= 32, "the root has every ID");

struct ioasid_order_node {
	/* One bit a part: has it an occupied ID, has it no other? */
	uint16_t some, full;
	/* parts there are; at the bottom, known IDs */
	uint32_t count;
	union {
		/* a node, a list with its lowest bit set, or NULL */
		void *child[ORDER_FANOUT];
		/* one bit an occupied ID */
		uint64_t word[ORDER_FANOUT];
	} part;
	/* at the bottom: one bit a known ID */
	uint64_t known[];
};

struct ioasid_order_list {
	uint32_t count, room;
	/* one bit an entry */
	uint64_t occupied[ORDER_LIST / 64];
	ioasid_t id[];
};

/* The bits of an ID below those that choose a part of a node. */
static unsigned int order_shift(unsigned int level)
{
	return 6 + level * ORDER_BITS;
}

static unsigned int order_index(uint64_t id, unsigned int level)
{
	return (unsigned int)(id >> order_shift(level)) & (ORDER_FANOUT - 1);
}

static unsigned int order_bit(ioasid_t id, unsigned int level)
{
	return 1u << order_index(id, level);
}

static uint64_t order_word_bit(ioasid_t id)
{
	return UINT64_C(1) << id % 64;
}

static struct ioasid_order_list *order_as_list(const void *where)
{
	uintptr_t address = (uintptr_t)where;

	return address & 1 ? (struct ioasid_order_list *)(address - 1) : NULL;
}

static void *order_from_list(struct ioasid_order_list *list)
{
	return (char *)list + 1;
}

static void *order_alloc(struct ioasid_order *order, size_t size)
{
	void *block = ioasid_memory_alloc(order->memory, size);

	if (block)
		order->bytes += size;
	return block;
}

static void order_free(struct ioasid_order *order, void *block, size_t size)
{
	ioasid_memory_free(order->memory, block, size);
	order->bytes -= size;
}

static size_t order_node_size(unsigned int level)
{
	return sizeof(struct ioasid_order_node) +
	       (level ? 0 : ORDER_FANOUT * sizeof(uint64_t));
}

static void order_node_free(struct ioasid_order *order,
			    struct ioasid_order_node *node, unsigned int level)
{
	order_free(order, node, order_node_size(level));
}

static size_t order_list_size(uint32_t room)
{
	return sizeof(struct ioasid_order_list) + room * sizeof(ioasid_t);
}

static void order_list_free(struct ioasid_order *order,
			    struct ioasid_order_list *list)
{
	order_free(order, list, order_list_size(list->room));
}

static bool order_entry_occupied(const struct ioasid_order_list *list,
				 uint32_t at)
{
	return list->occupied[at / 64] >> at % 64 & 1;
}

static bool order_list_some(const struct ioasid_order_list *list)
{
	return list->occupied[0] || list->occupied[1];
}

/* Room for these entries and some more. */
static uint32_t order_room(uint32_t count)
{
	uint32_t room = (count + count / 8 + 4) & ~3u;

	return room < ORDER_LIST ? room : ORDER_LIST;
}

/* An empty list, or NULL. */
static struct ioasid_order_list *order_list_alloc(struct ioasid_order *order,
						  uint32_t room)
{
	struct ioasid_order_list *list =
		order_alloc(order, order_list_size(room));

	if (!list)
		return NULL;
	list->count = 0;
	list->room = room;
	memset(list->occupied, 0, sizeof(list->occupied));
	return list;
}

static void order_list_append(struct ioasid_order_list *list, ioasid_t id,
			      bool occupied)
{
	IOASID_STEP();
	list->id[list->count] = id;
	list->occupied[list->count / 64] |= (uint64_t)occupied
					    << list->count % 64;
	list->count++;
}

/* A list of some entries of another, with room for more; NULL: no memory. */
static struct ioasid_order_list *
order_list_copy(struct ioasid_order *order,
		const struct ioasid_order_list *from, uint32_t first,
		uint32_t count, uint32_t room)
{
	struct ioasid_order_list *list = order_list_alloc(order, room);

	if (!list)
		return NULL;
	for (uint32_t i = 0; i < count; i++)
		order_list_append(list, from->id[first + i],
				  order_entry_occupied(from, first + i));
	return list;
}

/* The first entry that is not below @id. */
static uint32_t order_list_find(const struct ioasid_order_list *list,
				uint64_t id)
{
	uint32_t first = 0, count = list->count, half;

	while (count) {
		IOASID_STEP();
		half = count / 2;
		if (list->id[first + half] < id) {
			first += half + 1;
			count -= half + 1;
		} else {
			count = half;
		}
	}
	return first;
}

/* Adds a vacant entry; there is room. */
static void order_list_insert(struct ioasid_order_list *list, uint32_t at,
			      ioasid_t id)
{
	uint32_t word = at / 64;
	uint64_t below = order_word_bit(at) - 1;

	memmove(&list->id[at + 1], &list->id[at],
		(list->count - at) * sizeof(id));
	list->id[at] = id;
	list->count++;
	if (!word)
		list->occupied[1] = list->occupied[1] << 1 |
				    list->occupied[0] >> 63;
	list->occupied[word] = (list->occupied[word] & below) |
			       (list->occupied[word] & ~below) << 1;
}

/* Takes out a vacant entry. */
static void order_list_remove(struct ioasid_order_list *list, uint32_t at)
{
	uint32_t word = at / 64;
	uint64_t below = order_word_bit(at) - 1;

	list->count--;
	memmove(&list->id[at], &list->id[at + 1],
		(list->count - at) * sizeof(list->id[0]));
	list->occupied[word] = (list->occupied[word] & below) |
			       (list->occupied[word] >> 1 & ~below);
	if (!word) {
		list->occupied[0] |= list->occupied[1] << 63;
		list->occupied[1] >>= 1;
	}
}

static void order_walk(const struct ioasid_order *order, ioasid_t id,
		       struct ioasid_order_way *way)
{
	void *where = order->root;

	way->level = ORDER_LEVELS;
	while (where && !order_as_list(where)) {
		IOASID_STEP();
		way->node[--way->level] = where;
		if (!way->level)
			break;
		where = way->node[way->level]
				->part.child[order_index(id, way->level)];
	}
	way->list = order_as_list(where);
}

/* Where the way to @id goes on after its last node. */
static void **order_link(struct ioasid_order *order,
			 struct ioasid_order_way *way, ioasid_t id)
{
	if (way->level == ORDER_LEVELS)
		return &order->root;
	return &way->node[way->level]->part.child[order_index(id, way->level)];
}

/* Has a node's words take over from a list. */
static void order_to_words(struct ioasid_order_node *node,
			   const struct ioasid_order_list *list)
{
	unsigned int index;

	node->count = list->count;
	for (uint32_t i = 0; i < list->count; i++) {
		IOASID_STEP();
		index = order_index(list->id[i], 0);
		node->known[index] |= order_word_bit(list->id[i]);
		if (!order_entry_occupied(list, i))
			continue;
		node->part.word[index] |= order_word_bit(list->id[i]);
		node->some |= (uint16_t)(1u << index);
		if (!~node->part.word[index])
			node->full |= (uint16_t)(1u << index);
	}
}

/* Has lists of a node at @level take over from one; false: no memory. */
static bool order_to_lists(struct ioasid_order *order,
			   struct ioasid_order_node *node, unsigned int level,
			   const struct ioasid_order_list *list)
{
	struct ioasid_order_list *part;
	unsigned int index;
	uint32_t i, end;

	for (i = 0; i < list->count; i = end) {
		index = order_index(list->id[i], level);
		for (end = i + 1; end < list->count; end++) {
			IOASID_STEP();
			if (order_index(list->id[end], level) != index)
				break;
		}
		part = order_list_copy(order, list, i, end - i,
				       order_room(end - i));
		if (!part)
			break;
		node->part.child[index] = order_from_list(part);
		node->count++;
		if (order_list_some(part))
			node->some |= (uint16_t)(1u << index);
	}
	if (i == list->count)
		return true;
	for (i = 0; i < ORDER_FANOUT; i++)
		if (node->part.child[i])
			order_list_free(order,
					order_as_list(node->part.child[i]));
	return false;
}

/* Puts a node in the place of the list at the end of a way. */
static bool order_burst(struct ioasid_order *order,
			struct ioasid_order_way *way, ioasid_t id)
{
	struct ioasid_order_list *list = way->list;
	unsigned int level = way->level - 1;
	struct ioasid_order_node *node =
		order_alloc(order, order_node_size(level));
	unsigned int index = order_index(list->id[0], level);

	if (!node)
		return false;
	memset(node, 0, order_node_size(level));
	if (!level) {
		order_to_words(node, list);
	} else if (index == order_index(list->id[list->count - 1], level)) {
		/* It is in one part as a whole. */
		node->part.child[index] = order_from_list(list);
		node->count = 1;
		node->some = (uint16_t)(order_list_some(list) << index);
		list = NULL;
	} else if (!order_to_lists(order, node, level, list)) {
		order_node_free(order, node, level);
		return false;
	}
	*order_link(order, way, id) = node;
	if (list)
		order_list_free(order, list);
	return true;
}

/* The room for a list of some entries at the end of a way. */
static uint32_t order_room_at(const struct ioasid_order *order,
			      const struct ioasid_order_way *way,
			      uint32_t count)
{
	uint32_t room = order_room(count);

	return way->level == ORDER_LEVELS && room < order->least ?
		       order->least :
		       room;
}

/* Puts a list with more or less room in the place of one. */
static bool order_resize(struct ioasid_order *order,
			 struct ioasid_order_way *way, ioasid_t id)
{
	const uint32_t count = way->list->count;
	struct ioasid_order_list *list = order_list_copy(
		order, way->list, 0, count, order_room_at(order, way, count));

	if (!list)
		return false;
	*order_link(order, way, id) = order_from_list(list);
	order_list_free(order, way->list);
	way->list = list;
	return true;
}

bool ioasid_order_create(struct ioasid_order *order,
			 const struct ioasid_memory *memory, uint32_t room)
{
	struct ioasid_order_list *list;

	order->memory = memory;
	order->least = room < ORDER_LIST ? room : ORDER_LIST;
	list = order_list_alloc(order, order->least);
	if (!list)
		return false;
	order->root = order_from_list(list);
	return true;
}

/* Does the place where a way ends have the ID? Where, in a list. */
static bool order_at(const struct ioasid_order_way *way, ioasid_t id,
		     uint32_t *at)
{
	if (!way->list)
		return !way->level && way->node[0]->known[order_index(id, 0)] &
					      order_word_bit(id);
	*at = order_list_find(way->list, id);
	return *at < way->list->count && way->list->id[*at] == id;
}

/* Makes a place for @id where a way ends; the way may get longer. */
static bool order_add(struct ioasid_order *order, ioasid_t id,
		      struct ioasid_order_way *way, uint32_t *at)
{
	struct ioasid_order_list *list;

	while (way->list &&
	       way->list->count >=
		       (way->level == 1 ? ORDER_LIST_BOTTOM : ORDER_LIST)) {
		if (!order_burst(order, way, id))
			return false;
		order_walk(order, id, way);
	}
	if (!way->level) {
		way->node[0]->known[order_index(id, 0)] |= order_word_bit(id);
		way->node[0]->count++;
		return true;
	}
	if (!way->list) {
		list = order_list_alloc(order, order_room_at(order, way, 0));
		if (!list)
			return false;
		*order_link(order, way, id) = order_from_list(list);
		way->list = list;
		if (way->level < ORDER_LEVELS)
			way->node[way->level]->count++;
	} else if (way->list->count == way->list->room &&
		   !order_resize(order, way, id)) {
		return false;
	}
	*at = order_list_find(way->list, id);
	order_list_insert(way->list, *at, id);
	return true;
}

bool ioasid_order_occupy(struct ioasid_order *order,
			 struct ioasid_order_way *way, ioasid_t id, bool *known)
{
	unsigned int level, index;
	uint32_t at = 0;

	*known = order_at(way, id, &at);
	if (!*known && !order_add(order, id, way, &at))
		return false;
	if (way->list) {
		way->list->occupied[at / 64] |= order_word_bit(at);
	} else {
		index = order_index(id, 0);
		way->node[0]->part.word[index] |= order_word_bit(id);
		if (!~way->node[0]->part.word[index])
			for (level = 0; level < ORDER_LEVELS; level++) {
				IOASID_STEP();
				way->node[level]->full |=
					(uint16_t)order_bit(id, level);
				if (way->node[level]->full != ORDER_FULL)
					break;
			}
	}
	for (level = way->level; level < ORDER_LEVELS; level++) {
		IOASID_STEP();
		if (way->node[level]->some & order_bit(id, level))
			break;
		way->node[level]->some |= (uint16_t)order_bit(id, level);
	}
	return true;
}

void ioasid_order_vacate(struct ioasid_order *order, ioasid_t id)
{
	struct ioasid_order_way way;
	unsigned int level;
	uint64_t *word;
	uint32_t at;

	order_walk(order, id, &way);
	if (way.list) {
		at = order_list_find(way.list, id);
		way.list->occupied[at / 64] &= ~order_word_bit(at);
		if (order_list_some(way.list))
			return;
	} else {
		word = &way.node[0]->part.word[order_index(id, 0)];
		for (level = 0; level < ORDER_LEVELS; level++) {
			IOASID_STEP();
			if (!(way.node[level]->full & order_bit(id, level)))
				break;
			way.node[level]->full &=
				(uint16_t)~order_bit(id, level);
		}
		*word &= ~order_word_bit(id);
		if (*word)
			return;
	}
	for (level = way.level; level < ORDER_LEVELS; level++) {
		IOASID_STEP();
		way.node[level]->some &= (uint16_t)~order_bit(id, level);
		if (way.node[level]->some)
			break;
	}
}

/* The known IDs of a node whose parts are no nodes, or more than are merged. */
static uint32_t order_mergeable(const struct ioasid_order_node *node,
				unsigned int level)
{
	uint32_t count = 0;

	if (!level)
		return node->count;
	for (unsigned int i = 0; i < ORDER_FANOUT; i++) {
		IOASID_STEP();
		if (!node->part.child[i])
			continue;
		if (!order_as_list(node->part.child[i]))
			return UINT32_MAX;
		count += order_as_list(node->part.child[i])->count;
	}
	return count;
}

/* Puts a list in the place of the last node of a way if it has few IDs. */
static bool order_merge(struct ioasid_order *order,
			struct ioasid_order_way *way, ioasid_t id)
{
	const unsigned int level = way->level;
	struct ioasid_order_node *node = way->node[level];
	uint32_t count = order_mergeable(node, level);
	struct ioasid_order_list *list, *part;

	if (count > (level ? ORDER_MERGED : ORDER_MERGED_BOTTOM))
		return false;
	way->level++;
	list = order_list_alloc(order, order_room_at(order, way, count));
	if (!list)
		return false;
	for (unsigned int i = 0; i < ORDER_FANOUT; i++) {
		IOASID_STEP();
		if (!level) {
			for (uint64_t bits = node->known[i]; bits;
			     bits &= bits - 1)
				order_list_append(
					list,
					(ioasid_t)(id >> 10 << 10 | i << 6 |
						   ioasid_lowest_bit(bits)),
					node->part.word[i] & bits & -bits);
			continue;
		}
		part = order_as_list(node->part.child[i]);
		for (uint32_t j = 0; part && j < part->count; j++)
			order_list_append(list, part->id[j],
					  order_entry_occupied(part, j));
		if (part)
			order_list_free(order, part);
	}
	*order_link(order, way, id) = order_from_list(list);
	order_node_free(order, node, level);
	return true;
}

/* Something at the end of a way has got shorter, or gone. */
static void order_merge_up(struct ioasid_order *order,
			   struct ioasid_order_way *way, ioasid_t id)
{
	while (way->level < ORDER_LEVELS && order_merge(order, way, id))
		;
}

void ioasid_order_forget(struct ioasid_order *order, ioasid_t id)
{
	struct ioasid_order_list *list;
	struct ioasid_order_way way;
	uint32_t room;

	order_walk(order, id, &way);
	list = way.list;
	if (list) {
		order_list_remove(list, order_list_find(list, id));
		/* Without memory for a shorter one it stays as it is. */
		if (list->count || way.level == ORDER_LEVELS) {
			room = order_room_at(order, &way, list->count);
			if (list->room <= (list->count ? 2 * room : room))
				return;
			order_resize(order, &way, id);
			order_merge_up(order, &way, id);
			return;
		}
		order_list_free(order, list);
	} else {
		way.node[0]->known[order_index(id, 0)] &= ~order_word_bit(id);
		if (--way.node[0]->count) {
			order_merge_up(order, &way, id);
			return;
		}
		order_node_free(order, way.node[0], 0);
		way.level = 1;
	}
	for (; way.level < ORDER_LEVELS; way.level++) {
		IOASID_STEP();
		*order_link(order, &way, id) = NULL;
		if (--way.node[way.level]->count) {
			order_merge_up(order, &way, id);
			return;
		}
		order_node_free(order, way.node[way.level], way.level);
	}
	/* Or the next ID finds no list, and needs memory. */
	if (!ioasid_order_create(order, order->memory, order->least))
		order->root = NULL;
}

/* The lowest vacant ID from @id on, or the end of what the list has room for. */
static uint64_t order_vacant_in_list(const struct ioasid_order_list *list,
				     uint64_t id)
{
	uint32_t at = order_list_find(list, id), run = 1, last, middle, i;
	uint64_t vacant;

	if (at == list->count || list->id[at] != id)
		return id;
	/* How many entries from there on have no ID between them? */
	last = list->count - at;
	while (run < last) {
		IOASID_STEP();
		middle = (run + last + 1) / 2;
		if (list->id[at + middle - 1] == id + middle - 1)
			run = middle;
		else
			last = middle - 1;
	}
	for (i = at; i < at + run; i = (i / 64 + 1) * 64) {
		IOASID_STEP();
		vacant = ~list->occupied[i / 64] >> i % 64;
		if (!vacant)
			continue;
		i += ioasid_lowest_bit(vacant);
		if (i < at + run)
			return id + (i - at);
		break;
	}
	return id + run;
}

/* The end of a part of a node at @level. */
static uint64_t order_end(uint64_t id, unsigned int level)
{
	return ((id >> order_shift(level)) + 1) << order_shift(level);
}

/*
 * The first part from @id on with a vacant ID, in the last node of the way or
 * in one above. @past: @id comes after a part, perhaps after its node's last.
 * False: there is none; or it is a word, and @id is that vacant ID.
 */
static bool order_vacant_part(struct ioasid_order_way *way, uint64_t *id,
			      bool past)
{
	const struct ioasid_order_node *node;
	unsigned int open, index, shift;
	uint64_t vacant;

	while (way->level < ORDER_LEVELS) {
		IOASID_STEP();
		node = way->node[way->level];
		shift = order_shift(way->level);
		index = order_index(*id, way->level);
		if (past && !index) {
			way->level++;
			continue;
		}
		open = (ORDER_FULL & ~(unsigned int)node->full) >> index;
		if (!open) {
			*id = order_end(*id, ++way->level);
			past = true;
			continue;
		}
		if (!(open & 1))
			*id = ((*id >> shift) + ioasid_lowest_bit(open))
			      << shift;
		if (way->level)
			return true;
		vacant = ~node->part.word[order_index(*id, 0)] >> *id % 64;
		if (vacant) {
			*id += ioasid_lowest_bit(vacant);
			return false;
		}
		*id = order_end(*id, 0);
		past = true;
	}
	return false;
}

uint64_t ioasid_order_vacant(const struct ioasid_order *order, ioasid_t first,
			     struct ioasid_order_way *way)
{
	void *where = order->root;
	uint64_t id = first, end;
	bool past;

	way->level = ORDER_LEVELS;
	for (;;) {
		way->list = order_as_list(where);
		if (!where)
			return id;
		past = way->list != NULL;
		if (past) {
			end = order_end(id, way->level);
			id = order_vacant_in_list(way->list, id);
			if (id < end)
				return id;
			way->list = NULL;
		} else {
			way->node[--way->level] = where;
		}
		if (!order_vacant_part(way, &id, past))
			return id;
		where = way->node[way->level]
				->part.child[order_index(id, way->level)];
	}
}

/* What is asked for, and how much of it was found. */
struct order_query {
	ioasid_t min, max;
	ioasid_t *ids;
	size_t count, found;
};

static bool order_found(struct order_query *query, uint64_t id)
{
	if (id > query->max || query->found == query->count)
		return false;
	query->ids[query->found++] = (ioasid_t)id;
	return true;
}

/* Some entries' or a word's IDs in order; false: no more are wanted. */
static bool order_found_in_list(const struct ioasid_order_list *list,
				struct order_query *query)
{
	uint32_t at = order_list_find(list, query->min);
	uint64_t bits;

	for (; at < list->count; at = (at / 64 + 1) * 64) {
		IOASID_STEP();
		bits = list->occupied[at / 64] & ~UINT64_C(0) << at % 64;
		for (; bits; bits &= bits - 1)
			if (!order_found(query,
					 list->id[at / 64 * 64 +
						  ioasid_lowest_bit(bits)]))
				return false;
	}
	return true;
}

static bool order_found_in_word(uint64_t bits, uint64_t first,
				struct order_query *query)
{
	if (query->min > first)
		bits &= ~UINT64_C(0) << query->min % 64;
	for (; bits; bits &= bits - 1)
		if (!order_found(query, first + ioasid_lowest_bit(bits)))
			return false;
	return true;
}

/* @where as for vacant IDs, its lowest ID being @first. */
static bool order_found_below(const void *where, unsigned int level,
			      uint64_t first, struct order_query *query)
{
	const struct ioasid_order_node *node = where;
	unsigned int some, index;
	uint64_t start;
	bool more;

	if (order_as_list(where))
		return order_found_in_list(order_as_list(where), query);
	some = node->some;
	if (query->min > first)
		some &= ORDER_FULL << order_index(query->min, level);
	for (more = true; some && more; some &= some - 1) {
		IOASID_STEP();
		index = ioasid_lowest_bit(some);
		start = first + ((uint64_t)index << order_shift(level));
		if (start > query->max || query->found == query->count)
			return false;
		more = level ? order_found_below(node->part.child[index],
						 level - 1, start, query) :
			       order_found_in_word(node->part.word[index],
						   start, query);
	}
	return more;
}

size_t ioasid_order_occupied(const struct ioasid_order *order, ioasid_t min,
			     ioasid_t max, ioasid_t *ids, size_t count)
{
	struct order_query query = { min, max, ids, count, 0 };

	if (order->root)
		order_found_below(order->root, ORDER_LEVELS - 1, 0, &query);
	return query.found;
}

static void order_destroy_below(struct ioasid_order *order, void *where,
				unsigned int level)
{
	struct ioasid_order_node *node = where;

	if (!where)
		return;
	if (order_as_list(where)) {
		order_list_free(order, order_as_list(where));
		return;
	}
	for (unsigned int i = 0; level && i < ORDER_FANOUT; i++)
		order_destroy_below(order, node->part.child[i], level - 1);
	order_node_free(order, node, level);
}

void ioasid_order_destroy(struct ioasid_order *order)
{
	order_destroy_below(order, order->root, ORDER_LEVELS - 1);
}

bool ioasid_order_known(const struct ioasid_order *order, ioasid_t id,
			bool *occupied)
{
	struct ioasid_order_way way;
	uint32_t at = 0;

	order_walk(order, id, &way);
	if (!order_at(&way, id, &at))
		return false;
	*occupied = way.list ? order_entry_occupied(way.list, at) :
			       way.node[0]->part.word[order_index(id, 0)] >>
					       id % 64 &
				       1;
	return true;
}

struct order_tally {
	uint32_t known, occupied;
	size_t bytes;
};

static const char *order_check_list(const struct ioasid_order_list *list,
				    unsigned int level, uint64_t first,
				    struct order_tally *tally)
{
	uint64_t least = first,
		 end = first + (UINT64_C(1) << order_shift(level));

	if ((!list->count && level < ORDER_LEVELS) ||
	    list->count > list->room || list->room > ORDER_LIST)
		return "order: length of a list";
	for (uint32_t i = 0; i < ORDER_LIST; i++) {
		if (i >= list->count) {
			if (order_entry_occupied(list, i))
				return "order: bit past the end of a list";
			continue;
		}
		if (list->id[i] < least || list->id[i] >= end)
			return "order: list not ascending in its range";
		least = (uint64_t)list->id[i] + 1;
		tally->occupied += order_entry_occupied(list, i);
	}
	tally->known += list->count;
	tally->bytes += order_list_size(list->room);
	return NULL;
}

/* As for destroy; tells of what it checked whether @some and @full bits fit. */
static const char *order_check_below(const void *where, unsigned int level,
				     uint64_t first, bool *some, bool *full,
				     struct order_tally *tally)
{
	const struct ioasid_order_node *node = where;
	const char *reason;
	uint32_t count = 0;
	uint64_t word;

	*some = *full = false;
	if (order_as_list(where)) {
		*some = order_list_some(order_as_list(where));
		return order_check_list(order_as_list(where), level + 1, first,
					tally);
	}
	tally->bytes += order_node_size(level);
	for (unsigned int i = 0; i < ORDER_FANOUT; i++) {
		*some = *full = false;
		if (!level) {
			word = node->part.word[i];
			*some = word != 0;
			*full = !~word;
			if (word & ~node->known[i])
				return "order: occupied ID is not known";
			tally->occupied += (uint32_t)__builtin_popcountll(word);
			count += (uint32_t)__builtin_popcountll(node->known[i]);
		} else if (node->part.child[i]) {
			count++;
			reason = order_check_below(
				node->part.child[i], level - 1,
				first + ((uint64_t)i << order_shift(level)),
				some, full, tally);
			if (reason)
				return reason;
		}
		if (*some != (node->some >> i & 1))
			return "order: bit of an occupied part differs";
		if (*full != (node->full >> i & 1))
			return "order: bit of a full part differs";
	}
	if (!count || count != node->count)
		return "order: number of parts differs";
	if (!level)
		tally->known += count;
	*some = node->some != 0;
	*full = node->full == ORDER_FULL;
	return NULL;
}

const char *ioasid_order_check(const struct ioasid_order *order,
			       uint32_t *known, uint32_t *occupied)
{
	struct order_tally tally = { 0, 0, 0 };
	const char *reason = NULL;
	bool some, full;

	if (order->root)
		reason = order_check_below(order->root, ORDER_LEVELS - 1, 0,
					   &some, &full, &tally);
	if (!reason && tally.bytes != order->bytes)
		reason = "order: memory in use differs";
	*known = tally.known;
	*occupied = tally.occupied;
	return reason;
}
#endif /* IOASID_NO_HASH */
