"""INSERT, SET, REMOVE and DELETE of graphs over tables: what SQL would write, with defaults and constraints.

    INSERT (:human {id: 1})-[:knows]->(b)       GraphInsert of full rows: columns that are no properties get their
                                                defaults, an edge's end columns what they refer to at the nodes
    MATCH (a) SET a.name = 'x'                  Select (element, row id, 'x')     Bindings 0
                                                Update person, Bindings 0         where it is a person's row id
    MATCH (a) DELETE a                          Select (element, row id); Delete of each table that it may be a row of

Which table a new element is a row of must be clear from its labels, properties and ends: exactly one may fit.  A
property is written as the column that it is; one that is worked out of columns can't be.

A node that has edges is not deleted without DETACH, whether or not there are foreign keys.

What this does not do: clauses behind SET, REMOVE or DELETE, MERGE, and SET n = {...}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import labels as lb
from skerry_engine.algebra import queries as q
from skerry_engine.catalog import property_graphs as pg
from skerry_engine.catalog.graphs import ElementEnd, GraphElement
from skerry_engine.catalog.objects import Column, Table
from skerry_engine.functions.registry import AggregateFunction, Function
from skerry_engine.functions.resolve import resolve_function
from skerry_engine.gql import tree
from skerry_engine.gql.binder import native_reads as native
from skerry_engine.gql.binder.context import BOOL, EDGE, INT8, NODE
from skerry_engine.gql.binder.expressions import ExpressionBinder, Place, label_formula
from skerry_engine.gql.binder.operations import conjunction, equal
from skerry_engine.gql.binder.sources import source_of
from skerry_engine.gql.binder.stages import StageBinder
from skerry_engine.gql.binder.table_source import MappedElement, TableSource
from skerry_engine.gql.binder.variables import ElementVariable, Rows, ValueVariable, Variable
from skerry_engine.sql.binder.assignments import refuse_value
from skerry_engine.sql.binder.changes import ChangeBinder
from skerry_engine.sql.binder.queries import QueryBinder
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType

INSERT = Place("INSERT")
SET = Place("SET")


class TableWriteBinder(StageBinder):
    """Binds the writing clauses of one linear statement over tables."""

    def __init__(self, linear: object, clause: tree.Clause) -> None:
        super().__init__(linear, clause)  # type: ignore[arg-type]
        source = source_of(self.context.working_graph(clause.position), self.context)
        assert isinstance(source, TableSource)
        self.source: TableSource = source
        self.changes = ChangeBinder(QueryBinder(self.context.bind, self.context.io))
        self.new: dict[str, ElementVariable] = {}
        self.made: list[q.NewElement] = []

    # --- INSERT ----------------------------------------

    def insert(self, clause: tree.Insert, is_last: bool) -> Rows:
        """INSERT patterns."""
        for path in clause.paths:
            if path.variable is not None:
                raise errors.NotSupportedError(
                    "path variables in INSERT are not supported", position=path.position
                )
            self._new_path(path.item)
        elements = sorted(self.made, key=lambda element: element.ends is not None)
        query = q.GraphInsert((), self.source.graph.oid, self.rows.relation, tuple(elements), ())
        kept = [variable for name, variable in self.new.items() if not name.startswith(" ")]
        return self.end_stage(query, [*self.rows.own, *kept], is_last)

    def _new_path(self, item: tree.PathItem) -> None:
        items = item.items if isinstance(item, tree.Concatenation) else (item,)
        nodes = {
            number: self._node(part)
            for number, part in enumerate(items)
            if isinstance(part, tree.NodePattern)
        }
        for number, part in enumerate(items):
            if isinstance(part, tree.EdgePattern):
                self._new_edge(part, nodes[number - 1], nodes[number + 1])

    def _node(self, pattern: tree.NodePattern) -> Variable:
        """A node that is made, or that was there before: then its variable stands alone."""
        name = pattern.variable
        known = None if name is None else self.new.get(name) or self.rows.variables.get(name)
        if known is None:
            return self._new_node(pattern)
        if pattern.label is not None or pattern.properties:
            raise errors.DuplicateColumn(
                f'variable "{name}" is already defined: it can\'t be given labels or properties here',
                hint="Use SET to change an element.",
                position=pattern.position,
            )
        return known

    def _new_node(self, pattern: tree.NodePattern) -> Variable:
        element = self._meant(pattern, self.source.graph.vertices, "vertex")
        return self._add(pattern, element, self._given(pattern, element), None)

    def _new_edge(self, pattern: tree.EdgePattern, before: Variable, after: Variable) -> None:
        if pattern.direction not in ("left", "right"):
            raise errors.NotSupportedError(
                "a graph over tables has no undirected edges", position=pattern.position
            )
        if pattern.variable is not None and (
            pattern.variable in self.rows.variables or pattern.variable in self.new
        ):
            raise errors.DuplicateColumn(
                f'variable "{pattern.variable}" is already defined', position=pattern.position
            )
        ends = (before, after) if pattern.direction == "right" else (after, before)
        aliases = tuple(self._vertex_of(end, pattern.position).alias for end in ends)
        fitting = [each for each in self.source.graph.edges if _aliases(each) == aliases]
        element = self._meant(pattern, fitting, "edge")
        given = self._given(pattern, element)
        for end, variable in zip((element.source, element.target), ends, strict=True):
            assert end is not None
            self._refer(element, end, variable, given, pattern.position)
        self._add(pattern, element, given, (ends[0].value(), ends[1].value()))

    def _meant(
        self, pattern: tree.NodePattern | tree.EdgePattern, elements: Iterable[GraphElement], kind: str
    ) -> GraphElement:
        """The one table that an element with these labels and properties can be a row of."""
        labels = set(lb.names_in(label_formula(pattern.label))) if pattern.label is not None else set()
        names = {each.name for each in pattern.properties}
        fitting = [
            each
            for each in elements
            if labels <= {label.name for label in each.labels} and names <= set(pg.properties_of(each))
        ]
        if len(fitting) == 1:
            return fitting[0]
        shown = "&".join(sorted(labels)) or "no labels"
        if not fitting:
            raise errors.UndefinedObject(
                f'no {kind} table of graph "{self.source.graph.name}" fits a new element with {shown}'
                + (f" and the properties {', '.join(sorted(names))}" if names else ""),
                position=pattern.position,
            )
        raise errors.AmbiguousColumn(
            f"a new element with {shown} could be a row of {', '.join(each.alias for each in fitting)}",
            hint="Give it labels that only one of these tables has.",
            position=pattern.position,
        )

    def _given(
        self, pattern: tree.NodePattern | tree.EdgePattern, element: GraphElement
    ) -> dict[int, ex.Expr]:
        """The columns that the properties say something of, by position."""
        binder = ExpressionBinder(self.statements, self.rows, INSERT)
        given: dict[int, ex.Expr] = {}
        for each in pattern.properties:
            column = self._column_of(element, each.name, each.position)
            value = self._assigned(binder, each.value, column)
            if column.identity == "a":
                raise errors.GeneratedAlways(
                    f'cannot insert a non-DEFAULT value into column "{column.name}"',
                    detail=f'Column "{column.name}" is an identity column defined as GENERATED ALWAYS.',
                )
            given[column.position] = value
        return given

    def _assigned(self, binder: ExpressionBinder, node: tree.Expr, column: Column) -> ex.Expr:
        return self.context.coercer.assign(binder.bind(node), column.type, column.name, node.position)

    def _column_of(self, element: GraphElement, name: str, position: int) -> Column:
        """The column that a property is.  Raises NotSupportedError for one that is worked out."""
        found = pg.properties_of(element)[name].expression.expr
        table = self._table(element)
        if not isinstance(found, ex.Column):
            raise errors.NotSupportedError(
                f'property "{name}" of {element.alias} is worked out of columns and can\'t be written',
                position=position,
            )
        return next(column for column in table.columns if column.position == found.position)

    def _table(self, element: GraphElement) -> Table:
        return self.context.database.table(element.table_oid)

    def _refer(
        self,
        element: GraphElement,
        end: ElementEnd,
        variable: Variable,
        given: dict[int, ex.Expr],
        position: int,
    ) -> None:
        """Give an edge's end columns what they refer to at a node."""
        edges, nodes = self._table(element), self._table(self.source.vertices[end.alias])
        range_id = self._range_of(variable)
        for attnum, other in zip(end.columns, end.referenced, strict=True):
            column, wanted = edges.columns[attnum - 1], nodes.columns[other - 1]
            if column.position in given:
                raise errors.DuplicateColumn(
                    f'column "{column.name}" of {element.alias} says where the edge ends:'
                    " it can't be given as a property, too",
                    position=position,
                )
            read = ex.Column(wanted.type, range_id, wanted.position, wanted.name, not wanted.not_null)
            given[column.position] = self.context.coercer.assign(read, column.type, column.name, position)

    def _range_of(self, variable: Variable) -> int:
        """A range in which the row of a node is current: its own, or one joined by its row id."""
        value = variable.value()
        row_id = native.row_id(value)
        if isinstance(row_id, ex.RowId):
            return row_id.range_id
        vertex = self._vertex_of(variable, 0)
        table = self._table(vertex)
        scan = q.Scan(self.context.new_range(), table.oid, table.width, table.name)
        condition = equal(ex.RowId(INT8, scan.range_id), row_id)
        self.rows = self.rows.with_relation(q.Join("inner", self.rows.relation, scan, condition))
        return scan.range_id

    def _vertex_of(self, variable: Variable, position: int) -> GraphElement:
        """The vertex table that a node is of.  Raises NotSupportedError where it may be of several."""
        value = variable.value()
        if value.type.oid != oids.NODE:
            raise errors.DatatypeMismatch(f'variable "{variable.name}" is no node', position=position)
        number = native.table(value)
        if isinstance(number, ex.Const):
            return next(each for each in self.source.graph.vertices if each.oid == number.value)
        labels = variable.labels if isinstance(variable, ValueVariable) else None
        if isinstance(variable, ElementVariable) and isinstance(variable.placed, MappedElement):
            labels = variable.placed.labels
        fitting = [
            each for each in self.source.graph.vertices if labels is None or lb.holds(labels, _labels(each))
        ]
        if len(fitting) == 1:
            return fitting[0]
        raise errors.NotSupportedError(
            f'"{variable.name}" may be a row of several tables: edges to it are not supported',
            hint="Give it a label that only one of them has.",
            position=position,
        )

    def _add(
        self,
        pattern: tree.NodePattern | tree.EdgePattern,
        element: GraphElement,
        given: dict[int, ex.Expr],
        ends: tuple[ex.Expr, ex.Expr] | None,
    ) -> ElementVariable:
        table = self._table(element)
        range_id = self.context.new_range()
        row: list[ex.Expr] = [ex.Const(SqlType(oids.UNKNOWN), None)] * table.width
        for column in table.live_columns:
            value = given.get(column.position)
            if value is not None and column.generated:
                refuse_value(column)
            row[column.position] = self.changes.default(table, column) if value is None else value
        target = self.changes.target(table, range_id)
        kind = NODE if ends is None else EDGE
        self.made.append(q.NewElement(target, kind, row=tuple(row), ends=ends))
        placed = self.source.new_element(element, range_id, ends)
        name = pattern.variable or f" {range_id}"
        self.new[name] = ElementVariable(name, placed, self.source)
        return self.new[name]

    # --- SET and REMOVE ----------------------------------------

    def set(self, clause: tree.Set, is_last: bool) -> Rows:
        """SET v.p = value."""
        binder = ExpressionBinder(self.statements, self.rows, SET)
        written: list[tuple[str, str, ex.Expr, int]] = []
        for item in clause.items:
            if not isinstance(item, tree.SetProperty):
                what = "labels" if isinstance(item, tree.SetLabels) else "all properties"
                raise errors.NotSupportedError(
                    f"SET of {what} is not supported in graphs over tables", position=item.position
                )
            written.append((item.variable, item.name, binder.bind(item.value), item.position))
        return self._update(written, is_last, clause.position)

    def remove(self, clause: tree.Remove, is_last: bool) -> Rows:
        """REMOVE v.p: the column is NULL then."""
        written: list[tuple[str, str, ex.Expr, int]] = []
        for item in clause.items:
            if isinstance(item, tree.RemoveLabels):
                raise errors.NotSupportedError(
                    "REMOVE of labels is not supported in graphs over tables", position=item.position
                )
            written.append((item.variable, item.name, ex.Const(SqlType(oids.UNKNOWN), None), item.position))
        return self._update(written, is_last, clause.position)

    def _update(self, written: Sequence[tuple[str, str, ex.Expr, int]], is_last: bool, position: int) -> Rows:
        """One stage that works everything out, and an UPDATE for each variable and table."""
        self._check_last(is_last, position)
        names = list(dict.fromkeys(name for name, _, _, _ in written))
        outputs: list[ex.Expr] = []
        for name in names:
            outputs += self._parts(name, position)
        places: list[int] = []
        for _, _, value, _ in written:
            places.append(-1 if isinstance(value, ex.Const) else len(outputs))
            if places[-1] >= 0:
                outputs.append(self.operations.known(value))
        bindings = self._gathered(outputs)
        for number, name in enumerate(names):
            items = [
                (*each[1:], place) for each, place in zip(written, places, strict=True) if each[0] == name
            ]
            computed = [place for *_, place in items if place >= 0]
            if computed:
                self._refuse_contradictions(bindings, number * 2, computed)
            candidates = self._candidates(name)
            for property_name, _, at, _ in items:
                self._check_property(property_name, candidates, at)
            for element in candidates:
                self._update_table(element, items, bindings(), number * 2)
        return Rows()

    def _check_property(self, name: str, candidates: Sequence[GraphElement], position: int) -> None:
        """Raise UndefinedColumn for a property that no element has which is meant."""
        if not any(name in pg.properties_of(element) for element in candidates):
            shown = ", ".join(element.alias for element in candidates) or "no table"
            raise errors.UndefinedColumn(f'{shown} has no property "{name}"', position=position)

    def _refuse_contradictions(
        self, bindings: Callable[[], q.Bindings], place: int, values: Sequence[int]
    ) -> None:
        """A stage that fails where two rows give one element different values."""
        one, other = bindings(), bindings()

        def column(source: q.Bindings, number: int) -> ex.Expr:
            return ex.Column(self._types[number], source.range_id, number, "value")

        same = [equal(column(one, place + n), column(other, place + n)) for n in (0, 1)]
        differ = [
            ex.IsDistinct(BOOL, a, b, equal(a, b).function)
            for a, b in ((column(one, n), column(other, n)) for n in values)
        ]
        unlike = differ[0] if len(differ) == 1 else ex.Or(BOOL, tuple(differ))
        pairs = q.Filter(q.Join("inner", one, other, conjunction(same)), unlike)
        refuse = ex.Call(BOOL, _REFUSE_VALUES, (column(one, place + 1),))
        self.statements.stages.append(q.Select((q.OutputColumn("", BOOL),), pairs, (refuse,)))

    def _update_table(
        self,
        element: GraphElement,
        items: Sequence[tuple[str, ex.Expr, int, int]],
        bindings: q.Bindings,
        place: int,
    ) -> None:
        """UPDATE of one table, for the properties that its elements have."""
        table = self._table(element)
        scan, joined = self._joined(element, bindings, place)
        row: list[ex.Expr] = [ex.Const(SqlType(oids.UNKNOWN), None)] * table.width
        for column in table.live_columns:
            row[column.position] = ex.Column(
                column.type, scan.range_id, column.position, column.name, not column.not_null
            )
        changed: list[int] = []
        for name, value, position, number in items:
            if name not in pg.properties_of(element):
                continue
            column = self._column_of(element, name, position)
            if number >= 0:
                value = ex.Column(self._types[number], bindings.range_id, number, name)
            refuse_value(column)
            row[column.position] = self.context.coercer.assign(value, column.type, name, position)
            changed.append(column.position)
        if changed:
            target = self.changes.target(table, self.context.new_range())
            update = q.Update((), target, scan.range_id, joined, tuple(row), tuple(changed), ())
            self.statements.stages.append(update)

    # --- DELETE ----------------------------------------

    def delete(self, clause: tree.Delete, is_last: bool) -> Rows:
        """[DETACH] DELETE of variables: edges first, then nodes, which must have no edges left."""
        self._check_last(is_last, clause.position)
        names: list[str] = []
        for item in clause.items:
            if not isinstance(item, tree.Variable):
                raise errors.NotSupportedError(
                    "DELETE of an expression is not supported in graphs over tables", position=item.position
                )
            names.append(item.name)
        outputs = [part for name in names for part in self._parts(name, clause.position)]
        bindings = self._gathered(outputs)
        places = {name: number * 2 for number, name in enumerate(names)}
        edges = [(element, places[name]) for name in names for element in self._candidates(name, oids.EDGE)]
        nodes = [(element, places[name]) for name in names for element in self._candidates(name, oids.NODE)]
        for element, place in edges:
            self._delete_rows(element, bindings(), place)
        for element, place in nodes:
            for edge in self.source.graph.edges:
                ends = [end for end in (edge.source, edge.target) if end and end.alias == element.alias]
                if clause.is_detach:
                    for end in ends:
                        self._detach(element, edge, end, bindings(), place)
                elif ends:
                    self._refuse_edges(element, edge, ends, bindings(), place)
        for element, place in nodes:
            self._delete_rows(element, bindings(), place)
        return Rows()

    def merge(self, clause: tree.Merge, is_last: bool) -> Rows:
        """Refused by name."""
        raise errors.NotSupportedError(
            "MERGE is not supported in graphs over tables", position=clause.position
        )

    def _delete_rows(self, element: GraphElement, bindings: q.Bindings, place: int) -> None:
        scan, joined = self._joined(element, bindings, place)
        target = self.changes.target(self._table(element), scan.range_id)
        self.statements.stages.append(q.Delete((), target, joined, ()))

    def _at_node(
        self,
        node: GraphElement,
        edge: GraphElement,
        ends: Sequence[ElementEnd],
        bindings: q.Bindings,
        place: int,
    ) -> tuple[q.Scan, q.Relation]:
        """The rows of a table of edges that have one of these ends at the nodes that are deleted."""
        scan, joined = self._joined(node, bindings, place)
        table = self._table(edge)
        edges = q.Scan(self.context.new_range(), table.oid, table.width, table.name)
        meets = [self.source.meets(edge, edges, end, node, scan) for end in ends]
        condition = meets[0] if len(meets) == 1 else ex.Or(BOOL, tuple(meets))
        return edges, q.Join("inner", edges, joined, condition)

    def _detach(
        self, node: GraphElement, edge: GraphElement, end: ElementEnd, bindings: q.Bindings, place: int
    ) -> None:
        edges, at_node = self._at_node(node, edge, (end,), bindings, place)
        target = self.changes.target(self._table(edge), edges.range_id)
        self.statements.stages.append(q.Delete((), target, at_node, ()))

    def _refuse_edges(
        self,
        node: GraphElement,
        edge: GraphElement,
        ends: Sequence[ElementEnd],
        bindings: q.Bindings,
        place: int,
    ) -> None:
        """A stage that fails where nodes that are deleted still have edges."""
        edges, at_node = self._at_node(node, edge, ends, bindings, place)
        function, _, _ = resolve_function("count", [oids.INT8])
        assert isinstance(function, AggregateFunction)
        count = ex.Aggregate(INT8, function, (ex.RowId(INT8, edges.range_id),), True)
        counted = q.Aggregation(self.context.new_range(), at_node, (), (count,))
        alias = ex.Const(SqlType(oids.TEXT), edge.alias)
        refuse = ex.Call(BOOL, _REFUSE, (alias, ex.Column(INT8, counted.range_id, 0, "count")))
        self.statements.stages.append(q.Select((q.OutputColumn("", BOOL),), counted, (refuse,)))

    # --- stages ----------------------------------------

    def _check_last(self, is_last: bool, position: int) -> None:
        if not is_last:
            raise errors.NotSupportedError(
                "clauses behind SET, REMOVE and DELETE are not supported in graphs over tables",
                position=position,
            )

    def _parts(self, name: str, position: int) -> list[ex.Expr]:
        """Element and row id of what a variable is."""
        value = self.rows.find(name, position).value()
        if value.type.oid not in oids.ELEMENTS:
            raise errors.DatatypeMismatch(
                f'variable "{name}" is neither a node nor an edge', position=position
            )
        return [native.table(value), native.row_id(value)]

    def _gathered(self, outputs: Sequence[ex.Expr]) -> Callable[[], q.Bindings]:
        """The stage that works out what is written; gives a function that reads it, in a range of its own each time."""
        columns = tuple(q.OutputColumn(f"c{number}", output.type) for number, output in enumerate(outputs))
        self._types = [output.type for output in outputs]
        number = len(self.statements.stages)
        self.statements.stages.append(q.Select(columns, self.rows.relation, tuple(outputs), distinct=True))
        return lambda: q.Bindings(self.context.new_range(), number, len(columns))

    def _candidates(self, name: str, kind: int = 0) -> list[GraphElement]:
        """The tables that a variable's element may be a row of."""
        variable = self.rows.variables[name]
        is_edge = variable.type.oid == oids.EDGE
        if kind and is_edge != (kind == oids.EDGE):
            return []
        if isinstance(variable, ElementVariable) and isinstance(variable.placed, MappedElement):
            return list(variable.placed.elements)
        labels = variable.labels if isinstance(variable, ValueVariable) else None
        elements = self.source.graph.edges if is_edge else self.source.graph.vertices
        return [each for each in elements if labels is None or lb.holds(labels, _labels(each))]

    def _joined(self, element: GraphElement, bindings: q.Bindings, place: int) -> tuple[q.Scan, q.Relation]:
        """The rows of a table that the bindings name: those of the element at two of their columns."""
        table = self._table(element)
        scan = q.Scan(self.context.new_range(), table.oid, table.width, table.name)
        number, row_id = (ex.Column(INT8, bindings.range_id, place + n, "element") for n in (0, 1))
        condition = conjunction(
            [equal(number, ex.Const(INT8, element.oid)), equal(ex.RowId(INT8, scan.range_id), row_id)]
        )
        return scan, q.Filter(q.Join("inner", bindings, scan, None), condition)


def _labels(element: GraphElement) -> frozenset[str]:
    return frozenset(label.name for label in element.labels)


def _aliases(edge: GraphElement) -> tuple[str, str]:
    assert edge.source is not None and edge.target is not None
    return edge.source.alias, edge.target.alias


def _refuse_connected(alias: str, count: int) -> bool:
    if not count:
        return False
    edges = "1 edge" if count == 1 else f"{count} edges"
    raise errors.EdgesStillExist(
        f"cannot delete a node that still has {edges} of {alias}",
        hint="Delete them first, or DETACH DELETE the node.",
    )


def _refuse_values(_row_id: int) -> bool:
    raise errors.MultipleAssignments("one element is given different values for one property")


_REFUSE_VALUES = Function(0, "refuse values", (oids.INT8,), oids.BOOL, _refuse_values, volatility="v")
_REFUSE = Function(
    0, "refuse connected", (oids.TEXT, oids.INT8), oids.BOOL, _refuse_connected, volatility="v"
)
