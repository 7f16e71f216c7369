"""What real clients sent to PostgreSQL 15, read from the captures in `tests/clients/captured`, and sent again.

    captures.tar.xz --captures()--> Capture (a client's messages in order) --Replay--> what failed
                                                                             |
                                     schema.sql, made anew in a database -----

A capture is a text: `-- cN [simple query]` and the statement, `-- cN [Parse …]` and the statement, `-- cN [Bind …]`
with formats and values, `-- cN [Startup]` with parameters.  Describe, Execute, Sync and Close are not in it: the replay
sends a Describe for each Parse, and a Describe and an Execute for each Bind, each under its own Sync.

Some statements have OIDs of the schema's objects in them, as an earlier answer told the client.  Those of a capture
lie at fixed distances from that of the table plain (OBJECTS), whose OID in each capture is known (PLAIN_OIDS):
the replay puts those in their place that our schema's objects have.

What it does not do: compare answers.  Data of COPY FROM STDIN is not in the captures: none is sent.
"""

from __future__ import annotations

import ast
import re
import struct
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from support.postgres_server import Address
from support.wire_client import Outcome, WireClient

DIRECTORY = Path(__file__).parent.parent / "clients" / "captured"
DATABASE = "capt"
"""The database that schema.sql is for."""

AT_FIRST = {"user": "postgres", "database": DATABASE}
"""How a connection was opened that is older than its capture."""

OBJECTS = {
    -10: "'mood'::regtype",
    -2: "'posint'::regtype",
    0: "'plain'::regclass",
    9: "'author_id_seq'::regclass",
    10: "'author'::regclass",
    20: "'book_id_seq'::regclass",
    21: "'book'::regclass",
    23: "(SELECT reltype FROM pg_class WHERE oid = 'book'::regclass)",
    30: "'book_pkey'::regclass",
    41: "'book_v'::regclass",
    45: "'book_mv'::regclass",
    49: "'app.t2'::regclass",
    52: "'app.t2_pkey'::regclass",
    54: "'app.sq'::regclass",
    55: "0",
    56: "0",
}
"""The schema's objects by the distance of their OIDs, in PostgreSQL, from that of plain; its functions are not made."""

PLAIN_OIDS = {
    "alembic": 17784,
    "asyncpg": 16496,
    "pg_dump": 16402,
    "pg_dump_data": 16402,
    "pg_dump_inserts": 16402,
    "pgcli": 18466,
    "psql_backslash": 16402,
    "sa_asyncpg": 16620,
    "sa_pg8000": 16496,
    "sa_psycopg": 16496,
    "sa_psycopg2": 16496,
}
"""The OID of plain where the capture was made, for those that send OIDs."""

_HEAD = re.compile(r"-- (c\d+) \[(simple query|Parse|Bind|Startup|[A-Za-z]+) ?([^\n]*)")
_NOT_SENT = ("DROP DATABASE", "\\c", "CREATE FUNCTION", "CREATE TRIGGER")
"""Lines of the schema that are psql's, or what Skerry refuses by name."""
_BINARY_COPY = b"PGCOPY\n\xff\r\n\0" + struct.pack("!iih", 0, 0, -1)


@dataclass(frozen=True)
class Message:
    """One message of a client: `kind` is query, parse, bind or startup; the rest is what such a message has."""

    connection: str
    kind: str
    line: int
    text: str = ""
    statement: str = ""
    parameter_oids: Sequence[int] = ()
    formats: Sequence[int] = ()
    result_formats: Sequence[int] = ()
    values: Sequence[str | None] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Capture:
    """What one client sent."""

    client: str
    messages: list[Message]


@dataclass(frozen=True)
class Answer:
    """What came of a message: the statement that it was about, and all that the server said."""

    client: str
    line: int
    text: str
    is_binary: bool
    """Whether rows came in binary."""
    outcome: Outcome

    def __str__(self) -> str:
        return f"{self.client}:{self.line}: {' '.join(self.text.split())[:300]}"


def read_captures() -> tuple[str, list[Capture]]:
    """The text of schema.sql, and the captures by their clients' names."""
    texts = {}
    with tarfile.open(DIRECTORY / "captures.tar.xz") as archive:
        for member in archive:
            opened = archive.extractfile(member)
            assert opened is not None
            texts[Path(member.name).stem] = opened.read().decode()
    schema = texts.pop("schema")
    captures = {client: Capture(client, list(_messages(text))) for client, text in texts.items()}
    made = captures.pop("pgbench_init").messages
    captures["pgbench_run"].messages[:0] = [replace(each, connection=f"i{each.connection}") for each in made]
    return schema, list(captures.values())


def _messages(text: str) -> Iterator[Message]:
    lines = text.splitlines()
    position = 0
    while position < len(lines):
        head = _HEAD.match(lines[position])
        number = position + 1
        position += 1
        if head is None:
            continue
        body = []
        while position < len(lines) and not re.match(r"-- (c\d+ \[|########)", lines[position]):
            body.append(lines[position])
            position += 1
        message = _message(head[1], head[2], head[3], "\n".join(body).strip().removesuffix(";"), number)
        if message is not None:
            yield message


def _message(connection: str, kind: str, rest: str, text: str, line: int) -> Message | None:
    """One message; None for those that the replay does not send (SSLRequest, CancelRequest)."""
    if kind == "simple query":
        return Message(connection, "query", line, text)
    if kind == "Parse":
        return Message(
            connection,
            "parse",
            line,
            text,
            statement=_quoted(rest, "stmt"),
            parameter_oids=_listed(rest, "param_oids"),
        )
    if kind == "Bind":
        values = ast.literal_eval(rest.partition("params=")[2])
        return Message(
            connection,
            "bind",
            line,
            statement=_quoted(rest, "stmt"),
            formats=_listed(rest, "param_formats"),
            result_formats=_listed(rest, "result_formats"),
            values=values,
        )
    if kind == "Startup":
        return Message(connection, "startup", line, settings=ast.literal_eval(rest[rest.index("{") :]))
    return None


