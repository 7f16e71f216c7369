"""Ranges and multiranges: what they are, their text and binary forms, their order, and the algebra on them.

    [3,7)       from 3, included, to 7, not included         (,7)  unbounded below        empty
    {[1,3),[5,9)}   a multirange: ranges in order that neither overlap nor touch

A range's bounds are atoms of its element type; None is unbounded.  Ranges of integers and dates are discrete: they have
one form, closed below and open above (`[3,6]` is `[3,7)`); all others keep their bounds as written.  What knows the
element type is a `RangeKind`; whatever makes a range goes through its `make`.

Bounds compare as tuples, lower ones with upper ones, too: where the values are equal, what ends before the value is
less than what begins or ends at it, and that less than what begins behind it.

                        upper )      lower [  upper ]      lower (
    (0, value,           -1)     <        0)          <        1)           unbounded: (-1,) below, (1,) above

To functions a range is the multirange of itself, `empty` that of nothing: `parts` gives the ranges in a value, and
almost everything is said of lists of ranges.  What functions of ranges alone can't say, they raise for: a union with a
hole.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from skerry_engine.errors import (
    DataError,
    DatetimeFieldOverflow,
    InvalidBinaryRepresentation,
    InvalidTextRepresentation,
    NumericValueOutOfRange,
)
from skerry_engine.values import oids
from skerry_engine.values.calendar import is_finite_date

Bound = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """A range.  An unbounded side has None and is not included; an empty one has nothing but `is_empty`."""

    lower: object
    upper: object
    lower_included: bool = False
    upper_included: bool = False
    is_empty: bool = False


@dataclass(frozen=True, slots=True)
class Multirange:
    """A multirange: ranges that are not empty, in order, with gaps between them."""

    ranges: tuple[Range, ...]


EMPTY: Final = Range(None, None, False, False, True)


def parts(value: Range | Multirange) -> tuple[Range, ...]:
    """The ranges in a value, in order."""
    if isinstance(value, Multirange):
        return value.ranges
    return () if value.is_empty else (value,)


# --- kinds --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class RangeKind:
    """What is known of the ranges over one type.  `key` makes what Python orders as SQL orders the element; `after` is
    the next element of a discrete type (it raises DataError behind the last one), None for others."""

    oid: int
    multirange_oid: int
    element_oid: int
    key: Callable[[Any], Any]
    after: Callable[[Any], Any] | None = None

    def lower_bound(self, range_: Range) -> Bound:
        if range_.lower is None:
            return (-1,)
        return (0, self.key(range_.lower), 0 if range_.lower_included else 1)

    def upper_bound(self, range_: Range) -> Bound:
        if range_.upper is None:
            return (1,)
        return (0, self.key(range_.upper), 0 if range_.upper_included else -1)

    def make(self, lower: Any, upper: Any, lower_included: bool, upper_included: bool) -> Range:
        """The range with these bounds, in its one form.  Raises DataError for bounds in the wrong order."""
        lower_included = lower_included and lower is not None
        upper_included = upper_included and upper is not None
        if lower is not None and upper is not None:
            first, last = self.key(lower), self.key(upper)
            if first > last:
                raise DataError("range lower bound must be less than or equal to range upper bound")
            if first == last and not (lower_included and upper_included):
                return EMPTY
        if self.after is not None:
            lower, lower_included = self._moved(lower, lower_included, True)
            upper, upper_included = self._moved(upper, upper_included, False)
            if lower == upper and lower is not None and lower_included is not upper_included:
                return EMPTY
        return Range(lower, upper, lower_included, upper_included)

    def _moved(self, bound: Any, included: bool, wanted: bool) -> tuple[Any, bool]:
        """A bound of a discrete type so that it is included or not, as wanted; infinite dates stay as they are."""
        assert self.after is not None
        if bound is None or included is wanted:
            return bound, included
        following = self.after(bound)
        return following, wanted if following != bound else included


def _itself(value: Any) -> Any:
    return value


def _number_key(value: Decimal) -> tuple[int, object]:
    return (1, 0) if value.is_nan() else (0, value)


def _int4_after(value: int) -> int:
    if value == 2147483647:
        raise NumericValueOutOfRange("integer out of range")
    return value + 1


def _int8_after(value: int) -> int:
    if value == 9223372036854775807:
        raise NumericValueOutOfRange("bigint out of range")
    return value + 1


LAST_DATE: Final = 2145031948
"""5874897-12-31, as days after 2000-01-01."""


def _date_after(value: int) -> int:
    if not is_finite_date(value):
        return value
    if value == LAST_DATE:
        raise DatetimeFieldOverflow("date out of range")
    return value + 1


KINDS: Final = (
    RangeKind(oids.INT4RANGE, oids.INT4MULTIRANGE, oids.INT4, _itself, _int4_after),
    RangeKind(oids.NUMRANGE, oids.NUMMULTIRANGE, oids.NUMERIC, _number_key),
    RangeKind(oids.TSRANGE, oids.TSMULTIRANGE, oids.TIMESTAMP, _itself),
    RangeKind(oids.TSTZRANGE, oids.TSTZMULTIRANGE, oids.TIMESTAMPTZ, _itself),
    RangeKind(oids.DATERANGE, oids.DATEMULTIRANGE, oids.DATE, _itself, _date_after),
    RangeKind(oids.INT8RANGE, oids.INT8MULTIRANGE, oids.INT8, _itself, _int8_after),
)
KIND_OF_RANGE: Final = {kind.oid: kind for kind in KINDS}
KIND_OF_MULTIRANGE: Final = {kind.multirange_oid: kind for kind in KINDS}


def kind_of(oid: int) -> RangeKind | None:
    """What is known of a range or multirange type; None for other types."""
    return KIND_OF_RANGE.get(oid) or KIND_OF_MULTIRANGE.get(oid)


# --- the algebra --------------------------------------------------------------------------------------------


def overlap(kind: RangeKind, one: Range, other: Range) -> bool:
    """Whether two ranges, neither empty, share an element."""
    return kind.lower_bound(one) <= kind.upper_bound(other) and kind.lower_bound(other) <= kind.upper_bound(
        one
    )


def touches(kind: RangeKind, one: Range, other: Range) -> bool:
    """Whether the second range begins just where the first one ends."""
    if one.upper is None or other.lower is None:
        return False
    return bool(kind.key(one.upper) == kind.key(other.lower)) and one.upper_included != other.lower_included


def within(kind: RangeKind, inner: Range, outer: Range) -> bool:
    """Whether a range, not empty, is within another."""
    return kind.lower_bound(outer) <= kind.lower_bound(inner) and kind.upper_bound(inner) <= kind.upper_bound(
        outer
    )


def hull(kind: RangeKind, ranges: Sequence[Range]) -> Range:
    """The smallest range with all of the ranges, none of which is empty, in it."""
    if not ranges:
        return EMPTY
    first = min(ranges, key=kind.lower_bound)
    last = max(ranges, key=kind.upper_bound)
    return Range(first.lower, last.upper, first.lower_included, last.upper_included)


def normal(kind: RangeKind, ranges: Sequence[Range]) -> tuple[Range, ...]:
    """The ranges in order, those that overlap or touch as one, without empty ones."""
    found: list[Range] = []
    present = [each for each in ranges if not each.is_empty]
    for each in sorted(present, key=lambda r: (kind.lower_bound(r), kind.upper_bound(r))):
        if found and (overlap(kind, found[-1], each) or touches(kind, found[-1], each)):
            found[-1] = hull(kind, (found[-1], each))
        else:
            found.append(each)
    return tuple(found)


def intersection(kind: RangeKind, ones: Sequence[Range], others: Sequence[Range]) -> tuple[Range, ...]:
    """What both have."""
    found: list[Range] = []
    for one in ones:
        for other in others:
            if overlap(kind, one, other):
                low = max(one, other, key=kind.lower_bound)
                high = min(one, other, key=kind.upper_bound)
                found.append(kind.make(low.lower, high.upper, low.lower_included, high.upper_included))
    return normal(kind, found)


def difference(kind: RangeKind, ones: Sequence[Range], others: Sequence[Range]) -> tuple[Range, ...]:
    """What the first ones have and the others have not."""
    left = list(ones)
    for other in others:
        left = [piece for each in left for piece in _cut(kind, each, other)]
    return normal(kind, left)


def _cut(kind: RangeKind, range_: Range, hole: Range) -> list[Range]:
    if not overlap(kind, range_, hole):
        return [range_]
    found: list[Range] = []
    if kind.lower_bound(range_) < kind.lower_bound(hole):
        found.append(kind.make(range_.lower, hole.lower, range_.lower_included, not hole.lower_included))
    if kind.upper_bound(range_) > kind.upper_bound(hole):
        found.append(kind.make(hole.upper, range_.upper, not hole.upper_included, range_.upper_included))
    return found


def covers(kind: RangeKind, outer: Sequence[Range], inner: Sequence[Range]) -> bool:
    """Whether everything in `inner` is in `outer`."""
    return all(any(within(kind, each, one) for one in outer) for each in inner)


def has_element(kind: RangeKind, ranges: Sequence[Range], element: Any) -> bool:
    """Whether the element is in one of the ranges."""
    at = (0, kind.key(element), 0)
    return any(kind.lower_bound(each) <= at <= kind.upper_bound(each) for each in ranges)


# --- order --------------------------------------------------------------------------------------------------


def range_key(kind: RangeKind, range_: Range) -> tuple[object, ...]:
    """What orders ranges: empty ones first, then by lower, then by upper bounds."""
    if range_.is_empty:
        return (0,)
    return (1, kind.lower_bound(range_), kind.upper_bound(range_))


def sort_key(kind: RangeKind, value: Range | Multirange) -> object:
    """What orders ranges, and multiranges by their ranges in turn."""
    if isinstance(value, Multirange):
        return [range_key(kind, each) for each in value.ranges]
    return range_key(kind, value)


def order_body(kind: RangeKind, element: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    """The function that makes a range into bytes that sort as `range_key` does; `element` does so for an element.

    empty     00
    others    01, lower: 00 | 01 body 00 (included) or 01, upper: 01 body 00 or 01 (included) | 02
    """

    def body(range_: Range) -> bytes:
        if range_.is_empty:
            return b"\x00"
        made = [b"\x01"]
        if range_.lower is None:
            made.append(b"\x00")
        else:
            made += (b"\x01", element(range_.lower), b"\x00" if range_.lower_included else b"\x01")
        if range_.upper is None:
            made.append(b"\x02")
        else:
            made += (b"\x01", element(range_.upper), b"\x01" if range_.upper_included else b"\x00")
        return b"".join(made)

    return body


def multirange_body(body: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    """The same for multiranges: each range behind 01, then 00."""
    return lambda value: b"".join([b"\x01" + body(each) for each in value.ranges]) + b"\x00"


# --- text ---------------------------------------------------------------------------------------------------

_NEEDS_QUOTES = re.compile(r'["\\()\[\],\s]')
_BOUND = re.compile(r'(?:[^"\\),\]]|\\.|"(?:[^"\\]|\\.|"")*")*', re.DOTALL)
_QUOTED_PART = re.compile(r'\\(.)|"((?:[^"\\]|\\.|"")*)"|([^"\\]+)', re.DOTALL)
_ESCAPE_IN_QUOTES = re.compile(r'\\(.)|""', re.DOTALL)
_BLANKS = " \t\n\r\v\f"


def _quoted(text: str) -> str:
    if text and _NEEDS_QUOTES.search(text) is None:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '""') + '"'


def range_writer(element: Callable[[Any], str]) -> Callable[[Range], str]:
    """The function that writes ranges of elements that `element` writes."""

    def write(range_: Range) -> str:
        if range_.is_empty:
            return "empty"
        lower = "" if range_.lower is None else _quoted(element(range_.lower))
        upper = "" if range_.upper is None else _quoted(element(range_.upper))
        opening, closing = "[" if range_.lower_included else "(", "]" if range_.upper_included else ")"
        return f"{opening}{lower},{upper}{closing}"

    return write


def multirange_writer(range_text: Callable[[Range], str]) -> Callable[[Multirange], str]:
    return lambda value: "{" + ",".join([range_text(each) for each in value.ranges]) + "}"


def range_reader(kind: RangeKind, element: Callable[[str], Any]) -> Callable[[str], Range]:
    """The function that reads ranges; it raises InvalidTextRepresentation, and what `element` and `make` raise."""

    def read(text: str) -> Range:
        body = text.strip(_BLANKS)
        if body[:5].lower() == "empty":
            if len(body) > 5:
                raise _malformed("range", text, 'Junk after "empty" key word.')
            return EMPTY
        lower, upper, end = _read_bounds(body, text)
        if end < len(body):
            raise _malformed("range", text, "Junk after right parenthesis or bracket.")
        first = None if lower is None else element(lower)
        last = None if upper is None else element(upper)
        return kind.make(first, last, body[0] == "[", body[-1] == "]")

    return read


def _read_bounds(body: str, text: str) -> tuple[str | None, str | None, int]:
    """The bounds' texts of the range at the beginning of `body`, and where it ends.  Raises
    InvalidTextRepresentation."""
    if body[:1] not in ("[", "("):
        raise _malformed("range", text, "Missing left parenthesis or bracket.")
    lower, position = _read_bound(body, 1, text)
    if body[position] != ",":
        raise _malformed("range", text, "Missing comma after lower bound.")
    upper, position = _read_bound(body, position + 1, text)
    if body[position] == ",":
        raise _malformed("range", text, "Too many commas.")
    return lower, upper, position + 1


def _read_bound(body: str, position: int, text: str) -> tuple[str | None, int]:
    """A bound's text, None where there is none, and where it ends: at a comma, bracket or parenthesis."""
    found = _BOUND.match(body, position)
    assert found is not None
    end = found.end()
    if end >= len(body) or body[end] in '"\\':
        raise _malformed("range", text, "Unexpected end of input.")
    return (_unquoted(found.group()) if found.group() else None), end


