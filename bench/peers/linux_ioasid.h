/* SPDX-License-Identifier: MIT */
#ifndef BENCH_PEERS_LINUX_IOASID_H
#define BENCH_PEERS_LINUX_IOASID_H

/* Linux 6.1's drivers/iommu/ioasid.c on its XArray; see linux/. */

#include "bench/peers/linux/linux_ioasid.h"
#include "bench/peers/peer.h"

namespace bench {

class LinuxIoasid {
public:
	static constexpr const char *NAME = "linux_ioasid";
	static constexpr bool ALLOCATES = true;
	static constexpr bool ANY_ID = true;
	static constexpr bool COMPACT = false;
	static constexpr bool KNOWS_VACANT = true;
	static constexpr bool SINGLE = true;

	LinuxIoasid(uint32_t, size_t) : set_(linux_ioasid_set_new())
	{
		if (!set_)
			die("linux_ioasid_set_new failed");
	}

	~LinuxIoasid()
	{
		linux_ioasid_reset();
		std::free(set_);
	}

	LinuxIoasid(const LinuxIoasid &) = delete;
	LinuxIoasid &operator=(const LinuxIoasid &) = delete;

	struct Thread {
		explicit Thread(LinuxIoasid &)
		{
			linux_ioasid_thread_register();
		}
		~Thread()
		{
			linux_ioasid_thread_unregister();
		}
	};

	bool insert(uint32_t id, void *data)
	{
		return linux_ioasid_alloc(set_, id, id, data) == id;
	}

	bool alloc(uint32_t min, uint32_t max, void *data, uint32_t *id)
	{
		*id = linux_ioasid_alloc(set_, min, max, data);
		return *id != LINUX_IOASID_INVALID;
	}

	bool erase(uint32_t id)
	{
		linux_ioasid_free(id);
		return true;
	}

	BENCH_INLINE bool find(uint32_t id, void **data)
	{
		*data = linux_ioasid_find(set_, id, nullptr);
		return reinterpret_cast<uintptr_t>(*data) <
		       static_cast<uintptr_t>(-4095);
	}

	void quiescent()
	{
		linux_ioasid_thread_quiescent();
	}

	void drain()
	{
		linux_ioasid_barrier();
	}

private:
	void *set_;
};

} // namespace bench

#endif
