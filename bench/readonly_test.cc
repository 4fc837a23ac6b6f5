/* SPDX-License-Identifier: MIT */
/*
 * A lookup writes no shared line, so it has no atomic read-modify-write
 * either. Shown flavour by flavour: lookups work with all memory of the
 * process write-protected but the reader's own stack and variables; and, where
 * it is the domain's memory, which it is for threads of many domains, its
 * record, but not with qsbr. Of liburcu's bp, whose records lie among others,
 * the memory of the space and of the domain is protected.
 *
 * Planted writes must be seen: a reference taken, a reader that could not be
 * registered, a getter with a counter, an own flavour that counts its readers.
 */

#include <atomic>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <thread>
#include <vector>

#include <dirent.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ioasid/space.h>

#ifdef HAVE_LIBURCU
#include "adapters/urcu/ioasid_urcu.h"
#endif

namespace {

constexpr size_t SIZE = size_t{ 64 } << 20;
constexpr uint32_t IDS = 10000;

/* How a child ends. */
enum Outcome {
	RIGHT = 10,
	WRONG,
	/* to the space, the domain or the record of another thread */
	WROTE_SHARED,
	WROTE_ELSEWHERE,
	BROKEN,
};

const char *const OUTCOMES[] = { "right answers", "a wrong answer",
				 "a write to shared memory",
				 "a write elsewhere", "no result" };

/* Before _exit() can be resolved by a write. */
void (*volatile leave)(int) = _exit;

[[noreturn]] void end(Outcome outcome)
{
	leave(outcome);
	std::abort();
}

[[noreturn]] void broken(const char *what)
{
	std::fprintf(stderr, "%s\n", what);
	end(BROKEN);
}

class Arena {
public:
	explicit Arena(size_t size)
		: memory_(static_cast<char *>(
			  mmap(nullptr, size, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))),
		  size_(size)
	{
		if (memory_ == MAP_FAILED)
			broken("no arena");
	}

	void *take(size_t size)
	{
		void *memory = memory_ + used_;

		size = (size + 63) & ~size_t{ 63 };
		if (size > size_ - used_)
			return nullptr;
		used_ += size;
		return memory;
	}

	bool holds(const void *address) const
	{
		const char *p = static_cast<const char *>(address);

		return p >= memory_ && p < memory_ + size_;
	}

	bool empty() const
	{
		return !used_;
	}

	void protect() const
	{
		if (mprotect(memory_, size_, PROT_READ))
			broken("mprotect");
	}

	uintptr_t begin() const
	{
		return reinterpret_cast<uintptr_t>(memory_);
	}

	uintptr_t end() const
	{
		return begin() + size_;
	}

private:
	char *memory_;
	size_t size_, used_ = 0;
};

/* Where the domain's hooks take memory from, now. */
struct Source {
	Arena *arena;
};

void *take(void *context, size_t size)
{
	Arena *arena = static_cast<Source *>(context)->arena;

	return arena ? arena->take(size) : nullptr;
}

void give(void *, void *, size_t)
{
}

/* A flavour of one's own: a record in each thread's own storage. */
struct Own {
	struct Reader {
		std::atomic<uint64_t> begun{ 0 };
		unsigned int nesting = 0;
	};

	std::atomic<uint64_t> clock{ 1 };
	std::atomic<Reader *> readers[8] = {};
	std::atomic<uint64_t> counted{ 0 };

	static thread_local Reader self;

	static void lock(void *context)
	{
		Own *own = static_cast<Own *>(context);

		if (self.nesting++)
			return;
		self.begun.store(own->clock.load(std::memory_order_acquire),
				 std::memory_order_relaxed);
		std::atomic_thread_fence(std::memory_order_seq_cst);
	}

	static void unlock(void *)
	{
		if (!--self.nesting)
			self.begun.store(0, std::memory_order_release);
	}

	/* The planted fault. */
	static void counting_lock(void *context)
	{
		static_cast<Own *>(context)->counted.fetch_add(1);
	}

	static void counting_unlock(void *context)
	{
		static_cast<Own *>(context)->counted.fetch_sub(1);
	}

	static uint64_t start_poll(void *context)
	{
		return static_cast<Own *>(context)->clock.fetch_add(1) + 1;
	}

	static bool poll(void *context, uint64_t cookie)
	{
		Own *own = static_cast<Own *>(context);

		std::atomic_thread_fence(std::memory_order_seq_cst);
		for (const std::atomic<Reader *> &at : own->readers) {
			const Reader *reader = at.load();
			uint64_t begun = reader ? reader->begun.load() : 0;

			if (begun && begun < cookie)
				return false;
		}
		return !own->counted.load();
	}

