#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The order of the library's files, as CONTRIBUTING.md lists it, bottom first.

A file includes and calls only what stands on a line above its own there. Calls
are read from object files: what one lacks and another defines. Each check is
first shown to catch a planted fault, in a small library of its own.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

HEADING = "## The order of files"
INLINE = "core/inline.c"
# For the C libraries of all systems.
FEATURES = "core/features.h"
# Builds whose calls differ: lookups that check their thread, other systems.
BUILDS = ([], ["-DIOASID_DEBUG"], ["-U__linux__"])


def listed(text):
    """{path without suffix: line's number} of the block below HEADING."""
    ranks = {}
    lines = text.partition(HEADING)[2].partition("\n## ")[0].splitlines()
    for rank, line in enumerate(l for l in lines if l.startswith("    ")):
        for name in re.split(r"\s{2,}", line.strip())[0].split(", "):
            public = re.match(r"<(ioasid/\w+)\.h>$", name)
            path = "include/" + public[1] if public else "core/" + name
            if path in ranks:
                raise ValueError(name + " stands in the order twice")
            ranks[path] = rank
    return ranks


def files(root):
    return sorted(os.path.relpath(os.path.join(folder, name), root)
                  for top in ("core", "include")
                  for folder, _, names in os.walk(os.path.join(root, top))
                  for name in names if name.endswith((".c", ".h")))


def stem(path):
    return path.rpartition(".")[0]


def read(*parts):
    with open(os.path.join(*parts), encoding="utf-8") as source:
        return source.read()


def included(root, path):
    """Files of the library that a file includes, and what else it says."""
    for name in re.findall(r"^\s*#\s*include\s*([<\"][^>\"]+[>\"])",
                           read(root, path), re.M):
        if name.startswith("<ioasid/"):
            yield name, "include/" + name[1:-1]
        elif name.startswith('"'):
            yield name, os.path.normpath(
                os.path.join(os.path.dirname(path), name[1:-1]))
        else:
            yield name, None


def check_list(root, ranks):
    """Every file stands in the order, and nothing else."""
    have = {stem(path) for path in files(root)}
    for path in sorted(have - set(ranks)):
        yield path + " does not stand in the order"
    for path in sorted(set(ranks) - have):
        yield path + " stands in the order and is no file"


def check_includes(root, ranks):
    for path in files(root):
        for name, target in included(root, path):
            if stem(path) not in ranks:
                continue
            if target is None:
                if name == "<stdatomic.h>":
                    yield "%s includes %s" % (path, name)
            elif stem(target) not in ranks:
                yield "%s includes %s, not in the order" % (path, name)
            elif stem(target) != stem(path) and \
                    ranks[stem(target)] >= ranks[stem(path)]:
                yield "%s includes %s, which is not below it" % (path, name)


def check_shared(root):
    """No header without a source of its own that all of a folder includes."""
    sources = {}
    for path in files(root):
        if path.startswith("core/") and path.endswith(".c"):
            sources.setdefault(os.path.dirname(path), []).append(path)
    for folder, members in sources.items():
        if len(members) < 3 or folder == "core":
            continue
        common = set.intersection(*(
            {target for _, target in included(root, path)}
            for path in members))
        for target in sorted(t for t in common if t):
            if os.path.dirname(target) == folder and \
                    stem(target) + ".c" not in members:
                yield "all of %s shares %s" % (folder, target)


# What compilers say of the system, and the library of its own files for it.
SYSTEMS = re.compile(
    r"^\s*#.*\b(__(linux|unix|APPLE|ANDROID|wasi|wasm\d*|CYGWIN|MINGW\d+|GLIBC|"
    r"FreeBSD|NetBSD|OpenBSD|DragonFly|sun|arm|ARM_\w+)__|_WIN(32|64)|_MSC_VER|"
    r"__GLIBC__|__MINGW32__|IOASID_(PLATFORM_\w+|BARE\w*))\b", re.M)


def check_systems(root):
    for path in files(root):
        if path.startswith("core/") and \
                not path.startswith(("core/platform/", FEATURES)) and \
                SYSTEMS.search(read(root, path)):
            yield path + " asks for the system"


def check_features(root):
    for path in files(root):
        if path.startswith("core/") and path.endswith(".c") and \
                next(included(root, path), (None, None))[1] != FEATURES:
            yield path + " does not include %s first" % FEATURES


def compiled(root, path, options, target):
    """(what the object of a source defines, what it lacks)"""
    subprocess.run(["cc", "-std=c11", "-O1", "-Iinclude", *options, "-c",
                    path, "-o", target], cwd=root, check=True)
    out = subprocess.run(["nm", "-g", "-P", target], stdout=subprocess.PIPE,
                         text=True, check=True).stdout
    defined, lacking = set(), set()
    for line in out.splitlines():
        name, kind = line.split()[:2]
        (lacking if kind in "Uwv" else defined).add(name)
    return defined, lacking


