/* SPDX-License-Identifier: MIT */
/*
 * Bytes to a sequence over RCU domains, which run.h makes, and a sequence to C.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "fuzz/input.h"
#include "fuzz/target.h"

#undef CHECK
#define CHECK(condition)                                              \
	do {                                                          \
		if (!(condition))                                     \
			check_failed(__FILE__, __LINE__, #condition); \
	} while (0)

_Noreturn static void check_failed(const char *file, int line,
				   const char *what);

#include "fuzz/rcu/run.h"

#include <signal.h>
#include <spawn.h>

#define STEPS_MAX 4096

static const char *const op_names[] = {
	"lock",	  "unlock", "register", "unregister",  "quiescent", "offline",
	"online", "cookie", "poll",	"synchronize", "barrier",   "defer",
	"flood",  "retire", "stats",	"create",      "destroy",   "space",
	"getter", "leave",  "exit",	"step",	       "reclaimer", "fork",
	"memory", "system", "clock",	"churn",       "pages",
};

static const char *const kind_names[] = {
	"epoch",     "qsbr",	 "none",     "own",
	"own_least", "own_qsbr", "own_over", "unknown",
};

static struct step steps[STEPS_MAX];
static struct program decoded;
static const char *planted = "";

/* The check that failed; what: NULL: none. */
static struct {
	const char *file, *what;
	int line;
} failure;

/*
 * In a process that tries a program for another: the check
 * that failed in it, or 0. Else NULL.
 */
static uint32_t *verdict;

static uint32_t mark(int line, const char *what)
{
	uint32_t hash = (uint32_t)line;

	while (*what)
		hash = (hash ^ (unsigned char)*what++) * 16777619u;
	return hash | 1;
}

enum { CHILD_FAILED = 77 };

static void end_child(void)
{
	fflush(NULL);
	_exit(CHILD_FAILED);
}

static void check_failed(const char *file, int line, const char *what)
{
	if (verdict) {
		/* In a child of fork it comes first. */
		if (!*verdict)
			*verdict = mark(line, what);
		_exit(1);
	}
	failure.file = file;
	failure.line = line;
	failure.what = what;
	if (forks)
		fuzz_end = end_child;
	fuzz_failed(file, line, what);
}

/* --- from bytes --- */

static void decode(const uint8_t *data, size_t size)
{
	struct input input;

	input_begin(&input, data, size);
	decoded = (struct program){ .steps = steps };
	decoded.kind =
		(enum kind)input_last_choice(&input, "kind", kind_names, KINDS);
	decoded.options = input_last_u8(&input, "options");
	decoded.fresh = input_last_u8(&input, "fresh") & 1;
	input_line(&input);
	while (input_left(&input) && decoded.count < STEPS_MAX) {
		struct step *step = &steps[decoded.count++];

		*step = (struct step){ .op = (enum op_kind)input_choice(
					       &input, "op", op_names, OPS) };
		step->thread = (uint8_t)input_u8(&input, "thread");
		step->domain = (uint8_t)input_u8(&input, "domain");
		step->value = (uint8_t)input_u8(&input, "value");
		if (step->op == OP_CREATE || step->op == OP_EXIT ||
		    step->op == OP_FORK)
			step->more = (uint8_t)input_u8(&input, "more");
		input_line(&input);
	}
}

static void run(const uint8_t *data, size_t size)
{
	failure.what = NULL;
	decode(data, size);
	run_program(&decoded);
}

static void plant(const char *name)
{
	planted = name;
	for (unsigned int i = 0; fault_names[i]; i++)
		if (!strcmp(fault_names[i], name))
			fault = (enum fault)(i + 1);
}

/* --- fewer steps --- */

/*
 * After a failure this process is of no more use. Another, started anew, tries
 * programs for it, each in a child of its own: the program comes in, what failed
 * in it goes out.
 */
#define TRY "IOASID_RCU_TRY"
/* A try; all of them. */
#define TRY_SECONDS 5
#define TRIES_SECONDS 20

static struct {
	int to, from;
	/* when to be content; what is to fail */
	time_t until;
	uint32_t wanted;
} tries;

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

static bool write_all(int to, const void *from, size_t size)
{
	const char *at = from;
	ssize_t done;

	for (; size; size -= (size_t)done, at += done) {
		done = write(to, at, size);
		if (done <= 0)
			return false;
	}
	return true;
}

static void try_decoded(void)
{
	pid_t child;

	*verdict = 0;
	child = fork();
	if (!child) {
		/* With all that it starts it goes when its time is over. */
		setpgid(0, 0);
		if (!freopen("/dev/null", "w", stderr))
			_exit(0);
		alarm(TRY_SECONDS);
		run_program(&decoded);
		_exit(0);
	}
	if (child > 0) {
		setpgid(child, child);
		waitpid(child, NULL, 0);
		kill(-child, SIGKILL);
	}
}

