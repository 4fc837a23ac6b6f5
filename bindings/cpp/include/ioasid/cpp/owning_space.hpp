// SPDX-License-Identifier: MIT
#ifndef IOASID_CPP_OWNING_SPACE_HPP
#define IOASID_CPP_OWNING_SPACE_HPP

/*
 * A space that keeps its values. One is destroyed when nobody can hold it any
 * more: a grace period after its ID was freed or given another, and after the
 * last reference<T> to it has gone, on whichever thread that is.
 */

#include <atomic>
#include <memory>

#include <ioasid/cpp/space.hpp>

IOASID_CPP_BEGIN

namespace detail {

/* A T of what constructs it, or for an aggregate of what it consists of. */
template <typename T, typename... Args> T build(Args &&...args)
{
	constexpr bool copies = sizeof...(Args) == 1 &&
				(std::is_same_v<std::decay_t<Args>, T> && ...);

	if constexpr (std::is_aggregate_v<T> && !copies)
		return T{ std::forward<Args>(args)... };
	else
		return T(std::forward<Args>(args)...);
}

template <typename T> struct owned_value {
	template <typename... Args>
	explicit owned_value(std::in_place_t, Args &&...args)
		: value(detail::build<T>(std::forward<Args>(args)...))
	{
	}

	T value;
};

/*
 * A value and its uses: that of the space, which ends a grace period after the
 * value cannot be found any more, so that whoever finds it in a read section may
 * add one; and one of each reference<T>. The value comes first: it has the
 * address that lookups give.
 */
template <typename T> struct owned final : owned_value<T>, deferred {
	template <typename... Args>
	explicit owned(std::in_place_t, Args &&...args)
		: owned_value<T>(std::in_place, std::forward<Args>(args)...),
		  deferred(not_found_any_more), uses(1)
	{
	}

	void use() noexcept
	{
		uses.fetch_add(1, std::memory_order_relaxed);
	}

	void drop() noexcept
	{
		if (uses.fetch_sub(1, std::memory_order_acq_rel) == 1)
			delete this;
	}

	static void not_found_any_more(deferred *self)
	{
		static_cast<owned *>(self)->drop();
	}

	std::atomic<std::size_t> uses;
};

template <typename T> struct owning_storage {
	static constexpr bool owning = true;

	static T *value(void *data) noexcept
	{
		return data ? std::addressof(
				      static_cast<owned<T> *>(data)->value) :
			      nullptr;
	}
};

} // namespace detail

/**
 * reference - keeps a value of an owning_space, and its ID from reuse
 *
 * Like a std::unique_ptr to it. The ID may be freed meanwhile: it is vacant, and
 * the value destroyed, when the last reference goes. It may go on any thread, in
 * a read section too, and must not outlive the space.
 */
template <typename T> class reference {
public:
	reference(detail::core &core, ioasid_t id,
		  detail::owned<T> &node) noexcept
		: reference_(core, id), node_(&node)
	{
	}

	reference(reference &&other) noexcept
		: reference_(std::move(other.reference_)),
		  node_(std::exchange(other.node_, nullptr))
	{
	}

	reference &operator=(reference &&other) noexcept
	{
		if (this != &other) {
			/* To end last: its value may have @other. */
			const reference before(std::move(*this));

			reference_ = std::move(other.reference_);
			node_ = std::exchange(other.node_, nullptr);
		}
		return *this;
	}

	reference(const reference &) = delete;
	reference &operator=(const reference &) = delete;

	~reference()
	{
		put();
	}

	explicit operator bool() const noexcept
	{
		return node_ != nullptr;
	}

	T &operator*() const noexcept IOASID_LIFETIMEBOUND
	{
		return node_->value;
	}

	T *operator->() const noexcept IOASID_LIFETIMEBOUND
	{
		return std::addressof(node_->value);
	}

	T *get() const noexcept IOASID_LIFETIMEBOUND
	{
		return node_ ? std::addressof(node_->value) : nullptr;
	}

	ioasid_t id() const noexcept
	{
		return reference_.id();
	}

	/** put - drop it now, as ioasid_space_put() */
	void put() noexcept
	{
		if (!node_)
			return;
		static_cast<void>(reference_.put());
		std::exchange(node_, nullptr)->drop();
	}

private:
	id_reference reference_;
	detail::owned<T> *node_;
};

namespace detail {

template <typename T> struct is_arrow<reference<T>> : std::true_type {};

} // namespace detail

