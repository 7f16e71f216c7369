"""Scalar expressions of the logical algebra: typed, bound, free of names.

Every node is an immutable value with a `type`.  Columns refer to a *range* (an entry of a FROM clause,
numbered uniquely within the statement, subqueries included) and a position in its output; a column of an
enclosing query's range makes a subquery correlated.  Nothing here knows a query language:
SQL and GQL both bind to this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from skerry_engine.algebra.labels import LabelFormula
from skerry_engine.values.types import SqlType

if TYPE_CHECKING:
    from skerry_engine.algebra.queries import Query
    from skerry_engine.functions.registry import AggregateFunction, Function


@dataclass(frozen=True, slots=True)
class Expr:
    """Base of scalar expressions."""

    type: SqlType


@dataclass(frozen=True, slots=True)
class Const(Expr):
    """A value known when the statement was bound; `value` is a run-time atom, None for NULL."""

    value: object


@dataclass(frozen=True, slots=True)
class Param(Expr):
    """The value in slot `index` of the statement's parameters:
    a client's $n or a literal lifted from the text."""

    index: int


@dataclass(frozen=True, slots=True)
class Column(Expr):
    """Column `position` of the range `range_id`."""

    range_id: int
    position: int
    name: str
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class Call(Expr):
    """A function or operator applied; `operator` is its name when it was written as one (for deparsing)."""

    function: Function
    args: tuple[Expr, ...]
    operator: str | None = None


@dataclass(frozen=True, slots=True)
class Cast(Expr):
    """`arg` as another type.  `function` is None when only the label changes (binary-coercible).

    `explicit` is False for casts that the binder put in.  `function` takes the value, and where it declares
    three arguments also the target typmod and whether the cast is explicit, as pg_cast's functions do.
    """

    arg: Expr
    function: Function | None
    explicit: bool


@dataclass(frozen=True, slots=True)
class And(Expr):
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Or(Expr):
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Not(Expr):
    arg: Expr


@dataclass(frozen=True, slots=True)
class IsNull(Expr):
    arg: Expr
    negated: bool = False


@dataclass(frozen=True, slots=True)
class IsTruth(Expr):
    """`arg IS [NOT] TRUE | FALSE | UNKNOWN` (`value` True, False, None)."""

    arg: Expr
    value: bool | None
    negated: bool = False


@dataclass(frozen=True, slots=True)
class IsDistinct(Expr):
    """`left IS [NOT] DISTINCT FROM right`; `equality` is the type's = function."""

    left: Expr
    right: Expr
    equality: Function
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Case(Expr):
    """Searched CASE; a simple CASE is bound to comparisons with `test` evaluated once.

    With `test` (and `test_range` the range id under which conditions see its value as column 0), conditions
    are comparisons against it.
    """

    whens: tuple[tuple[Expr, Expr], ...]
    default: Expr | None
    test: Expr | None = None
    test_range: int = -1


@dataclass(frozen=True, slots=True)
class Coalesce(Expr):
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class NullIf(Expr):
    left: Expr
    right: Expr
    equality: Function


@dataclass(frozen=True, slots=True)
class Extreme(Expr):
    """GREATEST or LEAST: NULL arguments are ignored.  `less` is the type's < function."""

    args: tuple[Expr, ...]
    greatest: bool
    less: Function


