// SPDX-License-Identifier: MIT
#ifndef IOASID_CPP_READ_HPP
#define IOASID_CPP_READ_HPP

/*
 * Read sections, and what is found in them.
 *
 *	ioasid::read_section guard(space);
 *	if (auto session = guard.find(tenant, id))
 *		use(session->user);
 *
 * What is found is a borrowed<T>, good until the guard ends. It can be had from
 * a guard with a name only, cannot be assigned, be made on the heap or become a
 * T * by itself, so that it does not get out of the guard's scope by accident.
 * clang warns where one is returned (-Wreturn-stack-address, -Wdangling). With
 * IOASID_DEBUG each use of one asks whether its thread may read, and ends the
 * program if not.
 */

#include <cstddef>
#include <iterator>
#include <memory>
#include <type_traits>
#include <utility>

#include <ioasid/cpp/domain.hpp>
#include <ioasid/cpp/set.hpp>
#include <ioasid/space.h>

IOASID_CPP_BEGIN

template <typename T, typename Storage> class basic_space;

namespace detail {

/* How the private pointer of a space of T * leads to a T. */
template <typename T> struct plain_storage {
	static constexpr bool owning = false;

	static T *value(void *data) noexcept
	{
		return static_cast<T *>(data);
	}
};

/* What only the binding makes a borrowed of. */
template <typename T> struct lent {
	T *pointer;
	ioasid_rcu *rcu;
};

} // namespace detail

/**
 * borrowed - a T, for as long as the read section it was found in
 *
 * May be null if that is what the ID was given.
 */
template <typename T> class borrowed {
public:
#ifdef IOASID_DEBUG
	explicit borrowed(detail::lent<T> from) noexcept
		: pointer_(from.pointer), rcu_(from.rcu)
	{
	}
#else
	explicit borrowed(detail::lent<T> from) noexcept
		: pointer_(from.pointer)
	{
	}
#endif

	borrowed(const borrowed &) noexcept = default;
	borrowed &operator=(const borrowed &) = delete;
	~borrowed() = default;

	static void *operator new(std::size_t) = delete;
	static void *operator new[](std::size_t) = delete;

	T &operator*() const noexcept
	{
		return *get();
	}

	T *operator->() const noexcept
	{
		return get();
	}

	/** get - the pointer, which says no more how long it is good */
	T *get() const noexcept
	{
#ifdef IOASID_DEBUG
		detail::check(!ioasid_rcu_check_reader(rcu_),
			      "borrowed pointer used outside of its section");
#endif
		return pointer_;
	}

	explicit operator bool() const noexcept
	{
		return pointer_ != nullptr;
	}

	friend bool operator==(const borrowed &a, const T *b) noexcept
	{
		return a.pointer_ == b;
	}

	friend bool operator!=(const borrowed &a, const T *b) noexcept
	{
		return a.pointer_ != b;
	}

private:
	T *pointer_;
#ifdef IOASID_DEBUG
	ioasid_rcu *rcu_;
#endif
};

namespace detail {

template <typename T> struct is_arrow<borrowed<T>> : std::true_type {};
template <typename T> struct is_borrowed : std::false_type {};
template <typename T> struct is_borrowed<borrowed<T>> : std::true_type {};

} // namespace detail

/** entry - an ID and what it was given, as walks find them */
template <typename T> struct entry {
	ioasid_t id;
	borrowed<T> value;
};

/**
 * id_view - the live IDs of a range, ascending, of a guard's ids()
 *
 * An input range: the elements are entry<T>, each found as by
 * ioasid_space_next(), which takes the space's lock for each. An ID live
 * throughout is visited once, one that comes or goes meanwhile at most once.
 */
template <typename T, typename Storage> class id_view {
public:
	struct sentinel {};

	class iterator {
	public:
		using iterator_category = std::input_iterator_tag;
		using value_type = entry<T>;
		using difference_type = std::ptrdiff_t;
		using pointer = void;
		using reference = entry<T>;

		explicit iterator(const id_view &view) noexcept
			: space_(view.space_), set_(view.set_.native()),
			  id_(view.range_.min), max_(view.range_.max),
			  data_(nullptr),
			  done_(view.range_.min > view.range_.max)
		{
			if (!done_)
				advance();
		}

		entry<T> operator*() const noexcept
		{
			return { id_, borrowed<T>(detail::lent<T>{
					      Storage::value(data_),
					      space_->rcu }) };
		}

		iterator &operator++() noexcept
		{
			if (id_ >= max_) {
				done_ = true;
			} else {
				++id_;
				advance();
			}
			return *this;
		}

		iterator operator++(int) noexcept
		{
			const iterator before = *this;

			++*this;
			return before;
		}

		friend bool operator==(const iterator &a, sentinel) noexcept
		{
			return a.done_;
		}

		friend bool operator!=(const iterator &a, sentinel) noexcept
		{
			return !a.done_;
		}

	private:
		void advance() noexcept
		{
			done_ = ioasid_space_next(space_, set_, id_, max_, &id_,
						  &data_) != 0;
		}

		ioasid_space *space_;
		const ioasid_set *set_;
		ioasid_t id_, max_;
		void *data_;
		bool done_;
	};

	id_view(ioasid_space *of, set<T> owner, id_range range) noexcept
		: space_(of), set_(owner), range_(range)
	{
	}

	iterator begin() const noexcept
	{
		return iterator(*this);
	}

	sentinel end() const noexcept
	{
		return sentinel();
	}

private:
	ioasid_space *space_;
	set<T> set_;
	id_range range_;
};

