/* SPDX-License-Identifier: MIT */
/*
 * Does a grace period wait for all the readers it has to? Readers look
 * elements up, hold them for a while, and at the end of their section record
 * the age of each: 0 it is current, 1 it was replaced, n that n - 1 grace
 * periods have passed since. All above 1 is a fault. Whatever else was
 * promised is checked on the way; --planted shows that each check catches.
 *
 * Writers replace elements, and wait by synchronize, by poll, or by defer;
 * fakers only ask for grace periods, for others to share; comers start readers
 * that come and go. The idea is that of McKenney's rcutorture.
 */
#include "test/torture/torture.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Exit statuses; none that a sanitizer uses. */
enum { WRONG = 10, STALLED, IDLE, MISSED };

static const char *const check_names[CHECKS] = {
	[AGE] = "older than one grace period",
	[SPAN] = "a grace period began and ended inside a section",
	[CONTENT] = "an element given back was seen",
	[RESULT] = "a call answered what it must not",
	[PASSED_POLL] = "a grace period that had passed had not",
	[CALLBACK] = "callbacks were lost",
};

struct options options = {
	.seconds = 3,
	.readers = 8,
	.writers = METHODS,
	.fakers = 4,
	.comers = 2,
	.stall = 60,
};

struct run run;

void give_up(const char *what)
{
	fprintf(stderr, "torture: %s\n", what);
	exit(2);
}

void wrong_at(enum check check, const char *where)
{
	unsigned int hit = 0, i;

	if (!ioasid_fetch_add_acq_rel(&run.wrong[check], 1))
		ioasid_store_release(&run.where[check],
				     (void *)(uintptr_t)where);
	for (i = 0; i < CHECKS; i++)
		if (ioasid_load_relaxed(&run.wrong[i]))
			hit |= 1u << i;
	if (run.planted && (hit & run.expect) == run.expect)
		ioasid_store_relaxed(&run.stop, 1);
}

static void *zeroed(size_t count, size_t size)
{
	void *memory = calloc(count ? count : 1, size);

	if (!memory)
		give_up("no memory");
	return memory;
}

/* Memory of stores: poisoned when given back, and counted. */
static void *hook_alloc(void *context, size_t size)
{
	(void)context;
	return malloc(size);
}

static void hook_free(void *context, void *memory, size_t size)
{
	(void)context;
	if (memory) {
		memset(memory, 0xdd, size);
		ioasid_fetch_add_acq_rel(&run.blocks, 1);
	}
	free(memory);
}

static void thread_init(struct thread *thread, const char *role,
			unsigned int number)
{
	thread->role = role;
	thread->number = number;
	thread->duel = NO_DUEL;
	thread->random = options.seed ^ (uint64_t)role[0] << 56 ^
			 (uint64_t)number << 40;
}

static void run_spaces(void)
{
	static const enum ioasid_store_kind stores[SPACES] = {
		IOASID_STORE_BITMAP,
		IOASID_STORE_RADIX,
		IOASID_STORE_HASH,
	};
	unsigned int i;

	/* With a fault, none that gives memory back to be read. */
	run.space_count = run.planted ? 1 : SPACES;
	for (i = 0; i < run.space_count; i++) {
		struct ioasid_space_config config = {
			.max = ID_MAX,
			.store = stores[i],
			.rcu = run.rcu,
			.hash_seed = options.seed | 1,
		};

		/* The bitmap's memory can be discarded where it is. */
		if (stores[i] != IOASID_STORE_BITMAP)
			config.memory = (struct ioasid_memory){
				.alloc = hook_alloc,
				.free = hook_free,
			};
		if (ioasid_space_create(&config, &run.spaces[i]))
			give_up("no space");
	}
}

static void run_places(void)
{
	unsigned int per_space = STEADY + CHURN;
	unsigned int each = RAW + run.space_count * per_space, i, k;
	struct element *element;
	struct place *place;

	run.place_count = each * options.writers;
	run.places = zeroed(run.place_count, sizeof(*run.places));
	run.element_count = run.place_count + (size_t)options.writers * RETIRED;
	run.element_count *= 2;
	run.elements = zeroed(run.element_count, sizeof(*run.elements));
	for (k = 0; k < run.element_count; k++)
		element_free(&run.elements[k]);
	poke(&run.filler.canary, ALIVE);
	for (i = 0; i < options.writers; i++)
		run.writers[i].places = &run.places[i * each];
	for (i = 0; i < run.place_count; i++) {
		place = &run.places[i];
		k = i % each;
		place->number = i;
		place->id = (i + 1) * ID_STEP;
		place->kind = k < RAW			     ? IN_RAW :
			      (k - RAW) % per_space < STEADY ? IN_STEADY :
							       IN_CHURN;
		if (place->kind != IN_RAW)
			place->space = run.spaces[(k - RAW) / per_space];
		element = place->kind == IN_CHURN ? NULL : element_new(i);
		place->current = element;
		if (place->kind == IN_RAW)
			ioasid_store_release(&place->raw, element);
		else if (element && !occupy(place->space, place->id, element))
			give_up("no ID");
	}
}

