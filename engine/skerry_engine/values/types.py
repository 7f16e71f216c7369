"""The types that SQL values can have: identity, category, and how each reads and prints.

A value at run time is a bare Python atom (see `values/__init__`): it does not know its type.  Types are known
statically, by OID, in plans; a `SqlType` is an OID with its modifier,
a `TypeInfo` is what pg_type tells of an OID.

The table holds built-in types only; what is known of users' types follows from their OIDs (`user_types`), and row
types of tables belong to the catalog.  Skerry's own types are in the
schema `skerry`, so that their names (`node`, `edge`) are free for users: SQL must qualify them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from skerry_engine.errors import NotSupportedError
from skerry_engine.values import oids
from skerry_engine.values.type_table import REFUSED_TYPES, TYPE_TABLE
from skerry_engine.values.user_types import (
    END_OF_USER_TYPES,
    FIRST_USER_TYPE,
    is_composite_or_array,
    is_enum_or_array,
    shown_name,
)


@dataclass(frozen=True, slots=True)
class SqlType:
    """A type as an expression or a column has it.

    `oid` is PostgreSQL's OID; `typmod` its modifier as in pg_attribute.atttypmod (varchar(n): n + 4;
    numeric(p, s): ((p << 16) | s) + 4; timestamp(p): p), -1 for none.  Of a domain, or an array of one, both are
    those of its base type, and `domain` is its own OID.
    """

    oid: int
    typmod: int = -1
    domain: int = 0

    @property
    def named_oid(self) -> int:
        """The OID that the catalogs show: a domain's own."""
        return self.domain or self.oid


@dataclass(frozen=True, slots=True)
class TypeInfo:
    """One row of pg_type.

    `length` is in bytes, -1 for varying, -2 for zero-terminated.  `kind` is typtype (b base, p pseudo),
    `category` typcategory, `element_oid` and `array_oid` are 0 where there is none.  The `*_function` names
    are '-' when absent, as regproc prints it.  `schema` is pg_catalog, or skerry for Skerry's own types.
    """

    oid: int
    name: str
    length: int
    by_value: bool
    kind: str
    category: str
    preferred: bool
    element_oid: int
    array_oid: int
    alignment: str
    storage: str
    collation_oid: int
    input_function: str
    output_function: str
    receive_function: str
    send_function: str
    modifier_in_function: str
    modifier_out_function: str
    delimiter: str = ","
    schema: str = "pg_catalog"

    @property
    def is_array(self) -> bool:
        """Whether it is a true array type (its elements have it as their array),
        not oidvector and the like."""
        return self.input_function == "array_in"

    @property
    def is_pseudo(self) -> bool:
        """Whether no column can have it."""
        return self.kind == "p"


def _parse_row(line: str) -> TypeInfo:
    oid, name, length, by_value, kind, category, preferred, element, array, align, store, coll, io, fn = (
        line.split()
    )
    schema, _, name = name.rpartition(".")
    base = name[1:] if name.startswith("_") else name
    return TypeInfo(
        oid=int(oid),
        name=name,
        length=int(length),
        by_value=by_value == "t",
        kind=kind,
        category=category,
        preferred=preferred == "t",
        element_oid=int(element),
        array_oid=int(array),
        alignment=align,
        storage=store,
        collation_oid=int(coll),
        input_function=io + "in",
        output_function=io + "out",
        receive_function=io + "recv" if "r" in fn else "-",
        send_function=io + "send" if "s" in fn else "-",
        modifier_in_function=base + "typmodin" if "m" in fn else "-",
        modifier_out_function=base + "typmodout" if "m" in fn else "-",
        schema=schema or "pg_catalog",
    )


ALL_TYPES: tuple[TypeInfo, ...] = tuple(_parse_row(line) for line in TYPE_TABLE.splitlines()[1:])
_BY_OID: dict[int, TypeInfo] = {info.oid: info for info in ALL_TYPES}
_BY_NAME: dict[str, TypeInfo] = {info.name: info for info in ALL_TYPES if info.schema == "pg_catalog"}
_OWN: dict[str, TypeInfo] = {info.name: info for info in ALL_TYPES if info.schema == "skerry"}

