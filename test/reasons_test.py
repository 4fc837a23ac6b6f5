#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every reason that a validator can give is expected by a test."""

import glob
import re
import sys

# Where reasons are given, and the test that brings each of them about.
CHECKED = {
    "core/space/check.c": "test/validate_test.c",
    "core/store/*.c": "test/store_damage_test.c",
}

LITERAL = r'"((?:[^"\\]|\\.)*)"'


def strings(text):
    """The strings of a source, those that follow each other as one."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    text = re.sub(r"^\s*#.*$", "", text, flags=re.M)
    return {"".join(re.findall(LITERAL, run.group()))
            for run in re.finditer(r"%s(?:\s*%s)*" % (LITERAL, LITERAL), text)}


def missing(source, test):
    reasons = {s for s in strings(source) if re.match(r"\w+: ", s)}
    return reasons, sorted(reasons - strings(test))


def main():
    failed = False
    for pattern, test in CHECKED.items():
        found = set()
        expected = open(test).read()
        for path in sorted(glob.glob(pattern)):
            source = open(path).read()
            reasons, lacking = missing(source, expected)
            found |= reasons
            for reason in lacking:
                print("%s: no test for \"%s\"" % (path, reason))
                failed = True
            planted = source + '\nstatic const char *f(void)\n{\n' \
                '\treturn "space: planted "\n\t       "fault";\n}\n'
            if missing(planted, expected)[1] != \
                    sorted(lacking + ["space: planted fault"]):
                sys.exit("a planted fault went unnoticed")
        if not found:
            sys.exit("%s: gives no reasons" % pattern)
    sys.exit(failed)


if __name__ == "__main__":
    main()
