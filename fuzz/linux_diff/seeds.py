#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""seeds.py DIRECTORY: writes the inputs that fuzzing beside Linux starts from.

By the codes of linux_diff_fuzzer.c: some calls for each difference from Linux,
the same from each base, and calls in any order.
"""

import os
import random
import sys

IOASID, IDR = range(2)
BASES = range(8)
RADIX_HASH, ALL, BITMAP = range(3)

ALLOC, FREE, FIND, SET_DATA, _, REGISTER, UNREGISTER, _ = range(8)
LOWEST, ANY, NONE, OUTSIDE, IN_USE, LATER = range(6)
GETTERS = (0, 1, 2, 3)
DATA, GIFT, FAIL, KERNEL_FAIL = 16, 32, 64, 128


def config(part, base=2, stores=RADIX_HASH):
    return bytes([stores, base, part])


def lookups(first=0, second=1, owner=0, getter=3):
    return bytes([first, owner, getter, second, 1, 1])


def alloc(low, size=200, owner=0, data=None, gift=None, fail=None, kernel=None):
    more = owner
    rest = b""
    if data is not None:
        more |= DATA
        rest += bytes([data])
    if gift is not None:
        more |= GIFT
        rest += bytes([gift, 5]) + lookups()
    if fail is not None:
        more |= FAIL
        rest += bytes([fail])
    if kernel is not None:
        more |= KERNEL_FAIL
        rest += bytes([kernel])
    return bytes([ALLOC, low, size, more]) + rest


def free(number, look=False):
    return bytes([FREE, number, 1 if look else 0]) + (lookups() if look else b"")


def find(number, owner=0, getter=0):
    return bytes([FIND]) + lookups(number, number, owner, getter)


def set_data(number, data):
    return bytes([SET_DATA, number, data])


def register(number):
    return bytes([REGISTER, number])


def unregister(number):
    return bytes([UNREGISTER, number])


def ioasids():
    some = alloc(0, data=7) + alloc(0, owner=1, data=8) + alloc(9, 3, 2, 9)
    looks = b"".join(
        find(n, owner, g) for n in (0, 1, 9) for owner in range(4) for g in GETTERS
    )
    yield "plain", some + looks + set_data(1, 33) + find(1) + free(1) + find(1) + some
    yield "full", alloc(0, 5) * 8 + free(2) + alloc(0, 5) + alloc(40) * 9
    yield "empty-range", alloc(9, 255) + register(0) + alloc(9, 255)
    yield "nothing", free(200) + set_data(200, 1) + find(200) + free(255) + find(255)
    yield "nomem", b"".join(alloc(n, fail=n % 8, kernel=n % 8) for n in range(24))
    yield "again", alloc(0) + register(0) + free(0) + register(0) + alloc(
        0, gift=LOWEST
    )
    given = alloc(0, data=5, gift=LOWEST) + alloc(8, data=6, gift=ANY)
    yield "given", register(1) + given + find(0, getter=3) + free(0, True) + given
    yield "given-fail", register(2) + alloc(0, gift=LOWEST, fail=1, kernel=1) * 4
    yield "given-none", register(0) + alloc(0, gift=NONE) + register(3) + alloc(
        0, gift=NONE
    )
    yield "outside", register(0) + alloc(9, 4, gift=OUTSIDE) + given
    yield "in-use", register(0) + given + alloc(0, gift=IN_USE) + free(0, True)
    yield "later", register(0) + register(3) + alloc(0, gift=LATER) + given
    yield "busy", register(0) + given + unregister(0) + free(0) + free(8) + unregister(
        0
    )
    yield "twice", register(0) * 2 + register(3) * 2 + unregister(3) + unregister(3)
    yield "departed", (
        register(0)
        + register(3)
        + given
        + unregister(0)
        + given
        + free(0, True)
        + register(0)
        + given
    )
    yield "next", (
        register(0)
        + register(1)
        + register(2)
        + given
        + free(0)
        + free(0)
        + unregister(0)
        + given
    )
    yield "unknown", unregister(4) + register(1) + unregister(4) + unregister(1)


OPS = (
    "alloc cyclic u32 remove replace find next next_ul for_each entries cursor"
    " empty destroy ida_range ida_free ida_empty ida_destroy"
).split()
FROM_BASE, FROM_INT_MAX, FROM_UINT_MAX, FROM_BITMAP = range(4)
OPEN = 4


def idr(name, at=0, size=0, origin=FROM_BASE, open_=False, data=1, fail=None):
    code = OPS.index(name)
    if name in ("entries", "empty", "destroy", "ida_empty", "ida_destroy"):
        return bytes([code])
    more = origin | (OPEN if open_ else 0) | data << 3 | (fail is not None) << 6
    rest = b"" if fail is None else bytes([fail])
    rest += bytes([at])
    if name in ("alloc", "cyclic", "u32", "ida_range"):
        rest += bytes([size])
    return bytes([code, more]) + rest


def idrs():
    look = (
        idr("find")
        + idr("find", 1)
        + idr("next")
        + idr("next_ul", 1)
        + idr("for_each", 9)
        + idr("for_each", 1)
        + idr("entries")
        + idr("empty")
    )
    some = idr("alloc", 0, 9) + idr("alloc", 0, 9, data=2) + idr("alloc", 5, 9, data=3)
    yield "idr", (
        some
        + look
        + idr("replace", 1, data=5)
        + idr("remove")
        + look
        + idr("remove")
        + idr("replace")
        + idr("destroy")
        + look
        + some
    )
    yield "idr-null", some + idr("alloc", 3, 9, data=0) + idr(
        "replace", 0, data=0
    ) + look
    yield "idr-first", idr("find") + idr("remove") + idr("replace") + look
    yield "idr-full", idr("alloc", 0, 3) * 4 + idr("remove", 1) + idr(
        "alloc", 0, 3
    ) + look
    yield "idr-end", idr("alloc", 2, 255) + idr("alloc", 0, 0) + idr("alloc", 1, 1) * 2
    yield "idr-nomem", b"".join(
        idr("alloc", 40 * n % 256, 99, fail=n % 4) + idr("cyclic", n, 9, fail=n % 3)
        for n in range(12)
    ) + look
    yield "cyclic", (
        idr("cyclic", 0, 4) * 3
        + idr("remove")
        + idr("cyclic", 0, 4) * 3
        + idr("cursor", 2)
        + idr("remove", 2)
        + idr("cyclic", 0, 4)
        + idr("cursor", 200)
        + idr("cyclic", 0, 4)
        + idr("cyclic", 9, open_=True)
    )
    for origin in range(4):
        far = b"".join(
            idr(name, at, 3, origin, open_=at % 2 == 1)
            for at in range(3, 14, 2)
            for name in ("alloc", "cyclic", "u32", "ida_range")
        )
        far += idr("next", 5, origin=origin) + idr("next_ul", 5, origin=origin)
        far += idr("cursor", 9, origin=origin) + idr("cyclic", 0, open_=True)
        far += idr("remove", 9, origin=origin) + idr("find", 9, origin=origin)
        yield "far-%d" % origin, far + look + idr("remove", 5, origin=origin) + look
    taken = idr("ida_range", 0, 2) * 2 + idr("ida_range", 9, 30, fail=0)
    yield "ida", (
        taken
        + idr("ida_empty")
        + idr("ida_free", 1)
        + idr("ida_free", 1)
        + idr("ida_range", 1, 1)
        + idr("ida_range", 1, 1)
        + idr("ida_range", 4, 255)
        + idr("ida_free", 0)
        + idr("ida_free", 1)
        + idr("ida_free", 9)
        + idr("ida_empty")
        + taken
        + idr("ida_destroy")
        + idr("ida_empty")
        + taken
    )
    yield "ida-many", b"".join(
        idr("ida_range", n, open_=True, fail=n % 3) for n in range(0, 240, 5)
    ) + b"".join(idr("ida_free", n) for n in range(0, 240, 7))


def mixed(number):
    chance = random.Random(number)
    return chance.randbytes(150) + config(number % 2, number // 2 % 8)


def main():
    seeds = {}
    for name, data in ioasids():
        for base in (0, 5) if name != "full" else BASES:
            seeds["%s-%d" % (name, base)] = data + config(IOASID, base)
    for name, data in idrs():
        for base, stores in ((0, RADIX_HASH), (1, ALL), (7, RADIX_HASH)):
            seeds["%s-%d" % (name, base)] = data + config(IDR, base, stores)
        if name.startswith("far"):
            seeds[name + "-bitmap"] = data + config(IDR, 0, BITMAP)
    for number in range(16):
        seeds["mixed-%02d" % number] = mixed(number)
    for name, data in seeds.items():
        with open(os.path.join(sys.argv[1], "seed-" + name), "wb") as file:
            file.write(data)


main()
