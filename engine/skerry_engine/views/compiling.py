"""A bound query to operators on differences (operators.py), or why that can't be.

    FROM a, b WHERE a.x = b.y AND a.z > 1        a: Filter(z > 1) ──┐
                                                                    Join(x, y) ── Map
                                                 b: ────────────────┘

Rows between operators are flat tuples; a `_Layout` says where the columns of which range are in them.  Sources give
only the columns that the query reads.  Inner joins are taken apart, and put together again so that each has an equality
to find partners by, if there is one; a condition is asked as soon as all that it reads is there.

What is refused, by name, would need more than the change to know what becomes of the result (outer joins, windows,
LIMIT, ...), or does not depend on the tables alone (now(), random()).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.algebra.traversal import conjuncts, walk_all
from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.graphs import ElementTable
from skerry_engine.catalog.objects import Table, View
from skerry_engine.plan.compile import compile_rows
from skerry_engine.values import oids
from skerry_engine.values.keys import KeyCodec, KeyColumn, has_order
from skerry_engine.values.types import SqlType, type_display
from skerry_engine.views.accumulators import EXTREMES, accumulator
from skerry_engine.views.operators import (
    Compiled,
    DataFlow,
    Distinct,
    Filter,
    Group,
    Join,
    Kept,
    Map,
    Operator,
    Source,
    Step,
    Union,
)

FLAT = 1 << 40
"""The range that expressions over flat rows read; the binder's numbers are small."""

HINT = "WITH (refresh = deferred, method = full) runs the whole query again when a table that it reads has changed."

_EXPRESSIONS = (
    *(ex.Const, ex.Column, ex.Call, ex.Cast, ex.And, ex.Or, ex.Not, ex.IsNull, ex.IsTruth, ex.IsDistinct),
    *(ex.Case, ex.Coalesce, ex.NullIf, ex.Extreme, ex.ArrayOf, ex.Subscript, ex.RowOf, ex.AnyAll),
)
_NAMES: dict[type, str] = {
    ex.SubqueryExpr: "subqueries in expressions",
    ex.SystemColumn: "system columns",
    ex.WindowCall: "window functions",
    q.Values: "VALUES lists",
    q.OneRow: "queries without tables",
    q.FunctionScan: "functions in FROM",
    q.Window: "window functions",
    q.ProjectSet: "set-returning functions",
    q.GraphTable: "GRAPH_TABLE",
}


def compile_view(query: q.Query, database: Database) -> DataFlow:
    """The operators of a view's query as the catalog keeps it.  Raises NotSupportedError."""
    sources: list[Source] = []
    made: list[tuple[Operator, tuple[int, ...]]] = []
    _Compiler(database, query, sources, made).query(query, {})
    count = len(sources)
    steps = [
        Step(operator, tuple([each if each >= 0 else count - each - 1 for each in inputs]))
        for operator, inputs in made
    ]
    return DataFlow(tuple(sources), tuple(steps))


def _refuse(what: str) -> NoReturn:
    raise errors.NotSupportedError(
        f"incremental maintenance of views with {what} is not supported", hint=HINT
    )


@dataclass(frozen=True, slots=True)
class _Stream:
    """What a step gives: `places` says where in its rows the columns of ranges are."""

    step: int
    places: dict[tuple[int, int], int]
    width: int

    def reads(self, expr: ex.Expr) -> bool:
        """Whether all columns that an expression reads are in the rows."""
        return _columns_of(expr) <= self.places.keys()


Ctes = Mapping[int, "_Cte"]


@dataclass(frozen=True, slots=True)
class _Cte:
    """A WITH query, and those that it may read itself."""

    query: q.Query
    outer: Ctes


