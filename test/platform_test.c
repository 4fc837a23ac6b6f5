/* SPDX-License-Identifier: MIT */
/*
 * What the library asks of the system, where the system says no, once or for
 * good, or calls back. The C library's functions stand before a small play of
 * that. Each case runs in a process of its own, as what is asked for once is.
 */
#ifdef __linux__
#define _GNU_SOURCE
#endif
#include "test/fixture.h"

#include <dlfcn.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/mman.h>
#include <sys/syscall.h>
#endif

#include "core/platform/lock.h"
#include "core/rcu/defer.h"

/* Long: only what hangs gets there. */
#define HANG_SECONDS 120

static int run_alone(void (*func)(void))
{
	pid_t child = fork();
	int status;

	if (!child) {
		alarm(HANG_SECONDS);
		func();
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static const int thread_signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL,
				      SIGTRAP, SIGSYS, SIGABRT };

static bool is_of_thread(int number)
{
	for (size_t i = 0; i < ARRAY_SIZE(thread_signals); i++)
		if (thread_signals[i] == number)
			return true;
	return false;
}

static void check_blocked(void)
{
	const int others[] = { SIGINT, SIGTERM, SIGALRM, SIGUSR1, SIGCHLD };
	sigset_t now;

	CHECK(!pthread_sigmask(SIG_SETMASK, NULL, &now));
	for (int number = 1; number < 32; number++)
		CHECK(!is_of_thread(number) || !sigismember(&now, number));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		CHECK(sigismember(&now, others[i]));
}

static void faults_are_not_blocked(void)
{
	struct ioasid_signals before;
	sigset_t mine, now;

	CHECK(!sigemptyset(&mine) && !sigaddset(&mine, SIGUSR2) &&
	      !sigaddset(&mine, SIGTRAP));
	CHECK(!pthread_sigmask(SIG_SETMASK, &mine, NULL));
	ioasid_signals_block(&before);
	/* The program's own choice stands. */
	CHECK(!pthread_sigmask(SIG_SETMASK, NULL, &now));
	CHECK(sigismember(&now, SIGTRAP));
	ioasid_signals_restore(&before);
	CHECK(!pthread_sigmask(SIG_SETMASK, NULL, &now));
	CHECK(sigismember(&now, SIGUSR2) && sigismember(&now, SIGTRAP));
	CHECK(!sigismember(&now, SIGINT) && !sigismember(&now, SIGSEGV));

	CHECK(!pthread_sigmask(SIG_UNBLOCK, &mine, NULL));
	ioasid_signals_block(&before);
	check_blocked();
	ioasid_signals_restore(&before);
}

static ioasid_atomic_u32 worker_ran;

static void worker_func(struct ioasid_worker *worker)
{
	check_blocked();
	ioasid_store_release(&worker_ran, 1);
	while (!ioasid_worker_stopped(worker))
		ioasid_worker_sleep(worker, 0);
}

static void worker_hears_of_faults(void)
{
	struct ioasid_worker worker;

	ioasid_worker_init(&worker, worker_func);
	CHECK(ioasid_worker_wake(&worker));
	while (!ioasid_load_acquire(&worker_ran))
		sched_yield();
	ioasid_worker_stop(&worker);
}

static ioasid_atomic_u32 all_hook_calls;

static void exit_func(void)
{
	ioasid_fetch_add_acq_rel(&all_hook_calls, 1u);
}

static const struct ioasid_exit_hook exit_hook = { exit_func };

static void *use_once(void *arg)
{
	(void)arg;
	CHECK(ioasid_at_thread_exit(&exit_hook));
	CHECK(ioasid_at_thread_exit(&exit_hook));
	return NULL;
}

static void run_thread(void *(*func)(void *))
{
	pthread_t thread;

	CHECK(!pthread_create(&thread, NULL, func, NULL));
	CHECK(!pthread_join(thread, NULL));
}

static void hook_runs_at_exit(void)
{
	run_thread(use_once);
	CHECK(ioasid_load_relaxed(&all_hook_calls) == 1);
	run_thread(use_once);
	CHECK(ioasid_load_relaxed(&all_hook_calls) == 2);
}

#if !TEST_SANITIZED
static pthread_key_t late_key;

/* The library's first use is in the last round of a thread's destructors. */
static void late(void *value)
{
	const char *round = value;

	if (!round[1])
		CHECK(ioasid_at_thread_exit(&exit_hook));
	else
		CHECK(!pthread_setspecific(late_key, round + 1));
}

static void *use_late(void *arg)
{
	static char rounds[PTHREAD_DESTRUCTOR_ITERATIONS + 1];

	(void)arg;
	memset(rounds, 1, PTHREAD_DESTRUCTOR_ITERATIONS);
	CHECK(!pthread_setspecific(late_key, rounds));
	return NULL;
}

static void hook_runs_in_last_round(void)
{
	run_thread(use_once);
	/* Of a program with several. */
	for (unsigned int i = 0; i < 8; i++)
		CHECK(!pthread_key_create(&late_key, late));
	run_thread(use_late);
	CHECK(ioasid_load_relaxed(&all_hook_calls) == 2);
}
#endif

static void keys_are_given_back(void)
{
	pthread_key_t key[PTHREAD_KEYS_MAX];
	unsigned int count = 0;

	run_thread(use_once);
	while (count < PTHREAD_KEYS_MAX &&
	       !pthread_key_create(&key[count], NULL))
		count++;
	/* Some are the C library's, or a sanitizer's. */
	CHECK(count > PTHREAD_KEYS_MAX - 20);
}

static void key_is_had_where_few_are_left(void)
{
	pthread_key_t key[PTHREAD_KEYS_MAX];
	unsigned int count = 0;

	while (count < PTHREAD_KEYS_MAX &&
	       !pthread_key_create(&key[count], NULL))
		count++;
	CHECK(!ioasid_at_thread_exit(&exit_hook));
	CHECK(!pthread_key_delete(key[count - 1]));
	run_thread(use_once);
	CHECK(ioasid_load_relaxed(&all_hook_calls) == 1);
}

/*
 * Functions of the C library that fail when asked to; the sanitizers have
 * their own in that place.
 */
#if defined(__GLIBC__) && !TEST_SANITIZED
static struct {
	unsigned int atfork, keys, queries, barriers;
	/* registrations are refused; how many were made, and barriers asked */
	bool no_registration, lost, twice;
	/* the kernel has no expedited barriers */
	bool old;
	unsigned int registered, membarriers;
	/* waits for some time */
	ioasid_atomic_u32 timed;
	/* a filter's answer to a call, and how many were asked */
	bool no_futex, no_random;
	ioasid_atomic_u32 futexes;
	bool interrupted;
	unsigned int devices, offers;
	/* what is opened in the place of a device, "" for nothing */
	const char *device;
	/* pages that were to be dropped stay, with or without an error */
	bool no_discard, keeps;
	unsigned int maps;
	/* calls back, from pthread_setspecific() and pthread_key_create() */
	void (*inside)(void), (*inside_key)(void);
	unsigned int values, callocs, mallocs, exits, threads;
	/* the handler before fork() is not called, as with musl in another */
	bool no_prepare;
} play;

static bool fails(unsigned int *times)
{
	if (!*times)
		return false;
	--*times;
	return true;
}

static void (*next_of(const char *name))(void)
{
	void *found = dlsym(RTLD_NEXT, name);
	void (*func)(void);

	CHECK(found && sizeof(func) == sizeof(found));
	memcpy(&func, &found, sizeof(func));
	return func;
}

int __register_atfork(void (*prepare)(void), void (*parent)(void),
		      void (*child)(void), void *dso);

int pthread_atfork(void (*prepare)(void), void (*parent)(void),
		   void (*child)(void))
{
	if (fails(&play.atfork))
		return ENOMEM;
	if (play.twice)
		CHECK(!__register_atfork(prepare, parent, child, NULL));
	return __register_atfork(play.no_prepare ? NULL : prepare, parent,
				 child, NULL);
}

int __cxa_atexit(void (*func)(void *), void *arg, void *dso);

/* What atexit() comes to. */
int __cxa_atexit(void (*func)(void *), void *arg, void *dso)
{
	int (*next)(void (*)(void *), void *, void *) = (int (*)(
		void (*)(void *), void *, void *))next_of("__cxa_atexit");

	return fails(&play.exits) ? -1 : next(func, arg, dso);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
		   void *(*func)(void *), void *arg)
{
	int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *),
		    void *) =
		(int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *),
			 void *))next_of("pthread_create");

	return fails(&play.threads) ? EAGAIN :
				      next(thread, attributes, func, arg);
}

int pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
	int (*next)(pthread_key_t *, void (*)(void *)) =
		(int (*)(pthread_key_t *, void (*)(void *)))next_of(
			"pthread_key_create");
	void (*inside)(void) = play.inside_key;

	play.inside_key = NULL;
	if (inside)
		inside();
	return fails(&play.keys) ? EAGAIN : next(key, destructor);
}

int pthread_setspecific(pthread_key_t key, const void *value)
{
	int (*next)(pthread_key_t, const void *) = (int (*)(
		pthread_key_t, const void *))next_of("pthread_setspecific");
	void (*inside)(void) = play.inside;

	play.inside = NULL;
	if (inside)
		inside();
	return fails(&play.values) ? ENOMEM : next(key, value);
}

void *__libc_malloc(size_t size);

void *malloc(size_t size)
{
	return fails(&play.mallocs) ? NULL : __libc_malloc(size);
}

void *__libc_calloc(size_t count, size_t size);

void *calloc(size_t count, size_t size)
{
	play.callocs++;
	return __libc_calloc(count, size);
}

#ifdef SYS_membarrier
#define FUTEX_WAIT 0
#define QUERY 0
#define GLOBAL (1 << 0)
#define EXPEDITED (1 << 3)
#define REGISTER (1 << 4)

static long play_membarrier(int command)
{
	__atomic_fetch_add(&play.membarriers, 1, __ATOMIC_RELAXED);
	switch (command) {
	case QUERY:
		if (!fails(&play.queries))
			return play.old ? GLOBAL :
					  GLOBAL | EXPEDITED | REGISTER;
		errno = ENOSYS;
		return -1;
	case REGISTER:
		if (!play.no_registration) {
			play.registered++;
			play.lost = false;
			return 0;
		}
		errno = EPERM;
		return -1;
	default:
		CHECK(command == EXPEDITED);
		if (!play.lost && !fails(&play.barriers)) {
			ioasid_fence_seq_cst();
			return 0;
		}
		errno = EPERM;
		return -1;
	}
}

/* As the kernel reads it, whatever the C library's struct timespec is. */
static void check_time(long number, const void *time)
{
	const long *narrow = time;
	const int64_t *wide = time;

	(void)wide;
#ifdef SYS_futex_time64
	if (number == SYS_futex_time64) {
		CHECK(wide[0] == 0 && wide[1] == 1000000);
		return;
	}
#endif
	CHECK(number == SYS_futex);
	CHECK(narrow[0] == 0 && narrow[1] == 1000000);
}

