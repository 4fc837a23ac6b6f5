// SPDX-License-Identifier: MIT
// owning_space<T>: a value lives exactly as long as somebody can have it.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ioasid/ioasid.hpp>

#include "check.hpp"

namespace {

int alive;

// Overaligned and without a copy: values are made and moved in place.
struct alignas(128) value {
	explicit value(int n) : number(n)
	{
		alive++;
	}
	value(value &&other) noexcept : number(other.number)
	{
		alive++;
	}
	value &operator=(value &&) = delete;
	~value()
	{
		alive--;
		number = -1;
	}

	int number;
};

struct fixed {
	fixed(int a, std::string b) : number(a), text(std::move(b))
	{
	}
	fixed(const fixed &) = delete;
	fixed &operator=(const fixed &) = delete;

	int number;
	std::string text;
};

using space = ioasid::owning_space<value>;

space made(ioasid::store store)
{
	ioasid::space_config config;

	config.store = store;
	config.max = 9999;
	return space::create(config).value();
}

void lives(ioasid::store store)
{
	space values = made(store);
	auto tenant = values.create_set({ "t", nullptr, 4, 0 }).value();
	const ioasid_t id = values.alloc(tenant, value(1)).value();

	CHECK(alive == 1);
	{
		ioasid::read_section guard(values);
		auto found = guard.find(tenant, id);

		CHECK(found->number == 1);
		CHECK(reinterpret_cast<std::uintptr_t>(found.value().get()) %
			      alignof(value) ==
		      0);
		CHECK(values.free(tenant, id));
		CHECK_ERROR(guard.find(id), ioasid::errc::not_found);
		CHECK(found->number == 1 && alive == 1);
	}
	CHECK(values.domain().barrier() && alive == 0);
	CHECK_ERROR(values.free(id), ioasid::errc::not_found);
	// What no ID was had for is destroyed.
	CHECK_ERROR(values.alloc(value(1), { 8, 7 }),
		    ioasid::errc::invalid_argument);
	CHECK(alive == 0);
	{
		auto unique = values.alloc_unique(value(2)).value();

		CHECK(values.with(unique.id(), [](auto found) {
				    return found->number;
			    }).value() == 2);
	}
	CHECK(values.stats().live == 0 && values.domain().barrier());
	CHECK(alive == 0);
	ioasid::id_cursor cursor;
	CHECK(values.alloc_cyclic(cursor, value(3), { 5, 6 }).value().id == 5);
	CHECK(values.alloc_cyclic(tenant, cursor, value(4), { 5, 6 })
		      .value()
		      .id == 6);
	CHECK_ERROR(values.alloc_cyclic(cursor, value(3), { 5, 6 }),
		    ioasid::errc::no_space);
	auto reserved = values.reserve_id({ 9, 9 }).value();
	CHECK(values.publish(std::move(reserved), value(9)).value() == 9);
	CHECK_ERROR(values.publish(std::move(reserved), value(9)),
		    ioasid::errc::not_found);
	CHECK(alive == 3 && values.emplace(10));
	CHECK_ERROR(values.free(tenant, 5), ioasid::errc::not_owner);
	CHECK(values.free_all(tenant).value() == 1);
	CHECK(values.free_all().value() == 3);
	CHECK(values.domain().barrier() && alive == 0);
	CHECK(values.alloc(value(1)));
	CHECK_ERROR(values.close(), ioasid::errc());
	CHECK(alive == 0);
}

void references(ioasid::store store)
{
	space values = made(store);
	const ioasid_t id = values.alloc(value(1)).value();
	const auto use = values.handle_of(id).value();
	std::optional<ioasid::reference<value>> kept;

	kept = values.get(id).value();
	CHECK((*kept)->number == 1 && kept->id() == id);
	CHECK(values.get(use)->number == 1);
	CHECK_ERROR(values.close(), ioasid::errc::busy);
	CHECK(values.free(use) && values.domain().barrier());
	CHECK_ERROR(values.free(use), ioasid::errc::busy);
	CHECK(alive == 1 && (**kept).number == 1);
	CHECK_ERROR(values.get(id), ioasid::errc::busy);
	CHECK_ERROR(values.close(), ioasid::errc::busy);
	auto moved = std::move(*kept);
	kept.reset();
	CHECK(moved && values.stats().pending == 1 && alive == 1);
	moved.put();
	CHECK(!moved && moved.get() == nullptr);
	CHECK(values.stats().pending == 0 && alive == 0);
	// A reference that goes before the grace period has passed leaves the
	// value to that.
	const ioasid_t next = values.alloc(value(2)).value();
	{
		const ioasid::read_section guard(values);
		auto found = guard.find(next).value();
		auto held = values.get(next).value();

		CHECK(values.free(next));
		held.put();
		CHECK(alive == 1 && found->number == 2);
	}
	CHECK(values.domain().barrier() && alive == 0);
	// Of a vacant ID: unknown or stale, as the store has it.
	CHECK(!values.free(use));
	CHECK(values.alloc(value(3), { next, next }));
	CHECK_ERROR(values.free(use), next == id ? ioasid::errc::stale_handle :
						   ioasid::errc::not_found);
	auto before = values.get(next).value();
	CHECK(values.replace(next, value(4)));
	CHECK(values.domain().barrier() && alive == 2);
	CHECK(before->number == 3 && values.get(next)->number == 4);
	before = values.get(next).value();
	CHECK(alive == 1 && before->number == 4);
	CHECK_ERROR(values.replace(next + 1, value(5)),
		    ioasid::errc::not_found);
	CHECK(alive == 1);
}

// Where the domain takes no more, and no callback may run to make room, what is
// freed waits for the next call.
void limit()
{
	ioasid::domain_config small;
	small.pending_limit = 4;
	auto domain = ioasid::domain::create(small).value();
	{
		ioasid::space_config config;
		config.domain = domain;
		auto values = space::create(config).value();
		std::vector<ioasid_t> ids;

		for (int i = 0; i < 100; i++)
			ids.push_back(values.alloc(value(i)).value());
		{
			const ioasid::read_section guard(values);
			auto found = guard.find(ids[50]).value();

			for (ioasid_t id : ids)
				CHECK(values.free(id));
			CHECK(alive == 100 && found->number == 50);
			CHECK(domain.ref().pending() <= 5);
		}
		// One more free hands the rest over.
		CHECK(values.free(values.alloc(value(0)).value()));
		CHECK(domain.ref().barrier() && alive == 0);
		const ioasid_t a = values.alloc(value(0)).value();
		{
			const ioasid::read_section guard(values);

			for (int i = 0; i < 20; i++)
				CHECK(values.replace(a, value(i)));
			CHECK(alive == 21);
		}
	}
	CHECK(domain.close() && alive == 0);
}

void emplaced()
{
	auto values = ioasid::owning_space<fixed>::create().value();
	auto tenant = values.create_set().value();
	const ioasid_t id =
		values.emplace_in(tenant, { 3, 3 }, 1, "text").value();

	CHECK(id == 3 && values.get(tenant, id)->text == "text");
	struct pair {
		int a, b;
	};
	auto pairs = ioasid::owning_space<pair>::create().value();
	CHECK(pairs.get(pairs.emplace(1, 2).value())->b == 2);
	CHECK(pairs.get(pairs.alloc({ 3, 4 }).value())->a == 3);
	auto pointers =
		ioasid::owning_space<std::unique_ptr<int>>::create().value();
	const ioasid_t other = pointers.alloc(std::make_unique<int>(5)).value();
	CHECK(**pointers.get(other).value() == 5);
	auto moved = std::move(pointers);
	CHECK(moved.contains(other) && !pointers);
	moved = ioasid::owning_space<std::unique_ptr<int>>::create().value();
	CHECK(moved.stats().live == 0);
}

void snapshots(ioasid::store store)
{
	space values = made(store);
	auto tenant = values.create_set({ "t", nullptr, 0, 0 }).value();

	for (int i = 0; i < 50; i++)
		CHECK(values.alloc(tenant, value(i)));
	const auto bytes =
		values.snapshot([](ioasid_t, const value *from) {
			      return static_cast<std::uint64_t>(from->number);
		      }).value();
	{
		space copy = made(store);
		const auto decode = [](ioasid_t, std::uint64_t number) {
			return value(static_cast<int>(number));
		};

		CHECK(copy.restore(bytes.data(), bytes.size(), decode));
		CHECK(alive == 100 && copy.get(17)->number == 17);
		CHECK_ERROR(copy.restore(bytes.data(), bytes.size(), decode),
			    ioasid::errc::busy);
	}
	CHECK(alive == 50);
	space refused = made(store);
	CHECK_ERROR(refused.restore(
			    bytes.data(), bytes.size(),
			    [](ioasid_t id,
			       std::uint64_t number) -> ioasid::result<value> {
				    if (id == 30)
					    return ioasid::errc::out_of_range;
				    return value(static_cast<int>(number));
			    }),
		    ioasid::errc::out_of_range);
	CHECK(alive == 50 && refused.stats().live == 0);
}

// Names that the binding has as well, where its calls would find them.
namespace user {

struct item {
	explicit item(int n) : number(n)
	{
	}
	// Not what the binding takes addresses with.
	void operator&() const = delete;

