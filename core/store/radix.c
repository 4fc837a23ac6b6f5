/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "radix.h"

#ifndef IOASID_NO_RADIX
#include "../platform/memory.h"
#include "../platform/util.h"
#include "generation.h"

/*
 * A tree whose height grows with the range used. A node's bits say which
 * children have no vacant ID, and which have an occupied one; a missing child
 * is all vacant. The leaf emptied last stays until another is, so that one ID
 * coming and going costs no node.
 */

#define LEAF_BITS IOASID_RADIX_LEAF_BITS
#define NODE_BITS IOASID_RADIX_NODE_BITS
#define FANOUT IOASID_RADIX_FANOUT
#define SLOTS IOASID_RADIX_SLOTS
#define HEIGHT_MAX 15
#define ALL_SLOTS (~UINT64_C(0) >> (64 - SLOTS))
#define FULL_WORD (~UINT64_C(0) >> (FANOUT < 64 ? 64 - FANOUT : 0))

_Static_assert(LEAF_BITS <= 6 && LEAF_BITS >= 1 && NODE_BITS >= 1,
	       "a leaf's occupancy is one word");
_Static_assert(LEAF_BITS + HEIGHT_MAX * NODE_BITS >= 32,
	       "the height has four bits");

struct radix;

/* A node and its owner, for the callback that frees it. */
struct radix_node {
	struct ioasid_radix_node node;
	struct radix *radix;
};

struct radix_leaf {
	struct ioasid_radix_leaf leaf;
	struct radix *radix;
};

struct radix {
	struct ioasid_memory memory;
	struct ioasid_rcu *rcu;
	uint32_t generation;
	bool idle;
	ioasid_t idle_id;
};

/* The way down to an ID: nodes by height, node[0] being the leaf. */
struct path {
	unsigned int height;
	void *node[HEIGHT_MAX + 1];
};

static unsigned int shift_of(unsigned int height)
{
	return LEAF_BITS + height * NODE_BITS;
}

static unsigned int root_height(const struct ioasid_store *store)
{
	return (unsigned int)((uintptr_t)ioasid_load_relaxed(&store->root) &
			      IOASID_RADIX_HEIGHT);
}

static void *root_node(const struct ioasid_store *store)
{
	return (void *)((uintptr_t)ioasid_load_relaxed(&store->root) &
			~IOASID_RADIX_HEIGHT);
}

static void set_root(struct ioasid_store *store, void *node,
		     unsigned int height)
{
	ioasid_store_release(&store->root, (void *)((uintptr_t)node | height));
}

static unsigned int child_index(ioasid_t id, unsigned int height)
{
	return id >> shift_of(height - 1) & (FANOUT - 1);
}

static void *child_of(const struct ioasid_radix_node *node, unsigned int index)
{
	return ioasid_load_relaxed(&node->child[index]);
}

static bool fits(ioasid_t id, unsigned int height)
{
	return !((uint64_t)id >> shift_of(height));
}

static uint64_t leaf_bit(ioasid_t id)
{
	return UINT64_C(1) << (id & (SLOTS - 1));
}

static bool bit_at(const uint64_t *bits, unsigned int index)
{
	return bits[index / 64] >> index % 64 & 1;
}

static void set_bit(uint64_t *bits, unsigned int index)
{
	bits[index / 64] |= UINT64_C(1) << index % 64;
}

static void clear_bit(uint64_t *bits, unsigned int index)
{
	bits[index / 64] &= ~(UINT64_C(1) << index % 64);
}

/* Has it an occupied ID? */
static bool has_some(const void *node, unsigned int height)
{
	const struct ioasid_radix_node *inner = node;
	uint64_t some = 0;

	if (!height)
		return ((const struct ioasid_radix_leaf *)node)->u.occupied;
	for (unsigned int i = 0; i < (FANOUT + 63) / 64; i++)
		some |= inner->some[i];
	return some;
}

static bool is_full(const void *node, unsigned int height)
{
	if (!height)
		return ((const struct ioasid_radix_leaf *)node)->u.occupied ==
		       ALL_SLOTS;
	for (unsigned int i = 0; i < (FANOUT + 63) / 64; i++)
		if (((const struct ioasid_radix_node *)node)->full[i] !=
		    FULL_WORD)
			return false;
	return true;
}

static void *node_alloc(struct radix *radix, unsigned int height)
{
	struct radix_leaf *leaf;
	struct radix_node *node;

	if (height) {
		node = ioasid_memory_zeroed(&radix->memory, sizeof(*node));
		if (node)
			node->radix = radix;
		return node;
	}
	leaf = ioasid_memory_zeroed(&radix->memory, sizeof(*leaf));
	if (!leaf)
		return NULL;
	for (unsigned int i = 0; i < SLOTS; i++)
		ioasid_slot_init(&leaf->leaf.slot[i], radix->generation);
	leaf->radix = radix;
	return leaf;
}

