"""Start-up: encryption requests, versions, parameters, refusals."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from skerry_engine import errors
from skerry_server.protocol.startup import read_options

SSL = struct.pack(">II", 8, 80877103)
GSS = struct.pack(">II", 8, 80877104)


def test_a_client_is_welcomed(wire: Any) -> None:
    talk = wire.Talk(started=False)
    answer = talk.say(wire.startup(user="ann", database="d", application_name="app"))
    assert [kind for kind, _ in answer] == ["R", "S", "S", "K", "Z"]
    assert answer[1][1] == b"server_version\x0015.18\0"
    assert answer[3][1] == struct.pack(">iI", 7, 0xDEADBEEF)
    assert answer[4][1] == b"I"
    assert talk.host.request.user == "ann"
    assert talk.engine.options == {"application_name": "app"}


def test_the_database_defaults_to_the_user(wire: Any) -> None:
    talk = wire.Talk(started=False)
    talk.say(wire.startup(user="ann"))
    assert talk.host.request.database == "ann"


def test_encryption_is_declined_once_each_then_start_up_goes_on(wire: Any) -> None:
    talk = wire.Talk(started=False)
    assert talk.raw(SSL) == b"N"
    assert talk.raw(GSS) == b"N"
    assert talk.kinds(wire.startup(user="u")) == "RSSKZ"


def test_a_second_ssl_request_is_no_protocol_version(wire: Any) -> None:
    talk = wire.Talk(started=False)
    talk.raw(SSL)
    ((kind, body),) = talk.say(SSL)
    assert kind == "E"
    assert wire.fields(body)["M"] == "unsupported frontend protocol 1234.5679: server supports 3.0 to 3.0"
    assert talk.outcome == 3


def test_start_up_arrives_byte_by_byte(wire: Any) -> None:
    talk = wire.Talk(started=False)
    stream = SSL + wire.startup(user="u")
    output = b"".join(talk.raw(stream[at : at + 1]) for at in range(len(stream)))
    assert output[:1] == b"N"
    assert [kind for kind, _ in wire.split(output[1:])] == ["R", "S", "S", "K", "Z"]


def test_a_newer_minor_version_and_unknown_extensions_are_negotiated_down(wire: Any) -> None:
    talk = wire.Talk(started=False)
    answer = talk.say(wire.startup(0x30002, user="u", **{"_pq_.wish": "1"}))
    assert answer[0] == ("v", struct.pack(">II", 0x30000, 1) + b"_pq_.wish\0")
    assert [kind for kind, _ in answer[1:]] == ["R", "S", "S", "K", "Z"]


@pytest.mark.parametrize("version", [0x20000, 0x40000])
def test_other_major_versions_are_refused(wire: Any, version: int) -> None:
    talk = wire.Talk(started=False)
    ((kind, body),) = talk.say(wire.startup(version, user="u"))
    fields = wire.fields(body)
    assert (kind, fields["S"], fields["C"]) == ("E", "FATAL", "0A000")
    assert talk.outcome == 3


def test_a_user_is_required(wire: Any) -> None:
    talk = wire.Talk(started=False)
    ((_, body),) = talk.say(wire.startup(database="d"))
    assert wire.fields(body)["C"] == "28000"
    assert wire.fields(body)["M"] == "no PostgreSQL user name specified in startup packet"


def test_the_engine_s_refusal_is_fatal(wire: Any) -> None:
    talk = wire.Talk(started=False)
    ((_, body),) = talk.say(wire.startup(user="u", database="nowhere"))
    assert wire.fields(body)["S"] == "FATAL"
    assert wire.fields(body)["C"] == "3D000"
    assert talk.outcome == 3


def test_a_fault_while_opening_a_session_tells_the_client_nothing(wire: Any) -> None:
    talk = wire.Talk(started=False)
    ((_, body),) = talk.say(wire.startup(user="u", database="broken"))
    assert wire.fields(body)["C"] == "XX000"
    assert b"secret" not in body
    assert len(talk.host.faults) == 1


def test_a_cancel_request_is_passed_on_without_an_answer(wire: Any) -> None:
    talk = wire.Talk(started=False)
    assert talk.raw(struct.pack(">IIiI", 16, 80877102, 12, 0xFFFFFFFF)) == b""
    assert talk.host.cancels == [(12, 0xFFFFFFFF)]
    assert talk.outcome == 3


def test_replication_is_refused_by_name(wire: Any) -> None:
    talk = wire.Talk(started=False)
    ((_, body),) = talk.say(wire.startup(user="u", replication="database"))
    assert wire.fields(body)["C"] == "0A000"
    assert "replication" in wire.fields(body)["M"]


def test_a_wrong_word_for_replication_is_refused_and_false_is_not(wire: Any) -> None:
    ((_, body),) = wire.Talk(started=False).say(wire.startup(user="u", replication="zzz"))
    assert wire.fields(body)["M"] == 'invalid value for parameter "replication": "zzz"'
    assert wire.Talk(started=False).kinds(wire.startup(user="u", replication="off")) == "RSSKZ"


@pytest.mark.parametrize(
    "packet",
    [
        b"\0\0\0\0",
        b"\0\0\0\x07abc",
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        struct.pack(">I", 10_001),
        struct.pack(">II", 10, 0x30000) + b"us",
        struct.pack(">II", 14, 0x30000) + b"user\0\0",
        struct.pack(">II", 9, 80877102) + b"x",
    ],
)
def test_garbage_is_fatal(wire: Any, packet: bytes) -> None:
    talk = wire.Talk(started=False)
    ((kind, body),) = talk.say(packet)
    fields = wire.fields(body)
    assert (kind, fields["S"], fields["C"]) == ("E", "FATAL", "08P01")
    assert talk.outcome == 3


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("", {}),
        ("-c a=b", {"a": "b"}),
        ("-ca=b --search-path=x,y", {"a": "b", "search_path": "x,y"}),
        (r"-c a=b\ c -c d=\\", {"a": "b c", "d": "\\"}),
        ("-c a=b=c", {"a": "b=c"}),
    ],
)
def test_options_are_read_as_postgres_reads_them(text: str, settings: dict[str, str]) -> None:
    assert read_options(text) == settings


@pytest.mark.parametrize("text", ["-x", "word", "-c", "--a"])
def test_other_switches_are_refused(text: str) -> None:
    with pytest.raises(errors.SyntaxError):
        read_options(text)
