/* SPDX-License-Identifier: MIT */
#include "bindings/conformance/lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void give_up(const char *what, const char *path)
{
	fprintf(stderr, "conformance_runner: %s%s\n", what, path);
	exit(2);
}

void *must(void *block)
{
	if (!block)
		give_up("no memory", "");
	return block;
}

static char *read_text(const char *path, size_t *size)
{
	FILE *stream = fopen(path, "rb");
	size_t room = 4096;
	char *text = must(malloc(room));

	if (!stream)
		give_up("cannot read ", path);
	*size = 0;
	for (;;) {
		size_t got = fread(text + *size, 1, room - *size, stream);

		*size += got;
		if (!got)
			break;
		if (*size == room)
			text = must(realloc(text, room *= 2));
	}
	if (ferror(stream))
		give_up("cannot read ", path);
	fclose(stream);
	text[*size] = '\0';
	return text;
}

/* Splits @text in place. False if it is not words with one space between. */
static bool split(char *text, struct line *line)
{
	memset(line, 0, sizeof(*line));
	if (*text == '#' || !*text)
		return true;
	for (;;) {
		size_t length = strcspn(text, " ");

		if (!length || line->count == WORDS)
			return false;
		line->word[line->count++] = text;
		if (!text[length])
			break;
		text[length] = '\0';
		text += length + 1;
	}
	while (line->arrow < line->count &&
	       strcmp(line->word[line->arrow], "->") != 0)
		line->arrow++;
	return true;
}

bool is_op(const struct line *line, const char *name)
{
	return line->count && !strcmp(line->word[0], name);
}

bool parse_number(const char *text, uint64_t max, uint64_t *number)
{
	uint64_t value = 0;

	if (!*text || (*text == '0' && text[1]))
		return false;
	for (; *text; text++) {
		uint64_t digit = (uint64_t)(unsigned char)*text - '0';

		if (digit > 9 || value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*number = value;
	return true;
}

bool is_name(const char *text)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_";

	return strspn(text, allowed) == strlen(text) &&
	       strcspn(text, "0123456789-_") > 0;
}

const char *value_of(const char *word, const char *key)
{
	size_t length = strlen(key);

	if (strncmp(word, key, length) != 0 || word[length] != '=')
		return NULL;
	return word + length + 1;
}

/* Stores */

const struct store stores[STORES] = {
	{ "bitmap", IOASID_STORE_BITMAP },
	{ "radix", IOASID_STORE_RADIX },
	{ "hash", IOASID_STORE_HASH },
};

bool runs_on(const struct line *line, const struct store *store)
{
	const char *list = line->count == 3 ?
				   value_of(line->word[2], "stores") :
				   store->name;
	size_t length = strlen(store->name);

	for (;;) {
		if (!strncmp(list, store->name, length) &&
		    (!list[length] || list[length] == ','))
			return true;
		list = strchr(list, ',');
		if (!list)
			return false;
		list++;
	}
}

/* case NAME [stores=...]: the number of its stores; 0 if it is not well said */
static size_t count_stores(const struct line *line)
{
	const char *list;
	size_t named = 1, known = 0;

	if (line->count < 2 || line->count > 3 || !is_name(line->word[1]))
		return 0;
	if (line->count == 2)
		return STORES;
	list = value_of(line->word[2], "stores");
	if (!list)
		return 0;
	for (; *list; list++)
		named += *list == ',';
	for (size_t i = 0; i < STORES; i++)
		known += runs_on(line, &stores[i]);
	return named == known ? known : 0;
}

/* Files: their form, and how many runs there are */

static bool says_wrong(struct file *file, size_t line, const char *wrong)
{
	file->wrong_line = line;
	file->wrong = wrong;
	return false;
}

static bool named_before(const struct file *file, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (is_op(&file->line[i], "case") &&
		    !strcmp(file->line[i].word[1], file->line[at].word[1]))
			return true;
	return false;
}

/* Finds what is wrong with the form of @file, and counts its runs. */
static bool check_form(struct file *file)
{
	uint64_t said, cases = 0;
	bool ended = false;

	for (size_t i = 0; i < file->lines; i++) {
		const struct line *line = &file->line[i];

		if (!line->count)
			continue;
		if (ended)
			return says_wrong(file, i + 1, "a line after `end`");
		if (is_op(line, "case")) {
			size_t runs = count_stores(line);

			if (!runs)
				return says_wrong(file, i + 1,
						  "case NAME [stores=...]");
			if (named_before(file, i))
				return says_wrong(file, i + 1,
						  "a case of this name before");
			cases++;
			file->runs += runs;
		} else if (is_op(line, "end")) {
			if (line->count != 2 ||
			    !parse_number(line->word[1], UINT32_MAX, &said))
				return says_wrong(file, i + 1, "end COUNT");
			if (said != cases)
				return says_wrong(
					file, i + 1,
					"not the number of cases above");
			ended = true;
		} else if (!cases) {
			return says_wrong(file, i + 1,
					  "a line before any case");
		}
	}
	if (!ended)
		return says_wrong(file, file->lines, "no `end`: truncated");
	if (!cases)
		return says_wrong(file, file->lines, "no cases");
	return true;
}

void load(struct file *file, const char *path)
{
	size_t size, room = 0;
	char *text, *end;

	memset(file, 0, sizeof(*file));
	file->path = path;
	file->text = text = read_text(path, &size);
	if (strlen(text) != size) {
		says_wrong(file, 1, "a zero byte");
		return;
	}
	for (; *text; text = end + 1) {
		if (file->lines == room) {
			room = room ? 2 * room : 64;
			file->line = must(realloc(file->line,
						  room * sizeof(*file->line)));
		}
		end = strchr(text, '\n');
		if (!end) {
			says_wrong(file, file->lines + 1,
				   "no line end: truncated");
			return;
		}
		*end = '\0';
		if (!split(text, &file->line[file->lines++])) {
			says_wrong(file, file->lines,
				   "not words with one space between");
			return;
		}
	}
	check_form(file);
}

void unload(struct file *file)
{
	free(file->line);
	free(file->text);
}
