/* SPDX-License-Identifier: MIT */
/*
 * Writes cases from the executable model:
 *   generate CORPUS OUTPUT
 * OUTPUT/generated-fuzz.txt has what the inputs in the directory CORPUS say, as
 * fuzz/api/harness.c decodes them, OUTPUT/generated-NAME.txt random sequences, each
 * with operations of one topic before others. The same always gives the same
 * bytes.
 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "bindings/conformance/scribe.h"

#include "fuzz/target.h"

#include <dirent.h>

/* Lines of a case: of inputs, of random sequences; fewer than LEAST say little. */
#define INPUT_LINES 40
#define RANDOM_LINES 32
#define LEAST 9

#define RANDOM_CASES 25

/* Pairs of calls and results that a case has to have before others. */
#define INPUT_NEW 2
#define RANDOM_NEW 2

_Noreturn static void give_up(const char *what, const char *path)
{
	fprintf(stderr, "generate: %s%s\n", what, path);
	exit(2);
}

/* The file that is written, and what its cases say */

static FILE *output;
static size_t cases;
static bool seen[1 << 16];

static void begin_file(const char *directory, const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/generated-%s.txt", directory, name);
	output = fopen(path, "w");
	if (!output)
		give_up("cannot write ", path);
	cases = 0;
	memset(seen, 0, sizeof(seen));
	fprintf(output,
		"# SPDX-License-Identifier: MIT\n"
		"# Not to be edited; bindings/conformance/generate.c wrote it:\n"
		"#     ./bazelw run //bindings/conformance:generate -- "
		"$PWD/fuzz/corpora/api $PWD/bindings/conformance/cases\n");
}

static void end_file(void)
{
	fprintf(output, "\nend %zu\n", cases);
	if (fclose(output))
		give_up("cannot write", "");
}

/* A number for what a line calls and what comes of it, without the values. */
static uint32_t kind_of(const char *line)
{
	const char *arrow = strstr(line, " -> ");
	const char *end = strchr(line, '\n');
	uint32_t kind = 0;

	for (const char *at = line; at < end && *at != ' '; at++)
		kind = kind * 31 + (unsigned char)*at;
	if (!arrow || arrow > end)
		return kind;
	for (const char *at = arrow + 4; at < end && *at != ' '; at++)
		kind = kind * 31 + (unsigned char)*at;
	return kind;
}

/* How many pairs of kinds follow each other in @text that no case had before. */
static size_t count_new(const char *text, bool mark)
{
	size_t count = 0;
	const char *next;

	for (; (next = strchr(text, '\n')) && next[1]; text = next + 1) {
		uint32_t pair =
			(kind_of(text) * 0x9e3779b1u ^ kind_of(next + 1)) *
				0x85ebca6bu >>
			16;

		count += !seen[pair];
		seen[pair] |= mark;
	}
	return count;
}

/*
 * Ends the case that the scribe has begun, and writes it if it is not too short
 * and says enough that was not said before.
 */
static void end_case(const char *prefix, const char *name, size_t least_new)
{
	bool narrow;
	size_t lines;
	char *text = scribe_end(&lines, &narrow);

	if (lines >= LEAST && count_new(text, false) >= least_new) {
		count_new(text, true);
		cases++;
		fprintf(output, "\ncase %s%s%s\n%s", prefix, name,
			narrow ? " stores=radix,hash" : "", text);
	}
	free(text);
}

/* Inputs of the fuzzer */

static const char *input_name;

/* The steps of an input that ran through, before the harness takes back all. */
static void write_input(void)
{
	const struct harness_config *of = &harness.config;
	const struct scribe_config config = {
		.min = of->min,
		.max = of->max,
		.reuse = of->reuse,
		.quarantine = of->quarantine,
		.capacity = of->capacity,
	};
	const struct side *side = &harness.side[0];
	char name[9];

	scribe_begin(&config, INPUT_LINES);
	for (size_t i = 0; i < side->count; i++)
		if (!scribe_step(&side->log[i].step))
			break;
	/* Seeds have names, the others long numbers. */
	if (!strncmp(input_name, "seed-", 5)) {
		end_case("", input_name, INPUT_NEW);
		return;
	}
	snprintf(name, sizeof(name), "%.8s", input_name);
	end_case("input-", name, INPUT_NEW);
}

_Noreturn void fuzz_failed(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, what);
	give_up("a mismatch in ", input_name);
}

