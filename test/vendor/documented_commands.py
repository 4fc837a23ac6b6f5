#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs every command of a document, section by section.

    documented_commands.py [--only TEXT] [DOCUMENT]    docs/vendoring.md
    documented_commands.py --self-test

Each section (a heading of level 2) has an empty directory of its own, in which
IOASID is the path of a copy of the repository. A block after a line that ends
with a file's name in backticks and a colon becomes that file; a block of the
language "sh" is run; others are for reading. A section of which one command
fails has failed; a section without commands is not counted.
"""

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BLOCK = re.compile(r"(?:^[^\n]*`(?P<name>[\w./-]+)`:\n\n)?"
                   r"^```(?P<language>\w*)\n(?P<text>.*?)^```$",
                   re.M | re.S)


def sections(document):
    """Heading and steps of each section; a step is (file or None, text)."""
    for part in re.split(r"^## ", document, flags=re.M)[1:]:
        heading, body = part.split("\n", 1)
        steps = []
        for block in BLOCK.finditer(body):
            if block["name"]:
                steps.append((block["name"], block["text"]))
            elif block["language"] == "sh":
                steps.append((None, block["text"]))
        if any(name is None for name, _ in steps):
            yield heading, steps


def clone(to):
    """What a clone of the repository has: no caches, no builds."""
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"],
                            capture_output=True, text=True)
    names = listed.stdout.split("\0") if listed.returncode == 0 else [
        os.path.relpath(os.path.join(folder, name), ROOT)
        for folder, _, files in os.walk(ROOT) for name in files]
    for name in filter(None, names):
        source = os.path.join(ROOT, name)
        if os.path.isfile(source):
            os.makedirs(os.path.dirname(os.path.join(to, name)), exist_ok=True)
            shutil.copy2(source, os.path.join(to, name))


def run(steps, directory, repository):
    """None, or what the first command that failed printed."""
    environment = dict(os.environ, IOASID=repository)
    for name, text in steps:
        if name:
            path = os.path.join(directory, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            continue
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", text],
                              cwd=directory, env=environment, text=True,
                              stdin=subprocess.DEVNULL, errors="replace",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            return "%s\n%s(exit status %d)" % (text, done.stdout,
                                               done.returncode)
    return None


def check(document, only=""):
    """Number of sections run, and of those that failed."""
    count = failed = 0
    with tempfile.TemporaryDirectory() as top:
        repository = os.path.join(top, "ioasid")
        clone(repository)
        for heading, steps in sections(document):
            if only not in heading:
                continue
            count += 1
            directory = os.path.join(top, "section-%d" % count)
            os.mkdir(directory)
            start = time.monotonic()
            complaint = run(steps, directory, repository)
            print("%-6s %4d s  %s" % ("FAILED" if complaint else "ok",
                                      time.monotonic() - start, heading))
            if complaint:
                failed += 1
                print("    " + complaint.replace("\n", "\n    "))
    return count, failed


GOOD = """
## One

Saved as `sub/a.txt`:

```
text
```

```sh
grep -q text sub/a.txt
test -f "$IOASID/LICENSE"
```

## Nothing to run

```c
int x;
```
"""


def self_test():
    """Whether a failing command, and a missing file, are noticed."""
    bad = [GOOD.replace("grep -q text", "grep -q other"),
           GOOD.replace("`sub/a.txt`", "sub/a.txt"),
           GOOD.replace("test -f", "false; test -f")]
    with contextlib.redirect_stdout(io.StringIO()):
        return check(GOOD) == (1, 0) and all(check(one) == (1, 1)
                                             for one in bad)


def main(arguments):
    """Exit status."""
    if arguments == ["--self-test"]:
        return not self_test()
    only = ""
    if arguments[:1] == ["--only"]:
        only, arguments = arguments[1], arguments[2:]
    path = arguments[0] if arguments else os.path.join(ROOT, "docs",
                                                       "vendoring.md")
    with open(path, encoding="utf-8") as file:
        count, failed = check(file.read(), only)
    print("%d sections, %d failed" % (count, failed))
    return failed != 0 or count == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
