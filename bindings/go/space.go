// SPDX-License-Identifier: MIT

package ioasid

import (
	"fmt"
	"io"
	"sync"
)

// ID is handed out by a space. [Invalid] never is.
type ID uint32

// Invalid is no ID.
const Invalid ID = 1<<32 - 1

// Handle is one use of one ID: its generation and the ID. An ID that was freed and
// handed out again has another one. 0 is never a handle.
type Handle uint64

// ID is the ID of the handle.
func (h Handle) ID() ID { return ID(h) }

// Generation is which use of the ID it is.
func (h Handle) Generation() uint32 { return uint32(h >> 32) }

// Store is how IDs map to values. All give the same answers; they differ in cost.
type Store uint32

// The stores: for any range and clustered IDs; for a bounded dense range, one flat
// array; for IDs scattered over 32 bits.
const (
	Radix Store = iota
	Bitmap
	Hash
)

// Reuse is which vacant ID an alloc hands out.
type Reuse uint32

// The policies: the lowest of the range; the next after the last one handed out.
const (
	Lowest Reuse = iota
	Cyclic
)

// Config is what a space is to be. The zero value is a Radix store of all IDs.
type Config struct {
	// Min and Max are the IDs of the space, inclusive; both 0: all there are.
	Min, Max ID
	// Store and Reuse are described there.
	Store Store
	Reuse Reuse
	// Quarantine keeps an ID from being handed out again for a grace period.
	Quarantine bool
	// Capacity is how many IDs may be in use or set aside at a time; 0: all.
	Capacity uint32
	// HashSeed is where the store Hash puts IDs; 0: a random one.
	HashSeed uint64
	// HugePages offers large arrays of the store to the system for huge pages.
	HugePages bool
	// Waiting is how many values of IDs that have ended may wait for a grace
	// period before Free and its like wait for one themselves; 0: 65,536.
	Waiting int
	// Name of at most 31 bytes, for [Space.Dump].
	Name string
}

// Stats are counts of a space.
type Stats struct {
	// Live IDs can be found; Pending ones were freed, references remain;
	// Unpublished ones are reserved; Quarantined ones are vacant and wait for a
	// grace period.
	Live, Pending, Unpublished, Quarantined uint32
	// Sets is the number of sets.
	Sets uint32
	// Capacity is how many IDs may be in use or set aside, Committed how many
	// are, Reserved how many of them by [Space.ReserveCapacity].
	Capacity, Committed, Reserved uint32
	// Allocs and Frees count IDs handed out and freed so far.
	Allocs, Frees uint64
	// AllocFailed counts allocs that gave no ID, FreeUnknown frees that ended
	// none.
	AllocFailed, FreeUnknown uint64
	// Memory is the bytes held in C about now.
	Memory uint64
	// Values is the number of values held in Go: of IDs that can be found, and
	// of those that wait for a grace period.
	Values int
}

// Space is a space of IDs with a value of type T for each. Made by [New]. All its
// methods may be called by any number of goroutines, and answer [ErrClosed] after
// Close.
type Space[T any] struct {
	core   *core
	limit  int64
	values values[T]

	mu   sync.Mutex
	sets map[uint64]*Set[T]
}

// New makes a space, to be closed with [Space.Close]. One that is forgotten instead
// keeps what it has until it is garbage, and is then given back some time; its values
// are not given to what OnRelease was given.
// Errors: [ErrInvalid] Min is more than Max, an unknown store or policy, or a NUL in
// the name; [ErrTooWide]; [ErrNameTooLong]; [ErrNoMemory].
func New[T any](config Config) (*Space[T], error) {
	c, err := newCore(&config)
	if err != nil {
		return nil, err
	}
	s := &Space[T]{core: c, limit: int64(config.Waiting)}
	if s.limit <= 0 {
		s.limit = 65536
	}
	s.sets = map[uint64]*Set[T]{}
	return s, nil
}

