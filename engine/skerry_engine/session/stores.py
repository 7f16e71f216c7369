"""Where the catalog's tables meet the kernel's storages: one `Stores` per engine.

The catalog says what a table is; the kernel wants storages, indexes and write targets.  This module makes the
latter from the former and keeps them:

    storage_id  ->  TableStorage     a generation of a table's rows, from `create` to `forget`
    IndexDef    ->  Index            key extraction compiled from the definition, made once, then part of its storage
    Table       ->  WriteTarget      unique keys, foreign keys both ways, row checks; kept with the catalog snapshot

Write targets form a graph through foreign keys: a parent's target leads to its children's and back.  All
targets of a graph must speak of the same tables, so they live and die with one `Database` snapshot: whatever
DDL changes makes another snapshot, with a cache of its own.  A hit costs two dictionary look-ups.

A storage that only an uncommitted catalog names is private to its transaction, whoever's it is: rows may be
put into it directly (`append_rows`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from skerry_engine import errors
from skerry_engine.algebra.expressions import Call, Cast, Const, Expr, over_range
from skerry_engine.algebra.expressions import Column as ColumnReference
from skerry_engine.catalog.catalog import Catalog, Database
from skerry_engine.catalog.definitions import DefinitionPrinter
from skerry_engine.catalog.flow_state import StateTable
from skerry_engine.catalog.graph_checks import graph_checks
from skerry_engine.catalog.graphs import ElementTable, Graph, PropertyIndex, graph_of
from skerry_engine.catalog.objects import (
    Constraint,
    IndexDef,
    IndexKey,
    Relation,
    SequenceDef,
    Table,
    ViewState,
)
from skerry_engine.catalog.search_path import SearchPath
from skerry_engine.catalog.user_types import domain_default
from skerry_engine.functions.casts import domain_check, find_coercion
from skerry_engine.functions.registry import Function
from skerry_engine.functions.resolve import resolve_function
from skerry_engine.plan.compile import compile_rows
from skerry_engine.storage.checkpointing import StorageState, storage_of_base
from skerry_engine.storage.heap import INFINITY, Row
from skerry_engine.storage.index import Index
from skerry_engine.storage.leaf_cache import LeafCache
from skerry_engine.storage.memory_limit import MemoryLimit, default_limit_bytes
from skerry_engine.storage.page_cache import PageCache
from skerry_engine.storage.paged_index import PagedIndex
from skerry_engine.storage.paging import Paging
from skerry_engine.storage.reader import TableReader
from skerry_engine.storage.shapes import (
    EDGE_VALUES,
    NODE_VALUES,
    SHAPE_POSITION,
    SOURCE_POSITION,
    TARGET_POSITION,
    PropertyKeys,
    ShapeJournal,
    ShapeRecord,
    ShapeRegistry,
)
from skerry_engine.storage.table import TableStorage
from skerry_engine.txn.endpoints import Endpoints, EndTypes
from skerry_engine.txn.foreign_keys import SET_DEFAULT, ForeignKey, no_defaults
from skerry_engine.txn.history import row_bytes
from skerry_engine.txn.log import ChunkRows
from skerry_engine.txn.shape_rules import ShapeRule
from skerry_engine.txn.target import Formatter, UniqueKey, WriteTarget
from skerry_engine.values import oids
from skerry_engine.values.io import IoContext, text_encoder
from skerry_engine.values.keys import KeyCodec, KeyColumn
from skerry_engine.values.types import SqlType

if TYPE_CHECKING:
    from skerry_engine.abc import Blocks, FunctionContext
    from skerry_engine.txn.manager import TransactionManager
    from skerry_engine.txn.transaction import Transaction

SAMPLED_ROWS = 256
"""Rows looked at for a table's size in memory."""

RowFunction = Callable[[Any, Row], Row]

DETAIL_CHARACTERS = 64
"""Longer values are cut in `Failing row contains (...)`."""


