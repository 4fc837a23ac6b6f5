/* SPDX-License-Identifier: MIT */
/*
 * Runs inputs of a target without a fuzzer:
 *   replay [--fault=NAME|--faults|--print|--text|OPTION]... FILE|DIRECTORY...
 *   replay --assemble TEXT
 * Fails at a mismatch; with a fault planted, unless there is one. --print writes
 * each input, or with a fault the one that found it, as C; --text as text;
 * --faults writes the names of the faults and runs nothing. --assemble runs what
 * TEXT says, see input.h, and writes the bytes that stand for it. --print=WHAT is
 * for targets that have more than one program to print.
 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "fuzz/input.h"
#include "fuzz/target.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool print;
static const char *fault;
static size_t inputs;
static const char *current;
static bool assembling;

static void write_assembled(bool whole)
{
	size_t size;
	uint8_t *bytes = input_assembled(&size, whole);

	assembling = false;
	fwrite(bytes, 1, size, stdout);
	free(bytes);
}

void __asan_on_error(void);
void __ubsan_on_report(void);

/* A sanitizer has found something: what ran so far. */
static void print_once(void)
{
	static bool printed;

	if (!printed && !fault && current)
		fuzz_target.print(stderr);
	printed = true;
}

void __asan_on_error(void)
{
	print_once();
}

void __ubsan_on_report(void)
{
	print_once();
}

static void end(void)
{
	fprintf(stderr, "replay: %s\n", current);
	fflush(NULL);
	/* What a fault leaves behind is no leak of the library. */
	_Exit(fault ? 0 : 1);
}

void (*fuzz_end)(void) = end;

_Noreturn void fuzz_failed(const char *file, int line, const char *what)
{
	fprintf(stderr, "\n%s: %s:%d: failed: %s\n", fuzz_target.name, file,
		line, what);
	if (!fault || print)
		fuzz_target.print(print ? stdout : stderr);
	if (assembling)
		write_assembled(false);
	fflush(NULL);
	fuzz_end();
	abort();
}

_Noreturn static void usage(const char *what)
{
	fprintf(stderr, "replay: %s\n", what);
	exit(2);
}

/* It is noticed that way as well. */
static void crashed(int number)
{
	(void)number;
	_Exit(0);
}

static void plant(const char *name)
{
	signal(SIGSEGV, crashed);
	signal(SIGBUS, crashed);
	signal(SIGABRT, crashed);
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
	static uint8_t data[1 << 20];
	FILE *file = fopen(path, "rb");
	uint8_t *copy;

	if (!file)
		usage(path);
	*size = fread(data, 1, sizeof(data), file);
	fclose(file);
	copy = malloc(*size ? *size : 1);
	if (!copy)
		usage("no memory");
	memcpy(copy, data, *size);
	current = path;
	return copy;
}

static void replay_file(const char *path)
{
	size_t size;
	uint8_t *bytes = read_file(path, &size);

	fuzz_target.run(bytes, size);
	if (print && !fault)
		fuzz_target.print(stdout);
	free(bytes);
	inputs++;
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

static void replay(const char *path)
{
	struct dirent **entries;
	struct stat stat_of;
	char *inner;
	int count;

	if (stat(path, &stat_of))
		usage(path);
	if (!S_ISDIR(stat_of.st_mode)) {
		replay_file(path);
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
			replay(inner);
		free(inner);
		free(entries[i]);
	}
	free(entries);
}

int main(int argc, char **argv)
{
	int i;

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
		replay(argv[i]);
	fprintf(stderr, "replay: %zu inputs\n", inputs);
	if (!inputs)
		usage("nothing to run");
	if (fault)
		usage("the planted fault went unnoticed");
	return 0;
}