class _Compiler:
    """Makes the operators of one query that the catalog keeps, and of the views in it, into the same lists.

    Streams of sources are numbered from 0, those of steps from -1 down, until it is known how many sources there are.
    """

    def __init__(
        self,
        database: Database,
        query: q.Query,
        sources: list[Source],
        steps: list[tuple[Operator, tuple[int, ...]]],
    ) -> None:
        self._database = database
        self._sources = sources
        self._steps = steps
        self._used: dict[int, set[int]] = {}
        for node in walk_all(query):
            if isinstance(node, ex.Column):
                self._used.setdefault(node.range_id, set()).add(node.position)

    def _step(self, operator: Operator, *inputs: int) -> int:
        self._steps.append((operator, inputs))
        return -len(self._steps)

    # --- queries ----------------------------------------

    def query(self, query: q.Query, ctes: Ctes) -> _Stream:
        """A query's rows, its outputs in order."""
        match query:
            case q.Select():
                return self._select(query, ctes)
            case q.SetOperation():
                return self._set_operation(query, ctes)
            case q.With():
                inner = dict(ctes)
                for cte in query.ctes:
                    if cte.step is not None:
                        _refuse("recursive queries")
                    inner[cte.cte_id] = _Cte(cte.query, dict(inner))
                return self.query(query.body, inner)
        _refuse("such queries")

    def _select(self, query: q.Select, ctes: Ctes) -> _Stream:
        if query.distinct_on:
            _refuse("DISTINCT ON")
        if query.limit is not None or query.offset is not None:
            _refuse("LIMIT or OFFSET")
        if query.order_by:
            _refuse("ORDER BY")
        if query.locks:
            _refuse("FOR UPDATE and its kin")
        stream = self._relation(query.input, ctes)
        step = self._step(Map(_compiled(stream, query.outputs)), stream.step)
        made = _Stream(step, {}, len(query.outputs))
        return self._distinct(made, query.columns) if query.distinct else made

    def _set_operation(self, query: q.SetOperation, ctes: Ctes) -> _Stream:
        if query.kind != "union":
            _refuse(query.kind.upper())
        if query.order_by or query.limit is not None or query.offset is not None:
            _refuse("ORDER BY, LIMIT or OFFSET")
        sides = [self.query(each, ctes) for each in (query.left, query.right)]
        made = replace(sides[0], step=self._step(Union(), *(each.step for each in sides)))
        return made if query.all else self._distinct(made, query.columns)

    def _distinct(self, stream: _Stream, columns: Sequence[q.OutputColumn]) -> _Stream:
        codec = _codec([column.type for column in columns])
        return replace(stream, step=self._step(Distinct(codec), stream.step))

    # --- relations ----------------------------------------

    def _relation(self, relation: q.Relation, ctes: Ctes) -> _Stream:
        match relation:
            case q.Filter() | q.Join():
                return self._joined(relation, ctes)
            case q.Scan():
                return self._scan(relation)
            case q.Derived():
                return _named(self.query(relation.query, ctes), relation.range_id)
            case q.CteScan():
                cte = ctes[relation.cte_id]
                return _named(self.query(cte.query, cte.outer), relation.range_id)
            case q.Aggregation():
                return self._grouped(relation, ctes)
        _refuse(_NAMES.get(type(relation), "such tables in FROM"))

    def _scan(self, scan: q.Scan) -> _Stream:
        found = self._database.relation(scan.table_oid)
        if isinstance(found, View):
            inner = _Compiler(self._database, found.query, self._sources, self._steps)
            return _named(inner.query(found.query, {}), scan.range_id)
        if scan.is_virtual:
            _refuse("system catalogs")
        if not isinstance(found, Table) or isinstance(found, ElementTable):
            _refuse("elements of graphs")
        columns = tuple(sorted(self._used.get(scan.range_id, ())))
        self._sources.append(Source(scan.table_oid, columns))
        places = {(scan.range_id, position): place for place, position in enumerate(columns)}
        return _Stream(len(self._sources) - 1, places, len(columns))

    # --- joins ----------------------------------------

    def _joined(self, relation: q.Relation, ctes: Ctes) -> _Stream:
        """Relations that are joined, and what is asked of them."""
        parts: list[q.Relation] = []
        conditions: list[ex.Expr] = []
        _take_apart(relation, parts, conditions)
        streams = [self._asked(self._relation(part, ctes), conditions) for part in parts]
        joined = streams.pop(0)
        while streams:
            joined = self._asked(self._with_next(joined, streams, conditions), conditions)
        for condition in conditions:  # it reads what is not there
            _compiled(joined, (condition,))
        return joined

    def _asked(self, stream: _Stream, conditions: list[ex.Expr]) -> _Stream:
        """The stream with those conditions asked that it can answer; they are taken out of the list."""
        mine = [each for each in conditions if stream.reads(each)]
        if not mine:
            return stream
        conditions[:] = [each for each in conditions if each not in mine]
        return replace(
            stream, step=self._step(Filter([_compiled(stream, (each,)) for each in mine]), stream.step)
        )

    def _with_next(self, left: _Stream, others: list[_Stream], conditions: list[ex.Expr]) -> _Stream:
        """The stream joined with one of the others, one that an equality leads to if there is any."""
        found = [(_equalities(left, each, conditions), each) for each in others]
        equalities, right = next((each for each in found if each[0]), found[0])
        others[:] = [each for each in others if each is not right]
        conditions[:] = [each for each in conditions if all(each is not taken for taken, _, _ in equalities)]
        keys = (
            _compiled(left, [one for _, one, _ in equalities]),
            _compiled(right, [other for _, _, other in equalities]),
        )
        codec = _codec([one.type for _, one, _ in equalities])
        places = {**left.places, **{key: left.width + place for key, place in right.places.items()}}
        return _Stream(self._step(Join(keys, codec), left.step, right.step), places, left.width + right.width)

    # --- groups ----------------------------------------

    def _grouped(self, relation: q.Aggregation, ctes: Ctes) -> _Stream:
        if relation.grouping_sets:
            _refuse("GROUPING SETS")
        stream = self._relation(relation.input, ctes)
        kept = [_kept(each) for each in relation.aggregates]
        inputs = _compiled(stream, (*relation.keys, *[_input(each) for each in relation.aggregates]))
        codec = _codec([key.type for key in relation.keys]) if relation.keys else None
        step = self._step(Group(inputs, codec, len(relation.keys), kept), stream.step)
        return _named(_Stream(step, {}, len(relation.keys) + len(kept)), relation.range_id)


