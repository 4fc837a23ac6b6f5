/* SPDX-License-Identifier: MIT */
/*
 * unload_host PLUGIN ROUNDS: loads it, has it use its library on this thread, on
 * some that end and on one that stays, and unloads it, round by round.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition)                                                   \
	do {                                                               \
		if (!(condition)) {                                        \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, \
				#condition);                               \
			exit(1);                                           \
		}                                                          \
	} while (0)

static int (*check)(void);
static sem_t go, end, done;

/* Uses each round's copy, and ends after the last. */
static void *stay(void *arg)
{
	const long rounds = *(const long *)arg;

	for (long i = 0; i < rounds; i++) {
		sem_wait(&go);
		CHECK(!check());
		sem_post(&done);
	}
	return NULL;
}

/* Uses one, and ends when that has been unloaded. */
static void *outlive(void *arg)
{
	(void)arg;
	CHECK(!check());
	sem_post(&done);
	sem_wait(&end);
	return NULL;
}

static unsigned int keys_left(void)
{
	static pthread_key_t key[4096];
	unsigned int count = 0, i;

	while (count < 4096 && !pthread_key_create(&key[count], NULL))
		count++;
	for (i = 0; i < count; i++)
		pthread_key_delete(key[i]);
	return count;
}

static unsigned int threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned int count = 0;

	CHECK(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 2;
}

static void fork_works(void)
{
	int status;
	pid_t child = fork();

	CHECK(child >= 0);
	if (!child)
		_exit(0);
	CHECK(waitpid(child, &status, 0) == child && !status);
}

int main(int argc, char **argv)
{
	const long rounds = argc > 2 ? atol(argv[2]) : 0;
	int (*start_reclaimer)(void);
	unsigned int keys, count;
	pthread_t stays, outlives;
	struct mallinfo2 before = { 0 }, after;
	void *plugin;

	CHECK(rounds > 1);
	sem_init(&go, 0, 0);
	sem_init(&end, 0, 0);
	sem_init(&done, 0, 0);
	CHECK(!pthread_create(&stays, NULL, stay, (void *)&rounds));
	keys = keys_left();
	for (long i = 0; i < rounds; i++) {
		plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
		if (!plugin)
			fprintf(stderr, "round %ld: %s\n", i, dlerror());
		CHECK(plugin);
		*(void **)&check = dlsym(plugin, "plugin_check");
		*(void **)&start_reclaimer =
			dlsym(plugin, "plugin_start_reclaimer");
		CHECK(!check());
		sem_post(&go);
		sem_wait(&done);
		if (i % 100 == 0) {
			CHECK(!pthread_create(&outlives, NULL, outlive, NULL));
			sem_wait(&done);
			count = threads();
			CHECK(!start_reclaimer());
			CHECK(threads() == count + 1);
		}
		dlclose(plugin);
		CHECK(!dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD));
		if (i % 100 == 0) {
			CHECK(threads() == count);
			fork_works();
			sem_post(&end);
			pthread_join(outlives, NULL);
		}
		CHECK(keys_left() == keys);
		if (i == rounds / 2)
			before = mallinfo2();
	}
	pthread_join(stays, NULL);
	after = mallinfo2();
	printf("%ld bytes a round\n",
	       ((long)after.uordblks - (long)before.uordblks) /
		       (rounds - 1 - rounds / 2));
	return 0;
}
