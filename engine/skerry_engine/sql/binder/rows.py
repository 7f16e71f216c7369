"""Rows as values: a table's row under its alias, ROW(...), and taking them apart again.

A row behind an outer join may be missing.  Then it is NULL, not a row of NULLs:

    CASE WHEN key IS NULL THEN NULL ELSE ROW(key, a, b) END
"""

from __future__ import annotations

from skerry_engine.algebra import expressions as ex
from skerry_engine.sql.binder.coercion import BOOL
from skerry_engine.sql.binder.scope import Range
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType

RECORD = SqlType(oids.RECORD)


def whole_row(item: Range) -> ex.Expr:
    """A range's row as a value; a function's single column stands for itself."""
    if item.is_scalar_function and len(item.columns) == 1:
        return item.reference(item.columns[0])
    shown = [c for c in item.columns if not c.hidden]
    columns = tuple(item.reference(c) for c in shown)
    row = ex.RowOf(RECORD, columns, tuple(c.name for c in shown))
    return unless_missing(item, row)


def unless_missing(item: Range, of_row: ex.Expr) -> ex.Expr:
    """An expression about a range's row, NULL where an outer join found none."""
    columns = tuple(item.reference(c) for c in item.columns if not c.hidden)
    if not item.is_extended or not columns:
        return of_row
    # a column that is never NULL tells for sure; else a row of NULLs only counts as missing
    sure = [column for column in columns if not column.nullable]
    missing = ex.And(BOOL, tuple(ex.IsNull(BOOL, column) for column in sure[:1] or columns))
    return ex.Case(of_row.type, ((missing, ex.Const(of_row.type, None)),), of_row)


def fields_of(expr: ex.Expr) -> ex.RowOf | None:
    """The row that an expression is, whether or not it may be missing; None for anything else."""
    if isinstance(expr, ex.RowOf):
        return expr
    if isinstance(expr, ex.Case) and isinstance(expr.default, ex.RowOf) and len(expr.whens) == 1:
        result = expr.whens[0][1]
        return expr.default if isinstance(result, ex.Const) and result.value is None else None
    return None


def field_names(row: ex.RowOf) -> tuple[str, ...]:
    """The fields' names: f1, f2 ... where nothing else is known."""
    return row.names or tuple(f"f{n}" for n in range(1, len(row.items) + 1))
