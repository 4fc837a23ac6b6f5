/* SPDX-License-Identifier: MIT */
/*
 * The end of a process whose library could be unloaded: AFTER is a shared object
 * that ends after it, and has a thread of the program end then. That thread must
 * still leave its domain.
 */
#ifdef AFTER
void (*after)(void);

__attribute__((destructor)) static void end(void)
{
	if (after)
		after();
}
#else
#include <ioasid/ioasid.h>

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <unistd.h>

extern void (*after)(void);

static struct ioasid_rcu *rcu;
static pthread_t thread;
static sem_t in, out;

static size_t registered(void)
{
	struct ioasid_domain_stats stats;

	ioasid_rcu_stats(rcu, &stats);
	return stats.threads;
}

static void *reader(void *arg)
{
	(void)arg;
	ioasid_rcu_read_lock(rcu);
	ioasid_rcu_read_unlock(rcu);
	sem_post(&in);
	sem_wait(&out);
	return NULL;
}

static void last(void)
{
	const size_t before = registered();

	sem_post(&out);
	pthread_join(thread, NULL);
	if (before != 1 || registered() != 0) {
		fprintf(stderr, "%zu, then %zu threads\n", before,
			registered());
		_exit(1);
	}
	_exit(0);
}

int main(void)
{
	sem_init(&in, 0, 0);
	sem_init(&out, 0, 0);
	after = last;
	if (ioasid_rcu_create(NULL, &rcu) ||
	    pthread_create(&thread, NULL, reader, NULL))
		return 2;
	sem_wait(&in);
	return 3;
}
#endif
