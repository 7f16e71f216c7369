"""The shell on real sockets, with uvloop and with plain asyncio: turns, waits, flow control, ends."""

from __future__ import annotations

import socket
import struct
import time
from typing import Any

CANCEL = 80877102


def error_code(wire: Any, message: tuple[str, bytes]) -> str:
    assert message[0] == "E", message
    return str(wire.fields(message[1])["C"])


def test_a_query_over_a_socket(live: Any, wire: Any) -> None:
    client = live.client()
    assert client.kinds(wire.query("select 1")) == "TDCZ"


def test_a_pipeline_over_a_socket(live: Any, wire: Any) -> None:
    client = live.client()
    one = wire.parse("rows 250") + wire.bind() + wire.execute() + wire.SYNC
    client.send(one * 20)
    for _ in range(20):
        assert "".join(kind for kind, _ in client.until_ready()) == "12" + "D" * 250 + "CZ"


def test_a_waiting_session_goes_on_when_another_releases_it(live: Any, wire: Any) -> None:
    waiter, other = live.client(), live.client()
    waiter.send(wire.query("wait x"))
    assert other.kinds(wire.query("select 1")) == "TDCZ"
    assert other.kinds(wire.query("signal x")) == "CZ"
    assert "".join(kind for kind, _ in waiter.until_ready()) == "CZ"


def test_a_wait_ends_at_its_deadline(live: Any, wire: Any) -> None:
    client = live.client()
    client.send(wire.query("timeout 0.05"))
    assert error_code(wire, client.until_ready()[0]) == "55P03"


def test_a_long_query_does_not_freeze_others(live: Any, wire: Any) -> None:
    spinner, other = live.client(), live.client()
    spinner.send(wire.query("spin"))
    for _ in range(50):
        assert other.kinds(wire.query("select 1")) == "TDCZ"


def test_a_cancel_request_cancels(live: Any, wire: Any) -> None:
    client = live.client()
    for command in ("spin", "wait y"):
        client.send(wire.query(command))
        time.sleep(0.02)
        killer = live.raw_client()
        killer.send(struct.pack(">IIiI", 16, CANCEL, client.backend_pid, client.secret))
        assert killer.read() is None
        assert error_code(wire, client.until_ready()[0]) == "57014"
    assert client.kinds(wire.query("select 1")) == "TDCZ"


def test_a_cancel_request_with_a_wrong_secret_does_nothing(live: Any, wire: Any) -> None:
    client = live.client()
    client.send(wire.query("wait z"))
    killer = live.raw_client()
    killer.send(struct.pack(">IIiI", 16, CANCEL, client.backend_pid, client.secret ^ 1))
    assert killer.read() is None
    live.client().kinds(wire.query("signal z"))
    assert "".join(kind for kind, _ in client.until_ready()) == "CZ"


def test_a_client_that_is_gone_has_its_session_closed_at_once(live: Any, wire: Any) -> None:
    for command in ("begin", "spin", "wait w", "copy in"):
        client = live.client()
        session = live.engine.sessions[-1]
        client.send(wire.query(command))
        time.sleep(0.02)
        client.close()
        assert live.eventually(lambda session=session: session.closes == 1), command
        assert session.open_generators == 0


def test_a_reset_connection_closes_the_session(live: Any, wire: Any) -> None:
    client = live.client()
    client.send(wire.query("wait v"))
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    assert live.eventually(lambda: live.engine.sessions[-1].closes == 1)


def test_a_client_that_does_not_read_stops_its_statement(live: Any, wire: Any) -> None:
    slow, other = live.client(), live.client()
    slow.send(wire.query("wide 20000"))  # 200 MB, if it were let
    made = -1
    while made != live.engine.wide_rows_made:
        made = live.engine.wide_rows_made
        time.sleep(0.1)
        assert other.kinds(wire.query("select 1")) == "TDCZ"
    assert made < 3000
    total = 0
    while True:
        kind, _ = slow.read()
        total += kind == "D"
        if kind == "Z":
            break
    assert total == 20_000


