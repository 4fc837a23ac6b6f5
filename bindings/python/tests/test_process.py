# SPDX-License-Identifier: MIT
"""fork, subinterpreters, and the end of a process."""

import os
import subprocess
import sys
import textwrap
import threading

import pytest

import ioasid


def in_child(function):
    """What the function raises in a child of fork() fails the test."""
    child = os.fork()
    if not child:
        status = 1
        try:
            function()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def test_fork(space, thing):
    id = space.alloc(thing(5))
    tenant = space.create_set(token="t")
    told = []
    space.register_notifier(told.append)

    def child():
        assert space[id].value == 5 and space.set_by_token("t") is tenant
        space.free(tenant.alloc("x"))
        space.free(id)
        space.synchronize()
        assert space.validate() is None and len(told) == 3
        space.close()
        with ioasid.Space(1, 10) as other:
            other.alloc("y")

    in_child(child)
    assert space[id].value == 5 and not told


def test_fork_in_a_section_and_beside_waits(space):
    """What other threads held or waited for is over in the child."""
    entered, leave = threading.Event(), threading.Event()

    def reader():
        with space.read():
            entered.set()
            assert leave.wait(10)

    threads = [threading.Thread(target=reader)]
    threads[0].start()
    assert entered.wait(10)
    threads.append(threading.Thread(target=space.synchronize))
    threads[1].start()
    with space.read():

        def child():
            with pytest.raises(ioasid.WouldDeadlock):
                space.synchronize()
            section.__exit__()
            space.synchronize()
            space.close()

        section = space.read()
        # Left in the child with the one of the with statement left alone.
        section.__enter__()
        section.__exit__()
    section.__enter__()
    in_child(child)
    section.__exit__()
    leave.set()
    for thread in threads:
        thread.join()


def test_fork_in_a_notifier(space):
    def notify(notice):
        def child():
            space.free(space.alloc("in the child"))
            assert space.validate() is None

        if notice.obj == "x":
            in_child(child)

    space.register_notifier(notify)
    space.free(space.alloc("x"))


def test_sections_of_other_threads_are_over(space, monkeypatch):
    """In the child; those of the thread that forks are not, seen from any."""
    entered, leave = threading.Event(), threading.Event()
    sections = [space.read()]

    def reader():
        sections[0].__enter__()
        entered.set()
        assert leave.wait(10)
        sections[0].__exit__()

    def child():
        unraisable = []
        monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
        with sections[0] as same:
            assert same is space
        with pytest.raises(ioasid.WrongThread):
            own.__exit__()
        del sections[:]
        assert not unraisable

    def in_thread(function):
        def call():
            try:
                function()
            except BaseException as error:
                raised.append(error)

        raised = []
        other = threading.Thread(target=call)
        other.start()
        other.join(10)
        assert not raised, raised

    thread = threading.Thread(target=reader)
    thread.start()
    assert entered.wait(10)
    own = space.read()
    with own:
        in_child(lambda: in_thread(child))
    leave.set()
    thread.join()


def test_fork_beside_a_call_of_the_own_thread(space):
    """Another thread of the child that closes the space waits for the call."""

    def notify(notice):
        def child():
            closing = threading.Thread(target=space.close, daemon=True)
            closing.start()
            closing.join(0.1)
            assert closing.is_alive() and space.closed

        in_child(child)

    with space.register_notifier(notify):
        space.alloc("x")


def run(program, status=0):
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == status, done.stderr
    return done.stderr


def test_subinterpreters():
    """Each has types and spaces of its own; they go with it.

    One with a GIL of its own, which 3.12 and newer have, cannot import the package.
    """
    assert not run(
        """
        import sys
        import ioasid

        try:
            import _interpreters as interpreters

            create, execute = interpreters.create, interpreters.exec
            shared, own = ("legacy",), ("isolated",)
        except ImportError:
            import _xxsubinterpreters as interpreters

            execute, shared, own = interpreters.run_string, (False,), (True,)
            create = lambda isolated: interpreters.create(isolated=isolated)

        space = ioasid.Space(1, 10)
        id = space.alloc("outer")
        for _ in range(3):
            inner = create(*shared)
            assert not execute(inner, '''if True:
                import ioasid
                space = ioasid.Space(1, 10)
                assert space[space.alloc("inner")] == "inner"
                with space.read():
                    try:
                        space.synchronize()
                    except ioasid.WouldDeadlock:
                        pass
                with space.register_notifier(print) as notifier:
                    pass
                space.synchronize()
                left = ioasid.Space(1, 10)
                left.alloc(left)
            ''')
            interpreters.destroy(inner)
        if sys.version_info >= (3, 12):
            inner = create(*own)
            assert not execute(inner, '''if True:
                try:
                    import ioasid
                except ImportError:
                    pass
                else:
                    raise AssertionError
            ''')
            interpreters.destroy(inner)
        assert space[id] == "outer"
        space.close()
        """
    )


def test_exit_with_everything_open():
    """A process may end with spaces, sections, sets and notifiers open."""
    assert not run(
        """
        import threading, time
        import ioasid

        space = ioasid.Space(1, 10)
        tenant = space.create_set(token="t")
        tenant.alloc(space)
        space.register_notifier(lambda notice: space)
        reference = space.reference(1)
        reservation = space.reserve_id()
        section = space.read()
        section.__enter__()
        items = space.items()
        threading.Thread(target=space.synchronize, daemon=True).start()
        time.sleep(0.05)
        """
    )


@pytest.mark.parametrize("chain", ["references", "sets", "spaces"])
def test_ends_of_long_chains(chain):
    """What is given up with what it refers to needs no stack for all of it."""
    program = {
        "references": """
            space = ioasid.Space()
            for i in range(30000):
                id = space.alloc(last)
                last = space.reference(id)
                space.free(id)
            """,
        "sets": """
            space = ioasid.Space()
            for i in range(30000):
                last = space.create_set(token=last)
            space.close()
            """,
        "spaces": """
            for i in range(3000):
                space = ioasid.Space(1, 10)
                space.alloc(last)
                last = space
            del space
            """,
    }[chain]
    assert not run(
        f"""
        import threading
        import ioasid

        def main():
            last = None
            {textwrap.indent(textwrap.dedent(program), " " * 12).strip()}
            last = None
            ended.append(True)

        ended = []
        threading.stack_size(256 * 1024)
        thread = threading.Thread(target=main)
        thread.start()
        thread.join()
        assert ended
        """
    )


def test_missing_types_are_an_import_error():
    """The extension without the rest of the package does not load by halves."""
    assert "halted; None in sys.modules" in run(
        """
        import sys
        sys.modules["ioasid._types"] = None
        import ioasid
        """,
        status=1,
    )