static void run_begin(unsigned int round)
{
	struct ioasid_rcu_config config = {
		.flavour = run.flavour->flavour,
		.no_membarrier = run.flavour->no_membarrier,
		.ops = run.flavour->ops,
		.ops_context = run.flavour->context,
		/* Often reached; hardly ever. */
		.pending_limit = round ? 0 : 48,
		.retired_limit = 1 << 20,
		.reclaimer = round,
	};
	unsigned int i;

	if (run.flavour->begin)
		run.flavour->begin();
	if (ioasid_rcu_create(&config, &run.rcu))
		give_up("no domain");
	run.reclaimer = config.reclaimer;
	thread_init(&run.main, "main", 0);
	run.single = run.flavour->flavour == IOASID_RCU_NONE;
	pthread_mutex_init(&run.mutex, NULL);
	run.readers = zeroed(options.readers, sizeof(*run.readers));
	run.comers = zeroed(options.comers, sizeof(*run.comers));
	run.writers = zeroed(options.writers, sizeof(*run.writers));
	run.fakers = zeroed(options.fakers, sizeof(*run.fakers));
	for (i = 0; i < options.readers; i++)
		thread_init(&run.readers[i], "reader", i);
	for (i = 0; i < options.comers; i++)
		thread_init(&run.comers[i], "comer", i);
	for (i = 0; i < options.fakers; i++)
		thread_init(&run.fakers[i].thread, "faker", i);
	for (i = 0; i < options.writers; i++) {
		thread_init(&run.writers[i].thread, "writer", i);
		run.writers[i].method = i % METHODS;
		run.writers[i].thread.duel = i + 1;
	}
	if (options.readers) {
		run.readers[0].duel = 0;
		run.readers[0].careless = run.fault == CARELESS_READER;
	}
	run_spaces();
	run_places();
}

static void run_end(void)
{
	if (run.flavour->end)
		run.flavour->end();
	free(run.readers);
	free(run.comers);
	free(run.writers);
	free(run.fakers);
	free(run.places);
	free(run.elements);
	pthread_mutex_destroy(&run.mutex);
}

/* Thread @i of all that are watched, or NULL. */
static struct thread *thread_of(unsigned int i)
{
	if (!i--)
		return &run.main;
	if (run.single)
		return NULL;
	if (i < options.readers)
		return &run.readers[i];
	i -= options.readers;
	if (i < options.writers)
		return &run.writers[i].thread;
	i -= options.writers;
	if (i < options.fakers)
		return &run.fakers[i].thread;
	i -= options.fakers;
	return i < options.comers ? &run.comers[i] : NULL;
}

static void *watchdog_main(void *arg)
{
	struct thread *thread;
	const char *what;
	uint64_t beats;
	unsigned int i;

	while (ioasid_load_acquire(&run.watched)) {
		snooze(100000);
		for (i = 0; (thread = thread_of(i)); i++) {
			beats = ioasid_load_relaxed(&thread->beats);
			what = ioasid_load_relaxed(&thread->doing);
			if (beats != thread->seen || !what)
				thread->still = 0;
			thread->seen = beats;
			if (thread->still++ < options.stall * 10)
				continue;
			fprintf(stderr,
				"%s: stalled: %s %u has been in %s for %u s\n",
				run.flavour->name, thread->role, thread->number,
				what, options.stall);
			fflush(NULL);
			_exit(STALLED);
		}
	}
	return arg;
}

static void start(struct thread *thread, void *(*func)(void *arg), void *arg)
{
	if (pthread_create(&thread->thread, NULL, func, arg))
		give_up("no thread");
}

