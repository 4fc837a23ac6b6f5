// SPDX-License-Identifier: MIT

package ioasid

import "sync/atomic"

// Set is an owner of IDs, a tenant: its lookups find its own IDs and no others.
// Made by [Space.NewSet]. All its methods may be called by any number of goroutines,
// and answer [ErrClosed] after Destroy, or when its space is closed.
type Set[T any] struct {
	space *Space[T]
	core  *setCore
	bound atomic.Bool
}

// SetConfig is what a set is to be. The zero value has no name, no token and no
// limits.
type SetConfig struct {
	// Name of at most 31 bytes, for people.
	Name string
	// Token finds the set again, see [Space.SetByToken]; 0: none. It is in
	// snapshots.
	Token uint64
	// Quota is how many IDs the set may have; 0: no limit.
	Quota uint32
	// Reserved is how many of the space's capacity are set aside for the set.
	Reserved uint32
}

// SetStats is what a set is and has.
type SetStats struct {
	// Name, Token, Quota and Reserved are those of [SetConfig].
	Name            string
	Token           uint64
	Quota, Reserved uint32
	// Count is the number of IDs, those freed with references and those
	// reserved included.
	Count uint32
	// SPIDs is the number of names attached.
	SPIDs uint32
}

func (set *Set[T]) side() *setCore {
	if set == nil {
		return nil
	}
	return set.core
}

// newSet makes a set that the space can find again once it is bound.
func (s *Space[T]) newSet() *Set[T] {
	set := &Set[T]{space: s, core: s.core.newSet()}
	s.mu.Lock()
	s.sets[set.core.serial] = set
	s.mu.Unlock()
	return set
}

func (s *Space[T]) forget(set *Set[T]) {
	s.mu.Lock()
	delete(s.sets, set.core.serial)
	s.mu.Unlock()
}

func (s *Space[T]) setBySerial(serial uint64) *Set[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sets[serial]
}

// NewSet makes a set, to be destroyed before the space is closed or by closing it.
// Errors: [ErrInvalid] Reserved is more than Quota, or a NUL is in the name;
// [ErrNameTooLong]; [ErrExist] another set has the token; [ErrNoSpace] less capacity
// is left than Reserved; [ErrTooManySets]; [ErrAgain] the place of a destroyed set
// waits for a grace period; [ErrNoMemory].
func (s *Space[T]) NewSet(config SetConfig) (*Set[T], error) {
	set := s.newSet()
	if err := errorOf(s.core.bindSet(set.core, &config)); err != nil {
		s.forget(set)
		return nil, err
	}
	set.bound.Store(true)
	return set, nil
}

// SetByToken is the set with a token. Errors: [ErrNotFound].
func (s *Space[T]) SetByToken(token uint64) (*Set[T], error) {
	r := s.core.setByToken(token)
	if err := errorOf(r.ret); err != nil {
		return nil, err
	}
	if set := s.setBySerial(r.extra); set != nil {
		return set, nil
	}
	return nil, ErrNotFound
}

// SetOf is the set that owns an ID, nil if none does. Errors: [ErrNotFound].
func (s *Space[T]) SetOf(id ID) (*Set[T], error) {
	r := s.core.setOf(id)
	if err := errorOf(r.ret); err != nil || r.extra == 0 {
		return nil, err
	}
	if set := s.setBySerial(r.extra); set != nil {
		return set, nil
	}
	return nil, ErrNotFound
}

// Sets returns the sets of the space, in no particular order.
func (s *Space[T]) Sets() []*Set[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	var sets []*Set[T]
	for _, set := range s.sets {
		if set.bound.Load() {
			sets = append(sets, set)
		}
	}
	return sets
}

// Space is the space that the set belongs to.
func (set *Set[T]) Space() *Space[T] { return set.space }

// Destroy ends a set without IDs. Lookups that are running are not waited for: they
// find what they would have found, or answer [ErrClosed] or [ErrAccess]. Errors:
// [ErrBusy] it has IDs, those freed with references and those reserved included.
func (set *Set[T]) Destroy() error {
	if err := errorOf(set.space.core.destroySet(set.core)); err != nil {
		return err
	}
	set.space.forget(set)
	return nil
}

