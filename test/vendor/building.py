# SPDX-License-Identifier: MIT
"""Builds of the library for tests that link it in other ways than ours do."""

import glob
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor


def run(*command, env=None):
    """(exit status, all that was said)"""
    done = subprocess.run(command, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True,
                          errors="replace", env=env)
    return done.returncode, done.stdout


def must(*command, env=None):
    status, said = run(*command, env=env)
    if status:
        raise SystemExit("%s\n%s" % (" ".join(command), said))
    return said


def have(*tools):
    """Says what is left out."""
    missing = [tool for tool in tools if not shutil.which(tool)]
    if missing:
        print("skipped: there is no " + ", ".join(missing))
    return not missing


def library(root, target, options=(), compiler=("gcc",), sources=None):
    """Compiles the library of @root into @target, an archive, and its folder."""
    folder = target + ".objects"
    os.makedirs(folder, exist_ok=True)
    if sources is None:
        sources = sorted(glob.glob(root + "/core/**/*.c", recursive=True))
    objects = [os.path.join(folder, os.path.relpath(s, root)
                            .replace("/", "_") + ".o") for s in sources]
    with ThreadPoolExecutor(2) as pool:
        for _ in pool.map(
                lambda pair: must(*compiler, "-std=c11", "-O1", *options,
                                  "-I" + root + "/include", "-c", pair[0],
                                  "-o", pair[1]), zip(sources, objects)):
            pass
    if os.path.exists(target):
        os.remove(target)
    must("gcc-ar", "rcs", target, *sorted(glob.glob(folder + "/*.o")))
    return target


def changed(root, copy, path, before, after):
    """A copy of core/ and include/ with one change, for a planted fault."""
    for top in ("core", "include"):
        shutil.copytree(os.path.join(root, top), os.path.join(copy, top))
    target = os.path.join(copy, path)
    with open(target, encoding="utf-8") as source:
        text = source.read()
    if before not in text:
        raise SystemExit("%s has no %r to change" % (path, before))
    os.chmod(target, 0o644)
    with open(target, "w", encoding="utf-8") as out:
        out.write(text.replace(before, after))
    return copy
