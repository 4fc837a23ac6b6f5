/* SPDX-License-Identifier: MIT */
/*
 * What only Windows has: threads that no pthread library knows, fibres, threads
 * that are killed, modules that come and go.
 */
#include "test/actors.h"

#include <process.h>

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include "core/platform/lock.h"
#include "core/platform/system.h"

/* More than a thread has places for, so that some records are allocated. */
enum { DOMAINS = IOASID_RCU_READERS + 3, LATE = 17 };

static struct ioasid_rcu *domain[DOMAINS];
static struct test_memory memory;

static void create_domains(void)
{
	const struct ioasid_rcu_config config = {
		.memory = test_memory_hooks(&memory, false),
	};

	test_memory_init(&memory);
	for (int i = 0; i < DOMAINS; i++)
		CHECK(!ioasid_rcu_create(&config, &domain[i]));
}

static void destroy_domains(void)
{
	for (int i = 0; i < DOMAINS; i++)
		CHECK(!ioasid_rcu_destroy(domain[i]));
	test_memory_done(&memory);
}

static size_t threads_of(struct ioasid_rcu *rcu)
{
	struct ioasid_domain_stats stats;

	ioasid_rcu_stats(rcu, &stats);
	return stats.threads;
}

static void read_all(void)
{
	for (int i = 0; i < DOMAINS; i++)
		ioasid_rcu_read_lock(domain[i]);
	for (int i = 0; i < DOMAINS; i++) {
		CHECK(ioasid_rcu_read_held(domain[i]));
		ioasid_rcu_read_unlock(domain[i]);
		CHECK(!ioasid_rcu_read_held(domain[i]));
	}
}

static void all_gone(void)
{
	for (int i = 0; i < DOMAINS; i++) {
		CHECK(threads_of(domain[i]) == 0);
		CHECK(!ioasid_rcu_synchronize(domain[i]));
	}
}

static DWORD WINAPI come_and_go(void *arg)
{
	(void)arg;
	read_all();
	return 0;
}

static unsigned int __stdcall come_and_go_crt(void *arg)
{
	return come_and_go(arg);
}

static void *come_and_go_pthread(void *arg)
{
	come_and_go(arg);
	return NULL;
}

static void join(HANDLE thread)
{
	CHECK(thread);
	CHECK(WaitForSingleObject(thread, INFINITE) == WAIT_OBJECT_0);
	CHECK(CloseHandle(thread));
}

/* However a thread was made, its end is seen. */
static void threads_come_and_go(struct fixture *fixture)
{
	enum { ROUNDS = 5000, SEEN = 500 };
	pthread_t thread;

	(void)fixture;
	create_domains();
	for (int i = 0; i < ROUNDS; i++) {
		switch (i % 3) {
		case 0:
			join(CreateThread(NULL, 0, come_and_go, NULL, 0, NULL));
			break;
		case 1:
			join((HANDLE)_beginthreadex(NULL, 0, come_and_go_crt,
						    NULL, 0, NULL));
			break;
		default:
			CHECK(!pthread_create(&thread, NULL,
					      come_and_go_pthread, NULL));
			CHECK(!pthread_join(thread, NULL));
		}
		if (i < 3 || i % SEEN == 0)
			all_gone();
	}
	all_gone();
	destroy_domains();
}

/* --- lookups while a thread ends --- */

static DWORD slot;
static pthread_key_t key;
static ioasid_atomic_u32 late_calls;

static void late(void *value)
{
	(void)value;
	/* Once it has ended for the library, a section is one of all domains. */
	for (int i = 0; i < DOMAINS; i++) {
		ioasid_rcu_read_lock(domain[i]);
		CHECK(ioasid_rcu_read_held(domain[i]));
		ioasid_rcu_read_unlock(domain[i]);
		CHECK(!ioasid_rcu_read_held(domain[i]));
	}
	ioasid_fetch_add_acq_rel(&late_calls, 1u);
}

static void WINAPI late_by_slot(void *value)
{
	late(value);
}

/* Before the hook, as lists are in the order of names; and after it. */
static IOASID_TLS bool by_list;

static void NTAPI late_by_list(void *module, DWORD reason, void *reserved)
{
	(void)module;
	(void)reserved;
	if (reason == DLL_THREAD_DETACH && ioasid_tls(by_list))
		late(NULL);
}

static const PIMAGE_TLS_CALLBACK before
	__attribute__((section(".CRT$XLX"), used)) = late_by_list;
static const PIMAGE_TLS_CALLBACK after
	__attribute__((section(".CRT$XLYY"), used)) = late_by_list;

static void use_late(void)
{
	CHECK(FlsSetValue(slot, &slot));
	CHECK(!pthread_setspecific(key, &key));
	ioasid_tls(by_list) = true;
}

static DWORD WINAPI looks_late(void *first)
{
	if (first)
		read_all();
	use_late();
	return 0;
}

static void *looks_late_pthread(void *first)
{
	looks_late(first);
	return NULL;
}

