/* SPDX-License-Identifier: MIT */

/* Bytes to a program of virtual threads, and such a program to C. */

#include "fuzz/concurrent/program.h"
#include "fuzz/input.h"
#include "fuzz/target.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static struct program program;
static bool twice, hashes;
static unsigned long runs, given_up;

/* --- from bytes --- */

static const char *const who_names[] = { "before", "a", "b", "c", "d" };
/* Most points go by without a switch. */
static const char *const to_names[] = { "stay", "a", "b", "c", "d", "stay" };
static const enum who to_who[] = { STAY, A, B, C, D, STAY };
static const char *const trouble_names[] = {
	"none", "none",	     "none",	     "none",  "none",	    "none",
	"none", "no-memory", "never-memory", "woken", "no-barrier",
};
static const enum vt_trouble troubles[] = {
	VT_NO_TROUBLE,	 VT_NO_TROUBLE, VT_NO_TROUBLE, VT_NO_TROUBLE,
	VT_NO_TROUBLE,	 VT_NO_TROUBLE, VT_NO_TROUBLE, VT_NO_MEMORY,
	VT_NEVER_MEMORY, VT_WOKEN,	VT_NO_BARRIER,
};
static const char *const store_names[] = { "radix", "bitmap", "hash" };
static const char *const flavour_names[] = { "epoch", "qsbr" };
static const char *const reuse_names[] = { "lowest", "cyclic" };
static const char *const yes_names[] = { "no", "yes" };
/* What is rare. */
static const char *const rare_names[] = { "no", "no", "no", "yes" };

#define COUNT(names) ((uint32_t)(sizeof(names) / sizeof((names)[0])))

static bool rare(struct input *input, const char *field)
{
	return input_last_choice(input, field, rare_names, COUNT(rare_names)) ==
	       3;
}

static void decode_step(struct input *input, struct step *step)
{
	uint32_t to;

	step->thread = (enum who)input_choice(input, "thread", who_names,
					      COUNT(who_names));
	step->call = (enum call)input_choice(input, "call",
					     concurrent_call_names, CALLS);
	step->a = (uint8_t)input_u8(input, "a");
	step->b = (uint8_t)input_u8(input, "b");
	step->c = (uint8_t)input_u8(input, "c");
	for (unsigned int i = 0; i < SWITCHES; i++) {
		step->at[i].at = (uint8_t)input_u8(input, "at") % 128;
		to = input_choice(input, "to", to_names, COUNT(to_names));
		step->at[i].to = (uint8_t)to_who[to];
	}
	step->trouble = troubles[input_choice(input, "trouble", trouble_names,
					      COUNT(trouble_names))];
	step->nth = (uint8_t)input_u8(input, "nth") % 16;
	input_line(input);
}

static void decode(const uint8_t *data, size_t size)
{
	static const uint8_t ids[] = { 8, 4, 2, 1, 16, 33, 64, 3 };
	static const uint8_t first[] = { 0, 1, 62, 14 };
	static const char *const ids_names[] = { "8",  "4",  "2",  "1",
						 "16", "33", "64", "3" };
	static const char *const first_names[] = { "0", "1", "62", "14" };
	struct input input;

	memset(&program, 0, sizeof(program));
	input_begin(&input, data, size);
	program.store = (uint8_t)input_last_choice(&input, "store", store_names,
						   COUNT(store_names));
	program.flavour = (uint8_t)input_last_choice(
		&input, "flavour", flavour_names, COUNT(flavour_names));
	program.ids = ids[input_last_choice(&input, "ids", ids_names,
					    COUNT(ids_names))];
	program.first = first[input_last_choice(&input, "first", first_names,
						COUNT(first_names))];
	/* From 0 to 0 would be all there are. */
	if (program.ids == 1 && !program.first)
		program.first = 1;
	program.reuse = (uint8_t)input_last_choice(&input, "reuse", reuse_names,
						   COUNT(reuse_names));
	program.membarrier = !input_last_choice(&input, "fences", yes_names,
						COUNT(yes_names));
	program.quarantine = rare(&input, "quarantine");
	program.reclaimer = rare(&input, "reclaimer");
	program.notifier = rare(&input, "notifier");
	program.crowded = rare(&input, "crowded");
	program.capacity = (uint8_t)(input_last_u8(&input, "capacity") % 16);
	if (program.capacity > program.ids)
		program.capacity = 0;
	for (unsigned int i = 0; i < 2; i++)
		program.quota[i] =
			(uint8_t)(input_last_u8(&input, "quota") % 4);
	program.pending_limit =
		(uint8_t)(rare(&input, "pending_limit") ? 2 : 0);
	program.retired_limit = rare(&input, "retired_limit");
	input_line(&input);
	while (input_left(&input) && program.count < STEPS_MAX)
		decode_step(&input, &program.step[program.count++]);
}