static bool is_futex(long number)
{
#ifdef SYS_futex_time64
	if (number == SYS_futex_time64)
		return true;
#endif
	return number == SYS_futex;
}

long syscall(long number, ...)
{
	long (*next)(long, ...) = (long (*)(long, ...))next_of("syscall");
	va_list list;
	long arg[6];

	va_start(list, number);
	for (unsigned int i = 0; i < 6; i++)
		arg[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_membarrier)
		return play_membarrier((int)arg[0]);
	if (is_futex(number))
		ioasid_fetch_add_acq_rel(&play.futexes, 1u);
	if ((is_futex(number) && play.no_futex) ||
	    (number == SYS_getrandom && play.no_random)) {
		errno = EPERM;
		return -1;
	}
	if (is_futex(number) && play.interrupted) {
		errno = EINTR;
		return -1;
	}
	if (is_futex(number) && (arg[1] & 127) == FUTEX_WAIT && arg[3]) {
		check_time(number, (const void *)arg[3]);
		ioasid_fetch_add_acq_rel(&play.timed, 1u);
	}
	return next(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
}

static void barrier_is_tried_again(void)
{
	play.queries = 1;
	CHECK(!ioasid_membarrier_enable());
	CHECK(!play.registered);
	CHECK(ioasid_membarrier_enable());
	CHECK(play.registered == 1 && ioasid_membarrier());
}

static void registration_is_tried_again(void)
{
	play.no_registration = true;
	CHECK(!ioasid_membarrier_enable());
	play.no_registration = false;
	CHECK(ioasid_membarrier_enable());
}

/* Of Linux 4.3 to 4.13. */
static void old_kernel_has_no_barrier(void)
{
	play.old = true;
	CHECK(!ioasid_membarrier_enable());
	CHECK(!play.registered);
}

static void registered_barrier_may_fail(void)
{
	play.barriers = 2;
	CHECK(!ioasid_membarrier_enable());
	CHECK(play.registered == 2);
	CHECK(ioasid_membarrier_enable());
	CHECK(ioasid_membarrier());
}

static void lost_registration_is_made_again(void)
{
	CHECK(ioasid_membarrier_enable());
	play.lost = true;
	CHECK(ioasid_membarrier());
	CHECK(play.registered == 2);
	CHECK(ioasid_membarrier());
	CHECK(play.registered == 2);
}

static void forbidden_for_good_is_said(void)
{
	CHECK(ioasid_membarrier_enable());
	play.lost = play.no_registration = true;
	CHECK(!ioasid_membarrier());
	CHECK(!ioasid_membarrier());
}

static struct ioasid_lock lock = IOASID_LOCK_INIT;
static void *contend(void *arg)
{
	(void)arg;
	for (unsigned int i = 0; i < 20000; i++) {
		ioasid_lock(&lock);
		if (i % 500 == 0)
			sched_yield();
		ioasid_unlock(&lock);
	}
	return NULL;
}

/* Held until that is not 0, so that there is at least one waiter. */
static void contend_for_lock(const ioasid_atomic_u32 *word)
{
	pthread_t thread[3];

	ioasid_lock(&lock);
	for (unsigned int i = 0; i < ARRAY_SIZE(thread); i++)
		CHECK(!pthread_create(&thread[i], NULL, contend, NULL));
	while (!ioasid_load_relaxed(word))
		sched_yield();
	ioasid_unlock(&lock);
	for (unsigned int i = 0; i < ARRAY_SIZE(thread); i++)
		CHECK(!pthread_join(thread[i], NULL));
}

static void never_used_before_enabled(void)
{
	contend_for_lock(&lock.waiters);
	CHECK(!play.membarriers);
	CHECK(ioasid_membarrier_enable());
	play.membarriers = 0;
	contend_for_lock(&lock.waiters);
	CHECK(play.membarriers);
}

static void create_domain(const struct ioasid_rcu_config *config)
{
	struct ioasid_rcu *rcu;

	CHECK(!ioasid_rcu_create(config, &rcu));
	CHECK(!ioasid_rcu_synchronize(rcu));
	contend_for_lock(&lock.waiters);
	CHECK(!ioasid_rcu_destroy(rcu));
}

static void domains_may_opt_out(void)
{
	struct ioasid_rcu_config config = { .no_membarrier = true };

	create_domain(&config);
	config.flavour = IOASID_RCU_QSBR;
	create_domain(&config);
	config.flavour = IOASID_RCU_NONE;
	config.no_membarrier = false;
	create_domain(&config);
	CHECK(!play.membarriers);
	create_domain(NULL);
	CHECK(play.membarriers);
	/* With others it is used for their sake, by locks too. */
	play.membarriers = 0;
	config.flavour = IOASID_RCU_EPOCH;
	config.no_membarrier = true;
	create_domain(&config);
	CHECK(play.membarriers);
}

static void waiters_look_by_themselves(void)
{
	CHECK(ioasid_membarrier_enable());
	play.lost = play.no_registration = true;
	contend_for_lock(&play.timed);
}

/* Of two calls where there are two; it must not be asked without a pause. */
static void waiters_sleep_without_futex(void)
{
	enum { MANY = 10000 };
	pthread_t thread;

	play.no_futex = true;
	contend_for_lock(&play.futexes);
	ioasid_store_relaxed(&play.futexes, 0);
	ioasid_lock(&lock);
	CHECK(!pthread_create(&thread, NULL, contend, NULL));
	test_sleep(0.3);
	CHECK(ioasid_load_relaxed(&play.futexes));
	CHECK(ioasid_load_relaxed(&play.futexes) < MANY);
	ioasid_unlock(&lock);
	CHECK(!pthread_join(thread, NULL));
}

/* True: there is no need to pause before it is looked again. */
static void waits_end(void)
{
	static ioasid_atomic_u32 word;

	CHECK(ioasid_futex_wait(&word, 1, 0));
	CHECK(ioasid_futex_wait(&word, 0, 1000000));
	CHECK(ioasid_load_relaxed(&play.timed));
	play.interrupted = true;
	CHECK(ioasid_futex_wait(&word, 0, 0));
	play.no_futex = true;
	CHECK(!ioasid_futex_wait(&word, 0, 0));
}

int open(const char *path, int flags, ...);

int open(const char *path, int flags, ...)
{
	int (*next)(const char *, int, ...) =
		(int (*)(const char *, int, ...))next_of("open");

	if (!strcmp(path, "/dev/urandom")) {
		play.devices++;
		path = play.device ? play.device : path;
	}
	return next(path, flags, 0600);
}

static void random_without_its_call(void)
{
	CHECK(ioasid_random(NULL) != ioasid_random(NULL));
	CHECK(!play.devices);
	play.no_random = true;
	CHECK(ioasid_random(NULL) != ioasid_random(NULL));
	CHECK(play.devices == 2);
}

static void check_random_without_device(const char *device)
{
	play.no_random = true;
	play.device = device;
	CHECK(ioasid_random(&play) != ioasid_random(&play.device));
	CHECK(play.devices == 2);
}

static void random_without_device(void)
{
	check_random_without_device("");
}

static void random_of_empty_device(void)
{
	check_random_without_device("/dev/null");
}

int madvise(void *start, size_t size, int advice)
{
	int (*next)(void *, size_t, int) =
		(int (*)(void *, size_t, int))next_of("madvise");

	if (advice == MADV_HUGEPAGE) {
		CHECK(!((uintptr_t)start % ((size_t)2 << 20)));
		play.offers++;
	} else if (advice == MADV_DONTNEED && play.no_discard) {
		errno = EINVAL;
		return -1;
	} else if (advice == MADV_DONTNEED && play.keeps) {
		return 0;
	}
	return next(start, size, advice);
}

void *mmap(void *start, size_t size, int protection, int flags, int file,
	   off_t offset)
{
	void *(*next)(void *, size_t, int, int, int, off_t) =
		(void *(*)(void *, size_t, int, int, int, off_t))next_of(
			"mmap");

	if (fails(&play.maps)) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return next(start, size, protection, flags, file, offset);
}

static void pages_may_be_refused(void)
{
	CHECK(!ioasid_pages_reserve(SIZE_MAX, false));
	CHECK(!ioasid_pages_reserve(SIZE_MAX, true));
	play.maps = 1;
	CHECK(!ioasid_pages_reserve(1, false));
}

/* How much of them was dropped, which is read as zeroes. */
static size_t discarded(void)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE), size = 4 * page;
	unsigned char *pages = ioasid_pages_reserve(size, false);
	size_t dropped, i;

	CHECK(pages);
	memset(pages, 1, size);
	/* From within the first page to within the last. */
	dropped = ioasid_pages_discard(pages + 1, size - 2);
	for (i = 0; i < size; i++)
		CHECK(pages[i] == (i < page || i >= page + dropped));
	CHECK(!ioasid_pages_discard(pages + 1, page));
	ioasid_pages_release(pages, size, false);
	return dropped;
}

