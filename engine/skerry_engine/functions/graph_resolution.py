"""Which function, aggregate or operator a GQL text means.

GQL's names lead to the functions of PostgreSQL's catalog and to Skerry's own (schema `skerry`), by one table,
`TARGETS`.  What they lead to is resolved by `functions/resolve.py`; this module adds what GQL has and SQL has not:

- Values of dynamic type.  With an argument of type ANYVALUE the call is resolved when it runs
  (`dynamic.dynamic_function`); its type is that of all the functions it may turn out to be, or ANYVALUE.
- One integer type for results: INT8 (and FLOAT8, TEXT), as graphs store them (`graphs.widened`).
- Comparison between any two types.  Numbers compare by their values, not by what is left of them in the other's
  type; values of other different types are never equal, and have no order, which is an error when it happens.
- Lists, paths, elements, dates with durations.

The type UNKNOWN (NULL, a parameter without a type) takes what its place asks for, as in SQL; beside ANYVALUE it is a
string.  Resolution gives the type to coerce each argument to; an argument of one of the types in `graphs.UNTAGGED` may
stand for ANYVALUE as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from skerry_engine.errors import AmbiguousFunction, DatatypeMismatch, UndefinedFunction, ValuesNotComparable
from skerry_engine.functions.dynamic import (
    ANY_COMPARISONS,
    DECIMAL_COMPARISONS,
    ELEMENT_COMPARISONS,
    NUMBER_COMPARISONS,
    PATH_COMPARISONS,
    dynamic_function,
    json_conversion,
)
from skerry_engine.functions.polymorphism import POLYMORPHIC
from skerry_engine.functions.registry import (
    PG_CATALOG,
    AnyFunction,
    Function,
    functions_named,
    on_redefinition,
    scalar_function,
)
from skerry_engine.functions.resolve import resolve_function, resolve_operator
from skerry_engine.values import dynamic_keys, oids
from skerry_engine.values.graphs import widened
from skerry_engine.values.types import find_type, graph_type_name

Resolved = tuple[AnyFunction, tuple[int, ...], int]
"""The function, the type that each argument is to have, the type of the result."""

COMPARISONS = frozenset(ANY_COMPARISONS)
ARITHMETIC = frozenset(("+", "-", "*", "/", "%"))

_OWN = "skerry."


def _table(text: str) -> dict[str, tuple[str, ...]]:
    """Lines `name name ... -> target target ...`; a target without a schema is PostgreSQL's."""
    found: dict[str, tuple[str, ...]] = {}
    for line in text.strip().splitlines():
        names, _, targets = line.partition("->")
        for name in names.split():
            found[name] = tuple(targets.split())
    return found


