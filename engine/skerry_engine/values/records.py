"""Records: rows as values.  Unlike every other value, a record knows the types of its fields.

Two rows of one result may be made from different tables (`CASE WHEN x THEN a ELSE b END`), and the type `record`
says nothing about its fields, so their types travel with the value.  Records are made by statements and
shown to clients; they are never stored.
"""

from __future__ import annotations

from collections.abc import Callable

from skerry_engine.values.types import SqlType


class Record(tuple[object, ...]):
    """The fields' values; `types` are the fields' types.  Compared and hashed as a tuple."""

    types: tuple[SqlType, ...]


def record_maker(types: tuple[SqlType, ...]) -> Callable[[tuple[object, ...]], Record]:
    """What makes records with fields of these types."""

    def make(values: tuple[object, ...]) -> Record:
        record = Record(values)
        record.types = types
        return record

    return make
