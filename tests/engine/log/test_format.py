"""Which bytes are a group: only those that were written for this place of this log."""

from __future__ import annotations

import pytest

from skerry_engine.log.format import (
    GROUP_HEADER_BYTES,
    GroupHeader,
    Record,
    body_fits,
    cluster_seed,
    group_at,
    next_group,
    pack_group_header,
    records_between,
    segment_name,
    segment_number,
    spare_name,
    spare_number,
    unfinished_name,
)

SEED = cluster_seed(bytes(range(16)))
HEADER = GroupHeader(7, 100, 41, 40, 1234, 0, 0, 0)


def placed(header: GroupHeader, offset: int = 100) -> bytes:
    return bytes(offset) + pack_group_header(header, SEED) + bytes(10)


def test_a_group_stands_where_it_was_written() -> None:
    data = placed(HEADER)
    assert group_at(data, 100, 7, SEED) == HEADER
    assert next_group(data, 0, 7, SEED) == HEADER
    assert next_group(data, 101, 7, SEED) is None
    assert group_at(data, 99, 7, SEED) is None


@pytest.mark.parametrize("other", [HEADER._replace(segment=6), HEADER._replace(offset=164)])
def test_a_group_of_another_place_is_none(other: GroupHeader) -> None:
    """What a recycled file holds has the right checksum, and is not looked at."""
    assert group_at(placed(other), 100, 7, SEED) is None
    assert next_group(placed(other), 0, 7, SEED) is None


def test_a_group_of_another_cluster_is_none() -> None:
    assert group_at(placed(HEADER), 100, 7, cluster_seed(bytes(16))) is None


def test_a_header_that_is_cut_short_is_none() -> None:
    data = placed(HEADER)
    for end in range(100, 100 + GROUP_HEADER_BYTES):
        assert group_at(data[:end], 100, 7, SEED) is None
        assert next_group(data[:end], 0, 7, SEED) is None


def test_a_body_beyond_the_end_does_not_fit() -> None:
    assert body_fits(placed(HEADER), HEADER)
    assert not body_fits(placed(HEADER), HEADER._replace(size=11))
    assert not body_fits(placed(HEADER), HEADER._replace(size=1 << 63))


def test_what_is_no_sequence_of_records_is_refused() -> None:
    whole = b"\0\0\0\x03\x07" + (9).to_bytes(8, "big") + b"abc"
    assert list(records_between(whole + whole, 0, 32)) == [Record(7, 9, b"abc")] * 2
    assert list(records_between(whole, 0, 0)) == []
    for end in range(1, 16):
        with pytest.raises(ValueError, match="cut short"):
            list(records_between(whole, 0, end))


def test_names() -> None:
    for number in (1, 12345678, 123456789):
        assert segment_number(segment_name(number).removeprefix("log/")) == number
        assert spare_number(spare_name(number).removeprefix("log/")) == number
        assert spare_number(unfinished_name(number).removeprefix("log/")) == number
    for name in ("1.log", "00000001.log.bak", "x00000001.log", "00000001.spare", "00000001.new"):
        assert segment_number(name) is None
    for name in ("00000001.log", "00000001.spare2", "1.new"):
        assert spare_number(name) is None
