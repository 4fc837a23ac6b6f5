/* SPDX-License-Identifier: MIT */
#ifndef BENCH_PEERS_URCU_LFHT_H
#define BENCH_PEERS_URCU_LFHT_H

/* liburcu's lock-free hash table on its qsbr flavour. */

#include <urcu/urcu-qsbr.h>

#include <urcu/rculfhash.h>

#include "bench/peers/peer.h"

namespace bench {

class UrcuLfht : public HashTable {
public:
	static constexpr const char *NAME = "urcu_lfht";

	UrcuLfht(uint32_t, size_t ids)
	{
		unsigned long buckets = 1;

		while (buckets < ids)
			buckets *= 2;
		table_ = cds_lfht_new_flavor(buckets, 1, 0,
					     CDS_LFHT_AUTO_RESIZE |
						     CDS_LFHT_ACCOUNTING,
					     &urcu_qsbr_flavor, nullptr);
		if (!table_)
			die("cds_lfht_new failed");
	}

	~UrcuLfht()
	{
		struct cds_lfht_iter iter;
		Node *node;

		urcu_qsbr_register_thread();
		cds_lfht_first(table_, &iter);
		while ((node = node_of(&iter)) != nullptr) {
			cds_lfht_next(table_, &iter);
			cds_lfht_del(table_, &node->node);
			retired_.push_back(node);
		}
		drain();
		urcu_qsbr_unregister_thread();
		cds_lfht_destroy(table_, nullptr);
	}

	UrcuLfht(const UrcuLfht &) = delete;
	UrcuLfht &operator=(const UrcuLfht &) = delete;

	struct Thread {
		explicit Thread(UrcuLfht &)
		{
			urcu_qsbr_register_thread();
		}
		~Thread()
		{
			urcu_qsbr_unregister_thread();
		}
	};

	bool insert(uint32_t id, void *data)
	{
		Node *node = static_cast<Node *>(std::malloc(sizeof(*node)));

		if (!node)
			return false;
		cds_lfht_node_init(&node->node);
		node->id = id;
		node->set = &set_;
		node->data = data;
		if (cds_lfht_add_unique(table_, multiply_shift(id), match, &id,
					&node->node) == &node->node)
			return true;
		std::free(node);
		return false;
	}

	bool erase(uint32_t id)
	{
		struct cds_lfht_iter iter;
		Node *node;

		cds_lfht_lookup(table_, multiply_shift(id), match, &id, &iter);
		node = node_of(&iter);
		if (!node || cds_lfht_del(table_, &node->node))
			return false;
		retired_.push_back(node);
		if (retired_.size() >= BATCH)
			drain();
		return true;
	}

	BENCH_INLINE bool find(uint32_t id, void **data)
	{
		struct cds_lfht_iter iter;
		Node *node;
		bool found;

		urcu_qsbr_read_lock();
		cds_lfht_lookup(table_, multiply_shift(id), match, &id, &iter);
		node = node_of(&iter);
		found = node && node->set == &set_;
		if (found)
			*data = node->data;
		urcu_qsbr_read_unlock();
		return found;
	}

	void quiescent()
	{
		urcu_qsbr_quiescent_state();
	}

	void drain()
	{
		urcu_qsbr_synchronize_rcu();
		for (Node *node : retired_)
			std::free(node);
		retired_.clear();
	}

private:
	static constexpr size_t BATCH = 8192;

	struct Node {
		struct cds_lfht_node node;
		uint32_t id;
		const void *set;
		void *data;
	};

	static Node *node_of(struct cds_lfht_iter *iter)
	{
		return reinterpret_cast<Node *>(cds_lfht_iter_get_node(iter));
	}

	static int match(struct cds_lfht_node *node, const void *key)
	{
		return reinterpret_cast<Node *>(node)->id ==
		       *static_cast<const uint32_t *>(key);
	}

	struct cds_lfht *table_;
	char set_ = 0;
	std::vector<Node *> retired_;
};

} // namespace bench

#endif
