/* SPDX-License-Identifier: MIT */
#ifndef BENCH_PEERS_CK_HT_H
#define BENCH_PEERS_CK_HT_H

/*
 * Concurrency Kit's hash table in direct mode. Its values are one word, so an
 * ID's owner and pointer are in a record of their own. ck brings no qsbr:
 * records are protected by ours, whose read side is nothing.
 */

#include <cstring>

extern "C" {
#include <ck_ht.h>
}

#include "bench/peers/peer.h"

namespace bench {

class CkHt : public HashTable {
public:
	static constexpr const char *NAME = "ck_ht";
	using Thread = Qsbr::Thread;

	/* It grows when more than half full, so never with this size. */
	CkHt(uint32_t, size_t ids)
	{
		if (!ck_ht_init(&table_,
				CK_HT_MODE_DIRECT | CK_HT_WORKLOAD_DELETE, hash,
				allocator(), 2 * ids + 2, 0))
			die("ck_ht_init failed");
	}

	~CkHt()
	{
		ck_ht_iterator_t iterator = CK_HT_ITERATOR_INITIALIZER;
		ck_ht_entry_t *entry;

		while (ck_ht_next(&table_, &iterator, &entry))
			std::free(record_of(entry));
		ck_ht_destroy(&table_);
	}

	CkHt(const CkHt &) = delete;
	CkHt &operator=(const CkHt &) = delete;

	bool insert(uint32_t id, void *data)
	{
		Record *record =
			static_cast<Record *>(std::malloc(sizeof(*record)));
		ck_ht_entry_t entry;

		if (!record)
			return false;
		record->set = &set_;
		record->data = data;
		ck_ht_entry_set_direct(&entry, hash_of(id), id,
				       reinterpret_cast<uintptr_t>(record));
		if (ck_ht_put_spmc(&table_, hash_of(id), &entry))
			return true;
		std::free(record);
		return false;
	}

	bool erase(uint32_t id)
	{
		ck_ht_entry_t entry;

		ck_ht_entry_key_set_direct(&entry, id);
		if (!ck_ht_remove_spmc(&table_, hash_of(id), &entry))
			return false;
		Qsbr::retire(record_of(&entry));
		return true;
	}

	BENCH_INLINE bool find(uint32_t id, void **data)
	{
		ck_ht_entry_t entry;
		Record *record;

		ck_ht_entry_key_set_direct(&entry, id);
		if (!ck_ht_get_spmc(&table_, hash_of(id), &entry))
			return false;
		record = record_of(&entry);
		if (record->set != &set_)
			return false;
		*data = record->data;
		return true;
	}

	void quiescent()
	{
		ioasid_rcu_quiescent(Qsbr::domain());
	}

	void drain()
	{
		Qsbr::drain();
	}

private:
	struct Record {
		const void *set;
		void *data;
	};

	static Record *record_of(ck_ht_entry_t *entry)
	{
		return reinterpret_cast<Record *>(
			ck_ht_entry_value_direct(entry));
	}

	static BENCH_INLINE ck_ht_hash_t hash_of(uint32_t id)
	{
		ck_ht_hash_t h;

		h.value = multiply_shift(id);
		return h;
	}

	/* For its own growth. */
	static void hash(ck_ht_hash_t *h, const void *key, size_t, uint64_t)
	{
		uintptr_t id;

		std::memcpy(&id, key, sizeof(id));
		*h = hash_of(static_cast<uint32_t>(id));
	}

	static void *get(size_t size)
	{
		return std::malloc(size);
	}

	static void put(void *memory, size_t, bool readers)
	{
		if (readers)
			Qsbr::retire(memory);
		else
			std::free(memory);
	}

	static struct ck_malloc *allocator()
	{
		static struct ck_malloc hooks = { get, nullptr, put };

		return &hooks;
	}

	ck_ht_t table_;
	char set_ = 0;
};

} // namespace bench

#endif
