// SPDX-License-Identifier: MIT
#ifndef IOASID_CPP_DOMAIN_HPP
#define IOASID_CPP_DOMAIN_HPP

/*
 * RCU domains: who waits for which readers. Most programs need none of this but
 * synchronize() and defer() of the domain that a space made for itself.
 */

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include <ioasid/cpp/error.hpp>
#include <ioasid/rcu.h>

IOASID_CPP_BEGIN

/** flavour - see enum ioasid_rcu_flavour */
enum class flavour {
	epoch = IOASID_RCU_EPOCH,
	qsbr = IOASID_RCU_QSBR,
	none = IOASID_RCU_NONE,
	custom = IOASID_RCU_CUSTOM
};

namespace detail {

/*
 * What is called after a grace period. The library knows it by its base, which
 * a static_cast leads back from.
 */
struct deferred : ioasid_rcu_head {
	explicit deferred(void (*call)(deferred *)) noexcept
		: ioasid_rcu_head(), run(call), after(nullptr)
	{
	}

	void (*run)(deferred *);
	deferred *after;
};

inline void run_deferred(ioasid_rcu_head *head) noexcept
{
	deferred *self = static_cast<deferred *>(head);

	self->run(self);
}

template <typename F> struct deferred_call final : deferred {
	template <typename G>
	explicit deferred_call(G &&g)
		: deferred(call), callable(std::forward<G>(g))
	{
	}

	static void call(deferred *base)
	{
		const std::unique_ptr<deferred_call> self(
			static_cast<deferred_call *>(base));

		self->callable();
	}

	F callable;
};

} // namespace detail

/**
 * domain_ref - a domain that somebody else keeps
 *
 * Copied freely. Refers to no domain if it was made from none; only operator
 * bool may be asked then.
 */
class domain_ref {
public:
	constexpr domain_ref() noexcept : rcu_(nullptr)
	{
	}

	constexpr explicit domain_ref(ioasid_rcu *rcu) noexcept : rcu_(rcu)
	{
	}

	/** native - for calls of C; at once */
	constexpr ioasid_rcu *native() const noexcept
	{
		return rcu_;
	}

	constexpr explicit operator bool() const noexcept
	{
		return rcu_ != nullptr;
	}

	/** synchronize - waits, as ioasid_rcu_synchronize() */
	result<void> synchronize() const noexcept
	{
		return detail::status(ioasid_rcu_synchronize(rcu_));
	}

	/** barrier - waits, as ioasid_rcu_barrier() */
	result<void> barrier() const noexcept
	{
		return detail::status(ioasid_rcu_barrier(rcu_));
	}

	/**
	 * defer - call @func() after a grace period
	 * @func: moved into memory of its own; must not throw
	 *
	 * Context: as ioasid_rcu_defer(). In a read section it never waits.
	 * Return: as there; no_memory. On error @func is not called, and as it
	 * was if that is an lvalue.
	 */
	template <typename F> result<void> defer(F &&func) const
	{
		using call = detail::deferred_call<std::decay_t<F>>;
		std::unique_ptr<call> node(new (std::nothrow)
						   call(std::forward<F>(func)));

		if (!node)
			return errc::no_memory;
		const int ret = ioasid_rcu_defer(rcu_, node.get(),
						 detail::run_deferred);

		if (!ret)
			node.release();
		return detail::status(ret);
	}

	/** start_poll - as ioasid_rcu_start_poll() */
	std::uint64_t start_poll() const noexcept
	{
		return ioasid_rcu_start_poll(rcu_);
	}

	/** poll - never waits, as ioasid_rcu_poll() */
	bool poll(std::uint64_t cookie) const noexcept
	{
		return ioasid_rcu_poll(rcu_, cookie);
	}

	/** pending - deferred functions not yet called; at once */
	std::size_t pending() const noexcept
	{
		return ioasid_rcu_pending(rcu_);
	}

	/** stats - as ioasid_rcu_stats() */
	ioasid_domain_stats stats() const noexcept
	{
		ioasid_domain_stats stats;

		ioasid_rcu_stats(rcu_, &stats);
		return stats;
	}

	/** reading - is this thread in a section? ioasid_rcu_read_held() */
	bool reading() const noexcept
	{
		return ioasid_rcu_read_held(rcu_);
	}

	/** check_reader - may it read? not_permitted: no. At once */
	result<void> check_reader() const noexcept
	{
		return detail::status(ioasid_rcu_check_reader(rcu_));
	}

	/** quiescent - no pointer found before is in use (qsbr); at once */
	result<void> quiescent() const noexcept
	{
		return detail::status(ioasid_rcu_quiescent(rcu_));
	}

	friend constexpr bool operator==(domain_ref a, domain_ref b) noexcept
	{
		return a.rcu_ == b.rcu_;
	}

	friend constexpr bool operator!=(domain_ref a, domain_ref b) noexcept
	{
		return a.rcu_ != b.rcu_;
	}

private:
	ioasid_rcu *rcu_;
};

