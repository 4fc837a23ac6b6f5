/* SPDX-License-Identifier: MIT */
#ifndef BENCH_PEERS_TBB_HASH_H
#define BENCH_PEERS_TBB_HASH_H

/* oneTBB's concurrent_hash_map with its own hash; an accessor protects. */

#include <tbb/concurrent_hash_map.h>

#include "bench/peers/peer.h"

namespace bench {

class TbbHash : public HashTable {
public:
	static constexpr const char *NAME = "tbb_hash";
	using Thread = NoThread;

	TbbHash(uint32_t, size_t ids) : map_(ids)
	{
	}

	bool insert(uint32_t id, void *data)
	{
		return map_.emplace(id, Record{ &set_, data });
	}

	bool erase(uint32_t id)
	{
		return map_.erase(id);
	}

	BENCH_INLINE bool find(uint32_t id, void **data)
	{
		Map::const_accessor found;

		if (!map_.find(found, id) || found->second.set != &set_)
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
	using Map = tbb::concurrent_hash_map<uint32_t, Record>;

	Map map_;
	char set_ = 0;
};

} // namespace bench

#endif
