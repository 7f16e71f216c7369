"""Types that users make, as values see them: what their OIDs tell, and the labels and names behind them.

Values are read, compared and kept by code that knows types by OID, and no catalog.  So the OID of a user's type tells
what kind of type it is; it is made of the number that the catalog's counter gives (`user_type_oid`):

    0x40000000 + 2n   an enum          0x40000001 + 2n   the array of it
    0x50000000 + 2n   a composite type   0x50000001 + 2n   the array of it
    0x60000000 + 2n   a domain         0x60000001 + 2n   the array of it

A domain's values are those of its base type, and so is everything that is done with them: a `SqlType` has the base
type's OID, and names the domain beside it.

Everything else about a type belongs to a catalog: `UserTypes` is what one statement sees of it.  It hangs at the
IoContext, so that text can be read and written, and, for messages alone, at the thread (`show_types`).

An enum's value is an int64 in the order of its labels, so it is compared, hashed, indexed and kept as a bigint is.
Numbers stand 2**40 apart, and a label that is put between two others gets the one in their middle; no number ever
changes.  PostgreSQL keeps OIDs and asks its catalog for the order of those that were added late.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from skerry_engine.errors import (
    InternalError,
    InvalidBinaryRepresentation,
    InvalidTextRepresentation,
    ProgramLimitExceeded,
)

FIRST_ENUM: Final = 0x40000000
END_OF_ENUMS: Final = 0x50000000
FIRST_COMPOSITE: Final = 0x50000000
FIRST_DOMAIN: Final = 0x60000000
END_OF_DOMAINS: Final = 0x70000000
FIRST_USER_TYPE: Final = FIRST_ENUM
END_OF_USER_TYPES: Final = END_OF_DOMAINS

LABEL_GAP: Final = 1 << 40


def enum_oid(number: int) -> int:
    """The OID of the enum with that number of the OID counter; the next one is its array's."""
    return _oid(FIRST_ENUM, number)


def composite_oid(number: int) -> int:
    """The OID of the composite type with that number of the OID counter; the next one is its array's."""
    return _oid(FIRST_COMPOSITE, number)


def is_composite(oid: int) -> bool:
    """Whether it is the OID of a composite type (not of an array of one)."""
    return FIRST_COMPOSITE <= oid < FIRST_DOMAIN and oid & 1 == 0


def is_composite_or_array(oid: int) -> bool:
    """Whether it is the OID of a composite type or of an array of one."""
    return FIRST_COMPOSITE <= oid < FIRST_DOMAIN


def domain_oid(number: int) -> int:
    """The OID of the domain with that number of the OID counter; the next one is its array's."""
    return _oid(FIRST_DOMAIN, number)


def _oid(first: int, number: int) -> int:
    if number >= 1 << 27:
        raise ProgramLimitExceeded("there are no OIDs left for types")
    return first + 2 * number


def is_user_type(oid: int) -> bool:
    """Whether it is the OID of a type that a user made, or of an array of one."""
    return FIRST_USER_TYPE <= oid < END_OF_USER_TYPES


def is_domain_or_array(oid: int) -> bool:
    """Whether it is the OID of a domain or of an array of one."""
    return FIRST_DOMAIN <= oid < END_OF_DOMAINS


def counted(oid: int) -> float:
    """The number of the OID counter behind the OID of any object; a type's array counts as a bit older than it."""
    if not FIRST_USER_TYPE <= oid < END_OF_USER_TYPES:
        return oid
    return (oid - FIRST_USER_TYPE) % (1 << 28) // 2 - 0.5 * (oid & 1)


def is_enum(oid: int) -> bool:
    """Whether it is the OID of an enum (not of an array of one)."""
    return FIRST_ENUM <= oid < END_OF_ENUMS and oid & 1 == 0


def is_enum_or_array(oid: int) -> bool:
    """Whether it is the OID of an enum or of an array of one."""
    return FIRST_ENUM <= oid < END_OF_ENUMS


