"""Random conversations with a real engine: cursors, portals, parameters in binary, COPY both ways, pipelines, and the same
with bytes changed on the way.

Whatever a client sends, the answers are whole messages, nothing is an internal error, nothing waits for ever, and when the
client has gone nothing of its session is left.
"""

from __future__ import annotations

import random
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skerry_engine.catalog.passwords import Credentials, make_verifier
from skerry_engine.engine import Engine

NAMES = ["", "c", "p", "q"]
TABLE = "create table t (id int primary key, v text, n numeric, b bytea, d date, a int[], j jsonb)"
QUERIES = [
    "select * from t order by id",
    "select id, v from t where id > $1",
    "select $1::int4, $2::text, $3::numeric, $4::timestamptz, $5::int8[]",
    "select $1::jsonb, $2::uuid, $3::interval, $4::bytea, $5::bool",
    "insert into t (id, v) values ($1, $2) returning id",
    "insert into t (id) values (1)",
    "update t set v = v || 'x' where id = $1",
    "delete from t where id > 3",
    "select 1 / (id - 2) from t order by id",
    "select generate_series(1, 1000)",
    "show datestyle",
    "",
]
STATEMENTS = [
    *QUERIES,
    "begin",
    "commit",
    "rollback",
    "savepoint s",
    "rollback to s",
    "set datestyle = german",
    "discard all",
    "declare c cursor for select * from t",
    "declare c scroll cursor with hold for select * from t order by id",
    "declare q binary cursor for select id, n, a from t",
    "declare p cursor for select id from t where id > $1",
    "fetch 2 from c",
    "fetch backward all from c",
    "fetch last from q",
    "move absolute 2 in p",
    "fetch all from p",
    "close c",
    "close all",
    "copy t to stdout",
    "copy t (id, n, a) to stdout (format binary)",
    "copy t (id, v) from stdin",
    "copy t (id, v) from stdin (format csv, header)",
    "copy t (id, a) from stdin (format binary)",
    "prepare x (int) as select $1 + 1",
    "execute x (2)",
    "deallocate all",
    "listen l",
    "notify l, 'x'",
    "unlisten *",
    "create temp table tt (a int) on commit drop",
    "explain select * from t where id = $1",
    "truncate t",
    "begin; declare c cursor for select id from t; fetch 1 from c",
]
BINARY_COPY = (
    b"PGCOPY\n\xff\r\n\0" + bytes(8) + struct.pack(">hii", 2, 4, 7) + b"\xff\xff\xff\xff" + b"\xff\xff"
)
PIECES = [
    b"",
    b"\0\0\0\1",
    b"\0\0\0\0\0\0\0\5",
    b"12",
    b"{1,2}",
    b"\1{}",
    b"true",
    bytes(16),
    bytes(20),
    struct.pack(">iiiii", 1, 0, 20, 1, 1) + struct.pack(">iq", 8, 5),
    struct.pack(">iii", 9, 9, 9),
    struct.pack(">hhhhh", 1, 0, 0, 2, 1234),
    b"\xff\xfe",
]


class Host:
    """A real engine behind the tests' conversation."""

    def __init__(self) -> None:
        self.engine = Engine()

    def open_session(self, database: str, user: str, options: dict[str, str], backend_pid: int) -> Any:
        return self.engine.open_session("postgres", "skerry", {}, backend_pid)


PHRASES: list[tuple[str, list[bytes], int]] = [
    ("select * from t order by id", [], 0),
    ("select id, v from t where id > $1", [b"\0\0\0\1"], 1),
    ("select id, v from t where id > $1", [b"2"], 0),
    ("declare p cursor for select id from t where id > $1", [b"\0\0\0\1"], 1),
    ("fetch 2 from p", [], 0),
    ("insert into t (id, v) values ($1, $2) returning id, v", [b"\0\0\1\1", b"binary"], 1),
    ("update t set v = v || 'x' where id = $1", [b"3"], 0),
    ("select $1::numeric, $2::int4[]", [PIECES[-3], PIECES[-4]], 1),
    ("select generate_series(1, $1::int)", [b"700"], 0),
    ("select 1 / (id - 2) from t order by id", [], 0),
    ("copy t (id, n, a) to stdout (format binary)", [], 0),
    ("show datestyle", [], 0),
]


