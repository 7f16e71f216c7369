"""COPY of a whole native graph: its nodes, then its edges, as text.

    COPY home TO STDOUT
    (: Person {name text, age bigint})            nodes with these labels and properties: number, values
    1	Ada	36
    2	Bo	41
    (: Person & Pilot {name text})
    3	Cy
    -[: KNOWS {since date}]->                     edges: numbers of source and target, values; ~[...]~ undirected ones
    1	2	2001-05-01

A line that begins with a bracket, or an arrow's half and a bracket, says what the lines after it are; these are as COPY
writes rows, under the settings that PostgreSQL begins with, whatever the session's are.  Types are SQL's.  A number
names a node within one COPY and nothing else: elements get new ids.  So a graph's text depends on its elements alone,
and on the order in which nodes of one kind were made: kinds stand in the order of their labels and properties.

Elements are written as INSERT writes them: locks, constraints, the graph's type, all at the level of the transaction.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from skerry_engine import errors
from skerry_engine.catalog.graphs import ElementTable, Graph
from skerry_engine.catalog.privileges import INSERT, SELECT
from skerry_engine.plan.graph_writing import Narrowing, check_storable
from skerry_engine.session.commands.copy_values import (
    column_writer,
    field_reader,
    present_reader,
    with_context,
)
from skerry_engine.session.copy_format import copy_context
from skerry_engine.session.copy_text import TextEncoder, UnevenDecoder
from skerry_engine.session.execution import finish_statement, lock_table
from skerry_engine.session.rights import Access, check_accesses
from skerry_engine.session.steps import PAUSE, Complete, CopyData, CopyFailed, CopyIn, CopyOut, Step, Wait
from skerry_engine.sql.statements import CopyOptions
from skerry_engine.storage.heap import PAGE_BITS
from skerry_engine.storage.index import Index
from skerry_engine.storage.reader import TableReader
from skerry_engine.storage.shapes import Shape, ShapeRegistry
from skerry_engine.txn.locks import LockWait
from skerry_engine.txn.modes import ACCESS_SHARE, ROW_EXCLUSIVE
from skerry_engine.txn.transaction import Transaction
from skerry_engine.txn.waiting import patiently
from skerry_engine.txn.writer import TableWriter
from skerry_engine.values.graphs import widened
from skerry_engine.values.io import IoContext
from skerry_engine.values.types import SqlType, format_type

if TYPE_CHECKING:
    from skerry_engine.session.session import Session
    from skerry_engine.sql import statements as st

Steps = Generator[Step, object, None]
Row = tuple[Any, ...]
Fields = list[str | None]

BATCH_ROWS: Final = 500
UNIT_BYTES: Final = 16 * 1024
FIXED_IO: Final = IoContext(typed_json=True)
"""How values stand in the text: no setting of a session changes it, and no type is lost."""


def copy_graph(session: Session, statement: st.Copy, graph: Graph) -> Steps:
    """COPY graph TO STDOUT or FROM STDIN.  Raises NotSupportedError for anything that is written besides."""
    if statement.options != CopyOptions(encoding=statement.options.encoding) or statement.columns:
        raise errors.NotSupportedError(
            "COPY of a graph has no options and no columns", hint="A graph is copied as text, and as a whole."
        )
    if statement.where is not None:
        raise errors.NotSupportedError("COPY of a graph with WHERE is not supported")
    transaction = session.need_transaction()
    if statement.is_from and transaction.read_only and not session.is_temporary(graph.oid):
        raise errors.ReadOnlyViolation("cannot execute COPY FROM in a read-only transaction")
    needed = INSERT if statement.is_from else SELECT
    check_accesses(session.statement_catalog(), (Access(graph.oid, 0, needed),))
    mark = transaction.start_statement()
    try:
        graph = yield from _locked(
            session, transaction, graph, ROW_EXCLUSIVE if statement.is_from else ACCESS_SHARE
        )
        count = yield from _Loader(session, graph).load() if statement.is_from else _written(session, graph)
        yield from finish_statement(transaction)
    except BaseException:
        if transaction.state == "active":
            transaction.abandon_statement(mark)
        raise
    yield Complete(f"COPY {count}", count)


def _locked(
    session: Session, transaction: Transaction, graph: Graph, mode: int
) -> Generator[Step, object, Graph]:
    """The graph, its tables locked against definitions; as it is after that took waiting."""
    if transaction.is_historic:
        return graph
    waited = False
    for oid in (graph.nodes_oid, graph.edges_oid):
        waited = (yield from lock_table(transaction, oid, mode)) or waited
    if transaction.is_snapshot:
        session.check_unchanged(graph.nodes_oid)
        session.check_unchanged(graph.edges_oid)
    elif waited:
        transaction.take_snapshot()
        found = session.statement_catalog().database.relation(graph.oid)
        if not isinstance(found, Graph):
            raise errors.UndefinedTable(f'graph "{graph.name}" does not exist')
        return found
    return graph


# --- kinds of elements --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kind:
    """What elements of one shape have in common."""

    of_edges: bool
    labels: tuple[str, ...]
    names: tuple[str, ...]
    types: tuple[int, ...]
    is_directed: bool = True

    def text(self) -> str:
        """The line that announces elements of the kind."""
        labels = f": {' & '.join(map(_name_text, self.labels))}" if self.labels else ""
        pairs = zip(self.names, self.types, strict=True)
        listed = ", ".join([f"{_name_text(name)} {format_type(type_oid)}" for name, type_oid in pairs])
        properties = f"{{{listed}}}" if listed else ""
        filler = " ".join(filter(None, (labels, properties)))
        if not self.of_edges:
            return f"({filler})"
        return f"-[{filler}]->" if self.is_directed else f"~[{filler}]~"

    @property
    def order(self) -> tuple[object, ...]:
        """What kinds are sorted by in a text."""
        return self.labels, self.names, tuple(map(format_type, self.types)), not self.is_directed


def kind_of(shape: Shape, of_edges: bool) -> Kind:
    """The kind that a shape is."""
    return Kind(of_edges, tuple(sorted(shape.labels)), shape.names, shape.types, shape.is_directed)


_WORD = re.compile(r"[^\W\d]\w*")


def _name_text(name: str) -> str:
    return name if _WORD.fullmatch(name) else '"' + name.replace('"', '""') + '"'


_NAME = r'(?:[^\W\d]\w*|"(?:[^"]|"")*")'
_LINE = re.compile(
    rf"(\(|-\[|~\[)(?:: ?({_NAME}(?: ?& ?{_NAME})*))?\s*(?:\{{(.*)\}})?(\)|\]->|\]~)", re.DOTALL
)
_CLOSERS = {"(": ")", "-[": "]->", "~[": "]~"}
_NAMES = re.compile(_NAME)
_PROPERTY = re.compile(rf"\s*({_NAME})\s+([^,]+?)\s*(,|\Z)")


def is_kind_line(fields: Sequence[str | None]) -> bool:
    """Whether a line announces a kind, and is no element."""
    return len(fields) == 1 and fields[0] is not None and fields[0].startswith(tuple(_CLOSERS))


def read_kind(line: str, type_oid: Callable[[str], int]) -> Kind:
    """The kind that a line announces.  Raises BadCopyFileFormat, UndefinedObject (a type)."""
    found = _LINE.fullmatch(line)
    if found is None or _CLOSERS[found[1]] != found[4]:
        raise errors.BadCopyFileFormat(
            "a kind of nodes or edges is written as (: Label {property type}) or -[: Label {property type}]->"
        )
    labels = tuple(sorted({_bare(name) for name in _NAMES.findall(found[2] or "")}))
    names: list[str] = []
    types: list[int] = []
    text, place = found[3] or "", 0
    while text.strip():
        each = _PROPERTY.match(text, place)
        if each is None:
            raise errors.BadCopyFileFormat("properties are written as {name type, name type}")
        names.append(_bare(each[1]))
        types.append(type_oid(each[2]))
        place = each.end()
        if not each[3]:
            break
    if len(set(names)) < len(names):
        raise errors.BadCopyFileFormat("a property is named twice")
    for name, oid in zip(names, types, strict=True):
        check_storable(oid, name)
        if widened(oid) != oid:
            raise errors.BadCopyFileFormat(
                f'property "{name}" cannot be stored as {format_type(oid)}, but as {format_type(widened(oid))}'
            )
    return Kind(found[1] != "(", labels, tuple(names), tuple(types), found[1] != "~[")


def _bare(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


# --- TO -----------------------------------------------------------------------------------------------------


def _written(session: Session, graph: Graph) -> Generator[Step, object, int]:
    """The graph as COPY's data; how many elements there are."""
    database = session.statement_catalog().database
    transaction = session.need_transaction()
    writer = _Writer()
    yield CopyOut(False, 1)
    for table in (graph.nodes(database), graph.edges(database)):
        stores = session.engine.stores
        storage = stores.get(table.storage_id)
        reader = transaction.reader(storage)
        by_shape = storage.indexes[table.indexes[0].oid]
        registry = stores.shapes(table)
        reader.note_from(by_shape, registry.version + 1)
        if not table.is_edges:
            writer.numbers = array("q", bytes(8 * (storage.page_limit() << PAGE_BITS)))
        for kind, shape_id in sorted(
            ((kind_of(shape, table.is_edges), shape.id) for shape in registry.shapes()),
            key=lambda each: each[0].order,
        ):
            writer.begin(kind)
            for ids, rows in _rows_of(reader, by_shape, shape_id):
                if rows:
                    yield CopyData(writer.lines(ids, rows))
                yield PAUSE
    return writer.count


