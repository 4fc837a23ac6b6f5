/* SPDX-License-Identifier: MIT */
#ifndef MODEL_PLATFORM_H
#define MODEL_PLATFORM_H

/* What core/rcu and core/store need of core/platform, on the model. */

#include "model.h"

#include <pthread.h>

#include <ioasid/space.h>

extern "C" {
#include "core/platform/lock.h"
#include "core/platform/memory.h"
#include "core/platform/util.h"
#include "core/rcu/rcu.h"
}

namespace model {

/*
 * Relacy's threads are one to the system, so their thread-local variables have
 * the same addresses. What domains see of a thread must not: its places are
 * taken, so its readers come from memory.
 */
struct ioasid_rcu other_domain;

inline void take_places()
{
	if (!is_private(ioasid_rcu_readers))
		fail("thread-local variables not found");
	for (auto &reader : ioasid_rcu_readers)
		ioasid_store_relaxed(&reader.rcu, &other_domain);
}

/* Functions of the headers that the C code calls or passes on. */
void *const inline_functions[] __attribute__((used)) = {
	(void *)ioasid_bitmap_find,	 (void *)ioasid_radix_find,
	(void *)ioasid_hash_find,	 (void *)ioasid_hash_find_moved,
	(void *)ioasid_slot_publish,	 (void *)ioasid_slot_free,
	(void *)ioasid_slot_get,	 (void *)ioasid_slot_put,
	(void *)ioasid_slot_hide,	 (void *)ioasid_slot_vacate,
	(void *)ioasid_slot_hold,	 (void *)ioasid_slot_move,
	(void *)ioasid_slot_reserve,	 (void *)ioasid_slot_publish_reserved,
	(void *)ioasid_state_reserved,	 (void *)ioasid_state_unused,
	(void *)ioasid_state_make,	 (void *)ioasid_state_refs,
	(void *)ioasid_state_generation, (void *)ioasid_generation_next,
	(void *)ioasid_generation_turns, (void *)ioasid_space_rcu,
	(void *)ioasid_handle_id,	 (void *)ioasid_handle_generation,
};

/* --- the one thread of the library's own, see ioasid_worker --- */

inline void worker_lock(struct ioasid_worker *worker)
{
	now.worker->mutex.lock($);
	now.worker->worker = worker;
	resumed();
}

inline void worker_unlock(bool wake)
{
	if (wake)
		now.worker->changed.notify_all($);
	now.worker->mutex.unlock($);
	resumed();
}

/* False: the time is over. */
inline bool worker_wait(bool timed)
{
	bool woken = true;

	if (timed)
		woken = now.worker->changed.wait_for(now.worker->mutex, 0, $);
	else
		now.worker->changed.wait(now.worker->mutex, $);
	resumed();
	return woken;
}

/* What the thread does from its start to its end. */
inline void worker_run()
{
	worker_state *state = now.worker;
	struct ioasid_worker *worker;
	bool started;

	state->mutex.lock($);
	resumed();
	while (!state->worker ||
	       (!state->worker->started && !state->worker->stopped))
		worker_wait(false);
	worker = state->worker;
	started = worker->started;
	worker_unlock(false);
	if (started)
		worker->func(worker);
	if (now.exit_hook[rl::thread_index()])
		now.exit_hook[rl::thread_index()]();
	now.exit_hook[rl::thread_index()] = nullptr;
	state->mutex.lock($);
	resumed();
	state->ended = true;
	worker_unlock(true);
}

} // namespace model

