// SPDX-License-Identifier: MIT
// Callables as notifiers, allocators, codecs, walks: that they are called, live
// as long as they may be, and that no exception crosses the library.
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include <ioasid/ioasid.hpp>

#include "check.hpp"

namespace {

struct session {
	int user;
};

using space = ioasid::space<session>;
using notice = ioasid::notice<session>;

session one = { 1 }, two = { 2 };

space made()
{
	ioasid::space_config config;

	config.max = 999;
	return space::create(config).value();
}

void notifiers()
{
	space sessions = made();
	auto tenant = sessions.create_set().value();
	std::vector<std::string> log;
	const std::shared_ptr<int> alive = std::make_shared<int>(0);
	const auto note = [&](const char *who) {
		return [&log, who, alive](const notice &told) {
			const char *names[] = { "alloc", "free", "bind",
						"unbind" };

			log.push_back(std::string(who) + " " +
				      names[static_cast<int>(told.event)] +
				      " " + std::to_string(told.use.id()));
		};
	};
	auto low = sessions.on_event(note("low"), -1).value();
	auto high = sessions.on_event(tenant, note("high"), 1).value();

	CHECK(alive.use_count() == 3 && sessions.stats().notifiers == 2);
	const ioasid_t id = sessions.alloc(tenant, &one, { 5, 5 }).value();
	int argument = 0;
	CHECK(sessions.notify(id, ioasid::event::bind, &argument));
	CHECK(sessions.notify(id, ioasid::event::unbind));
	CHECK_ERROR(sessions.notify(id, ioasid::event::free),
		    ioasid::errc::invalid_argument);
	const std::vector<std::string> expected = {
		"high alloc 5", "low alloc 5",	 "high bind 5",
		"low bind 5",	"high unbind 5", "low unbind 5"
	};
	CHECK(log == expected);
	CHECK(high.close().value() && !high && alive.use_count() == 2);
	CHECK_ERROR(high.close(), ioasid::errc::not_found);
	{
		auto moved = std::move(low);
		CHECK(!low && moved);
	}
	CHECK(alive.use_count() == 1 && sessions.stats().notifiers == 0);
	// What a notice says.
	bool told = false;
	{
		auto checks =
			sessions.on_event([&](const notice &from) {
					told = from.event ==
						       ioasid::event::bind &&
					       from.owner == tenant &&
					       from.use.id() == id &&
					       from.spid == 77 &&
					       from.value == &one &&
					       from.arg == &argument;
				})
				.value();

		CHECK(sessions.spid_attach(id, 77));
		CHECK(sessions.notify(id, ioasid::event::bind, &argument));
		CHECK(told);
	}
	// One that ends itself is destroyed after its call.
	std::optional<ioasid::registration> self;
	int calls = 0;
	self = sessions.on_event([&calls, &self, alive](const notice &) {
			       calls++;
			       self.reset();
			       // Still there.
			       CHECK(alive.use_count() == 2);
		       })
		       .value();
	CHECK(alive.use_count() == 2);
	CHECK(sessions.notify(id, ioasid::event::bind));
	CHECK(sessions.notify(id, ioasid::event::bind));
	CHECK(calls == 1 && alive.use_count() == 1);
	// A set takes its notifiers along; a registration of one is harmless.
	auto gone = sessions.create_set().value();
	auto orphan = sessions.on_event(gone, note("gone")).value();
	CHECK(gone.destroy() && orphan && alive.use_count() == 2);
	CHECK_ERROR(orphan.close(), ioasid::errc::not_found);
	CHECK(alive.use_count() == 1);
	// So does a space.
	sessions.on_event(note("detached")).value().detach();
	auto last = sessions.on_event(note("last")).value();
	CHECK(alive.use_count() == 3 && sessions.close());
	CHECK(alive.use_count() == 2 && last.close().value());
	CHECK(alive.use_count() == 1);
	// Refused: not kept.
	space first = made(), second = made();
	auto foreign = second.create_set().value();
	CHECK(second.alloc(foreign, &one));
	CHECK_ERROR(first.on_event(foreign, note("foreign")),
		    ioasid::errc::other_space);
	CHECK(alive.use_count() == 1);
}

void owning_notices()
{
	auto values = ioasid::owning_space<session>::create().value();
	std::vector<ioasid::event> events;
	auto told = values.on_event([&](const notice &from) {
				  CHECK(from.value == nullptr);
				  events.push_back(from.event);
			  }).value();

	CHECK(values.free(values.alloc(session{ 1 }).value()));
	CHECK(events == std::vector<ioasid::event>{ ioasid::event::alloc,
						    ioasid::event::free });
}

struct pool {
	std::vector<ioasid_t> ids = {};
	std::vector<ioasid_t> back = {};
};

void allocators()
{
	space sessions = made();
	const std::shared_ptr<pool> from = std::make_shared<pool>();
	from->ids = { 20, 10 };
	const auto take = [from](ioasid_t,
				 ioasid_t) -> std::optional<ioasid_t> {
		if (from->ids.empty())
			return std::nullopt;
		const ioasid_t id = from->ids.back();
		from->ids.pop_back();
		return id;
	};
	const auto give = [from](ioasid_t id) { from->back.push_back(id); };
	auto used = sessions.use_allocator(take, give).value();

	CHECK(sessions.stats().allocators == 1);
	CHECK(sessions.alloc(&one).value() == 10);
	CHECK(sessions.alloc(&two).value() == 20);
	CHECK_ERROR(sessions.alloc(&one), ioasid::errc::no_space);
	CHECK(sessions.free(10) && from->back == std::vector<ioasid_t>{ 10 });
	CHECK_ERROR(used.close(ioasid::unregister::idle), ioasid::errc::busy);
	CHECK(used && sessions.stats().allocators == 1);
	CHECK(used.close().value() == false &&
	      sessions.stats().allocators == 0);
	CHECK(sessions.alloc(&one, { 1, 1 }).value() == 1);
	CHECK(sessions.free(20) && from->back.size() == 2);
	// Its last ID was handed back: it is gone, and nobody else has it.
	CHECK(sessions.free(1));
	// One that gives plain numbers, in a space that ends with IDs of it.
	auto next = sessions.use_allocator([from](ioasid_t min,
						  ioasid_t) { return min + 7; },
					   give)
			    .value();
	CHECK(sessions.alloc(&one, { 30, 40 }).value() == 37);
	CHECK_ERROR(sessions.alloc(&one, { 30, 35 }),
		    ioasid::errc::out_of_range);
	CHECK(sessions.close() && from->back.back() == 37);
	CHECK(next.close().value());
	// Not beside IDs of the space's own choice.
	space full = made();
	CHECK(full.alloc(&one));
	CHECK_ERROR(full.use_allocator(take, give), ioasid::errc::try_again);
	// From within a callback nothing is registered or goes: it stays.
	space inner = made();
	std::optional<ioasid::registration> self;
	int given = 0, returned = 0;
	self = inner.use_allocator(
			    [&](ioasid_t, ioasid_t) {
				    CHECK_ERROR(self->close(),
						ioasid::errc::would_deadlock);
				    CHECK_ERROR(inner.alloc(&one),
						ioasid::errc::would_deadlock);
				    self.reset();
				    given++;
				    return ioasid_t(5);
			    },
			    [&](ioasid_t) { returned++; })
		       .value();
	CHECK(inner.alloc(&one).value() == 5 && given == 1);
	CHECK(inner.stats().allocators == 1);
	CHECK(inner.close() && returned == 1);
}

void snapshots()
{
	space sessions = made();
	int tokens[2] = { 0, 1 };
	session table[4] = { { 0 }, { 1 }, { 2 }, { 3 } };
	auto tenant =
		sessions.create_set({ "tenant", &tokens[1], 9, 1 }).value();
	CHECK(sessions.alloc(tenant, &table[1], { 10, 10 }));
	CHECK(sessions.alloc(&table[2], { 11, 11 }));
	CHECK(sessions.spid_attach(10, 70));
	const auto encode = [&](ioasid_t, const session *from) {
		return static_cast<std::uint64_t>(from - table);
	};
	const auto encode_token = [&](void *token) {
		return static_cast<std::uint64_t>(static_cast<int *>(token) -
						  tokens);
	};
	const auto decode = [&](ioasid_t, std::uint64_t number) {
		return &table[number];
	};
	const auto decode_token = [&](std::uint64_t number) -> void * {
		return &tokens[number];
	};
	const auto bytes = sessions.snapshot(encode, encode_token).value();
	space copy = made();
	CHECK(copy.restore(bytes.data(), bytes.size(), decode, decode_token));
	CHECK(copy.with(10, [](auto v) { return v->user; }).value() == 1);
	CHECK(copy.spid_of(10).value() == 70);
	CHECK(copy.set_by_token(&tokens[1]).value().stats().value().quota == 9);
	// Without codecs there are no pointers.
	const auto bare = sessions.snapshot().value();
	space empty = made();
	CHECK(empty.restore(bare.data(), bare.size()));
	CHECK(empty.with(11, [](auto v) { return !v; }).value());
	std::size_t needed = 0;
	char small[16];
	CHECK_ERROR(sessions.snapshot_into(small, sizeof(small), needed),
		    ioasid::errc::buffer_too_small);
	CHECK(needed == bare.size());
	// A decoder that refuses: what it made before comes back.
	space refused = made();
	std::vector<ioasid_t> back = {};
	const auto done = refused.restore(
		bytes.data(), bytes.size(),
		[&](ioasid_t id,
		    std::uint64_t number) -> ioasid::result<session *> {
			if (id == 11)
				return static_cast<ioasid::errc>(9999);
			return &table[number];
		},
		nullptr,
		[&](ioasid_t id, session *value) {
			CHECK(value == &table[1]);
			back.push_back(id);
		});
	CHECK_ERROR(done, static_cast<ioasid::errc>(9999));
	CHECK(back == std::vector<ioasid_t>{ 10 });
	CHECK(refused.stats().live == 0 && refused.validate());
	CHECK(std::string(ioasid::message(done.error())) == "unknown error");
	CHECK_ERROR(
		refused.restore(bytes.data(), bytes.size(), decode,
				[](std::uint64_t) -> ioasid::result<void *> {
					return ioasid::errc::not_found;
				}),
		ioasid::errc::not_found);
}

#if IOASID_CPP_EXCEPTIONS
template <typename F> bool throws(F &&func)
{
	try {
		std::forward<F>(func)();
	} catch (const std::runtime_error &error) {
		return std::strcmp(error.what(), "planned") == 0;
	}
	return false;
}

[[noreturn]] void planned()
{
	throw std::runtime_error("planned");
}

// Thrown in a callable, seen by who made the call, and the space is as before.
void carried()
{
	space sessions = made();
	int calls = 0;

	CHECK(sessions.alloc(&one, { 1, 1 }) && sessions.alloc(&two, { 2, 2 }));
	CHECK(sessions.create_set({ "a", &calls, 0, 0 }));
	CHECK(throws([&] {
		static_cast<void>(sessions.for_each([&](ioasid_t, auto) {
			calls++;
			planned();
		}));
	}));
	CHECK(calls == 1);
	CHECK(throws([&] { sessions.for_each_set([](auto) { planned(); }); }));
	CHECK(throws([&] {
		static_cast<void>(sessions.with(1u, [](auto) { planned(); }));
	}));
	CHECK(throws([&] {
		static_cast<void>(sessions.acquire(1u, [](session &) -> bool {
			planned();
		}));
	}));
	calls = 0;
	CHECK(throws([&] {
		sessions.dump([&](std::string_view) {
			calls++;
			planned();
		});
	}));
	CHECK(calls == 1);
	CHECK(throws([&] {
		static_cast<void>(sessions.snapshot(
			[](ioasid_t, const session *) -> std::uint64_t {
				planned();
			}));
	}));
	CHECK(throws([&] {
		static_cast<void>(sessions.snapshot(
			nullptr, [](void *) -> std::uint64_t { planned(); }));
	}));
	CHECK(!sessions.domain().reading());
	const auto bytes =
		sessions.snapshot(nullptr, [](void *) { return 1u; }).value();
	space copy = made();
	std::vector<ioasid_t> back = {};
	CHECK(throws([&] {
		static_cast<void>(copy.restore(
			bytes.data(), bytes.size(),
			[](ioasid_t id, std::uint64_t) -> session * {
				if (id == 2)
					planned();
				return &one;
			},
			[](std::uint64_t) -> void * { return nullptr; },
			[&](ioasid_t id, session *) { back.push_back(id); }));
	}));
	CHECK(back == std::vector<ioasid_t>{ 1 } && copy.stats().live == 0);
	CHECK(throws([&] {
		static_cast<void>(copy.restore(
			bytes.data(), bytes.size(), nullptr,
			[](std::uint64_t) -> void * { planned(); }));
	}));
	auto values = ioasid::owning_space<session>::create().value();
	CHECK(throws([&] {
		static_cast<void>(
			values.restore(bytes.data(), bytes.size(),
				       [](ioasid_t id, std::uint64_t) {
					       if (id == 2)
						       planned();
					       return session{ 1 };
				       }));
	}));
	CHECK(values.stats().live == 0 && copy.stats().live == 0);
	CHECK(sessions.stats().live == 2 && sessions.validate());
	CHECK(copy.restore(bytes.data(), bytes.size()));

	struct thrower {
		explicit thrower(int)
		{
			planned();
		}
	};
	auto throwers = ioasid::owning_space<thrower>::create().value();
	CHECK(throws([&] { static_cast<void>(throwers.emplace(1)); }));
	CHECK(throwers.stats().live == 0 && throwers.stats().allocs == 0);

	try {
		space bad(ioasid::space_config{ 5, 4 });
		CHECK(false);
	} catch (const std::system_error &error) {
		CHECK(error.code() == ioasid::errc::invalid_argument);
		CHECK(error.code() == std::errc::invalid_argument);
	}
}
#endif

// What may not be done ends the program, at once and in words.
template <typename F> bool aborts(const char *words, F &&func)
{
	int fds[2];
	std::string said;
	char buffer[256];
	ssize_t got;
	int status = 0;

	if (pipe(fds))
		return false;
	std::fflush(nullptr);
	const pid_t child = fork();
	if (!child) {
		dup2(fds[1], STDERR_FILENO);
		func();
		_exit(0);
	}
	close(fds[1]);
	while ((got = read(fds[0], buffer, sizeof(buffer))) > 0)
		said.append(buffer, static_cast<std::size_t>(got));
	close(fds[0]);
	if (waitpid(child, &status, 0) != child)
		return false;
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT &&
	       said.find(words) != std::string::npos;
}

void ends()
{
	CHECK(!aborts("", [] {}));
	CHECK(aborts("inside of a read section", [] {
		std::optional<space> sessions(made());
		const ioasid::read_section guard(*sessions);

		sessions.reset();
	}));
	CHECK(aborts("while references to it are held", [] {
		std::optional<ioasid::owning_space<session>> values(
			ioasid::owning_space<session>::create().value());
		auto held = values->get(values->alloc(session{ 1 }).value());

		values.reset();
	}));
	CHECK(aborts("domain ends while it is in use", [] {
		std::optional<ioasid::domain> domain(
			ioasid::domain::create().value());
		ioasid::space_config config;
		config.domain = domain->ref();
		auto sessions = space::create(config).value();

		domain.reset();
	}));
	CHECK(aborts("value of a failed result", [] {
		ioasid::result<int> failed = ioasid::errc::busy;

		std::fprintf(stderr, "%d\n", *failed);
	}));
#if IOASID_CPP_EXCEPTIONS
	CHECK(aborts("planned", [] {
		space sessions = made();
		auto told =
			sessions.on_event([](const notice &) { planned(); });

		try {
			static_cast<void>(sessions.alloc(&one));
		} catch (...) {
			_exit(1);
		}
	}));
	CHECK(aborts("planned", [] {
		space sessions = made();
		auto used = sessions.use_allocator(
			[](ioasid_t, ioasid_t) -> ioasid_t { planned(); },
			[](ioasid_t) {});

		try {
			static_cast<void>(sessions.alloc(&one));
		} catch (...) {
			_exit(1);
		}
	}));
	CHECK(aborts("planned", [] {
		space sessions = made();

		try {
			static_cast<void>(
				sessions.domain().defer([] { planned(); }));
			static_cast<void>(sessions.domain().barrier());
		} catch (...) {
			_exit(1);
		}
	}));
#else
	CHECK(aborts("still in use", [] {
		ioasid::result<int> failed = ioasid::errc::busy;

		std::fprintf(stderr, "%d\n", failed.value());
	}));
#endif
}

// Names that the binding has as well, where its calls would find them.
namespace user {

struct number {
	operator ioasid_t() const
	{
		return 7;
	}
};

ioasid_t id_of(const number &)
{
	return 8;
}

template <typename T> void released(T *)
{
}

struct chooser {
	number operator()(ioasid_t, ioasid_t) const
	{
		return number();
	}
};

struct taker {
	std::shared_ptr<int> kept;

