"""The command language of protocol goldenscripts: messages of the client,
and what the server answers to each line.

    A: Parse s = select 1 | Bind "" s | Execute | Sync
    ---
    A: ParseComplete
    ...

Messages that stand on one line, divided by ` | `, arrive in one piece.
Each session is a conversation without a socket.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Generator
from typing import Any

from stepper import Output

from skerry_engine.session.steps import Step, Wait
from skerry_server.protocol.backend import AGAIN, CLOSED, WAITING

_NAMES = {
    "1": "ParseComplete",
    "2": "BindComplete",
    "3": "CloseComplete",
    "C": "CommandComplete",
    "D": "DataRow",
    "E": "ErrorResponse",
    "G": "CopyInResponse",
    "H": "CopyOutResponse",
    "I": "EmptyQueryResponse",
    "N": "NoticeResponse",
    "S": "ParameterStatus",
    "T": "RowDescription",
    "Z": "ReadyForQuery",
    "c": "CopyDone",
    "d": "CopyData",
    "n": "NoData",
    "s": "PortalSuspended",
    "t": "ParameterDescription",
}


class WireSession:
    """One client's conversation; `wire` is the tests' namespace of message makers."""

    def __init__(self, wire: Any, engine: Any) -> None:
        self._wire = wire
        self._talk = wire.Talk(engine=engine)

    def run(self, command: str) -> Output:
        """Send a line's messages; yields while the server waits, returns its answers."""
        backend = self._talk.backend
        backend.receive(b"".join([self._message(part.strip()) for part in command.split(" | ")]))
        output = yield from self._steps()
        return [self._shown(kind, body) for kind, body in self._wire.split(output)] + (
            ["(connection closed)"] if backend.state == 4 else []
        )

    def _steps(self) -> Generator[Step, None, bytes]:
        backend = self._talk.backend
        output = b""
        while True:
            outcome = backend.run(1.0)
            output += backend.take_output(outcome)
            if outcome == WAITING:
                yield Wait(backend.waiting)
                backend.waiting = None
            elif outcome != AGAIN or outcome == CLOSED:
                return output

    def _message(self, text: str) -> bytes:
        word, _, rest = text.partition(" ")
        maker: Callable[[str], bytes] = getattr(self, f"_{word.lower()}")
        return maker(rest)

    def _query(self, rest: str) -> bytes:
        return self._wire.query(rest)

    def _parse(self, rest: str) -> bytes:
        name, _, text = rest.partition("=")
        return self._wire.parse(text.strip(), _name(name.strip()))

    def _bind(self, rest: str) -> bytes:
        words = rest.split()
        portal, statement = [_name(word) for word in (words + ['""', '""'])[:2]]
        values = [None if word == "NULL" else word.encode() for word in words[2:]]
        return self._wire.bind(portal, statement, values)

    def _execute(self, rest: str) -> bytes:
        words = rest.split()
        return self._wire.execute(_name(words[0]) if words else "", int(words[1]) if words[1:] else 0)

    def _describe(self, rest: str) -> bytes:
        kind, _, name = rest.partition(" ")
        return self._wire.describe(kind[0].upper(), _name(name))

    def _close(self, rest: str) -> bytes:
        kind, _, name = rest.partition(" ")
        return self._wire.close(kind[0].upper(), _name(name))

    def _sync(self, rest: str) -> bytes:
        return self._wire.SYNC

    def _flush(self, rest: str) -> bytes:
        return self._wire.FLUSH

    def _terminate(self, rest: str) -> bytes:
        return self._wire.TERMINATE

    def _copydata(self, rest: str) -> bytes:
        return self._wire.message("d", rest.encode() + b"\n")

    def _copydone(self, rest: str) -> bytes:
        return self._wire.message("c")

    def _copyfail(self, rest: str) -> bytes:
        return self._wire.message("f", rest.encode() + b"\0")

    def _bytes(self, rest: str) -> bytes:
        return bytes.fromhex(rest)

    def _shown(self, kind: str, body: bytes) -> str:
        name = _NAMES[kind]
        if kind in "EN":
            fields = self._wire.fields(body)
            code = " ".join(filter(None, (fields["S"], fields["C"], fields.get("R"))))
            return f"{name} {code}: {fields['M']}"
        if kind == "D":
            return " ".join([name, *_row(body)])
        if kind == "T":
            return " ".join([name, *_columns(body)])
        if kind in "ZCSd":
            return f"{name} {body.decode().replace(chr(0), ' ').strip()}"
        return name


def _name(word: str) -> str:
    return "" if word == '""' else word


def _row(body: bytes) -> list[str]:
    shown, position = [], 2
    while position < len(body):
        (size,) = struct.unpack_from(">i", body, position)
        position += 4
        shown.append("NULL" if size < 0 else repr(body[position : position + size].decode()))
        position += max(size, 0)
    return shown


def _columns(body: bytes) -> list[str]:
    shown, position = [], 2
    while position < len(body):
        end = body.index(b"\0", position)
        shown.append(body[position:end].decode())
        position = end + 19
    return shown
