// SPDX-License-Identifier: MIT
// Sessions of tenants: found by ID, kept by the space, gone when nobody can have
// them any more.
#include <cstdio>
#include <string>

#include <ioasid/ioasid.hpp>

struct session {
	std::string user;
};

int main()
{
	auto made = ioasid::owning_space<session>::create();
	if (!made) {
		std::fprintf(stderr, "%s\n", made.code().message().c_str());
		return 1;
	}
	auto &sessions = *made;

	// A tenant may have two sessions, and finds no one else's.
	auto tenant = sessions.create_set({ "tenant", nullptr, 2, 0 }).value();
	auto stranger = sessions.create_set().value();
	ioasid_t id = sessions.alloc(tenant, { "ada" }).value();

	{
		// What is found hangs on the guard, and is good until its end.
		ioasid::read_section guard(sessions);

		if (auto found = guard.find(tenant, id))
			std::printf("%u is %s's\n", id, found->user.c_str());
		if (auto found = guard.find(stranger, id); !found)
			std::printf("%s\n", ioasid::message(found.error()));
		for (auto [each, session] : guard.ids(tenant))
			std::printf("%u: %s\n", each, session->user.c_str());
	}

	// Longer than a section: a reference, dropped at the end of its scope.
	auto kept = sessions.get(tenant, id).value();
	sessions.free(id).value();
	std::printf("%s is there, %s\n", kept->user.c_str(),
		    sessions.contains(id) ? "found" : "not found");
	return 0;
}
