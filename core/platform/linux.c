/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "system.h"

#ifdef IOASID_PLATFORM_LINUX
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of the kernel's headers, which not every C library comes with. */
#define FUTEX_WAIT_PRIVATE 128
#define FUTEX_WAKE_PRIVATE 129
#define MEMBARRIER_QUERY 0
#define MEMBARRIER_EXPEDITED (1 << 3)
#define MEMBARRIER_REGISTER_EXPEDITED (1 << 4)
#define GETRANDOM_NONBLOCK 1

#define HUGE_PAGE ((size_t)2 << 20)

static void unmap(char *start, char *end)
{
	if (end > start)
		munmap(start, (size_t)(end - start));
}

static size_t mapped_size(size_t size)
{
	size_t page = size >= HUGE_PAGE ? HUGE_PAGE : 4096;

	return (size + page - 1) & ~(page - 1);
}

void *ioasid_pages_reserve(size_t size)
{
	size_t align = size >= HUGE_PAGE ? HUGE_PAGE : 0;
	char *map, *start;

	if (size > SIZE_MAX - 2 * HUGE_PAGE)
		return NULL;
	size = mapped_size(size);
	map = mmap(NULL, size + align, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return NULL;
	if (!align)
		return map;
	start = map + (-(uintptr_t)map & (HUGE_PAGE - 1));
	unmap(map, start);
	unmap(start + size, map + size + align);
#ifdef MADV_HUGEPAGE
	madvise(start, size, MADV_HUGEPAGE);
#endif
	return start;
}

void ioasid_pages_release(void *pages, size_t size)
{
	munmap(pages, mapped_size(size));
}

size_t ioasid_pages_discard(void *part, size_t size)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t start = ((uintptr_t)part + page - 1) & -page;
	uintptr_t end = ((uintptr_t)part + size) & -page;

	if (end <= start || madvise((void *)start, end - start, MADV_DONTNEED))
		return 0;
	return end - start;
}

/* The kernel's own, of which x32 has a wider one than its C. */
#ifdef __x86_64__
typedef long long kernel_long;
#else
typedef long kernel_long;
#endif

/* There are two calls where a time was too narrow once; new targets have one. */
#ifndef SYS_futex
#define SYS_futex SYS_futex_time64
#endif

#ifdef SYS_futex_time64
/* False: not there (Linux before 5.1), or a filter does not know it. */
static bool futex_wait_wide(ioasid_atomic_u32 *word, uint32_t value,
			    uint64_t ns)
{
	const int64_t time[] = { (int64_t)(ns / 1000000000u),
				 (int64_t)(ns % 1000000000u) };

	return !syscall(SYS_futex_time64, word, FUTEX_WAIT_PRIVATE, value,
			ns ? time : NULL) ||
	       errno == EAGAIN || errno == EINTR || errno == ETIMEDOUT;
}
#else
static bool futex_wait_wide(ioasid_atomic_u32 *word, uint32_t value,
			    uint64_t ns)
{
	(void)word;
	(void)value;
	(void)ns;
	return false;
}
#endif

void ioasid_futex_wait(ioasid_atomic_u32 *word, uint32_t value, uint64_t ns)
{
	/* Not a struct timespec, which may be wider than the call takes. */
	const kernel_long time[] = { (kernel_long)(ns / 1000000000u),
				     (kernel_long)(ns % 1000000000u) };

	if (!futex_wait_wide(word, value, ns))
		syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value,
			ns ? time : NULL);
}

void ioasid_futex_wake(ioasid_atomic_u32 *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1);
}

static long membarrier(int command)
{
#ifdef SYS_membarrier
	return syscall(SYS_membarrier, command, 0, 0);
#else
	(void)command;
	return -1;
#endif
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
	return syscall(SYS_getrandom, number, sizeof(*number),
		       GETRANDOM_NONBLOCK) == (long)sizeof(*number);
}
#else
/* ISO C wants something in every file. */
typedef int ioasid_not_linux;
#endif