/**
 * owning_space - keeps a T for each ID
 *
 * T's destructor runs within calls of this class and of the domain, see
 * ioasid_rcu_defer(): it must not throw, nor wait for a grace period of a domain
 * of qsbr. Several threads may find one T at a time; what they may do to it is
 * T's business, as for std::shared_ptr.
 *
 * A T may have unique_ids and registrations of its own space: they are nothing
 * where it is destroyed by the end of that. Not if the domain is shared, which
 * may destroy a T after its space.
 *
 * Notifiers are told of a free without the value. Its C space holds no pointers
 * to T: native() is not for lookups by C.
 */
template <typename T>
class owning_space final : public basic_space<T, detail::owning_storage<T>> {
	using base = basic_space<T, detail::owning_storage<T>>;
	using node_type = detail::owned<T>;
	struct nothing {};

public:
	/** create - as ioasid_space_create() */
	static result<owning_space>
	create(const space_config &config = {}) noexcept
	{
		owning_space made{ nothing() };
		const errc error = made.begin(config, free_use);

		if (error != errc())
			return error;
		return made;
	}

#if IOASID_CPP_EXCEPTIONS
	/** owning_space - as create(), but throws std::system_error */
	explicit owning_space(const space_config &config = {})
	{
		const errc error = this->begin(config, free_use);

		if (error != errc())
			detail::raise(error);
	}
#endif

	owning_space(owning_space &&) noexcept = default;

	owning_space &operator=(owning_space &&other) noexcept
	{
		if (this != &other) {
			end();
			this->take(other);
		}
		return *this;
	}

	/**
	 * ~owning_space - close(), which nobody is told the result of
	 *
	 * References that are left, and a read section or callback around it,
	 * end the program. A space whose grace periods are impossible stays for
	 * good.
	 */
	~owning_space()
	{
		end();
	}

	/**
	 * close - end it now, with its sets, IDs, registrations and values
	 *
	 * Values whose IDs were freed before are destroyed by now as well if the
	 * domain is the space's own, else with the domain's next callbacks.
	 *
	 * Context: waits, as ioasid_space_destroy(). On a thread that may read.
	 * Return: as there; busy references are held. On error all is as before.
	 */
	result<void> close() noexcept
	{
		detail::deferred *values = nullptr;
		bool held = false;

		if (!this->space_)
			return {};
		int ret = quiet();

		if (ret)
			return detail::error_of(ret);
		if (this->stats().pending)
			return errc::busy;
		struct context {
			detail::deferred *&values;
			bool &held;
		} found = { values, held };
		ret = ioasid_space_for_each(
			this->space_, nullptr, 0, invalid_id,
			[](ioasid_t, void *data, void *arg) -> int {
				context *self = static_cast<context *>(arg);
				node_type *node =
					static_cast<node_type *>(data);

				if (!node)
					return 0;
				if (node->uses.load(std::memory_order_relaxed) >
				    1)
					self->held = true;
				node->after = std::exchange(self->values, node);
				return 0;
			},
			&found);

		if (ret)
			return detail::error_of(ret);
		if (held)
			return errc::busy;
		return this->finish(values);
	}

	/**
	 * alloc - an ID for @value, which is moved in
	 *
	 * Context: as ioasid_space_alloc().
	 * Return: as there; no_memory. On error @value is destroyed.
	 */
	result<ioasid_t> alloc(T value, id_range range = {})
	{
		return emplace_in(set<T>(), range, std::move(value));
	}

	result<ioasid_t> alloc(set<T> owner, T value, id_range range = {})
	{
		return emplace_in(owner, range, std::move(value));
	}

	/** emplace - as alloc(), of T(@args...); its exceptions go through */
	template <typename... Args> result<ioasid_t> emplace(Args &&...args)
	{
		return emplace_in(set<T>(), id_range(),
				  std::forward<Args>(args)...);
	}

	template <typename... Args>
	result<ioasid_t> emplace_in(set<T> owner, id_range range,
				    Args &&...args)
	{
		std::unique_ptr<node_type> node =
			make(std::forward<Args>(args)...);

		if (!node)
			return errc::no_memory;
		const result<ioasid_t> id =
			this->alloc_data(owner, node.get(), range);

		if (id)
			node.release();
		return id;
	}

	/** alloc_unique - as alloc(), to be freed at the end of a scope */
	result<unique_id> alloc_unique(T value, id_range range = {})
	{
		return alloc_unique(set<T>(), std::move(value), range);
	}

	result<unique_id> alloc_unique(set<T> owner, T value,
				       id_range range = {})
	{
		const result<ioasid_t> id =
			alloc(owner, std::move(value), range);

		if (!id)
			return id.error();
		result<unique_id> made = this->unique(owner, *id);

		if (!made && made.error() != errc::not_found)
			static_cast<void>(free(*id));
		return made;
	}

