// SPDX-License-Identifier: MIT
#ifndef IOASID_CPP_CORE_HPP
#define IOASID_CPP_CORE_HPP

/*
 * What a space keeps beside the library's, where RAII objects find it however
 * the space is moved: what waits to be deferred, what is registered. Nothing of
 * it is on the way of a lookup.
 */

#include <atomic>
#include <utility>

#include <ioasid/cpp/domain.hpp>
#include <ioasid/cpp/set.hpp>
#include <ioasid/space.h>
#include <ioasid/allocator.h>
#include <ioasid/notifier.h>
#ifndef IOASID_BARE
#include <mutex>
#endif

IOASID_CPP_BEGIN

namespace detail {

#ifdef IOASID_BARE
/* One thread. */
struct registry_lock {
	void lock() noexcept
	{
	}

	void unlock() noexcept
	{
	}
};
#else
using registry_lock = std::mutex;
#endif

class core;

/*
 * A notifier or allocator made from a callable. It has two users: the library,
 * until that calls release or the space ends, and the registration.
 */
struct registered {
	registered(core *space, int (*unregister)(registered *, int),
		   void (*destroy)(registered *)) noexcept
		: owner(space), uses(2), link(nullptr), back(nullptr),
		  unregister_call(unregister), destroy_call(destroy)
	{
	}

	registered(const registered &) = delete;
	registered &operator=(const registered &) = delete;

	void drop() noexcept
	{
		if (uses.fetch_sub(1, std::memory_order_acq_rel) == 1)
			destroy_call(this);
	}

	/* nullptr once the space has ended */
	std::atomic<core *> owner;
	std::atomic<unsigned> uses;
	/* of the space's list, with its lock */
	registered *link, **back;
	int (*unregister_call)(registered *, int mode);
	void (*destroy_call)(registered *);

protected:
	~registered() = default;
};

class core {
public:
	/* How the space frees one use of an ID, for unique_id. */
	using free_use = int (*)(core &, ioasid_handle_t);

	core(ioasid_space *native, free_use end_use) noexcept
		: space(native), free_handle(end_use), own_domain(false),
		  lock_(), leftovers_(nullptr), list_(nullptr)
	{
	}

	core(const core &) = delete;
	core &operator=(const core &) = delete;

	/* To be called before the library learns of it. */
	void add(registered *node) noexcept
	{
		lock_.lock();
		node->link = list_;
		node->back = &list_;
		if (list_)
			list_->back = &node->link;
		list_ = node;
		lock_.unlock();
	}

	void remove(registered *node) noexcept
	{
		lock_.lock();
		*node->back = node->link;
		if (node->link)
			node->link->back = node->back;
		lock_.unlock();
	}

	/*
	 * Never fails: what the domain will not take for now waits here for the
	 * next call, or for the end of the space.
	 */
	void defer(deferred *node) noexcept
	{
		deferred *next;

		node->after =
			leftovers_.exchange(nullptr, std::memory_order_acquire);
		for (; node; node = next) {
			next = node->after;
			if (ioasid_rcu_defer(space->rcu, node, run_deferred))
				keep(node);
		}
	}

	/* Is there something that the domain did not take? */
	bool waits() const noexcept
	{
		return leftovers_.load(std::memory_order_relaxed) != nullptr;
	}

	/*
	 * The library's space is gone, and with it all readers. What is destroyed
	 * here, @values too, may have registrations and IDs of the space itself.
	 */
	void ended(deferred *values = nullptr) noexcept
	{
		deferred *node =
			leftovers_.exchange(nullptr, std::memory_order_acquire);

		space = nullptr;
		for (registered *each = list_; each; each = each->link)
			each->owner.store(nullptr, std::memory_order_release);
		while (node)
			run_deferred(std::exchange(node, node->after));
		while (values)
			run_deferred(std::exchange(values, values->after));
		while (list_)
			std::exchange(list_, list_->link)->drop();
	}

	/* nullptr once it has ended */
	ioasid_space *space;
	free_use free_handle;
	/* made with the space, and ending with it */
	bool own_domain;

private:
	void keep(deferred *node) noexcept
	{
		deferred *first = leftovers_.load(std::memory_order_relaxed);

		do
			node->after = first;
		while (!leftovers_.compare_exchange_weak(
			first, node, std::memory_order_release,
			std::memory_order_relaxed));
	}

	registry_lock lock_;
	std::atomic<deferred *> leftovers_;
	registered *list_;
};

/* The library is done with a notifier or an allocator. */
inline void released(registered *node) noexcept
{
	node->owner.load(std::memory_order_relaxed)->remove(node);
	node->drop();
}

#ifndef IOASID_NO_NOTIFIERS
template <typename Told>
struct notifier_node final : registered, ioasid_notifier {
	template <typename F>
	notifier_node(core *at, int order, F &&f)
		: registered(at, unregister, destroy), ioasid_notifier(),
		  told(std::forward<F>(f))
	{
		this->notify = call;
		this->release = end;
		this->priority = order;
	}

	static void call(ioasid_notifier *base,
			 const ioasid_notice *notice) noexcept
	{
		static_cast<notifier_node *>(base)->told(*notice);
	}

