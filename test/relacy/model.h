/* SPDX-License-Identifier: MIT */
#ifndef MODEL_H
#define MODEL_H

/*
 * The library on the model checker Relacy: atomics, locks, memory, thread-local
 * variables and membarrier(2) as the C code sees them, and faults to plant.
 * Part of one file per program.
 *
 * Relacy lets a load find one of the last three values, two unless schedules are
 * at random, and orders fences that are sequentially consistent as if they
 * synchronized, which C11 does not.
 */

#include <link.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <ostream>

/* Relacy has numbers of its own for these; the C code does not. */
#pragma push_macro("EAGAIN")
#pragma push_macro("EBUSY")
#pragma push_macro("EINVAL")
#include <relacy/relacy.hpp>
#pragma pop_macro("EAGAIN")
#pragma pop_macro("EBUSY")
#pragma pop_macro("EINVAL")

#include "relacy_atomic.h"

struct ioasid_worker;

namespace model {

enum {
	THREADS_MAX = 4,
	CELLS = 512,
	BLOCKS = 64,
	LOCKS = 16,
	ARENA = 1 << 16,
	TLS_SIZE = 4096
};

enum op { NOTHING, LOAD, STORE, EXCHANGE, ADD, CAS, FENCE, LOCK };

enum effect {
	NONE,
	/* as if the order were relaxed */
	RELAXED,
	/* not done; a load finds 0, an exchange 0 as well */
	SKIPPED,
	/* a store: others see it only after so many operations of its thread */
	LATE,
	/* a load: finds one less */
	LESS,
	/* compare-and-swap: stores whatever it finds */
	BLIND,
};

/*
 * A fault to plant: what becomes of one operation of one function. @what is
 * part of its operand as written.
 */
struct fault {
	const char *name;
	enum op op;
	const char *func, *what;
	enum effect effect;
	unsigned int count;
};

const fault no_fault = { "-", NOTHING, "", "", NONE, 0 };

/* Of the check that runs; and times that the fault was met. */
fault planted = no_fault;
unsigned long met;
/* The threads of the check run: not before() or after(). */
bool running;

inline enum effect effect_on(enum op op, const model_site *site)
{
	if (planted.op != op || !running || strcmp(planted.func, site->func) ||
	    !strstr(site->what, planted.what))
		return NONE;
	met++;
	return planted.effect;
}

/* A fault that the check itself commits. */
inline bool plants(const char *name)
{
	if (!running || strcmp(planted.name, name))
		return false;
	met++;
	return true;
}

/* What the model is made of: all of it new in each schedule. */

struct event {
	const char *op;
	const void *where;
	uint64_t value;

	void output(std::ostream &s) const
	{
		s << "<" << where << "> " << op << " " << (void *)value;
	}
};

/*
 * Memory of the library. What is freed stays as it is: whoever still looks at
 * it is found. @alive is written at both ends of its life and read with every
 * access to an atomic in it, so an access that is not ordered after the
 * allocation or before the free is a race, whichever comes first in time.
 */
struct block {
	char *memory;
	size_t size;
	bool freed;
	rl::var<int> *alive;
	alignas(rl::var<int>) char storage[sizeof(rl::var<int>)];
};

struct cell {
	uint32_t *home;
	struct block *block;
	rl::atomic_data *data;
	uint64_t value, history[rl::atomic_history_size];
};

struct held_store {
	struct cell *cell;
	uint64_t value;
	enum model_order order;
	const model_site *site;
	unsigned int count;
};

/* A thread of the library's own, if a check has one. */
struct worker_state {
	rl::mutex mutex;
	rl::condition_variable changed;
	struct ioasid_worker *worker;
	bool ended;
};

struct state {
	cell cells[CELLS];
	uint32_t cell_count;
	block blocks[BLOCKS];
	unsigned int block_count, live_blocks;
	alignas(64) char arena[ARENA];
	size_t arena_used;
	uint32_t *lock_home[LOCKS];
	rl::mutex *locks[LOCKS];
	alignas(rl::mutex) char lock_storage[LOCKS][sizeof(rl::mutex)];
	uint32_t lock_count;
	held_store held[THREADS_MAX];
	unsigned int stay;
	worker_state *worker;
	int finished;
	void (*exit_hook[THREADS_MAX])();
};

state now;

/* What a check wants; as here unless it says so before its threads run. */
struct settings {
	/* called by each thread first */
	void (*thread_start)();
	/* is there membarrier(2), and does it refuse now and then? */
	bool membarrier, membarrier_refused;
	/* bits of the threads for which there is no memory */
	unsigned int starved;
};

settings set;

/* What of Relacy depends on the number of threads. */
void (*cell_init)(rl::atomic_data *data);
void (*fence_on)(unsigned int thread);

[[noreturn]] inline void fail(const char *why)
{
	std::fprintf(stderr, "model: %s\n", why);
	std::abort();
}

/* Thread-local variables of the program, one set for each thread. */

char *tls;
size_t tls_size;
char tls_of[THREADS_MAX][TLS_SIZE], tls_first[TLS_SIZE];
unsigned int tls_owner;

inline int tls_find(dl_phdr_info *info, size_t, void *)
{
	for (int i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type != PT_TLS)
			continue;
		tls = (char *)info->dlpi_tls_data;
		tls_size = info->dlpi_phdr[i].p_memsz;
	}
	/* The first is the program itself. */
	return 1;
}

