"""The parts of each syntax node that the binder understands;
anything else that is set is refused by name (0A000)."""

from __future__ import annotations

from sqlglot import exp

from skerry_engine import errors
from skerry_engine.sql.bridge import position_of

_UNDERSTOOD: dict[str, frozenset[str]] = {
    name: frozenset(parts.split())
    for name, parts in {
        "Alias": "this alias",
        "And": "this expression",
        "Anonymous": "this schema expressions star distinct all variadic order within_group filter over bare syntax",
        "Array": "expressions query",
        "Between": "this low high symmetric negate",
        "BitString": "this",
        "Boolean": "this",
        "HexString": "this",
        "Bracket": "this expressions",
        "CTE": "this alias materialized",
        "Case": "this ifs default",
        "Cast": "this to typed_literal",
        "Coalesce": "this expressions",
        "Collate": "this expression schema",
        "Column": "this table db catalog",
        "Delete": "with_ this using where returning",
        "Distinct": "on",
        "Dot": "this expression",
        "Except": "this expression distinct with_ order limit offset locks",
        "Exists": "this",
        "From": "expressions",
        "Greatest": "this expressions",
        "Group": "expressions distinct",
        "Having": "this",
        "Identifier": "this quoted",
        "If": "this true",
        "In": "this expressions query negate",
        "Insert": "with_ this columns expression default overriding conflict returning",
        "Intersect": "this expression distinct with_ order limit offset locks",
        "Is": "this expression negate",
        "Join": "left this side kind natural on using using_alias alias",
        "Kwarg": "this expression",
        "Lateral": "expressions alias ordinality lateral rows_from columns",
        "Least": "this expressions",
        "Limit": "expression with_ties",
        "Literal": "this is_string",
        "Lock": "strength expressions wait",
        "Not": "this",
        "Null": "",
        "NullSafeEQ": "this expression",
        "NullSafeNEQ": "this expression",
        "Nullif": "this expression",
        "Offset": "expression",
        "OnConflict": "action conflict_keys index_predicate constraint expressions where",
        "Operator": "this operator expression schema",
        "Or": "this expression",
        "Order": "expressions",
        "Ordered": "this desc nulls_first using",
        "Parameter": "this",
        "Placeholder": "this",
        "Returning": "expressions",
        "Select": "with_ distinct expressions from_ where group having windows order limit offset locks",
        "Slice": "this expression",
        "Star": "",
        "Subquery": "this alias lateral",
        "Table": "this db catalog alias only",
        "TableFromRows": "this alias",
        "TableAlias": "this columns",
        "Tuple": "expressions row",
        "Union": "this expression distinct with_ order limit offset locks",
        "Update": "with_ this expressions from_ where returning",
        "Values": "expressions row_list with_ order limit offset locks",
        "Where": "this",
        "Window": "this base partition_by order spec named",
        "WindowSpec": "kind start start_side end end_side exclude",
        "With": "expressions recursive",
    }.items()
}


def check(node: exp.Expression) -> None:
    """Raise NotSupportedError naming the first part of `node` that is set and not understood."""
    name = type(node).__name__
    understood = _UNDERSTOOD.get(name)
    if understood is None:
        raise errors.NotSupportedError(f"{name} is not supported", position=position_of(node))
    for part, value in node.args.items():
        if part not in understood and value not in (None, False, []):
            raise errors.NotSupportedError(f"{part} in {name} is not supported", position=position_of(node))
