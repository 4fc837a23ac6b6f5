#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the programs that fuzzing of concurrent_fuzzer starts from.

    fuzz/concurrent/seeds.py DIRECTORY

A line of SEEDS is a step: thread, call, its numbers a, b and c if not 0,
"@N>T" to go on with thread T after N points, "!TROUBLE" or "!TROUBLE=N".
"""

import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

THREADS = ["before", "a", "b", "c", "d"]
TO = ["stay", "a", "b", "c", "d"]
TROUBLES = {"no-memory": 7, "never-memory": 8, "woken": 9, "no-barrier": 10}
# From the end of an input: what a value is called, and its byte.
YES = {"no": 0, "yes": 1}
RARE = {"no": 0, "yes": 3}
IDS = ["8", "4", "2", "1", "16", "33", "64", "3"]
CONFIG = [
    ("store", {"radix": 0, "bitmap": 1, "hash": 2}),
    ("flavour", {"epoch": 0, "qsbr": 1}),
    ("ids", {name: i for i, name in enumerate(IDS)}),
    ("first", {"0": 0, "1": 1, "62": 2, "14": 3}),
    ("reuse", {"lowest": 0, "cyclic": 1}),
    ("fences", YES),
    ("quarantine", RARE),
    ("reclaimer", RARE),
    ("notifier", RARE),
    ("crowded", RARE),
    ("capacity", None),
    ("quota1", None),
    ("quota2", None),
    ("pending_limit", RARE),
    ("retired_limit", RARE),
]

# Name: what is not as it is by itself, and the steps.
SEEDS = {
    "publish": (
        "ids=2",
        """
before ALLOC 7
before FREE 0
a ALLOC 7 @10>b
b READ 0
""",
    ),
    "publish-reserved": (
        "ids=2",
        """
before ALLOC 7
before FREE 0
a RESERVE_ID 7
a PUBLISH_ID 0 @8>b
b READ 0
""",
    ),
    "read-again": (
        "ids=2",
        """
before ALLOC 7 1
a READ 0 1 @23>b
b FREE 0
b ALLOC 7 2
""",
    ),
    "handle-again": (
        "ids=2",
        """
before ALLOC 7
before HANDLE 0
a FREE 0
a ALLOC 7
b FIND_HANDLE 0 @9>a
b GET_HANDLE 0
b FREE_HANDLE 0
""",
    ),
    "get-get": (
        "ids=2",
        """
before ALLOC 7
a GET 0 @21>b
a PUT
b GET 0
b FIND 0
""",
    ),
    "put-put": (
        "ids=2",
        """
before ALLOC 7
before GET 0
a PUT_ID 0 @21>b
b PUT_ID 0
""",
    ),
    "hide-get": (
        "ids=2 notifier=yes",
        """
before ALLOC 7
a FREE 0 @7>b
b GET 0
""",
    ),
    "free-get": (
        "ids=2",
        """
before ALLOC 7
a FREE 0 @7>b
b GET 0
""",
    ),
    "told": (
        "ids=2 notifier=yes",
        """
a ALLOC 7 @36>b
b FREE 0
""",
    ),
    "told-bind": (
        "ids=4 notifier=yes",
        """
before ALLOC 7
a NOTIFY 0 @12>b
b FREE_DEFERRED 0
b BARRIER
b ALLOC 7
""",
    ),
    "watch": (
        "ids=2 notifier=yes",
        """
before WATCH
a ALLOC 7 1 0 @36>b
b FREE 0 0 0 @20>c
b WATCH
c WATCH 0 1
c ALLOC
c FREE 0 0 0 @44>b
c WATCH
""",
    ),
    "move-get": (
        "store=hash ids=16",
        """
before ALLOC
before ALLOC
before ALLOC
before ALLOC
before ALLOC
a ALLOC @26>b
b GET 0
b GET 1
b GET 2
b GET 3
""",
    ),
    "move-find": (
        "store=hash ids=16",
        """
before ALLOC
before ALLOC
before ALLOC
before ALLOC
before ALLOC
before ALLOC
a ALLOC
a ALLOC @30>b
b FREE 0
b READ 0 0 2
""",
    ),
    "move-read": (
        "store=hash ids=16",
        """
