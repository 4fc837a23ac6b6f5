/* SPDX-License-Identifier: MIT */
#include "fuzz/concurrent/sched.h"

#include <ioasid/platform.h>

#include "core/platform/lock.h"
#include "core/platform/system.h"
#include "fuzz/target.h"

#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#define VT_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define VT_ASAN
#endif
#endif
#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
#define VT_MSAN
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define VT_TSAN
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define VT_TSAN
#endif
#endif

#ifdef VT_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif
#ifdef VT_MSAN
#include <sanitizer/msan_interface.h>
#define UNINITIALIZED(at, size) __msan_allocated_memory(at, size)
#else
#define UNINITIALIZED(at, size) ((void)(at), (void)(size))
#endif
#ifdef VT_TSAN
void *__tsan_create_fiber(unsigned int flags);
void *__tsan_get_current_fiber(void);
void __tsan_switch_to_fiber(void *fiber, unsigned int flags);
#endif

/* With a sanitizer a finding is described on it as well. */
#define STACK ((size_t)128 << 10)
#define TLS_MAX 8192
#define ARENA ((size_t)4 << 20)
/*
 * So many points, and another has its turn, as some waits are loops of calls; a
 * few more or less, lest it be always where a lock is held.
 */
#define SLICE 1000
/* So many points, and it is taken for a program without an end. */
#define POINTS_MAX 100000
/* Memory that was given back: no pointer, no number of the library's. */
#define FREED 0xd5
#define LOADED 8

enum state {
	NONE,
	READY,
	WAITS,
	ENDED,
};

struct loaded {
	const void *at;
	uint64_t value;
};

struct vthread {
	enum state state;
	ucontext_t context;
	void (*func)(void *arg);
	void *arg;
	const void *word;
	/* a wait that ends by itself if nobody else can run */
	bool timed, timed_out;
	const struct ioasid_exit_hook *hook;
	const struct vt_switch *switches;
	unsigned int count, countdown;
	enum vt_trouble trouble;
	unsigned int nth;
	bool troubled;
	/* where it is */
	const struct vt_site *site;
	/* what it loaded last */
	struct loaded loaded[LOADED];
	unsigned int next_loaded;
	/* a store that is late */
	void *late_at;
	uint64_t late_value;
	size_t late_size;
	unsigned int late;
#ifdef VT_ASAN
	void *fake;
	const void *bottom;
	size_t size;
#endif
#ifdef VT_TSAN
	void *fibre;
#endif
};

static struct vthread thread[VT_THREADS];
static char tls[VT_THREADS][TLS_MAX] __attribute__((aligned(64)));
static char stack[VT_THREADS][STACK] __attribute__((aligned(64)));
static char arena[ARENA] __attribute__((aligned(64)));

static unsigned int current, spawned, held;
static uint32_t now, points, slice, yielded;
static uint64_t trace, total;

#define OWNED 16
static struct owned {
	const void *word;
	unsigned int owner;
} owned[OWNED];
static unsigned int owned_count;
static size_t arena_used, arena_held;

char *vt_tls = tls[0];
bool vt_verbose;

/* --- faults --- */

enum op { NOTHING, LOAD, STORE, EXCHANGE, CAS, ADD };

enum effect {
	/* not done; a load gives 0, an exchange 0, compare-and-swap true */
	SKIPPED,
	/* a store comes after so many more operations of its thread */
	LATE,
	/* compare-and-swap without compare */
	BLIND,
	/* a load gives one less */
	LESS,
	/* a load gives what was loaded there last */
	SAME,
};

struct fault {
	const char *name;
	enum op op;
	const char *func, *what;
	enum effect effect;
	unsigned int count;
};