class Stores:
    """Storages by generation, and what the kernel needs to know of tables.

    `functions` is the FunctionContext of the session that runs at the moment: sessions put theirs here before
    each unit.  Rows that referential actions make are checked and given defaults with it.
    """

    def __init__(self) -> None:
        self.functions: FunctionContext | None = None
        self._storages: dict[int, TableStorage] = {}
        self._next_storage_id: int = 1
        self._leaf_source: tuple[Blocks, LeafCache] | None = None
        self._paging: Paging | None = None
        self._memory: MemoryLimit | None = None
        self.journal = ShapeJournal()
        self._kept_shapes: dict[int, list[ShapeRecord]] = {}

    # --- storages -------------------------------------------------------------------------------------------

    def create(self, width: int, is_temporary: bool = False) -> TableStorage:
        """A new, empty generation for rows of `width` values, under an id never used before."""
        paging = None if is_temporary else self._paging
        storage = TableStorage(self._next_storage_id, width, is_temporary, paging)
        self._next_storage_id += 1
        self._storages[storage.storage_id] = storage
        return storage

    def create_elements(self, is_edges: bool) -> TableStorage:
        """A new, empty generation for a graph's nodes or edges."""
        first = EDGE_VALUES if is_edges else NODE_VALUES
        storage = self.create(first)
        storage.shapes = ShapeRegistry(storage.storage_id, first, self.journal)
        return storage

    def shapes(self, table: ElementTable) -> ShapeRegistry:
        """The shapes of a graph's nodes or edges.  Raises SerializationFailure as `get` does."""
        registry = self.get(table.storage_id).shapes
        assert registry is not None, "rows of elements have shapes"
        return registry

    def get(self, storage_id: int) -> TableStorage:
        """The generation of that id.  Raises SerializationFailure when it was forgotten:
        only an old snapshot asks."""
        storage = self._storages.get(storage_id)
        if storage is None:
            raise errors.SerializationFailure(
                "could not serialize access due to concurrent change of a table"
            )
        return storage

    def find(self, storage_id: int) -> TableStorage | None:
        """As `get`, None when it was forgotten: for a snapshot's view of the catalog, which may be older."""
        return self._storages.get(storage_id)

    def forget(self, storage_id: int) -> None:
        """Let a generation go; forgetting twice is harmless."""
        storage = self._storages.pop(storage_id, None)
        if storage is not None:
            for index in storage.indexes.values():
                index.close()

    def retire(self, storage_id: int, manager: TransactionManager) -> None:
        """Let a generation go whose last commit has just been published, once no snapshot can ask for it."""
        storage = self._storages.get(storage_id)
        if storage is not None:
            manager.history.note_dropped(_estimated_bytes(storage))
            manager.retire(lambda: self.forget(storage_id))

    def row_count(self, table: Table) -> int:
        """The committed live rows of a table, -1 when this generation is gone."""
        storage = self._storages.get(table.storage_id)
        return -1 if storage is None else storage.row_count

    # --- recovery -------------------------------------------------------------------------------------------

    def page_from(self, base: Blocks, memory_limit_bytes: int | None = None) -> None:
        """Keep tables and indexes in the base, from their first checkpoint on, and of them in memory what the limit
        on the process's anonymous memory allows.  Before there are any."""
        self._paging = Paging(base, PageCache())
        leaves = LeafCache(0)
        self.page_indexes(base, leaves)
        self._memory = MemoryLimit(memory_limit_bytes or default_limit_bytes(), self._paging.cache, leaves)

    def keep_to_memory_limit(self) -> float:
        """Have the caches follow what the process takes; how full of changes, which only a checkpoint can take out
        of memory, their share of it is: at 1 it is time for one.  To be called a few times a second, between units."""
        memory = self._memory
        if memory is None:
            return 0.0
        memory.adjust()
        changes = 0
        for storage in self._storages.values():
            for index in storage.indexes.values():
                if isinstance(index, PagedIndex):
                    changes += index.memory_bytes()
        return memory.fullness(changes)

    def watch_changes(self, on_changes: Callable[[float], None]) -> None:
        """Call `on_changes` now and then as pages become dirty, with how full of them their share of memory is."""
        paging, memory = self._paging, self._memory
        if paging is not None and memory is not None:
            paging.cache.on_changes = lambda: on_changes(memory.fullness(0))

    def is_much(self, size_bytes: int) -> bool:
        """Whether so much memory matters to the limit."""
        return self._memory is not None and self._memory.is_much(size_bytes)

    def begin(self, catalog: Catalog) -> None:
        """Make the tables that a new cluster's catalog has, empty, and forget those that there were."""
        self._storages.clear()
        for database in catalog.databases.values():
            for table in database.tables():
                self._make_fit(table)

    def restore(self, catalog: Catalog, states: list[StorageState], shapes: Iterable[ShapeRecord]) -> None:
        """Open the tables of a base's catalog: all of their rows and index entries are there.

        Raises DatabaseDamaged when the base lacks one.
        """
        assert self._paging is not None, "page_from comes first"
        self._storages.clear()
        self.restore_shapes(shapes)
        known = {state.storage_id: state for state in states}
        for database in catalog.databases.values():
            for table in database.tables():
                state = known.get(table.storage_id)
                if state is None:
                    raise errors.DatabaseDamaged(f'the base has no rows of table "{table.name}"')
                storage = storage_of_base(state, table.width, self._paging)
                storage.pad = _pad_of(table)
                self._equip(storage, table)
                self._storages[table.storage_id] = storage
                for index in table.indexes:
                    opened = self.make_index(index, table)
                    assert isinstance(opened, PagedIndex)
                    opened.open_leaves(state.next_row_id)
                    storage.indexes[index.oid] = opened
        self.reserve(known)

    def reserve(self, storage_ids: Iterable[int]) -> None:
        """Recovery: generations that are gone, but of which the base still has blocks, keep their ids."""
        self._next_storage_id = max([self._next_storage_id, *[number + 1 for number in storage_ids]])

    def restore_shapes(self, records: Iterable[ShapeRecord]) -> None:
        """Recovery: have shapes that were kept; for storages that are still to come, too.  Raises DatabaseDamaged."""
        for record in records:
            storage = self._storages.get(record[0])
            if storage is None:
                # Its number is not given out again, lest the shapes go to somebody else's rows.
                self.reserve((record[0],))
                self._kept_shapes.setdefault(record[0], []).append(record)
            elif storage.shapes is None:
                raise errors.DatabaseDamaged(f"storage {record[0]} has shapes, but no elements of a graph")
            else:
                storage.shapes.restore(record)

    def forget_kept_shapes(self) -> None:
        """Recovery is over: shapes for which no storage has come belong to nobody."""
        self._kept_shapes.clear()

    def kept_shapes(self) -> list[ShapeRecord]:
        """All shapes there are, those of uncommitted and of dropped tables too."""
        found = [storage.shapes for _, storage in sorted(self._storages.items()) if not storage.is_temporary]
        return [record for shapes in found if shapes is not None for record in shapes.records()]

    def _equip(self, storage: TableStorage, table: Table) -> None:
        """Give the storage of elements the shapes that were kept of it; that of flow state is nobody's to watch."""
        storage.is_watched = not isinstance(table, (StateTable, ViewState))
        if isinstance(table, ElementTable):
            first = EDGE_VALUES if table.is_edges else NODE_VALUES
            storage.shapes = ShapeRegistry(storage.storage_id, first, self.journal)
            for record in self._kept_shapes.pop(storage.storage_id, ()):
                storage.shapes.restore(record)

    def persistent(self, catalog: Catalog) -> list[TableStorage]:
        """The storages of a catalog's tables, temporary ones left out: what a checkpoint writes."""
        return [
            self.get(table.storage_id)
            for database in catalog.databases.values()
            for table in database.tables()
            if not table.is_temporary
        ]

    def all(self) -> list[TableStorage]:
        """Every generation there is."""
        return list(self._storages.values())

    def adopt(self, catalog: Catalog, before: Catalog) -> None:
        """Recovery: bring storages and indexes to what a commit has made of the catalog `before`.

        Nobody uses the engine yet, so what is gone goes at once.
        """
        for old, new in _changed_tables(before, catalog):
            if new is not None:
                self._make_fit(new)
                self._remove_other_indexes(new)
            if old is not None and (new is None or new.storage_id != old.storage_id):
                self.forget(old.storage_id)

    def add(self, catalog: Catalog, before: Catalog) -> list[Callable[[], None]]:
        """Recovery: make the storages, columns and indexes (built from the rows that are there) that definitions
        which are not committed have added to the catalog `before`; what undoes it, to be called in this order."""
        undo: list[Callable[[], None]] = []
        for _, new in _changed_tables(before, catalog):
            if new is not None:
                undo[:0] = self._make_fit(new)
        return undo

    def retirements(
        self, catalog: Catalog, before: Catalog, manager: TransactionManager
    ) -> list[Callable[[], None]]:
        """Recovery: what lets go of what definitions that are not committed have dropped or replaced, for their
        commit to call."""
        found: list[Callable[[], None]] = []
        for old, new in _changed_tables(before, catalog):
            if old is None:
                continue
            if new is None or new.storage_id != old.storage_id:
                found.append(partial(self.retire, old.storage_id, manager))
                continue
            storage = self.get(old.storage_id)
            gone = {index.oid for index in old.indexes} - {index.oid for index in new.indexes}
            found += [partial(self.retire_index, storage, oid, manager) for oid in sorted(gone)]
        return found

    def _make_fit(self, table: Table) -> list[Callable[[], None]]:
        undo: list[Callable[[], None]] = []
        storage = self._storages.get(table.storage_id)
        if storage is None:
            storage = TableStorage(table.storage_id, table.width, False, self._paging)
            storage.pad = _pad_of(table)
            self._equip(storage, table)
            self._storages[table.storage_id] = storage
            self.reserve((table.storage_id,))
            undo.append(partial(self.forget, table.storage_id))
        while storage.width < table.width:
            storage.add_column(_pad_of(table)[storage.width])
            undo.insert(0, storage.remove_last_column)
        for index in table.indexes:
            if index.oid not in storage.indexes:
                for _ in storage.build_index(self.make_index(index, table)):
                    pass
                undo.insert(0, partial(storage.remove_index, index.oid))
        return undo

    def _remove_other_indexes(self, table: Table) -> None:
        storage = self.get(table.storage_id)
        for oid in storage.indexes.keys() - {index.oid for index in table.indexes}:
            storage.remove_index(oid)

    # --- indexes --------------------------------------------------------------------------------------------

    def page_indexes(self, blocks: Blocks, cache: LeafCache) -> None:
        """Have indexes that are made from now on, temporary tables' aside, stand in the base."""
        self._leaf_source = (blocks, cache)

    def make_index(self, index: IndexDef, table: Table, storage_id: int = 0) -> Index:
        """The kernel's index for a definition, empty, of the table's generation (or another one: `storage_id`).

        Raises NotSupportedError for a key type without order.
        """
        codec = KeyCodec([KeyColumn(key.type.oid, key.descending, key.nulls_first) for key in index.keys])
        positions = _plain_positions(index, table)
        if isinstance(index, PropertyIndex):
            extract = self._property_extractor(index, storage_id or table.storage_id)
        elif positions is not None:
            extract = _by_positions(positions)
        else:
            extract = self._extractor(index, table)
        nulls_distinct = not index.nulls_not_distinct
        source = self._leaf_source
        if source is None or table.is_temporary:
            return Index(index.oid, extract, codec, index.unique, nulls_distinct, positions)
        number = storage_id or table.storage_id
        return PagedIndex(index.oid, extract, codec, index.unique, nulls_distinct, positions, *source, number)

    def retire_index(self, storage: TableStorage, index_id: int, manager: TransactionManager) -> None:
        """Let a dropped index go, at its drop's commit,
        once no snapshot is left whose catalog still has it."""
        manager.retire(lambda: storage.remove_index(index_id))

    def _extractor(self, index: IndexDef, table: Table) -> Callable[[Row], Row | None]:
        """Reads the key's values with compiled code; the predicate first,
        since keys may fail on rows outside it.  Columns may lose their NOT NULL while the index is there."""
        keys = (_key_expression(key, table) for key in index.keys)
        values = compile_rows(tuple(over_range(key, 0, may_be_null=True) for key in keys))
        if index.predicate is None:
            return lambda row: values(self.functions, row)
        predicate = compile_rows((over_range(index.predicate.expr, 0, may_be_null=True),))

        def extract(row: Row) -> Row | None:
            return values(self.functions, row) if predicate(self.functions, row)[0] is True else None

        return extract

    def _property_extractor(self, index: PropertyIndex, storage_id: int) -> Callable[[Row], Row | None]:
        """Reads an element's properties, as anyvalues; None for elements without them, or without the label."""
        shapes = self.get(storage_id).shapes
        assert shapes is not None, "rows of elements have shapes"
        keys = PropertyKeys(shapes, index.label, index.properties)

        def extract(row: Row) -> Row | None:
            places = keys[row[SHAPE_POSITION]]  # type: ignore[index]
            if places is None:
                return None
            return tuple([(oid, row[place]) if oid else row[place] for place, oid in places])

        return extract

    # --- write targets --------------------------------------------------------------------------------------

    def target(self, database: Database, table: Table) -> WriteTarget:
        """What writing `table`, as it is in `database`, needs to know."""
        targets: dict[int, WriteTarget] = database.cached("write targets", dict)
        found = targets.get(table.oid)
        if found is None:
            _TargetGraph(self, database, targets).add(table)
            found = targets[table.oid]
        return found

    def formatter(self, sql_type: SqlType) -> Formatter:
        """Makes values into the text that messages show, as the running session prints them."""

        def format_value(value: object) -> str:
            functions = self.functions
            return text_encoder(sql_type, IoContext() if functions is None else functions.io)(value)

        return format_value

    def describe_row(self, table: Table, row: Row) -> str:
        """A row's live columns as error details show them, each cut to 64 characters."""
        shown: list[str] = []
        for column in table.live_columns:
            value = row[column.position]
            text = "null" if value is None else self.formatter(column.type)(value)
            shown.append(text if len(text) <= DETAIL_CHARACTERS else text[:DETAIL_CHARACTERS] + "...")
        return ", ".join(shown)

    def row_check(self, database: Database, table: Table) -> Callable[[Row], None]:
        """A function that raises what the table's NOT NULL and CHECK constraints have to say about a row."""
        return _RowCheck(self, table, database.schema_of(table).name)

    def unique_key(self, database: Database, table: Table, index: IndexDef, built: Index) -> UniqueKey:
        """The descriptor of a unique index, with the names that its violation is reported under."""
        constraint = next((c for c in table.constraints if c.oid == index.constraint_oid), None)
        return UniqueKey(
            built,
            index.name,
            table.name,
            _key_names(database, index, table),
            tuple(self.formatter(key.type) for key in index.keys),
            database.schema_of(table).name,
            constraint is not None and constraint.deferrable,
            constraint is not None and constraint.initially_deferred,
        )


