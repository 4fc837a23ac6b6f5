// SPDX-License-Identifier: MIT

package ioasid

import (
	"io/fs"
	"syscall"
)

// Error is an error of the library. The functions of this package return the
// Err variables themselves, so == and [errors.Is] both work; each also is the
// [syscall.Errno] of the C library, and with it what that one is, such as
// [fs.ErrNotExist].
type Error struct {
	errno syscall.Errno
	text  string
}

// Error returns what went wrong, in words.
func (e *Error) Error() string { return "ioasid: " + e.text }

// Errno returns the number of the C library, positive.
func (e *Error) Errno() syscall.Errno { return e.errno }

// Is reports whether the error is target: an errno, or one of [io/fs]'s errors.
func (e *Error) Is(target error) bool {
	if errno, ok := target.(syscall.Errno); ok {
		return errno == e.errno
	}
	return target == fs.ErrClosed && e.errno == syscall.EBADF ||
		e.errno.Is(target)
}

// The errors of this package.
var (
	// ErrNotFound: no such ID, handle, SPID or set, or its end is under way.
	ErrNotFound error = &Error{syscall.ENOENT, "not found"}
	// ErrAccess: the ID belongs to another set.
	ErrAccess error = &Error{syscall.EACCES, "owned by another set"}
	// ErrStale: the ID of the handle has been handed out again.
	ErrStale error = &Error{syscall.ESTALE, "stale handle"}
	// ErrBusy: the ID was freed before and references remain; the set has IDs;
	// the space is not empty.
	ErrBusy error = &Error{syscall.EBUSY, "in use"}
	// ErrNoSpace: no vacant ID, or no capacity left.
	ErrNoSpace error = &Error{syscall.ENOSPC, "no ID left"}
	// ErrQuota: the quota of the set is used up.
	ErrQuota error = &Error{syscall.EDQUOT, "quota of the set used up"}
	// ErrAgain: only what waits for a grace period is left.
	ErrAgain error = &Error{syscall.EAGAIN, "waits for a grace period"}
	// ErrNoMemory: no memory on the C side.
	ErrNoMemory error = &Error{syscall.ENOMEM, "no memory"}
	// ErrCrossSpace: the set belongs to another space.
	ErrCrossSpace error = &Error{syscall.EXDEV, "set of another space"}
	// ErrTooManySets: a space has no room for one more set.
	ErrTooManySets error = &Error{syscall.ENFILE, "too many sets"}
	// ErrRange: the snapshot has what this space cannot have.
	ErrRange error = &Error{syscall.ERANGE, "out of the range of the space"}
	// ErrExist: another set has the token, or another ID of the set the SPID.
	ErrExist error = &Error{syscall.EEXIST, "taken already"}
	// ErrDeadlock: the call would wait for its own caller, inside a read section
	// or a codec.
	ErrDeadlock error = &Error{syscall.EDEADLK, "would wait for its caller"}
	// ErrInvalid: an argument is.
	ErrInvalid error = &Error{syscall.EINVAL, "invalid argument"}
	// ErrTooWide: the range is too wide for the store Bitmap.
	ErrTooWide error = &Error{syscall.E2BIG, "range too wide for a bitmap"}
	// ErrNameTooLong: a name has more than 31 bytes.
	ErrNameTooLong error = &Error{syscall.ENAMETOOLONG, "name too long"}
	// ErrOverflow: as many references as an ID can have.
	ErrOverflow error = &Error{syscall.EOVERFLOW, "too many references"}
	// ErrBadSnapshot: the bytes are no snapshot, or damaged.
	ErrBadSnapshot error = &Error{syscall.EBADMSG, "not a snapshot, or damaged"}
	// ErrVersion: the snapshot is of a later version.
	ErrVersion error = &Error{syscall.EPROTO, "snapshot of a later version"}
	// ErrNoDevice: the snapshot has IDs of an allocator of the C library, which
	// Go has none of.
	ErrNoDevice error = &Error{syscall.ENODEV, "snapshot needs an allocator"}
	// ErrNoBuffer: the snapshot is larger than memory.
	ErrNoBuffer error = &Error{syscall.ENOBUFS, "buffer too small"}
	// ErrIO: the system has taken back what grace periods rely on, see
	// membarrier(2).
	ErrIO error = &Error{syscall.EIO, "grace periods cannot end"}
	// ErrNotPermitted: a Reader outside of its read section, or on another
	// goroutine.
	ErrNotPermitted error = &Error{syscall.EPERM, "outside of the read section"}
	// ErrClosed: the space is closed, the set destroyed, or the reference or
	// reservation released. It is [fs.ErrClosed] too.
	ErrClosed error = &Error{syscall.EBADF, "closed"}
)

var byErrno = func() map[syscall.Errno]error {
	errs := map[syscall.Errno]error{}
	for _, err := range []error{
		ErrNotFound, ErrAccess, ErrStale, ErrBusy, ErrNoSpace, ErrQuota,
		ErrAgain, ErrNoMemory, ErrCrossSpace, ErrTooManySets, ErrRange,
		ErrExist, ErrDeadlock, ErrInvalid, ErrTooWide, ErrNameTooLong,
		ErrOverflow, ErrBadSnapshot, ErrVersion, ErrNoDevice,
		ErrNoBuffer, ErrIO, ErrNotPermitted, ErrClosed,
	} {
		errs[errnoOf(err)] = err
	}
	return errs
}()

func errnoOf(err error) syscall.Errno { return err.(*Error).errno }

// errorOf is the error for what C returned, nil for 0 and above.
func errorOf(ret int64) error {
	if ret >= 0 {
		return nil
	}
	switch errno := syscall.Errno(-ret); errno {
	case syscall.ENOENT:
		return ErrNotFound
	case syscall.EACCES:
		return ErrAccess
	default:
		if err := byErrno[errno]; err != nil {
			return err
		}
		return errno
	}
}
