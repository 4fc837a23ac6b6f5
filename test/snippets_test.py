#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every block of C in the documents compiles and runs as it is printed.

A block with a main() is a whole program, one without a translation unit.
Where the paragraph before or after says "C11 or C++11", it is both.
docs/api.md, made from the headers, has declarations: they are to agree with
the header that their chapter is named for.
"""

import glob
import os
import re
import subprocess
import sys
import tempfile

# The second finds readers that may not read, and what is used after its end.
BUILDS = {
    "gcc": ["gcc"],
    "clang": ["clang-19", "-DIOASID_DEBUG", "-g",
              "-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
}
WARNINGS = ["-Wall", "-Wextra", "-Werror"]
INCLUDE = ["-Iinclude", "-Icompat/linux/include", "-Iadapters/urcu"]
REFERENCE = "docs/api.md"
# Its files and commands go together: test/vendor/documented_commands.py.
VENDORING = "docs/vendoring.md"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
INDENTED = re.compile(r"^(?: {4}|\t).*[;{]\s*(?:/[/*].*)?$", re.M)


def documents():
    return sorted({"README.md", *glob.glob("docs/*.md"),
                   *glob.glob("examples/*.md")} - {REFERENCE, VENDORING})


def blocks(text):
    """[(block, is it C++ too)]"""
    found = []
    for match in FENCE.finditer(text):
        before = text[:match.start()].rstrip().rpartition("\n\n")[2]
        after = text[match.end():].lstrip().partition("\n\n")[0]
        if match[1] == "c":
            found.append((match[2], "C11 or C++11" in before + after))
    return found


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=120)
    return done.stdout if done.returncode else None


def library(folder):
    """{build: archive}"""
    sources = [os.path.join(d, name) for d, _, names in os.walk("core")
               for name in names if name.endswith(".c")]
    archives = {}
    for build, compiler in BUILDS.items():
        objects = []
        for source in sources:
            objects.append(os.path.join(
                folder, build + source.replace("/", "_") + ".o"))
            said = run([*compiler, "-std=c11", "-Iinclude", "-c", source,
                        "-o", objects[-1]])
            if said is not None:
                sys.exit(said)
        archives[build] = os.path.join(folder, build + ".a")
        run(["ar", "rcs", archives[build], *objects])
    return archives


def fault(block, cxx, archives, folder):
    """What is wrong with a block, or None."""
    for build, compiler in BUILDS.items():
        for language, standard in (("c", "c11"), ("c++", "c++11"))[:1 + cxx]:
            name = os.path.join(folder, "block." + language)
            target = os.path.join(folder, "block")
            with open(name, "w", encoding="utf-8") as source:
                source.write(block)
            program = re.search(r"^int main\(", block, re.M)
            kernel = glob.glob("compat/linux/*.c") if program and \
                "#include <linux/" in block else []
            said = run([*compiler, "-std=" + standard, *WARNINGS, *INCLUDE,
                        "-x", language, name, "-o", target] +
                       (["-x", "c", *kernel] if kernel else []) +
                       (["-x", "none", archives[build], "-lpthread"]
                        if program else ["-c"]))
            if said is None and program:
                said = run([target])
            if said is not None:
                return "%s, %s: %s" % (build, language, said or "exit status")
    return None


def check(text, archives, folder):
    """[(block, fault)], and C that is no block."""
    wrong = [(block, fault(block, cxx, archives, folder))
             for block, cxx in blocks(text)]
    return [w for w in wrong if w[1] is not None] + [
        (m[0], "C stands in ```c blocks")
        for m in INDENTED.finditer(FENCE.sub("", text))]


def declarations(text, folder):
    """Faults of the reference: what a header does not declare like that."""
    wrong = []
    for chapter in re.split(r"^## ", text, flags=re.M)[1:]:
        header = chapter.partition("\n")[0]
        # A structure cannot be declared again.
        parts = [m[2] for m in FENCE.finditer(chapter)
                 if not re.match(r"(?:struct|enum) \w+ \{", m[2])]
        name = os.path.join(folder, "reference.c")
        with open(name, "w", encoding="utf-8") as unit:
            unit.write("\n".join(["#include <%s>" % header, *parts]))
        for compiler in BUILDS.values():
            said = run([*compiler, "-std=c11", *WARNINGS, *INCLUDE,
                        "-fsyntax-only", name])
            if said is not None:
                wrong.append("%s: %s" % (header, said))
    return wrong


GOOD = """C11 or C++11:

```c
#include <assert.h>
#include <ioasid/ioasid.h>
int main(void)
{
	ioasid_t id = ioasid_alloc(NULL, 1, 9, NULL);
	assert(id == 1);
	ioasid_free(id);
	return 0;
}
```

    cc -Iinclude first.c
"""
# What is put in its place, so that the block is to be refused.
FAULTS = (
    ("#include <ioasid/ioasid.h>\n", ""),
    ("id == 1", "id == 2"),
    ("return 0", "return 1"),
    ("ioasid_t id", "int unused; ioasid_t id"),
    ("ioasid_t id", "int class = 0; (void)class; "
     "ioasid_t id"),
    # Reads what is free: only a sanitizer sees it.
    ("return 0", "char *p = (char *)malloc(2); free(p); return p[0] & 0"),
    # Only a build with IOASID_DEBUG answers for a reader out of a section.
    ("return 0", "void *data; return ioasid_space_find_rcu("
     "ioasid_default_space(), NULL, 5, &data) == -ENOENT ? 0 : 1"),
    ("    cc -Iinclude first.c", "    ioasid_free(id);"),
    ("int main(void)", "int unit(void)\n{\n\treturn undeclared;\n}\n"
     "int other(void)"),
)


def planted(archives, folder):
    wrong = [] if not check(GOOD, archives, folder) else ["a good block"]
    for old, new in FAULTS:
        text = GOOD.replace(old, new)
        if "malloc" in new:
            text = text.replace("#include <assert.h>",
                                "#include <assert.h>\n#include <stdlib.h>")
        if text == GOOD or not check(text, archives, folder):
            wrong.append("went unnoticed: " + new)
    return wrong


def main():
    with tempfile.TemporaryDirectory() as folder:
        archives = library(folder)
        wrong = planted(archives, folder)
        with open(REFERENCE, encoding="utf-8") as document:
            reference = document.read()
        wrong += declarations(reference, folder)
        if not declarations(reference.replace(
                "void ioasid_free(ioasid_t", "void ioasid_free(uint64_t"),
                folder):
            wrong.append("another declaration went unnoticed")
        count = 0
        for name in documents():
            with open(name, encoding="utf-8") as document:
                text = document.read()
            count += len(blocks(text))
            wrong += ["%s: %s\n%s" % (name, said, block)
                      for block, said in check(text, archives, folder)]
    print("%d blocks" % count)
    # Or there was nothing to check.
    if count < 5:
        wrong.append("too few blocks")
    sys.exit("\n".join(wrong) if wrong else 0)


if __name__ == "__main__":
    main()
