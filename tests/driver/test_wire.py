"""The client's protocol without sockets: what each message becomes, however the bytes are cut."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from decimal import Decimal

import pytest
import scramp
from hypothesis import given, settings
from hypothesis import strategies as st

from skerry.abc import ColumnInfo, Notification
from skerry.values_in import reader_of
from skerry.wire import events
from skerry.wire.collecting import Collector
from skerry.wire.protocol import ClientProtocol
from skerry_engine import errors


def message(kind: str, body: bytes = b"") -> bytes:
    return kind.encode() + struct.pack("!i", len(body) + 4) + body


def described(*columns: tuple[str, int]) -> bytes:
    parts = [name.encode() + b"\0" + struct.pack("!ihihih", 0, 0, oid, -1, -1, 0) for name, oid in columns]
    return message("T", struct.pack("!h", len(columns)) + b"".join(parts))


def row(*values: bytes | None) -> bytes:
    parts = [
        struct.pack("!i", -1) if each is None else struct.pack("!i", len(each)) + each for each in values
    ]
    return message("D", struct.pack("!h", len(values)) + b"".join(parts))


def done(tag: str) -> bytes:
    return message("C", tag.encode() + b"\0")


def ready(status: str = "I") -> bytes:
    return message("Z", status.encode())


def failed(sqlstate: str, severity: str = "ERROR") -> bytes:
    fields = {"S": severity, "V": severity, "C": sqlstate, "M": "no", "P": "3", "D": "why", "n": "rule"}
    return message(
        "E", b"".join(name.encode() + text.encode() + b"\0" for name, text in fields.items()) + b"\0"
    )


def begun() -> ClientProtocol:
    protocol = ClientProtocol(reader_of)
    protocol.adopt({"client_encoding": "UTF8"}, struct.pack("!ii", 7, 9))
    return protocol


def merged(found: Sequence[events.Event]) -> list[events.Event]:
    """Rows of neighbours taken together; errors by what they say."""
    made: list[events.Event] = []
    for each in found:
        if isinstance(each, events.Rows) and made and isinstance(made[-1], events.Rows):
            made[-1] = events.Rows(made[-1].rows + each.rows)
        else:
            made.append(each)
    return made


def told(found: Sequence[events.Event]) -> list[str]:
    return [repr(each) for each in merged(found)]


def test_a_connection_begins() -> None:
    protocol = ClientProtocol()
    protocol.startup("ann", "db", None, {"application_name": "x"})
    said = protocol.take_output()
    assert said[4:8] == struct.pack("!i", 196608)
    assert said[8:] == b"user\0ann\0database\0db\0application_name\0x\0\0"
    answer = message("R", struct.pack("!i", 0)) + message("S", b"TimeZone\0UTC\0")
    answer += message("K", struct.pack("!ii", 7, 9)) + ready()
    assert protocol.receive(answer)[-1] == events.Ready("I", True)
    assert (protocol.backend_pid, protocol.settings, protocol.is_idle) == (7, {"TimeZone": "UTC"}, True)


def _scram(server_password: str, spoil: Callable[[str], str] = str) -> ClientProtocol:
    """Let a client whose password is 'secret' meet a server."""
    mechanism = scramp.ScramMechanism("SCRAM-SHA-256")
    salt, stored_key, server_key, iterations = mechanism.make_auth_info(server_password)
    server = mechanism.make_server(lambda _name: (salt, stored_key, server_key, iterations))
    protocol = ClientProtocol()
    protocol.startup("ann", "db", "secret", {})
    protocol.take_output()
    protocol.receive(message("R", struct.pack("!i", 10) + b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"))
    first = protocol.take_output()
    assert first[5:19] == b"SCRAM-SHA-256\0"
    server.set_client_first(first[23:].decode())
    protocol.receive(message("R", struct.pack("!i", 11) + server.get_server_first().encode()))
    server.set_client_final(protocol.take_output()[5:].decode())
    final = spoil(server.get_server_final())
    protocol.receive(message("R", struct.pack("!i", 12) + final.encode()))
    return protocol


def test_scram() -> None:
    protocol = _scram("secret")
    assert protocol.receive(message("R", struct.pack("!i", 0)) + ready()) == [events.Ready("I", True)]


def test_a_server_that_does_not_know_the_password_is_not_believed() -> None:
    with pytest.raises(errors.InvalidAuthorization, match="server"):
        _scram("secret", lambda final: "v=" + final[2:][::-1])


def test_passwords_that_can_not_be_given() -> None:
    protocol = ClientProtocol()
    protocol.startup("ann", "db", None, {})
    with pytest.raises(errors.InvalidAuthorization, match="password"):
        protocol.receive(message("R", struct.pack("!i", 3)))
    assert protocol.is_closed
    protocol = ClientProtocol()
    protocol.startup("ann", "db", "x", {})
    with pytest.raises(errors.NotSupportedError):
        protocol.receive(message("R", struct.pack("!i", 7)))


SCRIPTS: list[tuple[Callable[[ClientProtocol], None], bytes, list[events.Event]]] = [
    (
        lambda protocol: protocol.query("SELECT"),
        described(("n", 23), ("t", 25))
        + row(b"1", b"a")
        + row(None, "é".encode())
        + done("SELECT 2")
        + ready("T"),
        [
            events.Described((ColumnInfo("n", 23), ColumnInfo("t", 25))),
            events.Rows([(1, "a"), (None, "é")]),
            events.Completed("SELECT 2"),
            events.Ready("T", True),
        ],
    ),
    (
        lambda protocol: protocol.query(""),
        message("I") + ready(),
        [events.Completed(""), events.Ready("I", True)],
    ),
    (
        lambda protocol: (
            protocol.parse("", "SELECT $1", (23,)),
            protocol.bind("", "", ("5",)),
            protocol.describe_portal(""),
            protocol.execute("", 1),
            protocol.execute("", 1),
            protocol.close_portal(""),
            protocol.sync(),
        )[0],
        message("1")
        + message("2")
        + described(("n", 1700))
        + row(b"1.5")
        + message("s")
        + row(b"2")
        + done("SELECT 1")
        + message("3")
        + ready(),
        [
            events.Acknowledged("parse"),
            events.Acknowledged("bind"),
            events.Described((ColumnInfo("n", 1700),)),
            events.Rows([(Decimal("1.5"),)]),
            events.Suspended(),
            events.Rows([(Decimal(2),)]),
            events.Completed("SELECT 1"),
            events.Acknowledged("close"),
            events.Ready("I", True),
        ],
    ),
    (
        lambda protocol: (protocol.parse("s", "X"), protocol.describe_statement("s"), protocol.sync())[0],
        message("1") + message("t", struct.pack("!hII", 2, 23, 2**32 - 1)) + message("n") + ready(),
        [
            events.Acknowledged("parse"),
            events.ParametersDescribed((23, 2**32 - 1)),
            events.Described(None),
            events.Ready("I", True),
        ],
    ),
    (
        lambda protocol: protocol.query("COPY t TO STDOUT; COPY t FROM STDIN"),
        message("H", b"\0\0\1\0\0")
        + message("d", b"1\n")
        + message("d", b"")
        + message("c")
        + done("COPY 1")
        + message("G", b"\1\0\1\0\1")
        + done("COPY 0")
        + ready(),
        [
            events.CopyOutBegun(False),
            events.CopyOutData(b"1\n"),
            events.CopyOutData(b""),
            events.CopyOutEnded(),
            events.Completed("COPY 1"),
            events.CopyInBegun(True),
            events.Completed("COPY 0"),
            events.Ready("I", True),
        ],
    ),
    (
        lambda protocol: (protocol.query("LISTEN x"), protocol.query("SELECT"))[0],
        message("A", struct.pack("!i", 5) + "kanal\0grüße\0".encode())
        + message("S", b"DateStyle\0SQL\0")
        + message("N", b"SNOTICE\0Mhello\0\0")
        + done("LISTEN")
        + ready()
        + done("SELECT 0")
        + ready("E"),
        [
            events.Notified(Notification("kanal", "grüße", 5)),
            events.SettingChanged("DateStyle", "SQL"),
            events.Noticed({"S": "NOTICE", "M": "hello"}),
            events.Completed("LISTEN"),
            events.Ready("I", False),
            events.Completed("SELECT 0"),
            events.Ready("E", True),
        ],
    ),
]


@pytest.mark.parametrize("number", range(len(SCRIPTS)))
def test_what_messages_become(number: int) -> None:
    ask, answer, expected = SCRIPTS[number]
    protocol = begun()
    ask(protocol)
    assert not protocol.is_idle
    assert told(protocol.receive(answer)) == told(expected)
    assert protocol.is_idle


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(0, len(SCRIPTS) - 1), min_size=1, max_size=4),
    st.lists(st.integers(1, 40), min_size=1),
)
def test_however_the_bytes_are_cut_the_events_are_the_same(numbers: list[int], cuts: list[int]) -> None:
    whole, cut = begun(), begun()
    answers = b""
    for number in numbers:
        for protocol in (whole, cut):
            SCRIPTS[number][0](protocol)
        answers += SCRIPTS[number][1]
    found: list[events.Event] = []
    place = turn = 0
    while place < len(answers):
        size = cuts[turn % len(cuts)]
        found += cut.receive(answers[place : place + size])
        place, turn = place + size, turn + 1
    assert told(found) == told(whole.receive(answers))
    assert whole.is_idle and cut.is_idle
    assert whole.transaction_status == cut.transaction_status


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_a_server_says_only_violations_are_raised(data: st.DataObject) -> None:
    protocol = begun()
    for number in data.draw(st.lists(st.integers(0, len(SCRIPTS) - 1), max_size=3)):
        SCRIPTS[number][0](protocol)
    kinds = st.sampled_from("12345RSKZTDCEINntdcsGHAWvX")
    body = st.binary(max_size=30)
    lengths = st.one_of(st.none(), st.integers(-5, 50))
    try:
        for kind, content, length in data.draw(st.lists(st.tuples(kinds, body, lengths), max_size=6)):
            said = message(kind, content)
            if length is not None:
                said = said[:1] + struct.pack("!i", length) + said[5:]
            protocol.receive(said)
    except errors.ProtocolViolation:
        assert protocol.is_closed
        assert protocol.receive(ready()) == []
        with pytest.raises(errors.InterfaceError):
            protocol.query("SELECT 1")
    except (errors.NotSupportedError, errors.InvalidAuthorization):
        assert protocol.is_closed


def test_after_an_error_the_rest_up_to_the_sync_is_dropped() -> None:
    protocol = begun()
    for _ in range(2):
        protocol.parse("", "SELECT 1")
        protocol.bind("", "", ())
        protocol.execute("")
        protocol.sync()
    found = protocol.receive(message("1") + failed("23505") + ready("E"))
    assert isinstance(found[1], events.Failed)
    error = found[1].error
    assert isinstance(error, errors.UniqueViolation)
    assert (error.position, error.detail, error.constraint, found[1].is_fatal) == (3, "why", "rule", False)
    assert found[2] == events.Ready("E", False)
    found = protocol.receive(message("1") + message("2") + done("SELECT 0") + ready())
    assert found[-1] == events.Ready("I", True)


def test_a_fatal_error_is_the_end() -> None:
    protocol = begun()
    protocol.query("SELECT 1")
    (event,) = protocol.receive(failed("57P01", "FATAL") + ready())
    assert isinstance(event, events.Failed) and event.is_fatal
    assert protocol.is_closed and protocol.is_idle
    protocol.receive_end()


def test_an_end_behind_an_answer_is_not_the_answer() -> None:
    protocol = begun()
    protocol.query("COMMIT")
    *answer, end = protocol.receive(done("COMMIT") + ready() + failed("57P01", "FATAL"))
    assert answer == [events.Completed("COMMIT"), events.Ready("I", True)]
    assert isinstance(end, events.Failed) and not end.is_answer


def test_a_server_that_hangs_up() -> None:
    protocol = begun()
    with pytest.raises(errors.ConnectionFailure):
        protocol.receive_end()
    assert protocol.is_closed


def test_what_was_not_sent_can_be_unsaid() -> None:
    protocol = begun()
    protocol.query("SELECT 1")
    sent = protocol.take_output()
    protocol.parse("", "SELECT 2")
    protocol.sync()
    protocol.unsay()
    assert protocol.take_output() == b""
    assert sent == message("Q", b"SELECT 1\0")
    assert protocol.receive(done("SELECT 0") + ready())[-1] == events.Ready("I", True)
    with pytest.raises(errors.DataError):
        protocol.query("SELECT '\0'")
    assert protocol.is_idle


def test_other_encodings() -> None:
    protocol = begun()
    protocol.receive(message("S", b"client_encoding\0LATIN1\0"))
    protocol.query("SELECT 'é'")
    assert protocol.take_output() == message("Q", b"SELECT '\xe9'\0")
    found = protocol.receive(described(("x", 25)) + row(b"\xe9") + done("SELECT 1") + ready())
    assert found[1] == events.Rows([("é",)])


def test_a_collector_puts_outcomes_together() -> None:
    protocol = begun()
    protocol.query("BEGIN; SELECT; UPDATE; COPY t FROM STDIN")
    protocol.take_output()
    answer = done("BEGIN") + described(("n", 23)) + row(b"1") + done("SELECT 1") + done("UPDATE 4")
    answer += message("G", b"\0\0\0") + failed("57014") + ready("E")
    collector = Collector(protocol, skipped=1)
    for event in protocol.receive(answer):
        collector.take(event)
    outcome = collector.outcome()
    assert (outcome.tag, outcome.row_count, outcome.columns) == ("UPDATE 4", 4, None)
    assert [each.rows for each in outcome.earlier] == [[(1,)]]
    assert protocol.take_output().startswith(b"f")
    assert isinstance(collector.take_error(), errors.QueryCanceled)
    assert collector.take_error() is None
