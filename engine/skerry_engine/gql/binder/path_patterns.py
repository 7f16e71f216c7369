"""Path patterns that are searched for: quantifiers, alternatives, selectors (§16.6, §16.7, §16.11).

    ANY SHORTEST (a:A) ((x)-[e:E]->(y) WHERE e.w > 1){2,} (m:Hub)-[f]->* (b)

    Scan a, Scan b                     the path's ends are nodes like any other, here connected with the search's
    PathSearch                         Sequence( Repeat( Segment x e y ), Segment m, Repeat( Segment f ) )

What stands side by side without a quantifier is one *segment*, a join of its own.  Conditions are part of the segment
whose elements they are about; those that are about more (the WHERE of brackets around several parts) are asked of what
the brackets have matched.

What a variable gives depends on where it stands: outside of quantifiers an element, under `?` or in some branches of
`|` an element or NULL, inside of quantifiers the list of all that it was bound to, over which aggregates are computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import labels as lb
from skerry_engine.algebra import paths as pt
from skerry_engine.algebra import queries as q
from skerry_engine.algebra.paths import shortest
from skerry_engine.algebra.traversal import conjuncts
from skerry_engine.gql import tree
from skerry_engine.gql.binder import native_reads as native
from skerry_engine.gql.binder.context import EDGE, INT8, NODE, PATH
from skerry_engine.gql.binder.directions import walk_of, way_conditions
from skerry_engine.gql.binder.expressions import ExpressionBinder, Place, label_formula, mentioned
from skerry_engine.gql.binder.operations import conjunction
from skerry_engine.gql.binder.sources import Placed, Reference, same_element
from skerry_engine.gql.binder.variables import ElementVariable, Rows, ValueVariable
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType

if TYPE_CHECKING:
    from skerry_engine.gql.binder.patterns import PatternBinder, Spot

PATTERN = Place("patterns")
RESTRICTIVE = ("trail", "acyclic", "simple")

SINGLE, CONDITIONAL, GROUP = "element", "conditional", "list"


def is_fixed(item: tree.PathItem, prefix: tree.PathPrefix | None) -> bool:
    """Whether the pattern's matches are the rows of a join: nodes and edges one after the other, all of them wanted."""
    if prefix is not None and prefix.selector not in (None, "all"):
        return False
    return _is_chain(item)


def _is_chain(item: tree.PathItem) -> bool:
    """Whether an item is nodes and edges one after the other, in brackets that restrict nothing but by conditions."""
    if isinstance(item, tree.Subpath):
        return item.mode is None and item.variable is None and _is_chain(item.item)
    if isinstance(item, tree.Concatenation):
        return all(map(_is_chain, item.items))
    return isinstance(item, (tree.NodePattern, tree.EdgePattern))


def _parts(item: tree.PathItem) -> tuple[tree.PathItem, ...]:
    return item.items if isinstance(item, tree.Concatenation) else (item,)


@dataclass
class Bound:
    """What a part binds a variable to: `kind` SINGLE, CONDITIONAL or GROUP; at how many places.

    `is_once`: a match of the part has exactly one such place.  `repeat`: of a list, the number of the quantifier for
    each iteration of which it has one item, -1 if that is not so.
    `is_path`: the stretch that brackets match, between two nodes that have marks.  `is_unbounded`: a list that may be
    of any length.
    """

    is_edge: bool
    kind: str = SINGLE
    places: int = 1
    labels: lb.LabelFormula | None = None
    is_path: bool = False
    is_unbounded: bool = False
    is_once: bool = True
    repeat: int = -1


Bounds = dict[str, Bound]


@dataclass
class Piece:
    """A part of the pattern in the algebra, with the variables that it binds."""

    part: pt.PathPart
    variables: Bounds = field(default_factory=dict)
    has_edges: bool = True
    is_unbounded: bool = False


