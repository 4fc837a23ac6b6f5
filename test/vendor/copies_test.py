#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Copies of the library in one process do not meet, and one can go again.

Two under names of their own in one program; one in a program that exports all it
has and others in its plugins; a hundred in plugins; plugins that are unloaded
while threads that used them go on; what a shared object exports. Each check is
shown to catch a fault that is planted.
"""

import glob
import os
import re
import shutil
import sys
import tempfile

from building import changed, have, library, must, run

HERE = "test/vendor/"
SMALL = ["-DIOASID_RADIX_LEAF_BITS=4", "-DIOASID_RADIX_NODE_BITS=3",
         "-DIOASID_STATE_BITS=32"]
INITIAL_EXEC = \
    "-DIOASID_TLS=__thread __attribute__((tls_model(\"initial-exec\")))"
# Those with thread-local variables.
TLS = ["rcu/thread", "platform/posix", "platform/lock", "space/base"]
LANGUAGES = (("c", ["-std=gnu11"]), ("c++", ["-std=gnu++11"]))


def symbols(path, *options):
    """Names that an object or archive defines for others."""
    return {line.split()[0] for line in
            must("nm", "-P", "-g", "--defined-only", *options,
                 path).splitlines() if len(line.split()) > 2}


def strays(archive, prefix):
    return ["without a namespace: " + name for name in sorted(
        name for name in symbols(archive) if not name.startswith(prefix))]


class Builds:
    def __init__(self, root, folder):
        self.root = root
        self.folder = folder
        self.usual = library(root, folder + "/usual.a", ["-fPIC"])
        self.small = library(root, folder + "/small.a", ["-fPIC", *SMALL])
        self.named = library(root, folder + "/named.a",
                             ["-fPIC", *SMALL, "-DIOASID_NAMESPACE=other"])

    def path(self, name):
        return os.path.join(self.folder, name)

    def plugin(self, name, archive, options=(), language=LANGUAGES[0],
               headers=None, compiler="gcc", more=()):
        must(compiler, "-x" + language[0], *language[1], "-O1", "-fPIC",
             "-shared", *options, "-I" + (headers or self.root + "/include"),
             HERE + "plugin.c", "-xnone", archive, "-lpthread", *more, "-o",
             self.path(name))
        return self.path(name)

    def host(self, language, archive, options=()):
        """A program that exports all it has, as hosts of plugins do."""
        target = self.path("host_" + language[0])
        must("gcc", "-x" + language[0], *language[1], "-O1", "-rdynamic",
             *options, "-I" + self.root + "/include", HERE + "host.c",
             "-xnone", "-Wl,--whole-archive", archive,
             "-Wl,--no-whole-archive", "-ldl", "-lpthread", "-o", target)
        return target


def two_copies(b):
    yield from strays(b.named, "other_ioasid_")
    for language in LANGUAGES:
        for lto in ([], ["-flto"]):
            objects = []
            for copy, options in (
                    ("main", ["-DCOPY_MAIN"]),
                    ("other", [*SMALL, "-DIOASID_NAMESPACE=other"])):
                objects.append(b.path(copy + ".o"))
                must("gcc", "-x" + language[0], *language[1], "-O0", *lto,
                     *options, "-DCOPY(name)=%s_##name" % copy,
                     "-I" + b.root + "/include", "-c",
                     HERE + "two_copies.c", "-o", objects[-1])
            status, said = run("gcc", *lto, *objects, b.usual, b.named,
                               "-lpthread", "-o", b.path("two"))
            if status or run(b.path("two"))[0]:
                yield "two copies, %s: %s" % (language[0], said or "wrong")


def in_plugins(b):
    """Each copy with another's symbols around it."""
    for language in LANGUAGES:
        plugins = [
            b.plugin("small.so", b.small, SMALL, language),
            b.plugin("usual.so", b.usual, (), language),
            b.plugin("named.so", b.named,
                     [*SMALL, "-DIOASID_NAMESPACE=other"], language)]
        for host in (b.host(language, b.usual),
                     b.host(language, b.small, SMALL)):
            status, said = run(host, *plugins)
            if status:
                yield "plugins in %s: %s" % (language[0], said)


