/* SPDX-License-Identifier: MIT */
#ifndef IOASID_CONCURRENT_SCHED_H
#define IOASID_CONCURRENT_SCHED_H

/*
 * Virtual threads: fibres of one thread of the system, of which one runs until
 * the schedule says that another does, it waits, or it ends. The same schedule
 * gives the same run. Interleavings are sequentially consistent.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The one that sets up and looks at the end; those of the program; a worker. */
enum { VT_MAIN, VT_A, VT_B, VT_C, VT_D, VT_WORKER, VT_THREADS };

/* After so many points of a step the thread passes on to another. */
struct vt_switch {
	uint8_t at, to;
};

/* What may go wrong in a step, each once. */
enum vt_trouble {
	VT_NO_TROUBLE,
	/* no memory, once; from then on */
	VT_NO_MEMORY,
	VT_NEVER_MEMORY,
	/* a futex wakes without reason */
	VT_WOKEN,
	/* membarrier(2) is refused */
	VT_NO_BARRIER,
	VT_TROUBLES,
};

/* All as at the start of a process. */
void vt_begin(void);
void vt_end(void);
void vt_spawn(unsigned int thread, void (*func)(void *arg), void *arg);
/* The calling thread waits until all spawned have ended. */
void vt_join(void);

unsigned int vt_self(void);
/* Counts points; each call gives a later one. */
uint32_t vt_time(void);
/* A point of the caller's own. */
void vt_point(const char *what);

/* The schedule of the step that begins, for the calling thread. */
void vt_arm(const struct vt_switch *switches, unsigned int count,
	    enum vt_trouble trouble, unsigned int nth);
/* Did the trouble armed come? */
bool vt_troubled(void);
/* No other thread runs before the matching call. */
void vt_hold(void);
void vt_release(void);

/* A hash of all points so far, the same for the same run. */
uint64_t vt_trace(void);
/* Writes each point to standard error. */
extern bool vt_verbose;
uint64_t vt_points(void);

/* Memory that is given back as a whole by vt_end(). */
void *vt_alloc(size_t size);
void vt_free(void *block, size_t size);
/* Bytes not given back. */
size_t vt_held(void);

/* Faults, planted at a place in the library or by vt_plants(). */
extern const char *const vt_faults[];
void vt_plant(const char *name);

/* --- for what stands in for the system --- */

struct ioasid_exit_hook;

/* Until woken; false: a wait with a time came to its end. */
bool vt_wait(const void *word, bool timed);
void vt_wake(const void *word, bool all);
void vt_yield(void);
void vt_at_exit(const struct ioasid_exit_hook *hook);
/* Until the worker has ended. */
void vt_await_worker(void);
/* Does it come now? */
bool vt_trouble(enum vt_trouble trouble);
/* Does membarrier(2) work in this run? */
extern bool vt_membarrier;

#endif /* IOASID_CONCURRENT_SCHED_H */