static void pages_are_dropped(void)
{
	CHECK(discarded() == 2 * (size_t)sysconf(_SC_PAGESIZE));
	play.no_discard = true;
	CHECK(!discarded());
	play.no_discard = false;
	CHECK(discarded());
}

/* That is asked for once. */
static void pages_stay_without_the_call(void)
{
	play.no_discard = true;
	CHECK(!discarded());
	play.no_discard = false;
	CHECK(!discarded());
}

/* As where Linux is emulated. */
static void pages_stay_where_it_is_advice(void)
{
	play.keeps = true;
	CHECK(!discarded());
	play.keeps = false;
	CHECK(!discarded());
}

static void drop_is_tried_again(void)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *pages = ioasid_pages_reserve(page, false);

	play.maps = 1;
	CHECK(!ioasid_pages_discard(pages, page));
	CHECK(!play.maps);
	CHECK(ioasid_pages_discard(pages, page) == page);
	ioasid_pages_release(pages, page, false);
}

static long resident(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	long pages;

	CHECK(file && fscanf(file, "%*d %ld", &pages) == 1);
	fclose(file);
	return pages * sysconf(_SC_PAGESIZE);
}

/* Are all large mappings made of them, whatever the library says? */
static bool huge_always(void)
{
	FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
	char text[64] = "";

	if (!file)
		return false;
	CHECK(fgets(text, sizeof(text), file));
	fclose(file);
	return strstr(text, "[always]") != NULL;
}

static struct ioasid_space *one_id_of_20_bits(bool huge)
{
	const struct ioasid_space_config config = {
		.max = 0xfffff,
		.store = IOASID_STORE_BITMAP,
		.memory.huge_pages = huge,
	};
	struct ioasid_space *space;
	ioasid_t id;

	CHECK(!ioasid_space_create(&config, &space));
	CHECK(!ioasid_space_alloc(space, NULL, 0, 0xfffff, NULL, &id));
	return space;
}

