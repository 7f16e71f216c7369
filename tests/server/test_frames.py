"""The incoming stream is cut into the same messages however it is split,
and bad lengths are refused at once."""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from skerry_engine.errors import ProtocolViolation
from skerry_server.protocol.frames import NEED_DATA, FrameReader


def read_all(reader: FrameReader) -> list[tuple[int, bytes]]:
    found = []
    while (kind := reader.next_frame()) != NEED_DATA:
        found.append((kind, reader.body))
    return found


messages = st.lists(st.tuples(st.sampled_from("QPBDECSHdcf"), st.binary(max_size=200)), max_size=8)


@given(messages=messages, cuts=st.lists(st.integers(0, 2000), max_size=10), lazy=st.booleans())
def test_any_split_gives_the_same_messages(
    wire: Any, messages: list[tuple[str, bytes]], cuts: list[int], lazy: bool
) -> None:
    stream = b"".join(wire.message(kind, body) for kind, body in messages)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    reader = FrameReader()
    found = []
    for start, end in pairwise(places):
        reader.receive(stream[start:end])
        if not lazy:
            found += read_all(reader)
    found += read_all(reader)
    assert found == [(ord(kind), body) for kind, body in messages]
    assert reader.buffered_bytes() == 0


def test_input_that_waits_behind_a_once_incomplete_message_is_not_collected() -> None:
    reader = FrameReader()
    big = b"Q" + struct.pack(">I", 1004) + b"x" * 1000
    reader.receive(big[:100])
    assert reader.next_frame() == NEED_DATA
    reader.receive(big[100:] + b"S\0\0")
    assert reader.next_frame() == ord("Q")
    reader.receive(b"\0\x04S\0\0\0\x04")  # nobody asked in between
    assert read_all(reader) == [(ord("S"), b""), (ord("S"), b"")]


def test_a_large_message_in_many_chunks_is_joined_once() -> None:
    reader = FrameReader()
    body = bytes(range(256)) * 40_000
    stream = b"d" + struct.pack(">I", len(body) + 4) + body
    for start in range(0, len(stream), 65536):
        reader.receive(stream[start : start + 65536])
        if start + 65536 < len(stream):
            assert reader.next_frame() == NEED_DATA
    assert reader.next_frame() == ord("d")
    assert reader.body == body


@pytest.mark.parametrize("length", [0, 3, 0x7FFF_FFFF, 0xFFFF_FFFF])
def test_a_length_out_of_bounds_is_a_violation(length: int) -> None:
    reader = FrameReader()
    reader.receive(b"Q" + struct.pack(">I", length))
    with pytest.raises(ProtocolViolation, match="invalid message length"):
        reader.next_frame()


def test_small_messages_have_a_small_limit() -> None:
    reader = FrameReader()
    reader.receive(b"S" + struct.pack(">I", 10_001))
    with pytest.raises(ProtocolViolation, match="invalid message length"):
        reader.next_frame()


def test_an_unknown_kind_is_refused_by_its_first_byte() -> None:
    reader = FrameReader()
    reader.receive(b"?")
    with pytest.raises(ProtocolViolation, match="invalid frontend message type 63"):
        reader.next_frame()


def test_copy_data_is_taken_in_bulk_up_to_the_next_other_message(wire: Any) -> None:
    reader = FrameReader()
    reader.receive(wire.message("d", b"one") + wire.message("d", b"two") + wire.message("c") + b"d\0")
    assert reader.take_copy_data(1000) == b"onetwo"
    assert reader.take_copy_data(1000) == b""
    assert reader.next_frame() == ord("c")
    assert reader.take_copy_data(1000) == b""
    assert reader.next_frame() == NEED_DATA


@given(
    sizes=st.lists(st.sampled_from([0, 3, 50, 4000]), min_size=1, max_size=8),
    cuts=st.lists(st.integers(0, 9000), max_size=8),
    looks=st.lists(st.booleans(), min_size=1, max_size=8),
)
@example(sizes=[4000, 50, 3], cuts=[100, 4020], looks=[True, False])
def test_copy_data_of_any_sizes_arrives_whole(
    wire: Any, sizes: list[int], cuts: list[int], looks: list[bool]
) -> None:
    """Also where data comes in between what is taken in bulk and the next look for a message: what was needed for a
    message that is gone is needed no more."""
    stream = b"".join(
        [wire.message("d", bytes([65 + n]) * size) for n, size in enumerate(sizes)]
    ) + wire.message("c")
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    reader = FrameReader()
    taken, kinds = b"", []
    for number, (begin, end) in enumerate(pairwise(places)):
        reader.receive(stream[begin:end])
        taken += reader.take_copy_data(1_000_000)
        if looks[number % len(looks)]:
            while (kind := reader.next_frame()) != NEED_DATA:
                kinds.append(kind)
                taken += reader.body
    taken += reader.take_copy_data(1_000_000)
    while (kind := reader.next_frame()) != NEED_DATA:
        kinds.append(kind)
        taken += reader.body
    assert taken == b"".join([bytes([65 + n]) * size for n, size in enumerate(sizes)])
    assert kinds and kinds[-1] == ord("c") and reader.buffered_bytes() == 0


def test_bulk_copy_data_is_bounded(wire: Any) -> None:
    reader = FrameReader()
    reader.receive(wire.message("d", b"x" * 10) * 10)
    assert len(reader.take_copy_data(25)) == 30
