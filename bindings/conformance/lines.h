/* SPDX-License-Identifier: MIT */
#ifndef IOASID_CONFORMANCE_LINES_H
#define IOASID_CONFORMANCE_LINES_H

/* Files of cases: lines, their words, and whether the form of it all is right. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ioasid/store.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define WORDS 40

struct line {
	/* number of words; 0 for a comment and a blank line */
	size_t count;
	char *word[WORDS];
	/* the place of `->`, count without one */
	size_t arrow;
};

struct file {
	const char *path;
	char *text;
	struct line *line;
	size_t lines;
	/* what is wrong with its form, and where; NULL: nothing */
	const char *wrong;
	size_t wrong_line;
	/* cases times their stores */
	size_t runs;
};

#define STORES 3

struct store {
	const char *name;
	enum ioasid_store_kind kind;
};

extern const struct store stores[STORES];

_Noreturn void give_up(const char *what, const char *path);
/* @block, unless there is no memory. */
void *must(void *block);

void load(struct file *file, const char *path);
void unload(struct file *file);

bool is_op(const struct line *line, const char *name);
/* Does a case run on @store? */
bool runs_on(const struct line *line, const struct store *store);
/* Decimal without needless zeros, at most @max. */
bool parse_number(const char *text, uint64_t max, uint64_t *number);
/* A letter, then letters, digits, `-` and `_`. */
bool is_name(const char *text);
/* The value of a word that says @key, else NULL. */
const char *value_of(const char *word, const char *key);

#endif /* IOASID_CONFORMANCE_LINES_H */
