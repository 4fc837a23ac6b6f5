/* SPDX-License-Identifier: MIT */
/*
 * The page-request handler of an IOMMU. Devices work on the memory of
 * processes; a page that is missing they ask for, in a request that names the
 * process by its PASID. Processes come and go meanwhile.
 *
 * A request can wait in the queue for longer than its process lives. It must
 * then be answered "invalid", and not be served for the next process that has
 * the PASID, though nothing in it tells the two apart:
 * - A device holds a reference to each PASID it was given. It stops with a
 *   marker behind its last request, as PCIe has it, and only when that comes
 *   out of the queue the reference is put and the PASID may be handed out again.
 * - By then another worker may have taken the last request and not yet looked
 *   it up. So requests are taken inside a read section, and the space has a
 *   quarantine: no PASID is handed out again before such sections have ended.
 * Serving takes long, so it is done outside of the section: the getter takes a
 * reference to the address space, if that is not about to go.
 */
#define _POSIX_C_SOURCE 200809L

#include "example.h"

#include <ioasid/ioasid.h>

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum {
	DEVICES = 2,
	/* requests the queue has room for */
	QUEUE = 64,
	/* of an address space; a process exits when the device had them all */
	PAGES = 16,
	PAGE_SHIFT = 12,
	/* requests a device has in its pipeline when it is told to stop */
	LATE = 4,
	/* every so many turns a device tries a PASID it was not given */
	GUESS = 8,
	PASID_MAX = 0xfffff,
	THREADS_MAX = 256,
};

/* To see each check fail: what is broken on purpose. */
enum fault {
	NO_FAULT,
	NO_REFERENCE,
	NO_QUARANTINE,
	NO_SET,
	NO_MARKER,
	NO_ANSWER,
};

static const char *const fault_names[] = {
	"none", "reference", "quarantine", "set", "marker", "answer", NULL,
};

struct request {
	struct device *device;
	ioasid_t pasid;
	bool stop;
	uint64_t address;
	/* Not in real ones, for the checks: the process meant; 0: a guess. */
	uint64_t process;
};

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t not_empty, not_full;
	unsigned int first, count;
	bool closed;
	struct request requests[QUEUE];
};

/* What a device knows of a process it works for. */
struct context {
	struct context *next;
	ioasid_t pasid;
	bool stop;
	unsigned int late, page;
	uint64_t process;
};

struct device {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct ioasid_set *set;
	struct context *first, **last;
	bool off;
	uint64_t posted;
};

struct address_space {
	struct ioasid_rcu_head rcu;
	atomic_uint refs;
	struct device *device;
	ioasid_t pasid;
	uint64_t process;
	pthread_mutex_t lock;
	pthread_cond_t mapped;
	uint32_t present;
	uint64_t faults;
};

enum answer { SERVED, UNKNOWN, EXITING, FOREIGN, ANSWERS };

struct worker {
	pthread_t thread;
	bool slow;
	uint64_t answers[ANSWERS], markers;
};

static struct ioasid_space *space;
static struct queue queue = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.not_empty = PTHREAD_COND_INITIALIZER,
	.not_full = PTHREAD_COND_INITIALIZER,
};
static struct device devices[DEVICES];
static unsigned int fault;
static unsigned int workers = 4, processes = 8, lives = 32, slow;

static atomic_uint_fast64_t started, freed, faults;
/* Served for a process, or a device, the request was not meant for. */
static atomic_uint_fast64_t stale, crossed;

/* Once is enough for a fault to be caught. */
static bool once(void)
{
	static atomic_flag done = ATOMIC_FLAG_INIT;

	return !atomic_flag_test_and_set(&done);
}

static void queue_post(const struct request *request)
{
	pthread_mutex_lock(&queue.lock);
	while (queue.count == QUEUE)
		pthread_cond_wait(&queue.not_full, &queue.lock);
	queue.requests[(queue.first + queue.count++) % QUEUE] = *request;
	pthread_cond_signal(&queue.not_empty);
	pthread_mutex_unlock(&queue.lock);
}

