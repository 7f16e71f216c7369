"""Bound expressions as SQL text, in the form that PostgreSQL's pg_get_expr prints.

The text reads back as the same expression: every operator is parenthesised, constants carry their type, casts
that the binder put in appear where dropping them could change which operator is found.  The *pretty* variant
leaves out the parentheses that precedence makes needless.  Two ideas carry the rules:

- `paren(node, parent)`: an operand is wrapped in the pretty variant only where `is_simple` can't show that it
  is safe; in the plain variant operators wrap themselves.
- *implicit casts* are shown under operators and functions (where they decide about resolution), hidden at the
  top and under AND, OR, NOT.

Names of columns and relations come from the caller (`Names`), so a renamed column prints under its present
name. Queries inside expressions are printed by the `print_query` it gives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from skerry_engine import errors
from skerry_engine.algebra.expressions import (
    Aggregate,
    And,
    AnyAll,
    ArrayOf,
    Call,
    Case,
    Cast,
    Coalesce,
    Column,
    Const,
    Expr,
    Extreme,
    Frame,
    IsDistinct,
    IsNull,
    IsTruth,
    Not,
    NullIf,
    Or,
    Param,
    RowOf,
    SortKey,
    SubqueryExpr,
    Subscript,
    SystemColumn,
    WindowCall,
)
from skerry_engine.algebra.queries import Query
from skerry_engine.catalog.quoting import quote_identifier, quote_literal
from skerry_engine.functions.casts import ATTRIBUTE_FORM, FIELDS_FORM, MAKER_FORM, TIDY_FORM
from skerry_engine.functions.json_building import OBJECT_FORM, ROWS_FORM
from skerry_engine.functions.registry import Function
from skerry_engine.values import oids
from skerry_engine.values.io import DEFAULT_IO, text_decoder
from skerry_engine.values.types import SqlType
from skerry_engine.values.user_types import CompositeFields, is_user_type

INDENT = 4
WRITTEN_OPERATORS = {"LIKE": "~~", "NOT LIKE": "!~~", "ILIKE": "~~*", "NOT ILIKE": "!~~*", "!=": "<>"}
FRAME_BOUNDS = {
    "unbounded_preceding": "UNBOUNDED PRECEDING",
    "preceding": "PRECEDING",
    "current": "CURRENT ROW",
    "following": "FOLLOWING",
    "unbounded_following": "UNBOUNDED FOLLOWING",
}
EXCLUDES = {"current": "CURRENT ROW", "group": "GROUP", "ties": "TIES"}
LOW_PRIORITY = frozenset("+-")
HIGH_PRIORITY = frozenset("*/%")
PADDING = 9013
"""The function that only the binder calls: char(n) to its full length."""
SHORTHAND_OPERATORS = frozenset(("|", "<<"))


@dataclass(slots=True)
class Names:
    """How the printer names things.

    `column(range_id, position)` gives a column as it must be written there, quoted; `type_name(type)` a
    type's name; `constant(type, value)` a constant's text form, unquoted; `shorthand(call)` how an operator was
    written that stands for something else, None for all others; `attributes(oid)` what a composite type has.
    """

    column: Callable[[int, int], str]
    type_name: Callable[[SqlType], str]
    constant: Callable[[SqlType, object], str]
    print_query: Callable[[Query, int], str] | None = None
    shorthand: Callable[[Call], str | None] | None = None
    attributes: Callable[[int], CompositeFields] | None = None


class Deparser:
    """Prints expressions.  `indent` is the present depth of indentation in columns;
    CASE breaks lines by it."""

    def __init__(self, names: Names, pretty: bool = False, indent: int = 0) -> None:
        self.names = names
        self.pretty = pretty
        self.indent = indent

    def expression(self, node: Expr, show_implicit: bool = False) -> str:
        """The text of a whole expression.  Raises NotSupportedError for what has no text form yet."""
        printer = _PRINTERS.get(type(node))
        if printer is None:
            raise errors.NotSupportedError(f"printing {type(node).__name__} expressions is not supported")
        return printer(self, node, show_implicit)

    def paren(self, node: Expr, parent: Expr | None, show_implicit: bool) -> str:
        """An operand, wrapped where the pretty variant needs it."""
        text = self.expression(node, show_implicit)
        if self.pretty and not is_simple(_visible(node, show_implicit), parent):
            return f"({text})"
        return text

    def wrap(self, text: str) -> str:
        """An operator's own parentheses, which only the plain variant prints."""
        return text if self.pretty else f"({text})"

    def arguments(self, nodes: tuple[Expr, ...], show_implicit: bool = True) -> str:
        return ", ".join(self.expression(node, show_implicit) for node in nodes)

    def line(self, extra: int = 0) -> str:
        """A line break to the present indentation and `extra` columns."""
        return "\n" + " " * (self.indent + extra)