static const struct fault places[] = {
	{ "state before pointer", STORE, "ioasid_slot_publish", "private_data",
	  LATE, 3 },
	{ "reserved state before pointer", STORE,
	  "ioasid_slot_publish_reserved", "private_data", LATE, 3 },
	{ "looked at once", LOAD, "ioasid_slot_read", "state", SAME, 0 },
	{ "get compares nothing", CAS, "ioasid_slot_get", "", BLIND, 0 },
	{ "put compares nothing", CAS, "ioasid_slot_put", "", BLIND, 0 },
	{ "free compares nothing", CAS, "ioasid_slot_free", "", BLIND, 0 },
	{ "hide compares nothing", CAS, "ioasid_slot_hide", "", BLIND, 0 },
	{ "move compares nothing", CAS, "ioasid_slot_move", "", BLIND, 0 },
	{ "not marked as moved", CAS, "ioasid_slot_move", "", SKIPPED, 0 },
	{ "moved before the copy", STORE, "ioasid_slot_move", "to->state", LATE,
	  3 },
	{ "next table not looked at", LOAD, "ioasid_hash_find", "table->next",
	  SKIPPED, 0 },
	{ "generation not advanced", LOAD, "ioasid_slot_publish", "state",
	  SKIPPED, 0 },
	{ "leaf stays linked", STORE, "prune", "child", SKIPPED, 0 },
	{ "root before its node", STORE, "extend", "parent->child[0]", LATE,
	  3 },
	{ "readers not looked at", LOAD, "ioasid_grace_passed", "", SKIPPED,
	  0 },
	{ "section not announced", STORE, "ioasid_rcu_reader_lock", "", SKIPPED,
	  0 },
	{ "online not announced", STORE, "ioasid_grace_announce", "", SKIPPED,
	  0 },
	{ "cookie one too early", LOAD, "ioasid_rcu_cookie", "", LESS, 0 },
	{ "lock taken by two", EXCHANGE, "ioasid_lock_try", "", SKIPPED, 0 },
	{ "waiter not announced", ADD, "ioasid_lock_wait", "waiters", SKIPPED,
	  0 },
	{ "waiter not woken", LOAD, "ioasid_unlock", "waiters", SKIPPED, 0 },
	{ "set before its index", STORE, "ioasid_set_make", "set->index", LATE,
	  4 },
	{ "counted section not counted", ADD, "counted_enter", "", SKIPPED, 0 },
};

#define PLACES (sizeof(places) / sizeof(places[0]))

/* Those above, and those that the code plants by itself, see vt_plants(). */
const char *const vt_faults[] = {
	"state before pointer",
	"reserved state before pointer",
	"looked at once",
	"get compares nothing",
	"put compares nothing",
	"free compares nothing",
	"hide compares nothing",
	"move compares nothing",
	"not marked as moved",
	"moved before the copy",
	"next table not looked at",
	"generation not advanced",
	"leaf stays linked",
	"root before its node",
	"readers not looked at",
	"section not announced",
	"online not announced",
	"cookie one too early",
	"lock taken by two",
	"waiter not announced",
	"waiter not woken",
	"set before its index",
	"counted section not counted",
	"quota checked outside the lock",
	"told by two at once",
	"index reused at once",
	"name looked at once",
	NULL,
};

static const struct fault *planted;
static const char *planted_name;

void vt_plant(const char *name)
{
	planted_name = name;
	for (size_t i = 0; i < PLACES; i++)
		if (!strcmp(places[i].name, name))
			planted = &places[i];
}

bool vt_plants(const char *name)
{
	return planted_name && !strcmp(planted_name, name);
}

static bool hits(enum op op, const struct vt_site *site)
{
	return planted && planted->op == op &&
	       !strcmp(planted->func, site->func) &&
	       strstr(site->what, planted->what);
}

/* --- switching --- */

static struct vthread *self(void)
{
	return &thread[current];
}

unsigned int vt_self(void)
{
	return current;
}

uint32_t vt_time(void)
{
	return ++now;
}

uint64_t vt_trace(void)
{
	return trace;
}

