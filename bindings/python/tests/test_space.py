# SPDX-License-Identifier: MIT
"""What each call answers, every error included."""

import errno
import gc
import pickle
import sys

import pytest

import ioasid
from ioasid import _types


def fails(cls, function, *args, **kwargs):
    """An IoasidError of this class, with its errno and some words."""
    with pytest.raises(ioasid.IoasidError) as caught:
        function(*args, **kwargs)
    assert type(caught.value) is cls
    assert caught.value.errno == cls.number and caught.value.strerror
    return caught.value


def test_ids(space):
    first, second = object(), object()
    id = space.alloc(first)
    assert (id, space[id], space.find(id), space.get(id)) == (1, first, first, first)
    assert space.alloc(second, min=50, max=60) == 50
    assert list(space) == [1, 50] and len(space) == 2
    assert 50 in space and 51 not in space and -1 not in space and 2**70 not in space
    assert space.remove(50) is second
    space.free(id)
    assert not len(space) and list(space.items()) == []


def test_none_is_an_object(space):
    id = space.alloc(None)
    assert space.find(id) is None and space.get(id, 5) is None and id in space
    assert space.find_many([id], default=5) == [None]
    assert space.exchange(id, 7) is None and space.exchange(id, None) == 7
    assert space.remove(id) is None


def test_not_found(space):
    id = space.alloc("x")
    for call in (
        space.find,
        space.free,
        space.remove,
        space.handle,
        space.reference,
        space.ref_get,
        space.ref_put,
        space.release_id,
        space.spid_of,
        space.spid_detach,
        space.set_of,
        space.__getitem__,
        space.find_handle,
        space.free_handle,
        space.reference_handle,
    ):
        for unknown in (99, 0, -1, 2**32 - 1, 2**64, -(2**70)):
            error = fails(ioasid.NotFound, call, unknown)
            assert str(unknown) in str(error) and isinstance(error, KeyError)
    for call in (space.exchange, space.set_data, space.publish_id):
        fails(ioasid.NotFound, call, 99, "y")
    fails(ioasid.NotFound, space.find_many, [id, 99])
    fails(ioasid.NotFound, space.next, min=id + 1)
    fails(ioasid.NotFound, space.set_by_token, "nobody")
    fails(ioasid.NotFound, space.notify, 99, ioasid.Event.BIND)
    assert space.get(99) is None and space.get(99, "d") == "d"
    assert space.find_many([id, 99], default="d") == ["x", "d"]


def test_failed_calls_drop_nothing(space, thing):
    obj = thing()
    before = sys.getrefcount(obj)
    for call in (space.exchange, space.set_data, space.publish_id):
        fails(ioasid.NotFound, call, 99, obj)
    fails(ioasid.InvalidArgument, space.alloc, obj, min=9, max=8)
    # Tracebacks hold the arguments.
    gc.collect()
    assert sys.getrefcount(obj) == before


def test_wrong_types(space):
    for call in (space.find, space.free, space.find_handle, space.ref_put):
        for wrong in ("1", None, 1.0, [1]):
            with pytest.raises(TypeError):
                call(wrong)
    with pytest.raises(TypeError, match="'1'"):
        space.alloc(1, set="1")
    with pytest.raises(TypeError):
        space.find_many([space.alloc("x"), "1"])
    with pytest.raises(TypeError):
        space.find_many(5)
    for wrong in ((), (1, 2, 3, 4)):
        with pytest.raises(TypeError):
            space.find(*wrong)
    with pytest.raises(TypeError, match="unknown argument 'nam'"):
        space.find(1, nam=1)
    with pytest.raises(TypeError, match="second argument 'id'"):
        space.find(1, id=1)
    with pytest.raises(TypeError, match="misses its argument 'obj'"):
        space.alloc(min=1)
    with pytest.raises(TypeError):
        space.alloc_cyclic(5, "x")
    with pytest.raises(TypeError):
        space.create_set(5)
    with pytest.raises(TypeError):
        space.create_set(token=[])
    with pytest.raises(TypeError):
        space.register_notifier(5)
    with pytest.raises(TypeError):
        space.spid_find(None, 5)
    with pytest.raises(ValueError, match="null"):
        space.create_set("a\0b")
    for wrong in (-1, 2**32, 2**80):
        with pytest.raises(OverflowError, match="min is"):
            space.alloc("x", min=wrong)
        with pytest.raises(OverflowError):
            space.reserve(wrong)
    with pytest.raises(OverflowError, match="min is"):
        space.alloc("x", min=10**5000)
    for call in (space.reserve, space.unreserve):
        with pytest.raises(TypeError):
            call(None)
    with pytest.raises(TypeError):
        space.capacity = None
    with pytest.raises(TypeError):
        ioasid.Cursor().next = None
    for kind in (ioasid.Set, ioasid.Reference, ioasid.Reservation, ioasid.Notifier):
        with pytest.raises(TypeError):
            kind()
    with pytest.raises(TypeError):
        ioasid.Space.alloc = None
    with pytest.raises(TypeError):
        type("Sub", (ioasid.Space,), {})
    with pytest.raises(TypeError):
        pickle.dumps(space)
    with pytest.raises(AttributeError):
        del space.capacity


