#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every error that a header names for a call of the format has a case.

    errors_test.py [HEADER...]

The tables of README.md, "Errors", say which case has it, or why there is none;
both are held against the headers and the cases. Then each row in turn is left out,
and each case taken for another, which has to be noticed.
"""

import pathlib
import re
import sys

FOLDER = pathlib.Path(__file__).absolute().parent
HEADERS = FOLDER.parent.parent / "include" / "ioasid"


def returns(paths):
    """What the headers say that each function returns."""
    found = {}
    for path in paths:
        text = path.read_text(encoding="utf-8")
        for name, body in re.findall(r"/\*\*\n \* (\w+) - (.*?)\*/", text, re.S):
            match = re.search(
                r"\n \* Return:(.*?)(?=\n \* (?:Ownership|Complexity):|$)", body, re.S
            )
            if match:
                found[name] = re.sub(r"\s*\n \* ?", " ", match.group(1))
    return found


def errors_of(function, of):
    """The errors of a function, and of those that it answers like."""
    errors = set(re.findall(r"-(E[A-Z0-9]+)", of[function]))
    for item in re.split("[;.]", of[function]):
        like = re.fullmatch(r"\s*as for (ioasid_\w+)\(\)\s*", item)
        if like:
            errors |= errors_of(like.group(1), of)
    return errors


def rows(text, columns):
    """The rows of tables of so many columns, without the backticks."""
    lines = re.findall(r"^\|(.*)\|$", text, re.M)
    cells = [[c.strip().replace("`", "") for c in line.split("|")] for line in lines]
    return [row for row in cells if len(row) == columns and not row[0].startswith("-")]


def case_lines(folder):
    """The lines of every case, by FILE/NAME."""
    lines = {}
    for path in folder.glob("*.txt"):
        case = []
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("case "):
                case = lines.setdefault(f"{path.stem}/{line.split()[1]}", [])
            elif line and not line.startswith("#"):
                case.append(line)
    return lines


def faults(named, cased, excused, cases):
    """What is missing or wrong: @named by the headers, @cased, @excused."""
    wrong = []
    for call, error, case in cased:
        if not any(
            line.split()[0] == call and line.endswith(f"-> {error}")
            for line in cases.get(case, [])
        ):
            wrong.append(f"{case} has no {call} -> {error}")
    said = [(call, error) for call, error, _ in cased]
    reasons = [(call, error) for error, calls, _ in excused for call in calls.split()]
    for pair in sorted(named - set(said) - set(reasons)):
        wrong.append(f"{pair[0]}: {pair[1]} has no case")
    for pair in said + reasons:
        if pair not in named:
            wrong.append(f"{pair[0]}: {pair[1]} is in no header")
    for pair in sorted(set(said) & set(reasons)):
        wrong.append(f"{pair[0]}: {pair[1]} has a case and an excuse")
    return wrong


def main():
    paths = [pathlib.Path(path) for path in sys.argv[1:]]
    of = returns(
        paths or [HEADERS / f"{name}.h" for name in ("space", "set", "snapshot", "rcu")]
    )
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    calls, table = readme.split("## Lines")[1].split("## Errors")
    named = set()
    for line, call in [row[:2] for row in rows(calls, 3)]:
        function = re.match(r"ioasid_\w+", call)
        if function and function.group() in of:
            op = line.split()[0]
            named |= {(op, error) for error in errors_of(function.group(), of)}
    # The calls stand first in one table, the errors in the other.
    cased = [row for row in rows(table, 3) if re.match("E[A-Z0-9]+$", row[1])]
    excused = [row for row in rows(table, 3) if re.match("E[A-Z0-9]+$", row[0])]
    cases = case_lines(FOLDER / "cases")
    wrong = faults(named, cased, excused, cases)
    print("\n".join(wrong))
    for i, row in enumerate(cased):
        others = cased[:i] + cased[i + 1 :]
        if not faults(named, others, excused, cases):
            wrong.append(f"unnoticed without {row}")
        if not faults(named, others + [[row[0], row[1], "none/none"]], excused, cases):
            wrong.append(f"unnoticed with another case than {row}")
    print(f"{len(named)} errors, {len(cased)} with a case, {len(wrong)} faults")
    return 1 if wrong or not cased else 0


if __name__ == "__main__":
    sys.exit(main())
