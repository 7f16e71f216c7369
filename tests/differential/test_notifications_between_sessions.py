"""Several sessions that notify each other, on Skerry and on PostgreSQL: the same messages to the same sessions, in the
same order, at the same place among the other messages of an answer.

A script is steps (session, statement).  After each step every other session says nothing (an empty query), so that
what has been delivered to it shows.  Random scripts mix transactions, savepoints, failures and the functions.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing

import pytest
from support.builds import this_builds
from support.postgres_server import Address
from support.wire_client import Outcome, WireClient

SESSIONS = ("a", "b", "c")
Step = tuple[str, str]
Trace = list[tuple[object, ...]]


class Sessions:
    """Three sessions of one server; pids in what they were told are replaced by names."""

    def __init__(self, address: Address, stack: ExitStack) -> None:
        self.clients = {name: stack.enter_context(closing(WireClient(address))) for name in SESSIONS}
        self.names = {client.backend_key[0]: name for name, client in self.clients.items()}

    def told(self, name: str) -> list[tuple[str, str, str]]:
        """What a session was told since it was asked last."""
        client = self.clients[name]
        found, client.notifications = client.notifications, []
        return [(self.names[pid], channel, payload) for pid, channel, payload in found]

    def play(self, script: Sequence[Step]) -> Trace:
        """What each step answered, and told whom."""
        trace: Trace = []
        for name, text in script:
            client = self.clients[name]
            answer = client.extended(*text[1:].split(";")) if text.startswith("!") else client.query(text)
            trace.append((name, text, _shown(answer), self.told(name)))
            for other in SESSIONS:
                self.clients[other].query("")
                trace.append((other, self.told(other)))
        return trace


def _shown(answer: Outcome) -> tuple[object, ...]:
    code = None if answer.error is None else answer.error["C"]
    return answer.kinds.replace("S", ""), answer.tags, answer.rows, code, answer.status


@pytest.fixture
def both(postgres: Address, skerry_server: Address) -> Iterator[tuple[Sessions, Sessions]]:
    """Three sessions on each."""
    with ExitStack() as stack:
        yield Sessions(postgres, stack), Sessions(skerry_server, stack)


SCRIPTS: dict[str, list[Step]] = {
    "to oneself and to another": [("a", "LISTEN x"), ("b", "LISTEN x"), ("a", "NOTIFY x, '1'")],
    "not before the commit": [
        ("a", "LISTEN x"),
        ("b", "BEGIN"),
        ("b", "NOTIFY x, '1'"),
        ("b", "NOTIFY x, '2'"),
        ("b", "COMMIT"),
    ],
    "not inside a transaction": [
        ("a", "LISTEN x"),
        ("a", "BEGIN"),
        ("b", "NOTIFY x, '1'"),
        ("a", "SELECT 1"),
        ("a", "SELECT 1/0"),
        ("b", "NOTIFY x, '2'"),
        ("a", "ROLLBACK"),
    ],
    "LISTEN counts from its commit": [
        ("a", "BEGIN"),
        ("a", "LISTEN x"),
        ("b", "NOTIFY x, 'too early'"),
        ("a", "COMMIT"),
        ("b", "NOTIFY x, 'heard'"),
    ],
    "LISTEN and NOTIFY in one transaction": [
        ("a", "BEGIN; NOTIFY x, '1'; LISTEN x; NOTIFY x, '2'; COMMIT"),
        ("a", "BEGIN; NOTIFY x, '3'; UNLISTEN x; COMMIT"),
        ("a", "BEGIN; NOTIFY x, '4'; UNLISTEN *; LISTEN x; COMMIT"),
    ],
    "the same twice": [
        ("a", "LISTEN x"),
        (
            "b",
            "BEGIN; NOTIFY x, '1'; NOTIFY x, '2'; NOTIFY x, '1'; NOTIFY y, '1'; SELECT pg_notify('x', '2'); COMMIT",
        ),
        ("b", "NOTIFY x, '1'"),
        ("b", "SELECT pg_notify('x', (i % 3)::text) FROM generate_series(1, 10) i"),
    ],
    "the same in a savepoint": [
        ("a", "LISTEN x"),
        (
            "b",
            "BEGIN; NOTIFY x, '1'; SAVEPOINT s; NOTIFY x, '2'; NOTIFY x, '1'; RELEASE s; NOTIFY x, '2'; COMMIT",
        ),
        (
            "b",
            "BEGIN; SAVEPOINT s; NOTIFY x, '2'; NOTIFY x, '1'; ROLLBACK TO s; NOTIFY x, '1'; NOTIFY x, '2'; COMMIT",
        ),
        ("b", "BEGIN; NOTIFY x, '1'; SAVEPOINT s; NOTIFY x, '1'; ROLLBACK TO s; COMMIT"),
    ],
    "commit order": [
        ("a", "LISTEN x"),
        ("b", "BEGIN; NOTIFY x, 'asked first'"),
        ("c", "BEGIN; NOTIFY x, 'asked second'"),
        ("c", "COMMIT"),
        ("b", "COMMIT"),
    ],
    "extended: with Sync": [
        ("a", "!LISTEN x"),
        ("a", "!NOTIFY x, '1';SELECT 2;NOTIFY x, '3'"),
        ("b", "!NOTIFY x, '1';SELECT 1 / (i - 1) FROM generate_series(1, 1) i"),
        ("b", "!SELECT pg_notify('x', 'f')"),
    ],
    "a batch": [
        ("a", "LISTEN x"),
        ("a", "NOTIFY x, '1'; SELECT 1; NOTIFY x, '2'"),
        ("a", "NOTIFY x, '1'; SELECT 1/0"),
        ("a", "NOTIFY x, '1'; BEGIN; NOTIFY x, '2'; COMMIT; SELECT 3; NOTIFY x, '4'"),
    ],
    "names": [
        ("a", 'LISTEN X; LISTEN "Y"; LISTEN "a b"; LISTEN "ünï"'),
        (
            "b",
            'NOTIFY x; NOTIFY "X"; NOTIFY y; NOTIFY "Y"; NOTIFY "a b", \'it\'\'s\'; NOTIFY "ünï", \'çod€ 🙂\'',
        ),
        ("b", "SELECT pg_notify('X', 'not folded'), pg_notify('Y', 'as is')"),
        ("b", "NOTIFY x, E'two\\nlines'"),
    ],
    "the end of listening": [
        ("a", "LISTEN x; LISTEN y; LISTEN z"),
        ("a", "UNLISTEN y"),
        ("b", "NOTIFY x; NOTIFY y; NOTIFY z"),
        ("a", "DISCARD ALL"),
        ("b", "NOTIFY x; NOTIFY y; NOTIFY z"),
    ],
    "a statement that fails after it has notified": [
        ("a", "LISTEN x"),
        ("b", "BEGIN; NOTIFY x, 'kept'; SAVEPOINT s"),
        ("b", "SELECT pg_notify('x', 'gone'), 1/0"),
        ("b", "ROLLBACK TO s; COMMIT"),
    ],
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_sessions_are_told_the_same(both: tuple[Sessions, Sessions], name: str) -> None:
    postgres, skerry = both
    assert skerry.play(SCRIPTS[name]) == postgres.play(SCRIPTS[name])


_STATEMENTS = (
    ["BEGIN", "COMMIT", "COMMIT", "ROLLBACK", "SAVEPOINT s", "ROLLBACK TO s", "RELEASE s", "SELECT 1/0"]
    + ["LISTEN {c}"] * 6
    + ["UNLISTEN {c}", "UNLISTEN {c}", "UNLISTEN *", "DISCARD ALL", "SELECT pg_listening_channels()"]
    + ["NOTIFY {c}, '{p}'"] * 8
    + ["SELECT pg_notify('{c}', '{p}')", "SELECT pg_notify('{c}', i::text) FROM generate_series(1, 2) i"]
    + ["NOTIFY {c}, '{p}'; SELECT 1; NOTIFY {c}", "!NOTIFY {c}, '{p}';LISTEN {c}", "!SELECT 1;NOTIFY {c}"]
)


def _random_script(seed: int) -> list[Step]:
    dice = random.Random(seed)

    def text() -> str:
        return dice.choice(_STATEMENTS).format(c=dice.choice("xyz"), p=dice.choice("12"))

    return [(dice.choice(SESSIONS), text()) for _ in range(60)]


@pytest.mark.parametrize("seed", this_builds(range(12)))
def test_random_scripts(both: tuple[Sessions, Sessions], seed: int) -> None:
    postgres, skerry = both
    script = _random_script(seed)
    for ours, theirs in zip(skerry.play(script), postgres.play(script), strict=True):
        assert ours == theirs


def test_an_idle_session_is_told_at_once(both: tuple[Sessions, Sessions]) -> None:
    for sessions in both:
        a, b = sessions.clients["a"], sessions.clients["b"]
        a.query("LISTEN x")
        for number in range(3):
            b.query(f"NOTIFY x, '{number}'")
            assert a.listen()
            assert sessions.told("a") == [("b", "x", str(number))]


def test_another_database_hears_nothing(postgres: Address, skerry_server: Address) -> None:
    for address in (postgres, skerry_server):
        with closing(WireClient(address)) as here:
            here.query("DROP DATABASE IF EXISTS another_to_notify")
            assert here.query("CREATE DATABASE another_to_notify").error is None
            with closing(WireClient(address, "another_to_notify")) as there:
                here.query("LISTEN x")
                there.query("NOTIFY x, 'from there'")
                here.query("NOTIFY x, 'from here'")
                here.query("")
                assert [payload for _, _, payload in here.notifications] == ["from here"]
