"""Property graphs over tables as sources of elements (ISO/IEC 9075-16).

Labels decide which tables can be meant, so a pattern becomes joins of just these:

    (a:person)                 Scan person
    (a:person|city), (a)       UNION ALL of the tables' rows, each with the properties of all: NULL where it has none
    -[e:knows]->               Scan knows, joined with its ends' tables by the ends' columns

    reference                  (the element's OID, row id); just the row id where all nodes, or edges, are one table's
    value                      ElementValue with the element's OID for a table, and the values of its properties for
                               a row (catalog/mapped_elements.py)

Joining an edge with the node at its end joins that node's table with itself, by row id.  `without_repeats` takes one of
the two away once the query is whole: what is left are the joins that one would write in SQL.

Which labels and properties there are is known: others are errors, as in any closed graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import labels as lb
from skerry_engine.algebra import paths as pt
from skerry_engine.algebra import queries as q
from skerry_engine.catalog import property_graphs as pg
from skerry_engine.catalog.graphs import ElementEnd, GraphElement, PropertyGraph
from skerry_engine.catalog.objects import Table
from skerry_engine.functions.resolve import resolve_operator
from skerry_engine.gql.binder.context import BOOL, EDGE, INT8, NODE, GqlContext
from skerry_engine.gql.binder.operations import conjunction, equal
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType

if TYPE_CHECKING:
    from skerry_engine.gql.binder.sources import Reference

ROW = SqlType(oids.RECORD)
NODE_COLUMNS = ("element", "row id", "row")
EDGE_COLUMNS = (
    *NODE_COLUMNS,
    "from",
    "from row",
    "to",
    "to row",
    "source",
    "source row",
    "target",
    "target row",
)
"""What rows of several tables have in common, before the properties; the ends are references, an element's OID and a
row id, first as the edge is walked, then as it is."""


@dataclass(frozen=True)
class MappedElement:
    """An element of a graph over tables in a relation.  `properties` are those of every table that is meant."""

    source: TableSource
    is_edge: bool
    relation: q.Relation
    number: ex.Expr
    row_id: ex.Expr
    row: ex.Expr
    elements: tuple[GraphElement, ...]
    properties: dict[str, ex.Expr]
    walked: tuple[ex.Expr, ...] = ()
    """Where an edge is walked from and to: element, row id, element, row id."""
    ends: tuple[ex.Expr, ...] = ()
    """An edge's source and target in the same way, whatever way it is walked."""
    labels: lb.LabelFormula | None = None

    @property
    def reference(self) -> Reference:
        return self.source.value_reference((self.number, self.row_id), self.is_edge)

    @property
    def start(self) -> Reference:
        return self.source.value_reference((self.walked[0], self.walked[1]), False)

    @property
    def end(self) -> Reference:
        return self.source.value_reference((self.walked[2], self.walked[3]), False)

    def value(self) -> ex.Expr:
        kind = EDGE if self.is_edge else NODE
        return ex.ElementValue(kind, self.source.graph.oid, self.number, self.row_id, self.row, self.ends)

    def has_labels(self, labels: lb.LabelFormula) -> ex.Expr:
        fitting = [each for each in self.elements if lb.holds(labels, _labels_of(each))]
        if len(fitting) == len(self.elements):
            return ex.Const(BOOL, True)
        tests = [equal(self.number, ex.Const(INT8, each.oid)) for each in fitting]
        if not tests:
            return ex.Const(BOOL, False)
        return tests[0] if len(tests) == 1 else ex.Or(BOOL, tuple(tests))

    def knowing(self, labels: lb.LabelFormula) -> MappedElement:
        known = labels if self.labels is None else lb.AllOf((self.labels, labels))
        return replace(self, labels=known)

    def property(self, name: str, position: int | None) -> ex.Expr:
        found = self.properties.get(name)
        if found is not None:
            return found
        return self.source.missing_property(name, position)


