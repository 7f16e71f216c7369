"""One dump, from its snapshot to its last line."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

from skerry.abc import Outcome
from skerry.dump import rights, rows, writing
from skerry.dump.model import Contents, NativeGraph, SequenceObject, Table
from skerry.dump.reading import Rows, read_contents, refuse_unknown
from skerry_engine import errors

Write = Callable[[bytes], object]

ATTEMPTS = 5
"""How often a snapshot is taken anew because a table changed before it could be locked."""

_NOT_FOR_POSTGRESQL = "-- With graphs, which PostgreSQL does not have: --no-graphs leaves them out.\n"

_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_SETTINGS = (
    "SET LOCAL search_path = ''; SET LOCAL datestyle = 'ISO, MDY'; SET LOCAL intervalstyle = 'postgres';"
    " SET LOCAL timezone = 'UTC'; SET LOCAL extra_float_digits = 3; SET LOCAL bytea_output = 'hex';"
    " SET LOCAL client_encoding = 'UTF8'; SET LOCAL synchronize_seqscans = off"
)


class DumpSession(Protocol):
    """The part of `skerry.abc.Backend` that a dump needs."""

    def execute(self, text: str, parameters: Sequence[object] | None = None) -> Outcome:
        """Run a statement."""
        ...

    def copy_out(self, text: str, write: Write) -> None:
        """Run COPY ... TO STDOUT; `write` gets whole rows."""
        ...


@dataclass(frozen=True, slots=True)
class DumpOptions:
    """`tables`: patterns as psql has them (`orders`, `app.*`, `"Odd Name"`), none for everything.  A choice of tables
    has no graphs, and neither has a dump without `graphs`.  With `roles` it begins with the cluster's."""

    schema: bool = True
    data: bool = True
    tables: tuple[str, ...] = ()
    inserts: bool = False
    graphs: bool = True
    roles: bool = False


def dump(session: DumpSession, write: Write, options: DumpOptions) -> list[str]:
    """Write the database that the session is connected to; returns warnings.

    The session must be outside a transaction; afterwards it is again.  Tables can't be altered or dropped
    meanwhile, rows can change.  Raises NotSupportedError for what a dump can't express, UndefinedTable for a
    pattern that finds nothing.
    """
    try:
        warnings = _Dump(session, write, options).run()
    except BaseException:
        with contextlib.suppress(errors.Error):
            session.execute("ROLLBACK")
        raise
    session.execute("ROLLBACK")
    return warnings


