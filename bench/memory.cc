/* SPDX-License-Identifier: MIT */
/*
 * Bytes per live ID, one JSON object a line: how much the anonymous memory of
 * a fresh process grows when IDs are allocated. That counts all: structures,
 * the allocator's own overhead, pages partly used. Pages are the base size,
 * and free memory is given back before the second look.
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

template <class Peer> void print(Shape shape, uint32_t n)
{
	const Population population(shape, n);
	uint64_t before, after;

	if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0))
		die("PR_SET_THP_DISABLE failed");
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
		    Peer::NAME, shape == Shape::DENSE ? "dense" : "scattered",
		    n, static_cast<double>(after - before) / n);
	std::fflush(stdout);
}

struct Measure {
	uint32_t n;
	bool *failed;

	template <class Peer> void operator()(Of<Peer>) const
	{
		in_child<Peer>(Shape::DENSE);
		if (Peer::ANY_ID && (Peer::COMPACT || n <= 65536))
			in_child<Peer>(Shape::SCATTERED);
	}

	/* The flavour takes no memory per ID. */
	void operator()(Of<BitmapEpoch>) const
	{
	}
	void operator()(Of<RadixEpoch>) const
	{
	}
	void operator()(Of<HashEpoch>) const
	{
	}

	template <class Peer> void in_child(Shape shape) const
	{
		pid_t child = fork();
		int status;

		if (child < 0)
			die("fork failed");
		if (!child) {
			print<Peer>(shape, n);
			_exit(0);
		}
		if (waitpid(child, &status, 0) != child || status) {
			std::fprintf(stderr, "%s failed\n", Peer::NAME);
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