def number_between(before: int | None, after: int | None) -> int:
    """A number for a label between two others; None where there is none on that side.

    Raises ProgramLimitExceeded when there is no number left, which takes 40 labels put in at one place.
    """
    if before is None:
        return 0 if after is None else after - LABEL_GAP
    if after is None:
        return before + LABEL_GAP
    if after - before < 2:
        raise ProgramLimitExceeded("too many labels were added to the enum at this place")
    return (before + after) // 2


@dataclass(frozen=True, slots=True, eq=False)
class EnumValues:
    """The labels of an enum by value, in order, and the values by label."""

    name: str
    labels: Mapping[int, str]
    values: Mapping[str, int]

    def label(self, value: int) -> str:
        """The label of a value.  Raises InvalidBinaryRepresentation for one that the statement can't know."""
        found = self.labels.get(value)
        if found is None:
            raise InvalidBinaryRepresentation(f"invalid internal value for enum: {value}")
        return found

    def value(self, label: str) -> int:
        """The value with the label.  Raises InvalidTextRepresentation."""
        found = self.values.get(label)
        if found is None:
            raise InvalidTextRepresentation(f'invalid input value for enum {self.name}: "{label}"')
        return found


@dataclass(frozen=True, slots=True)
class Field:
    """An attribute of a composite type: its name, the OID of its type, its modifier, and its number (from 0), which is
    its place in values."""

    name: str
    type_oid: int
    typmod: int
    number: int


@dataclass(frozen=True, slots=True, eq=False)
class CompositeFields:
    """The attributes of a composite type, without dropped ones.  `types` are the OIDs of all that it has ever had, by
    number; 0 for dropped ones."""

    fields: tuple[Field, ...]
    types: tuple[int, ...]

    @property
    def has_gaps(self) -> bool:
        """Whether attributes were dropped."""
        return len(self.fields) < len(self.types)

    def items(self, values: Sequence[object]) -> tuple[object, ...]:
        """What a value holds that has these attributes."""
        if not self.has_gaps:
            return tuple(values)
        items: list[object] = [None] * len(self.types)
        for each, value in zip(self.fields, values, strict=True):
            items[each.number] = value
        return tuple(items)


@dataclass(frozen=True, slots=True, eq=False)
class UserTypes:
    """The users' types that a statement sees: their names as messages show them, by OID, and what is in them."""

    names: Mapping[int, str] = field(default_factory=dict)
    enums: Mapping[int, EnumValues] = field(default_factory=dict)
    composites: Mapping[int, CompositeFields] = field(default_factory=dict)

    def enum(self, oid: int) -> EnumValues:
        """The enum with that OID.  Raises InternalError when there is none any more."""
        found = self.enums.get(oid)
        if found is None:
            raise InternalError(f"cache lookup failed for type {oid}")
        return found

    def composite(self, oid: int) -> CompositeFields:
        """The attributes of the composite type with that OID.  Raises InternalError when there is none any more."""
        found = self.composites.get(oid)
        if found is None:
            raise InternalError(f"cache lookup failed for type {oid}")
        return found

    def has_gaps(self, oid: int) -> bool:
        """Whether values of the type may hold values of attributes that were dropped, however deep inside."""
        found = self.composites.get(oid & ~1)
        if found is None:
            return False
        return found.has_gaps or any(self.has_gaps(each.type_oid) for each in found.fields)


NO_TYPES: Final = UserTypes()

_shown = threading.local()


def show_types(types: UserTypes) -> None:
    """Let messages that this thread makes from now on name these types."""
    _shown.types = types


def shown_name(oid: int) -> str:
    """The name of a user's type for a message; ??? where nobody has said it."""
    types: UserTypes = getattr(_shown, "types", NO_TYPES)
    return types.names.get(oid, "???")


def numbered(labels: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """The labels of a new enum with their values."""
    return tuple((label, number * LABEL_GAP) for number, label in enumerate(labels))