def in_plugins_planted(b):
    """Symbols that others may take the place of."""
    copy = changed(b.root, b.path("planted_default"), "include/ioasid/config.h",
                   "push(protected)", "push(default)")
    open_copy = library(copy, b.path("open.a"), ["-fPIC", *SMALL])
    plugin = b.plugin("open.so", open_copy, SMALL,
                      headers=copy + "/include")
    if not run(b.host(LANGUAGES[0], b.usual), plugin)[0]:
        yield "a plugin that uses its host's library was not noticed"


def initial_exec(b, archive, target, compiler=("gcc",)):
    """The same library with another model of thread-local variables."""
    shutil.copytree(archive + ".objects", target + ".objects")
    return library(b.root, target, ["-fPIC", INITIAL_EXEC], compiler,
                   ["%s/core/%s.c" % (b.root, name) for name in TLS])


def many(b, plugin, count):
    copies = []
    for number in range(count):
        copies.append(b.path("copy%d.so" % number))
        shutil.copy(plugin, copies[-1])
    status, said = run(b.host(LANGUAGES[0], b.usual), *copies)
    for copy in copies:
        os.remove(copy)
    return said or "wrong answers" if status else ""


def many_copies(b):
    said = many(b, b.plugin("plain.so", b.usual), 100)
    if said:
        yield "a hundred copies: " + said
    fast = b.plugin("fast.so", initial_exec(b, b.usual, b.path("fast.a")),
                    [INITIAL_EXEC])
    if "static TLS" not in many(b, fast, 100):
        yield "static TLS is enough for a hundred copies: nothing is shown"


def on_musl(b):
    if not have("musl-gcc"):
        return
    archive = library(b.root, b.path("musl.a"), ["-fPIC"], ["musl-gcc"])
    must("musl-gcc", "-std=gnu11", "-I" + b.root + "/include",
         HERE + "host.c", archive, "-o", b.path("musl_host"))
    status, said = run(b.path("musl_host"),
                       b.plugin("musl.so", archive, compiler="musl-gcc"))
    if status:
        yield "musl: " + said
    fast = b.plugin("musl_fast.so", initial_exec(
        b, archive, b.path("musl_fast.a"), ["musl-gcc"]), [INITIAL_EXEC],
                    compiler="musl-gcc")
    if not run(b.path("musl_host"), fast)[0]:
        yield "initial-exec loads on musl: nothing is shown"


def unloaded(b, plugin, rounds):
    must("gcc", "-O1", HERE + "unload_host.c", "-ldl", "-lpthread", "-o",
         b.path("unload"))
    status, said = run("timeout", "120", b.path("unload"), plugin,
                       str(rounds))
    left = re.search(r"(-?\d+) bytes a round", said)
    if status or not left:
        return said or "exit status %d" % status
    return "" if int(left[1]) < 100 else said


def exited(b, archive):
    """Of a process in which the library could have been unloaded."""
    must("gcc", "-shared", "-fPIC", "-DAFTER", HERE + "exit_host.c", "-o",
         b.path("libafter.so"))
    must("gcc", "-shared", "-DIOASID_SHARED", "-Wl,--no-as-needed",
         "-Wl,--whole-archive", archive, "-Wl,--no-whole-archive",
         b.path("libafter.so"), "-lpthread", "-o", b.path("libioasid.so"))
    must("gcc", "-DIOASID_SHARED", "-I" + b.root + "/include",
         HERE + "exit_host.c", b.path("libioasid.so"), b.path("libafter.so"),
         "-lpthread", "-o", b.path("exit"))
    status, said = run("timeout", "20", b.path("exit"),
                       env={"LD_LIBRARY_PATH": b.folder})
    return said or "exit status %d" % status if status else ""


def patched(b, name, path, before, after, options=("-fPIC",)):
    """The usual library but for one file."""
    copy = changed(b.root, b.path("tree_" + name), path, before, after)
    target = b.path(name + ".a")
    shutil.copytree(b.usual + ".objects", target + ".objects")
    return library(copy, target, options, sources=[copy + "/" + path])


