# SPDX-License-Identifier: MIT
"""Every test on every build of the library, from one list."""

load("@liburcu//:available.bzl", HAVE_LIBURCU = "AVAILABLE")
load("@rules_cc//cc:defs.bzl", "cc_library", "cc_test")
load("//bazel:copts.bzl", "C_COPTS")

# suffix: build of the library
_BUILDS = {
    "": "//:ioasid",
    "_small": "//:ioasid_small",
    "_state32": "//:ioasid_state32",
    "_debug": "//:ioasid_debug",
}

# Where a build matters to some tests only.
_ONLY = {"_debug": ["default_test", "rcu_test", "space_test", "stress_test"]}

_ALL_SANITIZERS = [
    "no-asan",
    "no-msan",
    "no-tsan",
]

# Sanitizers that would see nothing new: with a narrow state word it is
# arithmetic that differs, not who orders or initialises what; with small tables
# and numbers, not who initialises.
BUILD_TAGS = {
    "_debug": _ALL_SANITIZERS,
    "_small": ["no-msan"],
    "_state32": [
        "no-msan",
        "no-tsan",
    ],
}

# Of these builds, what sanitizers run: suites whose paths such numbers change.
# The others go through the same code as in the first build.
_SANITIZED = {
    "_small": [
        "ends_test",
        "oom_test",
        "order_test",
        "property_test",
        "rcu_test",
        "reuse_test",
        "snapshot_test",
        "space_test",
        "spid_test",
        "store_test",
        "stress_test",
        "trim_test",
        "validate_test",
    ],
    "_state32": [
        "life_cycle_test",
        "property_test",
        "reuse_test",
        "slot_test",
        "snapshot_test",
        "space_test",
        "spid_test",
        "store_test",
    ],
}

_URCU = ["memb", "qsbr", "bp"] if HAVE_LIBURCU else []

def variants(tests, once = [], one_thread = []):
    """Declares a model, a fixture and all tests for each build.

    Args:
      tests: name of a test, which is its source file's, to what else the rule
        gets.
      once: those that the build does not matter to.
      one_thread: those that TSan has nothing to see in.
    """
    for suffix, library in _BUILDS.items():
        cc_library(
            name = "model" + suffix,
            testonly = True,
            srcs = ["model.c"],
            hdrs = ["model.h"],
            copts = C_COPTS,
            deps = [library],
        )
        cc_library(
            name = "fixture" + suffix,
            testonly = True,
            srcs = [
                "array_store.c",
                "fixture.c",
                "toy_rcu.c",
            ] + (["//adapters/urcu:urcu_ops.h"] if _URCU else []) + [
                "//adapters/urcu:urcu_%s.c" % flavour
                for flavour in _URCU
            ],
            hdrs = [
                "actors.h",
                "counts.h",
                "fixture.h",
                "gate.h",
                "toy_rcu.h",
                "//adapters/urcu:ioasid_urcu.h",
            ],
            copts = C_COPTS,
            linkopts = ["-lpthread"],
            deps = [
                library,
                "@cmocka//:cmocka",
            ] + ["@liburcu//:" + flavour for flavour in _URCU],
        )
        for name, options in tests.items():
            if name in once and suffix:
                continue
            if name not in _ONLY.get(suffix, [name]):
                continue
            options = dict(options)
            deps = options.pop("deps", [])
            tags = BUILD_TAGS.get(suffix, [])
            if name not in _SANITIZED.get(suffix, [name]):
                tags = _ALL_SANITIZERS
            if name in one_thread:
                tags = tags + ["no-tsan"]
            options["tags"] = options.get("tags", []) + tags
            cc_test(
                name = name + suffix,
                srcs = [name + ".c"],
                copts = C_COPTS,
                deps = [
                    ":fixture" + suffix,
                    ":model" + suffix,
                    library,
                ] + deps,
                **options
            )