def _unquoted(raw: str) -> str:
    pieces: list[str] = []
    for escaped, quoted, plain in _QUOTED_PART.findall(raw):
        pieces.append(escaped or plain or _ESCAPE_IN_QUOTES.sub(lambda m: m[1] or '"', quoted))
    return "".join(pieces)


def multirange_reader(kind: RangeKind, range_text: Callable[[str], Range]) -> Callable[[str], Multirange]:
    """The function that reads multiranges of what `range_text` reads."""

    def read(text: str) -> Multirange:
        return Multirange(normal(kind, [range_text(each) for each in _ranges_in(text)]))

    return read


def _ranges_in(text: str) -> list[str]:
    """The texts of a multirange's ranges.  Raises InvalidTextRepresentation."""
    body = text.strip(_BLANKS)
    if not body.startswith("{"):
        raise _malformed("multirange", text, "Missing left brace.")
    found: list[str] = []
    position = 1
    while True:
        position = _past_blanks(body, position)
        if body[position : position + 1] == "}" and not found:
            break
        start = position
        position = _end_of_range(body, position, text)
        found.append(body[start:position])
        position = _past_blanks(body, position)
        if body[position : position + 1] == "}":
            break
        if position >= len(body):
            raise _malformed("multirange", text, "Unexpected end of input.")
        if body[position] != ",":
            raise _malformed("multirange", text, "Expected comma or end of multirange.")
        position += 1
    if position + 1 < len(body):
        raise _malformed("multirange", text, "Junk after closing right brace.")
    return found


