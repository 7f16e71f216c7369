"""json and jsonb made of other values: to_json, json_build_object, json_agg and kin.

How a value is written depends on its type, so everything here is made when a call is resolved.  The spacing
of json results is PostgreSQL's, function by function.  Rows become objects: the names of a composite type's attributes
are looked up at each call, a record's fields are f1, f2 ... (whole rows of tables the binder takes apart).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from skerry_engine.abc import FunctionContext
from skerry_engine.errors import (
    ArraySubscriptError,
    InvalidParameterValue,
    NotSupportedError,
    NullValueNotAllowed,
)
from skerry_engine.functions.output import PerSettings, decoder_of, text_of
from skerry_engine.functions.polymorphism import element_type
from skerry_engine.functions.registry import (
    AggregateFactory,
    AggregateFunction,
    Function,
    Implementation,
    define,
    define_aggregate,
)
from skerry_engine.values import oids
from skerry_engine.values.calendar import is_finite_date, is_finite_timestamp
from skerry_engine.values.records import Composite, Record
from skerry_engine.values.types import SqlType, find_type
from skerry_engine.values.user_types import is_composite

if TYPE_CHECKING:
    from skerry_engine.values.io import IoContext

JsonWriter = Callable[[FunctionContext, Any], str]

OBJECT_FORM = "object"
"""The `form` of functions that `json_object_of` made for the fields in `arg_names`."""

ROWS_FORM = "rows"
"""The `form` of aggregates that `over_json_rows` made."""

quoted = json.JSONEncoder(ensure_ascii=False).encode


# --- one value ----------------------------------------------------------------------------------------------


def json_writer(type_oid: int) -> JsonWriter:
    """(context, value) -> JSON text of a value that is not NULL.  Raises NotSupportedError for what has no form."""
    if type_oid == oids.BOOL:
        return lambda context, value: "true" if value else "false"
    if type_oid in (oids.JSON, oids.JSONB):
        return lambda context, value: str(value)
    if type_oid in oids.INTEGERS:
        return lambda context, value: str(value)
    if type_oid in (oids.FLOAT4, oids.FLOAT8, oids.NUMERIC):
        return _number_writer(type_oid)
    if type_oid in (oids.DATE, oids.TIMESTAMP, oids.TIMESTAMPTZ):
        return _moment_writer(type_oid)
    if element_type(type_oid) and type_oid not in (oids.INT2VECTOR, oids.OIDVECTOR):
        return _array_writer(type_oid)
    if is_composite(type_oid):
        return _composite_writer(type_oid)
    if type_oid == oids.RECORD:
        return _record_writer
    if find_type(type_oid) is None:
        raise NotSupportedError("conversion of rows to JSON is not supported")
    to_text = text_of(type_oid)
    return lambda context, value: quoted(to_text(context, value))


@lru_cache(maxsize=1024)
def _field_writer(type_oid: int) -> JsonWriter:
    return _nullable(type_oid)


def _composite_writer(type_oid: int) -> JsonWriter:
    def write(context: FunctionContext, value: Composite) -> str:
        texts = [
            f"{quoted(field.name)}:{_field_writer(field.type_oid)(context, value.item(field.number))}"
            for field in context.io.types.composite(type_oid).fields
        ]
        return "{" + ",".join(texts) + "}"

    return write


def _record_writer(context: FunctionContext, value: Any) -> str:
    if not isinstance(value, Record):
        raise NotSupportedError("conversion of rows of functions to JSON is not supported")
    texts = [
        f'"f{number}":{_field_writer(field.oid)(context, item)}'
        for number, (field, item) in enumerate(zip(value.types, value, strict=True), 1)
    ]
    return "{" + ",".join(texts) + "}"


def _number_writer(type_oid: int) -> JsonWriter:
    to_text = text_of(type_oid)

    def write(context: FunctionContext, value: Any) -> str:
        text = to_text(context, value)
        finite = value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)
        return text if finite else quoted(text)

    return write


def _moment_writer(type_oid: int) -> JsonWriter:
    """Dates and timestamps as ISO 8601, whatever DateStyle says."""
    is_finite = is_finite_date if type_oid == oids.DATE else is_finite_timestamp
    to_text = PerSettings(lambda io: _iso_encoder(type_oid, io))

    def write(context: FunctionContext, value: Any) -> str:
        text: str = to_text(context, value)
        if not is_finite(value):
            return quoted(text)
        text = text.replace(" ", "T", 1) if type_oid != oids.DATE else text
        if type_oid == oids.TIMESTAMPTZ:
            text = _with_minutes(text)
        return quoted(text)

    return write


def _iso_encoder(type_oid: int, io: IoContext) -> Callable[[Any], str]:
    from skerry_engine.values.io import text_encoder

    return text_encoder(SqlType(type_oid), replace(io, date_style=f"ISO, {io.date_order}"))


def _with_minutes(text: str) -> str:
    """The zone's offset with minutes: +01 as +01:00; an era stays last."""
    moment, era, _rest = text.partition(" BC")
    return (f"{moment}:00" if moment[-3] in "+-" else moment) + era


