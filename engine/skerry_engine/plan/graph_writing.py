"""Writing graphs: what generated code calls to make, change, delete and merge elements.

A row of an element table is made from labels and named values by a `RowMaker`, which remembers the shapes that came
of them; a changed one by a `ChangeOp`, which remembers for each shape where the new row's values come from:

    SET n.age = $1           shape 4 (name, age)   -> shape 4, (row[1], values[0])
                             shape 1 (name)        -> shape 4, (row[1], values[0])       "transitions"
    REMOVE n.age             shape 4 (name, age)   -> shape 1, (row[1],)

So what a shape is has to be asked once; after that a row is one tuple.

A stage sees the state before it.  SET and REMOVE are therefore gathered over all binding rows, by element (`Changes`),
and DELETE likewise (`Deletions`), before anything is written; INSERT writes batch by batch, since nothing it reads can
see that; MERGE goes row by row, each as a stage of its own.

The contract with locks is that of plan/writing.py: LockWait means wait and make the same call again.  A row that
is newer than a READ COMMITTED statement's snapshot is RestartStatement: the whole program runs again, from its
first stage.  Rechecking the one row in place, as DML does from the fourth time on, would need all stages that led
to it.  Instead the fourth attempt, before it gives up, locks everything that it has left to write: what is locked
does not change any more, so an attempt can fail only because of rows that it had not met before.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any, Final, cast

from skerry_engine import errors
from skerry_engine.functions.graph_types import fitted
from skerry_engine.plan.writing import MAX_RESTARTS, ROWS_PER_UNIT
from skerry_engine.session.steps import PAUSE, Step, Wait
from skerry_engine.storage.reader import TableReader
from skerry_engine.storage.shapes import DELETED, ShapeRegistry
from skerry_engine.txn.conflicts import RestartStatement
from skerry_engine.txn.endpoints import Endpoints
from skerry_engine.txn.locks import LockWait
from skerry_engine.txn.merges import MERGE, Name, claim
from skerry_engine.txn.modes import ROW_UPDATE
from skerry_engine.txn.transaction import Transaction
from skerry_engine.txn.waiting import patiently
from skerry_engine.txn.writer import TableWriter
from skerry_engine.values import oids
from skerry_engine.values.graphs import (
    ROW,
    ROW_ID,
    TABLE,
    Element,
    GraphRecord,
    atom_of,
    dynamic,
    type_of,
    widened,
)
from skerry_engine.values.types import graph_type_name

Row = tuple[Any, ...]
Values = tuple[Any, ...]
Identity = tuple[int, int]
"""Table OID and row id."""

PropertyCheck = Callable[[tuple[str, ...], tuple[int, ...]], None]
"""Raises what a graph's type says of properties, by names and types, before there is a shape of them.  What it says of
labels, and which properties elements must have, waits until the statement ends (txn/shape_rules.py)."""

DeclaredType = Callable[[frozenset[str], str], "tuple[int, int] | None"]
"""(type OID, modifier) that the graph's type declares for a property of elements with these labels, if it is one."""

ANY: Final = oids.ANYVALUE
MAX_MERGES: Final = 20
"""So often READ COMMITTED looks again for what MERGE could not insert."""
_NEW: Final = -1
"""From here down, in a transition: values[-1 - n] instead of the old row's."""


def no_check(names: tuple[str, ...], types: tuple[int, ...]) -> None:
    """An open graph."""


def stored(type_oid: int, value: Any) -> tuple[int, Any]:
    """The type as which a graph stores a value that is not None, and the value as it then stands in a row.

    Raises DatatypeMismatch where references to elements are somewhere in it.
    """
    if type_oid == ANY:
        type_oid, value = type_of(value), atom_of(value)
    if type_oid in _DYNAMIC:
        _check_items(type_oid, value)
    return widened(type_oid), value


