#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs a conformance runner on cases each of which has one result changed.

    altered.py RUNNER [ARGUMENT...]

In a first round the first result of every case of cases/*.txt is changed, in the
next the second, until each result was: a value becomes another, a result without
value another error. The runner has to report just these lines, and to pass only the
cases that have no more results.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

FOLDER = pathlib.Path(__file__).absolute().parent / "cases"


def changed(line: str) -> str:
    """The line with another last value, or another result."""
    before, last = line.rsplit(" ", 1)
    key, equals, value = last.partition("=")
    if not equals:
        return before + " EPERM"
    return f"{before} {key}=" + (
        str(int(value) + 1) if value.isdigit() else value + "x"
    )


def alter(text: str, which: int) -> tuple[str, set[str], int]:
    """The text with result number @which of each case changed.

    Also the numbers of these lines, and how many runs have none.
    """
    lines = text.split("\n")
    places = set()
    left = runs = count = 0
    for i, line in enumerate(lines):
        if line.startswith("case ") or line.startswith("end "):
            left += runs
            stores = re.search(" stores=(.*)", line)
            runs = len(stores.group(1).split(",")) if stores else 3
            count = 0
        elif " -> " in line and not line.startswith("#"):
            if count == which:
                lines[i] = changed(line)
                places.add(str(i + 1))
                runs = 0
            count += 1
    return "\n".join(lines), places, left


def main() -> int:
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    texts = {path.name: path.read_text("utf-8") for path in FOLDER.glob("*.txt")}
    altered = faults = which = 0
    with tempfile.TemporaryDirectory() as directory:
        while True:
            paths, places, left = [], set(), 0
            for name, text in texts.items():
                path = str(pathlib.Path(directory) / name)
                text, lines, more = alter(text, which)
                pathlib.Path(path).write_text(text, "utf-8")
                paths.append(path)
                places |= {f"{path}:{line}" for line in lines}
                left += more
            if not places:
                break
            run = subprocess.run(
                sys.argv[1:] + paths, capture_output=True, text=True, check=False
            )
            found = set(re.findall(r"^(\S+:\d+): ", run.stderr, re.M))
            counts = re.search(r"^(\d+) passed, \d+ failed\s*\Z", run.stdout, re.M)
            for place in sorted(places ^ found):
                print(f"{place}: {'unnoticed' if place in places else 'not changed'}")
            if not counts or int(counts.group(1)) != left or run.returncode != 1:
                print(f"{left} runs are unchanged: {run.stdout}{run.returncode}")
                faults += 1
            faults += len(places ^ found)
            altered += len(places)
            which += 1
    print(f"{altered} changed results, {faults} faults")
    return 1 if faults or not altered else 0


if __name__ == "__main__":
    sys.exit(main())
