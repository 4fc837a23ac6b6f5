/* SPDX-License-Identifier: MIT */

/*
 * Is a history one of IDs as the headers promise them? For each ID by itself, as
 * linearizability is local (Herlihy and Wing, "Linearizability: a correctness
 * condition for concurrent objects", 1990), by the search of Wing and Gong
 * ("Testing and verifying concurrent objects", 1993) with Lowe's memory of what
 * was met before ("Testing for linearizability", 2017). What is about several
 * IDs at once, which alloc chose and why one refused, is held against what may
 * have been so at some moment of the call.
 */

#include "fuzz/concurrent/history.h"
#include "fuzz/target.h"

#include "core/store/generation.h"

#include <string.h>

#define ITEMS 64
#define MEMORY 8192
#define TRIES 200000
#define USED 6

enum phase { VACANT, RESERVED, LIVE, PENDING };

/* One ID at one moment. A live one without references is closed. */
struct life {
	uint8_t phase, set, refs, cell, spid;
	/* references that frees keep until notifiers were told */
	uint8_t owed;
	uint8_t padding[2];
	/* of this life if known, else 0; of lives before */
	uint32_t generation, used[USED];
};

/* A call, or what comes after its own moment. */
enum part { WHOLE, CLOSED, TOLD };

/* What has to take place at one moment, from @begin to @end. */
struct item {
	const struct record *record;
	enum part part;
	uint32_t begin, end;
	/* the item that it comes after, or -1 */
	int after;
};

static struct {
	bool watched;
	unsigned int count;
	struct item item[ITEMS];
	uint32_t tries;
	struct {
		uint64_t done;
		struct life life;
		bool used;
	} met[MEMORY];
	unsigned int met_count, met_at[MEMORY];
} search;

static void vacate(struct life *life)
{
	if (life->generation) {
		memmove(life->used + 1, life->used,
			sizeof(life->used) - sizeof(life->used[0]));
		life->used[0] = life->generation;
	}
	life->phase = VACANT;
	life->set = life->refs = life->cell = life->spid = 0;
	life->generation = 0;
}

static void drop(struct life *life)
{
	if (!--life->refs)
		vacate(life);
}

/* Can this life be the one of @generation? From then on it is. */
static bool is_use(struct life *life, uint32_t generation)
{
	if (life->generation)
		return life->generation == generation;
	for (unsigned int i = 0; i < USED; i++)
		if (life->used[i] == generation)
			return false;
	life->generation = generation;
	return true;
}

/* Can it be another's? */
static bool is_other(const struct life *life, uint32_t generation)
{
	return life->phase == VACANT || life->phase == RESERVED ||
	       life->generation != generation;
}

static bool may_be(const struct life *life, unsigned int set)
{
	return !set || life->set == set;
}

/*
 * Lookups ask first where the set belongs, and it may be bound before they come
 * to the ID: then to them it is another's.
 */
static bool may_be_others(const struct life *life, const struct record *record)
{
	return !may_be(life, record->set) ||
	       (record->set == 3 && record->unbound);
}

static bool held(const struct life *life)
{
	return life->phase == LIVE && life->refs;
}

static bool alloc_does(struct life *life, const struct record *record)
{
	if (life->phase != VACANT)
		return false;
	life->phase = record->call == RESERVE_ID ? RESERVED : LIVE;
	life->set = (uint8_t)record->set;
	life->cell = (uint8_t)record->cell;
	life->refs = life->phase == LIVE;
	return true;
}

