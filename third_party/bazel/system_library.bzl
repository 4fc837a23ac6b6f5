# SPDX-License-Identifier: MIT
"""Libraries the distribution installs, as repositories.

A library's headers lie on the compiler's default path, so a target adds a
define and link options only. A missing library yields an empty target without
the define: code that needs it tests `#ifdef HAVE_...`, BUILD files test
AVAILABLE from the repository's available.bzl.
"""

_INCLUDE_DIRS = [
    "/usr/include",
    "/usr/include/x86_64-linux-gnu",
    "/usr/include/aarch64-linux-gnu",
    "/usr/local/include",
]

def _found(ctx, header):
    for directory in _INCLUDE_DIRS:
        if ctx.path(directory + "/" + header).exists:
            return True
    return False

def _system_library_impl(ctx):
    available = _found(ctx, ctx.attr.header)
    if not available and ctx.attr.required:
        fail("<%s> not found: install package %s" % (ctx.attr.header, ctx.attr.package))
    if not available:
        # buildifier: disable=print
        print("<%s> not found (package %s): built without it" %
              (ctx.attr.header, ctx.attr.package))

    build = ['package(default_visibility = ["//visibility:public"])']
    for name, linkopts in ctx.attr.targets.items():
        build.append("""
cc_library(
    name = {name},
    defines = {defines},
    linkopts = {linkopts},
)""".format(
            name = repr(name),
            defines = repr([ctx.attr.define + "=1"] if available and ctx.attr.define else []),
            linkopts = repr(linkopts if available else []),
        ))
    ctx.file("BUILD", "\n".join(build) + "\n")
    ctx.file("available.bzl", "AVAILABLE = %s\n" % available)
    ctx.file("WORKSPACE", "workspace(name = %s)\n" % repr(ctx.name))

# local: probed again whenever the Bazel server starts.
system_library = repository_rule(
    implementation = _system_library_impl,
    attrs = {
        "define": attr.string(doc = "macro set to 1 where the library is present"),
        "header": attr.string(mandatory = True, doc = "present if and only if the library is"),
        "package": attr.string(mandatory = True, doc = "Debian package, for messages"),
        "required": attr.bool(doc = "absence is an error"),
        "targets": attr.string_list_dict(mandatory = True, doc = "target name: link options"),
    },
    configure = True,
    local = True,
)

def system_libraries(google_benchmark = True):
    """Declares every system library the project uses.

    Args:
      google_benchmark: False where a registry provides Google Benchmark.
    """
    system_library(
        name = "cmocka",
        header = "cmocka.h",
        package = "libcmocka-dev",
        required = True,
        targets = {"cmocka": ["-lcmocka"]},
    )
    if google_benchmark:
        system_library(
            name = "google_benchmark",
            header = "benchmark/benchmark.h",
            package = "libbenchmark-dev",
            required = True,
            targets = {
                "benchmark": ["-lbenchmark", "-lpthread"],
                "benchmark_main": ["-lbenchmark_main", "-lbenchmark", "-lpthread"],
            },
        )

    # Static where an archive exists: as peers in benchmarks these must not pay
    # for the PLT.
    system_library(
        name = "ck",
        define = "HAVE_CK",
        header = "ck_ht.h",
        package = "libck-dev",
        targets = {"ck": ["-l:libck.a"]},
    )
    system_library(
        name = "liburcu",
        define = "HAVE_LIBURCU",
        header = "urcu/rculfhash.h",
        package = "liburcu-dev",
        targets = {
            "bp": _urcu("bp"),
            "cds": ["-l:liburcu-cds.a", "-l:liburcu-common.a", "-lpthread"],
            "memb": _urcu("memb"),
            "qsbr": _urcu("qsbr"),
        },
    )
    system_library(
        name = "relacy",
        define = "HAVE_RELACY",
        header = "relacy/relacy.hpp",
        package = "relacy-dev",
        targets = {"relacy": []},
    )
    system_library(
        name = "tbb",
        define = "HAVE_TBB",
        header = "tbb/concurrent_hash_map.h",
        package = "libtbb-dev",
        targets = {"tbb": ["-ltbb"]},
    )

def _urcu(flavour):
    """Link options of one liburcu flavour with its data structures."""
    return [
        "-l:liburcu-cds.a",
        "-l:liburcu-%s.a" % flavour,
        "-l:liburcu-common.a",
        "-lpthread",
    ]
