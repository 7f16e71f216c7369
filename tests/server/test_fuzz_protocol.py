"""Garbage, truncated, oversized, out of order: a clean error or a closed connection, never anything else."""

from __future__ import annotations

import random
import struct
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

KINDS = "QPBDECSHXdcfFp?"
COMMANDS = [
    "select 1",
    "rows 3",
    "bits",
    "fail",
    "crash",
    "begin",
    "commit",
    "copy in",
    "copy out",
    "notice",
    "argument",
    "",
    "nonsense",
    "select 1; copy in; fail",
]

junk = st.binary(max_size=40)
text = st.sampled_from(COMMANDS)
name = st.sampled_from(["", "a", "é"])
codes = st.lists(st.integers(-1, 2), max_size=3)
values = st.lists(st.none() | junk, max_size=3)


def well_formed(wire: Any) -> st.SearchStrategy[bytes]:
    return st.one_of(
        text.map(wire.query),
        st.builds(wire.parse, text, name),
        st.builds(wire.bind, name, name, values, codes, codes),
        st.builds(wire.execute, name, st.integers(0, 3)),
        st.builds(wire.describe, st.sampled_from("SP"), name),
        st.builds(wire.close, st.sampled_from("SP"), name),
        st.just(wire.SYNC),
        st.just(wire.FLUSH),
        st.just(wire.message("d", b"1\tx\n")),
        st.just(wire.message("c")),
        st.just(wire.message("f", b"no\0")),
    )


def malformed(wire: Any) -> st.SearchStrategy[bytes]:
    return st.one_of(
        junk,
        st.builds(wire.message, st.sampled_from(KINDS), junk),
        st.builds(
            lambda kind, size: kind.encode() + struct.pack(">I", size),
            st.sampled_from(KINDS),
            st.integers(0, 2**32 - 1),
        ),
    )


def check_answers(wire: Any, output: bytes) -> None:
    """What came back is whole messages, and errors have a state and no traceback."""
    for kind, body in wire.split(output):
        assert kind in "TDCIZESNHGdc123ntsA"
        if kind == "E":
            fields = wire.fields(body)
            assert fields["S"] in ("ERROR", "FATAL")
            assert len(fields["C"]) == 5
            assert "Traceback" not in fields["M"]
            assert "secret" not in fields["M"]


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_anything_after_start_up(wire: Any, data: st.DataObject) -> None:
    stream = b"".join(data.draw(st.lists(well_formed(wire) | malformed(wire), max_size=12)))
    talk = wire.Talk()
    output = talk.raw(stream)
    check_answers(wire, output)
    assert all(isinstance(fault, ValueError) and "secret" in str(fault) for fault in talk.host.faults)
    if talk.outcome == 3:
        assert talk.session.closes == 1
    else:
        assert talk.outcome == 0
        assert_alive(wire, talk)


def assert_alive(wire: Any, talk: Any) -> None:
    """A conversation that goes on can be brought back to order (unless it is in the middle of a message)."""
    if talk.backend.buffered_bytes():
        return
    talk.raw(wire.message("c") * 3 + wire.SYNC)
    kinds = talk.kinds(wire.SYNC, wire.query("rollback"), wire.query("select 1"))
    assert kinds.endswith("ZCZTDCZ"), kinds


@given(st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_anything_instead_of_start_up(wire: Any, stream: bytes) -> None:
    talk = wire.Talk(started=False)
    output = talk.raw(stream)
    assert talk.outcome in (0, 3)
    check_answers(wire, output.lstrip(b"N"))
    assert talk.host.faults == []


@given(st.data(), st.lists(st.integers(1, 30), min_size=1, max_size=30))
@settings(max_examples=200, deadline=None)
def test_the_split_of_the_stream_does_not_matter(wire: Any, data: st.DataObject, sizes: list[int]) -> None:
    stream = b"".join(data.draw(st.lists(well_formed(wire) | malformed(wire), max_size=10)))
    whole = wire.Talk()
    expected = whole.raw(stream)
    split = wire.Talk()
    output, position, turn = b"", 0, 0
    while position < len(stream):
        size = sizes[turn % len(sizes)]
        output += split.raw(stream[position : position + size])
        position += size
        turn += 1
    expected += whole.backend.take_output(2)
    output += split.backend.take_output(2)
    assert output == expected
    assert split.backend.state == whole.backend.state


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_every_query_and_sync_that_is_taken_is_answered_once(wire: Any, data: st.DataObject) -> None:
    no_copy = text.filter(lambda command: "copy" not in command)
    steps = data.draw(
        st.lists(
            st.one_of(
                no_copy.map(lambda command: ("Q", wire.query(command))),
                no_copy.map(lambda command: ("P", wire.parse(command))),
                st.just(("B", wire.bind())),
                st.just(("E", wire.execute())),
                st.just(("S", wire.SYNC)),
            ),
            max_size=15,
        )
    )
    talk = wire.Talk()
    for kind, message in steps:
        skipping = talk.backend.state == 2
        kinds = talk.kinds(message + wire.FLUSH)
        expected = 1 if kind == "S" or (kind == "Q" and not skipping) else 0
        assert kinds.count("Z") == expected
        assert not (skipping and kind != "S" and kinds), "an answer while skipping"


def test_garbage_on_many_sockets_hurts_no_neighbour(live: Any, wire: Any) -> None:
    chance = random.Random(7)
    good = live.client()
    for _ in range(60):
        bad = live.raw_client()
        if chance.random() < 0.5:
            bad.start()
        pieces = [
            wire.query("select 1"),
            wire.parse("fail"),
            wire.bind(),
            wire.execute(),
            b"Q\0\0\0\x09junk\0",
        ]
        stream = bytearray(b"".join(chance.choices(pieces, k=chance.randrange(6))) + chance.randbytes(30))
        if stream:
            stream[chance.randrange(len(stream))] ^= 1 << chance.randrange(8)
        try:
            bad.send(bytes(stream))
        except OSError:
            pass
        bad.close()
        assert good.kinds(wire.query("select 1")) == "TDCZ"
    assert live.eventually(lambda: len(live.server._members) == 1)