/* Whether it is the first use of the thread or not. */
static void used_at_the_end(struct fixture *fixture)
{
	pthread_t thread;

	(void)fixture;
	create_domains();
	slot = FlsAlloc(late_by_slot);
	CHECK(slot != FLS_OUT_OF_INDEXES);
	CHECK(!pthread_key_create(&key, late));
	for (int i = 0; i < LATE; i++) {
		void *first = i % 2 ? &slot : NULL;

		ioasid_store_relaxed(&late_calls, 0);
		join(CreateThread(NULL, 0, looks_late, first, 0, NULL));
		assert_int_equal(ioasid_load_acquire(&late_calls), 4);
		all_gone();
		CHECK(!pthread_create(&thread, NULL, looks_late_pthread,
				      first));
		CHECK(!pthread_join(thread, NULL));
		assert_int_equal(ioasid_load_acquire(&late_calls), 8);
		all_gone();
	}
	CHECK(!pthread_key_delete(key));
	CHECK(FlsFree(slot));
	destroy_domains();
}

/* --- fibres --- */

static void *home;

static void CALLBACK fibre(void *arg)
{
	(void)arg;
	for (;;) {
		read_all();
		SwitchToFiber(home);
	}
}

static DWORD WINAPI fibres(void *arg)
{
	enum { FIBRES = 20 };
	void *fibre_of[FIBRES];

	(void)arg;
	home = ConvertThreadToFiber(NULL);
	CHECK(home);
	for (int i = 0; i < FIBRES; i++) {
		fibre_of[i] = CreateFiber(0, fibre, NULL);
		CHECK(fibre_of[i]);
		SwitchToFiber(fibre_of[i]);
	}
	/* They are one thread, whose end theirs is not. */
	for (int i = 0; i < FIBRES; i++) {
		DeleteFiber(fibre_of[i]);
		for (int j = 0; j < DOMAINS; j++)
			CHECK(threads_of(domain[j]) == 1);
		read_all();
	}
	CHECK(ConvertFiberToThread());
	return 0;
}

static void fibres_of_a_thread(struct fixture *fixture)
{
	(void)fixture;
	create_domains();
	for (int i = 0; i < 20; i++) {
		join(CreateThread(NULL, 0, fibres, NULL, 0, NULL));
		all_gone();
	}
	destroy_domains();
}

static void *traveller;

static DWORD WINAPI carry(void *arg)
{
	(void)arg;
	home = ConvertThreadToFiber(NULL);
	CHECK(home);
	if (!traveller)
		traveller = CreateFiber(0, fibre, NULL);
	CHECK(traveller);
	SwitchToFiber(traveller);
	for (int i = 0; i < DOMAINS; i++)
		CHECK(threads_of(domain[i]) == 1);
	CHECK(ConvertFiberToThread());
	return 0;
}

/* Outside of sections one may go on in another thread, and reads as that. */
static void fibres_change_threads(struct fixture *fixture)
{
	(void)fixture;
	create_domains();
	for (int i = 0; i < 20; i++) {
		join(CreateThread(NULL, 0, carry, NULL, 0, NULL));
		all_gone();
	}
	DeleteFiber(traveller);
	all_gone();
	destroy_domains();
}

/* --- threads that are killed --- */

static HANDLE asleep;

static DWORD WINAPI sleeps(void *arg)
{
	(void)arg;
	read_all();
	CHECK(SetEvent(asleep));
	Sleep(INFINITE);
	return 0;
}

/* It stays a reader, but not in a section, and holds up nobody. */
static void killed_outside_of_sections(struct fixture *fixture)
{
	HANDLE thread;

	(void)fixture;
	create_domains();
	read_all();
	asleep = CreateEventA(NULL, FALSE, FALSE, NULL);
	CHECK(asleep);
	for (size_t i = 1; i <= 10; i++) {
		thread = CreateThread(NULL, 0, sleeps, NULL, 0, NULL);
		CHECK(thread);
		CHECK(WaitForSingleObject(asleep, INFINITE) == WAIT_OBJECT_0);
		CHECK(TerminateThread(thread, 0));
		join(thread);
		assert_int_equal(threads_of(domain[0]), 1 + i);
		assert_int_equal(ioasid_rcu_synchronize(domain[0]), 0);
	}
	CHECK(CloseHandle(asleep));
	for (int i = 0; i < DOMAINS; i++)
		assert_int_equal(ioasid_rcu_destroy(domain[i]), 0);
	test_memory_done(&memory);
}

/* --- modules --- */

static struct {
	HMODULE module;
	int (*begin)(void), (*look_up)(void), (*end)(void);
	size_t (*threads)(void);
} plugin;

static void *find(const char *name)
{
	FARPROC found = GetProcAddress(plugin.module, name);
	void *pointer;

	CHECK(found);
	memcpy(&pointer, &found, sizeof(pointer));
	return pointer;
}

static void load(void)
{
	plugin.module = LoadLibraryA("plugin.dll");
	CHECK(plugin.module);
	plugin.begin = (int (*)(void))(uintptr_t)find("plugin_begin");
	plugin.look_up = (int (*)(void))(uintptr_t)find("plugin_look_up");
	plugin.end = (int (*)(void))(uintptr_t)find("plugin_end");
	plugin.threads = (size_t (*)(void))(uintptr_t)find("plugin_threads");
	CHECK(!plugin.begin());
}