def test_errors_about_what_has_no_repr(space):
    class Mute:
        def __repr__(self):
            raise RuntimeError

    fails(ioasid.NotFound, space.find, 10**5000)
    fails(ioasid.NotFound, space.free, -(10**5000))
    fails(ioasid.NotFound, space.find_handle, 10**5000)
    fails(ioasid.NotFound, space.set_by_token, Mute())


def test_make():
    with ioasid.Space() as space:
        assert (space.min, space.max, space.store) == (0, 2**32 - 2, "radix")
        assert space.name is None and space.capacity == 2**32 - 1
        assert space.alloc(1) == 0 and space.alloc(2, min=2**32 - 2) == 2**32 - 2
        assert list(space) == [0, 2**32 - 2]
        assert list(space.items(min=1)) == [(2**32 - 2, 2)]
        assert space.free_all() == 2
    with ioasid.Space(0, 0) as space:
        assert space.max == 2**32 - 2
    with ioasid.Space(5, 6, name="tenants", capacity=1, store="hash") as space:
        assert repr(space) == "<ioasid.Space 'tenants', hash, 0 live>"
        assert "tenants" in space.dump()
        space.alloc("x")
        fails(ioasid.NoSpace, space.alloc, "y")
    assert "closed" in repr(space) and space.closed
    fails(ioasid.InvalidArgument, ioasid.Space, 2, 1)
    fails(ioasid.NameTooLong, ioasid.Space, name="n" * 32)
    fails(ioasid.RangeTooWide, ioasid.Space, store="bitmap")
    with pytest.raises(ValueError, match="'tree'"):
        ioasid.Space(store="tree")
    with pytest.raises(ValueError, match="'none'"):
        ioasid.Space(reuse="none")
    with pytest.raises(OverflowError):
        ioasid.Space(-1)
    with pytest.raises(TypeError):
        ioasid.Space(1, 2, 3)


def test_full(space):
    for _ in range(100):
        space.alloc("x")
    error = fails(ioasid.NoSpace, space.alloc, "y")
    assert isinstance(error, OSError) and error.errno == errno.ENOSPC
    space.free(7)
    assert space.alloc("z") == 7
    assert space.stats().alloc_failed == 1


def test_capacity(space):
    space.capacity = 3
    space.reserve(2)
    space.alloc("x")
    fails(ioasid.NoSpace, space.alloc, "y")
    fails(ioasid.NoSpace, space.reserve, 1)
    fails(ioasid.InvalidArgument, space.unreserve, 3)
    fails(ioasid.Busy, setattr, space, "capacity", 2)
    space.unreserve(2)
    space.capacity = 1
    assert space.capacity == 1 and space.stats().reserved == 0


def test_quarantine(store):
    with ioasid.Space(1, 1, store=store, quarantine=True) as space:
        with space.read():
            space.free(space.alloc("x"))
            error = fails(ioasid.TryAgain, space.alloc, "y")
            assert isinstance(error, BlockingIOError)
            assert space.stats().quarantined == 1
        space.synchronize()
        assert space.alloc("y") == 1


