// SPDX-License-Identifier: MIT
#ifndef IOASID_CPP_ERROR_HPP
#define IOASID_CPP_ERROR_HPP

/*
 * Errors: errc, which is the library's errno as an enum and a std::error_code;
 * result<T>, which is a T or an errc.
 */

#include <cerrno>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#if __cplusplus > 201703L
#include <version>
#endif
#ifdef __cpp_lib_expected
#include <expected>
#endif
#ifdef __GLIBCXX__
#include <cxxabi.h>
#endif

#include <ioasid/cpp/config.hpp>

IOASID_CPP_BEGIN

/**
 * errc - why a call did nothing
 *
 * The value is the errno that C returns with its sign changed. Own callbacks
 * (decoders, stores, flavours) may make others of it. Compares equal to the
 * std::errc of the same number by way of std::error_code.
 */
enum class errc : int {
	not_permitted = EPERM,
	not_found = ENOENT,
	io_error = EIO,
	range_too_wide = E2BIG,
	try_again = EAGAIN,
	no_memory = ENOMEM,
	not_owner = EACCES,
	busy = EBUSY,
	exists = EEXIST,
	other_space = EXDEV,
	no_allocator = ENODEV,
	invalid_argument = EINVAL,
	too_many_sets = ENFILE,
	no_space = ENOSPC,
	out_of_range = ERANGE,
	would_deadlock = EDEADLK,
	name_too_long = ENAMETOOLONG,
	unknown_version = EPROTO,
	bad_snapshot = EBADMSG,
	too_many_references = EOVERFLOW,
	buffer_too_small = ENOBUFS,
	stale_handle = ESTALE,
	quota_exceeded = EDQUOT,
	/** a callable said no by throwing; the exception follows */
	callback_failed = ECANCELED
};

namespace detail {

struct description {
	errc error;
	const char *text;
};

inline constexpr description descriptions[] = {
	{ errc::not_permitted, "thread may not read here" },
	{ errc::not_found, "no such ID, set, name or registration" },
	{ errc::io_error, "grace periods have become impossible" },
	{ errc::range_too_wide, "range too wide for the store" },
	{ errc::try_again, "waits for readers or callbacks, try again" },
	{ errc::no_memory, "out of memory" },
	{ errc::not_owner, "ID belongs to another set" },
	{ errc::busy, "still in use" },
	{ errc::exists, "exists already" },
	{ errc::other_space, "set belongs to another space" },
	{ errc::no_allocator, "no allocator is registered" },
	{ errc::invalid_argument, "invalid argument" },
	{ errc::too_many_sets, "too many sets" },
	{ errc::no_space, "no vacant ID or no capacity left" },
	{ errc::out_of_range, "out of range" },
	{ errc::would_deadlock, "would wait for itself" },
	{ errc::name_too_long, "name too long" },
	{ errc::unknown_version, "snapshot of an unknown version" },
	{ errc::bad_snapshot, "not a snapshot, or damaged" },
	{ errc::too_many_references, "too many references" },
	{ errc::buffer_too_small, "buffer too small" },
	{ errc::stale_handle, "handle of an earlier use of its ID" },
	{ errc::quota_exceeded, "quota of the set used up" },
	{ errc::callback_failed, "a callback failed" },
};

/* A template so that no object file has to be the one with its vtable. */
template <typename Base> class category final : public Base {
public:
	const char *name() const noexcept override
	{
		return "ioasid";
	}

	std::string message(int value) const override
	{
		for (const description &each : descriptions) {
			if (static_cast<int>(each.error) == value)
				return each.text;
		}
		return std::generic_category().message(value);
	}

	std::error_condition
	default_error_condition(int value) const noexcept override
	{
		return std::error_condition(value, std::generic_category());
	}
};

inline errc error_of(int ret) noexcept
{
	return static_cast<errc>(-ret);
}

} // namespace detail

/**
 * error_category - of errc
 *
 * Context: any. Lives as long as the program, through every exit handler.
 */
