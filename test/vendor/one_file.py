# SPDX-License-Identifier: MIT
"""What the tests of the one-file form and of build systems share."""

import os
import subprocess

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow",
            "-Werror"]


def run(*command, **options):
    """The output of a command; an error that has it if the command fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode:
        raise RuntimeError("%s\nexit status %d\n%s" % (
            " ".join(command), done.returncode, done.stdout))
    return done.stdout


def amalgamate(out, tree="."):
    """The one-file form of a tree in a folder, and <ioasid/*.h> over it."""
    run(os.path.join(tree, "tools/amalgamate"), out)
    forward = os.path.join(out, "forward/ioasid")
    os.makedirs(forward, exist_ok=True)
    for name in os.listdir(os.path.join(tree, "include/ioasid")):
        with open(os.path.join(forward, name), "w") as header:
            header.write("#include <ioasid.h>\n")


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    return path


def read(path):
    with open(path, encoding="utf-8") as source:
        return source.read()