TARGETS = _table(
    """
    char_length character_length     -> char_length
    byte_length octet_length         -> octet_length
    upper                            -> skerry.upper
    lower                            -> skerry.lower
    left                             -> skerry.left
    right                            -> skerry.right
    trim                             -> skerry.trim skerry.list_trim
    btrim                            -> btrim
    ltrim                            -> ltrim
    rtrim                            -> rtrim
    normalize                        -> normalize
    is_normalized                    -> is_normalized
    substring                        -> substring
    replace                          -> replace
    split                            -> skerry.split
    reverse                          -> skerry.reverse skerry.list_reverse
    starts_with                      -> starts_with
    ends_with                        -> skerry.ends_with
    contains                         -> skerry.contains

    abs                              -> abs skerry.abs
    sign                             -> sign
    mod                              -> mod skerry.mod
    floor                            -> skerry.floor floor
    ceil ceiling                     -> skerry.ceil ceil
    round                            -> round
    sqrt                             -> sqrt
    exp                              -> exp
    ln                               -> ln
    log                              -> skerry.log
    log10                            -> log10
    power                            -> power
    sin                              -> sin
    cos                              -> cos
    tan                              -> tan
    cot                              -> cot
    asin                             -> asin
    acos                             -> acos
    atan                             -> atan
    atan2                            -> atan2
    sinh                             -> sinh
    cosh                             -> cosh
    tanh                             -> tanh
    degrees                          -> degrees
    radians                          -> radians
    pi                               -> pi
    random                           -> random

    size                             -> skerry.list_size
    cardinality                      -> skerry.list_size skerry.path_cardinality skerry.record_size
    head                             -> skerry.list_head
    last                             -> skerry.list_last
    tail                             -> skerry.list_tail
    range                            -> skerry.list_range
    elements                         -> skerry.path_elements
    nodes                            -> skerry.path_nodes
    edges relationships              -> skerry.path_edges
    path_length                      -> skerry.path_length
    element_id                       -> skerry.element_id
    labels                           -> skerry.labels
    properties                       -> skerry.properties
    property_names keys              -> skerry.property_names
    property_by_name                 -> skerry.property_by_name
    all_different                    -> skerry.all_different
    same                             -> skerry.same
    is_source                        -> skerry.is_source
    is_destination                   -> skerry.is_destination

    date                             -> skerry.date skerry.current_date
    local_time                       -> skerry.local_time
    zoned_time time                  -> skerry.zoned_time skerry.current_time
    local_datetime                   -> skerry.local_datetime skerry.local_timestamp
    zoned_datetime datetime          -> skerry.zoned_datetime skerry.current_timestamp
    duration                         -> skerry.duration
    duration_between                 -> skerry.duration_between
    current_date                     -> skerry.current_date
    current_time                     -> skerry.current_time
    current_timestamp                -> skerry.current_timestamp
    local_timestamp                  -> skerry.local_timestamp

    session_user                     -> session_user
    current_user                     -> current_user

    count                            -> count
    sum                              -> skerry.sum sum
    avg                              -> skerry.avg avg
    min                              -> min skerry.min
    max                              -> max skerry.max
    collect_list collect             -> skerry.collect_list
    stddev_samp                      -> skerry.stddev_samp stddev_samp
    stddev_pop                       -> skerry.stddev_pop stddev_pop
    percentile_cont                  -> skerry.percentile_cont
    percentile_disc                  -> skerry.percentile_disc
    """
)
"""GQL's functions by name, in lower case, with what they lead to: the first that takes the arguments.

COALESCE, NULLIF, CASE, CAST, EXISTS and
PROPERTY_EXISTS are no functions but expressions of the binder's.
"""

AGGREGATES = frozenset(
    ("count", "sum", "avg", "min", "max", "collect_list", "collect", "stddev_samp", "stddev_pop")
    + ("percentile_cont", "percentile_disc")
)


def resolve_graph_function(
    name: str, arg_types: Sequence[int], position: int | None = None, *, inferred: bool = False
) -> Resolved:
    """The function or aggregate that GQL means by `name(arg_types)`; `name` is in lower case.

    `inferred`: the arguments' types are not the writer's business but what an open graph happens to hold; where no
    function takes them, the call is resolved when it runs, and fails only if a value comes.  Raises UndefinedFunction,
    AmbiguousFunction, NotSupportedError.
    """
    given = tuple(arg_types)
    if name not in TARGETS:
        raise UndefinedFunction(f"function {_call_text(name, given)} does not exist", position=position)
    special = _SPECIAL.get(name)
    if special is not None:
        given = special(given)
    if oids.ANYVALUE in given and name not in AGGREGATES and not _takes_any(name, given):
        return _by_name(name, given)
    try:
        return _widened(_first_fitting(name, given, position))
    except (UndefinedFunction, AmbiguousFunction):
        if inferred and name not in AGGREGATES:
            return _by_name(name, given)
        raise


def resolve_graph_operator(
    symbol: str, left: int | None, right: int, position: int | None = None, *, inferred: bool = False
) -> tuple[Function, tuple[int, ...], int]:
    """The function that carries out an operator of GQL for operands of these types (`left` None: prefix).

    `symbol`: a comparison, arithmetic, `||`, or 'in', 'starts with', 'ends with', 'contains', 'like'.  As for the rest,
    see `resolve_graph_function`.
    """
    if left is not None and symbol in COMPARISONS:
        if not inferred and symbol in _ORDERING:
            _check_ordered(left, right, position)
        return _comparison(symbol, left, right)
    if symbol in _WORDS:
        return _word(symbol, left or 0, right, position, inferred)
    given = (right,) if left is None else (left, right)
    if oids.ANYVALUE in given:
        function = dynamic_function(symbol, len(given))
        return function, _any_types(given), function.return_type
    try:
        return _static_operator(symbol, left, right, position)
    except (UndefinedFunction, AmbiguousFunction) as error:
        if inferred:
            function = dynamic_function(symbol, len(given))
            return function, (oids.ANYVALUE,) * len(given), function.return_type
        raise type(error)(
            f"operator does not exist: {_operation_text(symbol, left, right)}",
            hint=error.hint,
            position=error.position or position,
        ) from None