def _changed_tables(before: Catalog, after: Catalog) -> Iterator[tuple[Table | None, Table | None]]:
    """The tables that differ, as they were and as they are; None where there is none."""
    for oid in before.databases.keys() | after.databases.keys():
        old, new = before.databases.get(oid), after.databases.get(oid)
        if old is not new:
            yield from _changed_in({} if old is None else old.relations, {} if new is None else new.relations)


def _changed_in(
    old: Mapping[int, Relation], new: Mapping[int, Relation]
) -> Iterator[tuple[Table | None, Table | None]]:
    changed = [oid for oid, each in new.items() if old.get(oid) is not each]
    for oid in (*changed, *(old.keys() - new.keys())):
        was, now = old.get(oid), new.get(oid)
        if isinstance(was, Table) or isinstance(now, Table):
            yield was if isinstance(was, Table) else None, now if isinstance(now, Table) else None


def _pad_of(table: Table) -> Row:
    """What rows that came before columns lack, by position: any row may be from before any of them."""
    missing = {column.position: column.missing_value for column in table.columns if column.has_missing}
    return tuple([missing.get(position) for position in range(table.width)])


def append_rows(transaction: Transaction, storage: TableStorage, rows: list[Row]) -> None:
    """Put rows into a generation that no other transaction can see yet; they count as committed in it."""
    row_id = storage.allocate(len(rows))
    numbers = list(range(row_id, row_id + len(rows)))
    transaction.manager.log.append_chunk(transaction, ChunkRows(storage, numbers, list(rows)))
    for row in rows:
        storage.row_count += storage.install_frozen(row_id, row)
        row_id += 1