	static int thread_register(void *context)
	{
		for (std::atomic<Reader *> &at :
		     static_cast<Own *>(context)->readers) {
			Reader *none = nullptr;

			if (at.compare_exchange_strong(none, &self))
				return 0;
		}
		return -ENOMEM;
	}
};

thread_local Own::Reader Own::self;

ioasid_rcu_ops own_ops(bool counting)
{
	ioasid_rcu_ops ops = {};

	ops.read_lock = counting ? Own::counting_lock : Own::lock;
	ops.read_unlock = counting ? Own::counting_unlock : Own::unlock;
	ops.start_poll = Own::start_poll;
	ops.poll = Own::poll;
	ops.thread_register = Own::thread_register;
	return ops;
}

const ioasid_rcu_ops OWN = own_ops(false), COUNTING = own_ops(true);

enum Writable {
	/* the thread's storage and its record */
	RECORD,
	/* the thread's storage */
	NOTHING,
	/* all but space and domain */
	OTHERS,
};

struct Flavour {
	const char *name;
	ioasid_rcu_flavour flavour;
	bool no_membarrier;
	const ioasid_rcu_ops *ops;
	Writable writable;
	/* The reader's record is the domain's memory, not a thread's variable. */
	bool allocated;
};

const Flavour FLAVOURS[] = {
	{ "epoch", IOASID_RCU_EPOCH, false, nullptr, NOTHING, false },
	{ "epoch of many", IOASID_RCU_EPOCH, false, nullptr, RECORD, true },
	{ "fence", IOASID_RCU_EPOCH, true, nullptr, NOTHING, false },
	{ "fence of many", IOASID_RCU_EPOCH, true, nullptr, RECORD, true },
	{ "qsbr", IOASID_RCU_QSBR, false, nullptr, NOTHING, false },
	{ "qsbr of many", IOASID_RCU_QSBR, false, nullptr, NOTHING, true },
	{ "own", IOASID_RCU_CUSTOM, false, &OWN, NOTHING, false },
#ifdef HAVE_LIBURCU
	{ "urcu_memb", IOASID_RCU_CUSTOM, false, &ioasid_urcu_memb_ops, NOTHING,
	  false },
	{ "urcu_qsbr", IOASID_RCU_CUSTOM, false, &ioasid_urcu_qsbr_ops, NOTHING,
	  false },
	{ "urcu_bp", IOASID_RCU_CUSTOM, false, &ioasid_urcu_bp_ops, OTHERS,
	  false },
#endif
};

const Flavour COUNTS = { "counting", IOASID_RCU_CUSTOM, false,
			 &COUNTING,  NOTHING,		false };
const Flavour ONE_THREAD = { "none",  IOASID_RCU_NONE, false,
			     nullptr, NOTHING,	       false };

/* What the reader does but look up. */
enum class Plant { NONE, GET, UNREGISTERED, GETTER };

int getter_calls;

bool yes(void *)
{
	return true;
}

bool yes_counted(void *)
{
	getter_calls++;
	return true;
}

class Child {
public:
	Child(ioasid_store_kind store, const Flavour &flavour, Plant plant)
		: flavour_(flavour), plant_(plant), shared_(SIZE),
		  own_(size_t{ 1 } << 16), source_{ &shared_ }
	{
		ioasid_space_config config = {};
		ioasid_rcu_config domain = {};
		ioasid_t id;

		domain.flavour = flavour.flavour;
		domain.no_membarrier = flavour.no_membarrier;
		domain.ops = flavour.ops;
		if (flavour.ops == &OWN || flavour.ops == &COUNTING)
			domain.ops_context = new (shared_.take(sizeof(Own)))
				Own;
		domain.memory.alloc = take;
		domain.memory.free = give;
		domain.memory.context = &source_;
		config.store = store;
		config.max = (1u << 20) - 1;
		config.memory = domain.memory;
		if (ioasid_rcu_create(&domain, &rcu_))
			broken("no domain");
		config.rcu = rcu_;
		if (ioasid_space_create(&config, &space_))
			broken("no space");
		sets_ = static_cast<ioasid_set *>(
			shared_.take(2 * sizeof(ioasid_set)));
		for (uint32_t i = 1; i <= IDS; i++)
			if (ioasid_space_alloc(space_, &sets_[0], i, i,
					       as_pointer(i), &id))
				broken("alloc");
		if (ioasid_space_alloc(space_, &sets_[1], IDS + 1, IDS + 1,
				       nullptr, &id))
			broken("alloc");
	}

