// SPDX-License-Identifier: MIT
// What a lookup costs in C++ and in C, in one process: rounds in turn, medians.
//	lookups [ROUNDS]
// Prints lines of `name median_ns`. The C functions are those of lookups.c.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "../test/lookups.h"

#include <ioasid/ioasid.hpp>

extern "C" {
int c_lookup_set(const ioasid::space<session> *sessions,
		 const ioasid::set<session> *tenant, ioasid_t id);
}

namespace {

constexpr ioasid_t IDS = 4096;
constexpr unsigned LOOKUPS = 2000000;

using space = ioasid::space<session>;
using owning_space = ioasid::owning_space<session>;
using set = ioasid::set<session>;

// As C's, in another file, so that it is called alike.
template <typename Space>
[[gnu::noinline]] int cxx_lookup_set(const Space *sessions, const set *tenant,
				     ioasid_t id)
{
	const ioasid::read_section guard(*sessions);
	const auto found = guard.find(*tenant, id);

	return found ? found->user : -static_cast<int>(found.error());
}

template <typename F> double measured(F &&lookup)
{
	const auto begin = std::chrono::steady_clock::now();
	std::uint64_t sum = 0;
	std::uint32_t id = 1;

	for (unsigned i = 0; i < LOOKUPS; i++) {
		id = id * 1664525u + 1013904223u;
		sum += static_cast<std::uint64_t>(lookup(id >> 20));
	}
	const std::chrono::duration<double, std::nano> took =
		std::chrono::steady_clock::now() - begin;
	if (!sum)
		std::abort();
	return took.count() / LOOKUPS;
}

} // namespace

int main(int argc, char **argv)
{
	const int rounds = argc > 1 ? std::atoi(argv[1]) : 9;
	// As far from each other as those that an owning_space makes.
	std::vector<std::array<session, 12>> values(IDS);

	for (auto store : { ioasid::store::radix, ioasid::store::bitmap,
			    ioasid::store::hash }) {
		const char *name = store == ioasid::store::radix  ? "radix" :
				   store == ioasid::store::bitmap ? "bitmap" :
								    "hash";
		ioasid::space_config config;
		config.max = IDS - 1;
		config.store = store;
		auto sessions = space::create(config).value();
		auto owned = owning_space::create(config).value();
		const set tenant = sessions.create_set().value();
		const set owner = owned.create_set().value();
		for (auto &value : values) {
			value[0].user = 1;
			static_cast<void>(sessions.alloc(tenant, &value[0]));
			static_cast<void>(owned.alloc(owner, value[0]));
		}
		std::vector<double> c, cxx, owning;
		for (int i = 0; i < rounds; i++) {
			c.push_back(measured([&](ioasid_t id) {
				return c_lookup_set(&sessions, &tenant, id);
			}));
			cxx.push_back(measured([&](ioasid_t id) {
				return cxx_lookup_set(&sessions, &tenant, id);
			}));
			owning.push_back(measured([&](ioasid_t id) {
				return cxx_lookup_set(&owned, &owner, id);
			}));
		}
		const auto report = [&](const char *what,
					std::vector<double> &times) {
			std::nth_element(times.begin(),
					 times.begin() + rounds / 2,
					 times.end());
			std::printf(
				"%s/%s %.2f\n", name, what,
				times[static_cast<std::size_t>(rounds / 2)]);
		};
		report("c", c);
		report("cpp", cxx);
		report("cpp_owning", owning);
	}
	return 0;
}