/** domain_config - as struct ioasid_rcu_config, which says what each is */
struct domain_config {
	ioasid::flavour flavour = ioasid::flavour::epoch;
	const ioasid_rcu_ops *ops = nullptr;
	void *ops_context = nullptr;
	ioasid_memory memory = {};
	std::size_t pending_limit = 0;
	std::size_t retired_limit = 0;
	bool reclaimer = false;
	bool no_membarrier = false;
};

/**
 * domain - a domain that lives as long as this
 *
 * To be shared by spaces, all of which end before.
 */
class domain {
public:
	/** create - as ioasid_rcu_create() */
	static result<domain> create(const domain_config &config = {}) noexcept
	{
		ioasid_rcu_config c = {};
		ioasid_rcu *rcu = nullptr;

		c.flavour = static_cast<ioasid_rcu_flavour>(config.flavour);
		c.ops = config.ops;
		c.ops_context = config.ops_context;
		c.memory = config.memory;
		c.pending_limit = config.pending_limit;
		c.retired_limit = config.retired_limit;
		c.reclaimer = config.reclaimer;
		c.no_membarrier = config.no_membarrier;
		const int ret = ioasid_rcu_create(&c, &rcu);

		if (ret)
			return detail::error_of(ret);
		return domain(rcu);
	}

#if IOASID_CPP_EXCEPTIONS
	/** domain - as create(), but throws std::system_error */
	explicit domain(const domain_config &config = {})
		: domain(create(config).value())
	{
	}
#endif

	domain(domain &&other) noexcept
		: rcu_(std::exchange(other.rcu_, nullptr))
	{
	}

	domain &operator=(domain &&other) noexcept
	{
		if (this != &other) {
			end();
			rcu_ = std::exchange(other.rcu_, nullptr);
		}
		return *this;
	}

	domain(const domain &) = delete;
	domain &operator=(const domain &) = delete;

	/**
	 * ~domain - close(), which nobody is told the result of
	 *
	 * A space that still uses it, or a section around, ends the program; a
	 * domain whose grace periods are impossible stays for good.
	 */
	~domain()
	{
		end();
	}

	/**
	 * close - end it now
	 *
	 * Context: waits, as ioasid_rcu_destroy().
	 * Return: as there; on error it is there as before.
	 */
	result<void> close() noexcept
	{
		const int ret = ioasid_rcu_destroy(rcu_);

		if (!ret)
			rcu_ = nullptr;
		return detail::status(ret);
	}

	operator domain_ref() const noexcept
	{
		return domain_ref(rcu_);
	}

	/** ref - what can be done with it */
	domain_ref ref() const noexcept
	{
		return domain_ref(rcu_);
	}

	ioasid_rcu *native() const noexcept
	{
		return rcu_;
	}

private:
	explicit domain(ioasid_rcu *rcu) noexcept : rcu_(rcu)
	{
	}

	void end() noexcept
	{
		const errc error = close().error();

		detail::check(error != errc::busy &&
				      error != errc::would_deadlock,
			      "domain ends while it is in use");
	}

	ioasid_rcu *rcu_;
};

/**
 * registered_thread - the calling thread is known to a domain
 *
 * Required with qsbr before the first lookup; else it only moves the cost of a
 * thread's first. Ends on the thread that made it, before that ends.
 */
class registered_thread {
public:
	/** create - as ioasid_rcu_thread_register() */
	static result<registered_thread> create(domain_ref domain) noexcept
	{
		const int ret = ioasid_rcu_thread_register(domain.native());

		if (ret)
			return detail::error_of(ret);
		return registered_thread(domain);
	}

	registered_thread(registered_thread &&other) noexcept
		: domain_(std::exchange(other.domain_, domain_ref()))
	{
	}

	registered_thread &operator=(registered_thread &&) = delete;
	registered_thread(const registered_thread &) = delete;
	registered_thread &operator=(const registered_thread &) = delete;

	/** ~registered_thread - in a read section it stays registered */
	~registered_thread()
	{
		if (domain_)
			ioasid_rcu_thread_unregister(domain_.native());
	}

private:
	explicit registered_thread(domain_ref domain) noexcept : domain_(domain)
	{
	}

	domain_ref domain_;
};

/**
 * offline_section - while it lives a thread of qsbr takes no part
 *
 * For long sleeps: no lookups inside, no pointer found before is in use. Not
 * inside a read section. On a thread that is registered; nothing to do in other
 * flavours. At once.
 */
class offline_section {
public:
	explicit offline_section(domain_ref domain) noexcept : domain_(domain)
	{
		ioasid_rcu_thread_offline(domain_.native());
	}

	offline_section(const offline_section &) = delete;
	offline_section &operator=(const offline_section &) = delete;

	~offline_section()
	{
		ioasid_rcu_thread_online(domain_.native());
	}

private:
	domain_ref domain_;
};

IOASID_CPP_END

#endif // IOASID_CPP_DOMAIN_HPP