inline const std::error_category &error_category() noexcept
{
	using type = detail::category<std::error_category>;
	alignas(type) static unsigned char memory[sizeof(type)];
	static const type *const category = ::new (static_cast<void *>(memory))
		type;

	return *category;
}

/** make_error_code - what std::error_code is made of an errc with */
inline std::error_code make_error_code(errc error) noexcept
{
	return std::error_code(static_cast<int>(error), error_category());
}

/** message - an errc in words, never nullptr; at once, no allocation */
constexpr const char *message(errc error) noexcept
{
	for (const detail::description &each : detail::descriptions) {
		if (each.error == error)
			return each.text;
	}
	return "unknown error";
}

template <typename T> class result;

namespace detail {

template <typename T> struct is_result : std::false_type {};
template <typename T> struct is_result<result<T>> : std::true_type {};

/* Of what result::operator->() goes one step further for. */
template <typename T> struct is_arrow : std::false_type {};

[[noreturn]] inline void raise(errc error)
{
#if IOASID_CPP_EXCEPTIONS
	throw std::system_error(make_error_code(error));
#else
	fatal(message(error));
#endif
}

/* std::invoke() without its question whether it throws, which g++ warns of. */
template <typename F, typename... Args>
constexpr decltype(auto) call(F &&func, Args &&...args)
{
	return std::forward<F>(func)(std::forward<Args>(args)...);
}

/* What a callable that may be left out is. */
template <typename F>
inline constexpr bool is_none = std::is_same_v<std::decay_t<F>, std::nullptr_t>;

/* As call(), but a null of @R where there is none to call. */
template <typename R, typename F, typename... Args>
constexpr decltype(auto) call_or(F &func, Args &&...args)
{
	if constexpr (is_none<F>)
		return R();
	else
		return func(std::forward<Args>(args)...);
}

inline void check(bool condition, const char *what) noexcept
{
	if (ioasid_unlikely(!condition))
		fatal(what);
}

} // namespace detail

/** result<void> - done, or why not */
template <> class [[nodiscard]] result<void> {
public:
	using value_type = void;
	using error_type = errc;

	constexpr result() noexcept : error_()
	{
	}

	constexpr result(errc error) noexcept : error_(error)
	{
	}

	constexpr bool has_value() const noexcept
	{
		return error_ == errc();
	}

	constexpr explicit operator bool() const noexcept
	{
		return has_value();
	}

	constexpr errc error() const noexcept
	{
		return error_;
	}

	std::error_code code() const noexcept
	{
		return make_error_code(error_);
	}

	constexpr void value() const
	{
		if (ioasid_unlikely(!has_value()))
			detail::raise(error_);
	}

	template <typename F> constexpr auto map(F &&func) const
	{
		using U = std::invoke_result_t<F>;

		if constexpr (std::is_void_v<U>) {
			if (has_value())
				detail::call(std::forward<F>(func));
			return *this;
		} else {
			if (!has_value())
				return result<U>(error_);
			return result<U>(std::in_place,
					 detail::call(std::forward<F>(func)));
		}
	}

	template <typename F> constexpr auto and_then(F &&func) const
	{
		using R = std::invoke_result_t<F>;

		static_assert(detail::is_result<R>::value,
			      "what and_then() calls returns a result");
		if (!has_value())
			return R(error_);
		return detail::call(std::forward<F>(func));
	}

	template <typename F> constexpr result or_else(F &&func) const
	{
		if (has_value())
			return *this;
		return detail::call(std::forward<F>(func), error_);
	}

#ifdef __cpp_lib_expected
	constexpr result(const std::expected<void, errc> &other) noexcept
		: error_(other ? errc() : other.error())
	{
	}

	constexpr operator std::expected<void, errc>() const noexcept
	{
		if (has_value())
			return std::expected<void, errc>();
		return std::unexpected<errc>(error_);
	}
#endif

private:
	errc error_;
};

