"""What to say when a name is not found: which column or table may have been meant.

The suggestions are PostgreSQL's: the column at the smallest edit distance, if it is at most 3 and half the
name's length; two at the same distance are both named, three are none.
"""

from __future__ import annotations

from skerry_engine import errors
from skerry_engine.sql.binder.context import BindContext, CteScope
from skerry_engine.sql.binder.scope import Range, Scope

_FARTHEST = 3


def missing_column(
    scope: Scope, table: str | None, name: str, position: int | None
) -> errors.UndefinedColumn:
    """The error for a column that no visible range has."""
    shown = f'column "{name}" does not exist' if table is None else f"column {table}.{name} does not exist"
    return errors.UndefinedColumn(shown, hint=_column_hint(scope, table, name), position=position)


def _column_hint(scope: Scope, table: str | None, name: str) -> str | None:
    best: list[tuple[Range, str]] = []
    bar = _FARTHEST + 1
    level: Scope | None = scope
    while level is not None:
        for item in level.entries:
            penalty = 0 if table is None else edit_distance(table, item.alias, _FARTHEST + 1)
            for column in item.columns:
                if column.name == name and penalty == 0:
                    return (
                        f'There is a column named "{name}" in table "{item.alias}",'
                        " but it cannot be referenced from this part of the query."
                    )
                if penalty > bar:
                    continue
                distance = edit_distance(column.name, name, bar + 1 - penalty)
                if distance > len(name) // 2:
                    continue
                distance += penalty
                if distance < bar:
                    bar, best = distance, [(item, column.name)]
                elif distance == bar and len(best) == 2:
                    bar, best = distance - 1, []
                elif distance == bar and (best or bar <= _FARTHEST):
                    best.append((item, column.name))
        level = level.parent
    if not best:
        return None
    meant = " or ".join(f'the column "{item.alias}.{column}"' for item, column in best)
    return f"Perhaps you meant to reference {meant}."


def missing_range(
    context: BindContext, ctes: CteScope, scope: Scope, names: list[str], position: int | None
) -> errors.UndefinedTable:
    """The error for a table name (with a schema in front, perhaps) that no visible range has."""
    name = names[-1]
    found = _range_meant(context, ctes, scope, names)
    if found is None:
        return errors.UndefinedTable(f'missing FROM-clause entry for table "{name}"', position=position)
    if found.alias != name and scope.range_named(found.alias) is found:
        hint = f'Perhaps you meant to reference the table alias "{found.alias}".'
    else:
        hint = (
            f'There is an entry for table "{found.alias}",'
            " but it cannot be referenced from this part of the query."
        )
    return errors.UndefinedTable(
        f'invalid reference to FROM-clause entry for table "{name}"', hint=hint, position=position
    )


def _range_meant(context: BindContext, ctes: CteScope, scope: Scope, names: list[str]) -> Range | None:
    """A range over the table of that name, or under it as its alias, wherever it stands."""
    schema = names[-2] if len(names) > 1 else None
    cte = ctes.find(names[-1]) if schema is None else None
    relation = None if cte is not None else context.database.find_relation(names[-1], schema, context.path)
    level: Scope | None = scope
    while level is not None:
        for item in level.entries:
            if relation is not None and item.table_oid == relation.oid:
                return item
            if cte is not None and item.cte_id == cte.cte_id:
                return item
            if item.alias == names[-1]:
                return item
        level = level.parent
    return None


def edit_distance(a: str, b: str, limit: int) -> int:
    """How many characters must be put in, left out or replaced to make `b` of `a`; more than `limit`:
    limit + 1."""
    if abs(len(a) - len(b)) > limit:
        return limit + 1
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, right in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (left != right))
        if min(row) > limit:
            return limit + 1
    return min(row[-1], limit + 1)