# The names that SQL's grammar gives to types, and the ones format_type prints.
_SQL_NAMES: dict[int, str] = {
    oids.BOOL: "boolean",
    oids.CHAR: '"char"',
    oids.INT8: "bigint",
    oids.INT2: "smallint",
    oids.INT4: "integer",
    oids.FLOAT4: "real",
    oids.FLOAT8: "double precision",
    oids.BPCHAR: "character",
    oids.VARCHAR: "character varying",
    oids.TIME: "time without time zone",
    oids.TIMESTAMP: "timestamp without time zone",
    oids.TIMESTAMPTZ: "timestamp with time zone",
    oids.TIMETZ: "time with time zone",
    oids.ANY: '"any"',
    oids.VARBIT: "bit varying",
}

_ALIASES: dict[str, int] = {
    "boolean": oids.BOOL,
    "int": oids.INT4,
    "integer": oids.INT4,
    "smallint": oids.INT2,
    "bigint": oids.INT8,
    "real": oids.FLOAT4,
    "float": oids.FLOAT8,
    "double precision": oids.FLOAT8,
    "decimal": oids.NUMERIC,
    "dec": oids.NUMERIC,
    "character varying": oids.VARCHAR,
    "char varying": oids.VARCHAR,
    "nchar varying": oids.VARCHAR,
    "national character varying": oids.VARCHAR,
    "national char varying": oids.VARCHAR,
    "character": oids.BPCHAR,
    "char": oids.BPCHAR,
    "nchar": oids.BPCHAR,
    "national character": oids.BPCHAR,
    "national char": oids.BPCHAR,
    "timestamp without time zone": oids.TIMESTAMP,
    "timestamp with time zone": oids.TIMESTAMPTZ,
    "time without time zone": oids.TIME,
    "time with time zone": oids.TIMETZ,
    '"char"': oids.CHAR,
    '"any"': oids.ANY,
    "bit varying": oids.VARBIT,
}


def type_info(oid: int) -> TypeInfo:
    """What is known of the type; KeyError for an OID that is no type of a value (a table's row type, say)."""
    info = find_type(oid)
    if info is None:
        raise KeyError(oid)
    return info


def find_type(oid: int) -> TypeInfo | None:
    """What is known of the type, None for an OID that is no type of a value."""
    info = _BY_OID.get(oid)
    return info if info is not None or oid < FIRST_USER_TYPE else _user_type(oid)


_user_types: dict[int, TypeInfo] = {}


def _user_type(oid: int) -> TypeInfo | None:
    """What the OID of a user's type tells; its name is the catalog's to know."""
    info = _user_types.get(oid)
    if info is None and is_enum_or_array(oid):
        info = _user_types[oid] = _array_info(oid, "i") if oid & 1 else _enum_info(oid)
    elif info is None and is_composite_or_array(oid):
        info = _user_types[oid] = _array_info(oid, "d") if oid & 1 else _composite_info(oid)
    return info


def _enum_info(oid: int) -> TypeInfo:
    functions = ("enum_in", "enum_out", "enum_recv", "enum_send", "-", "-")
    return TypeInfo(oid, "enum", 4, True, "e", "E", False, 0, oid + 1, "i", "p", 0, *functions)


def _composite_info(oid: int) -> TypeInfo:
    functions = ("record_in", "record_out", "record_recv", "record_send", "-", "-")
    return TypeInfo(oid, "composite", -1, False, "c", "C", False, 0, oid + 1, "d", "x", 0, *functions)


def _array_info(oid: int, alignment: str) -> TypeInfo:
    functions = ("array_in", "array_out", "array_recv", "array_send", "-", "-")
    return TypeInfo(oid, "_array", -1, False, "b", "A", False, oid - 1, 0, alignment, "x", 0, *functions)


