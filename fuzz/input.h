/* SPDX-License-Identifier: MIT */
#ifndef IOASID_FUZZ_INPUT_H
#define IOASID_FUZZ_INPUT_H

/*
 * Bytes taken apart: operations from the front, the configuration from the end,
 * so that neither moves when the other grows. A missing byte is 0, and no byte
 * makes the rest meaningless. Each field has a name: with input_trace set, what
 * is taken is written there as text, and with input_assemble() taken from text
 * and turned to bytes. tools/fuzz_text does both.
 *
 * Text: an operation, or the configuration, a line; a field is "name:bits=number"
 * or "name=choice", one of the configuration has a '<' before it. Where people
 * write it, ":bits" may be left out, and fields at the end of a line, which are 0
 * then; numbers are as in C, and a '#' begins a comment.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct input {
	const uint8_t *data, *end;
};

/* Where the text goes; NULL: nowhere. */
extern FILE *input_trace;

void input_begin(struct input *input, const uint8_t *data, size_t size);
bool input_left(const struct input *input);

/* A number of 8, 16 or 32 bits, the lowest byte first. */
uint32_t input_u8(struct input *input, const char *field);
uint32_t input_u16(struct input *input, const char *field);
uint32_t input_u32(struct input *input, const char *field);
/* A byte modulo @count, by name: what is taken is the place in @names. */
uint32_t input_choice(struct input *input, const char *field,
		      const char *const *names, uint32_t count);

/* The same from the end: the configuration. */
uint32_t input_last_u8(struct input *input, const char *field);
uint32_t input_last_u32(struct input *input, const char *field);
uint32_t input_last_choice(struct input *input, const char *field,
			   const char *const *names, uint32_t count);

/* Ends a line of text: after the configuration, and after each operation. */
void input_line(struct input *input);

/*
 * Until input_assembled(), fields are taken from @text, whatever input_begin()
 * is given. What is wrong with it goes to @wrong, which does not return.
 */
void input_assemble(const char *text,
		    void (*wrong)(unsigned int line, const char *what));
/*
 * The bytes that stand for what was taken, to be freed. @whole: it is wrong if
 * some of the text was not.
 */
uint8_t *input_assembled(size_t *size, bool whole);

#endif /* IOASID_FUZZ_INPUT_H */