extern "C" {

bool ioasid_membarrier_enable(void)
{
	return model::set.membarrier;
}

bool ioasid_membarrier(void)
{
	if (model::set.membarrier_refused && rl::rand(2))
		return model::plants("refused, not asked again");
	if (!model::plants("no membarrier") &&
	    !model::plants("barrier too early") &&
	    !model::plants("barrier too late"))
		model::membarrier((unsigned int)rl::ctx().get_thread_count());
	return true;
}

static void *hook_alloc(void *, size_t size)
{
	if (model::set.starved >> rl::thread_index() & 1)
		return nullptr;
	return model::alloc(size);
}

static void hook_free(void *, void *block, size_t)
{
	model::release(block);
}

void *ioasid_memory_alloc(const struct ioasid_memory *memory, size_t size)
{
	return memory->alloc(memory->context, size);
}

void ioasid_memory_free(const struct ioasid_memory *memory, void *block,
			size_t size)
{
	(memory->free)(memory->context, block, size);
}

int ioasid_memory_resolve(const struct ioasid_memory *hooks,
			  struct ioasid_memory *resolved)
{
	*resolved = *hooks;
	resolved->alloc = hook_alloc;
	resolved->free = hook_free;
	return 0;
}

void *ioasid_memory_zeroed(const struct ioasid_memory *, size_t size)
{
	return hook_alloc(nullptr, size);
}

void ioasid_memory_zeroed_free(const struct ioasid_memory *, void *block,
			       size_t)
{
	model::release(block);
}

size_t ioasid_memory_discard(const struct ioasid_memory *, size_t, void *,
			     size_t)
{
	return 0;
}

void ioasid_backoff(unsigned int)
{
	rl::yield(1, $);
	model::resumed();
}

/* Keys choose their own place. */
uint64_t ioasid_mix(uint64_t number)
{
	return number;
}

uint64_t ioasid_random(const void *)
{
	return 0;
}

uint64_t ioasid_clock(void)
{
	return 1;
}

bool ioasid_at_thread_exit(const struct ioasid_exit_hook *hook)
{
	model::now.exit_hook[rl::thread_index()] = hook->func;
	return true;
}

bool ioasid_forking(void)
{
	return false;
}

bool ioasid_at_fork(enum ioasid_fork_layer, const struct ioasid_fork_hook *)
{
	return true;
}

void ioasid_signals_block(struct ioasid_signals *)
{
}

void ioasid_signals_restore(const struct ioasid_signals *)
{
}

void ioasid_worker_init(struct ioasid_worker *worker,
			void (*func)(struct ioasid_worker *worker))
{
	worker->func = func;
}

bool ioasid_worker_wake(struct ioasid_worker *worker)
{
	model::worker_lock(worker);
	worker->woken = true;
	worker->started = true;
	model::worker_unlock(true);
	return true;
}

void ioasid_worker_sleep(struct ioasid_worker *worker, uint64_t ns)
{
	model::worker_lock(worker);
	while (!worker->woken && !worker->stopped)
		if (!model::worker_wait(ns != 0))
			break;
	worker->woken = false;
	model::worker_unlock(false);
}

bool ioasid_worker_stopped(struct ioasid_worker *worker)
{
	bool stopped;

	model::worker_lock(worker);
	stopped = worker->stopped;
	model::worker_unlock(false);
	return stopped;
}

bool ioasid_worker_child(struct ioasid_worker *)
{
	return false;
}

void ioasid_worker_stop(struct ioasid_worker *worker)
{
	if (!model::now.worker)
		return;
	model::worker_lock(worker);
	worker->stopped = true;
	model::now.worker->changed.notify_all($);
	while (!model::now.worker->ended)
		model::worker_wait(false);
	model::worker_unlock(false);
}

int ioasid_cancel_disable(void)
{
	return 0;
}

void ioasid_cancel_restore(int)
{
}

bool model_lock_try(struct ioasid_lock *lock, const model_site *site)
{
	model::step step;

	return model::lock_of(&lock->mutex)->try_lock(model::info_of(site));
}

void model_lock(struct ioasid_lock *lock, const model_site *site)
{
	if (model::effect_on(model::LOCK, site) == model::NONE) {
		model::step step;

		model::lock_of(&lock->mutex)->lock(model::info_of(site));
	} else {
		model::switch_here();
	}
	model::done();
}

void model_unlock(struct ioasid_lock *lock, const model_site *site)
{
	if (model::effect_on(model::LOCK, site) == model::NONE) {
		model::step step;

		model::lock_of(&lock->mutex)->unlock(model::info_of(site));
	} else {
		model::switch_here();
	}
	model::done();
}

bool ioasid_lock_unless_forking(struct ioasid_lock *lock)
{
	ioasid_lock(lock);
	return true;
}

void ioasid_guard_lock(struct ioasid_guard *guard, struct ioasid_lock *lock)
{
	guard->lock = lock;
	ioasid_lock(lock);
}

void ioasid_guard_unlock(struct ioasid_guard *guard)
{
	ioasid_unlock(guard->lock);
}

void ioasid_guard_adopt(struct ioasid_guard *, struct ioasid_lock *)
{
}

void ioasid_guard_drop(struct ioasid_guard *)
{
}

void ioasid_lock_fork_prepare(struct ioasid_lock *)
{
}

void ioasid_lock_fork_parent(struct ioasid_lock *)
{
}

void ioasid_lock_fork_child(struct ioasid_lock *)
{
}

} // extern "C"

#endif /* MODEL_PLATFORM_H */
