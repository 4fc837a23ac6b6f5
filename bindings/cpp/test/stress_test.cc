// SPDX-License-Identifier: MIT
// Threads that find, hold, free and allocate in one space at once. A value says
// whose it is: no tenant ever sees another's, and none that was destroyed.
//	stress_test [MILLISECONDS]
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include <ioasid/ioasid.hpp>

#include "check.hpp"

namespace {

constexpr std::uint32_t LIVE = 0x600df00d, DEAD = 0xdeadbeef;
constexpr unsigned TENANTS = 3, IDS = 64;

std::atomic<std::uint64_t> finds{ 0 }, refused{ 0 }, allocs{ 0 };

// A tenant that asks for everybody's IDs, to prove that it would be noticed.
std::atomic<bool> planted{ false };
std::atomic<std::uint64_t> found_out{ 0 };

struct value {
	explicit value(unsigned of) noexcept : tenant(of), state(LIVE)
	{
	}
	value(value &&other) noexcept : tenant(other.tenant), state(LIVE)
	{
	}
	value &operator=(value &&) = delete;
	~value()
	{
		state = DEAD;
		tenant = 0;
	}

	unsigned tenant;
	std::uint32_t state;
};

using owning_space = ioasid::owning_space<value>;
using set = ioasid::set<value>;

struct shared {
	owning_space values;
	std::vector<set> tenants;
	std::atomic<bool> stop;
};

bool good(const value &seen, unsigned tenant)
{
	const bool right = seen.state == LIVE && seen.tenant == tenant;

	if (planted) {
		found_out += !right;
		return right;
	}
	return CHECK(right);
}

std::uint32_t next(std::uint32_t &seed)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed;
}

// Reads as one tenant: all IDs, whoever they belong to.
void reader(shared &all, unsigned tenant, std::uint32_t seed)
{
	const set owner = planted ? set() : all.tenants[tenant];
	std::optional<ioasid::reference<value>> held;
	std::optional<ioasid::handle> use;

	while (!all.stop) {
		const ioasid_t id = next(seed) % IDS;
		{
			ioasid::read_section guard(all.values);

			for (unsigned i = 0; i < 8; i++) {
				auto found = guard.find(owner, (id + i) % IDS);

				if (found && good(**found, tenant))
					finds++;
				else if (found.error() ==
					 ioasid::errc::not_owner)
					refused++;
			}
			if (use) {
				auto found = guard.find(owner, *use);

				if (found)
					good(**found, tenant);
			}
			if (seed % 64 == 0) {
				for (auto each : guard.ids(owner))
					good(*each.value, tenant);
			}
		}
		if (held)
			good(**held, tenant);
		if (auto got = all.values.get(owner, id)) {
			good(**got, tenant);
			held = std::move(*got);
			if (auto now = all.values.handle_of(owner, id))
				use = *now;
		} else if (seed % 4 == 0) {
			held.reset();
		}
	}
}

void writer(shared &all, unsigned tenant, std::uint32_t seed)
{
	const set owner = all.tenants[tenant];

	while (!all.stop) {
		const ioasid_t id = next(seed) % IDS;

		switch (seed >> 8 & 3) {
		case 0:
			if (all.values.alloc(owner, value(tenant),
					     { 0, IDS - 1 }))
				allocs++;
			break;
		case 1:
			static_cast<void>(all.values.free(owner, id));
			break;
		case 2:
			// A reference outlives the free.
			if (auto held = all.values.get(owner, id)) {
				static_cast<void>(all.values.free(owner, id));
				good(**held, tenant);
			}
			break;
		default:
			// Another writer of the tenant may free it meanwhile.
			if (auto unique = all.values.alloc_unique(
				    owner, value(tenant), { 0, IDS - 1 })) {
				allocs++;
				static_cast<void>(all.values.with(
					owner, unique->id(),
					[tenant](const auto &found) {
						good(*found, tenant);
					}));
			}
			break;
		}
	}
}

void run(ioasid::store store, std::chrono::milliseconds time)
{
	ioasid::space_config config;

	config.store = store;
	config.max = IDS - 1;
	config.reuse = ioasid::reuse::cyclic;
	shared all{ owning_space::create(config).value(), {}, { false } };
	std::vector<std::thread> threads;
	for (unsigned i = 0; i < TENANTS; i++)
		all.tenants.push_back(all.values.create_set().value());
	for (unsigned i = 0; i < TENANTS; i++) {
		threads.emplace_back(reader, std::ref(all), i, 7919 * (i + 1));
		threads.emplace_back(writer, std::ref(all), i,
				     104729 * (i + 1));
	}
	std::this_thread::sleep_for(time);
	all.stop = true;
	for (auto &thread : threads)
		thread.join();
	CHECK(all.values.validate());
	CHECK(all.values.stats().pending == 0);
	CHECK(all.values.close());
}

} // namespace

int main(int argc, char **argv)
{
	const std::chrono::milliseconds time(argc > 1 ? std::atoi(argv[1]) :
							1000);

	for (auto store : { ioasid::store::radix, ioasid::store::bitmap,
			    ioasid::store::hash })
		run(store, time / 3);
	std::printf("%llu finds, %llu refused, %llu allocs\n",
		    static_cast<unsigned long long>(finds),
		    static_cast<unsigned long long>(refused),
		    static_cast<unsigned long long>(allocs));
	// A run in which nobody met another's proves nothing.
	CHECK(finds > 1000 && refused > 1000 && allocs > 1000);
	planted = true;
	run(ioasid::store::radix, time / 10);
	CHECK(found_out > 0);
	return check_status();
}
