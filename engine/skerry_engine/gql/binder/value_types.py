"""GQL's value types as SQL types (§18.9).

INT, INTEGER, INT64, BIGINT ...    INT8         STRING, CHAR, VARCHAR     TEXT
FLOAT, FLOAT64, DOUBLE ...         FLOAT8       LIST<T>                   T[], or a list of anything
DECIMAL(p, s)                      NUMERIC      RECORD, ANY, PROPERTY VALUE, unions   records, anyvalue

`sql_type` is the type that values have; `narrow_type` also says, by the SQL type's modifier, what of it the written
type leaves out: INT16 is INT8 with 16 bits (functions/graph_types.py), STRING(3) is varchar(3).
"""

from __future__ import annotations

from skerry_engine import errors
from skerry_engine.functions.graph_resolution import list_type
from skerry_engine.functions.graph_types import UNSIGNED
from skerry_engine.gql import tree
from skerry_engine.values import oids
from skerry_engine.values.graphs import widened
from skerry_engine.values.types import SqlType, interval_typmod, numeric_typmod

_NAMES = {
    **dict.fromkeys(("bool", "boolean"), oids.BOOL),
    **dict.fromkeys(("string", "char", "varchar", "text"), oids.TEXT),
    **dict.fromkeys(("bytes", "binary", "varbinary"), oids.BYTEA),
    **dict.fromkeys(
        ("float", "float16", "float32", "float64", "real", "double", "double precision"), oids.FLOAT8
    ),
    **dict.fromkeys(("decimal", "dec", "numeric"), oids.NUMERIC),
    "date": oids.DATE,
    **dict.fromkeys(("zoned datetime", "timestamp with time zone", "datetime"), oids.TIMESTAMPTZ),
    **dict.fromkeys(("local datetime", "timestamp", "timestamp without time zone"), oids.TIMESTAMP),
    **dict.fromkeys(("zoned time", "time with time zone"), oids.TIMETZ),
    **dict.fromkeys(("local time", "time", "time without time zone"), oids.TIME),
    "duration": oids.INTERVAL,
    "node": oids.NODE,
    "vertex": oids.NODE,
    "edge": oids.EDGE,
    "relationship": oids.EDGE,
    "path": oids.PATH,
    "record": oids.GRAPHRECORD,
    **dict.fromkeys(("any", "any value", "property value", "any property value"), oids.ANYVALUE),
    "null": oids.UNKNOWN,
    "uuid": oids.UUID,
}
_TOO_WIDE = ("int128", "int256", "uint128", "uint256", "float128", "float256")


def sql_type(value_type: tree.ValueType) -> SqlType:
    """The SQL type.  Raises NotSupportedError."""
    if isinstance(value_type, tree.SimpleType):
        return _simple(value_type)
    if isinstance(value_type, tree.ListType):
        element = oids.ANYVALUE if value_type.element is None else sql_type(value_type.element).oid
        return SqlType(list_type([element]))
    if isinstance(value_type, tree.RecordType):
        return SqlType(oids.GRAPHRECORD)
    return SqlType(oids.ANYVALUE)


def _simple(value_type: tree.SimpleType) -> SqlType:
    name = value_type.name
    if name in _TOO_WIDE:
        raise errors.NotSupportedError(f"type {name} is not supported", position=value_type.position)
    if integer_modifier(name) is not None:
        return SqlType(oids.INT8)
    if name.startswith("duration"):
        return SqlType(oids.INTERVAL)
    oid = _NAMES.get(name)
    if oid is None:
        raise errors.UndefinedObject(f'type "{name}" does not exist', position=value_type.position)
    if oid == oids.NUMERIC and value_type.parameters:
        precision, *scale = value_type.parameters
        return SqlType(oid, numeric_typmod(precision, scale[0] if scale else 0))
    return SqlType(oid)


# --- narrow types -----------------------------------------------------------------------------------------------


def narrow_type(value_type: tree.ValueType) -> SqlType:
    """The SQL type with what narrows it.

    Raises NotSupportedError for what a modifier can't say: least lengths, lengths of lists, fields of records, unions.
    """
    if isinstance(value_type, tree.SimpleType):
        return _narrow_simple(value_type)
    if isinstance(value_type, tree.ListType) and value_type.max_length is None:
        if value_type.element is None:
            return SqlType(oids.ANYVALUE_ARRAY)
        element = narrow_type(value_type.element)
        return SqlType(list_type([element.oid]), element.typmod)
    if isinstance(value_type, tree.RecordType) and value_type.fields is None:
        return SqlType(oids.GRAPHRECORD)
    what = {tree.ListType: "lists of limited length", tree.RecordType: "records with declared fields"}
    shown = what.get(type(value_type), "union types")
    raise errors.NotSupportedError(f"{shown} are not supported here", position=value_type.position)


