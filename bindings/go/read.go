// SPDX-License-Identifier: MIT

package ioasid

import (
	"runtime"
	"sync/atomic"
)

// Reader is a read section: what it finds is not released before its end, whoever
// frees or exchanges it. For the goroutine and the call of [Space.Read] only.
type Reader[T any] struct {
	space *Space[T]
	open  atomic.Bool
}

// Read calls f in a read section and returns what f returned. The goroutine is locked to
// its thread meanwhile. Sections nest. f may call all methods but those that wait, and may
// block, if it is willing to hold up everybody who waits for a grace period. The section
// ends with f, also by a panic. Errors besides: [ErrClosed].
func (s *Space[T]) Read(f func(r *Reader[T]) error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := errorOf(s.core.readLock()); err != nil {
		return err
	}
	r := &Reader[T]{space: s}
	r.open.Store(true)
	defer func() {
		r.open.Store(false)
		s.core.readUnlock()
	}()
	return f(r)
}

// Find is [Space.Find] in the section. Errors besides: [ErrNotPermitted] the section has
// ended, or is another goroutine's.
func (r *Reader[T]) Find(id ID) (T, error) { return r.FindIn(nil, id) }

// FindIn is [Set.Find] in the section. Errors: as Find; [ErrAccess] also for a set of
// another space.
func (r *Reader[T]) FindIn(set *Set[T], id ID) (value T, err error) {
	if !r.open.Load() {
		return value, ErrNotPermitted
	}
	return r.space.found(r.space.core.readerFind(set.side(), id))
}

// FindHandle is [Space.FindHandle] in the section. Errors besides: [ErrNotPermitted].
func (r *Reader[T]) FindHandle(handle Handle) (value T, err error) {
	if !r.open.Load() {
		return value, ErrNotPermitted
	}
	return r.space.found(r.space.core.readerFindHandle(nil, handle))
}

// once is something that can be done once. A failure other than that it is gone leaves it
// to be tried again.
type once struct{ done atomic.Bool }

func (o *once) do(f func() error) error {
	if !o.done.CompareAndSwap(false, true) {
		return ErrClosed
	}
	err := f()
	if err != nil && err != ErrNotFound && err != ErrClosed {
		o.done.Store(false)
	}
	return err
}