def type_by_name(name: str) -> TypeInfo | None:
    """The type that a bare, lower-case SQL name or pg_type name means; None where there is none.

    `char` is SQL's character(1); the internal one-byte type is written '"char"'.  `name[]` and `_name` mean
    the array.  Raises NotSupportedError for a type of PostgreSQL that Skerry refuses.
    """
    if name.endswith("[]"):
        return array_type(type_by_name(name.rstrip("[]").rstrip()))
    oid = _ALIASES.get(name)
    if oid is not None:
        return _BY_OID[oid]
    info = _BY_NAME.get(name)
    if info is None and name.removeprefix("_") in REFUSED_TYPES:
        raise NotSupportedError(f"type {name} is not supported")
    return info


def built_in_type(name: str) -> TypeInfo | None:
    """The type of pg_catalog with that name, None where there is none."""
    return _BY_NAME.get(name)


def internal_type(name: str) -> TypeInfo | None:
    """The type of that pg_type name, as a quoted or schema-qualified name means it (`pg_catalog."char"`)."""
    info = _BY_NAME.get(name)
    if info is None and name.removeprefix("_") in REFUSED_TYPES:
        raise NotSupportedError(f"type {name} is not supported")
    return info


def qualified_type(names: tuple[str, ...]) -> TypeInfo | None:
    """The built-in type that the parts of a name mean, without a schema or with one (`skerry.node`); None where
    there is none.  Raises NotSupportedError for a type of PostgreSQL that Skerry refuses.
    """
    if len(names) == 1 or names[-2] == "pg_catalog":
        return internal_type(names[-1])
    return _OWN.get(names[-1]) if names[-2] == "skerry" else None


def array_type(element: TypeInfo | None) -> TypeInfo | None:
    """The array type over `element`; None where there is none."""
    if element is None or element.array_oid == 0:
        return None
    return type_info(element.array_oid)


def type_display(oid: int) -> str:
    """The type as messages name it: format_type without modifier."""
    return format_type(oid, -1)


def graph_type_name(oid: int) -> str:
    """The type as messages of GQL name it: `STRING`, `LIST<INT>`; a type that GQL has not as SQL calls it."""
    info = find_type(oid)
    if info is not None and info.is_array:
        return f"LIST<{graph_type_name(info.element_oid)}>"
    return _GRAPH_NAMES.get(oid) or format_type(oid, -1)


_GRAPH_NAMES: Final = {
    oids.UNKNOWN: "NULL",
    oids.BOOL: "BOOL",
    oids.INT2: "INT16",
    oids.INT4: "INT32",
    oids.INT8: "INT",
    oids.FLOAT4: "FLOAT32",
    oids.FLOAT8: "FLOAT",
    oids.NUMERIC: "DECIMAL",
    oids.TEXT: "STRING",
    oids.VARCHAR: "STRING",
    oids.BPCHAR: "STRING",
    oids.NAME: "STRING",
    oids.BYTEA: "BYTES",
    oids.DATE: "DATE",
    oids.TIME: "LOCAL TIME",
    oids.TIMETZ: "ZONED TIME",
    oids.TIMESTAMP: "LOCAL DATETIME",
    oids.TIMESTAMPTZ: "ZONED DATETIME",
    oids.INTERVAL: "DURATION",
    oids.NODE: "NODE",
    oids.EDGE: "EDGE",
    oids.PATH: "PATH",
    oids.GRAPHRECORD: "RECORD",
    oids.ANYVALUE: "ANY VALUE",
}


def format_type(oid: int, typmod: int | None = None) -> str:
    """The type as PostgreSQL's format_type(oid, typmod) prints it: `character varying(160)`,
    `numeric(10,2)[]`.

    An OID of 0 gives '-', an unknown one '???'.  A typmod of None or -1 means none.
    """
    if oid == 0:
        return "-"
    info = find_type(oid)
    if info is None:
        return "???"
    if info.is_array:
        return _format_scalar(info.element_oid, typmod) + "[]"
    return _format_scalar(oid, typmod)