uint64_t vt_points(void)
{
	return total;
}

static void switch_to(unsigned int next, bool ends)
{
	struct vthread *from = self(), *to = &thread[next];

	if (next == current)
		return;
	current = next;
	slice = 0;
	vt_tls = tls[next];
#ifdef VT_ASAN
	__sanitizer_start_switch_fiber(ends ? NULL : &from->fake, to->bottom,
				       to->size);
#else
	(void)ends;
#endif
#ifdef VT_TSAN
	__tsan_switch_to_fiber(to->fibre, 0);
#endif
	swapcontext(&from->context, &to->context);
#ifdef VT_ASAN
	__sanitizer_finish_switch_fiber(from->fake, NULL, NULL);
#endif
}

static const char names[] = "MABCDW";

static void describe(void)
{
	static const char *const states[] = { "", "is ready", "waits",
					      "has ended" };

	for (unsigned int i = 0; i < VT_THREADS; i++)
		if (thread[i].state != NONE)
			fprintf(stderr, "%c thread %c %s, at %s: %s\n",
				i == current ? '*' : ' ', names[i],
				states[thread[i].state],
				thread[i].site ? thread[i].site->func : "start",
				thread[i].site ? thread[i].site->what : "");
}

static void describe_point(const struct vt_site *site)
{
	fprintf(stderr, "%6u %c %s", (unsigned int)now, names[current],
		site->func);
	fprintf(stderr, ": %s\n", site->what);
}

static bool is_timed(unsigned int number)
{
	return thread[number].state == WAITS && thread[number].timed;
}

static bool can_run(unsigned int number, bool late)
{
	return thread[number].state == READY || (late && is_timed(number));
}

/*
 * Some other thread that can run, in turn, or none but the calling one. Waits
 * for a time end if nobody else can run, or as much has passed.
 */
static unsigned int pick(bool passed)
{
	unsigned int next;

	for (unsigned int late = passed; late < 2; late++) {
		for (unsigned int i = 1; i <= VT_THREADS; i++) {
			next = (current + i) % VT_THREADS;
			if (!can_run(next, late))
				continue;
			thread[next].timed_out = thread[next].state == WAITS;
			thread[next].state = READY;
			return next;
		}
	}
	describe();
	fuzz_failed(__FILE__, __LINE__, "deadlock");
}

bool vt_wait(const void *word, bool timed)
{
	struct vthread *me = self();

	me->state = WAITS;
	me->word = word;
	me->timed = timed;
	me->timed_out = false;
	switch_to(pick(false), false);
	return !me->timed_out;
}

void vt_wake(const void *word, bool all)
{
	for (unsigned int i = 0; i < VT_THREADS; i++) {
		if (thread[i].state != WAITS || thread[i].word != word)
			continue;
		thread[i].state = READY;
		if (!all)
			break;
	}
}

void vt_yield(void)
{
	unsigned int next = current;

	/*
	 * Time passes as well where some only yield to each other, and then it
	 * is the turn of who waited for that.
	 */
	if (now - yielded > SLICE) {
		yielded = now;
		do
			next = (next + 1) % VT_THREADS;
		while (next != current && !is_timed(next));
		thread[next].timed_out = thread[next].state == WAITS;
		thread[next].state = READY;
	}
	/* Who holds others up waits for nobody. */
	switch_to(next == current ? pick(false) : next, false);
}

void vt_at_exit(const struct ioasid_exit_hook *hook)
{
	self()->hook = hook;
}

static void do_late(struct vthread *me)
{
	memcpy(me->late_at, &me->late_value, me->late_size);
	me->late_at = NULL;
}

static void next_switch(struct vthread *me)
{
	me->countdown = 0;
	while (me->count && !me->countdown) {
		if (me->switches->to < VT_THREADS &&
		    me->switches->to != current)
			me->countdown = me->switches->at + 1u;
		else
			me->switches++;
		me->count -= !me->countdown;
	}
}