@dataclass(frozen=True)
class _Branch:
    """One table's rows as an element, before several are put together."""

    element: GraphElement
    relation: q.Relation
    range_id: int
    properties: dict[str, ex.Expr]
    ends: tuple[tuple[ex.Expr, ...], tuple[ex.Expr, ...]] = ((), ())
    """References of source and target."""
    is_backwards: bool = False

    @property
    def start(self) -> tuple[ex.Expr, ...]:
        return self.ends[1 if self.is_backwards else 0]

    @property
    def end(self) -> tuple[ex.Expr, ...]:
        return self.ends[0 if self.is_backwards else 1]

    @property
    def number(self) -> ex.Expr:
        return ex.Const(INT8, self.element.oid)

    @property
    def row_id(self) -> ex.Expr:
        return ex.RowId(INT8, self.range_id)

    @property
    def row(self) -> ex.Expr:
        return ex.RowOf(ROW, tuple(self.properties.values()))


@dataclass
class TableSource:
    """A property graph over tables."""

    graph: PropertyGraph
    context: GqlContext
    vertices: dict[str, GraphElement] = field(init=False)

    def __post_init__(self) -> None:
        self.vertices = {each.alias: each for each in self.graph.vertices}
        self.context.has_mapped = True

    def _table(self, element: GraphElement) -> Table:
        return self.context.database.table(element.table_oid)

    # --- names ----------------------------------------

    def check_labels(self, labels: lb.LabelFormula, is_edge: bool, position: int | None) -> None:
        known = pg.label_names(self.graph, is_edge)
        for name in lb.names_in(labels):
            if name not in known:
                kind = "edges" if is_edge else "nodes"
                raise errors.UndefinedObject(
                    f'no {kind} of graph "{self.graph.name}" have the label "{name}"', position=position
                )

    def missing_property(self, name: str, position: int | None) -> ex.Expr:
        """NULL of the type that the property has elsewhere in the graph.  Raises UndefinedColumn."""
        found = pg.property_type(self.graph, name)
        if found is None:
            raise errors.UndefinedColumn(
                f'graph "{self.graph.name}" has no property "{name}"', position=position
            )
        return ex.Const(found, None)

    # --- elements ----------------------------------------

    def has_undirected(self) -> bool:
        return False

    def node(self, labels: lb.LabelFormula | None, name: str = "") -> MappedElement:
        return self._united([self._node_branch(each) for each in _meant(self.graph.vertices, labels)], False)

    def edge(self, labels: lb.LabelFormula | None, direction: str, name: str = "") -> MappedElement:
        branches: list[_Branch] = []
        for element in _meant(self.graph.edges, labels):
            if direction in ("right", "both"):
                branches.append(self._edge_branch(element))
            if direction in ("left", "both"):
                branches.append(self._backwards(self._edge_branch(element), direction == "both"))
        return self._united(branches, True)

    def _backwards(self, branch: _Branch, also_forwards: bool) -> _Branch:
        """The edges walked from target to source; loops not again where they were walked forwards."""
        walked = replace(branch, is_backwards=True)
        if not also_forwards:
            return walked
        is_loop = conjunction(list(map(equal, *branch.ends)))
        return replace(walked, relation=q.Filter(branch.relation, ex.Not(BOOL, is_loop)))

    def _scan(self, element: GraphElement) -> q.Scan:
        table = self._table(element)
        return q.Scan(self.context.new_range(), table.oid, table.width, table.name)

    def _properties(self, element: GraphElement, range_id: int) -> dict[str, ex.Expr]:
        return {
            name: _over(each.expression.expr, range_id) for name, each in pg.properties_of(element).items()
        }

    def _node_branch(self, element: GraphElement) -> _Branch:
        scan = self._scan(element)
        return _Branch(element, scan, scan.range_id, self._properties(element, scan.range_id))

    def _edge_branch(self, element: GraphElement) -> _Branch:
        scan = self._scan(element)
        relation: q.Relation = scan
        ends: list[tuple[ex.Expr, ...]] = []
        for end in (element.source, element.target):
            assert end is not None, "edges have two ends"
            vertex = self.vertices[end.alias]
            at_end = self._scan(vertex)
            condition = self.meets(element, scan, end, vertex, at_end)
            relation = q.Join("inner", relation, at_end, condition)
            ends.append((ex.Const(INT8, vertex.oid), ex.RowId(INT8, at_end.range_id)))
        properties = self._properties(element, scan.range_id)
        return _Branch(element, relation, scan.range_id, properties, (ends[0], ends[1]))

    def meets(
        self, element: GraphElement, edge: q.Scan, end: ElementEnd, vertex: GraphElement, node: q.Scan
    ) -> ex.Expr:
        """The edge's columns are equal to the node's."""
        tables = self._table(element), self._table(vertex)
        tests: list[ex.Expr] = []
        for one, other in zip(end.columns, end.referenced, strict=True):
            sides = _column(tables[0], one, edge.range_id), _column(tables[1], other, node.range_id)
            operator, types, _ = resolve_operator("=", sides[0].type.oid, sides[1].type.oid)
            coerced = map(self.context.coercer.implicit, sides, types)
            tests.append(ex.Call(BOOL, operator.function, tuple(coerced), "="))
        return conjunction(tests)

    def new_element(
        self, element: GraphElement, range_id: int, ends: tuple[ex.Expr, ex.Expr] | None
    ) -> MappedElement:
        """An element that a statement makes: its row is current in a range, once it is there."""
        parts = tuple(_reference_of(end) for end in ends or ())
        branch = _Branch(
            element,
            q.OneRow(),
            range_id,
            self._properties(element, range_id),
            (parts[0], parts[1]) if parts else ((), ()),
        )
        return self._single(branch, ends is not None)

    # --- several tables ----------------------------------------

    def _united(self, branches: list[_Branch], is_edge: bool) -> MappedElement:
        """One element of one or several branches."""
        if len(branches) == 1:
            return self._single(branches[0], is_edge)
        if not branches:
            return self._nothing(is_edge)
        names = self._all_names(branches)
        types = {name: pg.property_type(self.graph, name) for name in names}
        selects = [self._select(branch, names, types) for branch in branches]
        united: q.Query = selects[0]
        for select in selects[1:]:
            united = q.SetOperation(select.columns, "union", True, united, select, self.context.new_range())
        elements = tuple(dict.fromkeys(branch.element for branch in branches))
        return self._read(is_edge, united, elements, names)

    def _read(
        self, is_edge: bool, query: q.Query, elements: tuple[GraphElement, ...], names: Sequence[str]
    ) -> MappedElement:
        """The element whose parts are a query's columns."""
        range_id = self.context.new_range()
        self.context.united.add(range_id)
        columns: list[ex.Expr] = [ex.Column(c.type, range_id, n, c.name) for n, c in enumerate(query.columns)]
        fixed = len(EDGE_COLUMNS if is_edge else NODE_COLUMNS)
        properties = dict(zip(names, columns[fixed:], strict=True))
        number, row_id, row = columns[:3]
        relation = q.Derived(range_id, query)
        made = MappedElement(self, is_edge, relation, number, row_id, row, elements, properties)
        if not is_edge:
            return made
        return replace(made, walked=tuple(columns[3:7]), ends=tuple(columns[7:11]))

    def _single(self, branch: _Branch, is_edge: bool) -> MappedElement:
        return MappedElement(
            self,
            is_edge,
            branch.relation,
            branch.number,
            branch.row_id,
            branch.row,
            (branch.element,),
            branch.properties,
            (*branch.start, *branch.end),
            (*branch.ends[0], *branch.ends[1]),
        )

    def _nothing(self, is_edge: bool) -> MappedElement:
        """What no table is meant by: rows that there are none of."""
        names = EDGE_COLUMNS if is_edge else NODE_COLUMNS
        columns = tuple(q.OutputColumn(name, ROW if name == "row" else INT8) for name in names)
        outputs = tuple(ex.Const(column.type, None) for column in columns)
        empty = q.Select(columns, q.Filter(q.OneRow(), ex.Const(BOOL, False)), outputs)
        return self._read(is_edge, empty, (), ())

    def _all_names(self, branches: Sequence[_Branch]) -> list[str]:
        return list(dict.fromkeys(name for branch in branches for name in branch.properties))

    def _select(self, branch: _Branch, names: Sequence[str], types: dict[str, SqlType | None]) -> q.Select:
        outputs: list[ex.Expr] = [branch.number, branch.row_id, branch.row]
        outputs += [*branch.start, *branch.end, *branch.ends[0], *branch.ends[1]]
        fixed = EDGE_COLUMNS if branch.start else NODE_COLUMNS
        for name in names:
            wanted = types[name]
            assert wanted is not None, "some element has it"
            outputs.append(branch.properties.get(name, ex.Const(wanted, None)))
        columns = tuple(
            q.OutputColumn(label, output.type)
            for label, output in zip((*fixed, *names), outputs, strict=True)
        )
        return q.Select(columns, branch.relation, tuple(outputs))

    # --- values ----------------------------------------

    def look_up(self, is_edge: bool) -> tuple[pt.PathLookup, ...]:
        """One for each table."""
        found: list[pt.PathLookup] = []
        for element in self.graph.edges if is_edge else self.graph.vertices:
            branch = self._edge_branch(element) if is_edge else self._node_branch(element)
            placed = self._single(branch, is_edge)
            found.append(pt.PathLookup(placed.relation, placed.reference, placed.value()))
        return tuple(found)

    def value_reference(self, parts: tuple[ex.Expr, ex.Expr], is_edge: bool) -> Reference:
        return parts[1:] if self.reference_width(is_edge) == 1 else parts

    def reference_width(self, is_edge: bool) -> int:
        return 1 if len(self.graph.edges if is_edge else self.graph.vertices) == 1 else 2

    def value_property(
        self, value: ex.Expr, labels: lb.LabelFormula | None, name: str, position: int | None
    ) -> ex.Expr:
        found = pg.property_type(self.graph, name)
        if found is None:
            return self.missing_property(name, position)
        return ex.ValueProperty(found, value, name)


