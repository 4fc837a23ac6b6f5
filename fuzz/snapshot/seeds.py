#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""seeds.py DIRECTORY: writes the inputs that fuzzing of snapshots starts from.

Bytes as docs/snapshot.md has them, by nobody's code but this; and calls, by the
codes of enum source_op in source.h, with changes of the snapshot they make, by
those of enum change_kind in snapshot_fuzzer.c.
"""

import os
import random
import struct
import sys

RAW, MENDED, BUILT = range(3)
RADIX, BITMAP, HASH = range(3)
ALLOCATOR, CYCLIC, QUARANTINE, SMALL, MIDDLE = 1, 2, 4, 8, 16
NONE = 0xFFFFFFFF


def config(
    mode=RAW,
    store=RADIX,
    flags=0,
    range_=0,
    state=0,
    codec=0,
    sets=0,
    fail_memory=0,
    fail_decode=0,
    fail_token=0,
    built=(),
):
    """The end of an input, read from its last byte on."""
    taken = [mode, store, flags, range_, state, codec, sets]
    taken += [fail_memory, fail_decode, fail_token, *built]
    return bytes(reversed(taken))


def crc32c(data):
    crc = NONE
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ NONE


def snapshot(
    sets=(), ids=(), reserved=0, highest=9, cursor=0, version=1, zero=0, damage=None
):
    size = 48 + 64 * len(sets) + 32 * len(ids)
    counts = (len(sets), len(ids), reserved, highest, cursor, zero)
    body = struct.pack("<QIIIIII", size, *counts)
    for quota, aside, token, name, count in sets:
        body += struct.pack("<IIQ32sI12x", quota, aside, token, name, count)
    for number, generation, refs, owner, data, spid, flags in ids:
        body += struct.pack(
            "<IIIIQII", number, generation, refs, owner, data, spid, flags
        )
    head = b"IOASID\r\n" + struct.pack("<I", version)
    data = bytearray(head + struct.pack("<I", crc32c(head + body)) + body)
    if damage is not None:
        data[damage % len(data)] ^= 1
    return bytes(data)


def raw():
    sets = [(0, 0, 0, b"", 0), (9, 2, 77, b"tenant", 2), (0, 3, 5, b"b", 1)]
    ids = [
        (1, 1, 1, 0, 0xA0, NONE, 0),
        (2, 5, 3, 2, 0xB0, 7, 0),
        (3, 1, 1, 2, 0, NONE, 1),
        (62, 9, 2, 3, 0xC0, 7, 0),
    ]
    hosted = [(4, 2, 1, 0, 0x10, NONE, 2), (5, 2, 1, 0, 0x10, NONE, 3)]
    whole = snapshot(sets, ids)
    for store in RADIX, BITMAP, HASH:
        yield "whole-%d" % store, whole + config(store=store)
        yield "cursor-%d" % store, (
            snapshot(sets, ids, cursor=3) + config(store=store, flags=CYCLIC)
        )
        yield "hosted-%d" % store, (
            snapshot(ids=hosted) + config(store=store, flags=ALLOCATOR)
        )
        for fail in range(1, 10 if store == RADIX else 4):
            yield "nomem-%d-%d" % (store, fail), (
                whole + config(store=store, fail_memory=fail)
            )
        for fail in range(1, 4):
            yield "hosted-nomem-%d-%d" % (store, fail), (
                snapshot(ids=hosted)
                + config(store=store, flags=ALLOCATOR, fail_memory=fail)
            )
    for state in range(1, 9):
        yield "state-%d" % state, (
            whole + config(store=HASH, state=state, flags=QUARANTINE)
        )
    for codec in range(1, 4):
        yield "codec-%d" % codec, whole + config(codec=codec)
        yield "codec-%d-full" % codec, whole + config(codec=codec, flags=SMALL)
    for kind in range(1, 4):
        yield "sets-%d" % kind, whole + config(sets=kind)
        yield "sets-%d-refused" % kind, whole + config(sets=kind, fail_decode=3)
    for fail in range(1, 5):
        yield "decode-%d" % fail, whole + config(fail_decode=fail)
        yield "token-%d" % fail, whole + config(fail_token=fail)
    yield "narrow", whole + config(range_=1)
    yield "narrower", whole + config(range_=2)
    yield "small", whole + config(flags=SMALL)
    yield "no-allocator", snapshot(ids=hosted) + config()
    yield "hosted-full", snapshot(ids=hosted, reserved=5) + config(
        flags=ALLOCATOR | SMALL
    )
    yield "mended", whole[:-40] + config(MENDED)
    yield "empty", snapshot() + config()
    yield "none", b""
    yield "reserved", snapshot(reserved=4) + config(flags=SMALL)
    yield "too-much-reserved", snapshot(reserved=6) + config(flags=SMALL)
    yield "later", snapshot(version=2) + config()
    yield "version-0", snapshot(version=0) + config()
    yield "zero", snapshot(zero=1) + config()
    for at in (0, 13, 47, 200, -1):
        yield "damaged-%d" % at, snapshot(sets, ids, damage=at) + config()
    yield "cut", whole[:-1] + config()
    one = (0, 0, 0, b"", 1)
    two = (0, 0, 0, b"", 2)
    full = (1, 0, 0, b"", 1)
    wrong = {
        "descending": dict(ids=ids[::-1], sets=sets),
        "twice": dict(ids=[ids[0], ids[0]]),
        "no-set": dict(ids=ids),
        "count": dict(ids=ids[:1] + ids[2:], sets=sets),
        "highest": dict(highest=8, ids=ids, sets=sets),
        "far": dict(ids=[(70000, 1, 1, 0, 0, NONE, 0)]),
        "invalid": dict(ids=[(NONE, 1, 1, 0, 0, NONE, 0)]),
        "no-generation": dict(ids=[(1, 0, 1, 0, 0, NONE, 0)]),
        "no-reference": dict(ids=[(1, 1, 0, 0, 0, NONE, 0)]),
        "references": dict(ids=[(1, 1, 1 << 20, 0, 0, NONE, 0)]),
        "flag": dict(ids=[(1, 1, 1, 0, 0, NONE, 4)]),
        "name": dict(sets=[(0, 0, 0, b"x" * 32, 0)]),
        "name-31": dict(sets=[(0, 0, 0, b"x" * 31, 0)]),
        "name-end": dict(sets=[(0, 0, 0, b"x\0y", 0)]),
        "quota": dict(
            sets=[(1, 0, 0, b"", 2)],
            ids=[(1, 1, 1, 1, 0, NONE, 0), (2, 1, 1, 1, 0, NONE, 0)],
        ),
        "quota-hidden": dict(
            sets=[full], ids=[(1, 1, 1, 1, 0, NONE, 0), (2, 1, 1, 1, 0, NONE, 0)]
        ),
        "full": dict(sets=[full], ids=[(1, 1, 1, 1, 0, NONE, 0)]),
        "aside": dict(sets=[(1, 2, 0, b"", 0)]),
        "token": dict(sets=[(0, 0, 4, b"", 0), (0, 0, 4, b"", 0)]),
        "spid": dict(sets=[two], ids=[(1, 1, 1, 1, 0, 3, 0), (2, 1, 1, 1, 0, 3, 0)]),
        "spid-pending": dict(sets=[one], ids=[(1, 1, 1, 1, 0, 3, 1)]),
        "spid-no-set": dict(ids=[(1, 1, 1, 0, 0, 3, 0)]),
        "generation": dict(highest=NONE, ids=[(1, NONE, 1, 0, 0, NONE, 0)]),
        "worn": dict(highest=0x70000000),
        "generation-4096": dict(highest=4096),
        "sets-256": dict(sets=[(0, 0, 0, b"", 0)] * 256),
    }
    for name, what in wrong.items():
        yield name, snapshot(**what) + config(store=BITMAP)


OPS = (
    "ALLOC NEXT MANY FREE GET PUT ATTACH DETACH DATA RESERVE_ID PUBLISH RELEASE"
    " TELL CYCLE SET LIMIT DESTROY ASIDE UNASIDE SYNCHRONIZE TRIM SNAPSHOT"
).split()
LENGTHS = (4, 4, 4, 2, 3, 2, 4, 2, 3, 3, 2, 2, 3, 3, 4, 4, 2, 2, 2, 1, 1, 1)


def op(name, *args):
    code = OPS.index(name)
    return bytes([code, *args]).ljust(LENGTHS[code], b"\0")


# A change and what it takes; a number is a code, 10 a byte, 11 a word.
def header(field, how, *number):
    return bytes([0, field, how, *number])


def of_set(record, field, how, *number):
    return bytes([1, record, field, how, *number])


def of_id(record, field, how, *number):
    return bytes([2, record, field, how, *number])


def built(changes=b"", ops=None, mend=0, store=HASH, base=0, flags=0, **to):
    if ops is None:
        ops = (
            op("SET", 9, 2, 130)
            + op("SET", 0, 0, 4)
            + op("CYCLE", 5, 3)
            + op("ALLOC", 5, 1, 7)
            + op("MANY", 9, 4, 2)
            + op("ALLOC", 2, 1, 1)
            + op("ALLOC", 60, 0, 3)
            + op("ATTACH", 0, 10, 5)
            + op("ATTACH", 3, 10, 5)
            + op("GET", 1, 3)
            + op("FREE", 1)
            + op("TELL", 1, 4)
            + op("TELL", 2, 3)
            + op("RESERVE_ID", 30, 1)
            + op("ASIDE", 3)
            + op("NEXT", 0, 0, 1)
        )
    end = config(BUILT, built=(mend, store, base, flags), **to)
    return ops + op("SNAPSHOT") + changes + end


def main():
    to = sys.argv[1]
    seeds = {"raw-" + name: data for name, data in raw()}
    for store in RADIX, BITMAP, HASH:
        for flags in range(16):
            # Cyclic, quarantine, allocator and notifier, of the one and of the other.
            seeds["calls-%d-%d" % (store, flags)] = end_flags(store, flags)
    change = {
        "magic": header(0, 2, 1),
        "size": header(3, 1, 1),
        "sets": header(4, 1, 1),
        "ids": header(5, 1, 4),
        "ids-max": header(5, 0, 3),
        "reserved": header(6, 0, 3),
        "generation": header(7, 0, 8),
        "cursor": header(8, 0, 4),
        "quota": of_set(0, 0, 0, 1),
        "aside": of_set(1, 1, 0, 3),
        "token": of_set(1, 2, 3),
        "name": of_set(0, 3, 2, 11, 0, 0, 0, 0),
        "count": of_set(0, 4, 1, 1),
        "rest": of_set(0, 5, 0, 1),
        "id": of_id(0, 0, 3),
        "id-invalid": of_id(6, 0, 0, 3),
        "id-last": of_id(6, 0, 0, 4),
        "id-generation": of_id(2, 1, 0, 7),
        "id-refs": of_id(2, 2, 0, 5),
        "id-refs-over": of_id(2, 2, 0, 6),
        "id-set": of_id(1, 3, 0, 0),
        "id-spid": of_id(2, 5, 3),
        "id-flags": of_id(0, 6, 2, 1),
        "id-hosted": of_id(0, 6, 2, 2),
        "repeat-id": bytes([3, 1, 0]),
        "drop-id": bytes([4, 1, 0]),
        "drop-id-count": bytes([4, 1, 1]),
        "swap-ids": bytes([5, 1, 0]),
        "repeat-set": bytes([6, 0, 0]),
        "repeat-set-count": bytes([6, 0, 1]),
        "repeat-set-token": bytes([6, 0, 2]),
        "drop-set": bytes([7, 0, 0]),
        "cut": bytes([8, 0, 32]),
        "grow": bytes([9, 0, 32]),
        "bit": bytes([10, 0, 99]),
    }
    for name, what in change.items():
        seeds["change-" + name] = built(what, mend=2 if name == "bit" else 0)
    for number in range(12):
        seeds["mixed-%02d" % number] = mixed(number)
    for name, data in seeds.items():
        with open(os.path.join(to, "seed-" + name), "wb") as file:
            file.write(data)


def end_flags(store, flags):
    """Both spaces have the flags; they are of different stores."""
    to_flags = (flags & 1) << 1 | (flags & 2) << 1 | flags >> 2 & 1
    ops = built(store=store, base=0, flags=flags)
    end = config(
        BUILT,
        store=(store + 1) % 3,
        flags=to_flags,
        built=(0, store, 0, flags),
    )
    return ops[: -len(end)] + end


def mixed(number):
    """Calls in any order, after some sets and IDs to work on."""
    chance = random.Random(number)
    ops = op("SET", 0, 2, 140) + op("SET", 12, 0, 3) + op("MANY", 0, 20, 1)
    ops += op("MANY", 30, 9, 2)
    for _ in range(40):
        code = chance.randrange(len(OPS) - 1)
        args = [chance.randrange(256) for _ in range(LENGTHS[code] - 1)]
        if OPS[code] == "ATTACH":
            args[1] = 10
        ops += op(OPS[code], *args)
    return built(
        ops=ops,
        store=number % 3,
        base=number // 3 % 4,
        flags=number % 16,
    )


main()
