# SPDX-License-Identifier: MIT
"""Every allocation of Python's may fail: MemoryError, and nothing is lost."""

import gc
import weakref

import pytest

import ioasid

_testcapi = pytest.importorskip("_testcapi")

BIG = 100_000


@pytest.fixture(autouse=True)
def small_heap():
    """Collections look at what the test made alone."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def prepared(thing):
    """A space whose IDs are no small ints, and an object that is watched."""
    space = ioasid.Space(BIG, 2 * BIG, store="hash")
    tenant = space.create_set("tenant", token="t")
    obj = thing()
    id = space.alloc(obj, set=tenant)
    space.spid_attach(id, BIG)
    return space, tenant, obj, id


def publish(space, obj):
    with space.reserve_id() as reservation:
        reservation.publish(obj)


CALLS = {
    "make": lambda s, t, o, i: ioasid.Space(1, BIG, name="n"),
    "alloc": lambda s, t, o, i: s.alloc(o),
    "alloc_cyclic": lambda s, t, o, i: s.alloc_cyclic(ioasid.Cursor(), o, set=t),
    "find": lambda s, t, o, i: s.find(i, set=t, accept=bool),
    "find_many": lambda s, t, o, i: s.find_many([i, 5], t, default=o),
    "missing": lambda s, t, o, i: s.get(5, o) and s.find(5),
    "handle": lambda s, t, o, i: s.find_handle(s.handle(i)),
    "free": lambda s, t, o, i: s.free(i),
    "free_all": lambda s, t, o, i: s.free_all(),
    "remove": lambda s, t, o, i: s.remove(i),
    "exchange": lambda s, t, o, i: s.exchange(i, [o]),
    "items": lambda s, t, o, i: list(s.items()),
    "next": lambda s, t, o, i: s.next(),
    "reference": lambda s, t, o, i: s.reference(i).put(),
    "publish": lambda s, t, o, i: publish(s, o),
    "read": lambda s, t, o, i: s.read().__enter__(),
    "create_set": lambda s, t, o, i: s.create_set("n", token=("n", o)),
    "sets": lambda s, t, o, i: s.sets() and s.set_by_token("t") and s.set_of(i),
    "spids": lambda s, t, o, i: s.spid_find(t, s.spid_of(i), accept=bool),
    "stats": lambda s, t, o, i: (s.stats(), t.stats(), s.domain_stats(), s.dump()),
    "notify": lambda s, t, o, i: s.notify(i, ioasid.Event.BIND, [o]),
    "register": lambda s, t, o, i: s.register_notifier(bool, set=t, priority=5),
    "snapshot": lambda s, t, o, i: s.snapshot(lambda i, o: BIG, lambda t: BIG),
    "close": lambda s, t, o, i: s.close(),
}


# They need none, where nobody is told.
NO_MEMORY = ("exchange", "find", "remove", "free", "free_all", "close", "read")


@pytest.mark.parametrize("listening", [False, True])
@pytest.mark.parametrize("call", CALLS)
def test_call(thing, call, listening, monkeypatch):
    # What a notifier cannot be told for lack of memory is unraisable.
    monkeypatch.setattr("sys.unraisablehook", lambda it: None)
    function, failed, fine = CALLS[call], 0, 0
    for nth in range(200):
        space, tenant, obj, id = prepared(thing)
        told = []
        if listening:
            space.register_notifier(told.append, priority=1)
        gone, raised = weakref.ref(obj), False
        before = space.stats().live
        _testcapi.set_nomemory(nth, nth + 1)
        try:
            function(space, tenant, obj, id)
        except ioasid.NotFound:
            assert call == "missing"
        except MemoryError:
            raised = True
        finally:
            _testcapi.remove_mem_hooks()
        if not space.closed:
            gc.collect()
            assert space.validate() is None
            if raised and call not in ("publish", "free_all"):
                assert space.stats().live == before and space[id] is obj
            assert space.stats().unpublished == 0
            space.close()
        failed += raised
        told.clear()
        del obj, space, tenant
        gc.collect()
        assert gone() is None
        # All that the call asks for has failed once.
        fine = 0 if raised else fine + 1
        if fine > 30:
            break
    assert failed or call in NO_MEMORY


def test_restore(thing):
    space, tenant, obj, id = prepared(thing)
    saved = space.snapshot(lambda i, o: BIG, lambda t: BIG)
    space.close()
    raised = 0
    for nth in range(100):
        with ioasid.Space(BIG, 2 * BIG, store="hash") as other:
            _testcapi.set_nomemory(nth, nth + 1)
            try:
                other.restore(saved, lambda i, n: [n], lambda n: (n, n))
                failed = False
            except MemoryError:
                failed = True
            finally:
                _testcapi.remove_mem_hooks()
            if failed:
                raised += 1
                assert not len(other) and other.sets() == []
            else:
                assert other[id] == [BIG] and other.sets()[0].token == (BIG, BIG)
            assert other.validate() is None
    assert raised