class SearchBinder:
    """Binds one path pattern that is searched for."""

    def __init__(self, patterns: PatternBinder, different_edges: bool, is_alone: bool) -> None:
        self.patterns = patterns
        self.statements = patterns.statements
        self.context = patterns.context
        self.state = patterns.state
        self.source = patterns.state.source
        self.different_edges = different_edges
        self.is_alone = is_alone
        self.numbers: dict[str, int] = {}
        self.mode = "walk"

    def search(self, path: tree.PathPattern, prefix: tree.PathPrefix | None) -> None:
        """Put the search among the pattern's items, with its ends connected and its variables declared."""
        if prefix is not None and prefix.mode is not None:
            self.mode = prefix.mode
        parts = list(_parts(path.item))
        ends = _named_ends(parts)
        if prefix is not None and prefix.selector not in (None, "all"):
            _check_own(parts)
        start = self._end(parts, 0)
        end = self._end(parts, -1)
        if start is None and end is None:
            start = self.patterns.node(tree.NodePattern(path.position))
        piece = self._sequence(parts, path.position) if parts else None
        if piece is None:
            assert start is not None
            piece = self._one_node(path.position)
        piece = self._with_ends(piece, ends, path.position)
        self._check_repeated_edges(piece, path.position)
        self._check_ends(piece, prefix, path.position)
        self._put(path, prefix, piece, start, end)

    # --- ends ----------------------------------------

    def _end(self, parts: list[tree.PathItem], place: int) -> Spot | None:
        """The node at an end of the path, taken off its parts and placed where it is more than any node."""
        if not parts or not isinstance(parts[place], tree.NodePattern):
            return None
        pattern = parts.pop(place)
        assert isinstance(pattern, tree.NodePattern)
        if (
            pattern.variable is None
            and pattern.label is None
            and pattern.where is None
            and not pattern.properties
        ):
            return None
        return self.patterns.node(pattern)

    def _with_ends(self, piece: Piece, ends: tuple[str | None, str | None], position: int) -> Piece:
        """The pattern with its ends, where their variables stand inside of it, too: that decides what is a match."""
        parts = [piece.part]
        for name, place in zip(ends, (0, 2), strict=True):
            if name is None or name not in piece.variables:
                continue
            placed = self.source.node(None)
            element = pt.PathElement(False, placed.reference, (self.number(name),))
            parts.insert(place, pt.PathSegment(placed.relation, (element,)))
            _join(piece.variables, {name: Bound(False)}, position)
        if len(parts) > 1:
            piece.part = pt.PathSequence(tuple(parts))
        return piece

    def _one_node(self, position: int) -> Piece:
        placed = self.source.node(None)
        element = pt.PathElement(False, placed.reference)
        return Piece(pt.PathSegment(placed.relation, (element,)), {}, False)

    def _check_ends(self, piece: Piece, prefix: tree.PathPrefix | None, position: int) -> None:
        """Raise SyntaxError for a pattern that infinitely many walks match."""
        if not piece.is_unbounded or self.different_edges:
            return
        if prefix is not None and (prefix.mode in RESTRICTIVE or prefix.selector not in (None, "all")):
            return
        raise errors.SyntaxError(
            "an unbounded quantifier would match infinitely many walks here",
            hint="Ask for DIFFERENT EDGES, a path mode (TRAIL, ACYCLIC, SIMPLE), or a selector (ANY SHORTEST).",
            position=position,
        )

    def _check_repeated_edges(self, piece: Piece, position: int) -> None:
        """Raise NotSupportedError for an edge variable at two places where no edge can be found twice."""
        if not self.different_edges or self.mode in RESTRICTIVE:
            return
        for name, bound in piece.variables.items():
            if bound.is_edge and bound.places > 1:
                raise errors.NotSupportedError(
                    f'edge variable "{name}" stands twice inside of a searched path',
                    hint="Ask for REPEATABLE ELEMENTS.",
                    position=position,
                )

    # --- parts ----------------------------------------

    def _sequence(self, parts: Sequence[tree.PathItem], position: int) -> Piece:
        """Parts one after the other; runs of nodes and edges are segments."""
        pieces: list[Piece] = []
        run: list[tree.NodePattern | tree.EdgePattern] = []
        for part in parts:
            if isinstance(part, (tree.NodePattern, tree.EdgePattern)):
                run.append(part)
                continue
            self._flush(run, pieces)
            pieces.append(self._part(part))
        self._flush(run, pieces)
        if not pieces:
            return self._one_node(position)
        if len(pieces) == 1:
            return pieces[0]
        variables: Bounds = {}
        for piece in pieces:
            _join(variables, piece.variables, position)
        whole = pt.PathSequence(tuple(piece.part for piece in pieces))
        return Piece(
            whole,
            variables,
            any(piece.has_edges for piece in pieces),
            any(piece.is_unbounded for piece in pieces),
        )

    def _flush(self, run: list[tree.NodePattern | tree.EdgePattern], pieces: list[Piece]) -> None:
        if run and not (
            len(run) == 1 and isinstance(run[0], tree.NodePattern) and _is_any(run[0]) and pieces
        ):
            pieces.append(SegmentBinder(self, list(run)).piece())
        run.clear()

    def _part(self, part: tree.PathItem) -> Piece:
        match part:
            case tree.Quantified():
                return self._repeated(part.item, part.lower, part.upper, GROUP, part.position)
            case tree.Questioned():
                return self._repeated(part.item, 0, 1, CONDITIONAL, part.position)
            case tree.Subpath():
                return self._bracketed(part)
            case tree.PathUnion():
                return self._choice(part)
        return self._sequence(_parts(part), part.position)

    def _repeated(self, item: tree.PathItem, least: int, most: int | None, kind: str, position: int) -> Piece:
        inner = self._part(item) if isinstance(item, tree.Subpath) else self._sequence(_parts(item), position)
        if most != 1 and shortest(inner.part) == 0:
            raise errors.SyntaxError(
                "a path pattern that is repeated needs an edge in every match", position=position
            )
        if most is not None and most < least:
            raise errors.SyntaxError("the bounds of a quantifier are in the wrong order", position=position)
        self._check_repeated_edges(inner, position)
        part = self._with_joined(inner)
        number = self.context.new_range()
        variables = {
            name: replace(
                bound,
                kind=GROUP if kind == GROUP or bound.kind == GROUP else CONDITIONAL,
                places=1,
                is_unbounded=bound.is_unbounded or most is None,
                repeat=number
                if bound.kind == SINGLE and bound.is_once and bound.places == 1
                else bound.repeat,
            )
            for name, bound in inner.variables.items()
        }
        is_unbounded = most is None or inner.is_unbounded
        return Piece(pt.PathRepeat(part, least, most), variables, inner.has_edges, is_unbounded)

    def _with_joined(self, piece: Piece) -> pt.PathPart:
        """A part that is repeated, in which a variable means one element each time."""
        joined = self._joined(piece.variables)
        return pt.PathGroup(piece.part, "walk", joined) if joined else piece.part

    def _joined(self, variables: Bounds) -> tuple[int, ...]:
        return tuple(self.number(name) for name, bound in variables.items() if bound.places > 1)

    def _bracketed(self, part: tree.Subpath) -> Piece:
        items = _parts(part.item)
        mode = part.mode or "walk"
        run = [item for item in items if isinstance(item, (tree.NodePattern, tree.EdgePattern))]
        if len(run) == len(items) and (part.variable is None or part.where is None):
            piece = SegmentBinder(self, run, part.where).piece()
            where = None
        else:
            piece = self._part(part.item) if len(items) == 1 else self._sequence(items, part.position)
            where = part.where
        if part.variable is not None and self._is_wanted(part.variable):
            piece = self._marked(piece, part.variable, part.position)
        if mode in RESTRICTIVE:
            piece.is_unbounded = False
            piece.variables = {n: replace(b, is_unbounded=False) for n, b in piece.variables.items()}
        if where is not None:
            return self._with_condition(piece, mode, where)
        if mode != "walk":
            piece.part = pt.PathGroup(piece.part, mode, self._joined(piece.variables))
        return piece

    def _marked(self, piece: Piece, name: str, position: int) -> Piece:
        """The part with marks at its first and its last node, between which it is what the variable means."""
        if name in piece.variables:
            raise errors.DuplicateColumn(f'variable "{name}" is already defined', position=position)
        marks: list[pt.PathPart] = []
        for number in self._marks(name):
            placed = self.source.node(None)
            marks.append(
                pt.PathSegment(placed.relation, (pt.PathElement(False, placed.reference, (number,)),))
            )
        whole = pt.PathSequence((marks[0], piece.part, marks[1]))
        variables = {**piece.variables, name: Bound(False, is_path=True)}
        return Piece(whole, variables, piece.has_edges, piece.is_unbounded)

    def _marks(self, name: str) -> tuple[int, int]:
        """The numbers of the marks of a path variable."""
        return self.number(name), self.number(f" end of {name}")

    def _with_condition(self, piece: Piece, mode: str, where: tree.Expr) -> Piece:
        """A part whose matches have to fulfil a condition over what it binds."""
        range_id = self.context.new_range()
        asked = [name for name in piece.variables if name in set(mentioned(where))]
        self._check_bounded(asked, piece.variables, where)
        outputs, rows = self._outputs(asked, piece.variables, range_id, self._outer_rows(piece.variables))
        condition = ExpressionBinder(self.statements, rows, PATTERN).condition(where, "WHERE")
        group = pt.PathGroup(
            piece.part, mode, self._joined(piece.variables), condition, range_id, tuple(outputs)
        )
        return Piece(group, piece.variables, piece.has_edges, piece.is_unbounded)

    def _check_bounded(self, asked: list[str], variables: Bounds, where: tree.Expr) -> None:
        """Raise SyntaxError for a condition about a list without a limit: it would have to be asked of infinitely many
        walks, whatever a selector makes of them later."""
        if self.different_edges or self.mode in RESTRICTIVE:
            return
        for name in asked:
            if variables[name].kind == GROUP and variables[name].is_unbounded:
                raise errors.SyntaxError(
                    f'the condition is about "{name}", which an unbounded quantifier repeats without end here',
                    hint="Give the quantifier a limit, ask for DIFFERENT EDGES, or for a mode (TRAIL, ...).",
                    position=where.position,
                )

    def _choice(self, part: tree.PathUnion) -> Piece:
        pieces = [self._sequence(_parts(item), part.position) for item in part.items]
        variables: Bounds = {}
        for name in dict.fromkeys(name for piece in pieces for name in piece.variables):
            found = [piece.variables[name] for piece in pieces if name in piece.variables]
            kinds = {bound.kind for bound in found}
            kind = GROUP if GROUP in kinds else SINGLE
            if kind == SINGLE and (len(found) < len(pieces) or CONDITIONAL in kinds):
                kind = CONDITIONAL
            variables[name] = Bound(
                found[0].is_edge,
                kind,
                max(bound.places for bound in found),
                is_path=found[0].is_path,
                is_unbounded=any(bound.is_unbounded for bound in found),
                is_once=all(bound.is_once for bound in found),
                repeat=found[0].repeat if len(found) == 1 else -1,
            )
        choice = pt.PathChoice(
            tuple(piece.part for piece in pieces), "multiset" if part.is_multiset else "union"
        )
        has_edges = all(piece.has_edges for piece in pieces)
        return Piece(choice, variables, has_edges, any(piece.is_unbounded for piece in pieces))

    # --- variables ----------------------------------------

    def number(self, name: str) -> int:
        """The number of a variable in the search."""
        return self.numbers.setdefault(name, len(self.numbers))

    def _outer_rows(self, variables: Bounds) -> Rows:
        """What a condition inside of the search can name besides the search's own variables."""
        rows = self.state.rows
        kept = {name: v for name, v in rows.variables.items() if name not in variables}
        return Rows(rows.relation, kept, rows.outer)

    def outer_rows(self) -> Rows:
        return self.state.rows

    def _outputs(
        self, names: Iterable[str], variables: Bounds, range_id: int, rows: Rows, first: int = 0
    ) -> tuple[list[pt.PathOutput], Rows]:
        """Columns for variables, and the rows in which they are defined."""
        outputs: list[pt.PathOutput] = []
        for name in names:
            bound = variables[name]
            if bound.is_path:
                first_mark, last_mark = self._marks(name)
                is_list = bound.kind == GROUP
                found = SqlType(oids.PATH_ARRAY if is_list else oids.PATH)
                kind = "subpaths" if is_list else "subpath"
                output = pt.PathOutput(kind, found, first_mark, last=last_mark)
            elif bound.kind == GROUP:
                list_type = SqlType(oids.EDGE_ARRAY if bound.is_edge else oids.NODE_ARRAY)
                output = pt.PathOutput("list", list_type, self.number(name))
            else:
                output = pt.PathOutput("element", EDGE if bound.is_edge else NODE, self.number(name))
            column = ex.Column(output.type, range_id, first + len(outputs), name)
            outputs.append(output)
            is_group = bound.kind == GROUP
            made = ValueVariable(name, column, self.source, bound.labels, is_group, bound.repeat)
            rows = rows.with_variable(made)
        return outputs, rows

    # --- the whole ----------------------------------------

    def _put(
        self,
        path: tree.PathPattern,
        prefix: tree.PathPrefix | None,
        piece: Piece,
        start: Spot | None,
        end: Spot | None,
    ) -> None:
        range_id = self.context.new_range()
        width = self.source.reference_width(False)
        outputs = [pt.PathOutput(kind, INT8, part=part) for kind in ("start", "end") for part in range(width)]
        columns = [ex.Column(INT8, range_id, n, output.kind, False) for n, output in enumerate(outputs)]
        for spot, ends in ((start, columns[:width]), (end, columns[width:])):
            if spot is not None:
                self.state.conditions.append(same_element(spot.reference, tuple(ends)))
        if self.different_edges and not self.is_alone:
            self.state.edge_lists.append(
                ex.Column(SqlType(oids.INT8_ARRAY), range_id, len(outputs), "edges", False)
            )
            outputs.append(pt.PathOutput("edges", SqlType(oids.INT8_ARRAY)))
        if path.variable is not None:
            column = ex.Column(PATH, range_id, len(outputs), path.variable, False)
            self.patterns.declare(ValueVariable(path.variable, column, self.source), path.position)
            if self._is_wanted(path.variable):
                outputs.append(pt.PathOutput("path", PATH))
        self._declare(path, piece, range_id, outputs)
        nodes, edges = self._look_ups(outputs)
        mode = prefix.mode if prefix is not None and prefix.mode is not None else "walk"
        if mode == "walk" and self.different_edges:
            mode = "trail"
        self.state.items.append(
            q.PathSearch(
                range_id,
                piece.part,
                tuple(outputs),
                mode,
                self._selector(prefix),
                self._joined(piece.variables),
                nodes,
                edges,
            )
        )

    def _is_wanted(self, name: str) -> bool:
        return self.statements.is_mentioned(name)

    def _declare(
        self, path: tree.PathPattern, piece: Piece, range_id: int, outputs: list[pt.PathOutput]
    ) -> None:
        """The variables of the search; those that are known already mean what they did."""
        new: list[str] = []
        for name, bound in piece.variables.items():
            known = self.state.rows.variables.get(name)
            if known is None:
                new.append(name)
                continue
            if bound.kind == GROUP or bound.is_path:
                raise errors.DuplicateColumn(f'variable "{name}" is already defined', position=path.position)
            columns: list[ex.Expr] = []
            for part in range(self.source.reference_width(bound.is_edge)):
                columns.append(ex.Column(INT8, range_id, len(outputs), name))
                outputs.append(pt.PathOutput("reference", INT8, self.number(name), part))
            kind = oids.EDGE if bound.is_edge else oids.NODE
            spot = self.patterns.spot(known, kind, path.position)
            self.state.conditions.append(same_element(spot.reference, tuple(columns)))
        wanted = [name for name in new if self._is_wanted(name)]
        made, self.state.rows = self._outputs(
            wanted, piece.variables, range_id, self.state.rows, first=len(outputs)
        )
        outputs += made

    def _look_ups(
        self, outputs: list[pt.PathOutput]
    ) -> tuple[tuple[pt.PathLookup, ...], tuple[pt.PathLookup, ...]]:
        """How references become values, where values are wanted."""
        types = {output.type.oid for output in outputs}
        has_path = bool(types & {oids.PATH, oids.PATH_ARRAY})
        nodes = has_path or types & {oids.NODE, oids.NODE_ARRAY}
        edges = has_path or types & {oids.EDGE, oids.EDGE_ARRAY}
        return (
            self.source.look_up(False) if nodes else (),
            self.source.look_up(True) if edges else (),
        )

    def _selector(self, prefix: tree.PathPrefix | None) -> pt.PathSelector | None:
        if prefix is None or prefix.selector in (None, "all"):
            return None
        count: ex.Expr = ex.Const(INT8, 1)
        if prefix.count is not None:
            binder = ExpressionBinder(self.statements, Rows(), PATTERN)
            count = self.statements.operations.integer(
                binder.bind(prefix.count), "the number of paths", prefix.position
            )
        is_shortest = prefix.selector != "any"
        by_length = prefix.selector in ("all shortest", "shortest groups")
        return pt.PathSelector(count, is_shortest, by_length)