inline void tls_setup()
{
	dl_iterate_phdr(tls_find, nullptr);
	if (tls_size > TLS_SIZE)
		fail("too many thread-local variables");
	if (tls_size)
		memcpy(tls_first, tls, tls_size);
}

inline void tls_reset()
{
	if (!tls_size)
		return;
	memcpy(tls, tls_first, tls_size);
	for (auto &image : tls_of)
		memcpy(image, tls_first, tls_size);
	tls_owner = rl::thread_index();
}

/* After everything that may have switched threads. */
inline void resumed()
{
	unsigned int index = rl::thread_index();

	if (index == tls_owner || !tls_size)
		return;
	memcpy(tls_of[tls_owner], tls, tls_size);
	memcpy(tls, tls_of[index], tls_size);
	tls_owner = index;
}

/*
 * A schedule at random switches threads with every operation, or with one in 4,
 * 16 or 64 of them: some faults want one thread to do much while another is
 * between two operations.
 */
struct step {
	bool stays;

	step() : stays(now.stay > 1 && rl::rand(now.stay))
	{
		if (stays)
			rl::ctx().disable_preemption();
	}

	~step()
	{
		if (stays)
			rl::ctx().enable_preemption();
		resumed();
	}
};

inline void switch_here()
{
	step step;

	rl::ctx().sched();
}

inline bool is_private(const void *address)
{
	return (size_t)((const char *)address - tls) < tls_size;
}

/* Life of a schedule. */

inline void begin()
{
	for (uint32_t i = 0; i < now.cell_count; i++)
		*now.cells[i].home = 0;
	for (uint32_t i = 0; i < now.lock_count; i++)
		*now.lock_home[i] = 0;
	now.cell_count = now.lock_count = 0;
	now.block_count = now.live_blocks = 0;
	now.arena_used = 0;
	for (auto &held : now.held)
		held.cell = nullptr;
	for (auto &hook : now.exit_hook)
		hook = nullptr;
	set = { nullptr, false, false, 0 };
	now.worker = nullptr;
	now.finished = 0;
	running = false;
	now.stay = rl::ctx().is_random_sched() ? 1u << 2 * rl::rand(4) : 1;
	tls_reset();
}

template <class T> void destroy(T *object)
{
	object->~T();
}

inline void end()
{
	for (uint32_t i = 0; i < now.cell_count; i++)
		rl::ctx().atomic_dtor(now.cells[i].data);
	for (uint32_t i = 0; i < now.lock_count; i++)
		destroy(now.locks[i]);
	for (unsigned int i = 0; i < now.block_count; i++)
		destroy(now.blocks[i].alive);
}

/* Memory. */

inline void *alloc(size_t size)
{
	block *b = &now.blocks[now.block_count++];

	size = (size + 63) / 64 * 64;
	if (now.block_count > BLOCKS || now.arena_used + size > ARENA)
		fail("out of memory");
	b->memory = now.arena + now.arena_used;
	b->size = size;
	b->freed = false;
	b->alive = new (b->storage) rl::var<int>(1);
	now.arena_used += size;
	now.live_blocks++;
	memset(b->memory, 0, size);
	return b->memory;
}

inline block *block_of(const void *address)
{
	for (unsigned int i = 0; i < now.block_count; i++)
		if ((size_t)((const char *)address - now.blocks[i].memory) <
		    now.blocks[i].size)
			return &now.blocks[i];
	return nullptr;
}

inline void release(void *memory)
{
	block *b = block_of(memory);

	RL_ASSERT(b && b->memory == memory && !b->freed);
	(*b->alive)($) = 0;
	b->freed = true;
	now.live_blocks--;
}

/* Atomics. */

