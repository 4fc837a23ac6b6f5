// SPDX-License-Identifier: MIT
#ifndef IOASID_CPP_SPACE_HPP
#define IOASID_CPP_SPACE_HPP

/*
 * Spaces: basic_space has what all of them can do, space<T> finds pointers that
 * stay the caller's. owning_space<T> is in <ioasid/cpp/owning_space.hpp>.
 */

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <ioasid/cpp/core.hpp>
#include <ioasid/cpp/read.hpp>
#include <ioasid/snapshot.h>

IOASID_CPP_BEGIN

/** store - see enum ioasid_store_kind */
enum class store {
	radix = IOASID_STORE_RADIX,
	bitmap = IOASID_STORE_BITMAP,
	hash = IOASID_STORE_HASH,
	custom = IOASID_STORE_CUSTOM
};

/** reuse - see enum ioasid_reuse */
enum class reuse { lowest = IOASID_REUSE_LOWEST, cyclic = IOASID_REUSE_CYCLIC };

/** space_config - as struct ioasid_space_config, which says what each is */
struct space_config {
	ioasid_t min = 0;
	ioasid_t max = 0;
	ioasid::store store = static_cast<ioasid::store>(IOASID_STORE_DEFAULT);
	const ioasid_store_ops *store_ops = nullptr;
	void *store_context = nullptr;
	/** to be shared, and to outlive the space; none: one of its own */
	domain_ref domain = {};
	ioasid::flavour flavour =
		static_cast<ioasid::flavour>(IOASID_RCU_DEFAULT);
	ioasid_memory memory = {};
	ioasid_lock_ops lock = {};
	std::uint64_t hash_seed = 0;
	ioasid::reuse reuse = ioasid::reuse::lowest;
	bool quarantine = false;
	std::uint32_t capacity = 0;
	const char *name = nullptr;
};

/** validation - of validate(): true, or the reason in words */
struct validation {
	bool valid;
	const char *reason;

	explicit operator bool() const noexcept
	{
		return valid;
	}
};

#ifndef IOASID_NO_NOTIFIERS
/** event - see enum ioasid_event */
enum class event {
	alloc = IOASID_EVENT_ALLOC,
	free = IOASID_EVENT_FREE,
	bind = IOASID_EVENT_BIND,
	unbind = IOASID_EVENT_UNBIND
};

/**
 * notice - what a notifier is told, see struct ioasid_notice
 *
 * The value is the private pointer as of then, with the caller's own
 * arrangements; always nullptr from an owning_space: find it.
 */
template <typename T> struct notice {
	ioasid::event event;
	set<T> owner;
	handle use;
	ioasid_t spid;
	T *value;
	void *arg;
};
#endif

namespace detail {

/* const is the binding's to keep: the library knows void * only. */
template <typename T> void *to_data(T *value) noexcept
{
	return const_cast<void *>(static_cast<const volatile void *>(value));
}

/*
 * What is looked for, of a number of whatever type: an ID, unless a handle. Too
 * large a number, such as the value() of a handle, is no ID.
 */
template <typename Id> constexpr auto key_of(Id id) noexcept
{
	if constexpr (std::is_same_v<Id, handle> ||
		      std::is_same_v<Id, ioasid_t>)
		return id;
	else if constexpr (std::is_integral_v<Id> &&
			   sizeof(Id) > sizeof(ioasid_t))
		return static_cast<Id>(static_cast<ioasid_t>(id)) == id ?
			       static_cast<ioasid_t>(id) :
			       invalid_id;
	else
		return static_cast<ioasid_t>(id);
}

inline int to_ret(errc error) noexcept
{
	return -static_cast<int>(error);
}

#ifndef IOASID_NO_SNAPSHOTS
/* What decoders answer: a pointer, or a result of one. */
struct restore_context {
	template <typename U, typename F> int decoded(void **data, F &&func)
	{
		return carrier.run(to_ret(errc::callback_failed), [&]() -> int {
			auto given = std::forward<F>(func)();

			if constexpr (is_result<decltype(given)>::value) {
				if (!given)
					return to_ret(
						given.error() == errc() ?
							errc::callback_failed :
							given.error());
				*data = to_data<U>(*given);
			} else {
				*data = to_data<U>(given);
			}
			return 0;
		});
	}

	detail::carrier carrier = {};
};
#endif

} // namespace detail

/**
 * basic_space - an ID space; see space and owning_space
 *
 * All members may be called on any thread at any time but for close(), the
 * destructor and moving, which nothing else may run beside. A space may be moved
 * while IDs, sets, references and registrations of it are there; not while a
 * read_section is.
 */