def _named(stream: _Stream, range_id: int) -> _Stream:
    """The stream's rows as a range's."""
    return replace(stream, places={(range_id, place): place for place in range(stream.width)})


def _take_apart(relation: q.Relation, parts: list[q.Relation], conditions: list[ex.Expr]) -> None:
    """Inner joins and filters into what is joined and what is asked, the innermost first."""
    match relation:
        case q.Filter():
            _take_apart(relation.input, parts, conditions)
            conditions += conjuncts(relation.condition)
        case q.Join():
            if relation.kind != "inner":
                _refuse("outer joins")
            if relation.lateral:
                _refuse("LATERAL")
            _take_apart(relation.left, parts, conditions)
            _take_apart(relation.right, parts, conditions)
            conditions += conjuncts(relation.condition)
        case _:
            parts.append(relation)


def _equalities(
    left: _Stream, right: _Stream, conditions: Sequence[ex.Expr]
) -> list[tuple[ex.Expr, ex.Expr, ex.Expr]]:
    """The conditions that say that something of the left is equal to something of the right: (condition, left, right).

    Both are of one type, or integers, so that equal values have the same key.
    """
    found: list[tuple[ex.Expr, ex.Expr, ex.Expr]] = []
    for condition in conditions:
        if not isinstance(condition, ex.Call) or condition.operator != "=" or len(condition.args) != 2:
            continue
        one, other = condition.args
        if _columns_of(one) and left.reads(one) and _columns_of(other) and right.reads(other):
            pair = (one, other)
        elif _columns_of(other) and left.reads(other) and _columns_of(one) and right.reads(one):
            pair = (other, one)
        else:
            continue
        types = {each.type.oid for each in pair}
        if types <= oids.INTEGERS or (len(types) == 1 and has_order(pair[0].type.oid)):
            found.append((condition, *pair))
    return found


# --- aggregates ---------------------------------------------------------------------------------------------


def _kept(aggregate: ex.Aggregate) -> Kept:
    """How an aggregate is kept."""
    kept = accumulator(aggregate)
    name = aggregate.function.name
    if kept is None:
        types = ", ".join(type_display(arg.type.oid) for arg in aggregate.args)
        _refuse(f"{name}({types})")
    has_input = bool(aggregate.args) or aggregate.filter is not None
    if name in EXTREMES:
        return Kept(kept, has_input, _codec([aggregate.args[0].type], name == "max"), True)
    codec = _codec([arg.type for arg in aggregate.args]) if aggregate.distinct else None
    return Kept(kept, has_input, codec)


def _input(aggregate: ex.Aggregate) -> ex.Expr:
    """What a row gives to an aggregate: NULL where its FILTER does not let it in."""
    value = aggregate.args[0] if aggregate.args else ex.Const(SqlType(oids.BOOL), True)
    if aggregate.filter is None:
        return value
    return ex.Case(value.type, ((aggregate.filter, value),), None)


# --- expressions --------------------------------------------------------------------------------------------


def _codec(types: Sequence[SqlType], descending: bool = False) -> KeyCodec:
    """Keys of values of these types.  Raises NotSupportedError where one has no order."""
    for each in types:
        if not has_order(each.oid):
            _refuse(f"comparisons of type {type_display(each.oid)}")
    return KeyCodec([KeyColumn(each.oid, descending) for each in types])


def _columns_of(expr: ex.Expr) -> set[tuple[int, int]]:
    """The columns that an expression reads."""
    own = {node.test_range for node in walk_all(expr) if isinstance(node, ex.Case)}
    return {
        (node.range_id, node.position)
        for node in walk_all(expr)
        if isinstance(node, ex.Column) and node.range_id not in own
    }


def _compiled(stream: _Stream, exprs: Sequence[ex.Expr]) -> Compiled:
    """A function that makes the values of expressions of a stream's rows.  Raises NotSupportedError."""
    places = stream.places
    own = {node.test_range for expr in exprs for node in walk_all(expr) if isinstance(node, ex.Case)}

    def flat(node: ex.Expr) -> ex.Expr | None:
        if not isinstance(node, ex.Column) or node.range_id in own:
            return None
        place = places.get((node.range_id, node.position))
        if place is None:
            _refuse("subqueries that read columns from outside")
        return replace(node, range_id=FLAT, position=place)

    for expr in exprs:
        _check(expr)
    return compile_rows(tuple([ex.transform(expr, flat) for expr in exprs]), FLAT)


def _check(expr: ex.Expr) -> None:
    """Raise NotSupportedError unless an expression depends on its row alone."""
    for node in walk_all(expr):
        if not isinstance(node, _EXPRESSIONS):
            _refuse(_NAMES.get(type(node), "such expressions"))
        function = node.function if isinstance(node, (ex.Call, ex.Cast)) else None
        if function is None:
            continue
        if function.returns_set:
            _refuse("set-returning functions")
        if function.volatility != "i":
            _refuse(f"{function.name}(), which is not immutable,")
