/* SPDX-License-Identifier: MIT */
/* How a printed program is compiled: its first lines. */
#include "fuzz/target.h"

#include <string.h>

#define TEXT(x) #x
#define TEXT_OF(x) TEXT(x)
/* A macro that is not defined stands for itself. */
#define MACRO(name) { #name, TEXT_OF(name) }

/* What targets.bzl and builds.bzl define for the library. */
static const struct {
	const char *name, *value;
} macros[] = {
	MACRO(IOASID_ATOMIC_HEADER),	 MACRO(IOASID_EPOCH_START),
	MACRO(IOASID_GENERATION_START),	 MACRO(IOASID_HASH_MIN_BUCKETS),
	MACRO(IOASID_HASH_MOVE_BUCKETS), MACRO(IOASID_LOCK_SPINS),
	MACRO(IOASID_RADIX_LEAF_BITS),	 MACRO(IOASID_RADIX_NODE_BITS),
	MACRO(IOASID_STATE_BITS),
};

void fuzz_print_head(FILE *file, const char *options, const char *without,
		     const char *sources)
{
	/* A pattern for all files of core/ would end the comment. */
	fputs("/* SPDX-License-Identifier: MIT */\n"
	      "/*\n"
	      " * From the root of the source, if it is finding.c there:\n"
	      " * cc -std=c11 -Iinclude -I.",
	      file);
	for (size_t i = 0; i < sizeof(macros) / sizeof(macros[0]); i++)
		if (strcmp(macros[i].name, macros[i].value) != 0)
			fprintf(file, " '-D%s=%s'", macros[i].name,
				macros[i].value);
	fprintf(file, "%s finding.c $(find core -name '*.c'%s)%s -pthread\n",
		options, without, sources);
	fputs(" */\n", file);
}
