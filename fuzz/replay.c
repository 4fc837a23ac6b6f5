/* SPDX-License-Identifier: MIT */
/*
 * Runs inputs of a target without a fuzzer:
 *   replay [--fault=NAME|--faults|--print|--text|OPTION]... FILE|DIRECTORY...
 *   replay --assemble TEXT
 * Fails at a mismatch. --print writes each input as C, --text as text; --faults
 * writes the names of the faults and runs nothing. --assemble runs what TEXT says,
 * see input.h, and writes the bytes that stand for it. --print=WHAT is for targets
 * that have more than one program to print.
 *
 * With a fault planted it fails unless an input notices it, by a check or a report
 * of a sanitizer; with --by=TEXT by one that has TEXT in it. What is noticed
 * otherwise is said, and the inputs after that one run in another process. --print
 * writes the input that noticed it.
 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
/* MAP_ANONYMOUS */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE
#endif

#include "fuzz/input.h"
#include "fuzz/target.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static bool print;
static const char *fault, *by;
static char **inputs;
static size_t input_count;
static const char *current;
static bool assembling;

/* Of a planted fault, in memory shared with the process that runs inputs. */
static struct seen {
	size_t input;
	bool meant;
	char what[512];
} *seen;

static void write_assembled(bool whole)
{
	size_t size;
	uint8_t *bytes = input_assembled(&size, whole);

	assembling = false;
	fwrite(bytes, 1, size, stdout);
	free(bytes);
}

static bool is_meant(const char *what)
{
	return by ? strstr(what, by) != NULL : strncmp(what, "SIG", 3) != 0;
}

static FILE *noticed(const char *what)
{
	if (!fault)
		return !current ? NULL : print ? stdout : stderr;
	/* A child of a child may have seen it first. */
	if (seen->what[0])
		return NULL;
	snprintf(seen->what, sizeof(seen->what), "%s", what);
	seen->meant = is_meant(what);
	return print && seen->meant ? stdout : NULL;
}

static void end(void)
{
	if (assembling)
		write_assembled(false);
	fprintf(stderr, "replay: %s\n", current);
	fflush(NULL);
	/* What a fault leaves behind is no leak of the library. */
	_Exit(fault ? 0 : 1);
}

_Noreturn static void usage(const char *what)
{
	fprintf(stderr, "replay: %s\n", what);
	exit(2);
}

static void plant(const char *name)
{
	for (size_t i = 0; fuzz_target.faults[i]; i++) {
		if (strcmp(fuzz_target.faults[i], name) != 0)
			continue;
		fault = name;
		fuzz_target.plant(name);
		return;
	}
	usage("no such fault");
}

/* Of its exact size, so that a read past its end is seen. */
static uint8_t *read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	size_t room = 4096, got;
	uint8_t *data = malloc(room), *exact;

	if (!file)
		usage(path);
	*size = 0;
	while (data && (got = fread(data + *size, 1, room - *size, file))) {
		*size += got;
		if (*size == room)
			data = realloc(data, room *= 2);
	}
	if (ferror(file))
		usage(path);
	fclose(file);
	exact = malloc(*size ? *size : 1);
	if (!data || !exact)
		usage("no memory");
	memcpy(exact, data, *size);
	free(data);
	current = path;
	return exact;
}

static void replay(const char *path)
{
	size_t size;
	uint8_t *bytes = read_file(path, &size);

	fuzz_target.run(bytes, size);
	if (print && !fault)
		fuzz_target.print(stdout);
	free(bytes);
}

