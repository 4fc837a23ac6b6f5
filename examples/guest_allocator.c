/* SPDX-License-Identifier: MIT */
/*
 * A guest whose IDs are its host's to give: a virtual IOMMU has PASIDs that
 * the host's own share, so the guest asks for each over a channel. The rest of
 * the guest does not notice: its space has an allocator registered.
 * - The library makes one call at a time, so the channel needs no lock; lookups
 *   do not wait for the host.
 * - A host that dies makes allocs fail and nothing else. One that gives what it
 *   was not asked for, or gives twice, is found out.
 * - The guest can leave its host: with IOASID_UNREGISTER_KEEP it chooses by
 *   itself from then on, while what the host gave stays in use, and is handed
 *   back, one by one. After the last the channel is closed.
 *
 * The protocol: messages of four 32-bit words, little-endian, each request with
 * one reply, in order.
 *
 *   request  GET    tag  min     max    an ID of this range, for the guest
 *            PUT    tag  ID      0      here it is back
 *            COUNT  tag  0       0      how many has the guest?
 *   reply    status tag  value   0      of GET the ID, of COUNT the number
 *
 * Status is DONE; NONE there is no such ID; REFUSED the guest has no such ID,
 * or no such request. The end of the connection takes back nothing by itself:
 * who ends it with IDs in use has leaked them, and the host complains.
 */
#define _POSIX_C_SOURCE 200809L

#include "example.h"

#include <ioasid/ioasid.h>

#include <inttypes.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GET = 1, PUT, COUNT };
enum { DONE, NONE, REFUSED };

enum {
	WORDS = 4,
	ID_MAX = 0xfffff,
	/* what the host grants this guest */
	GRANT_FIRST = 0x1000,
	GRANT_LAST = 0x1fff,
	/* at most, by each thread */
	HELD = 32,
	THREADS_MAX = 64,
};

/* To see each check fail: what is broken on purpose. */
enum fault {
	NO_FAULT,
	/* the host gives more than it grants */
	NO_GRANT,
	/* an ID is not handed back, or twice */
	NO_PUT,
	PUT_TWICE,
	/* the channel is closed at unregister */
	NO_KEEP,
};

static const char *const fault_names[] = {
	"none", "grant", "put", "twice", "keep", NULL,
};

enum behaviour { HONEST, DIES, LIES };

static unsigned int fault;
static unsigned int threads = 4, calls = 1000, dies_after = 500;

/* The protocol. */

static bool send_message(int fd, const uint32_t words[WORDS])
{
	unsigned char bytes[4 * WORDS];
	size_t at = 0;
	unsigned int i;
	ssize_t n;

	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(words[i / 4] >> 8 * (i % 4));
	while (at < sizeof(bytes)) {
		n = send(fd, bytes + at, sizeof(bytes) - at, MSG_NOSIGNAL);
		if (n > 0)
			at += (size_t)n;
		else if (n == 0 || errno != EINTR)
			return false;
	}
	return true;
}

static bool receive_message(int fd, uint32_t words[WORDS])
{
	unsigned char bytes[4 * WORDS];
	size_t at = 0;
	unsigned int i;
	ssize_t n;

	while (at < sizeof(bytes)) {
		n = recv(fd, bytes + at, sizeof(bytes) - at, 0);
		if (n > 0)
			at += (size_t)n;
		else if (n == 0 || errno != EINTR)
			return false;
	}
	memset(words, 0, WORDS * sizeof(*words));
	for (i = 0; i < sizeof(bytes); i++)
		words[i / 4] |= (uint32_t)bytes[i] << 8 * (i % 4);
	return true;
}

/* The host, a process of its own: it trusts no number from the guest. */

/* After its first, a liar gives one ID not asked for, then the first again. */
static uint32_t host_get(struct ioasid_space *space, ioasid_t min, ioasid_t max,
			 bool lie, ioasid_t *id)
{
	static unsigned int gets;
	static ioasid_t first;

	gets++;
	if (lie && gets == 2)
		min = max + 1, max = GRANT_LAST;
	if (lie && gets == 3) {
		*id = first;
		return DONE;
	}
	if (ioasid_space_alloc(space, NULL, min, max, NULL, id))
		return NONE;
	if (gets == 1)
		first = *id;
	return DONE;
}