/* Many, as the kernel's figure is a rough one. */
static void huge_pages_by_choice(void)
{
	enum { SPACES = 16, MOST = 256 << 10 };
	struct ioasid_space *space[SPACES];
	long before = resident();

	for (unsigned int i = 0; i < SPACES; i++)
		space[i] = one_id_of_20_bits(false);
	CHECK(!play.offers);
	CHECK(huge_always() || resident() - before < (long)SPACES * MOST);
	for (unsigned int i = 0; i < SPACES; i++)
		CHECK(!ioasid_space_destroy(space[i]));
	space[0] = one_id_of_20_bits(true);
	CHECK(play.offers);
	CHECK(!ioasid_space_destroy(space[0]));
}
#endif

static const struct ioasid_fork_hook no_hook;

static void atfork_is_tried_again(void)
{
	play.atfork = 2;
	CHECK(!ioasid_at_fork(IOASID_FORK_RCU, &no_hook));
	CHECK(!ioasid_at_fork(IOASID_FORK_SPACE, &no_hook));
	CHECK(ioasid_at_fork(IOASID_FORK_RCU, &no_hook));
	play.atfork = 1;
	CHECK(ioasid_at_fork(IOASID_FORK_SPACE, &no_hook));
}

static void atexit_is_tried_again(void)
{
	play.exits = 1;
	/* What cannot be unloaded does not ask to hear of the exit. */
	CHECK(ioasid_at_fork(IOASID_FORK_RCU, &no_hook) == (play.exits == 1));
	play.exits = 0;
	CHECK(ioasid_at_fork(IOASID_FORK_RCU, &no_hook));
}

static void domains_need_their_handlers(void)
{
	struct ioasid_space *space;
	struct ioasid_rcu *rcu;

	play.atfork = 1;
	CHECK(ioasid_rcu_create(NULL, &rcu) == -ENOMEM);
	CHECK(!play.atfork);
	play.atfork = 1;
	CHECK(ioasid_space_create(NULL, &space) == -ENOMEM);
	CHECK(!ioasid_rcu_create(NULL, &rcu));
	CHECK(!ioasid_space_create(NULL, &space));
	CHECK(!ioasid_space_destroy(space));
	CHECK(!ioasid_rcu_destroy(rcu));
}

static void *fail_and_use(void *arg)
{
	play.keys = 1;
	CHECK(!ioasid_at_thread_exit(&exit_hook));
	return use_once(arg);
}

static void key_is_tried_again(void)
{
	run_thread(fail_and_use);
	CHECK(ioasid_load_relaxed(&all_hook_calls) == 1);
}

static void *fail_to_set_and_use(void *arg)
{
	play.values = 1;
	CHECK(!ioasid_at_thread_exit(&exit_hook));
	return use_once(arg);
}

static void value_is_tried_again(void)
{
	run_thread(fail_to_set_and_use);
	CHECK(ioasid_load_relaxed(&all_hook_calls) == 1);
}

static void other_is_first(void)
{
	run_thread(use_once);
}

/* While this thread makes the key, another one has made it. */
static void two_make_the_key(void)
{
	play.inside_key = other_is_first;
	keys_are_given_back();
	CHECK(ioasid_load_relaxed(&all_hook_calls) == 2);
}

static void *use_without_memory(void *arg)
{
	unsigned int before = play.callocs;

	use_once(arg);
	CHECK(play.callocs == before);
	return NULL;
}

/* It may be in a signal handler, which has interrupted malloc(). */
static void first_use_takes_no_memory(void)
{
	run_thread(use_without_memory);
}

static unsigned int depth;

/* As where malloc() is somebody's who looks IDs up. */
static void enter_again(void)
{
	depth++;
	CHECK(!ioasid_at_thread_exit(&exit_hook));
}

static void *use_inside(void *arg)
{
	play.inside = enter_again;
	return use_once(arg);
}

static void first_use_enters_again(void)
{
	run_thread(use_inside);
	CHECK(depth == 1);
	CHECK(ioasid_load_relaxed(&all_hook_calls) == 1);
}

static struct ioasid_lock forked = IOASID_LOCK_INIT;

static void forked_prepare(void)
{
	ioasid_lock_fork_prepare(&forked);
}

static void forked_parent(void)
{
	ioasid_lock_fork_parent(&forked);
}

static void forked_child(void)
{
	ioasid_lock_fork_child(&forked);
}

static const struct ioasid_fork_hook forked_hook = {
	.prepare = forked_prepare,
	.parent = forked_parent,
	.child = forked_child,
};

/* Two threads come first at once. */
static void handlers_registered_twice(void)
{
	pid_t child;
	int status;

	play.twice = true;
	CHECK(ioasid_at_fork(IOASID_FORK_RCU, &forked_hook));
	for (unsigned int i = 0; i < 2; i++) {
		child = fork();
		CHECK(!ioasid_forking());
		CHECK(ioasid_lock_try(&forked));
		ioasid_unlock(&forked);
		if (!child)
			_exit(0);
		CHECK(waitpid(child, &status, 0) == child && !status);
	}
}

/* Registered by a handler of the same fork(). */
static void handlers_without_the_first(void)
{
	pid_t child;
	int status;

	play.no_prepare = true;
	CHECK(ioasid_at_fork(IOASID_FORK_RCU, &forked_hook));
	ioasid_lock(&forked);
	child = fork();
	CHECK(!ioasid_forking());
	/* Nobody has taken it for the fork, nor given it back. */
	CHECK(!ioasid_lock_try(&forked));
	if (!child)
		_exit(0);
	CHECK(waitpid(child, &status, 0) == child && !status);
}

enum { MANY = 200, FEW = 10 };

/* What is called of the layers, in turn. */
static char turns[16];

static void note_turn(char turn)
{
	size_t length = strlen(turns);

	CHECK(length + 1 < sizeof(turns));
	turns[length] = turn;
}

