# SPDX-License-Identifier: MIT
"""The toolchains of the languages that bindings are for.

available.bzl of the repository has a list for each, to be used as a test's
`target_compatible_with`: empty where the distribution's toolchain is installed;
else Bazel reports the test as skipped.
"""

_TOOLS = {
    "GO": (["/usr/bin/go"], "golang-go"),
    "PYTHON": (
        [
            "/usr/include/python3.11/Python.h",
            "/usr/lib/python3/dist-packages/pytest/__init__.py",
            "/usr/lib/python3/dist-packages/build/__init__.py",
            "/usr/lib/python3/dist-packages/setuptools/__init__.py",
            "/usr/lib/python3/dist-packages/wheel/__init__.py",
            "/usr/bin/black",
            "/usr/bin/mypy",
            "/usr/bin/twine",
        ],
        "python3-dev and others, see tools/packages.txt",
    ),
    "RUST": (
        [
            "/usr/bin/cargo",
            "/usr/bin/cargo-clippy",
            "/usr/bin/rustfmt",
            "/usr/share/cargo/registry",
        ],
        "cargo and others, see tools/packages.txt",
    ),
}

# No platform has it.
_BUILD = """\
constraint_setting(name = "toolchain")

constraint_value(
    name = "missing",
    constraint_setting = ":toolchain",
    visibility = ["//visibility:public"],
)
"""

def _language_tools_impl(ctx):
    lines = []
    for name, (paths, package) in _TOOLS.items():
        missing = [path for path in paths if not ctx.path(path).exists]
        if missing:
            # buildifier: disable=print
            print("%s not found (package %s): tests of bindings are skipped" %
                  (missing[0], package))
        lines.append("%s = %s" % (
            name,
            ["@%s//:missing" % ctx.name] if missing else [],
        ))
    ctx.file("available.bzl", "\n".join(lines) + "\n")
    ctx.file("BUILD", _BUILD)
    ctx.file("WORKSPACE", "workspace(name = %s)\n" % repr(ctx.name))

# local: probed again whenever the Bazel server starts.
language_tools = repository_rule(
    implementation = _language_tools_impl,
    configure = True,
    local = True,
)
