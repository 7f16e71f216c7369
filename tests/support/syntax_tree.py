"""Prints expression trees with every grouping in parentheses, to compare how operators bind."""

from __future__ import annotations

from sqlglot import expressions as exp


def grouping(node: exp.Expression) -> str:
    """The expression with parentheses around every operator."""
    if isinstance(node, exp.Column):
        return str(node.name)
    if isinstance(node, (exp.And, exp.Or)):
        word = "AND" if isinstance(node, exp.And) else "OR"
        return f"({grouping(node.this)} {word} {grouping(node.expression)})"
    if isinstance(node, exp.Not):
        return f"(NOT {grouping(node.this)})"
    if isinstance(node, exp.Operator):
        return _operator(node)
    negation = "NOT " if node.args.get("negate") else ""
    if isinstance(node, exp.Is):
        return f"({grouping(node.this)} IS {negation}{node.expression.sql()})"
    if isinstance(node, (exp.NullSafeNEQ, exp.NullSafeEQ)):
        word = "IS DISTINCT FROM" if isinstance(node, exp.NullSafeNEQ) else "IS NOT DISTINCT FROM"
        return f"({grouping(node.this)} {word} {grouping(node.expression)})"
    if isinstance(node, exp.Between):
        low, high = grouping(node.args["low"]), grouping(node.args["high"])
        return f"({grouping(node.this)} {negation}BETWEEN {low} AND {high})"
    if isinstance(node, exp.In):
        return f"({grouping(node.this)} {negation}IN ({', '.join(grouping(e) for e in node.expressions)}))"
    if isinstance(node, exp.Cast):
        return f"({grouping(node.this)}::bool)"
    return _call(node)


def _operator(node: exp.Operator) -> str:
    name = node.args["operator"]
    if node.args.get("schema"):
        name = f"OPERATOR({node.args['schema']}.{name})"
    right = grouping(node.expression)
    if node.args.get("this") is None:
        return f"({name} {right})"
    return f"({grouping(node.this)} {name} {right})"


def _call(node: exp.Expression) -> str:
    assert isinstance(node, exp.Anonymous), node
    arguments = [grouping(argument) for argument in node.expressions]
    if node.name == "timezone":
        return f"({arguments[1]} AT TIME ZONE {arguments[0]})"
    return f"{node.name}({', '.join(arguments)})"
