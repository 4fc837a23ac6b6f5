/* SPDX-License-Identifier: MIT */
/*
 * Snapshots: bytes as they come, or with magic number, version, size and
 * checksum made right; or the snapshot of a space made by calls, changed field
 * by field. They are restored into a space of any store, with anything in its
 * way, and it is what docs/snapshot.md says by a reader of its own: check.h.
 */
#include <setjmp.h>

#include "fuzz/input.h"
#include "fuzz/target.h"

#undef CHECK
#define CHECK(condition)                                              \
	do {                                                          \
		if (!(condition))                                     \
			check_failed(__FILE__, __LINE__, #condition); \
	} while (0)

_Noreturn static void check_failed(const char *file, int line,
				   const char *what);

#include "fuzz/snapshot/check.h"
#include "fuzz/snapshot/source.h"

enum mode { MODE_RAW, MODE_MENDED, MODE_BUILT, MODES };
enum mend { MEND_ALL, MEND_CHECKSUM, MEND_NOTHING, MENDS };

/* Of the source's snapshot, before it is restored. */
enum change_kind {
	CHANGE_HEADER,
	CHANGE_SET,
	CHANGE_ID,
	CHANGE_REPEAT_ID,
	CHANGE_DROP_ID,
	CHANGE_SWAP_IDS,
	CHANGE_REPEAT_SET,
	CHANGE_DROP_SET,
	CHANGE_CUT,
	CHANGE_GROW,
	CHANGE_BIT,
	CHANGE_KINDS
};

enum how { HOW_SET, HOW_ADD, HOW_XOR, HOW_OTHER, HOWS };

struct change {
	enum change_kind kind;
	enum how how;
	uint32_t record, field, value;
};

struct call {
	enum source_op op;
	uint32_t a, b, c;
};

enum { CALLS = 96, CHANGES = 16, ROOM = 1 << 15 };

static struct plan {
	enum mode mode;
	enum mend mend;
	struct setup setup;
	struct origin origin;
	struct call call[CALLS];
	uint32_t calls;
	struct change change[CHANGES];
	uint32_t changes;
} plan;

/* What is restored: the input itself, or what the plan makes. */
static uint8_t *raw;
static size_t raw_size;
static uint8_t built[ROOM];
static size_t built_size;

/* How far the run came. */
static enum stage { STAGE_NONE, STAGE_SOURCE, STAGE_RESTORE } stage;

/* While the plan is made smaller a failure only says that there is one. */
static jmp_buf *retry;

/* What a sanitizer found is printed as it is, and not run again. */
static bool mismatch;

_Noreturn static void check_failed(const char *file, int line, const char *what)
{
	if (retry)
		longjmp(*retry, 1);
	mismatch = true;
	fuzz_failed(file, line, what);
}

static uint32_t number(struct input *input)
{
	static const char *const names[] = {
		"zero",	     "one",	   "two",
		"none",	     "last",	   "refs_max",
		"refs_over", "generation", "generation_over",
		"sets_max",  "byte",	   "word",
		"half",
	};

	switch (input_choice(input, "number", names,
			     sizeof(names) / sizeof(names[0]))) {
	case 0:
		return 0;
	case 1:
		return 1;
	case 2:
		return 2;
	case 3:
		return INVALID_IOASID;
	case 4:
		return INVALID_IOASID - 1;
	case 5:
		return IOASID_REFS_MAX;
	case 6:
		return IOASID_REFS_MAX + 1;
	case 7:
		return IOASID_GENERATION_MASK;
	case 8:
		return (IOASID_GENERATION_MASK + 1) & UINT32_MAX;
	case 9:
		return IOASID_SETS_MAX + 1;
	case 10:
		return input_u8(input, "value");
	case 11:
		return input_u32(input, "value");
	default:
		return UINT32_C(1) << 31;
	}
}

static void decode_setup(struct input *input, struct setup *setup)
{
	static const char *const stores[] = { "radix", "bitmap", "hash" };
	static const char *const ranges[RANGES] = { "all", "64", "1000" };
	static const char *const states[STATES] = {
		"empty",       "live",	      "pending", "set",	   "aside",
		"unpublished", "quarantined", "used",	 "reader",
	};
	static const char *const codecs[CODECS] = { "all", "none", "data",
						    "tokens" };
	static const char *const sets[SETS_KINDS] = { "none", "static",
						      "second", "foreign" };
	uint32_t flags;

	*setup = (struct setup){ .codec = CODEC_ALL };
	setup->store =
		store_kinds[input_last_choice(input, "store", stores, 3)];
	flags = input_last_u8(input, "flags");
	setup->allocator = flags & 1;
	setup->cyclic = flags & 2;
	setup->quarantine = flags & 4;
	setup->capacity = flags & 8 ? 5 : flags & 16 ? 40 : 0;
	setup->range =
		(enum range)input_last_choice(input, "range", ranges, RANGES);
	setup->state =
		(enum state)input_last_choice(input, "state", states, STATES);
	setup->codec = (enum codec_kind)input_last_choice(input, "codec",
							  codecs, CODECS);
	setup->sets =
		(enum sets)input_last_choice(input, "sets", sets, SETS_KINDS);
	setup->fail_memory = input_last_u8(input, "fail_memory");
	setup->fail_decode = input_last_u8(input, "fail_decode");
	setup->fail_token = input_last_u8(input, "fail_token");
}

static void decode_origin(struct input *input, struct origin *origin)
{
	static const char *const stores[] = { "radix", "bitmap", "hash" };
	static const char *const bases[] = { "0", "2", "middle", "high" };
	static const ioasid_t base[] = { 0, 2, 0x7fffffe0, 0xffffff00 };
	uint32_t flags;

	origin->store =
		store_kinds[input_last_choice(input, "from_store", stores, 3)];
	origin->base = base[input_last_choice(input, "from_base", bases, 4)];
	flags = input_last_u8(input, "from_flags");
	origin->cyclic = flags & 1;
	origin->quarantine = flags & 2;
	origin->allocator = flags & 4;
	origin->notifier = flags & 8;
}

static void decode_raw(struct input *input)
{
	size_t room = 0;

	/* How many there are nobody knows, where the input is a text. */
	for (raw_size = 0; input_left(input); raw_size++) {
		if (raw_size == room) {
			room = room ? 2 * room : 64;
			raw = realloc(raw, room);
			CHECK(raw);
		}
		raw[raw_size] = (uint8_t)input_u8(input, "byte");
		if (raw_size % 16 == 15)
			input_line(input);
	}
	input_line(input);
	raw = realloc(raw, raw_size ? raw_size : 1);
	CHECK(raw);
}

static bool decode_call(struct input *input)
{
	static const char *const names[SOURCE_OP_COUNT + 1] = {
#define X(name) #name,
		SOURCE_OPS(X)
#undef X
			"SNAPSHOT",
	};
	struct call *call = &plan.call[plan.calls];
	uint32_t op = input_choice(input, "op", names, SOURCE_OP_COUNT + 1);

	if (op == SOURCE_OP_COUNT)
		return false;
	*call = (struct call){ .op = (enum source_op)op };
	if (op == SOURCE_SYNCHRONIZE || op == SOURCE_TRIM) {
		plan.calls++;
		return true;
	}
	call->a = input_u8(input, "a");
	if (op == SOURCE_ATTACH)
		call->b = number(input);
	else if (op != SOURCE_FREE && op != SOURCE_PUT && op != SOURCE_DETACH &&
		 op != SOURCE_PUBLISH && op != SOURCE_RELEASE &&
		 op != SOURCE_DESTROY && op != SOURCE_ASIDE &&
		 op != SOURCE_UNASIDE)
		call->b = input_u8(input, "b");
	if (op == SOURCE_ALLOC || op == SOURCE_NEXT || op == SOURCE_MANY ||
	    op == SOURCE_SET || op == SOURCE_LIMIT)
		call->c = input_u8(input, "c");
	plan.calls++;
	return true;
}

static void decode_change(struct input *input)
{
	static const char *const kinds[CHANGE_KINDS] = {
		"header",  "set",      "id",	     "repeat_id",
		"drop_id", "swap_ids", "repeat_set", "drop_set",
		"cut",	   "grow",     "bit",
	};
	static const char *const header_names[HEADER_FIELDS] = {
		"magic", "version",  "crc",	   "size",   "sets",
		"ids",	 "reserved", "generation", "cursor", "zero",
	};
	static const char *const set_names[SET_FIELDS] = {
		"quota", "reserved", "token", "name", "count", "zero",
	};
	static const char *const id_names[ID_FIELDS] = {
		"id", "generation", "refs", "set", "data", "spid", "flags",
	};
	static const char *const hows[HOWS] = { "set", "add", "xor", "other" };
	struct change *change = &plan.change[plan.changes++];

	change->kind = (enum change_kind)input_choice(input, "change", kinds,
						      CHANGE_KINDS);
	if (change->kind == CHANGE_HEADER)
		change->field = input_choice(input, "field", header_names,
					     HEADER_FIELDS);
	else
		change->record = input_u8(input, "record");
	if (change->kind == CHANGE_SET)
		change->field =
			input_choice(input, "field", set_names, SET_FIELDS);
	if (change->kind == CHANGE_ID)
		change->field =
			input_choice(input, "field", id_names, ID_FIELDS);
	if (change->kind > CHANGE_ID) {
		change->value = input_u8(input, "value");
		return;
	}
	change->how = (enum how)input_choice(input, "how", hows, HOWS);
	if (change->how != HOW_OTHER)
		change->value = number(input);
}

static void decode_plan(struct input *input)
{
	static const char *const modes[MODES] = { "raw", "mended", "built" };
	static const char *const mends[MENDS] = { "all", "checksum",
						  "nothing" };

	plan.mode = (enum mode)input_last_choice(input, "mode", modes, MODES);
	decode_setup(input, &plan.setup);
	plan.calls = plan.changes = 0;
	if (plan.mode != MODE_BUILT) {
		input_line(input);
		decode_raw(input);
		return;
	}
	plan.mend = (enum mend)input_last_choice(input, "mend", mends, MENDS);
	decode_origin(input, &plan.origin);
	input_line(input);
	while (input_left(input) && plan.calls < CALLS && decode_call(input))
		input_line(input);
	input_line(input);
	while (input_left(input) && plan.changes < CHANGES) {
		decode_change(input);
		input_line(input);
	}
}

static uint64_t changed(const struct change *change, uint64_t old,
			uint64_t other)
{
	switch (change->how) {
	case HOW_SET:
		return change->value;
	case HOW_ADD:
		return old + change->value;
	case HOW_XOR:
		return old ^ change->value;
	default:
		return other;
	}
}

static void change_field(const struct change *change, uint8_t *record,
			 const uint8_t *other, struct field field)
{
	write_field(record, field,
		    changed(change, read_field(record, field),
			    read_field(other, field)));
}

static void insert(size_t at, size_t size)
{
	if (built_size + size > ROOM)
		return;
	memmove(built + at + size, built + at, built_size - at);
	built_size += size;
}

static void drop(size_t at, size_t size)
{
	memmove(built + at, built + at + size, built_size - at - size);
	built_size -= size;
}

static void change_ids(const struct change *change, uint32_t ids)
{
	size_t at = id_offset(built, change->record % ids);
	size_t last = id_offset(built, ids - 1);
	uint32_t set = id_get(built + at, I_SET);
	uint8_t swap[ID_BYTES];

	switch (change->kind) {
	case CHANGE_ID:
		change_field(change, built + at,
			     built + (at == last ? id_offset(built, 0) :
						   at + ID_BYTES),
			     id_fields[change->field]);
		break;
	case CHANGE_REPEAT_ID:
		insert(at, ID_BYTES);
		header_put(built, H_IDS, ids + 1);
		break;
	case CHANGE_DROP_ID:
		drop(at, ID_BYTES);
		header_put(built, H_IDS, ids - 1);
		/* Well-formed but for what was said of its set, or as well. */
		if (change->value % 2 || !set ||
		    set > header_get(built, H_SETS))
			break;
		set_put(built + set_offset(set - 1), S_COUNT,
			set_get(built + set_offset(set - 1), S_COUNT) - 1);
		break;
	default:
		if (at == last)
			break;
		memcpy(swap, built + at, ID_BYTES);
		memcpy(built + at, built + at + ID_BYTES, ID_BYTES);
		memcpy(built + at + ID_BYTES, swap, ID_BYTES);
		break;
	}
}

static void change_sets(const struct change *change, uint32_t sets)
{
	uint32_t number = change->record % sets;
	size_t at = set_offset(number);

	switch (change->kind) {
	case CHANGE_SET:
		change_field(change, built + at,
			     built + set_offset((number + 1) % sets),
			     set_fields[change->field]);
		break;
	case CHANGE_REPEAT_SET:
		/* Behind the others, and without IDs, or not. */
		at = set_offset(sets);
		insert(at, SET_BYTES);
		header_put(built, H_SETS, sets + 1);
		memcpy(built + at, built + set_offset(number), SET_BYTES);
		if (change->value % 2 == 0)
			set_put(built + at, S_COUNT, 0);
		if (change->value % 4 < 2)
			set_put(built + at, S_TOKEN, 0);
		break;
	default:
		drop(at, SET_BYTES);
		header_put(built, H_SETS, sets - 1);
		break;
	}
}

static void change_one(const struct change *change)
{
	uint32_t sets = header_get32(built, H_SETS);
	uint32_t ids = header_get32(built, H_IDS);

	switch (change->kind) {
	case CHANGE_HEADER:
		change_field(change, built, built + 4,
			     header_fields[change->field]);
		break;
	case CHANGE_SET:
	case CHANGE_REPEAT_SET:
	case CHANGE_DROP_SET:
		if (sets && counts_right(built, built_size) &&
		    built_size + SET_BYTES <= ROOM)
			change_sets(change, sets);
		break;
	case CHANGE_CUT:
		built_size -= change->value % built_size;
		break;
	case CHANGE_GROW:
		if (built_size + change->value > ROOM)
			break;
		memset(built + built_size, (int)change->record, change->value);
		built_size += change->value;
		break;
	case CHANGE_BIT:
		built[(change->record * 256 + change->value) % built_size] ^=
			(uint8_t)(1u << change->value % 8);
		break;
	default:
		if (ids && counts_right(built, built_size) &&
		    built_size + ID_BYTES <= ROOM)
			change_ids(change, ids);
		break;
	}
}

static void change_all(void)
{
	/* Fields of the header are looked at. */
	for (uint32_t i = 0; i < plan.changes && built_size >= HEADER_BYTES;
	     i++)
		change_one(&plan.change[i]);
	if (plan.mend == MEND_ALL)
		mend_all(built, built_size);
	else if (plan.mend == MEND_CHECKSUM)
		mend_checksum(built, built_size);
}

static struct source source;

/* The source's snapshot, changed; with no call none is made. */
static void build(void)
{
	uint8_t *bytes;

	stage = STAGE_SOURCE;
	source_begin(&source, &plan.origin);
	for (uint32_t i = 0; i < plan.calls; i++)
		source_do(&source, plan.call[i].op, plan.call[i].a,
			  plan.call[i].b, plan.call[i].c);
	bytes = source_snapshot(&source, &built_size);
	CHECK(built_size <= ROOM);
	memcpy(built, bytes, built_size);
	free(bytes);
	CHECK(ioasid_space_validate(source.target.space, NULL));
	source_end(&source);
	change_all();
}

static void restore(bool kept)
{
	uint8_t *bytes = raw;
	size_t size = raw_size;

	stage = STAGE_RESTORE;
	if (plan.mode == MODE_BUILT) {
		size = built_size;
		bytes = malloc(size ? size : 1);
		CHECK(bytes);
		memcpy(bytes, built, size);
	}
	/* Handles say nothing of a snapshot that was changed. */
	kept = kept && plan.mode == MODE_BUILT && !plan.changes;
	snapshot_check(&plan.setup, bytes, size, source.kept,
		       kept ? source.keeps : 0);
	if (plan.mode == MODE_BUILT)
		free(bytes);
}

static void run(const uint8_t *data, size_t size)
{
	struct input input;

	stage = STAGE_NONE;
	/* Kept until now for print(). */
	free(raw);
	raw = NULL;
	input_begin(&input, data, size);
	decode_plan(&input);
	if (plan.mode == MODE_BUILT)
		build();
	else if (plan.mode == MODE_MENDED)
		mend_all(raw, raw_size);
	restore(true);
}

/* Does it still fail? What it leaves behind goes with the process. */
static bool fails(enum stage first, bool kept)
{
	jmp_buf here;
	bool failed = true;

	retry = &here;
	if (!setjmp(here)) {
		if (first == STAGE_SOURCE)
			build();
		if (first == STAGE_RESTORE)
			restore(kept);
		failed = false;
	}
	retry = NULL;
	return failed;
}

/* Leaves out what is not needed, a field at a time. */
static void shrink_setup(void)
{
	struct setup less[9], full;

	for (size_t i = 0; i < sizeof(less) / sizeof(less[0]); i++) {
		full = plan.setup;
		less[i] = full;
		switch (i) {
		case 0:
			less[i].state = STATE_EMPTY;
			break;
		case 1:
			less[i].codec = CODEC_ALL;
			break;
		case 2:
			less[i].sets = SETS_NONE;
			break;
		case 3:
			less[i].capacity = 0;
			break;
		case 4:
			less[i].cyclic = false;
			break;
		case 5:
			less[i].quarantine = false;
			break;
		case 6:
			less[i].allocator = false;
			break;
		case 7:
			less[i].fail_memory = 0;
			break;
		default:
			less[i].fail_decode = less[i].fail_token = 0;
			break;
		}
		plan.setup = less[i];
		if (!fails(STAGE_RESTORE, false))
			plan.setup = full;
	}
}

/* Records of a built snapshot go as long as it fails. */
static void shrink_bytes(void)
{
	const struct change drop_id = { .kind = CHANGE_DROP_ID };
	static uint8_t before[ROOM];
	size_t size;

	if (plan.mode != MODE_BUILT || !counts_right(built, built_size))
		return;
	for (uint32_t i = header_get32(built, H_IDS); i--;) {
		struct change change = drop_id;

		memcpy(before, built, built_size);
		size = built_size;
		change.record = i;
		change_one(&change);
		mend_all(built, built_size);
		if (fails(STAGE_RESTORE, false))
			continue;
		memcpy(built, before, size);
		built_size = size;
	}
}

static void shrink_calls(void)
{
	for (uint32_t i = plan.calls; i--;) {
		struct call call = plan.call[i];

		memmove(&plan.call[i], &plan.call[i + 1],
			(plan.calls - i - 1) * sizeof(call));
		plan.calls--;
		if (fails(STAGE_SOURCE, false))
			continue;
		memmove(&plan.call[i + 1], &plan.call[i],
			(plan.calls - i) * sizeof(call));
		plan.call[i] = call;
		plan.calls++;
	}
}

static const char *const op_names[] = {
#define X(name) #name,
	SOURCE_OPS(X)
#undef X
};

static void print_origin(FILE *file)
{
	static const char *const stores[] = {
		[IOASID_STORE_RADIX] = "RADIX",
		[IOASID_STORE_BITMAP] = "BITMAP",
		[IOASID_STORE_HASH] = "HASH",
	};

	fprintf(file,
		"static const struct origin origin = {\n"
		"\t.store = IOASID_STORE_%s,\n"
		"\t.base = %uu,\n"
		"\t.cyclic = %d,\n"
		"\t.quarantine = %d,\n"
		"\t.allocator = %d,\n"
		"\t.notifier = %d,\n"
		"};\n\nstatic struct source source;\n\n",
		stores[plan.origin.store], plan.origin.base, plan.origin.cyclic,
		plan.origin.quarantine, plan.origin.allocator,
		plan.origin.notifier);
}

static void print_calls(FILE *file)
{
	fprintf(file, "\tsource_begin(&source, &origin);\n");
	for (uint32_t i = 0; i < plan.calls; i++)
		fprintf(file,
			"\tsource_do(&source, SOURCE_%s, %uu, %uu, %uu);\n",
			op_names[plan.call[i].op], plan.call[i].a,
			plan.call[i].b, plan.call[i].c);
	fprintf(file, "\tfree(source_snapshot(&source, &size));\n"
		      "\tsource_end(&source);\n");
}

static void print_bytes(FILE *file, const uint8_t *bytes, size_t size)
{
	fprintf(file, "static const uint8_t bytes[] = {");
	for (size_t i = 0; i < size; i++)
		fprintf(file, "%s0x%02x,", i % 8 ? " " : "\n\t", bytes[i]);
	/* An array has an element. */
	fprintf(file, "%s\n};\n\n", size ? "" : "\n\t0,");
}

static void print_setup(FILE *file)
{
	const struct setup *setup = &plan.setup;

	fprintf(file,
		"static const struct setup setup = {\n"
		"\t.store = (enum ioasid_store_kind)%d,\n"
		"\t.range = (enum range)%d,\n"
		"\t.state = (enum state)%d,\n"
		"\t.codec = (enum codec_kind)%d,\n"
		"\t.sets = (enum sets)%d,\n"
		"\t.capacity = %u,\n"
		"\t.cyclic = %d,\n"
		"\t.quarantine = %d,\n"
		"\t.allocator = %d,\n"
		"\t.fail_memory = %u,\n"
		"\t.fail_decode = %u,\n"
		"\t.fail_token = %u,\n"
		"};\n\n",
		(int)setup->store, (int)setup->range, (int)setup->state,
		(int)setup->codec, (int)setup->sets, setup->capacity,
		setup->cyclic, setup->quarantine, setup->allocator,
		setup->fail_memory, setup->fail_decode, setup->fail_token);
}

static void print_errors(FILE *file, uint32_t right)
{
	static const char *const names[] = {
		"EBADMSG", "EPROTO", "EBUSY",  "EAGAIN", "ERANGE", "ENOSPC",
		"ENODEV",  "EXDEV",  "EEXIST", "EDOM",	 "EILSEQ",
	};

	fprintf(file, "\t/* It has to answer%s", right ? "" : " 0");
	for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (right & 1u << i)
			fprintf(file, " -%s", names[i]);
	fprintf(file, "%s. */\n",
		plan.setup.fail_memory ? ", or -ENOMEM if memory failed" : "");
}

static void print(FILE *file)
{
	bool sourced = plan.mode == MODE_BUILT, restored;
	const uint8_t *bytes;
	size_t size;

	if (stage == STAGE_NONE)
		return;
	restored = stage == STAGE_RESTORE;
	if (mismatch && restored && fails(STAGE_RESTORE, false)) {
		sourced = false;
		shrink_setup();
		shrink_bytes();
	} else if (mismatch && sourced && !restored &&
		   fails(STAGE_SOURCE, false)) {
		shrink_calls();
	}
	bytes = plan.mode == MODE_BUILT ? built : raw;
	size = plan.mode == MODE_BUILT ? built_size : raw_size;
	fuzz_print_head(file, "", "", "");
	fprintf(file, "#include \"fuzz/snapshot/source.h\"\n\n");
	if (sourced)
		print_origin(file);
	if (restored) {
		print_setup(file);
		print_bytes(file, bytes, size);
	}
	fprintf(file, "int main(void)\n{\n");
	if (sourced) {
		fprintf(file, "\tsize_t size;\n\n");
		print_calls(file);
	}
	if (restored) {
		print_errors(file, right_answer(&plan.setup, bytes, size));
		fprintf(file, "\tsnapshot_check(&setup, bytes, %zu, %s);\n",
			size,
			sourced && !plan.changes ? "source.kept, source.keeps" :
						   "NULL, 0");
	}
	fprintf(file, "\treturn 0;\n}\n");
}

static const char *const fault_names[] = {
#define X(name) #name,
	SNAPSHOT_FAULTS(X)
#undef X
		NULL
};

static void plant(const char *name)
{
	for (uint32_t i = 0; fault_names[i]; i++)
		if (!strcmp(fault_names[i], name))
			snapshot_fault = (enum snapshot_fault)(i + 1);
}

const struct fuzz_target fuzz_target = {
	.name = "snapshot",
	.run = run,
	.print = print,
	.faults = fault_names,
	.plant = plant,
};