def check_storable(type_oid: int, name: str) -> None:
    """Raise DatatypeMismatch for what no property can hold: elements, paths, lists of them."""
    if type_oid in oids.REFERENCES or type_oid == oids.RECORD:
        raise errors.DatatypeMismatch(
            f'property "{name}" cannot hold a value of type {graph_type_name(type_oid)}',
            hint="Properties hold numbers, texts, booleans, bytes, times, and lists and records of these.",
        )


_DYNAMIC: Final = frozenset({oids.ANYVALUE_ARRAY, oids.GRAPHRECORD, oids.GRAPHRECORD_ARRAY})


def _check_items(type_oid: int, value: Any) -> None:
    """Raise DatatypeMismatch for a list or record in which, at any depth, there is an element."""
    if type_oid == oids.GRAPHRECORD:
        items = [item for _, item in value]
    elif type_oid == oids.GRAPHRECORD_ARRAY:
        items = [(oids.GRAPHRECORD, item) for item in value]
    else:
        items = list(value)
    for item in items:
        if item is not None:
            found = type_of(item)
            check_storable(found, "of a list or record")
            if found in _DYNAMIC:
                _check_items(found, atom_of(item))


# --- rows of new elements -----------------------------------------------------------------------------------


class RowMaker:
    """Makes rows of elements that all have the same labels and the same properties written.

    `types` are those of the written values (ANYVALUE: each its own).  `full` is the shape of rows without NULLs, 0
    until the first of them: shapes come with rows, for what is only planned is nothing that readers should know of.
    """

    __slots__ = ("registry", "labels", "names", "types", "check", "is_directed", "full", "_shapes")

    def __init__(
        self,
        registry: ShapeRegistry,
        labels: tuple[str, ...],
        names: tuple[str, ...],
        types: tuple[int, ...],
        check: PropertyCheck = no_check,
        is_directed: bool = True,
    ) -> None:
        self.registry: ShapeRegistry = registry
        self.is_directed: bool = is_directed
        self.labels: frozenset[str] = frozenset(labels)
        self.names: tuple[str, ...] = names
        self.types: tuple[int, ...] = types
        self.check: PropertyCheck = check
        self._shapes: dict[tuple[int, ...], int] = {}
        self.full: int = 0
        for name, type_oid in zip(names, types, strict=True):
            check_storable(type_oid, name)

    @property
    def has_full(self) -> bool:
        """Whether all rows without NULLs have one shape."""
        return ANY not in self.types

    def full_shape(self) -> int:
        """`full`, from now on; `has_full` says whether there is one.  Raises what the graph's type says of it."""
        self.full = self._shape_of(tuple([widened(type_oid) for type_oid in self.types]))
        return self.full

    def parts(self, values: Values) -> tuple[int, Values]:
        """The shape of an element with these values, None being none, and the values as its row has them."""
        kept: list[Any] = []
        key: list[int] = []
        for type_oid, value in zip(self.types, values, strict=True):
            if value is None:
                key.append(0)
                continue
            found, atom = stored(type_oid, value)
            key.append(found)
            kept.append(atom)
        return self._shape_of(tuple(key)), tuple(kept)

    def node(self, values: Values) -> Row:
        """A node's row."""
        shape_id, kept = self.parts(values)
        return (shape_id, *kept)

    def parts_with(self, values: Values, record: GraphRecord | None) -> tuple[int, Values]:
        """As `parts`, with the fields of a record as further properties; a name that is in both is the record's."""
        items: dict[str, tuple[int, Any]] = {}
        for name, type_oid, value in zip(self.names, self.types, values, strict=True):
            if value is not None:
                items[name] = stored(type_oid, value)
        for name, value in record or ():
            if value is None:
                items.pop(name, None)
            else:
                items[name] = stored(ANY, value)
                check_storable(items[name][0], name)
        types = tuple([type_oid for type_oid, _ in items.values()])
        self.check(tuple(items), types)
        shape = self.registry.shape(self.labels, tuple(items), types, self.is_directed)
        return shape.id, tuple([atom for _, atom in items.values()])

    def _shape_of(self, key: tuple[int, ...]) -> int:
        shape_id = self._shapes.get(key)
        if shape_id is None:
            names = tuple([name for name, type_oid in zip(self.names, key, strict=True) if type_oid])
            types = tuple([type_oid for type_oid in key if type_oid])
            for name, type_oid in zip(names, types, strict=True):
                check_storable(type_oid, name)
            self.check(names, types)
            shape = self.registry.shape(self.labels, names, types, self.is_directed)
            shape_id = self._shapes[key] = shape.id
        return shape_id


