#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""seeds.py DIRECTORY: writes the inputs that fuzzing starts from.

Every code in some order, for each configuration that matters, then cases that
chance seldom meets. The codes are those of enum code in harness.c.
"""

import os
import random
import sys

CODES = 44
(ALLOC_RANGE, ALLOC_RANDOM, ALLOC_MANY, FREE_ALL, CYCLE_RANDOM, READ_LOCK,
 SYNCHRONIZE, FREE_MANY, READ_UNLOCK) = 2, 3, 5, 28, 30, 31, 33, 8, 32


def config(universe, flavour=0, domain=0, limit=0, reserve=0, sets=0, seed=0,
           create_fail=0):
    """The end of an input, read from its last byte on."""
    return bytes([
        sets | seed << 2 | create_fail << 4,
        flavour | domain << 2 | limit << 4 | reserve << 6,
        universe,
    ])


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


def main():
    to = sys.argv[1]
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
    for name, data in seeds.items():
        with open(os.path.join(to, "seed-" + name), "wb") as file:
            file.write(data)


main()
