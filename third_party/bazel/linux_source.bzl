# SPDX-License-Identifier: MIT
"""Files of the kernel source that package linux-source-6.1 installs.

They are extracted when a target first needs them and stay out of the
project's tree. Without the package the repository is empty and available.bzl
says so: AVAILABLE (bool) and REASON (one sentence).
"""

_TARBALL = "/usr/src/linux-source-6.1.tar.xz"
_PREFIX = "linux-source-6.1"

def _probe_impl(ctx):
    state = "absent"
    if ctx.path(_TARBALL).exists:
        stat = ctx.execute(["stat", "-L", "-c", "%s %Y", _TARBALL])
        state = stat.stdout.strip()
    ctx.file("state", state + "\n")
    ctx.file("BUILD", 'exports_files(["state"])\n')
    ctx.file("WORKSPACE", "")

# Cheap, so run at every server start; linux_source follows when the state
# changes.
linux_source_probe = repository_rule(
    implementation = _probe_impl,
    configure = True,
    local = True,
)

def _extract(ctx):
    """Returns the reason for failure, empty if there is none."""
    if ctx.read(ctx.attr.probe).strip() == "absent":
        return "%s not found (package linux-source-6.1)" % _TARBALL
    members = ["%s/%s" % (_PREFIX, m.rstrip("/")) for m in ctx.attr.members]
    tar = ctx.execute(
        ["tar", "-xJf", _TARBALL, "--strip-components=1", "--no-same-owner"] + members,
        timeout = 300,
    )
    if tar.return_code != 0:
        return "%s: %s" % (_TARBALL, tar.stderr.strip())
    return ""

def _linux_source_impl(ctx):
    reason = _extract(ctx)

    # The kernel tree has no BUILD file, but Bazel would stop at one.
    ctx.file("BUILD", """\
package(default_visibility = ["//visibility:public"])

exports_files(glob(["**"]))

filegroup(
    name = "members",
    srcs = glob({all}, exclude = ["BUILD", "WORKSPACE", "available.bzl"]),
)

filegroup(
    name = "headers",
    srcs = glob({headers}),
)

filegroup(
    name = "sources",
    srcs = glob({sources}),
)
""".format(
        all = [] if reason else ["**"],
        headers = [] if reason else ["**/*.h"],
        sources = [] if reason else ["**/*.c", "**/*.S"],
    ))
    ctx.file("WORKSPACE", "workspace(name = %s)\n" % repr(ctx.name))
    ctx.file("available.bzl", "AVAILABLE = %s\nREASON = %s\n" % (not reason, repr(reason)))

linux_source = repository_rule(
    implementation = _linux_source_impl,
    attrs = {
        "members": attr.string_list(
            mandatory = True,
            doc = "paths in the kernel tree; a trailing slash takes a directory",
        ),
        "probe": attr.label(mandatory = True, allow_single_file = True),
    },
)
