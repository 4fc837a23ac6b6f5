/* SPDX-License-Identifier: MIT */
#ifndef CHECK_H
#define CHECK_H

/* What a check is, and the runner: without and with faults, as main() says. */

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <ostream>
#include <streambuf>
#include <type_traits>

#include "model.h"

namespace model {

/*
 * A check: Suite says what each thread does in run(), and may have before() and
 * after().
 */
template <class Suite, int N> struct check : rl::test_suite<Suite, N> {
	static_assert(N <= THREADS_MAX, "");

	static void init_data(rl::atomic_data *data)
	{
		auto *d = static_cast<rl::atomic_data_impl<N> *>(data);

		for (auto &seen :
		     d->history_[d->current_index_ % rl::atomic_history_size]
			     .first_seen_order_)
			seen = (rl::timestamp_t)-1;
	}

	static void fence_thread(unsigned int thread)
	{
		typedef rl::thread_info<N> info;
		rl::context &c = rl::ctx();
		auto *me = static_cast<rl::aligned<info> *>(
			static_cast<info *>(c.threadx_));

		(me + ((int)thread - (int)me->index_))
			->atomic_thread_fence_seq_cst(c.seq_cst_fence_order_);
	}

	check()
	{
		cell_init = init_data;
		fence_on = fence_thread;
		begin();
	}

	~check()
	{
		end();
	}

	void thread(unsigned int index)
	{
		resumed();
		running = true;
		if (set.thread_start)
			set.thread_start();
		static_cast<Suite *>(this)->run(index);
		if (now.exit_hook[index])
			now.exit_hook[index]();
		flush();
		running = ++now.finished < N;
	}
};

/* The runner. */

/* Relacy's new and delete are not for the streams it writes to. */
struct fixed_buffer : std::streambuf {
	char text[1 << 18];

	void clear()
	{
		setp(text, text + sizeof(text));
	}

	size_t size() const
	{
		return (size_t)(pptr() - pbase());
	}

	/* The line after the name of the check. */
	const char *verdict() const
	{
		static char line[80];
		const char *begin = (const char *)memchr(text, '\n', size());
		size_t length = begin ? strcspn(++begin, "\n") : 0;

		if (length >= sizeof(line))
			length = sizeof(line) - 1;
		memcpy(line, begin, length);
		line[length] = 0;
		return line;
	}
};

int failures, ran;
/* See usage. */
double factor = 1;
unsigned long from = 1;
const char *only;
bool clean_only;

const unsigned int ALL = 1u << 30;

struct bound {
	rl::scheduler_type_e scheduler;
	unsigned int switches, schedules;
};

inline bound full()
{
	return { rl::sched_full, 0, ALL };
}

inline bound bounded(unsigned int switches)
{
	return { rl::sched_bound, switches, ALL };
}

inline bound random(unsigned int schedules)
{
	return { rl::sched_random, 0, schedules };
}

template <class Suite>
void run(const char *name, bound bound, const fault &fault)
{
	std::clock_t start = std::clock();
	static fixed_buffer buffer;
	std::ostream output(&buffer), nowhere(nullptr);
	bool clean, expected;
	rl::test_params params;
	char how[32], start_at[32];
	bool faulty = fault.op != NOTHING || fault.effect != NONE;

	if (only && !strstr(name, only))
		return;
	/* The first that fails is all that is asked for. */
	if (clean_only && (faulty || failures))
		return;
	ran++;
	if (bound.scheduler == rl::sched_random)
		std::snprintf(how, sizeof(how), "random");
	else if (bound.scheduler == rl::sched_full)
		std::snprintf(how, sizeof(how), "full");
	else
		std::snprintf(how, sizeof(how), "%u switches", bound.switches);
	params.search_type = bound.scheduler;
	params.iteration_count = bound.schedules;
	if (bound.scheduler == rl::sched_random) {
		/* To find a fault may take longer than the check itself. */
		params.iteration_count *= faulty ? 10 : factor;
		std::snprintf(start_at, sizeof(start_at), "%lu", from);
		params.initial_state = start_at;
		params.iteration_count += from - 1;
	}
	params.context_bound = bound.switches;
	params.execution_depth_limit = 20000;
	params.output_stream = &output;
	params.progress_stream = &nowhere;
	memset(buffer.text, 0, sizeof(buffer.text));
	buffer.clear();
	planted = fault;
	met = 0;
	clean = rl::simulate<Suite>(params);
	planted = no_fault;
	expected = clean != faulty;
	if (bound.scheduler == rl::sched_random)
		params.stop_iteration -= from - 1;
	std::printf("%-4s %-18s %-26s %-10s %9lu schedules %6.1f CPU s%s%s%s\n",
		    expected ? "ok" : "FAIL", name, fault.name, how,
		    (unsigned long)params.stop_iteration,
		    (double)(std::clock() - start) / CLOCKS_PER_SEC,
		    clean ? "" : "  found: ", clean ? "" : buffer.verdict(),
		    clean && !expected && !met ? "  (never met)" : "");
	std::fflush(stdout);
	if (!expected) {
		failures++;
		std::printf("%.*s\n", (int)buffer.size(), buffer.text);
	}
}

const char usage[] =
	"usage: %s [--factor=N] [--from=N] [--only=NAME] [--clean]\n"
	"--factor, or $RELACY_FACTOR: so many times the schedules at random\n"
	"--from: the number of the first of them, 1 by default: others\n"
	"--only: the checks with this in their name\n"
	"--clean: without planted faults, up to the first that fails\n";

inline int main(int argc, char **argv, void (*checks)())
{
	const char *given = std::getenv("RELACY_FACTOR");

	if (given)
		factor = std::atof(given);
	for (int i = 1; i < argc; i++) {
		if (!strncmp(argv[i], "--factor=", 9)) {
			factor = std::atof(argv[i] + 9);
		} else if (!strncmp(argv[i], "--from=", 7)) {
			from = std::strtoul(argv[i] + 7, nullptr, 10);
		} else if (!strncmp(argv[i], "--only=", 7)) {
			only = argv[i] + 7;
		} else if (!strcmp(argv[i], "--clean")) {
			clean_only = true;
		} else {
			std::fprintf(stderr, usage, argv[0]);
			return 2;
		}
	}
	if (!(factor > 0) || !from) {
		std::fprintf(stderr, usage, argv[0]);
		return 2;
	}
	tls_setup();
	checks();
	if (!ran)
		std::printf("no check of this name\n");
	if (failures)
		std::printf("%d failed\n", failures);
	return failures || !ran;
}

/* Whether it is the check that alone is to be compiled. */
template <class Suite>
void run_if(std::true_type, const char *name, bound bound, const fault &fault)
{
	run<Suite>(name, bound, fault);
}

template <class Suite>
void run_if(std::false_type, const char *, bound, const fault &)
{
}

} // namespace model

#ifdef CHECK_ONLY
#define RUN(suite, ...) \
	model::run_if<suite>(std::is_same<suite, CHECK_ONLY>(), __VA_ARGS__)
#else
#define RUN(suite, ...) model::run<suite>(__VA_ARGS__)
#endif
#define CLEAN(suite, bound) RUN(suite, #suite, bound, model::no_fault)
#define CAUGHT(suite, bound, ...) \
	RUN(suite, #suite, bound, model::fault __VA_ARGS__)
/* A fault that checks commit by themselves, see plants(). */
#define SELF_MADE(name) { name, model::NOTHING, "", "", model::SKIPPED, 0 }

#endif /* CHECK_H */