class _Dump:
    def __init__(self, session: DumpSession, write: Write, options: DumpOptions) -> None:
        self._session = session
        self._write = write
        self._options = options
        self._warnings: list[str] = []

    def rows(self, text: str) -> Rows:
        """What `reading.Queries` asks for."""
        return self._session.execute(text).rows

    def run(self) -> list[str]:
        contents = self._locked_contents()
        tables = contents.tables if self._options.schema else self._by_foreign_keys(contents.tables)
        self._line("--\n-- Skerry database dump\n--\n")
        if contents.has_graphs:
            self._line(_NOT_FOR_POSTGRESQL)
        self._statements(writing.SETTINGS.splitlines())
        if self._options.roles:
            self._statements(rights.roles(self.rows))
        if self._options.schema:
            self._statements(writing.before_data(contents))
        if self._options.data:
            for table in tables:
                self._rows_of(table)
            for sequence in contents.sequences:
                self._read_value(sequence)
            self._statements(writing.set_values(contents.sequences))
        last = chain(writing.after_data(contents), writing.after_elements(contents))
        if contents.graph_types or contents.native_graphs:
            if self._options.schema:
                self._statements(chain(writing.after_data(contents), writing.graphs(contents)))
            if self._options.data:
                for graph in contents.native_graphs:
                    self._elements_of(graph)
            last = chain(writing.after_elements(contents))
        if self._options.schema:
            self._statements(last)
            found = list(rights.rights(self.rows, contents, bool(self._options.tables), self._options.graphs))
            if found:
                self._statements(found)
        if self._options.data:
            self._statements(writing.refreshed(contents))
        self._line("--\n-- Skerry database dump complete\n--")
        return self._warnings

    def _locked_contents(self) -> Contents:
        """Objects as of the snapshot, locked against change."""
        for _ in range(ATTEMPTS - 1):
            try:
                return self._read_and_lock()
            except errors.DatabaseError as error:
                if not (error.is_retryable or isinstance(error, errors.UndefinedTable)):
                    raise
                self._session.execute("ROLLBACK")
        return self._read_and_lock()

    def _read_and_lock(self) -> Contents:
        self._session.execute(_BEGIN)
        self._session.execute(_SETTINGS)
        refuse_unknown(self)
        contents = read_contents(self, _choice(self._options.tables))
        if not self._options.graphs:
            contents, self._warnings = writing.without_graphs(contents)
        self._check_patterns(contents)
        if contents.tables:
            names = ", ".join(table.name for table in contents.tables)
            self._session.execute(f"LOCK TABLE {names} IN ACCESS SHARE MODE")
        for table in contents.tables:  # is it still as the snapshot has it?  If not, this is 40001
            self._session.execute(f"SELECT FROM {table.name} LIMIT 0")
        return contents

    def _check_patterns(self, contents: Contents) -> None:
        relations = [*contents.tables, *contents.views, *contents.sequences]
        for pattern in self._options.tables:
            if not any(_matches(pattern, *relation.sort_key) for relation in relations):
                raise errors.UndefinedTable(f'no table, view or sequence is named like "{pattern}"')

    # --- rows -----------------------------------------------------------------------------------------------

    def _rows_of(self, table: Table) -> None:
        if self._options.inserts:
            self._session.copy_out(rows.copy_out(table), rows.InsertWriter(table, self._write).write)
            self._line("")
            return
        self._line(rows.copy_in(table))
        self._session.copy_out(rows.copy_out(table), self._write)
        self._line("\\.\n")

    def _elements_of(self, graph: NativeGraph) -> None:
        """INSERTs would be of no use to anybody: who has graphs has COPY."""
        if graph.has_elements:
            self._line(f"COPY {graph.name} FROM stdin;")
            self._session.copy_out(f"COPY {graph.name} TO STDOUT", self._write)
            self._line("\\.\n")

    def _read_value(self, sequence: SequenceObject) -> None:
        (found,) = self.rows(f"SELECT last_value, is_called FROM {sequence.name}")
        sequence.last_value, sequence.is_called = found

    def _by_foreign_keys(self, tables: Sequence[Table]) -> list[Table]:
        """Parents before children, since with data only the foreign keys are there already."""
        by_oid = {table.oid: table for table in tables}
        done: dict[int, Table] = {}
        for table in tables:
            self._add_after_parents(table, by_oid, done)
        return list(done.values())

    def _add_after_parents(self, table: Table, by_oid: dict[int, Table], done: dict[int, Table]) -> None:
        path = [table]
        while path:
            parents = [by_oid[oid] for oid in _parents(path[-1]) if oid in by_oid and oid not in done]
            circle = [parent.name for parent in parents if parent in path and parent is not path[-1]]
            if circle:
                self._warnings.append(
                    f"foreign keys of {path[-1].name} and {circle[0]} form a circle: data alone may not load"
                )
            waiting = [parent for parent in parents if parent not in path]
            if waiting:
                path.append(waiting[0])
            else:
                done.setdefault(path[-1].oid, path[-1])
                path.pop()

    # --- output ---------------------------------------------------------------------------------------------

    def _statements(self, statements: Iterable[str]) -> None:
        for statement in statements:
            self._line(statement)
        self._line("")

    def _line(self, text: str) -> None:
        self._write(f"{text}\n".encode())


def _parents(table: Table) -> Iterator[int]:
    return (c.referenced_oid for c in table.constraints if c.kind == "f")


# --- patterns -----------------------------------------------------------------------------------------------


def _choice(patterns: Sequence[str]) -> Callable[[str, str], bool] | None:
    if not patterns:
        return None
    return lambda schema, name: any(_matches(pattern, schema, name) for pattern in patterns)


def _matches(pattern: str, schema: str, name: str) -> bool:
    """Whether psql would say that `pattern` names the relation; without a schema, in any schema."""
    parts = _pattern_parts(pattern)
    wanted = (schema, name)[-len(parts) :]
    return len(parts) <= 2 and all(map(re.fullmatch, parts, wanted))


def _pattern_parts(pattern: str) -> list[str]:
    """Regular expressions for schema and name: folded to lower case outside quotes, `*` and `?` wild."""
    parts = [""]
    is_quoted = False
    for token in re.findall(r'""|.', pattern, re.DOTALL):
        if token == '""' and is_quoted:
            parts[-1] += '"'
        elif token.startswith('"'):
            is_quoted = is_quoted != (token == '"')
        elif not is_quoted and token in ".*?":
            if token == ".":
                parts.append("")
            else:
                parts[-1] += ".*" if token == "*" else "."
        else:
            parts[-1] += re.escape(token if is_quoted else token.lower())
    return parts


# --- streams ------------------------------------------------------------------------------------------------


def as_writer(stream: Any) -> Write:
    """What writes bytes to a stream of bytes or of text, all of them."""
    if isinstance(stream, io.TextIOBase):
        return lambda data: stream.write(bytes(data).decode())
    if isinstance(stream, io.RawIOBase):
        return lambda data: _write_all(stream, data)
    write: Write = stream.write
    return write


def _write_all(stream: io.RawIOBase, data: bytes) -> None:
    """A raw stream may take less than it is given."""
    rest = memoryview(data)
    while rest:
        rest = rest[stream.write(rest) or 0 :]
