/* SPDX-License-Identifier: MIT */
/*
 * churn/IMPL/PATTERN/ids:N: IDs freed and allocated again, time per pair; or
 * fill, an empty structure filled from 1 on, time per ID. Tables that choose no
 * IDs insert the key they erased.
 *
 * Time is the thread's own CPU time. A pass that takes too long is cut short,
 * so that nothing slow can take minutes; a fill cut short says so, as its time
 * per ID is then a lower bound.
 */

#include <ctime>
#include <string>
#include <type_traits>

#include <benchmark/benchmark.h>

#include "bench/harness.h"
#include "bench/peers/all.h"
#include "bench/run.h"

namespace bench {
namespace {

enum class Choice { LOWEST, OF_RANGE, SAME };

constexpr struct Pattern {
	const char *name;
	Shape shape;
	/* Freed in a row, before as many are allocated. */
	uint32_t batch;
	Choice choice;
} PATTERNS[] = {
	{ "pair", Shape::DENSE, 1, Choice::LOWEST },
	{ "batch200", Shape::DENSE, 200, Choice::LOWEST },
	{ "batch2000", Shape::DENSE, 2000, Choice::LOWEST },
	{ "range", Shape::DENSE, 1, Choice::OF_RANGE },
	{ "scatter", Shape::SCATTERED, 1, Choice::SAME },
};

constexpr uint32_t IDS[] = { 1000, 65536, 1000000 };
constexpr uint32_t FILLS[] = { 65536, 1000000 };

/* Of OF_RANGE; but for the one just freed, all its IDs are live. */
constexpr uint32_t RANGE = 500;

constexpr double PASS_LIMIT_NS = 0.2e9, FILL_LIMIT_NS = 1e9;

/* From one look at the time to the next. */
constexpr uint32_t STRIDE = 16;

class Deadline {
public:
	explicit Deadline(double ns)
		: end_(ticks() + static_cast<uint64_t>(ns / ns_per_tick()))
	{
	}