# The planted faults change a file or two of one library.
seen = {}


def symbols(root, sources, options=()):
    """{source: (what its object defines, what it lacks)}"""
    headers = tuple(read(root, p) for p in files(root) if p.endswith(".h"))

    def one(path):
        key = path, read(root, path), headers, tuple(options)
        if key not in seen:
            with tempfile.NamedTemporaryFile(suffix=".o") as target:
                seen[key] = compiled(root, path, options, target.name)
        return path, seen[key]

    with ThreadPoolExecutor(2) as pool:
        return dict(pool.map(one, sources))


def inline_is_static(root, copy):
    """The library again, with the headers' functions in whoever calls them."""
    for top in ("core", "include"):
        shutil.copytree(os.path.join(root, top), os.path.join(copy, top))
    for path in files(copy):
        if path.startswith("include/"):
            text = re.sub(r"^(IOASID_\w*INLINE|inline)\b", r"static \1",
                          read(copy, path), flags=re.M)
            os.remove(os.path.join(copy, path))
            with open(os.path.join(copy, path), "w", encoding="utf-8") as out:
                out.write(text)


def check_calls(root, ranks, builds):
    with tempfile.TemporaryDirectory() as copy:
        inline_is_static(root, copy)
        sources = [p for p in files(copy) if p.endswith(".c") and p != INLINE]
        found = set()
        for options in builds:
            names = symbols(copy, sources, options)
            owner = {name: p for p, (defined, _) in names.items()
                     for name in defined}
            for path, (_, lacking) in names.items():
                for name in lacking & set(owner):
                    if {stem(path), stem(owner[name])} <= set(ranks) and \
                            ranks[stem(owner[name])] >= ranks[stem(path)]:
                        found.add("%s calls %s of %s, which is not below it" %
                                  (path, name, owner[name]))
    return sorted(found)


def inline_functions(root):
    names = set()
    for path in files(root):
        if path.startswith("include/"):
            names |= set(re.findall(
                r"^(?:IOASID_\w*INLINE|inline) [^;{(]*?\b(ioasid_\w+)(?=\()",
                read(root, path), re.M))
    return names


def check_symbols(root, headers_test):
    """Ours begin with ioasid_; inline functions are there for other languages,
    and called once from C++."""
    sources = [p for p in files(root) if p.endswith(".c")]
    defined = set().union(*(
        names for names, _ in symbols(root, sources).values()))
    for name in sorted(defined):
        if not name.startswith("ioasid_"):
            yield "symbol " + name
    for name in sorted(inline_functions(root)):
        if name not in defined:
            yield name + " has no external symbol"
        if not re.search(r"\b%s\(" % name, headers_test):
            yield name + " is not called in headers_test.cc"


def check(root, order, headers_test, builds=BUILDS):
    ranks = listed(order)
    result = [*check_list(root, ranks), *check_includes(root, ranks),
              *check_shared(root), *check_systems(root),
              *check_features(root),
              *check_symbols(root, headers_test)]
    # Without its includes in order, a library need not compile.
    return result + check_calls(root, ranks, builds)


PLANTED_ORDER = HEADING + """

Words.

    features
    <ioasid/low.h>
    a/util                 a header alone
    a/one, a/two           brothers
    a/three                the folder's third
    <ioasid/high.h>
    b/four
    inline

## Another heading

    not/listed
"""
PLANTED_TEST = "ioasid_low_inline(); ioasid_high_inline();"
PLANTED = {
    "include/ioasid/low.h":
        "#pragma once\ninline int ioasid_low_inline(void)\n{\n\treturn 0;\n}\n",
    "include/ioasid/high.h":
        "#pragma once\n#include <ioasid/low.h>\nint ioasid_four(void);\n"
        "inline int ioasid_high_inline(void)\n{\n"
        "\treturn ioasid_low_inline() + ioasid_four();\n}\n",
    "core/a/util.h": "extern int ioasid_util;\n",
    "core/a/one.h": "int ioasid_one(void);\n",
    "core/a/one.c": '#include "one.h"\n#include "util.h"\n'
                    "int ioasid_one(void) { return 1; }\n",
    "core/a/two.c": '#include "util.h"\nint ioasid_two(void) { return 2; }\n',
    "core/a/three.c": '#include "one.h"\n'
                      "int ioasid_three(void) { return ioasid_one(); }\n",
    "core/b/four.c": '#include <ioasid/low.h>\n#include "../a/one.h"\n'
                     "int ioasid_four(void)\n"
                     "{ return ioasid_one() + ioasid_low_inline(); }\n",
    INLINE: "#include <ioasid/high.h>\nextern inline int "
            "ioasid_low_inline(void);\nextern inline int "
            "ioasid_high_inline(void);\n",
}
for path in PLANTED:
    if path.endswith(".c"):
        PLANTED[path] = '#include "%s"\n' % os.path.relpath(
            FEATURES, os.path.dirname(path)) + PLANTED[path]
