# SPDX-License-Identifier: MIT
"""The Linux peer, where the kernel's source and liburcu are installed.

A target that can do without it adds LINUX_IOASID_DEPS to its deps and
LINUX_IOASID_DEFINES to its local_defines.
"""

load("@liburcu//:available.bzl", HAVE_LIBURCU = "AVAILABLE")
load("@linux_source//:available.bzl", "REASON", HAVE_LINUX = "AVAILABLE")
load("@rules_cc//cc:defs.bzl", "cc_library", "cc_test")
load("//bazel:copts.bzl", "C_COPTS")
load("//bazel:linux_names.bzl", "linux_names")

LINUX_IOASID_AVAILABLE = HAVE_LINUX and HAVE_LIBURCU

LINUX_IOASID_DEPS = ["//bench/peers/linux:linux_ioasid"] if LINUX_IOASID_AVAILABLE else []

LINUX_IOASID_DEFINES = ["HAVE_LINUX_IOASID=1"] if LINUX_IOASID_AVAILABLE else []

# Fast in every mode, as the kernel is built but for what guards against bugs.
_FAST = [
    "-O2",
    "-fno-stack-protector",
    "-fomit-frame-pointer",
]

# The kernel's dialect. Its headers and the shims are system headers: their
# warnings are not ours. UBSan would judge code we do not maintain.
_KERNEL_COPTS = _FAST + [
    "-std=gnu11",
    "-Wall",
    "-Wextra",
    "-Werror",
    # Seen through inlining, out of the reach of -isystem.
    "-Wno-array-bounds",
    "-Wno-attributes",
    "-fno-strict-aliasing",
    "-fwrapv",
    "-fvisibility=hidden",
    "-fno-sanitize=undefined",
    "-isystembench/peers/linux/shim",
    "-isystemexternal/linux_source/include",
    "-isystemexternal/linux_source",
]

def linux_ioasid_targets():
    """Declares the peer and its tests, or says why it is left out."""
    if not LINUX_IOASID_AVAILABLE:
        # buildifier: disable=print
        print("linux_ioasid is left out: " +
              (REASON if not HAVE_LINUX else "liburcu not found (package liburcu-dev)"))
        return

    # What the kernel exports gets a prefix, so that it can be linked with a
    # library of the same API.
    linux_names(
        name = "names",
        srcs = [
            "@linux_source//:drivers/iommu/ioasid.c",
            "@linux_source//:lib/xarray.c",
        ],
        out = "names.h",
    )

    cc_library(
        name = "kernel",
        srcs = native.glob(["shim/**/*.h"]) + [
            "linux_ioasid.c",
            "linux_ioasid.h",
            "memory.h",
            "names.h",
        ],
        copts = _KERNEL_COPTS,
        linkstatic = True,
        textual_hdrs = ["@linux_source//:members"],
        visibility = ["//visibility:private"],
        deps = [":memory"],
    )

    cc_library(
        name = "memory",
        srcs = [
            "memory.c",
            "reclaim.c",
            "shim/linux/spinlock.h",
        ],
        hdrs = [
            "linux_ioasid.h",
            "memory.h",
        ],
        copts = C_COPTS + _FAST + ["-D_GNU_SOURCE"],
        linkstatic = True,
        visibility = ["//visibility:private"],
        deps = ["@liburcu//:qsbr"],
    )

    cc_library(
        name = "linux_ioasid",
        hdrs = ["linux_ioasid.h"],
        linkstatic = True,
        visibility = ["//visibility:public"],
        deps = [":kernel"],
    )

    cc_test(
        name = "linux_ioasid_test",
        size = "small",
        srcs = ["linux_ioasid_test.c"],
        copts = C_COPTS,
        deps = [":linux_ioasid"],
    )

    # TSan does not see the order that liburcu, not instrumented, keeps.
    cc_test(
        name = "linux_ioasid_threads_test",
        size = "small",
        srcs = ["linux_ioasid_test.c"],
        args = ["threads"],
        copts = C_COPTS,
        tags = ["no-tsan"],
        deps = [":linux_ioasid"],
    )

    cc_library(
        name = "stray",
        testonly = True,
        srcs = ["stray.c"],
        copts = C_COPTS,
        linkstatic = True,
        visibility = ["//visibility:private"],
    )

    # A library is not a file among the data of a test, a filegroup is.
    native.filegroup(
        name = "archives",
        srcs = [
            ":kernel",
            ":memory",
        ],
        visibility = ["//visibility:private"],
    )

    native.filegroup(
        name = "stray_archives",
        testonly = True,
        srcs = [":stray"],
        visibility = ["//visibility:private"],
    )

    # Sanitizers add names of their own.
    native.sh_test(
        name = "symbols_test",
        size = "small",
        srcs = ["symbols_test.sh"],
        args = [
            "$(locations :stray_archives)",
            "--",
            "$(locations :archives)",
        ],
        data = [
            ":archives",
            ":stray_archives",
        ],
        tags = [
            "no-asan",
            "no-msan",
            "no-tsan",
        ],
    )
