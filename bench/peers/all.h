/* SPDX-License-Identifier: MIT */
#ifndef BENCH_PEERS_ALL_H
#define BENCH_PEERS_ALL_H

/* Every implementation this build has. */

#include "bench/peers/ioasid.h"
#include "bench/peers/raw_array.h"
#include "bench/peers/rwlock_map.h"

#ifdef HAVE_LINUX_IOASID
#include "bench/peers/linux_ioasid.h"
#endif
#ifdef HAVE_LIBURCU
#include "bench/peers/urcu_lfht.h"
#endif
#ifdef HAVE_CK
#include "bench/peers/ck_ht.h"
#endif
#ifdef HAVE_TBB
#include "bench/peers/tbb_hash.h"
#endif

namespace bench {

template <class Peer> struct Of {
	using type = Peer;
};

/* Calls visit(Of<Peer>) for each; says which ones are left out. */
template <class Visit> void for_each_peer(Visit visit)
{
	visit(Of<RawArray>());
	visit(Of<Bitmap>());
	visit(Of<BitmapEpoch>());
	visit(Of<Radix>());
	visit(Of<RadixEpoch>());
	visit(Of<Hash>());
	visit(Of<HashEpoch>());
#ifdef HAVE_LINUX_IOASID
	visit(Of<LinuxIoasid>());
#else
	std::fprintf(stderr, "linux_ioasid left out: built without the "
			     "kernel's source (package linux-source-6.1)\n");
#endif
#ifdef HAVE_LIBURCU
	visit(Of<UrcuLfht>());
#else
	std::fprintf(stderr, "urcu_lfht left out: built without liburcu "
			     "(package liburcu-dev)\n");
#endif
#ifdef HAVE_CK
	visit(Of<CkHt>());
#else
	std::fprintf(stderr, "ck_ht left out: built without Concurrency Kit "
			     "(package libck-dev)\n");
#endif
#ifdef HAVE_TBB
	visit(Of<TbbHash>());
#else
	std::fprintf(stderr, "tbb_hash left out: built without oneTBB "
			     "(package libtbb-dev)\n");
#endif
	visit(Of<RwlockMap>());
}

} // namespace bench

#endif