def test_cyclic(store):
    with ioasid.Space(1, 3, store=store, reuse="cyclic") as space:
        space.free(space.alloc("x"))
        assert space.alloc("y") == 2
    with ioasid.Space(1, 3, store=store) as space:
        cursor = ioasid.Cursor()
        got = []
        for _ in range(4):
            got.append((space.alloc_cyclic(cursor, "x"), cursor.wrapped, cursor.next))
            space.free(got[-1][0])
        assert got == [(1, False, 2), (2, False, 3), (3, False, 4), (1, True, 2)]
        cursor.next = 3
        assert space.alloc_cyclic(cursor, "x", min=1, max=3) == 3
        with pytest.raises(OverflowError):
            cursor.next = -1
        with pytest.raises(AttributeError):
            del cursor.next
        assert ioasid.Cursor(9).next == 9


def test_handles(space):
    id = space.alloc("x")
    handle = space.handle(id)
    assert isinstance(handle, ioasid.Handle) and handle.id == id
    assert handle == handle.generation << 32 | id and "generation" in repr(handle)
    assert space.find_handle(handle) == "x" and space.find_handle(int(handle)) == "x"
    space.free_handle(handle)
    fails(ioasid.NotFound, space.free_handle, handle)
    assert space.alloc("y") == id
    for call in (
        space.find_handle,
        space.free_handle,
        space.reference_handle,
        space.ref_get_handle,
    ):
        assert isinstance(fails(ioasid.Stale, call, handle), KeyError)
    assert space.handle(id).generation != handle.generation
    with space.reference_handle(space.handle(id)) as obj:
        assert obj == "y"


def test_references(space):
    id = space.alloc("x")
    with space.reference(id) as obj:
        space.free(id)
        assert obj == "x" and id not in space
        fails(ioasid.Busy, space.free, id)
        fails(ioasid.Busy, space.reference, id)
        assert space.alloc("y") != id and space.stats().pending == 1
    assert space.stats().pending == 0 and space.alloc("z") == id
    reference = space.reference(id)
    assert (reference.id, reference.obj) == (id, "z")
    reference.put()
    reference.put()
    fails(ioasid.Closed, reference.__enter__)
    reference = space.reference(id)
    space.free(id)
    assert space.stats().pending == 1
    del reference
    assert space.stats().pending == 0


def test_low_level_references(space):
    id = space.alloc("x")
    space.ref_get(id)
    space.ref_get_handle(space.handle(id))
    assert not space.ref_put(id) and not space.ref_put(id)
    assert id in space and space.ref_put(id) and id not in space
    fails(ioasid.NotFound, space.ref_put, id)
    id = space.alloc("y")
    for _ in range(ioasid.REFS_MAX - 1):
        space.ref_get(id)
    fails(ioasid.TooManyReferences, space.ref_get, id)
    fails(ioasid.TooManyReferences, space.reference, id)


def test_reservations(space):
    with space.reserve_id(min=5) as reservation:
        assert reservation.id == 5 and 5 not in space
        assert space.stats().unpublished == 1
        reservation.publish("x")
        fails(ioasid.NotFound, reservation.publish, "y")
    assert space[5] == "x"
    with space.reserve_id() as reservation:
        pass
    assert space.stats().unpublished == 0
    fails(ioasid.NotFound, reservation.publish, "y")
    reservation = space.reserve_id()
    reservation.release()
    reservation.release()
    reservation = space.reserve_id()
    del reservation
    assert space.stats().unpublished == 0
    id = space.reserve_id().detach()
    space.publish_id(id, "z")
    fails(ioasid.NotFound, space.publish_id, id, "z")
    space.release_id(space.reserve_id().detach())
    fails(ioasid.InvalidArgument, space.reserve_id, min=2, max=1)


def test_data(space):
    id = space.alloc("x")
    assert space.exchange(id, "y") == "x" and space[id] == "y"
    space.set_data(id, "z")
    assert space[id] == "z"
    with space.read() as same:
        assert same is space
        fails(ioasid.WouldDeadlock, space.set_data, id, "w")
        fails(ioasid.NotFound, space.set_data, 99, "w")
    assert space[id] == "z"


def test_accept(space):
    id = space.alloc("x")
    handle = space.handle(id)
    assert space.find(id, accept=lambda obj: obj == "x") == "x"
    assert space.find(id, accept=lambda obj: False) is None
    assert space.find(id, accept=None) == "x"
    assert space.find_handle(handle, accept=lambda obj: []) is None
    with pytest.raises(ZeroDivisionError):
        space.find(id, accept=lambda obj: 1 / 0)
    with pytest.raises(TypeError):
        space.find(id, accept=5)


