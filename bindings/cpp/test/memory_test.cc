// SPDX-License-Identifier: MIT
// No memory for what the binding makes: an error, and nothing has changed. Not for
// ThreadSanitizer, which has operators of its own.
#include <cstdint>
#include <new>
#include <utility>

#include <ioasid/ioasid.hpp>

#include "check.hpp"

namespace {
bool no_memory_left;
}

// What the binding asks for memory with; it fails when it is told to.
void *operator new(std::size_t size, const std::nothrow_t &) noexcept
{
	return no_memory_left ? nullptr : ::operator new(size);
}

namespace {

using ioasid::errc;
using space = ioasid::space<int>;

int one = 1;

ioasid::space_config small()
{
	ioasid::space_config config;

	config.max = 9;
	return config;
}

// The library has memory, the binding has none: nothing has changed.
void memory()
{
	space a = space::create(small()).value();
	auto values = ioasid::owning_space<int>::create(small()).value();
	const ioasid_t id = a.alloc(&one).value();
	const ioasid_t other = values.alloc(1).value();
	auto reserved = values.reserve_id().value();
	ioasid::id_cursor cursor;
	bool called = false;
	const auto call = [&called](auto &&...) { called = true; };
	const auto bytes = values.snapshot().value();
	auto empty = ioasid::owning_space<int>::create(small()).value();

	no_memory_left = true;
	CHECK_ERROR(space::create(small()), errc::no_memory);
	CHECK_ERROR(ioasid::owning_space<int>::create(small()),
		    errc::no_memory);
	CHECK_ERROR(a.on_event(call), errc::no_memory);
	CHECK_ERROR(a.use_allocator([](ioasid_t, ioasid_t) { return 1u; },
				    call),
		    errc::no_memory);
	CHECK_ERROR(a.exchange_retire(id, nullptr, call), errc::no_memory);
	CHECK_ERROR(a.free_deferred(id, call), errc::no_memory);
	CHECK_ERROR(a.domain().defer(call), errc::no_memory);
	CHECK_ERROR(values.alloc(2), errc::no_memory);
	CHECK_ERROR(values.emplace(2), errc::no_memory);
	CHECK_ERROR(values.alloc_unique(2), errc::no_memory);
	CHECK_ERROR(values.alloc_cyclic(cursor, 2), errc::no_memory);
	CHECK_ERROR(values.replace(other, 2), errc::no_memory);
	CHECK_ERROR(values.publish(std::move(reserved), 2), errc::no_memory);
	CHECK_ERROR(empty.restore(bytes.data(), bytes.size(),
				  [](ioasid_t, std::uint64_t) { return 1; }),
		    errc::no_memory);
	no_memory_left = false;
	CHECK(!called && reserved && a.domain().barrier() && !called);
	CHECK(a.with(id, [](auto found) { return *found; }).value() == 1);
	CHECK(a.stats().notifiers == 0 && a.stats().allocators == 0);
	CHECK(*values.get(other).value() == 1 && values.stats().live == 1);
	CHECK(empty.stats().live == 0);
	CHECK(values.publish(std::move(reserved), 2));
}

} // namespace

int main()
{
	memory();
	return check_status();
}
