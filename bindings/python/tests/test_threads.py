# SPDX-License-Identifier: MIT
"""Threads: isolation under stress, waits without the GIL, sections of one thread."""

import gc
import random
import sys
import threading
import time
import weakref

import pytest

import ioasid

SECONDS = 0.5


@pytest.fixture(autouse=True)
def often():
    """Threads take turns often."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


def together(functions):
    """Runs them on threads of their own; what one raises is raised."""
    caught = []

    def guarded(function):
        try:
            function()
        except BaseException as error:
            caught.append(error)

    threads = [threading.Thread(target=guarded, args=(f,)) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if caught:
        raise caught[0]


class Owned:
    """An object of a tenant; alive counts those there are."""

    alive = 0

    def __init__(self, owner, id=None):
        self.owner = owner
        Owned.alive += 1

    def __del__(self):
        Owned.alive -= 1


def tenant_of(space, number, stop, ids, look=lambda tenant, obj: obj.owner == tenant):
    """Allocates, looks up, changes and frees; sees its own objects alone."""
    rng = random.Random(number)
    quiet = (ioasid.NotFound, ioasid.AccessDenied, ioasid.Busy, ioasid.NoSpace)

    def run():
        tenant = space.create_set(f"tenant {number}", token=number)
        mine, rounds = set(), 0
        # Under load a thread may begin late.
        while time.monotonic() < stop or rounds < 20:
            rounds += 1
            try:
                id = space.alloc(Owned(number), set=tenant)
                mine.add(id)
                ids.add(id)
            except (ioasid.NoSpace, ioasid.TryAgain):
                pass
            known = sorted(ids.copy())
            for id in rng.sample(known, min(8, len(known))):
                try:
                    obj = space.find(id, tenant)
                    assert look(number, obj) and id in mine
                except quiet:
                    assert id not in mine
                if id not in mine:
                    assert space.get(id, None, tenant) is None
                    continue
                with space.read(), space.reference(id, tenant) as obj:
                    assert look(number, obj)
                choice = rng.random()
                if choice < 0.2:
                    assert look(number, space.exchange(id, Owned(number)))
                elif choice < 0.22:
                    space.set_data(id, Owned(number))
                elif choice < 0.6:
                    mine.discard(id)
                    assert look(number, space.remove(id, tenant))
            for obj in space.find_many(ids.copy(), tenant, default=None):
                assert obj is None or look(number, obj)
            assert {id for id, _ in tenant.items()} == mine
        assert tenant.free_all() == len(mine)
        tenant.destroy()

    return run


@pytest.mark.parametrize("quarantine", [False, True])
@pytest.mark.parametrize("notified", [False, True])
def test_tenants_are_isolated(store, quarantine, notified):
    told = {ioasid.Event.ALLOC: 0, ioasid.Event.FREE: 0}

    def notify(notice):
        told[notice.event] += 1
        assert notice.obj.owner == notice.set.token

    # Cycles of what the parameters before raised and caught.
    gc.collect()
    alive = Owned.alive
    with ioasid.Space(1, 64, store=store, quarantine=quarantine) as space:
        if notified:
            space.register_notifier(notify)
        stop = time.monotonic() + SECONDS / 4
        ids = set()

        def waits():
            while time.monotonic() < stop:
                space.synchronize()
                space.barrier()
                space.validate()
                gc.collect()
                space.dump()
                space.snapshot(lambda id, obj: obj.owner + 1, lambda token: token + 1)

        together([tenant_of(space, number, stop, ids) for number in range(4)] + [waits])
        stats = space.stats()
        assert stats.allocs > 20 and space.validate() is None
        if notified:
            assert told[ioasid.Event.ALLOC] == stats.allocs
            assert told[ioasid.Event.FREE] == stats.frees
    gc.collect()
    assert Owned.alive == alive


def test_stress_finds_a_tenant_that_sees_another(store):
    """The check of the test above, with a lookup that names no set."""
    with ioasid.Space(1, 64, store=store) as space:
        stranger = space.create_set(token="stranger")
        id = stranger.alloc(Owned("stranger"))
        assert space.find(id).owner != 0
        with pytest.raises(ioasid.AccessDenied):
            space.find(id, space.create_set())
        run = tenant_of(
            space, 0, time.monotonic() + SECONDS, set(), lambda number, obj: False
        )
        with pytest.raises(AssertionError):
            run()


def test_waits_give_up_the_gil(space):
    """A section elsewhere holds up what waits; this thread runs on meanwhile."""
    entered, leave = threading.Event(), threading.Event()
    obj, done = Owned(0), []
    id = space.alloc(obj)
    gone = weakref.ref(obj)
    del obj

    def reader():
        with space.read():
            entered.set()
            assert leave.wait(10)

    for wait in (
        space.synchronize,
        lambda: space.set_data(id, None),
        space.close,
    ):
        entered.clear(), leave.clear()
        threads = [threading.Thread(target=reader)]
        threads[0].start()
        assert entered.wait(10)
        threads.append(threading.Thread(target=lambda: (wait(), done.append(wait))))
        threads[1].start()
        time.sleep(0.05)
        assert wait not in done
        if wait == space.close:
            assert space.closed
            with pytest.raises(ioasid.Closed):
                space.find(id)
            with pytest.raises(ioasid.Busy):
                space.close()
            gc.collect()
        else:
            assert id in space
        leave.set()
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()
        assert wait in done
    assert gone() is None


def test_section_of_another_thread(space, monkeypatch):
    section = space.read()
    section.__enter__()
    caught = []

    def leave():
        for call in (section.__exit__, section.__enter__):
            try:
                call()
            except ioasid.WrongThread as error:
                caught.append(error.errno)

    together([leave])
    assert len(caught) == 2
    section.__exit__()
    space.synchronize()


def test_section_dropped_by_another_thread(monkeypatch):
    """The space is leaked rather than destroyed under a reader."""
    caught = []
    monkeypatch.setattr(sys, "unraisablehook", lambda it: caught.append(it.exc_type))
    space = ioasid.Space(1, 10)
    held = [space.read()]
    ended = weakref.ref(space)
    held[0].__enter__()
    together([held.pop])
    assert caught == [ioasid.WrongThread]
    del space
    gc.collect()
    assert ended() is not None


def test_threads_end_in_sections(space):
    """A thread that ends is out of its sections."""
    sections = []
    id = space.alloc("x")

    def enter():
        sections.append(space.read())
        sections[0].__enter__()

    together([enter])
    space.synchronize()
    with pytest.raises(ioasid.WrongThread):
        sections[0].__exit__()
    space.free(id)
    space.close()
    sections.clear()
    gc.collect()


def test_suspended_generator(monkeypatch):
    """It holds its section until it goes on, and cannot do so elsewhere."""
    dropped = []
    monkeypatch.setattr(sys, "unraisablehook", lambda it: dropped.append(it.exc_type))
    space = ioasid.Space(1, 10)

    def generate():
        with space.read():
            yield

    suspended = generate()
    next(suspended)
    with pytest.raises(ioasid.WouldDeadlock):
        space.synchronize()
    caught = []

    def go_on():
        try:
            next(suspended)
        except ioasid.WrongThread as error:
            caught.append(error.errno)

    together([go_on])
    assert caught and dropped == [ioasid.WrongThread]
    # This thread is in the section for good, and the space is there for it.
    with pytest.raises(ioasid.WouldDeadlock):
        space.close()


def test_many_threads_come_and_go(space):
    id = space.alloc("x")
    for _ in range(50):
        together([lambda: space.find(id)] * 4)
    assert space.domain_stats().threads <= 2


def test_close_beside_calls(store):
    """Whatever the moment: a call is answered, or finds the space closed."""
    for _ in range(100):
        space = ioasid.Space(1, 100, store=store)

        def use():
            try:
                while True:
                    with space.read():
                        id = space.alloc([space])
                        space.find(id)
                    space.free(id)
                    space.synchronize()
            except ioasid.Closed:
                pass

        together([use, use, space.close])


def test_collections_beside_close(store):
    """The collector leaves a space alone that is just being destroyed."""
    gc.collect()
    gc.freeze()
    for _ in range(5):
        space = ioasid.Space(1, 30_000, store=store)
        for i in range(30_000):
            space.alloc([i])
        done = []

        def collect():
            while not done:
                gc.collect()

        def close():
            try:
                space.close()
            finally:
                done.append(True)

        together([collect, close])
    gc.unfreeze()


def test_close_waits_for_notifiers(space):
    inside, go_on = threading.Event(), threading.Event()

    def slow(notice):
        inside.set()
        assert go_on.wait(10)
        with pytest.raises(ioasid.Closed):
            space.find(1)

    space.register_notifier(slow)
    caller = threading.Thread(target=space.alloc, args=("x",))
    closer = threading.Thread(target=space.close)
    caller.start()
    assert inside.wait(10)
    closer.start()
    while not space.closed:
        time.sleep(0)
    assert closer.is_alive()
    go_on.set()
    caller.join()
    closer.join()
