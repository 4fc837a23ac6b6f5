# SPDX-License-Identifier: MIT
"""The fuzz targets: the one list of them.

fuzz/BUILD loads it; fuzz/build, which builds the targets without Bazel, reads it
as Python: nothing but assignments of literals here.

A target T is fuzz/T/*.c, fuzz/command.c, failure.c and input.c there, and
libfuzzer.c or replay.c, with the library. Besides:
    builds           those of bazel/builds.bzl it is fuzzed in: T_fuzzer,
                     T_fuzzer_small, ...
    sources          more files of it
    without          files of the target or the library that are not in it
    defines          for the target and the library
    options          of the compiler, for the target
    library_options  the same, for the library too
    dialects         options for one file, in the place of all others
    planted          files of the library, with the sed script that plants faults
                     in them, where asked for
    needs            what not every machine has: "linux", the kernel's source;
                     {linux} in a dialect is where it is, {names} where <names.h> is
    run_options      sections of T_fuzzer.options
    stable           percent of the edges that are the same each time an input runs
                     in one process, of all its inputs; 95 by default
"""

_LEN_4096 = {"libfuzzer": {"max_len": 4096}}

_PLANTED = "fuzz/concurrent/planted.sed"

TARGETS = {
    "api": {
        "builds": [
            "",
            "small",
            "state32",
        ],
        "sources": ["test/model.c"],
        "run_options": _LEN_4096,
    },
    # The library's atomics, locks and system are replaced.
    "concurrent": {
        "builds": [
            "",
            "turn",
        ],
        "without": [
            "core/platform/bare.c",
            "core/platform/linux.c",
            "core/platform/posix.c",
            "core/platform/windows.c",
            "fuzz/concurrent/repro.c",
        ],
        "defines": [
            'IOASID_ATOMIC_HEADER="fuzz/concurrent/atomic.h"',
            "IOASID_HASH_MIN_BUCKETS=2",
            "IOASID_HASH_MOVE_BUCKETS=1",
            "IOASID_LOCK_SPINS=1",
            "IOASID_RADIX_LEAF_BITS=2",
            "IOASID_RADIX_NODE_BITS=2",
        ],
        "library_options": [
            "-include",
            "fuzz/concurrent/prelude.h",
        ],
        "planted": {
            "core/space/event.c": _PLANTED,
            "core/space/life.c": _PLANTED,
            "core/space/owner.c": _PLANTED,
            "core/space/spid.c": _PLANTED,
        },
        "run_options": _LEN_4096,
    },
    "linux_diff": {
        "options": ["-Icompat/linux/include"],
        # The kernel's; UBSan would judge code that is not ours.
        "dialects": {
            "fuzz/linux_diff/kernel.c": [
                "-std=gnu11",
                "-fno-strict-aliasing",
                "-fwrapv",
                "-fno-sanitize=undefined",
                "-I.",
                "-isystem",
                "{names}",
                "-isystem",
                "fuzz/linux_diff/shim",
                "-isystem",
                "{linux}/include",
                "-isystem",
                "{linux}",
            ],
        },
        "needs": "linux",
        "run_options": _LEN_4096,
        # A table of the default space's grows and shrinks across inputs.
        "stable": 85,
    },
    "rcu": {"run_options": _LEN_4096},
    "snapshot": {"run_options": _LEN_4096},
}
