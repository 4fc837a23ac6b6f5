# SPDX-License-Identifier: MIT
"""Tests that need the kernel's source."""

load("@linux_source//:available.bzl", "REASON", HAVE_LINUX = "AVAILABLE")
load("@rules_cc//cc:defs.bzl", "cc_library", "cc_test")
load("//bazel:copts.bzl", "C_COPTS")
load("//bench/peers/linux:linux_ioasid.bzl", "LINUX_IOASID_AVAILABLE", "LINUX_IOASID_DEPS")

# The kernel's dialect: what comes from there is not ours to keep warning-free.
_KERNEL_COPTS = [
    "-std=gnu11",
    "-Wall",
    "-Werror",
]

_BUILDS = [
    "",
    "_small",
    "_state32",
]

def linux_client_targets():
    """Client code of the kernel on <linux/ioasid.h>, or why it is left out."""
    if not HAVE_LINUX:
        # buildifier: disable=print
        print("sva_test is left out: " + REASON)
        return
    cc_library(
        name = "sva_lib",
        testonly = True,
        srcs = ["@linux_source//:drivers/iommu/iommu-sva-lib.c"],
        hdrs = native.glob(["shim/**/*.h"]) + [
            "@linux_source//:drivers/iommu/iommu-sva-lib.h",
        ],
        copts = _KERNEL_COPTS + ["-isystemtest/linux/shim"],
        deps = ["//compat/linux"],
    )
    for store in ["radix", "bitmap", "hash"]:
        cc_test(
            name = "sva_test" + ("" if store == "radix" else "_" + store),
            size = "medium",
            srcs = [
                "default_store.h",
                "sva_test.c",
            ],
            args = [store],
            copts = C_COPTS + [
                "-isystemtest/linux/shim",
                "-isystemexternal/linux_source",
            ],
            deps = [
                ":sva_lib",
                "//compat/linux",
                "//test:fixture",
            ],
        )

def linux_idr_targets():
    """The kernel's tests of the IDR and the IDA, or why they are left out."""
    if not HAVE_LINUX:
        # buildifier: disable=print
        print("kernel_checks_test is left out: " + REASON)
        return
    for store in ["radix", "bitmap", "hash"]:
        suffix = "" if store == "radix" else "_" + store
        copts = ["-DIOASID_IDR_STORE=IOASID_STORE_" + store.upper()]
        cc_library(
            name = "kernel_checks" + suffix,
            testonly = True,
            srcs = native.glob(["shim/**/*.h"]) + [
                "kernel_ida.c",
                "kernel_idr.c",
                "planted.h",
            ],
            hdrs = ["kernel_checks.h"],
            copts = _KERNEL_COPTS + copts + [
                "-isystemtest/linux/shim",
                "-isystemexternal/linux_source",
            ],
            textual_hdrs = [
                "@linux_source//:lib/test_ida.c",
                "@linux_source//:tools/testing/radix-tree/idr-test.c",
            ],
            deps = ["//compat/linux"],
        )
        cc_test(
            name = "kernel_checks_test" + suffix,
            size = "medium",
            srcs = ["kernel_checks_test.c"],
            copts = C_COPTS + copts,
            # The kernel's tests count without atomics, and lose what was to
            # have an ID that the bitmap store has not.
            tags = ["no-tsan"] + (["no-asan"] if store == "bitmap" else []),
            deps = [
                ":kernel_checks" + suffix,
                "//test:fixture",
            ],
        )

def linux_oracle_targets():
    """Comparisons with the kernel's allocator, or why they are left out."""
    if not LINUX_IOASID_AVAILABLE:
        # buildifier: disable=print
        print("differential_test and differences_test are left out: " +
              (REASON if not HAVE_LINUX else "liburcu not found (package liburcu-dev)"))
        return
    cc_library(
        name = "stubs_linux",
        testonly = True,
        srcs = [
            "stubs.h",
            "stubs_linux.c",
            "@linux_source//:include/linux/ioasid.h",
        ],
        copts = _KERNEL_COPTS + [
            "-isystemexternal/linux_source/include",
        ],
    )
    for suffix in _BUILDS:
        cc_library(
            name = "sides" + suffix,
            testonly = True,
            srcs = ["sides.c"],
            hdrs = ["sides.h"],
            copts = C_COPTS,
            deps = LINUX_IOASID_DEPS + [
                "//:ioasid" + suffix,
                "//test:fixture" + suffix,
            ],
        )
        cc_test(
            name = "differential_test" + suffix,
            size = "large",
            timeout = "moderate",
            srcs = ["differential_test.c"],
            copts = C_COPTS,
            # One thread.
            tags = ["no-tsan"],
            deps = [":sides" + suffix],
        )
        cc_test(
            name = "differences_test" + suffix,
            size = "small",
            srcs = [
                "differences_test.c",
                "stubs.c",
                "stubs.h",
            ],
            copts = C_COPTS,
            deps = [
                ":sides" + suffix,
                ":stubs_linux",
                "//compat/linux:linux" + suffix,
            ],
        )
