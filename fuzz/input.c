/* SPDX-License-Identifier: MIT */
#include "fuzz/input.h"

FILE *input_trace;

static bool line_begun;

/*
 * Text: "name:width=value" or "name=choice"; fields of the configuration have
 * a '<' before them. A byte that was missing is not written.
 */
static void trace(const char *field, bool last, unsigned int bits,
		  uint32_t value, const char *choice)
{
	fprintf(input_trace, "%s%s%s", line_begun ? " " : "", last ? "<" : "",
		field);
	if (choice)
		fprintf(input_trace, "=%s", choice);
	else
		fprintf(input_trace, ":%u=%u", bits, (unsigned int)value);
	line_begun = true;
}

static uint32_t first_byte(struct input *input)
{
	return input->data < input->end ? *input->data++ : 0;
}

static uint32_t last_byte(struct input *input)
{
	return input->data < input->end ? *--input->end : 0;
}

static uint32_t number(struct input *input, const char *field, bool last,
		       unsigned int bits)
{
	bool left = input_left(input);
	uint32_t value = 0;

	for (unsigned int at = 0; at < bits; at += 8)
		value |= (last ? last_byte(input) : first_byte(input)) << at;
	if (input_trace && left)
		trace(field, last, bits, value, NULL);
	return value;
}

static uint32_t choice(struct input *input, const char *field, bool last,
		       const char *const *names, uint32_t count)
{
	bool left = input_left(input);
	uint32_t value = (last ? last_byte(input) : first_byte(input)) % count;

	if (input_trace && left)
		trace(field, last, 8, value, names[value]);
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

bool input_left(const struct input *input)
{
	return input->data < input->end;
}

uint32_t input_u8(struct input *input, const char *field)
{
	return number(input, field, false, 8);
}

uint32_t input_u16(struct input *input, const char *field)
{
	return number(input, field, false, 16);
}

uint32_t input_u32(struct input *input, const char *field)
{
	return number(input, field, false, 32);
}

uint32_t input_choice(struct input *input, const char *field,
		      const char *const *names, uint32_t count)
{
	return choice(input, field, false, names, count);
}

uint32_t input_last_u8(struct input *input, const char *field)
{
	return number(input, field, true, 8);
}

uint32_t input_last_u32(struct input *input, const char *field)
{
	return number(input, field, true, 32);
}

uint32_t input_last_choice(struct input *input, const char *field,
			   const char *const *names, uint32_t count)
{
	return choice(input, field, true, names, count);
}

void input_line(struct input *input)
{
	(void)input;
	if (input_trace && line_begun)
		fputc('\n', input_trace);
	line_begun = false;
}