// OnRelease has f called with each value that the space lets go of and no method has
// returned: of IDs that Free, FreeHandle, FreeAll and Put have ended, those before
// SetData, and those left at Close. No [Space.Read] that found it is running then.
// Those that Remove and Exchange returned are their callers'. f runs on a goroutine
// that calls the space, with no lock held; it may call the space, but in a Read that
// its caller is in it may not wait. If it panics, so does that call, once all values that
// were due have been given to f. To be called before the first Alloc.
func (s *Space[T]) OnRelease(f func(value T)) { s.values.release.Store(&f) }

// Close waits for all calls that are running, and for readers, and gives the space
// back, with its IDs and sets. Errors: [ErrDeadlock] inside of Read or a codec;
// [ErrClosed] it is closed already; [ErrIO]. On error nothing has changed.
func (s *Space[T]) Close() error {
	if err := errorOf(s.core.close()); err != nil {
		return err
	}
	s.mu.Lock()
	s.sets = map[uint64]*Set[T]{}
	s.mu.Unlock()
	s.values.all()
	return nil
}

// found is the value of a token that C has found.
func (s *Space[T]) found(token int64) (value T, err error) {
	if token < 0 {
		return value, errorOf(token)
	}
	if e := s.values.get(uint64(token)); e != nil {
		return e.value, nil
	}
	// Its ID has ended since, and a grace period besides.
	return value, ErrNotFound
}

// Find looks an ID up. It takes no lock and blocks for nothing.
// Errors: [ErrNotFound].
func (s *Space[T]) Find(id ID) (T, error) { return s.found(s.core.find(nil, id)) }

func (s *Space[T]) find(set *Set[T], id ID) (T, error) {
	return s.found(s.core.find(set.side(), id))
}

// FindFunc looks an ID up and has accept called with the value in the read section:
// what it does, such as to take a reference to what the value stands for, is done
// before the value can be released. If it returns false FindFunc returns the zero
// value and no error. accept may call anything that does not wait for a grace period.
// Errors: [ErrNotFound].
func (s *Space[T]) FindFunc(id ID, accept func(T) bool) (T, error) {
	return s.findFunc(nil, id, accept)
}

func (s *Space[T]) findFunc(set *Set[T], id ID, accept func(T) bool) (value T, err error) {
	err = s.Read(func(r *Reader[T]) error {
		found, err := r.FindIn(set, id)
		if err == nil && accept(found) {
			value = found
		}
		return err
	})
	return value, err
}

// FindMany looks IDs up, for the price of one call of C for each 256 of them, which
// are one read section. out[i] is the value of ids[i], or the zero value if errs[i]
// says why there is none; errs may be nil. It returns how many were found.
// Errors: [ErrInvalid] out, or errs, is shorter than ids; [ErrClosed].
func (s *Space[T]) FindMany(ids []ID, out []T, errs []error) (int, error) {
	return s.findMany(nil, ids, out, errs)
}

func (s *Space[T]) findMany(set *Set[T], ids []ID, out []T, errs []error) (int, error) {
	if len(out) < len(ids) || errs != nil && len(errs) < len(ids) {
		return 0, ErrInvalid
	}
	tokens := scratches.Get().(*scratch)
	defer scratches.Put(tokens)
	count := 0
	for len(ids) > 0 {
		n := len(ids)
		if n > batch {
			n = batch
		}
		if ret := s.core.findMany(set.side(), ids[:n], tokens); ret < 0 {
			return count, errorOf(ret)
		}
		for i, token := range tokens.tokens[:n] {
			value, err := s.found(token)
			out[i] = value
			if err == nil {
				count++
			}
			if errs != nil {
				errs[i] = err
			}
		}
		ids, out = ids[n:], out[n:]
		if errs != nil {
			errs = errs[n:]
		}
	}
	return count, nil
}

// Handle is the handle of the present use of an ID. It blocks for nothing.
// Errors: [ErrNotFound].
func (s *Space[T]) Handle(id ID) (Handle, error) { return s.handle(nil, id) }

