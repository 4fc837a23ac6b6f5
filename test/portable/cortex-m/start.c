/* SPDX-License-Identifier: MIT */
/*
 * All that a program on a Cortex-M needs besides the library: the vectors, the
 * three functions of a C library that the library calls, output and an end by
 * semihosting, and the timer's interrupt.
 */
#include "start.h"

extern uint32_t data_start[], data_end[], data_load[], bss_start[], bss_end[];
extern uint32_t stack_top[];

void reset(void);

#define SYSTICK_CONTROL (*(volatile uint32_t *)0xe000e010u)
#define SYSTICK_RELOAD (*(volatile uint32_t *)0xe000e014u)
#define SYSTICK_VALUE (*(volatile uint32_t *)0xe000e018u)

/* Not to be made calls of themselves. */
#pragma GCC optimize("no-tree-loop-distribute-patterns")

void *memset(void *to, int byte, size_t size)
{
	unsigned char *end = to;

	while (size--)
		*end++ = (unsigned char)byte;
	return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
	unsigned char *end = to;
	const unsigned char *next = from;

	while (size--)
		*end++ = *next++;
	return to;
}

void *memmove(void *to, const void *from, size_t size)
{
	unsigned char *end = to;
	const unsigned char *next = from;

	if ((uintptr_t)to <= (uintptr_t)from)
		return memcpy(to, from, size);
	while (size--)
		end[size] = next[size];
	return to;
}

static uint32_t semihosting(uint32_t operation, const void *argument)
{
	register uint32_t r0 __asm__("r0") = operation;
	register const void *r1 __asm__("r1") = argument;

	__asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
	return r0;
}

void print(const char *text)
{
	semihosting(0x04, text);
}

void print_number(uint32_t number)
{
	char digits[11];
	char *first = &digits[10];

	*first = '\0';
	do {
		*--first = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	print(first);
}

void end(uint32_t status)
{
	const uint32_t exit[] = { 0x20026, status };

	semihosting(0x20, exit);
	for (;;)
		;
}

void timer_start(uint32_t cycles)
{
	SYSTICK_RELOAD = cycles;
	SYSTICK_VALUE = 0;
	/* The processor's clock, interrupt, on. */
	SYSTICK_CONTROL = 7;
}

void timer_stop(void)
{
	SYSTICK_CONTROL = 0;
}

void reset(void)
{
	const uint32_t *from = data_load;

	for (uint32_t *to = data_start; to < data_end; to++)
		*to = *from++;
	for (uint32_t *to = bss_start; to < bss_end; to++)
		*to = 0;
	run();
	end(0);
}

static void fault(void)
{
	print("a fault of the processor\n");
	end(1);
}

static void (*const vectors[16])(void)
	__attribute__((section(".vectors"), used)) = {
		(void (*)(void))(uintptr_t)stack_top,
		reset,
		fault,
		fault,
		fault,
		fault,
		fault,
		[11] = fault,
		[14] = fault,
		[15] = timer,
	};
