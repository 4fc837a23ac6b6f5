/* SPDX-License-Identifier: MIT */
/* One fault for each sanitizer: .ci/run proves that each configuration works. */
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int overflow(void)
{
	char *volatile p = malloc(8);
	volatile size_t end = 8;

	if (!p)
		return 1;
	p[end] = 1;
	free(p);
	return 0;
}

static int leak(void)
{
	void *volatile p = malloc(8);

	if (!p)
		return 1;
	p = NULL;
	return 0;
}

static int undefined(void)
{
	volatile int i = INT_MAX;

	i = i + 1;
	return 0;
}

static volatile int shared;

static void *increment(void *arg)
{
	int i;

	for (i = 0; i < 1000; i++)
		shared = shared + 1;
	return arg;
}

static int race(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, increment, NULL))
		return 1;
	increment(NULL);
	return pthread_join(t, NULL) ? 1 : 0;
}

static int uninitialised(void)
{
	int *volatile p = malloc(sizeof(*p));

	if (!p)
		return 1;
	if (*p == 42)
		puts("42");
	free(p);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(void);
	} faults[] = {
		{ "overflow", overflow },	    { "leak", leak },
		{ "undefined", undefined },	    { "race", race },
		{ "uninitialised", uninitialised },
	};
	size_t i;

	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		if (argc == 2 && !strcmp(argv[1], faults[i].name))
			return faults[i].run();
	}
	return 2;
}
