# SPDX-License-Identifier: MIT
"""ID spaces: numbers handed out for objects, which lookups find.

    with ioasid.Space(1, 1000) as space:
        id = space.alloc(obj)
        assert space[id] is obj
        space.free(id)

Objects are kept alive exactly as long as they can be found. Sets are tenants:
a lookup that names one sees its IDs alone. Every method may be called from any
thread; the GIL is given up only to wait for readers, in synchronize(), barrier(),
set_data() and close(). A space does not pass between interpreters; after
os.fork() the child uses and closes its own copy of each.
"""

from ._ioasid import (
    NAME_SIZE,
    REFS_MAX,
    SETS_MAX,
    Cursor,
    Items,
    Notifier,
    ReadSection,
    Reference,
    Reservation,
    Set,
    Space,
    __version__,
)
from ._types import (
    AccessDenied,
    BadSnapshot,
    Busy,
    Closed,
    DomainStats,
    Event,
    Exists,
    Handle,
    InvalidArgument,
    IoasidError,
    NameTooLong,
    NewerSnapshot,
    NoAllocator,
    NoSpace,
    NotFound,
    Notice,
    OutOfMemory,
    OutOfRange,
    QuotaExceeded,
    RangeTooWide,
    SetStats,
    Stale,
    Stats,
    TooManyReferences,
    TooManySets,
    TryAgain,
    WouldDeadlock,
    WrongSpace,
    WrongThread,
)

__all__ = [
    "AccessDenied",
    "BadSnapshot",
    "Busy",
    "Closed",
    "Cursor",
    "DomainStats",
    "Event",
    "Exists",
    "Handle",
    "InvalidArgument",
    "IoasidError",
    "Items",
    "NAME_SIZE",
    "NameTooLong",
    "NewerSnapshot",
    "NoAllocator",
    "NoSpace",
    "NotFound",
    "Notice",
    "Notifier",
    "OutOfMemory",
    "OutOfRange",
    "QuotaExceeded",
    "REFS_MAX",
    "RangeTooWide",
    "ReadSection",
    "Reference",
    "Reservation",
    "SETS_MAX",
    "Set",
    "SetStats",
    "Space",
    "Stale",
    "Stats",
    "TooManyReferences",
    "TooManySets",
    "TryAgain",
    "WouldDeadlock",
    "WrongSpace",
    "WrongThread",
    "__version__",
]