	void operator()(ioasid_t) const
	{
	}
};

} // namespace user

void own_names()
{
	auto kept = std::make_shared<int>(0);
	auto numbers = ioasid::space<int>::create().value();
	auto used = numbers.use_allocator(user::chooser(), user::taker{ kept })
			    .value();

	CHECK(numbers.alloc().value() == 7 && kept.use_count() == 2);
	static_cast<void>(id_of(user::number()));
	user::released(&kept);
	CHECK(numbers.free(7) && used.close());
	CHECK(kept.use_count() == 1);
}

// A callable that has the registration of another ends with the space.
void owned_registrations()
{
	auto kept = std::make_shared<int>(0);
	{
		auto numbers = ioasid::space<int>::create().value();
		auto inner = std::make_shared<ioasid::registration>(
			numbers.on_event([kept](const auto &) {}).value());

		numbers.on_event([inner](const auto &) {}).value().detach();
		inner.reset();
		CHECK(kept.use_count() == 2);
	}
	CHECK(kept.use_count() == 1);
}

// A decoder that fails without saying why gives nothing all the same.
void no_error()
{
	int value = 0;
	auto from = ioasid::space<int>::create().value();
	CHECK(from.alloc(&value));
	const auto bytes = from.snapshot([](ioasid_t, const int *) {
				       return std::uint64_t(1);
			       }).value();
	auto to = ioasid::owning_space<int>::create().value();

	CHECK_ERROR(to.restore(bytes.data(), bytes.size(),
			       [](ioasid_t, std::uint64_t) {
				       return ioasid::result<int>(
					       ioasid::errc());
			       }),
		    ioasid::errc::callback_failed);
	CHECK(to.stats().live == 0);
}

} // namespace

int main()
{
	notifiers();
	owning_notices();
	allocators();
	snapshots();
#if IOASID_CPP_EXCEPTIONS
	carried();
#endif
	ends();
	own_names();
	owned_registrations();
	no_error();
	return check_status();
}