def _format_scalar(oid: int, typmod: int | None) -> str:
    if FIRST_USER_TYPE <= oid < END_OF_USER_TYPES:
        return shown_name(oid)
    if oid == oids.BPCHAR and typmod == -1:
        return "bpchar"  # distinct from character, which means character(1)
    if oid == oids.BIT and typmod == -1:
        return '"bit"'  # likewise
    name = _SQL_NAMES.get(oid) or _plain_name(_BY_OID[oid])
    if typmod is None or typmod < 0:
        return name
    suffix = modifier_text(oid, typmod)
    if oid in (oids.TIMESTAMP, oids.TIMESTAMPTZ, oids.TIME, oids.TIMETZ):
        first, rest = name.split(" ", 1)
        return f"{first}{suffix} {rest}"
    return name + suffix


def _plain_name(info: TypeInfo) -> str:
    return info.name if info.schema == "pg_catalog" else f"{info.schema}.{info.name}"


def modifier_text(oid: int, typmod: int) -> str:
    """A modifier as it stands after the type's name, with its parentheses; '' where there is none."""
    if typmod < 0:
        return ""
    if oid in (oids.VARCHAR, oids.BPCHAR):
        return f"({typmod - 4})" if typmod > 4 else ""
    if oid == oids.NUMERIC:
        precision, scale = numeric_modifier(typmod)
        return f"({precision},{scale})"
    if oid in (oids.TIMESTAMP, oids.TIMESTAMPTZ, oids.TIME, oids.TIMETZ):
        return f"({typmod})"
    if oid == oids.INTERVAL:
        return _interval_modifier_text(typmod)
    return f"({typmod})"


def numeric_typmod(precision: int, scale: int = 0) -> int:
    """The modifier of numeric(precision, scale); a scale may be negative."""
    return ((precision << 16) | (scale & 0x7FF)) + 4


def numeric_modifier(typmod: int) -> tuple[int, int]:
    """(precision, scale) of a numeric modifier."""
    packed = typmod - 4
    return packed >> 16 & 0xFFFF, ((packed & 0x7FF) ^ 1024) - 1024


# Interval modifiers: a mask of fields in the upper half, the precision (0xFFFF for none) in the lower.
INTERVAL_FULL_RANGE = 0x7FFF
INTERVAL_FULL_PRECISION = 0xFFFF
INTERVAL_MONTH: Final = 1 << 1
INTERVAL_YEAR: Final = 1 << 2
INTERVAL_DAY: Final = 1 << 3
INTERVAL_HOUR: Final = 1 << 10
INTERVAL_MINUTE: Final = 1 << 11
INTERVAL_SECOND: Final = 1 << 12

INTERVAL_RANGES: dict[int, str] = {
    INTERVAL_YEAR: "year",
    INTERVAL_MONTH: "month",
    INTERVAL_DAY: "day",
    INTERVAL_HOUR: "hour",
    INTERVAL_MINUTE: "minute",
    INTERVAL_SECOND: "second",
    INTERVAL_YEAR | INTERVAL_MONTH: "year to month",
    INTERVAL_DAY | INTERVAL_HOUR: "day to hour",
    INTERVAL_DAY | INTERVAL_HOUR | INTERVAL_MINUTE: "day to minute",
    INTERVAL_DAY | INTERVAL_HOUR | INTERVAL_MINUTE | INTERVAL_SECOND: "day to second",
    INTERVAL_HOUR | INTERVAL_MINUTE: "hour to minute",
    INTERVAL_HOUR | INTERVAL_MINUTE | INTERVAL_SECOND: "hour to second",
    INTERVAL_MINUTE | INTERVAL_SECOND: "minute to second",
}


def interval_typmod(fields: str | None, precision: int | None = None) -> int:
    """The modifier of `interval <fields>(precision)`; fields as SQL writes them ('year to month').

    Raises KeyError for fields that SQL does not have.
    """
    if fields is None:
        mask = INTERVAL_FULL_RANGE
    else:
        mask = {name: mask for mask, name in INTERVAL_RANGES.items()}[fields]
    return mask << 16 | (INTERVAL_FULL_PRECISION if precision is None else precision)


def _interval_modifier_text(typmod: int) -> str:
    mask, precision = typmod >> 16 & 0x7FFF, typmod & 0xFFFF
    fields = "" if mask == INTERVAL_FULL_RANGE else " " + INTERVAL_RANGES.get(mask, "")
    return fields if precision == INTERVAL_FULL_PRECISION else f"{fields}({precision})"
