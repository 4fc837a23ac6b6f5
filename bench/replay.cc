/* SPDX-License-Identifier: MIT */
/*
 * replay/IMPL/TRACE: a recorded trace, one ID per process: allocated when it
 * appears, looked up at each page fault, freed at its exit. Time is per
 * operation.
 *
 *	replay [Google Benchmark's options] TRACE...
 */

#include <cstring>
#include <functional>
#include <queue>
#include <string>
#include <type_traits>

#include <benchmark/benchmark.h>

#include "bench/harness.h"
#include "bench/peers/all.h"
#include "bench/traces/trace.h"

namespace bench {
namespace {

constexpr uint32_t MAX_ID = (1u << 20) - 1;

struct Recorded {
	std::string name;
	struct trace trace;
	/* Of each process: the lowest that was vacant at its start. */
	std::vector<uint32_t> ids;
};

Recorded load(const char *path)
{
	std::priority_queue<uint32_t, std::vector<uint32_t>,
			    std::greater<uint32_t>>
		vacant;
	uint32_t next = 1;
	Recorded recorded;
	int ret = trace_load(path, &recorded.trace);

	if (ret) {
		std::fprintf(stderr, "%s: %s\n", path, std::strerror(-ret));
		std::exit(1);
	}
	recorded.name = std::strrchr(path, '/') ? std::strrchr(path, '/') + 1 :
						  path;
	recorded.name.resize(recorded.name.find('.') == std::string::npos ?
				     recorded.name.size() :
				     recorded.name.find('.'));
	recorded.ids.resize(recorded.trace.processes);
	for (size_t i = 0; i < recorded.trace.count; i++) {
		struct trace_op op = recorded.trace.ops[i];

		if (op.kind == TRACE_FREE) {
			vacant.push(recorded.ids[op.process]);
		} else if (op.kind == TRACE_ALLOC && vacant.empty()) {
			recorded.ids[op.process] = next++;
		} else if (op.kind == TRACE_ALLOC) {
			recorded.ids[op.process] = vacant.top();
			vacant.pop();
		}
	}
	return recorded;
}

template <class Peer>
BENCH_INLINE bool start(Peer &peer, uint32_t id, void *data, std::true_type)
{
	uint32_t got;

	return peer.alloc(1, MAX_ID, data, &got) && got == id;
}

template <class Peer>
BENCH_INLINE bool start(Peer &peer, uint32_t id, void *data, std::false_type)
{
	return peer.insert(id, data);
}

template <class Peer>
BENCH_INLINE bool step(Peer &peer, struct trace_op op, const uint32_t *ids)
{
	std::integral_constant<bool, Peer::ALLOCATES> chooses;
	uint32_t process = op.process, id = ids[process];
	void *data;

	switch (op.kind) {
	case TRACE_FIND:
		return peer.find(id, &data) && as_data(data) == process + 1;
	case TRACE_ALLOC:
		return start(peer, id, as_pointer(process + 1), chooses);
	default:
		return peer.erase(id);
	}
}

template <class Peer>
void replay(benchmark::State &state, const Recorded &recorded)
{
	const struct trace &trace = recorded.trace;
	Peer peer(MAX_ID, trace.max_live);
	bool right = true;

	collapse_huge_pages();
	{
		typename Peer::Thread self(peer);

		while (state.KeepRunningBatch(
			static_cast<benchmark::IterationCount>(trace.count))) {
			for (size_t i = 0; i < trace.count; i++) {
				right &= step(peer, trace.ops[i],
					      recorded.ids.data());
				if (i % BLOCK == 0)
					peer.quiescent();
			}
		}
		peer.drain();
	}
	if (!right)
		state.SkipWithError("wrong answer");
}

struct Register {
	const Recorded *recorded;

	template <class Peer> void operator()(Of<Peer>) const
	{
		const Recorded *r = recorded;

		benchmark::RegisterBenchmark(
			(std::string("replay/") + Peer::NAME + "/" + r->name)
				.c_str(),
			[=](benchmark::State &state) {
				replay<Peer>(state, *r);
			})
			->UseRealTime();
	}
};

} // namespace
} // namespace bench

int main(int argc, char **argv)
{
	std::vector<bench::Recorded> traces;

	bench::want_huge_pages(argv);
	bench::pin_reader();
	benchmark::Initialize(&argc, argv);
	for (int i = 1; i < argc; i++)
		traces.push_back(bench::load(argv[i]));
	if (traces.empty()) {
		std::fprintf(stderr, "usage: replay [options] TRACE...\n");
		return 1;
	}
	for (const bench::Recorded &recorded : traces)
		bench::for_each_peer(bench::Register{ &recorded });
	benchmark::RunSpecifiedBenchmarks();
	benchmark::Shutdown();
	for (bench::Recorded &recorded : traces)
		trace_free(&recorded.trace);
	return 0;
}
