/* SPDX-License-Identifier: MIT */
#ifndef IOASID_TEST_DEFAULT_STORE_H
#define IOASID_TEST_DEFAULT_STORE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ioasid/ioasid.h>

/* The default space has the store that the program is told, or its own. */
static inline void choose_default_store(int argc, char **argv)
{
	static const char *const names[] = { "radix", "bitmap", "hash" };
	struct ioasid_space_config config;
	int store = 0;

	if (argc < 2)
		return;
	while (store < 3 && strcmp(names[store], argv[1]))
		store++;
	memset(&config, 0, sizeof(config));
	config.store = (enum ioasid_store_kind)store;
	config.max = (1 << 20) - 1;
	if (store == 3 || ioasid_default_configure(&config)) {
		fprintf(stderr, "no store %s\n", argv[1]);
		exit(1);
	}
}

#endif /* IOASID_TEST_DEFAULT_STORE_H */
