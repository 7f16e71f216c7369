"""Builders of value expressions (grammar.lark's actions): operands, functions, CASE, types.

An expression reaches `expression` as a flat list of operands, prefixes, operators and tests.  Precedence, from what
binds least:

    1 OR XOR   2 AND   3 NOT   4 IS TRUE/FALSE/UNKNOWN   5 = <> < <= > >=
    6 IS NULL, IS TYPED and the other tests, IN, LIKE, CONTAINS, STARTS WITH, ENDS WITH
    7 ||   8 + -   9 * / %   10 signs   11 :Label

All operators group from the left.  GQL itself allows a test only behind an operand; `a + b IS NULL` and
`a = b IS NULL` are read as Cypher reads them, (a + b) IS NULL and a = (b IS NULL).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final, TypeAlias

from skerry_engine.errors import SyntaxError
from skerry_engine.gql import tree
from skerry_engine.gql.lexer import DOUBLE_QUOTED, FLOAT
from skerry_engine.gql.source import Source
from skerry_engine.sql.lexer import HEX_STRING, INTEGER, STRING

INT8_LIMIT: Final = 1 << 63
_INT8_DIGITS: Final = 19

_LEVELS: Final = {
    "or": 1, "xor": 1, "and": 2, "=": 5, "<>": 5, "<": 5, "<=": 5, ">": 5, ">=": 5,
    "in": 6, "like": 6, "contains": 6, "starts with": 6, "ends with": 6,
    "||": 7, "+": 8, "-": 8, "*": 9, "/": 9, "%": 9,
}  # fmt: skip
_NOT_LEVEL: Final = 3
_TRUTH_LEVEL: Final = 4
_TEST_LEVEL: Final = 6
_SIGN_LEVEL: Final = 10
_LABEL_LEVEL: Final = 11

_WORD_FUNCTIONS: Final = frozenset(
    """current_date current_time current_timestamp local_time local_timestamp session_user""".split()
)
"""Functions that are called by their name alone."""
_NORMAL_FORMS: Final = frozenset(("nfc", "nfd", "nfkc", "nfkd"))


class Prefix:
    """NOT or a sign before an operand."""

    __slots__ = ("level", "name", "position")

    def __init__(self, name: str, position: int) -> None:
        self.name = name
        self.position = position
        self.level = _NOT_LEVEL if name == "not" else _SIGN_LEVEL


class Operator:
    """An operator between two operands."""

    __slots__ = ("level", "name", "position")

    def __init__(self, name: str, position: int) -> None:
        self.name = name
        self.position = position
        self.level = _LEVELS[name]


class Test:
    """Something behind an operand: IS NULL, :Label."""

    __slots__ = ("level", "make")

    def __init__(self, make: Callable[[tree.Expr], tree.Expr], level: int = _TEST_LEVEL) -> None:
        self.make = make
        self.level = level


class Compared:
    """A comparison that lacks its left side: WHEN > 5."""

    __slots__ = ("operator", "position", "right")

    def __init__(self, operator: str, position: int, right: tree.Expr) -> None:
        self.operator = operator
        self.position = position
        self.right = right


Item: TypeAlias = "tree.Expr | Prefix | Operator | Test"


# --- operators ----------------------------------------------------------------------------------------------------


def chain(_source: Source, _position: int, *items: Item | list[Item]) -> list[Item]:
    found: list[Item] = []
    return _extended(found, items)


def chain_more(_source: Source, _position: int, found: list[Item], *items: Item | list[Item]) -> list[Item]:
    return _extended(found, items)


def _extended(found: list[Item], items: Sequence[Item | list[Item]]) -> list[Item]:
    for item in items:
        if isinstance(item, list):
            found += item
        else:
            found.append(item)
    return found


def expression(_source: Source, _position: int, items: list[Item]) -> tree.Expr:
    """The tree of a flat expression."""
    operands: list[tree.Expr] = []
    waiting: list[Prefix | Operator] = []
    for item in items:
        if isinstance(item, tree.Expr):
            operands.append(item)
        elif isinstance(item, Prefix):
            waiting.append(item)
        else:
            _apply(operands, waiting, item.level)
            if isinstance(item, Test):
                operands[-1] = item.make(operands[-1])
            else:
                waiting.append(item)
    _apply(operands, waiting, 0)
    return operands[0]


def _apply(operands: list[tree.Expr], waiting: list[Prefix | Operator], level: int) -> None:
    """Apply the waiting operators that bind at least as much as `level`."""
    while waiting and waiting[-1].level >= level:
        item = waiting.pop()
        right = operands.pop()
        if isinstance(item, Prefix):
            operands.append(tree.Unary(item.position, item.name, right))
        else:
            operands.append(tree.Binary(item.position, item.name, operands.pop(), right))


def prefix(source: Source, position: int, index: int) -> Prefix:
    return Prefix(source.word(index), position)


def operator(source: Source, position: int, *words: int) -> Operator:
    return Operator(" ".join([source.word(index) for index in words]), position)


def comparison(source: Source, position: int, index: int) -> Operator:
    return Operator(source.tokens.values[index], position)


# --- tests --------------------------------------------------------------------------------------------------------


def test_null(_source: Source, position: int, negated: bool) -> Test:
    return Test(lambda arg: tree.IsNull(position, arg, negated))


def _truth(value: bool | None) -> Callable[[Source, int, bool], Test]:
    def build(_source: Source, position: int, negated: bool) -> Test:
        return Test(lambda arg: tree.IsTruth(position, arg, value, negated), _TRUTH_LEVEL)

    return build


def test_typed(_source: Source, position: int, negated: bool, of: tree.ValueType) -> Test:
    return Test(lambda arg: tree.IsTyped(position, arg, of, negated))


def test_normalized(_source: Source, position: int, negated: bool, form: str | None) -> Test:
    return Test(lambda arg: tree.IsNormalized(position, arg, form or "nfc", negated))


def test_directed(_source: Source, position: int, negated: bool) -> Test:
    return Test(lambda arg: tree.IsDirected(position, arg, negated))


def test_labeled(_source: Source, position: int, negated: bool, label: tree.Label) -> Test:
    return Test(lambda arg: tree.IsLabeled(position, arg, label, negated))


def test_label(_source: Source, position: int, label: tree.Label) -> Test:
    return Test(lambda arg: tree.IsLabeled(position, arg, label), _LABEL_LEVEL)


def _endpoint(end: str) -> Callable[[Source, int, bool, tree.Expr], Test]:
    def build(_source: Source, position: int, negated: bool, edge: tree.Expr) -> Test:
        return Test(lambda arg: tree.IsEndpoint(position, arg, end, edge, negated))

    return build


def word(source: Source, _position: int, index: int) -> str:
    return source.word(index)


# --- operands -----------------------------------------------------------------------------------------------------


def literal(source: Source, position: int, index: int) -> tree.Literal:
    kind, value = literal_value(source.tokens.kinds[index], source.tokens.values[index], position)
    return tree.Literal(position, kind, value, source.literal_at.get(index, -1))


def fixed_literal(source: Source, position: int, index: int) -> tree.Literal:
    """A count: part of the plan, so never lifted."""
    text = source.plain(index)
    found = literal(source, position, index)
    if found.kind != "int8":
        raise SyntaxError(f"{text} is too large here", position=position)
    return found


def literal_value(kind: int, text: str, position: int) -> tuple[str, int | Decimal | float | str | bytes]:
    """Class and value of a constant's token."""
    if kind == STRING or kind == DOUBLE_QUOTED:
        return "string", text
    if kind == INTEGER:
        if len(text) <= _INT8_DIGITS or len(text.lstrip("0")) <= _INT8_DIGITS:
            number = int(text.lstrip("0") or "0")
            if number < INT8_LIMIT:
                return "int8", number
        return "numeric", Decimal(text)
    if kind == FLOAT:
        value = float(text)
        if value in (float("inf"), float("-inf")):
            raise SyntaxError(f"{text} is out of the range of FLOAT64", position=position)
        return "float8", value
    if kind == HEX_STRING:
        return "bytes", bytes.fromhex(text)
    return "numeric", Decimal(text)