# --- which operands are safe without parentheses --------------------------------------------------


def _visible(node: Expr, show_implicit: bool) -> Expr:
    """The node that the text will show: hidden casts looked through."""
    while isinstance(node, Cast) and not node.explicit and not show_implicit:
        node = node.arg
    return node


_ATOMS = (Column, Const, Param, SystemColumn, Subscript, ArrayOf, RowOf, Coalesce, Extreme, NullIf, Aggregate)
_HOLDERS = (And, Or, Not, Subscript, ArrayOf, RowOf, Coalesce, Extreme, NullIf, Aggregate, WindowCall, Case)


def is_simple(node: Expr, parent: Expr | None) -> bool:
    """Whether the node under that parent needs no parentheses in the pretty variant."""
    if isinstance(node, (*_ATOMS, Case, WindowCall)):
        return True
    if isinstance(node, Cast):
        return _casts_by_function(node) or is_simple(node.arg, node)
    if isinstance(node, Call):
        if node.operator is None:
            return True
        return _is_simple_operation(node, parent) or _holds(parent)
    if isinstance(node, (And, Or, Not)):
        return not _is_not_in(node) and _is_simple_logic(node, parent)
    if isinstance(node, (SubqueryExpr, IsNull, IsTruth, IsDistinct)):
        return _holds(parent)
    return False


def _casts_by_function(node: Cast) -> bool:
    """A cast by one of pg_cast's functions counts as a call, which is simple; one through text (OID 0)
    does not."""
    return node.function is not None and node.function.oid != 0


def _is_simple_operation(node: Call, parent: Expr | None) -> bool:
    """Arithmetic under arithmetic, where precedence or left association already says it."""
    inner, outer = _arithmetic(node), _arithmetic(parent)
    if inner is None or outer is None or not isinstance(parent, Call):
        return False
    if inner in HIGH_PRIORITY and outer in LOW_PRIORITY:
        return True
    same = (inner in HIGH_PRIORITY) == (outer in HIGH_PRIORITY)
    return same and node is parent.args[0]


def _arithmetic(node: Expr | None) -> str | None:
    if isinstance(node, Call) and node.operator is not None and len(node.args) == 2:
        name = node.operator
        return name if name in LOW_PRIORITY or name in HIGH_PRIORITY else None
    return None


def _is_simple_logic(node: Expr, parent: Expr | None) -> bool:
    if isinstance(parent, (And, Or, Not)):
        if isinstance(node, Or):
            return isinstance(parent, Or)
        return isinstance(parent, (And, Or))
    return _holds(parent)


def _holds(parent: Expr | None) -> bool:
    """Whether the parent's own syntax keeps an operand together (a function's argument list, ARRAY[...])."""
    if isinstance(parent, Call):
        return parent.operator is None
    return isinstance(parent, _HOLDERS)


# --- constants, columns, casts --------------------------------------------------------------------


