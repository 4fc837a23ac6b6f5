// SPDX-License-Identifier: MIT
// With IOASID_DEBUG a pointer that is used after its section ends the program,
// and lookups of a thread that may not read answer not_permitted.
#include <cstdio>
#include <optional>

#include <sys/wait.h>
#include <unistd.h>

#include <ioasid/ioasid.hpp>

#include "check.hpp"

#ifndef IOASID_DEBUG
#error "to be compiled with IOASID_DEBUG, as the library"
#endif

namespace {

struct session {
	int user;
};

// 0: it came back; else the signal that ended it.
template <typename F> int ended_by(F &&func)
{
	int status = 0;

	std::fflush(nullptr);
	const pid_t child = fork();
	if (!child) {
		std::freopen("/dev/null", "w", stderr);
		func();
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

} // namespace

int main()
{
	session one = { 1 };
	auto sessions = ioasid::space<session>::create().value();
	const ioasid_t id = sessions.alloc(&one).value();
	std::optional<ioasid::borrowed<session>> late;
	{
		const ioasid::read_section guard(sessions);

		late.emplace(guard.find(id).value());
		CHECK((*late)->user == 1 && late->get() == &one);
	}
	CHECK(ended_by([&] { std::printf("%d\n", (*late)->user); }) == SIGABRT);
	CHECK(ended_by([&] { std::printf("%d\n", (**late).user); }) == SIGABRT);
	CHECK(ended_by([&] { std::printf("%d\n", late->get()->user); }) ==
	      SIGABRT);
	CHECK(ended_by([&] {
		      const ioasid::read_section guard(sessions);

		      std::printf("%d\n", (*late)->user);
	      }) == 0);

	ioasid::space_config qsbr;
	qsbr.flavour = ioasid::flavour::qsbr;
	auto online = ioasid::space<session>::create(qsbr).value();
	const ioasid_t other = online.alloc(&one).value();
	CHECK_ERROR(online.with(other, [](auto) {}),
		    ioasid::errc::not_permitted);
	// What it was given does not stay behind, although the ID had been had.
	CHECK_ERROR(online.alloc_unique(&one), ioasid::errc::not_permitted);
	CHECK(online.stats().live == 1);
	auto thread =
		ioasid::registered_thread::create(online.domain()).value();
	CHECK(online.with(other, [](auto found) {
			    return found->user;
		    }).value() == 1);
	return check_status();
}