def _past_blanks(body: str, position: int) -> int:
    while body[position : position + 1] and body[position] in _BLANKS:
        position += 1
    return position


def _end_of_range(body: str, position: int, text: str) -> int:
    if body[position : position + 5].lower() == "empty":
        return position + 5
    if position >= len(body):
        raise _malformed("multirange", text, "Unexpected end of input.")
    if body[position] not in "[(":
        raise _malformed("multirange", text, "Expected range start.")
    is_quoted = False
    position += 1
    while position < len(body):
        letter = body[position]
        if letter == "\\":
            position += 1
        elif letter == '"':
            is_quoted = not is_quoted
        elif letter in ")]" and not is_quoted:
            return position + 1
        position += 1
    raise _malformed("multirange", text, "Unexpected end of input.")


def _malformed(what: str, text: str, detail: str) -> InvalidTextRepresentation:
    return InvalidTextRepresentation(f'malformed {what} literal: "{text}"', detail=detail)


# --- binary: flags, then each bound that is there with its length ------------------------------------------------

_IS_EMPTY, _LOWER_INCLUDED, _UPPER_INCLUDED, _NO_LOWER, _NO_UPPER = 1, 2, 4, 8, 16
_LENGTH = struct.Struct(">i")


def flags_of(range_: Range) -> int:
    """The range without its bounds, as a number."""
    if range_.is_empty:
        return _IS_EMPTY
    lower = _NO_LOWER if range_.lower is None else _LOWER_INCLUDED * range_.lower_included
    return lower | (_NO_UPPER if range_.upper is None else _UPPER_INCLUDED * range_.upper_included)


