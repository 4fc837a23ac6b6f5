/* SPDX-License-Identifier: MIT */
/*
 * churn/IMPL/ids:N: free a random live ID, allocate the lowest vacant one,
 * which is the same again. Tables that choose no IDs insert the key they
 * erased.
 */

#include <string>
#include <type_traits>

#include <benchmark/benchmark.h>

#include "bench/harness.h"
#include "bench/peers/all.h"
#include "bench/run.h"

namespace bench {
namespace {

constexpr uint32_t IDS[] = { 1000, 65536, 1000000 };
/* Small, as one alloc may walk all IDs. */
constexpr uint32_t BATCH = 16;

template <class Peer>
BENCH_INLINE bool again(Peer &peer, uint32_t max, uint32_t id, std::true_type)
{
	uint32_t got;

	return peer.alloc(1, max, as_pointer(id), &got) && got == id;
}

template <class Peer>
BENCH_INLINE bool again(Peer &peer, uint32_t, uint32_t id, std::false_type)
{
	return peer.insert(id, as_pointer(id));
}

template <class Peer> void churn(benchmark::State &state, uint32_t n)
{
	const Population &population = Population::get(Shape::DENSE, n);
	Peer &peer = instance<Peer>(population, 0);
	typename Peer::Thread self(peer);
	const std::vector<uint32_t> &ids = population.stream;
	std::integral_constant<bool, Peer::ALLOCATES> chooses;
	bool failed = false;
	size_t at = 0;

	while (state.KeepRunningBatch(BATCH)) {
		for (uint32_t i = 0; i < BATCH; i++)
			failed |= !peer.erase(ids[at + i]) ||
				  !again(peer, population.max, ids[at + i],
					 chooses);
		peer.quiescent();
		at += BATCH;
		if (at == ids.size())
			at = 0;
	}
	peer.drain();
	if (failed)
		state.SkipWithError("wrong answer");
}

struct Register {
	template <class Peer> void operator()(Of<Peer>) const
	{
		for (uint32_t n : IDS)
			benchmark::RegisterBenchmark(
				(std::string("churn/") + Peer::NAME +
				 "/ids:" + std::to_string(n))
					.c_str(),
				[=](benchmark::State &state) {
					churn<Peer>(state, n);
				})
				->UseRealTime();
	}

	/* Has nothing to allocate from. */
	void operator()(Of<RawArray>) const
	{
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