/* Returns inside a read section unless false: the queue is closed and empty. */
static bool queue_take(struct request *request)
{
	bool taken;

	pthread_mutex_lock(&queue.lock);
	while (!queue.count && !queue.closed)
		pthread_cond_wait(&queue.not_empty, &queue.lock);
	taken = queue.count != 0;
	if (taken) {
		/* Before the marker behind it can be taken by another. */
		ioasid_rcu_read_lock(ioasid_space_rcu(space));
		*request = queue.requests[queue.first];
		queue.first = (queue.first + 1) % QUEUE;
		queue.count--;
		pthread_cond_signal(&queue.not_full);
	}
	pthread_mutex_unlock(&queue.lock);
	return taken;
}

static void queue_close(void)
{
	pthread_mutex_lock(&queue.lock);
	queue.closed = true;
	pthread_cond_broadcast(&queue.not_empty);
	pthread_mutex_unlock(&queue.lock);
}

/* Called in a read section: the memory is there, but maybe its last user left. */
static bool address_space_get(void *data)
{
	struct address_space *as = data;
	unsigned int refs = atomic_load(&as->refs);

	do {
		if (!refs)
			return false;
	} while (!atomic_compare_exchange_weak(&as->refs, &refs, refs + 1));
	return true;
}

/* No reader has it any more. */
static void address_space_free(struct ioasid_rcu_head *head)
{
	struct address_space *as = (struct address_space *)head;

	atomic_fetch_add(&faults, as->faults);
	atomic_fetch_add(&freed, 1);
	pthread_cond_destroy(&as->mapped);
	pthread_mutex_destroy(&as->lock);
	free(as);
}

/* The last one unbinds: from here on the PASID is unknown, and pending. */
static void address_space_put(struct address_space *as)
{
	if (atomic_fetch_sub(&as->refs, 1) == 1)
		check(!ioasid_space_free_deferred(space, as->pasid, &as->rcu,
						  address_space_free),
		      "an unbind failed");
}

static void address_space_map(struct address_space *as, uint64_t address)
{
	pthread_mutex_lock(&as->lock);
	as->present |= UINT32_C(1) << (address >> PAGE_SHIFT) % PAGES;
	as->faults++;
	if (as->present == (UINT32_C(1) << PAGES) - 1)
		pthread_cond_signal(&as->mapped);
	pthread_mutex_unlock(&as->lock);
}

/* Posts requests for each context in turn until it is told to stop. */
static void *device_run(void *arg)
{
	struct device *device = arg;
	struct request request = { .device = device };
	struct context *context;

	for (;;) {
		pthread_mutex_lock(&device->lock);
		while (!device->first && !device->off)
			pthread_cond_wait(&device->work, &device->lock);
		context = device->first;
		if (!context)
			break;
		device->first = context->next;
		if (!device->first)
			device->last = &device->first;
		request.pasid = context->pasid;
		request.process = context->process;
		request.address = (uint64_t)context->page++ << PAGE_SHIFT;
		request.stop = context->stop && !context->late--;
		if (!request.stop) {
			context->next = NULL;
			*device->last = context;
			device->last = &context->next;
		}
		pthread_mutex_unlock(&device->lock);

		if (request.stop) {
			free(context);
			if (fault != NO_MARKER || !once())
				queue_post(&request);
			continue;
		}
		queue_post(&request);
		if (++device->posted % GUESS)
			continue;
		request.pasid = 1 + (ioasid_t)(device->posted / GUESS) %
					    (DEVICES * processes);
		request.process = 0;
		queue_post(&request);
		device->posted++;
	}
	pthread_mutex_unlock(&device->lock);
	return NULL;
}

static struct context *device_start(struct device *device, ioasid_t pasid,
				    uint64_t process)
{
	struct context *context = calloc(1, sizeof(*context));

	if (!context)
		return NULL;
	context->pasid = pasid;
	context->process = process;
	context->late = LATE;
	/* Put by the worker that takes the marker. */
	if (fault != NO_REFERENCE)
		check(!ioasid_space_get(space, device->set, pasid),
		      "a device got no reference");
	pthread_mutex_lock(&device->lock);
	*device->last = context;
	device->last = &context->next;
	pthread_cond_signal(&device->work);
	pthread_mutex_unlock(&device->lock);
	return context;
}

