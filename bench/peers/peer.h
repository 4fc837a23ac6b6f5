/* SPDX-License-Identifier: MIT */
#ifndef BENCH_PEERS_PEER_H
#define BENCH_PEERS_PEER_H

/*
 * What an implementation offers to the timed loops, which are templates over
 * it. Every ID a peer holds is owned by one set of its own, and find() checks
 * it.
 *
 *	static constexpr const char *NAME;
 *	static constexpr bool ALLOCATES;  alloc() picks the lowest vacant ID
 *	static constexpr bool ANY_ID;     takes IDs spread over 32 bits
 *	static constexpr bool COMPACT;    small even if they are
 *	static constexpr bool KNOWS_VACANT;
 *	static constexpr bool SINGLE;     one instance per process
 *
 *	Peer(uint32_t max, size_t ids)    for IDs 1..max, ids of them live
 *	struct Thread { Thread(Peer &); } registers the calling thread
 *	bool insert(uint32_t id, void *data)
 *	bool alloc(uint32_t min, uint32_t max, void *data, uint32_t *id)
 *	bool erase(uint32_t id)
 *	bool find(uint32_t id, void **data) in its own read section
 *	void quiescent()                  no pointer found before is in use
 *	void drain()                      waits until what was freed is free
 */

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <ioasid/rcu.h>

#define BENCH_INLINE inline __attribute__((always_inline))

namespace bench {

[[noreturn]] inline void die(const char *what)
{
	std::fprintf(stderr, "%s\n", what);
	std::abort();
}

/* For peers that know no threads. */
struct NoThread {
	template <class Peer> explicit NoThread(Peer &)
	{
	}
	~NoThread()
	{
	}
};

/* Dietzfelbinger et al. 1997; a cheap hash favours the peers. */
BENCH_INLINE uint64_t multiply_shift(uint32_t id)
{
	uint64_t h = id * UINT64_C(0x9e3779b97f4a7c15);

	return h ^ h >> 32;
}

/* A qsbr domain for peers that bring no protection of their own. */
class Qsbr {
public:
	static struct ioasid_rcu *domain()
	{
		static struct ioasid_rcu *const rcu = create();

		return rcu;
	}

	struct Thread {
		template <class Peer> explicit Thread(Peer &)
		{
			if (ioasid_rcu_thread_register(domain()))
				die("thread_register failed");
		}
		~Thread()
		{
			ioasid_rcu_thread_unregister(domain());
		}
	};

	/* Frees after a grace period, many at once. */
	static void retire(void *memory)
	{
		retired().push_back(memory);
		if (retired().size() >= BATCH)
			drain();
	}

	static void drain()
	{
		ioasid_rcu_synchronize(domain());
		for (void *memory : retired())
			std::free(memory);
		retired().clear();
	}

private:
	static constexpr size_t BATCH = 8192;

	static struct ioasid_rcu *create()
	{
		struct ioasid_rcu_config config = {};
		struct ioasid_rcu *rcu;

		config.flavour = IOASID_RCU_QSBR;
		if (ioasid_rcu_create(&config, &rcu))
			die("ioasid_rcu_create failed");
		return rcu;
	}

	static std::vector<void *> &retired()
	{
		static std::vector<void *> list;

		return list;
	}
};

/* What tables are that map any ID and choose none. */
struct HashTable {
	static constexpr bool ALLOCATES = false;
	static constexpr bool ANY_ID = true;
	static constexpr bool COMPACT = true;
	static constexpr bool KNOWS_VACANT = true;
	static constexpr bool SINGLE = false;
};

} // namespace bench

#endif
