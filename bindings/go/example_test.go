// SPDX-License-Identifier: MIT

package ioasid_test

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	ioasid "github.com/ioasid/ioasid-go"
)

type table struct{ name string }

// A tenant's lookups find its own IDs and no others.
func Example() {
	space, err := ioasid.New[*table](ioasid.Config{Min: 1, Max: 0xfffff})
	if err != nil {
		panic(err)
	}
	defer space.Close()
	tenant, _ := space.NewSet(ioasid.SetConfig{Name: "tenant", Quota: 2})
	another, _ := space.NewSet(ioasid.SetConfig{Name: "another"})

	pasid, err := tenant.Alloc(1, 0xfffff, &table{"a process"})
	fmt.Println(pasid, err)
	found, err := tenant.Find(pasid)
	fmt.Println(found.name, err)
	_, err = another.Find(pasid)
	fmt.Println(err, errors.Is(err, syscall.EACCES))
	tenant.Free(pasid)
	_, err = tenant.Find(pasid)
	fmt.Println(err == ioasid.ErrNotFound)
	// Output:
	// 1 <nil>
	// a process <nil>
	// ioasid: owned by another set true
	// true
}

// What is torn down after Remove and Synchronize is in no reader's hands.
func ExampleSpace_Read() {
	space, _ := ioasid.New[*os.File](ioasid.Config{})
	defer space.Close()
	null, _ := os.Open(os.DevNull)
	id, _ := space.Alloc(1, 9, null)

	// On any goroutine:
	space.Read(func(r *ioasid.Reader[*os.File]) error {
		file, err := r.Find(id)
		if err == nil {
			_, err = file.Stat()
		}
		fmt.Println(err)
		return err
	})

	// On another:
	file, _ := space.Remove(id)
	space.Synchronize()
	fmt.Println(file.Close())
	// Output:
	// <nil>
	// <nil>
}

// Values that nobody was given are closed a grace period after their IDs have ended.
func ExampleSpace_OnRelease() {
	space, _ := ioasid.New[string](ioasid.Config{})
	space.OnRelease(func(value string) { fmt.Println("released", value) })
	id, _ := space.Alloc(1, 9, "first")
	space.Alloc(1, 9, "second")
	space.Free(id)
	space.Synchronize()
	fmt.Println("synchronized")
	space.Close()
	// Output:
	// released first
	// synchronized
	// released second
}

// A batch costs one call of C.
func ExampleSpace_FindMany() {
	space, _ := ioasid.New[string](ioasid.Config{})
	defer space.Close()
	space.Alloc(1, 9, "one")
	space.Alloc(3, 9, "three")
	ids := []ioasid.ID{1, 2, 3}
	values, errs := make([]string, 3), make([]error, 3)
	found, err := space.FindMany(ids, values, errs)
	fmt.Println(found, err)
	for i, id := range ids {
		fmt.Println(id, values[i], errs[i])
	}
	// Output:
	// 2 <nil>
	// 1 one <nil>
	// 2  ioasid: not found
	// 3 three <nil>
}

// What has to know its ID before it can be found.
func ExampleSpace_Reserve() {
	space, _ := ioasid.New[string](ioasid.Config{})
	defer space.Close()
	reserved, _ := space.Reserve(1, 9)
	_, err := space.Find(reserved.ID())
	fmt.Println(err)
	reserved.Publish(fmt.Sprint("the value of ID ", reserved.ID()))
	fmt.Println(space.Find(reserved.ID()))
	// Output:
	// ioasid: not found
	// the value of ID 1 <nil>
}

// A snapshot has numbers for values.
func ExampleSpace_Snapshot() {
	names := []string{"zero", "one"}
	space, _ := ioasid.New[int](ioasid.Config{})
	defer space.Close()
	id, _ := space.Alloc(7, 9, 1)
	bytes, err := space.Snapshot(func(_ ioasid.ID, value int) (uint64, error) {
		return uint64(value), nil
	})
	fmt.Println(err)

	restored, _ := ioasid.New[string](ioasid.Config{})
	defer restored.Close()
	err = restored.Restore(bytes, func(_ ioasid.ID, number uint64) (string, error) {
		return names[number], nil
	})
	fmt.Println(err)
	fmt.Println(restored.Find(id))
	// Output:
	// <nil>
	// <nil>
	// one <nil>
}

// A reference keeps an ID from being handed out again.
func ExampleSpace_Get() {
	space, _ := ioasid.New[string](ioasid.Config{Max: 1})
	defer space.Close()
	id, _ := space.Alloc(1, 1, "first")
	ref, _ := space.Get(id)
	space.Free(id)
	_, err := space.Alloc(1, 1, "second")
	fmt.Println(err)
	ref.Release()
	fmt.Println(space.Alloc(1, 1, "second"))
	// Output:
	// ioasid: no ID left
	// 1 <nil>
}