def true(_source: Source, position: int) -> tree.Literal:
    return tree.Literal(position, "boolean", True)


def false(_source: Source, position: int) -> tree.Literal:
    return tree.Literal(position, "boolean", False)


def null(_source: Source, position: int) -> tree.Literal:
    return tree.Literal(position, "null", None)


def temporal_literal(source: Source, position: int, kind: str, text: int) -> tree.TemporalLiteral:
    return tree.TemporalLiteral(position, kind, source.plain(text))


def parameter(source: Source, position: int, index: int) -> tree.Parameter:
    return tree.Parameter(position, source.tokens.values[index])


def variable_reference(_source: Source, position: int, name: str) -> tree.Expr:
    lowered = name.lower()
    if lowered in _WORD_FUNCTIONS:
        return tree.Call(position, lowered, ())
    return tree.Variable(position, name)


def quoted_variable(_source: Source, position: int, name: str) -> tree.Variable:
    return tree.Variable(position, name)


def quoted_name(source: Source, position: int, index: int) -> str:
    name = source.plain(index)
    if not name:
        raise SyntaxError("a quoted name cannot be empty", position=position)
    return name


def first(_source: Source, _position: int, child: object) -> object:
    return child


def items(_source: Source, _position: int, *children: object) -> tuple[object, ...]:
    return children