def place_rows(transaction: Transaction, storage: TableStorage, row_ids: list[int], rows: list[Row]) -> None:
    """As `append_rows`, under ids that are given: those of the rows that these are copies of."""
    if not rows:
        return
    transaction.manager.log.append_chunk(transaction, ChunkRows(storage, row_ids, list(rows)))
    storage.restore_rows(row_ids, rows)


def _estimated_bytes(storage: TableStorage) -> int:
    """What a generation's rows take in memory, from a few of them."""
    rows, _ = TableReader(storage, INFINITY - 1, None, 0).scan_batch(-1, SAMPLED_ROWS)
    return storage.row_count * sum(row_bytes(row) for row in rows) // len(rows) if rows else 0


# --- index keys ---------------------------------------------------------------------------------------------


def _plain_positions(index: IndexDef, table: Table) -> tuple[int, ...] | None:
    """Where the key's values stand in a row; None for a partial index or one with expressions."""
    if index.predicate is not None or any(key.attnum == 0 for key in index.keys):
        return None
    return tuple(table.column(key.attnum).position for key in index.keys)


def _by_positions(positions: tuple[int, ...]) -> Callable[[Row], Row | None]:
    return lambda row: tuple([row[position] for position in positions])


def _key_expression(key: IndexKey, table: Table) -> Expr:
    if key.expression is not None:
        return key.expression.expr
    column = table.column(key.attnum)
    return ColumnReference(column.type, 0, column.position, column.name, not column.not_null)


