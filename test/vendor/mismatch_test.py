#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A program that disagrees with its library does not link, and is told why.

The program is compiled with one property other than the library's; the message
of the linker, or of the compiler, must name it. With --full the library is also
compiled in each other way, for a program as usual.
"""

import os
import re
import sys
import tempfile

from building import changed, have, library, must, run

PROGRAM = """#include <ioasid/ioasid.h>
%s
int main(void)
{
	struct ioasid_space *space;
	void *data = NULL;
	ioasid_t id;

	if (ioasid_space_create(NULL, &space) ||
	    ioasid_space_alloc(space, NULL, 1, 9, &space, &id) ||
	    ioasid_space_find(space, NULL, id, NULL, &data))
		return 1;
	return data != &space;
}
"""
# What the user's side has, and what the linker then says is missing.
OTHER = (
    (["-DIOASID_STATE_BITS=32"], "state_bits_32"),
    (["-DIOASID_RADIX_LEAF_BITS=5"], "radix_leaf_bits_5_node_bits_7"),
    (["-DIOASID_RADIX_NODE_BITS=4"], "radix_leaf_bits_6_node_bits_4"),
    (["-DIOASID_DEBUG"], "debug_1"),
    (["-DIOASID_SHARED"], "shared_1"),
    (["-DIOASID_BARE"], "TLS"),
    (["-DIOASID_BARE", "-DIOASID_TLS=__thread"], "bare_1"),
    (["-DIOASID_NO_HASH"], "radix_bitmap_no_hash_custom_store"),
    (["-DIOASID_NO_BITMAP"], "radix_no_bitmap_hash_custom_store"),
    (["-DIOASID_NO_CUSTOM_STORE"], "radix_bitmap_hash_no_custom_store"),
    (["-DIOASID_ONLY_NONE"], "rcu_only_none"),
    (["-fshort-enums", "-DIOASID_ENUM_SIZE=1"], "enum_size_1"),
    (["-DIOASID_ATOMIC_HEADER=\"own_atomic.h\""], "atomic_header_1"),
    (["-DIOASID_NAMESPACE=other"], "other_ioasid_built_with_version_"),
    (["-DIOASID_TLS="], "TLS"),
)
# Layouts that have no name: the compiler says what is wrong.
REFUSED = (
    (["-fshort-enums"], "IOASID_ENUM_SIZE"),
    (["-fpack-struct"], "-fpack-struct"),
    (["-fpack-struct=4"], "-fpack-struct"),
    (["-includepacked.h"], "#pragma pack"),
    (["-DIOASID_STATE_BITS=16"], "IOASID_STATE_BITS is 64 or 32"),
)
# What may differ.
SAME = (
    [], ["-mms-bitfields"], ["-funsigned-char"], ["-fno-pic", "-no-pie"],
    ["-O0"], ["-Os", "-ffunction-sections", "-fdata-sections"], ["-std=c99"],
    ["-xc++", "-std=c++11"], ["-DIOASID_DISABLED"], ["-fno-common"],
    ["-DIOASID_TLS=__thread __attribute__((tls_model(\"initial-exec\")))"],
)
LINKS = (
    [], ["-Wl,--gc-sections", "-ffunction-sections", "-fdata-sections"],
    ["-flto"], ["-O0"], ["-Os", "-flto", "-Wl,--gc-sections"],
)
# What an object asks for, by compiler and option.
ASKED = (
    (["i686-linux-gnu-gcc"], "state_bits_64"),
    (["i686-linux-gnu-gcc", "-march=i486"], "state_bits_32"),
    (["clang-14", "--target=i686-linux-gnu"], "state_bits_32"),
    (["arm-linux-gnueabi-gcc", "-march=armv5te"], "state_bits_32"),
    (["arm-linux-gnueabi-gcc", "-march=armv7-a"], "state_bits_64"),
    (["arm-linux-gnueabi-gcc", "-fshort-enums"], "enum_size_1"),
    (["arm-linux-gnueabi-gcc"], "enum_size_4"),
)


class Case:
    """One set of headers and a library, in a folder for what is built."""

    def __init__(self, root, folder, archive):
        self.headers = root + "/include"
        self.folder = folder
        self.archive = archive
        self.source = folder + "/program.c"
        with open(self.source, "w") as out:
            out.write(PROGRAM % "")
        with open(root + "/include/ioasid/atomic.h") as atomic, \
                open(folder + "/own_atomic.h", "w") as out:
            out.write(re.search(r"#else\n(.*)#endif /\* IOASID_ATOMIC_HEADER",
                                atomic.read(), re.S)[1])
        with open(folder + "/packed.h", "w") as out:
            out.write("#include <pthread.h>\n#pragma pack(1)\n")

    def build(self, options, target="program", compiler="gcc", headers=None,
              archive=None):
        return run(compiler, "-I" + self.folder,
                   "-I" + (headers or self.headers), *options, self.source,
                   "-o", os.path.join(self.folder, target),
                   *(["-xnone"] if "-xc++" in options else []),
                   archive or self.archive, "-lpthread")

    def links_not(self, options, name, **more):
        status, said = self.build(options, **more)
        if not status:
            yield "%s: was linked" % " ".join(options)
        elif name not in said:
            yield "%s: not told of %s:\n%s" % (" ".join(options), name, said)

    def mismatches(self, links=LINKS):
        """Each property linked in the first way, the first also in others."""
        for number, (options, name) in enumerate(OTHER):
            for link in links if not number else links[:1]:
                yield from self.links_not(link + options, name)

    def refused(self):
        for options, name in REFUSED:
            yield from self.links_not(options, name)

    def same(self):
        for options in [*SAME, *LINKS]:
            status, said = self.build(options)
            if status or run(self.folder + "/program")[0] != 0:
                yield "%s: %s" % (" ".join(options), said or "wrong answer")


def asked(case):
    for compiler, name in ASKED:
        target = case.folder + "/asked.o"
        if not have(compiler[0]):
            continue
        status, said = run(*compiler, "-std=c11", "-I" + case.headers, "-c",
                           case.source, "-o", target)
        if status:
            yield "%s: %s" % (" ".join(compiler), said)
        elif "ioasid_built_with_" + name + "\n" not in must("nm", target):
            yield "%s does not ask for %s" % (" ".join(compiler), name)
    if have("i686-linux-gnu-gcc"):
        yield from case.links_not(["-malign-double"], "-malign-double",
                                  compiler="i686-linux-gnu-gcc")


def versions(case, root, folder):
    """Headers of another version, or with another layout."""
    for path, before, after, name in (
            ("config.h", "VERSION_MINOR ", "VERSION_MINOR 9", "version_0_9"),
            ("abi.h", "HASH_CELLS 3", "HASH_CELLS 4", "hash_cells_4")):
        copy = changed(root, folder + "/" + name, "include/ioasid/" + path,
                       before, after)
        yield from case.links_not([], name, headers=copy + "/include")


def shared(case, root, folder):
    """Libraries loaded at run time: who disagrees is told as well."""
    own = library(root, folder + "/shared.a", ["-fPIC", "-DIOASID_SHARED"])
    target = folder + "/libioasid.so"
    must("gcc", "-shared", "-Wl,--whole-archive", own,
         "-Wl,--no-whole-archive", "-lpthread", "-o", target)
    for options in (["-DIOASID_SHARED"],
                    ["-DIOASID_SHARED", "-fno-pic", "-no-pie"],
                    ["-DIOASID_SHARED", "-O0", "-fPIC"],
                    ["-DIOASID_SHARED", "-xc++"]):
        status, said = case.build(options, archive=target)
        if status or run(folder + "/program",
                         env={"LD_LIBRARY_PATH": folder})[0]:
            yield "shared, %s: %s" % (" ".join(options), said or "wrong")
    for options, name in ((["-DIOASID_STATE_BITS=32", "-DIOASID_SHARED"],
                           "state_bits_32"), ([], "shared_0")):
        yield from case.links_not(options, name, archive=target)
    # The same objects linked as they are serve all.
    status, said = case.build([], archive=own)
    if status:
        yield "objects for a shared library: " + said


def full(root, folder):
    """Each other library with the usual program."""
    for number, (options, name) in enumerate(OTHER):
        if name in ("bare_1", "TLS", "atomic_header_1") or "_no_" in name:
            continue
        part = "%s/%d" % (folder, number)
        os.makedirs(part)
        archive = library(root, part + "/other.a", options)
        case = Case(root, part, archive)
        said = [] if name == "shared_1" else \
            list(case.links_not([], "ioasid_built_with_"))
        status, text = case.build(options)
        if status or run(part + "/program")[0]:
            said.append("both %s: %s" % (" ".join(options), text))
        yield from said


def planted(root, folder, archive):
    """Faults of the headers that must not pass."""
    for number, (before, after, links) in enumerate((
            ("((used, retain))", "((used))", [LINKS[1]]),
            ("((used, retain))", "((unused))", [LINKS[4]]),
            ("use(IOASID_ABI_DEBUG)", "", [[]]),
            ("state_bits_, IOASID_STATE_BITS", "state_bits_, 64", [[]]))):
        part = "%s/planted%d" % (folder, number)
        os.makedirs(part)
        copy = changed(root, part + "/tree", "include/ioasid/abi.h", before,
                       after)
        if not list(Case(copy, part, archive).mismatches(links)):
            yield "%r in place of %r was not noticed" % (after, before)


def main(arguments):
    root = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        archive = library(root, folder + "/library.a",
                          ["-ffunction-sections", "-fdata-sections"])
        case = Case(root, folder, archive)
        wrong = [*planted(root, folder, archive), *case.mismatches(),
                 *case.refused(), *case.same(), *asked(case),
                 *versions(case, root, folder), *shared(case, root, folder)]
        if arguments == ["--full"]:
            wrong += full(root, folder)
    sys.exit("\n".join(wrong) if wrong else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