static void device_stop(struct device *device, struct context *context)
{
	pthread_mutex_lock(&device->lock);
	context->stop = true;
	pthread_mutex_unlock(&device->lock);
}

static void device_off(struct device *device)
{
	pthread_mutex_lock(&device->lock);
	device->off = true;
	pthread_cond_signal(&device->work);
	pthread_mutex_unlock(&device->lock);
}

static enum answer serve(const struct request *request, int err,
			 struct address_space *as)
{
	if (err == -ENOENT)
		return UNKNOWN;
	if (err == -EACCES)
		return FOREIGN;
	if (!check(!err, "an unknown answer") || !as)
		return EXITING;
	if (as->device != request->device)
		atomic_fetch_add(&crossed, 1);
	else if (request->process && request->process != as->process)
		atomic_fetch_add(&stale, 1);
	address_space_map(as, request->address);
	address_space_put(as);
	return SERVED;
}

static void *worker_run(void *arg)
{
	struct worker *worker = arg;
	struct request request;
	unsigned int i;
	void *data;
	int err;

	while (queue_take(&request)) {
		for (i = 0; worker->slow && i < slow; i++)
			sched_yield();
		if (request.stop) {
			if (fault != NO_REFERENCE)
				check(ioasid_space_put(space, request.pasid) >=
					      0,
				      "a reference was lost");
			ioasid_rcu_read_unlock(ioasid_space_rcu(space));
			worker->markers++;
			continue;
		}
		if (fault == NO_ANSWER && once()) {
			ioasid_rcu_read_unlock(ioasid_space_rcu(space));
			continue;
		}
		err = ioasid_space_find(
			space, fault == NO_SET ? NULL : request.device->set,
			request.pasid, address_space_get, &data);
		ioasid_rcu_read_unlock(ioasid_space_rcu(space));
		worker->answers[serve(&request, err, data)]++;
	}
	return NULL;
}

static int process_live(struct device *device)
{
	struct address_space *as = calloc(1, sizeof(*as));
	struct context *context;
	int err;

	if (!as)
		return -ENOMEM;
	atomic_init(&as->refs, 1);
	as->device = device;
	as->process = atomic_fetch_add(&started, 1) + 1;
	pthread_mutex_init(&as->lock, NULL);
	pthread_cond_init(&as->mapped, NULL);
	/* Workers may find it from here on. */
	err = ioasid_space_alloc(space, device->set, 1, PASID_MAX, as,
				 &as->pasid);
	if (err) {
		address_space_free(&as->rcu);
		return err;
	}
	context = device_start(device, as->pasid, as->process);
	if (context) {
		pthread_mutex_lock(&as->lock);
		while (as->present != (UINT32_C(1) << PAGES) - 1)
			pthread_cond_wait(&as->mapped, &as->lock);
		pthread_mutex_unlock(&as->lock);
		device_stop(device, context);
	}
	address_space_put(as);
	return context ? 0 : -ENOMEM;
}

static void *process_run(void *arg)
{
	unsigned int i;

	for (i = 0; i < lives; i++)
		check(!process_live(arg), "a bind failed");
	return NULL;
}

static void set_up(void)
{
	const struct ioasid_space_config config = {
		.min = 1,
		.max = PASID_MAX,
		.store = IOASID_STORE_BITMAP,
		.quarantine = fault != NO_QUARANTINE,
		.name = "PASID",
	};
	unsigned int i;

	if (ioasid_space_create(&config, &space))
		exit(2);
	for (i = 0; i < DEVICES; i++) {
		pthread_mutex_init(&devices[i].lock, NULL);
		pthread_cond_init(&devices[i].work, NULL);
		devices[i].last = &devices[i].first;
		if (ioasid_set_create(space, NULL, &devices[i].set))
			exit(2);
	}
}