static void step(const struct vt_site *site)
{
	struct vthread *me = self();
	unsigned int to;

	me->site = site;
	now++;
	total++;
	trace = (trace ^
		 ((uint64_t)site->line << 12 |
		  (uint64_t)(unsigned char)site->func[0] << 4 | current)) *
		UINT64_C(0x9e3779b97f4a7c15);
	trace ^= trace >> 29;
	if (vt_verbose)
		describe_point(site);
	if (ioasid_unlikely(++points > POINTS_MAX)) {
		describe();
		fuzz_failed(__FILE__, __LINE__, "no end");
	}
	if (ioasid_unlikely(me->late_at && !--me->late))
		do_late(me);
	if (ioasid_unlikely(++slice > SLICE + (trace & 63) && !held)) {
		slice = 0;
		switch_to(pick(true), false);
		return;
	}
	if (ioasid_likely(!me->countdown) || --me->countdown || held)
		return;
	to = me->switches->to;
	me->switches++;
	me->count--;
	next_switch(me);
	if (thread[to].state == READY)
		switch_to(to, false);
}

void vt_point(const char *what)
{
	const struct vt_site site = { what, "", 0 };

	step(&site);
	self()->site = NULL;
}

void vt_arm(const struct vt_switch *switches, unsigned int count,
	    enum vt_trouble trouble, unsigned int nth)
{
	struct vthread *me = self();

	me->switches = switches;
	me->count = count;
	me->trouble = trouble;
	me->nth = nth;
	me->troubled = false;
	next_switch(me);
}

bool vt_troubled(void)
{
	return self()->troubled;
}

void vt_hold(void)
{
	held++;
}

void vt_release(void)
{
	held--;
}

bool vt_trouble(enum vt_trouble trouble)
{
	struct vthread *me = self();

	if (ioasid_likely(me->trouble != trouble))
		return false;
	if (me->nth) {
		me->nth--;
		return false;
	}
	if (trouble != VT_NEVER_MEMORY)
		me->trouble = VT_NO_TROUBLE;
	me->troubled = true;
	return true;
}

static void start(void)
{
	struct vthread *me = self();

#ifdef VT_ASAN
	/* The first comes from the system's own stack. */
	if (thread[VT_MAIN].bottom)
		__sanitizer_finish_switch_fiber(NULL, NULL, NULL);
	else
		__sanitizer_finish_switch_fiber(NULL, &thread[VT_MAIN].bottom,
						&thread[VT_MAIN].size);
#endif
	me->func(me->arg);
	if (me->hook)
		me->hook->func();
	me->hook = NULL;
	if (me->late_at)
		do_late(me);
	me->state = ENDED;
	if (current == VT_WORKER)
		vt_wake(&thread[VT_WORKER], true);
	else if (!--spawned)
		vt_wake(&spawned, true);
	switch_to(pick(false), true);
}

void vt_spawn(unsigned int number, void (*func)(void *arg), void *arg)
{
	struct vthread *fresh = &thread[number];

	ASAN_UNPOISON_MEMORY_REGION(stack[number], STACK);
	fresh->func = func;
	fresh->arg = arg;
	fresh->state = READY;
	spawned += number != VT_WORKER;
	getcontext(&fresh->context);
	fresh->context.uc_stack.ss_sp = stack[number];
	fresh->context.uc_stack.ss_size = STACK;
	fresh->context.uc_link = NULL;
#ifdef VT_ASAN
	fresh->bottom = stack[number];
	fresh->size = STACK;
#endif
	makecontext(&fresh->context, start, 0);
}

void vt_join(void)
{
	if (spawned)
		vt_wait(&spawned, false);
}

/* The library keeps it for the process; a run begins as the first one did. */
static uint32_t *counted_side;