static bool free_does(struct life *life, const struct record *record)
{
	bool ends = held(life);

	if (record->generation) {
		if (record->ret == -ESTALE)
			return is_other(life, record->generation);
		if (!is_use(life, record->generation))
			return record->ret == -ENOENT &&
			       is_other(life, record->generation) &&
			       (life->phase == VACANT ||
				life->phase == RESERVED);
	}
	switch (record->ret) {
	case 0:
		if (!ends)
			return false;
		if ((record->call == REMOVE_DEFER ||
		     record->call == REMOVE_SYNCHRONIZE) &&
		    (!may_be(life, record->set) || life->cell != record->cell))
			return false;
		life->phase = PENDING;
		life->spid = 0;
		if (search.watched)
			life->owed++;
		else
			drop(life);
		return true;
	case -ENOENT:
		return life->phase == VACANT || life->phase == RESERVED;
	case -EBUSY:
		return life->phase == PENDING || (life->phase == LIVE && !ends);
	case -EACCES:
		return life->phase == LIVE && !may_be(life, record->set);
	default:
		return record->ret == -EAGAIN;
	}
}

static bool get_does(struct life *life, const struct record *record)
{
	if (record->generation) {
		if (record->ret == -ESTALE)
			return is_other(life, record->generation);
		if (life->phase == LIVE || life->phase == PENDING) {
			if (!is_use(life, record->generation))
				return false;
		}
	}
	switch (record->ret) {
	case 0:
		if (!held(life) || !may_be(life, record->set))
			return false;
		life->refs++;
		return true;
	case -ENOENT:
		return life->phase == VACANT || life->phase == RESERVED;
	case -EBUSY:
		return life->phase == PENDING ||
		       (life->phase == LIVE && !life->refs);
	case -EACCES:
		return life->phase == LIVE && may_be_others(life, record);
	default:
		return false;
	}
}

static bool put_does(struct life *life, const struct record *record)
{
	switch (record->ret) {
	case 0:
		if (life->refs < 2)
			return false;
		life->refs--;
		return true;
	case 1:
		if (life->refs != 1)
			return false;
		if (life->phase == LIVE)
			life->refs = 0;
		else
			drop(life);
		return true;
	case -ENOENT:
		return !life->refs;
	default:
		return false;
	}
}

static bool find_does(struct life *life, const struct record *record)
{
	bool live = life->phase == LIVE;

	switch (record->ret) {
	case 0:
		return live && may_be(life, record->set) &&
		       life->cell == record->cell &&
		       (!record->generation ||
			is_use(life, record->generation));
	case -ENOENT:
		return !live;
	case -EACCES:
		return live && may_be_others(life, record) &&
		       (!record->generation ||
			is_use(life, record->generation));
	case -ESTALE:
		return record->generation && is_other(life, record->generation);
	default:
		return false;
	}
}

static bool spid_does(struct life *life, const struct record *record)
{
	switch (record->call) {
	case SPID_ATTACH:
		if (record->ret == -ENOENT)
			return !held(life);
		if (!held(life))
			return false;
		if (record->ret == -EINVAL)
			return !life->set;
		if (record->ret == -EBUSY)
			return life->set && life->spid;
		if (record->ret)
			return true;
		if (!life->set || life->spid)
			return false;
		life->spid = (uint8_t)record->number;
		return true;
	case SPID_DETACH:
		if (record->ret)
			return !held(life) || !life->spid;
		if (!held(life) || !life->spid)
			return false;
		life->spid = 0;
		return true;
	case SPID_OF:
		if (record->ret)
			return !held(life) || !life->spid;
		return held(life) && life->spid == record->number;
	default:
		return life->phase == LIVE && life->set == record->set &&
		       life->spid == record->number &&
		       life->cell == record->cell;
	}
}

/* What comes after the call's own moment. */
static bool later_does(struct life *life, const struct item *item)
{
	if (item->part == TOLD) {
		if (!life->owed)
			return true;
		life->owed--;
		drop(life);
		return true;
	}
	if (life->phase != LIVE || life->refs)
		return true;
	if (search.watched) {
		life->phase = PENDING;
		life->refs = 1;
		life->owed++;
		life->spid = 0;
	} else {
		vacate(life);
	}
	return true;
}

