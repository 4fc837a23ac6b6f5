#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""api_fuzzer calls every function that a public header documents.

    calls_test.py [ROOT]

Or uncalled.txt says why not. A function left out, or one that is listed and yet
called, is noticed: that is tried with each there is.
"""

import pathlib
import re
import sys

FOLDER = pathlib.Path(__file__).absolute().parent
# Where the target's calls are; the model compares by some of them.
SOURCES = ["fuzz/api/*.c", "fuzz/api/*.h", "test/model.c"]


def documented(root):
    """Functions with a comment of their own: type names end in _t."""
    names = set()
    for header in sorted((root / "include" / "ioasid").glob("*.h")):
        text = header.read_text(encoding="utf-8")
        names |= set(re.findall(r"/\*\*\n \* (ioasid_\w+) - ", text))
    return {name for name in names if not name.endswith("_t")}


def mentioned(root):
    """Names that the target's code has, comments and strings left out."""
    names = set()
    for pattern in SOURCES:
        for path in root.glob(pattern):
            text = path.read_text(encoding="utf-8")
            text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
            text = re.sub(r'"(\\.|[^"\\])*"', "", text)
            text = re.sub(r"#define ioasid_\w+", "", text)
            names |= set(re.findall(r"\bioasid_\w+", text))
    return names


def listed(text):
    """Name to reason."""
    lines = [line for line in text.splitlines() if line and line[0] != "#"]
    return dict((line.split(None, 1) + [""])[:2] for line in lines)


def complaints(functions, called, reasons):
    for name in sorted(functions - called - set(reasons)):
        yield name + ": not called, and uncalled.txt does not say why"
    for name in sorted(set(reasons) & called):
        yield name + ": called, and in uncalled.txt"
    for name in sorted(set(reasons) - functions):
        yield name + ": in uncalled.txt, and no function"
    for name in sorted(name for name, why in reasons.items() if not why):
        yield name + ": in uncalled.txt without a reason"


def main():
    root = pathlib.Path(sys.argv[1]) if sys.argv[1:] else FOLDER.parent.parent
    functions, called = documented(root), mentioned(root)
    reasons = listed((root / "fuzz/api/uncalled.txt").read_text(encoding="utf-8"))
    found = list(complaints(functions, called, reasons))
    for name in functions:
        fewer = {key: why for key, why in reasons.items() if key != name}
        if not list(complaints(functions, called - {name}, fewer)):
            found.append(name + ": its call could go unnoticed")
    if len(functions) < 80:
        found.append("only %d functions in the headers" % len(functions))
    print("\n".join(found) or "%d functions" % len(functions))
    sys.exit(bool(found))


main()