template <typename T, typename Storage> class basic_space {
public:
	using value_type = T;
	using borrowed_type = borrowed<T>;
	using section_type = read_section<T, Storage>;

	basic_space(const basic_space &) = delete;
	basic_space &operator=(const basic_space &) = delete;

	/** native - for calls of C, which must keep to T * and leave it there */
	ioasid_space *native() const noexcept IOASID_LIFETIMEBOUND
	{
		return space_;
	}

	/** domain - that protects its lookups; at once */
	domain_ref domain() const noexcept
	{
		return domain_ref(space_->rcu);
	}

	/** operator bool - false once it was closed or moved from */
	explicit operator bool() const noexcept
	{
		return space_ != nullptr;
	}

	/**
	 * with - call @func(borrowed<T>) with what an ID was given
	 * @owner: the set that is to own it, if given
	 * @id:    ID, or handle for one use of it
	 * @func:  called in a read section; must not wait for a grace period.
	 *         May throw
	 *
	 * Context: as ioasid_space_find(), and what @func does.
	 * Return: what @func returned, as a result; not_found, not_owner,
	 * stale_handle. A pointer to T or a reference is not let out.
	 */
	template <typename Id, typename F> auto with(Id id, F &&func) const
	{
		return with(set<T>(), id, std::forward<F>(func));
	}

	template <typename Id, typename F>
	auto with(set<T> owner, Id id, F &&func) const
	{
		using U = std::invoke_result_t<F, borrowed<T>>;
		static_assert(
			!std::is_reference_v<U> &&
				!detail::is_borrowed<U>::value &&
				!std::is_same_v<std::remove_cv_t<U>, T *> &&
				!std::is_same_v<std::remove_cv_t<U>, const T *>,
			"what with() returns must not point to a T, "
			"which may be gone");
		const section_type guard(*this);

		return guard.find(owner, detail::key_of(id))
			.map(std::forward<F>(func));
	}

	/**
	 * acquire - find a T that counts its own users
	 * @getter: called with T & in a read section, to take a reference to it;
	 *          false: the object is not valid any more. May throw
	 *
	 * Context: as ioasid_space_find().
	 * Return: the T, for as long as that reference is held; nullptr if
	 * @getter said no; not_found, not_owner, stale_handle.
	 */
	template <typename Id, typename F>
	result<T *> acquire(Id id, F &&getter) const
	{
		return acquire(set<T>(), id, std::forward<F>(getter));
	}

	template <typename Id, typename F>
	result<T *> acquire(set<T> owner, Id id, F &&getter) const
	{
		const section_type guard(*this);
		const auto found = guard.find(owner, detail::key_of(id));

		if (!found)
			return found.error();
		return accepted((*found).get(), getter);
	}

#ifndef IOASID_NO_SPIDS
	/** acquire_spid - as acquire(), by the name of an ID in its set */
	template <typename F>
	result<T *> acquire_spid(set<T> owner, ioasid_t spid, F &&getter) const
	{
		const section_type guard(*this);
		const auto found = guard.find_spid(owner, spid);

		if (!found)
			return found.error();
		return accepted(found->value.get(), getter);
	}
#endif

	/** contains - is it live, and of that set; as ioasid_space_find() */
	template <typename Id> bool contains(Id id) const noexcept
	{
		return contains(set<T>(), id);
	}

	template <typename Id> bool contains(set<T> owner, Id id) const noexcept
	{
		const section_type guard(*this);

		return guard.find(owner, detail::key_of(id)).has_value();
	}

	/** handle_of - as ioasid_space_handle() */
	result<handle> handle_of(ioasid_t id) const noexcept
	{
		return handle_of(set<T>(), id);
	}

	result<handle> handle_of(set<T> owner, ioasid_t id) const noexcept
	{
		ioasid_handle_t use = 0;
		const int ret =
			ioasid_space_handle(space_, owner.native(), id, &use);

		if (ret)
			return detail::error_of(ret);
		return handle(use);
	}

	/**
	 * for_each - call @func for every live ID of a range, ascending
	 * @owner, @range: which IDs, if given
	 * @func: called with the ID and a borrowed<T>, in a read section. May
	 *        return false to end the walk; may throw, which ends it too
	 *
	 * Context: as ioasid_space_for_each().
	 * Return: done, also if @func ended it; invalid_argument.
	 */
	template <typename F> result<void> for_each(F &&func) const
	{
		return for_each(set<T>(), id_range(), std::forward<F>(func));
	}

	template <typename F>
	result<void> for_each(id_range range, F &&func) const
	{
		return for_each(set<T>(), range, std::forward<F>(func));
	}

	template <typename F>
	result<void> for_each(set<T> owner, F &&func) const
	{
		return for_each(owner, id_range(), std::forward<F>(func));
	}

	template <typename F>
	result<void> for_each(set<T> owner, id_range range, F &&func) const
	{
		struct context {
			std::remove_reference_t<F> &func;
			ioasid_rcu *rcu;
			detail::carrier carrier;

			static int visit(ioasid_t id, void *data, void *arg)
			{
				context *self = static_cast<context *>(arg);

				return self->carrier.run(1, [&]() -> int {
					return self->call(
						id,
						borrowed<T>(detail::lent<T>{
							Storage::value(data),
							self->rcu }));
				});
			}

			int call(ioasid_t id, const borrowed<T> &value)
			{
				using R = std::invoke_result_t<
					F &, ioasid_t, const borrowed<T> &>;

				if constexpr (std::is_void_v<R>) {
					detail::call(func, id, value);
					return 0;
				} else {
					return detail::call(func, id, value) ?
						       0 :
						       1;
				}
			}
		};
		context walk = { func, space_->rcu, {} };
		const int ret = ioasid_space_for_each(space_, owner.native(),
						      range.min, range.max,
						      context::visit, &walk);

		walk.carrier.rethrow();
		return detail::status(ret);
	}

	/** reserve_id - take an ID nobody finds, as ioasid_space_reserve_id() */
	result<reservation> reserve_id(id_range range = {}) noexcept
	{
		return reserve_id(set<T>(), range);
	}

	result<reservation> reserve_id(set<T> owner,
				       id_range range = {}) noexcept
	{
		ioasid_t id = invalid_id;
		const int ret = ioasid_space_reserve_id(
			space_, owner.native(), range.min, range.max, &id);

		if (ret)
			return detail::error_of(ret);
		return reservation(*core_, id);
	}

	/** trim - give memory back, as ioasid_space_trim(); bytes */
	std::size_t trim() noexcept
	{
		return ioasid_space_trim(space_);
	}

	/** set_capacity - as ioasid_space_set_capacity() */
	result<void> set_capacity(std::uint32_t capacity) noexcept
	{
		return detail::status(
			ioasid_space_set_capacity(space_, capacity));
	}

	/** reserve - set IDs of the capacity aside: ioasid_space_reserve() */
	result<void> reserve(std::uint32_t count) noexcept
	{
		return detail::status(ioasid_space_reserve(space_, count));
	}

	/** unreserve - as ioasid_space_unreserve() */
	result<void> unreserve(std::uint32_t count) noexcept
	{
		return detail::status(ioasid_space_unreserve(space_, count));
	}

	/** stats - of one moment, as ioasid_space_stats() */
	ioasid_stats stats() const noexcept
	{
		ioasid_stats stats;

		ioasid_space_stats(space_, &stats);
		return stats;
	}

	/** validate - check the whole structure, as ioasid_space_validate() */
	validation validate() const noexcept
	{
		const char *reason = nullptr;
		const bool valid = ioasid_space_validate(space_, &reason);

		return { valid, reason };
	}

#ifndef IOASID_NO_SETS
	/** create_set - as ioasid_set_create() */
	result<set<T>> create_set(const set_config &config = {}) noexcept
	{
		const ioasid_set_config c = { config.name, config.token,
					      config.quota, config.reserved };
		ioasid_set *created = nullptr;
		const int ret = ioasid_set_create(space_, &c, &created);

		if (ret)
			return detail::error_of(ret);
		return set<T>(space_, created);
	}

	/** set_by_token - as ioasid_set_by_token() */
	result<set<T>> set_by_token(const void *token) const noexcept
	{
		ioasid_set *found = nullptr;
		const int ret = ioasid_set_by_token(space_, token, &found);

		if (ret)
			return detail::error_of(ret);
		return set<T>(space_, found);
	}

	/** set_of - who owns an ID, or no set; as ioasid_set_of() */
	result<set<T>> set_of(ioasid_t id) const noexcept
	{
		ioasid_set *found = nullptr;
		const int ret = ioasid_set_of(space_, id, &found);

		if (ret)
			return detail::error_of(ret);
		return found ? set<T>(space_, found) : set<T>();
	}

	/**
	 * for_each_set - call @func(set<T>) for every set
	 * @func: as for for_each()
	 *
	 * Context: as ioasid_set_for_each().
	 */
	template <typename F> void for_each_set(F &&func) const
	{
		struct context {
			std::remove_reference_t<F> &func;
			ioasid_space *space;
			detail::carrier carrier;

			static int visit(ioasid_set *found, void *arg)
			{
				context *self = static_cast<context *>(arg);

				return self->carrier.run(1, [&]() -> int {
					return self->call(
						set<T>(self->space, found));
				});
			}

			int call(set<T> found)
			{
				using R = std::invoke_result_t<F &, set<T>>;

				if constexpr (std::is_void_v<R>) {
					detail::call(func, found);
					return 0;
				} else {
					return detail::call(func, found) ? 0 :
									   1;
				}
			}
		};
		context walk = { func, space_, {} };

		ioasid_set_for_each(space_, context::visit, &walk);
		walk.carrier.rethrow();
	}
#endif

#ifndef IOASID_NO_SPIDS
	/** spid_attach - name an ID in its set, as ioasid_spid_attach() */
	result<void> spid_attach(ioasid_t id, ioasid_t spid) noexcept
	{
		return detail::status(ioasid_spid_attach(space_, id, spid));
	}

	/** spid_detach - as ioasid_spid_detach() */
	result<void> spid_detach(ioasid_t id) noexcept
	{
		return detail::status(ioasid_spid_detach(space_, id));
	}

	/** spid_of - as ioasid_spid_of() */
	result<ioasid_t> spid_of(ioasid_t id) const noexcept
	{
		ioasid_t spid = invalid_id;
		const int ret = ioasid_spid_of(space_, id, &spid);

		if (ret)
			return detail::error_of(ret);
		return spid;
	}
#endif

#ifndef IOASID_NO_NOTIFIERS
	/**
	 * on_event - have @func(const notice<T> &) told what happens to IDs
	 * @owner:    of this set, if given; else to all
	 * @func:     see struct ioasid_notifier for when and on which thread.
	 *            Must not throw: std::terminate()
	 * @priority: the higher is told first
	 *
	 * Context: as ioasid_space_register_notifier().
	 * Return: the registration, which ends it; as there; no_memory.
	 */
	template <typename F>
	result<registration> on_event(F &&func, int priority = 0)
	{
		return on_event(set<T>(), std::forward<F>(func), priority);
	}

	template <typename F>
	result<registration> on_event(set<T> owner, F &&func, int priority = 0)
	{
		struct told {
			ioasid_space *space;
			std::decay_t<F> func;

			void operator()(const ioasid_notice &from)
			{
				T *value = nullptr;

				if constexpr (!Storage::owning)
					value = Storage::value(from.data);
				const notice<T> to = {
					static_cast<ioasid::event>(from.event),
					from.set ? set<T>(space, from.set) :
						   set<T>(),
					handle(from.handle),
					from.spid,
					value,
					from.arg
				};

				detail::call(func, to);
			}
		};
		using node_type = detail::notifier_node<told>;
		node_type *node = new (std::nothrow) node_type(
			core_, priority, told{ space_, std::forward<F>(func) });

		if (!node)
			return errc::no_memory;
		core_->add(node);
		return registered(node, ioasid_space_register_notifier(
						space_, owner.native(), node));
	}

	/** notify - tell of a bind or unbind, as ioasid_space_notify() */
	result<void> notify(ioasid_t id, ioasid::event what,
			    void *arg = nullptr)
	{
		return detail::status(ioasid_space_notify(
			space_, id, static_cast<ioasid_event>(what), arg));
	}
#endif

#ifndef IOASID_NO_ALLOCATORS
	/**
	 * use_allocator - have IDs chosen by callables
	 * @alloc_id: called with min and max; gives an ID, or invalid_id, an
	 *            empty std::optional or a failed result for none
	 * @free_id:  called with an ID that it gave and that is vacant
	 *
	 * See struct ioasid_allocator_ops for what they may do. They must not
	 * throw: std::terminate(). Two of the same types of callables stand in
	 * for each other, as there: give each source of IDs types of its own.
	 *
	 * Context: as ioasid_space_register_allocator().
	 * Return: the registration; as there; no_memory.
	 */
	template <typename Alloc, typename Free>
	result<registration> use_allocator(Alloc &&alloc_id, Free &&free_id)
	{
		using node_type = detail::allocator_node<std::decay_t<Alloc>,
							 std::decay_t<Free>>;
		node_type *node = new (std::nothrow)
			node_type(core_, std::forward<Alloc>(alloc_id),
				  std::forward<Free>(free_id));

		if (!node)
			return errc::no_memory;
		core_->add(node);
		return registered(node, ioasid_space_register_allocator(space_,
									node));
	}
#endif

#ifndef IOASID_NO_DUMP
	/**
	 * dump - call @print(std::string_view) with each line of a description
	 * @print: as for ioasid_space_dump(). May throw: it is called no more
	 */
	template <typename F> void dump(F &&print) const
	{
		struct context {
			std::remove_reference_t<F> &print;
			detail::carrier carrier;

			static void call(const char *line, void *arg)
			{
				context *self = static_cast<context *>(arg);

				if (self->carrier.holds())
					return;
				self->carrier.run(0, [&]() -> int {
					detail::call(self->print,
						     std::string_view(line));
					return 0;
				});
			}
		};
		context lines = { print, {} };

		ioasid_space_dump(space_, context::call, &lines);
		lines.carrier.rethrow();
	}

	/** dump - the lines, each with its end */
	std::string dump() const
	{
		std::string text;

		dump([&text](std::string_view line) {
			text.append(line);
			text += '\n';
		});
		return text;
	}
#endif

#ifndef IOASID_NO_SNAPSHOTS
	/**
	 * snapshot - the space as bytes, see ioasid_space_snapshot()
	 * @encode:       @encode(id, const T *) is the number for a value, of
	 *                uint64_t; nullptr, also for the pointer: none
	 * @encode_token: @encode_token(void *) is the number for a token
	 *
	 * They run with the space's lock and may call lookups only. They may
	 * throw. Takes memory by a std::vector, which may throw too.
	 */
	template <typename Encode = std::nullptr_t,
		  typename EncodeToken = std::nullptr_t>
	result<std::vector<std::byte>>
	snapshot(Encode &&encode = nullptr,
		 EncodeToken &&encode_token = nullptr) const
	{
		std::vector<std::byte> bytes;
		std::size_t needed = 0;

		for (;;) {
			const result<void> done =
				snapshot_into(bytes.data(), bytes.size(),
					      needed, encode, encode_token);

			if (done) {
				bytes.resize(needed);
				return bytes;
			}
			if (done.error() != errc::buffer_too_small)
				return done.error();
			if (needed == SIZE_MAX)
				return errc::no_memory;
			bytes.resize(needed);
		}
	}

	/** snapshot_into - as snapshot(), and as ioasid_space_snapshot() */
	template <typename Encode = std::nullptr_t,
		  typename EncodeToken = std::nullptr_t>
	result<void> snapshot_into(void *buffer, std::size_t size,
				   std::size_t &needed,
				   Encode &&encode = nullptr,
				   EncodeToken &&encode_token = nullptr) const
	{
		struct context {
			std::remove_reference_t<Encode> &encode;
			std::remove_reference_t<EncodeToken> &encode_token;
			detail::carrier carrier;

			static std::uint64_t value(void *arg, ioasid_t id,
						   void *data)
			{
				context *self = static_cast<context *>(arg);

				if (self->carrier.holds())
					return 0;
				return self->carrier.run(
					std::uint64_t(0),
					[&]() -> std::uint64_t {
						const T *from =
							Storage::value(data);

						return detail::call_or<
							std::uint64_t>(
							self->encode, id, from);
					});
			}

			static std::uint64_t token(void *arg, void *from)
			{
				context *self = static_cast<context *>(arg);

				if (self->carrier.holds())
					return 0;
				return self->carrier.run(
					std::uint64_t(0),
					[&]() -> std::uint64_t {
						return detail::call_or<
							std::uint64_t>(
							self->encode_token,
							from);
					});
			}
		};
		context codecs = { encode, encode_token, {} };
		ioasid_codec codec = {};

		codec.context = &codecs;
		if constexpr (!detail::is_none<Encode>)
			codec.encode = context::value;
		if constexpr (!detail::is_none<EncodeToken>)
			codec.encode_token = context::token;
		const int ret = ioasid_space_snapshot(space_, &codec, buffer,
						      size, &needed);

		codecs.carrier.rethrow();
		return detail::status(ret);
	}
#endif

protected:
	basic_space() noexcept : space_(nullptr), core_(nullptr)
	{
	}

	basic_space(basic_space &&other) noexcept
		: space_(std::exchange(other.space_, nullptr)),
		  core_(std::exchange(other.core_, nullptr))
	{
	}

	basic_space &operator=(basic_space &&) = delete;
	~basic_space() = default;

	void take(basic_space &other) noexcept
	{
		space_ = std::exchange(other.space_, nullptr);
		core_ = std::exchange(other.core_, nullptr);
	}

	errc begin(const space_config &config,
		   detail::core::free_use free_handle) noexcept
	{
		ioasid_space_config c = {};

		c.min = config.min;
		c.max = config.max;
		c.store = static_cast<ioasid_store_kind>(config.store);
		c.store_ops = config.store_ops;
		c.store_context = config.store_context;
		c.rcu = config.domain.native();
		c.flavour = static_cast<ioasid_rcu_flavour>(config.flavour);
		c.memory = config.memory;
		c.lock = config.lock;
		c.hash_seed = config.hash_seed;
		c.reuse = static_cast<ioasid_reuse>(config.reuse);
		c.quarantine = config.quarantine;
		c.capacity = config.capacity;
		c.name = config.name;
		const int ret = ioasid_space_create(&c, &space_);

		if (ret) {
			space_ = nullptr;
			return detail::error_of(ret);
		}
		core_ = new (std::nothrow) detail::core(space_, free_handle);
		if (core_) {
			core_->own_domain = !config.domain;
			return errc();
		}
		static_cast<void>(ioasid_space_destroy(space_));
		space_ = nullptr;
		return errc::no_memory;
	}

	/* @values: to be run once nothing can find them */
	errc finish(detail::deferred *values = nullptr) noexcept
	{
		int ret = 0;

		if (!space_)
			return errc();
		/* The library waits only if something is deferred there. */
		if (core_->waits())
			ret = ioasid_rcu_synchronize(space_->rcu);
		if (!ret)
			ret = ioasid_space_destroy(space_);

		if (ret)
			return detail::error_of(ret);
		space_ = nullptr;
		const std::unique_ptr<detail::core> core(
			std::exchange(core_, nullptr));

		core->ended(values);
		return errc();
	}

	/*
	 * What a destructor makes of the errors of close(): those of the
	 * program end it, as what it had would be used after its end.
	 */
	static void finished(errc error) noexcept
	{
		detail::check(
			error != errc::would_deadlock,
			"space ends inside of a read section or callback");
		detail::check(error != errc::busy,
			      "space ends while references to it are held");
	}

	result<ioasid_t> alloc_data(set<T> owner, void *data,
				    id_range range) noexcept
	{
		ioasid_t id = invalid_id;
		const int ret = ioasid_space_alloc(space_, owner.native(),
						   range.min, range.max, data,
						   &id);

		if (ret)
			return detail::error_of(ret);
		return id;
	}

	result<cyclic_id> alloc_cyclic_data(set<T> owner, id_cursor &cursor,
					    void *data, id_range range) noexcept
	{
		ioasid_t id = invalid_id;
		const int ret = ioasid_space_alloc_cyclic(
			space_, owner.native(), range.min, range.max, data,
			&cursor.next, &id);

		if (ret < 0)
			return detail::error_of(ret);
		return cyclic_id{ id, ret == 1 };
	}

	result<unique_id> unique(set<T> owner, ioasid_t id) noexcept
	{
		const result<handle> use = handle_of(owner, id);

		if (use)
			return unique_id(*core_, *use);
		/*
		 * Somebody else freed it meanwhile, or with IOASID_DEBUG this
		 * thread may not read: what it was given is not handed on.
		 */
		return use.error();
	}

	template <typename F> result<T *> accepted(T *value, F &getter) const
	{
		struct context {
			F &getter;
			T *value;
			detail::carrier carrier;

			static bool call(void *arg)
			{
				context *self = static_cast<context *>(arg);

				return self->carrier.run(false, [&]() -> bool {
					return detail::call(self->getter,
							    *self->value);
				});
			}
		};
		context asked = { getter, value, {} };

		/* A null pointer is no object that could say no. */
		if (!value)
			return value;
		const bool accepted =
			ioasid_space_call_getter(space_, context::call, &asked);

		asked.carrier.rethrow();
		return accepted ? value : nullptr;
	}

	template <typename Node>
	result<registration> registered(Node *node, int ret) noexcept
	{
		if (!ret)
			return registration(node);
		core_->remove(node);
		delete node;
		return detail::error_of(ret);
	}

	ioasid_space *space_;
	detail::core *core_;
};

