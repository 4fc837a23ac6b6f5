/* SPDX-License-Identifier: MIT */
/*
 * Runs inputs without libFuzzer:
 *   replay [--fault=NAME] [--print=STORE] FILE|DIRECTORY...
 * Fails at a mismatch; with a fault planted, unless there is one. --print
 * writes each input, or with a fault the one that found it, as C.
 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "fuzz/api/faults.h"
#include "fuzz/api/harness.h"

#include <dirent.h>
#include <sys/stat.h>

static const char *print_store;
static size_t inputs;
static const char *current;

static void end_failed(void)
{
	fprintf(stderr, "replay: %s\n", current);
	fflush(NULL);
	_Exit(1);
}

static void end_found(void)
{
	if (print_store)
		harness_print(stdout, print_store);
	fflush(NULL);
	_Exit(0);
}

_Noreturn static void usage(const char *what)
{
	fprintf(stderr, "replay: %s\n", what);
	exit(2);
}

static void plant(const char *name)
{
	if (!strcmp(name, "grace")) {
		harness_rcu_ops = &fault_rcu;
		return;
	}
	if (fault_calls(name, &harness_calls))
		return;
	harness_store_ops = fault_store(name);
	if (!harness_store_ops)
		usage("no such fault");
}

static void replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	static uint8_t data[1 << 20];
	size_t size;
	uint8_t *copy;

	if (!file)
		usage(path);
	size = fread(data, 1, sizeof(data), file);
	fclose(file);
	/* Of its exact size, so that a read past its end is seen. */
	copy = malloc(size ? size : 1);
	if (!copy)
		usage("no memory");
	memcpy(copy, data, size);
	current = path;
	harness_run(copy, size);
	free(copy);
	inputs++;
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
	bool fault = false;
	int i;

	harness_end = end_failed;
	for (i = 1; i < argc && !strncmp(argv[i], "--", 2); i++) {
		if (!strncmp(argv[i], "--print=", 8)) {
			print_store = argv[i] + 8;
		} else if (!strncmp(argv[i], "--fault=", 8)) {
			fault = true;
			plant(argv[i] + 8);
			harness_end = end_found;
		} else {
			usage("unknown option");
		}
	}
	if (!fault)
		harness_print_store = print_store;
	for (; i < argc; i++)
		replay(argv[i]);
	fprintf(stderr, "replay: %zu inputs\n", inputs);
	if (!inputs)
		usage("nothing to run");
	if (fault)
		usage("the planted fault went unnoticed");
	return 0;
}
