"""MATCH: graph patterns to relations (§16.4 to §16.7).

    (a:A)-[e]->(b WHERE b.x > 1)     Scan a, Scan e, Scan b     a:A, RowId(a) = e.source, RowId(b) = e.target, b.x > 1

A path pattern without quantifiers, selectors and alternatives is *fixed*: its elements are relations side by side, and
everything that it says is a condition; the planner finds the order.  Others are searched for (path_patterns.py): a
search is one more relation, whose columns are its ends and what it binds, and its ends are connected like an edge's.

A variable that stands at several places means one element: what comes later is a further condition on it.  Conditions
are bound last, when every variable of the whole pattern is known.

In the match mode DIFFERENT EDGES, which holds unless REPEATABLE ELEMENTS is asked for, no two edges of a match are the
same: what makes unbounded patterns end.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import labels as lb
from skerry_engine.algebra import queries as q
from skerry_engine.algebra.traversal import conjuncts, free_ranges, relation_ranges, used_ranges
from skerry_engine.gql import tree
from skerry_engine.gql.binder import native_reads as native
from skerry_engine.gql.binder.context import BOOL, PATH
from skerry_engine.gql.binder.directions import Walk, walk_of, way_conditions
from skerry_engine.gql.binder.expressions import ExpressionBinder, Place, label_formula
from skerry_engine.gql.binder.operations import conjunction
from skerry_engine.gql.binder.sources import (
    ElementSource,
    PlacedEdge,
    Reference,
    same_element,
    source_of,
)
from skerry_engine.gql.binder.variables import ElementVariable, Rows, ValueVariable, Variable
from skerry_engine.values import oids
from skerry_engine.values.types import graph_type_name

if TYPE_CHECKING:
    from skerry_engine.gql.binder.statements import StatementBinder

PATTERN = Place("patterns")


@dataclass(frozen=True)
class Spot:
    """An element of a fixed path: its reference, and its value if that should be wanted.  `start` and `end` are the
    references of the nodes that an edge is walked between."""

    reference: Reference
    value: ex.Expr
    name: str = ""
    start: Reference = ()
    end: Reference = ()


@dataclass
class MatchState:
    """What a graph pattern has come to: relations, conditions, and conditions that are still to be bound."""

    rows: Rows
    source: ElementSource
    items: list[q.Relation] = field(default_factory=list)
    conditions: list[ex.Expr] = field(default_factory=list)
    written: list[tuple[tree.Expr, str]] = field(default_factory=list)
    maps: list[tuple[str, tuple[tree.Field, ...]]] = field(default_factory=list)
    edges: list[Spot] = field(default_factory=list)
    edge_lists: list[ex.Expr] = field(default_factory=list)


class PatternBinder:
    """Binds the graph pattern of one MATCH over the rows before it."""

    def __init__(self, statements: StatementBinder, rows: Rows, position: int) -> None:
        self.statements = statements
        self.context = statements.context
        self.operations = statements.operations
        graph = self.context.working_graph(position)
        self.state = MatchState(rows, source_of(graph, self.context))
        self.before = rows

    # --- entry ----------------------------------------

    def match(self, pattern: tree.GraphPattern) -> Rows:
        """The rows with those of the pattern joined to them."""
        return self._visible(self.found(pattern), pattern)

    def found(self, pattern: tree.GraphPattern) -> Rows:
        """The same with the variables of the binder's own."""
        state = self.state
        self._bind(pattern)
        made = state.rows.joined(state.items)
        return made.filtered(conjunction(state.conditions)) if state.conditions else made

    def optional(self, pattern: tree.GraphPattern) -> Rows:
        """The rows with those of the pattern beside them, or NULLs where there are none."""
        self._bind(pattern)
        state = self.state
        return self._visible(left_joined(self.before, state.rows, state.items, state.conditions), pattern)

    def _visible(self, rows: Rows, pattern: tree.GraphPattern) -> Rows:
        """Without variables of the binder's own, and of the pattern only those that YIELD names."""
        kept = {name: v for name, v in rows.variables.items() if not name.startswith(" ")}
        if pattern.yields is not None:
            for name in pattern.yields:
                rows.find(name, pattern.position)
            kept = {
                name: v for name, v in kept.items() if name in self.before.variables or name in pattern.yields
            }
        return Rows(rows.relation, kept, rows.outer)

    def _bind(self, pattern: tree.GraphPattern) -> None:
        from skerry_engine.gql.binder.path_patterns import SearchBinder, is_fixed

        different = pattern.match_mode != "repeatable elements"
        for path in pattern.paths:
            prefix = _prefix_of(path, pattern)
            if is_fixed(path.item, prefix):
                self._fixed_path(path, prefix)
            else:
                SearchBinder(self, different, sum(map(_has_edges, pattern.paths)) == 1).search(path, prefix)
        if different:
            self._different_edges()
        self._bind_conditions(pattern)

    # --- fixed paths ----------------------------------------

    def _fixed_path(self, path: tree.PathPattern, prefix: tree.PathPrefix | None) -> None:
        spots = self.chain(path.item)
        mode = None if prefix is None else prefix.mode
        if mode in ("acyclic", "simple"):
            self._different_nodes(spots[::2], mode == "simple")
        elif mode == "trail":
            self._different_pairs(spots[1::2])
        if path.variable is not None:
            value = ex.PathValue(PATH, tuple(spot.value for spot in spots))
            self.declare(ValueVariable(path.variable, value, self.state.source), path.position)

    def chain(self, item: tree.PathItem) -> list[Spot]:
        """The elements of a fixed path pattern, node, edge, node, ..., connected."""
        spots: list[Spot] = []
        for part in self._opened(item):
            if isinstance(part, tree.EdgePattern):
                if len(spots) % 2 == 0:
                    spots.append(self.node(tree.NodePattern(part.position)))
                spots.append(self._edge(part))
            elif isinstance(part, tree.NodePattern):
                node = self.node(part)
                if len(spots) % 2:
                    self._same_node(spots[-1], node)
                else:
                    spots.append(node)
            else:
                raise AssertionError("a fixed pattern has nodes and edges only")
        if len(spots) % 2 == 0:
            spots.append(self.node(tree.NodePattern(item.position)))
        if len(spots) == 1 and spots[0].name in self.before.variables:
            # no edge asks for it, but NULL is no node
            self.state.conditions.append(ex.IsNull(BOOL, spots[0].reference[-1], True))
        for place in range(1, len(spots), 2):
            edge = spots[place]
            self.state.conditions.append(same_element(spots[place - 1].reference, edge.start))
            self.state.conditions.append(same_element(spots[place + 1].reference, edge.end))
        return spots

    def _opened(self, item: tree.PathItem) -> list[tree.PathItem]:
        """The nodes and edges of a fixed path pattern, in order, out of all brackets; conditions of these are noted."""
        if isinstance(item, tree.Concatenation):
            return [part for each in item.items for part in self._opened(each)]
        if isinstance(item, tree.Subpath):
            if item.where is not None:
                self.state.written.append((item.where, "WHERE"))
            return self._opened(item.item)
        return [item]

    def _same_node(self, spot: Spot, node: Spot) -> None:
        """Two node patterns side by side mean one node."""
        self.state.conditions.append(same_element(spot.reference, node.reference))

    def declare(self, variable: Variable, position: int) -> None:
        """A variable that the pattern binds besides its elements.  Raises DuplicateColumn."""
        if variable.name in self.state.rows.variables:
            raise errors.DuplicateColumn(f'variable "{variable.name}" is already defined', position=position)
        self.state.rows = self.state.rows.with_variable(variable)

    def _name_of(self, pattern: tree.NodePattern | tree.EdgePattern) -> str:
        """The pattern's variable, or a name that no text can have, and no other pattern of the statement has: those
        around this one may still know theirs."""
        if pattern.variable is not None:
            return pattern.variable
        self.context.anonymous += 1
        return f" {self.context.anonymous}"

    # --- elements ----------------------------------------

    def node(self, pattern: tree.NodePattern) -> Spot:
        """The element of a node pattern, placed if it is new."""
        name = self._name_of(pattern)
        known = self.state.rows.variables.get(name)
        if known is None:
            labels = self._labels(pattern, False)
            placed = self.state.source.node(labels, pattern.variable or "")
            self.state.items.append(placed.relation)
            if labels is not None:
                self.state.conditions.append(placed.has_labels(labels))
                placed = placed.knowing(labels)
            known = ElementVariable(name, placed, self.state.source)
            self.state.rows = self.state.rows.with_variable(known)
        else:
            self._known_labels(pattern, known, False)
        self._note(pattern, name)
        return self.spot(known, oids.NODE, pattern.position)

    def spot(self, variable: Variable, kind: int, position: int) -> Spot:
        """The element that a variable is.  Raises DatatypeMismatch for one that is none of that kind."""
        value = variable.value()
        if value.type.oid != kind:
            if value.type.oid not in (oids.ANYVALUE, oids.UNKNOWN):
                raise errors.DatatypeMismatch(
                    f'variable "{variable.name}" is of type {graph_type_name(value.type.oid)}, where the pattern'
                    f" wants {graph_type_name(kind)}",
                    position=position,
                )
            value = self.operations.as_type(value, kind, position)
        if isinstance(variable, ElementVariable):
            return Spot(variable.placed.reference, value, variable.name)
        parts = (native.table(value), native.row_id(value))
        return Spot(self.state.source.value_reference(parts, kind == oids.EDGE), value, variable.name)

    def _labels(self, pattern: tree.NodePattern | tree.EdgePattern, is_edge: bool) -> lb.LabelFormula | None:
        if pattern.label is None:
            return None
        labels = label_formula(pattern.label)
        self.state.source.check_labels(labels, is_edge, pattern.label.position)
        return labels

    def _known_labels(
        self, pattern: tree.NodePattern | tree.EdgePattern, known: Variable, is_edge: bool
    ) -> None:
        """What a further pattern asks of a variable's labels."""
        labels = self._labels(pattern, is_edge)
        if labels is None:
            return
        self.state.conditions.append(labels_of(known, known.value(), labels))

    def _note(self, pattern: tree.NodePattern | tree.EdgePattern, name: str) -> None:
        if pattern.properties:
            self.state.maps.append((name, pattern.properties))
        if pattern.where is not None:
            self.state.written.append((pattern.where, "WHERE"))

    def _edge(self, pattern: tree.EdgePattern) -> Spot:
        name = self._name_of(pattern)
        walk = walk_of(pattern.direction, self.state.source)
        known = self.state.rows.variables.get(name)
        if known is None:
            spot = self._new_edge(pattern, name, walk)
        else:
            self._known_labels(pattern, known, True)
            spot = self._known_edge(known, walk, pattern.position)
        self._note(pattern, name)
        self.state.edges.append(spot)
        return spot

    def _new_edge(self, pattern: tree.EdgePattern, name: str, walk: Walk) -> Spot:
        labels = self._labels(pattern, True)
        placed = self.state.source.edge(labels, walk.way, pattern.variable or "")
        if placed is None:
            raise errors.NotSupportedError(
                "edges of this graph have no such direction", position=pattern.position
            )
        self.state.items.append(placed.relation)
        start, end = placed.start, placed.end
        made: PlacedEdge = placed
        asked = walk.with_labels(labels)
        if asked is not None:
            self.state.conditions.append(placed.has_labels(asked))
        if labels is not None:
            made = placed.knowing(labels)  # type: ignore[assignment]
        variable = ElementVariable(name, made, self.state.source)
        self.state.rows = self.state.rows.with_variable(variable)
        value = variable.value()
        self.state.conditions += way_conditions(walk, start, self._ends_of(value), placed.has_labels)
        return Spot(placed.reference, value, name, start, end)

    def _ends_of(self, value: ex.Expr) -> tuple[Reference, Reference]:
        """Source and target of an edge."""
        source = self.state.source
        return (
            source.value_reference(native.source(value), False),
            source.value_reference(native.target(value), False),
        )

    def _known_edge(self, known: Variable, walk: Walk, position: int) -> Spot:
        """An edge that is bound already: its ends, as it is walked here."""
        spot = self.spot(known, oids.EDGE, position)
        source, target = self._ends_of(spot.value)
        if walk.way == "both":
            start, end = self._two_ways(source, target)
        else:
            start, end = (source, target) if walk.way == "right" else (target, source)

        def has_labels(labels: lb.LabelFormula) -> ex.Expr:
            return labels_of(known, spot.value, labels)

        if walk.asked is not None:
            self.state.conditions.append(has_labels(walk.asked))
        self.state.conditions += way_conditions(walk, start, (source, target), has_labels)
        return Spot(spot.reference, spot.value, spot.name, start, end)

    def _two_ways(self, source: Reference, target: Reference) -> tuple[Reference, Reference]:
        """Both ways to walk a bound edge: a list of one or two rows beside it."""
        range_id = self.context.new_range()
        forwards, backwards = (*source, *target), (*target, *source)
        types = tuple(part.type for part in forwards)
        self.state.items.append(q.Values(range_id, types, (forwards, backwards)))
        columns = tuple(ex.Column(t, range_id, n, "end") for n, t in enumerate(types))
        # a loop has one way
        first = [self.operations.operator("=", a, b, None) for a, b in zip(columns, forwards, strict=True)]
        second = self._different(source, target)
        self.state.conditions.append(ex.Or(BOOL, (conjunction(first), second)))
        return columns[: len(source)], columns[len(source) :]

    # --- what differs ----------------------------------------

    def _different_edges(self) -> None:
        """The match mode: no edge twice, but where one variable stands twice."""
        self._different_pairs(self.state.edges)
        for listed in self.state.edge_lists:
            for edge in self.state.edges:
                self.state.conditions.append(_not_in(self.operations, edge.reference, listed))
        for one, other in itertools.combinations(self.state.edge_lists, 2):
            self.state.conditions.append(_disjoint(one, other))

    def _different_pairs(self, edges: Sequence[Spot]) -> None:
        for one, other in itertools.combinations(edges, 2):
            if one.name == other.name:
                continue
            self.state.conditions.append(self._different(one.reference, other.reference))

    def _different(self, one: Reference, other: Reference) -> ex.Expr:
        parts = [self.operations.operator("<>", a, b, None) for a, b in zip(one, other, strict=True)]
        return parts[0] if len(parts) == 1 else ex.Or(BOOL, tuple(parts))

    def _different_nodes(self, nodes: Sequence[Spot], is_simple: bool) -> None:
        """ACYCLIC: no node twice; SIMPLE: but the first may be the last."""
        for (i, one), (j, other) in itertools.combinations(enumerate(nodes), 2):
            if is_simple and i == 0 and j == len(nodes) - 1:
                continue
            self.state.conditions.append(self._different(one.reference, other.reference))

    # --- conditions ----------------------------------------

    def _bind_conditions(self, pattern: tree.GraphPattern) -> None:
        binder = ExpressionBinder(self.statements, self.state.rows, PATTERN)
        for name, fields in self.state.maps:
            for each in fields:
                self.state.conditions.append(self.property_equals(binder, name, each))
        for written, construct in self.state.written:
            self.state.conditions.extend(conjuncts(binder.condition(written, construct)))
        if pattern.where is not None:
            self.state.conditions.extend(conjuncts(binder.condition(pattern.where, "WHERE")))

    def property_equals(self, binder: ExpressionBinder, name: str, each: tree.Field) -> ex.Expr:
        """{name: value} of a pattern as a condition."""
        variable = tree.Variable(each.position, name)
        found = binder.bind(tree.Property(each.position, variable, each.name))
        return self.operations.operator("=", found, binder.bind(each.value), each.position)


