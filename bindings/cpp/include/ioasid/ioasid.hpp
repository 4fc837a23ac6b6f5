// SPDX-License-Identifier: MIT
#ifndef IOASID_IOASID_HPP
#define IOASID_IOASID_HPP

/*
 * The C++ binding as a whole: C++17 and later, headers alone, over the C
 * library of the same version. Exceptions and RTTI are used if there are any.
 *
 *	ioasid::space<T>		finds T * that stay yours
 *	ioasid::owning_space<T>		keeps T, and destroys it a grace period
 *					after its ID is freed
 *	ioasid::read_section		what pointers found hang on
 *	ioasid::result<T>		a T or an ioasid::errc
 *
 * What a function takes, waits for and costs is said in full at the C function
 * that its comment names; errors there are errc here, by the table in
 * <ioasid/cpp/error.hpp>. "At once": constant time, any thread, no lock.
 *
 * Exceptions never cross the library. A callable that runs within one call of
 * its own thread (walks, codecs, getters, dumps) may throw: the call ends as
 * early as it can and throws the same on. One that any thread's call may run
 * (notifiers, allocators, deferred functions, destructors of what is retired)
 * must not: std::terminate() is called, as for a thread's function. Most members
 * are noexcept, so a thread must not be cancelled (pthread_cancel()) inside of
 * one that waits.
 */

#include <ioasid/cpp/config.hpp>
#include <ioasid/cpp/error.hpp>
#include <ioasid/cpp/domain.hpp>
#include <ioasid/cpp/set.hpp>
#include <ioasid/cpp/read.hpp>
#include <ioasid/cpp/space.hpp>
#include <ioasid/cpp/owning_space.hpp>

#endif // IOASID_IOASID_HPP
