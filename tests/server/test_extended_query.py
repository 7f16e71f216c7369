"""The extended protocol: statements, portals, row limits, pipelines, skipping until Sync."""

from __future__ import annotations

import struct
from typing import Any

import pytest


def test_prepare_bind_describe_execute_sync_byte_by_byte(talk: Any, wire: Any) -> None:
    output = talk.raw(
        wire.parse("select 1", "s") + wire.bind("", "s") + wire.describe("P") + wire.execute() + wire.SYNC
    )
    assert output == (
        b"1\0\0\0\x042\0\0\0\x04"
        b"T\0\0\0\x21\0\x01?column?\0" + bytes(6) + b"\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0"
        b"D\0\0\0\x0b\0\x01\0\0\0\x011"
        b"C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I"
    )
    assert talk.session.syncs == 1


def test_execute_without_describe_still_encodes_rows(talk: Any, wire: Any) -> None:
    data = wire.parse("bits") + wire.bind(result_formats=[1]) + wire.execute() + wire.SYNC
    answer = talk.say(data)
    assert "".join(kind for kind, _ in answer) == "12DCZ"
    assert answer[2][1] == (
        b"\0\x06\0\0\0\x01\x01\0\0\0\x02\xff\xfe\0\0\0\x08\0\0\x01\0\0\0\0\0"
        b"\0\0\0\x08\x3f\xf8\0\0\0\0\0\0\0\0\0\x02\0\xff\xff\xff\xff\xff"
    )


def test_one_format_per_column(talk: Any, wire: Any) -> None:
    answer = talk.say(
        wire.parse("rows 1"), wire.bind(result_formats=[1, 0]), wire.describe("P"), wire.execute(), wire.SYNC
    )
    assert [kind for kind, _ in answer] == ["1", "2", "T", "D", "C", "Z"]
    assert answer[3][1] == b"\0\x02\0\0\0\x04\0\0\0\0\0\0\0\x06name 0"


def test_formats_that_do_not_fit_the_columns_are_an_error(talk: Any, wire: Any) -> None:
    answer = talk.say(
        wire.parse("rows 1"), wire.bind(result_formats=[1, 0, 1]), wire.describe("P"), wire.SYNC
    )
    assert [kind for kind, _ in answer] == ["1", "E", "Z"]
    assert wire.fields(answer[1][1])["M"] == "bind message has 3 result formats but query has 2 columns"


def test_describe_statement(talk: Any, wire: Any) -> None:
    answer = talk.say(wire.parse("select 1", "s", [23, 0]), wire.describe("S", "s"), wire.SYNC)
    assert [kind for kind, _ in answer] == ["1", "t", "T", "Z"]
    assert answer[1][1] == struct.pack(">HII", 2, 23, 0)


def test_what_gives_no_rows_is_described_as_no_data(talk: Any, wire: Any) -> None:
    data = [wire.parse("begin", "s"), wire.bind("", "s"), wire.describe("S", "s"), wire.describe("P")]
    assert talk.kinds(*data, wire.SYNC) == "12tnnZ"


def test_parameters_arrive_as_sent(talk: Any, wire: Any) -> None:
    data = wire.parse("argument") + wire.bind(values=[b"x", None], formats=[0, 1]) + wire.execute()
    answer = talk.say(data + wire.SYNC)
    assert answer[2][1] == b"\0\x01\0\0\0\x01x"
    assert talk.session.parsed_oids == []


def test_a_row_limit_suspends_and_the_portal_goes_on(talk: Any, wire: Any) -> None:
    talk.say(wire.parse("rows 5"), wire.bind("p"), wire.FLUSH)
    assert talk.kinds(wire.execute("p", 2), wire.FLUSH) == "DDs"
    assert talk.kinds(wire.execute("p", 2), wire.FLUSH) == "DDs"
    assert talk.kinds(wire.execute("p", 2), wire.SYNC) == "DCZ"


def test_an_empty_statement(talk: Any, wire: Any) -> None:
    assert talk.kinds(wire.parse(""), wire.bind(), wire.describe("P"), wire.execute(), wire.SYNC) == "12nIZ"


