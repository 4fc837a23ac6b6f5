/* SPDX-License-Identifier: MIT */
#include "fuzz/input.h"

#include <stdlib.h>
#include <string.h>

FILE *input_trace;

/* Of the text that is written. */
static bool line_begun;

/* A field that is taken; one with @names is a choice of them. */
struct field {
	const char *name;
	/* of the configuration */
	bool last;
	unsigned int bits;
	const char *const *names;
	uint32_t count;
};

/* A byte that was missing is not written. */
static void trace(const struct field *field, uint32_t value)
{
	fprintf(input_trace, "%s%s%s", line_begun ? " " : "",
		field->last ? "<" : "", field->name);
	if (field->names)
		fprintf(input_trace, "=%s", field->names[value]);
	else
		fprintf(input_trace, ":%u=%u", field->bits,
			(unsigned int)value);
	line_begun = true;
}

/* Text to bytes */

/* Bytes that grow; the last @open of them stand for fields left out. */
struct bytes {
	uint8_t *byte;
	size_t count, room, open;
};

static struct {
	/* what is left of it; NULL: fields are taken from bytes */
	const char *text;
	unsigned int line;
	void (*wrong)(unsigned int line, const char *what);
	/* a field of this line was taken */
	bool begun;
	struct bytes first, last;
} assembly;

_Noreturn static void wrong(const char *what, const char *more)
{
	static char text[256];

	snprintf(text, sizeof(text), "%s%s", what, more);
	assembly.wrong(assembly.line, text);
	abort();
}

static void append(struct bytes *to, uint32_t byte, bool open)
{
	if (to->count == to->room) {
		to->room = to->room ? 2 * to->room : 64;
		to->byte = realloc(to->byte, to->room);
		if (!to->byte)
			abort();
	}
	to->byte[to->count++] = (uint8_t)byte;
	to->open = open ? to->open + 1 : 0;
}

/* To the next field of the line; false: it is at its end. */
static bool skip_blanks(void)
{
	while (*assembly.text == ' ' || *assembly.text == '\t' ||
	       *assembly.text == '\r')
		assembly.text++;
	if (*assembly.text == '#')
		assembly.text += strcspn(assembly.text, "\n");
	return *assembly.text && *assembly.text != '\n';
}

/* To the first field of the next line that has one, if none is begun. */
static bool skip_lines(void)
{
	while (!skip_blanks() && *assembly.text && !assembly.begun) {
		assembly.text++;
		assembly.line++;
	}
	return *assembly.text && *assembly.text != '\n';
}

static uint32_t parse(const struct field *field, const char *value)
{
	unsigned long long number;
	char *end;

	if (field->names) {
		for (uint32_t i = 0; i < field->count; i++)
			if (!strcmp(value, field->names[i]))
				return i;
		wrong("no such choice: ", value);
	}
	number = strtoull(value, &end, 0);
	if (end == value || *end || *value == '-' || number >> field->bits)
		wrong("not a number of so many bits: ", value);
	return (uint32_t)number;
}

/* "name:bits" or "name", as it stands before the '='. */
static void check_name(const struct field *field, const char *name)
{
	char expected[128];

	snprintf(expected, sizeof(expected), "%s%s", field->last ? "<" : "",
		 field->name);
	if (!strcmp(name, expected))
		return;
	snprintf(expected, sizeof(expected), "%s%s:%u", field->last ? "<" : "",
		 field->name, field->bits);
	if (strcmp(name, expected) != 0 || field->names)
		wrong("the field here is ", expected);
}

/* Far more than any line has: what takes fields as long as there are some. */
#define OPEN_MAX 65536

static uint32_t assemble(const struct field *field)
{
	struct bytes *to = field->last ? &assembly.last : &assembly.first;
	uint32_t value = 0;
	bool open = !skip_lines() ||
		    (field->last && !assembly.begun && *assembly.text != '<');
	char word[128], *equals;
	size_t length;

	if (to->open > OPEN_MAX)
		wrong("too much is left out before this", "");
	if (!open) {
		length = strcspn(assembly.text, " \t\r\n#");
		if (length >= sizeof(word))
			wrong("too long a word", "");
		memcpy(word, assembly.text, length);
		word[length] = '\0';
		equals = strchr(word, '=');
		if (!equals)
			wrong("no '=' in ", word);
		*equals = '\0';
		check_name(field, word);
		value = parse(field, equals + 1);
		assembly.text += length;
		assembly.begun = true;
	}
	for (unsigned int at = 0; at < field->bits; at += 8)
		append(to, value >> at & 0xff, open);
	return value;
}

