# SPDX-License-Identifier: MIT
"""The cases that every binding runs, and files that a runner must find wrong."""

import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
RUNNER = [sys.executable, str(HERE / "conformance.py")]
CASES = HERE.parent / "conformance"


def run(*arguments):
    return subprocess.run(arguments, capture_output=True, text=True, timeout=300)


def test_cases():
    files = sorted(map(str, CASES.glob("*.txt")))
    assert files
    done = run(*RUNNER, *files)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(" passed, 0 failed\n") and not done.stderr


def test_planted():
    done = run(sys.executable, str(CASES / "planted.py"), *RUNNER)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_files():
    assert run(*RUNNER).returncode not in (0, 1)
