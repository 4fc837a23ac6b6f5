# SPDX-License-Identifier: MIT
"""The extension, for one stable ABI, with the library inside; see pyproject.toml."""

import glob
import os
import re

from setuptools import Extension, setup

HERE = os.path.dirname(os.path.abspath(__file__))


def version():
    """The library's, which stands in its header and nowhere else."""
    with open(os.path.join(HERE, "vendor", "ioasid.h"), encoding="utf-8") as header:
        return re.search(r'^#define IOASID_VERSION "(.*)"$', header.read(), re.M)[1]


def extension():
    macros = [("Py_LIMITED_API", "0x030b0000")]
    if os.environ.get("IOASID_BENCH"):
        macros.append(("IOASID_BENCH", None))
    return Extension(
        "ioasid._ioasid",
        sources=sorted(glob.glob("src/native/*.c")) + ["vendor/ioasid.c"],
        depends=["src/native/module.h", "vendor/ioasid.h"],
        include_dirs=["vendor"],
        define_macros=macros,
        extra_compile_args=["-std=c11", "-fvisibility=hidden"]
        + os.environ.get("IOASID_CFLAGS", "").split(),
        libraries=["pthread"],
        py_limited_api=True,
    )


setup(
    version=version(),
    ext_modules=[extension()],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