/**
 * space - finds a T * for an ID; what it points to stays the caller's
 *
 * With a set before the other arguments IDs are owned by it, or have to be.
 * Without a range all IDs of the space will do.
 */
template <typename T>
class space final : public basic_space<T, detail::plain_storage<T>> {
	struct nothing {};

public:
	/** create - as ioasid_space_create() */
	static result<space> create(const space_config &config = {}) noexcept
	{
		space made{ nothing() };
		const errc error = made.begin(config, free_use);

		if (error != errc())
			return error;
		return made;
	}

#if IOASID_CPP_EXCEPTIONS
	/** space - as create(), but throws std::system_error */
	explicit space(const space_config &config = {})
	{
		const errc error = this->begin(config, free_use);

		if (error != errc())
			detail::raise(error);
	}
#endif

	space(space &&) noexcept = default;

	space &operator=(space &&other) noexcept
	{
		if (this != &other) {
			end();
			this->take(other);
		}
		return *this;
	}

	/**
	 * ~space - close(), which nobody is told the result of
	 *
	 * A read section or callback around it ends the program. A space whose
	 * grace periods are impossible stays for good.
	 */
	~space()
	{
		end();
	}

	/**
	 * close - end it now, with its sets, IDs and registrations
	 *
	 * Context: waits, as ioasid_space_destroy().
	 * Return: as there: on error all is as before. Moved from: done.
	 */
	result<void> close() noexcept
	{
		return this->finish();
	}

