// SPDX-License-Identifier: MIT

package ioasid

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func space[T any](t testing.TB, config Config) *Space[T] {
	t.Helper()
	s, err := New[T](config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil && err != ErrClosed {
			t.Error(err)
		}
	})
	return s
}

// must is for calls that have no reason to fail.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// wants fails the test unless err is what it should be.
func wants(t testing.TB, what string, err, want error) {
	t.Helper()
	if err != want {
		t.Errorf("%s: %v, not %v", what, err, want)
	}
}

func held[T any](t testing.TB, s *Space[T], want int) {
	t.Helper()
	if n := s.values.count(); n != want {
		t.Errorf("%d values held, not %d", n, want)
	}
}

func TestVersion(t *testing.T) {
	if Version != libraryVersion() {
		t.Errorf("the module is %s, its library %s", Version, libraryVersion())
	}
	header, err := os.ReadFile("ioasid.h")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(header), `#define IOASID_VERSION "`+Version+`"`) {
		t.Errorf("ioasid.h is of another version than %s", Version)
	}
}

func TestErrorsAreErrnos(t *testing.T) {
	for errno, err := range byErrno {
		if !errors.Is(err, errno) || !errors.Is(fmt.Errorf("so: %w", err), errno) {
			t.Errorf("%v is not %v", err, errno)
		}
		if errorOf(-int64(errno)) != err || err.(*Error).Errno() != errno {
			t.Errorf("%v is not what %v becomes", err, errno)
		}
		for other := range byErrno {
			if other != errno && errors.Is(err, other) {
				t.Errorf("%v is %v", err, other)
			}
		}
		if !strings.HasPrefix(err.Error(), "ioasid: ") {
			t.Errorf("%q does not say whose it is", err)
		}
	}
	for err, is := range map[error]error{
		ErrNotFound: fs.ErrNotExist, ErrAccess: fs.ErrPermission,
		ErrExist: fs.ErrExist, ErrClosed: fs.ErrClosed,
	} {
		if !errors.Is(err, is) {
			t.Errorf("%v is not %v", err, is)
		}
	}
	if errors.Is(ErrBusy, fs.ErrClosed) || errors.Is(ErrNotFound, ErrAccess) {
		t.Error("an error is what it is not")
	}
	if err := errorOf(-int64(syscall.EXFULL)); err != syscall.EXFULL {
		t.Errorf("an errno of no name became %v", err)
	}
	if errorOf(0) != nil || errorOf(1) != nil {
		t.Error("no error became one")
	}
}

func TestErrorsOfNew(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   error
	}{
		{Config{Min: 2, Max: 1}, ErrInvalid},
		{Config{Store: 3}, ErrInvalid},
		{Config{Store: 1 << 31}, ErrInvalid},
		{Config{Reuse: 2}, ErrInvalid},
		{Config{Name: "a\x00b"}, ErrInvalid},
		{Config{Name: strings.Repeat("n", 32)}, ErrNameTooLong},
	} {
		_, err := New[int](c.config)
		wants(t, fmt.Sprintf("%+v", c.config), err, c.want)
	}
}

func TestErrorsOfIDs(t *testing.T) {
	s := space[string](t, Config{Max: 9, Capacity: 3})
	other := space[string](t, Config{Max: 9})
	set := must(s.NewSet(SetConfig{Quota: 1}))
	foreign := must(other.NewSet(SetConfig{}))

	_, err := s.Alloc(5, 4, "")
	wants(t, "alloc of no range", err, ErrInvalid)
	id := must(set.Alloc(1, 9, "one"))
	_, err = set.Alloc(1, 9, "")
	wants(t, "alloc over the quota", err, ErrQuota)
	_, err = s.alloc(foreign, 1, 9, "")
	wants(t, "alloc for a foreign set", err, ErrCrossSpace)
	_, err = s.freeAll(foreign)
	wants(t, "free_all of a foreign set", err, ErrCrossSpace)
	must(s.Alloc(2, 2, "two"))
	_, err = s.Alloc(2, 2, "")
	wants(t, "alloc of an ID in use", err, ErrNoSpace)

	_, err = s.Find(7)
	wants(t, "find", err, ErrNotFound)
	_, err = set.Find(2)
	wants(t, "find of another's", err, ErrAccess)
	_, err = s.find(foreign, id)
	wants(t, "find by a foreign set", err, ErrAccess)
	_, err = s.FindHandle(0)
	wants(t, "find of handle 0", err, ErrNotFound)
	_, err = set.Remove(2)
	wants(t, "remove of another's", err, ErrAccess)
	wants(t, "free of another's", set.Free(2), ErrAccess)
	wants(t, "free", s.Free(7), ErrNotFound)
	wants(t, "free of no handle", s.FreeHandle(7), ErrNotFound)
	_, err = s.Exchange(7, "")
	wants(t, "exchange", err, ErrNotFound)
	wants(t, "set_data", s.SetData(7, ""), ErrNotFound)
	_, err = s.Put(7)
	wants(t, "put", err, ErrNotFound)
	_, err = s.Get(7)
	wants(t, "get", err, ErrNotFound)
	_, err = set.Get(2)
	wants(t, "get of another's", err, ErrAccess)
	_, _, err = s.Next(3, 9)
	wants(t, "next", err, ErrNotFound)
	_, _, err = s.Next(4, 3)
	wants(t, "next of no range", err, ErrInvalid)
	wants(t, "range of no range", s.Range(4, 3, nil), ErrInvalid)
	_, err = s.FindMany(make([]ID, 2), make([]string, 1), nil)
	wants(t, "too few places", err, ErrInvalid)
	_, err = s.FindMany(make([]ID, 2), make([]string, 2), make([]error, 1))
	wants(t, "too few errors", err, ErrInvalid)

	handle := must(s.Handle(2))
	ref := must(s.Get(2))
	wants(t, "free with a reference", s.Free(2), nil)
	wants(t, "free again", s.Free(2), ErrBusy)
	_, err = s.Get(2)
	wants(t, "get of what is pending", err, ErrBusy)
	_, err = ref.Value()
	wants(t, "value of what is freed", err, ErrNotFound)
	wants(t, "release", ref.Release(), nil)
	wants(t, "release again", ref.Release(), ErrClosed)
	must(s.Alloc(2, 2, "again"))
	_, err = s.FindHandle(handle)
	wants(t, "find of a stale handle", err, ErrStale)
	_, err = s.GetHandle(handle)
	wants(t, "get of a stale handle", err, ErrStale)
	wants(t, "free of a stale handle", s.FreeHandle(handle), ErrStale)

	wants(t, "capacity", s.SetCapacity(1), ErrBusy)
	wants(t, "reserve capacity", s.ReserveCapacity(2), ErrNoSpace)
	wants(t, "reserve capacity", s.ReserveCapacity(1), nil)
	wants(t, "unreserve capacity", s.UnreserveCapacity(2), ErrInvalid)
	wants(t, "unreserve capacity", s.UnreserveCapacity(1), nil)
	wants(t, "validate", s.Validate(), nil)
}

