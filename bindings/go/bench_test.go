// SPDX-License-Identifier: MIT

package ioasid

import (
	"fmt"
	"os"
	"runtime/cgo"
	"sort"
	"sync"
	"testing"
	"time"
)

const benchIDs = 1024

type benchValue struct{ n int }

type bench struct {
	s      *Space[*benchValue]
	set    *Set[*benchValue]
	ids    []ID
	out    []*benchValue
	synced sync.Map
	mu     sync.RWMutex
	mapped map[ID]*benchValue
	handle map[ID]cgo.Handle
}

func newBench(t testing.TB) *bench {
	b := &bench{
		s: space[*benchValue](t, Config{}), mapped: map[ID]*benchValue{},
		handle: map[ID]cgo.Handle{}, out: make([]*benchValue, benchIDs),
	}
	b.set = must(b.s.NewSet(SetConfig{}))
	for i := 0; i < benchIDs; i++ {
		value := &benchValue{i}
		id := must(b.set.Alloc(1, 1<<20, value))
		b.ids = append(b.ids, id)
		b.synced.Store(id, value)
		b.mapped[id] = value
		b.handle[id] = cgo.NewHandle(value)
	}
	t.Cleanup(func() {
		for _, handle := range b.handle {
			handle.Delete()
		}
	})
	return b
}

// The loops: each does n lookups, in turn over the IDs.
var benchLoops = []struct {
	name string
	run  func(b *bench, n int)
}{
	{"c_find", func(b *bench, n int) { b.s.core.timeFind(b.ids, n) }},
	{"cgo_call", func(b *bench, n int) {
		for i := 0; i < n; i++ {
			b.s.core.nothing(b.ids[i%benchIDs])
		}
	}},
	{"find", func(b *bench, n int) {
		for i := 0; i < n; i++ {
			b.s.Find(b.ids[i%benchIDs])
		}
	}},
	{"find_set", func(b *bench, n int) {
		for i := 0; i < n; i++ {
			b.set.Find(b.ids[i%benchIDs])
		}
	}},
	{"find_many_16", func(b *bench, n int) { b.many(16, n) }},
	{"find_many_256", func(b *bench, n int) { b.many(256, n) }},
	{"sync_map", func(b *bench, n int) {
		for i := 0; i < n; i++ {
			if value, ok := b.synced.Load(b.ids[i%benchIDs]); ok {
				_ = value.(*benchValue)
			}
		}
	}},
	{"map_rwmutex", func(b *bench, n int) {
		for i := 0; i < n; i++ {
			b.mu.RLock()
			_ = b.mapped[b.ids[i%benchIDs]]
			b.mu.RUnlock()
		}
	}},
	{"value_of_token", func(b *bench, n int) {
		for i := 0; i < n; i++ {
			b.s.found(1<<32 | int64(i%benchIDs))
		}
	}},
	{"value_of_cgo_handle", func(b *bench, n int) {
		first := b.handle[b.ids[0]]
		for i := 0; i < n; i++ {
			_ = (first + cgo.Handle(i%benchIDs)).Value().(*benchValue)
		}
	}},
	{"alloc_free", func(b *bench, n int) {
		value := &benchValue{}
		for i := 0; i < n; i++ {
			b.s.Free(must(b.s.Alloc(1<<20, 1<<21, value)))
		}
	}},
}

func (b *bench) many(size, n int) {
	for i := 0; i < n; i += size {
		at := i % benchIDs
		b.s.FindMany(b.ids[at:at+size], b.out[:size], nil)
	}
}

func BenchmarkOneGoroutine(b *testing.B) {
	with := newBench(b)
	for _, loop := range benchLoops {
		b.Run(loop.name, func(b *testing.B) { loop.run(with, b.N) })
	}
}

func BenchmarkParallel(b *testing.B) {
	with := newBench(b)
	for _, loop := range benchLoops {
		if loop.name == "c_find" || loop.name == "find_many_16" || loop.name == "find_many_256" {
			continue
		}
		b.Run(loop.name, func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					loop.run(with, 1)
				}
			})
		})
	}
}

// With IOASID_BENCH medians in nanoseconds, of nine rounds of interleaved slices, each
// short enough to be over, as a rule, before something else is given the processor.
func TestMedians(t *testing.T) {
	if os.Getenv("IOASID_BENCH") == "" {
		t.Skip("for the step bench")
	}
	const slices, n = 9 * 33, 1 << 12
	b := newBench(t)
	times := make([][]float64, len(benchLoops))
	for slice := 0; slice < slices; slice++ {
		for i, loop := range benchLoops {
			begin := time.Now()
			loop.run(b, n)
			times[i] = append(times[i], float64(time.Since(begin).Nanoseconds())/n)
		}
	}
	for i, loop := range benchLoops {
		sort.Float64s(times[i])
		fmt.Printf("%s %.1f\n", loop.name, times[i][slices/2])
	}
}

// The loops do what they say, at least once.
func TestBenchLoops(t *testing.T) {
	b := newBench(t)
	for i, id := range b.ids {
		want := b.mapped[id]
		value, err := b.s.found(1<<32 | int64(i))
		if must(b.s.Find(id)) != want || value != want || err != nil {
			t.Fatalf("ID %d is not what the loops take it for", id)
		}
	}
	for _, loop := range benchLoops {
		loop.run(b, benchIDs)
	}
	for i, value := range b.out[:256] {
		if value != b.mapped[b.ids[768+i]] {
			t.Fatal("find_many found something else")
		}
	}
	if b.s.core.timeFind(b.ids, benchIDs) == 0 {
		t.Error("the loop in C did not find all IDs")
	}
}
