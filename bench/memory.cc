/* SPDX-License-Identifier: MIT */
/*
 * One JSON object a line. Bytes per live ID: how much the anonymous memory of
 * a fresh process grows when IDs are allocated. That counts all: structures,
 * the allocator's own overhead, pages partly used. Pages are the base size,
 * and free memory is given back before the second look.
 *
 * For our stores then what is held in four stages: the space empty; full; its
 * IDs freed and a grace period past; trimmed.
 *
 *	memory [IDS...]
 */

#include <cstring>
#include <string>

#include <malloc.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/harness.h"
#include "bench/peers/all.h"

namespace bench {
namespace {

uint64_t anonymous_bytes()
{
	std::FILE *file = std::fopen("/proc/self/smaps_rollup", "re");
	unsigned long long kib;
	char line[256];

	if (!file)
		die("cannot read /proc/self/smaps_rollup");
	while (std::fgets(line, sizeof(line), file)) {
		if (std::sscanf(line, "Anonymous: %llu kB", &kib) == 1) {
			std::fclose(file);
			return kib * 1024;
		}
	}
	die("no Anonymous line in /proc/self/smaps_rollup");
}

void base_pages()
{
	if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0))
		die("PR_SET_THP_DISABLE failed");
}

const char *name(Shape shape)
{
	return shape == Shape::DENSE ? "dense" : "scattered";
}

template <class Peer> void print(Shape shape, uint32_t n)
{
	const Population population(shape, n);
	uint64_t before, after;

	base_pages();
	malloc_trim(0);
	before = anonymous_bytes();
	{
		Peer peer(population.max, n);

		fill(peer, population);
		malloc_trim(0);
		after = anonymous_bytes();
	}
	std::printf("{\"impl\": \"%s\", \"pattern\": \"%s\", \"ids\": %u, "
		    "\"bytes_per_id\": %.2f}\n",
		    Peer::NAME, name(shape), n,
		    static_cast<double>(after - before) / n);
	std::fflush(stdout);
}

template <class Peer> class Stages {
public:
	Stages(Shape shape, uint32_t n)
		: shape_(shape), n_(n), before_(anonymous_bytes()),
		  peer_(Population::get(shape, n).max, n)
	{
	}

	void run()
	{
		const Population &population = Population::get(shape_, n_);
		typename Peer::Thread self(peer_);

		print("empty");
		fill(peer_, population);
		print("full");
		/* At random, as far as the readers' are concerned. */
		for (const std::vector<uint32_t> *ids :
		     { &population.cycle, &population.writer }) {
			for (uint32_t id : *ids)
				if (!peer_.erase(id))
					die("erase failed");
			peer_.quiescent();
		}
		peer_.drain();
		print("freed");
		ioasid_space_trim(peer_.space());
		peer_.drain();
		print("trimmed");
	}

private:
	void print(const char *stage)
	{
		struct ioasid_stats stats;

		malloc_trim(0);
		ioasid_space_stats(peer_.space(), &stats);
		std::printf(
			"{\"impl\": \"%s\", \"pattern\": \"%s\", "
			"\"ids\": %u, \"stage\": \"%s\", "
			"\"counted\": %zu, \"anonymous\": %lld}\n",
			Peer::NAME, name(shape_), n_, stage, stats.memory,
			static_cast<long long>(anonymous_bytes() - before_));
		std::fflush(stdout);
	}

	Shape shape_;
	uint32_t n_;
	uint64_t before_;
	Peer peer_;
};

/* The store alone: nothing else of the process may grow meanwhile. */
template <class Peer> void print_stages(Shape shape, uint32_t n)
{
	Population::get(shape, n);
	base_pages();
	malloc_trim(0);
	Stages<Peer>(shape, n).run();
}

struct Measure {
	uint32_t n;
	bool *failed;

	template <class Peer> void operator()(Of<Peer>) const
	{
		measure<Peer>(Shape::DENSE);
		if (Peer::ANY_ID && (Peer::COMPACT || n <= 65536))
			measure<Peer>(Shape::SCATTERED);
	}

	template <class Peer> void measure(Shape shape) const
	{
		in_child(Peer::NAME, [=] { print<Peer>(shape, n); });
		stages(Of<Peer>(), shape);
	}

	template <class Peer> void stages(Of<Peer>, Shape) const
	{
	}
	void stages(Of<Bitmap>, Shape shape) const
	{
		in_child("bitmap", [=] { print_stages<Bitmap>(shape, n); });
	}
	void stages(Of<Radix>, Shape shape) const
	{
		in_child("radix", [=] { print_stages<Radix>(shape, n); });
	}
	void stages(Of<Hash>, Shape shape) const
	{
		in_child("hash", [=] { print_stages<Hash>(shape, n); });
	}

	template <class Function>
	void in_child(const char *impl, Function function) const
	{
		pid_t child = fork();
		int status;

		if (child < 0)
			die("fork failed");
		if (!child) {
			function();
			_exit(0);
		}
		if (waitpid(child, &status, 0) != child || status) {
			std::fprintf(stderr, "%s failed\n", impl);
			*failed = true;
		}
	}
};

} // namespace
} // namespace bench

int main(int argc, char **argv)
{
	std::vector<uint32_t> ids;
	bool failed = false;

	for (int i = 1; i < argc; i++) {
		long n = std::strtol(argv[i], nullptr, 10);

		if (n < 16 || n > 1000000) {
			std::fprintf(stderr,
				     "usage: memory [16..1000000]...\n");
			return 1;
		}
		ids.push_back(static_cast<uint32_t>(n));
	}
	if (ids.empty())
		ids = { 65536, 1000000 };
	for (uint32_t n : ids)
		bench::for_each_peer(bench::Measure{ n, &failed });
	return failed;
}
