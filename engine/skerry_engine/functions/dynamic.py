"""Operations on values whose types are known only when the statement runs (ANYVALUE).

    to_any      a value of a static type as an anyvalue: most stand as they are, the others get their type as a tag
    from_any    an anyvalue as a value of a static type: CAST, decided by the type it turns out to have
    any_eq ...  comparison, by values/dynamic_keys.py: unequal across kinds, without an order across kinds
    number_eq, decimal_eq ...  the same for numbers of two known types, where SQL would round one of them
    element_eq, path_eq        identity
    dynamic_function   a function or operator by name, resolved by the types its arguments turn out to have, exactly as
                the binder would have resolved it had it known them (`graph_resolution`)

What was resolved for a name and types is kept: types are few.  A NULL argument makes a call NULL without resolving it,
as all functions that are called so are strict.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from typing import Any

from skerry_engine.abc import FunctionContext
from skerry_engine.errors import (
    AmbiguousFunction,
    CannotCoerce,
    InvalidTextRepresentation,
    InvalidValueType,
    NotSupportedError,
    UndefinedFunction,
)
from skerry_engine.functions.registry import (
    Function,
    Implementation,
    define,
    functions_named,
    on_redefinition,
    scalar_function,
    specialise,
)
from skerry_engine.values import dynamic_keys, graph_text, oids
from skerry_engine.values.graphs import (
    UNTAGGED,
    AnyValue,
    GraphRecord,
    Path,
    atom_of,
    dynamic,
    path_identity,
    type_of,
)
from skerry_engine.values.types import find_type, graph_type_name, type_display

TO_ANY = 9200
FROM_ANY = 9201
LIST_TO_LIST = 9202
ANY_COMPARISONS = {"=": 9204, "<>": 9205, "<": 9206, "<=": 9207, ">": 9208, ">=": 9209}
NUMBER_COMPARISONS = {"=": 9210, "<>": 9211, "<": 9212, "<=": 9213, ">": 9214, ">=": 9215}
DECIMAL_COMPARISONS = {"=": 9216, "<>": 9217, "<": 9218, "<=": 9219, ">": 9220, ">=": 9221}
ELEMENT_COMPARISONS = {"=": 9222, "<>": 9223}
PATH_COMPARISONS = {"=": 9224, "<>": 9225}
ROW_ID_OF_ANY = 9203
ANY_OF_JSON = 9226
RECORD_OF_JSON = 9228

DYNAMIC_FORM = "dynamic"
"""The `form` of functions that `dynamic_function` made."""

_NAMES = {"=": "eq", "<>": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}

Caller = Callable[..., AnyValue]
"""(context, *arguments that are not NULL) -> the result as an anyvalue."""


# --- to and from anyvalue -----------------------------------------------------------------------------------


def to_any(type_oid: int) -> Function | None:
    """What makes an anyvalue of a value of the type; None where it is one as it stands."""
    if type_oid in UNTAGGED or type_oid == oids.ANYVALUE:
        return None
    return _to_any(type_oid)


@lru_cache(maxsize=256)
def _to_any(type_oid: int) -> Function:
    function = specialise(scalar_function(TO_ANY), (type_oid,), oids.ANYVALUE)
    return replace(function, template=f"({type_oid}, {{0}})")


@lru_cache(maxsize=256)
def from_any(type_oid: int) -> Function:
    """What makes a value of the type of an anyvalue, as CAST does."""
    return specialise(scalar_function(FROM_ANY), (oids.ANYVALUE,), type_oid)


@lru_cache(maxsize=256)
def list_conversion(source: int, target: int) -> Function:
    """What makes an array of another, where one of them has items of a graph type, by CAST of the items."""
    return specialise(scalar_function(LIST_TO_LIST), (source,), target)


def json_conversion(source: int, target: int) -> Function:
    """What makes a record (GRAPHRECORD), or whatever it says (ANYVALUE), of json or jsonb."""
    first = RECORD_OF_JSON if target == oids.GRAPHRECORD else ANY_OF_JSON
    return scalar_function(first + (source == oids.JSONB))


def _tagging(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    type_oid = arg_types[0]
    return lambda value: dynamic(type_oid, value)


def _casting(_arg_types: tuple[int, ...], return_type: int) -> Implementation:
    if return_type == oids.ANYVALUE:
        return lambda context, value: value

    def cast(context: FunctionContext, value: AnyValue) -> Any:
        source = type_of(value)
        atom = value[1] if type(value) is tuple else value
        if source == return_type:
            return atom
        return cast_between(source, return_type)(context, atom)

    return cast


@lru_cache(maxsize=1024)
def cast_between(source: int, target: int) -> Callable[[FunctionContext, Any], Any]:
    """CAST from one static type to another, in GQL.  Raises CannotCoerce."""
    own = own_cast(source, target)
    if own is not None:
        return _called_as_cast(own)
    from skerry_engine.functions.casts import find_coercion  # which hands out the functions above

    coercion = find_coercion(source, target, "e")
    if coercion is None:
        raise CannotCoerce(f"cannot cast type {graph_type_name(source)} to {graph_type_name(target)}")
    function = coercion.function
    if function is None:
        return lambda context, value: value
    return _called_as_cast(function)


_ISO_TEXTS = {oids.INTERVAL: 9370, oids.TIMESTAMP: 9371, oids.TIMESTAMPTZ: 9372, oids.TIMETZ: 9373}


def exactly(target: int, column: str) -> Function:
    """An anyvalue as one of the type that a view's column has.  Raises InvalidValueType for any other, where a cast would
    round."""

    def read(value: AnyValue) -> Any:
        if type_of(value) != target:
            found, wanted = type_display(type_of(value)), type_display(target)
            raise InvalidValueType(
                f'the view\'s column "{column}" is of type {wanted}, but the graph has a value of type {found} for it now',
                hint="Make the view anew, or one that casts.",
            )
        return atom_of(value)

    return Function(0, f"exactly {target} {column}", (oids.ANYVALUE,), target, read)


def own_cast(source: int, target: int) -> Function | None:
    """The cast of GQL where it is another than SQL's: dates, times and durations are text as ISO 8601 has it, lists as
    JSON."""
    if target in oids.STRINGS and _is_array(source):
        return _text_of_list(source)
    if source in oids.STRINGS and _is_array(target):
        return _list_of_text(target)
    if target in oids.STRINGS and source in _ISO_TEXTS:
        return scalar_function(_ISO_TEXTS[source])
    name = _TIMES.get(target)
    if name is None or source not in oids.STRINGS:
        return None
    for each in functions_named(name, "skerry"):
        if isinstance(each, Function) and each.arg_types == (oids.TEXT,):
            return specialise(each, each.arg_types, target)
    raise AssertionError(name)


def _is_array(type_oid: int) -> bool:
    info = find_type(type_oid)
    return info is not None and info.is_array


@lru_cache(maxsize=256)
def _text_of_list(source: int) -> Function:
    def write(context: FunctionContext, items: Any) -> str:
        writer = graph_text.JsonWriter(context.io)
        writer.is_typed = False
        return writer.writer(oids.ANYVALUE)((source, items))

    return Function(0, f"text of {source}", (source,), oids.TEXT, write, volatility="s", needs_context=True)


@lru_cache(maxsize=256)
def _list_of_text(target: int) -> Function:
    def read(context: FunctionContext, text: str) -> Any:
        value = graph_text.read_anyvalue(text)
        if not _is_array(type_of(value)):
            raise InvalidTextRepresentation(f'a list is written in brackets, not as "{text}"')
        found = type_of(value)
        return value[1] if found == target else cast_between(found, target)(context, value[1])

    return Function(0, f"{target} of text", (oids.TEXT,), target, read, volatility="s", needs_context=True)


_TIMES = {
    oids.DATE: "date",
    oids.TIME: "local_time",
    oids.TIMETZ: "zoned_time",
    oids.TIMESTAMP: "local_datetime",
    oids.TIMESTAMPTZ: "zoned_datetime",
    oids.INTERVAL: "duration",
}


def _called_as_cast(function: Function) -> Callable[[FunctionContext, Any], Any]:
    """A cast function without modifiers: those take the modifier and whether the cast is explicit, too."""
    implementation = function.implementation
    assert implementation is not None, function.name
    extra = (-1, True)[: len(function.arg_types) - 1]
    if function.needs_context:
        return lambda context, value: implementation(context, value, *extra)
    return lambda context, value: implementation(value, *extra)


def _list_casting(arg_types: tuple[int, ...], return_type: int) -> Implementation:
    source, target = arg_types[0], return_type
    source_item, target_item = _item_type(source), _item_type(target)
    nests = source_item not in oids.GRAPH_TYPES

    def item_of(context: FunctionContext, item: Any) -> Any:
        if item is None or source_item == target_item:
            return item
        as_any = (source, item) if nests and type(item) is tuple else dynamic(source_item, item)
        return as_any if target_item == oids.ANYVALUE else cast(context, as_any)

    cast = _casting((oids.ANYVALUE,), target_item)
    return lambda context, value: tuple([item_of(context, item) for item in value])


def _item_type(array_oid: int) -> int:
    info = find_type(array_oid)
    assert info is not None and info.element_oid, array_oid
    return info.element_oid


define("skerry_to_any", factory=_tagging)
define("skerry_from_any", factory=_casting, needs_context=True)
define("skerry_list_to_list", factory=_list_casting, needs_context=True)


def any_of_json(value: str) -> AnyValue:
    """The record, list or atom that json or jsonb says; None for its null."""
    return graph_text.value_of_plain_json(value)


def record_of_json(value: str) -> Any:
    """The record that a json object says.  Raises InvalidValueType for other json."""
    found = graph_text.value_of_plain_json(value)
    if found is None or type_of(found) != oids.GRAPHRECORD:
        raise InvalidValueType("cannot make a record of json that is no object")
    return found[1]


def _list_of_json(values: tuple[Any, ...]) -> tuple[AnyValue, ...]:
    return tuple(
        [
            None
            if value is None
            else (ANYS, _list_of_json(value))
            if type(value) is tuple
            else any_of_json(value)
            for value in values
        ]
    )


ANYS = oids.ANYVALUE_ARRAY
define("skerry_list_of_json", _list_of_json)
define("skerry_any_of_json", any_of_json)
define("skerry_record_of_json", record_of_json)


# --- comparison ---------------------------------------------------------------------------------------------


def _any_equal(first: AnyValue, second: AnyValue) -> bool | None:
    return dynamic_keys.equal(first, second)


def _any_unequal(first: AnyValue, second: AnyValue) -> bool | None:
    same = dynamic_keys.equal(first, second)
    return None if same is None else not same


def _ordered(holds: Callable[[int], bool]) -> Implementation:
    def compare(first: AnyValue, second: AnyValue) -> bool | None:
        order = dynamic_keys.compare(first, second)
        return None if order is None else holds(order)

    return compare


_ORDER_TESTS: dict[str, Callable[[int], bool]] = {
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    ">=": lambda order: order >= 0,
}


def _row_id(value: Any) -> int | None:
    """The whole number that a value is; None for every other value, which equals no row id."""
    if type(value) is int:
        return value
    number: Any = value if type(value) is float or type(value) is Decimal else math.nan
    if not abs(number) < 1 << 63:  # NaN is not, either
        return None
    whole = int(number)
    return whole if whole == number else None


define("skerry_row_id", _row_id)
define("skerry_any_eq", _any_equal)
define("skerry_any_ne", _any_unequal)
for _symbol, _holds in _ORDER_TESTS.items():
    define(f"skerry_any_{_NAMES[_symbol]}", _ordered(_holds))

# An integer beside a float: Python compares them exactly; NaN is above all.
define("skerry_number_eq", template="{0} == {1}")
define("skerry_number_ne", template="{0} != {1}")
define("skerry_number_lt", template="{0} < {1} or ({1} != {1} and {0} == {0})")
define("skerry_number_le", template="{0} <= {1} or {1} != {1}")
define("skerry_number_gt", template="{0} > {1} or ({0} != {0} and {1} == {1})")
define("skerry_number_ge", template="{0} >= {1} or {0} != {0}")


def _decimal(holds: Callable[[int], bool]) -> Implementation:
    return lambda first, second: holds(dynamic_keys.compare_numbers(first, second))


define("skerry_decimal_eq", _decimal(lambda order: order == 0))
define("skerry_decimal_ne", _decimal(lambda order: order != 0))
for _symbol, _holds in _ORDER_TESTS.items():
    define(f"skerry_decimal_{_NAMES[_symbol]}", _decimal(_holds))

define("skerry_element_eq", template="{0}[2] == {1}[2] and {0}[1] == {1}[1]")
define("skerry_element_ne", template="{0}[2] != {1}[2] or {0}[1] != {1}[1]")


def _same_path(first: Path, second: Path) -> bool:
    return path_identity(first) == path_identity(second)


def _same_record(first: GraphRecord, second: GraphRecord) -> bool | None:
    return dynamic_keys.equal((oids.GRAPHRECORD, first), (oids.GRAPHRECORD, second))


def _other_record(first: GraphRecord, second: GraphRecord) -> bool | None:
    same = _same_record(first, second)
    return None if same is None else not same


define("skerry_record_eq", _same_record)
define("skerry_record_ne", _other_record)
define("skerry_path_eq", _same_path)
define("skerry_path_ne", lambda first, second: not _same_path(first, second))


# --- calls by name ------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def dynamic_function(name: str, count: int, return_type: int = oids.ANYVALUE) -> Function:
    """The function of GQL, or the operator, of that name for arguments of type ANYVALUE.

    `return_type` is that of all functions of the name where they have one, else ANYVALUE.
    """
    is_operator = not (name[0].isalpha() or name[0] == "_")
    caller_of = operator_caller if is_operator else function_caller

    def call(context: FunctionContext, *args: AnyValue) -> Any:
        types = tuple([arg[0] if type(arg) is tuple else type_of(arg) for arg in args])
        value = caller_of(name, types)(context, *args)
        return value if return_type == oids.ANYVALUE else atom_of(value)

    return Function(
        oid=0,
        name=name,
        arg_types=(oids.ANYVALUE,) * count,
        return_type=return_type,
        implementation=call,
        needs_context=True,
        volatility="s",
        form=DYNAMIC_FORM,
    )


@lru_cache(maxsize=4096)
def function_caller(name: str, types: tuple[int, ...]) -> Caller:
    """What calls a function of GQL by name for arguments of these types.  Raises InvalidValueType where there is
    none."""
    from skerry_engine.functions.graph_resolution import resolve_graph_function

    try:
        function, wanted, result = resolve_graph_function(name, types)
    except (UndefinedFunction, AmbiguousFunction) as error:
        raise InvalidValueType(f"function {name} does not take {_listed(types)}") from error
    if not isinstance(function, Function):
        raise NotSupportedError(f"aggregate {name} is not supported here")
    return _caller(function, types, wanted, result)


@lru_cache(maxsize=4096)
def operator_caller(symbol: str, types: tuple[int, ...]) -> Caller:
    """The same for an operator; a single type stands for its right operand."""
    from skerry_engine.functions.graph_resolution import resolve_graph_operator

    try:
        left = types[0] if len(types) == 2 else None
        function, wanted, result = resolve_graph_operator(symbol, left, types[-1])
    except (UndefinedFunction, AmbiguousFunction) as error:
        raise InvalidValueType(f"operator {symbol} does not take {_listed(types)}") from error
    return _caller(function, types, wanted, result)


def _caller(function: Function, types: tuple[int, ...], wanted: tuple[int, ...], result: int) -> Caller:
    """Arguments taken out of their tags and cast as the function wants them, its result tagged."""
    implementation = function.implementation
    assert implementation is not None, function.name
    casts = [
        None if given == target else _argument_cast(given, target)
        for given, target in zip(types, wanted, strict=True)
    ]
    needs_context = function.needs_context

    def call(context: FunctionContext, *args: AnyValue) -> AnyValue:
        atoms = [
            atom_of(arg) if cast is None else cast(context, atom_of(arg))
            for cast, arg in zip(casts, args, strict=True)
        ]
        value = implementation(context, *atoms) if needs_context else implementation(*atoms)
        return dynamic(result, value)

    return call


def _argument_cast(given: int, target: int) -> Callable[[FunctionContext, Any], Any]:
    if target == oids.ANYVALUE:
        return lambda context, atom: dynamic(given, atom)
    return cast_between(given, target)


def _listed(types: tuple[int, ...]) -> str:
    return " and ".join([graph_type_name(type_oid) for type_oid in types]) or "no arguments"


def forget() -> None:
    """Resolve names anew: functions have been defined since."""
    for cached in (
        _to_any,
        from_any,
        list_conversion,
        cast_between,
        dynamic_function,
        function_caller,
        operator_caller,
    ):
        cached.cache_clear()


on_redefinition(forget)