static void unload(void)
{
	CHECK(!plugin.end());
	CHECK(FreeLibrary(plugin.module));
	CHECK(!GetModuleHandleA("plugin.dll"));
}

static void look_up_in_plugin(void *arg)
{
	(void)arg;
	CHECK(!plugin.look_up());
	read_all();
}

static DWORD WINAPI visit(void *arg)
{
	look_up_in_plugin(arg);
	return 0;
}

static DWORD handles(void)
{
	DWORD count;

	CHECK(GetProcessHandleCount(GetCurrentProcess(), &count));
	return count;
}

/* Nothing is used up, and threads that stay find the copy that is there. */
static void modules_come_and_go(struct fixture *fixture)
{
	enum { ROUNDS = 1200, FIRST = 10, STAY = 3 };
	struct actor stays[STAY];
	DWORD before_all = 0;

	(void)fixture;
	create_domains();
	for (int i = 0; i < STAY; i++)
		actor_begin(&stays[i]);
	for (int i = 0; i < ROUNDS; i++) {
		load();
		/* The thread of its own may not be registered yet. */
		CHECK(plugin.threads() <= 1);
		if (i % 4 == 0)
			join(CreateThread(NULL, 0, visit, NULL, 0, NULL));
		CHECK(plugin.threads() <= 1);
		actor_do(&stays[i % STAY], look_up_in_plugin, NULL);
		CHECK(plugin.threads() >= 1);
		look_up_in_plugin(NULL);
		unload();
		if (i == FIRST)
			before_all = handles();
		/* Others end after a copy that they have used. */
		if (i % 10 == 0) {
			actor_end(&stays[i % STAY]);
			actor_begin(&stays[i % STAY]);
		}
	}
	assert_in_range(handles(), 0, before_all + 10);
	for (int i = 0; i < STAY; i++)
		actor_end(&stays[i]);
	for (int i = 0; i < DOMAINS; i++)
		CHECK(!ioasid_rcu_thread_unregister(domain[i]));
	all_gone();
	destroy_domains();
}

/* --- the rest of what the library asks of the system --- */

static void asked_of_the_system(struct fixture *fixture)
{
	enum { NUMBERS = 64 };
	uint64_t number[NUMBERS], before_it, ones = 0, zeros = 0;
	char *pages;

	(void)fixture;
	for (int i = 0; i < NUMBERS; i++) {
		assert_true(ioasid_entropy(&number[i]));
		ones |= number[i];
		zeros |= ~number[i];
		for (int j = 0; j < i; j++)
			assert_true(number[i] != number[j]);
	}
	assert_true(ones == UINT64_MAX && zeros == UINT64_MAX);
	before_it = ioasid_clock();
	Sleep(50);
	assert_in_range(ioasid_clock() - before_it, 40000000, 40000000000);
	/* More than there is memory for at once, as a rule. */
	pages = ioasid_pages_reserve((size_t)1 << 29, false);
	assert_non_null(pages);
	assert_int_equal((uintptr_t)pages % IOASID_CACHE_LINE, 0);
	for (size_t i = 0; i < (size_t)1 << 29; i += (size_t)1 << 24)
		assert_int_equal(pages[i]++, 0);
	assert_int_equal(ioasid_pages_discard(pages, (size_t)1 << 29), 0);
	assert_int_equal(pages[0], 1);
	ioasid_pages_release(pages, (size_t)1 << 29, false);
	assert_null(ioasid_pages_reserve(SIZE_MAX / 2, false));
}

static void *next_of(void *name)
{
	*(const void **)name = ioasid_rcu_place(domain[0]);
	return NULL;
}

/* As far as the struct says, of each thread; and not the same. */
static void variables_of_threads(struct fixture *fixture)
{
	const void *place[8];
	pthread_t thread;

	(void)fixture;
	create_domains();
	for (int i = 0; i < 8; i++) {
		CHECK(!pthread_create(&thread, NULL, next_of,
				      (void *)&place[i]));
		CHECK(!pthread_join(thread, NULL));
		assert_int_equal((uintptr_t)place[i] % IOASID_TLS_ALIGN, 0);
		assert_true(place[i] != ioasid_rcu_place(domain[0]));
	}
	destroy_domains();
}

int main(void)
{
	static const struct test_case cases[] = {
		CASE(asked_of_the_system, NO_RCU | NO_SPACE),
		CASE(variables_of_threads, NO_RCU | NO_SPACE),
		CASE(threads_come_and_go, NO_RCU | NO_SPACE),
		CASE(used_at_the_end, NO_RCU | NO_SPACE),
		CASE(fibres_of_a_thread, NO_RCU | NO_SPACE),
		CASE(fibres_change_threads, NO_RCU | NO_SPACE),
		CASE(killed_outside_of_sections, NO_RCU | NO_SPACE),
		CASE(modules_come_and_go, NO_RCU | NO_SPACE),
	};

	return test_run("windows", cases, ARRAY_SIZE(cases));
}
