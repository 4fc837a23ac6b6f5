# SPDX-License-Identifier: MIT
"""What WORKSPACE declares, for MODULE.bazel."""

load(":language_tools.bzl", "language_tools")
load(":linux_members.bzl", "LINUX_MEMBERS")
load(":linux_source.bzl", "linux_source", "linux_source_probe")
load(":system_library.bzl", "system_libraries")

def _system_impl(_ctx):
    system_libraries(google_benchmark = False)
    language_tools(name = "bindings_tools")
    linux_source_probe(name = "linux_source_probe")
    linux_source(
        name = "linux_source",
        members = LINUX_MEMBERS,
        probe = "@linux_source_probe//:state",
    )

system = module_extension(implementation = _system_impl)
