/* SPDX-License-Identifier: MIT */
/*
 * host PLUGIN...: a program with a copy of the library of its own, which it uses
 * in turn with the plugins, that have theirs.
 */
#define plugin_check host_check
#define plugin_start_reclaimer host_start_reclaimer
#include "plugin.c"

#include <dlfcn.h>
#include <stdio.h>

enum { PLUGINS_MAX = 128 };

int main(int argc, char **argv)
{
	static int (*check[PLUGINS_MAX])(void);
	int wrong = host_check(), of_one;
	void *plugin;

	for (int i = 1; i < argc && i < PLUGINS_MAX; i++) {
		plugin = dlopen(argv[i], RTLD_NOW | RTLD_GLOBAL);
		if (!plugin) {
			fprintf(stderr, "copy %d: %s\n", i, dlerror());
			return 1;
		}
		*(void **)&check[i] = dlsym(plugin, "plugin_check");
	}
	for (int i = 1; i < argc && i < PLUGINS_MAX; i++) {
		of_one = check[i]();
		if (of_one)
			fprintf(stderr, "copy %d: %d wrong\n", i, of_one);
		wrong += of_one + host_check();
	}
	return wrong != 0;
}