	/** alloc_cyclic - as ioasid_space_alloc_cyclic(); as alloc() besides */
	result<cyclic_id> alloc_cyclic(id_cursor &cursor, T value,
				       id_range range = {})
	{
		return alloc_cyclic(set<T>(), cursor, std::move(value), range);
	}

	result<cyclic_id> alloc_cyclic(set<T> owner, id_cursor &cursor, T value,
				       id_range range = {})
	{
		std::unique_ptr<node_type> node = make(std::move(value));

		if (!node)
			return errc::no_memory;
		const result<cyclic_id> id = this->alloc_cyclic_data(
			owner, cursor, node.get(), range);

		if (id)
			node.release();
		return id;
	}

	/**
	 * publish - let a reserved ID be found, as ioasid_space_publish_id()
	 *
	 * Return: the ID, which is not the reservation's any more; on error,
	 * no_memory besides, it is as before and @value destroyed.
	 */
	result<ioasid_t> publish(reservation &&reserved, T value)
	{
		std::unique_ptr<node_type> node = make(std::move(value));

		if (!node)
			return errc::no_memory;
		const int ret = ioasid_space_publish_id(
			this->space_, reserved.id(), node.get());

		if (ret)
			return detail::error_of(ret);
		node.release();
		return reserved.detach();
	}

	/**
	 * free - end the life of an ID and, a grace period later, of its value
	 *
	 * Context: as ioasid_space_remove() and ioasid_rcu_defer(). What the
	 * domain will not take at its limit waits for the next free.
	 * Return: not_found, busy, not_owner.
	 */
	result<void> free(ioasid_t id) noexcept
	{
		return free(set<T>(), id);
	}

	result<void> free(set<T> owner, ioasid_t id) noexcept
	{
		return detail::status(remove(*this->core_, owner.native(), id));
	}

	/** free - one use of an ID, or stale_handle; too_many_references */
	result<void> free(handle use) noexcept
	{
		return detail::status(free_use(*this->core_, use.value()));
	}

	/** free_all - number of IDs freed, of a set if given; what it meets */
	result<std::uint32_t> free_all() noexcept
	{
		return free_all(set<T>());
	}

	result<std::uint32_t> free_all(set<T> owner) noexcept
	{
		std::uint32_t count = 0;
		ioasid_t id = 0;
		int ret = 0;

#ifndef IOASID_NO_SETS
		if (owner) {
			set_info info;

			ret = ioasid_set_stats(this->space_, owner.native(),
					       &info);
			if (ret)
				return detail::error_of(ret);
		}
#endif
		for (;;) {
			ret = ioasid_space_next(this->space_, owner.native(),
						id, invalid_id, &id, nullptr);
			if (ret)
				break;
			if (!remove(*this->core_, owner.native(), id))
				count++;
			id++;
		}
		if (ret != -ENOENT)
			return detail::error_of(ret);
		return count;
	}

	/**
	 * get - a reference to an ID and the value it has now
	 *
	 * Context: as ioasid_space_get().
	 * Return: as there.
	 */
	result<reference<T>> get(ioasid_t id) noexcept
	{
		return get(set<T>(), id);
	}

	result<reference<T>> get(set<T> owner, ioasid_t id) noexcept
	{
		const typename base::section_type guard(*this);

		return hold(owner, id,
			    ioasid_space_get(this->space_, owner.native(), id));
	}

	/** get - to one use of it, as ioasid_space_get_handle() */
	result<reference<T>> get(handle use) noexcept
	{
		return get(set<T>(), use);
	}

	result<reference<T>> get(set<T> owner, handle use) noexcept
	{
		const typename base::section_type guard(*this);

		return hold(owner, use.id(),
			    ioasid_space_get_handle(
				    this->space_, owner.native(), use.value()));
	}