def constant_text(names: Names, node: Const, label: bool = True) -> str:
    """A constant, with `::type` where the bare text would be read as another type (never
    with `label` False)."""
    type_oid = node.type.oid
    if node.value is None:
        return f"NULL::{names.type_name(node.type)}" if label else "NULL"
    text = names.constant(node.type, node.value)
    if type_oid == oids.BOOL:
        return "true" if node.value else "false"
    if type_oid == oids.INT4 and not text.startswith("-"):
        return text
    if type_oid == oids.NUMERIC and text[0].isdigit() and ("." in text or "e" in text):
        return text if node.type.typmod < 0 or not label else f"{text}::{names.type_name(node.type)}"
    quoted = quote_literal(text)
    if not label or type_oid == oids.UNKNOWN:
        return quoted
    return f"{quoted}::{names.type_name(node.type)}"


def _const(printer: Deparser, node: Const, _show: bool) -> str:
    return constant_text(printer.names, node)


def _column(printer: Deparser, node: Column, _show: bool) -> str:
    return printer.names.column(node.range_id, node.position)


def _system_column(_printer: Deparser, node: SystemColumn, _show: bool) -> str:
    return node.name


def _param(_printer: Deparser, node: Param, _show: bool) -> str:
    raise errors.NotSupportedError(f"printing parameter {node.index} is not supported")


def _cast(printer: Deparser, node: Cast, show_implicit: bool) -> str:
    is_row = node.function is not None and node.function.form == FIELDS_FORM
    if not node.explicit and (not show_implicit or is_row):
        return printer.paren(node.arg, node, False) if printer.pretty else printer.expression(node.arg)
    if node.function is not None and node.function.form == MAKER_FORM:
        return _composite(printer, node)
    type_name = printer.names.type_name(node.type)
    arg = _without_length(node)
    if isinstance(arg, Const) and arg.type == SqlType(node.type.oid) and not node.type.domain:
        return f"{constant_text(printer.names, arg, label=False)}::{type_name}"
    if _is_typed_literal(node):
        return f"{quote_literal(_literal_text(printer, node))}::{type_name}"
    if node.type.domain:
        return f"({printer.expression(arg)})::{type_name}"
    inner = printer.paren(arg, node, False)
    return f"{printer.wrap(inner)}::{type_name}"


def _without_length(node: Cast) -> Expr:
    """What is cast: a cast to the type followed by one to its length is one cast as it was written."""
    inner = node.arg
    if isinstance(inner, Cast) and inner.type == SqlType(node.type.oid) and node.type.typmod >= 0:
        return inner.arg
    return inner


def _is_typed_literal(node: Cast) -> bool:
    """A string literal read as another type only when it is evaluated (its meaning depends on settings)."""
    if not isinstance(node.arg, Const) or node.arg.type.oid not in (oids.TEXT, oids.UNKNOWN):
        return False
    return isinstance(node.arg.value, str) and node.function is not None and node.function.oid == 0


def _literal_text(printer: Deparser, node: Cast) -> str:
    """The literal as its type prints it; words such as 'now', which mean another value each time,
    as written."""
    assert isinstance(node.arg, Const) and isinstance(node.arg.value, str)
    text = node.arg.value
    if is_user_type(node.type.oid) or not any(character.isdigit() for character in text):
        return text
    return printer.names.constant(node.type, text_decoder(node.type, DEFAULT_IO)(text))


# --- operators and calls --------------------------------------------------------------------------


def _call(printer: Deparser, node: Call, _show: bool) -> str:
    if node.operator is None:
        return _function_call(printer, node)
    if node.operator in SHORTHAND_OPERATORS and printer.names.shorthand is not None:
        written = printer.names.shorthand(node)
        if written is not None:
            return written
    operator = WRITTEN_OPERATORS.get(node.operator, node.operator)
    operands = [printer.paren(arg, node, True) for arg in node.args]
    if len(operands) == 1:
        return printer.wrap(f"{operator} {operands[0]}")
    return printer.wrap(f"{operands[0]} {operator} {operands[1]}")


