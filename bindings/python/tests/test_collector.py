# SPDX-License-Identifier: MIT
"""A collection may run Python inside of any call that makes an object."""

import gc

import pytest

import ioasid

THRESHOLD = 1000


@pytest.fixture
def at_each_allocation():
    """Runs calls with a collection, that runs a function, at each allocation.

    prepare() gives the call and the function anew each time.
    """
    hook = None

    def collected(phase, info):
        nonlocal hook
        if phase == "start" and hook:
            function, hook = hook, None
            function()

    def run(prepare):
        nonlocal hook
        for left in range(-2, 8):
            call, function = prepare()
            filler = []
            gc.collect()
            gc.set_threshold(THRESHOLD)
            while gc.get_count()[0] < THRESHOLD - left:
                filler.append({} if len(filler) % 2 else [])
            hook = function
            gc.enable()
            try:
                call()
            finally:
                gc.disable()
                hook = None

    threshold = gc.get_threshold()
    gc.disable()
    gc.callbacks.append(collected)
    yield run
    gc.callbacks.remove(collected)
    gc.set_threshold(*threshold)
    gc.enable()


def test_notifiers_change(store, at_each_allocation):
    def prepare():
        space = ioasid.Space(1, 10, store=store)
        before = [space.register_notifier(id, priority=i) for i in range(30)]

        def call():
            before.append(space.register_notifier(id))

        def unregister():
            for notifier in before:
                notifier.unregister()
            before.append(space.register_notifier(id, priority=50))

        spaces.append((space, before))
        return call, unregister

    spaces = []
    at_each_allocation(prepare)
    for space, notifiers in spaces:
        assert space.stats().notifiers == sum(it.registered for it in notifiers)


def test_first_notifiers(store, at_each_allocation):
    def prepare():
        space = ioasid.Space(1, 10, store=store)
        told = []

        def register():
            space.register_notifier(told.append)

        spaces.append((space, told))
        return register, register

    spaces = []
    at_each_allocation(prepare)
    for space, told in spaces:
        space.free(space.alloc("x"))
        assert len(told) == 2 * space.stats().notifiers


@pytest.mark.parametrize("call", ["set_of", "sets"])
def test_one_set_has_one_object(store, at_each_allocation, call):
    with ioasid.Space(1, 10, store=store) as space:
        space.alloc("x", set=space.create_set("tenant"))
        snapshot = space.snapshot()

    def prepare():
        space = ioasid.Space(1, 10, store=store)
        space.restore(snapshot)
        found = []

        def find():
            found.append(space.set_of(1) if call == "set_of" else space.sets()[0])

        results.append((space, found))
        return find, find

    results = []
    at_each_allocation(prepare)
    for space, found in results:
        assert all(tenant is space.set_of(1) for tenant in found)


def test_space_is_seen_before_it_is_made():
    class Asked:
        def __bool__(self):
            for it in gc.get_objects():
                if type(it) is ioasid.Space and it.closed and it.name is None:
                    seen.append(repr(it))
            return True

    seen = []
    ioasid.Space(1, 10, quarantine=Asked(), name="later").close()
    assert "<ioasid.Space None, closed>" in seen


def test_set_is_destroyed(store, at_each_allocation):
    """Before the call, or after it: a lookup does not see it in between."""
    space = ioasid.Space(1, 10, store=store)
    id = space.alloc("x")

    def prepare():
        tenant = space.create_set()

        def call():
            try:
                space.reference(id, tenant)
            except (ioasid.AccessDenied, ioasid.Closed):
                pass

        return call, tenant.destroy

    at_each_allocation(prepare)
    assert space.validate() is None
