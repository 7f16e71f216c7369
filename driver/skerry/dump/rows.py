"""Rows in a dump: a COPY block for each table, or INSERT statements.

COPY's text form is the one source of values: of each type it holds exactly what reads back as the same value.
INSERTs are made of it, every value as a string constant, to which its place gives the type.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from skerry.dump.model import Table
from skerry.dump.writing import literal

Write = Callable[[bytes], object]

_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def _copied(table: Table) -> list[str]:
    """The columns whose values are stored rather than computed."""
    return [column.name for column in table.columns if not column.generated]


def _target(table: Table) -> str:
    columns = _copied(table)
    return f"{table.name} ({', '.join(columns)})" if columns else table.name


def copy_out(table: Table) -> str:
    """The statement that gives the table's rows."""
    return f"COPY {_target(table)} TO STDOUT"


def copy_in(table: Table) -> str:
    """The statement that takes them, followed by the rows and `\\.`."""
    return f"COPY {_target(table)} FROM stdin;"


class InsertWriter:
    """Takes the data of COPY TO STDOUT, whole rows at a time, and writes an INSERT for each row."""

    def __init__(self, table: Table, write: Write) -> None:
        self._write = write
        overriding = " OVERRIDING SYSTEM VALUE" if any(c.identity == "a" for c in table.columns) else ""
        self._start = f"INSERT INTO {_target(table)}{overriding} VALUES ("
        self._default = None if _copied(table) else f"INSERT INTO {table.name} DEFAULT VALUES;\n".encode()

    def write(self, data: bytes) -> None:
        """Take one or more rows."""
        lines = data.decode().split("\n")[:-1]
        if self._default is not None:
            self._write(self._default * len(lines))
            return
        self._write("".join(f"{self._start}{_values(line)});\n" for line in lines).encode())


def _values(line: str) -> str:
    return ", ".join("NULL" if field == r"\N" else literal(_plain(field)) for field in line.split("\t"))


def _plain(field: str) -> str:
    if "\\" not in field:
        return field
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), field)
