/* SPDX-License-Identifier: MIT */
/* The parts of the harness that a wrong figure could come from. */

#include <cstdio>
#include <set>

#include "bench/harness.h"
#include "bench/readers.h"

using bench::BLOCK;
using bench::Histogram;
using bench::Population;
using bench::Shape;

static int failures;

#define CHECK(x)                                                            \
	do {                                                                \
		if (!(x)) {                                                 \
			std::printf("%s:%d: %s\n", __FILE__, __LINE__, #x); \
			failures++;                                         \
		}                                                           \
	} while (0)

static void population(Shape shape, uint32_t n)
{
	const Population p(shape, n);
	std::map<uint32_t, uint32_t> data;
	std::set<uint32_t> readers(p.cycle.begin(), p.cycle.end());
	std::set<uint32_t> writers(p.writer.begin(), p.writer.end());
	uint32_t id = p.cycle[0];
	uint64_t sum = 0;

	for (const Population::Entry &entry : p.entries)
		data[entry.id] = entry.data;
	CHECK(data.size() == n);
	CHECK(!data.count(0) && data.rbegin()->first <= p.max);
	CHECK(p.max < UINT32_MAX);
	CHECK(readers.size() == p.cycle.size());
	CHECK(readers.size() + writers.size() == n);

	/* One cycle over all that readers look up, and nothing else. */
	for (uint32_t step : p.cycle) {
		CHECK(id == step);
		CHECK(!writers.count(id));
		id = data[id];
	}
	CHECK(id == p.cycle[0]);

	CHECK(p.stream.size() % BLOCK == 0);
	CHECK(std::set<uint32_t>(p.stream.begin(), p.stream.end()) == readers);
	for (size_t i = 0; i < p.stream.size(); i++) {
		sum += data[p.stream[i]];
		if (i % BLOCK == BLOCK - 1) {
			CHECK(sum == p.sums[i / BLOCK]);
			sum = 0;
		}
	}
	CHECK((shape == Shape::GAPS) == !p.vacant.empty());
	CHECK(p.vacant.size() % BLOCK == 0);
	for (uint32_t vacant : p.vacant)
		CHECK(!data.count(vacant) && vacant);
}

static void histogram()
{
	Histogram h;

	for (uint64_t i = 1; i <= 100000; i++)
		h.add(i);
	/* Never below the true quantile, above by a bucket at most. */
	CHECK(h.quantile(0.5) >= 50000 && h.quantile(0.5) < 52000);
	CHECK(h.quantile(0.999) >= 99900 && h.quantile(0.999) < 103000);

	Histogram one;

	one.add(7);
	CHECK(one.quantile(0.5) == 7 && one.quantile(0.999) == 7);
	one.add(UINT64_MAX);
	CHECK(one.quantile(0) == 7);
	CHECK(one.quantile(0.999) > UINT64_MAX / 2 || !one.quantile(0.999));
}

/* Right, but for one ID. */
struct Faulty {
	enum Fault { NONE, LOST, ANOTHER, FOUND } fault;
	uint32_t id;
	std::map<uint32_t, uint32_t> map;

	bool find(uint32_t wanted, void **data)
	{
		auto found = map.find(wanted);

		if (wanted == id && fault == FOUND) {
			*data = nullptr;
			return true;
		}
		if (found == map.end() || (wanted == id && fault == LOST))
			return false;
		*data = bench::as_pointer(found->second);
		if (wanted == id && fault == ANOTHER)
			*data = bench::as_pointer(map.at(found->second));
		return true;
	}
};

template <class Reader>
static bool right(const Population &p, Faulty::Fault fault, uint32_t id,
		  uint32_t count)
{
	Faulty peer = { fault, id, {} };

	for (const Population::Entry &entry : p.entries)
		peer.map[entry.id] = entry.data;

	Reader reader(peer, p);

	for (; count; count -= 32)
		reader.run(32);
	return reader.right();
}

/* The timed loops see a single wrong answer. */
static void readers()
{
	const Population p(Shape::GAPS, 3000);
	const uint32_t all = static_cast<uint32_t>(p.stream.size());
	const uint32_t id = p.cycle[1234], vacant = p.vacant[77];
	using Chain = bench::Chain<Faulty>;
	using Stream = bench::Stream<Faulty>;
	using Miss = bench::Miss<Faulty>;

	CHECK(right<Chain>(p, Faulty::NONE, 0, 2 * all));
	CHECK(!right<Chain>(p, Faulty::LOST, id, 2 * all));
	CHECK(!right<Chain>(p, Faulty::ANOTHER, id, 2 * all));
	CHECK(right<Stream>(p, Faulty::NONE, 0, 2 * all));
	CHECK(!right<Stream>(p, Faulty::LOST, id, 2 * all));
	CHECK(!right<Stream>(p, Faulty::ANOTHER, id, 2 * all));
	CHECK(right<Miss>(p, Faulty::NONE, 0, all));
	CHECK(!right<Miss>(p, Faulty::FOUND, vacant, all));
}

int main()
{
	readers();
	for (Shape shape : { Shape::DENSE, Shape::GAPS, Shape::SCATTERED })
		for (uint32_t n : { 16u, 1000u, 5000u })
			population(shape, n);
	histogram();
	CHECK(bench::ns_per_tick() > 0.01 && bench::ns_per_tick() < 1000);
	return failures != 0;
}