def _phrase(wire: Any, dice: random.Random) -> bytes:
    """Messages that belong together: a statement from Parse to, perhaps, Close and Sync."""
    text, values, code = dice.choice(PHRASES)
    name, portal = dice.choice(("", "", "q")), dice.choice(("", "", "p", "q", "c"))
    messages = [wire.close("S", name), wire.close("P", portal)] if dice.random() < 0.7 else []
    messages += [wire.parse(text, name), wire.bind(portal, name, values, [code], [dice.randint(0, 1)])]
    if dice.random() < 0.5:
        messages.append(wire.describe("P", portal))
    messages += [
        wire.execute(portal, dice.choice((0, 0, 1, 2, 500))) for _ in range(dice.choice((1, 1, 2, 3)))
    ]
    if dice.random() < 0.3:
        messages.append(wire.query(dice.choice(STATEMENTS)))
    if dice.random() < 0.2:
        messages.append(wire.close("P", portal))
    if dice.random() < 0.7:
        messages.append(wire.SYNC)
    return b"".join(messages)


def _message(wire: Any, dice: random.Random) -> bytes:
    """A message, or some, that mean something, as far as one can without listening."""
    if dice.random() < 0.3:
        return wire.query("begin") if dice.random() < 0.15 else _phrase(wire, dice)
    kind = dice.choice("QQQPBBEEEDCSSHdcfX" if dice.random() < 0.03 else "QQPPBBBEEEEDDCSSSHddc")
    name, other = dice.choice(NAMES), dice.choice(NAMES)
    values = [None if dice.random() < 0.2 else dice.choice(PIECES) for _ in range(dice.choice((0, 1, 2, 5)))]
    codes = [dice.randint(0, 1)] if dice.random() < 0.5 else []
    made: dict[str, Any] = {
        "Q": lambda: wire.query(dice.choice(STATEMENTS)),
        "P": lambda: wire.parse(
            dice.choice(STATEMENTS), name, dice.choice([(), (), (23,), (0, 25), (1043, 999999)])
        ),
        "B": lambda: wire.bind(name, other, values, codes, codes if dice.random() < 0.7 else [1] * 3),
        "E": lambda: wire.execute(name, dice.choice((0, 0, 1, 2, 500))),
        "D": lambda: wire.describe(dice.choice("SP"), name),
        "C": lambda: wire.close(dice.choice("SP"), name),
        "S": lambda: wire.SYNC,
        "H": lambda: wire.FLUSH,
        "d": lambda: wire.message(
            "d",
            dice.choice(
                (
                    b"8\tx\n",
                    b"9,y\n10,z\n",
                    b"11\t" + b"x" * 9000 + b"\n",
                    BINARY_COPY,
                    BINARY_COPY[:30],
                    b"\\.\n",
                )
            ),
        ),
        "c": lambda: wire.message("c"),
        "f": lambda: wire.message("f", b"no\0"),
        "X": lambda: wire.TERMINATE,
    }
    return made[kind]()


def _changed(stream: bytes, dice: random.Random) -> bytes:
    """Some bytes of it are others, or missing, or there twice."""
    data = bytearray(stream)
    for _ in range(dice.randint(1, 4)):
        if not data:
            break
        place = dice.randrange(len(data))
        way = dice.randrange(4)
        if way == 0:
            data[place] ^= 1 << dice.randrange(8)
        elif way == 1:
            data[place] = dice.randrange(256)
        elif way == 2:
            del data[place : place + dice.randint(1, 5)]
        else:
            data[place:place] = data[place : place + dice.randint(1, 8)]
    return bytes(data)


