"""COPY ... TO STDOUT and COPY ... FROM STDIN.

    TO     query ─> Rows ─> columns as text or binary ─> CopyData, a message for each row
    FROM   CopyIn <─ bytes ─> lines ─> fields ─> rows (copy_rows) ─> TableWriter, BATCH_ROWS at a time

COPY FROM is one statement that never starts over: where others hold a lock it waits in place, and then makes
the same call again.  Rows are checked and written in batches, but errors are those of the first bad line.
A native graph is copied as a whole, in a form of its own: copy_graph.py.
FREEZE asks for nothing that would have to be done: rows are frozen anyway as soon as every snapshot sees
them, and not before.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from skerry_engine import errors
from skerry_engine.catalog.graphs import Graph
from skerry_engine.catalog.objects import (
    Column,
    IndexDef,
    MaterializedView,
    Relation,
    SequenceDef,
    SystemTable,
    Table,
    View,
)
from skerry_engine.catalog.privileges import INSERT, USAGE
from skerry_engine.session.commands.copy_graph import copy_graph
from skerry_engine.session.commands.copy_rows import RowMaker
from skerry_engine.session.commands.copy_values import column_writer, with_context
from skerry_engine.session.copy_format import CopyBatch, CopyEncoder, copy_context, copy_decoder, copy_encoder
from skerry_engine.session.execution import finish_statement
from skerry_engine.session.rights import Access, check_accesses
from skerry_engine.session.steps import (
    PAUSE,
    Complete,
    CopyData,
    CopyFailed,
    CopyIn,
    CopyOut,
    Description,
    ResultColumn,
    Rows,
    Step,
    Wait,
)
from skerry_engine.sql import statements as st
from skerry_engine.sql.front import parse_statement
from skerry_engine.txn.locks import LockWait
from skerry_engine.txn.modes import ROW_EXCLUSIVE
from skerry_engine.txn.transaction import Transaction
from skerry_engine.txn.writer import TableWriter
from skerry_engine.values.io import IoContext

if TYPE_CHECKING:
    from skerry_engine.session.session import Session

Steps = Generator[Step, object, None]
Row = tuple[object, ...]

BATCH_ROWS = 500
"""Rows written by one call."""
UNIT_BYTES = 16 * 1024
"""Data split into lines by one call; more only when a single row is longer."""


def copy(session: Session, statement: st.Copy) -> Steps:
    """Run COPY."""
    _check_options(statement)
    graph = _graph(session, statement)
    if graph is not None:
        yield from copy_graph(session, statement, graph)
    elif statement.is_from:
        yield from _copy_from(session, statement)
    else:
        yield from _copy_to(session, statement)


def _check_options(statement: st.Copy) -> None:
    if statement.target in ("file", "program"):
        what = "a file" if statement.target == "file" else "a program"
        direction, stream = ("from", "COPY FROM STDIN") if statement.is_from else ("to", "COPY TO STDOUT")
        raise errors.NotSupportedError(
            f"COPY {direction} {what} is not supported",
            hint=f"Use {stream}, or psql's \\copy, which reads and writes files on the client.",
        )
    encoding = statement.options.encoding
    if encoding is not None and encoding.lower().replace("-", "").replace("_", "") not in ("utf8", "unicode"):
        raise errors.NotSupportedError(f'COPY with encoding "{encoding}" is not supported: only UTF8 is')


def _relation(session: Session, name: st.ObjectName) -> Relation:
    here = session.statement_catalog()
    schema = None if name.schema is None else here.database.schema_named(name.schema)
    if schema is not None:
        check_accesses(here, (Access(schema.oid, 0, USAGE, is_schema=True),))
    return here.database.get_relation(name.name, name.schema, here.search_path, name.position)


def _graph(session: Session, statement: st.Copy) -> Graph | None:
    """The native graph that is copied, if it is one."""
    if statement.table is None:
        return None
    found = _relation(session, statement.table)
    return found if isinstance(found, Graph) else None


def _given_columns(table: Table | SystemTable, names: Sequence[str]) -> list[Column]:
    """The columns of the column list, all that are not generated if there is none."""
    columns = {column.name: column for column in table.columns if not column.dropped}
    if not names:
        return [column for column in columns.values() if not column.generated]
    found: list[Column] = []
    for name in names:
        column = columns.get(name)
        if column is None:
            raise errors.UndefinedColumn(f'column "{name}" of relation "{table.name}" does not exist')
        if column.generated:
            raise errors.InvalidColumnReference(
                f'column "{name}" is a generated column', detail="Generated columns cannot be used in COPY."
            )
        if column in found:
            raise errors.DuplicateColumn(f'column "{name}" specified more than once')
        found.append(column)
    return found


def _check_forced(options: st.CopyOptions, names: Sequence[str], table: Table | SystemTable | None) -> None:
    """The columns of FORCE_QUOTE and its like must be among those copied."""
    known = (
        {column.name for column in table.columns if not column.dropped} if table is not None else set(names)
    )
    for option, wanted in (
        ("FORCE_QUOTE", options.force_quote),
        ("FORCE_NOT_NULL", options.force_not_null),
        ("FORCE_NULL", options.force_null),
    ):
        for name in () if wanted == ("*",) else wanted:
            if name not in known:
                of_relation = f' of relation "{table.name}"' if table is not None else ""
                raise errors.UndefinedColumn(f'column "{name}"{of_relation} does not exist')
            if name not in names:
                raise errors.InvalidColumnReference(f'{option} column "{name}" not referenced by COPY')


# --- TO -------------------------------------------------------------------------------------------


def _copy_to(session: Session, statement: st.Copy) -> Steps:
    query, table = _query_of(session, statement)
    plan = session.plan_query(query, ())
    if plan.parameter_types:
        raise errors.UndefinedParameter("there is no parameter $1")
    if plan.columns is None:
        raise errors.NotSupportedError("COPY query must have a RETURNING clause")
    _check_forced(statement.options, [column.name for column in plan.columns], table)
    count = 0
    formatter: _RowFormatter | None = None
    for step in session.query_steps(query, plan, (), (), True):
        if isinstance(step, Description):
            formatter = _RowFormatter(statement.options, step.columns, session.io)
            yield CopyOut(formatter.is_binary, len(step.columns))
            if formatter.header and not formatter.is_binary:
                yield CopyData(formatter.header)
        elif isinstance(step, Rows):
            assert formatter is not None
            count += len(step.rows)
            if step.rows:
                yield CopyData(formatter.messages(step.rows))
        elif isinstance(step, Complete):
            assert formatter is not None
            if formatter.is_binary:
                yield CopyData(formatter.start() + formatter.trailer)
        else:
            yield step
    yield Complete(f"COPY {count}", count)


def _query_of(session: Session, statement: st.Copy) -> tuple[st.Query, Table | SystemTable | None]:
    """The query whose rows are copied, and the table if it is one."""
    if statement.query is not None:
        return statement.query, None
    assert statement.table is not None
    relation = _relation(session, statement.table)
    if isinstance(relation, IndexDef):
        raise errors.WrongObjectType(f'"{relation.name}" is an index')
    if isinstance(relation, View) or (isinstance(relation, SystemTable) and relation.relation_kind == "v"):
        raise errors.WrongObjectType(
            f'cannot copy from view "{relation.name}"', hint="Try the COPY (SELECT ...) TO variant."
        )
    if isinstance(relation, MaterializedView):
        raise errors.WrongObjectType(
            f'cannot copy from materialized view "{relation.name}"',
            hint="Try the COPY (SELECT ...) TO variant.",
        )
    if isinstance(relation, SequenceDef):
        raise errors.WrongObjectType(f'cannot copy from sequence "{relation.name}"')
    if not isinstance(relation, (Table, SystemTable)):
        raise errors.WrongObjectType(f'cannot copy from "{relation.name}": it is not a table')
    names = [_quoted(column.name) for column in _given_columns(relation, statement.columns)]
    schema = session.statement_catalog().database.schema_of(relation).name
    text = f"SELECT {', '.join(names)} FROM {_quoted(schema)}.{_quoted(relation.name)}"
    query = parse_statement(text)
    assert isinstance(query, st.Query)
    return query, relation


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class _RowFormatter:
    """Rows to messages.  The header of the binary format stands in the first row's message, where clients look for
    it."""

    def __init__(self, options: st.CopyOptions, columns: Sequence[ResultColumn], io: IoContext) -> None:
        self.is_binary = options.format == "binary"
        self._encoder: CopyEncoder = copy_encoder(options, [column.name for column in columns])
        self._writers = [column_writer(column.type, io, self.is_binary) for column in columns]
        self._converts = any(writer is not None for writer in self._writers)
        self.header = self._encoder.header()
        self.trailer = self._encoder.trailer()
        self._is_begun = False

    def start(self) -> bytes:
        """The binary header, the first time that it is asked for."""
        if self._is_begun:
            return b""
        self._is_begun = True
        return self.header

    def messages(self, rows: list[Row]) -> list[bytes]:
        """A message for each row."""
        fields: list[Row] = rows
        if self._converts:
            columns = zip(self._writers, zip(*rows, strict=True), strict=True)
            fields = list(
                zip(*[values if write is None else write(values) for write, values in columns], strict=True)
            )
        if not self.is_binary:
            lines = self._encoder.encode(fields).split(b"\n")  # type: ignore[arg-type]
            if len(lines) == len(rows) + 1:  # no line end inside a field
                lines.pop()
                return [line + b"\n" for line in lines]
        made = [self._encoder.encode([row]) for row in fields]  # type: ignore[list-item]
        if self.is_binary:
            made[0] = self.start() + made[0]
        return made


# --- FROM -----------------------------------------------------------------------------------------


def _copy_from(session: Session, statement: st.Copy) -> Steps:
    assert statement.table is not None
    transaction = session.need_transaction()
    target = _writable(session, statement.table)
    if transaction.read_only and not session.is_temporary(target.oid):
        raise errors.ReadOnlyViolation("cannot execute COPY FROM in a read-only transaction")
    mark = transaction.start_statement()
    try:
        table = yield from _locked_table(session, transaction, statement.table)
        columns = _given_columns(table, statement.columns)
        here = session.statement_catalog()
        positions = tuple(column.position for column in columns)
        check_accesses(here, (Access(table.oid, 0, INSERT, inserted=positions),))
        _check_forced(statement.options, [column.name for column in columns], table)
        maker = RowMaker(session, here, table, columns, statement)
        loader = _Loader(maker, transaction.writer(here.target(table.oid)), statement.options)
        yield from loader.load()
        yield from finish_statement(transaction)
    except BaseException:
        if transaction.state == "active":
            transaction.abandon_statement(mark)
        raise
    yield Complete(f"COPY {loader.count}", loader.count)


def _writable(session: Session, name: st.ObjectName) -> Table:
    """The table of that name, if rows can be put into it."""
    relation = _relation(session, name)
    if isinstance(relation, IndexDef):
        raise errors.WrongObjectType(f'"{relation.name}" is an index')
    if isinstance(relation, View):
        raise errors.WrongObjectType(
            f'cannot copy to view "{relation.name}"',
            hint="To enable copying to a view, provide an INSTEAD OF INSERT trigger.",
        )
    if isinstance(relation, MaterializedView):
        raise errors.WrongObjectType(f'cannot copy to materialized view "{relation.name}"')
    if isinstance(relation, SequenceDef):
        raise errors.WrongObjectType(f'cannot copy to sequence "{relation.name}"')
    if isinstance(relation, SystemTable):
        raise errors.InsufficientPrivilege(f'permission denied: "{relation.name}" is a system catalog')
    if not isinstance(relation, Table):
        raise errors.WrongObjectType(f'cannot copy to "{relation.name}": it is not a table')
    return relation


def _locked_table(
    session: Session, transaction: Transaction, name: st.ObjectName
) -> Generator[Step, object, Table]:
    """The table, locked against definitions; looked up again when that took waiting."""
    while True:
        table = _writable(session, name)
        waited = False
        while True:
            try:
                transaction.lock_table(table.oid, ROW_EXCLUSIVE)
                break
            except LockWait as wait:
                waited = True
                yield Wait(wait.request)
        if transaction.is_snapshot:
            session.check_unchanged(table.oid)
            return table
        if not waited:
            return table
        transaction.take_snapshot()
        found = _writable(session, name)
        if found.oid == table.oid:
            return found


class _Loader:
    """Takes data in and writes rows.  `count` is the number of rows written."""

    def __init__(self, maker: RowMaker, writer: TableWriter, options: st.CopyOptions) -> None:
        self.count = 0
        self._maker = maker
        self._writer = writer
        self._wants = CopyIn(maker.is_binary, len(maker.columns))
        self._decoder = copy_decoder(options, maker.table.name, [column.name for column in maker.columns])
        self._unit_bytes = UNIT_BYTES
        self._fields: list[Sequence[object]] = []
        self._lines: list[int] = []
        self._last_line = 0

    def load(self) -> Steps:
        """Ask for data until its end."""
        parts: list[bytes] = []
        size_bytes = 0
        while True:
            data = yield self._wants
            if data is None:
                break
            if isinstance(data, CopyFailed):
                context = copy_context(self._maker.table.name, self._last_line + 1)
                raise errors.QueryCanceled(f"COPY from stdin failed: {data.reason}", context=context)
            assert isinstance(data, (bytes, bytearray, memoryview)), "COPY takes bytes"
            parts.append(bytes(data))
            size_bytes += len(data)
            if size_bytes >= self._unit_bytes:
                yield from self._feed(b"".join(parts))
                parts = []
                size_bytes = 0
        yield from self._feed(b"".join(parts))
        yield from self._put(self._decoder.finish())
        yield from self._write(1)

    def _feed(self, data: bytes) -> Steps:
        """Decode a unit at a time.  A row longer than that doubles the unit,
        lest its start be copied too often."""
        position = 0
        while position < len(data):
            end = position + self._unit_bytes
            piece = data[position:end] if position or end < len(data) else data
            position = end
            batch = self._decoder.feed(piece)
            self._unit_bytes = UNIT_BYTES if batch.lines else self._unit_bytes * 2
            yield from self._put(batch)

    def _put(self, batch: CopyBatch) -> Steps:
        """Write what the decoder has found: columns at once, rows when there are enough."""
        if not batch.lines:
            return
        if batch.columns is None:
            self._fields.extend(batch.rows)
            self._lines.extend(batch.lines)
            self._last_line = batch.lines[-1]
            yield from self._write(BATCH_ROWS)
            return
        yield from self._write(1)
        self._last_line = batch.lines[-1]
        yield from self._insert(*self._maker.make_columns(batch.columns, batch.lines))
        yield PAUSE

    def _write(self, at_least: int) -> Steps:
        """Write batches as long as there are `at_least` rows."""
        while len(self._fields) >= at_least:
            fields, lines = self._fields[:BATCH_ROWS], self._lines[:BATCH_ROWS]
            del self._fields[:BATCH_ROWS], self._lines[:BATCH_ROWS]
            yield from self._insert(*self._maker.make(fields, lines))
            yield PAUSE

    def _insert(self, rows: list[Row], lines: Sequence[int]) -> Steps:
        self.count += len(rows)
        while rows:
            try:
                self._writer.insert_many(rows)
                return
            except LockWait as wait:
                yield Wait(wait.request)
            except errors.UniqueViolation:
                break
        yield from self._insert_singly(rows, lines)

    def _insert_singly(self, rows: list[Row], lines: Sequence[int]) -> Steps:
        """A batch holds a duplicate: find out on which line."""
        for row, line in zip(rows, lines, strict=True):
            while True:
                try:
                    self._writer.insert(row)
                    break
                except LockWait as wait:
                    yield Wait(wait.request)
                except errors.UniqueViolation as error:
                    raise with_context(error, copy_context(self._maker.table.name, line)) from None