static void node_free(struct radix *radix, void *node, unsigned int height)
{
	ioasid_memory_zeroed_free(&radix->memory, node,
				  height ? sizeof(struct radix_node) :
					   sizeof(struct radix_leaf));
}

static void leaf_rcu_free(struct ioasid_rcu_head *head)
{
	struct radix_leaf *leaf =
		ioasid_container_of(head, struct radix_leaf, leaf.u.rcu);

	node_free(leaf->radix, leaf, 0);
}

static void node_rcu_free(struct ioasid_rcu_head *head)
{
	struct radix_node *node =
		ioasid_container_of(head, struct radix_node, node.rcu);

	node_free(node->radix, node, 1);
}

/* The bytes retired. */
static size_t node_retire(struct radix *radix, void *node, unsigned int height)
{
	struct ioasid_radix_leaf *leaf = node;
	struct ioasid_radix_node *inner = node;

	if (height) {
		ioasid_rcu_retire(radix->rcu, &inner->rcu, node_rcu_free,
				  sizeof(struct radix_node));
		return sizeof(struct radix_node);
	}
	for (unsigned int i = 0; i < SLOTS; i++)
		ioasid_slot_forget(&leaf->slot[i], &radix->generation);
	ioasid_rcu_retire(radix->rcu, &leaf->u.rcu, leaf_rcu_free,
			  sizeof(struct radix_leaf));
	return sizeof(struct radix_leaf);
}

static int radix_create(struct ioasid_store *store,
			const struct ioasid_store_config *config)
{
	struct radix *radix =
		ioasid_memory_zeroed(&config->memory, sizeof(*radix));

	if (!radix)
		return -ENOMEM;
	radix->memory = config->memory;
	radix->rcu = config->rcu;
	radix->generation = IOASID_GENERATION_START;
	store->impl = radix;
	set_root(store, NULL, 0);
	return 0;
}

static void free_below(struct radix *radix, void *node, unsigned int height)
{
	if (!node)
		return;
	for (unsigned int i = 0; height && i < FANOUT; i++)
		free_below(radix, child_of(node, i), height - 1);
	node_free(radix, node, height);
}

static void radix_destroy(struct ioasid_store *store)
{
	struct radix *radix = store->impl;
	struct ioasid_memory memory = radix->memory;

	free_below(radix, root_node(store), root_height(store));
	ioasid_memory_zeroed_free(&memory, radix, sizeof(*radix));
}

/*
 * The first child from @index on whose bit is 1 once XORed with @invert, or
 * FANOUT.
 */
static IOASID_INLINE unsigned int
next_child(const uint64_t *bits, uint64_t invert, unsigned int index)
{
	uint64_t found;

	while (index < FANOUT) {
		IOASID_STEP();
		found = (bits[index / 64] ^ invert) >> index % 64;
		if (found) {
			index += ioasid_lowest_bit(found);
			break;
		}
		index = (index / 64 + 1) * 64;
	}
	return index < FANOUT ? index : FANOUT;
}

/*
 * The lowest ID from @id on that is occupied, or that is vacant; past the range
 * of 32 bits if there is none. The end of a subtree without one sends the
 * search back to the root with the ID after it: once a level at most, as the
 * subtree chosen next has one.
 */
static IOASID_INLINE uint64_t next_id(const struct ioasid_store *store,
				      uint64_t id, bool occupied)
{
	const uint64_t invert = occupied ? 0 : ~UINT64_C(0);
	const struct ioasid_radix_node *inner;
	unsigned int height, index, next;
	uint64_t found;
	void *node;

restart:
	height = root_height(store);
	node = root_node(store);
	if (id >> shift_of(height) || id > UINT32_MAX)
		return occupied ? UINT64_MAX : id;
	for (; node && height; height--) {
		inner = node;
		index = child_index((ioasid_t)id, height);
		next = next_child(occupied ? inner->some : inner->full, invert,
				  index);
		if (next != index) {
			id >>= shift_of(height - 1);
			id = (id - index + next) << shift_of(height - 1);
			if (next == FANOUT)
				goto restart;
		}
		node = child_of(inner, next);
	}
	if (!node)
		return occupied ? UINT64_MAX : id;
	found = (((struct ioasid_radix_leaf *)node)->u.occupied ^ invert) &
		ALL_SLOTS & ~(leaf_bit((ioasid_t)id) - 1);
	if (!found) {
		id = ((id >> LEAF_BITS) + 1) << LEAF_BITS;
		goto restart;
	}
	return (id >> LEAF_BITS << LEAF_BITS) + ioasid_lowest_bit(found);
}

/* Walks to @id's leaf; false if it is not there. */
static bool walk(const struct ioasid_store *store, ioasid_t id,
		 struct path *path)
{
	unsigned int height = root_height(store);
	void *node = root_node(store);

