/* SPDX-License-Identifier: MIT */
/*
 * What failed, with as few steps as fail the same: each attempt is a child that
 * runs some of the steps anew, on the side that failed alone if it fails alone,
 * and checks everything after each.
 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "fuzz/api/harness.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Attempts in all, and seconds for each. */
#define ATTEMPTS 2000
#define SECONDS 2

static struct {
	struct harness_config config;
	struct step *step;
	size_t steps;
	/* the side, or SIDES */
	size_t only;
	char wrong[300];
	unsigned int attempts;
} failure;

/* In a child: where it says what is wrong, or prints it. */
static int answer_to;
static FILE *print_to;

static void answer(void)
{
	const char *wrong = harness.wrong;
	ssize_t written;

	if (print_to) {
		print_log(print_to,
			  harness.wrong_side ? harness.wrong_side->name : NULL);
		fflush(print_to);
		_exit(0);
	}
	written = write(answer_to, wrong, strlen(wrong));
	_exit(written < 0);
}

/* Does not return. */
static void child(const struct harness_config *config, const struct step *step,
		  size_t steps)
{
	int nowhere = open("/dev/null", O_WRONLY);

	alarm(SECONDS);
	if (!print_to && nowhere >= 0)
		dup2(nowhere, STDERR_FILENO);
	harness_mismatch = answer;
	harness_thorough = true;
	harness_rerun(config, step, steps, failure.only);
	_exit(1);
}

/* What is wrong with these steps, "" for nothing. */
static void attempt(const struct harness_config *config,
		    const struct step *step, size_t steps, char wrong[300])
{
	size_t length = 0;
	ssize_t got;
	int ends[2];
	pid_t pid;

	wrong[0] = '\0';
	failure.attempts++;
	fflush(NULL);
	if (pipe(ends))
		return;
	pid = fork();
	if (!pid) {
		answer_to = ends[1];
		child(config, step, steps);
	}
	close(ends[1]);
	while (pid > 0 && length < 299 &&
	       (got = read(ends[0], wrong + length, 299 - length)) > 0)
		length += (size_t)got;
	wrong[length] = '\0';
	close(ends[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static bool fails(const struct harness_config *config, const struct step *step,
		  size_t steps)
{
	char wrong[300];

	if (failure.attempts >= ATTEMPTS)
		return false;
	attempt(config, step, steps, wrong);
	return !strcmp(wrong, failure.wrong);
}

/* Without those from @at on, @count of them, if it fails without. */
static bool leave_out(size_t at, size_t count)
{
	size_t left = failure.steps - count;
	struct step *fewer = malloc((left + 1) * sizeof(*fewer));
	bool without;

	if (!fewer)
		return false;
	memcpy(fewer, failure.step, at * sizeof(*fewer));
	memcpy(fewer + at, failure.step + at + count,
	       (left - at) * sizeof(*fewer));
	without = fails(&failure.config, fewer, left);
	if (without) {
		memcpy(failure.step, fewer, left * sizeof(*fewer));
		failure.steps = left;
	}
	free(fewer);
	return without;
}

/* Halves first, then less and less; from the end, where less depends on it. */
static void shorten(void)
{
	size_t count = failure.steps, at;

	while (count) {
		bool shorter = false;

		for (at = failure.steps; at; at = at > count ? at - count : 0) {
			size_t from = at > count ? at - count : 0;

			if (at <= failure.steps)
				shorter |= leave_out(from, at - from);
		}
		if (count > 1)
			count /= 2;
		else if (!shorter)
			break;
	}
}

/* A plainer configuration, if that fails as well. */
static void simplify(void)
{
	for (unsigned int what = 0; what < 9; what++) {
		struct harness_config plain = failure.config;

		switch (what) {
		case 0:
			plain.flavour = IOASID_RCU_EPOCH;
			plain.shared = plain.own = plain.no_membarrier = false;
			break;
		case 1:
			plain.memory = MEMORY_HOOKS;
			break;
		case 2:
			plain.lock = false;
			break;
		case 3:
			plain.min = 0;
			plain.max = 63;
			break;
		case 4:
			plain.reuse = IOASID_REUSE_LOWEST;
			break;
		case 5:
			plain.quarantine = false;
			break;
		case 6:
			plain.capacity = 0;
			break;
		case 7:
			plain.create_fail = 0;
			plain.pending_limit = 0;
			break;
		default:
			plain.custom = false;
			plain.by_default = SIDES;
			break;
		}
		if (memcmp(&plain, &failure.config, sizeof(plain)) != 0 &&
		    fails(&plain, failure.step, failure.steps))
			failure.config = plain;
	}
}

/* Steps with less in them. */
static void simplify_steps(void)
{
	for (size_t i = 0; i < failure.steps; i++) {
		struct step *step = &failure.step[i], whole = *step;

		step->fail_at = 0;
		if (whole.fail_at &&
		    !fails(&failure.config, failure.step, failure.steps))
			*step = whole;
		whole = *step;
		step->set = SET_NONE;
		if (whole.set != SET_NONE &&
		    !fails(&failure.config, failure.step, failure.steps))
			*step = whole;
	}
}

static bool find_failure(void)
{
	const struct side *side = harness.wrong_side;

	failure.config = harness.config;
	failure.steps = harness.steps;
	failure.step = malloc((harness.steps + 1) * sizeof(*failure.step));
	if (!failure.step)
		return false;
	if (harness.steps)
		memcpy(failure.step, harness.step,
		       harness.steps * sizeof(*failure.step));
	failure.only = side ? (size_t)(side - harness.side) : SIDES;
	attempt(&failure.config, failure.step, failure.steps, failure.wrong);
	if (!failure.wrong[0] && failure.only != SIDES) {
		failure.only = SIDES;
		attempt(&failure.config, failure.step, failure.steps,
			failure.wrong);
	}
	return failure.wrong[0];
}

bool print_minimal(FILE *file)
{
	int status = 1;
	pid_t pid;

	if (!find_failure()) {
		free(failure.step);
		return false;
	}
	shorten();
	simplify();
	simplify_steps();
	shorten();
	fflush(NULL);
	pid = fork();
	if (!pid) {
		print_to = file;
		child(&failure.config, failure.step, failure.steps);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	free(failure.step);
	return !status;
}
