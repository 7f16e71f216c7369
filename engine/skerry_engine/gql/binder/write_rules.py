"""Rewriting programs: INSERT ... RETURN in one stage.

    INSERT (n:A {x: 1}) RETURN n.x, n      GraphInsert, out come n's; Select over Bindings
                                           GraphInsert, out come n.x, n

The new elements' rows are at hand when they have been written, so what RETURN computes of them can be computed there,
unless it asks for all rows at once (aggregates, DISTINCT, ORDER BY, pages) or looks at the graph again.
"""

from __future__ import annotations

from dataclasses import replace

from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.algebra.traversal import walk_all


def insert_and_return(insert: q.Query, select: q.Query) -> q.GraphInsert | None:
    """The two stages as one; None where that is not possible."""
    if not isinstance(insert, q.GraphInsert) or not isinstance(select, q.Select):
        return None
    if not _is_plain(select) or not isinstance(select.input, q.Bindings) or select.input.number != 0:
        return None
    if any(isinstance(node, (ex.SubqueryExpr, ex.WindowCall)) for node in walk_all(select.outputs)):
        return None
    range_id = select.input.range_id

    def change(expr: ex.Expr) -> ex.Expr | None:
        if isinstance(expr, ex.Column) and expr.range_id == range_id:
            return insert.outputs[expr.position]
        if isinstance(expr, ex.ValueProperty):
            return _property(ex.transform(expr.arg, change), expr)
        return None

    outputs = tuple(ex.transform(output, change) for output in select.outputs)
    return replace(insert, columns=select.columns, outputs=outputs)


def _is_plain(select: q.Select) -> bool:
    return not (
        select.distinct
        or select.distinct_on
        or select.order_by
        or select.limit is not None
        or select.offset is not None
        or select.locks
    )


def _property(arg: ex.Expr, read: ex.ValueProperty) -> ex.Expr:
    """A property of an element whose row is at hand is read there."""
    if (
        isinstance(arg, ex.ElementValue)
        and isinstance(arg.row, ex.WholeRow)
        and isinstance(arg.table, ex.Const)
        and isinstance(arg.table.value, int)
    ):
        return ex.Property(read.type, arg.row.range_id, arg.table.value, read.name)
    return replace(read, arg=arg)