	path->height = height;
	if (!fits(id, height))
		return false;
	while (node) {
		IOASID_STEP();
		path->node[height] = node;
		if (!height)
			return true;
		node = child_of(node, child_index(id, height));
		height--;
	}
	return false;
}

/*
 * Adds the nodes missing on the way to @id: roots above the present one until
 * the ID fits, then what is missing below. All are allocated before the first
 * is linked, so that -ENOMEM leaves the tree as it was.
 */
static int extend(struct ioasid_store *store, ioasid_t id)
{
	unsigned int height = root_height(store), roots = 0, below, top, i, h;
	struct radix *radix = store->impl;
	void *node = root_node(store), *child, *fresh[2 * HEIGHT_MAX + 2];
	struct ioasid_radix_node *parent;

	top = node ? height : 0;
	while (!fits(id, top))
		top++;
	below = top;
	if (!node)
		below++;
	else if (top > height)
		roots = top - height;
	else
		while ((child = child_of(node, child_index(id, below)))) {
			node = child;
			below--;
		}
	for (i = 0; i < roots + below; i++) {
		h = i < roots ? height + 1 + i : roots + below - 1 - i;
		fresh[i] = node_alloc(radix, h);
		if (fresh[i])
			continue;
		/* The leaf is last: all before it are nodes. */
		while (i--)
			node_free(radix, fresh[i], 1);
		return -ENOMEM;
	}

	node = root_node(store);
	for (i = 0; i < roots; i++, height++) {
		parent = fresh[i];
		parent->children = 1;
		parent->full[0] = is_full(node, height);
		parent->some[0] = has_some(node, height);
		ioasid_store_relaxed(&parent->child[0], node);
		set_root(store, parent, height + 1);
		node = parent;
	}
	if (!node) {
		node = fresh[i++];
		set_root(store, node, top);
	}
	for (h = top; h; h--) {
		parent = node;
		node = child_of(parent, child_index(id, h));
		if (node)
			continue;
		node = fresh[i++];
		parent->children++;
		ioasid_store_release(&parent->child[child_index(id, h)], node);
	}
	return 0;
}

static int radix_claim(struct ioasid_store *store, ioasid_t min, ioasid_t max,
		       ioasid_t *id, struct ioasid_slot **slot)
{
	uint64_t lowest = next_id(store, min, false);
	struct ioasid_radix_leaf *leaf;
	struct ioasid_radix_node *node;
	unsigned int height;
	bool had_some, full;
	struct path path;
	int ret;

	if (lowest > max)
		return -ENOSPC;
	*id = (ioasid_t)lowest;
	if (!walk(store, *id, &path)) {
		ret = extend(store, *id);
		if (ret)
			return ret;
		walk(store, *id, &path);
	}
	leaf = path.node[0];
	had_some = leaf->u.occupied;
	leaf->u.occupied |= leaf_bit(*id);
	*slot = &leaf->slot[*id & (SLOTS - 1)];
	for (height = 1; height <= path.height && !had_some; height++) {
		IOASID_STEP();
		node = path.node[height];
		had_some = has_some(node, height);
		set_bit(node->some, child_index(*id, height));
	}
	full = leaf->u.occupied == ALL_SLOTS;
	for (height = 1; height <= path.height && full; height++) {
		IOASID_STEP();
		node = path.node[height];
		set_bit(node->full, child_index(*id, height));
		full = is_full(node, height);
	}
	return 0;
}

/* A root with no child but the first is one level too many. */
static size_t lower_root(struct ioasid_store *store)
{
	unsigned int height = root_height(store);
	struct ioasid_radix_node *node = root_node(store);
	size_t bytes = 0;

	while (height && node->children == 1 && child_of(node, 0)) {
		set_root(store, child_of(node, 0), height - 1);
		bytes += node_retire(store->impl, node, height);
		height--;
		node = root_node(store);
	}
	return bytes;
}

/* May a leaf go? */
static bool leaf_spare(const struct ioasid_radix_leaf *leaf)
{
	if (leaf->u.occupied)
		return false;
	for (unsigned int i = 0; i < SLOTS; i++)
		if (ioasid_slot_worn(&leaf->slot[i]))
			return false;
	return true;
}

/* Takes @id's leaf out of the tree if it may go, and what empties above. */
static size_t prune(struct ioasid_store *store, ioasid_t id)
{
	struct ioasid_radix_node *parent;
	unsigned int height = 0;
	struct path path;
	size_t bytes = 0;

	if (!walk(store, id, &path) || !leaf_spare(path.node[0]))
		return 0;
	while (height < path.height) {
		parent = path.node[height + 1];
		ioasid_store_release(
			&parent->child[child_index(id, height + 1)], NULL);
		bytes += node_retire(store->impl, path.node[height], height);
		if (--parent->children)
			return bytes + lower_root(store);
		height++;
	}
	set_root(store, NULL, 0);
	return bytes + node_retire(store->impl, path.node[height], height);
}

