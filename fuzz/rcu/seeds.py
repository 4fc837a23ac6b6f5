#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the inputs that fuzzing of rcu starts from.

    fuzz/rcu/seeds.py DIRECTORY

Each seed is a first domain (kind, options, whether threads are kept) and one
operation a line: its name, thread, domain, value and, where it takes one, more.
"""

import pathlib
import sys

OPS = (
    "lock unlock register unregister quiescent offline online cookie poll "
    "synchronize barrier defer flood retire stats create destroy space getter "
    "leave exit step reclaimer fork memory system clock churn pages"
).split()
KINDS = "epoch qsbr none own own_least own_qsbr own_over".split()
TAKES_MORE = ("create", "exit", "fork")
RECLAIMER, FENCES, LIMIT, RETIRED, MANY, REFUSE = 1, 2, 4, 16, 32, 64

SEEDS = {
    "waits": (
        "epoch",
        0,
        0,
        "lock 0; synchronize 1; cookie 2 0 1; poll 2 0 1;"
        "unlock 0; step 1; poll 2 0 1; synchronize 0",
    ),
    "fences": (
        "epoch",
        FENCES,
        0,
        "lock 1; lock 1; synchronize 2; unlock 1;"
        "step 2; unlock 1; step 2; lock 1; synchronize 1",
    ),
    "main-waits": (
        "epoch",
        0,
        0,
        "lock 1; defer 0 0 8; barrier 0; unlock 1;"
        "step 0; synchronize 0; stats 1; leave 0; stats 2",
    ),
    "serves": (
        "epoch",
        0,
        0,
        "defer 1 0 8; lock 2; barrier 1; unlock 2;"
        "step 1; barrier 3; defer 1; stats 1; barrier 1; leave 1;"
        "step 3",
    ),
    "actions": (
        "epoch",
        0,
        0,
        "defer 0 0 1; defer 1 0 2; defer 2 0 3;"
        "defer 0 0 4; defer 1 0 5; defer 2 0 6; barrier 1; stats 1;"
        "space 0 0 0; defer 0 0 7; flood 2 0 39; stats 0; retire 1 0 9;"
        "churn 1 0 60; churn 2 0 60; barrier 0; space 0",
    ),
    "bitmap": (
        "epoch",
        0,
        0,
        "space 0 0 1; churn 0 0 9; getter 1; leave 1;" "destroy 1; space 0; destroy 2",
    ),
    "hash": (
        "epoch",
        RETIRED,
        0,
        "space 0 0 2; churn 1 0 63; lock 2;"
        "churn 1 0 63; retire 1 0 90; churn 1 0 9; unlock 2; churn 1 0 9",
    ),
    "getter": (
        "epoch",
        0,
        0,
        "space 0; getter 1; lock 1; synchronize 1;"
        "barrier 1; defer 1; barrier 1; destroy 1; unlock 1; defer 2;"
        "synchronize 2; leave 1; step 2; getter 0; cookie 1; leave 0",
    ),
    "qsbr": (
        "qsbr",
        0,
        0,
        "register 1; register 1; cookie 0 0 0; poll 0 0 0;"
        "quiescent 1; poll 0 0 0; quiescent 1; poll 0 0 0; offline 1;"
        "poll 0 0 0; online 1; synchronize 0; quiescent 1; step 0;"
        "synchronize 1; space 1; getter 1; leave 1; unregister 1;"
        "quiescent 1; offline 1; online 1; unregister 1",
    ),
    "qsbr-callbacks": (
        "qsbr",
        0,
        0,
        "register 1; register 2; offline 2;"
        "defer 1 0 8; defer 1 0 3; barrier 2; quiescent 1;"
        "step 2; stats 2; synchronize 2; leave 2; step 2;"
        "offline 1; step 2; step 2; barrier 2",
    ),
    "qsbr-limit": (
        "qsbr",
        LIMIT,
        0,
        "register 1; defer 1; defer 1; defer 1;"
        "defer 1; offline 1; defer 1; exit 1 0 0 0; defer 2",
    ),
    "none": (
        "none",
        0,
        0,
        "defer 0; lock 0; defer 0; synchronize 0; defer 0;"
        "poll 0; unlock 0; defer 0 0 2; barrier 0; register 0; stats 0;"
        "unregister 0; retire 0 0 5; destroy 0",
    ),
    "own": (
        "own",
        LIMIT,
        0,
        "lock 1; defer 2; defer 2; defer 2; defer 2;"
        "unlock 1; step 2; register 1; unregister 1; offline 1; online 1;"
        "quiescent 1; synchronize 1; lock 1; synchronize 1",
    ),
    "own-least": (
        "own_least",
        0,
        0,
        "lock 1; synchronize 2; unlock 1; step 2;"
        "defer 1; barrier 1; register 1; unregister 1",
    ),
    "own-qsbr": (
        "own_qsbr",
        0,
        0,
        "register 1; synchronize 2; quiescent 1;"
        "step 2; defer 1; barrier 2; offline 1; step 2; online 1;"
        "barrier 1; unregister 1",
    ),
    "own-over": (
        "epoch",
        0,
        0,
        "create 0 0 6 0; lock 1 1; synchronize 2 0;"
        "synchronize 3 1; cookie 0 1 0; poll 0 0 0; unlock 1 1;"
        "step 2; step 3; poll 0 0 0; destroy 0 0; destroy 0 1",
    ),
    "exits": (
        "epoch",
        0,
        1,
        "lock 1; cookie 0 0 0; exit 1 0 0 0; poll 0 0 0;"
        "lock 2; synchronize 0; exit 2 0 1 0; step 0; register 3;"
        "exit 3 0 2 3; register 4; exit 4 0 0 2; exit 5 0 0 1; lock 5;"
        "unlock 5; exit 5 0 1 3; space 0; getter 1; exit 1 0 1 0; stats 0;"
        "getter 2; exit 2 0 2 0; synchronize 0",
    ),
    "exits-own": ("own", 0, 1, "lock 1; synchronize 0; exit 1 0 0 0; step 0"),
    "exits-qsbr": (
        "qsbr",
        0,
        1,
        "register 1; exit 1 0 0 3; register 2; stats 0;"
        "exit 2 0 1 1; exit 3 0 0 3; synchronize 0; stats 0",
    ),
    "many": (
        "epoch",
        0,
        0,
        "create 0 0 0 32; lock 1 1; lock 1 2; lock 1 3;"
        "lock 1 4; lock 1 5; lock 1 17; stats 1 17; synchronize 2 17;"
        "unlock 1 17; step 2; unregister 1 17; defer 1 6; defer 1 5;"
        "barrier 1 6; exit 1 0 0 0; destroy 0 5; create 0 0 0 0; lock 2 5",
    ),
    "no-memory": (
        "epoch",
        0,
        0,
        "create 0 0 0 32; register 1 0; memory 0 4 0;"
        "memory 0 4 0; lock 1 4; lock 1 4; lock 1 5; register 1 6;"
        "synchronize 1 0; synchronize 2 3; cookie 0 2 0; poll 0 0 0;"
        "unlock 1 4; unlock 1 5; unlock 1 4; step 2; poll 0 0 0;"
        "memory 0 4 0; register 1 4; create 0 0 0 64; memory 0 8 0;"
        "lock 1 8; exit 1 0 1 0; synchronize 0 8",
    ),
    "two-sides": (
        "epoch",
        0,
        0,
        "create 0 0 0 32; register 1 0; register 2 0;"
        "memory 0 4 0; lock 1 4; synchronize 3 0; step 3;"
        "memory 0 4 0; lock 2 4; unlock 1 4; step 3; memory 0 4 0;"
        "lock 1 4; step 3; unlock 2 4; step 3; unlock 1 4; step 3",
    ),
    "no-key": (
        "epoch",
        0,
        1,
        "system 0 0 4; lock 1; register 2; synchronize 3;"
        "unlock 1; step 3; system 0 0 0; register 1",
    ),
    "lost": (
        "epoch",
        0,
        0,
        "system 0 0 1; cookie 0 0 0; poll 0 0 0;"
        "synchronize 1; barrier 2; defer 3; clock 0 0 20; step 1;"
        "create 0 0 0 0; synchronize 0 1; barrier 2; step 2; barrier 3;"
        "clock 0 0 9; step 3; system 0 0 0; synchronize 1; poll 0 0 0",
    ),
    "lost-limit": (
        "epoch",
        LIMIT,
        0,
        "defer 0; defer 0; defer 0; system 0 0 1;"
        "defer 1; clock 0 0 30; step 1; system 0 0 0; defer 1",
    ),
    "no-futex": (
        "epoch",
        0,
        0,
        "lock 0; defer 1; barrier 1; system 0 0 2;"
        "barrier 2; barrier 3; unlock 0; step 2; step 1; step 2;"
        "step 3",
    ),
    "run-lock": (
        "epoch",
        0,
        0,
        "create 0 0 0 0; lock 0; defer 1; barrier 1;"
        "barrier 2; step 2; lock 3 1; barrier 3 0; unlock 0; step 2;"
        "step 1; step 2",
    ),
    "reclaimer": (
        "epoch",
        RECLAIMER,
        0,
        "defer 1 0 1; lock 2; reclaimer 0;"
        "stats 0; unlock 2; reclaimer 0; stats 0; defer 1 0 2;"
        "retire 1 0 9; reclaimer 0; reclaimer 0; barrier 1; flood 0",
    ),
    "reclaimer-qsbr": (
        "qsbr",
        RECLAIMER,
        0,
        "defer 1; register 2; reclaimer 0;"
        "reclaimer 0; quiescent 2; reclaimer 0; offline 2;"
        "reclaimer 0; space 0; churn 0 0 63; reclaimer 0",
    ),
    "reclaimer-limit": (
        "own",
        RECLAIMER | LIMIT,
        0,
        "defer 1; defer 1; defer 1;"
        "defer 1; step 1; lock 2; flood 1; step 1; unlock 2;"
        "step 1; step 1; defer 0",
    ),
    "no-thread": (
        "own",
        RECLAIMER | LIMIT,
        0,
        "system 0 0 3; defer 1; defer 1;"
        "defer 1; defer 1; flood 1; system 0 0 0; defer 1 0 2;"
        "reclaimer 0; stats 0",
    ),
    "destroy": (
        "epoch",
        0,
        0,
        "lock 1; destroy 1; unlock 1; space 0; destroy 1;"
        "defer 1; create 0 0 0 0; lock 1 1; destroy 1 0; unlock 1 1;"
        "create 0 0 2 1; create 0 0 7 0; space 0; defer 1 0 1;"
        "defer 0 0 8; destroy 1 0; lock 2 0; leave 1",
    ),
    "fork": (
        "epoch",
        0,
        0,
        "lock 1; lock 2; defer 0; cookie 0 0 0;"
        "fork 1 0 8 0; stats 1; poll 1 0 0; unlock 1; poll 1 0 0; defer 1;"
        "barrier 1; lock 3; synchronize 1; unlock 2",
    ),
    "fork-threads": (
        "epoch",
        0,
        0,
        "create 0 0 0 32; lock 1 4; lock 2 9;"
        "lock 1 9; lock 0 0; barrier 3 9; fork 0 0 20 0; stats 0 9;"
        "lock 4 9; lock 5 9; lock 4 0; unlock 4 9; stats 0 4;"
        "synchronize 0 4; exit 4 0 0 0; synchronize 5 9",
    ),
    "fork-callback": (
        "epoch",
        0,
        0,
        "defer 1 0 8; defer 1 0 8; barrier 1;"
        "fork 1 0 6 0; stats 1; barrier 2; defer 1; leave 1;"
        "fork 2 0 6 0; barrier 2; leave 1",
    ),
    "fork-getter": (
        "epoch",
        0,
        0,
        "space 0; getter 1; fork 1 0 4 0;"
        "synchronize 1; cookie 1; getter 0; fork 2 0 8 0; space 0;"
        "barrier 2; leave 1",
    ),
    "fork-blocked": (
        "epoch",
        0,
        0,
        "lock 0; defer 1; barrier 1; barrier 2;"
        "fork 3 0 9 0; barrier 3; stats 3; fork 3 0 3 0; stats 3;"
        "unlock 0; step 1; step 2",
    ),
    "fork-reclaimer": (
        "epoch",
        RECLAIMER,
        0,
        "defer 1; fork 1 0 5 0; stats 1;"
        "reclaimer 0; reclaimer 0; stats 1; lock 0; defer 1;"
        "reclaimer 0; fork 1 0 6 0; cookie 1; poll 1 0 0;"
        "reclaimer 0; stats 1",
    ),
    "fork-own-reclaimer": (
        "own",
        RECLAIMER | LIMIT,
        0,
        "defer 1; defer 1;"
        "fork 2 0 9 8; synchronize 2; reclaimer 0; stats 2;"
        "defer 2; flood 2; step 2; fork 3 0 9 255; flood 4",
    ),
    "fork-none": (
        "none",
        0,
        0,
        "lock 0; fork 0 0 4 15; unlock 0; barrier 0;"
        "unlock 0; create 0 0 0 0; fork 1 0 3 0; lock 1; unlock 1",
    ),
    "fork-qsbr": (
        "qsbr",
        0,
        0,
        "register 1; register 2; cookie 0 0 0;"
        "defer 0; fork 1 0 6 15; poll 1 0 0; quiescent 1; poll 1 0 0;"
        "barrier 1; offline 1; offline 2; fork 0 0 2 4; barrier 0",
    ),
    "handlers": (
        "epoch",
        LIMIT,
        0,
        "cookie 0 0 0; lock 1; defer 0;"
        "fork 2 0 5 15; stats 2; barrier 2; fork 1 0 4 15; unlock 1;"
        "barrier 1; unlock 1; fork 0 0 0 15; defer 0; fork 0 0 2 12",
    ),
    "handlers-reclaimer": (
        "epoch",
        RECLAIMER,
        0,
        "cookie 0 0 0;"
        "fork 2 0 9 15; stats 2; reclaimer 0; reclaimer 0;"
        "stats 2; stats 1; reclaimer 0; reclaimer 0",
    ),
    "nested": (
        "epoch",
        0,
        0,
        "lock 1; fork 0 0 9 0; lock 2; defer 0;"
        "fork 0 0 4 0; barrier 0; synchronize 1; unlock 2; barrier 0",
    ),
    "pages": (
        "epoch",
        0,
        0,
        "pages 0 0 0; pages 1 0 67; pages 1 0 195;"
        "pages 2 0 131; system 0 0 5; pages 1 0 195; system 0 0 6;"
        "pages 1 0 3; space 1 0 0; system 0 0 0; space 1 0 0; churn 1 0 9",
    ),
}


def encode(kind, options, fresh, text):
    """An input: operations from the front, the configuration from the end."""
    out = bytearray()
    for step in filter(None, (part.split() for part in text.split(";"))):
        numbers = [int(word) for word in step[1:]]
        count = 4 if step[0] in TAKES_MORE else 3
        numbers += [0] * (count - len(numbers))
        out += bytes([OPS.index(step[0])] + numbers)
    return bytes(out) + bytes([fresh, options, KINDS.index(kind)])


def main():
    """Writes all of them."""
    directory = pathlib.Path(sys.argv[1])
    for name, seed in SEEDS.items():
        (directory / f"seed-{name}").write_bytes(encode(*seed))


if __name__ == "__main__":
    main()