// SetLimit changes what a set may have. Errors: [ErrInvalid] reserved is more than
// quota; [ErrBusy] the set has more than quota; [ErrNoSpace] less capacity is left.
func (set *Set[T]) SetLimit(quota, reserved uint32) error {
	return errorOf(set.space.core.limitSet(set.core, quota, reserved))
}

// Stats is what a set is and has, of one moment.
func (set *Set[T]) Stats() (SetStats, error) {
	var stats SetStats
	ret := set.space.core.setStats(set.core, &stats)
	return stats, errorOf(ret)
}

// Alloc is [Space.Alloc] of an ID that the set owns. Errors besides: [ErrQuota].
func (set *Set[T]) Alloc(min, max ID, value T) (ID, error) {
	return set.space.alloc(set, min, max, value)
}

// AllocCyclic is [Space.AllocCyclic] of an ID that the set owns. Errors besides:
// [ErrQuota].
func (set *Set[T]) AllocCyclic(cursor *Cursor, min, max ID, value T) (id ID, wrapped bool, err error) {
	return set.space.allocCyclic(set, cursor, min, max, value)
}

// Reserve is [Space.Reserve] of an ID that the set owns. Errors besides:
// [ErrQuota].
func (set *Set[T]) Reserve(min, max ID) (*Reservation[T], error) {
	return set.space.reserve(set, min, max)
}

// Find is [Space.Find] of an ID of the set. Errors besides: [ErrAccess] another set
// owns it, or none.
func (set *Set[T]) Find(id ID) (T, error) { return set.space.find(set, id) }

// FindFunc is [Space.FindFunc] of an ID of the set. Errors besides: [ErrAccess].
func (set *Set[T]) FindFunc(id ID, accept func(T) bool) (T, error) {
	return set.space.findFunc(set, id, accept)
}

// FindMany is [Space.FindMany] of IDs of the set.
func (set *Set[T]) FindMany(ids []ID, out []T, errs []error) (int, error) {
	return set.space.findMany(set, ids, out, errs)
}

// FindHandle is [Space.FindHandle] of an ID of the set. Errors besides:
// [ErrAccess].
func (set *Set[T]) FindHandle(handle Handle) (T, error) {
	return set.space.findHandle(set, handle)
}

// FindSPID looks an ID up by its name in the set. Like Find it blocks for nothing.
// Errors: [ErrNotFound].
func (set *Set[T]) FindSPID(spid ID) (ID, T, error) {
	return set.space.findSPID(set, spid)
}

// Handle is [Space.Handle] of an ID of the set. Errors besides: [ErrAccess].
func (set *Set[T]) Handle(id ID) (Handle, error) { return set.space.handle(set, id) }

// Get is [Space.Get] of an ID of the set. Errors besides: [ErrAccess].
func (set *Set[T]) Get(id ID) (*Ref[T], error) { return set.space.get(set, id) }

// GetHandle is [Space.GetHandle] of an ID of the set. Errors besides: [ErrAccess].
func (set *Set[T]) GetHandle(handle Handle) (*Ref[T], error) {
	return set.space.getHandle(set, handle)
}

// Free is [Space.Free] of an ID of the set. Errors besides: [ErrAccess].
func (set *Set[T]) Free(id ID) error { return set.space.free(set, id) }

// Remove is [Space.Remove] of an ID of the set. Errors besides: [ErrAccess].
func (set *Set[T]) Remove(id ID) (T, error) { return set.space.remove(set, id) }

// FreeAll is [Space.FreeAll] of the IDs of the set.
func (set *Set[T]) FreeAll() (int, error) { return set.space.freeAll(set) }

// Next is [Space.Next] of the IDs of the set.
func (set *Set[T]) Next(min, max ID) (ID, T, error) {
	return set.space.next(set, min, max)
}

// Range is [Space.Range] of the IDs of the set.
func (set *Set[T]) Range(min, max ID, f func(ID, T) bool) error {
	return set.space.walk(set, min, max, f)
}

// Each is [Space.Each] of the IDs of the set.
func (set *Set[T]) Each(f func(ID, T) bool) error {
	return set.space.walk(set, 0, Invalid-1, f)
}