def _quoted(text: str, name: str) -> str:
    found = re.search(rf"{name}='([^']*)'", text)
    assert found is not None, text
    return found[1]


def _listed(text: str, name: str) -> list[int]:
    found = re.search(rf"{name}=(\[[^\]]*\])", text)
    assert found is not None, text
    return list(ast.literal_eval(found[1]))


class Replay:
    """Sends captures to a server, one statement at a time, in the order of the capture.

    A client's connection is closed after the last message that it sent.
    """

    def __init__(self, address: Address, schema: str) -> None:
        """`schema` is the text of schema.sql."""
        self._address = address
        self._schema = [line for line in schema.splitlines() if not line.startswith(_NOT_SENT)]

    def run(self, capture: Capture) -> list[Answer]:
        """Send a capture, in databases made for it; what comes of each message."""
        databases = sorted(
            {each.settings["database"] for each in capture.messages if each.settings} - {"postgres"}
        )
        connections: dict[str, _Connection] = {}
        try:
            self._make_databases(databases, capture)
            return list(self._answers(capture, connections))
        finally:
            for connection in connections.values():
                connection.close()
            self._drop_databases(databases)

    def _answers(self, capture: Capture, connections: dict[str, _Connection]) -> Iterator[Answer]:
        oids = self._oids(PLAIN_OIDS.get(capture.client))
        last = {message.connection: number for number, message in enumerate(capture.messages)}
        for number, message in enumerate(capture.messages):
            name = message.connection
            if name not in connections:
                connections[name] = _Connection(self._address, message.settings or AT_FIRST, oids)
            if message.kind != "startup":
                text, outcome = connections[name].send(message)
                yield Answer(capture.client, message.line, text, 1 in message.result_formats, outcome)
            if last[name] == number:
                connections.pop(name).close()

    def _make_databases(self, databases: Sequence[str], capture: Capture) -> None:
        """All but those that the client makes itself."""
        own = {message.text.removeprefix("CREATE DATABASE ") for message in capture.messages}
        admin = WireClient(self._address)
        admin.query("CREATE ROLE postgres SUPERUSER LOGIN")
        for name in databases:
            if name not in own:
                admin.query(f"CREATE DATABASE {name}")
        admin.close()
        if DATABASE in databases:
            self._make_schema()

    def _drop_databases(self, databases: Sequence[str]) -> None:
        admin = WireClient(self._address)
        for statement in (*(f"DATABASE IF EXISTS {name}" for name in databases), "ROLE IF EXISTS app_ro"):
            error = admin.query(f"DROP {statement}").error
            assert error is None, error
        admin.close()

    def _make_schema(self) -> None:
        client = WireClient(self._address, DATABASE)
        for line in self._schema:
            error = client.query(line).error
            assert error is None, f"{line}: {error}"
        client.close()

    def _oids(self, plain: int | None) -> dict[int, int]:
        """Ours by those of the capture."""
        if plain is None:
            return {}
        client = WireClient(self._address, DATABASE)
        selected = ", ".join(f"{text}::oid" for text in OBJECTS.values())
        (row,) = client.query(f"SELECT {selected}").rows
        client.close()
        return {
            plain + distance: int(oid) for distance, oid in zip(OBJECTS, row, strict=True) if oid is not None
        }


class _Connection:
    """One connection of a capture."""

    def __init__(self, address: Address, settings: Mapping[str, str], oids: Mapping[int, int]) -> None:
        rest = {name: value for name, value in settings.items() if name not in ("user", "database")}
        whom = Address(address.host, address.port, settings["user"], settings["database"])
        self._client = WireClient(whom, settings["database"], **rest)
        self._oids = oids
        self._texts: dict[str, str] = {}

    def close(self) -> None:
        self._client.close()

    def send(self, message: Message) -> tuple[str, Outcome]:
        """Send a message; the statement that it is about, and what came of it."""
        text = self._with_our_oids(message.text)
        self._client.copy_in = _BINARY_COPY if re.search("binary", text, re.IGNORECASE) else b""
        if message.kind == "query":
            return text, self._client.query(text)
        if message.kind == "parse":
            self._texts[message.statement] = text
            return text, self._client.prepare(message.statement, text, message.parameter_oids)
        values = self._values(message)
        outcome = self._client.execute(message.statement, message.formats, values, message.result_formats)
        return self._texts[message.statement], outcome

    def _with_our_oids(self, text: str) -> str:
        return re.sub(r"\b1\d{4}\b", lambda found: str(self._oids.get(int(found[0]), found[0])), text)

    def _values(self, message: Message) -> list[bytes | None]:
        formats = list(message.formats)
        if len(formats) < 2:
            formats = (formats or [0]) * len(message.values)
        return [
            None if value is None else self._binary(value) if is_binary else self._text(value)
            for value, is_binary in zip(message.values, formats, strict=True)
        ]

    def _text(self, value: str) -> bytes:
        ours = self._oids.get(int(value)) if value.isascii() and value.isdigit() else None
        return (value if ours is None else str(ours)).encode()

    def _binary(self, value: str) -> bytes:
        """What a hexadecimal value stands for, with our OID if it is one: alone, or last in an array."""
        content = bytes.fromhex(value.removeprefix("0x"))
        width = len(content) if len(content) in (2, 4) else 4 if len(content) % 4 == 0 else 0
        if not width or not content:
            return content
        ours = self._oids.get(int.from_bytes(content[-width:], "big"))
        return content if ours is None else content[:-width] + ours.to_bytes(width, "big")