static void read_input(const char *directory, const char *name)
{
	static uint8_t data[1 << 20];
	char path[4096];
	FILE *file;
	size_t size;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "rb");
	if (!file)
		give_up("cannot read ", path);
	size = fread(data, 1, sizeof(data), file);
	fclose(file);
	input_name = name;
	harness_run(data, size);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void write_inputs(const char *corpus, const char *directory)
{
	struct dirent **entries;
	int count = scandir(corpus, &entries, NULL, by_name);

	if (count < 0)
		give_up("cannot read ", corpus);
	harness_ran = write_input;
	begin_file(directory, "fuzz");
	for (int i = 0; i < count; i++) {
		if (entries[i]->d_name[0] != '.')
			read_input(corpus, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	end_file();
}

/* Random sequences */

static uint64_t random_state;

/* SplitMix64, Steele et al. (2014). */
static uint64_t next_random(void)
{
	uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint32_t below(uint32_t limit)
{
	return (uint32_t)((next_random() >> 32) * limit >> 32);
}

static bool one_in(uint32_t times)
{
	return !below(times);
}

/* Ranges of spaces: small, so that they are full soon; at the ends; wide. */
static const struct {
	ioasid_t min, max;
} ranges[] = {
	{ 0, 15 },
	{ 1, 8 },
	{ 0, 63 },
	{ 60, 70 },
	{ 0, 255 },
	{ 1000, 70000 },
	{ 5, 1048580 },
	{ 4294967280, 4294967294 },
	{ 0, 3 },
	{ 0, 4294967294 },
	{ 2147483640, 2147483660 },
};

static const struct model_entry *random_entry(void)
{
	const struct model *model = scribe_model();

	return model->count ? &model->entry[below((uint32_t)model->count)] :
			      NULL;
}

/* One there is, as a rule. */
static ioasid_t random_id(void)
{
	const struct model *model = scribe_model();
	uint32_t ids = model->max - model->min;

	if (model->count && !one_in(6))
		return random_entry()->id;
	if (one_in(8))
		return one_in(2) ? model->min - 1 : model->max + 1;
	return model->min + below(one_in(4) || ids < 5 ? ids + 1 : 5);
}

static void random_range(struct step *step)
{
	ioasid_t end;

	step->id = 0;
	step->max = UINT32_MAX;
	switch (below(8)) {
	case 0:
		step->id = step->max = random_id();
		break;
	case 1:
		step->id = random_id();
		step->max = random_id();
		break;
	case 2:
	case 3:
		step->id = random_id();
		end = step->id + below(20);
		step->max = end < step->id ? UINT32_MAX : end;
		break;
	case 4:
		step->id = scribe_model()->min;
		step->max = scribe_model()->max;
		break;
	default:
		break;
	}
}

static uint32_t random_set(void)
{
	return one_in(30) ? SET_FOREIGN : one_in(3) ? SET_NONE : 1 + below(3);
}

/* An ID in @state, if a few looks find one. */
static ioasid_t id_in(enum model_state state)
{
	const struct model_entry *entry = random_entry();

	for (int i = 0; entry && entry->state != state && i < 8; i++)
		entry = random_entry();
	return entry && !one_in(6) ? entry->id : random_id();
}

/* Who asks for an ID: anybody, its owner or another. */
static uint32_t asking_set(ioasid_t id)
{
	const struct model_entry *entry = model_entry(scribe_model(), id);

	if (!one_in(3))
		return SET_NONE;
	if (one_in(3) || !entry || !entry->set)
		return random_set();
	return scribe_set(entry->set);
}

/* A SPID there is, and its set, as a rule. */
static void random_spid(struct step *step)
{
	const struct model_entry *entry = random_entry();

	step->set = 1 + below(3);
	step->spid = one_in(12) ? UINT32_MAX - below(3) : below(6);
	for (int i = 0; entry && entry->spid == INVALID_IOASID && i < 5; i++)
		entry = random_entry();
	if (one_in(4) || !entry || entry->spid == INVALID_IOASID)
		return;
	step->set = scribe_set(entry->set);
	step->spid = entry->spid;
}

/* What a step of one kind is told, beside the operation. */
static struct step random_step(enum step_op op)
{
	static const uint32_t many[] = { 2, 3, 5, 32764, 32765 };
	struct step step = { .op = op, .id = random_id() };

	switch (op) {
	case STEP_ALLOC:
	case STEP_ALLOC_CYCLIC:
	case STEP_RESERVE_ID:
		step.number = one_in(10) ? 0 : 1 + below(999);
		/* fall through */
	case STEP_NEXT:
	case STEP_FOR_EACH:
		step.set = random_set();
		random_range(&step);
		break;
	case STEP_RELEASE_ID:
		step.id = id_in(MODEL_RESERVED);
		break;
	case STEP_PUBLISH_ID:
		step.id = id_in(MODEL_RESERVED);
		/* fall through */
	case STEP_EXCHANGE_DATA:
	case STEP_SET_DATA:
		step.number = one_in(10) ? 0 : 1 + below(999);
		break;
	case STEP_GET_MANY:
	case STEP_PUT_MANY:
		step.number = many[below(5)];
		break;
	case STEP_FIND:
	case STEP_GET:
	case STEP_REMOVE:
		step.set = asking_set(step.id);
		break;
	case STEP_HANDLE:
		step.slot = below(3);
		step.set = one_in(3) ? asking_set(step.id) : SET_NONE;
		break;
	case STEP_FIND_HANDLE:
	case STEP_GET_HANDLE:
		step.set = one_in(3) ? random_set() : SET_NONE;
		/* fall through */
	case STEP_FREE_HANDLE:
		step.slot = below(3);
		break;
	case STEP_CAPACITY:
	case STEP_RESERVE:
	case STEP_UNRESERVE:
		step.number = one_in(12) ? UINT32_MAX : below(12);
		break;
	case STEP_SET_CREATE:
		step.slot = below(SEQUENCE_MADE);
		/* fall through */
	case STEP_SET_BIND:
	case STEP_SET_LIMIT:
		step.set = 1 + below(3);
		step.quota = one_in(2) ? 0 : 1 + below(6);
		step.reserved = one_in(2) ? 0 : below(6);
		step.token = below(4);
		step.name = one_in(3) ? 1 + below(34) : 0;
		break;
	case STEP_SET_DESTROY:
	case STEP_SET_FREE_ALL:
		step.set = 1 + below(3);
		break;
	case STEP_SET_BY_TOKEN:
		step.token = 1 + below(4);
		break;
	case STEP_SPID_ATTACH:
		step.spid = one_in(12) ? UINT32_MAX - below(3) : below(6);
		break;
	case STEP_SPID_FIND:
		random_spid(&step);
		break;
	case STEP_SNAPSHOT:
		step.number = below(1000);
		break;
	default:
		break;
	}
	if (op == STEP_FIND || op == STEP_FIND_HANDLE || op == STEP_SPID_FIND)
		step.getter = one_in(6) ? GETTER_NO : GETTER_NONE;
	return step;
}

#define TOPIC_OPS 12

/* A topic: operations, each as often as it stands here; half of all lines. */
struct topic {
	const char *name;
	enum step_op op[TOPIC_OPS];
	bool quarantine;
};

/* Each list ends with STEP_ALLOC, which is 0. */
static const struct topic topics[] = {
	{ "ids",
	  { STEP_FREE, STEP_FIND, STEP_REMOVE, STEP_FREE_ALL,
	    STEP_EXCHANGE_DATA, STEP_SET_DATA, STEP_STATS, STEP_TRIM },
	  false },
	{ "references",
	  { STEP_GET, STEP_GET, STEP_PUT, STEP_PUT, STEP_FREE, STEP_GET_MANY,
	    STEP_PUT_MANY, STEP_REMOVE, STEP_FIND },
	  false },
	{ "handles",
	  { STEP_HANDLE, STEP_HANDLE, STEP_FIND_HANDLE, STEP_FIND_HANDLE,
	    STEP_GET_HANDLE, STEP_FREE_HANDLE, STEP_FREE, STEP_PUT },
	  false },
	{ "sets",
	  { STEP_SET_BIND, STEP_SET_CREATE, STEP_SET_DESTROY, STEP_SET_OF,
	    STEP_SET_BY_TOKEN, STEP_SET_FREE_ALL, STEP_FIND, STEP_FREE },
	  false },
	{ "limits",
	  { STEP_SET_BIND, STEP_SET_LIMIT, STEP_SET_LIMIT, STEP_CAPACITY,
	    STEP_RESERVE, STEP_UNRESERVE, STEP_FREE, STEP_STATS },
	  false },
	{ "reserved",
	  { STEP_RESERVE_ID, STEP_RESERVE_ID, STEP_RESERVE_ID, STEP_PUBLISH_ID,
	    STEP_PUBLISH_ID, STEP_RELEASE_ID, STEP_FIND, STEP_FREE, STEP_GET },
	  false },
	{ "spids",
	  { STEP_SPID_ATTACH, STEP_SPID_ATTACH, STEP_SPID_ATTACH,
	    STEP_SPID_DETACH, STEP_SPID_OF, STEP_SPID_FIND, STEP_SPID_FIND,
	    STEP_FREE },
	  false },
	{ "cursors",
	  { STEP_ALLOC_CYCLIC, STEP_ALLOC_CYCLIC, STEP_ALLOC_CYCLIC,
	    STEP_ALLOC_CYCLIC, STEP_FREE, STEP_FREE },
	  false },
	{ "walks",
	  { STEP_FOR_EACH, STEP_FOR_EACH, STEP_NEXT, STEP_NEXT, STEP_FREE,
	    STEP_GET, STEP_RESERVE_ID },
	  false },
	{ "quarantine",
	  { STEP_FREE, STEP_FREE, STEP_FREE, STEP_READ_LOCK, STEP_READ_UNLOCK,
	    STEP_READ_UNLOCK, STEP_SYNCHRONIZE, STEP_FIND },
	  true },
	{ "sections",
	  { STEP_READ_LOCK, STEP_READ_UNLOCK, STEP_SYNCHRONIZE, STEP_BARRIER,
	    STEP_SET_DATA, STEP_DESTROY, STEP_FREE, STEP_FIND },
	  false },
	{ "snapshots",
	  { STEP_SNAPSHOT, STEP_SPID_ATTACH, STEP_SET_BIND, STEP_GET, STEP_FREE,
	    STEP_RESERVE, STEP_EXCHANGE_DATA },
	  false },
};

static enum step_op random_op(const struct topic *topic)
{
	static const enum step_op any[] = {
		STEP_FREE,  STEP_FIND,	 STEP_FIND,
		STEP_GET,   STEP_PUT,	 STEP_EXCHANGE_DATA,
		STEP_STATS, STEP_SET_OF, STEP_NEXT,
	};
	struct ioasid_stats stats;
	size_t count = 0;
	bool full;

	model_stats(scribe_model(), &stats);
	full = stats.committed == stats.capacity;
	if (one_in(4))
		return any[below(sizeof(any) / sizeof(any[0]))];
	if (one_in(4))
		return full && !one_in(4) ? STEP_FREE : STEP_ALLOC;
	while (count < TOPIC_OPS && topic->op[count] != STEP_ALLOC)
		count++;
	return topic->op[below((uint32_t)count)];
}

static void write_topic(const struct topic *topic, const char *directory)
{
	static const uint32_t capacities[] = { 0, 0, 1, 3, 6 };

	begin_file(directory, topic->name);
	for (uint32_t i = 0; cases < RANDOM_CASES; i++) {
		uint32_t range = below(sizeof(ranges) / sizeof(ranges[0]));
		size_t lines = RANDOM_LINES / 2 + below(RANDOM_LINES / 2 + 1);
		struct scribe_config config = {
			.min = ranges[range].min,
			.max = ranges[range].max,
		};
		char name[16];
		struct step step;

		/* One after the other: in an initializer the order is open. */
		config.reuse = one_in(4) ? IOASID_REUSE_CYCLIC :
					   IOASID_REUSE_LOWEST;
		config.quarantine = one_in(12) || topic->quarantine;
		config.capacity = capacities[below(5)];
		scribe_begin(&config, lines);
		for (uint32_t n = 2 + below(3); n; n--) {
			step = random_step(STEP_ALLOC);
			step.id = 0;
			step.max = UINT32_MAX;
			scribe_step(&step);
		}
		do {
			step = random_step(random_op(topic));
			if (step.op == STEP_READ_LOCK && scribe_depth() == 2)
				step.op = STEP_READ_UNLOCK;
		} while (scribe_step(&step));
		snprintf(name, sizeof(name), "%u", i);
		end_case("random-", name, RANDOM_NEW);
	}
	end_file();
}

int main(int argc, char **argv)
{
	if (argc != 3)
		give_up("CORPUS OUTPUT", "");
	write_inputs(argv[1], argv[2]);
	for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
		/* A topic that changes leaves the others as they are. */
		random_state = UINT64_C(0x10a51d) * (i + 1);
		write_topic(&topics[i], argv[2]);
	}
	return 0;
}