func (s *Space[T]) handle(set *Set[T], id ID) (Handle, error) {
	r := s.core.handle(set.side(), id)
	return Handle(r.extra), errorOf(r.ret)
}

// FindHandle looks one use of an ID up. Like Find it blocks for nothing.
// Errors: [ErrNotFound] unknown, or freed; [ErrStale] the ID was handed out again.
func (s *Space[T]) FindHandle(handle Handle) (T, error) { return s.findHandle(nil, handle) }

func (s *Space[T]) findHandle(set *Set[T], handle Handle) (T, error) {
	return s.found(s.core.findHandle(set.side(), handle))
}

func (s *Space[T]) findSPID(set *Set[T], spid ID) (ID, T, error) {
	r := s.core.findSPID(set.side(), spid)
	value, err := s.found(r.ret)
	if err != nil {
		return Invalid, value, err
	}
	return r.id, value, nil
}

// Alloc hands out a vacant ID between min and max, inclusive, by the space's policy,
// and remembers value for it. Errors: [ErrInvalid] min is more than max; [ErrNoSpace];
// [ErrAgain] only what waits for a grace period is left; [ErrNoMemory].
func (s *Space[T]) Alloc(min, max ID, value T) (ID, error) {
	return s.alloc(nil, min, max, value)
}

func (s *Space[T]) alloc(set *Set[T], min, max ID, value T) (ID, error) {
	e := s.values.put(value)
	r := s.core.alloc(set.side(), min, max, e.token)
	if err := errorOf(r.ret); err != nil {
		s.values.cancel(e)
		return Invalid, err
	}
	s.values.commit(e)
	return r.id, nil
}

// Cursor is where [Space.AllocCyclic] goes on. The zero value begins at the lowest.
// Allocs of one space at a time may share it.
type Cursor struct{ next ID }

// Next is where the next alloc begins. Not while one is running.
func (c *Cursor) Next() ID { return c.next }

// AllocCyclic hands out the lowest vacant ID from the cursor on, else the lowest of
// the range, whatever the space's policy, and moves the cursor behind it. wrapped: the
// search went around. Errors: as [Space.Alloc].
func (s *Space[T]) AllocCyclic(cursor *Cursor, min, max ID, value T) (id ID, wrapped bool, err error) {
	return s.allocCyclic(nil, cursor, min, max, value)
}

func (s *Space[T]) allocCyclic(set *Set[T], cursor *Cursor, min, max ID, value T) (id ID, wrapped bool, err error) {
	// A panic for no cursor comes before the value has a place.
	next := &cursor.next
	e := s.values.put(value)
	r := s.core.allocCyclic(set.side(), min, max, e.token, next)
	if err := errorOf(r.ret); err != nil {
		s.values.cancel(e)
		return Invalid, false, err
	}
	s.values.commit(e)
	return r.id, r.ret == 1, nil
}

// Reservation is an ID that nobody finds yet. It is its holder's, to publish or to
// release.
type Reservation[T any] struct {
	space *Space[T]
	id    ID
	once  once
}

// Reserve takes an ID for what has to know it before it is ready to be found. The ID
// counts against quota and capacity. Errors: as [Space.Alloc].
func (s *Space[T]) Reserve(min, max ID) (*Reservation[T], error) {
	return s.reserve(nil, min, max)
}

func (s *Space[T]) reserve(set *Set[T], min, max ID) (*Reservation[T], error) {
	r := s.core.reserveID(set.side(), min, max)
	if err := errorOf(r.ret); err != nil {
		return nil, err
	}
	return &Reservation[T]{space: s, id: r.id}, nil
}

// ID is the reserved ID.
func (r *Reservation[T]) ID() ID { return r.id }

// Publish lets the ID be found, with a value. Errors: [ErrClosed] published or
// released before; [ErrNoMemory] it is still reserved.
func (r *Reservation[T]) Publish(value T) error {
	return r.once.do(func() error { return r.space.publish(r.id, value) })
}