def property_of(_source: Source, position: int, arg: tree.Expr, name: str) -> tree.Property:
    return tree.Property(position, arg, name)


def all_properties(_source: Source, position: int, arg: tree.Expr) -> tree.ReturnItem:
    return tree.ReturnItem(position, tree.AllProperties(position, arg))


def index_of(_source: Source, position: int, arg: tree.Expr, index: tree.Expr) -> tree.Index:
    return tree.Index(position, arg, index)


def slice_of(
    _source: Source, position: int, arg: tree.Expr, lower: tree.Expr | None, upper: tree.Expr | None
) -> tree.Slice:
    return tree.Slice(position, arg, lower, upper)


def list_value(_source: Source, position: int, values: tuple[tree.Expr, ...] | None) -> tree.ListValue:
    return tree.ListValue(position, values or ())


def record(_source: Source, position: int, fields: tuple[tree.Field, ...] | None) -> tree.RecordValue:
    _refuse_twice(fields or ())
    return tree.RecordValue(position, fields or ())


def field(_source: Source, position: int, name: str, value: tree.Expr) -> tree.Field:
    return tree.Field(position, name, value)


def _refuse_twice(fields: Sequence[tree.Field]) -> None:
    seen: set[str] = set()
    for one in fields:
        if one.name in seen:
            raise SyntaxError(f'"{one.name}" is given twice', position=one.position)
        seen.add(one.name)


def path_value(_source: Source, position: int, values: tuple[tree.Expr, ...]) -> tree.PathValue:
    if len(values) % 2 == 0:
        raise SyntaxError("a path begins and ends with a node", position=position)
    return tree.PathValue(position, values)


def function(
    _source: Source, position: int, name: str, args: tuple[tree.Expr, ...] | None
) -> tree.Call | tree.PropertyExists:
    lowered = name.lower()
    given = args or ()
    if lowered == "property_exists" and len(given) == 2 and isinstance(given[1], tree.Variable):
        return tree.PropertyExists(position, given[0], given[1].name)
    if lowered == "normalize" and len(given) == 2 and isinstance(given[1], tree.Variable):
        form = given[1].name.lower()
        if form in _NORMAL_FORMS:
            return tree.Call(position, lowered, (given[0], _word(given[1].position, form)))
    return tree.Call(position, lowered, given)


def distinct_function(_source: Source, position: int, name: str, args: tuple[tree.Expr, ...]) -> tree.Call:
    return tree.Call(position, name.lower(), args, is_distinct=True)


def star_function(_source: Source, position: int, name: str) -> tree.Call:
    return tree.Call(position, name.lower(), (), is_star=True)


def _word(position: int, text: str) -> tree.Literal:
    return tree.Literal(position, "string", text)


def trim(_source: Source, position: int, text: tree.Expr, second: tree.Expr | None) -> tree.Call:
    return tree.Call(position, "trim", (text,) if second is None else (text, second))


def trim_from(_source: Source, position: int, characters: tree.Expr, text: tree.Expr) -> tree.Call:
    return tree.Call(position, "trim", (_word(position, "both"), characters, text))


def trim_side_from(
    _source: Source, position: int, side: str, characters: tree.Expr | None, text: tree.Expr
) -> tree.Call:
    middle = () if characters is None else (characters,)
    return tree.Call(position, "trim", (_word(position, side), *middle, text))


def duration_between(
    _source: Source, position: int, args: tuple[tree.Expr, ...], qualifier: str | None = None
) -> tree.Call:
    more = () if qualifier is None else (_word(position, qualifier),)
    return tree.Call(position, "duration_between", (*args, *more))


def duration_qualifier(source: Source, _position: int, *words: int) -> str:
    return " ".join(source.word(word) for word in words)


def cast(_source: Source, position: int, arg: tree.Expr, of: tree.ValueType) -> tree.Cast:
    return tree.Cast(position, arg, of)


def exists(_source: Source, position: int, body: tree.Procedure | tree.GraphPattern) -> tree.Exists:
    if isinstance(body, tree.GraphPattern):
        at = body.position
        body = tree.Procedure(at, tree.Linear(at, (tree.Match(at, body),)))
    return tree.Exists(position, body)


