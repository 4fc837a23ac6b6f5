# SPDX-License-Identifier: MIT
"""Every test on every build of the library, from one list."""

load("@rules_cc//cc:defs.bzl", "cc_library", "cc_test")
load("//bazel:copts.bzl", "C_COPTS")

# suffix: build of the library
_BUILDS = {
    "": "//:ioasid",
    "_small": "//:ioasid_small",
    "_state32": "//:ioasid_state32",
}

def variants(tests):
    """Declares a model, a fixture and all tests for each build.

    Args:
      tests: name of a test, which is its source file's, to what else the rule
        gets.
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
            ],
            hdrs = ["fixture.h"],
            copts = C_COPTS,
            linkopts = ["-lpthread"],
            deps = [
                library,
                "@cmocka//:cmocka",
            ],
        )
        for name, options in tests.items():
            cc_test(
                name = name + suffix,
                srcs = [name + ".c"],
                copts = C_COPTS,
                deps = [
                    ":fixture" + suffix,
                    ":model" + suffix,
                    library,
                ],
                **options
            )
