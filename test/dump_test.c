/* SPDX-License-Identifier: MIT */
/* A space in words: everything that has a name or number is in it. */
#include "test/counts.h"
#include "test/gate.h"

#if TEST_POSIX
#include <sys/wait.h>
#include <unistd.h>
#endif

#include <ioasid/allocator.h>
#include <ioasid/notifier.h>
#include <ioasid/set.h>

static void *pointer(uintptr_t n)
{
	return (void *)(n << 4);
}

/* What was printed. */
struct text {
	char line[400][256];
	size_t count;
};

static void collect(const char *line, void *arg)
{
	struct text *text = arg;
	size_t length = strlen(line);

	CHECK(text->count < ARRAY_SIZE(text->line));
	CHECK(length > 0 && length < sizeof(text->line[0]));
	/* One line, its end not included, that harms no terminal. */
	for (size_t i = 0; i < length; i++)
		CHECK((unsigned char)line[i] >= ' ' && line[i] != 127);
	memcpy(text->line[text->count++], line, length + 1);
}

static struct text *dump(struct fixture *fixture)
{
	static struct text text;

	text.count = 0;
	ioasid_space_dump(fixture->space, collect, &text);
	return &text;
}

/* Is @word in @line, and not as a part of another? */
static bool has_word(const char *line, const char *word)
{
	size_t length = strlen(word);
	const char *at = line;

	while ((at = strstr(at, word))) {
		if ((at == line || at[-1] == ' ') &&
		    (at[length] == ' ' || !at[length]))
			return true;
		at++;
	}
	return false;
}

/* How many lines have all of these words (phrases), up to NULL? */
static size_t lines_with(const struct text *text, const char *const *words)
{
	size_t found = 0;

	for (size_t i = 0; i < text->count; i++) {
		const char *const *word = words;

		while (*word && has_word(text->line[i], *word))
			word++;
		found += !*word;
	}
	return found;
}

#define LINES(text, ...) \
	lines_with(text, (const char *const[]){ __VA_ARGS__, NULL })

static void give(struct fixture *fixture, struct ioasid_set *set, ioasid_t id)
{
	ioasid_t given;

	assert_int_equal(ioasid_space_alloc(fixture->space, set, id, id,
					    pointer(id), &given),
			 0);
}

static void reset(struct fixture *fixture,
		  const struct ioasid_space_config *config)
{
	assert_int_equal(ioasid_space_destroy(fixture->space), 0);
	fixture->space = NULL;
	assert_int_equal(ioasid_space_create(config, &fixture->space), 0);
}

static void told(struct ioasid_notifier *notifier,
		 const struct ioasid_notice *notice)
{
	(void)notifier;
	(void)notice;
}

static const char *store_name(struct fixture *fixture)
{
	return fixture->store->kind == IOASID_STORE_CUSTOM ?
		       "custom" :
		       fixture->store->name;
}

/* As the library prints it. */
static const char *number(char *to, const char *what, const void *of)
{
	snprintf(to, 64, "%s0x%llx", what, (unsigned long long)(uintptr_t)of);
	return to;
}