def _function_call(printer: Deparser, node: Call) -> str:
    """A call; functions that people reach by SQL's own syntax are printed in it."""
    name, args = node.function.name, node.args
    if node.function.form == ATTRIBUTE_FORM:
        return f"({printer.expression(args[0])}).{quote_identifier(_attribute_name(printer, node.function))}"
    if node.function.form == TIDY_FORM:
        return printer.expression(args[0])
    if node.function.oid == PADDING:
        return printer.expression(args[0], True)
    if node.function.form == OBJECT_FORM:
        written = None if printer.names.shorthand is None else printer.names.shorthand(node)
        if written is None:
            raise errors.NotSupportedError("printing a row as JSON is not supported here")
        return written
    if name == "extract" and isinstance(args[0], Const):
        return f"EXTRACT({args[0].value} FROM {printer.expression(args[1], True)})"
    if name == "position":
        searched, found = (printer.expression(arg, True) for arg in args)
        return f"POSITION(({found}) IN ({searched}))"
    if name == "timezone" and len(args) == 2:
        zone, time = (printer.expression(arg, True) for arg in args)
        return f"({time} AT TIME ZONE {zone})"
    if name == "btrim":
        text, *characters = (printer.expression(arg, True) for arg in args)
        return f"TRIM(BOTH {''.join(f'{c} ' for c in characters)}FROM {text})"
    schema = "" if node.function.schema == "pg_catalog" else f"{node.function.schema}."
    return f"{schema}{quote_identifier(name)}({printer.arguments(args)})"


def _attribute_name(printer: Deparser, getter: Function) -> str:
    """The attribute's name as it is now."""
    if printer.names.attributes is not None:
        for field in printer.names.attributes(getter.arg_types[0]).fields:
            if field.number == int(getter.arg_names[0]):
                return field.name
    return getter.name


def _composite(printer: Deparser, node: Cast) -> str:
    """ROW(...)::type, with the attributes that the type has now."""
    items: tuple[Expr, ...] = node.arg.items if isinstance(node.arg, RowOf) else ()
    texts = [printer.expression(item, True) for item in items]
    if printer.names.attributes is not None:
        fields = printer.names.attributes(node.type.oid).fields
        texts = [
            texts[field.number]
            if field.number < len(texts)
            else f"NULL::{printer.names.type_name(SqlType(field.type_oid, field.typmod))}"
            for field in fields
        ]
    return f"ROW({', '.join(texts)})::{printer.names.type_name(node.type)}"


def _and(printer: Deparser, node: And, _show: bool) -> str:
    if len(node.args) == 1:
        return printer.expression(node.args[0])
    return printer.wrap(" AND ".join(printer.paren(arg, node, False) for arg in node.args))


def _or(printer: Deparser, node: Or, _show: bool) -> str:
    return printer.wrap(" OR ".join(printer.paren(arg, node, False) for arg in node.args))


def _not(printer: Deparser, node: Not, _show: bool) -> str:
    if _is_not_in(node):
        assert isinstance(node.arg, AnyAll)
        return _any_all(printer, replace(node.arg, operator="<>", is_all=True), False)
    return printer.wrap(f"NOT {printer.paren(node.arg, node, False)}")


def _is_not_in(node: Expr) -> bool:
    """`x NOT IN (...)`, which prints as `x <> ALL (...)`."""
    if not isinstance(node, Not) or not isinstance(node.arg, AnyAll):
        return False
    return node.arg.written_as_in and node.arg.operator == "=" and not node.arg.is_all


def _is_null(printer: Deparser, node: IsNull, _show: bool) -> str:
    return printer.wrap(f"{printer.paren(node.arg, node, True)} IS {'NOT ' if node.negated else ''}NULL")


def _is_truth(printer: Deparser, node: IsTruth, _show: bool) -> str:
    word = {True: "TRUE", False: "FALSE", None: "UNKNOWN"}[node.value]
    return printer.wrap(f"{printer.paren(node.arg, node, False)} IS {'NOT ' if node.negated else ''}{word}")


def _is_distinct(printer: Deparser, node: IsDistinct, _show: bool) -> str:
    left, right = (printer.paren(side, node, True) for side in (node.left, node.right))
    text = printer.wrap(f"{left} IS DISTINCT FROM {right}")
    if not node.negated:
        return text
    return f"NOT {text}" if printer.pretty else f"(NOT {text})"