#define TURN(name, turn)         \
	static void name(void)   \
	{                        \
		note_turn(turn); \
	}

TURN(rcu_prepare, 'r')
TURN(rcu_after, 'R')
TURN(space_prepare, 's')
TURN(space_after, 'S')
TURN(default_prepare, 'd')
TURN(default_after, 'D')

static const struct ioasid_fork_hook turn_hooks[] = {
	[IOASID_FORK_RCU] = { rcu_prepare, rcu_after, rcu_after, NULL },
	[IOASID_FORK_SPACE] = { space_prepare, space_after, space_after, NULL },
	[IOASID_FORK_DEFAULT] = { default_prepare, default_after, default_after,
				  NULL },
};

/* In the order of locks: a thread may have one and wait for one below. */
static void layers_in_order(void)
{
	pid_t child;
	int status;

	CHECK(ARRAY_SIZE(turn_hooks) == IOASID_FORK_LAYERS);
	for (int i = 0; i < IOASID_FORK_LAYERS; i++)
		CHECK(ioasid_at_fork((enum ioasid_fork_layer)i,
				     &turn_hooks[i]));
	child = fork();
	CHECK(child >= 0);
	CHECK(!strcmp(turns, "dsrRSD"));
	if (!child)
		_exit(0);
	CHECK(waitpid(child, &status, 0) == child && !status);
}

static ioasid_atomic_u32 has_forked, forks_wait;

static void waiting_prepare(void)
{
	ioasid_store_release(&forks_wait, 1);
	forked_prepare();
}

static void *come_meanwhile(void *arg)
{
	(void)arg;
	ioasid_lock(&forked);
	ioasid_store_release(&has_forked, 1);
	while (!ioasid_load_acquire(&forks_wait))
		sched_yield();
	CHECK(ioasid_at_fork(IOASID_FORK_DEFAULT,
			     &turn_hooks[IOASID_FORK_DEFAULT]));
	ioasid_unlock(&forked);
	return NULL;
}

/* A layer comes whose turn is over, while fork() waits for one below. */
static void layer_comes_meanwhile(void)
{
	static const struct ioasid_fork_hook waiting = { waiting_prepare,
							 forked_parent,
							 forked_child, NULL };
	pthread_t thread;
	pid_t child;
	int status;

	CHECK(ioasid_at_fork(IOASID_FORK_SPACE, &waiting));
	CHECK(!pthread_create(&thread, NULL, come_meanwhile, NULL));
	while (!ioasid_load_acquire(&has_forked))
		sched_yield();
	child = fork();
	CHECK(child >= 0);
	CHECK(!strcmp(turns, "dD"));
	CHECK(ioasid_lock_try(&forked));
	if (!child)
		_exit(0);
	ioasid_unlock(&forked);
	CHECK(!pthread_join(thread, NULL));
	CHECK(waitpid(child, &status, 0) == child && !status);
}

/* A thread that cannot be told of its end. */
static void *read_unhooked(void *rcu)
{
	play.values = UINT_MAX;
	ioasid_rcu_read_lock(rcu);
	ioasid_rcu_read_unlock(rcu);
	CHECK(!ioasid_rcu_read_held(rcu));
	return NULL;
}

static void *end_unhooked(void *rcu)
{
	play.values = UINT_MAX;
	ioasid_rcu_read_lock(rcu);
	CHECK(ioasid_rcu_read_held(rcu));
	return NULL;
}

/* Only one that ends within a section is missed. */
static void sections_without_exit_hook(void)
{
	struct ioasid_domain_stats stats;
	struct ioasid_rcu *rcu;
	pthread_t thread;
	uint64_t cookie;

	CHECK(!ioasid_rcu_create(NULL, &rcu));
	CHECK(!pthread_create(&thread, NULL, read_unhooked, rcu));
	CHECK(!pthread_join(thread, NULL));
	CHECK(!ioasid_rcu_synchronize(rcu));
	CHECK(!pthread_create(&thread, NULL, end_unhooked, rcu));
	CHECK(!pthread_join(thread, NULL));
	ioasid_rcu_stats(rcu, &stats);
	CHECK(!stats.threads);
	cookie = ioasid_rcu_start_poll(rcu);
	for (unsigned int i = 0; i < MANY; i++)
		CHECK(!ioasid_rcu_poll(rcu, cookie));
}

static ioasid_atomic_u32 rounds;

static void sleep_long(struct ioasid_worker *worker)
{
	while (!ioasid_worker_stopped(worker)) {
		ioasid_worker_sleep(worker, UINT64_C(1000000000) * 1000);
		ioasid_fetch_add_acq_rel(&rounds, 1u);
	}
}

static void await_round(uint32_t round)
{
	while (ioasid_load_acquire(&rounds) != round)
		sched_yield();
}

static void worker_is_woken(void)
{
	struct ioasid_worker worker;

	ioasid_worker_init(&worker, sleep_long);
	CHECK(ioasid_worker_wake(&worker));
	await_round(1);
	for (uint32_t round = 2; round < 5; round++) {
		test_sleep(0.05);
		CHECK(ioasid_load_relaxed(&rounds) == round - 1);
		CHECK(ioasid_worker_wake(&worker));
		await_round(round);
	}
	ioasid_worker_stop(&worker);
}

static ioasid_atomic_u32 called;

static void on_call(struct ioasid_rcu_head *head)
{
	(void)head;
	ioasid_fetch_add_acq_rel(&called, 1u);
}

static struct ioasid_rcu_head many[MANY];