func TestOverflowAndRaces(t *testing.T) {
	s := space[int](t, Config{Max: 9})
	id := must(s.Alloc(1, 1, 5))
	refs := 0
	for {
		_, err := s.Get(id)
		if err != nil {
			wants(t, "so many references", err, ErrOverflow)
			break
		}
		refs++
	}
	wants(t, "free", s.Free(id), nil)
	for ; refs > 0; refs-- {
		if last := must(s.Put(id)); last != (refs == 1) {
			t.Fatalf("%d references, last: %v", refs, last)
		}
	}
}

func TestErrorsOfSets(t *testing.T) {
	s := space[int](t, Config{Max: 99, Capacity: 10})
	for _, c := range []struct {
		config SetConfig
		want   error
	}{
		{SetConfig{Quota: 1, Reserved: 2}, ErrInvalid},
		{SetConfig{Name: "\x00"}, ErrInvalid},
		{SetConfig{Name: strings.Repeat("n", 32)}, ErrNameTooLong},
		{SetConfig{Reserved: 11}, ErrNoSpace},
	} {
		_, err := s.NewSet(c.config)
		wants(t, fmt.Sprintf("%+v", c.config), err, c.want)
	}
	set := must(s.NewSet(SetConfig{Name: "tenant", Token: 7, Quota: 5, Reserved: 2}))
	_, err := s.NewSet(SetConfig{Token: 7})
	wants(t, "a token taken", err, ErrExist)
	if found := must(s.SetByToken(7)); found != set {
		t.Error("another set has the token")
	}
	_, err = s.SetByToken(8)
	wants(t, "set by token", err, ErrNotFound)
	_, err = s.SetOf(1)
	wants(t, "set of", err, ErrNotFound)

	id := must(set.Alloc(1, 99, 1))
	must(set.Alloc(1, 99, 2))
	if owner := must(s.SetOf(id)); owner != set {
		t.Error("another set owns the ID")
	}
	free := must(s.Alloc(50, 50, 3))
	if owner := must(s.SetOf(free)); owner != nil {
		t.Error("a set owns what none does")
	}
	wants(t, "a quota below what there is", set.SetLimit(1, 0), ErrBusy)
	wants(t, "limits that cannot be", set.SetLimit(1, 2), ErrInvalid)
	wants(t, "more than the capacity", set.SetLimit(0, 11), ErrNoSpace)
	wants(t, "new limits", set.SetLimit(6, 3), nil)
	stats := must(set.Stats())
	if stats != (SetStats{Name: "tenant", Token: 7, Quota: 6, Reserved: 3, Count: 2}) {
		t.Errorf("the set is %+v", stats)
	}

	wants(t, "attach to nothing", s.AttachSPID(40, 1), ErrNotFound)
	wants(t, "attach without a set", s.AttachSPID(free, 1), ErrInvalid)
	wants(t, "attach", s.AttachSPID(id, 1), nil)
	wants(t, "attach again", s.AttachSPID(id, 2), ErrBusy)
	wants(t, "attach what is taken", s.AttachSPID(id+1, 1), ErrExist)
	if at, value, err := set.FindSPID(1); at != id || value != 1 || err != nil {
		t.Error("found", at, value, err)
	}
	_, _, err = set.FindSPID(2)
	wants(t, "find by a name that nobody has", err, ErrNotFound)
	if must(s.SPID(id)) != 1 {
		t.Error("it has another name")
	}
	wants(t, "detach", s.DetachSPID(id), nil)
	wants(t, "detach again", s.DetachSPID(id), ErrNotFound)
	_, err = s.SPID(id)
	wants(t, "the name of what has none", err, ErrNotFound)

	wants(t, "destroy with IDs", set.Destroy(), ErrBusy)
	if count := must(set.FreeAll()); count != 2 {
		t.Errorf("freed %d", count)
	}
	if len(s.Sets()) != 1 {
		t.Error("another number of sets")
	}
	wants(t, "destroy", set.Destroy(), nil)
	wants(t, "destroy again", set.Destroy(), ErrClosed)
	if len(s.Sets()) != 0 {
		t.Error("it is there still")
	}
	_, err = set.Alloc(1, 99, 1)
	wants(t, "alloc for what is gone", err, ErrClosed)
	_, err = set.Find(free)
	wants(t, "find for what is gone", err, ErrClosed)
	_, err = set.Stats()
	wants(t, "stats of what is gone", err, ErrClosed)
	if value := must(s.Find(free)); value != 3 {
		t.Error("found", value)
	}
}

