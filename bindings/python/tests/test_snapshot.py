# SPDX-License-Identifier: MIT
"""Snapshots with codecs of the user's functions."""

import struct
import threading

import pytest

import ioasid


@pytest.fixture
def filled(space):
    tenant = space.create_set("tenant", token="t", quota=9, reserved=2)
    space.alloc("one")
    space.spid_attach(tenant.alloc("two"), 77)
    space.alloc(None)
    space.reserve(1)
    return space


CODE = {"one": 1, "two": 2**64 - 1, "t": 3}
BACK = {number: text for text, number in CODE.items()}


def save(space):
    return space.snapshot(lambda id, obj: CODE[obj], CODE.__getitem__)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_round_trip(filled, store, kind):
    handles = [filled.handle(id) for id in filled]
    saved = save(filled)
    with ioasid.Space(1, 100, store=store) as other:
        other.restore(kind(saved), lambda id, number: BACK[number], BACK.__getitem__)
        assert list(other.items()) == list(filled.items())
        tenant = other.set_by_token("t")
        assert tenant.stats() == ("tenant", "t", 9, 2, 1, 1)
        assert other.spid_find(tenant, 77) == (2, "two") and other.sets() == [tenant]
        assert [other.handle(id) for id in other] == handles
        assert other.stats().reserved == 1 and save(other) == saved
        assert other.validate() is None


def test_without_codec(filled, store):
    with ioasid.Space(1, 100, store=store) as other:
        other.restore(filled.snapshot())
        assert list(other.items()) == [(1, None), (2, None), (3, None)]
        assert other.sets()[0].token is None


def test_what_a_codec_raises(filled, store):
    for wrong in ("x", -1, 2**64, None):
        with pytest.raises((TypeError, OverflowError)):
            filled.snapshot(lambda id, obj: wrong)
    with pytest.raises(ValueError, match="'one' is encoded as 0"):
        filled.snapshot(lambda id, obj: 0)
    with pytest.raises(ZeroDivisionError):
        filled.snapshot(None, lambda token: 1 // 0)
    saved = save(filled)
    with ioasid.Space(1, 100, store=store) as other:
        with pytest.raises(ZeroDivisionError):
            other.restore(saved, lambda id, number: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            other.restore(saved, None, lambda number: 1 // 0)
        with pytest.raises(TypeError):
            other.restore(saved, None, lambda number: [])
        with pytest.raises(TypeError):
            other.restore("text")
        assert not len(other) and other.sets() == []
        other.restore(saved, None, lambda number: "t")


def checked(body):
    """A snapshot with its CRC-32C made right."""
    data = body[:12] + body[16:]
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return body[:12] + struct.pack("<I", crc ^ 0xFFFFFFFF) + body[16:]


def refused(cls, space, saved):
    with pytest.raises(ioasid.IoasidError) as caught:
        space.restore(saved, lambda id, number: number, lambda number: number)
    assert type(caught.value) is cls
    assert space.sets() == [] or cls is ioasid.Busy


def test_refused(filled, store):
    saved = save(filled)
    assert checked(saved) == saved
    refused(ioasid.Busy, filled, saved)
    with ioasid.Space(1, 100, store=store) as other:
        refused(ioasid.BadSnapshot, other, b"")
        for at in range(0, len(saved), 7):
            damaged = bytearray(saved)
            damaged[at] ^= 1
            refused(ioasid.BadSnapshot, other, damaged)
            refused(ioasid.BadSnapshot, other, saved[:at])
        newer = checked(saved[:8] + b"\2" + saved[9:])
        refused(ioasid.NewerSnapshot, other, newer)
        flags = len(saved) - 4
        allocator = checked(saved[:flags] + b"\2" + saved[flags + 1 :])
        refused(ioasid.NoAllocator, other, allocator)
        assert len(other) == 0 and other.validate() is None
    with ioasid.Space(50, 100, store=store) as other:
        refused(ioasid.OutOfRange, other, saved)
    with ioasid.Space(1, 100, store=store, capacity=2) as other:
        refused(ioasid.NoSpace, other, saved)
    with ioasid.Space(1, 100, store=store) as twice, ioasid.Space(1, 100) as other:
        twice.create_set(token=1), twice.create_set(token=2)
        saved = twice.snapshot(None, lambda token: token)
        with pytest.raises(ioasid.Exists):
            other.restore(saved, None, lambda number: "same")
        assert other.sets() == []
        with pytest.raises(ioasid.NotFound):
            other.set_by_token("same")


def test_codecs_call_the_space(filled, store):
    """What a codec changes meanwhile is asked for as well."""
    added = []

    def encode(id, obj):
        if len(added) < 5:
            added.append(filled.alloc("one"))
        return CODE[obj]

    saved = filled.snapshot(encode)
    with ioasid.Space(1, 100, store=store) as other:

        def decode(id, number):
            with pytest.raises(ioasid.WouldDeadlock):
                other.close()
            return id

        other.restore(saved, decode)
        assert set(added) <= set(other) and other.find(added[0]) == added[0]
        other.free_all()
    with ioasid.Space(1, 100, store=store) as other:
        with pytest.raises(ioasid.Busy):
            other.restore(saved, lambda id, number: other.alloc("x"))


def test_codecs_beside_threads(filled):
    """Another thread takes the lock while a codec runs; nobody waits for ever."""
    ran = threading.Event()

    def other():
        filled.free(filled.alloc("one"))
        ran.set()

    def encode(id, obj):
        thread = threading.Thread(target=other)
        thread.start()
        assert ran.wait(10)
        thread.join()
        return CODE[obj]

    filled.snapshot(encode)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_name_that_is_not_utf8(store):
    """A program in C may have given its set any bytes for a name."""
    with ioasid.Space(1, 10, store=store) as space:
        space.create_set("name")
        data = bytearray(space.snapshot())
    data[data.index(b"name")] = 0xFF
    data[12:16] = crc32c(data[:12] + data[16:]).to_bytes(4, "little")
    with ioasid.Space(1, 10, store=store) as space:
        space.restore(data)
        assert space.sets()[0].stats().name == "\ufffdame"
        assert "ame" in space.dump()