def _key_names(database: Database, index: IndexDef, table: Table) -> tuple[str, ...]:
    """The key columns as messages name them: columns by name, expressions as text."""
    if isinstance(index, PropertyIndex):
        return index.properties
    printer = DefinitionPrinter(database, SearchPath((), 0, ()))
    return tuple(
        table.column(key.attnum).name if key.attnum else printer.key_expression(table, key, False)
        for key in index.keys
    )


# --- row checks ---------------------------------------------------------------------------------------------


class _RowCheck:
    """NOT NULL and CHECK of one table over a single row; the checks are compiled when first needed."""

    def __init__(self, stores: Stores, table: Table, schema_name: str) -> None:
        self._stores = stores
        self._table = table
        self._schema_name = schema_name
        self._required = [column for column in table.live_columns if column.not_null]
        self._checks = sorted((c for c in table.checks if c.check is not None), key=lambda c: c.name)
        self._values: RowFunction | None = None

    def __call__(self, row: Row) -> None:
        for column in self._required:
            if row[column.position] is None:
                raise not_null_violation(self._table, self._schema_name, column.name, self._failing(row))
        if not self._checks:
            return
        if self._values is None:
            self._values = compile_rows(tuple(c.check.expr for c in self._checks if c.check is not None))
        for constraint, value in zip(self._checks, self._values(self._stores.functions, row), strict=True):
            if value is False:
                raise self._check_violation(constraint, row)

    def _check_violation(self, constraint: Constraint, row: Row) -> errors.CheckViolation:
        return errors.CheckViolation(
            f'new row for relation "{self._table.name}" violates check constraint "{constraint.name}"',
            detail=self._failing(row),
            schema=self._schema_name,
            table=self._table.name,
            constraint=constraint.name,
        )

    def _failing(self, row: Row) -> str:
        return f"Failing row contains ({self._stores.describe_row(self._table, row)})."