def joined(parts: tuple[int, Values]) -> Row:
    """A node's row, of its shape and values."""
    return (parts[0], *parts[1])


def end_id(element: Element | None, table_oid: int) -> int:
    """The row id of an edge's end, a node in that table.  Raises NullValueNotAllowed, WrongObjectType."""
    if element is None:
        raise errors.NullValueNotAllowed("cannot insert an edge: one of its ends is null")
    if element[TABLE] != table_oid:
        raise of_another_graph()
    row_id: int = element[ROW_ID]
    return row_id


def of_another_graph() -> errors.WrongObjectType:
    """The error for an element that is none of the graph that is written."""
    return errors.WrongObjectType("the node or edge belongs to another graph")


# --- changes of one element ---------------------------------------------------------------------------------


class ChangeOp:
    """One item of SET or REMOVE, for elements of any shape.

    `names` and `types` are the properties that are set, by values given with each row; with `replaces` all others go.
    """

    __slots__ = (
        "table_oid",
        "registry",
        "names",
        "types",
        "replaces",
        "added",
        "removed",
        "check",
        "declared",
        "_head",
        "_transitions",
    )

    def __init__(
        self,
        table_oid: int,
        registry: ShapeRegistry,
        names: tuple[str, ...],
        types: tuple[int, ...],
        replaces: bool = False,
        added: tuple[str, ...] = (),
        removed: tuple[str, ...] = (),
        check: PropertyCheck = no_check,
        declared: DeclaredType | None = None,
    ) -> None:
        self.table_oid: int = table_oid
        self.registry: ShapeRegistry = registry
        self.names: tuple[str, ...] = names
        self.types: tuple[int, ...] = types
        self.replaces: bool = replaces
        self.added: frozenset[str] = frozenset(added)
        self.removed: frozenset[str] = frozenset(removed)
        self.check: PropertyCheck = check
        self.declared: DeclaredType | None = declared
        self._head: int = registry.first_position
        self._transitions: dict[tuple[int, ...], tuple[int, tuple[int, ...]]] = {}
        for name, type_oid in zip(names, types, strict=True):
            check_storable(type_oid, name)

    def apply(self, row: Row, values: Values) -> Row:
        """The row after the change."""
        key: list[int] = [row[0]]
        atoms: list[Any] = []
        for type_oid, value in zip(self.types, values, strict=True):
            if value is None:
                key.append(0)
                atoms.append(None)
            else:
                found, atom = stored(type_oid, value)
                key.append(found)
                atoms.append(atom)
        known = tuple(key)
        transition = self._transitions.get(known)
        if transition is None:
            transition = self._transitions[known] = self._find(known)
        shape_id, sources = transition
        made: list[Any] = [shape_id]
        if self._head > 1:
            made.extend(row[1 : self._head])
        for source in sources:
            made.append(row[source] if source >= 0 else atoms[_NEW - source])
        return tuple(made)

    def _find(self, key: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
        """The new shape, and for each of its values where it comes from: a position of the old row, or _NEW - n for
        values[n]."""
        old = self.registry.by_id(key[0])
        places: dict[str, tuple[int, int]] = {}
        if not self.replaces:
            for name, type_oid in zip(old.names, old.types, strict=True):
                places[name] = (type_oid, old.positions[name])
        for number, name in enumerate(self.names):
            type_oid = key[number + 1]
            if not type_oid:
                places.pop(name, None)
                continue
            check_storable(type_oid, name)
            places[name] = (type_oid, _NEW - number)
        labels = (old.labels | self.added) - self.removed
        types = tuple([type_oid for type_oid, _ in places.values()])
        self.check(tuple(places), types)
        shape = self.registry.shape(labels, tuple(places), types, old.is_directed)
        return shape.id, tuple([source for _, source in places.values()])


def op_of_record(op: ChangeOp, row: Row, record: GraphRecord | None) -> tuple[ChangeOp, Values]:
    """The op of SET n = $record or n += $record, for one row: its properties are known now."""
    fields = record or ()
    names = tuple([name for name, _ in fields])
    declared = op.declared
    made = ChangeOp(
        op.table_oid, op.registry, names, (ANY,) * len(names), op.replaces, check=op.check, declared=declared
    )
    values = tuple([value for _, value in fields])
    if declared is None:
        return made, values
    labels = op.registry.by_id(row[0]).labels
    return made, tuple([_as_declared(value, declared(labels, name)) for name, value in fields])


def _as_declared(value: Any, wanted: tuple[int, int] | None) -> Any:
    """A property's value as the declared type, if it is one by itself; what is not is refused where it is written."""
    if value is None or wanted is None:
        return value
    return fitted(value, wanted[0], -1)


class Narrowing:
    """Brings rows to the ranges, lengths and precisions that a graph's type declares for their properties."""

    __slots__ = ("registry", "declared", "_places")

    def __init__(self, registry: ShapeRegistry, declared: DeclaredType) -> None:
        self.registry: ShapeRegistry = registry
        self.declared: DeclaredType = declared
        self._places: dict[int, tuple[tuple[int, int, int], ...]] = {}

    def row(self, row: Row) -> Row:
        """The row as it is stored.  Raises NumericValueOutOfRange, StringDataRightTruncation."""
        places = self._places.get(row[0])
        if places is None:
            places = self._places[row[0]] = self._of_shape(row[0])
        if not places:
            return row
        made = list(row)
        for place, type_oid, modifier in places:
            made[place] = atom_of(fitted(dynamic(type_oid, made[place]), type_oid, modifier))
        return tuple(made)

    def _of_shape(self, shape_id: int) -> tuple[tuple[int, int, int], ...]:
        """(position, type, modifier) of the properties that are narrower than what is stored."""
        shape = self.registry.by_id(shape_id)
        found: list[tuple[int, int, int]] = []
        for name, type_oid in zip(shape.names, shape.types, strict=True):
            wanted = self.declared(shape.labels, name)
            if wanted is not None and wanted[0] == type_oid and wanted[1] >= 0:
                found.append((shape.positions[name], type_oid, wanted[1]))
        return tuple(found)


# --- SET and REMOVE -----------------------------------------------------------------------------------------


class _Change:
    """What is to become of one element."""

    __slots__ = ("row", "ops")

    def __init__(self, row: Row) -> None:
        self.row: Row = row
        self.ops: list[tuple[ChangeOp, Values]] = []


class Changes:
    """All changes of one stage, by element, to be written together."""

    __slots__ = ("ctx", "_changes", "_narrowings")

    def __init__(self, ctx: Any) -> None:
        self.ctx: Any = ctx
        self._changes: dict[Identity, _Change] = {}
        self._narrowings: dict[int, Narrowing] = {}

    def add(self, op: ChangeOp, table_oid: int, row_id: int, row: Row, values: Values) -> None:
        """Have an element changed; `row` is what the stage sees of it.

        Raises MultipleAssignments when another binding row, or another item, gives one of its properties another
        value, WrongObjectType for another graph's element.
        """
        if table_oid != op.table_oid:
            raise of_another_graph()
        key = (table_oid, row_id)
        change = self._changes.get(key)
        if change is None:
            change = self._changes[key] = _Change(row)
            self.ctx.check_memory(len(self._changes))
        for other, given in change.ops:
            if other is op and given == values:
                return
            _refuse_contradiction(other, given, op, values)
        change.ops.append((op, values))

    def add_record(
        self, op: ChangeOp, table_oid: int, row_id: int, row: Row, record: GraphRecord | None
    ) -> None:
        """The same with properties that are known only now: SET n = $record."""
        made, values = op_of_record(op, row, record)
        change = self._changes.get((table_oid, row_id))
        if change is not None:
            for other, given in change.ops:
                if _says_the_same(other, given, made, values):
                    return
        self.add(made, table_oid, row_id, row, values)

    def rows(self) -> Iterator[tuple[Identity, Row, Row]]:
        """(element, its row, its new row).  Taking away what is not there changes nothing, and is left out; a
        property that is given the value it has is written."""
        for key, change in self._changes.items():
            row = change.row
            gives = False
            narrowing = self._narrowing_of(change.ops[0][0])
            for op, values in change.ops:
                row = op.apply(row, values)
                gives = gives or any(value is not None for value in values)
            if narrowing is not None:
                row = narrowing.row(row)
            if gives or row != change.row:
                yield key, change.row, row

    def _narrowing_of(self, op: ChangeOp) -> Narrowing | None:
        if op.declared is None:
            return None
        found = self._narrowings.get(op.table_oid)
        if found is None:
            found = self._narrowings[op.table_oid] = Narrowing(op.registry, op.declared)
        return found

    def write(self) -> Generator[Step, None, int]:
        """Write them all; how many elements have changed.  Raises RestartStatement, T001, violations."""
        ctx = self.ctx
        items: list[tuple[Identity, Row, Row]] = []
        for count, item in enumerate(self.rows(), 1):
            items.append(item)
            if count % ROWS_PER_UNIT == 0:
                yield PAUSE
        written: int = yield from write_changes(ctx, items)
        return written


def _refuse_contradiction(one: ChangeOp, given: Values, other: ChangeOp, values: Values) -> None:
    """Raise MultipleAssignments where two ops do different things to one property."""
    for number, name in enumerate(other.names):
        if name in one.names:
            before = given[one.names.index(name)]
            now = values[number]
            if type(before) is not type(now) or before != now:
                raise errors.MultipleAssignments(
                    f'property "{name}" of one element is given more than one value',
                    hint="Each row of bindings that reaches an element must give it the same values.",
                )
        elif one.replaces:
            raise errors.MultipleAssignments(
                f'property "{name}" of an element is given a value beside the replacement of all its properties'
            )


def _says_the_same(one: ChangeOp, given: Values, other: ChangeOp, values: Values) -> bool:
    return (
        one.names == other.names
        and one.replaces == other.replaces
        and given == values
        and (one.added, one.removed) == (other.added, other.removed)
    )


def write_changes(ctx: Any, items: list[tuple[Identity, Row, Row]]) -> Generator[Step, None, int]:
    """Write changed rows; how many there are."""
    written = 0
    writers: dict[int, TableWriter] = {}
    for position, ((table_oid, row_id), row, new_row) in enumerate(items):
        if position % ROWS_PER_UNIT == ROWS_PER_UNIT - 1:
            yield PAUSE
        writer = writers.get(table_oid)
        if writer is None:
            writer = writers[table_oid] = ctx.writer(table_oid)
        while True:
            request = None
            try:
                if not is_there(ctx, writer, row_id):
                    raise errors.ElementDeleted("cannot change an element that this statement has deleted")
                writer.update(row_id, row, new_row)
                written += 1
                break
            except LockWait as wait:
                request = wait.request
            except RestartStatement:
                if ctx.restarts < MAX_RESTARTS:
                    raise
            if request is None:
                yield from lock_elements(ctx, [key for key, _, _ in items[position:]])
                raise RestartStatement(writer.storage.storage_id, row_id)
            yield Wait(request)
    return written


def lock_elements(ctx: Any, elements: list[Identity]) -> Generator[Step, None, None]:
    """READ COMMITTED, before it starts over once more: have nobody else change what is left to be written."""
    transaction: Transaction = ctx.transaction
    for position, (table_oid, row_id) in enumerate(elements):
        if position % ROWS_PER_UNIT == ROWS_PER_UNIT - 1:
            yield PAUSE
        storage = ctx.tables.storage(table_oid)
        if storage.heap.slot(row_id) is not None:
            yield from _hold_row(transaction, storage, row_id)


def _hold_row(transaction: Transaction, storage: Any, row_id: int) -> Generator[Step, None, None]:
    while True:
        try:
            transaction.hold_row(storage, row_id, ROW_UPDATE)
            return
        except LockWait as wait:
            request = wait.request
        yield Wait(request)


# --- DELETE -------------------------------------------------------------------------------------------------


class Deletions:
    """All deletions of one stage."""

    __slots__ = ("ctx", "tables", "detach", "_nodes", "_edges")

    def __init__(self, ctx: Any, tables: tuple[int, ...], detach: bool) -> None:
        self.ctx: Any = ctx
        self.tables: tuple[int, ...] = tables
        self.detach: bool = detach
        self._nodes: dict[Identity, Row] = {}
        self._edges: dict[Identity, Row] = {}

    def add_node(self, table_oid: int, row_id: int, row: Row) -> None:
        """Have a node deleted; once, however often it comes.  Raises WrongObjectType for another graph's."""
        if table_oid not in self.tables:
            raise of_another_graph()
        self._nodes[(table_oid, row_id)] = row
        self.ctx.check_memory(len(self._nodes))

    def add_edge(self, table_oid: int, row_id: int, row: Row) -> None:
        """Have an edge deleted, likewise."""
        if table_oid not in self.tables:
            raise of_another_graph()
        self._edges[(table_oid, row_id)] = row
        self.ctx.check_memory(len(self._edges))

    def add_value(self, value: Any, type_oid: int) -> None:
        """Have what a value holds deleted: an element, a path, a list of elements; nothing for NULL.

        Raises DatatypeMismatch for a value of another type.
        """
        if value is None:
            return
        if type_oid == ANY:
            type_oid, value = type_of(value), atom_of(value)
        if type_oid == oids.NODE:
            self.add_node(value[TABLE], value[ROW_ID], value[ROW])
        elif type_oid == oids.EDGE:
            self.add_edge(value[TABLE], value[ROW_ID], value[ROW])
        elif type_oid == oids.PATH:
            for number, element in enumerate(value):
                self.add_value(element, oids.EDGE if number % 2 else oids.NODE)
        elif type_oid in _ITEMS:
            for item in value:
                self.add_value(item, _ITEMS[type_oid])
        else:
            raise errors.DatatypeMismatch("only nodes, edges, paths and lists of them can be deleted")

    def write(self) -> Generator[Step, None, int]:
        """Delete them, edges first; how many elements have gone.

        Nodes that still have edges then are an error at the statement's end.  Raises RestartStatement, T001.
        """
        count: int = yield from self._delete(self._edges)
        count += yield from self._delete(self._nodes)
        if self.detach:
            for table_oid, row_id in self._nodes:
                count += yield from self._detach(table_oid, row_id)
        return count

    def _delete(self, elements: dict[Identity, Row]) -> Generator[Step, None, int]:
        ctx = self.ctx
        writers: dict[int, TableWriter] = {}
        keys = list(elements)
        count = 0
        for position, key in enumerate(keys):
            if position % ROWS_PER_UNIT == ROWS_PER_UNIT - 1:
                yield PAUSE
            table_oid, row_id = key
            writer = writers.get(table_oid)
            if writer is None:
                writer = writers[table_oid] = ctx.writer(table_oid)
            while True:
                request = None
                try:
                    if is_there(ctx, writer, row_id):
                        count += writer.delete(row_id, elements[key])
                    break
                except LockWait as wait:
                    request = wait.request
                except RestartStatement:
                    if ctx.restarts < MAX_RESTARTS:
                        raise
                if request is None:
                    rest = keys[position:] + (list(self._nodes) if elements is self._edges else [])
                    yield from lock_elements(ctx, rest)
                    raise RestartStatement(writer.storage.storage_id, row_id)
                yield Wait(request)
        return count

    def _detach(self, table_oid: int, row_id: int) -> Generator[Step, None, int]:
        """Delete the edges of a deleted node: READ COMMITTED, which has the node's lock by now, those that there are;
        a snapshot those that it sees."""
        ctx = self.ctx
        transaction: Transaction = ctx.transaction
        tie: Endpoints | None = ctx.tables.target(table_oid).incident
        if tie is None:
            return 0  # a graph over tables: their constraints say what goes with what
        edges_oid = tie.edges.table_oid
        writer: TableWriter = ctx.writer(edges_oid)
        storage = tie.edges.storage
        if transaction.is_snapshot:
            reader = transaction.reader(storage, include_current_statement=True)
        else:
            reader = transaction.newest_reader(storage)
        count = 0
        for edge_id in tie.edges_of(reader, row_id):
            count += yield from _delete_newest(transaction, writer, reader, edge_id)
            if count % ROWS_PER_UNIT == ROWS_PER_UNIT - 1:
                yield PAUSE
        return count


_ITEMS: Final = {
    oids.NODE_ARRAY: oids.NODE,
    oids.EDGE_ARRAY: oids.EDGE,
    oids.PATH_ARRAY: oids.PATH,
    oids.ANYVALUE_ARRAY: oids.ANYVALUE,
}


def is_there(ctx: Any, writer: TableWriter, row_id: int) -> bool:
    """Whether earlier stages of the program have left the row: deleting twice is deleting once."""
    pending = writer.pending
    if pending.statement_of(row_id) < 0:
        return True
    return ctx.transaction.seen_reader(writer.storage).get(row_id) is not None


def _delete_newest(
    transaction: Transaction, writer: TableWriter, reader: TableReader, row_id: int
) -> Generator[Step, None, int]:
    """Delete a row in its newest state (a snapshot: in the one that it sees)."""
    while True:
        request = None
        try:
            row = reader.get(row_id) if transaction.is_snapshot else writer.newest(row_id)
            if row is None:
                return 0
            return int(writer.delete(row_id, row, in_place=True))
        except LockWait as wait:
            request = wait.request
        yield Wait(request)


# --- MERGE --------------------------------------------------------------------------------------------------


def name_of(table_oids: tuple[int, ...], parts: Values) -> Name:
    """What MERGE calls a thing: its tables, and (labels, names, values, ends) of its elements in turn, as given.

    Values that are equal give equal names, whatever their types; which end of an edge is which does not matter.
    """
    return (MERGE, table_oids, parts)


def require_value(value: Any, name: str) -> Any:
    """A value that MERGE looks for.  Raises NullValueNotAllowed."""
    if value is None:
        raise errors.NullValueNotAllowed(
            f'MERGE cannot look for property "{name}" with a null value',
            hint="What is null is absent; set it with ON CREATE SET instead.",
        )
    return value


def require_element(element: Element | None, tables: tuple[int, ...]) -> Element:
    """An element that MERGE starts from.  Raises NullValueNotAllowed, WrongObjectType."""
    if element is None:
        raise errors.NullValueNotAllowed("MERGE cannot start from an element that is null")
    if tables and element[TABLE] not in tables:
        raise of_another_graph()
    return element


def unordered(source: int, target: int) -> tuple[int, int]:
    """An edge's two ends in an order of their own."""
    return (source, target) if source <= target else (target, source)


def claim_name(ctx: Any, name: Name) -> Generator[Step, None, None]:
    """Nothing of that name was found.  Raises RestartStatement, T001 where somebody has made it since."""
    transaction: Transaction = ctx.transaction
    yield from patiently(lambda: claim(transaction, name))


def insert_merged(ctx: Any, writer: TableWriter, row: Row) -> Generator[Step, None, int]:
    """Insert an element that MERGE has not found; its row id.

    READ COMMITTED: somebody who did not MERGE may have inserted it since the statement's snapshot, which shows only
    where a unique constraint says so.  Then the statement is run again, and finds it.
    """
    while True:
        request = None
        try:
            return writer.insert(row)
        except LockWait as wait:
            request = wait.request
        except errors.UniqueViolation:
            if not _may_be_newer(ctx):
                raise
        if request is None:
            raise RestartStatement(writer.storage.storage_id, 0)
        yield Wait(request)


def _may_be_newer(ctx: Any) -> bool:
    """Whether a row that was not found may have been committed after the statement's snapshot."""
    transaction: Transaction = ctx.transaction
    is_old = transaction.manager.published > transaction.snapshot
    return is_old and not transaction.is_snapshot and ctx.restarts < MAX_MERGES


# --- programs -----------------------------------------------------------------------------------------------


class Refresher:
    """Brings the element values of a binding table up to date after a stage that has written."""

    __slots__ = ("ctx", "_readers", "_known")

    def __init__(self, ctx: Any) -> None:
        self.ctx: Any = ctx
        self._readers: dict[int, TableReader] = {}
        self._known: dict[Identity, Row | None] = {}

    def element(self, value: Element | None) -> Element | None:
        """The element as it is now; one that has been deleted can't be read any more, only shown as it was."""
        if value is None:
            return None
        key = (value[TABLE], value[ROW_ID])
        if key in self._known:
            row = self._known[key]
        else:
            row = self._known[key] = self._reader(key[0]).get(key[1])
        if row is value[ROW]:
            return value
        if row is None:
            old = value[ROW]
            if old[0] == DELETED:
                return value
            row = (DELETED, *old)
        return (*value[:ROW], row, *value[ROW + 1 :])

    def value(self, value: Any, type_oid: int) -> Any:
        """A value of a type that may hold elements."""
        if value is None:
            return None
        if type_oid in (oids.NODE, oids.EDGE):
            return self.element(value)
        if type_oid == oids.PATH:
            return tuple([self.element(item) for item in value])
        if type_oid in _ITEMS:
            item_oid = _ITEMS[type_oid]
            return tuple([self.value(item, item_oid) for item in value])
        if type_oid == ANY and type(value) is tuple:
            found, atom = cast("tuple[int, Any]", value)
            return (found, self.value(atom, found))
        if type_oid == oids.GRAPHRECORD:
            return tuple([(name, self.value(item, ANY)) for name, item in value])
        return value

    def _reader(self, table_oid: int) -> TableReader:
        reader = self._readers.get(table_oid)
        if reader is None:
            ctx = self.ctx
            reader = self._readers[table_oid] = ctx.transaction.reader(ctx.tables.storage(table_oid))
        return reader


def may_hold_elements(type_oid: int) -> bool:
    """Whether values of the type are, or may hold, elements."""
    return type_oid in _HOLDERS


_HOLDERS: Final = frozenset({oids.NODE, oids.EDGE, oids.PATH, oids.ANYVALUE, oids.GRAPHRECORD, *_ITEMS})


def refreshed(
    ctx: Any, rows: list[Row], columns: tuple[tuple[int, int], ...]
) -> Generator[Step, None, list[Row]]:
    """The binding table with its elements up to date; `columns` are (position, type) of those that hold some."""
    refresher = Refresher(ctx)
    made: list[Row] = []
    for number, row in enumerate(rows, 1):
        cells = list(row)
        for position, type_oid in columns:
            cells[position] = refresher.value(cells[position], type_oid)
        made.append(tuple(cells))
        if number % 256 == 0:
            yield PAUSE
    return made
