/* SPDX-License-Identifier: MIT */
#ifndef IOASID_TEST_CORTEX_M_START_H
#define IOASID_TEST_CORTEX_M_START_H

#include <stddef.h>
#include <stdint.h>

void *memset(void *to, int byte, size_t size);
void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);

void print(const char *text);
void print_number(uint32_t number);
_Noreturn void end(uint32_t status);

/* timer() is called every that many cycles, 24 bits. */
void timer_start(uint32_t cycles);
void timer_stop(void);

/* Of the program. */
void run(void);
void timer(void);

#endif /* IOASID_TEST_CORTEX_M_START_H */
