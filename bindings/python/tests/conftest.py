# SPDX-License-Identifier: MIT
import pytest

import ioasid


@pytest.fixture(params=["radix", "bitmap", "hash"])
def store(request):
    return request.param


@pytest.fixture
def space(store):
    """A small space, which is whole and closes afterwards."""
    with ioasid.Space(1, 100, store=store) as space:
        yield space
        if not space.closed:
            assert space.validate() is None


class Thing:
    """An object that weak references can watch."""

    def __init__(self, value=0):
        self.value = value


@pytest.fixture
def thing():
    return Thing