func TestReservations(t *testing.T) {
	s := space[string](t, Config{Max: 9})
	set := must(s.NewSet(SetConfig{}))
	r := must(set.Reserve(3, 5))
	if r.ID() != 3 {
		t.Error("reserved", r.ID())
	}
	_, err := s.Find(3)
	wants(t, "find before it is published", err, ErrNotFound)
	wants(t, "free before it is published", s.Free(3), ErrNotFound)
	wants(t, "publish", r.Publish("three"), nil)
	wants(t, "publish again", r.Publish("four"), ErrClosed)
	wants(t, "release what is published", r.Release(), ErrClosed)
	if value := must(set.Find(3)); value != "three" {
		t.Error("found", value)
	}
	held(t, s, 1)
	r = must(s.Reserve(3, 5))
	wants(t, "release", r.Release(), nil)
	wants(t, "publish what is released", r.Publish("no"), ErrClosed)
	held(t, s, 1)
	if stats := must(s.Stats()); stats.Unpublished != 0 || stats.Values != 1 {
		t.Errorf("%+v", stats)
	}
}

func TestCursor(t *testing.T) {
	s := space[int](t, Config{})
	var cursor Cursor
	for i, want := range []struct {
		id      ID
		wrapped bool
	}{{1, false}, {2, false}, {1, true}} {
		id, wrapped, err := s.AllocCyclic(&cursor, 1, 2, i)
		if id != want.id || wrapped != want.wrapped || err != nil {
			t.Error(i, id, wrapped, err)
		}
		wants(t, "free", s.Free(id), nil)
	}
	if cursor.Next() != 2 {
		t.Error("the cursor is at", cursor.Next())
	}
	wants(t, "synchronize", s.Synchronize(), nil)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic for no cursor")
			}
		}()
		s.AllocCyclic(nil, 1, 2, 0)
	}()
	held(t, s, 0)
}

func TestWalks(t *testing.T) {
	s := space[int](t, Config{})
	set := must(s.NewSet(SetConfig{}))
	for i := 0; i < 1000; i++ {
		owner := s.Alloc
		if i%2 == 1 {
			owner = set.Alloc
		}
		must(owner(0, Invalid-1, i))
	}
	must(s.Alloc(Invalid-1, Invalid-1, -1))
	seen, last := 0, -1
	wants(t, "each", s.Each(func(id ID, value int) bool {
		if int(id) <= last || id != Invalid-1 && int(id) != value {
			t.Fatal(id, value)
		}
		last = int(id)
		seen++
		return true
	}), nil)
	if seen != 1001 {
		t.Error("seen", seen)
	}
	seen = 0
	wants(t, "each of a set", set.Each(func(id ID, value int) bool {
		seen++
		return value < 599
	}), nil)
	if seen != 300 {
		t.Error("seen", seen)
	}
	if id, value, err := set.Next(10, 20); id != 11 || value != 11 || err != nil {
		t.Error(id, value, err)
	}
	// In a walk the space may be changed.
	wants(t, "range", s.Range(0, 99, func(id ID, _ int) bool {
		return s.Free(id) == nil
	}), nil)
	ids := []ID{5, 100, 101, 2000}
	for len(ids) < 1000 {
		ids = append(ids, ID(len(ids)))
	}
	out, errs := make([]int, len(ids)), make([]error, len(ids))
	if n := must(set.FindMany(ids, out, errs)); n != 451 {
		t.Error("found", n)
	}
	for i, want := range []error{ErrNotFound, ErrAccess, nil, ErrNotFound} {
		wants(t, fmt.Sprint("lookup ", ids[i]), errs[i], want)
	}
	if out[2] != 101 || out[999] != 999 {
		t.Error(out)
	}
	if n := must(s.FindMany(ids, out, nil)); n != 902 {
		t.Error("found", n)
	}
}

func TestValuesAreReleasedAfterReaders(t *testing.T) {
	s := space[*int](t, Config{Max: 99})
	var released []int
	s.OnRelease(func(value *int) { released = append(released, *value) })
	value := func(n int) *int { return &n }
	for i := 1; i <= 3; i++ {
		must(s.Alloc(ID(i), ID(i), value(i)))
	}
	wants(t, "read", s.Read(func(r *Reader[*int]) error {
		first := must(r.Find(1))
		wants(t, "free in a section", s.Free(1), nil)
		if must(s.Remove(2)) == nil {
			t.Error("removed nothing")
		}
		old := must(s.Exchange(3, value(33)))
		wants(t, "synchronize in a section", s.Synchronize(), ErrDeadlock)
		wants(t, "barrier in a section", s.Barrier(), ErrDeadlock)
		wants(t, "close in a section", s.Close(), ErrDeadlock)
		wants(t, "set_data in a section", s.SetData(3, value(0)), ErrDeadlock)
		wants(t, "set_data of nothing in a section", s.SetData(1, value(0)), ErrNotFound)
		s.reclaim()
		held(t, s, 3)
		if *first != 1 || *old != 3 || len(released) != 0 {
			t.Error("released too early", released)
		}
		return s.Read(func(inner *Reader[*int]) error {
			_, err := inner.Find(1)
			wants(t, "find of what is freed", err, ErrNotFound)
			return nil
		})
	}), nil)
	wants(t, "synchronize", s.Synchronize(), nil)
	held(t, s, 1)
	if fmt.Sprint(released) != "[1]" {
		t.Error("released", released)
	}
	wants(t, "set_data", s.SetData(3, value(34)), nil)
	ref := must(s.Get(3))
	if last := must(s.Put(3)); last {
		t.Error("a reference is left")
	}
	// The alloc's own reference is dropped, so this one ends the ID.
	wants(t, "release", ref.Release(), nil)
	wants(t, "barrier", s.Barrier(), nil)
	must(s.Alloc(4, 4, value(4)))
	wants(t, "close", s.Close(), nil)
	if fmt.Sprint(released) != "[1 33 34 4]" {
		t.Error("released", released)
	}
	held(t, s, 0)
}

