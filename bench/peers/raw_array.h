/* SPDX-License-Identifier: MIT */
#ifndef BENCH_PEERS_RAW_ARRAY_H
#define BENCH_PEERS_RAW_ARRAY_H

/*
 * The floor: the pointer loaded from a plain array of 16-byte cells. No owner,
 * no bounds, no vacant IDs.
 */

#include <sys/mman.h>

#include "bench/peers/peer.h"

namespace bench {

class RawArray {
public:
	static constexpr const char *NAME = "raw_array";
	static constexpr bool ALLOCATES = false;
	static constexpr bool ANY_ID = false;
	static constexpr bool COMPACT = false;
	static constexpr bool KNOWS_VACANT = false;
	static constexpr bool SINGLE = false;
	using Thread = Qsbr::Thread;

	RawArray(uint32_t max, size_t)
	{
		size_t size = (size_t{ max } + 1) * sizeof(Cell);

		size_ = (size + HUGE - 1) & ~(HUGE - 1);
		memory_ = static_cast<char *>(mmap(
			nullptr, size_ + HUGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
		if (memory_ == MAP_FAILED)
			die("mmap failed");
		cells_ = reinterpret_cast<Cell *>(
			(reinterpret_cast<uintptr_t>(memory_) + HUGE - 1) &
			~(HUGE - 1));
		madvise(cells_, size_, MADV_HUGEPAGE);
	}

	~RawArray()
	{
		munmap(memory_, size_ + HUGE);
	}

	RawArray(const RawArray &) = delete;
	RawArray &operator=(const RawArray &) = delete;

	bool insert(uint32_t id, void *data)
	{
		__atomic_store_n(&cells_[id].data, data, __ATOMIC_RELEASE);
		return true;
	}

	bool erase(uint32_t id)
	{
		return insert(id, nullptr);
	}

	BENCH_INLINE bool find(uint32_t id, void **data)
	{
		*data = __atomic_load_n(&cells_[id].data, __ATOMIC_RELAXED);
		return true;
	}

	void quiescent()
	{
		ioasid_rcu_quiescent(Qsbr::domain());
	}

	void drain()
	{
	}

private:
	static constexpr size_t HUGE = size_t{ 1 } << 21;

	struct Cell {
		void *data;
		void *unused;
	};

	char *memory_;
	size_t size_;
	Cell *cells_;
};

} // namespace bench

#endif