class SegmentBinder:
    """Binds a run of nodes and edges inside of a search: a relation, and the elements of its rows.

    A node of which nothing is asked is no item of the relation: the ends of edges say which it is.
    """

    def __init__(
        self,
        search: SearchBinder,
        run: list[tree.NodePattern | tree.EdgePattern],
        where: tree.Expr | None = None,
    ) -> None:
        self.search = search
        self.source = search.source
        self.run = run
        self.where = where
        self.items: list[q.Relation] = []
        self.conditions: list[ex.Expr] = []
        self.variables: Bounds = {}
        self.placed: dict[str, Placed] = {}
        self.rows = search.outer_rows()
        written = [*(each.where for each in run if each.where is not None), *([where] if where else [])]
        self.asked = {name for expr in written for name in mentioned(expr)}

    def piece(self) -> Piece:
        """The segment."""
        elements: list[tuple[tree.NodePattern | tree.EdgePattern | None, Reference]] = []
        for pattern in self.run:
            if isinstance(pattern, tree.EdgePattern):
                self._add_edge(pattern, elements)
            else:
                self._add_node(pattern, elements)
        if len(elements) % 2 == 0:
            elements.append((None, self._loose_end))
        self._bind_conditions()
        made = tuple(self._element(number, *each) for number, each in enumerate(elements))
        relation = self.items[0]
        for item in self.items[1:]:
            relation = q.Join("inner", relation, item, None, True)
        if self.conditions:
            relation = q.Filter(relation, conjunction(self.conditions))
        has_edges = any(isinstance(pattern, tree.EdgePattern) for pattern in self.run)
        for name, bound in self.variables.items():
            bound.is_once = sum(pattern.variable == name for pattern in self.run) == 1
        return Piece(pt.PathSegment(relation, made), self.variables, has_edges)

    _loose_end: Reference = ()

    def _element(
        self, number: int, pattern: tree.NodePattern | tree.EdgePattern | None, reference: Reference
    ) -> pt.PathElement:
        name = None if pattern is None else pattern.variable
        numbers = () if name is None else (self.search.number(name),)
        return pt.PathElement(number % 2 == 1, reference, numbers)

    # --- elements ----------------------------------------

    def _add_node(
        self,
        pattern: tree.NodePattern,
        elements: list[tuple[tree.NodePattern | tree.EdgePattern | None, Reference]],
    ) -> None:
        reference = self._node(pattern)
        if not elements:
            elements.append((pattern, reference if reference is not None else self._any_node(pattern)))
            return
        if len(elements) % 2 == 0:  # behind an edge
            end = self._loose_end
            if reference is not None:
                self.conditions.append(same_element(reference, end))
            elements.append((pattern, end if reference is None else reference))
            return
        raise errors.NotSupportedError(
            "two node patterns side by side inside of a quantified path pattern are not supported",
            position=pattern.position,
        )

    def _any_node(self, pattern: tree.NodePattern) -> Reference:
        """A node of which nothing is asked, at the beginning: what follows says which it is, if something does."""
        if len(self.run) > 1:
            return ()
        placed = self.source.node(None)
        self.items.append(placed.relation)
        if pattern.variable is not None:
            self._declare(pattern.variable, placed, None)
        return placed.reference

    def _node(self, pattern: tree.NodePattern) -> Reference | None:
        """The node's own reference; None where it need not be an item."""
        name = pattern.variable
        if name is not None and name in self.placed:
            self._ask(pattern, self.placed[name])
            return self.placed[name].reference
        is_asked = pattern.label is not None or pattern.properties or pattern.where is not None
        is_repeated = name is not None and sum(each.variable == name for each in self.run) > 1
        if not is_asked and not is_repeated and name not in self.asked:
            if name is not None:
                self.variables[name] = Bound(False)
            return None
        labels = None if pattern.label is None else label_formula(pattern.label)
        placed = self.source.node(labels, name or "")
        self.items.append(placed.relation)
        self._ask(pattern, placed)
        placed = placed if labels is None else placed.knowing(labels)
        self._declare(name or f" {len(self.placed)}", placed, labels)
        if pattern.properties:
            self._properties(pattern.properties, placed)
        return placed.reference

    def _declare(self, name: str, placed: Placed, labels: lb.LabelFormula | None) -> None:
        self.placed[name] = placed
        self.rows = self.rows.with_variable(ElementVariable(name, placed, self.source))
        if not name.startswith(" "):
            self.variables[name] = Bound(placed.is_edge, labels=labels)

    def _ask(
        self,
        pattern: tree.NodePattern | tree.EdgePattern,
        placed: Placed,
        asked: lb.LabelFormula | None = None,
    ) -> None:
        """Have its labels fit, and (`asked`) what else is asked of its shape."""
        if pattern.label is not None:
            labels = label_formula(pattern.label)
            self.source.check_labels(labels, placed.is_edge, pattern.label.position)
            asked = labels if asked is None else lb.AllOf((labels, asked))
        if asked is not None:
            self.conditions.append(placed.has_labels(asked))

    def _properties(self, properties: tuple[tree.Field, ...], placed: Placed) -> None:
        binder = ExpressionBinder(self.search.statements, self.search.outer_rows(), PATTERN)
        for each in properties:
            found = placed.property(each.name, each.position)
            value = binder.bind(each.value)
            self.conditions.append(
                self.search.statements.operations.operator("=", found, value, each.position)
            )

    def _add_edge(
        self,
        pattern: tree.EdgePattern,
        elements: list[tuple[tree.NodePattern | tree.EdgePattern | None, Reference]],
    ) -> None:
        walk = walk_of(pattern.direction, self.source)
        name = pattern.variable
        before = None if name is None else self.placed.get(name)
        labels = None if pattern.label is None else label_formula(pattern.label)
        edge = self.source.edge(labels, walk.way, name or "")
        assert edge is not None, "all native edges have both ways"
        self.items.append(edge.relation)
        self._ask(pattern, edge, walk.asked)
        ends = (native.source(edge.value()), native.target(edge.value()))
        source, target = (self.source.value_reference(end, False) for end in ends)
        self.conditions += way_conditions(walk, edge.start, (source, target), edge.has_labels)
        if before is not None and name is not None:
            if not before.is_edge:
                raise errors.DatatypeMismatch(
                    f'variable "{name}" is of type NODE, where the pattern wants EDGE',
                    position=pattern.position,
                )
            self.conditions.append(same_element(edge.reference, before.reference))
            self.variables[name].places += 1
        else:
            self._declare(
                name or f" {len(self.placed)}", edge if labels is None else edge.knowing(labels), labels
            )
        if pattern.properties:
            self._properties(pattern.properties, edge)
        self._connect(elements, edge.start)
        elements.append((pattern, edge.reference))
        self._loose_end = edge.end

    def _connect(
        self, elements: list[tuple[tree.NodePattern | tree.EdgePattern | None, Reference]], start: Reference
    ) -> None:
        """The node before an edge is where the edge begins."""
        if not elements:
            elements.append((None, start))
        elif len(elements) % 2 == 0:
            self.conditions.append(same_element(self._loose_end, start))
            elements.append((None, start))
        else:
            pattern, reference = elements[-1]
            if reference:
                self.conditions.append(same_element(reference, start))
            else:
                elements[-1] = (pattern, start)

    # --- conditions ----------------------------------------

    def _bind_conditions(self) -> None:
        binder = ExpressionBinder(self.search.statements, self.rows, PATTERN)
        for pattern in self.run:
            if pattern.where is not None:
                self.conditions.extend(conjuncts(binder.condition(pattern.where, "WHERE")))
        if self.where is not None:
            self.conditions.extend(conjuncts(binder.condition(self.where, "WHERE")))


