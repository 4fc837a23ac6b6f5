#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""seeds.py DIRECTORY SNAPSHOTS: writes the inputs that fuzzing starts from.

Every code in some order, for each configuration that matters, then cases that
chance seldom meets. The codes are those of enum code and enum later in
harness.c.
"""

import os
import random
import struct
import sys

CODES = 44
(ALLOC_RANGE, ALLOC_RANDOM, ALLOC_MANY, FREE_ALL, CYCLE_RANDOM, READ_LOCK,
 SYNCHRONIZE, FREE_MANY, READ_UNLOCK) = 2, 3, 5, 28, 30, 31, 33, 8, 32

# After ESCAPE: what came later.
ESCAPE, LATERS = 0xe5, 32
(SET_ALLOC, SET_BIND, SET_CREATE, SET_DESTROY, SET_LIMIT, SET_FREE_ALL,
 SET_BY_TOKEN, SET_OF, CAPACITY, RESERVE, UNRESERVE, SPID_ATTACH, SPID_DETACH,
 SPID_OF, SPID_FIND, HANDLE, FIND_HANDLE, GET_HANDLE, FREE_HANDLE,
 REGISTER_ALLOCATOR, UNREGISTER_ALLOCATOR, REGISTER_NOTIFIER,
 UNREGISTER_NOTIFIER, ARM, NOTIFY, SNAPSHOT, DUMP, ALLOC_CYCLIC, RESERVE_ID,
 PUBLISH_ID, NEXT, REMOVE) = range(LATERS)


def config(universe, flavour=0, domain=0, limit=0, reserve=0, sets=0, seed=0,
           create_fail=0, policy=None):
    """The end of an input, read from its last byte on."""
    more = policy is not None
    return bytes([policy] if more else []) + bytes([
        sets | seed << 2 | create_fail << 4,
        flavour | domain << 2 | limit << 4 | reserve << 6 | more << 7,
        universe | (0xe0 if more else 0),
    ])


def policy(cyclic=0, quarantine=0, capacity=0):
    return cyclic | quarantine << 1 | capacity << 2


def later(code, *args):
    return bytes([ESCAPE, code, *args])


def mixed_later(number):
    """All of the later codes, among allocs and frees."""
    chance = random.Random(number)
    codes = [code for code in range(LATERS) for _ in range(3)]
    codes += [None] * 40
    chance.shuffle(codes)
    ops = later(REGISTER_ALLOCATOR, number) if number % 3 == 0 else b""
    if number % 2:
        for slot in range(3):
            ops += later(REGISTER_NOTIFIER, slot, slot, 0)
    for code in codes:
        if code is None:
            ops += bytes([chance.choice([0, 1, 1, 6, 9, 16, 19, 31, 32])])
            ops += chance.randbytes(3)
        else:
            fail = 128 if chance.randrange(8) == 0 else 0
            ops += later(code | fail)
            ops += bytes(chance.choice([0, 1, 2, 3, chance.randrange(256)])
                         for _ in range(chance.randrange(3, 7)))
    return ops + config(universe=(0, 1, 4, 6, 8, 11)[number % 6],
                        flavour=number % 4, domain=number // 4 % 3,
                        reserve=number % 2, sets=number // 2 % 3,
                        seed=number % 4,
                        policy=policy(number // 2 % 2, number // 4 % 2,
                                      (0, 20, 0, 40)[number % 4]))


def mixed(number):
    """All codes in a random order, after some IDs to work on."""
    chance = random.Random(number)
    codes = list(range(CODES)) * 2
    chance.shuffle(codes)
    ops = bytes([ALLOC_MANY, 12, number % 4 * 64, 0, 1])
    for code in codes:
        ops += bytes([code]) + chance.randbytes(chance.randrange(7))
    return ops + config(universe=number % 16, flavour=number % 4,
                        domain=number // 4 % 3, limit=number // 3 % 4,
                        reserve=number % 2, sets=number // 2 % 3,
                        seed=number % 4, create_fail=number % 9)


def directed():
    """What each of the later oracles is there for."""
    id_5 = bytes([ALLOC_RANDOM, 0, 5, 0, 7])
    one = later(SET_ALLOC, 0, 0, 9)
    plain = config(0)
    yield "quota", (one + later(SET_LIMIT, 0, 2, 0) + one * 3 +
                    later(SET_LIMIT, 0, 1, 0) + later(SET_FREE_ALL, 0) +
                    later(SET_DESTROY, 0) + plain)
    yield "reserve", (later(RESERVE, 3) + one * 2 +
                      later(SET_CREATE, 1, 3, 1, 0, 9) + one +
                      later(SET_DESTROY, 129) + later(UNRESERVE, 4) +
                      later(UNRESERVE, 3) + plain)
    yield "spid", (one * 3 + later(SPID_ATTACH, 7, 0) +
                   later(SPID_ATTACH, 7, 1) + later(SPID_ATTACH, 8, 0) +
                   later(SPID_FIND, 7, 0, 0) + later(SPID_OF, 0) +
                   later(SPID_DETACH, 0) + later(SPID_FIND, 7, 0, 0) + plain)
    yield "stale", (id_5 + later(HANDLE, 1, 0, 0) +
                    later(FIND_HANDLE, 1, 0, 0) + bytes([6, 0]) +
                    later(FIND_HANDLE, 1, 0, 0) + id_5 +
                    later(FIND_HANDLE, 1, 0, 0) + later(GET_HANDLE, 1, 0, 0) +
                    later(FREE_HANDLE, 1, 0, 0) + plain)
    given = later(SET_ALLOC, 0, 0, 9, 7, 3)
    yield "allocator", (later(REGISTER_ALLOCATOR, 1) + given * 2 +
                        later(SET_ALLOC, 0, 0, 9, 2, 0) +
                        later(SET_ALLOC, 0, 0, 9, 1, 4, 3) +
                        later(REGISTER_ALLOCATOR, 2) +
                        later(UNREGISTER_ALLOCATOR, 1, 0) +
                        later(UNREGISTER_ALLOCATOR, 1, 1) +
                        later(SNAPSHOT, 9, 0) + bytes([6, 0, 6, 0]) + plain)
    for action in range(5):
        for event in range(4):
            yield "notify-%d-%d" % (action, event), (
                later(REGISTER_NOTIFIER, 0, 1, 0) +
                later(REGISTER_NOTIFIER, 1, 2, 1, 0) +
                later(ARM, 0, action, event) + one * 2 +
                later(NOTIFY, 2, 1, 0) + later(NOTIFY, 3, 1, 0) +
                bytes([6, 0]) + later(UNREGISTER_NOTIFIER, 0) + one + plain)
    yield "cyclic", (bytes([0, 0, 0, 0, 6, 0, 0, 0]) +
                     config(1, policy=policy(cyclic=1)))
    yield "quarantine", (bytes([READ_LOCK]) + bytes([0, 7, 6, 0, 0, 7]) +
                         bytes([READ_UNLOCK, SYNCHRONIZE, 0, 7]) +
                         config(4, policy=policy(quarantine=1)))
    yield "capacity", (bytes([0, 0, 0, 0, 0, 0, 0, 0]) +
                       later(CAPACITY, 1) +
                       config(0, policy=policy(capacity=3)))
    yield "snapshot", (one * 3 + later(SET_CREATE, 0, 32, 3, 9, 2) +
                       later(SET_ALLOC, 128, 0, 3) + later(SPID_ATTACH, 3, 3) +
                       later(SNAPSHOT, 255, 1) + later(SNAPSHOT, 1, 0) +
                       later(SNAPSHOT | 128, 2, 7, 3) +
                       later(SNAPSHOT | 128, 4, 9, 5) + later(DUMP) + plain)


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def snapshot(sets=(), ids=(), reserved=0, highest=9, cursor=0, version=1,
             damage=None):
    """Bytes as in docs/snapshot.md, by nobody's code but this."""
    body = struct.pack("<QIIIIII", 48 + 64 * len(sets) + 32 * len(ids),
                       len(sets), len(ids), reserved, highest, cursor, 0)
    for quota, aside, token, name, count in sets:
        body += struct.pack("<IIQ32sI12x", quota, aside, token, name, count)
    for number, generation, refs, owner, data, spid, flags in ids:
        body += struct.pack("<IIIIQII", number, generation, refs, owner, data,
                            spid, flags)
    head = b"IOASID\r\n" + struct.pack("<I", version)
    data = bytearray(head + struct.pack("<I", crc32c(head + body)) + body)
    if damage is not None:
        data[damage % len(data)] ^= 1
    return bytes(data)


