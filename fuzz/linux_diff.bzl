# SPDX-License-Identifier: MIT
"""The target beside the kernel's own code, where its source is installed."""

load("@linux_source//:available.bzl", "AVAILABLE", "REASON")
load("@rules_cc//cc:defs.bzl", "cc_library")
load("//bazel:linux_names.bzl", "linux_names")
load(":fuzz_target.bzl", "command_test", "fuzz_target", "printed_fault")
load(":targets.bzl", "TARGETS")

# As fuzz/build has it; warnings are an error here alone.
_KERNEL_COPTS = [
    option.format(
        linux = "external/linux_source",
        names = "$(GENDIR)/fuzz/linux_diff",
    )
    for option in TARGETS["linux_diff"]["dialects"]["fuzz/linux_diff/kernel.c"]
] + [
    "-Wall",
    "-Werror",
]

def linux_diff_target():
    """Declares the target, or says why it is left out."""
    if not AVAILABLE:
        # buildifier: disable=print
        print("linux_diff_fuzzer is left out: " + REASON)
        return

    # What the kernel exports gets a prefix: the compat header has these names.
    linux_names(
        name = "linux_diff_names",
        srcs = [
            "@linux_source//:drivers/iommu/ioasid.c",
            "@linux_source//:lib/idr.c",
            "@linux_source//:lib/radix-tree.c",
            "@linux_source//:lib/xarray.c",
        ],
        out = "linux_diff/names.h",
    )
    cc_library(
        name = "linux_diff_kernel",
        testonly = True,
        srcs = native.glob(["linux_diff/shim/**/*.h"]) + [
            "linux_diff/kernel.c",
            "linux_diff/names.h",
        ],
        hdrs = ["linux_diff/kernel.h"],
        copts = _KERNEL_COPTS,
        linkstatic = True,
        textual_hdrs = ["@linux_source//:members"],
    )
    fuzz_target(
        name = "linux_diff",
        about = TARGETS["linux_diff"],
        library = "//:ioasid%s",
        without = ["linux_diff/kernel.c"],
        deps = [
            ":linux_diff_kernel",
            "//compat/linux:textual",
        ],
    )
    for fault in ["busy", "lowest"]:
        printed_fault(
            target = "linux_diff",
            fault = fault,
            define = "DIFF_FAULT=" + fault,
            hdrs = [
                "check.h",
                "linux_diff/kernel.h",
                "linux_diff/ours.h",
                "target.h",
            ],
            deps = [
                "//:ioasid",
                "//compat/linux",
            ],
        )
    command_test(
        target = "linux_diff",
        fault = "busy",
        words = ["-DDIFF_FAULT=busy"],
        data = ["//compat/linux:sources"],
    )