static void start(pthread_t *thread, void *(*run)(void *), void *arg)
{
	if (pthread_create(thread, NULL, run, arg))
		exit(2);
}

static void run(struct worker *worker, pthread_t *process)
{
	unsigned int i;

	worker[0].slow = true;
	for (i = 0; i < workers; i++)
		start(&worker[i].thread, worker_run, &worker[i]);
	for (i = 0; i < DEVICES; i++)
		start(&devices[i].thread, device_run, &devices[i]);
	for (i = 0; i < processes; i++)
		start(&process[i], process_run, &devices[i % DEVICES]);
	for (i = 0; i < processes; i++)
		pthread_join(process[i], NULL);
	for (i = 0; i < DEVICES; i++) {
		device_off(&devices[i]);
		pthread_join(devices[i].thread, NULL);
	}
	queue_close();
	for (i = 0; i < workers; i++)
		pthread_join(worker[i].thread, NULL);
	/* Address spaces that wait for readers. */
	check(!ioasid_rcu_barrier(ioasid_space_rcu(space)),
	      "the barrier failed");
}

static void report(const struct worker *worker)
{
	uint64_t answers[ANSWERS] = { 0 }, answered = 0, posted = 0, stops = 0;
	const char *reason = "nothing";
	struct ioasid_stats stats;
	unsigned int i, j;

	for (i = 0; i < workers; i++) {
		stops += worker[i].markers;
		for (j = 0; j < ANSWERS; j++) {
			answers[j] += worker[i].answers[j];
			answered += worker[i].answers[j];
		}
	}
	for (i = 0; i < DEVICES; i++)
		posted += devices[i].posted;
	ioasid_space_stats(space, &stats);

	printf("%" PRIu64 " requests: %" PRIu64 " served, %" PRIu64
	       " of no process, %" PRIu64 " of one that exits, %" PRIu64
	       " of another device's\n",
	       posted, answers[SERVED], answers[UNKNOWN], answers[EXITING],
	       answers[FOREIGN]);
	printf("%" PRIuFAST64 " processes: %" PRIu64
	       " PASIDs allocated, %" PRIu64 " freed, %" PRIu32
	       " live, %" PRIu32 " pending; %" PRIu64 " stop markers\n",
	       atomic_load(&started), stats.allocs, stats.frees, stats.live,
	       stats.pending, stops);

	check(posted == answered, "requests are not answered once each");
	check(answers[SERVED] == atomic_load(&faults),
	      "pages are not mapped once for each request served");
	check(!atomic_load(&stale),
	      "a late request was served for another process");
	check(!atomic_load(&crossed),
	      "a request was served for another device's process");
	check(stops == atomic_load(&started), "a stop marker is missing");
	check(!stats.live && !stats.pending && !stats.committed &&
		      stats.allocs == stats.frees,
	      "a PASID leaked");
	check(atomic_load(&started) == atomic_load(&freed),
	      "an address space leaked");
	check(ioasid_space_validate(space, &reason), reason);
}

static void tear_down(void)
{
	unsigned int i;

	for (i = 0; i < DEVICES; i++) {
		pthread_cond_destroy(&devices[i].work);
		pthread_mutex_destroy(&devices[i].lock);
	}
	check(!ioasid_space_destroy(space), "the space was not destroyed");
}

int main(int argc, char **argv)
{
	static const struct setting settings[] = {
		{ "-w", "workers", &workers, 1, THREADS_MAX },
		{ "-p", "processes at a time", &processes, 1, THREADS_MAX },
		{ "-l", "lives of each", &lives, 1, 1000000 },
		{ "-s", "yields of one worker before each lookup", &slow, 0,
		  1000000 },
		{ 0 },
	};
	static struct worker worker[THREADS_MAX];
	static pthread_t process[THREADS_MAX];

	parse(argc, argv, settings, fault_names, &fault);
	set_up();
	run(worker, process);
	report(worker);
	tear_down();
	return verdict();
}