def snapshots():
    """The last byte is the configuration: see snapshot_fuzzer.c."""
    none = 0xffffffff
    sets = [(0, 0, 0, b"", 0), (9, 2, 77, b"tenant", 2), (0, 3, 5, b"b", 1)]
    ids = [(1, 1, 1, 0, 0xa0, none, 0), (2, 5, 3, 2, 0xb0, 7, 0),
           (3, 1, 1, 2, 0, none, 1), (62, 9, 2, 3, 0xc0, 7, 0)]
    hosted = [(4, 2, 1, 0, 0x10, none, 2), (5, 2, 1, 0, 0x10, none, 3)]
    whole = dict(sets=sets, ids=ids)
    for bits in (0, 1, 2, 8, 16, 17, 32, 64, 66, 129, 192, 194):
        yield "whole-%d" % bits, snapshot(**whole) + bytes([bits])
    for bits in (0, 8, 9, 10, 72, 136, 200):
        yield "hosted-%d" % bits, snapshot(ids=hosted) + bytes([bits])
    yield "empty", snapshot() + b"\0"
    yield "none", b""
    yield "reserved", snapshot(reserved=4) + b"\x20"
    yield "too-much-reserved", snapshot(reserved=6) + b"\x20"
    yield "later", snapshot(version=2) + b"\0"
    for at in (0, 9, 13, 17, 30, 47, 60, 200, -1):
        yield "damaged-%d" % at, snapshot(damage=at, **whole) + b"\0"
    yield "cut", snapshot(**whole)[:-1] + b"\0"
    wrong = {
        "descending": dict(ids=ids[::-1], sets=sets),
        "twice": dict(ids=[ids[0], ids[0]]),
        "no-set": dict(ids=ids),
        "count": dict(ids=ids[:1] + ids[2:], sets=sets),
        "highest": dict(highest=8, **whole),
        "far": dict(ids=[(70000, 1, 1, 0, 0, none, 0)]),
        "invalid": dict(ids=[(none, 1, 1, 0, 0, none, 0)]),
        "no-generation": dict(ids=[(1, 0, 1, 0, 0, none, 0)]),
        "no-reference": dict(ids=[(1, 1, 0, 0, 0, none, 0)]),
        "references": dict(ids=[(1, 1, 1 << 20, 0, 0, none, 0)]),
        "flag": dict(ids=[(1, 1, 1, 0, 0, none, 4)]),
        "name": dict(sets=[(0, 0, 0, b"x" * 32, 0)]),
        "quota": dict(sets=[(1, 0, 0, b"", 2)],
                      ids=[(1, 1, 1, 1, 0, none, 0), (2, 1, 1, 1, 0, none, 0)]),
        "aside": dict(sets=[(1, 2, 0, b"", 0)]),
        "token": dict(sets=[(0, 0, 4, b"", 0), (0, 0, 4, b"", 0)]),
        "spid": dict(sets=[(0, 0, 0, b"", 2)],
                     ids=[(1, 1, 1, 1, 0, 3, 0), (2, 1, 1, 1, 0, 3, 0)]),
        "spid-pending": dict(sets=[(0, 0, 0, b"", 1)],
                             ids=[(1, 1, 1, 1, 0, 3, 1)]),
        "generation": dict(highest=none, ids=[(1, none, 1, 0, 0, none, 0)]),
    }
    for name, what in wrong.items():
        yield name, snapshot(**what) + b"\x01"