def value_query(_source: Source, position: int, body: tree.Procedure) -> tree.ValueQuery:
    return tree.ValueQuery(position, body)


def let_value(_source: Source, position: int, *children: object) -> tree.LetValue:
    *definitions, body = children
    return tree.LetValue(position, tuple(definitions), body)  # type: ignore[arg-type]


def let_item(_source: Source, position: int, variable: str, value: tree.Expr) -> tree.ValueDefinition:
    return tree.ValueDefinition(position, variable, value)


def let_typed(
    _source: Source, position: int, variable: str, of: tree.ValueType | None, value: tree.Expr
) -> tree.ValueDefinition:
    return tree.ValueDefinition(position, variable, value, of)


# --- CASE ---------------------------------------------------------------------------------------------------------

Condition: TypeAlias = "tree.Expr | Compared | Test"


class Branch:
    """A WHEN whose conditions may lack their operand."""

    __slots__ = ("conditions", "position", "result")

    def __init__(self, position: int, conditions: Sequence[Condition], result: tree.Expr) -> None:
        self.position = position
        self.conditions = conditions
        self.result = result


def branch(_source: Source, position: int, *children: tree.Expr) -> Branch:
    return Branch(position, children[:-1], children[-1])


def operand_compared(_source: Source, position: int, operator: Operator, right: tree.Expr) -> Compared:
    return Compared(operator.name, position, right)


def case(
    _source: Source, position: int, operand: tree.Expr | None, *rest: Branch | tree.Expr | None
) -> tree.Case:
    *branches, otherwise = rest
    assert otherwise is None or isinstance(otherwise, tree.Expr)
    built = [_branch(one, operand is not None, position) for one in branches if isinstance(one, Branch)]
    return tree.Case(position, operand, tuple(built), otherwise)


def _branch(branch: Branch, is_simple: bool, position: int) -> tree.CaseBranch:
    conditions = [_condition(one, is_simple, branch.position) for one in branch.conditions]
    return tree.CaseBranch(branch.position, tuple(conditions), branch.result)


def _condition(condition: Condition, is_simple: bool, position: int) -> tree.Expr:
    if not is_simple:
        if not isinstance(condition, tree.Expr):
            raise SyntaxError("CASE without an operand needs whole conditions behind WHEN", position=position)
        return condition
    if isinstance(condition, Test):
        return condition.make(tree.CaseOperand(position))
    if isinstance(condition, Compared):
        return tree.Binary(
            condition.position, condition.operator, tree.CaseOperand(condition.position), condition.right
        )
    return tree.Binary(condition.position, "=", tree.CaseOperand(condition.position), condition)


ACTIONS: Final[dict[str, Callable[..., object]]] = {
    "chain": chain,
    "chain_more": chain_more,
    "expression": expression,
    "prefix": prefix,
    "operator": operator,
    "operator_before_in": operator,
    "comparison": comparison,
    "test_null": test_null,
    "test_true": _truth(True),
    "test_false": _truth(False),
    "test_unknown": _truth(None),
    "test_typed": test_typed,
    "test_normalized": test_normalized,
    "test_directed": test_directed,
    "test_labeled": test_labeled,
    "test_label": test_label,
    "test_source": _endpoint("source"),
    "test_destination": _endpoint("destination"),
    "normal_form": word,
    "trim_side": word,
    "temporal": word,
    "literal": literal,
    "fixed_literal": fixed_literal,
    "true": true,
    "false": false,
    "null": null,
    "temporal_literal": temporal_literal,
    "parameter": parameter,
    "variable_reference": variable_reference,
    "quoted_variable": quoted_variable,
    "grouping": quoted_variable,
    "quoted_name": quoted_name,
    "first": first,
    "bracketed": first,
    "operand_tested": first,
    "items": items,
    "property": property_of,
    "all_properties": all_properties,
    "index": index_of,
    "slice": slice_of,
    "list": list_value,
    "record": record,
    "field": field,
    "path_value": path_value,
    "function": function,
    "distinct_function": distinct_function,
    "star_function": star_function,
    "trim": trim,
    "duration_between": duration_between,
    "duration_qualifier": duration_qualifier,
    "trim_from": trim_from,
    "trim_side_from": trim_side_from,
    "cast": cast,
    "exists": exists,
    "value_query": value_query,
    "let_value": let_value,
    "let_item": let_item,
    "let_typed": let_typed,
    "branch": branch,
    "operand_compared": operand_compared,
    "case": case,
}