/* --- to C --- */

static void print_step(FILE *file, const struct step *step)
{
	static const char *const who[] = {
		"BEFORE", "A", "B", "C", "D", "STAY"
	};
	static const char *const trouble[] = { "VT_NO_TROUBLE", "VT_NO_MEMORY",
					       "VT_NEVER_MEMORY", "VT_WOKEN",
					       "VT_NO_BARRIER" };
	unsigned int last = SWITCHES;

	while (last && step->at[last - 1].to == STAY)
		last--;
	fprintf(file, "\t\t{ %s, %s, %u, %u, %u, {", who[step->thread],
		concurrent_call_names[step->call], step->a, step->b, step->c);
	for (unsigned int i = 0; i < SWITCHES; i++)
		fprintf(file, "%s{ %u, %s }", i ? ", " : " ",
			i < last ? step->at[i].at : 0,
			i < last ? who[step->at[i].to] : "STAY");
	fprintf(file, " }, %s, %u },\n", trouble[step->trouble], step->nth);
}

static void print_program(FILE *file, const struct program *it)
{
	fuzz_print_head(file, " -include fuzz/concurrent/prelude.h",
			" | grep -vE 'bare|linux|posix|windows'",
			" $(ls fuzz/concurrent/*.c | grep -v target)");
	fprintf(file,
		"/*\n"
		" * Made by concurrent_fuzzer. Each step: thread, call, its"
		" numbers; after how many\n"
		" * points it passes on to which thread; what goes wrong.\n"
		" */\n"
		"#include \"fuzz/concurrent/program.h\"\n\n"
		"static const struct program program = {\n"
		"\t.store = %u, .flavour = %u, .reuse = %u,\n"
		"\t.quarantine = %u, .membarrier = %u, .reclaimer = %u,"
		" .notifier = %u,\n"
		"\t.ids = %u, .first = %u, .capacity = %u,"
		" .quota = { %u, %u },\n"
		"\t.pending_limit = %u, .retired_limit = %u, .crowded = %u,\n"
		"\t.count = %u,\n"
		"\t.step = {\n",
		it->store, it->flavour, it->reuse, it->quarantine,
		it->membarrier, it->reclaimer, it->notifier, it->ids, it->first,
		it->capacity, it->quota[0], it->quota[1], it->pending_limit,
		it->retired_limit, it->crowded, it->count);
	/* An initializer has at least one. */
	for (unsigned int i = 0; i < it->count || !i; i++)
		print_step(file, &it->step[i]);
	fprintf(file, "\t},\n"
		      "};\n\n"
		      "int main(void)\n"
		      "{\n"
		      "\tconcurrent_run(&program);\n"
		      "\treturn 0;\n"
		      "}\n");
}

/* --- fewer steps, and switches --- */

/*
 * After a failure this process is of no more use. Another, started anew, tries
 * programs for it, each in a child of its own: @it comes in, what was noticed goes
 * out, nothing if it ended well.
 */
#define TRY "IOASID_CONCURRENT_TRY"
#define TRY_SECONDS 10

struct failure {
	char what[512];
};

static int to_tries = -1, from_tries = -1;

static bool read_all(int from, void *to, size_t size)
{
	char *at = to;
	ssize_t got;

	for (; size; size -= (size_t)got, at += got) {
		got = read(from, at, size);
		if (got <= 0)
			return false;
	}
	return true;
}

static void answer(const char *what)
{
	struct failure failure;

	memset(&failure, 0, sizeof(failure));
	snprintf(failure.what, sizeof(failure.what), "%s", what);
	if (write(1, &failure, sizeof(failure)) != sizeof(failure))
		_exit(1);
}

static FILE *answer_noticed(const char *what)
{
	answer(what);
	_exit(1);
}