// Tokens that came too late find nothing, and what has ended is not exchanged.
func TestTokensAreGivenOnce(t *testing.T) {
	var v values[string]
	first := v.put("first")
	v.commit(first)
	if old, ok := v.exchange(first.token, "other"); old != "first" || !ok {
		t.Error("exchanged", old, ok)
	}
	if value, _, ok := v.end(first.token, 1, false); value != "other" || !ok {
		t.Error("ended", value, ok)
	}
	if _, _, ok := v.end(first.token, 1, false); ok {
		t.Error("ended twice")
	}
	if _, ok := v.exchange(first.token, "late"); ok {
		t.Error("exchanged after its end")
	}
	if v.get(first.token).value != "other" {
		t.Error("gone before its grace period")
	}
	later := v.put("later")
	v.commit(later)
	v.end(later.token, 2, false)
	v.passed(1)
	if v.get(first.token) != nil || v.get(later.token) == nil {
		t.Error("the wrong one was released")
	}
	second := v.put("second")
	if uint32(second.token) != uint32(first.token) || v.used != 2 {
		t.Error("the place is not used again")
	}
	if v.get(first.token) != nil || v.get(second.token) != second {
		t.Error("a token found another's value")
	}
	v.cancel(second)
	if v.get(second.token) != nil || v.count() != 1 {
		t.Error("a value taken back is there still")
	}
	for i := 0; i < 1000; i++ {
		if e := v.put(""); v.get(e.token) != e {
			t.Fatal("no place", i)
		}
	}
	last := v.place(5)
	last.uses = lastUse
	v.mu.Lock()
	vacant := len(v.vacant)
	v.clear(lastUse<<32 | 5)
	if len(v.vacant) != vacant {
		t.Error("a place whose tokens are used up is used again")
	}
	v.mu.Unlock()
}

// What a space lets go of in the middle of Alloc or Free, because it is closed, is
// released once.
func TestReleaseAtClose(t *testing.T) {
	var v values[string]
	var released []string
	f := func(value string) { released = append(released, value) }
	v.release.Store(&f)
	given, refused, ended, live := v.put("given"), v.put("refused"), v.put("ended"), v.put("live")
	v.commit(ended)
	v.commit(live)
	v.end(ended.token, 1, true)
	v.all()
	if _, _, ok := v.end(live.token, 1, true); ok {
		t.Error("ended after close")
	}
	if _, _, ok := v.end(given.token, 1, true); ok {
		t.Error("ended after close")
	}
	if fmt.Sprint(released) != "[ended live]" {
		t.Error("released", released)
	}
	v.commit(given)
	v.cancel(refused)
	if fmt.Sprint(released) != "[ended live given]" || v.count() != 0 {
		t.Error("released", released, v.count(), "held")
	}
}

func TestReleasePanics(t *testing.T) {
	s := space[int](t, Config{Max: 99})
	var released []int
	s.OnRelease(func(value int) {
		released = append(released, value)
		if value < 2 {
			panic(value)
		}
	})
	panics := func(f func() error) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		f()
	}
	for i := 0; i < 6; i++ {
		must(s.Alloc(1, 99, i%3))
	}
	for id := ID(1); id < 4; id++ {
		wants(t, "free", s.Free(id), nil)
	}
	panics(s.Synchronize)
	held(t, s, 3)
	panics(s.Close)
	held(t, s, 0)
	if fmt.Sprint(released) != "[0 1 2 0 1 2]" {
		t.Error("released", released)
	}
	wants(t, "close again", s.Close(), ErrClosed)
}

// The race detector sees that grace periods follow read sections.
func TestGracePeriodsOrder(t *testing.T) {
	s := space[*object](t, Config{})
	s.OnRelease(func(o *object) { o.gone = true })
	var wait sync.WaitGroup
	reader := func(id ID) {
		wait.Add(1)
		go func() {
			s.Read(func(r *Reader[*object]) error {
				// A goroutine that comes late finds nothing.
				if o, err := r.Find(id); err == nil && o.gone {
					t.Error("released too early")
				}
				return nil
			})
			// No more that would order it before what follows.
			time.Sleep(60 * time.Millisecond)
			wait.Done()
		}()
		time.Sleep(20 * time.Millisecond)
	}
	removed := must(s.Alloc(1, 9, &object{}))
	reader(removed)
	o := must(s.Remove(removed))
	wants(t, "synchronize", s.Synchronize(), nil)
	o.gone = true

	freed := must(s.Alloc(1, 9, &object{}))
	o = must(s.Find(freed))
	reader(freed)
	wants(t, "free", s.Free(freed), nil)
	s.reclaim()
	if !o.gone {
		t.Error("not released")
	}

	left := must(s.Alloc(1, 9, &object{}))
	reader(left)
	wants(t, "close", s.Close(), nil)
	wait.Wait()
}

func TestCloseWaitsForReaders(t *testing.T) {
	s := space[int](t, Config{})
	id := must(s.Alloc(1, 9, 1))
	inside, closed := make(chan bool), make(chan error)
	var over atomic.Bool
	go s.Read(func(r *Reader[int]) error {
		close(inside)
		time.Sleep(30 * time.Millisecond)
		over.Store(true)
		return second(r.Find(id))
	})
	<-inside
	go func() { closed <- s.Close() }()
	wants(t, "close", <-closed, nil)
	if !over.Load() {
		t.Error("closed in the middle of a section")
	}
}