/* Can it take place now? If so it has. @other: where there are two ways. */
static bool does(struct life *life, const struct item *item, bool other)
{
	const struct record *record = item->record;

	if (item->part != WHOLE)
		return !other && later_does(life, item);
	switch (record->call) {
	case FREE_ALL:
	case SET_FREE_ALL:
		/* It met the ID, or did not. */
		if (other)
			return true;
		if (!held(life) || !may_be(life, record->set))
			return false;
		life->phase = PENDING;
		life->spid = 0;
		if (search.watched)
			life->owed++;
		else
			drop(life);
		return true;
	default:
		break;
	}
	if (other)
		return false;
	switch (record->call) {
	case ALLOC:
	case ALLOC_CYCLIC:
	case RESERVE_ID:
		return alloc_does(life, record);
	case PUBLISH_ID:
		if (record->ret)
			return record->ret != -ENOENT ||
			       life->phase != RESERVED;
		if (life->phase != RESERVED)
			return false;
		life->phase = LIVE;
		life->refs = 1;
		life->cell = (uint8_t)record->cell;
		return true;
	case RELEASE_ID:
		if (record->ret)
			return life->phase != RESERVED;
		if (life->phase != RESERVED)
			return false;
		vacate(life);
		return true;
	case FREE:
	case FREE_HANDLE:
	case FREE_DEFERRED:
	case REMOVE_DEFER:
	case REMOVE_SYNCHRONIZE:
		return free_does(life, record);
	case GET:
	case GET_HANDLE:
		return get_does(life, record);
	case PUT:
		return put_does(life, record);
	case FIND:
	case FIND_HANDLE:
	case NEXT:
	case FOR_EACH:
		return find_does(life, record);
	case HANDLE:
		if (record->ret == -ENOENT)
			return life->phase != LIVE;
		if (life->phase != LIVE)
			return false;
		if (record->ret)
			return record->ret == -EACCES &&
			       may_be_others(life, record);
		return may_be(life, record->set) &&
		       is_use(life, record->generation);
	case EXCHANGE_DATA:
	case SET_DATA:
		if (record->ret == -EDEADLK)
			return true;
		if (record->ret)
			return life->phase != LIVE;
		if (life->phase != LIVE || (record->call == EXCHANGE_DATA &&
					    life->cell != record->old))
			return false;
		life->cell = (uint8_t)record->cell;
		return true;
	case SET_OF:
		return record->ret ? !held(life) :
				     held(life) && life->set == record->set;
	case SPID_ATTACH:
	case SPID_DETACH:
	case SPID_OF:
	case SPID_FIND:
		return spid_does(life, record);
	case NOTIFY:
		if (record->ret == -ENOENT)
			return !held(life);
		return record->ret || held(life);
	default:
		return true;
	}
}

/* --- the search --- */

static bool met_before(uint64_t done, const struct life *life)
{
	uint64_t hash = done * UINT64_C(0x9e3779b97f4a7c15);
	unsigned int at;

	hash ^= (uint64_t)life->phase << 8 | (uint64_t)life->refs << 16 |
		(uint64_t)life->cell << 24 | life->generation;
	hash = (hash ^ hash >> 31) * UINT64_C(0xbf58476d1ce4e5b9);
	at = (unsigned int)(hash >> 40) % MEMORY;
	for (; search.met[at].used; at = (at + 1) % MEMORY)
		if (search.met[at].done == done &&
		    !memcmp(&search.met[at].life, life, sizeof(*life)))
			return true;
	if (search.met_count < MEMORY / 2) {
		search.met[at].used = true;
		search.met[at].done = done;
		search.met[at].life = *life;
		search.met_at[search.met_count++] = at;
	}
	return false;
}

static void forget_met(void)
{
	while (search.met_count)
		search.met[search.met_at[--search.met_count]].used = false;
}

