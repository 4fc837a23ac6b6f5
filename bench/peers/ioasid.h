/* SPDX-License-Identifier: MIT */
#ifndef BENCH_PEERS_IOASID_H
#define BENCH_PEERS_IOASID_H

/* Our own stores, as a program uses them: nothing here is known to find_rcu
 * at compile time. */

#include <ioasid/space.h>

#include "bench/peers/peer.h"

namespace bench {

template <ioasid_store_kind STORE, ioasid_rcu_flavour FLAVOUR> class Space {
public:
	static constexpr bool ALLOCATES = true;
	static constexpr bool ANY_ID = STORE != IOASID_STORE_BITMAP;
	static constexpr bool COMPACT = STORE == IOASID_STORE_HASH;
	static constexpr bool KNOWS_VACANT = true;
	static constexpr bool SINGLE = false;

	Space(uint32_t max, size_t)
	{
		struct ioasid_space_config config = {};

		config.max = max;
		config.store = STORE;
		config.flavour = FLAVOUR;
		/* As all memory of the others. */
		config.memory.huge_pages = true;
		if (ioasid_space_create(&config, &space_))
			die("ioasid_space_create failed");
	}

	~Space()
	{
		ioasid_space_destroy(space_);
	}

	Space(const Space &) = delete;
	Space &operator=(const Space &) = delete;

	struct Thread {
		explicit Thread(Space &space) : rcu(space.rcu())
		{
			if (ioasid_rcu_thread_register(rcu))
				die("thread_register failed");
		}
		~Thread()
		{
			ioasid_rcu_thread_unregister(rcu);
		}
		struct ioasid_rcu *rcu;
	};

	bool insert(uint32_t id, void *data)
	{
		uint32_t got;

		return alloc(id, id, data, &got);
	}

	bool alloc(uint32_t min, uint32_t max, void *data, uint32_t *id)
	{
		return !ioasid_space_alloc(space_, &set_, min, max, data, id);
	}

	bool erase(uint32_t id)
	{
		return !ioasid_space_free(space_, id);
	}

	BENCH_INLINE bool find(uint32_t id, void **data)
	{
		int ret;

		ioasid_rcu_read_lock(rcu());
		ret = ioasid_space_find_rcu(space_, &set_, id, data);
		ioasid_rcu_read_unlock(rcu());
		return !ret;
	}

	void quiescent()
	{
		ioasid_rcu_quiescent(rcu());
	}

	void drain()
	{
		ioasid_rcu_barrier(rcu());
	}

	struct ioasid_rcu *rcu() const
	{
		return ioasid_space_rcu(space_);
	}

	struct ioasid_space *space() const
	{
		return space_;
	}

protected:
	struct ioasid_space *space_;
	DECLARE_IOASID_SET(set_);
};

struct Bitmap : Space<IOASID_STORE_BITMAP, IOASID_RCU_QSBR> {
	static constexpr const char *NAME = "bitmap";
	using Space::Space;
};

struct BitmapEpoch : Space<IOASID_STORE_BITMAP, IOASID_RCU_EPOCH> {
	static constexpr const char *NAME = "bitmap_epoch";
	using Space::Space;
};

struct Radix : Space<IOASID_STORE_RADIX, IOASID_RCU_QSBR> {
	static constexpr const char *NAME = "radix";
	using Space::Space;
};

struct RadixEpoch : Space<IOASID_STORE_RADIX, IOASID_RCU_EPOCH> {
	static constexpr const char *NAME = "radix_epoch";
	using Space::Space;
};

struct Hash : Space<IOASID_STORE_HASH, IOASID_RCU_QSBR> {
	static constexpr const char *NAME = "hash";
	using Space::Space;
};

struct HashEpoch : Space<IOASID_STORE_HASH, IOASID_RCU_EPOCH> {
	static constexpr const char *NAME = "hash_epoch";
	using Space::Space;
};

} // namespace bench

#endif
