#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs a conformance runner on files that are wrong, and judges what it says.

    planted.py RUNNER [ARGUMENT...]

Each file of planted/, beside this program, says in comments at its top which line
is wrong and how many runs pass all the same; see README.md.
"""

import pathlib
import re
import subprocess
import sys

FOLDER = pathlib.Path(__file__).absolute().parent / "planted"


def said(text: str, what: str) -> int:
    """The number that the comment `# WHAT: NUMBER` of a file says."""
    found = re.search(rf"^# {what}: (\d+)$", text, re.MULTILINE)
    if not found:
        raise ValueError(f"no comment `# {what}: NUMBER`")
    return int(found.group(1))


def judge(path: pathlib.Path, run: "subprocess.CompletedProcess[str]") -> str:
    """What is wrong with how a runner took a planted file; empty: nothing."""
    text = path.read_text(encoding="utf-8")
    line, passed = said(text, "wrong"), said(text, "passed")
    places = set(re.findall(rf"^{re.escape(str(path))}:(\d+): ", run.stderr, re.M))
    if places != {str(line)}:
        return f"line {line} is wrong, reported: {sorted(places) or 'none'}"
    last = run.stdout.splitlines()[-1:] or [""]
    counts = re.fullmatch(r"(\d+) passed, (\d+) failed", last[0])
    if not counts:
        return "the last line is not `N passed, N failed`"
    if int(counts.group(1)) != passed:
        return f"{passed} runs pass, counted: {counts.group(1)}"
    if int(counts.group(2)) == 0:
        return "no failure counted"
    if run.returncode != 1:
        return f"it exits with {run.returncode}"
    return ""


def main() -> int:
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    files = sorted(FOLDER.glob("*.txt"))
    faults = 0
    for path in files:
        run = subprocess.run(
            sys.argv[1:] + [str(path)], capture_output=True, text=True, check=False
        )
        fault = judge(path, run)
        if fault:
            faults += 1
            print(f"{path.name}: {fault}\n{run.stderr}{run.stdout}")
    print(f"{len(files) - faults} of {len(files)} planted files found out")
    return 1 if faults or not files else 0


if __name__ == "__main__":
    sys.exit(main())