inline rl::debug_info info_of(const model_site *site)
{
	return rl::debug_info(site->func, site->file, site->line);
}

/* Zeroed memory is zero to whoever may look at it. */
inline cell *cell_of(const uint32_t *home)
{
	uint32_t *number = (uint32_t *)(uintptr_t)home;
	rl::context &c = rl::ctx();
	cell *found;

	/* A member of what a null pointer points to. */
	RL_ASSERT((uintptr_t)home >= 4096);
	if (!*number) {
		if (now.cell_count == CELLS)
			fail("too many atomics");
		found = &now.cells[now.cell_count];
		*number = ++now.cell_count;
		found->home = number;
		found->block = block_of(home);
		found->data = c.atomic_ctor(found);
		found->value = 0;
		found->history[c.threadx_->atomic_init(found->data)] = 0;
		cell_init(found->data);
	}
	found = &now.cells[*number - 1];
	if (found->block) {
		RL_ASSERT(!found->block->freed);
		(void)(int)(*found->block->alive)($);
	}
	return found;
}

inline void log(const char *op, const cell *cell, uint64_t value,
		const model_site *site)
{
	rl::context &c = rl::ctx();

	if (c.collecting_history()) {
		event e = { op, cell->home, value };

		c.exec_log(info_of(site), e);
	}
}

inline void store_now(cell *to, uint64_t value, enum model_order order,
		      const model_site *site)
{
	rl::thread_info_base *me = rl::ctx().threadx_;
	unsigned int index = order == MODEL_RELAXED ?
				     me->atomic_store_relaxed(to->data) :
				     me->atomic_store_release(to->data);

	to->history[index] = to->value = value;
	log(order == MODEL_RELAXED ? "store relaxed" : "store release", to,
	    value, site);
}

/* Ends each operation. */
inline void done()
{
	held_store *held = &now.held[rl::thread_index()];
	cell *to = held->cell;

	if (to && !held->count--) {
		held->cell = nullptr;
		switch_here();
		store_now(to, held->value, held->order, held->site);
	}
}

inline void flush()
{
	held_store *held = &now.held[rl::thread_index()];

	if (held->cell) {
		held->count = 0;
		done();
	}
}

inline uint64_t load(const uint32_t *home, enum model_order order,
		     const model_site *site)
{
	rl::thread_info_base *me = rl::ctx().threadx_;
	enum effect effect = effect_on(LOAD, site);
	uint64_t value;
	cell *from;

	if (!is_private(home))
		switch_here();
	from = cell_of(home);
	if (effect == RELAXED)
		order = MODEL_RELAXED;
	value = from->history[order == MODEL_RELAXED ?
				      me->atomic_load_relaxed(from->data) :
				      me->atomic_load_acquire(from->data)];
	if (now.held[rl::thread_index()].cell == from)
		value = now.held[rl::thread_index()].value;
	log(order == MODEL_RELAXED ? "load relaxed" : "load acquire", from,
	    value, site);
	done();
	if (effect == LESS)
		return value - 1;
	return effect == SKIPPED ? 0 : value;
}

inline void store(uint32_t *home, uint64_t value, enum model_order order,
		  const model_site *site)
{
	held_store *held = &now.held[rl::thread_index()];
	enum effect effect = effect_on(STORE, site);
	cell *to;

	if (!is_private(home))
		switch_here();
	to = cell_of(home);
	if (effect == LATE && !held->cell) {
		*held = { to, value, order, site, planted.count };
		return;
	}
	if (effect != SKIPPED)
		store_now(to, value, effect == RELAXED ? MODEL_RELAXED : order,
			  site);
	done();
}

inline unsigned int rmw(cell *at, enum model_order order)
{
	rl::thread_info_base *me = rl::ctx().threadx_;
	bool aba;

	switch (order) {
	case MODEL_ACQUIRE:
		return me->atomic_rmw_acquire(at->data, aba);
	case MODEL_RELEASE:
		return me->atomic_rmw_release(at->data, aba);
	case MODEL_ACQ_REL:
		return me->atomic_rmw_acq_rel(at->data, aba);
	case MODEL_RELAXED:
		break;
	}
	return me->atomic_rmw_relaxed(at->data, aba);
}

inline uint64_t update(uint32_t *home, uint64_t value, bool add,
		       enum model_order order, const model_site *site)
{
	enum effect effect = effect_on(add ? ADD : EXCHANGE, site);
	uint64_t before;
	cell *at;