static void names_everything(struct fixture *fixture)
{
	const struct ioasid_set_config a_config = { "alpha", pointer(0xabc), 9,
						    3 };
	struct ioasid_notifier low = { .notify = told, .priority = -5 };
	struct ioasid_notifier high = { .notify = told, .priority = 7 };
	static DECLARE_IOASID_SET(b);
	struct ioasid_space_config config;
	struct ioasid_space *space;
	struct ioasid_stats before, after;
	struct ioasid_set *a;
	struct text *text;
	ioasid_t id;
	char word[64];

	fixture_space_config(fixture, &config, 10, 99);
	config.name = "the space";
	config.reuse = IOASID_REUSE_CYCLIC;
	config.capacity = 50;
	reset(fixture, &config);
	space = fixture->space;
	assert_int_equal(ioasid_set_create(space, &a_config, &a), 0);
	give(fixture, a, 11);
	give(fixture, a, 12);
	give(fixture, &b, 13);
	give(fixture, NULL, 14);
	give(fixture, NULL, 15);
	assert_int_equal(ioasid_space_free(space, 15), 0);
	assert_int_equal(ioasid_space_free(space, 15), -ENOENT);
	assert_int_equal(ioasid_space_alloc(space, NULL, 500, 600, NULL, &id),
			 -ENOSPC);
	assert_int_equal(ioasid_spid_attach(space, 11, 777), 0);
	assert_int_equal(ioasid_space_get(space, NULL, 12), 0);
	assert_int_equal(ioasid_space_get(space, NULL, 12), 0);
	assert_int_equal(ioasid_space_get(space, NULL, 12), 0);
	assert_int_equal(ioasid_space_free(space, 12), 0);
	assert_int_equal(ioasid_space_reserve(space, 6), 0);
	assert_int_equal(ioasid_space_register_notifier(space, NULL, &low), 0);
	assert_int_equal(ioasid_space_register_notifier(space, &b, &high), 0);
	ioasid_space_stats(space, &before);
	text = dump(fixture);
	ioasid_space_stats(space, &after);
	expect_equal_stats(&before, &after);
	for (size_t i = 0; i < text->count; i++)
		print_message("%s\n", text->line[i]);
	assert_int_equal(LINES(text, "space", "\"the space\"", "10..99",
			       store_name(fixture), "cyclic"),
			 1);
	assert_int_equal(LINES(text, "quarantine"), 0);
	assert_int_equal(LINES(text, "live 3", "pending 1", "capacity 50",
			       "committed 11", "reserved 6"),
			 1);
	assert_int_equal(LINES(text, "allocs 5", "frees 2", "failed 1",
			       "unknown 1", "notifiers 2", "allocators 0"),
			 1);
	assert_int_equal(LINES(text, "set 1", "\"alpha\"", "token 0xabc0",
			       "count 2", "quota 9", "reserved 3", "spids 1"),
			 1);
	assert_int_equal(LINES(text, "set 2", "token 0x0", "count 1", "quota 0",
			       "reserved 0", "spids 0"),
			 1);
	assert_int_equal(
		LINES(text, number(word, "notifier ", &low), "priority -5"), 1);
	assert_int_equal(LINES(text, number(word, "notifier ", &high),
			       "priority 7", "set 2"),
			 1);
	assert_int_equal(LINES(text, "11", "live", "refs 1", "set 1",
			       "\"alpha\"", "spid 777", "data 0xb0"),
			 1);
	assert_int_equal(LINES(text, "12", "pending", "refs 3", "set 1",
			       "data 0xc0"),
			 1);
	assert_int_equal(
		LINES(text, "13", "live", "refs 1", "set 2", "data 0xd0"), 1);
	assert_int_equal(LINES(text, "14", "live", "refs 1", "data 0xe0"), 1);
	assert_int_equal(LINES(text, "refs 1"), 3);
	assert_int_equal(LINES(text, "spid 777"), 1);
	assert_int_equal(LINES(text, "15", "refs 1"), 0);
	/* As many lines as there are things. */
	assert_int_equal(text->count, 3 + 2 + 2 + 4);
	assert_int_equal(ioasid_space_put(space, 12), 0);
	assert_int_equal(ioasid_space_unregister_notifier(space, &low), 0);
	assert_int_equal(ioasid_space_unregister_notifier(space, &high), 0);
}

static ioasid_t host_alloc(ioasid_t min, ioasid_t max, void *data)
{
	(void)max;
	(void)data;
	return min;
}

static void host_free(ioasid_t id, void *data)
{
	(void)id;
	(void)data;
}