@dataclass(frozen=True, slots=True)
class ArrayOf(Expr):
    """ARRAY[items]; nested ArrayOf of the same type make more dimensions."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Subscript(Expr):
    """`arg[lower:upper]` per dimension; an element access has `upper` alone in each pair (lower None,
    slice False)."""

    arg: Expr
    bounds: tuple[tuple[Expr | None, Expr | None], ...]
    is_slice: bool


@dataclass(frozen=True, slots=True)
class RowOf(Expr):
    """ROW(items): at run time a tuple.  `names` are the fields' names where it is a table's row."""

    items: tuple[Expr, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AnyAll(Expr):
    """`left op ANY (array)` or ALL; `comparison` takes (left, element).  IN (list) is = ANY (ArrayOf)."""

    left: Expr
    array: Expr
    comparison: Function
    operator: str
    is_all: bool
    written_as_in: bool = False


@dataclass(frozen=True, slots=True)
class SubqueryExpr(Expr):
    """A query used as a value.

    kind: 'scalar' (one column, at most one row), 'exists', 'array' (ARRAY(query)), 'any' and 'all' (`lefts`
    compared with the query's columns by `comparisons`; `operator` names them; IN is 'any' with =).
    """

    kind: str
    query: Query
    lefts: tuple[Expr, ...] = ()
    comparisons: tuple[Function, ...] = ()
    operator: str = ""


@dataclass(frozen=True, slots=True)
class SortKey:
    """One ORDER BY item.  `nulls_first` is explicit here: the default depends on the direction."""

    expr: Expr
    descending: bool = False
    nulls_first: bool = False


@dataclass(frozen=True, slots=True)
class Aggregate(Expr):
    """An aggregate call; lives only in an Aggregate node's outputs after binding."""

    function: AggregateFunction
    args: tuple[Expr, ...]
    distinct: bool = False
    filter: Expr | None = None
    order_by: tuple[SortKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Frame:
    """A window frame.  Bounds: ('unbounded_preceding' | 'preceding' | 'current' | 'following' |
    'unbounded_following', offset); `exclude`: 'no_others' | 'current' | 'group' | 'ties'.  `in_range`
    measures the offsets of a RANGE frame, on the values of its one sort key."""

    mode: str
    start: tuple[str, Expr | None]
    end: tuple[str, Expr | None]
    exclude: str = "no_others"
    in_range: Function | None = None


@dataclass(frozen=True, slots=True)
class WindowCall(Expr):
    """A window function or aggregate over a window."""

    function: Function | AggregateFunction
    args: tuple[Expr, ...]
    partition_by: tuple[Expr, ...]
    order_by: tuple[SortKey, ...]
    frame: Frame
    filter: Expr | None = None


@dataclass(frozen=True, slots=True)
class SystemColumn(Expr):
    """A system column of a base table's row: 'tableoid' or 'ctid'."""

    range_id: int
    name: str


# --- rows as elements of graphs ----------------------------------------
#
# A range over an element table (or over a table that a property graph maps) is a graph's element at the same
# time.  These read it without a detour through an element value; where a value is all there is (a column of
# another block's result, a parameter), the Value forms read that.


@dataclass(frozen=True, slots=True)
class RowId(Expr):
    """The row id of the range's row (INT8): an element's identity, together with its table.  NULL where an
    outer join put NULLs in the row's place."""

    range_id: int


@dataclass(frozen=True, slots=True)
class WholeRow(Expr):
    """The range's row as it stands, a tuple (type RECORD, but no record: nothing looks inside but element values)."""

    range_id: int


@dataclass(frozen=True, slots=True)
class Property(Expr):
    """Property `name` of the range's row, a row of the element table `table_oid`; NULL where its shape has none.

    `type` is what all shapes with the property agree on, else ANYVALUE.
    """

    range_id: int
    table_oid: int
    name: str


@dataclass(frozen=True, slots=True)
class ValueProperty(Expr):
    """Property `name` of an element value, or field `name` of a record; NULL where there is none.  The type is
    ANYVALUE where nothing more is known."""

    arg: Expr
    name: str


@dataclass(frozen=True, slots=True)
class HasLabels(Expr):
    """Whether the range's row, of the element table `table_oid`, has labels that fit the formula."""

    range_id: int
    table_oid: int
    labels: LabelFormula


@dataclass(frozen=True, slots=True)
class ValueHasLabels(Expr):
    """Whether an element value has labels that fit the formula; NULL for NULL."""

    arg: Expr
    labels: LabelFormula


@dataclass(frozen=True, slots=True)
class ElementValue(Expr):
    """An element as a value of type NODE or EDGE: identity (`table`, `row_id`) and `row`; NULL where `row_id` is.

    `endpoints` of an edge: source table, source row id, target table, target row id.
    """

    graph_oid: int
    table: Expr
    row_id: Expr
    row: Expr
    endpoints: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class PathValue(Expr):
    """A path: `items` are node, edge, node, ...; an item of type PATH stands for all of its elements.
    Where one is NULL the path is."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class RecordOf(Expr):
    """RECORD {name: item, ...}, in written order; the items are of type ANYVALUE."""

    names: tuple[str, ...]
    items: tuple[Expr, ...]


_field_names: dict[type, tuple[str, ...]] = {}


def field_names(kind: type) -> tuple[str, ...]:
    """The names of a dataclass's fields, found once: trees are walked many times a plan."""
    names = _field_names.get(kind)
    if names is None:
        names = _field_names[kind] = tuple([field.name for field in fields(kind)])
    return names


def children(expr: Expr) -> Iterator[Expr]:
    """The direct operands of an expression, in written order; a subquery's inside is not entered."""
    for name in field_names(expr.__class__):
        value = getattr(expr, name)
        if isinstance(value, Expr):
            yield value
        elif isinstance(value, (tuple, SortKey, Frame)):
            yield from _exprs_in(value)


def _exprs_in(value: object) -> Iterator[Expr]:
    if isinstance(value, Expr):
        yield value
    elif isinstance(value, SortKey):
        yield value.expr
    elif isinstance(value, tuple):
        for item in value:
            yield from _exprs_in(item)
    elif isinstance(value, Frame):
        yield from _exprs_in((value.start, value.end))


def walk(expr: Expr) -> Iterator[Expr]:
    """The expression and all below it, parents first; a subquery's inside is not entered."""
    yield expr
    for child in children(expr):
        yield from walk(child)


def transform(expr: Expr, change: Callable[[Expr], Expr | None]) -> Expr:
    """A copy with `change` applied top-down: where it returns an expression, that stands in its place,
    unvisited."""
    changed = change(expr)
    if changed is not None:
        return changed
    updates: dict[str, object] = {}
    for name in field_names(expr.__class__):
        value = getattr(expr, name)
        new = _transform_value(value, change)
        if new is not value:
            updates[name] = new
    return replace(expr, **updates) if updates else expr  # type: ignore[arg-type]


def over_range(expr: Expr, range_id: int, may_be_null: bool = False) -> Expr:
    """A stored expression (over range 0) as one over `range_id`; `may_be_null`: any column of it, NOT NULL or not."""

    def change(node: Expr) -> Expr | None:
        if isinstance(node, Column) and node.range_id == 0:
            return replace(node, range_id=range_id, nullable=node.nullable or may_be_null)
        return None

    return transform(expr, change)


def _transform_value(value: object, change: Callable[[Expr], Expr | None]) -> object:
    if isinstance(value, Expr):
        return transform(value, change)
    if isinstance(value, SortKey):
        new_key = transform(value.expr, change)
        return value if new_key is value.expr else replace(value, expr=new_key)
    if isinstance(value, Frame):
        start = _transform_value(value.start, change)
        end = _transform_value(value.end, change)
        if start is value.start and end is value.end:
            return value
        return replace(value, start=start, end=end)  # type: ignore[arg-type]
    if isinstance(value, tuple):
        items = tuple(_transform_value(item, change) for item in value)
        return items if any(a is not b for a, b in zip(items, value, strict=True)) else value
    return value