func (s *Space[T]) publish(id ID, value T) error {
	e := s.values.put(value)
	if err := errorOf(s.core.publishID(id, e.token)); err != nil {
		s.values.cancel(e)
		return err
	}
	s.values.commit(e)
	return nil
}

// Release gives the ID back. Errors: [ErrClosed] published or released before.
func (r *Reservation[T]) Release() error {
	return r.once.do(func() error { return r.space.releaseID(r.id) })
}

func (s *Space[T]) releaseID(id ID) error { return errorOf(s.core.releaseID(id)) }

// room makes sure that one more value may wait for a grace period.
func (s *Space[T]) room() error {
	if s.values.waiting.Load() < s.limit {
		return nil
	}
	if inCodec() {
		return ErrDeadlock
	}
	s.reclaim()
	if s.values.waiting.Load() < s.limit {
		return nil
	}
	err := errorOf(s.core.synchronize(false))
	if err == ErrDeadlock {
		return ErrAgain
	}
	if err == nil {
		s.reclaim()
	}
	return err
}

// reclaim lets go of the values whose grace period has passed.
func (s *Space[T]) reclaim() {
	for {
		cookie, any := s.values.first()
		if !any || !s.core.poll(cookie) {
			return
		}
		s.values.passed(cookie)
	}
}

// end has the value of an ID that has ended wait for its grace period.
func (s *Space[T]) end(token, cookie uint64, unowned bool) (T, error) {
	value, due, ok := s.values.end(token, cookie, unowned)
	if !ok {
		return value, ErrClosed
	}
	if due {
		s.reclaim()
	}
	return value, nil
}

// Free ends the life of an ID: it is not found any more, and vacant once its last
// reference is released. It waits if Config.Waiting values wait already.
// Errors: [ErrNotFound]; [ErrBusy] freed before, references remain; [ErrAgain] it would
// have to wait inside of Read.
func (s *Space[T]) Free(id ID) error { return s.free(nil, id) }

func (s *Space[T]) free(set *Set[T], id ID) error {
	return s.freed(func() result { return s.core.remove(set.side(), id) })
}

// freed ends a life whose value is nobody's.
func (s *Space[T]) freed(end func() result) error {
	if err := s.room(); err != nil {
		return err
	}
	r := end()
	if err := errorOf(r.ret); err != nil {
		return err
	}
	s.end(uint64(r.ret), r.extra, true)
	return nil
}

// FreeHandle is Free of one use of an ID: a handle kept for too long frees nobody
// else's. Errors besides: [ErrStale].
func (s *Space[T]) FreeHandle(handle Handle) error {
	return s.freed(func() result { return s.core.freeHandle(handle) })
}

// Remove is Free that returns the value: of those that remove at once one gets it.
// Readers inside of Read may have it for a grace period, see [Space.Synchronize].
// Errors: as Free.
func (s *Space[T]) Remove(id ID) (T, error) { return s.remove(nil, id) }

func (s *Space[T]) remove(set *Set[T], id ID) (value T, err error) {
	if err := s.room(); err != nil {
		return value, err
	}
	r := s.core.remove(set.side(), id)
	if err := errorOf(r.ret); err != nil {
		return value, err
	}
	return s.end(uint64(r.ret), r.extra, false)
}

// FreeAll frees all IDs, each as Free: those with references become pending, reserved
// ones stay. It returns how many it freed. Errors: [ErrAgain] it would have to wait
// inside of Read.
func (s *Space[T]) FreeAll() (int, error) { return s.freeAll(nil) }

func (s *Space[T]) freeAll(set *Set[T]) (int, error) {
	batch := scratches.Get().(*scratch)
	defer scratches.Put(batch)
	batch.next = 0
	count := 0
	for {
		if err := s.room(); err != nil {
			return count, err
		}
		r, done := s.core.freeSome(set.side(), batch)
		if err := errorOf(r.ret); err != nil {
			return count, err
		}
		for _, token := range batch.tokens[:r.ret] {
			s.end(uint64(token), r.extra, true)
		}
		count += int(r.ret)
		if done {
			return count, nil
		}
	}
}

