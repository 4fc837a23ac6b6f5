# SPDX-License-Identifier: MIT
"""Builds of the library that tests, fuzz targets and tools run against.

Tools read it as Python: nothing but assignments of literals here.
"""

# Suffix of //:ioasid to the defines that make the build.
BUILDS = {
    "": [],
    # Small fan-out and tables: small tests reach deep trees and resizes.
    "small": [
        "IOASID_RADIX_LEAF_BITS=2",
        "IOASID_RADIX_NODE_BITS=2",
        "IOASID_HASH_MIN_BUCKETS=2",
        "IOASID_GENERATION_START=0x7ffffffd",
        "IOASID_EPOCH_START=0xfffffff0",
    ],
    # Generations and epochs about to turn.
    "turn": [
        "IOASID_GENERATION_START=0x7ffffffd",
        "IOASID_EPOCH_START=0xfffffff0",
    ],
    # The state word of targets without 64-bit atomics.
    "state32": ["IOASID_STATE_BITS=32"],
    # Lookups ask whether their thread may read.
    "debug": ["IOASID_DEBUG"],
    # The default space compiled out, for a program that says so everywhere.
    "disabled": ["IOASID_DISABLED"],
}
