/* SPDX-License-Identifier: MIT */
/*
 * What is noticed, for both drivers: a check that fails, a report of a sanitizer,
 * a signal that ends the process. Each prints the program, the first one only.
 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
/* sigaltstack(), MAP_ANONYMOUS */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE
#endif

#include "fuzz/target.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Printing may start where a small stack has run over. */
#define STACK ((size_t)256 << 10)

/* Called by a sanitizer's run time, which leaves behind what it likes. */
#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
#define UNCHECKED __attribute__((no_sanitize("memory")))
#endif
#endif
#ifndef UNCHECKED
#define UNCHECKED
#endif

static FILE *to_stderr(const char *what)
{
	(void)what;
	return stderr;
}

FILE *(*fuzz_noticed)(const char *what) = to_stderr;
void (*fuzz_end)(void) = abort;

/* Shared with children: who waits for one fails after it, and for it. */
static bool own_printed, *printed = &own_printed;

static void noticed(const char *what)
{
	FILE *file;

	if (*printed)
		return;
	*printed = true;
	file = fuzz_noticed(what);
	if (!file)
		return;
	fuzz_target.print(file);
	fflush(file);
}

_Noreturn void fuzz_failed(const char *file, int line, const char *what)
{
	char text[512];

	fprintf(stderr, "\n%s: %s:%d: failed: %s\n", fuzz_target.name, file,
		line, what);
	snprintf(text, sizeof(text), "%s:%d: %s", file, line, what);
	noticed(text);
	fflush(NULL);
	fuzz_end();
	abort();
}

/*
 * Every sanitizer calls it, with the last line of its report, which is the
 * caller's to write.
 */
void __sanitizer_report_error_summary(const char *summary);

UNCHECKED void __sanitizer_report_error_summary(const char *summary)
{
	fprintf(stderr, "%s\n", summary);
	noticed(summary);
}

static const struct {
	int number;
	const char *name;
} signals[] = {
	{ SIGABRT, "SIGABRT" }, { SIGBUS, "SIGBUS" },	{ SIGFPE, "SIGFPE" },
	{ SIGILL, "SIGILL" },	{ SIGSEGV, "SIGSEGV" },
};

#define SIGNALS (sizeof(signals) / sizeof(signals[0]))

/* The fuzzer's, or a sanitizer's: they go on from here. */
static struct sigaction before[SIGNALS];

static void on_signal(int number, siginfo_t *info, void *context)
{
	const struct sigaction *next = before;
	size_t i = 0;

	while (signals[i].number != number)
		i++;
	next = &before[i];
	noticed(signals[i].name);
	if (next->sa_flags & SA_SIGINFO) {
		next->sa_sigaction(number, info, context);
	} else if (next->sa_handler == SIG_DFL) {
		/* It comes once this handler is left. */
		signal(number, SIG_DFL);
		raise(number);
	} else if (next->sa_handler != SIG_IGN) {
		next->sa_handler(number);
	}
}

void fuzz_watch(void)
{
	static char stack[STACK];
	const stack_t own = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction action = { .sa_flags = SA_ONSTACK | SA_SIGINFO };
	bool *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared != MAP_FAILED)
		printed = shared;
	sigaltstack(&own, NULL);
	action.sa_sigaction = on_signal;
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < SIGNALS; i++)
		sigaction(signals[i].number, &action, &before[i]);
}