	BENCH_INLINE bool passed(uint32_t i) const
	{
		return i % STRIDE == 0 && i && ticks() > end_;
	}

private:
	uint64_t end_;
};

double cpu_seconds()
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return static_cast<double>(now.tv_sec) +
	       static_cast<double>(now.tv_nsec) * 1e-9;
}

template <class Peer>
BENCH_INLINE bool allocate(Peer &peer, uint32_t min, uint32_t max, uint32_t id,
			   std::true_type)
{
	uint32_t got;

	return peer.alloc(min, max, as_pointer(id), &got) && got == id;
}

template <class Peer>
BENCH_INLINE bool allocate(Peer &peer, uint32_t, uint32_t, uint32_t id,
			   std::false_type)
{
	return peer.insert(id, as_pointer(id));
}

template <class Peer> class Churn {
public:
	Churn(Peer &peer, const Pattern &pattern, const Population &population)
		: peer_(peer), pattern_(pattern), population_(population),
		  n_(static_cast<uint32_t>(population.entries.size())),
		  count_(pattern.batch == 1 ? BLOCK : pattern.batch)
	{
	}

	/* Pairs in a pass. */
	uint32_t count() const
	{
		return count_;
	}

	/* One pass; time of all its pairs. */
	double pass()
	{
		const std::vector<uint32_t> &ids = population_.stream;
		uint32_t done;
		double start;

		if (at_ + count_ > ids.size())
			at_ = 0;
		batch_.assign(ids.data() + at_, ids.data() + at_ + count_);
		at_ += count_;
		sorted_ = batch_;
		std::sort(sorted_.begin(), sorted_.end());

		start = cpu_seconds();
		done = pattern_.batch == 1 ? singly() : together();
		peer_.quiescent();
		return (cpu_seconds() - start) * count_ / done;
	}

	bool right() const
	{
		return right_;
	}

private:
	using Chooses = std::integral_constant<bool, Peer::ALLOCATES>;

	uint32_t singly()
	{
		const Deadline deadline(PASS_LIMIT_NS);
		const Choice choice = pattern_.choice;
		uint32_t min = 1, max = population_.max;

		for (uint32_t i = 0; i < count_; i++) {
			const uint32_t id = batch_[i];

			if (deadline.passed(i))
				return i;
			right_ &= peer_.erase(id);
			if (choice == Choice::OF_RANGE) {
				min = (id - 1) / RANGE * RANGE + 1;
				max = std::min(min + RANGE - 1, n_);
			} else if (choice == Choice::SAME) {
				min = max = id;
			}
			right_ &= allocate(peer_, min, max, id, Chooses());
		}
		return count_;
	}

	/* Cut short, it puts back the rest, whose time is next to nothing then.
	 */
	uint32_t together()
	{
		const Deadline deadline(PASS_LIMIT_NS);
		uint32_t i, done;

		for (uint32_t id : batch_)
			right_ &= peer_.erase(id);
		for (i = 0; i < count_ && !deadline.passed(i); i++)
			right_ &= allocate(peer_, 1, population_.max,
					   sorted_[i], Chooses());
		done = i;
		for (; i < count_; i++)
			right_ &= peer_.insert(sorted_[i],
					       as_pointer(sorted_[i]));
		return done;
	}

	Peer &peer_;
	const Pattern &pattern_;
	const Population &population_;
	const uint32_t n_, count_;
	size_t at_ = 0;
	std::vector<uint32_t> batch_, sorted_;
	bool right_ = true;
};

template <class Peer>
void churn(benchmark::State &state, const Pattern &pattern, uint32_t n)
{
	const Population &population = Population::get(pattern.shape, n);
	Peer &peer = instance<Peer>(population, 0);
	typename Peer::Thread self(peer);
	Churn<Peer> churn(peer, pattern, population);

	while (state.KeepRunningBatch(churn.count()))
		state.SetIterationTime(churn.pass());
	peer.drain();
	if (!churn.right())
		state.SkipWithError("wrong answer");
}

template <class Peer> void fill_up(benchmark::State &state, uint32_t n)
{
	std::integral_constant<bool, Peer::ALLOCATES> chooses;
	const uint32_t max = (1u << 20) - 1;
	bool right = true;
	uint32_t i = n;

	forget_instances<Peer>();
	while (state.KeepRunningBatch(n)) {
		Peer peer(max, n);
		typename Peer::Thread self(peer);
		const Deadline deadline(FILL_LIMIT_NS);
		const double start = cpu_seconds();

		for (i = 0; i < n && !deadline.passed(i); i++) {
			right &= allocate(peer, 1, max, i + 1, chooses);
			if (i % BLOCK == 0)
				peer.quiescent();
		}
		state.SetIterationTime((cpu_seconds() - start) * n / i);
		peer.drain();
	}
	if (i < n)
		state.counters["cut_short_at"] = i;
	if (!right)
		state.SkipWithError("wrong answer");
}

/* Why an implementation sits a pattern out, or nullptr. */
template <class Peer> const char *left_out(const Pattern &pattern, uint32_t n)
{
	if (pattern.batch > n / 2)
		return "fewer IDs than a batch";
	if (pattern.shape != Shape::SCATTERED)
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
		for (const Pattern &pattern : PATTERNS)
			for (uint32_t n : IDS)
				add<Peer>(pattern, n);
		for (uint32_t n : FILLS)
			benchmark::RegisterBenchmark(
				name(Peer::NAME, "fill", n).c_str(),
				[=](benchmark::State &state) {
					fill_up<Peer>(state, n);
				})
				->UseManualTime();
	}

	/* Has nothing to allocate from. */
	void operator()(Of<RawArray>) const
	{
	}

	static std::string name(const char *impl, const char *pattern,
				uint32_t n)
	{
		return std::string("churn/") + impl + "/" + pattern +
		       "/ids:" + std::to_string(n);
	}

	template <class Peer>
	static void add(const Pattern &pattern, uint32_t n)
	{
		std::string full = name(Peer::NAME, pattern.name, n);
		const char *why = left_out<Peer>(pattern, n);

		if (why) {
			std::fprintf(stderr, "%s left out: %s\n", full.c_str(),
				     why);
			return;
		}
		benchmark::RegisterBenchmark(
			full.c_str(),
			[&pattern, n](benchmark::State &state) {
				churn<Peer>(state, pattern, n);
			})
			->UseManualTime();
	}
};

} // namespace
} // namespace bench

int main(int argc, char **argv)
{
	bench::want_huge_pages(argv);
	bench::pin_reader();
	bench::for_each_peer(bench::Register());
	return bench::run_benchmarks(argc, argv);
}
