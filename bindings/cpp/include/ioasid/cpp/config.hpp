// SPDX-License-Identifier: MIT
#ifndef IOASID_CPP_CONFIG_HPP
#define IOASID_CPP_CONFIG_HPP

/*
 * What the compiler has, and the namespace. With IOASID_NAMESPACE, for several
 * copies of the library in one program, the names of the binding differ as those
 * of C do: they lie in an inline namespace of that name.
 */

#if !defined(__cplusplus) || __cplusplus < 201703L
#error "the C++ binding of ioasid needs C++17"
#endif

#include <cstdio>
#include <cstdlib>

#include <ioasid/config.h>
#include <ioasid/platform.h>
#include <ioasid/store.h>

#ifdef IOASID_NAMESPACE
#define IOASID_CPP_BEGIN   \
	namespace ioasid { \
	inline namespace IOASID_NAMESPACE {
#define IOASID_CPP_END \
	}              \
	}
#else
#define IOASID_CPP_BEGIN namespace ioasid {
#define IOASID_CPP_END }
#endif

#ifdef __cpp_exceptions
#define IOASID_CPP_EXCEPTIONS 1
#else
#define IOASID_CPP_EXCEPTIONS 0
#endif

/* clang then warns of a result that outlives what it was got from. */
#ifdef __has_cpp_attribute
#if __has_cpp_attribute(clang::lifetimebound)
#define IOASID_LIFETIMEBOUND [[clang::lifetimebound]]
#endif
#endif
#ifndef IOASID_LIFETIMEBOUND
#define IOASID_LIFETIMEBOUND
#endif

/*
 * The way of one lookup, as IOASID_INLINE: compilers judge it too large, but most
 * goes away where it is inlined.
 */
#define IOASID_CPP_INLINE [[gnu::always_inline]]

IOASID_CPP_BEGIN

/** version - of the binding, which is the library's */
inline constexpr const char *version = IOASID_VERSION;

/** invalid_id - no ID, see INVALID_IOASID */
inline constexpr ioasid_t invalid_id = INVALID_IOASID;

namespace detail {

/* What would be undefined behaviour next: says so, and ends the program. */
[[noreturn]] inline void fatal(const char *what) noexcept
{
	std::fprintf(stderr, "ioasid: %s\n", what);
	std::abort();
}

} // namespace detail

IOASID_CPP_END

#endif // IOASID_CPP_CONFIG_HPP