def main():
    to = sys.argv[1]
    for name, data in snapshots():
        with open(os.path.join(sys.argv[2], "seed-" + name), "wb") as file:
            file.write(data)
    seeds = {"mixed-%02d" % i: mixed(i) for i in range(24)}
    # More sets than a 32-bit state has room for, and no ID for the last.
    sets = bytes([ALLOC_MANY, 255, 128, 0, 7, ALLOC_RANGE, 1, 0, 5,
                  ALLOC_RANGE, 1, 2, 0, 5])
    seeds["sets"] = sets + config(0, sets=3)
    # A long run with holes in no order, walks over it, and nothing left.
    seeds["holes"] = bytes(
        [ALLOC_MANY, 250, 0, 0, 1, FREE_MANY, 90, 6, 3, 0,
         ALLOC_MANY, 20, 0, 0, 2, FREE_MANY, 60, 4, 9, 1,
         ALLOC_MANY, 255, 126, 0, 3, FREE_ALL, 0, 0, 0]) + config(6)
    # A turn, in each kind of generation, and the ID wanted in a section.
    for cycles in 1, 6, 7:
        for flavour in range(4):
            turn = bytes([CYCLE_RANDOM, 0, 5, 0, 0, cycles, SYNCHRONIZE,
                          READ_LOCK, ALLOC_RANDOM, 0, 5, 0, 7])
            section = bytes([READ_LOCK, CYCLE_RANDOM, 0, 6, 0, 0, cycles,
                             ALLOC_RANDOM, 0, 6, 0, 7, READ_UNLOCK,
                             READ_UNLOCK, ALLOC_RANDOM, 0, 6, 0, 7])
            seeds["turn-%d-%d" % (cycles, flavour)] = (
                turn + section + config(0, flavour=flavour))
    seeds.update(("later-%02d" % i, mixed_later(i)) for i in range(24))
    seeds.update(directed())
    for name, data in seeds.items():
        with open(os.path.join(to, "seed-" + name), "wb") as file:
            file.write(data)


main()