@pytest.mark.parametrize("is_changed", [False, True], ids=["messages", "changed messages"])
@given(st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_any_conversation(wire: Any, is_changed: bool, dice: random.Random) -> None:
    """The answers are the same however the messages arrive, also while a statement runs or others are served."""
    stream = b"".join([_message(wire, dice) for _ in range(dice.randint(1, 40))])
    if is_changed:
        stream = _changed(stream, dice)
    assert _answers(wire, stream, dice) == _answers(wire, stream, None)


def _answers(wire: Any, stream: bytes, dice: random.Random | None) -> list[tuple[str, bytes]]:
    """What a server says to the stream, which arrives at once or in pieces; checked for what must hold always."""
    engine = Host()
    talk = wire.Talk(engine=engine)
    talk.say(wire.query(TABLE), wire.query("insert into t select n, 'v' || n from generate_series(1, 5) n"))
    output = talk.raw(stream) if dice is None else _in_pieces(talk, stream, dice)
    assert talk.outcome in (0, 3), "it waits for something"
    output += talk.backend.take_output(3)
    assert talk.host.faults == []
    if talk.outcome != 3 and not talk.backend.buffered_bytes():
        talk.raw(wire.message("c") * 3 + wire.SYNC)
        assert talk.kinds(wire.SYNC, wire.query("rollback"), wire.query("select 1")).endswith("TDCZ")
    talk.backend.close()
    _assert_nothing_left(engine.engine)
    return check_answers(wire, output)


def _in_pieces(talk: Any, stream: bytes, dice: random.Random) -> bytes:
    output, position = b"", 0
    while position < len(stream) and talk.outcome != 3:
        piece = stream[position : position + dice.choice((1, 7, 100, 5000))]
        position += len(piece)
        if dice.random() < 0.5:  # it comes while others are served, or a statement runs
            talk.backend.receive(piece)
            output += talk.run(dice.choice((0, 1, 3)))
        else:
            output += talk.raw(piece)
    return output if talk.outcome == 3 else output + talk.run()


def check_answers(wire: Any, output: bytes) -> list[tuple[str, bytes]]:
    """What came back is whole messages, and no error is an internal one."""
    found: list[tuple[str, bytes]] = wire.split(output)
    for kind, body in found:
        assert kind in "TDCIZESNHGdc123ntsA"
        if kind == "E":
            fields = wire.fields(body)
            assert fields["C"] != "XX000", fields["M"]
    return found


def _assert_nothing_left(engine: Engine) -> None:
    locks = engine.manager.locks
    assert engine.sessions == {} and engine.manager.active == {}
    assert [locks.tables, locks.rows, locks.keys, locks.indexes, locks.names, locks.advisory] == [{}] * 6


PASSWORD_MESSAGES = [
    b"SCRAM-SHA-256\0" + struct.pack(">i", 24) + b"n,,n=,r=fyko+d2lbbFgONRv",
    b"SCRAM-SHA-256\0" + struct.pack(">i", -1),
    b"SCRAM-SHA-256-PLUS\0" + struct.pack(">i", 24) + b"p=tls-unique,,n=,r=xxxxx",
    b"secret\0",
    b"c=biws,r=fyko+d2lbbFgONRv,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
    b"c=biws,r=,p=AAAA",
    b"",
]


@given(st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_any_password_message(wire: Any, dice: random.Random) -> None:
    """Nobody gets in without the password, whatever is sent for it."""
    talk = wire.Talk(started=False)
    talk.host.passwords["u"] = Credentials(str(make_verifier("right")))
    talk.raw(wire.startup(user="u", database="d"))
    for _ in range(dice.randint(1, 4)):
        body = dice.choice(PASSWORD_MESSAGES)
        message = wire.message(dice.choice("pppppQX"), body)
        output = talk.raw(_changed(message, dice) if dice.random() < 0.5 else message)
        assert b"Z\0\0\0\5" not in output
    assert talk.outcome in (0, 3) and talk.host.faults == []
    assert talk.backend.session is None


@pytest.mark.parametrize("oid", [600, 999_999])
def test_parameters_of_types_that_are_not_there_are_refused_by_parse(wire: Any, oid: int) -> None:
    talk = wire.Talk(engine=Host())
    answers = talk.say(
        wire.parse("select $1", "", (oid,)), wire.describe("S", ""), wire.SYNC, wire.query("select 1")
    )
    assert "".join(kind for kind, _ in answers) == "EZTDCZ" and talk.host.faults == []
    assert wire.fields(answers[0][1])["C"] == "0A000"