	/** alloc - as ioasid_space_alloc() */
	result<ioasid_t> alloc(T *value = nullptr, id_range range = {}) noexcept
	{
		return alloc(set<T>(), value, range);
	}

	result<ioasid_t> alloc(set<T> owner, T *value = nullptr,
			       id_range range = {}) noexcept
	{
		return this->alloc_data(owner, detail::to_data(value), range);
	}

	/** alloc_unique - as alloc(), to be freed at the end of a scope */
	result<unique_id> alloc_unique(T *value = nullptr,
				       id_range range = {}) noexcept
	{
		return alloc_unique(set<T>(), value, range);
	}

	result<unique_id> alloc_unique(set<T> owner, T *value = nullptr,
				       id_range range = {}) noexcept
	{
		const result<ioasid_t> id = alloc(owner, value, range);

		if (!id)
			return id.error();
		result<unique_id> made = this->unique(owner, *id);

		if (!made && made.error() != errc::not_found)
			static_cast<void>(free(*id));
		return made;
	}

	/** alloc_cyclic - as ioasid_space_alloc_cyclic() */
	result<cyclic_id> alloc_cyclic(id_cursor &cursor, T *value = nullptr,
				       id_range range = {}) noexcept
	{
		return alloc_cyclic(set<T>(), cursor, value, range);
	}

