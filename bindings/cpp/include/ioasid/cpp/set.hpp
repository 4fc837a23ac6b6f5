// SPDX-License-Identifier: MIT
#ifndef IOASID_CPP_SET_HPP
#define IOASID_CPP_SET_HPP

/*
 * What IDs are named by, and who owns them: handles, ranges, sets.
 */

#include <cstdint>
#include <functional>
#include <utility>

#include <ioasid/cpp/error.hpp>
#include <ioasid/set.h>

IOASID_CPP_BEGIN

/** id_range - IDs from min to max, both inclusive; by default all */
struct id_range {
	ioasid_t min = 0;
	ioasid_t max = invalid_id;
};

/** id_cursor - where alloc_cyclic() goes on; the caller's, see there */
struct id_cursor {
	ioasid_t next = 0;
};

/** cyclic_id - what alloc_cyclic() found; wrapped: below where it began */
struct cyclic_id {
	ioasid_t id;
	bool wrapped;
};

/**
 * handle - one use of one ID, see ioasid_handle_t
 *
 * A number of its own type: no ID is taken for one. value() may be stored and
 * made a handle again. The default is no handle, which no lookup finds.
 */
class handle {
public:
	constexpr handle() noexcept : value_(0)
	{
	}

	constexpr explicit handle(ioasid_handle_t value) noexcept
		: value_(value)
	{
	}

	constexpr ioasid_handle_t value() const noexcept
	{
		return value_;
	}

	constexpr ioasid_t id() const noexcept
	{
		return static_cast<ioasid_t>(value_ & UINT32_MAX);
	}

	constexpr std::uint32_t generation() const noexcept
	{
		return static_cast<std::uint32_t>(value_ >> 32);
	}

	friend constexpr bool operator==(handle a, handle b) noexcept
	{
		return a.value_ == b.value_;
	}

	friend constexpr bool operator!=(handle a, handle b) noexcept
	{
		return a.value_ != b.value_;
	}

	/** operator< - by generation, then ID: for containers */
	friend constexpr bool operator<(handle a, handle b) noexcept
	{
		return a.value_ < b.value_;
	}

private:
	ioasid_handle_t value_;
};

#ifndef IOASID_NO_SETS
/** set_info - see struct ioasid_set_info */
using set_info = ioasid_set_info;
#endif

/** set_config - as struct ioasid_set_config; the name is copied */
struct set_config {
	const char *name = nullptr;
	void *token = nullptr;
	std::uint32_t quota = 0;
	std::uint32_t reserved = 0;
};

/**
 * set - an owner of IDs of spaces of T
 *
 * Names a set of one space, which keeps it until it is destroyed there or the
 * space is. Copied freely; of the default, no set, nothing may be asked, and
 * lookups do not ask who owns an ID.
 */
template <typename T> class set {
public:
	constexpr set() noexcept : space_(nullptr), set_(nullptr)
	{
	}

	/** set - of one known to C; both must be of spaces of T */
	constexpr set(ioasid_space *of, ioasid_set *native) noexcept
		: space_(of), set_(native)
	{
	}

	constexpr ioasid_set *native() const noexcept
	{
		return set_;
	}

	constexpr ioasid_space *native_space() const noexcept
	{
		return space_;
	}

	constexpr explicit operator bool() const noexcept
	{
		return set_ != nullptr;
	}

	friend constexpr bool operator==(set a, set b) noexcept
	{
		return a.set_ == b.set_;
	}

	friend constexpr bool operator!=(set a, set b) noexcept
	{
		return a.set_ != b.set_;
	}

#ifndef IOASID_NO_SETS
	/** stats - as ioasid_set_stats() */
	result<set_info> stats() const noexcept
	{
		set_info info;
		const int ret = ioasid_set_stats(space_, set_, &info);

		if (ret)
			return detail::error_of(ret);
		return info;
	}

	/** limit - as ioasid_set_limit() */
	result<void> limit(std::uint32_t quota, std::uint32_t reserved) noexcept
	{
		return detail::status(
			ioasid_set_limit(space_, set_, quota, reserved));
	}

	/** destroy - as ioasid_set_destroy(); busy while it has IDs */
	result<void> destroy() noexcept
	{
		const int ret = ioasid_set_destroy(space_, set_);

		if (!ret)
			*this = set();
		return detail::status(ret);
	}
#endif

private:
	ioasid_space *space_;
	ioasid_set *set_;
};

#ifndef IOASID_NO_SETS
/**
 * unique_set - a set that is destroyed at the end of its scope
 *
 * If it has IDs then, it stays with the space until that ends. It must not
 * outlive the space.
 */
template <typename T> class unique_set {
public:
	explicit unique_set(set<T> owned) noexcept : set_(owned)
	{
	}

	unique_set(unique_set &&other) noexcept : set_(other.release())
	{
	}

	unique_set &operator=(unique_set &&other) noexcept
	{
		if (this != &other) {
			end();
			set_ = other.release();
		}
		return *this;
	}

	unique_set(const unique_set &) = delete;
	unique_set &operator=(const unique_set &) = delete;

	~unique_set()
	{
		end();
	}

	set<T> get() const noexcept
	{
		return set_;
	}

	operator set<T>() const noexcept
	{
		return set_;
	}

	/** release - leave it to the caller */
	set<T> release() noexcept
	{
		return std::exchange(set_, set<T>());
	}

private:
	void end() noexcept
	{
		if (set_)
			static_cast<void>(set_.destroy());
	}

	set<T> set_;
};
#endif

IOASID_CPP_END

template <> struct std::hash<ioasid::handle> {
	std::size_t operator()(ioasid::handle handle) const noexcept
	{
		return std::hash<ioasid_handle_t>()(handle.value());
	}
};

#endif // IOASID_CPP_SET_HPP
