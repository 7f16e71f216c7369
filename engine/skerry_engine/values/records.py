"""Rows as values.  Unlike every other value, they know the types of their fields.

    Record      a row that a statement made: ROW(...), a whole row of a table; never stored
    Composite   a value of a composite type, stored in columns and in arrays

Two rows of one result may be made from different tables (`CASE WHEN x THEN a ELSE b END`), and the type `record`
says nothing about its fields, so their types travel with the value.  Composite types are altered without a look at the
values there are, and keys are made without a catalog, so a composite value says what it was made of, too:

    type (a int, b text)      ADD ATTRIBUTE c      DROP ATTRIBUTE b
    value made before         (1, x) = (1, x, NULL)     (1, NULL): b's place is passed over

The number of an attribute is its place in values, and never used again.  A Composite is no tuple, as an array's
elements must be told from its inner arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from skerry_engine.values.types import SqlType


class Record(tuple[object, ...]):
    """The fields' values; `types` are the fields' types.  Compared and hashed as a tuple."""

    types: tuple[SqlType, ...]


@dataclass(frozen=True, slots=True)
class Composite:
    """A value of a composite type: the attributes' values by number, from 0, and the OIDs of their types as they were
    when it was made.  What it lacks at its end is NULL."""

    types: tuple[int, ...]
    items: tuple[object, ...]

    def item(self, number: int) -> object:
        """The value of the attribute with that number."""
        return self.items[number] if number < len(self.items) else None


def record_maker(types: tuple[SqlType, ...]) -> Callable[[tuple[object, ...]], Record]:
    """What makes records with fields of these types."""

    def make(values: tuple[object, ...]) -> Record:
        record = Record(values)
        record.types = types
        return record

    return make