/* Returns 0 if the guest has given back what it had, and nothing else. */
static int host_run(int fd, enum behaviour behaviour)
{
	const struct ioasid_space_config config = {
		.min = fault == NO_GRANT ? 0 : GRANT_FIRST,
		.max = GRANT_LAST,
		.store = IOASID_STORE_BITMAP,
		.flavour = IOASID_RCU_NONE,
		.name = "host",
	};
	unsigned int served, refused = 0;
	uint32_t request[WORDS], reply[WORDS];
	struct ioasid_space *space;
	struct ioasid_stats stats;

	if (ioasid_space_create(&config, &space))
		return 2;
	for (served = 0; receive_message(fd, request); served++) {
		if (behaviour == DIES && served == dies_after)
			return 0;
		reply[0] = REFUSED;
		reply[1] = request[1];
		reply[2] = reply[3] = 0;
		if (request[0] == GET) {
			reply[0] = host_get(space, request[2], request[3],
					    behaviour == LIES, &reply[2]);
		} else if (request[0] == PUT) {
			if (!ioasid_space_free(space, request[2]))
				reply[0] = DONE;
		} else if (request[0] == COUNT) {
			ioasid_space_stats(space, &stats);
			reply[0] = DONE;
			reply[2] = stats.live;
		}
		refused += reply[0] == REFUSED;
		if (!send_message(fd, reply))
			break;
	}
	ioasid_space_stats(space, &stats);
	return ioasid_space_destroy(space) || stats.live || refused;
}

/* The guest's end of the channel, and the allocator made of it. */

struct guest {
	struct ioasid_space *space;
	struct ioasid_allocator_ops allocator;
	pid_t host;
	int fd;
	uint32_t tag;
	bool lost;
	/* IDs handed back; of these, found by a lookup just then */
	unsigned int given_back, found;
	bool released;
};

/* A caller that cannot wait for ever sets SO_RCVTIMEO: then it is lost, too. */
static bool guest_call(struct guest *guest, uint32_t what, uint32_t first,
		       uint32_t second, uint32_t *value)
{
	uint32_t request[WORDS] = { what, ++guest->tag, first, second };
	uint32_t reply[WORDS];

	if (guest->lost)
		return false;
	if (!send_message(guest->fd, request) ||
	    !receive_message(guest->fd, reply) || reply[1] != request[1]) {
		guest->lost = true;
		return false;
	}
	*value = reply[2];
	return reply[0] == DONE;
}

static ioasid_t allocator_alloc(ioasid_t min, ioasid_t max, void *data)
{
	uint32_t id;

	return guest_call(data, GET, min, max, &id) ? id : INVALID_IOASID;
}

/* To a host that is lost there is nothing to say, and the ID is free here. */
static void allocator_free(ioasid_t id, void *data)
{
	struct guest *guest = data;
	uint32_t value;
	void *owner;

	guest->given_back++;
	if (!ioasid_space_find(guest->space, NULL, id, NULL, &owner) && owner)
		guest->found++;
	if (fault == NO_PUT)
		return;
	guest_call(guest, PUT, id, 0, &value);
	if (fault == PUT_TWICE)
		guest_call(guest, PUT, id, 0, &value);
}

/* Unregistered, and the last ID of the host's is handed back. */
static void allocator_release(struct ioasid_allocator_ops *ops)
{
	struct guest *guest = ops->pdata;

	guest->released = true;
	shutdown(guest->fd, SHUT_RDWR);
}

static void guest_start(struct guest *guest, enum behaviour behaviour)
{
	const struct ioasid_space_config config = {
		.max = ID_MAX,
		.name = "guest",
	};
	int fds[2];

	memset(guest, 0, sizeof(*guest));
	/* What is buffered would be written twice. */
	fflush(stdout);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
		exit(2);
	guest->host = fork();
	if (guest->host < 0)
		exit(2);
	if (!guest->host) {
		close(fds[0]);
		_exit(host_run(fds[1], behaviour));
	}
	close(fds[1]);
	guest->fd = fds[0];
	guest->allocator.alloc = allocator_alloc;
	guest->allocator.free = allocator_free;
	guest->allocator.release = allocator_release;
	guest->allocator.pdata = guest;
	if (ioasid_space_create(&config, &guest->space) ||
	    ioasid_space_register_allocator(guest->space, &guest->allocator))
		exit(2);
}