def not_null_violation(
    table: Table, schema_name: str, column_name: str, detail: str | None = None
) -> errors.NotNullViolation:
    """The error for a NULL in a NOT NULL column of a new row."""
    return errors.NotNullViolation(
        f'null value in column "{column_name}" of relation "{table.name}" violates not-null constraint',
        detail=detail,
        schema=schema_name,
        table=table.name,
        column=column_name,
    )


# --- the graph of targets -----------------------------------------------------------------------------------


class _TargetGraph:
    """Makes the targets of all tables that foreign keys connect, then links them."""

    def __init__(self, stores: Stores, database: Database, targets: dict[int, WriteTarget]) -> None:
        self.stores = stores
        self.database = database
        self.targets = targets

    def add(self, table: Table) -> None:
        """Add the component of `table`: entered only when it is complete,
        so that an error leaves nothing behind."""
        made: dict[int, WriteTarget] = {}
        waiting = [table]
        foreign_keys: dict[int, Constraint] = {}
        graphs: dict[int, Graph] = {}
        while waiting:
            each = waiting.pop()
            if each.oid in made:
                continue
            made[each.oid] = self._target(each)
            if isinstance(each, ElementTable):
                graph = graph_of(self.database, each)
                waiting += [graph.nodes(self.database), graph.edges(self.database)]
                graphs[graph.oid] = graph
            for constraint in (*each.foreign_keys, *self.database.referencing(each.oid)):
                foreign_keys[constraint.oid] = constraint
                waiting.append(self.database.table(constraint.table_oid))
                waiting.append(self.database.table(constraint.referenced_table_oid))
        for oid in sorted(foreign_keys):
            foreign_key(self.stores, self.database, foreign_keys[oid], made).link()
        for graph in graphs.values():
            self._endpoints(graph, made).link()
        self.targets.update(made)

    def _endpoints(self, graph: Graph, made: dict[int, WriteTarget]) -> Endpoints:
        """The tie between a graph's nodes and edges."""
        edges = graph.edges(self.database)
        found = self.stores.get(edges.storage_id).indexes
        by_end = {index.keys[0].attnum - 1: found[index.oid] for index in edges.indexes if index.is_hidden}
        source, target = by_end[SOURCE_POSITION], by_end[TARGET_POSITION]
        types = self._end_types(graph)
        return Endpoints(graph.name, made[graph.nodes_oid], made[graph.edges_oid], source, target, types)

    def _end_types(self, graph: Graph) -> EndTypes | None:
        """What the graph's type says of edges' ends."""
        nodes, edges = graph.nodes(self.database), graph.edges(self.database)
        check = graph_checks(self.database, nodes).ends
        if check is None:
            return None
        of_nodes, of_edges = self.stores.shapes(nodes), self.stores.shapes(edges)
        fine: set[tuple[object, ...]] = set()

        def check_ids(edge: object, source: object, target: object) -> None:
            ids = (edge, source, target)
            if ids not in fine:
                check(of_edges.by_id(edge), of_nodes.by_id(source), of_nodes.by_id(target))
                fine.add(ids)

        return EndTypes(check_ids, lambda shape_id: of_nodes.by_id(shape_id).labels)

    def _target(self, table: Table) -> WriteTarget:
        storage = self.stores.get(table.storage_id)
        unique = [index for index in table.indexes if index.unique]
        keys = tuple(
            self.stores.unique_key(self.database, table, index, storage.indexes[index.oid])
            for index in sorted(unique, key=lambda index: index.oid)
        )
        schema_name = self.database.schema_of(table).name
        probes = tuple(
            UniqueKey(_probe(storage.indexes[index.oid]), index.name, table.name, (), (), schema_name)
            for index in table.indexes
            if not index.unique and storage.indexes[index.oid].positions is None
        )
        check = self.stores.row_check(self.database, table)
        target = WriteTarget(storage, table.name, table.oid, (*probes, *keys), schema_name, check)
        generate, stores = generating(table), self.stores
        if generate is not None:
            target.complete_row = lambda row: generate(stores.functions, row)
        if isinstance(table, ElementTable):
            target.shape_rule = self._shape_rule(table)
        return target

    def _shape_rule(self, table: ElementTable) -> ShapeRule | None:
        """What the graph's type and constraints say of elements."""
        check = graph_checks(self.database, table).shape(table.is_edges)
        if check is None:
            return None
        shapes = self.stores.shapes(table)
        return ShapeRule(lambda shape_id: check(shapes.by_id(shape_id)))