def _any_all(printer: Deparser, node: AnyAll, _show: bool) -> str:
    left = printer.paren(node.left, node, True)
    array = printer.paren(node.array, node, True)
    operator = WRITTEN_OPERATORS.get(node.operator, node.operator)
    return printer.wrap(f"{left} {operator} {'ALL' if node.is_all else 'ANY'} ({array})")


# --- conditional forms, arrays, rows --------------------------------------------------------------


def _case(printer: Deparser, node: Case, _show: bool) -> str:
    if isinstance(node.default, Call) and node.default.function.form == OBJECT_FORM:
        return printer.expression(node.default)  # NULL for a row that an outer join did not find
    text = "CASE"
    if node.test is not None:
        text += f" {printer.expression(node.test, True)}"
    printer.indent += INDENT
    for condition, result in node.whens:
        text += (
            f"{printer.line()}WHEN {_when(printer, node, condition)} THEN {printer.expression(result, True)}"
        )
    if node.default is None:
        default = f"NULL::{printer.names.type_name(node.type)}"
    else:
        default = printer.expression(node.default, True)
    text += f"{printer.line()}ELSE {default}"
    printer.indent -= INDENT
    return f"{printer.line()}{text}{printer.line()}END"


def _when(printer: Deparser, node: Case, condition: Expr) -> str:
    """A simple CASE prints only what its test is compared with."""
    if node.test is not None and isinstance(condition, Call) and len(condition.args) == 2:
        return printer.expression(condition.args[1], False)
    return printer.expression(condition, False)


def _coalesce(printer: Deparser, node: Coalesce, _show: bool) -> str:
    return f"COALESCE({printer.arguments(node.args)})"


def _extreme(printer: Deparser, node: Extreme, _show: bool) -> str:
    return f"{'GREATEST' if node.greatest else 'LEAST'}({printer.arguments(node.args)})"


def _null_if(printer: Deparser, node: NullIf, _show: bool) -> str:
    return f"NULLIF({printer.arguments((node.left, node.right))})"


def _array(printer: Deparser, node: ArrayOf, _show: bool) -> str:
    text = f"ARRAY[{printer.arguments(node.items)}]"
    return text if node.items else f"{text}::{printer.names.type_name(node.type)}"


def _row(printer: Deparser, node: RowOf, _show: bool) -> str:
    return f"ROW({printer.arguments(node.items)})"


def _subscript(printer: Deparser, node: Subscript, _show: bool) -> str:
    base = printer.paren(node.arg, node, True)
    if isinstance(node.arg, Subscript) and node.arg.type.oid == oids.JSONB:
        pass  # jb['a']['b'] may have come in two steps
    elif not isinstance(node.arg, (Column, Param)) and not printer.pretty:
        base = f"({base})"
    return base + "".join(_bounds(printer, node.is_slice, pair) for pair in node.bounds)


def _bounds(printer: Deparser, is_slice: bool, pair: tuple[Expr | None, Expr | None]) -> str:
    lower, upper = ("" if bound is None else printer.expression(bound) for bound in pair)
    return f"[{lower}:{upper}]" if is_slice else f"[{upper}]"


def _subquery(printer: Deparser, node: SubqueryExpr, _show: bool) -> str:
    if printer.names.print_query is None:
        raise errors.NotSupportedError("printing subqueries is not supported here")
    query = printer.names.print_query(node.query, printer.indent)
    if node.kind == "exists":
        return f"(EXISTS ({query}))"
    if node.kind == "array":
        return f"ARRAY({query})"
    if node.kind == "scalar":
        return f"({query})"
    lefts = ", ".join(printer.expression(left, True) for left in node.lefts)
    left = lefts if len(node.lefts) == 1 else f"ROW({lefts})"
    if node.kind == "any" and node.operator == "=":
        return f"({left} IN ({query}))"
    return f"({left} {node.operator} {node.kind.upper()} ({query}))"


# --- aggregates and windows -----------------------------------------------------------------------