static int guest_alloc(struct guest *guest, ioasid_t min, ioasid_t max,
		       ioasid_t *id)
{
	return ioasid_space_alloc(guest->space, NULL, min, max, guest, id);
}

static int guest_unregister(struct guest *guest, enum ioasid_unregister mode)
{
	return ioasid_space_unregister_allocator(guest->space,
						 &guest->allocator, mode);
}

static void guest_end(struct guest *guest)
{
	const char *reason = "nothing";
	struct ioasid_stats stats;
	int status = -1;

	close(guest->fd);
	waitpid(guest->host, &status, 0);
	check(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	      "the host was not given back what it gave");
	ioasid_space_stats(guest->space, &stats);
	check(!stats.live && !stats.pending && !stats.committed &&
		      !stats.allocators && stats.allocs == stats.frees,
	      "an ID leaked");
	check(ioasid_space_validate(guest->space, &reason), reason);
	check(!ioasid_space_destroy(guest->space), "destroy");
}

/* Threads of the guest that want IDs. */

struct user {
	pthread_t thread;
	struct guest *guest;
	uint32_t random;
	unsigned int held, allocs, refused;
	ioasid_t id[HELD];
};

static uint32_t below(struct user *user, uint32_t limit)
{
	user->random = user->random * 1664525 + 1013904223;
	return (user->random >> 16) % limit;
}

static void user_alloc(struct user *user)
{
	ioasid_t id;
	int err;

	if (user->held == HELD)
		return;
	err = ioasid_space_alloc(user->guest->space, NULL, 0, ID_MAX, user,
				 &id);
	if (err) {
		check(err == -ENOSPC, "an alloc failed in another way");
		user->refused++;
		return;
	}
	check(id >= GRANT_FIRST && id <= GRANT_LAST,
	      "an ID is outside of the grant");
	user->allocs++;
	user->id[user->held++] = id;
}

static bool user_owns(struct user *user, ioasid_t id)
{
	void *data;

	return !ioasid_space_find(user->guest->space, NULL, id, NULL, &data) &&
	       data == user;
}

static void user_free(struct user *user)
{
	uint32_t i = below(user, user->held);

	check(!ioasid_space_free(user->guest->space, user->id[i]),
	      "a free failed");
	user->id[i] = user->id[--user->held];
}

static void *user_run(void *arg)
{
	struct user *user = arg;
	unsigned int i;

	for (i = 0; i < calls; i++) {
		if (!user->held || below(user, 2))
			user_alloc(user);
		else if (user->held > 1)
			user_free(user);
		if (user->held)
			check(user_owns(user,
					user->id[below(user, user->held)]),
			      "an ID is not its owner's");
	}
	return NULL;
}

static void users_run(struct guest *guest, struct user *users)
{
	unsigned int i;

	memset(users, 0, threads * sizeof(*users));
	for (i = 0; i < threads; i++) {
		users[i].guest = guest;
		users[i].random = i;
		if (pthread_create(&users[i].thread, NULL, user_run, &users[i]))
			exit(2);
	}
	for (i = 0; i < threads; i++)
		pthread_join(users[i].thread, NULL);
}

/* What happens, in three lives of a guest. */

static unsigned int held_by(const struct user *users)
{
	unsigned int i, held = 0;

	for (i = 0; i < threads; i++)
		held += users[i].held;
	return held;
}

static void free_all(struct user *users)
{
	unsigned int i;

	for (i = 0; i < threads; i++)
		while (users[i].held) {
			check(user_owns(&users[i], users[i].id[0]),
			      "an ID was lost");
			user_free(&users[i]);
		}
}

static void report(const struct guest *guest, const struct user *users)
{
	unsigned int i, allocs = 0, refused = 0;

	for (i = 0; i < threads; i++) {
		allocs += users[i].allocs;
		refused += users[i].refused;
	}
	printf("  %u allocs, %u refused, %u handed back, %u left\n", allocs,
	       refused, guest->given_back, held_by(users));
	check(guest->given_back + held_by(users) == allocs,
	      "an ID is neither left nor handed back");
	check(guest->found == guest->given_back,
	      "an ID could not be looked up when handed back");
}