/**
 * result - a T, or why there is none
 *
 * As std::expected<T, errc>, which it converts to and from where there is one.
 * To look at the value without having asked is an error that ends the program
 * (operator*, operator->) or throws std::system_error (value(); without
 * exceptions it ends the program).
 *
 * Context: any, at once.
 */
template <typename T> class [[nodiscard]] result {
	static_assert(!std::is_reference_v<T>, "a result is no reference");

public:
	using value_type = T;
	using error_type = errc;

	constexpr result(errc error) noexcept : value_(), error_(error)
	{
	}

	template <
		typename U = T,
		std::enable_if_t<
			std::is_constructible_v<T, U &&> &&
				!detail::is_result<std::decay_t<U>>::value &&
				!std::is_same_v<std::decay_t<U>, errc> &&
				!std::is_same_v<std::decay_t<U>, std::in_place_t>,
			int> = 0>
	constexpr result(U &&value) noexcept(
		std::is_nothrow_constructible_v<T, U &&>)
		: value_(std::in_place, std::forward<U>(value)), error_()
	{
	}

	template <typename... Args>
	constexpr explicit result(std::in_place_t, Args &&...args) noexcept(
		std::is_nothrow_constructible_v<T, Args &&...>)
		: value_(std::in_place, std::forward<Args>(args)...), error_()
	{
	}

	constexpr bool has_value() const noexcept
	{
		return value_.has_value();
	}

	constexpr explicit operator bool() const noexcept
	{
		return value_.has_value();
	}

	/** error - why there is none; errc() if there is */
	constexpr errc error() const noexcept
	{
		return error_;
	}

	/** code - error() as std::error_code; no error if there is a value */
	std::error_code code() const noexcept
	{
		return make_error_code(error_);
	}

	constexpr T &value() &
	{
		need();
		return *value_;
	}

	constexpr const T &value() const &
	{
		need();
		return *value_;
	}

	constexpr T &&value() &&
	{
		need();
		return std::move(*value_);
	}

	constexpr T &operator*() & noexcept
	{
		detail::check(has_value(), "value of a failed result");
		return *value_;
	}

	constexpr const T &operator*() const & noexcept
	{
		detail::check(has_value(), "value of a failed result");
		return *value_;
	}

	constexpr T &&operator*() && noexcept
	{
		detail::check(has_value(), "value of a failed result");
		return std::move(*value_);
	}

	/** operator-> - of the value; of what it points to if it is borrowed */
	constexpr decltype(auto) operator->() noexcept
	{
		if constexpr (detail::is_arrow<T>::value)
			return static_cast<T &>(**this);
		else
			return std::addressof(**this);
	}

	constexpr decltype(auto) operator->() const noexcept
	{
		if constexpr (detail::is_arrow<T>::value)
			return static_cast<const T &>(**this);
		else
			return std::addressof(**this);
	}

	template <typename U = T> constexpr T value_or(U &&other) const &
	{
		if (has_value())
			return *value_;
		return static_cast<T>(std::forward<U>(other));
	}

	template <typename U = T> constexpr T value_or(U &&other) &&
	{
		if (has_value())
			return std::move(*value_);
		return static_cast<T>(std::forward<U>(other));
	}

	/** map - result of @func(value), or the error there is */
	template <typename F> constexpr auto map(F &&func) &
	{
		return map_of(*this, std::forward<F>(func));
	}

	template <typename F> constexpr auto map(F &&func) const &
	{
		return map_of(*this, std::forward<F>(func));
	}

	template <typename F> constexpr auto map(F &&func) &&
	{
		return map_of(std::move(*this), std::forward<F>(func));
	}

	/** and_then - @func(value), which is a result itself, or the error */
	template <typename F> constexpr auto and_then(F &&func) &
	{
		return then_of(*this, std::forward<F>(func));
	}

	template <typename F> constexpr auto and_then(F &&func) const &
	{
		return then_of(*this, std::forward<F>(func));
	}

	template <typename F> constexpr auto and_then(F &&func) &&
	{
		return then_of(std::move(*this), std::forward<F>(func));
	}

	/** or_else - the value there is, or @func(error), such a result too */
	template <typename F> constexpr result or_else(F &&func) const &
	{
		if (has_value())
			return *this;
		return detail::call(std::forward<F>(func), error_);
	}

	template <typename F> constexpr result or_else(F &&func) &&
	{
		if (has_value())
			return std::move(*this);
		return detail::call(std::forward<F>(func), error_);
	}

#ifdef __cpp_lib_expected
	constexpr result(const std::expected<T, errc> &other)
		: value_(), error_(other ? errc() : other.error())
	{
		if (other)
			value_.emplace(*other);
	}

	constexpr result(std::expected<T, errc> &&other)
		: value_(), error_(other ? errc() : other.error())
	{
		if (other)
			value_.emplace(std::move(*other));
	}

	constexpr operator std::expected<T, errc>() const &
	{
		if (has_value())
			return std::expected<T, errc>(std::in_place, *value_);
		return std::unexpected<errc>(error_);
	}

	constexpr operator std::expected<T, errc>() &&
	{
		if (has_value())
			return std::expected<T, errc>(std::in_place,
						      std::move(*value_));
		return std::unexpected<errc>(error_);
	}
#endif

private:
	constexpr void need() const
	{
		if (ioasid_unlikely(!has_value()))
			detail::raise(error_);
	}

	template <typename Self, typename F>
	static constexpr auto map_of(Self &&self, F &&func)
	{
		using U = std::invoke_result_t<F, decltype(*std::forward<Self>(
							  self))>;
		if constexpr (std::is_void_v<U>) {
			if (!self.has_value())
				return result<void>(self.error_);
			detail::call(std::forward<F>(func),
				     *std::forward<Self>(self));
			return result<void>();
		} else {
			using R = result<std::remove_cv_t<U>>;

			if (!self.has_value())
				return R(self.error_);
			return R(std::in_place,
				 detail::call(std::forward<F>(func),
					      *std::forward<Self>(self)));
		}
	}

	template <typename Self, typename F>
	static constexpr auto then_of(Self &&self, F &&func)
	{
		using R = std::invoke_result_t<F, decltype(*std::forward<Self>(
							  self))>;
		static_assert(detail::is_result<R>::value,
			      "what and_then() calls returns a result");

		if (!self.has_value())
			return R(self.error_);
		return detail::call(std::forward<F>(func),
				    *std::forward<Self>(self));
	}

	std::optional<T> value_;
	errc error_;
};

