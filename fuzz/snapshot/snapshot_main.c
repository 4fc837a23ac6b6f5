/* SPDX-License-Identifier: MIT */
/*
 * Runs inputs of snapshot_fuzzer without libFuzzer:
 *   snapshot_replay [--fault=leaves|loses] FILE...
 * With a fault it fails, if that is noticed.
 */
#include "fuzz/snapshot/snapshot_fuzzer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void run(const char *path)
{
	static uint8_t data[1 << 16];
	FILE *file = fopen(path, "rb");
	uint8_t *copy;
	size_t size;

	if (!file) {
		fprintf(stderr, "snapshot_replay: %s\n", path);
		exit(2);
	}
	size = fread(data, 1, sizeof(data), file);
	fclose(file);
	copy = malloc(size ? size : 1);
	if (!copy)
		exit(2);
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

int main(int argc, char **argv)
{
	int i = 1;

	if (i < argc && !strcmp(argv[i], "--fault=leaves"))
		snapshot_fault = SNAPSHOT_LEAVES;
	else if (i < argc && !strcmp(argv[i], "--fault=loses"))
		snapshot_fault = SNAPSHOT_LOSES;
	i += snapshot_fault != SNAPSHOT_NO_FAULT;
	if (i == argc) {
		fprintf(stderr, "snapshot_replay: nothing to run\n");
		return 2;
	}
	fprintf(stderr, "snapshot_replay: %d inputs\n", argc - i);
	for (; i < argc; i++)
		run(argv[i]);
	return 0;
}
