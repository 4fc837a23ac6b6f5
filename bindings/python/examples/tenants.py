# SPDX-License-Identifier: MIT
"""Two tenants share a space of PASIDs; page requests find their owner's object.

Each tenant is a set with a quota. Requests come from devices in bursts, on
threads of their own, while tenants start and end processes.
"""

# prints: guest A runs init as 1, sh as 2
# prints: guest B runs init as 3
# prints: guest A is refused a third: the quota of the set is used up
# prints: burst for guest A: init sh -
# prints: 1 handled on a thread of guest B
# prints: an old handle of sh: not found
# prints: guest B's process as guest A sees it: owned by another set
# prints: 2 live after a restart, sh again: False

import threading
from dataclasses import dataclass

import ioasid


@dataclass
class Process:
    guest: str
    name: str
    faults: int = 0


def main() -> None:
    with ioasid.Space[Process](1, 2**20 - 1, name="pasids") as space:
        a = space.create_set("guest A", token="A", quota=2)
        b = space.create_set("guest B", token="B", quota=2)
        init, sh = a.alloc(Process("A", "init")), a.alloc(Process("A", "sh"))
        print(f"guest A runs init as {init}, sh as {sh}")
        other = b.alloc(Process("B", "init"))
        print(f"guest B runs init as {other}")
        try:
            a.alloc(Process("A", "vi"))
        except ioasid.QuotaExceeded as error:
            print(f"guest A is refused a third: {error.strerror}")

        burst = space.find_many([init, sh, other], a, default=None)
        print("burst for guest A:", *(it.name if it else "-" for it in burst))

        def handle_requests() -> None:
            with space.reference(other, b) as process:
                process.faults += 1

        thread = threading.Thread(target=handle_requests)
        thread.start()
        thread.join()
        print(b.find(other).faults, "handled on a thread of guest B")

        kept = space.handle(sh)
        space.free(sh)
        try:
            space.find_handle(kept)
        except ioasid.NotFound as error:
            print("an old handle of sh:", error.strerror.split(": ")[1])
        try:
            a.find(other)
        except ioasid.AccessDenied as error:
            print(
                "guest B's process as guest A sees it:", error.strerror.split(": ")[1]
            )

        saved = space.snapshot(lambda id, process: ord(process.guest), ord)
    with ioasid.Space[Process](1, 2**20 - 1, name="pasids") as space:
        space.restore(saved, lambda id, guest: Process(chr(guest), "?"), chr)
        print(len(space), "live after a restart, sh again:", sh in space)


if __name__ == "__main__":
    main()