/* All keys are taken: its thread cannot be told of its end. */
static void reclaimer_without_key(void)
{
	const struct ioasid_rcu_config config = { .flavour = IOASID_RCU_EPOCH,
						  .reclaimer = true };
	struct ioasid_rcu *rcu;
	pthread_key_t key;

	while (!pthread_key_create(&key, NULL))
		;
	CHECK(!ioasid_rcu_create(&config, &rcu));
	CHECK(ioasid_rcu_thread_register(rcu));
	for (unsigned int i = 0; i < FEW; i++)
		CHECK(!ioasid_rcu_defer(rcu, &many[i], on_call));
	while (ioasid_load_acquire(&called) != FEW)
		sched_yield();
	CHECK(!ioasid_rcu_destroy(rcu));
}

/* Whoever defers does its work, then. */
static void reclaimer_without_thread(void)
{
	const struct ioasid_rcu_config config = { .flavour = IOASID_RCU_EPOCH,
						  .reclaimer = true,
						  .pending_limit = FEW };
	struct ioasid_rcu *rcu;

	CHECK(!ioasid_rcu_create(&config, &rcu));
	play.threads = UINT_MAX;
	for (unsigned int i = 0; i < MANY / 2; i++) {
		CHECK(!ioasid_rcu_defer(rcu, &many[i], on_call));
		CHECK(ioasid_rcu_pending(rcu) <= FEW);
		CHECK(ioasid_load_relaxed(&called) + FEW > i);
	}
	CHECK(!ioasid_rcu_barrier(rcu));
	CHECK(ioasid_load_relaxed(&called) == MANY / 2);
	/* So that the last is worth a look. */
	ioasid_rcu_retire(rcu, &many[MANY / 2], on_call, (size_t)1 << 20);
	ioasid_rcu_reclaim(rcu);
	CHECK(ioasid_load_relaxed(&called) == MANY / 2 + 1);
	play.threads = 0;
	CHECK(!ioasid_rcu_defer(rcu, &many[MANY / 2 + 1], on_call));
	while (ioasid_load_acquire(&called) != MANY / 2 + 2)
		sched_yield();
	CHECK(!ioasid_rcu_destroy(rcu));
}

/* Nothing is due while membarrier() is refused, which is said at the limit. */
static void limit_without_barrier(void)
{
	const struct ioasid_rcu_config config = { .flavour = IOASID_RCU_EPOCH,
						  .reclaimer = true,
						  .pending_limit = 1 };
	struct ioasid_rcu *rcu;

	CHECK(!ioasid_rcu_create(&config, &rcu));
	play.lost = play.no_registration = true;
	CHECK(!ioasid_rcu_defer(rcu, &many[0], on_call));
	CHECK(ioasid_rcu_defer(rcu, &many[1], on_call) == -EAGAIN);
	CHECK(!ioasid_load_acquire(&called));
	play.lost = play.no_registration = false;
	CHECK(!ioasid_rcu_defer(rcu, &many[1], on_call));
	while (ioasid_load_acquire(&called) != 2)
		sched_yield();
	CHECK(!ioasid_rcu_destroy(rcu));
}

enum { DOMAINS = IOASID_RCU_READERS + 1 };

/* A thread's own records are few; more are in a table, which is memory. */
static void *register_without_memory(void *arg)
{
	struct ioasid_rcu **rcu = arg;
	unsigned int i;

	for (i = 0; i < DOMAINS - 1; i++)
		CHECK(!ioasid_rcu_thread_register(rcu[i]));
	play.mallocs = 1;
	CHECK(ioasid_rcu_thread_register(rcu[i]) == -ENOMEM);
	CHECK(!play.mallocs);
	play.mallocs = 1;
	ioasid_rcu_read_lock(rcu[i]);
	CHECK(!play.mallocs);
	CHECK(ioasid_rcu_read_held(rcu[i]));
	CHECK(!ioasid_rcu_poll(rcu[i], ioasid_rcu_start_poll(rcu[i])));
	ioasid_rcu_read_unlock(rcu[i]);
	CHECK(!ioasid_rcu_thread_register(rcu[i]));
	return NULL;
}

static void thread_without_memory(void)
{
	struct ioasid_rcu *rcu[DOMAINS];
	pthread_t thread;

	for (unsigned int i = 0; i < DOMAINS; i++)
		CHECK(!ioasid_rcu_create(NULL, &rcu[i]));
	CHECK(!pthread_create(&thread, NULL, register_without_memory, rcu));
	CHECK(!pthread_join(thread, NULL));
	for (unsigned int i = 0; i < DOMAINS; i++)
		CHECK(!ioasid_rcu_destroy(rcu[i]));
}
#endif

/* Used where there is no futex. */
static void mutex_is_tried(void)
{
	struct ioasid_mutex mutex;

	ioasid_mutex_init(&mutex);
	CHECK(ioasid_mutex_try(&mutex));
	CHECK(!ioasid_mutex_try(&mutex));
	ioasid_mutex_unlock(&mutex);
	CHECK(ioasid_mutex_try(&mutex));
	ioasid_mutex_unlock(&mutex);
	ioasid_mutex_destroy(&mutex);
}

#ifdef IOASID_HAS_CANCEL
static unsigned int cancels_met;
static bool created;

/* A function of the user's in which a thread can be cancelled. */
static void *alloc_with_cancel(void *context, size_t size)
{
	(void)context;
	cancels_met++;
	pthread_testcancel();
	return malloc(size);
}

static void free_with_cancel(void *context, void *block, size_t size)
{
	(void)context;
	(void)size;
	cancels_met++;
	pthread_testcancel();
	free(block);
}