// Ref is a reference to one use of an ID: after a Free the ID is not handed out again
// before it is released.
type Ref[T any] struct {
	space  *Space[T]
	handle Handle
	once   once
}

// Get takes a reference to an ID. It takes no lock. Errors: [ErrNotFound]; [ErrBusy]
// freed, references remain; [ErrOverflow].
func (s *Space[T]) Get(id ID) (*Ref[T], error) { return s.get(nil, id) }

func (s *Space[T]) get(set *Set[T], id ID) (*Ref[T], error) {
	r := s.core.get(set.side(), id)
	if err := errorOf(r.ret); err != nil {
		return nil, err
	}
	return &Ref[T]{space: s, handle: Handle(r.extra)}, nil
}

// GetHandle takes a reference to one use of an ID. Errors besides: [ErrStale].
func (s *Space[T]) GetHandle(handle Handle) (*Ref[T], error) {
	return s.getHandle(nil, handle)
}

func (s *Space[T]) getHandle(set *Set[T], handle Handle) (*Ref[T], error) {
	if err := errorOf(s.core.getHandle(set.side(), handle)); err != nil {
		return nil, err
	}
	return &Ref[T]{space: s, handle: handle}, nil
}

// ID is the ID the reference is to.
func (r *Ref[T]) ID() ID { return r.handle.ID() }

// Handle is the use of the ID the reference is to.
func (r *Ref[T]) Handle() Handle { return r.handle }

// Value is [Space.FindHandle] of the handle.
func (r *Ref[T]) Value() (T, error) { return r.space.FindHandle(r.handle) }

// Release drops the reference. It takes no lock, unless it is the last: then it is as
// Free. Errors: [ErrClosed] released before.
func (r *Ref[T]) Release() error {
	return r.once.do(func() error {
		_, err := r.space.Put(r.handle.ID())
		return err
	})
}

// Put drops a reference that no [Ref] stands for: the one of Alloc, or one that came
// with a snapshot. Whoever drops one that is not theirs ends an ID that somebody else
// uses. last: it was the last, and the ID is vacant. Errors: [ErrNotFound] no reference
// to drop; [ErrAgain] as Free.
func (s *Space[T]) Put(id ID) (last bool, err error) {
	if err := s.room(); err != nil {
		return false, err
	}
	ret, token, cookie := s.core.put(id)
	if err := errorOf(ret); err != nil {
		return false, err
	}
	if token != 0 {
		s.end(token, cookie, true)
	}
	return ret == 1, nil
}

// Exchange replaces the value of an ID and returns the one before, without waiting.
// Readers inside of Read may have that for a grace period, see [Space.Synchronize].
// Errors: [ErrNotFound].
func (s *Space[T]) Exchange(id ID, value T) (old T, err error) {
	return s.exchange(id, value, false)
}

func (s *Space[T]) exchange(id ID, value T, waits bool) (old T, err error) {
	token := s.core.findToExchange(id, waits)
	if token < 0 {
		return old, errorOf(token)
	}
	old, ok := s.values.exchange(uint64(token), value)
	if !ok {
		return old, ErrNotFound
	}
	return old, nil
}

// SetData replaces the value of an ID and waits: afterwards no reader inside of Read has
// the one before. Errors: [ErrNotFound] without waiting; [ErrDeadlock] inside of Read or
// a codec, nothing has changed; [ErrIO] the value is in place, and the one before is not
// given to what OnRelease was given.
func (s *Space[T]) SetData(id ID, value T) error {
	old, err := s.exchange(id, value, true)
	if err != nil {
		return err
	}
	if err := errorOf(s.core.synchronize(true)); err != nil {
		return err
	}
	s.reclaim()
	s.values.call(old)
	return nil
}

// Next is the lowest live ID between min and max, and its value. Errors: [ErrNotFound]
// none; [ErrInvalid] min is more than max.
func (s *Space[T]) Next(min, max ID) (ID, T, error) { return s.next(nil, min, max) }

