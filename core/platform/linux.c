/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "system.h"

#ifdef IOASID_PLATFORM_LINUX
#include <sys/syscall.h>
#include <unistd.h>

/* Of the kernel's headers, which not every C library comes with. */
#define FUTEX_WAIT_PRIVATE 128
#define FUTEX_WAKE_PRIVATE 129
#define MEMBARRIER_QUERY 0
#define MEMBARRIER_EXPEDITED (1 << 3)
#define MEMBARRIER_REGISTER_EXPEDITED (1 << 4)
#define GETRANDOM_NONBLOCK 1

/* Calls that old headers have no number for are not made. */
#ifndef SYS_futex
#define SYS_futex -1
#endif
#ifndef SYS_futex_time64
#define SYS_futex_time64 -1
#endif
#ifndef SYS_membarrier
#define SYS_membarrier -1
#endif
#ifndef SYS_getrandom
#define SYS_getrandom -1
#endif

/* The kernel's own, of which x32 has a wider one than its C. */
#ifdef __x86_64__
typedef long long kernel_long;
#else
typedef long kernel_long;
#endif

static bool futex(long number, ioasid_atomic_u32 *word, int operation,
		  uint32_t value, const void *time)
{
	return number >= 0 &&
	       (syscall(number, word, operation, value, time) >= 0 ||
		errno == EAGAIN || errno == EINTR || errno == ETIMEDOUT);
}

bool ioasid_futex_wait(ioasid_atomic_u32 *word, uint32_t value, uint64_t ns)
{
	/* Not a struct timespec, which may be wider than a call takes. */
	const int64_t wide[] = { (int64_t)(ns / 1000000000u),
				 (int64_t)(ns % 1000000000u) };
	const kernel_long time[] = { (kernel_long)wide[0],
				     (kernel_long)wide[1] };

	/*
	 * There are two calls where a time was too narrow once. The new one came
	 * with Linux 5.1, and filters may not know it; new targets have no other.
	 */
	return futex(SYS_futex_time64, word, FUTEX_WAIT_PRIVATE, value,
		     ns ? wide : NULL) ||
	       futex(SYS_futex, word, FUTEX_WAIT_PRIVATE, value,
		     ns ? time : NULL);
}

void ioasid_futex_wake(ioasid_atomic_u32 *word)
{
	if (!futex(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL))
		futex(SYS_futex_time64, word, FUTEX_WAKE_PRIVATE, 1, NULL);
}

static long membarrier(int command)
{
	return SYS_membarrier < 0 ? -1 : syscall(SYS_membarrier, command, 0, 0);
}

bool ioasid_membarrier_register(void)
{
	long commands = membarrier(MEMBARRIER_QUERY);

	return commands > 0 && (commands & MEMBARRIER_EXPEDITED) &&
	       !membarrier(MEMBARRIER_REGISTER_EXPEDITED);
}

bool ioasid_membarrier(void)
{
	return !membarrier(MEMBARRIER_EXPEDITED) ||
	       (!membarrier(MEMBARRIER_REGISTER_EXPEDITED) &&
		!membarrier(MEMBARRIER_EXPEDITED));
}

bool ioasid_entropy(uint64_t *number)
{
	/* As a bare system call it is no point of cancellation. */
	return SYS_getrandom >= 0 &&
	       syscall(SYS_getrandom, number, sizeof(*number),
		       GETRANDOM_NONBLOCK) == (long)sizeof(*number);
}
#else
/* ISO C wants something in every file. */
typedef int ioasid_not_linux;
#endif