def unloading(b):
    said = unloaded(b, b.plugin("plain.so", b.usual), 1200)
    if said:
        yield "unloading: " + said
    for name, path, before, after, rounds in (
            ("keys", "core/platform/posix.c",
             "\tif (key)\n\t\tpthread_key_delete((pthread_key_t)(key - 1));\n",
             "\t(void)key;\n", 3),
            ("reclaimer", "core/rcu/rcu.c",
             "ioasid_rcu_reclaimer_stop(domain);", ";", 3),
            ("default", "core/ioasid.c", "\t\tioasid_space_destroy(space);",
             "\t\t;", 20)):
        plugin = b.plugin(name + ".so", patched(b, name, path, before, after))
        if not unloaded(b, plugin, rounds):
            yield "unloading: %s left behind was not noticed" % name


def exiting(b):
    own = library(b.root, b.path("shared.a"), ["-fPIC", "-DIOASID_SHARED"])
    said = exited(b, own)
    if said:
        yield "exit: " + said
    copy = changed(b.root, b.path("tree_exit"), "core/platform/posix.c",
                   "exits = !unloads;", ";")
    target = b.path("exit.a")
    shutil.copytree(own + ".objects", target + ".objects")
    if not exited(b, library(copy, target, ["-fPIC", "-DIOASID_SHARED"],
                             sources=[copy + "/core/platform/posix.c"])):
        yield "exit: a key that is deleted for others was not noticed"


def exports(b, archive, declared):
    target = b.path("exports.so")
    must("gcc", "-shared", "-Wl,--whole-archive", archive,
         "-Wl,--no-whole-archive", "-lpthread", "-o", target)
    got = symbols(target, "-D")
    return ["exported, not public: " + n for n in sorted(got - declared)] + \
        ["public, not exported: " + n for n in sorted(declared - got)]


def declared_by(root):
    """Functions and variables of the public headers, as the compiler has it."""
    text = must("gcc", "-std=c11", "-E", "-P", "-DIOASID_NO_CHECK",
                "-I" + root + "/include", *[
                    option for path in sorted(
                        glob.glob(root + "/include/ioasid/*.h"))
                    if not path.endswith("/namespace.h")
                    for option in ("-include", path)],
                "-xc", "/dev/null")
    # Bodies, members and arguments are not at the top.
    before = None
    while before != text:
        before, text = text, re.sub(r"\{[^{}]*\}", ";", text)
    found = set(re.findall(r"\b(ioasid_\w+)\s*\((?!\()", text))
    found |= set(re.findall(r"\bextern\b[^;()]*\b(ioasid_\w+)[^;()]*;",
                            text.replace("aligned(", "")))
    return {name for name in found if not name.endswith("_t")}


def exporting(b):
    declared = declared_by(b.root)
    if len(declared) < 100:
        yield "only %d public functions" % len(declared)
    yield from exports(b, b.usual, declared)
    # An internal function that is not hidden.
    loose = patched(b, "loose", "core/platform/util.c",
                    "uint64_t ioasid_mix(",
                    "__attribute__((visibility(\"default\"))) "
                    "int ioasid_loose(void);\nint ioasid_loose(void)\n"
                    "{\n\treturn 0;\n}\n\nuint64_t ioasid_mix(")
    if not exports(b, loose, declared):
        yield "an internal function that is exported was not noticed"


def generated(b):
    status, said = run("tools/namespace_header", "--check")
    if status:
        yield said
    short = changed(b.root, b.path("tree_short"), "include/ioasid/namespace.h",
                    "#define ioasid_mix ", "#define ioasid_mixed ")
    target = b.path("short.a")
    if not strays(library(short, target, ["-DIOASID_NAMESPACE=other"],
                          sources=[short + "/core/platform/util.c"]),
                  "other_ioasid_"):
        yield "a symbol without its namespace was not noticed"


def main():
    checks = (generated, two_copies, exporting, in_plugins,
              in_plugins_planted, many_copies, on_musl, unloading, exiting)
    wanted = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        builds = Builds(os.getcwd(), folder)
        wrong = [said for check in checks
                 if not wanted or check.__name__ in wanted
                 for said in check(builds)]
    sys.exit("\n".join(wrong) if wrong else 0)


if __name__ == "__main__":
    main()