def _narrow_simple(value_type: tree.SimpleType) -> SqlType:
    found, name = sql_type(value_type), value_type.name
    if found.oid == oids.INT8:
        _refuse_parameters(value_type)
        return SqlType(oids.INT8, integer_modifier(name) or -1)
    if found.oid == oids.FLOAT8:
        return SqlType(oids.FLOAT8, _float_modifier(value_type))
    if found.oid in (oids.TEXT, oids.BYTEA) and value_type.parameters:
        return SqlType(_SIZED.get(name, found.oid), _length_modifier(value_type))
    if name == "duration (year to month)":
        return SqlType(oids.INTERVAL, interval_typmod("year to month"))
    if name == "duration (day to second)":
        return SqlType(oids.INTERVAL, interval_typmod("day to second"))
    if found.oid in _WITH_PRECISION and value_type.parameters:
        return SqlType(found.oid, min(value_type.parameters[0], 6))
    if found.oid != oids.NUMERIC:
        _refuse_parameters(value_type)
    return found


def property_type(value_type: tree.ValueType) -> SqlType:
    """The type that a property of a graph with a type is declared with: the type it is stored as, with the modifier
    that says what fits.

    Raises NotSupportedError as `narrow_type`, but for unions and records, which are stored as they come.
    """
    is_narrow = isinstance(value_type, tree.SimpleType) or (
        isinstance(value_type, tree.ListType) and value_type.max_length is None
    )
    found = narrow_type(value_type) if is_narrow else sql_type(value_type)
    return SqlType(widened(found.oid), found.typmod)


_SIZED = {"string": oids.VARCHAR, "varchar": oids.VARCHAR, "text": oids.VARCHAR, "char": oids.BPCHAR}
_WITH_LENGTHS = ("string", "text", "bytes")
_WITH_PRECISION = (oids.TIME, oids.TIMETZ, oids.TIMESTAMP, oids.TIMESTAMPTZ)


def integer_modifier(name: str) -> int | None:
    """The modifier that says which integers a type of that name has, 0 for those of INT8; None for another type.

    UINT, UINT64 and UBIGINT have 63 bits here: the implementation's greatest.
    """
    is_unsigned = name.startswith("unsigned ") or (name.startswith("u") and name != "uuid")
    bare = name.removeprefix("signed ").removeprefix("unsigned ")
    if is_unsigned and not name.startswith("unsigned "):
        bare = bare.removeprefix("u")
    bits = _BITS.get(bare)
    if bits is None:
        return None
    if is_unsigned:
        return UNSIGNED + min(bits, 63)
    return 0 if bits == 64 else bits


_BITS = {
    **{f"{word}{bits}": bits for word in ("int", "integer") for bits in (8, 16, 32, 64)},
    **dict.fromkeys(("int", "integer", "bigint", "big integer"), 64),
    **dict.fromkeys(("smallint", "small integer"), 16),
}


def _float_modifier(value_type: tree.SimpleType) -> int:
    name = value_type.name
    if value_type.parameters:  # FLOAT(precision, scale): bits of the significand, then of the exponent
        precision = value_type.parameters[0]
        if precision > 53:
            raise errors.NotSupportedError(
                f"type {name}({precision}) is not supported", position=value_type.position
            )
        return 16 if precision <= 11 else 32 if precision <= 24 else -1
    return {"float16": 16, "float32": 32, "real": 32}.get(name, -1)


def has_least_length(value_type: tree.SimpleType) -> bool:
    """Whether strings or bytes of a type have to have a length: STRING(min, max)."""
    return (
        value_type.name in _WITH_LENGTHS and len(value_type.parameters) == 2 and value_type.parameters[0] > 0
    )


def _length_modifier(value_type: tree.SimpleType) -> int:
    """STRING(max) or STRING(min, max); BYTES likewise."""
    least, greatest = value_type.parameters[0], value_type.parameters[-1]
    if len(value_type.parameters) == 1:
        least = greatest if value_type.name == "binary" else 0
    if least > 0:
        raise errors.NotSupportedError("least lengths are not supported", position=value_type.position)
    return greatest + 4


def _refuse_parameters(value_type: tree.SimpleType) -> None:
    if value_type.parameters:
        raise errors.NotSupportedError(
            f"type {value_type.name} with a precision is not supported", position=value_type.position
        )