void vt_begin(void)
{
	size_t size = (size_t)(__stop_ioasid_vt_tls - __start_ioasid_vt_tls);

	if (size > TLS_MAX)
		abort();
	for (unsigned int i = 0; i < VT_THREADS; i++) {
#ifdef VT_TSAN
		void *fibre = thread[i].fibre;

		if (!fibre)
			fibre = i ? __tsan_create_fiber(0) :
				    __tsan_get_current_fiber();
#endif
		memset(&thread[i], 0, sizeof(thread[i]));
#ifdef VT_TSAN
		thread[i].fibre = fibre;
#endif
		memcpy(tls[i], __start_ioasid_vt_tls, size);
	}
	current = VT_MAIN;
	vt_tls = tls[VT_MAIN];
	thread[VT_MAIN].state = READY;
	spawned = held = owned_count = 0;
	now = points = slice = yielded = 0;
	trace = 0;
	arena_used = arena_held = 0;
	ioasid_lock_asymmetric.v = 0;
	if (counted_side)
		*counted_side = 0;
}

void vt_end(void)
{
	struct vthread *me = self();

	if (me->hook)
		me->hook->func();
	me->hook = NULL;
	if (me->late_at)
		do_late(me);
	ASAN_UNPOISON_MEMORY_REGION(arena, arena_used);
}

void vt_await_worker(void)
{
	if (thread[VT_WORKER].state != NONE && thread[VT_WORKER].state != ENDED)
		vt_wait(&thread[VT_WORKER], false);
}

/* --- operations --- */

static uint64_t loaded(const struct vt_site *site, const void *at,
		       uint64_t value, uint64_t freed)
{
	struct vthread *me = self();
	uint64_t before = value;

	if (ioasid_unlikely(value == freed)) {
		describe();
		fuzz_failed(__FILE__, __LINE__,
			    "the library looks at memory it gave back");
	}
	if (ioasid_likely(!planted))
		return value;
	for (unsigned int i = 0; i < LOADED; i++)
		if (me->loaded[i].at == at)
			before = me->loaded[i].value;
	me->loaded[me->next_loaded++ % LOADED] = (struct loaded){ at, value };
	if (!hits(LOAD, site))
		return value;
	if (planted->effect == SKIPPED)
		return 0;
	return planted->effect == LESS ? value - 1 : before;
}

static bool stores(const struct vt_site *site, void *at, const void *value,
		   size_t size)
{
	struct vthread *me = self();

	if (!strcmp(site->what, "&counted.side"))
		counted_side = at;
	if (ioasid_likely(!planted) || !hits(STORE, site))
		return true;
	if (planted->effect != LATE)
		return false;
	if (me->late_at)
		do_late(me);
	me->late_at = at;
	memcpy(&me->late_value, value, size);
	me->late_size = size;
	me->late = planted->count;
	return false;
}

static bool effect(enum op op, const struct vt_site *site, enum effect effect)
{
	return ioasid_unlikely(planted != NULL) && hits(op, site) &&
	       planted->effect == effect;
}

/* The library exchanges to take a lock, and stores 0 to give it back. */
static void takes(const void *word)
{
	for (unsigned int i = 0; i < owned_count; i++) {
		if (owned[i].word != word)
			continue;
		describe();
		fuzz_failed(__FILE__, __LINE__, "a lock is held by two");
	}
	if (owned_count < OWNED)
		owned[owned_count++] = (struct owned){ word, current };
}

static void gives_back(const void *word)
{
	for (unsigned int i = 0; i < owned_count; i++) {
		if (owned[i].word != word)
			continue;
		if (owned[i].owner != current)
			fuzz_failed(__FILE__, __LINE__,
				    "a lock is given back by another");
		owned[i] = owned[--owned_count];
		return;
	}
}

#define GIVES_BACK_u32(a, x)           \
	do {                           \
		if (!(x))              \
			gives_back(a); \
	} while (0)