__attribute__((constructor)) static void serve_tries(void)
{
	const char *name = getenv(TRY);

	if (!name)
		return;
	plant(name);
	verdict = mmap(NULL, sizeof(*verdict), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (verdict == MAP_FAILED)
		_exit(1);
	while (read_all(0, &decoded, sizeof(decoded)) &&
	       read_all(0, steps, decoded.count * sizeof(steps[0]))) {
		decoded.steps = steps;
		try_decoded();
		if (!write_all(1, verdict, sizeof(*verdict)))
			break;
	}
	_exit(0);
}

static bool start_tries(void)
{
	char *const arguments[] = { (char *)(uintptr_t)"rcu", NULL };
	posix_spawn_file_actions_t actions;
	int in[2], out[2];
	pid_t child;

	tries.wanted = mark(failure.line, failure.what);
	tries.until = time(NULL) + TRIES_SECONDS;
	if (pipe(in) || pipe(out) || setenv(TRY, planted, 1))
		return false;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in[0], 0);
	posix_spawn_file_actions_adddup2(&actions, out[1], 1);
	posix_spawn_file_actions_addclose(&actions, in[1]);
	posix_spawn_file_actions_addclose(&actions, out[0]);
	if (posix_spawn(&child, "/proc/self/exe", &actions, NULL, arguments,
			environ))
		return false;
	close(in[0]);
	close(out[1]);
	tries.to = in[1];
	tries.from = out[0];
	signal(SIGPIPE, SIG_IGN);
	return true;
}

/* Does it fail as the first one did? */
static bool fails(const struct program *it)
{
	uint32_t failed;

	return time(NULL) < tries.until &&
	       write_all(tries.to, it, sizeof(*it)) &&
	       write_all(tries.to, it->steps,
			 it->count * sizeof(it->steps[0])) &&
	       read_all(tries.from, &failed, sizeof(failed)) &&
	       failed == tries.wanted;
}

/* Takes @count steps from @at on out of it, if they are not needed. */
static bool leave_out(struct program *it, unsigned int at, unsigned int count)
{
	static struct step less_steps[STEPS_MAX];
	struct program less = *it;

	less.steps = less_steps;
	less.count -= count;
	memcpy(less_steps, it->steps, at * sizeof(less_steps[0]));
	memcpy(less_steps + at, it->steps + at + count,
	       (less.count - at) * sizeof(less_steps[0]));
	if (!fails(&less))
		return false;
	memcpy(it->steps, less_steps, less.count * sizeof(less_steps[0]));
	it->count = less.count;
	return true;
}

static bool leave_out_steps(struct program *it)
{
	bool changed = false;

	for (unsigned int size = it->count / 2 + 1; size; size /= 2)
		for (unsigned int at = it->count; at;) {
			unsigned int first = at > size ? at - size : 0;

			changed |= leave_out(it, first, at - first);
			at = first;
		}
	return changed;
}

/* Gives @byte the value 0, or the least bits, that are enough. */
static void lessen(const struct program *it, uint8_t *byte)
{
	uint8_t before = *byte;

	if (!before)
		return;
	*byte = 0;
	if (fails(it))
		return;
	*byte = before;
	for (unsigned int bit = 128; bit; bit /= 2) {
		before = *byte;
		*byte = (uint8_t)(before & ~bit);
		if (*byte != before && !fails(it))
			*byte = before;
	}
}

static void lessen_values(struct program *it)
{
	uint8_t options = (uint8_t)it->options;

	for (unsigned int bit = 128; bit; bit /= 2) {
		it->options = options & ~bit;
		if (options & bit && fails(it))
			options = (uint8_t)it->options;
	}
	it->options = options;
	if (it->fresh) {
		it->fresh = false;
		it->fresh = !fails(it);
	}
	for (unsigned int i = 0; i < it->count; i++) {
		lessen(it, &it->steps[i].domain);
		lessen(it, &it->steps[i].thread);
		lessen(it, &it->steps[i].value);
		lessen(it, &it->steps[i].more);
	}
}

/* Those that were made, by the threads and on the domains that it came to. */
static struct program as_made(struct step *to)
{
	struct program it = decoded;

	it.by_place = true;
	it.steps = to;
	it.count = 0;
	for (unsigned int i = 0; i < next_step; i++) {
		if (!steps[i].made)
			continue;
		to[it.count] = steps[i];
		to[it.count].thread = steps[i].actor;
		to[it.count++].domain = steps[i].place;
	}
	return it;
}

/* @it, which may be counted differently, is made smaller while it fails so. */
static void shorten(struct program *it)
{
	if (!start_tries())
		return;
	if (!fails(it)) {
		/* As it was read, to its end. */
		it->by_place = false;
		it->count = decoded.count;
		memcpy(it->steps, steps, it->count * sizeof(steps[0]));
		if (!fails(it))
			return;
	}
	for (bool changed = true; changed;)
		changed = leave_out_steps(it);
	lessen_values(it);
	leave_out_steps(it);
	close(tries.to);
	close(tries.from);
}

