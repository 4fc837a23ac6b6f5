/* SPDX-License-Identifier: MIT */
#include "../features.h"

#include <ioasid/space.h>

#ifndef IOASID_NO_DUMP
#include "event.h"
#include "extra.h"
#include "owner.h"
#include "source.h"
#include "walk.h"

/* One line of text; what does not fit is cut off. */
struct line {
	char text[256];
	size_t length;
};

static void add(struct line *line, const char *text)
{
	while (*text && line->length < sizeof(line->text) - 1)
		line->text[line->length++] = *text++;
	line->text[line->length] = '\0';
}

static void add_number(struct line *line, uint64_t number, unsigned int base)
{
	char digits[24], *digit = &digits[sizeof(digits) - 1];

	*digit = '\0';
	do {
		*--digit = "0123456789abcdef"[number % base];
		number /= base;
	} while (number);
	if (base == 16)
		add(line, "0x");
	add(line, digit);
}

static void add_count(struct line *line, const char *what, uint64_t number)
{
	add(line, what);
	add_number(line, number, 10);
}

static void add_pointer(struct line *line, const char *what,
			const void *pointer)
{
	add(line, what);
	add_number(line, (uintptr_t)pointer, 16);
}

/* Without control characters, which a terminal might take for orders. */
static void add_name(struct line *line, const char *name)
{
	char copy[IOASID_NAME_SIZE];
	size_t i;

	if (!*name)
		return;
	for (i = 0; name[i]; i++)
		copy[i] = (unsigned char)name[i] < ' ' || name[i] == 127 ?
				  '?' :
				  name[i];
	copy[i] = '\0';
	add(line, " \"");
	add(line, copy);
	add(line, "\"");
}

static const char *store_name(enum ioasid_store_kind kind)
{
	switch (kind) {
	case IOASID_STORE_RADIX:
		return "radix";
	case IOASID_STORE_BITMAP:
		return "bitmap";
	case IOASID_STORE_HASH:
		return "hash";
	case IOASID_STORE_CUSTOM:
	default:
		return "custom";
	}
}

/* Where lines go, without the space's lock. */
struct sink {
	struct space *space;
	void (*print)(const char *line, void *arg);
	void *arg;
};

static void emit(const struct sink *sink, struct line *line)
{
	ioasid_space_unlock(sink->space);
	sink->print(line->text, sink->arg);
	ioasid_space_lock(sink->space);
	line->length = 0;
}

static void dump_space(const struct sink *sink)
{
	const struct space *space = sink->space;
	const struct ioasid_stats *stats = &space->stats;
	struct line line = { .length = 0 };

	add(&line, "space");
	add_name(&line, space->name);
	add_count(&line, " ", space->min);
	add_count(&line, "..", space->max);
	add(&line, " ");
	add(&line, store_name(space->space.store.kind));
	if (space->reuse == IOASID_REUSE_CYCLIC)
		add(&line, " cyclic");
	if (space->always_quarantine)
		add(&line, " quarantine");
	emit(sink, &line);
	add_count(&line, "  live ", stats->live);
	add_count(&line, " pending ", stats->pending);
	add_count(&line, " unpublished ", stats->unpublished);
	add_count(&line, " quarantined ", stats->quarantined);
	add_count(&line, " capacity ", stats->capacity);
	add_count(&line, " committed ", stats->committed);
	add_count(&line, " reserved ", stats->reserved);
	emit(sink, &line);
	add_count(&line, "  allocs ", stats->allocs);
	add_count(&line, " frees ", stats->frees);
	add_count(&line, " failed ", stats->alloc_failed);
	add_count(&line, " unknown ", stats->free_unknown);
	add_count(&line, " allocators ", stats->allocators);
	add_count(&line, " notifiers ", stats->notifiers);
	emit(sink, &line);
}

static void add_set(struct line *line, const struct set_record *record)
{
	add_count(line, " set ", record->index);
	add_name(line, record->name);
}

static void dump_sets(const struct sink *sink)
{
	struct space *space = sink->space;
	struct line line = { .length = 0 };

	for (uint32_t i = 1; i <= space->sets.used; i++) {
		const struct set_record *record =
			ioasid_set_record_at(space, i);

		if (!record)
			continue;
		add(&line, " ");
		add_set(&line, record);
		add_pointer(&line, " token ", record->token);
		add_count(&line, " count ", record->count);
		add_count(&line, " quota ", record->quota);
		add_count(&line, " reserved ", record->reserved);
		add_count(&line, " spids ", record->spids.count);
		emit(sink, &line);
	}
}

