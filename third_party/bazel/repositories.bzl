# SPDX-License-Identifier: MIT
"""What Debian's Bazel (4.2, no network) wants named before it builds C."""

def _beside_impl(ctx):
    beside = ctx.path(Label("//third_party/bazel:BUILD")).dirname
    for entry in beside.get_child(ctx.attr.folder).readdir():
        ctx.symlink(entry, entry.basename)

_beside = repository_rule(
    implementation = _beside_impl,
    attrs = {"folder": attr.string(mandatory = True)},
    doc = "A folder of this one as a repository.",
    local = True,
)

def debian_repositories():
    """Stand-ins for what Bazel's built-in WORKSPACE would fetch.

    What the workspace has named before stays as it is.
    """
    have = native.existing_rules()
    for name in ["remote_coverage_tools", "rules_cc"]:
        if name not in have:
            _beside(name = name, folder = name)
    for name, path in {
        "bazel_skylib": "tools/skylib",
        "rules_java": "rules/java",
        "rules_proto": "rules/proto",
    }.items():
        if name not in have:
            native.local_repository(
                name = name,
                path = "/usr/share/bazel/" + path,
            )