def labels_of(variable: Variable, value: ex.Expr, labels: lb.LabelFormula) -> ex.Expr:
    """Whether the labels of what a variable stands for, which is `value`, fit."""
    if isinstance(variable, ElementVariable):
        return variable.placed.has_labels(labels)
    return ex.ValueHasLabels(BOOL, value, labels)


def left_joined(before: Rows, after: Rows, items: list[q.Relation], conditions: list[ex.Expr]) -> Rows:
    """Rows with those of `items` that fit beside them, or NULLs.

    Conditions about the new items alone stay with them, so that the planner has them where it looks for them.
    """
    if not items:
        # Nothing new is bound, so nothing becomes NULL.
        return Rows(before.relation, after.variables, after.outer)
    right = items[0]
    for item in items[1:]:
        right = q.Join("inner", right, item, None, True)
    ranges = set(relation_ranges(right))
    inside = [c for c in conditions if used_ranges(c) and used_ranges(c) - _bound_inside(c) <= ranges]
    rest = [c for c in conditions if not any(c is each for each in inside)]
    if inside:
        right = q.Filter(right, conjunction(inside))
    is_lateral = bool(free_ranges(right))
    joined = q.Join("left", before.relation, right, conjunction(rest) if rest else None, is_lateral)
    return Rows(joined, after.variables, after.outer)