/* --- to C --- */

static void print_name(FILE *file, const char *field, const char *name)
{
	fprintf(file, "%s", field);
	for (; *name; name++)
		fputc(*name >= 'a' && *name <= 'z' ? *name - 'a' + 'A' : *name,
		      file);
}

static void print_options(FILE *file, unsigned int options)
{
	static const char *const names[] = {
		"WITH_RECLAIMER", "WITH_FENCES",	"WITH_LIMIT",
		"WITH_LIMIT_40",  "WITH_RETIRED_LIMIT", "WITH_MORE",
		"WITH_REFUSAL",
	};
	const char *before = "";

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!(options & 1u << i))
			continue;
		fprintf(file, "%s%s", before, names[i]);
		before = " | ";
	}
	if (!*before)
		fputc('0', file);
}

static void print_value(FILE *file, const struct step *step)
{
	static const char *const actions[ACTIONS] = {
		"none",	       "again",	  "other", "retire", "section",
		"synchronize", "barrier", "churn", "serve",
	};
	static const char *const systems[SYSTEM_FAULTS] = {
		"works",    "membarrier", "futex",  "thread",
		"specific", "map",	  "random",
	};

	switch (step->op) {
	case OP_DEFER:
		print_name(file, ", .value = ACTION_",
			   actions[step->value % ACTIONS]);
		break;
	case OP_CREATE:
		print_name(file, ", .value = ",
			   step->value % (KINDS + 1) == KINDS ?
				   "KINDS" :
				   kind_names[step->value % (KINDS + 1)]);
		fprintf(file, ", .more = ");
		print_options(file, step->more);
		break;
	case OP_SYSTEM:
		print_name(file, ", .value = SYSTEM_",
			   systems[step->value % SYSTEM_FAULTS]);
		break;
	case OP_COOKIE:
	case OP_POLL:
		fprintf(file, ", .value = %u", step->value % COOKIES);
		break;
	case OP_FLOOD:
	case OP_RETIRE:
	case OP_SPACE:
	case OP_EXIT:
	case OP_FORK:
	case OP_MEMORY:
	case OP_CLOCK:
	case OP_CHURN:
	case OP_PAGES:
		fprintf(file, ", .value = %u", step->value);
		if (step->more)
			fprintf(file, ", .more = %u", step->more);
		break;
	default:
		break;
	}
}

static bool has_domain(enum op_kind op)
{
	return op != OP_LEAVE && op != OP_STEP && op != OP_FORK &&
	       op != OP_SYSTEM && op != OP_CLOCK && op != OP_PAGES;
}

static void print_steps(FILE *file, const struct program *it)
{
	fprintf(file, "static struct step steps[] = {\n");
	for (unsigned int i = 0; i < it->count; i++) {
		const struct step *step = &it->steps[i];

		print_name(file, "\t{ OP_", op_names[step->op]);
		if (step->op != OP_RECLAIMER)
			fprintf(file, ", .thread = %u", step->thread % ACTORS);
		if (has_domain(step->op))
			fprintf(file, ", .domain = %u", step->domain);
		print_value(file, step);
		fprintf(file, " },\n");
	}
	fprintf(file, "};\n\n");
}

static void print_program(FILE *file, const struct program *it)
{
	fuzz_print_head(file, "", "", "");
	if (failure.what)
		fprintf(file, "/* Failed: %s */\n", failure.what);
	fprintf(file, "#include \"fuzz/rcu/run.h\"\n\n");
	/* An array has an element. */
	if (it->count)
		print_steps(file, it);
	print_name(file, "static struct program program = {\n\t.kind = ",
		   kind_names[it->kind]);
	fprintf(file, ",\n\t.options = ");
	print_options(file, it->options & 31);
	fprintf(file, ",\n\t.fresh = %d,\n\t.by_place = %d,\n", it->fresh,
		it->by_place);
	if (it->count)
		fprintf(file, "\t.steps = steps,\n"
			      "\t.count = sizeof(steps) / sizeof(steps[0]),\n");
	fprintf(file, "};\n\nint main(void)\n{\n"
		      "\trun_program(&program);\n"
		      "\treturn 0;\n}\n");
}

static void print(FILE *file)
{
	static struct step least_steps[STEPS_MAX];
	struct program least;

	/* One that tries has nobody to tell; a child has told already. */
	if (verdict || (child_failed && !child_crashed))
		return;
	least = as_made(least_steps);
	if (failure.what)
		shorten(&least);
	print_program(file, &least);
}

const struct fuzz_target fuzz_target = {
	.name = "rcu",
	.run = run,
	.print = print,
	.faults = fault_names,
	.plant = plant,
};
