"""A graph's two tables without an engine around them, and queries over them written as algebra.

What plans of graphs do is tested here below every language: storages are filled directly, a query is a tree made by
hand, `run` compiles and runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.algebra.labels import Label, LabelFormula
from skerry_engine.functions.resolve import resolve_operator
from skerry_engine.plan.compile import CompiledQuery, compile_query
from skerry_engine.plan.context import ExecutionContext
from skerry_engine.plan.elements import property_of_shaped_rows, shape_test
from skerry_engine.plan.planner import ElementInfo, IndexInfo
from skerry_engine.storage.index import Index
from skerry_engine.storage.shapes import EDGE_VALUES, NODE_VALUES, ShapeRegistry
from skerry_engine.storage.table import TableStorage
from skerry_engine.txn.manager import TransactionManager
from skerry_engine.values import oids
from skerry_engine.values.keys import KeyCodec, KeyColumn
from skerry_engine.values.types import SqlType
from support.graph_matcher import Graph

GRAPH, NODES, EDGES = 99, 100, 101
INT8, TEXT, BOOL = SqlType(oids.INT8), SqlType(oids.TEXT), SqlType(oids.BOOL)
Row = tuple[Any, ...]

_TYPES = {int: oids.INT8, str: oids.TEXT, float: oids.FLOAT8, bool: oids.BOOL}


class GraphTables:
    """Nodes and edges: what a planner asks, what an execution asks."""

    def __init__(self) -> None:
        self.storages = {NODES: TableStorage(1, NODE_VALUES), EDGES: TableStorage(2, EDGE_VALUES)}
        self.registries = {
            NODES: ShapeRegistry(1, NODE_VALUES),
            EDGES: ShapeRegistry(2, EDGE_VALUES),
        }
        codec = KeyCodec((KeyColumn(oids.INT8),))
        for table_oid, first, positions in ((NODES, 102, (0,)), (EDGES, 103, (0, 1, 2))):
            for position in positions:
                index = Index(first + position, lambda row: row, codec, positions=(position,))
                self.storages[table_oid].indexes[index.index_id] = index

    # --- filling ----------------------------------------

    def node(self, *labels: str, **properties: Any) -> int:
        """Put a node in; its row id."""
        return self._put(NODES, (), labels, properties)

    def edge(self, source: int, target: int, *labels: str, **properties: Any) -> int:
        """Put an edge in; its row id."""
        return self._put(EDGES, (source, target), labels, properties)

    def undirected(self, one: int, other: int, *labels: str, **properties: Any) -> int:
        """Put an undirected edge in; its row id."""
        return self._put(EDGES, (one, other), labels, properties, False)

    def fill(self, graph: Graph) -> None:
        """Put a graph in, its nodes under their own ids, its edges under theirs without the sign."""
        for number, labels in graph.labels.items():
            assert self.node(*sorted(labels), **graph.properties[number]) == number
        for number, edge in graph.edges.items():
            put = self.edge if edge.is_directed else self.undirected
            assert put(edge.source, edge.target, *sorted(edge.labels), **edge.properties) == -number

    def _put(
        self,
        table_oid: int,
        ends: tuple[int, ...],
        labels: Iterable[str],
        properties: dict[str, Any],
        is_directed: bool = True,
    ) -> int:
        types = tuple(_TYPES[type(value)] for value in properties.values())
        shape = self.registries[table_oid].shape(frozenset(labels), tuple(properties), types, is_directed)
        storage = self.storages[table_oid]
        row_id = storage.allocate(1)
        storage.row_count += storage.install_frozen(row_id, (shape.id, *ends, *properties.values()))
        return row_id

    # --- PlanInputs ----------------------------------------

    def row_count(self, table_oid: int) -> int:
        return self.storages[table_oid].row_count

    def indexes(self, table_oid: int) -> list[IndexInfo]:
        return [
            IndexInfo(index.index_id, f"i{index.index_id}", index.positions or (), (False,), (False,), False)
            for index in self.storages[table_oid].indexes.values()
        ]

    def element_info(self, table_oid: int) -> ElementInfo | None:
        if table_oid == NODES:
            return ElementInfo("g", False, NODES, 102)
        return ElementInfo("g", True, NODES, 103, 104, 105)

    def label_count(self, table_oid: int, labels: LabelFormula) -> int:
        shapes = self.registries[table_oid].fitting(shape_test(labels))
        index = self.storages[table_oid].indexes[102 if table_oid == NODES else 103]
        return sum(index.count(shape, 1 << 60) for shape in shapes)

    def index_key_is_atom(self, table_oid: int, index_oid: int) -> bool:
        return self.storages[table_oid].indexes[index_oid].codec.atom

    def shapes(self, table_oid: int) -> ShapeRegistry:
        return self.registries[table_oid]

    # --- Tables ----------------------------------------

    def storage(self, table_oid: int) -> TableStorage:
        return self.storages[table_oid]

    def property_of_rows(self, table_oid: int, name: str, type_oid: int) -> Callable[[Row], Any]:
        return property_of_shaped_rows(self.registries[table_oid], name, type_oid)

    def labels_of_rows(self, table_oid: int, labels: LabelFormula) -> Callable[[Row], bool]:
        registry = self.registries[table_oid]
        fits = shape_test(labels)
        return lambda row: fits(registry.by_id(row[0]))

    # --- running ----------------------------------------

    def run(self, query: q.Query, *params: object) -> list[Row]:
        """The query's rows."""
        return self.run_compiled(compile_query(query, self), *params)

    def run_compiled(self, compiled: CompiledQuery, *params: object) -> list[Row]:
        context = self.context(compiled, params, 1 << 30)
        rows: list[Row] = []
        for batch in compiled.run(context):
            if isinstance(batch, list):
                rows.extend(batch)
        return rows

    def context(
        self, compiled: CompiledQuery, params: tuple[object, ...], memory_bytes: int
    ) -> ExecutionContext:
        """What a query is run with."""
        transaction = TransactionManager(None).begin()  # a real one: compiled code takes no other
        transaction.start_statement()
        return ExecutionContext(transaction, self, compiled.slots, None, params, (), memory_bytes)  # type: ignore[arg-type]