def test_a_client_that_sends_ahead_of_a_busy_session_is_slowed_down(live: Any, wire: Any) -> None:
    client = live.client()
    client.send(wire.query("wait u"))
    client.socket.settimeout(0.5)
    sent = 0
    block = wire.query("select 1") * 50_000
    try:
        while sent < 64 * 1024 * 1024:
            sent += client.socket.send(block)
    except TimeoutError:
        pass
    assert sent < 32 * 1024 * 1024
    live.client().kinds(wire.query("signal u"))
    client.socket.settimeout(5)
    assert "".join(kind for kind, _ in client.until_ready()) == "CZ"
    assert "".join(kind for kind, _ in client.until_ready()) == "TDCZ"


def test_the_connection_limit(live: Any, wire: Any) -> None:
    clients = [live.client() for _ in range(8)]
    extra = live.raw_client()
    extra.send(wire.startup(user="u"))
    message = extra.read()
    assert error_code(wire, message) == "53300"
    assert wire.fields(message[1])["M"] == "sorry, too many clients already"
    assert extra.read() is None
    clients[0].close()
    assert live.eventually(lambda: live.server._admitted < 8)
    assert live.client().kinds(wire.query("select 1")) == "TDCZ"


def test_whoever_does_not_say_who_it_is_is_sent_away(live: Any, wire: Any) -> None:
    client = live.raw_client()
    client.send(b"\0\0")
    assert error_code(wire, client.read()) == "57014"
    assert client.read() is None


def test_an_idle_timeout(live: Any, wire: Any) -> None:
    for command, sqlstate in (("select 1", "57P05"), ("begin", "25P03")):
        client = live.client()
        live.engine.sessions[-1].idle_ms = 100
        client.kinds(wire.query("select 1"))
        time.sleep(0.05)
        client.kinds(wire.query(command))
        assert error_code(wire, client.read()) == sqlstate
        assert client.read() is None


def test_no_idle_timeout_while_a_statement_runs(live: Any, wire: Any) -> None:
    client = live.client()
    live.engine.sessions[-1].idle_ms = 50
    client.kinds(wire.query("select 1"))
    client.send(wire.query("wait t"))
    time.sleep(0.15)
    live.client().kinds(wire.query("signal t"))
    assert "".join(kind for kind, _ in client.until_ready()) == "CZ"


def test_garbage_hurts_nobody_else(live: Any, wire: Any) -> None:
    good = live.client()
    for garbage in (b"\0\0\0\0\0\0\0\0", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100_000):
        bad = live.raw_client()
        bad.send(garbage)
        answer = bad.read()
        assert answer is None or error_code(wire, answer) == "08P01"
    assert good.kinds(wire.query("select 1")) == "TDCZ"


def test_copy_streams_through(live: Any, wire: Any) -> None:
    client = live.client()
    client.send(wire.query("copy in"))
    assert client.read()[0] == "G"
    row = wire.message("d", b"x" * 99 + b"\n")
    for _ in range(100):
        client.send(row * 500)
    client.send(wire.message("c"))
    assert client.until_ready() == [("C", b"COPY 50000\0"), ("Z", b"I")]


def test_a_large_message_arrives(live: Any, wire: Any) -> None:
    client = live.client()
    text = "x" * 20_000_000
    client.send(wire.parse("argument") + wire.bind(values=[text.encode()]) + wire.execute() + wire.SYNC)
    answer = client.until_ready()
    assert [kind for kind, _ in answer] == ["1", "2", "D", "C", "Z"]
    assert len(answer[2][1]) == 20_000_006


def test_shutdown_tells_idle_clients_and_lets_statements_finish(live: Any, wire: Any) -> None:
    idle, busy, stuck = live.client(), live.client(), live.client()
    busy.send(wire.query("rows 20000"))
    stuck.send(wire.query("wait for ever"))
    time.sleep(0.02)
    live.loop.call_soon_threadsafe(live._stop.set)
    assert error_code(wire, idle.read()) == "57P01"
    answer = "".join(kind for kind, _ in busy.until_ready())
    assert answer == "T" + "D" * 20_000 + "CZ"
    assert error_code(wire, stuck.read()) == "57P01"
    assert stuck.read() is None
    assert live.eventually(lambda: [session.closes for session in live.engine.sessions] == [1, 1, 1])