def test_closing_what_does_not_exist_is_no_error(talk: Any, wire: Any) -> None:
    assert talk.kinds(wire.close("S", "x"), wire.close("P", "y"), wire.SYNC) == "33Z"


def test_nothing_is_written_before_flush_or_sync(talk: Any, wire: Any) -> None:
    assert talk.raw(wire.parse("select 1") + wire.bind() + wire.execute()) == b""
    assert talk.kinds(wire.FLUSH) == "12DC"
    assert talk.kinds(wire.SYNC) == "Z"


def test_much_output_is_written_without_being_asked_for(talk: Any, wire: Any) -> None:
    assert talk.kinds(wire.parse("wide 2"), wire.bind(), wire.execute()).startswith("12DD")


@pytest.mark.parametrize(
    "failing",
    [
        lambda wire: wire.parse("syntax"),
        lambda wire: wire.bind("", "no such statement"),
        lambda wire: wire.describe("S", "nothing"),
        lambda wire: wire.execute("nothing"),
        lambda wire: wire.parse("fail") + wire.bind() + wire.execute(),
        lambda wire: wire.message("B", b"\0\0\0"),
        lambda wire: wire.message("D", b"X\0"),
        lambda wire: wire.message("P", b"a\0b\0\0\x05"),
        lambda wire: wire.message("E", b"\0\0"),
        lambda wire: wire.message("H", b"x"),
        lambda wire: wire.message("C", b""),
        lambda wire: wire.bind(formats=[2]),
        lambda wire: wire.bind(formats=[0, 0], values=[b"x"]),
    ],
)
def test_after_an_error_all_is_skipped_until_sync(talk: Any, wire: Any, failing: Any) -> None:
    rest = wire.parse("select 1") + wire.bind() + wire.execute() + wire.query("select 1") + wire.FLUSH
    kinds = talk.kinds(failing(wire), rest, wire.SYNC, wire.query("select 1"))
    assert kinds.replace("1", "").replace("2", "") == "EZTDCZ"
    assert talk.session.fails == 1


def test_a_pipeline_of_sequences_recovers_at_each_sync(talk: Any, wire: Any) -> None:
    good = wire.parse("select 1") + wire.bind() + wire.execute() + wire.SYNC
    bad = wire.parse("fail") + wire.bind() + wire.execute() + wire.SYNC
    assert talk.kinds(good, bad, good) == "12DCZ12EZ12DCZ"


def test_every_sync_is_answered(talk: Any, wire: Any) -> None:
    assert talk.kinds(wire.SYNC * 4) == "ZZZZ"


def test_an_internal_failure_skips_until_sync_too(talk: Any, wire: Any) -> None:
    crash = wire.parse("crash") + wire.bind() + wire.execute()
    assert talk.kinds(crash, wire.query("select 1"), wire.SYNC, wire.query("select 1")) == "12EZTDCZ"
    assert len(talk.host.faults) == 1


def test_pg8000_s_many_flushes(talk: Any, wire: Any) -> None:
    data = (
        wire.parse("select 1", "s")
        + wire.FLUSH
        + wire.SYNC
        + wire.describe("S", "s")
        + wire.FLUSH
        + wire.SYNC
    )
    assert talk.kinds(data) == "1ZtTZ"


def test_a_malformed_sync_still_ends_in_ready(talk: Any, wire: Any) -> None:
    assert talk.kinds(wire.message("S", b"x")) == "EZ"


def test_a_terminate_while_skipping_ends_the_connection(talk: Any, wire: Any) -> None:
    talk.say(wire.parse("syntax"), wire.FLUSH)
    talk.raw(wire.TERMINATE)
    assert talk.outcome == 3


def test_the_same_columns_are_described_from_memory(talk: Any, wire: Any) -> None:
    data = wire.parse("rows 1") + wire.bind() + wire.describe("P") + wire.execute() + wire.SYNC
    first = talk.raw(data)
    assert talk.raw(data) == first
    assert len(talk.backend._shapes) == 1
