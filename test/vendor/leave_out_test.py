#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""leave_out_test.py [--all]: builds that leave parts of the library out.

Each part alone, all of them, all but one store, and, with --all, every pair, by
gcc and clang and for a machine without a system: no warning, files of what is
left out are empty, what is left out is not declared, and leave_out.c, which uses
what is there, runs. With --all unit suites run in such builds as well; those that
are about what is left out are named here. Each check is first shown to catch a
planted fault.
"""

import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

# What a build may leave out, and a use of it that then does not compile.
PARTS = {
    "NO_RADIX": "struct ioasid_radix_leaf leaf; (void)leaf;",
    "NO_BITMAP": None,
    "NO_HASH": "struct ioasid_hash_table table; (void)table;",
    "NO_CUSTOM_STORE": None,
    "ONLY_NONE": None,
    "NO_SETS": "ioasid_set_destroy(0, 0);",
    "NO_SPIDS": "ioasid_spid_attach(0, 1, 2);",
    "NO_NOTIFIERS": "struct ioasid_notifier notifier; (void)notifier;",
    "NO_ALLOCATORS": "ioasid_space_register_allocator(0, 0);",
    "NO_SNAPSHOTS": "ioasid_space_restore(0, 0, 0, 0);",
    "NO_DUMP": "ioasid_space_dump(0, 0, 0);",
    "DISABLED": "ioasid_default_space();",
}
STORES = ("NO_RADIX", "NO_BITMAP", "NO_HASH", "NO_CUSTOM_STORE")
# What one part takes with it.
IMPLIED = (({"NO_SETS"}, {"NO_SPIDS", "NO_SNAPSHOTS"}),
           ({"NO_RADIX", "NO_HASH"}, {"NO_SPIDS", "NO_ALLOCATORS"}))
FILES = {
    "NO_RADIX": ("store/radix",), "NO_BITMAP": ("store/bitmap",),
    "NO_HASH": ("store/hash", "store/order"),
    "NO_SETS": ("space/set", "space/owner"), "NO_SPIDS": ("space/spid",),
    "NO_NOTIFIERS": ("space/event", "space/notifier"),
    "NO_ALLOCATORS": ("space/source", "space/allocator"),
    "NO_SNAPSHOTS": ("space/snapshot",), "NO_DUMP": ("space/dump",),
}
SMALLEST = [part for part in PARTS if part != "NO_BITMAP"]
WARN = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wpedantic",
        "-Werror", "-Iinclude", "-I."]
CXX = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-Iinclude"]
PROGRAM = "test/vendor/leave_out.c"
SUITES = {
    ("NO_HASH",):
        "capacity default dump ends life_cycle notifier reserve reuse "
        "allocator snapshot space spid trim",
    ("NO_RADIX", "NO_HASH"): "trim rcu",
    ("NO_RADIX", "NO_BITMAP"): "capacity reserve spid allocator notifier",
    ("NO_NOTIFIERS", "NO_ALLOCATORS", "NO_SNAPSHOTS", "NO_DUMP"):
        "lock rcu_review slot space store store_damage trim default",
    ("ONLY_NONE",):
        "capacity life_cycle reserve reuse slot store validate ends notifier "
        "dump snapshot spid set",
}


class Failure(Exception):
    pass


def run(command, root, what):
    done = subprocess.run(command, cwd=root, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise Failure("%s: %s\n%s" % (what, " ".join(command),
                                      done.stdout[:2000]))
    return done.stdout


def flags(parts):
    return ["-DIOASID_" + part for part in parts]


def sources(root):
    return sorted(os.path.relpath(os.path.join(folder, name), root)
                  for folder, _, names in os.walk(os.path.join(root, "core"))
                  for name in names if name.endswith(".c"))


def closure(parts):
    gone = set(parts)
    for those, also in IMPLIED:
        if those <= gone:
            gone |= also
    return gone


def unity(root, target):
    """All of core as one translation unit: one look at it is quick."""
    path = os.path.join(target, "unity.c")
    with open(path, "w", encoding="utf-8") as out:
        # What asks for feature macros comes first.
        names = sorted(sources(root),
                       key=lambda p: not p.startswith("core/platform/"))
        for name in names:
            out.write('#include "%s"\n' % name)
    return path


def check_warnings(root, work, compiler, parts):
    # gcc looks for unused functions only when it goes all the way.
    how = ["-S", "-O0", "-o", os.devnull] if compiler == "gcc" else \
        ["-fsyntax-only"]
    run([compiler, *WARN, *flags(parts), *how, unity(root, work)], root,
        "does not compile")


def check_files(root, work, compiler, parts):
    """Files by themselves compile, and have no code if they are left out."""
    gone = closure(parts)
    empty = {"core/%s.c" % name for part in gone
             for name in FILES.get(part, ())}
    for path in sources(root) if len(parts) > 1 else sorted(empty):
        target = os.path.join(work, "file.o")
        run([compiler, *WARN, *flags(parts), "-O0", "-c", path, "-o", target],
            root, path)
        if path in empty:
            names = run(["nm", "-P", target], root, "nm")
            for name in re.findall(r"^(\S+) [TtDdBbRr] ", names, re.M):
                # Not what the ABI guard has in every object, nor strings.
                if "ioasid_needs_" not in name and name[0] != ".":
                    raise Failure("%s has %s though it is left out" %
                                  (path, name))


def compiles(root, work, compiler, parts, uses):
    path = os.path.join(work, "use.c")
    with open(path, "w", encoding="utf-8") as out:
        out.write("#include <ioasid/ioasid.h>\nvoid use(void);\n"
                  "void use(void)\n{\n%s}\n" %
                  "".join("\t{ %s }\n" % use for use in uses))
    return subprocess.run(
        [compiler, *WARN, "-Wno-nonnull", *flags(parts), "-fsyntax-only", path],
        cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        check=False).returncode == 0


def check_declared(root, work, compiler, parts):
    """What is left out does not compile, and all else does."""
    gone = closure(parts)
    there = [use for part, use in PARTS.items() if use and part not in gone]
    if not compiles(root, work, compiler, parts, there):
        raise Failure("without %s the rest is not declared" % " ".join(parts))
    for part in gone:
        if PARTS[part] and compiles(root, work, compiler, parts,
                                    [PARTS[part]]):
            raise Failure("without %s there is `%s`" %
                          (" ".join(parts), PARTS[part]))


def check_cxx(root, work, compiler, parts):
    path = os.path.join(work, "use.cc")
    with open(path, "w", encoding="utf-8") as out:
        out.write("#include <ioasid/ioasid.h>\nint use(struct ioasid_space *s)"
                  "\n{\n\tvoid *p;\n\treturn ioasid_space_find(s, nullptr, 1, "
                  "nullptr, &p);\n}\n")
    run([compiler, *CXX, *flags(parts), "-fsyntax-only", path], root,
        "does not compile as C++")


def check_runs(root, work, compiler, parts, options=("-O0",)):
    program = os.path.join(work, "program")
    run([compiler, *WARN, *flags(parts), *options,
         unity(root, work), PROGRAM, "-o", program, "-lpthread"], root,
        "does not link")
    run([program], root, " ".join(parts) + " runs")


def combinations(everything):
    """(parts, is it one of the few that are looked at closely?)"""
    yield (), True
    for part in PARTS:
        yield (part,), True
    yield tuple(SMALLEST), True
    for store in STORES[:3]:
        yield tuple(s for s in STORES if s != store), True
    # Nothing but stores of the user's own.
    yield STORES[:3], False
    yield tuple(p for p in PARTS if not p.startswith("NO_")), False
    if everything:
        for pair in itertools.combinations(PARTS, 2):
            yield pair, False


def check(root, everything, jobs=2):
    def one(job):
        (parts, closely), number = job
        with tempfile.TemporaryDirectory() as work:
            if not everything:
                check_warnings(root, work, "clang-19", parts)
                if len(parts) == 1:
                    check_declared(root, work, "gcc", parts)
                else:
                    check_runs(root, work, "gcc", parts)
                return 1
            # Built and run by the one, looked at by the other, or both.
            check_runs(root, work, "gcc", parts)
            check_warnings(root, work, "clang-19", parts)
            compiler = ("gcc", "clang-19")[number % 2]
            if closely:
                check_cxx(root, work, "g++", parts)
                check_declared(root, work, compiler, parts)
                check_files(root, work, compiler, parts)
            if closely and len(parts) != 1:
                check_runs(root, work, "clang-19", parts, ["-O2"])
                check_runs(root, work, compiler,
                           (*parts, "BARE", "BARE_MALLOC"))
        return 1

    with ThreadPoolExecutor(jobs) as pool:
        return sum(pool.map(one, zip(combinations(everything),
                                     itertools.count())))


PLANTED = (
    # A function that is declared all the same.
    ("include/ioasid/space.h", r"#ifndef IOASID_NO_DUMP\n", "#if 1\n",
     check_declared, ("NO_DUMP",)),
    # A stand-in that is used and has gone.
    ("core/space/event.h", r"static inline bool ioasid_watched.*?\n}\n", "",
     check_warnings, ("NO_NOTIFIERS",)),
    # A function that nothing calls any more.
    ("core/space/dump.c", r"#ifdef IOASID_NO_NOTIFIERS\n",
     "#ifdef IOASID_NO_NOTIFIERS\nstatic void dump_nobody(void)\n{\n}\n",
     check_warnings, ("NO_NOTIFIERS",)),
    # A file that is still there.
    ("core/space/snapshot.c", r"(?s)#ifndef IOASID_NO_SNAPSHOTS\n(.*)",
     r"int ioasid_left_over(void);\nint ioasid_left_over(void)\n{\n"
     r"\treturn 0;\n}\n#ifndef IOASID_NO_SNAPSHOTS\n\1",
     check_files, ("NO_SNAPSHOTS",)),
    # A kind that is taken for another instead of being refused.
    ("core/store/hash.h", r"#define IOASID_HASH_OPS NULL",
     '#include "radix.h"\n#define IOASID_HASH_OPS IOASID_RADIX_OPS',
     check_runs, ("NO_HASH",)),
    ("core/rcu/rcu.c", r"\n\tif \(!IOASID_RCU_RECORDS &&[^;]*;", "",
     check_runs, ("ONLY_NONE",)),
)


def show_planted(root, planted):
    """Each check catches its fault."""
    for path, pattern, replacement, checker, parts in planted:
        with tempfile.TemporaryDirectory() as work:
            copy = os.path.join(work, "copy")
            for top in ("core", "include", "test/vendor"):
                shutil.copytree(os.path.join(root, top),
                                os.path.join(copy, top))
            name = os.path.join(copy, path)
            with open(name, encoding="utf-8") as source:
                text = source.read()
            changed = re.sub(pattern, replacement, text, count=1,
                             flags=re.S if "(?s)" not in pattern else 0)
            if changed == text:
                raise Failure("%s has nothing to plant in" % path)
            os.remove(name)
            with open(name, "w", encoding="utf-8") as out:
                out.write(changed)
            try:
                checker(copy, work, "gcc", parts)
            except Failure:
                continue
            raise Failure("a fault planted in %s is not caught" % path)


def run_suites(root):
    """The unit suites that are not about what is left out."""
    def one(job):
        parts, suites = job
        options = ["-std=c11", "-O0", "-w", *flags(parts), "-Iinclude", "-I.",
                   "-Itest"]
        lines = []
        with tempfile.TemporaryDirectory() as work:
            objects = []
            shared = [unity(root, work), "test/fixture.c",
                      "test/array_store.c", "test/toy_rcu.c"]
            if not closure(parts) & {"NO_NOTIFIERS", "NO_ALLOCATORS"}:
                shared.append("test/model.c")
            for path in shared:
                target = os.path.join(work, path.replace("/", "_") + ".o")
                run(["gcc", *options, "-c", path, "-o", target], root, path)
                objects.append(target)
            for suite in suites.split():
                program = os.path.join(work, suite)
                run(["gcc", *options, "test/%s_test.c" % suite, *objects, "-o",
                     program, "-lcmocka", "-lpthread"], root, suite)
                out = run([program], root, suite)
                passed = sum(int(n) for n in re.findall(
                    r"\[  PASSED  \] (\d+) test", out))
                if not passed:
                    raise Failure("%s: no test ran" % suite)
                lines.append("%s %d" % (suite, passed))
        return "%s: %s" % (" ".join(parts), ", ".join(lines))

    with ThreadPoolExecutor(2) as pool:
        for line in pool.map(one, SUITES.items()):
            print(line)


def main():
    root = os.getcwd()
    everything = "--all" in sys.argv[1:]
    try:
        show_planted(root, PLANTED if everything else PLANTED[:1])
        print("%d builds" % check(root, everything))
        if everything:
            run_suites(root)
    except Failure as failure:
        sys.exit(str(failure))


if __name__ == "__main__":
    main()
