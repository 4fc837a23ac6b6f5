// SPDX-License-Identifier: MIT
// space<T> as its users have it: every member, on every store.
#include <cstdint>
#include <cstring>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include <ioasid/ioasid.hpp>

#include "check.hpp"

namespace {

struct session {
	int user;
};

using space = ioasid::space<session>;

session one = { 1 }, two = { 2 }, three = { 3 };

space made(ioasid::store store)
{
	ioasid::space_config config;

	config.max = 9999;
	config.store = store;
	config.name = "test";
	return space::create(config).value();
}

void lookups(ioasid::store store)
{
	space sessions = made(store);
	auto tenant = sessions.create_set({ "tenant", &one, 3, 1 }).value();
	auto other = sessions.create_set().value();
	const ioasid_t id = sessions.alloc(tenant, &one, { 7, 9 }).value();
	const auto use = sessions.handle_of(tenant, id).value();

	CHECK(id == 7 && use.id() == 7 && use.generation() != 0);
	CHECK(sessions && sessions.contains(id));
	CHECK(sessions.contains(tenant, id) && !sessions.contains(other, id));
	CHECK(sessions.contains(use) && !sessions.contains(id + 1));
	CHECK(sessions.handle_of(id).value() == use);
	// Its number is none of an ID, whose lower half it has.
	CHECK(!sessions.contains(use.value()));
	CHECK(sessions.contains(std::uint64_t(id)) && !sessions.contains(-1));
	CHECK(!sessions.contains(-1LL));
	CHECK_ERROR(sessions.handle_of(other, id), ioasid::errc::not_owner);
	{
		ioasid::read_section guard(sessions);

		CHECK(sessions.domain().reading());
		CHECK(guard.find(id)->user == 1);
		CHECK((*guard.find(tenant, id))->user == 1);
		CHECK(guard.find(tenant, use)->user == 1);
		CHECK((**guard.find(use)).user == 1);
		CHECK_ERROR(guard.find(other, id), ioasid::errc::not_owner);
		CHECK_ERROR(guard.find(id + 1), ioasid::errc::not_found);
		CHECK_ERROR(guard.find(ioasid::handle()),
			    ioasid::errc::not_found);
		CHECK(guard.next().value().id == 7);
		CHECK(guard.next(tenant, { 0, 100 }).value().value == &one);
		CHECK_ERROR(guard.next(other), ioasid::errc::not_found);
		CHECK_ERROR(guard.next({ 5, 3 }),
			    ioasid::errc::invalid_argument);
		// A section inside of another one, which ends first.
		{
			const ioasid::read_section inner(sessions);

			CHECK(inner.find(id).has_value());
		}
		CHECK(sessions.domain().reading());
		CHECK(guard.find(id).value().get() == &one);
	}
	CHECK(!sessions.domain().reading());
	CHECK(sessions.with(id, [](auto found) { return found->user; })
		      .value() == 1);
	CHECK_ERROR(sessions.with(other, id,
				  [](auto found) { return found->user; }),
		    ioasid::errc::not_owner);
	int seen = 0;
	CHECK(sessions.with(tenant, use,
			    [&](auto found) { seen = found->user; }));
	CHECK(seen == 1);
	CHECK(sessions.acquire(id,
			       [](session &found) { return found.user == 1; })
		      .value() == &one);
	CHECK(sessions.acquire(tenant, id, [](session &) { return false; })
		      .value() == nullptr);
	CHECK_ERROR(sessions.acquire(other, id, [](session &) { return true; }),
		    ioasid::errc::not_owner);
	// An ID may have been given nothing.
	const ioasid_t bare = sessions.alloc().value();
	{
		const ioasid::read_section guard(sessions);
		const auto found = guard.find(bare);

		CHECK(found && !*found && found.value().get() == nullptr);
	}
	CHECK(sessions.acquire(bare, [](session &) { return true; }).value() ==
	      nullptr);
	CHECK(sessions.validate());
}

void lives(ioasid::store store)
{
	space sessions = made(store);
	auto tenant = sessions.create_set().value();

	{
		auto unique = sessions.alloc_unique(tenant, &one).value();
		const ioasid_t id = unique.id();

		CHECK(sessions.contains(unique.use()));
		auto moved = std::move(unique);
		CHECK(!unique && moved && moved.id() == id);
		moved = sessions.alloc_unique(&two).value();
		CHECK(!sessions.contains(id) || moved.id() == id);
		CHECK(moved.free() && !moved);
		CHECK_ERROR(moved.free(), ioasid::errc::not_found);
	}
	CHECK(sessions.stats().live == 0);
	{
		// One that another freed ends no later use of its ID.
		auto unique = sessions.alloc_unique(&one, { 5, 5 }).value();

		CHECK(sessions.free(5));
		CHECK(sessions.alloc(&two, { 5, 5 }).value() == 5);
		CHECK_ERROR(unique.free(), ioasid::errc::stale_handle);
		CHECK(sessions.contains(5) && sessions.free(5));
	}
	{
		auto unique = sessions.alloc_unique(&one).value();
		const ioasid_t id = unique.release();

		CHECK(!unique && sessions.free(id));
	}
	{
		auto reserved = sessions.reserve_id(tenant, { 50, 60 }).value();

		CHECK(reserved.id() == 50 && !sessions.contains(50));
		CHECK(sessions.stats().unpublished == 1);
		CHECK(sessions.publish(std::move(reserved), &three).value() ==
		      50);
		CHECK(!reserved && sessions.contains(tenant, 50));
		CHECK_ERROR(reserved.release(), ioasid::errc::not_found);
		auto again = sessions.reserve_id().value();
		auto other = sessions.reserve_id().value();
		again = std::move(other);
		CHECK(sessions.stats().unpublished == 1);
		CHECK(again.release() && sessions.stats().unpublished == 0);
		CHECK_ERROR(sessions.publish(std::move(again), &one),
			    ioasid::errc::not_found);
	}
	{
		const ioasid_t id = sessions.alloc(&one).value();
		auto held = sessions.get(id).value();
		auto use = sessions.handle_of(id).value();
		auto more = sessions.get(use).value();

		CHECK(held.id() == id && sessions.free(use));
		CHECK_ERROR(sessions.free(id), ioasid::errc::busy);
		CHECK(sessions.stats().pending == 1);
		CHECK(held.put().value() == false && !held);
		auto moved = std::move(more);
		CHECK(!more && moved.put().value() == true);
		CHECK_ERROR(moved.put(), ioasid::errc::not_found);
		CHECK_ERROR(sessions.get(use), ioasid::errc::not_found);
		CHECK_ERROR(sessions.get(id), ioasid::errc::not_found);
		CHECK_ERROR(sessions.get(tenant, id), ioasid::errc::not_found);
	}
	{
		ioasid::id_cursor cursor;
		const ioasid::id_range range = { 100, 102 };

		for (ioasid_t id = 100; id < 103; id++) {
			auto found = sessions.alloc_cyclic(cursor, &one, range)
					     .value();

			CHECK(found.id == id && !found.wrapped);
		}
		CHECK(sessions.free(101));
		auto found = sessions.alloc_cyclic(cursor, &one, range).value();
		CHECK(found.id == 101 && found.wrapped && cursor.next == 102);
		CHECK_ERROR(sessions.alloc_cyclic(tenant, cursor, &one, range),
			    ioasid::errc::no_space);
	}
	const ioasid_t id = sessions.alloc(tenant, &one).value();
	CHECK(sessions.exchange(id, &two).value() == &one);
	CHECK(sessions.set_value(id, &three));
	CHECK(sessions.remove(tenant, id).value() == &three);
	CHECK_ERROR(sessions.remove(id), ioasid::errc::not_found);
	CHECK(sessions.free_all(tenant).value() == 1);
	CHECK(sessions.free_all().value() == 3);
	CHECK(sessions.trim() == 0 || sessions.validate());
	CHECK(sessions.validate().reason == nullptr);
}

struct counted {
	explicit counted(int &count) : count_(count)
	{
		count_++;
	}
	counted(const counted &) = delete;
	counted &operator=(const counted &) = delete;
	~counted()
	{
		count_--;
	}

private:
	int &count_;
};

void retires(ioasid::store store)
{
	ioasid::space_config config;
	int count = 0, calls = 0;

	config.store = store;
	config.max = 99;
	auto counts = ioasid::space<counted>::create(config).value();
	const ioasid_t id = counts.alloc(new counted(count)).value();
	{
		const ioasid::read_section guard(counts);
		auto found = guard.find(id).value();

		CHECK(counts.exchange_retire(id, new counted(count)));
		CHECK(count == 2 && found);
	}
	CHECK(counts.domain().barrier() && count == 1);
	CHECK_ERROR(counts.exchange_retire(id + 1, nullptr),
		    ioasid::errc::not_found);
	CHECK(counts.exchange_retire(id, nullptr, [&calls](counted *old) {
		calls++;
		delete old;
	}));
	CHECK(counts.domain().barrier() && count == 0 && calls == 1);
	counted *last = new counted(count);
	CHECK(counts.exchange(id, last).value() == nullptr);
	CHECK(counts.free_deferred(id, [last] { delete last; }));
	CHECK(counts.domain().barrier() && count == 0);
	CHECK_ERROR(counts.free_deferred(id, [] {}), ioasid::errc::not_found);
	CHECK(counts.domain().defer([&calls] { calls++; }));
	CHECK(counts.domain().barrier() && calls == 2);
}

void walks(ioasid::store store)
{
	space sessions = made(store);
	auto tenant = sessions.create_set().value();
	std::vector<ioasid_t> ids;
	session *values[] = { &one, &two, &three };

	for (ioasid_t id : { 3u, 70u, 9999u })
		CHECK(sessions.alloc(id == 70 ? tenant : ioasid::set<session>(),
				     values[ids.size()], { id, id })
			      .map([&](ioasid_t got) { ids.push_back(got); }));
	{
		const ioasid::read_section guard(sessions);
		std::vector<ioasid_t> found;
		int users = 0;

		for (auto [id, value] : guard.ids()) {
			found.push_back(id);
			users += value->user;
		}
		CHECK(found == ids && users == 6);
		found.clear();
		for (const auto each : guard.ids(tenant))
			found.push_back(each.id);
		CHECK(found == std::vector<ioasid_t>{ 70 });
		found.clear();
		for (const auto each : guard.ids({ 4, 9999 }))
			found.push_back(each.id);
		CHECK(found == std::vector<ioasid_t>{ 70, 9999 });
		for (const auto each : guard.ids({ 9, 8 }))
			CHECK(each.id == 0 && false);
		auto at = guard.ids().begin();
		CHECK((*at++).id == 3 && (*at).id == 70);
	}
	ids.clear();
	CHECK(sessions.for_each([&](ioasid_t id, auto value) {
		CHECK(value && sessions.domain().reading());
		ids.push_back(id);
	}));
	CHECK(ids.size() == 3);
	ids.clear();
	CHECK(sessions.for_each({ 4, 9999 }, [&](ioasid_t id, auto) {
		ids.push_back(id);
		return false;
	}));
	CHECK(ids == std::vector<ioasid_t>{ 70 });
	CHECK(sessions.for_each(tenant, [&](ioasid_t id, auto value) {
		CHECK(id == 70 && value->user == 2);
		return true;
	}));
	CHECK_ERROR(sessions.for_each({ 5, 4 }, [](ioasid_t, auto) {}),
		    ioasid::errc::invalid_argument);
}

void sets(ioasid::store store)
{
	space sessions = made(store);
	int token = 0, visited = 0;
	{
		ioasid::unique_set<session> scoped(
			sessions.create_set({ "scoped", &token, 2, 0 }).value());

		CHECK(sessions.set_by_token(&token).value() == scoped.get());
		CHECK(std::strcmp(scoped.get().stats().value().name,
				  "scoped") == 0);
		ioasid::unique_set<session> moved(std::move(scoped));
		CHECK(!scoped.get() && moved.get());
	}
	CHECK_ERROR(sessions.set_by_token(&token), ioasid::errc::not_found);
	auto tenant = sessions.create_set({ "t", nullptr, 2, 0 }).value();
	const ioasid_t id = sessions.alloc(tenant, &one).value();
	const ioasid_t free = sessions.alloc(&two).value();

	CHECK(sessions.set_of(id).value() == tenant);
	CHECK(!sessions.set_of(free).value());
	CHECK_ERROR(sessions.set_of(free + 1), ioasid::errc::not_found);
	CHECK(tenant.limit(1, 1));
	CHECK_ERROR(sessions.alloc(tenant, &one), ioasid::errc::quota_exceeded);
	CHECK(tenant.stats().value().count == 1);
	sessions.for_each_set([&](ioasid::set<session> each) {
		visited++;
		CHECK(each == tenant &&
		      each.native_space() == sessions.native());
	});
	sessions.for_each_set([&](auto) {
		visited++;
		return false;
	});
	CHECK(visited == 2);
	CHECK_ERROR(tenant.destroy(), ioasid::errc::busy);
	CHECK(sessions.spid_attach(id, 77));
	CHECK(sessions.spid_of(id).value() == 77);
	{
		const ioasid::read_section guard(sessions);
		auto named = guard.find_spid(tenant, 77);

		CHECK(named->id == id && named->value->user == 1);
		CHECK_ERROR(guard.find_spid(tenant, 78),
			    ioasid::errc::not_found);
	}
	CHECK(sessions.acquire_spid(tenant, 77, [](session &) { return true; })
		      .value() == &one);
	CHECK(sessions.acquire_spid(tenant, 77, [](session &) { return false; })
		      .value() == nullptr);
	CHECK(sessions.spid_detach(id));
	CHECK_ERROR(sessions.spid_of(id), ioasid::errc::not_found);
	CHECK(sessions.free(id) && tenant.destroy() && !tenant);
}

void capacities(ioasid::store store)
{
	space sessions = made(store);

	CHECK(sessions.set_capacity(2) && sessions.reserve(1));
	CHECK(sessions.stats().reserved == 1 && sessions.stats().capacity == 2);
	CHECK(sessions.alloc(&one));
	CHECK_ERROR(sessions.alloc(&two), ioasid::errc::no_space);
	CHECK_ERROR(sessions.reserve(1), ioasid::errc::no_space);
	CHECK_ERROR(sessions.set_capacity(1), ioasid::errc::busy);
	CHECK(sessions.unreserve(1) && sessions.alloc(&two));
	CHECK_ERROR(sessions.unreserve(1), ioasid::errc::invalid_argument);
	const std::string text = sessions.dump();
	CHECK(text.find("test") != std::string::npos && text.back() == '\n');
}

void moves()
{
	space first = made(ioasid::store::radix);
	auto unique = first.alloc_unique(&one).value();
	space second = std::move(first);

	CHECK(!first && second && first.close());
	CHECK(second.contains(unique.id()));
	second = made(ioasid::store::hash);
	CHECK(second.stats().live == 0);
	unique.release();
	CHECK(second.close() && !second);
}

void domains()
{
	ioasid::domain_config shared;

	shared.reclaimer = true;
	auto domain = ioasid::domain::create(shared).value();
	ioasid::space_config config;

	config.domain = domain;
	{
		auto a = space::create(config).value();
		auto b = space::create(config).value();

		CHECK(a.domain() == b.domain() && a.domain() == domain.ref());
		CHECK_ERROR(domain.close(), ioasid::errc::busy);
		CHECK(domain.ref().synchronize());
		const auto cookie = domain.ref().start_poll();
		CHECK(domain.ref().synchronize() && domain.ref().poll(cookie));
		CHECK(domain.ref().pending() == 0);
		CHECK(domain.ref().stats().grace_periods > 0);
		CHECK_ERROR(domain.ref().check_reader(),
			    ioasid::errc::not_permitted);
	}
	CHECK(domain.close());

	ioasid::space_config qsbr;
	qsbr.flavour = ioasid::flavour::qsbr;
	auto online = space::create(qsbr).value();
	{
		auto thread = ioasid::registered_thread::create(online.domain())
				      .value();
		const ioasid_t id = online.alloc(&one).value();
		const ioasid::read_section guard(online);

		CHECK(guard.find(id)->user == 1);
		CHECK(online.domain().check_reader());
		CHECK(online.domain().quiescent());
		{
			const ioasid::offline_section asleep(online.domain());

			CHECK_ERROR(online.domain().check_reader(),
				    ioasid::errc::not_permitted);
		}
		CHECK(online.domain().check_reader());
	}
	CHECK_ERROR(online.domain().quiescent(), ioasid::errc::not_found);
}

void handles()
{
	const ioasid::handle a(0x100000005), b(0x200000005);
	const std::unordered_set<ioasid::handle> hashed = { a, b, a };
	const std::set<ioasid::handle> sorted = { b, a };

	CHECK(a != b && a < b && a.id() == b.id() && a.generation() == 1);
	CHECK(hashed.size() == 2 && sorted.begin()->generation() == 1);
	CHECK(ioasid::handle(b.value()) == b);
	CHECK(std::string(ioasid::version) == IOASID_VERSION);
}

} // namespace

int main()
{
	for (auto store : { ioasid::store::radix, ioasid::store::bitmap,
			    ioasid::store::hash }) {
		lookups(store);
		lives(store);
		retires(store);
		walks(store);
		sets(store);
		capacities(store);
	}
	moves();
	domains();
	handles();
	return check_status();
}