#define GIVES_BACK_u64(a, x) ((void)0)
#define GIVES_BACK_ptr(a, x) ((void)0)

#define FREED_u32 UINT32_C(0xd5d5d5d5)
#define FREED_u64 UINT64_C(0xd5d5d5d5d5d5d5d5)
#define FREED_ptr ((uint64_t)(uintptr_t)FREED_u64)

#define TYPED(name, type, to, from)                                           \
	type vt_##name##_load(const ioasid_atomic_##name *a,                  \
			      const struct vt_site *site)                     \
	{                                                                     \
		step(site);                                                   \
		return from(loaded(site, a, to(a->v), FREED_##name));         \
	}                                                                     \
                                                                              \
	void vt_##name##_store(ioasid_atomic_##name *a, type x,               \
			       const struct vt_site *site)                    \
	{                                                                     \
		step(site);                                                   \
		if (stores(site, &a->v, &x, sizeof(x)))                       \
			a->v = x;                                             \
		GIVES_BACK_##name(a, x);                                      \
	}                                                                     \
                                                                              \
	type vt_##name##_exchange(ioasid_atomic_##name *a, type x,            \
				  const struct vt_site *site)                 \
	{                                                                     \
		type before;                                                  \
                                                                              \
		step(site);                                                   \
		before = effect(EXCHANGE, site, SKIPPED) ? 0 : a->v;          \
		a->v = x;                                                     \
		if (!before)                                                  \
			takes(a);                                             \
		return before;                                                \
	}                                                                     \
                                                                              \
	bool vt_##name##_cas(ioasid_atomic_##name *a, type *expected, type x, \
			     const struct vt_site *site)                      \
	{                                                                     \
		step(site);                                                   \
		if (effect(CAS, site, SKIPPED))                               \
			return true;                                          \
		if (a->v == *expected || effect(CAS, site, BLIND)) {          \
			a->v = x;                                             \
			return true;                                          \
		}                                                             \
		*expected = a->v;                                             \
		return false;                                                 \
	}

TYPED(u32, uint32_t, (uint64_t), (uint32_t))
TYPED(u64, uint64_t, (uint64_t), (uint64_t))
TYPED(ptr, void *, (uint64_t)(uintptr_t), (void *)(uintptr_t))

#define ADDS(name, type)                                      \
	type vt_##name##_add(ioasid_atomic_##name *a, type x, \
			     const struct vt_site *site)      \
	{                                                     \
		type before;                                  \
                                                              \
		step(site);                                   \
		before = a->v;                                \
		if (!effect(ADD, site, SKIPPED))              \
			a->v = before + x;                    \
		return before;                                \
	}

ADDS(u32, uint32_t)
ADDS(u64, uint64_t)

void vt_fence(const struct vt_site *site)
{
	step(site);
}

/* --- memory --- */

/* Before each block; no two share a line. */
#define BEFORE ((size_t)64)

static size_t rounded(size_t size)
{
	return (size + 63) & ~(size_t)63;
}

void *vt_alloc(size_t size)
{
	char *block = arena + arena_used;
	size_t whole = rounded(size) + BEFORE;

	if (vt_trouble(VT_NO_MEMORY) || vt_trouble(VT_NEVER_MEMORY))
		return NULL;
	if (whole > ARENA - arena_used) {
		fuzz_failed(__FILE__, __LINE__, "more memory than there is");
	}
	arena_used += whole;
	arena_held += size;
	ASAN_POISON_MEMORY_REGION(block, whole);
	block += BEFORE;
	ASAN_UNPOISON_MEMORY_REGION(block, size);
	UNINITIALIZED(block, size);
	return block;
}

void vt_free(void *block, size_t size)
{
	/* It stays what it is until the end, for who looks at it later. */
	memset(block, FREED, size);
	ASAN_POISON_MEMORY_REGION(block, size);
	arena_held -= size;
}

size_t vt_held(void)
{
	return arena_held;
}