static void allocators(struct fixture *fixture)
{
	struct ioasid_allocator_ops ops[2] = {
		{ host_alloc, host_free, NULL, NULL },
		{ host_alloc, host_free, fixture, NULL },
	};
	struct ioasid_space_config config;
	struct text *text;
	char word[64];

	fixture_space_config(fixture, &config, 0, 99);
	config.quarantine = true;
	reset(fixture, &config);
	assert_int_equal(
		ioasid_space_register_allocator(fixture->space, &ops[0]), 0);
	assert_int_equal(
		ioasid_space_register_allocator(fixture->space, &ops[1]), 0);
	give(fixture, NULL, 5);
	give(fixture, NULL, 6);
	assert_int_equal(ioasid_space_free(fixture->space, 6), 0);
	text = dump(fixture);
	assert_int_equal(LINES(text, number(word, "allocator ", &ops[0]),
			       "functions 1"),
			 1);
	assert_int_equal(LINES(text, number(word, "allocator ", &ops[1]),
			       "functions 1"),
			 1);
	assert_int_equal(LINES(text, "5", "live", "allocator"), 1);
	assert_int_equal(LINES(text, "allocators 2"), 1);
	assert_int_equal(LINES(text, "0..99", "quarantine"), 1);
	/* The one that waits is only counted. */
	assert_int_equal(LINES(text, "quarantined 1"), 1);
	assert_int_equal(text->count, 3 + 2 + 1);
	assert_int_equal(ioasid_space_free(fixture->space, 5), 0);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(ioasid_space_unregister_allocator(
					 fixture->space, &ops[i],
					 IOASID_UNREGISTER_IDLE),
				 0);
}

struct going {
	struct ioasid_space *space;
	struct ioasid_allocator_ops ops[3];
	unsigned int lines;
};

/* Each goes with its own line. */
static void on_allocator(const char *line, void *arg)
{
	struct going *going = arg;
	char word[64];

	if (!strstr(line, "  allocator "))
		return;
	going->lines++;
	for (unsigned int i = 0; i < 3; i++)
		if (has_word(line, number(word, "allocator ", &going->ops[i])))
			assert_int_equal(ioasid_space_unregister_allocator(
						 going->space, &going->ops[i],
						 IOASID_UNREGISTER_IDLE),
					 0);
}

static void allocators_leave(struct fixture *fixture)
{
	const struct ioasid_allocator_ops ops = { host_alloc, host_free, NULL,
						  NULL };
	struct going going = { fixture->space, { ops, ops, ops }, 0 };
	unsigned int dumps = 0, before;

	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(ioasid_space_register_allocator(fixture->space,
								 &going.ops[i]),
				 0);
	/* One that comes up to the place of another may be passed by. */
	do {
		before = going.lines;
		ioasid_space_dump(fixture->space, on_allocator, &going);
		dumps++;
	} while (going.lines > before);
	assert_int_equal(going.lines, 3);
	assert_in_range(dumps, 2, 4);
}

static void dump_and_free(ioasid_t id, void *data)
{
	struct fixture *fixture = data;

	/* Found until its allocator has it back, and so in the text. */
	assert_int_equal(LINES(dump(fixture), "5", "live", "refs 0"), id == 5);
	assert_int_equal(LINES(dump(fixture), "6", "live", "refs 1"), 1);
}

/* An ID whose last reference is gone, while its allocator is called. */
static void closed(struct fixture *fixture)
{
	struct ioasid_allocator_ops ops = { host_alloc, dump_and_free, fixture,
					    NULL };

	assert_int_equal(ioasid_space_register_allocator(fixture->space, &ops),
			 0);
	give(fixture, NULL, 5);
	give(fixture, NULL, 6);
	assert_int_equal(ioasid_space_free(fixture->space, 5), 0);
	assert_int_equal(LINES(dump(fixture), "5", "live"), 0);
	assert_int_equal(ioasid_space_unregister_allocator(
				 fixture->space, &ops, IOASID_UNREGISTER_KEEP),
			 1);
	ops.free = host_free;
	assert_int_equal(ioasid_space_free(fixture->space, 6), 0);
}

struct leaving {
	struct ioasid_space *space;
	struct ioasid_notifier notifier[4];
	unsigned int lines;
};

/* With the line of the first the two after it go. */
static void on_notifier(const char *line, void *arg)
{
	struct leaving *leaving = arg;

	if (!strstr(line, " notifier "))
		return;
	/* Each of those that stay, in the order in which they are told. */
	CHECK(has_word(line, leaving->lines ? "priority -7" : "priority 0"));
	if (leaving->lines++)
		return;
	for (unsigned int i = 1; i < 3; i++)
		CHECK(!ioasid_space_unregister_notifier(leaving->space,
							&leaving->notifier[i]));
}

static void enlist_four(struct leaving *leaving)
{
	leaving->notifier[3].priority = -7;
	for (unsigned int i = 0; i < 4; i++) {
		leaving->notifier[i].notify = told;
		CHECK(!ioasid_space_register_notifier(leaving->space, NULL,
						      &leaving->notifier[i]));
	}
}

