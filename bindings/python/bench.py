# SPDX-License-Identifier: MIT
"""bench.py: what a lookup costs, as `name median_ns` lines.

Nine rounds, interleaved, of lookups of 256 live IDs; a loop around nothing is
taken off. `c` is ioasid_space_find() in a loop of the extension, which has it where
it was built with IOASID_BENCH=1 in the environment.
"""

import statistics
import threading
import time

import ioasid

ROUNDS = 9
TIMES = 200


def main() -> None:
    space: "ioasid.Space[object]" = ioasid.Space(1, 2**20)
    tenant = space.create_set()
    ids = [space.alloc(object(), set=tenant) for _ in range(256)]
    table = {id: space[id] for id in ids}
    lock = threading.Lock()

    def nothing() -> None:
        for _ in range(TIMES):
            for _ in ids:
                pass

    def dict_alone() -> None:
        for _ in range(TIMES):
            for id in ids:
                table[id]

    def dict_lock() -> None:
        for _ in range(TIMES):
            for id in ids:
                with lock:
                    table[id]

    def find() -> None:
        look = space.find
        for _ in range(TIMES):
            for id in ids:
                look(id)

    def subscript() -> None:
        for _ in range(TIMES):
            for id in ids:
                space[id]

    def find_set() -> None:
        look = space.find
        for _ in range(TIMES):
            for id in ids:
                look(id, tenant)

    def find_many() -> None:
        look = space.find_many
        for _ in range(TIMES):
            look(ids)

    timed = [nothing, dict_alone, dict_lock, find, subscript, find_set, find_many]
    costs: "dict[str, list[float]]" = {function.__name__: [] for function in timed}
    measure = getattr(space, "_bench", None)
    for _ in range(ROUNDS):
        if measure:
            costs.setdefault("c", []).append(measure(ids, TIMES * 10))
        for function in timed:
            begin = time.perf_counter_ns()
            function()
            spent = time.perf_counter_ns() - begin
            costs[function.__name__].append(spent / (TIMES * len(ids)))
    loop = statistics.median(costs.pop("nothing"))
    for name, each in costs.items():
        median = statistics.median(each)
        if name not in ("c", "find_many"):
            median -= loop
        print(f"{name} {median:.1f}")


if __name__ == "__main__":
    main()
