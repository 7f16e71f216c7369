"""INSERT, SET, REMOVE, DELETE and MERGE (§13): clauses that end a stage of a program.

    MATCH (a:A) SET a.n = 1 MATCH (a)-->(b) DELETE b RETURN a.n

    stage 0     GraphChange over the rows of MATCH, out come a's                            Bindings 0
    stage 1     GraphDelete over Bindings 0 joined with edges and nodes, out come a's, b's  Bindings 1
    the rest    Select over Bindings 1

What a write makes known of properties before any row has it (`n.x` after SET n.x = 1) is noted with the statement
(`GqlContext.written`), since registries of shapes learn it only when the statement runs.

Values of a new element are computed from the rows before the clause: what one INSERT makes can't be read in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import labels as lb
from skerry_engine.algebra import queries as q
from skerry_engine.catalog.graphs import ElementTable
from skerry_engine.functions.casts import find_coercion
from skerry_engine.functions.graph_types import narrowing
from skerry_engine.functions.registry import Function
from skerry_engine.functions.resolve import resolve_function
from skerry_engine.gql import tree
from skerry_engine.gql.binder.context import EDGE, NODE
from skerry_engine.gql.binder.expressions import ExpressionBinder, Place, label_formula
from skerry_engine.gql.binder.sources import NativeElement, NativeSource, source_of
from skerry_engine.gql.binder.stages import StageBinder
from skerry_engine.gql.binder.variables import ElementVariable, Rows, ValueVariable, Variable
from skerry_engine.values import oids
from skerry_engine.values.graphs import widened
from skerry_engine.values.types import SqlType, graph_type_name, type_info

if TYPE_CHECKING:
    from skerry_engine.gql.binder.linear import LinearBinder

_NUMBERS = frozenset((oids.INT8, oids.NUMERIC, oids.FLOAT8))
INSERT = Place("INSERT")
SET = Place("SET")
DELETE = Place("DELETE")
MERGE = Place("MERGE")


@dataclass
class NewPattern:
    """The elements that INSERT or MERGE makes, and which variables they are.

    `spots` has an expression for each element of the path that was bound last, in the order of the path.
    """

    elements: list[q.NewElement] = field(default_factory=list)
    variables: dict[str, ElementVariable] = field(default_factory=dict)
    spots: list[ex.Expr] = field(default_factory=list)


class WriteBinder(StageBinder):
    """Binds the writing clauses of one linear statement, in a native graph."""

    def __init__(self, linear: LinearBinder, clause: tree.Clause) -> None:
        super().__init__(linear, clause)
        source = source_of(self.context.working_graph(clause.position), self.context)
        assert isinstance(source, NativeSource)
        self.source: NativeSource = source

    @property
    def graph_oid(self) -> int:
        return self.source.graph.oid

    @property
    def tables(self) -> tuple[int, ...]:
        return self.source.nodes.oid, self.source.edges.oid

    # --- INSERT ----------------------------------------

    def insert(self, clause: tree.Insert, is_last: bool) -> Rows:
        """INSERT patterns (§13.2)."""
        made = NewPattern()
        for path in clause.paths:
            if path.variable is not None:
                raise errors.NotSupportedError(
                    "path variables in INSERT are not supported", position=path.position
                )
            self._new_path(path.item, made, INSERT)
        elements = sorted(made.elements, key=lambda element: element.ends is not None)
        query = q.GraphInsert((), self.graph_oid, self.rows.relation, tuple(elements), ())
        kept = [v for v in made.variables.values() if not v.name.startswith(" ")]
        return self.end_stage(query, [*self.rows.own, *kept], is_last)

    def _new_path(self, item: tree.PathItem, made: NewPattern, place: Place) -> None:
        """The elements of one path; nodes first, since edges name them."""
        items = item.items if isinstance(item, tree.Concatenation) else (item,)
        spots: list[ex.Expr | None] = [None] * len(items)
        for number, part in enumerate(items):
            if isinstance(part, tree.NodePattern):
                spots[number] = self._new_node(part, made, place)
        for number, part in enumerate(items):
            if isinstance(part, tree.EdgePattern):
                before, after = spots[number - 1], spots[number + 1]
                assert before is not None and after is not None, "edges stand between nodes"
                spots[number] = self._new_edge(part, before, after, made, place)
        made.spots = [spot for spot in spots if spot is not None]

    def _new_node(self, node: tree.NodePattern, made: NewPattern, place: Place) -> ex.Expr:
        """A node that is made, or that was there before: then its variable stands alone."""
        name = node.variable
        known = made.variables.get(name) if name is not None else None
        bound = self.rows.variables.get(name) if name is not None else None
        if known is not None or bound is not None:
            if node.label is not None or node.properties:
                raise errors.DuplicateColumn(
                    f'variable "{name}" is already defined: it can\'t be given labels or properties here',
                    hint="Use SET to change an element.",
                    position=node.position,
                )
            if known is not None:
                return known.value()
            assert bound is not None
            return self._element(bound, oids.NODE, node.position)
        return self._new_element(node, self.source.nodes, None, made, place)

    def _new_edge(
        self, edge: tree.EdgePattern, before: ex.Expr, after: ex.Expr, made: NewPattern, place: Place
    ) -> ex.Expr:
        if edge.variable is not None and (
            edge.variable in self.rows.variables or edge.variable in made.variables
        ):
            raise errors.DuplicateColumn(
                f'variable "{edge.variable}" is already defined', position=edge.position
            )
        ends = (after, before) if edge.direction == "left" else (before, after)
        return self._new_element(edge, self.source.edges, ends, made, place)

    def _new_element(
        self,
        pattern: tree.NodePattern | tree.EdgePattern,
        table: ElementTable,
        ends: tuple[ex.Expr, ex.Expr] | None,
        made: NewPattern,
        place: Place,
    ) -> ex.Expr:
        range_id = self.context.new_range()
        labels = _label_names(pattern.label)
        self.source.check_labels(lb.AllOf(tuple(map(lb.Label, labels))), table.is_edges, pattern.position)
        properties = self._properties(pattern.properties, table, place, frozenset(labels))
        schema = self.context.database.schema_of(table).name
        into = q.Target(table.oid, table.name, schema, range_id, table.width, ())
        kind = EDGE if table.is_edges else NODE
        is_directed = not (isinstance(pattern, tree.EdgePattern) and pattern.direction == "undirected")
        made.elements.append(
            q.NewElement(
                into,
                kind,
                labels,
                properties,
                ends=ends,
                ends_in=self.source.nodes.oid,
                is_directed=is_directed,
            )
        )
        formula = _formula(labels)
        placed = NativeElement(self.source, table, range_id, q.OneRow(), labels=formula)
        name = pattern.variable or f" {range_id}"
        variable = ElementVariable(name, placed, self.source)
        made.variables[name] = variable
        return variable.value()

    def _properties(
        self, fields: Sequence[tree.Field], table: ElementTable, place: Place, labels: frozenset[str]
    ) -> tuple[tuple[str, ex.Expr], ...]:
        """The properties of a new element; the parser has seen to it that each is given once."""
        binder = ExpressionBinder(self.statements, self.rows, place)
        return tuple(
            (each.name, self._value(binder, each.value, table, each.name, lambda found: found == labels))
            for each in fields
        )

    def _value(
        self,
        binder: ExpressionBinder,
        node: tree.Expr,
        table: ElementTable,
        name: str,
        fits: Callable[[frozenset[str]], bool] | None = None,
    ) -> ex.Expr:
        """The value of a property, which it is known to have from here on; of elements whose labels fit."""
        declared = self._declared(table, name, fits)
        value = self.operations.known(self._as_declared(binder.bind(node), declared, node.position))
        if value.type.oid in oids.REFERENCES:
            raise errors.DatatypeMismatch(
                f'property "{name}" cannot hold a value of type {graph_type_name(value.type.oid)}',
                hint="Properties hold numbers, texts, booleans, bytes, times, and lists and records of these.",
                position=node.position,
            )
        if not (isinstance(value, ex.Const) and value.value is None):
            self.context.note_written(table.oid, name, widened(value.type.oid))
        return value

    def _declared(
        self, table: ElementTable, name: str, fits: Callable[[frozenset[str]], bool] | None
    ) -> SqlType | None:
        """The type that a closed graph declares for a property of elements whose labels fit; None where there is none,
        or more than one."""
        types = self.source.types
        found = frozenset[SqlType]() if types is None else types.property_types(name, table.is_edges, fits)
        return next(iter(found)) if len(found) == 1 else None

    def _as_declared(self, value: ex.Expr, wanted: SqlType | None, position: int | None) -> ex.Expr:
        """A property's value as the declared type, if it is one by itself (1 for a FLOAT), and looked at for what
        narrows it (INT16, STRING(3)); others are refused when they are written."""
        if wanted is None:
            return value
        if value.type.oid == oids.UNKNOWN:
            value = self.operations.as_type(value, wanted.oid, position)
        elif value.type.oid in _NUMBERS and wanted.oid in _NUMBERS and value.type.oid != wanted.oid:
            if find_coercion(value.type.oid, wanted.oid, "i") is not None:
                value = self.operations.as_type(value, wanted.oid, position)
        if widened(value.type.oid) == wanted.oid:
            if wanted.typmod < 0:
                return value
            return ex.Cast(wanted, value, narrowing(wanted.oid), False)
        if value.type.oid != oids.ANYVALUE and not type_info(value.type.oid).is_array:
            return value
        if wanted.oid == oids.ANYVALUE:
            return value
        described = [ex.Const(SqlType(oids.INT8), number) for number in (wanted.oid, wanted.typmod)]
        fit, _, _ = resolve_function("fitted", (oids.ANYVALUE, oids.INT8, oids.INT8), "skerry", position)
        assert isinstance(fit, Function)
        return ex.Call(SqlType(oids.ANYVALUE), fit, (self.operations.as_any(value), *described))

    # --- elements ----------------------------------------

    def _element(self, variable: Variable, kind: int, position: int) -> ex.Expr:
        """The element that a variable is.  Raises DatatypeMismatch."""
        value = variable.value()
        if value.type.oid == kind:
            return value
        if value.type.oid not in (oids.ANYVALUE, oids.UNKNOWN):
            raise errors.DatatypeMismatch(
                f'variable "{variable.name}" is of type {graph_type_name(value.type.oid)},'
                f" where {graph_type_name(kind)} is wanted",
                position=position,
            )
        return self.operations.as_type(value, kind, position)

    def _target(self, name: str, rows: Rows, position: int) -> tuple[ex.Expr, ElementTable]:
        """The element that an item of SET or REMOVE is about, and the table it is in."""
        value = rows.find(name, position).value()
        if value.type.oid == oids.NODE:
            return value, self.source.nodes
        if value.type.oid == oids.EDGE:
            return value, self.source.edges
        raise errors.DatatypeMismatch(
            f'variable "{name}" is of type {graph_type_name(value.type.oid)}: only nodes and edges can be changed',
            position=position,
        )

    # --- SET and REMOVE ----------------------------------------

    def set(self, clause: tree.Set, is_last: bool) -> Rows:
        """SET items (§13.3)."""
        changes = self.set_items(clause.items, self.rows)
        return self._change(changes, is_last)

    def remove(self, clause: tree.Remove, is_last: bool) -> Rows:
        """REMOVE items (§13.4)."""
        changes: list[q.ElementChange] = []
        for item in clause.items:
            element, table = self._target(item.variable, self.rows, item.position)
            if isinstance(item, tree.RemoveLabels):
                changes.append(q.ElementChange(element, table.oid, labels_removed=item.labels))
            else:
                gone = ex.Const(SqlType(oids.TEXT), None)
                changes.append(q.ElementChange(element, table.oid, ((item.name, gone),)))
        return self._change(merged(changes), is_last)

    def _change(self, changes: Sequence[q.ElementChange], is_last: bool) -> Rows:
        query = q.GraphChange((), self.graph_oid, self.tables, self.rows.relation, tuple(changes), ())
        return self.end_stage(query, self.rows.own, is_last)

    def set_items(self, items: Sequence[tree.SetItem], rows: Rows) -> list[q.ElementChange]:
        """The changes of SET, and of MERGE's ON CREATE and ON MATCH."""
        binder = ExpressionBinder(self.statements, rows, SET)
        return merged([self._set_item(item, binder, rows) for item in items])

    def _set_item(self, item: tree.SetItem, binder: ExpressionBinder, rows: Rows) -> q.ElementChange:
        element, table = self._target(item.variable, rows, item.position)
        if isinstance(item, tree.SetLabels):
            formula = lb.AllOf(tuple(map(lb.Label, item.labels)))
            self.source.check_labels(formula, table.is_edges, item.position)
            return q.ElementChange(element, table.oid, labels_added=item.labels)
        if isinstance(item, tree.SetProperty):
            fits = _known_labels(rows.find(item.variable, item.position))
            value = self._value(binder, item.value, table, item.name, fits)
            return q.ElementChange(element, table.oid, ((item.name, value),))
        replaces = not item.is_added
        if isinstance(item.value, tree.RecordValue):
            found = tuple(
                (each.name, self._value(binder, each.value, table, each.name)) for each in item.value.fields
            )
            return q.ElementChange(element, table.oid, found, replaces=replaces)
        record = self._record(binder, item.value)
        self.context.note_written(table.oid, None, oids.ANYVALUE)
        return q.ElementChange(element, table.oid, record=record, replaces=replaces)

    def _record(self, binder: ExpressionBinder, node: tree.Expr) -> ex.Expr:
        """A record of properties: a record, or all properties of an element."""
        value = binder.bind(node)
        if value.type.oid in oids.ELEMENTS:
            return self.operations.call("properties", value, position=node.position)
        return self.operations.as_type(value, oids.GRAPHRECORD, node.position)

    # --- DELETE ----------------------------------------

    def delete(self, clause: tree.Delete, is_last: bool) -> Rows:
        """[DETACH] DELETE items (§13.5)."""
        binder = ExpressionBinder(self.statements, self.rows, DELETE)
        elements: list[ex.Expr] = []
        for item in clause.items:
            value = binder.bind(item)
            if value.type.oid not in oids.REFERENCES and value.type.oid not in (
                oids.ANYVALUE,
                oids.ANYVALUE_ARRAY,
            ):
                shown = graph_type_name(value.type.oid)
                raise errors.DatatypeMismatch(
                    f"only nodes, edges and paths can be deleted, not a value of type {shown}",
                    position=item.position,
                )
            elements.append(value)
        query = q.GraphDelete(
            (), self.graph_oid, self.tables, self.rows.relation, tuple(elements), clause.is_detach, ()
        )
        return self.end_stage(query, self.rows.own, is_last)

    # --- MERGE ----------------------------------------

    def merge(self, clause: tree.Merge, is_last: bool) -> Rows:
        """MERGE path [ON CREATE SET ...] [ON MATCH SET ...]."""
        if clause.path.variable is not None:
            raise errors.NotSupportedError(
                "path variables in MERGE are not supported", position=clause.position
            )
        path, names = _named(clause.path)
        made = NewPattern()
        self._new_path(path.item, made, MERGE)
        if not made.elements:
            raise errors.DuplicateColumn(
                "MERGE of what is bound already has nothing to make", position=clause.position
            )
        spots = dict(zip(names, made.spots, strict=True))
        names = list(spots)
        match = self._match_of(path, names, clause.position)
        range_id = self.context.new_range()
        values = [ex.Column(column.type, range_id, n, column.name) for n, column in enumerate(match.columns)]
        rows = self.rows
        for number, name in enumerate(names):
            if name not in self.rows.variables:
                known = made.variables[name]
                labels = known.placed.labels if isinstance(known.placed, NativeElement) else None
                rows = rows.with_variable(ValueVariable(name, values[number], self.source, labels))
        query = q.GraphMerge(
            (),
            self.graph_oid,
            self.rows.relation,
            range_id,
            match,
            tuple(made.elements),
            self._positions(made, names),
            tuple((number, spots[name]) for number, name in enumerate(names) if name in self.rows.variables),
            tuple(self.set_items(clause.on_create, rows)),
            tuple(self.set_items(clause.on_match, rows)),
            (),
        )
        kept = [v for v in rows.own if not v.name.startswith(" ")]
        return self.end_stage(query, kept, is_last)

    def _match_of(self, path: tree.PathPattern, names: list[str], position: int) -> q.Query:
        """The query that looks for the path, over one row of the input; out come its elements."""
        from skerry_engine.gql.binder.patterns import PatternBinder

        pattern = tree.GraphPattern(path.position, (path,))
        binder = PatternBinder(self.statements, self.rows.as_outer(), position)
        found = binder.found(pattern)
        outputs = tuple(found.find(name, position).value() for name in names)
        columns = tuple(
            q.OutputColumn(name, output.type) for name, output in zip(names, outputs, strict=True)
        )
        return q.Select(columns, found.relation, outputs)

    def _positions(self, made: NewPattern, names: list[str]) -> tuple[int, ...]:
        """The place in the path of each new element."""
        by_range = {
            variable.placed.range_id: name
            for name, variable in made.variables.items()
            if isinstance(variable.placed, NativeElement)
        }
        return tuple(names.index(by_range[element.into.range_id]) for element in made.elements)


