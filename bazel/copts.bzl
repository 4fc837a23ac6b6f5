# SPDX-License-Identifier: MIT
"""Compile options of the project's own code."""

_WARNINGS = [
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Wconversion",
    "-Wshadow",
    "-Werror",
]

C_COPTS = _WARNINGS + [
    "-std=c11",
    "-Wstrict-prototypes",
    "-Wmissing-prototypes",
    "-Wsign-conversion",
    "-Wcast-qual",
    "-Wundef",
]

# Of what other projects depend on: no warning of a compiler or an option of
# theirs stops their build. In this one .bazelrc makes errors of them.
EXPORTED_COPTS = [
    "-std=c11",
    "-Wno-error",
]

CXX_COPTS = _WARNINGS + ["-std=c++17"]

# Relacy predates C++17; its headers are not ours to keep warning-free.
RELACY_COPTS = ["-std=c++11", "-Wall", "-Wextra", "-Werror"]

# Of the fuzz targets themselves; `--config=fuzz` instruments what they link.
FUZZ_LINKOPTS = ["-fsanitize=fuzzer"]