/* Those that are left. */
static void delist_two(struct leaving *leaving)
{
	for (unsigned int i = 0; i < 4; i += 3)
		CHECK(!ioasid_space_unregister_notifier(leaving->space,
							&leaving->notifier[i]));
}

static void notifiers_leave(struct fixture *fixture)
{
	struct leaving leaving = { .space = fixture->space };

	enlist_four(&leaving);
	ioasid_space_dump(fixture->space, on_notifier, &leaving);
	assert_int_equal(leaving.lines, 2);
	delist_two(&leaving);
}

#if TEST_FORKS
/* Seconds after which a child has hung. */
enum { CHILD_HANG = 60 };

struct stopping {
	struct ioasid_space *space;
	struct gate gate;
};

static void stop_at_notifier(const char *line, void *arg)
{
	struct stopping *stopping = arg;

	if (!strstr(line, " notifier ") ||
	    ioasid_load_relaxed(&stopping->gate.reached))
		return;
	ioasid_store_release(&stopping->gate.reached, 1);
	wait_for(&stopping->gate.open);
}

static void do_dump(void *arg)
{
	struct stopping *stopping = arg;

	ioasid_space_dump(stopping->space, stop_at_notifier, stopping);
}

/* With the memory of threads that are not there any more. */
static void *use_stack(void *arg)
{
	unsigned char bytes[32768];

	memset(bytes, 0xdd, sizeof(bytes));
	*(unsigned char *)arg = *(volatile unsigned char *)&bytes[77];
	return NULL;
}

struct forking {
	struct leaving leaving;
	pid_t child;
};

static void fork_at_notifier(const char *line, void *arg)
{
	struct forking *forking = arg;

	if (strstr(line, " notifier ") && !forking->leaving.lines) {
		fflush(NULL);
		forking->child = fork();
		CHECK(forking->child >= 0);
		if (!forking->child)
			alarm(CHILD_HANG);
	}
	on_notifier(line, &forking->leaving);
}

/* Parent and child both go on where they are. */
static void fork_in_a_dump(struct fixture *fixture)
{
	struct forking forking = { .leaving.space = fixture->space };
	int status;

	enlist_four(&forking.leaving);
	ioasid_space_dump(fixture->space, fork_at_notifier, &forking);
	CHECK(forking.leaving.lines == 2);
	delist_two(&forking.leaving);
	if (!forking.child) {
		CHECK(!ioasid_space_destroy(fixture->space));
		_exit(0);
	}
	CHECK(waitpid(forking.child, &status, 0) == forking.child);
	assert_int_equal(status, 0);
}

/* In the child no thread is at any place in the line. */
static void fork_around_a_dump(struct fixture *fixture)
{
	struct stopping stopping = { .space = fixture->space };
	struct ioasid_notifier notifier[3];
	unsigned char byte = 0;
	struct actor actor;
	pthread_t thread;
	pid_t child;
	int status;

	if (!TEST_CHILD_THREADS)
		skip();
	memset(notifier, 0, sizeof(notifier));
	for (unsigned int i = 0; i < 3; i++) {
		notifier[i].notify = told;
		assert_int_equal(ioasid_space_register_notifier(
					 fixture->space, NULL, &notifier[i]),
				 0);
	}
	actor_begin(&actor);
	actor_start(&actor, do_dump, &stopping);
	wait_for(&stopping.gate.reached);
	fflush(NULL);
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		alarm(CHILD_HANG);
		CHECK(!pthread_create(&thread, NULL, use_stack, &byte));
		CHECK(!pthread_join(thread, NULL));
		CHECK(byte == 0xdd);
		for (unsigned int i = 0; i < 3; i++)
			CHECK(!ioasid_space_unregister_notifier(fixture->space,
								&notifier[i]));
		CHECK(LINES(dump(fixture), "notifier") == 0);
		CHECK(!ioasid_space_destroy(fixture->space));
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child);
	assert_int_equal(status, 0);
	ioasid_store_release(&stopping.gate.open, 1);
	actor_end(&actor);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(ioasid_space_unregister_notifier(
					 fixture->space, &notifier[i]),
				 0);
}
#endif