def _array_writer(type_oid: int) -> JsonWriter:
    element = json_writer(element_type(type_oid))

    def write(context: FunctionContext, value: Any) -> str:
        if isinstance(value, tuple):
            return "[" + ",".join([write(context, item) for item in value]) + "]"
        return "null" if value is None else element(context, value)

    return write


def _nullable(type_oid: int) -> JsonWriter:
    write = json_writer(type_oid)
    return lambda context, value: "null" if value is None else write(context, value)


def _writers(arg_types: tuple[int, ...]) -> Callable[[int], JsonWriter]:
    """The writer for the argument at an index; with VARIADIC the last one serves all."""
    made = [_nullable(type_oid) for type_oid in arg_types]
    return lambda index: made[min(index, len(made) - 1)]


def _as_jsonb(
    factory: Callable[[tuple[int, ...], int], Implementation],
) -> Callable[[tuple[int, ...], int], Implementation]:
    """The same as jsonb: the text read again."""

    def make(arg_types: tuple[int, ...], return_type: int) -> Implementation:
        build = factory(arg_types, return_type)

        def built(context: FunctionContext, *args: object) -> object:
            text = build(context, *args)
            return None if text is None else decoder_of(oids.JSONB)(context, str(text))

        return built

    return make


# --- to_json, arrays ----------------------------------------------------------------------------------------