/**
 * read_section - while it lives, what is found through it is not freed
 *
 * Begins and ends a read section of the space's domain, see
 * ioasid_rcu_read_lock(). Sections nest. It belongs to the thread that made it
 * and to its scope; no call that waits for a grace period may be made inside
 * (would_deadlock). With qsbr it costs nothing, and the thread must be
 * registered.
 *
 * Its members may be called any number of times. Each takes, if given, the set
 * that is to own the ID: not_owner if another does.
 */
template <typename T, typename Storage = detail::plain_storage<T>>
class read_section {
public:
	IOASID_CPP_INLINE
	explicit read_section(const basic_space<T, Storage> &of) noexcept
		: space_(of.native()), rcu_(space_->rcu)
	{
		ioasid_rcu_read_lock(rcu_);
	}

	explicit read_section(const basic_space<T, Storage> &&) = delete;
	read_section(const read_section &) = delete;
	read_section &operator=(const read_section &) = delete;
	static void *operator new(std::size_t) = delete;
	static void *operator new[](std::size_t) = delete;

	IOASID_CPP_INLINE ~read_section()
	{
		ioasid_rcu_read_unlock(rcu_);
	}

	/** find - as ioasid_space_find_rcu(): wait-free */
	IOASID_CPP_INLINE result<borrowed<T>>
	find(ioasid_t id) const & noexcept IOASID_LIFETIMEBOUND
	{
		return find(set<T>(), id);
	}

	IOASID_CPP_INLINE result<borrowed<T>>
	find(set<T> owner, ioasid_t id) const & noexcept IOASID_LIFETIMEBOUND
	{
		void *data;
		const int ret = ioasid_space_find_rcu(space_, owner.native(),
						      id, &data);

		return found(ret, data);
	}

	/** find - one use of an ID, as ioasid_space_find_handle_rcu() */
	IOASID_CPP_INLINE result<borrowed<T>>
	find(handle use) const & noexcept IOASID_LIFETIMEBOUND
	{
		return find(set<T>(), use);
	}

	IOASID_CPP_INLINE result<borrowed<T>>
	find(set<T> owner, handle use) const & noexcept IOASID_LIFETIMEBOUND
	{
		void *data;
		const int ret = ioasid_space_find_handle_rcu(
			space_, owner.native(), use.value(), &data);

		return found(ret, data);
	}

#ifndef IOASID_NO_SPIDS
	/** find_spid - by its name in a set, as ioasid_spid_find() */
	result<entry<T>>
	find_spid(set<T> owner,
		  ioasid_t spid) const & noexcept IOASID_LIFETIMEBOUND
	{
		ioasid_t id;
		void *data;
		const int ret = ioasid_spid_find(space_, owner.native(), spid,
						 nullptr, &id, &data);

		if (ret)
			return detail::error_of(ret);
		return entry<T>{ id, lend(data) };
	}

	result<entry<T>> find_spid(set<T>, ioasid_t) const && = delete;
#endif

	/** next - the lowest live ID of @range, as ioasid_space_next() */
	result<entry<T>>
	next(id_range range = {}) const & noexcept IOASID_LIFETIMEBOUND
	{
		return next(set<T>(), range);
	}

	result<entry<T>>
	next(set<T> owner,
	     id_range range = {}) const & noexcept IOASID_LIFETIMEBOUND
	{
		ioasid_t id;
		void *data;
		const int ret = ioasid_space_next(space_, owner.native(),
						  range.min, range.max, &id,
						  &data);

		if (ret)
			return detail::error_of(ret);
		return entry<T>{ id, lend(data) };
	}

	/** ids - for range-for; nothing if the range is empty */
	id_view<T, Storage>
	ids(id_range range = {}) const & noexcept IOASID_LIFETIMEBOUND
	{
		return id_view<T, Storage>(space_, set<T>(), range);
	}

	id_view<T, Storage>
	ids(set<T> owner,
	    id_range range = {}) const & noexcept IOASID_LIFETIMEBOUND
	{
		return id_view<T, Storage>(space_, owner, range);
	}

	/* A guard without a name is gone when its pointer would be used. */
	result<borrowed<T>> find(ioasid_t) const && = delete;
	result<borrowed<T>> find(set<T>, ioasid_t) const && = delete;
	result<borrowed<T>> find(handle) const && = delete;
	result<borrowed<T>> find(set<T>, handle) const && = delete;
	result<entry<T>> next(id_range = {}) const && = delete;
	result<entry<T>> next(set<T>, id_range = {}) const && = delete;
	id_view<T, Storage> ids(id_range = {}) const && = delete;
	id_view<T, Storage> ids(set<T>, id_range = {}) const && = delete;

private:
	borrowed<T> lend(void *data) const noexcept
	{
		return borrowed<T>(
			detail::lent<T>{ Storage::value(data), rcu_ });
	}

	IOASID_CPP_INLINE result<borrowed<T>> found(int ret,
						    void *data) const noexcept
	{
		if (ioasid_unlikely(ret != 0))
			return detail::error_of(ret);
		return result<borrowed<T>>(
			std::in_place,
			detail::lent<T>{ Storage::value(data), rcu_ });
	}

	ioasid_space *space_;
	ioasid_rcu *rcu_;
};

template <typename T, typename Storage>
read_section(const basic_space<T, Storage> &) -> read_section<T, Storage>;

IOASID_CPP_END

#endif // IOASID_CPP_READ_HPP
