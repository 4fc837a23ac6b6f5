# SPDX-License-Identifier: MIT
"""What the package says of itself: version, documentation, examples."""

import errno
import inspect
import pathlib
import pydoc
import re
import subprocess
import sys
from importlib import metadata

import dist
import pytest

import ioasid

HERE = pathlib.Path(__file__).parent.parent
EXAMPLES = sorted((HERE / "examples").glob("*.py"))


def test_version():
    """One version: the library's."""
    header = (HERE / "vendor" / "ioasid.h").read_text(encoding="utf-8")
    version = re.search(r'^#define IOASID_VERSION "(.*)"$', header, re.M)[1]
    assert ioasid.__version__ == metadata.version("ioasid") == version


def test_what_is_installed_is_tested():
    assert "site-packages" in ioasid.__file__


def public():
    """Every public name: what it is and how it is called."""
    for name in ioasid.__all__:
        value = getattr(ioasid, name)
        yield name, value
        if inspect.isclass(value) and not issubclass(value, (OSError, tuple, int)):
            for member, inner in vars(value).items():
                if not member.startswith("_") or member in ("__enter__", "__exit__"):
                    yield f"{name}.{member}", inner


def undocumented(names):
    return [
        name
        for name, value in names
        if not isinstance(value, (int, str)) and not inspect.getdoc(value)
    ]


def test_every_public_name_is_documented():
    names = dict(public())
    assert len(names) > 100 and "Space.alloc" in names
    assert not undocumented(names.items())


def test_signatures_are_known():
    for name, value in public():
        if inspect.ismethoddescriptor(value) and callable(value):
            assert inspect.signature(value), name


def test_what_is_undocumented_is_found():
    def nameless():
        pass

    assert undocumented([("nameless", nameless)]) == ["nameless"]


def test_pydoc():
    text = pydoc.plain(pydoc.render_doc(ioasid))
    for name in ("Space", "Set", "NotFound", "alloc(self, /, obj, *, min=None"):
        assert name in text
    assert pydoc.html.document(ioasid)


def test_errors_are_documented():
    """The words of a class begin with the errno that it has."""
    for name in ioasid.__all__:
        value = getattr(ioasid, name)
        if inspect.isclass(value) and issubclass(value, ioasid.IoasidError):
            if value is not ioasid.IoasidError:
                code = value.__doc__.partition(":")[0]
                assert getattr(errno, code) == value.number


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples(example):
    done = subprocess.run(
        [sys.executable, "-X", "dev", str(example)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    wanted = re.findall(r"^# prints: (.*)$", example.read_text(encoding="utf-8"), re.M)
    assert wanted and done.stdout.splitlines() == wanted


def test_there_are_examples():
    assert EXAMPLES


def test_readme_runs(tmp_path):
    """The code of the README."""
    text = (HERE / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    assert blocks and len(text.splitlines()) <= 80
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})


def test_what_a_distribution_lacks_is_found():
    names = [name.replace("*", "0.2.0") for name in dist.WHEEL]
    assert not dist.lacks(names, dist.WHEEL)
    for name in names:
        assert dist.lacks([other for other in names if other != name], dist.WHEEL)
    assert dist.lacks(names + ["vendor/ioasid.c"], dist.WHEEL, whole=True)
