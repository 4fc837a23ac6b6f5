/* SPDX-License-Identifier: MIT */
/*
 * A target that fails as the first byte of its input says, for failure_test.sh.
 * --kinds writes those that this build can notice.
 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "fuzz/target.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ADDRESS "A"
#endif
#if __has_feature(memory_sanitizer)
#define MEMORY "M"
#endif
#if __has_feature(thread_sanitizer)
#define THREAD "T"
#endif
#if __has_feature(undefined_behavior_sanitizer)
#define UNDEFINED "U"
#endif
#endif
#ifndef ADDRESS
#define ADDRESS
#endif
#ifndef MEMORY
#define MEMORY
#endif
#ifndef THREAD
#define THREAD
#endif
#ifndef UNDEFINED
#define UNDEFINED
#endif

static const char kinds[] = "cabfps" ADDRESS MEMORY THREAD UNDEFINED;

static int volatile sink;
static int raced;

static void *race(void *arg)
{
	(void)arg;
	raced++;
	return NULL;
}

static void run_race(void)
{
	pthread_t thread;

	CHECK(!pthread_create(&thread, NULL, race, NULL));
	raced++;
	pthread_join(thread, NULL);
}

/* What fails in a child fails in the parent as well. */
static void run_child(void)
{
	bool fails = true;
	pid_t child = fork();
	int status;

	CHECK(child || !fails);
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(!status);
}

static void run(const uint8_t *data, size_t size)
{
	volatile int large = 0x7fffffff;
	int *block = malloc(sizeof(*block));

	CHECK(block);
	switch (size ? data[0] : 0) {
	case 'c':
		CHECK(size == 0);
		break;
	case 'a':
		abort();
	case 'b':
		raise(SIGBUS);
		break;
	case 'f':
		raise(SIGFPE);
		break;
	case 'p':
		run_child();
		break;
	case 's':
		raise(SIGSEGV);
		break;
	case 'A':
		sink = *(volatile int *)(block + size);
		break;
	case 'M':
		if (*(volatile int *)block)
			puts("not 0");
		break;
	case 'T':
		run_race();
		break;
	case 'U':
		sink = large + (int)size;
		break;
	default:
		break;
	}
	free(block);
}

static void print(FILE *file)
{
	fputs("the program\n", file);
}

static const char *const faults[] = { NULL };

static void plant(const char *name)
{
	(void)name;
}

static bool option(const char *option)
{
	if (strcmp(option, "--kinds") != 0)
		return false;
	for (const char *kind = kinds; *kind; kind++)
		printf("%c\n", *kind);
	exit(0);
}

const struct fuzz_target fuzz_target = {
	.name = "failure",
	.run = run,
	.print = print,
	.faults = faults,
	.plant = plant,
	.option = option,
};
