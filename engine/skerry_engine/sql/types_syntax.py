"""Type names: how they are written, and which type they mean.

The SQL standard's spellings (`character varying(20)`, `timestamp with time zone`, `double precision`) are
grammar, not names: they become pg_catalog's names here.  All other names keep their parts and are looked up.

    "varchar(160)[]"  ->  TypeName(names=('pg_catalog', 'varchar'), modifiers=('160',), dimensions=1)  ->  SqlType
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from skerry_engine.errors import InvalidParameterValue, SyntaxError, UndefinedObject
from skerry_engine.sql import keywords
from skerry_engine.sql.cursor import Cursor
from skerry_engine.sql.lexer import INTEGER, NUMERIC, OPERATOR, QUOTED, STRING, WORD
from skerry_engine.values.types import SqlType


@dataclass(frozen=True, slots=True)
class TypeName:
    """A type as it was written.

    `names`: the name's parts, the last being the type.  `modifiers`: the texts in parentheses.
    `dimensions`: the number of array brackets (PostgreSQL does not tell them apart either).
    `interval_fields`: 'year', 'day to second', ...
    `of_column`: written as table.column%TYPE.  `position`: 1-based offset in the text.
    """

    names: tuple[str, ...]
    modifiers: tuple[str, ...] = ()
    dimensions: int = 0
    interval_fields: str = ""
    is_set: bool = False
    of_column: bool = False
    position: int | None = None

    def text(self) -> str:
        """The name in a readable form, as error messages show it."""
        shown = ".".join(self.names if self.names[0] != "pg_catalog" else self.names[1:])
        if self.modifiers:
            shown += f"({','.join(self.modifiers)})"
        return shown + "[]" * min(self.dimensions, 1)


# SQL-standard one-word spellings that are grammar (a quoted or qualified name is never one of them).
_SPELLED: Final = {
    "int": "int4",
    "integer": "int4",
    "smallint": "int2",
    "bigint": "int8",
    "real": "float4",
    "boolean": "bool",
    "dec": "numeric",
    "decimal": "numeric",
    "numeric": "numeric",
}
_CHARACTER: Final = frozenset(("char", "character", "varchar", "nchar", "national"))
_INTERVAL_FIELDS: Final = ("year", "month", "day", "hour", "minute", "second")
_INTERVAL_MASKS: Final = {
    "year": 1 << 2,
    "month": 1 << 1,
    "day": 1 << 3,
    "hour": 1 << 10,
    "minute": 1 << 11,
    "second": 1 << 12,
}
_FULL_INTERVAL_RANGE: Final = 0x7FFF
_FULL_INTERVAL_PRECISION: Final = 0xFFFF
_MAX_TIME_PRECISION: Final = 6
_MAX_NUMERIC_PRECISION: Final = 1000
_MAX_CHARACTER_LENGTH: Final = 10485760


def starts_standard_type(cursor: Cursor) -> bool:
    """Whether a SQL-standard type spelling follows (a keyword, so no function or column can be meant)."""
    word = cursor.word()
    return (
        word in _SPELLED
        or word in _CHARACTER
        or word in ("float", "double", "timestamp", "time", "interval", "bit")
    )


def parse_type(cursor: Cursor) -> TypeName:
    """A type name with its array brackets.  Raises SyntaxError."""
    start = cursor.position()
    is_set = cursor.accept_word("setof")
    element = parse_simple_type(cursor)
    dimensions = _array_dimensions(cursor)
    return replace(element, dimensions=dimensions, is_set=is_set, position=start)


def parse_simple_type(cursor: Cursor) -> TypeName:
    """A type name without array brackets."""
    word = cursor.word()
    start = cursor.position()
    if word in _SPELLED:
        cursor.index += 1
        modifiers = parse_modifiers(cursor) if _SPELLED[word] == "numeric" else ()
        return _system(_SPELLED[word], modifiers, start)
    if word in _CHARACTER:
        return _parse_character(cursor, start)
    if word == "float":
        return _parse_float(cursor, start)
    if word == "double" and cursor.word_at(1) == "precision":
        cursor.index += 2
        return _system("float8", (), start)
    if word in ("timestamp", "time"):
        return _parse_time(cursor, start)
    if word == "interval":
        return _parse_interval(cursor, start)
    if word == "bit":
        cursor.index += 1
        name = "varbit" if cursor.accept_word("varying") else "bit"
        modifiers = parse_modifiers(cursor)
        if not modifiers and name == "bit" and cursor.kind() != STRING:
            modifiers = ("1",)  # but not before a constant, which says by itself how long it is
        return _system(name, modifiers, start)
    return _parse_named_type(cursor, start)


def parse_modifiers(cursor: Cursor) -> tuple[str, ...]:
    """`(10, 2)`, or nothing."""
    if not cursor.accept("("):
        return ()
    modifiers = [_parse_modifier(cursor)]
    while cursor.accept(","):
        modifiers.append(_parse_modifier(cursor))
    cursor.expect(")")
    return tuple(modifiers)


def parse_interval_fields(cursor: Cursor) -> tuple[str, tuple[str, ...]]:
    """`DAY TO SECOND(3)` behind INTERVAL or its string: the fields and a precision, or nothing."""
    first = cursor.word()
    if first not in _INTERVAL_FIELDS:
        return "", ()
    cursor.index += 1
    last = first
    if cursor.word() == "to":
        cursor.index += 1
        last = cursor.word()
        if last not in _INTERVAL_FIELDS or not _is_interval_range(first, last):
            raise cursor.error()
        cursor.index += 1
    precision = parse_modifiers(cursor) if last == "second" else ()
    return (first if last == first else f"{first} to {last}"), precision


def _is_interval_range(first: str, last: str) -> bool:
    if first == "year":
        return last == "month"
    starts = _INTERVAL_FIELDS.index(first)
    return starts >= _INTERVAL_FIELDS.index("day") and _INTERVAL_FIELDS.index(last) > starts


def _system(name: str, modifiers: tuple[str, ...], position: int) -> TypeName:
    return TypeName(("pg_catalog", name), modifiers, position=position)


def _parse_character(cursor: Cursor, start: int) -> TypeName:
    word = cursor.word()
    cursor.index += 1
    if word == "national" and not cursor.accept_one_of("char", "character"):
        raise cursor.error()
    varying = word == "varchar" or cursor.accept_word("varying")
    modifiers = _parse_length(cursor)
    if not varying and not modifiers:
        modifiers = ("1",)
    return _system("varchar" if varying else "bpchar", modifiers, start)


def _parse_float(cursor: Cursor, start: int) -> TypeName:
    cursor.index += 1
    if not cursor.accept("("):
        return _system("float8", (), start)
    place = cursor.position()
    bits = cursor.integer()
    cursor.expect(")")
    if bits < 1:
        raise InvalidParameterValue("precision for type float must be at least 1 bit", position=place)
    if bits > 53:
        raise InvalidParameterValue("precision for type float must be less than 54 bits", position=place)
    return _system("float4" if bits <= 24 else "float8", (), start)


def _parse_time(cursor: Cursor, start: int) -> TypeName:
    name = cursor.word()
    cursor.index += 1
    modifiers: tuple[str, ...] = ()
    if cursor.accept("("):
        modifiers = (str(cursor.integer()),)
        cursor.expect(")")
    if cursor.accept_words("with", "time", "zone"):
        name += "tz"
    else:
        cursor.accept_words("without", "time", "zone")
    return _system(name, modifiers, start)


def _parse_interval(cursor: Cursor, start: int) -> TypeName:
    cursor.index += 1
    modifiers = parse_modifiers(cursor)
    fields = ""
    if not modifiers:
        fields, modifiers = parse_interval_fields(cursor)
    return TypeName(("pg_catalog", "interval"), modifiers, interval_fields=fields, position=start)


def _parse_named_type(cursor: Cursor, start: int) -> TypeName:
    kind = cursor.kind()
    value = cursor.values[cursor.index]
    if kind != QUOTED and (kind != WORD or value in keywords.RESERVED or value in keywords.COLUMN_NAME):
        raise cursor.error()
    names = [cursor.label()]
    while cursor.at("."):
        cursor.index += 1
        names.append(cursor.label())
    if cursor.at_operator("%") and cursor.word_at(1) == "type":
        cursor.index += 2
        return TypeName(tuple(names), of_column=True, position=start)
    return TypeName(tuple(names), parse_modifiers(cursor), position=start)


def _parse_modifier(cursor: Cursor) -> str:
    sign = ""
    if cursor.kind() == OPERATOR and cursor.values[cursor.index] in "+-":
        sign = cursor.values[cursor.index].replace("+", "")
        cursor.index += 1
    if cursor.kind() not in (INTEGER, NUMERIC, STRING, WORD):
        raise cursor.error()
    cursor.read_as_text()
    return sign + cursor.values[cursor.index - 1]


def _parse_length(cursor: Cursor) -> tuple[str, ...]:
    """`(10)`, an integer constant, or nothing."""
    if not cursor.accept("("):
        return ()
    if cursor.kind() != INTEGER:
        raise cursor.error()
    cursor.read_as_text()
    length = cursor.values[cursor.index - 1]
    cursor.expect(")")
    return (length,)


def _array_dimensions(cursor: Cursor) -> int:
    dimensions = 0
    if cursor.accept_word("array"):
        if cursor.accept("["):
            cursor.integer()
            cursor.expect("]")
        return 1
    while cursor.accept("["):
        if cursor.kind() == INTEGER:
            cursor.index += 1
        cursor.expect("]")
        dimensions += 1
    return dimensions


# --- meaning --------------------------------------------------------------------------------------


def resolve_type_name(
    type_name: TypeName,
    lookup: Callable[[tuple[str, ...]], int | None],
    array_of: Callable[[int], int],
) -> SqlType:
    """The type that a written name means.

    `lookup` finds a type's OID by its name's parts, None if there is none; `array_of` the OID of a type's
    array, 0 if it has none.  Raises UndefinedObject for an unknown type, InvalidParameterValue for a
    modifier out of range.
    """
    oid = lookup(type_name.names)
    if oid is None:
        shown = type_name.names[-1] if type_name.names[0] == "pg_catalog" else ".".join(type_name.names)
        raise UndefinedObject(f'type "{shown}" does not exist', position=type_name.position)
    typmod = type_modifier(type_name)
    if type_name.dimensions:
        array = array_of(oid)
        if not array:
            raise UndefinedObject(f'type "{type_name.text()}" does not exist', position=type_name.position)
        return SqlType(array, typmod)
    return SqlType(oid, typmod)


def type_modifier(type_name: TypeName) -> int:
    """The typmod of a written type, -1 for none.

    Raises InvalidParameterValue, or SyntaxError where none may stand.
    """
    name = type_name.names[-1]
    modifiers = type_name.modifiers
    if name == "interval" and (type_name.interval_fields or modifiers):
        return _interval_modifier(type_name)
    if not modifiers:
        return -1
    if name not in _MODIFIER_READERS:
        raise SyntaxError(f'type modifier is not allowed for type "{name}"', position=type_name.position)
    try:
        numbers = [int(modifier) for modifier in modifiers]
    except ValueError:
        raise InvalidParameterValue(
            f'invalid input syntax for type integer: "{modifiers[0]}"', position=type_name.position
        ) from None
    return _MODIFIER_READERS[name](name, numbers, type_name.position)


def _character_modifier(name: str, numbers: list[int], position: int | None) -> int:
    shown = "char" if name == "bpchar" else name
    if len(numbers) != 1:
        raise InvalidParameterValue("invalid type modifier", position=position)
    if numbers[0] < 1:
        raise InvalidParameterValue(f"length for type {shown} must be at least 1", position=position)
    if numbers[0] > _MAX_CHARACTER_LENGTH:
        raise InvalidParameterValue(
            f"length for type {shown} cannot exceed {_MAX_CHARACTER_LENGTH}", position=position
        )
    return numbers[0] + 4


def _numeric_modifier(name: str, numbers: list[int], position: int | None) -> int:
    if len(numbers) > 2:
        raise InvalidParameterValue("invalid NUMERIC type modifier", position=position)
    precision = numbers[0]
    scale = numbers[1] if len(numbers) == 2 else 0
    if not 1 <= precision <= _MAX_NUMERIC_PRECISION:
        raise InvalidParameterValue(
            f"NUMERIC precision {precision} must be between 1 and {_MAX_NUMERIC_PRECISION}", position=position
        )
    if not -1000 <= scale <= 1000:
        raise InvalidParameterValue(
            f"NUMERIC scale {scale} must be between -1000 and 1000", position=position
        )
    return ((precision << 16) | (scale & 0x7FF)) + 4


def _time_modifier(name: str, numbers: list[int], position: int | None) -> int:
    if len(numbers) != 1:
        raise InvalidParameterValue("invalid type modifier", position=position)
    zone = " WITH TIME ZONE" if name.endswith("tz") else ""
    kind = ("TIMESTAMP" if name.startswith("timestamp") else "TIME", zone)
    if numbers[0] < 0:
        raise InvalidParameterValue(
            f"{kind[0]}({numbers[0]}){kind[1]} precision must not be negative", position=position
        )
    return min(numbers[0], _MAX_TIME_PRECISION)


def _bit_modifier(name: str, numbers: list[int], position: int | None) -> int:
    if len(numbers) != 1 or numbers[0] < 1:
        raise InvalidParameterValue(f"length for type {name} must be at least 1", position=position)
    return numbers[0]


def _interval_modifier(type_name: TypeName) -> int:
    precision = _FULL_INTERVAL_PRECISION
    if type_name.modifiers:
        try:
            precision = min(int(type_name.modifiers[0]), _MAX_TIME_PRECISION)
        except ValueError:
            raise InvalidParameterValue(
                "invalid INTERVAL type modifier", position=type_name.position
            ) from None
        if precision < 0:
            raise InvalidParameterValue(
                f"INTERVAL({precision}) precision must not be negative", position=type_name.position
            )
    fields = _FULL_INTERVAL_RANGE
    if type_name.interval_fields:
        first, _, last = type_name.interval_fields.partition(" to ")
        begin = _INTERVAL_FIELDS.index(first)
        end = _INTERVAL_FIELDS.index(last or first)
        fields = sum(_INTERVAL_MASKS[field] for field in _INTERVAL_FIELDS[begin : end + 1])
    return (fields << 16) | precision


_MODIFIER_READERS: Final[dict[str, Callable[[str, list[int], int | None], int]]] = {
    "varchar": _character_modifier,
    "bpchar": _character_modifier,
    "numeric": _numeric_modifier,
    "timestamp": _time_modifier,
    "timestamptz": _time_modifier,
    "time": _time_modifier,
    "timetz": _time_modifier,
    "bit": _bit_modifier,
    "varbit": _bit_modifier,
}
