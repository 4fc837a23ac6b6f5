# SPDX-License-Identifier: MIT
"""Objects live exactly as long as they can be found, and nothing leaks."""

import gc
import resource
import sys
import tracemalloc
import weakref

import pytest

import ioasid


def watched(thing, value=0):
    obj = thing(value)
    return obj, weakref.ref(obj)


ENDS = {
    "free": lambda space, id: space.free(id),
    "free_handle": lambda space, id: space.free_handle(space.handle(id)),
    "remove": lambda space, id: space.remove(id),
    "free_all": lambda space, id: space.free_all(),
    "exchange": lambda space, id: space.exchange(id, None),
    "set_data": lambda space, id: space.set_data(id, None),
    "ref_put": lambda space, id: space.ref_put(id),
    "close": lambda space, id: space.close(),
}


@pytest.mark.parametrize("listening", [False, True])
@pytest.mark.parametrize("end", ENDS)
def test_dies_when_it_is_found_no_more(space, thing, end, listening):
    if listening:
        space.register_notifier(lambda notice: None)
    obj, gone = watched(thing)
    id = space.alloc(obj)
    assert sys.getrefcount(obj) == 3
    del obj
    assert gone() is space[id]
    ENDS[end](space, id)
    assert gone() is None


@pytest.mark.parametrize("end", ENDS)
def test_finalizers_use_the_space(space, thing, end):
    """An object's own end may call anything, the space included."""
    ran = []

    class Ends:
        def __del__(self):
            ran.append(space.closed)
            if not space.closed:
                space.free(space.alloc(thing()))

    id = space.alloc(Ends())
    ENDS[end](space, id)
    assert ran == [end == "close"]


def test_finalizers_cannot_close_a_walk(space):
    caught = []

    class Closes:
        def __del__(self):
            try:
                space.close()
            except ioasid.WouldDeadlock as error:
                caught.append(error)

    space.alloc(Closes())
    assert space.free_all() == 1 and caught and not space.closed


def test_finalizers_cannot_destroy_the_set_of_a_walk(space):
    caught, tenant = [], space.create_set()

    class Destroys:
        def __del__(self):
            try:
                tenant.destroy()
            except ioasid.Busy as error:
                caught.append(error)

    tenant.alloc(Destroys())
    assert tenant.free_all() == 1 and caught and not tenant.destroyed
    tenant.destroy()


def test_others_keep_it(space, thing):
    obj, gone = watched(thing)
    id = space.alloc(obj)
    del obj
    reference = space.reference(id)
    items = space.items()
    pair = next(items)
    found = space.find_many([id])
    space.free(id)
    reference.put()
    assert gone() is not None
    del reference
    assert gone() is not None
    del pair
    assert gone() is found[0]
    del found
    assert gone() is None


def test_space_dies_with_its_objects(store, thing):
    obj, gone = watched(thing)
    space = ioasid.Space(1, 10, store=store)
    ended = weakref.ref(space)
    space.alloc(obj)
    del obj, space
    assert ended() is None and gone() is None


def test_cycles_are_collected(store, thing):
    """Objects, tokens, sets, callbacks that refer to their space, all at once."""
    gc.collect()
    space = ioasid.Space(1, 10, store=store)
    obj, gone = watched(thing, space)
    ended = weakref.ref(space)
    token = thing(space)
    tenant = space.create_set(token=token)
    id = tenant.alloc(obj)
    notifier = space.register_notifier(lambda notice: (space, obj), set=tenant)
    obj.value = (space, tenant, notifier, space.items(), space.items(set=tenant))
    obj.reference = space.reference(id)
    obj.reservation = space.reserve_id()
    obj.section = space.read()
    assert gc.is_tracked(space)
    del obj, space, token, tenant, notifier
    assert gone() is not None
    gc.collect()
    assert gone() is None and ended() is None


def test_collector_sees_every_object(store, thing):
    with ioasid.Space(1, 1000, store=store) as space:
        objs = [thing(i) for i in range(100)]
        for obj in objs:
            space.alloc(obj)
        seen = gc.get_referents(space)
        assert all(any(obj is other for other in seen) for obj in objs)
        space.free_all()
        assert not any(isinstance(other, thing) for other in gc.get_referents(space))


def test_collected_while_reading_another(store):
    """A space that ends inside of another's read section."""
    with ioasid.Space(1, 10) as outer, outer.read():
        for _ in range(100):
            inner = ioasid.Space(1, 10**4, store=store)
            for _ in range(100):
                inner.alloc("x")
            inner.free_all()
            inner.trim()
            del inner


def resident():
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def cycle(space, tenant, many, rounds):
    cursor = ioasid.Cursor()
    for i in range(rounds):
        obj = [i]
        id = space.alloc(obj)
        space.find(id)
        if i & 63:
            space.free(id)
            continue
        space.find_many([id, 99], default=None)
        space.get(id, obj)
        with space.reference(id), space.read():
            space.exchange(id, (obj,))
        space.free_handle(space.handle(id))
        with space.reserve_id() as reservation:
            reservation.publish(obj)
        space.remove(reservation.id)
        id = space.alloc_cyclic(cursor, obj, set=tenant)
        space.spid_attach(id, 5)
        space.spid_find(tenant, 5, accept=bool)
        list(space.items())
        tenant.free_all()
        for missing in (space.find, space.free):
            try:
                missing(id)
            except ioasid.NotFound:
                pass
        with many.create_set("name", token=(i,)) as made:
            made.alloc(obj)
        if not i & 1023:
            with space.register_notifier(lambda notice: notice.obj):
                space.free(space.alloc(obj))
            saved = many.snapshot(lambda id, obj: 7)
            with ioasid.Space(1, 100) as other:
                other.restore(saved, lambda id, number: [number])
            many.synchronize()


def test_a_million_cycles(store):
    """No block of Python's, and no page, more after them than before."""
    rounds = {"radix": 800_000, "hash": 100_000, "bitmap": 100_000}[store]
    with ioasid.Space(1, 100, store=store) as space, ioasid.Space(1, 100) as many:
        many.alloc("stays")
        tenant = space.create_set()
        # What Python keeps for next time has come to rest after the second.
        for _ in range(2):
            cycle(space, tenant, many, 20_000)
            gc.collect()
        blocks, pages = sys.getallocatedblocks(), resident()
        cycle(space, tenant, many, rounds)
        gc.collect()
        # The rarest of what is done is done once in 1,024 cycles.
        assert sys.getallocatedblocks() - blocks < 40 + rounds // 2048
        assert resident() - pages < 4 << 20


def test_the_leak_test_finds_a_leak(store):
    """What a leaked reference a cycle looks like to the test above."""
    blocks = sys.getallocatedblocks()
    kept = [[i] for i in range(1000)]
    assert sys.getallocatedblocks() - blocks >= 90
    del kept


def test_traced_memory_is_given_back(store):
    tracemalloc.start()
    try:
        with ioasid.Space(1, 10**5, store=store) as space:
            before = tracemalloc.get_traced_memory()[0]
            for i in range(10_000):
                space.alloc([i])
            assert tracemalloc.get_traced_memory()[0] - before > 10_000 * 56
            space.free_all()
        assert tracemalloc.get_traced_memory()[0] - before < 20_000
    finally:
        tracemalloc.stop()