static void leave_host(struct user *users)
{
	struct guest guest;
	struct user *last = &users[threads - 1];
	uint32_t count = 0, left;
	ioasid_t id = 0, own = 0;

	puts("a guest leaves its host:");
	guest_start(&guest, HONEST);
	users_run(&guest, users);
	report(&guest, users);
	left = held_by(users);
	check(guest_call(&guest, COUNT, 0, 0, &count) && count == left,
	      "guest and host do not count the same");
	expect("alloc outside of the grant",
	       guest_alloc(&guest, 0, GRANT_FIRST - 1, &id), -ENOSPC);
	expect("unregister if idle",
	       guest_unregister(&guest, IOASID_UNREGISTER_IDLE), -EBUSY);
	expect("unregister, keep what is in use",
	       guest_unregister(&guest, IOASID_UNREGISTER_KEEP), 1);
	if (fault == NO_KEEP)
		shutdown(guest.fd, SHUT_RDWR);
	expect("alloc of the guest's own choice",
	       guest_alloc(&guest, 0, GRANT_FIRST - 1, &own), 0);
	check(guest_call(&guest, COUNT, 0, 0, &count) && count == left,
	      "the host was asked");
	/* All but one, then that one. */
	check(last->held > 0, "the last user has nothing left");
	if (last->held) {
		id = last->id[--last->held];
		free_all(users);
		check(!guest.released, "the channel was released too early");
		expect("free the last ID of the host's",
		       ioasid_space_free(guest.space, id), 0);
	}
	check(guest.released, "the channel was not released");
	expect("free the guest's own", ioasid_space_free(guest.space, own), 0);
	guest_end(&guest);
}

static void lose_host(struct user *users)
{
	struct guest guest;
	ioasid_t id;
	unsigned int i;
	int err = 0;

	puts("a host dies:");
	guest_start(&guest, DIES);
	users_run(&guest, users);
	report(&guest, users);
	/* If it has not been asked often enough. */
	for (i = 0; i <= dies_after && !err; i++) {
		err = guest_alloc(&guest, 0, ID_MAX, &id);
		if (!err)
			ioasid_space_free(guest.space, id);
	}
	expect("alloc", err, -ENOSPC);
	free_all(users);
	expect("all found, and freed; unregister if idle",
	       guest_unregister(&guest, IOASID_UNREGISTER_IDLE), 0);
	err = guest_alloc(&guest, 0, ID_MAX, &id);
	expect("alloc of the guest's own choice", err, 0);
	if (!err)
		ioasid_space_free(guest.space, id);
	guest_end(&guest);
}

static void catch_host(void)
{
	struct guest guest;
	ioasid_t id[4] = { 0 };

	puts("a host lies:");
	guest_start(&guest, LIES);
	expect("alloc", guest_alloc(&guest, GRANT_FIRST, GRANT_LAST, &id[0]),
	       0);
	expect("alloc, and an ID not asked for comes",
	       guest_alloc(&guest, GRANT_FIRST, GRANT_LAST - 1, &id[1]),
	       -ERANGE);
	expect("alloc, and the first comes again",
	       guest_alloc(&guest, GRANT_FIRST, GRANT_LAST, &id[2]), -EEXIST);
	expect("alloc", guest_alloc(&guest, GRANT_FIRST, GRANT_LAST, &id[3]),
	       0);
	/* That the second was handed back, but not the third, the host says. */
	expect("free", ioasid_space_free(guest.space, id[0]), 0);
	expect("free", ioasid_space_free(guest.space, id[3]), 0);
	expect("unregister if idle",
	       guest_unregister(&guest, IOASID_UNREGISTER_IDLE), 0);
	guest_end(&guest);
}

int main(int argc, char **argv)
{
	static const struct setting settings[] = {
		{ "-t", "threads", &threads, 1, THREADS_MAX },
		{ "-n", "calls of each", &calls, 1, 1000000 },
		{ "-d", "requests a host serves that dies", &dies_after, 1,
		  1000000 },
		{ 0 },
	};
	static struct user users[THREADS_MAX];

	parse(argc, argv, settings, fault_names, &fault);
	leave_host(users);
	lose_host(users);
	catch_host();
	return verdict();
}
