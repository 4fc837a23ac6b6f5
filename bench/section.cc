/* SPDX-License-Identifier: MIT */
/*
 * section/IMPL/FLAVOUR/PATTERN/ids:N: what a read section of FLAVOUR adds to
 * a lookup, over one of qsbr.
 *
 * The difference of two figures timed apart drowns in what else differs:
 * memory, code placement, neighbours. Here one loop looks up in one structure
 * that does not change; which domain its sections belong to alternates from
 * run to run, in random order within each pair of runs. The counter add_ns is
 * the median of the differences within pairs, each of one of several copies of
 * the code. FLAVOUR qsbr, a second domain of it, shows what the method adds.
 *
 * PATTERN chain and stream are those of the lookup benchmarks, with a section
 * around each lookup; find is chain by ioasid_space_find().
 */

#include <chrono>
#include <random>
#include <string>
#include <utility>

#include <benchmark/benchmark.h>

#include "bench/harness.h"
#include "bench/peers/ioasid.h"
#include "bench/readers.h"
#include "bench/run.h"

namespace bench {
namespace {

constexpr uint32_t IDS[] = { 1000, 65536, 1000000 };
/* The one of qsbr, the one it is compared with. */
using Domains = std::array<struct ioasid_rcu *, 2>;

/* Blocks to a run: pairs are the closer the shorter their runs are. */
constexpr int RUN = 4;
/* Of the timed code: where it lies matters at this size. */
constexpr uint32_t COPIES = 8;

struct ioasid_rcu *create(ioasid_rcu_flavour flavour, bool no_membarrier)
{
	struct ioasid_rcu_config config = {};
	struct ioasid_rcu *rcu;

	config.flavour = flavour;
	config.no_membarrier = no_membarrier;
	if (ioasid_rcu_create(&config, &rcu) || ioasid_rcu_thread_register(rcu))
		die("no domain");
	return rcu;
}

/*
 * The domain of the read sections is chosen while it runs. With WHOLE lookups
 * are ioasid_space_find()'s, and the space is made to take its sections there:
 * it is not updated meanwhile.
 */
template <ioasid_store_kind STORE, bool WHOLE>
class Switched : public Space<STORE, IOASID_RCU_QSBR> {
public:
	using Space<STORE, IOASID_RCU_QSBR>::Space;

	~Switched()
	{
		this->space_->rcu = own_;
	}

	void use(struct ioasid_rcu *rcu)
	{
		rcu_ = rcu;
		if (WHOLE)
			this->space_->rcu = rcu;
	}

	BENCH_INLINE bool find(uint32_t id, void **data)
	{
		int ret;

		if (WHOLE)
			return !ioasid_space_find(this->space_, &this->set_, id,
						  nullptr, data);
		ioasid_rcu_read_lock(rcu_);
		ret = ioasid_space_find_rcu(this->space_, &this->set_, id,
					    data);
		ioasid_rcu_read_unlock(rcu_);
		return !ret;
	}

	void quiescent()
	{
		ioasid_rcu_quiescent(rcu_);
	}

private:
	struct ioasid_rcu *own_ = this->rcu(), *rcu_ = nullptr;
};

double quantile(std::vector<double> &values, double q)
{
	size_t rank = static_cast<size_t>(
		q * static_cast<double>(values.size() - 1) + 0.5);

	std::nth_element(values.begin(),
			 values.begin() + static_cast<std::ptrdiff_t>(rank),
			 values.end());
	return values[rank];
}

template <class Peer, class Reader> using Block = void (*)(Peer &, Reader &);

template <size_t COPY, class Peer, class Reader>
__attribute__((noinline)) void block(Peer &peer, Reader &reader)
{
	/* Apart from what follows, lest the copies are merged into one. */
	for (size_t i = 0; i < COPY; i++)
		__asm__ volatile("nop\n\tnop\n\tnop\n\tnop\n\tnop");
	reader.run(BLOCK);
	peer.quiescent();
}

template <class Peer, class Reader, size_t... COPY>
constexpr std::array<Block<Peer, Reader>, sizeof...(COPY)>
copies(std::index_sequence<COPY...>)
{
	return { block<COPY, Peer, Reader>... };
}

/* Nanoseconds per lookup. */
template <class Peer, class Reader>
double run(Peer &peer, Reader &reader, Block<Peer, Reader> function,
	   struct ioasid_rcu *rcu)
{
	using Clock = std::chrono::steady_clock;
	std::chrono::duration<double, std::nano> took;
	Clock::time_point start;

