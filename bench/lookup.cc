/* SPDX-License-Identifier: MIT */
/*
 * lookup/IMPL/PATTERN/ids:N/writers:W
 *
 * One timed loop for all: look the ID up, check its owner, return the pointer.
 */

#include <atomic>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>

#include <benchmark/benchmark.h>

#include "bench/harness.h"
#include "bench/peers/all.h"
#include "bench/readers.h"
#include "bench/run.h"

namespace bench {
namespace {

enum class Pattern { CHAIN, STREAM, MISS, SCATTER };

constexpr struct {
	Pattern pattern;
	const char *name;
	Shape shape;
} PATTERNS[] = {
	{ Pattern::CHAIN, "chain", Shape::DENSE },
	{ Pattern::STREAM, "stream", Shape::DENSE },
	{ Pattern::MISS, "miss", Shape::GAPS },
	{ Pattern::SCATTER, "scatter", Shape::SCATTERED },
};

constexpr uint32_t IDS[] = { 1000, 65536, 1000000 };

/* Lookups per sample of the percentiles. */
constexpr uint32_t SAMPLE = 32;

/* Frees and allocates flat out on another CPU, IDs of its own. */
template <class Peer> class Writer {
public:
	Writer(Peer &peer, const Population &population)
		: peer_(peer), population_(population),
		  thread_([this] { run(); })
	{
		while (!pairs_.load(std::memory_order_relaxed) &&
		       !finished_.load(std::memory_order_acquire))
			std::this_thread::yield();
	}

	/* A writer that waits for readers must see this one pass. */
	void stop()
	{
		stop_.store(true, std::memory_order_relaxed);
		while (!finished_.load(std::memory_order_acquire))
			peer_.quiescent();
		thread_.join();
	}

	double pairs() const
	{
		return static_cast<double>(
			pairs_.load(std::memory_order_relaxed));
	}

	bool right() const
	{
		return !failed_;
	}

private:
	bool renew(uint32_t &id, std::true_type)
	{
		/* Elsewhere a vacant ID may be one that "miss" looks for. */
		if (population_.shape == Shape::DENSE)
			return peer_.alloc(population_.writer.front(),
					   population_.max, as_pointer(id),
					   &id);
		return renew(id, std::false_type());
	}

	bool renew(uint32_t &id, std::false_type)
	{
		return peer_.insert(id, as_pointer(id));
	}

	void run()
	{
		using Choose = std::integral_constant<bool, Peer::ALLOCATES>;
		std::vector<uint32_t> ids = population_.writer;
		uint32_t count = static_cast<uint32_t>(ids.size());
		Random random(1);

		pin_writer();
		{
			typename Peer::Thread self(peer_);

			while (!stop_.load(std::memory_order_relaxed) &&
			       !failed_) {
				for (int i = 0; i < 32; i++) {
					uint32_t &id = ids[random.below(count)];

					failed_ |= !peer_.erase(id) ||
						   !renew(id, Choose());
				}
				pairs_.store(
					pairs_.load(std::memory_order_relaxed) +
						32,
					std::memory_order_relaxed);
				peer_.quiescent();
			}
			peer_.drain();
		}
		finished_.store(true, std::memory_order_release);
	}

	Peer &peer_;
	const Population &population_;
	std::atomic<bool> stop_{ false }, finished_{ false };
	alignas(64) std::atomic<uint64_t> pairs_{ 0 };
	bool failed_ = false;
	std::thread thread_;
};

/* Percentiles, apart from the timed loop so as not to slow it. */
template <class Peer, class Reader>
void sample(benchmark::State &state, Peer &peer, Reader &reader)
{
	constexpr int samples = 20000;
	const double unit = ns_per_tick();
	const uint64_t limit = static_cast<uint64_t>(30e6 / unit);
	auto histogram = std::make_unique<Histogram>();
	uint64_t start = ticks(), last = start, now;
	uint32_t pending = 0;
	int i;

	for (i = 0; i < samples && last - start < limit; i++) {
		reader.run(SAMPLE);
		now = ticks();
		histogram->add(now - last);
		last = now;
		pending += SAMPLE;
		if (pending == BLOCK) {
			peer.quiescent();
			pending = 0;
			last = ticks();
		}
	}
	for (; pending && pending < BLOCK; pending += SAMPLE)
		reader.run(SAMPLE);
	peer.quiescent();
	state.counters["p50_of_32_ns"] =
		static_cast<double>(histogram->quantile(0.5)) * unit;
	state.counters["p99.9_of_32_ns"] =
		static_cast<double>(histogram->quantile(0.999)) * unit;
	state.counters["p99.99_of_32_ns"] =
		static_cast<double>(histogram->quantile(0.9999)) * unit;
}

const void *last_run;

/* Brings the peer into the caches, unless it is what ran last. */
template <class Peer> bool warm(Peer &peer, const Population &population)
{
	Stream<Peer> reader(peer, population);

	if (last_run == &peer)
		return true;
	last_run = &peer;
	for (size_t i = 0; i < population.stream.size(); i += BLOCK) {
		reader.run(BLOCK);
		peer.quiescent();
	}
	return reader.right();
}

template <class Peer, class Reader>
void measure(benchmark::State &state, Peer &peer, const Population &population,
	     bool write)
{
	using Clock = std::chrono::steady_clock;
	typename Peer::Thread self(peer);
	std::unique_ptr<Writer<Peer>> writer;
	std::chrono::duration<double> took;
	double pairs = 0;
	bool right;

	right = warm(peer, population);
	Reader reader(peer, population);

	if (write) {
		writer = std::make_unique<Writer<Peer>>(peer, population);
		pairs = writer->pairs();
	}
	Clock::time_point start = Clock::now();
	while (state.KeepRunningBatch(BLOCK)) {
		reader.run(BLOCK);
		peer.quiescent();
	}
	took = Clock::now() - start;
	if (writer)
		pairs = writer->pairs() - pairs;
	/* Not in the short runs that look for the number of iterations. */
	if (took > std::chrono::milliseconds(5))
		sample(state, peer, reader);
	if (writer) {
		writer->stop();
		right &= writer->right();
		state.counters["writer_pairs_per_s"] = pairs / took.count();
	}
	if (!right || !reader.right())
		state.SkipWithError("wrong answer");
}

template <class Peer>
void lookup(benchmark::State &state, Pattern pattern, Shape shape, uint32_t n,
	    bool write)
{
	const Population &population = Population::get(shape, n);
	Peer &peer = instance<Peer>(population, write);

	switch (pattern) {
	case Pattern::CHAIN:
	case Pattern::SCATTER:
		measure<Peer, Chain<Peer>>(state, peer, population, write);
		break;
	case Pattern::STREAM:
		measure<Peer, Stream<Peer>>(state, peer, population, write);
		break;
	case Pattern::MISS:
		measure<Peer, Miss<Peer>>(state, peer, population, write);
		break;
	}
}

/* Why an implementation sits a pattern out, or nullptr. */
template <class Peer> const char *left_out(Pattern pattern, uint32_t n)
{
	if (pattern == Pattern::MISS && !Peer::KNOWS_VACANT)
		return "does not know vacant IDs";
	if (pattern != Pattern::SCATTER)
		return nullptr;
	if (!Peer::ANY_ID)
		return "cannot hold 32-bit IDs";
	if (!Peer::COMPACT && n > 65536)
		return "needs a tree leaf per ID";
	return nullptr;
}

struct Register {
	template <class Peer> void operator()(Of<Peer>) const
	{
		for (const auto &p : PATTERNS)
			for (uint32_t n : IDS)
				add<Peer>(p.pattern, p.name, p.shape, n);
	}

	template <class Peer>
	static void add(Pattern pattern, const char *name, Shape shape,
			uint32_t n)
	{
		std::string base = std::string("lookup/") + Peer::NAME + "/" +
				   name + "/ids:" + std::to_string(n);
		const char *why = left_out<Peer>(pattern, n);

		if (why) {
			std::fprintf(stderr, "%s left out: %s\n", base.c_str(),
				     why);
			return;
		}
		for (int writers : { 0, 1 })
			benchmark::RegisterBenchmark(
				(base + "/writers:" + std::to_string(writers))
					.c_str(),
				[=](benchmark::State &state) {
					lookup<Peer>(state, pattern, shape, n,
						     writers);
				})
				->UseRealTime();
	}
};

} // namespace
} // namespace bench

int main(int argc, char **argv)
{
	/* For the report. */
	if (argc == 2 && !std::strcmp(argv[1], "--compiler")) {
#ifdef __clang__
		std::puts("clang " __clang_version__);
#else
		std::puts("gcc " __VERSION__);
#endif
		return 0;
	}
	bench::want_huge_pages(argv);
	bench::pin_reader();
	bench::for_each_peer(bench::Register());
	return bench::run_benchmarks(argc, argv);
}
