/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include "system.h"

#ifdef IOASID_PLATFORM_WINDOWS
#if _WIN32_WINNT < 0x0601
#error "ioasid needs Windows 7: compile with -D_WIN32_WINNT=0x0601 or more"
#endif

#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>

/* After it. */
#include <ntsecapi.h>
#include <process.h>

#include "util.h"

/*
 * WaitOnAddress() would make the locks that Linux has, but asks every program
 * for one more library and for Windows 8. An SRWLOCK is all zero when it is free
 * and needs nothing to be given back.
 */
_Static_assert(sizeof(struct ioasid_mutex) == sizeof(SRWLOCK) &&
		       _Alignof(struct ioasid_mutex) >= _Alignof(SRWLOCK),
	       "room for a lock");
_Static_assert(sizeof(void *) == sizeof(CONDITION_VARIABLE) &&
		       _Alignof(void *) >= _Alignof(CONDITION_VARIABLE),
	       "room for a condition variable");

static SRWLOCK *lock_of(struct ioasid_mutex *mutex)
{
	return (SRWLOCK *)(void *)mutex;
}

static CONDITION_VARIABLE *changed(struct ioasid_worker *worker)
{
	return (CONDITION_VARIABLE *)(void *)&worker->thread.changed;
}

void ioasid_mutex_init(struct ioasid_mutex *mutex)
{
	InitializeSRWLock(lock_of(mutex));
}

void ioasid_mutex_destroy(struct ioasid_mutex *mutex)
{
	(void)mutex;
}

void ioasid_mutex_lock(struct ioasid_mutex *mutex)
{
	AcquireSRWLockExclusive(lock_of(mutex));
}

bool ioasid_mutex_try(struct ioasid_mutex *mutex)
{
	return TryAcquireSRWLockExclusive(lock_of(mutex));
}

void ioasid_mutex_unlock(struct ioasid_mutex *mutex)
{
	ReleaseSRWLockExclusive(lock_of(mutex));
}

/* Huge pages want a privilege, and are there at once or not at all. */
void *ioasid_pages_reserve(size_t size, bool huge)
{
	(void)huge;
	return VirtualAlloc(NULL, size, MEM_RESERVE | MEM_COMMIT,
			    PAGE_READWRITE);
}

void ioasid_pages_release(void *pages, size_t size, bool huge)
{
	(void)size;
	(void)huge;
	VirtualFree(pages, 0, MEM_RELEASE);
}

/*
 * No call suits lookups that read on: a page that is decommitted or offered
 * faults, and one that is reset or discarded may turn to 0 at any time after.
 */
size_t ioasid_pages_discard(void *part, size_t size)
{
	(void)part;
	(void)size;
	return 0;
}

bool ioasid_membarrier_register(void)
{
	HMODULE ntdll = GetModuleHandleA("ntdll.dll");

	/* Wine has the barrier, but up to 8 at least it does nothing. */
	return ntdll && !GetProcAddress(ntdll, "wine_get_version");
}

bool ioasid_membarrier(void)
{
	FlushProcessWriteBuffers();
	return true;
}

void ioasid_backoff(unsigned int round)
{
	if (round < 20)
		SwitchToThread();
	else
		Sleep(round < 200 ? 0 : 1);
}

bool ioasid_entropy(uint64_t *number)
{
	return RtlGenRandom(number, sizeof(*number));
}

uint64_t ioasid_random(const void *salt)
{
	uint64_t number = 0;

	if (ioasid_entropy(&number))
		return number;
	return ioasid_mix((uint64_t)(uintptr_t)salt ^ ioasid_clock());
}

uint64_t ioasid_clock(void)
{
	LARGE_INTEGER now, frequency;
	uint64_t ticks, second;

	QueryPerformanceCounter(&now);
	QueryPerformanceFrequency(&frequency);
	ticks = (uint64_t)now.QuadPart;
	second = (uint64_t)frequency.QuadPart;
	return ticks / second * 1000000000u +
	       ticks % second * 1000000000u / second;
}

static IOASID_TLS const struct ioasid_exit_hook *exit_hook;

bool ioasid_at_thread_exit(const struct ioasid_exit_hook *hook)
{
	ioasid_tls(exit_hook) = hook;
	return true;
}

static void NTAPI thread_callback(void *module, DWORD reason, void *reserved)
{
	const struct ioasid_exit_hook *hook;

	(void)module;
	(void)reserved;
	if (reason != DLL_THREAD_DETACH)
		return;
	hook = ioasid_tls(exit_hook);
	ioasid_tls(exit_hook) = NULL;
	if (hook)
		hook->func();
}

/*
 * Called as long as the thread's variables are there, for every thread that ends
 * by itself, and not once the module is unloaded. Fibre-local storage would have
 * its callback where a fibre ends and its thread goes on. In the list of a
 * module's callbacks this is after those of the C library, which run destructors
 * of the program's, and before its end.
 */
static const PIMAGE_TLS_CALLBACK at_exit
	__attribute__((section(".CRT$XLY"), used)) = thread_callback;

void ioasid_worker_init(struct ioasid_worker *worker,
			void (*func)(struct ioasid_worker *worker))
{
	*worker = (struct ioasid_worker){ .func = func };
	ioasid_mutex_init(&worker->mutex);
	InitializeConditionVariable(changed(worker));
}

static unsigned int __stdcall worker_main(void *arg)
{
	struct ioasid_worker *worker = arg;

	worker->func(worker);
	return 0;
}

bool ioasid_worker_wake(struct ioasid_worker *worker)
{
	bool started;

	ioasid_mutex_lock(&worker->mutex);
	worker->woken = true;
	if (!worker->started) {
		worker->thread.handle = (void *)_beginthreadex(
			NULL, 0, worker_main, worker, 0, NULL);
		worker->started = worker->thread.handle != NULL;
	}
	started = worker->started;
	WakeConditionVariable(changed(worker));
	ioasid_mutex_unlock(&worker->mutex);
	return started;
}

void ioasid_worker_sleep(struct ioasid_worker *worker, uint64_t ns)
{
	/* Rounded up: the clock it sleeps by is not a fine one. */
	DWORD ms = ns ? (DWORD)(ns / 1000000u + 1) : INFINITE;

	ioasid_mutex_lock(&worker->mutex);
	while (!worker->woken && !worker->stopped)
		if (!SleepConditionVariableSRW(changed(worker),
					       lock_of(&worker->mutex), ms, 0))
			break;
	worker->woken = false;
	ioasid_mutex_unlock(&worker->mutex);
}

bool ioasid_worker_stopped(struct ioasid_worker *worker)
{
	bool stopped;

	ioasid_mutex_lock(&worker->mutex);
	stopped = worker->stopped;
	ioasid_mutex_unlock(&worker->mutex);
	return stopped;
}

/* There is no fork. */
bool ioasid_worker_child(struct ioasid_worker *worker)
{
	(void)worker;
	return false;
}

void ioasid_worker_stop(struct ioasid_worker *worker)
{
	bool started;

	ioasid_mutex_lock(&worker->mutex);
	worker->stopped = true;
	started = worker->started;
	WakeConditionVariable(changed(worker));
	ioasid_mutex_unlock(&worker->mutex);
	if (!started)
		return;
	WaitForSingleObject(worker->thread.handle, INFINITE);
	CloseHandle(worker->thread.handle);
}
#else
/* ISO C wants something in every file. */
typedef int ioasid_not_windows;
#endif