	result<cyclic_id> alloc_cyclic(set<T> owner, id_cursor &cursor,
				       T *value = nullptr,
				       id_range range = {}) noexcept
	{
		return this->alloc_cyclic_data(owner, cursor,
					       detail::to_data(value), range);
	}

	/**
	 * publish - let a reserved ID be found, as ioasid_space_publish_id()
	 *
	 * Return: the ID, which is not the reservation's any more; on error it
	 * is as before.
	 */
	result<ioasid_t> publish(reservation &&reserved, T *value) noexcept
	{
		const int ret = ioasid_space_publish_id(
			this->space_, reserved.id(), detail::to_data(value));

		if (ret)
			return detail::error_of(ret);
		return reserved.detach();
	}

	/** free - as ioasid_space_free() */
	result<void> free(ioasid_t id) noexcept
	{
		return detail::status(ioasid_space_free(this->space_, id));
	}

	/** free - one use of an ID, as ioasid_space_free_handle() */
	result<void> free(handle use) noexcept
	{
		return detail::status(
			ioasid_space_free_handle(this->space_, use.value()));
	}

	/**
	 * free_deferred - free an ID and call @func() after a grace period
	 * @func: may destroy what the ID was given; must not throw
	 *
	 * Context: as ioasid_space_free_deferred().
	 * Return: as there; no_memory. On error nothing has changed and @func
	 * is not called.
	 */
	template <typename F> result<void> free_deferred(ioasid_t id, F &&func)
	{
		using call = detail::deferred_call<std::decay_t<F>>;
		std::unique_ptr<call> node(new (std::nothrow)
						   call(std::forward<F>(func)));

		if (!node)
			return errc::no_memory;
		const int ret = ioasid_space_free_deferred(
			this->space_, id, node.get(), detail::run_deferred);

		if (!ret)
			node.release();
		return detail::status(ret);
	}