def _named_ends(parts: Sequence[tree.PathItem]) -> tuple[str | None, str | None]:
    """The variables of the nodes at the ends of a path."""
    first, last = parts[0], parts[-1]
    start = first.variable if isinstance(first, tree.NodePattern) else None
    end = last.variable if isinstance(last, tree.NodePattern) and len(parts) > 1 else None
    return start, end


def _check_own(parts: Sequence[tree.PathItem]) -> None:
    """Raise NotSupportedError for a condition of an end of a path that a selector chooses about what is between."""
    ends = [part for part in (parts[0], parts[-1]) if isinstance(part, tree.NodePattern)]
    inside = set(declared(tuple(parts[1:-1])))
    for end in ends:
        written = (*([] if end.where is None else [end.where]), *(each.value for each in end.properties))
        for name in mentioned(written):
            if name in inside and name not in {each.variable for each in ends}:
                raise errors.NotSupportedError(
                    f'a condition of the end of a path about "{name}", which is inside of it, is not supported'
                    " with a selector",
                    position=end.position,
                )


def declared(node: object) -> Iterator[str]:
    """The names of variables that patterns bind."""
    if isinstance(node, (tree.NodePattern, tree.EdgePattern)):
        if node.variable is not None:
            yield node.variable
    elif isinstance(node, tuple):
        for item in node:
            yield from declared(item)
    elif isinstance(node, tree.PathItem):
        for each in fields(node):
            yield from declared(getattr(node, each.name))


def _is_any(pattern: tree.NodePattern) -> bool:
    """Whether a node pattern asks and binds nothing."""
    return (
        pattern.variable is None
        and pattern.label is None
        and pattern.where is None
        and not pattern.properties
    )


def _join(variables: Bounds, more: Bounds, position: int) -> None:
    """Variables of a further part of a sequence: one that is there already means the same element."""
    for name, bound in more.items():
        known = variables.get(name)
        if known is None:
            variables[name] = replace(bound)
        elif known.is_path or bound.is_path:
            raise errors.DuplicateColumn(f'variable "{name}" is already defined', position=position)
        elif known.kind == GROUP or bound.kind == GROUP:
            raise errors.DuplicateColumn(
                f'variable "{name}" stands inside and outside of a quantifier', position=position
            )
        else:
            known.places += bound.places
