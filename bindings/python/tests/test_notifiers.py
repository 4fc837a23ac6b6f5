# SPDX-License-Identifier: MIT
"""Notifiers from callables."""

import sys
import threading
import weakref

import pytest

import ioasid
from ioasid import Event


def test_events(space, thing):
    told = []
    tenant = space.create_set(token="t")
    notifier = space.register_notifier(told.append)
    obj = thing()
    id = tenant.alloc(obj)
    space.spid_attach(id, 5)
    handle = space.handle(id)
    space.notify(id, Event.BIND, "arg")
    space.notify(id, Event.UNBIND)
    space.free(id)
    assert [notice.event for notice in told] == [
        Event.ALLOC,
        Event.BIND,
        Event.UNBIND,
        Event.FREE,
    ]
    for notice in told:
        assert notice.space is space and notice.set is tenant
        assert notice.handle == handle and notice.handle.id == id
        assert notice.obj is obj
    assert [notice.spid for notice in told] == [None, 5, 5, 5]
    assert [notice.arg for notice in told] == [None, "arg", None, None]
    del told[:]
    assert notifier.registered and space.stats().notifiers == 1
    notifier.unregister()
    notifier.unregister()
    assert not notifier.registered and space.stats().notifiers == 0
    space.free(space.alloc(obj))
    assert told == []


@pytest.mark.parametrize("wrong", [Event.ALLOC, Event.FREE, 9])
def test_only_binds_can_be_told(space, wrong):
    with space.register_notifier(print):
        with pytest.raises(ioasid.InvalidArgument):
            space.notify(space.alloc("x"), wrong, "arg")


def test_remove_put_and_publish_tell_the_object(space, thing):
    told = []
    space.register_notifier(told.append)
    with space.reserve_id() as reservation:
        assert told == []
        reservation.publish("a")
    space.remove(reservation.id)
    space.ref_put(space.alloc("b"))
    id = space.alloc("c")
    with space.reference(id):
        space.ref_put(id)
    space.alloc("d")
    space.free_all()
    assert [(n.event.name, n.obj) for n in told] == [
        (event, obj) for obj in "abcd" for event in ("ALLOC", "FREE")
    ]


def test_order_and_sets(space):
    told = []
    a, b = space.create_set(), space.create_set()
    for name, tenant, priority in (
        ("low", None, -1),
        ("first", None, 0),
        ("a", a, 5),
        ("second", None, 0),
        ("b", b, 9),
    ):
        space.register_notifier(
            lambda notice, name=name: told.append(name), set=tenant, priority=priority
        )
    a.alloc("x")
    assert told == ["a", "first", "second", "low"]
    del told[:]
    b.alloc("x")
    assert told == ["b", "first", "second", "low"]
    a.free_all()
    a.destroy()
    assert space.stats().notifiers == 4


def test_exceptions_are_unraisable(space, monkeypatch):
    caught, told = [], []
    monkeypatch.setattr(sys, "unraisablehook", lambda it: caught.append(it.exc_type))
    space.register_notifier(lambda notice: 1 / 0, priority=1)
    space.register_notifier(told.append)
    space.free(space.alloc("x"))
    assert caught == [ZeroDivisionError] * 2 and len(told) == 2


def test_notifiers_call_the_space(space):
    """What they cause is told after the outer event, before the call returns."""
    told = []

    def nest(notice):
        told.append((notice.event.name, notice.obj))
        if notice.obj == "outer" and notice.event == Event.ALLOC:
            space.free(notice.handle.id)
            space.alloc("inner")
        with pytest.raises(ioasid.WouldDeadlock):
            space.close()

    space.register_notifier(nest)
    space.alloc("outer")
    assert told == [("ALLOC", "outer"), ("FREE", "outer"), ("ALLOC", "inner")]


def test_end_told_by_another_thread(space, thing):
    """The object outlives the free until its end has been told."""
    inside, go_on, told = threading.Event(), threading.Event(), []

    def slow(notice):
        told.append((notice.event, notice.obj is not None, threading.get_ident()))
        if notice.event == Event.ALLOC:
            inside.set()
            assert go_on.wait(10)

    space.register_notifier(slow)
    obj = thing()
    gone = weakref.ref(obj)
    thread = threading.Thread(target=lambda obj: space.alloc(obj), args=(obj,))
    thread.start()
    assert inside.wait(10)
    del obj
    space.notify(1, Event.BIND, thing())
    space.free(1)
    go_on.set()
    thread.join()
    del thread
    assert [event for event, _, _ in told] == [Event.ALLOC, Event.BIND, Event.FREE]
    assert all(alive for _, alive, _ in told) and len({t for _, _, t in told}) == 1
    assert gone() is None
