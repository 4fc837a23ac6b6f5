/* SPDX-License-Identifier: MIT */
#ifndef IOASID_CONCURRENT_HISTORY_H
#define IOASID_CONCURRENT_HISTORY_H

#include "fuzz/concurrent/program.h"

#include <ioasid/space.h>

/* What was called and answered, and from when to when it ran. */
struct record {
	enum call call;
	unsigned int thread;
	int ret;
	uint32_t begin, end;
	/* the range asked for, and the ID it is about */
	ioasid_t min, max, id;
	/* 0: none; pointers are numbers of cells, 0: NULL */
	unsigned int set, cell, old;
	/* the static set was not bound yet when the call began */
	bool unbound;
	/* of a handle */
	uint32_t generation;
	unsigned int number;
};

#define RECORDS_MAX 1024

struct history {
	const struct program *program;
	ioasid_t min, max;
	unsigned int count;
	struct record record[RECORDS_MAX];
	/* IDs whose search for an order was given up */
	unsigned int given_up;
};

/* Was there an order in which each call did what it says it did? */
void history_check_ids(struct history *history);
/* Did allocs choose, and refuse, as they are to? */
void history_check_allocs(const struct history *history);

#endif /* IOASID_CONCURRENT_HISTORY_H */
