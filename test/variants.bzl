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

# Sanitizers that would see nothing new: with a narrow state word it is
# arithmetic that differs, not who orders or initialises what; with small tables
# and numbers, not who initialises.
BUILD_TAGS = {
    "_debug": [
        "no-asan",
        "no-msan",
        "no-tsan",
    ],
    "_small": ["no-msan"],
    "_state32": [
        "no-msan",
        "no-tsan",
    ],
}

_URCU = ["memb", "qsbr", "bp"] if HAVE_LIBURCU else []

def variants(tests, once = []):
    """Declares a model, a fixture and all tests for each build.

    Args:
      tests: name of a test, which is its source file's, to what else the rule
        gets.
      once: those that the build does not matter to.
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
            options["tags"] = options.get("tags", []) + BUILD_TAGS.get(suffix, [])
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