	/** remove - free it and get its pointer, as ioasid_space_remove() */
	result<T *> remove(ioasid_t id) noexcept
	{
		return remove(set<T>(), id);
	}

	result<T *> remove(set<T> owner, ioasid_t id) noexcept
	{
		void *data = nullptr;
		const int ret = ioasid_space_remove(this->space_,
						    owner.native(), id, &data);

		if (ret)
			return detail::error_of(ret);
		return static_cast<T *>(data);
	}

	/** free_all - number of IDs freed; as ioasid_space_free_all() */
	result<std::uint32_t> free_all() noexcept
	{
		std::uint32_t count = 0;
		const int ret = ioasid_space_free_all(this->space_, &count);

		if (ret)
			return detail::error_of(ret);
		return count;
	}

#ifndef IOASID_NO_SETS
	/** free_all - of a set, as ioasid_set_free_all() */
	result<std::uint32_t> free_all(set<T> owner) noexcept
	{
		std::uint32_t count = 0;
		const int ret = ioasid_set_free_all(this->space_,
						    owner.native(), &count);

		if (ret)
			return detail::error_of(ret);
		return count;
	}
#endif

	/** get - a reference to an ID, as ioasid_space_get() */
	result<id_reference> get(ioasid_t id) noexcept
	{
		return get(set<T>(), id);
	}