	switch_here();
	at = cell_of(home);
	before = at->value;
	if (effect != SKIPPED) {
		at->value = add ? before + value : value;
		at->history[rmw(at, effect == RELAXED ? MODEL_RELAXED : order)] =
			at->value;
		log(add ? "add" : "exchange", at, at->value, site);
	}
	done();
	return effect == SKIPPED ? 0 : before;
}

inline bool cas(uint32_t *home, uint64_t *expected, uint64_t value,
		const model_site *site)
{
	rl::thread_info_base *me = rl::ctx().threadx_;
	enum effect effect = effect_on(CAS, site);
	uint64_t before;
	bool equal;
	cell *at;

	switch_here();
	at = cell_of(home);
	before = at->value;
	equal = before == *expected;
	if (equal || effect == BLIND) {
		at->value = value;
		at->history[rmw(at, effect == RELAXED ? MODEL_RELAXED :
							MODEL_ACQ_REL)] = value;
	} else if (effect == RELAXED) {
		me->atomic_load_relaxed_rmw(at->data);
	} else {
		me->atomic_load_acquire_rmw(at->data);
	}
	log(equal ? "compare-and-swap" : "compare-and-swap failed", at, value,
	    site);
	*expected = before;
	done();
	return equal || effect == BLIND;
}

/*
 * membarrier(2): a full barrier in the caller, one in each other thread between
 * two of its operations, at different times and in any order, and one more in
 * the caller.
 */
inline void membarrier(unsigned int threads)
{
	rl::context &c = rl::ctx();
	unsigned int me = rl::thread_index();
	unsigned int first = rl::rand(threads);

	c.atomic_thread_fence_seq_cst();
	for (unsigned int i = 0; i < threads; i++) {
		unsigned int other = (first + i) % threads;

		if (other == me)
			continue;
		c.sched();
		fence_on(other);
	}
	c.atomic_thread_fence_seq_cst();
	resumed();
}

/* Locks. */

inline rl::mutex *lock_of(uint32_t *home)
{
	uint32_t number = *home;

	if (!number) {
		if (now.lock_count == LOCKS)
			fail("too many locks");
		number = now.lock_count++;
		now.lock_home[number] = home;
		now.locks[number] = new (now.lock_storage[number]) rl::mutex();
		*home = ++number;
	}
	return now.locks[number - 1];
}

} // namespace model

/* The atomics and locks that the C code calls. */

extern "C" {

#define MODEL_TYPED(name, type, number)                                        \
	type name##_load(const ioasid_atomic_##name *a,                        \
			 enum model_order order, const model_site *site)       \
	{                                                                      \
		return (type)(number)model::load(&a->cell, order, site);       \
	}                                                                      \
                                                                               \
	void name##_store(ioasid_atomic_##name *a, type x,                     \
			  enum model_order order, const model_site *site)      \
	{                                                                      \
		model::store(&a->cell, (number)x, order, site);                \
	}                                                                      \
                                                                               \
	type name##_exchange(ioasid_atomic_##name *a, type x,                  \
			     enum model_order order, const model_site *site)   \
	{                                                                      \
		return (type)(number)model::update(&a->cell, (number)x, false, \
						   order, site);               \
	}                                                                      \
                                                                               \
	bool name##_cas(ioasid_atomic_##name *a, type *expected, type x,       \
			const model_site *site)                                \
	{                                                                      \
		uint64_t found = (number) * expected;                          \
		bool done = model::cas(&a->cell, &found, (number)x, site);     \
                                                                               \
		*expected = (type)(number)found;                               \
		return done;                                                   \
	}

MODEL_TYPED(u32, uint32_t, uint32_t)
MODEL_TYPED(u64, uint64_t, uint64_t)
MODEL_TYPED(ptr, void *, uintptr_t)

#undef MODEL_TYPED

uint32_t u32_add(ioasid_atomic_u32 *a, uint32_t x, enum model_order order,
		 const model_site *site)
{
	/* The model's numbers have 64 bits. */
	return (uint32_t)model::update(&a->cell, (uint64_t)(int32_t)x, true,
				       order, site);
}

uint64_t u64_add(ioasid_atomic_u64 *a, uint64_t x, enum model_order order,
		 const model_site *site)
{
	return model::update(&a->cell, x, true, order, site);
}

void model_fence(const model_site *site)
{
	if (model::effect_on(model::FENCE, site) == model::NONE)
		rl::atomic_thread_fence(rl::mo_seq_cst, model::info_of(site));
	model::resumed();
	model::done();
}

bool model_plants(const char *name)
{
	return model::plants(name);
}

} // extern "C"

#endif /* MODEL_H */
