"""Nodes and edges written through the transaction layer, without any language."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from decimal import Decimal
from typing import cast

from skerry_engine.catalog.bootstrap import POSTGRES
from skerry_engine.catalog.catalog import Catalog, Database
from skerry_engine.catalog.graphs import ElementTable, Graph
from skerry_engine.engine import Engine
from skerry_engine.session.steps import Step, Wait
from skerry_engine.storage.heap import Row
from skerry_engine.storage.reader import TableReader
from skerry_engine.storage.shapes import ShapeRegistry
from skerry_engine.txn.transaction import Transaction
from skerry_engine.values import oids

TYPES: dict[type, int] = {
    bool: oids.BOOL,
    int: oids.INT8,
    float: oids.FLOAT8,
    str: oids.TEXT,
    bytes: oids.BYTEA,
    Decimal: oids.NUMERIC,
}
Properties = Mapping[str, object]
"""Values by name; (type OID, value) where the Python type does not tell."""
Element = tuple[object, ...]
"""(labels, properties by name) of a node; an edge has its ends' row ids, too."""


class Elements:
    """A graph's elements as one transaction writes and reads them."""

    def __init__(
        self, engine: Engine, transaction: Transaction, graph: str = "home", database: int = POSTGRES
    ) -> None:
        self._engine = engine
        self._transaction = transaction
        self._graph = graph
        self._database_oid = database

    @property
    def database(self) -> Database:
        return cast(Catalog, self._transaction.catalog).database(self._database_oid)

    @property
    def graph(self) -> Graph:
        found = [g for g in self.database.of_type(Graph) if g.name == self._graph]
        assert found, f"there is no graph {self._graph}"
        return found[0]

    def table(self, of_edges: bool) -> ElementTable:
        return self.graph.edges(self.database) if of_edges else self.graph.nodes(self.database)

    def shapes(self, of_edges: bool) -> ShapeRegistry:
        return self._engine.stores.shapes(self.table(of_edges))

    def row(
        self,
        labels: str,
        properties: Properties,
        ends: tuple[int, int] | None = None,
        is_directed: bool = True,
    ) -> Row:
        """The row of an element; labels stand in one text."""
        typed = {
            name: value if type(value) is tuple else (TYPES[type(value)], value)
            for name, value in properties.items()
            if value is not None
        }
        shapes = self.shapes(ends is not None)
        types = tuple(type_oid for type_oid, _ in typed.values())
        shape = shapes.shape(frozenset(labels.split()), tuple(typed), types, is_directed)
        return (shape.id, *(ends or ()), *(value for _, value in typed.values()))

    def add(
        self,
        labels: str,
        properties: Properties,
        ends: tuple[int, int] | None = None,
        is_directed: bool = True,
    ) -> int:
        """A new element; its id.  Raises what its constraints have to say."""
        row = self.row(labels, properties, ends, is_directed)
        return self._write(ends is not None, lambda writer: writer.insert(row))

    def change(self, row_id: int, labels: str, properties: Properties) -> None:
        """Another state of a node."""
        old, new = self.rows(False)[row_id], self.row(labels, properties)
        self._write(False, lambda writer: writer.update(row_id, old, new))

    def remove(self, row_id: int, of_edges: bool = False) -> None:
        """An element goes."""
        old = self.rows(of_edges)[row_id]
        self._write(of_edges, lambda writer: writer.delete(row_id, old))

    def _write(self, of_edges: bool, action):  # type: ignore[no-untyped-def]
        transaction = self._transaction
        mark = transaction.start_statement()
        try:
            target = self._engine.stores.target(self.database, self.table(of_edges))
            done = action(transaction.writer(target))
            transaction.finish_statement()
        except BaseException:
            transaction.abandon_statement(mark)
            raise
        return done

    # --- reading ----------------------------------------

    def rows(self, of_edges: bool) -> dict[int, Row]:
        """The rows that the transaction sees, by row id."""
        storage = self._engine.stores.get(self.table(of_edges).storage_id)
        return rows_in(self._transaction.reader(storage, True))

    def elements(self, of_edges: bool = False) -> dict[int, Element]:
        """What it sees, by row id, in words."""
        shapes = self.shapes(of_edges)
        return {row_id: shown(shapes, row) for row_id, row in self.rows(of_edges).items()}


def rows_in(reader: TableReader) -> dict[int, Row]:
    """All rows that a reader sees."""
    found: dict[int, Row] = {}
    after = -1
    while True:
        ids, rows, after = reader.scan_ids_batch(after, 1000)
        found.update(zip(ids, rows, strict=True))
        if after < 0:
            return found


def shown(shapes: ShapeRegistry, row: Row) -> Element:
    """An element in words."""
    shape = shapes.by_id(row[0])
    values = {name: row[position] for name, position in shape.positions.items()}
    assert len(row) == shapes.first_position + len(values)
    labels = " ".join(sorted(shape.labels))
    return (labels if shape.is_directed else f"~ {labels}", values, *row[1 : shapes.first_position])


def begun(engine: Engine, isolation: str = "read committed") -> Transaction:
    """A transaction that no session has."""
    transaction = engine.manager.begin(isolation, take_snapshot=True)
    return transaction


def committed(engine: Engine, transaction: Transaction) -> None:
    """Commit, flushing the log when it is waited for.  Raises what the commit fails with."""
    steps: Generator[Step, None, None] = transaction.commit()
    for step in steps:
        if isinstance(step, Wait):
            assert engine.durable is not None, "nobody else is there to wait for"
            engine.durable.flush()