static bool find_order(uint64_t done, const struct life *life)
{
	uint32_t first_end = UINT32_MAX;
	const struct item *item;
	struct life next;

	if (done == UINT64_MAX >> (ITEMS - search.count))
		return true;
	if (++search.tries > TRIES)
		return true;
	if (met_before(done, life))
		return false;
	for (unsigned int i = 0; i < search.count; i++)
		if (!(done >> i & 1) && search.item[i].end < first_end)
			first_end = search.item[i].end;
	for (unsigned int i = 0; i < search.count; i++) {
		item = &search.item[i];
		if (done >> i & 1 || item->begin > first_end ||
		    (item->after >= 0 && !(done >> item->after & 1)))
			continue;
		for (unsigned int way = 0; way < 2; way++) {
			next = *life;
			if (does(&next, item, way) &&
			    find_order(done | UINT64_C(1) << i, &next))
				return true;
		}
	}
	return false;
}

static int add(const struct record *record, enum part part, int after)
{
	struct item *item = &search.item[search.count];
	bool late = part == TOLD;

	if (search.count == ITEMS)
		return -1;
	*item = (struct item){ .record = record,
			       .begin = record->begin,
			       .end = late ? UINT32_MAX : record->end,
			       .part = part,
			       .after = after };
	return (int)search.count++;
}

static bool is_free(enum call call)
{
	return call == FREE || call == FREE_HANDLE || call == FREE_DEFERRED ||
	       call == REMOVE_DEFER || call == REMOVE_SYNCHRONIZE;
}

static bool is_alloc(enum call call)
{
	return call == ALLOC || call == ALLOC_CYCLIC || call == RESERVE_ID;
}

/* Is it about one ID, and about this one? */
static bool concerns(const struct record *record, ioasid_t id)
{
	switch (record->call) {
	case FREE_ALL:
	case SET_FREE_ALL:
		return !record->ret;
	case ALLOC:
	case ALLOC_CYCLIC:
	case RESERVE_ID:
	case NEXT:
	case SPID_FIND:
		return !record->ret && record->id == id;
	case SET_LIMIT:
	case SET_STATS:
	case SET_CAPACITY:
	case RESERVE:
	case UNRESERVE:
	case TRIM:
	case STATS:
		return false;
	default:
		return record->id == id;
	}
}

static void write_records(const struct history *history, ioasid_t id)
{
	fprintf(stderr, "\n");
	for (unsigned int i = 0; i < history->count; i++) {
		const struct record *record = &history->record[i];

		if (id != INVALID_IOASID && !concerns(record, id))
			continue;
		fprintf(stderr, "%6u..%-6u %c %s = %d", record->begin,
			record->end, "MABCD"[record->thread],
			concurrent_call_names[record->call], record -> ret);
		fprintf(stderr, ", ID %u, set %u, pointer %u, before %u",
			record->id, record->set, record->cell, record->old);
		fprintf(stderr, ", generation %u, number %u\n",
			record->generation, record->number);
	}
}

static void check_id(struct history *history, ioasid_t id)
{
	struct life vacant;
	int item, closed;

	search.count = 0;
	for (unsigned int i = 0; i < history->count; i++) {
		const struct record *record = &history->record[i];

		if (!concerns(record, id))
			continue;
		item = add(record, WHOLE, -1);
		if (record->call == PUT && record->ret == 1) {
			closed = add(record, CLOSED, item);
			if (search.watched)
				item = add(record, TOLD, closed);
		} else if (search.watched &&
			   ((is_free(record->call) && !record->ret) ||
			    record->call == FREE_ALL ||
			    record->call == SET_FREE_ALL)) {
			item = add(record, TOLD, item);
		}
		if (item < 0) {
			history->given_up++;
			return;
		}
	}
	if (!search.count)
		return;
	memset(&vacant, 0, sizeof(vacant));
	search.tries = 0;
	if (!find_order(0, &vacant)) {
		write_records(history, id);
		fuzz_failed(__FILE__, __LINE__,
			    "what was answered of an ID is in no order");
	}
	history->given_up += search.tries > TRIES;
	forget_met();
}

void history_check_ids(struct history *history)
{
	search.watched = history->program->notifier;
	for (ioasid_t id = history->min; id <= history->max; id++)
		check_id(history, id);
}