static void *create_cancelled(void *arg)
{
	const struct ioasid_rcu_config config = {
		.memory = { .alloc = alloc_with_cancel,
			    .free = free_with_cancel },
	};
	struct ioasid_rcu *rcu;

	(void)arg;
	CHECK(!pthread_cancel(pthread_self()));
	CHECK(!ioasid_rcu_create(&config, &rcu));
	CHECK(!ioasid_rcu_destroy(rcu));
	created = true;
	pthread_testcancel();
	return NULL;
}

/* Hooks for memory are not left half-way, whatever they call. */
static void memory_hooks_are_not_cancelled(void)
{
	pthread_t thread;
	void *returned;

	CHECK(!pthread_create(&thread, NULL, create_cancelled, NULL));
	CHECK(!pthread_join(thread, &returned));
	CHECK(created && cancels_met >= 2);
	CHECK(returned == PTHREAD_CANCELED);
}
#endif

#define ALONE(func)                                   \
	static void test_##func(void **state)         \
	{                                             \
		(void)state;                          \
		assert_int_equal(run_alone(func), 0); \
	}
#define TEST(func) { #func, test_##func, NULL, NULL, NULL }

ALONE(faults_are_not_blocked)
ALONE(worker_hears_of_faults)
ALONE(hook_runs_at_exit)
#if !TEST_SANITIZED
ALONE(hook_runs_in_last_round)
#endif
ALONE(keys_are_given_back)
ALONE(key_is_had_where_few_are_left)
ALONE(mutex_is_tried)
#ifdef IOASID_HAS_CANCEL
ALONE(memory_hooks_are_not_cancelled)
#endif
#if defined(__GLIBC__) && !TEST_SANITIZED
ALONE(atfork_is_tried_again)
ALONE(key_is_tried_again)
ALONE(first_use_enters_again)
ALONE(first_use_takes_no_memory)
ALONE(handlers_registered_twice)
ALONE(atexit_is_tried_again)
ALONE(domains_need_their_handlers)
ALONE(value_is_tried_again)
ALONE(two_make_the_key)
ALONE(handlers_without_the_first)
ALONE(layers_in_order)
ALONE(layer_comes_meanwhile)
ALONE(sections_without_exit_hook)
ALONE(worker_is_woken)
ALONE(reclaimer_without_key)
ALONE(reclaimer_without_thread)
ALONE(thread_without_memory)
#ifdef SYS_membarrier
ALONE(barrier_is_tried_again)
ALONE(registration_is_tried_again)
ALONE(lost_registration_is_made_again)
ALONE(forbidden_for_good_is_said)
ALONE(never_used_before_enabled)
ALONE(domains_may_opt_out)
ALONE(waiters_look_by_themselves)
ALONE(huge_pages_by_choice)
ALONE(random_without_its_call)
ALONE(waiters_sleep_without_futex)
ALONE(old_kernel_has_no_barrier)
ALONE(registered_barrier_may_fail)
ALONE(waits_end)
ALONE(limit_without_barrier)
ALONE(random_without_device)
ALONE(random_of_empty_device)
ALONE(pages_may_be_refused)
ALONE(pages_are_dropped)
ALONE(pages_stay_without_the_call)
ALONE(pages_stay_where_it_is_advice)
ALONE(drop_is_tried_again)
#endif
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(faults_are_not_blocked),
		TEST(worker_hears_of_faults),
		TEST(hook_runs_at_exit),
#if !TEST_SANITIZED
		/* Theirs run in the last round too, and end the thread. */
		TEST(hook_runs_in_last_round),
#endif
		TEST(keys_are_given_back),
		TEST(key_is_had_where_few_are_left),
		TEST(mutex_is_tried),
#ifdef IOASID_HAS_CANCEL
		TEST(memory_hooks_are_not_cancelled),
#endif
#if defined(__GLIBC__) && !TEST_SANITIZED
		TEST(atfork_is_tried_again),
		TEST(key_is_tried_again),
		TEST(first_use_enters_again),
		TEST(first_use_takes_no_memory),
		TEST(handlers_registered_twice),
		TEST(atexit_is_tried_again),
		TEST(domains_need_their_handlers),
		TEST(value_is_tried_again),
		TEST(two_make_the_key),
		TEST(handlers_without_the_first),
		TEST(layers_in_order),
		TEST(layer_comes_meanwhile),
		TEST(sections_without_exit_hook),
		TEST(worker_is_woken),
		TEST(reclaimer_without_key),
		TEST(reclaimer_without_thread),
		TEST(thread_without_memory),
#ifdef SYS_membarrier
		TEST(barrier_is_tried_again),
		TEST(registration_is_tried_again),
		TEST(lost_registration_is_made_again),
		TEST(forbidden_for_good_is_said),
		TEST(never_used_before_enabled),
		TEST(domains_may_opt_out),
		TEST(waiters_look_by_themselves),
		TEST(huge_pages_by_choice),
		TEST(random_without_its_call),
		TEST(waiters_sleep_without_futex),
		TEST(old_kernel_has_no_barrier),
		TEST(registered_barrier_may_fail),
		TEST(waits_end),
		TEST(limit_without_barrier),
		TEST(random_without_device),
		TEST(random_of_empty_device),
		TEST(pages_may_be_refused),
		TEST(pages_are_dropped),
		TEST(pages_stay_without_the_call),
		TEST(pages_stay_where_it_is_advice),
		TEST(drop_is_tried_again),
#endif
#endif
	};

#if defined(__GLIBC__) && !TEST_SANITIZED
	/* What libraries have called from their constructors. */
	memset(&play, 0, sizeof(play));
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
