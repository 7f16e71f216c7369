"""Arrays, vectors and anonymous records: text and binary forms.

An array is a tuple of atoms; more dimensions are tuples of tuples, all of one length per level; the empty
array is ().  Lower bounds are always 1: input that says otherwise is refused.  int2vector and oidvector are
tuples too, but print as numbers between blanks and count from 0.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Any

from skerry_engine.errors import (
    DatabaseError,
    DatatypeMismatch,
    InvalidBinaryRepresentation,
    InvalidTextRepresentation,
    NotSupportedError,
    ProgramLimitExceeded,
)

MAX_DIMENSIONS = 6
_BLANKS = " \t\n\r\v\f"  # C's isspace(); str.strip() alone takes more
_NEEDS_QUOTES = re.compile(r'[\s"\\{}]|^$|^null$', re.IGNORECASE | re.ASCII)
_RECORD_NEEDS_QUOTES = re.compile(r'[\s"\\(),]|^$', re.ASCII)

# --- text out -----------------------------------------------------------------------------------------------


def array_writer(element: Callable[[Any], str], delimiter: str) -> Callable[[tuple[Any, ...]], str]:
    """The writer of arrays whose elements `element` writes."""

    def write(value: tuple[Any, ...]) -> str:
        parts: list[str] = []
        for item in value:
            if item is None:
                parts.append("NULL")
            elif type(item) is tuple:
                parts.append(write(item))
            else:
                parts.append(_quoted(element(item), delimiter))
        return "{" + delimiter.join(parts) + "}"

    return write


def _quoted(text: str, delimiter: str) -> str:
    if _NEEDS_QUOTES.search(text) is None and delimiter not in text:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def record_text(fields: list[str | None]) -> str:
    """A record's text form from its fields'; None is a NULL."""
    return "(" + ",".join(["" if field is None else quote_field(field) for field in fields]) + ")"


def quote_field(text: str) -> str:
    """A record's field in its text form, quoted where needed."""
    if _RECORD_NEEDS_QUOTES.search(text) is None:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '""') + '"'


_FIELD = re.compile(r'(?:[^"\\(),]|\\.|"(?:[^"\\]|\\.|"")*")*', re.DOTALL)


def record_fields(text: str, count: int) -> list[str | None]:
    """The fields of a record in its text form; None is a NULL.  Raises InvalidTextRepresentation."""

    def malformed(detail: str) -> InvalidTextRepresentation:
        return InvalidTextRepresentation(f'malformed record literal: "{text}"', detail=detail)

    body = text.strip(_BLANKS)
    if not body.startswith("("):
        raise malformed("Missing left parenthesis.")
    if count == 0 and body == "()":
        return []
    fields: list[str | None] = []
    position = 1
    while True:
        match = _FIELD.match(body, position)
        assert match is not None
        raw, position = match.group(), match.end()
        fields.append(_unquoted_field(raw) if raw else None)
        if position >= len(body):
            raise malformed("Unexpected end of input.")
        if body[position] == ")":
            break
        if body[position] != ",":
            raise malformed("Unexpected end of input.")
        position += 1
    if position + 1 != len(body):
        raise malformed("Junk after right parenthesis.")
    if count == 0 and fields == [None]:
        return []
    if len(fields) != count:
        raise malformed("Too few columns." if len(fields) < count else "Too many columns.")
    return fields


def _unquoted_field(raw: str) -> str:
    """A field without its quotes and escapes."""
    parts: list[str] = []
    inside = False
    position = 0
    while position < len(raw):
        character = raw[position]
        if character == "\\":
            position += 1
            parts.append(raw[position])
        elif character == '"' and inside and raw[position + 1 : position + 2] == '"':
            position += 1
            parts.append('"')
        elif character == '"':
            inside = not inside
        else:
            parts.append(character)
        position += 1
    return "".join(parts)