/* --- several IDs at once --- */

/* When an ID may have been occupied: from @begin to @end at most. */
struct stay {
	const struct record *record;
	/* within them it surely was */
	uint32_t begin, sure_begin, sure_end, end;
};

static struct {
	unsigned int count;
	struct stay stay[RECORDS_MAX];
	bool unsure;
} stays;

/* Does it end the life of the ID, or may it? */
static bool may_end(const struct record *record, ioasid_t id)
{
	if (record->call == FREE_ALL || record->call == SET_FREE_ALL)
		return !record->ret;
	if (record->id != id)
		return false;
	return ((is_free(record->call) || record->call == RELEASE_ID) &&
		!record->ret) ||
	       (record->call == PUT && record->ret == 1);
}

static bool holds(const struct record *record, ioasid_t id)
{
	return record->id == id && !record->ret &&
	       (record->call == GET || record->call == GET_HANDLE);
}

static void find_stay(const struct history *history,
		      const struct record *record, struct stay *stay)
{
	/* Another alloc has to have come after its end. */
	uint32_t next = UINT32_MAX, last = 0;
	bool held = history->program->notifier, ended = false;

	*stay = (struct stay){ record, record->begin, record->end, UINT32_MAX,
			       UINT32_MAX };
	for (unsigned int i = 0; i < history->count; i++) {
		const struct record *other = &history->record[i];

		if (is_alloc(other->call) && !other->ret &&
		    other->id == record->id && other->begin > record->end &&
		    other->end < next && other != record)
			next = other->end;
	}
	for (unsigned int i = 0; i < history->count; i++) {
		const struct record *other = &history->record[i];

		if (other->end < record->begin || other->begin > next)
			continue;
		held |= holds(other, record->id);
		if (!may_end(other, record->id))
			continue;
		if (other->begin < stay->sure_end)
			stay->sure_end = other->begin;
		if (other->end > last)
			last = other->end;
		ended = true;
	}
	if (next < stay->sure_end)
		stay->sure_end = next;
	if (stay->sure_end < stay->sure_begin)
		stay->sure_end = stay->sure_begin;
	stay->end = next;
	if (ended && !held && last < next)
		stay->end = last;
}

/* IDs of a range, of a set or any, that may be occupied at @time. */
static unsigned int may_stay(ioasid_t min, ioasid_t max, unsigned int set,
			     uint32_t time)
{
	uint64_t seen[4] = { 0 };
	unsigned int number = 0;

	for (unsigned int i = 0; i < stays.count; i++) {
		const struct stay *stay = &stays.stay[i];
		ioasid_t id = stay->record->id;

		if (id < min || id > max || time < stay->begin ||
		    time > stay->end || (set && stay->record->set != set) ||
		    seen[id / 64] >> id % 64 & 1)
			continue;
		seen[id / 64] |= UINT64_C(1) << id % 64;
		number++;
	}
	return number;
}

/* The least a limit may have been at @time. */
static unsigned int least(const struct history *history, enum call call,
			  unsigned int set, unsigned int first, uint32_t time)
{
	unsigned int limit = first ? first : UINT32_MAX, number;

	for (unsigned int i = 0; i < history->count; i++) {
		const struct record *record = &history->record[i];

		if (record->call != call || record->ret || record->set != set ||
		    record->begin > time)
			continue;
		number = record->number ? record->number : UINT32_MAX;
		if (number < limit)
			limit = number;
	}
	return limit;
}

/* The most that may be set aside. */
static unsigned int set_aside(const struct history *history, uint32_t time)
{
	unsigned int number = 0;

	for (unsigned int i = 0; i < history->count; i++)
		if (history->record[i].call == RESERVE &&
		    !history->record[i].ret && history->record[i].begin <= time)
			number += history->record[i].number;
	return number;
}