/* collect() looks at each character. */
static void names_are_harmless(struct fixture *fixture)
{
	struct ioasid_set_config set_config = { .quota = UINT32_MAX };
	char name[IOASID_NAME_SIZE];
	struct ioasid_space_config config;
	struct ioasid_set *set;
	struct text *text;
	ioasid_t id;
	int c;

	for (c = 1; c < 160; c++) {
		memset(name, c, sizeof(name) - 1);
		name[sizeof(name) - 1] = '\0';
		fixture_space_config(fixture, &config, INVALID_IOASID - 2,
				     INVALID_IOASID);
		config.name = name;
		reset(fixture, &config);
		set_config.name = name;
		set_config.token = (void *)UINTPTR_MAX;
		assert_int_equal(ioasid_set_create(fixture->space, &set_config,
						   &set),
				 0);
		assert_int_equal(ioasid_space_alloc(fixture->space, set, 0,
						    INVALID_IOASID,
						    (void *)UINTPTR_MAX, &id),
				 0);
		assert_int_equal(ioasid_spid_attach(fixture->space, id,
						    INVALID_IOASID - 1),
				 0);
		text = dump(fixture);
		assert_int_equal(text->count, 3 + 1 + 1);
		/* All of it is there: the longest line is not cut off. */
		assert_non_null(strstr(text->line[4], "spid 4294967294"));
		assert_non_null(strstr(text->line[4],
				       sizeof(void *) == 8 ?
					       "data 0xffffffffffffffff" :
					       "data 0xffffffff"));
	}
}

/* Outside of the lock: whatever does not wait may be called. */
struct busy {
	struct fixture *fixture;
	unsigned int lines, depth;
};

static void on_line(const char *line, void *arg)
{
	struct busy *busy = arg;
	struct ioasid_space *space = busy->fixture->space;
	struct ioasid_set *set;
	struct ioasid_stats now;
	ioasid_t id;
	int ret;

	CHECK(*line);
	busy->lines++;
	/* In a section nothing that turned is used twice. */
	ret = ioasid_set_create(space, NULL, &set);
	CHECK(!ret || ret == -EAGAIN);
	if (ret)
		set = NULL;
	ret = ioasid_space_alloc(space, set, 600, 1023, NULL, &id);
	CHECK(!ret || ret == -EAGAIN);
	ioasid_space_stats(space, &now);
	CHECK(now.live > 0);
	/* Those of the walk go under it. */
	(void)ioasid_space_free(space, busy->lines * 10 % 600);
	if (!ret)
		CHECK(!ioasid_space_free(space, id));
	if (set)
		CHECK(!ioasid_set_destroy(space, set));
	CHECK(ioasid_space_validate(space, NULL));
	if (!busy->depth++)
		ioasid_space_dump(space, on_line, busy);
	busy->depth--;
}

static void calls_from_inside(struct fixture *fixture)
{
	struct busy busy = { .fixture = fixture };
	unsigned int n;

	for (n = 100; n < 500; n++)
		give(fixture, NULL, n);
	ioasid_rcu_read_lock(fixture->rcu);
	/* A nested dump for each line. */
	busy.depth = 1;
	ioasid_space_dump(fixture->space, on_line, &busy);
	ioasid_rcu_read_unlock(fixture->rcu);
	assert_in_range(busy.lines, 300, 420);
	assert_int_equal(ioasid_rcu_synchronize(fixture->rcu), 0);
	for (n = 100; n < 500; n++)
		(void)ioasid_space_free(fixture->space, n);
	for (n = 0; n < 20; n++)
		give(fixture, NULL, 101 + 10 * n);
	busy.lines = busy.depth = 0;
	ioasid_space_dump(fixture->space, on_line, &busy);
	assert_true(busy.lines > 20 * 20);
}

static void without_memory(struct fixture *fixture)
{
	struct text *text;
	ioasid_t n;

	for (n = 0; n < 300; n++)
		give(fixture, NULL, 3 * n);
	fixture->memory.fail_all = true;
	text = dump(fixture);
	fixture->memory.fail_all = false;
	assert_int_equal(text->count, 3 + 300);
	for (n = 0; n < 300; n++)
		assert_int_equal(strtoul(text->line[3 + n], NULL, 10), 3 * n);
}