def pack_record(fields: list[tuple[int, bytes | None]]) -> bytes:
    """A record's binary form: the number of fields; of each its type's OID, length and bytes."""
    parts = [_LENGTH.pack(len(fields))]
    for oid, data in fields:
        parts.append(struct.pack(">I", oid))
        parts.append(_NULL_LENGTH if data is None else _LENGTH.pack(len(data)) + data)
    return b"".join(parts)


def unpack_record(data: bytes, type_oids: list[int]) -> list[bytes | None]:
    """The fields of a record in its binary form.  Raises InvalidBinaryRepresentation, DatatypeMismatch."""
    try:
        (count,) = _LENGTH.unpack_from(data)
        if count != len(type_oids):
            raise DatatypeMismatch(f"wrong number of columns: {count}, expected {len(type_oids)}")
        fields: list[bytes | None] = []
        offset = 4
        for number, wanted in enumerate(type_oids, 1):
            oid, length = struct.unpack_from(">Ii", data, offset)
            offset += 8
            if oid != wanted:
                raise DatatypeMismatch(
                    f"binary data has type {oid} instead of expected {wanted} in record column {number}"
                )
            if length < -1 or offset + max(length, 0) > len(data):
                raise InvalidBinaryRepresentation("insufficient data left in message")
            fields.append(None if length < 0 else data[offset : offset + length])
            offset += max(length, 0)
    except struct.error:
        raise InvalidBinaryRepresentation("insufficient data left in message") from None
    if offset != len(data):
        raise InvalidBinaryRepresentation("improper binary format in record")
    return fields


def write_vector(value: tuple[int, ...]) -> str:
    """int2vector or oidvector to text."""
    return " ".join([str(item) for item in value])


# --- text in ------------------------------------------------------------------------------------------------

_BOUNDS = re.compile(r"\s*((?:\[\s*[+-]?\d+\s*(?::\s*[+-]?\d+\s*)?\]\s*)+)=\s*", re.ASCII)
_BOUND = re.compile(r"\[\s*([+-]?\d+)\s*(?::\s*([+-]?\d+)\s*)?\]", re.ASCII)


def array_reader(element: Callable[[str], Any], delimiter: str) -> Callable[[str], tuple[Any, ...]]:
    """The reader of arrays whose elements `element` reads."""

    def read(text: str) -> tuple[Any, ...]:
        return _ArrayParser(text, element, delimiter).parse()

    return read


