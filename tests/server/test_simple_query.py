"""Simple queries, byte by byte where it matters."""

from __future__ import annotations

from typing import Any

import pytest

READY = b"Z\0\0\0\x05I"


def test_select_one_byte_by_byte(talk: Any, wire: Any) -> None:
    assert talk.raw(wire.query("select 1")) == (
        b"T\0\0\0\x21\0\x01?column?\0" + bytes(6) + b"\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0"
        b"D\0\0\0\x0b\0\x01\0\0\0\x011"
        b"C\0\0\0\x0dSELECT 1\0" + READY
    )


def test_an_empty_query(talk: Any, wire: Any) -> None:
    assert talk.raw(wire.query(" ")) == b"I\0\0\0\x04" + READY


def test_a_batch_answers_each_statement_and_is_ready_once(talk: Any, wire: Any) -> None:
    assert talk.kinds(wire.query("select 1; begin; rows 2")) == "TDCCTDDCZ"


def test_an_error_ends_the_batch(talk: Any, wire: Any) -> None:
    answer = talk.say(wire.query("select 1; fail; select 1"))
    assert "".join(kind for kind, _ in answer) == "TDCEZ"
    assert wire.fields(answer[3][1]) == {
        "S": "ERROR",
        "V": "ERROR",
        "C": "22012",
        "M": "division by zero",
        "D": "a detail",
        "H": "a hint",
        "P": "3",
    }


def test_the_skerry_code_travels_in_field_r(talk: Any, wire: Any) -> None:
    ((_, body), _) = talk.say(wire.query("conflict"))
    fields = wire.fields(body)
    assert (fields["C"], fields["R"]) == ("40001", "T001")


def test_ready_tells_the_transaction_s_status(talk: Any, wire: Any) -> None:
    assert talk.say(wire.query("begin"))[-1] == ("Z", b"T")
    assert talk.say(wire.query("fail"))[-1] == ("Z", b"E")
    assert talk.say(wire.query("rollback"))[-1] == ("Z", b"I")


@pytest.mark.parametrize(
    ("command", "sqlstate"), [("crash", "XX000"), ("recurse", "54001"), ("bad value", "XX000")]
)
def test_an_internal_failure_is_logged_and_the_connection_lives_on(
    talk: Any, wire: Any, command: str, sqlstate: str
) -> None:
    answer = talk.say(wire.query(command))
    ((_, body),) = [message for message in answer if message[0] == "E"]
    assert wire.fields(body)["C"] == sqlstate
    assert b"Traceback" not in body
    assert b"secret" not in body
    assert len(talk.host.faults) == 1
    assert talk.kinds(wire.query("select 1")) == "TDCZ"


def test_pipelined_queries_are_answered_in_order(talk: Any, wire: Any) -> None:
    assert talk.kinds(*[wire.query("select 1"), wire.query("fail")] * 3) == "TDCZEZ" * 3


def test_text_forms_and_null(talk: Any, wire: Any) -> None:
    _, (_, row), *_ = talk.say(wire.query("bits"))
    assert row == (
        b"\0\x06\0\0\0\x01t\0\0\0\x02-2\0\0\0\x0d1099511627776\0\0\0\x031.5\0\0\0\x06\\x00ff\xff\xff\xff\xff"
    )


def test_notice_and_parameter_status_come_on_the_side(talk: Any, wire: Any) -> None:
    answer = talk.say(wire.query("notice; set a b"))
    assert "".join(kind for kind, _ in answer) == "NCSCZ"
    assert wire.fields(answer[0][1]) == {
        "S": "WARNING",
        "V": "WARNING",
        "C": "01000",
        "M": "look out",
        "H": "there",
    }
    assert answer[2][1] == b"a\0b\0"


def test_a_text_that_is_not_utf8_is_an_ordinary_error(talk: Any, wire: Any) -> None:
    answer = talk.say(wire.message("Q", b"select \xe4\x20x\0"))
    assert "".join(kind for kind, _ in answer) == "EZ"
    fields = wire.fields(answer[0][1])
    assert fields["C"] == "22021"
    assert fields["M"] == 'invalid byte sequence for encoding "UTF8": 0xe4 0x20 0x78'
    assert talk.kinds(wire.query("select 1")) == "TDCZ"


@pytest.mark.parametrize("body", [b"", b"no end", b"two\0strings\0"])
def test_a_malformed_query_is_an_ordinary_error(talk: Any, wire: Any, body: bytes) -> None:
    answer = talk.say(wire.message("Q", body))
    assert "".join(kind for kind, _ in answer) == "EZ"
    assert wire.fields(answer[0][1])["C"] == "08P01"


