/* SPDX-License-Identifier: MIT */
#ifndef BENCH_PEERS_RWLOCK_MAP_H
#define BENCH_PEERS_RWLOCK_MAP_H

/* What one writes without a library: a hash map under a shared_mutex. */

#include <mutex>
#include <shared_mutex>
#include <unordered_map>

#include "bench/peers/peer.h"

namespace bench {

class RwlockMap : public HashTable {
public:
	static constexpr const char *NAME = "rwlock_map";
	using Thread = NoThread;

	RwlockMap(uint32_t, size_t ids)
	{
		map_.reserve(ids);
	}

	bool insert(uint32_t id, void *data)
	{
		std::unique_lock<std::shared_mutex> guard(lock_);

		return map_.emplace(id, Record{ &set_, data }).second;
	}

	bool erase(uint32_t id)
	{
		std::unique_lock<std::shared_mutex> guard(lock_);

		return map_.erase(id) == 1;
	}

	BENCH_INLINE bool find(uint32_t id, void **data)
	{
		std::shared_lock<std::shared_mutex> guard(lock_);
		auto found = map_.find(id);

		if (found == map_.end() || found->second.set != &set_)
			return false;
		*data = found->second.data;
		return true;
	}

	void quiescent()
	{
	}

	void drain()
	{
	}

private:
	struct Record {
		const void *set;
		void *data;
	};

	std::shared_mutex lock_;
	std::unordered_map<uint32_t, Record> map_;
	char set_ = 0;
};

} // namespace bench

#endif