before ALLOC
before ALLOC
before ALLOC
before ALLOC
before ALLOC
before ALLOC
a ALLOC @27>b
b READ 0 0 2
""",
    ),
    "moved-read": (
        "store=hash ids=16",
        """
before ALLOC
before ALLOC
before ALLOC
before ALLOC
before ALLOC
a ALLOC @30>b
a FIND 5
b FIND 5
b READ 5 0 1
""",
    ),
    "moved-twice": (
        "store=hash ids=16",
        """
before ALLOC
before ALLOC
before ALLOC
before ALLOC
a ALLOC @24>b
a ALLOC @26>b
b GET 0
b EXCHANGE_DATA 1
b GET 2
b PUT
b READ 0 0 2
""",
    ),
    "grow": (
        "ids=64",
        """
before ALLOC 7
a ALLOC 47 @24>b
b READ 0
""",
    ),
    "leaf-goes": (
        "ids=64",
        """
before ALLOC 7
before ALLOC 47
before ALLOC 87
a FREE 10 @30>b
a FREE 5
a BARRIER
b READ 5 0 2
b READ 10 0 2
""",
    ),
    "locks": (
        "ids=8",
        """
a ALLOC @5>b
b ALLOC
""",
    ),
    "wait": (
        "ids=4",
        """
a ALLOC @2>b
b ALLOC
""",
    ),
    "wake": (
        "ids=4 fences=yes",
        """
a ALLOC @2>b
b ALLOC @8>c !woken
c ALLOC
""",
    ),
    "wait-refused": (
        "ids=4",
        """
a ALLOC @2>b
b ALLOC !no-barrier
c FREE 0
""",
    ),
    "synchronize": (
        "ids=4",
        """
before ALLOC 7
a READ 0 0 1 @19>b
b REMOVE_SYNCHRONIZE 0
""",
    ),
    "defer": (
        "ids=4",
        """
before ALLOC 7
a READ_LOCK
a READ 0 @0>b
b REMOVE_DEFER 0
b BARRIER
""",
    ),
    "section": (
        "ids=4",
        """
before ALLOC 7
a READ_LOCK
a READ 0 @0>b
a READ_UNLOCK
b SYNCHRONIZE
""",
    ),
    "section-poll": (
        "ids=4",
        """
before ALLOC 7
a READ_LOCK
a READ 0 @0>b
a READ_UNLOCK
b START_POLL
b POLL @20>a
b POLL
""",
    ),
    "online": (
        "ids=4 flavour=qsbr",
        """
before ALLOC 7
a READ 0 0 2 @2>b
a QUIESCENT
a READ 0 0 2
a OFFLINE
b REMOVE_SYNCHRONIZE 0
b UNREGISTER_THREAD
""",
    ),
    "counted": (
        "ids=4 crowded=yes",
        """
before ALLOC 7
a READ_LOCK !never-memory
a READ 0 @0>b
b SYNCHRONIZE
""",
    ),
    "set-data": (
        "ids=4",
        """
before ALLOC 7
a READ_LOCK
a READ 0 @4>b
a READ 0
a READ_UNLOCK
b SET_DATA 0
b EXCHANGE_DATA 0
""",
    ),
    "quota": (
        "ids=4 quota1=1",
        """
a ALLOC 0 1 @7>b
a SET_LIMIT 2 1
b ALLOC 0 1
""",
    ),
    "capacity": (
        "ids=4 capacity=2",
        """
a ALLOC @7>b
a SET_CAPACITY 1
b ALLOC
b RESERVE 1
b UNRESERVE 1
c ALLOC
""",
    ),
    "lowest": (
        "ids=8",
        """
before ALLOC
before ALLOC
before ALLOC
a FREE 1 @12>b
a ALLOC
b ALLOC
b ALLOC_CYCLIC
""",
    ),
    "quarantine": (
        "ids=4 quarantine=yes",
        """
before ALLOC 7
a READ_LOCK
a READ 0 @0>b
a READ_UNLOCK
b FREE 0
b ALLOC 7
b ALLOC
""",
    ),
    "bind": (
        "ids=2",
        """
before ALLOC 7
a ALLOC 15 3 @16>b
b FIND 0 3
b FIND 1 3
""",
    ),
    "bind-remove": (
        "ids=1",
        """
a RESERVE_ID 7 3 @4>b
a PUBLISH_ID 0
b REMOVE_DEFER 0 3 @2>a
""",
    ),
    "set-again": (
        "ids=8",
        """