/* Others dump, while IDs, sets and SPIDs come and go. */
enum { DUMPERS = 3, ROUNDS = TEST_LIGHT ? 40 : 150 };

struct dumper {
	struct fixture *fixture;
	ioasid_atomic_u32 *end;
	pthread_t thread;
	unsigned int dumps;
	bool stays;
};

/* What lasts is in each. */
static void on_any(const char *line, void *arg)
{
	struct dumper *dumper = arg;

	CHECK(strlen(line) < 256);
	if (!strncmp(line, "  1023 live", 11))
		dumper->stays = true;
}

static void *dump_often(void *arg)
{
	struct dumper *dumper = arg;
	struct ioasid_space *space = dumper->fixture->space;

	CHECK(!ioasid_rcu_thread_register(ioasid_space_rcu(space)));
	do {
		dumper->stays = false;
		ioasid_space_dump(space, on_any, dumper);
		CHECK(dumper->stays);
		dumper->dumps++;
		ioasid_rcu_quiescent(ioasid_space_rcu(space));
	} while (!ioasid_load_acquire(dumper->end));
	CHECK(!ioasid_rcu_thread_unregister(ioasid_space_rcu(space)));
	return NULL;
}

static void threads(struct fixture *fixture)
{
	struct ioasid_notifier notifier = { .notify = told };
	struct dumper dumper[DUMPERS];
	struct test_random random = { 47 };
	struct ioasid_set *set;
	ioasid_atomic_u32 end;
	ioasid_t id[40];
	unsigned int i, n;
	int ret;

	give(fixture, NULL, 1023);
	memset(&end, 0, sizeof(end));
	for (i = 0; i < DUMPERS; i++) {
		dumper[i] = (struct dumper){ .fixture = fixture, .end = &end };
		CHECK(!pthread_create(&dumper[i].thread, NULL, dump_often,
				      &dumper[i]));
	}
	for (n = 0; n < ROUNDS; n++) {
		do {
			ret = ioasid_set_create(fixture->space, NULL, &set);
			ioasid_rcu_quiescent(fixture->rcu);
		} while (ret == -EAGAIN);
		CHECK(!ret);
		CHECK(!ioasid_space_register_notifier(fixture->space, set,
						      &notifier));
		for (i = 0; i < ARRAY_SIZE(id); i++) {
			do {
				ret = ioasid_space_alloc(
					fixture->space, set,
					test_below(&random, 900),
					INVALID_IOASID, NULL, &id[i]);
				ioasid_rcu_quiescent(fixture->rcu);
			} while (ret == -EAGAIN);
			CHECK(!ret);
			do {
				ret = ioasid_spid_attach(fixture->space, id[i],
							 i);
				ioasid_rcu_quiescent(fixture->rcu);
			} while (ret == -EAGAIN);
			CHECK(!ret);
		}
		CHECK(!ioasid_set_free_all(fixture->space, set, NULL));
		CHECK(!ioasid_set_destroy(fixture->space, set));
	}
	ioasid_store_release(&end, 1);
	ioasid_rcu_thread_offline(fixture->rcu);
	for (i = 0; i < DUMPERS; i++) {
		CHECK(!pthread_join(dumper[i].thread, NULL));
		assert_true(dumper[i].dumps > 0);
	}
	ioasid_rcu_thread_online(fixture->rcu);
}

int main(void)
{
	static const struct test_case cases[] = {
		CASE(names_everything, PER_STORE),
		CASE(allocators, PER_STORE | PER_FLAVOUR),
		CASE(allocators_leave, PER_STORE),
		CASE(closed, PER_STORE),
		CASE(notifiers_leave, PER_STORE),
#if TEST_FORKS
		CASE(fork_in_a_dump, PER_STORE),
		CASE(fork_around_a_dump, PER_STORE),
#endif
		CASE(names_are_harmless, PER_STORE),
		CASE(calls_from_inside, PER_STORE | PER_FLAVOUR),
		CASE(without_memory, PER_STORE),
		CASE(threads, PER_STORE | PER_FLAVOUR | THREADS),
	};

	return test_run("dump", cases, ARRAY_SIZE(cases));
}