static size_t radix_trim(struct ioasid_store *store)
{
	struct radix *radix = store->impl;

	if (!radix->idle)
		return 0;
	radix->idle = false;
	return prune(store, radix->idle_id);
}

static void radix_release(struct ioasid_store *store, ioasid_t id)
{
	struct radix *radix = store->impl;
	struct ioasid_radix_leaf *leaf;
	struct ioasid_radix_node *node;
	unsigned int height, index;
	ioasid_t idle = radix->idle_id;
	struct path path;
	bool had_idle = radix->idle, full;

	if (!walk(store, id, &path))
		return;
	leaf = path.node[0];
	full = leaf->u.occupied == ALL_SLOTS;
	leaf->u.occupied &= ~leaf_bit(id);
	for (height = 1; height <= path.height && full; height++) {
		IOASID_STEP();
		node = path.node[height];
		index = child_index(id, height);
		full = bit_at(node->full, index);
		clear_bit(node->full, index);
	}
	if (leaf->u.occupied)
		return;
	for (height = 1; height <= path.height; height++) {
		IOASID_STEP();
		node = path.node[height];
		clear_bit(node->some, child_index(id, height));
		if (has_some(node, height))
			break;
	}
	radix->idle = true;
	radix->idle_id = id;
	if (had_idle && idle >> LEAF_BITS != id >> LEAF_BITS)
		prune(store, idle);
}

static size_t radix_occupied(const struct ioasid_store *store, ioasid_t min,
			     ioasid_t max, ioasid_t *ids, size_t count)
{
	struct ioasid_radix_leaf *leaf;
	uint64_t id = min, occupied;
	struct path path;
	size_t found = 0;

	while (found < count) {
		id = next_id(store, id, true);
		if (id > max)
			break;
		/* At once for all of a leaf. */
		walk(store, (ioasid_t)id, &path);
		leaf = path.node[0];
		occupied = leaf->u.occupied & ~(leaf_bit((ioasid_t)id) - 1);
		id = id >> LEAF_BITS << LEAF_BITS;
		for (; occupied && found < count; occupied &= occupied - 1) {
			if (id + ioasid_lowest_bit(occupied) > max)
				return found;
			ids[found++] =
				(ioasid_t)id + ioasid_lowest_bit(occupied);
		}
		id += SLOTS;
	}
	return found;
}

static const char *check_leaf(const struct radix *radix,
			      const struct ioasid_radix_leaf *leaf, ioasid_t id)
{
	if (leaf_spare(leaf) &&
	    !(radix->idle && radix->idle_id >> LEAF_BITS == id >> LEAF_BITS))
		return "radix: empty leaf";
	if (leaf->u.occupied & ~ALL_SLOTS)
		return "radix: bit past the end of a leaf";
	for (unsigned int i = 0; i < SLOTS; i++)
		if (!(leaf->u.occupied >> i & 1) &&
		    ioasid_load_relaxed(&leaf->slot[i].state) &
			    ~IOASID_STATE_GENERATION)
			return "radix: vacant ID whose slot is in use";
	return NULL;
}

static const char *check_below(const struct radix *radix, const void *where,
			       unsigned int height, ioasid_t id)
{
	const struct ioasid_radix_node *node = where;
	const char *reason = NULL;
	uint32_t children = 0;
	const void *child;

	if (!height)
		return check_leaf(radix, where, id);
	for (unsigned int i = 0; i < FANOUT && !reason; i++) {
		child = child_of(node, i);
		if (bit_at(node->full, i) !=
		    (child && is_full(child, height - 1)))
			return "radix: bit of a full child differs";
		if (bit_at(node->some, i) !=
		    (child && has_some(child, height - 1)))
			return "radix: bit of an occupied child differs";
		if (!child)
			continue;
		children++;
		reason = check_below(radix, child, height - 1,
				     id + (i << shift_of(height - 1)));
	}
	if (!reason && (!children || children != node->children))
		reason = "radix: number of children differs";
	return reason;
}

static bool radix_validate(const struct ioasid_store *store,
			   const char **reason)
{
	const char *found = NULL;

	if (root_node(store))
		found = check_below(store->impl, root_node(store),
				    root_height(store), 0);
	if (found)
		*reason = found;
	return !found;
}

const struct ioasid_store_ops ioasid_radix_ops = {
	.create = radix_create,
	.destroy = radix_destroy,
	.find = ioasid_radix_find,
	.claim = radix_claim,
	.release = radix_release,
	.occupied = radix_occupied,
	.validate = radix_validate,
	.trim = radix_trim,
};
#endif /* IOASID_NO_RADIX */