	static void end(ioasid_notifier *base) noexcept
	{
		detail::released(static_cast<notifier_node *>(base));
	}

	static int unregister(registered *base, int)
	{
		core *at = base->owner.load(std::memory_order_acquire);

		return ioasid_space_unregister_notifier(
			at->space, static_cast<notifier_node *>(base));
	}

	static void destroy(registered *base)
	{
		delete static_cast<notifier_node *>(base);
	}

	Told told;
};
#endif

#ifndef IOASID_NO_ALLOCATORS
/* An ID of what a callable gives: a number, or something optional. */
template <typename R> ioasid_t id_of(const R &given) noexcept
{
	if constexpr (std::is_convertible_v<R, ioasid_t>)
		return static_cast<ioasid_t>(given);
	else
		return given ? static_cast<ioasid_t>(*given) : invalid_id;
}

template <typename Alloc, typename Free>
struct allocator_node final : registered, ioasid_allocator_ops {
	template <typename A, typename F>
	allocator_node(core *at, A &&alloc_id, F &&free_id)
		: registered(at, unregister, destroy), ioasid_allocator_ops(),
		  alloc_call(std::forward<A>(alloc_id)),
		  free_call(std::forward<F>(free_id))
	{
		this->alloc = call_alloc;
		this->free = call_free;
		this->pdata = this;
		this->release = end;
	}

	static ioasid_t call_alloc(ioasid_t min, ioasid_t max,
				   void *data) noexcept
	{
		return detail::id_of(
			static_cast<allocator_node *>(data)->alloc_call(min,
									max));
	}

	static void call_free(ioasid_t id, void *data) noexcept
	{
		static_cast<allocator_node *>(data)->free_call(id);
	}

	static void end(ioasid_allocator_ops *base) noexcept
	{
		detail::released(static_cast<allocator_node *>(base));
	}

	static int unregister(registered *base, int mode)
	{
		core *at = base->owner.load(std::memory_order_acquire);
		const int ret = ioasid_space_unregister_allocator(
			at->space, static_cast<allocator_node *>(base),
			static_cast<ioasid_unregister>(mode));

		/* One without IDs is the caller's, without its release. */
		if (!ret)
			detail::released(base);
		return ret;
	}

	static void destroy(registered *base)
	{
		delete static_cast<allocator_node *>(base);
	}

	Alloc alloc_call;
	Free free_call;
};
#endif

} // namespace detail

#if !defined(IOASID_NO_NOTIFIERS) || !defined(IOASID_NO_ALLOCATORS)
/** unregister - an allocator with IDs in use stays (busy), or hands out no more */
enum class unregister { idle, keep };

/**
 * registration - a callable that a space calls, until this ends
 *
 * May end after its space. Not used by two threads at once; may be ended by the
 * callable itself. Registrations take a lock of the binding's besides: a child of
 * fork() makes and ends none if another thread was at one then.
 */
class registration {
public:
	/** registration - of nothing */
	registration() noexcept : node_(nullptr)
	{
	}

	explicit registration(detail::registered *node) noexcept : node_(node)
	{
	}

	registration(registration &&other) noexcept
		: node_(std::exchange(other.node_, nullptr))
	{
	}

	registration &operator=(registration &&other) noexcept
	{
		if (this != &other) {
			/* To end last: it may have @other. */
			const registration before(std::move(*this));

			node_ = std::exchange(other.node_, nullptr);
		}
		return *this;
	}

	registration(const registration &) = delete;
	registration &operator=(const registration &) = delete;

	/**
	 * ~registration - no new calls begin
	 *
	 * Those that run on other threads are not waited for: the callable is
	 * destroyed after the last of them. An allocator goes as by
	 * unregister::keep; where that is refused (within a callback of an
	 * allocator) it stays registered until the space ends.
	 */
	~registration()
	{
		end();
	}

	explicit operator bool() const noexcept
	{
		return node_ != nullptr;
	}

	/**
	 * close - no new calls from here on
	 * @mode: for an allocator
	 *
	 * Context: as ioasid_space_unregister_notifier() or _allocator().
	 * Return: true if the callable is destroyed, or the space was before;
	 * false if it will be when its running calls have returned and its IDs
	 * have been handed back; not_found it was unregistered, as its set was
	 * destroyed; else as there, and nothing has changed.
	 */
	result<bool> close(unregister mode = unregister::keep) noexcept
	{
		int ret = 0;

		if (!node_)
			return errc::not_found;
		if (node_->owner.load(std::memory_order_acquire))
			ret = node_->unregister_call(
				node_, mode == unregister::keep ? 1 : 0);
		if (ret < 0 && ret != -ENOENT)
			return detail::error_of(ret);
		std::exchange(node_, nullptr)->drop();
		if (ret < 0)
			return detail::error_of(ret);
		return ret == 0;
	}

	/** detach - it stays registered until its set or space ends */
	void detach() noexcept
	{
		if (node_)
			std::exchange(node_, nullptr)->drop();
	}

private:
	void end() noexcept
	{
		if (node_ && !close())
			detach();
	}