func TestReaderOutOfItsSection(t *testing.T) {
	s := space[int](t, Config{Max: 9})
	id := must(s.Alloc(1, 9, 5))
	other := space[int](t, Config{Max: 9})
	foreign := must(other.NewSet(SetConfig{}))
	var kept *Reader[int]
	wants(t, "read", s.Read(func(r *Reader[int]) error {
		kept = r
		if must(r.Find(id)) != 5 || must(r.FindHandle(must(s.Handle(id)))) != 5 {
			t.Error("found something else")
		}
		_, err := r.FindIn(foreign, id)
		wants(t, "a foreign set", err, ErrAccess)
		done := make(chan error)
		go func() {
			runtime.LockOSThread()
			_, err := r.Find(id)
			done <- err
		}()
		wants(t, "find on another goroutine", <-done, ErrNotPermitted)
		return nil
	}), nil)
	_, err := kept.Find(id)
	wants(t, "find after the section", err, ErrNotPermitted)
	_, err = kept.FindHandle(1)
	wants(t, "find a handle after the section", err, ErrNotPermitted)
	func() {
		defer func() { recover() }()
		s.Read(func(*Reader[int]) error { panic("out") })
	}()
	wants(t, "synchronize after a panic", s.Synchronize(), nil)
	no := must(s.FindFunc(id, func(value int) bool { return value != 5 }))
	yes := must(s.FindFunc(id, func(value int) bool { return value == 5 }))
	if no != 0 || yes != 5 {
		t.Error(no, yes)
	}
	_, err = s.FindFunc(2, func(int) bool { t.Error("called"); return true })
	wants(t, "find what is not there", err, ErrNotFound)
}

func TestClosed(t *testing.T) {
	s := space[int](t, Config{Max: 99})
	set := must(s.NewSet(SetConfig{}))
	id := must(set.Alloc(1, 9, 1))
	ref := must(s.Get(id))
	reservation := must(s.Reserve(1, 9))
	wants(t, "close", s.Close(), nil)
	held(t, s, 0)
	for what, err := range map[string]error{
		"close": s.Close(), "free": s.Free(id), "free_handle": s.FreeHandle(1),
		"release": ref.Release(), "publish": reservation.Publish(1),
		"set_data": s.SetData(id, 1), "destroy": set.Destroy(),
		"limit": set.SetLimit(0, 0), "validate": s.Validate(),
		"capacity": s.SetCapacity(1), "attach": s.AttachSPID(id, 1),
		"each": s.Each(nil), "dump": s.Dump(nil), "restore": s.Restore(nil, nil),
		"read": s.Read(nil), "reserve": s.ReserveCapacity(1),
		"unreserve": s.UnreserveCapacity(1), "detach": s.DetachSPID(id),
		"find":   second(s.Find(id)),
		"in set": second(set.Find(id)), "handle": second(s.Handle(id)),
		"find_handle": second(s.FindHandle(1)), "alloc": second(s.Alloc(1, 9, 1)),
		"set alloc": second(set.Alloc(1, 9, 1)), "reserve_id": second(s.Reserve(1, 9)),
		"remove": second(s.Remove(id)), "free_all": second(s.FreeAll()),
		"get": second(s.Get(id)), "get_handle": second(s.GetHandle(1)),
		"exchange": second(s.Exchange(id, 1)), "put": second(s.Put(id)),
		"find_many": second(s.FindMany([]ID{1}, []int{0}, nil)),
		"stats":     second(s.Stats()), "set stats": second(set.Stats()),
		"trim": second(s.Trim()), "set": second(s.NewSet(SetConfig{})),
		"by token": second(s.SetByToken(1)), "set_of": second(s.SetOf(id)),
		"spid": second(s.SPID(id)), "snapshot": second(s.Snapshot(nil)),
		"synchronize": s.Synchronize(), "barrier": s.Barrier(),
	} {
		wants(t, what, err, ErrClosed)
	}
}

func second[T any](_ T, err error) error { return err }

func TestCloseWaitsForCallers(t *testing.T) {
	for round := 0; round < 20; round++ {
		s := space[*int](t, Config{Max: 999})
		var given, taken atomic.Int64
		s.OnRelease(func(*int) { taken.Add(1) })
		var wait sync.WaitGroup
		for g := 0; g < 4; g++ {
			wait.Add(1)
			go func() {
				defer wait.Done()
				for {
					id, err := s.Alloc(1, 999, new(int))
					if err == nil {
						given.Add(1)
						s.Find(id)
						err = s.Free(id)
					}
					if err == ErrClosed {
						return
					}
				}
			}()
		}
		time.Sleep(time.Millisecond)
		wants(t, "close", s.Close(), nil)
		wait.Wait()
		held(t, s, 0)
		if given.Load() != taken.Load() {
			t.Errorf("%d values given, %d released", given.Load(), taken.Load())
		}
	}
}