def _operation_text(symbol: str, left: int | None, right: int) -> str:
    operands = ("" if left is None else f"{graph_type_name(left)} ", graph_type_name(right))
    return f"{operands[0]}{symbol} {operands[1]}"


def common_graph_type(types: Sequence[int]) -> int:
    """The type of alternatives (CASE, COALESCE, UNION): the one that all have, the widest of numbers, else ANYVALUE;
    UNKNOWN where nothing is known."""
    known = {widened(type_oid) for type_oid in types if type_oid != oids.UNKNOWN}
    if not known:
        return oids.UNKNOWN
    if len(known) == 1:
        return known.pop()
    for widest in (oids.FLOAT8, oids.NUMERIC):
        if widest in known and known <= {oids.INT8, oids.NUMERIC, oids.FLOAT8}:
            return widest
    return oids.ANYVALUE


def list_type(types: Sequence[int]) -> int:
    """The array type of a list whose items have these types: of their one type (UNKNOWN aside), else of ANYVALUE.
    Numbers of different types stay what they are."""
    known = {widened(type_oid) for type_oid in types if type_oid != oids.UNKNOWN}
    if not known and types:
        return oids.ANYVALUE_ARRAY
    if len(known) == 1:
        info = find_type(known.pop())
        if info is not None and info.array_oid and not info.is_array:
            return info.array_oid
    return oids.ANYVALUE_ARRAY


def parameter_type(type_oid: int) -> tuple[int, Function | None]:
    """The type that a client's parameter of that type has in GQL, and the function that makes it one; None where its
    values are of it as they stand.  Integers are INT8; json is the records, lists and atoms that it says."""
    if type_oid == oids.UNKNOWN:
        return type_oid, None
    if type_oid in _JSON_TYPES:
        return oids.ANYVALUE, json_conversion(type_oid, oids.ANYVALUE)
    if type_oid in _JSON_ARRAYS:
        return oids.ANYVALUE_ARRAY, scalar_function(_JSON_ARRAYS[type_oid])
    return widened(type_oid), None


_JSON_TYPES = (oids.JSON, oids.JSONB)
_JSON_ARRAYS = {oids.JSON_ARRAY: 9294, oids.JSONB_ARRAY: 9295}


# --- functions ----------------------------------------------------------------------------------------------


def _first_fitting(name: str, given: tuple[int, ...], position: int | None) -> Resolved:
    for target in TARGETS[name]:
        schema, _, bare = target.rpartition(".")
        try:
            function, types, result = resolve_function(bare, given, schema or PG_CATALOG, position)
        except UndefinedFunction:
            continue
        return function, _strings_for_any(given, types), result
    hint = "No function of that name takes arguments of these types."
    text = f"function {_call_text(name, given)} does not exist"
    raise UndefinedFunction(text, hint=hint, position=position)


def _takes_any(name: str, given: tuple[int, ...]) -> bool:
    """Whether a function of that name is declared for ANYVALUE."""
    return any(function.arg_types == given for function in _candidates(name))


@lru_cache(maxsize=256)
def _candidates(name: str) -> tuple[AnyFunction, ...]:
    found: list[AnyFunction] = []
    for target in TARGETS[name]:
        schema, _, bare = target.rpartition(".")
        found.extend(functions_named(bare, schema or PG_CATALOG))
    return tuple(found)


def _by_name(name: str, given: tuple[int, ...]) -> Resolved:
    """The call resolved when it runs."""
    function = dynamic_function(name, len(given), _result_of_all(name, len(given)))
    return function, _any_types(given), function.return_type


@lru_cache(maxsize=256)
def _result_of_all(name: str, count: int) -> int:
    """The type that all functions of the name with that many arguments give, ANYVALUE where they differ."""
    results = {
        function.return_type
        for function in _candidates(name)
        if len(function.arg_types) == count or (isinstance(function, Function) and function.variadic)
    }
    results = {widened(type_oid) for type_oid in results}
    if len(results) != 1 or results & POLYMORPHIC:
        return oids.ANYVALUE
    return results.pop()


