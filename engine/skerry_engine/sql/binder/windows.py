"""Binding OVER clauses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.functions.registry import Function, functions_named
from skerry_engine.sql.binder.coercion import INT8
from skerry_engine.sql.binder.whitelist import check
from skerry_engine.sql.bridge import position_of, start_of
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType, format_type

if TYPE_CHECKING:
    from skerry_engine.sql.binder.expressions import ExpressionBinder
    from skerry_engine.sql.binder.queries import QueryBinder

Node = exp.Expression
Bound = tuple[tuple[ex.Expr, ...], tuple[ex.SortKey, ...], ex.Frame]


def check_names(windows: list[Node]) -> dict[str, Node]:
    """The WINDOW clause by name.  Raises WindowingError for a name given twice."""
    found: dict[str, Node] = {}
    for window in windows:
        name = window.this.this
        if name in found:
            raise errors.WindowingError(f'window "{name}" is already defined', position=position_of(window))
        found[name] = window
    return found


def bind_window(queries: QueryBinder, over: Node, binder: ExpressionBinder) -> Bound:
    """(PARTITION BY, ORDER BY, frame) of an OVER clause, named windows resolved."""
    check(over)
    if over.args.get("named"):
        return bind_window(queries, _named(over, over.this.this, binder), binder)
    base = over.args.get("base")
    partition: tuple[ex.Expr, ...] = ()
    order: tuple[ex.SortKey, ...] = ()
    if base is not None:
        named = _named(over, base.this, binder)
        partition, order, _ = bind_window(queries, named, binder)
        _check_copy(over, base.this, named, order)
    if over.args.get("partition_by"):
        partition = tuple(queries.coercer.known(binder.bind(e)) for e in over.args["partition_by"])
    if over.args.get("order") is not None:
        order = queries.sort_keys(over.args["order"], binder)
    return partition, order, _frame(queries, over, order, binder)


def _check_copy(over: Node, name: str, named: Node, order: tuple[ex.SortKey, ...]) -> None:
    """What a window that builds on another may not say again."""
    position = position_of(over)
    if over.args.get("partition_by"):
        raise errors.WindowingError(
            f'cannot override PARTITION BY clause of window "{name}"', position=position
        )
    if over.args.get("order") is not None and order:
        raise errors.WindowingError(f'cannot override ORDER BY clause of window "{name}"', position=position)
    if named.args.get("spec") is not None:
        bare = not over.args.get("order") and over.args.get("spec") is None
        raise errors.WindowingError(
            f'cannot copy window "{name}" because it has a frame clause',
            hint="Omit the parentheses in this OVER clause." if bare else None,
            position=position,
        )


def _named(over: Node, name: str, binder: ExpressionBinder) -> Node:
    found = binder.windows.get(name)
    if found is None:
        raise errors.UndefinedObject(f'window "{name}" does not exist', position=position_of(over))
    window = exp.Window(**{**found.args, "this": None, "named": None})
    window.meta.update(found.meta)
    return window


def _frame(
    queries: QueryBinder, over: Node, order: tuple[ex.SortKey, ...], binder: ExpressionBinder
) -> ex.Frame:
    spec = over.args.get("spec")
    if spec is None:
        return ex.Frame("range", ("unbounded_preceding", None), ("current", None))
    check(spec)
    mode = str(spec.args["kind"]).lower()
    if mode == "groups" and not order:
        raise errors.WindowingError("GROUPS mode requires an ORDER BY clause", position=position_of(over))
    exclude = str(spec.args.get("exclude") or "NO OTHERS").lower().replace(" row", "").replace(" ", "_")
    edges = _Edges(queries, binder, mode, position_of(over), order)
    start = edges.bind(spec.args.get("start"), spec.args.get("start_side"))
    end: tuple[str, ex.Expr | None] = ("current", None)
    if spec.args.get("end") is not None:
        end = edges.bind(spec.args["end"], spec.args.get("end_side"))
    return ex.Frame(mode, start, end, exclude, edges.in_range)


class _Edges:
    """Binds the two edges of a frame."""

    def __init__(
        self,
        queries: QueryBinder,
        binder: ExpressionBinder,
        mode: str,
        position: int | None,
        order: tuple[ex.SortKey, ...],
    ) -> None:
        self.queries, self.binder, self.mode, self.position, self.order = (
            queries,
            binder,
            mode,
            position,
            order,
        )
        self.in_range: Function | None = None

    def bind(self, value: object, side: str | None) -> tuple[str, ex.Expr | None]:
        """(kind of edge, offset)."""
        if value == "CURRENT ROW":
            return "current", None
        direction = "following" if side == "FOLLOWING" else "preceding"
        if value == "UNBOUNDED":
            return f"unbounded_{direction}", None
        assert isinstance(value, exp.Expression)
        if self.mode == "range" and len(self.order) != 1:
            raise errors.WindowingError(
                "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column",
                position=self.position,
            )
        offset = self.binder.bind(value)
        if any(isinstance(node, ex.Column) for node in ex.walk(offset)):
            raise errors.InvalidColumnReference(
                f"argument of {self.mode.upper()} must not contain variables", position=start_of(value)
            )
        return direction, self._distance(offset, value) if self.mode == "range" else self._count(
            offset, value
        )

    def _count(self, offset: ex.Expr, node: Node) -> ex.Expr:
        counted = self.queries.coercer.coerce(offset, INT8, "i")
        if counted is None:
            raise errors.DatatypeMismatch(
                f"argument of {self.mode.upper()} must be type bigint, not type {format_type(offset.type.oid)}",
                position=start_of(node),
            )
        return counted

    def _distance(self, offset: ex.Expr, node: Node) -> ex.Expr:
        """A RANGE offset, of a type that can be measured on the sort key."""
        key = self.order[0].expr.type.oid
        given = offset.type.oid
        candidates = [f for f in functions_named("in_range") if f.arg_types[0] == key]
        if not candidates:
            raise errors.NotSupportedError(
                "RANGE with offset PRECEDING/FOLLOWING is not supported for column type " + format_type(key),
                position=start_of(node),
            )
        wanted = key if given == oids.UNKNOWN else given
        candidates.sort(key=lambda f: f.arg_types[2] != wanted)
        for function in candidates:
            distance = self.queries.coercer.coerce(offset, SqlType(function.arg_types[2]), "i")
            if distance is not None and isinstance(function, Function):
                if self.in_range not in (None, function):
                    raise errors.NotSupportedError(
                        "RANGE with offsets of different types is not supported", position=start_of(node)
                    )
                self.in_range = function
                return distance
        raise errors.NotSupportedError(
            "RANGE with offset PRECEDING/FOLLOWING is not supported for column type"
            f" {format_type(key)} and offset type {format_type(given)}",
            hint="Cast the offset value to an appropriate type.",
            position=start_of(node),
        )
