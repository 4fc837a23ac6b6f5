// SPDX-License-Identifier: MIT

package ioasid

/*
#include "glue.h"
*/
import "C"

import (
	"errors"
	"runtime"
	"runtime/cgo"
	"unsafe"
)

// codec is what C calls, with the space's lock held, by a cgo.Handle. A panic must
// not pass through C with that lock: it is kept and goes on afterwards.
type codec struct {
	encode func(id ID, token uint64) (uint64, error)
	decode func(id ID, number uint64) (uint64, error)
	set    func() *setCore
	err    error
	panic  any
}

// guard calls f unless an earlier call failed.
func (c *codec) guard(f func() (uint64, error)) (number uint64) {
	if c.err != nil {
		return 0
	}
	returned := false
	defer func() {
		if returned {
			return
		}
		number = 0
		c.panic = recover()
		c.err = errCodec
	}()
	number, c.err = f()
	returned = true
	if c.err != nil {
		return 0
	}
	return number
}

// errCodec stands for a panic until it goes on.
var errCodec = errors.New("ioasid: codec did not return")

//export goioasidEncode
func goioasidEncode(handle C.uintptr_t, id C.uint32_t, token C.uint64_t) C.uint64_t {
	c := cgo.Handle(handle).Value().(*codec)
	return C.uint64_t(c.guard(func() (uint64, error) {
		return c.encode(ID(id), uint64(token))
	}))
}

//export goioasidDecode
func goioasidDecode(handle C.uintptr_t, id C.uint32_t, number C.uint64_t) C.uint64_t {
	c := cgo.Handle(handle).Value().(*codec)
	return C.uint64_t(c.guard(func() (uint64, error) {
		return c.decode(ID(id), uint64(number))
	}))
}

//export goioasidSet
func goioasidSet(handle C.uintptr_t) C.uintptr_t {
	return cgo.Handle(handle).Value().(*codec).set().c
}

// finish is the error of a call that called the codec, or its panic.
func (c *codec) finish(ret int64) error {
	if c.panic != nil {
		panic(c.panic)
	}
	if c.err != nil {
		return c.err
	}
	return errorOf(ret)
}

func (c *core) snapshot(functions *codec) ([]byte, error) {
	handle := cgo.NewHandle(functions)
	defer handle.Delete()
	var buffer []byte
	for {
		var at unsafe.Pointer
		if len(buffer) > 0 {
			at = unsafe.Pointer(&buffer[0])
		}
		var needed C.size_t
		ret := C.goioasid_snapshot(c.c, C.uintptr_t(handle), at,
			C.size_t(len(buffer)), &needed)
		runtime.KeepAlive(c)
		if functions.err == nil && errorOf(int64(ret)) == ErrNoBuffer &&
			uint64(needed) <= maxInt {
			buffer = make([]byte, int(needed))
			continue
		}
		if err := functions.finish(int64(ret)); err != nil {
			return nil, err
		}
		return buffer[:int(needed)], nil
	}
}

const maxInt = 1<<63 - 1

// restore reads a copy: C checks the bytes once, before it calls decode, which may
// write to those of its caller.
func (c *core) restore(functions *codec, snapshot []byte) error {
	snapshot = append([]byte(nil), snapshot...)
	handle := cgo.NewHandle(functions)
	defer handle.Delete()
	var at unsafe.Pointer
	if len(snapshot) > 0 {
		at = unsafe.Pointer(&snapshot[0])
	}
	ret := C.goioasid_restore(c.c, C.uintptr_t(handle), at,
		C.size_t(len(snapshot)))
	runtime.KeepAlive(c)
	return functions.finish(int64(ret))
}