# --- trees by hand ----------------------------------------


def nodes(range_id: int) -> q.Scan:
    return q.Scan(range_id, NODES, 1, "g.nodes")


def edges(range_id: int) -> q.Scan:
    return q.Scan(range_id, EDGES, 3, "g.edges")


def ways(range_id: int, ends: int) -> q.EdgeWays:
    return q.EdgeWays(edges(range_id), ends)


def row_id(range_id: int) -> ex.RowId:
    return ex.RowId(INT8, range_id)


def column(range_id: int, position: int) -> ex.Column:
    return ex.Column(INT8, range_id, position, f"c{position}", False)


def number(value: int) -> ex.Const:
    return ex.Const(INT8, value)


def same(left: ex.Expr, right: ex.Expr, operator: str = "=") -> ex.Call:
    found, _, result = resolve_operator(operator, left.type.oid, right.type.oid)
    return ex.Call(SqlType(result), found.function, (left, right), operator)


def node_property(range_id: int, name: str, type_oid: int = oids.INT8) -> ex.Property:
    return ex.Property(SqlType(type_oid), range_id, NODES, name)


def labelled(range_id: int, label: str, table_oid: int = NODES) -> ex.HasLabels:
    return ex.HasLabels(BOOL, range_id, table_oid, Label(label))


def joined(*items: q.Relation) -> q.Relation:
    made = items[0]
    for item in items[1:]:
        made = q.Join("inner", made, item, None)
    return made


def select(source: q.Relation, outputs: list[ex.Expr], *conditions: ex.Expr) -> q.Select:
    columns = tuple(q.OutputColumn(f"o{n}", e.type) for n, e in enumerate(outputs))
    if conditions:
        source = q.Filter(source, ex.And(BOOL, conditions) if len(conditions) > 1 else conditions[0])
    return q.Select(columns, source, tuple(outputs))
