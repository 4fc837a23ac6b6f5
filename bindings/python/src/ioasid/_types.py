# SPDX-License-Identifier: MIT
"""Errors, handles and the tuples that calls answer with."""

from __future__ import annotations

import enum
import errno
import typing
from typing import Any, ClassVar

import ioasid


class IoasidError(OSError):
    """What a call could not do; errno says why, and each reason has a class.

    On error nothing has changed, where the call does not say otherwise.
    """

    number: ClassVar[int] = 0
    reason: ClassVar[str] = ""


class OutOfMemory(IoasidError, MemoryError):
    """ENOMEM: the library was given no memory."""

    number = errno.ENOMEM
    reason = "out of memory"


class NotFound(IoasidError, KeyError):
    """ENOENT: no such ID, set, SPID, or reservation."""

    number = errno.ENOENT
    reason = "not found"


class AccessDenied(IoasidError, PermissionError):
    """EACCES: the ID is another set's."""

    number = errno.EACCES
    reason = "owned by another set"


class Stale(IoasidError, KeyError):
    """ESTALE: the handle is of an earlier use of its ID."""

    number = errno.ESTALE
    reason = "the ID was handed out again since"


class Busy(IoasidError):
    """EBUSY: freed before with references left, or in use."""

    number = errno.EBUSY
    reason = "in use"


class Exists(IoasidError):
    """EEXIST: the token, SPID or registration is there already."""

    number = errno.EEXIST
    reason = "there already"


class InvalidArgument(IoasidError, ValueError):
    """EINVAL: the arguments contradict each other, or name nothing known."""

    number = errno.EINVAL
    reason = "invalid argument"


class NoSpace(IoasidError):
    """ENOSPC: no vacant ID in the range, or no capacity left."""

    number = errno.ENOSPC
    reason = "no vacant ID or no capacity left"


class QuotaExceeded(IoasidError):
    """EDQUOT: the quota of the set is used up."""

    number = errno.EDQUOT
    reason = "the quota of the set is used up"


class TryAgain(IoasidError, BlockingIOError):
    """EAGAIN: what is asked for waits for a grace period; synchronize() helps."""

    number = errno.EAGAIN
    reason = "waits for a grace period"


class WrongSpace(IoasidError, ValueError):
    """EXDEV: the set belongs to another space."""

    number = errno.EXDEV
    reason = "the set belongs to another space"


class TooManySets(IoasidError):
    """ENFILE: the space has no room for one more set."""

    number = errno.ENFILE
    reason = "no room for one more set"


class TooManyReferences(IoasidError, OverflowError):
    """EOVERFLOW: the ID has as many references as can be counted."""

    number = errno.EOVERFLOW
    reason = "no more references can be counted"


class WouldDeadlock(IoasidError):
    """EDEADLK: a wait for readers inside of a read section, or in a callback."""

    number = errno.EDEADLK
    reason = "a wait inside of a read section or callback would not end"


class WrongThread(IoasidError, RuntimeError):
    """EPERM: a read section is left by another thread than entered it."""

    number = errno.EPERM
    reason = "the read section was entered by another thread"


class NameTooLong(IoasidError, ValueError):
    """ENAMETOOLONG: a name has more than 31 bytes in UTF-8."""

    number = errno.ENAMETOOLONG
    reason = "a name may have 31 bytes"


class RangeTooWide(IoasidError, ValueError):
    """E2BIG: the range is too wide for the bitmap store."""

    number = errno.E2BIG
    reason = "the range is too wide for the bitmap store"


class OutOfRange(IoasidError, ValueError):
    """ERANGE: a snapshot has what the space cannot have."""

    number = errno.ERANGE
    reason = "out of what the space can have"


class BadSnapshot(IoasidError, ValueError):
    """EBADMSG: not a snapshot, or damaged."""

    number = errno.EBADMSG
    reason = "not a snapshot, or damaged"


class NewerSnapshot(IoasidError, ValueError):
    """EPROTO: the snapshot is of a later version of the format."""

    number = errno.EPROTO
    reason = "a snapshot of a later version"


class NoAllocator(IoasidError):
    """ENODEV: the snapshot has IDs of an allocator, which Python has none of."""

    number = errno.ENODEV
    reason = "the snapshot has IDs of an allocator"


class Closed(IoasidError, ValueError):
    """EBADF: the space is closed or closing, or the set is destroyed."""

    number = errno.EBADF
    reason = "closed or destroyed"


_CLASSES: dict[int, type[IoasidError]] = {
    cls.number: cls for cls in IoasidError.__subclasses__()
}


def _describe(subject: object) -> str:
    try:
        return repr(subject)
    except Exception:  # of the caller's own class, or an int that is too long
        return object.__repr__(subject)


def make_error(number: int, subject: object = None) -> IoasidError:
    """The exception of an errno, about a subject; called by the extension."""
    cls = _CLASSES.get(number, IoasidError)
    reason = cls.reason or errno.errorcode.get(number, "error")
    if subject is not None:
        reason = f"{_describe(subject)}: {reason}"
    return cls(number, reason)


class Handle(int):
    """One use of one ID: an int of the generation and the ID.

    An ID that is freed and handed out again has another handle, so one kept for
    too long is told apart. Any int of its value serves in its place.
    """

    __slots__ = ()

    @property
    def id(self) -> int:
        """The ID."""
        return self & 0xFFFFFFFF

    @property
    def generation(self) -> int:
        """Which use of the ID it is."""
        return self >> 32

    def __repr__(self) -> str:
        return f"Handle(id={self.id}, generation={self.generation})"


class Event(enum.IntEnum):
    """What a notifier is told of."""

    ALLOC = 0
    FREE = 1
    BIND = 2
    UNBIND = 3


class Notice(typing.NamedTuple):
    """What a notifier is told.

    set is None where no set owns the ID, spid where it has no name there; arg
    is that of Space.notify(), else None.
    """

    event: Event
    space: ioasid.Space[Any]
    set: ioasid.Set[Any] | None
    handle: Handle
    spid: int | None
    obj: Any
    arg: Any


class Stats(typing.NamedTuple):
    """Counts of a space, of one moment; memory is in bytes.

    live can be found; pending are freed with references left; unpublished are
    reserved; quarantined are vacant and wait for a grace period; committed are
    all of these but the last, and what is set aside; reserved is what
    Space.reserve() set aside.
    """

    live: int
    pending: int
    unpublished: int
    quarantined: int
    sets: int
    notifiers: int
    capacity: int
    committed: int
    reserved: int
    allocs: int
    frees: int
    alloc_failed: int
    free_unknown: int
    memory: int


class SetStats(typing.NamedTuple):
    """What a set is and has, of one moment; quota 0 is none, ids counts its IDs."""

    name: str
    token: Any
    quota: int
    reserved: int
    ids: int
    spids: int


class DomainStats(typing.NamedTuple):
    """How the readers of a space are doing, of one moment.

    threads are registered; retired blocks of retired_bytes wait for readers,
    the oldest for oldest_ns nanoseconds.
    """

    threads: int
    pending: int
    retired: int
    retired_bytes: int
    oldest_ns: int
    grace_periods: int