def _meant(elements: Sequence[GraphElement], labels: lb.LabelFormula | None) -> list[GraphElement]:
    """The elements whose labels fit."""
    return [each for each in elements if labels is None or lb.holds(labels, _labels_of(each))]


def _reference_of(value: ex.Expr) -> tuple[ex.Expr, ...]:
    from skerry_engine.gql.binder import native_reads as native

    return native.table(value), native.row_id(value)


def _labels_of(element: GraphElement) -> frozenset[str]:
    return frozenset(label.name for label in element.labels)


def _column(table: Table, attnum: int, range_id: int) -> ex.Column:
    column = table.columns[attnum - 1]
    return ex.Column(column.type, range_id, column.position, column.name, not column.not_null)


def _over(stored: ex.Expr, range_id: int) -> ex.Expr:
    """A stored expression over the rows of a range.  What is more than a column could be something where an outer join
    has put NULLs for the row: it is NULL there."""
    moved = ex.transform(stored, lambda node: _moved(node, range_id))
    if isinstance(moved, ex.Column):
        return moved
    is_there = ex.IsNull(BOOL, ex.RowId(INT8, range_id), True)
    return ex.Case(moved.type, ((is_there, moved),), None)


def _moved(node: ex.Expr, range_id: int) -> ex.Expr | None:
    return replace(node, range_id=range_id) if isinstance(node, ex.Column) else None