def _probe(index: Index) -> Index:
    """Stands among a target's unique keys for an index that is not unique but computes its keys.

    Installing a row must not fail, so a key that can't be computed (`1 / a`) must fail when the row is
    written.  The kernel reads unique keys then: the probe computes the index's key and says
    that the row has none.
    """

    def compute(row: Row) -> Row | None:
        values = index.extract(row)
        if values is not None:
            index.codec.order_key(values)
        return None

    return Index(-index.index_id, compute, index.codec)


def foreign_key(
    stores: Stores, database: Database, constraint: Constraint, targets: dict[int, WriteTarget]
) -> ForeignKey:
    """The kernel's form of a foreign key between two of `targets`; not linked yet."""
    child = database.table(constraint.table_oid)
    parent = database.table(constraint.referenced_table_oid)
    child_positions = tuple(child.column(attnum).position for attnum in constraint.columns)
    set_columns = constraint.on_delete_set_columns
    return ForeignKey(
        constraint.name,
        targets[child.oid],
        child_positions,
        child.column_names(constraint.columns),
        targets[parent.oid],
        tuple(parent.column(attnum).position for attnum in constraint.referenced_columns),
        parent.column_names(constraint.referenced_columns),
        stores.get(parent.storage_id).indexes[constraint.index_oid],
        tuple(stores.formatter(parent.column(attnum).type) for attnum in constraint.referenced_columns),
        _child_index(stores, child, constraint),
        constraint.on_delete,
        constraint.on_update,
        constraint.match,
        constraint.deferrable,
        constraint.initially_deferred,
        _default_maker(stores, database, child, constraint),
        tuple(child.column(attnum).position for attnum in set_columns) if set_columns else None,
    )


