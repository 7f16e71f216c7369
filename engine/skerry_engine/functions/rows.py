"""Comparisons of rows: column by column, NULLs equal and above everything else.

The operators are those of `record`; values of composite types are made records of, but in arrays, GREATEST and NULLIF,
where they are compared as they are: both are of one type then, and what one lacks at its end is NULL.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import eq, ge, gt, le, lt, ne

from skerry_engine.errors import DatatypeMismatch, UndefinedFunction
from skerry_engine.functions.registry import define
from skerry_engine.values.keys import fields_of, has_order, row_body
from skerry_engine.values.records import Composite, Record
from skerry_engine.values.types import format_type

AnyRow = Composite | Record


def _checked(left: AnyRow, right: AnyRow) -> None:
    """Raise DatatypeMismatch for rows that can't be compared with each other."""
    if isinstance(left, Composite) and isinstance(right, Composite):
        return
    ours, theirs = fields_of(left)[0], fields_of(right)[0]
    for number, (one, other) in enumerate(zip(ours, theirs, strict=False), 1):
        if one != other:
            raise DatatypeMismatch(
                f"cannot compare dissimilar column types {format_type(one)} and {format_type(other)}"
                f" at record column {number}"
            )
    if len(ours) != len(theirs):
        raise DatatypeMismatch("cannot compare record types with different numbers of columns")


def _body(row: AnyRow, what: str) -> bytes:
    for oid in fields_of(row)[0]:
        if oid and not has_order(oid):
            raise UndefinedFunction(f"could not identify {what} for type {format_type(oid)}")
    return row_body(row)


def _comparison(compare: Callable[[bytes, bytes], bool], what: str) -> Callable[[AnyRow, AnyRow], bool]:
    def compared(left: AnyRow, right: AnyRow) -> bool:
        _checked(left, right)
        return compare(_body(left, what), _body(right, what))

    return compared


for _name, _compare in (("eq", eq), ("ne", ne)):
    define(f"record_{_name}", _comparison(_compare, "an equality operator"))
for _name, _order in (("lt", lt), ("le", le), ("gt", gt), ("ge", ge)):
    define(f"record_{_name}", _comparison(_order, "a comparison function"))


def _three_way(left: AnyRow, right: AnyRow) -> int:
    _checked(left, right)
    what = "a comparison function"
    one, other = _body(left, what), _body(right, what)
    return (one > other) - (one < other)


define("btrecordcmp", _three_way)
