/* SPDX-License-Identifier: MIT */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

/* What the benchmark programs share: populations, memory, clocks, threads. */

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "bench/peers/peer.h"

namespace bench {

/* Lookups between two quiescent states, for all implementations. */
constexpr uint32_t BLOCK = 1024;

/*
 * Offers transparent huge pages to what malloc() maps: starts the program
 * again with the tunable, which glibc reads before main().
 */
void want_huge_pages(char **argv);

/* Makes huge pages of all anonymous memory mapped so far, where it can be. */
void collapse_huge_pages();

/* Reader and writer each get a CPU of their own; one CPU: left to the system.
 */
void pin_reader();
void pin_writer();
/* Back to all CPUs the program may use. */
void unpin();

class Random {
public:
	explicit Random(uint64_t seed) : state_(seed)
	{
	}

	/* splitmix64, Steele et al. 2014 */
	uint64_t next()
	{
		uint64_t z = state_ += UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
		return z ^ z >> 31;
	}

	uint32_t below(uint32_t n)
	{
		return static_cast<uint32_t>((next() >> 32) * n >> 32);
	}

	template <class T> void shuffle(std::vector<T> &v)
	{
		for (size_t i = v.size(); i > 1; i--)
			std::swap(v[i - 1], v[below(static_cast<uint32_t>(i))]);
	}

private:
	uint64_t state_;
};

/* IDs 1..n; every other ID from 1 on; n random 32-bit IDs. */
enum class Shape { DENSE, GAPS, SCATTERED };

/*
 * n live IDs of a shape. The writer's, a sixteenth, are the last of them and
 * are looked up by nobody. The data of an ID a reader looks up is the next ID
 * of one random cycle over all of them, as a pointer; of the writer's IDs, the
 * ID itself.
 */
struct Population {
	Population(Shape shape, uint32_t n);

	static const Population &get(Shape shape, uint32_t n);

	struct Entry {
		uint32_t id, data;
	};

	Shape shape;
	uint32_t max;
	std::vector<Entry> entries;
	std::vector<uint32_t> cycle;
	std::vector<uint32_t> writer;
	/*
	 * Whole blocks of IDs to look up, in random order; what they yield.
	 */
	std::vector<uint32_t> stream;
	std::vector<uint64_t> sums;
	/* Whole blocks of IDs that are not live (GAPS); one in eight is past
	 * the end of the range. */
	std::vector<uint32_t> vacant;
};

inline void *as_pointer(uint32_t data)
{
	return reinterpret_cast<void *>(static_cast<uintptr_t>(data));
}

BENCH_INLINE uint32_t as_data(void *pointer)
{
	return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(pointer));
}

template <class Peer> void fill(Peer &peer, const Population &population)
{
	typename Peer::Thread self(peer);

	for (const Population::Entry &entry : population.entries)
		if (!peer.insert(entry.id, as_pointer(entry.data)))
			die("insert failed");
	peer.drain();
}

/* What instance() keeps. */
template <class Peer>
std::map<std::tuple<const Population *, int>, std::unique_ptr<Peer>> &
instances()
{
	static std::map<std::tuple<const Population *, int>,
			std::unique_ptr<Peer>>
		all;

	return all;
}

/* Makes room for one more where there can be only one. */
template <class Peer> void forget_instances()
{
	if (Peer::SINGLE)
		instances<Peer>().clear();
}

/*
 * Built once and kept while the process lives, unless there can be only one:
 * random interleaving would build it anew for every repetition.
 */
template <class Peer> Peer &instance(const Population &population, int variant)
{
	const auto key = std::make_tuple(&population, variant);
	auto found = instances<Peer>().find(key);

	if (found != instances<Peer>().end())
		return *found->second;
	forget_instances<Peer>();

	auto peer = std::make_unique<Peer>(population.max,
					   population.entries.size());

	fill(*peer, population);
	collapse_huge_pages();
	return *(instances<Peer>()[key] = std::move(peer));
}

/* Cheap time stamps for percentiles. */
BENCH_INLINE uint64_t ticks()
{
#if defined(__x86_64__)
	unsigned int cpu;

	return __builtin_ia32_rdtscp(&cpu);
#else
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return static_cast<uint64_t>(now.tv_sec) * 1000000000u +
	       static_cast<uint64_t>(now.tv_nsec);
#endif
}

double ns_per_tick();

/* Counts by value, 32 buckets to a power of two. */
class Histogram {
public:
	void add(uint64_t value)
	{
		counts_[index(value)]++;
		total_++;
	}

	/* Upper bound of the bucket that holds the quantile. */
	uint64_t quantile(double q) const;

private:
	static constexpr int SUB = 5;

	static size_t index(uint64_t value)
	{
		int top;

		if (value < (1u << SUB))
			return static_cast<size_t>(value);
		top = 63 - __builtin_clzll(value) - SUB;
		return (static_cast<size_t>(top) << SUB) +
		       static_cast<size_t>(value >> top);
	}

	std::array<uint64_t, size_t{ 65 - SUB } << SUB> counts_ = {};
	uint64_t total_ = 0;
};

} // namespace bench

#endif