func (s *Space[T]) next(set *Set[T], min, max ID) (id ID, value T, err error) {
	one := scratches.Get().(*scratch)
	defer scratches.Put(one)
	for {
		n := s.core.next(set.side(), min, max, 1, one)
		if err := errorOf(n); err != nil {
			return Invalid, value, err
		}
		if n == 0 {
			return Invalid, value, ErrNotFound
		}
		id = one.ids[0]
		if e := s.values.get(uint64(one.tokens[0])); e != nil {
			return id, e.value, nil
		}
		// It has ended since: go on as if it had before.
		if id == max {
			return Invalid, value, ErrNotFound
		}
		min = id + 1
	}
}

// Range calls f with each live ID between min and max, ascending, and its value, until f
// returns false. An ID live throughout is visited exactly once, one that comes or goes
// meanwhile at most once. f runs outside of any lock and section, and may call anything.
// Errors: [ErrInvalid] min is more than max.
func (s *Space[T]) Range(min, max ID, f func(ID, T) bool) error {
	return s.walk(nil, min, max, f)
}

// Each is Range over all IDs.
func (s *Space[T]) Each(f func(ID, T) bool) error { return s.walk(nil, 0, Invalid-1, f) }

func (s *Space[T]) walk(set *Set[T], min, max ID, f func(ID, T) bool) error {
	some := scratches.Get().(*scratch)
	defer scratches.Put(some)
	for {
		n := s.core.next(set.side(), min, max, batch, some)
		if err := errorOf(n); err != nil {
			return err
		}
		for i, id := range some.ids[:n] {
			e := s.values.get(uint64(some.tokens[i]))
			if e != nil && !f(id, e.value) {
				return nil
			}
		}
		if n < batch || some.ids[n-1] >= max {
			return nil
		}
		min = some.ids[n-1] + 1
	}
}

// Synchronize waits for a grace period: no [Space.Read] that was running is any more.
// Errors: [ErrDeadlock] inside of Read or a codec; [ErrIO].
func (s *Space[T]) Synchronize() error {
	if err := errorOf(s.core.synchronize(false)); err != nil {
		return err
	}
	s.reclaim()
	return nil
}

// Barrier waits until the values of all IDs ended before are released. Errors: as
// Synchronize.
func (s *Space[T]) Barrier() error {
	if err := errorOf(s.core.barrier()); err != nil {
		return err
	}
	s.reclaim()
	return nil
}

// Trim gives back memory that no ID in use needs, as after a burst, and returns how many
// bytes. It takes the space's lock, for long.
func (s *Space[T]) Trim() (uint64, error) {
	r := s.core.trim()
	if err := errorOf(r.ret); err != nil {
		return 0, err
	}
	s.reclaim()
	return r.extra, nil
}

// SetCapacity changes how many IDs may be in use or set aside. Errors: [ErrBusy] more
// are.
func (s *Space[T]) SetCapacity(count uint32) error { return errorOf(s.core.setCapacity(count)) }

// ReserveCapacity sets a part of the capacity aside, for IDs that something else hands
// out. Errors: [ErrNoSpace] less is left.
func (s *Space[T]) ReserveCapacity(count uint32) error { return errorOf(s.core.reserve(count)) }

// UnreserveCapacity takes back what was set aside. Errors: [ErrInvalid] less was.
func (s *Space[T]) UnreserveCapacity(count uint32) error { return errorOf(s.core.unreserve(count)) }

// AttachSPID gives an ID a name in its set, see [Set.FindSPID]: any value but Invalid,
// unique in the set. It lasts until it is detached or the ID is freed. Errors:
// [ErrNotFound]; [ErrInvalid] no set owns the ID, or spid is Invalid; [ErrExist] another
// ID of the set has the name; [ErrBusy] the ID has one; [ErrAgain]; [ErrNoMemory].
func (s *Space[T]) AttachSPID(id, spid ID) error { return errorOf(s.core.attachSPID(id, spid)) }