a OWN_SET @42>b
a OWN_SET @42>b
b READ_OWN_SET 0 0 0 @20>a
""",
    ),
    "name": (
        "ids=4",
        """
before ALLOC 7 1
before SPID_ATTACH 0
a SPID_FIND 0 1 @31>b
b FREE 0
b ALLOC 7 1
""",
    ),
    "name-no-memory": (
        "ids=4",
        """
before ALLOC 7 1
a SPID_ATTACH 0 @30>b !never-memory=4
b SPID_FIND 0 1
""",
    ),
    "names": (
        "ids=4",
        """
before ALLOC 7 1
before ALLOC 15 1
a SPID_ATTACH 0 @20>b
a SPID_DETACH 0
b SPID_ATTACH 1
b SPID_OF 1
b SPID_OF 0
c SPID_FIND 0 1
""",
    ),
    "walk": (
        "ids=8",
        """
before ALLOC
before ALLOC 0 1
before ALLOC
a FOR_EACH 0 0 @20>b
a NEXT 0 1
b FREE 1
b ALLOC
b TRIM
""",
    ),
    "free-all": (
        "ids=8",
        """
before ALLOC
before ALLOC 0 1
before ALLOC
before GET 1
a FREE_ALL @20>b
b SET_FREE_ALL 0 1 @9>c
b ALLOC
c GET 2
c ALLOC 0 1
""",
    ),
    "reclaimer": (
        "ids=4 reclaimer=yes",
        """
before ALLOC 7
a REMOVE_DEFER 0 @20>b
a DEFER
b DEFER
b READ 0
""",
    ),
    "limits": (
        "ids=4 pending_limit=yes reclaimer=yes",
        """
a DEFER @9>b
a DEFER
a DEFER
b DEFER
b DEFER
b DEFER
""",
    ),
    "retired": (
        "store=hash ids=16 retired_limit=yes",
        """
before ALLOC
before ALLOC
before ALLOC
before ALLOC
before ALLOC
before ALLOC
a READ_LOCK
a READ @0>b
b ALLOC
b ALLOC
b ALLOC
b ALLOC
b OWN_SET
b ALLOC
""",
    ),
    "exits": (
        "ids=4",
        """
before ALLOC 7
a READ_LOCK
a READ 0 @3>b
b REMOVE_SYNCHRONIZE 0 @9>a
c UNREGISTER_THREAD
c READ 0
""",
    ),
    "release": (
        "ids=2 store=bitmap",
        """
a RESERVE_ID @9>b
a RELEASE_ID 0
b PUBLISH_ID 0
b SET_OF 0
b STATS
b SET_STATS 0 1
""",
    ),
}


def calls():
    with open(os.path.join(HERE, "program.h"), encoding="ascii") as file:
        return re.findall(r"\bCALL\((\w+)\)", file.read())


CALLS = calls()


def step_bytes(line):
    words = line.split()
    step = [THREADS.index(words[0]), CALLS.index(words[1])]
    numbers, switches, trouble = [], [], [0, 0]
    for word in words[2:]:
        if word[0] == "@":
            at, to = word[1:].split(">")
            switches += [int(at), TO.index(to)]
        elif word[0] == "!":
            name, _, nth = word[1:].partition("=")
            trouble = [TROUBLES[name], int(nth or 0)]
        else:
            numbers.append(int(word))
    step += numbers + [0] * (3 - len(numbers))
    step += switches + [0] * (6 - len(switches))
    return bytes(step + trouble)


def config_bytes(text):
    given = dict(word.split("=") for word in text.split())
    values = []
    for name, names in CONFIG:
        value = given.pop(name, None)
        if value is None:
            values.append(0)
        else:
            values.append(names[value] if names else int(value))
    if given:
        sys.exit("seeds: unknown: %s" % " ".join(given))
    return bytes(reversed(values))


def seed_bytes(config, steps):
    lines = [line for line in steps.splitlines() if line.strip()]
    return b"".join(map(step_bytes, lines)) + config_bytes(config)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for name, (config, steps) in SEEDS.items():
        with open(os.path.join(sys.argv[1], "seed-" + name), "wb") as file:
            file.write(seed_bytes(config, steps))


if __name__ == "__main__":
    main()
