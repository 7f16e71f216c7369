"""json and jsonb: validation, and jsonb's canonical text.

A json value is the text as written.  A jsonb value is canonical text, printed as PostgreSQL prints jsonb:
members of an object ordered by the length of their key's UTF-8 and then by its bytes, the last of equal keys
winning, ': ' and ', ' between, numbers as numeric prints them.  Two jsonb values may be equal and yet differ
in text (1.0 and 1.00), so equality goes by `json_keys`.

Python's reader is fast and nearly as strict as PostgreSQL's; where it refuses, `json_diagnosis` finds
PostgreSQL's words for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from skerry_engine.errors import (
    DatabaseError,
    InvalidBinaryRepresentation,
    InvalidJsonText,
    StatementTooComplex,
    UntranslatableCharacter,
)
from skerry_engine.values.json_diagnosis import diagnose, find_bad_escape
from skerry_engine.values.numeric import read_numeric, write_numeric
from skerry_engine.values.text import invalid_utf8, read_text

_SURROGATE = re.compile("[" + chr(0xD800) + "-" + chr(0xDFFF) + "]")
_encode_string = json.JSONEncoder(ensure_ascii=False).encode


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def _keep(digits: str) -> str:
    return digits


_VALIDATOR = json.JSONDecoder(parse_float=_keep, parse_int=_keep, parse_constant=_refuse_constant)
_READER = json.JSONDecoder(parse_float=read_numeric, parse_int=read_numeric, parse_constant=_refuse_constant)


def _decode(decoder: json.JSONDecoder, text: str) -> Any:
    try:
        return decoder.decode(text)
    except RecursionError:
        raise StatementTooComplex("stack depth limit exceeded") from None
    except ValueError:
        raise diagnose(text) from None


def read_json(text: str) -> str:
    """json from text: checked, kept as written.  Raises InvalidJsonText."""
    _decode(_VALIDATOR, read_text(text))
    return text


def read_jsonb(text: str) -> str:
    """jsonb from text: its canonical text.  Raises InvalidJsonText, UntranslatableCharacter."""
    value = _decode(_READER, read_text(text))
    problem = find_bad_escape(text) if "\\u" in text else None
    if problem is not None:
        raise problem
    return write_canonical(value, False)


def parse_json(text: str) -> Any:
    """The Python form of valid json or jsonb text: dict, list, str, Decimal, bool, None."""
    return _decode(_READER, text)


def write_canonical(value: Any, check_strings: bool = True) -> str:
    """jsonb's text of a Python form: dict, list, str, Decimal, int, bool, None.

    `check_strings` is for strings that may hold a zero character or half a surrogate pair.
    Raises UntranslatableCharacter, InvalidJsonText for those.
    """
    parts: list[str] = []
    try:
        _write(value, parts, check_strings)
    except RecursionError:
        raise StatementTooComplex("stack depth limit exceeded") from None
    return "".join(parts)


def _write(value: Any, parts: list[str], check: bool) -> None:
    if isinstance(value, str):
        parts.append(_string(value, check))
    elif value is None:
        parts.append("null")
    elif value is True or value is False:
        parts.append("true" if value else "false")
    elif isinstance(value, Decimal):
        parts.append(write_numeric(value))
    elif isinstance(value, dict):
        _write_object(value, parts, check)
    elif isinstance(value, (list, tuple)):
        _write_array(value, parts, check)
    else:
        parts.append(str(value))


def _write_object(value: dict[str, Any], parts: list[str], check: bool) -> None:
    separator = "{"
    for key in sorted(value, key=_storage_order):
        parts.append(f"{separator}{_string(key, check)}: ")
        _write(value[key], parts, check)
        separator = ", "
    parts.append("}" if value else "{}")


def _storage_order(key: str) -> tuple[int, bytes]:
    data = key.encode("utf-8", "surrogatepass")
    return len(data), data


def _write_array(value: list[Any] | tuple[Any, ...], parts: list[str], check: bool) -> None:
    separator = "["
    for item in value:
        parts.append(separator)
        _write(item, parts, check)
        separator = ", "
    parts.append("]" if value else "[]")


def _string(value: str, check: bool) -> str:
    if check:
        _check_characters(value)
    return _encode_string(value)


def _check_characters(value: str) -> None:
    if "\0" in value:
        raise UntranslatableCharacter(
            "unsupported Unicode escape sequence", detail="\\u0000 cannot be converted to text."
        )
    if _SURROGATE.search(value) is not None:
        raise _lone_surrogate()


def _lone_surrogate() -> DatabaseError:
    return InvalidJsonText(
        "invalid input syntax for type json", detail="Unicode low surrogate must follow a high surrogate."
    )


def pack_jsonb(value: str) -> bytes:
    """jsonb in binary form: version 1 and text."""
    return b"\x01" + value.encode()


def jsonb_unpacker(reader: Callable[[str], str]) -> Callable[[bytes], str]:
    """The function that reads jsonb's binary form by way of its text reader."""

    def unpack(data: bytes) -> str:
        if data[:1] != b"\x01":
            raise InvalidBinaryRepresentation(f"unsupported jsonb version number {data[0] if data else 0}")
        try:
            return reader(data[1:].decode())
        except UnicodeDecodeError as problem:
            raise invalid_utf8(data[1:], problem.start) from None

    return unpack