class _ArrayParser:
    """Reads one array literal by recursive descent; depth is bounded by MAX_DIMENSIONS."""

    def __init__(self, text: str, element: Callable[[str], Any], delimiter: str) -> None:
        self.text = text
        self.shown = text
        self.element = element
        self.position = 0
        # an unquoted element: anything up to a delimiter, brace or quote, with backslash escapes
        self.bare = re.compile(r"(?:[^\\\"{}" + re.escape(delimiter) + r"]|\\.)*", re.DOTALL)
        self.delimiter = delimiter

    def parse(self) -> tuple[Any, ...]:
        sizes = self._bounds()
        self._skip_blanks()
        if not self.text.startswith("{", self.position):
            raise self._malformed(
                'Array contents must start with "{".'
                if sizes is not None
                else 'Array value must start with "{" or dimension information.'
            )
        self.shown = self.text.lstrip(_BLANKS)
        value = self._braces(1)
        self._skip_blanks()
        if self.position != len(self.text):
            raise self._malformed("Junk after closing right brace.")
        shape = dimensions(value)
        if not self._is_regular(value, shape, 0):
            raise self._malformed("Multidimensional arrays must have sub-arrays with matching dimensions.")
        if sizes is not None and sizes != shape:
            raise self._malformed("Specified array dimensions do not match array contents.")
        return () if 0 in shape else self._converted(value)

    def _converted(self, value: tuple[Any, ...]) -> tuple[Any, ...]:
        """The elements read; only now, so that a malformed array is reported before a malformed element."""
        converted: list[Any] = []
        for item in value:
            if isinstance(item, tuple):
                converted.append(self._converted(item))
            else:
                converted.append(None if item is None else self.element(item))
        return tuple(converted)

    def _bounds(self) -> list[int] | None:
        match = _BOUNDS.match(self.text)
        if match is None:
            return None
        self.position = match.end()
        sizes: list[int] = []
        for first, second in _BOUND.findall(match.group(1)):
            lower, upper = (int(first), int(second)) if second else (1, int(first))
            if lower != 1:
                raise NotSupportedError("array lower bounds other than 1 are not supported")
            sizes.append(upper)
        return sizes

    def _braces(self, depth: int) -> tuple[Any, ...]:
        if depth > MAX_DIMENSIONS:
            raise ProgramLimitExceeded(
                f"number of array dimensions ({depth}) exceeds the maximum allowed ({MAX_DIMENSIONS})"
            )
        self.position += 1
        items: list[Any] = []
        self._skip_blanks()
        if depth == 1 and self._accept("}"):
            return ()
        nested = self._peek() == "{"
        while True:
            self._skip_blanks()
            if (self._peek() == "{") != nested:
                raise self._unexpected()
            items.append(self._braces(depth + 1) if nested else self._item())
            self._skip_blanks()
            if self._accept("}"):
                return tuple(items)
            if not self._accept(self.delimiter):
                raise self._unexpected()

    def _item(self) -> str | None:
        if self._peek() == '"':
            return self._quoted_item()
        match = self.bare.match(self.text, self.position)
        assert match is not None
        self.position = match.end()
        raw = match.group()
        stripped = _strip_unescaped(raw)
        if self._peek() == '"':
            raise self._malformed("Unexpected array element.")
        if self._peek() in ("", "\\"):  # a backslash that escapes nothing is the text's last character
            raise self._malformed("Unexpected end of input.")
        if stripped == "":
            raise self._unexpected()
        if self._peek() == "{":
            raise self._malformed('Unexpected "{" character.')
        if stripped.upper() == "NULL":
            return None
        return _unescape(stripped)

    def _quoted_item(self) -> str:
        start = self.position + 1
        end = start
        while True:
            end = self.text.find('"', end)
            if end < 0:
                raise self._malformed("Unexpected end of input.")
            slashes = len(self.text[start:end]) - len(self.text[start:end].rstrip("\\"))
            if slashes % 2 == 0:
                break
            end += 1
        self.position = end + 1
        self._skip_blanks()
        if self._peek() not in ("}", self.delimiter, ""):
            raise self._unexpected()
        return _unescape(self.text[start:end])

    def _peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def _accept(self, token: str) -> bool:
        if self._peek() != token:
            return False
        self.position += 1
        return True

    def _skip_blanks(self) -> None:
        while self._peek() != "" and self._peek() in _BLANKS:
            self.position += 1

    def _is_regular(self, value: Any, shape: list[int], depth: int) -> bool:
        if depth == len(shape):
            return not isinstance(value, tuple)
        if not isinstance(value, tuple) or len(value) != shape[depth]:
            return False
        return all(self._is_regular(item, shape, depth + 1) for item in value)

    def _unexpected(self) -> DatabaseError:
        found = self._peek()
        if found == "":
            return self._malformed("Unexpected end of input.")
        if found in ("{", "}", "\\", self.delimiter):
            return self._malformed(f'Unexpected "{found}" character.')
        return self._malformed("Unexpected array element.")

    def _malformed(self, detail: str) -> DatabaseError:
        return InvalidTextRepresentation(f'malformed array literal: "{self.shown}"', detail=detail)


_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def _strip_unescaped(raw: str) -> str:
    """An element without the blanks around it; a last blank that a backslash escapes stays."""
    stripped = raw.strip(_BLANKS)
    slashes = len(stripped) - len(stripped.rstrip("\\"))
    return stripped + raw[raw.index(stripped) + len(stripped)] if slashes % 2 else stripped


def _unescape(text: str) -> str:
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def dimensions(value: tuple[Any, ...]) -> list[int]:
    """The lengths per dimension, by the first element of each; [] for the empty array within no dimension."""
    shape: list[int] = []
    item: Any = value
    while isinstance(item, tuple):
        shape.append(len(item))
        if not item:
            break
        item = item[0]
    return shape


