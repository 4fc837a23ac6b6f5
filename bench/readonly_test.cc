/* SPDX-License-Identifier: MIT */
/*
 * A lookup writes no shared line, so it has no atomic read-modify-write
 * either: it works with all memory of the space write-protected. With epoch
 * the reader's own record is elsewhere, in the memory of the domain.
 */

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ioasid/space.h>

namespace {

constexpr size_t SIZE = size_t{ 64 } << 20;
constexpr uint32_t IDS = 10000;

struct Arena {
	char *memory;
	size_t used;
};

void *take(void *context, size_t size)
{
	Arena *arena = static_cast<Arena *>(context);
	void *memory = arena->memory + arena->used;

	arena->used += (size + 63) & ~size_t{ 63 };
	return arena->used <= SIZE ? memory : nullptr;
}

void give(void *, void *, size_t)
{
}

[[noreturn]] void fail(const char *what)
{
	std::printf("%s\n", what);
	std::fflush(stdout);
	_exit(2);
}

bool yes(void *)
{
	return true;
}

void lookups(ioasid_space *space, ioasid_set *set, ioasid_set *other)
{
	void *data;

	for (uint32_t id = 1; id <= IDS; id++) {
		if (ioasid_space_find(space, set, id, nullptr, &data) ||
		    data != reinterpret_cast<void *>(uintptr_t{ id }))
			fail("not found");
		if (ioasid_space_find(space, other, id, nullptr, &data) !=
		    -EACCES)
			fail("another set's was found");
	}
	if (ioasid_space_find(space, nullptr, IDS + 5, nullptr, &data) !=
		    -ENOENT ||
	    ioasid_space_find(space, nullptr, UINT32_MAX, nullptr, &data) !=
		    -ENOENT ||
	    ioasid_space_find(space, set, 1, yes, &data))
		fail("wrong answer");
}

/* In a child of its own: true if it ended well. */
bool survives(ioasid_store_kind store, ioasid_rcu_flavour flavour, bool write)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		fail("fork");
	if (child) {
		waitpid(child, &status, 0);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
			std::exit(1);
		return !status;
	}

	/* In the space's memory, as its neighbours are: read by lookups. */
	Arena arena = { static_cast<char *>(
				mmap(nullptr, SIZE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)),
			0 };
	ioasid_space_config config = {};
	ioasid_rcu_config domain = {};
	ioasid_space *space;
	ioasid_rcu *rcu;
	ioasid_t id;
	ioasid_set *sets =
		static_cast<ioasid_set *>(take(&arena, 2 * sizeof(ioasid_set)));

	domain.flavour = flavour;
	config.store = store;
	config.max = (1u << 20) - 1;
	config.memory.alloc = take;
	config.memory.free = give;
	config.memory.context = &arena;
	if (ioasid_rcu_create(&domain, &rcu))
		fail("no domain");
	config.rcu = rcu;
	if (ioasid_space_create(&config, &space))
		fail("no space");
	for (uint32_t i = 1; i <= IDS; i++)
		if (ioasid_space_alloc(space, &sets[0], i, i,
				       reinterpret_cast<void *>(uintptr_t{ i }),
				       &id))
			fail("alloc");
	if (ioasid_space_alloc(space, &sets[1], IDS + 1, IDS + 1, nullptr, &id))
		fail("alloc");
	if (ioasid_rcu_thread_register(rcu))
		fail("register");
	if (mprotect(arena.memory, SIZE, PROT_READ))
		fail("mprotect");
	if (write)
		ioasid_space_get(space, nullptr, 1);
	else
		lookups(space, &sets[0], &sets[1]);
	_exit(0);
}

} // namespace

int main()
{
	int failures = 0;

	for (ioasid_store_kind store :
	     { IOASID_STORE_BITMAP, IOASID_STORE_RADIX, IOASID_STORE_HASH }) {
		for (ioasid_rcu_flavour flavour :
		     { IOASID_RCU_QSBR, IOASID_RCU_EPOCH }) {
			if (!survives(store, flavour, false)) {
				std::printf("store %d flavour %d: a lookup "
					    "wrote\n",
					    store, flavour);
				failures++;
			}
			/* The check can fail: taking a reference writes. */
			if (survives(store, flavour, true)) {
				std::printf("store %d flavour %d: a write went "
					    "unseen\n",
					    store, flavour);
				failures++;
			}
		}
	}
	return failures != 0;
}