def range_of_flags(lower: Any, upper: Any, flags: int) -> Range:
    """The range that has these bounds and flags, already in its one form."""
    if flags & _IS_EMPTY:
        return EMPTY
    return Range(lower, upper, bool(flags & _LOWER_INCLUDED), bool(flags & _UPPER_INCLUDED))


def range_packer(element: Callable[[Any], bytes]) -> Callable[[Range], bytes]:
    def pack(range_: Range) -> bytes:
        made = [bytes((flags_of(range_),))]
        for bound in (range_.lower, range_.upper):
            if bound is not None:
                data = element(bound)
                made += (_LENGTH.pack(len(data)), data)
        return b"".join(made)

    return pack


def multirange_packer(pack: Callable[[Range], bytes]) -> Callable[[Multirange], bytes]:
    def pack_all(value: Multirange) -> bytes:
        made = [_LENGTH.pack(len(value.ranges))]
        for each in value.ranges:
            data = pack(each)
            made += (_LENGTH.pack(len(data)), data)
        return b"".join(made)

    return pack_all


def range_unpacker(kind: RangeKind, element: Callable[[bytes], Any]) -> Callable[[bytes], Range]:
    """It raises InvalidBinaryRepresentation, and what `element` and `make` raise."""

    def unpack(data: bytes) -> Range:
        if not data:
            raise InvalidBinaryRepresentation("no data left in message")
        flags, position = data[0] & 31, 1
        if flags & _IS_EMPTY:
            flags = _IS_EMPTY | _NO_LOWER | _NO_UPPER
        bounds: list[Any] = []
        for missing in (_NO_LOWER, _NO_UPPER):
            if flags & missing:
                bounds.append(None)
                continue
            bound, position = _sized_part(data, position)
            bounds.append(element(bound))
        if position != len(data):
            raise InvalidBinaryRepresentation("incorrect binary data format")
        if flags & _IS_EMPTY:
            return EMPTY
        lower, upper = bounds
        return kind.make(lower, upper, bool(flags & _LOWER_INCLUDED), bool(flags & _UPPER_INCLUDED))

    return unpack


def multirange_unpacker(kind: RangeKind, unpack: Callable[[bytes], Range]) -> Callable[[bytes], Multirange]:
    """Likewise."""

    def unpack_all(data: bytes) -> Multirange:
        if len(data) < 4:
            raise InvalidBinaryRepresentation("insufficient data left in message")
        (count,) = _LENGTH.unpack_from(data)
        position = 4
        found: list[Range] = []
        for _ in range(count):
            part, position = _sized_part(data, position)
            found.append(unpack(part))
        if position != len(data):
            raise InvalidBinaryRepresentation("incorrect binary data format")
        return Multirange(normal(kind, found))

    return unpack_all


def _sized_part(data: bytes, position: int) -> tuple[bytes, int]:
    """Bytes behind their length, and where they end."""
    start = position + 4
    if start > len(data):
        raise InvalidBinaryRepresentation("insufficient data left in message")
    (size,) = _LENGTH.unpack_from(data, position)
    if size < 0 or start + size > len(data):
        raise InvalidBinaryRepresentation("insufficient data left in message")
    return data[start : start + size], start + size
