"""GQL's value types as SQL types (§18.9).

INT, INTEGER, INT64, BIGINT ...    INT8         STRING, CHAR, VARCHAR     TEXT
FLOAT, FLOAT64, DOUBLE ...         FLOAT8       LIST<T>                   T[], or a list of anything
DECIMAL(p, s)                      NUMERIC      RECORD, ANY, PROPERTY VALUE, unions   records, anyvalue
"""

from __future__ import annotations

from skerry_engine import errors
from skerry_engine.functions.graph_resolution import list_type
from skerry_engine.gql import tree
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType, numeric_typmod

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
_INTEGERS = ("int", "integer", "bigint", "smallint", "big integer", "small integer")
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
    bare = name.removeprefix("signed ").removeprefix("unsigned ").removeprefix("u")
    if bare in _INTEGERS or (bare.startswith(("int", "integer")) and bare.lstrip("integr").isdigit()):
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
