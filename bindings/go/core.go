// SPDX-License-Identifier: MIT

package ioasid

/*
#cgo CFLAGS: -std=gnu11 -DIOASID_NAMESPACE=goioasid -DIOASID_NO_ALLOCATORS
#cgo CFLAGS: -DIOASID_NO_NOTIFIERS -DIOASID_NO_CUSTOM_STORE
#cgo LDFLAGS: -lpthread
#include <stdlib.h>
#include "glue.h"
*/
import "C"

import (
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
)

// core is the C side of a Space, which a late call finds closed rather than
// freed: the finalizer frees it when no method can be running. That is all there
// is to finalizers here; values go by grace periods, and a space by Close.
type core struct {
	c C.uintptr_t
	// serial numbers of sets
	serial atomic.Uint64
}

// setCore is the C side of a Set. Its finalizer runs before that of its core.
type setCore struct {
	c      C.uintptr_t
	serial uint64
	core   *core
}

// dropped counts the spaces and sets whose C side was freed.
var dropped atomic.Int64

// result is what most calls of C answer: 0, 1, a token, or a negative errno, and
// one number more.
type result struct {
	ret   int64
	extra uint64
	id    ID
}

func newCore(config *Config) (*core, error) {
	if config.Store > Hash || config.Reuse > Cyclic {
		return nil, ErrInvalid
	}
	name, err := cString(config.Name)
	if err != nil {
		return nil, err
	}
	defer C.free(unsafe.Pointer(name))
	c := C.struct_goioasid_config{
		min:        C.uint32_t(config.Min),
		max:        C.uint32_t(config.Max),
		store:      C.uint32_t(config.Store),
		reuse:      C.uint32_t(config.Reuse),
		capacity:   C.uint32_t(config.Capacity),
		quarantine: cBool(config.Quarantine),
		huge_pages: cBool(config.HugePages),
		hash_seed:  C.uint64_t(config.HashSeed),
		name:       name,
	}
	made := &core{}
	if ret := C.goioasid_create(&c, &made.c); ret != 0 {
		return nil, errorOf(int64(ret))
	}
	runtime.SetFinalizer(made, func(c *core) {
		C.goioasid_drop(c.c)
		dropped.Add(1)
	})
	return made, nil
}

// newSet makes a set that is bound to no space yet.
func (c *core) newSet() *setCore {
	set := &setCore{serial: c.serial.Add(1), core: c}
	set.c = C.goioasid_set_alloc(C.uint64_t(set.serial))
	if set.c == 0 {
		panic("ioasid: no memory for a set")
	}
	runtime.SetFinalizer(set, func(set *setCore) {
		C.goioasid_set_drop(set.core.c, set.c)
		runtime.KeepAlive(set.core)
		dropped.Add(1)
	})
	return set
}

func (set *setCore) pointer() C.uintptr_t {
	if set == nil {
		return 0
	}
	return set.c
}

// cString is nil for an empty string, which C.free takes.
func cString(s string) (*C.char, error) {
	if s == "" {
		return nil, nil
	}
	for i := 0; i < len(s); i++ {
		if s[i] == 0 {
			return nil, ErrInvalid
		}
	}
	return C.CString(s), nil
}

