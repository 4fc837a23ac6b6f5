/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "internal.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef __linux__
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

/* Below this a block is not worth a mapping of its own. */
#define RESERVE_MIN ((size_t)64 << 10)
#define HUGE_PAGE ((size_t)2 << 20)

static void *system_alloc(void *context, size_t size)
{
	(void)context;
	return malloc(size);
}

static void system_free(void *context, void *memory, size_t size)
{
	(void)context;
	(void)size;
	free(memory);
}

#ifdef __linux__
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

static void *system_reserve(void *context, size_t size)
{
	size_t align = size >= HUGE_PAGE ? HUGE_PAGE : 0;
	char *map, *start;

	(void)context;
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

static void system_release(void *context, void *memory, size_t size)
{
	(void)context;
	munmap(memory, mapped_size(size));
}
#else
#define system_reserve NULL
#define system_release NULL
#endif

int ioasid_memory_resolve(const struct ioasid_memory *hooks,
			  struct ioasid_memory *resolved)
{
	static const struct ioasid_memory system = { system_alloc, system_free,
						     system_reserve,
						     system_release, NULL };

	if (!hooks->alloc != !hooks->free ||
	    !hooks->reserve != !hooks->release ||
	    (!hooks->alloc && hooks->reserve))
		return -EINVAL;
	*resolved = hooks->alloc ? *hooks : system;
	return 0;
}

void *ioasid_memory_zeroed(const struct ioasid_memory *memory, size_t size)
{
	size_t slack = IOASID_CACHE_LINE;
	char *block, *start;

	if (memory->reserve && size >= RESERVE_MIN)
		return memory->reserve(memory->context, size);
	block = memory->alloc(memory->context, size + slack);
	if (!block)
		return NULL;
	memset(block, 0, size + slack);
	start = block + slack - ((uintptr_t)block & (slack - 1));
	/* The distance to the block stands in the byte before the start. */
	start[-1] = (char)(start - block);
	return start;
}

void ioasid_memory_zeroed_free(const struct ioasid_memory *memory, void *block,
			       size_t size)
{
	char *start = block;

	if (memory->reserve && size >= RESERVE_MIN)
		memory->release(memory->context, block, size);
	else
		memory->free(memory->context, start - start[-1],
			     size + IOASID_CACHE_LINE);
}

#ifdef __linux__
ioasid_atomic_u32 ioasid_lock_asymmetric;

void ioasid_lock_wait(struct ioasid_lock *lock)
{
	const struct timespec nap = { 0, 1000000 };
	unsigned int spin;
	bool blind;

	for (spin = 0; spin < 100; spin++) {
		if (!ioasid_load_relaxed(&lock->held) && ioasid_lock_try(lock))
			return;
#if defined(__x86_64__) || defined(__i386__)
		__builtin_ia32_pause();
#endif
	}
	ioasid_fetch_add_acq_rel(&lock->waiters, 1u);
	ioasid_fence_seq_cst();
	/* From here on an unlock is seen, or sees this waiter. */
	blind = ioasid_membarrier_available() && !ioasid_membarrier();
	while (!ioasid_lock_try(lock))
		syscall(SYS_futex, &lock->held, FUTEX_WAIT_PRIVATE, 1,
			blind ? &nap : NULL);
	ioasid_fetch_sub_release(&lock->waiters, 1u);
}

void ioasid_lock_wake(struct ioasid_lock *lock)
{
	syscall(SYS_futex, &lock->held, FUTEX_WAKE_PRIVATE, 1);
}

/* Commands of membarrier(2); its header is younger than the call. */
#define MEMBARRIER_QUERY 0
#define MEMBARRIER_EXPEDITED (1 << 3)
#define MEMBARRIER_REGISTER_EXPEDITED (1 << 4)

static ioasid_atomic_u32 membarrier_state;

static long membarrier(int command)
{
#ifdef SYS_membarrier
	return syscall(SYS_membarrier, command, 0, 0);
#else
	(void)command;
	return -1;
#endif
}

bool ioasid_membarrier_available(void)
{
	uint32_t state = ioasid_load_acquire(&membarrier_state);
	long commands;

	if (!state) {
		commands = membarrier(MEMBARRIER_QUERY);
		state = commands > 0 && (commands & MEMBARRIER_EXPEDITED) &&
					!membarrier(
						MEMBARRIER_REGISTER_EXPEDITED) ?
				1 :
				2;
		ioasid_store_release(&membarrier_state, state);
		ioasid_store_release(&ioasid_lock_asymmetric, state == 1);
	}
	return state == 1;
}

bool ioasid_membarrier(void)
{
	return !membarrier(MEMBARRIER_EXPEDITED);
}
#else
bool ioasid_membarrier_available(void)
{
	return false;
}

bool ioasid_membarrier(void)
{
	return false;
}
#endif

void ioasid_backoff(unsigned int round)
{
	struct timespec pause = { 0, 0 };

	if (round < 20) {
		sched_yield();
		return;
	}
	pause.tv_nsec = round < 200 ? 20000 : 500000;
	nanosleep(&pause, NULL);
}

uint64_t ioasid_mix(uint64_t number)
{
	number = (number ^ number >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	number = (number ^ number >> 27) * UINT64_C(0x94d049bb133111eb);
	return number ^ number >> 31;
}

uint64_t ioasid_random(const void *salt)
{
	struct timespec now;
	uint64_t number;

#ifdef __linux__
	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) ==
	    (ssize_t)sizeof(number))
		return number;
#endif
	timespec_get(&now, TIME_UTC);
	return ioasid_mix((uint64_t)(uintptr_t)salt ^
			  (uint64_t)now.tv_nsec << 32 ^ (uint64_t)now.tv_sec);
}

static pthread_once_t exit_once = PTHREAD_ONCE_INIT;
static pthread_key_t exit_key;
static bool exit_key_made;

static void exit_destructor(void *value)
{
	((const struct ioasid_exit_hook *)value)->func();
}

static void exit_init(void)
{
	exit_key_made = !pthread_key_create(&exit_key, exit_destructor);
}

bool ioasid_at_thread_exit(const struct ioasid_exit_hook *hook)
{
	pthread_once(&exit_once, exit_init);
	return exit_key_made && !pthread_setspecific(exit_key, hook);
}