	/**
	 * replace - give an ID another value, and retire the one before
	 *
	 * Readers and references keep the one before for as long as they have
	 * it.
	 *
	 * Context: as free().
	 * Return: not_found, no_memory: @value is destroyed.
	 */
	result<void> replace(ioasid_t id, T value)
	{
		std::unique_ptr<node_type> node = make(std::move(value));
		void *old = nullptr;

		if (!node)
			return errc::no_memory;
		const int ret = ioasid_space_exchange_data(this->space_, id,
							   node.get(), &old);

		if (ret)
			return detail::error_of(ret);
		node.release();
		if (old)
			this->core_->defer(static_cast<node_type *>(old));
		return {};
	}

#ifndef IOASID_NO_SNAPSHOTS
	/**
	 * restore - fill an empty space, see ioasid_space_restore()
	 * @decode:       @decode(id, number) is a T, or a result<T> whose error
	 *                refuses the restore
	 * @decode_token: @decode_token(number) is a void * or a result of one;
	 *                nullptr: no tokens
	 *
	 * They run with the space's lock and may call lookups only. They may
	 * throw: the restore fails, and it is thrown on.
	 */
	template <typename Decode, typename DecodeToken = std::nullptr_t>
	result<void> restore(const void *bytes, std::size_t size,
			     Decode &&decode,
			     DecodeToken &&decode_token = nullptr)
	{
		struct context : detail::restore_context {
			std::remove_reference_t<Decode> &decode;
			std::remove_reference_t<DecodeToken> &decode_token;

			context(std::remove_reference_t<Decode> &a,
				std::remove_reference_t<DecodeToken> &b)
				: restore_context(), decode(a), decode_token(b)
			{
			}

			static int value(void *arg, ioasid_t id,
					 std::uint64_t number, void **data)
			{
				context *self = static_cast<context *>(arg);

				return self->template decoded<node_type>(
					data, [&]() -> result<node_type *> {
						return owning_space::decoded(
							detail::call(
								self->decode,
								id, number));
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

			static void back(void *, ioasid_t, void *data) noexcept
			{
				delete static_cast<node_type *>(data);
			}
		};
		context codecs(decode, decode_token);
		ioasid_codec codec = {};

		codec.context = &codecs;
		codec.decode = context::value;
		codec.discard = context::back;
		if constexpr (!detail::is_none<DecodeToken>)
			codec.decode_token = context::token;
		const int ret =
			ioasid_space_restore(this->space_, &codec, bytes, size);

		codecs.carrier.rethrow();
		return detail::status(ret);
	}
#endif

private:
	explicit owning_space(nothing) noexcept
	{
	}

	template <typename... Args>
	static std::unique_ptr<node_type> make(Args &&...args)
	{
		return std::unique_ptr<node_type>(new (std::nothrow) node_type(
			std::in_place, std::forward<Args>(args)...));
	}

	/*
	 * No reader is at what it found, and no destructor of a value, which may
	 * free IDs and so leave another to be run, is left to the domain's end.
	 */
	int quiet() noexcept
	{
		ioasid_rcu *rcu = this->space_->rcu;
		int ret = ioasid_rcu_synchronize(rcu);

		while (!ret && this->core_->own_domain &&
		       ioasid_rcu_pending(rcu))
			ret = ioasid_rcu_barrier(rcu);
		return ret;
	}

	/* A value for what a decoder answered. */
	template <typename R> static result<node_type *> decoded(R &&given)
	{
		std::unique_ptr<node_type> made;

		if constexpr (detail::is_result<std::decay_t<R>>::value) {
			if (!given)
				return given.error();
			made = make(*std::forward<R>(given));
		} else {
			made = make(std::forward<R>(given));
		}
		if (!made)
			return errc::no_memory;
		return made.release();
	}

	/* Of those that free at once, one gets the value. */
	static int remove(detail::core &core, const ioasid_set *owner,
			  ioasid_t id) noexcept
	{
		void *data = nullptr;
		const int ret =
			ioasid_space_remove(core.space, owner, id, &data);

		if (!ret && data)
			core.defer(static_cast<node_type *>(data));
		return ret;
	}

	/* The reference keeps the ID from being another's when it is freed. */
	static int free_use(detail::core &core, ioasid_handle_t use)
	{
		const ioasid_t id = handle(use).id();
		int ret = ioasid_space_get_handle(core.space, nullptr, use);

		if (ret)
			return ret;
		ret = remove(core, nullptr, id);
		ioasid_space_put(core.space, id);
		return ret;
	}

	/* In a read section, with a reference taken if @ret is 0. */
	result<reference<T>> hold(set<T> owner, ioasid_t id, int ret) noexcept
	{
		void *data = nullptr;

		if (ret)
			return detail::error_of(ret);
		ret = ioasid_space_find_rcu(this->space_, owner.native(), id,
					    &data);
		/* It was freed since, if it is not found. */
		if (!ret && data) {
			node_type *node = static_cast<node_type *>(data);

			node->use();
			return reference<T>(*this->core_, id, *node);
		}
		ioasid_space_put(this->space_, id);
		return ret ? detail::error_of(ret) : errc::not_found;
	}

	void end() noexcept
	{
		this->finished(close().error());
	}
};

IOASID_CPP_END

#endif // IOASID_CPP_OWNING_SPACE_HPP
