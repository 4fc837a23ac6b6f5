/* SPDX-License-Identifier: MIT */
#ifndef BENCH_READERS_H
#define BENCH_READERS_H

/*
 * The timed loops. run(count) looks count IDs up, right() tells whether all
 * answers so far were.
 */

#include "bench/harness.h"

namespace bench {

/* Each lookup's ID is what the last one returned. */
template <class Peer> class Chain {
public:
	Chain(Peer &peer, const Population &population)
		: peer_(peer), cycle_(population.cycle), id_(cycle_[0])
	{
	}

	BENCH_INLINE void run(uint32_t count)
	{
		uint32_t id = id_;
		void *data;

		done_ += count;
		for (; count; count--) {
			if (__builtin_expect(!peer_.find(id, &data), 0)) {
				failed_ = true;
				break;
			}
			id = as_data(data);
		}
		id_ = id;
	}

	bool right() const
	{
		return !failed_ && id_ == cycle_[done_ % cycle_.size()];
	}

private:
	Peer &peer_;
	const std::vector<uint32_t> &cycle_;
	uint64_t done_ = 0;
	uint32_t id_;
	bool failed_ = false;
};

/* Independent lookups of live IDs. BLOCK is a multiple of what run() gets. */
template <class Peer> class Stream {
public:
	Stream(Peer &peer, const Population &population)
		: peer_(peer), ids_(population.stream), sums_(population.sums)
	{
	}

	BENCH_INLINE void run(uint32_t count)
	{
		const uint32_t *id = &ids_[done_ % ids_.size()];
		const uint32_t *end = id + count;
		uint64_t sum = 0;
		void *data;

		for (; id < end; id++) {
			if (__builtin_expect(!peer_.find(*id, &data), 0)) {
				failed_ = true;
				break;
			}
			sum += as_data(data);
		}
		sum_ += sum;
		done_ += count;
		if (done_ % BLOCK)
			return;
		failed_ |= sum_ != sums_[(done_ / BLOCK - 1) % sums_.size()];
		sum_ = 0;
	}

	bool right() const
	{
		return !failed_;
	}

private:
	Peer &peer_;
	const std::vector<uint32_t> &ids_;
	const std::vector<uint64_t> &sums_;
	uint64_t done_ = 0, sum_ = 0;
	bool failed_ = false;
};

/* Independent lookups of IDs that are not live. */
template <class Peer> class Miss {
public:
	Miss(Peer &peer, const Population &population)
		: peer_(peer), ids_(population.vacant)
	{
	}

	BENCH_INLINE void run(uint32_t count)
	{
		const uint32_t *id = &ids_[done_ % ids_.size()];
		const uint32_t *end = id + count;
		uint64_t found = 0;
		void *data;

		for (; id < end; id++)
			found += peer_.find(*id, &data);
		found_ += found;
		done_ += count;
	}

	bool right() const
	{
		return !found_;
	}

private:
	Peer &peer_;
	const std::vector<uint32_t> &ids_;
	uint64_t done_ = 0, found_ = 0;
};

} // namespace bench

#endif
