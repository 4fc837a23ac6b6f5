#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks of the C++ binding that are about what compilers say and make.

    checks.py [strict] [compile_fail] [codegen] [readme]     without names: all

strict        the headers and their tests compile in silence with the warnings of
              test/vendor/strict, as C++17, 20 and 23, also without exceptions
              and RTTI, and with whatever the library may leave out
compile_fail  what must not compile does not, and for its own reason
codegen       a lookup has no more instructions than one written in C
readme        the program in README.md is the example, and its version is right

Each begins by showing that it finds a fault planted for it. Needs gcc 12 and
clang 19; writes to a temporary directory only.
"""

import importlib.machinery
import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
# Not resolve(): in a sandbox of Bazel's the files are links to elsewhere.
ROOT = pathlib.Path(os.path.abspath(__file__)).parents[3]
INCLUDES = [
    "-DIOASID_SHARED",
    f"-I{ROOT}/include",
    f"-I{ROOT}/bindings/cpp/include",
]
TEST = ROOT / "bindings" / "cpp" / "test"

CXX = {"gcc": "g++", "clang-19": "clang++-19"}

failures = 0


def fail(what):
    global failures
    failures += 1
    print("failed:", what)


def run(command):
    return subprocess.run(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        check=False,
    )


def vendor_strict():
    """The module test/vendor/strict: which warnings strict users set."""
    loader = importlib.machinery.SourceFileLoader(
        "strict", str(ROOT / "test" / "vendor" / "strict")
    )
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader("strict", loader)
    )
    loader.exec_module(module)
    # Where it finds the list of -Weverything, whatever it was loaded through.
    module.HERE = str(ROOT / "test" / "vendor")
    return module




# What the library may be built without, or as.
CHOICES = """IOASID_NO_SETS IOASID_NO_SPIDS IOASID_NO_NOTIFIERS
    IOASID_NO_ALLOCATORS IOASID_NO_SNAPSHOTS IOASID_NO_DUMP IOASID_NO_RADIX
    IOASID_NO_HASH IOASID_ONLY_NONE IOASID_DEBUG IOASID_STATE_BITS=32
    IOASID_NAMESPACE=mine""".split()

HEADERS = "config error domain set read core space owning_space".split()


def strict(directory):
    flags = vendor_strict()
    count = 0

    def silent(command, source):
        nonlocal count
        count += 1
        done = run(command + INCLUDES + ["-c", "-o", directory / "out.o", source])
        return done.stdout if done.stdout or not done.returncode else "exit status"

    def expect_silence(command, source):
        said = silent(command, source)
        if said:
            fail(" ".join(map(str, command)) + " " + str(source))
            print("\n".join(said.splitlines()[:15]))

    planted = directory / "planted.cc"
    planted.write_text(
        "#include <ioasid/ioasid.hpp>\n"
        "int planted(long x);\nint planted(long x)\n{\n\treturn (int)x;\n}\n"
    )
    for compiler in CXX:
        if "old-style" not in silent(flags.cxx(compiler) + ["-std=c++17"], planted):
            fail("planted: an old-style cast, " + compiler)

    tests = [TEST / name for name in ("space_test.cc", "owning_test.cc")]
    quiet = [TEST / "callables_test.cc", TEST / "errors_test.cc"]
    bare = ["-fno-exceptions", "-fno-rtti"]
    alone = directory / "alone.cc"
    for compiler in CXX:
        for source in tests:
            expect_silence(flags.cxx(compiler) + ["-std=c++17", "-O2"], source)
        for standard, sources in ("20", tests), ("2b", quiet):
            for source in sources:
                expect_silence(
                    flags.cxx(compiler) + ["-std=c++" + standard, "-fsyntax-only"],
                    source,
                )
        for source in tests + quiet:
            expect_silence(
                flags.cxx(compiler) + ["-std=c++17", "-fsyntax-only"] + bare, source
            )
    # Each header is whole by itself.
    for header in HEADERS:
        alone.write_text(f"#include <ioasid/cpp/{header}.hpp>\n")
        expect_silence(flags.cxx("gcc") + ["-std=c++17", "-fsyntax-only"], alone)
    alone.write_text(
        "#include <ioasid/ioasid.hpp>\n"
        "template class ioasid::read_section<int>;\n"
        "template class ioasid::space<int>;\n"
        "template class ioasid::owning_space<int>;\n"
    )
    for number, choice in enumerate(CHOICES):
        compiler = list(CXX)[number % len(CXX)]
        expect_silence(
            flags.cxx(compiler) + ["-std=c++17", "-fsyntax-only", "-D" + choice],
            alone,
        )
    for standard, source in ("17", tests[0]), ("2b", tests[1]):
        expect_silence(
            ["clang-19", "-x", "c++", "-std=c++" + standard, "-fsyntax-only"]
            + flags.weverything(),
            source,
        )
    print(f"strict: {count} compilations")





def compile_fail(directory):
    source = TEST / "compile_fail.cc"
    text = source.read_text(encoding="utf-8")
    cases = re.findall(r"^// (clang: )?case (\w+): (.+)$", text, re.M)
    if len(cases) != len(re.findall(r"^#ifdef", text, re.M)) or len(cases) < 20:
        fail("compile_fail: cases and their code do not match")

    # The headers are read once: by g++ beside the others, by clang as told.
    header = ROOT / "bindings/cpp/include/ioasid/ioasid.hpp"
    (directory / "ioasid").mkdir()
    once = {
        "gcc": directory / "ioasid" / "ioasid.hpp.gch",
        "clang-19": directory / "ioasid.pch",
    }
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", *INCLUDES]
    for compiler, cxx in CXX.items():
        made = run([cxx, *flags, "-x", "c++-header", header, "-o", once[compiler]])
        if made.returncode:
            fail(f"{compiler}: {made.stdout}")

    def compiled(compiler, file, *more):
        use = {
            "gcc": [f"-I{directory}"],
            "clang-19": ["-include-pch", once["clang-19"]],
        }
        return run(
            [CXX[compiler], *use[compiler], *flags, "-fsyntax-only", *more, file]
        )

    def judge(compiler, file, name, words):
        """Why a case is not refused as it should be; empty: it is."""
        done = compiled(compiler, file, "-D" + name)
        if done.returncode == 0:
            return "compiles"
        pattern = "|".join(map(re.escape, words.split("|")))
        if not re.search(f"error: .*({pattern})", done.stdout):
            return "another error:\n" + done.stdout[:800]
        return ""

    planted = directory / "planted_cases.cc"
    planted.write_text(
        '#include <ioasid/ioasid.hpp>\n#ifdef fine\nint fine_too;\n#endif\n'
        "#ifdef broken\nint broken = no_such_name;\n#endif\n"
    )
    for compiler in CXX:
        if judge(compiler, planted, "fine", "deleted") != "compiles":
            fail("planted: a case that compiles, " + compiler)
        if not judge(compiler, planted, "broken", "deleted").startswith("another"):
            fail("planted: a case that fails otherwise, " + compiler)
        done = compiled(compiler, source)
        if done.returncode:
            fail(f"compile_fail.cc without a case, {compiler}:\n{done.stdout}")
        for only, name, words in cases:
            if only and compiler == "gcc":
                continue
            why = judge(compiler, source, name, words)
            if why:
                fail(f"{name}, {compiler}: {why}")
    print(f"compile_fail: {len(cases)} cases, {len(CXX)} compilers")




LOOKUPS = ["lookup_id", "lookup_set", "lookup_handle", "lookup_owned"]


def instructions(path):
    """How many instructions each function has, its cold parts included, without
    what only fills space. Where a function of C throws, which none does, clang
    has the program end: those two are on no way of a lookup."""
    counts = {}
    name, codes = "", []
    for row in run(["objdump", "-dr", "--no-show-raw-insn", path]).stdout.splitlines():
        head = re.match(r"[0-9a-f]+ <(\w+)(\.\w+)*>:", row)
        if head:
            name, codes = head.group(1), []
            counts.setdefault(name, 0)
        elif "R_X86_64_" in row:
            if "__clang_call_terminate" in row:
                landing = [code.split()[0] for code in codes[-2:]]
                counts[name] -= 2 if landing == ["mov", "call"] else 1
        elif re.match(r" +[0-9a-f]+:\t", row):
            code = row.split("\t", 1)[1].strip()
            if not re.match(r"(nop|xchg +%ax,%ax|data16|cs nop|int3)", code):
                counts[name] += 1
                codes.append(code)
    return counts


def codegen(directory):
    if os.uname().machine != "x86_64":
        print("codegen: SKIPPED, knows x86-64 alone")
        return
    for compiler, cxx in CXX.items():
        in_c, in_cxx = directory / "c.o", directory / "cxx.o"

        def compiled(command, source, out):
            done = run(
                command + ["-O2", *INCLUDES, "-c", TEST / source, "-o", out]
            )
            if done.returncode:
                fail(f"{source}: {done.stdout}")

        compiled([compiler, "-std=c11"], "lookups.c", in_c)
        wanted = instructions(in_c)
        wanted["lookup_owned"] = wanted["lookup_set"]
        for more in [], ["-fno-exceptions", "-fno-rtti"], ["-DPLANTED"]:
            compiled([cxx, "-std=c++17"] + more, "lookups.cc", in_cxx)
            got = instructions(in_cxx)
            worse = [name for name in LOOKUPS if got[name] > wanted[name]]
            # A function of its own is code that is counted nowhere; fatal()
            # ends the program.
            worse += [f for f in got if f.startswith("_Z") and "fatal" not in f]
            if more == ["-DPLANTED"]:
                if worse != ["lookup_set"]:
                    fail(f"planted: a slower lookup_set, {compiler}: {worse}")
            elif worse:
                fail(f"{compiler} {more}: {worse}")
            if "-DPLANTED" not in more:
                print(
                    f"codegen: {compiler} {' '.join(more)}",
                    *(f"{name} {got[name]} (C: {wanted[name]})" for name in LOOKUPS),
                )





def readme(_directory):
    text = (ROOT / "bindings" / "cpp" / "README.md").read_text(encoding="utf-8")
    example = (ROOT / "bindings/cpp/example/sessions.cc").read_text(encoding="utf-8")

    def program(of):
        found = re.search(r"```cpp\n(.*?)```", of, re.S)
        return found.group(1) if found else ""

    def body(of):
        return of[of.index("#include") :]

    if program("```cpp\nint main() {}\n```") == body(example):
        fail("planted: another program")
    if program(text) != body(example):
        fail("README.md: its program is not example/sessions.cc")
    header = (ROOT / "include/ioasid/config.h").read_text(encoding="utf-8")
    version = re.search(r'#define IOASID_VERSION "([0-9.]+)"', header).group(1)
    said = re.findall(r"ioasid (\d+\.\d+\.\d+)", text)
    if not said or set(said) != {version}:
        fail(f"README.md: version {said}, not {version}")
    print("readme: the example, version", version)


def main():
    steps = {
        "strict": strict,
        "compile_fail": compile_fail,
        "codegen": codegen,
        "readme": readme,
    }
    names = sys.argv[1:] or list(steps)
    if any(name not in steps for name in names):
        print(__doc__, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as directory:
        for name in names:
            steps[name](pathlib.Path(directory))
    print(f"{failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
