// SPDX-License-Identifier: MIT

/*
Package ioasid hands out small integer IDs, such as I/O address space IDs, PASIDs
and handles, remembers a value and an owner for each, and lets any number of
goroutines look an ID up while others allocate and free. It is the C library ioasid,
which is in this package, under a [Space] of values of any type.

A lookup of a [Set] finds the IDs of that set and nothing of others, also while an
ID changes hands.

# Goroutines and threads

All methods may be called by any number of goroutines, and none has to call
[runtime.LockOSThread]. What the C library calls a read section belongs to a thread:
the section of a lookup begins and ends within one call of C, which a goroutine does
not leave for another thread. Only [Space.Read] keeps a section open over several
calls, and locks its goroutine to the thread for that long. Threads register
themselves on first use, and are forgotten when Go ends them; a thread that is not
in a section holds up nobody.

Methods whose doc says that they wait need a grace period: all read sections that
are running have ended then. They answer [ErrDeadlock] inside a section of their own
goroutine. All others may be called in one, and block only for each other's short
locks; lookups block for nothing.

# Values

A value is in the space as long as its ID can be found, and for a grace period more,
so that whoever found it in [Space.Read] may use it to the end of the section. Then
the space lets go of it, and calls what [Space.OnRelease] was given. That is noticed
at every 64th ID freed, and by [Space.Synchronize], [Space.Barrier], [Space.Trim]
and [Space.Close]; Config.Waiting bounds how many values wait. C never has a Go
pointer: it has the number of a place in a table on Go's side, which is not given
twice, so a lookup that comes too late finds nothing rather than another's value.

The lookups outside of Read return a copy of the value, which they may keep as long as
they like. So what is torn down after [Space.Remove] and [Space.Synchronize] is in
use by nobody that found it in Read, but may be by others.

The race detector takes each call of C for something that orders all others, as grace
periods do; so it also finds fewer races among goroutines that call a space.

# Errors

Errors are the variables of this package. They are also the errnos of the C library:
errors.Is(err, syscall.EACCES) is the same question as err == ioasid.ErrAccess.

# What is left out

Notifiers and allocators of the C library: they would run Go inside of C inside of
each alloc and free; wrap the methods instead. Flavours of RCU other than epoch:
they need threads that the program knows. Domains shared by several spaces, and stores
of one's own.
*/
package ioasid