	peer.use(rcu);
	function(peer, reader);
	start = Clock::now();
	for (int i = 0; i < RUN; i++)
		function(peer, reader);
	took = Clock::now() - start;
	return took.count() / RUN / BLOCK;
}

template <class Peer, template <class> class Reader>
void pairs(benchmark::State &state, uint32_t n, const Domains &domains)
{
	const Population &population = Population::get(Shape::DENSE, n);
	Peer &peer = instance<Peer>(population, 0);
	std::vector<double> times[2], added;
	Reader<Peer> reader(peer, population);
	Random random(std::random_device{}());
	constexpr auto functions =
		copies<Peer, Reader<Peer>>(std::make_index_sequence<COPIES>());

	for (size_t i = 0; i < population.stream.size(); i += RUN * BLOCK)
		run(peer, reader, functions[0], domains[0]);
	for (auto _ : state) {
		auto function = functions[random.below(COPIES)];
		size_t first = random.below(2);
		double ns[2];

		ns[first] = run(peer, reader, function, domains[first]);
		ns[!first] = run(peer, reader, function, domains[!first]);
		for (int i = 0; i < 2; i++)
			times[i].push_back(ns[i]);
		added.push_back(ns[1] - ns[0]);
	}
	if (!reader.right())
		state.SkipWithError("wrong answer");
	state.counters["qsbr_ns"] = quantile(times[0], 0.5);
	state.counters["ns"] = quantile(times[1], 0.5);
	state.counters["add_ns"] = quantile(added, 0.5);
	state.counters["add_low_ns"] = quantile(added, 0.25);
	state.counters["add_high_ns"] = quantile(added, 0.75);
}

template <ioasid_store_kind STORE>
void add(const char *impl, const char *flavour, Domains domains)
{
	using Function =
		void (*)(benchmark::State &, uint32_t, const Domains &);
	constexpr struct {
		const char *name;
		Function function;
	} patterns[] = {
		{ "chain", pairs<Switched<STORE, false>, Chain> },
		{ "stream", pairs<Switched<STORE, false>, Stream> },
		{ "find", pairs<Switched<STORE, true>, Chain> },
	};

	for (const auto &pattern : patterns) {
		for (uint32_t n : IDS) {
			Function function = pattern.function;

			benchmark::RegisterBenchmark(
				(std::string("section/") + impl + "/" +
				 flavour + "/" + pattern.name +
				 "/ids:" + std::to_string(n))
					.c_str(),
				[=](benchmark::State &state) {
					function(state, n, domains);
				})
				->UseRealTime();
		}
	}
}

void add_all()
{
	struct ioasid_rcu *qsbr = create(IOASID_RCU_QSBR, false);
	const struct {
		const char *name;
		struct ioasid_rcu *rcu;
	} flavours[] = {
		{ "qsbr", create(IOASID_RCU_QSBR, false) },
		{ "epoch", create(IOASID_RCU_EPOCH, false) },
		{ "fence", create(IOASID_RCU_EPOCH, true) },
	};

	for (const auto &flavour : flavours) {
		Domains domains = { qsbr, flavour.rcu };

		add<IOASID_STORE_BITMAP>("bitmap", flavour.name, domains);
		add<IOASID_STORE_RADIX>("radix", flavour.name, domains);
		add<IOASID_STORE_HASH>("hash", flavour.name, domains);
	}
}

} // namespace
} // namespace bench

int main(int argc, char **argv)
{
	bench::want_huge_pages(argv);
	bench::pin_reader();
	bench::add_all();
	return bench::run_benchmarks(argc, argv);
}