def _rows_of(reader: TableReader, index: Index, shape_id: int) -> Iterator[tuple[list[int], list[Row]]]:
    """The elements of one shape, with their ids, in their order."""
    low = index.codec.prefix((shape_id,))
    high = index.codec.prefix_end(low)
    after: bytes | None = None
    while True:
        ids, rows, after = reader.index_batch(index, low, high, after, BATCH_ROWS, False)
        yield ids, cast("list[Row]", rows)
        if after is None:
            return


class _Writer:
    """Elements as lines.  `numbers` are those of nodes, by row id; `count` is of all elements."""

    def __init__(self) -> None:
        self.numbers: array[int] = array("q")
        self.count = 0
        self._nodes = 0
        self._announced = b""
        self._encoder = TextEncoder(CopyOptions(), ())

    def begin(self, kind: Kind) -> None:
        """What follows is of another kind; it is announced with its first elements."""
        self._of_edges = kind.of_edges
        self._announced = self._encoder.encode([(kind.text(),)])
        self._columns = [column_writer(SqlType(oid), FIXED_IO, False) for oid in kind.types]

    def lines(self, ids: list[int], rows: list[Row]) -> list[bytes]:
        """Messages, each a line or two."""
        self.count += len(rows)
        columns = list(zip(*rows, strict=True))
        if self._of_edges:
            numbers = self.numbers
            heads = [[str(numbers[node]) for node in column] for column in columns[1:3]]
        else:
            first = self._nodes + 1
            self._nodes += len(ids)
            for number, row_id in enumerate(ids, first):
                self.numbers[row_id] = number
            heads = [list(map(str, range(first, first + len(ids))))]
        values = columns[3 if self._of_edges else 1 :]
        texts = [
            column if write is None else write(column)
            for write, column in zip(self._columns, values, strict=True)
        ]
        lines = [self._encoder.encode([row]) for row in zip(*heads, *texts, strict=True)]
        lines[0] = self._announced + lines[0]
        self._announced = b""
        return lines


