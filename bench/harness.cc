/* SPDX-License-Identifier: MIT */
#include "bench/harness.h"

#include <cinttypes>
#include <chrono>
#include <cstring>
#include <ctime>
#include <string>
#include <unordered_set>

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

namespace bench {

void want_huge_pages(char **argv)
{
	const char *name = "GLIBC_TUNABLES";
	const char *setting = "glibc.malloc.hugetlb=1";
	const char *old = std::getenv(name);

	if (old && std::strstr(old, "glibc.malloc.hugetlb"))
		return;
	setenv(name,
	       (old && *old ? std::string(old) + ":" + setting :
			      std::string(setting))
		       .c_str(),
	       1);
	execv("/proc/self/exe", argv);
	std::perror("no huge pages from malloc");
}

void collapse_huge_pages()
{
	constexpr uintptr_t huge = uintptr_t{ 1 } << 21;
	std::FILE *maps = std::fopen("/proc/self/maps", "re");
	char line[512];

	while (maps && std::fgets(line, sizeof(line), maps)) {
		uintptr_t from, to;
		unsigned long inode;
		char mode[5], path[256] = "";

		if (std::sscanf(line,
				"%" SCNxPTR "-%" SCNxPTR
				" %4s %*x %*s %lu %255s",
				&from, &to, mode, &inode, path) < 4)
			continue;
		from = (from + huge - 1) & ~(huge - 1);
		to &= ~(huge - 1);
		if (from >= to || inode || std::strncmp(mode, "rw-p", 4) ||
		    (*path && std::strcmp(path, "[heap]")))
			continue;
		madvise(reinterpret_cast<void *>(from), to - from,
			MADV_HUGEPAGE);
		/* One page at a time: it stops at the first it cannot do. */
		for (; from < to; from += huge)
			madvise(reinterpret_cast<void *>(from), huge,
				MADV_COLLAPSE);
	}
	if (maps)
		std::fclose(maps);
}

/* Of the process, asked before any thread is pinned. */
static const std::vector<int> &cpus()
{
	static const std::vector<int> all = [] {
		std::vector<int> list;
		cpu_set_t set;

		if (!sched_getaffinity(0, sizeof(set), &set))
			for (int i = 0; i < CPU_SETSIZE; i++)
				if (CPU_ISSET(i, &set))
					list.push_back(i);
		return list;
	}();

	return all;
}

static void pin(const std::vector<int> &to)
{
	cpu_set_t set;

	if (cpus().size() < 2)
		return;
	CPU_ZERO(&set);
	for (int cpu : to)
		CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

void pin_reader()
{
	if (!cpus().empty())
		pin({ cpus().back() });
}

void pin_writer()
{
	if (!cpus().empty())
		pin({ cpus().front() });
}

void unpin()
{
	pin(cpus());
}

static std::vector<uint32_t> live_ids(Shape shape, uint32_t n, Random &random)
{
	std::unordered_set<uint32_t> seen;
	std::vector<uint32_t> ids;

	ids.reserve(n);
	while (ids.size() < n) {
		uint32_t i = static_cast<uint32_t>(ids.size());

		switch (shape) {
		case Shape::DENSE:
			ids.push_back(i + 1);
			break;
		case Shape::GAPS:
			ids.push_back(2 * i + 1);
			break;
		case Shape::SCATTERED:
			i = random.below(UINT32_MAX - 1) + 1;
			if (seen.insert(i).second)
				ids.push_back(i);
			break;
		}
	}
	return ids;
}

static size_t whole_blocks(size_t n)
{
	return (n + BLOCK - 1) / BLOCK * BLOCK;
}

Population::Population(Shape shape_, uint32_t n) : shape(shape_)
{
	uint32_t writers = std::min(std::max(n / 16, 8u), 16384u);
	Random random(n + static_cast<uint64_t>(shape) * 7919);
	std::vector<uint32_t> ids = live_ids(shape, n, random);
	std::map<uint32_t, uint32_t> unused;
	std::vector<uint32_t> order, next;

	max = (1u << 20) - 1;
	if (shape == Shape::SCATTERED)
		max = UINT32_MAX - 1;
	else
		while (max < ids.back())
			max = 2 * max + 1;

	writer.assign(ids.end() - writers, ids.end());
	for (uint32_t i = 0; i < n - writers; i++)
		order.push_back(i);
	random.shuffle(order);
	next.resize(order.size());
	for (size_t i = 0; i < order.size(); i++)
		next[order[i]] = ids[order[(i + 1) % order.size()]];
	for (uint32_t i = 0; i < n; i++)
		entries.push_back(
			{ ids[i], i < next.size() ? next[i] : ids[i] });
	for (uint32_t i : order)
		cycle.push_back(ids[i]);

	/* Not in the order of the cycle, which would be one step off. */
	random.shuffle(order);
	stream.resize(whole_blocks(order.size()));
	sums.resize(stream.size() / BLOCK);
	for (size_t i = 0; i < stream.size(); i++) {
		stream[i] = ids[order[i % order.size()]];
		sums[i / BLOCK] += next[order[i % order.size()]];
	}

	if (shape != Shape::GAPS)
		return;
	vacant.resize(whole_blocks(n));
	for (uint32_t &id : vacant) {
		if (random.below(8))
			id = 2 * random.below(n) + 2;
		else
			id = max + 1 + random.below(UINT32_MAX - 1 - max);
	}
}

const Population &Population::get(Shape shape, uint32_t n)
{
	static std::map<std::tuple<Shape, uint32_t>, std::unique_ptr<Population>>
		all;
	std::unique_ptr<Population> &population = all[{ shape, n }];

	if (!population)
		population = std::make_unique<Population>(shape, n);
	return *population;
}

double ns_per_tick()
{
	static const double ratio = [] {
		using Clock = std::chrono::steady_clock;
		Clock::time_point start = Clock::now(), end;
		uint64_t from = ticks(), to;
		std::chrono::nanoseconds took;

		do {
			end = Clock::now();
			to = ticks();
			took = end - start;
		} while (took < std::chrono::milliseconds(20));
		return static_cast<double>(took.count()) /
		       static_cast<double>(to - from);
	}();

	return ratio;
}

uint64_t Histogram::quantile(double q) const
{
	uint64_t rank = static_cast<uint64_t>(q * static_cast<double>(total_));
	uint64_t seen = 0;
	size_t i = 0;

	while (i < counts_.size() && (seen += counts_[i]) <= rank)
		i++;
	if (i < (size_t{ 1 } << SUB))
		return i;
	i++;
	return (uint64_t{ 1 << SUB } + (i & ((1u << SUB) - 1)))
	       << ((i >> SUB) - 1);
}

} // namespace bench