	detail::registered *node_;
};
#endif

/**
 * unique_id - an ID that is freed at the end of its scope
 *
 * Frees the use of the ID that it was made for and no later one, should that
 * have ended otherwise. It must not outlive the space.
 */
class unique_id {
public:
	/** unique_id - of nothing */
	unique_id() noexcept : core_(nullptr), use_()
	{
	}

	unique_id(detail::core &core, handle use) noexcept
		: core_(&core), use_(use)
	{
	}

	unique_id(unique_id &&other) noexcept
		: core_(std::exchange(other.core_, nullptr)), use_(other.use_)
	{
	}

	unique_id &operator=(unique_id &&other) noexcept
	{
		if (this != &other) {
			/* To end last: it may have @other. */
			const unique_id before(std::move(*this));

			core_ = std::exchange(other.core_, nullptr);
			use_ = other.use_;
		}
		return *this;
	}

	unique_id(const unique_id &) = delete;
	unique_id &operator=(const unique_id &) = delete;

	~unique_id()
	{
		static_cast<void>(free());
	}

	explicit operator bool() const noexcept
	{
		return core_ != nullptr;
	}

	ioasid_t id() const noexcept
	{
		return use_.id();
	}

	handle use() const noexcept
	{
		return use_;
	}

	/**
	 * free - free it now
	 *
	 * Context: as ioasid_space_free_handle().
	 * Return: as there; it is not this object's any more in any case.
	 */
	result<void> free() noexcept
	{
		detail::core *core = std::exchange(core_, nullptr);

		if (!core || !core->space)
			return errc::not_found;
		return detail::status(core->free_handle(*core, use_.value()));
	}

	/** release - leave the ID to the caller */
	ioasid_t release() noexcept
	{
		core_ = nullptr;
		return use_.id();
	}

private:
	detail::core *core_;
	handle use_;
};

/**
 * reservation - an ID that nobody finds yet
 *
 * Released at the end of its scope unless it was published, see publish() of
 * the space. It must not outlive the space.
 */
class reservation {
public:
	reservation(detail::core &core, ioasid_t id) noexcept
		: core_(&core), id_(id)
	{
	}

	reservation(reservation &&other) noexcept
		: core_(std::exchange(other.core_, nullptr)), id_(other.id_)
	{
	}

	reservation &operator=(reservation &&other) noexcept
	{
		if (this != &other) {
			static_cast<void>(release());
			core_ = std::exchange(other.core_, nullptr);
			id_ = other.id_;
		}
		return *this;
	}

	reservation(const reservation &) = delete;
	reservation &operator=(const reservation &) = delete;

	~reservation()
	{
		static_cast<void>(release());
	}

	explicit operator bool() const noexcept
	{
		return core_ != nullptr;
	}

	ioasid_t id() const noexcept
	{
		return id_;
	}

	/** release - give it back now, as ioasid_space_release_id() */
	result<void> release() noexcept
	{
		detail::core *core = std::exchange(core_, nullptr);

		if (!core || !core->space)
			return errc::not_found;
		return detail::status(
			ioasid_space_release_id(core->space, id_));
	}

	/** detach - leave it to the caller, who knows its ID */
	ioasid_t detach() noexcept
	{
		core_ = nullptr;
		return id_;
	}

private:
	detail::core *core_;
	ioasid_t id_;
};

/**
 * id_reference - keeps an ID from being handed out again
 *
 * Not what it was given from being destroyed: that is found in read sections,
 * while the ID is live. Put at the end of its scope, on any thread. It must not
 * outlive the space.
 */
class id_reference {
public:
	id_reference(detail::core &core, ioasid_t id) noexcept
		: core_(&core), id_(id)
	{
	}

	id_reference(id_reference &&other) noexcept
		: core_(std::exchange(other.core_, nullptr)), id_(other.id_)
	{
	}

	id_reference &operator=(id_reference &&other) noexcept
	{
		if (this != &other) {
			static_cast<void>(put());
			core_ = std::exchange(other.core_, nullptr);
			id_ = other.id_;
		}
		return *this;
	}

	id_reference(const id_reference &) = delete;
	id_reference &operator=(const id_reference &) = delete;

	~id_reference()
	{
		static_cast<void>(put());
	}

	explicit operator bool() const noexcept
	{
		return core_ != nullptr;
	}

	ioasid_t id() const noexcept
	{
		return id_;
	}

	/** detach - leave it to the caller, who knows the ID */
	ioasid_t detach() noexcept
	{
		core_ = nullptr;
		return id_;
	}

	/** put - drop it now, as ioasid_space_put(); true: it was the last */
	result<bool> put() noexcept
	{
		detail::core *core = std::exchange(core_, nullptr);

		if (!core || !core->space)
			return errc::not_found;
		const int ret = ioasid_space_put(core->space, id_);

		if (ret < 0)
			return detail::error_of(ret);
		return ret == 1;
	}

private:
	detail::core *core_;
	ioasid_t id_;
};

IOASID_CPP_END

#endif // IOASID_CPP_CORE_HPP