_WORD = re.compile(r"\S+", re.ASCII)


def vector_reader(element: Callable[[str], int]) -> Callable[[str], tuple[int, ...]]:
    """The reader of int2vector or oidvector."""

    def read(text: str) -> tuple[int, ...]:
        return tuple([element(word) for word in _WORD.findall(text)])

    return read


# --- binary: dimensions, has-null flag, element OID; size and lower bound of each; elements with lengths ----

_HEADER = struct.Struct(">iiI")
_PAIR = struct.Struct(">ii")
_LENGTH = struct.Struct(">i")
_NULL_LENGTH = b"\xff\xff\xff\xff"


def array_packer(
    element_oid: int, element: Callable[[Any], bytes], lower_bound: int
) -> Callable[[tuple[Any, ...]], bytes]:
    """The function that packs arrays of `element_oid`."""

    def pack(value: tuple[Any, ...]) -> bytes:
        shape = dimensions(value) if value or lower_bound == 0 else []  # a vector keeps its one dimension
        items = flatten(value)
        parts = [_HEADER.pack(len(shape), int(None in items), element_oid)]
        parts.extend([_PAIR.pack(size, lower_bound) for size in shape])
        for item in items:
            if item is None:
                parts.append(_NULL_LENGTH)
            else:
                data = element(item)
                parts.append(_LENGTH.pack(len(data)))
                parts.append(data)
        return b"".join(parts)

    return pack


def flatten(value: tuple[Any, ...]) -> list[Any]:
    """The elements of an array of any dimension, in storage order."""
    items: list[Any] = []
    for item in value:
        if isinstance(item, tuple):
            items.extend(flatten(item))
        else:
            items.append(item)
    return items


def array_unpacker(element_oid: int, element: Callable[[bytes], Any]) -> Callable[[bytes], tuple[Any, ...]]:
    """The function that unpacks arrays of `element_oid`."""

    def unpack(data: bytes) -> tuple[Any, ...]:
        try:
            shape, offset = _unpack_shape(data, element_oid)
            items = _unpack_items(data, offset, shape, element)
        except struct.error:
            raise InvalidBinaryRepresentation("insufficient data left in message") from None
        for size in reversed(shape[1:]):
            items = [tuple(items[i : i + size]) for i in range(0, len(items), size)]
        return tuple(items)

    return unpack


def _unpack_shape(data: bytes, element_oid: int) -> tuple[list[int], int]:
    count, flags, oid = _HEADER.unpack_from(data)
    if not 0 <= count <= MAX_DIMENSIONS:
        raise InvalidBinaryRepresentation(f"invalid number of dimensions: {count}")
    if flags not in (0, 1):
        raise InvalidBinaryRepresentation("invalid array flags")
    if oid != element_oid:
        raise DatatypeMismatch(f"binary data has array element type {oid} instead of expected {element_oid}")
    shape: list[int] = []
    for i in range(count):
        size, lower_bound = _PAIR.unpack_from(data, 12 + 8 * i)
        if size < 0:
            raise InvalidBinaryRepresentation("invalid array size")
        if lower_bound not in (0, 1):
            raise NotSupportedError("array lower bounds other than 1 are not supported")
        shape.append(size)
    return ([] if 0 in shape else shape), 12 + 8 * count


def _unpack_items(data: bytes, offset: int, shape: list[int], element: Callable[[bytes], Any]) -> list[Any]:
    count = 1 if shape else 0
    for size in shape:
        count *= size
    if count * 4 > len(data):
        raise InvalidBinaryRepresentation("insufficient data left in message")
    items: list[Any] = []
    for _ in range(count):
        (length,) = _LENGTH.unpack_from(data, offset)
        offset += 4
        if length == -1:
            items.append(None)
            continue
        if length < 0 or offset + length > len(data):
            raise InvalidBinaryRepresentation("insufficient data left in message")
        items.append(element(data[offset : offset + length]))
        offset += length
    if offset != len(data):
        raise InvalidBinaryRepresentation("incorrect binary data format")
    return items