def _to_json(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    return json_writer(arg_types[0])


def _array_to_json(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    write = json_writer(arg_types[0])
    element = _nullable(element_type(arg_types[0]))

    def build(context: FunctionContext, array: tuple[object, ...], pretty: bool = False) -> str:
        if not pretty or not array or isinstance(array[0], tuple):
            return write(context, array)
        return "[" + ",\n ".join([element(context, item) for item in array]) + "]"

    return build


define("to_json", factory=_to_json, needs_context=True)
define("to_jsonb", factory=_as_jsonb(_to_json), needs_context=True)
define("array_to_json", factory=_array_to_json, needs_context=True)
define("array_to_json_pretty", factory=_array_to_json, needs_context=True)


# --- json_build_* -------------------------------------------------------------------------------------------


def _key_writer(type_oid: int) -> JsonWriter:
    if element_type(type_oid) or type_oid in (oids.JSON, oids.JSONB, oids.RECORD):
        return _refused_key
    to_text = text_of(type_oid)
    return lambda context, value: quoted(to_text(context, value))


def _refused_key(_context: FunctionContext, _value: object) -> str:
    raise InvalidParameterValue("key value must be scalar, not array, composite, or json")


def _object_builder(function: str) -> Callable[[tuple[int, ...], int], Implementation]:
    def make(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
        writer = _writers(arg_types)
        keys = [_key_writer(type_oid) for type_oid in arg_types]

        def build(context: FunctionContext, *args: object) -> str:
            if len(args) % 2:
                raise InvalidParameterValue(
                    "argument list must have even number of elements",
                    hint=f"The arguments of {function}() must consist of alternating keys and values.",
                )
            pairs = []
            for index in range(0, len(args), 2):
                if args[index] is None:
                    raise _null_key(function, index + 1)
                key = keys[min(index, len(keys) - 1)](context, args[index])
                pairs.append(f"{key} : {writer(index + 1)(context, args[index + 1])}")
            return "{" + ", ".join(pairs) + "}"

        return build

    return make


def _null_key(function: str, position: int) -> InvalidParameterValue:
    if function.startswith("jsonb"):
        return InvalidParameterValue(f"argument {position}: key must not be null")
    return InvalidParameterValue(f"argument {position} cannot be null", hint="Object keys should be text.")


def _array_builder(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    writer = _writers(arg_types)

    def build(context: FunctionContext, *args: object) -> str:
        return "[" + ", ".join([writer(index)(context, arg) for index, arg in enumerate(args)]) + "]"

    return build


define("json_build_object", factory=_object_builder("json_build_object"), needs_context=True)
define("json_build_object_noargs", lambda: "{}")
define("json_build_array", factory=_array_builder, needs_context=True)
define("json_build_array_noargs", lambda: "[]")
define("jsonb_build_object", factory=_as_jsonb(_object_builder("jsonb_build_object")), needs_context=True)
define("jsonb_build_object_noargs", lambda: "{}")
define("jsonb_build_array", factory=_as_jsonb(_array_builder), needs_context=True)
define("jsonb_build_array_noargs", lambda: "[]")


# --- json_object --------------------------------------------------------------------------------------------


def _pairs_of(array: tuple[Any, ...]) -> list[tuple[Any, Any]]:
    if not array:
        return []
    if isinstance(array[0], tuple):
        if isinstance(array[0][0], tuple):
            raise ArraySubscriptError("wrong number of array subscripts")
        if len(array[0]) != 2:
            raise ArraySubscriptError("array must have two columns")
        return [(row[0], row[1]) for row in array]
    if len(array) % 2:
        raise ArraySubscriptError("array must have even number of elements")
    return list(zip(array[::2], array[1::2], strict=True))


def _object_of(pairs: list[tuple[Any, Any]]) -> str:
    parts = []
    for key, value in pairs:
        if key is None:
            raise NullValueNotAllowed("null value not allowed for object key")
        parts.append(f"{quoted(key)} : {'null' if value is None else quoted(value)}")
    return "{" + ", ".join(parts) + "}"


def _json_object(array: tuple[Any, ...]) -> str:
    return _object_of(_pairs_of(array))


def _json_object_of_two(keys: tuple[Any, ...], values: tuple[Any, ...]) -> str:
    if len(keys) != len(values):
        raise ArraySubscriptError("mismatched array dimensions")
    return _object_of(list(zip(keys, values, strict=True)))


def _read_jsonb(text: str) -> str:
    from skerry_engine.values.json_text import read_jsonb

    return read_jsonb(text)


define("json_object", _json_object)
define("json_object_two_arg", _json_object_of_two)
define("jsonb_object", lambda array: _read_jsonb(_json_object(array)))
define("jsonb_object_two_arg", lambda keys, values: _read_jsonb(_json_object_of_two(keys, values)))


@lru_cache(maxsize=256)
def json_object_of(names: tuple[str, ...]) -> Function:
    """A function from fields as JSON texts to the object with these names."""
    heads = [f"{',' if n else '{'}{quoted(name)}:" for n, name in enumerate(names)]

    def build(*fields: object) -> str:
        return "".join([f"{head}{field}" for head, field in zip(heads, fields, strict=True)]) + "}"

    return Function(
        0, "row_to_json", (oids.JSON,) * len(names), oids.JSON, build, arg_names=names, form=OBJECT_FORM
    )


# --- aggregates ---------------------------------------------------------------------------------------------


def _json_agg(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    write = _nullable(arg_types[0])
    is_nested = element_type(arg_types[0]) or is_composite(arg_types[0])
    separator = ", \n " if is_nested else ", "

    def finish(context: FunctionContext, inputs: list[object]) -> str | None:
        if not inputs:
            return None
        parts = [f"{', ' if item is None else separator}{write(context, item)}" for item in inputs]
        return "[" + "".join(parts).removeprefix(separator).removeprefix(", ") + "]"

    return finish


def over_json_rows(function: AggregateFunction) -> AggregateFunction:
    """json_agg or jsonb_agg for rows, which are JSON texts already."""
    return replace(function, finish=aggregate_json_rows, needs_context=False, form=ROWS_FORM)


def aggregate_json_rows(rows: list[str | None]) -> str | None:
    """One row to a line."""
    if not rows:
        return None
    parts = [", null" if row is None else f", \n {row}" for row in rows]
    return "[" + "".join(parts).removeprefix(", ").removeprefix("\n ") + "]"


def _json_object_agg(arg_types: tuple[int, ...], _return_type: int) -> Implementation:
    key_of = _key_writer(arg_types[0])
    write = _nullable(arg_types[1])

    def finish(context: FunctionContext, inputs: list[tuple[object, object]]) -> str | None:
        if not inputs:
            return None
        if any(key is None for key, _value in inputs):
            raise InvalidParameterValue("field name must not be null")
        return (
            "{ "
            + ", ".join([f"{key_of(context, key)} : {write(context, value)}" for key, value in inputs])
            + " }"
        )

    return finish


def _define_json_aggregates() -> None:
    pairs: tuple[tuple[str, AggregateFactory], ...] = (
        (f"agg {oids.ANYELEMENT}", _json_agg),
        (f"object_agg {oids.ANY} {oids.ANY}", _json_object_agg),
    )
    for signature, factory in pairs:
        define_aggregate(f"json_{signature}", strict=False, factory=factory, needs_context=True)
        define_aggregate(f"jsonb_{signature}", strict=False, factory=_as_jsonb(factory), needs_context=True)


_define_json_aggregates()