# --- FROM ---------------------------------------------------------------------------------------------------


class _Table:
    """Where nodes, or edges, are written."""

    def __init__(self, session: Session, table: ElementTable) -> None:
        here = session.statement_catalog()
        self.registry: ShapeRegistry = session.engine.stores.shapes(table)
        self.writer: TableWriter = session.need_transaction().writer(here.target(table.oid))
        self.check = here.property_check(table.oid)
        declared = here.declared_type(table.oid)
        self.narrowing = None if declared is None else Narrowing(self.registry, declared)


class _Loader:
    """Takes data in and writes elements."""

    def __init__(self, session: Session, graph: Graph) -> None:
        here = session.statement_catalog()
        self._name = graph.name
        names = session.io.names
        assert names is not None, "a session knows names"
        self._type_oid = names.type_oid
        self._tables = (
            _Table(session, graph.nodes(here.database)),
            _Table(session, graph.edges(here.database)),
        )
        self._decoder = UnevenDecoder(CopyOptions(), graph.name, ("element",))
        self._kind: _Reading | None = None
        self._nodes: dict[str, int] = {}
        self._waiting: list[tuple[Fields, int]] = []
        self.count = 0

    def load(self) -> Generator[Step, object, int]:
        """Ask for data until its end; how many elements it had."""
        parts: list[bytes] = []
        size_bytes = 0
        while True:
            data = yield CopyIn(False, 1)
            if data is None:
                break
            if isinstance(data, CopyFailed):
                raise errors.QueryCanceled(
                    f"COPY from stdin failed: {data.reason}",
                    context=copy_context(self._name, self._decoder.line + 1),
                )
            assert isinstance(data, (bytes, bytearray, memoryview)), "COPY takes bytes"
            parts.append(bytes(data))
            size_bytes += len(data)
            if size_bytes >= UNIT_BYTES:
                yield from self._feed(b"".join(parts))
                parts, size_bytes = [], 0
        yield from self._feed(b"".join(parts))
        yield from self._take(self._decoder.finish())
        yield from self._write()
        return self.count

    def _feed(self, data: bytes) -> Steps:
        for place in range(0, len(data), UNIT_BYTES):
            yield from self._take(self._decoder.feed(data[place : place + UNIT_BYTES]))

    def _take(self, batch: Any) -> Steps:
        for fields, line in zip(batch.rows, batch.lines, strict=True):
            if is_kind_line(fields):
                yield from self._write()
                with self._at(line):
                    kind = read_kind(fields[0], self._type_oid)
                    self._kind = _Reading(kind, self._tables[kind.of_edges])
                continue
            self._waiting.append((fields, line))
            if len(self._waiting) >= BATCH_ROWS:
                yield from self._write()

    def _write(self) -> Steps:
        """Write what is waiting, all of one kind."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        kind = self._kind
        if kind is None:
            with self._at(waiting[0][1]):
                raise errors.BadCopyFileFormat(
                    "an element stands before any line that says of what kind it is"
                )
        try:
            rows = kind.rows([fields for fields, _ in waiting], self._nodes)
        except errors.DatabaseError:
            for fields, line in waiting:
                with self._at(line):
                    kind.rows([fields], self._nodes)
            raise
        ids = yield from self._insert(kind.table.writer, rows, [line for _, line in waiting])
        if not kind.kind.of_edges:
            for row_id, (fields, line) in zip(ids, waiting, strict=True):
                number = cast(str, fields[0])
                if number in self._nodes:
                    with self._at(line):
                        raise errors.BadCopyFileFormat(f"two nodes have the number {number}")
                self._nodes[number] = row_id
        self.count += len(rows)
        yield PAUSE

    def _insert(
        self, writer: TableWriter, rows: list[Row], lines: list[int]
    ) -> Generator[Step, object, Sequence[int]]:
        try:
            first = yield from patiently(lambda: writer.insert_many(rows))
            return range(first, first + len(rows))
        except errors.UniqueViolation:
            pass  # on which line?
        ids: list[int] = []
        for row, line in zip(rows, lines, strict=True):
            while True:
                request = None
                with self._at(line):
                    try:
                        ids.append(writer.insert(row))
                        break
                    except LockWait as wait:
                        request = wait.request
                yield Wait(request)
        return ids

    def _at(self, line: int) -> _Place:
        return _Place(copy_context(self._name, line))


class _Place:
    """Names the line in errors that come out of a block."""

    def __init__(self, context: str) -> None:
        self.context = context

    def __enter__(self) -> None:
        return None

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, errors.DatabaseError):
            with_context(error, self.context)


class _Reading:
    """Lines of one kind to rows."""

    def __init__(self, kind: Kind, table: _Table) -> None:
        table.check(kind.names, kind.types)
        self.kind = kind
        self.table = table
        self.heads = 2 if kind.of_edges else 1
        self._shapes: dict[tuple[bool, ...], int] = {}
        self._columns = [present_reader(SqlType(oid), FIXED_IO, False) for oid in kind.types]
        self._fields = [field_reader(SqlType(oid), FIXED_IO, False) for oid in kind.types]

    def rows(self, lines: list[Fields], nodes: dict[str, int]) -> list[Row]:
        """The rows of some elements.  Raises what is wrong with one of them."""
        width = self.heads + len(self._columns)
        for fields in lines:
            if len(fields) != width:
                raise errors.BadCopyFileFormat(
                    f"an element of the kind {self.kind.text()} has {width} fields, not {len(fields)}"
                )
            if None in fields[: self.heads]:
                raise errors.BadCopyFileFormat("the number of a node is missing")
        columns = list(zip(*lines, strict=True))
        made: list[Sequence[Any]] = []
        if self.kind.of_edges:
            made = [[self._node(number, nodes) for number in column] for column in columns[:2]]
        values = columns[self.heads :]
        if any(None in column for column in values):
            return self._rows_with_nulls(lines, made)
        made += [read(column) for read, column in zip(self._columns, values, strict=True)]
        shape_id = self._shape((True,) * len(values))
        rows = [(shape_id, *row) for row in zip(*made, strict=True)] if made else [(shape_id,)] * len(lines)
        return self._narrowed(rows)

    def _rows_with_nulls(self, lines: list[Fields], ends: list[Sequence[Any]]) -> list[Row]:
        """What is NULL is absent: such elements are of other shapes."""
        rows: list[Row] = []
        for number, fields in enumerate(lines):
            values = fields[self.heads :]
            shape_id = self._shape(tuple([value is not None for value in values]))
            there = [r(value) for r, value in zip(self._fields, values, strict=True) if value is not None]
            rows.append((shape_id, *[column[number] for column in ends], *there))
        return self._narrowed(rows)

    def _narrowed(self, rows: list[Row]) -> list[Row]:
        narrowing = self.table.narrowing
        return rows if narrowing is None else [narrowing.row(row) for row in rows]

    def _shape(self, present: tuple[bool, ...]) -> int:
        found = self._shapes.get(present)
        if found is None:
            parts = zip(self.kind.names, self.kind.types, present, strict=True)
            kept = [(name, type_oid) for name, type_oid, is_there in parts if is_there]
            names, types = tuple([name for name, _ in kept]), tuple([type_oid for _, type_oid in kept])
            labels = frozenset(self.kind.labels)
            shape = self.table.registry.shape(labels, names, types, self.kind.is_directed)
            found = self._shapes[present] = shape.id
        return found

    @staticmethod
    def _node(number: str | None, nodes: dict[str, int]) -> int:
        found = nodes.get(cast(str, number))
        if found is None:
            raise errors.BadCopyFileFormat(f"there is no node with the number {number}")
        return found
