// SPDX-License-Identifier: MIT
// Every error, from a call of a user's, and result<T>, which says them.
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <cstddef>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#include <ioasid/ioasid.hpp>

#include "check.hpp"

namespace {

using ioasid::errc;
using space = ioasid::space<int>;

int one = 1;
// What was seen; at the end nothing of errc may be missing.
std::set<errc> seen;

template <typename R> void is(const R &result, errc expected, int line)
{
	check_that(!result && result.error() == expected, __FILE__, line,
		   ioasid::message(expected));
	seen.insert(expected);
}

#define IS(result, expected) is(result, expected, __LINE__)

ioasid::space_config small()
{
	ioasid::space_config config;

	config.max = 9;
	return config;
}

void ids()
{
	space a = space::create(small()).value();
	space b = space::create(small()).value();
	auto owner = a.create_set({ "owner", &one, 2, 1 }).value();
	auto other = a.create_set().value();
	const ioasid_t id = a.alloc(owner, &one).value();

	IS(a.free(id + 1), errc::not_found);
	IS(a.remove(other, id), errc::not_owner);
	IS(b.alloc(owner, &one), errc::other_space);
	IS(a.alloc(&one, { 3, 2 }), errc::invalid_argument);
	CHECK(a.alloc(owner, &one));
	IS(a.alloc(owner, &one), errc::quota_exceeded);
	IS(a.create_set({ nullptr, &one, 0, 0 }), errc::exists);
	IS(a.create_set(
		   { "a name of more than thirty-one bytes", nullptr, 0, 0 }),
	   errc::name_too_long);
	IS(owner.destroy(), errc::busy);
	IS(b.alloc(&one, { 10, 20 }), errc::no_space);
	auto use = a.handle_of(id).value();
	CHECK(a.free(id) && a.alloc(&one, { id, id }));
	IS(a.free(use), errc::stale_handle);
	std::vector<ioasid::id_reference> references;
	for (;;) {
		auto got = a.get(id);

		if (!got) {
			IS(got, errc::too_many_references);
			break;
		}
		references.push_back(std::move(*got));
	}
	CHECK(references.size() == IOASID_REFS_MAX - 1);
	{
		const ioasid::read_section guard(a);

		IS(a.set_value(id, nullptr), errc::would_deadlock);
		IS(a.close(), errc::would_deadlock);
		IS(a.domain().synchronize(), errc::would_deadlock);
	}
	IS(a.domain().check_reader(), errc::not_permitted);
}

void spaces()
{
	ioasid::space_config config;

	config.store = ioasid::store::bitmap;
	IS(space::create(config), errc::range_too_wide);
	config = small();
	config.memory.alloc = [](void *, std::size_t) -> void * {
		return nullptr;
	};
	config.memory.free = [](void *, void *, std::size_t) {};
	IS(space::create(config), errc::no_memory);
	config = small();
	config.quarantine = true;
	config.max = 1;
	space held = space::create(config).value();
	CHECK(held.alloc(&one) && held.alloc(&one));
	const ioasid::read_section guard(held);
	CHECK(held.free(0));
	IS(held.alloc(&one), errc::try_again);
}

void sets()
{
	space many = space::create().value();
	ioasid::result<ioasid::set<int>> made = errc();

	for (std::uint32_t i = 0; i < IOASID_SETS_MAX; i++) {
		made = many.create_set();
		if (!made)
			break;
	}
	CHECK(made);
	IS(many.create_set(), errc::too_many_sets);
}

// CRC-32C, of all bytes but its own four.
std::uint32_t crc_of(const std::vector<std::byte> &bytes)
{
	std::uint32_t crc = ~std::uint32_t(0);

	for (std::size_t i = 0; i < bytes.size(); i++) {
		if (i >= 12 && i < 16)
			continue;
		crc ^= std::to_integer<std::uint32_t>(bytes[i]);
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

void snapshots()
{
	space from = space::create().value();
	auto used = from.use_allocator([](ioasid_t, ioasid_t) { return 50u; },
				       [](ioasid_t) {})
			    .value();
	CHECK(from.alloc(&one).value() == 50);
	auto bytes = from.snapshot().value();
	space to = space::create().value();
	IS(to.restore(bytes.data(), bytes.size()), errc::no_allocator);
	IS(to.restore(bytes.data(), bytes.size() - 1), errc::bad_snapshot);
	auto later = bytes;
	later[8] = std::byte{ 99 };
	const std::uint32_t crc = crc_of(later);
	for (unsigned i = 0; i < 4; i++)
		later[12 + i] = static_cast<std::byte>(crc >> 8 * i & 255);
	IS(to.restore(later.data(), later.size()), errc::unknown_version);
	space narrow = space::create(small()).value();
	IS(narrow.restore(bytes.data(), bytes.size()), errc::out_of_range);
	std::size_t needed = 0;
	IS(from.snapshot_into(nullptr, 0, needed), errc::buffer_too_small);
	auto back = to.use_allocator([](ioasid_t, ioasid_t) { return 50u; },
				     [](ioasid_t) {})
			    .value();
	IS(to.restore(bytes.data(), bytes.size(),
		      [](ioasid_t, std::uint64_t) -> ioasid::result<int *> {
			      return errc::callback_failed;
		      }),
	   errc::callback_failed);
}

#if defined(__linux__) && defined(SYS_membarrier)
// A kernel that refuses membarrier(2) from now on, as a sandbox does.
bool forbid_membarrier()
{
	sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 static_cast<unsigned>(offsetof(seccomp_data, nr))),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	sock_fprog program = { 4, code };

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

// In a child, as it is for good: 0 seen, 2 there is no membarrier here, else not.
int without_membarrier()
{
	auto made = space::create();
	space &lost = *made;
	const ioasid_t id = lost.alloc(&one).value();

	if (lost.native()->rcu->read_side != IOASID_RCU_READ_PLAIN ||
	    !forbid_membarrier())
		return 2;
	if (lost.domain().synchronize().error() != errc::io_error)
		return 3;
	// What is deferred will never be called, so its space cannot end.
	if (!lost.domain().defer([] { std::abort(); }) ||
	    lost.close().error() != errc::io_error)
		return 4;
	{
		const ioasid::read_section guard(lost);

		if (!guard.find(id))
			return 1;
	}
	auto values = ioasid::owning_space<int>::create().value();
	const ioasid_t kept = values.alloc(1).value();

	// That domain knows at its creation that it cannot have the call.
	if (!values.contains(kept) || !values.close())
		return 5;
	// The destructor gives up: the space stays for good.
	{
		space gone = std::move(lost);
	}
	return 0;
}

void membarrier()
{
	int status = 0;

	std::fflush(nullptr);
	const pid_t child = fork();
	if (!child)
		_exit(without_membarrier());
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
	if (WEXITSTATUS(status) == 2)
		std::puts("no membarrier(2), or no seccomp: io_error not seen");
	else if (!CHECK(WEXITSTATUS(status) == 0))
		std::fprintf(stderr, "status %d\n", WEXITSTATUS(status));
	seen.insert(errc::io_error);
}
#else
void membarrier()
{
	std::puts("no membarrier(2): io_error not seen");
	seen.insert(errc::io_error);
}
#endif

void codes()
{
	for (const auto &each : ioasid::detail::descriptions) {
		const std::error_code code = each.error;

		if (!seen.count(each.error))
			std::printf("not seen: %s\n", each.text);
		CHECK(seen.count(each.error));
		CHECK(code && code.message() == each.text);
		CHECK(code == std::error_condition(code.value(),
						   std::generic_category()));
		CHECK(std::string(code.category().name()) == "ioasid");
	}
	const std::error_code code = errc::not_found;
	CHECK(code == std::errc::no_such_file_or_directory);
	CHECK(code == errc::not_found && code != errc::busy);
	// One of an own callback.
	CHECK(!make_error_code(static_cast<errc>(ENOTTY)).message().empty());
}

ioasid::result<int> half(int n)
{
	if (n % 2)
		return errc::invalid_argument;
	return n / 2;
}

void results()
{
	const ioasid::result<int> four = 4;
	const ioasid::result<int> failed = errc::busy;

	CHECK(four && four.has_value() && *four == 4 && four.value() == 4);
	CHECK(four.error() == errc() && !four.code());
	CHECK(!failed && failed.code() == errc::busy);
	CHECK(failed.value_or(9) == 9 && four.value_or(9) == 4);
	CHECK(four.and_then(half).and_then(half).value() == 1);
	CHECK_ERROR(four.and_then(half).and_then(half).and_then(half),
		    errc::invalid_argument);
	CHECK(four.map([](int n) { return std::to_string(n); })->size() == 1);
	CHECK_ERROR(failed.map([](int n) { return n; }), errc::busy);
	int sum = 0;
	CHECK(four.map([&](int n) { sum += n; }) && sum == 4);
	CHECK_ERROR(failed.map([&](int n) { sum += n; }), errc::busy);
	CHECK(failed.or_else([](errc error) -> ioasid::result<int> {
			    CHECK(error == errc::busy);
			    return 7;
		    }).value() == 7);
	ioasid::result<std::unique_ptr<int>> moved = std::make_unique<int>(3);
	CHECK(**moved == 3);
	std::unique_ptr<int> out = std::move(moved).value();
	CHECK(*out == 3);
	CHECK(*ioasid::result<std::unique_ptr<int>>(errc::busy)
		       .value_or(std::make_unique<int>(8)) == 8);
	const ioasid::result<void> done, not_done = errc::busy;
	CHECK(done && !not_done && done.error() == errc());
	CHECK(done.map([] { return 5; }).value() == 5);
	CHECK_ERROR(not_done.map([] { return 5; }), errc::busy);
	CHECK_ERROR(done.and_then([] { return half(3); }),
		    errc::invalid_argument);
	CHECK(not_done.or_else([](errc) { return ioasid::result<void>(); }));
	done.value();
	static_assert(ioasid::result<int>(3).value() == 3, "at compile time");
#if IOASID_CPP_EXCEPTIONS
	try {
		static_cast<void>(failed.value());
		CHECK(false);
	} catch (const std::system_error &error) {
		CHECK(error.code() == errc::busy);
		CHECK(std::strstr(error.what(), "still in use"));
	}
	try {
		not_done.value();
		CHECK(false);
	} catch (const std::system_error &error) {
		CHECK(error.code() == std::errc::device_or_resource_busy);
	}
#endif
#ifdef __cpp_lib_expected
	const std::expected<int, errc> expected = four;
	CHECK(expected.value() == 4);
	const std::expected<int, errc> unexpected = failed;
	CHECK(!unexpected && unexpected.error() == errc::busy);
	const ioasid::result<int> again = unexpected;
	CHECK_ERROR(again, errc::busy);
	CHECK(ioasid::result<int>(expected).value() == 4);
	const std::expected<void, errc> nothing = not_done;
	CHECK(!nothing && ioasid::result<void>(nothing).error() == errc::busy);
	std::expected<std::unique_ptr<int>, errc> owner =
		ioasid::result<std::unique_ptr<int>>(std::make_unique<int>(2));
	CHECK(**owner == 2);
	std::puts("std::expected");
#endif
}

} // namespace

int main()
{
	ids();
	spaces();
	sets();
	snapshots();
	membarrier();
	codes();
	results();
	return check_status();
}