def test_iteration(space):
    for i in range(10):
        space.alloc(i)
    seen = []
    for id, obj in space.items(min=3, max=8):
        seen.append(id)
        space.free(id)
        space.alloc("new", min=20)
        if id == 5:
            space.free(7)
    assert seen == [3, 4, 5, 6, 8]
    assert space.next(min=4) == (9, 8)
    fails(ioasid.InvalidArgument, space.items, min=2, max=1)
    fails(ioasid.InvalidArgument, space.next, min=2, max=1)
    items = space.items()
    assert iter(items) is items and isinstance(items, ioasid.Items)
    while next(items, None):
        pass
    assert next(items, None) is None
    assert len(space.find_many(iter(space))) == len(space) == space.free_all()


def test_sets(space):
    with space.create_set("a", token=("a", 1), quota=3, reserved=1) as a:
        b = space.create_set()
        id = a.alloc("x")
        assert a.find(id) == space.find(id, a) == "x" and id in a and id not in b
        assert isinstance(fails(ioasid.AccessDenied, b.find, id), PermissionError)
        for call in (space.find, space.remove, space.reference, space.handle):
            fails(ioasid.AccessDenied, call, id, b)
        for call in (space.find_handle, space.reference_handle, space.ref_get_handle):
            fails(ioasid.AccessDenied, call, space.handle(id), b)
        fails(ioasid.AccessDenied, space.find_many, [id], b)
        assert space.get(id, "no", b) == "no" and space.get(id, set=a) == "x"
        assert space.find_many([id], b, default=0) == [0]
        assert list(a.items()) == [(id, "x")] and list(b.items()) == []
        assert list(space.items(set=a)) == [(id, "x")]
        assert a.stats() == ("a", ("a", 1), 3, 1, 1, 0) and len(a) == 1 and not len(b)
        assert b and b.token is None and a.space is space
        assert space.set_by_token(("a", 1)) is a and space.set_of(id) is a
        assert space.set_of(space.alloc("nobody")) is None
        assert set(space.sets()) == {a, b}
        fails(ioasid.Exists, space.create_set, token=("a", 1))
        fails(ioasid.Busy, a.destroy)
        a.alloc("y"), a.alloc("z")
        fails(ioasid.QuotaExceeded, a.alloc, "w")
        fails(ioasid.QuotaExceeded, space.reserve_id, set=a)
        fails(ioasid.Busy, a.limit, quota=2)
        fails(ioasid.InvalidArgument, a.limit, quota=5, reserved=6)
        fails(ioasid.NoSpace, a.limit, reserved=1000)
        a.limit(quota=4)
        assert a.stats().quota == 4
        b.destroy()
        assert b.destroyed and not a.destroyed
        for call in (b.destroy, b.stats, b.items, b.free_all, b.__len__, b.__enter__):
            fails(ioasid.Closed, call)
        fails(ioasid.Closed, space.alloc, "x", set=b)
        fails(ioasid.Closed, b.find, id)
        fails(ioasid.Closed, b.alloc, "x")
        assert a.free_all() == 3
        a.alloc("x")
    assert a.destroyed and space.sets() == []
    again = space.create_set(token=("a", 1))
    assert space.set_by_token(("a", 1)) is again
    fails(ioasid.InvalidArgument, space.create_set, quota=1, reserved=2)
    fails(ioasid.NoSpace, space.create_set, reserved=1000)
    fails(ioasid.NoSpace, space.create_set, token="t", reserved=1000)
    fails(ioasid.NotFound, space.set_by_token, "t")
    fails(ioasid.NameTooLong, space.create_set, "n" * 32)


def test_foreign_sets(space):
    with ioasid.Space(1, 10) as other:
        tenant = other.create_set()
        tenant.alloc("x")
        space.alloc("y")
        fails(ioasid.WrongSpace, space.alloc, "z", set=tenant)
        fails(ioasid.WrongSpace, space.reserve_id, set=tenant)
        fails(ioasid.WrongSpace, space.spid_find, tenant, 5)
        fails(ioasid.WrongSpace, space.register_notifier, print, set=tenant)
        fails(ioasid.AccessDenied, space.find, 1, tenant)
    fails(ioasid.Closed, space.alloc, "z", set=tenant)
    fails(ioasid.Closed, tenant.stats)
    assert tenant.destroyed