def _aggregate(printer: Deparser, node: Aggregate, _show: bool) -> str:
    body = printer.arguments(node.args) if node.args else "*"
    distinct = "DISTINCT " if node.distinct else ""
    if node.function.kind != "n":
        return _within_group(printer, node)
    if node.function.form == ROWS_FORM:
        body = body.removeprefix("row_to_json(").removesuffix(")")
    order = f" ORDER BY {printer_sort_keys(printer, node.order_by)}" if node.order_by else ""
    text = f"{quote_identifier(node.function.name)}({distinct}{body}{order})"
    return text + _filter(printer, node.filter)


def _within_group(printer: Deparser, node: Aggregate) -> str:
    """An ordered-set aggregate; its arguments end with what it sorts by."""
    direct = printer.arguments(node.args[: len(node.args) - len(node.order_by)])
    order = printer_sort_keys(printer, node.order_by)
    text = f"{quote_identifier(node.function.name)}({direct}) WITHIN GROUP (ORDER BY {order})"
    return text + _filter(printer, node.filter)


def _filter(printer: Deparser, condition: Expr | None) -> str:
    return "" if condition is None else f" FILTER (WHERE {printer.expression(condition)})"


def printer_sort_keys(printer: Deparser, keys: tuple[SortKey, ...]) -> str:
    """ORDER BY's items."""
    return ", ".join(
        sort_key_text(printer.expression(key.expr), key.descending, key.nulls_first) for key in keys
    )


def sort_key_text(text: str, descending: bool, nulls_first: bool) -> str:
    """A sort key with its direction, and its place for NULLs where that is not the default."""
    if descending:
        return f"{text} DESC" if nulls_first else f"{text} DESC NULLS LAST"
    return f"{text} NULLS FIRST" if nulls_first else text


def _window(printer: Deparser, node: WindowCall, _show: bool) -> str:
    body = printer.arguments(node.args)
    if not node.args and node.function.name == "count":
        body = "*"
    parts = []
    if node.partition_by:
        parts.append(f"PARTITION BY {printer.arguments(node.partition_by, False)}")
    if node.order_by:
        parts.append(f"ORDER BY {printer_sort_keys(printer, node.order_by)}")
    frame = frame_text(printer, node.frame)
    if frame:
        parts.append(frame)
    call = f"{quote_identifier(node.function.name)}({body}){_filter(printer, node.filter)}"
    return f"{call} OVER ({' '.join(parts)})"


def frame_text(printer: Deparser, frame: Frame) -> str:
    """A window's frame clause, empty for the default frame."""
    default = frame.mode.lower() == "range" and frame.start[0] == "unbounded_preceding"
    if default and frame.end[0] == "current" and frame.exclude == "no_others":
        return ""
    bounds = f"{_frame_bound(printer, frame.start)} AND {_frame_bound(printer, frame.end)}"
    exclude = f" EXCLUDE {EXCLUDES[frame.exclude]}" if frame.exclude in EXCLUDES else ""
    return f"{frame.mode.upper()} BETWEEN {bounds}{exclude}"


def _frame_bound(printer: Deparser, bound: tuple[str, Expr | None]) -> str:
    word = FRAME_BOUNDS[bound[0]]
    return word if bound[1] is None else f"{printer.expression(bound[1])} {word}"


_PRINTERS: dict[type[Expr], Callable[[Deparser, Any, bool], str]] = {
    Const: _const,
    Column: _column,
    SystemColumn: _system_column,
    Param: _param,
    Cast: _cast,
    Call: _call,
    And: _and,
    Or: _or,
    Not: _not,
    IsNull: _is_null,
    IsTruth: _is_truth,
    IsDistinct: _is_distinct,
    AnyAll: _any_all,
    Case: _case,
    Coalesce: _coalesce,
    Extreme: _extreme,
    NullIf: _null_if,
    ArrayOf: _array,
    RowOf: _row,
    Subscript: _subscript,
    SubqueryExpr: _subquery,
    Aggregate: _aggregate,
    WindowCall: _window,
}
