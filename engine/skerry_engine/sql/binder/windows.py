"""Binding OVER clauses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.sql.binder.coercion import INT8
from skerry_engine.sql.binder.whitelist import check
from skerry_engine.sql.bridge import position_of

if TYPE_CHECKING:
    from skerry_engine.sql.binder.expressions import ExpressionBinder
    from skerry_engine.sql.binder.queries import QueryBinder

Node = exp.Expression
Bound = tuple[tuple[ex.Expr, ...], tuple[ex.SortKey, ...], ex.Frame]


def bind_window(queries: QueryBinder, over: Node, binder: ExpressionBinder) -> Bound:
    """(PARTITION BY, ORDER BY, frame) of an OVER clause, named windows resolved."""
    check(over)
    if over.args.get("named"):
        return bind_window(queries, _named(over, over.this.this, binder), binder)
    base = over.args.get("base")
    partition: tuple[ex.Expr, ...] = ()
    order: tuple[ex.SortKey, ...] = ()
    if base is not None:
        partition, order, _ = bind_window(queries, _named(over, base.this, binder), binder)
    if over.args.get("partition_by"):
        partition = tuple(queries.coercer.known(binder.bind(e)) for e in over.args["partition_by"])
    if over.args.get("order") is not None:
        order = queries.sort_keys(over.args["order"], binder)
    return partition, order, _frame(queries, over.args.get("spec"), order, binder)


def _named(over: Node, name: str, binder: ExpressionBinder) -> Node:
    found = binder.windows.get(name)
    if found is None:
        raise errors.UndefinedObject(f'window "{name}" does not exist', position=position_of(over))
    return exp.Window(**{**found.args, "this": None, "named": None})


def _frame(
    queries: QueryBinder, spec: Node | None, order: tuple[ex.SortKey, ...], binder: ExpressionBinder
) -> ex.Frame:
    if spec is None:
        return ex.Frame("range", ("unbounded_preceding", None), ("current", None))
    check(spec)
    mode = str(spec.args["kind"]).lower()
    start = _edge(queries, spec.args.get("start"), spec.args.get("start_side"), binder, mode)
    end_value = spec.args.get("end")
    end = (
        ("current", None)
        if end_value is None
        else _edge(queries, end_value, spec.args.get("end_side"), binder, mode)
    )
    if start[0] == "unbounded_following":
        raise errors.WindowingError("frame start cannot be UNBOUNDED FOLLOWING", position=position_of(spec))
    if end[0] == "unbounded_preceding":
        raise errors.WindowingError("frame end cannot be UNBOUNDED PRECEDING", position=position_of(spec))
    if mode == "range" and (start[1] is not None or end[1] is not None):
        raise errors.NotSupportedError(
            "RANGE with offset PRECEDING/FOLLOWING is not supported", position=position_of(spec)
        )
    if mode == "groups" and not order:
        raise errors.WindowingError("GROUPS mode requires an ORDER BY clause", position=position_of(spec))
    exclude = str(spec.args.get("exclude") or "NO OTHERS").lower().replace(" row", "").replace(" ", "_")
    return ex.Frame(mode, start, end, exclude)


def _edge(
    queries: QueryBinder, value: object, side: str | None, binder: ExpressionBinder, mode: str
) -> tuple[str, ex.Expr | None]:
    if value == "CURRENT ROW":
        return "current", None
    direction = "following" if side == "FOLLOWING" else "preceding"
    if value == "UNBOUNDED":
        return f"unbounded_{direction}", None
    assert isinstance(value, exp.Expression)
    offset = queries.coercer.coerce(binder.bind(value), INT8, "i")
    if offset is None:
        raise errors.DatatypeMismatch(
            f"argument of {mode.upper()} must be type bigint", position=position_of(value)
        )
    return direction, offset