func cBool(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

func resultOf(r C.struct_goioasid_result) result {
	return result{int64(r.ret), uint64(r.extra), ID(r.id)}
}

func (c *core) find(set *setCore, id ID) int64 {
	token := C.goioasid_find(c.c, set.pointer(), C.uint32_t(id))
	runtime.KeepAlive(c)
	runtime.KeepAlive(set)
	return int64(token)
}

// findToExchange is the token of an ID whose value is to be exchanged, waiting or not.
func (c *core) findToExchange(id ID, waits bool) int64 {
	token := C.goioasid_find_to_exchange(c.c, C.uint32_t(id), cBool(waits))
	runtime.KeepAlive(c)
	return int64(token)
}

func (c *core) findHandle(set *setCore, handle Handle) int64 {
	token := C.goioasid_find_handle(c.c, set.pointer(), C.uint64_t(handle))
	runtime.KeepAlive(c)
	runtime.KeepAlive(set)
	return int64(token)
}

// batch is how many IDs one call of C is given at once.
const batch = 256

// scratch is the memory that batches of IDs and tokens pass through: C is not
// given variables of a goroutine's stack.
type scratch struct {
	ids    [batch]ID
	tokens [batch]int64
	next   ID
	done   C.int
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// findMany fills in tokens, or negative errnos, for at most a batch of IDs.
func (c *core) findMany(set *setCore, ids []ID, s *scratch) int64 {
	ret := C.goioasid_find_many(c.c, set.pointer(),
		(*C.uint32_t)(&ids[0]), (*C.int64_t)(&s.tokens[0]),
		C.size_t(len(ids)))
	runtime.KeepAlive(c)
	runtime.KeepAlive(set)
	return int64(ret)
}

func (c *core) handle(set *setCore, id ID) result {
	r := C.goioasid_handle(c.c, set.pointer(), C.uint32_t(id))
	runtime.KeepAlive(c)
	runtime.KeepAlive(set)
	return resultOf(r)
}

func (c *core) findSPID(set *setCore, spid ID) result {
	r := C.goioasid_spid_find(c.c, set.pointer(), C.uint32_t(spid))
	runtime.KeepAlive(c)
	runtime.KeepAlive(set)
	return resultOf(r)
}

func (c *core) readLock() int64 {
	return int64(C.goioasid_read_lock(c.c))
}

func (c *core) readUnlock() {
	C.goioasid_read_unlock(c.c)
	runtime.KeepAlive(c)
}

func (c *core) readerFind(set *setCore, id ID) int64 {
	token := C.goioasid_reader_find(c.c, set.pointer(), C.uint32_t(id))
	runtime.KeepAlive(c)
	runtime.KeepAlive(set)
	return int64(token)
}

func (c *core) readerFindHandle(set *setCore, handle Handle) int64 {
	token := C.goioasid_reader_find_handle(c.c, set.pointer(),
		C.uint64_t(handle))
	runtime.KeepAlive(c)
	runtime.KeepAlive(set)
	return int64(token)
}

func (c *core) alloc(set *setCore, min, max ID, token uint64) result {
	r := C.goioasid_alloc(c.c, set.pointer(), C.uint32_t(min),
		C.uint32_t(max), C.uint64_t(token))
	runtime.KeepAlive(c)
	runtime.KeepAlive(set)
	return resultOf(r)
}

func (c *core) allocCyclic(set *setCore, min, max ID, token uint64, next *ID) result {
	r := C.goioasid_alloc_cyclic(c.c, set.pointer(), C.uint32_t(min),
		C.uint32_t(max), C.uint64_t(token), (*C.uint32_t)(next))
	runtime.KeepAlive(c)
	runtime.KeepAlive(set)
	return resultOf(r)
}

func (c *core) reserveID(set *setCore, min, max ID) result {
	r := C.goioasid_reserve_id(c.c, set.pointer(), C.uint32_t(min),
		C.uint32_t(max))
	runtime.KeepAlive(c)
	runtime.KeepAlive(set)
	return resultOf(r)
}

func (c *core) publishID(id ID, token uint64) int64 {
	ret := C.goioasid_publish_id(c.c, C.uint32_t(id), C.uint64_t(token))
	runtime.KeepAlive(c)
	return int64(ret)
}

func (c *core) releaseID(id ID) int64 {
	ret := C.goioasid_release_id(c.c, C.uint32_t(id))
	runtime.KeepAlive(c)
	return int64(ret)
}

func (c *core) remove(set *setCore, id ID) result {
	r := C.goioasid_remove(c.c, set.pointer(), C.uint32_t(id))
	runtime.KeepAlive(c)
	runtime.KeepAlive(set)
	return resultOf(r)
}

func (c *core) freeHandle(handle Handle) result {
	r := C.goioasid_free_handle(c.c, C.uint64_t(handle))
	runtime.KeepAlive(c)
	return resultOf(r)
}

// freeSome frees up to a batch of IDs from s.next on.
func (c *core) freeSome(set *setCore, s *scratch) (r result, done bool) {
	r = resultOf(C.goioasid_free_some(c.c, set.pointer(),
		(*C.uint32_t)(&s.next), (*C.int64_t)(&s.tokens[0]), batch,
		&s.done))
	runtime.KeepAlive(c)
	runtime.KeepAlive(set)
	return r, s.done != 0
}

func (c *core) get(set *setCore, id ID) result {
	r := C.goioasid_get(c.c, set.pointer(), C.uint32_t(id))
	runtime.KeepAlive(c)
	runtime.KeepAlive(set)
	return resultOf(r)
}

func (c *core) getHandle(set *setCore, handle Handle) int64 {
	ret := C.goioasid_get_handle(c.c, set.pointer(), C.uint64_t(handle))
	runtime.KeepAlive(c)
	runtime.KeepAlive(set)
	return int64(ret)
}

// put also says which token's ID has ended with the reference, 0 for none.
func (c *core) put(id ID) (ret int64, token, cookie uint64) {
	r := C.goioasid_put(c.c, C.uint32_t(id))
	runtime.KeepAlive(c)
	return int64(r.ret), uint64(r.token), uint64(r.cookie)
}

// next fills in the first live IDs of a range and their tokens.
func (c *core) next(set *setCore, min, max ID, places int, s *scratch) int64 {
	ret := C.goioasid_next(c.c, set.pointer(), C.uint32_t(min),
		C.uint32_t(max), (*C.uint32_t)(&s.ids[0]),
		(*C.int64_t)(&s.tokens[0]), C.size_t(places))
	runtime.KeepAlive(c)
	runtime.KeepAlive(set)
	return int64(ret)
}

func (c *core) close() int64 {
	ret := C.goioasid_close(c.c)
	runtime.KeepAlive(c)
	return int64(ret)
}

// synchronize is for spaces that are not closed, or for others as well.
func (c *core) synchronize(closed bool) int64 {
	ret := C.goioasid_synchronize(c.c, cBool(closed))
	runtime.KeepAlive(c)
	return int64(ret)
}

func (c *core) barrier() int64 {
	ret := C.goioasid_barrier(c.c)
	runtime.KeepAlive(c)
	return int64(ret)
}

func (c *core) poll(cookie uint64) bool {
	passed := C.goioasid_poll(c.c, C.uint64_t(cookie))
	runtime.KeepAlive(c)
	return passed != 0
}

func (c *core) setCapacity(count uint32) int64 {
	ret := C.goioasid_set_capacity(c.c, C.uint32_t(count))
	runtime.KeepAlive(c)
	return int64(ret)
}

func (c *core) reserve(count uint32) int64 {
	ret := C.goioasid_reserve(c.c, C.uint32_t(count))
	runtime.KeepAlive(c)
	return int64(ret)
}

func (c *core) unreserve(count uint32) int64 {
	ret := C.goioasid_unreserve(c.c, C.uint32_t(count))
	runtime.KeepAlive(c)
	return int64(ret)
}

func (c *core) stats(stats *Stats) int64 {
	var from C.struct_ioasid_stats
	ret := C.goioasid_stats(c.c, &from)
	runtime.KeepAlive(c)
	*stats = Stats{
		Live:        uint32(from.live),
		Pending:     uint32(from.pending),
		Unpublished: uint32(from.unpublished),
		Quarantined: uint32(from.quarantined),
		Sets:        uint32(from.sets),
		Capacity:    uint32(from.capacity),
		Committed:   uint32(from.committed),
		Reserved:    uint32(from.reserved),
		Allocs:      uint64(from.allocs),
		Frees:       uint64(from.frees),
		AllocFailed: uint64(from.alloc_failed),
		FreeUnknown: uint64(from.free_unknown),
		Memory:      uint64(from.memory),
	}
	return int64(ret)
}

func (c *core) trim() result {
	r := C.goioasid_trim(c.c)
	runtime.KeepAlive(c)
	return resultOf(r)
}

func (c *core) validate() (ret int64, reason string) {
	var what *C.char
	ret = int64(C.goioasid_validate(c.c, &what))
	if ret == 1 {
		reason = C.GoString(what)
	}
	runtime.KeepAlive(c)
	return ret, reason
}

func (c *core) dump() (text []byte, ret int64) {
	lines := C.goioasid_dump(c.c)
	runtime.KeepAlive(c)
	defer C.free(unsafe.Pointer(lines.text))
	text = append(text, unsafe.Slice((*byte)(unsafe.Pointer(lines.text)),
		int(lines.size))...)
	return text, int64(lines.ret)
}

func (c *core) bindSet(set *setCore, config *SetConfig) int64 {
	name, err := cString(config.Name)
	if err != nil {
		return -int64(errnoOf(err))
	}
	defer C.free(unsafe.Pointer(name))
	ret := C.goioasid_set_bind(c.c, set.c, name, C.uint64_t(config.Token),
		C.uint32_t(config.Quota), C.uint32_t(config.Reserved))
	runtime.KeepAlive(c)
	runtime.KeepAlive(set)
	return int64(ret)
}

func (c *core) destroySet(set *setCore) int64 {
	ret := C.goioasid_set_destroy(c.c, set.c)
	runtime.KeepAlive(c)
	runtime.KeepAlive(set)
	return int64(ret)
}

func (c *core) limitSet(set *setCore, quota, reserved uint32) int64 {
	ret := C.goioasid_set_limit(c.c, set.c, C.uint32_t(quota),
		C.uint32_t(reserved))
	runtime.KeepAlive(c)
	runtime.KeepAlive(set)
	return int64(ret)
}

func (c *core) setStats(set *setCore, stats *SetStats) int64 {
	var info C.struct_ioasid_set_info
	ret := C.goioasid_set_stats(c.c, set.c, &info)
	runtime.KeepAlive(c)
	runtime.KeepAlive(set)
	*stats = SetStats{
		Name:     C.GoString(&info.name[0]),
		Token:    uint64(uintptr(info.token)),
		Quota:    uint32(info.quota),
		Reserved: uint32(info.reserved),
		Count:    uint32(info.count),
		SPIDs:    uint32(info.spids),
	}
	return int64(ret)
}

func (c *core) setByToken(token uint64) result {
	r := C.goioasid_set_by_token(c.c, C.uint64_t(token))
	runtime.KeepAlive(c)
	return resultOf(r)
}

func (c *core) setOf(id ID) result {
	r := C.goioasid_set_of(c.c, C.uint32_t(id))
	runtime.KeepAlive(c)
	return resultOf(r)
}

func (c *core) attachSPID(id, spid ID) int64 {
	ret := C.goioasid_spid_attach(c.c, C.uint32_t(id), C.uint32_t(spid))
	runtime.KeepAlive(c)
	return int64(ret)
}

func (c *core) detachSPID(id ID) int64 {
	ret := C.goioasid_spid_detach(c.c, C.uint32_t(id))
	runtime.KeepAlive(c)
	return int64(ret)
}

func (c *core) spidOf(id ID) result {
	r := C.goioasid_spid_of(c.c, C.uint32_t(id))
	runtime.KeepAlive(c)
	return resultOf(r)
}

// inCodec tells whether a codec is being called on this thread, which during
// such a call is the goroutine's own.
func inCodec() bool {
	return C.goioasid_in_codec() != 0
}

// nothing is a call of C that does nothing, and cTimeFind a loop of lookups in
// C: what benchmarks compare with.
func (c *core) nothing(id ID) int64 {
	ret := C.goioasid_nothing(c.c, 0, C.uint32_t(id))
	runtime.KeepAlive(c)
	return int64(ret)
}

func (c *core) timeFind(ids []ID, rounds int) uint64 {
	ns := C.goioasid_time_find(c.c, (*C.uint32_t)(&ids[0]),
		C.size_t(len(ids)), C.size_t(rounds))
	runtime.KeepAlive(c)
	return uint64(ns)
}

// libraryVersion is the version of the C library in this package.
func libraryVersion() string {
	return C.GoString(C.goioasid_library_version())
}

// The kinds of C and of Go are the same numbers.
var (
	_ = [1]struct{}{}[uint32(Radix)-C.IOASID_STORE_RADIX]
	_ = [1]struct{}{}[uint32(Bitmap)-C.IOASID_STORE_BITMAP]
	_ = [1]struct{}{}[uint32(Hash)-C.IOASID_STORE_HASH]
	_ = [1]struct{}{}[uint32(Lowest)-C.IOASID_REUSE_LOWEST]
	_ = [1]struct{}{}[uint32(Cyclic)-C.IOASID_REUSE_CYCLIC]
)