/* The allocator at that place in the line, or NULL. */
static struct allocator *allocator_at(const struct space *space, uint32_t place)
{
	struct allocator *allocator = ioasid_source_line(space);

	while (place-- && allocator)
		allocator = allocator->next;
	return allocator;
}

/* The line may change under a line of text: then its place is counted. */
static void dump_allocators(const struct sink *sink)
{
	struct space *space = sink->space;
	struct line line = { .length = 0 };
	struct allocator *allocator = ioasid_source_line(space), *next;

	for (uint32_t place = 1; allocator; place++, allocator = next) {
		ioasid_allocator_pin(allocator);
		add_pointer(&line, "  allocator ", allocator->ops);
		add_count(&line, " ids of its functions ",
			  allocator->source->ids);
		emit(sink, &line);
		next = allocator->source ? allocator->next :
					   allocator_at(space, place);
		ioasid_allocator_unpin(space, allocator);
	}
}

#ifdef IOASID_NO_NOTIFIERS
static void dump_notifiers(const struct sink *sink)
{
	(void)sink;
}
#else
static void dump_notifiers(const struct sink *sink)
{
	struct space *space = sink->space;
	struct line line = { .length = 0 };
	const struct ioasid_notifier *notifier;
	struct notifier_cursor cursor;

	ioasid_notifier_cursor_begin(space, &cursor);
	while ((notifier = ioasid_notifier_cursor_next(&cursor))) {
		add_pointer(&line, "  notifier ", notifier);
		add(&line,
		    notifier->priority < 0 ? " priority -" : " priority ");
		add_number(&line,
			   notifier->priority < 0 ?
				   0u - (unsigned int)notifier->priority :
				   (unsigned int)notifier->priority,
			   10);
		if (notifier->set)
			add_count(&line, " set ", notifier->set);
		emit(sink, &line);
	}
	ioasid_notifier_cursor_end(&cursor);
}
#endif

static void dump_id(const struct sink *sink, ioasid_t id)
{
	struct space *space = sink->space;
	const struct ioasid_slot *slot = ioasid_locked_slot(space, id);
	ioasid_state_t state = slot ? ioasid_load_relaxed(&slot->state) : 0;
	const struct set_record *record =
		ioasid_set_record_at(space, ioasid_state_set(state));
	const struct extra *extra = ioasid_extra(space, id);
	bool reserved = ioasid_state_reserved(state);
	struct line line = { .length = 0 };

	/* Vacated since. */
	if (!(state & (IOASID_STATE_LIVE | IOASID_STATE_REFS)))
		return;
	add_count(&line, "  ", id);
	add(&line, state & IOASID_STATE_LIVE ? " live" :
		   reserved		     ? " reserved" :
					       " pending");
	add_count(&line, " generation ", ioasid_state_generation(state));
	if (!reserved)
		add_count(&line, " refs ", ioasid_state_refs(state));
	if (record)
		add_set(&line, record);
	if (extra && extra->named)
		add_count(&line, " spid ", extra->spid);
	if (extra && extra->source)
		add(&line, " allocator");
	if (!reserved)
		add_pointer(&line, " data ",
			    ioasid_load_relaxed(&slot->private_data));
	emit(sink, &line);
}

void ioasid_space_dump(struct ioasid_space *public_space,
		       void (*print)(const char *line, void *arg), void *arg)
{
	struct space *space = ioasid_to_space(public_space);
	const struct sink sink = { space, print, arg };
	/* The thread may not end with its place in a list noted. */
	int cancel = ioasid_cancel_disable();
	struct walk walk;
	size_t count;

	ioasid_space_lock(space);
	dump_space(&sink);
	dump_sets(&sink);
	dump_allocators(&sink);
	dump_notifiers(&sink);
	ioasid_walk_begin(space, &walk, space->min, space->max);
	while ((count = ioasid_walk_next(space, &walk)))
		for (size_t i = 0; i < count; i++)
			dump_id(&sink, walk.ids[i]);
	ioasid_space_unlock(space);
	ioasid_cancel_restore(cancel);
}
#endif /* IOASID_NO_DUMP */