namespace detail {

inline result<void> status(int ret) noexcept
{
	return ret < 0 ? result<void>(error_of(ret)) : result<void>();
}

/*
 * Carries what a callable throws around the C functions it is called by. What
 * ends the thread (pthread_exit(), cancellation) goes its own way.
 */
class carrier {
public:
	template <typename R, typename F> R run(R failed, F &&func)
	{
#if IOASID_CPP_EXCEPTIONS
		try {
			return std::forward<F>(func)();
		}
#ifdef __GLIBCXX__
		catch (::abi::__forced_unwind &) {
			throw;
		}
#endif
		catch (...) {
			if (!held_)
				held_ = std::current_exception();
			return failed;
		}
#else
		(void)failed;
		return std::forward<F>(func)();
#endif
	}

	bool holds() const noexcept
	{
#if IOASID_CPP_EXCEPTIONS
		return static_cast<bool>(held_);
#else
		return false;
#endif
	}

	void rethrow()
	{
#if IOASID_CPP_EXCEPTIONS
		if (held_)
			std::rethrow_exception(std::exchange(held_, nullptr));
#endif
	}

private:
#if IOASID_CPP_EXCEPTIONS
	std::exception_ptr held_ = nullptr;
#endif
};

} // namespace detail

IOASID_CPP_END

template <> struct std::is_error_code_enum<ioasid::errc> : std::true_type {};

#endif // IOASID_CPP_ERROR_HPP
