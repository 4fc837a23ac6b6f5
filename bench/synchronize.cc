/* SPDX-License-Identifier: MIT */
/*
 * synchronize/IMPL/STATE/threads:N/callers:K: one wait for a grace period, as
 * one of K threads that do nothing else sees it, beside N registered threads.
 * The callers are not registered.
 */

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include <benchmark/benchmark.h>

#include "bench/harness.h"
#include "bench/run.h"

#ifdef HAVE_LIBURCU
#include <urcu/urcu-bp.h>
#include <urcu/urcu-memb.h>
#include <urcu/urcu-qsbr.h>
#endif

namespace bench {
namespace {

/* What the registered threads do. */
enum class State {
	/* sleep outside of a section; with qsbr offline */
	IDLE,
	/* one reads without pause, on another CPU; the others sleep */
	READING,
	/* each reads a short section every 10 ms */
	CYCLING,
};

constexpr struct {
	State state;
	const char *name;
} STATES[] = {
	{ State::IDLE, "idle" },
	{ State::READING, "reading" },
	{ State::CYCLING, "cycling" },
};

constexpr int THREADS[] = { 1, 16, 256 };
/* Beside this many threads, idle, more callers than one are measured. */
constexpr int SHARED = 16;
constexpr int CALLERS[] = { 4, 16 };

template <ioasid_rcu_flavour FLAVOUR, bool NO_MEMBARRIER> struct Ours {
	static struct ioasid_rcu *domain()
	{
		static struct ioasid_rcu *const rcu = create();

		return rcu;
	}
	static void thread_register()
	{
		if (ioasid_rcu_thread_register(domain()))
			die("thread_register failed");
	}
	static void thread_unregister()
	{
		ioasid_rcu_thread_unregister(domain());
	}
	static void lock()
	{
		ioasid_rcu_read_lock(domain());
	}
	static void unlock()
	{
		ioasid_rcu_read_unlock(domain());
	}
	static void quiescent()
	{
		ioasid_rcu_quiescent(domain());
	}
	static void offline()
	{
		ioasid_rcu_thread_offline(domain());
	}
	static void online()
	{
		ioasid_rcu_thread_online(domain());
	}
	static void synchronize()
	{
		if (ioasid_rcu_synchronize(domain()))
			die("synchronize failed");
	}

private:
	static struct ioasid_rcu *create()
	{
		struct ioasid_rcu_config config = {};
		struct ioasid_rcu *rcu;

		config.flavour = FLAVOUR;
		config.no_membarrier = NO_MEMBARRIER;
		if (ioasid_rcu_create(&config, &rcu))
			die("ioasid_rcu_create failed");
		return rcu;
	}
};

using Epoch = Ours<IOASID_RCU_EPOCH, false>;
using Fence = Ours<IOASID_RCU_EPOCH, true>;
using QsbrFlavour = Ours<IOASID_RCU_QSBR, false>;

#ifdef HAVE_LIBURCU
/* Their functions differ by prefix alone. */
#define URCU_FLAVOUR(Name, prefix)                    \
	struct Name {                                 \
		static void thread_register()         \
		{                                     \
			prefix##_register_thread();   \
		}                                     \
		static void thread_unregister()       \
		{                                     \
			prefix##_unregister_thread(); \
		}                                     \
		static void lock()                    \
		{                                     \
			prefix##_read_lock();         \
		}                                     \
		static void unlock()                  \
		{                                     \
			prefix##_read_unlock();       \
		}                                     \
		static void quiescent()               \
		{                                     \
			prefix##_quiescent_state();   \
		}                                     \
		static void offline()                 \
		{                                     \
			prefix##_thread_offline();    \
		}                                     \
		static void online()                  \
		{                                     \
			prefix##_thread_online();     \
		}                                     \
		static void synchronize()             \
		{                                     \
			prefix##_synchronize_rcu();   \
		}                                     \
	}

URCU_FLAVOUR(UrcuMemb, urcu_memb);
URCU_FLAVOUR(UrcuQsbr, urcu_qsbr);
URCU_FLAVOUR(UrcuBp, urcu_bp);
#endif

template <class Rcu> class Threads {
public:
	Threads(State state, int threads, int callers)
	{
		for (int i = 0; i < threads; i++)
			threads_.emplace_back([=] {
				bool reads = state == State::READING && !i;

				/* They start with their creator's CPU. */
				if (reads)
					pin_writer();
				else
					unpin();
				run(reads, state == State::CYCLING);
			});
		for (int i = 1; i < callers; i++)
			threads_.emplace_back([this] {
				unpin();
				call();
			});

		std::unique_lock<std::mutex> guard(lock_);

		/* Those that only sleep do, once the lock is ours. */
		while (ready_ != threads_.size())
			changed_.wait(guard);
	}

	~Threads()
	{
		{
			std::lock_guard<std::mutex> guard(lock_);

			stop_.store(true, std::memory_order_relaxed);
		}
		changed_.notify_all();
		for (std::thread &thread : threads_)
			thread.join();
	}

	/* Of the callers among them. */
	uint64_t calls() const
	{
		return calls_.load(std::memory_order_relaxed);
	}

private:
	bool stopped() const
	{
		return stop_.load(std::memory_order_relaxed);
	}

	void ready()
	{
		ready_++;
		changed_.notify_all();
	}

	/* About as long as a lookup. */
	static void section()
	{
		uint32_t x = 1;

		Rcu::lock();
		for (int i = 0; i < 16; i++) {
			x *= 3;
			benchmark::DoNotOptimize(x);
		}
		Rcu::unlock();
		Rcu::quiescent();
	}

	void run(bool reads, bool cycles)
	{
		Rcu::thread_register();
		if (!reads)
			Rcu::offline();
		std::unique_lock<std::mutex> guard(lock_);
		ready();
		if (!reads && !cycles)
			changed_.wait(guard, [this] { return stopped(); });
		guard.unlock();
		while (reads && !stopped())
			section();
		while (cycles && !stopped()) {
			Rcu::online();
			section();
			Rcu::offline();
			std::this_thread::sleep_for(
				std::chrono::milliseconds(10));
		}
		Rcu::online();
		Rcu::thread_unregister();
	}

	void call()
	{
		{
			std::lock_guard<std::mutex> guard(lock_);

			ready();
		}
		while (!stopped()) {
			Rcu::synchronize();
			calls_.fetch_add(1, std::memory_order_relaxed);
		}
	}

	std::mutex lock_;
	std::condition_variable changed_;
	size_t ready_ = 0;
	std::vector<std::thread> threads_;
	std::atomic<bool> stop_{ false };
	alignas(64) std::atomic<uint64_t> calls_{ 0 };
};

template <class Rcu>
void synchronize(benchmark::State &state, State what, int threads, int callers)
{
	using Clock = std::chrono::steady_clock;
	Threads<Rcu> others(what, threads, callers);
	std::chrono::duration<double, std::nano> took;
	uint64_t calls = others.calls();
	Clock::time_point start = Clock::now();

	for (auto _ : state)
		Rcu::synchronize();
	took = Clock::now() - start;
	calls = others.calls() - calls +
		static_cast<uint64_t>(state.iterations());
	/* Less than the time of one call by as much as they share. */
	state.counters["ns_by_all"] = took.count() / static_cast<double>(calls);
}

template <class Rcu>
void add(const char *impl, State state, const char *name, int threads,
	 int callers)
{
	benchmark::RegisterBenchmark(
		(std::string("synchronize/") + impl + "/" + name +
		 "/threads:" + std::to_string(threads) +
		 "/callers:" + std::to_string(callers))
			.c_str(),
		[=](benchmark::State &s) {
			synchronize<Rcu>(s, state, threads, callers);
		})
		->UseRealTime();
}

template <class Rcu> void add(const char *impl)
{
	for (const auto &s : STATES)
		for (int threads : THREADS)
			add<Rcu>(impl, s.state, s.name, threads, 1);
	for (int callers : CALLERS)
		add<Rcu>(impl, State::IDLE, "idle", SHARED, callers);
}

} // namespace
} // namespace bench

int main(int argc, char **argv)
{
	using namespace bench;

	pin_reader();
	add<Epoch>("epoch");
	add<Fence>("fence");
	add<QsbrFlavour>("qsbr");
#ifdef HAVE_LIBURCU
	add<UrcuMemb>("urcu_memb");
	add<UrcuQsbr>("urcu_qsbr");
	add<UrcuBp>("urcu_bp");
#else
	for (const char *name : { "urcu_memb", "urcu_qsbr", "urcu_bp" })
		std::fprintf(stderr,
			     "%s left out: built without liburcu "
			     "(package liburcu-dev)\n",
			     name);
#endif
	return bench::run_benchmarks(argc, argv);
}