	int number;
};

template <typename T, typename... Args> [[maybe_unused]] T build(Args &&...)
{
	return T(-1);
}

} // namespace user

void own_names()
{
	auto items = ioasid::owning_space<user::item>::create().value();
	const ioasid_t id = items.emplace(user::item(7)).value();

	CHECK(items.get(id)->number == 7);
	CHECK(items.get(id).value().get()->number == 7);
	CHECK(items.with(id, [](auto item) { return item->number; }).value() ==
	      7);
}

// What is given up has what takes its place.
struct link {
	explicit link(int n) : number(n), next()
	{
	}
	link(int n, ioasid::reference<link> after)
		: number(n), next(std::move(after))
	{
	}
	int number;
	std::optional<ioasid::reference<link>> next;
};

void chains()
{
	auto links = ioasid::owning_space<link>::create().value();
	const ioasid_t first = links.emplace(1).value();
	const ioasid_t second =
		links.emplace(2, links.get(first).value()).value();
	auto at = links.get(second).value();

	CHECK(links.free(first) && links.free(second));
	CHECK(links.domain().barrier());
	at = std::move(*at->next);
	CHECK(at && at->number == 1 && !at->next);
}

// Values that have IDs and registrations of their own space.
struct parent {
	explicit parent(ioasid::unique_id of) : child(std::move(of)), told()
	{
		alive++;
	}
	parent(parent &&other) noexcept
		: child(std::move(other.child)), told(std::move(other.told))
	{
		alive++;
	}
	parent &operator=(parent &&) = delete;
	~parent()
	{
		alive--;
	}
	ioasid::unique_id child;
	ioasid::registration told;
};

int heard;

void families(bool freed)
{
	auto people = ioasid::owning_space<parent>::create().value();
	heard = 0;
	auto third = people.alloc_unique(parent(ioasid::unique_id())).value();
	auto second = people.alloc_unique(parent(std::move(third))).value();
	parent first(std::move(second));

	first.told = people.on_event([](const auto &) { heard++; }).value();
	const ioasid_t id = people.alloc(std::move(first)).value();

	CHECK(heard == 1 && people.stats().live == 3);
	if (freed)
		CHECK(people.free(id));
	CHECK(people.close());
	CHECK(!people);
}

} // namespace

int main()
{
	for (auto store : { ioasid::store::radix, ioasid::store::bitmap,
			    ioasid::store::hash }) {
		lives(store);
		references(store);
		snapshots(store);
		CHECK(alive == 0);
	}
	limit();
	emplaced();
	own_names();
	chains();
	families(false);
	families(true);
	CHECK(alive == 0);
	return check_status();
}
