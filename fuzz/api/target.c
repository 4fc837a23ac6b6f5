/* SPDX-License-Identifier: MIT */
/* The harness as a target. */
#include "fuzz/api/harness.h"

#include "fuzz/api/faults.h"
#include "fuzz/target.h"

/* Of the three, what --print=STORE asks for where none has failed. */
static const char *print_store = "radix";

static void print(FILE *file)
{
	const char *store = harness.wrong_side ? harness.wrong_side->name :
						 print_store;

	/* A sanitizer's finding would end the process that looks for less. */
	if (!harness.wrong || !print_minimal(file))
		print_log(file, store);
}

/*
 * --print=STORE: of what ran on the three stores, that; --thorough: everything
 * is checked after each step.
 */
static bool option(const char *text)
{
	if (!strncmp(text, "--print=", 8))
		print_store = text + 8;
	else if (!strcmp(text, "--thorough"))
		harness_thorough = true;
	else
		return false;
	return true;
}

static void plant(const char *name)
{
	harness_store_ops = fault_store(name);
	harness_rcu_ops = fault_rcu(name);
	fault_calls(name, &harness_calls);
}

const struct fuzz_target fuzz_target = {
	.name = "api",
	.run = harness_run,
	.print = print,
	.faults = fault_names,
	.plant = plant,
	.option = option,
};
