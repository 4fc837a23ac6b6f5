// SPDX-License-Identifier: MIT
// What must not compile. Each case is compiled alone, with its macro defined, and
// has to fail with the words after its name; without any macro all must compile.
// `clang:` before a case: only clang sees it, by [[clang::lifetimebound]].
#include <ioasid/ioasid.hpp>

struct session {
	int user;
};

struct other {
	int number;
};

using space = ioasid::space<session>;
using guard_type = ioasid::read_section<session>;

int good(space &sessions, ioasid::set<session> tenant);
int good(space &sessions, ioasid::set<session> tenant)
{
	const guard_type guard(sessions);
	const auto found = guard.find(tenant, 1);

	return found ? found->user : 0;
}

// case guard_without_name: deleted
#ifdef guard_without_name
int bad(space &sessions)
{
	return guard_type(sessions).find(1)->user;
}
#endif

// case guard_without_name_and_set: deleted
#ifdef guard_without_name_and_set
int bad(space &sessions, ioasid::set<session> tenant)
{
	return guard_type(sessions).find(tenant, 1)->user;
}
#endif

// case guard_without_name_by_handle: deleted
#ifdef guard_without_name_by_handle
int bad(space &sessions, ioasid::handle use)
{
	return guard_type(sessions).find(use)->user;
}
#endif

// case guard_without_name_next: deleted
#ifdef guard_without_name_next
int bad(space &sessions)
{
	return guard_type(sessions).next().value().value->user;
}
#endif

// case guard_without_name_walk: deleted
#ifdef guard_without_name_walk
int bad(space &sessions)
{
	int sum = 0;

	for (auto each : guard_type(sessions).ids())
		sum += each.value->user;
	return sum;
}
#endif

// case guard_without_name_spid: deleted
#ifdef guard_without_name_spid
int bad(space &sessions, ioasid::set<session> tenant)
{
	return guard_type(sessions).find_spid(tenant, 1)->value->user;
}
#endif

// case guard_of_temporary: deleted
#ifdef guard_of_temporary
int bad()
{
	const guard_type guard(space::create().value());

	return guard.find(1)->user;
}
#endif

// case guard_on_heap: deleted
#ifdef guard_on_heap
void *bad(space &sessions)
{
	return new guard_type(sessions);
}
#endif

// case guard_copied: deleted
#ifdef guard_copied
void bad(const guard_type &guard)
{
	const guard_type copy(guard);
}
#endif

// case guard_moved: deleted
#ifdef guard_moved
guard_type bad(guard_type &guard)
{
	return std::move(guard);
}
#endif

// case borrowed_assigned: deleted
#ifdef borrowed_assigned
int bad(space &sessions, const guard_type &outer)
{
	auto kept = outer.find(1).value();
	{
		const guard_type guard(sessions);

		kept = guard.find(2).value();
	}
	return kept->user;
}
#endif

// case found_assigned: deleted|cannot be assigned
#ifdef found_assigned
int bad(space &sessions, const guard_type &outer)
{
	auto kept = outer.find(1);
	{
		const guard_type guard(sessions);

		kept = guard.find(2);
	}
	return kept->user;
}
#endif

// case borrowed_as_member: deleted
#ifdef borrowed_as_member
struct holder {
	std::optional<ioasid::borrowed<session>> kept;
};
void bad(space &sessions, holder &holder)
{
	const guard_type guard(sessions);

	holder.kept = guard.find(1).value();
}
#endif

// case borrowed_on_heap: deleted
#ifdef borrowed_on_heap
void *bad(const guard_type &guard)
{
	return new ioasid::borrowed<session>(guard.find(1).value());
}
#endif

// case borrowed_as_pointer: cannot convert|no viable conversion
#ifdef borrowed_as_pointer
session *bad(const guard_type &guard)
{
	session *kept = guard.find(1).value();

	return kept;
}
#endif

// clang: case found_returned: address of stack memory|dangling|does not live
#ifdef found_returned
ioasid::result<ioasid::borrowed<session>> bad(space &sessions)
{
	const guard_type guard(sessions);

	return guard.find(1);
}
#endif

// case pointer_out_of_with: must not point to a T
#ifdef pointer_out_of_with
session *bad(space &sessions)
{
	return sessions.with(1u, [](auto found) { return found.get(); }).value();
}
#endif

// case borrowed_out_of_with: must not point to a T
#ifdef borrowed_out_of_with
int bad(space &sessions)
{
	return sessions.with(1u, [](auto found) { return found; }).value()->user;
}
#endif

// case reference_out_of_with: must not point to a T
#ifdef reference_out_of_with
int bad(space &sessions)
{
	return sessions.with(1u, [](auto found) -> session & { return *found; })
		.value()
		.user;
}
#endif

// case set_of_other_type: no matching|no match
#ifdef set_of_other_type
bool bad(const guard_type &guard, ioasid::set<other> tenant)
{
	return guard.find(tenant, 1).has_value();
}
#endif

// case value_of_other_type: no matching
#ifdef value_of_other_type
bool bad(space &sessions, other &value)
{
	return sessions.alloc(&value).has_value();
}
#endif

// case handle_of_number: conversion from|no viable conversion
#ifdef handle_of_number
ioasid::handle bad(ioasid_t id)
{
	ioasid::handle use = id;

	return use;
}
#endif

// case handle_as_id: no matching|cannot convert|no viable conversion
#ifdef handle_as_id
bool bad(space &sessions, ioasid::handle use)
{
	return sessions.exchange(use, nullptr).has_value();
}
#endif

// case unique_id_copied: deleted
#ifdef unique_id_copied
ioasid::unique_id bad(const ioasid::unique_id &id)
{
	return id;
}
#endif

// case reference_copied: deleted
#ifdef reference_copied
ioasid::reference<session> bad(const ioasid::reference<session> &held)
{
	return held;
}
#endif

// case registration_copied: deleted
#ifdef registration_copied
ioasid::registration bad(const ioasid::registration &told)
{
	return told;
}
#endif

// case space_copied: deleted
#ifdef space_copied
space bad(const space &sessions)
{
	return sessions;
}
#endif

// case reservation_kept: cannot bind|no matching|expects an rvalue
#ifdef reservation_kept
bool bad(space &sessions, ioasid::reservation &reserved, session &value)
{
	return sessions.publish(reserved, &value).has_value();
}
#endif

// case result_ignored: nodiscard
#ifdef result_ignored
void bad(space &sessions)
{
	sessions.free(1);
}
#endif

// case error_as_number: cannot convert|no viable conversion|cannot initialize
#ifdef error_as_number
int bad(space &sessions)
{
	int error = sessions.free(1).error();

	return error;
}
#endif

// case result_of_reference: a result is no reference
#ifdef result_of_reference
bool bad(ioasid::result<int &> &found)
{
	return found.has_value();
}
#endif

// case then_without_result: and_then() calls returns a result
#ifdef then_without_result
bool bad(ioasid::result<int> found)
{
	return found.and_then([](int n) { return n; }).has_value();
}
#endif