// DetachSPID takes the name of an ID away. Errors: [ErrNotFound] no ID, or no name.
func (s *Space[T]) DetachSPID(id ID) error { return errorOf(s.core.detachSPID(id)) }

// SPID is the name of an ID. Errors: [ErrNotFound] no ID, or no name.
func (s *Space[T]) SPID(id ID) (ID, error) {
	r := s.core.spidOf(id)
	if err := errorOf(r.ret); err != nil {
		return Invalid, err
	}
	return r.id, nil
}

// Stats are counts of the space, those of C of one moment.
func (s *Space[T]) Stats() (Stats, error) {
	var stats Stats
	ret := s.core.stats(&stats)
	stats.Values = s.values.count()
	return stats, errorOf(ret)
}

// Validate checks the whole structure. It takes the space's lock, for long; calls of Get
// and Release must be at rest. The error says what is wrong.
func (s *Space[T]) Validate() error {
	ret, reason := s.core.validate()
	if ret == 1 {
		return fmt.Errorf("ioasid: structure damaged: %s", reason)
	}
	return errorOf(ret)
}

// Dump describes the space in words, for people: its sets, then its IDs with owner,
// generation and references. Values are shown by the numbers of their places. The form
// may change between versions.
func (s *Space[T]) Dump(w io.Writer) error {
	text, ret := s.core.dump()
	if err := errorOf(ret); err != nil {
		return err
	}
	_, err := w.Write(text)
	return err
}

// Snapshot writes a space as bytes, for live migration and warm restart: its sets with
// names, tokens and limits, its IDs with owner, SPID, generation, references and what
// encode made of the value; nil: 0. See docs/snapshot.md of the C library.
//
// encode is called with the space's lock held, as a rule once for each ID. It may look
// IDs up; all else, of any space, answers [ErrDeadlock] to it. It must not wait for another
// goroutine that uses the space. Its first error is returned. A panic goes on after the
// lock is released; [runtime.Goexit] is not possible there.
func (s *Space[T]) Snapshot(encode func(id ID, value T) (uint64, error)) ([]byte, error) {
	return s.core.snapshot(&codec{encode: func(id ID, token uint64) (uint64, error) {
		if encode == nil {
			return 0, nil
		}
		if e := s.values.get(token); e != nil {
			return encode(id, e.value)
		}
		return 0, nil
	}})
}

// Restore fills a space without IDs and sets from a snapshot. decode makes the value of
// an ID from its number; nil: the zero value. It is called as encode of Snapshot is.
// [Space.Sets] and [Space.SetByToken] find the sets. References come back as well: they are
// dropped by [Space.Put]. Errors: [ErrBadSnapshot]; [ErrVersion]; [ErrBusy] the space is
// not empty; [ErrRange] it cannot have an ID, generation or number of references;
// [ErrNoSpace] its capacity is too small; [ErrExist] two sets have one token;
// [ErrNoDevice]; what decode returned; [ErrAgain]; [ErrNoMemory]. The snapshot is copied
// first. On error the space is as
// it was, and the values that decode made are forgotten.
func (s *Space[T]) Restore(snapshot []byte, decode func(id ID, number uint64) (T, error)) error {
	var entries []*entry[T]
	var sets []*Set[T]
	restored := false
	defer func() {
		for _, e := range entries {
			if restored {
				s.values.commit(e)
			} else {
				s.values.cancel(e)
			}
		}
		for _, set := range sets {
			if restored {
				set.bound.Store(true)
			} else {
				s.forget(set)
			}
		}
	}()
	err := s.core.restore(&codec{
		decode: func(id ID, number uint64) (uint64, error) {
			var value T
			if decode != nil {
				var err error
				if value, err = decode(id, number); err != nil {
					return 0, err
				}
			}
			e := s.values.put(value)
			entries = append(entries, e)
			return e.token, nil
		},
		set: func() *setCore {
			set := s.newSet()
			sets = append(sets, set)
			return set.core
		},
	}, snapshot)
	restored = err == nil
	return err
}
