// SPDX-License-Identifier: MIT
// The lookups of lookups.c as a C++ program writes them.
#include "lookups.h"

#include <ioasid/ioasid.hpp>

using space = ioasid::space<session>;
using owning_space = ioasid::owning_space<session>;
using set = ioasid::set<session>;

extern "C" {
int lookup_id(const space *sessions, ioasid_t id);
int lookup_set(const space *sessions, const set *tenant, ioasid_t id);
int lookup_handle(const space *sessions, const set *tenant,
		  ioasid_handle_t use);
int lookup_owned(const owning_space *sessions, const set *tenant, ioasid_t id);
}

int lookup_id(const space *sessions, ioasid_t id)
{
	const ioasid::read_section guard(*sessions);

	const auto found = guard.find(id);

	return found ? found->user : -static_cast<int>(found.error());
}

int lookup_set(const space *sessions, const set *tenant, ioasid_t id)
{
#ifdef PLANTED
	// A lookup that costs more: the test has to see it.
	if (ioasid::handle(id | 1ull << 32).generation() !=
	    sessions->handle_of(*tenant, id).value_or({}).generation())
		return -1;
#endif
	const ioasid::read_section guard(*sessions);

	const auto found = guard.find(*tenant, id);

	return found ? found->user : -static_cast<int>(found.error());
}

int lookup_handle(const space *sessions, const set *tenant, ioasid_handle_t use)
{
	const ioasid::read_section guard(*sessions);

	const auto found = guard.find(*tenant, ioasid::handle(use));

	return found ? found->user : -static_cast<int>(found.error());
}

int lookup_owned(const owning_space *sessions, const set *tenant, ioasid_t id)
{
	const ioasid::read_section guard(*sessions);

	const auto found = guard.find(*tenant, id);

	return found ? found->user : -static_cast<int>(found.error());
}