	[[noreturn]] void run()
	{
		one_ = this;

		/* With a record among what is protected. */
		std::thread([this] {
			thread_register();
			others_.store(1);
			for (;;)
				pause();
		}).detach();
		while (!others_.load())
			std::this_thread::yield();
		source_.arena = &own_;
		if (plant_ == Plant::UNREGISTERED)
			source_.arena = nullptr;
		std::thread([this] { read(); }).join();
		broken("no end");
	}

private:
	static void *as_pointer(uint32_t id)
	{
		return reinterpret_cast<void *>(uintptr_t{ id });
	}

	void thread_register()
	{
		if (ioasid_rcu_thread_register(rcu_))
			broken("register");
	}

	/* All places for records among the thread's variables. */
	static void use_other_domains()
	{
		for (int i = 0; i < 8; i++) {
			ioasid_rcu *rcu;

			if (ioasid_rcu_create(nullptr, &rcu) ||
			    ioasid_rcu_thread_register(rcu))
				broken("no other domain");
		}
	}

	static void on_fault(int, siginfo_t *info, void *)
	{
		end(one_->shared_.holds(info->si_addr) ? WROTE_SHARED :
							 WROTE_ELSEWHERE);
	}

	[[noreturn]] void read()
	{
		struct sigaction action = {};

		action.sa_sigaction = on_fault;
		action.sa_flags = SA_SIGINFO;
		sigaction(SIGSEGV, &action, nullptr);
		if (flavour_.allocated)
			use_other_domains();
		if (plant_ != Plant::UNREGISTERED)
			thread_register();
		if (flavour_.allocated && plant_ != Plant::UNREGISTERED &&
		    own_.empty())
			broken("the record is not the domain's memory");
		/* What is resolved or set up at first use is, from here on. */
		if (!answers())
			end(WRONG);
		protect();
		if (plant_ == Plant::GET)
			ioasid_space_get(space_, nullptr, 1);
		end(answers() ? RIGHT : WRONG);
	}

	bool answers()
	{
		bool (*getter)(void *) = plant_ == Plant::GETTER ? yes_counted :
								   yes;
		ioasid_t no_ids[] = { 0, IDS + 5, UINT32_MAX - 1, UINT32_MAX };
		void *data;

		for (uint32_t id = 1; id <= IDS; id++) {
			if (ioasid_space_find(space_, &sets_[0], id, nullptr,
					      &data) ||
			    data != as_pointer(id))
				return false;
			if (ioasid_space_find(space_, &sets_[1], id, nullptr,
					      &data) != -EACCES)
				return false;
		}
		for (ioasid_t id : no_ids)
			if (ioasid_space_find(space_, nullptr, id, nullptr,
					      &data) != -ENOENT)
				return false;
		if (ioasid_space_find(space_, &sets_[0], 1, getter, &data) ||
		    data != as_pointer(1))
			return false;
		/* Nested, several to a section. */
		ioasid_rcu_read_lock(rcu_);
		ioasid_rcu_read_lock(rcu_);
		for (uint32_t id = 1; id <= IDS; id++)
			if (ioasid_space_find_rcu(space_, nullptr, id, &data) ||
			    data != as_pointer(id))
				return false;
		ioasid_rcu_read_unlock(rcu_);
		ioasid_rcu_read_unlock(rcu_);
		return true;
	}

	struct Range {
		uintptr_t from, to;
	};

	static std::vector<Range> writable()
	{
		std::vector<Range> ranges;
		std::FILE *maps;
		char line[512];

		/* Memory taken from here on would not be in the list. */
		ranges.reserve(1024);
		maps = std::fopen("/proc/self/maps", "re");
		while (maps && std::fgets(line, sizeof(line), maps)) {
			Range range;
			char mode[5];

			if (std::sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s",
					&range.from, &range.to, mode) == 3 &&
			    mode[1] == 'w')
				ranges.push_back(range);
		}
		if (maps)
			std::fclose(maps);
		return ranges;
	}

	/* The thread's stack, on top of which its storage lies. */
	static Range own_stack()
	{
		pthread_attr_t attr;
		void *stack;
		size_t size;

		if (pthread_getattr_np(pthread_self(), &attr) ||
		    pthread_attr_getstack(&attr, &stack, &size))
			broken("no stack");
		return { reinterpret_cast<uintptr_t>(stack),
			 reinterpret_cast<uintptr_t>(stack) + size };
	}

