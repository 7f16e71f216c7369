"""COPY over the wire, in both protocols."""

from __future__ import annotations

from typing import Any

import pytest


def test_copy_out_sends_one_message_per_row(talk: Any, wire: Any) -> None:
    answer = talk.say(wire.query("copy out"))
    assert [kind for kind, _ in answer] == ["H", "d", "d", "d", "c", "C", "Z"]
    assert answer[0][1] == b"\0\0\x02\0\0\0\0"
    assert [body for kind, body in answer if kind == "d"] == [b"1\tone\n", b"2\ttwo\n", b"3\tthree\n"]


def test_copy_in_takes_data_until_done(talk: Any, wire: Any) -> None:
    assert talk.say(wire.query("copy in")) == [("G", b"\0\0\x02\0\0\0\0")]
    assert talk.kinds(wire.message("d", b"1\ta\n"), wire.message("d", b"2\tb")) == ""
    answer = talk.say(wire.message("d", b"\n"), wire.message("c"))
    assert answer == [("C", b"COPY 2\0"), ("Z", b"I")]
    assert talk.engine.copied == b"1\ta\n2\tb\n"


def test_copy_in_all_in_one_piece(talk: Any, wire: Any) -> None:
    data = wire.query("copy in; copy in; select 1") + wire.message("d", b"1\n") + wire.message("c")
    assert talk.kinds(data, wire.message("c")) == "GCGCTDCZ"


def test_flush_and_sync_during_copy_are_dropped(talk: Any, wire: Any) -> None:
    talk.say(wire.query("copy in"))
    assert talk.kinds(wire.FLUSH, wire.SYNC, wire.message("d", b"1\n"), wire.SYNC, wire.message("c")) == "CZ"


def test_copy_in_extended_with_the_sync_that_libpq_sends_early(talk: Any, wire: Any) -> None:
    start = wire.parse("copy in") + wire.bind() + wire.describe("P") + wire.execute() + wire.SYNC
    assert talk.kinds(start) == "12nG"
    assert talk.kinds(wire.message("d", b"1\n"), wire.message("c"), wire.SYNC) == "CZ"
    assert talk.session.syncs == 1


def test_copy_fail_fails_the_statement(talk: Any, wire: Any) -> None:
    talk.say(wire.query("copy in"))
    answer = talk.say(wire.message("f", b"changed my mind\0"))
    assert [kind for kind, _ in answer] == ["E", "Z"]
    assert wire.fields(answer[0][1])["M"] == "COPY from stdin failed: changed my mind"


def test_a_malformed_copy_fail_fails_the_statement(talk: Any, wire: Any) -> None:
    talk.say(wire.query("copy in"))
    assert talk.kinds(wire.message("f", b"no end")) == "EZ"
    assert talk.kinds(wire.query("select 1")) == "TDCZ"


def test_after_bad_data_what_the_client_still_sends_is_dropped(talk: Any, wire: Any) -> None:
    talk.say(wire.query("copy in"))
    answer = talk.say(wire.message("d", b"bad\n"))
    assert [kind for kind, _ in answer] == ["E", "Z"]
    assert wire.fields(answer[0][1])["W"] == "COPY t, line 1"
    assert talk.kinds(wire.message("d", b"more"), wire.message("c"), wire.query("select 1")) == "TDCZ"


def test_bad_data_in_extended_copy_skips_until_sync(talk: Any, wire: Any) -> None:
    start = wire.parse("copy in") + wire.bind() + wire.execute() + wire.SYNC
    assert talk.kinds(start) == "12G"
    assert talk.kinds(wire.message("d", b"bad\n"), wire.FLUSH, wire.message("d", b"x")) == "E"
    assert talk.kinds(wire.message("c"), wire.SYNC) == "Z"


@pytest.mark.parametrize("kind", ["Q", "P", "B", "E", "X", "F"])
def test_any_other_message_during_copy_is_fatal(talk: Any, wire: Any, kind: str) -> None:
    talk.say(wire.query("copy in"))
    answer = talk.say(wire.message(kind, b"x\0"))
    assert [wire.fields(body)["S"] for _, body in answer] == ["ERROR", "FATAL"]
    assert wire.fields(answer[0][1])["M"] == (
        f"unexpected message type 0x{ord(kind):02X} during COPY from stdin"
    )
    assert talk.outcome == 3
    assert talk.session.closes == 1


def test_a_cancel_reaches_a_copy_that_waits_for_data(talk: Any, wire: Any) -> None:
    talk.say(wire.query("copy in"))
    talk.backend.cancel()
    answer = wire.split(talk.run())
    assert [kind for kind, _ in answer] == ["E", "Z"]
    assert wire.fields(answer[0][1])["C"] == "57014"