static void try_program(void)
{
	int status = 0;
	pid_t child = fork();

	if (!child) {
		if (!freopen("/dev/null", "w", stderr))
			_exit(0);
		fuzz_noticed = answer_noticed;
		fuzz_watch();
		alarm(TRY_SECONDS);
		concurrent_run(&program);
		_exit(0);
	}
	/* It has answered, unless it ended well or took too long. */
	if (child < 0 || waitpid(child, &status, 0) != child || !status ||
	    WIFSIGNALED(status))
		answer("");
}

__attribute__((constructor)) static void tries(void)
{
	const char *fault = getenv(TRY);

	if (!fault)
		return;
	if (*fault)
		vt_plant(fault);
	while (read_all(0, &program, sizeof(program)))
		try_program();
	_exit(0);
}

static const char *fault_name = "";

static bool start_tries(void)
{
	int in[2], out[2];
	pid_t child;

	if (pipe(in) || pipe(out))
		return false;
	child = fork();
	if (child < 0)
		return false;
	if (!child) {
		if (dup2(in[0], 0) < 0 || dup2(out[1], 1) < 0 ||
		    setenv(TRY, fault_name, 1))
			_exit(1);
		close(in[1]);
		close(out[0]);
		execl("/proc/self/exe", "concurrent", (char *)NULL);
		_exit(1);
	}
	close(in[0]);
	close(out[1]);
	to_tries = in[1];
	from_tries = out[0];
	signal(SIGPIPE, SIG_IGN);
	return true;
}

/* What is noticed when the program runs; "": nothing, or nobody knows. */
static struct failure try(const struct program *it)
{
	struct failure failure;

	if (write(to_tries, it, sizeof(*it)) != sizeof(*it) ||
	    !read_all(from_tries, &failure, sizeof(failure)))
		failure.what[0] = '\0';
	return failure;
}

static bool as_before(const struct program *it, const struct failure *before)
{
	return !strcmp(try(it).what, before->what);
}

/* Makes it smaller while it fails the same way. */
static void minimize(struct program *it)
{
	struct program less;
	struct failure before;
	bool changed = true;

	if (!start_tries())
		return;
	before = try(it);
	if (!before.what[0])
		changed = false;
	for (unsigned int round = 0; changed && round < 4; round++) {
		changed = false;
		for (unsigned int i = it->count; i-- > 0;) {
			less = *it;
			memmove(&less.step[i], &less.step[i + 1],
				(less.count - i - 1) * sizeof(less.step[0]));
			less.count--;
			if (!as_before(&less, &before))
				continue;
			*it = less;
			changed = true;
		}
		for (unsigned int i = 0; i < it->count; i++) {
			for (unsigned int j = 0; j < SWITCHES; j++) {
				less = *it;
				if (it->step[i].at[j].to == STAY)
					continue;
				less.step[i].at[j].to = STAY;
				if (!as_before(&less, &before))
					continue;
				*it = less;
				changed = true;
			}
			less = *it;
			less.step[i].trouble = VT_NO_TROUBLE;
			less.step[i].nth = 0;
			if (it->step[i].trouble != VT_NO_TROUBLE &&
			    as_before(&less, &before)) {
				*it = less;
				changed = true;
			}
		}
	}
	close(to_tries);
	close(from_tries);
}

static void print(FILE *file)
{
	struct program least = program;

	minimize(&least);
	print_program(file, &least);
}

/* --- the target --- */

static void run(const uint8_t *data, size_t size)
{
	uint64_t first;

	decode(data, size);
	if (input_trace)
		return;
	given_up += concurrent_run(&program);
	runs++;
	if (hashes)
		printf("%016llx\n", (unsigned long long)vt_trace());
	if (!twice)
		return;
	first = vt_trace();
	concurrent_run(&program);
	CHECK(vt_trace() == first);
}

static void plant(const char *name)
{
	fault_name = name;
	vt_plant(name);
}

static void count(void)
{
	fprintf(stderr, "concurrent: %lu runs, %llu points, %lu IDs given up\n",
		runs, (unsigned long long)vt_points(), given_up);
}

static bool option(const char *option)
{
	if (!strcmp(option, "--count"))
		return !atexit(count);
	if (!strcmp(option, "--twice"))
		twice = true;
	else if (!strcmp(option, "--hash"))
		hashes = true;
	else if (!strcmp(option, "--verbose"))
		vt_verbose = true;
	else
		return false;
	return true;
}

const struct fuzz_target fuzz_target = {
	.name = "concurrent",
	.run = run,
	.print = print,
	.faults = vt_faults,
	.plant = plant,
	.option = option,
};