	static void protect_but(Range range, const Range *but)
	{
		for (int i = 0; i < 2; i++) {
			if (but[i].to <= range.from || but[i].from >= range.to)
				continue;
			protect_but({ range.from, but[i].from }, but);
			protect_but({ but[i].to, range.to }, but);
			return;
		}
		if (range.from < range.to &&
		    mprotect(reinterpret_cast<void *>(range.from),
			     range.to - range.from, PROT_READ))
			broken("mprotect");
	}

	/* Whoever still ran would be stopped by its first write. */
	static void wait_for_others_to_sleep()
	{
		char self[32];
		bool all = false;

		std::snprintf(self, sizeof(self), "%ld", syscall(SYS_gettid));
		while (!all) {
			DIR *tasks = opendir("/proc/self/task");

			if (!tasks)
				broken("/proc/self/task");
			all = true;
			while (const dirent *task = readdir(tasks))
				all &= task->d_name[0] == '.' ||
				       !std::strcmp(task->d_name, self) ||
				       sleeps(task->d_name);
			closedir(tasks);
			std::this_thread::yield();
		}
	}

	static bool sleeps(const char *task)
	{
		char path[64], state = 0;
		std::FILE *stat;

		std::snprintf(path, sizeof(path), "/proc/self/task/%.20s/stat",
			      task);
		stat = std::fopen(path, "re");
		if (!stat)
			return false;
		if (std::fscanf(stat, "%*d (%*[^)]) %c", &state) != 1)
			broken(path);
		std::fclose(stat);
		return state == 'S';
	}

	void protect()
	{
		wait_for_others_to_sleep();
		if (flavour_.writable == OTHERS) {
			shared_.protect();
			return;
		}

		/* Not freed: that would write. */
		const auto &ranges = *new std::vector<Range>(writable());
		if (ranges.empty())
			broken("/proc/self/maps");

		Range but[] = { own_stack(), { own_.begin(), own_.end() } };

		if (flavour_.writable == NOTHING)
			but[1] = but[0];
		for (Range range : ranges)
			protect_but(range, but);
	}

	static Child *one_;

	const Flavour &flavour_;
	Plant plant_;
	/* the space, the domain, the record of another thread */
	Arena shared_;
	/* the record of the reader */
	Arena own_;
	Source source_;
	std::atomic<int> others_{ 0 };
	ioasid_rcu *rcu_;
	ioasid_space *space_;
	ioasid_set *sets_;
};

Child *Child::one_;

/* Each in a process of its own. */
Outcome outcome(ioasid_store_kind store, const Flavour &flavour, Plant plant)
{
	pid_t child;
	int status;

	std::fflush(stdout);
	child = fork();
	if (child < 0)
		broken("fork");
	if (!child)
		(new Child(store, flavour, plant))->run();
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
	    WEXITSTATUS(status) < RIGHT || WEXITSTATUS(status) > BROKEN)
		return BROKEN;
	return static_cast<Outcome>(WEXITSTATUS(status));
}

int failures;

void expect(ioasid_store_kind store, const Flavour &flavour, Plant plant,
	    const char *what, Outcome wanted)
{
	static const char *const stores[] = { "radix", "bitmap", "hash" };
	Outcome got = outcome(store, flavour, plant);

	std::printf("%s, %s, %s: %s%s\n", stores[store], flavour.name, what,
		    OUTCOMES[got - RIGHT], got == wanted ? "" : ": FAILED");
	failures += got != wanted;
}

} // namespace

int main()
{
	for (ioasid_store_kind store :
	     { IOASID_STORE_BITMAP, IOASID_STORE_RADIX, IOASID_STORE_HASH }) {
		for (const Flavour &flavour : FLAVOURS) {
			expect(store, flavour, Plant::NONE, "lookups", RIGHT);
			expect(store, flavour, Plant::GET, "planted get",
			       WROTE_SHARED);
			if (flavour.writable != OTHERS)
				expect(store, flavour, Plant::GETTER,
				       "planted counter", WROTE_ELSEWHERE);
			/* Is counted for the process. */
			if (flavour.flavour == IOASID_RCU_EPOCH &&
			    flavour.allocated)
				expect(store, flavour, Plant::UNREGISTERED,
				       "planted lack of memory", WROTE_SHARED);
		}
		expect(store, COUNTS, Plant::NONE, "planted count of readers",
		       WROTE_SHARED);
		/* Counts its sections in the domain: nothing is shared. */
		expect(store, ONE_THREAD, Plant::NONE,
		       "one thread, so not applicable; its count",
		       WROTE_SHARED);
	}
#ifndef HAVE_LIBURCU
	std::puts("urcu_memb, urcu_qsbr, urcu_bp left out: built without "
		  "liburcu (package liburcu-dev)");
#endif
	return failures != 0;
}
