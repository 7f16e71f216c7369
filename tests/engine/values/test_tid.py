"""tid: a block's number and a place in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skerry_engine.errors import InvalidBinaryRepresentation, InvalidTextRepresentation
from skerry_engine.values.reg import pack_tid, read_tid, unpack_tid


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**16 - 1))
def test_every_tid_goes_round(block: int, place: int) -> None:
    value = read_tid(f" ({block},{place})")
    assert unpack_tid(pack_tid(value)) == value == f"({block},{place})"


@pytest.mark.parametrize("text", ["", "(1)", "(4294967296,1)", "(1,65536)", "(-1,1)", "1,2"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidTextRepresentation):
        read_tid(text)


def test_binary_of_another_length_is_refused() -> None:
    with pytest.raises(InvalidBinaryRepresentation):
        unpack_tid(b"\0" * 5)