// A Space that was forgotten is given back, with its sets, and so is what Close leaves.
func TestForgottenSpaces(t *testing.T) {
	before := dropped.Load()
	for i := 0; i < 50; i++ {
		s := must(New[[]byte](Config{}))
		set := must(s.NewSet(SetConfig{Token: 1}))
		must(set.Alloc(1, 9, make([]byte, 1000)))
		gone := must(s.NewSet(SetConfig{}))
		wants(t, "destroy", gone.Destroy(), nil)
		if i%2 == 0 {
			wants(t, "close", s.Close(), nil)
		}
	}
	// Sets go one collection before their spaces.
	for i := 0; i < 1000 && dropped.Load() < before+150; i++ {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	if n := dropped.Load() - before; n < 150 {
		t.Errorf("of 50 spaces and 100 sets %d were given back", n)
	}
}

func TestBoundOfWaiting(t *testing.T) {
	s := space[int](t, Config{Max: 9999, Waiting: 100})
	for i := 0; i < 1000; i++ {
		wants(t, "free", s.Free(must(s.Alloc(1, 9999, i))), nil)
		if n := s.values.count(); n > 101 {
			t.Fatalf("%d values held", n)
		}
	}
	wants(t, "synchronize", s.Synchronize(), nil)
	wants(t, "read", s.Read(func(*Reader[int]) error {
		for i := 0; i < 100; i++ {
			wants(t, "free", s.Free(must(s.Alloc(1, 9999, i))), nil)
		}
		id := must(s.Alloc(1, 9999, 7))
		wants(t, "free at the limit", s.Free(id), ErrAgain)
		_, err := s.Remove(id)
		wants(t, "remove at the limit", err, ErrAgain)
		if must(s.Find(id)) != 7 {
			t.Error("it is gone")
		}
		return nil
	}), nil)
	wants(t, "free_all", second(s.FreeAll()), nil)
	wants(t, "synchronize", s.Synchronize(), nil)
	held(t, s, 0)
}

func TestSnapshots(t *testing.T) {
	s := space[string](t, Config{Max: 999, Name: "old"})
	set := must(s.NewSet(SetConfig{Name: "tenant", Token: 5, Quota: 9}))
	id := must(set.Alloc(7, 9, "seven"))
	must(s.Alloc(100, 100, "hundred"))
	wants(t, "attach", s.AttachSPID(id, 3), nil)
	must(s.Get(id))
	pending := must(s.Alloc(200, 200, "gone"))
	must(s.Get(pending))
	wants(t, "free", s.Free(pending), nil)
	handle := must(s.Handle(id))
	encode := func(_ ID, value string) (uint64, error) { return uint64(len(value)), nil }
	decode := func(_ ID, number uint64) (string, error) { return strings.Repeat("x", int(number)), nil }
	snapshot := must(s.Snapshot(encode))

	into := space[string](t, Config{Max: 999, Store: Hash})
	wants(t, "restore", into.Restore(snapshot, decode), nil)
	again := must(into.SetByToken(5))
	if value := must(again.Find(id)); value != "xxxxx" {
		t.Error("found", value)
	}
	if must(into.FindHandle(handle)) != "xxxxx" || must(into.SPID(id)) != 3 {
		t.Error("the use, or its name, is another")
	}
	if stats := must(again.Stats()); stats.Name != "tenant" || stats.Quota != 9 || stats.Count != 1 {
		t.Errorf("the set is %+v", stats)
	}
	if last := must(into.Put(pending)); !last {
		t.Error("the pending ID has more references")
	}
	wants(t, "free", again.Free(id), nil)
	if last := must(into.Put(id)); !last {
		t.Error("the reference did not come back")
	}
	wants(t, "destroy", again.Destroy(), nil)
	if !bytes.Equal(snapshot, must(s.Snapshot(encode))) {
		t.Error("a second snapshot differs")
	}
	wants(t, "restore into what is not empty", s.Restore(snapshot, decode), ErrBusy)

	none := space[string](t, Config{Max: 999})
	wants(t, "restore without a codec", none.Restore(snapshot, nil), nil)
	if value, err := none.Find(id); value != "" || err != nil {
		t.Error(value, err)
	}
	small := space[string](t, Config{Max: 9})
	wants(t, "restore of what is out of range", small.Restore(snapshot, decode), ErrRange)
	few := space[string](t, Config{Max: 999, Capacity: 1})
	wants(t, "restore of too much", few.Restore(snapshot, decode), ErrNoSpace)
	for _, s := range []*Space[string]{small, few} {
		held(t, s, 0)
		if len(s.Sets()) != 0 || len(s.sets) != 0 {
			t.Error("sets of a failed restore are left")
		}
	}
	damaged := append([]byte(nil), snapshot...)
	damaged[len(damaged)-1] ^= 1
	wants(t, "restore of damage", small.Restore(damaged, decode), ErrBadSnapshot)
	wants(t, "restore of nothing", small.Restore(nil, decode), ErrBadSnapshot)
}

func TestCodecsThatFail(t *testing.T) {
	s := space[int](t, Config{Max: 999})
	must(s.NewSet(SetConfig{Token: 1}))
	for i := 0; i < 9; i++ {
		must(s.Alloc(1, 99, i))
	}
	mine := errors.New("mine")
	_, err := s.Snapshot(func(ID, int) (uint64, error) { return 0, mine })
	wants(t, "snapshot", err, mine)
	snapshot := must(s.Snapshot(nil))
	into := space[int](t, Config{Max: 999})
	calls := 0
	fails := func(fail func()) func(ID, uint64) (int, error) {
		return func(ID, uint64) (int, error) {
			if calls++; calls%5 == 0 {
				fail()
				return 0, mine
			}
			return 0, nil
		}
	}
	wants(t, "restore", into.Restore(snapshot, fails(func() {})), mine)
	for what, f := range map[string]func(){
		"restore":  func() { into.Restore(snapshot, fails(func() { panic(mine) })) },
		"snapshot": func() { s.Snapshot(func(ID, int) (uint64, error) { panic(mine) }) },
	} {
		func() {
			defer func() {
				if p := recover(); p != mine {
					t.Errorf("%s: the panic became %v", what, p)
				}
			}()
			f()
			t.Error("no panic")
		}()
	}
	held(t, into, 0)
	if len(into.sets) != 0 {
		t.Error("sets are left")
	}
	// The lock is not held any more.
	must(into.Alloc(1, 9, 1))
	must(s.Alloc(1, 999, 1))
}

func TestRestoreOfBytesThatChange(t *testing.T) {
	s := space[ID](t, Config{Max: 999})
	for token := uint64(1); token < 40; token++ {
		set := must(s.NewSet(SetConfig{Token: token}))
		id := must(set.Alloc(1, 999, 0))
		must(s.Exchange(id, id))
	}
	snapshot := must(s.Snapshot(nil))
	into := space[ID](t, Config{Max: 999})
	wants(t, "restore", into.Restore(snapshot, func(id ID, _ uint64) (ID, error) {
		for i := range snapshot {
			snapshot[i] = 0xee
		}
		return id, nil
	}), nil)
	for id := ID(1); id < 40; id++ {
		if value, err := into.Find(id); value != id || err != nil {
			t.Error(id, "is", value, err)
		}
	}
	wants(t, "validate", into.Validate(), nil)
}

func TestCallsFromCodecs(t *testing.T) {
	s := space[int](t, Config{Max: 999})
	other := space[int](t, Config{Max: 9, Waiting: 1})
	set := must(s.NewSet(SetConfig{Token: 1}))
	id := must(set.Alloc(1, 99, 42))
	called := false
	other.OnRelease(func(int) {
		if inCodec() {
			t.Error("a value was released in a codec")
		}
	})
	wants(t, "free", other.Free(must(other.Alloc(1, 9, 1))), nil)
	must(s.Snapshot(func(_ ID, value int) (uint64, error) {
		called = true
		wants(t, "free at the limit", other.Free(1), ErrDeadlock)
		if must(s.Find(id)) != 42 || must(set.Find(id)) != 42 {
			t.Error("a lookup found something else")
		}
		wants(t, "read", s.Read(func(r *Reader[int]) error { return second(r.Find(id)) }), nil)
		for what, err := range map[string]error{
			"alloc": second(s.Alloc(1, 9, 1)), "set alloc": second(set.Alloc(1, 9, 1)),
			"of another space": second(other.Alloc(1, 9, 1)),
			"free":             s.Free(id), "remove": second(s.Remove(id)),
			"get": second(s.Get(id)), "synchronize": s.Synchronize(),
			"barrier": s.Barrier(), "close": s.Close(), "set_data": s.SetData(id, 1),
			"exchange": second(s.Exchange(id, 1)), "put": second(s.Put(id)),
			"new set": second(s.NewSet(SetConfig{})), "by token": second(s.SetByToken(1)),
			"destroy": set.Destroy(), "stats": second(s.Stats()), "validate": s.Validate(),
			"snapshot": second(s.Snapshot(nil)), "restore": s.Restore(nil, nil),
			"next": s.Each(nil), "trim": second(s.Trim()), "dump": s.Dump(nil),
			"reserve": second(s.Reserve(1, 9)), "free_all": second(s.FreeAll()),
		} {
			wants(t, what+" from a codec", err, ErrDeadlock)
		}
		return 0, nil
	}))
	if !called {
		t.Error("the codec was not called")
	}
	wants(t, "free", s.Free(id), nil)
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, fs.ErrPermission }

func TestDump(t *testing.T) {
	s := space[int](t, Config{Max: 99, Name: "shown"})
	must(s.NewSet(SetConfig{Name: "tenant"}))
	for i := 0; i < 90; i++ {
		must(s.Alloc(1, 99, i))
	}
	var text strings.Builder
	wants(t, "dump", s.Dump(&text), nil)
	for _, part := range []string{"shown", "tenant"} {
		if !strings.Contains(text.String(), part) {
			t.Errorf("no %s in\n%s", part, text.String())
		}
	}
	if strings.Count(text.String(), "\n") < 92 {
		t.Error("too few lines")
	}
	wants(t, "dump to what fails", s.Dump(failingWriter{}), fs.ErrPermission)
}

// Many lives leave nothing behind, in Go or in C.
func TestLeaks(t *testing.T) {
	cycles := 200000
	if raceEnabled || testing.Short() {
		cycles = 20000
	}
	s := space[*[64]byte](t, Config{Max: 9999})
	var given, released int
	s.OnRelease(func(*[64]byte) { released++ })
	memory := uint64(0)
	for i := 0; i < cycles; i++ {
		id := must(s.Alloc(1, 9999, new([64]byte)))
		given++
		switch i % 4 {
		case 0:
			ref := must(s.Get(id))
			wants(t, "free", s.Free(id), nil)
			wants(t, "release", ref.Release(), nil)
		case 1:
			must(s.Put(id))
		case 2:
			wants(t, "free_handle", s.FreeHandle(must(s.Handle(id))), nil)
		case 3:
			must(s.Remove(id))
			given--
		}
		if i == cycles/2 {
			memory = must(s.Stats()).Memory
		}
	}
	for i := 0; i < cycles/100; i++ {
		set := must(s.NewSet(SetConfig{}))
		must(set.Alloc(1, 9999, new([64]byte)))
		given++
		must(set.FreeAll())
		wants(t, "destroy", set.Destroy(), nil)
	}
	wants(t, "barrier", s.Barrier(), nil)
	held(t, s, 0)
	if given != released {
		t.Errorf("%d given, %d released", given, released)
	}
	if stats := must(s.Stats()); stats.Live != 0 || stats.Memory > memory+1<<16 {
		t.Errorf("%d bytes half way, then %+v", memory, stats)
	}
	if len(s.sets) != 0 || s.values.used > 1000 {
		t.Errorf("%d sets, %d places", len(s.sets), s.values.used)
	}
}

type object struct {
	owner int
	// not atomic: the race detector, too, is to see that nobody reads it then
	gone bool
}

// A stressPlant is a fault that the stress must find.
type stressPlant int

const (
	noPlant stressPlant = iota
	setsIgnored
	gonePrematurely
)

// Tenants look up, allocate and free at once, and never see another's value, nor one
// that was released.
func TestStress(t *testing.T) {
	for _, store := range []Store{Radix, Bitmap, Hash} {
		if err := stress(t, store, noPlant, 400*time.Millisecond); err != nil {
			t.Error(err)
		}
	}
}

func TestStressFindsFaults(t *testing.T) {
	if err := stress(t, Radix, setsIgnored, 10*time.Second); err == nil {
		t.Error("tenants that see each other were not found out")
	}
	if raceEnabled {
		t.Skip("the other fault is one for the race detector")
	}
	if err := stress(t, Radix, gonePrematurely, 10*time.Second); err == nil {
		t.Error("a release without a grace period was not found out")
	}
}

func stress(t *testing.T, store Store, plant stressPlant, length time.Duration) error {
	const tenants, ids = 3, 64
	s := space[*object](t, Config{Store: store, Max: ids - 1})
	s.OnRelease(func(o *object) { o.gone = true })
	var sets [tenants]*Set[*object]
	for i := range sets {
		sets[i] = must(s.NewSet(SetConfig{}))
	}
	var found, refused, removed atomic.Int64
	var failure atomic.Pointer[error]
	end := time.Now().Add(length)
	last := end.Add(20 * time.Second)
	// A busy machine may need longer.
	happened := func() bool {
		return found.Load() != 0 && refused.Load() != 0 && removed.Load() != 0 ||
			time.Now().After(last)
	}
	var wait sync.WaitGroup
	worker := func(f func(random uint32) error) {
		wait.Add(1)
		go func() {
			defer wait.Done()
			random := uint32(time.Now().UnixNano()) | 1
			for i := 0; i%16 != 0 || time.Now().Before(end) || !happened(); i++ {
				random ^= random << 13
				random ^= random >> 17
				random ^= random << 5
				err := f(random)
				if err != nil {
					failure.CompareAndSwap(nil, &err)
				}
				if failure.Load() != nil {
					return
				}
			}
		}()
	}
	check := func(tenant int, o *object, err error) error {
		switch {
		case err == ErrAccess:
			refused.Add(1)
		case err == nil && o.owner != tenant:
			return fmt.Errorf("tenant %d found an object of %d", tenant, o.owner)
		case err == nil:
			found.Add(1)
		case err != ErrNotFound:
			return err
		}
		return nil
	}
	for i := range sets {
		tenant, set := i, sets[i]
		worker(func(random uint32) error { // changes
			_, err := set.Alloc(0, ids-1, &object{owner: tenant})
			if err != nil && err != ErrNoSpace && err != ErrAgain {
				return err
			}
			id := ID(random % ids)
			switch random >> 8 % 3 {
			case 0:
				old, err := set.Remove(id)
				if err == nil {
					removed.Add(1)
					if plant != gonePrematurely {
						err = s.Synchronize()
					}
					old.gone = true
				}
				return check(tenant, old, err)
			case 1:
				err := set.Free(id)
				return check(tenant, &object{owner: tenant}, err)
			default:
				if ref, err := set.Get(id); err == nil {
					o, err := ref.Value()
					if err := check(tenant, o, err); err != nil {
						return err
					}
					return ref.Release()
				}
			}
			return nil
		})
		worker(func(random uint32) error { // lookups
			find := set.Find
			if plant == setsIgnored {
				find = s.Find
			}
			o, err := find(ID(random % ids))
			return check(tenant, o, err)
		})
		worker(func(random uint32) error { // sections and batches
			if random%16 == 0 {
				var some [ids]ID
				for i := range some {
					some[i] = ID(i)
				}
				var out [ids]*object
				var errs [ids]error
				if _, err := set.FindMany(some[:], out[:], errs[:]); err != nil {
					return err
				}
				for i := range out {
					if err := check(tenant, out[i], errs[i]); err != nil {
						return err
					}
				}
				var wrong error
				err := set.Each(func(_ ID, o *object) bool {
					wrong = check(tenant, o, nil)
					return wrong == nil
				})
				if err == nil {
					err = wrong
				}
				return err
			}
			return s.Read(func(r *Reader[*object]) error {
				o, err := r.FindIn(set, ID(random%ids))
				for i := 0; err == nil && i < 10; i++ {
					if o.gone {
						return errors.New("released in a section")
					}
					runtime.Gosched()
				}
				return check(tenant, o, err)
			})
		})
	}
	wait.Wait()
	if err := failure.Load(); err != nil {
		return *err
	}
	if found.Load() == 0 || refused.Load() == 0 || removed.Load() == 0 {
		t.Error("nothing happened:", found.Load(), refused.Load(), removed.Load())
	}
	t.Logf("%d found, %d refused, %d removed", found.Load(), refused.Load(), removed.Load())
	must(s.FreeAll())
	wants(t, "barrier", s.Barrier(), nil)
	held(t, s, 0)
	wants(t, "validate", s.Validate(), nil)
	return nil
}

// With the race detector, and IOASID_PLANTED_RACE, this is what it has to find.
func TestPlantedRace(t *testing.T) {
	if !raceEnabled || os.Getenv("IOASID_PLANTED_RACE") == "" {
		t.Skip("only where the race detector is itself tested")
	}
	s := space[*object](t, Config{})
	id := must(s.Alloc(1, 9, &object{}))
	done := make(chan bool)
	go func() {
		must(s.Find(id)).gone = true
		close(done)
	}()
	must(s.Find(id)).gone = true
	<-done
}
