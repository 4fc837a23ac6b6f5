/* SPDX-License-Identifier: MIT */
#ifndef IOASID_TEST_PORTABLE_PROCESSES_H
#define IOASID_TEST_PORTABLE_PROCESSES_H

/*
 * Windows has neither processes that fork nor signals. Suites of which only some
 * cases need them compile with this; those cases, which run_windows names, are
 * not run, and would fail.
 */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/types.h>

#define WIFEXITED(status) ((status) & 0)
#define WEXITSTATUS(status) (status)
#define WIFSIGNALED(status) ((status) & 0)
#define WTERMSIG(status) (status)
#ifndef SIGUSR1
#define SIGUSR1 30
#endif
#define SA_RESTART 0

typedef struct {
	int none;
} test_signals;

struct sigaction {
	void (*sa_handler)(int number);
	test_signals sa_mask;
	int sa_flags;
};

static inline int test_no_such(void)
{
	errno = ENOSYS;
	return -1;
}

#define fork() test_no_such()
#define pause() test_no_such()
#define waitpid(child, status, options) \
	((void)(child), *(status) = 1, test_no_such())
#define sigaction(number, action, before) \
	((void)(number), (void)(action), (void)(before), test_no_such())
#define sigemptyset(set) ((void)(set), test_no_such())
/* The script ends what hangs. */
#define alarm(seconds) ((void)(seconds))
/* All of the process's, which sleeps meanwhile. */
#undef pthread_getcpuclockid
#define pthread_getcpuclockid(thread, clock) \
	((void)(thread), *(clock) = CLOCK_PROCESS_CPUTIME_ID, 0)

#endif /* IOASID_TEST_PORTABLE_PROCESSES_H */