	result<id_reference> get(set<T> owner, ioasid_t id) noexcept
	{
		const int ret =
			ioasid_space_get(this->space_, owner.native(), id);

		if (ret)
			return detail::error_of(ret);
		return id_reference(*this->core_, id);
	}

	/** get - to one use of it, as ioasid_space_get_handle() */
	result<id_reference> get(handle use) noexcept
	{
		return get(set<T>(), use);
	}

	result<id_reference> get(set<T> owner, handle use) noexcept
	{
		const int ret = ioasid_space_get_handle(
			this->space_, owner.native(), use.value());

		if (ret)
			return detail::error_of(ret);
		return id_reference(*this->core_, use.id());
	}

	/** exchange - the pointer before, as ioasid_space_exchange_data() */
	result<T *> exchange(ioasid_t id, T *value) noexcept
	{
		void *old = nullptr;
		const int ret = ioasid_space_exchange_data(
			this->space_, id, detail::to_data(value), &old);

		if (ret)
			return detail::error_of(ret);
		return static_cast<T *>(old);
	}

	/**
	 * exchange_retire - replace the pointer, and retire the one before
	 * @retire: called with the pointer before (T *, may be nullptr) after a
	 *          grace period, on some thread; must not throw
	 *
	 * Context: as ioasid_space_exchange_data() and ioasid_rcu_defer(). What
	 * the domain will not take at its limit waits for the next such call.
	 * Return: not_found; no_memory. On error nothing has changed.
	 */
	template <typename F = std::default_delete<T>>
	result<void> exchange_retire(ioasid_t id, T *value, F &&retire = F())
	{
		struct call {
			T *old;
			std::decay_t<F> retire;

			void operator()()
			{
				detail::call(retire, old);
			}
		};
		using node_type = detail::deferred_call<call>;
		std::unique_ptr<node_type> node(new (std::nothrow) node_type(
			call{ nullptr, std::forward<F>(retire) }));

		if (!node)
			return errc::no_memory;
		const result<T *> old = exchange(id, value);

		if (!old)
			return old.error();
		node->callable.old = *old;
		this->core_->defer(node.release());
		return {};
	}