PLANTED[FEATURES] = "#define _GNU_SOURCE\n"
# What is added to a file, or put in its place, and what is to be said.
FAULTS = (
    ("core/a/one.c", "int ioasid_two(void);\n"
     "int ioasid_bad(void) { return ioasid_two(); }\n",
     "core/a/one.c calls ioasid_two of core/a/two.c"),
    ("core/a/one.c", "int ioasid_three(void);\n"
     "int ioasid_bad(void) { return ioasid_three(); }\n",
     "core/a/one.c calls ioasid_three of core/a/three.c"),
    ("core/a/three.c", "int ioasid_four(void);\n"
     "int (*const ioasid_bad)(void) = ioasid_four;\n",
     "core/a/three.c calls ioasid_four"),
    ("core/a/three.c", "#ifdef IOASID_DEBUG\nint ioasid_four(void);\n"
     "int ioasid_bad(void) { return ioasid_four(); }\n#endif\n",
     "core/a/three.c calls ioasid_four"),
    # Through a function of a header.
    ("core/a/three.c", "#include <ioasid/high.h>\n"
     "int ioasid_bad(void) { return ioasid_high_inline(); }\n",
     "core/a/three.c calls ioasid_four"),
    ("core/a/three.c", "#include <ioasid/high.h>\n",
     "core/a/three.c includes <ioasid/high.h>, which is not below"),
    ("core/a/two.c", '#include "one.h"\n',
     'core/a/two.c includes "one.h", which is not below'),
    ("core/a/one.h", '#include "../a/util.h"\n#include "util.h"\n', None),
    ("core/a/util.h", '#include "one.h"\n',
     'core/a/util.h includes "one.h", which is not below'),
    ("include/ioasid/low.h", "#include <ioasid/high.h>\n",
     "include/ioasid/low.h includes <ioasid/high.h>"),
    ("core/a/three.c", '#include "util.h"\n', "all of core/a shares"),
    ("core/a/three.c", '#include "../../include/../core/b/four.c"\n',
     'four.c", which is not below'),
    ("core/a/other.h", "extern int ioasid_other;\n",
     "core/a/other does not stand in"),
    ("core/a/five.c", "int ioasid_five;\n", "core/a/five does not stand in"),
    ("core/a/five.c", '#include "one.h"\n#include "../features.h"\n',
     "core/a/five.c does not include core/features.h first"),
    *(("core/a/three.c", "#if defined(%s)\n#endif\n" % system,
       "core/a/three.c asks for the system")
      for system in ("__linux__", "_WIN32", "__APPLE__", "__wasi__",
                     "IOASID_BARE", "IOASID_PLATFORM_POSIX")),
    ("core/a/three.c", "#include <stdatomic.h>\n",
     "core/a/three.c includes <stdatomic.h>"),
    ("core/a/three.c", "int stray;\n", "symbol stray"),
    ("include/ioasid/high.h", "inline int\nioasid_more(void)\n{\n\treturn 1;\n"
     "}\n", "ioasid_more has no external symbol"),
    ("include/ioasid/high.h", "inline int ioasid_more(void)\n{\n\treturn 1;\n"
     "}\n", "ioasid_more is not called in"),
)


def complaints(changes, order=PLANTED_ORDER):
    with tempfile.TemporaryDirectory() as root:
        for path, text in {**PLANTED, **changes}.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)),
                        exist_ok=True)
            with open(os.path.join(root, path), "w") as out:
                out.write(text)
        return check(root, order, PLANTED_TEST, BUILDS[:2])


def planted():
    """What went unnoticed, or was noticed in a library without a fault."""
    wrong = complaints({})
    for path, text, expected in FAULTS:
        said = complaints({path: PLANTED.get(path, "") + text})
        if (expected is None) != (not said) or \
                not any((expected or "") in s for s in said or [""]):
            wrong.append("planted in %s: %r\nsaid: %s" % (path, text, said))
    said = complaints({}, PLANTED_ORDER.replace("    b/four",
                                                "    b/four\n    b/none"))
    if said != ["core/b/none stands in the order and is no file"]:
        wrong.append("an entry without a file: %s" % said)
    return wrong


def main():
    wrong = planted() + check(".", read("CONTRIBUTING.md"),
                              read("test", "headers_test.cc"))
    count = len(files(".")), len(inline_functions("."))
    print("%d files, %d inline functions" % count)
    # Or there was nothing to check.
    if count[0] < 20 or count[1] < 20:
        wrong.append("too little to check")
    sys.exit("\n".join(wrong) if wrong else 0)


if __name__ == "__main__":
    main()