def test_the_function_call_protocol_is_refused_and_ready_follows(talk: Any, wire: Any) -> None:
    answer = talk.say(wire.message("F", b"\0" * 12))
    assert "".join(kind for kind, _ in answer) == "EZ"
    assert wire.fields(answer[0][1])["C"] == "0A000"


def test_terminate_closes_the_session_silently(talk: Any, wire: Any) -> None:
    assert talk.raw(wire.TERMINATE) == b""
    assert talk.outcome == 3
    assert talk.session.closes == 1


@pytest.mark.parametrize("data", [b"?", b"p\0\0\0\x08abc\0", b"Q\0\0\0\x03", b"S\xff\xff\xff\xff"])
def test_a_broken_stream_is_fatal(talk: Any, wire: Any, data: bytes) -> None:
    ((kind, body),) = talk.say(data)
    fields = wire.fields(body)
    assert (kind, fields["S"], fields["C"]) == ("E", "FATAL", "08P01")
    assert talk.outcome == 3
    assert talk.session.closes == 1
    assert talk.host.ends == ["08P01"]


def test_a_long_result_takes_turns_of_bounded_output(talk: Any, wire: Any) -> None:
    talk.backend.receive(wire.query("wide 100"))
    largest, kinds, turns = 0, "", 0
    outcome = 1
    while outcome == 1:
        outcome = talk.backend.run(1.0)
        output = talk.backend.take_output(outcome)
        largest = max(largest, len(output))
        kinds += "".join(kind for kind, _ in wire.split(output))
        turns += 1
    assert kinds == "T" + "D" * 100 + "CZ"
    assert turns > 10
    assert largest < 100_000


def test_a_big_batch_of_rows_is_encoded_in_slices(talk: Any, wire: Any) -> None:
    talk.backend.receive(wire.query("batch 5000; select 1"))
    rows, largest, outcome = [], 0, 1
    while outcome == 1:
        outcome = talk.backend.run(1.0)
        output = talk.backend.take_output(outcome)
        largest = max(largest, len(output))
        rows += [body for kind, body in wire.split(output) if kind == "D"]
    assert largest < 128 * 1024
    assert rows[:-1] == [
        b"\0\x02" + len(str(number)).to_bytes(4, "big") + str(number).encode() + b"\0\0\0\xc8" + b"x" * 200
        for number in range(5000)
    ]


def test_a_client_gone_in_the_middle_of_a_big_batch(talk: Any, wire: Any) -> None:
    talk.raw(wire.query("batch 5000"), turns=5)
    talk.backend.close()
    assert talk.run().count(b"D\0") < 4000
    assert talk.outcome == 3
    assert talk.session.closes == 1


def test_an_answer_that_has_to_wait_does_not_begin(talk: Any, wire: Any) -> None:
    assert talk.raw(wire.query("select 1; wait x")) == b""
    assert talk.outcome == 2
    talk.engine.waitings["x"].finish()
    talk.backend.waiting = None
    assert "".join(kind for kind, _ in talk.say()) == "TDCCZ"


def test_a_notice_before_a_wait_is_sent_at_once(talk: Any, wire: Any) -> None:
    assert "".join(kind for kind, _ in talk.say(wire.query("notice hello; wait x"))) == "N"


def test_waiting_goes_on_when_the_wait_is_over(talk: Any, wire: Any) -> None:
    assert talk.raw(wire.query("wait x")) == b""
    assert talk.outcome == 2
    talk.engine.waitings["x"].finish()
    talk.backend.waiting = None
    assert [kind for kind, _ in wire.split(talk.run())] == ["C", "Z"]


def test_a_cancel_without_a_statement_has_no_effect(talk: Any, wire: Any) -> None:
    talk.backend.cancel()
    assert talk.kinds(wire.query("rows 1")) == "TDCZ"


def test_a_cancel_ends_the_statement_and_only_it(talk: Any, wire: Any) -> None:
    talk.raw(wire.query("spin"), turns=3)
    assert talk.outcome == 1
    talk.backend.cancel()
    answer = wire.split(talk.run())
    assert wire.fields(answer[0][1])["C"] == "57014"
    assert talk.kinds(wire.query("rows 1")) == "TDCZ"


def test_closing_ends_the_statement_before_the_session(talk: Any, wire: Any) -> None:
    talk.raw(wire.query("spin"), turns=3)
    assert talk.session.open_generators == 1
    talk.backend.close()
    assert talk.session.open_generators == 0
    assert talk.session.closes == 1


def test_close_is_idempotent(talk: Any) -> None:
    talk.backend.close()
    talk.backend.close()
    assert talk.session.closes == 1