static void all_threads(bool begin)
{
	struct thread *thread;
	unsigned int i;

	for (i = 0; begin && i < options.readers; i++)
		start(&run.readers[i], reader_main, &run.readers[i]);
	for (i = 0; begin && i < options.writers; i++)
		start(&run.writers[i].thread, writer_main, &run.writers[i]);
	for (i = 0; begin && i < options.fakers; i++)
		start(&run.fakers[i].thread, faker_main, &run.fakers[i]);
	for (i = 0; begin && i < options.comers; i++)
		start(&run.comers[i], comer_main, &run.comers[i]);
	for (i = 1; !begin && (thread = thread_of(i)); i++)
		if (pthread_join(thread->thread, NULL))
			give_up("no join");
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void set_tempo(unsigned int milliseconds)
{
	unsigned int tempo = milliseconds / TEMPO_MS;

	ioasid_store_relaxed(&run.calm, tempo % 3 != 0);
	ioasid_store_relaxed(&run.duel,
			     tempo % 3 == 2 ? 1 + tempo / 3 % options.writers :
					      0);
}

/* Nobody else calls anything any more. */
static void await_reclaimer(struct callback *callback)
{
	ioasid_store_relaxed(&callback->used, 1);
	callback->ticket = draw();
	ioasid_fetch_add_acq_rel(&run.deferred, 1);
	expect(!ioasid_rcu_defer(run.rcu, &callback->head, callback_called));
	while (ioasid_load_acquire(&callback->used))
		snooze(1000);
}

static void run_threads(double seconds)
{
	double begin = now();
	struct ioasid_domain_stats stats;
	pthread_t watchdog;
	unsigned int i;

	ioasid_store_relaxed(&run.watched, 1);
	if (pthread_create(&watchdog, NULL, watchdog_main, NULL))
		give_up("no thread");
	if (!run.single)
		all_threads(true);
	while (running() && now() < begin + seconds) {
		doing(&run.main, "section");
		if (!run.single) {
			snooze(10000);
			set_tempo((unsigned int)((now() - begin) * 1000));
		} else if (options.readers) {
			section(&run.readers[0]);
			delay(&run.readers[0]);
			rest(&run.readers[0]);
		}
	}
	set_tempo(0);
	ioasid_store_relaxed(&run.stop, 1);
	doing(&run.main, NULL);
	if (!run.single)
		all_threads(false);
	doing(&run.main, "wait for the reclaimer");
	if (run.reclaimer)
		await_reclaimer(&run.last);
	doing(&run.main, "barrier");
	/* Callbacks that were under way may have deferred again. */
	expect(!ioasid_rcu_barrier(run.rcu));
	expect(!ioasid_rcu_barrier(run.rcu));
	if (ioasid_load_relaxed(&run.deferred) !=
		    ioasid_load_relaxed(&run.called) ||
	    ioasid_rcu_pending(run.rcu))
		wrong(CALLBACK);
	doing(&run.main, "destroy");
	ioasid_rcu_stats(run.rcu, &stats);
	run.begun = stats.grace_periods;
	for (i = 0; i < run.space_count; i++)
		expect(!ioasid_space_destroy(run.spaces[i]));
	expect(!ioasid_rcu_destroy(run.rcu));
	ioasid_store_release(&run.watched, 0);
	pthread_join(watchdog, NULL);
}

/* What a run that tortured nothing lacks. */
static bool enough(const char *what, uint64_t count)
{
	if (!count)
		printf("  too little happened: no %s\n", what);
	return count != 0;
}

static bool report(void)
{
	uint64_t called = ioasid_load_relaxed(&run.called), updated = 0;
	uint64_t passed[METHODS] = { 0 }, shared = 0;
	struct thread sum = { .role = NULL };
	unsigned int i, k;
	bool done;

	for (i = 0; i < options.readers + options.comers; i++) {
		const struct thread *thread =
			i < options.readers ? &run.readers[i] :
					      &run.comers[i - options.readers];

		for (k = 0; k <= PIPE; k++)
			sum.ages[k] += thread->ages[k];
		sum.sections += thread->sections;
		sum.late += thread->late;
		sum.lookups += thread->lookups;
	}
	for (i = 0; i < options.writers; i++) {
		passed[run.writers[i].method] += run.writers[i].grace_periods;
		updated += run.writers[i].updates;
	}
	for (i = 0; i < options.fakers; i++)
		shared += run.fakers[i].grace_periods;
	printf("  ages:");
	for (k = 0; k <= PIPE; k++)
		printf(" %" PRIu64, sum.ages[k]);
	printf("\n  sections %" PRIu64 ", lookups %" PRIu64 ", updates %" PRIu64
	       ", passing threads %" PRIu64 ", store blocks freed %" PRIu64
	       ", KiB trimmed %" PRIu64
	       "\n  grace periods: synchronize %" PRIu64 ", poll %" PRIu64
	       ", fakes %" PRIu64 ", begun by the domain %" PRIu64
	       "\n  callbacks: deferred %" PRIu64 ", called %" PRIu64 "\n",
	       sum.sections, sum.lookups, updated,
	       ioasid_load_relaxed(&run.came), ioasid_load_relaxed(&run.blocks),
	       ioasid_load_relaxed(&run.trimmed) / 1024, passed[SYNCHRONIZE],
	       passed[POLL], shared, run.begun,
	       ioasid_load_relaxed(&run.deferred), called);
	done = enough("sections", sum.sections);
	done &= enough("current element seen", sum.ages[0]);
	done &= enough("replaced element seen", sum.ages[1]);
	done &= enough("synchronize", passed[SYNCHRONIZE]);
	done &= enough("poll", options.writers <= POLL || passed[POLL]);
	done &= enough("callback called", called);
	done &= enough("pointer held after a section",
		       !torture_qsbr(run.flavour) || sum.late);
	if (run.planted)
		return done;
	done &= enough("thread come and gone",
		       run.single || !options.comers ||
			       ioasid_load_relaxed(&run.came));
	done &= enough("store memory given back",
		       ioasid_load_relaxed(&run.blocks));
	done &= enough("memory trimmed",
		       !options.fakers || ioasid_load_relaxed(&run.trimmed));
	return done;
}

static int torture(double seconds, unsigned int round)
{
	unsigned int caught = 0, i;
	uint64_t count;
	bool done;

	run_begin(round);
	printf("%s%s: %g s, %u readers, %u writers, %u fakers, %u comers, "
	       "seed %" PRIu64 "\n",
	       run.flavour->name, round ? ", reclaimer" : "", seconds,
	       run.single ? 1 : options.readers, options.writers,
	       options.fakers, run.single ? 0 : options.comers, options.seed);
	fflush(stdout);
	run_threads(seconds);
	done = report();
	for (i = 0; i < CHECKS; i++) {
		count = ioasid_load_relaxed(&run.wrong[i]);
		if (!count)
			continue;
		caught |= 1u << i;
		printf("  WRONG: %s, %" PRIu64 " times, first at %s\n",
		       check_names[i], count,
		       (const char *)ioasid_load_acquire(&run.where[i]));
	}
	fflush(stdout);
	run_end();
	if (run.planted && caught)
		return (caught & run.expect) == run.expect ? WRONG : MISSED;
	if (caught)
		return WRONG;
	return done ? 0 : IDLE;
}

/* Half of the time without a reclaimer, half with one. */
static int torture_flavour(const struct torture_flavour *flavour)
{
	unsigned int rounds = flavour->flavour == IOASID_RCU_NONE ? 1 : 2, i;
	int tries, ret, worst = 0;

	for (i = 0; i < rounds; i++) {
		/* On a busy machine too little may happen for a while. */
		for (tries = 3, ret = IDLE; tries && ret == IDLE; tries--) {
			run = (struct run){ .flavour = flavour };
			ret = torture(options.seconds / rounds, i);
		}
		if (ret)
			worst = ret;
	}
	return worst;
}

static const struct torture_flavour planted_epoch = {
	.name = "epoch",
	.flavour = IOASID_RCU_EPOCH,
};

static const struct torture_flavour planted_qsbr = {
	.name = "qsbr",
	.flavour = IOASID_RCU_QSBR,
};

#define CAUGHT(check) (1u << (check))

static const struct planted {
	const char *name;
	const struct torture_flavour *flavour;
	enum fault fault;
	unsigned int expect;
	int status;
} planted[] = {
	{ "grace periods are over at once", &faulty_early, NO_FAULT,
	  CAUGHT(AGE) | CAUGHT(SPAN) | CAUGHT(CONTENT), WRONG },
	{ "only one thread is waited for", &faulty_one_thread, NO_FAULT,
	  CAUGHT(AGE) | CAUGHT(SPAN) | CAUGHT(CONTENT), WRONG },
	{ "only readers of one phase are waited for", &faulty_one_flip,
	  NO_FAULT, CAUGHT(AGE) | CAUGHT(SPAN), WRONG },
	{ "a reader forgets the lock", &planted_epoch, CARELESS_READER,
	  CAUGHT(AGE) | CAUGHT(SPAN) | CAUGHT(CONTENT), WRONG },
	{ "a reader is quiescent while it holds", &planted_qsbr,
	  CARELESS_READER, CAUGHT(AGE) | CAUGHT(SPAN) | CAUGHT(CONTENT),
	  WRONG },
	{ "cookies wrap", &faulty_wrap, NO_FAULT, CAUGHT(PASSED_POLL), WRONG },
	{ "an element is in another's place", &planted_epoch, WRONG_PLACE,
	  CAUGHT(RESULT), WRONG },
	{ "a callback is lost", &planted_epoch, LOST_CALLBACK, CAUGHT(CALLBACK),
	  WRONG },
	{ "grace periods never end", &faulty_stuck, NO_FAULT, 0, STALLED },
	{ "nobody reads", &planted_epoch, NO_FAULT, 0, IDLE },
};

/* In a process of its own: some end it. */
static bool plant(const struct planted *of)
{
	int status;
	pid_t child;

	printf("planted: %s\n", of->name);
	fflush(stdout);
	child = fork();
	if (child < 0)
		give_up("no process");
	if (!child) {
		if (of->status == STALLED)
			options.stall = 2;
		if (of->status == IDLE)
			options.readers = options.comers = 0;
		run = (struct run){
			.flavour = of->flavour,
			.fault = of->fault,
			.expect = of->expect,
			.planted = true,
		};
		exit(torture(of->expect || of->status == STALLED ? 20 : 0.5,
			     0));
	}
	if (waitpid(child, &status, 0) != child)
		give_up("no child");
	if (WIFEXITED(status) && WEXITSTATUS(status) == of->status) {
		printf("caught: %s\n", of->name);
		return true;
	}
	printf("NOT CAUGHT: %s (%s %d)\n", of->name,
	       WIFEXITED(status) ? "status" : "signal",
	       WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	return false;
}

static int plant_all(void)
{
	bool all = true;
	size_t i;

	for (i = 0; i < sizeof(planted) / sizeof(planted[0]); i++)
		all &= plant(&planted[i]);
	return all ? 0 : MISSED;
}

static const char usage[] =
	"torture [--flavour NAME] [--seconds S] [--readers N] [--writers N]\n"
	"        [--fakers N] [--comers N] [--stall S] [--seed N] [--planted]\n"
	"Each flavour in turn, for S seconds; --stall: seconds without progress\n"
	"that are a failure; --planted: shows that faults are caught.\n"
	"Flavours:";

static _Noreturn void help(void)
{
	const struct torture_flavour *flavour;

	fputs(usage, stderr);
	for (flavour = torture_flavours; flavour->name; flavour++)
		fprintf(stderr, " %s", flavour->name);
	fputc('\n', stderr);
	exit(2);
}

static unsigned int number(const char *text, unsigned int least,
			   unsigned int most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (!*text || *end || value < least || value > most)
		help();
	return (unsigned int)value;
}

static bool parse(int argc, char **argv)
{
	bool plants = false;
	int i;

	for (i = 1; i < argc; i++) {
		const char *name = argv[i], *value = argv[i + 1];

		if (!strcmp(name, "--planted")) {
			plants = true;
			continue;
		}
		if (!value)
			help();
		if (!strcmp(name, "--flavour"))
			options.flavour = value;
		else if (!strcmp(name, "--seconds"))
			options.seconds = strtod(value, NULL);
		else if (!strcmp(name, "--readers"))
			options.readers = number(value, 0, 1024);
		else if (!strcmp(name, "--writers"))
			options.writers = number(value, 1, 16);
		else if (!strcmp(name, "--fakers"))
			options.fakers = number(value, 0, 1024);
		else if (!strcmp(name, "--comers"))
			options.comers = number(value, 0, 1024);
		else if (!strcmp(name, "--stall"))
			options.stall = number(value, 1, 3600);
		else if (!strcmp(name, "--seed"))
			options.seed = strtoull(value, NULL, 10);
		else
			help();
		i++;
	}
	return plants;
}

int main(int argc, char **argv)
{
	const struct torture_flavour *flavour;
	bool plants, found = false;
	int ret, worst = 0;

	options.seed = (uint64_t)time(NULL);
	plants = parse(argc, argv);
	if (plants)
		return plant_all();
	for (flavour = torture_flavours; flavour->name; flavour++) {
		if (options.flavour && strcmp(options.flavour, flavour->name))
			continue;
		found = true;
		ret = torture_flavour(flavour);
		if (ret)
			worst = ret;
	}
	if (!found)
		help();
	return worst;
}