def test_many_sets():
    with ioasid.Space() as space:
        for _ in range(ioasid.SETS_MAX):
            space.create_set()
        fails(ioasid.TooManySets, space.create_set)


def test_spids(space):
    tenant = space.create_set()
    id, other = tenant.alloc("x"), tenant.alloc("y")
    space.spid_attach(id, 1000)
    assert space.spid_of(id) == 1000 and tenant.stats().spids == 1
    assert space.spid_find(tenant, 1000) == (id, "x")
    assert space.spid_find(tenant, 1000, accept=bool) == (id, "x")
    assert space.spid_find(tenant, 1000, accept=lambda obj: 0) == (id, None)
    fails(ioasid.Busy, space.spid_attach, id, 1001)
    fails(ioasid.Exists, space.spid_attach, other, 1000)
    fails(ioasid.InvalidArgument, space.spid_attach, other, 2**32 - 1)
    fails(ioasid.InvalidArgument, space.spid_attach, space.alloc("n"), 5)
    fails(ioasid.NotFound, space.spid_find, tenant, 7)
    space.spid_detach(id)
    fails(ioasid.NotFound, space.spid_detach, id)
    fails(ioasid.NotFound, space.spid_of, id)


def test_sections(space):
    section = space.read()
    with section, section, space.read():
        for call in (space.synchronize, space.barrier, space.close):
            fails(ioasid.WouldDeadlock, call)
        assert not space.closed
    space.synchronize()
    space.barrier()
    error = fails(ioasid.WrongThread, section.__exit__)
    assert isinstance(error, RuntimeError)
    section.__enter__()
    fails(ioasid.WouldDeadlock, space.synchronize)
    del section, error
    gc.collect()
    space.synchronize()


def test_whole(space):
    assert space[space.alloc("x")] == "x"
    assert space.validate() is None and space.trim() >= 0
    stats = space.stats()
    assert stats.live == stats.committed == stats.allocs == 1 and stats.memory > 0
    assert space.domain_stats().threads >= 1
    lines = space.dump().splitlines()
    assert lines[0].startswith("space") and any(" 1 live" in line for line in lines)


def test_closed(space):
    id = space.alloc("x")
    tenant = space.create_set()
    reference, reservation = space.reference(id), space.reserve_id()
    items, section = space.items(), space.read()
    notifier = space.register_notifier(print)
    space.close()
    space.close()
    for call in (
        space.stats,
        space.domain_stats,
        space.free_all,
        space.sets,
        space.dump,
        space.trim,
        space.validate,
        space.synchronize,
        space.barrier,
        space.read,
        space.items,
        space.next,
        space.reserve_id,
        space.create_set,
        space.snapshot,
        space.__len__,
        space.__iter__,
        space.__enter__,
        section.__enter__,
        tenant.stats,
        items.__next__,
    ):
        error = fails(ioasid.Closed, call)
        assert isinstance(error, ValueError) and error.errno == errno.EBADF
    for call in (
        space.alloc,
        space.find,
        space.get,
        space.free,
        space.remove,
        space.handle,
        space.reference,
        space.ref_get,
        space.ref_put,
        space.find_handle,
        space.spid_of,
        space.set_of,
        space.set_by_token,
        space.release_id,
        space.reserve,
        space.__contains__,
        reservation.publish,
    ):
        fails(ioasid.Closed, call, id)
    for call in (space.exchange, space.set_data, space.publish_id, space.spid_attach):
        fails(ioasid.Closed, call, id, 1)
    fails(ioasid.Closed, space.restore, b"")
    fails(ioasid.Closed, space.find_many, [])
    fails(ioasid.Closed, space.notify, id, ioasid.Event.BIND)
    fails(ioasid.Closed, space.register_notifier, print)
    fails(ioasid.Closed, getattr, space, "capacity")
    reference.put()
    reservation.release()
    notifier.unregister()


def test_every_error_has_a_class():
    """All that the headers name, and the words of each."""
    for name, value in vars(_types).items():
        if isinstance(value, type) and issubclass(value, ioasid.IoasidError):
            if value is ioasid.IoasidError:
                continue
            made = _types.make_error(value.number, "subject")
            assert type(made) is value and made.errno == value.number
            assert "subject" in str(made) and value.reason in str(made)
            assert name in ioasid.__all__
    unknown = _types.make_error(errno.EIO)
    assert type(unknown) is ioasid.IoasidError and "EIO" in str(unknown)