static bool full_at(const struct history *history, const struct record *record,
		    uint32_t time)
{
	unsigned int capacity, used;

	if (record->ret == -EDQUOT) {
		unsigned int first = record->set >= 4 ? 1 : 0;

		if (record->set == 1 || record->set == 2)
			first = history->program->quota[record->set - 1];
		return may_stay(history->min, history->max, record->set,
				time) >=
		       least(history, SET_LIMIT, record->set, first, time);
	}
	if (may_stay(record->min, record->max, 0, time) ==
	    record->max - record->min + 1)
		return true;
	capacity = least(history, SET_CAPACITY, 0, history->program->capacity,
			 time);
	used = may_stay(history->min, history->max, 0, time) +
	       set_aside(history, time);
	if (capacity > history->max - history->min + 1)
		capacity = history->max - history->min + 1;
	return used >= capacity;
}

/* Could alloc do at @time what it did? */
static bool right_at(const struct history *history, const struct record *record,
		     uint32_t time)
{
	if (record->ret)
		return full_at(history, record, time);
	/* All below the one chosen are in use. */
	return record->id == record->min ||
	       may_stay(record->min, record->id - 1, 0, time) ==
		       record->id - record->min;
}

static void check_alloc(const struct history *history,
			const struct record *record)
{
	uint32_t time;

	if (right_at(history, record, record->begin) ||
	    right_at(history, record, record->end))
		return;
	for (unsigned int i = 0; i < history->count; i++) {
		for (unsigned int which = 0; which < 2; which++) {
			time = which ? history->record[i].end :
				       history->record[i].begin;
			if (time > record->begin && time < record->end &&
			    right_at(history, record, time))
				return;
		}
	}
	write_records(history, INVALID_IOASID);
	fuzz_failed(__FILE__, __LINE__,
		    record->ret == -EDQUOT ? "a quota was never used up" :
		    record->ret		   ? "there was always a vacant ID" :
				  "a lower ID was vacant all the time");
}

/* A walk meets what is there all the time. */
static void check_walk(const struct history *history,
		       const struct record *record)
{
	for (unsigned int i = 0; i < stays.count; i++) {
		const struct stay *stay = &stays.stay[i];
		ioasid_t id = stay->record->id;
		bool met = record->call == NEXT && !record->ret &&
			   record->id <= id;

		if (stay->record->call == RESERVE_ID || id < record->min ||
		    id > record->max ||
		    (record->set && record->set != stay->record->set) ||
		    stay->sure_begin > record->begin ||
		    stay->sure_end < record->end)
			continue;
		for (unsigned int j = 0; j < history->count && !met; j++) {
			const struct record *other = &history->record[j];

			met = record->call == FOR_EACH && other != record &&
			      other->call == FOR_EACH && other->id == id &&
			      other->thread == record->thread &&
			      other->begin == record->begin - 0 &&
			      other->end < record->end;
		}
		if (met)
			continue;
		write_records(history, INVALID_IOASID);
		fuzz_failed(__FILE__, __LINE__,
			    "a walk missed an ID that was there");
	}
}

void history_check_allocs(const struct history *history)
{
	const struct program *program = history->program;
	/* Then some vacant IDs are passed over, for a while. */
	bool lowest = !program->reuse && !program->quarantine &&
		      !program->retired_limit && !IOASID_GENERATION_START;

	stays.count = 0;
	for (unsigned int i = 0; i < history->count; i++)
		if (is_alloc(history->record[i].call) &&
		    !history->record[i].ret)
			find_stay(history, &history->record[i],
				  &stays.stay[stays.count++]);
	for (unsigned int i = 0; i < history->count; i++) {
		const struct record *record = &history->record[i];

		if (is_alloc(record->call) &&
		    ((!record->ret && lowest && record->call != ALLOC_CYCLIC) ||
		     record->ret == -EDQUOT || record->ret == -ENOSPC))
			check_alloc(history, record);
		if (record->call == NEXT ||
		    (record->call == FOR_EACH && record->id == INVALID_IOASID))
			check_walk(history, record);
	}
}