void input_assemble(const char *text,
		    void (*on_wrong)(unsigned int line, const char *what))
{
	memset(&assembly, 0, sizeof(assembly));
	assembly.text = text;
	assembly.line = 1;
	assembly.wrong = on_wrong;
}

uint8_t *input_assembled(size_t *size, bool whole)
{
	struct bytes *first = &assembly.first, *last = &assembly.last;
	uint8_t *byte;

	assembly.begun = false;
	if (whole && skip_lines())
		wrong("the run ends before this", "");
	/* Missing bytes are 0: none need stand at the end. */
	first->count -= first->open;
	if (!first->count)
		last->count -= last->open;
	*size = first->count + last->count;
	byte = calloc(*size + 1, 1);
	if (!byte)
		abort();
	if (first->count)
		memcpy(byte, first->byte, first->count);
	for (size_t i = 0; i < last->count; i++)
		byte[*size - 1 - i] = last->byte[i];
	free(first->byte);
	free(last->byte);
	memset(&assembly, 0, sizeof(assembly));
	return byte;
}

/* Fields */

static uint32_t first_byte(struct input *input)
{
	return input->data < input->end ? *input->data++ : 0;
}

static uint32_t last_byte(struct input *input)
{
	return input->data < input->end ? *--input->end : 0;
}

static uint32_t take(struct input *input, const struct field *field)
{
	bool left = input_left(input);
	uint32_t value = 0;

	if (assembly.text) {
		value = assemble(field);
	} else {
		for (unsigned int at = 0; at < field->bits; at += 8)
			value |= (field->last ? last_byte(input) :
						first_byte(input))
				 << at;
		if (field->names)
			value %= field->count;
	}
	if (input_trace && left)
		trace(field, value);
	return value;
}

void input_begin(struct input *input, const uint8_t *data, size_t size)
{
	/* An empty input may come as NULL, to which nothing may be added. */
	static const uint8_t nothing;

	input->data = size ? data : &nothing;
	input->end = input->data + size;
	line_begun = false;
}

/* Is there a field in what is left of the text, on whatever line? */
static bool text_left(void)
{
	const char *at = assembly.text;

	for (;;) {
		at += strspn(at, " \t\r\n");
		if (*at != '#')
			return *at;
		at += strcspn(at, "\n");
	}
}

bool input_left(const struct input *input)
{
	return assembly.text ? text_left() : input->data < input->end;
}

uint32_t input_u8(struct input *input, const char *field)
{
	return take(input, &(struct field){ .name = field, .bits = 8 });
}

uint32_t input_u16(struct input *input, const char *field)
{
	return take(input, &(struct field){ .name = field, .bits = 16 });
}

uint32_t input_u32(struct input *input, const char *field)
{
	return take(input, &(struct field){ .name = field, .bits = 32 });
}

uint32_t input_choice(struct input *input, const char *field,
		      const char *const *names, uint32_t count)
{
	return take(input, &(struct field){ .name = field,
					    .bits = 8,
					    .names = names,
					    .count = count });
}

uint32_t input_last_u8(struct input *input, const char *field)
{
	return take(input,
		    &(struct field){ .name = field, .last = true, .bits = 8 });
}

uint32_t input_last_u32(struct input *input, const char *field)
{
	return take(input,
		    &(struct field){ .name = field, .last = true, .bits = 32 });
}

uint32_t input_last_choice(struct input *input, const char *field,
			   const char *const *names, uint32_t count)
{
	return take(input, &(struct field){ .name = field,
					    .last = true,
					    .bits = 8,
					    .names = names,
					    .count = count });
}

void input_line(struct input *input)
{
	(void)input;
	if (assembly.text && assembly.begun) {
		if (skip_blanks())
			wrong("nothing more belongs to this line", "");
		assembly.begun = false;
		if (*assembly.text) {
			assembly.text++;
			assembly.line++;
		}
	}
	if (input_trace && line_begun)
		fputc('\n', input_trace);
	line_begun = false;
}