def test_a_notification_reaches_an_idle_client(live: Any, wire: Any) -> None:
    client = live.client()
    live.loop.call_soon_threadsafe(live.engine.sessions[0].receive, "payload")
    assert client.read() == ("A", b"\0\0\0\x07channel\0payload\0")


def test_a_notification_from_another_thread_reaches_an_idle_client(live: Any, wire: Any) -> None:
    client = live.client()
    live.engine.sessions[0].receive("payload")
    assert client.read() == ("A", b"\0\0\0\x07channel\0payload\0")


def test_notifications_wait_for_the_end_of_the_transaction(live: Any, wire: Any) -> None:
    client = live.client()
    assert client.kinds(wire.query("begin")) == "CZ"
    live.engine.sessions[0].receive("one", "two")
    assert client.kinds(wire.query("select 1")) == "TDCZ"
    assert client.kinds(wire.query("commit")) == "CAAZ"


def test_a_running_statement_s_answer_is_not_mixed_with_notifications(live: Any, wire: Any) -> None:
    client = live.client()
    client.send(wire.query("wait s"))
    assert live.eventually(lambda: "s" in live.engine.waitings)
    live.engine.sessions[0].receive("one")
    live.engine.waitings["s"].finish()
    assert "".join(kind for kind, _ in client.until_ready()) == "CAZ"


def test_many_notifications_come_in_order_also_to_a_client_that_reads_late(live: Any, wire: Any) -> None:
    client, other = live.client(), live.client()
    payloads = [f"{number}" + "." * 1000 for number in range(5000)]
    live.loop.call_soon_threadsafe(live.engine.sessions[0].receive, *payloads)
    time.sleep(0.1)
    assert other.kinds(wire.query("select 1")) == "TDCZ"
    assert live.engine.sessions[0].inbox  # what the client does not read stays where it is counted
    found = [client.read() for _ in payloads]
    assert found == [("A", b"\0\0\0\x07channel\0" + payload.encode() + b"\0") for payload in payloads]
    assert client.kinds(wire.query("select 1")) == "TDCZ"


def test_a_notification_does_not_make_an_idle_session_busy(live: Any, wire: Any) -> None:
    client = live.client()
    session = live.engine.sessions[0]
    session.idle_ms = 600
    assert client.kinds(wire.query("select 1")) == "TDCZ"
    began_s = time.monotonic()
    for _ in range(2):
        time.sleep(0.2)
        session.receive("payload")
        assert client.read() == ("A", b"\0\0\0\x07channel\0payload\0")
    assert error_code(wire, client.read()) == "57P05"
    assert time.monotonic() - began_s < 0.95


def test_a_wait_that_ends_on_another_thread_wakes_the_session(live: Any, wire: Any) -> None:
    client = live.client()
    client.send(wire.query("wait s"))
    assert live.eventually(lambda: "s" in live.engine.waitings)
    time.sleep(0.02)
    live.engine.waitings["s"].finish()
    assert "".join(kind for kind, _ in client.until_ready()) == "CZ"


def test_connections_leave_nothing_behind(live: Any, wire: Any) -> None:
    for _ in range(20):
        client = live.client()
        client.kinds(wire.query("rows 3"))
        client.close()
    assert live.eventually(lambda: not live.server._members and not live.server._sockets)
    assert live.server._by_pid == {}
    assert live.server._admitted == 0
    assert [session.closes for session in live.engine.sessions] == [1] * 20


def test_sockets_beyond_all_bounds_are_closed_unheard(live: Any, wire: Any) -> None:
    waiting = [live.raw_client() for _ in range(32)]
    assert live.eventually(lambda: len(live.server._sockets) == 32)
    extra = live.raw_client()
    assert extra.read() is None
    assert waiting[0].start().kinds(wire.query("select 1")) == "TDCZ"