	/** set_value - replace it and wait, as ioasid_space_set_data() */
	result<void> set_value(ioasid_t id, T *value) noexcept
	{
		return detail::status(ioasid_space_set_data(
			this->space_, id, detail::to_data(value)));
	}

#ifndef IOASID_NO_SNAPSHOTS
	/**
	 * restore - fill an empty space, see ioasid_space_restore()
	 * @decode:       @decode(id, number) is a T *, or a result<T *> whose
	 *                error refuses the restore; nullptr: no pointers
	 * @decode_token: @decode_token(number) is a void * or such a result
	 * @discard:      @discard(id, T *) takes back what @decode made when
	 *                the restore has failed; must not throw
	 *
	 * They run with the space's lock and may call lookups only. The first
	 * two may throw: the restore fails, and it is thrown on.
	 */
	template <typename Decode = std::nullptr_t,
		  typename DecodeToken = std::nullptr_t,
		  typename Discard = std::nullptr_t>
	result<void> restore(const void *bytes, std::size_t size,
			     Decode &&decode = nullptr,
			     DecodeToken &&decode_token = nullptr,
			     Discard &&discard = nullptr)
	{
		struct context : detail::restore_context {
			std::remove_reference_t<Decode> &decode;
			std::remove_reference_t<DecodeToken> &decode_token;
			std::remove_reference_t<Discard> &discard;

			context(std::remove_reference_t<Decode> &a,
				std::remove_reference_t<DecodeToken> &b,
				std::remove_reference_t<Discard> &c)
				: restore_context(), decode(a), decode_token(b),
				  discard(c)
			{
			}

			static int value(void *arg, ioasid_t id,
					 std::uint64_t number, void **data)
			{
				context *self = static_cast<context *>(arg);

				return self->template decoded<T>(data, [&] {
					return detail::call_or<T *>(
						self->decode, id, number);
				});
			}

			static int token(void *arg, std::uint64_t number,
					 void **data)
			{
				context *self = static_cast<context *>(arg);

				return self->template decoded<void>(data, [&] {
					return detail::call_or<void *>(
						self->decode_token, number);
				});
			}

			static void back(void *arg, ioasid_t id,
					 void *data) noexcept
			{
				context *self = static_cast<context *>(arg);

				static_cast<void>(detail::call_or<int>(
					self->discard, id,
					static_cast<T *>(data)));
			}
		};
		context codecs(decode, decode_token, discard);
		ioasid_codec codec = {};

		codec.context = &codecs;
		if constexpr (!detail::is_none<Decode>)
			codec.decode = context::value;
		if constexpr (!detail::is_none<DecodeToken>)
			codec.decode_token = context::token;
		if constexpr (!detail::is_none<Discard>)
			codec.discard = context::back;
		const int ret =
			ioasid_space_restore(this->space_, &codec, bytes, size);

		codecs.carrier.rethrow();
		return detail::status(ret);
	}
#endif

private:
	explicit space(nothing) noexcept
	{
	}

	static int free_use(detail::core &core, ioasid_handle_t use)
	{
		return ioasid_space_free_handle(core.space, use);
	}

	void end() noexcept
	{
		this->finished(close().error());
	}
};

IOASID_CPP_END

#endif // IOASID_CPP_SPACE_HPP
