"""What a column of a select list is called when it has no alias, as PostgreSQL's FigureColname decides."""

from __future__ import annotations

from sqlglot import exp

from skerry_engine.sql.bridge import type_name_of

UNNAMED = "?column?"


def output_name(node: exp.Expression) -> str:
    """The name of an unaliased select-list item."""
    return _name(node)[0]


def _name(node: exp.Expression) -> tuple[str, int]:
    """(name, strength): 0 no name, 1 a weak one (a cast's type, CASE), 2 a column's or function's."""
    match node:
        case exp.Column():
            return str(node.this.this), 2
        case exp.Dot():
            return str(node.expression.this), 2
        case exp.Anonymous():
            return str(node.this), 2
        case exp.Cast():
            return _cast_name(node)
        case exp.Collate():
            return _name(node.this)
        case exp.Bracket():
            return _name(node.this)
        case exp.Case():
            default = node.args.get("default")
            if default is not None and (inner := _name(default))[1] == 2:
                return inner
            return "case", 1
        case exp.Array():
            return "array", 2
        case exp.Coalesce():
            return "coalesce", 2
        case exp.Greatest():
            return "greatest", 2
        case exp.Least():
            return "least", 2
        case exp.Nullif():
            return "nullif", 2
        case exp.Exists():
            return "exists", 2
        case exp.Subquery():
            return _subquery_name(node.this)
        case exp.Tuple() if node.args.get("row"):
            return "row", 2
        case exp.Tuple():
            return "row", 2
    return UNNAMED, 0


def _cast_name(node: exp.Expression) -> tuple[str, int]:
    inner = _name(node.this)
    if inner[1] == 2:
        return inner
    return type_name_of(node.args["to"]).names[-1], 1


def _subquery_name(query: exp.Expression) -> tuple[str, int]:
    while isinstance(query, (exp.Union, exp.Except, exp.Intersect, exp.Subquery)):
        query = query.this
    if isinstance(query, exp.Values):
        return "column1", 2
    if not query.expressions:
        return UNNAMED, 0
    first = query.expressions[0]
    if isinstance(first, exp.Alias):
        return str(first.args["alias"].this), 2
    if isinstance(first, exp.Star):
        return UNNAMED, 0
    return _name(first)[0], 2
