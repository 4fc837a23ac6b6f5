/* SPDX-License-Identifier: MIT */
/*
 * plugin_host FILE: loads the plugin, which has thread-local variables that the
 * program was not started with, and calls it on this thread and on another.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int (*run)(void);

static void *on_thread(void *arg)
{
	return (void *)(intptr_t)(run() + (arg != NULL));
}

int main(int argc, char **argv)
{
	void *plugin = argc == 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
	void *symbol = plugin ? dlsym(plugin, "plugin_run") : NULL;
	void *failed = NULL;
	pthread_t thread;

	if (!symbol) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	memcpy(&run, &symbol, sizeof(run));
	if (run() || pthread_create(&thread, NULL, on_thread, NULL) ||
	    pthread_join(thread, &failed) || failed) {
		fprintf(stderr, "the plugin failed\n");
		return 1;
	}
	puts("[  PASSED  ] 2 test(s).");
	return 0;
}