def _any_types(given: tuple[int, ...]) -> tuple[int, ...]:
    """ANYVALUE for each argument; what is unknown is a string."""
    return tuple([oids.TEXT if type_oid == oids.UNKNOWN else oids.ANYVALUE for type_oid in given])


def _strings_for_any(given: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[int, ...]:
    """What is unknown is a string, not JSON, where a function takes ANYVALUE."""
    pairs = zip(given, wanted, strict=False)
    return tuple(
        [
            oids.TEXT if source == oids.UNKNOWN and target == oids.ANYVALUE else target
            for source, target in pairs
        ]
    )


def _widened(resolved: Resolved) -> Resolved:
    """The result as graphs have it: its atoms are the same."""
    function, types, result = resolved
    wide = widened(result)
    if wide == result:
        return resolved
    return replace(function, return_type=wide), types, wide


def _collected(given: tuple[int, ...]) -> tuple[int, ...]:
    """Lists are items of type ANYVALUE: there are no arrays of arrays."""
    return tuple([oids.ANYVALUE if _is_list(type_oid) else widened(type_oid) for type_oid in given])


def _with_fraction(given: tuple[int, ...]) -> tuple[int, ...]:
    """Any number will do for a percentile's fraction, and its values, if they are not all floats, for one of those
    that are."""
    if len(given) != 2:
        return given
    fraction = oids.FLOAT8 if given[1] in (oids.INT8, oids.NUMERIC, oids.ANYVALUE, oids.UNKNOWN) else given[1]
    return (given[0], fraction)


_SPECIAL = {
    "collect_list": _collected,
    "collect": _collected,
    "percentile_cont": _with_fraction,
    "percentile_disc": _with_fraction,
}


def _is_list(type_oid: int) -> bool:
    info = find_type(type_oid)
    return info is not None and info.is_array


# --- operators ----------------------------------------------------------------------------------------------


def _comparison(symbol: str, left: int, right: int) -> tuple[Function, tuple[int, ...], int]:
    left, right = _placed(left, right), _placed(right, left)
    own = _own_comparison(symbol, left, right)
    if own is not None:
        return own, (left, right), oids.BOOL
    if dynamic_keys.comparable(left, right) and oids.ANYVALUE not in (left, right):
        if not _is_list(left) and dynamic_keys.kind_of(left) not in dynamic_keys.UNORDERED:
            operator, types, result = resolve_operator(symbol, left, right)
            return operator.function, types, result
    return scalar_function(ANY_COMPARISONS[symbol]), (_as_any(left), _as_any(right)), oids.BOOL


_ORDERING = frozenset(("<", "<=", ">", ">="))


def _check_ordered(left: int, right: int, position: int | None) -> None:
    """Raise ValuesNotComparable for operands whose types are written down, and have no order among them."""
    known = oids.ANYVALUE not in (left, right) and oids.UNKNOWN not in (left, right)
    if known and not dynamic_keys.comparable(left, right):
        raise ValuesNotComparable(
            f"values of type {graph_type_name(left)} and {graph_type_name(right)} are not comparable",
            position=position,
        )


def _placed(type_oid: int, other: int) -> int:
    """An operand's type; what is unknown takes the other's."""
    if type_oid != oids.UNKNOWN:
        return type_oid
    return oids.TEXT if other in (oids.UNKNOWN, oids.ANYVALUE) else other


def _as_any(type_oid: int) -> int:
    """An operand of an operation on ANYVALUE: a string stays one, whatever may become of it on the way."""
    return oids.TEXT if type_oid == oids.TEXT else oids.ANYVALUE


def _own_comparison(symbol: str, left: int, right: int) -> Function | None:
    floats, wholes = (oids.FLOAT4, oids.FLOAT8), oids.INTEGERS
    table: dict[str, int] = {}
    if (left in floats and right in wholes) or (left in wholes and right in floats):
        table = NUMBER_COMPARISONS
    elif (left in floats and right == oids.NUMERIC) or (left == oids.NUMERIC and right in floats):
        table = DECIMAL_COMPARISONS
    elif left == right and left in oids.ELEMENTS:
        table = ELEMENT_COMPARISONS
    elif left == right == oids.PATH:
        table = PATH_COMPARISONS
    return scalar_function(table[symbol]) if symbol in table else None


_WORDS = {
    "starts with": "starts_with",
    "ends with": "ends_with",
    "contains": "contains",
    "in": "",
    "like": "",
}


def _word(
    symbol: str, left: int, right: int, position: int | None, inferred: bool
) -> tuple[Function, tuple[int, ...], int]:
    if symbol == "in":
        return _membership(left, right, position)
    if symbol == "like":
        left, right = (oids.TEXT if each == oids.ANYVALUE else each for each in (left, right))
        operator, types, result = resolve_operator("~~", left, right, position)
        return operator.function, types, result
    function, types, result = resolve_graph_function(
        _WORDS[symbol], (left, right), position, inferred=inferred
    )
    assert isinstance(function, Function)
    return function, types, result


def _membership(left: int, right: int, position: int | None) -> tuple[Function, tuple[int, ...], int]:
    """left IN list; a list of unknown type is one of anyvalues."""
    array = oids.ANYVALUE_ARRAY if right in (oids.ANYVALUE, oids.UNKNOWN) else right
    if not _is_list(array):
        raise DatatypeMismatch(
            f"IN takes a list, not a value of type {graph_type_name(right)}", position=position
        )
    given = (oids.ANYVALUE, array)
    function, _, result = resolve_function("list_contains", given, "skerry", position)
    assert isinstance(function, Function)
    return function, (oids.TEXT if left == oids.UNKNOWN else oids.ANYVALUE, array), result


def _static_operator(
    symbol: str, left: int | None, right: int, position: int | None
) -> tuple[Function, tuple[int, ...], int]:
    special = _SPECIAL_OPERATORS.get((symbol, left, right))
    if special is not None and left is not None:
        function, _, result = resolve_function(special, (left, right), "skerry", position)
        assert isinstance(function, Function)
        return function, (left, right), result
    if symbol == "%" and left in _NUMBERS and right in _NUMBERS:
        function, wanted, result = resolve_graph_function("mod", (left or 0, right), position)
        assert isinstance(function, Function)
        return function, wanted, result
    if symbol == "||" and left is not None:
        return _concatenation(left, right, position)
    operator, types, result = resolve_operator(symbol, left, right, position)
    wide = widened(result)
    function = operator.function if wide == result else replace(operator.function, return_type=wide)
    return function, types, wide


_NUMBERS = frozenset((oids.INT8, oids.NUMERIC, oids.FLOAT8))
_SPECIAL_OPERATORS: dict[tuple[str, int | None, int], str] = {
    ("+", oids.DATE, oids.INTERVAL): "date_plus",
    ("+", oids.INTERVAL, oids.DATE): "plus_date",
    ("-", oids.DATE, oids.INTERVAL): "date_minus",
    ("||", oids.PATH, oids.PATH): "path_concat",
}


def _concatenation(left: int, right: int, position: int | None) -> tuple[Function, tuple[int, ...], int]:
    if _is_list(left) or _is_list(right):
        return _list_concatenation(left, right, position)
    for types in (oids.STRINGS | {oids.UNKNOWN}, frozenset((oids.BYTEA, oids.UNKNOWN))):
        if left in types and right in types:
            operator, wanted, result = resolve_operator("||", left, right, position)
            return operator.function, wanted, result
    raise UndefinedFunction(
        f"operator does not exist: {graph_type_name(left)} || {graph_type_name(right)}",
        hint="Strings, byte strings, lists and paths can be concatenated with their like; cast what is something else.",
        position=position,
    )


def _list_concatenation(left: int, right: int, position: int | None) -> tuple[Function, tuple[int, ...], int]:
    left, right = _placed(left, right), _placed(right, left)
    if not (_is_list(left) and _is_list(right)):
        raise UndefinedFunction(
            f"operator does not exist: {graph_type_name(left)} || {graph_type_name(right)}",
            hint="A list can be concatenated with a list: put the item in brackets.",
            position=position,
        )
    array = left if left == right else oids.ANYVALUE_ARRAY
    function, types, result = resolve_function("list_concat", (array, array), "skerry", position)
    assert isinstance(function, Function)
    return function, types, result


def _call_text(name: str, types: Sequence[int]) -> str:
    return f"{name}({', '.join([graph_type_name(type_oid) for type_oid in types])})"


def _forget() -> None:
    _candidates.cache_clear()
    _result_of_all.cache_clear()


on_redefinition(_forget)
