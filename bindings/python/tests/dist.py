#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""dist.py DIRECTORY: does it have one sdist and one wheel, with all that they need?"""

import fnmatch
import pathlib
import sys
import tarfile
import zipfile

SDIST = [
    "LICENSE",
    "PKG-INFO",
    "README.md",
    "bench.py",
    "conformance/basics.txt",
    "conformance/planted.py",
    "conformance/planted/wrong_value.txt",
    "examples/tenants.py",
    "pyproject.toml",
    "setup.py",
    "src/ioasid/__init__.py",
    "src/ioasid/_ioasid.pyi",
    "src/ioasid/_types.py",
    "src/ioasid/py.typed",
    "src/native/module.c",
    "src/native/module.h",
    "tests/conformance.py",
    "vendor/ioasid.c",
    "vendor/ioasid.h",
]
WHEEL = [
    "ioasid-*.dist-info/LICENSE",
    "ioasid-*.dist-info/METADATA",
    "ioasid-*.dist-info/RECORD",
    "ioasid-*.dist-info/WHEEL",
    "ioasid-*.dist-info/top_level.txt",
    "ioasid/__init__.py",
    "ioasid/_ioasid.abi3.so",
    "ioasid/_ioasid.pyi",
    "ioasid/_types.py",
    "ioasid/py.typed",
]


def lacks(names, wanted, whole=False):
    """What is not there; with whole, what is there and is not wanted too."""
    faults = [
        f"no {pattern}" for pattern in wanted if not fnmatch.filter(names, pattern)
    ]
    if whole:
        for name in names:
            if not any(fnmatch.fnmatch(name, pattern) for pattern in wanted):
                faults.append(f"{name}, which nobody asked for")
    return faults


def main(directory):
    folder = pathlib.Path(directory)
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    faults = []
    if "-cp311-abi3-" not in wheel.name:
        faults.append(f"{wheel.name} is not tagged cp311-abi3")
    with zipfile.ZipFile(wheel) as archive:
        faults += lacks(archive.namelist(), WHEEL, whole=True)
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    faults += lacks(names, SDIST)
    for fault in faults:
        print(fault, file=sys.stderr)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