/* The inputs from @from on, with the fault, in a child. */
static void try_fault(size_t from)
{
	int status = 0;
	pid_t child;

	fflush(NULL);
	memset(seen, 0, sizeof(*seen));
	seen->input = input_count;
	child = fork();
	if (!child) {
		fuzz_watch();
		for (size_t i = from; i < input_count; i++) {
			seen->input = i;
			replay(inputs[i]);
		}
		seen->input = input_count;
		fflush(NULL);
		_Exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		usage("no process");
	if (status && !seen->what[0])
		snprintf(seen->what, sizeof(seen->what), "SIG? status %#x",
			 (unsigned int)status);
}

static bool notice_fault(void)
{
	for (size_t from = 0; from < input_count; from = seen->input + 1) {
		try_fault(from);
		if (!seen->what[0])
			return false;
		fprintf(stderr, "replay: %s: noticed by %s\n", fault,
			seen->what);
		if (seen->meant)
			return true;
	}
	return false;
}

static void wrong_text(unsigned int line, const char *what)
{
	fprintf(stderr, "%s:%u: %s\n", current, line, what);
	exit(2);
}

static void assemble(const char *path)
{
	size_t size;
	uint8_t *bytes = read_file(path, &size);
	char *text = calloc(size + 1, 1);

	if (!text)
		usage("no memory");
	memcpy(text, bytes, size);
	assembling = true;
	input_assemble(text, wrong_text);
	fuzz_target.run(NULL, 0);
	write_assembled(true);
	free(text);
	free(bytes);
}

static void collect(const char *path)
{
	struct dirent **entries;
	struct stat stat_of;
	char *inner;
	int count;

	if (stat(path, &stat_of))
		usage(path);
	if (!S_ISDIR(stat_of.st_mode)) {
		inputs = realloc(inputs, (input_count + 1) * sizeof(*inputs));
		inner = strdup(path);
		if (!inputs || !inner)
			usage("no memory");
		inputs[input_count++] = inner;
		return;
	}
	count = scandir(path, &entries, NULL, alphasort);
	if (count < 0)
		usage(path);
	for (int i = 0; i < count; i++) {
		size_t length = strlen(path) + strlen(entries[i]->d_name) + 2;

		inner = malloc(length);
		if (!inner)
			usage("no memory");
		snprintf(inner, length, "%s/%s", path, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.')
			collect(inner);
		free(inner);
		free(entries[i]);
	}
	free(entries);
}

static void forget_inputs(void)
{
	for (size_t i = 0; i < input_count; i++)
		free(inputs[i]);
	free(inputs);
}

int main(int argc, char **argv)
{
	int i;

	fuzz_noticed = noticed;
	fuzz_end = end;
	for (i = 1; i < argc && !strncmp(argv[i], "--", 2); i++) {
		if (!strcmp(argv[i], "--print")) {
			print = true;
		} else if (!strncmp(argv[i], "--print=", 8) &&
			   fuzz_target.option && fuzz_target.option(argv[i])) {
			print = true;
		} else if (!strcmp(argv[i], "--text")) {
			input_trace = stdout;
			/* Up to where it ends, however that is. */
			setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
		} else if (!strcmp(argv[i], "--assemble") && i + 2 == argc) {
			assemble(argv[i + 1]);
			return 0;
		} else if (!strncmp(argv[i], "--fault=", 8)) {
			plant(argv[i] + 8);
		} else if (!strncmp(argv[i], "--by=", 5)) {
			by = argv[i] + 5;
		} else if (!strcmp(argv[i], "--faults")) {
			for (i = 0; fuzz_target.faults[i]; i++)
				puts(fuzz_target.faults[i]);
			return 0;
		} else if (!fuzz_target.option ||
			   !fuzz_target.option(argv[i])) {
			usage("unknown option");
		}
	}
	for (; i < argc; i++)
		collect(argv[i]);
	if (!input_count)
		usage("nothing to run");
	if (fault) {
		seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (seen == MAP_FAILED)
			usage("no memory");
		if (!notice_fault())
			usage("the planted fault went unnoticed");
		forget_inputs();
		return 0;
	}
	fuzz_watch();
	for (size_t at = 0; at < input_count; at++)
		replay(inputs[at]);
	/* Of a leak nobody knows which of many it was. */
	if (input_count > 1)
		current = NULL;
	fprintf(stderr, "replay: %zu inputs\n", input_count);
	forget_inputs();
	return 0;
}
