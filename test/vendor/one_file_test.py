#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The one-file form, and all of core/ in one translation unit.

What needs minutes is in one_file_suites.
"""

import os
import re
import shutil
import tempfile
import unittest

from one_file import WARNINGS, amalgamate, read, run, write

USER = """
#include "ioasid.h"
static DECLARE_IOASID_SET(set);
extern "C" int printf(const char *, ...);
int other();
int %s()
{
	static int object;
	const ioasid_t id = ioasid_alloc(&set, 1, 99, &object);
	const bool found = ioasid_find(&set, id, nullptr) == &object;
	ioasid_free(id);
	return !found || ioasid_find(&set, id, nullptr) == &object%s;
}
"""
HOOK = """
#define TEST_%(name)s_HOOK 1
#if !defined(_GNU_SOURCE) && defined(TEST_LIBRARY)
#error "feature macros come before the program's headers"
#endif
"""


def copy_tree(target):
    """The sources and the tool, as files of their own."""
    for name in ("core", "include"):
        shutil.copytree(name, os.path.join(target, name))
    for name in ("CONTRIBUTING.md", "LICENSE", "tools/amalgamate"):
        os.makedirs(os.path.dirname(os.path.join(target, name)), exist_ok=True)
        shutil.copy(name, os.path.join(target, name))


def change(path, before, after):
    text = read(path)
    if before not in text:
        raise RuntimeError("%s has no %r" % (path, before))
    write(path, text.replace(before, after, 1))


def both(folder):
    return [read(os.path.join(folder, name))
            for name in ("ioasid.h", "ioasid.c")]


def made_twice(tree, tmp):
    """From here, and from elsewhere with another environment."""
    tool = os.path.abspath(os.path.join(tree, "tools/amalgamate"))
    first, second = os.path.join(tmp, "one"), os.path.join(tmp, "two/deep")
    run(tool, first)
    before = os.umask(0o077)
    try:
        run(tool, second, cwd="/", env={
            "PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "Asia/Tokyo",
            "PYTHONHASHSEED": "7"})
    finally:
        os.umask(before)
    return both(first), both(second)


def branch(header, condition):
    """What a header has where the program brings no header of its own."""
    text = read(header)
    found = re.search(r"^#ifdef %s\n.*?^#else\n(.*)^#endif /\* %s \*/" % (
        condition, condition), text, re.M | re.S)
    return found[1]


def unity(tree, target, order, options):
    names = sorted(os.path.abspath(os.path.join(folder, name))
                   for folder, _, names in os.walk(os.path.join(tree, "core"))
                   for name in names if name.endswith(".c"))
    write(target, "".join('#include "%s"\n' % name for name in names[::order]))
    run("cc", *options, *WARNINGS, "-fsyntax-only",
        "-I" + os.path.join(tree, "include"), target)


class OneFile(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.tmp = self.folder.name

    def path(self, *parts):
        return os.path.join(self.tmp, *parts)

    def library(self, *options):
        amalgamate(self.tmp)
        run("cc", "-std=c11", *WARNINGS, "-DTEST_LIBRARY", *options, "-c",
            self.path("ioasid.c"), "-o", self.path("ioasid.o"))

    def smoke(self, *options):
        self.library(*options)
        run("cc", "-std=c11", *options, "-I" + self.tmp,
            "-I" + self.path("forward"), "test/portable_smoke.c",
            self.path("ioasid.o"), "-o", self.path("smoke"), "-lpthread")
        return run(self.path("smoke"))

    def test_same_bytes(self):
        first, second = made_twice(".", self.tmp)
        self.assertEqual(first, second)
        for text in first:
            self.assertIn("SPDX-License-Identifier: MIT", text)
            self.assertIn("Permission is hereby granted", text)
            self.assertNotIn(os.getcwd(), text)

    def test_same_bytes_planted(self):
        copy_tree(self.path("tree"))
        change(self.path("tree/tools/amalgamate"), "def banner(what):\n",
               "def banner(what):\n    what += os.getcwd()\n")
        first, second = made_twice(self.path("tree"), self.tmp)
        self.assertNotEqual(first, second)

    def test_release(self):
        first, second = self.path("a"), self.path("b")
        name = run("tools/release", first).strip()
        run(os.path.abspath("tools/release"), second, cwd="/",
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"})
        with open(name, "rb") as one, \
                open(os.path.join(second, os.path.basename(name)), "rb") as two:
            self.assertEqual(one.read(), two.read())
        run("tar", "xzf", name, "-C", first)
        folder = name[:-len(".tar.gz")]
        self.assertEqual(sorted(os.listdir(folder)), [
            "CHANGELOG.md", "LICENSE", "README.md", "ioasid.c", "ioasid.h"])
        program = re.findall("^    (.*|)$", read(folder + "/README.md"), re.M)
        write(folder + "/program.c", "\n".join(program[2:]))
        run("cc", "-std=c11", folder + "/program.c", folder + "/ioasid.c",
            "-o", folder + "/program", "-lpthread")
        run(folder + "/program")

    def test_versions(self):
        """One place has it; where a build has to name it too, it is the same."""
        version = re.search(r'^#define IOASID_VERSION "(.*)"$',
                            read("include/ioasid/config.h"), re.M)[1]
        for name, text in (
                ("meson.build", "version: '%s',"),
                ("MODULE.bazel", 'version = "%s",\n)\n\nbazel_dep')):
            self.assertIn(text % version, read(name), name)
        # No Bazel that reads it is at hand; Starlark parses as Python.
        compile(read("MODULE.bazel"), "MODULE.bazel", "exec")

    def test_lists(self):
        """Meson globs no sources; CMake's options are macros of config.h."""
        sources = set(re.findall(r"'(core/.*\.c)'", read("meson.build")))
        self.assertEqual(sources, {
            os.path.join(folder, name) for folder, _, names in os.walk("core")
            for name in names if name.endswith(".c")})
        macros = set(re.findall(r"^ \*\tIOASID_(\w+)\t",
                                read("include/ioasid/config.h"), re.M))
        self.assertGreater(len(macros), 5)
        options = set(re.findall(r"\b[A-Z_]+\b", "".join(re.findall(
            r"^foreach\(name (.*?)\)", read("CMakeLists.txt"),
            re.M | re.S))))
        self.assertEqual(macros - options, set())

    def test_warnings(self):
        """What is an error in this project, is one in what it exports."""
        options = {}
        exec(read("bazel/copts.bzl"), options)
        exported = re.search(r"^build --per_file_copt=\S*?@(.*)$",
                             read(".bazelrc"), re.M)[1].split(",")
        self.assertEqual(set(exported), {
            o for o in options["C_COPTS"] if o.startswith("-W")})

    def test_includes(self):
        amalgamate(self.tmp)
        header, source = both(self.tmp)
        self.assertEqual(re.findall(r'#\s*include\s*"(.*)"', header), [])
        self.assertEqual(re.findall(r'#\s*include\s*"(.*)"', source),
                         ["ioasid.h"])
        self.assertNotRegex(header + source, r"#\s*include\s*<ioasid/")

    def test_runs(self):
        self.smoke("-O1")

    def test_cxx(self):
        self.library()
        one = write(self.path("one.cc"), USER % ("main", " || other()"))
        two = write(self.path("two.cc"), USER % ("other", ""))
        run("c++", "-std=c++11", *WARNINGS, one, two, self.path("ioasid.o"),
            "-o", self.path("user"), "-lpthread")
        run(self.path("user"))

    def test_headers_of_the_program(self):
        """Its choices, atomics and locks; system headers in the first."""
        config = write(self.path("user/config.h"), "#include <stdio.h>\n" +
                       HOOK % {"name": "CONFIG"} +
                       "#define IOASID_STATE_BITS 32\n")
        atomic = write(self.path("user/atomic.h"), "#include <stdint.h>\n" +
                       HOOK % {"name": "ATOMIC"} +
                       branch("include/ioasid/atomic.h",
                              "IOASID_ATOMIC_HEADER"))
        lock = write(self.path("user/lock.h"), HOOK % {"name": "LOCK"} +
                     branch("core/platform/lock.h", "IOASID_LOCK_HEADER"))
        options = ['-DIOASID_CONFIG_HEADER="%s"' % config,
                   '-DIOASID_ATOMIC_HEADER="%s"' % atomic]
        out = self.smoke(*options)
        self.assertIn("32-bit state", out)
        macros = run("cc", "-std=c11", "-dM", "-E", *options,
                     '-DIOASID_LOCK_HEADER="%s"' % lock, self.path("ioasid.c"))
        for name in ("CONFIG", "ATOMIC", "LOCK"):
            self.assertIn("#define TEST_%s_HOOK 1" % name, macros)

    def test_namespace(self):
        if not os.path.exists("include/ioasid/namespace.h"):
            self.skipTest("no include/ioasid/namespace.h")
        self.smoke("-DIOASID_NAMESPACE=mine")
        names = run("nm", "-g", "--defined-only", "-P", self.path("ioasid.o"))
        names = [line.split()[0] for line in names.splitlines()]
        self.assertGreater(len(names), 100)
        self.assertEqual([n for n in names if not n.startswith("mine_")], [])

    def test_unity(self):
        for order in (1, -1):
            for features in ([], ["-D_GNU_SOURCE"],
                             ["-D_POSIX_C_SOURCE=200809L"]):
                unity(".", self.path("all.c"), order, ["-std=c11", *features])

    def test_unity_planted(self):
        copy_tree(self.path("tree"))
        for name in ("core/rcu/grace.c", "core/space/walk.c"):
            write(self.path("tree", name), read(self.path("tree", name)) +
                  "static int planted(void) { return 0; }\n"
                  "int ioasid_planted(void);\n"
                  "int ioasid_planted(void) { return planted(); }\n")
        with self.assertRaisesRegex(RuntimeError, "planted"):
            unity(self.path("tree"), self.path("all.c"), 1,
                  ["-std=c11", "-D_GNU_SOURCE"])


if __name__ == "__main__":
    unittest.main()
