// SPDX-License-Identifier: MIT

package ioasid

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// A value is in a place of a table, found by its token: the number of the place, and
// above it how often the place was used. No token is given twice. A lookup takes no
// lock and writes nothing; runtime/cgo.Handle, a sync.Map with an interface in it,
// costs several times as much, and panics for one who comes too late.
//
// The token of an ID is the same from its alloc to its end, so whoever ends the life
// of an ID knows what to release. Exchange puts another entry in the same place.

// The life of an entry. What is orphaned was not yet handed to the space when that
// was closed: it is its alloc's to release, or to give back.
const (
	fresh = iota
	live
	dead
	orphaned
)

type entry[T any] struct {
	token uint64
	state atomic.Uint32
	value T
}

type place[T any] struct {
	entry atomic.Pointer[entry[T]]
	// uses so far; with the lock
	uses uint32
}

// waiter is a value whose ID has ended, for the grace period of cookie.
type waiter struct {
	token, cookie uint64
	// nobody was given the value
	unowned bool
}

const (
	firstBucket = 64
	lastUse     = 1<<31 - 1
)

type values[T any] struct {
	// bucket n has 64 << n places
	buckets [27]atomic.Pointer[[]place[T]]
	waiting atomic.Int64
	release atomic.Pointer[func(T)]

	mu      sync.Mutex
	vacant  []uint32
	used    uint32
	held    int
	queue   []waiter
	oldest  int
	removed uint64
}

func (v *values[T]) place(number uint32) *place[T] {
	n := uint64(number) + firstBucket
	bucket := bits.Len64(n) - bits.Len64(firstBucket)
	if places := v.buckets[bucket].Load(); places != nil {
		return &(*places)[n-firstBucket<<bucket]
	}
	return nil
}

// get is the entry of a token, nil if it has been released.
func (v *values[T]) get(token uint64) *entry[T] {
	p := v.place(uint32(token))
	if p == nil {
		return nil
	}
	if e := p.entry.Load(); e != nil && e.token == token {
		return e
	}
	return nil
}

// put gives a value a place, for commit or cancel.
func (v *values[T]) put(value T) *entry[T] {
	e := &entry[T]{value: value}
	v.mu.Lock()
	defer v.mu.Unlock()
	var number uint32
	if last := len(v.vacant) - 1; last >= 0 {
		number = v.vacant[last]
		v.vacant = v.vacant[:last]
	} else {
		number = v.used
		v.used++
		n := uint64(number) + firstBucket
		if n&(n-1) == 0 {
			places := make([]place[T], n)
			v.buckets[bits.Len64(n)-bits.Len64(firstBucket)].Store(&places)
		}
	}
	p := v.place(number)
	p.uses++
	e.token = uint64(p.uses)<<32 | uint64(number)
	v.held++
	p.entry.Store(e)
	return e
}

// clear empties the place of a token; locked.
func (v *values[T]) clear(token uint64) {
	p := v.place(uint32(token))
	p.entry.Store(nil)
	v.held--
	if p.uses < lastUse {
		v.vacant = append(v.vacant, uint32(token))
	}
}

// commit says that the space has the value.
func (v *values[T]) commit(e *entry[T]) {
	if !e.state.CompareAndSwap(fresh, live) && e.state.Load() == orphaned {
		v.cancel(e)
		v.call(e.value)
	}
}

// cancel takes a value back that nobody could find.
func (v *values[T]) cancel(e *entry[T]) {
	v.mu.Lock()
	if v.get(e.token) == e {
		v.clear(e.token)
	}
	v.mu.Unlock()
}

// current is the entry of a token whose ID lives; locked.
func (v *values[T]) current(token uint64) *entry[T] {
	if e := v.get(token); e != nil && e.state.Load() <= live {
		return e
	}
	return nil
}

// exchange puts another value in the place of an ID that lives.
func (v *values[T]) exchange(token uint64, value T) (old T, ok bool) {
	e := &entry[T]{token: token, value: value}
	e.state.Store(live)
	v.mu.Lock()
	defer v.mu.Unlock()
	before := v.current(token)
	if before == nil {
		return old, false
	}
	v.place(uint32(token)).entry.Store(e)
	return before.value, true
}

// end has a value wait for the grace period of cookie; unowned if the caller does
// not hand it to anybody. Not ok: it is released, by Close.
func (v *values[T]) end(token, cookie uint64, unowned bool) (value T, due, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	e := v.current(token)
	if e == nil {
		return value, false, false
	}
	e.state.Store(dead)
	v.queue = append(v.queue, waiter{token, cookie, unowned})
	v.removed++
	v.waiting.Add(1)
	return e.value, v.removed%64 == 0, true
}

// first is the cookie that the longest waiting value waits for.
func (v *values[T]) first() (cookie uint64, any bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.oldest == len(v.queue) {
		return 0, false
	}
	return v.queue[v.oldest].cookie, true
}

// passed lets go of what waited for no later grace period than that of cookie.
func (v *values[T]) passed(cookie uint64) {
	v.mu.Lock()
	unowned := v.drain(cookie)
	v.mu.Unlock()
	v.callAll(unowned)
}

// drain is passed but for the calls: the values they are for; locked.
func (v *values[T]) drain(cookie uint64) (unowned []T) {
	calls := v.release.Load() != nil
	for v.oldest < len(v.queue) && v.queue[v.oldest].cookie <= cookie {
		w := v.queue[v.oldest]
		v.oldest++
		v.waiting.Add(-1)
		if calls && w.unowned {
			unowned = append(unowned, v.get(w.token).value)
		}
		v.clear(w.token)
	}
	if v.oldest > len(v.queue)/2 {
		v.queue = v.queue[:copy(v.queue, v.queue[v.oldest:])]
		v.oldest = 0
	}
	return unowned
}

// all lets go of everything: no ID can be found any more. What ends meanwhile either
// waits already or is still there, and is let go of here, once.
func (v *values[T]) all() {
	v.mu.Lock()
	unowned := v.drain(^uint64(0))
	for number := uint32(0); number < v.used; number++ {
		p := v.place(number)
		e := p.entry.Load()
		if e == nil || e.state.CompareAndSwap(fresh, orphaned) {
			continue
		}
		unowned = append(unowned, e.value)
		v.clear(e.token)
	}
	v.mu.Unlock()
	v.callAll(unowned)
}

// callAll gives values to who asked for them, all of them also if a call panics.
func (v *values[T]) callAll(values []T) {
	defer func() {
		if len(values) > 0 {
			v.callAll(values)
		}
	}()
	for len(values) > 0 {
		value := values[0]
		values = values[1:]
		v.call(value)
	}
}

// call gives a value to who asked for it.
func (v *values[T]) call(value T) {
	if release := v.release.Load(); release != nil {
		(*release)(value)
	}
}

// count is the number of values held.
func (v *values[T]) count() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.held
}