def merged(changes: Sequence[q.ElementChange]) -> list[q.ElementChange]:
    """Items about one element as one change, as far as they are about different properties."""
    found: list[q.ElementChange] = []
    for change in changes:
        last = found[-1] if found else None
        if last is not None and _go_together(last, change):
            found[-1] = replace(
                last,
                properties=last.properties + change.properties,
                labels_added=last.labels_added + change.labels_added,
                labels_removed=last.labels_removed + change.labels_removed,
            )
        else:
            found.append(change)
    return found


def _go_together(one: q.ElementChange, other: q.ElementChange) -> bool:
    if one.element != other.element or one.replaces or other.replaces:
        return False
    if one.record is not None or other.record is not None:
        return False
    names = {name for name, _ in one.properties}
    return not any(name in names for name, _ in other.properties)


def _known_labels(variable: Variable) -> Callable[[frozenset[str]], bool] | None:
    """Whether elements with these labels may be what a variable stands for, by the labels that it was asked to have."""
    placed = variable.placed if isinstance(variable, ElementVariable) else None
    formula = placed.labels if isinstance(placed, NativeElement) else None
    if isinstance(variable, ValueVariable):
        formula = variable.labels
    return None if formula is None else lambda labels: lb.holds(formula, labels)


def _label_names(label: tree.Label | None) -> tuple[str, ...]:
    """The labels that a new element gets: the parser has seen to it that they are names."""
    if label is None:
        return ()
    names = dict.fromkeys(lb.names_in(label_formula(label)))
    return tuple(names)


def _formula(labels: Sequence[str]) -> lb.LabelFormula | None:
    if not labels:
        return None
    parts = tuple(lb.Label(label) for label in labels)
    return parts[0] if len(parts) == 1 else lb.AllOf(parts)


def _named(path: tree.PathPattern) -> tuple[tree.PathPattern, list[str]]:
    """The path with a name for every element, and the names in order; made-up ones are none that a text can have."""
    items = path.item.items if isinstance(path.item, tree.Concatenation) else (path.item,)
    named: list[tree.PathItem] = []
    names: list[str] = []
    for number, item in enumerate(items):
        assert isinstance(item, (tree.NodePattern, tree.EdgePattern)), "the parser has checked that"
        name = item.variable or f" merged {number}"
        names.append(name)
        named.append(replace(item, variable=name))
    whole = named[0] if len(named) == 1 else tree.Concatenation(path.item.position, tuple(named))
    return replace(path, item=whole), names