def _bound_inside(condition: ex.Expr) -> set[int]:
    from skerry_engine.algebra.traversal import bound_ranges

    return bound_ranges(condition)


def _has_edges(path: tree.PathPattern) -> bool:
    """Whether the path is more than one node: only then can it share edges with others."""
    return not isinstance(path.item, tree.NodePattern)


def _prefix_of(path: tree.PathPattern, pattern: tree.GraphPattern) -> tree.PathPrefix | None:
    """What is sought and kept: the path's own prefix, or KEEP's.  Raises SyntaxError where both stand."""
    if pattern.keep is None:
        return path.prefix
    if path.prefix is not None and path.prefix.selector is not None:
        raise errors.SyntaxError("KEEP and a path's own selector exclude each other", position=path.position)
    mode = path.prefix.mode if path.prefix is not None else None
    keep = pattern.keep
    return tree.PathPrefix(keep.position, mode or keep.mode, keep.selector, keep.count)


def _not_in(operations: object, reference: Reference, listed: ex.Expr) -> ex.Expr:
    if len(reference) != 1:
        raise errors.NotSupportedError(
            "edges of several tables cannot be told apart from those of a searched path"
        )
    return ex.Not(BOOL, native.contains(listed, reference[0]))


def _disjoint(one: ex.Expr, other: ex.Expr) -> ex.Expr:
    return ex.Not(BOOL, native.overlap(one, other))