def _child_index(stores: Stores, child: Table, constraint: Constraint) -> Index | None:
    """An index of the child that begins with the referencing columns, in any order."""
    count = len(constraint.columns)
    for index in child.indexes:
        leading = tuple(key.attnum for key in index.keys[:count])
        if index.predicate is None and sorted(leading) == sorted(constraint.columns):
            if all(key.attnum for key in index.keys):
                return stores.get(child.storage_id).indexes[index.oid]
    return None


def _default_maker(
    stores: Stores, database: Database, child: Table, constraint: Constraint
) -> Callable[[], Row]:
    """Makes the values of SET DEFAULT, in the order of the referencing columns."""
    if SET_DEFAULT not in (constraint.on_delete, constraint.on_update):
        return no_defaults
    values = compile_rows(tuple(default_value(database, child, attnum) for attnum in constraint.columns))
    return lambda: values(stores.functions, ())


def default_value(database: Database, table: Table, attnum: int) -> Expr:
    """The expression that gives a column its value when a statement gives none."""
    column = table.column(attnum)
    if column.identity:
        sequence = database.owned_sequence(table.oid, attnum)
        assert sequence is not None, "an identity column owns a sequence"
        return nextval_call(sequence, column.type)
    if column.generated:
        return Const(column.type, None)
    default = column.default or domain_default(database, column.type)
    value = Const(column.type, None) if default is None else default.expr
    if not column.type.domain or (value.type.domain == column.type.domain and default is not None):
        return value
    return Cast(column.type, value, domain_check(column.type.oid, column.type.domain), False)


def generating(table: Table) -> Callable[[object, Row], Row] | None:
    """A function that gives a row its generated columns, called as (functions, row); None where there are none."""
    generated = dict(table.generated)
    if not generated:
        return None
    cells = [generated.get(n) or ColumnReference(SqlType(oids.TEXT), 0, n, "") for n in range(table.width)]
    return compile_rows(tuple(cells))


def nextval_call(sequence: SequenceDef, column_type: SqlType) -> Expr:
    """`nextval('sequence'::regclass)` as a value of the column's type."""
    function, _, result = resolve_function("nextval", [oids.REGCLASS])
    assert isinstance(function, Function)
    call: Expr = Call(SqlType(result), function, (Const(SqlType(oids.REGCLASS), sequence.oid),))
    if result == column_type.oid:
        return call
    coercion = find_coercion(result, column_type.oid, "a")
    assert coercion is not None, "identity columns have an integer type"
    return Cast(SqlType(column_type.oid), call, coercion.function, False)
